//! Execution, and certificates over what it came to: the paper's section 4.3, with a checkpoint at every height.

use std::sync::Arc;

use entente_types::{BlockNumber, Hash};

use super::{
    Conduct, Pbft,
    slot::{Counted, Slot},
    view_change::View,
};
use crate::{Certified, Checkpoint, ConsensusFault, Message, MessageError, Output, SealerSet};

impl<C: Conduct> Pbft<C> {
    /// "Each replica executes the operation after committed-local is true and its state reflects the execution of all
    /// requests with lower sequence numbers" (section 4.2).
    pub(super) fn try_execute(&mut self, height: BlockNumber) {
        let below = height.saturating_sub(1);
        let parent_ran = below == self.certified || self.slots.get(&below).is_some_and(|slot| slot.executed.is_some());
        let Some(slot) = self.slots.get_mut(&height).filter(|slot| !slot.executing && slot.executed.is_none()) else {
            return;
        };
        let Some(digest) = slot.committed else { return };
        if !slot.held.contains(&digest) {
            return self.ask_to_hold(height, digest);
        }
        if parent_ran {
            slot.executing = true;
            self.outputs.push(Output::Execute { height, digest });
        }
    }

    pub(super) fn executed(&mut self, height: BlockNumber, header: Hash, sealers: Arc<SealerSet>) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(&height).filter(|slot| slot.executing) else { return };
        slot.executing = false;
        (slot.executed, slot.executed_at) = (Some(header), now);
        let since = if C::CHANGES_MEMBERS_TOO_EARLY { sealers.since.saturating_sub(1) } else { sealers.since };
        let sealers =
            if since == sealers.since { sealers } else { Arc::new(SealerSet { since, ..(*sealers).clone() }) };
        self.sets.insert(since, sealers);
        self.known_through = self.known_through.max(height.saturating_add(self.options.depth));
    }

    /// Signs the header that the height came to, once that promise is on disk.
    pub(super) fn try_checkpoint(&mut self, height: BlockNumber) {
        let ruled = self.set_of(height).is_some_and(|set| set.since == self.set.since);
        let Some(me) = self.me.filter(|_| ruled) else { return };
        let Some(slot) = self.slots.get_mut(&height).filter(|slot| !slot.checkpoint_made) else { return };
        let Some(header) = slot.executed else { return };
        if let Some(signed) = slot.record.signed.filter(|signed| *signed != header) {
            return self.halt(ConsensusFault::Signed { height, found: header, signed });
        }
        slot.checkpoint_made = true;
        slot.record.signed = Some(header);
        slot.changed = true;
        let checkpoint = self.identity.checkpoint(me, self.set.since, height, header);
        self.say(vec![Message::Checkpoint(checkpoint)], Vec::new());
    }

    pub(super) fn verify_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<bool, MessageError> {
        let counted = self.slot(checkpoint.height).checkpoints.judge(checkpoint);
        if counted == Counted::Old {
            return Ok(false);
        }
        self.identity.verify_checkpoint(&self.set, checkpoint)?;
        if counted == Counted::Equivocation {
            self.equivocation(checkpoint.member, checkpoint.height);
        }
        Ok(counted == Counted::New)
    }

    /// A CHECKPOINT: the signatures of a quorum on one header are its certificate, "the stable certificate".
    pub(super) fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        if !self.in_window(checkpoint.height) {
            return;
        }
        let set = Arc::clone(&self.set);
        let slot = self.slot(checkpoint.height);
        slot.checkpoints.put(checkpoint);
        if slot.certificate.is_none() {
            slot.certificate = slot.checkpoints.certified(&set);
        }
    }

    /// A whole block from a peer: its certificate says that it was committed.
    pub(super) fn fetched(&mut self, digest: Hash, certified: Certified) {
        let height = certified.height;
        let Some(set) = self.set_of(height).map(Arc::clone).filter(|_| self.in_window(height)) else { return };
        if self.identity.verify_certified(&set, &certified).is_err() {
            return self.outputs.push(Output::BadBlock { height });
        }
        let slot = self.slot(height);
        if slot.committed.is_none_or(|committed| committed == digest) {
            slot.committed = Some(digest);
            slot.held.insert(digest);
            slot.certificate.get_or_insert((certified.header, certified.certificate));
            self.timers.progress();
        }
    }

    /// Certifies the next height: its block can be written. The low water mark rises.
    pub(super) fn try_certify(&mut self, height: BlockNumber) {
        if height != self.certified + 1 {
            return;
        }
        let Some(Slot { executed: Some(found), certificate: Some((header, _)), .. }) = self.slots.get(&height) else {
            return;
        };
        let (found, certified) = (*found, *header);
        if found != certified {
            return self.halt(ConsensusFault::Diverged { height, found, certified });
        }
        let Some((header, certificate)) = self.slots.remove(&height).and_then(|slot| slot.certificate) else { return };
        self.certified = height;
        self.tip = Some(Certified { height, header, certificate: certificate.clone() });
        self.outputs.push(Output::Commit { height, certificate });
        self.enter_epoch();
    }

    /// At a height that another set rules, all begins anew: it was waited until nothing is in flight.
    fn enter_epoch(&mut self) {
        let Some(set) = self.set_of(self.certified + 1).map(Arc::clone) else { return };
        if set.since == self.set.since {
            return;
        }
        self.take_place(&set);
        self.view = View::first(&set);
        self.sets.retain(|since, _| *since >= set.since);
        self.set = set;
        self.tip = None;
        self.view_changed = true;
        self.timers.restart();
        // Whatever else was heard of these heights was said to the set before.
        for slot in self.slots.values_mut() {
            let kept = std::mem::take(slot);
            let Slot { held, committed, executing, executed, executed_at, certificate, record, .. } = kept;
            slot.record.signed = record.signed;
            (slot.held, slot.committed, slot.certificate) = (held, committed, certificate);
            (slot.executing, slot.executed, slot.executed_at) = (executing, executed, executed_at);
        }
    }

    fn halt(&mut self, fault: ConsensusFault) {
        self.halted = true;
        self.outputs.push(Output::Halt(fault));
    }
}
