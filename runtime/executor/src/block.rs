//! Whole blocks.

use std::sync::{Arc, Mutex, PoisonError};

use entente_crypto::LtHash;
use entente_host::{
    BlockContext, EthereumEnvironment, NativeRegistry, NodeFault,
    gas::{PROTOCOL_VERSIONS, ProtocolVersion},
};
use entente_state::{Access, ChangeSet, Overlay, Row, StateReader, Table};
use entente_types::{
    Address, BlockNumber, Bloom, ConsensusKind, Genesis, Hash, Header, LeftOut, Proposal, Receipt, Transaction,
    Version, limits::SEALERS_MAX,
};
use entente_wasm::CodeOptions;

use crate::{
    Configuration, EthereumVersions, Rules, Sealers,
    context::Context,
    genesis::ethereum_header,
    machine::{KnownVersion, Machine},
    transaction,
};

/// The rows that a transfer of tokens touches of its own, for which room is made.
const ROWS_OF_A_TRANSFER: usize = 3;

/// A transaction with what was found out about it on admission.
#[derive(Debug, Clone)]
pub struct InputTransaction {
    /// Its hash.
    pub hash: Hash,
    /// The transaction. Its signature was verified.
    pub transaction: Arc<Transaction>,
}

/// What a block is executed from.
pub struct BlockInput<'a> {
    /// The header one height lower.
    pub parent: &'a Header,
    /// The proposal.
    pub proposal: &'a Proposal,
    /// The proposal's transactions, in its order.
    pub transactions: &'a [InputTransaction],
    /// The state after the parent.
    pub state: Arc<dyn StateReader>,
    /// The commitment to it.
    pub commitment: &'a LtHash,
    /// Whether to record what each transaction read and wrote.
    pub record_accesses: bool,
    /// What EVM code sees of the block beside the rest. Every node must have the same: a ledger has the default.
    pub ethereum: EthereumEnvironment,
}

/// What executing a block came to. Nothing is stored yet.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The header.
    pub header: Header,
    /// The receipts of the transactions that were run, in their order.
    pub receipts: Vec<Receipt>,
    /// What changed.
    pub changes: Arc<ChangeSet>,
    /// The commitment to the state after it.
    pub commitment: LtHash,
    /// The system configuration after it.
    pub configuration: Configuration,
    /// The sealer sets after it: for every height from its own up to that plus the pipeline's depth.
    pub sealers: Sealers,
    /// What was not run.
    pub left_out: Vec<LeftOut>,
    /// What each transaction that was run read and wrote, where that was asked for.
    pub accesses: Vec<Access>,
}

/// A block whose transactions were run, and whose roots are not there yet.
#[derive(Debug)]
pub struct RanBlock {
    rules: Rules,
    changes: ChangeSet,
    configuration: Configuration,
    sealers: Sealers,
    ran: Ran,
}

/// Executes the blocks of one group.
pub struct Executor {
    machine: Arc<Machine>,
    genesis: Genesis,
    /// The sealer sets of the state that was asked for last: most states have the same.
    sealers: Mutex<Sealers>,
}

impl Executor {
    /// The executor of the group with this genesis, which knows the versions of this release. What it compiles is gone
    /// with it.
    pub fn new(genesis: &Genesis, natives: NativeRegistry) -> Self {
        Self::with(genesis, natives, PROTOCOL_VERSIONS, &CodeOptions::default())
    }

    /// The same with other versions of the rules, and a choice of how code is compiled and kept, on which no result
    /// depends. It stops at the first height that is ruled by a version that is not among these.
    pub fn with(genesis: &Genesis, natives: NativeRegistry, versions: &[ProtocolVersion], code: &CodeOptions) -> Self {
        let sealers = Mutex::new(Sealers::of_genesis(genesis));
        Self {
            machine: Arc::new(Machine::new(natives, versions, code, genesis.evm_hash)),
            genesis: genesis.clone(),
            sealers,
        }
    }

    pub(crate) fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    pub(crate) fn natives(&self) -> &NativeRegistry {
        &self.machine.natives
    }

    /// The rules for a height, as a state below that height has them.
    ///
    /// # Errors
    /// A damaged row, or a protocol version that this node does not know.
    pub fn rules(&self, state: &dyn StateReader, height: BlockNumber) -> Result<Rules, NodeFault> {
        Ok(self.version(&Configuration::read(state)?, height)?.0)
    }

    /// Which versions of the rules run Ethereum's transactions.
    pub fn ethereum_versions(&self) -> EthereumVersions {
        EthereumVersions::new(&self.genesis, &self.machine)
    }

    /// The sealer sets of a state, as [`Sealers::read`] gives them. What the last state had is not read again.
    ///
    /// # Errors
    /// A damaged row, or a storage that fails.
    pub fn sealers(&self, state: &dyn StateReader) -> Result<Sealers, NodeFault> {
        let known = self.sealers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sealers = known.of_state(state)?;
        self.sealers.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&sealers);
        Ok(sealers)
    }

    pub(crate) fn version(
        &self,
        configuration: &Configuration,
        height: BlockNumber,
    ) -> Result<(Rules, &KnownVersion), NodeFault> {
        let number = configuration.protocol_version(height)?;
        let version = self.machine.version(number).ok_or_else(|| NodeFault::ProtocolVersion {
            version: number,
            height,
            known: self.machine.newest_version(),
        })?;
        let limits = configuration.limits(height)?;
        let rules = Rules {
            protocol_version: number,
            gas: version.gas,
            block_gas: limits.block_gas,
            transaction_gas: limits.transaction_gas,
            block_transactions: limits.block_transactions,
        };
        Ok((rules, version))
    }

    /// How many times a module was compiled since the start. What was loaded from the vault was not.
    pub fn compilations(&self) -> u64 {
        self.machine.compilations()
    }

    /// Executes a proposal: [`Self::run`] and [`Self::conclude`].
    ///
    /// # Errors
    /// Only the node's own faults: whatever the transactions do is in the receipts.
    pub fn execute(&self, input: &BlockInput<'_>) -> Result<ExecutedBlock, NodeFault> {
        Ok(self.conclude(input, self.run(input)?))
    }

    /// Runs the transactions of a proposal.
    ///
    /// # Errors
    /// Only the node's own faults: whatever the transactions do is in the receipts.
    pub fn run(&self, input: &BlockInput<'_>) -> Result<RanBlock, NodeFault> {
        let proposal = input.proposal;
        let mut configuration = Configuration::read(input.state.as_ref())?;
        let sealers = self.sealers(input.state.as_ref())?;
        let (rules, version) = self.version(&configuration, proposal.number)?;
        let (number, time) = (proposal.number, proposal.timestamp_ms);
        let mut block = self.block_context(number, time, proposal.proposer, &rules, &sealers);
        block.ethereum = input.ethereum;
        let block = Arc::new(block);
        let mut overlay = Overlay::new(Arc::clone(&input.state));
        remember_ethereum_hash(&mut overlay, input.parent)?;
        overlay.seal();
        overlay.forget_access();
        overlay.reserve(input.transactions.len().saturating_mul(ROWS_OF_A_TRANSFER));
        let context = Box::new(Context::new(overlay, block, rules, Arc::clone(&self.machine), version));
        let (context, ran) = run_all(context, input, &rules)?;
        let changes = context.overlay.finish();
        configuration.apply(&changes)?;
        let sealers = sealers.apply(&changes)?;
        Ok(RanBlock { rules, changes, configuration, sealers, ran })
    }

    pub(crate) fn block_context(
        &self,
        number: u64,
        timestamp_ms: u64,
        proposer: Address,
        rules: &Rules,
        sealers: &Sealers,
    ) -> BlockContext {
        BlockContext {
            suite: self.genesis.suite,
            number,
            timestamp_ms,
            proposer,
            gas_limit: rules.block_gas,
            ethereum_chain_id: self.genesis.ethereum_chain_id,
            balances: self.genesis.balances,
            pipeline_depth: self.genesis.pipeline_depth,
            sealers: sealers.accounts_at(number),
            sealer_set: sealers.at(number),
            // Solo is one node, whatever is decided.
            sealers_max: if self.genesis.consensus == ConsensusKind::Solo { 1 } else { SEALERS_MAX as u32 },
            evm_timestamp: self.genesis.evm_timestamp,
            ethereum: EthereumEnvironment::default(),
        }
    }

    /// Makes the block of what the same input came to: its roots and its header.
    pub fn conclude(&self, input: &BlockInput<'_>, block: RanBlock) -> ExecutedBlock {
        let RanBlock { rules, changes, configuration, sealers, ran } = block;
        let suite = self.genesis.suite;
        let mut commitment = input.commitment.clone();
        let (change_root, (transaction_root, receipt_root, bloom)) = rayon::join(
            || {
                changes.apply_to(suite, &mut commitment);
                changes.root(suite)
            },
            || {
                let bloom = Bloom::of(ran.receipts.iter().flat_map(|receipt| &receipt.logs));
                (Header::transaction_root(suite, &ran.hashes), Header::receipt_root(suite, &ran.receipts), bloom)
            },
        );
        let mut header = Header {
            version: Version,
            number: input.proposal.number,
            parent: input.parent.hash(suite),
            proposal: input.proposal.digest(suite),
            timestamp_ms: input.proposal.timestamp_ms,
            proposer: input.proposal.proposer,
            next_sealers: sealers.hash_at(input.proposal.number.saturating_add(1)),
            transaction_root,
            receipt_root,
            change_root,
            state_root: commitment.root(suite),
            ethereum_hash: Hash::ZERO,
            gas_used: ran.gas_used,
            protocol_version: rules.protocol_version,
        };
        header.ethereum_hash = ethereum_header(&header, &input.parent.ethereum_hash, bloom, rules.block_gas).hash();
        ExecutedBlock {
            header,
            receipts: ran.receipts,
            changes: Arc::new(changes),
            commitment,
            configuration,
            sealers,
            left_out: ran.left_out,
            accesses: ran.accesses,
        }
    }
}

/// What running the transactions came to.
#[derive(Debug, Default)]
struct Ran {
    hashes: Vec<Hash>,
    receipts: Vec<Receipt>,
    left_out: Vec<LeftOut>,
    accesses: Vec<Access>,
    gas_used: u64,
}

fn run_all(mut context: Box<Context>, input: &BlockInput<'_>, rules: &Rules) -> Result<(Box<Context>, Ran), NodeFault> {
    let room = input.transactions.len();
    let (hashes, receipts) = (Vec::with_capacity(room), Vec::with_capacity(room));
    let mut ran = Ran { hashes, receipts, ..Ran::default() };
    for (position, transaction) in (0_u32..).zip(input.transactions) {
        let hash = transaction.hash;
        if ran.gas_used >= rules.block_gas {
            ran.left_out.push(LeftOut { position, hash });
            continue;
        }
        let (returned, receipt) = transaction::run(context, transaction);
        context = returned;
        let Some(receipt) = receipt? else {
            ran.left_out.push(LeftOut { position, hash });
            context.overlay.forget_access();
            continue;
        };
        ran.gas_used = ran.gas_used.saturating_add(receipt.gas_used);
        ran.hashes.push(hash);
        ran.receipts.push(receipt);
        if input.record_accesses {
            ran.accesses.push(context.overlay.take_access());
        } else {
            context.overlay.forget_access();
        }
    }
    Ok((context, ran))
}

/// Keeps the parent's Ethereum hash where BLOCKHASH will look for it (after EIP-2935).
pub(crate) fn remember_ethereum_hash(overlay: &mut Overlay, parent: &Header) -> Result<(), NodeFault> {
    remember_ethereum_hash_of(overlay, parent.number, parent.ethereum_hash)
}

pub(crate) fn remember_ethereum_hash_of(
    overlay: &mut Overlay,
    number: BlockNumber,
    hash: Hash,
) -> Result<(), NodeFault> {
    let row = Row::new(&Table::EthereumHashes, &[(number % 256) as u8]);
    Ok(overlay.set(&row, Some(hash.0))?)
}
