//! A snapshot takes the place of what the ledger holds.
//!
//! It takes many batches. What they come from stays until the last of them is on disk, and a note says that they are
//! under way: whoever opens the ledger goes on from the beginning, to the same end.

use std::{collections::BTreeSet, sync::PoisonError};

use entente_crypto::{Hash, LtHash, Suite};
use entente_state::Row;
use entente_storage::{Batch, Column, Durability, Engine, StorageError};
use entente_types::{BlockNumber, CertifiedHeader, Header, Version};
use parity_scale_codec::{Decode, Encode};

use super::{
    Body, SnapshotHead, Staging,
    staging::{clear, staged_body, staged_chunk, staged_header, staged_headers},
};
use crate::{
    Ledger, OpenError, ReadError, Tip,
    append::{BlockParts, put_block, put_tip},
    format::{META_INSTALLING, META_OLDEST, Stored, StoredBlock, decode, put_row},
    open::read_published,
    read::read_stored,
    replay::put_replay,
};

/// The bytes of one batch, about.
const BATCH_BYTES: usize = 4 << 20;

/// What is put together, and from what.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct InstallPlan {
    /// The snapshot.
    pub head: SnapshotHead,
    /// The names of its chunks, in their order.
    pub chunks: Vec<Hash>,
    /// What all of them come to: the commitment's lanes.
    pub lanes: Vec<u8>,
}

/// Why a snapshot does not take the place of what is there.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// An earlier write failed.
    #[error("an earlier write failed, so that what is on disk is unknown: start the node again")]
    Closed,
    /// The ledger has come as far by itself.
    #[error("the snapshot at block {height} is not put in: the ledger is at block {tip}")]
    Overtaken {
        /// Its height.
        height: BlockNumber,
        /// The ledger's.
        tip: BlockNumber,
    },
    /// Something of it is not here.
    #[error("the snapshot at block {height} cannot be put in: {what} is missing")]
    Missing {
        /// Its height.
        height: BlockNumber,
        /// What is.
        what: String,
    },
    /// It is not what its header says.
    #[error("the snapshot at block {height} comes to {found}, but its header says {expected}")]
    Root {
        /// Its height.
        height: BlockNumber,
        /// What it comes to.
        found: Hash,
        /// What it should.
        expected: Hash,
    },
    /// The storage fails, or holds what it should not.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl InstallError {
    /// Whether the ledger is as it was, so that whoever wanted the snapshot can go on without it.
    pub const fn changed_nothing(&self) -> bool {
        matches!(self, Self::Overtaken { .. } | Self::Missing { .. } | Self::Root { .. })
    }
}

impl From<ReadError> for InstallError {
    fn from(error: ReadError) -> Self {
        Self::Open(error.into())
    }
}

impl From<StorageError> for InstallError {
    fn from(error: StorageError) -> Self {
        ReadError::from(error).into()
    }
}

impl Ledger {
    /// Puts a snapshot, all of which is staged, in the place of the blocks and the state that are here. Headers below
    /// stay; of blocks below [`SnapshotHead::oldest_block`] nothing else does. Nobody may append meanwhile; readers that
    /// hold a state keep it.
    ///
    /// # Errors
    /// Something is missing or wrong, and nothing was changed, but that nothing is staged any more; or the storage fails, and [`Ledger::open`] goes on where
    /// this stopped.
    pub fn install(&self, plan: &InstallPlan) -> Result<(), InstallError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.closed {
            return Err(InstallError::Closed);
        }
        let checked = self.stage_own(&plan.head).and_then(|()| self.check_plan(plan));
        if let Err(error) = checked {
            if error.changed_nothing() {
                clear(&*self.engine, Column::Staging)?;
            }
            return Err(error);
        }
        let installed = self.put_in(plan);
        writer.closed = installed.is_err();
        installed
    }

    /// Blocks that come with the snapshot and are here already are not fetched.
    fn stage_own(&self, head: &SnapshotHead) -> Result<(), InstallError> {
        let staged = self.staged(0)?.bodies;
        let own = head.oldest_block()..=self.tip().number.min(head.height);
        for number in own.filter(|number| !staged.contains(number)) {
            if let Some(body) = self.body(number)? {
                self.stage(&Staging::Body(Box::new(body)))?;
            }
        }
        Ok(())
    }

    fn put_in(&self, plan: &InstallPlan) -> Result<(), InstallError> {
        let mut batch = Batch::new();
        batch.put(Column::Meta, META_INSTALLING, &Stored::new(plan).encode());
        self.engine.write(batch, Durability::Synced)?;
        finish_installation(&*self.engine, self.suite())?;
        self.pins.clear();
        self.cache.clear(plan.head.height);
        self.publish(read_published(self.engine.snapshot(), &self.genesis)?);
        Ok(())
    }

    /// All of it is there, and is what the header says.
    fn check_plan(&self, plan: &InstallPlan) -> Result<(), InstallError> {
        let (head, suite) = (&plan.head, self.suite());
        let (height, tip) = (head.height, self.tip().number);
        if height <= tip {
            return Err(InstallError::Overtaken { height, tip });
        }
        let missing = |what: String| InstallError::Missing { height, what };
        let header = staged_header(&*self.engine, height)?.ok_or_else(|| missing("its header".into()))?.header;
        let lanes = LtHash::from_bytes(&plan.lanes).map_err(|error| missing(error.to_string()))?;
        let (found, expected) = (lanes.root(suite), header.state_root);
        if found != expected || header.hash(suite) != head.header {
            return Err(InstallError::Root { height, found, expected });
        }
        let staged = self.staged(0)?;
        let first = tip.saturating_add(1);
        let there = staged_headers(&*self.engine, first, height)?;
        if there != (first..=height).count() {
            return Err(missing(format!("a header between {first} and {height}")));
        }
        let chunks: BTreeSet<Hash> = plan.chunks.iter().copied().collect();
        if let Some(chunk) = chunks.difference(&staged.chunks).next() {
            return Err(missing(format!("chunk {chunk}")));
        }
        match (head.oldest_block()..=height).find(|number| !staged.bodies.contains(number)) {
            Some(number) => Err(missing(format!("block {number}"))),
            None => Ok(()),
        }
    }
}

/// Writes in batches of a bounded size.
struct Writing<'a> {
    engine: &'a dyn Engine,
    batch: Batch,
}

impl Writing<'_> {
    fn room(&mut self) -> Result<&mut Batch, StorageError> {
        if self.batch.size() >= BATCH_BYTES {
            self.engine.write(std::mem::take(&mut self.batch), Durability::Buffered)?;
        }
        Ok(&mut self.batch)
    }
}

/// Goes on with what [`Ledger::install`] began, where it did.
pub(crate) fn finish_installation(engine: &dyn Engine, suite: Suite) -> Result<(), ReadError> {
    let Some(bytes) = engine.get(Column::Meta, META_INSTALLING)? else { return Ok(()) };
    let plan: InstallPlan = decode::<Stored<InstallPlan>>(Column::Meta, META_INSTALLING, &bytes)?.value;
    let damaged = |message: String| ReadError::damaged(Column::Meta, META_INSTALLING, message);
    for column in [
        Column::State,
        Column::History,
        Column::Replay,
        Column::Access,
        Column::Transactions,
        Column::Receipts,
        Column::Lookup,
    ] {
        clear(engine, column)?;
    }
    let mut writing = Writing { engine, batch: Batch::new() };
    let head = &plan.head;
    let oldest = head.oldest_block();
    for number in 0..oldest {
        let header = header_at(engine, number)?.ok_or_else(|| damaged(format!("header {number} is missing")))?;
        put_header(writing.room()?, suite, header);
    }
    let mut tip = Header::clone(&header_at(engine, head.height)?.ok_or_else(|| damaged("no header".into()))?.header);
    let mut transactions = 0_u64;
    for number in oldest..=head.height {
        let missing = || damaged(format!("block {number} is missing"));
        let mut body = staged_body(engine, number)?.ok_or_else(missing)?;
        // Who signed it was verified with the header.
        body.block.certificate = header_at(engine, number)?.ok_or_else(missing)?.certificate;
        transactions = transactions.saturating_add(body.block.transactions.len() as u64);
        put_body(writing.room()?, suite, &body);
        tip = body.block.header;
    }
    for name in &plan.chunks {
        let chunk = staged_chunk(engine, name)?.ok_or_else(|| damaged(format!("chunk {name} is missing")))?;
        for row in chunk.iter() {
            let (key, value) = row.map_err(|error| damaged(error.to_string()))?;
            let row = Row::from_bytes(key).map_err(|error| damaged(error.to_string()))?;
            put_row(writing.room()?, &row, Some(value));
        }
    }
    let lanes = LtHash::from_bytes(&plan.lanes).map_err(|error| damaged(error.to_string()))?;
    let before = head.total_transactions.saturating_sub(transactions);
    let tip = Tip {
        number: tip.number,
        header_hash: tip.hash(suite),
        proposal: tip.proposal,
        total_transactions: head.total_transactions,
    };
    let mut batch = writing.batch;
    put_tip(&mut batch, tip, tip.number, &lanes);
    batch.put(Column::Meta, META_OLDEST, &Stored::new((oldest, before)).encode());
    batch.delete(Column::Meta, META_INSTALLING);
    engine.write(batch, Durability::Synced)?;
    clear(engine, Column::Staging)
}

/// A header that was staged, or one that was there before.
fn header_at(engine: &dyn Engine, number: BlockNumber) -> Result<Option<CertifiedHeader>, ReadError> {
    if let Some(staged) = staged_header(engine, number)? {
        return Ok(Some(staged));
    }
    let stored = read_stored(engine, number)?;
    Ok(stored.map(|StoredBlock { header, certificate, .. }| CertifiedHeader { header, certificate }))
}

/// A block of which only the header is kept.
fn put_header(batch: &mut Batch, suite: Suite, header: CertifiedHeader) {
    let CertifiedHeader { header, certificate } = header;
    let hash = header.hash(suite);
    let block = entente_types::Block {
        version: Version,
        header,
        certificate,
        view: 0,
        access: None,
        left_out: Vec::new(),
        transactions: Vec::new(),
    };
    put_block(batch, &BlockParts { block: &block, header_hash: &hash, hashes: &[], receipts: &[] });
}

fn put_body(batch: &mut Batch, suite: Suite, body: &Body) {
    let Body { block, receipts } = body;
    let hashes: Vec<Hash> = block.transactions.iter().map(|transaction| transaction.hash(suite)).collect();
    let hash = block.header.hash(suite);
    put_block(batch, &BlockParts { block, header_hash: &hash, hashes: &hashes, receipts });
    put_replay(batch, block);
}
