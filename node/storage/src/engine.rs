//! What an engine must do.

use std::sync::Arc;

use crate::{Batch, Column, StorageError};

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Entries in ascending order of their keys, read as they are asked for. After an error it ends.
pub type Cursor<'a> = Box<dyn Iterator<Item = Result<Entry, StorageError>> + Send + 'a>;

/// Whether a write must be on disk before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk when the call returns, with all that was buffered before it.
    Synced,
    /// Survives the process, but not the machine, until a later synced write returns. Of several such batches any
    /// may then be missing, each as a whole: one that relies on an earlier one is synced.
    Buffered,
}

/// Reads.
pub trait Reader: Send + Sync {
    /// The value of a key, or nothing where there is no such key.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// The values of many keys, in the order of the keys.
    fn get_many(&self, column: Column, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        keys.iter().map(|key| self.get(column, key)).collect()
    }

    /// At most `limit` entries whose keys begin with `prefix` and are not below `from`, ascending. The cursor sees
    /// one instant, that of this call or of the snapshot it is called on, however long it is used.
    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError>;
}

/// The store at one instant: what later writes do is never seen. It holds space for as long as it is kept.
pub trait Snapshot: Reader {}

/// A store. Its own reads see each batch whole as soon as its write has returned, and no part of a batch before the
/// rest: two reads may see two instants, though; take a [`Snapshot`] to read one.
pub trait Engine: Reader {
    /// The store as it is now.
    fn snapshot(&self) -> Arc<dyn Snapshot>;

    /// Writes the whole batch or nothing of it.
    ///
    /// # Errors
    /// After [`StorageError::Write`] it is unknown whether the batch survives: the caller must open the store anew
    /// before it believes anything.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError>;

    /// Moves what the log holds into sorted files and waits for it, so that the next opening has little to read
    /// again. Nothing needs it for durability.
    ///
    /// # Errors
    /// The disk refuses; nothing is lost by that.
    fn flush(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Counters since the store was opened.
    fn metrics(&self) -> Metrics;
}

/// Counters of an engine since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Batches written.
    pub batches: u64,
    /// Times the log was synced to disk for them; RocksDB's `rocksdb.wal.synced`.
    pub log_syncs: u64,
    /// Bytes that went into the log.
    pub log_bytes: u64,
    /// Bytes that compaction wrote.
    pub compaction_bytes: u64,
    /// Reads of blocks that the cache had.
    pub block_cache_hits: u64,
    /// Reads of blocks that the cache had not.
    pub block_cache_misses: u64,
    /// Bytes of the store's sorted files and of what waits to get there.
    pub live_bytes: u64,
}
