//! What one simulation is made of, drawn from its seed.

use entente_types::{
    ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, GroupIdError, Limits, Member, Suite, Version, quorum,
};

use crate::{Numbers, client::GAS, keys::public_key};

/// The place of the first account among the keys; nodes stand before it.
pub(crate) const ACCOUNTS_FROM: usize = 16;

/// The greatest weight that a vote has.
pub(crate) const WEIGHT_MAX: u64 = 4;

/// How a Byzantine node behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Proposes one thing to some and another to the others, and votes for both.
    Equivocates,
    /// Says nothing to some.
    Withholds,
    /// Proposes what no voter may accept.
    ProposesNonsense,
    /// Signs headers that nothing comes to.
    LiesAboutRoots,
    /// Sends old messages again.
    Replays,
    /// Shows certificates that nobody signed.
    Forges,
    /// Runs twice with one key.
    Twins,
    /// Votes before one node alone, and tells a new view of nothing that it prepared.
    Conceals,
}

impl Behaviour {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Equivocates,
        Self::Withholds,
        Self::ProposesNonsense,
        Self::LiesAboutRoots,
        Self::Replays,
        Self::Forges,
        Self::Twins,
        Self::Conceals,
    ];
}

/// What is lost for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The node.
    Node,
    /// Its disk: it comes back with an empty one, and is made an observer and a sealer again.
    Disk,
}

/// A simulation's shape.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where all its numbers come from.
    pub seed: u64,
    /// How many sealers there are.
    pub nodes: usize,
    /// The weight of each sealer's vote at genesis. Where they differ, clients change them too.
    pub weights: Vec<u32>,
    /// How many nodes there are beside them that can be made sealers.
    pub spares: usize,
    /// The pipeline's depth.
    pub depth: u32,
    /// Whether signatures are real, and messages go through their bytes.
    pub thorough: bool,
    /// The behaviour of each Byzantine node, by its place.
    pub byzantine: Vec<(usize, Behaviour)>,
    /// What is lost of a node that told of blocks, while all others lose their power.
    pub death: Option<Death>,
    /// How many messages in a thousand are lost, and come twice.
    pub loss_per_mille: u64,
    /// See above.
    pub duplicate_per_mille: u64,
    /// The greatest usual delay, in milliseconds.
    pub delay_ms_max: u64,
    /// The greatest difference of a clock from the right time, in milliseconds.
    pub skew_ms_max: u64,
    /// How many things go wrong at least and at most.
    pub faults: (u64, u64),
    /// Of ten, how many of these are losses of power; the greatest time that one takes, in milliseconds.
    pub crashes_of_ten: u64,
    /// See above.
    pub crash_ms_max: u64,
    /// Whether every disk is slow until faults stop.
    pub slow: bool,
    /// How long a slow disk takes for a write, at least and at most, in milliseconds.
    pub slow_write_ms: (u64, u64),
    /// When faults stop, in milliseconds.
    pub calm_at_ms: u64,
    /// The least time and height that it goes on for.
    pub ends_at_ms: u64,
    /// See above.
    pub ends_at_height: u64,
}

impl Setup {
    /// The weather that a seed draws: mostly usual, now and then a storm or a network that loses a quarter.
    pub fn of(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed ^ 0x77ea);
        let kind = numbers.below(12);
        let liar = Behaviour::ALL[numbers.place(Behaviour::ALL.len())];
        match kind {
            0 => Self::storm(seed, Some(liar).filter(|_| numbers.per_mille(700))),
            1 => Self::lossy(seed, liar),
            _ => Self::usual(seed),
        }
    }

    /// Whether proposals travel in brief.
    pub const fn is_brief(&self) -> bool {
        matches!(self.seed % 5, 2 | 3)
    }

    /// How many blocks behind a node takes a snapshot; 0 for never.
    pub const fn snapshot_lead_blocks(&self) -> u64 {
        match self.seed % 4 {
            0 => 8,
            1 => 12,
            2 => 20,
            _ => 0,
        }
    }

    /// Whether clients ask for empty blocks, and for none again.
    pub const fn asks_for_empty_blocks(&self) -> bool {
        self.seed % 3 == 1
    }

    /// The usual weather.
    pub fn usual(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed ^ 0x5e7u64);
        let nodes = match numbers.below(10) {
            0 => 5,
            1 | 2 => 7,
            _ => 4,
        };
        let dies = numbers.per_mille(100);
        let weights = if dies { vec![1; nodes] } else { weights(seed, nodes) };
        let tolerated = tolerated(&weights);
        let faulty = numbers.below(u64::from(tolerated) + 1) as u32;
        let faulty = if dies { faulty.min(tolerated - 1) } else { faulty };
        let byzantine = byzantine(&weights, faulty, &mut numbers);
        let rough = numbers.below(3);
        Self {
            seed,
            nodes,
            weights,
            spares: numbers.below(3) as usize,
            depth: numbers.between(1, 3) as u32,
            thorough: numbers.per_mille(10),
            byzantine,
            death: dies.then_some(if seed % 2 == 1 { Death::Disk } else { Death::Node }),
            loss_per_mille: [0, 10, 80][rough as usize],
            duplicate_per_mille: [0, 10, 50][rough as usize],
            delay_ms_max: [5, 30, 120][rough as usize],
            skew_ms_max: [0, 500, 1400][numbers.place(3)],
            faults: (3, 12),
            crashes_of_ten: 4,
            crash_ms_max: 4_000,
            slow: false,
            slow_write_ms: (20, 200),
            calm_at_ms: numbers.between(8_000, 20_000),
            ends_at_ms: 30_000,
            ends_at_height: 60,
        }
    }

    /// A storm: losses of power one after the other, on slow disks, with this liar among four.
    pub fn storm(seed: u64, liar: Option<Behaviour>) -> Self {
        let numbers = &mut Numbers::new(seed ^ 0x5704u64);
        Self {
            nodes: 4,
            weights: vec![1; 4],
            depth: numbers.between(1, 3) as u32,
            thorough: false,
            byzantine: liar.map(|liar| (numbers.place(4), liar)).into_iter().collect(),
            death: None,
            loss_per_mille: 20,
            duplicate_per_mille: 20,
            delay_ms_max: 60,
            faults: (60, 120),
            crashes_of_ten: 9,
            crash_ms_max: 600,
            slow: true,
            calm_at_ms: 20_000,
            ..Self::usual(seed)
        }
    }

    /// A network that loses a quarter of all messages, with this liar among four.
    pub fn lossy(seed: u64, liar: Behaviour) -> Self {
        let numbers = &mut Numbers::new(seed ^ 0x1055u64);
        Self {
            nodes: 4,
            weights: vec![1; 4],
            depth: 1,
            spares: 0,
            thorough: false,
            byzantine: vec![(numbers.place(4), liar)],
            death: None,
            loss_per_mille: 250,
            delay_ms_max: 60,
            faults: (0, 3),
            ..Self::usual(seed)
        }
    }

    /// Slow disks, and a moment at which one node is lost for good and all others lose their power.
    pub fn death_on_slow_disks(seed: u64) -> Self {
        Self {
            nodes: 4,
            weights: vec![1; 4],
            spares: 0,
            byzantine: Vec::new(),
            death: Some(Death::Node),
            faults: (0, 3),
            slow: true,
            // The one that dies may have written what is still on its way to the disks of all others.
            slow_write_ms: (1, 1_500),
            ..Self::usual(seed)
        }
    }

    /// The weight that may be faulty.
    pub fn tolerated(&self) -> u32 {
        tolerated(&self.weights)
    }

    /// Whether votes weigh differently.
    pub fn weighted(&self) -> bool {
        self.weights.iter().any(|weight| *weight != 1)
    }

    /// The group's document. It does not depend on the seed but for what is in this shape.
    ///
    /// # Errors
    /// None: the name is one.
    pub fn genesis(&self) -> Result<Genesis, GroupIdError> {
        Ok(Genesis {
            version: Version,
            chain_id: 1,
            group_id: GroupId::new("group1")?,
            ethereum_chain_id: 20200,
            suite: Suite::Standard,
            timestamp_ms: 1_700_000_000_000,
            consensus: ConsensusKind::Pbft,
            pipeline_depth: self.depth,
            protocol_version: 2,
            evm_hash: EvmHash::Keccak256,
            evm_timestamp: EvmTimestamp::Seconds,
            balances: false,
            limits: limits(self.seed),
            sealers: members(&self.weights),
            allocations: vec![],
        })
    }
}

/// In some seeds a block has room for two transactions that use all their gas, so that what comes behind is left out.
fn limits(seed: u64) -> Limits {
    let limits = Limits { block_transactions: 50, ..Limits::default() };
    if matches!(seed % 7, 1 | 4) {
        return Limits { transaction_gas: GAS, block_gas: 2 * GAS, ..limits };
    }
    limits
}

/// The sealers with these weights.
fn members(weights: &[u32]) -> Vec<Member> {
    weights.iter().enumerate().map(|(place, weight)| Member { key: public_key(place), weight: *weight }).collect()
}

/// The weight that may be faulty where these are the votes' weights.
fn tolerated(weights: &[u32]) -> u32 {
    let total: u32 = weights.iter().sum();
    total.saturating_sub(u32::try_from(quorum(&members(weights))).unwrap_or(u32::MAX))
}

/// One in five consortia has votes of different weights.
fn weights(seed: u64, nodes: usize) -> Vec<u32> {
    let mut numbers = Numbers::new(seed ^ 0x3e16);
    if !numbers.per_mille(200) {
        return vec![1; nodes];
    }
    (0..nodes).map(|_| numbers.between(1, WEIGHT_MAX) as u32).collect()
}

/// Liars that together weigh so much at most.
fn byzantine(weights: &[u32], faulty: u32, numbers: &mut Numbers) -> Vec<(usize, Behaviour)> {
    let mut liars: Vec<(usize, Behaviour)> = Vec::new();
    let mut left = faulty;
    let fits = |liars: &[(usize, Behaviour)], left: u32, place: usize| {
        weights[place] <= left && liars.iter().all(|(liar, _)| *liar != place)
    };
    while (0..weights.len()).any(|place| fits(&liars, left, place)) {
        let place = numbers.place(weights.len());
        if fits(&liars, left, place) {
            left -= weights[place];
            liars.push((place, Behaviour::ALL[numbers.place(Behaviour::ALL.len())]));
        }
    }
    liars
}
