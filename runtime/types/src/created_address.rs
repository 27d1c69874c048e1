//! The addresses of the contracts that EVM code and Ethereum's transactions create.

use alloy_rlp::{Encodable, Header as RlpHeader};
use entente_crypto::keccak256;

use crate::{Address, Hash};

/// The address of the contract that an account creates at this nonce (yellow paper, section 7).
pub fn created_address(creator: &Address, nonce: u64) -> Address {
    let payload_length = creator.0.length() + nonce.length();
    let mut encoded = Vec::with_capacity(payload_length + 1);
    RlpHeader { list: true, payload_length }.encode(&mut encoded);
    creator.0.encode(&mut encoded);
    nonce.encode(&mut encoded);
    last_twenty(&keccak256(&encoded))
}

/// The address of the contract that a contract creates with a salt, from the Keccak-256 of the code that creates it
/// (EIP-1014).
pub fn created_address_by_salt(creator: &Address, salt: &[u8; 32], code_hash: &Hash) -> Address {
    last_twenty(&keccak256(&[&[0xff], creator.as_ref(), salt, code_hash.as_ref()].concat()))
}

fn last_twenty(hash: &Hash) -> Address {
    hash.0.last_chunk::<20>().map(|bytes| Address(*bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_by_nonce_are_the_known_ones() {
        // The contracts of one account of Ethereum's mainnet, as go-ethereum's TestNewContractAddress has them.
        let creator = address("0x970e8128ab834e8eac17ab8e3812f010678cf791");
        for (nonce, created) in [
            (0, "0x333c3310824b7c685133f2bedb2ca4b8b4df633d"),
            (1, "0x8bda78331c916a08481428e4b07c96d3e916d165"),
            (2, "0xc9ddedf451bc62ce88bf9292afb13df35b670699"),
        ] {
            assert_eq!(created_address(&creator, nonce), address(created));
        }
    }

    #[test]
    fn addresses_by_salt_are_the_known_ones() {
        // The examples of EIP-1014.
        let zero = [0; 32];
        let of = |creator: &str, salt: &[u8; 32], code: &[u8]| {
            created_address_by_salt(&address(creator), salt, &keccak256(code))
        };
        let nobody = "0x0000000000000000000000000000000000000000";
        assert_eq!(of(nobody, &zero, &[0]), address("0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"));
        assert_eq!(
            of("0xdeadbeef00000000000000000000000000000000", &zero, &[0]),
            address("0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3")
        );
        assert_eq!(of(nobody, &zero, &[]), address("0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"));
    }
}
