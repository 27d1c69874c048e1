//! What an engine must remember over a crash.

use entente_types::{BlockNumber, Hash, Version};
use parity_scale_codec::{Decode, Encode};

use crate::{NewView, Prepared};

/// Where a node is among the views of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ViewRecord {
    /// The format's version.
    pub version: Version<1>,
    /// The epoch.
    pub epoch: BlockNumber,
    /// The view it is in, or wants: it promises nothing more in any view below.
    pub view: u64,
    /// What the view began with; nothing while it is only wanted, and in view 0.
    pub new_view: Option<NewView>,
}

/// What a node promised at a height.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct HeightRecord {
    /// The format's version.
    pub version: Version<1>,
    /// The epoch.
    pub epoch: BlockNumber,
    /// The last view in which it voted to prepare, and for which digest. It says nothing else in that view.
    pub voted: Option<(u64, Hash)>,
    /// The prepared certificate of the highest view.
    pub prepared: Option<Prepared>,
    /// The header that it signed. It signs no other for this height, ever.
    pub signed: Option<Hash>,
}

/// That a node lost what it promised, with its disk or by somebody's hand.
///
/// It says nothing in an epoch in which it may have promised something, but follows by blocks: it could vote against its
/// own votes. It speaks again in an epoch that began above all that it promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LossRecord {
    /// The format's version.
    pub version: Version<1>,
    /// It promised nothing above this height; nothing while that is not known.
    pub through: Option<BlockNumber>,
}

impl LossRecord {
    /// Whether a node that lost its promises may speak in the epoch that began at this height.
    pub fn speaks_in(&self, epoch: BlockNumber) -> bool {
        self.through.is_some_and(|through| through < epoch)
    }
}

/// What was found on disk at the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Where the node was.
    pub view: Option<ViewRecord>,
    /// That what it promised before is lost.
    pub loss: Option<LossRecord>,
    /// What it promised.
    pub heights: Vec<(BlockNumber, HeightRecord)>,
}
