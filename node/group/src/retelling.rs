//! What this node's own clients sent, told to the others again where it waits for long.
//!
//! Transactions are told once, when they come. A link that was cut, or a queue that was full, loses that; and where this
//! node does not propose for a while, nobody else would ever propose them.

use std::{collections::VecDeque, sync::Arc};

use entente_pool::Pool;
use entente_types::{Hash, Transaction};

/// How long a transaction may wait before it is told again, in milliseconds: longer than a view that brings nothing.
const WAIT_MS: u64 = 4_000;
/// How often that is done at most, in milliseconds, and for how many at once: where many wait because there are many, it
/// costs the others little to hear of some again.
const INTERVAL_MS: u64 = 500;
const AT_ONCE: usize = 128;
/// And with how many bytes together, beside the last: well below what a message may have.
const BYTES_AT_ONCE: usize = 4 << 20;

/// A transaction of an own client that is in the pool.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) hash: Hash,
    pub(crate) transaction: Arc<Transaction>,
    /// The bytes it came in.
    pub(crate) bytes: usize,
}

/// What is told in each message, one after the other.
pub(crate) fn messages(told: Vec<Told>) -> Vec<Vec<Arc<Transaction>>> {
    let mut messages: Vec<Vec<Arc<Transaction>>> = Vec::new();
    let mut bytes = BYTES_AT_ONCE;
    for one in told {
        if bytes >= BYTES_AT_ONCE {
            messages.push(Vec::new());
            bytes = 0;
        }
        bytes = bytes.saturating_add(one.bytes);
        if let Some(message) = messages.last_mut() {
            message.push(one.transaction);
        }
    }
    messages
}

/// The transactions of own clients, by when they were told last.
#[derive(Debug, Default)]
pub(crate) struct Retelling {
    told: VecDeque<(Hash, u64)>,
    next_at: u64,
}

impl Retelling {
    /// These, which are in the pool, were told to the others now. Those that are in it no more are forgotten before twice as
    /// many are remembered as it may hold.
    pub(crate) fn told(&mut self, now_ms: u64, hashes: impl Iterator<Item = Hash>, pool: &Pool) {
        self.told.extend(hashes.map(|hash| (hash, now_ms)));
        if self.told.len() > pool.limits().transactions.saturating_mul(2) {
            self.told.retain(|(hash, _)| pool.checked(hash).is_some());
        }
    }

    /// What is to be told again now: the oldest that still wait.
    pub(crate) fn due(&mut self, now_ms: u64, pool: &Pool) -> Vec<Arc<Transaction>> {
        let (mut due, mut bytes) = (Vec::new(), 0);
        if now_ms < self.next_at {
            return due;
        }
        while due.len() < AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some((hash, told_at)) = self.told.front().copied() else { break };
            let waits = pool.checked(&hash);
            if waits.is_some() && told_at.saturating_add(WAIT_MS) > now_ms {
                break;
            }
            self.told.pop_front();
            if let Some(waiting) = waits {
                self.told.push_back((hash, now_ms));
                bytes = waiting.bytes().saturating_add(bytes);
                due.push(Arc::clone(waiting.transaction()));
            }
        }
        if !due.is_empty() {
            self.next_at = now_ms.saturating_add(INTERVAL_MS);
        }
        due
    }

    /// When [`Retelling::due`] may have something.
    pub(crate) fn wake_at(&self) -> Option<u64> {
        self.told.front().map(|(_, told_at)| told_at.saturating_add(WAIT_MS).max(self.next_at))
    }
}
