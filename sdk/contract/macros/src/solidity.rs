//! The names of Solidity: types, signatures, selectors.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote;
use sha3::{Digest, Keccak256};
use syn::spanned::Spanned;
use syn::{Error, Expr, GenericArgument, Ident, Lit, PathArguments, Result, Type};

/// A type of the ABI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AbiType {
    /// A type with a name, such as `uint256`.
    Named(String),
    /// A list of any length.
    List(Box<AbiType>),
    /// A tuple.
    Tuple(Vec<AbiType>),
}

impl AbiType {
    /// Reads a Rust type by its name.
    pub(crate) fn of(rust_type: &Type) -> Result<Self> {
        match rust_type {
            Type::Path(path) if path.qself.is_none() => Self::of_path(path),
            Type::Tuple(tuple) if !tuple.elems.is_empty() && tuple.elems.len() <= 12 => {
                Ok(Self::Tuple(tuple.elems.iter().map(Self::of).collect::<Result<_>>()?))
            }
            Type::Array(array) => match (Self::of(&array.elem), &array.len) {
                (Ok(Self::Named(element)), Expr::Lit(length)) if element == "uint8" => match &length.lit {
                    Lit::Int(length) => match length.base10_parse::<u8>() {
                        Ok(length @ 1..=32) => Ok(Self::Named(format!("bytes{length}"))),
                        _ => unsupported(rust_type),
                    },
                    _ => unsupported(rust_type),
                },
                _ => unsupported(rust_type),
            },
            // A result, or a field of an event or error: what is only written may be borrowed.
            Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => Ok(Self::Named("string".into())),
                _ => unsupported(rust_type),
            },
            Type::Paren(inner) => Self::of(&inner.elem),
            Type::Group(inner) => Self::of(&inner.elem),
            _ => unsupported(rust_type),
        }
    }

    fn of_path(path: &syn::TypePath) -> Result<Self> {
        let whole = Type::Path(path.clone());
        let Some(last) = path.path.segments.last() else { return unsupported(&whole) };
        let name = last.ident.to_string();
        match (name.as_str(), &last.arguments) {
            ("Vec", PathArguments::AngleBracketed(arguments)) => match arguments.args.first() {
                Some(GenericArgument::Type(element)) if arguments.args.len() == 1 => {
                    Ok(Self::List(Box::new(Self::of(element)?)))
                }
                _ => unsupported(&whole),
            },
            (name, PathArguments::None) => match elementary(name) {
                Some(abi_name) => Ok(Self::Named(abi_name.into())),
                None => unsupported(&whole),
            },
            _ => unsupported(&whole),
        }
    }

    /// The Rust type that is read from the ABI for it.
    pub(crate) fn owned(&self) -> TokenStream {
        match self {
            Self::Named(name) => owned_named(name),
            Self::List(element) => {
                let element = element.owned();
                quote!(::entente::private::Vec<#element>)
            }
            Self::Tuple(elements) => {
                let elements = elements.iter().map(Self::owned);
                quote!((#(#elements,)*))
            }
        }
    }

    /// The type as a signature spells it.
    pub(crate) fn signature(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::List(element) => format!("{}[]", element.signature()),
            Self::Tuple(elements) => parameters_signature(elements.iter()),
        }
    }
}

/// What to write instead of a type that many an author takes for a storage field; nothing where it may be one.
pub(crate) fn field_instead(rust_type: &Type) -> Option<String> {
    let text = quote!(#rust_type).to_string().replace(' ', "");
    let name = match rust_type {
        Type::Path(path) => path.path.segments.last()?.ident.to_string(),
        _ => String::new(),
    };
    match name.as_str() {
        "HashMap" | "BTreeMap" => Some("Map<K, V>".into()),
        "Vec" | "VecDeque" => Some(format!("List<T>, or Value<{text}> for all in one row")),
        "HashSet" | "BTreeSet" => Some("Map<T, ()>, and List<T> beside it where it is to be listed".into()),
        "Option" => Some("Value<T>, whose `find` gives an option".into()),
        _ if AbiType::of(rust_type).is_ok() => Some(format!("Value<{text}>")),
        _ => None,
    }
}

/// Whether a type of the ABI is borrowed, so that it can be written and not read.
pub(crate) fn borrows(rust_type: &Type) -> bool {
    match rust_type {
        Type::Reference(_) => true,
        Type::Tuple(tuple) => tuple.elems.iter().any(borrows),
        Type::Paren(inner) => borrows(&inner.elem),
        Type::Group(inner) => borrows(&inner.elem),
        Type::Path(path) => path.path.segments.iter().any(|segment| match &segment.arguments {
            PathArguments::AngleBracketed(arguments) => arguments
                .args
                .iter()
                .any(|argument| matches!(argument, GenericArgument::Type(argument) if borrows(argument))),
            _ => false,
        }),
        _ => false,
    }
}

/// The Rust type of a type with a name.
fn owned_named(name: &str) -> TokenStream {
    match name {
        "uint256" => quote!(::entente::U256),
        "address" => quote!(::entente::Address),
        "bytes" => quote!(::entente::Bytes),
        "string" => quote!(::entente::private::String),
        _ => {
            if let Some(length) = name.strip_prefix("bytes").and_then(|length| length.parse().ok()) {
                let length = Literal::usize_unsuffixed(length);
                return quote!([u8; #length]);
            }
            // bool, uint8 to uint128, int8 to int128.
            let name = name.replace("uint", "u").replace("int", "i");
            let name = Ident::new(&name, Span::call_site());
            quote!(#name)
        }
    }
}

fn elementary(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "bool",
        "u8" => "uint8",
        "u16" => "uint16",
        "u32" => "uint32",
        "u64" => "uint64",
        "u128" => "uint128",
        "i8" => "int8",
        "i16" => "int16",
        "i32" => "int32",
        "i64" => "int64",
        "i128" => "int128",
        "U256" => "uint256",
        "Address" => "address",
        "Hash32" => "bytes32",
        "Bytes" => "bytes",
        "String" => "string",
        _ => return None,
    })
}

fn unsupported<T>(rust_type: &Type) -> Result<T> {
    let text = quote!(#rust_type).to_string().replace(' ', "");
    let instead = remedy(rust_type).unwrap_or(
        "use bool, u8 to u128, i8 to i128, U256, Address, Hash32, [u8; 1] to [u8; 32], String, Bytes, Vec<T> or tuples \
         of these, by these names",
    );
    Err(Error::new(rust_type.span(), format!("`{text}` has no form in Solidity's ABI: {instead}")))
}

/// What to use instead of a type that many an author reaches for.
fn remedy(rust_type: &Type) -> Option<&'static str> {
    let Type::Path(path) = rust_type else { return None };
    Some(match path.path.segments.last()?.ident.to_string().as_str() {
        "usize" => "its size depends on the machine; use u32 or u64",
        "isize" => "its size depends on the machine; use i32 or i64",
        "f32" | "f64" => "nodes do not agree on fractions; use an integer with a fixed number of decimals",
        "char" => "use u32 or String",
        "str" => "use String, or &'static str for a result",
        "HashMap" | "BTreeMap" | "Map" => "use a list of pairs, Vec<(K, V)>",
        "HashSet" | "BTreeSet" | "VecDeque" | "List" => "use Vec<T>",
        "Option" => "use a pair, (bool, T), or an error",
        _ => return None,
    })
}

/// `(a,b)` of these types.
pub(crate) fn parameters_signature<'a>(types: impl Iterator<Item = &'a AbiType>) -> String {
    format!("({})", types.map(AbiType::signature).collect::<Vec<_>>().join(","))
}

/// A name in snake_case as Solidity writes it; underscores at the front stay.
pub(crate) fn camel_case(name: &Ident) -> String {
    let name = plain(name);
    let rest = name.trim_start_matches('_');
    let mut camel = name[..name.len() - rest.len()].to_owned();
    for (index, word) in rest.split('_').filter(|word| !word.is_empty()).enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if index > 0 => camel.extend(first.to_uppercase()),
            Some(first) => camel.push(first),
            None => {}
        }
        camel.push_str(letters.as_str());
    }
    camel
}

/// A name without the mark of a raw identifier.
pub(crate) fn plain(name: &Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map_or(name.clone(), str::to_owned)
}

/// The Keccak-256 of a signature: an event's topic.
pub(crate) fn keccak256(signature: &str) -> [u8; 32] {
    Keccak256::digest(signature.as_bytes()).into()
}

/// The first four bytes of a signature's Keccak-256, as a number.
pub(crate) fn selector(signature: &str) -> u32 {
    let [first, second, third, fourth, ..] = keccak256(signature);
    u32::from_be_bytes([first, second, third, fourth])
}
