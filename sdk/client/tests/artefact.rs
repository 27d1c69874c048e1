//! Contracts as they are deployed: what compilers write, libraries that are linked, and what is no contract.

use entente_client::abi::{Artefact, ArtefactError, DEPLOYMENT_MAGIC};
use entente_types::Address;
use proptest::prelude::*;
use serde_json::{Value, json};

const ABI: &str = r#"[{"type": "constructor", "inputs": [{"name": "limit", "type": "uint8"}]},
    {"type": "function", "name": "limit", "inputs": [], "outputs": [{"name": "", "type": "uint8"}]}]"#;

fn abi() -> Value {
    serde_json::from_str(ABI).unwrap()
}

fn artefact(json: &Value) -> Result<Artefact, ArtefactError> {
    Artefact::from_json(&json.to_string())
}

fn deployment(artefact: &Artefact) -> Result<String, String> {
    artefact.deployment(&["7".to_owned()]).map(hex::encode).map_err(|error| error.to_string())
}

#[test]
fn what_each_compiler_writes_comes_to_the_same_deployment() {
    let expected = format!("6001{:064x}", 7);
    let written = [
        json!({ "abi": abi(), "bytecode": "0x6001" }),
        json!({ "abi": abi(), "bytecode": "6001", "linkReferences": {} }),
        json!({ "abi": abi(), "bytecode": { "object": "0x6001", "sourceMap": "" }, "metadata": {} }),
        json!({ "abi": abi(), "evm": { "bytecode": { "object": "6001" } } }),
    ];
    for json in written {
        let artefact = artefact(&json).unwrap();
        assert_eq!(deployment(&artefact).unwrap(), expected, "{json}");
        assert_eq!(serde_json::from_str::<Value>(artefact.abi_json()).unwrap(), abi());
        assert_eq!(artefact.abi().signatures(), ["limit()"]);
    }
    assert_eq!(deployment(&Artefact::from_digits(" 0x6001\n", ABI).unwrap()).unwrap(), expected);
    let few = artefact(&json!({ "abi": abi(), "bytecode": "6001" })).unwrap().deployment(&[]).unwrap_err();
    assert_eq!(few.to_string(), "found 0 arguments; expected those of constructor(uint8)");
}

#[test]
fn a_module_is_a_contract_as_well() {
    let name = b"entente:abi";
    let payload = [&[name.len() as u8], name.as_slice(), b"[]"].concat();
    let module = [b"\0asm\x01\0\0\0\0".as_slice(), &[payload.len() as u8], &payload].concat();
    let mut artefact = Artefact::from_module(module.clone()).unwrap();
    let input = artefact.deployment(&[]).unwrap();
    assert_eq!((&input[..3], &input[7..]), (DEPLOYMENT_MAGIC.as_slice(), module.as_slice()));
    let unknown = artefact.link("L", &Address::ZERO).unwrap_err();
    assert_eq!(unknown.to_string(), "its code has no place for a library \"L\"; it has: none");
    assert!(matches!(Artefact::from_module(b"other".to_vec()), Err(ArtefactError::Abi(_))));
}

#[test]
fn a_librarys_address_goes_where_the_compiler_says() {
    let place = "__$0123456789abcdef0123456789abcdef01$__";
    let links = json!({ "a.sol": { "L": [{ "start": 1, "length": 20 }, { "start": 22, "length": 20 }] },
                        "b.sol": { "L": [{ "start": 43, "length": 20 }] } });
    let code = format!("0x60{place}60{place}60{place}");
    let json = json!({ "abi": [], "bytecode": code, "linkReferences": links });
    let mut artefact = artefact(&json).unwrap();
    let unlinked = artefact.deployment(&[]).unwrap_err().to_string();
    assert!(unlinked.ends_with("name their addresses with --library L=ADDRESS"), "{unlinked}");
    let unknown = artefact.link("M", &Address::ZERO).unwrap_err().to_string();
    assert_eq!(unknown, "its code has no place for a library \"M\"; it has: L");
    artefact.link("a.sol:L", &Address([0xaa; 20])).unwrap();
    assert!(artefact.deployment(&[]).is_err(), "the other library of the name is missing");
    artefact.link("L", &Address([0xbb; 20])).unwrap();
    let (a, b) = ("aa".repeat(20), "bb".repeat(20));
    assert_eq!(hex::encode(artefact.deployment(&[]).unwrap()), format!("60{a}60{a}60{b}"));
    // Of code alone nobody knows where its libraries go.
    let digits = Artefact::from_digits(&code, "[]").unwrap().deployment(&[]).unwrap_err().to_string();
    assert!(digits.contains("deploying NAME.json"), "{digits}");
}

#[test]
fn what_is_no_contract_is_refused_with_the_reason() {
    let far = json!({ "a.sol": { "L": [{ "start": 1_u64 << 63, "length": 20 }] } });
    let cases = [
        (json!({ "abi": [], "bytecode": "0x" }), "there is no code in it: an interface"),
        (json!({ "abi": [] }), "there is no code in it"),
        (abi(), "there is no code in it"),
        (json!({ "abi": [], "bytecode": "600g" }), "its code is not hexadecimal: found \"g\""),
        (json!({ "abi": [], "bytecode": "600" }), "its code is not hexadecimal"),
        (json!({ "abi": [], "bytecode": "60\n0" }), "its code is not hexadecimal"),
        (json!({ "abi": [], "bytecode": "60ä" }), "its code is not hexadecimal"),
        (json!({ "bytecode": "6001" }), "it has no key `abi`"),
        (json!({ "abi": 1, "bytecode": "6001" }), "the ABI cannot be read"),
        (json!({ "abi": [], "bytecode": 1 }), "this is no artefact of a compiler"),
        (json!("text"), "this is no artefact of a compiler"),
        (json!({ "abi": [], "bytecode": "6001", "linkReferences": far }), "has a place behind the end of the code"),
    ];
    for (json, reason) in cases {
        let error = artefact(&json).unwrap_err().to_string();
        assert!(error.contains(reason), "{json}: {error}");
    }
}

/// The ABI of a library has methods that nobody outside can call, whose types are no types of the ABI.
#[test]
fn a_librarys_own_types_do_not_spoil_its_abi() {
    let library = json!({ "bytecode": "6001", "abi": [
        { "type": "function", "name": "add", "inputs": [{ "name": "set", "type": "Sets.Set storage" }], "outputs": [] },
        { "type": "function", "name": "size", "inputs": [], "outputs": [{ "name": "", "type": "uint256" }] },
    ]});
    assert_eq!(artefact(&library).unwrap().abi().signatures(), ["size()"]);
}

proptest! {
    /// Whatever stands in an artefact, a library's address takes the place that it says, or there is an error.
    #[test]
    fn no_artefact_makes_linking_panic(digits in "[0-9a-f_$é]{0,90}", start in 0..60_usize, far in any::<bool>()) {
        let start = if far { usize::MAX - start } else { start };
        let links = json!({ "a.sol": { "L": [{ "start": start, "length": 20 }] } });
        if let Ok(mut artefact) = artefact(&json!({ "abi": [], "bytecode": digits, "linkReferences": links })) {
            artefact.link("L", &Address([0xab; 20])).unwrap();
            if let Ok(code) = artefact.deployment(&[]) {
                prop_assert_eq!(code.len() * 2, digits.len());
                prop_assert_eq!(&code[start..start + 20], &[0xab; 20]);
            }
        }
    }
}
