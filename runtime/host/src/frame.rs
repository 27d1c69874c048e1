//! The frame that every call enters, and what its code sees.

use std::{boxed::Box, sync::Arc, vec::Vec};

use bytes::Bytes;
use entente_crypto::Suite;
use entente_state::{Row, RowValue};
use entente_types::{Address, Amount, EvmTimestamp, Hash, Log, Member};

use crate::{ContractFault, Fault, NodeFault};

/// The pages of 64 KiB that the memories of all frames of one call stack have together at most: 64 MiB.
pub const STACK_MEMORY_PAGES_MAX: u32 = 1024;

/// One call being executed. Gas is in thousandths of Ethereum's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Who called.
    pub caller: Address,
    /// Whose storage it works on.
    pub storage_address: Address,
    /// Whose code it runs; differs from the storage's in a delegate call.
    pub code_address: Address,
    /// The coin sent along.
    pub value: Amount,
    /// What it was called with; for a constructor, its arguments.
    pub input: Bytes,
    /// The gas given to it.
    pub gas: u64,
    /// The pages of 64 KiB that its memory and those of the frames nested in it may have together.
    pub memory_pages: u32,
    /// Whether it may change nothing.
    pub read_only: bool,
    /// How many frames it is nested in.
    pub depth: u16,
    /// Whether it runs a constructor.
    pub creating: bool,
}

/// The block that is being executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockContext {
    /// The group's suite.
    pub suite: Suite,
    /// The height.
    pub number: u64,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The proposer's account.
    pub proposer: Address,
    /// The block's gas limit, in Ethereum's unit.
    pub gas_limit: u64,
    /// The chain id that Ethereum's tools see.
    pub ethereum_chain_id: u64,
    /// Whether there is a coin.
    pub balances: bool,
    /// How many heights may be in flight: what a block decides about limits rules so many blocks later.
    pub pipeline_depth: u32,
    /// The accounts of the keys that seal this height.
    pub sealers: Arc<[Address]>,
    /// The sealer set that rules this height, in its order.
    pub sealer_set: Arc<[Member]>,
    /// How many sealers the group may have.
    pub sealers_max: u32,
    /// The unit of the EVM's TIMESTAMP.
    pub evm_timestamp: EvmTimestamp,
    /// What only EVM code sees.
    pub ethereum: EthereumEnvironment,
}

impl BlockContext {
    /// What the EVM's TIMESTAMP answers.
    pub const fn evm_time(&self) -> u64 {
        match self.evm_timestamp {
            EvmTimestamp::Seconds => self.timestamp_ms / 1000,
            EvmTimestamp::Milliseconds => self.timestamp_ms,
        }
    }
}

/// What EVM code sees of a block and this ledger has no use for. A ledger's blocks have zeros; tests of Ethereum's have
/// more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EthereumEnvironment {
    /// What BASEFEE answers, and what a unit of gas costs at least: it is paid to nobody (EIP-1559).
    pub base_fee: Amount,
    /// What BLOBBASEFEE answers.
    pub blob_base_fee: Amount,
    /// What PREVRANDAO answers: there is no randomness here.
    pub prevrandao: Hash,
}

/// The transaction that is being executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionContext {
    /// Its hash.
    pub hash: Hash,
    /// Its sender.
    pub origin: Address,
}

/// How a nested frame relates to its caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// An ordinary call.
    Call,
    /// The other's code over the caller's own storage, its caller and value kept.
    Delegate,
    /// A call that may change nothing.
    Static,
    /// The other's code over the caller's own storage, with the caller as its own caller (the EVM's CALLCODE).
    Code,
}

/// How a new contract's address follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateScheme {
    /// From the creator, the transaction and how many contracts it created before.
    Index,
    /// From the creator and its nonce, which rises: Ethereum's CREATE.
    Nonce,
    /// From the creator, these bytes and the code that creates it; the nonce rises too: CREATE2 (EIP-1014).
    Salt([u8; 32]),
}

/// A call that running code asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRequest {
    /// Its kind.
    pub kind: CallKind,
    /// Whose code to run.
    pub address: Address,
    /// The coin to send along.
    pub value: Amount,
    /// What to call it with.
    pub input: Bytes,
    /// The gas given down; the caller has taken it from its own already.
    pub gas: u64,
    /// The pages of memory given down: what the caller's own memory leaves.
    pub memory_pages: u32,
}

/// A contract that running code asks to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    /// The deployment container, or EVM code that creates a contract.
    pub container: Bytes,
    /// How its address follows.
    pub scheme: CreateScheme,
    /// The coin to send along.
    pub value: Amount,
    /// The gas given down; the caller has taken it from its own already.
    pub gas: u64,
    /// The pages of memory given down: what the caller's own memory leaves.
    pub memory_pages: u32,
}

/// How a frame ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameStatus {
    /// What it did stands.
    Success,
    /// It undid itself; the output is its reason and the rest of its gas goes back.
    Revert,
    /// It was undone; all its gas is gone.
    Fault(ContractFault),
}

/// What a frame came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: FrameStatus,
    /// What it gave back, or the reason it reverted with.
    pub output: Vec<u8>,
    /// The gas it did not use; 0 after a fault.
    pub gas_left: u64,
    /// The contract it created.
    pub created: Option<Address>,
    /// After a fault of its own code: the function in which it happened, for people. It is no part of any receipt.
    pub function: Option<Box<str>>,
}

impl Outcome {
    /// The outcome of a fault.
    pub const fn fault(fault: ContractFault) -> Self {
        Self { status: FrameStatus::Fault(fault), output: Vec::new(), gas_left: 0, created: None, function: None }
    }
}

/// What the code of the innermost frame sees and may do. Gas for it is charged by the engine before each call.
pub trait Host {
    /// The innermost frame.
    fn frame(&self) -> &Frame;
    /// The block.
    fn block(&self) -> &BlockContext;
    /// The transaction.
    fn transaction(&self) -> &TransactionContext;

    /// A value in the frame's storage.
    fn storage_get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, NodeFault>;

    /// Sets or removes a value in the frame's storage.
    ///
    /// # Errors
    /// A fault of the contract in a read-only frame.
    fn storage_set(&mut self, key: &[u8], value: Option<RowValue>) -> Result<(), Fault>;

    /// A row of any table: for native modules only.
    fn row_get(&mut self, row: &Row) -> Result<Option<&[u8]>, NodeFault>;

    /// Sets or removes a row of any table: for native modules only.
    fn row_set(&mut self, row: &Row, value: Option<RowValue>) -> Result<(), Fault>;

    /// Emits a log of the frame's contract. The engine has bounded it, by its length or by its gas.
    ///
    /// # Errors
    /// A fault of the contract in a read-only frame.
    fn emit(&mut self, log: Log) -> Result<(), Fault>;
}

/// A host that can run nested frames. It moves into the nested frame's engine and comes back, so that no engine
/// needs a pointer to it.
pub trait CallHost: Host + Send + Sized + 'static {
    /// Runs a nested call.
    fn call(self: Box<Self>, request: CallRequest) -> (Box<Self>, Result<Outcome, NodeFault>);

    /// Runs a nested creation.
    fn create(self: Box<Self>, request: CreateRequest) -> (Box<Self>, Result<Outcome, NodeFault>);
}
