//! A whole consortium from one seed: the groups of real nodes on simulated time, disks and network.
//!
//! This crate owns the weather: what is lost, late, doubled, cut off, slow, full or without power, and who lies. The
//! groups are those that a real node runs, with the real executor, pool and ledger. It never looks at a real clock: the
//! same seed gives the same run, step by step.
//!
//! ```
//! let statistics = entente_sim::run(7)?;
//! assert!(statistics.blocks >= 60);
//! # Ok::<(), entente_sim::Failure>(())
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "places among machines come from their count")]

mod byzantine;
mod check;
mod client;
mod disk;
mod faults;
mod keys;
mod machine;
mod numbers;
mod setup;
mod statistics;
mod sweep;
mod world;

use std::{fmt, sync::Arc};

use entente_consensus::{Conduct, Sound};
use entente_executor::{Configuration, Executor};
use entente_types::BlockNumber;

pub use check::Violation;
pub use keys::Keys;
pub use numbers::Numbers;
pub use setup::{Behaviour, Death, Setup};
pub use statistics::Statistics;
pub use sweep::{Sweep, sweep};
use world::World;

/// How many seeds the tests run; `make sim` runs more.
pub const SEEDS_TESTED: u64 = 2_000;

/// What did not hold, and how to see it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// What.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at_ms, violation } = self;
        write!(formatter, "seed {seed}, at {at_ms} ms: {violation}; see it again with: make sim SEED={seed}")
    }
}

impl std::error::Error for Failure {}

/// Runs a seed.
///
/// # Errors
/// What did not hold.
pub fn run(seed: u64) -> Result<Statistics, Failure> {
    run_setup::<Sound>(Setup::of(seed), None)
}

/// Runs a setup with engines of a conduct of choice, and an executor that other simulations of the same genesis warmed.
///
/// # Errors
/// What did not hold.
pub fn run_setup<C: Conduct>(setup: Setup, executor: Option<Arc<Executor>>) -> Result<Statistics, Failure> {
    let seed = setup.seed;
    let failed = |at_ms, violation| Failure { seed, at_ms, violation };
    let mut world = World::<C>::new(setup, executor).map_err(|violation| failed(0, violation))?;
    world.note(|| format!("{:?}", world.setup));
    world.plan();
    world.live().map_err(|violation| failed(world.now_ms(), violation))?;
    let mut statistics = world.statistics.clone();
    statistics.simulated_ms = world.now_ms();
    statistics.blocks = world.checker.height();
    statistics.empty_blocks = world.checker.empty_blocks();
    statistics.transactions = world.checker.transactions();
    Ok(statistics)
}

impl<C: Conduct> World<C> {
    /// Goes on until the time is over and the chain is long enough.
    fn live(&mut self) -> Result<(), Violation> {
        while !self.calm {
            self.step()?;
        }
        self.must_go_on()?;
        let (ends_at_ms, ends_at_height) = (self.setup.ends_at_ms, self.setup.ends_at_height);
        while self.now_ms() < ends_at_ms || self.checker.blocks_with_transactions() < ends_at_height {
            self.step()?;
            if self.now_ms() > 10 * ends_at_ms {
                return Err(Violation(format!("the chain is at {} only", self.checker.height())));
            }
        }
        self.all_follow()?;
        self.goes_on_without_clients()
    }

    /// "Once faults stop, a new block within f + 2 view timeouts": each as long as views that brought nothing have made
    /// it, and with the time that nodes need to find each other.
    fn must_go_on(&mut self) -> Result<(), Violation> {
        let begun_at = self.now_ms();
        let height = self.checker.height();
        let timeouts = self.timeouts_ms();
        while self.checker.height() == height {
            self.step()?;
            if self.now_ms() > begun_at + timeouts + 1_000 {
                let groups = self.machines.iter().map(|one| one.group.as_ref().map(entente_group::Group::position));
                return Err(Violation(format!(
                    "no block above {height} for {} ms after all faults were over; the nodes stand at {:?}",
                    self.now_ms() - begun_at,
                    groups.collect::<Vec<_>>()
                )));
            }
        }
        Ok(())
    }

    /// What f + 2 view timeouts come to as things are.
    fn timeouts_ms(&self) -> u64 {
        let groups = self.machines.iter().filter(|one| one.honest()).filter_map(|one| one.group.as_ref());
        let first = groups.map(|group| group.position().timeout_ms).max().unwrap_or(0);
        let mut timeouts = 0;
        let mut timeout = first;
        for _ in 0..self.setup.tolerated() + 2 {
            timeouts += timeout;
            timeout = (timeout * 2).min(first.max(self.parts.options.view_timeout_ms << 6));
        }
        timeouts
    }

    /// Where empty blocks are asked for, the chain grows when nobody sends anything; where they never were, there are none.
    fn goes_on_without_clients(&mut self) -> Result<(), Violation> {
        if self.checker.empty_blocks() > 0 && !self.setup.asks_for_empty_blocks() {
            return Err(Violation("there are empty blocks that nobody asked for".into()));
        }
        if self.empty_block_period_ms()?.is_none() {
            return Ok(());
        }
        self.quiet = true;
        // What was sent before comes to its end.
        let quiet_at = self.now_ms();
        while self.now_ms() < quiet_at + 5_000 {
            self.step()?;
        }
        let (height, begun_at) = (self.checker.height(), self.now_ms());
        // What was decided for later may rule by now.
        let Some(period) = self.empty_block_period_ms()? else { return Ok(()) };
        let limit = begun_at + period + self.timeouts_ms() + 1_000;
        while self.checker.height() == height {
            self.step()?;
            if self.now_ms() > limit {
                let words = format!("no empty block above {height} in {} ms", limit - begun_at);
                return Err(Violation(words));
            }
        }
        Ok(())
    }

    /// The period of empty blocks at the end of the chain.
    fn empty_block_period_ms(&self) -> Result<Option<u64>, Violation> {
        let height = self.checker.height();
        let at_tip = |one: &&machine::Machine| one.honest() && one.ledger.tip().number == height;
        let Some(one) = self.machines.iter().find(at_tip) else { return Ok(None) };
        let configuration = Configuration::read(one.ledger.state().as_ref());
        let period = configuration.and_then(|configuration| configuration.empty_block_period_ms(height + 1));
        period.map_err(|error| Violation(error.to_string()))
    }

    /// Every honest node comes to where the first one was, in the time that catching up takes.
    fn all_follow(&mut self) -> Result<(), Violation> {
        let height = self.checker.height();
        let deadline = self.now_ms() + 20_000;
        let behind = |world: &Self| -> Vec<(usize, BlockNumber)> {
            let honest = world.machines.iter().enumerate().filter(|(_, one)| one.honest() && !one.dead);
            let tips = honest.map(|(place, one)| (place, one.ledger.tip().number));
            tips.filter(|(_, tip)| *tip < height).collect()
        };
        while !behind(self).is_empty() {
            self.step()?;
            if self.now_ms() > deadline {
                return Err(Violation(format!(
                    "the chain is at {height}, but these nodes stay behind: {:?}",
                    behind(self)
                )));
            }
        }
        Ok(())
    }
}
