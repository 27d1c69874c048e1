//! Which blocks a node that is behind asks of whom, without clock, socket or disk.
//!
//! This crate owns the choice: from several peers at once, a few blocks of each, and again from another where one does
//! not answer or answers with what does not hold; the same for the parts of a snapshot ([`Fetch`]). Far behind, no block
//! is asked for whose header is not known yet. It never sees a block: whether one is believed is decided by those who
//! take it in, by its certificate.
//!
//! ```
//! use entente_sync::{Sync, SyncOptions};
//! # use entente_crypto::{SecretKey, Suite};
//! # let peer = SecretKey::from_bytes(Suite::Standard, &[7; 32])?.public_key();
//!
//! let mut sync = Sync::new(SyncOptions::default(), 10, 0);
//! sync.peer_is_at(peer, 500);
//! sync.headers_are_known(266);
//! let asked = sync.poll(0);
//! assert_eq!((asked[0].peer, asked[0].from, asked[0].count), (peer, 11, 16));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod fetch;

use std::collections::{BTreeMap, BTreeSet};

use entente_types::{BlockNumber, PublicKey};

pub use fetch::{Ask, Fetch, FetchOptions};

/// Milliseconds on a clock that never goes back.
pub type Instant = u64;

/// How a node catches up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncOptions {
    /// How many blocks one request asks for.
    pub request_blocks: u64,
    /// How far above the tip blocks are asked for.
    pub window_blocks: u64,
    /// How far a peer must be ahead for asking at once: less comes by consensus.
    pub lead_blocks: u64,
    /// How long an answer with a part of a snapshot may take, in milliseconds.
    pub snapshot_timeout_ms: u64,
    /// How long the tip may stand still below a peer's before blocks are asked for, in milliseconds.
    pub patience_ms: u64,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long a peer is left alone that did not answer, or answered with what does not hold, in milliseconds.
    pub penalty_ms: u64,
    /// How many peers are remembered.
    pub peers_max: usize,
    /// How many headers one request asks for.
    pub request_headers: u64,
    /// How far above the tip headers are asked for, where blocks follow.
    pub window_headers: u64,
    /// How many blocks behind a node takes a snapshot, if it gets one; 0 for never.
    pub snapshot_lead_blocks: u64,
    /// How long the tip may stand still below a peer's before a snapshot is taken all the same, in milliseconds: nobody
    /// may have the next blocks any more.
    pub stall_ms: u64,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            request_blocks: 16,
            window_blocks: 64,
            lead_blocks: 6,
            patience_ms: 300,
            timeout_ms: 2_000,
            penalty_ms: 5_000,
            peers_max: 1024,
            request_headers: 256,
            window_headers: 2_048,
            snapshot_lead_blocks: 10_000,
            snapshot_timeout_ms: 20_000,
            stall_ms: 60_000,
        }
    }
}

/// What is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whom.
    pub peer: PublicKey,
    /// The first block.
    pub from: BlockNumber,
    /// How many.
    pub count: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Peer {
    height: BlockNumber,
    /// What it was asked for and until when it may answer.
    asked: Option<(BlockNumber, u64, Instant)>,
    left_alone_until: Instant,
}

/// Where a node is, where its peers are, and what it waits for.
#[derive(Debug)]
pub struct Sync {
    options: SyncOptions,
    tip: BlockNumber,
    advanced_at: Instant,
    peers: BTreeMap<PublicKey, Peer>,
    /// The blocks above the tip that came.
    here: BTreeSet<BlockNumber>,
    /// The last height whose header is known.
    headers: BlockNumber,
    /// Since when the node has been far behind.
    far_since: Option<Instant>,
}

impl Sync {
    /// A node at this tip.
    pub const fn new(options: SyncOptions, tip: BlockNumber, now: Instant) -> Self {
        Self {
            options,
            tip,
            advanced_at: now,
            peers: BTreeMap::new(),
            here: BTreeSet::new(),
            headers: tip,
            far_since: None,
        }
    }

    /// A peer says how far it is. A lie costs it its answer.
    pub fn peer_is_at(&mut self, peer: PublicKey, height: BlockNumber) {
        if self.peers.len() < self.options.peers_max || self.peers.contains_key(&peer) {
            self.peers.entry(peer).or_default().height = height;
        }
    }

    /// How far each peer said that it is.
    pub fn peers(&self) -> impl Iterator<Item = (PublicKey, BlockNumber)> {
        self.peers.iter().map(|(key, peer)| (*key, peer.height))
    }

    /// The node has certified this height.
    pub fn tip_is(&mut self, now: Instant, tip: BlockNumber) {
        if tip > self.tip {
            self.tip = tip;
            self.advanced_at = now;
            self.here = self.here.split_off(&(tip + 1));
        }
    }

    /// The headers up to this height are known: blocks that far may be asked for.
    pub fn headers_are_known(&mut self, through: BlockNumber) {
        self.headers = through;
    }

    /// Whether the node is so far behind that headers come before blocks.
    pub fn is_far(&self) -> bool {
        self.best() > self.tip.saturating_add(self.options.lead_blocks)
    }

    /// Whether a snapshot is wanted, where the others are at this height: the node is very far behind, or does not come on.
    pub fn wants_snapshot(&mut self, now: Instant, best: BlockNumber) -> bool {
        let lead = self.options.snapshot_lead_blocks;
        if best <= self.tip.saturating_add(self.options.lead_blocks) {
            self.far_since = None;
            return false;
        }
        let since = self.advanced_at.max(*self.far_since.get_or_insert(now));
        let stalled = now >= since.saturating_add(self.options.stall_ms);
        lead > 0 && (stalled || best > self.tip.saturating_add(lead))
    }

    /// Whether a block from a peer is one to keep until its turn: only what that peer was asked for is, so that nobody
    /// fills a node with blocks that it does not want.
    pub fn wants(&self, peer: &PublicKey, number: BlockNumber) -> bool {
        let asked = self.peers.get(peer).and_then(|peer| peer.asked);
        let asked = asked.is_some_and(|(from, count, _)| (from..from.saturating_add(count)).contains(&number));
        asked && number > self.tip && !self.here.contains(&number)
    }

    /// A peer answered with these blocks, of which those that are wanted are kept.
    pub fn answered(&mut self, now: Instant, peer: PublicKey, numbers: &[BlockNumber]) {
        let wanted: Vec<BlockNumber> = numbers.iter().copied().filter(|number| self.wants(&peer, *number)).collect();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.asked.take().is_some() && numbers.is_empty() {
            // It said that it is further than it is.
            known.left_alone_until = now.saturating_add(self.options.penalty_ms);
        }
        self.here.extend(wanted);
    }

    /// A block that this peer gave does not hold: it is asked of another.
    pub fn was_bad(&mut self, now: Instant, peer: PublicKey, number: BlockNumber) {
        self.here.remove(&number);
        if let Some(known) = self.peers.get_mut(&peer) {
            known.left_alone_until = now.saturating_add(self.options.penalty_ms);
        }
    }

    /// The greatest height that a peer says it has.
    pub fn best(&self) -> BlockNumber {
        self.peers.values().map(|peer| peer.height).max().unwrap_or(0)
    }

    fn behind(&self, now: Instant) -> Option<BlockNumber> {
        let reachable = self.peers.values().filter(|peer| peer.left_alone_until <= now).map(|peer| peer.height);
        let best = reachable.max().filter(|best| *best > self.tip)?;
        let far = best > self.tip.saturating_add(self.options.lead_blocks);
        (far || now >= self.advanced_at.saturating_add(self.options.patience_ms)).then_some(best)
    }

    /// What is to be asked now.
    pub fn poll(&mut self, now: Instant) -> Vec<Request> {
        let (timeout, penalty) = (self.options.timeout_ms, self.options.penalty_ms);
        for peer in self.peers.values_mut() {
            if peer.asked.take_if(|(_, _, until)| *until <= now).is_some() {
                peer.left_alone_until = now.saturating_add(penalty);
            }
        }
        let Some(best) = self.behind(now) else { return Vec::new() };
        let mut last = best.min(self.tip.saturating_add(self.options.window_blocks));
        if self.is_far() {
            last = last.min(self.headers);
        }
        let mut requests = Vec::new();
        let mut next = self.tip + 1;
        while next <= last {
            if self.here.contains(&next) {
                next += 1;
                continue;
            }
            if let Some(end) = self.asked_through(next) {
                next = end + 1;
                continue;
            }
            let free = |peer: &Peer| peer.asked.is_none() && peer.left_alone_until <= now && peer.height >= next;
            let Some((key, peer)) =
                self.peers.iter_mut().filter(|(_, peer)| free(peer)).min_by_key(|(_, peer)| peer.left_alone_until)
            else {
                break;
            };
            let count = self.options.request_blocks.min(last - next + 1).min(peer.height - next + 1);
            peer.asked = Some((next, count, now.saturating_add(timeout)));
            requests.push(Request { peer: *key, from: next, count });
            next += count;
        }
        requests
    }

    /// The last block of a request under way that asks for this one.
    fn asked_through(&self, number: BlockNumber) -> Option<BlockNumber> {
        let asked = self.peers.values().filter_map(|peer| peer.asked);
        asked
            .map(|(from, count, _)| (from, from + count - 1))
            .find(|(from, to)| (*from..=*to).contains(&number))
            .map(|(_, to)| to)
    }

    /// When [`Sync::poll`] may have something to ask again.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        let timeouts = self.peers.values().filter_map(|peer| peer.asked.map(|(_, _, until)| until));
        let behind = self.best() > self.tip;
        let patience = behind.then_some(self.advanced_at.saturating_add(self.options.patience_ms));
        let penalties = self.peers.values().filter(|_| behind).map(|peer| peer.left_alone_until);
        timeouts.chain(patience).chain(penalties).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use entente_crypto::{SecretKey, Suite};
    use proptest::prelude::*;

    use super::*;

    fn peer(seed: u8) -> PublicKey {
        SecretKey::from_bytes(Suite::Standard, &[seed + 1; 32]).unwrap().public_key()
    }

    #[test]
    fn a_little_behind_waits_and_far_behind_asks_several_at_once() {
        let mut sync = Sync::new(SyncOptions::default(), 10, 100);
        sync.peer_is_at(peer(0), 12);
        assert_eq!(sync.poll(100), []);
        assert_eq!(sync.wake_at(100), Some(400));
        assert_eq!(sync.poll(400), [Request { peer: peer(0), from: 11, count: 2 }]);
        assert_eq!(sync.poll(400), []);
        let mut sync = Sync::new(SyncOptions::default(), 10, 100);
        (0..3).for_each(|seed| sync.peer_is_at(peer(seed), 1000));
        assert_eq!(sync.poll(100), []);
        sync.headers_are_known(266);
        assert!(!sync.wants_snapshot(5_000, 1_000) && !sync.wants_snapshot(64_999, 1_000));
        assert!(sync.wants_snapshot(65_000, 1_000) && !sync.wants_snapshot(65_000, 16));
        assert!(!sync.wants_snapshot(65_000, 1_000), "it has not been far for long");
        assert!(!sync.wants_snapshot(100, 10_010) && sync.wants_snapshot(100, 10_011));
        let asked: Vec<(u64, u64)> = sync.poll(100).into_iter().map(|request| (request.from, request.count)).collect();
        assert_eq!(asked, [(11, 16), (27, 16), (43, 16)]);
    }

    #[test]
    fn who_is_silent_or_lies_is_left_alone_and_another_is_asked() {
        let mut sync = Sync::new(SyncOptions::default(), 0, 0);
        sync.headers_are_known(20);
        sync.peer_is_at(peer(0), 20);
        let first = sync.poll(0);
        assert_eq!(first.len(), 1);
        sync.peer_is_at(peer(1), 20);
        assert_eq!(sync.poll(10), [Request { peer: peer(1), from: 17, count: 4 }]);
        assert!(sync.wants(&peer(1), 17) && !sync.wants(&peer(1), 1) && !sync.wants(&peer(2), 17));
        sync.answered(20, peer(1), &[17, 18, 19, 20]);
        // The first one says nothing: after its time the second one is asked for its part.
        assert_eq!(sync.poll(2_000), [Request { peer: peer(1), from: 1, count: 16 }]);
        sync.answered(2_010, peer(1), &[]);
        assert_eq!(sync.poll(2_020), []);
        sync.was_bad(7_200, peer(1), 17);
        assert_eq!(sync.poll(7_200).first().map(|request| request.peer), Some(peer(0)));
    }

    proptest! {
        /// Whatever some peers do, one that answers is enough, and no block is asked twice at once.
        #[test]
        fn it_catches_up_if_one_peer_answers(bad in 0_u8..4, height in 1_u64..300, lies in any::<bool>()) {
            let mut sync = Sync::new(SyncOptions::default(), 0, 0);
            for seed in 0..=bad {
                sync.peer_is_at(peer(seed), if lies && seed < bad { u64::MAX } else { height });
            }
            sync.headers_are_known(height);
            let (mut tip, mut here, mut now) = (0, BTreeSet::new(), 0);
            while tip < height {
                now += 50;
                prop_assert!(now < 600_000, "it stands at {tip}");
                for request in sync.poll(now) {
                    if request.peer != peer(bad) {
                        if lies {
                            sync.answered(now, request.peer, &[]);
                        }
                        continue;
                    }
                    let numbers: Vec<u64> = (request.from..request.from + request.count).filter(|number| *number <= height).collect();
                    sync.answered(now, request.peer, &numbers);
                    here.extend(numbers);
                }
                while here.contains(&(tip + 1)) {
                    tip += 1;
                }
                sync.tip_is(now, tip);
            }
        }
    }
}
