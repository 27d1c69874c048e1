//! With `--json`, every command writes exactly one JSON object to standard output, whatever happens. The commands are
//! those that `--help` lists: one that is not checked here fails the test.

mod common;

use std::{collections::BTreeSet, fs};

use common::{Home, StopsChain, text};
use serde_json::Value;

/// A node that is not there: the key whose secret is 1.
const NODE_ID: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a6\
                       8554199c47d08ffb10d4b8";
/// How each command is checked: its arguments, and a field that its object has. They run in this order in one home;
/// words in capitals stand for what came before.
const CHECKS: &[(&[&str], &str)] = &[
    (&["account", "new", "alice"], "public_key"),
    (&["account", "import", "bob", "--file", "secret.txt"], "address"),
    (&["account", "list"], "accounts"),
    (&["account", "show", "alice"], "suite"),
    (&["completions", "bash"], "script"),
    (&["chain", "new", "--out", "chain", "--rpc-port", "0"], "genesis_hash"),
    (&["chain", "up", "chain"], "nodes"),
    (&["chain", "status", "chain"], "nodes"),
    (&["contract", "new", "shop"], "commands"),
    (&["contract", "new", "market", "--lang", "solidity"], "commands"),
    (&["contract", "build", "market"], "contracts"),
    (&["contract", "test", "market"], "passed"),
    (&["contract", "deploy", "TOKEN", "--account", "alice"], "address"),
    (&["contract", "send", "ADDRESS", "transfer", "ADDRESS", "1", "--account", "alice"], "transaction"),
    (&["contract", "call", "ADDRESS", "totalSupply"], "output"),
    (&["contract", "watch", "ADDRESS", "--from", "1", "--count", "1"], "event"),
    (&["proof", "transaction", "TRANSACTION", "--out", "a.proof"], "file"),
    (&["proof", "receipt", "TRANSACTION", "--out", "b.proof"], "file"),
    (&["proof", "row", "ADDRESS", "BALANCE", "--block", "2", "--out", "c.proof"], "file"),
    (&["proof", "check", "a.proof", "--genesis", "chain/node0/genesis.toml"], "block_hash"),
    (&["load", "--contract", "TOKEN", "--count", "50", "--accounts", "5", "--plot", "load.png"], "tps"),
    (&["account", "import", "sealer", "--file", "chain/node0/keys/consensus.key"], "address"),
    (&["member", "add", NODE_ID, "--account", "sealer"], "from"),
    (&["member", "list"], "observers"),
    (&["member", "remove", NODE_ID, "--account", "sealer"], "from"),
    (&["cert", "show", "chain/node0"], "serial"),
    (&["cert", "renew", "chain/node0", "--days", "30"], "days_left"),
    (&["cert", "revoke", "4f01", "--at", "chain"], "denied_by"),
    (&["chain", "down", "chain"], "nodes"),
    (&["verify", "--dir", "chain/node0"], "recomputed_root"),
    (&["export", "--dir", "chain/node0", "--out", "all.blocks"], "transactions"),
    (&["import", "--dir", "chain/node0", "all.blocks"], "known"),
    (&["doctor", "--dir", "chain/node0"], "findings"),
];
/// The commands whose object is checked elsewhere: where, and why not here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("chain add", "a_consortium_bears_what_happens_to_it (consortium.rs): a solo chain has one node"),
    (
        "chain dev",
        "a_chain_for_tests_is_there_by_one_command_and_leaves_nothing_behind (dev.rs): it does not end by itself",
    ),
    ("demo", "make demo: it runs from the root of a checkout only; its failure is checked here"),
    (
        "group recover",
        "a_group_goes_on_by_a_document_that_all_members_signed (consortium.rs): a solo chain has one member",
    ),
    (
        "node fetch",
        "a_node_whose_data_is_damaged_fetches_it_and_seals_again (consortium.rs): a solo chain has no peers",
    ),
    ("node run", "the_foreground_node_ends_cleanly_by_a_signal (contracts.rs): it does not end by itself"),
];

/// The one object on standard output.
fn object(stdout: &[u8], what: &str) -> Value {
    let written = text(stdout);
    let value: Value = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{what}: {error}: {written:?}"));
    assert!(value.is_object() && written.ends_with("}\n") && written.lines().count() == 1, "{what}: {written:?}");
    value
}

/// The words that lead to each command that does something, as `--help` tells them.
fn commands(home: &Home, words: &[String], found: &mut Vec<String>) {
    let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let help = text(&home.run(&arguments).stdout);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    if names.is_empty() {
        found.push(words.join(" "));
    }
    for name in names {
        commands(home, &[words, &[name.to_owned()]].concat(), found);
    }
}

#[test]
fn every_command_is_checked() {
    let home = Home::new();
    let mut found = Vec::new();
    commands(&home, &[], &mut found);
    assert!(found.len() > 15, "{found:?}");
    let checked = |command: &String| {
        let words: Vec<&str> = command.split(' ').collect();
        CHECKS.iter().any(|(arguments, _)| arguments.starts_with(&words))
            || ELSEWHERE.iter().any(|(name, _)| name == command)
    };
    let unchecked: Vec<&String> = found.iter().filter(|command| !checked(command)).collect();
    assert!(unchecked.is_empty(), "{unchecked:?}: add a line to CHECKS");
    let known: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    for (name, _) in ELSEWHERE {
        assert!(known.contains(name), "{name} is gone");
    }
}

#[test]
fn every_command_writes_one_object() {
    let home = Home::new();
    fs::write(home.path("secret.txt"), "07".repeat(32)).unwrap();
    let _stops = StopsChain(&home);
    let (mut address, mut transaction, mut rpc) = (String::new(), String::new(), String::new());
    let module = common::token();
    for (arguments, field) in CHECKS {
        let place = |word: &&str| match *word {
            "ADDRESS" => address.clone(),
            "TRANSACTION" => transaction.clone(),
            // The receiver's balance: the second field, a map by address.
            "BALANCE" => address.replacen("0x", "0x01", 1),
            "TOKEN" => module.display().to_string(),
            other => other.to_owned(),
        };
        let arguments: Vec<String> = arguments.iter().map(place).chain(["--json".to_owned()]).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = home.command(&arguments).env("ENTENTE_RPC", &rpc).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        let value = object(&output.stdout, &arguments.join(" "));
        assert!(value.get(field).is_some(), "{arguments:?}: {value}");
        match arguments.as_slice() {
            ["chain", "up", ..] => value["nodes"][0]["rpc"].as_str().unwrap().clone_into(&mut rpc),
            ["contract", "deploy", ..] => {
                value["address"].as_str().unwrap().clone_into(&mut address);
                value["transaction"].as_str().unwrap().clone_into(&mut transaction);
            }
            _ => {}
        }
    }
}

#[test]
fn the_object_of_a_build_is_one() {
    let home = Home::new();
    let contract = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/token");
    let arguments = ["contract", "build", contract.to_str().unwrap(), "--out", "token.wasm", "--json"];
    // Compilers are found through the home of who builds.
    let output = home.command(&arguments).env("HOME", std::env::var_os("HOME").unwrap_or_default()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let value = object(&output.stdout, "contract build");
    assert_eq!(value["file"], "token.wasm");
    assert!(value["methods"].as_array().unwrap().contains(&"balanceOf(address)".into()), "{value}");
}

#[test]
fn a_failure_is_one_object_too_and_one_line() {
    let home = Home::new();
    let failures: &[&[&str]] = &[
        &["account", "show", "nobody"],
        &["chain", "up", "nowhere"],
        &["chain", "new", "--out", "chain", "--consensus", "raft"],
        &["chain", "new", "--out", "chain", "--consensus", "solo", "--nodes", "4"],
        &["chain", "new", "--out", "chain", "--nodes", "3", "--agency", "north:2"],
        &["cert", "show", "nowhere"],
        &["cert", "renew", "nowhere"],
        &["cert", "revoke", "nowhere", "--at", "chain"],
        &["contract", "new", "Bakery"],
        &["group", "recover", "--dir", "nowhere", "--sign", "recovery.json"],
        &["contract", "build", "nowhere"],
        &["contract", "test", "nowhere"],
        &["contract", "deploy", "nowhere.wasm", "--account", "nobody"],
        &["load", "--workload", "kv"],
        &["node", "run", "--dir", "nowhere"],
        &["node", "run", "--dir", "nowhere", "--dev"],
        &["node", "fetch", "--dir", "nowhere"],
        &["verify", "--dir", "nowhere"],
        &["demo"],
    ];
    for arguments in failures {
        let output = home.run(&[arguments, &["--json"][..]].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let line = text(&output.stderr);
        let line = line.trim_end().lines().last().unwrap().strip_prefix("error: ").unwrap();
        assert_eq!(object(&output.stdout, arguments[0])["error"], line, "{arguments:?}");
    }
    for arguments in [&["contract", "sell"][..], &["account", "new"], &["chain", "new", "--nodes", "four"]] {
        let output = home.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = object(&output.stdout, arguments[0])["error"].as_str().unwrap().to_owned();
        assert!(text(&output.stderr).contains(&error) && !error.is_empty(), "{arguments:?}: {error}");
        assert!(home.run(arguments).stdout.is_empty(), "{arguments:?}");
    }
}
