//! What a node's certificate says: who the node is, and which consensus keys are its own.
//!
//! A node has a TLS key, whose hash is its identity on the network, and for each suite one consensus key. The
//! certificate carries the consensus keys in an extension, each with a signature of that key over the TLS key: its proof
//! of possession. So whoever shows a certificate and proves that it has the TLS key has the consensus keys too, and
//! nobody can put another's consensus key into a certificate of its own.

use std::time::Duration;

use der::{Decode, Encode as _, asn1::ObjectIdentifier};
use entente_crypto::{Domain, Hash, PublicKey, Signature, SigningKey, Suite, sha256};
use libp2p_identity::PeerId;
use parity_scale_codec::{Decode as ScaleDecode, Encode as ScaleEncode};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_cert::Certificate;

use crate::sm2::SM2_WITH_SM3;

/// The extension with the consensus keys. 2.25 is the arc below which anybody may draw a number (ITU-T X.667).
pub(crate) const CONSENSUS_KEYS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.25.2748916345.1");

/// One key for each suite.
const KEYS_MAX: usize = 2;

/// The bytes of a certificate at most.
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// The certificates between a node's and the consortium's own at most, with the node's.
pub(crate) const CHAIN_LENGTH_MAX: usize = 8;

/// What stands in the extension, SCALE-encoded.
#[derive(Debug, Clone, PartialEq, Eq, ScaleEncode, ScaleDecode)]
pub(crate) struct Possession {
    pub(crate) key: PublicKey,
    pub(crate) signature: Signature,
}

impl Possession {
    /// Proves that whoever has this TLS key has the consensus key.
    pub(crate) fn prove(suite: Suite, key: &dyn SigningKey, tls_key: &[u8]) -> Self {
        Self { key: key.public_key(), signature: key.sign(&digest(suite, tls_key)) }
    }
}

fn digest(suite: Suite, tls_key: &[u8]) -> Hash {
    suite.hash(Domain::POSSESSION, &[tls_key])
}

/// Why a certificate is not one of this consortium's nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is not a certificate, or too large to be one of ours.
    #[error("what was shown is no X.509 certificate: {0}")]
    Form(String),
    /// No chain of certificates that hold leads to the consortium's own.
    #[error("the certificate is not issued under this consortium's authority, or does not hold now: {0}")]
    Chain(String),
    /// It says nothing of consensus keys.
    #[error("the certificate carries no consensus keys; issue it with: entente cert renew")]
    NoKeys,
    /// A proof of possession does not hold.
    #[error("the certificate names consensus key {0}, whose holder did not sign for it")]
    Possession(String),
    /// The deny list has it.
    #[error("{0} is on the deny list")]
    Denied(String),
    /// There is an allow list, and it is not there.
    #[error("{0} is not on the allow list")]
    NotAllowed(String),
}

/// A node as its certificate shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCertificate {
    /// Its identity on the network: the SHA-256 of its TLS key.
    pub peer: PeerId,
    /// Its consensus keys, one for each suite at most.
    pub keys: Vec<PublicKey>,
    /// The certificate's serial number, as lower-case hexadecimal digits without zeros before them.
    pub serial: String,
    /// The distinguished name of the subject (RFC 4514).
    pub subject: String,
    /// Until when it holds, in seconds since 1970.
    pub expires_at: u64,
}

impl NodeCertificate {
    /// Reads a certificate. It is not looked at whether any authority issued it.
    ///
    /// # Errors
    /// What it lacks, or what in it does not hold.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        if certificate.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Form(format!("it has {} bytes", certificate.len())));
        }
        let form = |error: der::Error| CertificateError::Form(error.to_string());
        let read = Certificate::from_der(certificate).map_err(form)?;
        let read = read.tbs_certificate();
        let tls_key = read.subject_public_key_info().to_der().map_err(form)?;
        let extension = read.extensions().and_then(|all| all.iter().find(|one| one.extn_id == CONSENSUS_KEYS));
        let extension = extension.ok_or(CertificateError::NoKeys)?;
        let possessions = possessions(extension.extn_value.as_bytes())?;
        let mut keys = Vec::with_capacity(possessions.len());
        for Possession { key, signature } in possessions {
            let suite = key.suite();
            let signer = suite.signer(&digest(suite, &tls_key), &signature).ok();
            if signer.map(|signer| signer.key) != Some(key) || keys.iter().any(|one: &PublicKey| one.suite() == suite) {
                return Err(CertificateError::Possession(hex::encode(key.as_bytes())));
            }
            keys.push(key);
        }
        Ok(Self {
            peer: peer_of(&tls_key).ok_or_else(|| CertificateError::Form("its key has no identity".into()))?,
            keys,
            serial: serial(&hex::encode(read.serial_number().as_bytes())),
            subject: read.subject().to_string(),
            expires_at: read.validity().not_after.to_unix_duration().as_secs(),
        })
    }

    /// The same from bytes.
    ///
    /// # Errors
    /// As [`NodeCertificate::read`].
    pub fn from_der(certificate: &[u8]) -> Result<Self, CertificateError> {
        Self::read(&CertificateDer::from(certificate))
    }

    /// Its consensus key in a suite.
    pub fn key(&self, suite: Suite) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.suite() == suite)
    }

    /// Reads the certificate that a peer showed first, and has a chain of the others lead to the consortium's own.
    ///
    /// # Errors
    /// Why it is not one of this consortium's nodes now.
    pub(crate) fn verify(
        anchors: &[TrustAnchor<'_>],
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: UnixTime,
    ) -> Result<Self, CertificateError> {
        let chain = |error: webpki::Error| CertificateError::Chain(error.to_string());
        if others.len() >= CHAIN_LENGTH_MAX || others.iter().any(|one| one.len() > CERTIFICATE_BYTES_MAX) {
            return Err(CertificateError::Chain(format!("{} certificates lead to it", others.len())));
        }
        let shown = EndEntityCert::try_from(certificate).map_err(chain)?;
        let algorithms = [ALL_VERIFICATION_ALGS, SM2_WITH_SM3].concat();
        shown.verify_for_usage(&algorithms, anchors, others, now, usage, None, None).map_err(chain)?;
        Self::read(certificate)
    }
}

fn possessions(bytes: &[u8]) -> Result<Vec<Possession>, CertificateError> {
    let form = |what: &str| CertificateError::Form(format!("its consensus keys: {what}"));
    let mut rest = bytes;
    let count = parity_scale_codec::Compact::<u32>::decode(&mut rest).map_err(|_| form("they are cut off"))?.0 as usize;
    if count == 0 || count > KEYS_MAX {
        return Err(form("there are none, or too many"));
    }
    let all = (0..count).map(|_| Possession::decode(&mut rest)).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|_| form("they are cut off"))?;
    if rest.is_empty() { Ok(all) } else { Err(form("something follows them")) }
}

/// A serial number as it is compared: tools print it in upper case, with colons, or with zeros before it.
pub(crate) fn serial(text: &str) -> String {
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    digits.trim_start_matches('0').to_ascii_lowercase()
}

/// The identity of whoever has this key, a DER-encoded `SubjectPublicKeyInfo`: a multihash, SHA-256 of 32 bytes.
pub(crate) fn peer_of(tls_key: &[u8]) -> Option<PeerId> {
    let mut bytes = vec![0x12, 0x20];
    bytes.extend(sha256(tls_key).0);
    PeerId::from_bytes(&bytes).ok()
}

/// The time by this node's clock, as certificates are judged by it.
pub(crate) fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime::since_unix_epoch(since.unwrap_or(Duration::ZERO))
}
