//! A chain that leaves one node's folder and comes to another: by a file, by the folder itself, in parts.

mod common;

use std::fs;

use common::{Home, token};
use serde_json::Value;

/// A stopped chain with the token deployed and some transfers, and another folder for a node with the same genesis.
fn two_nodes(home: &Home) -> Value {
    {
        let chain = home.chain(&[]);
        home.json(&["account", "new", "alice"]);
        let token = token();
        let place = ["--rpc", &chain.rpc, "--account", "alice"];
        let deployed = home.json(&[&["contract", "deploy", token.to_str().unwrap()], &place[..]].concat());
        let address = deployed["address"].as_str().unwrap().to_owned();
        for amount in ["1", "2", "3", "4"] {
            let receiver = "0x00000000000000000000000000000000000010ab";
            home.json(&[&["contract", "send", &address, "transfer", receiver, amount], &place[..]].concat());
        }
    }
    home.json(&["chain", "new", "--out", "fresh", "--rpc-port", "0"]);
    for file in ["genesis.toml", "keys/consensus.key"] {
        fs::copy(home.path("chain/node0").join(file), home.path("fresh/node0").join(file)).unwrap();
    }
    home.json(&["verify", "--dir", "chain/node0"])
}

#[test]
fn a_chain_comes_to_another_node_by_a_file_and_by_a_folder() {
    let home = Home::new();
    let verified = two_nodes(&home);
    assert_eq!(verified["height"], 5);
    let exported = home.json(&["export", "--dir", "chain/node0", "--out", "all.blocks"]);
    assert_eq!((&exported["first"], &exported["last"], &exported["transactions"]), (&0.into(), &5.into(), &5.into()));
    assert!(
        home.failure(&["export", "--dir", "chain/node0", "--out", "all.blocks"]).contains("there is a file already")
    );

    let imported = home.json(&["import", "--dir", "fresh/node0", "all.blocks"]);
    assert_eq!((&imported["blocks"], &imported["known"], &imported["height"]), (&5.into(), &1.into(), &5.into()));
    assert_eq!(imported["state_root"], verified["state_root"]);
    assert_eq!(home.json(&["verify", "--dir", "fresh/node0"]), verified);
    // Again: all of it is known, and nothing changes.
    let again = home.json(&["import", "--dir", "fresh/node0", "chain/node0"]);
    assert_eq!((&again["blocks"], &again["height"]), (&0.into(), &5.into()));

    fs::remove_dir_all(home.path("fresh/node0/data")).unwrap();
    let imported = home.json(&["import", "--dir", "fresh/node0", "chain/node0"]);
    assert_eq!((&imported["blocks"], &imported["state_root"]), (&5.into(), &verified["state_root"]));
    assert_eq!(home.json(&["verify", "--dir", "fresh/node0", "--replay"])["replay"]["ok"], true);
}

#[test]
fn a_chain_comes_in_parts_and_wrong_parts_are_refused() {
    let home = Home::new();
    let verified = two_nodes(&home);
    for (file, from, to) in [("first", "0", "2"), ("second", "2", "4"), ("third", "5", "5")] {
        home.json(&["export", "--dir", "chain/node0", "--out", file, "--from", from, "--to", to]);
    }
    let line = home.failure(&["import", "--dir", "fresh/node0", "second"]);
    assert!(
        line.contains("begins with block 2, but the node has blocks up to 0: import blocks 1 to 1 first"),
        "{line}"
    );
    for (file, height) in [("first", 2), ("second", 4), ("third", 5)] {
        assert_eq!(home.json(&["import", "--dir", "fresh/node0", file])["height"], height);
    }
    assert_eq!(home.json(&["verify", "--dir", "fresh/node0"]), verified);

    let line = home.failure(&["export", "--dir", "chain/node0", "--out", "none", "--from", "4", "--to", "9"]);
    assert!(line.contains("it has blocks 0 to 5, not 4 to 9"), "{line}");
    // A chain with another genesis.
    home.json(&["chain", "new", "--out", "other", "--rpc-port", "0"]);
    let line = home.failure(&["import", "--dir", "other/node0", "first"]);
    assert!(line.contains("the blocks are of the genesis"), "{line}");
    // A file that was cut: what came before is in, and the rest is told.
    fs::remove_dir_all(home.path("fresh/node0/data")).unwrap();
    home.json(&["export", "--dir", "chain/node0", "--out", "all"]);
    let bytes = fs::read(home.path("all")).unwrap();
    fs::write(home.path("cut"), &bytes[..bytes.len() - 40]).unwrap();
    let line = home.failure(&["import", "--dir", "fresh/node0", "cut"]);
    assert!(
        line.starts_with("cut: the file ends in the middle") || line.starts_with("cut: the record after"),
        "{line}"
    );
    assert_eq!(home.json(&["import", "--dir", "fresh/node0", "all"])["state_root"], verified["state_root"]);
    let line = home.failure(&["import", "--dir", "fresh/node0", "chain/node0/config.toml"]);
    assert!(line.contains("this is no export"), "{line}");
}
