//! What code of every kind sees of the ledger: the Host trait, the one table of host functions, the call frame and
//! the gas schedule.
//!
//! This crate owns the contract between engines (Wasm, the EVM, native modules) and whoever runs them. It never
//! runs code and never stores anything. Without the feature `std` it is only the [table](host_functions), its
//! constants and the [limits], which contract authors' code is built against.
//!
//! ```
//! macro_rules! count {
//!     ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
//!         [$(stringify!($name)),*].len()
//!     };
//! }
//! assert_eq!(entente_host::host_functions!(count), 26);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod configuration;
#[cfg(feature = "std")]
mod fault;
#[cfg(feature = "std")]
mod fork;
#[cfg(feature = "std")]
mod frame;
#[cfg(feature = "std")]
pub mod gas;
pub mod limits;
#[cfg(feature = "std")]
mod native;
#[cfg(feature = "std")]
mod signature;
mod table;

#[cfg(feature = "std")]
pub use configuration::{configuration_entry, configuration_row, damaged_configuration};
#[cfg(feature = "std")]
pub use fault::{ContractFault, Fault, NodeFault};
#[cfg(feature = "std")]
pub use fork::Fork;
#[cfg(feature = "std")]
pub use frame::{
    BlockContext, CallHost, CallKind, CallRequest, CreateRequest, CreateScheme, EthereumEnvironment, Frame,
    FrameStatus, Host, Outcome, STACK_MEMORY_PAGES_MAX, TransactionContext,
};
pub use limits::{CONTAINER_MAGIC, DEPTH_MAX, NATIVE_DEPTH_MAX};
#[cfg(feature = "std")]
pub use native::{
    NativeAccess, NativeFunction, NativeGas, NativeModule, NativeRegistry, NativeRegistryError, NativeResult,
};
#[cfg(feature = "std")]
pub use signature::{Declaration, DeclarationError, DeclaredParameter};
pub use table::{
    ABSENT, CALL, CALL_DELEGATE, CALL_STATIC, DIGEST_BLAKE3, DIGEST_KECCAK256, DIGEST_SHA256, DIGEST_SM3, NAMESPACE,
    SIGNATURE_ED25519, SIGNATURE_SECP256K1, SIGNATURE_SM2, STATUS_FAILED, STATUS_REVERTED, STATUS_SUCCESS,
};
