//! One suite of laws that every engine obeys, against a model.

use std::{collections::BTreeMap, sync::Arc};

use entente_storage::{
    Batch, Column, Durability, Engine, Entry, Memory, Reader, RocksDb, SharedResources, Snapshot, StorageError,
    crash::CrashEngine,
};
use proptest::prelude::*;

type Model = BTreeMap<(Column, Vec<u8>), Vec<u8>>;

/// An engine under test: how it is made, and what closing and opening it again gives.
trait Subject {
    fn engine(&self) -> &dyn Engine;
    fn reopen(self) -> Self;
}

impl Subject for Memory {
    fn engine(&self) -> &dyn Engine {
        self
    }

    fn reopen(self) -> Self {
        self
    }
}

impl Subject for CrashEngine {
    fn engine(&self) -> &dyn Engine {
        self
    }

    fn reopen(self) -> Self {
        self.crash_keeping(usize::MAX)
    }
}

struct Rocks {
    engine: RocksDb,
    folder: tempfile::TempDir,
    resources: SharedResources,
}

impl Rocks {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let resources = SharedResources::new(8 << 20, 8 << 20);
        let engine = RocksDb::open(folder.path(), &resources).unwrap();
        Self { engine, folder, resources }
    }
}

impl Subject for Rocks {
    fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    fn reopen(self) -> Self {
        let Self { engine, folder, resources } = self;
        drop(engine);
        let engine = RocksDb::open(folder.path(), &resources).unwrap();
        Self { engine, folder, resources }
    }
}

#[derive(Debug, Clone)]
struct Step {
    writes: Vec<(Column, Vec<u8>, Option<Vec<u8>>)>,
    synced: bool,
    keep_snapshot: bool,
    reopen: bool,
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)], 0..5)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let column = prop_oneof![Just(Column::State), Just(Column::Meta), Just(Column::History)];
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..40));
    let step = (proptest::collection::vec((column, keys(), value), 0..20), any::<bool>(), any::<bool>(), 0..10_u8);
    let step = step.prop_map(|(writes, synced, keep_snapshot, reopen)| Step {
        writes,
        synced,
        keep_snapshot,
        reopen: reopen == 0,
    });
    proptest::collection::vec(step, 1..8)
}

fn queries() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>, usize)>> {
    proptest::collection::vec((keys(), keys(), 0..12_usize), 1..6)
}

fn check(reader: &(impl Reader + ?Sized), model: &Model, queries: &[(Vec<u8>, Vec<u8>, usize)]) {
    for column in [Column::State, Column::Meta, Column::History, Column::Blocks] {
        let asked: Vec<&[u8]> = queries.iter().flat_map(|(prefix, from, _)| [&prefix[..], &from[..]]).collect();
        let expected: Vec<Option<Vec<u8>>> =
            asked.iter().map(|key| model.get(&(column, key.to_vec())).cloned()).collect();
        assert_eq!(reader.get_many(column, &asked).unwrap(), expected);
        for (key, value) in asked.iter().zip(&expected) {
            assert_eq!(&reader.get(column, key).unwrap(), value);
        }
        for (prefix, from, limit) in queries.iter().chain([&(vec![], vec![], usize::MAX)]) {
            let expected: Vec<Entry> = model
                .iter()
                .filter(|((of, key), _)| *of == column && key.starts_with(prefix) && key >= from)
                .take(*limit)
                .map(|((_, key), value)| (key.clone(), value.clone()))
                .collect();
            let found: Result<Vec<Entry>, StorageError> = reader.range(column, prefix, from, *limit).unwrap().collect();
            assert_eq!(found.unwrap(), expected);
        }
    }
}

/// Every read, now and on every snapshot ever taken, equals the model's.
fn engine_equals_model(mut subject: impl Subject, steps: Vec<Step>, queries: &[(Vec<u8>, Vec<u8>, usize)]) {
    let mut model = Model::new();
    let mut snapshots: Vec<(Arc<dyn Snapshot>, Model)> = Vec::new();
    for step in steps {
        let mut batch = Batch::new();
        for (column, key, value) in &step.writes {
            if let Some(value) = value {
                batch.put(*column, key, value);
                model.insert((*column, key.clone()), value.clone());
            } else {
                batch.delete(*column, key);
                model.remove(&(*column, key.clone()));
            }
        }
        let durability = if step.synced { Durability::Synced } else { Durability::Buffered };
        subject.engine().write(batch, durability).unwrap();
        check(subject.engine(), &model, queries);
        for (snapshot, then) in &snapshots {
            check(&**snapshot, then, queries);
        }
        if step.keep_snapshot {
            snapshots.push((subject.engine().snapshot(), model.clone()));
        }
        if step.reopen {
            snapshots.clear();
            subject = subject.reopen();
            check(subject.engine(), &model, queries);
        }
    }
}

/// A cursor sees the instant it was made at.
fn cursors_see_one_instant(subject: &impl Subject) {
    let engine = subject.engine();
    let write = |value: u8, keys: std::ops::Range<u16>| {
        let mut batch = Batch::new();
        for key in keys {
            batch.put(Column::State, &key.to_be_bytes(), &[value]);
        }
        engine.write(batch, Durability::Buffered).unwrap();
    };
    write(1, 0..2000);
    let snapshot = engine.snapshot();
    let mut on_engine = engine.range(Column::State, &[], &[], usize::MAX).unwrap();
    let mut on_snapshot = snapshot.range(Column::State, &[], &[], usize::MAX).unwrap();
    assert_eq!(on_engine.next().unwrap().unwrap().1, [1]);
    write(2, 0..3000);
    assert!(on_engine.all(|entry| entry.unwrap().1 == [1]));
    assert_eq!(on_snapshot.by_ref().map(|entry| entry.unwrap()).filter(|(_, value)| value == &[1]).count(), 2000);
    assert_eq!(engine.range(Column::State, &[], &[], usize::MAX).unwrap().count(), 3000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_equals_model(steps in steps(), queries in queries()) {
        engine_equals_model(Memory::new(), steps, &queries);
    }

    #[test]
    fn crash_engine_equals_model(steps in steps(), queries in queries()) {
        engine_equals_model(CrashEngine::new(), steps, &queries);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rocksdb_equals_model(steps in steps(), queries in queries()) {
        engine_equals_model(Rocks::new(), steps, &queries);
    }
}

#[test]
fn cursors_see_one_instant_on_every_engine() {
    cursors_see_one_instant(&Memory::new());
    cursors_see_one_instant(&CrashEngine::new());
    cursors_see_one_instant(&Rocks::new());
}
