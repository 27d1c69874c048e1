//! Hashes, signatures, Merkle trees and the state commitment's LtHash, under either of two suites.
//!
//! This crate owns every cryptographic primitive that nodes must compute alike, and the domains that keep hashes
//! of one kind from being taken for another. It never draws randomness, never touches a clock, and knows nothing
//! of transactions or blocks.
//!
//! ```
//! use entente_crypto::{Domain, SecretKey, Suite};
//!
//! let key = SecretKey::from_bytes(Suite::Standard, &[7; 32])?;
//! let digest = Suite::Standard.hash(Domain::TRANSACTION, &[b"pay the bearer"]);
//! let signature = key.sign(&digest);
//! let signer = Suite::Standard.signer(&digest, &signature)?;
//! assert_eq!(signer.address, key.public_key().address());
//! # Ok::<(), entente_crypto::SignatureError>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[cfg(target_arch = "x86_64")]
mod blake3_output;
mod digest;
mod domain;
mod ids;
mod lthash;
mod merkle;
mod scheme;
mod seal;
mod signature;
mod sm2;
mod sm3_counter;
mod sm4;
mod suite;
mod verify;

pub use digest::{blake3, sha256};
pub use domain::Domain;
pub use ids::{Address, Hash, ParseHexError};
pub use lthash::{LANES, LtHash, LtHashSizeError};
pub use merkle::{MerkleProof, MerkleSide, merkle_proof, merkle_root};
pub use scheme::{SignatureScheme, SigningKey};
pub use seal::{SEAL_NONCE_BYTES, SEAL_TAG_BYTES, SealError};
pub use signature::{PublicKey, SecretKey, Signature, SignatureError, Signer};
pub use sm2::{EncryptionError, SM2_ENCRYPTION_BYTES, sm2_decrypt, sm2_encrypt};
pub use suite::{Hasher, Suite, keccak256, sm3};
pub use verify::{
    ED25519_KEY_BYTES, POINT_BYTES, RECOVERABLE_SIGNATURE_BYTES, SIGNATURE_BYTES, SIGNED_DIGEST_BYTES,
    recover_ethereum, recover_secp256k1, verify_ed25519, verify_secp256k1, verify_sm2,
};
