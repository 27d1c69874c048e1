//! Transactions whose signatures were found good, so that none is looked at twice: the same one comes from a client,
//! from other nodes and in blocks.

use std::{
    collections::HashSet,
    fmt, mem,
    sync::{Mutex, PoisonError},
};

use entente_types::Hash;

/// The parts, each with a lock of its own; which part is the hash's first bits.
const PARTS: usize = 16;
/// The hashes of one part's newer half at most.
const HALF_MAX: usize = 8_192;

/// The hashes of transactions whose signatures were found good: the newest 130,000 at least, 260,000 at most.
///
/// A transaction's hash covers its signature, so that what is known here is the signature and not only what is signed.
#[derive(Default)]
pub struct Verified {
    parts: [Mutex<Part>; PARTS],
}

#[derive(Default)]
struct Part {
    newer: HashSet<Hash>,
    older: HashSet<Hash>,
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verified").finish_non_exhaustive()
    }
}

impl Verified {
    fn part(&self, hash: &Hash) -> Option<&Mutex<Part>> {
        let [first, ..] = hash.0;
        self.parts.get(usize::from(first) % PARTS)
    }

    /// Whether this transaction's signature was found good not long ago.
    pub(crate) fn has(&self, hash: &Hash) -> bool {
        self.part(hash).is_some_and(|part| {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.newer.contains(hash) || part.older.contains(hash)
        })
    }

    /// Remembers that it was, and forgets the oldest half where there are too many.
    pub(crate) fn put(&self, hash: Hash) {
        let Some(part) = self.part(&hash) else { return };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        if part.newer.len() >= HALF_MAX {
            part.older = mem::take(&mut part.newer);
        }
        part.newer.insert(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> Hash {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        Hash(bytes)
    }

    #[test]
    fn the_newest_are_known_and_there_are_never_too_many() {
        let verified = Verified::default();
        for number in 0..1_000_000 {
            assert!(!verified.has(&hash(number)));
            verified.put(hash(number));
            assert!(verified.has(&hash(number)));
        }
        assert!((1_000_000 - 130_000..1_000_000).all(|number| verified.has(&hash(number))));
        assert!((0..1_000_000 - 270_000).all(|number| !verified.has(&hash(number))));
        let held = |part: &Mutex<Part>| {
            let part = part.lock().unwrap();
            part.newer.len() + part.older.len()
        };
        assert!(verified.parts.iter().map(held).sum::<usize>() <= 2 * PARTS * HALF_MAX);
    }
}
