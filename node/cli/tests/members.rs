//! Members through the real program: listed, added, removed, and refused in plain words.

mod common;

use common::{Home, text};
use serde_json::json;

/// A node that is not there: the key whose secret is 1.
const NODE_ID: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a6\
                       8554199c47d08ffb10d4b8";

#[test]
fn members_are_listed_changed_and_refused_in_plain_words() {
    let home = Home::new();
    let chain = home.chain(&[]);
    let rpc = ["--rpc", chain.rpc.as_str()];
    home.json(&["account", "import", "sealer", "--file", "chain/node0/keys/consensus.key"]);
    home.json(&["account", "new", "alice"]);
    let sealer = ["--account", "sealer"];
    let run = |arguments: &[&str]| home.json(&[&["member"], arguments, &rpc].concat());
    let refused = |arguments: &[&str]| home.failure(&[&["member"], arguments, &rpc].concat());

    let listed = run(&["list"]);
    let own = listed["sealers"][0]["node_id"].as_str().expect("an identifier").to_owned();
    assert_eq!((&listed["next_height"], &listed["observers"]), (&json!(1), &json!([])));
    assert_eq!(listed["sealers"][0]["weight"], json!(1));

    let line = refused(&["add", NODE_ID, "--account", "alice"]);
    assert!(
        line.contains("addObserver in block 1 changed nothing: permission denied: only the account of a sealer"),
        "{line}"
    );
    let added = run(&[&["add", NODE_ID][..], &sealer].concat());
    assert_eq!((&added["role"], &added["from"], &added["block"]), (&json!("observer"), &json!(3), &json!(2)));
    let line = refused(&[&["add", NODE_ID, "--observer"][..], &sealer].concat());
    assert!(line.ends_with("the node is an observer already (-51105)"), "{line}");
    let line = refused(&[&["add", NODE_ID, "--sealer"][..], &sealer].concat());
    assert!(line.contains("as many sealers as it may have: one with solo consensus"), "{line}");
    let line = refused(&[&["remove", &own][..], &sealer].concat());
    assert!(line.ends_with("the last sealer cannot be removed (-51101)"), "{line}");

    let weighed = run(&[&["add", &own, "--sealer", "--weight", "3"][..], &sealer].concat());
    assert_eq!((&weighed["weight"], &weighed["from"]), (&json!(3), &json!(7)));
    let again = run(&[&["add", &own, "--sealer", "--weight", "3"][..], &sealer].concat());
    assert_eq!((&again["role"], &again["from"]), (&json!("sealer"), &json!(null)));
    let listed = run(&["list", "--sealer"]);
    assert_eq!((&listed["sealers"][0]["weight"], &listed["observers"]), (&json!(3), &json!([])));
    let listed = run(&["list", "--observer"]);
    assert_eq!((&listed["observers"][0]["node_id"], &listed["sealers"]), (&json!(NODE_ID), &json!([])));
    let shown = text(&home.run(&[&["member", "list"][..], &rpc].concat()).stdout);
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(
        shown.lines().nth(2).is_some_and(|line| line.starts_with("observer") && line.ends_with(NODE_ID)),
        "{shown}"
    );
    let removed = run(&[&["remove", &format!("0x{NODE_ID}")][..], &sealer].concat());
    assert_eq!(removed["role"], json!("free"));
    let line = refused(&[&["remove", NODE_ID][..], &sealer].concat());
    assert!(line.ends_with("the node is neither a sealer nor an observer of the group (-51103)"), "{line}");
    // What is wrong before anybody is asked.
    for arguments in [
        &["member", "add", "0x12", "--account", "sealer"][..],
        &["member", "add", NODE_ID, "--weight", "3", "--account", "sealer"],
        &["member", "add", NODE_ID, "--sealer", "--weight", "0", "--account", "sealer"],
        &["member", "add", NODE_ID, "--sealer", "--observer", "--account", "sealer"],
        &["member", "list", "--sealer", "--observer"],
    ] {
        assert_eq!(home.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    home.json(&["chain", "down", "chain"]);
    let alone = home.failure(&["node", "fetch", "--dir", "chain/node0"]);
    assert!(
        alone.contains("one node orders a solo chain alone") && home.path("chain/node0/data/group1").is_dir(),
        "{alone}"
    );
    let verified = home.json(&["verify", "--dir", "chain/node0", "--replay"]);
    assert_eq!((&verified["ok"], &verified["replay"]["ok"]), (&json!(true), &json!(true)));
}
