//! A chain of several nodes through the real program: agencies, agreement, a killed node, certificates renewed and
//! revoked, a node added.

mod common;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use common::{
    Home, StopsChain,
    nodes::{agree, kill, peers, rpc, transfer, until},
};
use serde_json::Value;

fn serial(home: &Home, node: &str) -> String {
    home.json(&["cert", "show", node])["serial"].as_str().expect("a serial number").to_owned()
}

/// Certificates of nodes that run: one renewed and its old one revoked, and one that is revoked for good.
fn renewed_and_revoked(home: &Home) -> Vec<Value> {
    // A renewed certificate is shown from the next connection on, and the old one can be revoked.
    let old = serial(home, "chain/node1");
    let before = home.json(&["cert", "show", "chain/node1"])["node_ids"].clone();
    let failure = home.failure(&["cert", "renew", "chain/node1"]);
    assert!(failure.contains("give one with --issuer") && failure.contains("north, south"), "{failure}");
    let renewed = home.json(&["cert", "renew", "chain/node1", "--issuer", "chain/agencies/south", "--days", "30"]);
    assert_eq!(renewed["node_ids"], before, "in consensus it is who it was");
    assert_ne!(renewed["serial"], old.as_str());
    let revoked = home.json(&["cert", "revoke", &old, "--at", "chain"]);
    assert_eq!(revoked["denied_by"].as_array().map(Vec::len), Some(4));
    sleep(Duration::from_secs(2));
    let nodes = until(home, "it is back with its new certificate", peers(&[3; 4]));

    // One whose certificate is revoked is out within two seconds, and the others go on.
    home.json(&["cert", "revoke", "chain/node3", "--at", "chain/node0", "--at", "chain/node1", "--at", "chain/node2"]);
    let revoked_at = Instant::now();
    until(home, "the revoked one is let go", |nodes| peers(&[2, 2, 2, 0])(nodes));
    // Asking four nodes by a process of its own takes a part of this.
    assert!(revoked_at.elapsed() < Duration::from_secs(4), "{:?}", revoked_at.elapsed());
    transfer(home, &nodes, &[0, 1, 2], "200");
    let nodes = until(home, "three agree", agree(&[0, 1, 2]));
    assert!(nodes[3]["height"].as_u64() < nodes[0]["height"].as_u64());
    nodes
}

/// One node more, which becomes an observer, a sealer, and nothing again.
fn added_and_removed(home: &Home, nodes: &[Value]) {
    let failure = home.failure(&["chain", "add", "chain"]);
    assert!(failure.contains("--agency: north, south"), "{failure}");
    let added = home.json(&["chain", "add", "chain", "--agency", "north", "--rpc-port", "0", "--p2p-port", "0"]);
    let id = added["node_id"].as_str().expect("an identifier");
    home.json(&["chain", "up", "chain"]);
    home.json(&["account", "import", "sealer0", "--file", "chain/node0/keys/consensus.key"]);
    let url = rpc(nodes, &[0]).remove(0);
    let member = |role: &str| {
        home.json(&["member", "add", id, role, "--account", "sealer0", "--rpc", &url]);
    };
    member("--observer");
    let all = until(home, "the new one follows", agree(&[0, 1, 2, 4]));
    assert_eq!(all[4]["role"], "observer");
    member("--sealer");
    transfer(home, &all, &[0, 1, 4], "200");
    let all = until(home, "the new one seals", |nodes| agree(&[0, 1, 2, 4])(nodes) && nodes[4]["role"] == "sealer");
    assert_eq!(all[4]["name"], "node4");

    // Removed, it is a free node, which hears no more of the group from the block on in which that takes force.
    let removed = home.json(&["member", "remove", id, "--account", "sealer0", "--rpc", &url]);
    let from = removed["from"].as_u64().expect("a height");
    (0..2).for_each(|_| transfer(home, &all, &[0, 1, 2], "200"));
    let nodes = until(home, "the others go on", agree(&[0, 1, 2]));
    assert!(nodes[0]["height"].as_u64().is_some_and(|height| height > from + 1), "{}", nodes[0]);
    // One block more may have been on its way.
    assert!(nodes[4]["height"].as_u64().is_some_and(|height| height <= from), "{} at {from}", nodes[4]);
    assert_eq!(nodes[4]["peers"], 0, "of the group");
}

#[test]
fn a_consortium_bears_what_happens_to_it() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    let agencies = ["--agency", "north:2", "--agency", "south:2"];
    let made = home.json(&[&["chain", "new", "--out", "chain"][..], &agencies, &ports].concat());
    assert_eq!(made["nodes"].as_array().map(Vec::len), Some(4));
    assert_eq!(made["consensus"], "pbft");
    let issued = home.json(&["cert", "show", "chain/node3"])["issuers"].clone();
    assert_eq!(issued, serde_json::json!(["CN=south,OU=agency,O=Entente", "CN=consortium,OU=chain,O=Entente"]));
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    assert!(nodes.iter().all(|node| node["role"] == "sealer"));
    transfer(&home, &nodes, &[0, 1, 2, 3], "400");
    until(&home, "all agree", agree(&[0, 1, 2, 3]));

    // One is killed: three go on, and it catches up.
    kill(&nodes[2]);
    transfer(&home, &nodes, &[0, 1, 3], "200");
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "the killed one catches up", agree(&[0, 1, 2, 3]));
    assert!(nodes[0]["height"].as_u64() > Some(2));

    let nodes = renewed_and_revoked(&home);
    added_and_removed(&home, &nodes);

    home.json(&["chain", "down", "chain"]);
    for node in ["chain/node0", "chain/node2", "chain/node3", "chain/node4"] {
        let verified = home.json(&["verify", "--dir", node, "--replay"]);
        assert_eq!((&verified["ok"], &verified["replay"]["ok"]), (&true.into(), &true.into()), "{node}: {verified}");
    }
}

/// A store is damaged, and its node fetches the chain again: silent first, since it does not know what it promised, and a
/// sealer like any other once it was decided on anew.
#[test]
fn a_node_whose_data_is_damaged_fetches_it_and_seals_again() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain"][..], &ports].concat());
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    transfer(&home, &nodes, &[0, 1, 2, 3], "200");
    let running = home.failure(&["node", "fetch", "--dir", "chain/node3"]);
    assert!(running.contains("the node runs already"), "{running}");
    kill(&nodes[3]);
    sleep(Duration::from_millis(300));
    let current = home.path("chain/node3/data/group1/CURRENT");
    std::fs::write(&current, "nothing\n").expect("damaged");
    let refused = home.run(&["node", "run", "--dir", "chain/node3"]);
    let refused = common::text(&refused.stderr);
    assert!(refused.contains("fetch the chain from peers: entente node fetch"), "{refused}");

    let fetched = home.json(&["node", "fetch", "--dir", "chain/node3"]);
    let id = fetched["node_id"].as_str().expect("an identifier");
    assert_eq!(fetched["sealer"], true);
    let aside = std::path::PathBuf::from(fetched["aside"].as_str().expect("a path"));
    assert_eq!(std::fs::read_to_string(home.path("").join(aside).join("CURRENT")).expect("it is kept"), "nothing\n");
    home.json(&["chain", "up", "chain"]);
    transfer(&home, &nodes, &[0, 1, 2], "200");
    let nodes = until(&home, "it has the chain", agree(&[0, 1, 2, 3]));
    assert_eq!(nodes[3]["role"], "silent");
    let log = std::fs::read_to_string(home.path("chain/node3/node.log")).expect("a log");
    assert!(log.contains("data_lost") && log.contains("SilentThrough"), "{log}");

    home.json(&["account", "import", "sealer0", "--file", "chain/node0/keys/consensus.key"]);
    let url = rpc(&nodes, &[0]).remove(0);
    for role in ["--observer", "--sealer"] {
        home.json(&["member", "add", id, role, "--account", "sealer0", "--rpc", &url]);
        transfer(&home, &nodes, &[0, 1, 2], "100");
    }
    let nodes = until(&home, "it seals", |nodes| agree(&[0, 1, 2, 3])(nodes) && nodes[3]["role"] == "sealer");
    // Three of the four, of which it is one, are enough.
    kill(&nodes[1]);
    transfer(&home, &nodes, &[0, 2, 3], "200");
    until(&home, "three agree", agree(&[0, 2, 3]));
    home.json(&["chain", "down", "chain"]);
    let verified = home.json(&["verify", "--dir", "chain/node3", "--replay"]);
    assert_eq!((&verified["ok"], &verified["replay"]["ok"]), (&true.into(), &true.into()), "{verified}");
}

/// All members sign that they go on above their last block: what was signed before means nothing any more, and whoever
/// does not have the document takes no part.
#[test]
fn a_group_goes_on_by_a_document_that_all_members_signed() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain"][..], &ports].concat());
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    transfer(&home, &nodes, &[0, 1, 2, 3], "100");
    let nodes = until(&home, "all agree", agree(&[0, 1, 2, 3]));
    let height = nodes[0]["height"].clone();
    let step = |node: usize, step: &str| {
        let dir = format!("chain/node{node}");
        home.run(&["group", "recover", "--dir", &dir, step, "recovery.json", "--json"])
    };
    let done = |node: usize, step_: &str| {
        let output = step(node, step_);
        assert!(output.status.success(), "{}", common::text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("one object")
    };
    let refused = |node: usize, step_: &str| common::text(&step(node, step_).stderr);
    assert!(refused(0, "--begin").contains("the node runs already"));
    home.json(&["chain", "down", "chain"]);

    let begun = done(0, "--begin");
    assert_eq!((&begun["height"], &begun["signed"], &begun["members"]), (&height, &1.into(), &4.into()));
    assert!(refused(1, "--begin").contains("there is such a file"));
    (1..3).for_each(|node| drop(done(node, "--sign")));
    // Whoever signed does not vote before the document is taken in.
    let output = home.run(&["node", "run", "--dir", "chain/node1"]);
    let line = common::text(&output.stderr);
    assert!(!output.status.success() && line.contains("this node signed a recovery document above block"), "{line}");
    let line = refused(0, "--apply");
    assert!(line.contains("all 4 members must sign it"), "{line}");
    assert_eq!(done(3, "--sign")["signed"], 4);
    (0..3).for_each(|node| assert_eq!(done(node, "--apply")["applied"], true));

    // Three have it and go on; the fourth one signed it and does not start without it.
    let output = home.run(&["chain", "up", "chain"]);
    assert!(!output.status.success() && common::text(&output.stderr).contains("node3"));
    let nodes = until(&home, "three find one another", |nodes| nodes[..3].iter().all(|node| node["healthy"] == true));
    transfer(&home, &nodes, &[0, 1, 2], "100");
    until(&home, "three agree", agree(&[0, 1, 2]));
    home.json(&["chain", "down", "chain"]);
    assert_eq!(done(3, "--apply")["applied"], true);
    let line = refused(3, "--apply");
    assert!(line.contains("in already"), "once: {line}");
    let line = refused(0, "--apply");
    assert!(line.contains("in already"), "{line}");
    home.json(&["chain", "up", "chain"]);
    until(&home, "all agree again", agree(&[0, 1, 2, 3]));
    home.json(&["chain", "down", "chain"]);
    for node in ["chain/node0", "chain/node3"] {
        let verified = home.json(&["verify", "--dir", node, "--replay"]);
        assert_eq!((&verified["ok"], &verified["replay"]["ok"]), (&true.into(), &true.into()), "{node}: {verified}");
    }
}

/// Two begin, a third one joins and stays alone; the fourth one knows of nobody but the two.
#[test]
fn a_node_joins_when_all_members_of_the_beginning_are_gone() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--out", "chain", "--nodes", "2"][..], &ports].concat());
    let _stops = StopsChain(&home);
    let added = home.json(&[&["chain", "add", "chain"][..], &ports].concat());
    let third = added["node_id"].as_str().expect("an identifier");
    home.json(&["chain", "up", "chain"]);
    home.json(&["account", "import", "first", "--file", "chain/node0/keys/consensus.key"]);
    home.json(&["account", "import", "third", "--file", "chain/node2/keys/consensus.key"]);
    let nodes = until(&home, "two find one another", |nodes| nodes[0]["peers"] == 1 && nodes[1]["peers"] == 1);
    let ids = home.json(&["member", "list", "--rpc", &rpc(&nodes, &[0])[0]]);
    let ids = ids["sealers"].as_array().expect("sealers").clone();
    let id = |place: usize| ids[place]["node_id"].as_str().expect("an identifier");
    let change = |nodes: &[Value], at: usize, by: &str, words: &[&str]| {
        let url = rpc(nodes, &[at]).remove(0);
        home.json(&[&["member"][..], words, &["--account", by, "--rpc", &url]].concat())
    };
    change(&nodes, 0, "first", &["add", third, "--observer"]);
    let nodes = until(&home, "the third one follows", agree(&[0, 1, 2]));
    change(&nodes, 0, "first", &["add", third, "--sealer"]);
    transfer(&home, &nodes, &[0, 2], "100");
    until(&home, "the third one seals", |nodes| agree(&[0, 1, 2])(nodes) && nodes[2]["role"] == "sealer");
    change(&nodes, 2, "third", &["remove", id(0)]);
    transfer(&home, &nodes, &[2], "100");
    change(&nodes, 2, "third", &["remove", id(1)]);
    transfer(&home, &nodes, &[2], "100");
    let ids = home.json(&["member", "list", "--rpc", &rpc(&nodes, &[2])[0]]);
    assert_eq!(ids["sealers"].as_array().map(Vec::len), Some(1), "{ids}");

    home.json(&["chain", "down", "chain"]);
    for gone in ["node0", "node1"] {
        std::fs::rename(home.path(&format!("chain/{gone}")), home.path(&format!("{gone}.gone"))).expect("moved");
    }
    let added = home.json(&[&["chain", "add", "chain"][..], &ports].concat());
    let fourth = added["node_id"].as_str().expect("an identifier");
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "both run", |nodes| nodes.iter().all(|node| node["healthy"] == true));
    assert_eq!((nodes.len(), &nodes[1]["height"]), (2, &Value::from(0)));
    change(&nodes, 0, "third", &["add", fourth, "--observer"]);
    let nodes = until(&home, "the new one follows", agree(&[0, 1]));
    assert_eq!((&nodes[0]["role"], &nodes[1]["role"]), (&"sealer".into(), &"observer".into()));
}

#[test]
fn four_nodes_agree_in_guomi() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain", "--suite", "guomi"][..], &ports].concat());
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    transfer(&home, &nodes, &[0, 1, 2, 3], "100");
    let nodes = until(&home, "all agree", agree(&[0, 1, 2, 3]));
    assert!(nodes[0]["height"].as_u64() > Some(1));
}

#[test]
fn a_node_of_many_that_has_no_network_or_no_certificate_says_so() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain"][..], &ports].concat());
    let run = ["node", "run", "--dir", "chain/node0"];
    let config = home.path("chain/node0/config.toml");
    let good = std::fs::read_to_string(&config).expect("a configuration");
    let listen = good.lines().find(|line| line.starts_with("listen = ") && !line.contains(":0\"")).expect("a line");
    let change = |to: &str| std::fs::write(&config, good.replace(listen, to)).expect("written");
    change("listen = \"\"");
    let line = home.failure(&run);
    assert!(line.contains("group group1 has 4 sealers") && line.contains("`network.listen`"), "{line}");
    change("listen = \"here\"");
    let line = home.failure(&run);
    assert!(line.contains("`network.listen` is \"here\"; allowed is an address"), "{line}");
    change(listen);
    // A store that was never opened is a fault of its own: what is said of the network is looked at here.
    let network = |check: &str| {
        let output = home.run(&["doctor", "--dir", "chain/node0", "--json"]);
        let diagnosis: Value = serde_json::from_slice(&output.stdout).expect("one object");
        let findings = diagnosis["findings"].as_array().expect("findings").clone();
        findings.into_iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("{check}: {diagnosis}"))
    };
    assert_eq!(network("network")["verdict"], "ok");
    home.json(&["cert", "renew", "chain/node0", "--days", "20"]);
    let warned = network("certificate");
    assert_eq!((&warned["verdict"], &warned["do"]), (&"warning".into(), &"renew it with: entente cert renew".into()));
    for (file, told) in [("certs/node.pem", "node.pem"), ("certs/ca.pem", "ca.pem"), ("keys/tls.key", "tls.key")] {
        let path = home.path("chain/node0").join(file);
        let kept = std::fs::read(&path).expect("a file");
        std::fs::remove_file(&path).expect("removed");
        let line = home.failure(&run);
        assert!(line.contains(told), "{line}");
        std::fs::write(&path, "nothing").expect("written");
        let line = home.failure(&run);
        assert!(line.contains(told), "{line}");
        std::fs::write(&path, kept).expect("written");
    }
    // Another node's certificate is of another consensus key, and its TLS key does not fit one's own certificate.
    let file = |node: &str, name: &str| home.path(&format!("chain/{node}/{name}"));
    let own = std::fs::read(file("node0", "certs/node.pem")).expect("a file");
    std::fs::copy(file("node1", "certs/node.pem"), file("node0", "certs/node.pem")).expect("copied");
    let line = home.failure(&run);
    assert!(line.contains("node.pem: the certificate is of another consensus key"), "{line}");
    std::fs::write(file("node0", "certs/node.pem"), own).expect("written");
    std::fs::copy(file("node1", "keys/tls.key"), file("node0", "keys/tls.key")).expect("copied");
    let line = home.failure(&run);
    assert!(line.contains("TLS key and certificate"), "{line}");
    // And one of another consortium's is issued by nobody that counts.
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "other"][..], &ports].concat());
    for file in ["certs/node.pem", "keys/tls.key", "keys/consensus.key"] {
        std::fs::copy(home.path("other/node0").join(file), home.path("chain/node0").join(file)).expect("copied");
    }
    let line = home.failure(&run);
    assert!(line.contains("not issued under this consortium's authority"), "{line}");
    // One that does not start keeps no other from starting.
    let _stops = StopsChain(&home);
    let line = home.failure(&["chain", "up", "chain"]);
    assert!(line.contains("node0 did not start") && line.contains("authority"), "{line}");
    let nodes = until(&home, "the others run", |nodes| nodes[1..].iter().all(|node| node["peers"] == 2));
    assert!(nodes[0]["pid"].is_null(), "{}", nodes[0]);
}
