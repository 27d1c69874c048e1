//! Those who issue certificates: the consortium itself, and below it its agencies.
//!
//! A certificate authority is a P-256 key with the chain of certificates that leads from it to the consortium's own. It
//! issues others below it, and nodes. Authorities made elsewhere, with RSA keys too, serve as well: a node only reads
//! chains.

use std::{
    fs, io,
    path::Path,
    str::FromStr as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use der::{Decode as _, Encode as _, EncodePem as _, asn1::OctetString, pem::LineEnding};
use entente_crypto::{SigningKey as ConsensusKey, Suite};
use p256::{
    ecdsa::{DerSignature, SigningKey},
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _},
};
use parity_scale_codec::Encode as _;
use rustls::pki_types::CertificateDer;
use spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::{
    Certificate, TbsCertificate,
    builder::{Builder as _, CertificateBuilder, profile::BuilderProfile},
    ext::{
        Extension, ToExtension as _,
        pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier},
    },
    name::Name,
    serial_number::SerialNumber,
    time::{Time, Validity},
};
use zeroize::Zeroizing;

use crate::{
    CertificateError, NodeCertificate,
    certificate::{CHAIN_LENGTH_MAX, CONSENSUS_KEYS, Possession},
};

/// How long a node's certificate holds, in days, where nothing else is said.
pub const NODE_DAYS: u32 = 3 * 365;
/// How long an authority's holds, in days.
pub const AUTHORITY_DAYS: u32 = 20 * 365;

/// TLS server and client authentication (RFC 5280, section 4.2.1.12).
const SERVER_AUTH: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// Why there is no certificate, or none can be read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// What went wrong.
        error: io::Error,
    },
    /// A file that does not hold what it should.
    #[error("{path}: {what}")]
    Content {
        /// Which.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// A name that no certificate can have.
    #[error("{0:?} is no name for a certificate: 1 to 64 letters, digits, spaces, hyphens and dots")]
    Name(String),
    /// Anything else, which is a defect of this release.
    #[error("the certificate could not be made: {0}")]
    Making(String),
}

fn making(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Making(error.to_string())
}

/// A TLS key: P-256, kept as PKCS #8 in PEM.
#[derive(Clone)]
pub struct TlsKey(SigningKey);

impl std::fmt::Debug for TlsKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TlsKey")
    }
}

impl TlsKey {
    /// A new one, from the system's randomness.
    ///
    /// # Errors
    /// The system has none.
    pub fn generate() -> Result<Self, AuthorityError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        // One in 2^32 is no key.
        loop {
            getrandom::fill(bytes.as_mut()).map_err(making)?;
            if let Ok(key) = SigningKey::from_slice(bytes.as_ref()) {
                return Ok(Self(key));
            }
        }
    }

    /// Reads a PEM file.
    ///
    /// # Errors
    /// The file, or what is in it.
    pub fn read(path: &Path) -> Result<Self, AuthorityError> {
        let text = Zeroizing::new(read_file(path)?);
        let content = |error| content(path, &error);
        Ok(Self(SigningKey::from_pkcs8_pem(&text).map_err(content)?))
    }

    /// As PEM.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, AuthorityError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(making)
    }

    /// As DER, for TLS.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn to_der(&self) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
        Ok(self.0.to_pkcs8_der().map_err(making)?.to_bytes())
    }

    /// The public key as certificates hold it, as DER.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn public_der(&self) -> Result<Vec<u8>, AuthorityError> {
        self.public()?.to_der().map_err(making)
    }

    /// The public key as certificates hold it.
    fn public(&self) -> Result<SubjectPublicKeyInfoOwned, AuthorityError> {
        let document = self.0.verifying_key().to_public_key_der().map_err(making)?;
        SubjectPublicKeyInfoOwned::from_der(document.as_bytes()).map_err(making)
    }
}

/// Certificates, each issued by the next one's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(Vec<Certificate>);

impl Chain {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// The file, or what is in it.
    pub fn read(path: &Path) -> Result<Self, AuthorityError> {
        let text = read_file(path)?;
        let certificates = Certificate::load_pem_chain(text.as_bytes()).map_err(|error| content(path, &error))?;
        if certificates.is_empty() || certificates.len() > CHAIN_LENGTH_MAX {
            return Err(content(path, &format_args!("{} certificates", certificates.len())));
        }
        Ok(Self(certificates))
    }

    /// As PEM, the first one first.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_pem(&self) -> Result<String, AuthorityError> {
        self.0.iter().map(|one| one.to_pem(LineEnding::LF).map_err(making)).collect()
    }

    /// What the first of them says of a node. It is not looked at whether the chain leads to the consortium.
    ///
    /// # Errors
    /// It is no node's.
    pub fn node(&self) -> Result<NodeCertificate, CertificateError> {
        let form = |error: &dyn std::fmt::Display| CertificateError::Form(error.to_string());
        let first = self.0.first().ok_or_else(|| form(&"there is none"))?;
        NodeCertificate::read(&CertificateDer::from(first.to_der().map_err(|error| form(&error))?))
    }

    /// The distinguished names of those who issued each of them (RFC 4514).
    pub fn issuers(&self) -> Vec<String> {
        self.0.iter().map(|one| one.tbs_certificate().issuer().to_string()).collect()
    }

    /// As DER, for TLS.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_der(&self) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        self.0.iter().map(|one| Ok(CertificateDer::from(one.to_der().map_err(making)?))).collect()
    }
}

/// Somebody who issues certificates.
#[derive(Debug, Clone)]
pub struct Authority {
    key: TlsKey,
    /// Its own certificate, and those above it but the consortium's.
    chain: Vec<Certificate>,
    root: Certificate,
}

impl Authority {
    /// A consortium's own authority, with a new key.
    ///
    /// # Errors
    /// The name, or the system.
    pub fn new(name: &str) -> Result<Self, AuthorityError> {
        let key = TlsKey::generate()?;
        let subject = subject(name, "chain")?;
        let profile = Profile { subject: subject.clone(), issuer: subject, keys: None };
        let root = build(profile, days(AUTHORITY_DAYS)?, &key, &key)?;
        Ok(Self { key, chain: Vec::new(), root })
    }

    /// An authority below this one, with a new key.
    ///
    /// # Errors
    /// The name, or the system.
    pub fn agency(&self, name: &str) -> Result<Self, AuthorityError> {
        let key = TlsKey::generate()?;
        let profile = Profile { subject: subject(name, "agency")?, issuer: self.own().clone(), keys: None };
        let certificate = build(profile, days(AUTHORITY_DAYS)?, &key, &self.key)?;
        let chain = std::iter::once(certificate).chain(self.chain.iter().cloned()).collect();
        Ok(Self { key, chain, root: self.root.clone() })
    }

    /// A certificate for a node with this TLS key and these consensus keys, and the chain above it.
    ///
    /// # Errors
    /// The name, or the time.
    pub fn node(
        &self,
        name: &str,
        key: &TlsKey,
        consensus_keys: &[(Suite, &dyn ConsensusKey)],
        validity: Validity,
    ) -> Result<Chain, AuthorityError> {
        let tls_key = key.public_der()?;
        let possessions: Vec<Possession> =
            consensus_keys.iter().map(|(suite, key)| Possession::prove(*suite, *key, &tls_key)).collect();
        let profile =
            Profile { subject: subject(name, "node")?, issuer: self.own().clone(), keys: Some(possessions.encode()) };
        let certificate = build(profile, validity, key, &self.key)?;
        Ok(Chain(std::iter::once(certificate).chain(self.chain.iter().cloned()).collect()))
    }

    /// The name of the one who issues here.
    fn own(&self) -> &Name {
        self.chain.first().unwrap_or(&self.root).tbs_certificate().subject()
    }

    /// The consortium's certificate, which every node trusts.
    pub fn root(&self) -> Chain {
        Chain(vec![self.root.clone()])
    }

    /// Its key.
    pub const fn key(&self) -> &TlsKey {
        &self.key
    }

    /// Its own certificate and those above it, the consortium's last.
    pub fn chain(&self) -> Chain {
        Chain(self.chain.iter().chain([&self.root]).cloned().collect())
    }

    /// An authority as it was kept: its key, and its chain up to the consortium's certificate.
    ///
    /// # Errors
    /// The files, or what is in them.
    pub fn read(key: &Path, chain: &Path) -> Result<Self, AuthorityError> {
        let (key, Chain(mut certificates)) = (TlsKey::read(key)?, Chain::read(chain)?);
        let root = certificates.pop().ok_or_else(|| content(chain, &"no certificate"))?;
        Ok(Self { key, chain: certificates, root })
    }
}

/// From a minute ago, because clocks differ, for so many days.
///
/// # Errors
/// The clock is far off.
pub fn days(days: u32) -> Result<Validity, AuthorityError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(making)?;
    between(now.saturating_sub(Duration::from_mins(1)), now + Duration::from_secs(u64::from(days) * 86_400))
}

/// Between two times since 1970.
///
/// # Errors
/// Times that no certificate can name.
pub fn between(from: Duration, to: Duration) -> Result<Validity, AuthorityError> {
    let time = |since: Duration| Time::try_from(UNIX_EPOCH + since).map_err(making);
    Ok(Validity::new(time(from)?, time(to)?))
}

/// What certificates of ours have in them.
struct Profile {
    subject: Name,
    issuer: Name,
    /// Of a node: its consensus keys.
    keys: Option<Vec<u8>>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        certificate: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut extensions = Vec::new();
        let subject = certificate.subject();
        extensions.push(SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &extensions)?);
        extensions.push(AuthorityKeyIdentifier::try_from(issuer_key)?.to_extension(subject, &extensions)?);
        let usage = match &self.keys {
            None => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Some(keys) => {
                let usages = ExtendedKeyUsage(vec![SERVER_AUTH, CLIENT_AUTH]);
                extensions.push(usages.to_extension(subject, &extensions)?);
                let extn_value = OctetString::new(keys.as_slice())?;
                extensions.push(Extension { extn_id: CONSENSUS_KEYS, critical: false, extn_value });
                KeyUsages::DigitalSignature.into()
            }
        };
        extensions.push(KeyUsage(usage).to_extension(subject, &extensions)?);
        let constraints = BasicConstraints { ca: self.keys.is_none(), path_len_constraint: None };
        extensions.push(constraints.to_extension(subject, &extensions)?);
        Ok(extensions)
    }
}

fn build(profile: Profile, validity: Validity, key: &TlsKey, issuer: &TlsKey) -> Result<Certificate, AuthorityError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(making)?;
    // Positive, and of the same length always.
    serial[0] = serial[0] & 0x7f | 0x40;
    let serial = SerialNumber::new(&serial).map_err(making)?;
    let builder = CertificateBuilder::new(profile, serial, validity, key.public()?).map_err(making)?;
    builder.build::<_, DerSignature>(&issuer.0).map_err(making)
}

fn subject(name: &str, unit: &str) -> Result<Name, AuthorityError> {
    let known = |character: char| character.is_ascii_alphanumeric() || " -.".contains(character);
    let fits = (1..=64).contains(&name.len()) && name.chars().all(known) && name.trim() == name;
    let fitting = if fits { Name::from_str(&format!("CN={name},OU={unit},O=Entente")).ok() } else { None };
    fitting.ok_or_else(|| AuthorityError::Name(name.to_owned()))
}

fn read_file(path: &Path) -> Result<String, AuthorityError> {
    fs::read_to_string(path).map_err(|error| AuthorityError::File { path: path.display().to_string(), error })
}

fn content(path: &Path, what: &dyn std::fmt::Display) -> AuthorityError {
    AuthorityError::Content { path: path.display().to_string(), what: what.to_string() }
}
