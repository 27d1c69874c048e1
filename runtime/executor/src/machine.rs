//! The engines of each version of the rules, and the native modules.

use std::sync::Arc;

use entente_evm::Evm;
use entente_host::{
    NativeRegistry,
    gas::{GasSchedule, ProtocolVersion},
};
use entente_types::EvmHash;
use entente_wasm::{CodeOptions, Wasm};

use crate::context::Context;

/// A version of the rules with the engines that run code under it. What is compiled has its gas schedule inside.
pub(crate) struct KnownVersion {
    number: u32,
    pub(crate) gas: &'static GasSchedule,
    pub(crate) wasm: Arc<Wasm<Context>>,
    pub(crate) evm: Option<Arc<Evm>>,
}

/// The engines and modules that all contexts of a group share.
pub(crate) struct Machine {
    versions: Vec<KnownVersion>,
    pub(crate) natives: NativeRegistry,
}

impl Machine {
    pub(crate) fn new(
        natives: NativeRegistry,
        versions: &[ProtocolVersion],
        code: &CodeOptions,
        hash: EvmHash,
    ) -> Self {
        let mut known: Vec<KnownVersion> = Vec::with_capacity(versions.len());
        for version in versions {
            // Versions of one schedule share what is compiled.
            let same = known.iter().find(|known| known.gas == version.gas).map(|known| Arc::clone(&known.wasm));
            known.push(KnownVersion {
                number: version.number,
                gas: version.gas,
                wasm: same.unwrap_or_else(|| Arc::new(Wasm::with_code(version.gas, code.clone()))),
                evm: version.fork.map(|fork| Arc::new(Evm::new(fork, hash, version.evm_code_bytes_max))),
            });
        }
        Self { versions: known, natives }
    }

    pub(crate) fn version(&self, number: u32) -> Option<&KnownVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The EVM of each version.
    pub(crate) fn evms(&self) -> impl Iterator<Item = (u32, Option<&Arc<Evm>>)> {
        self.versions.iter().map(|version| (version.number, version.evm.as_ref()))
    }

    pub(crate) fn newest_version(&self) -> u32 {
        self.versions.iter().map(|version| version.number).max().unwrap_or(0)
    }

    pub(crate) fn compilations(&self) -> u64 {
        let mut engines: Vec<&Arc<Wasm<Context>>> = Vec::new();
        for version in &self.versions {
            if !engines.iter().any(|engine| Arc::ptr_eq(engine, &version.wasm)) {
                engines.push(&version.wasm);
            }
        }
        engines.into_iter().map(|engine| engine.compilations()).sum()
    }
}
