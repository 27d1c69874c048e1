//! Proofs fetched from a running node and checked when it is gone.

mod common;

use std::fs;

use common::{Home, text, token};

#[test]
fn proofs_are_fetched_from_a_node_and_checked_without_one() {
    let home = Home::new();
    let chain = home.chain(&[]);
    let rpc = ["--rpc", chain.rpc.as_str()];
    let run = |arguments: &[&str]| home.json(&[arguments, &rpc].concat());
    home.json(&["account", "new", "alice"]);
    let module = token();
    let deployed = run(&["contract", "deploy", module.to_str().unwrap(), "--account", "alice"]);
    let address = deployed["address"].as_str().unwrap();
    let to = format!("0x{}", "07".repeat(20));
    let sent = run(&["contract", "send", address, "transfer", &to, "25", "--account", "alice"]);
    let (transaction, block) = (sent["transaction"].as_str().unwrap(), sent["block"].to_string());

    let fetched = run(&["proof", "transaction", transaction, "--out", "payment.proof"]);
    assert_eq!((&fetched["block"], &fetched["file"]), (&sent["block"], &"payment.proof".into()));
    assert_eq!(fetched["bytes"].as_u64().unwrap(), fs::metadata(home.path("payment.proof")).unwrap().len());
    run(&["proof", "receipt", transaction, "--out", "receipt.proof"]);
    // The receiver's balance: the second field, a map by address.
    let key = format!("0x01{}", "07".repeat(20));
    run(&["proof", "row", address, &key, "--block", &block, "--out", "row.proof"]);
    let fail = |arguments: &[&str]| home.failure(&[arguments, &rpc].concat());
    assert!(
        fail(&["proof", "transaction", &format!("0x{}", "11".repeat(32))]).contains("no block has this transaction")
    );
    assert!(fail(&["proof", "row", address, "0x77", "--block", &block]).contains("did not write the row 0x77 of 0x"));
    assert!(fail(&["proof", "row", address, &key, "--block", "99"]).contains("there is no block 99 yet"));
    let usage = home.run(&["proof", "row", "colours", "0x00", "--block", "1"]);
    assert_eq!(usage.status.code(), Some(2));
    assert!(text(&usage.stderr).contains("names no table"), "{}", text(&usage.stderr));
    drop(chain);

    // What is left is three files and the genesis document.
    fs::copy(home.path("chain/node0/genesis.toml"), home.path("genesis.toml")).unwrap();
    let genesis = ["--genesis", "genesis.toml"];
    let checked = home.json(&[&["proof", "check", "payment.proof"], genesis.as_slice()].concat());
    assert_eq!((&checked["ok"], &checked["block"]), (&true.into(), &sent["block"]));
    assert_eq!(checked["claim"]["transaction"]["to"], address);
    let checked = home.json(&[&["proof", "check", "receipt.proof"], genesis.as_slice()].concat());
    assert_eq!(
        (&checked["claim"]["transaction"], &checked["claim"]["receipt"]["status"]),
        (&sent["transaction"], &"success".into())
    );
    let checked = home.json(&[&["proof", "check", "row.proof"], genesis.as_slice()].concat());
    assert!(checked["claim"]["value"].as_str().unwrap().starts_with("0x1900"), "25 tokens: {checked}");
    let shown = text(&home.run(&[&["proof", "check", "row.proof"], genesis.as_slice()].concat()).stdout);
    assert!(shown.starts_with("proved") && shown.contains(&format!("was written by block {block}")), "{shown}");
    let genesis_hash = checked["genesis_hash"].as_str().unwrap();
    let with_hash =
        |hash: &str| home.run(&[&["proof", "check", "row.proof", "--genesis-hash", hash], genesis.as_slice()].concat());
    assert_eq!(with_hash(genesis_hash).status.code(), Some(0));
    let another = with_hash(&format!("0x{}", "11".repeat(32)));
    assert_eq!(another.status.code(), Some(1));
    assert!(
        text(&another.stderr).contains("genesis.toml: the genesis document has the hash"),
        "{}",
        text(&another.stderr)
    );
    damaged_and_foreign_ones_are_refused(&home);
}

/// One bit, half a file, no proof, another group.
fn damaged_and_foreign_ones_are_refused(home: &Home) {
    let genesis = ["--genesis", "genesis.toml"];
    let check = |file: &str| home.failure(&[&["proof", "check", file], genesis.as_slice()].concat());
    let mut bytes = fs::read(home.path("payment.proof")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(home.path("altered.proof"), &bytes).unwrap();
    assert!(check("altered.proof").starts_with("altered.proof: "));
    fs::write(home.path("half.proof"), &bytes[..middle]).unwrap();
    assert!(check("half.proof").contains("half.proof: the bytes are no SCALE-encoded proof"));
    assert!(check("genesis.toml").contains("no SCALE-encoded proof"));
    assert!(check("nowhere.proof").contains("nowhere.proof"));
    home.json(&["chain", "new", "--out", "other"]);
    let other = home.failure(&["proof", "check", "payment.proof", "--genesis", "other/node0/genesis.toml"]);
    assert!(other.contains("the proof is for the group with the genesis hash"), "{other}");
}
