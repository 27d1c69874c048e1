//! What a contract can be asked, and how arguments and answers are read.
//!
//! The ABI is Ethereum's JSON; keys of ours in its items are passed over. It comes from strangers, in a module's
//! section `entente:abi` or a file, so it is bounded and its names are checked before any of it is used or shown.

mod artefact;
mod check;
mod decode;
mod deployment;
mod encode;
mod events;
mod spelling;
mod text;

use alloy_dyn_abi::JsonAbiExt;
use alloy_json_abi::{Function, JsonAbi, StateMutability};
use serde_json::{Map, Value};
use wasmparser::{Parser, Payload};

pub use artefact::{Artefact, ArtefactError};
pub use decode::{DecodeError, DecodedArgument, DecodedLog, revert_reason};
pub use deployment::{DEPLOYMENT_MAGIC, deployment};
pub use encode::EncodeError;

use crate::limits::{ABI_BYTES_MAX, ABI_SECTION_BYTES_MAX, METHODS_LISTED_MAX, shown};

/// The name of the custom section that carries a module's ABI.
pub const ABI_SECTION: &str = "entente:abi";

/// Why there is no ABI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// The bytes do not begin as a module does.
    #[error("this is no WebAssembly module; make one with: entente contract build PATH")]
    NoModule,
    /// The module is damaged.
    #[error("this WebAssembly module cannot be read: {0}; make it anew with: entente contract build PATH")]
    Module(String),
    /// The module has no ABI.
    #[error("the module has no section {ABI_SECTION}; build it with: entente contract build PATH")]
    Missing,
    /// The module has more than one.
    #[error("the module has more than one section {ABI_SECTION}")]
    Repeated,
    /// It is too large.
    #[error("the ABI has {found} bytes; at most {max} are allowed")]
    Size {
        /// How many it has.
        found: usize,
        /// How many it may have.
        max: usize,
    },
    /// It is no ABI.
    #[error("the ABI cannot be read: {0}")]
    Json(String),
    /// A name in it could not stand in a Solidity file.
    #[error("the ABI has the name {0:?}; a name has letters, digits, _ and $")]
    Name(String),
    /// A type in it cannot be used.
    #[error("the ABI's {item} has the type {found:?}, {reason}")]
    Type {
        /// The function, event or error.
        item: String,
        /// The type.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A contract's ABI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abi {
    items: JsonAbi,
}

impl Abi {
    /// Reads an ABI from JSON.
    pub fn from_json(json: &str) -> Result<Self, AbiError> {
        if json.len() > ABI_BYTES_MAX {
            return Err(AbiError::Size { found: json.len(), max: ABI_BYTES_MAX });
        }
        let unreadable = |error: serde_json::Error| AbiError::Json(shown(&error.to_string(), 200));
        let mut value: Value = serde_json::from_str(json).map_err(unreadable)?;
        // A compiler's artefact carries the ABI under this key.
        if let Some(inner) = value.get_mut("abi") {
            value = inner.take();
        }
        if let Some(items) = value.as_array_mut() {
            items.retain(|item| !is_of_libraries_alone(item));
            items.iter_mut().filter_map(Value::as_object_mut).for_each(add_usual_values);
        }
        let items: JsonAbi = serde_json::from_value(value).map_err(unreadable)?;
        check::check(&items)?;
        Ok(Self { items })
    }

    /// Reads the ABI that a module carries.
    pub fn from_module(module: &[u8]) -> Result<Self, AbiError> {
        Self::from_json(&abi_json(module)?)
    }

    /// The method of this name or full signature that takes so many arguments.
    pub fn method(&self, method: &str, argument_count: usize) -> Result<Method<'_>, EncodeError> {
        let method = method.trim();
        let candidates: Vec<&Function> = if method.contains('(') {
            let wanted: String = method.chars().filter(|character| !character.is_whitespace()).collect();
            self.items.functions().filter(|function| function.signature() == wanted).collect()
        } else {
            self.items.function(method).map(|overloads| overloads.iter().collect()).unwrap_or_default()
        };
        if candidates.is_empty() {
            let name = shown(method, crate::limits::FOUND_CHARACTERS_MAX);
            let meant = spelling::nearest(method, self.items.functions(), |function| &function.name);
            let meant = meant.map(Function::signature);
            return Err(EncodeError::UnknownMethod {
                name,
                meant,
                known: listed(self.items.functions().map(Function::signature), "methods"),
            });
        }
        let fitting: Vec<&Function> =
            candidates.iter().copied().filter(|function| function.inputs.len() == argument_count).collect();
        match fitting.as_slice() {
            [function] => Ok(Method { function }),
            [] => Err(EncodeError::Count {
                signatures: listed(candidates.into_iter().map(Function::signature), "methods"),
                found: argument_count,
            }),
            _ => Err(EncodeError::Ambiguous {
                name: method.to_owned(),
                signatures: listed(fitting.into_iter().map(Function::signature), "methods"),
            }),
        }
    }

    /// The input of a call: the selector and the arguments, read from text by their types.
    pub fn encode_call(&self, method: &str, arguments: &[String]) -> Result<Vec<u8>, EncodeError> {
        self.method(method, arguments.len())?.encode(arguments)
    }

    /// The constructor's arguments, read from text by their types.
    pub fn encode_constructor(&self, arguments: &[String]) -> Result<Vec<u8>, EncodeError> {
        let Some(constructor) = &self.items.constructor else {
            return match arguments.len() {
                0 => Ok(Vec::new()),
                found => Err(EncodeError::Count { signatures: "constructor()".to_owned(), found }),
            };
        };
        if constructor.inputs.len() != arguments.len() {
            let types: Vec<_> = constructor.inputs.iter().map(alloy_json_abi::Param::selector_type).collect();
            let signatures = format!("constructor({})", types.join(","));
            return Err(EncodeError::Count { signatures, found: arguments.len() });
        }
        let values = encode::values(&constructor.inputs, arguments)?;
        constructor.abi_encode_input(&values).map_err(|error| EncodeError::Library(error.to_string()))
    }

    /// The signatures of all methods, by name.
    pub fn signatures(&self) -> Vec<String> {
        self.items.functions().map(Function::signature).collect()
    }
}

/// Adds what Solidity's specification of the JSON lets a writer leave out and the library wants.
fn add_usual_values(item: &mut Map<String, Value>) {
    let list = || Value::Array(Vec::new());
    let kind = item.entry("type").or_insert_with(|| Value::String("function".to_owned())).as_str().unwrap_or_default();
    let (has_outputs, is_event) = (kind == "function", kind == "event");
    item.entry("inputs").or_insert_with(list);
    if has_outputs {
        item.entry("outputs").or_insert_with(list);
    }
    if is_event {
        item.entry("anonymous").or_insert(Value::Bool(false));
    }
}

/// Whether an item can be called by the code alone that was compiled with it: Solidity's libraries take references to
/// storage, whose types are none of the ABI's.
fn is_of_libraries_alone(item: &Value) -> bool {
    let parameters = ["inputs", "outputs"].into_iter().filter_map(|key| item.get(key)?.as_array()).flatten();
    let mut types = parameters.filter_map(|parameter| parameter.get("type")?.as_str());
    types.any(|ty| ty.ends_with(" storage"))
}

/// The JSON of the ABI that a module carries.
pub fn abi_json(module: &[u8]) -> Result<String, AbiError> {
    if !module.starts_with(b"\0asm") {
        return Err(AbiError::NoModule);
    }
    let mut found = None;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|error| AbiError::Module(shown(&error.to_string(), 200)))?;
        if let Payload::CustomSection(section) = payload
            && section.name() == ABI_SECTION
            && found.replace(section.data()).is_some()
        {
            return Err(AbiError::Repeated);
        }
    }
    let bytes = found.ok_or(AbiError::Missing)?;
    if bytes.len() > ABI_SECTION_BYTES_MAX {
        return Err(AbiError::Size { found: bytes.len(), max: ABI_SECTION_BYTES_MAX });
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| AbiError::Json("it is not UTF-8".to_owned()))
}

/// One method of a contract.
#[derive(Debug, Clone, Copy)]
pub struct Method<'abi> {
    function: &'abi Function,
}

impl Method<'_> {
    /// The full signature, such as `transfer(address,uint256)`.
    pub fn signature(&self) -> String {
        self.function.signature()
    }

    /// Whether it promises to change nothing, so that it can be called without a transaction.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.function.state_mutability, StateMutability::View | StateMutability::Pure)
    }

    /// The input of a call.
    pub fn encode(&self, arguments: &[String]) -> Result<Vec<u8>, EncodeError> {
        let values = encode::values(&self.function.inputs, arguments)?;
        self.function.abi_encode_input(&values).map_err(|error| EncodeError::Library(error.to_string()))
    }

    /// What a call gave back, one JSON value for each output: numbers as decimal texts, addresses and bytes with
    /// `0x`, arrays and tuples as lists.
    pub fn decode(&self, output: &[u8]) -> Result<Vec<Value>, DecodeError> {
        decode::outputs(self.function, output)
    }
}

/// Some signatures for an error message, and how many more there are.
fn listed(signatures: impl Iterator<Item = String>, what: &str) -> String {
    let signatures: Vec<String> = signatures.collect();
    if signatures.is_empty() {
        return format!("no {what}");
    }
    let text = signatures.iter().take(METHODS_LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match signatures.len().saturating_sub(METHODS_LISTED_MAX) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
