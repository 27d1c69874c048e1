//! The transactions that this node was sent and let in, for those who listen.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use entente_types::Hash;
use tokio::sync::broadcast;

use crate::limits::{PENDING_HASHES_MAX, PENDING_NOTICES_BEHIND_MAX};

/// The hashes that came last, and where they stand among all that ever came.
#[derive(Debug, Default)]
struct Last {
    hashes: VecDeque<Hash>,
    /// The place of the first of them.
    first: u64,
}

impl Last {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.hashes.len() as u64)
    }
}

/// Who listens for transactions of a group.
pub(crate) struct PendingFeed {
    last: Mutex<Last>,
    notices: broadcast::Sender<Arc<[Hash]>>,
}

impl Default for PendingFeed {
    fn default() -> Self {
        Self { last: Mutex::default(), notices: broadcast::channel(PENDING_NOTICES_BEHIND_MAX).0 }
    }
}

impl PendingFeed {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of transactions that were let in.
    pub(crate) fn tell<'a>(&self, hashes: impl Iterator<Item = &'a Hash>) {
        let hashes: Arc<[Hash]> = hashes.copied().collect();
        if hashes.is_empty() {
            return;
        }
        let mut last = self.last();
        last.hashes.extend(hashes.iter());
        let surplus = last.hashes.len().saturating_sub(PENDING_HASHES_MAX);
        last.hashes.drain(..surplus);
        last.first = last.first.saturating_add(surplus as u64);
        drop(last);
        // Nobody listens: that is no fault.
        let _ = self.notices.send(hashes);
    }

    /// The transactions from now on.
    pub(crate) fn notices(&self) -> broadcast::Receiver<Arc<[Hash]>> {
        self.notices.subscribe()
    }

    /// The place of the next one.
    pub(crate) fn end(&self) -> u64 {
        self.last().end()
    }

    /// Those from a place on that are still known, and the place of the next one.
    pub(crate) fn since(&self, place: u64) -> (Vec<Hash>, u64) {
        let last = self.last();
        let passed = usize::try_from(place.saturating_sub(last.first)).unwrap_or(usize::MAX);
        (last.hashes.iter().skip(passed).copied().collect(), last.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_old_ones_are_forgotten() {
        let feed = PendingFeed::default();
        let hash = |number: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Hash(bytes)
        };
        let hashes: Vec<Hash> = (0..PENDING_HASHES_MAX as u64 + 10).map(hash).collect();
        feed.tell([].iter());
        feed.tell(hashes[..3].iter());
        let begun = feed.end();
        let mut notices = feed.notices();
        feed.tell(hashes[3..5].iter());
        assert_eq!(feed.since(begun), (hashes[3..5].to_vec(), 5));
        assert_eq!(notices.try_recv().unwrap()[..], hashes[3..5]);
        assert_eq!(feed.since(5), (vec![], 5));
        feed.tell(hashes[5..].iter());
        let (known, end) = feed.since(0);
        assert_eq!((known.len(), end), (PENDING_HASHES_MAX, hashes.len() as u64));
        assert_eq!(known[0], hashes[10]);
    }
}
