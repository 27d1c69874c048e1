//! Writes what a contract's module becomes.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Result};

use crate::abi_json;
use crate::ir::{Contract, ErrorEnum, Event, Function, Record};
use crate::solidity;

/// The module with everything that was added.
pub(crate) fn contract(contract: &Contract) -> Result<TokenStream> {
    let json = abi_json::write(contract);
    if json.len() > abi_json::LENGTH_MAX {
        let text = format!("the ABI takes {} bytes; at most {} are allowed", json.len(), abi_json::LENGTH_MAX);
        return Err(Error::new(contract.module.ident.span(), text));
    }
    let (attributes, visibility, name) = (&contract.module.attrs, &contract.module.vis, &contract.module.ident);
    let items = &contract.items;
    let implementation = implementation(contract);
    let events = contract.events.iter().map(event);
    let errors = contract.errors.iter().map(error_enum);
    let exports = exports(contract, &json);
    Ok(quote! {
        #(#attributes)*
        #visibility mod #name {
            #(#items)*

            /// The contract's ABI, as JSON.
            pub const ABI: &str = #json;

            #implementation
            #(#events)*
            #(#errors)*
            #exports
        }
    })
}

fn implementation(contract: &Contract) -> TokenStream {
    let storage = &contract.storage.name;
    let fields = contract.storage.fields.iter().enumerate().map(|(index, (field, rust_type))| {
        let index = Literal::u8_suffixed(index as u8);
        // With the type's span, so that a type that is no field is what the compiler points at.
        let value = quote_spanned!(rust_type.span()=> <#rust_type as ::entente::Field>::at(#index));
        quote!(#field: #value)
    });
    let guard = |payable: bool| (!payable).then(|| quote!(::entente::entry::refuse_value()?;));
    let constructor = &contract.constructor;
    let deploy_guard = guard(constructor.payable);
    let deploy = invoke(constructor);
    // Where no message takes value, one check serves all.
    let none_payable = !contract.messages.iter().any(|message| message.payable);
    let common_guard = none_payable.then(|| guard(false));
    let arms = contract.messages.iter().map(|message| {
        let selector = selector(message.selector());
        let own_guard = (!none_payable).then(|| guard(message.payable));
        let body = invoke(message);
        quote!(#selector => { #own_guard #body })
    });
    quote! {
        #[automatically_derived]
        impl ::entente::entry::Contract for #storage {
            const ABI: &'static str = ABI;

            fn open() -> Self {
                Self { #(#fields),* }
            }

            fn deploy(input: &[u8]) -> ::entente::entry::Outcome {
                let arguments = input;
                #deploy_guard
                #deploy
            }

            fn call(input: &[u8]) -> ::entente::entry::Outcome {
                let (selector, arguments) = ::entente::entry::selector(input)?;
                #common_guard
                match selector {
                    #(#arms)*
                    _ => ::entente::entry::unknown_selector(selector),
                }
            }
        }
    }
}

/// A selector as a literal in hex.
fn selector(selector: u32) -> Literal {
    format!("0x{selector:08x}_u32").parse().unwrap_or_else(|_| Literal::u32_suffixed(selector))
}

/// Reads the arguments, calls the method, and makes its result an outcome.
fn invoke(function: &Function) -> TokenStream {
    let method = &function.name;
    let names: Vec<_> = (0..function.parameters.len()).map(|index| format_ident!("argument_{index}")).collect();
    let types = function.parameters.iter().map(|parameter| &parameter.rust_type);
    let open = if function.mutable { quote!(let mut contract) } else { quote!(let contract) };
    let parameters = if function.output.is_tuple { quote!(&results) } else { quote!(&(results,)) };
    let call = quote!(contract.#method(#(#names),*));
    let failure = quote_spanned!(function.output.span=> ::entente::entry::failure(&error));
    let finish = if function.output.fallible {
        quote! {
            match #call {
                ::core::result::Result::Ok(results) => ::entente::entry::answer(#parameters),
                ::core::result::Result::Err(error) => #failure,
            }
        }
    } else {
        quote! {
            let results = #call;
            ::entente::entry::answer(#parameters)
        }
    };
    quote! {
        let (#(#names,)*): (#(#types,)*) = ::entente::entry::arguments(arguments)?;
        #open = <Self as ::entente::entry::Contract>::open();
        #finish
    }
}

fn event(Event(event): &Event) -> TokenStream {
    let name = &event.name;
    let topic = bytes(&solidity::keccak256(&event.signature()));
    let topics = event.fields.iter().filter(|field| field.indexed).map(|field| {
        let field = &field.name;
        quote!(::entente::Indexed::topic(&self.#field))
    });
    let data: Vec<_> = event.fields.iter().filter(|field| !field.indexed).map(|field| &field.name).collect();
    quote! {
        #[automatically_derived]
        impl ::entente::Event for #name {
            const TOPIC: [u8; 32] = #topic;

            fn emit(&self) {
                let topics = [Self::TOPIC, #(#topics),*];
                let data = ::entente::abi::AbiParameters::encode_parameters(&(#(&self.#data,)*));
                ::entente::private::emit(&topics, &data);
            }
        }
    }
}

fn error_enum(errors: &ErrorEnum) -> TokenStream {
    let name = &errors.name;
    let arms = errors.variants.iter().map(variant);
    // A match on a reference to an enum without variants does not compile; one on the value does.
    let subject = if errors.variants.is_empty() { quote!(*self) } else { quote!(self) };
    quote! {
        #[automatically_derived]
        impl ::entente::ContractError for #name {
            fn revert_data(&self) -> ::entente::private::Vec<u8> {
                match #subject { #(#arms)* }
            }
        }
    }
}

fn variant(variant: &Record) -> TokenStream {
    let name = &variant.name;
    let fields: Vec<_> = variant.fields.iter().map(|field| &field.name).collect();
    let selector = bytes(&solidity::selector(&variant.signature()).to_be_bytes());
    let pattern = if variant.braces { quote!(Self::#name { #(#fields),* }) } else { quote!(Self::#name) };
    quote!(#pattern => ::entente::abi::AbiParameters::encode_after(&(#(#fields,)*), &#selector),)
}

/// An array of bytes.
pub(crate) fn bytes(bytes: &[u8]) -> TokenStream {
    let bytes = bytes.iter().map(|byte| Literal::u8_unsuffixed(*byte));
    quote!([#(#bytes),*])
}

/// What the chain finds in the module: two functions, and the ABI in a custom section.
fn exports(contract: &Contract, json: &str) -> TokenStream {
    let storage = &contract.storage.name;
    let length = Literal::usize_unsuffixed(json.len());
    let json = Literal::byte_string(json.as_bytes());
    quote! {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            // SAFETY: the section is a custom one of this name, which nothing else writes. Without `#[used]`, which
            // would put a second copy among the data.
            #[unsafe(link_section = "entente:abi")]
            static SECTION: [u8; #length] = *#json;

            // SAFETY: a module has one contract, and nothing else has the names of its exports.
            #[unsafe(no_mangle)]
            extern "C" fn deploy() -> i32 {
                ::entente::entry::run(<#storage as ::entente::entry::Contract>::deploy)
            }

            // SAFETY: as above.
            #[unsafe(no_mangle)]
            extern "C" fn call() -> i32 {
                ::entente::entry::run(<#storage as ::entente::entry::Contract>::call)
            }
        };
    }
}
