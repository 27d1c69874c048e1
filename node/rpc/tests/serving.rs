//! Subscriptions, health, metrics, starting and stopping.

mod common;

use common::{PATIENCE, TestNode, account, deploy_token, signed};
use entente_client::client::{Client, StreamError};
use entente_driver::RpcConfig;
use entente_rpc::serve;
use entente_types::Hash;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_see_every_block_in_order() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let other = node.group().await;
    let mut streams = [group.blocks().await.unwrap(), group.blocks().await.unwrap(), other.blocks().await.unwrap()];
    let mut sent = Vec::new();
    for amount in 0..50 {
        let transaction = signed(&group, &owner, token, amount);
        sent.push(group.send(&transaction).await.unwrap());
        // One block for each: it is waited for before the next is sent.
        group.wait_receipt(&transaction.hash, PATIENCE).await.unwrap();
    }
    let mut told = Vec::new();
    for stream in &mut streams {
        let mut hashes = Vec::new();
        let mut notices = Vec::new();
        while hashes.len() < sent.len() {
            let notice = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap();
            hashes.extend_from_slice(&notice.transactions);
            notices.push(notice);
        }
        assert_eq!(hashes, sent);
        assert!(notices.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
        assert!(notices.len() >= 50 && notices.iter().all(|notice| notice.failed.is_empty() && notice.gas_used > 0));
        told.push(notices);
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_transaction_is_named_by_its_place() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let mut blocks = group.blocks().await.unwrap();
    // Somebody without tokens.
    let poor = signed(&group, &account(), token, 5);
    group.send(&poor).await.unwrap();
    let receipt = group.wait_receipt(&poor.hash, PATIENCE).await.unwrap();
    assert!(!receipt.succeeded());
    let notice = blocks.next().await.unwrap();
    assert_eq!((notice.transactions, notice.failed), (vec![poor.hash], vec![receipt.index]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wait_for_the_same_receipt_before_it_is_there() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let transaction = signed(&group, &owner, token, 5);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (group, hash) = (group.clone(), transaction.hash);
            tokio::spawn(async move { group.wait_receipt(&hash, PATIENCE).await })
        })
        .collect();
    // One who gives up keeps nobody else waiting.
    assert!(group.wait_receipt(&transaction.hash, std::time::Duration::from_millis(50)).await.is_err());
    group.send(&transaction).await.unwrap();
    for wait in waiting {
        assert_eq!(wait.await.unwrap().unwrap().transaction, transaction.hash);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_plain_http() {
    let node = TestNode::start("memory").await;
    let (status, body) = node.get("/health").await;
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &health["healthy"], &health["groups"][0]["height"]), (200, &json!(true), &json!(0)));
    let group = node.group().await;
    deploy_token(&group, &account()).await;
    let (status, metrics) = node.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "# TYPE entente_block_height gauge",
        "entente_block_height{group=\"group1\"} 1",
        "entente_transactions_total{group=\"group1\"} 1",
        "entente_pool_transactions{group=\"group1\"} 0",
        "entente_compilations_total{group=\"group1\"} 1",
        "entente_group_halted{group=\"group1\"} 0",
        "entente_rpc_requests_total{method=\"entente_sendTransaction\"} 1",
        "entente_rpc_subscribers_dropped_total 0",
        "entente_rpc_connections 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
    let (status, body) = node.get("/nothing").await;
    let expected = "nothing is at /nothing; GET has /health and /metrics, and JSON-RPC is POST or WebSocket at /\n";
    assert_eq!((status, body.as_str()), (404, expected));
    let (status, body) = node.get(&format!("/{}", "x".repeat(5000))).await;
    assert!(status == 404 && body.len() < 200, "{body}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_told_with_what_to_do() {
    let node = TestNode::start("memory").await;
    let config = RpcConfig { listen: node.address(), ..RpcConfig::default() };
    let error = serve(node.node.handle().clone(), &config).await.map(|_| ()).unwrap_err();
    let expected = format!(
        "{} is taken: another program, or another node, listens there; choose another port with --rpc-port or \
         `rpc.listen` in config.toml",
        node.address()
    );
    assert_eq!(error.to_string(), expected);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_connections_and_frees_the_port() {
    let node = TestNode::start("memory").await;
    let (address, group) = (node.address(), node.group().await);
    let mut blocks = group.blocks().await.unwrap();
    let waiting = {
        let group = group.clone();
        tokio::spawn(async move { group.wait_receipt(&Hash([1; 32]), PATIENCE).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let started = std::time::Instant::now();
    node.stop().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(matches!(blocks.next().await, Err(StreamError::Lost { .. })));
    assert!(waiting.await.unwrap().is_err());
    assert!(Client::connect(&address.to_string()).await.is_err());
    assert!(tokio::net::TcpListener::bind(address).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_group_is_told_in_plain_words() {
    let TestNode { node, server, folder: _folder } = TestNode::start("memory").await;
    let group = Client::connect(&server.local_addr().to_string()).await.unwrap().group("group1").await.unwrap();
    tokio::task::spawn_blocking(move || node.stop()).await.unwrap();
    let transaction = signed(&group, &account(), entente_types::Address([1; 20]), 1);
    let error = group.send(&transaction).await.unwrap_err();
    assert_eq!(error.code(), Some(-32603));
    assert!(error.to_string().contains("the group has stopped; see the node's log"), "{error}");
    server.stop();
    server.stopped().await;
}

#[test]
fn the_documentation_is_that_of_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rpc.md");
    let page = entente_rpc::documentation();
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/rpc.md is not what the table says; run ENTENTE_BLESS=1 cargo test -p entente-rpc");
}
