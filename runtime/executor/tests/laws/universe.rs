//! A chain and its model, side by side.

use std::{collections::BTreeMap, sync::Arc};

use entente_executor::{Account, ExecutedBlock, Executor, InputTransaction, container};
use entente_host::gas::{SCHEDULE_1, UNITS_PER_GAS, to_gas};
use entente_state::{MapState, Row, Table};
use entente_types::{Address, Amount, Genesis, Hash, Receipt, Status};
use parity_scale_codec::Decode;

use crate::{
    common::{Chain, GAS, account, genesis},
    contract::{Container, Input, Script, Target, module},
    generate::{Sent, Turn, script_of, target_of},
    model::{Call, Checked, Counts, End, Given, Model, Ran, Seen, Stop, World, ensure},
    native::natives,
};

pub struct Universe {
    pub contracts: [Address; 3],
    pub counts: Counts,
    /// Cases that ended where the model could not tell.
    pub undecided: u32,
    chain: Chain,
    genesis: Genesis,
    /// Where every case begins.
    state: Arc<MapState>,
    tip: ExecutedBlock,
    prologue: Option<u64>,
    last: Option<Receipt>,
}

impl Universe {
    /// Three script contracts of two codes.
    pub fn new(balances: bool) -> Self {
        let allocations =
            if balances { vec![(account(1), Amount::from(1_000)), (account(2), Amount::from(500))] } else { vec![] };
        let genesis = Genesis { balances, allocations, ..genesis() };
        let mut chain = Chain::new(genesis.clone(), natives());
        let contracts = [0, 0, 1].map(|seed| chain.deploy(&module(seed), &[]).contract.expect("a contract"));
        let (state, tip) = (chain.state.clone(), chain.tip.clone());
        let counts = Counts::default();
        Self { contracts, counts, undecided: 0, chain, genesis, state, tip, prologue: None, last: None }
    }

    pub fn last_receipt(&self) -> &Receipt {
        self.last.as_ref().expect("a transaction was sent")
    }

    pub fn balance(&self, address: Address) -> u64 {
        world_of(&self.chain.state).accounts.get(&address).map_or(0, |account| account.0)
    }

    /// The rows of contracts, accounts and code that the last case changed.
    pub fn rows_changed(&self) -> Vec<Row> {
        let (before, after) = (&self.state.0, &self.chain.state.0);
        let other = Row::new(&Table::EthereumHashes, &[]);
        let mut rows: Vec<Row> = before.keys().chain(after.keys()).cloned().collect();
        rows.retain(|row| before.get(row) != after.get(row) && row.table() != other.table());
        rows
    }

    /// Plays the turns from the beginning, by executor and model. Where that `is_checked_cold`, another executor, which
    /// has seen nothing else, runs the same blocks.
    pub fn play(&mut self, turns: &[Turn], is_checked_cold: bool) -> Result<(), String> {
        (self.chain.state, self.chain.tip) = (self.state.clone(), self.tip.clone());
        let mut model = Model::new(world_of(&self.state), self.genesis.balances);
        model.prologue = self.prologue;
        let mut blocks = Vec::new();
        let played = turns.iter().try_for_each(|turn| self.turn(turn, &mut model, &mut blocks));
        let (counts, all) = (model.counts, &mut self.counts);
        all.foretold += counts.foretold;
        all.asked += counts.asked;
        all.created += counts.created;
        all.deepest = all.deepest.max(counts.deepest);
        self.prologue = model.prologue;
        match played {
            Ok(()) => {}
            Err(Stop::Undecided) => self.undecided += 1,
            Err(Stop::Wrong(what)) => return Err(what),
        }
        if is_checked_cold { self.repeat_cold(&blocks) } else { Ok(()) }
    }

    /// A new executor over the same blocks, without the reads between them.
    fn repeat_cold(&mut self, blocks: &[(Vec<InputTransaction>, Hash)]) -> Result<(), String> {
        let warm = std::mem::replace(&mut self.chain.executor, Executor::new(&self.genesis, natives()));
        let (state, tip) = (self.chain.state.clone(), self.chain.tip.clone());
        (self.chain.state, self.chain.tip) = (self.state.clone(), self.tip.clone());
        for (transactions, hash) in blocks {
            let executed = self.chain.commit(transactions);
            if executed.header.hash(self.genesis.suite) != *hash {
                return Err(format!("a cold executor makes another block {}", executed.header.number));
            }
        }
        (self.chain.executor, self.chain.state, self.chain.tip) = (warm, state, tip);
        Ok(())
    }

    fn turn(&mut self, turn: &Turn, model: &mut Model, blocks: &mut Vec<(Vec<InputTransaction>, Hash)>) -> Checked<()> {
        match turn {
            Turn::Read { from, whom, script } => {
                let script = script_of(script, &self.contracts);
                let target = address_of(target_of(*whom, &self.contracts));
                let receipt = self.chain.call(*from, target, script.bytes.clone());
                let saved = model.world.clone();
                model.begin(Hash::ZERO, account(*from));
                let ran = self.entered(model, *from, target, 0, &script, GAS * UNITS_PER_GAS, &receipt)?;
                check_receipt(model, &receipt, &ran, GAS * UNITS_PER_GAS, GAS)?;
                model.world = saved;
                Ok(())
            }
            Turn::Block(sent) => {
                let scripts: Vec<Script> = sent.iter().map(|sent| script_of(&sent.script, &self.contracts)).collect();
                let signed: Vec<_> = sent.iter().zip(&scripts).map(|(sent, script)| self.sign(sent, script)).collect();
                let executed = self.chain.commit(&signed).clone();
                for (index, (sent, script)) in sent.iter().zip(&scripts).enumerate() {
                    let receipt = &executed.receipts[index];
                    self.last = Some(receipt.clone());
                    self.transaction(model, sent, script, signed[index].hash, receipt)?;
                }
                blocks.push((signed, executed.header.hash(self.genesis.suite)));
                let found = world_of(&self.chain.state);
                let World { rows, accounts, codes, .. } = &model.world;
                ensure(&found.rows == rows, || format!("storage: {rows:02x?} expected, {:02x?} found", found.rows))?;
                ensure(&found.accounts == accounts, || format!("accounts: {accounts:?}, not {:?}", found.accounts))?;
                ensure(&found.codes == codes, || format!("code: {codes:?}, not {:?}", found.codes))
            }
        }
    }

    fn sign(&mut self, sent: &Sent, script: &Script) -> InputTransaction {
        let to = sent.whom.map(|whom| address_of(target_of(whom, &self.contracts)));
        let input = if to.is_some() { script.bytes.clone() } else { container(&module(1), &script.bytes) };
        self.chain.sign_with_value(sent.sender, to, input, sent.gas_limit, sent.value)
    }

    fn transaction(
        &self,
        model: &mut Model,
        sent: &Sent,
        script: &Script,
        hash: Hash,
        receipt: &Receipt,
    ) -> Checked<()> {
        model.begin(hash, account(sent.sender));
        let container = Container::of(1, script.clone());
        let input = if sent.whom.is_some() { &script.bytes } else { &container.bytes };
        let intrinsic = SCHEDULE_1.intrinsic(input, sent.whom.is_none()).expect("a short input");
        let Some(units) = (sent.gas_limit * UNITS_PER_GAS).checked_sub(intrinsic) else {
            return ensure(receipt.status == Status::OutOfGasIntrinsic && receipt.logs.is_empty(), || {
                format!("{receipt:?} where the gas does not cover the input")
            });
        };
        let ran = if let Some(whom) = sent.whom {
            let target = address_of(target_of(whom, &self.contracts));
            self.entered(model, sent.sender, target, sent.value, script, units, receipt)?
        } else {
            let given = Given { units: Some(units), is_enough: false };
            let seen = if receipt.status == Status::Success { Seen::Ended(End::Success, None) } else { seen(receipt) };
            let sender = account(sent.sender);
            let (ran, address) = model.found(sender, sent.value, &container, given, seen, receipt.contract)?;
            let contract = (ran.end == End::Success).then_some(address);
            ensure(receipt.contract == contract, || format!("created {:?}, not {contract:?}", receipt.contract))?;
            ran
        };
        check_receipt(model, receipt, &ran, units, sent.gas_limit)
    }

    #[expect(clippy::too_many_arguments, reason = "a call from outside and what came of it")]
    fn entered(
        &self,
        model: &mut Model,
        from: u8,
        target: Address,
        value: u64,
        script: &Script,
        units: u64,
        receipt: &Receipt,
    ) -> Checked<Ran> {
        let has_code = model.world.accounts.get(&target).is_some_and(|account| account.1.is_some());
        if !has_code && value == 0 {
            return Ok(Ran { end: End::Fault("no_code"), spent: crate::model::Spent::All });
        }
        let input = Input::Script(script.clone());
        let call = Call { kind: 0, target, value, input: &input };
        model.enter(account(from), call, Given { units: Some(units), is_enough: false }, seen(receipt))
    }
}

fn seen(receipt: &Receipt) -> Seen<'_> {
    match receipt.status {
        Status::Success => Seen::Ended(End::Success, Some(&receipt.output)),
        Status::Revert => Seen::Ended(End::Revert, Some(&receipt.output)),
        _ => Seen::Failed,
    }
}

/// Status, error, logs and gas of a receipt whose output the model has read.
fn check_receipt(model: &Model, receipt: &Receipt, ran: &Ran, given: u64, gas_limit: u64) -> Checked<()> {
    let expected = match ran.end {
        End::Success => None,
        End::Revert => Some("revert"),
        End::Fault(code) => Some(code),
    };
    let found = receipt.error.as_ref().map(|error| error.code.as_str());
    // A frame may also have run out of gas before it came to the step that fails.
    let ran_out = matches!(ran.end, End::Fault(_)) && found == Some("out_of_gas");
    ensure(found == expected || ran_out, || format!("the error {found:?}, not {expected:?}"))?;
    let logs = if ran.end == End::Success { &model.world.logs[..] } else { &[] };
    ensure(receipt.logs == logs, || format!("the logs {:?}, not {logs:?}", receipt.logs))?;
    // A read of nothing costs nothing.
    let is_free = found == Some("no_code") && receipt.gas_used == 0;
    let limit = gas_limit * UNITS_PER_GAS;
    let used = receipt.gas_used;
    let may_use = |left: u64| to_gas(limit - left) == used && ran.may_leave(given, left);
    // Receipts round up: what was left is one of a thousand amounts.
    let least = limit.saturating_sub(used * UNITS_PER_GAS);
    ensure(is_free || (least..least + UNITS_PER_GAS).any(|left| left <= given && may_use(left)), || {
        format!("{used} gas of {gas_limit} used: {ran:?}")
    })
}

fn address_of(target: Target) -> Address {
    match target {
        Target::At(address) => address,
        Target::Created => Address::ZERO,
    }
}

/// What a state holds, as the model sees it.
fn world_of(state: &MapState) -> World {
    let mut world = World::default();
    let mut balances = BTreeMap::new();
    for (row, value) in &state.0 {
        match Table::decode(&mut row.table()).expect("a table") {
            Table::Contract(address) => {
                world.rows.insert((address, row.key().to_vec()), value.to_vec());
            }
            Table::Accounts => {
                let address = Address::from_slice(row.key()).expect("an address");
                let account = Account::from_bytes(&address, value).expect("an account");
                let balance = u64::try_from(account.balance.0).expect("small");
                balances.insert(address, (balance, account.code.map(|code| code.hash)));
            }
            Table::Code => {
                world.codes.insert(Hash::from_slice(row.key()).expect("a hash"));
            }
            Table::Configuration | Table::EthereumHashes | Table::Members => {}
        }
    }
    world.accounts = balances;
    world
}
