//! One value from the text that a person wrote.
//!
//! Numbers are decimal or `0x`; addresses and bytes `0x`; truth values `true` or `false`; arrays `[a,b]`, tuples
//! `(a,b)` or `[a,b]`. A text stands as it is; inside an array it may stand in double quotes, with JSON's escapes.

use alloy_dyn_abi::{DynSolType, DynSolValue, Word};
use alloy_primitives::{Address, Function, I256, Sign, U256};

/// What was found where something else was expected.
pub(super) struct Fault {
    pub(super) found: String,
    pub(super) expected: String,
}

fn fault(found: &str, expected: impl Into<String>) -> Fault {
    Fault { found: found.to_owned(), expected: expected.into() }
}

/// The value of an argument.
pub(super) fn value(ty: &DynSolType, text: &str) -> Result<DynSolValue, Fault> {
    match ty {
        DynSolType::String => Ok(DynSolValue::String(text.to_owned())),
        _ => element(ty, text.trim()),
    }
}

fn element(ty: &DynSolType, text: &str) -> Result<DynSolValue, Fault> {
    Ok(match ty {
        DynSolType::Bool => match text {
            "true" => DynSolValue::Bool(true),
            "false" => DynSolValue::Bool(false),
            _ => return Err(fault(text, "true or false")),
        },
        DynSolType::Uint(bits) => DynSolValue::Uint(unsigned(text, *bits)?, *bits),
        DynSolType::Int(bits) => DynSolValue::Int(signed(text, *bits)?, *bits),
        DynSolType::Address => {
            let bytes: [u8; 20] = fixed(text).ok_or_else(|| fault(text, "an address: 0x and 40 hexadecimal digits"))?;
            DynSolValue::Address(Address::from(bytes))
        }
        DynSolType::Function => {
            let bytes: [u8; 24] = fixed(text).ok_or_else(|| fault(text, "0x and 48 hexadecimal digits"))?;
            DynSolValue::Function(Function::from(bytes))
        }
        DynSolType::FixedBytes(length) => {
            let expected = || fault(text, format!("0x and {} hexadecimal digits", length * 2));
            let bytes = hexadecimal(text).filter(|bytes| bytes.len() == *length).ok_or_else(expected)?;
            let mut word = Word::ZERO;
            for (target, byte) in word.iter_mut().zip(bytes) {
                *target = byte;
            }
            DynSolValue::FixedBytes(word, *length)
        }
        DynSolType::Bytes => DynSolValue::Bytes(
            hexadecimal(text).ok_or_else(|| fault(text, "0x and hexadecimal digits, two for a byte"))?,
        ),
        DynSolType::String => DynSolValue::String(quoted(text)?),
        DynSolType::Array(inner) => DynSolValue::Array(all(inner, &list(text)?)?),
        DynSolType::FixedArray(inner, length) => {
            let elements = list(text)?;
            if elements.len() != *length {
                return Err(fault(text, format!("exactly {length} elements, such as [a,b]")));
            }
            DynSolValue::FixedArray(all(inner, &elements)?)
        }
        DynSolType::Tuple(inner) => {
            let elements = list(text)?;
            if elements.len() != inner.len() {
                return Err(fault(text, format!("exactly {} elements, such as (a,b)", inner.len())));
            }
            let values = inner.iter().zip(elements).map(|(inner, text)| element(inner, text));
            DynSolValue::Tuple(values.collect::<Result<_, _>>()?)
        }
        #[allow(unreachable_patterns, reason = "another crate's feature may add a variant")]
        _ => return Err(fault(text, "a type that is supported")),
    })
}

fn all(inner: &DynSolType, elements: &[&str]) -> Result<Vec<DynSolValue>, Fault> {
    elements.iter().map(|text| element(inner, text)).collect()
}

/// What digits are.
enum Number {
    None,
    TooLarge,
    Of(U256),
}

/// The number that a text without a sign is.
fn magnitude(text: &str) -> Number {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Number::None;
    }
    U256::from_str_radix(digits, u64::from(radix)).map_or(Number::TooLarge, Number::Of)
}

fn unsigned(text: &str, bits: usize) -> Result<U256, Fault> {
    match magnitude(text) {
        Number::Of(number) if number.bit_len() <= bits => Ok(number),
        Number::None => Err(fault(text, "a decimal or 0x number")),
        _ => Err(fault(text, format!("a decimal or 0x number of at most {bits} bits"))),
    }
}

fn signed(text: &str, bits: usize) -> Result<I256, Fault> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (Sign::Negative, digits),
        None => (Sign::Positive, text),
    };
    let half = U256::ONE << (bits.clamp(1, 256) - 1);
    let number = match magnitude(digits) {
        Number::None => return Err(fault(text, "a decimal or 0x number, with - if below zero")),
        Number::Of(number) if number < half || (number == half && sign == Sign::Negative) => {
            I256::checked_from_sign_and_abs(sign, number)
        }
        _ => None,
    };
    number.ok_or_else(|| fault(text, format!("a number that fits into {bits} bits with its sign")))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

fn fixed<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    hexadecimal(text)?.try_into().ok()
}

fn quoted(text: &str) -> Result<String, Fault> {
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|_| fault(text, "a text, in double quotes or bare"));
    }
    Ok(text.to_owned())
}

/// The elements between the brackets, split at the commas that stand in no inner brackets or quotes.
fn list(text: &str) -> Result<Vec<&str>, Fault> {
    let unlisted = || fault(text, "a list in brackets, such as [a,b]");
    let inside = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .or_else(|| text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')))
        .ok_or_else(unlisted)?;
    if inside.trim().is_empty() {
        return Ok(Vec::new());
    }
    let (mut elements, mut start, mut depth, mut in_quotes, mut escaped) = (Vec::new(), 0, 0_usize, false, false);
    for (position, character) in inside.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.checked_sub(1).ok_or_else(unlisted)?,
            ',' if depth == 0 => {
                elements.push(inside.get(start..position).unwrap_or_default().trim());
                start = position + 1;
            }
            _ => {}
        }
    }
    if depth != 0 || in_quotes {
        return Err(unlisted());
    }
    elements.push(inside.get(start..).unwrap_or_default().trim());
    Ok(elements)
}
