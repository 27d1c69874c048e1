//! The two suites and their hash functions.

use parity_scale_codec::{Decode, Encode, Output};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};
use sm3::Sm3;
use smallvec::SmallVec;

#[cfg(target_arch = "x86_64")]
use crate::blake3_output;
use crate::{Address, Domain, Hash, PublicKey, Signature, SignatureError, Signer, sm3_counter};

/// Which algorithms a group uses, throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// BLAKE3 and ECDSA over secp256k1.
    #[codec(index = 0)]
    Standard,
    /// SM3 and SM2 (GB/T 32905, GB/T 32918).
    #[codec(index = 1)]
    Guomi,
}

/// As long as nearly all rows with their keys are.
const SHORT_INPUT_BYTES: usize = 256;

/// Keccak-256 as Ethereum uses it (the original padding, not FIPS 202's).
pub fn keccak256(bytes: &[u8]) -> Hash {
    Hash(Keccak256::digest(bytes).into())
}

/// SM3 (GB/T 32905) without a domain, for what FISCO BCOS fixed.
pub fn sm3(bytes: &[u8]) -> Hash {
    Hash(<Sm3 as sm3::Digest>::digest(bytes).into())
}

impl Suite {
    /// Hashes the domain and then the parts, one after the other. Parts of variable length must carry their
    /// lengths themselves, as SCALE encodings do.
    pub fn hash(self, domain: Domain, parts: &[&[u8]]) -> Hash {
        let mut hasher = self.hasher(domain);
        for part in parts {
            hasher.update(part);
        }
        hasher.finish()
    }

    /// Hashes the SCALE encoding of a value without building it in memory first.
    pub fn hash_of(self, domain: Domain, value: &impl Encode) -> Hash {
        let mut hasher = self.hasher(domain);
        value.encode_to(&mut hasher);
        hasher.finish()
    }

    /// A hasher that has taken in the domain.
    pub fn hasher(self, domain: Domain) -> Hasher {
        let mut hasher = match self {
            Self::Standard => Hasher::Blake3(Box::default()),
            Self::Guomi => Hasher::Sm3(Sm3::new()),
        };
        hasher.update(domain.as_str().as_bytes());
        hasher
    }

    /// Fills `output` with as many bytes as it holds, derived from the domain and the parts: BLAKE3's extendable
    /// output, or SM3 over (domain, parts, counter as u32) block by block.
    pub fn extend(self, domain: Domain, parts: &[&[u8]], output: &mut [u8]) {
        match self {
            Self::Standard => {
                let mut input = SmallVec::<[u8; SHORT_INPUT_BYTES]>::from_slice(domain.as_str().as_bytes());
                parts.iter().for_each(|part| input.extend_from_slice(part));
                #[cfg(target_arch = "x86_64")]
                if blake3_output::fill(&input, output) {
                    return;
                }
                blake3::Hasher::new().update(&input).finalize_xof().fill(output);
            }
            Self::Guomi => {
                let mut prefix = domain.as_str().as_bytes().to_vec();
                parts.iter().for_each(|part| prefix.extend_from_slice(part));
                sm3_counter::fill(&prefix, output);
            }
        }
    }

    /// The address of an account: the last 20 bytes of the key's Keccak-256 (Standard) or SM3 (Guomi).
    pub(crate) fn address_of(self, key: &[u8; 64]) -> Address {
        let digest: [u8; 32] = match self {
            Self::Standard => keccak256(key).0,
            Self::Guomi => <Sm3 as sm3::Digest>::digest(key).into(),
        };
        let mut address = [0; 20];
        for (target, byte) in address.iter_mut().zip(digest.iter().skip(12)) {
            *target = *byte;
        }
        Address(address)
    }

    /// Who signed this digest.
    ///
    /// # Errors
    /// A signature of the other suite. Standard: one with a high `s`, a recovery id above 1, or one that fits no key.
    /// Guomi: one whose key is none, with a parity that is not R's, or that is not the key's of this digest.
    pub fn signer(self, digest: &Hash, signature: &Signature) -> Result<Signer, SignatureError> {
        let key = PublicKey::recover(self, digest, signature)?;
        Ok(Signer { key, address: key.address() })
    }

    /// Who signed each of these digests, in their order; verified together on rayon's pool.
    pub fn signers<'a>(
        self,
        signed: impl IntoParallelIterator<Item = (&'a Hash, &'a Signature), Iter: IndexedParallelIterator>,
    ) -> Vec<Result<Signer, SignatureError>> {
        signed.into_par_iter().map(|(digest, signature)| self.signer(digest, signature)).collect()
    }
}

/// A running hash. It takes SCALE encodings in as their output.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// BLAKE3. Boxed: its state is two kilobytes.
    Blake3(Box<blake3::Hasher>),
    /// SM3.
    Sm3(Sm3),
}

impl Hasher {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Self::Sm3(hasher) => sm3::Digest::update(hasher, bytes),
        }
    }

    /// The hash of all bytes taken in.
    pub fn finish(self) -> Hash {
        match self {
            Self::Blake3(hasher) => Hash(*hasher.finalize().as_bytes()),
            Self::Sm3(hasher) => Hash(sm3::Digest::finalize(hasher).into()),
        }
    }
}

impl Output for Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keccak_is_ethereums() {
        // Ethereum's hash of nothing (yellow paper, KEC of the empty string).
        assert_eq!(keccak256(b"").to_string(), "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    }

    #[test]
    fn sm3_is_the_standards() {
        // GB/T 32905-2016, appendix A.1: "abc".
        let digest: [u8; 32] = <Sm3 as sm3::Digest>::digest(b"abc").into();
        assert_eq!(hex::encode(digest), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        // Appendix A.2: sixteen times "abcd".
        assert_eq!(
            sm3("abcd".repeat(16).as_bytes()).to_string(),
            "0xdebe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }

    #[test]
    fn blake3_hashes_domain_and_parts_together() {
        let expected = blake3::hash(b"entente/header/1one two");
        assert_eq!(Suite::Standard.hash(Domain::HEADER, &[b"one ", b"two"]).0, *expected.as_bytes());
    }

    #[test]
    fn extended_output_begins_alike_at_every_length() {
        for suite in [Suite::Standard, Suite::Guomi] {
            let mut short = [0; 45];
            let mut long = [0; 2048];
            suite.extend(Domain::ROW, &[b"row"], &mut short);
            suite.extend(Domain::ROW, &[b"row"], &mut long);
            assert_eq!(short[..], long[..45]);
            assert_ne!(long[..32], long[32..64]);
        }
    }

    #[test]
    fn extended_output_is_blake3s_in_a_chunk_and_above_it() {
        for length in [0, 1, 200, 1009, 1010, 1011, 1012, 1024, 5000] {
            let row = vec![7; length];
            let input = [Domain::ROW.as_str().as_bytes(), &row].concat();
            let (mut expected, mut output) = ([0; 2048], [0; 2048]);
            blake3::Hasher::new().update(&input).finalize_xof().fill(&mut expected);
            Suite::Standard.extend(Domain::ROW, &[&row[..length / 2], &row[length / 2..]], &mut output);
            assert_eq!(output, expected, "{length} bytes");
        }
    }

    #[test]
    fn hash_of_equals_hash_of_the_encoding() {
        let value = (7_u64, vec![1_u8, 2, 3], Some(Address([9; 20])));
        for suite in [Suite::Standard, Suite::Guomi] {
            assert_eq!(suite.hash_of(Domain::HEADER, &value), suite.hash(Domain::HEADER, &[&value.encode()]));
        }
    }
}
