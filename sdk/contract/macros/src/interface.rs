//! Writes the typed handle of another contract.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, ItemTrait, Result, TraitItem, TraitItemFn};

use crate::codegen::bytes;
use crate::ir::{self, Function};
use crate::parse;

/// What the handle itself has.
const RESERVED: [&str; 2] = ["at", "with_gas"];

/// The trait becomes a struct of the same name with a function for each of the trait's.
pub(crate) fn expand(arguments: &TokenStream, mut item: ItemTrait) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "#[interface] takes no arguments"));
    }
    parse::no_generics(&item.generics, "an interface")?;
    if let Some(first) = item.supertraits.first() {
        return Err(Error::new(
            first.span(),
            "an interface stands alone: declare the messages of the other one here too",
        ));
    }
    let mut methods = Vec::new();
    for method in &mut item.items {
        match method {
            TraitItem::Fn(method) if method.default.is_none() => methods.push(Method::read(method)?),
            other => {
                let text = "an interface has methods without a body, and nothing else: the other contract has the code";
                return Err(Error::new(other.span(), text));
            }
        }
    }
    check(&methods)?;
    let methods = methods.iter().map(Method::write);
    let (attributes, visibility, name) = (&item.attrs, &item.vis, &item.ident);
    Ok(quote! {
        #(#attributes)*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #visibility struct #name {
            address: ::entente::Address,
            gas: u64,
        }

        #[allow(missing_docs, dead_code)]
        impl #name {
            /// The contract at `address`.
            pub const fn at(address: ::entente::Address) -> Self {
                Self { address, gas: u64::MAX }
            }

            /// The same, given at most so much gas in a call: thousandths of Ethereum's.
            #[must_use]
            pub const fn with_gas(mut self, gas: u64) -> Self {
                self.gas = gas;
                self
            }

            #(#methods)*
        }
    })
}

/// Refuses what no single method shows.
fn check(methods: &[Method]) -> Result<()> {
    let messages = methods.iter().filter(|method| !method.constructor);
    ir::unique(messages.map(|method| (&method.function.name, method.function.signature())), "rename one")?;
    if let Some(second) = methods.iter().filter(|method| method.constructor).nth(1) {
        return Err(Error::new(second.function.name.span(), "an interface has one #[constructor], as a contract has"));
    }
    Ok(())
}

/// A method of the trait.
struct Method {
    attributes: Vec<Attribute>,
    function: Function,
    constructor: bool,
    /// What it gives back if it succeeds.
    result: TokenStream,
}

impl Method {
    fn read(method: &mut TraitItemFn) -> Result<Self> {
        let constructor = parse::take(&mut method.attrs, "constructor")?;
        let payable = parse::take(&mut method.attrs, "payable")?;
        let signature = &method.sig;
        reserved(&signature.ident)?;
        let function = if constructor {
            if let Some(receiver) = signature.receiver() {
                let text = "a #[constructor] of an interface has no `self`: the contract is not there yet";
                return Err(Error::new(receiver.span(), text));
            }
            let mut function = parse::free_function(signature, 0, "a constructor", true)?;
            function.payable = payable;
            function
        } else {
            parse::method(signature, payable, "a method", true)?
        };
        if constructor && !function.output.abi_types.is_empty() {
            return Err(Error::new(signature.output.span(), "a constructor returns nothing, or Result<(), E>"));
        }
        if function.output.fallible && function.output.error.is_none() {
            let text = "write Result<T, E> with the errors that the other contract declares, or T alone";
            return Err(Error::new(signature.output.span(), text));
        }
        let result = crate::messages::result(&function).0;
        Ok(Self { attributes: std::mem::take(&mut method.attrs), function, constructor, result })
    }

    fn write(&self) -> TokenStream {
        let Self { attributes, function, result, .. } = self;
        let name = &function.name;
        let names: Vec<_> = function.parameters.iter().map(|parameter| &parameter.name).collect();
        let types = function.parameters.iter().map(|parameter| &parameter.rust_type);
        let (value_parameter, value) = if function.payable {
            (quote!(value_sent: ::entente::U256,), quote!(value_sent))
        } else {
            (quote!(), quote!(::entente::U256::ZERO))
        };
        let (error, declared) = match &function.output.error {
            Some(error) => (quote!(::entente::call::CallError<#error>), quote!(.map_err(|error| error.declared()))),
            None => (quote!(::entente::call::CallError), quote!()),
        };
        if self.constructor {
            return quote! {
                #(#attributes)*
                pub fn #name(module: &[u8], #value_parameter #(#names: #types),*) -> ::core::result::Result<Self, #error> {
                    ::entente::call::create(module, &(#(#names,)*), #value).map(Self::at)#declared
                }
            };
        }
        let receiver = if function.mutable { quote!(&mut self) } else { quote!(&self) };
        let kind = if function.mutable { quote!(to) } else { quote!(static_call) };
        let selector = bytes(&function.selector().to_be_bytes());
        let (decoded, answer) = if function.output.is_tuple {
            (quote!(#result), quote!(results))
        } else {
            (quote!((#result,)), quote!(results.0))
        };
        quote! {
            #(#attributes)*
            pub fn #name(#receiver, #value_parameter #(#names: #types),*) -> ::core::result::Result<#result, #error> {
                ::entente::call::Call::#kind(self.address)
                    .gas(self.gas)
                    .value(#value)
                    .invoke(#selector, &(#(#names,)*))
                    .map(|results: #decoded| #answer)
                    #declared
            }
        }
    }
}

/// Refuses a name that the handle itself has.
fn reserved(name: &Ident) -> Result<()> {
    if RESERVED.iter().any(|reserved| name == reserved) {
        let text = format!("`{name}` is a function of every interface: call this message by `entente::call::Call`");
        return Err(Error::new(name.span(), text));
    }
    Ok(())
}
