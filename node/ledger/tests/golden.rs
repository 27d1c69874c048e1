//! The bytes on disk, for good: what this version wrote, every later one reads.

mod support;

use std::{fmt::Write as _, fs, path::Path, sync::Arc};

use entente_ledger::Ledger;
use entente_storage::{Batch, Column, Durability, Engine, Memory};
use support::{Chain, assert_same};

fn chain() -> (Chain, Arc<dyn Engine>) {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    // Of those days.
    chain.genesis.protocol_version = 1;
    let ledger = chain.ledger(engine.clone());
    ledger.append(&chain.next(2, &vec![(1, Some(vec![1, 2, 3])), (200, Some(vec![]))])).unwrap();
    ledger.append(&chain.next(0, &vec![(200, None), (2, Some(vec![4]))])).unwrap();
    (chain, engine)
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/store-1.txt")
}

/// One line for each entry: column, key, value.
#[test]
fn the_stored_bytes_are_those_of_the_first_version() {
    let (_, engine) = chain();
    let mut text = String::new();
    for column in Column::ALL {
        for entry in engine.range(*column, &[], &[], usize::MAX).unwrap() {
            let (key, value) = entry.unwrap();
            writeln!(text, "{} {} {}", column.name(), hex::encode(key), hex::encode(value)).unwrap();
        }
    }
    if std::env::var_os("ENTENTE_BLESS").is_some_and(|value| value == "1") {
        fs::write(path(), &text).unwrap();
    }
    let golden = fs::read_to_string(path()).unwrap();
    for (found, expected) in text.lines().zip(golden.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(text.lines().count(), golden.lines().count());
}

#[test]
fn a_store_of_the_first_version_opens_and_is_whole() {
    let engine = Memory::new();
    let mut batch = Batch::new();
    for line in fs::read_to_string(path()).unwrap().lines() {
        let mut fields = line.split(' ');
        let mut next = || fields.next().unwrap();
        let name = next();
        let column = Column::ALL.iter().find(|column| column.name() == name).unwrap();
        batch.put(*column, &hex::decode(next()).unwrap(), &hex::decode(next()).unwrap());
    }
    engine.write(batch, Durability::Synced).unwrap();
    let (chain, _) = chain();
    let ledger = Ledger::open(Arc::new(engine), &chain.genesis).unwrap();
    assert_same(&ledger, &chain);
    assert_eq!(ledger.state_at(1).unwrap().row(&support::row(200)).unwrap(), Some(entente_state::RowValue::default()));
    assert!(ledger.verify(&mut |_| ()).unwrap().ok);
}
