//! Proposals in flight: which are here, with which of their transactions, and whether one is valid.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use entente_executor::{Configuration, EthereumVersions, InputTransaction};
use entente_pool::{AdmissionError, Pool, ReplayKey, in_window};
use entente_types::{Address, BlockNumber, Hash, LeftOut, Proposal, Transaction};

use crate::{Looked, brief::Unfolding, remembered::StoredProposal};

/// How far a proposal's timestamp may be ahead of a voter's clock, in milliseconds.
const AHEAD_MS_MAX: u64 = 3_000;

/// How long transactions that a proposal names are waited for before they are asked for: they are on their way.
const FETCH_GRACE_MS: u64 = 20;

/// How long an answer is waited for before another member is asked.
const FETCH_RETRY_MS: u64 = 250;

/// A transaction of a proposal.
struct Body {
    transaction: Arc<Transaction>,
    /// Nothing where it is not what may be in a block.
    key: Option<ReplayKey>,
    /// Where it came from elsewhere and is not what may be admitted.
    fault: Option<AdmissionError>,
}

impl Body {
    fn new(transaction: Arc<Transaction>, fault: Option<AdmissionError>) -> Self {
        let key = match (&*transaction, &fault) {
            // Whose it is may not be known yet, and would be found here for a proposal that is refused anyway.
            (Transaction::Fisco(_), Some(_)) => None,
            _ => ReplayKey::of(&transaction),
        };
        Self { transaction, key, fault }
    }

    /// Whether it is not too old, and not too new, for a block.
    fn in_window(&self, height: BlockNumber) -> bool {
        match &*self.transaction {
            Transaction::Native(native) => in_window(native.unsigned.valid_until, height.saturating_sub(1)),
            Transaction::Fisco(fisco) => in_window(fisco.fields().block_limit, height.saturating_sub(1)),
            Transaction::Ethereum(_) => true,
        }
    }
}

/// A proposal that is here, whole or not.
pub(crate) struct Held {
    pub(crate) proposal: Arc<Proposal>,
    bodies: Vec<Option<Body>>,
    missing: usize,
    /// What a block that came whole says was not run.
    pub(crate) left_out: Vec<LeftOut>,
    whole: Option<Arc<Vec<InputTransaction>>>,
}

impl Held {
    fn new(proposal: Arc<Proposal>) -> Self {
        let count = proposal.transactions.len();
        let bodies = (0..count).map(|_| None).collect();
        Self { proposal, bodies, missing: count, left_out: Vec::new(), whole: None }
    }

    fn put(&mut self, place: usize, body: Body) {
        if let (Some(empty @ None), 1..) = (self.bodies.get_mut(place), self.missing) {
            *empty = Some(body);
            self.missing -= 1;
        }
    }

    /// What came in a block, which has only what was run: so it is whole without the rest.
    fn of_block(proposal: Arc<Proposal>, ran: Vec<Arc<Transaction>>, left_out: Vec<LeftOut>) -> Self {
        let mut held = Self::new(proposal);
        let not_run: HashSet<usize> = left_out.iter().filter_map(|left| usize::try_from(left.position).ok()).collect();
        let places: Vec<usize> = (0..held.bodies.len()).filter(|place| !not_run.contains(place)).collect();
        for (place, transaction) in places.into_iter().zip(ran) {
            held.put(place, Body::new(transaction, None));
        }
        held.missing = held.missing.saturating_sub(left_out.len());
        held.left_out = left_out;
        held
    }

    fn fill_from(&mut self, pool: &Pool) {
        let hashes = Arc::clone(&self.proposal);
        for (place, hash) in hashes.transactions.iter().enumerate() {
            if self.bodies.get(place).is_some_and(Option::is_none)
                && let Some(checked) = pool.checked(hash)
            {
                self.put(place, Body::new(Arc::clone(checked.transaction()), None));
            }
        }
    }

    fn keys(&self) -> impl Iterator<Item = ReplayKey> {
        self.bodies.iter().flatten().filter_map(|body| body.key)
    }

    /// All its transactions, where they are here; of what came in a block with some left out they are not.
    pub(crate) fn all(&self) -> Option<Vec<Arc<Transaction>>> {
        let transaction = |body: &Option<Body>| body.as_ref().map(|body| Arc::clone(&body.transaction));
        self.bodies.iter().map(transaction).collect()
    }

    /// What is to be run, where it is here.
    pub(crate) fn transactions(&mut self) -> Option<Arc<Vec<InputTransaction>>> {
        if self.missing > 0 {
            return None;
        }
        if self.whole.is_none() {
            let inputs = self.proposal.transactions.iter().zip(&self.bodies).filter_map(|(hash, body)| {
                Some(InputTransaction { hash: *hash, transaction: Arc::clone(&body.as_ref()?.transaction) })
            });
            self.whole = Some(Arc::new(inputs.collect()));
        }
        self.whole.clone()
    }

    fn missing_places(&self) -> Vec<u32> {
        (0_u32..).zip(&self.bodies).filter(|(_, body)| body.is_none()).map(|(place, _)| place).collect()
    }
}

/// What is to be judged, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) height: BlockNumber,
    pub(crate) digest: Hash,
    pub(crate) parent: Option<Hash>,
    pub(crate) view: u64,
    pub(crate) proposer: Address,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid,
    /// No honest member proposes this here, for this reason.
    Invalid(&'static str),
    /// Something that it depends on is not here, or not executed.
    Wait,
}

/// What a proposal is judged on.
pub(crate) struct Ground<'a> {
    pub(crate) genesis: Hash,
    pub(crate) unix_ms: u64,
    /// Its limits, which tell those of each height in flight.
    pub(crate) configuration: &'a Configuration,
    /// Which versions of the rules have Ethereum's transactions.
    pub(crate) ethereum: &'a EthereumVersions,
    pub(crate) pool: &'a Pool,
    /// The digest and timestamp of the proposal of the last certified block.
    pub(crate) certified: (BlockNumber, Hash, u64),
    /// Of each executed height above it, the nonces it used.
    pub(crate) used: &'a BTreeMap<BlockNumber, HashSet<ReplayKey>>,
}

/// What is asked of other members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    Proposal { height: BlockNumber, digest: Hash },
    Bodies { height: BlockNumber, digest: Hash, positions: Vec<u32> },
}

struct Fetch {
    height: BlockNumber,
    next_at: u64,
    attempts: usize,
}

/// The proposals above the last certified block.
#[derive(Default)]
pub(crate) struct Proposals {
    held: BTreeMap<Hash, Held>,
    questions: BTreeMap<Hash, Question>,
    /// To be held whole, whatever they say.
    wanted: BTreeMap<Hash, BlockNumber>,
    fetches: BTreeMap<Hash, Fetch>,
    /// Those asked for that came in brief, with transactions that were not here.
    unfolding: BTreeMap<Hash, Unfolding>,
}

impl Proposals {
    /// A proposal of this node, or one that another names, whose transactions are in the pool.
    pub(crate) fn insert(&mut self, digest: Hash, proposal: Arc<Proposal>, pool: &Pool) {
        self.held.entry(digest).or_insert_with(|| Held::new(proposal)).fill_from(pool);
    }

    /// A proposal that was on disk, with all its transactions; or that of a block, with what that has. One that is whole
    /// already stays as it is.
    pub(crate) fn insert_whole(&mut self, digest: Hash, stored: StoredProposal, left_out: Vec<LeftOut>) {
        if self.held.get(&digest).is_none_or(|held| held.missing > 0) {
            self.held.insert(digest, Held::of_block(stored.proposal, stored.transactions, left_out));
        }
    }

    pub(crate) fn get(&mut self, digest: &Hash) -> Option<&mut Held> {
        self.held.get_mut(digest)
    }

    /// The transactions at these places, as far as they are here.
    pub(crate) fn bodies(&self, digest: &Hash, positions: &[u32]) -> Vec<(u32, Arc<Transaction>)> {
        let Some(held) = self.held.get(digest) else { return Vec::new() };
        let here = |place: &u32| Some((*place, Arc::clone(&held.bodies.get(*place as usize)?.as_ref()?.transaction)));
        positions.iter().filter_map(here).collect()
    }

    pub(crate) fn ask(&mut self, now: u64, question: Question) {
        self.questions.insert(question.digest, question);
        self.fetch(now, question.height, question.digest);
    }

    pub(crate) fn want(&mut self, now: u64, height: BlockNumber, digest: Hash) {
        self.wanted.insert(digest, height);
        self.fetch(now, height, digest);
    }

    fn fetch(&mut self, now: u64, height: BlockNumber, digest: Hash) {
        let fetch = Fetch { height, next_at: now + FETCH_GRACE_MS, attempts: 0 };
        self.fetches.entry(digest).or_insert(fetch);
    }

    /// Whether anybody asks for this proposal.
    pub(crate) fn is_asked_for(&self, digest: &Hash) -> bool {
        self.fetches.contains_key(digest)
    }

    /// Keeps what came in brief where it is asked for.
    pub(crate) fn unfold(&mut self, digest: Hash, unfolding: Unfolding) {
        if self.is_asked_for(&digest) && !self.held.contains_key(&digest) {
            self.unfolding.entry(digest).or_insert(unfolding);
        }
    }

    /// A transaction was let into the pool.
    pub(crate) fn admitted(&mut self, hash: &Hash) {
        for unfolding in self.unfolding.values_mut() {
            unfolding.admitted(hash);
        }
    }

    /// Those of which nothing is missing any more. Whether each is what it should be, nobody has looked at.
    pub(crate) fn unfolded(&mut self) -> Vec<(Hash, Unfolding)> {
        self.unfolding.extract_if(.., |_, unfolding| unfolding.is_complete()).collect()
    }

    /// Who made a proposal, as far as is known.
    pub(crate) fn proposer(&self, digest: &Hash) -> Option<Address> {
        let held = self.held.get(digest).map(|held| held.proposal.proposer);
        held.or_else(|| self.unfolding.get(digest).map(Unfolding::proposer))
    }

    /// Transactions that came for a proposal.
    pub(crate) fn take_in(&mut self, digest: &Hash, places: &[u32], looked: Vec<Looked>) {
        let Some(held) = self.held.get_mut(digest) else {
            if let Some(unfolding) = self.unfolding.get_mut(digest) {
                unfolding.take_in(places, looked);
            }
            return;
        };
        for (place, looked) in places.iter().map(|place| *place as usize).zip(looked) {
            if held.proposal.transactions.get(place) == Some(&looked.hash) {
                held.put(place, Body::new(looked.transaction, looked.checked.err()));
            }
        }
    }

    /// Transactions were let into the pool: some may be those that are missing.
    pub(crate) fn fill_from(&mut self, pool: &Pool) {
        for held in self.held.values_mut().filter(|held| held.missing > 0) {
            held.fill_from(pool);
        }
    }

    /// Lets a proposal go; the hashes that no other one has. One that this node voted for stays until its height is
    /// certified: a later view may begin with it, and then somebody must have it.
    pub(crate) fn abandon(&mut self, digest: &Hash, voted: bool) -> Vec<Hash> {
        self.questions.remove(digest);
        self.wanted.remove(digest);
        self.fetches.remove(digest);
        let Some(proposal) = self.held.get(digest).map(|held| Arc::clone(&held.proposal)) else { return Vec::new() };
        if !voted {
            self.held.remove(digest);
        }
        let others = self.held.iter().filter(|(other, _)| *other != digest);
        let others: HashSet<Hash> = others.flat_map(|(_, held)| held.proposal.transactions.iter().copied()).collect();
        proposal.transactions.iter().filter(|hash| !others.contains(*hash)).copied().collect()
    }

    /// The digests at and below a height.
    pub(crate) fn through(&self, height: BlockNumber) -> Vec<Hash> {
        let held = self.held.iter().filter(|(_, held)| held.proposal.number <= height).map(|(digest, _)| *digest);
        let asked = self.fetches.iter().filter(|(_, fetch)| fetch.height <= height).map(|(digest, _)| *digest);
        held.chain(asked).collect()
    }

    /// The nonces of the proposals in flight that lead to this one, itself included, as far as they are here.
    pub(crate) fn keys_down_from(&self, digest: Option<Hash>) -> HashSet<ReplayKey> {
        let mut keys = HashSet::new();
        let mut next = digest;
        while let Some(held) = next.and_then(|digest| self.held.get(&digest)) {
            keys.extend(held.keys());
            next = Some(held.proposal.parent);
        }
        keys
    }

    /// What is whole now of what was wanted.
    pub(crate) fn whole(&mut self) -> Vec<(BlockNumber, Hash)> {
        let held = &self.held;
        let whole = |digest: &Hash| held.get(digest).is_some_and(|held| held.missing == 0);
        let found: Vec<_> =
            self.wanted.iter().filter(|(digest, _)| whole(digest)).map(|(digest, height)| (*height, *digest)).collect();
        for (_, digest) in &found {
            self.wanted.remove(digest);
            self.fetches.remove(digest);
        }
        found
    }

    /// Answers to the questions that can be answered.
    pub(crate) fn verdicts(&mut self, ground: &Ground<'_>) -> Vec<(Question, Option<&'static str>)> {
        let judged: Vec<(Question, Verdict)> =
            self.questions.values().map(|question| (*question, self.verdict(question, ground))).collect();
        let mut answers = Vec::new();
        for (question, verdict) in judged {
            let refused = match verdict {
                Verdict::Wait => continue,
                Verdict::Valid => None,
                Verdict::Invalid(why) => Some(why),
            };
            self.questions.remove(&question.digest);
            self.fetches.remove(&question.digest);
            answers.push((question, refused));
        }
        answers
    }

    /// What a voter refuses: design, section 2.
    fn verdict(&self, question: &Question, ground: &Ground<'_>) -> Verdict {
        let Some(held) = self.held.get(&question.digest) else { return Verdict::Wait };
        let (certified, certified_digest, certified_ms) = ground.certified;
        let (parent, parent_ms) = match question.parent {
            None if question.height == certified + 1 => (certified_digest, certified_ms),
            // It was certified meanwhile.
            Some(parent) if question.height == certified + 1 && parent == certified_digest => (parent, certified_ms),
            Some(parent) => match self.held.get(&parent) {
                Some(below) => (parent, below.proposal.timestamp_ms),
                None => return Verdict::Wait,
            },
            None => return Verdict::Wait,
        };
        let proposal = &held.proposal;
        let most = ground.configuration.limits(question.height).map_or(0, |limits| limits.block_transactions as usize);
        if proposal.transactions.is_empty() && question.height != certified + 1 {
            // Whether an empty block is asked for is known once all below is certified; no honest member proposes it sooner.
            return Verdict::Wait;
        }
        let period = ground.configuration.empty_block_period_ms(question.height).ok().flatten();
        let empty = period.is_some_and(|period| proposal.timestamp_ms >= parent_ms.saturating_add(period));
        let rules = [
            (proposal.genesis == ground.genesis, "it is for another group"),
            (proposal.number == question.height, "it is for another height"),
            (proposal.parent == parent, "it follows another proposal"),
            (proposal.view == question.view, "it is of another view"),
            (proposal.proposer == question.proposer, "it names another proposer"),
            (proposal.timestamp_ms > parent_ms, "its timestamp is not above its parent's"),
            (proposal.timestamp_ms <= ground.unix_ms.saturating_add(AHEAD_MS_MAX), "its timestamp is far ahead"),
            (proposal.access.is_none(), "it has access records, which this version does not know"),
            (!proposal.transactions.is_empty() || empty, "it is empty, and no empty block is due"),
            (proposal.transactions.len() <= most, "it has too many transactions"),
        ];
        if let Some((_, why)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Verdict::Invalid(why);
        }
        let has_others =
            ground.ethereum.rules(ground.configuration, question.height).is_ok_and(|rules| rules.is_some());
        let mut own = HashSet::with_capacity(held.bodies.len());
        for body in held.bodies.iter().flatten() {
            let is_native = matches!(*body.transaction, Transaction::Native(_));
            let rules = [
                (body.fault.is_none() && body.key.is_some(), "a transaction is not valid"),
                (is_native || has_others, "it has a transaction that is not native, and the height's rules have none"),
                (body.in_window(question.height), "a transaction has expired"),
                (body.key.is_none_or(|key| !ground.pool.is_used(&key)), "a transaction was used in a block"),
                (body.key.is_none_or(|key| own.insert(key)), "a transaction is there twice"),
            ];
            if let Some((_, why)) = rules.into_iter().find(|(holds, _)| !holds) {
                return Verdict::Invalid(why);
            }
        }
        if held.missing > 0 {
            return Verdict::Wait;
        }
        self.verdict_on_flight(question, &own, ground)
    }

    /// Whether a transaction was used in a block in flight is known once that is executed.
    fn verdict_on_flight(&self, question: &Question, own: &HashSet<ReplayKey>, ground: &Ground<'_>) -> Verdict {
        let mut next = question.parent;
        for height in (ground.certified.0 + 1..question.height).rev() {
            let Some(below) = next.and_then(|digest| self.held.get(&digest)) else { return Verdict::Wait };
            match ground.used.get(&height) {
                Some(used) if !used.is_disjoint(own) => {
                    return Verdict::Invalid("a transaction was used in a block in flight");
                }
                None if below.missing > 0 || below.keys().any(|key| own.contains(&key)) => return Verdict::Wait,
                _ => {}
            }
            next = Some(below.proposal.parent);
        }
        Verdict::Valid
    }

    /// What to ask of others now, and how often it was asked before.
    pub(crate) fn wants(&mut self, now: u64) -> Vec<(Want, usize)> {
        let mut wants = Vec::new();
        let held = &self.held;
        self.fetches.retain(|digest, _| held.get(digest).is_none_or(|held| held.missing > 0));
        let fetches = &self.fetches;
        self.unfolding.retain(|digest, _| fetches.contains_key(digest) && !held.contains_key(digest));
        for (digest, fetch) in &mut self.fetches {
            if fetch.next_at > now {
                continue;
            }
            let (height, digest) = (fetch.height, *digest);
            let want = match self.held.get(&digest) {
                Some(held) => Want::Bodies { height, digest, positions: held.missing_places() },
                // Once: a brief that was not understood by then may have been another's.
                None => match self.unfolding.get(&digest).filter(|_| fetch.attempts == 0) {
                    Some(unfolding) => Want::Bodies { height, digest, positions: unfolding.missing_places() },
                    None => Want::Proposal { height, digest },
                },
            };
            wants.push((want, fetch.attempts));
            fetch.attempts += 1;
            fetch.next_at = now + FETCH_RETRY_MS;
        }
        wants
    }

    /// The proposal came: its transactions are asked for at once.
    pub(crate) fn hurry(&mut self, now: u64, digest: &Hash) {
        if let Some(fetch) = self.fetches.get_mut(digest) {
            fetch.next_at = now;
        }
    }

    pub(crate) fn wake_at(&self) -> Option<u64> {
        self.fetches.values().map(|fetch| fetch.next_at).min()
    }
}

#[cfg(test)]
mod tests {
    use entente_testing::{genesis, keys, unsigned};
    use entente_types::{Suite, Version};

    use super::*;

    fn transactions(count: u64) -> Vec<Arc<Transaction>> {
        let (genesis, key) = (genesis(&keys(1)), &keys(1)[0]);
        (0..count).map(|nonce| Arc::new(unsigned(&genesis, key, nonce).sign(&genesis.hash(), key))).collect()
    }

    fn proposal(transactions: &[Arc<Transaction>]) -> Arc<Proposal> {
        Arc::new(Proposal {
            version: Version,
            genesis: Hash([1; 32]),
            number: 7,
            parent: Hash([2; 32]),
            view: 0,
            timestamp_ms: 1,
            proposer: Address([3; 20]),
            transactions: transactions.iter().map(|one| one.hash(Suite::Standard)).collect(),
            access: None,
        })
    }

    #[test]
    fn what_came_in_a_block_is_whole_without_what_that_left_out() {
        let all = transactions(5);
        let proposal = proposal(&all);
        let left = |position: u32| LeftOut { position, hash: proposal.transactions[position as usize] };
        let ran: Vec<Arc<Transaction>> = [0, 2, 4].map(|place: usize| Arc::clone(&all[place])).to_vec();
        let stored = StoredProposal { version: Version, proposal: Arc::clone(&proposal), transactions: ran };
        let (mut proposals, digest) = (Proposals::default(), Hash([9; 32]));
        proposals.insert(digest, Arc::clone(&proposal), &empty_pool());
        proposals.want(0, 7, digest);
        assert_eq!(proposals.whole(), []);
        proposals.insert_whole(digest, stored.clone(), vec![left(1), left(3)]);
        assert_eq!(proposals.whole(), [(7, digest)]);
        let held = proposals.get(&digest).unwrap();
        let inputs = held.transactions().unwrap();
        let hashes: Vec<Hash> = inputs.iter().map(|input| input.hash).collect();
        assert_eq!(hashes, [0, 2, 4].map(|place: usize| proposal.transactions[place]));
        assert!(inputs.iter().all(|input| input.transaction.hash(Suite::Standard) == input.hash));
        assert!(held.all().is_none(), "what it does not have it does not say it has");
        // What comes late changes nothing; others are given what there is.
        held.put(1, Body::new(Arc::clone(&all[1]), None));
        assert_eq!(held.transactions().unwrap().len(), 3);
        assert_eq!(proposals.bodies(&digest, &[0, 1, 2]).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 2]);
        // One that has all of it stays as it is.
        let whole = StoredProposal { transactions: all, ..stored.clone() };
        let mut proposals = Proposals::default();
        proposals.insert_whole(digest, whole, Vec::new());
        proposals.insert_whole(digest, stored, vec![left(1), left(3)]);
        let held = proposals.get(&digest).unwrap();
        assert_eq!((held.transactions().unwrap().len(), held.left_out.len()), (5, 0));
    }

    fn empty_pool() -> Pool {
        let rules = entente_pool::PoolRules {
            suite: Suite::Standard,
            scheme: Arc::new(Suite::Standard),
            genesis: Hash([1; 32]),
            chain_id: 1,
            group_id: entente_types::GroupId::new("group1").unwrap(),
            transaction_gas: 1,
            ethereum: None,
            verified: Arc::default(),
        };
        Pool::new(rules, entente_pool::PoolLimits::default(), 0)
    }
}
