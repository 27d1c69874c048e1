//! The two identifiers everything else is named by.

use std::{fmt, str::FromStr};

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A text that should have been hexadecimal of a fixed length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes as hexadecimal with or without 0x, found {found:?}")]
pub struct ParseHexError {
    /// The length wanted, in bytes.
    pub expected: usize,
    /// The beginning of what was found.
    pub found: String,
}

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self([0; $length]);

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// The same from a slice, if it has the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "0x{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = ParseHexError;

            fn from_str(text: &str) -> Result<Self, ParseHexError> {
                let mut bytes = [0; $length];
                let digits = text.strip_prefix("0x").unwrap_or(text);
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseHexError {
                    expected: $length,
                    found: text.chars().take(80).collect(),
                })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

fixed_bytes!(
    /// 32 bytes: BLAKE3 in the Standard suite, SM3 in the Guomi suite, Keccak-256 where Ethereum demands it.
    Hash,
    32
);

fixed_bytes!(
    /// 20 bytes that name an account or a contract.
    Address,
    20
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_round_trips_and_wrong_lengths_are_told() {
        let address: Address = "0x00000000000000000000000000000000000010aB".parse().unwrap();
        assert_eq!(address.to_string(), "0x00000000000000000000000000000000000010ab");
        assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        let error = "0x1234".parse::<Address>().unwrap_err();
        assert_eq!(error.expected, 20);
        assert!(error.to_string().contains("0x1234"));
        assert!("zz".repeat(32).parse::<Hash>().is_err());
    }
}
