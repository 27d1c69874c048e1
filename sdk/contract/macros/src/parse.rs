//! Reads a contract's module.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Fields, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, Item, ItemEnum, ItemImpl, ItemMod,
    ItemStruct, Pat, PathArguments, Result, ReturnType, Signature, Type, parse_quote,
};

use crate::ir::{self, Contract, ErrorEnum, Event, Function, Output, Parameter, Record, Storage};
use crate::solidity::{self, AbiType};

/// What was found so far.
#[derive(Default)]
struct Found {
    storage: Option<Storage>,
    storage_items: Vec<Storage>,
    constructor: Option<Function>,
    messages: Vec<Function>,
    events: Vec<Event>,
    errors: Vec<ErrorEnum>,
}

/// What is said where there is no storage struct.
const NO_STORAGE: &str = "a contract needs one struct marked #[storage]: its fields are the contract's rows";

/// What the macro adds to the module under a name of its own.
const RESERVED: [&str; 2] = ["ABI", "Messages"];

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
        not_reserved(item)?;
        match item {
            Item::Struct(item) => structure(item, &mut found)?,
            Item::Enum(item) => found.errors.extend(enumeration(item)?),
            Item::Fn(item) => of_no_method(&item.attrs, &item.sig.ident)?,
            _ => {}
        }
    }
    let Some(storage) = found.storage.take() else {
        return Err(Error::new(module.ident.span(), NO_STORAGE));
    };
    for item in &mut items {
        if let Item::Impl(item) = item {
            implementation(item, &storage, &mut found)?;
        }
    }
    let Some(constructor) = found.constructor else {
        let text = format!(
            "a contract needs one method of `{0}` marked #[constructor], such as `pub fn new(&mut self)` in `impl {0}`",
            storage.name
        );
        return Err(Error::new(module.ident.span(), text));
    };
    let Found { storage_items, messages, events, errors, .. } = found;
    let contract = Contract { module, items, storage, storage_items, constructor, messages, events, errors };
    ir::check(&contract)?;
    Ok(contract)
}

/// Whether an attribute is ours, written with or without the crate's name.
fn is_ours(attribute: &Attribute, name: &str) -> bool {
    let path = attribute.path();
    let mut segments = path.segments.iter();
    path.is_ident(name)
        || (segments.next().is_some_and(|first| first.ident == "entente")
            && segments.next().is_some_and(|second| second.ident == name)
            && segments.next().is_none())
}

/// Takes one of our attributes off an item; tells whether it was there.
pub(crate) fn take(attributes: &mut Vec<Attribute>, name: &str) -> Result<bool> {
    let before = attributes.len();
    for attribute in attributes.iter().filter(|attribute| is_ours(attribute, name)) {
        attribute.meta.require_path_only()?;
    }
    attributes.retain(|attribute| !is_ours(attribute, name));
    Ok(attributes.len() < before)
}

/// Refuses an item with a name that the macro itself gives.
fn not_reserved(item: &Item) -> Result<()> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return Ok(()),
    };
    if RESERVED.iter().any(|reserved| name == reserved) {
        let text = format!("`{name}` is a name that #[entente::contract] adds to the module itself: rename yours");
        return Err(Error::new(name.span(), text));
    }
    Ok(())
}

/// Refuses an attribute of ours that needs another kind of item than the one of this name.
fn misplaced(attributes: &[Attribute], names: &[&str], name: &Ident, belongs: &str) -> Result<()> {
    match names.iter().find(|ours| attributes.iter().any(|attribute| is_ours(attribute, ours))) {
        Some(ours) => Err(Error::new(name.span(), format!("#[{ours}] belongs on {belongs}"))),
        None => Ok(()),
    }
}

/// Refuses a constructor or message that is no method.
fn of_no_method(attributes: &[Attribute], name: &Ident) -> Result<()> {
    let belongs = "a method of the storage struct: move this function into its `impl`, with `&self` or `&mut self`";
    misplaced(attributes, &["constructor", "message", "payable"], name, belongs)
}

fn structure(item: &mut ItemStruct, found: &mut Found) -> Result<()> {
    if take(&mut item.attrs, "storage")? {
        let storage = storage(item)?;
        if let Some(first) = &found.storage {
            let text = format!(
                "a contract has one storage struct, and the first is `{}`: move the fields there, or mark this one \
                 #[storage_item]",
                first.name
            );
            return Err(Error::new(item.ident.span(), text));
        }
        found.storage = Some(storage);
    } else if take(&mut item.attrs, "storage_item")? {
        found.storage_items.push(storage(item)?);
        for field in &mut item.fields {
            // With the type's span, so that a type that is no field is what the compiler points at.
            let rust_type = &field.ty;
            field.ty = syn::parse2(quote_spanned!(rust_type.span()=> <#rust_type as ::entente::Field>::Nested))?;
        }
    } else if take(&mut item.attrs, "event")? {
        no_generics(&item.generics, "an event")?;
        found.events.push(Event(record(&item.ident, &mut item.fields)?));
    }
    misplaced(&item.attrs, &["error"], &item.ident, "an enum, whose variants are the errors")
}

fn storage(item: &ItemStruct) -> Result<Storage> {
    no_generics(&item.generics, "a storage struct")?;
    let Fields::Named(fields) = &item.fields else {
        return Err(Error::new(item.ident.span(), "a storage struct has named fields: write `{ name: Value<T> }`"));
    };
    for field in &fields.named {
        if let Some(instead) = solidity::field_instead(&field.ty) {
            let found = &field.ty;
            let found = quote::quote!(#found).to_string().replace(' ', "");
            let text = format!("`{found}` is no field of a storage struct, which has rows of its own: write {instead}");
            return Err(Error::new(field.ty.span(), text));
        }
    }
    let fields = fields.named.iter().filter_map(|field| Some((field.ident.clone()?, field.ty.clone()))).collect();
    Ok(Storage { name: item.ident.clone(), fields })
}

/// Reads an enum that may be one of errors.
pub(crate) fn enumeration(item: &mut ItemEnum) -> Result<Option<ErrorEnum>> {
    if !take(&mut item.attrs, "error")? {
        misplaced(&item.attrs, &["storage", "storage_item", "event"], &item.ident, "a struct")?;
        return Ok(None);
    }
    error_enum(item).map(Some)
}

/// Reads an enum of errors.
pub(crate) fn error_enum(item: &mut ItemEnum) -> Result<ErrorEnum> {
    no_generics(&item.generics, "an error")?;
    let variants = item.variants.iter_mut().map(|variant| record(&variant.ident, &mut variant.fields));
    Ok(ErrorEnum { name: item.ident.clone(), variants: variants.collect::<Result<_>>()? })
}

/// Reads the fields of an event or of an error's variant.
fn record(name: &Ident, fields: &mut Fields) -> Result<Record> {
    let braces = matches!(fields, Fields::Named(_));
    if matches!(fields, Fields::Unnamed(_)) {
        return Err(Error::new(
            name.span(),
            "fields need names here, since the ABI shows them: write `{ name: Type }`",
        ));
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
        return Err(Error::new(name.span(), "an event or error has at most 12 fields: put some into a tuple"));
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
            let text = "a method is either #[constructor] or #[message], and #[payable] stands beside one of them";
            return Err(Error::new(method.sig.ident.span(), text));
        }
        if !of_storage || item.trait_.is_some() {
            let text =
                format!("#[constructor] and #[message] belong into `impl {} {{ .. }}`: move it there", storage.name);
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
        let text =
            format!("a contract has one constructor, and the first is `{}`: make this one a #[message]", first.name);
        return Err(Error::new(method.sig.ident.span(), text));
    }
    let constructor = function(&method.sig, payable, "a constructor")?;
    if !constructor.mutable {
        return Err(Error::new(method.sig.inputs.span(), "a constructor needs `&mut self`: it fills the storage"));
    }
    if !constructor.output.abi_types.is_empty() {
        return Err(Error::new(
            method.sig.output.span(),
            "a constructor returns nothing, or Result<(), E>: a creation gives the address",
        ));
    }
    found.constructor = Some(constructor);
    Ok(())
}

/// Reads the signature of a method of a contract; `what` names its kind in messages.
fn function(signature: &Signature, payable: bool, what: &str) -> Result<Function> {
    method(signature, payable, what, false)
}

/// Reads the signature of a method, whose arguments may be borrowed where they are only written.
pub(crate) fn method(signature: &Signature, payable: bool, what: &str, may_borrow: bool) -> Result<Function> {
    let mutable = match signature.inputs.first() {
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() => receiver.mutability.is_some(),
        _ => {
            let text = format!("{what} needs `&self` (a view) or `&mut self` as its first parameter");
            return Err(Error::new(signature.ident.span(), text));
        }
    };
    let mut function = free_function(signature, 1, what, may_borrow)?;
    (function.mutable, function.payable) = (mutable, payable);
    if payable && !mutable {
        let text = format!("{what} that is #[payable] takes value, which changes the state: it needs `&mut self`");
        return Err(Error::new(signature.ident.span(), text));
    }
    Ok(function)
}

/// Reads a signature without its first `skipped` parameters.
pub(crate) fn free_function(signature: &Signature, skipped: usize, what: &str, may_borrow: bool) -> Result<Function> {
    no_generics(&signature.generics, what)?;
    let unusual = signature.asyncness.map(|word| word.span).or(signature.unsafety.map(|word| word.span));
    if let Some(word) = unusual.or(signature.abi.as_ref().map(Spanned::span)) {
        return Err(Error::new(word, format!("{what} is a plain function: remove `async`, `unsafe` and `extern`")));
    }
    let parameters = signature.inputs.iter().skip(skipped).map(|argument| parameter(argument, may_borrow));
    let parameters = parameters.collect::<Result<Vec<_>>>()?;
    if parameters.len() > 12 {
        let text = format!("{what} has at most 12 parameters: put some into a tuple");
        return Err(Error::new(signature.ident.span(), text));
    }
    let (name, output) = (signature.ident.clone(), output(&signature.output)?);
    Ok(Function { name, parameters, output, mutable: true, payable: false })
}

fn parameter(argument: &FnArg, may_borrow: bool) -> Result<Parameter> {
    let FnArg::Typed(argument) = argument else {
        return Err(Error::new(argument.span(), "`self` comes first"));
    };
    let Pat::Ident(name) = &*argument.pat else {
        return Err(Error::new(argument.pat.span(), "a parameter needs a plain name here, since the ABI shows it"));
    };
    if !may_borrow && solidity::borrows(&argument.ty) {
        let text = "an argument is an owned value, read from the call's input: use String, Bytes or Vec<T>";
        return Err(Error::new(argument.ty.span(), text));
    }
    let abi_type = AbiType::of(&argument.ty)?;
    Ok(Parameter { name: name.ident.clone(), rust_type: (*argument.ty).clone(), abi_type, indexed: false })
}

fn output(output: &ReturnType) -> Result<Output> {
    let ReturnType::Type(_, rust_type) = output else {
        let span = output.span();
        return Ok(Output { abi_types: Vec::new(), is_tuple: true, fallible: false, error: None, span });
    };
    let (results, error, fallible) = match result_types(rust_type) {
        Some((success, error)) => (success, error.cloned(), true),
        None => (&**rust_type, None, false),
    };
    let (abi_types, is_tuple) = match results {
        Type::Tuple(tuple) if tuple.elems.is_empty() => (Vec::new(), true),
        _ => match AbiType::of(results)? {
            AbiType::Tuple(elements) => (elements, true),
            single => (vec![single], false),
        },
    };
    Ok(Output { abi_types, is_tuple, fallible, error, span: rust_type.span() })
}

/// `T` of a `Result<T, ..>`, and `E` where it is there.
fn result_types(rust_type: &Type) -> Option<(&Type, Option<&Type>)> {
    let Type::Path(path) = rust_type else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(argument) => Some(argument),
        _ => None,
    });
    Some((types.next()??, types.next().flatten()))
}

pub(crate) fn no_generics(generics: &syn::Generics, what: &str) -> Result<()> {
    match generics.params.first() {
        Some(syn::GenericParam::Lifetime(first)) => {
            let text = format!("{what} has no lifetimes: what it holds is owned, or 'static");
            Err(Error::new(first.span(), text))
        }
        Some(first) => {
            let text = format!("{what} is not generic, since the ABI has no form for that: name the type");
            Err(Error::new(first.span(), text))
        }
        None => Ok(()),
    }
}
