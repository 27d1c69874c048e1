//! Blocks that others made, taken in one after the other: nothing that they say is believed.

use std::{collections::HashSet, sync::Arc};

use entente_executor::{BlockInput, Configuration, ExecutedBlock, Executor, InputTransaction, Sealers};
use entente_host::{EthereumEnvironment, NodeFault};
use entente_ledger::{AppendError, BlockRecord, Ledger, ReadError};
use entente_pool::{AdmissionError, PoolRules, ReplayIndex, ReplayKey, check};
use entente_types::{Block, BlockNumber, CertificateError, Hash, Header, Lineage, Transaction};

use crate::begin::used_key;

/// Why a block is not taken in. The ledger is as it was, but after [`ReplayError::Append`], which says itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It is not the next one.
    #[error("block {found} does not follow block {tip}")]
    Number {
        /// The last block that is there.
        tip: BlockNumber,
        /// The block's number.
        found: BlockNumber,
    },
    /// It follows another block.
    #[error("block {number} follows header {found}, but the block before it is {expected}: it is of another chain")]
    Parent {
        /// The block's number.
        number: BlockNumber,
        /// The parent that it names.
        found: Hash,
        /// The last block that is there.
        expected: Hash,
    },
    /// The sealers that rule its height did not sign it.
    #[error("block {number} is not certified: {error}")]
    Certificate {
        /// The block's number.
        number: BlockNumber,
        /// What is wrong with its certificate.
        error: CertificateError,
    },
    /// A transaction that no honest sealer lets into a block.
    #[error("transaction {index} of block {number} is not valid: {error}")]
    Transaction {
        /// The block's number.
        number: BlockNumber,
        /// The transaction's place.
        index: usize,
        /// What is wrong with it.
        error: AdmissionError,
    },
    /// Executed here, it comes to something else: either the sealers or this node are wrong.
    #[error(
        "block {number}, executed here, has the {what} {found}, but its certified header says {expected}; do not use this \
         node, and tell the other members"
    )]
    Header {
        /// The block's number.
        number: BlockNumber,
        /// What differs.
        what: &'static str,
        /// What this node came to.
        found: Hash,
        /// What the header says.
        expected: Hash,
    },
    /// The node's own fault while executing.
    #[error("block {number} could not be executed: {fault}")]
    Execute {
        /// The block's number.
        number: BlockNumber,
        /// The fault.
        fault: NodeFault,
    },
    /// The ledger names a tip that is not there.
    #[error("the header of the tip, block {0}, is missing; fetch the chain from peers: entente node fetch")]
    NoTip(BlockNumber),
    /// It could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The sealer sets could not be read from the state.
    #[error(transparent)]
    Sealers(#[from] NodeFault),
}

/// Takes blocks into a ledger that nothing else writes to. Each is checked as if it came from a stranger: that it
/// follows the last one, that a quorum of the sealers that rule its height certified it, that its transactions are signed and were not used
/// before, and that executing it here comes to its header, which covers every root.
pub struct Replay<'a> {
    ledger: &'a Ledger,
    executor: &'a Executor,
    rules: PoolRules,
    used: ReplayIndex,
    parent: Header,
    /// The sealer sets as the parent's state has them.
    sealers: Sealers,
    /// What certificates cover.
    lineage: Arc<Lineage>,
}

impl<'a> Replay<'a> {
    /// The same for blocks of a group that was recovered as another ledger says.
    #[must_use]
    pub fn with_lineage(mut self, lineage: Arc<Lineage>) -> Self {
        self.lineage = lineage;
        self
    }

    /// Begins above the ledger's tip.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn new(ledger: &'a Ledger, executor: &'a Executor) -> Result<Self, ReplayError> {
        let genesis = ledger.genesis();
        let rules = PoolRules {
            suite: genesis.suite,
            scheme: Arc::new(genesis.suite),
            genesis: ledger.genesis_hash(),
            chain_id: genesis.chain_id,
            group_id: genesis.group_id.clone(),
            transaction_gas: u64::MAX,
            ethereum: None,
            verified: Arc::default(),
        }
        .of_blocks();
        let mut used = ReplayIndex::default();
        for block in ledger.replay_window() {
            let (number, entries) = block?;
            used.block(number, entries.iter().map(used_key).collect());
        }
        let tip = ledger.tip();
        let parent = ledger.header(tip.number)?.ok_or(ReplayError::NoTip(tip.number))?;
        let sealers = executor.sealers(ledger.state().as_ref())?;
        let lineage = Arc::clone(ledger.lineage());
        Ok(Self { ledger, executor, rules, used, parent, sealers, lineage })
    }

    /// The last block that was taken in.
    pub const fn tip(&self) -> BlockNumber {
        self.parent.number
    }

    /// Takes the next block in: checked, executed and written.
    ///
    /// # Errors
    /// What is wrong with it, or with this node.
    pub fn take(&mut self, block: Block) -> Result<BlockRecord, ReplayError> {
        self.check_link(&block)?;
        let number = block.header.number;
        let (transactions, keys) = self.check_transactions(&block)?;
        let proposal = block.proposal(self.rules.suite, self.rules.genesis, self.parent.proposal);
        let executed = self.executor.execute(&BlockInput {
            parent: &self.parent,
            proposal: &proposal,
            transactions: &transactions,
            state: self.ledger.state(),
            commitment: &self.ledger.commitment(),
            record_accesses: false,
            ethereum: EthereumEnvironment::default(),
        });
        let ExecutedBlock { header, receipts, changes, commitment, sealers, .. } =
            executed.map_err(|fault| ReplayError::Execute { number, fault })?;
        compare(&header, &block.header)?;
        let transaction_hashes = transactions.iter().map(|transaction| transaction.hash).collect();
        let record = BlockRecord { block, transaction_hashes, receipts, changes, commitment, access: None };
        self.ledger.append(&record)?;
        self.used.block(number, keys);
        self.parent = header;
        self.sealers = sealers;
        Ok(record)
    }

    fn check_link(&self, block: &Block) -> Result<(), ReplayError> {
        let suite = self.rules.suite;
        let header = &block.header;
        let number = header.number;
        if Some(number) != self.parent.number.checked_add(1) {
            return Err(ReplayError::Number { tip: self.parent.number, found: number });
        }
        let expected = self.parent.hash(suite);
        if header.parent != expected {
            return Err(ReplayError::Parent { number, found: header.parent, expected });
        }
        let sealers = self.sealers.at(number);
        let certificate = &block.certificate;
        certificate
            .verify(suite, self.lineage.at(number), number, &header.hash(suite), &sealers)
            .map_err(|error| ReplayError::Certificate { number, error })
    }

    /// Where the rules have native transactions only, no honest sealer lets another into a block.
    fn check_kinds(&self, block: &Block) -> Result<(), ReplayError> {
        let number = block.header.number;
        let is_other = |transaction: &Transaction| match transaction {
            Transaction::Native(_) => None,
            Transaction::Ethereum(_) => Some(AdmissionError::NoEthereum),
            Transaction::Fisco(_) => Some(AdmissionError::NoFisco),
        };
        let mut others = block.transactions.iter().enumerate();
        let Some((index, error)) = others.find_map(|(index, one)| Some((index, is_other(one)?))) else { return Ok(()) };
        let configuration = Configuration::read(self.ledger.state().as_ref());
        let rules = configuration.and_then(|read| self.executor.ethereum_versions().rules(&read, number));
        match rules.map_err(|fault| ReplayError::Execute { number, fault })? {
            Some(_) => Ok(()),
            None => Err(ReplayError::Transaction { number, index, error }),
        }
    }

    /// Signatures, validity and nonces, as admission checks them.
    fn check_transactions(&self, block: &Block) -> Result<(Vec<InputTransaction>, Vec<ReplayKey>), ReplayError> {
        let number = block.header.number;
        self.check_kinds(block)?;
        // The bytes that a transaction came in count for a pool only.
        let sized = block.transactions.iter().map(|transaction| (transaction.clone(), 0)).collect();
        let checked = check(&self.rules, self.parent.number, sized);
        let mut inputs = Vec::with_capacity(checked.len());
        let mut keys = Vec::with_capacity(checked.len());
        let mut seen = HashSet::with_capacity(checked.len());
        for (index, checked) in checked.into_iter().enumerate() {
            let wrong = |error| ReplayError::Transaction { number, index, error };
            let checked = checked.map_err(wrong)?;
            let key = checked.key();
            if self.used.contains(&key) || !seen.insert(key) {
                return Err(wrong(AdmissionError::Replay));
            }
            keys.push(key);
            inputs.push(InputTransaction { hash: checked.hash(), transaction: Arc::clone(checked.transaction()) });
        }
        Ok((inputs, keys))
    }
}

/// The header's hash covers every root in it.
fn compare(executed: &Header, certified: &Header) -> Result<(), ReplayError> {
    if executed == certified {
        return Ok(());
    }
    let roots = [
        ("state root", executed.state_root, certified.state_root),
        ("receipt root", executed.receipt_root, certified.receipt_root),
        ("transaction root", executed.transaction_root, certified.transaction_root),
        ("change root", executed.change_root, certified.change_root),
        ("next sealer set", executed.next_sealers, certified.next_sealers),
    ];
    let difference = roots.into_iter().find(|(_, executed, certified)| executed != certified);
    let (what, found, expected) =
        difference.unwrap_or(("proposal, or another field,", executed.proposal, certified.proposal));
    Err(ReplayError::Header { number: certified.number, what, found, expected })
}
