//! Reads a contract's module.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Fields, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, Item, ItemEnum, ItemImpl, ItemMod,
    ItemStruct, Pat, PathArguments, Result, ReturnType, Signature, Type, parse_quote,
};

use crate::ir::{self, Contract, ErrorEnum, Event, Function, Output, Parameter, Record, Storage};
use crate::solidity::AbiType;

/// What was found so far.
#[derive(Default)]
struct Found {
    storage: Option<Storage>,
    constructor: Option<Function>,
    messages: Vec<Function>,
    events: Vec<Event>,
    errors: Vec<ErrorEnum>,
}

/// Reads the module and checks the whole.
pub(crate) fn contract(arguments: &TokenStream, mut module: ItemMod) -> Result<Contract> {
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "`contract` takes no arguments"));
    }
    let Some((_, mut items)) = module.content.take() else {
        let text = "a contract is a module with its content here: `mod name { .. }`";
        return Err(Error::new(module.ident.span(), text));
    };
    let mut found = Found::default();
    for item in &mut items {
        match item {
            Item::Struct(item) => structure(item, &mut found)?,
            Item::Enum(item) => enumeration(item, &mut found)?,
            _ => {}
        }
    }
    let Some(storage) = found.storage.take() else {
        return Err(Error::new(module.ident.span(), "a contract needs one struct marked #[storage]"));
    };
    for item in &mut items {
        if let Item::Impl(item) = item {
            implementation(item, &storage, &mut found)?;
        }
    }
    let Some(constructor) = found.constructor else {
        let text = format!("a contract needs one method of `{}` marked #[constructor]", storage.name);
        return Err(Error::new(module.ident.span(), text));
    };
    let Found { messages, events, errors, .. } = found;
    let contract = Contract { module, items, storage, constructor, messages, events, errors };
    ir::check(&contract)?;
    Ok(contract)
}

/// Takes one of our attributes off an item; tells whether it was there.
fn take(attributes: &mut Vec<Attribute>, name: &str) -> Result<bool> {
    let before = attributes.len();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        attribute.meta.require_path_only()?;
    }
    attributes.retain(|attribute| !attribute.path().is_ident(name));
    Ok(attributes.len() < before)
}

fn structure(item: &mut ItemStruct, found: &mut Found) -> Result<()> {
    if take(&mut item.attrs, "storage")? {
        no_generics(&item.generics)?;
        let Fields::Named(fields) = &item.fields else {
            return Err(Error::new(item.ident.span(), "a storage struct has named fields"));
        };
        if let Some(first) = &found.storage {
            let text = format!("a contract has one storage struct; the first is `{}`", first.name);
            return Err(Error::new(item.ident.span(), text));
        }
        let fields = fields.named.iter().filter_map(|field| Some((field.ident.clone()?, field.ty.clone()))).collect();
        found.storage = Some(Storage { name: item.ident.clone(), fields });
    } else if take(&mut item.attrs, "event")? {
        no_generics(&item.generics)?;
        found.events.push(Event(record(&item.ident, &mut item.fields)?));
    } else if item.attrs.iter().any(|attribute| attribute.path().is_ident("error")) {
        return Err(Error::new(item.ident.span(), "#[error] belongs on an enum, whose variants are the errors"));
    }
    Ok(())
}

fn enumeration(item: &mut ItemEnum, found: &mut Found) -> Result<()> {
    if !take(&mut item.attrs, "error")? {
        return Ok(());
    }
    no_generics(&item.generics)?;
    let variants = item.variants.iter_mut().map(|variant| record(&variant.ident, &mut variant.fields));
    let variants = variants.collect::<Result<_>>()?;
    found.errors.push(ErrorEnum { name: item.ident.clone(), variants });
    Ok(())
}

/// Reads the fields of an event or of an error's variant.
fn record(name: &Ident, fields: &mut Fields) -> Result<Record> {
    let braces = matches!(fields, Fields::Named(_));
    if matches!(fields, Fields::Unnamed(_)) {
        return Err(Error::new(name.span(), "fields need names here: the ABI shows them"));
    }
    let mut parameters = Vec::new();
    for field in fields {
        let indexed = take(&mut field.attrs, "indexed")?;
        if let Some(name) = field.ident.clone() {
            let abi_type = AbiType::of(&field.ty)?;
            parameters.push(Parameter { name, rust_type: field.ty.clone(), abi_type, indexed });
        }
    }
    if parameters.len() > 12 {
        return Err(Error::new(name.span(), "at most 12 fields"));
    }
    Ok(Record { name: name.clone(), fields: parameters, braces })
}

fn implementation(item: &mut ItemImpl, storage: &Storage, found: &mut Found) -> Result<()> {
    let of_storage = matches!(&*item.self_ty, Type::Path(path) if path.path.is_ident(&storage.name));
    for method in &mut item.items {
        let ImplItem::Fn(method) = method else { continue };
        let constructor = take(&mut method.attrs, "constructor")?;
        let message = take(&mut method.attrs, "message")?;
        let payable = take(&mut method.attrs, "payable")?;
        if !(constructor || message || payable) {
            continue;
        }
        if constructor == message {
            let text = "a method is #[constructor] or #[message], and #[payable] stands beside one of them";
            return Err(Error::new(method.sig.ident.span(), text));
        }
        if !of_storage || item.trait_.is_some() {
            let text = format!("#[constructor] and #[message] belong into `impl {} {{ .. }}`", storage.name);
            return Err(Error::new(method.sig.ident.span(), text));
        }
        // The chain's conventions ask for what clippy finds odd: a constructor with `self`, arguments by value.
        method.attrs.push(parse_quote! {
            #[allow(clippy::needless_pass_by_value, clippy::new_ret_no_self, clippy::unnecessary_wraps, clippy::unused_self)]
        });
        if constructor {
            add_constructor(method, payable, found)?;
        } else {
            found.messages.push(function(&method.sig, payable, "a message")?);
        }
    }
    Ok(())
}

fn add_constructor(method: &ImplItemFn, payable: bool, found: &mut Found) -> Result<()> {
    if let Some(first) = &found.constructor {
        let text = format!("a contract has one constructor; the first is `{}`", first.name);
        return Err(Error::new(method.sig.ident.span(), text));
    }
    let constructor = function(&method.sig, payable, "a constructor")?;
    if !constructor.mutable {
        return Err(Error::new(method.sig.inputs.span(), "a constructor needs `&mut self`"));
    }
    if !constructor.output.abi_types.is_empty() {
        return Err(Error::new(method.sig.output.span(), "a constructor returns nothing or Result<(), E>"));
    }
    found.constructor = Some(constructor);
    Ok(())
}

/// Reads a signature; `what` names its kind in messages.
pub(crate) fn function(signature: &Signature, payable: bool, what: &str) -> Result<Function> {
    no_generics(&signature.generics)?;
    if let Some(word) = signature.asyncness.map(|word| word.span).or(signature.unsafety.map(|word| word.span)) {
        return Err(Error::new(word, format!("{what} is a plain function: neither async nor unsafe")));
    }
    let mut inputs = signature.inputs.iter();
    let mutable = match inputs.next() {
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() => receiver.mutability.is_some(),
        _ => {
            let text = format!("{what} needs `&self` (a view) or `&mut self` as its first parameter");
            return Err(Error::new(signature.ident.span(), text));
        }
    };
    let parameters = inputs.map(parameter).collect::<Result<Vec<_>>>()?;
    if parameters.len() > 12 {
        return Err(Error::new(signature.ident.span(), format!("{what} has at most 12 parameters")));
    }
    Ok(Function { name: signature.ident.clone(), parameters, output: output(&signature.output)?, mutable, payable })
}

fn parameter(argument: &FnArg) -> Result<Parameter> {
    let FnArg::Typed(argument) = argument else {
        return Err(Error::new(argument.span(), "`self` comes first"));
    };
    let Pat::Ident(name) = &*argument.pat else {
        return Err(Error::new(argument.pat.span(), "a parameter needs a plain name here: the ABI shows it"));
    };
    let abi_type = AbiType::of(&argument.ty)?;
    Ok(Parameter { name: name.ident.clone(), rust_type: (*argument.ty).clone(), abi_type, indexed: false })
}

fn output(output: &ReturnType) -> Result<Output> {
    let ReturnType::Type(_, rust_type) = output else {
        return Ok(Output { abi_types: Vec::new(), is_tuple: true, fallible: false, span: output.span() });
    };
    let (results, fallible) = match success_type(rust_type) {
        Some(success) => (success, true),
        None => (&**rust_type, false),
    };
    let (abi_types, is_tuple) = match results {
        Type::Tuple(tuple) if tuple.elems.is_empty() => (Vec::new(), true),
        _ => match AbiType::of(results)? {
            AbiType::Tuple(elements) => (elements, true),
            single => (vec![single], false),
        },
    };
    Ok(Output { abi_types, is_tuple, fallible, span: rust_type.span() })
}

/// `T` of a `Result<T, ..>`.
fn success_type(rust_type: &Type) -> Option<&Type> {
    let Type::Path(path) = rust_type else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(success) => Some(success),
        _ => None,
    }
}

pub(crate) fn no_generics(generics: &syn::Generics) -> Result<()> {
    match generics.params.first() {
        Some(first) => Err(Error::new(first.span(), "generics have no form in the ABI")),
        None => Ok(()),
    }
}
