//! Secret keys as other tools write them: hexadecimal digits, Ethereum's keystore files, and PEM.
//!
//! PEM is what FISCO BCOS's `get_account.sh` and openssl write: PKCS#8 (RFC 5958) or SEC 1 (RFC 5915), on the curve of
//! either suite. The curve says which suite a key is of; a keystore file says so itself; digits are of any.

use entente_crypto::{SecretKey, SignatureError, Suite};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use super::v3::{self, V3Error};
use crate::limits::{FOUND_CHARACTERS_MAX, shown};

/// `id-ecPublicKey` of RFC 5480.
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
/// `sm2p256v1` of GM/T 0006.
const SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
/// What people have by mistake.
const OTHER_ALGORITHMS: [(&str, &str); 5] = [
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.112", "Ed25519"),
];

/// Why a key from elsewhere was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignKeyError {
    /// The bytes are none of what is read. They may be a secret, so they are not repeated.
    #[error(
        "found {0} bytes that are no key; allowed are 64 hexadecimal digits, an Ethereum keystore (JSON, version 3) \
         and a PEM private key"
    )]
    Unknown(usize),
    /// It is a PKCS#12 file, such as FISCO BCOS's `get_account.sh -p` writes.
    #[error(
        "found a PKCS#12 file (.p12), which is not read; make a PEM of it: openssl pkcs12 -in FILE -nodes -nocerts \
         -out key.pem"
    )]
    Pkcs12,
    /// The PEM is encrypted.
    #[error("found an encrypted PEM key, which is not read; decrypt it: openssl pkcs8 -in FILE -out key.pem")]
    EncryptedPem,
    /// The PEM is of something else.
    #[error("found a PEM of {0:?}; allowed are PRIVATE KEY and EC PRIVATE KEY")]
    PemLabel(String),
    /// The PEM is damaged.
    #[error("the PEM key cannot be read: {0}")]
    Pem(String),
    /// The key is of another algorithm, or on another curve.
    #[error("found a key of {found}; allowed are secp256k1 (standard) and SM2 (guomi)")]
    Algorithm {
        /// Its name, or its object identifier.
        found: String,
    },
    /// The public key beside the secret is another's.
    #[error("the public key in the PEM does not belong to its private key; the file was changed")]
    PublicKey,
    /// The key is of another suite than was asked for.
    #[error("found a key of the suite {found}; {wanted} was asked for")]
    Suite {
        /// The key's.
        found: &'static str,
        /// The one that was asked for.
        wanted: &'static str,
    },
    /// The keystore file cannot be opened.
    #[error(transparent)]
    Keystore(#[from] V3Error),
    /// The secret is no key of the suite.
    #[error("the secret cannot be used: {0}")]
    Secret(#[from] SignatureError),
}

/// A secret key as it was found, perhaps still encrypted.
pub struct ForeignKey(Form);

enum Form {
    Digits(Zeroizing<[u8; 32]>),
    Pem { suite: Suite, secret: Zeroizing<[u8; 32]> },
    Keystore(String),
}

impl ForeignKey {
    /// Finds out what these bytes are. Files longer than a keystore may be are not to be read at all.
    pub fn read(bytes: &[u8]) -> Result<Self, ForeignKeyError> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            // A DER sequence with a length of two bytes; a PKCS#12 file is one.
            let is_der = bytes.starts_with(&[0x30, 0x82]);
            return Err(if is_der { ForeignKeyError::Pkcs12 } else { ForeignKeyError::Unknown(bytes.len()) });
        };
        let text = text.trim();
        if text.starts_with('{') {
            return Ok(Self(Form::Keystore(text.to_owned())));
        }
        if text.contains("-----BEGIN ") {
            let (suite, secret) = pem(text)?;
            return Ok(Self(Form::Pem { suite, secret }));
        }
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, &mut *secret).map_err(|_| ForeignKeyError::Unknown(bytes.len()))?;
        Ok(Self(Form::Digits(secret)))
    }

    /// Whether opening takes a password.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.0, Form::Keystore(_))
    }

    /// The key. Its suite is its own where it says one, else `suite`, else the standard one; the password is that of
    /// an encrypted one.
    pub fn open(&self, suite: Option<Suite>, password: &str) -> Result<SecretKey, ForeignKeyError> {
        let key = match &self.0 {
            Form::Digits(secret) => return Ok(SecretKey::from_bytes(suite.unwrap_or(Suite::Standard), secret)?),
            Form::Pem { suite, secret } => SecretKey::from_bytes(*suite, secret)?,
            Form::Keystore(text) => v3::decrypt(text, password)?,
        };
        match suite {
            Some(wanted) if wanted != key.suite() => {
                Err(ForeignKeyError::Suite { found: name(key.suite()), wanted: name(wanted) })
            }
            _ => Ok(key),
        }
    }
}

const fn name(suite: Suite) -> &'static str {
    match suite {
        Suite::Standard => "standard",
        Suite::Guomi => "guomi",
    }
}

/// The key of the first PEM block that is a private key's; openssl may write the curve's parameters before it.
fn pem(text: &str) -> Result<(Suite, Zeroizing<[u8; 32]>), ForeignKeyError> {
    let labels: Vec<(usize, &str)> = text
        .match_indices("-----BEGIN ")
        .filter_map(|(place, begin)| Some((place, text.get(place + begin.len()..)?.split("-----").next()?)))
        .collect();
    let private = labels.iter().find(|(_, label)| label.ends_with("PRIVATE KEY"));
    let Some((start, label)) = private.or(labels.first()) else {
        return Err(ForeignKeyError::PemLabel(String::new()));
    };
    let refused = || ForeignKeyError::PemLabel(shown(label, FOUND_CHARACTERS_MAX));
    let block = text.get(*start..).unwrap_or_default();
    let end = block
        .find("-----END ")
        .map(|end| end + block.get(end..).and_then(|end| end.find('\n')).unwrap_or(block.len() - end));
    let block = end.and_then(|end| block.get(..end)).unwrap_or(block);
    let unreadable = |error: &dyn std::fmt::Display| ForeignKeyError::Pem(shown(&error.to_string(), 120));
    match *label {
        "ENCRYPTED PRIVATE KEY" => return Err(ForeignKeyError::EncryptedPem),
        "PRIVATE KEY" | "EC PRIVATE KEY" | "SM2 PRIVATE KEY" => {}
        _ => return Err(refused()),
    }
    if block.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(ForeignKeyError::EncryptedPem);
    }
    let (_, document) = SecretDocument::from_pem(block).map_err(|error| unreadable(&error))?;
    if *label != "PRIVATE KEY" {
        let key: EcPrivateKey<'_> = document.decode_msg().map_err(|error: pkcs8::der::Error| unreadable(&error))?;
        let curve = key.parameters.and_then(sec1::EcParameters::named_curve);
        return elliptic(&key, curve);
    }
    let info: PrivateKeyInfoRef<'_> = document.decode_msg().map_err(|error: pkcs8::der::Error| unreadable(&error))?;
    if info.algorithm.oid != ELLIPTIC {
        return Err(other_algorithm(Some(info.algorithm.oid)));
    }
    let curve = info.algorithm.parameters_oid().ok();
    let key = EcPrivateKey::try_from(info.private_key.as_bytes()).map_err(|error| unreadable(&error))?;
    elliptic(&key, curve)
}

/// The secret of a key on one of our curves, which must be that of the public key beside it.
fn elliptic(
    key: &EcPrivateKey<'_>,
    curve: Option<ObjectIdentifier>,
) -> Result<(Suite, Zeroizing<[u8; 32]>), ForeignKeyError> {
    let suite = match curve {
        Some(SECP256K1) => Suite::Standard,
        Some(SM2) => Suite::Guomi,
        other => return Err(other_algorithm(other)),
    };
    let mut secret = Zeroizing::new([0; 32]);
    let too_long = || ForeignKeyError::Pem(format!("its secret has {} bytes; 32 are allowed", key.private_key.len()));
    let start = secret.len().checked_sub(key.private_key.len()).ok_or_else(too_long)?;
    for (target, byte) in secret.iter_mut().skip(start).zip(key.private_key) {
        *target = *byte;
    }
    let own = SecretKey::from_bytes(suite, &secret)?.public_key();
    match key.public_key {
        // Uncompressed, as all of these tools write it.
        Some([4, point @ ..]) if point != own.as_bytes() => Err(ForeignKeyError::PublicKey),
        _ => Ok((suite, secret)),
    }
}

fn other_algorithm(found: Option<ObjectIdentifier>) -> ForeignKeyError {
    let found = found.map_or_else(|| "an algorithm without a name".to_owned(), |found| found.to_string());
    let known = OTHER_ALGORITHMS.iter().find(|(identifier, _)| *identifier == found);
    ForeignKeyError::Algorithm { found: known.map_or(found, |(_, name)| (*name).to_owned()) }
}
