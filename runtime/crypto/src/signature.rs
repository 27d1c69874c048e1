//! Keys and signatures.

use std::{fmt, sync::OnceLock};

use parity_scale_codec::{Decode, Encode, Input};
use secp256k1::{
    Message,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    Address, Hash, Suite,
    sm2::{self, Sm2Secret},
};

/// Half the order of secp256k1's group, big-endian: the largest `s` that is accepted (SEC 2, section 2.4.1;
/// the rule is Ethereum's EIP-2).
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// Why a key or a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature belongs to the other suite.
    #[error("the signature is not one of the {0:?} suite, which this group uses")]
    WrongSuite(Suite),
    /// `s` is above half the group's order; its twin is the one that is accepted.
    #[error("the signature's s is in the upper half; sign with low s")]
    HighS,
    /// The recovery id is neither 0 nor 1.
    #[error("the signature's recovery id is {0}; allowed are 0 and 1")]
    RecoveryId(u8),
    /// No public key fits.
    #[error("the signature fits no public key")]
    Unrecoverable,
    /// The parity of R is neither 0 nor 1.
    #[error("the parity in the signature is {0}; allowed are 0 and 1")]
    Parity(u8),
    /// The signature is not one of this digest by the key it carries, or the parity is not R's.
    #[error("the signature is not one of this digest by the public key in it")]
    KeyMismatch,
    /// The bytes are no key.
    #[error("the bytes are no valid key of the {0:?} suite")]
    InvalidKey(Suite),
    /// The bytes are no signature.
    #[error("a signature has 65 bytes (standard) or 129 (guomi), not {0}")]
    Length(usize),
}

/// A signature from which, with the digest, the signer's key follows.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Signature {
    /// `r`, `s`, `v`: ECDSA over secp256k1 with the recovery id, low `s` only.
    #[codec(index = 0)]
    Standard([u8; 65]),
    /// `r`, `s`, the parity of R, the public key: SM2.
    #[codec(index = 1)]
    Guomi(Box<[u8; 129]>),
}

impl Signature {
    /// The signature's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Standard(bytes) => bytes,
            Self::Guomi(bytes) => bytes.as_ref(),
        }
    }

    /// A signature from its bytes; the length says which suite it is of.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        if let Ok(bytes) = <[u8; 65]>::try_from(bytes) {
            return Ok(Self::Standard(bytes));
        }
        <[u8; 129]>::try_from(bytes)
            .map(|bytes| Self::Guomi(Box::new(bytes)))
            .map_err(|_| SignatureError::Length(bytes.len()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0x{}", hex::encode(self.as_bytes()))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(&text)).map_err(D::Error::custom)?;
        Self::from_bytes(&bytes).map_err(D::Error::custom)
    }
}

/// Who signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signer {
    /// The public key.
    pub key: PublicKey,
    /// The account that belongs to it.
    pub address: Address,
}

/// A public key: the point's two coordinates, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct PublicKey {
    suite: Suite,
    point: [u8; 64],
}

impl Decode for PublicKey {
    fn decode<I: Input>(input: &mut I) -> Result<Self, parity_scale_codec::Error> {
        let suite = Suite::decode(input)?;
        let point = <[u8; 64]>::decode(input)?;
        Self::from_bytes(suite, &point).map_err(|_| "the bytes are no valid public key".into())
    }
}

impl PublicKey {
    /// A key from its coordinates.
    pub fn from_bytes(suite: Suite, point: &[u8; 64]) -> Result<Self, SignatureError> {
        match suite {
            Suite::Standard => {
                let mut tagged = [4; 65];
                for (target, byte) in tagged.iter_mut().skip(1).zip(point) {
                    *target = *byte;
                }
                secp256k1::PublicKey::from_slice(&tagged).map_err(|_| SignatureError::InvalidKey(suite))?;
            }
            Suite::Guomi => {
                sm2::point(point).ok_or(SignatureError::InvalidKey(suite))?;
            }
        }
        Ok(Self { suite, point: *point })
    }

    /// The suite the key belongs to.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The coordinates.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.point
    }

    /// The account that belongs to the key.
    pub fn address(&self) -> Address {
        self.suite.address_of(&self.point)
    }

    pub(crate) fn recover(suite: Suite, digest: &Hash, signature: &Signature) -> Result<Self, SignatureError> {
        match (suite, signature) {
            (Suite::Standard, Signature::Standard(bytes)) => recover_standard(digest, bytes),
            (Suite::Guomi, Signature::Guomi(bytes)) => sm2::signer(&digest.0, bytes).map(|point| Self { suite, point }),
            _ => Err(SignatureError::WrongSuite(suite)),
        }
    }

    /// The key behind an ECDSA signature over secp256k1 whose `s` may be in either half.
    pub(crate) fn recover_either_half(digest: [u8; 32], compact: &[u8; 64], recovery_id: u8) -> Option<Self> {
        let recovery_id = RecoveryId::from_u8_masked(Some(recovery_id).filter(|id| *id < 2)?);
        let signature = RecoverableSignature::from_compact(compact, recovery_id).ok()?;
        signature.recover_ecdsa(Message::from_digest(digest)).ok().map(|key| Self::standard(&key))
    }

    fn standard(key: &secp256k1::PublicKey) -> Self {
        let mut point = [0; 64];
        for (target, byte) in point.iter_mut().zip(key.serialize_uncompressed().iter().skip(1)) {
            *target = *byte;
        }
        Self { suite: Suite::Standard, point }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0x{}", hex::encode(self.point))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.suite {
            Suite::Standard => serializer.collect_str(&format_args!("{self:?}")),
            Suite::Guomi => serializer.collect_str(&format_args!("guomi:{self:?}")),
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    /// Reads the 64 bytes of a key of the standard suite, or `guomi:` and the 64 bytes of a key of the other.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (suite, digits) = match text.strip_prefix("guomi:") {
            Some(digits) => (Suite::Guomi, digits),
            None => (Suite::Standard, text.as_str()),
        };
        let mut point = [0; 64];
        hex::decode_to_slice(digits.strip_prefix("0x").unwrap_or(digits), &mut point).map_err(D::Error::custom)?;
        Self::from_bytes(suite, &point).map_err(D::Error::custom)
    }
}

fn recover_standard(digest: &Hash, bytes: &[u8; 65]) -> Result<PublicKey, SignatureError> {
    let (compact, recovery_id) = bytes.split_at(64);
    let recovery_id = recovery_id.first().copied().unwrap_or(u8::MAX);
    if recovery_id > 1 {
        return Err(SignatureError::RecoveryId(recovery_id));
    }
    let (_, s) = compact.split_at(32);
    if s > HALF_ORDER.as_slice() {
        return Err(SignatureError::HighS);
    }
    let signature = RecoverableSignature::from_compact(compact, RecoveryId::from_u8_masked(recovery_id))
        .map_err(|_| SignatureError::Unrecoverable)?;
    let key = signature.recover_ecdsa(Message::from_digest(digest.0)).map_err(|_| SignatureError::Unrecoverable)?;
    Ok(PublicKey::standard(&key))
}

/// A secret key. Its bytes are wiped when it is dropped, as far as the language allows.
#[derive(Clone)]
pub struct SecretKey {
    secret: Secret,
    /// Found when somebody asks first: it costs as much as signing.
    public: OnceLock<PublicKey>,
}

#[derive(Clone)]
enum Secret {
    Standard(secp256k1::SecretKey),
    /// Boxed, so that moving the key leaves no copies behind.
    Guomi(Box<Sm2Secret>),
}

impl SecretKey {
    /// A key from 32 bytes, which the caller drew.
    pub fn from_bytes(suite: Suite, bytes: &[u8; 32]) -> Result<Self, SignatureError> {
        let secret = match suite {
            Suite::Standard => secp256k1::SecretKey::from_secret_bytes(*bytes).ok().map(Secret::Standard),
            Suite::Guomi => Sm2Secret::from_bytes(bytes).map(|secret| Secret::Guomi(Box::new(secret))),
        };
        let secret = secret.ok_or(SignatureError::InvalidKey(suite))?;
        Ok(Self { secret, public: OnceLock::new() })
    }

    /// The key's bytes, for a keystore.
    pub fn to_bytes(&self) -> [u8; 32] {
        match &self.secret {
            Secret::Standard(secret) => secret.to_secret_bytes(),
            Secret::Guomi(secret) => secret.to_bytes(),
        }
    }

    /// The suite the key belongs to.
    pub const fn suite(&self) -> Suite {
        match &self.secret {
            Secret::Standard(_) => Suite::Standard,
            Secret::Guomi(_) => Suite::Guomi,
        }
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        *self.public.get_or_init(|| match &self.secret {
            Secret::Standard(secret) => PublicKey::standard(&secp256k1::PublicKey::from_secret_key(secret)),
            Secret::Guomi(secret) => PublicKey { suite: Suite::Guomi, point: *secret.key() },
        })
    }

    /// Signs a digest. The nonce is RFC 6979's (with HMAC-SM3 in the Guomi suite), so that signing is deterministic.
    pub fn sign(&self, digest: &Hash) -> Signature {
        match &self.secret {
            Secret::Standard(secret) => sign_standard(secret, digest),
            Secret::Guomi(secret) => Signature::Guomi(Box::new(secret.sign(&digest.0))),
        }
    }

    /// The secret of a key of the Guomi suite.
    pub(crate) fn guomi(&self) -> Option<&Sm2Secret> {
        match &self.secret {
            Secret::Standard(_) => None,
            Secret::Guomi(secret) => Some(secret),
        }
    }
}

fn sign_standard(secret: &secp256k1::SecretKey, digest: &Hash) -> Signature {
    let signature = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), secret);
    let (recovery_id, compact) = signature.serialize_compact();
    let mut bytes = [0; 65];
    for (target, byte) in bytes.iter_mut().zip(compact.into_iter().chain([recovery_id.to_u8()])) {
        *target = byte;
    }
    Signature::Standard(bytes)
}

impl Drop for Secret {
    fn drop(&mut self) {
        // The other suite's wipes itself.
        if let Self::Standard(secret) = self {
            secret.non_secure_erase();
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey of {}", self.public_key().address())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Domain;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_bytes(Suite::Standard, &[seed; 32]).unwrap()
    }

    fn suites() -> impl Strategy<Value = Suite> {
        prop_oneof![Just(Suite::Standard), Just(Suite::Guomi)]
    }

    #[test]
    fn address_is_ethereums() {
        // The first account of Hardhat and anvil, public and without value.
        let bytes: [u8; 32] = hex::decode("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
            .unwrap()
            .try_into()
            .unwrap();
        let key = SecretKey::from_bytes(Suite::Standard, &bytes).unwrap();
        assert_eq!(key.public_key().address().to_string(), "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    }

    #[test]
    fn half_order_is_half_of_the_order() {
        let mut doubled = [0_u8; 32];
        let mut carry = 1_u16;
        for (target, byte) in doubled.iter_mut().zip(HALF_ORDER).rev() {
            let sum = u16::from(byte) * 2 + carry;
            *target = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(doubled, secp256k1::constants::CURVE_ORDER);
    }

    #[test]
    fn high_s_and_strange_recovery_ids_are_refused() {
        let digest = Suite::Standard.hash(Domain::HEADER, &[b"x"]);
        let Signature::Standard(bytes) = key(1).sign(&digest) else { unreachable!() };
        let mut high = bytes;
        high[32..64].copy_from_slice(&[0xee; 32]);
        assert_eq!(Suite::Standard.signer(&digest, &Signature::Standard(high)), Err(SignatureError::HighS));
        for id in 2..=u8::MAX {
            let mut strange = bytes;
            strange[64] = id;
            assert_eq!(
                Suite::Standard.signer(&digest, &Signature::Standard(strange)),
                Err(SignatureError::RecoveryId(id))
            );
        }
    }

    #[test]
    fn a_suite_takes_only_its_own_signatures() {
        let digest = Hash([1; 32]);
        for (suite, other) in [(Suite::Standard, Suite::Guomi), (Suite::Guomi, Suite::Standard)] {
            let signature = SecretKey::from_bytes(other, &[7; 32]).unwrap().sign(&digest);
            assert_eq!(suite.signer(&digest, &signature), Err(SignatureError::WrongSuite(suite)));
            assert!(other.signer(&digest, &signature).is_ok());
        }
        assert_eq!(Signature::from_bytes(&[0; 64]), Err(SignatureError::Length(64)));
    }

    proptest! {
        #[test]
        fn signing_is_deterministic_and_the_signer_is_found(
            suite in suites(),
            seed in 1_u8..200,
            message in any::<[u8; 32]>(),
        ) {
            let digest = Hash(message);
            let key = SecretKey::from_bytes(suite, &[seed; 32]).unwrap();
            prop_assert_eq!(key.to_bytes(), [seed; 32]);
            let signature = key.sign(&digest);
            prop_assert_eq!(&signature, &key.clone().sign(&digest));
            let signer = suite.signer(&digest, &signature).unwrap();
            prop_assert_eq!(signer.key, key.public_key());
            prop_assert_eq!(signer.address, key.public_key().address());
            let json = serde_json::to_string(&signer.key).unwrap();
            prop_assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), signer.key);
            prop_assert_eq!(PublicKey::decode(&mut signer.key.encode().as_slice()).unwrap(), signer.key);
            let encoded = signature.encode();
            prop_assert_eq!(Signature::decode(&mut encoded.as_slice()).unwrap(), signature);
        }

        #[test]
        fn no_bytes_make_recovery_panic(
            suite in suites(),
            digest in any::<[u8; 32]>(),
            bytes in proptest::collection::vec(any::<u8>(), 129),
        ) {
            let length = if suite == Suite::Standard { 65 } else { 129 };
            let signature = Signature::from_bytes(&bytes[..length]).unwrap();
            let _ = suite.signer(&Hash(digest), &signature);
            let _ = PublicKey::from_bytes(suite, bytes[..64].try_into().unwrap());
        }

        #[test]
        fn many_are_verified_as_one_by_one(suite in suites(), count in 0_usize..40, spoiled in 0_usize..40) {
            let signed: Vec<(Hash, Signature)> = (0..count).map(|index| {
                let digest = suite.hash(Domain::HEADER, &[&[index as u8]]);
                let mut signature = SecretKey::from_bytes(suite, &[index as u8 + 1; 32]).unwrap().sign(&digest);
                if index == spoiled {
                    let mut bytes = signature.as_bytes().to_vec();
                    bytes[40] ^= 1;
                    signature = Signature::from_bytes(&bytes).unwrap();
                }
                (digest, signature)
            }).collect();
            let together = suite.signers(signed.par_iter().map(|(digest, signature)| (digest, signature)));
            for (result, (digest, signature)) in together.into_iter().zip(&signed) {
                prop_assert_eq!(result, suite.signer(digest, signature));
            }
        }
    }

    use rayon::prelude::*;
}
