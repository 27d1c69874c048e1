//! What a contract's author is told about a mistake, word for word, by the command and by the node's RPC.

mod common;

use std::{fs, path::PathBuf, process::Command};

use common::{Chain, Home, text, token};
use entente_client::{
    abi::Abi,
    client::{CallAnswer, CallRequest, Client},
};
use entente_types::{Address, hex_bytes};
use wasm_encoder::{ComponentSection as _, CustomSection};

/// What the ABI of every module below says.
const ABI: &str = r#"[
    {"type":"constructor","inputs":[],"stateMutability":"nonpayable"},
    {"type":"function","name":"run","inputs":[],"outputs":[],"stateMutability":"nonpayable"},
    {"type":"error","name":"Refused","inputs":[{"name":"limit","type":"uint8"},{"name":"why","type":"string"}]}
]"#;

/// What each of these contracts does when it is called; its data lies at 0.
const FAULTS: [(&str, &str, &str); 6] = [
    ("endless", "", "(loop (br 0)) i32.const 0"),
    ("trapping", "", "unreachable"),
    ("reaching", "", "(i32.load (i32.const 70000))"),
    // Error(string): "the door is shut"
    (
        "reverting",
        "08c379a0\
         0000000000000000000000000000000000000000000000000000000000000020\
         0000000000000000000000000000000000000000000000000000000000000010\
         74686520646f6f72206973207368757400000000000000000000000000000000",
        "(call $revert (i32.const 0) (i32.const 100)) i32.const 0",
    ),
    // Panic(uint256): 0x11
    (
        "overflowing",
        "4e487b710000000000000000000000000000000000000000000000000000000000000011",
        "(call $revert (i32.const 0) (i32.const 36)) i32.const 0",
    ),
    // Refused(uint8,string): 3, "no"
    (
        "refusing",
        "SELECTOR\
         0000000000000000000000000000000000000000000000000000000000000003\
         0000000000000000000000000000000000000000000000000000000000000040\
         0000000000000000000000000000000000000000000000000000000000000002\
         6e6f000000000000000000000000000000000000000000000000000000000000",
        "(call $revert (i32.const 0) (i32.const 132)) i32.const 0",
    ),
];

/// A module whose `call` has this body, with the ABI inside.
fn module(data: &str, deploy: &str, body: &str) -> Vec<u8> {
    let selector = hex_bytes::encode(&entente_crypto::keccak256(b"Refused(uint8,string)").0[..4]);
    let data = data.replace("SELECTOR", selector.trim_start_matches("0x"));
    let data: String = data.as_bytes().chunks(2).map(|digits| format!("\\{}", text(digits))).collect();
    let text = format!(
        r#"(module
            (import "entente" "revert" (func $revert (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "{data}")
            (func (export "deploy") (result i32) {deploy})
            (func (export "call") (result i32) {body}))"#
    );
    let mut bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let section = CustomSection { name: "entente:abi".into(), data: ABI.as_bytes().into() };
    section.append_to_component(&mut bytes);
    bytes
}

/// A home with a chain, two accounts, the token and the contracts that fail.
struct Author<'home> {
    home: &'home Home,
    chain: Chain<'home>,
    token: String,
    bob: String,
}

impl<'home> Author<'home> {
    fn new(home: &'home Home) -> Self {
        let chain = home.chain(&[]);
        home.json(&["account", "new", "alice"]);
        let bob = home.json(&["account", "new", "bob"])["address"].as_str().unwrap().to_owned();
        let mut author = Self { home, chain, token: String::new(), bob };
        author.token = author.deployed(&token());
        author
    }

    fn with_rpc<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--rpc", &self.chain.rpc]].concat()
    }

    fn deployed(&self, file: &std::path::Path) -> String {
        let arguments = ["contract", "deploy", file.to_str().unwrap(), "--account", "alice"];
        self.home.json(&self.with_rpc(&arguments))["address"].as_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The line of a command that fails, with what differs from run to run by its name.
    fn told(&self, arguments: &[&str]) -> String {
        let line = self.home.failure(&self.with_rpc(arguments));
        let folder = self.home.path("");
        let line = line.replace(folder.to_str().unwrap(), "HOME/").replace(&self.chain.rpc, "RPC");
        let line = line.replace(&self.token, "TOKEN").replace(&self.bob, "BOB");
        masked(&masked(&line, "0x", 64, "HASH"), "0x", 40, "ADDRESS")
    }

    /// What the node itself answers to a call.
    fn asked(&self, to: &str, input: &[u8], gas: u64) -> CallAnswer {
        let request =
            CallRequest { from: None, to: to.parse::<Address>().unwrap(), input: input.to_vec(), gas: Some(gas) };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let group = Client::connect(&self.chain.rpc).await.unwrap().group("group1").await.unwrap();
            group.call(&request).await.unwrap()
        })
    }
}

/// Replaces each run of so many hexadecimal digits behind `start`.
fn masked(line: &str, start: &str, digits: usize, name: &str) -> String {
    let mut parts = line.split(start);
    let mut masked = parts.next().unwrap().to_owned();
    for part in parts {
        let length = part.chars().take_while(char::is_ascii_hexdigit).count();
        if length == digits {
            masked += name;
            masked += &part[digits..];
        } else {
            masked += start;
            masked += part;
        }
    }
    masked
}

#[test]
fn mistakes_with_arguments_are_told_kindly() {
    let home = Home::new();
    let author = Author::new(&home);
    let (token, bob) = (author.token.as_str(), author.bob.as_str());
    let nowhere = format!("0x{}", "11".repeat(20));
    let module = common::token();
    let module = module.to_str().unwrap();
    fs::write(home.path("wrong.txt"), "wrong").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &["contract", "send", token, "transfer", bob, "many", "--account", "alice"],
            "argument 2 (value: uint256): found \"many\"; expected a number such as 25, 1_000, 1.5e18 or 0x19",
        ),
        (
            &["contract", "call", token, "balanceOf", "bob"],
            "argument 1 (owner: address): found \"bob\"; expected an address: 0x and 40 hexadecimal digits",
        ),
        (
            &["contract", "send", token, "transfer", bob, "--account", "alice"],
            "found 1 argument; expected those of transfer(address,uint256)",
        ),
        (
            &["contract", "call", token, "balance_off", bob],
            "the contract has no method \"balance_off\"; did you mean balanceOf(address)? it has: \
             allowance(address,address), approve(address,uint256), balanceOf(address), decimals(), name(), symbol(), \
             totalSupply(), transfer(address,uint256), transferFrom(address,address,uint256)",
        ),
        (
            &["contract", "call", token, "mint", "1"],
            "the contract has no method \"mint\"; it has: allowance(address,address), approve(address,uint256), \
             balanceOf(address), decimals(), name(), symbol(), totalSupply(), transfer(address,uint256), \
             transferFrom(address,address,uint256)",
        ),
        (
            &["contract", "call", &nowhere, "symbol"],
            "ADDRESS: neither this user nor the node knows an ABI of it; name one with --abi FILE (the module, or \
             JSON)",
        ),
        (
            &["contract", "call", &nowhere, "symbol", "--abi", module],
            "symbol() of ADDRESS failed: there is no contract at the called address (status 26); is it another \
             address, or is it not in group1 at RPC?",
        ),
        (
            &["contract", "send", &nowhere, "transfer", bob, "1", "--abi", module, "--account", "alice"],
            "transfer(address,uint256) of ADDRESS is in block N but failed: there is no contract at the called address \
             (status 26); is it another address, or is it not in group1 at RPC?",
        ),
        (
            &["contract", "send", token, "transfer", bob, "1", "--account", "eve"],
            "there is no keystore eve in HOME/.entente/keys; make one with: entente account new eve",
        ),
        (
            &["contract", "send", token, "transfer", bob, "1", "--account", "alice", "--password-file", "wrong.txt"],
            "HOME/.entente/keys/alice.json: the password is wrong, or the file was changed",
        ),
        (
            &["contract", "send", token, "transfer", bob, "1", "--account", "alice", "--group", "group7"],
            "the node refused entente_status: GroupID does not exist: groups are group1 (code -40001)",
        ),
    ];
    check(&author, cases);
}

#[test]
fn a_contracts_failures_are_told_kindly() {
    let home = Home::new();
    let author = Author::new(&home);
    let addresses = FAULTS.map(|(name, data, body)| {
        let file = author.file(&format!("{name}.wasm"), &module(data, "i32.const 0", body));
        (name, author.deployed(&file))
    });
    let told = [
        ("endless", "out of gas (status 12); it may use 200000 gas: give more with --gas"),
        ("trapping", "the contract trapped: unreachable (status 10)"),
        ("reaching", "the contract trapped: memory access out of bounds (status 10)"),
        ("reverting", "the door is shut (status 22)"),
        ("overflowing", "panic 0x11: an arithmetic operation overflowed (status 22)"),
        ("refusing", "Refused(limit: 3, why: no) (status 22)"),
    ];
    let sent: Vec<_> = addresses.iter().map(|(_, at)| send(at, &["--gas", "200000"])).collect();
    let called: Vec<_> = addresses.iter().map(|(_, at)| call(at, &["--gas", "200000"])).collect();
    let mut cases: Vec<(&[&str], String)> = Vec::new();
    for (((name, _), (expected_name, expected)), (sent, called)) in
        addresses.iter().zip(told).zip(sent.iter().zip(&called))
    {
        assert_eq!(*name, expected_name);
        cases.push((sent, format!("run() of ADDRESS is in block N but failed: {expected}")));
        cases.push((called, format!("run() of ADDRESS failed: {expected}")));
    }
    let (_, endless) = &addresses[0];
    let little = send(endless, &["--gas", "20000"]);
    let refused = "run() of ADDRESS is in block N but failed: gas limit 20000 is below the 21064 that this transaction \
                   costs before any code runs (status 4); it may use 20000 gas: give more with --gas";
    cases.push((&little, refused.to_owned()));
    let cases: Vec<(&[&str], &str)> =
        cases.iter().map(|(arguments, expected)| (*arguments, expected.as_str())).collect();
    check(&author, &cases);

    // The node says the same to those who ask it without the command.
    let run = &entente_crypto::keccak256(b"run()").0[..4];
    let answers = [
        ("out_of_gas", "out of gas", 12),
        ("trap", "the contract trapped: unreachable", 10),
        ("trap", "the contract trapped: memory access out of bounds", 10),
        ("revert", "the contract reverted; its reason is the output", 22),
        ("revert", "the contract reverted; its reason is the output", 22),
        ("revert", "the contract reverted; its reason is the output", 22),
    ];
    for ((name, address), (code, message, status)) in addresses.iter().zip(answers) {
        let answer = author.asked(address, run, 200_000);
        let error = answer.error.clone().unwrap_or_else(|| panic!("{name}: {answer:?}"));
        assert_eq!((error.code.as_str(), error.message.as_str(), answer.status), (code, message, status), "{name}");
    }
    let nobody = author.asked(&format!("0x{}", "11".repeat(20)), run, 200_000);
    let error = nobody.error.expect("nobody is there");
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("no_code", "there is no contract at the called address")
    );
    // Every reason is in the output, for any client that has the ABI.
    let (_, refusing) = &addresses[5];
    let output = author.asked(refusing, run, 200_000).output;
    assert_eq!(Abi::from_json(ABI).unwrap().decode_revert(&output).unwrap(), "Refused(limit: 3, why: no)");
}

fn send<'a>(address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["contract", "send", address, "run", "--account", "alice"], more].concat()
}

fn call<'a>(address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["contract", "call", address, "run"], more].concat()
}

#[test]
fn what_cannot_be_deployed_is_told_kindly() {
    let home = Home::new();
    let author = Author::new(&home);
    author.file("notes.txt", b"these are notes");
    author.file("bare.wasm", b"\0asm\x01\0\0\0");
    author.file("float.wasm", &module("", "i32.const 0", "(drop (f64.const 1)) i32.const 0"));
    let refusing = &FAULTS[5];
    author.file("refusing.wasm", &module(refusing.1, refusing.2, "i32.const 0"));
    author.file("trapping.wasm", &module("", "unreachable", "i32.const 0"));
    let deploy = |file: &'static str| ["contract", "deploy", file, "--account", "alice"];
    let few = ["contract", "deploy", "float.wasm", "7", "--account", "alice"];
    let little = ["contract", "deploy", "refusing.wasm", "--account", "alice", "--gas", "100000"];
    let cases: &[(&[&str], &str)] = &[
        (&deploy("missing.wasm"), "missing.wasm: No such file or directory (os error 2)"),
        (
            &deploy("notes.txt"),
            "notes.txt: this is neither a WebAssembly module nor an artefact of Solidity; make one with: entente contract \
             build PATH",
        ),
        (
            &deploy("bare.wasm"),
            "bare.wasm: the module has no section entente:abi; build it with: entente contract build PATH",
        ),
        (
            &deploy("float.wasm"),
            "float.wasm: the deployment is in block N but failed: the module breaks the rule `float` at offset N: \
             floating-point instruction disallowed (status 10); transaction HASH",
        ),
        (
            &deploy("refusing.wasm"),
            "refusing.wasm: the deployment is in block N but failed: Refused(limit: 3, why: no) (status 22); \
             transaction HASH",
        ),
        (
            &deploy("trapping.wasm"),
            "trapping.wasm: the deployment is in block N but failed: the contract trapped: unreachable (status 10); \
             transaction HASH",
        ),
        (&few, "float.wasm: found 1 argument; expected those of constructor()"),
        (
            &little,
            "refusing.wasm: the deployment is in block N but failed: out of gas (status 12); it may use 100000 gas: \
             give more with --gas; transaction HASH",
        ),
    ];
    check(&author, cases);
}

/// A contract that does not compile: the compiler's own words reach the author, before the one line of the command.
#[test]
fn the_compilers_words_reach_the_author() {
    let home = Home::new();
    fs::create_dir_all(home.path("broken/src")).unwrap();
    fs::write(
        home.path("broken/Cargo.toml"),
        "[package]\nname = \"broken\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[lib]\ncrate-type = [\"cdylib\"]\n",
    )
    .unwrap();
    fs::write(home.path("broken/src/lib.rs"), "#![no_std]\npub fn total() -> u64 { missing }\n").unwrap();
    // The real compiler, but not the library for Wasm that it would need: cargo is one that only checks.
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in\n\
         build) unset CARGO_ENCODED_RUSTFLAGS RUSTC CARGO_TARGET_DIR; exec {real} check;;\n\
         *) exec {real} \"$@\";;\nesac\n"
    );
    fs::write(home.path("cargo"), script).unwrap();
    assert!(Command::new("chmod").args(["+x", home.path("cargo").to_str().unwrap()]).status().unwrap().success());
    let mut build = home.command(&["contract", "build", "broken"]);
    // Compilers are found through the home of who builds.
    build.env("HOME", std::env::var_os("HOME").unwrap_or_default());
    let output = build.env("CARGO", home.path("cargo")).output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error[E0425]: cannot find value `missing` in this scope"), "{told}");
    assert!(told.contains("broken/src/lib.rs:2:") || told.contains("src/lib.rs:2:"), "{told}");
    assert!(
        told.trim_end().lines().last().unwrap().contains("the contract does not compile (exit status: 101)"),
        "{told}"
    );
}

/// The line with `N` for the number behind these words.
fn numbered(line: &str, words: &str) -> String {
    match line.split_once(words) {
        Some((before, after)) => {
            let after = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{before}{words}N{after}")
        }
        None => line.to_owned(),
    }
}

/// Compares each line.
fn check(author: &Author<'_>, cases: &[(&[&str], &str)]) {
    let told: Vec<String> = cases
        .iter()
        .map(|(arguments, _)| {
            let line = author.told(arguments);
            let line = numbered(&line, "is in block ");
            numbered(&line, "at offset ")
        })
        .collect();
    let differing: Vec<String> = cases
        .iter()
        .zip(&told)
        .filter(|((_, expected), told)| expected != told)
        .map(|((arguments, expected), told)| format!("{arguments:?}\n  expected: {expected}\n  told:     {told}"))
        .collect();
    assert!(differing.is_empty(), "\n{}", differing.join("\n"));
}
