//! A node that was away tells who listens that it syncs, through the real program.

mod common;

use std::{fs, os::unix::fs::symlink, time::Duration};

use common::{
    Home, StopsChain,
    nodes::{PATIENCE, agree, four, grow, height, kill, peers, until},
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

#[test]
fn a_node_that_was_away_says_when_it_syncs_and_when_that_is_over() {
    let home = Home::new();
    four(&home, &[("interval_ms_min = 10\n", "interval_ms_min = 0\n")]);
    let _stops = StopsChain(&home);
    home.json(&["chain", "up", "chain"]);
    let nodes = until(&home, "all find one another", peers(&[3; 4]));
    kill(&nodes[3]);
    grow(&home, &nodes, "5");
    let height = height(&until(&home, "three agree", agree(&[0, 1, 2])));
    assert!(height > 100, "{height}");
    home.json(&["chain", "down", "chain"]);

    let mut listener = up_with_a_listener(&home);
    until(&home, "it has the chain", agree(&[0, 1, 2, 3]));
    heard_of_syncing(&mut listener, height);
}
