//! Signatures that a contract has checked: functions over bytes that every node must answer alike.
//!
//! Whatever the bytes are, the answer is yes or no (or a key, or none): nothing here panics, and no answer depends on
//! anything but the bytes. A slice of the wrong length is never valid.

use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey as Ed25519Key};
use secp256k1::{Message, ecdsa};
use sm2::dsa::{Signature as Sm2Signature, VerifyingKey as Sm2Key, signature::Verifier};

use crate::{Hash, PublicKey, Signature, Suite};

/// The bytes of a digest that ECDSA signs.
pub const SIGNED_DIGEST_BYTES: usize = 32;
/// The bytes of a signature `r`, `s`, of ECDSA, SM2 and Ed25519.
pub const SIGNATURE_BYTES: usize = 64;
/// The bytes of a signature `r`, `s`, `v` from which the key follows.
pub const RECOVERABLE_SIGNATURE_BYTES: usize = 65;
/// The bytes of a public key of secp256k1 or SM2: the point's two coordinates, big-endian.
pub const POINT_BYTES: usize = 64;
/// The bytes of a public key of Ed25519.
pub const ED25519_KEY_BYTES: usize = 32;

/// The identifier that SM2 hashes with the key where nothing else was agreed on (GB/T 35276-2017, section 10).
const SM2_IDENTIFIER: &str = "1234567812345678";

/// What Ethereum's wallets add to the recovery id.
const ETHEREUM_V: u8 = 27;

/// The key, 64 bytes, that made an ECDSA signature of a digest over secp256k1, or nothing.
///
/// `signature` is `r`, `s`, `v`, each of `r` and `s` big-endian, `v` 0 or 1 or, as wallets write it, 27 or 28. As for
/// the ledger's own transactions, `s` must be in the lower half (EIP-2): every signer since 2016 makes such, and of a
/// signature and its twin only one is valid. Ethereum's precompile, which takes both, accepts more. A signature's
/// bytes still name nothing: `v` has two forms, and a signer can sign a digest twice. Remember digests, not signatures.
pub fn recover_secp256k1(digest: &[u8], signature: &[u8]) -> Option<[u8; POINT_BYTES]> {
    let digest = Hash::from_slice(digest)?;
    let mut signature = <[u8; RECOVERABLE_SIGNATURE_BYTES]>::try_from(signature).ok()?;
    let v = signature.last_mut()?;
    *v = v.checked_sub(ETHEREUM_V).unwrap_or(*v);
    let key = PublicKey::recover(Suite::Standard, &digest, &Signature::Standard(signature)).ok()?;
    Some(*key.as_bytes())
}

/// The key, 64 bytes, that made an ECDSA signature `r`, `s` of a digest over secp256k1, as Ethereum's precompile answers
/// (yellow paper, appendix E.1): `s` may be in either half. Nothing where `recovery_id` is neither 0 nor 1.
pub fn recover_ethereum(digest: &[u8], signature: &[u8], recovery_id: u8) -> Option<[u8; POINT_BYTES]> {
    let digest = <[u8; SIGNED_DIGEST_BYTES]>::try_from(digest).ok()?;
    let signature = <&[u8; SIGNATURE_BYTES]>::try_from(signature).ok()?;
    PublicKey::recover_either_half(digest, signature, recovery_id).map(|key| *key.as_bytes())
}

/// Whether an ECDSA signature `r`, `s` of a digest over secp256k1 was made by the key. `s` must be in the lower half,
/// as in [`recover_secp256k1`].
pub fn verify_secp256k1(digest: &[u8], signature: &[u8], key: &[u8]) -> bool {
    secp256k1_verified(digest, signature, key).is_some()
}

fn secp256k1_verified(digest: &[u8], signature: &[u8], key: &[u8]) -> Option<()> {
    let digest = <[u8; SIGNED_DIGEST_BYTES]>::try_from(digest).ok()?;
    let key = secp256k1::PublicKey::from_slice(&uncompressed(key)?).ok()?;
    let signature = <&[u8; SIGNATURE_BYTES]>::try_from(signature).ok()?;
    let signature = ecdsa::Signature::from_compact(signature).ok()?;
    ecdsa::verify(&signature, Message::from_digest(digest), &key).ok()
}

/// Whether an SM2 signature `r`, `s` of a message was made by the key (GB/T 32918.2-2016, section 7.1), under the
/// identifier `1234567812345678`. The message is hashed here, behind Z. SM2 has no twin signatures.
pub fn verify_sm2(message: &[u8], signature: &[u8], key: &[u8]) -> bool {
    sm2_verified(message, signature, key).is_some()
}

fn sm2_verified(message: &[u8], signature: &[u8], key: &[u8]) -> Option<()> {
    let signature = Sm2Signature::from_slice(signature).ok()?;
    let key = Sm2Key::from_sec1_bytes(SM2_IDENTIFIER, &uncompressed(key)?).ok()?;
    key.verify(message, &signature).ok()
}

/// Whether an Ed25519 signature of a message was made by the key.
///
/// The rule is RFC 8032's section 5.1.7 read strictly, and is this, whole: the key and R are canonical encodings of
/// points that are not of small order; S is below the group's order; and S·B = R + k·A, without the cofactor.
///
/// Why this rule and not ZIP 215's: libraries differ in what they accept beyond honest signatures, so a consensus has to
/// fix one rule to the last bit. ZIP 215 exists so that verifying many together answers as one by one does; nothing
/// here verifies many together. It accepts keys of small order, under which one signature is valid for every message.
/// A contract gets keys from strangers, and for it a signature has to bind its key and its message.
pub fn verify_ed25519(message: &[u8], signature: &[u8], key: &[u8]) -> bool {
    ed25519_verified(message, signature, key).is_some()
}

fn ed25519_verified(message: &[u8], signature: &[u8], key: &[u8]) -> Option<()> {
    let key = <&[u8; ED25519_KEY_BYTES]>::try_from(key).ok()?;
    if !is_canonical_y(key) {
        return None;
    }
    let signature = Ed25519Signature::from_slice(signature).ok()?;
    Ed25519Key::from_bytes(key).ok()?.verify_strict(message, &signature).ok()
}

/// Whether the encoded y is below p = 2^255 - 19 (RFC 8032, section 5.1.3, step 1), which the library lets pass for
/// keys. The other encodings that are not canonical, those of x = 0 with a sign, are of points of small order.
fn is_canonical_y(encoded: &[u8; ED25519_KEY_BYTES]) -> bool {
    let [lowest, middle @ .., highest] = encoded;
    *lowest < 0xed || highest & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// The coordinates behind the tag of an uncompressed point (SEC 1, section 2.3.3).
fn uncompressed(key: &[u8]) -> Option<[u8; POINT_BYTES + 1]> {
    let key = <&[u8; POINT_BYTES]>::try_from(key).ok()?;
    let mut tagged = [4; POINT_BYTES + 1];
    for (target, byte) in tagged.iter_mut().skip(1).zip(key) {
        *target = *byte;
    }
    Some(tagged)
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
