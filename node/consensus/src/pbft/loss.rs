//! A member that lost what it promised.
//!
//! The paper takes it that a replica never forgets; one that does is faulty, and counts among the `f`. Its old votes and
//! VIEW-CHANGEs are still in the hands of others, also of liars, in views that it does not know of: so neither a height
//! nor a view of the same epoch is safe for it to speak in again. A new epoch is: whatever was said in an old one means
//! nothing there. It must have begun above all heights at which this member may have signed a header, too.

use std::sync::Arc;

use entente_types::BlockNumber;

use super::{Conduct, Pbft};
use crate::{Identity, LossRecord, Output, Report, SealerSet};

/// The place from which a node speaks in an epoch.
pub(super) fn place(loss: Option<LossRecord>, set: &SealerSet, identity: &Identity) -> Option<u16> {
    let speaks = loss.is_none_or(|loss| loss.speaks_in(set.since));
    set.place(&identity.key.public_key()).filter(|_| speaks)
}

impl<C: Conduct> Pbft<C> {
    /// It is known now what it promised at most. That is on disk before anything is said because of it.
    pub(super) fn promised_through(&mut self, height: BlockNumber) {
        let Some(loss) = self.loss.as_mut().filter(|loss| loss.through.is_none()) else { return };
        // Whatever is told: the epoch that it is in began before it was heard.
        loss.through = Some(height.max(self.set.since));
        self.loss_to_keep = Some(*loss);
        if self.set.place(&self.identity.key.public_key()).is_some() {
            self.outputs.push(Output::Report(Report::SilentThrough { height }));
        }
        self.say(Vec::new(), Vec::new());
    }

    /// Takes its place in a new epoch.
    pub(super) fn take_place(&mut self, set: &Arc<SealerSet>) {
        self.me = place(self.loss, set, &self.identity);
        if self.me.is_some() && self.loss.take().is_some() {
            self.outputs.push(Output::Report(Report::VotesAgain { height: set.since }));
        }
    }
}
