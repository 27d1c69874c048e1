//! Types of more than one word: strings, lists, tuples.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Abi, AbiDecodeParameters, AbiEncode, AbiError, AbiParameters, Encoder, WORD_LENGTH, length, padded, tail};
use crate::Bytes;

/// The bytes of a `bytes` or `string`, which stand behind their length.
fn bytes_at(body: &[u8], at: usize) -> Result<&[u8], AbiError> {
    let tail = tail(body, at)?;
    let length = length(tail, 0)?;
    tail.get(WORD_LENGTH..).and_then(|bytes| bytes.get(..length)).ok_or(AbiError::TooShort)
}

macro_rules! byte_string {
    ($($type:ty),*) => {$(
        impl AbiEncode for $type {
            const DYNAMIC: bool = true;
            const HEAD_LENGTH: usize = WORD_LENGTH;

            fn tail_length(&self) -> usize {
                let bytes: &[u8] = self.as_ref();
                padded(bytes.len()).wrapping_add(WORD_LENGTH)
            }

            fn encode(&self, encoder: &mut Encoder<'_>) {
                encoder.bytes(self.as_ref());
            }
        }
    )*};
}

byte_string!(str, String, Bytes);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Abi for Bytes {
    fn decode_at(body: &[u8], at: usize) -> Result<Self, AbiError> {
        bytes_at(body, at).map(Self::from)
    }
}

impl Abi for String {
    fn decode_at(body: &[u8], at: usize) -> Result<Self, AbiError> {
        let text = core::str::from_utf8(bytes_at(body, at)?).map_err(|_| AbiError::NotUtf8)?;
        Ok(text.into())
    }
}

impl<T: AbiEncode> AbiEncode for Vec<T> {
    const DYNAMIC: bool = true;
    const HEAD_LENGTH: usize = WORD_LENGTH;

    fn tail_length(&self) -> usize {
        let heads_length = self.len().wrapping_mul(T::HEAD_LENGTH).wrapping_add(WORD_LENGTH);
        self.iter().fold(heads_length, |length, element| length.wrapping_add(element.tail_length()))
    }

    fn encode(&self, encoder: &mut Encoder<'_>) {
        encoder.sequence(Some(self.len()), self.len().wrapping_mul(T::HEAD_LENGTH), |encoder| {
            for element in self {
                element.encode(encoder);
            }
        });
    }
}

impl<T: Abi> Abi for Vec<T> {
    fn decode_at(body: &[u8], at: usize) -> Result<Self, AbiError> {
        // An element of no length would let a small input ask for any number of elements.
        const { assert!(T::HEAD_LENGTH > 0, "a list's elements need a length") };
        let tail = tail(body, at)?;
        let count = length(tail, 0)?;
        let elements = tail.get(WORD_LENGTH..).ok_or(AbiError::TooShort)?;
        if count > elements.len() / T::HEAD_LENGTH {
            return Err(AbiError::TooShort);
        }
        (0..count).map(|index| T::decode_at(elements, index.wrapping_mul(T::HEAD_LENGTH))).collect()
    }
}

impl<T: AbiEncode + ?Sized> AbiEncode for &T {
    const DYNAMIC: bool = T::DYNAMIC;
    const HEAD_LENGTH: usize = T::HEAD_LENGTH;

    #[inline]
    fn tail_length(&self) -> usize {
        T::tail_length(self)
    }

    #[inline]
    fn encode(&self, encoder: &mut Encoder<'_>) {
        T::encode(self, encoder);
    }
}

impl AbiParameters for () {
    const HEADS_LENGTH: usize = 0;

    fn tails_length(&self) -> usize {
        0
    }

    fn encode_components(&self, _encoder: &mut Encoder<'_>) {}
}

impl AbiDecodeParameters for () {
    fn decode_parameters(_body: &[u8]) -> Result<Self, AbiError> {
        Ok(())
    }
}

macro_rules! tuple {
    ($($type:ident $index:tt),*) => {
        impl<$($type: AbiEncode),*> AbiParameters for ($($type,)*) {
            const HEADS_LENGTH: usize = 0 $(+ $type::HEAD_LENGTH)*;

            #[inline]
            fn tails_length(&self) -> usize {
                0usize $(.wrapping_add(self.$index.tail_length()))*
            }

            #[inline]
            fn encode_components(&self, encoder: &mut Encoder<'_>) {
                $(self.$index.encode(encoder);)*
            }
        }

        impl<$($type: AbiEncode),*> AbiEncode for ($($type,)*) {
            const DYNAMIC: bool = false $(|| $type::DYNAMIC)*;
            const HEAD_LENGTH: usize = if Self::DYNAMIC { WORD_LENGTH } else { Self::HEADS_LENGTH };

            fn tail_length(&self) -> usize {
                if Self::DYNAMIC { Self::HEADS_LENGTH.wrapping_add(self.tails_length()) } else { 0 }
            }

            fn encode(&self, encoder: &mut Encoder<'_>) {
                if Self::DYNAMIC {
                    encoder.sequence(None, Self::HEADS_LENGTH, |encoder| self.encode_components(encoder));
                } else {
                    self.encode_components(encoder);
                }
            }
        }

        impl<$($type: Abi),*> AbiDecodeParameters for ($($type,)*) {
            #[inline]
            fn decode_parameters(body: &[u8]) -> Result<Self, AbiError> {
                tuple!(decode body, 0usize, $($type),*)
            }
        }

        impl<$($type: Abi),*> Abi for ($($type,)*) {
            fn decode_at(body: &[u8], at: usize) -> Result<Self, AbiError> {
                if Self::DYNAMIC {
                    Self::decode_parameters(tail(body, at)?)
                } else {
                    tuple!(decode body, at, $($type),*)
                }
            }
        }
    };
    (decode $body:expr, $at:expr, $($type:ident),*) => {{
        let body = $body;
        let mut next = $at;
        Ok(($({
            let at = next;
            next = at.wrapping_add($type::HEAD_LENGTH);
            // The last component's end is not needed.
            let _ = next;
            $type::decode_at(body, at)?
        },)*))
    }};
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
