//! Writing blocks, opening ledgers, and what is refused.

mod support;

use std::sync::Arc;

use entente_crypto::Hash;
use entente_ledger::{AppendError, CreateError, Ledger, LedgerOptions, OpenError, ReadError};
use entente_storage::{
    Batch, Column, Durability, Engine, Memory, Reader, RocksDb, SharedResources, crash::CrashEngine,
};
use entente_types::limits::VALIDITY_BLOCKS_MAX;
use proptest::prelude::*;
use support::{Chain, assert_same, engines, row};

fn two_blocks(chain: &mut Chain, engine: &Arc<dyn Engine>) -> Ledger {
    let ledger = chain.ledger(Arc::clone(engine));
    for (transactions, writes) in [(70, vec![(1, Some(vec![1])), (2, Some(vec![2; 300]))]), (1, vec![(1, None)])] {
        ledger.append(&chain.next(transactions, &writes)).unwrap();
    }
    ledger
}

#[test]
fn what_is_appended_is_read_before_and_after_opening_on_every_engine() {
    for (name, engine, _folder) in engines() {
        let mut chain = Chain::new();
        let ledger = two_blocks(&mut chain, &engine);
        assert_same(&ledger, &chain);
        drop(ledger);
        let ledger = Ledger::open(engine, &chain.genesis).unwrap();
        assert_same(&ledger, &chain);
        let record = chain.next(3, &vec![(200, None)]);
        ledger.append(&record).unwrap();
        assert_same(&ledger, &chain);
        assert!(ledger.verify(&mut |_| ()).unwrap().ok, "{name}");
    }
}

#[test]
fn a_block_costs_one_synced_write_and_survives_closing_rocksdb() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Arc::new(RocksDb::open(folder.path(), &SharedResources::default()).unwrap());
    let mut chain = Chain::new();
    {
        let engine = open();
        let ledger = chain.ledger(engine.clone());
        let before = engine.metrics();
        for count in 1..=5 {
            ledger.append(&chain.next(10, &vec![(count, Some(vec![count]))])).unwrap();
            let after = engine.metrics();
            let count = u64::from(count);
            assert_eq!((after.batches - before.batches, after.log_syncs - before.log_syncs), (count, count));
        }
    }
    assert_same(&Ledger::open(open(), &chain.genesis).unwrap(), &chain);
}

#[test]
fn records_that_do_not_follow_the_tip_or_do_not_fit_are_refused_and_leave_nothing() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    let ledger = two_blocks(&mut chain, &engine);
    let good = chain.next(2, &vec![(1, Some(vec![3]))]);
    let mut wrong = good.clone();
    wrong.block.header.number = 4;
    assert_eq!(ledger.append(&wrong), Err(AppendError::Number { tip: 2, found: 4 }));
    assert!(matches!(ledger.append(&chain.records[1]), Err(AppendError::Number { tip: 2, found: 2 })));
    let mut wrong = good.clone();
    wrong.block.header.parent = Hash([1; 32]);
    assert!(matches!(ledger.append(&wrong), Err(AppendError::Parent { number: 3, .. })));
    let mut wrong = good.clone();
    wrong.receipts.pop();
    assert!(matches!(ledger.append(&wrong), Err(AppendError::Counts { receipts: 1, .. })));
    let mut wrong = good.clone();
    wrong.commitment = entente_crypto::LtHash::default();
    assert!(matches!(ledger.append(&wrong), Err(AppendError::StateRoot { .. })));
    assert_eq!(ledger.tip().number, 2);
    assert_eq!(engine.get(Column::Blocks, &3_u64.to_be_bytes()).unwrap(), None);
    ledger.append(&good).unwrap();
    assert_same(&ledger, &chain);
}

#[test]
fn after_a_failed_write_nothing_more_is_written_until_it_is_opened_again() {
    let engine = CrashEngine::new();
    let mut chain = Chain::new();
    let ledger = two_blocks(&mut chain, &(Arc::new(engine.clone()) as Arc<dyn Engine>));
    let record = chain.next(1, &vec![(9, Some(vec![9]))]);
    engine.fail_writes(true);
    assert!(matches!(ledger.append(&record), Err(AppendError::Storage(_))));
    engine.fail_writes(false);
    assert_eq!(ledger.append(&record), Err(AppendError::Closed));
    assert_eq!(ledger.tip().number, 2);
    assert_eq!(ledger.state().row(&row(9)).unwrap(), None);
    let ledger = Ledger::open(Arc::new(engine), &chain.genesis).unwrap();
    ledger.append(&record).unwrap();
    assert_same(&ledger, &chain);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_crash_at_any_point_keeps_every_block_that_was_told(
        blocks in 0..6_usize, buffered in 0..4_u8, kept in 0..5_usize
    ) {
        let engine = CrashEngine::new();
        let mut chain = Chain::new();
        let ledger = chain.ledger(Arc::new(engine.clone()));
        for block in 0..blocks {
            ledger.append(&chain.next(block, &vec![(block as u8, Some(vec![1]))])).unwrap();
        }
        // Consensus has written without syncing when the power goes.
        for key in 0..buffered {
            let mut batch = Batch::new();
            batch.put(Column::Consensus, &[key], b"vote");
            batch.put(Column::Consensus, &[key, 1], b"vote");
            engine.write(batch, Durability::Buffered).unwrap();
        }
        let after = engine.crash_keeping(kept);
        for key in 0..buffered {
            let first = after.get(Column::Consensus, &[key]).unwrap();
            prop_assert_eq!(first.is_some(), usize::from(key) < kept);
            prop_assert_eq!(first, after.get(Column::Consensus, &[key, 1]).unwrap());
        }
        let ledger = Ledger::open(Arc::new(after), &chain.genesis).unwrap();
        assert_same(&ledger, &chain);
        ledger.append(&chain.next(1, &vec![(7, Some(vec![7]))])).unwrap();
        assert_same(&ledger, &chain);
        prop_assert!(ledger.verify(&mut |_| ()).unwrap().ok);
    }
}

/// Opens after one value was replaced or removed.
fn open_damaged(column: Column, key: &[u8], value: Option<&[u8]>) -> OpenError {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    drop(two_blocks(&mut chain, &engine));
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put(column, key, value),
        None => batch.delete(column, key),
    }
    engine.write(batch, Durability::Synced).unwrap();
    Ledger::open(engine, &chain.genesis).err().unwrap()
}

#[test]
fn opening_names_what_is_damaged() {
    let mut lanes = vec![1, 1, 32];
    lanes.extend([9; 2048]);
    let error = open_damaged(Column::Meta, b"commitment", Some(&lanes));
    assert!(matches!(error, OpenError::Tip { number: 2, what: "state root", .. }), "{error}");
    for (column, key, value, expected) in [
        (Column::Meta, &b"commitment"[..], Some(&[1, 4, 7][..]), "column meta at key 636f6d6d69746d656e74"),
        (Column::Meta, b"tip", None, "`tip` is missing"),
        (Column::Meta, b"tip", Some(&[9]), "does not decode"),
        (Column::Blocks, &2_u64.to_be_bytes(), None, "column blocks at key 0000000000000002"),
        (Column::Blocks, &2_u64.to_be_bytes(), Some(&[1, 2]), "does not decode"),
        (Column::Transactions, &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0], None, "has 0 documents here, 1 are expected"),
        (Column::Receipts, &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0], Some(&[1, 4, 4, 7]), "column receipts"),
    ] {
        let error = open_damaged(column, key, value);
        assert!(matches!(error, OpenError::Read(ReadError::Damaged { .. })), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("fetch the chain from peers"), "{error}");
    }
    assert_eq!(open_damaged(Column::Meta, b"format", Some(&[2])), OpenError::UnknownFormat { found: 2, known: 1 });
    assert_eq!(open_damaged(Column::Meta, b"format", None), OpenError::Empty);
}

#[test]
fn another_groups_ledger_is_refused_with_both_hashes() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    drop(two_blocks(&mut chain, &engine));
    let mut other = chain.genesis.clone();
    other.chain_id = 2;
    let error = Ledger::open(engine.clone(), &other).err().unwrap();
    assert_eq!(error, OpenError::ForeignGenesis { found: chain.genesis.hash(), expected: other.hash() });
    for hash in [chain.genesis.hash(), other.hash()] {
        assert!(error.to_string().contains(&hash.to_string()), "{error}");
    }
    let record = Chain::new().genesis_record(&vec![]);
    assert_eq!(Ledger::create(engine, record).err(), Some(CreateError::NotEmpty));
}

#[test]
fn block_0_must_fit_its_document() {
    let create = |change: &dyn Fn(&mut entente_ledger::GenesisRecord)| {
        let mut record = Chain::new().genesis_record(&vec![(1, Some(vec![1]))]);
        change(&mut record);
        Ledger::create(Arc::new(Memory::new()), record).err()
    };
    assert_eq!(create(&|_| ()), None);
    let field = |error: Option<CreateError>| match error {
        Some(CreateError::Block { field, .. }) => field,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(field(create(&|record| record.block0.header.number = 1)), "number");
    assert_eq!(field(create(&|record| record.block0.header.proposal = Hash([1; 32]))), "proposal");
    assert_eq!(field(create(&|record| record.changes = Arc::default())), "change_root");
    assert_eq!(field(create(&|record| record.commitment = entente_crypto::LtHash::default())), "state_root");
    assert!(matches!(create(&|record| record.genesis.sealers.clear()), Some(CreateError::Genesis(_))));
}

#[test]
fn the_replay_window_has_the_last_thousand_blocks() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    let ledger = chain.ledger(engine.clone());
    assert_eq!(ledger.replay_window().count(), 0);
    for number in 1..=VALIDITY_BLOCKS_MAX + 20 {
        ledger.append(&chain.next(usize::from(number % 10 == 0), &vec![])).unwrap();
        if [1, 999, 1000, 1001, 1020].contains(&number) {
            let window: Vec<_> = ledger.replay_window().map(Result::unwrap).collect();
            let first = number.saturating_sub(999).max(1);
            assert_eq!(
                window.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
                (first..=number).collect::<Vec<_>>()
            );
            for (number, entries) in window {
                assert_eq!(entries.len(), usize::from(number % 10 == 0));
                assert!(entries.iter().all(|entry| {
                    entry.valid_until == number + 500 && entry.sender == chain.keys[0].public_key().address()
                }));
            }
        }
    }
    assert_eq!(engine.range(Column::Replay, &[], &[], usize::MAX).unwrap().count(), 1000);
}

#[test]
fn a_ledger_without_a_row_cache_says_the_same() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    drop(two_blocks(&mut chain, &engine));
    let options = LedgerOptions { row_cache_bytes: 0, ..LedgerOptions::default() };
    let ledger = Ledger::open_with(engine, &chain.genesis, options).unwrap();
    ledger.append(&chain.next(1, &vec![(1, Some(vec![8]))])).unwrap();
    assert_same(&ledger, &chain);
}
