//! The least gas that a transaction needs.

use entente_types::{EthereumRefusal, Receipt, Status};

use crate::{Account, Executor, Scene, Simulated, Simulation, SimulationError, simulate::Stage};

/// What any of Ethereum's transactions takes: less asked for is as if nothing were.
const TRANSACTION_GAS: u64 = 21_000;
/// What a call that sends coin gives the called contract beside its gas.
const STIPEND: u64 = 2_300;
/// How often the transaction runs at most. Halving what 64 bits can hold takes no more.
const RUNS_MAX: u32 = 80;
/// The gas of all runs together is at most so many times what one of them may use; then what is known by then is said.
const WORK_MAX: u64 = 4;

/// Why no gas is enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EstimateError {
    /// It would not run at all.
    #[error(transparent)]
    Refused(#[from] SimulationError),
    /// It fails with all the gas that it may have, for another reason than gas.
    #[error("the transaction fails whatever its gas")]
    Failed(Box<Receipt>),
    /// It needs more gas than it may have.
    #[error("gas required exceeds allowance ({0})")]
    Allowance(u64),
}

/// The search for the least gas that is enough.
struct Search<'a> {
    stage: &'a Stage<'a>,
    simulation: Simulation,
    /// With so much it fails.
    low: u64,
    /// With so much it does not.
    high: u64,
    runs_left: u32,
    work_left: u64,
}

impl Executor {
    /// The least gas with which a transaction succeeds over a scene, as it is or would be executed. Where it takes too
    /// long to find that out, it is a little more: enough it is always.
    ///
    /// # Errors
    /// A transaction that fails with all the gas that it may have.
    pub fn estimate_gas(&self, scene: &Scene<'_>, simulation: &Simulation) -> Result<u64, EstimateError> {
        let stage = self.overridden_stage(scene)?;
        let simulation = Simulation { is_free: false, ..simulation.clone() };
        let high = most(&stage, &simulation)?;
        let work_left = high.saturating_mul(WORK_MAX);
        Search { stage: &stage, simulation, low: 0, high, runs_left: RUNS_MAX, work_left }.find()
    }
}

/// The gas that the transaction may have: what it says, what the group allows, and what its sender can pay.
fn most(stage: &Stage<'_>, simulation: &Simulation) -> Result<u64, SimulationError> {
    let limit = stage.block.gas_limit.min(stage.rules.transaction_gas);
    let asked = simulation.gas.filter(|gas| *gas >= TRANSACTION_GAS);
    let most = asked.unwrap_or(limit).min(limit);
    if !stage.block.balances || simulation.max_fee.is_zero() {
        return Ok(most);
    }
    let mut context = stage.context();
    let account = Account::load(&mut context.overlay, &simulation.from)?.unwrap_or_default();
    let Some(left) = account.balance.0.checked_sub(simulation.value.0) else {
        let (cost, sender, balance) = (Some(simulation.value), simulation.from, account.balance);
        return Err(EthereumRefusal::Funds { cost, sender, balance }.into());
    };
    let paid = left.checked_div(simulation.max_fee.0).unwrap_or_default();
    Ok(u64::try_from(paid).map_or(most, |paid| paid.min(most)))
}

impl Search<'_> {
    fn find(mut self) -> Result<u64, EstimateError> {
        let most = self.high;
        let first = match self.run(most) {
            Ok(first) => first,
            Err(SimulationError::Refused(EthereumRefusal::IntrinsicGas { .. })) => {
                return Err(EstimateError::Allowance(most));
            }
            Err(error) => return Err(error.into()),
        };
        if first.receipt.status == Status::OutOfGas {
            return Err(EstimateError::Allowance(most));
        }
        if first.receipt.status != Status::Success {
            return Err(EstimateError::Failed(Box::new(first.receipt)));
        }
        // Whatever it used, with less it would not have come so far.
        self.low = first.receipt.gas_used.saturating_sub(1);
        // Without nested frames, what it used before anything came back is enough; with one below the other, an
        // allowance for what stays above (EIP-150) mostly is.
        let roomy = first.gas_peak.saturating_add(STIPEND).saturating_mul(64) / 63;
        for guess in [first.gas_peak, roomy] {
            if self.low < guess && guess < self.high {
                self.halve(guess)?;
            }
        }
        while self.low.saturating_add(1) < self.high && self.goes_on() {
            let middle = self.low.midpoint(self.high);
            // Most need little more than they use.
            self.halve(middle.min(self.low.saturating_mul(2).max(self.low.saturating_add(1))))?;
        }
        Ok(self.high)
    }

    fn goes_on(&self) -> bool {
        self.runs_left > 0 && self.work_left >= self.high
    }

    fn halve(&mut self, gas: u64) -> Result<(), SimulationError> {
        if !self.goes_on() {
            return Ok(());
        }
        let is_enough = match self.run(gas) {
            Ok(simulated) => simulated.receipt.status == Status::Success,
            Err(SimulationError::Refused(EthereumRefusal::IntrinsicGas { .. })) => false,
            Err(error) => return Err(error),
        };
        if is_enough {
            self.high = gas;
        } else {
            self.low = gas;
        }
        Ok(())
    }

    fn run(&mut self, gas: u64) -> Result<Simulated, SimulationError> {
        self.simulation.gas = Some(gas);
        self.runs_left = self.runs_left.saturating_sub(1);
        let simulated = self.stage.run(&self.simulation)?;
        self.work_left = self.work_left.saturating_sub(simulated.gas_peak);
        Ok(simulated)
    }
}
