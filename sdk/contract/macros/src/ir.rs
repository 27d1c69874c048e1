//! What a contract's module holds, after reading and before writing.

use proc_macro2::Span;
use syn::{Error, Ident, Item, ItemMod, Result, Type};

use crate::solidity::{self, AbiType};

/// A whole contract.
pub(crate) struct Contract {
    /// The module, without its content and without our attributes.
    pub(crate) module: ItemMod,
    /// The module's items, without our attributes.
    pub(crate) items: Vec<Item>,
    /// The storage struct.
    pub(crate) storage: Storage,
    /// The structs that storage fields are made of.
    pub(crate) storage_items: Vec<Storage>,
    /// The constructor.
    pub(crate) constructor: Function,
    /// The messages, in the order of the source.
    pub(crate) messages: Vec<Function>,
    /// The events.
    pub(crate) events: Vec<Event>,
    /// The error enums.
    pub(crate) errors: Vec<ErrorEnum>,
}

/// The storage struct, or a struct of fields inside of it.
pub(crate) struct Storage {
    /// Its name; the storage struct's is the contract's.
    pub(crate) name: Ident,
    /// Its fields and their types.
    pub(crate) fields: Vec<(Ident, Type)>,
}

/// A parameter, or a field of an event or error.
pub(crate) struct Parameter {
    /// Its name in Rust.
    pub(crate) name: Ident,
    /// Its type in Rust.
    pub(crate) rust_type: Type,
    /// Its type in the ABI.
    pub(crate) abi_type: AbiType,
    /// Whether it is an indexed field of an event.
    pub(crate) indexed: bool,
}

impl Parameter {
    /// Whether its type is borrowed, so that it can be written and not read.
    pub(crate) fn borrows(&self) -> bool {
        solidity::borrows(&self.rust_type)
    }
}

/// What a function gives back.
pub(crate) struct Output {
    /// The results in the ABI.
    pub(crate) abi_types: Vec<AbiType>,
    /// Whether the Rust type of the results is a tuple (or nothing): its components are the results.
    pub(crate) is_tuple: bool,
    /// Whether the function returns a `Result`.
    pub(crate) fallible: bool,
    /// What it fails with, where the `Result` says so.
    pub(crate) error: Option<Type>,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A constructor or a message.
pub(crate) struct Function {
    /// Its name in Rust.
    pub(crate) name: Ident,
    /// Its parameters.
    pub(crate) parameters: Vec<Parameter>,
    /// What it gives back.
    pub(crate) output: Output,
    /// Whether it may change the state.
    pub(crate) mutable: bool,
    /// Whether value may be sent to it.
    pub(crate) payable: bool,
}

impl Function {
    /// Its name in the ABI.
    pub(crate) fn abi_name(&self) -> String {
        solidity::camel_case(&self.name)
    }

    /// Its signature.
    pub(crate) fn signature(&self) -> String {
        let types = self.parameters.iter().map(|parameter| &parameter.abi_type);
        format!("{}{}", self.abi_name(), solidity::parameters_signature(types))
    }

    /// Its selector.
    pub(crate) fn selector(&self) -> u32 {
        solidity::selector(&self.signature())
    }
}

impl Storage {
    /// Refuses more fields than the byte of their place can tell apart.
    pub(crate) fn check(&self) -> Result<()> {
        if self.fields.len() > 256 {
            let text = "a storage struct has at most 256 fields, since a row's key has one byte for its field's place: move \
                 some into a struct marked #[storage_item]";
            return Err(Error::new(self.name.span(), text));
        }
        Ok(())
    }
}

/// An event, or a variant of an error enum: a name and fields.
pub(crate) struct Record {
    /// Its name, the same in Rust and in the ABI.
    pub(crate) name: Ident,
    /// Its fields.
    pub(crate) fields: Vec<Parameter>,
    /// Whether it is written with braces in Rust.
    pub(crate) braces: bool,
}

impl Record {
    /// Its signature.
    pub(crate) fn signature(&self) -> String {
        let types = self.fields.iter().map(|field| &field.abi_type);
        format!("{}{}", solidity::plain(&self.name), solidity::parameters_signature(types))
    }
}

/// An event.
pub(crate) struct Event(pub(crate) Record);

/// An error enum.
pub(crate) struct ErrorEnum {
    /// Its name, which the ABI does not know.
    pub(crate) name: Ident,
    /// Its variants.
    pub(crate) variants: Vec<Record>,
}

/// How many indexed fields fit beside an event's first topic.
const INDEXED_COUNT_MAX: usize = 3;

/// Refuses what no single item shows: a selector used twice, too many fields.
pub(crate) fn check(contract: &Contract) -> Result<()> {
    contract.storage.check()?;
    contract.storage_items.iter().try_for_each(Storage::check)?;
    let messages = contract.messages.iter().map(|message| (&message.name, message.signature()));
    unique(messages, "rename one")?;
    let variants = contract.errors.iter().flat_map(|errors| &errors.variants);
    unique(variants.map(|variant| (&variant.name, variant.signature())), "rename one, or keep one")?;
    for Event(event) in &contract.events {
        if event.fields.iter().filter(|field| field.indexed).count() > INDEXED_COUNT_MAX {
            let text =
                "an event has at most three #[indexed] fields: a log has four topics, and the first is the event's";
            return Err(Error::new(event.name.span(), text));
        }
        for field in event.fields.iter().filter(|field| field.indexed) {
            if !matches!(field.abi_type, AbiType::Named(_)) {
                let text = "lists and tuples cannot be #[indexed]: index their hash as a Hash32";
                return Err(Error::new(field.name.span(), text));
            }
        }
    }
    Ok(())
}

/// Refuses two errors of one selector.
pub(crate) fn check_errors(errors: &ErrorEnum) -> Result<()> {
    unique(errors.variants.iter().map(|variant| (&variant.name, variant.signature())), "rename one, or keep one")
}

/// Refuses two functions or errors of one selector.
pub(crate) fn unique<'a>(functions: impl Iterator<Item = (&'a Ident, String)>, remedy: &str) -> Result<()> {
    let mut seen: Vec<(&Ident, String)> = Vec::new();
    for (name, signature) in functions {
        let selector = solidity::selector(&signature);
        if let Some((first, other)) = seen.iter().find(|(_, other)| solidity::selector(other) == selector) {
            let text = format!(
                "`{name}` and `{first}` have the same selector 0x{selector:08x} ({signature} and {other}): {remedy}"
            );
            return Err(Error::new(name.span(), text));
        }
        seen.push((name, signature));
    }
    Ok(())
}
