//! A disk in memory that can be full.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use entente_storage::{Batch, Column, Cursor, Durability, Engine, Memory, Metrics, Reader, Snapshot, StorageError};

/// A store that outlives the node on it. What a write that was under way at a crash did is the simulator's choice: a
/// batch happens whole or not at all, as a log with checksums has it (decision 016).
#[derive(Clone, Default)]
pub(crate) struct SimulatedDisk {
    memory: Memory,
    full: Arc<AtomicBool>,
}

impl SimulatedDisk {
    /// Whether writes fail from now on.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Whether they do.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
}

impl Reader for SimulatedDisk {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.memory.get(column, key)
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        self.memory.range(column, prefix, from, limit)
    }
}

impl Engine for SimulatedDisk {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.memory.snapshot()
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        if self.is_full() {
            return Err(StorageError::Write { path: "simulated".into(), message: "no space left on device".into() });
        }
        self.memory.write(batch, durability)
    }

    fn metrics(&self) -> Metrics {
        self.memory.metrics()
    }
}
