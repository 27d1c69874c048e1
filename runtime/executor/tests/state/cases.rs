//! The sample's cases: each a transaction over accounts. What comes of them is filled in by plain revm.

use std::{collections::BTreeMap, fmt::Write as _};

use entente_crypto::{SecretKey, Suite};
use entente_host::EthereumEnvironment;
use entente_types::{Address, Amount, Authorization, EthereumTransaction, Hash};
use ruint::aliases::U256;
use serde_json::{Map, Value, json};

use crate::{
    assembler::{Assembler, CALL, CREATE, DELEGATECALL, RETURN, REVERT, SLOAD, SSTORE, STATICCALL, creating},
    ethereum::{Environment, Legacy, SetCode, State, logs_hash},
    reference, set_code,
};

pub(crate) const TO: Address = Address([0xaa; 20]);
pub(crate) const OTHER: Address = Address([0xbb; 20]);

pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) code: Vec<u8>,
    pub(crate) other: Vec<u8>,
    /// What there is beside the sender and the two contracts, or instead of them.
    pub(crate) accounts: Vec<(Address, State)>,
    pub(crate) transaction: Legacy,
    /// Where there is one, the transaction sets code.
    pub(crate) authorizations: Vec<Authorization>,
    pub(crate) is_refused: bool,
}

pub(crate) fn key() -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[1; 32]).expect("a key")
}

pub(crate) fn call() -> Legacy {
    Legacy { nonce: 0, gas_price: 12, gas_limit: 500_000, to: Some(TO), value: 0, input: vec![] }
}

pub(crate) fn source(name: &'static str, code: &[u8]) -> Source {
    let (code, transaction) = (code.to_vec(), call());
    Source { name, code, other: vec![], accounts: vec![], transaction, authorizations: vec![], is_refused: false }
}

/// Stores the word on top under a key.
pub(crate) fn stored(code: &mut Assembler, key: u64) -> &mut Assembler {
    code.push(key).op(&[SSTORE])
}

/// A call of the other contract by this instruction, whose success is stored under 1.
fn calling(instruction: u8, value: Option<u64>) -> Vec<u8> {
    calling_at(&OTHER, instruction, value)
}

/// The same of what is at an address.
pub(crate) fn calling_at(address: &Address, instruction: u8, value: Option<u64>) -> Vec<u8> {
    let mut code = Assembler::default();
    code.push(32).push(0).push(0).push(0);
    if let Some(value) = value {
        code.push(value);
    }
    code.op(&[0x73]).op(&address.0).push(100_000).op(&[instruction]);
    stored(&mut code, 1).push(0).op(&[0x51]);
    stored(&mut code, 2).op(&[0x3d]);
    stored(&mut code, 3).finish()
}

/// A call of a precompile with 128 bytes of ones and 64 of its answer, stored.
fn precompile(number: u64) -> Vec<u8> {
    let mut code = Assembler::default();
    for at in 0..4 {
        code.push(1).push(at * 32).op(&[0x52]);
    }
    code.push(64).push(256).push(128).push(0).push(0).push(number).push(200_000).op(&[CALL]);
    stored(&mut code, 1).push(256).op(&[0x51]);
    stored(&mut code, 2).op(&[0x3d]);
    stored(&mut code, 3).finish()
}

/// Creates a contract from code in memory; its address is stored.
pub(crate) fn creation(init: &[u8], salt: Option<u64>) -> Vec<u8> {
    let mut code = Assembler::default();
    for (index, chunk) in (0_u64..).zip(init.chunks(32)) {
        let mut word = [0; 32];
        word[..chunk.len()].copy_from_slice(chunk);
        code.op(&[0x7f]).op(&word).push(index * 32).op(&[0x52]);
    }
    if let Some(salt) = salt {
        code.push(salt);
    }
    code.push(init.len() as u64).push(0).push(3).op(&[if salt.is_some() { 0xf5 } else { CREATE }]);
    stored(&mut code, 1).op(&[0x3d]);
    stored(&mut code, 2).finish()
}

pub(crate) fn asm(write: impl FnOnce(&mut Assembler)) -> Vec<u8> {
    let mut code = Assembler::default();
    write(&mut code);
    code.finish()
}

/// Writes a slot and answers a word.
pub(crate) fn writing() -> Vec<u8> {
    asm(|code| {
        code.push(7).push(5).op(&[SSTORE]).push(0x99).push(0).op(&[0x52]).push(32).push(0).op(&[RETURN]);
    })
}

/// The same, but reverts with the word.
pub(crate) fn reverting() -> Vec<u8> {
    asm(|code| {
        code.push(7).push(5).op(&[SSTORE]).push(0x99).push(0).op(&[0x52]).push(32).push(0).op(&[REVERT]);
    })
}

/// Gives all that it has to the other contract and ends itself.
pub(crate) fn destroying() -> Vec<u8> {
    asm(|code| {
        code.op(&[0x73]).op(&OTHER.0).op(&[0xff]);
    })
}

/// Code that writes slots with these values.
fn writes(slots: &[(u64, u64)]) -> Vec<u8> {
    asm(|code| {
        for (key, value) in slots {
            code.push(*value).push(*key).op(&[SSTORE]);
        }
    })
}

fn storage_cases() -> Vec<Source> {
    let reads = asm(|code| {
        for key in [1, 1, 8, 8] {
            code.push(key).op(&[SLOAD, 0x50]);
        }
        code.op(&[0x5a]);
        stored(code, 4);
    });
    let transient = asm(|code| {
        code.push(6).push(1).op(&[0x5d]).push(1).op(&[0x5c]);
        stored(code, 1).push(2).op(&[0x5c]);
        stored(code, 2);
    });
    let short = Legacy { gas_limit: 30_000, ..call() };
    vec![
        source("clears a slot and gets gas back", &writes(&[(1, 0), (2, 0)])),
        source("writes a slot back and forth", &writes(&[(1, 0), (1, 9), (1, 1), (1, 0), (1, 1)])),
        source("reads cold and warm slots", &reads),
        source("transient words", &transient),
        Source { transaction: short, ..source("runs out of gas", &writes(&[(7, 1)])) },
    ]
}

fn instruction_cases() -> Vec<Source> {
    let zeros = asm(|code| {
        code.push(0x1234).op(&[0x1e]);
        stored(code, 1);
    });
    let copies = asm(|code| {
        code.push(0x0102_0304_0506).push(0).op(&[0x52]).push(32).push(0).push(8).op(&[0x5e]).push(16).op(&[0x51]);
        stored(code, 1);
    });
    let hashes = asm(|code| {
        for (key, number) in [(1, 299), (2, 44), (3, 43), (4, 300)] {
            code.push(number).op(&[0x40]);
            stored(code, key);
        }
    });
    let around = asm(|code| {
        let instructions = [0x32_u8, 0x33, 0x3a, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4a];
        for (key, instruction) in (1..).zip(instructions) {
            code.op(&[instruction]);
            stored(code, key);
        }
    });
    let input = asm(|code| {
        code.push(99).push(0).push(3).op(&[0x37]).push(3).op(&[0x51]);
        stored(code, 1).push(200).op(&[0x35]);
        stored(code, 2);
    });
    let logs = asm(|code| {
        code.push(4).push(3).push(2).push(1).push(40).push(0).op(&[0xa4]);
    });
    vec![
        source("logs with four topics", &logs),
        source("counts leading zeros", &zeros),
        source("copies memory over itself", &copies),
        source("hashes of blocks", &hashes),
        source("the block and the transaction", &around),
        source("jumps to no place", &[0x5f, 0x56]),
        source("ends by an unknown instruction", &[0x5f, 0x0c]),
        Source { transaction: Legacy { input: (0..99).collect(), ..call() }, ..source("copies its input", &input) },
    ]
}

fn frame_cases() -> Vec<Source> {
    let other = |other: Vec<u8>, source: Source| Source { other, ..source };
    vec![
        other(writing(), source("calls", &calling(CALL, Some(2)))),
        other(writing(), source("calls with the code of another", &calling(0xf2, Some(2)))),
        other(writing(), source("delegates", &calling(DELEGATECALL, None))),
        other(writing(), source("cannot write by a static call", &calling(STATICCALL, None))),
        other(reverting(), source("goes on after a revert", &calling(CALL, Some(1)))),
        source("sends more than it has", &calling(CALL, Some(1 << 60))),
        other(destroying(), source("another gives all to itself", &calling(CALL, Some(4)))),
        source("gives all away", &destroying()),
        source("creates", &creation(&creating(&writing()), None)),
        source("creates by a salt", &creation(&creating(&writing()), Some(5))),
        source("creates what ends itself at once", &creation(&destroying(), None)),
        source("creates what reverts", &creation(&reverting(), None)),
        source("creates code that begins with 0xEF", &creation(&creating(&[0xef, 0]), None)),
    ]
}

fn transaction_cases() -> Vec<Source> {
    let sent = |name, transaction| Source { transaction, ..source(name, &[]) };
    let refused = |name, transaction| Source { is_refused: true, ..sent(name, transaction) };
    let creates = |input| Legacy { to: None, input, ..call() };
    vec![
        sent("transfer", Legacy { to: Some(Address([0xcc; 20])), value: 9, ..call() }),
        sent("a transaction creates", creates(creating(&writing()))),
        sent("a transaction fails to create", creates(reverting())),
        sent("pays the floor of its input", Legacy { input: vec![1; 400], ..call() }),
        refused("a nonce that is not the next", Legacy { nonce: 1, ..call() }),
        refused("pays less than the base fee", Legacy { gas_price: 9, ..call() }),
        refused("code that creates and is too long", Legacy { gas_limit: 5_000_000, ..creates(vec![0; 49_153]) }),
    ]
}

fn precompile_cases() -> Vec<Source> {
    let names = [
        (1, "ecrecover"),
        (2, "sha256"),
        (3, "ripemd160"),
        (4, "identity"),
        (5, "modexp"),
        (6, "bn254 add"),
        (7, "bn254 mul"),
        (8, "bn254 pairing"),
        (9, "blake2f"),
        (0x0f, "bls12-381 pairing"),
        (0x100, "p256verify"),
    ];
    names.map(|(number, name)| source(name, &precompile(number))).into()
}

fn sources() -> Vec<Source> {
    let of_instructions = [storage_cases(), instruction_cases(), frame_cases(), precompile_cases()];
    of_instructions.into_iter().chain([transaction_cases(), set_code::cases()]).flatten().collect()
}

fn environment() -> Environment {
    Environment {
        chain_id: 1,
        height: 300,
        timestamp_s: 1_700_000_000,
        gas_limit: 30_000_000,
        proposer: Address([0xfe; 20]),
        ethereum: EthereumEnvironment {
            base_fee: Amount::from(10_u64),
            blob_base_fee: Amount::from(1_u64),
            prevrandao: Hash([3; 32]),
        },
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn accounts(accounts: &BTreeMap<Address, State>) -> Value {
    let mut all = Map::new();
    for (address, state) in accounts {
        let storage: Map<String, Value> =
            state.storage.iter().map(|(key, value)| (format!("{key:#x}"), json!(format!("{value:#x}")))).collect();
        let (balance, nonce) = (format!("{:#x}", state.balance), format!("{:#x}", state.nonce));
        let account = json!({"balance": balance, "nonce": nonce, "code": hexadecimal(&state.code), "storage": storage});
        all.insert(hexadecimal(&address.0), account);
    }
    Value::Object(all)
}

fn sign(transaction: Legacy, authorizations: Vec<Authorization>, chain_id: u64) -> EthereumTransaction {
    let Legacy { nonce, gas_price, gas_limit, to, value, input } = transaction;
    match to.filter(|_| !authorizations.is_empty()) {
        Some(to) => SetCode { nonce, gas_price, gas_limit, to, value, input, authorizations }.sign(&key(), chain_id),
        None => Legacy { nonce, gas_price, gas_limit, to, value, input }.sign(&key(), chain_id),
    }
}

/// The sample in the form of Ethereum's fixtures.
pub(crate) fn filled() -> Value {
    let environment = environment();
    let mut tests = Map::new();
    for source in sources() {
        let storage: BTreeMap<U256, U256> =
            [(1, 1), (2, 7)].map(|(key, value)| (U256::from(key), U256::from(value))).into();
        let mut before: BTreeMap<Address, State> = [
            (key().public_key().address(), State { balance: U256::from(1_000_000_000_u64), ..State::default() }),
            (TO, State { balance: U256::from(50), nonce: 1, code: source.code, storage: storage.clone() }),
            (OTHER, State { balance: U256::from(60), nonce: 1, code: source.other, storage }),
        ]
        .into();
        before.extend(source.accounts);
        let transaction = sign(source.transaction, source.authorizations, environment.chain_id);
        let raw = transaction.raw().to_vec();
        let (came, after) = reference::execute(&environment, &before, &[transaction]);
        let came = came.into_iter().next().flatten();
        assert_eq!(came.is_none(), source.is_refused, "{}", source.name);
        let logs = logs_hash(&came.map(|came| came.logs).unwrap_or_default()).to_string();
        let mut post = json!({"logs": logs, "txbytes": hexadecimal(&raw), "state": accounts(&after)});
        if source.is_refused {
            post["expectException"] = json!("invalid");
        }
        let env = json!({
            "currentCoinbase": hexadecimal(&environment.proposer.0),
            "currentGasLimit": format!("{:#x}", environment.gas_limit),
            "currentNumber": format!("{:#x}", environment.height),
            "currentTimestamp": format!("{:#x}", environment.timestamp_s),
            "currentBaseFee": format!("{:#x}", environment.ethereum.base_fee.0),
            "currentRandom": hexadecimal(&environment.ethereum.prevrandao.0),
        });
        let test =
            json!({"env": env, "pre": accounts(&before), "post": {"Osaka": [post]}, "config": {"chainid": "0x1"}});
        tests.insert(source.name.to_owned(), test);
    }
    Value::Object(tests)
}
