//! What a node under pressure and a node that has stopped answer.

mod common;

use std::{sync::Arc, time::Duration};

use common::{PATIENCE, TestNode, account, hexadecimal, signed};
use entente_client::client::{NodeRefusal, QueryError, SendError};
use entente_driver::NodeConfig;
use entente_storage::crash::CrashEngine;
use entente_types::{Address, Hash};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const NOBODY: Address = Address([1; 20]);
/// What `pool.submissions_max` is by default.
const SUBMISSIONS_MAX: usize = 256;

/// A node that makes one block and then no other for as long as a test lasts.
async fn one_block(change: impl FnOnce(&mut NodeConfig)) -> TestNode {
    let node = TestNode::start_with("memory", |config| {
        config.consensus.interval_ms_min = 600_000;
        change(config);
    })
    .await;
    let group = node.group().await;
    let first = signed(&group, &account(), NOBODY, 1);
    group.send(&first).await.unwrap();
    group.wait_receipt(&first.hash, PATIENCE).await.unwrap();
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_full_by_count_says_so_and_when_to_come_again() {
    let node = one_block(|config| config.pool.transactions_max = 3).await;
    let (group, owner) = (node.group().await, account());
    let many: Vec<_> = (0..5).map(|amount| signed(&group, &owner, NOBODY, amount)).collect();
    let results = group.send_many(&many).await.unwrap();
    let refusal =
        NodeRefusal::new(28, "the pool holds its limit of 3 transactions (`pool.transactions_max`); send again later");
    let expected: Vec<Result<Hash, NodeRefusal>> = many
        .iter()
        .enumerate()
        .map(|(index, transaction)| if index < 3 { Ok(transaction.hash) } else { Err(refusal.clone()) })
        .collect();
    assert_eq!(results, expected);
    assert!(refusal.is_flow_control());
    let one = node.error("sendRawTransaction", json!([1, hexadecimal(&many[4].bytes)])).await;
    assert_eq!(one, (28, refusal.message));
    assert_eq!(group.status().await.unwrap().pool.transactions, 3);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_full_by_bytes_says_so_and_when_to_come_again() {
    let node = one_block(|config| config.pool.bytes_max = 700).await;
    let (group, owner) = (node.group().await, account());
    let many: Vec<_> = (0..4).map(|amount| signed(&group, &owner, NOBODY, amount)).collect();
    let results = group.send_many(&many).await.unwrap();
    let refusals: Vec<NodeRefusal> = results.into_iter().filter_map(Result::err).collect();
    assert!(!refusals.is_empty() && refusals.len() < 4, "{refusals:?}");
    for refusal in refusals {
        assert_eq!(refusal.code, 10006, "{refusal}");
        assert!(
            refusal.message.contains("700 bytes (`pool.bytes_max`)") && refusal.message.contains("send again later"),
            "{refusal}"
        );
        assert!(refusal.is_flow_control());
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_are_worked_on_at_once_are_told_to_come_again() {
    let node = TestNode::start("memory").await;
    let owner = account();
    let mut requests = Vec::new();
    for _ in 0..4 {
        // Connections of their own: one has a bound on what waits on it.
        let group = node.group().await;
        requests.extend((0..70).map(|amount| (group.clone(), signed(&group, &owner, NOBODY, amount))));
    }
    let refused = requests.len() - SUBMISSIONS_MAX;
    let held = node.hold_checks().await;
    let mut sending = JoinSet::new();
    for (group, transaction) in requests {
        sending.spawn(async move { group.send(&transaction).await });
    }
    for _ in 0..refused {
        let error = tokio::time::timeout(PATIENCE, sending.join_next()).await.unwrap().unwrap().unwrap().unwrap_err();
        let SendError::Query(QueryError::Refused { refusal, .. }) = error else { panic!("{error}") };
        let message = "256 requests with transactions are being worked on (`pool.submissions_max`); send again later";
        assert_eq!(refusal, NodeRefusal::new(-40011, message));
        assert!(refusal.is_flow_control());
    }
    drop(held);
    let mut sent = 0;
    while let Some(result) = sending.join_next().await {
        result.unwrap().unwrap();
        sent += 1;
    }
    assert_eq!(sent, SUBMISSIONS_MAX);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_halted_is_unhealthy_and_says_why_wherever_it_is_asked() {
    let engine = CrashEngine::new();
    let node = TestNode::start_on(Arc::new(engine.clone())).await;
    let group = node.group().await;
    assert_eq!(node.get("/health").await.0, 200);
    engine.fail_writes(true);
    let lost = signed(&group, &account(), NOBODY, 1);
    group.send(&lost).await.unwrap();
    let halted = async {
        loop {
            let (status, body) = node.get("/health").await;
            if status == 503 {
                return body;
            }
            assert_eq!(status, 200, "{body}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let body: Value = serde_json::from_str(&tokio::time::timeout(PATIENCE, halted).await.unwrap()).unwrap();
    assert_eq!((&body["healthy"], &body["groups"][0]["healthy"]), (&json!(false), &json!(false)));
    let why = body["groups"][0]["halted"].as_str().unwrap();
    assert!(why.contains("told to fail"), "{why}");
    let status = group.status().await.unwrap();
    assert_eq!((status.healthy, status.height, &status.more["halted"]), (false, 0, &json!(why)));
    let (_, metrics) = node.get("/metrics").await;
    assert!(metrics.contains("entente_group_halted{group=\"group1\"} 1\n"), "{metrics}");
    // What it cannot do any more is refused at once, and what it has is still read.
    let late = signed(&group, &account(), NOBODY, 2);
    let refused = tokio::time::timeout(PATIENCE, group.send(&late)).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(-32603), "{refused}");
    assert!(refused.to_string().contains("the group has stopped; see the node's log"), "{refused}");
    assert_eq!(group.receipt(&lost.hash).await.unwrap(), None);
    node.stop().await;
}
