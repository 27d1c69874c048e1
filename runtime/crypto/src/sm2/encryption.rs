//! SM2 encryption to a public key (GB/T 32918.4), in the order C1, C3, C2.

use sm2::{
    AffinePoint, ProjectivePoint,
    elliptic_curve::{group::Group as _, point::AffineCoordinates as _, subtle::ConstantTimeEq as _},
};
use sm3::{Digest as _, Sm3};
use zeroize::Zeroize as _;

use super::{coordinates, point, scalar};
use crate::{PublicKey, SecretKey, Suite};

/// The bytes that encryption adds: a point, uncompressed, and an SM3 hash.
pub const SM2_ENCRYPTION_BYTES: usize = 97;

/// The first byte of a point whose two coordinates follow (GB/T 32918.1, section 4.2.9).
const UNCOMPRESSED: u8 = 4;

/// Why a text was not encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// Only keys of the Guomi suite encrypt.
    #[error("the key is one of the {0:?} suite; SM2 encryption needs a key of the Guomi suite")]
    WrongSuite(Suite),
    /// The text is empty: the standard encrypts nothing but bits.
    #[error("the text is empty; SM2 encrypts one byte or more")]
    Empty,
    /// The text is longer than the mask that can be derived (128 GiB).
    #[error("the text is too long for SM2")]
    Length,
    /// The random bytes give no k, or one that hides nothing. One in 2^32, but for texts of a few bytes.
    #[error("these random bytes cannot be used; draw others")]
    Randomness,
    /// Another key, or damage.
    #[error("the text does not decrypt: it is for another key, or it was changed")]
    Refused,
}

/// Encrypts a text to a key: `04 | x | y` of C1, C3, C2. The caller draws the random bytes, anew for every text, and
/// draws again on [`EncryptionError::Randomness`].
pub fn sm2_encrypt(key: &PublicKey, randomness: &[u8; 32], text: &[u8]) -> Result<Vec<u8>, EncryptionError> {
    let refused = EncryptionError::WrongSuite(key.suite());
    let point = Some(key).filter(|key| key.suite() == Suite::Guomi).and_then(|key| point(key.as_bytes()));
    let point = point.ok_or(refused)?;
    if text.is_empty() {
        return Err(EncryptionError::Empty);
    }
    // A1 to A4. The cofactor is 1, so a point of the curve other than the neutral element will do.
    let mut k = scalar(randomness).ok_or(EncryptionError::Randomness)?;
    let first = coordinates(&ProjectivePoint::mul_by_generator(&k).to_affine());
    let shared = (ProjectivePoint::from(point) * k).to_affine();
    k.zeroize();
    // A5 to A7.
    let masked = mask(&shared, text)?.ok_or(EncryptionError::Randomness)?;
    let digest = digest(&shared, text);
    let mut sealed = Vec::with_capacity(SM2_ENCRYPTION_BYTES.saturating_add(text.len()));
    sealed.push(UNCOMPRESSED);
    sealed.extend_from_slice(&first);
    sealed.extend_from_slice(&digest);
    sealed.extend_from_slice(&masked);
    Ok(sealed)
}

/// Decrypts what [`sm2_encrypt`], or another implementation in the order C1, C3, C2, made for this key.
pub fn sm2_decrypt(key: &SecretKey, sealed: &[u8]) -> Result<Vec<u8>, EncryptionError> {
    let secret = key.guomi().ok_or(EncryptionError::WrongSuite(key.suite()))?;
    let (first, masked) = sealed
        .split_first()
        .filter(|(tag, _)| **tag == UNCOMPRESSED)
        .and_then(|(_, rest)| rest.split_first_chunk::<64>())
        .ok_or(EncryptionError::Refused)?;
    let (expected, masked) = masked.split_first_chunk::<32>().ok_or(EncryptionError::Refused)?;
    if masked.is_empty() {
        return Err(EncryptionError::Refused);
    }
    // B1 to B3.
    let first = point(first).ok_or(EncryptionError::Refused)?;
    let product = ProjectivePoint::from(first) * secret.secret;
    if product.is_identity().into() {
        return Err(EncryptionError::Refused);
    }
    let shared = product.to_affine();
    // B4 to B6.
    let mut text = mask(&shared, masked)?.ok_or(EncryptionError::Refused)?;
    if bool::from(digest(&shared, &text).ct_eq(expected)) {
        return Ok(text);
    }
    text.zeroize();
    Err(EncryptionError::Refused)
}

/// The text under the mask that the key derivation function gives (GB/T 32918.4, section 5.4.3); nothing where the
/// whole mask is zero.
fn mask(shared: &AffinePoint, text: &[u8]) -> Result<Option<Vec<u8>>, EncryptionError> {
    if text.len().div_ceil(32) > u32::MAX as usize {
        return Err(EncryptionError::Length);
    }
    let prefix = Sm3::new_with_prefix(coordinates(shared));
    let mut masked = text.to_vec();
    let mut any = 0;
    for (counter, block) in (1_u32..=u32::MAX).zip(masked.chunks_mut(32)) {
        let derived = prefix.clone().chain_update(counter.to_be_bytes()).finalize();
        for (target, byte) in block.iter_mut().zip(derived) {
            *target ^= byte;
            any |= byte;
        }
    }
    Ok((any != 0).then_some(masked))
}

/// C3: SM3 over x, the text and y.
fn digest(shared: &AffinePoint, text: &[u8]) -> [u8; 32] {
    Sm3::new_with_prefix(shared.x()).chain_update(text).chain_update(shared.y()).finalize().into()
}
