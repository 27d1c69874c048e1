//! What arrives of a snapshot, until all of it is there.
//!
//! | key | value, after the version |
//! | --- | --- |
//! | `b`, number | a block with its receipts |
//! | `c`, name | the rows of a chunk |
//! | `h`, number | a certified header |
//! | `s` | the last of these headers, and the sealer set that rules the height above it |

use std::{collections::BTreeSet, ops::RangeInclusive};

use entente_crypto::Hash;
use entente_storage::{Batch, Column, Durability, Engine, Reader, StorageError};
use entente_types::{BlockNumber, CertifiedHeader, Header, Member, Version};
use parity_scale_codec::Encode;

use super::{Body, StateChunk};
use crate::{
    Ledger, ReadError,
    format::{Stored, decode, number_key},
};

const BODY: u8 = b'b';
const CHUNK: u8 = b'c';
const HEADER: u8 = b'h';
const SEALERS: u8 = b's';
/// The keys that one batch removes.
const REMOVED_AT_ONCE: usize = 4096;

/// Something that arrived and was found to be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staging {
    /// Headers that follow those that are there, and the set that rules the height above the last.
    Headers {
        /// The headers, ascending.
        headers: Vec<CertifiedHeader>,
        /// The set.
        sealers: Vec<Member>,
    },
    /// A block with its receipts.
    Body(Box<Body>),
    /// A chunk, under its name.
    Chunk(Hash, StateChunk),
    /// Of chunks and blocks that are there no others are wanted than these.
    Only {
        /// The chunks, by name.
        chunks: BTreeSet<Hash>,
        /// The blocks.
        bodies: RangeInclusive<BlockNumber>,
    },
    /// Nothing of what is there is wanted.
    Clear,
}

/// Headers that were found right before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedHeaders {
    /// The first.
    pub first: BlockNumber,
    /// The last ones, ascending.
    pub recent: Vec<Header>,
    /// The set that rules the height above the last.
    pub sealers: Vec<Member>,
}

/// What is there already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staged {
    /// The headers, if any.
    pub headers: Option<StagedHeaders>,
    /// The blocks.
    pub bodies: BTreeSet<BlockNumber>,
    /// The chunks, by name.
    pub chunks: BTreeSet<Hash>,
}

impl Staged {
    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.headers.is_none() && self.bodies.is_empty() && self.chunks.is_empty()
    }
}

fn numbered(kind: u8, number: BlockNumber) -> Vec<u8> {
    [&[kind][..], &number_key(number)].concat()
}

fn named(name: &Hash) -> Vec<u8> {
    [&[CHUNK][..], name.as_bytes()].concat()
}

/// A staged header.
pub(super) fn staged_header(
    reader: &(impl Reader + ?Sized),
    number: BlockNumber,
) -> Result<Option<CertifiedHeader>, ReadError> {
    read(reader, &numbered(HEADER, number))
}

/// How many headers of these heights are staged.
pub(super) fn staged_headers(
    reader: &(impl Reader + ?Sized),
    first: BlockNumber,
    last: BlockNumber,
) -> Result<usize, ReadError> {
    let end = numbered(HEADER, last);
    let mut count = 0;
    for entry in reader.range(Column::Staging, &[HEADER], &numbered(HEADER, first), usize::MAX)? {
        if entry?.0 > end {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// A staged block.
pub(super) fn staged_body(reader: &(impl Reader + ?Sized), number: BlockNumber) -> Result<Option<Body>, ReadError> {
    read(reader, &numbered(BODY, number))
}

/// A staged chunk.
pub(super) fn staged_chunk(reader: &(impl Reader + ?Sized), name: &Hash) -> Result<Option<StateChunk>, ReadError> {
    read(reader, &named(name))
}

fn read<T: parity_scale_codec::Decode>(reader: &(impl Reader + ?Sized), key: &[u8]) -> Result<Option<T>, ReadError> {
    let bytes = reader.get(Column::Staging, key)?;
    bytes.map(|bytes| Ok(decode::<Stored<T>>(Column::Staging, key, &bytes)?.value)).transpose()
}

/// Removes every key of a column.
pub(super) fn clear(engine: &dyn Engine, column: Column) -> Result<(), ReadError> {
    remove(engine, column, |_| true)
}

/// Removes the keys of a column that are of no use, a bounded number at a time.
fn remove(engine: &dyn Engine, column: Column, useless: impl Fn(&[u8]) -> bool) -> Result<(), ReadError> {
    let mut from = Vec::new();
    loop {
        let keys: Vec<Vec<u8>> = engine
            .range(column, &[], &from, REMOVED_AT_ONCE)?
            .map(|entry| entry.map(|(key, _)| key))
            .collect::<Result<_, _>>()?;
        // Not from the beginning: what was removed there would be passed over again.
        let Some(last) = keys.last() else { return Ok(()) };
        from.clone_from(last);
        from.push(0);
        let mut batch = Batch::new();
        keys.iter().filter(|key| useless(key)).for_each(|key| batch.delete(column, key));
        engine.write(batch, Durability::Buffered)?;
    }
}

impl Ledger {
    /// Keeps what arrived. A header that is kept is there after a loss of power; anything else may be fetched again.
    ///
    /// # Errors
    /// The storage fails.
    pub fn stage(&self, staging: &Staging) -> Result<(), ReadError> {
        let mut batch = Batch::new();
        let mut put = |key: Vec<u8>, value: Vec<u8>| batch.put(Column::Staging, &key, &value);
        let durability = match staging {
            Staging::Headers { headers, sealers } => {
                for header in headers {
                    put(numbered(HEADER, header.header.number), Stored::new(header).encode());
                }
                let last = headers.last().map_or(0, |header| header.header.number);
                put(vec![SEALERS], Stored::new((last, sealers)).encode());
                Durability::Synced
            }
            Staging::Body(body) => {
                put(numbered(BODY, body.block.header.number), (Version::<1>, body).encode());
                Durability::Buffered
            }
            Staging::Chunk(name, chunk) => {
                put(named(name), Stored::new(chunk).encode());
                Durability::Buffered
            }
            Staging::Only { chunks, bodies } => {
                return remove(&*self.engine, Column::Staging, |key| match key.split_first() {
                    Some((&CHUNK, name)) => !name.try_into().is_ok_and(|name| chunks.contains(&Hash(name))),
                    Some((&BODY, number)) => {
                        !number.try_into().is_ok_and(|number| bodies.contains(&u64::from_be_bytes(number)))
                    }
                    _ => false,
                });
            }
            Staging::Clear => return clear(&*self.engine, Column::Staging),
        };
        Ok(self.engine.write(batch, durability)?)
    }

    /// What was kept before, with at most so many of the last headers.
    ///
    /// # Errors
    /// The storage fails. What is there and does not fit together is as good as not there.
    pub fn staged(&self, recent_max: u64) -> Result<Staged, ReadError> {
        let snapshot = self.engine.snapshot();
        let keys = |kind: u8| -> Result<Vec<Vec<u8>>, StorageError> {
            let found = snapshot.range(Column::Staging, &[kind], &[], usize::MAX)?;
            found.map(|entry| entry.map(|(key, _)| key.get(1..).unwrap_or_default().to_vec())).collect()
        };
        let number = |key: &Vec<u8>| key.as_slice().try_into().ok().map(u64::from_be_bytes);
        let bodies = keys(BODY)?.iter().filter_map(number).collect();
        let chunks = keys(CHUNK)?.iter().filter_map(|key| key.as_slice().try_into().ok().map(Hash)).collect();
        let first = snapshot.range(Column::Staging, &[HEADER], &[], 1)?.next().transpose()?;
        let first = first.and_then(|(key, _)| number(&key.get(1..).unwrap_or_default().to_vec()));
        let headers = match (first, read::<(BlockNumber, Vec<Member>)>(&*snapshot, &[SEALERS])?) {
            (Some(first), Some((last, sealers))) => {
                let from = first.max(last.saturating_add(1).saturating_sub(recent_max));
                let recent: Option<Vec<Header>> = (from..=last)
                    .map(|number| Ok(staged_header(&*snapshot, number)?.map(|staged| staged.header)))
                    .collect::<Result<_, ReadError>>()?;
                recent.map(|recent| StagedHeaders { first, recent, sealers })
            }
            _ => None,
        };
        Ok(Staged { headers, bodies, chunks })
    }
}
