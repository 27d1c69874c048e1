//! One keystore file: the Web3 Secret Storage Definition, version 3.
//!
//! The definition knows one cipher for 128-bit keys, AES, and authenticates with Keccak-256. A key of the Guomi suite
//! is kept in the same form with SM4 and SM3 in their places, and says so: `"cipher": "sm4-128-ctr"`.

use aes::Aes128;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use entente_crypto::{Address, PublicKey, SecretKey, SignatureError, Suite, keccak256, sm3};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sm4::Sm4;
use zeroize::Zeroizing;

use crate::limits::{PBKDF2_ROUNDS_MAX, SALT_BYTES_MAX, SCRYPT_MEMORY_BYTES_MAX, SCRYPT_WORK_MAX, shown};

/// What a keystore file contains that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum V3Error {
    /// It is not the JSON of a keystore.
    #[error("this is no keystore of version 3: {0}")]
    Json(String),
    /// The version is another.
    #[error("the keystore's version is {0}; only 3 is known")]
    Version(u64),
    /// The algorithm is another.
    #[error("the keystore's {field} is {found:?}; only {allowed} is known")]
    Algorithm {
        /// `cipher` or `kdf`.
        field: &'static str,
        /// What the file names.
        found: String,
        /// What is known.
        allowed: &'static str,
    },
    /// Hexadecimal of the wrong length, or none.
    #[error("the keystore's {field} must be {expected} as hexadecimal")]
    Hexadecimal {
        /// The field.
        field: &'static str,
        /// What is allowed there.
        expected: &'static str,
    },
    /// The parameters would use too much memory or time, or are none.
    #[error(
        "the keystore's scrypt parameters n {n}, r {r}, p {p} are refused: n must be a power of two above 1, n * r * 128 at most {SCRYPT_MEMORY_BYTES_MAX} and n * r * p at most {SCRYPT_WORK_MAX}"
    )]
    Scrypt {
        /// The cost.
        n: u64,
        /// The block size.
        r: u64,
        /// The parallelism.
        p: u64,
    },
    /// The rounds would take too long, or are none.
    #[error("the keystore's pbkdf2 parameter c is {0}; allowed is 1 to {PBKDF2_ROUNDS_MAX}")]
    Pbkdf2(u64),
    /// The message authentication code is another.
    #[error("the password is wrong, or the file was changed")]
    Password,
    /// What was decrypted is no key.
    #[error("what the keystore holds is no key: {0}")]
    Key(#[from] SignatureError),
    /// The key is not the one the file says it is.
    #[error("the keystore says {field} {claimed}, but its key belongs to {found}")]
    Mismatch {
        /// `address` or `public_key`.
        field: &'static str,
        /// What the file says.
        claimed: String,
        /// What is so.
        found: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes: {0}")]
    Randomness(String),
}

/// The cost of a file of ours: 16 MiB and some tens of milliseconds. The password of a command that runs a thousand
/// times in a script is asked for as often.
const OURS: Scrypt = Scrypt { dklen: 32, n: 1 << 14, r: 8, p: 1, salt: String::new() };

const SCRYPT: &str = "scrypt";
/// Read, never written.
const PBKDF2: &str = "pbkdf2";

/// The cipher that a suite's keys are kept under.
const fn cipher_of(suite: Suite) -> &'static str {
    match suite {
        Suite::Standard => "aes-128-ctr",
        Suite::Guomi => "sm4-128-ctr",
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u64,
    #[serde(default)]
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entente: Option<Ours>,
}

#[derive(Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParameters,
    ciphertext: String,
    kdf: String,
    kdfparams: serde_json::Value,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParameters {
    iv: String,
}

#[derive(Serialize, Deserialize)]
struct Scrypt {
    dklen: u64,
    n: u64,
    r: u64,
    p: u64,
    salt: String,
}

#[derive(Deserialize)]
struct Pbkdf2 {
    dklen: u64,
    c: u64,
    prf: String,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Ours {
    suite: Suite,
    #[serde(default)]
    public_key: Option<PublicKey>,
}

/// The file's text for a key.
pub(super) fn encrypt(key: &SecretKey, password: &str) -> Result<String, V3Error> {
    let mut random = [0; 64];
    getrandom::fill(&mut random).map_err(|error| V3Error::Randomness(error.to_string()))?;
    let (salt, rest) = random.split_at(32);
    let (iv, id) = rest.split_at(16);
    let parameters = Scrypt { salt: hex::encode(salt), ..OURS };
    let derived = scrypt(&parameters, password)?;
    let suite = key.suite();
    let mut secret = Zeroizing::new(key.to_bytes());
    apply_cipher(suite, &derived, iv, &mut *secret)?;
    let public_key = key.public_key();
    let file = File {
        version: 3,
        id: identifier(id),
        // Without 0x, as go-ethereum writes it.
        address: Some(hex::encode(public_key.address().0)),
        crypto: Crypto {
            cipher: cipher_of(suite).to_owned(),
            cipherparams: CipherParameters { iv: hex::encode(iv) },
            ciphertext: hex::encode(*secret),
            kdf: SCRYPT.to_owned(),
            mac: hex::encode(authentication_code(suite, &derived, &*secret)),
            kdfparams: serde_json::to_value(parameters).map_err(|error| V3Error::Json(error.to_string()))?,
        },
        entente: Some(Ours { suite, public_key: Some(public_key) }),
    };
    serde_json::to_string_pretty(&file).map(|text| text + "\n").map_err(|error| V3Error::Json(error.to_string()))
}

/// The key in a file's text.
pub(super) fn decrypt(text: &str, password: &str) -> Result<SecretKey, V3Error> {
    let file = parse(text)?;
    let crypto = &file.crypto;
    let suite = suite_of(&file);
    known("cipher", &crypto.cipher, cipher_of(suite))?;
    let mut secret = Zeroizing::new(bytes::<32>("ciphertext", &crypto.ciphertext, "32 bytes")?);
    let iv = bytes::<16>("iv", &crypto.cipherparams.iv, "16 bytes")?;
    let expected = bytes::<32>("mac", &crypto.mac, "32 bytes")?;
    let derived = derive(crypto, password)?;
    if authentication_code(suite, &derived, &*secret) != expected {
        return Err(V3Error::Password);
    }
    apply_cipher(suite, &derived, &iv, &mut *secret)?;
    let key = SecretKey::from_bytes(suite, &secret)?;
    check_claims(&file, &key)?;
    Ok(key)
}

/// What a file says about its key: the address, the public key and the suite.
pub(super) fn claims(text: &str) -> Result<(Option<Address>, Option<PublicKey>, Suite), V3Error> {
    let file = parse(text)?;
    let suite = suite_of(&file);
    Ok((claimed_address(&file)?, file.entente.and_then(|ours| ours.public_key), suite))
}

/// The suite that the file names; files of other tools are of the standard suite.
fn suite_of(file: &File) -> Suite {
    file.entente.as_ref().map_or(Suite::Standard, |ours| ours.suite)
}

fn parse(text: &str) -> Result<File, V3Error> {
    let file: File = serde_json::from_str(text).map_err(|error| V3Error::Json(shown(&error.to_string(), 200)))?;
    if file.version == 3 { Ok(file) } else { Err(V3Error::Version(file.version)) }
}

fn claimed_address(file: &File) -> Result<Option<Address>, V3Error> {
    let fault = |_| V3Error::Hexadecimal { field: "address", expected: "20 bytes" };
    file.address.as_deref().map(str::parse).transpose().map_err(fault)
}

fn check_claims(file: &File, key: &SecretKey) -> Result<(), V3Error> {
    let found = key.public_key();
    if let Some(claimed) = claimed_address(file)?
        && claimed != found.address()
    {
        let (claimed, found) = (claimed.to_string(), found.address().to_string());
        return Err(V3Error::Mismatch { field: "address", claimed, found });
    }
    if let Some(claimed) = file.entente.as_ref().and_then(|ours| ours.public_key)
        && claimed != found
    {
        let (claimed, found) = (format!("{claimed:?}"), format!("{found:?}"));
        return Err(V3Error::Mismatch { field: "public_key", claimed, found });
    }
    Ok(())
}

fn known(field: &'static str, found: &str, allowed: &'static str) -> Result<(), V3Error> {
    if found == allowed { Ok(()) } else { Err(V3Error::Algorithm { field, found: shown(found, 40), allowed }) }
}

fn bytes<const LENGTH: usize>(
    field: &'static str,
    text: &str,
    expected: &'static str,
) -> Result<[u8; LENGTH], V3Error> {
    let mut bytes = [0; LENGTH];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| V3Error::Hexadecimal { field, expected })?;
    Ok(bytes)
}

/// The derived key: its first half encrypts, its second authenticates. Parameters are judged before any memory or
/// time is spent.
fn derive(crypto: &Crypto, password: &str) -> Result<Zeroizing<[u8; 32]>, V3Error> {
    let unreadable = |error: serde_json::Error| V3Error::Json(shown(&error.to_string(), 200));
    match crypto.kdf.as_str() {
        SCRYPT => scrypt(&Scrypt::deserialize(&crypto.kdfparams).map_err(unreadable)?, password),
        PBKDF2 => pbkdf2(&Pbkdf2::deserialize(&crypto.kdfparams).map_err(unreadable)?, password),
        other => Err(V3Error::Algorithm { field: "kdf", found: shown(other, 40), allowed: "scrypt or pbkdf2" }),
    }
}

fn check_length(dklen: u64) -> Result<(), V3Error> {
    known("dklen", &dklen.to_string(), "32")
}

fn salt_bytes(salt: &str) -> Result<Vec<u8>, V3Error> {
    Some(salt.strip_prefix("0x").unwrap_or(salt))
        .filter(|digits| digits.len() <= SALT_BYTES_MAX * 2)
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or(V3Error::Hexadecimal { field: "salt", expected: "at most 64 bytes" })
}

fn pbkdf2(parameters: &Pbkdf2, password: &str) -> Result<Zeroizing<[u8; 32]>, V3Error> {
    let Pbkdf2 { dklen, c, ref prf, ref salt } = *parameters;
    check_length(dklen)?;
    known("prf", prf, "hmac-sha256")?;
    let rounds = u32::try_from(c).ok().filter(|rounds| (1..=PBKDF2_ROUNDS_MAX).contains(rounds));
    let rounds = rounds.ok_or(V3Error::Pbkdf2(c))?;
    let mut derived = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt_bytes(salt)?, rounds, &mut *derived);
    Ok(derived)
}

fn scrypt(parameters: &Scrypt, password: &str) -> Result<Zeroizing<[u8; 32]>, V3Error> {
    let Scrypt { dklen, n, r, p, ref salt } = *parameters;
    let refused = || V3Error::Scrypt { n, r, p };
    check_length(dklen)?;
    let memory = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128)).ok_or_else(refused)?;
    let work = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(p)).ok_or_else(refused)?;
    let allowed = n > 1
        && n.is_power_of_two()
        && (1..=SCRYPT_MEMORY_BYTES_MAX).contains(&memory)
        && (1..=SCRYPT_WORK_MAX).contains(&work);
    if !allowed {
        return Err(refused());
    }
    let salt = salt_bytes(salt)?;
    let narrow = |value: u64| u32::try_from(value).map_err(|_| refused());
    let parameters = scrypt::Params::new(n.trailing_zeros() as u8, narrow(r)?, narrow(p)?).map_err(|_| refused())?;
    let mut derived = Zeroizing::new([0; 32]);
    scrypt::scrypt(password.as_bytes(), &salt, &parameters, &mut *derived).map_err(|_| refused())?;
    Ok(derived)
}

/// `mac = keccak256(second half of the derived key ++ ciphertext)`; SM3 of the same in the Guomi suite.
fn authentication_code(suite: Suite, derived: &[u8; 32], ciphertext: &[u8]) -> [u8; 32] {
    let (_, half) = derived.split_at(16);
    let authenticated = Zeroizing::new([half, ciphertext].concat());
    match suite {
        Suite::Standard => keccak256(&authenticated).0,
        Suite::Guomi => sm3(&authenticated).0,
    }
}

fn apply_cipher(suite: Suite, derived: &[u8; 32], iv: &[u8], secret: &mut [u8]) -> Result<(), V3Error> {
    let (half, _) = derived.split_at(16);
    let refused = |_| V3Error::Hexadecimal { field: "iv", expected: "16 bytes" };
    match suite {
        Suite::Standard => {
            Ctr128BE::<Aes128>::new_from_slices(half, iv).map_err(refused)?.apply_keystream(secret);
        }
        Suite::Guomi => {
            Ctr128BE::<Sm4>::new_from_slices(half, iv).map_err(refused)?.apply_keystream(secret);
        }
    }
    Ok(())
}

/// A random identifier in the form of RFC 9562, version 4.
fn identifier(random: &[u8]) -> String {
    let mut bytes = [0; 16];
    for (target, byte) in bytes.iter_mut().zip(random) {
        *target = *byte;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex::encode(bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
