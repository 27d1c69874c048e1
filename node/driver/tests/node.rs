//! A node on real threads and a real store: started, fed, stopped, started again.

use std::{fs, path::Path, sync::Arc, time::Duration};

use entente_driver::{GroupHandle, Node, NodeConfig, StartError, open_engine};
use entente_executor::CallInput;
use entente_pool::AdmissionError;
use entente_testing::{genesis, key, node_folder, unsigned};
use entente_types::{Address, ConsensusKind, Genesis, Hash, Status, Transaction, UnsignedTransaction};

fn folder(consensus: ConsensusKind, sealer: u8) -> tempfile::TempDir {
    let genesis = Genesis { consensus, ..genesis(&[key(sealer)]) };
    node_folder(&genesis, &key(9), "[log]\nlevel = \"warn\"\n")
}

fn start(folder: &Path) -> Result<Node, StartError> {
    Node::start(folder, &NodeConfig::read(folder).expect("a configuration"))
}

fn payment(group: &GroupHandle, nonce: u8) -> (Transaction, usize) {
    let unsigned = UnsignedTransaction {
        valid_until: group.status().height + 500,
        to: Some(Address([7; 20])),
        ..unsigned(group.genesis(), &key(1), nonce.into())
    };
    (unsigned.sign(&group.genesis_hash(), &key(1)), 250)
}

#[tokio::test]
async fn what_was_told_is_there_after_a_restart_and_cannot_come_again() {
    told_restarted_and_told_again(ConsensusKind::Solo).await;
}

#[tokio::test]
async fn one_sealer_alone_orders_under_pbft_too() {
    told_restarted_and_told_again(ConsensusKind::Pbft).await;
}

async fn told_restarted_and_told_again(consensus: ConsensusKind) {
    let folder = folder(consensus, 9);
    let node = start(folder.path()).expect("starts");
    let group = node.handle().groups()[0].clone();
    let mut blocks = group.blocks();
    let transactions: Vec<_> = (0..40).map(|nonce| payment(&group, nonce)).collect();
    let mut admitted: Vec<Hash> = Vec::new();
    for chunk in transactions.chunks(8) {
        for result in group.submit(chunk.to_vec()).await.expect("looked at") {
            admitted.push(result.expect("admitted"));
        }
    }
    let mut told = Vec::new();
    let mut height = 0;
    while told.len() < admitted.len() {
        let block =
            tokio::time::timeout(Duration::from_secs(20), blocks.recv()).await.expect("in time").expect("a block");
        assert_eq!(block.record.block.header.number, height + 1, "no gap");
        height += 1;
        told.extend(block.record.transaction_hashes.iter().copied());
    }
    assert_eq!(told, admitted, "in the order of their admission");
    let tip = group.ledger().tip();
    drop(group);
    node.stop();

    let node = start(folder.path()).expect("starts again");
    let group = node.handle().groups()[0].clone();
    assert_eq!(group.ledger().tip(), tip);
    for hash in &told {
        let receipt = group.ledger().receipt(hash).expect("reads").expect("there").receipt;
        assert_eq!(receipt.status, Status::CallAddressError);
    }
    let again = group.submit(transactions[..1].to_vec()).await.expect("looked at");
    assert_eq!(again, [Err(AdmissionError::Replay)]);
    let call = CallInput { from: Address::ZERO, to: Address([7; 20]), input: vec![], gas: 1_000_000 };
    assert_eq!(group.call(call.clone(), None).await.expect("answers").receipt.status, Status::CallAddressError);
    let future = group.call(call, Some(tip.number + 1)).await.expect_err("no such height").to_string();
    assert!(future.contains("there is no block"), "{future}");
    drop(group);
    node.stop();
}

#[tokio::test]
async fn the_log_is_synced_before_a_block_is_told() {
    let folder = folder(ConsensusKind::Solo, 9);
    let config = NodeConfig::read(folder.path()).expect("a configuration");
    let mut store = None;
    let node = Node::start_with(folder.path(), &config, |group, resources| {
        let engine = open_engine(folder.path(), group, &config.storage, resources)?;
        store = Some(Arc::clone(&engine));
        Ok(engine)
    });
    let (node, store) = (node.expect("starts"), store.expect("opened"));
    let group = node.handle().groups()[0].clone();
    let mut blocks = group.blocks();
    let before = store.metrics().log_syncs;
    for nonce in 0..30 {
        group.submit(vec![payment(&group, nonce)]).await.expect("looked at").remove(0).expect("admitted");
        let told = tokio::time::timeout(Duration::from_secs(20), blocks.recv()).await.expect("in time");
        let height = told.expect("a block").record.block.header.number;
        // One block at a time: the next sync is the next block's.
        let syncs = store.metrics().log_syncs - before;
        assert!(syncs >= height, "block {height} was told of after {syncs} syncs");
    }
    assert_eq!(store.metrics().log_syncs - before, group.status().height, "a sync for each block, and no more");
    drop((group, store));
    node.stop();
}

#[test]
fn a_second_node_on_the_same_store_is_refused() {
    let folder = folder(ConsensusKind::Solo, 9);
    let node = start(folder.path()).expect("starts");
    assert!(matches!(start(folder.path()), Err(StartError::Storage(_))));
    node.stop();
}

#[test]
fn what_this_version_lacks_and_foreign_keys_are_told_in_one_line() {
    for (folder, expected) in [
        (folder(ConsensusKind::Rpbft, 9), "consensus Rpbft is not there in this version"),
        (folder(ConsensusKind::Solo, 8), "is not the sealer of genesis.toml"),
    ] {
        let error = start(folder.path()).err().expect("refused").to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    let empty = tempfile::tempdir().expect("a folder");
    fs::write(empty.path().join("config.toml"), "").expect("writes");
    let error = start(empty.path()).err().expect("refused").to_string();
    assert!(error.contains("genesis.toml"), "{error}");
}
