//! The Ethereum header that stands beside each of ours.

use std::collections::HashSet;

use alloy_rlp::{BufMut, Encodable, Header as RlpHeader};
use entente_crypto::keccak256;

use crate::{Address, Hash, Log};

/// Ethereum's Bloom filter over logs: 2,048 bits, three for each address and topic (yellow paper, section 4.3.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Bloom(Box<[u8; 256]>);

impl Default for Bloom {
    fn default() -> Self {
        Self(Box::new([0; 256]))
    }
}

impl std::fmt::Debug for Bloom {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "0x{}", hex::encode(self.0.as_ref()))
    }
}

impl Bloom {
    /// Adds what a log can be searched by.
    pub fn add(&mut self, log: &Log) {
        self.add_bytes(log.address.as_ref());
        for topic in &log.topics {
            self.add_bytes(topic.as_ref());
        }
    }

    /// The filter over many logs. Each address and topic is hashed once: most logs of a block share theirs.
    pub fn of<'a>(logs: impl IntoIterator<Item = &'a Log>) -> Self {
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let mut bloom = Self::default();
        for log in logs {
            let searched = std::iter::once(log.address.as_ref()).chain(log.topics.iter().map(AsRef::as_ref));
            for bytes in searched {
                if seen.insert(bytes) {
                    bloom.add_bytes(bytes);
                }
            }
        }
        bloom
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        let digest = keccak256(bytes);
        for pair in digest.0.as_chunks::<2>().0.iter().take(3) {
            let bit = usize::from(u16::from_be_bytes(*pair) & 2047);
            if let Some(byte) = self.0.get_mut(255 - bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }

    /// The 256 bytes.
    pub fn as_bytes(&self) -> &[u8; 256] {
        &self.0
    }
}

/// The Ethereum header that stands beside each of ours; `eth_*` and BLOCKHASH speak of its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EthereumHeader {
    /// The parent's Ethereum hash.
    pub parent: Hash,
    /// The proposer.
    pub beneficiary: Address,
    /// Our state root, opaque to Ethereum's tools.
    pub state_root: Hash,
    /// Our transaction root, likewise.
    pub transaction_root: Hash,
    /// Our receipt root, likewise.
    pub receipt_root: Hash,
    /// The filter over the block's logs.
    pub bloom: Bloom,
    /// The height.
    pub number: u64,
    /// The block's gas limit.
    pub gas_limit: u64,
    /// The gas its transactions used.
    pub gas_used: u64,
    /// Seconds since 1970.
    pub timestamp_s: u64,
}

/// Keccak-256 of the RLP of an empty list: Ethereum's constant for "no uncles".
const EMPTY_UNCLES: Hash = Hash([
    0x1d, 0xcc, 0x4d, 0xe8, 0xde, 0xc7, 0x5d, 0x7a, 0xab, 0x85, 0xb5, 0x67, 0xb6, 0xcc, 0xd4, 0x1a, 0xd3, 0x12, 0x45,
    0x1b, 0x94, 0x8a, 0x74, 0x13, 0xf0, 0xa1, 0x42, 0xfd, 0x40, 0xd4, 0x93, 0x47,
]);

/// Keccak-256 of the RLP of an empty string: Ethereum's constant for the root over nothing.
const EMPTY_TRIE: Hash = Hash([
    0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e, 0x5b, 0x48, 0xe0,
    0x1b, 0x99, 0x6c, 0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21,
]);

impl EthereumHeader {
    /// The roots of a block without transactions: its clients refuse another beside an empty list.
    pub const NO_TRANSACTIONS: Hash = EMPTY_TRIE;

    /// The hash of its list of uncles, which is empty.
    pub const UNCLES: Hash = EMPTY_UNCLES;

    /// The header's RLP with the fields of London (EIP-1559): difficulty, mix hash, nonce and base fee are zero.
    pub fn rlp(&self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(640);
        let hash = |hash: &Hash, out: &mut Vec<u8>| hash.0.encode(out);
        hash(&self.parent, &mut fields);
        hash(&EMPTY_UNCLES, &mut fields);
        self.beneficiary.0.encode(&mut fields);
        hash(&self.state_root, &mut fields);
        hash(&self.transaction_root, &mut fields);
        hash(&self.receipt_root, &mut fields);
        self.bloom.as_bytes().encode(&mut fields);
        0_u64.encode(&mut fields);
        self.number.encode(&mut fields);
        self.gas_limit.encode(&mut fields);
        self.gas_used.encode(&mut fields);
        self.timestamp_s.encode(&mut fields);
        fields.put_u8(alloy_rlp::EMPTY_STRING_CODE);
        hash(&Hash::ZERO, &mut fields);
        [0_u8; 8].encode(&mut fields);
        0_u64.encode(&mut fields);
        let mut encoded = Vec::with_capacity(fields.len() + 4);
        RlpHeader { list: true, payload_length: fields.len() }.encode(&mut encoded);
        encoded.extend_from_slice(&fields);
        encoded
    }

    /// Ethereum's hash of the header.
    pub fn hash(&self) -> Hash {
        keccak256(&self.rlp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_over_nothing_is_ethereums() {
        assert_eq!(EthereumHeader::NO_TRANSACTIONS, keccak256(&[alloy_rlp::EMPTY_STRING_CODE]));
        assert_eq!(EthereumHeader::UNCLES, keccak256(&[alloy_rlp::EMPTY_LIST_CODE]));
    }
    use crate::ethereum::list_payload;

    #[test]
    fn the_constant_for_no_uncles_is_the_hash_of_an_empty_list() {
        assert_eq!(keccak256(&[0xc0]), EMPTY_UNCLES);
    }

    /// The expected hashes come from another encoder (RLP and Keccak-f written anew from the yellow paper in Python),
    /// which also gives Ethereum's mainnet genesis its known hash, 0xd4e56740...8fa3.
    #[test]
    fn headers_hash_as_another_encoder_says() {
        let zero = EthereumHeader {
            parent: Hash::ZERO,
            beneficiary: Address::ZERO,
            state_root: Hash::ZERO,
            transaction_root: Hash::ZERO,
            receipt_root: Hash::ZERO,
            bloom: Bloom::default(),
            number: 0,
            gas_limit: 0,
            gas_used: 0,
            timestamp_s: 0,
        };
        let rlp = zero.rlp();
        assert_eq!(list_payload(&rlp).map(<[u8]>::len), Some(rlp.len() - 3));
        assert_eq!(zero.hash().to_string(), "0x3620d3d1aa3b98ec4f6f583014c60b2641b5301261b53c826e66a1e0ea7b843a");
        let mut bloom = Bloom::default();
        bloom.add(&Log { address: Address([0x99; 20]), topics: vec![Hash([1; 32]), Hash([2; 32])], data: vec![] });
        let full = EthereumHeader {
            parent: Hash([1; 32]),
            beneficiary: Address([2; 20]),
            state_root: Hash([3; 32]),
            transaction_root: Hash([4; 32]),
            receipt_root: Hash([5; 32]),
            bloom,
            number: 300,
            gas_limit: 800_000_000,
            gas_used: 128,
            timestamp_s: 1_700_000_000,
        };
        assert_eq!(full.hash().to_string(), "0xc74a871490eec451d7fcc6477baccda1c2f3ec3686fd6bd23f809fa3b9a9c749");
    }

    #[test]
    fn a_filter_over_many_logs_is_each_ones_added() {
        let log = |byte: u8| Log { address: Address([byte % 2; 20]), topics: vec![Hash([byte; 32]); 2], data: vec![] };
        let logs: Vec<Log> = (0..9).map(|byte| log(byte % 5)).collect();
        let mut one_by_one = Bloom::default();
        logs.iter().for_each(|log| one_by_one.add(log));
        assert_eq!(Bloom::of(&logs), one_by_one);
    }

    #[test]
    fn three_bits_are_set_for_an_address() {
        let mut bloom = Bloom::default();
        bloom.add(&Log { address: Address([0xaa; 20]), topics: vec![], data: vec![] });
        let bits: u32 = bloom.as_bytes().iter().map(|byte| byte.count_ones()).sum();
        assert!((1..=3).contains(&bits));
    }
}
