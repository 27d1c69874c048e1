//! What happens between the chain's call of an export and a contract's method.
//!
//! The macro writes a [`Contract`] of these functions; they are here, not in what it writes, so that they exist once.

use alloc::vec::Vec;

use crate::abi::{AbiDecodeParameters, AbiParameters};
use crate::error::{error_string, error_text};
use crate::{ContractError, sys, types};

/// How a call ends: `Ok` with its output, or `Err` with what it reverts with.
pub type Outcome = Result<Vec<u8>, Vec<u8>>;

/// A contract's storage struct; [`contract`](macro@crate::contract) implements it.
pub trait Contract: Sized {
    /// The ABI as JSON.
    const ABI: &'static str;

    /// The storage of the contract that runs.
    fn open() -> Self;

    /// Runs the constructor with its ABI-encoded arguments.
    fn deploy(arguments: &[u8]) -> Outcome;

    /// Runs the message whose selector begins `input`.
    fn call(input: &[u8]) -> Outcome;
}

/// Runs an export: 0 if it succeeded, 1 if it reverts.
#[inline]
pub fn run(export: fn(&[u8]) -> Outcome) -> i32 {
    let (status, output) = match export(&sys::input()) {
        Ok(output) => (0, output),
        Err(reason) => (1, reason),
    };
    if !output.is_empty() {
        sys::output(&output);
    }
    status
}

/// Splits an input into the selector and the arguments.
#[inline]
pub fn selector(input: &[u8]) -> Result<(u32, &[u8]), Vec<u8>> {
    match input.split_first_chunk() {
        Some((selector, arguments)) => Ok((u32::from_be_bytes(*selector), arguments)),
        None => Err(too_short()),
    }
}

#[cold]
fn too_short() -> Vec<u8> {
    error_string("the input has no selector")
}

/// Reads the arguments.
#[inline]
pub fn arguments<P: AbiDecodeParameters>(arguments: &[u8]) -> Result<P, Vec<u8>> {
    match P::decode_parameters(arguments) {
        Ok(arguments) => Ok(arguments),
        Err(error) => Err(malformed(error)),
    }
}

#[cold]
fn malformed(error: crate::abi::AbiError) -> Vec<u8> {
    error_string(error.message())
}

/// Refuses a value sent to what is not payable.
#[inline]
pub fn refuse_value() -> Result<(), Vec<u8>> {
    if crate::env::value().is_zero() { Ok(()) } else { Err(not_payable()) }
}

#[cold]
fn not_payable() -> Vec<u8> {
    error_string("not payable: a value was sent")
}

/// The outcome of a message that cannot fail.
#[inline]
pub fn answer(results: &impl AbiParameters) -> Outcome {
    Ok(results.encode_parameters())
}

/// The outcome of a message that failed.
#[inline]
pub fn failure(error: &impl ContractError) -> Outcome {
    Err(error.revert_data())
}

/// The outcome of a call to a selector that the contract does not have.
#[cold]
pub fn unknown_selector(selector: u32) -> Outcome {
    let mut message = *b"unknown selector 0x........";
    message[19..].copy_from_slice(&types::hex_of_selector(selector));
    Err(error_text(&message))
}
