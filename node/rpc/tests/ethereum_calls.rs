//! Calls, estimates and traces, asked as Ethereum's tools ask them, about a Wasm contract.

mod common;

use common::{balance_of, hexadecimal, scene::Scene, selector, transfer};
use entente_types::{Address, Hash};
use serde_json::{Value, json};

/// Whom transfers go to.
const RECEIVER: Address = Address([7; 20]);

/// A call of the scene's token.
fn call_of(scene: &Scene, input: &[u8]) -> Value {
    json!({ "from": scene.sender, "to": scene.token, "input": hexadecimal(input) })
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

/// A word as it stands in an answer.
fn word(number: u64) -> Value {
    json!(format!("0x{number:064x}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered_at_every_height_that_is_kept() {
    let scene = Scene::new().await;
    let balance = call_of(&scene, &balance_of(RECEIVER));
    for (block, expected) in [
        (json!("latest"), 11),
        (json!("pending"), 11),
        (json!("0x1"), 0),
        (json!("0x2"), 5),
        (json!({ "blockNumber": "0x3" }), 11),
    ] {
        assert_eq!(scene.result("eth_call", json!([balance, block])).await, word(expected), "{block}");
    }
    assert_eq!(scene.result("eth_call", json!([balance])).await, word(11));
    let block = scene.result("eth_getBlockByNumber", json!(["0x2", false])).await;
    assert_eq!(scene.result("eth_call", json!([balance, { "blockHash": block["hash"] }])).await, word(5));
    // What a creation gives back is the code that is there then.
    assert_eq!(scene.result("eth_call", json!([{ "input": "0x602a5f5360015ff3" }])).await, json!("0x2a"));
    // Older clients name the input `data`; fields of other transactions are passed over.
    let old = json!({ "to": scene.token, "data": balance["input"], "nonce": "0x9", "type": "0x2" });
    assert_eq!(scene.result("eth_call", json!([old, "latest"])).await, word(11));
    // At block 0 the contract is not there, and nothing answers.
    assert_eq!(scene.result("eth_call", json!([balance, "earliest"])).await, json!("0x"));
    let (code, message) = scene.node.error("eth_call", json!([balance, "0x9"])).await;
    assert_eq!((code, message.as_str()), (-32000, "header not found: there is no block 9 yet; the tip is 3"));
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_has_ethereums_codes() {
    let scene = Scene::new().await;
    let poor = json!({ "from": Address([9; 20]), "to": scene.token, "data": hexadecimal(&transfer(RECEIVER, 1)) });
    for method in ["eth_call", "eth_estimateGas"] {
        let answer = scene.node.rpc(method, json!([poor, "latest"])).await;
        let error = &answer["error"];
        assert_eq!((&error["code"], &error["message"]), (&json!(3), &json!("execution reverted")), "{method}");
        let reason = hexadecimal(&selector("ERC20InsufficientBalance(address,uint256,uint256)"));
        assert!(error["data"].as_str().unwrap().starts_with(&reason), "{method}: {answer}");
    }
    let call = call_of(&scene, &balance_of(RECEIVER));
    let with = |field: &str, value: &str| {
        let mut call = call.clone();
        call[field] = json!(value);
        json!([call, "latest"])
    };
    for (method, parameters, expected) in [
        ("eth_call", with("gas", "0x64"), "out of gas"),
        ("eth_call", with("value", "0x1"), "insufficient funds for gas * price + value: this group has no coin"),
        ("eth_estimateGas", with("gas", "0x5300"), "gas required exceeds allowance (21248)"),
        ("debug_traceCall", with("gas", "0x64"), "intrinsic gas too low: the gas limit is 100, where 22080 are needed"),
        ("debug_traceTransaction", json!([Hash([0xaa; 32])]), "transaction not found: no block has 0x"),
        ("debug_traceBlockByNumber", json!(["0x0"]), "genesis is not traceable: block 0 was not executed"),
        ("debug_traceBlockByHash", json!([Hash([0xaa; 32])]), "header for hash not found: no block has the hash 0x"),
    ] {
        let (code, message) = scene.node.error(method, parameters).await;
        assert!(code == -32000 && message.starts_with(expected), "{method}: {code} {message}");
    }
    // A jump to where none may go.
    let code = json!({ RECEIVER.to_string(): { "code": "0x5f56" } });
    let (code, message) = scene.node.error("eth_call", json!([{ "to": RECEIVER }, "latest", code])).await;
    assert_eq!((code, message.as_str()), (-32000, "invalid jump destination"));
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_overridden_is_run_and_traced() {
    let scene = Scene::new().await;
    // Stores 1 at 0, and answers what is stored at 5.
    let code =
        json!({ "code": "0x600160005560055460005260206000f3", "stateDiff": { word(5).as_str().unwrap(): word(77) } });
    let (call, overrides) = (json!({ "to": RECEIVER, "gas": "0x186a0" }), json!({ RECEIVER.to_string(): code }));
    let block = json!({ "number": "0x64" });
    let answer = scene.result("eth_call", json!([call, "latest", overrides, block])).await;
    assert_eq!(answer, word(77));
    assert_eq!(scene.result("eth_call", json!([call, "latest"])).await, json!("0x"));
    let options = json!({ "stateOverrides": overrides, "enableMemory": true });
    let trace = scene.result("debug_traceCall", json!([call, "latest", options])).await;
    // 21,000, six pushes, 22,100, 2,100, MSTORE 6.
    assert_eq!((&trace["gas"], &trace["returnValue"]), (&json!(21_000 + 18 + 22_100 + 2_100 + 6), &word(77)));
    let steps = trace["structLogs"].as_array().unwrap();
    let (zero, one) = ("0".repeat(64), format!("{:064x}", 1));
    let stored = json!({
        "pc": 4, "op": "SSTORE", "gas": 100_000 - 21_000 - 6, "gasCost": 22_100, "depth": 1, "stack": ["0x1", "0x0"],
        "memory": [], "storage": { zero: one },
    });
    assert_eq!(steps[2], stored);
    let names: Vec<&str> = steps.iter().map(|step| step["op"].as_str().unwrap()).collect();
    let expected = ["PUSH1", "PUSH1", "SSTORE", "PUSH1", "SLOAD", "PUSH1", "MSTORE", "PUSH1", "PUSH1", "RETURN"];
    assert_eq!((names, &steps[7]["memory"]), (expected.to_vec(), &json!([format!("{:064x}", 77)])));
    let tracing =
        json!({ "stateOverrides": overrides, "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    let changes = scene.result("debug_traceCall", json!([call, "latest", tracing])).await;
    assert_eq!(changes["post"][RECEIVER.to_string()], json!({ "storage": { word(0).as_str().unwrap(): word(1) } }));
    let listed = scene.result("eth_createAccessList", json!([call, "latest", overrides])).await;
    assert_eq!(listed["accessList"], json!([{ "address": RECEIVER, "storageKeys": [word(0), word(5)] }]));
    let gas = scene.result("eth_estimateGas", json!([call, "latest", overrides])).await;
    assert_eq!(number(&gas), 21_000 + 18 + 22_100 + 2_100 + 6);
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_is_enough_and_less_is_not() {
    let scene = Scene::new().await;
    let call = call_of(&scene, &transfer(RECEIVER, 1));
    let gas = scene.result("eth_estimateGas", json!([call])).await;
    for (gas, is_enough) in [(number(&gas), true), (number(&gas) - 1, false)] {
        let mut call = call.clone();
        call["gas"] = json!(format!("{gas:#x}"));
        let frame = scene.result("debug_traceCall", json!([call, "latest", { "tracer": "callTracer" }])).await;
        assert_eq!(frame.get("error").is_none(), is_enough, "{gas}: {frame}");
        assert_eq!(frame["gas"], call["gas"]);
    }
    // What a Wasm contract stores is no slot of Ethereum's.
    let listed = scene.result("eth_createAccessList", json!([call, "latest"])).await;
    assert_eq!(listed["accessList"], json!([]));
    assert!(number(&listed["gasUsed"]) <= number(&gas) && listed.get("error").is_none(), "{listed}");
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_transactions_are_traced() {
    let scene = Scene::new().await;
    let [first, hash] = scene.transfers;
    let receipt = scene.result("eth_getTransactionReceipt", json!([hash])).await;
    let options = json!({ "tracer": "callTracer", "tracerConfig": { "withLog": true } });
    let frame = scene.result("debug_traceTransaction", json!([hash, options])).await;
    for (field, expected) in [
        ("from", json!(scene.sender)),
        ("to", json!(scene.token)),
        ("gas", json!("0x5f5e100")),
        ("gasUsed", receipt["gasUsed"].clone()),
        ("input", json!(hexadecimal(&transfer(RECEIVER, 6)))),
        ("output", word(1)),
        ("value", json!("0x0")),
        ("type", json!("CALL")),
    ] {
        assert_eq!(frame[field], expected, "{field}");
    }
    let log = &frame["logs"][0];
    assert_eq!((&log["data"], &log["topics"]), (&receipt["logs"][0]["data"], &receipt["logs"][0]["topics"]));
    assert_eq!((&log["address"], &log["position"]), (&json!(scene.token), &json!("0x0")));
    let steps = scene.result("debug_traceTransaction", json!([hash])).await;
    let expected =
        json!({ "gas": number(&receipt["gasUsed"]), "failed": false, "returnValue": word(1), "structLogs": [] });
    assert_eq!(steps, expected);
    let state = scene.result("debug_traceTransaction", json!([hash, { "tracer": "prestateTracer" }])).await;
    let (token, sender) = (scene.token.to_string(), scene.sender.to_string());
    assert!(state[&token]["code"].as_str().unwrap().starts_with("0xef5741"), "{state}");
    assert_eq!(state[&sender], json!({ "balance": "0x0" }));
    // Its block has nothing else, and the one before it something else.
    let block = json!([{ "txHash": hash, "result": frame }]);
    assert_eq!(scene.result("debug_traceBlockByNumber", json!(["latest", options])).await, block);
    let by_hash = scene.result("debug_traceBlockByHash", json!([receipt["blockHash"], options])).await;
    assert_eq!(by_hash, block);
    let before = scene.result("debug_traceBlockByNumber", json!(["0x2", options])).await;
    assert_eq!((&before[0]["txHash"], &before[0]["result"]["output"]), (&json!(first), &word(1)));
    assert_eq!(before[0]["result"]["input"], json!(hexadecimal(&transfer(RECEIVER, 5))));
    scene.node.stop().await;
}

/// A receiver that has nothing yet.
const STRANGER: Address = Address([8; 20]);

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_calls_stand_on_one_another() {
    let scene = Scene::new().await;
    let balance = call_of(&scene, &balance_of(STRANGER));
    let pay = call_of(&scene, &transfer(STRANGER, 4));
    let mut more = call_of(&scene, &transfer(RECEIVER, 5));
    more["from"] = json!(STRANGER);
    let payload = json!({
        "blockStateCalls": [
            { "calls": [balance, pay, balance] },
            { "blockOverrides": { "number": "0x6", "feeRecipient": RECEIVER }, "calls": [more, pay] },
        ],
        "returnFullTransactions": true,
    });
    let blocks = scene.result("eth_simulateV1", json!([payload, "latest"])).await;
    // The tip is 3; what is said to be 6 has one below it that is empty.
    let all = |field: &str| blocks.as_array().unwrap().iter().map(|block| block[field].clone()).collect::<Vec<_>>();
    assert_eq!(all("number"), [json!("0x4"), json!("0x5"), json!("0x6")]);
    let tip = scene.result("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(all("parentHash"), [tip["hash"].clone(), blocks[0]["hash"].clone(), blocks[1]["hash"].clone()]);
    assert_eq!(number(&blocks[1]["timestamp"]), number(&blocks[0]["timestamp"]) + 1);
    assert_eq!((&blocks[1]["calls"], &blocks[1]["transactions"]), (&json!([]), &json!([])));
    assert_eq!(blocks[2]["miner"], json!(RECEIVER));
    let calls = |block: usize| blocks[block]["calls"].as_array().unwrap();
    assert_eq!((&calls(0)[0]["returnData"], &calls(0)[2]["returnData"]), (&word(0), &word(4)));
    let log = &calls(0)[1]["logs"][0];
    assert_eq!((&log["address"], &log["blockHash"]), (&json!(scene.token), &blocks[0]["hash"]));
    assert_eq!((&log["transactionIndex"], &log["data"]), (&json!("0x1"), &word(4)));
    // One that fails is told of, and those behind it run.
    let failed = &calls(2)[0];
    assert_eq!(
        (&failed["status"], &failed["returnData"], &failed["error"]["code"]),
        (&json!("0x0"), &json!("0x"), &json!(3))
    );
    assert_eq!((&calls(2)[1]["status"], calls(2)[1].get("error")), (&json!("0x1"), None));
    let used: u64 = calls(2).iter().map(|call| number(&call["gasUsed"])).sum();
    assert_eq!(number(&blocks[2]["gasUsed"]), used);
    let sent = &blocks[2]["transactions"][1];
    assert_eq!((&sent["from"], &sent["nonce"], &sent["type"]), (&json!(scene.sender), &json!("0x3"), &json!("0x2")));
    assert_eq!((&sent["r"], &sent["yParity"], &sent["blockNumber"]), (&json!("0x0"), &json!("0x0"), &json!("0x6")));
    // Nothing of it is kept.
    assert_eq!(scene.result("eth_call", json!([balance, "latest"])).await, word(0));
    assert_eq!(scene.result("eth_blockNumber", json!([])).await, json!("0x3"));
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_sequence_has_the_code_that_ethereum_gives_it() {
    let scene = Scene::new().await;
    let call = call_of(&scene, &balance_of(RECEIVER));
    let with = |fields: Value| {
        let mut call = call.clone();
        call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({ "calls": [call] })
    };
    let at = |overrides: Value| json!({ "blockOverrides": overrides });
    for (blocks, validates, code) in [
        (json!([at(json!({ "number": "0x3" }))]), false, -38020),
        (json!([{}, at(json!({ "time": "0x1" }))]), false, -38021),
        (json!([at(json!({ "number": "0x200" }))]), false, -38026),
        (json!([with(json!({ "gas": "0x5000" }))]), false, -38013),
        (json!([with(json!({ "value": "0x1" }))]), false, -38014),
        (json!([with(json!({ "gas": "0xffffffffff" }))]), false, -38015),
        (json!([with(json!({ "nonce": "0x9" }))]), true, -38011),
        (json!([with(json!({ "nonce": "0x9" })), {}]), false, 0),
        (json!([with(json!({})), with(json!({ "nonce": "0x0" }))]), true, -38010),
        (json!([{ "blockOverrides": { "baseFeePerGas": "0x5" }, "calls": [call] }]), true, -38012),
        (json!([]), false, -32602),
    ] {
        let payload = json!({ "blockStateCalls": blocks, "validation": validates });
        let answer = scene.node.rpc("eth_simulateV1", json!([payload])).await;
        assert_eq!(answer["error"]["code"].as_i64().unwrap_or_default(), code, "{answer}");
    }
    scene.node.stop().await;
}
