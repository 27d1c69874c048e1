//! What is known of one height.

use std::collections::{BTreeMap, BTreeSet};

use entente_types::{Certificate, CertificateVote, Hash, Signature};

use crate::{Ballot, Checkpoint, HeightRecord, SealerSet, Vote};

/// How a digest came to stand at a height in the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The proposer of the height named it: it must be judged.
    Proposed,
    /// The view began with it, or a quorum prepared it: it was judged by a quorum and need only be held.
    Vouched,
}

/// The digest that stands at a height in a view: the paper's pre-prepare in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) view: u64,
    pub(super) digest: Hash,
    pub(super) origin: Origin,
}

/// Votes of one kind at one height: of each member the one of its highest view.
#[derive(Debug, Default)]
pub(super) struct Votes {
    by_member: BTreeMap<u16, (Ballot, Signature)>,
    /// How often each ballot came again; of no use to a sound engine.
    repeated: BTreeMap<Ballot, u64>,
}

/// What became of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// It says something new.
    New,
    /// It was known, or is older than what is known.
    Old,
    /// The member said another thing in the same view.
    Equivocation,
}

impl Votes {
    /// Whether this member's vote says anything that is not known, before its signature is looked at.
    pub(super) fn judge(&self, vote: &Vote) -> Counted {
        match self.by_member.get(&vote.member) {
            Some((ballot, _)) if *ballot == vote.ballot => Counted::Old,
            Some((ballot, _)) if ballot.view > vote.ballot.view => Counted::Old,
            Some((ballot, _)) if ballot.view == vote.ballot.view => Counted::Equivocation,
            _ => Counted::New,
        }
    }

    pub(super) fn put(&mut self, vote: &Vote) {
        self.by_member.insert(vote.member, (vote.ballot, vote.signature.clone()));
    }

    pub(super) fn put_again(&mut self, vote: &Vote) {
        *self.repeated.entry(vote.ballot).or_default() += 1;
    }

    /// The weight behind a ballot; each member counts once.
    pub(super) fn weight(&self, set: &SealerSet, ballot: &Ballot, count_repeated: bool) -> u64 {
        let once: u64 =
            self.by_member.iter().filter(|(_, (said, _))| said == ballot).map(|(member, _)| set.weight(*member)).sum();
        let again = if count_repeated { self.repeated.get(ballot).copied().unwrap_or(0) } else { 0 };
        once + again
    }

    /// The ballots that anybody voted for, ascending by view.
    pub(super) fn ballots(&self) -> impl DoubleEndedIterator<Item = Ballot> {
        let mut ballots: Vec<Ballot> = self.by_member.values().map(|(ballot, _)| *ballot).collect();
        ballots.sort_unstable();
        ballots.dedup();
        ballots.into_iter()
    }

    /// The signatures behind a ballot, ascending by member.
    pub(super) fn certificate(&self, ballot: &Ballot) -> Certificate {
        let votes = self.by_member.iter().filter(|(_, (said, _))| said == ballot);
        let votes =
            votes.map(|(member, (_, signature))| CertificateVote { member: *member, signature: signature.clone() });
        Certificate { votes: votes.collect(), ..Certificate::default() }
    }
}

/// Signatures on headers of one height.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    by_member: BTreeMap<u16, (Hash, Signature)>,
}

impl Checkpoints {
    pub(super) fn judge(&self, checkpoint: &Checkpoint) -> Counted {
        match self.by_member.get(&checkpoint.member) {
            None => Counted::New,
            Some((header, _)) if *header == checkpoint.header => Counted::Old,
            Some(_) => Counted::Equivocation,
        }
    }

    pub(super) fn put(&mut self, checkpoint: &Checkpoint) {
        self.by_member.insert(checkpoint.member, (checkpoint.header, checkpoint.signature.clone()));
    }

    /// The header that a quorum signed, with its certificate.
    pub(super) fn certified(&self, set: &SealerSet) -> Option<(Hash, Certificate)> {
        let mut weights: BTreeMap<Hash, u64> = BTreeMap::new();
        for (member, (header, _)) in &self.by_member {
            *weights.entry(*header).or_default() += set.weight(*member);
        }
        let header = weights.into_iter().find(|(_, weight)| *weight >= set.quorum()).map(|(header, _)| header)?;
        let votes = self.by_member.iter().filter(|(_, (signed, _))| *signed == header);
        let votes =
            votes.map(|(member, (_, signature))| CertificateVote { member: *member, signature: signature.clone() });
        Some((header, Certificate { votes: votes.collect(), ..Certificate::default() }))
    }
}

/// The messages of this node about a height that have left, for sending them again.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) pre_prepare: Option<Vote>,
    pub(super) prepare: Option<Vote>,
    pub(super) commit: Option<Vote>,
    pub(super) checkpoint: Option<Checkpoint>,
}

/// One height above the last certified one.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// What stands here in the view.
    pub(super) standing: Option<Standing>,
    /// What the group was asked to judge in this view, so that it is asked once.
    pub(super) asked: Option<(u64, Hash)>,
    /// The proposals that the group was asked to get.
    pub(super) fetching: BTreeSet<Hash>,
    /// The proposals that the group has, with all their transactions. There can be several: of an earlier view, or of a
    /// proposer that named two.
    pub(super) held: BTreeSet<Hash>,
    /// The proposal that the group found valid.
    pub(super) valid: Option<Hash>,
    pub(super) prepares: Votes,
    pub(super) commits: Votes,
    pub(super) checkpoints: Checkpoints,
    /// What survives a crash.
    pub(super) record: HeightRecord,
    /// Whether the record differs from what the disk was told.
    pub(super) changed: bool,
    /// The ballot that a commit vote was made for.
    pub(super) commit_voted: Option<(u64, Hash)>,
    /// What a quorum committed.
    pub(super) committed: Option<Hash>,
    pub(super) executing: bool,
    /// What it came to.
    pub(super) executed: Option<Hash>,
    pub(super) executed_at: u64,
    /// Whether this member has signed it.
    pub(super) checkpoint_made: bool,
    /// What a quorum certified it to come to.
    pub(super) certificate: Option<(Hash, Certificate)>,
    pub(super) sent: Sent,
}

impl Slot {
    /// The digest that is known to follow the one below, for those who judge the next.
    pub(super) fn prepared_digest(&self) -> Option<Hash> {
        self.committed.or_else(|| self.record.prepared.as_ref().map(|prepared| prepared.ballot.digest))
    }
}
