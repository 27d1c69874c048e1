//! Numbers as Ethereum shows them.

use entente_types::Amount;
use serde::{Serialize, Serializer};

/// A number: 0x and hexadecimal digits, without zeros in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quantity(pub(crate) u64);

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

/// The number that bytes are, big-endian: at most the first 32 of them count.
pub(crate) fn big_endian(bytes: &[u8]) -> Amount {
    let mut number = [0; 32];
    for (place, byte) in number.iter_mut().zip(bytes.iter().rev()) {
        *place = *byte;
    }
    Amount::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_zeros_in_front() {
        let text = |number: u64| serde_json::to_string(&Quantity(number)).unwrap();
        assert_eq!((text(0).as_str(), text(1024).as_str()), ("\"0x0\"", "\"0x400\""));
        let mut bytes = [0; 32];
        bytes[30] = 4;
        assert_eq!(serde_json::to_string(&big_endian(&bytes)).unwrap(), "\"0x400\"");
        assert_eq!(big_endian(&[]), Amount::ZERO);
    }
}
