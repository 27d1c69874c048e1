//! The ABI of Solidity: what arguments, results, errors and events look like as bytes.
//!
//! Values stand in 32-byte words; what has no fixed size stands behind the words of its tuple and is named there by
//! its offset. Decoding is strict: a value outside its type's range, an offset or a length beyond the data are
//! errors, and nothing is allocated before its length was checked against the data at hand.

mod elementary;
mod encoder;
mod sequences;

use alloc::vec::Vec;

pub use elementary::Elementary;
pub use encoder::Encoder;

/// The length of one word.
pub const WORD_LENGTH: usize = 32;

/// Why bytes are not the encoding of the wanted types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbiError {
    /// The data ends before the value does.
    TooShort,
    /// A value lies outside the range of its type, such as a `bool` of 2.
    OutOfRange,
    /// A `string` is not UTF-8.
    NotUtf8,
}

impl AbiError {
    /// The text with which a call of malformed arguments reverts.
    pub const fn message(self) -> &'static str {
        match self {
            Self::TooShort => "arguments: too short",
            Self::OutOfRange => "arguments: a value is out of its type's range",
            Self::NotUtf8 => "arguments: a string is not UTF-8",
        }
    }
}

impl core::fmt::Display for AbiError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(self.message())
    }
}

impl core::error::Error for AbiError {}

/// What can be written in the ABI.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no form in Solidity's ABI",
    note = "usable are bool, u8 to u128, i8 to i128, U256, Address, [u8; N], String, Bytes, Vec and tuples of these"
)]
pub trait AbiEncode {
    /// Whether the encoding's length depends on the value.
    const DYNAMIC: bool;
    /// How many bytes the value takes in the head of its tuple.
    const HEAD_LENGTH: usize;

    /// How many bytes the value takes behind the head of its tuple: none unless [`AbiEncode::DYNAMIC`].
    fn tail_length(&self) -> usize;

    /// Writes head and tail.
    fn encode(&self, encoder: &mut Encoder<'_>);
}

/// What can be written in the ABI and read back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from Solidity's ABI",
    note = "usable are bool, u8 to u128, i8 to i128, U256, Address, [u8; N], String, Bytes, Vec and tuples of these"
)]
pub trait Abi: AbiEncode + Sized {
    /// Reads the value whose head begins at `at` in `body`, the encoding of the tuple that it stands in.
    fn decode_at(body: &[u8], at: usize) -> Result<Self, AbiError>;
}

/// A list of values as it stands behind a selector: a tuple without an offset of its own.
pub trait AbiParameters {
    /// The length of the components' heads.
    const HEADS_LENGTH: usize;

    /// The length of the components' tails.
    fn tails_length(&self) -> usize;

    /// Writes the components, one after the other.
    fn encode_components(&self, encoder: &mut Encoder<'_>);

    /// The encoding behind a prefix, such as a selector.
    fn encode_after(&self, prefix: &[u8]) -> Vec<u8> {
        let body_length = Self::HEADS_LENGTH.wrapping_add(self.tails_length());
        let mut buffer = crate::sys::zeroed(prefix.len().wrapping_add(body_length));
        if let Some((start, body)) = buffer.split_at_mut_checked(prefix.len()) {
            start.copy_from_slice(prefix);
            self.encode_components(&mut Encoder::new(body, Self::HEADS_LENGTH));
        }
        buffer
    }

    /// The encoding.
    fn encode_parameters(&self) -> Vec<u8> {
        self.encode_after(&[])
    }
}

/// A list of values that can be read back.
pub trait AbiDecodeParameters: AbiParameters + Sized {
    /// Reads the components; what stands behind them is not looked at, as in Solidity.
    fn decode_parameters(body: &[u8]) -> Result<Self, AbiError>;
}

/// The word at `at`.
#[inline]
pub(crate) fn word(body: &[u8], at: usize) -> Result<&[u8; WORD_LENGTH], AbiError> {
    body.get(at..).and_then(<[u8]>::first_chunk).ok_or(AbiError::TooShort)
}

/// The word at `at` as a length or an offset, neither of which can exceed `body`'s length.
pub(crate) fn length(body: &[u8], at: usize) -> Result<usize, AbiError> {
    let (zeros, low) = word(body, at)?.split_at(WORD_LENGTH - 4);
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(AbiError::TooShort);
    }
    let low = <[u8; 4]>::try_from(low).map_or(usize::MAX, |low| u32::from_be_bytes(low) as usize);
    if low > body.len() { Err(AbiError::TooShort) } else { Ok(low) }
}

/// What the offset at `at` points to, up to the end of `body`.
pub(crate) fn tail(body: &[u8], at: usize) -> Result<&[u8], AbiError> {
    let offset = length(body, at)?;
    body.get(offset..).ok_or(AbiError::TooShort)
}

/// `length` rounded up to whole words.
pub(crate) const fn padded(length: usize) -> usize {
    length.wrapping_add(WORD_LENGTH - 1) & !(WORD_LENGTH - 1)
}
