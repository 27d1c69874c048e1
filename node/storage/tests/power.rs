//! Power losses under RocksDB: whatever instant, everything synced is there, and every batch whole or not at all.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use entente_disk::{Disk, Unsynced};
use entente_storage::{Batch, Column, Durability, Engine, Reader, RocksDb, SharedResources};

/// How many times the power goes in the short form.
const TRIALS: u32 = 40;

fn open(path: &Path, disk: &Disk) -> RocksDb {
    RocksDb::open_on(path, &SharedResources::new(1 << 20, 1 << 20), Some(&disk.env())).unwrap()
}

/// The numbers of all batches that are there, each of which wrote to two columns and removed what the one before it
/// put into a third.
fn batches(engine: &RocksDb) -> BTreeSet<u32> {
    let numbers = |column| -> BTreeSet<u32> {
        let entries = engine.range(column, &[], &[], usize::MAX).unwrap();
        entries.map(|entry| u32::from_be_bytes(entry.unwrap().0.try_into().unwrap())).collect()
    };
    let found = numbers(Column::State);
    assert_eq!(numbers(Column::History), found);
    let mut last = BTreeSet::new();
    for number in &found {
        last.remove(&number.wrapping_sub(1));
        last.insert(*number);
    }
    assert_eq!(numbers(Column::Meta), last);
    found
}

fn write(engine: &RocksDb, number: u32, durability: Durability) -> bool {
    let mut batch = Batch::new();
    let key = number.to_be_bytes();
    batch.put(Column::State, &key, &[number as u8; 700]);
    batch.put(Column::History, &key, &[1; 300]);
    if let Some(before) = number.checked_sub(1) {
        batch.delete(Column::Meta, &before.to_be_bytes());
    }
    batch.put(Column::Meta, &key, &[]);
    engine.write(batch, durability).is_ok()
}

#[test]
fn what_was_synced_is_there_after_the_power_went() {
    let trials = std::env::var("ENTENTE_POWER_TRIALS").ok().and_then(|text| text.parse().ok()).unwrap_or(TRIALS);
    // The disk is simulated, so that the real one need not be waited for.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let disk = Disk::new();
    let (mut lost, mut kept, mut repaired) = (0, 0, 0);
    for trial in 0..trials {
        let engine = open(folder.path(), &disk);
        let before = batches(&engine);
        let first = before.last().map_or(0, |last| last + 1);
        let gone = AtomicBool::new(false);
        let (written, synced) = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Sometimes among the first writes, sometimes after buffers were written out to files.
                std::thread::sleep(Duration::from_micros(u64::from(trial * 7919 % 9_000)));
                disk.cut_power();
                gone.store(true, Ordering::SeqCst);
            });
            let (mut number, mut synced) = (first, first);
            while number < first + 20_000 {
                let durability = if number % 8 == 0 { Durability::Synced } else { Durability::Buffered };
                if !write(&engine, number, durability) {
                    break;
                }
                number += 1;
                if durability == Durability::Synced {
                    synced = number;
                }
            }
            while !gone.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            (number, synced)
        });
        drop(engine);
        disk.restore_power(match trial % 4 {
            0 => Unsynced::Lost,
            1 => Unsynced::Torn(trial),
            _ => Unsynced::Reordered(trial),
        });
        let engine = open(folder.path(), &disk);
        let found = batches(&engine);
        repaired += u32::from(engine.repaired());
        assert!(before.is_subset(&found), "trial {trial}");
        assert!((first..synced).all(|number| found.contains(&number)), "trial {trial}");
        // The write that failed was under way: it may be there.
        assert!(found.last().is_none_or(|last| *last <= written), "trial {trial}");
        lost += u32::from((synced..written).any(|number| !found.contains(&number)));
        kept += u32::from((synced..=written).any(|number| found.contains(&number)));
    }
    println!("{trials} losses: {lost} lost something, {kept} kept more than was synced, {repaired} repaired a log");
    // Both kinds of ending occurred, or the test tests nothing.
    assert!(lost > 0 && kept > 0, "{lost} {kept}");
}
