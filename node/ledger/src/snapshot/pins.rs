//! The heights whose store is kept as it was, and what is served of it.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use entente_crypto::Suite;
use entente_state::KEY_BYTES_MAX;
use entente_storage::Column;
use entente_types::{BlockNumber, SealerHistory, Version};

use super::{
    Body, ChunkError, HeaderStep, SNAPSHOT_PART_CHUNKS, SnapshotHead, SnapshotOptions, SnapshotPart, StateChunk,
};
use crate::{Ledger, ReadError, format::decode_row, ledger::Published, state::read_members};

/// The heights that are kept at once at most.
const PINS_MAX: usize = 4;
/// Of these, the ones that are kept though nobody asks for them.
const PINS_UNASKED: usize = 2;

/// Where a chunk begins, and how many rows it has.
struct ChunkPlace {
    from: Vec<u8>,
    rows: usize,
}

/// A manifest, with where its chunks lie.
struct Manifest {
    published: Arc<Published>,
    head: SnapshotHead,
    places: Vec<ChunkPlace>,
    parts: Vec<SnapshotPart>,
}

struct Pin {
    published: Arc<Published>,
    /// The tip when somebody asked for it last; 0 where nobody has.
    asked_at: AtomicU64,
    /// Made when it is asked for; whoever asks meanwhile waits.
    manifest: Mutex<Option<Arc<Manifest>>>,
}

impl Pin {
    fn height(&self) -> BlockNumber {
        self.published.tip.number
    }

    fn manifest(&self, suite: Suite, options: SnapshotOptions) -> Result<Arc<Manifest>, ReadError> {
        let mut made = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = &*made {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(make_manifest(Arc::clone(&self.published), suite, options)?);
        *made = Some(Arc::clone(&manifest));
        Ok(manifest)
    }
}

/// Those that a ledger keeps, ascending.
#[derive(Default)]
pub(crate) struct Pins(Mutex<Vec<Arc<Pin>>>);

impl Pins {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Pin>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block was written: its height is kept where it is one of those, and what nobody wants any more is let go.
    pub(crate) fn passed(&self, options: SnapshotOptions, published: &Arc<Published>) {
        let tip = published.tip.number;
        let mut pins = self.lock();
        if tip > 0 && tip.is_multiple_of(options.interval_blocks.max(1)) {
            pins.push(Arc::new(Pin {
                published: Arc::clone(published),
                asked_at: AtomicU64::new(0),
                manifest: Mutex::default(),
            }));
        }
        let unasked = pins.len().saturating_sub(PINS_UNASKED);
        let surplus = pins.len().saturating_sub(PINS_MAX);
        let mut place = 0;
        pins.retain(|pin| {
            let asked_at = pin.asked_at.load(Ordering::Relaxed);
            let wanted = asked_at > 0 && tip < asked_at.saturating_add(options.interval_blocks);
            place += 1;
            place > unasked || (place > surplus && wanted)
        });
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn find(&self, height: BlockNumber, tip: BlockNumber) -> Option<Arc<Pin>> {
        let pins = self.lock();
        let pin = pins.iter().find(|pin| pin.height() == height)?;
        pin.asked_at.store(tip.max(1), Ordering::Relaxed);
        Some(Arc::clone(pin))
    }
}

fn make_manifest(published: Arc<Published>, suite: Suite, options: SnapshotOptions) -> Result<Manifest, ReadError> {
    let (mut places, mut lanes) = (Vec::new(), Vec::new());
    let mut chunk = StateChunk::new();
    // Where the chunk begins; and its rows and their bytes.
    let (mut first, mut count, mut bytes) = (Vec::new(), 0_usize, 0_usize);
    let mut rows = published.snapshot.range(Column::State, &[], &[], usize::MAX)?;
    loop {
        let row = rows.next().transpose()?;
        let ends = row.as_ref().is_none_or(|(key, _)| options.ends_before(suite, bytes, key));
        if ends && count > 0 {
            let sum = chunk.lanes(suite);
            let sum = sum.map_err(|error: ChunkError| ReadError::damaged(Column::State, &first, error.to_string()))?;
            lanes.push(sum.to_bytes());
            places.push(ChunkPlace { from: std::mem::take(&mut first), rows: count });
            chunk.rows.clear();
            (count, bytes) = (0, 0);
        }
        let Some((key, value)) = row else { break };
        let value = decode_row(&key, &value)?;
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        chunk.push(&key, &value);
        count += 1;
        if count == 1 {
            first = key;
        }
    }
    let parts = lanes.chunks(SNAPSHOT_PART_CHUNKS);
    let parts: Vec<SnapshotPart> =
        parts.map(|lanes| SnapshotPart { version: Version, lanes: lanes.concat() }).collect();
    let head = SnapshotHead {
        version: Version,
        height: published.tip.number,
        header: published.tip.header_hash,
        total_transactions: published.tip.total_transactions,
        chunks: u32::try_from(lanes.len()).unwrap_or(u32::MAX),
        parts: parts.iter().map(|part| part.hash(suite)).collect(),
    };
    drop(rows);
    Ok(Manifest { published, head, places, parts })
}

impl Ledger {
    /// The heights whose snapshot can be had here, ascending.
    pub fn snapshots(&self) -> Vec<BlockNumber> {
        self.pins.lock().iter().map(|pin| pin.height()).collect()
    }

    fn manifest(&self, height: BlockNumber) -> Result<Option<Arc<Manifest>>, ReadError> {
        let pin = self.pins.find(height, self.tip().number);
        pin.map(|pin| pin.manifest(self.suite(), self.options.snapshots)).transpose()
    }

    /// The head of the snapshot at a height, if it is kept. The first time every row of the state is read.
    ///
    /// # Errors
    /// The rows cannot be read.
    pub fn snapshot_head(&self, height: BlockNumber) -> Result<Option<SnapshotHead>, ReadError> {
        Ok(self.manifest(height)?.map(|manifest| manifest.head.clone()))
    }

    /// A part of its manifest.
    ///
    /// # Errors
    /// The rows cannot be read.
    pub fn snapshot_part(&self, height: BlockNumber, part: u32) -> Result<Option<SnapshotPart>, ReadError> {
        let Some(manifest) = self.manifest(height)? else { return Ok(None) };
        Ok(manifest.parts.get(part as usize).cloned())
    }

    /// One of its chunks.
    ///
    /// # Errors
    /// The rows cannot be read.
    pub fn snapshot_chunk(&self, height: BlockNumber, chunk: u32) -> Result<Option<StateChunk>, ReadError> {
        let Some(manifest) = self.manifest(height)? else { return Ok(None) };
        let Some(place) = manifest.places.get(chunk as usize) else { return Ok(None) };
        let found = manifest.published.snapshot.range(Column::State, &[], &place.from, place.rows)?;
        let mut chunk = StateChunk::new();
        for entry in found {
            let (key, value) = entry?;
            chunk.push(&key, &decode_row(&key, &value)?);
        }
        Ok(Some(chunk))
    }

    /// The block at a height with its receipts, where the ledger has both.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn body(&self, number: BlockNumber) -> Result<Option<Body>, ReadError> {
        let (Some(block), Some(receipts)) = (self.block(number)?, self.receipts(number)?) else { return Ok(None) };
        Ok(Some(Body { block, receipts }))
    }

    /// Certified headers that follow one another, with the sealer sets at which they change: as many as there are.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn header_steps(&self, from: BlockNumber, count: u64) -> Result<Vec<HeaderStep>, ReadError> {
        let published = self.published();
        let last = from.saturating_add(count).min(published.tip.number.saturating_add(1));
        let mut steps = Vec::new();
        let Some(before) = from.checked_sub(1) else { return Ok(steps) };
        let Some(mut ruling) = self.header(before)?.map(|header| header.next_sealers) else { return Ok(steps) };
        for number in from..last {
            let Some(block) = self.certified_header(number)? else { break };
            let next = block.header.next_sealers;
            let sealers = if next == ruling {
                None
            } else {
                let set = read_members(&*published.snapshot, |state| {
                    SealerHistory::new(state, &self.genesis)?.ruling(number.saturating_add(1))
                })?;
                Some(set.sealers.to_vec())
            };
            ruling = next;
            steps.push(HeaderStep { block, sealers });
        }
        Ok(steps)
    }
}

const _: () = assert!(KEY_BYTES_MAX < 1 << 20, "a chunk is little longer than it should be");
