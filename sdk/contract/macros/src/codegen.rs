//! Writes what a contract's module becomes.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Result};

use crate::ir::{Contract, ErrorEnum, Event, Function, Parameter, Record, Storage};
use crate::{abi_json, messages, solidity};

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
    let storage_items = contract.storage_items.iter().map(storage_item);
    let messages = messages::write(contract);
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
            #(#storage_items)*
            #messages
            #(#events)*
            #(#errors)*
            #exports
        }
    })
}

fn implementation(contract: &Contract) -> TokenStream {
    let storage = &contract.storage.name;
    let fields = fields(&contract.storage, |index| quote!(root(#index)));
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

/// The fields of a struct, each made at the place of its index.
fn fields(storage: &Storage, make: impl Fn(Literal) -> TokenStream) -> Vec<TokenStream> {
    let fields = storage.fields.iter().enumerate().map(|(index, (field, rust_type))| {
        let call = make(Literal::u8_suffixed(index as u8));
        // With the type's span, so that a type that is no field is what the compiler points at.
        let value = quote_spanned!(rust_type.span()=> <#rust_type as ::entente::Field>::#call);
        quote!(#field: #value)
    });
    fields.collect()
}

/// A struct of fields that is itself one.
fn storage_item(item: &Storage) -> TokenStream {
    let name = &item.name;
    let fields = fields(item, |index| quote!(nested(path.field(#index))));
    quote! {
        #[automatically_derived]
        impl ::entente::Field for #name {
            type Nested = Self;

            fn root(index: u8) -> Self {
                Self::nested(::entente::Path::root(index))
            }

            fn nested(path: ::entente::Path) -> Self {
                let _ = path;
                Self { #(#fields),* }
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
    let from_log = event_from_log(event);
    quote! {
        #[automatically_derived]
        impl ::entente::Event for #name {
            const TOPIC: [u8; 32] = #topic;

            fn emit(&self) {
                let topics = [Self::TOPIC, #(#topics),*];
                let data = ::entente::abi::AbiParameters::encode_parameters(&(#(&self.#data,)*));
                ::entente::private::emit(&topics, &data);
            }

            fn from_log(topics: &[::entente::Hash32], data: &[u8]) -> ::core::option::Option<Self> {
                #from_log
            }
        }
    }
}

/// Reads an event back, where its types can be read.
fn event_from_log(event: &Record) -> TokenStream {
    if event.fields.iter().any(Parameter::borrows) {
        return quote! {
            let _ = (topics, data);
            ::core::option::Option::None
        };
    }
    let (indexed, others): (Vec<_>, Vec<_>) = event.fields.iter().partition(|field| field.indexed);
    let topics: Vec<_> = (0..indexed.len()).map(|index| format_ident!("topic_{index}")).collect();
    let values: Vec<_> = (0..others.len()).map(|index| format_ident!("value_{index}")).collect();
    let types = others.iter().map(|field| &field.rust_type);
    let (indexed, others) = (indexed.iter().map(|field| &field.name), others.iter().map(|field| &field.name));
    quote! {
        let [topic, #(#topics),*] = topics else { return ::core::option::Option::None };
        if *topic != Self::TOPIC {
            return ::core::option::Option::None;
        }
        let (#(#values,)*): (#(#types,)*) = ::entente::abi::AbiDecodeParameters::decode_parameters(data).ok()?;
        ::core::option::Option::Some(Self {
            #(#indexed: ::entente::Indexed::from_topic(#topics)?,)*
            #(#others: #values,)*
        })
    }
}

pub(crate) fn error_enum(errors: &ErrorEnum) -> TokenStream {
    let name = &errors.name;
    let arms = errors.variants.iter().map(variant);
    // A match on a reference to an enum without variants does not compile; one on the value does.
    let subject = if errors.variants.is_empty() { quote!(*self) } else { quote!(self) };
    let readable = errors.variants.iter().filter(|variant| variant.fields.iter().all(|field| !field.borrows()));
    let readers = readable.map(variant_from_data);
    quote! {
        #[automatically_derived]
        impl ::entente::ContractError for #name {
            fn revert_data(&self) -> ::entente::private::Vec<u8> {
                match #subject { #(#arms)* }
            }

            fn from_revert_data(data: &[u8]) -> ::core::option::Option<Self> {
                let (selector, arguments) = data.split_first_chunk::<4>()?;
                let _ = arguments;
                match *selector {
                    #(#readers)*
                    _ => ::core::option::Option::None,
                }
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

fn variant_from_data(variant: &Record) -> TokenStream {
    let name = &variant.name;
    let fields = variant.fields.iter().map(|field| &field.name);
    let types = variant.fields.iter().map(|field| &field.rust_type);
    let values: Vec<_> = (0..variant.fields.len()).map(|index| format_ident!("value_{index}")).collect();
    let selector = bytes(&solidity::selector(&variant.signature()).to_be_bytes());
    quote! {
        #selector => {
            let (#(#values,)*): (#(#types,)*) =
                ::entente::abi::AbiDecodeParameters::decode_parameters(arguments).ok()?;
            ::core::option::Option::Some(Self::#name { #(#fields: #values),* })
        }
    }
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
