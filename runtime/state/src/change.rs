//! What a block did to the state.

use entente_crypto::{Hash, LtHash, Suite, merkle_root};
use parity_scale_codec::{Compact, Encode};
use rayon::prelude::*;

use crate::Row;

/// The changes that one thread takes at a time: enough to be worth handing over.
const CHANGES_PER_TASK: usize = 64;

/// One row's change. `old` and `new` differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub row: Row,
    /// What it held before the block; nothing where there was no such row.
    pub old: Option<Vec<u8>>,
    /// What it holds after; nothing where it was removed.
    pub new: Option<Vec<u8>>,
}

/// The changes of a block, ascending by row, each row once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSet(Vec<Change>);

impl ChangeSet {
    /// Sorts the changes and drops those that change nothing.
    pub(crate) fn new(mut changes: Vec<Change>) -> Self {
        changes.retain(|change| change.old != change.new);
        changes.par_sort_unstable_by(|left, right| left.row.cmp(&right.row));
        Self(changes)
    }

    /// The changes in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The change of this row.
    pub fn find(&self, row: &Row) -> Option<&Change> {
        self.0.binary_search_by(|change| change.row.cmp(row)).ok().and_then(|index| self.0.get(index))
    }

    /// The change root: Merkle over the [`write_leaf`] of each change.
    pub fn root(&self, suite: Suite) -> Hash {
        let leaf = |change: &Change| write_leaf(&change.row, change.new.as_deref());
        let leaves: Vec<Vec<u8>> = self.0.par_iter().with_min_len(CHANGES_PER_TASK).map(leaf).collect();
        merkle_root(suite, &leaves)
    }

    /// Carries the state's commitment from before the block to after it. Sums commute, so the work is shared among
    /// threads without a trace in the result.
    pub fn apply_to(&self, suite: Suite, commitment: &mut LtHash) {
        let difference = self
            .0
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
