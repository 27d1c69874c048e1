//! Engines that agree on an order of opaque digests, as state machines without clock, socket or disk.
//!
//! This crate owns when a height is proposed, executed, certified and written. It knows no transaction and no state:
//! it orders digests, and is told what executing one came to as the hash of a header. Time is an argument.
//!
//! ```
//! use entente_consensus::{Engine, Input, Output, Solo};
//!
//! let mut solo = Solo::new(0, 10);
//! let outputs = solo.step(1_000, Input::TransactionsWait);
//! assert_eq!(outputs, [Output::Propose { height: 1, view: 0 }]);
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod solo;

use entente_types::{BlockNumber, Certificate, Hash, Signature};

pub use solo::Solo;

/// Milliseconds on a clock that never goes back; only differences mean anything.
pub type Instant = u64;

/// What an engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A time asked for by [`Output::WakeAt`] has come.
    Tick,
    /// Transactions wait that are in no proposal.
    TransactionsWait,
    /// The proposal asked for by [`Output::Propose`] was formed.
    Proposed {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
    },
    /// There was nothing to propose after all.
    NothingToPropose {
        /// The height.
        height: BlockNumber,
    },
    /// The proposal was executed.
    Executed {
        /// Its height.
        height: BlockNumber,
        /// The hash of the header it came to.
        header: Hash,
    },
    /// The header was signed with this node's key.
    Signed {
        /// Its height.
        height: BlockNumber,
        /// The signature.
        signature: Signature,
    },
    /// The block is on disk, synced.
    Written {
        /// Its height.
        height: BlockNumber,
    },
}

/// What an engine asks for. Outputs are carried out in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Form a proposal for this height and answer with [`Input::Proposed`] or [`Input::NothingToPropose`].
    Propose {
        /// The height.
        height: BlockNumber,
        /// The view.
        view: u64,
    },
    /// Execute the proposal with this digest and answer with [`Input::Executed`].
    Execute {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
    },
    /// Sign the header and answer with [`Input::Signed`]. Asked for once for each height, ever.
    Sign {
        /// Its height.
        height: BlockNumber,
        /// Its hash.
        header: Hash,
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
}

/// A consensus engine. A step never blocks and never fails: what cannot be is ignored.
pub trait Engine: Send {
    /// Takes one input in and gives out what is to be done.
    fn step(&mut self, now: Instant, input: Input) -> Vec<Output>;

    /// The last height this engine has certified.
    fn certified(&self) -> BlockNumber;
}
