//! What a transaction or a call would come to over a state, with nothing kept of it.

use std::sync::Arc;

use entente_evm::{IntrinsicGas, shown_wasm};
use entente_host::{
    BlockContext, ContractFault, FrameStatus, NodeFault, TransactionContext,
    gas::{UNITS_PER_GAS, to_gas},
};
use entente_state::{Overlay, StateReader};
use entente_types::{
    AccessListEntry, Address, Amount, Authorization, EthereumKind, EthereumPayload, EthereumRefusal, Hash, Header,
    Receipt, SenderAccount,
};

use crate::{
    Account, CodeKind, CodeReference, Configuration, EthereumRules, Executor, Overrides, Rules,
    context::Context,
    ethereum::{self, Valid},
    machine::{KnownVersion, Machine},
    overrides::overridden,
    transaction::{Start, receipt_of, start},
};

/// A call that changes nothing, as a native transaction makes it.
#[derive(Debug, Clone)]
pub struct CallInput {
    /// Who is said to call.
    pub from: Address,
    /// Who is called.
    pub to: Address,
    /// What with.
    pub input: Vec<u8>,
    /// The gas it may use, in Ethereum's unit.
    pub gas: u64,
}

/// What a call that changes nothing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The receipt that a transaction would have.
    pub receipt: Receipt,
    /// Where the contract's own code failed: the function's name as its module has it. No receipt bears it, since what
    /// a node can tell of a failure may differ from what another can.
    pub function: Option<Box<str>>,
}

/// What would run: an Ethereum transaction without a signature, from whomever it says. No nonce is looked at, and its
/// sender may have code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// Its sender.
    pub from: Address,
    /// Whom it calls; nothing where it creates a contract.
    pub to: Option<Address>,
    /// What it calls with, or what creates the contract.
    pub input: Vec<u8>,
    /// The coin that it sends along.
    pub value: Amount,
    /// The gas that it may use at most; without it, and beyond it, what the group allows a transaction.
    pub gas: Option<u64>,
    /// What it pays for a unit of gas at most. Where that is nothing, the block's base fee is nothing too.
    pub max_fee: Amount,
    /// What of that whoever makes the block gets at most.
    pub max_priority_fee: Amount,
    /// What it says it will touch.
    pub access_list: Vec<AccessListEntry>,
    /// The accounts that let another's code stand for them.
    pub authorizations: Vec<Authorization>,
    /// Whether what comes before any code is left out of its gas.
    pub is_free: bool,
}

/// Over what it runs: the state after a block, as that block's transactions saw the rest of the world.
#[derive(Clone)]
pub struct Scene<'a> {
    /// The state after the header's block.
    pub state: Arc<dyn StateReader>,
    /// The header.
    pub header: &'a Header,
    /// What differs.
    pub overrides: &'a Overrides,
}

/// Why nothing was run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// No block could have it.
    #[error(transparent)]
    Refused(#[from] EthereumRefusal),
    /// What stands there is not the state's.
    #[error("the code of {0} cannot be overridden: a native module or a precompile is there")]
    BuiltIn(Address),
    /// The node's own fault.
    #[error(transparent)]
    Node(#[from] NodeFault),
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// The receipt that the transaction would have.
    pub receipt: Receipt,
    /// The code of the contract that it created, as EVM code sees it.
    pub code: Vec<u8>,
    /// The gas that it used before any of it came back.
    pub gas_peak: u64,
}

/// A scene made ready, over which one thing after the other can run, each as if it were the first.
pub(crate) struct Stage<'a> {
    pub(crate) state: Arc<dyn StateReader>,
    pub(crate) block: BlockContext,
    pub(crate) rules: Rules,
    /// Whatever number the block says to have.
    hashed_below: u64,
    version: &'a KnownVersion,
    machine: &'a Arc<Machine>,
}

impl Stage<'_> {
    pub(crate) fn context(&self) -> Box<Context> {
        let overlay = Overlay::new(Arc::clone(&self.state));
        let (block, machine) = (Arc::new(self.block.clone()), Arc::clone(self.machine));
        let mut context = Box::new(Context::new(overlay, block, self.rules, machine, self.version));
        context.hashed_below = self.hashed_below;
        context
    }

    /// Runs what would be a transaction over the stage.
    pub(crate) fn run(&self, simulation: &Simulation) -> Result<Simulated, SimulationError> {
        run(self.context(), simulation).1
    }
}

impl Executor {
    /// A stage at a block, over the state after it.
    pub(crate) fn stage(&self, state: Arc<dyn StateReader>, header: &Header) -> Result<Stage<'_>, NodeFault> {
        let (rules, version) = self.version(&Configuration::read(state.as_ref())?, header.number)?;
        let sealers = self.sealers(state.as_ref())?;
        let block = self.block_context(header.number, header.timestamp_ms, header.proposer, &rules, &sealers);
        Ok(Stage { state, hashed_below: block.number, block, rules, version, machine: self.machine() })
    }

    pub(crate) fn overridden_stage(&self, scene: &Scene<'_>) -> Result<Stage<'_>, SimulationError> {
        let mut stage = self.stage(Arc::clone(&scene.state), scene.header)?;
        let Overrides { accounts, block } = scene.overrides;
        stage.state = overridden(stage.state, accounts)?;
        block.apply(&mut stage.block);
        let context = stage.context();
        for (address, account) in accounts {
            if account.code.is_some() && context.is_built_in(address) {
                return Err(SimulationError::BuiltIn(*address));
            }
        }
        Ok(stage)
    }

    /// Calls a contract over a state without keeping what it does.
    ///
    /// # Errors
    /// Only the node's own faults.
    pub fn call(&self, state: Arc<dyn StateReader>, tip: &Header, call: CallInput) -> Result<Called, NodeFault> {
        let over = self.stage(state, tip)?;
        let mut context = over.context();
        context.begin(TransactionContext { hash: Hash::ZERO, origin: call.from });
        let gas = call.gas.min(over.rules.transaction_gas).saturating_mul(UNITS_PER_GAS);
        let CallInput { from: sender, to, input, .. } = call;
        let (context, outcome) = start(context, Start { sender, to: Some(to), value: Amount::ZERO, input, gas });
        let mut outcome = outcome?;
        let function = outcome.function.take();
        // Where there is nothing to call, nothing was used either.
        let used = if outcome.status == FrameStatus::Fault(ContractFault::NoCode) {
            0
        } else {
            to_gas(gas.saturating_sub(outcome.gas_left))
        };
        Ok(Called { receipt: receipt_of(used, outcome, context.logs), function })
    }

    /// What a transaction would come to over a scene. Under a version without EVM code, it is what it would come to if
    /// that version executed it.
    ///
    /// # Errors
    /// What Ethereum would not run, and the node's own faults.
    pub fn simulate(&self, scene: &Scene<'_>, simulation: &Simulation) -> Result<Simulated, SimulationError> {
        self.overridden_stage(scene)?.run(simulation)
    }
}

/// What a simulation is held against besides, and how it is called.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    /// The nonce that it must have.
    pub(crate) nonce: Option<u64>,
    /// Whether it must pay the base fee even where it offers nothing.
    pub(crate) base_fee: bool,
    /// Its transaction's hash.
    pub(crate) hash: Hash,
}

/// Runs what would be a transaction, by what runs those that are.
pub(crate) fn run(
    context: Box<Context>,
    simulation: &Simulation,
) -> (Box<Context>, Result<Simulated, SimulationError>) {
    run_held(context, simulation, Held::default())
}

/// The same where more of it is said.
pub(crate) fn run_held(
    mut context: Box<Context>,
    simulation: &Simulation,
    held: Held,
) -> (Box<Context>, Result<Simulated, SimulationError>) {
    let valid = match prepare(&mut context, simulation, held) {
        Ok(valid) => valid,
        Err(error) => return (context, Err(error)),
    };
    context.begin(TransactionContext { hash: held.hash, origin: valid.sender });
    if let Err(fault) = ethereum::begin(&mut context, &valid) {
        return (context, Err(fault.into()));
    }
    let (mut context, outcome) = ethereum::start(context, &valid);
    let simulated = outcome.and_then(|outcome| {
        let limit = valid.payload.gas_limit;
        let gas_peak = limit.saturating_sub(outcome.gas_left / UNITS_PER_GAS).max(valid.intrinsic.floor);
        let receipt = ethereum::finish(&mut context, &valid, outcome)?;
        Ok(Simulated { code: created_code(&mut context, &receipt)?, receipt, gas_peak })
    });
    (context, simulated.map_err(SimulationError::Node))
}

/// What is there once the contract of a receipt is created: nothing where there is none, or it removed itself.
fn created_code(context: &mut Context, receipt: &Receipt) -> Result<Vec<u8>, NodeFault> {
    let Some(address) = receipt.contract else { return Ok(Vec::new()) };
    match Account::load(&mut context.overlay, &address)?.and_then(|account| account.code) {
        None => Ok(Vec::new()),
        Some(CodeReference { kind: CodeKind::Wasm, hash }) => Ok(shown_wasm(&hash)),
        Some(CodeReference { kind: CodeKind::Evm | CodeKind::Delegation, hash }) => context.code(&hash),
    }
}

/// What is checked of a simulation, and what of it runs.
fn prepare(context: &mut Context, simulation: &Simulation, held: Held) -> Result<Valid, SimulationError> {
    let Simulation { from, to, input, value, max_fee, max_priority_fee, is_free, .. } = simulation;
    if max_fee.is_zero() && !held.base_fee {
        Arc::make_mut(&mut context.block).ethereum.base_fee = Amount::ZERO;
    }
    let base_fee = context.block.ethereum.base_fee;
    let limit = context.rules.transaction_gas;
    let payload = EthereumPayload {
        kind: EthereumKind::DynamicFee,
        chain_id: context.block.ethereum_chain_id,
        nonce: held.nonce.unwrap_or_default(),
        max_fee: *max_fee,
        max_priority_fee: *max_priority_fee,
        gas_limit: simulation.gas.map_or(limit, |gas| gas.min(limit)),
        to: *to,
        value: *value,
        input: input.clone().into(),
        access_list: simulation.access_list.clone(),
        authorizations: simulation.authorizations.clone(),
        signature: [0; 65],
    };
    let rules = EthereumRules::of(context);
    rules.fields(&payload)?;
    let price = payload.gas_price(base_fee).unwrap_or_default();
    let intrinsic = if *is_free { IntrinsicGas { initial: 0, floor: 0 } } else { intrinsic(context, &rules, &payload) };
    EthereumRules::covers(&payload, intrinsic)?;
    let (place, account) = Account::find(&mut context.overlay, from)?;
    let account = account.unwrap_or_default();
    // Whoever asks may ask for an account that is a contract, and need not say a number.
    let nonce = if held.nonce.is_some() { account.nonce } else { 0 };
    let sender = SenderAccount { nonce, is_contract: false, ..account.as_sender(context.block.balances) };
    sender.check(*from, &payload)?;
    if let Some(found) = held.nonce.filter(|found| *found > nonce) {
        return Err(EthereumRefusal::NonceHigh { found, sender: *from, most: nonce }.into());
    }
    Ok(Valid { sender: *from, place, account, payload: Arc::new(payload), price, intrinsic })
}

/// What it costs before any code runs. A version without EVM code has its own schedule for that.
fn intrinsic(context: &Context, rules: &EthereumRules, payload: &EthereumPayload) -> IntrinsicGas {
    if context.evm.is_some() {
        return rules.intrinsic(payload);
    }
    let units = context.rules.gas.intrinsic(&payload.input, payload.to.is_none());
    IntrinsicGas { initial: units.map_or(u64::MAX, to_gas), floor: 0 }
}
