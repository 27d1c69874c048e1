//! TLS 1.3 in which both ends show certificates of the consortium, as an upgrade of libp2p connections.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
};

use futures::{AsyncRead, AsyncWrite, FutureExt as _, future::BoxFuture};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p_core::{
    UpgradeInfo,
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
};
use libp2p_identity::PeerId;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, TrustAnchor, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    version::TLS13,
};
use webpki::KeyUsage;

use crate::{AccessLists, AuthorityError, CertificateError, Chain, NodeCertificate, TlsKey, certificate::now};

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The keys or certificates could not be made use of.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The consortium's certificate is none that others can be issued under.
    #[error("the consortium's certificate is none: {0}")]
    Root(String),
    /// This node's own certificate would be refused by all others.
    #[error("this node's own certificate: {0}")]
    Own(#[from] CertificateError),
    /// A renewed certificate is of other keys.
    #[error("the renewed certificate is of other keys, so of another node; stop this one to give it other keys")]
    OtherKeys,
    /// The key does not fit the certificate.
    #[error("this node's TLS key and certificate: {0}")]
    Tls(#[from] Error),
}

/// Whom this node lets in: every certificate under the consortium's that holds now, but for the lists.
#[derive(Debug)]
pub struct Admission {
    anchors: Vec<TrustAnchor<'static>>,
    lists: Mutex<Arc<AccessLists>>,
}

impl Admission {
    /// Under these certificates, with these lists.
    ///
    /// # Errors
    /// One of them is none that others can be issued under.
    pub fn new(roots: &Chain, lists: AccessLists) -> Result<Self, TlsError> {
        let anchor = |root: &CertificateDer<'_>| {
            let anchor = webpki::anchor_from_trusted_cert(root).map_err(|error| TlsError::Root(error.to_string()))?;
            Ok::<_, TlsError>(anchor.to_owned())
        };
        let anchors = roots.to_der()?.iter().map(anchor).collect::<Result<_, _>>()?;
        Ok(Self { anchors, lists: Mutex::new(Arc::new(lists)) })
    }

    /// Takes other lists. Who is connected and not let in any more is for the caller to find.
    pub fn set_lists(&self, lists: AccessLists) {
        *self.lists.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(lists);
    }

    /// The lists.
    pub fn lists(&self) -> Arc<AccessLists> {
        Arc::clone(&self.lists.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn admit(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: UnixTime,
    ) -> Result<NodeCertificate, CertificateError> {
        let node = NodeCertificate::verify(&self.anchors, certificate, others, usage, now)?;
        self.lists().check(&node)?;
        Ok(node)
    }
}

/// What a node shows, and how it proves that it may.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Its TLS key.
    pub key: TlsKey,
    /// Its certificate and those above it but the consortium's.
    pub chain: Chain,
}

/// Both ends of a handshake.
#[derive(Clone)]
struct Ends {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// The upgrade of a connection: afterwards the peer is known by its certificate.
#[derive(Clone)]
pub(crate) struct Upgrade {
    /// What this node shows now; a renewed certificate takes its place.
    ends: Arc<Mutex<Ends>>,
    /// This node, as others see it.
    pub(crate) own: NodeCertificate,
    known: Known,
}

/// The certificates of those that a handshake was made with, by identity; the connection's owner takes them out.
pub(crate) type Known = Arc<Mutex<std::collections::HashMap<PeerId, NodeCertificate>>>;

impl fmt::Debug for Upgrade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upgrade").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Upgrade {
    /// # Errors
    /// Credentials that no other node would believe.
    pub(crate) fn new(admission: &Arc<Admission>, credentials: &Credentials, known: Known) -> Result<Self, TlsError> {
        let (own, ends) = Ends::new(admission, credentials)?;
        Ok(Self { ends: Arc::new(Mutex::new(ends)), own, known })
    }

    /// Shows other credentials from now on.
    ///
    /// # Errors
    /// Credentials that no other node would believe.
    pub(crate) fn renew(&self, admission: &Arc<Admission>, credentials: &Credentials) -> Result<(), TlsError> {
        let (renewed, ends) = Ends::new(admission, credentials)?;
        if renewed.peer != self.own.peer || renewed.keys != self.own.keys {
            return Err(TlsError::OtherKeys);
        }
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
        Ok(())
    }

    fn ends(&self) -> Ends {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who is at the other end: the handshake has looked at the certificate.
    fn peer(&self, certificates: Option<&[CertificateDer<'_>]>) -> io::Result<PeerId> {
        let shown = certificates.and_then(|all| all.first());
        let shown = shown.ok_or_else(|| io::Error::other("the peer showed no certificate"))?;
        let node = NodeCertificate::read(shown).map_err(io::Error::other)?;
        let peer = node.peer;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, node);
        Ok(peer)
    }
}

impl Ends {
    fn new(admission: &Arc<Admission>, credentials: &Credentials) -> Result<(NodeCertificate, Self), TlsError> {
        let chain = credentials.chain.to_der()?;
        let (own, others) = chain.split_first().ok_or_else(|| CertificateError::Form("there is none".into()))?;
        let own = NodeCertificate::verify(&admission.anchors, own, others, KeyUsage::client_auth(), now())?;
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Verifier { admission: Arc::clone(admission), provider: Arc::clone(&provider) });
        let key = || -> Result<_, TlsError> {
            let der = credentials.key.to_der()?;
            Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.to_vec())))
        };
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::clone(&verifier) as Arc<dyn ClientCertVerifier>)
            .with_single_cert(chain.clone(), key()?)?;
        // A session taken up again would not be looked at by the lists.
        server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(chain, key()?)?;
        client.resumption = rustls::client::Resumption::disabled();
        client.enable_sni = false;
        Ok((own, Self { server: Arc::new(server), client: Arc::new(client) }))
    }
}

impl UpgradeInfo for Upgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/entente/tls/1")
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Upgrade {
    type Output = (PeerId, TlsStream<C>);
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            let stream = TlsAcceptor::from(self.ends().server).accept(socket).await?;
            let peer = self.peer(stream.get_ref().1.peer_certificates())?;
            Ok((peer, stream.into()))
        }
        .boxed()
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Upgrade {
    type Output = (PeerId, TlsStream<C>);
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            // Nobody is known by a host's name here.
            let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
            let stream = TlsConnector::from(self.ends().client).connect(name, socket).await?;
            let peer = self.peer(stream.get_ref().1.peer_certificates())?;
            Ok((peer, stream.into()))
        }
        .boxed()
    }
}

/// Looks at the other end's certificate, whichever end that is.
#[derive(Debug)]
struct Verifier {
    admission: Arc<Admission>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: UnixTime,
    ) -> Result<(), Error> {
        match self.admission.admit(certificate, others, usage, now) {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = rustls::CertificateError::Other(OtherError(Arc::new(error)));
                Err(Error::InvalidCertificate(error))
            }
        }
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS 1.2 is not spoken here.
fn no_tls12() -> Error {
    Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(certificate, others, KeyUsage::server_auth(), now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Who the consortium is, is told to nobody who does not know it.
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(certificate, others, KeyUsage::client_auth(), now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
