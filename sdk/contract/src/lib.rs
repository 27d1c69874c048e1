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
//! # Storage
//!
//! Each value is a row of its own, with a key that [`Field`]'s documentation fixes. Maps and lists nest, and structs of
//! fields stand in both:
//!
//! ```
//! #[entente::contract]
//! mod ledger {
//!     use entente::prelude::*;
//!
//!     #[storage]
//!     pub struct Ledger {
//!         accounts: Map<Address, Account>,
//!         shares: Map<String, Map<Address, u64>>,
//!         names: List<String>,
//!     }
//!
//!     #[storage_item]
//!     pub struct Account {
//!         balance: Value<U256>,
//!         moves: List<(u64, U256)>,
//!     }
//!
//!     impl Ledger {
//!         #[constructor]
//!         pub fn new(&mut self) {}
//!
//!         #[message]
//!         pub fn add(&mut self, amount: U256) -> U256 {
//!             let mut account = self.accounts.at_mut(&env::caller());
//!             let balance = account.balance.get() + amount;
//!             account.balance.set(&balance);
//!             account.moves.push(&(env::block_number(), amount));
//!             balance
//!         }
//!
//!         /// A part of a list that may be long: whoever asks decides how much is read.
//!         #[message]
//!         pub fn moves(&self, who: Address, start: u32, count_max: u32) -> Vec<(u64, U256)> {
//!             self.accounts.at(&who).moves.page(start, count_max.min(100))
//!         }
//!
//!         #[message]
//!         pub fn take_part(&mut self, name: String, share: u64) {
//!             if !self.names.iter().any(|known| known == name) {
//!                 self.names.push(&name);
//!             }
//!             self.shares.at_mut(&name).set(&env::caller(), &share);
//!         }
//!     }
//! }
//! ```
//!
//! # Other contracts
//!
//! An [`interface`](macro@interface) declares what another contract, in whatever language, can be asked; [`system`] has
//! those of native modules:
//!
//! ```
//! use entente::call::CallError;
//! use entente::{Address, U256};
//!
//! #[entente::error]
//! #[derive(Debug, PartialEq)]
//! enum BankError {
//!     TooPoor { balance: U256 },
//! }
//!
//! #[entente::interface]
//! trait Bank {
//!     #[constructor]
//!     fn open(owner: Address) -> Result<(), BankError>;
//!     /// A view: a static call.
//!     fn balance_of(&self, owner: Address) -> U256;
//!     fn draw(&mut self, amount: U256) -> Result<U256, BankError>;
//!     #[payable]
//!     fn deposit(&mut self);
//! }
//!
//! // In a message:
//! fn draw_all(bank: Address, owner: Address) -> Result<U256, CallError<BankError>> {
//!     let mut bank = Bank::at(bank);
//!     let balance = bank.balance_of(owner).unwrap_or_default();
//!     match bank.draw(balance) {
//!         Err(CallError::Error(BankError::TooPoor { balance })) => bank.draw(balance),
//!         other => other,
//!     }
//! }
//!
//! fn open(module: &[u8], owner: Address, first: U256) -> Result<(), CallError<BankError>> {
//!     let mut bank = Bank::open(module, owner)?;
//!     bank.deposit(first).map_err(CallError::declared)
//! }
//! # let _ = (draw_all, open);
//! ```
//!
//! # Tests
//!
//! Built for anything but Wasm, a contract compiles, so that editors, clippy and tests see it. A host function then
//! panics with "not on chain"; with the feature `testing`, under a contract's `[dev-dependencies]`, it is answered by
//! the `testing` module's chain in memory, which is where to read on.

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
// The macros write this crate's name, here too.
extern crate self as entente;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
extern crate std;

pub mod abi;
pub mod call;
pub mod crypto;
pub mod entry;
pub mod env;
mod error;
mod event;
mod message;
#[cfg(any(target_arch = "wasm32", feature = "testing"))]
mod panics;
mod storage;
mod sys;
pub mod system;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
mod types;
mod u256;

pub use entente_contract_macros::{contract, error, interface};
pub use error::{ContractError, Revert};
pub use event::{Event, Indexed};
pub use message::{Creation, Message};
pub use parity_scale_codec as scale;
pub use storage::{Field, FieldMut, FieldRef, List, ListIter, Map, Path, Place, Root, Row, Value};
pub use types::{Address, Bytes, Hash32};
pub use u256::U256;

/// The version of this SDK, which a contract's ABI records.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that a contract's module usually names.
pub mod prelude {
    pub use alloc::string::String;
    pub use alloc::vec::Vec;

    pub use crate::call::{Call, CallError};
    pub use crate::{Address, Bytes, ContractError, Event, Hash32, List, Map, Revert, U256, Value, env};
}

/// What the code that the macros write needs; not for use by hand.
#[doc(hidden)]
pub mod private {
    pub use alloc::string::String;
    pub use alloc::vec::Vec;

    pub use crate::sys::emit;
}
