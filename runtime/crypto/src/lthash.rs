//! LtHash: a hash of a set whose update costs what changed.
//!
//! After Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing: Incrementality at Reduced Cost"
//! (EUROCRYPT 1997), in the form of Lewi, Kim, Maykov and Weis, "Securing Update Propagation with Homomorphic
//! Hashing" (2019), section 3: 1,024 lanes of 16 bits, added lane by lane modulo 2^16.

use crate::{Domain, Hash, Suite};

/// The number of lanes.
pub const LANES: usize = 1024;

/// The bytes that do not make up the lanes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lanes of a state commitment have {expected} bytes, found {found}", expected = LANES * 2)]
pub struct LtHashSizeError {
    /// The length found.
    pub found: usize,
}

/// The commitment to a set of elements.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash {
    lanes: Box<[u16; LANES]>,
}

impl Default for LtHash {
    fn default() -> Self {
        Self { lanes: Box::new([0; LANES]) }
    }
}

impl std::fmt::Debug for LtHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start: Vec<u16> = self.lanes.iter().take(4).copied().collect();
        write!(formatter, "LtHash({start:04x?}...)")
    }
}

impl LtHash {
    /// Does something to each lane with that of one element: the extended output over the domain of rows, read as
    /// little-endian lanes.
    fn with_element(&mut self, suite: Suite, parts: &[&[u8]], combine: impl Fn(u16, u16) -> u16) {
        let mut bytes = [0; LANES * 2];
        suite.extend(Domain::ROW, parts, &mut bytes);
        for (lane, pair) in self.lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = combine(*lane, u16::from_le_bytes(*pair));
        }
    }

    /// Adds the element made of these parts, one after the other.
    pub fn add(&mut self, suite: Suite, parts: &[&[u8]]) {
        self.with_element(suite, parts, u16::wrapping_add);
    }

    /// Takes the element made of these parts out again.
    pub fn subtract(&mut self, suite: Suite, parts: &[&[u8]]) {
        self.with_element(suite, parts, u16::wrapping_sub);
    }

    /// Adds a whole other set.
    pub fn combine(&mut self, other: &Self) {
        for (lane, other) in self.lanes.iter_mut().zip(other.lanes.iter()) {
            *lane = lane.wrapping_add(*other);
        }
    }

    /// The root: the hash of the lanes.
    pub fn root(&self, suite: Suite) -> Hash {
        suite.hash(Domain::STATE, &[&self.to_bytes()])
    }

    /// The lanes, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// The commitment whose lanes these bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LtHashSizeError> {
        if bytes.len() != LANES * 2 {
            return Err(LtHashSizeError { found: bytes.len() });
        }
        let mut hash = Self::default();
        for (lane, pair) in hash.lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = u16::from_le_bytes(*pair);
        }
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(suite: Suite, elements: &[Vec<u8>]) -> LtHash {
        let mut hash = LtHash::default();
        for element in elements {
            hash.add(suite, &[element]);
        }
        hash
    }

    fn suites() -> impl Strategy<Value = Suite> {
        prop_oneof![Just(Suite::Standard), Just(Suite::Guomi)]
    }

    fn elements() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(any::<Vec<u8>>(), 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn order_does_not_matter(suite in suites(), mut set in elements()) {
            let forward = of(suite, &set);
            set.reverse();
            prop_assert_eq!(forward, of(suite, &set));
        }

        #[test]
        fn hash_of_a_union_is_the_sum_of_the_hashes(suite in suites(), left in elements(), right in elements()) {
            let mut sum = of(suite, &left);
            sum.combine(&of(suite, &right));
            let union: Vec<Vec<u8>> = left.into_iter().chain(right).collect();
            prop_assert_eq!(sum, of(suite, &union));
        }

        #[test]
        fn subtracting_undoes_adding(suite in suites(), set in elements(), extra in any::<Vec<u8>>()) {
            let before = of(suite, &set);
            let mut after = before.clone();
            after.add(suite, &[&extra]);
            prop_assert_ne!(&after, &before);
            prop_assert_ne!(after.root(suite), before.root(suite));
            after.subtract(suite, &[&extra]);
            prop_assert_eq!(after, before);
        }

        #[test]
        fn lanes_round_trip(suite in suites(), set in elements()) {
            let hash = of(suite, &set);
            prop_assert_eq!(LtHash::from_bytes(&hash.to_bytes()).unwrap(), hash);
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert_eq!(LtHash::from_bytes(&[0; 2047]), Err(LtHashSizeError { found: 2047 }));
    }

    #[test]
    fn roots_are_those_of_the_first_version() {
        let hash = of(Suite::Standard, &[b"one".to_vec(), b"two".to_vec()]);
        let golden = include_str!("../testdata/lthash.txt").trim();
        assert_eq!(
            format!("{} {}", hash.root(Suite::Standard), of(Suite::Guomi, &[b"one".to_vec()]).root(Suite::Guomi)),
            golden
        );
    }
}
