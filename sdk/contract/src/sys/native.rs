//! The host functions off chain: answered by the `testing` module's chain, or a panic without it.
// Every function has the signature of its twin in `wasm.rs`, whether its answer needs the arguments or not.
#![allow(unused_variables)]

use alloc::vec::Vec;
use core::mem::MaybeUninit;

/// Asks the running chain; the answer is a `Result` whose fault ends the frame.
#[cfg(feature = "testing")]
macro_rules! on_chain {
    (|$chain:ident| $answer:expr) => {
        crate::testing::host(|$chain| $answer)
    };
}

#[cfg(not(feature = "testing"))]
macro_rules! on_chain {
    (|$chain:ident| $answer:expr) => {
        panic!("not on chain: a contract's host functions need Wasm, or the feature `testing`")
    };
}

pub(crate) fn zeroed(length: usize) -> Vec<u8> {
    alloc::vec![0; length]
}

pub(crate) fn input() -> Vec<u8> {
    on_chain!(|chain| chain.input())
}

pub(crate) fn output(bytes: &[u8]) {
    on_chain!(|chain| chain.output(bytes));
}

pub(crate) fn storage_read(key: &[u8], destination: &mut [MaybeUninit<u8>]) -> Option<usize> {
    on_chain!(|chain| chain.storage_read(key, destination))
}

pub(crate) fn storage_length(key: &[u8]) -> Option<usize> {
    storage_read(key, &mut [])
}

pub(crate) fn storage_write(key: &[u8], value: &[u8]) {
    on_chain!(|chain| chain.storage_write(key, value));
}

pub(crate) fn storage_remove(key: &[u8]) {
    on_chain!(|chain| chain.storage_remove(key));
}

/// What the host knows and gives for the price of its call.
macro_rules! known {
    ($($name:ident -> $type:ty: |$chain:ident| $answer:expr;)*) => {$(
        pub(crate) fn $name() -> $type {
            on_chain!(|$chain| {
                $chain.charge_call()?;
                Ok($answer)
            })
        }
    )*};
}

known! {
    caller -> [u8; 20]: |chain| chain.frame().caller.0;
    address -> [u8; 20]: |chain| chain.frame().storage_address.0;
    origin -> [u8; 20]: |chain| chain.transaction().origin.0;
    value -> [u8; 32]: |chain| chain.frame().value.to_le_bytes();
    transaction_hash -> [u8; 32]: |chain| chain.transaction().hash.0;
    block_number -> u64: |chain| chain.block().number;
    block_timestamp -> u64: |chain| chain.block().timestamp;
    chain_id -> u64: |chain| chain.block().chain_id;
}

pub(crate) fn gas_left() -> u64 {
    on_chain!(|chain| chain.gas_left())
}

/// Writes a log.
pub fn emit(topics: &[[u8; 32]], data: &[u8]) {
    on_chain!(|chain| chain.emit(topics, data));
}

#[cfg(feature = "testing")]
pub(crate) fn call(kind: u32, to: &[u8; 20], gas: u64, value: &[u8; 32], input: &[u8]) -> u32 {
    crate::testing::nested_call(kind, *to, gas, *value, input)
}

#[cfg(feature = "testing")]
pub(crate) fn create(input: &[u8], value: &[u8; 32]) -> (u32, [u8; 20]) {
    crate::testing::nested_create(input, *value)
}

#[cfg(not(feature = "testing"))]
pub(crate) fn call(kind: u32, to: &[u8; 20], gas: u64, value: &[u8; 32], input: &[u8]) -> u32 {
    on_chain!(|chain| ())
}

#[cfg(not(feature = "testing"))]
pub(crate) fn create(input: &[u8], value: &[u8; 32]) -> (u32, [u8; 20]) {
    on_chain!(|chain| ())
}

pub(crate) fn return_data() -> Vec<u8> {
    on_chain!(|chain| chain.return_data())
}

pub(crate) fn keccak256(data: &[u8]) -> [u8; 32] {
    on_chain!(|chain| chain.keccak256(data))
}

pub(crate) fn hash(data: &[u8]) -> [u8; 32] {
    on_chain!(|chain| chain.hash(data))
}

pub(crate) fn digest(algorithm: u32, data: &[u8]) -> [u8; 32] {
    on_chain!(|chain| chain.digest(algorithm, data))
}

pub(crate) fn recover(algorithm: u32, digest: &[u8; 32], signature: &[u8; 65]) -> Option<[u8; 64]> {
    on_chain!(|chain| chain.recover(algorithm, digest, signature))
}

pub(crate) fn verify(algorithm: u32, message: &[u8], signature: &[u8; 64], key: &[u8]) -> bool {
    on_chain!(|chain| chain.verify(algorithm, message, signature, key))
}
