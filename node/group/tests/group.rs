//! A whole group on one thread: on every engine, over crashes, with blocks that leave transactions out.

mod common;

use std::sync::Arc;

use common::{Rig, genesis, genesis_of, key, key_of, replay};
use entente_crypto::Suite;
use entente_executor::container;
use entente_group::{Event, Group, GroupOptions, Halt, Signing, open};
use entente_host::gas::PROTOCOL_VERSIONS;
use entente_ledger::LedgerOptions;
use entente_pool::AdmissionError;
use entente_storage::{Memory, RocksDb, SharedResources, crash::CrashEngine};
use entente_types::{Address, Limits, Status};

#[test]
fn what_is_told_is_on_disk_and_counts_on() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    rig.count(20);
    let last = rig.told.last().expect("blocks");
    assert_eq!(last.record.receipts.last().expect("a receipt").output, 20_u64.to_le_bytes());
    assert_eq!(rig.ledger.tip().header_hash, last.hash);
    assert_eq!(rig.ledger.tip().total_transactions, 21);
    assert!(rig.group.pool().is_empty());
    let verification = rig.ledger.verify(&mut |_| {}).expect("reads");
    assert!(verification.ok, "{verification:?}");
}

#[test]
fn engines_and_a_replaying_executor_agree_on_every_root() {
    agree(Suite::Standard);
}

#[test]
fn engines_and_a_replaying_executor_agree_on_every_root_of_a_guomi_group() {
    agree(Suite::Guomi);
}

fn agree(suite: Suite) {
    let genesis = genesis_of(suite, Limits::default());
    let folder = tempfile::tempdir().expect("a folder");
    let rocks = RocksDb::open(folder.path(), &SharedResources::new(8 << 20, 8 << 20)).expect("opens");
    let mut on_rocks = Rig::on(Arc::new(rocks), &genesis);
    let mut in_memory = Rig::on(Arc::new(Memory::new()), &genesis);
    on_rocks.count(15);
    in_memory.count(15);
    assert_eq!(on_rocks.ledger.tip().header_hash, in_memory.ledger.tip().header_hash);

    replay(&on_rocks.ledger, &genesis, PROTOCOL_VERSIONS);
    // Certificates, roots and every row.
    let verification = on_rocks.ledger.verify(&mut |_| {}).expect("reads");
    assert!(verification.ok, "{verification:?}");
}

#[test]
fn a_signature_of_the_other_suite_is_refused_with_its_code() {
    for (suite, other) in [(Suite::Standard, Suite::Guomi), (Suite::Guomi, Suite::Standard)] {
        let mut rig = Rig::on(Arc::new(Memory::new()), &genesis_of(suite, Limits::default()));
        let transaction = rig.sign_with(&key_of(other, 1), Some(Address([7; 20])), vec![], 100_000_000);
        let error = rig.submit(vec![transaction]).remove(0).expect_err("refused");
        assert_eq!(error.code(), 5);
        let name = format!("{suite:?}");
        assert_eq!(error.to_string(), format!("the signature is not one of the {name} suite, which this group uses"));
    }
}

#[test]
fn after_a_crash_nothing_told_is_missing_and_nothing_is_used_twice() {
    let genesis = genesis(Limits::default());
    let engine = Arc::new(CrashEngine::new());
    let mut rig = Rig::on(engine.clone(), &genesis);
    let address = rig.count(10);
    let again = rig.sign(Some(address), vec![]);
    let hash = rig.submit(vec![again.clone()]).remove(0).expect("admitted");
    let told = rig.told.last().expect("blocks").hash;
    let mut rig = Rig::on(Arc::new(engine.crash()), &genesis);
    assert_eq!(rig.ledger.tip().header_hash, told);
    assert!(rig.ledger.receipt(&hash).expect("reads").is_some());
    assert_eq!(rig.submit(vec![again]), [Err(AdmissionError::Replay)]);
}

#[test]
fn what_the_block_gas_limit_leaves_out_comes_in_the_next_block() {
    let limits = Limits { block_gas: 200_000_000, transaction_gas: 200_000_000, block_transactions: 5_000 };
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(limits));
    let burn = r#"(module (memory (export "memory") 1) (func (export "deploy") (result i32) (i32.const 0))
        (func (export "call") (result i32) (loop $on (br $on)) (i32.const 0)))"#;
    let deploy = rig.sign(None, container(&wat::parse_str(burn).expect("wat"), &[]));
    let hash = rig.submit(vec![deploy]).remove(0).expect("admitted");
    let address = rig.ledger.receipt(&hash).expect("reads").expect("there").receipt.contract.expect("deployed");
    let burns = (0..5).map(|_| rig.sign(Some(address), vec![])).collect();
    let hashes = rig.submit(burns);
    let blocks: Vec<(usize, usize)> = rig.told[1..]
        .iter()
        .map(|block| (block.record.block.transactions.len(), block.record.block.left_out.len()))
        .collect();
    // What the first had gas for is what the next proposals take.
    assert_eq!(blocks, [(2, 3), (2, 0), (1, 0)]);
    for hash in hashes {
        let receipt = rig.ledger.receipt(&hash.expect("admitted")).expect("reads").expect("there").receipt;
        assert_eq!(receipt.status, Status::OutOfGas);
    }
    assert!(rig.ledger.verify(&mut |_| {}).expect("reads").ok);
}

#[test]
fn a_disk_that_fails_halts_the_group_and_tells_nobody() {
    let engine = Arc::new(CrashEngine::new());
    let mut rig = Rig::on(engine.clone(), &genesis(Limits::default()));
    rig.count(3);
    let told = rig.told.len();
    engine.fail_writes(true);
    let transaction = rig.sign(Some(Address([7; 20])), vec![]);
    assert!(rig.submit(vec![transaction]).remove(0).is_ok());
    assert!(matches!(rig.halted, Some(Halt::Write { .. })), "{:?}", rig.halted);
    assert_eq!(rig.told.len(), told);
}

#[test]
fn a_panic_halts_the_group_which_writes_nothing_more() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    rig.count(3);
    let told = rig.told.len();
    let height = rig.ledger.tip().number + 1;
    rig.drive(Event::Panicked { height, message: "no row".into() });
    let why = rig.halted.as_ref().expect("it halts").to_string();
    assert!(
        why.starts_with(&format!("the work on block {height} ended in a panic: no row; this is a defect")),
        "{why}"
    );
    let transaction = rig.sign(Some(Address([7; 20])), vec![]);
    rig.submit(vec![transaction]);
    assert_eq!((rig.told.len(), rig.ledger.tip().number), (told, height - 1));
}

#[test]
fn a_node_that_is_no_sealer_is_told() {
    let (ledger, executor) =
        open(Arc::new(Memory::new()), &genesis(Limits::default()), LedgerOptions::default()).expect("opens");
    let error = Group::new(&ledger, &executor, Signing::new(key(3)), GroupOptions::default())
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("is not the sealer of genesis.toml"), "{error}");
}
