//! Short names of transactions, for those who have them.

use std::hash::{Hash as StdHash, Hasher};

use entente_types::Hash;
use hashbrown::Equivalent;

/// The first eight bytes of a transaction's hash: as in Bitcoin's compact blocks (BIP 152), but longer and without salt.
///
/// It says which of the transactions that wait is meant, as long as nobody made two alike on purpose, for which about
/// 2^32 signatures are needed. So whoever reads one compares a hash of the whole afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId(pub [u8; 8]);

impl ShortId {
    /// That of a transaction with this hash.
    pub fn of(hash: &Hash) -> Self {
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(hash.0) {
            *to = from;
        }
        Self(id)
    }
}

/// A hash that can be looked up by its short name, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByShortId(pub(crate) Hash);

impl StdHash for ByShortId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ShortId::of(&self.0).hash(state);
    }
}

impl Equivalent<ByShortId> for ShortId {
    fn equivalent(&self, key: &ByShortId) -> bool {
        *self == Self::of(&key.0)
    }
}

#[cfg(test)]
mod tests {
    use hashbrown::HashMap;

    use super::*;

    #[test]
    fn a_hash_is_found_by_either_name() {
        let hash = |first: u8, last: u8| {
            let mut bytes = [first; 32];
            bytes[31] = last;
            Hash(bytes)
        };
        let mut map: HashMap<ByShortId, u8> = (0..100).map(|first| (ByShortId(hash(first, 0)), first)).collect();
        for first in 0..100 {
            assert_eq!(map.get(&ByShortId(hash(first, 0))), Some(&first));
            assert_eq!(map.get(&ByShortId(hash(first, 1))), None, "the whole hash counts");
            assert_eq!(map.get(&ShortId([first; 8])), Some(&first));
        }
        assert_eq!(map.get(&ShortId([100; 8])), None);
        // Two that begin alike are two.
        map.insert(ByShortId(hash(7, 1)), 200);
        assert_eq!((map.get(&ByShortId(hash(7, 0))), map.get(&ByShortId(hash(7, 1)))), (Some(&7), Some(&200)));
        assert!(matches!(map.get(&ShortId([7; 8])), Some(7 | 200)));
    }
}
