//! Whoever signs and finds signers, as a value: the suite and its keys, or what a simulation puts in their place.

use std::fmt;

use rayon::prelude::*;

use crate::{Hash, PublicKey, SecretKey, Signature, SignatureError, Signer, Suite};

/// Finds the signer of a digest. Real nodes use the [`Suite`]; a simulation of many nodes spends its time on agreement
/// rather than on elliptic curves, and uses keyed hashes.
pub trait SignatureScheme: Send + Sync + fmt::Debug {
    /// Who signed this digest.
    ///
    /// # Errors
    /// A signature that is nobody's, as [`Suite::signer`].
    fn signer(&self, digest: &Hash, signature: &Signature) -> Result<Signer, SignatureError>;

    /// Who signed each of these digests, in their order: one by one where nothing better is known.
    fn signers(&self, signed: &[(Hash, &Signature)]) -> Vec<Result<Signer, SignatureError>> {
        signed.iter().map(|(digest, signature)| self.signer(digest, signature)).collect()
    }
}

/// From how many signatures on a batch goes to all cores. Fewer are done before the others could be woken, and need not
/// wait behind the transactions that are verified there.
const SPREAD_FROM: usize = 16;

impl SignatureScheme for Suite {
    fn signer(&self, digest: &Hash, signature: &Signature) -> Result<Signer, SignatureError> {
        (*self).signer(digest, signature)
    }

    fn signers(&self, signed: &[(Hash, &Signature)]) -> Vec<Result<Signer, SignatureError>> {
        if signed.len() < SPREAD_FROM {
            return signed.iter().map(|(digest, signature)| (*self).signer(digest, signature)).collect();
        }
        (*self).signers(signed.par_iter().map(|(digest, signature)| (digest, *signature)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_any_size_finds_the_signers_that_one_by_one_finds() {
        for suite in [Suite::Standard, Suite::Guomi] {
            let keys: Vec<SecretKey> =
                (1..=5).map(|seed| SecretKey::from_bytes(suite, &[seed; 32]).expect("a key")).collect();
            let digests: Vec<Hash> = (0..3 * SPREAD_FROM as u8).map(|number| Hash([number; 32])).collect();
            let mut signatures: Vec<Signature> =
                digests.iter().zip(keys.iter().cycle()).map(|(digest, key)| key.sign(digest)).collect();
            // One in the place of another, which is somebody else's or nobody's.
            signatures.swap(0, 1);
            let signed: Vec<(Hash, &Signature)> = digests.iter().copied().zip(&signatures).collect();
            for count in [0, 1, SPREAD_FROM - 1, SPREAD_FROM, signed.len()] {
                let found = SignatureScheme::signers(&suite, &signed[..count]);
                let one_by_one: Vec<_> =
                    signed[..count].iter().map(|(digest, signature)| suite.signer(digest, signature)).collect();
                assert_eq!(found, one_by_one);
            }
            let last = SignatureScheme::signers(&suite, &signed).pop().and_then(Result::ok).map(|signer| signer.key);
            assert_eq!(last, Some(keys[(signed.len() - 1) % keys.len()].public_key()));
        }
    }
}
