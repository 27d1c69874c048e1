//! Events: what a contract tells the world outside.

use alloc::string::String;

use crate::abi::{Elementary, WORD_LENGTH};
use crate::{Address, Bytes, Hash32, U256, env};

/// An event; `#[event]` implements it.
pub trait Event {
    /// The Keccak-256 of the event's signature, its first topic.
    const TOPIC: [u8; 32];

    /// Writes the log.
    fn emit(&self);

    /// The event that a log is, if it is this one; for tests. An indexed `String` or `Bytes` cannot be read back, since
    /// the log has its hash: such an event is never found.
    fn from_log(topics: &[Hash32], data: &[u8]) -> Option<Self>
    where
        Self: Sized;
}

/// What an `#[indexed]` field can be: it becomes a topic of 32 bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an #[indexed] field",
    note = "indexed can be bool, integers, U256, Address, [u8; N], String and Bytes"
)]
pub trait Indexed {
    /// The topic: the value's word, or the Keccak-256 of a string's bytes.
    fn topic(&self) -> [u8; 32];

    /// The value whose topic this is; nothing where the topic is a hash.
    fn from_topic(topic: &Hash32) -> Option<Self>
    where
        Self: Sized;
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

            fn from_topic(topic: &Hash32) -> Option<Self> {
                Self::from_word(topic).ok()
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

    fn from_topic(topic: &Hash32) -> Option<Self> {
        Self::from_word(topic).ok()
    }
}

impl Indexed for String {
    fn topic(&self) -> [u8; 32] {
        env::keccak256(self.as_bytes())
    }

    fn from_topic(_topic: &Hash32) -> Option<Self> {
        None
    }
}

impl Indexed for Bytes {
    fn topic(&self) -> [u8; 32] {
        env::keccak256(&self.0)
    }

    fn from_topic(_topic: &Hash32) -> Option<Self> {
        None
    }
}
