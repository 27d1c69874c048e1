//! The plain types of a contract: addresses, byte strings, hashes.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use parity_scale_codec::{Decode, Encode, EncodeLike, Error, Input, Output};

/// 32 bytes of a hash; `bytes32` in the ABI.
pub type Hash32 = [u8; 32];

/// An account or a contract; `address` in the ABI. Displays as hex with `0x`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// The address of twenty zero bytes, which nobody holds a key of.
    pub const ZERO: Self = Self([0; 20]);

    /// Whether this is [`Address::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The twenty bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl From<[u8; 20]> for Address {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(formatter, &self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(formatter, &self.0)
    }
}

impl Encode for Address {
    fn size_hint(&self) -> usize {
        20
    }

    #[inline]
    fn encode_to<T: Output + ?Sized>(&self, output: &mut T) {
        output.write(&self.0);
    }
}

impl EncodeLike for Address {}

impl Decode for Address {
    #[inline]
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let mut bytes = [0; 20];
        input.read(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// A byte string of any length; `bytes` in the ABI, where a `Vec<u8>` would be `uint8[]`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(formatter, &self.0)
    }
}

impl Encode for Bytes {
    fn size_hint(&self) -> usize {
        self.0.size_hint()
    }

    fn encode_to<T: Output + ?Sized>(&self, output: &mut T) {
        self.0.encode_to(output);
    }
}

impl EncodeLike for Bytes {}

impl Decode for Bytes {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Vec::decode(input).map(Self)
    }
}

/// The digits of a nibble.
const HEX: &[u8; 16] = b"0123456789abcdef";

fn write_hex(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    formatter.write_str("0x")?;
    for byte in bytes {
        formatter.write_char(char::from(HEX[usize::from(byte >> 4)]))?;
        formatter.write_char(char::from(HEX[usize::from(byte & 15)]))?;
    }
    Ok(())
}

/// Eight hex digits, without the machinery of formatting: it would double a small contract.
pub(crate) fn hex_of_selector(selector: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (index, digit) in digits.iter_mut().enumerate() {
        *digit = HEX[(selector >> (28 - 4 * index)) as usize & 15];
    }
    digits
}
