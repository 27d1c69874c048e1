//! The native modules of a group, which are called like contracts at addresses that are the same everywhere.
//!
//! Their functions have FISCO BCOS's Solidity signatures. A result of the type `int256` is FISCO BCOS's return code: 0
//! or above for success (how many rows were changed), below 0 for an error; it fits an `i128`.
//!
//! ```
//! use entente::call::CallError;
//! use entente::system::SystemConfiguration;
//!
//! // In a message: asks for at most 2,000 transactions in a block.
//! fn allow_more() -> Result<bool, CallError> {
//!     let code = SystemConfiguration::here().set_value_by_key("tx_count_limit", "2000")?;
//!     Ok(code >= 0)
//! }
//! # let _ = allow_more;
//! ```
//!
//! A module that is not here is declared like any other contract, by an [`interface`](macro@crate::interface), and
//! called at its address, which [`module_address`] makes of its number.

use crate::{Address, interface};

/// The address of the native module with this number, such as `0x1000`.
pub const fn module_address(number: u16) -> Address {
    let mut bytes = [0; 20];
    let [high, low] = number.to_be_bytes();
    bytes[18] = high;
    bytes[19] = low;
    Address(bytes)
}

/// The group's configuration, at `0x1000`.
#[interface]
pub trait SystemConfiguration {
    /// Sets the value of a key, if the caller may.
    fn set_value_by_key(&mut self, key: &str, value: &str) -> i128;
}

impl SystemConfiguration {
    /// The one of the group that the contract is in.
    pub const fn here() -> Self {
        Self::at(module_address(0x1000))
    }
}
