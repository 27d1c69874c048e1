//! Writes the ABI as JSON: Ethereum's array of items, with keys of ours in the constructor's item.

use crate::ir::{Contract, Event, Function, Parameter, Record};
use crate::solidity::{AbiType, camel_case, plain};

/// The limit of the custom section.
pub(crate) const LENGTH_MAX: usize = 65_536;

/// The whole ABI.
pub(crate) fn write(contract: &Contract) -> String {
    let mut items = vec![constructor(contract)];
    items.extend(contract.messages.iter().map(message));
    items.extend(contract.events.iter().map(event));
    items.extend(contract.errors.iter().flat_map(|errors| &errors.variants).map(error));
    format!("[{}]", items.join(","))
}

fn constructor(contract: &Contract) -> String {
    format!(
        r#"{{"type":"constructor","inputs":{},"stateMutability":{},"entente":{{"sdk":{},"contract":{}}}}}"#,
        parameters(&contract.constructor.parameters, false),
        string(mutability(&contract.constructor)),
        string(env!("CARGO_PKG_VERSION")),
        string(&plain(&contract.storage.name)),
    )
}

fn message(message: &Function) -> String {
    let outputs: Vec<_> = message.output.abi_types.iter().map(|output| value("", output, None)).collect();
    format!(
        r#"{{"type":"function","name":{},"inputs":{},"outputs":[{}],"stateMutability":{}}}"#,
        string(&message.abi_name()),
        parameters(&message.parameters, false),
        outputs.join(","),
        string(mutability(message)),
    )
}

fn event(Event(event): &Event) -> String {
    format!(
        r#"{{"type":"event","name":{},"inputs":{},"anonymous":false}}"#,
        string(&plain(&event.name)),
        parameters(&event.fields, true),
    )
}

fn error(error: &Record) -> String {
    format!(
        r#"{{"type":"error","name":{},"inputs":{}}}"#,
        string(&plain(&error.name)),
        parameters(&error.fields, false),
    )
}

fn mutability(function: &Function) -> &'static str {
    match (function.payable, function.mutable) {
        (true, _) => "payable",
        (false, true) => "nonpayable",
        (false, false) => "view",
    }
}

fn parameters(parameters: &[Parameter], of_event: bool) -> String {
    let values = parameters.iter().map(|parameter| {
        value(&camel_case(&parameter.name), &parameter.abi_type, of_event.then_some(parameter.indexed))
    });
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

fn value(name: &str, abi_type: &AbiType, indexed: Option<bool>) -> String {
    let (type_name, components) = spell(abi_type);
    let components = components.map_or(String::new(), |components| {
        let components: Vec<_> = components.iter().map(|component| value("", component, None)).collect();
        format!(r#","components":[{}]"#, components.join(","))
    });
    let indexed = indexed.map_or(String::new(), |indexed| format!(r#","indexed":{indexed}"#));
    format!(r#"{{"name":{},"type":{}{components}{indexed}}}"#, string(name), string(&type_name))
}

/// JSON spells a tuple `tuple`, with its components beside it.
fn spell(abi_type: &AbiType) -> (String, Option<&[AbiType]>) {
    match abi_type {
        AbiType::Named(name) => (name.clone(), None),
        AbiType::List(element) => {
            let (name, components) = spell(element);
            (name + "[]", components)
        }
        AbiType::Tuple(elements) => ("tuple".into(), Some(elements)),
    }
}

/// A JSON string.
fn string(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => json += "\\\"",
            '\\' => json += "\\\\",
            letter if letter < ' ' => json.extend(format!("\\u{:04x}", u32::from(letter)).chars()),
            letter => json.push(letter),
        }
    }
    json + "\""
}
