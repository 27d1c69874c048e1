//! Whose fault it is.

use std::string::{String, ToString};

use entente_state::StateReadError;
use entente_types::{BlockNumber, MembersError, ReceiptError, Status};

/// The contract did what it may not, or ran out of something. It ends its frame, costs all the gas given to it, and
/// is data in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractFault {
    /// The gas came to its end.
    #[error("out of gas")]
    OutOfGas,
    /// Frames nested too deeply.
    #[error("frames are nested more than {limit} deep")]
    Depth {
        /// The limit.
        limit: u16,
    },
    /// The stack of the frame's own functions came to its end.
    #[error("the contract's functions are nested too deeply: its stack is at its end")]
    StackExhausted,
    /// The memories of the frames of one call stack have come to their limit.
    #[error("the memories of nested frames would exceed {limit} pages of 64 KiB together")]
    MemoryExhausted {
        /// The limit.
        limit: u32,
    },
    /// The code stopped itself: an instruction that traps.
    #[error("the contract trapped: {0}")]
    Trap(&'static str),
    /// A range that is not in the contract's memory.
    #[error("{length} bytes at {offset} are outside the contract's memory")]
    MemoryRange {
        /// Where the range begins.
        offset: u32,
        /// How long it is.
        length: u32,
    },
    /// A range beyond the input, or beyond a nested frame's output.
    #[error("{length} bytes at {offset} are beyond the end of the {what}")]
    DataRange {
        /// What was read.
        what: &'static str,
        /// Where the range begins.
        offset: u32,
        /// How long it is.
        length: u32,
    },
    /// More than a host function takes.
    #[error("{what} of {found} exceeds the limit of {limit}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// What was given.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A change inside a frame that may change nothing.
    #[error("a read-only frame may not {0}")]
    ReadOnly(&'static str),
    /// An argument outside its values.
    #[error("{what} has no value {found}")]
    Argument {
        /// The argument.
        what: &'static str,
        /// What was given.
        found: u64,
    },
    /// A value where there is no coin.
    #[error("this group has no coin: the value must be 0")]
    ValueWithoutBalances,
    /// Less coin than the value.
    #[error("the balance does not cover the value")]
    Balance,
    /// A module that breaks a rule.
    #[error("the module breaks the rule `{rule}` at offset {offset}: {message}")]
    ModuleRule {
        /// The rule's name.
        rule: &'static str,
        /// Where in the module.
        offset: u64,
        /// What was found.
        message: String,
    },
    /// A deployment container that is none.
    #[error("the deployment input is no container: {0}")]
    Container(&'static str),
    /// The new contract's address has code already.
    #[error("the address of the new contract is taken")]
    AddressTaken,
    /// Nothing to call at the address.
    #[error("there is no contract at the called address")]
    NoCode,
    /// A native module refused; the text says why.
    #[error("{0}")]
    Native(String),
    /// EVM code did what Ethereum stops it for.
    #[error("{message}")]
    Evm {
        /// The stable name.
        code: &'static str,
        /// What it did.
        message: &'static str,
    },
    /// One of Ethereum's precompiles does not take such input.
    #[error("the precompile does not take such input")]
    Precompile,
    /// A creator's nonce that can rise no further.
    #[error("the creator's nonce is at its end")]
    NonceOverflow,
}

impl ContractFault {
    /// The receipt's status for it.
    pub const fn status(&self) -> Status {
        match self {
            Self::OutOfGas => Status::OutOfGas,
            Self::Depth { .. } | Self::StackExhausted | Self::MemoryExhausted { .. } => Status::OutOfStack,
            Self::Balance => Status::NotEnoughCash,
            Self::AddressTaken => Status::AddressAlreadyUsed,
            Self::NoCode => Status::CallAddressError,
            Self::Native(_) => Status::PrecompiledError,
            _ => Status::BadInstruction,
        }
    }

    /// The stable name of the fault.
    pub fn code(&self) -> String {
        let name = match self {
            Self::OutOfGas => "out_of_gas",
            Self::Depth { .. } => "depth",
            Self::StackExhausted => "stack_exhausted",
            Self::MemoryExhausted { .. } => "memory_exhausted",
            Self::Trap(_) => "trap",
            Self::MemoryRange { .. } => "memory_range",
            Self::DataRange { .. } => "data_range",
            Self::Limit { .. } => "limit",
            Self::ReadOnly(_) => "read_only",
            Self::Argument { .. } => "argument",
            Self::ValueWithoutBalances => "value_without_balances",
            Self::Balance => "balance",
            Self::ModuleRule { rule, .. } => return std::format!("module_rule/{rule}"),
            Self::Container(_) => "container",
            Self::AddressTaken => "address_taken",
            Self::NoCode => "no_code",
            Self::Native(_) => "native",
            Self::Evm { code, .. } => code,
            Self::Precompile => "precompile",
            Self::NonceOverflow => "nonce_overflow",
        };
        name.to_string()
    }

    /// What stands in the receipt.
    pub fn receipt_error(&self) -> ReceiptError {
        ReceiptError::new(self.code(), self.to_string())
    }
}

/// The node cannot go on: its storage or its engine failed. It must stop rather than put its guess in a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeFault {
    /// The storage below the state.
    #[error(transparent)]
    State(#[from] StateReadError),
    /// The engine that runs code.
    #[error("the engine failed: {0}")]
    Engine(String),
    /// A row that this node wrote does not decode.
    #[error("the state row {0} is damaged")]
    Row(String),
    /// Rules this node does not know.
    #[error(
        "protocol version {version} rules from block {height} on, and this release knows versions up to {known}: \
         install a newer release and start the node again; nothing is lost"
    )]
    ProtocolVersion {
        /// The version that rules.
        version: u32,
        /// The height at which this node stops.
        height: BlockNumber,
        /// The highest version it knows.
        known: u32,
    },
}

/// Either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The contract's.
    #[error(transparent)]
    Contract(#[from] ContractFault),
    /// The node's.
    #[error(transparent)]
    Node(#[from] NodeFault),
}

impl From<MembersError> for NodeFault {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::State(error) => Self::State(error),
            MembersError::Damaged(row) => Self::Row(row),
        }
    }
}

impl From<MembersError> for Fault {
    fn from(error: MembersError) -> Self {
        Self::Node(error.into())
    }
}

impl From<StateReadError> for Fault {
    fn from(error: StateReadError) -> Self {
        Self::Node(error.into())
    }
}
