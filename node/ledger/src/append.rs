//! Writing a block: one atomic, synced batch.

use std::sync::PoisonError;

use entente_crypto::{Hash, LtHash};
use entente_state::{ChangeSet, KEY_BYTES_MAX};
use entente_storage::{Batch, Column, Durability};
use entente_types::{Block, BlockNumber, Receipt, Version, limits::VALIDITY_BLOCKS_MAX};
use parity_scale_codec::{Compact, Encode};

use crate::{
    AppendError, BlockRecord, HistoryRetention, Ledger, ReadError, Tip,
    format::{
        META_COMMITMENT, META_HISTORY, META_TIP, Named, Stored, StoredBlock, StoredTip, decode, history_key,
        history_list_key, history_prefix, lookup_key, number_key, put_documents, put_row,
    },
    ledger::Published,
    replay::put_replay,
};

/// The blocks whose history one block drops at most: more than one, so that a shorter retention takes hold, but few
/// enough that no block is held up.
const PRUNED_BLOCKS_MAX: u64 = 8;

/// A block and what is stored beside it about its transactions.
pub(crate) struct BlockParts<'a> {
    pub(crate) block: &'a Block,
    pub(crate) header_hash: &'a Hash,
    pub(crate) hashes: &'a [Hash],
    pub(crate) receipts: &'a [Receipt],
}

impl Ledger {
    /// Writes the next block with all that belongs to it. When this returns, all of it is on disk and every reader
    /// sees it; on an error nothing of it is to be seen.
    ///
    /// # Errors
    /// The record does not follow the tip or does not fit itself, or the disk fails. After
    /// [`AppendError::Storage`] only [`Ledger::open`] tells what is on disk, and nothing more is written.
    pub fn append(&self, record: &BlockRecord) -> Result<(), AppendError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.closed {
            return Err(AppendError::Closed);
        }
        let before = self.published();
        check(record, &before.tip, self.suite())?;
        let number = record.block.header.number;
        let tip = Tip {
            number,
            header_hash: record.block.header.hash(self.suite()),
            proposal: record.block.header.proposal,
            total_transactions: before.tip.total_transactions.saturating_add(record.block.transactions.len() as u64),
        };
        let (batch, history_floor) = self.batch(record, tip, before.history_floor)?;
        if let Err(error) = self.engine.write(batch, Durability::Synced) {
            writer.closed = true;
            return Err(error.into());
        }
        self.cache.apply(&record.changes, number);
        self.publish(Published {
            tip,
            history_floor,
            oldest_block: before.oldest_block,
            transactions_below: before.transactions_below,
            commitment: record.commitment.clone(),
            snapshot: self.engine.snapshot(),
        });
        Ok(())
    }

    /// Everything that the block writes, and the oldest height whose state can be read after it.
    fn batch(&self, record: &BlockRecord, tip: Tip, floor: BlockNumber) -> Result<(Batch, BlockNumber), AppendError> {
        let transactions = record.block.transactions.len();
        let mut batch = Batch::with_capacity(
            transactions * 2 + record.changes.len() * 3 + 64,
            transactions * 768 + record.changes.len() * 256 + 8192,
        );
        let parts = BlockParts {
            block: &record.block,
            header_hash: &tip.header_hash,
            hashes: &record.transaction_hashes,
            receipts: &record.receipts,
        };
        put_block(&mut batch, &parts);
        put_replay(&mut batch, &record.block);
        if let Some(expired) = tip.number.checked_sub(VALIDITY_BLOCKS_MAX) {
            batch.delete(Column::Replay, &number_key(expired));
        }
        if let Some(access) = &record.access {
            batch.put_with(
                Column::Access,
                |key| key.extend_from_slice(&number_key(tip.number)),
                |value| {
                    Version::<1>.encode_to(value);
                    access.encode_to(value);
                },
            );
        }
        for change in record.changes.iter() {
            put_row(&mut batch, &change.row, change.new.as_deref());
        }
        let kept = match self.options.history {
            HistoryRetention::Archive => BlockNumber::MAX,
            HistoryRetention::Blocks(blocks) => blocks,
        };
        let floor = self.prune(&mut batch, floor, tip.number, kept)?;
        // Every height above the floor has its history, whatever the options were when it was written.
        if floor < tip.number {
            put_history(&mut batch, &record.changes, tip.number);
        }
        put_tip(&mut batch, tip, floor, &record.commitment);
        Ok((batch, floor))
    }

    /// Drops what blocks overwrote that fall out of the kept heights.
    fn prune(
        &self,
        batch: &mut Batch,
        floor: BlockNumber,
        tip: BlockNumber,
        kept: BlockNumber,
    ) -> Result<BlockNumber, ReadError> {
        let wanted = tip.saturating_sub(kept);
        if wanted <= floor {
            return Ok(floor);
        }
        let reached = wanted.min(floor.saturating_add(PRUNED_BLOCKS_MAX));
        // The block itself is not written yet.
        for height in (floor + 1)..=reached.min(tip - 1) {
            let key = history_list_key(height);
            let list = self.engine.get(Column::History, &key)?.ok_or_else(|| {
                ReadError::damaged(
                    Column::History,
                    &key,
                    format!("the list of what block {height} overwrote is missing"),
                )
            })?;
            for row in decode::<Stored<Vec<Vec<u8>>>>(Column::History, &key, &list)?.value {
                batch.delete(Column::History, &history_key(&row, height));
            }
            batch.delete(Column::History, &key);
        }
        Ok(reached)
    }
}

/// The record is the next block's and fits itself.
fn check(record: &BlockRecord, tip: &Tip, suite: entente_crypto::Suite) -> Result<(), AppendError> {
    let header = &record.block.header;
    let number = header.number;
    if Some(number) != tip.number.checked_add(1) {
        return Err(AppendError::Number { tip: tip.number, found: number });
    }
    if header.parent != tip.header_hash {
        return Err(AppendError::Parent { number, found: header.parent, tip: tip.header_hash });
    }
    let transactions = record.block.transactions.len();
    let (hashes, receipts) = (record.transaction_hashes.len(), record.receipts.len());
    if hashes != transactions || receipts != transactions {
        return Err(AppendError::Counts { number, transactions, hashes, receipts });
    }
    let found = record.commitment.root(suite);
    if found != header.state_root {
        return Err(AppendError::StateRoot { number, found, expected: header.state_root });
    }
    match record.changes.iter().map(|change| change.row.key().len()).find(|length| *length > KEY_BYTES_MAX) {
        Some(length) => Err(AppendError::Key { number, length }),
        None => Ok(()),
    }
}

/// The block, its transactions and receipts, and the names that lead to them.
pub(crate) fn put_block(batch: &mut Batch, parts: &BlockParts<'_>) {
    let BlockParts { block, header_hash, hashes, receipts } = parts;
    let number = block.header.number;
    let stored = StoredBlock {
        version: Version,
        header: block.header.clone(),
        certificate: block.certificate.clone(),
        view: block.view,
        access: block.access,
        left_out: block.left_out.clone(),
        transactions: block.transactions.len() as u32,
    };
    batch.put_with(Column::Blocks, |key| key.extend_from_slice(&number_key(number)), |value| stored.encode_to(value));
    put_documents(batch, Column::Transactions, number, &block.transactions);
    put_documents(batch, Column::Receipts, number, receipts);
    // In the order of their keys, in which the engine finds the next one's place near the last one's.
    let mut places: Vec<(&Hash, u32)> = hashes.iter().zip(0..).collect();
    places.sort_unstable();
    for (hash, index) in places {
        put_lookup(batch, Named::Transaction, hash, &(number, index));
    }
    put_lookup(batch, Named::Block, header_hash, &number);
    // Zero stands for no Ethereum header.
    if block.header.ethereum_hash != Hash::ZERO {
        put_lookup(batch, Named::EthereumBlock, &block.header.ethereum_hash, &number);
    }
}

fn put_lookup(batch: &mut Batch, named: Named, hash: &Hash, place: &impl Encode) {
    batch.put_with(
        Column::Lookup,
        |key| key.extend_from_slice(&lookup_key(named, hash)),
        |value| {
            Version::<1>.encode_to(value);
            place.encode_to(value);
        },
    );
}

/// What the block overwrote, and the list by which it is dropped again.
fn put_history(batch: &mut Batch, changes: &ChangeSet, height: BlockNumber) {
    for change in changes.iter() {
        batch.put_with(
            Column::History,
            |key| {
                history_prefix(change.row.as_bytes(), key);
                key.extend_from_slice(&height.to_be_bytes());
            },
            |value| {
                Version::<1>.encode_to(value);
                change.old.encode_to(value);
            },
        );
    }
    batch.put_with(
        Column::History,
        |key| key.extend_from_slice(&history_list_key(height)),
        |value| {
            Version::<1>.encode_to(value);
            Compact(changes.len() as u32).encode_to(value);
            for change in changes.iter() {
                change.row.as_bytes().encode_to(value);
            }
        },
    );
}

/// What there is one of and every block replaces.
pub(crate) fn put_tip(batch: &mut Batch, tip: Tip, history_floor: BlockNumber, commitment: &LtHash) {
    let mut put = |key: &[u8], value: &dyn Fn(&mut Vec<u8>)| {
        batch.put_with(Column::Meta, |bytes| bytes.extend_from_slice(key), value);
    };
    put(META_TIP, &|bytes| StoredTip::from(tip).encode_to(bytes));
    put(META_HISTORY, &|bytes| Stored::new(history_floor).encode_to(bytes));
    put(META_COMMITMENT, &|bytes| Stored::new(commitment.to_bytes()).encode_to(bytes));
}
