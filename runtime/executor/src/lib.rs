//! A block in, header, receipts, changes and left-out transactions out.
//!
//! This crate owns what executing means: frames, creations, the order of charges and checks, the rules of each
//! protocol version, and the roots. It never touches a clock, a disk or a network: state comes in as a
//! [`StateReader`](entente_state::StateReader), and everything goes out as a value. The result of a block is the
//! result of running its transactions one after the other.
//!
//! A thread that executes needs a stack of [`EXECUTION_STACK_BYTES`].
//!
//! ```
//! use entente_executor::{Executor, genesis_block};
//! use entente_host::{NativeRegistry, NodeFault};
//! use entente_state::MapState;
//!
//! fn begin(genesis: &entente_types::Genesis) -> Result<Executor, NodeFault> {
//!     let first = genesis_block(genesis)?;
//!     let mut state = MapState::default();
//!     state.apply(&first.changes);
//!     let executor = Executor::new(genesis, NativeRegistry::default());
//!     assert_eq!(executor.rules(&state, 1)?.protocol_version, genesis.protocol_version);
//!     Ok(executor)
//! }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod abi;
mod account;
mod block;
mod context;
mod creation;
mod delegation;
mod estimate;
mod ethereum;
mod ethereum_rules;
mod evm_host;
mod genesis;
mod machine;
mod observer;
mod overrides;
mod rules;
mod sealers;
mod sequence;
mod simulate;
mod touched;
mod trace;
mod transaction;

pub use account::{Account, CodeKind, CodeReference};
pub use block::{BlockInput, ExecutedBlock, Executor, InputTransaction, RanBlock};
pub use entente_evm::{Word, instruction_name};
pub use entente_host::CONTAINER_MAGIC;
pub use entente_wasm::{CodeKey, CodeOptions, CodeStore, CodeVault, Compiler};
pub use estimate::EstimateError;
pub use ethereum_rules::{EthereumRules, EthereumVersions};
pub use genesis::{ethereum_header, genesis_block};
pub use observer::FrameKind;
pub use overrides::{AccountOverride, BlockOverride, Overrides, RowSet, account_rows};
pub use rules::{Configuration, Rules};
pub use sealers::Sealers;
pub use sequence::{
    Sequence, SequenceBlock, SequenceCall, SequenceError, SequenceLimits, SequencedBlock, SequencedCall, TRANSFERS,
};
pub use simulate::{CallInput, Called, Scene, Simulated, Simulation, SimulationError};
pub use trace::{
    AccessListed, AccountState, CallFrame, CallLog, CallTrace, ReplayInput, StateTrace, StepLog, StepOptions,
    StepTrace, Trace, TraceError, TraceKind, Traced, ethereum_words,
};
pub use transaction::{container, parse_container};

/// The stack that a thread needs to execute 64 nested Wasm and native frames.
pub const EXECUTION_STACK_BYTES: usize = 16 << 20;
