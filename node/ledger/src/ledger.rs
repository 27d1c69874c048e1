//! The ledger itself: what it shares among readers and its one writer.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use entente_crypto::{Hash, LtHash, Suite};
use entente_storage::{Engine, Snapshot};
use entente_types::{BlockNumber, Genesis, Lineage};

use crate::{LedgerOptions, Tip, cache::RowCache, snapshot::Pins};

/// The blocks, state and history of one group on an engine.
///
/// Any number of threads read while one appends. What a reader was handed stays as it is: a state never changes
/// under it, a block that was read once is there for good.
pub struct Ledger {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) genesis: Genesis,
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) options: LedgerOptions,
    pub(crate) cache: Arc<RowCache>,
    pub(crate) pins: Pins,
    published: RwLock<Arc<Published>>,
    pub(crate) writer: Mutex<Writer>,
}

/// The last block that was written whole, and the store as it was then.
pub(crate) struct Published {
    pub(crate) tip: Tip,
    /// The oldest height whose state can be read.
    pub(crate) history_floor: BlockNumber,
    /// The oldest block that is there whole; of those below only the headers are.
    pub(crate) oldest_block: BlockNumber,
    /// The transactions below it.
    pub(crate) transactions_below: u64,
    pub(crate) commitment: LtHash,
    pub(crate) snapshot: Arc<dyn Snapshot>,
}

impl Published {
    /// Whether the block at this height is there with its transactions and receipts.
    pub(crate) const fn has_whole(&self, number: BlockNumber) -> bool {
        number <= self.tip.number && (number == 0 || number >= self.oldest_block)
    }
}

/// What only the one who appends needs.
#[derive(Default)]
pub(crate) struct Writer {
    /// A write failed: what is on disk is unknown.
    pub(crate) closed: bool,
}

impl Ledger {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        genesis: Genesis,
        lineage: Lineage,
        options: LedgerOptions,
        published: Published,
    ) -> Self {
        let cache = Arc::new(RowCache::new(options.row_cache_bytes, published.tip.number));
        let (pins, published) = (Pins::default(), Arc::new(published));
        pins.passed(options.snapshots, &published);
        Self {
            engine,
            genesis,
            lineage: Arc::new(lineage),
            options,
            cache,
            pins,
            published: RwLock::new(published),
            writer: Mutex::default(),
        }
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn publish(&self, published: Published) {
        let published = Arc::new(published);
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&published);
        self.pins.passed(self.options.snapshots, &published);
    }

    pub(crate) fn suite(&self) -> Suite {
        self.genesis.suite
    }

    /// The engine below, for those who keep columns of their own in it.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// The document the group began with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The group's identity.
    pub fn genesis_hash(&self) -> Hash {
        *self.lineage.genesis()
    }

    /// What the signatures of the group's nodes cover, height by height.
    pub fn lineage(&self) -> &Arc<Lineage> {
        &self.lineage
    }

    /// The last block, in short.
    pub fn tip(&self) -> Tip {
        self.published().tip
    }

    /// The commitment to the state at the tip.
    pub fn commitment(&self) -> LtHash {
        self.published().commitment.clone()
    }

    /// The oldest block that is here whole, 1 where all are: of those below only the headers are, since this node began
    /// from a snapshot.
    pub fn oldest_block(&self) -> BlockNumber {
        self.published().oldest_block
    }

    /// The oldest height whose state can be read.
    pub fn oldest_state(&self) -> BlockNumber {
        self.published().history_floor
    }
}
