//! The addresses and slots that a transaction touches, as it can say beforehand (EIP-2930).

use std::collections::{BTreeMap, BTreeSet};

use entente_evm::{Step, Word};
use entente_types::{AccessListEntry, Address, created_address};
use ruint::aliases::U256;

use crate::{
    Account, Executor, Scene, Simulated, Simulation, SimulationError,
    observer::{Observer, Place},
    simulate::{Stage, run},
};

/// How often the transaction is run at most: what it says beforehand changes its gas, and by that what it does.
const RUNS_MAX: usize = 8;
/// The gas of all runs together is at most so many times what a transaction may use.
const WORK_MAX: u64 = 4;

const SLOAD: u8 = 0x54;
const SSTORE: u8 = 0x55;
const BALANCE: u8 = 0x31;
const EXTCODESIZE: u8 = 0x3b;
const EXTCODECOPY: u8 = 0x3c;
const EXTCODEHASH: u8 = 0x3f;
const CALL: u8 = 0xf1;
const CALLCODE: u8 = 0xf2;
const DELEGATECALL: u8 = 0xf4;
const STATICCALL: u8 = 0xfa;
const SELFDESTRUCT: u8 = 0xff;

/// What a transaction touches, and what it comes to where it says so beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessListed {
    /// What it touches beside what it touches anyway, ascending.
    pub list: Vec<AccessListEntry>,
    /// What it comes to.
    pub simulated: Simulated,
}

type Found = BTreeMap<Address, BTreeSet<Word>>;

/// What a list pays for each slot (EIP-2930).
const SLOT_GAS: u64 = 1_900;

/// Watches what instructions of EVM code touch, whether or not it stands in the end.
#[derive(Default)]
pub(crate) struct AccessTracer {
    found: Found,
    /// How many more it may note: a list of so many costs more than a transaction may use.
    room: u64,
}

fn address_of(word: &U256) -> Address {
    let bytes: Word = word.to_be_bytes();
    bytes.last_chunk::<20>().map(|bytes| Address(*bytes)).unwrap_or_default()
}

impl AccessTracer {
    pub(crate) fn step(&mut self, place: &Place, step: &Step<'_>) {
        match (step.instruction, step.stack) {
            (SLOAD | SSTORE, [.., key]) => self.note(place.address, Some(key.to_be_bytes())),
            (BALANCE | EXTCODESIZE | EXTCODECOPY | EXTCODEHASH | SELFDESTRUCT, [.., address])
            | (CALL | CALLCODE | DELEGATECALL | STATICCALL, [.., _, _, _, address, _]) => {
                self.note(address_of(address), None);
            }
            _ => {}
        }
    }

    /// An instruction is seen before it is paid for: what is noted is bounded by itself.
    fn note(&mut self, address: Address, key: Option<Word>) {
        let is_known = self.found.get(&address).is_some_and(|keys| key.is_none_or(|key| keys.contains(&key)));
        if is_known || self.room == 0 {
            return;
        }
        self.room = self.room.saturating_sub(1);
        self.found.entry(address).or_default().extend(key);
    }
}

impl Executor {
    /// What a transaction touches over a scene, until saying so beforehand changes nothing more. Only what EVM code
    /// touches costs less for being said.
    ///
    /// # Errors
    /// What Ethereum would not run, and the node's own faults.
    pub fn access_list(&self, scene: &Scene<'_>, simulation: &Simulation) -> Result<AccessListed, SimulationError> {
        let stage = self.overridden_stage(scene)?;
        let free = warm_anyway(&stage, simulation)?;
        let mut found: Found = Found::new();
        for entry in &simulation.access_list {
            found.entry(entry.address).or_default().extend(&entry.keys);
        }
        let mut simulation = Simulation { is_free: false, ..simulation.clone() };
        let context = stage.context();
        let (mut runs, mut work_left) = (RUNS_MAX, stage.rules.transaction_gas.saturating_mul(WORK_MAX));
        loop {
            let list = listed(&found, |address| free.contains(address) || context.is_built_in(address));
            simulation.access_list.clone_from(&list);
            let (simulated, more) = watched(&stage, &simulation, found.clone())?;
            (runs, work_left) = (runs.saturating_sub(1), work_left.saturating_sub(simulated.gas_peak));
            if more == found || runs == 0 || work_left < simulated.gas_peak {
                return Ok(AccessListed { list, simulated });
            }
            found = more;
        }
    }
}

/// The sender and what it calls or creates.
fn warm_anyway(stage: &Stage<'_>, simulation: &Simulation) -> Result<[Address; 2], SimulationError> {
    let from = simulation.from;
    let account = Account::load(&mut stage.context().overlay, &from)?.unwrap_or_default();
    Ok([from, simulation.to.unwrap_or_else(|| created_address(&from, account.nonce))])
}

/// An address without slots that is warm anyway says nothing.
fn listed(found: &Found, is_free: impl Fn(&Address) -> bool) -> Vec<AccessListEntry> {
    let said = found.iter().filter(|(address, keys)| !keys.is_empty() || !is_free(address));
    said.map(|(address, keys)| AccessListEntry { address: *address, keys: keys.iter().copied().collect() }).collect()
}

/// Runs it, and adds what it touches to what is known.
fn watched(stage: &Stage<'_>, simulation: &Simulation, found: Found) -> Result<(Simulated, Found), SimulationError> {
    let mut context = stage.context();
    let room = (stage.rules.transaction_gas / SLOT_GAS).saturating_add(1);
    context.observer = Some(Observer::Access(AccessTracer { found, room }));
    let (context, simulated) = run(context, simulation);
    let found = match context.observer {
        Some(Observer::Access(tracer)) => tracer.found,
        _ => Found::new(),
    };
    Ok((simulated?, found))
}
