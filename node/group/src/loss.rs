//! How far a node that lost what it promised may have promised anything.

use entente_consensus::{Input, LossRecord};
use entente_types::BlockNumber;

use crate::{Group, begin::sealer_set};

/// How many heights a node may be behind those who say how far they are, for the sealers that it knows to be those that
/// they know: a pipeline's length would do, but blocks come in faster than they are followed.
const NEAR_HEIGHTS: u64 = 64;

/// What a node knows of its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promises {
    /// What they are, or how far they went.
    Known,
    /// Nothing.
    Lost,
}

impl Promises {
    pub(crate) fn of(loss: Option<LossRecord>) -> Self {
        if loss.is_some_and(|loss| loss.through.is_none()) { Self::Lost } else { Self::Known }
    }
}

impl Group {
    /// Once enough sealers have said how far they are, and this node is there too: the greatest height at which it can
    /// have promised anything.
    ///
    /// Let it have held the certificate of height c at most. A quorum signed that header, each when it had c - d - 1 on
    /// disk, where d is the pipeline's depth. Of any quorum that says how far it is, an honest one is among those. And no
    /// node promises anything above c + d.
    pub(crate) fn news_of_promises(&mut self) -> Option<Input> {
        if self.promises == Promises::Known {
            return None;
        }
        let next = self.chain.height().saturating_add(1);
        let set = sealer_set(&self.chain.sealers, next);
        let (mut weight, mut highest): (u64, BlockNumber) = (0, self.chain.height());
        for (key, height) in self.catching_up.peers().filter(|(key, _)| *key != self.own) {
            if let Some(member) = set.place(&key) {
                weight += set.weight(member);
                highest = highest.max(height);
            }
        }
        let near = highest <= self.chain.height().saturating_add(NEAR_HEIGHTS);
        if weight < set.quorum() || !near {
            return None;
        }
        self.promises = Promises::Known;
        let height = highest.saturating_add(2 * self.depth + 1);
        Some(Input::PromisedThrough { height })
    }
}
