//! What people write for a method and its arguments, and what they are told about each mistake, word for word.

use entente_client::abi::Abi;
use serde_json::json;

/// An ABI with one method `f` of these arguments.
fn abi(types: &[&str]) -> Abi {
    let inputs: Vec<_> = types.iter().map(|ty| json!({"name": "x", "type": ty})).collect();
    let item = json!([{"type": "function", "name": "f", "stateMutability": "view", "inputs": inputs, "outputs": []}]);
    Abi::from_json(&item.to_string()).unwrap()
}

/// What encoding one argument of this type gives: the bytes behind the selector, or what was wrong.
fn encoded(ty: &str, text: &str) -> Result<String, String> {
    let input = abi(&[ty]).encode_call("f", &[text.to_owned()]).map_err(|error| error.to_string())?;
    Ok(hex::encode(&input[4..]))
}

/// The mistakes with one argument: its type, what was written, the part of it that is shown, its place, and what is
/// said to be allowed.
const MISTAKES: &[(&str, &str, &str, &str, &str)] = &[
    ("uint8", "256", "256", "", "a number from 0 to 255 (uint8)"),
    ("uint8", "-1", "-1", "", "a number from 0 to 255 (uint8)"),
    ("uint64", "2e19", "2e19", "", "a number from 0 to 18446744073709551615 (uint64)"),
    (
        "uint128",
        "0x100000000000000000000000000000000",
        "0x100000000000000000000000000000000",
        "",
        "a number from 0 to 2^128 - 1 (uint128)",
    ),
    ("uint256", "1e78", "1e78", "", "a number from 0 to 2^256 - 1 (uint256)"),
    ("uint256", "1e999999999999", "1e999999999999", "", "a number from 0 to 2^256 - 1 (uint256)"),
    ("uint256", "", "", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "many", "many", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "0x", "0x", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "0x1g", "0x1g", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "1__0", "1__0", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "1,000", "1,000", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "1e", "1e", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "1e-2", "1e-2", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "--5", "--5", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint256", "0.5", "0.5", "", "a whole number, such as 25 or 1.5e18"),
    ("uint256", "1.23e1", "1.23e1", "", "a whole number, such as 25 or 1.5e18"),
    ("uint256", "1ether", "1ether", "", "a number such as 25, 1_000, 1.5e18 or 0x19; units are not known here"),
    ("uint256", "1.5 gwei", "1.5 gwei", "", "a number such as 25, 1_000, 1.5e18 or 0x19; units are not known here"),
    ("int8", "128", "128", "", "a number from -128 to 127 (int8)"),
    ("int8", "-129", "-129", "", "a number from -128 to 127 (int8)"),
    ("int256", "1e77", "1e77", "", "a number from -2^255 to 2^255 - 1 (int256)"),
    ("int256", "x", "x", "", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("bool", "yes", "yes", "", "true or false"),
    ("bool", "1", "1", "", "true or false"),
    ("address", "bob", "bob", "", "an address: 0x and 40 hexadecimal digits"),
    (
        "address",
        "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "",
        "an address: 0x and 40 hexadecimal digits",
    ),
    (
        "address",
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb922",
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb922",
        "",
        "an address: 0x and 40 hexadecimal digits; it has 38",
    ),
    (
        "address",
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb9226",
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb9226",
        "",
        "an address: 0x and 40 hexadecimal digits; it has 39",
    ),
    (
        "address",
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb9226O",
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb9226O",
        "",
        "an address: 0x and 40 hexadecimal digits; 'O' is none",
    ),
    (
        "address",
        "0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "",
        "an address whose capital letters are its checksum (EIP-55): one letter or more is wrong",
    ),
    ("bytes", "abcd", "abcd", "", "0x and hexadecimal digits, two for a byte"),
    ("bytes", "0xabc", "0xabc", "", "0x and hexadecimal digits, two for a byte; it has 3"),
    ("bytes", "0xzz", "0xzz", "", "0x and hexadecimal digits, two for a byte; 'z' is none"),
    ("bytes4", "0xaabbcc", "0xaabbcc", "", "bytes4: 0x and 8 hexadecimal digits; it has 6"),
    ("bytes4", "0xaabbccddee", "0xaabbccddee", "", "bytes4: 0x and 8 hexadecimal digits; it has 10"),
    ("bytes32", "0x1", "0x1", "", "bytes32: 0x and 64 hexadecimal digits; it has 1"),
    ("uint8[]", "1,2", "1,2", "", "a list in brackets, such as [a,b]"),
    ("uint8[]", "[1,2", "[1,2", "", "a list in brackets, such as [a,b]"),
    ("uint8[]", "[1,[2]", "[1,[2]", "", "a list in brackets, such as [a,b]"),
    ("uint8[]", "[1,,2]", "", "[1]", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("uint8[]", "[1,300]", "300", "[1]", "a number from 0 to 255 (uint8)"),
    ("uint8[2]", "[1]", "[1]", "", "exactly 2 elements, such as [a,b]; it has 1"),
    ("uint8[1]", "[1,2]", "[1,2]", "", "exactly 1 element, such as [a,b]; it has 2"),
    ("uint8[2][]", "[[1,2],[3,x]]", "x", "[1][1]", "a number such as 25, 1_000, 1.5e18 or 0x19"),
    ("string[]", "[\"a]", "[\"a]", "", "a list in brackets, such as [a,b]"),
    ("string[]", "[\"a\"b]", "\"a\"b", "[0]", "a text, in double quotes or bare"),
    ("address[]", "[0x12]", "0x12", "[0]", "an address: 0x and 40 hexadecimal digits; it has 2"),
];

#[test]
fn each_mistake_is_told_with_what_was_found_and_what_is_allowed() {
    let mut wrong = Vec::new();
    for (ty, text, found, place, expected) in MISTAKES {
        let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
        let expected = format!("argument 1 (x: {ty}){place}: found {found:?}; expected {expected}");
        let told = encoded(ty, text);
        if told.as_ref() != Err(&expected) {
            wrong.push(format!("{ty} {text:?}\n  expected: {expected}\n  told:     {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn numbers_are_read_as_people_write_them() {
    let word = |number: u128| format!("{number:064x}");
    for (text, number) in [
        ("0", 0),
        ("007", 7),
        ("1_000", 1000),
        ("0x_ff", 0),
        ("0xff", 255),
        ("0xFF_ff", 65_535),
        ("1e18", 10_u128.pow(18)),
        ("1E3", 1000),
        ("1.5e18", 15 * 10_u128.pow(17)),
        ("0.000_1e4", 1),
        ("2.50e1", 25),
        ("3.0", 3),
        ("0e999", 0),
    ] {
        match (text, encoded("uint256", text)) {
            // A separator stands between digits only, and an exponent is bounded whatever it is of.
            ("0x_ff" | "0e999", told) => assert!(told.is_err(), "{text}: {told:?}"),
            (_, told) => assert_eq!(told, Ok(word(number)), "{text}"),
        }
    }
    assert_eq!(encoded("int8", "-128"), Ok(format!("{}80", "f".repeat(62))));
    assert_eq!(encoded("int256", "-1e0"), Ok("f".repeat(64)));
    let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    assert_eq!(encoded("uint256", most), Ok("f".repeat(64)));
    assert_eq!(encoded("uint8", "2.55e2"), Ok(word(255)));
}

/// The addresses of EIP-55's own test cases.
#[test]
fn an_address_is_small_or_capital_or_has_its_checksum() {
    for address in [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        let expected = format!("{:0>64}", address[2..].to_lowercase());
        assert_eq!(encoded("address", address), Ok(expected.clone()));
        assert_eq!(encoded("address", &address.to_lowercase()), Ok(expected));
    }
}

#[test]
fn methods_are_found_by_name_or_signature_and_told_about_otherwise() {
    let function = |name: &str, types: &[&str]| {
        let inputs: Vec<_> = types.iter().map(|ty| json!({"name": "", "type": ty})).collect();
        json!({"type": "function", "name": name, "stateMutability": "view", "inputs": inputs, "outputs": []})
    };
    let items = json!([
        function("owner", &[]),
        function("ownerOf", &["string"]),
        function("pay", &["address"]),
        function("pay", &["uint256"]),
        function("pay", &["address", "uint256"])
    ]);
    let abi = Abi::from_json(&items.to_string()).unwrap();
    let told = |method: &str, arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        abi.encode_call(method, &arguments).map(drop).map_err(|error| error.to_string())
    };
    let all = "it has: owner(), ownerOf(string), pay(address), pay(uint256), pay(address,uint256)";
    let address = "0x00000000000000000000000000000000000000b0";
    let cases: &[(&str, &[&str], Result<(), String>)] = &[
        ("owner", &[], Ok(())),
        ("pay", &[address, "1"], Ok(())),
        ("pay(uint256)", &["1"], Ok(())),
        ("pay( address )", &[address], Ok(())),
        (
            "owner_of",
            &["a"],
            Err(format!("the contract has no method \"owner_of\"; did you mean ownerOf(string)? {all}")),
        ),
        ("Owner", &[], Err(format!("the contract has no method \"Owner\"; did you mean owner()? {all}"))),
        ("withdraw", &[], Err(format!("the contract has no method \"withdraw\"; {all}"))),
        (
            "pay(bool)",
            &["true"],
            Err(format!("the contract has no method \"pay(bool)\"; did you mean pay(address)? {all}")),
        ),
        (
            "pay",
            &["1"],
            Err("\"pay\" may mean any of: pay(address), pay(uint256); name one of them in full".to_owned()),
        ),
        ("ownerOf", &[], Err("found 0 arguments; expected those of ownerOf(string)".to_owned())),
        (
            "pay",
            &["1", "2", "3"],
            Err("found 3 arguments; expected those of pay(address), pay(uint256), pay(address,uint256)".to_owned()),
        ),
        (
            "pay(address,uint256)",
            &[address, "-1"],
            Err("argument 2 (unnamed: uint256): found \"-1\"; expected a number from 0 to 2^256 - 1 (uint256)"
                .to_owned()),
        ),
    ];
    for (method, arguments, expected) in cases {
        assert_eq!(&told(method, arguments), expected, "{method} {arguments:?}");
    }
}
