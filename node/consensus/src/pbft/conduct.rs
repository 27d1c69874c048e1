//! What every honest node holds to, named rule by rule, so that a test can build an engine that breaks one.
//!
//! Each rule is a constant of [`Conduct`]. [`Sound`], which nodes run, breaks none; the compiler removes the branches.
//! The variants in [`planted`] break one each, and the simulator must find every one of them out.

use std::fmt;

/// The rules that an engine can be built without.
pub trait Conduct: fmt::Debug + Send + 'static {
    /// A digest is committed by one member's weight less than a quorum.
    const COMMITS_SHORT_OF_A_QUORUM: bool = false;
    /// A VIEW-CHANGE shows nothing of what was prepared.
    const FORGETS_WHAT_WAS_PREPARED: bool = false;
    /// What was voted before a restart is not taken up again.
    const FORGETS_ITS_VOTES_AT_A_RESTART: bool = false;
    /// Messages leave before what they rely on is on disk.
    const SENDS_BEFORE_IT_IS_DURABLE: bool = false;
    /// A vote counts as often as it arrives.
    const COUNTS_A_SIGNER_TWICE: bool = false;
    /// A sealer set rules one height before the one decided.
    const CHANGES_MEMBERS_TOO_EARLY: bool = false;
    /// The bodies of transactions are not on disk when votes leave.
    const VOTES_WITHOUT_BODIES: bool = false;
    /// A new view forms new proposals in place of prepared ones.
    const PROPOSES_ANEW_IN_A_NEW_VIEW: bool = false;
}

/// Every rule is kept: what nodes run.
#[derive(Debug)]
pub struct Sound;

impl Conduct for Sound {}

/// Engines with one defect each, for tests of the tests.
pub mod planted {
    use super::Conduct;

    macro_rules! planted {
        ($($(#[$doc:meta])* $name:ident: $rule:ident;)*) => {
            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub struct $name;

                impl Conduct for $name {
                    const $rule: bool = true;
                }
            )*
        };
    }

    planted! {
        /// Commits with `2f` votes.
        ShortQuorum: COMMITS_SHORT_OF_A_QUORUM;
        /// Forgets the prepared certificate in a view change.
        ForgottenCertificate: FORGETS_WHAT_WAS_PREPARED;
        /// Signs two proposals and votes after a restart.
        ForgottenVotes: FORGETS_ITS_VOTES_AT_A_RESTART;
        /// Sends a vote before it is durable.
        HastyVote: SENDS_BEFORE_IT_IS_DURABLE;
        /// Counts one signer twice in a quorum.
        DoubleCount: COUNTS_A_SIGNER_TWICE;
        /// Puts a membership change in force one height too early.
        EarlyMembers: CHANGES_MEMBERS_TOO_EARLY;
        /// Does not sync bodies before its votes.
        UnsyncedBodies: VOTES_WITHOUT_BODIES;
        /// Proposes another digest under a new view.
        AnotherDigest: PROPOSES_ANEW_IN_A_NEW_VIEW;
    }
}
