//! What was sent and is not yet committed, and what the nodes tell of their blocks.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{sync::Semaphore, task::AbortHandle};

use super::{
    batch::{Key, key_of_text},
    plan::LoadError,
    timeline::Timeline,
};
use crate::{
    client::{BlockStream, StreamError},
    limits::shown,
};

/// Blocks that some nodes have told of and others not yet.
const CANDIDATES_MAX: usize = 4096;
/// The longest latency that the histogram tells apart, in microseconds.
const LATENCY_US_MAX: u64 = 3600 * 1_000_000;

/// What a node tells of a block, without copying its hashes.
#[derive(Deserialize)]
struct Head<'a> {
    number: u64,
    #[serde(borrow)]
    hash: &'a str,
    #[serde(default)]
    gas_used: u64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    transactions: Vec<&'a str>,
    #[serde(default)]
    failed: Vec<usize>,
}

/// Keys are hashes already.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// A block that not enough nodes have told of yet, or that others will still tell of.
struct Candidate {
    hash: Key,
    told_by: u64,
    transactions: Vec<Key>,
    failed: Vec<usize>,
    gas_used: u64,
    settled: bool,
}

/// The counts of one phase.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) committed: u64,
    pub(super) failed: u64,
    /// Those of `failed` that were never seen in a block.
    pub(super) lost: u64,
    pub(super) refused: u64,
    pub(super) blocks: u64,
    /// From the phase's start to its last commit.
    pub(super) last_commit: Duration,
    pub(super) latency_us: Histogram<u64>,
    pub(super) first_failure: Option<String>,
    pub(super) timeline: Timeline,
}

impl Counts {
    fn new() -> Result<Self, LoadError> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .map_err(|error| LoadError::Thread(format!("the histogram was not made: {error}")))?;
        Ok(Self {
            sent: 0,
            committed: 0,
            failed: 0,
            lost: 0,
            refused: 0,
            blocks: 0,
            last_commit: Duration::ZERO,
            latency_us,
            first_failure: None,
            timeline: Timeline::default(),
        })
    }

    fn fail(&mut self, since_start: Duration, reason: impl FnOnce() -> String) {
        self.failed += 1;
        self.timeline.at(since_start).failed += 1;
        self.first_failure.get_or_insert_with(reason);
    }
}

/// A transaction on its way.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// When it was meant to be sent.
    intended: Instant,
    /// The first block that it cannot be in.
    valid_until: u64,
}

struct State {
    pending: HashMap<Key, Pending, BuildHasherDefault<KeyHasher>>,
    /// No pending transaction expires before this block.
    first_expiry: u64,
    candidates: BTreeMap<u64, Candidate>,
    counts: Counts,
    start: Instant,
    last_progress: Instant,
    observers: usize,
    fault: Option<LoadError>,
}

/// Shared by what sends and what listens.
pub(super) struct Tracker {
    state: Mutex<State>,
    height: AtomicU64,
    quorum: usize,
    /// One permit for each transaction that may still be sent.
    pub(super) window: Arc<Semaphore>,
}

impl Tracker {
    /// A tracker of so many nodes, of which more than two thirds must tell of a block before it counts.
    pub(super) fn new(nodes: usize, window: usize, height: u64) -> Result<Self, LoadError> {
        let now = Instant::now();
        let state = State {
            pending: HashMap::default(),
            first_expiry: u64::MAX,
            candidates: BTreeMap::new(),
            counts: Counts::new()?,
            start: now,
            last_progress: now,
            observers: nodes,
            fault: None,
        };
        let (state, height) = (Mutex::new(state), AtomicU64::new(height));
        Ok(Self { state, height, quorum: nodes * 2 / 3 + 1, window: Arc::new(Semaphore::new(window)) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything can panic, so a poisoned state is still a true one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a phase: all counts at zero, time from now.
    pub(super) fn begin(&self) -> Result<Instant, LoadError> {
        let mut state = self.lock();
        let now = Instant::now();
        (state.counts, state.start, state.last_progress) = (Counts::new()?, now, now);
        Ok(now)
    }

    /// The last block that any node told of.
    pub(super) fn height(&self) -> u64 {
        self.height.load(Ordering::Relaxed)
    }

    /// What was counted since the phase began.
    pub(super) fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Committed and failed so far.
    pub(super) fn done(&self) -> u64 {
        let state = self.lock();
        state.counts.committed + state.counts.failed
    }

    /// How many wait, and for how long nothing has been committed.
    pub(super) fn waiting(&self) -> (u64, Duration) {
        let state = self.lock();
        (state.pending.len() as u64, state.last_progress.elapsed())
    }

    /// What made going on pointless, if anything did.
    pub(super) fn fault(&self) -> Option<LoadError> {
        self.lock().fault.take()
    }

    /// Transactions are about to be sent; they take a permit each, which the sender has acquired.
    pub(super) fn register(&self, keys: &[Key], intended: Instant, valid_until: u64) {
        let mut state = self.lock();
        state.first_expiry = state.first_expiry.min(valid_until);
        state.counts.sent += keys.len() as u64;
        let since_start = intended.saturating_duration_since(state.start);
        state.counts.timeline.at(since_start).sent += keys.len() as u64;
        state.pending.extend(keys.iter().map(|key| (*key, Pending { intended, valid_until })));
        if state.pending.len() == keys.len() {
            // Nothing waited before, so nothing could be committed.
            state.last_progress = Instant::now();
        }
    }

    /// Transactions were signed again and have other names; those that were committed meanwhile are left alone.
    pub(super) fn rename(&self, old: &[Key], new: &[Key], valid_until: u64) {
        let mut state = self.lock();
        state.first_expiry = state.first_expiry.min(valid_until);
        for (old, new) in old.iter().zip(new) {
            if let Some(Pending { intended, .. }) = state.pending.remove(old) {
                state.pending.insert(*new, Pending { intended, valid_until });
            }
        }
    }

    /// A node said "not now" so many times.
    pub(super) fn refused(&self, count: u64) {
        self.lock().counts.refused += count;
    }

    /// A node refused transactions for good.
    pub(super) fn fail(&self, failures: &[(Key, String)]) {
        let mut state = self.lock();
        let since_start = state.start.elapsed();
        let mut freed = 0;
        for (key, reason) in failures {
            if state.pending.remove(key).is_some() {
                state.counts.fail(since_start, || reason.clone());
                freed += 1;
            }
        }
        drop(state);
        self.window.add_permits(freed);
    }

    /// Gives up what still waits.
    pub(super) fn give_up(&self) {
        let lost = self.lock().lose(|_| true, "it was handed to a node but never seen in a block");
        self.window.add_permits(lost);
    }

    /// A node told of a block.
    fn notice(&self, node: usize, notice: &str) -> Result<(), serde_json::Error> {
        let head: Head<'_> = serde_json::from_str(notice)?;
        let hash = key_of_text(head.hash).unwrap_or_default();
        self.height.fetch_max(head.number, Ordering::Relaxed);
        let mut state = self.lock();
        if let Entry::Vacant(place) = state.candidates.entry(head.number) {
            // The hashes are read once, not once for each node.
            let body: Body<'_> = serde_json::from_str(notice)?;
            let transactions = body.transactions.iter().filter_map(|hash| key_of_text(hash)).collect();
            let (failed, gas_used) = (body.failed, head.gas_used);
            place.insert(Candidate { hash, told_by: 0, transactions, failed, gas_used, settled: false });
            while state.candidates.len() > CANDIDATES_MAX {
                state.candidates.pop_first();
            }
        }
        let State { candidates, fault, .. } = &mut *state;
        let Some(candidate) = candidates.get_mut(&head.number) else { return Ok(()) };
        if candidate.hash != hash {
            *fault = Some(LoadError::Fork(head.number));
            return Ok(());
        }
        candidate.told_by |= 1 << node;
        if candidate.told_by.count_ones() as usize >= self.quorum && !candidate.settled {
            candidate.settled = true;
            let transactions = std::mem::take(&mut candidate.transactions);
            let failed = std::mem::take(&mut candidate.failed);
            let gas_used = candidate.gas_used;
            let freed = state.settle(&transactions, &failed, head.number, gas_used) + state.expire(head.number);
            drop(state);
            self.window.add_permits(freed);
        }
        Ok(())
    }

    fn observer_ended(&self, error: StreamError) {
        let mut state = self.lock();
        state.observers = state.observers.saturating_sub(1);
        if state.observers < self.quorum {
            state.fault.get_or_insert(error.into());
        }
    }
}

impl State {
    /// Takes out what can be in no block after this one. Without that, what a node dropped would hold its place in
    /// the window for ever.
    fn expire(&mut self, number: u64) -> usize {
        // Looking through all that waits is dear; mostly nothing can have expired.
        if number.saturating_add(1) < self.first_expiry {
            return 0;
        }
        let expired = |pending: &Pending| pending.valid_until <= number.saturating_add(1);
        let lost = self.lose(expired, "it expired before it was in a block");
        self.first_expiry = self.pending.values().map(|pending| pending.valid_until).min().unwrap_or(u64::MAX);
        lost
    }

    fn lose(&mut self, which: impl Fn(&Pending) -> bool, reason: &str) -> usize {
        let before = self.pending.len();
        self.pending.retain(|_, pending| !which(pending));
        let lost = before - self.pending.len();
        let since_start = self.start.elapsed();
        for _ in 0..lost {
            self.counts.fail(since_start, || reason.to_owned());
        }
        self.counts.lost += lost as u64;
        lost
    }

    /// Takes a committed block's transactions out of what waits, and says how many they were.
    fn settle(&mut self, transactions: &[Key], failed: &[usize], number: u64, gas_used: u64) -> usize {
        let now = Instant::now();
        let since_start = now.saturating_duration_since(self.start);
        if !transactions.is_empty() {
            self.counts.timeline.at(since_start).record_block(transactions.len() as u64, gas_used);
        }
        let mut freed = 0;
        let mut failed = failed.iter().copied().peekable();
        for (place, key) in transactions.iter().enumerate() {
            while failed.next_if(|failed| *failed < place).is_some() {}
            let has_failed = failed.peek() == Some(&place);
            let Some(Pending { intended, .. }) = self.pending.remove(key) else { continue };
            freed += 1;
            if has_failed {
                let reason = || format!("a transaction of block {number} has failed; ask for its receipt");
                self.counts.fail(since_start, reason);
                continue;
            }
            self.counts.committed += 1;
            let latency = now.saturating_duration_since(intended);
            let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.counts.latency_us.saturating_record(latency_us.max(1));
            let point = self.counts.timeline.at(since_start);
            point.committed += 1;
            point.record_latency(latency);
        }
        if freed > 0 {
            self.counts.blocks += 1;
            self.counts.last_commit = since_start;
            self.last_progress = now;
        }
        freed
    }
}

/// Listens to one node's blocks until the handle is aborted.
pub(super) fn observe(
    tracker: Arc<Tracker>,
    node: usize,
    mut stream: BlockStream<Box<RawValue>>,
    url: String,
) -> AbortHandle {
    let listening = async move {
        loop {
            let error = match stream.next().await {
                Ok(notice) => match tracker.notice(node, notice.get()) {
                    Ok(()) => continue,
                    Err(error) => StreamError::Answer { url, reason: shown(&error.to_string(), 200) },
                },
                Err(error) => error,
            };
            return tracker.observer_ended(error);
        }
    };
    tokio::spawn(listening).abort_handle()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(number: u64, hash: u8, transactions: &[u8], failed: &[usize]) -> String {
        let text = |byte: u8| entente_types::Hash([byte; 32]).to_string();
        let hashes: Vec<String> = transactions.iter().map(|byte| text(*byte)).collect();
        serde_json::json!({
            "number": number, "hash": text(hash), "timestamp_ms": 5, "state_root": text(9), "gas_used": 7,
            "transactions": hashes, "failed": failed,
        })
        .to_string()
    }

    fn keys(bytes: &[u8]) -> Vec<Key> {
        bytes.iter().map(|byte| super::super::batch::key_of(&[*byte; 32])).collect()
    }

    #[test]
    fn a_block_counts_when_a_quorum_has_told_of_it() {
        let tracker = Tracker::new(4, 0, 0).unwrap();
        tracker.register(&keys(&[1, 2, 3]), Instant::now(), 1000);
        let text = notice(1, 50, &[1, 77, 2], &[2]);
        for node in [0, 1, 1] {
            tracker.notice(node, &text).unwrap();
            assert_eq!(tracker.counts().committed, 0);
        }
        for node in [2, 3] {
            tracker.notice(node, &text).unwrap();
            let counts = tracker.counts();
            assert_eq!((counts.sent, counts.committed, counts.failed, counts.blocks), (3, 1, 1, 1));
            // What others sent fills the block, too.
            let [point] = counts.timeline.points() else { panic!("{:?}", counts.timeline) };
            assert_eq!((point.sent, point.committed, point.failed), (3, 1, 1));
            assert_eq!((point.blocks, point.block_transactions, point.gas_used), (1, 3, 7));
            assert!(point.latency_ms(0.5).unwrap() < 200.0);
        }
        assert_eq!(tracker.window.available_permits(), 2);
        assert_eq!((tracker.height(), tracker.waiting().0), (1, 1));
        tracker.give_up();
        assert_eq!((tracker.counts().failed, tracker.counts().lost), (2, 1));
        assert_eq!(tracker.window.available_permits(), 3);
    }

    #[test]
    fn two_blocks_at_one_height_are_a_fork() {
        let tracker = Tracker::new(2, 0, 0).unwrap();
        tracker.notice(0, &notice(4, 50, &[], &[])).unwrap();
        assert!(tracker.fault().is_none());
        tracker.notice(1, &notice(4, 51, &[], &[])).unwrap();
        assert!(matches!(tracker.fault(), Some(LoadError::Fork(4))));
    }

    #[test]
    fn a_renamed_transaction_is_found_under_its_new_name_only() {
        let tracker = Tracker::new(1, 0, 0).unwrap();
        tracker.register(&keys(&[1, 2]), Instant::now(), 1000);
        tracker.notice(0, &notice(1, 50, &[1], &[])).unwrap();
        tracker.rename(&keys(&[1, 2]), &keys(&[11, 12]), 1000);
        tracker.notice(0, &notice(2, 51, &[11, 2], &[])).unwrap();
        assert_eq!(tracker.counts().committed, 1);
        tracker.notice(0, &notice(3, 52, &[12], &[])).unwrap();
        assert_eq!(tracker.counts().committed, 2);
    }

    #[test]
    fn what_has_expired_gives_its_place_back() {
        let tracker = Tracker::new(1, 0, 0).unwrap();
        tracker.register(&keys(&[1]), Instant::now(), 5);
        tracker.register(&keys(&[2]), Instant::now(), 6);
        tracker.notice(0, &notice(3, 50, &[], &[])).unwrap();
        assert_eq!(tracker.waiting().0, 2);
        // The next block is the fifth, which the first transaction cannot be in.
        tracker.notice(0, &notice(4, 51, &[], &[])).unwrap();
        assert_eq!((tracker.waiting().0, tracker.counts().lost, tracker.window.available_permits()), (1, 1, 1));
        tracker.notice(0, &notice(5, 52, &[2], &[])).unwrap();
        let counts = tracker.counts();
        assert_eq!((counts.sent, counts.committed, counts.failed, counts.lost), (2, 1, 1, 1));
    }

    #[test]
    fn too_few_observers_are_a_fault() {
        let tracker = Tracker::new(4, 0, 0).unwrap();
        let lost = || StreamError::Lost { url: "ws://x".to_owned() };
        tracker.observer_ended(lost());
        assert!(tracker.fault().is_none());
        tracker.observer_ended(lost());
        assert!(matches!(tracker.fault(), Some(LoadError::Stream(_))));
    }
}
