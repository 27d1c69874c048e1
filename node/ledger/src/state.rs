//! The state at the tip and at heights below it.

use std::sync::{Arc, Mutex, PoisonError};

use entente_state::{Row, RowValue, StateReadError, StateReader};
use entente_storage::{Column, Snapshot};
use entente_types::{BlockNumber, MembersError, sealers_row};

use crate::{
    HistoryError, Ledger, ReadError, Tip, WritesError,
    cache::{Content, RowCache},
    format::{Stored, decode, decode_row, history_list_key, history_prefix},
    ledger::Published,
};

/// A row that a block set or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowWrite {
    /// The row.
    pub row: Row,
    /// What it held after the block; nothing where it was removed.
    pub value: Option<RowValue>,
}

/// The state as it was when some block was the tip, which it may still be.
struct TipState {
    published: Arc<Published>,
    cache: Arc<RowCache>,
}

impl StateReader for TipState {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        let height = self.published.tip.number;
        if let Some(value) = self.cache.find(row, height) {
            return Ok(value);
        }
        let value = stored_row(&*self.published.snapshot, row).map_err(state_error)?;
        self.cache.keep(row, value.as_ref(), height);
        Ok(value)
    }
}

/// The state at a height below the tip of a snapshot: what the first block above it overwrote, else what is there.
struct PastState {
    published: Arc<Published>,
    height: BlockNumber,
}

impl StateReader for PastState {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        self.value(row).map_err(state_error)
    }
}

impl PastState {
    fn value(&self, row: &Row) -> Result<Content, ReadError> {
        match self.overwritten(row)? {
            Some(value) => Ok(value),
            None => stored_row(&*self.published.snapshot, row),
        }
    }

    /// What the first block above the height overwrote, if one did.
    fn overwritten(&self, row: &Row) -> Result<Option<Content>, ReadError> {
        let mut prefix = Vec::with_capacity(row.as_bytes().len() + 11);
        history_prefix(row.as_bytes(), &mut prefix);
        let mut from = prefix.clone();
        from.extend_from_slice(&self.height.saturating_add(1).to_be_bytes());
        let mut found = self.published.snapshot.range(Column::History, &prefix, &from, 1)?;
        let Some(entry) = found.next() else { return Ok(None) };
        let (key, bytes) = entry?;
        Ok(Some(decode::<Stored<Content>>(Column::History, &key, &bytes)?.value))
    }
}

fn stored_row(snapshot: &dyn Snapshot, row: &Row) -> Result<Option<RowValue>, ReadError> {
    match snapshot.get(Column::State, row.as_bytes())? {
        Some(bytes) => decode_row(row.as_bytes(), &bytes).map(|value| Some(value.into())),
        None => Ok(None),
    }
}

/// The rows of a snapshot, past every cache. What went wrong is kept beside the words about it.
struct StoredState<'a> {
    snapshot: &'a dyn Snapshot,
    failure: Mutex<Option<ReadError>>,
}

impl StateReader for StoredState<'_> {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        stored_row(self.snapshot, row).map_err(|error| {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).replace(error.clone());
            state_error(error)
        })
    }
}

/// Reads members from the rows of a snapshot.
pub(crate) fn read_members<T>(
    snapshot: &dyn Snapshot,
    read: impl FnOnce(&dyn StateReader) -> Result<T, MembersError>,
) -> Result<T, ReadError> {
    let state = StoredState { snapshot, failure: Mutex::default() };
    let read = read(&state);
    read.map_err(|error| {
        let failure = state.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.unwrap_or_else(|| ReadError::damaged(Column::State, sealers_row().as_bytes(), error.to_string()))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn state_error(error: ReadError) -> StateReadError {
    StateReadError(error.to_string())
}

impl Ledger {
    /// The state at the tip. It stays as it is when blocks are added.
    pub fn state(&self) -> Arc<dyn StateReader> {
        self.state_with_tip().1
    }

    /// The tip and the state at it, taken together.
    pub fn state_with_tip(&self) -> (Tip, Arc<dyn StateReader>) {
        let published = self.published();
        (published.tip, Arc::new(TipState { published, cache: Arc::clone(&self.cache) }))
    }

    /// The state after the block at this height. It stays as it is when blocks are added and history is dropped.
    ///
    /// # Errors
    /// A height above the tip, or one whose history is not kept any more.
    pub fn state_at(&self, height: BlockNumber) -> Result<Arc<dyn StateReader>, HistoryError> {
        let published = self.published();
        let tip = published.tip.number;
        if height > tip {
            return Err(HistoryError::Future { height, tip });
        }
        if height == tip {
            return Ok(Arc::new(TipState { published, cache: Arc::clone(&self.cache) }));
        }
        if height < published.history_floor {
            return Err(HistoryError::Pruned { height, oldest: published.history_floor });
        }
        Ok(Arc::new(PastState { published, height }))
    }

    /// What the block at this height wrote, ascending by row: the leaves of its change root in their order. It is
    /// made again from the history, which keeps the names of the rows that a block overwrote, and from the state.
    ///
    /// # Errors
    /// Block 0, a height above the tip, or one whose history is not kept any more.
    pub fn writes(&self, height: BlockNumber) -> Result<Vec<RowWrite>, WritesError> {
        let published = self.published();
        let (tip, floor) = (published.tip.number, published.history_floor);
        if height == 0 {
            return Err(WritesError::Genesis);
        }
        if height > tip {
            return Err(WritesError::Future { height, tip });
        }
        if height <= floor {
            return Err(WritesError::Pruned { height, floor });
        }
        Ok(writes_at(&published, height)?)
    }
}

/// What the block at a height above the floor and not above the tip wrote.
pub(crate) fn writes_at(published: &Arc<Published>, height: BlockNumber) -> Result<Vec<RowWrite>, ReadError> {
    let key = history_list_key(height);
    let damaged = |message: String| ReadError::damaged(Column::History, &key, message);
    let list = published.snapshot.get(Column::History, &key)?;
    let list = list.ok_or_else(|| damaged(format!("the list of what block {height} overwrote is missing")))?;
    let rows = decode::<Stored<Vec<Vec<u8>>>>(Column::History, &key, &list)?.value;
    let after = PastState { published: Arc::clone(published), height };
    let write = |bytes: Vec<u8>| -> Result<RowWrite, ReadError> {
        let row = Row::from_bytes(&bytes).map_err(|error| damaged(error.to_string()))?;
        let value = after.value(&row)?;
        Ok(RowWrite { row, value })
    };
    rows.into_iter().map(write).collect()
}
