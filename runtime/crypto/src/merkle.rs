//! Merkle trees in the shape of RFC 6962, section 2.1: the left subtree holds the largest power of two of leaves
//! that is smaller than the whole.

use parity_scale_codec::{Decode, Encode};
use serde::Serialize;

use crate::{Domain, Hash, Suite};

/// Where a sibling of a proof stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MerkleSide {
    /// The sibling is the left one.
    Left,
    /// The sibling is the right one.
    Right,
}

/// Proves that a leaf is in the tree with a certain root: the siblings from the leaf up.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct MerkleProof {
    /// Each sibling and where it stands.
    pub path: Vec<(MerkleSide, Hash)>,
}

fn leaf_hash(suite: Suite, leaf: &[u8]) -> Hash {
    suite.hash(Domain::MERKLE_LEAF, &[leaf])
}

fn node_hash(suite: Suite, left: &Hash, right: &Hash) -> Hash {
    suite.hash(Domain::MERKLE_NODE, &[left.as_ref(), right.as_ref()])
}

/// The root over these leaves in their order.
pub fn merkle_root<L: AsRef<[u8]>>(suite: Suite, leaves: &[L]) -> Hash {
    let mut level: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(suite, leaf.as_ref())).collect();
    if level.is_empty() {
        return suite.hash(Domain::MERKLE_EMPTY, &[]);
    }
    while level.len() > 1 {
        level = next_level(suite, &level);
    }
    level.first().copied().unwrap_or_default()
}

/// Pairs a level up; a last one without a partner rises as it is, which gives RFC 6962's shape.
fn next_level(suite: Suite, level: &[Hash]) -> Vec<Hash> {
    level
        .chunks(2)
        .filter_map(|pair| match pair {
            [left, right] => Some(node_hash(suite, left, right)),
            [single] => Some(*single),
            _ => None,
        })
        .collect()
}

/// The proof for the leaf at `index`, or nothing where there is no such leaf.
pub fn merkle_proof<L: AsRef<[u8]>>(suite: Suite, leaves: &[L], index: usize) -> Option<MerkleProof> {
    if index >= leaves.len() {
        return None;
    }
    let mut level: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(suite, leaf.as_ref())).collect();
    let mut position = index;
    let mut path = Vec::new();
    while level.len() > 1 {
        let sibling = position ^ 1;
        if let Some(hash) = level.get(sibling) {
            let side = if sibling < position { MerkleSide::Left } else { MerkleSide::Right };
            path.push((side, *hash));
        }
        level = next_level(suite, &level);
        position /= 2;
    }
    Some(MerkleProof { path })
}

impl MerkleProof {
    /// The root that this proof gives the leaf. It proves membership where it equals a root that is trusted.
    pub fn root(&self, suite: Suite, leaf: &[u8]) -> Hash {
        self.path.iter().fold(leaf_hash(suite, leaf), |hash, (side, sibling)| match side {
            MerkleSide::Left => node_hash(suite, sibling, &hash),
            MerkleSide::Right => node_hash(suite, &hash, sibling),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962's recursive definition, as the oracle.
    fn recursive_root(suite: Suite, leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => suite.hash(Domain::MERKLE_EMPTY, &[]),
            [leaf] => leaf_hash(suite, leaf),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(suite, &recursive_root(suite, left), &recursive_root(suite, right))
            }
        }
    }

    proptest! {
        #[test]
        fn root_follows_the_rfc(leaves in proptest::collection::vec(any::<Vec<u8>>(), 0..40)) {
            prop_assert_eq!(merkle_root(Suite::Standard, &leaves), recursive_root(Suite::Standard, &leaves));
        }

        #[test]
        fn every_leaf_is_proved_and_no_other(leaves in proptest::collection::vec(any::<[u8; 4]>(), 1..40), other in any::<[u8; 5]>()) {
            let root = merkle_root(Suite::Standard, &leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = merkle_proof(Suite::Standard, &leaves, index).unwrap();
                prop_assert_eq!(proof.root(Suite::Standard, leaf), root);
                prop_assert_ne!(proof.root(Suite::Standard, &other), root);
            }
            prop_assert_eq!(merkle_proof(Suite::Standard, &leaves, leaves.len()), None);
        }
    }
}
