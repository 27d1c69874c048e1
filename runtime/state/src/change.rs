//! What a block did to the state.

use entente_crypto::{Hash, LtHash, Suite, merkle_root};
use parity_scale_codec::{Compact, Encode};
use rayon::prelude::*;

use crate::{Row, RowValue};

/// The changes that one thread takes at a time: enough to be worth handing over.
const CHANGES_PER_TASK: usize = 64;

/// Fewer rows are sorted before another thread has woken up.
const SORTED_BY_ONE: usize = 16 << 10;

/// One row's change. `old` and `new` differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub row: Row,
    /// What it held before the block; nothing where there was no such row.
    pub old: Option<RowValue>,
    /// What it holds after; nothing where it was removed.
    pub new: Option<RowValue>,
}

/// The changes of a block, ascending by row, each row once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSet {
    changes: Vec<Change>,
    /// The beginning of each change's key, in their order: a row is found without a look at most of the others.
    beginnings: Vec<u64>,
    /// Where the changes of each table begin.
    tables: Vec<usize>,
}

/// The first bytes of a key. Where those of two keys differ, the keys stand in their order.
fn beginning(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (target, byte) in bytes.iter_mut().zip(key) {
        *target = *byte;
    }
    u64::from_be_bytes(bytes)
}

/// In which order the rows of changes stand that lie somewhere.
pub(crate) struct Order {
    /// Where each lies.
    pub(crate) places: Vec<u32>,
    beginnings: Vec<u64>,
    tables: Vec<usize>,
}

impl Order {
    /// The order of rows, each with its place.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = (&'a Row, u32)> + Clone) -> Self {
        let mut tables: Vec<&[u8]> = Vec::new();
        for (row, _) in rows.clone() {
            if tables.last() != Some(&row.table()) {
                tables.push(row.table());
            }
        }
        tables.sort_unstable();
        tables.dedup();
        // No table's encoding begins another's: rows stand in the order of their tables first.
        let rank = |row: &Row| tables.partition_point(|table| *table < row.table());
        let mut order: Vec<_> = rows.map(|(row, place)| (rank(row), beginning(row.key()), row, place)).collect();
        let by_row = |left: &(usize, u64, &Row, u32), right: &(usize, u64, &Row, u32)| {
            (left.0, left.1).cmp(&(right.0, right.1)).then_with(|| left.2.cmp(right.2))
        };
        if order.len() < SORTED_BY_ONE {
            order.sort_unstable_by(by_row);
        } else {
            order.par_sort_unstable_by(by_row);
        }
        let mut starts = Vec::with_capacity(tables.len());
        for (place, (rank, ..)) in order.iter().enumerate() {
            if *rank == starts.len() {
                starts.push(place);
            }
        }
        let (beginnings, places) = order.into_iter().map(|(_, beginning, _, place)| (beginning, place)).unzip();
        Self { places, beginnings, tables: starts }
    }
}

impl ChangeSet {
    /// Changes in the order of their rows.
    pub(crate) fn new(changes: Vec<Change>, order: Order) -> Self {
        Self { changes, beginnings: order.beginnings, tables: order.tables }
    }

    /// The changes in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.changes.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The change of this row.
    pub fn find(&self, row: &Row) -> Option<&Change> {
        let of_table = |start: &usize| self.changes.get(*start).map(|change| change.row.table());
        let table = self.tables.binary_search_by(|start| of_table(start).cmp(&Some(row.table()))).ok()?;
        let start = *self.tables.get(table)?;
        let end = self.tables.get(table + 1).copied().unwrap_or(self.changes.len());
        let (beginnings, wanted) = (self.beginnings.get(start..end)?, beginning(row.key()));
        let first = start + beginnings.partition_point(|beginning| *beginning < wanted);
        let last = start + beginnings.partition_point(|beginning| *beginning <= wanted);
        let alike = self.changes.get(first..last)?;
        alike.binary_search_by(|change| change.row.cmp(row)).ok().and_then(|index| alike.get(index))
    }

    /// The change root: Merkle over the [`write_leaf`] of each change.
    pub fn root(&self, suite: Suite) -> Hash {
        let leaf = |change: &Change| write_leaf(&change.row, change.new.as_deref());
        let leaves: Vec<Vec<u8>> = self.changes.par_iter().with_min_len(CHANGES_PER_TASK).map(leaf).collect();
        merkle_root(suite, &leaves)
    }

    /// Carries the state's commitment from before the block to after it. Sums commute, so the work is shared among
    /// threads without a trace in the result.
    pub fn apply_to(&self, suite: Suite, commitment: &mut LtHash) {
        let difference = self
            .changes
            .par_chunks(CHANGES_PER_TASK)
            .map(|changes| {
                let mut sum = LtHash::default();
                for change in changes {
                    if let Some(old) = &change.old {
                        with_row_parts(&change.row, old, |parts| sum.subtract(suite, parts));
                    }
                    if let Some(new) = &change.new {
                        with_row_parts(&change.row, new, |parts| sum.add(suite, parts));
                    }
                }
                sum
            })
            .reduce(LtHash::default, |mut left, right| {
                left.combine(&right);
                left
            });
        commitment.combine(&difference);
    }
}

/// The leaf of the change root for a row that a block set to this value, or removed: SCALE(table, key, value or
/// nothing).
pub fn write_leaf(row: &Row, new: Option<&[u8]>) -> Vec<u8> {
    let mut leaf = Vec::with_capacity(row.as_bytes().len() + new.map_or(0, <[u8]>::len) + 8);
    leaf.extend_from_slice(row.table());
    row.key().encode_to(&mut leaf);
    new.encode_to(&mut leaf);
    leaf
}

/// Calls back with the pieces of SCALE(table, key, value).
fn with_row_parts(row: &Row, value: &[u8], callback: impl FnOnce(&[&[u8]])) {
    let key_length = Compact(row.key().len() as u32).encode();
    let value_length = Compact(value.len() as u32).encode();
    callback(&[row.table(), &key_length, row.key(), &value_length, value]);
}

/// Adds one row to a commitment that is made anew from all rows.
pub(crate) fn add_row(suite: Suite, commitment: &mut LtHash, row: &Row, value: &[u8]) {
    with_row_parts(row, value, |parts| commitment.add(suite, parts));
}

impl Row {
    /// Adds this row with this value to a commitment: how the whole state's is made anew from its rows.
    pub fn commit_to(&self, suite: Suite, value: &[u8], commitment: &mut LtHash) {
        add_row(suite, commitment, self, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entente_crypto::Address;
    use proptest::prelude::*;

    use super::*;
    use crate::{MapState, Overlay, Table};

    fn whole(suite: Suite, state: &MapState) -> LtHash {
        let mut commitment = LtHash::default();
        for (row, value) in &state.0 {
            row.commit_to(suite, value, &mut commitment);
        }
        commitment
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn commitment_by_changes_equals_commitment_of_the_whole(
            blocks in proptest::collection::vec(
                proptest::collection::vec((any::<u8>(), proptest::option::of(any::<[u8; 3]>())), 0..30), 0..5)
        ) {
            let mut state = MapState::default();
            let mut commitment = LtHash::default();
            for block in blocks {
                let mut overlay = Overlay::new(Arc::new(state.clone()));
                for (key, value) in block {
                    let row = Row::new(&Table::Contract(Address([key % 2; 20])), &[key]);
                    overlay.set(&row, value.map(|value| value.to_vec())).unwrap();
                }
                let changes = overlay.finish();
                changes.apply_to(Suite::Standard, &mut commitment);
                state.apply(&changes);
                prop_assert_eq!(&commitment, &whole(Suite::Standard, &state));
            }
        }
    }

    /// Keys of which many begin alike, or are the beginning of others.
    fn rows() -> impl Strategy<Value = Row> {
        let key = prop_oneof![
            proptest::collection::vec(0_u8..3, 0..12),
            any::<[u8; 32]>().prop_map(|key| key.to_vec()),
            (0_u8..9).prop_map(|last| [[0; 31].to_vec(), vec![last]].concat()),
        ];
        let table = prop_oneof![
            Just(Table::Accounts),
            Just(Table::Members),
            (0_u8..3).prop_map(|byte| Table::Contract(Address([byte; 20]))),
        ];
        (table, key).prop_map(|(table, key)| Row::new(&table, &key))
    }

    proptest! {
        #[test]
        fn changes_stand_in_the_order_of_their_rows_and_are_found(
            found in proptest::collection::btree_map(rows(), (any::<Option<u8>>(), any::<Option<u8>>()), 0..60),
            others in proptest::collection::vec(rows(), 0..30),
        ) {
            let change = |row: &Row, (old, new): &(Option<u8>, Option<u8>)| {
                let value = |value: &Option<u8>| value.map(|byte| RowValue::from([byte]));
                Change { row: row.clone(), old: value(old), new: value(new) }
            };
            let expected: Vec<Change> =
                found.iter().map(|(row, values)| change(row, values)).filter(|change| change.old != change.new).collect();
            let old = found.iter().filter_map(|(row, (old, _))| Some((row.clone(), RowValue::from([(*old)?]))));
            let mut overlay = Overlay::new(Arc::new(MapState(old.collect())));
            // In the order in which the rows hash.
            let shuffled: std::collections::HashMap<_, _> = found.iter().collect();
            for (row, (_, new)) in shuffled {
                overlay.set(row, new.map(|byte| vec![byte])).unwrap();
            }
            let set = overlay.finish();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
            for row in found.keys().chain(&others) {
                prop_assert_eq!(set.find(row), expected.iter().find(|change| change.row == *row));
            }
        }
    }

    #[test]
    fn many_changes_stand_in_the_same_order_as_few() {
        let mut overlay = Overlay::new(Arc::new(MapState::default()));
        let count = SORTED_BY_ONE as u64 + 1;
        for number in 0..count {
            // Each once, far from the one before.
            let key = (number.wrapping_mul(7_919) % count).to_be_bytes();
            let table =
                if number % 3 == 0 { Table::Accounts } else { Table::Contract(Address([number as u8 % 5; 20])) };
            overlay.set(&Row::new(&table, &key), Some(vec![1])).unwrap();
        }
        let set = overlay.finish();
        let rows: Vec<&Row> = set.iter().map(|change| &change.row).collect();
        assert!(rows.len() as u64 == count && rows.is_sorted());
        assert!(rows.iter().all(|row| set.find(row).is_some_and(|change| change.row == **row)));
    }

    #[test]
    fn a_leaf_is_the_scale_encoding_of_table_key_and_new_value() {
        let table = Table::Contract(Address([7; 20]));
        for new in [Some(vec![1, 2]), None] {
            assert_eq!(write_leaf(&Row::new(&table, b"key"), new.as_deref()), (&table, b"key".to_vec(), &new).encode());
        }
    }

    #[test]
    fn a_row_is_hashed_as_the_scale_encoding_of_table_key_and_value() {
        let table = Table::Contract(Address([7; 20]));
        let value = vec![3; 100];
        with_row_parts(&Row::new(&table, b"key"), &value, |parts| {
            assert_eq!(parts.concat(), (&table, b"key".to_vec(), &value).encode());
        });
    }
}
