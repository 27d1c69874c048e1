//! A chain in memory, for native tests of contracts (feature `testing`).
//!
//! Contracts are native Rust here: tests run as fast as any, a debugger stops in them, and a panic says where it was.
//! They run through the same dispatch as on chain, and meet the same host: several contracts call and create each
//! other, a frame that does not succeed is undone with its logs, a static call changes nothing, frames nest as deeply,
//! the limits of keys, values, logs and inputs are the node's, and every host function costs what the node's gas
//! schedule says.
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
//!     #[error]
//!     #[derive(Debug, PartialEq)]
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
//!             let count = self.count.get() + amount;
//!             if count > 10 {
//!                 return Err(Error::TooMuch { limit: 10 });
//!             }
//!             self.count.set(&count);
//!             Ok(count)
//!         }
//!     }
//! }
//!
//! use counter::{Error, Messages};
//! use entente::Address;
//! use entente::testing::{Chain, Failure};
//!
//! let alice = Address([1; 20]);
//! let mut chain = Chain::new();
//! let counter = chain.deploy(alice, Messages::new(7)).result.expect("deploys");
//! assert_eq!(chain.send(alice, counter, Messages::add(2)).result, Ok(9));
//! let refused = chain.send(alice, counter, Messages::add(2));
//! assert_eq!(refused.result, Err(Failure::Error(Error::TooMuch { limit: 10 })));
//! ```
//!
//! What differs from the chain: the contract's own instructions, its memory and its stack are not metered, so a loop
//! without end does not end, and [`Receipt::gas_used`] counts what host functions and frames cost alone; a module's
//! bytes cost gas only where they were [registered](Chain::register). What a signature or an encoding of a transaction
//! can do wrong does not come up. A contract whose behaviour depends on gas is tested on a node.

mod chain;
mod frames;
mod host;
mod outcome;
mod world;

use std::boxed::Box;
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::string::String;

pub use chain::Chain;
pub use entente_crypto::Suite;
pub use entente_host::ContractFault;
pub use entente_types::Status;
pub(crate) use frames::{call as nested_call, create as nested_create};
pub use outcome::{Failure, Log, Receipt};
pub(crate) use world::World;

use crate::Hash32;

std::thread_local! {
    /// The world of the chain that runs a transaction on this thread.
    static RUNNING: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Why a frame's code is left without a return.
pub(crate) enum Ended {
    /// A host function found the contract at fault.
    Fault(ContractFault),
    /// The test asks of this chain what it cannot do; no contract may catch that.
    Test(String),
}

/// Leaves the code of the innermost frame, or of all.
fn leave(why: Ended) -> ! {
    resume_unwind(Box::new(why))
}

/// A host function: looks at the world of the running chain, or changes it.
pub(crate) fn host<T>(act: impl FnOnce(&mut World) -> Result<T, ContractFault>) -> T {
    let result = RUNNING.with_borrow_mut(|world| world.as_mut().map(act));
    match result {
        Some(Ok(value)) => value,
        Some(Err(fault)) => leave(Ended::Fault(fault)),
        None => panic!(
            "not on chain: a contract's code asks the chain something, and none runs it; use testing::Chain's send, \
             call, inspect or within"
        ),
    }
}

/// The same for what cannot fail.
fn world<T>(act: impl FnOnce(&mut World) -> T) -> T {
    host(|world| Ok(act(world)))
}

/// Keccak-256.
pub fn keccak256(data: &[u8]) -> Hash32 {
    entente_crypto::keccak256(data).0
}
