//! What can go wrong below a ledger.

use std::path::PathBuf;

use crate::Column;

/// The store failed: the node's fault, never a contract's. Each message says what, where and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Another process has the store open.
    #[error("the store {path} is open in another process; stop that node, or give this one a folder of its own")]
    Locked {
        /// The store's folder.
        path: PathBuf,
    },
    /// The store has columns that this version does not know.
    #[error("the store {path} has columns that this version does not know ({columns}); run the version that wrote it")]
    UnknownColumns {
        /// The store's folder.
        path: PathBuf,
        /// Their names.
        columns: String,
    },
    /// What lies on disk is not what was written.
    #[error("the store {path} is damaged in {place}: {message}; fetch the chain from peers: entente node fetch")]
    Corruption {
        /// The store's folder.
        path: PathBuf,
        /// The file, where the engine names one; else the column.
        place: String,
        /// What the engine says.
        message: String,
    },
    /// Something that was synced is not there.
    #[error(
        "the store {path} ends with write {found}, but write {synced} was synced: a file of it was removed, cut short or \
         replaced by an older one; bring the file back, or fetch the chain from peers: entente node fetch"
    )]
    Missing {
        /// The store's folder.
        path: PathBuf,
        /// The number of the last write that is there.
        found: u64,
        /// The number of the last write that was synced.
        synced: u64,
    },
    /// The store could not be opened for any other reason.
    #[error("the store {path} cannot be opened: {message}; check that the folder exists, is writable and has space")]
    Open {
        /// The store's folder.
        path: PathBuf,
        /// What the engine says.
        message: String,
    },
    /// Reading failed.
    #[error("reading column {column} of the store {path} failed: {message}; check the disk", column = column.name())]
    Read {
        /// The store's folder.
        path: PathBuf,
        /// The column.
        column: Column,
        /// What the engine says.
        message: String,
    },
    /// Writing failed. Whether the batch is on disk is unknown until the store is opened again.
    #[error(
        "writing to the store {path} failed: {message}; check the disk and its free space, then start the node again"
    )]
    Write {
        /// The store's folder.
        path: PathBuf,
        /// What the engine says.
        message: String,
    },
}
