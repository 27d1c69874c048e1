//! Why a contract undid what it did, from what it gave back (Solidity's `Error(string)` and `Panic(uint256)`).

use crate::error::RpcError;

/// The code of Ethereum's nodes for what reverted.
pub(crate) const REVERTED: i32 = 3;

/// The selector of `Error(string)`.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// The selector of `Panic(uint256)`.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
/// The bytes of a reason that are repeated.
const REASON_BYTES_MAX: usize = 1024;

/// The number in a word, if it is small.
fn small(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(32)?)?;
    let (zeros, number) = word.split_last_chunk::<8>()?;
    if zeros.iter().any(|byte| *byte != 0) {
        return None;
    }
    usize::try_from(u64::from_be_bytes(*number)).ok()
}

/// What the code of a panic means.
fn panic_reason(code: usize) -> Option<&'static str> {
    Some(match code {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return None,
    })
}

/// The reason that the output of a revert says, if it says one.
pub(crate) fn reason(output: &[u8]) -> Option<String> {
    let (selector, rest) = output.split_first_chunk::<4>()?;
    if *selector == PANIC {
        let code = small(rest, 0)?;
        return Some(panic_reason(code).map_or_else(|| format!("unknown panic code: {code:#x}"), str::to_owned));
    }
    if *selector != ERROR {
        return None;
    }
    let at = small(rest, 0)?;
    let (length, start) = (small(rest, at)?, at.checked_add(32)?);
    let text = rest.get(start..start.checked_add(length)?)?;
    Some(String::from_utf8_lossy(text.get(..REASON_BYTES_MAX).unwrap_or(text)).into_owned())
}

/// The error of what reverted with this output, which it bears.
pub(crate) fn reverted(output: &[u8]) -> RpcError {
    let message = match reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".to_owned(),
    };
    RpcError::new(REVERTED, message).bearing(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorData;

    fn word(number: u64) -> [u8; 32] {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&number.to_be_bytes());
        word
    }

    #[test]
    fn reasons_are_read_and_what_is_none_is_passed_over() {
        let mut text = [0; 32];
        text[..5].copy_from_slice(b"empty");
        let error = [&ERROR[..], &word(32), &word(5), &text].concat();
        assert_eq!(reason(&error).as_deref(), Some("empty"));
        let panic = |code| [&PANIC[..], &word(code)].concat();
        assert_eq!(reason(&panic(0x11)).as_deref(), Some("arithmetic underflow or overflow"));
        assert_eq!(reason(&panic(0x77)).as_deref(), Some("unknown panic code: 0x77"));
        for end in 0..error.len() - 27 {
            assert_eq!(reason(&error[..end]), None, "{end}");
        }
        let endless = [&ERROR[..], &[0xff; 96]].concat();
        assert_eq!((reason(&endless), reason(&[1, 2, 3, 4, 5])), (None, None));
        let long = [&ERROR[..], &word(32), &word(5_000), &[b'a'; 5_000]].concat();
        assert_eq!(reason(&long).unwrap().len(), REASON_BYTES_MAX);
    }

    #[test]
    fn the_error_bears_the_output() {
        let error = reverted(&[1, 2]);
        assert_eq!(
            (error.code, error.message.as_str(), error.data),
            (3, "execution reverted", Some(ErrorData::Output("0x0102".to_owned())))
        );
    }
}
