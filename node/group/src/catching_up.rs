//! Blocks from peers, kept until their turn.

use std::{collections::BTreeMap, sync::Arc};

use entente_consensus::Certified;
use entente_pool::Pool;
use entente_sync::{Sync, SyncOptions};
use entente_types::{Block, BlockNumber, Hash, Header, PublicKey, Suite, Transaction};

use crate::{Effect, Looked, Message, headers::HeaderChain};

/// A block that came, and the peer it is from.
pub(crate) struct Fetched {
    pub(crate) block: Arc<Block>,
    pub(crate) transactions: Vec<Arc<Transaction>>,
    looked: Vec<Looked>,
    peer: PublicKey,
    fed: bool,
}

/// What is handed to consensus of it.
pub(crate) struct Feed {
    pub(crate) block: Arc<Block>,
    pub(crate) transactions: Vec<Arc<Transaction>>,
}

impl Feed {
    pub(crate) fn certified(&self, suite: Suite) -> Certified {
        let header = &self.block.header;
        Certified { height: header.number, header: header.hash(suite), certificate: self.block.certificate.clone() }
    }
}

pub(crate) struct CatchingUp {
    sync: Sync,
    blocks: BTreeMap<BlockNumber, Fetched>,
}

impl CatchingUp {
    pub(crate) const fn new(options: SyncOptions, tip: BlockNumber) -> Self {
        Self { sync: Sync::new(options, tip, 0), blocks: BTreeMap::new() }
    }

    pub(crate) fn best(&self) -> BlockNumber {
        self.sync.best()
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = (PublicKey, BlockNumber)> {
        self.sync.peers()
    }

    pub(crate) fn headers_are_known(&mut self, through: BlockNumber) {
        self.sync.headers_are_known(through);
    }

    /// Whether headers come before blocks.
    pub(crate) fn is_far(&self) -> bool {
        self.sync.is_far()
    }

    pub(crate) fn wants_snapshot(&mut self, now: u64, best: BlockNumber) -> bool {
        self.sync.wants_snapshot(now, best)
    }

    pub(crate) fn peer_is_at(&mut self, peer: PublicKey, height: BlockNumber) {
        self.sync.peer_is_at(peer, height);
    }

    pub(crate) fn tip_is(&mut self, now: u64, tip: BlockNumber) {
        self.sync.tip_is(now, tip);
        self.blocks = self.blocks.split_off(&(tip + 1));
        // Who rules the next ones may be known only now.
        self.blocks.values_mut().for_each(|fetched| fetched.fed = false);
    }

    /// Blocks came from a peer. `looked` has the transactions of all of them. One that is not that of its header, where the
    /// header is known, is dropped at once.
    pub(crate) fn take_in(
        &mut self,
        now: u64,
        (peer, suite): (PublicKey, Suite),
        blocks: Vec<Arc<Block>>,
        looked: Vec<Looked>,
        headers: &HeaderChain,
    ) {
        let mut looked = looked.into_iter();
        let mut numbers = Vec::new();
        let mut wrong = Vec::new();
        for block in blocks {
            let number = block.header.number;
            let looked: Vec<Looked> = looked.by_ref().take(block.transactions.len()).collect();
            numbers.push(number);
            let known = headers.get(number).is_none_or(|header| *header == block.header);
            let hashes: Vec<Hash> = looked.iter().map(|one| one.hash).collect();
            if !known || Header::transaction_root(suite, &hashes) != block.header.transaction_root {
                wrong.push(number);
            } else if self.sync.wants(&peer, number) {
                let transactions = looked.iter().map(|one| Arc::clone(&one.transaction)).collect();
                self.blocks.insert(number, Fetched { block, transactions, looked, peer, fed: false });
            }
        }
        self.sync.answered(now, peer, &numbers);
        for number in wrong {
            self.sync.was_bad(now, peer, number);
        }
    }

    /// The block at this height, once for each tip. One with a transaction that no honest sealer lets into a block is
    /// dropped.
    pub(crate) fn take(&mut self, now: u64, height: BlockNumber, pool: &Pool) -> Option<Feed> {
        let fetched = self.blocks.get_mut(&height).filter(|fetched| !fetched.fed)?;
        fetched.fed = true;
        let valid = |looked: &Looked| looked.checked.as_ref().is_ok_and(|checked| !pool.is_used(&checked.key()));
        if !fetched.looked.iter().all(valid) {
            self.bad_block(now, height);
            return None;
        }
        let (block, transactions) = (Arc::clone(&fetched.block), fetched.transactions.clone());
        Some(Feed { block, transactions })
    }

    pub(crate) fn bad_block(&mut self, now: u64, height: BlockNumber) {
        if let Some(fetched) = self.blocks.remove(&height) {
            self.sync.was_bad(now, fetched.peer, height);
        }
    }

    pub(crate) fn poll(&mut self, now: u64, effects: &mut Vec<Effect>) {
        for request in self.sync.poll(now) {
            let message = Message::GetBlocks { from: request.from, count: request.count };
            effects.push(Effect::Send { to: request.peer, message });
        }
    }

    pub(crate) fn wake_at(&self, now: u64) -> Option<u64> {
        self.sync.wake_at(now)
    }
}
