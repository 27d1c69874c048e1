//! Catching up by a snapshot: the state at a height in place of all the blocks below it.
//!
//! Headers come first, checked along the sealer sets. Then the others are asked at which heights they have a snapshot,
//! and for what it is. It is believed when it is of a height whose header is known, and members who cannot all be faulty
//! say the same. Its chunks, and the last blocks, from which it is known which nonces were used, are fetched from all of
//! them at once; each is known to be right on arrival. What came is kept on disk until all of it is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entente_crypto::LtHash;
use entente_ledger::{
    Body, HeaderStep, InstallPlan, SNAPSHOT_PART_CHUNKS, SnapshotHead, SnapshotPart, Staged, Staging, StateChunk,
    chunk_name,
};
use entente_sync::{Fetch, FetchOptions, SyncOptions};
use entente_types::{BlockNumber, Hash, Header, PublicKey, quorum};

use crate::{Effect, Group, InstallTask, Joining, Message, Now, StageTask, message::Seen};

/// How often the others are asked what snapshots they have, in milliseconds.
const ASK_INTERVAL_MS: u64 = 2_000;
/// How often it is looked at what is to be asked, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 250;
/// How often it is told how far it is, in milliseconds.
const TELL_INTERVAL_MS: u64 = 10_000;
/// How many things that came may wait for the disk.
const STAGING_MAX: usize = 16;
/// How often the time doubles for which blocks are fetched when a snapshot was lost: from 20 seconds to 43 minutes.
const REST_DOUBLINGS_MAX: u32 = 7;
/// The blocks that are asked for at once.
const REQUEST_BODIES: u64 = 16;

/// What is fetched.
struct Target {
    head: Arc<SnapshotHead>,
    /// The header of its height.
    header: Header,
    /// Those who said the same of it, and did not say since that they have it no more.
    backers: BTreeSet<PublicKey>,
    /// The header below the first block that is fetched.
    below: Header,
    parts: Fetch,
    /// The names of the chunks of each part that came.
    names: BTreeMap<u64, Vec<Hash>>,
    /// What the lanes of these come to.
    lanes: LtHash,
    /// Begins when all parts are here.
    chunks: Option<(Vec<Hash>, Fetch)>,
    bodies: Fetch,
    /// When something came last.
    came_at: u64,
    tell_at: u64,
}

/// How far a node is with catching up by a snapshot.
#[derive(Default)]
pub(crate) struct Join {
    /// What lies on disk.
    staged: Staged,
    active: bool,
    ask_at: u64,
    pinned: BTreeMap<PublicKey, Vec<BlockNumber>>,
    /// What each says of a snapshot, and the hash of that.
    heads: BTreeMap<PublicKey, (Hash, Arc<SnapshotHead>)>,
    /// The height that most members who were asked have.
    chosen: Option<BlockNumber>,
    target: Option<Target>,
    /// How often one was lost, and until when none is begun: blocks come meanwhile.
    losses: u32,
    rests_until: u64,
    /// Whether anything may lie on disk.
    kept: bool,
    /// How much is on its way to the disk.
    staging: usize,
    installing: bool,
}

impl Join {
    pub(crate) fn new(staged: Staged) -> Self {
        Self { kept: !staged.is_empty(), staged, ..Self::default() }
    }

    /// Whether a snapshot is fetched, so that no blocks are.
    pub(crate) const fn has_target(&self) -> bool {
        self.target.is_some()
    }

    /// Whether all of it is here and takes the place of what the ledger holds: nothing else happens any more.
    pub(crate) const fn is_installing(&self) -> bool {
        self.installing
    }

    pub(crate) fn is_staged(&mut self) {
        self.staging = self.staging.saturating_sub(1);
    }

    pub(crate) fn wake_at(&self, now: u64) -> Option<u64> {
        self.active.then(|| (now / LOOK_INTERVAL_MS + 1) * LOOK_INTERVAL_MS)
    }

    fn stage(&mut self, staging: Staging, effects: &mut Vec<Effect>) {
        self.staging += 1;
        self.kept = !matches!(staging, Staging::Clear);
        effects.push(Effect::Stage(StageTask { staging }));
    }

    /// Those who say this of a snapshot.
    fn who_says(&self, head: &Hash) -> BTreeSet<PublicKey> {
        self.heads.iter().filter(|(_, (other, _))| other == head).map(|(peer, _)| *peer).collect()
    }

    /// What is on disk is of no use.
    fn forget(&mut self, effects: &mut Vec<Effect>) {
        if self.kept {
            self.staged = Staged::default();
            self.stage(Staging::Clear, effects);
        }
    }
}

impl Target {
    const fn fetch_options(options: &SyncOptions, run: u64) -> FetchOptions {
        FetchOptions { run, timeout_ms: options.snapshot_timeout_ms, penalty_ms: options.penalty_ms }
    }

    fn is_whole(&self) -> bool {
        let chunks = self.chunks.as_ref().is_some_and(|(_, chunks)| chunks.is_done());
        chunks && self.parts.is_done() && self.bodies.is_done()
    }

    fn missing(&self) -> u64 {
        self.chunks.as_ref().map_or(u64::from(self.head.chunks), |(_, chunks)| chunks.missing())
    }

    fn plan(&self) -> InstallPlan {
        let chunks = self.chunks.as_ref().map(|(names, _)| names.clone()).unwrap_or_default();
        InstallPlan { head: SnapshotHead::clone(&self.head), chunks, lanes: self.lanes.to_bytes() }
    }
}

impl Group {
    /// Asks for headers, and for what a snapshot is made of, as far as it is time to.
    pub(crate) fn join(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let now = now.monotonic_ms;
        if self.alone || self.join.installing {
            return;
        }
        self.follow_headers(now, effects);
        let best = if self.catching_up.is_far() { self.vouched_height() } else { 0 };
        let wanted = self.join.target.is_some() || self.catching_up.wants_snapshot(now, best);
        if wanted != self.join.active {
            if wanted { self.begin_joining(best, effects) } else { self.end_joining(effects) }
        }
        if !self.join.active {
            if self.catching_up.best() > 0 && !self.catching_up.is_far() {
                // What was fetched before a restart and came by blocks meanwhile.
                self.join.forget(effects);
            }
            return;
        }
        if self.join.target.is_none() && self.join.rests_until <= now {
            self.choose_snapshot(now, effects);
        }
        self.fetch_snapshot(now, effects);
        self.look_at_target(now, effects);
    }

    /// Gives up what nobody gives any more or is of no use any more; puts in what is whole.
    fn look_at_target(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let Some(target) = &self.join.target else { return };
        let height = target.head.height;
        let late = now > target.came_at.saturating_add(3 * self.sync.snapshot_timeout_ms);
        if late || height <= self.chain.height() || !self.are_enough(&target.backers) {
            self.lose_snapshot(now, height, effects);
        } else if self.join.staging == 0 && self.written == self.chain.height() && target.is_whole() {
            self.join.installing = true;
            effects.push(Effect::Joining(Joining::Whole { height }));
            effects.push(Effect::Install(InstallTask { plan: target.plan() }));
        }
    }

    /// Those who may be spoken to where the members that the node's own blocks name are not today's.
    fn vouched_members(&self) -> Option<Vec<PublicKey>> {
        self.join.active.then(|| self.headers.sealers().iter().map(|member| member.key).collect())
    }

    fn follow_headers(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let tip = &self.chain.certified.header;
        let next = tip.number.saturating_add(1);
        if self.headers.tip_is(tip, || self.chain.sealers.at(next)) && self.join.active {
            // What is kept does not lead on from here.
            self.join.forget(effects);
        }
        self.catching_up.headers_are_known(self.headers.last());
        if self.join.target.is_some() || !self.catching_up.is_far() || self.join.staging >= STAGING_MAX {
            return;
        }
        let best = self.catching_up.best();
        let near = self.chain.height().saturating_add(self.sync.window_headers);
        let through = if self.join.active { best } else { best.min(near) };
        if let Some((to, from, count)) = self.headers.poll(now, &self.sync, self.catching_up.peers(), through) {
            effects.push(Effect::Send { to, message: Message::GetHeaders { from, count } });
        }
    }

    /// From now on headers are kept on disk, from the tip on.
    fn begin_joining(&mut self, best: BlockNumber, effects: &mut Vec<Effect>) {
        let tip = &self.chain.certified.header;
        let height = tip.number;
        effects.push(Effect::Joining(Joining::Begins { height, best }));
        self.join.active = true;
        self.join.losses = 0;
        self.headers.begin_at(tip, self.chain.sealers.at(height.saturating_add(1)));
        match self.join.staged.headers.take() {
            Some(staged) if staged.first <= height.saturating_add(1) && self.headers.resume(&staged) => {
                effects.extend(self.vouched_members().map(Effect::Introduce));
            }
            _ => self.join.forget(effects),
        }
    }

    fn end_joining(&mut self, effects: &mut Vec<Effect>) {
        let Join { kept, staging, .. } = self.join;
        self.join = Join { kept, staging, ..Join::default() };
        // Who is a member is from now on what the blocks say, and nothing else.
        effects.push(Effect::Introduce(Vec::new()));
        self.join.forget(effects);
    }

    /// Nobody gives it, or it is not what it should be. What came is kept; for a while blocks are fetched, in case there
    /// is something that nobody can give.
    fn lose_snapshot(&mut self, now: u64, height: BlockNumber, effects: &mut Vec<Effect>) {
        effects.push(Effect::Joining(Joining::Gone { height }));
        let rest_ms = self.sync.snapshot_timeout_ms << self.join.losses.min(REST_DOUBLINGS_MAX);
        self.join.rests_until = now.saturating_add(rest_ms);
        self.join.losses = self.join.losses.saturating_add(1);
        self.join.target = None;
        self.join.chosen = None;
        self.join.pinned.clear();
        self.join.heads.clear();
    }

    /// The greatest height that members say they have who cannot all be faulty; where the members that this node knows of
    /// are not among those who say anything, the greatest that anybody says.
    fn vouched_height(&self) -> BlockNumber {
        let mut said: Vec<(BlockNumber, PublicKey)> =
            self.catching_up.peers().map(|(peer, height)| (height, peer)).collect();
        said.sort_unstable_by_key(|(height, _)| std::cmp::Reverse(*height));
        let mut vouching = BTreeSet::new();
        for (height, peer) in said {
            vouching.insert(peer);
            if self.are_enough(&vouching) {
                return height;
            }
        }
        self.catching_up.best()
    }

    /// Whether these are enough that not all of them can be faulty, of those who rule after the last known header.
    fn are_enough(&self, peers: &BTreeSet<PublicKey>) -> bool {
        let sealers = self.headers.sealers();
        let total: u64 = sealers.iter().map(|member| u64::from(member.weight)).sum();
        let said = sealers.iter().filter(|member| peers.contains(&member.key));
        let weight: u64 = said.map(|member| u64::from(member.weight)).sum();
        weight > total.saturating_sub(quorum(sealers))
    }

    /// Whether the headers are known by which a snapshot of this height is checked.
    fn can_check(&self, height: BlockNumber, oldest: BlockNumber) -> bool {
        let tip = self.chain.height();
        let below = oldest.saturating_sub(1);
        height > tip && self.headers.get(height).is_some() && (below <= tip || self.headers.get(below).is_some())
    }

    fn choose_snapshot(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let mut pinned: BTreeMap<BlockNumber, BTreeSet<PublicKey>> = BTreeMap::new();
        for (peer, heights) in &self.join.pinned {
            for height in heights {
                pinned.entry(*height).or_default().insert(*peer);
            }
        }
        let chosen = pinned.iter().rev().find(|(height, peers)| {
            self.can_check(**height, SnapshotHead::oldest_of(**height)) && self.are_enough(peers)
        });
        let height = chosen.map(|(height, _)| *height);
        if height != self.join.chosen {
            self.join.chosen = height;
            self.join.ask_at = now;
        }
        if self.join.ask_at <= now {
            self.join.ask_at = now.saturating_add(ASK_INTERVAL_MS);
            effects.push(Effect::Broadcast(Message::GetSnapshots));
            if let Some((height, peers)) = chosen {
                let lacks =
                    |peer: &&PublicKey| self.join.heads.get(*peer).is_none_or(|(_, head)| head.height != *height);
                let ask = |to: &PublicKey| Effect::Send { to: *to, message: Message::GetSnapshot { height: *height } };
                effects.extend(peers.iter().filter(lacks).map(ask));
            }
        }
        let agreed = self.join.heads.values().find(|(hash, head)| {
            head.is_well_formed()
                && self.can_check(head.height, head.oldest_block())
                && self.are_enough(&self.join.who_says(hash))
        });
        if let Some((hash, head)) = agreed.cloned() {
            self.begin_fetching(now, hash, head, effects);
        }
    }

    fn begin_fetching(&mut self, now: u64, hash: Hash, head: Arc<SnapshotHead>, effects: &mut Vec<Effect>) {
        let tip = self.chain.certified.header.clone();
        let first = head.oldest_block().max(tip.number.saturating_add(1));
        let below = self.headers.get(first.saturating_sub(1)).unwrap_or(&tip).clone();
        let Some(header) = self.headers.get(head.height).cloned() else { return };
        if header.hash(self.suite) != head.header {
            // Members who cannot all be faulty do not say this.
            self.join.heads.retain(|_, (other, _)| *other != hash);
            return;
        }
        let bodies = (first..=head.height).filter(|number| !self.join.staged.bodies.contains(number));
        self.join.target = Some(Target {
            backers: self.join.who_says(&hash),
            parts: Fetch::new(Target::fetch_options(&self.sync, 1), 0..head.parts.len() as u64),
            bodies: Fetch::new(Target::fetch_options(&self.sync, REQUEST_BODIES), bodies),
            names: BTreeMap::new(),
            lanes: LtHash::default(),
            chunks: None,
            came_at: now,
            tell_at: now,
            header,
            below,
            head,
        });
        self.all_parts_are_here(now, effects);
    }

    /// Once all parts of the manifest are here: whether they come to the state root, and which chunks are missing.
    fn all_parts_are_here(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let suite = self.suite;
        let Some(target) = self.join.target.as_mut().filter(|target| target.parts.is_done()) else { return };
        let height = target.head.height;
        if target.chunks.is_some() {
            return;
        }
        if target.lanes.root(suite) != target.header.state_root {
            return self.lose_snapshot(now, height, effects);
        }
        let names: Vec<Hash> = std::mem::take(&mut target.names).into_values().flatten().collect();
        let staged = &self.join.staged.chunks;
        let missing = (0_u64..).zip(&names).filter(|(_, name)| !staged.contains(*name)).map(|(number, _)| number);
        let fetch = Fetch::new(Target::fetch_options(&self.sync, 1), missing);
        let wanted: BTreeSet<Hash> = names.iter().copied().collect();
        let bodies = target.head.oldest_block()..=height;
        target.chunks = Some((names, fetch));
        // Of snapshots that were begun before only what is in this one stays.
        self.join.staged.chunks.retain(|name| wanted.contains(name));
        self.join.stage(Staging::Only { chunks: wanted, bodies }, effects);
    }

    fn fetch_snapshot(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let Join { target: Some(target), staging, .. } = &mut self.join else { return };
        let height = target.head.height;
        if target.tell_at <= now {
            target.tell_at = now.saturating_add(TELL_INTERVAL_MS);
            let (chunks, missing) = (target.head.chunks, target.missing());
            effects.push(Effect::Joining(Joining::Fetches { height, chunks, missing }));
        }
        if *staging >= STAGING_MAX {
            // The disk is slower than the others are: that is nobody's fault.
            target.came_at = now;
            return;
        }
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        for ask in target.parts.poll(now, target.backers.iter().copied()) {
            let message = Message::GetPart { height, part: number(ask.from) };
            effects.push(Effect::Send { to: ask.peer, message });
        }
        if let Some((_, chunks)) = &mut target.chunks {
            for ask in chunks.poll(now, target.backers.iter().copied()) {
                let message = Message::GetChunk { height, chunk: number(ask.from) };
                effects.push(Effect::Send { to: ask.peer, message });
            }
        }
        let have = self.catching_up.peers().filter(|(_, at)| *at >= height).map(|(peer, _)| peer);
        for ask in target.bodies.poll(now, have) {
            let message = Message::GetBodies { from: ask.from, count: ask.count };
            effects.push(Effect::Send { to: ask.peer, message });
        }
    }

    /// Headers came: where a snapshot is wanted they are kept on disk.
    pub(crate) fn hear_headers(
        &mut self,
        now: u64,
        from: PublicKey,
        steps: Vec<HeaderStep>,
        effects: &mut Vec<Effect>,
    ) {
        let before = self.headers.ruling();
        let taken = self.headers.take_in(now, &self.sync, from, steps);
        if self.join.active && !taken.is_empty() {
            if taken.iter().any(|taken| taken.header.next_sealers != before) {
                effects.extend(self.vouched_members().map(Effect::Introduce));
            }
            let sealers = self.headers.sealers().to_vec();
            self.join.stage(Staging::Headers { headers: taken, sealers }, effects);
        }
    }

    /// Somebody tells at which heights there are snapshots.
    pub(crate) fn hear_snapshots(&mut self, from: PublicKey, heights: Vec<BlockNumber>) {
        if self.join.active {
            self.join.pinned.insert(from, heights);
        }
    }

    /// Somebody tells what a snapshot is.
    pub(crate) fn hear_snapshot(&mut self, from: PublicKey, head: Arc<SnapshotHead>) {
        // Only members are believed.
        let member = self.headers.sealers().iter().any(|member| member.key == from);
        if self.join.active && self.join.target.is_none() && member {
            self.join.heads.insert(from, (head.hash(self.suite), head));
        }
    }

    /// A part of the manifest came.
    pub(crate) fn hear_part(
        &mut self,
        now: u64,
        (from, height, number): (PublicKey, BlockNumber, u32),
        part: Option<&SnapshotPart>,
        effects: &mut Vec<Effect>,
    ) {
        let suite = self.suite;
        let Some(target) = self.join.target.as_mut().filter(|target| target.head.height == height) else { return };
        let place = u64::from(number);
        if !target.parts.lacks(place) {
            return;
        }
        let Some(part) = part else {
            target.backers.remove(&from);
            return target.parts.answered(now, &from, []);
        };
        let before = number as usize * SNAPSHOT_PART_CHUNKS;
        let expected = (target.head.chunks as usize).saturating_sub(before).min(SNAPSHOT_PART_CHUNKS);
        let right = part.has(expected) && target.head.parts.get(number as usize) == Some(&part.hash(suite));
        let lanes: Result<Vec<LtHash>, _> = part.chunks().map(LtHash::from_bytes).collect();
        let lanes = lanes.ok().filter(|_| right);
        let Some(lanes) = lanes else {
            target.parts.was_wrong(&from);
            effects.push(Effect::Joining(Joining::Wrong { peer: from, what: "a part of a manifest" }));
            return;
        };
        target.parts.answered(now, &from, [place]);
        target.came_at = now;
        lanes.iter().for_each(|lanes| target.lanes.combine(lanes));
        target.names.insert(place, part.chunks().map(|lanes| chunk_name(suite, lanes)).collect());
        self.all_parts_are_here(now, effects);
    }

    /// A chunk came; its name was looked at.
    pub(crate) fn hear_chunk(
        &mut self,
        now: u64,
        (from, height, number): (PublicKey, BlockNumber, u32),
        chunk: Option<Arc<StateChunk>>,
        seen: &Seen,
        effects: &mut Vec<Effect>,
    ) {
        let Some(target) = self.join.target.as_mut().filter(|target| target.head.height == height) else { return };
        let Some((names, fetch)) = &mut target.chunks else { return };
        let place = u64::from(number);
        if !fetch.lacks(place) {
            return;
        }
        let Some(chunk) = chunk else {
            target.backers.remove(&from);
            return fetch.answered(now, &from, []);
        };
        let expected = names.get(number as usize).copied();
        let Some(name) = expected.filter(|name| *seen == Seen::Chunk(Some(*name))) else {
            fetch.was_wrong(&from);
            effects.push(Effect::Joining(Joining::Wrong { peer: from, what: "a chunk" }));
            return;
        };
        fetch.answered(now, &from, [place]);
        target.came_at = now;
        self.join.staged.chunks.insert(name);
        let chunk = Arc::unwrap_or_clone(chunk);
        self.join.stage(Staging::Chunk(name, chunk), effects);
    }

    /// Blocks with their receipts came; whether these are those of their headers was looked at.
    pub(crate) fn hear_bodies(
        &mut self,
        now: u64,
        from: PublicKey,
        bodies: &[Arc<Body>],
        seen: &Seen,
        effects: &mut Vec<Effect>,
    ) {
        let Some(target) = &self.join.target else { return };
        let Seen::Bodies(whole) = seen else { return };
        let tip = self.chain.height();
        let (mut right, mut had) = (Vec::new(), Vec::new());
        for (body, whole) in bodies.iter().zip(whole) {
            let number = body.block.header.number;
            if !target.bodies.lacks(number) {
                continue;
            }
            if number <= tip {
                // It came as a block meanwhile.
                had.push(number);
                continue;
            }
            if !whole || !self.is_of_its_header(target, body) {
                if let Some(target) = &mut self.join.target {
                    target.bodies.was_wrong(&from);
                }
                effects.push(Effect::Joining(Joining::Wrong { peer: from, what: "a block" }));
                return;
            }
            right.push((number, Arc::clone(body)));
        }
        if let Some(target) = &mut self.join.target {
            let all = right.iter().map(|(number, _)| *number).chain(had.iter().copied());
            target.bodies.answered(now, &from, all);
            if !right.is_empty() || !had.is_empty() {
                target.came_at = now;
            }
        }
        for (number, body) in right {
            self.join.staged.bodies.insert(number);
            self.join.stage(Staging::Body(Box::new(Arc::unwrap_or_clone(body))), effects);
        }
    }

    /// Whether a block is the one that a known header is of, down to what only its proposal covers.
    fn is_of_its_header(&self, target: &Target, body: &Body) -> bool {
        let header = &body.block.header;
        let below = match header.number.checked_sub(1) {
            Some(below) if below == target.below.number => &target.below,
            Some(below) if below == self.chain.height() => &self.chain.certified.header,
            Some(below) => match self.headers.get(below) {
                Some(header) => header,
                None => return false,
            },
            None => return false,
        };
        self.headers.get(header.number) == Some(header)
            && body.block.proposal(self.suite, self.genesis, below.proposal).digest(self.suite) == header.proposal
    }
}
