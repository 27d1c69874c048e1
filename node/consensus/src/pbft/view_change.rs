//! View changes: the paper's section 4.4.

use std::{collections::BTreeMap, sync::Arc};

use entente_crypto::Domain;
use entente_types::{BlockNumber, Hash, PublicKey, Version};

use super::{
    Conduct, LOOKAHEAD_HEIGHTS, Pbft,
    slot::{Origin, Standing},
};
use crate::{Ballot, Message, MessageError, NewView, Output, Prepared, Report, SealerSet, ViewChange, ViewRecord};

/// Where this member is among the views.
#[derive(Debug)]
pub(super) struct View {
    pub(super) number: u64,
    /// Whether it has begun; else it is only wanted.
    pub(super) active: bool,
    /// The height above which it began: the paper's `min-s`.
    pub(super) base: BlockNumber,
    /// Who takes turns while those who missed the beginning are not waited for; empty in view 0.
    pub(super) rotation: Vec<u16>,
    /// The last height that it began with a digest for: the paper's `max-s`.
    pub(super) settled_through: BlockNumber,
    /// What it began with.
    pub(super) began_with: Option<NewView>,
    /// The VIEW-CHANGE of each member's highest view.
    pub(super) changes: BTreeMap<u16, ViewChange>,
    /// This member's own, once it has left.
    pub(super) wish: Option<ViewChange>,
    /// Whether this member made one for this view.
    pub(super) wished: bool,
    /// Since when a quorum wants this view.
    pub(super) quorum_since: Option<u64>,
    /// Whether this member, its leader, has begun it.
    announced: bool,
}

impl View {
    /// View 0 of an epoch, which begins by itself.
    pub(super) fn first(set: &SealerSet) -> Self {
        let base = set.since.saturating_sub(1);
        Self {
            number: 0,
            active: true,
            base,
            rotation: Vec::new(),
            settled_through: base,
            began_with: None,
            changes: BTreeMap::new(),
            wish: None,
            wished: false,
            quorum_since: None,
            announced: false,
        }
    }

    /// Leaves the view for a higher one.
    pub(super) fn want(&mut self, number: u64) {
        self.number = number;
        self.active = false;
        self.began_with = None;
        (self.wish, self.wished, self.quorum_since, self.announced) = (None, false, None, false);
        self.changes.retain(|_, change| change.view >= number);
    }

    pub(super) fn record(&self, epoch: BlockNumber) -> ViewRecord {
        ViewRecord { version: Version, epoch, view: self.number, new_view: self.began_with.clone() }
    }

    /// The weight of those who want a view for which this holds.
    fn weight(&self, set: &SealerSet, holds: impl Fn(u64) -> bool) -> u64 {
        self.changes.values().filter(|change| holds(change.view)).map(|change| set.weight(change.member)).sum()
    }
}

/// What a view begins with: the paper's `min-s`, and the digests for the heights above it, its `O`.
///
/// "The primary creates a new pre-prepare message for view v + 1 for each sequence number between min-s and max-s", with
/// the digest prepared in the highest view. No height that may be committed lies above a gap, since each member votes to
/// commit from the lowest height up.
fn beginning(set: &SealerSet, changes: &[ViewChange]) -> (BlockNumber, Vec<(BlockNumber, Hash)>) {
    let heights = changes.iter().filter_map(|change| change.certified.as_ref()).map(|certified| certified.height);
    let base = heights.max().unwrap_or_else(|| set.since.saturating_sub(1));
    let mut highest: BTreeMap<BlockNumber, Ballot> = BTreeMap::new();
    for Prepared { ballot, .. } in changes.iter().flat_map(|change| &change.prepared) {
        let known = highest.entry(ballot.height).or_insert(*ballot);
        if ballot.view > known.view {
            *known = *ballot;
        }
    }
    let chosen = (base + 1..).map_while(|height| highest.get(&height)).map(|ballot| (ballot.height, ballot.digest));
    (base, chosen.collect())
}

impl<C: Conduct> Pbft<C> {
    /// "If the timer of backup i expires in view v, the backup starts a view change to move the system to view v + 1. It
    /// stops accepting messages (other than checkpoint, view-change, and new-view messages)"; COMMIT is taken in too,
    /// since what a quorum committed is so in every view.
    pub(super) fn start_view_change(&mut self, number: u64) {
        if number <= self.view.number {
            return;
        }
        self.view.want(number);
        self.view_changed = true;
        self.timers.view_failed();
        self.outputs.push(Output::Report(Report::ViewChangeStarted { view: number }));
        self.make_wish();
    }

    /// Makes the VIEW-CHANGE for the view that is wanted, with the stable certificate and what was prepared above it.
    pub(super) fn make_wish(&mut self) {
        let Some(member) = self.me else { return };
        let above = self.window().map_while(|height| self.slots.get(&height)?.record.prepared.clone());
        let prepared = if C::FORGETS_WHAT_WAS_PREPARED { Vec::new() } else { above.collect() };
        let change = self.identity.sign_view_change(ViewChange {
            epoch: self.set.since,
            view: self.view.number,
            certified: self.tip.clone(),
            prepared,
            member,
            signature: self.identity.no_signature(),
        });
        self.view.wished = true;
        self.say(vec![Message::ViewChange(change)], Vec::new());
    }

    /// The heights that a member may show as prepared. One that is behind sees others prepare above its own pipeline, and
    /// must forget nothing of it, since it may have voted to commit it.
    const fn shown_max(&self) -> u64 {
        self.options.depth + LOOKAHEAD_HEIGHTS
    }

    pub(super) fn verify_view_change(&mut self, change: &ViewChange) -> Result<bool, MessageError> {
        let View { number, active, .. } = self.view;
        let late = change.view < number || (change.view == number && active);
        let known = self.view.changes.get(&change.member).is_some_and(|known| known.view >= change.view);
        if late || known {
            return Ok(false);
        }
        if change.prepared.len() as u64 > self.shown_max() {
            return Err(MessageError::Prepared);
        }
        self.identity.verify_view_change(&self.set, change).map(|()| true)
    }

    /// A VIEW-CHANGE.
    pub(super) fn view_change(&mut self, change: ViewChange) {
        if change.epoch != self.set.since || change.view < self.view.number {
            return;
        }
        if Some(change.member) == self.me {
            self.view.wish = Some(change.clone());
        }
        self.view.changes.insert(change.member, change);
        self.join_a_view();
        let (number, set) = (self.view.number, Arc::clone(&self.set));
        // Who wants a higher view wanted this one before, and says so no more.
        if self.view.active || self.view.weight(&set, |view| view >= number) < set.quorum() {
            return;
        }
        self.view.quorum_since.get_or_insert(self.now);
        if self.view.weight(&set, |view| view == number) < set.quorum() {
            return;
        }
        let leads = self.me == Some(set.turn(number));
        if leads && !std::mem::replace(&mut self.view.announced, true) {
            let changes = self.view.changes.values().filter(|change| change.view == number).cloned().collect();
            let new_view = self.identity.sign_new_view(NewView {
                epoch: set.since,
                view: number,
                changes,
                member: set.turn(number),
                signature: self.identity.no_signature(),
            });
            self.say(vec![Message::NewView(new_view)], Vec::new());
        }
    }

    /// "If a replica receives a set of f + 1 valid view-change messages from other replicas for views greater than its
    /// current view, it sends a view-change message for the smallest view in the set" (section 4.5.2). Here: for the
    /// highest view that so much weight wants or goes beyond.
    fn join_a_view(&mut self) {
        let mut views: Vec<u64> = self.view.changes.values().map(|change| change.view).collect();
        views.sort_unstable();
        let enough = |view: &u64| self.view.weight(&self.set, |wanted| wanted >= *view) > self.set.tolerated();
        if let Some(view) = views.into_iter().rev().find(enough).filter(|view| *view > self.view.number) {
            self.start_view_change(view);
        }
    }

    pub(super) fn verify_new_view(&mut self, new: &NewView) -> Result<bool, MessageError> {
        if new.view < self.view.number || (new.view == self.view.number && self.view.active) || new.view == 0 {
            return Ok(false);
        }
        if new.changes.iter().any(|change| change.prepared.len() as u64 > self.shown_max()) {
            return Err(MessageError::Prepared);
        }
        self.identity.verify_new_view(&self.set, new).map(|()| true)
    }

    /// A NEW-VIEW: the view begins. "It adds these messages to its log" and votes for them as in the normal case.
    pub(super) fn new_view(&mut self, new: NewView) {
        let late = new.view < self.view.number || (new.view == self.view.number && self.view.active);
        if new.epoch != self.set.since || late {
            return;
        }
        let view = new.view;
        self.begin_view(new);
        self.view_changed = true;
        self.outputs.push(Output::Report(Report::ViewBegan { view }));
        self.say(Vec::new(), Vec::new());
    }

    fn begin_view(&mut self, new: NewView) {
        let (base, mut chosen) = beginning(&self.set, &new.changes);
        if C::PROPOSES_ANEW_IN_A_NEW_VIEW {
            chosen.clear();
        }
        let number = new.view;
        let members: Vec<u16> = new.changes.iter().map(|change| change.member).collect();
        let first = members.partition_point(|member| *member < new.member);
        let (before, from_leader) = members.split_at_checked(first).unwrap_or((&members, &[]));
        let rotation = from_leader.iter().chain(before).copied().collect();
        let settled_through = chosen.last().map_or(base, |(height, _)| *height);
        let mut changes = std::mem::take(&mut self.view.changes);
        changes.retain(|_, change| change.view > number);
        let first = View::first(&self.set);
        self.view = View { number, base, rotation, settled_through, began_with: Some(new), changes, ..first };
        let chosen: BTreeMap<BlockNumber, Hash> = chosen.into_iter().collect();
        let mut abandoned = Vec::new();
        for (height, slot) in &mut self.slots {
            let stood = slot.standing.take().map(|standing| standing.digest);
            slot.asked = None;
            let gone = stood.filter(|digest| chosen.get(height) != Some(digest) && slot.committed.is_none());
            abandoned.extend(gone.map(|digest| (*height, digest)));
        }
        for (height, digest) in abandoned {
            self.abandon(height, digest);
        }
        for (height, digest) in chosen {
            if self.in_window(height) {
                self.slot(height).standing = Some(Standing { view: number, digest, origin: Origin::Vouched });
            }
        }
        self.timers.proposing = None;
    }

    /// Takes the view up again that this member was in before it was stopped.
    pub(super) fn resume_view(&mut self, new_view: NewView) {
        self.begin_view(new_view);
        self.outputs.clear();
    }

    /// After a restart: what this member voted for in the view stands again, and is said again.
    pub(super) fn stand_again(&mut self) {
        let view = self.view.number;
        let Some(me) = self.me.filter(|_| self.view.active) else { return };
        let voted: Vec<(BlockNumber, Hash)> = self
            .slots
            .iter()
            .filter_map(|(height, slot)| Some((*height, slot.record.voted.filter(|(voted, _)| *voted == view)?.1)))
            .collect();
        for (height, digest) in voted {
            let ballot = Ballot { epoch: self.set.since, view, height, digest };
            let proposed = height > self.view.settled_through && self.proposer(height) == me;
            let pre_prepare = proposed.then(|| self.identity.vote(me, Domain::PBFT_PRE_PREPARE, ballot));
            let prepare = self.identity.vote(me, Domain::PBFT_PREPARE, ballot);
            let slot = self.slot(height);
            slot.standing = Some(Standing { view, digest, origin: Origin::Vouched });
            slot.prepares.put(&prepare);
            (slot.sent.pre_prepare, slot.sent.prepare) = (pre_prepare, Some(prepare));
        }
    }

    /// Tells a member that is in a view below how this one began.
    pub(super) fn help_to_this_view(&mut self, from: PublicKey, message: &Message) {
        let number = self.view.number;
        let behind = match message {
            Message::ViewChange(change) => change.view <= number,
            message => message.view().is_some_and(|view| view < number),
        };
        let Some(new_view) = self.view.began_with.as_ref().filter(|_| behind) else { return };
        if self.timers.may_help(from, self.now, self.options.view_timeout_ms) {
            self.outputs.push(Output::Send { to: from, message: Message::NewView(new_view.clone()) });
        }
    }
}
