//! Normal-case operation: the paper's section 4.2, PRE-PREPARE, PREPARE and COMMIT.

use entente_crypto::Domain;
use entente_types::{BlockNumber, Hash};

use super::{
    Conduct, PROBATION_HEIGHTS, Pbft,
    slot::{Counted, Origin, Standing},
};
use crate::{Ballot, Message, MessageError, Output, Prepared, Report, Vote};

impl<C: Conduct> Pbft<C> {
    /// Who proposes a height in this view: the paper's primary, which here changes with each height.
    pub(super) fn proposer(&self, height: BlockNumber) -> u16 {
        let view = &self.view;
        match height.checked_sub(view.base + 1) {
            Some(turn) if turn < PROBATION_HEIGHTS && !view.rotation.is_empty() => {
                let place = (turn % view.rotation.len() as u64) as usize;
                view.rotation.get(place).copied().unwrap_or(0)
            }
            _ => self.set.turn(view.number.wrapping_add(height)),
        }
    }

    /// Whether this height may be prepared: what precedes it is prepared or committed, what is `depth` below is certified
    /// and known on disk, and its sealers are those of all that is in flight.
    pub(super) fn may_prepare(&self, height: BlockNumber) -> bool {
        let depth = self.options.depth;
        let near = height <= self.certified + depth && height <= self.written + depth + 1;
        let same_sealers = self.set_of(height).is_some_and(|set| set.since == self.set.since);
        near && same_sealers && self.parent_stands(height)
    }

    /// Whether this member holds the prepared certificate of the height below, for the digest that stands there.
    fn parent_stands(&self, height: BlockNumber) -> bool {
        if height == self.certified + 1 {
            return true;
        }
        let Some(below) = height.checked_sub(1).and_then(|below| self.slots.get(&below)) else { return false };
        let prepared = below.record.prepared.as_ref().map(|prepared| prepared.ballot.digest);
        let standing = below.standing.filter(|standing| standing.view == self.view.number);
        below.committed.is_some() || (prepared.is_some() && prepared == standing.map(|standing| standing.digest))
    }

    /// The digest of the proposal below, where it is in flight and held; an error where it is not held yet.
    fn parent_held(&self, height: BlockNumber) -> Result<Option<Hash>, ()> {
        let below = height.saturating_sub(1);
        if below == self.certified {
            return Ok(None);
        }
        let slot = self.slots.get(&below).ok_or(())?;
        slot.prepared_digest().filter(|digest| slot.held.contains(digest)).map(Some).ok_or(())
    }

    fn ballot(&self, height: BlockNumber, digest: Hash) -> Ballot {
        Ballot { epoch: self.set.since, view: self.view.number, height, digest }
    }

    /// The lowest height above the certified one where nothing stands in this view.
    pub(super) fn next_to_propose(&self) -> BlockNumber {
        let stands = |height: &BlockNumber| {
            self.slots.get(height).is_some_and(|slot| {
                slot.committed.is_some() || slot.standing.is_some_and(|standing| standing.view == self.view.number)
            })
        };
        self.window().find(|height| !stands(height)).unwrap_or(BlockNumber::MAX)
    }

    /// Whether there is a reason to propose a height: transactions wait, or a block is due there and nothing is in flight
    /// below.
    pub(super) fn is_wanted(&self, height: BlockNumber) -> bool {
        self.transactions_wait || (self.due == height && height == self.certified + 1)
    }

    /// "When the primary receives a client request it starts a three-phase protocol."
    pub(super) fn try_propose(&mut self) {
        let height = self.next_to_propose();
        let mine = self.me.is_some_and(|me| self.view.active && self.proposer(height) == me);
        let view = self.view.number;
        let voted = self.slots.get(&height).and_then(|slot| slot.record.voted);
        let free = self.timers.proposing != Some((height, view)) && voted.is_none_or(|(voted, _)| voted < view);
        if !mine || !free || !self.is_wanted(height) || !self.may_prepare(height) {
            return;
        }
        if self.timers.next_proposal_at > self.now {
            return;
        }
        let Ok(parent) = self.parent_held(height) else { return };
        self.timers.next_proposal_at = self.now + self.options.interval_ms_min;
        self.timers.proposing = Some((height, view));
        self.transactions_wait = false;
        self.outputs.push(Output::Propose { height, parent, view });
    }

    pub(super) fn nothing_to_propose(&mut self, height: BlockNumber) {
        if self.timers.proposing.is_some_and(|(proposing, _)| proposing == height) {
            self.timers.proposing = None;
        }
    }

    /// The proposal was formed: PRE-PREPARE and PREPARE leave once the vote is on disk, with the proposal.
    pub(super) fn proposed(&mut self, height: BlockNumber, digest: Hash) {
        let view = self.view.number;
        let asked = self.timers.proposing.take() == Some((height, view));
        let (true, true, Some(me)) = (asked, self.view.active, self.me) else {
            self.outputs.push(Output::Abandon { height, digest });
            return;
        };
        let ballot = self.ballot(height, digest);
        let slot = self.slot(height);
        slot.standing = Some(Standing { view, digest, origin: Origin::Proposed });
        slot.held.insert(digest);
        slot.valid = Some(digest);
        slot.record.voted = Some((view, digest));
        slot.changed = true;
        let pre_prepare = Message::PrePrepare(self.identity.vote(me, Domain::PBFT_PRE_PREPARE, ballot));
        let prepare = Message::Prepare(self.identity.vote(me, Domain::PBFT_PREPARE, ballot));
        self.say(vec![pre_prepare, prepare], Self::bodies(height, digest));
    }

    /// "A backup accepts a pre-prepare message provided": the signature, the view, no other digest there, and the height
    /// between the water marks.
    pub(super) fn verify_pre_prepare(&mut self, vote: &Vote) -> Result<bool, MessageError> {
        let Ballot { view, height, digest, .. } = vote.ballot;
        let of_view = self.view.active && view == self.view.number && height > self.view.settled_through;
        if !of_view || vote.member != self.proposer(height) {
            return Ok(false);
        }
        let standing = self.slot(height).standing.filter(|standing| standing.view == view);
        if standing.is_some_and(|standing| standing.digest == digest) {
            return Ok(false);
        }
        self.identity.verify_vote(&self.set, Domain::PBFT_PRE_PREPARE, vote)?;
        if standing.is_some() {
            self.equivocation(vote.member, height);
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn pre_prepare(&mut self, vote: &Vote) {
        let Ballot { view, height, digest, .. } = vote.ballot;
        if self.in_window(height) && self.view.active && view == self.view.number {
            let slot = self.slot(height);
            if slot.standing.is_none_or(|standing| standing.view < view) {
                slot.standing = Some(Standing { view, digest, origin: Origin::Proposed });
            }
        }
    }

    pub(super) fn verify_vote(&mut self, message: &Message, vote: &Vote) -> Result<bool, MessageError> {
        let height = vote.ballot.height;
        let slot = self.slots.entry(height).or_default();
        let (kind, votes) = match message {
            Message::Prepare(_) => (Domain::PBFT_PREPARE, &mut slot.prepares),
            _ => (Domain::PBFT_COMMIT, &mut slot.commits),
        };
        let counted = votes.judge(vote);
        if counted == Counted::Old {
            if C::COUNTS_A_SIGNER_TWICE {
                votes.put_again(vote);
                return Ok(true);
            }
            return Ok(false);
        }
        self.identity.verify_vote(&self.set, kind, vote)?;
        if counted == Counted::Equivocation {
            self.equivocation(vote.member, height);
        }
        Ok(counted == Counted::New)
    }

    /// A PREPARE.
    pub(super) fn prepare(&mut self, vote: &Vote) {
        if self.in_window(vote.ballot.height) {
            let slot = self.slot(vote.ballot.height);
            if slot.prepares.judge(vote) == Counted::New {
                slot.prepares.put(vote);
            }
        }
    }

    /// "prepared(m, v, n, i) is true if and only if" a quorum says the same of this height and view. Votes of views that
    /// this member is not in yet wait until it is.
    pub(super) fn try_prepared(&mut self, height: BlockNumber) {
        let (view, active) = (self.view.number, self.view.active);
        let Some(slot) = self.slots.get_mut(&height) else { return };
        let known = slot.record.prepared.as_ref().map(|prepared| prepared.ballot.view);
        let new = slot.prepares.ballots().rfind(|ballot| {
            let higher = ballot.view <= view && known.is_none_or(|known| known < ballot.view);
            higher && slot.prepares.weight(&self.set, ballot, C::COUNTS_A_SIGNER_TWICE) >= self.set.quorum()
        });
        if let Some(ballot) = new {
            slot.record.prepared = Some(Prepared { ballot, certificate: slot.prepares.certificate(&ballot) });
            slot.changed = true;
        }
        // A quorum vouches for the digest: it stands, whether or not the PRE-PREPARE came, and whatever this member voted.
        let prepared = slot.record.prepared.as_ref().map(|prepared| prepared.ballot);
        let prepared = prepared.filter(|ballot| ballot.view == view).map(|ballot| ballot.digest);
        let Some(digest) = slot.committed.or(prepared).filter(|_| active) else { return };
        let stood = slot.standing.filter(|standing| standing.view == view).map(|standing| standing.digest);
        if stood != Some(digest) {
            slot.standing = Some(Standing { view, digest, origin: Origin::Vouched });
            if let Some(stood) = stood {
                self.abandon(height, stood);
            }
        }
    }

    /// A digest does not stand at a height any more.
    pub(super) fn abandon(&mut self, height: BlockNumber, digest: Hash) {
        let slot = self.slot(height);
        slot.held.remove(&digest);
        slot.fetching.remove(&digest);
        slot.valid = slot.valid.filter(|valid| *valid != digest);
        self.outputs.push(Output::Abandon { height, digest });
    }

    /// Has the proposal that stands judged or fetched, and votes for it: the paper's PREPARE.
    pub(super) fn try_prepare(&mut self, height: BlockNumber) {
        let view = self.view.number;
        let Some(me) = self.me.filter(|_| self.view.active) else { return };
        if !self.may_prepare(height) {
            return;
        }
        let Some(slot) = self.slots.get_mut(&height) else { return };
        let Some(standing) = slot.standing.filter(|standing| standing.view == view) else { return };
        let digest = standing.digest;
        match standing.origin {
            Origin::Proposed if slot.valid != Some(digest) => self.ask_to_judge(height, digest),
            Origin::Vouched if !slot.held.contains(&digest) => self.ask_to_hold(height, digest),
            _ if slot.record.voted.is_none_or(|(voted, _)| voted < view) => {
                slot.record.voted = Some((view, digest));
                slot.changed = true;
                let vote = self.identity.vote(me, Domain::PBFT_PREPARE, self.ballot(height, digest));
                self.say(vec![Message::Prepare(vote)], Self::bodies(height, digest));
            }
            _ => {}
        }
    }

    fn ask_to_judge(&mut self, height: BlockNumber, digest: Hash) {
        let view = self.view.number;
        let Some(proposer) = self.set.key(self.proposer(height)) else { return };
        let below = height.saturating_sub(1);
        let parent = self.slots.get(&below).filter(|_| below > self.certified).and_then(super::Slot::prepared_digest);
        let slot = self.slot(height);
        if slot.asked != Some((view, digest)) {
            slot.asked = Some((view, digest));
            self.outputs.push(Output::Judge { height, digest, parent, view, proposer });
        }
    }

    pub(super) fn ask_to_hold(&mut self, height: BlockNumber, digest: Hash) {
        let slot = self.slot(height);
        if slot.fetching.insert(digest) {
            self.outputs.push(Output::Hold { height, digest });
        }
    }

    pub(super) fn judged(&mut self, height: BlockNumber, digest: Hash, refused: Option<&'static str>) {
        let view = self.view.number;
        let Some(slot) = self.slots.get_mut(&height) else { return };
        let Some(why) = refused else {
            slot.valid = Some(digest);
            slot.held.insert(digest);
            return;
        };
        // Whoever proposes what no honest member proposes is not waited for.
        let stands = Standing { view, digest, origin: Origin::Proposed };
        if self.view.active && slot.standing == Some(stands) {
            if let Some(proposer) = self.set.key(self.proposer(height)) {
                self.outputs.push(Output::Report(Report::BadProposal { proposer, height, why }));
            }
            self.start_view_change(view + 1);
        }
    }

    pub(super) fn held(&mut self, height: BlockNumber, digest: Hash) {
        if let Some(slot) = self.slots.get_mut(&height).filter(|slot| slot.fetching.contains(&digest)) {
            slot.held.insert(digest);
        }
    }

    /// "When prepared becomes true, the replica multicasts a COMMIT": here once the certificate, the proposal and its
    /// transactions are on disk, and never above a height that it has not voted to commit in this view. So its VIEW-CHANGE
    /// shows the certificate of whatever it voted to commit: none lies above a gap.
    pub(super) fn try_commit(&mut self, height: BlockNumber) {
        let view = self.view.number;
        let Some(me) = self.me.filter(|_| self.view.active) else { return };
        let lowest = height == self.certified + 1 || self.commit_voted(height.saturating_sub(1));
        let Some(slot) = self.slots.get_mut(&height) else { return };
        let Some(ballot) = slot.record.prepared.as_ref().map(|prepared| prepared.ballot) else { return };
        // One that has executed it votes in later views too: others may lack votes for it.
        let voted = slot.commit_voted == Some((view, ballot.digest));
        if ballot.view != view || ballot.epoch != self.set.since || voted {
            return;
        }
        if !slot.held.contains(&ballot.digest) {
            return self.ask_to_hold(height, ballot.digest);
        }
        if !lowest {
            return;
        }
        slot.commit_voted = Some((view, ballot.digest));
        slot.changed = true;
        let vote = self.identity.vote(me, Domain::PBFT_COMMIT, ballot);
        self.say(vec![Message::Commit(vote)], Self::bodies(height, ballot.digest));
    }

    /// Whether this member voted in this view to commit a height.
    fn commit_voted(&self, height: BlockNumber) -> bool {
        let voted = self.slots.get(&height).and_then(|slot| slot.commit_voted);
        voted.is_some_and(|(view, _)| view == self.view.number)
    }

    /// What must be on disk with a vote: a prepared certificate that outlives a loss of power everywhere is proposed
    /// again by every later view, and must not be of something that nobody has any more.
    fn bodies(height: BlockNumber, digest: Hash) -> Vec<(BlockNumber, Hash)> {
        if C::VOTES_WITHOUT_BODIES { Vec::new() } else { vec![(height, digest)] }
    }

    /// A COMMIT: "committed-local" once a quorum says so. It holds whatever view this member is in.
    pub(super) fn commit(&mut self, vote: &Vote) {
        let ballot = vote.ballot;
        if !self.in_window(ballot.height) {
            return;
        }
        let set = std::sync::Arc::clone(&self.set);
        let slot = self.slot(ballot.height);
        if slot.commits.judge(vote) == Counted::New {
            slot.commits.put(vote);
        }
        let short = u64::from(C::COMMITS_SHORT_OF_A_QUORUM);
        let weight = slot.commits.weight(&set, &ballot, C::COUNTS_A_SIGNER_TWICE);
        if slot.committed.is_none() && weight >= set.quorum().saturating_sub(short) {
            slot.committed = Some(ballot.digest);
            self.timers.progress();
        }
    }
}
