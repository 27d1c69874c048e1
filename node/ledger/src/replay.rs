//! What may not come again: the native transactions of the last blocks, for the pool's index.

use std::sync::Arc;

use entente_crypto::Address;
use entente_storage::{Batch, Column, Snapshot};
use entente_types::{Block, BlockNumber, Transaction, Version, limits::VALIDITY_BLOCKS_MAX};
use parity_scale_codec::{Compact, Decode, Encode};

use crate::{
    Ledger, ReadError,
    format::{Stored, decode, number_key},
};

/// A (sender, nonce) that was used, and when it can be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ReplayEntry {
    /// The sender.
    pub sender: Address,
    /// Its nonce.
    pub nonce: [u8; 32],
    /// The first height at which the transaction would be too old anyway.
    pub valid_until: BlockNumber,
}

/// The entries of the last blocks, ascending by height, read as they are asked for.
pub struct ReplayWindow {
    snapshot: Arc<dyn Snapshot>,
    heights: std::ops::RangeInclusive<BlockNumber>,
}

impl Iterator for ReplayWindow {
    type Item = Result<(BlockNumber, Vec<ReplayEntry>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.heights.next()?;
        Some(self.read(number).map(|entries| (number, entries)))
    }
}

impl ReplayWindow {
    fn read(&self, number: BlockNumber) -> Result<Vec<ReplayEntry>, ReadError> {
        let key = number_key(number);
        let bytes = self.snapshot.get(Column::Replay, &key)?.ok_or_else(|| {
            ReadError::damaged(Column::Replay, &key, format!("the replay entries of block {number} are missing"))
        })?;
        Ok(decode::<Stored<Vec<ReplayEntry>>>(Column::Replay, &key, &bytes)?.value)
    }
}

impl Ledger {
    /// The native transactions of the last 1,000 blocks: all that the next one could repeat.
    pub fn replay_window(&self) -> ReplayWindow {
        let published = self.published();
        let tip = published.tip.number;
        let first = tip.saturating_sub(VALIDITY_BLOCKS_MAX - 1).max(1);
        ReplayWindow { snapshot: Arc::clone(&published.snapshot), heights: first..=tip }
    }
}

/// Writes a block's entries.
pub(crate) fn put_replay(batch: &mut Batch, block: &Block) {
    let natives = || {
        block.transactions.iter().filter_map(|transaction| match transaction {
            Transaction::Native(native) => Some(&native.unsigned),
            Transaction::Ethereum(_) | Transaction::Fisco(_) => None,
        })
    };
    batch.put_with(
        Column::Replay,
        |key| key.extend_from_slice(&number_key(block.header.number)),
        |value| {
            Version::<1>.encode_to(value);
            Compact(natives().count() as u32).encode_to(value);
            for native in natives() {
                let entry = ReplayEntry { sender: native.sender, nonce: native.nonce, valid_until: native.valid_until };
                entry.encode_to(value);
            }
        },
    );
}
