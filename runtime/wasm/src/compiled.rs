//! Compiled modules, and the bounded cache that holds them by content.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use entente_host::{Fault, NodeFault, gas::GasSchedule};
use entente_types::Hash;
use hashbrown::HashMap;
use wasmer::{Engine, Module};

use crate::{
    image::Image,
    instrument::{chunk_shift, instrument},
    machine_code::MachineCode,
    validate::validate,
};

/// A module that passed validation, with everything added, in machine code.
pub(crate) struct Compiled {
    pub(crate) module: Module,
    pub(crate) engine: Engine,
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
    /// Validates and instruments a module; `make` gives machine code for the result.
    pub(crate) fn new(
        code: &[u8],
        schedule: &'static GasSchedule,
        make: impl FnOnce(&[u8]) -> Result<MachineCode, NodeFault>,
    ) -> Result<Self, Fault> {
        let inspected = validate(code)?;
        let MachineCode { module, engine, bytes } = make(&instrument(code, &inspected, schedule)?)?;
        let mutable_globals =
            inspected.globals.iter().enumerate().filter(|(_, mutable)| **mutable).map(|(index, _)| index).collect();
        let image = Image::new(code, (inspected.memory_pages as usize) << 16, &inspected.data);
        Ok(Self {
            module,
            engine,
            mutable_globals,
            chunk_shift: chunk_shift(inspected.memory_pages),
            schedule,
            instance_units: inspected.instance_units(schedule),
            kept_bytes: bytes.saturating_add(image.kept_bytes()),
            image,
        })
    }

    /// What an instance of it counts for: its memory, and this, which it keeps alive even where the cache drops it.
    pub(crate) fn instance_bytes(&self) -> usize {
        self.image.memory_bytes().saturating_add(self.kept_bytes)
    }
}

/// Compiled modules by the hash of their code, so that an address or a caller can never decide what is found.
pub(crate) struct Cache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    modules: HashMap<Hash, (Arc<Compiled>, u64)>,
    /// The same by when they were last asked for.
    by_use: BTreeMap<u64, Hash>,
    kept_bytes: usize,
    clock: u64,
}

impl Cache {
    /// An empty cache of at most so many bytes, or of one module where that has more.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    pub(crate) fn find(&self, hash: &Hash) -> Option<Arc<Compiled>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).find(hash)
    }

    /// Adds a module, and drops those unused the longest while there are too many bytes. Where another thread has
    /// added it meanwhile, that one stays.
    pub(crate) fn add(&self, hash: Hash, compiled: Compiled) -> Arc<Compiled> {
        let mut dropped = Vec::new();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = inner.find(&hash) {
            return there;
        }
        let compiled = Arc::new(compiled);
        inner.clock += 1;
        let clock = inner.clock;
        inner.kept_bytes = inner.kept_bytes.saturating_add(compiled.kept_bytes);
        inner.modules.insert(hash, (Arc::clone(&compiled), clock));
        inner.by_use.insert(clock, hash);
        while inner.kept_bytes > self.bytes_max && inner.modules.len() > 1 {
            let oldest = inner.by_use.pop_first();
            let Some((oldest, _)) = oldest.and_then(|(_, hash)| inner.modules.remove(&hash)) else { break };
            inner.kept_bytes -= oldest.kept_bytes;
            dropped.push(oldest);
        }
        // Unmapping code takes a while: nobody needs to wait for it.
        drop(inner);
        compiled
    }
}

impl Inner {
    fn find(&mut self, hash: &Hash) -> Option<Arc<Compiled>> {
        let (compiled, used) = self.modules.get_mut(hash)?;
        self.clock += 1;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, *hash);
        Some(Arc::clone(compiled))
    }
}
