//! SM4 (GB/T 32907) in Galois/Counter Mode, as RFC 8998 uses it.

use aes_gcm::{
    AesGcm,
    aead::{Aead as _, Error, KeyInit as _, Payload, consts::U12},
};
use sm4::Sm4;

/// The mode is generic over block ciphers of 128 bits; its name is that of the usual one.
type Sm4Gcm = AesGcm<Sm4, U12>;

/// The ciphertext and its tag of 16 bytes.
pub(crate) fn seal(key: &[u8; 16], nonce: &[u8; 12], associated: &[u8], text: &[u8]) -> Result<Vec<u8>, Error> {
    Sm4Gcm::new(&(*key).into()).encrypt(&(*nonce).into(), Payload { msg: text, aad: associated })
}

/// What [`seal`] made, opened.
pub(crate) fn open(key: &[u8; 16], nonce: &[u8; 12], associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
    Sm4Gcm::new(&(*key).into()).decrypt(&(*nonce).into(), Payload { msg: sealed, aad: associated })
}

#[cfg(test)]
mod tests {
    use sm4::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _};

    use super::*;

    const KEY: [u8; 16] =
        [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];

    #[test]
    fn the_cipher_is_the_standards() {
        // GB/T 32907-2016, appendix A.1 and A.2: once, and a million times.
        let cipher = Sm4::new(&KEY.into());
        let mut block = KEY.into();
        cipher.encrypt_block(&mut block);
        assert_eq!(hex::encode(block), "681edf34d206965e86b3e94f536e4246");
        cipher.decrypt_block(&mut block);
        assert_eq!(block, KEY);
        for _ in 0..1_000_000 {
            cipher.encrypt_block(&mut block);
        }
        assert_eq!(hex::encode(block), "595298c7c6fd271f0402f804c33d3f66");
    }

    #[test]
    fn the_mode_is_the_rfcs() {
        // RFC 8998, appendix A.1.
        let nonce = [0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0xab, 0xcd];
        let text: Vec<u8> =
            [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0xee, 0xaa].iter().flat_map(|byte| [*byte; 8]).collect();
        let associated = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let sealed = seal(&KEY, &nonce, &associated, &text).unwrap();
        assert_eq!(
            hex::encode(&sealed),
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
             d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d\
             83de3541e4c2b58177e065a9bf7b62ec"
        );
        assert_eq!(open(&KEY, &nonce, &associated, &sealed).unwrap(), text);
    }
}
