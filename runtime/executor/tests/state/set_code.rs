//! The sample's cases of accounts for which another's code stands (EIP-7702).

use entente_crypto::{SecretKey, Suite};
use entente_types::{Address, Authorization};
use ruint::aliases::U256;

use crate::{
    assembler::{CALL, CALLER, DELEGATECALL, SLOAD, STATICCALL, creating},
    cases::{OTHER, Source, TO, asm, call, calling_at, creation, destroying, key, reverting, source, stored, writing},
    ethereum::{Legacy, State, authorize},
};

const CHAIN_ID: u64 = 1;

fn authority() -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[2; 32]).expect("a key")
}

fn at() -> Address {
    authority().public_key().address()
}

fn delegation(address: &Address) -> Vec<u8> {
    [&[0xef, 0x01, 0x00], &address.0[..]].concat()
}

/// The authority as an account with this nonce, for which the code at an address stands already.
fn delegated(to: &Address, nonce: u64) -> (Address, State) {
    let storage = [(U256::from(1), U256::from(4))].into();
    (at(), State { balance: U256::from(90), nonce, code: delegation(to), storage })
}

/// An authorization of the authority.
fn lets(address: Address, nonce: u64) -> Authorization {
    authorize(&authority(), CHAIN_ID, address, nonce)
}

/// A transaction with these authorizations that calls the first contract.
fn sets(name: &'static str, code: &[u8], authorizations: &[Authorization]) -> Source {
    Source { authorizations: authorizations.to_vec(), ..source(name, code) }
}

/// One that calls the authority.
fn calls(name: &'static str, code: &[u8], authorizations: &[Authorization]) -> Source {
    Source { transaction: Legacy { to: Some(at()), value: 3, ..call() }, ..sets(name, code, authorizations) }
}

/// What an address is said to have for code, and what asking costs.
fn inspecting() -> Vec<u8> {
    asm(|code| {
        for (key, instruction) in [(1, 0x3b), (2, 0x3f), (3, 0x31)] {
            code.op(&[0x73]).op(&at().0).op(&[instruction]);
            stored(code, key);
        }
        code.push(40).push(0).push(0).op(&[0x73]).op(&at().0).op(&[0x3c]).push(0).op(&[0x51]);
        stored(code, 4).op(&[0x5a]);
        stored(code, 5);
    })
}

/// What delegated code sees of itself.
fn looking() -> Vec<u8> {
    asm(|code| {
        for (key, instruction) in [(1, 0x30), (2, CALLER), (3, 0x38), (4, 0x34), (5, 0x47)] {
            code.op(&[instruction]);
            stored(code, key);
        }
        code.op(&[0x30, 0x3b]);
        stored(code, 6).push(1).op(&[SLOAD]);
        stored(code, 7);
    })
}

fn authorization_cases() -> Vec<Source> {
    let mut nobodys = lets(TO, 0);
    nobodys.signature[64] = 5;
    let every = authorize(&authority(), 0, TO, 0);
    let other = authorize(&authority(), 2, TO, 0);
    let cleared = [lets(TO, 0), lets(Address::ZERO, 1)];
    let own = authorize(&key(), CHAIN_ID, TO, 1);
    let contract = (at(), State { nonce: 0, code: writing(), ..State::default() });
    let known = (at(), State { balance: U256::from(1), ..State::default() });
    vec![
        calls("an account's code is set and run", &looking(), &[lets(TO, 0)]),
        calls("an authorization for every chain", &looking(), &[every]),
        calls("an authorization for another chain", &looking(), &[other]),
        calls("an authorization with another nonce", &looking(), &[lets(TO, 1)]),
        calls("an authorization with the last nonce", &looking(), &[lets(TO, u64::MAX)]),
        calls("an authorization that nobody signed", &looking(), &[nobodys]),
        calls("the last authorization stands", &looking(), &[lets(OTHER, 0), lets(TO, 1), lets(OTHER, 1)]),
        calls("what was set is taken back at once", &looking(), &cleared),
        sets("the sender's own code is set", &calling_at(&key().public_key().address(), CALL, Some(1)), &[own]),
        Source { accounts: vec![known], ..calls("an account that is there gets gas back", &writing(), &[lets(TO, 0)]) },
        Source { accounts: vec![contract], ..calls("a contract's code is not set", &looking(), &[lets(TO, 0)]) },
        Source {
            accounts: vec![delegated(&OTHER, 7)],
            ..calls("another's code comes to stand", &looking(), &[lets(TO, 7)])
        },
        Source {
            accounts: vec![delegated(&TO, 7)],
            ..calls("a delegation is taken back", &looking(), &[lets(Address::ZERO, 7)])
        },
        calls("an authorization stands though the call reverts", &reverting(), &[lets(TO, 0)]),
        calls("an authorization stands though the call fails", &[0xfe], &[lets(TO, 0)]),
    ]
}

fn code_cases() -> Vec<Source> {
    let with = |name, to: &Address, code: &[u8]| Source {
        accounts: vec![delegated(to, 5)],
        other: writing(),
        ..source(name, code)
    };
    let called = |name, to: &Address, code: &[u8]| Source {
        transaction: Legacy { to: Some(at()), ..call() },
        ..with(name, to, code)
    };
    let precompile = |number: u8| {
        let mut address = Address::ZERO;
        address.0[19] = number;
        address
    };
    let sender = (
        key().public_key().address(),
        State { balance: U256::from(1_000_000_000_u64), code: delegation(&OTHER), ..State::default() },
    );
    vec![
        with("another's code is called", &OTHER, &calling_at(&at(), CALL, Some(2))),
        with("another's code is called with the caller's storage", &OTHER, &calling_at(&at(), 0xf2, Some(2))),
        with("another's code is delegated to", &OTHER, &calling_at(&at(), DELEGATECALL, None)),
        with("another's code cannot write by a static call", &OTHER, &calling_at(&at(), STATICCALL, None)),
        with("what is seen of another's code", &OTHER, &inspecting()),
        with("a delegation to itself is no code", &at(), &calling_at(&at(), CALL, Some(0))),
        with("a delegation to a precompile runs nothing", &precompile(4), &calling_at(&at(), CALL, Some(1))),
        with("a delegation to nothing runs nothing", &Address([0xdd; 20]), &calling_at(&at(), CALL, Some(1))),
        called("a delegated account is called by a transaction", &TO, &looking()),
        called("a delegated account creates", &TO, &creation(&creating(&writing()), None)),
        called("a delegated account is not removed", &TO, &destroying()),
        called("whose code stands is warm", &TO, &calling_at(&TO, STATICCALL, None)),
        Source { accounts: vec![sender], ..source("a delegated account sends", &writing()) },
    ]
}

pub(crate) fn cases() -> Vec<Source> {
    [authorization_cases(), code_cases()].into_iter().flatten().collect()
}
