//! Making, starting, looking at and stopping chains, and what bad input gets.

mod common;

use std::fs;

use common::{Home, text};

#[test]
fn a_chain_is_made_started_shown_stopped_and_verified() {
    let home = Home::new();
    let mut chain = home.chain(&[]);
    for part in
        ["config.toml", "genesis.toml", "admission.toml", "keys/consensus.key", "certs/node.pem", "data", "node.log"]
    {
        assert!(home.path("chain/node0").join(part).exists(), "{part}");
    }

    let node = chain.status();
    assert_eq!((&node["name"], &node["role"]), (&"node0".into(), &"sealer".into()));
    assert_eq!((&node["height"], &node["peers"], &node["healthy"]), (&0.into(), &0.into(), &true.into()));
    assert_eq!((&node["rpc"], &node["pid"]), (&chain.rpc.as_str().into(), &chain.pid.into()));
    assert!(node["hash"].is_string() && node["state_root"].is_string(), "{node}");
    let table = text(&home.run(&["chain", "status", "chain"]).stdout);
    assert!(table.starts_with("NAME") && table.contains("healthy"), "{table}");

    let pid = chain.pid;
    chain.up();
    assert_eq!(chain.pid, pid, "it ran already");
    let line = home.failure(&["node", "run", "--dir", "chain/node0"]);
    assert!(line.contains("runs already"), "{line}");
    let line = home.failure(&["verify", "--dir", "chain/node0"]);
    assert!(line.contains("open in another process"), "{line}");

    let down = home.json(&["chain", "down", "chain"]);
    assert_eq!(down["nodes"][0]["pid"], pid);
    assert_eq!(chain.status()["healthy"], false);
    assert!(text(&home.run(&["chain", "down", "chain"]).stdout).contains("was not running"));
    let log = fs::read_to_string(home.path("chain/node0/node.log")).unwrap();
    assert!(log.contains("node_stopped"), "{log}");

    let verified = home.json(&["verify", "--dir", "chain/node0", "--replay"]);
    assert_eq!((&verified["height"], &verified["ok"]), (&0.into(), &true.into()));
    assert_eq!(verified["state_root"], verified["recomputed_root"]);
    assert_eq!(verified["replay"]["ok"], true);
}

#[test]
fn what_is_promised_and_not_there_yet_gets_one_plain_line() {
    let home = Home::new();
    let new = |option: &[&str]| home.failure(&[&["chain", "new", "--out", "chain"], option].concat());
    let options: [(&[&str], &str); 5] = [
        (&["--consensus", "rpbft"], "use --consensus pbft"),
        (&["--consensus", "raft"], "use --consensus pbft"),
        (&["--storage", "leveldb"], "use --storage rocksdb"),
        (&["--storage", "mysql"], "use --storage rocksdb"),
        (&["--encrypt"], "leave it out"),
    ];
    for (option, instead) in options {
        let line = new(option);
        assert!(
            line.starts_with(&option.join(" ")) && line.contains("not there yet") && line.contains(instead),
            "{line}"
        );
    }
    assert!(!home.path("chain").exists());
    for workload in ["kv", "mixed"] {
        let line = home.failure(&["load", "--workload", workload]);
        assert!(line.contains("not there yet"), "{line}");
    }
}

#[test]
fn bad_folders_and_files_are_refused_with_what_and_where() {
    let home = Home::new();
    fs::create_dir(home.path("full")).unwrap();
    fs::write(home.path("full/file"), "").unwrap();
    assert!(home.failure(&["chain", "new", "--out", "full"]).contains("full: the folder is not empty"));
    assert!(home.failure(&["chain", "up", "full"]).contains("no node0 here"));
    assert!(home.failure(&["chain", "up", "nowhere"]).contains("entente chain new"));

    home.json(&["chain", "new", "--out", "chain", "--rpc-port", "0"]);
    assert!(home.failure(&["verify", "--dir", "chain/node0"]).contains("never started"));
    let config = home.path("chain/node0/config.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, good.replace("connections_max", "connections_most")).unwrap();
    for arguments in [["chain", "up", "chain"].as_slice(), &["node", "run", "--dir", "chain/node0"]] {
        let line = home.failure(arguments);
        assert!(line.contains("config.toml, line ") && line.contains("connections_most"), "{line}");
    }
    fs::write(&config, good.replace("level = \"info\"", "level = \"=,=\"")).unwrap();
    assert!(home.failure(&["node", "run", "--dir", "chain/node0"]).contains("`log.level` is"));
    fs::write(&config, &good).unwrap();
    let data = home.path("chain/node0/data/group1");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("CURRENT"), "rubbish").unwrap();
    let line = home.failure(&["chain", "up", "chain"]);
    assert!(line.contains("node0 did not start") && line.contains("group1"), "{line}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    home.json(&["chain", "new", "--out", "chain", "--rpc-port", &port, "--storage", "memory"]);
    let line = home.failure(&["chain", "up", "chain"]);
    assert!(line.contains(&format!("127.0.0.1:{port} is taken")), "{line}");
}

#[test]
fn bad_usage_is_two_and_completions_are_there() {
    let home = Home::new();
    for arguments in [["chain"].as_slice(), &["nothing"], &["load", "--count", "1", "--seconds", "2"]] {
        assert_eq!(home.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let script = home.run(&["completions", "bash"]);
    assert!(script.status.success() && text(&script.stdout).contains("_entente"));
}
