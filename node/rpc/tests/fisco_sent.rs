//! FISCO BCOS 2's own transactions, sent and read by its methods, in a group of each suite.

mod common;

use std::time::Instant;

use common::{PATIENCE, TestNode, hexadecimal};
use entente_crypto::{SecretKey, Suite};
use entente_types::{
    Address, Amount, FiscoSigner, FiscoTransaction, Genesis, GroupId, Hash, UnsignedFiscoTransaction, hex_bytes,
};
use serde_json::{Value, json};

/// EVM code that stores the word it is called with in slot 0 and tells of it in a log, or answers slot 0 where it is
/// called with nothing.
const CODE: &str = "361560175760003580600055600052602a60206000a1005b60005460005260206000f3";

/// What creates it.
fn creation() -> Vec<u8> {
    let code = hex_bytes::decode(CODE).unwrap();
    let length = u8::try_from(code.len()).unwrap();
    [&[0x60, length, 0x80, 0x60, 0x0b, 0x60, 0, 0x39, 0x60, 0, 0xf3][..], &code].concat()
}

const SUITES: [Suite; 2] = [Suite::Standard, Suite::Guomi];

fn key(suite: Suite, seed: u8) -> SecretKey {
    SecretKey::from_bytes(suite, &[seed; 32]).unwrap()
}

fn genesis(suite: Suite) -> Genesis {
    Genesis { suite, ..entente_testing::genesis(&[key(suite, 200)]) }
}

async fn node(suite: Suite) -> TestNode {
    TestNode::start_as(&genesis(suite), &key(suite, 200)).await
}

/// As the Java client makes it, with its gas and its price.
fn unsigned(nonce: u8, to: Option<Address>, input: Vec<u8>) -> UnsignedFiscoTransaction {
    UnsignedFiscoTransaction {
        nonce: [nonce; 32],
        gas_price: Amount::from(22_000_000_000),
        gas: Amount::from(4_300_000),
        block_limit: 500,
        to,
        value: Amount::ZERO,
        input,
        chain_id: 1,
        group: 1,
        extra: b"order 17".to_vec(),
    }
}

async fn send(node: &TestNode, suite: Suite, transaction: &FiscoTransaction) -> Hash {
    let hash = node.result("sendRawTransaction", json!([1, hexadecimal(transaction.raw())])).await;
    assert_eq!(hash, json!(transaction.hash(suite)));
    transaction.hash(suite)
}

async fn refused(node: &TestNode, raw: &[u8]) -> (i64, String) {
    node.error("sendRawTransaction", json!([1, hexadecimal(raw)])).await
}

async fn receipt(node: &TestNode, hash: &Hash) -> Value {
    let begun = Instant::now();
    loop {
        let receipt = node.result("getTransactionReceipt", json!([1, hash])).await;
        if !receipt.is_null() {
            return receipt;
        }
        assert!(begun.elapsed() < PATIENCE, "no receipt of {hash}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn address(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

fn check(found: &Value, expected: &[(&str, Value)]) {
    for (field, expected) in expected {
        assert_eq!(&found[field], expected, "{field}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_is_deployed_called_and_read_in_both_suites() {
    for suite in SUITES {
        let node = node(suite).await;
        let sender = key(suite, 7).public_key().address();
        let deployment = unsigned(1, None, creation()).sign(&key(suite, 7)).unwrap();
        let deployed = receipt(&node, &send(&node, suite, &deployment).await).await;
        let input = json!(hexadecimal(&creation()));
        check(&deployed, &[("status", json!("0x0")), ("from", json!(sender)), ("input", input)]);
        check(&deployed, &[("to", json!(Address::ZERO)), ("transactionHash", json!(deployment.hash(suite)))]);
        let contract = address(&deployed["contractAddress"]);
        assert_eq!(node.result("getCode", json!([1, contract])).await, json!(format!("0x{CODE}")));
        let word = [&[0; 31][..], &[0x2b]].concat();
        let call = unsigned(2, Some(contract), word.clone()).sign(&key(suite, 7)).unwrap();
        let hash = send(&node, suite, &call).await;
        let called = receipt(&node, &hash).await;
        check(&called, &[("status", json!("0x0")), ("to", json!(contract)), ("input", json!(hexadecimal(&word)))]);
        assert_eq!(called["logs"][0]["data"], json!(hexadecimal(&word)));
        let asked = json!([1, { "from": sender, "to": contract, "data": "0x" }]);
        assert_eq!(node.result("call", asked).await["output"], json!(hexadecimal(&word)));
        shown_by_fisco_bcoss_methods(&node, suite, &call, &called).await;
        shown_by_ethereums_methods(&node, suite, &call, &called).await;
        let version = node.result("getClientVersion", json!([])).await;
        assert_eq!(version["FISCO-BCOS Version"].as_str().unwrap().contains("gm"), suite == Suite::Guomi);
        node.stop().await;
    }
}

async fn shown_by_fisco_bcoss_methods(node: &TestNode, suite: Suite, call: &FiscoTransaction, called: &Value) {
    let hash = call.hash(suite);
    let shown = node.result("getTransactionByHash", json!([1, hash])).await;
    let fields = call.fields();
    let (v, last) = match fields.signer {
        FiscoSigner::RecoveryId(id) => (format!("{id:#x}"), vec![id]),
        FiscoSigner::Key(key) => (hexadecimal(&key), key.to_vec()),
    };
    let signature = json!({
        "r": hexadecimal(&fields.r),
        "s": hexadecimal(&fields.s),
        "v": v,
        "signature": hexadecimal(&[&fields.r[..], &fields.s, &last].concat()),
    });
    check(
        &shown,
        &[
            ("blockHash", called["blockHash"].clone()),
            ("blockLimit", json!("0x1f4")),
            ("blockNumber", json!("0x2")),
            ("chainId", json!("0x1")),
            ("extraData", json!(hexadecimal(b"order 17"))),
            ("from", called["from"].clone()),
            ("gas", json!("0x419ce0")),
            ("gasPrice", json!("0x51f4d5c00")),
            ("groupId", json!("0x1")),
            ("hash", json!(hash)),
            ("input", called["input"].clone()),
            ("nonce", json!(format!("0x{}", "02".repeat(32).trim_start_matches('0')))),
            ("signature", signature),
            ("to", called["to"].clone()),
            ("transactionIndex", json!("0x0")),
            ("value", json!("0x0")),
        ],
    );
    let block = node.result("getBlockByNumber", json!([1, "0x2", true])).await;
    assert_eq!(block["transactions"], json!([shown]));
    let proved = node.result("getTransactionByHashWithProof", json!([1, hash])).await;
    assert_eq!(proved["transaction"], shown);
    let batch = node.result("getBatchReceiptsByBlockNumberAndRange", json!([1, "0x2", "0", "-1", false])).await;
    check(&batch["transactionReceipts"][0], &[("from", called["from"].clone()), ("to", called["to"].clone())]);
}

async fn shown_by_ethereums_methods(node: &TestNode, suite: Suite, call: &FiscoTransaction, called: &Value) {
    let hash = call.hash(suite);
    let shown = node.result("eth_getTransactionByHash", json!([hash])).await;
    let own = json!({
        "kind": "fisco",
        "chainId": 1,
        "groupId": "group1",
        "nonce": hexadecimal(&[2; 32]),
        "validUntil": 500,
        "extra": hexadecimal(b"order 17"),
        "raw": hexadecimal(call.raw()),
    });
    let v = match call.fields().signer {
        FiscoSigner::RecoveryId(id) => 35 + 2 * 20_200 + u64::from(id),
        FiscoSigner::Key(_) => 0,
    };
    check(
        &shown,
        &[
            ("entente", own),
            ("from", called["from"].clone()),
            ("to", called["to"].clone()),
            ("input", called["input"].clone()),
            ("gas", json!("0x419ce0")),
            ("gasPrice", json!("0x0")),
            ("type", json!("0x0")),
            ("v", json!(format!("{v:#x}"))),
        ],
    );
    let receipt = node.result("eth_getTransactionReceipt", json!([hash])).await;
    check(&receipt, &[("status", json!("0x1")), ("from", called["from"].clone()), ("to", called["to"].clone())]);
    let trace = node.result("debug_traceTransaction", json!([hash, { "tracer": "callTracer" }])).await;
    check(&trace, &[("from", called["from"].clone()), ("input", called["input"].clone())]);
    let kind = node.result("entente_transaction", json!([1, hash])).await;
    assert_eq!(kind["kind"], json!("fisco"), "{kind}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fisco_bcos_refuses_is_refused_with_its_codes() {
    for suite in SUITES {
        let node = node(suite).await;
        let sign = |unsigned: UnsignedFiscoTransaction| unsigned.sign(&key(suite, 7)).unwrap().raw().to_vec();
        let good = unsigned(1, None, creation());
        receipt(&node, &send(&node, suite, &good.sign(&key(suite, 7)).unwrap()).await).await;
        for (code, wrong) in [
            (15, good.clone()),
            (15, UnsignedFiscoTransaction { input: vec![], ..good.clone() }),
            (16, UnsignedFiscoTransaction { block_limit: 1, ..unsigned(2, None, vec![]) }),
            (16, UnsignedFiscoTransaction { block_limit: 1002, ..unsigned(2, None, vec![]) }),
            (10002, UnsignedFiscoTransaction { chain_id: 2, ..unsigned(2, None, vec![]) }),
            (10003, UnsignedFiscoTransaction { group: 2, ..unsigned(2, None, vec![]) }),
        ] {
            let (found, message) = refused(&node, &sign(wrong)).await;
            assert_eq!(found, code, "{message}");
        }
        let other = if suite == Suite::Standard { Suite::Guomi } else { Suite::Standard };
        let of_other = unsigned(2, None, vec![]).sign(&key(other, 7)).unwrap();
        assert_eq!(refused(&node, of_other.raw()).await.0, 5);
        let (code, message) = refused(&node, &[0xca, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
        assert_eq!(code, 10005);
        assert!(message.contains("13 items, not 10") && message.contains("2.0.0-rc1"), "{message}");
        let (code, message) = refused(&node, &[0xcd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]).await;
        assert_eq!((code, message.contains("`to`")), (10005, true), "{message}");
        // One by one in a list.
        let list = json!(["group1", [hexadecimal(&sign(good)), hexadecimal(&sign(unsigned(3, None, vec![])))]]);
        let answers = node.result("entente_sendTransactions", list).await;
        assert_eq!((&answers[0]["error"]["code"], answers[1]["hash"].is_string()), (&json!(15), true), "{answers}");
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_shown() {
    let node = TestNode::start_with("memory", |config| config.consensus.interval_ms_min = 600_000).await;
    let suite = Suite::Standard;
    let sign = |nonce| unsigned(nonce, None, vec![1, 2]).sign(&key(suite, 7)).unwrap();
    receipt(&node, &send(&node, suite, &sign(1)).await).await;
    let hash = send(&node, suite, &sign(2)).await;
    let pending = node.result("getPendingTransactions", json!([1])).await;
    let shown = json!([{
        "from": key(suite, 7).public_key().address(),
        "gas": "0x419ce0",
        "gasPrice": "0x51f4d5c00",
        "hash": hash,
        "input": "0x0102",
        "nonce": format!("0x{}", "02".repeat(32).trim_start_matches('0')),
        "to": Address::ZERO,
        "value": "0x0",
    }]);
    assert_eq!(pending, shown);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_number_has_none() {
    let named = Genesis { group_id: GroupId::new("trade").unwrap(), ..genesis(Suite::Standard) };
    let node = TestNode::start_of(&named).await;
    let transaction = unsigned(1, None, vec![]).sign(&key(Suite::Standard, 7)).unwrap();
    let (code, message) = node.error("sendRawTransaction", json!(["trade", hexadecimal(transaction.raw())])).await;
    assert_eq!((code, message.as_str()), (10003, "`group_id` is group1; this group is trade"));
    node.stop().await;
}
