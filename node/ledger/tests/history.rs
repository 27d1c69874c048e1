//! The state at heights below the tip.

mod support;

use std::sync::Arc;

use entente_crypto::merkle_root;
use entente_ledger::{
    GenesisRecord, HistoryError, HistoryRetention, Ledger, LedgerOptions, ReadError, RowWrite, WritesError,
};
use entente_state::{RowValue, StateReader, write_leaf};
use entente_storage::{Batch, Column, Durability, Engine, Memory, RocksDb, SharedResources};
use proptest::prelude::*;
use support::{Chain, Writes, row};

fn options(history: HistoryRetention, row_cache_bytes: usize) -> LedgerOptions {
    LedgerOptions { history, row_cache_bytes, ..LedgerOptions::default() }
}

fn writes() -> impl Strategy<Value = Writes> {
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..3));
    proptest::collection::vec((0..12_u8, value), 0..8)
}

fn assert_state(state: &dyn StateReader, chain: &Chain, height: usize) {
    for key in 0..12 {
        assert_eq!(state.row(&row(key)).unwrap().as_ref(), chain.states[height].get(&row(key)), "{key} at {height}");
    }
}

/// What is told of a block's writes is what it did, in the order of its change root.
fn assert_writes(ledger: &Ledger, chain: &Chain, height: u64) {
    let record = &chain.records[height as usize - 1];
    let expected = record.changes.iter().map(|change| RowWrite { row: change.row.clone(), value: change.new.clone() });
    let found = ledger.writes(height).unwrap();
    assert_eq!(found, expected.collect::<Vec<_>>(), "block {height}");
    let leaves: Vec<Vec<u8>> = found.iter().map(|write| write_leaf(&write.row, write.value.as_deref())).collect();
    assert_eq!(merkle_root(chain.genesis.suite, &leaves), record.block.header.change_root);
}

/// Every height that must be kept equals the model's, and the heights beside them give their errors.
fn assert_heights(ledger: &Ledger, chain: &Chain, kept: u64) {
    let tip = ledger.tip().number;
    let oldest = tip.saturating_sub(kept);
    assert_eq!(ledger.oldest_state(), oldest);
    for height in oldest..=tip {
        assert_state(&*ledger.state_at(height).unwrap(), chain, height as usize);
    }
    for height in oldest + 1..=tip {
        assert_writes(ledger, chain, height);
    }
    assert_eq!(ledger.writes(0), Err(WritesError::Genesis));
    assert_eq!(ledger.writes(tip + 1), Err(WritesError::Future { height: tip + 1, tip }));
    if oldest > 0 {
        assert_eq!(ledger.writes(oldest), Err(WritesError::Pruned { height: oldest, floor: oldest }));
    }
    assert_eq!(ledger.state_at(tip + 1).err(), Some(HistoryError::Future { height: tip + 1, tip }));
    if let Some(below) = oldest.checked_sub(1) {
        assert_eq!(ledger.state_at(below).err(), Some(HistoryError::Pruned { height: below, oldest }));
    }
}

fn history_equals_model(engine: &Arc<dyn Engine>, genesis: &Writes, blocks: &[Writes], kept: u64, cache: usize) {
    let mut chain = Chain::new();
    let record: GenesisRecord = chain.genesis_record(genesis);
    let options = options(HistoryRetention::Blocks(kept), cache);
    let mut ledger = Ledger::create_with(Arc::clone(engine), record, options).unwrap();
    let mut readers = vec![(0, ledger.state())];
    for (index, writes) in blocks.iter().enumerate() {
        ledger.append(&chain.next(0, writes)).unwrap();
        assert_heights(&ledger, &chain, kept);
        readers.push((index + 1, ledger.state()));
        if kept > 0 {
            readers.push((index, ledger.state_at(index as u64).unwrap()));
        }
        if index == 3 {
            readers.clear();
            ledger = Ledger::open_with(Arc::clone(engine), &chain.genesis, options).unwrap();
            assert_heights(&ledger, &chain, kept);
        }
        // Whoever began to read still reads the same, whatever was written or dropped since.
        for (height, reader) in &readers {
            assert_state(&**reader, &chain, *height);
        }
    }
    // What is kept on disk is exactly what the kept heights need.
    let lists = engine.range(Column::History, &[1], &[], usize::MAX).unwrap().count() as u64;
    assert_eq!(lists, kept.min(blocks.len() as u64));
    let entries = engine.range(Column::History, &[0], &[], usize::MAX).unwrap().count();
    let first = chain.records.len() - lists as usize;
    assert_eq!(entries, chain.records[first..].iter().map(|record| record.changes.len()).sum::<usize>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn state_at_equals_the_models(
        genesis in writes(), blocks in proptest::collection::vec(writes(), 1..14), kept in 0..6_u64, cache in 0..2_usize
    ) {
        let engine: Arc<dyn Engine> = Arc::new(Memory::new());
        history_equals_model(&engine, &genesis, &blocks, kept, cache << 16);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn state_at_equals_the_models_on_rocksdb(
        genesis in writes(), blocks in proptest::collection::vec(writes(), 1..14), kept in 0..6_u64
    ) {
        let folder = tempfile::tempdir().unwrap();
        let engine = RocksDb::open(folder.path(), &SharedResources::new(8 << 20, 8 << 20)).unwrap();
        history_equals_model(&(Arc::new(engine) as Arc<dyn Engine>), &genesis, &blocks, kept, 1 << 16);
    }
}

#[test]
fn an_archive_keeps_all_and_a_shorter_retention_takes_hold_block_by_block() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    let record = chain.genesis_record(&vec![(1, Some(vec![0]))]);
    let mut ledger = Ledger::create_with(engine.clone(), record, options(HistoryRetention::Archive, 0)).unwrap();
    let append = |ledger: &Ledger, chain: &mut Chain, count: u8| {
        for value in 0..count {
            ledger.append(&chain.next(0, &vec![(1, Some(vec![value, 1])), (2, Some(vec![value]))])).unwrap();
        }
    };
    append(&ledger, &mut chain, 30);
    assert_heights(&ledger, &chain, u64::MAX);
    for retention in [0, 5] {
        ledger =
            Ledger::open_with(engine.clone(), &chain.genesis, options(HistoryRetention::Blocks(retention), 0)).unwrap();
        for _ in 0..8 {
            append(&ledger, &mut chain, 1);
            for height in ledger.oldest_state()..=ledger.tip().number {
                assert_state(&*ledger.state_at(height).unwrap(), &chain, height as usize);
            }
        }
        assert_heights(&ledger, &chain, retention);
    }
}

#[test]
fn a_damaged_list_of_writes_is_told_and_not_guessed() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    let ledger = chain.ledger(engine.clone());
    for value in 0..2 {
        ledger.append(&chain.next(0, &vec![(1, Some(vec![value]))])).unwrap();
    }
    for (height, value) in [(1_u64, None), (2, Some(&[1, 4, 4, 9][..]))] {
        let key = [&[1][..], &height.to_be_bytes()].concat();
        let mut batch = Batch::new();
        match value {
            Some(value) => batch.put(Column::History, &key, value),
            None => batch.delete(Column::History, &key),
        }
        engine.write(batch, Durability::Synced).unwrap();
    }
    let ledger = Ledger::open(engine, &chain.genesis).unwrap();
    for height in 1..=2 {
        let error = ledger.writes(height).unwrap_err();
        assert!(matches!(error, WritesError::Read(ReadError::Damaged { column: Column::History, .. })), "{error}");
    }
}

#[test]
fn readers_on_many_threads_see_one_block_each() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    let ledger = chain.ledger(engine);
    let records: Vec<_> =
        (0..200_u8).map(|value| chain.next(0, &(0..12).map(|key| (key, Some(vec![value]))).collect())).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while ledger.tip().number < 200 {
                    let (tip, state) = ledger.state_with_tip();
                    let expected = tip.number.checked_sub(1).map(|value| RowValue::from([value as u8]));
                    for key in (0..12).rev() {
                        assert_eq!(state.row(&row(key)).unwrap(), expected);
                    }
                }
            });
        }
        for record in &records {
            ledger.append(record).unwrap();
        }
    });
}
