//! Hashes and signatures that the chain computes for a contract, at a fraction of what they would cost in Wasm.
//!
//! Keys are types, so that a key of one kind is never checked as another. Signatures are bytes: one of the wrong length
//! is not valid, whatever it holds.
//!
//! ```
//! use entente::crypto::{Digest, Ed25519Key};
//!
//! fn is_approved(key: [u8; 32], order: &[u8], signature: &[u8]) -> bool {
//!     Ed25519Key(key).verifies(order, signature)
//! }
//!
//! fn opens(commitment: [u8; 32], secret: &[u8]) -> bool {
//!     Digest::Sha256.of(secret) == commitment
//! }
//! ```
//!
//! A signature says that its key signed these bytes, and no more: not when, not for which contract, not how often. Put
//! the contract's address and a number that is used once into what is signed, and remember numbers or digests, never
//! signatures: their bytes are not unique.

use crate::{Address, Hash32, sys};

/// A hash function without a domain. For a hash under the group's suite see [`env::hash`](crate::env::hash).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// Keccak-256 as Ethereum uses it.
    Keccak256,
    /// BLAKE3: the cheapest for long data.
    Blake3,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SM3 (GB/T 32905).
    Sm3,
}

impl Digest {
    /// The hash of `data`, at most 1 MiB; more ends the call.
    pub fn of(self, data: &[u8]) -> Hash32 {
        let algorithm = match self {
            Self::Keccak256 => sys::DIGEST_KECCAK256,
            Self::Blake3 => sys::DIGEST_BLAKE3,
            Self::Sha256 => sys::DIGEST_SHA256,
            Self::Sm3 => sys::DIGEST_SM3,
        };
        sys::digest(algorithm, data)
    }
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// The key of these bytes, if there are as many as a key has. Whether they are a point of the curve is
            /// looked at when a signature is verified: no signature is one of bytes that are no key.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }
    };
}

key!(
    /// A public key of ECDSA over secp256k1: the point's two coordinates, big-endian.
    Secp256k1Key,
    64
);

impl Secp256k1Key {
    /// The key that signed `digest`, or nothing. The signature is `r`, `s`, `v`, 65 bytes; `v` is 0 or 1, or 27 or 28 as
    /// Ethereum's wallets write it. `s` must be in the lower half, which every wallet sees to.
    pub fn recover(digest: &Hash32, signature: &[u8]) -> Option<Self> {
        sys::recover(sys::SIGNATURE_SECP256K1, digest, signature.try_into().ok()?).map(Self)
    }

    /// Whether the signature, `r` and `s`, 64 bytes, is the key's over `digest`. `s` must be in the lower half.
    pub fn verifies(&self, digest: &Hash32, signature: &[u8]) -> bool {
        verified(sys::SIGNATURE_SECP256K1, digest, signature, &self.0)
    }

    /// The account that belongs to the key, on Ethereum and in a group of the standard suite.
    pub fn address(&self) -> Address {
        last_twenty(Digest::Keccak256.of(&self.0))
    }
}

key!(
    /// A public key of SM2 (GB/T 32918): the point's two coordinates, big-endian.
    Sm2Key,
    64
);

impl Sm2Key {
    /// Whether the signature, `r` and `s`, 64 bytes, is the key's over `message`, under the identifier
    /// `1234567812345678`. The message, at most 1 MiB, is hashed on the way; do not hash it before.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        verified(sys::SIGNATURE_SM2, message, signature, &self.0)
    }

    /// The account that belongs to the key in a Guomi group.
    pub fn address(&self) -> Address {
        last_twenty(Digest::Sm3.of(&self.0))
    }
}

key!(
    /// A public key of Ed25519 (RFC 8032).
    Ed25519Key,
    32
);

impl Ed25519Key {
    /// Whether the signature, 64 bytes, is the key's over `message`, at most 1 MiB. The rule is strict: keys of small
    /// order, under which a signature fits every message, have no valid signatures.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        verified(sys::SIGNATURE_ED25519, message, signature, &self.0)
    }
}

fn verified(algorithm: u32, message: &[u8], signature: &[u8], key: &[u8]) -> bool {
    signature.try_into().is_ok_and(|signature: &[u8; 64]| sys::verify(algorithm, message, signature, key))
}

fn last_twenty(hash: Hash32) -> Address {
    let [_, _, _, _, _, _, _, _, _, _, _, _, address @ ..] = hash;
    Address(address)
}
