//! What frames mean, by plain nested functions over cloned maps.
//!
//! The model walks the script and, where there is one, the trace that the executor left. It says what every byte of the
//! trace must be but for readings of the gas, which have to keep the laws. What it cannot know is whether a frame that
//! was given little gas came to the end of it: there it takes the executor's word, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use entente_crypto::{Domain, Suite};
use entente_host::gas::SCHEDULE_1;
use entente_types::{Address, Amount, Hash, Log};

use crate::{
    contract::{Container, Input, PAGES, Script, Step, Target},
    native::{self, Asked, NATIVE},
    walk::{Trace, Walk},
};

/// What a frame of a script spends behind its last reading of the gas, beside its output.
const TAIL_MAX: u64 = 20_000;
const DEPTH_MAX: usize = 64;

/// All that blocks change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    pub rows: BTreeMap<(Address, Vec<u8>), Vec<u8>>,
    /// Balances, and the hashes of code.
    pub accounts: BTreeMap<Address, (u64, Option<Hash>)>,
    pub codes: BTreeSet<Hash>,
    pub logs: Vec<Log>,
}

impl World {
    fn set_balance(&mut self, address: Address, balance: u64) {
        let account = self.accounts.entry(address).or_default();
        account.0 = balance;
        if *account == (0, None) {
            self.accounts.remove(&address);
        }
    }

    fn account(&self, address: &Address) -> (u64, Option<Hash>) {
        self.accounts.get(address).copied().unwrap_or_default()
    }
}

/// Why the model says no more.
#[derive(Debug)]
pub enum Stop {
    /// The executor did something else.
    Wrong(String),
    /// A frame that left no trace may have run out of gas.
    Undecided,
}

pub type Checked<T> = Result<T, Stop>;

pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(Stop::Wrong(what())) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Success,
    Revert,
    /// With the fault's code.
    Fault(&'static str),
}

/// What is known of how the executor's frame ended.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    Nothing,
    Failed,
    /// It ended so, with this output; a constructor's is not given back.
    Ended(End, Option<&'a [u8]>),
}

/// What a frame spent.
#[derive(Debug, Clone, Copy)]
pub enum Spent {
    All,
    Exactly(u64),
    /// What was left at the last reading, and the length of the output that was paid after it.
    LeftBefore(u64, u64),
    Unknown,
}

#[derive(Debug, Clone, Copy)]
pub struct Ran {
    pub end: End,
    pub spent: Spent,
}

impl Ran {
    pub fn fault(code: &'static str) -> Self {
        Self { end: End::Fault(code), spent: Spent::All }
    }

    /// Whether this much may be left of the gas that was given.
    pub fn may_leave(&self, given: u64, left: u64) -> bool {
        match self.spent {
            Spent::All => left == 0,
            Spent::Exactly(spent) => left + spent == given,
            Spent::LeftBefore(reading, length) => {
                let output = SCHEDULE_1.host_call + SCHEDULE_1.output_byte * length;
                reading.checked_sub(left).is_some_and(|spent| (output..=output + TAIL_MAX).contains(&spent))
            }
            Spent::Unknown => left <= given,
        }
    }
}

/// The frame that a script runs in.
#[derive(Debug, Clone)]
struct Frame {
    caller: Address,
    address: Address,
    value: u64,
    read_only: bool,
    depth: usize,
    /// Whether none of its steps can run out of gas.
    ample: bool,
}

/// The gas given to a frame, as far as it is known, and whether it is enough if it is not.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    pub units: Option<u64>,
    pub is_enough: bool,
}

impl Given {
    fn covers(self, need: u64) -> bool {
        self.units.map_or(self.is_enough, |units| units >= need)
    }
}

/// A call from a frame or from outside.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub kind: u8,
    pub target: Address,
    pub value: u64,
    pub input: &'a Input,
}

/// How many frames were told without asking the executor how they ended, and how many with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub foretold: u64,
    pub asked: u64,
    pub created: u64,
    pub deepest: usize,
}

pub struct Model {
    pub world: World,
    pub balances: bool,
    pub transaction: Hash,
    pub origin: Address,
    /// The contracts that this transaction has created: at least and at most.
    pub created: (u32, u32),
    /// What a frame spends before its first reading of the gas: the same for each.
    pub prologue: Option<u64>,
    pub counts: Counts,
    /// Inside a frame that is known to have failed.
    doomed: bool,
    /// Inside a frame of which nobody knows how far it came.
    unclear: bool,
}

impl Model {
    pub fn new(world: World, balances: bool) -> Self {
        Self {
            world,
            balances,
            transaction: Hash::ZERO,
            origin: Address::ZERO,
            created: (0, 0),
            prologue: None,
            counts: Counts::default(),
            doomed: false,
            unclear: false,
        }
    }

    pub fn begin(&mut self, transaction: Hash, origin: Address) {
        (self.transaction, self.origin, self.created) = (transaction, origin, (0, 0));
        self.world.logs.clear();
    }

    /// A transaction or read from outside that calls.
    pub fn enter(&mut self, caller: Address, call: Call<'_>, given: Given, seen: Seen<'_>) -> Checked<Ran> {
        let outside =
            Frame { caller: Address::ZERO, address: caller, value: 0, read_only: false, depth: 0, ample: true };
        self.call(&outside, true, call, given, seen)
    }

    /// A transaction from outside that creates; the address goes with it.
    pub fn found(
        &mut self,
        creator: Address,
        value: u64,
        container: &Container,
        given: Given,
        seen: Seen<'_>,
        address: Option<Address>,
    ) -> Checked<(Ran, Address)> {
        let outside =
            Frame { caller: Address::ZERO, address: creator, value: 0, read_only: false, depth: 0, ample: true };
        self.create(&outside, true, value, container, given, seen, address)
    }

    fn call(
        &mut self,
        parent: &Frame,
        is_outermost: bool,
        call: Call<'_>,
        given: Given,
        seen: Seen<'_>,
    ) -> Checked<Ran> {
        let saved = self.world.clone();
        let delegate = call.kind == 1;
        let need = if let Input::Script(script) = call.input { script.need } else { 0 };
        let frame = Frame {
            caller: if delegate { parent.caller } else { parent.address },
            address: if delegate { parent.address } else { call.target },
            value: if delegate { parent.value } else { call.value },
            read_only: call.kind == 2 || parent.read_only,
            depth: if is_outermost { 0 } else { parent.depth + 1 },
            ample: given.covers(need),
        };
        let ran = self.called(&frame, call, delegate, given, seen)?;
        self.settle(saved, frame.ample, ran, seen)
    }

    fn called(&mut self, frame: &Frame, call: Call<'_>, delegate: bool, given: Given, seen: Seen<'_>) -> Checked<Ran> {
        let is_native = call.target == NATIVE;
        if !delegate {
            if frame.read_only && frame.value != 0 {
                return Ok(Ran::fault("read_only"));
            }
            if is_native && frame.value != 0 {
                return Ok(Ran::fault("native"));
            }
            if let Err(code) = self.move_value(frame.caller, frame.address, frame.value) {
                return Ok(Ran::fault(code));
            }
        }
        if frame.depth >= DEPTH_MAX {
            return Ok(Ran::fault("depth"));
        }
        self.counts.deepest = self.counts.deepest.max(frame.depth);
        if is_native {
            return self.native(frame, call.input.bytes(), delegate, given, seen);
        }
        if self.world.account(&call.target).1.is_none() {
            self.expect_output(seen, &[])?;
            return Ok(Ran { end: End::Success, spent: Spent::Exactly(0) });
        }
        match call.input {
            Input::Script(script) => self.script(frame, script, given, seen),
            // No step begins as these bytes do: the contract traps.
            Input::Bytes(_) => self.script(frame, &Script::new(vec![Step::Trap]), given, seen),
        }
    }

    fn expect_output(&self, seen: Seen<'_>, expected: &[u8]) -> Checked<()> {
        let Seen::Ended(_, Some(output)) = seen else { return Ok(()) };
        ensure(output == expected, || format!("output {expected:02x?} expected, {output:02x?} found"))
    }

    /// Undoes the frame unless it succeeded, and holds its end against the executor's.
    fn settle(&mut self, saved: World, ample: bool, mut ran: Ran, seen: Seen<'_>) -> Checked<Ran> {
        match seen {
            Seen::Failed if !matches!(ran.end, End::Fault(_)) => {
                ensure(!ample, || format!("a frame failed that had to end by {:?}", ran.end))?;
                ran = Ran::fault("out_of_gas");
            }
            Seen::Ended(end, _) => ensure(ran.end == end, || format!("a frame ended by {end:?}, not {:?}", ran.end))?,
            Seen::Nothing | Seen::Failed => {}
        }
        if ran.end != End::Success {
            self.world = saved;
        }
        Ok(ran)
    }

    fn move_value(&mut self, from: Address, to: Address, value: u64) -> Result<(), &'static str> {
        if value == 0 {
            return Ok(());
        }
        if !self.balances {
            return Err("value_without_balances");
        }
        let left = self.world.account(&from).0.checked_sub(value).ok_or("balance")?;
        self.world.set_balance(from, left);
        let received = self.world.account(&to).0 + value;
        self.world.set_balance(to, received);
        Ok(())
    }

    fn native(&mut self, frame: &Frame, input: &[u8], delegate: bool, given: Given, seen: Seen<'_>) -> Checked<Ran> {
        let Some(asked) = native::asked(input) else { return Ok(Ran::fault("native")) };
        let mut cost = native::GAS + native::GAS_BYTE * (input.len() as u64 - 4);
        let output = match asked {
            Asked::Refusal => return Ok(Ran::fault("native")),
            Asked::Peek(key) => {
                let value = self.world.rows.get(&(frame.address, key.to_vec())).cloned().unwrap_or_default();
                [&frame.caller.0[..], &frame.address.0, &value].concat()
            }
            Asked::Poke(..) if frame.read_only => return Ok(Ran::fault("read_only")),
            Asked::Poke(..) if delegate => return Ok(Ran::fault("native")),
            Asked::Poke(key, value) => {
                self.world.rows.insert((frame.address, key.to_vec()), value.to_vec());
                self.world.logs.push(Log { address: frame.address, topics: Vec::new(), data: key.to_vec() });
                Vec::new()
            }
        };
        cost += SCHEDULE_1.output_byte * output.len() as u64;
        match given.units {
            Some(units) if units < cost => return Ok(Ran::fault("out_of_gas")),
            None if !given.is_enough && !self.doomed => return Err(Stop::Undecided),
            _ => {}
        }
        self.expect_output(seen, &output)?;
        Ok(Ran { end: End::Success, spent: Spent::Exactly(cost) })
    }

    #[expect(clippy::too_many_arguments, reason = "what the executor knows of a creation")]
    fn create(
        &mut self,
        parent: &Frame,
        is_outermost: bool,
        value: u64,
        container: &Container,
        given: Given,
        seen: Seen<'_>,
        observed: Option<Address>,
    ) -> Checked<(Ran, Address)> {
        let failed = |code| Ok((Ran::fault(code), Address::ZERO));
        if parent.read_only {
            return failed("read_only");
        }
        let (hash, code_cost, script) = match &container.made {
            Ok(made) => made,
            Err(code) => return failed(code),
        };
        let left = match given.units {
            None => None,
            Some(units) => match units.checked_sub(*code_cost) {
                None => return failed("out_of_gas"),
                left => left,
            },
        };
        let address = self.name(parent.address, left.is_some() || given.is_enough, observed)?;
        self.counts.created += 1;
        let saved = self.world.clone();
        let balance = self.world.account(&address).0;
        self.world.accounts.insert(address, (balance, Some(*hash)));
        self.world.codes.insert(*hash);
        let left = Given { units: left, is_enough: given.is_enough };
        let frame = Frame {
            caller: parent.address,
            address,
            value,
            read_only: false,
            depth: if is_outermost { 0 } else { parent.depth + 1 },
            ample: left.covers(script.need),
        };
        let ran = if let Err(code) = self.move_value(frame.caller, address, value) {
            Ran::fault(code)
        } else if frame.depth >= DEPTH_MAX {
            Ran::fault("depth")
        } else {
            self.script(&frame, script, left, seen)?
        };
        Ok((self.settle(saved, frame.ample, ran, seen)?, address))
    }

    /// The address of the next creation. A creation that fails keeps its number.
    fn name(&mut self, creator: Address, is_certain: bool, observed: Option<Address>) -> Checked<Address> {
        let transaction = self.transaction;
        let address = |index: u32| {
            let parts: [&[u8]; 3] = [&creator.0, &transaction.0, &index.to_le_bytes()];
            let hash = Suite::Standard.hash(Domain::CREATE, &parts);
            Address(*hash.0.last_chunk().expect("32 bytes"))
        };
        let (low, high) = self.created;
        if let Some(observed) = observed {
            let index = (low..=high).find(|index| address(*index) == observed);
            let index = index.ok_or_else(|| Stop::Wrong(format!("{observed} is the address of no creation")))?;
            self.created = (index + 1, index + 1);
            return Ok(observed);
        }
        self.created = (low + u32::from(is_certain && !self.unclear), high + 1);
        if low == high || self.doomed { Ok(address(low)) } else { Err(Stop::Undecided) }
    }

    /// Runs a script, inside what is known of the frames around it.
    fn script(&mut self, frame: &Frame, script: &Script, given: Given, seen: Seen<'_>) -> Checked<Ran> {
        if frame.ample {
            self.counts.foretold += 1;
        } else {
            self.counts.asked += 1;
        }
        let (doomed, unclear) = (self.doomed, self.unclear);
        match seen {
            Seen::Nothing if !frame.ample && !doomed => return Err(Stop::Undecided),
            Seen::Failed => self.doomed = true,
            Seen::Nothing | Seen::Ended(..) => {}
        }
        self.unclear |= !frame.ample && !matches!(seen, Seen::Ended(..));
        let ran = self.steps(frame, script, given, seen);
        (self.doomed, self.unclear) = (doomed, unclear);
        ran
    }

    fn steps(&mut self, frame: &Frame, script: &Script, given: Given, seen: Seen<'_>) -> Checked<Ran> {
        let is_silent = script.steps.iter().any(|step| matches!(step, Step::Silent));
        let output = if let Seen::Ended(_, output) = seen { output } else { None };
        let mut trace = Trace { bytes: output.filter(|_| !is_silent) };
        let start = trace.number()?;
        if let (Some(start), Some(units)) = (start, given.units) {
            let prologue = units.checked_sub(start);
            let expected = *self.prologue.get_or_insert(prologue.unwrap_or_default());
            let instance = PAGES * SCHEDULE_1.memory_page;
            ensure(prologue == Some(expected) && (instance..instance + 100_000).contains(&expected), || {
                format!("a frame given {units} began with {start}; others spent {expected} before")
            })?;
        }
        trace.expect("caller", &frame.caller.0)?;
        trace.expect("address", &frame.address.0)?;
        trace.expect("origin", &self.origin.0)?;
        trace.expect("value", &Amount::from(frame.value).to_le_bytes())?;
        let mut walk = Walk { trace, returned: Some(&[]), created: Address::ZERO, early: &[] };
        for step in &script.steps {
            if let Some(end) = self.step(frame, step, &mut walk)? {
                if end == End::Success {
                    self.expect_output(seen, walk.early)?;
                    return Ok(Ran { end, spent: Spent::Unknown });
                }
                return walk.close(end, output);
            }
        }
        walk.close(End::Success, output)
    }

    /// One step; its frame's end where it ends it.
    fn step<'a>(&mut self, frame: &Frame, step: &'a Step, walk: &mut Walk<'a>) -> Checked<Option<End>> {
        let is_change = matches!(step, Step::Write(..) | Step::Remove(_) | Step::Log(..));
        if is_change && frame.read_only {
            return Ok(Some(End::Fault("read_only")));
        }
        match step {
            Step::Write(key, value) => {
                self.world.rows.insert((frame.address, vec![*key]), value.clone());
            }
            Step::Remove(key) => {
                self.world.rows.remove(&(frame.address, vec![*key]));
            }
            Step::Read(key) => {
                let value = self.world.rows.get(&(frame.address, vec![*key]));
                let length = value.map_or(u32::MAX, |value| value.len() as u32);
                walk.trace.expect("the length of a value", &length.to_le_bytes())?;
                walk.trace.expect("a value", value.map_or(&[], Vec::as_slice))?;
            }
            Step::Log(topics, data) => {
                let topics = topics.iter().map(|topic| Hash(*topic)).collect();
                self.world.logs.push(Log { address: frame.address, topics, data: data.clone() });
            }
            Step::Say(bytes) => walk.trace.expect("what the script says", bytes)?,
            Step::Returned => walk.expect_returned()?,
            Step::Early(bytes) => walk.early = bytes,
            Step::Revert | Step::Fail => return Ok(Some(End::Revert)),
            Step::Silent => return Ok(Some(End::Success)),
            Step::Trap => return Ok(Some(End::Fault("trap"))),
            Step::Exhaust => return Ok(Some(End::Fault("out_of_gas"))),
            Step::Overread => return Ok(Some(End::Fault("data_range"))),
            Step::Call { kind: 3.., .. } => return Ok(Some(End::Fault("argument"))),
            Step::Call { kind, target, value, ask, input } => {
                let target = match target {
                    Target::At(address) => *address,
                    Target::Created => walk.created,
                };
                let fixed = SCHEDULE_1.call + SCHEDULE_1.host_byte * input.bytes().len() as u64;
                let need = if let Input::Script(script) = input { script.need } else { 20_000_000 };
                let mut nested = walk.nested(fixed, *ask)?;
                walk.take_returned(&mut nested)?;
                let given = Given { units: nested.given, is_enough: frame.ample && *ask >= need };
                let call = Call { kind: *kind, target, value: *value, input };
                let ran = self.call(frame, false, call, given, nested.seen)?;
                nested.check(&ran)?;
            }
            Step::Create { value, container } => {
                let fixed = SCHEDULE_1.create + SCHEDULE_1.host_byte * container.bytes.len() as u64;
                let mut nested = walk.nested(fixed, u64::MAX)?;
                let register = walk.trace.take(20)?.map(|bytes| Address(bytes.try_into().expect("20 bytes")));
                walk.take_returned(&mut nested)?;
                let given = Given { units: nested.given, is_enough: frame.ample };
                let succeeded = matches!(nested.seen, Seen::Ended(End::Success, _));
                if succeeded {
                    walk.expect_nothing_returned()?;
                    nested.seen = Seen::Ended(End::Success, None);
                }
                let observed = register.filter(|_| succeeded);
                let (ran, address) = self.create(frame, false, *value, container, given, nested.seen, observed)?;
                nested.check(&ran)?;
                if ran.end == End::Success {
                    walk.created = address;
                }
                let created = walk.created;
                ensure(register.is_none_or(|register| register == created), || {
                    format!("{register:?} stands where {created} was created last")
                })?;
            }
        }
        Ok(None)
    }
}
