//! Runs WebAssembly contracts: validation, metering, the code cache, kept instances and the host functions they
//! import.
//!
//! This crate owns what a module may be and how it runs. It never decides what a frame means for the state: that is
//! the [`CallHost`](entente_host::CallHost)'s. Compiled code and instances are found by the hash of the code alone,
//! and an instance is reset after every call, so that a call's result depends on nothing that ran before.
//!
//! ```
//! use entente_host::gas::SCHEDULE_1;
//! use entente_wasm::check;
//!
//! let error = check(b"\0asm\x01\0\0\0").unwrap_err();
//! assert_eq!(error.code(), "module_rule/memory");
//! # let _ = &SCHEDULE_1;
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod compiled;
mod image;
mod imports;
mod instance;
mod instrument;
pub mod limits;
mod pool;
mod section;
mod validate;

use std::{marker::PhantomData, sync::Arc};

use entente_host::{CallHost, ContractFault, Fault, NodeFault, Outcome, gas::GasSchedule};
use entente_types::Hash;
use wasmer::{
    Engine,
    sys::{Cranelift, CraneliftOptLevel, EngineBuilder},
};

use crate::{
    compiled::{Cache, Compiled},
    instance::Instance,
};
pub use crate::{instance::Entry, section::abi_section};

/// Checks a module against every rule without compiling it.
///
/// # Errors
/// The rule that it breaks, and where.
pub fn check(module: &[u8]) -> Result<(), ContractFault> {
    validate::validate(module).map(|_| ())
}

/// The engine: one for a node, shared among its groups of one gas schedule.
pub struct Wasm<H: CallHost> {
    engine: Engine,
    schedule: &'static GasSchedule,
    cache: Cache,
    /// Names this engine in every thread's pool, and tells them when it is gone.
    identity: Arc<()>,
    host: PhantomData<fn(H)>,
}

impl<H: CallHost> Wasm<H> {
    /// An engine with nothing cached.
    pub fn new(schedule: &'static GasSchedule) -> Self {
        let mut compiler = Cranelift::default();
        compiler.opt_level(CraneliftOptLevel::Speed);
        Self {
            engine: EngineBuilder::new(compiler).engine().into(),
            schedule,
            cache: Cache::default(),
            identity: Arc::new(()),
            host: PhantomData,
        }
    }

    /// How many times a module was compiled since the start.
    pub fn compilations(&self) -> u64 {
        self.cache.compilations()
    }

    /// Compiles the module unless it is cached.
    ///
    /// # Errors
    /// The contract's fault where the module breaks a rule.
    pub fn prepare(&self, code_hash: &Hash, code: &[u8]) -> Result<(), Fault> {
        self.compiled(code_hash, || Ok(code.to_vec())).map(|_| ())
    }

    fn compiled(
        &self,
        code_hash: &Hash,
        code: impl FnOnce() -> Result<Vec<u8>, NodeFault>,
    ) -> Result<Arc<Compiled>, Fault> {
        if let Some(compiled) = self.cache.find(code_hash) {
            return Ok(compiled);
        }
        let compiled = Arc::new(Compiled::new(&self.engine, &code()?, self.schedule)?);
        self.cache.add(*code_hash, &compiled);
        Ok(compiled)
    }

    /// Runs the host's innermost frame with the code of this hash; `code` gives the module where it is not cached.
    pub fn run(
        &self,
        entry: Entry,
        code_hash: &Hash,
        mut host: Box<H>,
        code: impl FnOnce(&mut H) -> Result<Vec<u8>, NodeFault>,
    ) -> (Box<H>, Result<Outcome, NodeFault>) {
        let instance = pool::take(&self.identity, code_hash)
            .map_or_else(|| self.compiled(code_hash, || code(&mut host)).and_then(Instance::new), Ok);
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(Fault::Contract(fault)) => return (host, Ok(Outcome::fault(fault))),
            Err(Fault::Node(fault)) => return (host, Err(fault)),
        };
        let (host, outcome) = instance.run(entry, host);
        if outcome.is_ok() && instance.reset() {
            pool::keep(&self.identity, *code_hash, instance);
        }
        (host, outcome)
    }
}
