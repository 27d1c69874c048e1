//! Simulated time, network and disks, with the machines in them.

use std::{collections::BTreeMap, marker::PhantomData, sync::Arc};

use entente_consensus::{Conduct, Report, SealerSet};
use entente_executor::{Configuration, Executor};
use entente_group::{
    Brief, Effect, Event, GroupOptions, Halt, Incoming, Joining, Message, Now, SyncOptions, sealer_sets,
};
use entente_host::NodeFault;
use entente_ledger::InstallError;
use entente_pool::check;
use entente_types::{Block, PublicKey, Suite};
use parity_scale_codec::{DecodeAll, Encode};

use crate::{
    Behaviour, Keys, Numbers, Setup, Statistics,
    check::{Checker, Violation},
    client::Clients,
    faults::Fault,
    keys::public_key,
    machine::{Machine, Parts, Writing, open},
};

/// Something that happens at its time.
pub(crate) enum Happening {
    /// A message arrives.
    Arrival { machine: usize, from: PublicKey, message: Message },
    /// The executing thread of a life is done with its first task.
    Executed { machine: usize, life: u32 },
    /// The disk is done with its first task.
    Written { machine: usize, life: u32 },
    /// A group wanted to be woken.
    Wake { machine: usize, life: u32, at_ms: u64 },
    /// Clients send.
    Clients,
    /// Something goes wrong, or is put right.
    Fault(Fault),
}

/// When anything happens: microseconds, and the order in which it was decided.
type Moment = (u64, u64);

pub(crate) struct World<C: Conduct> {
    pub(crate) setup: Setup,
    pub(crate) numbers: Numbers,
    pub(crate) parts: Parts,
    pub(crate) machines: Vec<Machine>,
    pub(crate) now_us: u64,
    happenings: BTreeMap<Moment, Happening>,
    sequence: u64,
    pub(crate) statistics: Statistics,
    pub(crate) checker: Checker,
    pub(crate) clients: Clients,
    /// From which machine to which nothing gets through.
    pub(crate) blocked: Vec<(usize, usize)>,
    /// The node that came back with an empty disk.
    pub(crate) emptied: Option<usize>,
    pub(crate) calm: bool,
    /// Whether clients send no more.
    pub(crate) quiet: bool,
    log: bool,
    conduct: PhantomData<C>,
}

impl<C: Conduct> World<C> {
    pub(crate) fn new(setup: Setup, executor: Option<Arc<Executor>>) -> Result<Self, Violation> {
        let genesis = setup.genesis().map_err(|error| Violation(error.to_string()))?;
        let keys = Keys::new(setup.thorough);
        let mut numbers = Numbers::new(setup.seed);
        let (ledger, executor_of_genesis) = open(&crate::disk::SimulatedDisk::default(), &genesis)?;
        let sync = SyncOptions {
            snapshot_lead_blocks: setup.snapshot_lead_blocks(),
            snapshot_timeout_ms: 1_500,
            stall_ms: 10_000,
            ..SyncOptions::default()
        };
        let options = GroupOptions { interval_ms_min: 20, sync, ..GroupOptions::default() };
        let parts = Parts {
            genesis: genesis.clone(),
            keys: keys.clone(),
            options,
            executor: executor.unwrap_or_else(|| Arc::clone(&executor_of_genesis)),
        };
        let mut machines = Vec::new();
        for key in 0..setup.nodes + setup.spares {
            let behaviour = setup.byzantine.iter().find(|(place, _)| *place == key).map(|(_, behaviour)| *behaviour);
            for _ in 0..=usize::from(behaviour == Some(Behaviour::Twins)) {
                let skew_ms = numbers.below(2 * setup.skew_ms_max + 1).cast_signed() - setup.skew_ms_max.cast_signed();
                machines.push(Machine::new(&parts, key, skew_ms, behaviour)?);
            }
        }
        let header0 = ledger.header(0).ok().flatten().ok_or_else(|| Violation("no header 0".into()))?;
        let set = sealer_sets(&ledger, &executor_of_genesis)
            .ok()
            .and_then(|sets| sets.into_iter().next())
            .ok_or_else(|| Violation("no sealers".into()))?;
        let checker = Checker::new(genesis.hash(), keys.scheme(), header0, set);
        let twins = setup.byzantine.iter().filter(|(_, behaviour)| *behaviour == Behaviour::Twins).count();
        let weighted = u64::from(setup.weighted());
        let mut world = Self {
            clients: Clients::new(genesis, keys),
            setup,
            numbers,
            parts,
            machines,
            now_us: 0,
            happenings: BTreeMap::new(),
            sequence: 0,
            statistics: Statistics { seeds: 1, weighted, twins: twins as u64, ..Statistics::default() },
            checker,
            blocked: Vec::new(),
            emptied: None,
            calm: false,
            quiet: false,
            log: std::env::var_os("ENTENTE_SIM_LOG").is_some(),
            conduct: PhantomData,
        };
        for machine in 0..world.machines.len() {
            world.start(machine)?;
        }
        world.at(50_000, Happening::Clients);
        Ok(world)
    }

    /// Has something happen so many microseconds from now.
    pub(crate) fn at(&mut self, delay_us: u64, happening: Happening) {
        self.sequence += 1;
        self.happenings.insert((self.now_us + delay_us, self.sequence), happening);
    }

    /// With `ENTENTE_SIM_LOG` set, says what happens.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if self.log {
            println!("{:>9.3} {}", self.now_us as f64 / 1e6, what());
        }
    }

    pub(crate) const fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// Lets the next thing happen.
    pub(crate) fn step(&mut self) -> Result<(), Violation> {
        let Some(((now_us, _), happening)) = self.happenings.pop_first() else {
            return Err(Violation("nothing will ever happen again".into()));
        };
        self.now_us = now_us;
        match happening {
            Happening::Arrival { machine, from, message } => self.arrive(machine, from, message),
            Happening::Executed { machine, life } => self.executed(machine, life),
            Happening::Written { machine, life } => self.written(machine, life),
            Happening::Wake { machine, life, at_ms } => {
                if self.machines[machine].wake_at_ms == Some(at_ms) {
                    self.machines[machine].wake_at_ms = None;
                    return self.tell(machine, life, Event::Tick);
                }
                Ok(())
            }
            Happening::Clients => self.clients_send(),
            Happening::Fault(fault) => {
                self.note(|| format!("{fault:?}"));
                self.go_wrong(fault)
            }
        }
    }

    pub(crate) fn start(&mut self, machine: usize) -> Result<(), Violation> {
        let one = &mut self.machines[machine];
        one.start::<C>(&self.parts)?;
        one.wake_at_ms = None;
        let (life, tip, honest) = (one.life, one.ledger.tip(), one.honest());
        if honest {
            self.learn_blocks(machine)?;
            self.checker.restarted(machine, tip.number, tip.header_hash)?;
        }
        self.tell(machine, life, Event::Tick)
    }

    /// A group takes an event in.
    fn tell(&mut self, machine: usize, life: u32, event: Event) -> Result<(), Violation> {
        let now_ms = self.now_ms();
        let one = &mut self.machines[machine];
        if one.life != life {
            return Ok(());
        }
        let Some(group) = one.group.as_mut() else { return Ok(()) };
        let unix_ms =
            self.parts.genesis.timestamp_ms.saturating_add_signed(now_ms.cast_signed() + 10_000 + one.skew_ms);
        let effects = group.step(Now { monotonic_ms: now_ms, unix_ms }, event);
        for effect in effects {
            self.carry_out(machine, effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, machine: usize, effect: Effect) -> Result<(), Violation> {
        let life = self.machines[machine].life;
        match effect {
            Effect::Execute(task) => {
                self.machines[machine].executing.push_back(task);
                if self.machines[machine].executing.len() == 1 {
                    let delay_us = self.numbers.between(200, 3_000);
                    self.at(delay_us, Happening::Executed { machine, life });
                }
            }
            Effect::Write(task) => self.write(machine, Writing::Block(task)),
            Effect::Persist(task) => self.write(machine, Writing::Promise(task)),
            Effect::Stage(task) => self.write(machine, Writing::Stage(task)),
            Effect::Install(task) => self.write(machine, Writing::Install(task)),
            Effect::Joining(joining) => {
                self.note(|| format!("node {machine}: {joining:?}"));
                match joining {
                    Joining::Begins { .. } => self.machines[machine].spoilt = false,
                    Joining::Wrong { .. } => self.machines[machine].spoilt = true,
                    _ => {}
                }
            }
            Effect::Broadcast(message) => {
                let own = self.machines[machine].key;
                for to in (0..self.machines.len()).filter(|to| self.machines[*to].key != own).collect::<Vec<_>>() {
                    self.send(machine, to, message.clone());
                }
            }
            Effect::Send { to, message } => {
                if let Message::GetProposal { height, digest } | Message::GetProposed { height, digest, .. } = &message
                {
                    self.note(|| format!("node {machine} asks for proposal {height}, {digest}"));
                }
                let places = 0..self.machines.len();
                for to in places.filter(|place| public_key(self.machines[*place].key) == to).collect::<Vec<_>>() {
                    self.send(machine, to, message.clone());
                }
            }
            Effect::Serve(task) => {
                let message = task.run(&self.machines[machine].ledger).map_err(|error| Violation(error.to_string()))?;
                if let Message::Blocks(blocks) = &message {
                    self.statistics.blocks_fetched += blocks.len() as u64;
                    let some_left_out = blocks.iter().filter(|block| !block.left_out.is_empty()).count();
                    self.statistics.blocks_fetched_with_some_left_out += some_left_out as u64;
                }
                if let Message::Headers(headers) = &message {
                    self.statistics.headers_fetched += headers.len() as u64;
                }
                self.carry_out(machine, Effect::Send { to: task.to(), message })?;
            }
            Effect::Report(report) => {
                self.note(|| format!("node {machine}: {report:?}"));
                match report {
                    Report::ViewChangeStarted { .. } => self.statistics.view_changes += 1,
                    Report::ViewBegan { .. } => self.statistics.views_begun += 1,
                    Report::SilentThrough { .. } => self.statistics.silences += 1,
                    Report::VotesAgain { .. } => self.statistics.silences_ended += 1,
                    _ => {}
                }
            }
            Effect::Answer { .. } | Effect::Introduce(_) => {}
            Effect::WakeAt(at_ms) => {
                self.machines[machine].wake_at_ms = Some(at_ms);
                let delay_us = (at_ms * 1000).saturating_sub(self.now_us);
                self.at(delay_us, Happening::Wake { machine, life, at_ms });
            }
            Effect::Halt(why) => self.halted(machine, &why)?,
        }
        Ok(())
    }

    /// A group stopped: a full disk may do that, nothing else.
    fn halted(&mut self, machine: usize, why: &Halt) -> Result<(), Violation> {
        let full = self.machines[machine].disk.is_full();
        let disk = matches!(why, Halt::Persist(_) | Halt::Write { .. }) || (full && matches!(why, Halt::Snapshot(_)));
        if self.machines[machine].honest() && !disk {
            return Err(Violation(format!("node {machine} stopped: {why}")));
        }
        self.machines[machine].crash(false);
        Ok(())
    }

    fn executed(&mut self, machine: usize, life: u32) -> Result<(), Violation> {
        let one = &mut self.machines[machine];
        if one.life != life {
            return Ok(());
        }
        let Some(task) = one.executing.pop_front() else { return Ok(()) };
        let result = task.run(&one.ledger, &one.executor);
        if !one.executing.is_empty() {
            let delay_us = self.numbers.between(200, 3_000);
            self.at(delay_us, Happening::Executed { machine, life });
        }
        self.tell(machine, life, Event::Executed { height: task.height(), result })
    }

    fn write(&mut self, machine: usize, writing: Writing) {
        self.machines[machine].writing.push_back(writing);
        if self.machines[machine].writing.len() == 1 {
            self.disk_works(machine);
        }
    }

    fn disk_works(&mut self, machine: usize) {
        let one = &self.machines[machine];
        let life = one.life;
        let (least, most) = self.setup.slow_write_ms;
        let delay_us =
            if one.slow { self.numbers.between(least * 1000, most * 1000) } else { self.numbers.between(300, 4_000) };
        self.at(delay_us, Happening::Written { machine, life });
    }

    fn written(&mut self, machine: usize, life: u32) -> Result<(), Violation> {
        if self.machines[machine].life != life {
            return Ok(());
        }
        let Some(writing) = self.machines[machine].writing.pop_front() else { return Ok(()) };
        if !self.machines[machine].writing.is_empty() {
            self.disk_works(machine);
        }
        let ledger = Arc::clone(&self.machines[machine].ledger);
        let event = match writing {
            Writing::Promise(task) => Event::Persisted { ticket: task.ticket(), result: task.run(&ledger) },
            Writing::Stage(task) => Event::Staged { result: task.run(&ledger) },
            Writing::Install(task) => {
                let (height, result) = (task.height(), task.run(&ledger));
                match &result {
                    Ok(()) => return self.begin_anew(machine, height),
                    Err(error) if !error.changed_nothing() => {}
                    Err(InstallError::Overtaken { .. }) => {
                        self.machines[machine].crash(false);
                        return self.start(machine);
                    }
                    Err(error) => return Err(Violation(format!("node {machine}: {error}"))),
                }
                Event::Installed { height, result }
            }
            Writing::Block(task) => {
                let height = task.height();
                let result = task.run(&ledger);
                if let (Ok(block), true) = (&result, self.machines[machine].honest()) {
                    let new = self.checker.told(machine, block)?;
                    self.learn_state(machine, height, new, is_empty(&block.record.block))?;
                    self.note(|| format!("node {machine}: block {height}"));
                    let counter = block.record.receipts.iter().find_map(|receipt| receipt.contract);
                    self.clients.counter = self.clients.counter.or(counter);
                    let checker = &self.checker;
                    self.clients.told(|hash| checker.is_told(hash));
                }
                Event::Written { height, result: result.map(|_| ()) }
            }
        };
        self.tell(machine, life, event)
    }

    /// A node's ledger holds a snapshot: its group goes on above it.
    fn begin_anew(&mut self, machine: usize, height: u64) -> Result<(), Violation> {
        self.note(|| format!("node {machine}: the snapshot of block {height} is put in"));
        self.statistics.snapshots += 1;
        self.statistics.snapshots_spoilt += u64::from(self.machines[machine].spoilt);
        let found = self.machines[machine].ledger.verify(&mut |_| {});
        match found {
            // Signatures are real in some simulations only.
            Ok(found)
                if (found.ok || !self.setup.thorough)
                    && (found.height, found.recomputed_root) == (height, found.state_root) => {}
            other => return Err(Violation(format!("node {machine} is not whole after a snapshot: {other:?}"))),
        }
        self.machines[machine].crash(false);
        self.start(machine)
    }

    /// Tells the checker of blocks that a node has on disk and lost its power before it could tell of.
    fn learn_blocks(&mut self, machine: usize) -> Result<(), Violation> {
        let ledger = Arc::clone(&self.machines[machine].ledger);
        for number in self.checker.height() + 1..=ledger.tip().number {
            let block = ledger.block(number).map_err(|error| Violation(error.to_string()))?;
            let block = block.ok_or_else(|| Violation(format!("node {machine} lacks its block {number}")))?;
            let hashes: Vec<_> = block.transactions.iter().map(|one| one.hash(Suite::Standard)).collect();
            let new = self.checker.written(machine, &block.header, &block.certificate, &hashes)?;
            self.learn_state(machine, number, new, is_empty(&block))?;
        }
        Ok(())
    }

    /// Tells the checker who rules the next height, from the state of the first node that has the block, and looks whether
    /// that state asks for an empty block.
    fn learn_state(&mut self, machine: usize, height: u64, new: bool, empty: bool) -> Result<(), Violation> {
        if !new {
            return Ok(());
        }
        let one = &self.machines[machine];
        let state = one.ledger.state();
        let failed = |error: NodeFault| Violation(error.to_string());
        let sealers = one.executor.sealers(state.as_ref()).map_err(failed)?;
        if empty {
            self.checker.count_empty();
            let configuration = Configuration::read(state.as_ref()).map_err(failed)?;
            let period = configuration.empty_block_period_ms(height).map_err(failed)?;
            let interval = self.checker.interval_ms(height);
            if period.is_none() || interval < period {
                let words = format!("block {height} is empty after {interval:?} ms, and {period:?} are asked for");
                return Err(Violation(words));
            }
        }
        let set = sealers.set_at(height + 1);
        let members = set.sealers.to_vec();
        if self.checker.next_sealers(height) != Some(set.hash) {
            return Err(Violation(format!("the header of block {height} names other sealers than its state")));
        }
        if self.checker.set_rules(Arc::new(SealerSet { since: set.from.max(1), members })) {
            self.statistics.membership_changes += 1;
            self.note(|| format!("other sealers from {} on: {}", set.from, set.sealers.len()));
        }
        Ok(())
    }

    /// A message leaves: a liar changes it, the network loses, doubles and delays it.
    fn send(&mut self, from: usize, to: usize, message: Message) {
        let messages = match self.machines[from].mischief.as_mut() {
            Some(mischief) => mischief.corrupt(to, message, &mut self.numbers, &mut self.statistics),
            None => vec![message],
        };
        for message in messages {
            self.travel(from, to, message);
        }
    }

    fn travel(&mut self, from: usize, to: usize, message: Message) {
        let message = self.in_brief(message);
        if self.blocked.contains(&(from, to)) || (!self.calm && self.numbers.per_mille(self.setup.loss_per_mille)) {
            self.statistics.messages_lost += 1;
            return;
        }
        let key = public_key(self.machines[from].key);
        if !self.calm && self.numbers.per_mille(self.setup.duplicate_per_mille) {
            self.statistics.messages_twice += 1;
            let delay_us = self.delay_us();
            self.at(delay_us, Happening::Arrival { machine: to, from: key, message: message.clone() });
        }
        let delay_us = self.delay_us();
        self.at(delay_us, Happening::Arrival { machine: to, from: key, message });
    }

    /// Proposals travel in brief in some simulations, and now and then two of its transactions have one name.
    fn in_brief(&mut self, message: Message) -> Message {
        let Message::PrePrepare { vote, proposal } = &message else { return message };
        if !self.setup.is_brief() {
            return message;
        }
        let mut brief = Brief::of(proposal);
        self.statistics.briefs += 1;
        if !self.calm && self.numbers.per_mille(50) {
            let count = proposal.transactions.len().max(1);
            brief.confuse(self.numbers.place(count), self.numbers.place(count));
            self.statistics.briefs_confused += 1;
        }
        Message::Brief { vote: vote.clone(), brief: Arc::new(brief) }
    }

    fn delay_us(&mut self) -> u64 {
        let usual = if self.calm { 5 } else { self.setup.delay_ms_max } * 1000;
        // One in a hundred takes a detour.
        let detour = if !self.calm && self.numbers.per_mille(10) { 10 } else { 1 };
        self.numbers.between(300, usual.max(400)) * detour
    }

    fn arrive(&mut self, machine: usize, from: PublicKey, message: Message) -> Result<(), Violation> {
        let one = &self.machines[machine];
        let life = one.life;
        let Some(group) = one.group.as_ref() else { return Ok(()) };
        self.statistics.messages += 1;
        let message = if self.setup.thorough {
            let bytes = message.encode();
            Message::decode_all(&mut &bytes[..]).map_err(|_| Violation("a message does not decode".into()))?
        } else {
            message
        };
        let Ok(incoming) = Incoming::new(group.pool().rules(), group.pool().height(), message) else { return Ok(()) };
        self.tell(machine, life, Event::Message { from, incoming })
    }

    fn clients_send(&mut self) -> Result<(), Violation> {
        if self.quiet {
            return Ok(());
        }
        let delay_us = self.numbers.between(100, 400) * 1000;
        self.at(delay_us, Happening::Clients);
        let up = |one: &Machine| one.group.is_some() && one.honest();
        let places: Vec<usize> = (0..self.machines.len()).filter(|place| up(&self.machines[*place])).collect();
        if places.is_empty() {
            return Ok(());
        }
        let machine = places[self.numbers.place(places.len())];
        let (now_ms, height) = (self.now_ms(), self.checker.height());
        let mut batch = self.clients.batch(now_ms, height, &self.setup, &mut self.numbers);
        if (self.setup.spares > 0 || self.setup.weighted()) && self.numbers.per_mille(60) {
            batch.push(self.clients.change_members(now_ms, height, &self.setup, &mut self.numbers));
        }
        if let Some(emptied) = self.emptied.filter(|_| self.numbers.per_mille(100)) {
            // What its operator does once it has the chain.
            let key = self.machines[emptied].key;
            let silent = self.machines[emptied].is_silent(&public_key(key));
            batch.push(self.clients.renew_member(now_ms, height, key, !silent, &mut self.numbers));
        }
        let one = &self.machines[machine];
        let (life, Some(group)) = (one.life, one.group.as_ref()) else { return Ok(()) };
        let sized = batch.into_iter().map(|one| (one, 300)).collect();
        let checked = check(group.pool().rules(), group.pool().height(), sized);
        self.tell(machine, life, Event::Admit { ticket: 0, checked })
    }
}

/// Whether a block came without a transaction that it was proposed for. One whose transactions were all left out did not.
fn is_empty(block: &Block) -> bool {
    block.transactions.is_empty() && block.left_out.is_empty()
}
