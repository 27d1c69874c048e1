//! Runs EVM bytecode: revm's interpreter, instruction and gas tables and precompiles over the ledger's Host.
//!
//! This crate owns how EVM code is run: its forks, its analysed code, the loop that goes down into nested frames of EVM
//! code without the thread's stack. It keeps no state and no journal: every read, write, log and frame is the
//! [`EvmHost`]'s, so that a frame of EVM code is undone as any other is.
//!
//! ```
//! use entente_evm::is_precompile;
//! use entente_host::Fork;
//! use entente_types::Address;
//!
//! let mut identity = Address::ZERO;
//! identity.0[19] = 4;
//! assert!(is_precompile(Fork::Cancun, &identity));
//! assert!(!is_precompile(Fork::Cancun, &Address::ZERO));
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod adapter;
mod code;
mod hashes;
mod host;
mod instructions;
mod intrinsic;
mod precompile;
mod run;

use std::sync::Arc;

use entente_crypto::Hash;
use entente_host::{Fork, NodeFault, Outcome};
use entente_types::EvmHash;
use revm_interpreter::{context_interface::cfg::GasParams, primitives::hardfork::SpecId};
use revm_precompile::PrecompileSpecId;

use crate::{code::CodeCache, hashes::Hashes, instructions::Instructions};
pub use crate::{
    code::{CODE_CACHE_BYTES_MAX, EvmCode},
    host::{
        Closing, Ending, EvmAccount, EvmCall, EvmHost, Opened, SelfDestruct, ShownCode, Spare, Step, Stepped, Stored,
        Word, delegation, shown_native, shown_wasm,
    },
    instructions::instruction_name,
    intrinsic::{IntrinsicGas, REFUND_OF_KNOWN_AUTHORITY},
    precompile::{Precompiled, is_precompile, run_precompile},
};

/// The engine: one for a group and each fork that its protocol versions name.
pub struct Evm {
    fork: Fork,
    instructions: Instructions,
    gas: GasParams,
    cache: CodeCache,
    hashes: Arc<Hashes>,
    /// The bytes of a contract's code.
    code_bytes_max: usize,
}

impl Evm {
    /// An engine with nothing cached. `hash` is what the instruction KECCAK256 computes; a contract's code has at most so
    /// many bytes (EIP-170).
    pub fn new(fork: Fork, hash: EvmHash, code_bytes_max: u32) -> Self {
        Self {
            fork,
            instructions: Instructions::new(specification(fork), hash),
            gas: GasParams::new_spec(specification(fork)),
            cache: CodeCache::new(CODE_CACHE_BYTES_MAX),
            hashes: Arc::new(Hashes::new()),
            code_bytes_max: code_bytes_max as usize,
        }
    }

    /// The fork that it runs.
    pub const fn fork(&self) -> Fork {
        self.fork
    }

    /// The bytes of the code that creates a contract (EIP-3860).
    pub const fn init_code_bytes_max(&self) -> usize {
        self.code_bytes_max.saturating_mul(2)
    }

    pub(crate) const fn code_bytes_max(&self) -> usize {
        self.code_bytes_max
    }

    /// The code of accounts by its hash, analysed; `code` gives it where it is not kept.
    ///
    /// # Errors
    /// What `code` answers.
    pub fn code(&self, hash: &Hash, code: impl FnOnce() -> Result<Vec<u8>, NodeFault>) -> Result<EvmCode, NodeFault> {
        match self.cache.find(hash) {
            Some(code) => Ok(code),
            None => Ok(self.cache.add(*hash, EvmCode::of_account(code()?))),
        }
    }

    /// Runs the host's innermost frame, whose code this is, and closes it. Frames of EVM code that it calls are run
    /// here too; those of other kinds by the host.
    ///
    /// # Errors
    /// Only the node's own faults. The frames are then left as they stood.
    pub fn run<H: EvmHost>(&self, host: Box<H>, code: EvmCode) -> (Box<H>, Result<Outcome, NodeFault>) {
        run::run(self, host, code)
    }

    pub(crate) const fn instructions(&self) -> &Instructions {
        &self.instructions
    }

    pub(crate) const fn hashes(&self) -> &Arc<Hashes> {
        &self.hashes
    }

    pub(crate) const fn gas_params(&self) -> &GasParams {
        &self.gas
    }
}

pub(crate) const fn specification(fork: Fork) -> SpecId {
    match fork {
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka => SpecId::OSAKA,
    }
}

pub(crate) const fn precompiles(fork: Fork) -> PrecompileSpecId {
    match fork {
        Fork::Cancun => PrecompileSpecId::CANCUN,
        Fork::Prague => PrecompileSpecId::PRAGUE,
        Fork::Osaka => PrecompileSpecId::OSAKA,
    }
}
