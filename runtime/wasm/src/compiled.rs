//! Compiled modules, and the bounded cache that holds them by content.

use std::sync::{Arc, Mutex, PoisonError};

use entente_host::{Fault, NodeFault, gas::GasSchedule};
use entente_types::Hash;
use hashbrown::HashMap;
use wasmer::{Engine, Module};

use crate::{
    image::Image,
    instrument::{chunk_shift, instrument},
    limits::COMPILED_BYTES_MAX,
    validate::validate,
};

/// A module that passed validation, with everything added, in machine code.
pub(crate) struct Compiled {
    pub(crate) engine: Engine,
    pub(crate) module: Module,
    /// The places of the module's own mutable globals.
    pub(crate) mutable_globals: Vec<usize>,
    pub(crate) chunk_shift: u32,
    pub(crate) schedule: &'static GasSchedule,
    /// What each frame pays for its instance.
    pub(crate) instance_units: u64,
    /// What memory holds in a new instance.
    pub(crate) image: Image,
    /// What it counts for in the cache.
    kept_bytes: usize,
}

impl Compiled {
    pub(crate) fn new(engine: &Engine, code: &[u8], schedule: &'static GasSchedule) -> Result<Self, Fault> {
        let inspected = validate(code)?;
        let instrumented = instrument(code, &inspected, schedule)?;
        let module = Module::new(engine, instrumented)
            .map_err(|error| NodeFault::Engine(format!("compiling a valid module: {error}")))?;
        let mutable_globals =
            inspected.globals.iter().enumerate().filter(|(_, mutable)| **mutable).map(|(index, _)| index).collect();
        let image = Image::new(code, (inspected.memory_pages as usize) << 16, &inspected.data);
        Ok(Self {
            engine: engine.clone(),
            module,
            mutable_globals,
            chunk_shift: chunk_shift(inspected.memory_pages),
            schedule,
            instance_units: inspected.instance_units(schedule),
            kept_bytes: code.len().saturating_add(image.kept_bytes()),
            image,
        })
    }
}

/// Compiled modules by the hash of their code, so that an address or a caller can never decide what is found.
#[derive(Default)]
pub(crate) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    modules: HashMap<Hash, (Arc<Compiled>, u64)>,
    kept_bytes: usize,
    clock: u64,
    compilations: u64,
}

impl Cache {
    pub(crate) fn find(&self, hash: &Hash) -> Option<Arc<Compiled>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let clock = inner.clock;
        inner.modules.get_mut(hash).map(|(compiled, used)| {
            *used = clock;
            Arc::clone(compiled)
        })
    }

    /// Adds a module, and drops those unused the longest while there are too many bytes.
    pub(crate) fn add(&self, hash: Hash, compiled: &Arc<Compiled>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        inner.compilations += 1;
        let clock = inner.clock;
        if inner.modules.insert(hash, (Arc::clone(compiled), clock)).is_none() {
            inner.kept_bytes += compiled.kept_bytes;
        }
        while inner.kept_bytes > COMPILED_BYTES_MAX && inner.modules.len() > 1 {
            let oldest = inner.modules.iter().min_by_key(|(_, (_, used))| *used).map(|(hash, _)| *hash);
            let Some((dropped, _)) = oldest.and_then(|hash| inner.modules.remove(&hash)) else { return };
            inner.kept_bytes -= dropped.kept_bytes;
        }
    }

    pub(crate) fn compilations(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).compilations
    }
}
