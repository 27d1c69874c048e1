//! What a transaction did, told in as much detail as is asked for.
//!
//! A transaction of a block is run again over the state that it met: that of the block below, and what the
//! transactions before it did. What it comes to must be what its receipt says.

mod access;
mod calls;
mod errors;
mod state;
mod steps;

use std::sync::Arc;

use entente_host::NodeFault;
use entente_state::StateReader;
use entente_types::{Address, Amount, Hash, Header, Receipt, Transaction};

pub use access::AccessListed;
pub(crate) use access::AccessTracer;
pub(crate) use calls::CallTracer;
pub use calls::{CallFrame, CallLog, CallTrace};
pub use errors::ethereum_words;
pub use state::{AccountState, StateTrace};
pub(crate) use steps::StepTracer;
pub use steps::{StepLog, StepOptions, StepTrace};

use crate::{
    Executor, InputTransaction, Scene, Simulation, SimulationError,
    block::remember_ethereum_hash,
    context::Context,
    observer::{Budget, Observer},
    simulate::run,
    transaction,
};

/// What to tell of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceKind {
    /// Every instruction of EVM code.
    Steps(StepOptions),
    /// The frames.
    Calls {
        /// The outermost alone.
        top_only: bool,
        /// With their logs.
        logs: bool,
    },
    /// The accounts and slots that it touched, as they were before.
    State {
        /// Only what it changed, and what became of that.
        changed_only: bool,
    },
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// Its instructions.
    Steps(StepTrace),
    /// Its frames.
    Calls(CallTrace),
    /// What it touched.
    State(StateTrace),
}

/// What a transaction of a block did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Its hash.
    pub hash: Hash,
    /// What it did.
    pub trace: Trace,
}

/// A block that is run again.
pub struct ReplayInput<'a> {
    /// The header one height lower.
    pub parent: &'a Header,
    /// The block's own.
    pub header: &'a Header,
    /// Its transactions.
    pub transactions: &'a [InputTransaction],
    /// What they came to.
    pub receipts: &'a [Receipt],
    /// The state after the parent.
    pub state: Arc<dyn StateReader>,
}

/// Why there is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// It would not run at all.
    #[error(transparent)]
    Refused(#[from] SimulationError),
    /// There is too much to tell.
    #[error(
        "the trace would have more than {limit} bytes; ask for less: without stack, storage or memory, or with a limit"
    )]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// What it comes to now is not what it came to then: the node's own fault.
    #[error("transaction {index} of block {number} comes to another receipt than the stored one when it is run again")]
    Differs {
        /// The block.
        number: u64,
        /// The transaction's place in it.
        index: usize,
    },
}

impl From<NodeFault> for TraceError {
    fn from(fault: NodeFault) -> Self {
        Self::Refused(fault.into())
    }
}

/// What a transaction says of itself, where no frame does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) from: Address,
    pub(crate) to: Option<Address>,
    pub(crate) value: Amount,
    pub(crate) input: Vec<u8>,
    /// In Ethereum's unit.
    pub(crate) gas: u64,
}

impl Outline {
    fn of_simulation(simulation: &Simulation, gas: u64) -> Self {
        let Simulation { from, to, value, input, .. } = simulation.clone();
        Self { from, to, value, input, gas: simulation.gas.map_or(gas, |asked| asked.min(gas)) }
    }

    /// With the gas of a transaction that gets the group's limit.
    fn of(input: &InputTransaction, group_gas: u64) -> Self {
        let nothing = || Self { from: Address::ZERO, to: None, value: Amount::ZERO, input: Vec::new(), gas: 0 };
        match &*input.transaction {
            Transaction::Native(native) => {
                let unsigned = &native.unsigned;
                let (from, to, value) = (unsigned.sender, unsigned.to, unsigned.value);
                Self { from, to, value, input: unsigned.input.to_vec(), gas: unsigned.gas_limit }
            }
            Transaction::Ethereum(ethereum) => match ethereum.payload() {
                Ok(payload) => {
                    let from = ethereum.origin().map(|origin| origin.sender).unwrap_or_default();
                    let (to, value, gas) = (payload.to, payload.value, payload.gas_limit);
                    Self { from, to, value, input: payload.input.to_vec(), gas }
                }
                Err(_) => nothing(),
            },
            Transaction::Fisco(fisco) => {
                let fields = fisco.fields();
                let (from, to, value) = (fisco.sender().unwrap_or_default(), fields.to, fields.value);
                Self { from, to, value, input: fisco.input().to_vec(), gas: group_gas }
            }
        }
    }
}

/// Watches one transaction after the other, as long as there is a place for what they did.
struct Tracing<'a> {
    kind: &'a TraceKind,
    bytes_max: usize,
    budget: Budget,
}

impl<'a> Tracing<'a> {
    const fn new(kind: &'a TraceKind, bytes_max: usize) -> Self {
        Self { kind, bytes_max, budget: Budget::new(bytes_max) }
    }

    /// Begins to watch the next transaction.
    fn begin(&self, context: &mut Context) {
        context.is_traced = true;
        context.observer = match self.kind {
            TraceKind::Steps(options) => Some(Observer::Steps(StepTracer::new(options.clone(), self.budget))),
            TraceKind::Calls { top_only, logs } => {
                Some(Observer::Calls(CallTracer::new(*top_only, *logs, self.budget)))
            }
            TraceKind::State { .. } => None,
        };
    }

    /// What the transaction did, which has just run and is not sealed.
    fn end(
        &mut self,
        context: &mut Context,
        outline: &Outline,
        ran: Result<Receipt, TraceError>,
    ) -> Result<Trace, TraceError> {
        context.is_traced = false;
        let observer = context.observer.take();
        if observer.as_ref().is_some_and(Observer::is_over) {
            // It was ended for that, whatever it was told.
            return Err(self.too_large());
        }
        let receipt = ran?;
        let trace = match (observer, self.kind) {
            (Some(Observer::Steps(tracer)), _) => {
                self.budget = tracer.budget;
                Trace::Steps(tracer.finish(&receipt))
            }
            (Some(Observer::Calls(tracer)), _) => {
                self.budget = tracer.budget;
                Trace::Calls(tracer.finish(outline, &receipt))
            }
            (_, kind) => {
                let changed_only = matches!(kind, TraceKind::State { changed_only: true });
                Trace::State(state::touched(context, outline, &receipt, changed_only, &mut self.budget)?)
            }
        };
        if self.budget.is_over() {
            return Err(self.too_large());
        }
        context.overlay.seal();
        context.overlay.forget_access();
        Ok(trace)
    }

    const fn too_large(&self) -> TraceError {
        TraceError::TooLarge { limit: self.bytes_max }
    }
}

impl Executor {
    /// What a transaction would do over a scene. The trace has about so many bytes of JSON at most.
    ///
    /// # Errors
    /// A transaction that would not run, or more to tell than there may be.
    pub fn trace(
        &self,
        scene: &Scene<'_>,
        simulation: &Simulation,
        kind: &TraceKind,
        bytes_max: usize,
    ) -> Result<Trace, TraceError> {
        let stage = self.overridden_stage(scene)?;
        let mut tracing = Tracing::new(kind, bytes_max);
        let mut context = stage.context();
        tracing.begin(&mut context);
        let (mut context, simulated) = run(context, simulation);
        let outline = Outline::of_simulation(simulation, stage.rules.transaction_gas);
        let receipt = simulated.map(|simulated| simulated.receipt).map_err(TraceError::from);
        tracing.end(&mut context, &outline, receipt)
    }

    /// What the transactions of a block did: all of them, or the one at a place. All traces together have about so
    /// many bytes of JSON at most.
    ///
    /// # Errors
    /// More to tell than there may be, and the node's own faults.
    pub fn replay(
        &self,
        input: &ReplayInput<'_>,
        place: Option<usize>,
        kind: &TraceKind,
        bytes_max: usize,
    ) -> Result<Vec<Traced>, TraceError> {
        let stage = self.stage(Arc::clone(&input.state), input.header)?;
        let group_gas = stage.rules.transaction_gas;
        let mut context = stage.context();
        remember_ethereum_hash(&mut context.overlay, input.parent)?;
        context.overlay.seal();
        context.overlay.forget_access();
        let mut tracing = Tracing::new(kind, bytes_max);
        let mut traced = Vec::new();
        for (index, transaction) in input.transactions.iter().enumerate() {
            let is_wanted = place.is_none_or(|place| place == index);
            if is_wanted {
                tracing.begin(&mut context);
            }
            let (returned, receipt) = transaction::run(context, transaction);
            context = returned;
            let differs = || TraceError::Differs { number: input.header.number, index };
            let receipt = receipt.map_err(TraceError::from).and_then(|receipt| {
                receipt.filter(|receipt| input.receipts.get(index) == Some(receipt)).ok_or_else(differs)
            });
            if !is_wanted {
                receipt?;
                context.overlay.forget_access();
                continue;
            }
            let trace = tracing.end(&mut context, &Outline::of(transaction, group_gas), receipt)?;
            traced.push(Traced { hash: transaction.hash, trace });
            if place.is_some() {
                break;
            }
        }
        Ok(traced)
    }
}
