//! The keys and values on disk. Every value begins with its version; numbers in keys are big-endian.
//!
//! | column | key | value, after the version |
//! | --- | --- | --- |
//! | meta | `format` | nothing |
//! | meta | `genesis` | the genesis document |
//! | meta | `tip` | [`StoredTip`] |
//! | meta | `commitment` | the lanes |
//! | meta | `history` | the oldest height whose state can be read |
//! | meta | `recoveries` | the recoveries of the group with their signatures, where there were any |
//! | meta | `installing` | the snapshot that is being put in, where one is |
//! | meta | `oldest` | the oldest block that is there whole, and how many transactions are below it, where any are |
//! | meta | `signed` | the recovery that this node signed and has not taken in, where there is one |
//! | blocks | number | [`StoredBlock`] |
//! | transactions, receipts | number, chunk as u32 | each document's encoding as bytes, [`DOCUMENTS_PER_VALUE`] of them |
//! | lookup | `t`, transaction hash | number, index as u32 |
//! | lookup | `b`, header hash | number |
//! | lookup | `e`, Ethereum hash | number |
//! | state | row | its value |
//! | history | 0, length of the row as u16, row, height | what the row held before that height, if it was there |
//! | history | 1, height | the rows that the height overwrote |
//! | replay | number | sender, nonce and end of validity of each native transaction |
//! | access | number | the block's access record |

use entente_crypto::Hash;
use entente_state::Row;
use entente_storage::{Batch, Column};
use entente_types::{BlockNumber, Certificate, Header, LeftOut, Version};
use parity_scale_codec::{Compact, Decode, DecodeAll, Encode};

use crate::{ReadError, Tip};

/// The format of the store as a whole.
pub(crate) const STORE_FORMAT: u8 = 1;
/// The transactions or receipts in one value. Writing costs about the same with 1 as with 128 (the example
/// `append_cost` measures it: other rows of the batch dominate); a chunk needs fewer keys and filter bits on disk, and a
/// small one is decoded in microseconds when one document of it is read.
pub(crate) const DOCUMENTS_PER_VALUE: usize = 32;

pub(crate) const META_FORMAT: &[u8] = b"format";
pub(crate) const META_GENESIS: &[u8] = b"genesis";
pub(crate) const META_SIGNED: &[u8] = b"signed";
pub(crate) const META_TIP: &[u8] = b"tip";
pub(crate) const META_COMMITMENT: &[u8] = b"commitment";
pub(crate) const META_HISTORY: &[u8] = b"history";
pub(crate) const META_INSTALLING: &[u8] = b"installing";
pub(crate) const META_OLDEST: &[u8] = b"oldest";
pub(crate) const META_RECOVERIES: &[u8] = b"recoveries";

/// Which kind of hash a key of the lookup column begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Transaction,
    Block,
    EthereumBlock,
}

#[derive(Debug, Encode, Decode)]
pub(crate) struct StoredTip {
    version: Version<1>,
    number: BlockNumber,
    header_hash: Hash,
    proposal: Hash,
    total_transactions: u64,
}

impl From<Tip> for StoredTip {
    fn from(tip: Tip) -> Self {
        let Tip { number, header_hash, proposal, total_transactions } = tip;
        Self { version: Version, number, header_hash, proposal, total_transactions }
    }
}

impl From<StoredTip> for Tip {
    fn from(stored: StoredTip) -> Self {
        let StoredTip { version: _, number, header_hash, proposal, total_transactions } = stored;
        Self { number, header_hash, proposal, total_transactions }
    }
}

/// A block without its transactions.
#[derive(Debug, Encode, Decode)]
pub(crate) struct StoredBlock {
    pub(crate) version: Version<1>,
    pub(crate) header: Header,
    pub(crate) certificate: Certificate,
    pub(crate) view: u64,
    pub(crate) access: Option<Hash>,
    pub(crate) left_out: Vec<LeftOut>,
    /// How many transactions it has.
    pub(crate) transactions: u32,
}

/// A value that is nothing but a version and one thing.
#[derive(Debug, Encode, Decode)]
pub(crate) struct Stored<T> {
    version: Version<1>,
    pub(crate) value: T,
}

impl<T> Stored<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { version: Version, value }
    }
}

/// Decodes a whole value.
pub(crate) fn decode<T: Decode>(column: Column, key: &[u8], mut bytes: &[u8]) -> Result<T, ReadError> {
    T::decode_all(&mut bytes).map_err(|error| {
        let length = bytes.len();
        ReadError::damaged(column, key, format!("the value does not decode ({error}; {length} bytes left)"))
    })
}

/// The header of a stored block, without decoding the rest.
pub(crate) fn decode_header(key: &[u8], mut bytes: &[u8]) -> Result<Header, ReadError> {
    let decoded = Stored::<Header>::decode(&mut bytes);
    let decoded = decoded.map_err(|error| {
        ReadError::damaged(Column::Blocks, key, format!("the value does not begin with a header ({error})"))
    });
    Ok(decoded?.value)
}

pub(crate) fn number_key(number: BlockNumber) -> [u8; 8] {
    number.to_be_bytes()
}

/// The key of the chunk that holds the document at this index.
pub(crate) fn chunk_key(number: BlockNumber, index: usize) -> [u8; 12] {
    let chunk = u32::try_from(index / DOCUMENTS_PER_VALUE).unwrap_or(u32::MAX);
    let mut key = [0; 12];
    for (target, byte) in key.iter_mut().zip(number.to_be_bytes().into_iter().chain(chunk.to_be_bytes())) {
        *target = byte;
    }
    key
}

pub(crate) fn lookup_key(named: Named, hash: &Hash) -> [u8; 33] {
    let kind = match named {
        Named::Transaction => b't',
        Named::Block => b'b',
        Named::EthereumBlock => b'e',
    };
    let mut key = [kind; 33];
    for (target, byte) in key.iter_mut().skip(1).zip(hash.as_bytes()) {
        *target = *byte;
    }
    key
}

/// The part of a history key that all heights of a row share. Since the length comes first, no other row's keys lie
/// between two heights of one row: one seek finds the first height at or above another.
pub(crate) fn history_prefix(row: &[u8], key: &mut Vec<u8>) {
    key.push(0);
    // Keys of rows are bounded far below when a block is taken.
    key.extend_from_slice(&u16::try_from(row.len()).unwrap_or(u16::MAX).to_be_bytes());
    key.extend_from_slice(row);
}

pub(crate) fn history_key(row: &[u8], height: BlockNumber) -> Vec<u8> {
    let mut key = Vec::with_capacity(row.len() + 11);
    history_prefix(row, &mut key);
    key.extend_from_slice(&height.to_be_bytes());
    key
}

pub(crate) fn history_list_key(height: BlockNumber) -> [u8; 9] {
    let mut key = [1; 9];
    for (target, byte) in key.iter_mut().skip(1).zip(height.to_be_bytes()) {
        *target = byte;
    }
    key
}

/// Writes documents chunk by chunk. Each is encoded behind its length, so that one can be found without decoding
/// those before it.
pub(crate) fn put_documents<T: Encode>(batch: &mut Batch, column: Column, number: BlockNumber, documents: &[T]) {
    let mut scratch = Vec::new();
    for (chunk, documents) in documents.chunks(DOCUMENTS_PER_VALUE).enumerate() {
        let key = chunk_key(number, chunk * DOCUMENTS_PER_VALUE);
        batch.put_with(
            column,
            |bytes| bytes.extend_from_slice(&key),
            |bytes| {
                Version::<1>.encode_to(bytes);
                Compact(documents.len() as u32).encode_to(bytes);
                for document in documents {
                    scratch.clear();
                    document.encode_to(&mut scratch);
                    scratch.encode_to(bytes);
                }
            },
        );
    }
}

/// The documents of one chunk.
pub(crate) fn decode_documents<T: Decode>(column: Column, key: &[u8], bytes: &[u8]) -> Result<Vec<T>, ReadError> {
    let chunk = decode::<Stored<Vec<Vec<u8>>>>(column, key, bytes)?;
    chunk.value.iter().map(|document| decode(column, key, document)).collect()
}

/// The document at this place of a chunk.
pub(crate) fn decode_document<T: Decode>(
    column: Column,
    key: &[u8],
    bytes: &[u8],
    place: usize,
) -> Result<T, ReadError> {
    let damaged = || ReadError::damaged(column, key, format!("the chunk has no document {place}"));
    let mut rest = bytes;
    let count = Stored::<Compact<u32>>::decode(&mut rest).map_err(|_| damaged())?.value.0;
    if place >= count as usize {
        return Err(damaged());
    }
    for _ in 0..place {
        let length = Compact::<u32>::decode(&mut rest).map_err(|_| damaged())?.0 as usize;
        rest = rest.get(length..).ok_or_else(damaged)?;
    }
    let length = Compact::<u32>::decode(&mut rest).map_err(|_| damaged())?.0 as usize;
    decode(column, key, rest.get(..length).ok_or_else(damaged)?)
}

/// Sets or removes a row of the state.
pub(crate) fn put_row(batch: &mut Batch, row: &Row, value: Option<&[u8]>) {
    match value {
        Some(value) => batch.put_with(
            Column::State,
            |bytes| bytes.extend_from_slice(row.as_bytes()),
            |bytes| {
                Version::<1>.encode_to(bytes);
                value.encode_to(bytes);
            },
        ),
        None => batch.delete(Column::State, row.as_bytes()),
    }
}

/// The value of a row of the state.
pub(crate) fn decode_row(row: &[u8], bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
    Ok(decode::<Stored<Vec<u8>>>(Column::State, row, bytes)?.value)
}
