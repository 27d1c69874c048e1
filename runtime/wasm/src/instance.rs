//! One instance of a module, kept between calls and reset so that no call can tell.

use std::sync::Arc;

use entente_host::{CallHost, ContractFault, Fault, Frame, FrameStatus, NodeFault, Outcome, STACK_MEMORY_PAGES_MAX};
use wasmer::{
    AsStoreMut, FunctionEnv, Global, Instance as Engine, InstantiationError, LinkError, Memory, RuntimeError, Store,
    TypedFunction, Value, sys::vm::TrapCode,
};

use crate::{
    compiled::Compiled,
    imports::{Environment, imports},
    instrument::{DIRTY, GAS, HOST_FAILED, MEMORY, STACK, own_global},
    limits::{MEMORY_PAGES_MAX, RESTORED_BYTES_MAX, STACK_BUDGET},
};

/// The bytes that a store can reach beyond the chunk it begins in.
const STORE_REACH: usize = 8;

/// Which of the module's two functions a frame runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The constructor.
    Deploy,
    /// Everything else.
    Call,
}

/// A live instance with a store of its own.
pub(crate) struct Instance<H: CallHost> {
    store: Store,
    environment: FunctionEnv<Environment<H>>,
    memory: Memory,
    deploy: TypedFunction<(), i32>,
    call: TypedFunction<(), i32>,
    gas: Global,
    stack: Global,
    dirty: Global,
    /// The pages that memory may grow to.
    pages: Global,
    /// The module's mutable globals and what they begin with.
    own: Vec<(Global, Value)>,
    compiled: Arc<Compiled>,
}

fn engine(error: impl std::fmt::Display) -> NodeFault {
    NodeFault::Engine(format!("a compiled contract could not be instantiated: {error}"))
}

impl<H: CallHost> Instance<H> {
    pub(crate) fn new(compiled: Arc<Compiled>) -> Result<Self, Fault> {
        let mut store = Store::new(compiled.engine.clone());
        let environment = FunctionEnv::new(&mut store, Environment::default());
        let imports = imports(&mut store, &environment);
        let instance = Engine::new(&mut store, &compiled.module, &imports).map_err(|error| match error {
            // Active segments that do not fit: the module's own doing, and the same everywhere. What else fails here
            // (no address space for a memory) is this node's.
            InstantiationError::Start(_) | InstantiationError::Link(LinkError::Trap(_)) => {
                Fault::Contract(ContractFault::Trap("a data or element segment does not fit"))
            }
            other => Fault::Node(engine(other)),
        })?;
        let global = |name: &str| instance.exports.get_global(name).cloned().map_err(engine);
        let (gas, stack, dirty, pages) = (global(GAS)?, global(STACK)?, global(DIRTY)?, global(MEMORY)?);
        let mut own = Vec::new();
        for index in &compiled.mutable_globals {
            let global = global(&own_global(*index))?;
            let initial = global.get(&mut store);
            own.push((global, initial));
        }
        let memory = instance.exports.get_memory("memory").map_err(engine)?.clone();
        let deploy = instance.exports.get_typed_function(&store, "deploy").map_err(engine)?;
        let call = instance.exports.get_typed_function(&store, "call").map_err(engine)?;
        let inside = environment.as_mut(&mut store);
        inside.memory = Some(memory.clone());
        inside.gas = Some(gas.clone());
        inside.schedule = Some(compiled.schedule);
        inside.dirty = Some((dirty.clone(), compiled.chunk_shift));
        Ok(Self { store, environment, memory, deploy, call, gas, stack, dirty, pages, own, compiled })
    }

    /// The bytes it counts for while it is kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.compiled.instance_bytes()
    }

    /// Runs one frame. The host comes back whatever happens.
    pub(crate) fn run(&mut self, entry: Entry, host: Box<H>) -> (Box<H>, Result<Outcome, NodeFault>) {
        let Frame { gas, memory_pages, .. } = *host.frame();
        if self.memory.view(&self.store).size().0 > memory_pages {
            let fault = ContractFault::MemoryExhausted { limit: STACK_MEMORY_PAGES_MAX };
            return (host, Ok(Outcome::fault(fault)));
        }
        let Some(gas) = gas.checked_sub(self.compiled.instance_units) else {
            return (host, Ok(Outcome::fault(ContractFault::OutOfGas)));
        };
        let prepared = self.prepare(gas, memory_pages);
        self.environment.as_mut(&mut self.store).host = Some(host);
        let result = prepared.map(|()| match entry {
            Entry::Deploy => self.deploy.call(&mut self.store),
            Entry::Call => self.call.call(&mut self.store),
        });
        let gas_left = self.gas.get(&mut self.store);
        let stack_left = self.stack.get(&mut self.store);
        let pages = self.pages.get(&mut self.store);
        let environment = self.environment.as_mut(&mut self.store);
        let output = std::mem::take(&mut environment.output);
        let fault = environment.fault.take();
        let reverted = std::mem::take(&mut environment.reverted);
        // A kept instance holds no bytes of a call that is over: there may be a mebibyte.
        environment.return_data = Vec::new();
        let Some(host) = environment.host.take() else {
            // Host functions put the host back before they return, on every path.
            unreachable!("the host left its instance")
        };
        let gas_left = match gas_left {
            Value::I64(gas) => gas,
            _ => i64::MIN,
        };
        let function = result.as_ref().ok().and_then(|result| function_of(result.as_ref().err()?));
        let outcome = match result {
            Err(fault) => Err(fault),
            Ok(Err(_)) if matches!(pages, Value::I32(HOST_FAILED)) => {
                Err(NodeFault::Engine("the system gave no memory for a growth that the rules allow".into()))
            }
            Ok(_) if fault.is_some() => match fault {
                Some(Fault::Contract(fault)) => Ok(Outcome::fault(fault)),
                Some(Fault::Node(fault)) => Err(fault),
                None => Ok(Outcome::fault(ContractFault::OutOfGas)),
            },
            Ok(Ok(status)) => Ok(finished(status == 0, output, gas_left)),
            Ok(Err(_)) if reverted => Ok(finished(false, output, gas_left)),
            Ok(Err(_)) if gas_left < 0 => Ok(Outcome::fault(ContractFault::OutOfGas)),
            Ok(Err(_)) if matches!(stack_left, Value::I32(left) if left < 0) => {
                Ok(Outcome::fault(ContractFault::StackExhausted))
            }
            Ok(Err(error)) => trap(&error).map(Outcome::fault),
        };
        let outcome = outcome.map(|outcome| match outcome.status {
            FrameStatus::Fault(_) => Outcome { function, ..outcome },
            _ => outcome,
        });
        (host, outcome)
    }

    fn prepare(&mut self, gas: u64, memory_pages: u32) -> Result<(), NodeFault> {
        let gas = i64::try_from(gas).map_err(|_| NodeFault::Engine("more than 2^63 units of gas".into()))?;
        self.gas.set(&mut self.store, Value::I64(gas)).map_err(engine)?;
        let pages = memory_pages.min(MEMORY_PAGES_MAX as u32).cast_signed();
        self.pages.set(&mut self.store, Value::I32(pages)).map_err(engine)?;
        self.stack.set(&mut self.store, Value::I32(STACK_BUDGET)).map_err(engine)
    }

    /// Makes the instance like a new one. Answers false where it cannot: such an instance is dropped.
    pub(crate) fn reset(&mut self) -> bool {
        let image = &self.compiled.image;
        if self.memory.view(&self.store).data_size() != image.memory_bytes() as u64 {
            return false;
        }
        let Value::I64(dirty) = self.dirty.get(&mut self.store) else { return false };
        let mut bits = dirty.cast_unsigned();
        let chunk = 1_usize << self.compiled.chunk_shift;
        if bits.count_ones() as usize * chunk > RESTORED_BYTES_MAX.max(chunk) {
            return false;
        }
        let view = self.memory.view(&self.store);
        while bits != 0 {
            let start = bits.trailing_zeros() as usize * chunk;
            bits &= bits - 1;
            if !image.restore(&view, start..start + chunk + STORE_REACH) {
                return false;
            }
        }
        let mut store = self.store.as_store_mut();
        self.dirty.set(&mut store, Value::I64(0)).is_ok()
            && self.own.iter().all(|(global, initial)| global.set(&mut store, initial.clone()).is_ok())
    }
}

fn finished(success: bool, output: Vec<u8>, gas_left: i64) -> Outcome {
    let Ok(gas_left) = u64::try_from(gas_left) else {
        return Outcome::fault(ContractFault::OutOfGas);
    };
    let status = if success { FrameStatus::Success } else { FrameStatus::Revert };
    Outcome { status, output, gas_left, created: None, function: None }
}

/// The function of the contract that was running, by its name or else by its index.
fn function_of(error: &RuntimeError) -> Option<Box<str>> {
    let frame = error.trace().first()?;
    let name = frame.function_name().map_or_else(|| format!("function {}", frame.func_index()), str::to_owned);
    Some(name.into())
}

/// What trapped. Only traps that follow from the module and its input are the contract's.
fn trap(error: &RuntimeError) -> Result<ContractFault, NodeFault> {
    let name = match error.clone().to_trap() {
        Some(TrapCode::UnreachableCodeReached) => "unreachable",
        Some(TrapCode::HeapAccessOutOfBounds) => "memory access out of bounds",
        Some(TrapCode::TableAccessOutOfBounds) => "undefined table element",
        Some(TrapCode::IndirectCallToNull) => "indirect call to null",
        Some(TrapCode::BadSignature) => "indirect call with another type",
        Some(TrapCode::IntegerOverflow) => "integer overflow",
        Some(TrapCode::IntegerDivisionByZero) => "integer division by zero",
        other => return Err(NodeFault::Engine(format!("an unexpected trap ({other:?}): {error}"))),
    };
    Ok(ContractFault::Trap(name))
}
