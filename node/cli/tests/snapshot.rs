//! A node that is far behind takes a snapshot from the others, through the real program.

mod common;

use std::{fs, time::Duration};

use common::{
    Home, StopsChain,
    nodes::{agree, four, grow, height, kill, peers, transfer, until},
};
use serde_json::Value;

/// Snapshots are taken at multiples of this height.
const INTERVAL: u64 = 1_000;

/// Makes blocks until there are more than so many, a few hundred at a time: the next snapshot is not reached.
fn grow_beyond(home: &Home, nodes: &[Value], through: u64) {
    for _ in 0..30 {
        if height(&until(home, "three agree", agree(&[0, 1, 2]))) > through {
            return;
        }
        grow(home, nodes, "3");
    }
    panic!("the chain does not come to block {through}");
}

#[test]
fn a_node_far_behind_takes_a_snapshot() {
    let home = Home::new();
    let lead = ("snapshot_lead_blocks = 10000", "snapshot_lead_blocks = 200");
    four(&home, &[lead, ("interval_ms_min = 10\n", "interval_ms_min = 0\n")]);
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    transfer(&home, &nodes, &[0, 1, 2, 3], "100");

    // One is away for long.
    kill(&nodes[3]);
    grow_beyond(&home, &nodes, INTERVAL + 20);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "it has the chain", agree(&[0, 1, 2, 3]));
    let log = fs::read_to_string(home.path("chain/node3/node.log")).expect("a log");
    let line = |event: &str| log.lines().find(|line| line.contains(event)).unwrap_or_else(|| panic!("{event}: {log}"));
    assert!(line("snapshot_wanted").contains("best="));
    assert!(line("snapshot_installed").contains(&format!("height={INTERVAL}")), "{}", line("snapshot_installed"));
    let executed = |number: u64| log.contains(&format!("height={number} "));
    assert!(!executed(INTERVAL - 100) && executed(INTERVAL + 10), "blocks below are not executed");

    // It seals: without another one it takes all three that are left.
    kill(&nodes[1]);
    std::thread::sleep(Duration::from_secs(1));
    transfer(&home, &nodes, &[0, 2, 3], "200");
    until(&home, "three agree", agree(&[0, 2, 3]));
    home.json(&["chain", "down", "chain"]);
    // All blocks are among the last thousand, and come to what the others' do.
    let verified = home.json(&["verify", "--dir", "chain/node3", "--replay"]);
    assert_eq!((&verified["ok"], &verified["replay"]["ok"]), (&true.into(), &true.into()), "{verified}");
}
