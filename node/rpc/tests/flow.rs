//! Bounds on work at a time and on requests a second: each refusal with its key, and what it does to others.

mod common;

use std::time::Duration;

use common::{PATIENCE, TestNode, account, hexadecimal, signed};
use entente_client::client::{CallError, CallRequest, NodeRefusal, QueryError, SendError};
use entente_driver::NodeConfig;
use entente_types::Address;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const NOBODY: Address = Address([1; 20]);

async fn start(change: impl FnOnce(&mut NodeConfig)) -> TestNode {
    TestNode::start_with("memory", change).await
}

/// What `/metrics` says of a refusing limit.
async fn refusals(node: &TestNode, limit: &str) -> u64 {
    // The connection before may still have its place.
    let told = async {
        loop {
            match node.get("/metrics").await {
                (200, metrics) => return metrics,
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let metrics = timeout(PATIENCE, told).await.unwrap();
    let start = format!("entente_refusals_total{{limit=\"{limit}\"");
    let line = metrics.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{limit}: {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The message of a refusal for being too many, without the time that it tells to wait.
fn over_rate((code, message): (i64, String)) -> String {
    assert_eq!(code, -40011, "{message}");
    assert!(NodeRefusal::new(-40011, &message).is_flow_control());
    let (told, wait) = message.split_once("; send again in ").unwrap_or_else(|| panic!("{message}"));
    let wait: u64 = wait.strip_suffix(" ms").unwrap().parse().unwrap();
    assert!((1..=1000).contains(&wait), "{message}");
    told.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_a_second_than_the_node_takes_are_told_when_to_come_again() {
    let node = start(|config| config.rpc.requests_per_second_max = 3).await;
    for _ in 0..3 {
        node.result("entente_groups", json!([])).await;
    }
    let told = over_rate(node.error("entente_groups", json!([])).await);
    assert_eq!(told, "Over QPS limit: this node takes 3 requests a second (`rpc.requests_per_second_max`)");
    // Health and metrics are no requests.
    assert_eq!(node.get("/health").await.0, 200);
    assert_eq!(refusals(&node, "rpc.requests_per_second_max").await, 1);
    // In a batch each counts.
    sleep(Duration::from_millis(1010)).await;
    let request = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "entente_groups", "params": [] });
    let (_, answer) = node.post(&json!([request(0), request(1), request(2), request(3), request(4)]).to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&answer).unwrap();
    let ids: Vec<u64> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    assert!(answers[..3].iter().all(|answer| answer["result"] == json!(["group1"])), "{answer}");
    assert!(answers[3..].iter().all(|answer| answer["error"]["code"] == json!(-40011)), "{answer}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_count_in_the_rate_of_their_group() {
    let node = start(|config| config.rpc.group_requests_per_second_max = 30).await;
    let (group, owner) = (node.group().await, account());
    let many: Vec<Value> =
        (0..31).map(|amount| json!(hexadecimal(&signed(&group, &owner, NOBODY, amount).bytes))).collect();
    // What finding the group took has come back.
    sleep(Duration::from_millis(1100)).await;
    let answers = node.result("entente_sendTransactions", json!(["group1", &many[..20]])).await;
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["hash"].is_string()), "{answers}");
    let told = over_rate(node.error("entente_sendTransactions", json!(["group1", &many[..20]])).await);
    assert_eq!(told, "Over QPS limit: group1 takes 30 requests a second (`rpc.group_requests_per_second_max`)");
    // What names no group does not count.
    for _ in 0..40 {
        node.result("entente_groups", json!([])).await;
    }
    let (code, message) = node.error("entente_sendTransactions", json!(["group1", many])).await;
    assert_eq!(code, -32602, "to send the same again would be in vain: {message}");
    let expected = "31 transactions at once are more than the 30 requests a second that group1 takes \
                    (`rpc.group_requests_per_second_max`); send fewer in one request";
    assert_eq!(message, expected);
    assert_eq!(refusals(&node, "rpc.group_requests_per_second_max").await, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_its_part_of_the_work_and_others_have_theirs() {
    let node = start(|config| {
        config.rpc.connection_requests_max = 2;
        config.rpc.connection_transactions_max = 15;
        config.rpc.work_bytes_max = 64 << 10;
        config.pool.checking_transactions_max = 20;
    })
    .await;
    let (group, other, third, owner) = (node.group().await, node.group().await, node.group().await, account());
    let many: Vec<_> = (0..60).map(|amount| signed(&group, &owner, NOBODY, amount)).collect();
    let refused = |result: Result<Vec<_>, SendError>| match result {
        Err(SendError::Query(QueryError::Refused { refusal, .. })) => {
            assert_eq!(refusal.code, -40011, "{refusal}");
            refusal.message
        }
        other => panic!("{other:?}"),
    };
    let held = node.hold_checks().await;
    let (sender, first) = (group.clone(), many[..10].to_vec());
    let sending = tokio::spawn(async move { sender.send_many(&first).await });
    node.wait_metric("entente_place_used{place=\"checking_transactions\",group=\"group1\"} 10").await;
    let told = refused(group.send_many(&many[10..16]).await);
    let expected = "10 transactions of this connection are being worked on, 6 more would be above the limit of 15 \
                    (`rpc.connection_transactions_max`); send again when some are answered";
    assert_eq!(told, expected);
    let told = refused(other.send_many(&many[10..21]).await);
    let expected = "10 transactions are being checked, 11 more would be above the limit of 20 \
                    (`pool.checking_transactions_max`); send again later";
    assert_eq!(told, expected);
    let (sender, second) = (group.clone(), many[21].clone());
    let sending_one = tokio::spawn(async move { sender.send(&second).await });
    node.wait_metric("entente_place_used{place=\"submissions\",group=\"group1\"} 2").await;
    let told = refused(group.status().await.map(|_| Vec::new()).map_err(SendError::from));
    let expected = "2 requests of this connection are being worked on (`rpc.connection_requests_max`); send again when \
                    some are answered";
    assert_eq!(told, expected);
    assert!(other.status().await.unwrap().healthy, "another connection");
    let told = refused(third.send_many(&vec![many[22].clone(); 160]).await);
    assert!(told.contains("above the limit of 65536 (`rpc.work_bytes_max`); send again later"), "{told}");
    drop(held);
    assert!(sending.await.unwrap().unwrap().iter().all(Result::is_ok));
    sending_one.await.unwrap().unwrap();
    for (limit, expected) in [
        ("rpc.connection_transactions_max", 1),
        ("pool.checking_transactions_max", 11),
        ("rpc.connection_requests_max", 1),
        ("rpc.work_bytes_max", 1),
    ] {
        assert_eq!(refusals(&node, limit).await, expected, "{limit}");
    }
    // All places are given back.
    assert!(group.status().await.unwrap().healthy);
    let (_, metrics) = node.get("/metrics").await;
    for place in ["submissions", "checking_transactions", "work_bytes"] {
        let line =
            metrics.lines().find(|line| line.starts_with(&format!("entente_place_used{{place=\"{place}\""))).unwrap();
        assert!(line.ends_with(" 0"), "{line}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_who_has_filled_its_part_of_the_pool_keeps_nobody_out() {
    let node = start(|config| {
        config.pool.sender_transactions_max = 3;
        config.consensus.interval_ms_min = 600_000;
    })
    .await;
    let (group, heavy, light) = (node.group().await, account(), account());
    let first = signed(&group, &light, NOBODY, 1);
    group.send(&first).await.unwrap();
    group.wait_receipt(&first.hash, PATIENCE).await.unwrap();
    let many: Vec<_> = (0..5).map(|amount| signed(&group, &heavy, NOBODY, amount)).collect();
    let results = group.send_many(&many).await.unwrap();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    let address = heavy.address();
    let expected = format!(
        "the pool holds its limit of 3 transactions of one sender (`pool.sender_transactions_max`), {address}; send again \
         once some are committed"
    );
    let refusal = results[4].clone().unwrap_err();
    assert_eq!(refusal, NodeRefusal::new(28, &expected));
    assert!(refusal.is_flow_control());
    group.send(&signed(&group, &light, NOBODY, 2)).await.unwrap();
    assert_eq!(refusals(&node, "pool.sender_transactions_max").await, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_told_so_and_a_place_that_is_given_up_is_taken() {
    let node = start(|config| config.rpc.connections_max = 2).await;
    let first = node.client().await;
    let second = TcpStream::connect(node.address()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let mut third = TcpStream::connect(node.address()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, third.read_to_string(&mut answer)).await.unwrap().unwrap();
    let expected = "the node serves 2 connections, its limit (`rpc.connections_max`); close one or try again later\n";
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with(expected), "{answer}");
    drop(second);
    // The server hears of it a moment later.
    let open = async {
        while node.get("/health").await.0 != 200 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, open).await.unwrap();
    assert!(refusals(&node, "rpc.connections_max").await >= 1);
    assert_eq!(first.groups().await.unwrap().len(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_librarys_own_limits_are_told_with_their_keys() {
    let node = start(|config| {
        config.rpc.subscriptions_max = 1;
        config.rpc.response_bytes_max = 840;
    })
    .await;
    let group = node.group().await;
    let _kept = group.blocks().await.unwrap();
    let error = group.blocks().await.unwrap_err();
    let expected = "this connection has its limit of 1 subscriptions (`rpc.subscriptions_max`); end one first, or open \
                    another connection";
    assert_eq!(error.code(), Some(-32006));
    assert!(error.to_string().contains(expected), "{error}");
    let (code, message) = node.error("entente_block", json!([1, 0, true])).await;
    let expected = "the answer would have more than 840 bytes (`rpc.response_bytes_max`); ask for less at once";
    assert_eq!((code, message.as_str()), (-32008, expected));
    assert_eq!(refusals(&node, "rpc.subscriptions_max").await, 1);
    assert_eq!(refusals(&node, "rpc.response_bytes_max").await, 1);
    node.stop().await;
}

/// A frame of a WebSocket's client with this text. The mask is one that changes nothing.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0xfe];
    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_never_reads_is_not_read_from() {
    let node = start(|_| {}).await;
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer[..length]));
    // The answer to each is longer than the question.
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "entente_status", "params": ["group1"] }).to_string();
    let questions = frame(&request).repeat(100);
    let before = common::resident_bytes();
    let mut written = 0;
    while written < 100 << 20 {
        match timeout(Duration::from_secs(2), stream.write(&questions[written % questions.len()..])).await {
            Ok(count) => written += count.unwrap(),
            Err(_) => break,
        }
    }
    let grown = common::resident_bytes().saturating_sub(before);
    println!("{} KiB were taken in, memory grew by {} KiB", written >> 10, grown >> 10);
    // What the system itself keeps of a connection's bytes in both directions is some MiB.
    assert!(written < 48 << 20, "{written} bytes were read from a peer that reads nothing");
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
    // Others are served.
    assert!(node.group().await.status().await.unwrap().healthy);
    drop(stream);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_may_wait_are_told_to_come_again() {
    let node = start(|config| config.rpc.calls_max = 1).await;
    let group = node.group().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let group = group.clone();
        let call = CallRequest { from: None, to: NOBODY, input: vec![], gas: None };
        calls.spawn(async move { group.call(&call).await });
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(result) = calls.join_next().await {
        match result.unwrap() {
            Ok(_) => answered += 1,
            Err(CallError::Query(QueryError::Refused { refusal, .. })) => {
                let message = "1 calls wait or run already (`rpc.calls_max`); call again later";
                assert_eq!(refusal, NodeRefusal::new(-40011, message));
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(answered > 0);
    assert_eq!(refusals(&node, "rpc.calls_max").await, refused);
    node.stop().await;
}

#[test]
fn what_the_configuration_calls_a_request_of_transactions_is_what_a_request_may_have() {
    assert_eq!(entente_driver::REQUEST_TRANSACTIONS_MAX, entente_rpc::limits::TRANSACTIONS_MAX as u64);
}

#[test]
fn the_page_of_metrics_is_that_of_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = entente_rpc::metrics_page();
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/metrics.md is not what the table says; run this test with ENTENTE_BLESS=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_by_itself_is_refused_as_many_are() {
    let node = start(|config| config.rpc.group_requests_per_second_max = 3).await;
    let (group, owner) = (node.group().await, account());
    sleep(Duration::from_millis(1100)).await;
    let mut refused = 0;
    for amount in 0..4 {
        match group.send(&signed(&group, &owner, NOBODY, amount)).await {
            Ok(_) => {}
            Err(SendError::Query(QueryError::Refused { refusal, .. })) => {
                assert!(refusal.message.starts_with("Over QPS limit: group1 takes 3 requests a second"), "{refusal}");
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(refused, 1);
    node.stop().await;
}
