//! A contract that checks signatures, on the chain in memory.
#![expect(missing_docs, reason = "an example")]

use entente::abi::{AbiDecodeParameters, AbiParameters};
use entente::crypto::{Digest, Ed25519Key, Secp256k1Key, Sm2Key};
use entente::testing::{self, Chain, ContractFault, Status};
use entente::{Address, Bytes, U256};
use entente_crypto::{SecretKey, Suite};
use entente_host::gas::{SCHEDULE_1, to_gas};

#[entente::contract]
pub mod notary {
    use entente::crypto::{Digest, Ed25519Key, Secp256k1Key, Sm2Key};
    use entente::prelude::*;

    #[storage]
    pub struct Notary {
        approvals: Map<Hash32, Address>,
    }

    impl Notary {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn approve(&mut self, document: Bytes, signature: Bytes) -> Result<Address, &'static str> {
            let digest = Digest::Sha256.of(document.as_slice());
            let key = Secp256k1Key::recover(&digest, signature.as_slice()).ok_or("no signature")?;
            self.approvals.set(&digest, &key.address());
            Ok(key.address())
        }

        #[message]
        pub fn check(&self, kind: u8, message: Bytes, signature: Bytes, key: Bytes) -> Result<bool, &'static str> {
            let (message, signature, key) = (message.as_slice(), signature.as_slice(), key.as_slice());
            match kind {
                0 => Secp256k1Key::from_slice(key).map(|key| key.verifies(&Digest::Sm3.of(message), signature)),
                1 => Sm2Key::from_slice(key).map(|key| key.verifies(message, signature)),
                _ => Ed25519Key::from_slice(key).map(|key| key.verifies(message, signature)),
            }
            .ok_or("no key")
        }
    }
}

use notary::Notary;

const CALLER: Address = Address([1; 20]);
const AT: Address = Address([0xa1; 20]);

fn chain() -> Chain {
    let mut chain = Chain::new();
    chain.place::<Notary>(AT);
    chain
}

/// The output, unless it reverts, and the gas used.
fn call(chain: &mut Chain, signature: &str, arguments: &impl AbiParameters) -> (Option<Vec<u8>>, u64) {
    let input = arguments.encode_after(&testing::keccak256(signature.as_bytes())[..4]);
    let receipt = chain.transact(CALLER, Some(AT), &input, U256::ZERO);
    assert!(matches!(receipt.status, Status::Success | Status::Revert), "{receipt:?}");
    ((receipt.status == Status::Success).then_some(receipt.output), receipt.gas_used)
}

fn check(chain: &mut Chain, kind: u8, message: &[u8], signature: &[u8], key: &[u8]) -> (Option<bool>, u64) {
    let arguments = (kind, Bytes::from(message), Bytes::from(signature), Bytes::from(key));
    let (output, gas_used) = call(chain, "check(uint8,bytes,bytes,bytes)", &arguments);
    let decoded = output.map(|output| <(bool,)>::decode_parameters(&output).expect("a bool").0);
    (decoded, gas_used)
}

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hexadecimal");
    digits.as_bytes().chunks(2).map(byte).collect()
}

fn secret() -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[3; 32]).expect("a key")
}

#[test]
fn a_contract_learns_who_signed() {
    let mut chain = chain();
    let signature = secret().sign(&entente_crypto::sha256(b"a document"));
    let mut approve = |document: &[u8], signature: &[u8]| {
        call(&mut chain, "approve(bytes,bytes)", &(Bytes::from(document), Bytes::from(signature))).0
    };
    let signer = Address(secret().public_key().address().0);
    for v in [0, 27] {
        let mut wallets = signature.as_bytes().to_vec();
        wallets[64] += v;
        assert_eq!(approve(b"a document", &wallets), Some((signer,).encode_parameters()));
    }
    assert_ne!(approve(b"another", signature.as_bytes()), Some((signer,).encode_parameters()));
    assert!(approve(b"a document", &signature.as_bytes()[..64]).is_none());
    assert!(approve(b"a document", &[0; 65]).is_none());
}

#[test]
fn a_contract_verifies_each_kind_of_signature() {
    let mut chain = chain();
    // GB/T 32918.5-2017, appendix A.2; RFC 8032, section 7.1, test 2.
    let sm2_key = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    let sm2 = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
    let ed25519 = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let ed25519_key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let standard = secret().sign(&entente_crypto::sm3(b"order"));
    let vectors = [
        (0, b"order".to_vec(), standard.as_bytes()[..64].to_vec(), secret().public_key().as_bytes().to_vec()),
        (1, b"message digest".to_vec(), bytes(sm2), bytes(sm2_key)),
        (2, vec![0x72], bytes(ed25519), bytes(ed25519_key)),
    ];
    let prices = [SCHEDULE_1.verify_secp256k1, SCHEDULE_1.verify_sm2, SCHEDULE_1.verify_ed25519];
    for ((kind, message, signature, key), price) in vectors.iter().zip(prices) {
        let mut check =
            |message: &[u8], signature: &[u8], key: &[u8]| check(&mut chain, *kind, message, signature, key);
        let (valid, gas_used) = check(message, signature, key);
        assert_eq!(valid, Some(true));
        assert_eq!(check(b"else", signature, key).0, Some(false));
        assert_eq!(check(message, &signature[1..], key).0, Some(false), "a length that no signature has");
        let (valid, gas_used_without) = check(message, signature, &key[1..]);
        assert_eq!(valid, None, "a length that no key has");
        // The key is a byte shorter, and the output a reason.
        assert!(gas_used + 1_000 >= gas_used_without + to_gas(price), "a verification is paid for: {gas_used}");
    }
}

#[test]
fn digests_and_addresses_are_the_chains() {
    let asked: Result<_, ContractFault> = chain().within(CALLER, AT, |_: &mut Notary| {
        Ok([Digest::Keccak256, Digest::Blake3, Digest::Sha256, Digest::Sm3].map(|digest| digest.of(b"abc")))
    });
    let hashes = [entente_crypto::keccak256, entente_crypto::blake3, entente_crypto::sha256, entente_crypto::sm3];
    assert_eq!(asked, Ok(hashes.map(|hash| hash(b"abc").0)));
    let key = *secret().public_key().as_bytes();
    let addresses: Result<_, ContractFault> =
        chain().within(CALLER, AT, |_: &mut Notary| Ok((Secp256k1Key(key).address(), Sm2Key(key).address())));
    let sm2 = entente_crypto::sm3(&key).0.last_chunk::<20>().map(|bytes| Address(*bytes));
    assert_eq!(addresses, Ok((Address(secret().public_key().address().0), sm2.expect("32 bytes"))));
    assert!(Ed25519Key::from_slice(&key).is_none(), "64 bytes are no key of Ed25519");
}
