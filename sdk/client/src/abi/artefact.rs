//! A contract as it is deployed, of whichever kind: a Rust contract's module, or what Solidity's compiler wrote.

use entente_types::Address;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Abi, AbiError, EncodeError, abi_json, deployment};
use crate::limits::{ABI_NAME_BYTES_MAX, ARTEFACT_BYTES_MAX, CODE_DIGITS_MAX, FOUND_CHARACTERS_MAX, shown};

/// The digits of an address, which a library's place in code has.
const ADDRESS_DIGITS: usize = 40;

/// Why a file is no contract that can be deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtefactError {
    /// Its ABI is none.
    #[error(transparent)]
    Abi(#[from] AbiError),
    /// The arguments are not the constructor's.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// It is no artefact.
    #[error("this is no artefact of a compiler: {0}; make one with: entente contract build PATH")]
    Json(String),
    /// It is too large.
    #[error("the artefact has {found} bytes; at most {ARTEFACT_BYTES_MAX} are allowed")]
    Size {
        /// How many it has.
        found: usize,
    },
    /// There is an ABI and no code.
    #[error("there is no code in it: an interface or an abstract contract cannot be deployed")]
    NoCode,
    /// The code is none.
    #[error("its code is not hexadecimal: found {0:?}")]
    Code(String),
    /// Libraries are missing.
    #[error("its code calls libraries that are deployed by themselves: name their addresses with {0}")]
    Unlinked(String),
    /// There is no such library.
    #[error("its code has no place for a library {name:?}; it has: {known}")]
    UnknownLibrary {
        /// What was named.
        name: String,
        /// Those that there are.
        known: String,
    },
}

/// A contract that can be deployed: its code and its ABI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    abi: Abi,
    abi_json: String,
    code: Code,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Code {
    /// A WebAssembly module.
    Module(Vec<u8>),
    /// The code that creates an EVM contract, in digits: where a library's address is missing, there are other
    /// characters.
    Evm { digits: String, places: Vec<LibraryPlace> },
}

/// Where the address of a library goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LibraryPlace {
    source: String,
    library: String,
    /// The first digit.
    start: usize,
}

/// What is read of a compiler's artefact. Hardhat's and ours have the code as a text, Foundry's and solc's own output in
/// an object.
#[derive(Deserialize)]
struct Json<'a> {
    #[serde(borrow)]
    abi: Option<&'a RawValue>,
    bytecode: Option<Bytecode>,
    evm: Option<Evm>,
    #[serde(rename = "linkReferences", default)]
    links: Links,
}

#[derive(Deserialize)]
struct Evm {
    bytecode: Bytecode,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Bytecode {
    Digits(String),
    Object {
        object: String,
        #[serde(rename = "linkReferences", default)]
        links: Links,
    },
}

/// By source and library.
type Links = std::collections::BTreeMap<String, std::collections::BTreeMap<String, Vec<Link>>>;

#[derive(Deserialize)]
struct Link {
    start: usize,
}

impl Artefact {
    /// A module with its ABI inside.
    pub fn from_module(module: Vec<u8>) -> Result<Self, ArtefactError> {
        let abi_json = abi_json(&module)?;
        Ok(Self { abi: Abi::from_json(&abi_json)?, abi_json, code: Code::Module(module) })
    }

    /// What a compiler of Solidity wrote as JSON: ours, solc itself, Hardhat or Foundry.
    pub fn from_json(text: &str) -> Result<Self, ArtefactError> {
        if text.len() > ARTEFACT_BYTES_MAX {
            return Err(ArtefactError::Size { found: text.len() });
        }
        let unreadable = |reason: &str| ArtefactError::Json(shown(reason, 200));
        if text.trim_start().starts_with('[') {
            return Err(ArtefactError::NoCode);
        }
        let json: Json<'_> = serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?;
        let abi = json.abi.ok_or_else(|| unreadable("it has no key `abi`"))?;
        let (digits, links) = match json.bytecode.or(json.evm.map(|evm| evm.bytecode)) {
            Some(Bytecode::Digits(digits)) => (digits, json.links),
            Some(Bytecode::Object { object, links }) => (object, links),
            None => return Err(ArtefactError::NoCode),
        };
        Self::new(abi.get(), &digits, &links)
    }

    /// The digits of the code that creates an EVM contract, and its ABI as JSON: what solc writes as two files.
    pub fn from_digits(digits: &str, abi_json: &str) -> Result<Self, ArtefactError> {
        Self::new(abi_json, digits, &Links::new())
    }

    fn new(abi_json: &str, digits: &str, links: &Links) -> Result<Self, ArtefactError> {
        let digits = digits.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        if digits.is_empty() {
            return Err(ArtefactError::NoCode);
        }
        let is_digit = |byte: u8| byte.is_ascii_hexdigit();
        // A place for a library begins with __ and names it, or its hash; names have slashes, colons and points.
        let is_allowed = |byte: u8| byte.is_ascii_graphic();
        let fits = digits.len() <= CODE_DIGITS_MAX && digits.len().is_multiple_of(2);
        if !fits || !digits.bytes().all(is_allowed) || !digits.bytes().take(2).all(is_digit) {
            return Err(ArtefactError::Code(shown(digits, FOUND_CHARACTERS_MAX)));
        }
        if !digits.contains("__") && !digits.bytes().all(is_digit) {
            let (_, rest) = digits.split_at(digits.bytes().take_while(|byte| is_digit(*byte)).count());
            return Err(ArtefactError::Code(shown(rest, FOUND_CHARACTERS_MAX)));
        }
        let mut places = Vec::new();
        for (source, libraries) in links {
            for (library, links) in libraries {
                for link in links {
                    let start = link.start.saturating_mul(2);
                    let end = start.saturating_add(ADDRESS_DIGITS);
                    if digits.get(start..end).is_none() {
                        let reason = format!("library {} has a place behind the end of the code", shown(library, 60));
                        return Err(ArtefactError::Json(reason));
                    }
                    places.push(LibraryPlace { source: source.clone(), library: library.clone(), start });
                }
            }
        }
        let (abi, abi_json, digits) = (Abi::from_json(abi_json)?, abi_json.to_owned(), digits.to_owned());
        Ok(Self { abi, abi_json, code: Code::Evm { digits, places } })
    }

    /// The contract's ABI.
    pub const fn abi(&self) -> &Abi {
        &self.abi
    }

    /// The same as the JSON that it was read from.
    pub fn abi_json(&self) -> &str {
        &self.abi_json
    }

    /// Says where a library is, by its name or by `source:name`.
    pub fn link(&mut self, library: &str, address: &Address) -> Result<(), ArtefactError> {
        let unknown = |known: String| ArtefactError::UnknownLibrary {
            name: shown(library, ABI_NAME_BYTES_MAX),
            known: if known.is_empty() { "none".to_owned() } else { known },
        };
        let Code::Evm { digits, places } = &mut self.code else { return Err(unknown(String::new())) };
        let is_meant =
            |place: &LibraryPlace| place.library == library || format!("{}:{}", place.source, place.library) == library;
        let (meant, other): (Vec<_>, Vec<_>) = places.iter().cloned().partition(is_meant);
        if meant.is_empty() {
            return Err(unknown(names(places)));
        }
        for LibraryPlace { start, .. } in &meant {
            digits.replace_range(*start..start.saturating_add(ADDRESS_DIGITS), &hex::encode(address));
        }
        *places = other;
        Ok(())
    }

    /// The input of the transaction that deploys it, with the constructor's arguments read from text by their types.
    pub fn deployment(&self, arguments: &[String]) -> Result<Vec<u8>, ArtefactError> {
        let constructor = self.abi.encode_constructor(arguments)?;
        match &self.code {
            Code::Module(module) => Ok(deployment(module, &constructor)),
            Code::Evm { digits, places } => {
                let mut code = hex::decode(digits).map_err(|_| {
                    let options = places.iter().map(|place| format!("--library {}=ADDRESS", place.library));
                    let mut options: Vec<String> = options.collect();
                    options.dedup();
                    if options.is_empty() {
                        options.push("--library NAME=ADDRESS, deploying NAME.json, which says where each goes".into());
                    }
                    ArtefactError::Unlinked(shown(&options.join(" "), 300))
                })?;
                code.extend(constructor);
                Ok(code)
            }
        }
    }
}

/// The libraries of these places, each once.
fn names(places: &[LibraryPlace]) -> String {
    let mut names: Vec<&str> = places.iter().map(|place| place.library.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    shown(&names.join(", "), 300)
}
