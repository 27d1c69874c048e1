//! The queue of transactions that wait.

use std::{collections::VecDeque, sync::Arc};

use entente_types::{Address, BlockNumber, EthereumOrigin, EthereumRefusal, Hash, SenderAccount, Transaction};
use hashbrown::{HashMap, HashSet};

use crate::{
    AdmissionError, Checked, EthereumRules, PoolRules, ReplayIndex, ReplayKey, ShortId, admission::Terms, lanes::Lanes,
    short_id::ByShortId,
};

/// How many turns to be passed over the queue may hold beside those that wait.
const STALE_MAX: usize = 1024;

/// How many blocks may leave an Ethereum transaction out that was next and could be paid: they were full, or it is one
/// that this pool does not know to be impossible.
const LEFT_OUT_MAX: u8 = 8;

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
    /// How many blocks left it out that could have had it.
    left_out: u8,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// A native transaction's. Where it is gone or taken the turn is passed over.
    Native(Hash),
    /// The next Ethereum transaction's of a sender. Each that can be taken has at least one.
    Sender(Address),
}

/// Transactions that wait, oldest first, and what was used before them.
pub struct Pool {
    rules: Arc<PoolRules>,
    limits: PoolLimits,
    height: BlockNumber,
    /// In the order that they are taken in.
    queue: VecDeque<Turn>,
    /// How many can be taken: they are in no proposal, and wait for no other.
    untaken: usize,
    entries: HashMap<ByShortId, Entry>,
    /// The nonces of those that wait.
    waiting: HashSet<ReplayKey>,
    /// How many of each sender wait, where any does.
    senders: HashMap<Address, usize>,
    /// Ethereum's senders.
    lanes: Lanes,
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
            lanes: Lanes::default(),
            replay: ReplayIndex::default(),
            bytes: 0,
        }
    }

    /// What transactions are compared with: another value once a rule has changed.
    pub const fn rules(&self) -> &Arc<PoolRules> {
        &self.rules
    }

    /// From now on a transaction may ask for this much gas, and Ethereum's are held against these rules. Those that wait
    /// already stay: they were accepted, and a block with one that asks for more says so in its receipt, or leaves it out.
    pub fn set_rules(&mut self, transaction_gas: u64, ethereum: Option<Arc<dyn EthereumRules>>) {
        self.rules = Arc::new(PoolRules { transaction_gas, ethereum, ..(*self.rules).clone() });
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

    /// Whose account is to be told when this transaction is let in: that of an Ethereum transaction of whose sender
    /// nothing waits, unless it is refused whatever the account is.
    pub fn asks_for(&self, checked: &Checked) -> Option<Address> {
        match checked.key {
            ReplayKey::Ethereum(origin) if self.lanes.account(&origin.sender).is_none() => {
                (!self.replay.contains(&checked.key)).then_some(origin.sender)
            }
            _ => None,
        }
    }

    /// Whether any Ethereum transaction of this account waits: then [`Self::committed`] must be told of its changes.
    pub fn follows(&self, account: &Address) -> bool {
        self.lanes.account(account).is_some()
    }

    /// The number of the next Ethereum transaction of this sender, where any of its waits.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.lanes.next_nonce(sender)
    }

    /// Lets a checked transaction in; with its sender's account as the last certified block left it, where the pool
    /// [asks for it](Self::asks_for).
    ///
    /// # Errors
    /// Why it may not wait.
    pub fn admit(&mut self, checked: Checked, account: Option<SenderAccount>) -> Result<Hash, AdmissionError> {
        let hash = checked.hash;
        if self.entries.contains_key(&ByShortId(hash)) {
            return Err(AdmissionError::Known);
        }
        if self.replay.contains(&checked.key) || self.waiting.contains(&checked.key) {
            return Err(used_up(&checked.key));
        }
        let account = self.may_apply(&checked, account)?;
        let sender = checked.key.sender();
        if self.of_sender(&sender) >= self.limits.sender_transactions {
            return Err(AdmissionError::FullSender { sender, limit: self.limits.sender_transactions });
        }
        self.make_room(&checked, account.as_ref())?;
        *self.senders.entry(sender).or_insert(0) += 1;
        self.bytes += checked.bytes;
        self.waiting.insert(checked.key);
        match checked.key {
            ReplayKey::Native { .. } => {
                self.queue.push_back(Turn::Native(hash));
                self.untaken += 1;
            }
            ReplayKey::Ethereum(origin) => {
                let cost = checked.terms.cost().unwrap_or_default();
                let freed = self.lanes.put(self.height, &origin, account.unwrap_or_default(), (hash, cost));
                self.give_turns(sender, freed);
            }
        }
        self.entries.insert(ByShortId(hash), Entry { checked, taken: false, left_out: 0 });
        Ok(hash)
    }

    /// What waits for a lower number that is not here goes for one that can be in the next block: whoever sends nothing
    /// but the former keeps nobody out.
    fn make_room(&mut self, checked: &Checked, account: Option<&SenderAccount>) -> Result<(), AdmissionError> {
        let PoolLimits { transactions, bytes, .. } = self.limits;
        while let Some(full) = if self.entries.len() >= transactions {
            Some(AdmissionError::Full { limit: transactions })
        } else if self.bytes.saturating_add(checked.bytes) > bytes {
            Some(AdmissionError::FullBytes { limit: bytes })
        } else {
            None
        } {
            let waits_itself = match (&checked.key, account) {
                (ReplayKey::Ethereum(origin), Some(account)) => self.lanes.is_behind_gap(origin, account),
                _ => false,
            };
            let behind = if waits_itself { None } else { self.lanes.last_behind_gap() };
            self.drop_entry(&behind.ok_or(full)?);
        }
        Ok(())
    }

    /// The height may have grown since the check, and a rule changed. The sender's account, where it matters.
    fn may_apply(
        &self,
        checked: &Checked,
        account: Option<SenderAccount>,
    ) -> Result<Option<SenderAccount>, AdmissionError> {
        match (checked.key, checked.terms) {
            (ReplayKey::Ethereum(origin), Terms::Costs(cost)) => {
                let known = self.lanes.account(&origin.sender).copied().or(account);
                let account = known.ok_or(AdmissionError::Account)?;
                self.lanes.may_wait(&origin, &account, cost)?;
                Ok(Some(account))
            }
            (_, Terms::Until(found)) if !checked.terms.in_window(self.height) => {
                Err(AdmissionError::Window { found, height: self.height })
            }
            _ => checked.gas_limit.map_or(Ok(()), |found| self.rules.gas(found)).map(|()| None),
        }
    }

    fn give_turns(&mut self, sender: Address, count: usize) {
        self.untaken += count;
        self.queue.extend(std::iter::repeat_n(Turn::Sender(sender), count));
    }

    /// Whether any transaction waits that can be in a proposal, and is in none.
    pub const fn has_untaken(&self) -> bool {
        self.untaken > 0
    }

    /// Takes the oldest transactions for the proposal of block `number`: at most `count` of them and `bytes` together.
    pub fn take(&mut self, number: BlockNumber, count: usize, bytes: usize) -> Vec<PooledTransaction> {
        let before = number.saturating_sub(1);
        let mut taken = Vec::with_capacity(count.min(self.untaken));
        let mut total = 0_usize;
        while taken.len() < count {
            let Some(turn) = self.queue.front().copied() else { break };
            let next = match turn {
                Turn::Native(hash) => Some(hash),
                Turn::Sender(sender) => self.lanes.first(&sender),
            };
            let entry = next.and_then(|hash| self.entries.get_mut(&ByShortId(hash)));
            let Some(entry) = entry.filter(|entry| !entry.taken) else {
                self.queue.pop_front();
                continue;
            };
            let (hash, key) = (entry.checked.hash, entry.checked.key);
            // Another node's block may have used the nonce meanwhile.
            if self.replay.contains(&key) || !entry.checked.terms.in_window(before) {
                self.queue.pop_front();
                self.drop_entry(&hash);
                continue;
            }
            total = total.saturating_add(entry.checked.bytes);
            if total > bytes && !taken.is_empty() {
                break;
            }
            taken.push(PooledTransaction { hash, transaction: Arc::clone(&entry.checked.transaction) });
            self.put_in_proposal(&hash);
            self.queue.pop_front();
        }
        taken
    }

    fn put_in_proposal(&mut self, hash: &Hash) {
        let Some(entry) = self.entries.get_mut(&ByShortId(*hash)).filter(|entry| !entry.taken) else { return };
        entry.taken = true;
        let was_free = match &entry.checked.key {
            ReplayKey::Native { .. } => true,
            ReplayKey::Ethereum(origin) => self.lanes.take(origin),
        };
        self.untaken = self.untaken.saturating_sub(usize::from(was_free));
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
            self.put_in_proposal(hash);
        }
        self.forget_stale();
    }

    /// The queue holds turns that are to be passed over: never many more than those that wait.
    fn forget_stale(&mut self) {
        if self.queue.len() <= 2 * self.untaken + STALE_MAX {
            return;
        }
        let (entries, lanes) = (&self.entries, &self.lanes);
        let mut turns: HashMap<Address, usize> = HashMap::new();
        self.queue.retain(|turn| match turn {
            Turn::Native(hash) => entries.get(&ByShortId(*hash)).is_some_and(|entry| !entry.taken),
            Turn::Sender(sender) => {
                let count = turns.entry(*sender).or_insert(0);
                *count += 1;
                *count <= lanes.free(sender)
            }
        });
    }

    /// Takes in a committed block: its transactions wait no more, their nonces are used, and what expired goes.
    /// Transactions it left out wait again, before all others. `accounts` are those that it changed and that the pool
    /// [follows](Self::follows), as it left them.
    pub fn committed(
        &mut self,
        number: BlockNumber,
        included: &[(Hash, ReplayKey)],
        left_out: &[Hash],
        accounts: impl IntoIterator<Item = (Address, SenderAccount)>,
    ) {
        self.height = number;
        for (address, account) in accounts {
            let moved = self.lanes.account_is(number, &address, account);
            self.untaken = self.untaken.saturating_sub(moved.bound);
            self.give_turns(address, moved.freed);
            for hash in &moved.gone {
                self.drop_entry(hash);
            }
        }
        for (hash, key) in included {
            self.drop_entry(hash);
            // Another transaction with the same nonce can be valid no more.
            self.waiting.remove(key);
        }
        self.replay.block(number, included.iter().map(|(_, key)| *key).collect());
        let left_out: Vec<Hash> = left_out.iter().copied().filter(|hash| self.may_come_again(hash)).collect();
        self.give_back(&left_out);
        self.drop_expired();
        self.forget_stale();
    }

    /// Whether one that a block left out may apply in another; it goes where it never can.
    fn may_come_again(&mut self, hash: &Hash) -> bool {
        let Some(entry) = self.entries.get_mut(&ByShortId(*hash)) else { return false };
        let (ReplayKey::Ethereum(origin), Terms::Costs(cost)) = (entry.checked.key, entry.checked.terms) else {
            return true;
        };
        let Some(account) = self.lanes.account(&origin.sender) else { return false };
        if account.nonce < origin.nonce {
            return true;
        }
        entry.left_out = entry.left_out.saturating_add(1);
        let may = entry.left_out < LEFT_OUT_MAX && account.can_send(origin.sender, origin.nonce, cost).is_ok();
        if !may {
            self.drop_entry(hash);
        }
        may
    }

    /// Gives back what a proposal took that came to nothing.
    pub fn give_back(&mut self, hashes: &[Hash]) {
        for hash in hashes.iter().rev() {
            let entry = self.entries.get_mut(&ByShortId(*hash));
            let Some(entry) = entry.filter(|entry| entry.taken) else { continue };
            entry.taken = false;
            let turn = match &entry.checked.key {
                ReplayKey::Native { .. } => Some(Turn::Native(*hash)),
                ReplayKey::Ethereum(origin) => self.lanes.give_back(origin).then_some(Turn::Sender(origin.sender)),
            };
            if let Some(turn) = turn {
                self.untaken += 1;
                self.queue.push_front(turn);
            }
        }
    }

    /// Expired ones are looked for at the queue's head only: the rest is found when it is taken. Of Ethereum's those that
    /// wait for one with a lower number expire.
    fn drop_expired(&mut self) {
        for hash in self.lanes.expired(self.height) {
            self.drop_entry(&hash);
        }
        while let Some(Turn::Native(hash)) = self.queue.front().copied() {
            match self.entries.get(&ByShortId(hash)) {
                Some(entry) if !entry.taken && entry.checked.terms.in_window(self.height) => return,
                Some(entry) if entry.taken => {}
                _ => self.drop_entry(&hash),
            }
            self.queue.pop_front();
        }
    }

    fn drop_entry(&mut self, hash: &Hash) {
        let Some(entry) = self.entries.remove(&ByShortId(*hash)) else { return };
        self.bytes = self.bytes.saturating_sub(entry.checked.bytes);
        self.waiting.remove(&entry.checked.key);
        let sender = entry.checked.key.sender();
        if let Some(count) = self.senders.get_mut(&sender) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.senders.remove(&sender);
            }
        }
        match &entry.checked.key {
            ReplayKey::Native { .. } => self.untaken = self.untaken.saturating_sub(usize::from(!entry.taken)),
            ReplayKey::Ethereum(origin) => {
                let moved = self.lanes.remove(self.height, origin);
                self.untaken = self.untaken.saturating_sub(moved.bound);
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

    /// All that wait, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Checked> {
        self.entries.values().map(|entry| &entry.checked)
    }

    /// Those that can be taken, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = PooledTransaction> {
        let mut senders = HashMap::new();
        let next = move |turn: &Turn| match turn {
            Turn::Native(hash) => self.entries.get(&ByShortId(*hash)).filter(|entry| !entry.taken).map(|_| *hash),
            Turn::Sender(sender) => senders.entry(*sender).or_insert_with(|| self.lanes.all_free(sender)).next(),
        };
        self.queue.iter().filter_map(next).filter_map(|hash| self.find(&hash))
    }

    /// Whether the nonce was used in one of the last 1,000 blocks.
    pub fn is_used(&self, key: &ReplayKey) -> bool {
        self.replay.contains(key)
    }
}

const fn used_up(key: &ReplayKey) -> AdmissionError {
    match key {
        ReplayKey::Native { .. } => AdmissionError::Replay,
        ReplayKey::Ethereum(EthereumOrigin { sender, nonce }) => {
            AdmissionError::Ethereum(EthereumRefusal::Replacement { sender: *sender, nonce: *nonce })
        }
    }
}
