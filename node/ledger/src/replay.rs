//! What may not come again: the transactions of the last blocks, native ones and FISCO BCOS's, for the pool's index.

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
    /// The transactions of the last 1,000 blocks that the next one could repeat: native ones and FISCO BCOS's.
    pub fn replay_window(&self) -> ReplayWindow {
        let published = self.published();
        let tip = published.tip.number;
        let first = tip.saturating_sub(VALIDITY_BLOCKS_MAX - 1).max(1);
        ReplayWindow { snapshot: Arc::clone(&published.snapshot), heights: first..=tip }
    }
}

fn entry(transaction: &Transaction) -> Option<ReplayEntry> {
    match transaction {
        Transaction::Native(native) => {
            let unsigned = &native.unsigned;
            let (sender, nonce, valid_until) = (unsigned.sender, unsigned.nonce, unsigned.valid_until);
            Some(ReplayEntry { sender, nonce, valid_until })
        }
        Transaction::Fisco(fisco) => {
            let fields = fisco.fields();
            Some(ReplayEntry { sender: fisco.sender()?, nonce: fields.nonce, valid_until: fields.block_limit })
        }
        Transaction::Ethereum(_) => None,
    }
}

/// Writes a block's entries.
pub(crate) fn put_replay(batch: &mut Batch, block: &Block) {
    let entries = || block.transactions.iter().filter_map(entry);
    batch.put_with(
        Column::Replay,
        |key| key.extend_from_slice(&number_key(block.header.number)),
        |value| {
            Version::<1>.encode_to(value);
            Compact(entries().count() as u32).encode_to(value);
            entries().for_each(|entry| entry.encode_to(value));
        },
    );
}
