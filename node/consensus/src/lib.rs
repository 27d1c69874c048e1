//! Engines that agree on an order of opaque digests, as state machines without clock, socket or disk.
//!
//! This crate owns when a height is proposed, executed, certified and written. It knows no transaction and no state:
//! it orders digests, and is told what executing one came to as the hash of a header. Time is an argument; what must be
//! on disk before a message may leave is an output, and the message leaves when it is.
//!
//! ```
//! use std::sync::Arc;
//!
//! use entente_consensus::{Engine, Identity, Input, Output, Solo};
//! use entente_types::Lineage;
//! # use entente_crypto::{SecretKey, Suite};
//! # let key = SecretKey::from_bytes(Suite::Standard, &[7; 32])?;
//! # let genesis = entente_types::Hash([1; 32]);
//!
//! let lineage = Arc::new(Lineage::new(genesis));
//! let identity = Identity { suite: Suite::Standard, lineage, key: Arc::new(key), scheme: Arc::new(Suite::Standard) };
//! let mut solo = Solo::new(identity, 0, 10);
//! let outputs = solo.step(1_000, Input::TransactionsWait);
//! assert_eq!(outputs, [Output::Propose { height: 1, parent: None, view: 0 }]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod message;
mod pbft;
mod record;
mod sealers;
mod solo;

use std::sync::Arc;

use entente_crypto::{SignatureScheme, SigningKey};
use entente_types::{BlockNumber, Certificate, Hash, Lineage, PublicKey, Suite};

pub use message::{Ballot, Certified, Checkpoint, Message, MessageError, NewView, Prepared, ViewChange, Vote};
pub use pbft::{Conduct, Pbft, PbftOptions, Sound, planted};
pub use record::{HeightRecord, LossRecord, Recovered, ViewRecord};
pub use sealers::SealerSet;
pub use solo::Solo;

/// Milliseconds on a clock that never goes back; only differences mean anything.
pub type Instant = u64;

/// Who this node is in a group, and how signatures are made and read there.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The group's suite, which hashes.
    pub suite: Suite,
    /// The group, as signatures about each height cover it.
    pub lineage: Arc<Lineage>,
    /// This node's consensus key.
    pub key: Arc<dyn SigningKey>,
    /// Finds signers.
    pub scheme: Arc<dyn SignatureScheme>,
}

/// What an engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A time asked for by [`Output::WakeAt`] has come.
    Tick,
    /// Transactions wait that are in no proposal. [`Output::Propose`] uses the news up.
    TransactionsWait,
    /// None does any more.
    NothingWaits,
    /// A block is due at this height, be it an empty one. It means nothing at any other height.
    BlockDue {
        /// The height.
        height: BlockNumber,
    },
    /// The proposal asked for by [`Output::Propose`] was formed.
    Proposed {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
        /// How many transactions it names.
        transactions: u64,
    },
    /// There was nothing to propose after all.
    NothingToPropose {
        /// The height.
        height: BlockNumber,
    },
    /// The proposal asked about by [`Output::Judge`] is one that an honest proposer could have made, or it is not, and
    /// then never will be. Where it is, it is held with all its transactions.
    Judged {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
        /// What no honest proposer does; nothing where it is valid.
        refused: Option<&'static str>,
    },
    /// The proposal asked for by [`Output::Hold`] is here with all its transactions.
    Held {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
    },
    /// The proposal was executed.
    Executed {
        /// Its height.
        height: BlockNumber,
        /// The hash of the header it came to.
        header: Hash,
        /// Who rules the height that is as far above it as the pipeline is deep.
        sealers: Arc<SealerSet>,
    },
    /// What was asked for by [`Output::Persist`] is on disk, synced.
    Persisted {
        /// Names the request.
        ticket: u64,
    },
    /// The block is on disk, synced.
    Written {
        /// Its height.
        height: BlockNumber,
    },
    /// A peer, known by its consensus key, said something.
    Message {
        /// Who delivered it; what it says is believed by its signature alone.
        from: PublicKey,
        /// What.
        message: Message,
    },
    /// This node, which lost what it promised, promised nothing above this height.
    PromisedThrough {
        /// The height.
        height: BlockNumber,
    },
    /// A block came from a peer whole: the proposal with this digest is held, and comes to this header.
    Fetched {
        /// The digest of its proposal.
        digest: Hash,
        /// The certified header.
        certified: Certified,
    },
}

/// What an engine asks for. Outputs are carried out in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Form a proposal for this height and answer with [`Input::Proposed`] or [`Input::NothingToPropose`].
    Propose {
        /// The height.
        height: BlockNumber,
        /// The digest of the proposal one height lower, which is held; nothing where that height is certified.
        parent: Option<Hash>,
        /// The view.
        view: u64,
    },
    /// Say whether the proposal with this digest is valid on what precedes it; answer with [`Input::Judged`], once all
    /// that the answer depends on is here.
    Judge {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
        /// The digest of the proposal one height lower; nothing where that height is certified.
        parent: Option<Hash>,
        /// The view that it must name.
        view: u64,
        /// The key of the member that it must name.
        proposer: PublicKey,
    },
    /// Get the proposal with this digest and its transactions, whatever they say; answer with [`Input::Held`].
    Hold {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
    },
    /// A proposal that was judged or held will not stand at this height.
    Abandon {
        /// The height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
    },
    /// Write this in one batch, sync it, and answer with [`Input::Persisted`].
    Persist(Persist),
    /// Tell every other sealer.
    Broadcast(Message),
    /// Tell one.
    Send {
        /// Whom.
        to: PublicKey,
        /// What.
        message: Message,
    },
    /// This peer is below what is certified here: tell it how far this node is.
    Behind {
        /// Who.
        peer: PublicKey,
    },
    /// The block of [`Input::Fetched`] is not certified: it is not what it says.
    BadBlock {
        /// Its height.
        height: BlockNumber,
    },
    /// Execute the proposal with this digest and answer with [`Input::Executed`].
    Execute {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
    },
    /// The header is certified: write its block and answer with [`Input::Written`].
    Commit {
        /// Its height.
        height: BlockNumber,
        /// Who vouches for the header.
        certificate: Certificate,
    },
    /// Send [`Input::Tick`] at this time; a later request replaces an earlier one.
    WakeAt(Instant),
    /// Something that an operator wants to know of.
    Report(Report),
    /// This node must not go on.
    Halt(ConsensusFault),
}

/// What must be on disk before what relies on it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Persist {
    /// Names the request; requests are answered in their order.
    pub ticket: u64,
    /// Where this node is, if it changed.
    pub view: Option<ViewRecord>,
    /// Where that changed: through which height it may have promised what it does not know of.
    pub loss: Option<LossRecord>,
    /// What it promised at heights, where that changed.
    pub heights: Vec<(BlockNumber, HeightRecord)>,
    /// Proposals that must be on disk with all their transactions.
    pub proposals: Vec<(BlockNumber, Hash)>,
    /// Records of heights up to this one are needed no more.
    pub forget_through: BlockNumber,
}

/// What an operator wants to know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// This node wants another view.
    ViewChangeStarted {
        /// The view that it wants.
        view: u64,
    },
    /// A view has begun.
    ViewBegan {
        /// The view.
        view: u64,
    },
    /// A member said two things where it may say one.
    Equivocation {
        /// Its key.
        member: PublicKey,
        /// The height.
        height: BlockNumber,
    },
    /// A message that no honest member sends.
    BadMessage {
        /// Who delivered it.
        from: PublicKey,
        /// What is wrong with it.
        error: MessageError,
    },
    /// A proposal that no honest proposer makes.
    BadProposal {
        /// The proposer's key.
        proposer: PublicKey,
        /// The height.
        height: BlockNumber,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A height was executed long ago and its certificate is not here.
    CertificateOverdue {
        /// The height.
        height: BlockNumber,
    },
    /// This node lost what it promised, and does not vote until other sealers are decided on above this height.
    SilentThrough {
        /// The height.
        height: BlockNumber,
    },
    /// This node had lost what it promised, and votes again.
    VotesAgain {
        /// From this height on.
        height: BlockNumber,
    },
}

/// Why a node must not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsensusFault {
    /// A quorum came to another header.
    #[error(
        "block {height} comes to header {found} on this node, but a quorum of the sealers certified {certified}: this \
         node computes otherwise; stop it, compare releases and roots with the other members, and fetch the chain \
         anew: entente node fetch"
    )]
    Diverged {
        /// The height.
        height: BlockNumber,
        /// This node's header.
        found: Hash,
        /// The certified one.
        certified: Hash,
    },
    /// This node signed another header for this height before.
    #[error(
        "block {height} comes to header {found}, but this node signed {signed} for it before it was restarted: it signs \
         one header for a height, ever; compare releases; where this node alone stops, fetch the chain anew: entente node \
         fetch; where several do, the members go on by a document: entente group recover"
    )]
    Signed {
        /// The height.
        height: BlockNumber,
        /// What it comes to now.
        found: Hash,
        /// What was signed.
        signed: Hash,
    },
}

/// Where an engine stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The last height it has certified.
    pub certified: BlockNumber,
    /// The first height that the sealers of the next one rule.
    pub epoch: BlockNumber,
    /// The view it is in, or wants.
    pub view: u64,
    /// Whether that view has begun.
    pub active: bool,
    /// How long the next height may take to be ordered as things are, in milliseconds; 0 where there is no limit.
    pub timeout_ms: u64,
    /// Who proposes the next height, where that is known.
    pub proposer: Option<PublicKey>,
    /// That this node lost what it promised: as a member it does not vote.
    pub loss: Option<LossRecord>,
}

/// A consensus engine. A step never blocks and never fails: what cannot be is ignored.
pub trait Engine: Send {
    /// Takes one input in and gives out what is to be done.
    fn step(&mut self, now: Instant, input: Input) -> Vec<Output>;

    /// Where it stands.
    fn position(&self) -> Position;
}
