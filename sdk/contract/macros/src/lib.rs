//! The macros of `entente-contract`.
//!
//! It owns the step from a contract's module to what the chain calls: `parse` reads the module, `ir` holds what was
//! found and refuses what cannot be, `solidity` knows the ABI's names and selectors, `abi_json` and `codegen` write.
//! It never decides how values are encoded: that is `entente-contract`'s, whose types the written code names.
//!
//! ```ignore
//! #[entente::contract]
//! mod counter { /* one #[storage] struct, its #[constructor], its #[message]s */ }
//! ```

#![forbid(unsafe_code)]

mod abi_json;
mod codegen;
mod interface;
mod ir;
mod parse;
mod solidity;

use proc_macro::TokenStream;
use syn::{ItemMod, ItemTrait, parse_macro_input};

/// Makes a module a contract.
///
/// Inside the module:
/// - `#[storage]` on one struct, whose fields are `Value<T>` and `Map<K, V>`: append fields, never reorder them;
/// - `#[constructor]` on one method of it, with `&mut self`, which returns nothing or `Result<(), E>`;
/// - `#[message]` on methods with `&self` (a view) or `&mut self`; a name in snake_case is camelCase in the ABI;
///   `Result<T, E>` reverts with `E`; `#[payable]` beside it lets value be sent along;
/// - `#[event]` on structs, of whose fields at most three are `#[indexed]`: emitted by `Transfer { .. }.emit()`;
/// - `#[error]` on enums: each variant is a Solidity error.
///
/// Types are told by their names, so an alias of a type is refused. The module gets a `pub const ABI: &str`, and the
/// storage struct implements `entente::entry::Contract`. On Wasm the ABI lies in the custom section `entente:abi`.
#[proc_macro_attribute]
pub fn contract(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = proc_macro2::TokenStream::from(arguments);
    let module = parse_macro_input!(item as ItemMod);
    parse::contract(&arguments, module)
        .and_then(|contract| codegen::contract(&contract))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a trait a typed handle of another contract: `Erc20::at(address).transfer(to, value)`.
///
/// A method with `&self` becomes a static call, one with `&mut self` an ordinary call; each gives
/// `Result<T, CallError>`. Write the plain result type in the trait, not a `Result`.
#[proc_macro_attribute]
pub fn interface(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = proc_macro2::TokenStream::from(arguments);
    let item = parse_macro_input!(item as ItemTrait);
    interface::expand(&arguments, &item).unwrap_or_else(syn::Error::into_compile_error).into()
}
