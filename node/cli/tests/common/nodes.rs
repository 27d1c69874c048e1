//! The nodes of a chain, as `chain status` shows them.

use std::{
    fs,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::Home;

/// How long anything here may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The nodes of the chain, as `chain status` shows them, once this holds.
pub fn until(home: &Home, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = home.json(&["chain", "status", "chain"]);
        let nodes = status["nodes"].as_array().expect("nodes").clone();
        if holds(&nodes) {
            return nodes;
        }
        assert!(Instant::now() < deadline, "{what}: {status:#}");
        sleep(Duration::from_millis(100));
    }
}

/// Whether each of these nodes is connected with so many.
pub fn peers(expected: &[u64]) -> impl Fn(&[Value]) -> bool {
    let expected = expected.to_vec();
    move |nodes| nodes.iter().map(|node| node["peers"].as_u64().unwrap_or_default()).eq(expected.iter().copied())
}

/// Whether the nodes at these places have the same last block and state, and all of what this one has.
pub fn agree(places: &'static [usize]) -> impl Fn(&[Value]) -> bool {
    move |nodes| {
        let tip = |place: usize| ["height", "hash", "state_root"].map(|field| nodes[place][field].clone());
        places.iter().all(|place| nodes[*place]["healthy"] == true && tip(*place) == tip(places[0]))
    }
}

pub fn rpc(nodes: &[Value], places: &[usize]) -> Vec<String> {
    places.iter().map(|place| nodes[*place]["rpc"].as_str().expect("an address").replace("http", "ws")).collect()
}

/// Sends transfers to the nodes at these places; every one is committed.
pub fn transfer(home: &Home, nodes: &[Value], places: &[usize], count: &str) {
    let token = super::token();
    let mut arguments =
        vec!["load", "--contract", token.to_str().expect("a path"), "--accounts", "20", "--count", count];
    let urls = rpc(nodes, places);
    urls.iter().for_each(|url| arguments.extend(["--rpc", url]));
    let loaded = home.json(&arguments);
    assert_eq!(loaded["committed"].to_string(), count, "{loaded}");
}

/// Makes a chain of four nodes, in whose configuration one text stands in place of another.
pub fn four(home: &Home, changes: &[(&str, &str)]) {
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain"][..], &ports].concat());
    for node in 0..4 {
        let path = home.path(&format!("chain/node{node}/config.toml"));
        let mut text = fs::read_to_string(&path).expect("a configuration");
        for (before, after) in changes {
            assert!(text.contains(before), "{before}: {text}");
            text = text.replace(before, after);
        }
        fs::write(&path, text).expect("written");
    }
}

/// What `kill -9` does.
pub fn kill(node: &Value) {
    let pid = node["pid"].to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
}

/// Has the first three nodes make blocks for so many seconds, with few transactions: they come one by one.
pub fn grow(home: &Home, nodes: &[Value], seconds: &str) {
    let token = super::token();
    let urls = rpc(nodes, &[0, 1, 2]);
    let mut arguments = vec!["load", "--contract", token.to_str().expect("a path"), "--accounts", "20"];
    arguments.extend(["--rate", "200", "--batch", "1", "--seconds", seconds]);
    urls.iter().for_each(|url| arguments.extend(["--rpc", url]));
    let loaded = home.json(&arguments);
    assert_eq!(loaded["failed"], 0, "{loaded}");
}

/// The height of the first node.
pub fn height(nodes: &[Value]) -> u64 {
    nodes[0]["height"].as_u64().expect("a height")
}
