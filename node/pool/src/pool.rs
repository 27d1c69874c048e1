//! The queue of transactions that wait.

use std::{collections::VecDeque, sync::Arc};

use entente_types::{Address, BlockNumber, Hash, Transaction};
use hashbrown::{HashMap, HashSet};

use crate::{
    AdmissionError, Checked, PoolRules, ReplayIndex, ReplayKey, ShortId, admission::in_window, short_id::ByShortId,
};

/// How many hashes to be passed over the queue may hold beside those that wait.
const STALE_MAX: usize = 1024;

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// By count.
    pub transactions: usize,
    /// By bytes as they came in.
    pub bytes: usize,
    /// By count, of one sender.
    pub sender_transactions: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        // A quarter: whoever sends everything from one account keeps the pool five blocks ahead, and cannot fill it.
        Self { transactions: 100_000, bytes: 256 << 20, sender_transactions: 25_000 }
    }
}

/// A transaction that waits.
#[derive(Debug, Clone)]
pub struct PooledTransaction {
    /// Its hash.
    pub hash: Hash,
    /// The transaction.
    pub transaction: Arc<Transaction>,
}

struct Entry {
    checked: Checked,
    /// Whether it is in a proposal in flight.
    taken: bool,
}

/// Transactions that wait, oldest first, and what was used before them.
pub struct Pool {
    rules: Arc<PoolRules>,
    limits: PoolLimits,
    height: BlockNumber,
    /// In the order that they are taken in. A hash whose entry is gone or taken is passed over.
    queue: VecDeque<Hash>,
    /// How many are in no proposal.
    untaken: usize,
    entries: HashMap<ByShortId, Entry>,
    /// The nonces of those that wait.
    waiting: HashSet<ReplayKey>,
    /// How many of each sender wait, where any does.
    senders: HashMap<Address, usize>,
    replay: ReplayIndex,
    bytes: usize,
}

impl Pool {
    /// An empty pool at this height.
    pub fn new(rules: PoolRules, limits: PoolLimits, height: BlockNumber) -> Self {
        Self {
            rules: Arc::new(rules),
            limits,
            height,
            queue: VecDeque::new(),
            untaken: 0,
            entries: HashMap::new(),
            waiting: HashSet::new(),
            senders: HashMap::new(),
            replay: ReplayIndex::default(),
            bytes: 0,
        }
    }

    /// What transactions are compared with: another value once a rule has changed.
    pub const fn rules(&self) -> &Arc<PoolRules> {
        &self.rules
    }

    /// From now on a transaction may ask for this much gas. Those that wait already stay: they were accepted, and a
    /// block with one that asks for more says so in its receipt.
    pub fn set_transaction_gas(&mut self, limit: u64) {
        if self.rules.transaction_gas != limit {
            self.rules = Arc::new(PoolRules { transaction_gas: limit, ..(*self.rules).clone() });
        }
    }

    /// The last height told.
    pub const fn height(&self) -> BlockNumber {
        self.height
    }

    /// How many wait, those in a proposal in flight included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of those that wait.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much may wait.
    pub const fn limits(&self) -> PoolLimits {
        self.limits
    }

    /// Takes in a block that was committed before this pool began: for making the replay index anew. Blocks come in
    /// their order.
    pub fn remember(&mut self, number: BlockNumber, keys: Vec<ReplayKey>) {
        self.replay.block(number, keys);
        self.height = self.height.max(number);
    }

    /// Lets a checked transaction in.
    pub fn admit(&mut self, checked: Checked) -> Result<Hash, AdmissionError> {
        let hash = checked.hash;
        if self.entries.contains_key(&ByShortId(hash)) {
            return Err(AdmissionError::Known);
        }
        if self.replay.contains(&checked.key) || self.waiting.contains(&checked.key) {
            return Err(AdmissionError::Replay);
        }
        // The height may have grown since the check, and a rule changed.
        if !in_window(checked.valid_until, self.height) {
            return Err(AdmissionError::Window { found: checked.valid_until, height: self.height });
        }
        self.rules.gas(checked.gas_limit)?;
        if self.entries.len() >= self.limits.transactions {
            return Err(AdmissionError::Full { limit: self.limits.transactions });
        }
        if self.bytes.saturating_add(checked.bytes) > self.limits.bytes {
            return Err(AdmissionError::FullBytes { limit: self.limits.bytes });
        }
        let sender = checked.key.sender;
        if self.of_sender(&sender) >= self.limits.sender_transactions {
            return Err(AdmissionError::FullSender { sender, limit: self.limits.sender_transactions });
        }
        *self.senders.entry(sender).or_insert(0) += 1;
        self.bytes += checked.bytes;
        self.waiting.insert(checked.key);
        self.queue.push_back(hash);
        self.untaken += 1;
        self.entries.insert(ByShortId(hash), Entry { checked, taken: false });
        Ok(hash)
    }

    /// Whether any transaction waits that is in no proposal.
    pub const fn has_untaken(&self) -> bool {
        self.untaken > 0
    }

    /// Takes the oldest transactions for the proposal of block `number`: at most `count` of them and `bytes` together.
    pub fn take(&mut self, number: BlockNumber, count: usize, bytes: usize) -> Vec<PooledTransaction> {
        let before = number.saturating_sub(1);
        let mut taken = Vec::with_capacity(count.min(self.untaken));
        let mut total = 0_usize;
        while taken.len() < count {
            let Some(hash) = self.queue.front().copied() else { break };
            let Some(entry) = self.entries.get_mut(&ByShortId(hash)).filter(|entry| !entry.taken) else {
                self.queue.pop_front();
                continue;
            };
            // Another node's block may have used the nonce meanwhile.
            let used = self.replay.contains(&entry.checked.key);
            if used || !in_window(entry.checked.valid_until, before) {
                self.queue.pop_front();
                self.drop_entry(&hash);
                continue;
            }
            total = total.saturating_add(entry.checked.bytes);
            if total > bytes && !taken.is_empty() {
                break;
            }
            entry.taken = true;
            self.untaken = self.untaken.saturating_sub(1);
            taken.push(PooledTransaction { hash, transaction: Arc::clone(&entry.checked.transaction) });
            self.queue.pop_front();
        }
        taken
    }

    /// Lets go of transactions that can be in no block any more.
    pub fn discard(&mut self, hashes: &[Hash]) {
        for hash in hashes {
            self.drop_entry(hash);
        }
        self.forget_stale();
    }

    /// Notes that another node's proposal has these: they are not for a proposal of this node.
    pub fn set_aside(&mut self, hashes: &[Hash]) {
        for hash in hashes {
            if let Some(entry) = self.entries.get_mut(&ByShortId(*hash)).filter(|entry| !entry.taken) {
                entry.taken = true;
                self.untaken = self.untaken.saturating_sub(1);
            }
        }
        self.forget_stale();
    }

    /// The queue holds hashes that are to be passed over: never many more than those that wait.
    fn forget_stale(&mut self) {
        if self.queue.len() > 2 * self.untaken + STALE_MAX {
            let entries = &self.entries;
            self.queue.retain(|hash| entries.get(&ByShortId(*hash)).is_some_and(|entry| !entry.taken));
        }
    }

    /// Takes in a committed block: its transactions wait no more, their nonces are used, and what expired goes.
    /// Transactions it left out wait again, before all others.
    pub fn committed(&mut self, number: BlockNumber, included: &[(Hash, ReplayKey)], left_out: &[Hash]) {
        self.height = number;
        for (hash, key) in included {
            self.drop_entry(hash);
            // Another transaction with the same nonce can be valid no more.
            self.waiting.remove(key);
        }
        self.replay.block(number, included.iter().map(|(_, key)| *key).collect());
        self.give_back(left_out);
        self.drop_expired();
        self.forget_stale();
    }

    /// Gives back what a proposal took that came to nothing.
    pub fn give_back(&mut self, hashes: &[Hash]) {
        for hash in hashes.iter().rev() {
            if let Some(entry) = self.entries.get_mut(&ByShortId(*hash)).filter(|entry| entry.taken) {
                entry.taken = false;
                self.untaken += 1;
                self.queue.push_front(*hash);
            }
        }
    }

    /// Expired ones are looked for at the queue's head only: the rest is found when it is taken.
    fn drop_expired(&mut self) {
        while let Some(hash) = self.queue.front().copied() {
            match self.entries.get(&ByShortId(hash)) {
                Some(entry) if !entry.taken && in_window(entry.checked.valid_until, self.height) => return,
                Some(entry) if entry.taken => {}
                _ => self.drop_entry(&hash),
            }
            self.queue.pop_front();
        }
    }

    fn drop_entry(&mut self, hash: &Hash) {
        if let Some(entry) = self.entries.remove(&ByShortId(*hash)) {
            self.bytes = self.bytes.saturating_sub(entry.checked.bytes);
            self.untaken = self.untaken.saturating_sub(usize::from(!entry.taken));
            self.waiting.remove(&entry.checked.key);
            let sender = entry.checked.key.sender;
            if let Some(count) = self.senders.get_mut(&sender) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.senders.remove(&sender);
                }
            }
        }
    }

    /// How many of a sender's transactions wait, those in a proposal in flight included.
    pub fn of_sender(&self, sender: &Address) -> usize {
        self.senders.get(sender).copied().unwrap_or(0)
    }

    /// How many senders have transactions that wait.
    pub fn senders(&self) -> usize {
        self.senders.len()
    }

    /// A waiting transaction as it was checked.
    pub fn checked(&self, hash: &Hash) -> Option<&Checked> {
        self.entries.get(&ByShortId(*hash)).map(|entry| &entry.checked)
    }

    /// The hash of a waiting transaction that begins like this; one of them, where there are several.
    pub fn hash_of(&self, id: &ShortId) -> Option<Hash> {
        self.entries.get_key_value(id).map(|(key, _)| key.0)
    }

    /// A waiting transaction.
    pub fn find(&self, hash: &Hash) -> Option<PooledTransaction> {
        let entry = self.entries.get(&ByShortId(*hash))?;
        Some(PooledTransaction { hash: *hash, transaction: Arc::clone(&entry.checked.transaction) })
    }

    /// Those that wait and are in no proposal, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = PooledTransaction> {
        let free = |hash: &&Hash| self.entries.get(&ByShortId(**hash)).is_some_and(|entry| !entry.taken);
        self.queue.iter().filter(free).filter_map(|hash| self.find(hash))
    }

    /// Whether the nonce was used in one of the last 1,000 blocks.
    pub fn is_used(&self, key: &ReplayKey) -> bool {
        self.replay.contains(key)
    }
}
