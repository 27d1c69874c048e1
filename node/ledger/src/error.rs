//! What can go wrong, one enum per operation.

use entente_crypto::Hash;
use entente_storage::{Column, StorageError};
use entente_types::{BlockNumber, GenesisError};

/// Something that is stored could not be read: the node's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The engine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A value is not what was written.
    #[error(
        "the ledger is damaged in column {column} at key {key}: {message}; fetch the chain from peers: \
         entente node fetch",
        column = column.name()
    )]
    Damaged {
        /// The column.
        column: Column,
        /// The key, hexadecimal; its beginning where it is long.
        key: String,
        /// What is wrong.
        message: String,
    },
}

impl ReadError {
    pub(crate) fn damaged(column: Column, key: &[u8], message: impl Into<String>) -> Self {
        let start = key.get(..key.len().min(64)).unwrap_or_default();
        Self::Damaged { column, key: hex::encode(start), message: message.into() }
    }
}

/// Why no ledger was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The document is refused.
    #[error("the genesis document is refused: {0}")]
    Genesis(#[from] GenesisError),
    /// There is one already.
    #[error("the store holds a ledger already; open it, or give the new group a folder of its own")]
    NotEmpty,
    /// Block 0 does not follow from the document.
    #[error("block 0 does not fit its genesis document: its {field} is {found}, expected {expected}")]
    Block {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
    /// Block 0 sets a row whose key is too long.
    #[error("block 0 sets a row with a key of {0} bytes; at most {max} are allowed", max = entente_state::KEY_BYTES_MAX)]
    Key(usize),
    /// The engine failed, or what it holds is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a ledger does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("the store holds no ledger; create the group, or check the folder")]
    Empty,
    /// It is of a later version.
    #[error("the ledger's format is {found}, this version knows {known}; run the version that wrote it")]
    UnknownFormat {
        /// Its format.
        found: u8,
        /// Ours.
        known: u8,
    },
    /// It belongs to another group.
    #[error(
        "the ledger belongs to the genesis {found}, but the configuration names {expected}; check the folder and genesis.toml"
    )]
    ForeignGenesis {
        /// The hash of the stored document.
        found: Hash,
        /// The hash of the configured one.
        expected: Hash,
    },
    /// What is stored about the tip contradicts itself.
    #[error(
        "the ledger is damaged at its tip, block {number}: its {what} is {found}, its header says {expected}; \
         fetch the chain from peers: entente node fetch"
    )]
    Tip {
        /// The tip's height.
        number: BlockNumber,
        /// What is wrong.
        what: &'static str,
        /// What was found.
        found: Hash,
        /// What the header says.
        expected: Hash,
    },
    /// The engine failed, or a value is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a block was not written. Nothing of it is there, but after [`AppendError::Storage`], where it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Not the next height.
    #[error("block {found} does not follow the tip, block {tip}")]
    Number {
        /// The tip's height.
        tip: BlockNumber,
        /// The block's.
        found: BlockNumber,
    },
    /// Another parent.
    #[error("block {number} follows header {found}, but the tip is {tip}")]
    Parent {
        /// The block's height.
        number: BlockNumber,
        /// The parent it names.
        found: Hash,
        /// The tip's header.
        tip: Hash,
    },
    /// The record's lists are of different lengths.
    #[error("block {number} has {transactions} transactions, {hashes} hashes of them and {receipts} receipts")]
    Counts {
        /// The block's height.
        number: BlockNumber,
        /// Its transactions.
        transactions: usize,
        /// Their hashes.
        hashes: usize,
        /// Their receipts.
        receipts: usize,
    },
    /// The commitment is not the header's.
    #[error("block {number} comes with the state root {found}, but its header says {expected}")]
    StateRoot {
        /// The block's height.
        number: BlockNumber,
        /// The root of the commitment.
        found: Hash,
        /// The header's.
        expected: Hash,
    },
    /// A row whose key is too long.
    #[error("block {number} sets a row with a key of {length} bytes; at most {max} are allowed", max = entente_state::KEY_BYTES_MAX)]
    Key {
        /// The block's height.
        number: BlockNumber,
        /// The key's length.
        length: usize,
    },
    /// An earlier write failed, so that it is unknown what is on disk.
    #[error("an earlier write to the ledger failed; open it again before writing")]
    Closed,
    /// The write failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What had to be read for it is damaged or could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why the state of a height cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// What its blocks overwrote is not kept any more.
    #[error(
        "the state at height {height} is not kept any more; the oldest kept is {oldest} (`history_blocks`, `archive`)"
    )]
    Pruned {
        /// The height asked for.
        height: BlockNumber,
        /// The oldest that can be read.
        oldest: BlockNumber,
    },
    /// There is no such block yet.
    #[error("there is no block {height} yet; the tip is {tip}")]
    Future {
        /// The height asked for.
        height: BlockNumber,
        /// The tip's.
        tip: BlockNumber,
    },
}

/// Why it cannot be told what a block wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WritesError {
    /// Block 0 is nobody's: it follows from the genesis document.
    #[error("block 0 wrote what follows from the genesis document; nobody signs it")]
    Genesis,
    /// Its history is not kept any more.
    #[error(
        "what block {height} wrote is not kept any more; it is kept of blocks above {floor} (`history_blocks`, \
         `archive`)"
    )]
    Pruned {
        /// The height asked for.
        height: BlockNumber,
        /// The highest whose writes are not kept.
        floor: BlockNumber,
    },
    /// There is no such block yet.
    #[error("there is no block {height} yet; the tip is {tip}")]
    Future {
        /// The height asked for.
        height: BlockNumber,
        /// The tip's.
        tip: BlockNumber,
    },
    /// The engine failed, or what is stored is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
}
