//! The state of old heights: what a token's balance was a thousand blocks ago, while blocks go on being made.

use std::{path::PathBuf, sync::Arc, time::Duration};

use entente_crypto::keccak256;
use entente_driver::{CallError, GroupHandle, Node, NodeConfig};
use entente_executor::{CallInput, container};
use entente_ledger::HistoryError;
use entente_storage::Memory;
use entente_testing::{genesis, key, node_folder, unsigned};
use entente_types::{Address, Bytes, Hash, Status, UnsignedTransaction};

const RECEIVER: Address = Address([0xab; 20]);

fn token() -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let path = target.join("contracts/token.wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make contracts`", path.display()))
}

/// A call with words of 32 bytes.
fn call(signature: &str, words: &[[u8; 32]]) -> Vec<u8> {
    [&keccak256(signature.as_bytes()).0[..4], &words.concat()].concat()
}

fn address_word(address: &Address) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&address.0);
    word
}

fn word(number: u8) -> [u8; 32] {
    let mut word = [0; 32];
    word[31] = number;
    word
}

struct Run {
    node: Node,
    group: GroupHandle,
    nonce: u64,
}

impl Run {
    fn start(history: &str) -> (tempfile::TempDir, Self) {
        let configuration = format!("[storage]\n{history}\n[consensus]\ninterval_ms_min = 0\n");
        let folder = node_folder(&genesis(&[key(9)]), &key(9), &configuration);
        let config = NodeConfig::read(folder.path()).expect("a configuration");
        let node = Node::start_with(folder.path(), &config, |_, _| Ok(Arc::new(Memory::new()))).expect("starts");
        let group = node.handle().groups()[0].clone();
        (folder, Self { node, group, nonce: 0 })
    }

    /// One transaction in a block of its own.
    async fn one(&mut self, to: Option<Address>, input: Vec<u8>) -> Hash {
        self.nonce += 1;
        let mut blocks = self.group.blocks();
        let unsigned = UnsignedTransaction {
            valid_until: self.group.status().height + 500,
            gas_limit: 100_000_000,
            to,
            input: Bytes::new(input).expect("short"),
            ..unsigned(self.group.genesis(), &key(1), self.nonce)
        };
        let transaction = unsigned.sign(&self.group.genesis_hash(), &key(1));
        let hash = self.group.submit(vec![(transaction, 300)]).await.expect("looked at").remove(0).expect("admitted");
        tokio::time::timeout(Duration::from_secs(20), blocks.recv()).await.expect("in time").expect("a block");
        hash
    }

    async fn deploy(&mut self) -> Address {
        let hash = self.one(None, container(&token(), &[])).await;
        let receipt = self.group.ledger().receipt(&hash).expect("reads").expect("there").receipt;
        receipt.contract.expect("deployed")
    }

    /// Blocks, each with a transfer of one token.
    async fn pay(&mut self, token: Address, blocks: u64) {
        for _ in 0..blocks {
            let input = call("transfer(address,uint256)", &[address_word(&RECEIVER), word(1)]);
            self.one(Some(token), input).await;
        }
    }

    /// What the receiver had after this height.
    async fn balance(&self, token: Address, height: u64) -> Result<u64, CallError> {
        let input = call("balanceOf(address)", &[address_word(&RECEIVER)]);
        let call = CallInput { from: Address::ZERO, to: token, input, gas: 10_000_000 };
        let receipt = self.group.call(call, Some(height)).await?.receipt;
        assert_eq!(receipt.status, Status::Success);
        Ok(u64::from_be_bytes(receipt.output[24..].try_into().expect("a word")))
    }

    async fn stop(self) {
        drop(self.group);
        tokio::task::spawn_blocking(move || self.node.stop()).await.expect("stops");
    }
}

#[tokio::test]
async fn the_balance_of_a_token_a_thousand_blocks_ago() {
    let (_folder, mut run) = Run::start("");
    let token = run.deploy().await;
    run.pay(token, 1100).await;
    let tip = run.group.status().height;
    assert_eq!(tip, 1101);
    // The token came in block 1; each block after it moved one.
    for height in [tip, tip - 1, tip - 500, tip - 1000, tip - 1024] {
        assert_eq!(run.balance(token, height).await.expect("is kept"), height - 1);
    }
    let error = run.balance(token, tip - 1025).await.expect_err("not kept");
    assert!(matches!(error, CallError::History(HistoryError::Pruned { height: 76, oldest: 77 })), "{error}");
    assert_eq!(
        error.to_string(),
        "the state at height 76 is not kept any more; the oldest kept is 77 (`history_blocks`, `archive`)"
    );
    let error = run.balance(token, tip + 1).await.expect_err("not there");
    assert_eq!(error.to_string(), "there is no block 1102 yet; the tip is 1101");
    run.stop().await;
}

#[tokio::test]
async fn pruning_keeps_up_while_blocks_are_made_and_calls_go_on() {
    let (_folder, mut run) = Run::start("history_blocks = 20");
    let token = run.deploy().await;
    for _ in 0..15 {
        run.pay(token, 10).await;
        let tip = run.group.status().height;
        let oldest = run.group.ledger().oldest_state();
        assert_eq!(oldest, tip.saturating_sub(20));
        for height in [oldest.max(1), tip] {
            assert_eq!(run.balance(token, height).await.expect("is kept"), height - 1);
        }
    }
    run.stop().await;
}

#[tokio::test]
async fn an_archive_keeps_every_height() {
    let (_folder, mut run) = Run::start("history_blocks = 1\narchive = true");
    let token = run.deploy().await;
    run.pay(token, 60).await;
    for height in 1..=61 {
        assert_eq!(run.balance(token, height).await.expect("is kept"), height - 1);
    }
    run.stop().await;
}
