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
mod messages;
mod parse;
mod solidity;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemEnum, ItemMod, ItemTrait, parse_macro_input};

/// Makes a module a contract.
///
/// Inside the module:
/// - `#[storage]` on one struct, whose fields are `Value<T>`, `Map<K, V>` and `List<T>`: append fields, never reorder
///   them; `#[storage_item]` on structs of such fields, which can themselves be fields, values of maps and elements of
///   lists;
/// - `#[constructor]` on one method of it, with `&mut self`, which returns nothing or `Result<(), E>`;
/// - `#[message]` on methods with `&self` (a view) or `&mut self`; a name in snake_case is camelCase in the ABI;
///   `Result<T, E>` reverts with `E`; `#[payable]` beside it lets value be sent along;
/// - `#[event]` on structs, of whose fields at most three are `#[indexed]`: emitted by `Transfer { .. }.emit()`;
/// - `#[error]` on enums: each variant is a Solidity error.
///
/// Types are told by their names, so an alias of a type is refused. The module gets a `pub const ABI: &str`, and the
/// storage struct implements `entente::entry::Contract`. On Wasm the ABI lies in the custom section `entente:abi`;
/// elsewhere the module gets an enum `Messages` with a function for each message, which tests send to a chain in memory.
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
/// - A method with `&self` becomes a static call, one with `&mut self` an ordinary call. Each gives
///   `Result<T, CallError>`; where it is declared with `Result<T, E>`, `Result<T, CallError<E>>`, whose variant `Error`
///   has what the other contract reverted with.
/// - `#[payable]` on a method with `&mut self` lets value be sent: the amount is the first argument of the call.
/// - `#[constructor]` on a function without `self` creates such a contract from its module:
///   `Erc20::new(module, supply)` gives `Result<Self, CallError<E>>`.
/// - Arguments may be borrowed (`&str`, `&Bytes`).
#[proc_macro_attribute]
pub fn interface(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = proc_macro2::TokenStream::from(arguments);
    let item = parse_macro_input!(item as ItemTrait);
    interface::expand(&arguments, item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an enum one of errors, as `#[error]` does inside a contract's module: for the errors that another contract
/// declares, beside its `interface`. Each variant is a Solidity error.
#[proc_macro_attribute]
pub fn error(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = parse_macro_input!(item as ItemEnum);
    match parse::error_enum(&mut item).and_then(|errors| ir::check_errors(&errors).map(|()| errors)) {
        Ok(errors) => {
            let implementation = codegen::error_enum(&errors);
            quote!(#item #implementation).into()
        }
        Err(error) => error.into_compile_error().into(),
    }
}
