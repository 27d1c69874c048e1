//! The transactions of Ethereum's senders, each in the order of its numbers.

use std::collections::{BTreeMap, BTreeSet};

use entente_types::{
    Address, Amount, BlockNumber, EthereumOrigin, EthereumRefusal, Hash, SenderAccount, limits::VALIDITY_BLOCKS_MAX,
};
use hashbrown::HashMap;

/// How far above the first number that is not here others may wait.
pub(crate) const NONCES_AHEAD_MAX: u64 = 64;

/// What of one sender waits.
struct Lane {
    /// The sender as the last block left it.
    account: SenderAccount,
    /// All that waits, by its number.
    waiting: BTreeMap<u64, Waiting>,
    /// The most that all of it may cost, where the group has coin: never more than the account had when the last came.
    cost: Amount,
    /// The first number from the account's on that is not here: what is below may be in a block, in this order.
    ready_to: u64,
    /// What of that is in no proposal.
    free: BTreeSet<u64>,
    /// What is in one.
    taken: BTreeSet<u64>,
    /// Since which height anything waits for a lower number that is not here.
    gap_since: Option<BlockNumber>,
}

/// One that waits.
#[derive(Clone, Copy)]
struct Waiting {
    hash: Hash,
    /// The most that it may cost.
    cost: Amount,
}

impl Lane {
    const fn new(account: SenderAccount) -> Self {
        Self {
            account,
            waiting: BTreeMap::new(),
            cost: Amount::ZERO,
            ready_to: account.nonce,
            free: BTreeSet::new(),
            taken: BTreeSet::new(),
            gap_since: None,
        }
    }

    /// Counts what follows without a gap as ready; how many of these can be taken.
    fn grow(&mut self) -> usize {
        let before = self.free.len();
        while self.waiting.contains_key(&self.ready_to) {
            if !self.taken.contains(&self.ready_to) {
                self.free.insert(self.ready_to);
            }
            self.ready_to = self.ready_to.saturating_add(1);
        }
        self.free.len().saturating_sub(before)
    }

    fn forget_cost(&mut self, waiting: &Waiting) {
        // Added before: what is added and taken away again leaves the sum as it was, whatever it wrapped at.
        self.cost = Amount(self.cost.0.wrapping_sub(waiting.cost.0));
    }

    fn has_gap(&self) -> bool {
        self.waiting.last_key_value().is_some_and(|(last, _)| *last >= self.ready_to)
    }
}

/// What became of a sender's transactions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// So many more can be taken.
    pub(crate) freed: usize,
    /// So many less can be.
    pub(crate) bound: usize,
    /// The account is beyond these.
    pub(crate) gone: Vec<Hash>,
}

/// Of each sender of whom any Ethereum transaction waits, what waits.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<Address, Lane>,
    /// The lanes in which something waits for a lower number, by the height since when.
    gaps: BTreeSet<(BlockNumber, Address)>,
}

impl Lanes {
    /// A sender's account, where any of its transactions waits.
    pub(crate) fn account(&self, sender: &Address) -> Option<&SenderAccount> {
        self.lanes.get(sender).map(|lane| &lane.account)
    }

    /// The first number of a sender that is neither used nor waits, where any of its transactions waits.
    pub(crate) fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.lanes.get(sender).map(|lane| lane.ready_to)
    }

    /// Whether one of this sender would wait for a lower number that is not here.
    pub(crate) fn is_behind_gap(&self, origin: &EthereumOrigin, account: &SenderAccount) -> bool {
        origin.nonce > self.next_nonce(&origin.sender).unwrap_or(account.nonce)
    }

    /// One that waits for a lower number that is not here, and is in no proposal: the last of the sender whose gap is
    /// the oldest.
    pub(crate) fn last_behind_gap(&self) -> Option<Hash> {
        let behind = |lane: &Lane| {
            let mut unready = lane.waiting.range(lane.ready_to..).rev();
            unready.find(|(nonce, _)| !lane.taken.contains(*nonce)).map(|(_, waiting)| waiting.hash)
        };
        self.gaps.iter().find_map(|(_, sender)| self.lanes.get(sender).and_then(behind))
    }

    /// Whether one with this number and at most this cost may wait: an account that has coin must have enough for all of
    /// its transactions that wait.
    pub(crate) fn may_wait(
        &self,
        origin: &EthereumOrigin,
        account: &SenderAccount,
        cost: Option<Amount>,
    ) -> Result<(), EthereumRefusal> {
        let EthereumOrigin { sender, nonce } = *origin;
        let lane = self.lanes.get(&sender);
        let together = |cost: Amount| match lane {
            Some(lane) if account.balance.is_some() => lane.cost.0.checked_add(cost.0).map(Amount),
            _ => Some(cost),
        };
        account.can_send(sender, nonce, cost)?;
        if lane.is_some_and(|lane| lane.waiting.contains_key(&nonce)) {
            return Err(EthereumRefusal::Replacement { sender, nonce });
        }
        let most = lane.map_or(account.nonce, |lane| lane.ready_to).saturating_add(NONCES_AHEAD_MAX);
        if nonce > most {
            return Err(EthereumRefusal::NonceHigh { found: nonce, sender, most });
        }
        account.can_send(sender, nonce, cost.and_then(together))
    }

    /// Lets one wait that may; how many more can be taken.
    pub(crate) fn put(
        &mut self,
        height: BlockNumber,
        origin: &EthereumOrigin,
        account: SenderAccount,
        (hash, cost): (Hash, Amount),
    ) -> usize {
        let lane = self.lanes.entry(origin.sender).or_insert_with(|| Lane::new(account));
        lane.waiting.insert(origin.nonce, Waiting { hash, cost });
        lane.cost = Amount(lane.cost.0.wrapping_add(cost.0));
        let before = lane.ready_to;
        let freed = lane.grow();
        let moved = lane.ready_to != before;
        self.note_gap(height, &origin.sender, moved);
        freed
    }

    /// The one with the lowest number that can be taken.
    pub(crate) fn first(&self, sender: &Address) -> Option<Hash> {
        let lane = self.lanes.get(sender)?;
        lane.waiting.get(lane.free.first()?).map(|waiting| waiting.hash)
    }

    /// How many of a sender's can be taken.
    pub(crate) fn free(&self, sender: &Address) -> usize {
        self.lanes.get(sender).map_or(0, |lane| lane.free.len())
    }

    /// Those of a sender that can be taken, ascending.
    pub(crate) fn all_free(&self, sender: &Address) -> impl Iterator<Item = Hash> + use<'_> {
        let lane = self.lanes.get(sender);
        lane.into_iter()
            .flat_map(|lane| lane.free.iter().filter_map(|nonce| lane.waiting.get(nonce).map(|waiting| waiting.hash)))
    }

    /// One is in a proposal; whether it could be taken before.
    pub(crate) fn take(&mut self, origin: &EthereumOrigin) -> bool {
        let Some(lane) = self.lanes.get_mut(&origin.sender) else { return false };
        lane.taken.insert(origin.nonce);
        lane.free.remove(&origin.nonce)
    }

    /// One is in no proposal any more; whether it can be taken now.
    pub(crate) fn give_back(&mut self, origin: &EthereumOrigin) -> bool {
        let Some(lane) = self.lanes.get_mut(&origin.sender) else { return false };
        lane.taken.remove(&origin.nonce);
        let is_ready = origin.nonce < lane.ready_to && lane.waiting.contains_key(&origin.nonce);
        is_ready && lane.free.insert(origin.nonce)
    }

    /// One waits no more: those with higher numbers wait for its like.
    pub(crate) fn remove(&mut self, height: BlockNumber, origin: &EthereumOrigin) -> Moved {
        let mut moved = Moved::default();
        let Some(lane) = self.lanes.get_mut(&origin.sender) else { return moved };
        let removed = lane.waiting.remove(&origin.nonce);
        if let Some(removed) = &removed {
            lane.forget_cost(removed);
        }
        let was_here = removed.is_some();
        lane.taken.remove(&origin.nonce);
        let was_ready = was_here && origin.nonce < lane.ready_to;
        if was_ready {
            moved.bound = lane.free.split_off(&origin.nonce).len();
            lane.ready_to = origin.nonce;
        }
        self.note_gap(height, &origin.sender, was_ready);
        moved
    }

    /// A block left a sender like this.
    pub(crate) fn account_is(&mut self, height: BlockNumber, sender: &Address, account: SenderAccount) -> Moved {
        let mut moved = Moved::default();
        let Some(lane) = self.lanes.get_mut(sender) else { return moved };
        lane.account = account;
        let rest = lane.waiting.split_off(&account.nonce);
        for gone in std::mem::replace(&mut lane.waiting, rest).into_values() {
            lane.forget_cost(&gone);
            moved.gone.push(gone.hash);
        }
        let free = lane.free.split_off(&account.nonce);
        moved.bound = std::mem::replace(&mut lane.free, free).len();
        lane.taken = lane.taken.split_off(&account.nonce);
        let before = lane.ready_to;
        lane.ready_to = lane.ready_to.max(account.nonce);
        moved.freed = lane.grow();
        let progressed = lane.ready_to != before;
        self.note_gap(height, sender, progressed);
        moved
    }

    /// What has waited for a lower number for 1,000 blocks, in which nothing moved.
    pub(crate) fn expired(&mut self, height: BlockNumber) -> Vec<Hash> {
        let mut expired = Vec::new();
        while let Some((since, sender)) = self.gaps.first().copied() {
            if since.saturating_add(VALIDITY_BLOCKS_MAX) > height {
                break;
            }
            self.gaps.pop_first();
            let Some(lane) = self.lanes.get_mut(&sender) else { continue };
            let unready = lane.waiting.range(lane.ready_to..).filter(|(nonce, _)| !lane.taken.contains(*nonce));
            expired.extend(unready.map(|(_, waiting)| waiting.hash));
            lane.gap_since = None;
            self.note_gap(height, &sender, true);
        }
        expired
    }

    /// Keeps the note of a lane's gap, which begins anew where what is ready `moved`; and forgets a lane that is empty.
    fn note_gap(&mut self, height: BlockNumber, sender: &Address, moved: bool) {
        let Some(lane) = self.lanes.get_mut(sender) else { return };
        let since = match lane.gap_since {
            Some(since) if lane.has_gap() && !moved => Some(since),
            _ => lane.has_gap().then_some(height),
        };
        if since != lane.gap_since {
            let old = std::mem::replace(&mut lane.gap_since, since);
            if let Some(old) = old {
                self.gaps.remove(&(old, *sender));
            }
            if let Some(since) = since {
                self.gaps.insert((since, *sender));
            }
        }
        if lane.waiting.is_empty() {
            self.lanes.remove(sender);
        }
    }
}
