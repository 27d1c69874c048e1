//! One value from the text that a person wrote.
//!
//! Numbers are decimal or `0x`, with `_` between digits where one likes, and decimal ones with an exponent, as long as
//! they are whole: `25`, `1_000`, `1.5e18`. There are no units: what an `ether` is, only a token's decimals say.
//! Addresses and bytes are `0x`; an address that mixes small and capital letters is checked by its checksum. Truth
//! values are `true` or `false`; arrays `[a,b]`, tuples `(a,b)` or `[a,b]`. A text stands as it is; inside an array it
//! may stand in double quotes, with JSON's escapes.

use alloy_dyn_abi::{DynSolType, DynSolValue, Word};
use alloy_primitives::{Address, Function, I256, Sign, U256};

/// What a number looks like.
const NUMBER: &str = "a number such as 25, 1_000, 1.5e18 or 0x19";
/// The decimal digits of the largest number: a bound for what an exponent may add, and four times that for a text.
const DIGITS_MAX: usize = 78;
/// Up to so many bits, a range is told in digits.
const BITS_IN_DIGITS: usize = 64;

/// What was found where something else was expected.
pub(super) struct Fault {
    pub(super) found: String,
    pub(super) expected: String,
    /// Where in an array or a tuple, from the outside in; such as `[0][1]`.
    pub(super) place: String,
}

fn fault(found: &str, expected: impl Into<String>) -> Fault {
    Fault { found: found.to_owned(), expected: expected.into(), place: String::new() }
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
        DynSolType::Address => DynSolValue::Address(address(text)?),
        DynSolType::Function => {
            let bytes: [u8; 24] = fixed(text, "an address and a selector")?;
            DynSolValue::Function(Function::from(bytes))
        }
        DynSolType::FixedBytes(length) => {
            let bytes = exactly(text, *length, &format!("bytes{length}"))?;
            let mut word = Word::ZERO;
            for (target, byte) in word.iter_mut().zip(bytes) {
                *target = byte;
            }
            DynSolValue::FixedBytes(word, *length)
        }
        DynSolType::Bytes => {
            DynSolValue::Bytes(digits(text, || "0x and hexadecimal digits, two for a byte".to_owned())?)
        }
        DynSolType::String => DynSolValue::String(quoted(text)?),
        DynSolType::Array(inner) => DynSolValue::Array(all(std::iter::repeat(&**inner), &list(text)?)?),
        DynSolType::FixedArray(inner, length) => {
            let elements = counted(text, *length, "[a,b]")?;
            DynSolValue::FixedArray(all(std::iter::repeat(&**inner), &elements)?)
        }
        // A struct is the tuple of its members, with names that nobody writes here.
        DynSolType::Tuple(inner) | DynSolType::CustomStruct { tuple: inner, .. } => {
            let elements = counted(text, inner.len(), "(a,b)")?;
            DynSolValue::Tuple(all(inner.iter(), &elements)?)
        }
    })
}

fn all<'a>(types: impl Iterator<Item = &'a DynSolType>, elements: &[&str]) -> Result<Vec<DynSolValue>, Fault> {
    let values = types.zip(elements).enumerate().map(|(place, (inner, text))| {
        element(inner, text).map_err(|fault| Fault { place: format!("[{place}]{}", fault.place), ..fault })
    });
    values.collect()
}

/// As many elements as there must be.
fn counted<'a>(text: &'a str, length: usize, example: &str) -> Result<Vec<&'a str>, Fault> {
    let elements = list(text)?;
    if elements.len() == length {
        return Ok(elements);
    }
    let (s, found) = (if length == 1 { "" } else { "s" }, elements.len());
    Err(fault(text, format!("exactly {length} element{s}, such as {example}; it has {found}")))
}

/// Why digits are no number.
enum NoNumber {
    /// They are none.
    Form,
    /// They are followed by letters.
    Unit,
    /// There is something behind the point.
    Fraction,
    /// It is beyond any type.
    TooLarge,
}

/// The number that a text without a sign is.
fn magnitude(text: &str) -> Result<U256, NoNumber> {
    if let Some(digits) = text.strip_prefix("0x") {
        return U256::from_str_radix(&plain_digits(digits, 16)?, 16).map_err(|_| NoNumber::TooLarge);
    }
    let is_unit = |text: &str| text.len() > 1 && text.chars().all(|letter| letter.is_ascii_alphabetic());
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit() || "._ ".contains(letter));
    if unit.len() < text.len() && is_unit(unit) {
        return Err(NoNumber::Unit);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<usize>().map_err(|_| NoNumber::Form)?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (plain_digits(whole, 10)?, plain_digits(fraction, 10)?),
        None => (plain_digits(mantissa, 10)?, String::new()),
    };
    let fraction = fraction.trim_end_matches('0');
    let zeros = exponent.checked_sub(fraction.len()).ok_or(NoNumber::Fraction)?;
    if zeros > DIGITS_MAX {
        return Err(NoNumber::TooLarge);
    }
    U256::from_str_radix(&format!("{whole}{fraction}{}", "0".repeat(zeros)), 10).map_err(|_| NoNumber::TooLarge)
}

/// Digits without the `_` between them; those that are too long for any number are refused before they are copied.
fn plain_digits(text: &str, radix: u32) -> Result<String, NoNumber> {
    let parts_hold = text.split('_').all(|part| !part.is_empty() && part.chars().all(|digit| digit.is_digit(radix)));
    if !parts_hold {
        return Err(NoNumber::Form);
    }
    if text.len() > 4 * DIGITS_MAX {
        return Err(NoNumber::TooLarge);
    }
    Ok(text.chars().filter(|digit| *digit != '_').collect())
}

fn no_number(text: &str, why: &NoNumber, range: String) -> Fault {
    match why {
        NoNumber::Form => fault(text, NUMBER),
        NoNumber::Unit => fault(text, format!("{NUMBER}; units are not known here")),
        NoNumber::Fraction => fault(text, "a whole number, such as 25 or 1.5e18"),
        NoNumber::TooLarge => fault(text, range),
    }
}

fn unsigned(text: &str, bits: usize) -> Result<U256, Fault> {
    let range = || match bits {
        ..=BITS_IN_DIGITS => format!("a number from 0 to {} (uint{bits})", power(bits) - U256::ONE),
        _ => format!("a number from 0 to 2^{bits} - 1 (uint{bits})"),
    };
    if text.strip_prefix('-').is_some_and(|digits| magnitude(digits).is_ok()) {
        return Err(fault(text, range()));
    }
    match magnitude(text) {
        Ok(number) if number.bit_len() <= bits => Ok(number),
        Ok(_) => Err(fault(text, range())),
        Err(why) => Err(no_number(text, &why, range())),
    }
}

fn signed(text: &str, bits: usize) -> Result<I256, Fault> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (Sign::Negative, digits),
        None => (Sign::Positive, text),
    };
    let less = bits.clamp(1, 256) - 1;
    let half = power(less);
    let range = || match bits {
        ..=BITS_IN_DIGITS => format!("a number from -{half} to {} (int{bits})", half - U256::ONE),
        _ => format!("a number from -2^{less} to 2^{less} - 1 (int{bits})"),
    };
    let number = magnitude(digits).map_err(|why| no_number(text, &why, range()))?;
    let fits = number < half || (number == half && sign == Sign::Negative);
    let number = fits.then(|| I256::checked_from_sign_and_abs(sign, number)).flatten();
    number.ok_or_else(|| fault(text, range()))
}

/// 2 to this power, below 256.
fn power(bits: usize) -> U256 {
    U256::ONE << bits
}

/// An address. Letters of both kinds are a checksum (EIP-55), which finds most slips of the pen.
fn address(text: &str) -> Result<Address, Fault> {
    let bytes: [u8; 20] = fixed(text, "an address")?;
    let address = Address::from(bytes);
    let letters = text.get(2..).unwrap_or_default();
    let mixed = letters.contains(|letter: char| letter.is_ascii_lowercase())
        && letters.contains(|letter: char| letter.is_ascii_uppercase());
    if mixed && address.to_checksum(None) != text {
        return Err(fault(
            text,
            "an address whose capital letters are its checksum (EIP-55): one letter or more is wrong",
        ));
    }
    Ok(address)
}

/// Bytes from hexadecimal digits.
fn digits(text: &str, expected: impl Fn() -> String) -> Result<Vec<u8>, Fault> {
    let Some(digits) = text.strip_prefix("0x") else { return Err(fault(text, expected())) };
    if let Some(other) = digits.chars().find(|digit| !digit.is_ascii_hexdigit()) {
        return Err(fault(text, format!("{}; {other:?} is none", expected())));
    }
    hex::decode(digits).map_err(|_| fault(text, format!("{}; it has {}", expected(), digits.len())))
}

fn exactly(text: &str, length: usize, what: &str) -> Result<Vec<u8>, Fault> {
    let expected = || format!("{what}: 0x and {} hexadecimal digits", length * 2);
    let bytes = digits(text, expected)?;
    if bytes.len() == length {
        return Ok(bytes);
    }
    Err(fault(text, format!("{}; it has {}", expected(), bytes.len() * 2)))
}

fn fixed<const LENGTH: usize>(text: &str, what: &str) -> Result<[u8; LENGTH], Fault> {
    exactly(text, LENGTH, what)?.try_into().map_err(|_| fault(text, what))
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
