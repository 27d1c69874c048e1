//! The registry of native modules: its type. `precompiles` fills it, `group` passes it in.

use std::{collections::BTreeMap, string::String, vec::Vec};

use entente_crypto::{keccak256, sm3};
use entente_types::{Address, Suite};

use crate::{Declaration, DeclarationError, Fault, Host, gas::GasSchedule};

/// Whether a function changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeAccess {
    /// It only reads.
    Read,
    /// It writes; refused in a read-only frame.
    Write,
}

/// What a native function gives back: its ABI-encoded output, or a fault.
pub type NativeResult = Result<Vec<u8>, Fault>;

/// One function of a native module.
#[derive(Debug, Clone, Copy)]
pub struct NativeFunction {
    /// Its Solidity declaration, such as `setValueByKey(string key, string value)`; names may be left out. The
    /// selector and the ABI follow from it.
    pub signature: &'static str,
    /// The Solidity types it gives back, such as `(int256)` or `(string value, uint256 from)`.
    pub outputs: &'static str,
    /// What it costs under a gas schedule: the table is one, the schedules are one for each protocol version.
    pub gas: fn(&GasSchedule) -> NativeGas,
    /// Whether it writes.
    pub access: NativeAccess,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Runs it over the input behind the selector.
    pub run: fn(&mut dyn Host, &[u8]) -> NativeResult,
}

/// What a native function costs, in units. Its output is charged for beside it, as every frame's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeGas {
    /// At least.
    pub base: u64,
    /// For each byte of its input behind the selector.
    pub byte: u64,
}

impl NativeGas {
    /// The units for an input of so many bytes; the most that there can be where they do not fit.
    pub const fn units(self, bytes: usize) -> u64 {
        self.byte.saturating_mul(bytes as u64).saturating_add(self.base)
    }
}

/// A native module: what is called at one address.
#[derive(Debug, Clone, Copy)]
pub struct NativeModule {
    /// Where it is called.
    pub address: Address,
    /// Its name, for documents and for its interface in Solidity.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub doc: &'static str,
    /// What it offers.
    pub functions: &'static [NativeFunction],
    /// The declarations of the events in its logs, such as `Set(address indexed by, string key)`.
    pub events: &'static [&'static str],
}

impl NativeModule {
    /// Its ABI: Ethereum's JSON.
    ///
    /// # Errors
    /// A declaration that is none.
    pub fn abi_json(&self) -> Result<String, DeclarationError> {
        let mut items = Vec::new();
        for function in self.functions {
            let inputs = Declaration::parse(function.signature)?;
            let outputs = Declaration::parse(function.outputs)?;
            let mutability = match function.access {
                NativeAccess::Read => "view",
                NativeAccess::Write => "nonpayable",
            };
            items.push(std::format!(
                r#"{{"type":"function","name":"{}","inputs":{},"outputs":{},"stateMutability":"{mutability}"}}"#,
                inputs.name,
                inputs.json(false),
                outputs.json(false)
            ));
        }
        for event in self.events {
            let event = Declaration::parse(event)?;
            let (name, inputs) = (event.name, event.json(true));
            items.push(std::format!(r#"{{"type":"event","name":"{name}","inputs":{inputs},"anonymous":false}}"#));
        }
        Ok(std::format!("[{}]", items.join(",")))
    }
}

/// A registry that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NativeRegistryError {
    /// Two modules at one address.
    #[error("two native modules are registered at {0}")]
    Address(Address),
    /// Two functions with one selector.
    #[error("the selector of {signature} is taken in the module {module}")]
    Selector {
        /// The module.
        module: &'static str,
        /// The second function.
        signature: String,
    },
    /// A function or event that is declared wrongly.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
}

type Selectors = BTreeMap<[u8; 4], NativeFunction>;

/// A module with what follows from its table.
#[derive(Debug, Clone)]
struct Registered {
    selectors: Selectors,
    abi_json: String,
}

/// All native modules, by address and selector.
#[derive(Debug, Clone, Default)]
pub struct NativeRegistry {
    modules: BTreeMap<Address, Registered>,
}

impl NativeRegistry {
    /// The registry of these modules for a group of this suite: a Guomi group answers SM3 selectors too.
    pub fn new(suite: Suite, modules: &[NativeModule]) -> Result<Self, NativeRegistryError> {
        let mut registry = Self::default();
        for module in modules {
            let mut selectors = Selectors::new();
            for function in module.functions {
                let signature = Declaration::parse(function.signature)?.signature();
                let mut hashes = std::vec![keccak256(signature.as_bytes())];
                if suite == Suite::Guomi {
                    hashes.push(sm3(signature.as_bytes()));
                }
                for hash in hashes {
                    let [first, second, third, fourth, ..] = hash.0;
                    if selectors.insert([first, second, third, fourth], *function).is_some() {
                        return Err(NativeRegistryError::Selector { module: module.name, signature });
                    }
                }
            }
            let registered = Registered { selectors, abi_json: module.abi_json()? };
            if registry.modules.insert(module.address, registered).is_some() {
                return Err(NativeRegistryError::Address(module.address));
            }
        }
        Ok(registry)
    }

    /// Whether there is a module at this address.
    pub fn contains(&self, address: &Address) -> bool {
        self.modules.contains_key(address)
    }

    /// The function that an input calls, and the input behind the selector.
    pub fn resolve<'a>(&self, address: &Address, input: &'a [u8]) -> Option<(&NativeFunction, &'a [u8])> {
        let module = self.modules.get(address)?;
        let (selector, arguments) = input.split_first_chunk::<4>()?;
        Some((module.selectors.get(selector)?, arguments))
    }

    /// The ABI of the module at this address: Ethereum's JSON.
    pub fn abi_json(&self, address: &Address) -> Option<&str> {
        Some(&self.modules.get(address)?.abi_json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the type is the table's")]
    fn nothing(_: &mut dyn Host, _: &[u8]) -> NativeResult {
        Ok(Vec::new())
    }

    const FUNCTION: NativeFunction = NativeFunction {
        signature: "transfer(address to, uint256 amount)",
        outputs: "(bool)",
        gas: |_| NativeGas { base: 1, byte: 0 },
        access: NativeAccess::Write,
        doc: "Does nothing.",
        run: nothing,
    };

    const EVENTS: &[&str] = &["Moved(address indexed to)"];

    const fn module(address: u8, functions: &'static [NativeFunction]) -> NativeModule {
        NativeModule { address: Address([address; 20]), name: "test", doc: "For tests.", functions, events: EVENTS }
    }

    #[test]
    fn functions_are_found_by_selector() {
        let registry = NativeRegistry::new(Suite::Standard, &[module(1, &[FUNCTION])]).unwrap();
        let (function, arguments) =
            registry.resolve(&Address([1; 20]), &[0xa9, 0x05, 0x9c, 0xbb, 7]).expect("the selector of transfer");
        assert_eq!((function.signature, arguments), (FUNCTION.signature, &[7][..]));
        assert!(registry.resolve(&Address([1; 20]), &[0xa9, 0x05]).is_none());
        assert!(!registry.contains(&Address([2; 20])));
        assert_eq!(
            registry.abi_json(&Address([1; 20])),
            Some(concat!(
                r#"[{"type":"function","name":"transfer","inputs":[{"name":"to","type":"address"},"#,
                r#"{"name":"amount","type":"uint256"}],"outputs":[{"name":"","type":"bool"}],"#,
                r#""stateMutability":"nonpayable"},{"type":"event","name":"Moved","#,
                r#""inputs":[{"name":"to","type":"address","indexed":true}],"anonymous":false}]"#
            ))
        );
        assert_eq!(registry.abi_json(&Address([2; 20])), None);
    }

    #[test]
    fn a_wrong_declaration_is_refused() {
        const WRONG: &[NativeFunction] = &[NativeFunction { signature: "transfer(uint)", ..FUNCTION }];
        assert!(matches!(
            NativeRegistry::new(Suite::Standard, &[module(1, WRONG)]),
            Err(NativeRegistryError::Declaration(DeclarationError("transfer(uint)")))
        ));
    }

    #[test]
    fn a_guomi_group_answers_both_selectors() {
        let registry = NativeRegistry::new(Suite::Guomi, &[module(1, &[FUNCTION])]).unwrap();
        let hash = sm3(b"transfer(address,uint256)");
        assert!(registry.resolve(&Address([1; 20]), &hash.0).is_some());
        assert!(registry.resolve(&Address([1; 20]), &[0xa9, 0x05, 0x9c, 0xbb]).is_some());
    }

    #[test]
    fn clashes_are_refused() {
        assert!(matches!(
            NativeRegistry::new(Suite::Standard, &[module(1, &[]), module(1, &[])]),
            Err(NativeRegistryError::Address(_))
        ));
        assert!(matches!(
            NativeRegistry::new(Suite::Standard, &[module(1, &[FUNCTION, FUNCTION])]),
            Err(NativeRegistryError::Selector { .. })
        ));
    }
}
