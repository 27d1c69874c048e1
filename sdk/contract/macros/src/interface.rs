//! Writes the typed handle of another contract.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, ItemTrait, Result, ReturnType, TraitItem, TraitItemFn};

use crate::codegen::bytes;
use crate::parse;

/// The trait becomes a struct of the same name with a method for each of the trait's.
pub(crate) fn expand(arguments: &TokenStream, item: &ItemTrait) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "#[interface] takes no arguments"));
    }
    parse::no_generics(&item.generics)?;
    let methods = item.items.iter().map(|method| match method {
        TraitItem::Fn(method) if method.default.is_none() => call(method),
        other => Err(Error::new(other.span(), "an interface has methods without a body, and nothing else")),
    });
    let methods = methods.collect::<Result<Vec<_>>>()?;
    let (attributes, visibility, name) = (&item.attrs, &item.vis, &item.ident);
    Ok(quote! {
        #(#attributes)*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #visibility struct #name {
            address: ::entente::Address,
        }

        #[allow(missing_docs)]
        impl #name {
            /// The contract at `address`.
            pub const fn at(address: ::entente::Address) -> Self {
                Self { address }
            }

            #(#methods)*
        }
    })
}

fn call(method: &TraitItemFn) -> Result<TokenStream> {
    let function = parse::function(&method.sig, false, "a method")?;
    if function.output.fallible {
        let text = "write the plain result type: every call of an interface gives a Result already";
        return Err(Error::new(method.sig.output.span(), text));
    }
    let selector = bytes(&function.selector().to_be_bytes());
    let kind = if function.mutable { quote!(to) } else { quote!(static_call) };
    let (attributes, name, inputs) = (&method.attrs, &function.name, &method.sig.inputs);
    let names: Vec<_> = function.parameters.iter().map(|parameter| &parameter.name).collect();
    let result = match &method.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, rust_type) => quote!(#rust_type),
    };
    let (decoded, answer) = if function.output.is_tuple {
        (result.clone(), quote!(results))
    } else {
        (quote!((#result,)), quote!(results.0))
    };
    Ok(quote! {
        #(#attributes)*
        pub fn #name(#inputs) -> ::core::result::Result<#result, ::entente::call::CallError> {
            ::entente::call::Call::#kind(self.address)
                .invoke(#selector, &(#(#names,)*))
                .map(|results: #decoded| #answer)
        }
    })
}
