//! Events: what a contract tells the world outside.

use crate::abi::{Elementary, WORD_LENGTH};
use crate::{Address, Bytes, U256, env};
use alloc::string::String;

/// An event; `#[event]` implements it.
pub trait Event {
    /// The Keccak-256 of the event's signature, its first topic.
    const TOPIC: [u8; 32];

    /// Writes the log.
    fn emit(&self);
}

/// What an `#[indexed]` field can be: it becomes a topic of 32 bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an #[indexed] field",
    note = "indexed can be bool, integers, U256, Address, [u8; N], String and Bytes"
)]
pub trait Indexed {
    /// The topic: the value's word, or the Keccak-256 of a string's bytes.
    fn topic(&self) -> [u8; 32];
}

macro_rules! word_topic {
    ($($type:ty),*) => {$(
        impl Indexed for $type {
            #[inline]
            fn topic(&self) -> [u8; 32] {
                let mut word = [0; WORD_LENGTH];
                self.write_word(&mut word);
                word
            }
        }
    )*};
}

word_topic!(bool, u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, U256, Address);

impl<const N: usize> Indexed for [u8; N] {
    fn topic(&self) -> [u8; 32] {
        let mut word = [0; WORD_LENGTH];
        self.write_word(&mut word);
        word
    }
}

impl Indexed for String {
    fn topic(&self) -> [u8; 32] {
        env::keccak256(self.as_bytes())
    }
}

impl Indexed for Bytes {
    fn topic(&self) -> [u8; 32] {
        env::keccak256(&self.0)
    }
}
