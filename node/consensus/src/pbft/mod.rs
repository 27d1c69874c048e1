//! Practical Byzantine Fault Tolerance on digests.
//!
//! Castro and Liskov, "Practical Byzantine Fault Tolerance", OSDI 1999 ("the paper"), and "Practical Byzantine Fault
//! Tolerance and Proactive Recovery", ACM TOCS 20(4), 2002 ("the journal paper"). Where a step is theirs, it has their
//! name and the section stands beside it. What differs:
//!
//! - A height is the paper's sequence number `n`, and a proposal its request. Heights are taken in their order, at most
//!   `depth` of them above the last certified one, which is the paper's low water mark. A member prepares a height only
//!   when it holds the prepared certificate of the one below and the header certificate `depth` below.
//! - The proposer sends a PREPARE beside its PRE-PREPARE, so that every quorum is of PREPARE messages. Messages are
//!   signed, not authenticated by MACs (the paper's section 4 before its section 5), since certificates are shown.
//! - Every height is a CHECKPOINT (section 4.3), over the header that it came to. The signatures of a quorum are the
//!   certificate that a block carries.
//! - The proposer changes with each height. In view 0 all members take turns. In a later view those take turns whose
//!   VIEW-CHANGE the view began with, its leader first: a member that is down is not waited for again and again. After
//!   [`PROBATION_HEIGHTS`] heights all take turns again.
//! - A change of the sealer set begins a new epoch, in view 0. The first height of an epoch waits until the one below it
//!   is certified, so that nothing in flight is of two sets.
//! - Weights stand for counts: a quorum is more than two thirds of the weight, and "f + 1" is more than may be faulty.
//! - Instead of the journal paper's status messages (section 5.2), a member that waits sends its last messages again, and
//!   whoever hears from one that is behind tells it how far things are.
//!
//! What must not be forgotten is in [`ViewRecord`] and [`HeightRecord`], and is on disk before a message that relies on
//! it leaves.

mod checkpoint;
mod conduct;
mod liveness;
mod loss;
mod ordering;
mod slot;
mod view_change;

use std::{
    collections::{BTreeMap, VecDeque},
    marker::PhantomData,
    sync::Arc,
};

use entente_types::{BlockNumber, PublicKey};

pub use conduct::{Conduct, Sound, planted};
use liveness::Timers;
use slot::Slot;
use view_change::View;

use crate::{
    Certified, Engine, Identity, Input, Instant, LossRecord, Message, Output, Persist, Position, Recovered, Report,
    SealerSet, ViewRecord,
};

/// For how many heights of a view those who missed its beginning do not propose.
pub(crate) const PROBATION_HEIGHTS: u64 = 256;

/// How far above the pipeline messages are kept, in heights: others may be that far ahead.
const LOOKAHEAD_HEIGHTS: u64 = 8;

/// How an engine is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PbftOptions {
    /// How many heights may be in flight.
    pub depth: u64,
    /// How long the first height in flight may take to be committed before another view is wanted, in milliseconds. It
    /// doubles with every view that brings nothing.
    pub view_timeout_ms: u64,
    /// The least time between two proposals of this node, in milliseconds.
    pub interval_ms_min: u64,
    /// How long a certificate may be missing after execution before that is reported, in milliseconds.
    pub certificate_timeout_ms: u64,
}

impl Default for PbftOptions {
    fn default() -> Self {
        Self { depth: 2, view_timeout_ms: 1_000, interval_ms_min: 10, certificate_timeout_ms: 5_000 }
    }
}

/// The engine of one member, or of a node that is none and follows by blocks alone.
#[derive(Debug)]
pub struct Pbft<C: Conduct = Sound> {
    identity: Identity,
    options: PbftOptions,
    /// The sets known, by the first height that each rules; those below the next height are dropped but for one.
    sets: BTreeMap<BlockNumber, Arc<SealerSet>>,
    /// The set of the next height, whose epoch this is.
    set: Arc<SealerSet>,
    /// This node's place in it; none while it is silent.
    me: Option<u16>,
    /// That it lost what it promised.
    loss: Option<LossRecord>,
    view: View,
    /// The last height that is certified and came to its header here: the paper's low water mark `h`.
    certified: BlockNumber,
    /// Its certificate, where it is of this epoch.
    tip: Option<Certified>,
    /// The last height whose sealers are known.
    known_through: BlockNumber,
    written: BlockNumber,
    slots: BTreeMap<BlockNumber, Slot>,
    transactions_wait: bool,
    /// The height at which a block is due, be it an empty one.
    due: BlockNumber,
    timers: Timers,
    now: Instant,
    next_ticket: u64,
    view_changed: bool,
    /// What of that is to be on disk with whatever is said next.
    loss_to_keep: Option<LossRecord>,
    /// What leaves when the disk has what it relies on.
    unsaid: VecDeque<(u64, Vec<Message>)>,
    outputs: Vec<Output>,
    halted: bool,
    conduct: PhantomData<fn() -> C>,
}

impl<C: Conduct> Pbft<C> {
    /// The engine above a chain whose last written block is `tip`, with what it remembered. `sets` are the sealer sets
    /// that rule the heights above the tip, as far as `tip + depth`; they may be the same.
    pub fn new(
        identity: Identity,
        options: PbftOptions,
        tip: Certified,
        sets: Vec<Arc<SealerSet>>,
        recovered: Recovered,
    ) -> Self {
        let set = sets.first().cloned().unwrap_or_else(|| Arc::new(SealerSet { since: 0, members: Vec::new() }));
        let since = set.since;
        let loss = recovered.loss.filter(|loss| !loss.speaks_in(set.since));
        let me = loss::place(loss, &set, &identity);
        let height = tip.height;
        let known_through = height.saturating_add(options.depth);
        let mut engine = Self {
            identity,
            options,
            sets: sets.into_iter().map(|set| (set.since, set)).collect(),
            view: View::first(&set),
            set,
            me,
            loss,
            certified: height,
            tip: Some(tip).filter(|tip| tip.height >= since),
            known_through,
            written: height,
            slots: BTreeMap::new(),
            transactions_wait: false,
            due: 0,
            timers: Timers::default(),
            now: 0,
            next_ticket: 0,
            view_changed: false,
            loss_to_keep: None,
            unsaid: VecDeque::new(),
            outputs: Vec::new(),
            halted: false,
            conduct: PhantomData,
        };
        if !C::FORGETS_ITS_VOTES_AT_A_RESTART {
            engine.recover(recovered);
        }
        engine
    }

    /// Takes up what it promised before it was stopped.
    fn recover(&mut self, recovered: Recovered) {
        let mut view = 0;
        for (height, record) in recovered.heights {
            // What an epoch that is over promised binds nobody; what was signed binds for good.
            if height <= self.certified {
                continue;
            }
            let slot = self.slots.entry(height).or_default();
            slot.record.signed = record.signed;
            if record.epoch != self.set.since {
                continue;
            }
            let voted = record.voted.map(|(view, _)| view);
            let prepared = record.prepared.as_ref().map(|prepared| prepared.ballot.view);
            view = view.max(voted.unwrap_or(0)).max(prepared.unwrap_or(0));
            slot.record = record;
        }
        match recovered.view.filter(|record| record.epoch == self.set.since && record.view >= view) {
            Some(ViewRecord { view: 0, .. }) | None if view == 0 => {}
            Some(ViewRecord { new_view: Some(new_view), .. }) => self.resume_view(new_view),
            Some(ViewRecord { view, .. }) => self.view.want(view),
            // The record of a view is written before any vote in it.
            None => self.view.want(view),
        }
        self.stand_again();
    }

    /// The set that rules a height, where it is known.
    fn set_of(&self, height: BlockNumber) -> Option<&Arc<SealerSet>> {
        if height > self.known_through {
            return None;
        }
        self.sets.range(..=height).next_back().map(|(_, set)| set)
    }

    fn slot(&mut self, height: BlockNumber) -> &mut Slot {
        self.slots.entry(height).or_default()
    }

    /// The heights that messages are kept for.
    const fn window(&self) -> std::ops::RangeInclusive<BlockNumber> {
        self.certified + 1..=self.certified + self.options.depth + LOOKAHEAD_HEIGHTS
    }

    fn in_window(&self, height: BlockNumber) -> bool {
        self.window().contains(&height)
    }

    /// Has what changed written, and lets these messages leave when it is.
    fn say(&mut self, messages: Vec<Message>, proposals: Vec<(BlockNumber, entente_types::Hash)>) {
        let mut heights = Vec::new();
        for (height, slot) in &mut self.slots {
            if std::mem::take(&mut slot.changed) {
                slot.record.epoch = self.set.since;
                heights.push((*height, slot.record.clone()));
            }
        }
        let view = std::mem::take(&mut self.view_changed).then(|| self.view.record(self.set.since));
        let loss = self.loss_to_keep.take();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let forget_through = self.written;
        self.outputs.push(Output::Persist(Persist { ticket, view, loss, heights, proposals, forget_through }));
        if C::SENDS_BEFORE_IT_IS_DURABLE {
            self.leave(messages);
        } else {
            self.unsaid.push_back((ticket, messages));
        }
    }

    fn persisted(&mut self, ticket: u64) {
        while let Some((_, messages)) = self.unsaid.pop_front_if(|(waiting, _)| *waiting <= ticket) {
            self.leave(messages);
        }
    }

    /// Sends messages, and takes them in as everybody else does.
    fn leave(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.outputs.push(Output::Broadcast(message.clone()));
            self.note_sent(&message);
            self.take_in(message);
        }
    }

    fn note_sent(&mut self, message: &Message) {
        let Some(slot) = message.height().and_then(|height| self.slots.get_mut(&height)) else { return };
        match message {
            Message::PrePrepare(vote) => slot.sent.pre_prepare = Some(vote.clone()),
            Message::Prepare(vote) => slot.sent.prepare = Some(vote.clone()),
            Message::Commit(vote) => slot.sent.commit = Some(vote.clone()),
            Message::Checkpoint(checkpoint) => slot.sent.checkpoint = Some(checkpoint.clone()),
            Message::ViewChange(_) | Message::NewView(_) => {}
        }
    }

    /// A message from a peer: looked at as far as its epoch, height and view, then verified and taken in.
    fn hear(&mut self, from: PublicKey, message: Message) {
        let height = match &message {
            Message::ViewChange(change) => change.certified.as_ref().map(|certified| certified.height + 1),
            message => message.height(),
        };
        let old = message.epoch() < self.set.since || height.is_some_and(|height| height <= self.certified);
        if old {
            if self.timers.may_reply(from, self.now, self.options.view_timeout_ms) {
                self.outputs.push(Output::Behind { peer: from });
            }
            // A view is wanted by those behind too.
            if message.epoch() < self.set.since || message.height().is_some() {
                return;
            }
        }
        let unknown = self.me.is_none() || message.epoch() != self.set.since || Some(message.member()) == self.me;
        if unknown || message.height().is_some_and(|height| !self.in_window(height)) {
            return;
        }
        self.help_to_this_view(from, &message);
        match self.verify(&message) {
            Ok(true) => self.take_in(message),
            Ok(false) => {}
            Err(error) => self.outputs.push(Output::Report(Report::BadMessage { from, error })),
        }
    }

    /// Whether a message says anything new; an error where it is not its member's.
    fn verify(&mut self, message: &Message) -> Result<bool, crate::MessageError> {
        match message {
            Message::PrePrepare(vote) => self.verify_pre_prepare(vote),
            Message::Prepare(vote) | Message::Commit(vote) => self.verify_vote(message, vote),
            Message::Checkpoint(checkpoint) => self.verify_checkpoint(checkpoint),
            Message::ViewChange(change) => self.verify_view_change(change),
            Message::NewView(new) => self.verify_new_view(new),
        }
    }

    /// A message that is believed.
    fn take_in(&mut self, message: Message) {
        match message {
            Message::PrePrepare(vote) => self.pre_prepare(&vote),
            Message::Prepare(vote) => self.prepare(&vote),
            Message::Commit(vote) => self.commit(&vote),
            Message::Checkpoint(checkpoint) => self.checkpoint(&checkpoint),
            Message::ViewChange(change) => self.view_change(change),
            Message::NewView(new) => self.new_view(new),
        }
    }

    fn equivocation(&mut self, member: u16, height: BlockNumber) {
        if let Some(member) = self.set.key(member) {
            self.outputs.push(Output::Report(Report::Equivocation { member, height }));
        }
    }

    /// Does all that has become possible, from the lowest height up.
    fn advance(&mut self) {
        let heights: Vec<BlockNumber> = self.slots.keys().copied().collect();
        for height in heights {
            self.try_prepared(height);
            self.try_prepare(height);
            self.try_commit(height);
            self.try_execute(height);
            self.try_checkpoint(height);
            self.try_certify(height);
        }
        self.try_propose();
    }
}

impl<C: Conduct> Engine for Pbft<C> {
    fn step(&mut self, now: Instant, input: Input) -> Vec<Output> {
        if self.halted {
            return Vec::new();
        }
        self.now = now;
        match input {
            Input::Tick => self.tick(),
            Input::TransactionsWait => self.transactions_wait = true,
            Input::NothingWaits => self.transactions_wait = false,
            Input::BlockDue { height } => self.due = height,
            Input::Proposed { height, digest, .. } => self.proposed(height, digest),
            Input::NothingToPropose { height } => self.nothing_to_propose(height),
            Input::Judged { height, digest, refused } => self.judged(height, digest, refused),
            Input::Held { height, digest } => self.held(height, digest),
            Input::Executed { height, header, sealers } => self.executed(height, header, sealers),
            Input::Persisted { ticket } => self.persisted(ticket),
            Input::Written { height } => self.written = self.written.max(height),
            Input::Message { from, message } => self.hear(from, message),
            Input::PromisedThrough { height } => self.promised_through(height),
            Input::Fetched { digest, certified } => self.fetched(digest, certified),
        }
        self.advance();
        self.set_timers();
        std::mem::take(&mut self.outputs)
    }

    fn position(&self) -> Position {
        let next = self.certified + 1;
        Position {
            certified: self.certified,
            epoch: self.set.since,
            view: self.view.number,
            active: self.view.active,
            timeout_ms: self.timeout_ms(),
            proposer: self.view.active.then(|| self.set.key(self.proposer(next))).flatten(),
            loss: self.loss,
        }
    }
}
