//! Solidity's standard JSON: what is asked of a compiler, and what its answer says of each contract.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{compiler::Compiler, project::Source, remapping::Remapping};

/// What is always asked for, of every contract.
const OUTPUTS: [&str; 8] = [
    "abi",
    "devdoc",
    "userdoc",
    "metadata",
    "storageLayout",
    "evm.bytecode",
    "evm.deployedBytecode",
    "evm.methodIdentifiers",
];

/// A compiler's input: the sources, and the author's settings over the usual ones.
pub(super) fn input(
    compiler: Compiler,
    sources: &BTreeMap<String, Source>,
    author: &Map<String, Value>,
    remappings: &[Remapping],
) -> Value {
    let mut settings = Map::new();
    settings.insert("optimizer".into(), json!({ "enabled": true, "runs": 200 }));
    if let Some(version) = compiler.evm_version() {
        settings.insert("evmVersion".into(), version.into());
    }
    if !remappings.is_empty() {
        settings.insert("remappings".into(), remappings.iter().map(Remapping::text).collect());
    }
    settings.extend(author.clone());
    select_outputs(&mut settings);
    let sources: Map<String, Value> =
        sources.iter().map(|(name, source)| (name.clone(), json!({ "content": source.text }))).collect();
    json!({ "language": "Solidity", "sources": sources, "settings": settings })
}

/// Adds what is always asked for to what the author asks for.
fn select_outputs(settings: &mut Map<String, Value>) {
    let selection = settings.entry("outputSelection").or_insert_with(|| json!({}));
    if !selection.is_object() {
        *selection = json!({});
    }
    let all = selection.as_object_mut().map(|files| files.entry("*").or_insert_with(|| json!({})));
    let contracts = all.and_then(Value::as_object_mut).map(|names| names.entry("*").or_insert_with(|| json!([])));
    if let Some(outputs) = contracts.and_then(Value::as_array_mut) {
        for output in OUTPUTS {
            if !outputs.iter().any(|known| known == output) {
                outputs.push(output.into());
            }
        }
    }
}

/// What a compiler says beside its output, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Messages {
    /// Why there is no output.
    pub(super) errors: Vec<String>,
    /// What is doubtful.
    pub(super) warnings: Vec<String>,
}

/// Reads a compiler's messages. Warnings about other people's packages are not shown.
pub(super) fn messages(output: &Value, is_own: impl Fn(&str) -> bool) -> Messages {
    let mut messages = Messages::default();
    for message in output.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| message.get(key).and_then(Value::as_str);
        let words = text("formattedMessage").or_else(|| text("message")).unwrap_or_default().trim_end().to_owned();
        let file = message.pointer("/sourceLocation/file").and_then(Value::as_str);
        if text("severity") == Some("error") {
            messages.errors.push(words);
        } else if file.is_none_or(&is_own) {
            messages.warnings.push(words);
        }
    }
    messages
}

/// What a compiler made of one contract.
#[derive(Debug, Clone)]
pub(super) struct Contract {
    /// The source that it stands in.
    pub(super) source: String,
    /// Its name.
    pub(super) name: String,
    /// Its part of the output.
    output: Value,
}

impl Contract {
    /// All contracts of an output.
    pub(super) fn all(output: &Value) -> Vec<Self> {
        let sources = output.get("contracts").and_then(Value::as_object).into_iter().flatten();
        let contracts = sources.flat_map(|(source, contracts)| {
            contracts.as_object().into_iter().flatten().map(move |(name, output)| Self {
                source: source.clone(),
                name: name.clone(),
                output: output.clone(),
            })
        });
        contracts.collect()
    }

    /// The digits of the code that creates it; none for an interface or an abstract contract.
    pub(super) fn code(&self) -> &str {
        self.output.pointer("/evm/bytecode/object").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether somebody may want to deploy it by itself: a library whose code goes into its callers has nothing to call.
    pub(super) fn is_deployable(&self) -> bool {
        let is_entry = |kind: &str| matches!(kind, "function" | "constructor" | "fallback" | "receive");
        let abi = self.abi();
        let mut kinds = abi.as_array().into_iter().flatten().filter_map(|item| item.get("type")?.as_str());
        !self.code().is_empty() && kinds.any(is_entry)
    }

    /// Its ABI.
    pub(super) fn abi(&self) -> Value {
        self.output.get("abi").cloned().unwrap_or_else(|| json!([]))
    }

    /// One file that has all: code, ABI and what else belongs to them, by the names that other tools give them.
    pub(super) fn artefact(&self, compiler: &str) -> Value {
        let part = |pointer: &str| self.output.pointer(pointer).cloned().unwrap_or(Value::Null);
        let digits = |pointer: &str| format!("0x{}", part(pointer).as_str().unwrap_or_default());
        json!({
            "contractName": self.name,
            "sourceName": self.source,
            "compiler": compiler,
            "abi": self.abi(),
            "bytecode": digits("/evm/bytecode/object"),
            "deployedBytecode": digits("/evm/deployedBytecode/object"),
            "linkReferences": links(part("/evm/bytecode/linkReferences")),
            "deployedLinkReferences": links(part("/evm/deployedBytecode/linkReferences")),
            "methodIdentifiers": part("/evm/methodIdentifiers"),
            "storageLayout": part("/storageLayout"),
            "devdoc": part("/devdoc"),
            "userdoc": part("/userdoc"),
            "metadata": part("/metadata"),
        })
    }
}

/// Old compilers leave out what is empty.
fn links(links: Value) -> Value {
    if links.is_object() { links } else { json!({}) }
}

#[cfg(test)]
mod tests {
    use super::{super::pragma::Version, *};

    fn settings(minor: u32, patch: u32, author: &Value) -> Value {
        let compiler = Compiler::of(Version::new(0, minor, patch)).expect("a compiler");
        let remappings: Vec<Remapping> = Remapping::parse("a/=b/").into_iter().collect();
        let author = author.as_object().expect("settings");
        input(compiler, &BTreeMap::new(), author, &remappings)["settings"].clone()
    }

    #[test]
    fn what_the_author_says_goes_over_what_is_usual() {
        let usual = settings(8, 37, &json!({}));
        assert_eq!((&usual["evmVersion"], &usual["optimizer"]["runs"]), (&json!("osaka"), &json!(200)));
        assert_eq!(usual["remappings"], json!([":a/=b/"]));
        assert_eq!(settings(4, 26, &json!({}))["evmVersion"], Value::Null);
        let author = json!({
            "evmVersion": "paris", "viaIR": true, "optimizer": { "enabled": false },
            "outputSelection": { "*": { "": ["ast"], "*": ["abi", "irOptimized"] }, "A.sol": { "A": ["asm"] } },
        });
        let other = settings(8, 37, &author);
        assert_eq!((&other["evmVersion"], &other["viaIR"]), (&json!("paris"), &json!(true)));
        assert_eq!(other["optimizer"], json!({ "enabled": false }));
        let outputs = other["outputSelection"]["*"]["*"].as_array().expect("a list");
        assert_eq!(outputs.len(), OUTPUTS.len() + 1);
        assert_eq!(other["outputSelection"]["A.sol"]["A"], json!(["asm"]));
    }

    #[test]
    fn messages_are_the_compilers_own() {
        let output = json!({ "errors": [
            { "severity": "error", "formattedMessage": "A.sol:1: bad\n", "sourceLocation": { "file": "A.sol" } },
            { "severity": "warning", "message": "odd", "sourceLocation": { "file": "A.sol" } },
            { "severity": "warning", "formattedMessage": "odd too", "sourceLocation": { "file": "@acme/B.sol" } },
            { "severity": "info", "formattedMessage": "by the way" },
        ]});
        let found = messages(&output, |file| file == "A.sol");
        assert_eq!(found.errors, ["A.sol:1: bad"]);
        assert_eq!(found.warnings, ["odd", "by the way"]);
        assert_eq!(messages(&json!({}), |_| true), Messages::default());
    }

    #[test]
    fn an_artefact_has_what_other_tools_look_for() {
        let links = json!({ "L.sol": { "L": [{ "start": 1, "length": 20 }] } });
        let output = json!({ "contracts": { "A.sol": {
            "A": {
                "abi": [{ "type": "fallback" }],
                "evm": { "bytecode": { "object": "6000", "linkReferences": links } },
            },
            "B": { "abi": [{ "type": "error" }], "evm": { "bytecode": { "object": "6000" } } },
            "I": { "abi": [{ "type": "function" }] },
        }}});
        let contracts = Contract::all(&output);
        let [contract, library, interface] = contracts.as_slice() else { panic!("{contracts:?}") };
        assert_eq!((contract.name.as_str(), contract.code(), interface.code()), ("A", "6000", ""));
        assert!(contract.is_deployable() && !library.is_deployable() && !interface.is_deployable());
        let artefact = contract.artefact("0.8.37+commit.f401782d");
        assert_eq!((&artefact["bytecode"], &artefact["linkReferences"]), (&json!("0x6000"), &links));
        assert_eq!(artefact["deployedLinkReferences"], json!({}));
        assert_eq!((&artefact["contractName"], &artefact["sourceName"]), (&json!("A"), &json!("A.sol")));
    }
}
