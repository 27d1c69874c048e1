//! Contract ABIs: arguments from text, answers to JSON, logs and reasons to words, hostile ABIs.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{I256, U256};
use entente_client::abi::{ABI_SECTION, Abi, AbiError, abi_json, deployment, revert_reason};
use entente_types::{Address, Hash, Log};
use proptest::prelude::*;
use serde_json::json;

/// A token's ABI with keys of ours in its items.
const TOKEN: &str = r#"[
    {"type": "constructor", "inputs": [{"name": "name", "type": "string"}, {"name": "supply", "type": "uint256"}],
     "stateMutability": "nonpayable", "entente": {"doc": "makes the token"}},
    {"type": "function", "name": "transfer", "stateMutability": "nonpayable", "doc": ["moves tokens"], "selectorHash": 1,
     "inputs": [{"name": "to", "type": "address", "entente": 1}, {"name": "value", "type": "uint256"}],
     "outputs": [{"name": "", "type": "bool"}]},
    {"type": "function", "name": "mint", "stateMutability": "nonpayable", "outputs": [],
     "inputs": [{"name": "value", "type": "uint256"}]},
    {"type": "function", "name": "mint", "stateMutability": "nonpayable", "outputs": [],
     "inputs": [{"name": "to", "type": "address"}, {"name": "value", "type": "uint256"}]},
    {"type": "function", "name": "mint", "stateMutability": "nonpayable", "outputs": [],
     "inputs": [{"name": "to", "type": "string"}, {"name": "value", "type": "uint256"}]},
    {"type": "function", "name": "many", "stateMutability": "view",
     "inputs": [{"name": "list", "type": "uint8[2][]"}, {"name": "flag", "type": "bool"},
                {"name": "pair", "type": "tuple", "components": [{"name": "a", "type": "int8"}, {"name": "b", "type": "string"}]}],
     "outputs": [{"name": "", "type": "uint256"}, {"name": "", "type": "address"}, {"name": "", "type": "bytes"},
                 {"name": "", "type": "bytes4"}, {"name": "", "type": "string[]"}, {"name": "", "type": "int16"}]},
    {"type": "event", "name": "Transfer", "anonymous": false,
     "inputs": [{"name": "from", "type": "address", "indexed": true}, {"name": "to", "type": "address", "indexed": true},
                {"name": "value", "type": "uint256", "indexed": false}]},
    {"type": "error", "name": "TooLittle", "inputs": [{"name": "have", "type": "uint256"}, {"name": "why", "type": "string"}]}
]"#;

fn token() -> Abi {
    Abi::from_json(TOKEN).unwrap()
}

fn encode(method: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    token().encode_call(method, &arguments).map_err(|error| error.to_string())
}

fn refused(method: &str, arguments: &[&str]) -> String {
    encode(method, arguments).unwrap_err()
}

const BOB: &str = "0x00000000000000000000000000000000000000b0";

#[test]
fn a_transfer_is_encoded_as_solidity_encodes_it() {
    let golden = "a9059cbb\
                  00000000000000000000000000000000000000000000000000000000000000b0\
                  0000000000000000000000000000000000000000000000000000000000000102";
    assert_eq!(hex::encode(encode("transfer", &[BOB, "258"]).unwrap()), golden);
    assert_eq!(hex::encode(encode("transfer(address,uint256)", &[BOB, "0x102"]).unwrap()), golden);
    assert_eq!(hex::encode(encode(" transfer( address, uint256 ) ", &[BOB, " 258 "]).unwrap()), golden);
}

#[test]
fn wrong_arguments_are_named() {
    assert_eq!(
        refused("transfer", &[BOB, "abc"]),
        "argument 2 (value: uint256): found \"abc\"; expected a number such as 25, 1_000, 1.5e18 or 0x19"
    );
    assert_eq!(
        refused("transfer", &["bob", "1"]),
        "argument 1 (to: address): found \"bob\"; expected an address: 0x and 40 hexadecimal digits"
    );
    let large = format!("0x1{}", "0".repeat(64));
    assert!(refused("transfer", &[BOB, &large]).ends_with("expected a number from 0 to 2^256 - 1 (uint256)"));
    for (arguments, expected) in [
        (["[[1,256]]", "true", "(1,x)"], " at [0][1]: found \"256\"; expected a number from 0 to 255 (uint8)"),
        (["[[1]]", "true", "(1,x)"], " at [0]: found \"[1]\"; expected exactly 2 elements, such as [a,b]; it has 1"),
        (["[[1,2]", "true", "(1,x)"], "found \"[[1,2]\"; expected a list in brackets, such as [a,b]"),
        (["[]", "yes", "(1,x)"], "argument 2 (flag: bool): found \"yes\"; expected true or false"),
        (["[]", "true", "(1)"], "found \"(1)\"; expected exactly 2 elements, such as (a,b)"),
        (
            ["[]", "true", "(128,x)"],
            "argument 3 (pair: (int8,string)) at [0]: found \"128\"; expected a number from -128 to 127 (int8)",
        ),
    ] {
        let message = refused("many", &arguments);
        assert!(message.contains(expected), "{message}");
    }
    assert!(encode("many", &["[]", "true", "(-128,x)"]).is_ok());
    let long = refused("transfer", &[BOB, &"z".repeat(500)]);
    assert!(long.len() < 200, "{long}");
}

#[test]
fn methods_that_are_not_there_or_not_clear_are_told() {
    assert_eq!(
        refused("transferr", &[]),
        "the contract has no method \"transferr\"; did you mean transfer(address,uint256)? it has: many(uint8[2][],bool,(int8,string)), mint(uint256), \
         mint(address,uint256), mint(string,uint256), transfer(address,uint256)"
    );
    assert_eq!(refused("transfer", &[BOB]), "found 1 argument; expected those of transfer(address,uint256)");
    assert!(encode("mint", &["1"]).is_ok());
    let ambiguous = refused("mint", &[BOB, "1"]);
    assert_eq!(
        ambiguous,
        "\"mint\" may mean any of: mint(address,uint256), mint(string,uint256); name one of them in full"
    );
    assert!(encode("mint(string,uint256)", &[BOB, "1"]).is_ok());
    let many: Vec<_> = (0..100)
        .map(|index| json!({"type": "function", "name": format!("m{index}"), "inputs": [], "outputs": [], "stateMutability": "view"}))
        .collect();
    let abi = Abi::from_json(&serde_json::to_string(&many).unwrap()).unwrap();
    assert!(abi.encode_call("x", &[]).unwrap_err().to_string().ends_with("and 80 more"));
}

#[test]
fn items_may_lack_what_has_a_usual_value() {
    let abi = Abi::from_json(
        r#"[{"name": "f", "stateMutability": "view"},
            {"type": "fallback", "stateMutability": "payable"}, {"type": "error", "name": "No"},
            {"type": "event", "name": "E", "inputs": [{"name": "x", "type": "uint256"}]},
            {"type": "constructor", "inputs": [], "stateMutability": "nonpayable"}]"#,
    )
    .unwrap();
    assert_eq!(abi.signatures(), ["f()"]);
    assert_eq!(
        Abi::from_json(&json!({"abi": [{"name": "f"}], "bytecode": "0x"}).to_string()).unwrap().signatures(),
        ["f()"]
    );
    assert_eq!(abi.method("f", 0).unwrap().decode(&[]).unwrap(), Vec::<serde_json::Value>::new());
}

#[test]
fn constructors_are_encoded_and_contained() {
    let arguments = token().encode_constructor(&["Euro".to_owned(), "5".to_owned()]).unwrap();
    assert_eq!(arguments.len(), 128);
    let error = token().encode_constructor(&[]).unwrap_err().to_string();
    assert_eq!(error, "found 0 arguments; expected those of constructor(string,uint256)");
    let none = Abi::from_json("[]").unwrap();
    assert_eq!(none.encode_constructor(&[]).unwrap(), [0_u8; 0]);
    assert!(none.encode_constructor(&["1".to_owned()]).is_err());
    let input = deployment(b"\0asm", &[9, 9]);
    assert_eq!(input, [0xef, 0x57, 0x41, 4, 0, 0, 0, 0, b'a', b's', b'm', 9, 9]);
}

#[test]
fn answers_become_json() {
    let abi = token();
    let many = abi.method("many", 3).unwrap();
    assert!(many.is_read_only() && !abi.method("transfer", 2).unwrap().is_read_only());
    let output = DynSolValue::Tuple(vec![
        DynSolValue::Uint(U256::MAX, 256),
        DynSolValue::Address([0xab; 20].into()),
        DynSolValue::Bytes(vec![1, 2]),
        DynSolValue::FixedBytes(alloy_primitives::B256::right_padding_from(&[1, 2, 3, 4]), 4),
        DynSolValue::Array(vec![DynSolValue::String("a\"b".to_owned())]),
        DynSolValue::Int(I256::MINUS_ONE, 16),
    ])
    .abi_encode_params();
    assert_eq!(
        json!(many.decode(&output).unwrap()),
        json!([U256::MAX.to_string(), format!("0x{}", "ab".repeat(20)), "0x0102", "0x01020304", ["a\"b"], "-1"])
    );
    let error = many.decode(&[1, 2, 3]).unwrap_err().to_string();
    assert!(
        error.starts_with("3 bytes of output do not decode as many(") && error.ends_with("is this the contract's ABI?")
    );
}

#[test]
fn logs_become_words() {
    let word = |byte: u8| Hash(std::array::from_fn(|index| if index == 31 { byte } else { 0 }));
    // keccak256("Transfer(address,address,uint256)")
    let event: Hash = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef".parse().unwrap();
    let log = |topics: Vec<Hash>| Log { address: Address([1; 20]), topics, data: word(7).0.to_vec() };
    let decoded = token().decode_log(&log(vec![event, word(5), word(6)])).unwrap();
    assert_eq!(decoded.event, "Transfer(address,address,uint256)");
    assert_eq!(
        decoded.to_string(),
        format!("Transfer(from: 0x{}05, to: 0x{}06, value: 7)", "00".repeat(19), "00".repeat(19))
    );
    for topics in [vec![], vec![word(1)], vec![event], vec![event, word(5), word(6), word(7)]] {
        assert_eq!(token().decode_log(&log(topics)), None);
    }
}

#[test]
fn reasons_become_words() {
    let encoded = |selector: [u8; 4], value: DynSolValue| [&selector[..], &value.abi_encode_params()].concat();
    let text = |text: &str| DynSolValue::Tuple(vec![DynSolValue::String(text.to_owned())]);
    let error = [0x08, 0xc3, 0x79, 0xa0];
    assert_eq!(revert_reason(&encoded(error, text("too little"))).unwrap(), "too little");
    assert_eq!(revert_reason(&encoded(error, text("a\u{1b}[2J\nb"))).unwrap(), "a\\u{1b}[2J\\nb");
    assert_eq!(revert_reason(&encoded(error, text(&"x".repeat(5000)))).unwrap().len(), 259);
    let panic = encoded([0x4e, 0x48, 0x7b, 0x71], DynSolValue::Uint(U256::from(0x11), 256));
    assert_eq!(revert_reason(&panic).unwrap(), "panic 0x11: an arithmetic operation overflowed");
    let selector = alloy_json_abi::Error::parse("TooLittle(uint256,string)").unwrap().selector().0;
    let values = DynSolValue::Tuple(vec![DynSolValue::Uint(U256::from(3), 256), DynSolValue::String("why".to_owned())]);
    let output = encoded(selector, values);
    assert_eq!(token().decode_revert(&output).unwrap(), "TooLittle(have: 3, why: why)");
    assert_eq!(token().decode_revert(&[1, 2, 3]), None);
    assert_eq!(token().decode_revert(&[9, 9, 9, 9, 9]), None);
}

/// A module with custom sections of this name.
fn module(name: &str, contents: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for content in contents {
        let payload = [&[name.len() as u8], name.as_bytes(), content].concat();
        bytes.push(0);
        let mut length = payload.len();
        while length >= 0x80 {
            bytes.push((length as u8 & 0x7f) | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(payload);
    }
    bytes
}

#[test]
fn a_modules_abi_is_found_or_its_absence_told() {
    assert_eq!(Abi::from_module(&module(ABI_SECTION, &[TOKEN.as_bytes()])).unwrap(), token());
    assert_eq!(abi_json(&module("other", &[b"x"])), Err(AbiError::Missing));
    assert_eq!(abi_json(&module(ABI_SECTION, &[b"[]", b"[]"])), Err(AbiError::Repeated));
    assert_eq!(
        abi_json(&module(ABI_SECTION, &[&vec![b' '; 65_537]])),
        Err(AbiError::Size { found: 65_537, max: 65_536 })
    );
    assert!(matches!(abi_json(&module(ABI_SECTION, &[&[0xff]])), Err(AbiError::Json(_))));
    assert_eq!(abi_json(b"no module at all"), Err(AbiError::NoModule));
    assert!(matches!(abi_json(&module(ABI_SECTION, &[TOKEN.as_bytes()])[..40]), Err(AbiError::Module(_))));
}

#[test]
fn types_that_would_exhaust_memory_are_refused() {
    let with = |ty: &str| {
        let item = json!([{"type": "function", "name": "f", "stateMutability": "view", "inputs": [],
            "outputs": [{"name": "", "type": ty, "components": []}]}]);
        Abi::from_json(&item.to_string())
    };
    for ty in [
        "uint256[4000000000]",
        "uint8[4096][4096]",
        "tuple[]",
        "uint8[0][]",
        "uint8[][][][][][][][][]",
        "uint7",
        "nothing",
    ] {
        let refused = with(ty).unwrap_err();
        assert!(matches!(refused, AbiError::Type { .. } | AbiError::Json(_)), "{ty}: {refused}");
    }
    assert!(with("uint8[64][64]").is_ok());
    let named = |name: &str| Abi::from_json(&json!([{"type": "error", "name": name, "inputs": []}]).to_string());
    assert!(matches!(named("\u{1b}[2J"), Err(AbiError::Name(_) | AbiError::Json(_))));
    assert!(named("_Fine$1").is_ok());
}

/// A type and the text of a value of it.
fn typed() -> impl Strategy<Value = (DynSolType, String, serde_json::Value)> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(|number| (DynSolType::Uint(64), number.to_string(), json!(number.to_string()))),
        any::<[u8; 32]>().prop_map(|bytes| {
            let number = U256::from_be_bytes(bytes);
            (DynSolType::Uint(256), format!("{number:#x}"), json!(number.to_string()))
        }),
        any::<i32>().prop_map(|number| (DynSolType::Int(32), number.to_string(), json!(number.to_string()))),
        any::<bool>().prop_map(|flag| (DynSolType::Bool, flag.to_string(), json!(flag))),
        any::<[u8; 20]>().prop_map(|bytes| {
            let text = Address(bytes).to_string();
            (DynSolType::Address, text.clone(), json!(text))
        }),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| {
            let text = format!("0x{}", hex::encode(bytes));
            (DynSolType::Bytes, text.clone(), json!(text))
        }),
        any::<String>().prop_map(|text| (DynSolType::String, json!(text).to_string(), json!(text))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), 1_usize..4).prop_map(|((ty, text, value), count)| {
                let texts = vec![text; count].join(", ");
                (DynSolType::FixedArray(Box::new(ty), count), format!("[{texts}]"), json!(vec![value; count]))
            }),
            (inner.clone(), 0_usize..4).prop_map(|((ty, text, value), count)| {
                (
                    DynSolType::Array(Box::new(ty)),
                    format!("[{}]", vec![text; count].join(",")),
                    json!(vec![value; count]),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_read_from_text_comes_back_as_json((ty, text, value) in typed()) {
        let name = ty.sol_type_name().into_owned();
        let item = json!([{"type": "function", "name": "f", "stateMutability": "view",
            "inputs": [{"name": "x", "type": name}], "outputs": [{"name": "x", "type": name}]}]);
        let abi = Abi::from_json(&item.to_string()).unwrap();
        // At the top a text stands as it is.
        let text = if ty == DynSolType::String { value.as_str().unwrap().to_owned() } else { text };
        let input = abi.encode_call("f", &[text]).unwrap();
        prop_assert_eq!(abi.method("f", 1).unwrap().decode(&input[4..]).unwrap(), vec![value]);
    }

    #[test]
    fn no_text_makes_encoding_panic(text in "\\PC{0,40}", brackets in "[\\[\\](),\"\\\\a1]{0,30}") {
        for text in [&text, &brackets] {
            let _ = token().encode_call("many", &[text.clone(), "true".to_owned(), text.clone()]);
            let _ = token().encode_call(text, &[]);
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let abi = token();
        let _ = abi.method("many", 3).unwrap().decode(&bytes);
        let _ = abi.decode_revert(&bytes);
        let _ = revert_reason(&[&[0x08, 0xc3, 0x79, 0xa0], bytes.as_slice()].concat());
        let _ = Abi::from_module(&bytes);
        let _ = Abi::from_json(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn events_are_found_by_name_and_signature() {
    let abi = Abi::from_json(
        r#"[{"type":"event","name":"Moved","inputs":[{"name":"to","type":"address","indexed":true}]},
            {"type":"event","name":"Moved","inputs":[{"name":"by","type":"uint256"}]},
            {"type":"event","name":"Hidden","anonymous":true,"inputs":[]}]"#,
    )
    .unwrap();
    let topic = |signature: &str| entente_crypto::keccak256(signature.as_bytes());
    let mut both = abi.event_topics("Moved").unwrap();
    both.sort();
    let mut expected = vec![topic("Moved(address)"), topic("Moved(uint256)")];
    expected.sort();
    assert_eq!(both, expected);
    assert_eq!(abi.event_topics("Moved( uint256 )").unwrap(), [topic("Moved(uint256)")]);
    let message = |event: &str| abi.event_topics(event).unwrap_err().to_string();
    assert!(
        message("moved").starts_with("the contract has no event \"moved\"; did you mean Moved("),
        "{}",
        message("moved")
    );
    assert!(message("Hidden").contains("it has: Moved("), "{}", message("Hidden"));
    let none = Abi::from_json("[]").unwrap().event_topics("X").unwrap_err().to_string();
    assert_eq!(none, "the contract has no event \"X\"; it has: no events");
}
