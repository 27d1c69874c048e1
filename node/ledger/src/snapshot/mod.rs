//! Snapshots: the whole state at a height, for nodes that are too far behind to execute every block.
//!
//! A ledger keeps the store as it was at the last heights that are multiples of an interval, the same on every node. Its
//! rows, in their order, are cut into chunks by a fixed rule; the manifest lists each chunk's lanes, which add up to the
//! commitment of that height's header. So whoever has the header and a manifest that is believed knows of each chunk on
//! arrival whether it is the right one.
//!
//! What arrives lies in a column of its own until all of it is there; then it takes the place of what the ledger holds,
//! in steps that a restart goes on with.

mod install;
mod pins;
mod staging;

use std::fmt;

use entente_crypto::{Domain, Hash, LtHash, Suite};
use entente_state::Row;
use entente_types::{Block, BlockNumber, CertifiedHeader, Member, Receipt, Version, limits::VALIDITY_BLOCKS_MAX};
use parity_scale_codec::{Compact, Decode, Encode};
use rayon::prelude::*;

pub(crate) use install::finish_installation;
pub use install::{InstallError, InstallPlan};
pub(crate) use pins::Pins;
pub use staging::{Staged, StagedHeaders, Staging};

/// The bytes of a chunk's lanes.
const LANES_BYTES: usize = 2048;

/// The chunks that one part of a manifest lists at most.
pub const SNAPSHOT_PART_CHUNKS: usize = 512;

/// The parts that a manifest has at most: of chunks of the usual size, two TiB of rows and more.
pub const SNAPSHOT_PARTS_MAX: usize = 4096;

/// How snapshots are cut. All nodes of a group need the same, or none agrees with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// There is one at every multiple of so many blocks.
    pub interval_blocks: u64,
    /// The keys and values of a chunk come to so many bytes at least, but for the last one's.
    pub chunk_bytes_min: usize,
    /// It ends with the row by which they come to so many.
    pub chunk_bytes_max: usize,
    /// In between it ends before one in so many rows, by a hash of the row's key: a row that is added or removed changes
    /// its own chunk, and those after it stay as they are.
    pub rows_to_cut: u32,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self { interval_blocks: 1_000, chunk_bytes_min: 1 << 20, chunk_bytes_max: 4 << 20, rows_to_cut: 4_096 }
    }
}

impl SnapshotOptions {
    /// Whether a chunk of so many bytes ends before this row.
    fn ends_before(&self, suite: Suite, bytes: usize, key: &[u8]) -> bool {
        if bytes < self.chunk_bytes_min {
            return false;
        }
        let hash = suite.hash_of(Domain::SNAPSHOT_CUT, &key);
        let number = hash.as_bytes().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        bytes >= self.chunk_bytes_max || number < u32::MAX / self.rows_to_cut.max(1)
    }
}

/// What a snapshot is, in short: equal on every node that has it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotHead {
    /// The format's version.
    pub version: Version<1>,
    /// The height whose state it is.
    pub height: BlockNumber,
    /// The hash of that height's header.
    pub header: Hash,
    /// The transactions of all blocks up to that height.
    pub total_transactions: u64,
    /// How many chunks there are.
    pub chunks: u32,
    /// The hash of each part of the manifest.
    pub parts: Vec<Hash>,
}

impl SnapshotHead {
    /// Whether it can be what it says: as many parts as its chunks need.
    pub fn is_well_formed(&self) -> bool {
        let parts = (self.chunks as usize).div_ceil(SNAPSHOT_PART_CHUNKS);
        self.height > 0 && self.parts.len() == parts && parts <= SNAPSHOT_PARTS_MAX
    }

    /// What stands for it where two are compared.
    pub fn hash(&self, suite: Suite) -> Hash {
        suite.hash_of(Domain::SNAPSHOT, self)
    }

    /// The first block whose transactions come with it: those that could come again are among them.
    pub fn oldest_block(&self) -> BlockNumber {
        Self::oldest_of(self.height)
    }

    /// The same of any snapshot of this height.
    pub fn oldest_of(height: BlockNumber) -> BlockNumber {
        height.saturating_sub(VALIDITY_BLOCKS_MAX - 1).max(1)
    }
}

/// A part of a manifest: the lanes of [`SNAPSHOT_PART_CHUNKS`] chunks, or of the last ones.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotPart {
    /// The format's version.
    pub version: Version<1>,
    /// The lanes of the chunks, little-endian, one behind the other.
    pub lanes: Vec<u8>,
}

impl SnapshotPart {
    /// The lanes of each chunk.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.lanes.chunks(LANES_BYTES)
    }

    /// Whether it is as long as the lanes of so many chunks.
    pub fn has(&self, chunks: usize) -> bool {
        self.lanes.len() == chunks * LANES_BYTES
    }

    /// What the head names it by.
    pub fn hash(&self, suite: Suite) -> Hash {
        suite.hash_of(Domain::SNAPSHOT_PART, self)
    }
}

/// What names a chunk: the hash of its lanes. Chunks with the same rows have the same name, at whatever height.
pub fn chunk_name(suite: Suite, lanes: &[u8]) -> Hash {
    suite.hash_of(Domain::SNAPSHOT_CHUNK, &lanes)
}

/// Rows that follow one another. They stay as they are on the wire, so that a short message is not much to hold.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StateChunk {
    /// The format's version.
    pub version: Version<1>,
    /// The SCALE encodings of each row's key and value, as bytes, one behind the other.
    pub rows: Vec<u8>,
}

/// Rows that no state has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rows of a chunk are not in order, or are no rows")]
pub struct ChunkError;

/// The rows that are added up at once, and by one task.
const ROWS_AT_ONCE: usize = 1 << 14;
const ROWS_PER_TASK: usize = 256;

/// The rows of a chunk.
struct Rows<'a>(&'a [u8]);

impl<'a> Rows<'a> {
    fn bytes(&mut self) -> Result<&'a [u8], ChunkError> {
        let length = Compact::<u32>::decode(&mut self.0).map_err(|_| ChunkError)?.0 as usize;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(ChunkError)?;
        self.0 = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ChunkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let row = self.bytes().and_then(|key| Ok((key, self.bytes()?)));
        if row.is_err() {
            self.0 = &[];
        }
        Some(row)
    }
}

impl StateChunk {
    /// A chunk without rows.
    pub const fn new() -> Self {
        Self { version: Version, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        key.encode_to(&mut self.rows);
        value.encode_to(&mut self.rows);
    }

    /// The keys and values of its rows, in their order; ends with the first error.
    pub fn iter(&self) -> impl Iterator<Item = Result<(&[u8], &[u8]), ChunkError>> {
        Rows(&self.rows)
    }

    /// What its rows come to.
    ///
    /// # Errors
    /// Rows out of order, or what is no row.
    pub fn lanes(&self, suite: Suite) -> Result<LtHash, ChunkError> {
        let sum = |rows: &[(&[u8], &[u8])]| {
            let mut lanes = LtHash::default();
            for (key, value) in rows {
                Row::from_bytes(key).map_err(|_| ChunkError)?.commit_to(suite, value, &mut lanes);
            }
            Ok(lanes)
        };
        let mut lanes = LtHash::default();
        let mut rows = self.iter();
        let mut last: &[u8] = &[];
        loop {
            let taken: Vec<(&[u8], &[u8])> = rows.by_ref().take(ROWS_AT_ONCE).collect::<Result<_, _>>()?;
            for (key, _) in &taken {
                if *key <= last {
                    return Err(ChunkError);
                }
                last = key;
            }
            if taken.is_empty() {
                return Ok(lanes);
            }
            let parts: Result<Vec<LtHash>, ChunkError> = taken.par_chunks(ROWS_PER_TASK).map(sum).collect();
            parts?.iter().for_each(|part| lanes.combine(part));
        }
    }
}

impl Default for StateChunk {
    fn default() -> Self {
        Self::new()
    }
}

/// A block with its receipts.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Body {
    /// The block.
    pub block: Block,
    /// The receipts of its transactions.
    pub receipts: Vec<Receipt>,
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, receipts } = self;
        write!(formatter, "Body({}, {} receipts)", block.header.number, receipts.len())
    }
}

/// A certified header on the way from one to the next, with the sealer set where it changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HeaderStep {
    /// The header.
    pub block: CertifiedHeader,
    /// The set that rules the next height, where that is not the one that rules this one.
    pub sealers: Option<Vec<Member>>,
}
