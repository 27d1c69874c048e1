//! What those who test are refused.

use entente_host::NodeFault;
use entente_ledger::{AppendError, CreateError, ReadError};
use entente_pool::AdmissionError;
use entente_types::{Address, EthereumTransactionError, GenesisError};

/// The most blocks that are mined at once.
pub const BLOCKS_AT_ONCE_MAX: u64 = 100_000;

/// Why a chain for those who test does not do what it is asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevError {
    /// The account's key is not here, and nobody said that it may be done without.
    #[error("unknown account {0}: its key is not on this node; ask for it with hardhat_impersonateAccount")]
    UnknownAccount(Address),
    /// The account's key is not here, and what is asked for cannot be done without.
    #[error(
        "account {0} is impersonated: its key is not on this node, so nothing can be signed for it; eth_sendTransaction \
         sends for it without a signature"
    )]
    Impersonated(Address),
    /// A time that no block can have.
    #[error("Timestamp {asked_s} is lower than or equal to previous block's timestamp {parent_s}")]
    Timestamp {
        /// What was asked for.
        asked_s: u64,
        /// The last block's.
        parent_s: u64,
    },
    /// Too many blocks.
    #[error("{0} blocks at once are too many: at most {BLOCKS_AT_ONCE_MAX} are mined")]
    Blocks(u64),
    /// A limit that no block can have.
    #[error("the gas limit of blocks is {minimum} to {maximum}, not {found}")]
    BlockGas {
        /// What was asked for.
        found: u64,
        /// The least.
        minimum: u64,
        /// The most.
        maximum: u64,
    },
    /// A number that the account's transactions had already.
    #[error("New nonce ({asked}) must not be smaller than the existing nonce ({next})")]
    Nonce {
        /// What was asked for.
        asked: u64,
        /// That of the account's next transaction.
        next: u64,
    },
    /// Coin, where there is none.
    #[error("this chain has no coin: `balances` of its genesis is false")]
    NoCoin,
    /// It cannot be read as structured data.
    #[error("the typed data is not as EIP-712 says: {0}")]
    TypedData(String),
    /// It is no state of a chain.
    #[error("the bytes are no state: anvil_dumpState of a node like this one gives such")]
    Dump,
    /// The transaction cannot be made.
    #[error(transparent)]
    Transaction(#[from] EthereumTransactionError),
    /// The transaction is not let in.
    #[error(transparent)]
    Refused(#[from] AdmissionError),
    /// The ledger cannot be read or set.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The node's own fault.
    #[error(transparent)]
    Node(#[from] NodeFault),
    /// A block does not fit the ledger.
    #[error("a block could not be added: {0}")]
    Append(String),
}

impl From<AppendError> for DevError {
    fn from(error: AppendError) -> Self {
        Self::Append(error.to_string())
    }
}

/// Why such a chain does not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// More than one node orders, or one of several kinds that could be more.
    #[error(
        "--dev is for a chain that one node orders alone (genesis.toml: `consensus` solo, one sealer), and this one has \
         {sealers} sealers under {consensus}; make one with: entente chain new --out DIR, or begin with: entente chain dev"
    )]
    NotAlone {
        /// How many.
        sealers: usize,
        /// How they agree.
        consensus: String,
    },
    /// The keys that everybody knows are of the other suite.
    #[error("--dev is for the standard suite, whose accounts Ethereum's tools know; this chain's is guomi")]
    Guomi,
    /// The genesis document is refused.
    #[error("genesis.toml: {0}")]
    Genesis(#[from] GenesisError),
    /// The ledger could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The native modules' tables clash, or block 0 could not be made.
    #[error("{0}")]
    Rooms(String),
    /// What was made could not be used.
    #[error(transparent)]
    Chain(#[from] DevError),
}
