//! The ABI codec of contracts against alloy's, in both directions.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{I256, U256 as AlloyU256};
use entente::abi::{AbiDecodeParameters, AbiError, AbiParameters};
use entente::{Address, Bytes, U256};

use super::input::Input;

/// Every kind of type, nested.
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

/// The first byte says whether the rest is an encoding, makes a value, or is two numbers.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 3 {
        0 => decode(bytes),
        1 => encode(&everything(&mut Input(bytes))),
        _ => arithmetic(&mut Input(bytes)),
    }
}

fn decode(bytes: &[u8]) {
    let kind: DynSolType = EVERYTHING.parse().expect("a type");
    let theirs = kind.abi_decode_params(bytes);
    match Everything::decode_parameters(bytes) {
        Ok(value) => {
            let encoded = value.encode_parameters();
            assert_eq!(Everything::decode_parameters(&encoded), Ok(value.clone()));
            // Alloy refuses more than Solidity does.
            if let Ok(theirs) = theirs {
                assert_eq!(oracle(&value), theirs);
            }
        }
        // Alloy looks at no range, but what it encodes itself is long enough.
        Err(AbiError::TooShort) => {
            if let Ok(theirs) = theirs {
                assert_ne!(theirs.abi_encode_params(), bytes, "a canonical encoding is refused: {theirs:?}");
            }
        }
        Err(_) => {}
    }
    _ = <(Vec<Vec<Bytes>>, Vec<Vec<Vec<u8>>>)>::decode_parameters(bytes);
}

fn encode(value: &Everything) {
    let encoded = value.encode_parameters();
    assert_eq!(encoded, oracle(value).abi_encode_params());
    assert_eq!(Everything::decode_parameters(&encoded).as_ref(), Ok(value));
    let kind: DynSolType = EVERYTHING.parse().expect("a type");
    assert_eq!(kind.abi_decode_params(&encoded).expect("an encoding"), oracle(value));
}

fn arithmetic(input: &mut Input<'_>) {
    let (a, b): ([u8; 32], [u8; 32]) = (input.array(), input.array());
    let small = u64::from_le_bytes(input.array());
    let (ours, other) = (U256::from_be_bytes(&a), U256::from_be_bytes(&b));
    let (theirs, their_other) = (AlloyU256::from_be_bytes(a), AlloyU256::from_be_bytes(b));
    let bytes = |value: Option<AlloyU256>| value.map(|value| U256::from_be_bytes(&value.to_be_bytes()));
    assert_eq!(ours.checked_add(other), bytes(theirs.checked_add(their_other)));
    assert_eq!(ours.checked_sub(other), bytes(theirs.checked_sub(their_other)));
    assert_eq!(ours.checked_mul(U256::from(small)), bytes(theirs.checked_mul(AlloyU256::from(small))));
    assert_eq!(ours.checked_mul(other), bytes(theirs.checked_mul(their_other)));
    assert_eq!(ours.checked_div(other), bytes(theirs.checked_div(their_other)));
    assert_eq!(ours.checked_rem(other), bytes(theirs.checked_rem(their_other)));
    assert_eq!(ours.cmp(&other), theirs.cmp(&their_other));
    assert_eq!(ours.to_string(), theirs.to_string());
}

/// A few of something.
fn some<T>(input: &mut Input<'_>, make: impl Fn(&mut Input<'_>) -> T) -> Vec<T> {
    (0..input.below(5)).map(|_| make(input)).collect()
}

fn text(input: &mut Input<'_>) -> String {
    String::from_utf8_lossy(input.short()).into_owned()
}

fn everything(input: &mut Input<'_>) -> Everything {
    (
        input.byte().is_multiple_of(2),
        U256::from_be_bytes(&input.array()),
        Address(input.array()),
        input.array(),
        text(input),
        Bytes(input.short().to_vec()),
        some(input, |input| u16::from_le_bytes(input.array())),
        some(input, text),
        (
            i64::from_le_bytes(input.array()),
            some(input, |input| some(input, |input| u128::from_le_bytes(input.array()))),
        ),
        some(input, |input| (Address(input.array()), i8::from_le_bytes(input.array()))),
        input.array(),
        some(input, |input| (text(input), input.byte())),
    )
}

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

fn oracle(value: &Everything) -> DynSolValue {
    let address = |address: Address| DynSolValue::Address(address.0.into());
    let string = |text: &String| DynSolValue::String(text.clone());
    DynSolValue::Tuple(vec![
        DynSolValue::Bool(value.0),
        DynSolValue::Uint(AlloyU256::from_be_bytes(value.1.to_be_bytes()), 256),
        address(value.2),
        fixed(&value.3),
        string(&value.4),
        DynSolValue::Bytes(value.5.0.clone()),
        list(&value.6, |element| uint(u128::from(*element), 16)),
        list(&value.7, string),
        DynSolValue::Tuple(vec![
            int(value.8.0, 64),
            list(&value.8.1, |inner| list(inner, |element| uint(*element, 128))),
        ]),
        list(&value.9, |(who, number)| DynSolValue::Tuple(vec![address(*who), int(i64::from(*number), 8)])),
        fixed(&value.10),
        list(&value.11, |(text, number)| DynSolValue::Tuple(vec![string(text), uint(u128::from(*number), 8)])),
    ])
}

/// Values of some length, their encodings, and numbers.
pub fn seeds() -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..1500_u32).map(|step| (step.wrapping_mul(2_654_435_761) >> 24) as u8 % 120).collect();
    let mut seeds = vec![[&[1][..], &noise].concat(), vec![1], [&[2][..], &noise[..72]].concat()];
    for start in [0, 100, 200] {
        let value = everything(&mut Input(&noise[start..]));
        seeds.push([&[0][..], &value.encode_parameters()].concat());
    }
    seeds.push([&[0][..], &everything(&mut Input(&[])).encode_parameters()].concat());
    seeds
}
