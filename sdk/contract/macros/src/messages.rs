//! Writes a contract's messages as values, for tests.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use crate::codegen::bytes;
use crate::ir::{Contract, Function};

/// An empty enum with a function for each message and one for the constructor. Natively only: a contract that calls
/// another one declares an interface.
pub(crate) fn write(contract: &Contract) -> TokenStream {
    let creation = creation(contract);
    let messages = contract.messages.iter().map(message);
    quote! {
        /// The contract's constructor and messages as values, to be sent to a chain in memory by tests.
        #[cfg(not(target_arch = "wasm32"))]
        #[allow(dead_code)]
        #[derive(Debug)]
        pub enum Messages {}

        #[cfg(not(target_arch = "wasm32"))]
        #[automatically_derived]
        #[allow(dead_code, clippy::needless_pass_by_value, clippy::new_ret_no_self, clippy::too_many_arguments)]
        impl Messages {
            #creation
            #(#messages)*
        }
    }
}

fn creation(contract: &Contract) -> TokenStream {
    let constructor = &contract.constructor;
    let (name, storage, error) = (&constructor.name, &contract.storage.name, error(constructor));
    let (parameters, names) = parameters(constructor);
    let doc = format!("The creation by `{}`.", constructor.signature());
    quote! {
        #[doc = #doc]
        pub fn #name(#parameters) -> ::entente::Creation<#storage, #error> {
            ::entente::Creation::new(&#names)
        }
    }
}

fn message(message: &Function) -> TokenStream {
    let (name, error) = (&message.name, error(message));
    let (parameters, names) = parameters(message);
    let selector = bytes(&message.selector().to_be_bytes());
    let (result, read) = result(message);
    let doc = format!("The message `{}`.", message.signature());
    quote! {
        #[doc = #doc]
        pub fn #name(#parameters) -> ::entente::Message<#result, #error> {
            ::entente::Message::new(#selector, &#names, #read)
        }
    }
}

/// The parameters with their types, and the tuple of their names.
fn parameters(function: &Function) -> (TokenStream, TokenStream) {
    let names: Vec<_> = function.parameters.iter().map(|parameter| &parameter.name).collect();
    let types = function.parameters.iter().map(|parameter| &parameter.rust_type);
    (quote!(#(#names: #types),*), quote!((#(#names,)*)))
}

/// The type of a function's results when they are read back, and the function that reads them.
pub(crate) fn result(function: &Function) -> (TokenStream, TokenStream) {
    let types: Vec<_> = function.output.abi_types.iter().map(crate::solidity::AbiType::owned).collect();
    let decode = quote!(::entente::abi::AbiDecodeParameters::decode_parameters);
    match types.as_slice() {
        [single] if !function.output.is_tuple => {
            (quote!(#single), quote!(|output| #decode(output).map(|results: (#single,)| results.0)))
        }
        _ => (quote!((#(#types,)*)), quote!(|output| #decode(output))),
    }
}

/// The type of a function's errors when they are read back.
fn error(function: &Function) -> TokenStream {
    match &function.output.error {
        Some(Type::Reference(_)) => quote!(::entente::private::String),
        Some(error) => quote!(#error),
        // An alias of `Result` keeps its error to itself.
        None if function.output.fallible => quote!(::entente::Revert),
        None => quote!(::core::convert::Infallible),
    }
}
