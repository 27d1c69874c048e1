//! What must hold, whatever happens.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use entente_consensus::SealerSet;
use entente_crypto::SignatureScheme;
use entente_group::CommittedBlock;
use entente_types::{BlockNumber, Certificate, Hash, Header, Suite};

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The chain that all honest nodes must have, as far as any of them has it.
pub(crate) struct Checker {
    genesis: Hash,
    scheme: Arc<dyn SignatureScheme>,
    headers: BTreeMap<BlockNumber, Header>,
    hashes: BTreeMap<BlockNumber, Hash>,
    empty_blocks: u64,
    /// In which block each transaction is.
    transactions: HashMap<Hash, BlockNumber>,
    /// The last block that each node told of.
    told: BTreeMap<usize, BlockNumber>,
    /// The sets that rule, by the first height of each.
    sets: BTreeMap<BlockNumber, Arc<SealerSet>>,
}

impl Checker {
    /// Nothing but header 0.
    pub(crate) fn new(genesis: Hash, scheme: Arc<dyn SignatureScheme>, header0: Header, set: Arc<SealerSet>) -> Self {
        let hashes = BTreeMap::from([(0, header0.hash(Suite::Standard))]);
        Self {
            genesis,
            scheme,
            headers: BTreeMap::from([(0, header0)]),
            hashes,
            empty_blocks: 0,
            transactions: HashMap::new(),
            told: BTreeMap::new(),
            sets: BTreeMap::from([(set.since, set)]),
        }
    }

    /// The greatest height that any honest node told of.
    pub(crate) fn height(&self) -> BlockNumber {
        self.hashes.keys().next_back().copied().unwrap_or(0)
    }

    /// How many blocks have no transactions.
    pub(crate) const fn empty_blocks(&self) -> u64 {
        self.empty_blocks
    }

    /// How long after the block below a block was proposed, by the clocks of those who did, in milliseconds.
    pub(crate) fn interval_ms(&self, number: BlockNumber) -> Option<u64> {
        let timestamp = |number: BlockNumber| self.headers.get(&number).map(|header| header.timestamp_ms);
        timestamp(number)?.checked_sub(timestamp(number.checked_sub(1)?)?)
    }

    /// How many have some.
    pub(crate) fn blocks_with_transactions(&self) -> u64 {
        self.height() - self.empty_blocks
    }

    /// How many transactions are in blocks.
    pub(crate) fn transactions(&self) -> u64 {
        self.transactions.len() as u64
    }

    /// Whether a transaction is in a block that was told of.
    pub(crate) fn is_told(&self, transaction: &Hash) -> bool {
        self.transactions.contains_key(transaction)
    }

    /// From this height on another set rules, as the chain's state says.
    pub(crate) fn set_rules(&mut self, set: Arc<SealerSet>) -> bool {
        self.sets.insert(set.since, set).is_none()
    }

    /// The sealers that a block says rule the next.
    pub(crate) fn next_sealers(&self, number: BlockNumber) -> Option<Hash> {
        self.headers.get(&number).map(|header| header.next_sealers)
    }

    /// An honest node has a block on disk and tells of it; whether it is the first to.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn told(&mut self, node: usize, block: &CommittedBlock) -> Result<bool, Violation> {
        let record = &block.record;
        self.told.insert(node, record.block.header.number);
        self.written(node, &record.block.header, &record.block.certificate, &record.transaction_hashes)
    }

    /// An honest node has a block on disk, whether or not it could still tell of it; whether it is the first to.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn written(
        &mut self,
        node: usize,
        header: &Header,
        certificate: &Certificate,
        transactions: &[Hash],
    ) -> Result<bool, Violation> {
        let (number, hash) = (header.number, header.hash(Suite::Standard));
        if let Some(known) = self.hashes.get(&number) {
            return if *known == hash {
                Ok(false)
            } else {
                let words = format!("two blocks at height {number}: node {node} wrote {hash}, another {known}");
                Err(Violation(words))
            };
        }
        let parent = number.checked_sub(1).and_then(|below| self.hashes.get(&below));
        if parent != Some(&header.parent) {
            let words = format!("block {number} of node {node} follows {}, and not {parent:?}", header.parent);
            return Err(Violation(words));
        }
        let digest = Header::signing_digest(Suite::Standard, &self.genesis, number, &hash);
        let set = self.sets.range(..=number).next_back().map(|(_, set)| Arc::clone(set));
        let members = set.map(|set| set.members.clone()).unwrap_or_default();
        if let Err(error) = certificate.verify_with(self.scheme.as_ref(), &digest, &members) {
            return Err(Violation(format!("block {number} of node {node} is not certified: {error}")));
        }
        for transaction in transactions {
            if let Some(first) = self.transactions.insert(*transaction, number) {
                return Err(Violation(format!("transaction {transaction} is in blocks {first} and {number}")));
            }
        }
        self.hashes.insert(number, hash);
        self.headers.insert(number, header.clone());
        Ok(true)
    }

    /// A block that was told of is there for the sake of no transaction.
    pub(crate) const fn count_empty(&mut self) {
        self.empty_blocks += 1;
    }

    /// A node lost its disk: it may come back with less than it told of.
    pub(crate) fn forgets(&mut self, node: usize) {
        self.told.remove(&node);
    }

    /// A node is back, with this at its tip.
    pub(crate) fn restarted(&self, node: usize, tip: BlockNumber, hash: Hash) -> Result<(), Violation> {
        let told = self.told.get(&node).copied().unwrap_or(0);
        if tip < told {
            return Err(Violation(format!("node {node} told of block {told} and came back at {tip}")));
        }
        match self.hashes.get(&tip) {
            Some(known) if *known != hash => Err(Violation(format!("node {node} came back with another block {tip}"))),
            _ => Ok(()),
        }
    }
}
