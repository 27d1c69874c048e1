//! A store in memory, with snapshots.
//!
//! Every key keeps the versions that some live snapshot can still see. A version that a write hides is noted; once
//! no snapshot is old enough to see it, the next write drops it. So a write costs what it changes, and memory is
//! bounded by the data and what snapshots hold on to.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Batch, Column, Cursor, Durability, Engine, Entry, Metrics, Reader, Snapshot, StorageError};

/// The entries that a cursor takes at a time, so that a long scan keeps no writer waiting.
const CURSOR_ENTRIES: usize = 256;

/// The values of one key, ascending by the number of the write that set them.
type Versions = Vec<(u64, Option<Arc<[u8]>>)>;
type Map = BTreeMap<Arc<[u8]>, Versions>;

/// A store in memory. Clones are the same store.
#[derive(Clone, Default)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: RwLock<Inner>,
    batches: AtomicU64,
    log_syncs: AtomicU64,
}

#[derive(Default)]
struct Inner {
    /// One for each column; missing at the end where nothing was written yet.
    columns: Vec<Map>,
    /// The number of the last write.
    version: u64,
    /// How many snapshots there are of each version.
    live: BTreeMap<u64, usize>,
    /// What was hidden by which write, ascending.
    hidden: VecDeque<(u64, Column, Arc<[u8]>)>,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // A panic elsewhere leaves the maps whole enough to read: each change below is one insertion.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value that a reader of this version sees.
fn visible(versions: &Versions, version: u64) -> Option<&Arc<[u8]>> {
    let (_, value) = versions.iter().rev().find(|(written, _)| *written <= version)?;
    value.as_ref()
}

impl Inner {
    fn find(&self, column: Column, key: &[u8], version: u64) -> Option<&Arc<[u8]>> {
        visible(self.columns.get(column.index())?.get(key)?, version)
    }

    fn apply(&mut self, batch: &Batch) {
        self.version += 1;
        self.columns.resize_with(Column::ALL.len(), Map::new);
        for operation in batch.iter() {
            let Some(map) = self.columns.get_mut(operation.column.index()) else { continue };
            let value = operation.value.map(Arc::from);
            if let Some(versions) = map.get_mut(operation.key) {
                match versions.last_mut() {
                    Some(last) if last.0 == self.version => last.1 = value,
                    _ => versions.push((self.version, value)),
                }
            } else if value.is_some() {
                map.insert(Arc::from(operation.key), vec![(self.version, value)]);
                continue;
            } else {
                continue;
            }
            self.hidden.push_back((self.version, operation.column, Arc::from(operation.key)));
        }
        self.forget_hidden();
    }

    /// Drops what no snapshot can see any more.
    fn forget_hidden(&mut self) {
        let oldest = self.live.keys().next().copied().unwrap_or(self.version);
        while let Some((_, column, key)) = self.hidden.pop_front_if(|(version, ..)| *version <= oldest) {
            let Some(map) = self.columns.get_mut(column.index()) else { continue };
            let Some(versions) = map.get_mut(&key) else { continue };
            let seen = versions.iter().rposition(|(written, _)| *written <= oldest).unwrap_or(0);
            versions.drain(..seen);
            if let [(written, None)] = versions.as_slice()
                && *written <= oldest
            {
                map.remove(&key);
            }
        }
    }

    fn take(&self, query: &Query, version: u64) -> Vec<Entry> {
        let Some(map) = self.columns.get(query.column.index()) else { return Vec::new() };
        map.range::<[u8], _>((query.start.as_ref().map(Vec::as_slice), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(&query.prefix))
            .filter_map(|(key, versions)| visible(versions, version).map(|value| (key.to_vec(), value.to_vec())))
            .take(query.limit.min(CURSOR_ENTRIES))
            .collect()
    }
}

/// What is left of a scan.
struct Query {
    column: Column,
    prefix: Vec<u8>,
    start: Bound<Vec<u8>>,
    limit: usize,
}

/// A store in memory as it was at one write.
struct MemorySnapshot {
    shared: Arc<Shared>,
    version: u64,
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        let mut inner = self.shared.write();
        if let Some(count) = inner.live.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                inner.live.remove(&self.version);
            }
        }
    }
}

struct MemoryCursor {
    snapshot: Arc<MemorySnapshot>,
    query: Query,
    taken: std::vec::IntoIter<Entry>,
}

impl Iterator for MemoryCursor {
    type Item = Result<Entry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.taken.next() {
            return Some(Ok(entry));
        }
        if self.query.limit == 0 {
            return None;
        }
        let entries = self.snapshot.shared.read().take(&self.query, self.snapshot.version);
        match entries.last() {
            Some((key, _)) => {
                self.query.start = Bound::Excluded(key.clone());
                self.query.limit -= entries.len();
            }
            None => self.query.limit = 0,
        }
        self.taken = entries.into_iter();
        self.taken.next().map(Ok)
    }
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn now(&self) -> Arc<MemorySnapshot> {
        let mut inner = self.shared.write();
        let version = inner.version;
        *inner.live.entry(version).or_default() += 1;
        Arc::new(MemorySnapshot { shared: Arc::clone(&self.shared), version })
    }

    /// A store of its own with what this one holds now.
    pub(crate) fn copy(&self) -> Self {
        let inner = self.shared.read();
        let keep_last = |map: &Map| {
            map.iter()
                .filter_map(|(key, versions)| {
                    let value = versions.last()?.1.clone()?;
                    Some((Arc::clone(key), vec![(0, Some(value))]))
                })
                .collect()
        };
        let columns = inner.columns.iter().map(keep_last).collect();
        let inner = RwLock::new(Inner { columns, ..Inner::default() });
        Self { shared: Arc::new(Shared { inner, ..Shared::default() }) }
    }

    /// The versions and notes that are kept: how tests see that nothing leaks.
    #[cfg(test)]
    fn kept(&self) -> (usize, usize) {
        let inner = self.shared.read();
        (inner.columns.iter().flat_map(|map| map.values()).map(Vec::len).sum(), inner.hidden.len())
    }
}

fn cursor(snapshot: Arc<MemorySnapshot>, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Cursor<'static> {
    let query = Query { column, prefix: prefix.to_vec(), start: Bound::Included(prefix.max(from).to_vec()), limit };
    Box::new(MemoryCursor { snapshot, query, taken: Vec::new().into_iter() })
}

impl Reader for Memory {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let inner = self.shared.read();
        Ok(inner.find(column, key, inner.version).map(|value| value.to_vec()))
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        Ok(cursor(self.now(), column, prefix, from, limit))
    }
}

impl Engine for Memory {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(SnapshotHandle(self.now()))
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        self.shared.write().apply(&batch);
        self.shared.batches.fetch_add(1, Ordering::Relaxed);
        if durability == Durability::Synced {
            self.shared.log_syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            batches: self.shared.batches.load(Ordering::Relaxed),
            log_syncs: self.shared.log_syncs.load(Ordering::Relaxed),
            ..Metrics::default()
        }
    }
}

/// What is handed out: cursors keep the snapshot below alive on their own.
struct SnapshotHandle(Arc<MemorySnapshot>);

impl Reader for SnapshotHandle {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.shared.read().find(column, key, self.0.version).map(|value| value.to_vec()))
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        Ok(cursor(Arc::clone(&self.0), column, prefix, from, limit))
    }
}

impl Snapshot for SnapshotHandle {}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(engine: &Memory, key: u8, value: Option<u8>) {
        let mut batch = Batch::new();
        match value {
            Some(value) => batch.put(Column::State, &[key], &[value]),
            None => batch.delete(Column::State, &[key]),
        }
        engine.write(batch, Durability::Buffered).unwrap();
    }

    #[test]
    fn hidden_versions_go_once_no_snapshot_sees_them() {
        let engine = Memory::new();
        for round in 0..100 {
            put(&engine, 1, Some(round));
            put(&engine, 2, Some(round));
            put(&engine, 2, None);
        }
        assert_eq!(engine.kept(), (1, 0));
        let snapshot = engine.snapshot();
        for round in 0..100 {
            put(&engine, 1, Some(round));
        }
        assert_eq!(snapshot.get(Column::State, &[1]).unwrap(), Some(vec![99]));
        drop(snapshot);
        put(&engine, 1, None);
        assert_eq!(engine.kept(), (0, 0));
    }
}
