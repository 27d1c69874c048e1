//! What a Rust contract for Entente imports.
//!
//! It owns the contract's side of every convention: storage rows in SCALE, calls, results, events and errors in the
//! ABI of Solidity, the exports `deploy` and `call`, the allocator and the panic handler. It never decides anything
//! that the chain decides: what a host function does stands in `entente-host`'s one table.
//!
//! In a contract's `Cargo.toml`: `entente-contract = { .. }` and `crate-type = ["cdylib", "rlib"]`; in its `lib.rs`
//! `#![cfg_attr(target_arch = "wasm32", no_std)]` and a module under [`contract`](macro@contract):
//!
//! ```
//! #[entente::contract]
//! mod counter {
//!     use entente::prelude::*;
//!
//!     #[storage]
//!     pub struct Counter {
//!         count: Value<u64>,
//!     }
//!
//!     #[event]
//!     pub struct Counted {
//!         #[indexed]
//!         by: Address,
//!         count: u64,
//!     }
//!
//!     #[error]
//!     pub enum Error {
//!         TooMuch { limit: u64 },
//!     }
//!
//!     impl Counter {
//!         #[constructor]
//!         pub fn new(&mut self, start: u64) {
//!             self.count.set(&start);
//!         }
//!
//!         #[message]
//!         pub fn add(&mut self, amount: u64) -> Result<u64, Error> {
//!             let count = self.count.get().checked_add(amount).ok_or(Error::TooMuch { limit: u64::MAX })?;
//!             self.count.set(&count);
//!             Counted { by: env::caller(), count }.emit();
//!             Ok(count)
//!         }
//!
//!         #[message]
//!         pub fn count(&self) -> u64 {
//!             self.count.get()
//!         }
//!     }
//! }
//!
//! assert!(counter::ABI.contains(r#""name":"add""#));
//! ```
//!
//! Built for anything but Wasm, a contract compiles, so that editors, clippy and tests see it; a host function then
//! panics with "not on chain", or, with the feature `testing`, answers from the `testing` module's chain in memory.

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
extern crate std;

pub mod abi;
pub mod call;
pub mod crypto;
pub mod entry;
pub mod env;
mod error;
mod event;
mod storage;
mod sys;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
mod types;
mod u256;

pub use entente_contract_macros::{contract, interface};
pub use error::{ContractError, Revert};
pub use event::{Event, Indexed};
pub use parity_scale_codec as scale;
pub use storage::{Field, Map, Value};
pub use types::{Address, Bytes, Hash32};
pub use u256::U256;

/// The version of this SDK, which a contract's ABI records.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that a contract's module usually names.
pub mod prelude {
    pub use alloc::string::String;
    pub use alloc::vec::Vec;

    pub use crate::call::{Call, CallError};
    pub use crate::{Address, Bytes, ContractError, Event, Hash32, Map, Revert, U256, Value, env};
}

/// What the code that the macros write needs; not for use by hand.
#[doc(hidden)]
pub mod private {
    pub use alloc::vec::Vec;

    pub use crate::sys::emit;
}
