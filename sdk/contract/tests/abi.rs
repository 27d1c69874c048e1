//! The ABI codec against alloy's, which is another implementation of the same specification.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{I256, U256 as AlloyU256};
use entente::abi::{AbiDecodeParameters, AbiError, AbiParameters};
use entente::{Address, Bytes, U256};
use proptest::prelude::*;

/// Every kind of type, nested: static tuples, dynamic tuples, lists of both.
type Everything = (
    bool,
    U256,
    Address,
    [u8; 32],
    String,
    Bytes,
    Vec<u16>,
    Vec<String>,
    (i64, Vec<Vec<u128>>),
    Vec<(Address, i8)>,
    [u8; 4],
    Vec<(String, u8)>,
);

const EVERYTHING: &str = "(bool,uint256,address,bytes32,string,bytes,uint16[],string[],(int64,uint128[][]),\
                          (address,int8)[],bytes4,(string,uint8)[])";

fn uint(value: u128, bits: usize) -> DynSolValue {
    DynSolValue::Uint(AlloyU256::from(value), bits)
}

fn int(value: i64, bits: usize) -> DynSolValue {
    DynSolValue::Int(I256::try_from(value).expect("fits"), bits)
}

fn list<T>(elements: &[T], map: impl Fn(&T) -> DynSolValue) -> DynSolValue {
    DynSolValue::Array(elements.iter().map(map).collect())
}

fn fixed(bytes: &[u8]) -> DynSolValue {
    let mut word = [0; 32];
    word[..bytes.len()].copy_from_slice(bytes);
    DynSolValue::FixedBytes(word.into(), bytes.len())
}

fn string(text: &str) -> DynSolValue {
    DynSolValue::String(text.into())
}

fn address(address: Address) -> DynSolValue {
    DynSolValue::Address(address.0.into())
}

fn oracle(value: &Everything) -> DynSolValue {
    DynSolValue::Tuple(vec![
        DynSolValue::Bool(value.0),
        DynSolValue::Uint(AlloyU256::from_be_bytes(value.1.to_be_bytes()), 256),
        address(value.2),
        fixed(&value.3),
        string(&value.4),
        DynSolValue::Bytes(value.5.0.clone()),
        list(&value.6, |element| uint(u128::from(*element), 16)),
        list(&value.7, |text| string(text)),
        DynSolValue::Tuple(vec![
            int(value.8.0, 64),
            list(&value.8.1, |inner| list(inner, |element| uint(*element, 128))),
        ]),
        list(&value.9, |(who, number)| DynSolValue::Tuple(vec![address(*who), int(i64::from(*number), 8)])),
        fixed(&value.10),
        list(&value.11, |(text, number)| DynSolValue::Tuple(vec![string(text), uint(u128::from(*number), 8)])),
    ])
}

fn any_address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

prop_compose! {
    fn everything()(
        words in (any::<bool>(), any::<[u64; 4]>().prop_map(U256::from_limbs), any_address(), any::<[u8; 32]>()),
        strings in (any::<String>(), any::<Vec<u8>>().prop_map(Bytes), any::<Vec<u16>>(), any::<Vec<String>>()),
        tuples in (
            (any::<i64>(), prop::collection::vec(any::<Vec<u128>>(), 0..4)),
            prop::collection::vec((any_address(), any::<i8>()), 0..4),
            any::<[u8; 4]>(),
            prop::collection::vec((any::<String>(), any::<u8>()), 0..4),
        ),
    ) -> Everything {
        let ((a, b, c, d), (e, f, g, h), (i, j, k, l)) = (words, strings, tuples);
        (a, b, c, d, e, f, g, h, i, j, k, l)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn encoding_equals_the_oracle(value in everything()) {
        prop_assert_eq!(value.encode_parameters(), oracle(&value).abi_encode_params());
    }

    #[test]
    fn decoding_inverts_encoding(value in everything()) {
        let encoded = value.encode_parameters();
        prop_assert_eq!(Everything::decode_parameters(&encoded), Ok(value));
    }

    #[test]
    fn a_prefix_never_decodes(value in everything(), end in any::<prop::sample::Index>()) {
        let encoded = value.encode_parameters();
        let length = end.index(encoded.len());
        // The last word may be padding, which is not looked at.
        if length + 32 <= encoded.len() {
            prop_assert!(Everything::decode_parameters(&encoded[..length]).is_err());
        }
    }

    #[test]
    fn damaged_bytes_never_panic_and_never_mean_something_else(
        value in everything(),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut encoded = value.encode_parameters();
        let position = position.index(encoded.len());
        encoded[position] = byte;
        if let Ok(decoded) = Everything::decode_parameters(&encoded) {
            let kind: DynSolType = EVERYTHING.parse().expect("a type");
            // What both accept must be the same; alloy refuses more than Solidity does.
            if let Ok(theirs) = kind.abi_decode_params(&encoded) {
                prop_assert_eq!(oracle(&decoded), theirs);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Everything::decode_parameters(&bytes);
        let _ = <(Vec<Vec<Bytes>>,)>::decode_parameters(&bytes);
    }

    #[test]
    fn arithmetic_equals_the_oracle(a in any::<[u64; 4]>(), b in any::<[u64; 4]>(), small in any::<u64>()) {
        let (ours, other) = (U256::from_limbs(a), U256::from_limbs(b));
        let (theirs, their_other) = (AlloyU256::from_limbs(a), AlloyU256::from_limbs(b));
        let limbs = |value: Option<AlloyU256>| value.map(|value| U256::from_limbs(value.into_limbs()));
        prop_assert_eq!(ours.checked_add(other), limbs(theirs.checked_add(their_other)));
        prop_assert_eq!(ours.checked_sub(other), limbs(theirs.checked_sub(their_other)));
        prop_assert_eq!(ours.checked_mul(U256::from(small)), limbs(theirs.checked_mul(AlloyU256::from(small))));
        prop_assert_eq!(ours.checked_div(other), limbs(theirs.checked_div(their_other)));
        prop_assert_eq!(ours.checked_rem(other), limbs(theirs.checked_rem(their_other)));
        prop_assert_eq!(ours.cmp(&other), theirs.cmp(&their_other));
        prop_assert_eq!(U256::from_be_bytes(&ours.to_be_bytes()), ours);
        prop_assert_eq!(U256::from_le_bytes(&ours.to_le_bytes()), ours);
        prop_assert_eq!(ours.to_string(), theirs.to_string());
    }
}

fn word(last: u8) -> [u8; 32] {
    let mut word = [0; 32];
    word[31] = last;
    word
}

#[test]
fn values_out_of_range_are_refused() {
    assert_eq!(<(bool,)>::decode_parameters(&word(1)), Ok((true,)));
    assert_eq!(<(bool,)>::decode_parameters(&word(2)), Err(AbiError::OutOfRange));
    let mut high = word(1);
    high[0] = 1;
    assert_eq!(<(bool,)>::decode_parameters(&high), Err(AbiError::OutOfRange));
    assert_eq!(<(u64,)>::decode_parameters(&high), Err(AbiError::OutOfRange));
    assert_eq!(<(Address,)>::decode_parameters(&high), Err(AbiError::OutOfRange));
    assert_eq!(<([u8; 4],)>::decode_parameters(&word(1)), Err(AbiError::OutOfRange));
    // -1 as int8 needs all 31 bytes of sign.
    assert_eq!(<(i8,)>::decode_parameters(&[0xff; 32]), Ok((-1,)));
    assert_eq!(<(i8,)>::decode_parameters(&word(0xff)), Err(AbiError::OutOfRange));
}

#[test]
fn lengths_beyond_the_data_are_refused_before_allocation() {
    let mut endless = [word(32), word(0)].concat();
    endless[60..64].fill(0xff);
    assert_eq!(<(Vec<u8>,)>::decode_parameters(&endless), Err(AbiError::TooShort));
    assert_eq!(<(Bytes,)>::decode_parameters(&endless), Err(AbiError::TooShort));
    let mut huge_offset = [word(0); 2].concat();
    huge_offset[0] = 1;
    assert_eq!(<(Bytes,)>::decode_parameters(&huge_offset), Err(AbiError::TooShort));
    let not_text = [word(32), word(1), [0xff; 32]].concat();
    assert_eq!(<(String,)>::decode_parameters(&not_text), Err(AbiError::NotUtf8));
}
