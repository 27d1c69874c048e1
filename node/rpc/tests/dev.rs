//! A node for tests of contracts: every method does what it says, and does it nowhere else.

mod common;

use std::time::Duration;

use common::{PATIENCE, TestNode, hexadecimal};
use entente_crypto::{Hash, Signature, Suite};
use entente_types::{Address, Transaction};
use serde_json::{Value, json};

/// EVM code that stores the word it is called with in slot 0 and tells of it in a log, or answers slot 0 where it is
/// called with nothing.
const CODE: &str = "361560175760003580600055600052602a60206000a1005b60005460005260206000f3";
/// What creates it: the length, twice; where the code begins here; where it goes: CODECOPY, RETURN.
const CREATION: &str = "0x602380600b6000396000f3361560175760003580600055600052602a60206000a1005b60005460005260206000f3";
/// EVM code that reverts with the word 7.
const REVERTS: &str = "0x600760005260206000fd";
/// EVM code that stops in the instruction INVALID.
const INVALID: &str = "0xfe";
/// EVM code that answers TIMESTAMP, NUMBER, COINBASE and PREVRANDAO.
const LOOKS: &str = "0x4260005243602052416040524460605260806000f3";
/// An address at which the tests put code.
const PLACE: &str = "0x00000000000000000000000000000000000c0de5";

fn word(number: u64) -> String {
    format!("0x{number:064x}")
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no quantity"));
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// What a test asks all the time.
struct Dev {
    node: TestNode,
    accounts: Vec<String>,
}

impl Dev {
    async fn start() -> Self {
        let node = TestNode::start_for_tests().await;
        let accounts = node.result("eth_accounts", json!([])).await;
        let accounts =
            accounts.as_array().unwrap().iter().map(|address| address.as_str().unwrap().to_owned()).collect();
        Self { node, accounts }
    }

    async fn ask(&self, method: &str, parameters: Value) -> Value {
        self.node.result(method, parameters).await
    }

    async fn error(&self, method: &str, parameters: Value) -> (i64, String) {
        self.node.error(method, parameters).await
    }

    async fn height(&self) -> u64 {
        number(&self.ask("eth_blockNumber", json!([])).await)
    }

    async fn block(&self) -> Value {
        self.ask("eth_getBlockByNumber", json!(["latest", false])).await
    }

    async fn time(&self) -> u64 {
        number(&self.block().await["timestamp"])
    }

    async fn balance(&self, address: &str) -> Value {
        self.ask("eth_getBalance", json!([address, "latest"])).await
    }

    async fn nonce(&self, address: &str) -> u64 {
        number(&self.ask("eth_getTransactionCount", json!([address, "latest"])).await)
    }

    async fn send(&self, transaction: Value) -> String {
        self.ask("eth_sendTransaction", json!([transaction])).await.as_str().unwrap().to_owned()
    }

    async fn receipt(&self, hash: &str) -> Value {
        self.ask("eth_getTransactionReceipt", json!([hash])).await
    }

    async fn call(&self, to: &str, block: &str) -> String {
        self.ask("eth_call", json!([{ "to": to }, block])).await.as_str().unwrap().to_owned()
    }

    /// The words that [`LOOKS`] answers.
    async fn look(&self, block: &str) -> Vec<String> {
        let answer = self.call(PLACE, block).await;
        answer.as_bytes()[2..].chunks(64).map(|word| String::from_utf8(word.to_vec()).unwrap()).collect()
    }

    /// The contract of [`CODE`].
    async fn deploy(&self) -> String {
        let hash = self.send(json!({ "from": self.accounts[0], "data": CREATION })).await;
        self.receipt(&hash).await["contractAddress"].as_str().unwrap().to_owned()
    }

    async fn stop(self) {
        self.node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_known_accounts_hold_coin_and_the_node_says_what_it_is() {
    let dev = Dev::start().await;
    assert_eq!(dev.accounts.len(), 20);
    assert_eq!(dev.accounts[0].to_lowercase(), "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    for account in &dev.accounts {
        assert_eq!(dev.balance(account).await, "0x21e19e0c9bab2400000");
    }
    let version = dev.ask("web3_clientVersion", json!([])).await;
    assert!(version.as_str().unwrap().starts_with("HardhatNetwork/Entente/"), "{version}");
    let metadata = dev.ask("hardhat_metadata", json!([])).await;
    let expected = (&version, json!(20_200), json!(0));
    assert_eq!(
        (&metadata["clientVersion"], metadata["chainId"].clone(), metadata["latestBlockNumber"].clone()),
        expected
    );
    dev.ask("hardhat_reset", json!([])).await;
    assert_ne!(dev.ask("anvil_metadata", json!([])).await["instanceId"], metadata["instanceId"]);
    let info = dev.ask("anvil_nodeInfo", json!([])).await;
    assert_eq!((&info["currentBlockNumber"], &info["hardFork"]), (&json!("0x0"), &json!("osaka")));
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_in_a_block_when_its_sender_hears_of_it() {
    let dev = Dev::start().await;
    let [from, to] = [&dev.accounts[0], &dev.accounts[1]];
    for sent in 1..4 {
        let transfer = json!({ "from": from, "to": to, "value": "0x5", "maxFeePerGas": "0x0" });
        let receipt = dev.receipt(&dev.send(transfer).await).await;
        assert_eq!((number(&receipt["blockNumber"]), &receipt["status"]), (sent, &json!("0x1")));
        assert_eq!(
            (receipt["from"].as_str().unwrap().to_lowercase(), dev.nonce(from).await),
            (from.to_lowercase(), sent)
        );
    }
    assert_eq!(dev.balance(to).await, "0x21e19e0c9bab240000f");
    // A price is paid, and goes to whoever made the block.
    dev.ask("hardhat_setCoinbase", json!([PLACE])).await;
    let hash = dev.send(json!({ "from": from, "to": to, "gasPrice": "0x2", "gas": "0x5208" })).await;
    let paid = dev.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&paid["type"], &paid["gasPrice"], &paid["gas"]), (&json!("0x0"), &json!("0x2"), &json!("0x5208")));
    assert_eq!(dev.balance(PLACE).await, "0xa410");
    assert_eq!(dev.block().await["miner"].as_str().unwrap().to_lowercase(), PLACE);
    // What fails is in a block too, and whoever sent it is told why.
    let height = dev.height().await;
    for (code, data) in [(REVERTS, word(7)), (INVALID, "0x".to_owned())] {
        dev.ask("hardhat_setCode", json!([PLACE, code])).await;
        let answer =
            dev.node.rpc("eth_sendTransaction", json!([{ "from": from, "to": PLACE, "gas": "0x186a0" }])).await;
        assert_eq!(answer["error"]["data"]["data"], data, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("VM Exception while processing transaction: "), "{message}");
        let called = dev.node.rpc("eth_call", json!([{ "from": from, "to": PLACE, "gas": "0x186a0" }, "latest"])).await;
        assert_eq!((&called["error"]["data"], &called["error"]["code"]), (&json!(data), &answer["error"]["code"]));
        let estimated = dev.node.rpc("eth_estimateGas", json!([{ "from": from, "to": PLACE }])).await;
        assert_eq!(estimated["error"]["data"], data, "{estimated}");
        let block = dev.block().await;
        assert_eq!(answer["error"]["data"]["txHash"], block["transactions"][0]);
        assert_eq!(dev.receipt(block["transactions"][0].as_str().unwrap()).await["status"], "0x0");
    }
    assert_eq!(dev.height().await, height + 2);
    let (code, message) = dev.error("eth_sendTransaction", json!([{ "from": from, "to": to, "nonce": 0 }])).await;
    assert!(code == -32000 && message.starts_with("nonce too low"), "{code} {message}");
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_gone_back_to_in_all_that_can_be_seen() {
    let dev = Dev::start().await;
    let [from, to] = [dev.accounts[0].clone(), dev.accounts[1].clone()];
    let contract = dev.deploy().await;
    let set = |number: u64| json!({ "from": from, "to": contract, "data": word(number) });
    dev.send(set(1)).await;
    let filter = dev.ask("eth_newFilter", json!([{ "address": contract }])).await;
    let blocks = dev.ask("eth_newBlockFilter", json!([])).await;
    let snapshot = dev.ask("evm_snapshot", json!([])).await;
    let seen = async |dev: &Dev| {
        (
            dev.block().await,
            dev.balance(&from).await,
            dev.balance(&to).await,
            dev.nonce(&from).await,
            dev.call(&contract, "latest").await,
            dev.ask("eth_getLogs", json!([{ "address": contract, "fromBlock": "0x0" }])).await,
            dev.ask("eth_getCode", json!([PLACE, "latest"])).await,
        )
    };
    let before = seen(&dev).await;
    let gone = dev.send(set(2)).await;
    dev.send(json!({ "from": from, "to": to, "value": "0x5" })).await;
    dev.ask("hardhat_setCode", json!([PLACE, REVERTS])).await;
    dev.ask("hardhat_setBalance", json!([to, "0x1"])).await;
    dev.ask("hardhat_mine", json!(["0x14", "0x3c"])).await;
    let inner = dev.ask("evm_snapshot", json!([])).await;
    assert_eq!(dev.ask("eth_getFilterChanges", json!([filter])).await.as_array().unwrap().len(), 1);
    assert_eq!(dev.ask("eth_getFilterChanges", json!([blocks])).await.as_array().unwrap().len(), 22);
    assert_ne!(seen(&dev).await, before);
    assert_eq!(dev.ask("evm_revert", json!([snapshot])).await, true);
    assert_eq!(seen(&dev).await, before);
    assert_eq!(dev.receipt(&gone).await, Value::Null);
    assert_eq!(dev.ask("eth_getTransactionByHash", json!([gone])).await, Value::Null);
    // Both are gone now.
    for snapshot in [&snapshot, &inner] {
        assert_eq!(dev.ask("evm_revert", json!([snapshot])).await, false);
    }
    // What comes then is new, though there were blocks with these numbers before.
    dev.send(set(3)).await;
    let changes = dev.ask("eth_getFilterChanges", json!([filter])).await;
    assert_eq!(changes[0]["data"], word(3), "{changes}");
    assert_eq!(dev.ask("eth_getFilterChanges", json!([blocks])).await.as_array().unwrap().len(), 1);
    assert_eq!(dev.call(&contract, "latest").await, word(3));
    assert_eq!(dev.call(&contract, "0x2").await, word(1));
    // The beginning is a place to go back to, too, and as often as one likes.
    for _ in 0..2 {
        assert_eq!(dev.ask("hardhat_reset", json!([{}])).await, true);
        assert_eq!((dev.height().await, dev.nonce(&from).await), (0, 0));
        assert_eq!(dev.ask("evm_snapshot", json!([])).await, "0x1", "snapshots are counted anew");
        dev.deploy().await;
    }
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_waits_again_after_going_back() {
    let dev = Dev::start().await;
    let [from, to] = [&dev.accounts[0], &dev.accounts[1]];
    assert_eq!(dev.ask("evm_setAutomine", json!([false])).await, true);
    assert_eq!(dev.ask("hardhat_getAutomine", json!([])).await, false);
    let mut hashes = Vec::new();
    for value in ["0x1", "0x2", "0x3"] {
        hashes.push(dev.send(json!({ "from": from, "to": to, "value": value })).await);
    }
    let later = dev.send(json!({ "from": from, "to": to, "nonce": "0x9" })).await;
    assert_eq!((dev.height().await, dev.nonce(from).await), (0, 0));
    assert_eq!(number(&dev.ask("eth_getTransactionCount", json!([from, "pending"])).await), 3);
    let status = dev.ask("txpool_status", json!([])).await;
    assert_eq!(status, json!({ "pending": "0x3", "queued": "0x1" }));
    let content = dev.ask("txpool_content", json!([])).await;
    let queued = content["queued"].as_object().unwrap().values().next().unwrap();
    assert_eq!((&queued["9"]["nonce"], &queued["9"]["blockHash"]), (&json!("0x9"), &Value::Null), "{content}");
    let listed = dev.ask("eth_pendingTransactions", json!([])).await;
    let listed: Vec<&Value> = listed.as_array().unwrap().iter().map(|shown| &shown["hash"]).collect();
    assert_eq!(json!(listed), json!([hashes[0], hashes[1], hashes[2], later]));
    let snapshot = dev.ask("evm_snapshot", json!([])).await;
    assert_eq!(dev.ask("evm_mine", json!([])).await, "0x0");
    // All that could be in it are in one block, in their order.
    assert_eq!((dev.height().await, dev.block().await["transactions"].clone()), (1, json!(hashes)));
    assert_eq!(dev.ask("evm_revert", json!([snapshot])).await, true);
    assert_eq!(dev.ask("txpool_status", json!([])).await, status);
    assert_eq!(dev.ask("hardhat_dropTransaction", json!([hashes[1]])).await, true);
    assert_eq!(dev.ask("anvil_dropTransaction", json!([hashes[1]])).await, false);
    dev.ask("evm_mine", json!([])).await;
    assert_eq!(dev.block().await["transactions"], json!([hashes[0]]));
    assert_eq!(dev.ask("txpool_status", json!([])).await, json!({ "pending": "0x0", "queued": "0x2" }));
    // The gap is filled: with automine what it held up comes along.
    dev.ask("evm_setAutomine", json!([true])).await;
    dev.send(json!({ "from": from, "to": to, "value": "0x2" })).await;
    assert_eq!(dev.nonce(from).await, 3);
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_have_the_time_that_they_are_told() {
    let dev = Dev::start().await;
    dev.ask("hardhat_setCode", json!([PLACE, LOOKS])).await;
    dev.ask("evm_mine", json!([])).await;
    let begun = dev.time().await;
    for ahead in 1..4 {
        dev.ask("evm_mine", json!([])).await;
        assert!((begun + ahead..begun + ahead + 5).contains(&dev.time().await));
    }
    let now = dev.time().await;
    dev.ask("evm_increaseTime", json!([1000])).await;
    dev.ask("evm_mine", json!([])).await;
    assert!((now + 1000..now + 1010).contains(&dev.time().await));
    // Said as a number or as a quantity, it is the next block's time to the second.
    let at = now + 5_000;
    assert_eq!(dev.ask("evm_setNextBlockTimestamp", json!([at])).await, at.to_string());
    let pending = dev.look("pending").await;
    assert_eq!((&pending[0], &pending[1]), (&format!("{at:064x}"), &format!("{:064x}", dev.height().await + 1)));
    let latest = dev.look("latest").await;
    assert_eq!(
        (&latest[0], &latest[1]),
        (&format!("{:064x}", dev.time().await), &format!("{:064x}", dev.height().await))
    );
    dev.send(json!({ "from": dev.accounts[0], "to": dev.accounts[1] })).await;
    assert_eq!(dev.time().await, at);
    dev.ask("evm_mine", json!([format!("{:#x}", at + 7)])).await;
    assert_eq!(dev.time().await, at + 7);
    for (method, parameters) in [("evm_setNextBlockTimestamp", json!([at + 7])), ("evm_mine", json!([at]))] {
        let (code, message) = dev.error(method, parameters).await;
        assert_eq!(code, -32602);
        assert!(message.contains("is lower than or equal to previous block's timestamp"), "{message}");
    }
    dev.ask("hardhat_mine", json!(["0x3", "0x64"])).await;
    let last = dev.time().await;
    assert!((at + 208..at + 220).contains(&last), "{last}");
    assert_eq!(dev.ask("anvil_setBlockTimestampInterval", json!([12])).await, Value::Null);
    dev.ask("anvil_mine", json!([2])).await;
    assert_eq!(dev.time().await, last + 13, "one second apart, as it says, after one that is twelve apart");
    assert_eq!(dev.ask("anvil_removeBlockTimestampInterval", json!([])).await, true);
    dev.ask("evm_setTime", json!([last + 9_000])).await;
    let snapshot = dev.ask("anvil_snapshot", json!([])).await;
    dev.ask("anvil_increaseTime", json!(["0x10000"])).await;
    dev.ask("evm_mine", json!([])).await;
    assert!(dev.time().await >= last + 70_000);
    dev.ask("anvil_revert", json!([snapshot])).await;
    dev.ask("evm_mine", json!([])).await;
    assert!((last + 9_000..last + 9_010).contains(&dev.time().await), "the clock went back too");
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_by_themselves_where_that_was_asked_for() {
    let dev = Dev::start().await;
    dev.ask("evm_setAutomine", json!([false])).await;
    dev.ask("evm_setIntervalMining", json!([20])).await;
    let hash = dev.send(json!({ "from": dev.accounts[0], "to": dev.accounts[1] })).await;
    let mined = async {
        while dev.receipt(&hash).await.is_null() || dev.height().await < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, mined).await.expect("blocks come");
    dev.ask("anvil_setIntervalMining", json!([0])).await;
    let height = dev.height().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(dev.height().await, height);
    let (_, message) = dev.error("hardhat_mine", json!(["0x186a1"])).await;
    assert!(message.contains("100001 blocks at once are too many"), "{message}");
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_what_it_is_set_to_and_was_what_it_was() {
    let dev = Dev::start().await;
    let contract = dev.deploy().await;
    let [from, to] = [&dev.accounts[0], &dev.accounts[1]];
    dev.ask("evm_mine", json!([])).await;
    for (method, parameters) in [
        ("hardhat_setBalance", json!([to, "0x7"])),
        ("anvil_setNonce", json!([to, "0x5"])),
        ("hardhat_setStorageAt", json!([contract, "0x0", word(9)])),
        ("anvil_setCode", json!([PLACE, LOOKS])),
    ] {
        assert_eq!(dev.ask(method, parameters).await, true);
    }
    let seen = async |block: &str| {
        (
            dev.ask("eth_getBalance", json!([to, block])).await,
            dev.ask("eth_getTransactionCount", json!([to, block])).await,
            dev.call(&contract, block).await,
            dev.ask("eth_getCode", json!([PLACE, block])).await,
        )
    };
    let (now, then) = (seen("latest").await, seen("0x1").await);
    assert_eq!(now, (json!("0x7"), json!("0x5"), word(9), json!(LOOKS)));
    assert_eq!(then, (json!("0x21e19e0c9bab2400000"), json!("0x0"), word(0), json!("0x")));
    let (code, message) = dev.error("hardhat_setNonce", json!([to, "0x4"])).await;
    assert_eq!((code, message.as_str()), (-32602, "New nonce (4) must not be smaller than the existing nonce (5)"));
    assert_eq!(dev.ask("hardhat_setNonce", json!([to, "0x5"])).await, true);
    // The chain goes on from there, and what was stays.
    let receipt = dev.receipt(&dev.send(json!({ "from": to, "to": from, "value": "0x3" })).await).await;
    assert_eq!(
        (receipt["status"].clone(), dev.nonce(to).await, dev.balance(to).await),
        (json!("0x1"), 6, json!("0x4"))
    );
    assert_eq!(seen("0x1").await, then);
    assert_eq!(seen("0x2").await, now);
    dev.ask("evm_setBlockGasLimit", json!(["0x1c9c380"])).await;
    dev.ask("hardhat_setPrevRandao", json!(["0x1234"])).await;
    assert_eq!(dev.look("pending").await[3], format!("{:064x}", 0x1234));
    dev.ask("evm_mine", json!([])).await;
    assert_eq!(dev.block().await["gasLimit"], "0x1c9c380");
    assert_eq!(dev.look("pending").await[3], "0".repeat(64));
    let header = dev.ask("eth_getBlockByNumber", json!(["0x1", false])).await;
    assert_ne!(header["gasLimit"], "0x1c9c380", "{header}");
    let (_, message) = dev.error("eth_sendTransaction", json!([{ "from": from, "to": to, "gas": "0x1c9c381" }])).await;
    assert!(message.starts_with("exceeds block gas limit") || message.contains("30000000"), "{message}");
    let (code, message) = dev.error("evm_setBlockGasLimit", json!([5])).await;
    assert!(code == -32602 && message.contains("100000"), "{message}");
    assert_eq!(dev.ask("hardhat_setNextBlockBaseFeePerGas", json!(["0x0"])).await, true);
    let (_, message) = dev.error("anvil_setNextBlockBaseFeePerGas", json!(["0x5"])).await;
    assert!(message.contains("the base fee of a block is 0"), "{message}");
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_taken_along_to_another_chain() {
    let dev = Dev::start().await;
    let contract = dev.deploy().await;
    dev.send(json!({ "from": dev.accounts[0], "to": contract, "data": word(8) })).await;
    let dump = dev.ask("anvil_dumpState", json!([])).await;
    let nonce = dev.nonce(&dev.accounts[0]).await;
    dev.ask("hardhat_reset", json!([])).await;
    dev.ask("hardhat_setCode", json!([PLACE, LOOKS])).await;
    assert_eq!(dev.ask("eth_getCode", json!([contract, "latest"])).await, "0x");
    assert_eq!(dev.ask("anvil_loadState", json!([dump])).await, true);
    assert_eq!((dev.call(&contract, "latest").await, dev.nonce(&dev.accounts[0]).await), (word(8), nonce));
    assert_eq!((dev.ask("eth_getCode", json!([PLACE, "latest"])).await, dev.height().await), (json!(LOOKS), 0));
    // No configuration comes along with it, and nothing that is no row.
    for bytes in ["0x", "0x0200", "0x0104047800", "0x010408020000"] {
        let (code, message) = dev.error("anvil_loadState", json!([bytes])).await;
        assert!(code == -32602 && message.contains("no state"), "{bytes}: {code} {message}");
    }
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_may_be_longer_than_ethereum_allows() {
    let dev = Dev::start().await;
    // Code of 40,000 zeros: PUSH2 its length, twice, for a memory that is zero: RETURN.
    let creation = "0x619c406000f3";
    let deployed = dev.receipt(&dev.send(json!({ "from": dev.accounts[0], "data": creation })).await).await;
    let code = dev.ask("eth_getCode", json!([deployed["contractAddress"], "latest"])).await;
    assert_eq!(code.as_str().unwrap().len(), 2 + 80_000);
    let long = format!("0x{}", "00".repeat(60_000));
    let deployed = dev.receipt(&dev.send(json!({ "from": dev.accounts[0], "data": long })).await).await;
    assert_eq!(deployed["status"], "0x1");
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_impersonated_sends() {
    let dev = Dev::start().await;
    let contract = dev.deploy().await;
    let wanted = json!([{ "from": PLACE, "to": contract, "data": word(5) }]);
    let unknown = dev.error("eth_sendTransaction", wanted.clone()).await;
    assert!(unknown.1.starts_with("unknown account"), "{unknown:?}");
    assert_eq!(dev.ask("hardhat_impersonateAccount", json!([PLACE])).await, true);
    let hash = dev.ask("eth_sendTransaction", wanted.clone()).await;
    assert_eq!(dev.call(&contract, "latest").await, word(5));
    let shown = dev.ask("eth_getTransactionByHash", json!([hash])).await;
    let receipt = dev.receipt(hash.as_str().unwrap()).await;
    let block = dev.ask("eth_getBlockByNumber", json!(["latest", true])).await;
    for from in [&shown["from"], &receipt["from"], &block["transactions"][0]["from"]] {
        assert_eq!(from.as_str().unwrap().to_lowercase(), PLACE);
    }
    let trace = dev.ask("debug_traceTransaction", json!([hash, { "tracer": "callTracer" }])).await;
    assert_eq!(trace["from"].as_str().unwrap().to_lowercase(), PLACE, "{trace}");
    assert_eq!(dev.nonce(PLACE).await, 1);
    // A contract may be meant, too.
    dev.ask("hardhat_setCode", json!([PLACE, LOOKS])).await;
    let hash = dev.ask("eth_sendTransaction", wanted.clone()).await;
    assert_eq!((&dev.receipt(hash.as_str().unwrap()).await["status"], dev.nonce(PLACE).await), (&json!("0x1"), 2));
    dev.ask("debug_traceTransaction", json!([hash, { "tracer": "callTracer" }])).await;
    assert_eq!(dev.ask("anvil_stopImpersonatingAccount", json!([PLACE])).await, true);
    assert_eq!(dev.error("eth_sendTransaction", wanted.clone()).await, unknown);
    dev.ask("anvil_autoImpersonateAccount", json!([true])).await;
    dev.ask("eth_sendTransaction", wanted.clone()).await;
    dev.ask("anvil_autoImpersonateAccount", json!([false])).await;
    assert_eq!(dev.error("eth_sendTransaction", wanted).await, unknown);
    // No other node takes its bytes for anybody's, and this one neither.
    let hash: Hash = hash.as_str().unwrap().parse().unwrap();
    let ledger = dev.node.node.handle().groups()[0].ledger().clone();
    let Transaction::Ethereum(found) = ledger.transaction(&hash).unwrap().unwrap().transaction else { panic!("it is") };
    let other = TestNode::start("memory").await;
    for node in [&dev.node, &other] {
        let (code, message) = node.error("eth_sendRawTransaction", json!([hexadecimal(found.raw())])).await;
        assert!(code == -32000 && message.contains("invalid sender"), "{code} {message}");
    }
    drop(ledger);
    other.stop().await;
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_known_accounts_sign() {
    let dev = Dev::start().await;
    let account: Address = dev.accounts[2].parse().unwrap();
    let whose = |signature: &Value, digest: &Hash| {
        let mut bytes = entente_types::hex_bytes::decode(&signature.as_str().unwrap()[2..]).unwrap();
        bytes[64] -= 27;
        Suite::Standard.signer(digest, &Signature::from_bytes(&bytes).unwrap()).unwrap().address
    };
    let digest = entente_dev::message_digest(b"hello");
    let signed = dev.ask("eth_sign", json!([account, "0x68656c6c6f"])).await;
    assert_eq!(whose(&signed, &digest), account);
    assert_eq!(dev.ask("personal_sign", json!(["0x68656c6c6f", account])).await, signed);
    let data = json!({
        "types": {
            "EIP712Domain": [{ "name": "name", "type": "string" }],
            "Note": [{ "name": "text", "type": "string" }, { "name": "many", "type": "uint256[]" }],
        },
        "primaryType": "Note",
        "domain": { "name": "Test" },
        "message": { "text": "hello", "many": ["1", 2, "0x3"] },
    });
    let digest = entente_dev::typed_data_digest(&data.to_string()).unwrap();
    let signed = dev.ask("eth_signTypedData_v4", json!([account, data])).await;
    assert_eq!(whose(&signed, &digest), account);
    assert_eq!(dev.ask("eth_signTypedData_v4", json!([account, data.to_string()])).await, signed);
    let (_, message) = dev.error("eth_sign", json!([PLACE, "0x00"])).await;
    assert!(message.starts_with("unknown account"), "{message}");
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_sent_by_whoever_wants_to() {
    let dev = Dev::start().await;
    let [from, to] = [&dev.accounts[0], &dev.accounts[1]];
    for (nonce, fee, kind) in [(0, "maxFeePerGas", "0x2"), (1, "gasPrice", "0x0")] {
        let mut wanted = json!({ "from": from, "to": to, "value": "0x5" });
        wanted[fee] = json!("0x7");
        let signed = dev.ask("eth_signTransaction", json!([wanted])).await;
        let shown = signed["tx"].as_object().unwrap();
        assert_eq!((&shown["type"], &shown[fee], number(&shown["nonce"])), (&json!(kind), &json!("0x7"), nonce));
        for field in ["from", "blockHash", "blockNumber", "transactionIndex"] {
            assert!(!shown.contains_key(field), "{signed}");
        }
        assert_eq!((dev.height().await, dev.nonce(from).await), (nonce, nonce), "nothing is sent");
        assert_eq!(dev.ask("eth_sendRawTransaction", json!([signed["raw"]])).await, shown["hash"]);
        let sent = dev.ask("eth_getTransactionByHash", json!([shown["hash"]])).await;
        assert_eq!(sent["from"], json!(from));
        assert!(shown.iter().all(|(field, value)| sent[field] == *value), "{signed} {sent}");
    }
    let authorization =
        json!({ "chainId": "0x1", "address": to, "nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x1" });
    let creation = json!([{ "from": from, "authorizationList": [authorization] }]);
    let (code, message) = dev.error("eth_signTransaction", creation).await;
    assert!(code == -32602 && message.contains("and no `to`"), "{code} {message}");
    let wanted = json!([{ "from": PLACE, "to": to }]);
    let unknown = dev.error("eth_signTransaction", wanted.clone()).await;
    assert_eq!(unknown, dev.error("eth_sendTransaction", wanted.clone()).await);
    dev.ask("hardhat_impersonateAccount", json!([PLACE])).await;
    let (code, message) = dev.error("eth_signTransaction", wanted).await;
    assert!(code == -32000 && message.contains("is impersonated"), "{code} {message}");
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_transactions_are_in_a_block_at_once_too() {
    let dev = Dev::start().await;
    let (sender, group) = (entente_testing::key(9), dev.node.node.handle().groups()[0].clone());
    let snapshot = dev.ask("evm_snapshot", json!([])).await;
    let unsigned = entente_types::UnsignedTransaction {
        to: Some(Address([9; 20])),
        ..entente_testing::unsigned(group.genesis(), &sender, 1)
    };
    let signed = unsigned.sign(&group.genesis_hash(), &sender);
    let raw = hexadecimal(&signed.to_bytes());
    let sent = dev.ask("entente_sendTransaction", json!(["group1", raw])).await;
    assert_eq!(dev.height().await, 1, "{sent}");
    let (code, _) = dev.error("entente_sendTransaction", json!(["group1", raw])).await;
    assert_eq!(code, 15, "it was used");
    dev.ask("evm_revert", json!([snapshot])).await;
    dev.ask("entente_sendTransaction", json!(["group1", raw])).await;
    assert_eq!(dev.height().await, 1, "and was not, before");
    drop(group);
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_for_tests_has_none_of_it() {
    let node = TestNode::start("memory").await;
    assert_eq!(node.result("eth_accounts", json!([])).await, json!([]));
    let version = node.result("web3_clientVersion", json!([])).await;
    assert!(version.as_str().unwrap().starts_with("Entente/"), "{version}");
    for (method, parameters) in [
        ("evm_snapshot", json!([])),
        ("evm_revert", json!(["0x1"])),
        ("evm_mine", json!([])),
        ("hardhat_setBalance", json!([PLACE, "0x1"])),
        ("hardhat_impersonateAccount", json!([PLACE])),
        ("anvil_autoImpersonateAccount", json!([true])),
        ("anvil_setCode", json!(["neither", "read", "nor", "counted"])),
        ("eth_sendTransaction", json!([{ "from": PLACE }])),
        ("eth_signTransaction", json!([{ "from": PLACE }])),
        ("txpool_content", json!([])),
    ] {
        let (code, message) = node.error(method, parameters).await;
        assert_eq!(code, -32601, "{message}");
        assert!(message.starts_with(&format!("the method {method} is for tests of contracts")), "{message}");
        assert!(message.contains("--dev"), "{message}");
    }
    assert_eq!(node.node.handle().groups()[0].status().height, 0);
    node.stop().await;
}

#[test]
fn the_code_of_the_creation_is_the_code() {
    assert!(CREATION.ends_with(CODE));
    assert_eq!(CODE.len() / 2, 0x23);
}
