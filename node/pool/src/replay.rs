//! Which nonces were used.

use std::collections::VecDeque;

use entente_types::{Address, BlockNumber, EthereumOrigin, Transaction, limits::VALIDITY_BLOCKS_MAX};
use hashbrown::HashSet;

/// What makes a transaction unique: no two with the same can be in the chain while they are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplayKey {
    /// Of a native transaction, or one of FISCO BCOS, which has the same rules.
    Native {
        /// The sender.
        sender: Address,
        /// Its nonce.
        nonce: [u8; 32],
    },
    /// Of an Ethereum transaction.
    Ethereum(EthereumOrigin),
}

impl ReplayKey {
    /// A transaction's, where its kind has one and it says whose it is.
    pub fn of(transaction: &Transaction) -> Option<Self> {
        match transaction {
            Transaction::Native(native) => {
                let unsigned = &native.unsigned;
                Some(Self::Native { sender: unsigned.sender, nonce: unsigned.nonce })
            }
            Transaction::Ethereum(ethereum) => ethereum.origin().map(Self::Ethereum),
            Transaction::Fisco(fisco) => {
                fisco.sender().map(|sender| Self::Native { sender, nonce: fisco.fields().nonce })
            }
        }
    }

    /// Who sends it.
    pub const fn sender(&self) -> Address {
        match self {
            Self::Native { sender, .. } | Self::Ethereum(EthereumOrigin { sender, .. }) => *sender,
        }
    }
}

/// The nonces used in the last 1,000 blocks: older transactions can be valid no more. Ethereum's are not among them:
/// of those the account itself says what was used.
#[derive(Debug, Default)]
pub struct ReplayIndex {
    used: HashSet<ReplayKey>,
    blocks: VecDeque<(BlockNumber, Vec<ReplayKey>)>,
}

impl ReplayIndex {
    /// Takes in a block. Blocks come in their order.
    pub fn block(&mut self, number: BlockNumber, mut keys: Vec<ReplayKey>) {
        keys.retain(|key| matches!(key, ReplayKey::Native { .. }));
        self.used.extend(keys.iter().copied());
        self.blocks.push_back((number, keys));
        // A transaction valid at a height above `number` was not in a block VALIDITY_BLOCKS_MAX below it.
        while self.blocks.front().is_some_and(|(oldest, _)| oldest + VALIDITY_BLOCKS_MAX <= number) {
            let Some((_, keys)) = self.blocks.pop_front() else { break };
            for key in &keys {
                self.used.remove(key);
            }
        }
    }

    /// Whether the nonce was used.
    pub fn contains(&self, key: &ReplayKey) -> bool {
        self.used.contains(key)
    }

    /// How many nonces are held.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> ReplayKey {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        ReplayKey::Native { sender: Address([1; 20]), nonce }
    }

    #[test]
    fn a_nonce_is_held_as_long_as_its_transaction_could_be_valid() {
        let mut index = ReplayIndex::default();
        for number in 1..=1000 {
            index.block(number, vec![key(number)]);
        }
        // One in block 1 was valid until 1001 at most: it could still be in block 1000, and no more in 1001.
        assert!(index.contains(&key(1)));
        index.block(1001, vec![]);
        assert!(!index.contains(&key(1)));
        assert!(index.contains(&key(2)));
        assert_eq!(index.len(), 999);
    }
}
