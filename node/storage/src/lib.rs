//! The store below a ledger: columns of ordered keys, snapshots, and atomic batches that are synced or buffered.
//!
//! This crate owns the [`Engine`] trait, the list of [`Column`]s, and the engines: [`RocksDb`], [`Memory`] and the
//! [`crash::CrashEngine`] that tests pull the plug of. It never knows what a key or value means, never waits for
//! anything but the disk, and never starts a thread of its own (RocksDB has its background ones).
//!
//! ```
//! use entente_storage::{Batch, Column, Durability, Engine, Memory, Reader};
//!
//! let engine = Memory::new();
//! let mut batch = Batch::new();
//! batch.put(Column::State, b"row", b"value");
//! engine.write(batch, Durability::Synced)?;
//! let before = engine.snapshot();
//! let mut batch = Batch::new();
//! batch.delete(Column::State, b"row");
//! engine.write(batch, Durability::Buffered)?;
//! assert_eq!(engine.get(Column::State, b"row")?, None);
//! assert_eq!(before.get(Column::State, b"row")?, Some(b"value".to_vec()));
//! # Ok::<(), entente_storage::StorageError>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod batch;
mod column;
pub mod crash;
mod engine;
mod error;
mod memory;
mod rocks;
mod synced;

pub use batch::{Batch, Operation};
pub use column::Column;
pub use engine::{Cursor, Durability, Engine, Entry, Metrics, Reader, Snapshot};
pub use error::StorageError;
pub use memory::Memory;
pub use rocks::{RocksDb, SharedResources};
