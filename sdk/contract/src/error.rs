//! How a message fails: what it reverts with.

use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;

use crate::Bytes;
use crate::abi::{AbiDecodeParameters, AbiEncode, AbiParameters, Encoder, WORD_LENGTH, padded};

/// The selector of Solidity's `Error(string)`.
pub(crate) const ERROR_STRING: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];

/// What a message may fail with: `#[error]` implements it with a Solidity error for each variant.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a contract can revert with",
    note = "put #[error] on the enum inside the contract's module, or fail with a &'static str or String"
)]
pub trait ContractError {
    /// The bytes that the caller gets.
    fn revert_data(&self) -> Vec<u8>;

    /// The error that these bytes are, if they are one of these; for callers and tests.
    fn from_revert_data(data: &[u8]) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = data;
        None
    }
}

/// The encoding of Solidity's `Error(string)`.
#[cold]
#[inline(never)]
pub(crate) fn error_string(message: &str) -> Vec<u8> {
    error_text(message.as_bytes())
}

/// The same of a text known to be UTF-8 without a look at it.
#[inline]
pub(crate) fn error_text(message: &[u8]) -> Vec<u8> {
    (Text(message),).encode_after(&ERROR_STRING)
}

/// A string in the ABI, from its bytes.
struct Text<'a>(&'a [u8]);

impl AbiEncode for Text<'_> {
    const DYNAMIC: bool = true;
    const HEAD_LENGTH: usize = WORD_LENGTH;

    fn tail_length(&self) -> usize {
        padded(self.0.len()).wrapping_add(WORD_LENGTH)
    }

    fn encode(&self, encoder: &mut Encoder<'_>) {
        encoder.bytes(self.0);
    }
}

impl ContractError for &str {
    fn revert_data(&self) -> Vec<u8> {
        error_string(self)
    }
}

impl ContractError for String {
    fn revert_data(&self) -> Vec<u8> {
        error_string(self)
    }

    fn from_revert_data(data: &[u8]) -> Option<Self> {
        <(Self,)>::decode_parameters(data.strip_prefix(&ERROR_STRING)?).ok().map(|(message,)| message)
    }
}

/// What cannot fail.
impl ContractError for Infallible {
    fn revert_data(&self) -> Vec<u8> {
        match *self {}
    }
}

/// Raw bytes to revert with, such as another contract's reason passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revert(pub Bytes);

impl ContractError for Revert {
    fn revert_data(&self) -> Vec<u8> {
        self.0.0.clone()
    }

    fn from_revert_data(data: &[u8]) -> Option<Self> {
        Some(Self(Bytes::from(data)))
    }
}
