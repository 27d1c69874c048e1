//! FISCO BCOS 2's methods answer in its shapes: the examples are those of its manual, `2.x/en/docs/api.md`, with long
//! values shortened.

mod common;

use common::{PATIENCE, TestNode, account, deploy_token, hexadecimal, signed};
use entente_types::Address;
use serde_json::{Map, Value, json};

/// What an answer is made of: for each field the kind of its value, hexadecimal or not.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("0x") => json!("0x"),
        Value::String(text) if text.parse::<u64>().is_ok() && text.len() < 20 => json!("decimal"),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("boolean"),
        Value::Null => Value::Null,
        // All entries are alike.
        Value::Array(values) => values.first().map(shape).into_iter().collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect::<Map<_, _>>())
        }
    }
}

const HASH: &str = "0x4765a126a9de8d876b87f01119208be507ec28495bef09c1e30a8ab240cf00f2";
const ADDRESS: &str = "0x6bc952a2e4db9c0c86a368d83e9df0c6ab481102";
const NODE: &str = "29c34347a190c1ec0c4507c6eed6a5bcd4d7a8f9f54ef26da616e81185c0af11";

fn log() -> Value {
    json!({ "address": ADDRESS, "data": "0x00", "topics": [HASH] })
}

fn transaction() -> Value {
    json!({
        "blockHash": HASH, "blockLimit": "0x100", "blockNumber": "0x1", "chainId": "0x1", "extraData": "0x",
        "from": ADDRESS, "gas": "0x2faf080", "gasPrice": "0xa", "groupId": "0x1", "hash": HASH, "input": "0x4e",
        "nonce": "0x3e", "signature": { "r": HASH, "s": HASH, "signature": "0x9e", "v": "0x0" }, "to": ADDRESS,
        "transactionIndex": "0x0", "value": "0x0",
    })
}

fn receipt() -> Value {
    json!({
        "blockHash": HASH, "blockNumber": "0xa", "contractAddress": ADDRESS, "from": ADDRESS, "gasUsed": "0x1fb8d",
        "input": "0xb6", "logs": [log()], "logsBloom": "0x00", "output": "0x00", "root": HASH, "status": "0x0",
        "to": ADDRESS, "transactionHash": HASH, "transactionIndex": "0x0",
    })
}

fn header() -> Value {
    json!({
        "dbHash": HASH, "extraData": [], "gasLimit": "0x0", "gasUsed": "0x0", "hash": HASH, "logsBloom": "0x00",
        "number": "0x1", "parentHash": HASH, "receiptsRoot": HASH, "sealer": "0x0", "sealerList": [NODE],
        "signatureList": [{ "index": "0x0", "signature": "0x46" }], "stateRoot": HASH, "timestamp": "0x175ac38cf10",
        "transactionsRoot": HASH,
    })
}

fn block() -> Value {
    let mut block = header();
    block["transactions"] = json!([transaction()]);
    block
}

fn batch() -> Value {
    json!({
        "blockInfo": { "blockHash": HASH, "blockNumber": "0x1", "receiptRoot": HASH, "receiptsCount": "0x1" },
        "transactionReceipts": [{
            "contractAddress": ADDRESS, "from": ADDRESS, "gasUsed": "0x5798", "logs": [log()], "output": "0x08",
            "status": "0x1a", "to": ADDRESS, "transactionHash": HASH, "transactionIndex": "0x0",
        }],
    })
}

/// Each method with its parameters and the manual's answer. `{hash}` and `{block}` stand for what the chain has.
fn examples() -> Vec<(&'static str, Value, Value)> {
    let proof = json!([{ "left": ["30f0"], "right": ["33d8"] }]);
    let consensus = json!([{
        "accountType": 1, "allowFutureBlocks": true, "cfgErr": false, "consensusedBlockNumber": 1, "groupId": 1,
        "highestblockHash": HASH, "highestblockNumber": 0, "leaderId": NODE, "leaderIdx": 3, "max_faulty_leader": 1,
        "sealer.0": NODE, "node index": 1, "nodeId": NODE, "nodeNum": 4, "omitEmptyBlock": true, "protocolId": 267,
    }]);
    let sync = json!({
        "blockNumber": 0, "genesisHash": HASH, "isSyncing": false, "knownHighestNumber": 0, "knownLatestHash": HASH,
        "latestHash": HASH, "nodeId": NODE, "peers": [], "protocolId": 265, "txPoolSize": "0",
    });
    vec![
        ("getBlockNumber", json!([1]), json!("0x1")),
        ("getSealerList", json!([1]), json!([NODE])),
        // The manual's nodes have observers and peers; a node of ours is alone.
        ("getObserverList", json!([1]), json!([])),
        ("getPeers", json!([1]), json!([])),
        ("getConsensusStatus", json!([1]), consensus),
        ("getSyncStatus", json!([1]), sync),
        ("getGroupPeers", json!([1]), json!([NODE])),
        ("getNodeIDList", json!([1]), json!([NODE])),
        ("getGroupList", json!([]), json!([1])),
        ("getBlockByHash", json!([1, "{block}", true]), block()),
        ("getBlockByNumber", json!([1, "0x2", true]), block()),
        ("getBlockHeaderByHash", json!([1, "{block}", true]), header()),
        ("getBlockHeaderByNumber", json!([1, "0x2", true]), header()),
        ("getBlockHashByNumber", json!([1, "0x1"]), json!(HASH)),
        ("getTransactionByHash", json!([1, "{hash}"]), transaction()),
        ("getTransactionByBlockHashAndIndex", json!([1, "{block}", "0x0"]), transaction()),
        ("getTransactionByBlockNumberAndIndex", json!([1, "0x2", "0x0"]), transaction()),
        ("getTransactionReceipt", json!([1, "{hash}"]), receipt()),
        ("getPendingTxSize", json!([1]), json!("0x1")),
        ("getCode", json!([1, "{token}"]), json!("0x6060")),
        ("getCode", json!([1, ADDRESS]), json!("0x")),
        ("getSystemConfigByKey", json!([1, "tx_count_limit"]), json!("1000")),
        (
            "getTransactionByHashWithProof",
            json!([1, "{hash}"]),
            json!({ "transaction": transaction(), "txProof": proof }),
        ),
        (
            "getTransactionReceiptByHashWithProof",
            json!([1, "{hash}"]),
            json!({ "receiptProof": proof, "transactionReceipt": receipt() }),
        ),
        ("queryGroupStatus", json!([2]), json!({ "code": "0x0", "message": "", "status": "INEXISTENT" })),
        (
            "getNodeInfo",
            json!([]),
            json!({ "Agency": "agency", "IPAndPort": "0.0.0.0:30300", "Node": "node1", "NodeID": NODE, "Topic": [] }),
        ),
        ("getBatchReceiptsByBlockNumberAndRange", json!([1, "0x2", "0", "-1", false]), batch()),
        ("getBatchReceiptsByBlockHashAndRange", json!([1, "{block}", "0", "1", false]), batch()),
        ("getBatchReceiptsByBlockNumberAndRange", json!([1, "0x2", "0", "-1", true]), json!("eJylUrFu3DAM3fsZmm")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_shapes_of_the_manual() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    // Two in one block, so that a proof has a sibling.
    let many: Vec<_> = (1..3).map(|amount| signed(&group, &owner, token, amount)).collect();
    group.send_many(&many).await.unwrap();
    let hash = many[0].hash;
    let placed = group.wait_receipt(&hash, PATIENCE).await.unwrap();
    assert_eq!((placed.block, group.status().await.unwrap().height), (2, 2));
    for (method, parameters, expected) in examples() {
        let parameters = parameters
            .to_string()
            .replace("{hash}", &hash.to_string())
            .replace("{block}", &placed.block_hash.to_string())
            .replace("{token}", &token.to_string());
        let found = node.result(method, serde_json::from_str(&parameters).unwrap()).await;
        let (mut found, mut expected) = (shape(&found), shape(&expected));
        if let Some(path) = found.get_mut("txProof") {
            // Each level has one sibling, on either side.
            *path = json!(path.as_array().map(Vec::len));
            expected["txProof"] = json!(1);
        }
        if let Some(path) = found.get_mut("receiptProof") {
            *path = json!(path.as_array().map(Vec::len));
            expected["receiptProof"] = json!(1);
        }
        // Texts of the node itself may be empty.
        assert_eq!(found, expected, "{method}");
    }
    let total = node.result("getTotalTransactionCount", json!([1])).await;
    assert_eq!(total, json!({ "blockNumber": "0x2", "txSum": "0x3" }), "how many failed is not counted");
    let version = node.result("getClientVersion", json!([])).await;
    let fields = [
        "Build Time",
        "Build Type",
        "Chain Id",
        "FISCO-BCOS Version",
        "Git Branch",
        "Git Commit Hash",
        "Supported Version",
    ];
    assert!(fields.iter().all(|field| version[field].is_string()), "{version}");
    let status = node.result("queryGroupStatus", json!([1])).await;
    assert_eq!(status["status"], json!("RUNNING"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_come_in_parts_and_compressed() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let many: Vec<_> = (0..5).map(|amount| signed(&group, &owner, token, amount)).collect();
    group.send_many(&many).await.unwrap();
    let block = group.wait_receipt(&many[4].hash, PATIENCE).await.unwrap().block;
    let method = "getBatchReceiptsByBlockNumberAndRange";
    let ask = async |from: Value, count: Value, compress: bool| {
        node.result(method, json!([1, block, from, count, compress])).await
    };
    let all = ask(json!("0"), json!("-1"), false).await;
    let receipts = all["transactionReceipts"].as_array().unwrap();
    let hashes: Vec<Value> = receipts.iter().map(|receipt| receipt["transactionHash"].clone()).collect();
    assert_eq!(hashes, many.iter().map(|transaction| json!(transaction.hash)).collect::<Vec<_>>());
    assert_eq!((&receipts[3]["transactionIndex"], &all["blockInfo"]["receiptsCount"]), (&json!("0x3"), &json!("0x5")));
    for (from, count, expected) in
        [(1, json!(2), 1..3), (3, json!("0x9"), 3..5), (5, json!(-1), 5..5), (0, json!(0), 0..0)]
    {
        let part = ask(json!(from), count, false).await;
        assert_eq!(part["transactionReceipts"].as_array().unwrap()[..], receipts[expected]);
    }
    let out = node.error(method, json!([1, block, 6, 1, false])).await;
    let message = format!("TransactionIndex is out of range: `from` is 6 in block {block}, which has 5");
    assert_eq!(out, (-40005, message));
    // The manual: zlib, then Base64. Read by another implementation, Python's.
    let packed = ask(json!(0), json!(-1), true).await;
    let program = "import base64,sys,zlib; sys.stdout.buffer.write(zlib.decompress(base64.b64decode(sys.argv[1])))";
    let read = std::process::Command::new("python3").args(["-c", program, packed.as_str().unwrap()]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&read.stdout).unwrap(), all);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_listed_oldest_first() {
    let node = TestNode::start_with("memory", |config| config.consensus.interval_ms_min = 600_000).await;
    let (group, owner) = (node.group().await, account());
    let first = signed(&group, &owner, Address([1; 20]), 1);
    group.send(&first).await.unwrap();
    group.wait_receipt(&first.hash, PATIENCE).await.unwrap();
    assert_eq!(node.result("getPendingTransactions", json!([1])).await, json!([]));
    let many: Vec<_> = (0..1_005).map(|amount| signed(&group, &owner, Address([2; 20]), amount)).collect();
    assert!(group.send_many(&many).await.unwrap().iter().all(Result::is_ok));
    let pending = node.result("getPendingTransactions", json!([1])).await;
    let hashes: Vec<Value> = pending.as_array().unwrap().iter().map(|one| one["hash"].clone()).collect();
    assert_eq!(hashes, many[..1_000].iter().map(|one| json!(one.hash)).collect::<Vec<_>>());
    let expected = json!([{
        "from": ADDRESS, "gas": "0x9184e729fff", "gasPrice": "0x174876e7ff", "hash": HASH, "input": "0x48", "nonce": "0x65",
        "to": ADDRESS, "value": "0x0",
    }]);
    assert_eq!(shape(&pending), shape(&expected));
    assert_eq!(node.result("getPendingTxSize", json!([1])).await, json!("0x3ed"));
    assert_eq!(node.result("getSyncStatus", json!([1])).await["txPoolSize"], json!("1005"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_in_one_plain_line() {
    let node = TestNode::start("memory").await;
    let no_view = "Only pbft consensus supports the view property: this group's consensus is solo";
    assert_eq!(node.error("getPbftView", json!([1])).await, (-40007, no_view.into()));
    for method in ["generateGroup", "startGroup", "stopGroup", "removeGroup", "recoverGroup"] {
        let expected =
            format!("{method} is not there yet: a node of this version runs the one group of its genesis.toml");
        assert_eq!(node.error(method, json!([2])).await, (-32601, expected));
    }
    for method in ["addPeers", "erasePeers", "queryPeers"] {
        let expected = format!(
            "{method} is not there yet: a node of this version calls the peers that config.toml names when it starts"
        );
        assert_eq!(node.error(method, json!([["127.0.0.1:20024"]])).await, (-32601, expected));
    }
    // The node is what its key says.
    let group = node.group().await;
    let status = group.status().await.unwrap();
    assert_eq!((status.role.as_str(), &status.more["peers"]), ("sealer", &json!(0)));
    let id = hexadecimal(common::genesis().sealers[0].key.as_bytes()).trim_start_matches("0x").to_owned();
    assert_eq!(node.result("getNodeIDList", json!([1])).await, json!([id]));
    assert_eq!(id.len(), 128);
    // The same result as the other way to send.
    let transaction = signed(&group, &account(), Address([1; 20]), 1);
    let sent = node.result("sendRawTransactionAndGetProof", json!([1, hexadecimal(&transaction.bytes)])).await;
    assert_eq!(sent, json!(transaction.hash));
    node.stop().await;
}
