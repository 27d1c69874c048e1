//! The overlay: the one journal that every engine writes into.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{Change, ChangeSet, Row, StateReadError, StateReader};

/// A point to which the overlay can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub struct Checkpoint(usize);

/// The rows that were touched since the last call of [`Overlay::take_access`], ascending. Absent rows count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Rows whose value mattered. A written row is in here too, since its old value is part of the change.
    pub reads: Vec<Row>,
    /// Rows that were written, whether or not the frame that did so was reverted.
    pub writes: Vec<Row>,
}

/// What a block wrote to a row.
enum Written {
    Nothing,
    Removal,
    Value(Vec<u8>),
}

/// One row as it was at the beginning and as it is now.
struct Entry {
    row: Row,
    original: Option<Vec<u8>>,
    written: Written,
    /// The last recording in which the row was read or written.
    read_in: u32,
    written_in: u32,
}

impl Entry {
    fn current(&self) -> Option<&[u8]> {
        match &self.written {
            Written::Nothing => self.original.as_deref(),
            Written::Removal => None,
            Written::Value(value) => Some(value),
        }
    }
}

/// Undoes one write.
struct Undo {
    entry: u32,
    previous: Written,
}

/// A block's writes over a state, with nested checkpoints, remembering what was read and written.
///
/// Checkpoints nest by discipline: one taken later is reverted or forgotten first. Forgetting one needs no call.
/// [`Overlay::seal`] ends a transaction: what it wrote cannot be reverted any more.
pub struct Overlay {
    base: Arc<dyn StateReader>,
    /// Positions in `entries`, found by the row's bytes.
    index: HashTable<u32>,
    entries: Vec<Entry>,
    journal: Vec<Undo>,
    hasher: DefaultHashBuilder,
    recording: u32,
    reads: Vec<u32>,
    writes: Vec<u32>,
}

impl Overlay {
    /// An overlay without writes.
    pub fn new(base: Arc<dyn StateReader>) -> Self {
        Self {
            base,
            index: HashTable::new(),
            entries: Vec::new(),
            journal: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            recording: 1,
            reads: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// The row's value.
    pub fn get(&mut self, row: &Row) -> Result<Option<&[u8]>, StateReadError> {
        let position = self.touch(row)?;
        Ok(self.entries.get(position as usize).and_then(Entry::current))
    }

    /// The row's value, without a trace in what was read: for rows whose reading depends on a node's caches.
    pub fn peek(&self, row: &Row) -> Result<Option<Vec<u8>>, StateReadError> {
        let hash = self.hasher.hash_one(RowBytes(row.as_bytes()));
        let entry = |position: &u32| self.entries.get(*position as usize);
        let is_it = |position: &u32| entry(position).is_some_and(|entry| entry.row.as_bytes() == row.as_bytes());
        match self.index.find(hash, is_it).and_then(entry) {
            Some(entry) => Ok(entry.current().map(<[u8]>::to_vec)),
            None => self.base.row(row),
        }
    }

    /// Sets the row's value, or removes it.
    pub fn set(&mut self, row: &Row, value: Option<Vec<u8>>) -> Result<(), StateReadError> {
        let position = self.touch(row)?;
        let recording = self.recording;
        if let Some(entry) = self.entries.get_mut(position as usize) {
            if entry.written_in != recording {
                entry.written_in = recording;
                self.writes.push(position);
            }
            let written = value.map_or(Written::Removal, Written::Value);
            let previous = std::mem::replace(&mut entry.written, written);
            self.journal.push(Undo { entry: position, previous });
        }
        Ok(())
    }

    /// The entry of a row, read from the base on first touch, and noted as read.
    fn touch(&mut self, row: &Row) -> Result<u32, StateReadError> {
        let hash = self.hasher.hash_one(RowBytes(row.as_bytes()));
        let entries = &self.entries;
        let found = self.index.find(hash, |position| {
            entries.get(*position as usize).is_some_and(|entry| entry.row.as_bytes() == row.as_bytes())
        });
        let position = match found {
            Some(position) => *position,
            None => self.load(row, hash)?,
        };
        let recording = self.recording;
        if let Some(entry) = self.entries.get_mut(position as usize)
            && entry.read_in != recording
        {
            entry.read_in = recording;
            self.reads.push(position);
        }
        Ok(position)
    }

    fn load(&mut self, row: &Row, hash: u64) -> Result<u32, StateReadError> {
        let original = self.base.row(row)?;
        let position = u32::try_from(self.entries.len()).map_err(|_| StateReadError("a block of 2^32 rows".into()))?;
        self.entries.push(Entry { row: row.clone(), original, written: Written::Nothing, read_in: 0, written_in: 0 });
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hash, position, |position| {
            let bytes = entries.get(*position as usize).map_or(&[][..], |entry| entry.row.as_bytes());
            hasher.hash_one(RowBytes(bytes))
        });
        Ok(position)
    }

    /// A point to come back to.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.journal.len())
    }

    /// Undoes every write since the checkpoint, the latest first.
    pub fn revert(&mut self, checkpoint: Checkpoint) {
        while self.journal.len() > checkpoint.0 {
            let Some(undo) = self.journal.pop() else { return };
            if let Some(entry) = self.entries.get_mut(undo.entry as usize) {
                entry.written = undo.previous;
            }
        }
    }

    /// Makes everything written so far final within the block.
    pub fn seal(&mut self) {
        self.journal.clear();
    }

    /// What was read and written since the last call, and starts a new recording.
    pub fn take_access(&mut self) -> Access {
        let rows = |positions: &[u32]| {
            let mut rows: Vec<Row> = positions
                .iter()
                .filter_map(|position| self.entries.get(*position as usize).map(|entry| entry.row.clone()))
                .collect();
            rows.sort_unstable();
            rows
        };
        let access = Access { reads: rows(&self.reads), writes: rows(&self.writes) };
        self.forget_access();
        access
    }

    /// Starts a new recording without giving the last one.
    pub fn forget_access(&mut self) {
        self.reads.clear();
        self.writes.clear();
        self.recording = self.recording.wrapping_add(1).max(1);
    }

    /// The block's changes.
    pub fn finish(self) -> ChangeSet {
        let changes = self.entries.into_iter().filter_map(|Entry { row, original: old, written, .. }| match written {
            Written::Nothing => None,
            Written::Removal => Some(Change { row, old, new: None }),
            Written::Value(value) => Some(Change { row, old, new: Some(value) }),
        });
        ChangeSet::new(changes.collect())
    }
}

/// Hashes a row's bytes without the length that slices are prefixed with.
struct RowBytes<'a>(&'a [u8]);

impl Hash for RowBytes<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use entente_crypto::Address;
    use proptest::prelude::*;

    use super::*;
    use crate::{MapState, Table};

    fn row(key: u8) -> Row {
        Row::new(&Table::Contract(Address([1; 20])), &[key])
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(u8, Option<u8>),
        Get(u8),
        Open,
        Revert,
        Keep,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_u8..8, proptest::option::of(any::<u8>())).prop_map(|(key, value)| Step::Set(key, value)),
            2 => (0_u8..8).prop_map(Step::Get),
            2 => Just(Step::Open),
            1 => Just(Step::Revert),
            1 => Just(Step::Keep),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn overlay_equals_copying_the_map_at_each_checkpoint(start in proptest::collection::btree_map(0_u8..8, any::<u8>(), 0..8), steps in steps()) {
            let base = MapState(start.iter().map(|(key, value)| (row(*key), vec![*value])).collect());
            let mut overlay = Overlay::new(Arc::new(base.clone()));
            let mut model: BTreeMap<u8, u8> = start;
            let mut stack = Vec::new();
            for step in steps {
                match step {
                    Step::Set(key, value) => {
                        overlay.set(&row(key), value.map(|value| vec![value])).unwrap();
                        match value { Some(value) => model.insert(key, value), None => model.remove(&key) };
                    }
                    Step::Get(key) => {
                        let expected = model.get(&key).map(|value| vec![*value]);
                        prop_assert_eq!(overlay.get(&row(key)).unwrap(), expected.as_deref());
                    }
                    Step::Open => stack.push((overlay.checkpoint(), model.clone())),
                    Step::Revert => if let Some((checkpoint, before)) = stack.pop() {
                        overlay.revert(checkpoint);
                        model = before;
                    },
                    Step::Keep => { stack.pop(); }
                }
            }
            let changes = overlay.finish();
            prop_assert!(changes.iter().all(|change| change.old != change.new));
            let mut state = base;
            state.apply(&changes);
            let expected: BTreeMap<Row, Vec<u8>> = model.iter().map(|(key, value)| (row(*key), vec![*value])).collect();
            prop_assert_eq!(state.0, expected);
        }
    }

    #[test]
    fn access_names_absent_rows_and_reverted_writes_and_starts_anew() {
        let mut overlay = Overlay::new(Arc::new(MapState::default()));
        overlay.get(&row(2)).unwrap();
        let checkpoint = overlay.checkpoint();
        overlay.set(&row(1), Some(vec![1])).unwrap();
        overlay.revert(checkpoint);
        let access = overlay.take_access();
        assert_eq!(access, Access { reads: vec![row(1), row(2)], writes: vec![row(1)] });
        assert_eq!(overlay.take_access(), Access::default());
        overlay.get(&row(2)).unwrap();
        assert_eq!(overlay.take_access().reads, vec![row(2)]);
    }

    #[test]
    fn a_failing_base_is_told_and_not_remembered() {
        struct Failing;
        impl StateReader for Failing {
            fn row(&self, _: &Row) -> Result<Option<Vec<u8>>, StateReadError> {
                Err(StateReadError("the disk is gone".into()))
            }
        }
        let mut overlay = Overlay::new(Arc::new(Failing));
        assert!(overlay.get(&row(1)).is_err());
        assert!(overlay.set(&row(1), None).is_err());
        assert!(overlay.finish().is_empty());
    }
}
