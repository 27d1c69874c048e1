//! A native module for the scripts to call, and what it does by the model.

use entente_crypto::Suite;
use entente_host::{
    ContractFault, Fault, Host, NativeAccess, NativeFunction, NativeGas, NativeModule, NativeRegistry, NativeResult,
};
use entente_types::{Address, Log};

use crate::common::selector;

pub const NATIVE: Address = Address([0x90; 20]);
pub const GAS: u64 = 5_000_000;
pub const GAS_BYTE: u64 = 1_000;

pub const PEEK: &str = "peek(bytes)";
pub const POKE: &str = "poke(bytes)";
pub const REFUSE: &str = "refuse()";

fn refusal() -> Fault {
    ContractFault::Native("no".into()).into()
}

/// Gives back caller, storage address and the value under a key.
fn peek(host: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    let key = arguments.get(..1).ok_or_else(refusal)?;
    let frame = host.frame();
    let mut output = [frame.caller.0, frame.storage_address.0].concat();
    output.extend_from_slice(host.storage_get(key)?.unwrap_or_default());
    Ok(output)
}

/// Sets the value under a key, and tells of it.
fn poke(host: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    let (key, value) = arguments.split_at_checked(1).ok_or_else(refusal)?;
    host.storage_set(key, Some(value.into()))?;
    let address = host.frame().storage_address;
    host.emit(Log { address, topics: Vec::new(), data: key.to_vec() })?;
    Ok(Vec::new())
}

fn refuse(_: &mut dyn Host, _: &[u8]) -> NativeResult {
    Err(refusal())
}

const FUNCTIONS: &[NativeFunction] = &[
    NativeFunction {
        signature: PEEK,
        outputs: "(bytes)",
        gas: |_| NativeGas { base: GAS, byte: GAS_BYTE },
        access: NativeAccess::Read,
        doc: "Reads.",
        run: peek,
    },
    NativeFunction {
        signature: POKE,
        outputs: "()",
        gas: |_| NativeGas { base: GAS, byte: GAS_BYTE },
        access: NativeAccess::Write,
        doc: "Writes.",
        run: poke,
    },
    NativeFunction {
        signature: REFUSE,
        outputs: "()",
        gas: |_| NativeGas { base: GAS, byte: GAS_BYTE },
        access: NativeAccess::Read,
        doc: "Refuses.",
        run: refuse,
    },
];

pub fn natives() -> NativeRegistry {
    let module = NativeModule { address: NATIVE, name: "test", doc: "For tests.", functions: FUNCTIONS, events: &[] };
    NativeRegistry::new(Suite::Standard, &[module]).expect("one module")
}

/// An input that calls a function.
pub fn input(signature: &str, arguments: &[u8]) -> Vec<u8> {
    [&selector(signature), arguments].concat()
}

/// What an input asks for.
pub enum Asked<'a> {
    Peek(&'a [u8]),
    Poke(&'a [u8], &'a [u8]),
    Refusal,
}

pub fn asked(input: &[u8]) -> Option<Asked<'_>> {
    let (called, arguments) = input.split_at_checked(4)?;
    if called == selector(PEEK) {
        return Some(arguments.get(..1).map_or(Asked::Refusal, Asked::Peek));
    }
    if called == selector(POKE) {
        return Some(arguments.split_at_checked(1).map_or(Asked::Refusal, |(key, value)| Asked::Poke(key, value)));
    }
    (called == selector(REFUSE)).then_some(Asked::Refusal)
}
