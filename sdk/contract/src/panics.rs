//! What a panic reverts with, on chain and in native tests.

use alloc::vec::Vec;

use crate::abi::AbiParameters;
use crate::error::error_string;

/// The selector of Solidity's `Panic(uint256)`.
pub(crate) const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
/// Solidity's code of an arithmetic overflow.
const OVERFLOW: u8 = 0x11;
/// Solidity's code of a division by zero.
const DIVISION_BY_ZERO: u8 = 0x12;

/// How much of a panic's message that needs formatting is told.
pub(crate) const PANIC_TEXT_LENGTH_MAX: usize = 256;

/// What a panic whose message stands in the code reverts with: Solidity's `Panic` for the compiler's own checks of
/// arithmetic, and for [`U256`](crate::U256)'s, whose texts are the same; `Error` for any other.
pub(crate) fn panic_data(message: &str) -> Vec<u8> {
    match arithmetic(message) {
        Some(code) => (code,).encode_after(&PANIC),
        None => error_string(message),
    }
}

/// The panic code of a check of arithmetic.
fn arithmetic(message: &str) -> Option<u8> {
    let message = message.as_bytes();
    if !message.starts_with(b"attempt to ") {
        None
    } else if message.ends_with(b"overflow") {
        Some(OVERFLOW)
    } else if message.ends_with(b"zero") {
        Some(DIVISION_BY_ZERO)
    } else {
        None
    }
}
