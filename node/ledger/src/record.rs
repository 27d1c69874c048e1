//! What goes into a ledger, and how one is set up.

use std::sync::Arc;

use entente_crypto::{Hash, LtHash};
use entente_state::ChangeSet;
use entente_types::{Block, BlockNumber, Genesis, Receipt};

use crate::SnapshotOptions;

/// The last block, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub number: BlockNumber,
    /// The hash of its header.
    pub header_hash: Hash,
    /// The digest of its proposal; the genesis hash for block 0.
    pub proposal: Hash,
    /// The transactions of all blocks together.
    pub total_transactions: u64,
}

/// What a group begins with.
#[derive(Debug, Clone)]
pub struct GenesisRecord {
    /// The document.
    pub genesis: Genesis,
    /// Block 0: no transactions, no certificate.
    pub block0: Block,
    /// The rows it sets.
    pub changes: Arc<ChangeSet>,
    /// The commitment to the state after it.
    pub commitment: LtHash,
}

/// A block with everything that is written in its batch.
#[derive(Debug, Clone)]
pub struct BlockRecord {
    /// The block, with its certificate.
    pub block: Block,
    /// The hashes of its transactions, in their order.
    pub transaction_hashes: Vec<Hash>,
    /// Their receipts.
    pub receipts: Vec<Receipt>,
    /// What it did to the state.
    pub changes: Arc<ChangeSet>,
    /// The commitment to the state after it.
    pub commitment: LtHash,
    /// The record of what its transactions read and wrote.
    pub access: Option<Vec<u8>>,
}

/// For how long overwritten values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRetention {
    /// The state can be read at the tip and at this many heights below it.
    Blocks(u64),
    /// The state can be read at every height.
    Archive,
}

/// How a ledger is kept on this node. Nothing here changes what the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerOptions {
    /// For how long overwritten values are kept. Kept longer from now on, they come back as new blocks do; kept
    /// shorter, they go some blocks at a time.
    pub history: HistoryRetention,
    /// The bytes of rows kept in memory; 0 for none.
    pub row_cache_bytes: usize,
    /// How snapshots for others are cut.
    pub snapshots: SnapshotOptions,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self {
            history: HistoryRetention::Blocks(1024),
            row_cache_bytes: 128 << 20,
            snapshots: SnapshotOptions::default(),
        }
    }
}
