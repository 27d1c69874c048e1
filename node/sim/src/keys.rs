//! Keys of nodes and accounts, and signatures that cost little.

use std::sync::{Arc, OnceLock};

use entente_crypto::{
    Hash, PublicKey, SecretKey, Signature, SignatureError, SignatureScheme, Signer, SigningKey, Suite,
};

/// How many nodes and accounts there are at most.
pub(crate) const KEYS: usize = 32;

/// The secret keys, which real signatures use; their public keys stand for them in keyed hashes too.
fn secrets() -> &'static [SecretKey] {
    static SECRETS: OnceLock<Vec<SecretKey>> = OnceLock::new();
    SECRETS.get_or_init(|| {
        let key = |place: usize| SecretKey::from_bytes(Suite::Standard, &[place as u8 + 1; 32]);
        (0..KEYS).filter_map(|place| key(place).ok()).collect()
    })
}

fn publics() -> &'static [PublicKey] {
    static PUBLICS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    PUBLICS.get_or_init(|| secrets().iter().map(SecretKey::public_key).collect())
}

/// The key of a place, for signatures that are real whatever the others are.
pub(crate) fn secret_key(place: usize) -> Option<&'static SecretKey> {
    secrets().get(place)
}

/// Signatures that are keyed hashes: nobody can make one without the key, which only its owner is handed.
#[derive(Debug)]
struct KeyedHashes;

fn mac(place: usize, digest: &Hash) -> [u8; 32] {
    *blake3::keyed_hash(&[place as u8 + 1; 32], digest.as_ref()).as_bytes()
}

fn signature(place: usize, digest: &Hash) -> Signature {
    let mut bytes = [0; 65];
    let (index, rest) = bytes.split_at_mut(1);
    index.copy_from_slice(&[place as u8]);
    rest.iter_mut().zip(mac(place, digest)).for_each(|(target, byte)| *target = byte);
    Signature::Standard(bytes)
}

impl SignatureScheme for KeyedHashes {
    fn signer(&self, digest: &Hash, found: &Signature) -> Result<Signer, SignatureError> {
        let place = found.as_bytes().first().map_or(KEYS, |byte| usize::from(*byte));
        let key = publics().get(place).ok_or(SignatureError::Unrecoverable)?;
        if signature(place, digest) != *found {
            return Err(SignatureError::Unrecoverable);
        }
        Ok(Signer { key: *key, address: key.address() })
    }
}

#[derive(Debug)]
struct HashingKey(usize);

impl SigningKey for HashingKey {
    fn public_key(&self) -> PublicKey {
        public_key(self.0)
    }

    fn sign(&self, digest: &Hash) -> Signature {
        signature(self.0, digest)
    }
}

/// The public key at a place.
pub(crate) fn public_key(place: usize) -> PublicKey {
    publics()[place]
}

/// The keys of a simulation.
#[derive(Debug, Clone)]
pub struct Keys {
    real: bool,
}

impl Keys {
    /// Real signatures, or keyed hashes.
    pub const fn new(real: bool) -> Self {
        Self { real }
    }

    /// Finds signers.
    pub fn scheme(&self) -> Arc<dyn SignatureScheme> {
        if self.real { Arc::new(Suite::Standard) } else { Arc::new(KeyedHashes) }
    }

    /// The key at a place.
    pub fn signing(&self, place: usize) -> Arc<dyn SigningKey> {
        if self.real { Arc::new(secrets()[place].clone()) } else { Arc::new(HashingKey(place)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_hash_is_its_owners_alone() {
        let keys = Keys::new(false);
        let digest = Hash([3; 32]);
        let signed = keys.signing(5).sign(&digest);
        assert_eq!(keys.scheme().signer(&digest, &signed).unwrap().key, public_key(5));
        assert!(keys.scheme().signer(&Hash([4; 32]), &signed).is_err());
        for place in 0..65 {
            let mut bytes: [u8; 65] = signed.as_bytes().try_into().unwrap();
            bytes[place] ^= 1;
            assert!(keys.scheme().signer(&digest, &Signature::Standard(bytes)).is_err(), "{place}");
        }
    }
}
