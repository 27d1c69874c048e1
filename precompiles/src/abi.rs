//! Solidity's ABI, as far as native modules speak it.
//!
//! What a module accepts is part of the ledger's rules: were a library to read bytes differently in its next release,
//! nodes would disagree. So it is written here, and compared with a library's in tests. It is as strict as Solidity's
//! own decoder: offsets and lengths stay within the data, texts are UTF-8; what fills a text's last word and what
//! stands behind the arguments is not looked at. Nothing is allocated for what is read.

use entente_host::{ContractFault, Fault};
use entente_types::{Address, Hash};

const WORD: usize = 32;

/// Bytes that are not the arguments they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AbiError {
    /// An offset, a length or the text behind it reaches beyond the input.
    TooShort,
    /// A text that is not UTF-8.
    NotUtf8,
}

impl From<AbiError> for Fault {
    fn from(error: AbiError) -> Self {
        let what = match error {
            AbiError::TooShort => "the arguments are not ABI-encoded: an offset or length is beyond their end",
            AbiError::NotUtf8 => "the arguments are not ABI-encoded: a string is not UTF-8",
        };
        Self::Contract(ContractFault::Native(what.to_owned()))
    }
}

/// The arguments of a call, behind its selector.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a>(pub(crate) &'a [u8]);

impl<'a> Arguments<'a> {
    /// The argument at this place, a `string`.
    pub(crate) fn string(self, index: usize) -> Result<&'a str, AbiError> {
        let head = index.checked_mul(WORD).ok_or(AbiError::TooShort)?;
        let tail = self.0.get(self.size(head)?..).ok_or(AbiError::TooShort)?;
        let length = Arguments(tail).size(0)?;
        let bytes = tail.get(WORD..).and_then(|bytes| bytes.get(..length)).ok_or(AbiError::TooShort)?;
        std::str::from_utf8(bytes).map_err(|_| AbiError::NotUtf8)
    }

    /// The argument at this place, a `uint256`; nothing where it has more than 64 bits.
    pub(crate) fn unsigned(self, index: usize) -> Result<Option<u64>, AbiError> {
        let head = index.checked_mul(WORD).ok_or(AbiError::TooShort)?;
        let word: &[u8; WORD] = self.0.get(head..).and_then(<[u8]>::first_chunk).ok_or(AbiError::TooShort)?;
        Ok(small(word))
    }

    /// The word at an offset as an offset or length of its own.
    fn size(self, at: usize) -> Result<usize, AbiError> {
        let word: &[u8; WORD] = self.0.get(at..).and_then(<[u8]>::first_chunk).ok_or(AbiError::TooShort)?;
        small(word).and_then(|number| usize::try_from(number).ok()).ok_or(AbiError::TooShort)
    }
}

/// The number that a word is, if it has at most 64 bits.
fn small(word: &[u8; WORD]) -> Option<u64> {
    let (high, low) = word.split_last_chunk::<8>()?;
    high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(*low))
}

/// A value that a function gives back or an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A `string`.
    Text(&'a str),
    /// A `uint256`.
    Unsigned(u64),
    /// An `int256`.
    Signed(i64),
    /// A `string[]`.
    Texts(&'a [String]),
    /// A `uint256[]`.
    Numbers(&'a [u64]),
}

/// The encoding of a list of values.
pub(crate) fn encode(values: &[Value<'_>]) -> Vec<u8> {
    let mut heads = Vec::new();
    let mut tails = Vec::new();
    let mut tail = |heads: &mut Vec<u8>, tail: &[u8]| {
        let offset = values.len().saturating_mul(WORD).saturating_add(tails.len());
        heads.extend_from_slice(&word(offset as u64));
        tails.extend_from_slice(tail);
    };
    for value in values {
        match value {
            Value::Unsigned(number) => heads.extend_from_slice(&word(*number)),
            Value::Signed(number) => {
                let filling = if *number < 0 { 0xff } else { 0 };
                heads.extend_from_slice(&[filling; WORD - 8]);
                heads.extend_from_slice(&number.to_be_bytes());
            }
            Value::Text(text) => {
                let mut bytes = word(text.len() as u64).to_vec();
                bytes.extend_from_slice(text.as_bytes());
                bytes.resize(bytes.len().next_multiple_of(WORD), 0);
                tail(&mut heads, &bytes);
            }
            Value::Texts(texts) => {
                // Offsets within an array count from behind its length, as those of a list of values do.
                let texts: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
                tail(&mut heads, &[&word(texts.len() as u64)[..], &encode(&texts)].concat());
            }
            Value::Numbers(numbers) => {
                let words: Vec<[u8; WORD]> = numbers.iter().map(|number| word(*number)).collect();
                tail(&mut heads, &[&word(numbers.len() as u64)[..], &words.concat()].concat());
            }
        }
    }
    heads.append(&mut tails);
    heads
}

fn word(number: u64) -> [u8; WORD] {
    let mut word = [0; WORD];
    if let Some(low) = word.last_chunk_mut::<8>() {
        *low = number.to_be_bytes();
    }
    word
}

/// The topic of an indexed `address`.
pub(crate) fn address_topic(address: &Address) -> Hash {
    let mut topic = [0; WORD];
    if let Some(low) = topic.last_chunk_mut::<20>() {
        *low = address.0;
    }
    Hash(topic)
}

#[cfg(test)]
mod tests {
    use alloy_dyn_abi::{DynSolType, DynSolValue};
    use proptest::prelude::*;

    use super::*;

    fn two_texts(first: &str, second: &str) -> Vec<u8> {
        encode(&[Value::Text(first), Value::Text(second)])
    }

    fn library(bytes: &[u8]) -> Option<(String, String)> {
        let ty = DynSolType::Tuple(vec![DynSolType::String, DynSolType::String]);
        match ty.abi_decode_params(bytes).ok()?.as_tuple()? {
            [DynSolValue::String(first), DynSolValue::String(second)] => Some((first.clone(), second.clone())),
            _ => None,
        }
    }

    fn ours(bytes: &[u8]) -> Result<(&str, &str), AbiError> {
        let arguments = Arguments(bytes);
        Ok((arguments.string(0)?, arguments.string(1)?))
    }

    #[test]
    fn whatever_is_cut_off_is_missed() {
        let whole = two_texts("tx_count_limit", "1000");
        assert_eq!(ours(&whole), Ok(("tx_count_limit", "1000")));
        // All but the filling of the last word.
        for end in 0..whole.len() - 28 {
            assert_eq!(ours(&whole[..end]), Err(AbiError::TooShort), "{end}");
        }
        assert_eq!(ours(&[whole.clone(), vec![7; 40]].concat()), Ok(("tx_count_limit", "1000")));
        for place in [0, 24, 32, 64, 88, 128] {
            let mut large = whole.clone();
            large[place] = 0xff;
            assert_eq!(ours(&large), Err(AbiError::TooShort), "{place}");
        }
        let mut other = whole;
        other[96] = 0xff;
        assert_eq!(ours(&other), Err(AbiError::NotUtf8));
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_told_apart_from_one_that_is_missing() {
        let mut bytes = encode(&[Value::Unsigned(u64::MAX), Value::Unsigned(7)]);
        assert_eq!((Arguments(&bytes).unsigned(0), Arguments(&bytes).unsigned(1)), (Ok(Some(u64::MAX)), Ok(Some(7))));
        assert_eq!(Arguments(&bytes[..63]).unsigned(1), Err(AbiError::TooShort));
        bytes[23] = 1;
        assert_eq!(Arguments(&bytes).unsigned(0), Ok(None));
        assert_eq!(Arguments(&bytes).unsigned(usize::MAX), Err(AbiError::TooShort));
    }

    proptest! {
        #[test]
        fn lists_are_what_a_library_reads(
            texts in proptest::collection::vec(".{0,70}", 0..5), numbers in any::<Vec<u64>>(), unsigned: u64,
        ) {
            let bytes = encode(&[Value::Texts(&texts), Value::Numbers(&numbers), Value::Unsigned(unsigned)]);
            let expected = DynSolValue::Tuple(vec![
                DynSolValue::Array(texts.into_iter().map(DynSolValue::String).collect()),
                DynSolValue::Array(numbers.into_iter().map(DynSolValue::from).collect()),
                unsigned.into(),
            ]);
            prop_assert_eq!(expected.abi_encode_params(), bytes);
        }

        #[test]
        fn what_is_encoded_is_what_a_library_reads(
            first in ".{0,70}", second in ".{0,70}", unsigned: u64, signed: i64
        ) {
            let bytes =
                encode(&[Value::Text(&first), Value::Unsigned(unsigned), Value::Signed(signed), Value::Text(&second)]);
            let ty = DynSolType::parse("(string,uint256,int256,string)").unwrap();
            let read = ty.abi_decode_params(&bytes).unwrap();
            let parts = read.as_tuple().unwrap();
            prop_assert_eq!(parts[0].as_str(), Some(first.as_str()));
            prop_assert_eq!(parts[1].as_uint().unwrap().0.to_string(), unsigned.to_string());
            prop_assert_eq!(parts[2].as_int().unwrap().0.to_string(), signed.to_string());
            prop_assert_eq!(parts[3].as_str(), Some(second.as_str()));
            prop_assert_eq!(read.abi_encode_params(), bytes);
        }

        #[test]
        fn what_a_library_encodes_is_read_and_damage_is_no_panic(
            first in ".{0,70}", second in ".{0,70}",
            damage in proptest::collection::vec((0_usize..320, any::<u8>()), 0..3), cut in 0_usize..320,
        ) {
            let value = DynSolValue::Tuple(vec![first.clone().into(), second.clone().into()]);
            let mut bytes = value.abi_encode_params();
            prop_assert_eq!(ours(&bytes), Ok((first.as_str(), second.as_str())));
            for (place, byte) in damage {
                if let Some(found) = bytes.get_mut(place) {
                    *found = byte;
                }
            }
            bytes.truncate(cut);
            // Whatever both accept means the same to both.
            if let (Ok((first, second)), Some(read)) = (ours(&bytes), library(&bytes)) {
                prop_assert_eq!((first.to_owned(), second.to_owned()), read);
            }
        }
    }
}
