//! What a client is given by strangers: contract ABIs, answers, logs, reasons, keystores; and what people type.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use std::sync::LazyLock;

use entente_client::{
    abi::{Abi, revert_reason},
    keystore::Keystore,
};
use entente_types::{Address, Hash, Log};
use serde_json::Value;
use tempfile::TempDir;

use super::input::Input;

/// The first byte chooses what the rest is.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() {
        0 => abi(&mut input),
        1 => _ = Abi::from_module(input.0).map(|abi| abi.signatures()),
        2 => arguments(&mut input),
        3 => answers(&EVERYTHING, &mut input),
        4 => keystore(input.0),
        _ => {}
    }
}

/// An ABI with every kind of type. Each method gives back what it takes.
static EVERYTHING: LazyLock<Abi> = LazyLock::new(|| Abi::from_json(&everything()).expect("an ABI"));

const TYPES: &[(&str, &[&str])] = &[
    ("words", &["bool", "uint8", "uint256", "int64", "int256", "address", "bytes4", "bytes32"]),
    ("strings", &["string", "bytes", "string[]", "bytes[2]"]),
    ("lists", &["uint16[]", "int8[3]", "bool[][]", "address[]", "string[][]"]),
    ("small", &["uint24", "int24", "function"]),
];

fn everything() -> String {
    let parameter = |ty: &&str| format!(r#"{{"name":"","type":"{ty}"}}"#);
    let mut items: Vec<String> = TYPES
        .iter()
        .map(|(name, types)| {
            let list = types.iter().map(parameter).collect::<Vec<_>>().join(",");
            format!(r#"{{"type":"function","name":"{name}","inputs":[{list}],"outputs":[{list}]}}"#)
        })
        .collect();
    let tuple =
        r#"{"name":"x","type":"tuple[]","components":[{"name":"a","type":"uint256"},{"name":"b","type":"string"}]}"#;
    items.push(format!(r#"{{"type":"function","name":"tuples","inputs":[{tuple}],"outputs":[{tuple}]}}"#));
    items.push(r#"{"type":"event","name":"Told","inputs":[{"name":"who","type":"address","indexed":true},{"name":"what","type":"string","indexed":true},{"name":"list","type":"uint16[]"}]}"#.to_owned());
    items.push(r#"{"type":"error","name":"Refused","inputs":[{"name":"why","type":"string"},{"name":"list","type":"bytes[]"}]}"#.to_owned());
    format!("[{}]", items.join(","))
}

fn abi(input: &mut Input<'_>) {
    let length = u16::from_le_bytes(input.array());
    let Ok(json) = std::str::from_utf8(input.take(usize::from(length))) else { return };
    let Ok(abi) = Abi::from_json(json) else { return };
    answers(&abi, input);
}

/// Output, a log and a reason, by every method of the ABI.
fn answers(abi: &Abi, input: &mut Input<'_>) {
    let count = input.below(6);
    let mut topics: Vec<Hash> = (0..count).map(|_| Hash(input.array())).collect();
    for signature in abi.signatures() {
        for arguments in 0..9 {
            let Ok(method) = abi.method(&signature, arguments) else { continue };
            assert_eq!(method.signature(), signature);
            _ = method.decode(input.0);
            _ = method.encode(&vec!["0x00".to_owned(); arguments]);
        }
    }
    _ = abi.decode_revert(input.0);
    _ = revert_reason(input.0);
    _ = abi.encode_constructor(&[]);
    let mut log = Log { address: Address([1; 20]), topics: topics.clone(), data: input.0.to_vec() };
    _ = abi.decode_log(&log).map(|log| log.to_string());
    // The event that is there, so that more than its name is looked at.
    topics.insert(0, entente_crypto::keccak256(b"Told(address,string,uint16[])"));
    log.topics = topics;
    _ = abi.decode_log(&log).map(|log| log.to_string());
}

/// Texts separated by zeros: what is taken is given back, and means the same when it is typed again.
fn arguments(input: &mut Input<'_>) {
    let signatures = EVERYTHING.signatures();
    let signature = &signatures[input.below(signatures.len())];
    let Ok(text) = std::str::from_utf8(input.0) else { return };
    let texts: Vec<String> = text.split('\0').map(str::to_owned).collect();
    let Ok(method) = EVERYTHING.method(signature, texts.len()) else { return };
    let Ok(encoded) = method.encode(&texts) else { return };
    let values = method.decode(&encoded[4..]).expect("a method gives back what it takes");
    let again: Vec<String> = values.iter().map(|value| typed(value, false)).collect();
    assert_eq!(method.encode(&again).as_ref(), Ok(&encoded), "{again:?}");
}

/// A value as one would type it.
fn typed(value: &Value, is_inside: bool) -> String {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'-'));
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| typed(value, true)).collect();
            format!("[{}]", values.join(","))
        }
        Value::String(text) if !is_inside || (!text.is_empty() && is_plain(text)) => text.clone(),
        other => other.to_string(),
    }
}

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// What may be asked of scrypt here, in `n * r * p`, and in `n * r`.
const WORK_MAX: u64 = 1 << 10;
/// What the client itself refuses, which must take no time.
const REFUSED_ABOVE: u64 = 1 << 23;

fn keystore(bytes: &[u8]) {
    let keystore = Keystore::new(FOLDER.path());
    std::fs::write(FOLDER.path().join("fuzzed.json"), bytes).expect("a file");
    let entry = keystore.show("fuzzed").expect("a file that is there");
    let file: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let crypto = file.get("crypto").or(file.get("Crypto")).cloned().unwrap_or_default();
    let number = |key: &str| crypto.pointer(&format!("/kdfparams/{key}")).and_then(Value::as_u64).unwrap_or(0);
    let work = number("n").saturating_mul(number("r")).saturating_mul(number("p"));
    if work > WORK_MAX && work <= REFUSED_ABOVE {
        return;
    }
    if let Ok(account) = keystore.open("fuzzed", "correct horse") {
        assert_eq!(entry.fault, None);
        assert_eq!(entry.address.unwrap_or(account.address()), account.address());
        assert_eq!(entry.public_key.unwrap_or(account.key().public_key()), account.key().public_key());
    }
}

/// Ethereum's own keystore, of little work; texts for each method; and an encoding of each.
pub fn seeds() -> Vec<Vec<u8>> {
    let json = everything();
    let abi = |json: &str, rest: &[u8]| [&[0][..], &(json.len() as u16).to_le_bytes(), json.as_bytes(), rest].concat();
    let typed = [
        (
            "words",
            "true\x007\x000xff\0-5\x00-1\x000x00112233445566778899aabbccddeeff00112233\x000x01020304\x000x0011223344556677889900112233445566778899001122334455667788990011",
        ),
        ("strings", "a text\x000x0102\0[a,\"b,c\",\"\"]\0[0x,0x01]"),
        ("lists", "[1,2,0x3]\0[-1,0,1]\0[[true],[]]\0[]\0[[a],[\"]\"]]"),
        ("small", "5\0-5\x000x001122334455667788990011223344556677889900112233"),
        ("tuples", "[(1,one),[2,\"two\"]]"),
    ];
    let mut seeds = vec![abi(&json, &[0; 64]), abi(r#"{"abi":[{"name":"f"}]}"#, b"x")];
    for (name, texts) in typed {
        let place = EVERYTHING.signatures().iter().position(|signature| signature.starts_with(name));
        let index = place.expect("a method") as u8;
        seeds.push([&[2, index][..], texts.as_bytes()].concat());
        let texts: Vec<String> = texts.split('\0').map(str::to_owned).collect();
        let encoded = EVERYTHING.encode_call(name, &texts).unwrap_or_else(|error| panic!("{error}"));
        seeds.push([&[3, 0][..], &encoded[4..]].concat());
        seeds.push(abi(&json, &[&[1][..], &[9; 32], &encoded[4..]].concat()));
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    let section = [&[11][..], b"entente:abi", br#"[{"name":"f"}]"#].concat();
    module.extend([0, section.len() as u8]);
    module.extend(section);
    seeds.push([&[1][..], &module].concat());
    seeds.push([&[4][..], KEYSTORE.as_bytes()].concat());
    seeds
}

/// A key that was encrypted under "correct horse" with scrypt's least parameters.
const KEYSTORE: &str = r#"{"version":3,"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","crypto":{"cipher":"aes-128-ctr",
"cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},"ciphertext":
"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt","kdfparams":{"dklen":32,"n":2,
"r":1,"p":1,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},"mac":
"9f89253f5d1be69fd5cd951662aa030c0e0b8cb8d4e9e727bd93f8bfd015d7a7"},"entente":{"suite":"standard"}}"#;
