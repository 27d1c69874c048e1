//! Ethereum's methods, asked as its tools ask them, about native transactions.

mod common;

use common::{
    PATIENCE, TestNode, account, deploy_token, exchange, hexadecimal, raw::RawSocket, scene::Scene, signed, signed_with,
};
use entente_types::{Address, Hash};
use serde_json::{Value, json};

const NOTHING: &str = "0x00000000000000000000000000000000000000000000000000000000000000aa";

#[tokio::test(flavor = "multi_thread")]
async fn the_node_and_its_chain_say_what_they_are() {
    let node = TestNode::start("memory").await;
    for (method, expected) in [
        ("eth_chainId", json!("0x4ee8")),
        ("net_version", json!("20200")),
        ("net_listening", json!(true)),
        ("net_peerCount", json!("0x0")),
        ("eth_blockNumber", json!("0x0")),
        ("eth_syncing", json!(false)),
        ("eth_accounts", json!([])),
        ("eth_gasPrice", json!("0x0")),
        ("eth_maxPriorityFeePerGas", json!("0x0")),
        ("eth_blobBaseFee", json!("0x0")),
    ] {
        assert_eq!(node.result(method, json!([])).await, expected, "{method}");
    }
    // Some clients leave the parameters out.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    assert_eq!(node.post(body).await.1, r#"{"jsonrpc":"2.0","id":1,"result":"0x4ee8"}"#);
    let version = node.result("web3_clientVersion", json!([])).await;
    assert!(version.as_str().unwrap().starts_with("Entente/v"), "{version}");
    let hash = "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad";
    assert_eq!(node.result("web3_sha3", json!(["0x68656c6c6f20776f726c64"])).await, json!(hash));
    let coinbase: Address = serde_json::from_value(node.result("eth_coinbase", json!([])).await).unwrap();
    assert_eq!(coinbase, common::genesis().sealers[0].key.address());
    // The same for the group by its name.
    let head = format!("POST /g/group1 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    assert!(exchange(node.address(), &head, body).await.1.contains("0x4ee8"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_linked_by_their_ethereum_hashes() {
    let scene = Scene::new().await;
    let by_number = async |number: Value| scene.result("eth_getBlockByNumber", json!([number, false])).await;
    let mut parent = json!(Hash::ZERO);
    for number in 0..=3 {
        let block = by_number(json!(format!("{number:#x}"))).await;
        assert_eq!((&block["number"], &block["parentHash"]), (&json!(format!("{number:#x}")), &parent));
        assert_eq!(scene.result("eth_getBlockByHash", json!([block["hash"], false])).await, block);
        let own = scene.result("entente_block", json!([1, number])).await;
        assert_eq!(block["hash"], own["header"]["ethereum_hash"]);
        assert_eq!(block["transactions"], own["transactions"]);
        for method in ["eth_getBlockTransactionCountByNumber", "eth_getBlockTransactionCountByHash"] {
            let name = if method.ends_with("Hash") { &block["hash"] } else { &block["number"] };
            let expected = if number == 0 { "0x0" } else { "0x1" };
            assert_eq!(scene.result(method, json!([name])).await, json!(expected), "{method}");
        }
        parent = block["hash"].clone();
    }
    let tip = by_number(json!("0x3")).await;
    for tag in ["latest", "safe", "finalized", "pending"] {
        assert_eq!(by_number(json!(tag)).await, tip, "{tag}");
    }
    assert_eq!(by_number(json!("earliest")).await["number"], json!("0x0"));
    assert_eq!(by_number(json!("0x9")).await, Value::Null);
    assert_eq!(scene.result("eth_getBlockByHash", json!([NOTHING, true])).await, Value::Null);
    for (field, digits) in [("logsBloom", 512), ("nonce", 16), ("mixHash", 64), ("sha3Uncles", 64)] {
        assert_eq!(tip[field].as_str().unwrap().len(), 2 + digits, "{field}");
    }
    assert_ne!(tip["logsBloom"], by_number(json!("0x0")).await["logsBloom"]);
    assert!(tip["gasUsed"].as_str().unwrap().len() > 4 && tip["gasLimit"] != json!("0x0"), "{tip}");
    assert_eq!(scene.result("eth_getUncleCountByBlockNumber", json!(["latest"])).await, json!("0x0"));
    assert_eq!(scene.result("eth_getUncleCountByBlockHash", json!([NOTHING])).await, Value::Null);
    assert_eq!(scene.result("eth_getUncleByBlockNumberAndIndex", json!(["latest", "0x0"])).await, Value::Null);
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_transactions_look_like_legacy_ones() {
    let scene = Scene::new().await;
    let hash = scene.transfers[1];
    let transaction = scene.result("eth_getTransactionByHash", json!([hash])).await;
    for (field, expected) in [
        ("hash", json!(hash)),
        ("from", json!(scene.sender)),
        ("to", json!(scene.token)),
        ("type", json!("0x0")),
        ("nonce", json!("0x0")),
        ("chainId", json!("0x4ee8")),
        ("gas", json!("0x5f5e100")),
        ("gasPrice", json!("0x0")),
        ("value", json!("0x0")),
        ("blockNumber", json!("0x3")),
        ("transactionIndex", json!("0x0")),
    ] {
        assert_eq!(transaction[field], expected, "{field}");
    }
    // What Ethereum's libraries do with a signature must not fail: v is of the chain, r and s have no zeros in front.
    let v = u64::from_str_radix(&transaction["v"].as_str().unwrap()[2..], 16).unwrap();
    assert!(v == 35 + 2 * 20200 || v == 36 + 2 * 20200, "{v}");
    for part in ["r", "s"] {
        let digits = transaction[part].as_str().unwrap().strip_prefix("0x").unwrap();
        assert!((50..=64).contains(&digits.len()) && !digits.starts_with('0'), "{part}: {digits}");
    }
    let native = &transaction["entente"];
    assert_eq!(
        (&native["kind"], &native["chainId"], &native["groupId"]),
        (&json!("native"), &json!(1), &json!("group1"))
    );
    let block = scene.result("eth_getBlockByNumber", json!(["0x3", true])).await;
    assert_eq!((&block["transactions"][0], &block["hash"]), (&transaction, &transaction["blockHash"]));
    let by_number = scene.result("eth_getTransactionByBlockNumberAndIndex", json!(["0x3", "0x0"])).await;
    let by_hash = scene.result("eth_getTransactionByBlockHashAndIndex", json!([block["hash"], "0x0"])).await;
    assert_eq!((&by_number, &by_hash), (&transaction, &transaction));
    for (method, parameters) in [
        ("eth_getTransactionByHash", json!([NOTHING])),
        ("eth_getTransactionReceipt", json!([NOTHING])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x3", "0x1"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x9", "0x0"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([NOTHING, "0x0"])),
        ("eth_getBlockReceipts", json!(["0x9"])),
    ] {
        assert_eq!(scene.result(method, parameters).await, Value::Null, "{method}");
    }
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_count_gas_and_logs_through_the_block() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let mut many: Vec<_> = (1..=4).map(|amount| signed(&group, &owner, token, amount)).collect();
    // In their midst one that fails.
    many.insert(2, signed_with(&group, &account(), token, 7, |_| {}));
    assert!(group.send_many(&many).await.unwrap().iter().all(Result::is_ok));
    for transaction in &many {
        group.wait_receipt(&transaction.hash, PATIENCE).await.unwrap();
    }
    let number = |value: &Value| u64::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
    let (mut counted, mut failed) = (0, 0);
    for height in 1..=number(&node.result("eth_blockNumber", json!([])).await) {
        let receipts = node.result("eth_getBlockReceipts", json!([format!("{height:#x}")])).await;
        let block = node.result("eth_getBlockByNumber", json!([format!("{height:#x}"), false])).await;
        let (mut gas, mut logs) = (0, 0);
        for (index, receipt) in (0..).zip(receipts.as_array().unwrap()) {
            counted += 1;
            assert_eq!(*receipt, node.result("eth_getTransactionReceipt", json!([receipt["transactionHash"]])).await);
            gas += number(&receipt["gasUsed"]);
            assert_eq!((number(&receipt["cumulativeGasUsed"]), number(&receipt["transactionIndex"])), (gas, index));
            assert_eq!(receipt["blockHash"], block["hash"]);
            for log in receipt["logs"].as_array().unwrap() {
                assert_eq!((number(&log["logIndex"]), &log["removed"]), (logs, &json!(false)));
                assert_eq!((&log["blockHash"], &log["blockTimestamp"]), (&block["hash"], &block["timestamp"]));
                logs += 1;
            }
            failed += u64::from(receipt["status"] == json!("0x0"));
            let has_logs = !receipt["logs"].as_array().unwrap().is_empty();
            assert_eq!(
                has_logs,
                receipt["logsBloom"].as_str().unwrap().contains(|digit| "123456789abcdef".contains(digit))
            );
            assert_eq!(receipt["effectiveGasPrice"], json!("0x0"));
        }
        assert_eq!(gas, number(&block["gasUsed"]));
    }
    assert_eq!((counted, failed), (6, 1));
    let deployed = node.result("eth_getBlockReceipts", json!(["0x1"])).await[0].take();
    assert_eq!((&deployed["contractAddress"], &deployed["to"]), (&json!(token), &Value::Null));
    let poor = node.result("eth_getTransactionReceipt", json!([many[2].hash])).await;
    assert_eq!((&poor["logs"], &poor["contractAddress"]), (&json!([]), &Value::Null));
    assert_eq!(poor["entente"]["status"], json!(22));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_read_at_any_height_that_is_kept() {
    let node = TestNode::start_with("memory", |config| config.storage.history_blocks = 1).await;
    let scene = Scene::of(node).await;
    let code = |at: Value| scene.node.rpc("eth_getCode", json!([scene.token, at]));
    let shown = code(json!("latest")).await["result"].take();
    assert!(shown.as_str().unwrap().starts_with("0xef5741") && shown.as_str().unwrap().len() == 2 + 70, "{shown}");
    let hash = scene.result("eth_getBlockByNumber", json!(["0x2", false])).await["hash"].take();
    assert_eq!(code(json!({ "blockHash": hash })).await["result"], shown);
    assert_eq!(code(json!({ "blockNumber": "0x3" })).await["result"], shown);
    let native = scene.result("eth_getCode", json!(["0x0000000000000000000000000000000000001000"])).await;
    assert_eq!(native, json!("0xef4e540000000000000000000000000000000000001000"));
    assert_eq!(scene.result("eth_getCode", json!([scene.sender, "latest"])).await, json!("0x"));
    assert_eq!(scene.result("eth_getBalance", json!([scene.sender, "latest"])).await, json!("0x0"));
    assert_eq!(scene.result("eth_getTransactionCount", json!([scene.sender, "pending"])).await, json!("0x0"));
    let slot = scene.result("eth_getStorageAt", json!([scene.token, "0x0", "latest"])).await;
    assert_eq!(slot, json!(Hash::ZERO));
    for (at, words) in [
        (json!("0x0"), "missing trie node: the state at height 0 is not kept any more; the oldest kept is 2"),
        (json!("0x9"), "header not found: there is no block 9 yet; the tip is 3"),
        (json!(NOTHING), "header for hash not found: no block has the hash 0x"),
    ] {
        for (method, mut parameters) in [
            ("eth_getCode", vec![json!(scene.token)]),
            ("eth_getBalance", vec![json!(scene.token)]),
            ("eth_getTransactionCount", vec![json!(scene.token)]),
            ("eth_getStorageAt", vec![json!(scene.token), json!("0x0")]),
        ] {
            parameters.push(at.clone());
            let (code, message) = scene.node.error(method, json!(parameters)).await;
            assert!(code == -32000 && message.starts_with(words), "{method}: {code} {message}");
        }
    }
    let (code, message) = scene.node.error("eth_getProof", json!([scene.token, ["0x0"], "latest"])).await;
    assert!(code == -32000 && message.contains("entente_rowProof"), "{code} {message}");
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_history_is_that_of_free_gas() {
    let scene = Scene::new().await;
    let history = scene.result("eth_feeHistory", json!(["0x2", "latest", [10, 90.5]])).await;
    assert_eq!(history["oldestBlock"], json!("0x2"));
    assert_eq!(history["baseFeePerGas"], json!(["0x0", "0x0", "0x0"]));
    assert_eq!(history["reward"], json!([["0x0", "0x0"], ["0x0", "0x0"]]));
    let ratios: Vec<f64> = serde_json::from_value(history["gasUsedRatio"].clone()).unwrap();
    assert!(ratios.len() == 2 && ratios.iter().all(|ratio| *ratio > 0.0 && *ratio < 0.1), "{ratios:?}");
    let all = scene.result("eth_feeHistory", json!([1024, "latest"])).await;
    assert_eq!((&all["oldestBlock"], &all["reward"]), (&json!("0x0"), &Value::Null));
    assert_eq!(all["gasUsedRatio"].as_array().unwrap().len(), 4);
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_found_by_range_block_address_and_topic() {
    let scene = Scene::new().await;
    let event = json!(entente_crypto::keccak256(b"Transfer(address,address,uint256)"));
    let logs = async |filter: Value| scene.result("eth_getLogs", json!([filter])).await;
    let all = logs(json!({ "fromBlock": "earliest", "toBlock": "latest" })).await;
    let own = scene.result("entente_logs", json!([1, { "from": 0 }])).await;
    assert_eq!(all.as_array().unwrap().len(), own.as_array().unwrap().len());
    for (log, own) in all.as_array().unwrap().iter().zip(own.as_array().unwrap()) {
        assert_eq!((&log["transactionHash"], &log["topics"]), (&own["transaction"], &own["topics"]));
        assert_eq!((&log["data"], &log["address"]), (&own["data"], &json!(scene.token)));
    }
    let last = all.as_array().unwrap().last().unwrap().clone();
    for filter in [
        json!({}),
        json!({ "blockHash": last["blockHash"] }),
        json!({ "fromBlock": "0x3", "toBlock": "0x99", "address": [scene.token] }),
        json!({ "fromBlock": "0x3", "topics": [[event, NOTHING], null] }),
    ] {
        assert_eq!(logs(filter.clone()).await, json!([last]), "{filter}");
    }
    assert_eq!(logs(json!({ "fromBlock": "0x0", "topics": [NOTHING] })).await, json!([]));
    assert_eq!(logs(json!({ "fromBlock": "0x99" })).await, json!([]));
    assert_eq!(logs(json!({ "fromBlock": "0x90", "toBlock": "0x99" })).await, json!([]));
    let (code, message) = scene.node.error("eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x1" }])).await;
    assert!(code == -32602 && message.starts_with("invalid block range params"), "{code} {message}");
    let (code, message) = scene.node.error("eth_getLogs", json!([{ "blockHash": NOTHING }])).await;
    assert!(code == -32000 && message.starts_with("unknown block"), "{code} {message}");
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_tell_what_is_new_since_they_were_asked() {
    let scene = Scene::new().await;
    let group = scene.node.group().await;
    let owner = account();
    let token = deploy_token(&group, &owner).await;
    let blocks = scene.result("eth_newBlockFilter", json!([])).await;
    let transactions = scene.result("eth_newPendingTransactionFilter", json!([])).await;
    let logs = scene.result("eth_newFilter", json!([{ "address": token }])).await;
    let others = scene.result("eth_newFilter", json!([{ "address": scene.token }])).await;
    let changes = async |filter: &Value| scene.result("eth_getFilterChanges", json!([filter])).await;
    for filter in [&blocks, &transactions, &logs, &others] {
        assert_eq!(changes(filter).await, json!([]));
    }
    for amount in 1..=2 {
        let sent = signed(&group, &owner, token, amount);
        group.send(&sent).await.unwrap();
        group.wait_receipt(&sent.hash, PATIENCE).await.unwrap();
        let tip = scene.result("eth_getBlockByNumber", json!(["latest", false])).await;
        assert_eq!(changes(&blocks).await, json!([tip["hash"]]));
        assert_eq!(changes(&transactions).await, json!([sent.hash]));
        let new = changes(&logs).await;
        assert_eq!((new.as_array().unwrap().len(), &new[0]["transactionHash"]), (1, &json!(sent.hash)));
        assert_eq!((changes(&logs).await, changes(&others).await), (json!([]), json!([])));
    }
    // All of the last block's: a filter that names none means the last.
    let all = scene.result("eth_getFilterLogs", json!([logs])).await;
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(scene.result("eth_uninstallFilter", json!([logs])).await, json!(true));
    assert_eq!(scene.result("eth_uninstallFilter", json!([logs])).await, json!(false));
    for (method, filter) in
        [("eth_getFilterChanges", &logs), ("eth_getFilterLogs", &logs), ("eth_getFilterLogs", &blocks)]
    {
        let (code, message) = scene.node.error(method, json!([filter])).await;
        assert!(code == -32000 && message.starts_with("filter not found"), "{code} {message}");
    }
    scene.node.stop().await;
}

/// Subscribes: the identifier, which is a string.
async fn subscribe(socket: &mut RawSocket, parameters: Value) -> Value {
    socket
        .send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": parameters }).to_string())
        .await;
    let mut answer = socket.json().await;
    assert!(answer["result"].as_str().is_some_and(|id| id.starts_with("0x")), "{answer}");
    answer["result"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_tell_of_heads_logs_and_transactions() {
    let scene = Scene::new().await;
    let group = scene.node.group().await;
    let owner = account();
    let token = deploy_token(&group, &owner).await;
    let mut socket = RawSocket::connect(scene.node.address(), "").await.unwrap();
    let heads = subscribe(&mut socket, json!(["newHeads"])).await;
    let logs = subscribe(&mut socket, json!(["logs", { "address": token }])).await;
    let all_logs = subscribe(&mut socket, json!(["logs"])).await;
    let hashes = subscribe(&mut socket, json!(["newPendingTransactions"])).await;
    let whole = subscribe(&mut socket, json!(["newPendingTransactions", true])).await;
    let syncing = subscribe(&mut socket, json!(["syncing"])).await;
    let sent = signed(&group, &owner, token, 3);
    group.send(&sent).await.unwrap();
    let mut told = std::collections::BTreeMap::new();
    while told.len() < 5 {
        let mut notice = socket.json().await;
        assert_eq!(notice["method"], json!("eth_subscription"));
        told.insert(notice["params"]["subscription"].to_string(), notice["params"]["result"].take());
    }
    assert!(!told.contains_key(&syncing.to_string()), "a node alone is behind nobody: {told:?}");
    let told = |id: &Value| &told[&id.to_string()];
    let mut block = scene.result("eth_getBlockByNumber", json!(["latest", false])).await;
    for field in ["transactions", "size", "uncles", "totalDifficulty"] {
        block.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(*told(&heads), block);
    assert_eq!(told(&logs)["transactionHash"], json!(sent.hash));
    assert_eq!(told(&logs), told(&all_logs));
    assert_eq!(*told(&logs), scene.result("eth_getLogs", json!([{}])).await[0]);
    assert_eq!(*told(&hashes), json!(sent.hash));
    assert_eq!((&told(&whole)["hash"], &told(&whole)["to"]), (&json!(sent.hash), &json!(token)));
    for id in [&heads, &whole, &syncing] {
        let request = json!({ "jsonrpc": "2.0", "id": 2, "method": "eth_unsubscribe", "params": [id] });
        socket.send(&request.to_string()).await;
        assert_eq!(socket.json().await["result"], json!(true));
    }
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_ethereums_codes() {
    let node = TestNode::start("memory").await;
    for (method, parameters, code, words) in [
        ("eth_getBalance", json!([]), -32602, "`address` is missing"),
        ("eth_getBalance", json!(["0x12"]), -32602, "`address` is \"0x12\""),
        ("eth_getBlockByNumber", json!([1, false]), -32602, "`block` is 1; expected a block"),
        ("eth_getBlockByNumber", json!(["0x1", "yes"]), -32602, "`full` is \"yes\""),
        ("eth_sendRawTransaction", json!(["f86c"]), -32602, "`data` is \"f86c\"; expected bytes"),
        ("eth_sendRawTransaction", json!(["0x03c0"]), -32000, "transaction type not supported"),
        ("eth_sendRawTransaction", json!(["0xc0"]), -32000, "rlp: "),
        ("eth_subscribe", json!(["newHeads"]), -32600, "eth_subscribe needs a WebSocket"),
        ("eth_unsubscribe", json!(["0x1"]), -32600, "eth_unsubscribe needs a WebSocket"),
        ("eth_nothing", json!([]), -32601, "there is no method"),
    ] {
        let (found, message) = node.error(method, parameters.clone()).await;
        assert!(found == code && message.starts_with(words), "{method}{parameters}: {found} {message}");
    }
    // The example of EIP-155 is for another chain.
    let example = hexadecimal(
        &entente_types::hex_bytes::decode(
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc\
             2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb196\
             6a3b6d83",
        )
        .unwrap(),
    );
    assert_eq!(node.error("eth_sendRawTransaction", json!([example])).await.0, -32000);
    node.stop().await;
}
