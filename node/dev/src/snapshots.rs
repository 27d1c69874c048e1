//! Going back to what was.

use std::sync::Arc;

use entente_ledger::{DevMark, ReplayEntry};
use entente_pool::{Pool, PoolRules, ReplayKey};
use entente_types::{Address, Transaction};

use crate::{DevChain, DevError, chain::Settings};

/// What a chain was at some time.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    mark: DevMark,
    settings: Settings,
    /// What waited.
    waiting: Vec<Arc<Transaction>>,
    /// When it was taken, by the node's clock.
    unix_ms: u64,
}

impl DevChain {
    pub(crate) fn taken(&self, unix_ms: u64) -> Taken {
        Taken { mark: self.ledger.mark(), settings: self.settings.clone(), waiting: self.waiting(), unix_ms }
    }

    /// Takes a snapshot: its number.
    pub fn snapshot(&mut self, unix_ms: u64) -> u64 {
        let taken = self.taken(unix_ms);
        self.last_snapshot = self.last_snapshot.saturating_add(1);
        self.snapshots.insert(self.last_snapshot, taken);
        self.last_snapshot
    }

    /// Goes back to a snapshot, which is gone then, as are those taken after it: whether there was one.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn revert(&mut self, unix_ms: u64, snapshot: u64) -> Result<bool, DevError> {
        let mut gone = self.snapshots.split_off(&snapshot);
        if let Some(taken) = gone.remove(&snapshot) {
            return self.go_back(unix_ms, taken).map(|()| true);
        }
        self.snapshots.append(&mut gone);
        Ok(false)
    }

    /// Begins anew; the next snapshot is the first one again, as it is on Hardhat's node.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn reset(&mut self, unix_ms: u64) -> Result<(), DevError> {
        let Some(taken) = self.begun.clone() else { return Ok(()) };
        self.go_back(unix_ms, Taken { unix_ms, ..taken })?;
        self.snapshots.clear();
        self.last_snapshot = 0;
        self.impersonated.clear();
        (self.impersonates_all, self.automine, self.interval_ms) = (false, true, None);
        self.resets = self.resets.saturating_add(1);
        Ok(())
    }

    fn go_back(&mut self, unix_ms: u64, taken: Taken) -> Result<(), DevError> {
        let Taken { mark, settings, waiting, unix_ms: then_ms } = taken;
        self.ledger.take_back(mark)?;
        self.blocks.clear();
        let seconds = unix_ms.saturating_sub(then_ms) / 1000;
        self.settings = Settings { clock: settings.clock.since(seconds), ..settings };
        self.fill_pool(waiting)
    }

    /// All that waits, in the order in which it can be let in again.
    pub(crate) fn waiting(&self) -> Vec<Arc<Transaction>> {
        let mut waiting: Vec<_> = self.pool.all().map(|checked| (order(&checked.key()), checked)).collect();
        waiting.sort_unstable_by_key(|(order, _)| *order);
        waiting.into_iter().map(|(_, checked)| Arc::clone(checked.transaction())).collect()
    }

    /// Makes the pool anew over the ledger as it is now, and lets these wait, as far as they still can.
    pub(crate) fn fill_pool(&mut self, waiting: Vec<Arc<Transaction>>) -> Result<(), DevError> {
        let rules = PoolRules::clone(self.pool.rules());
        let mut pool = Pool::new(rules, self.pool.limits(), self.ledger().tip().number);
        for block in self.ledger().replay_window() {
            let (number, entries) = block?;
            let key = |entry: &ReplayEntry| ReplayKey::Native { sender: entry.sender, nonce: entry.nonce };
            pool.remember(number, entries.iter().map(key).collect());
        }
        self.pool = pool;
        self.follow_configuration()?;
        let height = self.ledger().tip().number;
        for transaction in waiting {
            let bytes = transaction.to_bytes().len();
            if let Ok(checked) = self.pool.rules().check_one(height, transaction, bytes) {
                // One that the state as it is now does not let wait is dropped.
                let _refused = self.let_in(checked)?;
            }
        }
        Ok(())
    }
}

/// Ethereum's by their senders' numbers; of others the order does not matter.
fn order(key: &ReplayKey) -> (Address, u64) {
    match key {
        ReplayKey::Ethereum(origin) => (origin.sender, origin.nonce),
        ReplayKey::Native { sender, .. } => (*sender, 0),
    }
}
