//! A proposal on its way to those who have its transactions.
//!
//! A proposal names each transaction by a hash of 32 bytes, and its proposer sends it to everybody, who has nearly all of
//! the transactions from the clients. So it sends of each hash the beginning, as Bitcoin's compact blocks do (BIP 152);
//! what is missing is asked for by its place. Whether the whole is what was voted for, its digest says.

use std::{collections::HashMap, sync::Arc};

use entente_pool::{Pool, ShortId};
use entente_types::{Address, BlockNumber, Hash, Proposal, Version};
use parity_scale_codec::{Decode, Encode};

use crate::Looked;

/// A proposal of fewer transactions is sent as it is: there is little to save.
pub(crate) const BRIEF_TRANSACTIONS_MIN: usize = 16;

/// A proposal, with the beginnings of its transactions' hashes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Brief {
    version: Version<1>,
    genesis: Hash,
    number: BlockNumber,
    parent: Hash,
    view: u64,
    timestamp_ms: u64,
    proposer: Address,
    /// As in [`ShortId`], in the transactions' order.
    ids: Vec<[u8; 8]>,
    access: Option<Hash>,
}

impl Brief {
    /// That of a proposal.
    pub fn of(proposal: &Proposal) -> Self {
        Self {
            version: proposal.version,
            genesis: proposal.genesis,
            number: proposal.number,
            parent: proposal.parent,
            view: proposal.view,
            timestamp_ms: proposal.timestamp_ms,
            proposer: proposal.proposer,
            ids: proposal.transactions.iter().map(|hash| ShortId::of(hash).0).collect(),
            access: proposal.access,
        }
    }

    /// How many transactions it has.
    pub(crate) const fn transactions(&self) -> usize {
        self.ids.len()
    }

    /// Changes what one transaction is called: what an unlikely or evil clash of names comes to.
    pub fn confuse(&mut self, place: usize, with: usize) {
        let id = self.ids.get(with).copied();
        if let (Some(changed), Some(id)) = (self.ids.get_mut(place), id) {
            *changed = id;
        }
    }

    fn with(&self, transactions: Vec<Hash>) -> Proposal {
        Proposal {
            version: self.version,
            genesis: self.genesis,
            number: self.number,
            parent: self.parent,
            view: self.view,
            timestamp_ms: self.timestamp_ms,
            proposer: self.proposer,
            transactions,
            access: self.access,
        }
    }
}

/// A brief proposal as far as it was understood.
pub(crate) struct Unfolding {
    brief: Arc<Brief>,
    hashes: Vec<Option<Hash>>,
    /// The places whose transactions are not here, by their names.
    missing: HashMap<ShortId, u32>,
    /// What was asked for and came, with its place.
    pub(crate) came: Vec<(u32, Looked)>,
}

impl Unfolding {
    /// With what is in the pool.
    pub(crate) fn new(brief: Arc<Brief>, pool: &Pool) -> Self {
        let hashes: Vec<Option<Hash>> = brief.ids.iter().map(|id| pool.hash_of(&ShortId(*id))).collect();
        let missing = (0_u32..).zip(&brief.ids).zip(&hashes);
        let missing =
            missing.filter(|(_, hash)| hash.is_none()).map(|((place, id), _)| (ShortId(*id), place)).collect();
        Self { brief, hashes, missing, came: Vec::new() }
    }

    /// A transaction was let into the pool.
    pub(crate) fn admitted(&mut self, hash: &Hash) {
        if let Some(place) = self.missing.remove(&ShortId::of(hash)) {
            self.put(place, *hash);
        }
    }

    /// Transactions came that were asked for.
    pub(crate) fn take_in(&mut self, places: &[u32], looked: Vec<Looked>) {
        for (place, looked) in places.iter().zip(looked) {
            let id = ShortId::of(&looked.hash);
            if self.brief.ids.get(*place as usize) == Some(&id.0) {
                self.missing.remove(&id);
                if self.put(*place, looked.hash) {
                    self.came.push((*place, looked));
                }
            }
        }
    }

    /// Whether nothing was there before.
    fn put(&mut self, place: u32, hash: Hash) -> bool {
        let Some(empty @ None) = self.hashes.get_mut(place as usize) else { return false };
        *empty = Some(hash);
        true
    }

    pub(crate) fn missing_places(&self) -> Vec<u32> {
        (0_u32..).zip(&self.hashes).filter(|(_, hash)| hash.is_none()).map(|(place, _)| place).collect()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.hashes.iter().all(Option::is_some)
    }

    pub(crate) fn proposer(&self) -> Address {
        self.brief.proposer
    }

    /// The proposal, once nothing is missing.
    pub(crate) fn proposal(&self) -> Option<Arc<Proposal>> {
        let hashes: Option<Vec<Hash>> = self.hashes.iter().copied().collect();
        hashes.map(|hashes| Arc::new(self.brief.with(hashes)))
    }
}

#[cfg(test)]
mod tests {
    use entente_pool::{PoolLimits, PoolRules, check};
    use entente_testing::{genesis, keys, unsigned};
    use entente_types::{GroupId, Suite, Transaction};

    use super::*;

    fn rules() -> PoolRules {
        let genesis = genesis(&keys(1));
        PoolRules {
            suite: Suite::Standard,
            scheme: Arc::new(Suite::Standard),
            genesis: genesis.hash(),
            chain_id: genesis.chain_id,
            group_id: GroupId::new("group1").unwrap(),
            transaction_gas: u64::MAX,
            ethereum: None,
            verified: Arc::default(),
        }
    }

    fn looked(transactions: &[Arc<Transaction>]) -> Vec<Looked> {
        let sized = transactions.iter().map(|one| (Arc::clone(one), 300)).collect();
        let checked = check(&rules(), 0, sized);
        let looked = transactions.iter().zip(checked).map(|(transaction, checked)| Looked {
            hash: transaction.hash(Suite::Standard),
            transaction: Arc::clone(transaction),
            checked,
        });
        looked.collect()
    }

    fn pool(looked: &[Looked]) -> Pool {
        let mut pool = Pool::new(rules(), PoolLimits::default(), 0);
        for looked in looked {
            pool.admit(looked.checked.clone().unwrap(), None).unwrap();
        }
        pool
    }

    fn scene(count: u64) -> (Vec<Looked>, Proposal) {
        let (genesis, key) = (genesis(&keys(1)), &keys(1)[0]);
        let transactions: Vec<_> =
            (0..count).map(|nonce| Arc::new(unsigned(&genesis, key, nonce).sign(&genesis.hash(), key))).collect();
        let all = looked(&transactions);
        let proposal = Proposal {
            version: Version,
            genesis: genesis.hash(),
            number: 1,
            parent: Hash([2; 32]),
            view: 3,
            timestamp_ms: 4,
            proposer: Address([5; 20]),
            transactions: all.iter().map(|looked| looked.hash).collect(),
            access: None,
        };
        (all, proposal)
    }

    #[test]
    fn who_has_the_transactions_understands_it_at_once() {
        let (all, proposal) = scene(20);
        let brief = Brief::of(&proposal);
        let saved = proposal.encoded_size() - brief.encoded_size();
        assert_eq!(saved, 20 * 24, "of each hash a quarter is sent");
        let unfolding = Unfolding::new(Arc::new(brief.clone()), &pool(&all));
        assert_eq!(*unfolding.proposal().unwrap(), proposal);
        // Two with one name: what comes out is another proposal.
        let mut confused = brief;
        confused.confuse(3, 4);
        let other = Unfolding::new(Arc::new(confused), &pool(&all)).proposal().unwrap();
        assert_ne!(other.digest(Suite::Standard), proposal.digest(Suite::Standard));
    }

    #[test]
    fn what_is_missing_comes_through_the_pool_or_when_asked_for() {
        let (all, proposal) = scene(20);
        let mut unfolding = Unfolding::new(Arc::new(Brief::of(&proposal)), &pool(&all[..15]));
        assert_eq!(unfolding.missing_places(), [15, 16, 17, 18, 19]);
        unfolding.admitted(&all[17].hash);
        unfolding.admitted(&Hash([9; 32]));
        assert_eq!(unfolding.missing_places(), [15, 16, 18, 19]);
        // Those at a wrong place, and at none, are not taken; and none is twice, however often it comes.
        for _ in 0..3 {
            unfolding.take_in(&[15, 16, 19, 20], [16, 16, 19, 15].map(|index: usize| all[index].clone()).to_vec());
        }
        assert_eq!(unfolding.missing_places(), [15, 18]);
        assert!(unfolding.proposal().is_none());
        unfolding.take_in(&[15, 18], vec![all[15].clone(), all[18].clone()]);
        assert_eq!(*unfolding.proposal().unwrap(), proposal);
        let came: Vec<u32> = unfolding.came.iter().map(|(place, _)| *place).collect();
        assert_eq!(came, [16, 19, 15, 18]);
    }
}
