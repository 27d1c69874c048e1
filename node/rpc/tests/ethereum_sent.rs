//! Ethereum's own transactions, sent as its tools send them.

mod common;

use std::time::Instant;

use common::{GAS, PATIENCE, TestNode, account, hexadecimal};
use entente_client::keystore::Account;
use entente_crypto::{SecretKey, Suite};
use entente_types::{Address, Amount, EthereumTransaction, Hash, LegacyTransaction, created_address};
use serde_json::{Value, json};

const CHAIN: u64 = 20_200;

/// EVM code that stores the word it is called with in slot 0 and tells of it in a log, or answers slot 0 where it is
/// called with nothing.
const CODE: &str = "361560175760003580600055600052602a60206000a1005b60005460005260206000f3";

fn code() -> Vec<u8> {
    entente_types::hex_bytes::decode(CODE).unwrap()
}

/// What creates it.
fn creation() -> Vec<u8> {
    // The length, twice; where the code begins here; where it goes: CODECOPY, RETURN.
    let length = u8::try_from(code().len()).unwrap();
    [&[0x60, length, 0x80, 0x60, 0x0b, 0x60, 0, 0x39, 0x60, 0, 0xf3][..], &code()].concat()
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[seed; 32]).unwrap()
}

fn legacy(nonce: u64, to: Option<Address>, input: Vec<u8>) -> LegacyTransaction {
    LegacyTransaction { nonce, gas_price: Amount::ZERO, gas_limit: 1_000_000, to, value: Amount::ZERO, input }
}

async fn node() -> TestNode {
    let mut genesis = common::genesis();
    genesis.protocol_version = 2;
    TestNode::start_of(&genesis).await
}

async fn send(node: &TestNode, transaction: &EthereumTransaction) -> Hash {
    let hash = node.result("eth_sendRawTransaction", json!([hexadecimal(transaction.raw())])).await;
    assert_eq!(hash, json!(transaction.hash()));
    transaction.hash()
}

async fn refused(node: &TestNode, transaction: &EthereumTransaction) -> (i64, String) {
    node.error("eth_sendRawTransaction", json!([hexadecimal(transaction.raw())])).await
}

async fn receipt(node: &TestNode, hash: &Hash) -> Value {
    let begun = Instant::now();
    loop {
        let receipt = node.result("eth_getTransactionReceipt", json!([hash])).await;
        if !receipt.is_null() {
            return receipt;
        }
        assert!(begun.elapsed() < PATIENCE, "no receipt of {hash}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_is_deployed_called_and_read() {
    let node = node().await;
    let sender = key(7).public_key().address();
    let contract = created_address(&sender, 0);
    let deployment = legacy(0, None, creation()).sign(&key(7), CHAIN).unwrap();
    let deployed = receipt(&node, &send(&node, &deployment).await).await;
    for (field, expected) in [
        ("status", json!("0x1")),
        ("contractAddress", json!(contract)),
        ("from", json!(sender)),
        ("to", Value::Null),
        ("type", json!("0x0")),
        ("effectiveGasPrice", json!("0x0")),
    ] {
        assert_eq!(deployed[field], expected, "{field}: {deployed}");
    }
    assert_eq!(node.result("eth_getCode", json!([contract, "latest"])).await, json!(hexadecimal(&code())));
    assert_eq!(node.result("eth_getTransactionCount", json!([sender, "latest"])).await, json!("0x1"));
    let word = [&[0; 31][..], &[0x2b]].concat();
    let call = legacy(1, Some(contract), word.clone()).sign(&key(7), CHAIN).unwrap();
    let called = receipt(&node, &send(&node, &call).await).await;
    assert_eq!((&called["status"], &called["logs"][0]["data"]), (&json!("0x1"), &json!(hexadecimal(&word))));
    assert_eq!(called["logs"][0]["address"], json!(contract));
    let stored = |at: &'static str| node.result("eth_getStorageAt", json!([contract, "0x0", at]));
    assert_eq!(stored("latest").await, json!(hexadecimal(&word)));
    // A block earlier nothing was there.
    let before = json!(deployed["blockNumber"]);
    let slot = node.result("eth_getStorageAt", json!([contract, "0x0", before])).await;
    assert_eq!(slot, json!(Hash::ZERO));
    let transaction = node.result("eth_getTransactionByHash", json!([call.hash()])).await;
    let payload = call.payload().unwrap();
    for (field, expected) in [
        ("hash", json!(call.hash())),
        ("type", json!("0x0")),
        ("nonce", json!("0x1")),
        ("from", json!(sender)),
        ("to", json!(contract)),
        ("gas", json!("0xf4240")),
        ("input", json!(hexadecimal(&word))),
        ("chainId", json!("0x4ee8")),
        ("blockHash", called["blockHash"].clone()),
        ("v", json!(format!("{:#x}", 35 + 2 * CHAIN + u64::from(payload.signature[64])))),
    ] {
        assert_eq!(transaction[field], expected, "{field}");
    }
    assert_eq!(transaction.get("entente"), None);
    node.stop().await;
}

fn request(id: usize, method: &str, parameters: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters })
}

/// The answers to a batch of requests, each with the request's id.
async fn answers(node: &TestNode, requests: &[(&str, Value)]) -> Vec<Value> {
    let batch = (0..).zip(requests).map(|(id, (method, parameters))| request(id, method, parameters));
    let (status, text) = node.post(&batch.collect::<Value>().to_string()).await;
    assert_eq!(status, 200, "{text}");
    let answers: Vec<Value> = serde_json::from_str(&text).unwrap();
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], json!(id), "{answer}");
    }
    assert_eq!(answers.len(), requests.len());
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transaction_of_a_batch_has_its_own_answer() {
    const SEND: &str = "eth_sendRawTransaction";
    let node = node().await;
    let sign = |seed: u8, nonce: u64| legacy(nonce, None, creation()).sign(&key(seed), CHAIN).unwrap();
    let raw = |transaction: &EthereumTransaction| (SEND, json!([hexadecimal(transaction.raw())]));
    let stranger = legacy(0, None, creation()).sign(&key(9), CHAIN + 1).unwrap();
    let (first, second, other) = (sign(7, 0), sign(7, 1), sign(8, 0));
    let requests = [
        raw(&first),
        (SEND, json!(["0x03c0"])),
        raw(&second),
        raw(&second),
        (SEND, json!([])),
        ("eth_chainId", json!([])),
        raw(&stranger),
        (SEND, json!(["f86c"])),
        raw(&other),
    ];
    let answers_of_all = answers(&node, &requests).await;
    let mut hashes = Vec::new();
    for (answer, expected) in answers_of_all.iter().zip([
        Ok(json!(first.hash())),
        Err((-32000, "transaction type not supported")),
        Ok(json!(second.hash())),
        Err((-32000, "already known")),
        Err((-32602, "`data` is missing")),
        Ok(json!("0x4ee8")),
        Err((-32000, "invalid chain id: the transaction is for chain 20201")),
        Err((-32602, "`data` is \"f86c\"")),
        Ok(json!(other.hash())),
    ]) {
        match expected {
            Ok(result) => {
                assert_eq!(answer["result"], result, "{answer}");
                hashes.extend(result.as_str().unwrap().parse::<Hash>());
            }
            Err((code, words)) => {
                let message = answer["error"]["message"].as_str().unwrap();
                assert_eq!((&answer["error"]["code"], message.starts_with(words)), (&json!(code), true), "{answer}");
            }
        }
    }
    for hash in &hashes {
        assert_eq!(receipt(&node, hash).await["status"], "0x1");
    }
    assert_eq!(hashes.len(), 3);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_more_transactions_than_are_checked_together_is_let_in_whole() {
    let node = node().await;
    let target = Some(key(1).public_key().address());
    let sign = |index: u64| legacy(index % 60, target, Vec::new()).sign(&key((index / 60) as u8 + 10), CHAIN).unwrap();
    let transactions: Vec<EthereumTransaction> = (0..600).map(sign).collect();
    let raw = |transaction: &EthereumTransaction| ("eth_sendRawTransaction", json!([hexadecimal(transaction.raw())]));
    let requests: Vec<_> = transactions.iter().map(raw).collect();
    for (answer, transaction) in answers(&node, &requests).await.iter().zip(&transactions) {
        assert_eq!(answer["result"], json!(transaction.hash()), "{answer}");
    }
    for transaction in &transactions {
        assert_eq!(receipt(&node, &transaction.hash()).await["status"], "0x1");
    }
    // All of them again: each is known by its number.
    let again = answers(&node, &requests).await;
    assert!(again.iter().all(|answer| answer["error"]["code"] == json!(-32000)), "{again:?}");
    node.stop().await;
}

/// Where each transaction is in a block at once, what one of a batch pays is the next one's to spend.
#[tokio::test(flavor = "multi_thread")]
async fn each_transaction_of_a_batch_is_in_a_block_before_the_next_with_dev() {
    /// EVM code that reverts.
    const REVERTS: &str = "0x5f5ffd";
    let node = TestNode::start_for_tests().await;
    let accounts = node.result("eth_accounts", json!([])).await;
    let (from, poor, to) = (&accounts[0], &accounts[1], &accounts[2]);
    let place = json!(Address([0xc0; 20]));
    node.result("hardhat_setBalance", json!([poor, "0x0"])).await;
    node.result("hardhat_setCode", json!([place, REVERTS])).await;
    let mut requests = Vec::new();
    for (sender, nonce, receiver, value) in
        [(from, "0x0", to, "0x1"), (from, "0x1", poor, "0x5"), (poor, "0x0", to, "0x3"), (from, "0x2", &place, "0x0")]
    {
        let wanted = json!({
            "from": sender, "to": receiver, "value": value, "nonce": nonce, "gas": "0x186a0", "gasPrice": "0x0",
        });
        let signed = node.result("eth_signTransaction", json!([wanted])).await;
        requests.push(("eth_sendRawTransaction", json!([signed["raw"]])));
    }
    let answers = answers(&node, &requests).await;
    for (answer, height) in answers.iter().zip(1..) {
        let hash = if height == 4 { &answer["error"]["data"]["txHash"] } else { &answer["result"] };
        let receipt = node.result("eth_getTransactionReceipt", json!([hash])).await;
        let status = if height == 4 { "0x0" } else { "0x1" };
        let expected = (json!(format!("{height:#x}")), json!(status));
        assert_eq!((&receipt["blockNumber"], &receipt["status"]), (&expected.0, &expected.1), "{answer} {receipt}");
    }
    assert_eq!(node.result("eth_getBalance", json!([poor, "latest"])).await, "0x2");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_both_kinds_stand_in_one_chain() {
    let node = node().await;
    let (group, owner): (_, Account) = (node.group().await, account());
    let deployment = legacy(0, None, creation()).sign(&key(7), CHAIN).unwrap();
    let contract = created_address(&key(7).public_key().address(), 0);
    receipt(&node, &send(&node, &deployment).await).await;
    let mut hashes = Vec::new();
    for nonce in 1..=10 {
        let word = [&[0; 31][..], &[u8::try_from(nonce).unwrap()]].concat();
        hashes.push(send(&node, &legacy(nonce, Some(contract), word.clone()).sign(&key(7), CHAIN).unwrap()).await);
        // EVM code called by a native transaction.
        let native = group.transaction_at(500, owner.address(), Some(contract), word, GAS).unwrap();
        hashes.push(group.send(&group.sign(native, &owner).unwrap()).await.unwrap());
    }
    for hash in &hashes {
        let receipt = receipt(&node, hash).await;
        assert_eq!((&receipt["status"], receipt["logs"].as_array().unwrap().len()), (&json!("0x1"), 1), "{receipt}");
    }
    let logs = node.result("eth_getLogs", json!([{ "fromBlock": "0x0", "address": contract }])).await;
    assert_eq!(logs.as_array().unwrap().len(), hashes.len());
    let count = node.result("eth_getTransactionCount", json!([key(7).public_key().address(), "pending"])).await;
    assert_eq!(count, json!("0xb"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_ones_are_refused_in_the_words_of_ethereums_nodes() {
    let node = node().await;
    let good = legacy(0, None, creation()).sign(&key(7), CHAIN).unwrap();
    receipt(&node, &send(&node, &good).await).await;
    let poor = legacy(1, None, vec![]);
    for (transaction, words) in [
        (good, &["already known", "nonce too low"][..]),
        (legacy(0, None, vec![1]).sign(&key(7), CHAIN).unwrap(), &["nonce too low"]),
        (legacy(1, None, vec![]).sign(&key(7), CHAIN + 1).unwrap(), &["invalid chain id"]),
        (
            LegacyTransaction { gas_limit: 20_000, ..poor.clone() }.sign(&key(7), CHAIN).unwrap(),
            &["intrinsic gas too low"],
        ),
        (
            LegacyTransaction { gas_limit: u64::MAX, ..poor.clone() }.sign(&key(7), CHAIN).unwrap(),
            &["exceeds block gas limit"],
        ),
        (LegacyTransaction { value: Amount::from(1), ..poor }.sign(&key(7), CHAIN).unwrap(), &["insufficient funds"]),
    ] {
        let (code, message) = refused(&node, &transaction).await;
        assert!(code == -32000 && words.iter().any(|words| message.starts_with(words)), "{words:?}: {code} {message}");
    }
    node.stop().await;
}
