//! How often each thing happened.

use std::fmt;

macro_rules! statistics {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Counts over one simulation, or over many.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Statistics {
            /// Adds another's counts.
            pub const fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Every count by its name.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

statistics! {
    /// Simulations.
    seeds,
    /// Simulations in which votes have different weights.
    weighted,
    /// Simulated milliseconds.
    simulated_ms,
    /// Blocks of the chains.
    blocks,
    /// Of those, the ones without transactions.
    empty_blocks,
    /// Transactions in them.
    transactions,
    /// Messages that arrived.
    messages,
    /// Messages that were lost.
    messages_lost,
    /// Messages that came twice.
    messages_twice,
    /// Views that a node left.
    view_changes,
    /// Views that began.
    views_begun,
    /// Nodes that lost their power with writes that were not synced, and came back.
    amnesiac_restarts,
    /// Disks that were lost, most of them with their nodes.
    deaths,
    /// Nodes that came back with an empty disk and did not vote.
    silences,
    /// Times that such a node, made a sealer again, voted.
    silences_ended,
    /// Two proposals for one height and view.
    equivocations,
    /// Headers signed that nothing comes to.
    root_lies,
    /// Proposals that no voter may accept.
    nonsense_proposals,
    /// Old messages sent again.
    replays,
    /// Certificates shown that nobody signed.
    forgeries,
    /// Messages kept from some by a Byzantine node.
    withheld,
    /// Nodes that ran twice with one key.
    twins,
    /// Changes of the sealer set that came into force.
    membership_changes,
    /// Disks that were full.
    full_disks,
    /// Disks that were slow.
    slow_disks,
    /// Partitions that were healed.
    partitions_healed,
    /// Blocks that a node got whole from another.
    blocks_fetched,
    /// Of those, the ones that left out transactions.
    blocks_fetched_with_some_left_out,
    /// Headers that a node got before their blocks.
    headers_fetched,
    /// Snapshots that took the place of what a node had.
    snapshots,
    /// Of these, the ones that somebody tried to spoil.
    snapshots_spoilt,
    /// Answers about headers, snapshots and blocks that a Byzantine node changed.
    answers_changed,
    /// And those that it kept for itself.
    answers_kept,
    /// Proposals that were sent in brief.
    briefs,
    /// Of those, the ones in which two transactions had one name.
    briefs_confused,
}

impl Statistics {
    /// What must have happened at least once over enough seeds for these to have tried anything.
    ///
    /// # Errors
    /// The names of what did not happen.
    pub fn check(&self) -> Result<(), Vec<&'static str>> {
        let needed = [
            ("weighted", self.weighted),
            ("view_changes", self.view_changes),
            ("amnesiac_restarts", self.amnesiac_restarts),
            ("equivocations", self.equivocations),
            ("root_lies", self.root_lies),
            ("membership_changes", self.membership_changes),
            ("empty_blocks", self.empty_blocks),
            ("full_disks", self.full_disks),
            ("silences_ended", self.silences_ended),
            ("partitions_healed", self.partitions_healed),
            ("blocks_fetched_with_some_left_out", self.blocks_fetched_with_some_left_out),
            ("briefs_confused", self.briefs_confused),
            ("snapshots", self.snapshots),
            ("snapshots_spoilt", self.snapshots_spoilt),
            ("answers_changed", self.answers_changed),
            ("answers_kept", self.answers_kept),
        ];
        let missing: Vec<&'static str> =
            needed.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counts() {
            writeln!(formatter, "{count:>14}  {}", name.replace('_', " "))?;
        }
        Ok(())
    }
}
