//! Logs by a filter: past ones in a range, and subscriptions that miss none and tell none twice.

mod common;

use std::time::{Duration, Instant};

use common::{GAS, PATIENCE, TestNode, account, deploy_token, selector, signed, transfer};
use entente_client::{
    client::{Group, LogFilter, LogNotice, LogSubscription, SignedTransaction, StreamError},
    keystore::Account,
};
use entente_types::{Address, Hash};
use serde_json::{Value, json};

async fn next(logs: &mut LogSubscription) -> LogNotice {
    tokio::time::timeout(PATIENCE, logs.next()).await.expect("in time").expect("a log")
}

async fn take(logs: &mut LogSubscription, count: usize) -> Vec<LogNotice> {
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        taken.push(next(logs).await);
    }
    taken
}

fn topic(address: Address) -> Hash {
    let mut bytes = [0; 32];
    bytes[12..].copy_from_slice(address.as_bytes());
    Hash(bytes)
}

/// A transfer to somebody.
fn to(group: &Group, owner: &Account, token: Address, receiver: Address) -> SignedTransaction {
    let transaction = group.transaction_at(500, owner.address(), Some(token), transfer(receiver, 1), GAS).unwrap();
    group.sign(transaction, owner).unwrap()
}

/// All logs of the chain, from the receipts of its blocks.
async fn of_receipts(node: &TestNode, filter: impl Fn(&LogNotice) -> bool) -> Vec<LogNotice> {
    let group = node.group().await;
    let mut all = Vec::new();
    for number in 0..=group.status().await.unwrap().height {
        let block = node.result("entente_block", json!([1, number])).await;
        let mut log_index = 0;
        for transaction in block["transactions"].as_array().unwrap() {
            let hash = transaction.as_str().unwrap().parse().unwrap();
            let receipt = group.receipt(&hash).await.unwrap().unwrap();
            for log in receipt.logs {
                all.push(LogNotice {
                    address: log.address,
                    topics: log.topics,
                    data: log.data,
                    block: number,
                    block_hash: receipt.block_hash,
                    transaction: hash,
                    transaction_index: receipt.index,
                    log_index,
                });
                log_index += 1;
            }
        }
    }
    all.into_iter().filter(filter).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn past_and_new_logs_come_once_each_and_in_order() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let other = deploy_token(&group, &owner).await;
    let receivers: Vec<Address> = (1..=3).map(|byte| Address([byte; 20])).collect();
    let send = async |count: usize| {
        for index in 0..count {
            let contract = if index.is_multiple_of(4) { other } else { token };
            // Several in a block, and several blocks.
            let many: Vec<_> =
                (0..=index % 3).map(|place| to(&group, &owner, contract, receivers[(index + place) % 3])).collect();
            assert!(group.send_many(&many).await.unwrap().iter().all(Result::is_ok));
            group.wait_receipt(&many.last().unwrap().hash, PATIENCE).await.unwrap();
        }
    };
    send(20).await;
    let half = group.status().await.unwrap().height;
    let event = entente_crypto::keccak256(b"Transfer(address,address,uint256)");
    let watched = topic(receivers[1]);
    let filters = [
        LogFilter { from: Some(0), ..LogFilter::default() },
        LogFilter { addresses: vec![token], from: Some(half / 2), ..LogFilter::default() },
        LogFilter { topics: vec![vec![event], vec![], vec![watched, topic(receivers[2])]], ..LogFilter::default() },
        LogFilter {
            addresses: vec![other, token],
            topics: vec![vec![], vec![], vec![watched]],
            ..LogFilter::default()
        },
        LogFilter { from: Some(half + 10), ..LogFilter::default() },
    ];
    let mut streams = Vec::new();
    for filter in &filters {
        streams.push(group.subscribe_logs(filter).await.unwrap());
    }
    let others = node.group().await;
    for filter in &filters {
        streams.push(others.subscribe_logs(filter).await.unwrap());
    }
    send(20).await;
    let fits = |filter: &LogFilter, log: &LogNotice| {
        log.block >= filter.from.unwrap_or(half + 1)
            && (filter.addresses.is_empty() || filter.addresses.contains(&log.address))
            && log.topics.len() >= filter.topics.len()
            && filter.topics.iter().zip(&log.topics).all(|(some, topic)| some.is_empty() || some.contains(topic))
    };
    for (filter, stream) in filters.iter().cycle().zip(&mut streams) {
        let expected = of_receipts(&node, |log| fits(filter, log)).await;
        assert!(expected.len() > 5, "{} of {filter:?}", expected.len());
        assert_eq!(take(stream, expected.len()).await, expected, "{filter:?}");
        let more = tokio::time::timeout(Duration::from_millis(50), stream.next()).await;
        assert!(more.is_err(), "{more:?}");
        // The same as a list.
        let from = Some(filter.from.unwrap_or(half + 1));
        assert_eq!(group.logs(&LogFilter { from, ..filter.clone() }).await.unwrap(), expected);
    }
    from_any_place(&node, &filters[0]).await;
    node.stop().await;
}

/// Those who stopped reading anywhere can go on there.
async fn from_any_place(node: &TestNode, filter: &LogFilter) {
    let group = node.group().await;
    let all = group.logs(filter).await.unwrap();
    assert!(all.iter().any(|log| log.log_index > 1), "several in a block");
    for (place, log) in all.iter().enumerate().step_by(3) {
        let filter = LogFilter { from: Some(log.block), from_log: Some(log.log_index), ..filter.clone() };
        assert_eq!(group.logs(&filter).await.unwrap(), all[place..]);
        let mut stream = group.subscribe_logs(&filter).await.unwrap();
        assert_eq!(take(&mut stream, all.len() - place).await, all[place..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_logs_are_bounded_in_a_list_and_streamed_whole_to_a_reader_who_dawdles() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let first = group.status().await.unwrap().height + 1;
    let many: Vec<_> = (0..10_500).map(|_| to(&group, &owner, token, Address([7; 20]))).collect();
    let filter = LogFilter { addresses: vec![token], from: Some(first), ..LogFilter::default() };
    let mut live = group.subscribe_logs(&filter).await.unwrap();
    for part in many.chunks(2_500) {
        assert!(group.send_many(part).await.unwrap().iter().all(Result::is_ok));
    }
    group.wait_receipt(&many.last().unwrap().hash, PATIENCE).await.unwrap();

    let error = group.logs(&filter).await.unwrap_err();
    assert_eq!(error.code(), Some(-32602));
    let message = error.to_string();
    assert!(message.contains("`filter` meets more than 10000 logs from block 2 to "), "{message}");
    // What it says to ask instead has an answer.
    let last: u64 = message.split("ask up to block ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let part = group.logs(&LogFilter { to: Some(last), ..filter.clone() }).await.unwrap();
    assert!(!part.is_empty() && part.len() <= 10_000 && part.iter().all(|log| log.block <= last));

    // Both have far more before them than a connection holds for a reader.
    let mut second = node.group().await.subscribe_logs(&filter).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let hashes: Vec<Hash> = many.iter().map(|transaction| transaction.hash).collect();
    for stream in [&mut second, &mut live] {
        let logs = take(stream, many.len()).await;
        assert_eq!(logs.iter().map(|log| log.transaction).collect::<Vec<_>>(), hashes);
        assert!(logs.windows(2).all(|pair| (pair[0].block, pair[0].log_index) < (pair[1].block, pair[1].log_index)));
    }
    // The next one comes after them.
    let one = to(&group, &owner, token, Address([7; 20]));
    group.send(&one).await.unwrap();
    assert_eq!(next(&mut second).await.transaction, one.hash);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_ends_when_it_is_told_to_and_with_its_connection() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let client = node.client().await;
    let error = client.request::<Value>("entente_subscribeLogs", &(1, json!({ "to": 5 }))).await.unwrap_err();
    assert!(error.to_string().contains("`filter.to` is 5; a subscription has no last block"), "{error}");
    let mut logs = group.subscribe_logs(&LogFilter::default()).await.unwrap();
    let sent = signed(&group, &owner, token, 1);
    group.send(&sent).await.unwrap();
    let log = next(&mut logs).await;
    assert_eq!((log.transaction, log.address, log.topics.len()), (sent.hash, token, 3));
    assert_eq!(log.log().data.len(), 32);
    drop(logs);
    assert_eq!(selector("Transfer(address,address,uint256)")[..], log.topics[0].0[..4]);
    // As many as there may be, again and again. Nobody waits for the answer when one is dropped.
    let begun = Instant::now();
    let subscribe = async || loop {
        match group.subscribe_logs(&LogFilter::default()).await {
            Ok(logs) => return logs,
            Err(error) => assert!(error.code() == Some(-32006) && begun.elapsed() < PATIENCE, "{error}"),
        }
    };
    for _ in 0..3 {
        let mut kept = Vec::new();
        for _ in 0..64 {
            kept.push(subscribe().await);
        }
        let full = group.subscribe_logs(&LogFilter::default()).await.unwrap_err();
        assert_eq!(full.code(), Some(-32006));
    }
    let mut logs = subscribe().await;
    node.stop().await;
    assert!(matches!(logs.next().await, Err(StreamError::Lost { .. })));
}
