//! Rows kept in memory, for readers of the tip.
//!
//! A cached value holds from the height at which it was written or read up to the tip: a new block replaces what it
//! changes before anyone reads at its height. So a reader at height h may take a value that holds since h or before,
//! and no other. What a reader of an older height reads from its snapshot is not kept.

use std::{
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
};

use entente_state::{ChangeSet, Row, RowValue};
use entente_types::BlockNumber;
use hashbrown::{DefaultHashBuilder, HashMap};

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// What an entry takes beside the bytes of its row and its value: what is short lies in the map, which has room to grow.
const ENTRY_BYTES: usize = 144;

/// What a row holds; nothing where there is no such row.
pub(crate) type Content = Option<RowValue>;

struct Cached {
    value: Content,
    since: BlockNumber,
}

/// Two generations: what is read, or grows when it is written, goes to the young one; when that is full, it becomes the
/// old one, and what was old and not read again is gone.
#[derive(Default)]
struct Shard {
    /// The block whose changes are in.
    height: BlockNumber,
    young: HashMap<Row, Cached>,
    old: HashMap<Row, Cached>,
    young_bytes: usize,
}

/// A bounded map of rows.
pub(crate) struct RowCache {
    shards: Vec<Mutex<Shard>>,
    hasher: DefaultHashBuilder,
    generation_bytes: usize,
}

fn entry_bytes(row: &Row, value: Option<&RowValue>) -> usize {
    ENTRY_BYTES + row.as_bytes().len() + value.map_or(0, |value| value.len())
}

impl Shard {
    fn insert(&mut self, row: Row, cached: Cached, generation_bytes: usize) {
        let bytes = entry_bytes(&row, cached.value.as_ref());
        self.old.remove(&row);
        if let Some(replaced) = self.young.remove(&row) {
            self.young_bytes -= entry_bytes(&row, replaced.value.as_ref());
        }
        if bytes > generation_bytes {
            return;
        }
        if self.young_bytes + bytes > generation_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(row, cached);
    }
}

impl Shard {
    /// Replaces the row's value, if it is here. What a block writes it has read before, so what is used is here.
    fn replace(&mut self, row: &Row, value: Option<&RowValue>, height: BlockNumber, generation_bytes: usize) {
        let Self { young, old, young_bytes, .. } = self;
        let (is_young, cached) = match young.get_mut(row) {
            Some(cached) => (true, cached),
            None => match old.get_mut(row) {
                Some(cached) => (false, cached),
                None => return,
            },
        };
        let length = |value: Option<&RowValue>| value.map_or(0, |value| value.len());
        if length(value) > length(cached.value.as_ref()) {
            // It may not fit any more.
            if let (true, Some(cached)) = (is_young, young.remove(row)) {
                *young_bytes -= entry_bytes(row, cached.value.as_ref());
            }
            self.insert(row.clone(), Cached { value: value.cloned(), since: height }, generation_bytes);
            return;
        }
        if is_young {
            *young_bytes -= length(cached.value.as_ref()) - length(value);
        }
        cached.value = value.cloned();
        cached.since = height;
    }
}

impl RowCache {
    /// A cache of about this many bytes, holding for this height. With 0 it keeps nothing.
    pub(crate) fn new(bytes: usize, height: BlockNumber) -> Self {
        let shards = if bytes == 0 { 0 } else { SHARDS };
        let shard = || Mutex::new(Shard { height, ..Shard::default() });
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            hasher: DefaultHashBuilder::default(),
            generation_bytes: bytes / SHARDS / 2,
        }
    }

    fn shard(&self, row: &Row) -> Option<MutexGuard<'_, Shard>> {
        if self.shards.is_empty() {
            return None;
        }
        let place = self.hasher.hash_one(row) as usize % self.shards.len();
        self.shards.get(place).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The row's value at this height, if it is known here; `Some(None)` where it is known that there is no such row.
    pub(crate) fn find(&self, row: &Row, height: BlockNumber) -> Option<Content> {
        let mut shard = self.shard(row)?;
        if let Some(cached) = shard.young.get(row) {
            return (cached.since <= height).then(|| cached.value.clone());
        }
        let cached = shard.old.get(row).filter(|cached| cached.since <= height)?;
        let value = cached.value.clone();
        let kept = Cached { value: value.clone(), since: cached.since };
        shard.insert(row.clone(), kept, self.generation_bytes);
        Some(value)
    }

    /// Keeps what a reader at this height read, unless a later block's changes are in already.
    pub(crate) fn keep(&self, row: &Row, value: Option<&RowValue>, height: BlockNumber) {
        let Some(mut shard) = self.shard(row) else { return };
        if shard.height == height {
            let cached = Cached { value: value.cloned(), since: height };
            shard.insert(row.clone(), cached, self.generation_bytes);
        }
    }

    /// Takes in a block's changes. Readers at its height may begin only when this has returned.
    pub(crate) fn apply(&self, changes: &ChangeSet, height: BlockNumber) {
        // First of all no shard keeps anything that was read below this height.
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).height = height;
        }
        for change in changes.iter() {
            let Some(mut shard) = self.shard(&change.row) else { return };
            shard.replace(&change.row, change.new.as_ref(), height, self.generation_bytes);
        }
    }

    /// Forgets everything: from now on it holds for this height.
    pub(crate) fn clear(&self, height: BlockNumber) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard { height, ..Shard::default() };
        }
    }

    /// The bytes in use, counted as the bound counts them.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let of = |map: &HashMap<Row, Cached>| -> usize {
            map.iter().map(|(row, cached)| entry_bytes(row, cached.value.as_ref())).sum()
        };
        self.shards.iter().map(|shard| shard.lock().unwrap()).map(|shard| of(&shard.young) + of(&shard.old)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entente_crypto::Address;
    use entente_state::{MapState, Overlay, Table};

    use super::*;

    fn filled(byte: u8, length: usize) -> RowValue {
        vec![byte; length].into()
    }

    fn row(key: u32) -> Row {
        Row::new(&Table::Contract(Address([1; 20])), &key.to_be_bytes())
    }

    fn change(key: u32, value: u8) -> ChangeSet {
        let mut overlay = Overlay::new(Arc::new(MapState::default()));
        overlay.set(&row(key), Some(vec![value])).unwrap();
        overlay.finish()
    }

    #[test]
    fn a_reader_never_takes_a_later_value() {
        let cache = RowCache::new(1 << 20, 5);
        cache.keep(&row(1), Some(&filled(5, 1)), 5);
        assert_eq!(cache.find(&row(1), 5), Some(Some(filled(5, 1))));
        assert_eq!(cache.find(&row(1), 4), None);
        cache.apply(&change(1, 6), 6);
        assert_eq!(cache.find(&row(1), 5), None);
        assert_eq!(cache.find(&row(1), 6), Some(Some(filled(6, 1))));
        assert_eq!(cache.find(&row(1), 7), Some(Some(filled(6, 1))));
    }

    #[test]
    fn what_was_read_below_the_tip_is_not_kept() {
        let cache = RowCache::new(1 << 20, 5);
        cache.apply(&change(1, 6), 6);
        cache.keep(&row(1), Some(&filled(5, 1)), 5);
        cache.keep(&row(2), None, 5);
        assert_eq!(cache.find(&row(1), 6), None);
        assert_eq!(cache.find(&row(2), 6), None);
        cache.keep(&row(2), None, 6);
        assert_eq!(cache.find(&row(2), 6), Some(None));
    }

    #[test]
    fn a_block_replaces_what_is_kept_in_either_generation() {
        for grown in [1, 400] {
            let cache = RowCache::new(SHARDS * 2 * 1024, 0);
            for key in 0..2000 {
                cache.keep(&row(key), Some(&filled(1, 40)), 0);
            }
            let mut overlay = Overlay::new(Arc::new(MapState::default()));
            for key in 0..2000 {
                overlay.set(&row(key), Some(filled(2, grown))).unwrap();
            }
            cache.apply(&overlay.finish(), 1);
            assert!(cache.bytes() <= SHARDS * 2 * 1024);
            let found: Vec<_> = (0..2000).filter_map(|key| cache.find(&row(key), 1)).collect();
            assert!(!found.is_empty() && found.iter().all(|value| value.as_ref() == Some(&filled(2, grown))));
        }
    }

    #[test]
    fn the_bound_holds_and_what_is_used_stays() {
        let cache = RowCache::new(1 << 20, 0);
        for key in 0..50_000 {
            cache.keep(&row(key), Some(&filled(0, 50)), 0);
            cache.find(&row(0), 0);
        }
        assert!(cache.bytes() <= 1 << 20);
        assert!(cache.bytes() > 1 << 18);
        assert!(cache.find(&row(0), 0).is_some());
        cache.keep(&row(0), Some(&filled(0, 1 << 20)), 0);
        assert!(cache.bytes() <= 1 << 20);
        assert_eq!(cache.find(&row(0), 0), None);
    }
}
