//! A node that is far behind takes a snapshot from the others, through the real program.

mod common;

use std::{fs, process::Command, time::Duration};

use common::{
    Home, StopsChain,
    nodes::{agree, peers, rpc, transfer, until},
};
use serde_json::Value;

/// Snapshots are taken at multiples of this height.
const INTERVAL: u64 = 1_000;

fn height(nodes: &[Value]) -> u64 {
    nodes[0]["height"].as_u64().expect("a height")
}

/// Makes blocks, not transactions: they come one by one.
fn grow(home: &Home, nodes: &[Value], through: u64) -> Vec<Value> {
    let token = common::token();
    let urls = rpc(nodes, &[0, 1, 2]);
    for _ in 0..30 {
        let nodes = until(home, "three agree", agree(&[0, 1, 2]));
        if height(&nodes) > through {
            return nodes;
        }
        let mut arguments = vec!["load", "--contract", token.to_str().expect("a path"), "--accounts", "20"];
        arguments.extend(["--rate", "200", "--batch", "1", "--seconds", "10"]);
        urls.iter().for_each(|url| arguments.extend(["--rpc", url]));
        let loaded = home.json(&arguments);
        assert_eq!(loaded["failed"], 0, "{loaded}");
    }
    panic!("the chain does not come to block {through}");
}

#[test]
fn a_node_far_behind_takes_a_snapshot() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain"][..], &ports].concat());
    for node in 0..4 {
        let path = home.path(&format!("chain/node{node}/config.toml"));
        let text = fs::read_to_string(&path).expect("a configuration");
        let changed = text.replace("snapshot_lead_blocks = 10000", "snapshot_lead_blocks = 200");
        assert_ne!(text, changed);
        fs::write(&path, changed.replace("interval_ms_min = 10\n", "interval_ms_min = 0\n")).expect("written");
    }
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    transfer(&home, &nodes, &[0, 1, 2, 3], "100");

    // One is away for long.
    let pid = nodes[3]["pid"].to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
    grow(&home, &nodes, INTERVAL + 20);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "it has the chain", agree(&[0, 1, 2, 3]));
    let log = fs::read_to_string(home.path("chain/node3/node.log")).expect("a log");
    let line = |event: &str| log.lines().find(|line| line.contains(event)).unwrap_or_else(|| panic!("{event}: {log}"));
    assert!(line("snapshot_wanted").contains("best="));
    assert!(line("snapshot_installed").contains(&format!("height={INTERVAL}")), "{}", line("snapshot_installed"));
    let executed = |number: u64| log.contains(&format!("height={number} "));
    assert!(!executed(INTERVAL - 100) && executed(INTERVAL + 10), "blocks below are not executed");

    // It seals: without another one it takes all three that are left.
    let pid = nodes[1]["pid"].to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
    std::thread::sleep(Duration::from_secs(1));
    transfer(&home, &nodes, &[0, 2, 3], "200");
    until(&home, "three agree", agree(&[0, 2, 3]));
    home.json(&["chain", "down", "chain"]);
    // All blocks are among the last thousand, and come to what the others' do.
    let verified = home.json(&["verify", "--dir", "chain/node3", "--replay"]);
    assert_eq!((&verified["ok"], &verified["replay"]["ok"]), (&true.into(), &true.into()), "{verified}");
}
