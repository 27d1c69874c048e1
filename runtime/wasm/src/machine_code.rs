//! Machine code: made by a compiler, or loaded from bytes that this node itself wrote.
//!
//! The only module here with unsafe code: wasmer runs what it is given to load.

use entente_host::NodeFault;
use entente_types::Hash;
use wasmer::{DeserializeError, Engine, IntoBytes, Module};

use crate::{
    compiler::EngineFactory,
    vault::{CodeVault, Trusted},
};

/// What an engine and a module take beside the code: their tables, and the pages that code is rounded up to.
const OVERHEAD_BYTES: usize = 16 << 10;

/// A module in machine code, in an engine of its own.
pub(crate) struct MachineCode {
    // The module goes before the engine whose memory it is in.
    pub(crate) module: Module,
    pub(crate) engine: Engine,
    /// The bytes it takes.
    pub(crate) bytes: usize,
}

fn failed(what: &str, error: impl std::fmt::Display) -> NodeFault {
    NodeFault::Engine(format!("{what}: {error}"))
}

impl MachineCode {
    /// Compiles a module that is valid, and keeps the result where there is a vault.
    ///
    /// What runs is loaded from the compiler's artefact, as after a restart. That costs a hundredth of compiling, takes
    /// a third of the memory, since the compiler's own structures go, and leaves no difference between the two ways.
    pub(crate) fn compile(
        engines: &EngineFactory,
        instrumented: &[u8],
        keep: Option<(&CodeVault, &Hash)>,
    ) -> Result<Self, NodeFault> {
        let engine = engines.engine();
        let module = Module::new(&engine, instrumented).map_err(|error| failed("compiling a valid module", error))?;
        let artefact = module.serialize().map_err(|error| failed("serialising a compiled module", error))?;
        drop(module);
        drop(engine);
        if let Some((vault, key)) = keep {
            vault.put(key, &artefact);
        }
        // SAFETY: wasmer serialised these bytes just now, in this process and for an engine of the same kind, and
        // `Bytes` are not written to.
        unsafe { Self::load_bytes(engines, artefact.len(), artefact) }
            .map_err(|error| failed("loading a compiled module", error))
    }

    /// Loads what was kept. Nothing where wasmer does not take it: then it is compiled.
    pub(crate) fn load(engines: &EngineFactory, artefact: Trusted) -> Option<Self> {
        let artefact = artefact.into_bytes();
        // SAFETY: a `Trusted` artefact bears a MAC under this node's key over its bytes and over the key they are kept
        // under, which covers the versions of wasmer and Cranelift, the compiler, the target, the processor's features
        // and the very module that was compiled. So, but for a forger who has the node's secret, these are the bytes
        // that `compile` of this node serialised for an engine of the same kind. The MAC was checked over the same
        // memory that is loaded, which nobody else can write to.
        unsafe { Self::load_bytes(engines, artefact.len(), artefact) }.ok()
    }

    /// Makes bytes executable.
    ///
    /// # Safety
    /// They are what wasmer's `serialize` gave for an engine of the same versions, compiler and processor.
    unsafe fn load_bytes(
        engines: &EngineFactory,
        artefact_bytes: usize,
        artefact: impl IntoBytes,
    ) -> Result<Self, DeserializeError> {
        let engine = engines.engine();
        // SAFETY: the caller's promise is all that wasmer asks for. Its layout is checked by `deserialize` as well.
        let module = unsafe { Module::deserialize(&engine, artefact) }?;
        let functions = module.sys_artifact().and_then(wasmer::sys::Artifact::finished_function_extents);
        let mapped: usize = functions.iter().flatten().map(|(_, extent)| extent.length).sum();
        // wasmer keeps the artefact beside the code that it maps from it.
        let bytes = artefact_bytes.saturating_add(mapped).saturating_add(OVERHEAD_BYTES);
        Ok(Self { module, engine, bytes })
    }
}
