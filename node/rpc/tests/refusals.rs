//! What bad input gets: its code, and a message that names the field.

mod common;

use common::{GAS, PATIENCE, TestNode, account, deploy_token, hexadecimal, signed, signed_with};
use entente_types::{GroupId, Hash};
use serde_json::{Value, json};

const HASH: &str = "a hash: 64 hexadecimal digits, with or without 0x";
const GROUP: &str = "a group: its name, or n for \"group<n>\"";
const NUMBER: &str = "a number: an integer from 0, or a string of decimal or of 0x and hexadecimal digits";
const TABLE: &str =
    "a table: a contract's address, or one of accounts, code, configuration, ethereum_hashes and members";
const KEY: &str = "a row's key: at most 1024 bytes as hexadecimal digits, with or without 0x";
const TRANSACTION: &str = "a transaction: a string of hexadecimal digits, with or without 0x";
const ADDRESS: &str = "an address: 40 hexadecimal digits, with or without 0x";

#[tokio::test(flavor = "multi_thread")]
async fn refused_transactions_have_their_codes() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let good = signed(&group, &owner, token, 1);
    assert_eq!(group.send(&good).await.unwrap(), good.hash);
    group.wait_receipt(&good.hash, PATIENCE).await.unwrap();
    let other_signer = {
        // The signature of somebody else under the owner's name.
        let transaction = group.transaction_at(500, owner.address(), Some(token), vec![], GAS).unwrap();
        group.sign(transaction, &account()).unwrap()
    };
    let chain = signed_with(&group, &owner, token, 1, |transaction| transaction.chain_id = 2);
    let name = GroupId::new("group2").unwrap();
    let elsewhere = signed_with(&group, &owner, token, 1, |transaction| transaction.group_id = name);
    let expired = signed_with(&group, &owner, token, 1, |transaction| transaction.valid_until = 1);
    let far = signed_with(&group, &owner, token, 1, |transaction| transaction.valid_until = 5000);
    let greedy = signed_with(&group, &owner, token, 1, |transaction| transaction.gas_limit = u64::MAX);
    let table = [
        (&good, 15, "the sender has used this nonce already; draw a new one"),
        (&chain, 10002, "`chain_id` is 2; this chain's is 1"),
        (&elsewhere, 10003, "`group_id` is group2; this group is group1"),
        (&expired, 16, "`valid_until` is 1; at height 2 it must be 3 to 1002"),
        (&far, 16, "`valid_until` is 5000; at height 2 it must be 3 to 1002"),
        (&greedy, 4, "`gas_limit` is 18446744073709551615; this group allows 1 to 300000000"),
        (&other_signer, 5, ""),
    ];
    for (transaction, code, message) in &table {
        let (found, text) = node.error("entente_sendTransaction", json!([1, hexadecimal(&transaction.bytes)])).await;
        assert_eq!(found, *code, "{text}");
        assert!(message.is_empty() || text == *message, "{text}");
    }

    // The same in one request, with two that are none and two that are good, in their places.
    let fresh = signed(&group, &owner, token, 2);
    let mut texts: Vec<Value> = table.iter().map(|(transaction, ..)| json!(hexadecimal(&transaction.bytes))).collect();
    texts.insert(0, json!("0x0"));
    texts.insert(3, json!(hexadecimal(&fresh.bytes)));
    texts.push(json!("0x00"));
    texts.push(json!(hexadecimal(&fresh.bytes)));
    let answers = node.result("entente_sendTransactions", json!(["group1", texts])).await;
    let codes: Vec<i64> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| {
            answer["error"]["code"].as_i64().unwrap_or_else(|| i64::from(answer["hash"] == json!(fresh.hash)))
        })
        .collect();
    assert_eq!(codes[..10], [-32602, 15, 10002, 1, 10003, 16, 16, 4, 5, 10005]);
    assert!([10000, 15].contains(&codes[10]), "{codes:?}");
    let first = format!("`transactions[0]` is \"0x0\"; expected {TRANSACTION}");
    assert_eq!(answers[0]["error"]["message"], json!(first));
    assert_eq!(node.result("entente_sendTransactions", json!([1, []])).await, json!([]));
    node.stop().await;
}

fn malformed_reads() -> Vec<(&'static str, Value, i64, String)> {
    let no_group = "GroupID does not exist: groups are group1".to_owned();
    let long = "f".repeat(100_000);
    vec![
        ("entente_status", json!([]), -32602, format!("`group` is missing; expected {GROUP}")),
        ("entente_status", json!([null]), -32602, format!("`group` is missing; expected {GROUP}")),
        ("entente_status", json!([-1]), -32602, format!("`group` is -1; expected {GROUP}")),
        ("entente_status", json!(["Group 1"]), -32602, format!("`group` is \"Group 1\"; expected {GROUP}")),
        ("entente_status", json!([{}]), -32602, format!("`group` is {{}}; expected {GROUP}")),
        ("entente_status", json!([9]), -40001, no_group.clone()),
        ("getBlockNumber", json!(["group7"]), -40001, no_group),
        ("entente_status", json!([1, 2]), -32602, "`params` has 2 values; entente_status takes [group]".into()),
        (
            "entente_status",
            json!(vec![1; 5000]),
            -32602,
            "`params` has 5000 values; entente_status takes [group]".into(),
        ),
        (
            "entente_status",
            json!({ "group": 1 }),
            -32602,
            "`params` is {\"group\":1}; expected the list [group] of entente_status".into(),
        ),
        ("entente_receipt", json!([1]), -32602, format!("`hash` is missing; expected {HASH}")),
        ("entente_receipt", json!([1, "0x12"]), -32602, format!("`hash` is \"0x12\"; expected {HASH}")),
        ("entente_receipt", json!([1, 5]), -32602, format!("`hash` is 5; expected {HASH}")),
        ("entente_receipt", json!([1, long]), -32602, format!("`hash` is \"{}...; expected {HASH}", "f".repeat(59))),
        (
            "entente_block",
            json!([1, "first"]),
            -32602,
            "`block` is \"first\"; expected a block: its number, its hash, or \"latest\"".into(),
        ),
        (
            "entente_rowProof",
            json!([1, "colours", "0x00", 1]),
            -32602,
            format!("`table` is \"colours\"; expected {TABLE}"),
        ),
        ("entente_rowProof", json!([1, "accounts", "0x0", 1]), -32602, format!("`key` is \"0x0\"; expected {KEY}")),
        (
            "entente_rowProof",
            json!([1, "accounts", "00".repeat(1025), 1]),
            -32602,
            format!("`key` is \"{}...; expected {KEY}", "0".repeat(59)),
        ),
        ("entente_rowProof", json!([1, "code", "0x00"]), -32602, format!("`block` is missing; expected {NUMBER}")),
        ("entente_block", json!([1, 0, "yes"]), -32602, "`full` is \"yes\"; expected true or false".into()),
        (
            "entente_sendTransaction",
            json!([1, "0xzz"]),
            -32602,
            format!("`transaction` is \"0xzz\"; expected {TRANSACTION}"),
        ),
        (
            "entente_sendTransaction",
            json!([1, "0x012"]),
            -32602,
            format!("`transaction` is \"0x012\"; expected {TRANSACTION}"),
        ),
    ]
}

fn malformed_calls() -> Vec<(&'static str, Value, i64, String)> {
    let hash = Hash([1; 32]).to_string();
    let call = |call: Value| json!([1, call]);
    vec![
        (
            "entente_sendTransactions",
            json!([1, "0x01"]),
            -32602,
            "`transactions` is \"0x01\"; expected a list of at most 10000 transactions, each a string of hexadecimal digits"
                .into(),
        ),
        (
            "entente_sendTransactions",
            json!([1, ["0x01", 5]]),
            -32602,
            format!("`transactions[1]` is 5; expected {TRANSACTION}"),
        ),
        (
            "entente_sendTransactions",
            json!([1, vec![""; 10_001]]),
            -32602,
            "`transactions` has 10001 entries; at most 10000 are allowed".into(),
        ),
        ("entente_call", call(json!({})), -32602, format!("`call.to` is missing; expected {ADDRESS}")),
        ("entente_call", call(json!({ "to": "0x1", "input": "0x" })), -32602, format!("`call.to` is \"0x1\"; expected {ADDRESS}")),
        (
            "entente_call",
            call(json!({ "to": "0x".to_owned() + &"1".repeat(40), "input": "hello" })),
            -32602,
            "`call.input` is \"hello\"; expected a string of hexadecimal digits, two a byte, with or without 0x".into(),
        ),
        ("getBlockByNumber", json!([1, "0xg", true]), -32602, format!("`blockNumber` is \"0xg\"; expected {NUMBER}")),
        ("getBlockByNumber", json!([1, "+1", true]), -32602, format!("`blockNumber` is \"+1\"; expected {NUMBER}")),
        ("getBlockByNumber", json!([1, "0x99", true]), -40004, "BlockNumber does not exist: `blockNumber` is 153, the last is 0".into()),
        ("getBlockByHash", json!([1, hash, true]), -40003, format!("BlockHash does not exist: `blockHash` is {hash}")),
        (
            "getTransactionByBlockNumberAndIndex",
            json!([1, "0x0", "0x4"]),
            -40005,
            "TransactionIndex is out of range: `transactionIndex` is 4 in block 0".into(),
        ),
        ("call", call(json!({ "to": "0x".to_owned() + &"1".repeat(40), "data": "0x" })), -40006, "Call needs a 'from' field".into()),
        (
            "getSystemConfigByKey",
            json!([1, "color"]),
            -40008,
            "Invalid System Config: `key` is \"color\"; expected one of tx_count_limit, tx_gas_limit, block_gas_limit, protocol_version, empty_block_period_ms".into(),
        ),
        (
            "entente_subscribeBlocks",
            json!([1]),
            -32600,
            "entente_subscribeBlocks needs a WebSocket: connect to ws:// on the same port".into(),
        ),
        ("eth_nothing", json!([]), -32601, "there is no method \"eth_nothing\"; docs/rpc.md lists them".into()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_malformed_parameter_is_named() {
    let node = TestNode::start("memory").await;
    for (method, parameters, code, message) in malformed_reads().into_iter().chain(malformed_calls()) {
        assert_eq!(node.error(method, parameters).await, (code, message), "{method}");
    }
    let (code, message) = node.error("entente_call", json!([1, { "to": "0x", "colour": 1 }])).await;
    assert!(code == -32602 && message.starts_with("`call` is {"), "{message}");
    // A hash of many zeros is a hash, and no small number.
    for zeros in ["0x", ""] {
        let hash = format!("{zeros}{:064x}", 0);
        assert_eq!(node.result("entente_block", json!([1, hash])).await, Value::Null);
    }
    // The same over WebSocket, where subscriptions are refused too.
    let client = node.client().await;
    let error = client.request::<Value>("entente_subscribeReceipt", &(1, "0x12")).await.unwrap_err();
    assert!(error.to_string().contains(&format!("`hash` is \"0x12\"; expected {HASH}")), "{error}");
    let future =
        node.error("entente_call", json!([1, { "to": "0x".to_owned() + &"1".repeat(40), "input": "0x" }, 9])).await;
    assert_eq!(future, (-40004, "there is no block 9 yet; the tip is 0".into()));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_a_batch_are_refused_in_the_same_words() {
    let node = TestNode::start("memory").await;
    let methods = ["eth_nothing", "entente_groups", "entente_subscribeBlocks"];
    let request = |(id, method)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [] });
    let batch: Vec<Value> = (0..).zip(methods).map(request).collect();
    let (_, answer) = node.post(&json!(batch).to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&answer).unwrap();
    assert_eq!(answers[0]["error"]["message"], json!("there is no method \"eth_nothing\"; docs/rpc.md lists them"));
    assert_eq!((&answers[0]["id"], &answers[1]["result"]), (&json!(0), &json!(["group1"])));
    let needs = "entente_subscribeBlocks needs a WebSocket: connect to ws:// on the same port";
    assert_eq!(answers[2]["error"], json!({ "code": -32600, "message": needs }));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_get_an_error_and_the_node_goes_on() {
    let node = TestNode::start_with("memory", |config| {
        config.rpc.request_bytes_max = 1 << 20;
        config.rpc.batch_requests_max = 3;
        config.rpc.subscriptions_max = 2;
    })
    .await;
    let code = |body: &str| {
        serde_json::from_str::<Value>(body).map_or(0, |answer| answer["error"]["code"].as_i64().unwrap_or(0))
    };
    let request = |parameters: &str| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"entente_status\",\"params\":{parameters}}}")
    };
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    for (body, expected) in [
        ("{".to_owned(), -32700),
        ("not json".to_owned(), -32700),
        ("{\"id\":1,\"method\":5}".to_owned(), -32600),
        (request(&deep), -32602),
        (request("[\"\\ud800\"]"), -32602),
        (request("[1e400]"), -32602),
        (request(&format!("[\"{}\"]", "é".repeat(100_000))), -32602),
    ] {
        let (_, answer) = node.post(&body).await;
        let found = code(&answer);
        assert!(found == expected || (expected == -32602 && found == -32700), "{found}: {answer}");
    }
    // Too many requests in a batch, too many bytes in a request.
    let batch = |count| format!("[{}]", vec![request("[1]"); count].join(","));
    assert_eq!(code(&node.post(&batch(4)).await.1), -32010);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&node.post(&batch(3)).await.1).unwrap().len(), 3);
    let (status, _) = node.post(&request(&format!("[\"{}\"]", "1".repeat(2 << 20)))).await;
    assert_eq!(status, 413);
    // A third subscription on one connection.
    let group = node.group().await;
    let _kept = (group.blocks().await.unwrap(), group.blocks().await.unwrap());
    assert_eq!(group.blocks().await.unwrap_err().code(), Some(-32006));
    assert!(group.status().await.unwrap().healthy);
    node.stop().await;
}
