//! What rows hold.

use std::{fmt, ops::Deref};

use parity_scale_codec::{Decode, Encode, EncodeLike, Error, Input, Output};

/// The most bytes that lie where the value lies. Accounts without code have 42, words of EVM code 32.
const SHORT_BYTES_MAX: usize = 46;

/// What a row holds. A block reads and writes tens of thousands of values, most of them short: those take no room of
/// their own on the heap.
#[derive(Clone)]
pub struct RowValue(Kept);

#[derive(Clone)]
enum Kept {
    Short { length: u8, bytes: [u8; SHORT_BYTES_MAX] },
    Long(Vec<u8>),
}

impl RowValue {
    /// The most bytes of a value that takes nothing but its own place.
    pub const SHORT_BYTES_MAX: usize = SHORT_BYTES_MAX;

    /// The SCALE encoding of something.
    pub fn encoding(of: &impl Encode) -> Self {
        let mut value = Self::default();
        of.encode_to(&mut value);
        value
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Kept::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Kept::Long(bytes) => bytes,
        }
    }

    /// Its bytes by themselves.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Kept::Short { .. } => self.as_slice().to_vec(),
            Kept::Long(bytes) => bytes,
        }
    }
}

impl Default for RowValue {
    fn default() -> Self {
        Self(Kept::Short { length: 0, bytes: [0; SHORT_BYTES_MAX] })
    }
}

impl Deref for RowValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for RowValue {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Bytes are appended.
impl Output for RowValue {
    fn write(&mut self, more: &[u8]) {
        match &mut self.0 {
            Kept::Short { length, bytes } => {
                let (start, end) = (usize::from(*length), usize::from(*length).saturating_add(more.len()));
                if let Some(room) = bytes.get_mut(start..end) {
                    room.copy_from_slice(more);
                    *length = end as u8;
                    return;
                }
                let mut long = Vec::with_capacity(end);
                long.extend_from_slice(bytes.get(..start).unwrap_or_default());
                long.extend_from_slice(more);
                self.0 = Kept::Long(long);
            }
            Kept::Long(bytes) => bytes.extend_from_slice(more),
        }
    }
}

impl From<&[u8]> for RowValue {
    fn from(bytes: &[u8]) -> Self {
        let mut value = Self::default();
        value.write(bytes);
        value
    }
}

impl<const LENGTH: usize> From<[u8; LENGTH]> for RowValue {
    fn from(bytes: [u8; LENGTH]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<Vec<u8>> for RowValue {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() <= SHORT_BYTES_MAX { Self::from(bytes.as_slice()) } else { Self(Kept::Long(bytes)) }
    }
}

impl PartialEq for RowValue {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for RowValue {}

impl fmt::Debug for RowValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(formatter)
    }
}

/// As any bytes: their count before them.
impl Encode for RowValue {
    fn size_hint(&self) -> usize {
        self.as_slice().size_hint()
    }

    fn encode_to<W: Output + ?Sized>(&self, output: &mut W) {
        self.as_slice().encode_to(output);
    }
}

impl EncodeLike<Vec<u8>> for RowValue {}

impl Decode for RowValue {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Vec::<u8>::decode(input).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use parity_scale_codec::DecodeAll;
    use proptest::prelude::*;

    use super::*;

    fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..5)
    }

    proptest! {
        #[test]
        fn a_value_is_its_bytes_however_it_came(parts in parts(), other in parts()) {
            let (bytes, others) = (parts.concat(), other.concat());
            let mut written = RowValue::default();
            parts.iter().for_each(|part| written.write(part));
            for value in [RowValue::from(bytes.clone()), RowValue::from(bytes.as_slice()), written] {
                prop_assert_eq!(value.as_slice(), &bytes[..]);
                prop_assert_eq!(&value.clone().into_vec(), &bytes);
                prop_assert_eq!(value == RowValue::from(others.clone()), bytes == others);
                let optional = Some(value.clone());
                prop_assert_eq!(optional.encode(), Some(bytes.clone()).encode());
                prop_assert_eq!(value.size_hint(), bytes.size_hint());
                let encoded = value.encode();
                prop_assert_eq!(RowValue::decode_all(&mut &encoded[..]).unwrap(), value);
            }
            prop_assert_eq!(RowValue::encoding(&bytes), RowValue::from(bytes.encode()));
        }
    }

    #[test]
    fn what_is_short_takes_its_own_place_alone() {
        assert_eq!(size_of::<Option<RowValue>>(), 48);
        for (length, is_short) in [(0, true), (SHORT_BYTES_MAX, true), (SHORT_BYTES_MAX + 1, false)] {
            let value = RowValue::from(vec![7; length]);
            assert_eq!(matches!(value.0, Kept::Short { .. }), is_short, "{length} bytes");
        }
    }
}
