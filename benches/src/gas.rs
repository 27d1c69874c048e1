//! What each class of instructions and host functions costs in time, against what the gas schedule takes for it.
//!
//! Each class is a piece of code that a contract repeats, run through the executor. Time is that of the thread, so
//! that other work on the machine adds little; what starting the call costs is subtracted.

use std::sync::Arc;

use entente_executor::CallInput;
use entente_state::StateReader;
use entente_types::{Address, EvmHash, Status};

use crate::{
    Workload, WorkloadError,
    classes::{Class, classes},
    evm_classes::sm3_classes,
    median,
};

/// Nanoseconds of one core that a unit of gas stands for.
pub const REFERENCE: f64 = 0.0025;

/// Gas of each measured call, in Ethereum's unit.
const GAS: u64 = 290_000_000;

/// One class, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct GasFigure {
    /// What was repeated.
    pub name: String,
    /// Nanoseconds that it takes once.
    pub nanoseconds: f64,
    /// Units that are charged for it.
    pub units: f64,
    /// Time per gas against the reference: above 1 it is priced too low.
    pub ratio: f64,
}

pub(crate) fn thread_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds and gas of one call of a contract that repeats its piece so often, unless that takes too much gas.
fn run(workload: &Workload, contract: Address, times: u32, input: &[u8]) -> Result<Option<(f64, u64)>, WorkloadError> {
    let state: Arc<dyn StateReader> = Arc::clone(&workload.state) as _;
    let input = [&times.to_le_bytes(), input].concat();
    let call = CallInput { from: Address::ZERO, to: contract, input, gas: GAS };
    let started = thread_seconds();
    let called = workload.executor.call(state, &workload.parent, call)?;
    let seconds = thread_seconds() - started;
    match called.receipt.status {
        Status::Success => Ok(Some((seconds, called.receipt.gas_used))),
        Status::OutOfGas => Ok(None),
        _ => Err(WorkloadError::Wrong(format!("{:?} in {:?}", called.receipt, called.function))),
    }
}

fn measure(workload: &mut Workload, class: &Class, rounds: usize) -> Result<GasFigure, WorkloadError> {
    let mut input = Vec::new();
    for module in &class.others {
        input.extend_from_slice(workload.deploy(module)?.as_ref());
    }
    let contract = workload.deploy(&class.module)?;
    let mut many = class.times;
    while run(workload, contract, many, &input)?.is_none() {
        many /= 2;
        if many < 10 {
            return Err(WorkloadError::Wrong(format!("{}: {GAS} gas are not enough for ten rounds", class.name)));
        }
    }
    let few = many.div_ceil(10);
    let (mut times, mut units) = (Vec::new(), 0);
    for _ in 0..rounds {
        let (short, long) = (run(workload, contract, few, &input)?, run(workload, contract, many, &input)?);
        let (Some((short, gas_short)), Some((long, gas_long))) = (short, long) else {
            return Err(WorkloadError::Wrong(format!("{}: the same call took more gas later", class.name)));
        };
        units = gas_long.saturating_sub(gas_short);
        times.push(long - short);
    }
    let pieces = f64::from((many - few) * class.pieces);
    let nanoseconds = median(&mut times) * 1e9 / pieces;
    let units = units as f64 * 1000.0 / pieces;
    Ok(GasFigure { name: class.name.clone(), nanoseconds, units, ratio: nanoseconds / (units * REFERENCE) })
}

/// Measures every class, the median of so many rounds.
pub fn measure_gas(
    workload: &mut Workload,
    rounds: usize,
    only: Option<&str>,
) -> Result<Vec<GasFigure>, WorkloadError> {
    let wanted = |class: &Class| only.is_none_or(|only| class.name.contains(only));
    let of = |workload: &mut Workload, classes: &[Class]| -> Result<Vec<GasFigure>, WorkloadError> {
        classes.iter().filter(|class| wanted(class)).map(|class| measure(workload, class, rounds)).collect()
    };
    let mut figures = of(workload, &classes()?)?;
    figures.extend(of(&mut Workload::hashing(EvmHash::Sm3)?, &sm3_classes())?);
    Ok(figures)
}

/// The table, one class a line.
pub fn gas_table(figures: &[GasFigure]) -> String {
    let line = |figure: &GasFigure| {
        format!("{:>12.1} {:>14.0} {:>8.2}  {}\n", figure.nanoseconds, figure.units, figure.ratio, figure.name)
    };
    format!("{:>12} {:>14} {:>8}\n", "ns", "units", "ratio") + &figures.iter().map(line).collect::<String>()
}
