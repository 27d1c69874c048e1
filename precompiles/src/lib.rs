//! The native modules: system services that are called like contracts, at FISCO BCOS's addresses.
//!
//! This crate owns what each of them does and the one table from which its selectors, its ABI, its gas and its page
//! of documentation are made. It never decides when a module is called, and never touches anything but rows: it
//! fills the registry that an executor is handed.
//!
//! ```
//! use entente_precompiles::{SYSTEM_CONFIGURATION, registry};
//! use entente_types::Suite;
//!
//! let natives = registry(Suite::Standard)?;
//! assert!(natives.abi_json(&SYSTEM_CONFIGURATION).is_some_and(|abi| abi.contains("setValueByKey")));
//! # Ok::<(), entente_host::NativeRegistryError>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod abi;
pub mod code;
mod documentation;
mod members;
mod permission;
mod system_configuration;

use entente_host::{NativeModule, NativeRegistry, NativeRegistryError};
use entente_types::{Address, Suite};

pub use documentation::documentation;
pub use members::ADDRESS as MEMBERS;
pub use system_configuration::ADDRESS as SYSTEM_CONFIGURATION;

/// Every native module, ascending by address.
pub const MODULES: &[NativeModule] = &[system_configuration::MODULE, members::MODULE];

/// The registry of every native module, for a group of this suite.
///
/// # Errors
/// None: the table is the same everywhere and tested.
pub fn registry(suite: Suite) -> Result<NativeRegistry, NativeRegistryError> {
    NativeRegistry::new(suite, MODULES)
}

/// The address that FISCO BCOS writes as a short number.
const fn address(number: u16) -> Address {
    let mut bytes = [0; 20];
    let [.., high, low] = &mut bytes;
    [*high, *low] = number.to_be_bytes();
    Address(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_its_registry_and_every_abi_is_read_by_others() {
        for suite in [Suite::Standard, Suite::Guomi] {
            let natives = registry(suite).unwrap();
            for module in MODULES {
                let abi = natives.abi_json(&module.address).unwrap();
                let read: alloy_json_abi::JsonAbi = alloy_json_abi::JsonAbi::from_json_str(abi).unwrap();
                assert_eq!(read.functions().count(), module.functions.len());
                for function in read.functions() {
                    let (found, _) = natives.resolve(&module.address, function.selector().as_slice()).unwrap();
                    assert!(found.signature.starts_with(&format!("{}(", function.name)));
                }
            }
        }
        assert!(MODULES.is_sorted_by_key(|module| module.address));
    }
}
