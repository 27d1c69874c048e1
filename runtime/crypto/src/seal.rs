//! Sealing: encryption that also proves who made it, with a nonce that the caller gives.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _,
    aead::{Aead as _, Payload},
};

use crate::Suite;

/// The bytes of a nonce. One nonce seals one text under one key, ever: whoever holds the key counts or draws them.
pub const SEAL_NONCE_BYTES: usize = 12;
/// The bytes that sealing adds.
pub const SEAL_TAG_BYTES: usize = 16;

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// This build cannot seal under that suite.
    #[error("this version cannot seal under the {0:?} suite; use a group of the standard suite")]
    SuiteNotBuilt(Suite),
    /// The text is longer than the cipher allows (256 GiB).
    #[error("the text is too long to be sealed")]
    Length,
    /// Another key or nonce, other associated data, or damage.
    #[error("the sealed text does not open: another key, nonce or associated data, or it was changed")]
    Refused,
}

impl Suite {
    /// Seals a text: the ciphertext and its tag. `associated` is not hidden, but proved together with it.
    /// Standard: ChaCha20-Poly1305 (RFC 8439, section 2.8).
    pub fn seal(
        self,
        key: &[u8; 32],
        nonce: &[u8; SEAL_NONCE_BYTES],
        associated: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let payload = Payload { msg: text, aad: associated };
        self.cipher(key)?.encrypt(&(*nonce).into(), payload).map_err(|_| SealError::Length)
    }

    /// Opens what [`Suite::seal`] made with the same key, nonce and associated data.
    pub fn open(
        self,
        key: &[u8; 32],
        nonce: &[u8; SEAL_NONCE_BYTES],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let payload = Payload { msg: sealed, aad: associated };
        self.cipher(key)?.decrypt(&(*nonce).into(), payload).map_err(|_| SealError::Refused)
    }

    fn cipher(self, key: &[u8; 32]) -> Result<ChaCha20Poly1305, SealError> {
        match self {
            Self::Standard => Ok(ChaCha20Poly1305::new(&(*key).into())),
            Self::Guomi => Err(SealError::SuiteNotBuilt(self)),
        }
    }
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
    fn the_other_suite_says_that_it_is_not_there() {
        let refused = Suite::Guomi.seal(&[1; 32], &[2; 12], b"", b"text");
        assert_eq!(refused, Err(SealError::SuiteNotBuilt(Suite::Guomi)));
    }

    proptest! {
        #[test]
        fn nothing_opens_but_what_was_sealed(text in any::<Vec<u8>>(), associated in any::<[u8; 3]>(), place in any::<usize>()) {
            let (key, nonce) = ([3; 32], [4; 12]);
            let sealed = Suite::Standard.seal(&key, &nonce, &associated, &text).unwrap();
            prop_assert_eq!(Suite::Standard.open(&key, &nonce, &associated, &sealed).unwrap(), text);
            let mut damaged = sealed.clone();
            let place = place % damaged.len();
            damaged[place] ^= 1;
            prop_assert_eq!(Suite::Standard.open(&key, &nonce, &associated, &damaged), Err(SealError::Refused));
            prop_assert_eq!(Suite::Standard.open(&key, &nonce, b"other", &sealed), Err(SealError::Refused));
            prop_assert_eq!(Suite::Standard.open(&[5; 32], &nonce, &associated, &sealed), Err(SealError::Refused));
            prop_assert_eq!(Suite::Standard.open(&key, &nonce, &associated, &sealed[..place.min(15)]), Err(SealError::Refused));
        }
    }
}
