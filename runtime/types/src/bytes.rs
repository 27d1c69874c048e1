//! Small building blocks of the documents: a version byte, bounded bytes, an amount.

use std::{fmt, str::FromStr};

use parity_scale_codec::{Compact, Decode, Encode, Error, Input, Output};
use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The version byte that every document begins with. Any other byte is refused on decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version<const NUMBER: u8>;

impl<const NUMBER: u8> Encode for Version<NUMBER> {
    fn size_hint(&self) -> usize {
        1
    }

    fn encode_to<O: Output + ?Sized>(&self, output: &mut O) {
        output.push_byte(NUMBER);
    }
}

impl<const NUMBER: u8> Decode for Version<NUMBER> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        if input.read_byte()? == NUMBER { Ok(Self) } else { Err("unknown version of the document".into()) }
    }
}

impl<const NUMBER: u8> Serialize for Version<NUMBER> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(NUMBER)
    }
}

impl<'de, const NUMBER: u8> Deserialize<'de> for Version<NUMBER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u8::deserialize(deserializer)?;
        if found == NUMBER { Ok(Self) } else { Err(D::Error::custom(format!("version {found} is not {NUMBER}"))) }
    }
}

/// Bytes with a bound that is checked before anything is allocated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// The bytes, or nothing where they are more than `MAX`.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX).then_some(Self(bytes))
    }

    /// The bytes themselves.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> std::ops::Deref for Bytes<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Encode for Bytes<MAX> {
    fn size_hint(&self) -> usize {
        self.0.size_hint()
    }

    fn encode_to<O: Output + ?Sized>(&self, output: &mut O) {
        self.0.encode_to(output);
    }
}

impl<const MAX: usize> Decode for Bytes<MAX> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let length = Compact::<u32>::decode(input)?.0 as usize;
        if length > MAX {
            return Err("more bytes than the field may hold".into());
        }
        if input.remaining_len()?.is_some_and(|remaining| remaining < length) {
            return Err("fewer bytes than announced".into());
        }
        let mut bytes = vec![0; length];
        input.read(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl<const MAX: usize> fmt::Debug for Bytes<MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0x{}", hex::encode(&self.0))
    }
}

impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex_bytes::serialize(&self.0, serializer)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = hex_bytes::deserialize(deserializer)?;
        let length = bytes.len();
        Self::new(bytes).ok_or_else(|| D::Error::custom(format!("{length} bytes where at most {MAX} are allowed")))
    }
}

/// Bytes as hexadecimal with `0x`: what every JSON view shows them as. For serde's `with`.
pub mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes `0x` and the digits.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(bytes))
    }

    /// Reads digits with or without `0x`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        decode(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// `0x` and the digits.
    pub fn encode(bytes: &[u8]) -> String {
        const_hex::encode_prefixed(bytes)
    }

    /// The bytes of digits with or without `0x`.
    pub fn decode(text: &str) -> Result<Vec<u8>, hex::FromHexError> {
        decode_digits(text.strip_prefix("0x").unwrap_or(text))
    }

    /// The bytes of digits alone.
    pub fn decode_digits(digits: &str) -> Result<Vec<u8>, hex::FromHexError> {
        match const_hex::decode(digits) {
            // It passes over a `0x`.
            Ok(bytes) if bytes.len() * 2 == digits.len() => Ok(bytes),
            _ => hex::decode(digits),
        }
    }
}

/// The same for as many bytes as a field must have.
pub(crate) mod hex_array {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes `0x` and the digits.
    pub(crate) fn serialize<S: Serializer, const LENGTH: usize>(
        bytes: &[u8; LENGTH],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::hex_bytes::serialize(bytes, serializer)
    }

    /// Reads digits with or without `0x`, as many as there must be.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const LENGTH: usize>(
        deserializer: D,
    ) -> Result<[u8; LENGTH], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; LENGTH];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(&text), &mut bytes)
            .map_err(|error| D::Error::custom(format!("{LENGTH} bytes as hexadecimal are expected ({error})")))?;
        Ok(bytes)
    }
}

/// An amount of the group's coin, where genesis gives it one: 256 bits, encoded as 32 bytes little-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(pub U256);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// The 32 bytes, little-endian.
    pub const fn to_le_bytes(&self) -> [u8; 32] {
        self.0.to_le_bytes()
    }

    /// The amount that these bytes, little-endian, are.
    pub const fn from_le_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_le_bytes(bytes))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl From<u64> for Amount {
    fn from(amount: u64) -> Self {
        Self(U256::from(amount))
    }
}

impl Encode for Amount {
    fn size_hint(&self) -> usize {
        32
    }

    fn encode_to<O: Output + ?Sized>(&self, output: &mut O) {
        output.write(&self.to_le_bytes());
    }
}

impl Decode for Amount {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        <[u8; 32]>::decode(input).map(Self::from_le_bytes)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        U256::from_str(&text).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_checked_before_the_bytes_are_read() {
        let encoded = vec![7_u8; 9].encode();
        assert!(Bytes::<8>::decode(&mut encoded.as_slice()).is_err());
        assert_eq!(Bytes::<9>::decode(&mut encoded.as_slice()).unwrap().len(), 9);
        // A length of a gigabyte with nothing behind it.
        let lying = Compact(1_u32 << 30).encode();
        assert!(Bytes::<{ usize::MAX }>::decode(&mut lying.as_slice()).is_err());
    }

    #[test]
    fn digits_have_one_prefix_or_none() {
        for text in ["0x01aB", "01Ab"] {
            assert_eq!(hex_bytes::decode(text).unwrap(), [1, 0xab]);
        }
        assert!(hex_bytes::decode("0x").unwrap().is_empty());
        assert_eq!(hex_bytes::encode(&[1, 0xab]), "0x01ab");
        for text in ["0x0x01ab", "0x1", "1", "0x0g", "0X01", "x"] {
            assert!(hex_bytes::decode(text).is_err(), "{text}");
        }
        assert!(hex_bytes::decode_digits("0x01ab").is_err());
    }

    #[test]
    fn other_versions_are_refused() {
        assert_eq!(Version::<1>.encode(), [1]);
        assert!(Version::<1>::decode(&mut [2_u8].as_slice()).is_err());
    }

    #[test]
    fn amounts_are_little_endian_and_read_both_bases() {
        let amount: Amount = serde_json::from_str("\"0x0102\"").unwrap();
        assert_eq!(amount, Amount::from(258));
        assert_eq!(amount.encode()[..3], [2, 1, 0]);
        assert_eq!(serde_json::from_str::<Amount>("\"258\"").unwrap(), amount);
        assert_eq!(serde_json::to_string(&amount).unwrap(), "\"0x102\"");
    }
}
