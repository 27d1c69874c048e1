//! What consensus remembers over a crash, in its column of the store.
//!
//! | key | value |
//! | --- | --- |
//! | `0` | [`ViewRecord`] |
//! | `1`, height | [`HeightRecord`] |
//! | `2`, height, digest | the proposal with its transactions |
//! | `3` | [`LossRecord`] |
//!
//! Heights are big-endian. What is at or below the ledger's tip is removed with the next write.

use std::{collections::BTreeSet, sync::Arc};

use entente_consensus::{HeightRecord, LossRecord, Recovered, ViewRecord};
use entente_ledger::Ledger;
use entente_storage::{Batch, Column, Durability, Engine, StorageError};
use entente_types::{BlockNumber, Hash, Proposal, Transaction, Version};
use parity_scale_codec::{Decode, DecodeAll, Encode};

const VIEW: u8 = 0;
const HEIGHT: u8 = 1;
const PROPOSAL: u8 = 2;
const LOSS: u8 = 3;
/// How many keys one read brings.
const PAGE: usize = 256;

/// A proposal with all its transactions, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StoredProposal {
    pub(crate) version: Version<1>,
    pub(crate) proposal: Arc<Proposal>,
    pub(crate) transactions: Vec<Arc<Transaction>>,
}

/// Why what consensus remembers could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RememberedError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A record does not decode.
    #[error(
        "what consensus remembers is damaged at key {key}: this node cannot know what it promised; fetch the chain from \
         its peers with: entente node fetch"
    )]
    Damaged {
        /// The key, in hexadecimal digits.
        key: String,
    },
}

/// What was found.
pub(crate) struct Found {
    pub(crate) recovered: Recovered,
    pub(crate) proposals: Vec<StoredProposal>,
    pub(crate) keys: Keys,
}

/// The keys of heights that are on disk, for removing them.
#[derive(Debug, Default)]
pub(crate) struct Keys(BTreeSet<(BlockNumber, Vec<u8>)>);

impl Keys {
    fn put(&mut self, batch: &mut Batch, height: BlockNumber, key: Vec<u8>, value: &[u8]) {
        batch.put(Column::Consensus, &key, value);
        self.0.insert((height, key));
    }

    pub(crate) fn height(&mut self, batch: &mut Batch, height: BlockNumber, record: &HeightRecord) {
        self.put(batch, height, height_key(height), &record.encode());
    }

    /// Whether a proposal is on disk, or on its way there: this node voted for it.
    pub(crate) fn has_proposal(&self, height: BlockNumber, digest: &Hash) -> bool {
        self.0.contains(&(height, proposal_key(height, digest)))
    }

    pub(crate) fn proposal(&mut self, batch: &mut Batch, digest: &Hash, stored: &StoredProposal) {
        let height = stored.proposal.number;
        let key = proposal_key(height, digest);
        // The same proposal has the same bytes.
        if !self.0.contains(&(height, key.clone())) {
            self.put(batch, height, key, &stored.encode());
        }
    }

    /// Removes what is needed no more.
    pub(crate) fn forget_through(&mut self, batch: &mut Batch, height: BlockNumber) {
        let kept = self.0.split_off(&(height.saturating_add(1), Vec::new()));
        for (_, key) in std::mem::replace(&mut self.0, kept) {
            batch.delete(Column::Consensus, &key);
        }
    }
}

/// Whether a key is that of the record of a loss.
pub(crate) fn is_loss(key: &[u8]) -> bool {
    key == [LOSS]
}

fn proposal_key(height: BlockNumber, digest: &Hash) -> Vec<u8> {
    let mut key = vec![PROPOSAL];
    key.extend_from_slice(&height.to_be_bytes());
    key.extend_from_slice(digest.as_ref());
    key
}

fn height_key(height: BlockNumber) -> Vec<u8> {
    let mut key = vec![HEIGHT];
    key.extend_from_slice(&height.to_be_bytes());
    key
}

pub(crate) fn put_view(batch: &mut Batch, record: &ViewRecord) {
    batch.put(Column::Consensus, &[VIEW], &record.encode());
}

pub(crate) fn put_loss(batch: &mut Batch, record: &LossRecord) {
    batch.put(Column::Consensus, &[LOSS], &record.encode());
}

/// Where a store holds no ledger yet, notes in it that what this node promised is lost. To be called where a group's
/// ledger is about to be begun in the store of a node that has been in it before; the node then follows the group's
/// blocks and does not vote until that is safe. Whether it was noted.
///
/// # Errors
/// The store fails.
pub fn note_loss(engine: &dyn Engine) -> Result<bool, StorageError> {
    if Ledger::is_begun(engine)? {
        return Ok(false);
    }
    let mut batch = Batch::new();
    put_loss(&mut batch, &LossRecord { version: Version, through: None });
    engine.write(batch, Durability::Synced)?;
    Ok(true)
}

/// What an engine of this ledger's group has to take up again.
///
/// # Errors
/// It cannot be read.
pub fn recovered(ledger: &Ledger) -> Result<Recovered, RememberedError> {
    Ok(read(ledger)?.recovered)
}

/// Reads everything.
pub(crate) fn read(ledger: &Ledger) -> Result<Found, RememberedError> {
    let mut found = Found { recovered: Recovered::default(), proposals: Vec::new(), keys: Keys::default() };
    let engine = ledger.engine();
    let mut from = Vec::new();
    loop {
        let page: Vec<(Vec<u8>, Vec<u8>)> =
            engine.range(Column::Consensus, &[], &from, PAGE)?.collect::<Result<_, StorageError>>()?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        from.clone_from(last);
        from.push(0);
        for (key, value) in page {
            let damaged = || RememberedError::Damaged { key: hex::encode(&key) };
            take_up(&mut found, &key, &value).ok_or_else(damaged)?;
        }
    }
}

fn take_up(found: &mut Found, key: &[u8], mut value: &[u8]) -> Option<()> {
    let (kind, rest) = key.split_first()?;
    if *kind == VIEW {
        found.recovered.view = Some(ViewRecord::decode_all(&mut value).ok()?);
        return Some(());
    }
    if *kind == LOSS {
        found.recovered.loss = Some(LossRecord::decode_all(&mut value).ok()?);
        return Some(());
    }
    let height = BlockNumber::from_be_bytes(*rest.first_chunk::<8>()?);
    match *kind {
        HEIGHT => found.recovered.heights.push((height, HeightRecord::decode_all(&mut value).ok()?)),
        PROPOSAL => found.proposals.push(StoredProposal::decode_all(&mut value).ok()?),
        _ => return None,
    }
    found.keys.0.insert((height, key.to_vec()));
    Some(())
}

/// Writes what must be on disk before what relies on it leaves.
#[derive(Debug)]
pub struct PersistTask {
    pub(crate) ticket: u64,
    pub(crate) batch: Batch,
}

impl PersistTask {
    /// Names the request.
    pub const fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Writes and syncs. The answer is [`Event::Persisted`](crate::Event::Persisted); tasks are run in their order.
    pub fn run(self, ledger: &Ledger) -> Result<(), StorageError> {
        ledger.engine().write(self.batch, Durability::Synced)
    }
}
