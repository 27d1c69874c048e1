//! Blocks of calls that would follow a block, each call over what those before it left, with nothing kept of any.

use std::sync::Arc;

use entente_crypto::keccak256;
use entente_host::{BlockContext, NodeFault};
use entente_state::{Overlay, StateReader};
use entente_types::{
    Address, Amount, Bloom, EthereumHeader, EthereumTransaction, EthereumTransactionError, EvmTimestamp, Hash, Header,
    Log, Receipt, Suite,
};

use crate::{
    Account, Configuration, Executor, Overrides, Rules, Simulated, Simulation, SimulationError,
    block::remember_ethereum_hash_of,
    context::Context,
    machine::KnownVersion,
    overrides::OverriddenState,
    simulate::{Held, run_held},
};

/// Where logs stand that tell of coin that moved: no contract is there.
pub const TRANSFERS: Address = Address([0xee; 20]);

/// What a call, and each of its logs, takes in an answer beside its bytes, about.
const CALL_BYTES: usize = 256;

/// Blocks of calls that would follow a block.
pub struct Sequence<'a> {
    /// The state after the header's block.
    pub state: Arc<dyn StateReader>,
    /// The header.
    pub header: &'a Header,
    /// The blocks, in their order.
    pub blocks: &'a [SequenceBlock],
    /// Whether a call is held against its sender's nonce and the block's base fee, as a transaction is.
    pub validates: bool,
    /// Whether coin that moves is told of by a log at [`TRANSFERS`], as an ERC-20's is.
    pub tells_transfers: bool,
    /// What all of it may take.
    pub limits: SequenceLimits,
    /// The transaction that a call with this nonce and gas would be. Its signature is not looked at.
    pub transaction:
        &'a (dyn Fn(&Simulation, u64, u64) -> Result<EthereumTransaction, EthereumTransactionError> + Sync),
}

/// One of the blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceBlock {
    /// What differs of the state before its calls, and of the block. Without a number it is the next one, and a second
    /// after the one before.
    pub overrides: Overrides,
    /// Its calls, in their order.
    pub calls: Vec<SequenceCall>,
}

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceCall {
    /// What it does. Without gas, it has what the block has left.
    pub simulation: Simulation,
    /// Its nonce; the sender's next where it is not said.
    pub nonce: Option<u64>,
}

/// What a sequence may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceLimits {
    /// The blocks, those between the numbers that are said counted.
    pub blocks: u64,
    /// The bytes of all outputs and logs together, and 256 for each call.
    pub bytes: usize,
}

/// A block of a sequence that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencedBlock {
    /// Its Ethereum header. The state's root is zero: it would take the whole state's commitment.
    pub header: EthereumHeader,
    /// The header's hash.
    pub hash: Hash,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
    /// What BASEFEE answered.
    pub base_fee: Amount,
    /// What PREVRANDAO answered.
    pub prevrandao: Hash,
    /// What its calls came to.
    pub calls: Vec<SequencedCall>,
}

/// A call that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencedCall {
    /// The transaction that it would be.
    pub transaction: EthereumTransaction,
    /// That one's hash.
    pub hash: Hash,
    /// What it came to. Transfers are among its logs where they were asked for.
    pub simulated: Simulated,
}

/// Why a sequence was not run to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// A block that does not come after the one before.
    #[error("block numbers must be in order: {found} <= {below}")]
    Number {
        /// What is said.
        found: u64,
        /// The number of the block before.
        below: u64,
    },
    /// A block that is not later than the one before.
    #[error("block timestamps must be in order: {found} <= {before}")]
    Timestamp {
        /// What is said.
        found: u64,
        /// The time of the block before.
        before: u64,
    },
    /// More blocks than there may be.
    #[error("too many blocks: {found} with those between them, where {limit} are allowed")]
    Blocks {
        /// How many are asked for.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A call asks for more gas than its block has left.
    #[error("block gas limit reached: call {call} of block {block} asks for {found} gas, where {left} are left")]
    BlockGas {
        /// The block's number.
        block: u64,
        /// The call's place in it.
        call: usize,
        /// What it asks for.
        found: u64,
        /// What is left.
        left: u64,
    },
    /// All calls together used the gas that they may: what a transaction may use.
    #[error("RPC gas cap exhausted: all calls together have {limit} gas")]
    Gas {
        /// The limit.
        limit: u64,
    },
    /// More to tell than there may be.
    #[error("more than {limit} bytes of outputs and logs: ask for fewer calls")]
    Bytes {
        /// The limit.
        limit: usize,
    },
    /// A call that no transaction can say.
    #[error("call {call} of block {block}: {error}")]
    Transaction {
        /// The block's number.
        block: u64,
        /// The call's place in it.
        call: usize,
        /// Why.
        error: EthereumTransactionError,
    },
    /// A call that no block could have.
    #[error("call {call} of block {block}: {error}")]
    Call {
        /// The block's number.
        block: u64,
        /// The call's place in it.
        call: usize,
        /// Why.
        error: SimulationError,
    },
    /// Code is put where a native module or a precompile is.
    #[error(transparent)]
    Override(SimulationError),
    /// The node's own fault.
    #[error(transparent)]
    Node(#[from] NodeFault),
}

/// Where the sequence stands.
struct Progress<'a> {
    executor: &'a Executor,
    sequence: &'a Sequence<'a>,
    version: &'a KnownVersion,
    rules: Rules,
    /// What every block begins with.
    ground: BlockContext,
    state: Arc<OverriddenState>,
    /// Of the last block.
    number: u64,
    timestamp_ms: u64,
    hash: Hash,
    gas_left: u64,
    bytes_left: usize,
    blocks: Vec<SequencedBlock>,
}

impl Executor {
    /// Runs a sequence (`eth_simulateV1` of Ethereum's execution API).
    ///
    /// # Errors
    /// Blocks out of order, a call that no block could have, more of anything than there may be, and the node's own
    /// faults.
    pub fn sequence(&self, sequence: &Sequence<'_>) -> Result<Vec<SequencedBlock>, SequenceError> {
        let header = sequence.header;
        let first = header.number.saturating_add(1);
        let (rules, version) = self.version(&Configuration::read(sequence.state.as_ref())?, first)?;
        let sealers = self.sealers(sequence.state.as_ref())?;
        let mut progress = Progress {
            executor: self,
            sequence,
            version,
            rules,
            ground: self.block_context(first, header.timestamp_ms, Address::ZERO, &rules, &sealers),
            state: Arc::new(OverriddenState::of(Arc::clone(&sequence.state))),
            number: header.number,
            timestamp_ms: header.timestamp_ms,
            hash: header.ethereum_hash,
            gas_left: rules.transaction_gas,
            bytes_left: sequence.limits.bytes,
            blocks: Vec::new(),
        };
        for block in sequence.blocks {
            progress.fill_up_to(block)?;
            progress.block(block)?;
        }
        Ok(progress.blocks)
    }
}

impl Progress<'_> {
    /// Makes the empty blocks below one whose number is said.
    fn fill_up_to(&mut self, block: &SequenceBlock) -> Result<(), SequenceError> {
        let next = self.number.saturating_add(1);
        let number = block.overrides.block.number.unwrap_or(next);
        if number <= self.number {
            return Err(SequenceError::Number { found: number, below: self.number });
        }
        let (found, limit) = (number.saturating_sub(self.sequence.header.number), self.sequence.limits.blocks);
        if found > limit {
            return Err(SequenceError::Blocks { found, limit });
        }
        for _ in next..number {
            self.block(&SequenceBlock::default())?;
        }
        Ok(())
    }

    /// The block as its calls see it.
    fn context(&self, overrides: &Overrides) -> Result<BlockContext, SequenceError> {
        let mut block = self.ground.clone();
        block.number = self.number.saturating_add(1);
        block.timestamp_ms = self.timestamp_ms.saturating_add(1000);
        overrides.block.apply(&mut block);
        if block.timestamp_ms <= self.timestamp_ms {
            let unit = if block.evm_timestamp == EvmTimestamp::Seconds { 1000 } else { 1 };
            let (found, before) = (block.timestamp_ms / unit, self.timestamp_ms / unit);
            return Err(SequenceError::Timestamp { found, before });
        }
        Ok(block)
    }

    fn block(&mut self, asked: &SequenceBlock) -> Result<(), SequenceError> {
        let block = self.context(&asked.overrides)?;
        for (address, account) in &asked.overrides.accounts {
            Arc::make_mut(&mut self.state).put(address, account)?;
        }
        let mut overlay = Overlay::new(Arc::clone(&self.state) as _);
        remember_ethereum_hash_of(&mut overlay, self.number, self.hash)?;
        overlay.seal();
        let shared = Arc::new(block.clone());
        let (machine, version) = (Arc::clone(self.executor.machine()), self.version);
        let mut context = Box::new(Context::new(overlay, Arc::clone(&shared), self.rules, machine, version));
        for (address, account) in &asked.overrides.accounts {
            if account.code.is_some() && context.is_built_in(address) {
                return Err(SequenceError::Override(SimulationError::BuiltIn(*address)));
            }
        }
        context.tells_transfers = self.sequence.tells_transfers;
        let mut calls = Vec::new();
        let mut gas_used = 0_u64;
        for (index, call) in asked.calls.iter().enumerate() {
            // A call that pays nothing has seen a block without a base fee.
            context.block = Arc::clone(&shared);
            let left = block.gas_limit.saturating_sub(gas_used);
            let (returned, ran) = self.call(context, call, left);
            context = returned;
            let ran = ran.map_err(|stopped| stopped.at(block.number, index))?;
            gas_used = gas_used.saturating_add(ran.simulated.receipt.gas_used);
            calls.push(ran);
        }
        let changes = context.overlay.finish();
        Arc::make_mut(&mut self.state).apply(&changes);
        self.conclude(&block, gas_used, calls);
        Ok(())
    }

    /// Runs a call in a block with so much gas left.
    fn call(
        &mut self,
        mut context: Box<Context>,
        call: &SequenceCall,
        left: u64,
    ) -> (Box<Context>, Result<SequencedCall, Stopped>) {
        let asked = call.simulation.gas;
        if let Some(found) = asked.filter(|gas| *gas > left) {
            return (context, Err(Stopped::BlockGas { found, left }));
        }
        let gas = asked.unwrap_or(left).min(self.rules.transaction_gas).min(self.gas_left);
        if gas == 0 {
            let stopped = if left == 0 { Stopped::BlockGas { found: 0, left } } else { self.no_gas() };
            return (context, Err(stopped));
        }
        let from = call.simulation.from;
        let next = match Account::load(&mut context.overlay, &from) {
            Ok(account) => account.unwrap_or_default().nonce,
            Err(fault) => return (context, Err(Stopped::Node(fault))),
        };
        let nonce = call.nonce.unwrap_or(next);
        let simulation = Simulation { gas: Some(gas), is_free: false, ..call.simulation.clone() };
        let transaction = match (self.sequence.transaction)(&simulation, nonce, gas) {
            Ok(transaction) => transaction,
            Err(error) => return (context, Err(Stopped::Transaction(error))),
        };
        let hash = transaction.hash();
        let held = Held { nonce: self.sequence.validates.then_some(nonce), base_fee: self.sequence.validates, hash };
        let (mut context, simulated) = run_held(context, &simulation, held);
        context.end();
        context.overlay.forget_access();
        let simulated = match simulated {
            Ok(simulated) => simulated,
            Err(error) => return (context, Err(Stopped::Call(error))),
        };
        let Some(bytes_left) = self.bytes_left.checked_sub(told_bytes(&simulated)) else {
            return (context, Err(Stopped::Bytes { limit: self.sequence.limits.bytes }));
        };
        self.bytes_left = bytes_left;
        self.gas_left = self.gas_left.saturating_sub(simulated.gas_peak);
        (context, Ok(SequencedCall { transaction, hash, simulated }))
    }

    const fn no_gas(&self) -> Stopped {
        Stopped::Gas { limit: self.rules.transaction_gas }
    }

    /// Makes the header, over which the next block stands.
    fn conclude(&mut self, block: &BlockContext, gas_used: u64, calls: Vec<SequencedCall>) {
        let (transaction_root, receipt_root, bloom) = roots(block.suite, &calls);
        let header = EthereumHeader {
            parent: self.hash,
            beneficiary: block.proposer,
            state_root: Hash::ZERO,
            transaction_root,
            receipt_root,
            bloom,
            number: block.number,
            gas_limit: block.gas_limit,
            gas_used,
            timestamp_s: block.timestamp_ms / 1000,
        };
        (self.number, self.timestamp_ms, self.hash) = (block.number, block.timestamp_ms, header.hash());
        self.blocks.push(SequencedBlock {
            header,
            hash: self.hash,
            timestamp_ms: block.timestamp_ms,
            base_fee: block.ethereum.base_fee,
            prevrandao: block.ethereum.prevrandao,
            calls,
        });
    }
}

/// Why a call ends the sequence.
enum Stopped {
    BlockGas { found: u64, left: u64 },
    Gas { limit: u64 },
    Bytes { limit: usize },
    Transaction(EthereumTransactionError),
    Call(SimulationError),
    Node(NodeFault),
}

impl Stopped {
    fn at(self, block: u64, call: usize) -> SequenceError {
        match self {
            Self::BlockGas { found, left } => SequenceError::BlockGas { block, call, found, left },
            Self::Gas { limit } => SequenceError::Gas { limit },
            Self::Bytes { limit } => SequenceError::Bytes { limit },
            Self::Transaction(error) => SequenceError::Transaction { block, call, error },
            Self::Call(SimulationError::Node(fault)) | Self::Node(fault) => SequenceError::Node(fault),
            Self::Call(error) => SequenceError::Call { block, call, error },
        }
    }
}

/// About what a call takes in an answer.
fn told_bytes(simulated: &Simulated) -> usize {
    let log = |log: &Log| CALL_BYTES.saturating_add(log.data.len());
    let logs: usize = simulated.receipt.logs.iter().map(log).sum();
    let outputs = simulated.receipt.output.len().saturating_add(simulated.code.len());
    CALL_BYTES.saturating_add(logs).saturating_add(outputs)
}

/// The roots over what a block's calls would be, and the filter over their logs. Logs that tell of transfers are no
/// part of them.
fn roots(suite: Suite, calls: &[SequencedCall]) -> (Hash, Hash, Bloom) {
    if calls.is_empty() {
        return (EthereumHeader::NO_TRANSACTIONS, EthereumHeader::NO_TRANSACTIONS, Bloom::default());
    }
    let hashes: Vec<Hash> = calls.iter().map(|call| call.hash).collect();
    let without_transfers = |call: &SequencedCall| {
        let mut receipt = call.simulated.receipt.clone();
        receipt.logs.retain(|log| log.address != TRANSFERS);
        receipt
    };
    let receipts: Vec<Receipt> = calls.iter().map(without_transfers).collect();
    let bloom = Bloom::of(receipts.iter().flat_map(|receipt| &receipt.logs));
    (Header::transaction_root(suite, &hashes), Header::receipt_root(suite, &receipts), bloom)
}

/// The log that tells of coin that moved: an ERC-20's event `Transfer(address,address,uint256)`.
pub(crate) fn transfer_log(from: &Address, to: &Address, value: Amount) -> Log {
    let word = |address: &Address| {
        let mut word = [0; 32];
        for (target, byte) in word.iter_mut().skip(12).zip(address.0) {
            *target = byte;
        }
        Hash(word)
    };
    Log {
        address: TRANSFERS,
        topics: vec![keccak256(b"Transfer(address,address,uint256)"), word(from), word(to)],
        data: value.0.to_be_bytes::<32>().to_vec(),
    }
}
