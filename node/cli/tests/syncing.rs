//! A node that was away tells who listens that it syncs, through the real program.

mod common;

use std::{fs, os::unix::fs::symlink, process::Command, time::Duration};

use common::{
    Home, StopsChain,
    nodes::{PATIENCE, agree, peers, rpc, until},
};
use jsonrpsee::{
    async_client::{Client, ClientBuilder},
    client_transport::ws::{Url, WsTransportClientBuilder},
    core::client::{ClientT, Subscription, SubscriptionClientT},
    rpc_params,
};
use serde_json::{Value, json};
use tokio::{
    runtime::Runtime,
    time::{sleep, timeout},
};

/// Somebody who listens to when a node syncs.
struct Listener {
    runtime: Runtime,
    changes: Subscription<Value>,
    client: Client,
}

impl Listener {
    fn of(url: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (client, changes) = runtime.block_on(async {
            let url = Url::parse(url).expect("an address");
            let (sender, receiver) = WsTransportClientBuilder::default().build(url).await.expect("a connection");
            let client = ClientBuilder::new().build_with_tokio(sender, receiver);
            let changes = client.subscribe("eth_subscribe", rpc_params!["syncing"], "eth_unsubscribe").await;
            (client, changes.expect("a subscription"))
        });
        Self { runtime, changes, client }
    }

    /// What is told next.
    fn next(&mut self) -> Value {
        let told = self.runtime.block_on(async { timeout(PATIENCE, self.changes.next()).await });
        told.expect("something is told in time").expect("the subscription goes on").expect("JSON")
    }

    /// Whether something is told that was not waited for.
    fn hears_more(&mut self) -> bool {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.changes.next() => true,
                () = sleep(Duration::from_secs(2)) => false,
            }
        })
    }
}

/// Starts the chain whose last node is away, so that this one runs before all others and somebody listens to it.
fn up_with_a_listener(home: &Home) -> Listener {
    let away = home.path("away");
    fs::create_dir(&away).expect("a folder");
    symlink(home.path("chain/node3"), away.join("node3")).expect("a link");
    let alone = home.json(&["chain", "up", "away"]);
    let mut listener = Listener::of(&alone["nodes"][0]["rpc"].as_str().expect("an address").replace("http", "ws"));
    assert!(!listener.hears_more(), "it knows of nobody who is ahead");
    home.json(&["chain", "up", "chain"]);
    listener
}

/// That the node began to sync is told, then that this is over, and no more.
fn heard_of_syncing(listener: &mut Listener, height: u64) {
    let begun = listener.next();
    assert_eq!(begun["syncing"], true, "{begun}");
    let block = |name: &str| {
        let digits = begun["status"][name].as_str().and_then(|text| text.strip_prefix("0x"));
        u64::from_str_radix(digits.expect("a quantity"), 16).expect("a number")
    };
    assert_eq!(block("startingBlock"), 0);
    assert!(block("currentBlock") < block("highestBlock") && block("highestBlock") >= height, "{begun}, {height}");
    assert_eq!(listener.next(), json!(false));
    assert!(!listener.hears_more(), "each is told once");
    let now: Result<Value, _> = listener.runtime.block_on(listener.client.request("eth_syncing", rpc_params![]));
    assert_eq!(now.expect("an answer"), json!(false));
}

/// Makes some hundred blocks, not many transactions: they come one by one.
fn grow(home: &Home, nodes: &[Value]) -> u64 {
    let token = common::token();
    let urls = rpc(nodes, &[0, 1, 2]);
    let mut arguments = vec!["load", "--contract", token.to_str().expect("a path"), "--accounts", "20"];
    arguments.extend(["--rate", "200", "--batch", "1", "--seconds", "5"]);
    urls.iter().for_each(|url| arguments.extend(["--rpc", url]));
    let loaded = home.json(&arguments);
    assert_eq!(loaded["failed"], 0, "{loaded}");
    let nodes = until(home, "three agree", agree(&[0, 1, 2]));
    nodes[0]["height"].as_u64().expect("a height")
}

#[test]
fn a_node_that_was_away_says_when_it_syncs_and_when_that_is_over() {
    let home = Home::new();
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain"][..], &ports].concat());
    for node in 0..4 {
        let path = home.path(&format!("chain/node{node}/config.toml"));
        let text = fs::read_to_string(&path).expect("a configuration");
        let changed = text.replace("interval_ms_min = 10\n", "interval_ms_min = 0\n");
        assert_ne!(text, changed);
        fs::write(&path, changed).expect("written");
    }
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    let pid = nodes[3]["pid"].to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
    let height = grow(&home, &nodes);
    assert!(height > 100, "{height}");
    home.json(&["chain", "down", "chain"]);

    let mut listener = up_with_a_listener(&home);
    until(&home, "it has the chain", agree(&[0, 1, 2, 3]));
    heard_of_syncing(&mut listener, height);
}
