//! Reading blocks, transactions and receipts.

use entente_crypto::Hash;
use entente_storage::{Column, Reader};
use entente_types::{Block, BlockNumber, CertifiedHeader, Header, Receipt, Transaction, Version};
use parity_scale_codec::Decode;

use crate::{
    Ledger, ReadError,
    format::{
        Named, Stored, StoredBlock, chunk_key, decode, decode_document, decode_documents, decode_header, lookup_key,
        number_key,
    },
};

/// A transaction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionAt {
    /// The transaction.
    pub transaction: Transaction,
    /// Its block.
    pub number: BlockNumber,
    /// Its place there.
    pub index: u32,
}

/// A receipt and where its transaction stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptAt {
    /// The receipt.
    pub receipt: Receipt,
    /// The block.
    pub number: BlockNumber,
    /// The transaction's place there.
    pub index: u32,
}

impl Ledger {
    /// The header at this height, or nothing above the tip.
    pub fn header(&self, number: BlockNumber) -> Result<Option<Header>, ReadError> {
        let key = number_key(number);
        let Some(bytes) = self.read_written(Column::Blocks, number, &key)? else { return Ok(None) };
        decode_header(&key, &bytes).map(Some)
    }

    /// The header at this height with its certificate, or nothing above the tip.
    pub fn certified_header(&self, number: BlockNumber) -> Result<Option<CertifiedHeader>, ReadError> {
        let published = self.published();
        if number > published.tip.number {
            return Ok(None);
        }
        let stored = read_stored(&*published.snapshot, number)?;
        Ok(stored.map(|StoredBlock { header, certificate, .. }| CertifiedHeader { header, certificate }))
    }

    /// The block at this height, or nothing above the tip and below [`Ledger::oldest_block`].
    pub fn block(&self, number: BlockNumber) -> Result<Option<Block>, ReadError> {
        let published = self.published();
        if published.has_whole(number) { read_block(&*published.snapshot, number) } else { Ok(None) }
    }

    /// The block whose header has this hash.
    pub fn block_by_hash(&self, hash: &Hash) -> Result<Option<Block>, ReadError> {
        match self.number_by_hash(hash)? {
            Some(number) => self.block(number),
            None => Ok(None),
        }
    }

    /// The height of the block whose header has this hash.
    pub fn number_by_hash(&self, hash: &Hash) -> Result<Option<BlockNumber>, ReadError> {
        self.look_up(Named::Block, hash)
    }

    /// The height of the block whose Ethereum header has this hash.
    pub fn number_by_ethereum_hash(&self, hash: &Hash) -> Result<Option<BlockNumber>, ReadError> {
        self.look_up(Named::EthereumBlock, hash)
    }

    /// Where the transaction with this hash stands: its block and its place there.
    pub fn transaction_place(&self, hash: &Hash) -> Result<Option<(BlockNumber, u32)>, ReadError> {
        self.look_up(Named::Transaction, hash)
    }

    /// The transaction with this hash.
    pub fn transaction(&self, hash: &Hash) -> Result<Option<TransactionAt>, ReadError> {
        let Some((number, index)) = self.transaction_place(hash)? else { return Ok(None) };
        let transaction = self.document(Column::Transactions, number, index)?;
        Ok(Some(TransactionAt { transaction, number, index }))
    }

    /// The transaction at this place, or nothing where the block or the place does not exist.
    pub fn transaction_at(&self, number: BlockNumber, index: u32) -> Result<Option<Transaction>, ReadError> {
        let key = number_key(number);
        let Some(bytes) = self.read_written(Column::Blocks, number, &key)? else { return Ok(None) };
        if index >= decode::<StoredBlock>(Column::Blocks, &key, &bytes)?.transactions {
            return Ok(None);
        }
        self.document(Column::Transactions, number, index).map(Some)
    }

    /// The receipt of the transaction with this hash.
    pub fn receipt(&self, hash: &Hash) -> Result<Option<ReceiptAt>, ReadError> {
        let Some((number, index)) = self.transaction_place(hash)? else { return Ok(None) };
        let receipt = self.document(Column::Receipts, number, index)?;
        Ok(Some(ReceiptAt { receipt, number, index }))
    }

    /// The receipts of the block at this height, or nothing above the tip and below [`Ledger::oldest_block`].
    pub fn receipts(&self, number: BlockNumber) -> Result<Option<Vec<Receipt>>, ReadError> {
        let published = self.published();
        if published.has_whole(number) { read_receipts(&*published.snapshot, number) } else { Ok(None) }
    }

    /// The access record of the block at this height, if it came with one.
    pub fn access(&self, number: BlockNumber) -> Result<Option<Vec<u8>>, ReadError> {
        let key = number_key(number);
        let Some(bytes) = self.read_written(Column::Access, number, &key)? else { return Ok(None) };
        Ok(Some(decode::<Stored<Vec<u8>>>(Column::Access, &key, &bytes)?.value))
    }

    /// Reads a value that belongs to a block and never changes, if the block is one that readers may see.
    fn read_written(&self, column: Column, number: BlockNumber, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let published = self.published();
        if number > published.tip.number { Ok(None) } else { Ok(published.snapshot.get(column, key)?) }
    }

    fn look_up<T: Decode>(&self, named: Named, hash: &Hash) -> Result<Option<T>, ReadError> {
        look_up(&*self.published().snapshot, named, hash)
    }

    /// A transaction or receipt that must be there.
    fn document<T: Decode>(&self, column: Column, number: BlockNumber, index: u32) -> Result<T, ReadError> {
        let index = index as usize;
        let key = chunk_key(number, index);
        let bytes = self
            .published()
            .snapshot
            .get(column, &key)?
            .ok_or_else(|| ReadError::damaged(column, &key, format!("documents of block {number} are missing")))?;
        decode_document(column, &key, &bytes, index % crate::format::DOCUMENTS_PER_VALUE)
    }
}

pub(crate) fn look_up<T: Decode>(
    reader: &(impl Reader + ?Sized),
    named: Named,
    hash: &Hash,
) -> Result<Option<T>, ReadError> {
    let key = lookup_key(named, hash);
    let Some(bytes) = reader.get(Column::Lookup, &key)? else { return Ok(None) };
    Ok(Some(decode::<Stored<T>>(Column::Lookup, &key, &bytes)?.value))
}

pub(crate) fn read_stored(
    reader: &(impl Reader + ?Sized),
    number: BlockNumber,
) -> Result<Option<StoredBlock>, ReadError> {
    let key = number_key(number);
    match reader.get(Column::Blocks, &key)? {
        Some(bytes) => decode(Column::Blocks, &key, &bytes).map(Some),
        None => Ok(None),
    }
}

/// All documents of a block, as many as there must be.
fn read_documents<T: Decode>(
    reader: &(impl Reader + ?Sized),
    column: Column,
    number: BlockNumber,
    expected: u32,
) -> Result<Vec<T>, ReadError> {
    let prefix = number_key(number);
    let mut documents = Vec::new();
    for entry in reader.range(column, &prefix, &prefix, usize::MAX)? {
        let (key, bytes) = entry?;
        if key != chunk_key(number, documents.len()) {
            return Err(ReadError::damaged(column, &key, "the chunk before this one is missing or short"));
        }
        documents.extend(decode_documents::<T>(column, &key, &bytes)?);
    }
    if documents.len() == expected as usize {
        return Ok(documents);
    }
    let message = format!("block {number} has {} documents here, {expected} are expected", documents.len());
    Err(ReadError::damaged(column, &prefix, message))
}

pub(crate) fn read_block(reader: &(impl Reader + ?Sized), number: BlockNumber) -> Result<Option<Block>, ReadError> {
    let Some(stored) = read_stored(reader, number)? else { return Ok(None) };
    let transactions = read_documents(reader, Column::Transactions, number, stored.transactions)?;
    let StoredBlock { version: _, header, certificate, view, access, left_out, transactions: _ } = stored;
    Ok(Some(Block { version: Version, header, certificate, view, access, left_out, transactions }))
}

pub(crate) fn read_receipts(
    reader: &(impl Reader + ?Sized),
    number: BlockNumber,
) -> Result<Option<Vec<Receipt>>, ReadError> {
    let Some(stored) = read_stored(reader, number)? else { return Ok(None) };
    read_documents(reader, Column::Receipts, number, stored.transactions).map(Some)
}
