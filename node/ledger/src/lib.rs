//! Blocks, receipts, indexes, state and history of one group on a storage engine, written one atomic batch a block.
//!
//! This crate owns what lies on disk for a group: the keys, the values and their versions. It never executes, never
//! judges a block beyond whether it follows the tip, and never shows a part of one: a block is there whole, synced,
//! or not at all.
//!
//! ```
//! use std::sync::Arc;
//! use entente_crypto::{LtHash, SecretKey, Suite};
//! use entente_ledger::{GenesisRecord, Ledger};
//! use entente_state::ChangeSet;
//! use entente_storage::Memory;
//! use entente_types::{
//!     Block, Certificate, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Version,
//! };
//!
//! let key = SecretKey::from_bytes(Suite::Standard, &[7; 32])?.public_key();
//! let genesis = Genesis {
//!     version: Version,
//!     chain_id: 1,
//!     group_id: GroupId::new("group1")?,
//!     ethereum_chain_id: 20200,
//!     suite: Suite::Standard,
//!     timestamp_ms: 1_700_000_000_000,
//!     consensus: ConsensusKind::Solo,
//!     pipeline_depth: 1,
//!     protocol_version: 1,
//!     evm_hash: EvmHash::Keccak256,
//!     evm_timestamp: EvmTimestamp::Seconds,
//!     balances: false,
//!     limits: Limits::default(),
//!     sealers: vec![Member { key, weight: 1 }],
//!     allocations: vec![],
//! };
//! let (changes, commitment) = (ChangeSet::default(), LtHash::default());
//! let block0 = Block {
//!     version: Version,
//!     header: genesis.header(changes.root(genesis.suite), commitment.root(genesis.suite)),
//!     certificate: Certificate::default(),
//!     view: 0,
//!     access: None,
//!     left_out: vec![],
//!     transactions: vec![],
//! };
//! let record = GenesisRecord { genesis: genesis.clone(), block0, changes: Arc::new(changes), commitment };
//! let engine = Arc::new(Memory::new());
//! Ledger::create(engine.clone(), record)?;
//! assert_eq!(Ledger::open(engine, &genesis)?.tip().number, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod append;
mod cache;
mod dev;
mod error;
mod export;
mod format;
mod ledger;
mod open;
mod read;
mod record;
mod recovery;
mod replay;
mod snapshot;
mod state;
mod verify;

pub use dev::{DevLedger, DevMark};
pub use entente_storage::Metrics as EngineMetrics;
pub use error::{AppendError, CreateError, HistoryError, OpenError, ReadError, WritesError};
pub use export::{EXPORT_RECORD_BYTES_MAX, ExportError, ExportHead, ExportReader, ExportWriter};
pub use ledger::Ledger;
pub use read::{ReceiptAt, TransactionAt};
pub use record::{BlockRecord, GenesisRecord, HistoryRetention, LedgerOptions, Tip};
pub use replay::{ReplayEntry, ReplayWindow};
pub use snapshot::{
    Body, ChunkError, HeaderStep, InstallError, InstallPlan, SNAPSHOT_PART_CHUNKS, SNAPSHOT_PARTS_MAX, SnapshotHead,
    SnapshotOptions, SnapshotPart, Staged, StagedHeaders, Staging, StateChunk, chunk_name,
};
pub use state::RowWrite;
pub use verify::{Fault, Verification, VerificationProgress};
