//! SM2 signatures on the recommended curve (GB/T 32918.2 and 32918.5), with the identifier that everybody uses.
//!
//! What is kept of a signature is `r`, `s`, the parity of R and the key: Z hashes the key, so no key can be recovered;
//! and R = (x, y) follows from r, e and the parity, so that many signatures can be verified as one sum of points.
//! For that, x must be below the group's order. Both rules leave one sequence of bytes for a key, a digest and a k.

mod encryption;

use std::sync::LazyLock;

use rfc6979::KGenerator;
use sm2::{
    AffinePoint, ProjectivePoint, Scalar, Sm2, U256,
    elliptic_curve::{
        Curve as _,
        ff::PrimeField as _,
        group::Group as _,
        ops::{MulByGeneratorVartime as _, MulVartime as _, Reduce as _},
        point::AffineCoordinates as _,
    },
};
use sm3::{Digest as _, Sm3};
use zeroize::Zeroize as _;

pub use encryption::{EncryptionError, SM2_ENCRYPTION_BYTES, sm2_decrypt, sm2_encrypt};

use crate::{SignatureError, Suite};

/// The bytes of a signature: `r`, `s`, parity, key.
pub(crate) const SIGNATURE_BYTES: usize = 129;

/// The identifier that stands in Z where nothing else is agreed (GB/T 35276, section 10).
const IDENTIFIER: &[u8; 16] = b"1234567812345678";
/// The curve's a, b, and the generator (GB/T 32918.5, section 2), as Z hashes them.
const CURVE: [&[u8; 32]; 4] = [
    b"\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xfc",
    b"\x28\xe9\xfa\x9e\x9d\x9f\x5e\x34\x4d\x5a\x9e\x4b\xcf\x65\x09\xa7\xf3\x97\x89\xf5\x15\xab\x8f\x92\xdd\xbc\xbd\x41\x4d\x94\x0e\x93",
    b"\x32\xc4\xae\x2c\x1f\x19\x81\x19\x5f\x99\x04\x46\x6a\x39\xc9\x94\x8f\xe3\x0b\xbf\xf2\x66\x0b\xe1\x71\x5a\x45\x89\x33\x4c\x74\xc7",
    b"\xbc\x37\x36\xa2\xf4\xf6\x77\x9c\x59\xbd\xce\xe3\x6b\x69\x21\x53\xd0\xa9\x87\x7c\xc6\x2a\x47\x40\x02\xdf\x32\xe5\x21\x39\xf0\xa0",
];

/// SM3 that has taken in what Z begins with, for any key.
static IDENTITY: LazyLock<Sm3> = LazyLock::new(|| {
    let mut hasher = Sm3::new_with_prefix(128_u16.to_be_bytes());
    hasher.update(IDENTIFIER);
    CURVE.iter().for_each(|part| hasher.update(part));
    hasher
});

/// SM3 that has taken in the key's Z (GB/T 32918.2, section 5.5): what a message is added to.
fn hasher_of(key: &[u8; 64]) -> Sm3 {
    Sm3::new_with_prefix(IDENTITY.clone().chain_update(key).finalize())
}

/// e = SM3(Z || message), as a scalar.
fn scalar_of_message(hasher: Sm3, message: &[u8]) -> Scalar {
    Scalar::reduce(&hasher.chain_update(message).finalize())
}

/// A scalar from 1 to n - 1.
fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Option::<Scalar>::from(Scalar::from_repr((*bytes).into())).filter(|scalar| !bool::from(scalar.is_zero()))
}

/// The point with these coordinates, if it lies on the curve.
pub(crate) fn point(key: &[u8; 64]) -> Option<AffinePoint> {
    let (x, y) = key.split_first_chunk::<32>()?;
    let y = <&[u8; 32]>::try_from(y).ok()?;
    AffinePoint::from_coordinates(&(*x).into(), &(*y).into()).into()
}

/// The coordinates of a point that is not the neutral element.
fn coordinates(point: &AffinePoint) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (target, byte) in bytes.iter_mut().zip(point.x().into_iter().chain(point.y())) {
        *target = byte;
    }
    bytes
}

/// R = s * G + (r + s) * P, where it has the r that the signature says (GB/T 32918.2, section 7.1). In variable time:
/// nothing here is secret.
#[expect(clippy::many_single_char_names, reason = "the standard's names")]
fn commitment(e: &Scalar, r: &Scalar, s: &Scalar, key: &AffinePoint) -> Option<AffinePoint> {
    // B5.
    let t = r + s;
    if t.is_zero().into() {
        return None;
    }
    // B6. The neutral element has no x: its coordinates read zero, which is refused here, not left to chance.
    let sum = ProjectivePoint::mul_by_generator_vartime(s) + ProjectivePoint::from(key).mul_vartime(&t);
    if sum.is_identity().into() {
        return None;
    }
    let point = sum.to_affine();
    // B7, for x below the order only.
    let x = Option::<Scalar>::from(Scalar::from_repr(point.x()))?;
    (*r == *e + x).then_some(point)
}

/// The key in a signature, once the signature is found to be that key's of this message.
pub(crate) fn signer(message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<[u8; 64], SignatureError> {
    let mismatch = SignatureError::KeyMismatch;
    let (r, rest) = signature.split_first_chunk::<32>().ok_or(mismatch.clone())?;
    let (s, rest) = rest.split_first_chunk::<32>().ok_or(mismatch.clone())?;
    let (&[parity], key) = rest.split_first_chunk::<1>().ok_or(mismatch.clone())?;
    let key = <[u8; 64]>::try_from(key).map_err(|_| mismatch.clone())?;
    if parity > 1 {
        return Err(SignatureError::Parity(parity));
    }
    // B1 and B2.
    let (r, s) = scalar(r).zip(scalar(s)).ok_or(mismatch.clone())?;
    let point = point(&key).ok_or(SignatureError::InvalidKey(Suite::Guomi))?;
    // B3 and B4.
    let e = scalar_of_message(hasher_of(&key), message);
    let commitment = commitment(&e, &r, &s, &point).ok_or(mismatch.clone())?;
    if commitment.y_is_odd().unwrap_u8() == parity { Ok(key) } else { Err(mismatch) }
}

/// A secret key, with what signing needs of it each time. What is secret is wiped when it is dropped.
#[derive(Clone)]
pub(crate) struct Sm2Secret {
    /// d, from 1 to n - 2.
    secret: Scalar,
    /// (1 + d)^-1.
    inverse: Scalar,
    key: [u8; 64],
    /// SM3 that has taken in Z.
    hasher: Sm3,
}

impl Drop for Sm2Secret {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.inverse.zeroize();
    }
}

impl Sm2Secret {
    /// The key with these bytes; nothing where they are zero, n - 1 or above (GB/T 32918.2, section 6.1: with n - 1,
    /// 1 + d has no inverse).
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let secret = scalar(bytes)?;
        let inverse = Option::<Scalar>::from((secret + Scalar::ONE).invert())?;
        let key = coordinates(&ProjectivePoint::mul_by_generator(&secret).to_affine());
        Some(Self { secret, inverse, key, hasher: hasher_of(&key) })
    }

    /// d, big-endian.
    pub(crate) fn to_bytes(&self) -> [u8; 32] {
        self.secret.to_repr().into()
    }

    /// The public key.
    pub(crate) const fn key(&self) -> &[u8; 64] {
        &self.key
    }

    /// Signs a message (GB/T 32918.2, section 6.1). k is RFC 6979's (section 3.2) with HMAC-SM3 over d and e, so that
    /// signing is deterministic and needs no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        // A1 and A2.
        let e = scalar_of_message(self.hasher.clone(), message);
        let mut secret = self.secret.to_repr();
        let mut candidates = KGenerator::<Sm3, U256>::new(&secret, &e.to_repr(), &[], &Sm2::ORDER);
        secret.zeroize();
        loop {
            // A3.
            let mut bytes = [0; 32];
            candidates.fill_next_k(&mut bytes);
            let k = scalar(&bytes);
            bytes.zeroize();
            let Some(mut k) = k else { continue };
            let signature = self.try_sign(&e, &k);
            k.zeroize();
            if let Some(signature) = signature {
                return signature;
            }
        }
    }

    /// Steps A4 to A7 with this k; nothing where another one must be drawn.
    #[expect(clippy::many_single_char_names, reason = "the standard's names")]
    fn try_sign(&self, e: &Scalar, k: &Scalar) -> Option<[u8; SIGNATURE_BYTES]> {
        let point = ProjectivePoint::mul_by_generator(k).to_affine();
        let x = Option::<Scalar>::from(Scalar::from_repr(point.x()))?;
        let r = *e + x;
        let s = self.inverse * (k - &(r * self.secret));
        if (r.is_zero() | (r + k).is_zero() | s.is_zero()).into() {
            return None;
        }
        let parity = point.y_is_odd().unwrap_u8();
        let mut signature = [0; SIGNATURE_BYTES];
        let parts = r.to_repr().into_iter().chain(s.to_repr()).chain([parity]).chain(self.key);
        for (target, byte) in signature.iter_mut().zip(parts) {
            *target = byte;
        }
        Some(signature)
    }
}

#[cfg(test)]
mod tests;
