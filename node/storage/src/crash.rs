//! A store in memory that loses what was not synced, on purpose.
//!
//! Below it lies a log on a simulated disk, written in sectors. What was not synced when the power goes is kept,
//! lost or torn sector by sector, in any combination: so later writes can be there without earlier ones. Reading the
//! log again takes the records that are whole.

use std::{
    hash::{DefaultHasher, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Batch, Column, Cursor, Durability, Engine, Memory, Metrics, Reader, Snapshot, StorageError};

/// The bytes that the simulated disk writes at once.
pub const SECTOR_BYTES: usize = 512;
/// The bytes before a record's writes: their length, a checksum, the number of the record.
const RECORD_HEAD_BYTES: usize = 20;

/// A store whose machine can lose its power. Clones are the same store.
#[derive(Clone, Default)]
pub struct CrashEngine {
    /// What running code sees.
    current: Memory,
    disk: Arc<Mutex<Disk>>,
}

/// What became of one sector that was written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sector {
    /// It reached the disk.
    Written,
    /// It did not: zeros are there.
    Lost,
    /// So many of its bytes did, zeros follow.
    Torn(usize),
}

#[derive(Default)]
struct Disk {
    synced: Memory,
    /// The log above what is synced.
    log: Vec<u8>,
    /// Where the records of the log end.
    ends: Vec<usize>,
    /// The number of the next record.
    next: u64,
    failing: bool,
    /// The writes until the power goes.
    writes_left: Option<u64>,
}

impl Disk {
    /// Counts a write; an error where the disk takes none.
    fn count(&mut self) -> Result<(), StorageError> {
        if self.failing {
            return Err(write_error("told to fail"));
        }
        if let Some(left) = &mut self.writes_left {
            *left = left.checked_sub(1).ok_or_else(|| write_error("the power is gone"))?;
        }
        Ok(())
    }

    fn append(&mut self, batch: &Batch) {
        put_record(&mut self.log, self.next, batch);
        self.ends.push(self.log.len());
        self.next += 1;
    }

    /// The batches of the log, or of what became of it, that are whole.
    fn whole(&self, log: &[u8]) -> Vec<Batch> {
        let first = self.next - self.ends.len() as u64;
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let places = starts.zip(&self.ends).zip(first..);
        places.filter_map(|((start, end), number)| record(log.get(start..*end)?, number)).collect()
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        for batch in self.whole(&self.log) {
            self.synced.write(batch, Durability::Synced)?;
        }
        self.log.clear();
        self.ends.clear();
        Ok(())
    }
}

fn write_error(message: &str) -> StorageError {
    StorageError::Write { path: "memory".into(), message: message.to_owned() }
}

impl CrashEngine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store as the machine finds it after its power was gone: with everything synced, and of what was buffered
    /// nothing.
    pub fn crash(&self) -> Self {
        self.crash_keeping(0)
    }

    /// The same, but the disk had already taken the first `kept` of the buffered batches, as disks may.
    pub fn crash_keeping(&self, kept: usize) -> Self {
        let disk = self.disk();
        let end = kept.min(disk.ends.len()).checked_sub(1).and_then(|last| disk.ends.get(last)).copied();
        Self::found(&disk, disk.log.get(..end.unwrap_or(0)).unwrap_or_default())
    }

    /// The same, where `fate` says of each sector that was not synced, in their order, what became of it.
    pub fn crash_damaged(&self, fate: &mut dyn FnMut() -> Sector) -> Self {
        let disk = self.disk();
        let mut log = disk.log.clone();
        for sector in log.chunks_mut(SECTOR_BYTES) {
            let kept = match fate() {
                Sector::Written => sector.len(),
                Sector::Lost => 0,
                Sector::Torn(kept) => kept.min(sector.len()),
            };
            sector.iter_mut().skip(kept).for_each(|byte| *byte = 0);
        }
        Self::found(&disk, &log)
    }

    /// What a machine finds whose disk holds this log above what was synced.
    fn found(disk: &Disk, log: &[u8]) -> Self {
        let synced = disk.synced.copy();
        for batch in disk.whole(log) {
            // Writing to memory cannot fail.
            let _ = synced.write(batch, Durability::Synced);
        }
        let current = synced.copy();
        Self { current, disk: Arc::new(Mutex::new(Disk { synced, next: disk.next, ..Disk::default() })) }
    }

    /// How many batches are buffered.
    pub fn buffered(&self) -> usize {
        self.disk().ends.len()
    }

    /// From now on every write fails, or works again.
    pub fn fail_writes(&self, failing: bool) {
        self.disk().failing = failing;
    }

    /// Lets so many more writes through. The next one is on its way to the disk when the power goes: it fails, and
    /// may be found after the crash, or not. All later ones fail.
    pub fn lose_power_after(&self, writes: u64) {
        self.disk().writes_left = Some(writes);
    }
}

impl Reader for CrashEngine {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.current.get(column, key)
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        self.current.range(column, prefix, from, limit)
    }
}

impl Engine for CrashEngine {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.current.snapshot()
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        let mut disk = self.disk();
        if let Err(error) = disk.count() {
            // The first one that finds the power gone was under way.
            if !disk.failing {
                disk.append(&batch);
                disk.failing = true;
            }
            return Err(error);
        }
        disk.append(&batch);
        if durability == Durability::Synced {
            disk.sync()?;
        }
        self.current.write(batch, durability)
    }

    fn metrics(&self) -> Metrics {
        self.current.metrics()
    }
}

/// Appends a record: the length of its writes as u32, a checksum as u64, its number as u64, all little-endian, and
/// its writes.
fn put_record(log: &mut Vec<u8>, number: u64, batch: &Batch) {
    let mut writes = Vec::with_capacity(batch.size() + batch.len() * 10);
    for operation in batch.iter() {
        writes.push(operation.column.index() as u8);
        put_bytes(&mut writes, operation.key);
        writes.push(u8::from(operation.value.is_some()));
        put_bytes(&mut writes, operation.value.unwrap_or_default());
    }
    log.extend_from_slice(&(writes.len() as u32).to_le_bytes());
    log.extend_from_slice(&checksum(number, &writes).to_le_bytes());
    log.extend_from_slice(&number.to_le_bytes());
    log.extend_from_slice(&writes);
}

fn put_bytes(target: &mut Vec<u8>, bytes: &[u8]) {
    target.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    target.extend_from_slice(bytes);
}

/// Covers the number too: zeros are no record.
fn checksum(number: u64, writes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(number);
    hasher.write(writes);
    hasher.finish()
}

/// The batch of a record, if it is whole and has this number.
fn record(bytes: &[u8], number: u64) -> Option<Batch> {
    let (head, writes) = bytes.split_at_checked(RECORD_HEAD_BYTES)?;
    let length = u32::from_le_bytes(head.get(..4)?.try_into().ok()?) as usize;
    let sum = u64::from_le_bytes(head.get(4..12)?.try_into().ok()?);
    let found = u64::from_le_bytes(head.get(12..)?.try_into().ok()?);
    let whole = found == number && length == writes.len() && sum == checksum(number, writes);
    whole.then(|| decode_writes(writes)).flatten()
}

fn decode_writes(mut rest: &[u8]) -> Option<Batch> {
    let mut batch = Batch::new();
    while let Some((column, after)) = rest.split_first() {
        let column = *Column::ALL.get(usize::from(*column))?;
        let (key, after) = take_bytes(after)?;
        let (there, after) = after.split_first()?;
        let (value, after) = take_bytes(after)?;
        if *there == 1 {
            batch.put(column, key, value);
        } else {
            batch.delete(column, key);
        }
        rest = after;
    }
    Some(batch)
}

fn take_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(engine: &CrashEngine, key: u8, durability: Durability) {
        let mut batch = Batch::new();
        batch.put(Column::State, &[key], &[key]);
        batch.put(Column::Meta, &[key], &[key]);
        engine.write(batch, durability).unwrap();
    }

    fn keys(engine: &CrashEngine, column: Column) -> Vec<u8> {
        engine.range(column, &[], &[], usize::MAX).unwrap().map(|entry| entry.unwrap().0[0]).collect()
    }

    #[test]
    fn a_synced_write_takes_the_buffered_ones_along_and_the_rest_is_lost_whole() {
        let engine = CrashEngine::new();
        put(&engine, 1, Durability::Buffered);
        put(&engine, 2, Durability::Synced);
        put(&engine, 3, Durability::Buffered);
        put(&engine, 4, Durability::Buffered);
        assert_eq!(engine.buffered(), 2);
        for (kept, expected) in [(0, &[1, 2][..]), (1, &[1, 2, 3]), (2, &[1, 2, 3, 4])] {
            let after = engine.crash_keeping(kept);
            assert_eq!(keys(&after, Column::State), expected);
            assert_eq!(keys(&after, Column::Meta), expected);
            assert_eq!(keys(&after.crash(), Column::State), expected);
        }
        assert_eq!(keys(&engine, Column::State), [1, 2, 3, 4]);
    }

    #[test]
    fn a_failing_disk_takes_nothing() {
        let engine = CrashEngine::new();
        engine.fail_writes(true);
        let mut batch = Batch::new();
        batch.put(Column::State, b"a", b"b");
        assert!(matches!(engine.write(batch, Durability::Synced), Err(StorageError::Write { .. })));
        assert_eq!(engine.get(Column::State, b"a").unwrap(), None);
    }

    #[test]
    fn the_write_under_way_is_found_whole_or_not_at_all() {
        for sectors in 0..4_usize {
            let engine = CrashEngine::new();
            put(&engine, 1, Durability::Synced);
            engine.lose_power_after(1);
            put(&engine, 2, Durability::Synced);
            let mut batch = Batch::new();
            batch.put(Column::State, &[3], &[3; 1200]);
            batch.put(Column::Meta, &[3], &[3]);
            let error = engine.write(batch, Durability::Synced).unwrap_err();
            assert!(error.to_string().contains("the power is gone"), "{error}");
            let mut batch = Batch::new();
            batch.put(Column::State, &[4], &[4]);
            assert!(engine.write(batch, Durability::Buffered).is_err());
            assert_eq!(engine.buffered(), 1);
            let mut left = sectors;
            let after = engine.crash_damaged(&mut || {
                let fate = if left > 0 { Sector::Written } else { Sector::Torn(100) };
                left = left.saturating_sub(1);
                fate
            });
            // 1,200 bytes and their heads take three sectors.
            let expected: &[u8] = if sectors == 3 { &[1, 2, 3] } else { &[1, 2] };
            assert_eq!(keys(&after, Column::State), expected);
            assert_eq!(keys(&after, Column::Meta), expected);
        }
    }

    #[test]
    fn what_a_lost_sector_held_is_missing_and_the_rest_is_there() {
        let engine = CrashEngine::new();
        for key in 1..=60 {
            put(&engine, key, Durability::Buffered);
        }
        let mut number = 0;
        let after = engine.crash_damaged(&mut || {
            number += 1;
            if number == 3 { Sector::Lost } else { Sector::Written }
        });
        let found = keys(&after, Column::State);
        assert!(found.len() > 30 && found.len() < 60, "{found:?}");
        assert_eq!((found[0], found[found.len() - 1]), (1, 60));
        assert_eq!(keys(&after, Column::Meta), found);
        // What is written from then on is read again after another crash.
        put(&after, 99, Durability::Synced);
        assert_eq!(keys(&after.crash(), Column::State).last(), Some(&99));
    }
}
