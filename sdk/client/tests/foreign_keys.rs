//! Keys as other tools write them. The secrets are public ones: the first account of Hardhat and anvil, the example of
//! GB/T 32918.5 for SM2, and the test vectors of the Web3 Secret Storage Definition; the PEM files are openssl's.

use entente_client::keystore::{ForeignKey, ForeignKeyError, V3Error};
use entente_types::Suite;

const SECP256K1: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SECP256K1_ADDRESS: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
/// As FISCO BCOS's get_account.sh makes it: openssl's PKCS#8, the public key inside.
const SECP256K1_PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgrAl0vsOaF+NrpKa00jj/
lEustHjL7V78rnhNe/Ty/4ChRANCAASDGFNbVBBdSnquYMCPxF+WhxgbT9/GJb0a
dT+nOX/tdTVH8RyoaWZG8vOssI4xAWr6wj5jDF0R9Z9h/vV7DSql
-----END PRIVATE KEY-----
";
const SECP256K1_PKCS8_SECRET_ALONE: &str = "-----BEGIN PRIVATE KEY-----
MD4CAQAwEAYHKoZIzj0CAQYFK4EEAAoEJzAlAgEBBCCsCXS+w5oX42ukprTSOP+U
S6y0eMvtXvyueE179PL/gA==
-----END PRIVATE KEY-----
";
/// As `openssl ecparam -genkey` makes it.
const SECP256K1_SEC1: &str = "-----BEGIN EC PARAMETERS-----
BgUrgQQACg==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEIKwJdL7Dmhfja6SmtNI4/5RLrLR4y+1e/K54TXv08v+AoAcGBSuBBAAK
oUQDQgAEgxhTW1QQXUp6rmDAj8RflocYG0/fxiW9GnU/pzl/7XU1R/EcqGlmRvLz
rLCOMQFq+sI+YwxdEfWfYf71ew0qpQ==
-----END EC PRIVATE KEY-----
";
const SM2: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const SM2_POINT: &str = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                         ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
const SM2_PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgOUUgj3shRLE/NuOK
xtOflYiTk2koYLUaQvuB7033xbihRANCAAQJ+d8xHlQhoVDdfRYeS8XGchefrRgz
/AdrsI/zVvNQIMzqSQziZ3WlLcbqcYzBqmAK7QX7814ISmYy9gctqa0T
-----END PRIVATE KEY-----
";
const SM2_SEC1: &str = "-----BEGIN SM2 PRIVATE KEY-----
MHcCAQEEIDlFII97IUSxPzbjisbTn5WIk5NpKGC1GkL7ge9N98W4oAoGCCqBHM9V
AYItoUQDQgAECfnfMR5UIaFQ3X0WHkvFxnIXn60YM/wHa7CP81bzUCDM6kkM4md1
pS3G6nGMwapgCu0F+/NeCEpmMvYHLamtEw==
-----END SM2 PRIVATE KEY-----
";
const P256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPlMruQgahV3KDzni
6/xY/QQ/JVnRCK1Kgj8sSC050KmhRANCAATDwFXf82Yt++1gLh6CCuyqiB9e073b
svy9dTGuBaL4BQ2DLLzAZ221SdTQ2Qljg/xheo9pfyZmcBZFaUewls9U
-----END PRIVATE KEY-----
";
/// The PBKDF2 test vector of the Web3 Secret Storage Definition.
const PBKDF2: &str = r#"{
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144, "dklen": 32, "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3
}"#;
/// The scrypt test vector of the same.
const SCRYPT: &str = r#"{
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32, "n": 262144, "p": 8, "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3
}"#;
const VECTOR_SECRET: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

fn opened(text: &str, suite: Option<Suite>, password: &str) -> Result<(String, Suite), ForeignKeyError> {
    let key = ForeignKey::read(text.as_bytes())?.open(suite, password)?;
    Ok((hex::encode(key.to_bytes()), key.suite()))
}

#[test]
fn digits_are_of_the_suite_that_is_asked_for() {
    for (suite, expected) in [(None, Suite::Standard), (Some(Suite::Guomi), Suite::Guomi)] {
        for text in [SECP256K1.to_owned(), format!("0x{SECP256K1}\n"), format!("  {}  ", SECP256K1.to_uppercase())] {
            assert_eq!(opened(&text, suite, ""), Ok((SECP256K1.to_owned(), expected)));
        }
    }
}

#[test]
fn pem_files_say_of_which_suite_they_are() {
    let with_carriage_returns = SECP256K1_PKCS8.replace('\n', "\r\n");
    let texts = [SECP256K1_PKCS8, SECP256K1_PKCS8_SECRET_ALONE, SECP256K1_SEC1, &with_carriage_returns];
    for text in texts {
        assert_eq!(opened(text, None, ""), Ok((SECP256K1.to_owned(), Suite::Standard)), "{text}");
        let refused = ForeignKeyError::Suite { found: "standard", wanted: "guomi" };
        assert_eq!(opened(text, Some(Suite::Guomi), ""), Err(refused));
    }
    let key = ForeignKey::read(SECP256K1_PKCS8.as_bytes()).unwrap().open(None, "").unwrap();
    assert_eq!(key.public_key().address().to_string(), SECP256K1_ADDRESS);
    for text in [SM2_PKCS8, SM2_SEC1] {
        assert_eq!(opened(text, None, ""), Ok((SM2.to_owned(), Suite::Guomi)), "{text}");
    }
    let key = ForeignKey::read(SM2_PKCS8.as_bytes()).unwrap().open(Some(Suite::Guomi), "").unwrap();
    assert_eq!(hex::encode(key.public_key().as_bytes()), SM2_POINT);
}

#[test]
fn ethereums_keystores_open_with_either_derivation() {
    for text in [PBKDF2, SCRYPT] {
        assert!(ForeignKey::read(text.as_bytes()).unwrap().is_encrypted());
        assert_eq!(opened(text, None, "testpassword"), Ok((VECTOR_SECRET.to_owned(), Suite::Standard)));
        assert_eq!(opened(text, None, "other"), Err(ForeignKeyError::Keystore(V3Error::Password)));
    }
    assert!(!ForeignKey::read(SM2_PKCS8.as_bytes()).unwrap().is_encrypted());
}

#[test]
fn what_pbkdf2_may_cost_is_bounded() {
    for rounds in [0, (1 << 22) + 1, u64::MAX] {
        let text = PBKDF2.replace("262144", &rounds.to_string());
        assert_eq!(opened(&text, None, ""), Err(ForeignKeyError::Keystore(V3Error::Pbkdf2(rounds))));
    }
    let other = PBKDF2.replace("hmac-sha256", "hmac-sha512");
    let refused = opened(&other, None, "").unwrap_err().to_string();
    assert_eq!(refused, "the keystore's prf is \"hmac-sha512\"; only hmac-sha256 is known");
}

#[test]
fn what_is_no_key_is_told_with_what_is_allowed() {
    let told = |bytes: &[u8]| match ForeignKey::read(bytes) {
        Ok(key) => key.open(None, "").expect_err("no key").to_string(),
        Err(error) => error.to_string(),
    };
    let none = |count: usize| {
        format!(
            "found {count} bytes that are no key; allowed are 64 hexadecimal digits, an Ethereum keystore (JSON, version \
             3) and a PEM private key"
        )
    };
    assert_eq!(told(b""), none(0));
    assert_eq!(told(&[b'7'; 63]), none(63));
    assert_eq!(told(&[b'z'; 64]), none(64));
    assert_eq!(told(&[0xff; 40]), none(40));
    assert!(told(&[0x30, 0x82, 0x04, 0xff]).starts_with("found a PKCS#12 file (.p12), which is not read; make a PEM"));
    assert!(told(b"{}").starts_with("this is no keystore of version 3: missing field"));
    assert!(told(&[b'0'; 64]).starts_with("the secret cannot be used: "));
    assert_eq!(told(P256.as_bytes()), "found a key of P-256; allowed are secp256k1 (standard) and SM2 (guomi)");
    let encrypted = SECP256K1_PKCS8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert!(told(encrypted.as_bytes()).starts_with("found an encrypted PEM key, which is not read; decrypt it"));
    let certificate = SECP256K1_PKCS8.replace("PRIVATE KEY", "CERTIFICATE");
    let expected = "found a PEM of \"CERTIFICATE\"; allowed are PRIVATE KEY and EC PRIVATE KEY";
    assert_eq!(told(certificate.as_bytes()), expected);
    // A secret beside another's public key.
    let mixed = SECP256K1_PKCS8.replace("rAl0", "rAl1");
    assert_eq!(told(mixed.as_bytes()), ForeignKeyError::PublicKey.to_string());
    for (from, to) in [("MIGE", "MIGF"), ("-----END PRIVATE KEY-----", ""), ("BBAAKBG0w", "BBAAKBG0!")] {
        let damaged = told(SECP256K1_PKCS8.replace(from, to).as_bytes());
        assert!(damaged.starts_with("the PEM key cannot be read: "), "{from}: {damaged}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), place in 0..240_usize) {
        let _ = ForeignKey::read(&bytes).map(|key| key.open(None, "").is_ok());
        for text in [SECP256K1_PKCS8, SM2_SEC1] {
            let mut changed = text.as_bytes().to_vec();
            let byte = bytes.first().copied().unwrap_or(b'A');
            if let Some(target) = changed.get_mut(place) {
                *target = byte;
            }
            let _ = ForeignKey::read(&changed).map(|key| key.open(None, "").is_ok());
        }
    }
}
