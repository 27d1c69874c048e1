//! Sealing: encryption that also proves who made it, with a nonce that the caller gives.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _,
    aead::{Aead as _, Payload},
};
use zeroize::Zeroizing;

use crate::{Domain, Suite, sm4};

/// The bytes of a nonce. One nonce seals one text under one key, ever: whoever holds the key counts or draws them.
pub const SEAL_NONCE_BYTES: usize = 12;
/// The bytes that sealing adds.
pub const SEAL_TAG_BYTES: usize = 16;

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is longer than the cipher allows (256 GiB; 64 GiB in the Guomi suite).
    #[error("the text is too long to be sealed")]
    Length,
    /// Another key or nonce, other associated data, or damage.
    #[error("the sealed text does not open: another key, nonce or associated data, or it was changed")]
    Refused,
}

impl Suite {
    /// Seals a text: the ciphertext and its tag. `associated` is not hidden, but proved together with it.
    /// Standard: ChaCha20-Poly1305 (RFC 8439, section 2.8). Guomi: SM4 in Galois/Counter Mode (RFC 8998), whose key of
    /// 16 bytes is the beginning of SM3 over a domain and the key given here.
    pub fn seal(
        self,
        key: &[u8; 32],
        nonce: &[u8; SEAL_NONCE_BYTES],
        associated: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        match self {
            Self::Standard => ChaCha20Poly1305::new(&(*key).into())
                .encrypt(&(*nonce).into(), Payload { msg: text, aad: associated })
                .map_err(|_| SealError::Length),
            Self::Guomi => sm4::seal(&short_key(key), nonce, associated, text).map_err(|_| SealError::Length),
        }
    }

    /// Opens what [`Suite::seal`] made with the same key, nonce and associated data.
    pub fn open(
        self,
        key: &[u8; 32],
        nonce: &[u8; SEAL_NONCE_BYTES],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        match self {
            Self::Standard => ChaCha20Poly1305::new(&(*key).into())
                .decrypt(&(*nonce).into(), Payload { msg: sealed, aad: associated })
                .map_err(|_| SealError::Refused),
            Self::Guomi => sm4::open(&short_key(key), nonce, associated, sealed).map_err(|_| SealError::Refused),
        }
    }
}

/// The key of SM4: every bit of the longer one decides.
fn short_key(key: &[u8; 32]) -> Zeroizing<[u8; 16]> {
    let derived = Zeroizing::new(Suite::Guomi.hash(Domain::SEAL_KEY, &[key]).0);
    let mut short = Zeroizing::new([0; 16]);
    for (target, byte) in short.iter_mut().zip(derived.iter()) {
        *target = *byte;
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sealing_is_the_rfcs() {
        // RFC 8439, section 2.8.2.
        let key: [u8; 32] = std::array::from_fn(|index| 0x80 + index as u8);
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let associated = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                     sunscreen would be it.";
        let sealed = Suite::Standard.seal(&key, &nonce, &associated, text).unwrap();
        assert_eq!(sealed.len(), text.len() + SEAL_TAG_BYTES);
        assert_eq!(hex::encode(&sealed[..16]), "d31a8d34648e60db7b86afbc53ef7ec2");
        assert_eq!(hex::encode(&sealed[text.len()..]), "1ae10b594f09e26a7e902ecbd0600691");
        assert_eq!(Suite::Standard.open(&key, &nonce, &associated, &sealed).unwrap(), text);
    }

    #[test]
    fn the_key_of_the_guomi_suite_is_derived() {
        let sealed = Suite::Guomi.seal(&[3; 32], &[4; 12], b"for", b"text").unwrap();
        let derived = crate::sm3(&[b"entente/seal-key/1".as_slice(), &[3; 32]].concat()).0;
        assert_eq!(sealed, sm4::seal(derived.first_chunk().unwrap(), &[4; 12], b"for", b"text").unwrap());
        let standard = Suite::Standard.seal(&[3; 32], &[4; 12], b"for", b"text").unwrap();
        assert_eq!(Suite::Guomi.open(&[3; 32], &[4; 12], b"for", &standard), Err(SealError::Refused));
    }

    proptest! {
        #[test]
        fn nothing_opens_but_what_was_sealed(
            suite in prop_oneof![Just(Suite::Standard), Just(Suite::Guomi)],
            text in any::<Vec<u8>>(),
            associated in any::<[u8; 3]>(),
            place in any::<usize>(),
        ) {
            let (key, nonce) = ([3; 32], [4; 12]);
            let sealed = suite.seal(&key, &nonce, &associated, &text).unwrap();
            prop_assert_eq!(suite.open(&key, &nonce, &associated, &sealed).unwrap(), text);
            let mut damaged = sealed.clone();
            let place = place % damaged.len();
            damaged[place] ^= 1;
            prop_assert_eq!(suite.open(&key, &nonce, &associated, &damaged), Err(SealError::Refused));
            prop_assert_eq!(suite.open(&key, &nonce, b"other", &sealed), Err(SealError::Refused));
            let mut other = key;
            other[31] ^= 1;
            prop_assert_eq!(suite.open(&other, &nonce, &associated, &sealed), Err(SealError::Refused));
            prop_assert_eq!(suite.open(&[5; 32], &nonce, &associated, &sealed), Err(SealError::Refused));
            prop_assert_eq!(suite.open(&key, &nonce, &associated, &sealed[..place.min(15)]), Err(SealError::Refused));
        }
    }
}
