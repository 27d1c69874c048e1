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
// But for `machine_code`, whose one use of it says why it is sound.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod compiled;
mod compiler;
mod image;
mod imports;
mod instance;
mod instrument;
pub mod limits;
#[allow(unsafe_code)]
mod machine_code;
mod pool;
mod section;
mod validate;
mod vault;
mod weight;
mod without_unwinding;

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use entente_host::{CallHost, ContractFault, Fault, NodeFault, Outcome, gas::GasSchedule};
use entente_types::Hash;

use crate::{
    compiled::{Cache, Compiled},
    compiler::EngineFactory,
    instance::Instance,
    limits::COMPILED_BYTES_MAX,
    machine_code::MachineCode,
};
pub use crate::{
    compiler::Compiler,
    instance::Entry,
    section::abi_section,
    vault::{CodeKey, CodeStore, CodeVault},
};

/// Checks a module against every rule without compiling it.
///
/// # Errors
/// The rule that it breaks, and where.
pub fn check(module: &[u8]) -> Result<(), ContractFault> {
    validate::validate(module).map(|_| ())
}

/// How code is compiled and kept. Nothing here changes a result.
#[derive(Clone)]
pub struct CodeOptions {
    /// The compiler.
    pub compiler: Compiler,
    /// Where compiled code outlives the process.
    pub vault: Option<CodeVault>,
    /// The bytes of compiled code kept in memory.
    pub compiled_bytes_max: usize,
}

impl Default for CodeOptions {
    fn default() -> Self {
        Self { compiler: Compiler::default(), vault: None, compiled_bytes_max: COMPILED_BYTES_MAX }
    }
}

/// Checks a module, and weighs how much work a compiler has with it, in nanoseconds of one core at most.
///
/// # Errors
/// The rule that it breaks, and where.
pub fn weigh(module: &[u8]) -> Result<u64, ContractFault> {
    validate::validate(module).map(|inspected| inspected.weight)
}

/// The module as it is compiled, with everything added.
///
/// # Errors
/// The rule that it breaks, and where.
pub fn instrumented(module: &[u8], schedule: &GasSchedule) -> Result<Vec<u8>, Fault> {
    Ok(instrument::instrument(module, &validate::validate(module)?, schedule)?)
}

/// The engine: one for a node, shared among its groups of one gas schedule.
pub struct Wasm<H: CallHost> {
    engines: EngineFactory,
    vault: Option<CodeVault>,
    schedule: &'static GasSchedule,
    cache: Cache,
    compilations: AtomicU64,
    /// Names this engine in every thread's pool, and tells them when it is gone.
    identity: Arc<()>,
    host: PhantomData<fn(H)>,
}

impl<H: CallHost> Wasm<H> {
    /// An engine with nothing cached. What it compiles is gone with it.
    pub fn new(schedule: &'static GasSchedule) -> Self {
        Self::with_code(schedule, CodeOptions::default())
    }

    /// The same, with a choice of how code is compiled and kept. No result depends on it.
    pub fn with_code(schedule: &'static GasSchedule, options: CodeOptions) -> Self {
        Self {
            engines: EngineFactory::new(options.compiler),
            vault: options.vault,
            schedule,
            cache: Cache::new(options.compiled_bytes_max),
            compilations: AtomicU64::new(0),
            identity: Arc::new(()),
            host: PhantomData,
        }
    }

    /// How many times a module was compiled since the start. What was loaded from the vault was not.
    pub fn compilations(&self) -> u64 {
        self.compilations.load(Ordering::Relaxed)
    }

    /// Makes the module ready to run: from memory, from the vault, or by compiling it.
    ///
    /// # Errors
    /// The contract's fault where the module breaks a rule.
    pub fn prepare(&self, code_hash: &Hash, code: &[u8]) -> Result<(), Fault> {
        if self.cache.find(code_hash).is_none() {
            self.make(code_hash, code)?;
        }
        Ok(())
    }

    fn compiled(
        &self,
        code_hash: &Hash,
        code: impl FnOnce() -> Result<Vec<u8>, NodeFault>,
    ) -> Result<Arc<Compiled>, Fault> {
        match self.cache.find(code_hash) {
            Some(compiled) => Ok(compiled),
            None => self.make(code_hash, &code()?),
        }
    }

    fn make(&self, code_hash: &Hash, code: &[u8]) -> Result<Arc<Compiled>, Fault> {
        let compiled = Compiled::new(code, self.schedule, |instrumented| {
            let Some(vault) = &self.vault else { return self.compile(instrumented, None) };
            let key = self.engines.key(code_hash, instrumented);
            match vault.get(&key).and_then(|artefact| MachineCode::load(&self.engines, artefact)) {
                Some(loaded) => Ok(loaded),
                None => self.compile(instrumented, Some((vault, &key))),
            }
        })?;
        Ok(self.cache.add(*code_hash, compiled))
    }

    fn compile(&self, instrumented: &[u8], keep: Option<(&CodeVault, &Hash)>) -> Result<MachineCode, NodeFault> {
        self.compilations.fetch_add(1, Ordering::Relaxed);
        MachineCode::compile(&self.engines, instrumented, keep)
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
