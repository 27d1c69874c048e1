//! A ledger for those who test contracts: kept in memory, taken back to what it was before, its rows set from outside.
//!
//! It makes its store itself, and that store alone can be taken back: no ledger that lies on a disk, and none of a node
//! that has others beside it, can be cut or written to in these ways.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entente_state::{Change, ChangeSet, Row};
use entente_storage::{Batch, Column, Cursor, Durability, Engine, Memory, Metrics, Reader, Snapshot, StorageError};
use parity_scale_codec::Encode;

use crate::{
    CreateError, GenesisRecord, HistoryRetention, Ledger, LedgerOptions, ReadError, SnapshotOptions,
    append::put_tip,
    format::{Stored, decode, decode_row, history_key, history_list_key, put_row},
    ledger::Published,
    open::stored,
};

/// What a write replaced.
struct Replaced {
    column: Column,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// A store in memory that remembers what every write replaced.
#[derive(Default)]
struct Undoable {
    memory: Memory,
    replaced: Mutex<Vec<Replaced>>,
}

impl Undoable {
    fn replaced(&self) -> MutexGuard<'_, Vec<Replaced>> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts back what all writes but the first of them replaced, the last one first.
    fn take_back(&self, kept: usize) -> Result<(), StorageError> {
        let mut replaced = self.replaced();
        let mut batch = Batch::new();
        let kept = kept.min(replaced.len());
        for Replaced { column, key, value } in replaced.drain(kept..).rev() {
            match value {
                Some(value) => batch.put(column, &key, &value),
                None => batch.delete(column, &key),
            }
        }
        self.memory.write(batch, Durability::Buffered)
    }
}

impl Reader for Undoable {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.memory.get(column, key)
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        self.memory.range(column, prefix, from, limit)
    }
}

impl Engine for Undoable {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.memory.snapshot()
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        let mut replaced = self.replaced();
        for operation in batch.iter() {
            let value = self.memory.get(operation.column, operation.key)?;
            replaced.push(Replaced { column: operation.column, key: operation.key.to_vec(), value });
        }
        self.memory.write(batch, durability)
    }

    fn metrics(&self) -> Metrics {
        self.memory.metrics()
    }
}

/// How far a [`DevLedger`] had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DevMark(usize);

/// A ledger that can be taken back, with the store that it made for itself.
pub struct DevLedger {
    ledger: Arc<Ledger>,
    store: Arc<Undoable>,
}

impl DevLedger {
    /// Makes the ledger of a group in memory: block 0. The state of every height is kept.
    ///
    /// # Errors
    /// The document is refused, or block 0 does not fit it.
    pub fn create(record: GenesisRecord) -> Result<Self, CreateError> {
        // A row that is kept in memory twice could outlive what it was read from.
        let options = LedgerOptions {
            history: HistoryRetention::Archive,
            row_cache_bytes: 0,
            snapshots: SnapshotOptions { interval_blocks: u64::MAX, ..SnapshotOptions::default() },
        };
        let store = Arc::new(Undoable::default());
        let engine: Arc<dyn Engine> = Arc::clone(&store) as _;
        Ok(Self { ledger: Arc::new(Ledger::create_with(engine, record, options)?), store })
    }

    /// The ledger, for all that any ledger does.
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where it stands now.
    pub fn mark(&self) -> DevMark {
        DevMark(self.store.replaced().len())
    }

    /// Takes everything back that was written since it stood there. Readers that hold a state keep it. Nobody may append
    /// meanwhile.
    ///
    /// # Errors
    /// The store does not hold what was written to it.
    pub fn take_back(&self, mark: DevMark) -> Result<(), ReadError> {
        self.store.take_back(mark.0)?;
        self.ledger.pins.clear();
        self.ledger.publish(stored(self.store.snapshot())?);
        Ok(())
    }

    /// Sets rows of the state after the last block, as if that block had left them so. The commitment follows; the
    /// block's header does not. Nobody may append meanwhile.
    ///
    /// # Errors
    /// The store does not hold what was written to it.
    pub fn set_rows(&self, changes: &ChangeSet) -> Result<(), ReadError> {
        let before = self.ledger.published();
        let mut commitment = before.commitment.clone();
        changes.apply_to(self.ledger.suite(), &mut commitment);
        let mut batch = Batch::new();
        for Change { row, new, .. } in changes.iter() {
            put_row(&mut batch, row, new.as_deref());
        }
        if before.tip.number > before.history_floor {
            self.add_history(&mut batch, &before, changes)?;
        }
        put_tip(&mut batch, before.tip, before.history_floor, &commitment);
        self.store.write(batch, Durability::Buffered)?;
        self.ledger.publish(Published { commitment, snapshot: self.store.snapshot(), ..*before });
        Ok(())
    }

    /// The rows of the state after the last block, in their order, with what they hold.
    ///
    /// # Errors
    /// The store does not hold what was written to it; each row has its own.
    pub fn rows(&self) -> Result<impl Iterator<Item = Result<(Row, Vec<u8>), ReadError>> + '_, ReadError> {
        let entries = self.store.range(Column::State, &[], &[], usize::MAX)?;
        Ok(entries.map(|entry| {
            let (key, bytes) = entry?;
            let row =
                Row::from_bytes(&key).map_err(|error| ReadError::damaged(Column::State, &key, error.to_string()))?;
            Ok((row, decode_row(&key, &bytes)?))
        }))
    }

    /// Of heights below the tip the rows are read as they were: what the tip's block did not overwrite itself is noted as
    /// if it had.
    fn add_history(&self, batch: &mut Batch, before: &Published, changes: &ChangeSet) -> Result<(), ReadError> {
        let height = before.tip.number;
        let list_key = history_list_key(height);
        let mut rows = match self.store.get(Column::History, &list_key)? {
            Some(bytes) => decode::<Stored<Vec<Vec<u8>>>>(Column::History, &list_key, &bytes)?.value,
            None => Vec::new(),
        };
        for Change { row, old, .. } in changes.iter() {
            let key = history_key(row.as_bytes(), height);
            if self.store.get(Column::History, &key)?.is_none() {
                batch.put(Column::History, &key, &Stored::new(old.clone()).encode());
                rows.push(row.as_bytes().to_vec());
            }
        }
        batch.put(Column::History, &list_key, &Stored::new(rows).encode());
        Ok(())
    }
}
