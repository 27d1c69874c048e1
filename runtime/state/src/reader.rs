//! Where rows come from.

use std::{collections::BTreeMap, sync::Arc};

use crate::{ChangeSet, Row, RowValue};

/// The storage below could not be read: the node's fault, never a contract's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the state could not be read: {0}")]
pub struct StateReadError(pub String);

/// A state that does not change while it is read.
pub trait StateReader: Send + Sync {
    /// The value of a row, or nothing where there is no such row.
    ///
    /// # Errors
    /// Only when the storage fails: a node must stop on it, since it cannot tell what the row holds.
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError>;
}

/// A state in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MapState(pub BTreeMap<Row, RowValue>);

impl MapState {
    /// Takes the changes in.
    pub fn apply(&mut self, changes: &ChangeSet) {
        for change in changes.iter() {
            match &change.new {
                Some(value) => self.0.insert(change.row.clone(), value.clone()),
                None => self.0.remove(&change.row),
            };
        }
    }
}

impl StateReader for MapState {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        Ok(self.0.get(row).cloned())
    }
}

/// A state with one block's changes on top that are not stored yet.
pub struct LayeredState {
    changes: Arc<ChangeSet>,
    base: Arc<dyn StateReader>,
}

impl LayeredState {
    /// Puts the changes on top of the base.
    pub fn new(changes: Arc<ChangeSet>, base: Arc<dyn StateReader>) -> Self {
        Self { changes, base }
    }
}

impl StateReader for LayeredState {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        match self.changes.find(row) {
            Some(change) => Ok(change.new.clone()),
            None => self.base.row(row),
        }
    }
}
