//! What the functions of the members' module cost in a group with the most members that there can be.
//!
//! They are called by a sealer's account, which alone may change members, so no contract repeats them: each call is
//! measured by itself against one that names no function.

use std::sync::Arc;

use entente_crypto::{SecretKey, keccak256};
use entente_executor::CallInput;
use entente_state::{Overlay, StateReader};
use entente_types::{
    Address, Status, Version,
    limits::{OBSERVERS_MAX, SEALERS_MAX},
    observers_row,
};
use parity_scale_codec::Encode;

use crate::{GasFigure, REFERENCE, Workload, WorkloadError, gas::thread_seconds, median};

/// The address of the members' module, 0x1003.
const MEMBERS: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 3]);

/// Calls in each round.
const CALLS: u32 = 5;

/// A call of a function whose first argument is the name of the node with this key; another one may follow.
fn input(signature: &str, node_id: &str, weight: Option<u64>) -> Vec<u8> {
    let word = |number: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&number.to_be_bytes());
        word
    };
    let mut input = keccak256(signature.as_bytes()).0[..4].to_vec();
    input.extend(word(if weight.is_some() { 64 } else { 32 }));
    input.extend(weight.map(word).into_iter().flatten());
    input.extend(word(node_id.len() as u64));
    input.extend_from_slice(node_id.as_bytes());
    input
}

/// Seconds and gas of some calls by the first sealer.
fn run(workload: &Workload, input: &[u8], expected: Status) -> Result<(f64, u64), WorkloadError> {
    let (mut seconds, mut gas) = (0.0, 0);
    for _ in 0..CALLS {
        let state: Arc<dyn StateReader> = Arc::clone(&workload.state) as _;
        let from = workload.account(0)?.public_key().address();
        let call = CallInput { from, to: MEMBERS, input: input.to_vec(), gas: u64::MAX };
        let started = thread_seconds();
        let called = workload.executor.call(state, &workload.parent, call)?;
        seconds += thread_seconds() - started;
        gas += called.receipt.gas_used;
        // A code below zero says that nothing was changed: that would measure something else.
        if called.receipt.status != expected || called.receipt.output.first() == Some(&0xff) {
            return Err(WorkloadError::Wrong(format!("{:?}", called.receipt)));
        }
    }
    Ok((seconds, gas))
}

/// Measures each function, the median of so many rounds.
///
/// # Errors
/// A group that cannot be made, or a call that fails.
pub fn measure_members(rounds: usize) -> Result<Vec<GasFigure>, WorkloadError> {
    let mut workload = Workload::consortium(SEALERS_MAX as u64, OBSERVERS_MAX as u64)?;
    let node_id = |index: u64| {
        let key = workload.account(index)?.public_key();
        Ok::<_, WorkloadError>(key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let (own, observer) = (node_id(0)?, node_id(SEALERS_MAX as u64)?);
    let first = workload.sign(0, Some(MEMBERS), input("setWeight(string,uint256)", &own, Some(2)))?;
    let block = workload.execute(&[first])?;
    workload.keep(block);
    let calls = [
        ("native: most sealers read", input("sealers()", "", None)),
        ("native: most observers read", input("observers()", "", None)),
        ("native: a sealer's weight set among most", input("setWeight(string,uint256)", &own, Some(3))),
        ("native: a sealer made an observer among most", input("addObserver(string)", &own, None)),
        ("native: an observer removed from most", input("remove(string)", &observer, None)),
    ];
    let mut figures = Vec::new();
    for (name, input) in calls {
        let (mut times, mut units) = (Vec::new(), 0.0);
        for _ in 0..rounds {
            // It fails, and takes all the gas that it was given: its time alone is compared.
            let (nothing, _) = run(&workload, &[0; 4], Status::PrecompiledError)?;
            let (seconds, gas) = run(&workload, &input, Status::Success)?;
            times.push(seconds - nothing);
            units = gas as f64 * 1000.0 / f64::from(CALLS);
        }
        let nanoseconds = median(&mut times) * 1e9 / f64::from(CALLS);
        figures.push(GasFigure { name: name.into(), nanoseconds, units, ratio: nanoseconds / (units * REFERENCE) });
    }
    Ok(figures)
}

impl Workload {
    /// A group with so many sealers and room for one more observer among so many, whose accounts they are in this order.
    fn consortium(sealers: u64, observers_max: u64) -> Result<Self, WorkloadError> {
        let mut workload = Self::empty(sealers, sealers + observers_max)?;
        let keys = (sealers..sealers + observers_max - 1)
            .map(|index| workload.account(index).map(SecretKey::public_key))
            .collect::<Result<Vec<_>, _>>()?;
        let mut overlay = Overlay::new(Arc::clone(&workload.state) as _);
        let observers = entente_types::Observers { version: Version, keys };
        let set = overlay.set(&observers_row(), Some(observers.encode()));
        set.map_err(|error| WorkloadError::Wrong(error.to_string()))?;
        let changes = overlay.finish();
        Arc::make_mut(&mut workload.state).apply(&changes);
        Ok(workload)
    }
}
