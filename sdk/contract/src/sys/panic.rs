//! What a panic of a contract becomes: a revert that the caller's tools can read.

use core::fmt::Write;
use core::panic::PanicInfo;

use crate::abi::AbiParameters;
use crate::error::{error_string, error_text};

/// The selector of Solidity's `Panic(uint256)`.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
/// Solidity's code of an arithmetic overflow.
const OVERFLOW: u8 = 0x11;
/// Solidity's code of a division by zero.
const DIVISION_BY_ZERO: u8 = 0x12;

/// How much of a message that needs formatting is told.
const TEXT_LENGTH_MAX: usize = 256;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let message = info.message();
    let mut text = Text { bytes: [0; TEXT_LENGTH_MAX], length: 0 };
    let data = match message.as_str() {
        Some(message) => match arithmetic(message) {
            Some(code) => (code,).encode_after(&PANIC),
            None => error_string(message),
        },
        None => {
            let _ = core::fmt::write(&mut text, format_args!("{message}"));
            error_text(text.bytes.get(..text.length).unwrap_or_default())
        }
    };
    super::revert(&data)
}

/// A text, cut off where it is too long.
struct Text {
    bytes: [u8; TEXT_LENGTH_MAX],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let mut end = text.len().min(room.len());
        while !text.is_char_boundary(end) {
            end = end.wrapping_sub(1);
        }
        if let (Some(place), Some(text)) = (room.get_mut(..end), text.as_bytes().get(..end)) {
            place.copy_from_slice(text);
        }
        self.length = self.length.wrapping_add(end);
        if end == text.len() { Ok(()) } else { Err(core::fmt::Error) }
    }
}

/// The panic code of the compiler's own texts, and of `U256`'s, which are the same.
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
