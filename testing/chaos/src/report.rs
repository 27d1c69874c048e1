//! What came of a run.

use serde::Serialize;

/// A node at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the run began.
    pub at: f64,
    /// Which.
    pub node: usize,
    /// Its last block.
    pub height: u64,
    /// The view that it is in, or wants.
    pub view: u64,
    /// Its resident memory, in bytes.
    pub resident_bytes: u64,
}

/// A fault that was met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happened {
    /// What went wrong.
    pub name: String,
    /// When it did, in seconds since the run began.
    pub begins: f64,
    /// When it was put right.
    pub healed: f64,
    /// When all nodes had caught up and everything was looked at.
    pub ends: f64,
}

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Where the plan came from.
    pub seed: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Rounds in which each kind of fault came once.
    pub rounds: u64,
    /// Transactions that a node took.
    pub sent: u64,
    /// Those that none did.
    pub refused: u64,
    /// Transactions that some node told to be committed.
    pub told: u64,
    /// Blocks.
    pub blocks: u64,
    /// What did not hold.
    pub violations: Vec<String>,
    /// What could not be tried here, and why.
    pub left_out: Vec<String>,
    /// The faults, in their order.
    pub happened: Vec<Happened>,
    /// The nodes over time.
    #[serde(skip)]
    pub samples: Vec<Sample>,
    /// The most memory that each node had resident, in bytes.
    pub resident_bytes_max: Vec<u64>,
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}
