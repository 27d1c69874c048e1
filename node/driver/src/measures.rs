//! What a running node counts, for people who watch it. Nothing but numbers hangs on it: relaxed order is enough.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use entente_network::{Count, GroupCounters as GroupTraffic};
use entente_pool::AdmissionError;

/// The upper bounds of a histogram's buckets, in microseconds; a last bucket has all above.
pub const DURATION_BOUNDS_US: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000];
/// With the last one.
const BUCKETS: usize = DURATION_BOUNDS_US.len() + 1;

/// How long something took, each time, in buckets.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = DURATION_BOUNDS_US.partition_point(|bound| *bound < took);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(took, Ordering::Relaxed);
    }

    pub(crate) fn shown(&self) -> Durations {
        let buckets = self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed));
        Durations { buckets, sum_us: self.sum_us.load(Ordering::Relaxed) }
    }
}

/// What a histogram held at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durations {
    /// How many were not above the bound of [`DURATION_BOUNDS_US`] at the same place, and above the one before.
    pub buckets: [u64; BUCKETS],
    /// All of them together, in microseconds.
    pub sum_us: u64,
}

/// A bounded place of the node: a queue, or work that only so many may do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its name, in metrics.
    pub name: &'static str,
    /// How much of it is taken.
    pub used: u64,
    /// How much there is.
    pub maximum: u64,
}

/// How often a limit refused somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusals {
    /// The limit's key in `config.toml`.
    pub limit: &'static str,
    /// How often, since the start. Of limits on transactions: how many transactions.
    pub count: u64,
}

/// What a group said to its other nodes in one class of messages, or heard from them, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// The class.
    pub class: &'static str,
    /// Whether it left; else it arrived.
    pub sent: bool,
    /// Messages, counted once for each node.
    pub messages: u64,
    /// Their bytes as they travelled, compressed.
    pub bytes: u64,
    /// Of those that arrived: their bytes once they are no longer compressed.
    pub unpacked: u64,
}

/// Messages of the group that were dropped since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Why, in one word.
    pub why: &'static str,
    /// How many.
    pub count: u64,
}

/// What went over the network for a group.
pub(crate) fn traffic(counters: &GroupTraffic) -> (Vec<Traffic>, Vec<Dropped>) {
    let names = ["consensus", "transactions", "sync"];
    let of = |sent: bool, counts: &[Count; 3]| {
        let shown = names.into_iter().zip(counts).zip(&counters.unpacked).map(|((class, count), unpacked)| {
            let (messages, bytes) = count.shown();
            let unpacked = if sent { 0 } else { unpacked.load(Ordering::Relaxed) };
            Traffic { class, sent, messages, bytes, unpacked }
        });
        shown.collect::<Vec<_>>()
    };
    let dropped = |why, counter: &AtomicU64| Dropped { why, count: counter.load(Ordering::Relaxed) };
    let traffic = [of(true, &counters.sent), of(false, &counters.received)].concat();
    let drops = vec![
        dropped("queue_full", &counters.dropped),
        dropped("too_much_waits", &counters.overflows),
        dropped("stranger", &counters.strangers),
    ];
    (traffic, drops)
}

/// What a group counts beside its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMeasures {
    /// Its bounded places.
    pub places: Vec<Place>,
    /// Whom its limits refused.
    pub refusals: Vec<Refusals>,
    /// How long blocks took to execute.
    pub execute: Durations,
    /// How long blocks took to write.
    pub write: Durations,
    /// What it said to its other nodes and heard from them. Empty where the node is on no network.
    pub traffic: Vec<Traffic>,
    /// What was not sent or not heard.
    pub dropped: Vec<Dropped>,
}

/// The counters of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupCounters {
    pub(crate) executing: AtomicU64,
    pub(crate) writing: AtomicU64,
    pub(crate) execute: Histogram,
    pub(crate) write: Histogram,
    pub(crate) submissions_refused: AtomicU64,
    pub(crate) checking_refused: AtomicU64,
    pool_transactions: AtomicU64,
    pool_bytes: AtomicU64,
    pool_sender: AtomicU64,
}

impl GroupCounters {
    /// Counts a refusal by one of the pool's limits.
    pub(crate) fn refused(&self, error: &AdmissionError) {
        let counter = match error {
            AdmissionError::Full { .. } => &self.pool_transactions,
            AdmissionError::FullBytes { .. } => &self.pool_bytes,
            AdmissionError::FullSender { .. } => &self.pool_sender,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refusals(&self) -> Vec<Refusals> {
        let of = |limit, counter: &AtomicU64| Refusals { limit, count: counter.load(Ordering::Relaxed) };
        vec![
            of("pool.transactions_max", &self.pool_transactions),
            of("pool.bytes_max", &self.pool_bytes),
            of("pool.sender_transactions_max", &self.pool_sender),
            of("pool.submissions_max", &self.submissions_refused),
            of("pool.checking_transactions_max", &self.checking_refused),
        ]
    }
}

/// Takes one away for as long as the work lasts that was counted.
pub(crate) struct Counted<'a>(pub(crate) &'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let shown = histogram.shown();
        assert_eq!(shown.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(shown.sum_us, 20_002_002);
        assert!(DURATION_BOUNDS_US.is_sorted());
    }
}
