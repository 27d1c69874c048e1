//! Compiled contracts across restarts of a real node: loaded where the file is this node's own, compiled otherwise.

use std::{fs, path::Path, time::Duration};

use entente_driver::{CODE_FILE_BYTES_MAX, GroupHandle, Node, NodeConfig};
use entente_executor::{CallInput, container};
use entente_testing::{genesis, key, node_folder};
use entente_types::{Address, Amount, Bytes, GroupId, Receipt, Status, UnsignedTransaction, Version};

/// Counts its calls in its storage and gives the count back.
const COUNTER: &str = r#"(module
  (import "entente" "storage_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "entente" "storage_write" (func $write (param i32 i32 i32 i32)))
  (import "entente" "output" (func $output (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "deploy") (result i32) (i32.const 0))
  (func (export "call") (result i32)
    (drop (call $read (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8)))
    (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const STEP)))
    (call $write (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8))
    (call $output (i32.const 8) (i32.const 8))
    (i32.const 0)))"#;

/// The folder of a node that is its chain's one sealer.
fn folder(sealer: u8, config: &str) -> tempfile::TempDir {
    node_folder(&genesis(&[key(sealer)]), &key(sealer), config)
}

/// A started node; each nonce is used once.
struct Run {
    node: Node,
    group: GroupHandle,
}

impl Run {
    fn start(folder: &Path) -> Self {
        let node = Node::start(folder, &NodeConfig::read(folder).expect("a configuration")).expect("starts");
        let group = node.handle().groups()[0].clone();
        Self { node, group }
    }

    fn stop(self) {
        drop(self.group);
        self.node.stop();
    }

    async fn send(&self, nonce: u8, to: Option<Address>, input: Vec<u8>) -> Receipt {
        let mut blocks = self.group.blocks();
        let transaction = UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: GroupId::new("group1").expect("a name"),
            sender: key(1).public_key().address(),
            nonce: [nonce; 32],
            valid_until: self.group.status().height + 500,
            gas_limit: 100_000_000,
            to,
            value: Amount::ZERO,
            input: Bytes::new(input).expect("short"),
            extra: Bytes::default(),
        }
        .sign(&self.group.genesis_hash(), &key(1));
        let admitted = self.group.submit(vec![(transaction, 400)]).await.expect("looked at").remove(0);
        let hash = admitted.expect("admitted");
        tokio::time::timeout(Duration::from_secs(20), blocks.recv()).await.expect("in time").expect("a block");
        let receipt = self.group.ledger().receipt(&hash).expect("reads").expect("there").receipt;
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        receipt
    }

    async fn deploy(&self, nonce: u8, step: u64) -> Address {
        let module = wat::parse_str(COUNTER.replace("STEP", &step.to_string())).expect("wat");
        self.send(nonce, None, container(&module, &[])).await.contract.expect("an address")
    }

    /// What a call that changes nothing gives: the count after it.
    async fn count(&self, to: Address) -> u64 {
        let call = CallInput { from: Address::ZERO, to, input: vec![], gas: 10_000_000 };
        let receipt = self.group.call(call, None).await.expect("answers");
        u64::from_le_bytes(receipt.receipt.output.try_into().expect("eight bytes"))
    }

    fn compilations(&self) -> u64 {
        self.group.status().compilations
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder.join("data/code.cache")).map(|entries| entries.flatten().collect());
    let mut paths: Vec<_> = entries.unwrap_or_else(|_| Vec::new()).iter().map(fs::DirEntry::path).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_restart_compiles_nothing_again() {
    let folder = folder(9, "");
    let run = Run::start(folder.path());
    let (first, second) = (run.deploy(1, 1).await, run.deploy(2, 10).await);
    run.send(3, Some(first), vec![]).await;
    assert_eq!(run.compilations(), 2);
    run.stop();
    assert_eq!(files(folder.path()).len(), 2);

    let run = Run::start(folder.path());
    assert_eq!((run.count(first).await, run.count(second).await), (2, 10));
    run.send(4, Some(first), vec![]).await;
    run.send(5, Some(second), vec![]).await;
    // The same code at another address.
    let again = run.deploy(6, 1).await;
    assert_eq!((run.count(first).await, run.count(second).await, run.count(again).await), (3, 20, 1));
    assert_eq!(run.compilations(), 0);
    run.stop();
    assert_eq!(files(folder.path()).len(), 2);
}

#[tokio::test]
async fn bad_files_are_compiled_anew_and_replaced() {
    let folder = folder(9, "");
    let run = Run::start(folder.path());
    let counter = run.deploy(1, 7).await;
    run.stop();
    let path = files(folder.path()).remove(0);
    let good = fs::read(&path).expect("reads");

    // What another node keeps for the same contract.
    let foreign = self::folder(8, "");
    let run = Run::start(foreign.path());
    run.deploy(1, 7).await;
    run.stop();
    let theirs = files(foreign.path()).remove(0);
    assert_eq!(theirs.file_name(), path.file_name());
    let theirs = fs::read(theirs).expect("reads");

    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 0x10;
        bytes
    };
    let mut bad = vec![theirs, vec![], good[..good.len() / 2].to_vec(), good[..good.len() - 1].to_vec()];
    bad.extend([0, 5, good.len() / 3, good.len() - 1].map(flipped));
    for (number, bytes) in bad.into_iter().enumerate() {
        fs::write(&path, bytes).expect("writes");
        for compilations in [1, 0] {
            let run = Run::start(folder.path());
            assert_eq!(run.count(counter).await, 7, "bad file {number}");
            assert_eq!(run.compilations(), compilations, "bad file {number}");
            run.stop();
        }
    }
    fs::File::create(&path).expect("makes").set_len(CODE_FILE_BYTES_MAX + 1).expect("grows");
    for compilations in [1, 0] {
        let run = Run::start(folder.path());
        assert_eq!((run.count(counter).await, run.compilations()), (7, compilations), "a huge file");
        run.stop();
    }
}

#[tokio::test]
async fn a_node_without_the_folder_works_and_compiles_after_each_start() {
    let folder = folder(9, "[storage]\ncode_cache_bytes = 0\n");
    let run = Run::start(folder.path());
    let counter = run.deploy(1, 3).await;
    run.stop();
    let run = Run::start(folder.path());
    assert_eq!((run.count(counter).await, run.compilations()), (3, 1));
    run.stop();
    assert!(files(folder.path()).is_empty());

    // A folder that cannot be one keeps no node from starting.
    fs::write(folder.path().join("config.toml"), "").expect("writes");
    fs::write(folder.path().join("data/code.cache"), "in the way").expect("writes");
    let run = Run::start(folder.path());
    assert_eq!((run.count(counter).await, run.compilations()), (3, 1));
    run.stop();
}
