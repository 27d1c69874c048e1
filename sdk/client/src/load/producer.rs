//! Signing ahead of sending.
//!
//! A transaction may be valid for at most 1,000 blocks, and blocks may come every 20 ms: what is signed too early
//! expires before it is sent. So the producer signs, before the measured time, as much as will be sent within
//! the validity (or all of it), and goes on within the measured time only when little is left. What it then uses of
//! the processor counts as the generator's own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use entente_types::limits::VALIDITY_BLOCKS_MAX;
use rayon::prelude::*;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    batch::{Batch, Signer},
    plan::LoadError,
    tracker::Tracker,
    transfers::Transfer,
};

/// For how many blocks a transfer is valid: as long as the ledger allows, less some for nodes that lag behind.
pub(super) const VALIDITY: u64 = VALIDITY_BLOCKS_MAX - 100;
/// The batches that are signed at once, over all cores.
const BATCHES_AT_ONCE: usize = 8;
/// How long the producer sleeps while enough is signed.
const PAUSE: Duration = Duration::from_millis(5);

/// What is to be signed.
pub(super) struct Order<I> {
    pub(super) transfers: I,
    /// How many at most.
    pub(super) total: u64,
    /// The transactions of a batch.
    pub(super) batch: usize,
    /// How many before the measured time.
    pub(super) prefill: u64,
    /// How few may be left before more are signed within the measured time.
    pub(super) low: u64,
}

#[derive(Debug, Default)]
struct Counters {
    signed: AtomicU64,
    taken: AtomicU64,
    stop: AtomicBool,
}

/// The receiving end of the producer.
#[derive(Debug)]
pub(super) struct Producer {
    batches: mpsc::UnboundedReceiver<Batch>,
    counters: Arc<Counters>,
    thread: JoinHandle<Result<(), LoadError>>,
}

impl Producer {
    /// Begins to sign, on a thread of its own and rayon's pool.
    pub(super) fn start<I>(signer: Arc<Signer>, tracker: Arc<Tracker>, order: Order<I>) -> Self
    where
        I: Iterator<Item = Transfer> + Send + 'static,
    {
        // Unbounded, but never longer than `prefill` and `low` let it grow.
        let (sender, batches) = mpsc::unbounded_channel();
        let counters = Arc::new(Counters::default());
        let shared = counters.clone();
        let thread = tokio::task::spawn_blocking(move || produce(&signer, &tracker, order, &shared, &sender));
        Self { batches, counters, thread }
    }

    /// How many are signed.
    pub(super) fn signed(&self) -> u64 {
        self.counters.signed.load(Ordering::Relaxed)
    }

    /// Whether nothing more will be signed.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The next batch; nothing when all are sent.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        let batch = self.batches.recv().await?;
        self.counters.taken.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Some(batch)
    }

    /// Ends the signing and says whether it went well.
    pub(super) async fn stop(self) -> Result<(), LoadError> {
        self.counters.stop.store(true, Ordering::Relaxed);
        drop(self.batches);
        self.thread.await.map_err(|error| LoadError::Thread(error.to_string()))?
    }
}

fn produce<I: Iterator<Item = Transfer>>(
    signer: &Signer,
    tracker: &Tracker,
    order: Order<I>,
    counters: &Counters,
    sender: &mpsc::UnboundedSender<Batch>,
) -> Result<(), LoadError> {
    let Order { mut transfers, total, batch, prefill, low } = order;
    let mut done = 0_u64;
    while done < total && !counters.stop.load(Ordering::Relaxed) {
        let waiting = done.saturating_sub(counters.taken.load(Ordering::Relaxed));
        if done >= prefill && waiting > low {
            std::thread::sleep(PAUSE);
            continue;
        }
        let mut lists: Vec<Vec<Transfer>> = Vec::with_capacity(BATCHES_AT_ONCE);
        let mut drawn = 0_u64;
        for _ in 0..BATCHES_AT_ONCE {
            let wanted = (total - done - drawn).min(batch as u64) as usize;
            let list: Vec<Transfer> = transfers.by_ref().take(wanted).collect();
            drawn += list.len() as u64;
            if list.is_empty() {
                break;
            }
            lists.push(list);
        }
        if drawn == 0 {
            return Ok(());
        }
        let valid_until = tracker.height().saturating_add(VALIDITY);
        let batches: Vec<_> = lists.into_par_iter().map(|list| signer.batch(list, valid_until)).collect();
        for batch in batches {
            if sender.send(batch?).is_err() {
                return Ok(());
            }
        }
        done += drawn;
        counters.signed.store(done, Ordering::Relaxed);
    }
    Ok(())
}
