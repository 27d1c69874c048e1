//! The overlay: the one journal that every engine writes into.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{Change, ChangeSet, Row, RowValue, StateReadError, StateReader, change::Order};

/// A point to which the overlay can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub struct Checkpoint(usize);

/// Where an overlay has a row, for whoever looks at it more than once. It holds for that overlay alone, as long as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u32);

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
    Value(RowValue),
}

/// One row as it was at the beginning and as it is now.
struct Entry {
    row: Row,
    original: Option<RowValue>,
    written: Written,
    /// The last recording in which the row was read or written.
    read_in: u32,
    written_in: u32,
    /// Where in the journal its first write since the seal is, and its last, if those places are still writes of it.
    first_undo: u32,
    last_undo: u32,
}

impl Entry {
    fn current(&self) -> Option<&[u8]> {
        self.value_of(&self.written)
    }

    fn is_changed(&self) -> bool {
        !matches!(self.written, Written::Nothing) && self.current() != self.original.as_deref()
    }

    /// The row's change; nothing is left here.
    fn take_change(&mut self) -> Change {
        let row = std::mem::replace(&mut self.row, Row::nothing());
        let old = self.original.take();
        let new = match std::mem::replace(&mut self.written, Written::Nothing) {
            Written::Value(value) => Some(value),
            Written::Removal | Written::Nothing => None,
        };
        Change { row, old, new }
    }

    /// What the row holds where this is what the block wrote to it.
    fn value_of<'a>(&'a self, written: &'a Written) -> Option<&'a [u8]> {
        match written {
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
    /// The journal's length at the last checkpoint: what a row held since needs no second undo.
    floor: usize,
    hasher: DefaultHashBuilder,
    /// The entry that was touched last, of which there may be none yet.
    last: u32,
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
            floor: 0,
            hasher: DefaultHashBuilder::default(),
            last: 0,
            recording: 1,
            reads: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Makes room for so many rows more.
    pub fn reserve(&mut self, rows: usize) {
        self.entries.reserve(rows);
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.reserve(rows, |position| hash_at(entries, hasher, *position));
    }

    /// The row's value.
    pub fn get(&mut self, row: &Row) -> Result<Option<&[u8]>, StateReadError> {
        let place = self.find(row)?;
        Ok(self.at(place))
    }

    /// Where the row is, which is read from the base on first touch, and noted as read.
    pub fn find(&mut self, row: &Row) -> Result<Place, StateReadError> {
        self.touch(row).map(Place)
    }

    /// The value of the row at a place.
    pub fn at(&self, place: Place) -> Option<&[u8]> {
        self.entries.get(place.0 as usize).and_then(Entry::current)
    }

    /// The row's value, without a trace in what was read: for rows whose reading depends on a node's caches.
    pub fn peek(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        let hash = self.hasher.hash_one(RowBytes(row.as_bytes()));
        let entry = |position: &u32| self.entries.get(*position as usize);
        let is_it = |position: &u32| entry(position).is_some_and(|entry| entry.row.as_bytes() == row.as_bytes());
        match self.index.find(hash, is_it).and_then(entry) {
            Some(entry) => Ok(entry.current().map(RowValue::from)),
            None => self.base.row(row),
        }
    }

    /// The row's value as it was when the overlay was last sealed: before the transaction.
    pub fn get_sealed(&mut self, row: &Row) -> Result<Option<&[u8]>, StateReadError> {
        let place = self.find(row)?;
        Ok(self.sealed_at(place))
    }

    /// The same of the row at a place.
    pub fn sealed_at(&self, Place(position): Place) -> Option<&[u8]> {
        let entry = self.entries.get(position as usize)?;
        let first = self.journal.get(entry.first_undo as usize).filter(|undo| undo.entry == position);
        first.map_or_else(|| entry.current(), |undo| entry.value_of(&undo.previous))
    }

    /// The rows of wanted tables that were written since the overlay was last sealed and whose writing still stands,
    /// ascending. A table is told by its encoding ([`Row::table`]).
    pub fn written_since_seal(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<Row> {
        let row = |undo: &Undo| self.entries.get(undo.entry as usize).map(|entry| &entry.row);
        let mut rows: Vec<&Row> = self.journal.iter().filter_map(row).filter(|row| is_wanted(row.table())).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.into_iter().cloned().collect()
    }

    /// Sets the row's value, or removes it.
    pub fn set(&mut self, row: &Row, value: Option<impl Into<RowValue>>) -> Result<(), StateReadError> {
        let place = self.find(row)?;
        self.set_at(place, value.map(Into::into));
        Ok(())
    }

    /// Sets the value of the row at a place, or removes it.
    pub fn set_at(&mut self, Place(position): Place, value: Option<RowValue>) {
        let recording = self.recording;
        if let Some(entry) = self.entries.get_mut(position as usize) {
            if entry.written_in != recording {
                entry.written_in = recording;
                self.writes.push(position);
            }
            let written = value.map_or(Written::Removal, Written::Value);
            let previous = std::mem::replace(&mut entry.written, written);
            let is_its = |place: u32| self.journal.get(place as usize).is_some_and(|undo| undo.entry == position);
            if is_its(entry.last_undo) && entry.last_undo as usize >= self.floor {
                return;
            }
            let place = u32::try_from(self.journal.len()).unwrap_or(u32::MAX);
            if !is_its(entry.first_undo) {
                entry.first_undo = place;
            }
            entry.last_undo = place;
            self.journal.push(Undo { entry: position, previous });
        }
    }

    /// The entry of a row, read from the base on first touch, and noted as read.
    fn touch(&mut self, row: &Row) -> Result<u32, StateReadError> {
        let is_here = |position: u32| {
            self.entries.get(position as usize).is_some_and(|entry| entry.row.as_bytes() == row.as_bytes())
        };
        // What is read is often written next.
        let position = if is_here(self.last) {
            self.last
        } else {
            let hash = self.hasher.hash_one(RowBytes(row.as_bytes()));
            match self.index.find(hash, |position| is_here(*position)) {
                Some(position) => *position,
                None => self.load(row, hash)?,
            }
        };
        self.last = position;
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
        self.entries.push(Entry {
            row: row.clone(),
            original,
            written: Written::Nothing,
            read_in: 0,
            written_in: 0,
            first_undo: u32::MAX,
            last_undo: u32::MAX,
        });
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hash, position, |position| hash_at(entries, hasher, *position));
        Ok(position)
    }

    /// A point to come back to.
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.floor = self.journal.len();
        Checkpoint(self.floor)
    }

    /// Undoes every write since the checkpoint, the latest first.
    pub fn revert(&mut self, checkpoint: Checkpoint) {
        while self.journal.len() > checkpoint.0 {
            let Some(undo) = self.journal.pop() else { return };
            if let Some(entry) = self.entries.get_mut(undo.entry as usize) {
                entry.written = undo.previous;
            }
        }
        self.floor = self.floor.min(self.journal.len());
    }

    /// Makes everything written so far final within the block.
    pub fn seal(&mut self) {
        self.journal.clear();
        self.floor = 0;
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

    /// The block's changes: rows that hold something else than at the beginning.
    pub fn finish(self) -> ChangeSet {
        let mut entries = self.entries;
        let differing = entries.iter().zip(0_u32..).filter(|(entry, _)| entry.is_changed());
        let order = Order::of(differing.map(|(entry, place)| (&entry.row, place)));
        // What is not known to be as many is moved again and again while it is gathered.
        let mut changes = Vec::with_capacity(order.places.len());
        let entry = |place: &u32| entries.get_mut(*place as usize).map(Entry::take_change);
        changes.extend(order.places.iter().filter_map(entry));
        ChangeSet::new(changes, order)
    }
}

/// The hash of the row at a position.
fn hash_at(entries: &[Entry], hasher: &DefaultHashBuilder, position: u32) -> u64 {
    let bytes = entries.get(position as usize).map_or(&[][..], |entry| entry.row.as_bytes());
    hasher.hash_one(RowBytes(bytes))
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
        Seal,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_u8..8, proptest::option::of(any::<u8>())).prop_map(|(key, value)| Step::Set(key, value)),
            2 => (0_u8..8).prop_map(Step::Get),
            2 => Just(Step::Open),
            1 => Just(Step::Revert),
            1 => Just(Step::Keep),
            1 => Just(Step::Seal),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn overlay_equals_copying_the_map_at_each_checkpoint(start in proptest::collection::btree_map(0_u8..8, any::<u8>(), 0..8), steps in steps()) {
            let base = MapState(start.iter().map(|(key, value)| (row(*key), RowValue::from([*value]))).collect());
            let mut overlay = Overlay::new(Arc::new(base.clone()));
            let mut model: BTreeMap<u8, u8> = start;
            let mut sealed = model.clone();
            let mut stack = Vec::new();
            for step in steps {
                for key in 0..8 {
                    let expected = sealed.get(&key).map(|value| vec![*value]);
                    prop_assert_eq!(overlay.get_sealed(&row(key)).unwrap(), expected.as_deref());
                }
                let changed = overlay.written_since_seal(|table| table == row(0).table());
                prop_assert!((0..8).all(|key| model.get(&key) == sealed.get(&key) || changed.contains(&row(key))));
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
                    Step::Seal => {
                        overlay.seal();
                        stack.clear();
                        sealed.clone_from(&model);
                    }
                }
            }
            let changes = overlay.finish();
            prop_assert!(changes.iter().all(|change| change.old != change.new));
            let mut state = base;
            state.apply(&changes);
            let expected: BTreeMap<Row, RowValue> = model.iter().map(|(key, value)| (row(*key), RowValue::from([*value]))).collect();
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
    fn what_a_revert_undid_is_not_among_what_was_written() {
        let mut overlay = Overlay::new(Arc::new(MapState::default()));
        let other = Table::Contract(Address([2; 20]));
        overlay.set(&row(9), Some(vec![9])).unwrap();
        overlay.seal();
        overlay.set(&row(2), Some(vec![1])).unwrap();
        overlay.set(&Row::new(&other, &[3]), Some(vec![1])).unwrap();
        overlay.set(&row(1), Some(vec![1])).unwrap();
        overlay.set(&row(2), None::<RowValue>).unwrap();
        let checkpoint = overlay.checkpoint();
        overlay.set(&row(4), Some(vec![1])).unwrap();
        overlay.revert(checkpoint);
        assert_eq!(overlay.written_since_seal(|found| found == row(0).table()), [row(1), row(2)]);
        assert_eq!(overlay.get_sealed(&row(9)).unwrap(), Some(&[9][..]));
        assert_eq!(overlay.get_sealed(&row(2)).unwrap(), None);
    }

    #[test]
    fn a_row_that_one_frame_writes_again_and_again_is_undone_once() {
        let mut overlay = Overlay::new(Arc::new(MapState::default()));
        overlay.set(&row(1), Some(vec![1])).unwrap();
        let checkpoint = overlay.checkpoint();
        for value in 0..100 {
            overlay.set(&row(1), Some(vec![value])).unwrap();
            overlay.set(&row(2), Some(vec![value])).unwrap();
        }
        assert_eq!(overlay.journal.len(), 3);
        overlay.revert(checkpoint);
        assert_eq!(overlay.get(&row(1)).unwrap(), Some(&[1][..]));
        assert_eq!(overlay.journal.len(), 1);
    }

    #[test]
    fn rows_are_found_again_when_room_was_made() {
        let mut overlay = Overlay::new(Arc::new(MapState::default()));
        overlay.set(&row(1), Some(vec![1])).unwrap();
        let place = overlay.find(&row(1)).unwrap();
        overlay.reserve(10_000);
        assert_eq!(overlay.find(&row(1)), Ok(place));
        overlay.set_at(place, Some(RowValue::from([2])));
        assert_eq!((overlay.at(place), overlay.sealed_at(place)), (Some(&[2][..]), None));
        assert_eq!(overlay.finish().len(), 1);
    }

    #[test]
    fn a_failing_base_is_told_and_not_remembered() {
        struct Failing;
        impl StateReader for Failing {
            fn row(&self, _: &Row) -> Result<Option<RowValue>, StateReadError> {
                Err(StateReadError("the disk is gone".into()))
            }
        }
        let mut overlay = Overlay::new(Arc::new(Failing));
        assert!(overlay.get(&row(1)).is_err());
        assert!(overlay.set(&row(1), None::<RowValue>).is_err());
        assert!(overlay.finish().is_empty());
    }
}
