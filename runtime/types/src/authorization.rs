//! How an account lets another's code stand for it (EIP-7702).

use alloy_rlp::{Encodable, Header as RlpHeader};
use entente_crypto::{keccak256, recover_secp256k1};
use ruint::aliases::U256;

use crate::{Address, Hash, legacy_transaction::number};

/// What is hashed in front of an authorization, so that its signature is no transaction's.
const MAGIC: u8 = 5;

/// An account's word that the code at an address is to run where the account is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The chain that it is for; 0 where it is for all.
    pub chain_id: U256,
    /// Whose code; the address zero takes back what was said before.
    pub address: Address,
    /// How many transactions and authorizations of the account came before.
    pub nonce: u64,
    /// The signature: r, s and the parity of R's y, which may be any byte: only 0 and 1 are somebody's.
    pub signature: [u8; 65],
}

impl Authorization {
    /// What the account signs.
    pub fn signing_hash(&self) -> Hash {
        let mut fields = Vec::with_capacity(64);
        number(self.chain_id, &mut fields);
        self.address.0.encode(&mut fields);
        self.nonce.encode(&mut fields);
        let mut digest = vec![MAGIC];
        RlpHeader { list: true, payload_length: fields.len() }.encode(&mut digest);
        digest.extend_from_slice(&fields);
        keccak256(&digest)
    }

    /// The account that signed it, if the signature is one with low s (EIP-2).
    pub fn authority(&self) -> Option<Address> {
        // The ledger's own signatures have 27 and 28 for 0 and 1 too.
        self.signature.last().filter(|parity| **parity < 2)?;
        let key = recover_secp256k1(self.signing_hash().as_ref(), &self.signature)?;
        keccak256(&key).0.last_chunk::<20>().map(|bytes| Address(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use entente_crypto::{SecretKey, Suite};
    use proptest::prelude::*;

    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_bytes(Suite::Standard, &[1; 32]).unwrap()
    }

    fn signed(chain_id: u64, nonce: u64) -> Authorization {
        let chain_id = U256::from(chain_id);
        let unsigned = Authorization { chain_id, address: Address([7; 20]), nonce, signature: [0; 65] };
        let signature = key().sign(&unsigned.signing_hash());
        Authorization { signature: signature.as_bytes().try_into().unwrap(), ..unsigned }
    }

    #[test]
    fn what_is_signed_is_the_magic_and_a_list_of_three() {
        let list = [&[0xd7, 1, 0x94][..], &[7; 20], &[0x80]].concat();
        assert_eq!(signed(1, 0).signing_hash(), keccak256(&[&[5][..], &list].concat()));
    }

    #[test]
    fn only_a_parity_of_0_or_1_and_a_low_s_are_somebodys() {
        let whole = signed(0, 9);
        assert_eq!(whole.authority(), Some(key().public_key().address()));
        for parity in (2..=255).chain([1 - whole.signature[64]]) {
            let mut changed = whole.clone();
            changed.signature[64] = parity;
            assert_ne!(changed.authority(), whole.authority(), "{parity}");
            assert!(parity < 2 || changed.authority().is_none(), "{parity}");
        }
        // The twin of the signature: the curve's order less s, and the other parity.
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
        let mut twin = whole.clone();
        let s = U256::from_be_slice(&whole.signature[32..64]);
        twin.signature[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        twin.signature[64] ^= 1;
        assert_eq!(twin.authority(), None);
    }

    proptest! {
        #[test]
        fn no_signature_makes_recovering_panic(bytes in proptest::collection::vec(any::<u8>(), 65), parity in 0_u8..3) {
            let mut changed = signed(1, 1);
            changed.signature.copy_from_slice(&bytes);
            changed.signature[64] = parity;
            prop_assert_ne!(changed.authority(), Some(key().public_key().address()));
        }
    }
}
