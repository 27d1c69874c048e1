//! What goes wrong, in which order: drawn from a seed.

use std::{fmt, time::Duration};

use entente_sim::Numbers;

/// How many nodes the consortium begins with.
pub const NODES: usize = 4;

/// Something that goes wrong, or that is done meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A node is killed, and comes back after a while.
    Kill {
        /// Which.
        node: usize,
    },
    /// A node is killed, comes back, and is killed again as soon as it runs.
    KillAgain {
        /// Which.
        node: usize,
        /// How often.
        times: u64,
    },
    /// Whoever proposes next is cut off from all others.
    CutProposer {
        /// Whether its connections end, or stand and carry nothing.
        reset: bool,
    },
    /// Two nodes are cut off from the other two.
    Halves {
        /// Who is with node 0.
        with: usize,
        /// As above.
        reset: bool,
    },
    /// What two nodes send each other comes 300 ms later, and one packet in twenty is lost and sent again.
    BadLink {
        /// One of them.
        one: usize,
        /// The other.
        other: usize,
    },
    /// A node is stopped, as by SIGSTOP, and goes on.
    Pause {
        /// Which.
        node: usize,
    },
    /// The last node's disk is full, until room is made.
    FullDisk,
    /// All nodes are killed at once, and come back.
    RestartAll,
    /// A node is killed and a file of its store is damaged; where it refuses to start, it fetches the chain again.
    Damage {
        /// Which.
        node: usize,
        /// Which of the files, of a million.
        file: u64,
    },
    /// A node more is added, made an observer, a sealer, and let go.
    Member,
    /// A node's certificate is renewed.
    Certificate {
        /// Whose.
        node: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = |reset: &bool| if *reset { "connections end" } else { "connections hang" };
        match self {
            Self::Kill { node } => write!(formatter, "node{node} killed"),
            Self::KillAgain { node, times } => write!(formatter, "node{node} killed {times} times"),
            Self::CutProposer { reset } => write!(formatter, "the proposer cut off, {}", how(reset)),
            Self::Halves { with, reset } => write!(formatter, "node0 and node{with} cut off, {}", how(reset)),
            Self::BadLink { one, other } => write!(formatter, "300 ms and 5 % loss between node{one} and node{other}"),
            Self::Pause { node } => write!(formatter, "node{node} stopped"),
            Self::FullDisk => write!(formatter, "node{}'s disk full", NODES - 1),
            Self::RestartAll => formatter.write_str("all killed at once"),
            Self::Damage { node, .. } => write!(formatter, "a file of node{node} damaged"),
            Self::Member => formatter.write_str("a member added and let go"),
            Self::Certificate { node } => write!(formatter, "node{node}'s certificate renewed"),
        }
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long a fault lasts.
    pub fault: Duration,
    /// How long a node is stopped.
    pub pause: Duration,
    /// How long clients send undisturbed between two faults.
    pub between: Duration,
    /// How often a node is killed again and again.
    pub kills: u64,
    /// The bytes of the disk that is filled; it lies in memory.
    pub disk_bytes: u64,
}

impl Pace {
    /// For tests.
    pub const SHORT: Self = Self {
        fault: Duration::from_secs(3),
        pause: Duration::from_secs(4),
        between: Duration::from_secs(1),
        kills: 2,
        disk_bytes: 512 << 20,
    };
    /// For operators who want to know.
    pub const LONG: Self = Self {
        fault: Duration::from_secs(8),
        pause: Duration::from_secs(20),
        between: Duration::from_secs(4),
        kills: 5,
        disk_bytes: 2 << 30,
    };
}

/// One round: every kind of fault once, in an order of the seed's.
pub fn round(numbers: &mut Numbers, pace: &Pace) -> Vec<Fault> {
    let mut node = || numbers.place(NODES);
    let (one, two, three, four, five, six) = (node(), node(), node(), node(), node(), node());
    let mut faults = vec![
        Fault::Kill { node: one },
        Fault::KillAgain { node: two, times: pace.kills },
        Fault::CutProposer { reset: numbers.per_mille(500) },
        Fault::Halves { with: 1 + numbers.place(NODES - 1), reset: numbers.per_mille(500) },
        Fault::BadLink { one: three, other: (three + 1 + numbers.place(NODES - 1)) % NODES },
        Fault::Pause { node: four },
        Fault::FullDisk,
        Fault::RestartAll,
        Fault::Damage { node: five, file: numbers.below(1_000_000) },
        Fault::Member,
        Fault::Certificate { node: six },
    ];
    for last in (1..faults.len()).rev() {
        faults.swap(last, numbers.place(last + 1));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_plans_the_same_again_and_leaves_nothing_out() {
        let plan = |seed| round(&mut Numbers::new(seed), &Pace::SHORT);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        let kinds = |faults: &[Fault]| {
            let mut kinds: Vec<_> = faults.iter().map(std::mem::discriminant).map(|kind| format!("{kind:?}")).collect();
            kinds.sort();
            kinds.dedup();
            kinds.len()
        };
        assert_eq!((plan(3).len(), kinds(&plan(3))), (11, 11));
        assert!(plan(4).iter().all(|fault| !matches!(fault, Fault::BadLink { one, other } if one == other)));
    }
}
