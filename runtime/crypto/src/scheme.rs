//! Whoever signs and finds signers, as a value: the suite and its keys, or what a simulation puts in their place.

use std::fmt;

use crate::{Hash, PublicKey, SecretKey, Signature, SignatureError, Signer, Suite};

/// Finds the signer of a digest. Real nodes use the [`Suite`]; a simulation of many nodes spends its time on agreement
/// rather than on elliptic curves, and uses keyed hashes.
pub trait SignatureScheme: Send + Sync + fmt::Debug {
    /// Who signed this digest.
    ///
    /// # Errors
    /// A signature that is nobody's, as [`Suite::signer`].
    fn signer(&self, digest: &Hash, signature: &Signature) -> Result<Signer, SignatureError>;
}

impl SignatureScheme for Suite {
    fn signer(&self, digest: &Hash, signature: &Signature) -> Result<Signer, SignatureError> {
        (*self).signer(digest, signature)
    }
}

/// Signs for one key.
pub trait SigningKey: Send + Sync + fmt::Debug {
    /// Whose signatures these are.
    fn public_key(&self) -> PublicKey;

    /// Signs a digest: always the same signature for the same digest.
    fn sign(&self, digest: &Hash) -> Signature;
}

impl SigningKey for SecretKey {
    fn public_key(&self) -> PublicKey {
        Self::public_key(self)
    }

    fn sign(&self, digest: &Hash) -> Signature {
        Self::sign(self, digest)
    }
}
