//! A store in memory that loses what was not synced, on purpose.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{Batch, Column, Cursor, Durability, Engine, Memory, Metrics, Reader, Snapshot, StorageError};

/// A store whose machine can lose its power: what was buffered and not yet synced is then gone, batch by whole batch
/// from the latest. Clones are the same store.
#[derive(Clone, Default)]
pub struct CrashEngine {
    /// What running code sees.
    current: Memory,
    disk: Arc<Disk>,
}

#[derive(Default)]
struct Disk {
    state: Mutex<DiskState>,
    failing: AtomicBool,
}

#[derive(Default)]
struct DiskState {
    synced: Memory,
    buffered: Vec<Batch>,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, DiskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CrashEngine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The store as the machine finds it after its power was gone: with everything synced, and of what was buffered
    /// nothing.
    pub fn crash(&self) -> Self {
        self.crash_keeping(0)
    }

    /// The same, but the disk had already taken the first `kept` of the buffered batches, as disks may.
    pub fn crash_keeping(&self, kept: usize) -> Self {
        let state = self.disk.state();
        let synced = state.synced.copy();
        for batch in state.buffered.iter().take(kept) {
            // Writing to memory cannot fail.
            let _ = synced.write(batch.clone(), Durability::Synced);
        }
        let disk = DiskState { synced: synced.copy(), buffered: Vec::new() };
        Self { current: synced, disk: Arc::new(Disk { state: Mutex::new(disk), failing: AtomicBool::new(false) }) }
    }

    /// How many batches are buffered.
    pub fn buffered(&self) -> usize {
        self.disk.state().buffered.len()
    }

    /// From now on every write fails, or works again.
    pub fn fail_writes(&self, failing: bool) {
        self.disk.failing.store(failing, Ordering::SeqCst);
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
        if self.disk.failing.load(Ordering::SeqCst) {
            return Err(StorageError::Write { path: "memory".into(), message: "told to fail".to_owned() });
        }
        let mut state = self.disk.state();
        state.buffered.push(batch.clone());
        if durability == Durability::Synced {
            for batch in std::mem::take(&mut state.buffered) {
                state.synced.write(batch, Durability::Synced)?;
            }
        }
        self.current.write(batch, durability)
    }

    fn metrics(&self) -> Metrics {
        self.current.metrics()
    }
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
}
