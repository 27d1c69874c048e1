//! What a revert says without an ABI: Solidity's `Error(string)` and `Panic(uint256)`, which Rust contracts use too.

use std::fmt;

/// The selector of `Error(string)`.
const ERROR_SELECTOR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// The selector of `Panic(uint256)`.
const PANIC_SELECTOR: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// The reason of a revert, read from its output.
///
/// ```
/// use entente_types::RevertReason;
///
/// let mut output = vec![0; 36];
/// output[..4].copy_from_slice(&[0x4e, 0x48, 0x7b, 0x71]);
/// output[35] = 0x11;
/// let reason = RevertReason::decode(&output).ok_or("no reason")?;
/// assert_eq!(reason.to_string(), "panic 0x11: an arithmetic operation overflowed");
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertReason {
    /// A text of the contract's author. It comes from a stranger, and may hold any characters.
    Error(String),
    /// A code of the compiler's.
    Panic(u64),
}

impl RevertReason {
    /// The reason, if the output is one of the two errors. An error of a contract's own is told by its ABI alone.
    pub fn decode(output: &[u8]) -> Option<Self> {
        let (selector, data) = output.split_first_chunk::<4>()?;
        match *selector {
            ERROR_SELECTOR => {
                let place = usize::try_from(word(data)?).ok()?;
                let text = data.get(place..)?;
                let length = usize::try_from(word(text)?).ok()?;
                let bytes = text.get(32..)?.get(..length)?;
                Some(Self::Error(String::from_utf8_lossy(bytes).into_owned()))
            }
            PANIC_SELECTOR => word(data).map(Self::Panic),
            _ => None,
        }
    }
}

impl fmt::Display for RevertReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(text) => formatter.write_str(text),
            Self::Panic(code) => write!(formatter, "panic {code:#04x}: {}", panic_meaning(*code)),
        }
    }
}

/// The number that a word holds, if it is one of 64 bits.
fn word(data: &[u8]) -> Option<u64> {
    let (high, low) = data.first_chunk::<32>()?.split_last_chunk::<8>()?;
    high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(*low))
}

/// What Solidity's documentation says of a panic's code ("Panic via assert and Error via require").
pub const fn panic_meaning(code: u64) -> &'static str {
    match code {
        0x00 => "a panic that the compiler put in",
        0x01 => "an assertion failed",
        0x11 => "an arithmetic operation overflowed",
        0x12 => "division by zero",
        0x21 => "a number that is no value of the enum",
        0x22 => "a byte array in storage is encoded wrongly",
        0x31 => "pop on an empty array",
        0x32 => "an index out of bounds",
        0x41 => "too much memory was asked for",
        0x51 => "a function variable that was never set was called",
        _ => "a code that Solidity does not define",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u64) -> Vec<u8> {
        [[0; 24].as_slice(), &value.to_be_bytes()].concat()
    }

    fn error(place: u64, length: u64, text: &[u8]) -> Vec<u8> {
        [ERROR_SELECTOR.as_slice(), &number(place), &number(length), text].concat()
    }

    #[test]
    fn texts_are_read_with_padding_or_without() {
        let closed = RevertReason::Error("closed".into());
        assert_eq!(RevertReason::decode(&error(32, 6, b"closed")), Some(closed.clone()));
        let mut padded = b"closed".to_vec();
        padded.resize(32, 0);
        assert_eq!(RevertReason::decode(&error(32, 6, &padded)), Some(closed));
        assert_eq!(RevertReason::decode(&error(32, 0, b"")).map(|reason| reason.to_string()), Some(String::new()));
        assert_eq!(RevertReason::decode(&error(32, 1, b"\xff")), Some(RevertReason::Error("\u{fffd}".into())));
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_is_no_reason() {
        for output in [
            error(32, 7, b"closed"),
            error(32, u64::MAX, b"closed"),
            error(u64::MAX, 6, b"closed"),
            error(33, 6, b"closed"),
            ERROR_SELECTOR.to_vec(),
            [PANIC_SELECTOR.as_slice(), &[0; 31]].concat(),
            [PANIC_SELECTOR.as_slice(), &[1], &[0; 31]].concat(),
            [b"abcd".as_slice(), &number(1)].concat(),
            vec![0x08, 0xc3],
            Vec::new(),
        ] {
            assert_eq!(RevertReason::decode(&output), None, "{output:?}");
        }
    }

    #[test]
    fn each_code_of_a_panic_has_its_meaning() {
        let codes = [0x00, 0x01, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32, 0x41, 0x51];
        let meanings: std::collections::BTreeSet<&str> = codes.iter().map(|code| panic_meaning(*code)).collect();
        assert_eq!(meanings.len(), codes.len());
        assert!(!meanings.contains(panic_meaning(0x52)));
        let panic = RevertReason::decode(&[PANIC_SELECTOR.as_slice(), &number(0x32)].concat());
        assert_eq!(panic.map(|panic| panic.to_string()).as_deref(), Some("panic 0x32: an index out of bounds"));
    }
}
