//! What keeps things going: timers, sending again, helping those behind. The paper's section 4.5.2.

use std::collections::BTreeMap;

use entente_types::{BlockNumber, PublicKey};

use super::{Conduct, Pbft};
use crate::{Instant, Message, Output, Report};

/// A view that brings nothing doubles the time that the next one is given, as often as this.
const DOUBLINGS_MAX: u32 = 6;

/// In a view's time, a member that waits says what it said this often again.
const RESENDS_PER_TIMEOUT: u64 = 4;

/// When what is due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// How many views in a row brought nothing.
    failed_views: u32,
    /// The height that is waited for in a view, and since when.
    waiting: Option<(BlockNumber, u64, Instant)>,
    deadline: Option<Instant>,
    resend_at: Option<Instant>,
    pub(super) next_proposal_at: Instant,
    /// The proposal that is being formed.
    pub(super) proposing: Option<(BlockNumber, u64)>,
    replied: BTreeMap<PublicKey, Instant>,
    helped: BTreeMap<PublicKey, Instant>,
    woken_for: Option<Instant>,
    overdue_reported: BlockNumber,
}

fn once_per(log: &mut BTreeMap<PublicKey, Instant>, peer: PublicKey, now: Instant, interval: u64) -> bool {
    log.retain(|_, last| last.saturating_add(interval) > now);
    log.insert(peer, now).is_none()
}

impl Timers {
    /// A height was committed: the next views are given the usual time again.
    pub(super) const fn progress(&mut self) {
        self.failed_views = 0;
        self.waiting = None;
    }

    pub(super) const fn view_failed(&mut self) {
        self.failed_views = self.failed_views.saturating_add(1);
        self.waiting = None;
    }

    pub(super) fn restart(&mut self) {
        *self = Self { next_proposal_at: self.next_proposal_at, ..Self::default() };
    }

    /// Whether this peer may be told again how far things are.
    pub(super) fn may_reply(&mut self, peer: PublicKey, now: Instant, view_timeout_ms: u64) -> bool {
        once_per(&mut self.replied, peer, now, view_timeout_ms / RESENDS_PER_TIMEOUT)
    }

    /// Whether this peer may be sent the view's beginning again.
    pub(super) fn may_help(&mut self, peer: PublicKey, now: Instant, view_timeout_ms: u64) -> bool {
        once_per(&mut self.helped, peer, now, view_timeout_ms / RESENDS_PER_TIMEOUT)
    }
}

impl<C: Conduct> Pbft<C> {
    /// How long a view may bring nothing.
    pub(super) fn timeout_ms(&self) -> u64 {
        self.doubled(self.timers.failed_views)
    }

    /// How long the beginning of a view is waited for: T for the first view after one that brought something, and "if
    /// the timer expires before it receives a valid new-view message, it starts the view change for view v + 2 but this
    /// time it will wait 2T".
    fn beginning_timeout_ms(&self) -> u64 {
        self.doubled(self.timers.failed_views.saturating_sub(1))
    }

    fn doubled(&self, times: u32) -> u64 {
        self.options.view_timeout_ms.saturating_mul(1 << times.min(DOUBLINGS_MAX))
    }

    /// Whether this member has executed the next height, and somebody who wants another view will not sign it in this
    /// one: it may lack votes for it that only that view brings.
    fn lacks_one_who_left(&self) -> bool {
        let next = self.slots.get(&(self.certified + 1));
        let executed = next.is_some_and(|slot| slot.executed.is_some() && slot.certificate.is_none());
        executed && self.view.changes.values().any(|change| change.view > self.view.number)
    }

    /// The height that is being waited for, if any is.
    fn awaited(&self) -> Option<BlockNumber> {
        if self.lacks_one_who_left() {
            return Some(self.certified + 1);
        }
        let ordered = |height: &BlockNumber| self.slots.get(height).is_some_and(|slot| slot.committed.is_some());
        let height = self.window().find(|height| !ordered(height))?;
        let begun = self.slots.get(&height).is_some_and(|slot| {
            slot.standing.is_some()
                || slot.prepares.ballots().next().is_some()
                || slot.commits.ballots().next().is_some()
        });
        ((begun || self.is_wanted(height)) && self.may_prepare(height)).then_some(height)
    }

    /// Sets the timers by what is being waited for, and asks to be woken.
    pub(super) fn set_timers(&mut self) {
        if self.me.is_none() || self.halted {
            return;
        }
        let now = self.now;
        let awaited = self.awaited();
        self.timers.deadline = if self.view.active {
            let started = awaited.map(|height| match self.timers.waiting {
                Some((waiting, view, since)) if waiting == height && view == self.view.number => (height, view, since),
                _ => (height, self.view.number, now),
            });
            self.timers.waiting = started;
            started.map(|(_, _, since)| since.saturating_add(self.timeout_ms()))
        } else {
            self.view.quorum_since.map(|since| since.saturating_add(self.beginning_timeout_ms()))
        };
        let busy = !self.view.active || !self.slots.is_empty() || awaited.is_some();
        let interval = (self.options.view_timeout_ms / RESENDS_PER_TIMEOUT).max(1);
        self.timers.resend_at = busy.then(|| self.timers.resend_at.unwrap_or(now + interval));
        let height = self.next_to_propose();
        let proposes = self.is_wanted(height) && self.view.active && Some(self.proposer(height)) == self.me;
        let proposal_at = Some(self.timers.next_proposal_at).filter(|at| proposes && *at > now);
        let next = [self.timers.deadline, self.timers.resend_at, proposal_at].into_iter().flatten().min();
        if let Some(time) = next.filter(|time| self.timers.woken_for != Some(*time)) {
            self.outputs.push(Output::WakeAt(time));
        }
        self.timers.woken_for = next;
    }

    pub(super) fn tick(&mut self) {
        self.timers.woken_for = None;
        if self.me.is_none() {
            return;
        }
        if !self.view.active && !self.view.wished {
            self.make_wish();
        }
        if self.timers.resend_at.is_some_and(|at| at <= self.now) {
            self.timers.resend_at = None;
            self.resend();
        }
        if self.timers.deadline.is_some_and(|at| at <= self.now) {
            self.start_view_change(self.view.number + 1);
        }
        self.report_overdue();
    }

    /// Says again what it said and what has come to nothing yet: messages are lost.
    fn resend(&mut self) {
        let view = self.view.number;
        let of_view = |vote: &&crate::Vote| vote.ballot.view == view;
        let mut messages = Vec::new();
        for slot in self.slots.values() {
            let sent = &slot.sent;
            if self.view.active {
                messages.extend(sent.pre_prepare.as_ref().filter(of_view).cloned().map(Message::PrePrepare));
                messages.extend(sent.prepare.as_ref().filter(of_view).cloned().map(Message::Prepare));
            }
            messages.extend(sent.commit.clone().map(Message::Commit));
            messages.extend(sent.checkpoint.clone().map(Message::Checkpoint));
        }
        if !self.view.active {
            messages.extend(self.view.wish.clone().map(Message::ViewChange));
        }
        self.outputs.extend(messages.into_iter().map(Output::Broadcast));
    }

    fn report_overdue(&mut self) {
        let limit = self.options.certificate_timeout_ms;
        let height = self.certified + 1;
        let overdue = self.slots.get(&height).is_some_and(|slot| {
            slot.executed.is_some() && slot.certificate.is_none() && self.now >= slot.executed_at.saturating_add(limit)
        });
        if overdue && self.timers.overdue_reported < height {
            self.timers.overdue_reported = height;
            self.outputs.push(Output::Report(Report::CertificateOverdue { height }));
        }
    }
}
