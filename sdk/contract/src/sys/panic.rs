//! What a panic of a contract becomes: a revert that the caller's tools can read.

use core::fmt::Write;
use core::panic::PanicInfo;

use crate::error::error_text;
use crate::panics::{PANIC_TEXT_LENGTH_MAX, panic_data};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let message = info.message();
    let mut text = Text { bytes: [0; PANIC_TEXT_LENGTH_MAX], length: 0 };
    let data = match message.as_str() {
        Some(message) => panic_data(message),
        None => {
            let _ = core::fmt::write(&mut text, format_args!("{message}"));
            error_text(text.bytes.get(..text.length).unwrap_or_default())
        }
    };
    super::revert(&data)
}

/// A text, cut off where it is too long.
struct Text {
    bytes: [u8; PANIC_TEXT_LENGTH_MAX],
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
