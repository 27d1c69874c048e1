//! A disk below RocksDB whose power goes on command, and that loses or tears what was not synced.
//!
//! It owns the C++ shim over RocksDB's own faulty environment (`utilities/fault_injection_env.h`). Only tests use it;
//! no node contains it.

mod shim;

use std::sync::Arc;

/// A disk. Clones are the same disk; files lie on the real one below, but for what was not synced.
#[derive(Clone)]
pub struct Disk {
    shim: Arc<shim::Handle>,
}

/// What becomes of the bytes that were not synced when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them are lost.
    Lost,
    /// Of each file a part, drawn from this seed, is there: the last write is torn.
    Torn(u32),
    /// As torn, and of what is there some sectors are zeros, drawn from this seed: the disk wrote them in another
    /// order.
    Reordered(u32),
}

impl Default for Disk {
    fn default() -> Self {
        Self { shim: Arc::new(shim::Handle::new()) }
    }
}

impl Disk {
    /// A disk with power.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a store is opened on.
    pub fn env(&self) -> rocksdb::Env {
        self.shim.env()
    }

    /// From now on every write and sync fails. A store that is open must then be dropped.
    pub fn cut_power(&self) {
        self.shim.cut_power();
    }

    /// The power comes back; a store can be opened again.
    ///
    /// # Panics
    /// Where the real disk refuses to cut a file.
    pub fn restore_power(&self, unsynced: Unsynced) {
        // As the shim numbers them.
        let (kind, seed) = match unsynced {
            Unsynced::Lost => (0, 0),
            Unsynced::Torn(seed) => (1, seed),
            Unsynced::Reordered(seed) => (2, seed),
        };
        assert!(self.shim.restore_power(kind, seed), "the real disk refused to cut a file");
    }
}
