//! `uint256`, with arithmetic that refuses to overflow.

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Rem, RemAssign, Sub, SubAssign};

use parity_scale_codec::{Decode, Encode, EncodeLike, Error, Input, Output};

type Inner = ruint::Uint<256, 4>;

/// An unsigned integer of 256 bits; `uint256` in the ABI, 32 little-endian bytes in storage.
///
/// The operators panic on overflow, which reverts the call with Solidity's `Panic(0x11)` (`Panic(0x12)` for a
/// division by zero); the `checked_` and `wrapping_` methods do what their names say.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct U256(Inner);

impl U256 {
    /// Zero.
    pub const ZERO: Self = Self(Inner::ZERO);
    /// One.
    pub const ONE: Self = Self::from_u128(1);
    /// The largest value, 2^256 - 1.
    pub const MAX: Self = Self(Inner::MAX);

    /// Makes one from four limbs, the least significant first.
    pub const fn from_limbs(limbs: [u64; 4]) -> Self {
        Self(Inner::from_limbs(limbs))
    }

    /// The four limbs, the least significant first.
    pub const fn limbs(&self) -> &[u64; 4] {
        self.0.as_limbs()
    }

    /// Makes one from an integer of 128 bits, in constants too.
    pub const fn from_u128(value: u128) -> Self {
        Self::from_limbs([value as u64, (value >> 64) as u64, 0, 0])
    }

    /// Reads 32 big-endian bytes.
    pub fn from_be_bytes(bytes: &[u8; 32]) -> Self {
        let limb = |at: usize| {
            let mut limb = [0; 8];
            limb.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(limb)
        };
        Self::from_limbs([limb(24), limb(16), limb(8), limb(0)])
    }

    /// Writes 32 big-endian bytes.
    pub fn to_be_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let [first, second, third, fourth] = *self.limbs();
        bytes[..8].copy_from_slice(&fourth.to_be_bytes());
        bytes[8..16].copy_from_slice(&third.to_be_bytes());
        bytes[16..24].copy_from_slice(&second.to_be_bytes());
        bytes[24..].copy_from_slice(&first.to_be_bytes());
        bytes
    }

    /// Reads 32 little-endian bytes.
    #[inline]
    pub fn from_le_bytes(bytes: &[u8; 32]) -> Self {
        let limb = |at: usize| {
            let mut limb = [0; 8];
            limb.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(limb)
        };
        Self::from_limbs([limb(0), limb(8), limb(16), limb(24)])
    }

    /// Writes 32 little-endian bytes.
    #[inline]
    pub fn to_le_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.limbs()) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        let [first, second, third, fourth] = self.limbs();
        first | second | third | fourth == 0
    }

    /// The sum, unless it overflows.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The product, unless it overflows.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        self.0.checked_mul(other.0).map(Self)
    }

    /// The quotient, unless `other` is zero.
    pub fn checked_div(self, other: Self) -> Option<Self> {
        self.0.checked_div(other.0).map(Self)
    }

    /// The remainder, unless `other` is zero.
    pub fn checked_rem(self, other: Self) -> Option<Self> {
        self.0.checked_rem(other.0).map(Self)
    }

    /// The power, unless it overflows.
    pub fn checked_pow(self, exponent: u32) -> Option<Self> {
        self.0.checked_pow(Inner::from(exponent)).map(Self)
    }

    /// The sum modulo 2^256.
    pub fn wrapping_add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The difference modulo 2^256.
    pub fn wrapping_sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// The product modulo 2^256.
    pub fn wrapping_mul(self, other: Self) -> Self {
        Self(self.0.wrapping_mul(other.0))
    }

    /// The sum, or [`U256::MAX`] where it overflows.
    pub fn saturating_add(self, other: Self) -> Self {
        self.checked_add(other).unwrap_or(Self::MAX)
    }

    /// The difference, or zero where it would be negative.
    pub fn saturating_sub(self, other: Self) -> Self {
        self.checked_sub(other).unwrap_or(Self::ZERO)
    }

    /// The value as a `u128`, if it fits.
    pub fn to_u128(&self) -> Option<u128> {
        let [first, second, third, fourth] = *self.limbs();
        (third | fourth == 0).then_some(u128::from(first) | u128::from(second) << 64)
    }

    /// The value as a `u64`, if it fits.
    pub fn to_u64(&self) -> Option<u64> {
        let [first, second, third, fourth] = *self.limbs();
        (second | third | fourth == 0).then_some(first)
    }
}

// The texts are those of Rust's own arithmetic: the panic handler turns them into Solidity's panic codes.
macro_rules! operator {
    ($trait:ident $method:ident, $assign:ident $assign_method:ident, $checked:ident, $panic:literal) => {
        impl $trait for U256 {
            type Output = Self;

            #[inline]
            fn $method(self, other: Self) -> Self {
                match self.$checked(other) {
                    Some(result) => result,
                    None => panic!($panic),
                }
            }
        }

        impl $assign for U256 {
            #[inline]
            fn $assign_method(&mut self, other: Self) {
                *self = $trait::$method(*self, other);
            }
        }
    };
}

operator!(Add add, AddAssign add_assign, checked_add, "attempt to add with overflow");
operator!(Sub sub, SubAssign sub_assign, checked_sub, "attempt to subtract with overflow");
operator!(Mul mul, MulAssign mul_assign, checked_mul, "attempt to multiply with overflow");
operator!(Div div, DivAssign div_assign, checked_div, "attempt to divide by zero");
operator!(Rem rem, RemAssign rem_assign, checked_rem, "attempt to calculate the remainder with a divisor of zero");

macro_rules! from_unsigned {
    ($($integer:ty),*) => {$(
        impl From<$integer> for U256 {
            fn from(value: $integer) -> Self {
                Self::from_u128(u128::from(value))
            }
        }
    )*};
}

from_unsigned!(u8, u16, u32, u64, u128, bool);

impl PartialOrd for U256 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for U256 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl fmt::Display for U256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for U256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl core::str::FromStr for U256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| String::from("not an unsigned integer of at most 256 bits"))
    }
}

impl Encode for U256 {
    fn size_hint(&self) -> usize {
        32
    }

    #[inline]
    fn encode_to<T: Output + ?Sized>(&self, output: &mut T) {
        output.write(&self.to_le_bytes());
    }
}

impl EncodeLike for U256 {}

impl Decode for U256 {
    #[inline]
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        input.read(&mut bytes)?;
        Ok(Self::from_le_bytes(&bytes))
    }
}
