//! Keccak-256 of 64 bytes, remembered.
//!
//! Where Solidity's mappings keep a key is such a hash, and the accounts of one block are those of the next. What is
//! remembered decides about time alone: nothing that a contract sees, and no gas.

use std::{
    hash::BuildHasher,
    sync::{Mutex, TryLockError},
};

use entente_crypto::{Hash, keccak256};
use hashbrown::DefaultHashBuilder;

/// The bytes of a key and of the slot that the mapping is declared at.
const INPUT_BYTES: usize = 64;
/// The parts that are locked by themselves.
const PARTS: usize = 64;
/// The hashes that a part remembers, in 96 bytes each: 6 MiB in all, when they are used.
const HASHES_OF_A_PART: usize = 1024;

/// An input and its hash.
type Entry = ([u8; INPUT_BYTES], Hash);

/// The last hashes, each in the one place where its input belongs.
pub(crate) struct Hashes {
    parts: Vec<Mutex<Vec<Entry>>>,
    hasher: DefaultHashBuilder,
    /// What an empty place holds.
    empty: Entry,
}

impl Hashes {
    pub(crate) fn new() -> Self {
        let empty = [0; INPUT_BYTES];
        Self {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            empty: (empty, keccak256(&empty)),
        }
    }

    /// The Keccak-256 of any bytes.
    pub(crate) fn keccak256(&self, bytes: &[u8]) -> Hash {
        match bytes.try_into() {
            Ok(input) => self.remembered(input),
            Err(_) => keccak256(bytes),
        }
    }

    fn remembered(&self, input: &[u8; INPUT_BYTES]) -> Hash {
        let place = self.hasher.hash_one(input) as usize;
        let part = match self.parts.get(place % PARTS).map(Mutex::try_lock) {
            Some(Ok(part)) => Some(part),
            Some(Err(TryLockError::Poisoned(part))) => Some(part.into_inner()),
            // Another thread looks there: the hash is made before it is done.
            Some(Err(TryLockError::WouldBlock)) | None => None,
        };
        let Some(mut part) = part else { return keccak256(input) };
        if part.is_empty() {
            part.resize(HASHES_OF_A_PART, self.empty);
        }
        let Some(entry) = part.get_mut(place / PARTS % HASHES_OF_A_PART) else { return keccak256(input) };
        if entry.0 != *input {
            *entry = (*input, keccak256(input));
        }
        entry.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slot of a mapping.
    fn input(key: u32) -> [u8; INPUT_BYTES] {
        let mut input = [0; INPUT_BYTES];
        input[28..32].copy_from_slice(&key.to_be_bytes());
        input
    }

    #[test]
    fn every_length_has_its_hash() {
        let hashes = Hashes::new();
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).collect();
            assert_eq!(hashes.keccak256(&bytes), keccak256(&bytes), "{length} bytes");
        }
    }

    #[test]
    fn more_inputs_than_places_have_their_hashes_again_and_again() {
        let hashes = Hashes::new();
        for key in (0..3).flat_map(|_| 0..2 * (PARTS * HASHES_OF_A_PART) as u32) {
            let input = input(key);
            // That of every one would take the test's time.
            if key % 16 == 0 {
                assert_eq!(hashes.keccak256(&input), keccak256(&input), "{key}");
            } else {
                hashes.keccak256(&input);
            }
        }
    }

    #[test]
    fn what_is_remembered_is_not_made_again() {
        let hashes = Hashes::new();
        hashes.keccak256(&input(7));
        let place = hashes.hasher.hash_one(input(7)) as usize;
        let mut part = hashes.parts[place % PARTS].lock().expect("unpoisoned");
        assert_eq!(part.len(), HASHES_OF_A_PART);
        // A mark that no hash is.
        part[place / PARTS % HASHES_OF_A_PART].1 = Hash([9; 32]);
        // Where another thread looks, it is made.
        assert_eq!(hashes.keccak256(&input(7)), keccak256(&input(7)));
        drop(part);
        assert_eq!(hashes.keccak256(&input(7)), Hash([9; 32]));
    }
}
