//! A Guomi group through the real program, from the key to the verified ledger.

mod common;

use std::fs;

use common::{Home, token};

#[test]
fn a_guomi_chain_is_made_used_and_verified() {
    let home = Home::new();
    let chain = home.chain(&["--suite", "guomi"]);
    let genesis = fs::read_to_string(home.path("chain/node0/genesis.toml")).unwrap();
    assert!(genesis.contains("suite = \"guomi\"") && genesis.contains("key = \"guomi:0x"), "{genesis}");

    let rpc = ["--rpc", chain.rpc.as_str()];
    let run = |arguments: &[&str]| home.json(&[arguments, &rpc].concat());
    let module = token();
    let module = module.to_str().unwrap();
    let alice = home.json(&["account", "new", "alice", "--suite", "guomi"]);
    assert_eq!(alice["suite"], "guomi");
    let bob = home.json(&["account", "new", "bob", "--suite", "guomi"])["address"].as_str().unwrap().to_owned();
    let deployed = run(&["contract", "deploy", module, "--account", "alice"]);
    let address = deployed["address"].as_str().unwrap();
    let sent = run(&["contract", "send", address, "transfer", &bob, "25", "--account", "alice"]);
    assert_eq!((&sent["status"], &sent["output"][0]), (&0.into(), &true.into()));
    assert_eq!(sent["logs"][0]["arguments"][0]["value"], alice["address"]);
    assert_eq!(run(&["contract", "call", address, "balanceOf", &bob])["output"], serde_json::json!(["25"]));

    home.json(&["account", "new", "carol"]);
    let stranger = ["contract", "send", address, "transfer", &bob, "1", "--account", "carol"];
    let line = home.failure(&[stranger.as_slice(), &rpc].concat());
    assert!(
        line.contains("of the standard suite, the group's suite is guomi")
            && line.contains("entente account new NAME --suite guomi"),
        "{line}"
    );

    let load = ["load", "--contract", module, "--count", "300", "--accounts", "20", "--batch", "50"];
    let loaded = run(&load);
    assert_eq!((&loaded["committed"], &loaded["failed"]), (&300.into(), &0.into()));
    assert_eq!(loaded["supply"]["ok"], true);

    drop(chain);
    let verified = home.json(&["verify", "--dir", "chain/node0", "--replay"]);
    assert_eq!((&verified["ok"], &verified["replay"]["ok"]), (&true.into(), &true.into()));
    assert_eq!(verified["replay"]["state_root"], verified["state_root"]);
    assert_eq!(verified["replay"]["failed"], 0);
}

#[test]
fn a_key_of_the_other_suite_gets_one_plain_line() {
    let home = Home::new();
    let chain = home.chain(&["--storage", "memory"]);
    home.json(&["account", "new", "alice", "--suite", "guomi"]);
    let deploy =
        ["contract", "deploy", token().to_str().unwrap(), "--account", "alice", "--rpc", &chain.rpc].map(str::to_owned);
    let deploy: Vec<&str> = deploy.iter().map(String::as_str).collect();
    let line = home.failure(&deploy);
    assert!(
        line.contains("of the guomi suite, the group's suite is standard")
            && line.contains("entente account new NAME --suite standard"),
        "{line}"
    );
}

#[test]
fn a_guomi_key_is_imported_listed_and_shown() {
    let home = Home::new();
    fs::write(home.path("secret.txt"), "07".repeat(32)).unwrap();
    let import =
        |name: &str, suite: &str| home.json(&["account", "import", name, "--suite", suite, "--file", "secret.txt"]);
    let (guomi, standard) = (import("alice", "guomi"), import("bob", "standard"));
    assert_ne!(guomi["address"], standard["address"]);
    let listed = home.json(&["account", "list"]);
    assert_eq!(
        (&listed["accounts"][0]["suite"], &listed["accounts"][1]["suite"]),
        (&"guomi".into(), &"standard".into())
    );
    let shown = home.json(&["account", "show", "alice"]);
    assert_eq!((&shown["address"], &shown["suite"]), (&guomi["address"], &"guomi".into()));
    assert!(shown["public_key"].as_str().unwrap().starts_with("guomi:0x"), "{shown}");
    // n, which is no key.
    fs::write(home.path("secret.txt"), "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123").unwrap();
    let line = home.failure(&["account", "import", "carol", "--suite", "guomi", "--file", "secret.txt"]);
    assert!(line.contains("no valid key of the Guomi suite"), "{line}");
}
