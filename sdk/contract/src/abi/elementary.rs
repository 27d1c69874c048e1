//! Types of one word.

use super::{Abi, AbiEncode, AbiError, Encoder, WORD_LENGTH, word};
use crate::{Address, U256};

/// A type whose value is one word.
pub trait Elementary: Sized {
    /// Writes the value into a word of zeros.
    fn write_word(&self, word: &mut [u8; WORD_LENGTH]);

    /// Reads the value; what the type cannot hold is an error.
    fn from_word(word: &[u8; WORD_LENGTH]) -> Result<Self, AbiError>;
}

macro_rules! one_word {
    ($(($($generics:tt)*) $type:ty),*) => {$(
        impl<$($generics)*> AbiEncode for $type {
            const DYNAMIC: bool = false;
            const HEAD_LENGTH: usize = WORD_LENGTH;

            #[inline]
            fn tail_length(&self) -> usize {
                0
            }

            #[inline]
            fn encode(&self, encoder: &mut Encoder<'_>) {
                self.write_word(encoder.word());
            }
        }

        impl<$($generics)*> Abi for $type {
            #[inline]
            fn decode_at(body: &[u8], at: usize) -> Result<Self, AbiError> {
                Self::from_word(word(body, at)?)
            }
        }
    )*};
}

one_word!(() bool, () u8, () u16, () u32, () u64, () u128, () i8, () i16, () i32, () i64, () i128);
one_word!(() U256, () Address, (const N: usize) [u8; N]);

macro_rules! integer {
    ($($type:ident $padding:expr),*) => {$(
        impl Elementary for $type {
            #[inline]
            fn write_word(&self, word: &mut [u8; WORD_LENGTH]) {
                const START: usize = WORD_LENGTH - size_of::<$type>();
                // Two's complement: the sign fills the word.
                let padding: fn($type) -> u8 = $padding;
                if padding(*self) != 0 {
                    word[..START].fill(padding(*self));
                }
                word[START..].copy_from_slice(&self.to_be_bytes());
            }

            #[inline]
            fn from_word(word: &[u8; WORD_LENGTH]) -> Result<Self, AbiError> {
                const START: usize = WORD_LENGTH - size_of::<$type>();
                let mut bytes = [0; size_of::<$type>()];
                bytes.copy_from_slice(&word[START..]);
                let value = Self::from_be_bytes(bytes);
                let padding: fn($type) -> u8 = $padding;
                if word[..START].iter().all(|byte| *byte == padding(value)) {
                    Ok(value)
                } else {
                    Err(AbiError::OutOfRange)
                }
            }
        }
    )*};
}

integer!(u8 | _ | 0, u16 | _ | 0, u32 | _ | 0, u64 | _ | 0, u128 | _ | 0);
integer!(i8 | value | (value >> 7).cast_unsigned(), i16 | value | (value >> 15).to_be_bytes()[0]);
integer!(i32 | value | (value >> 31).to_be_bytes()[0], i64 | value | (value >> 63).to_be_bytes()[0]);
integer!(i128 | value | (value >> 127).to_be_bytes()[0]);

impl Elementary for bool {
    #[inline]
    fn write_word(&self, word: &mut [u8; WORD_LENGTH]) {
        word[WORD_LENGTH - 1] = u8::from(*self);
    }

    #[inline]
    fn from_word(word: &[u8; WORD_LENGTH]) -> Result<Self, AbiError> {
        match u8::from_word(word)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(AbiError::OutOfRange),
        }
    }
}

impl Elementary for U256 {
    #[inline]
    fn write_word(&self, word: &mut [u8; WORD_LENGTH]) {
        *word = self.to_be_bytes();
    }

    #[inline]
    fn from_word(word: &[u8; WORD_LENGTH]) -> Result<Self, AbiError> {
        Ok(Self::from_be_bytes(word))
    }
}

impl Elementary for Address {
    #[inline]
    fn write_word(&self, word: &mut [u8; WORD_LENGTH]) {
        word[12..].copy_from_slice(&self.0);
    }

    #[inline]
    fn from_word(word: &[u8; WORD_LENGTH]) -> Result<Self, AbiError> {
        let mut first = [0; 8];
        first.copy_from_slice(&word[..8]);
        let mut second = [0; 4];
        second.copy_from_slice(&word[8..12]);
        if u64::from_ne_bytes(first) != 0 || u32::from_ne_bytes(second) != 0 {
            return Err(AbiError::OutOfRange);
        }
        let mut address = [0; 20];
        address.copy_from_slice(&word[12..]);
        Ok(Self(address))
    }
}

/// `bytesN`: left-aligned, unlike integers.
impl<const N: usize> Elementary for [u8; N] {
    #[inline]
    fn write_word(&self, word: &mut [u8; WORD_LENGTH]) {
        const { assert!(N >= 1 && N <= WORD_LENGTH, "Solidity knows bytes1 to bytes32") };
        word[..N].copy_from_slice(self);
    }

    #[inline]
    fn from_word(word: &[u8; WORD_LENGTH]) -> Result<Self, AbiError> {
        const { assert!(N >= 1 && N <= WORD_LENGTH, "Solidity knows bytes1 to bytes32") };
        let mut bytes = [0; N];
        bytes.copy_from_slice(&word[..N]);
        if word[N..].iter().all(|byte| *byte == 0) { Ok(bytes) } else { Err(AbiError::OutOfRange) }
    }
}
