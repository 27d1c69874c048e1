//! The end of the chain as this node has it: certified, executed above that, written below.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use entente_crypto::LtHash;
use entente_executor::{Configuration, ExecutedBlock, InputTransaction, Sealers};
use entente_pool::ReplayKey;
use entente_state::ChangeSet;
use entente_types::{BlockNumber, Hash, Header, LeftOut, Proposal};

/// What is being executed: kept until its block is certified, whatever becomes of the proposal among those in flight.
pub(crate) struct Begun {
    pub(crate) digest: Hash,
    pub(crate) proposal: Arc<Proposal>,
    /// What is handed to the executor.
    pub(crate) inputs: Arc<Vec<InputTransaction>>,
    /// Where the proposal came in a block: what that says was not run, which the inputs do not have.
    pub(crate) left_out: Vec<LeftOut>,
}

/// A block that was executed and is not certified.
pub(crate) struct Ran {
    pub(crate) begun: Begun,
    pub(crate) block: ExecutedBlock,
}

/// What a block is executed on.
pub(crate) struct Base {
    pub(crate) header: Header,
    pub(crate) commitment: LtHash,
}

pub(crate) struct Chain {
    /// The last certified block.
    pub(crate) certified: Base,
    /// Those that are being executed.
    pub(crate) begun: BTreeMap<BlockNumber, Begun>,
    /// Those executed above it.
    pub(crate) ran: BTreeMap<BlockNumber, Ran>,
    /// Of those, the nonces that they used.
    pub(crate) used: BTreeMap<BlockNumber, HashSet<ReplayKey>>,
    /// What is not on disk yet, ascending.
    pub(crate) unwritten: Vec<(BlockNumber, Arc<ChangeSet>)>,
    /// The system configuration after the last executed block.
    pub(crate) configuration: Configuration,
    /// The sealer sets after it.
    pub(crate) sealers: Sealers,
}

impl Chain {
    pub(crate) const fn new(certified: Base, configuration: Configuration, sealers: Sealers) -> Self {
        Self {
            certified,
            begun: BTreeMap::new(),
            ran: BTreeMap::new(),
            used: BTreeMap::new(),
            unwritten: Vec::new(),
            configuration,
            sealers,
        }
    }

    pub(crate) const fn height(&self) -> BlockNumber {
        self.certified.header.number
    }

    /// What this height is executed on, where it is there.
    pub(crate) fn base(&self, height: BlockNumber) -> Option<(&Header, &LtHash)> {
        let below = height.checked_sub(1)?;
        if below == self.height() {
            return Some((&self.certified.header, &self.certified.commitment));
        }
        let block = &self.ran.get(&below)?.block;
        Some((&block.header, &block.commitment))
    }

    /// The changes below a height that may not be on disk.
    pub(crate) fn unwritten_below(&self, height: BlockNumber) -> Vec<(BlockNumber, Arc<ChangeSet>)> {
        let below = self.unwritten.iter().filter(|(number, _)| *number < height);
        below.map(|(number, changes)| (*number, Arc::clone(changes))).collect()
    }

    /// A block was executed; `keys` are the nonces of what was run.
    pub(crate) fn executed(&mut self, height: BlockNumber, ran: Ran, keys: HashSet<ReplayKey>) {
        self.unwritten.push((height, Arc::clone(&ran.block.changes)));
        self.configuration = ran.block.configuration.clone();
        self.sealers = ran.block.sealers.clone();
        self.used.insert(height, keys);
        self.ran.insert(height, ran);
    }

    /// The next block is certified.
    pub(crate) fn certify(&mut self, height: BlockNumber) -> Option<Ran> {
        let ran = self.ran.remove(&height)?;
        self.used.remove(&height);
        let ExecutedBlock { header, commitment, .. } = &ran.block;
        self.certified = Base { header: header.clone(), commitment: commitment.clone() };
        Some(ran)
    }

    pub(crate) fn written(&mut self, height: BlockNumber) {
        self.unwritten.retain(|(number, _)| *number > height);
    }
}
