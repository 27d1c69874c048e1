//! Peers that mean harm, on real sockets.

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use entente_crypto::{Hash, PublicKey, SecretKey, Signature, SigningKey, Suite};
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _, future::poll_fn};
use libp2p_core::{
    Endpoint, Transport as _, UpgradeInfo,
    muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, StreamMuxerExt as _},
    transport::{DialOpts, PortUse},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, Version},
};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    AccessLists, Admission, Authority, CertificateError, Class, Credentials, Network, NetworkOptions, NodeCertificate,
    TlsKey, between, days, frame,
    limits::message_bytes_max,
    muxing::Muxing,
    running::multiaddress,
    tls::{Known, Upgrade},
};

fn secret(node: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[node + 1; 32]).expect("a key")
}

/// Those that look at how much memory this process has take turns.
static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn credentials_with(
    authority: &Authority,
    consensus: &dyn SigningKey,
    validity: x509_cert::time::Validity,
) -> Credentials {
    let key = TlsKey::generate().expect("a key");
    let keys: [(Suite, &dyn SigningKey); 1] = [(Suite::Standard, consensus)];
    let chain = authority.node("node", &key, &keys, validity).expect("a certificate");
    Credentials { key, chain }
}

fn credentials(authority: &Authority, node: u8) -> Credentials {
    credentials_with(authority, &secret(node), days(30).expect("days"))
}

fn admission(authority: &Authority) -> Arc<Admission> {
    Arc::new(Admission::new(&authority.root(), AccessLists::default()).expect("a root"))
}

async fn node(authority: &Authority, number: u8) -> Network {
    let options = NetworkOptions::default();
    Network::start(admission(authority), &credentials(authority, number), options).await.expect("a network")
}

/// A connection with real credentials and everything beyond them in the test's hands.
async fn connect(authority: &Authority, credentials: &Credentials, to: SocketAddr) -> StreamMuxerBox {
    let upgrade = Upgrade::new(&admission(authority), credentials, Known::default()).expect("credentials");
    let tcp = libp2p_tcp::tokio::Transport::new(libp2p_tcp::Config::default());
    let transport = tcp.upgrade(Version::V1).authenticate(upgrade).multiplex(Muxing);
    let mut transport = transport.boxed();
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let (_, muxer) = transport.dial(multiaddress(to), options).expect("dialled").await.expect("connected");
    muxer
}

/// Hands the whole connection out as one stream: whoever asks for this speaks yamux by hand.
#[derive(Debug, Clone, Copy)]
struct Whole;

/// See above.
struct WholeConnection<C>(Option<C>);

impl UpgradeInfo for Whole {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(crate::muxing::NAME)
    }
}

impl<C: Send + 'static> InboundConnectionUpgrade<C> for Whole {
    type Output = WholeConnection<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        ready(Ok(WholeConnection(Some(socket))))
    }
}

impl<C: Send + 'static> OutboundConnectionUpgrade<C> for Whole {
    type Output = WholeConnection<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        ready(Ok(WholeConnection(Some(socket))))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for WholeConnection<C> {
    type Substream = C;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<C>> {
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<C>> {
        self.0.take().map_or(Poll::Pending, |socket| Poll::Ready(Ok(socket)))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Poll::Pending
    }
}

/// The bytes of this process's memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).expect("a number") * 1024
}

/// How many connections this process may have both ends of, at most 5,000: some machines let it open few files.
fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit of files");
    let files = files.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
    (files.saturating_sub(400) / 2).min(5_000)
}

/// Some 20 KiB for each connection where the machine is busy and many wait for their handshake at once.
const GROWTH_MAX: u64 = 128 << 20;

/// Two nodes of the consortium still find one another.
async fn serves(authority: &Authority, one: &Network) {
    let options = NetworkOptions { peers: vec![one.listens_at().to_string()], ..NetworkOptions::default() };
    let honest = Network::start(admission(authority), &credentials(authority, 77), options).await.expect("a network");
    let deadline = Instant::now() + Duration::from_secs(30);
    while honest.peers().is_empty() {
        assert!(Instant::now() < deadline, "nobody gets through");
        sleep(Duration::from_millis(20)).await;
    }
    honest.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_that_connect_and_say_nothing_or_garbage_cost_little() {
    let _turn = MEMORY.lock().await;
    let root = Authority::new("chain").expect("an authority");
    let one = node(&root, 0).await;
    serves(&root, &one).await;
    let before = resident();
    let mut silent = Vec::new();
    let count = connections();
    for number in 0..count {
        // The system's own queue may be full for a moment.
        let Ok(Ok(mut stream)) = timeout(Duration::from_secs(5), TcpStream::connect(one.listens_at())).await else {
            continue;
        };
        if number % 2 == 0 {
            let _ = stream.write_all(&[number as u8; 600]).await;
        }
        silent.push(stream);
    }
    assert!(silent.len() > count * 4 / 5, "{} connected", silent.len());
    let grown = resident().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{} KiB for {} connections", grown >> 10, silent.len());
    assert!(one.peers().is_empty());
    // While most of them are still there: those whose handshake takes too long have made room.
    serves(&root, &one).await;
    let mut left = 0;
    for stream in &mut silent {
        let mut byte = [0];
        let closed = matches!(timeout(Duration::from_millis(1), stream.read(&mut byte)).await, Ok(Ok(0) | Err(_)));
        left += usize::from(!closed);
    }
    println!("{left} of {} are still open; {} KiB", silent.len(), grown >> 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_streams_cost_little_and_end_the_connection() {
    let _turn = MEMORY.lock().await;
    let root = Authority::new("chain").expect("an authority");
    let one = node(&root, 0).await;
    let before = resident();
    let mut opened = 0;
    let until = Instant::now() + Duration::from_secs(8);
    'connections: while opened < 1_000_000 && Instant::now() < until {
        let credentials = credentials(&root, 1);
        let mut muxer = connect(&root, &credentials, one.listens_at()).await;
        loop {
            let step = poll_fn(|context| {
                // What the other end has to say about it is read too.
                let _ = muxer.poll_unpin(context);
                muxer.poll_outbound_unpin(context)
            });
            match timeout(Duration::from_secs(1), step).await {
                Ok(Ok(mut stream)) => {
                    opened += 1;
                    let said = async {
                        let _ = stream.write_all(b"\x13/multistream/1.0.0\n\x07/tiny/1\n").await;
                        let _ = stream.close().await;
                    };
                    let _ = timeout(Duration::from_millis(50), said).await;
                }
                _ => continue 'connections,
            }
            if opened >= 1_000_000 || Instant::now() > until {
                break 'connections;
            }
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(opened > 100 && grown < GROWTH_MAX, "{opened} streams, {} KiB", grown >> 10);
    serves(&root, &one).await;
}

/// One of the consortium asks whether the other end is there, as fast as it can, and reads no answer.
#[tokio::test(flavor = "multi_thread")]
async fn answers_to_pings_that_nobody_reads_do_not_pile_up() {
    let _turn = MEMORY.lock().await;
    let root = Authority::new("chain").expect("an authority");
    let one = node(&root, 0).await;
    let upgrade = Upgrade::new(&admission(&root), &credentials(&root, 1), Known::default()).expect("credentials");
    let tcp = libp2p_tcp::tokio::Transport::new(libp2p_tcp::Config::default());
    let mut transport = tcp.upgrade(Version::V1).authenticate(upgrade).multiplex(Whole).boxed();
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let (_, mut muxer) =
        transport.dial(multiaddress(one.listens_at()), options).expect("dialled").await.expect("connected");
    let mut connection = poll_fn(|context| muxer.poll_outbound_unpin(context)).await.expect("the connection");
    // Version 0, type 2 (ping), flag 1 (it wants an answer), connection 0, and a number that comes back.
    let pings = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7].repeat(5_000);
    let before = resident();
    let mut sent = 0;
    while let Ok(Ok(())) = timeout(Duration::from_secs(2), connection.write_all(&pings)).await {
        sent += pings.len();
        assert!(sent < 4 << 30, "it takes pings for ever");
    }
    let grown = resident().saturating_sub(before);
    assert!(sent > 0 && grown < GROWTH_MAX, "{} KiB for {} KiB of pings", grown >> 10, sent >> 10);
    println!("it took {} KiB of pings and grew by {} KiB", sent >> 10, grown >> 10);
    serves(&root, &one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_the_consortium_that_sends_what_is_no_frame_is_let_go_and_stays_away() {
    let _turn = MEMORY.lock().await;
    let root = Authority::new("chain").expect("an authority");
    let one = node(&root, 0).await;
    let oversize = [&[2, 0, 0][..], &(message_bytes_max(Class::Consensus) as u32 + 1).to_le_bytes()].concat();
    let garbage: [&[u8]; 3] = [&[9; 64], &oversize, &[0, 0, 0, 255, 255, 255, 255]];
    for bytes in garbage {
        let before = resident();
        let mut muxer = connect(&root, &credentials(&root, 1), one.listens_at()).await;
        let mut stream = poll_fn(|context| {
            let _ = muxer.poll_unpin(context);
            muxer.poll_outbound_unpin(context)
        })
        .await
        .expect("a stream");
        let name = frame::stream_name(Class::Consensus);
        let mut said = b"\x13/multistream/1.0.0\n".to_vec();
        said.push(name.len() as u8 + 1);
        said.extend([name.as_bytes(), b"\n", bytes].concat());
        let _ = stream.write_all(&said).await;
        let _ = stream.flush().await;
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut ended = false;
        while !ended && Instant::now() < deadline {
            let event = poll_fn(|context| muxer.poll_unpin(context));
            ended = matches!(timeout(Duration::from_millis(50), event).await, Ok(Err(_)));
        }
        assert!(ended, "{bytes:?} is tolerated");
        assert!(resident().saturating_sub(before) < GROWTH_MAX);
    }
    serves(&root, &one).await;
}

/// A key that says that it is another's.
#[derive(Debug)]
struct Impostor(PublicKey, SecretKey);

impl SigningKey for Impostor {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, digest: &Hash) -> Signature {
        self.1.sign(digest)
    }
}

#[test]
fn a_certificate_says_whose_consensus_keys_it_carries_and_nobody_elses() {
    let root = Authority::new("chain").expect("an authority");
    let agency = root.agency("north").expect("an agency").agency("below").expect("an agency of an agency");
    let shown = credentials(&agency, 3).chain.to_der().expect("certificates");
    assert_eq!(shown.len(), 3);
    let read = NodeCertificate::read(&shown[0]).expect("a node's");
    assert_eq!(read.keys, [secret(3).public_key()]);
    assert_eq!((read.subject.as_str(), read.serial.len()), ("CN=node,OU=node,O=Entente", 32));
    let impostor = Impostor(secret(3).public_key(), secret(4));
    let forged = credentials_with(&agency, &impostor, days(30).expect("days")).chain.to_der().expect("certificates");
    assert!(matches!(NodeCertificate::read(&forged[0]), Err(CertificateError::Possession(_))));
    let authority = agency.chain().to_der().expect("certificates");
    assert_eq!(NodeCertificate::read(&authority[0]), Err(CertificateError::NoKeys));
    for length in 0..shown[0].len() {
        let cut = CertificateDer::from(shown[0][..length].to_vec());
        assert!(NodeCertificate::read(&cut).is_err());
    }
}

#[test]
fn certificates_hold_under_their_own_authority_and_in_their_time() {
    let (root, other) = (Authority::new("chain").expect("one"), Authority::new("chain").expect("another"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    let day = Duration::from_hours(24);
    let try_it = |of: &Authority, validity| {
        let shown = credentials_with(of, &secret(1), validity);
        Upgrade::new(&admission(&root), &shown, Known::default()).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(try_it(&root, days(1).expect("days")), Ok(()));
    assert_eq!(try_it(&root.agency("north").expect("an agency"), days(1).expect("days")), Ok(()));
    let ended = |of: &Authority, from, to| {
        let refused = try_it(of, between(from, to).expect("times")).expect_err("it does not hold");
        assert!(refused.contains("not issued under this consortium's authority, or does not hold now"), "{refused}");
    };
    ended(&root, now.saturating_sub(2 * day), now.saturating_sub(day));
    ended(&root, now + day, now + 2 * day);
    ended(&other, now.saturating_sub(day), now + day);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired_ends_the_connection_and_begins_none() {
    let root = Authority::new("chain").expect("an authority");
    let one = node(&root, 0).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    let soon = between(now.saturating_sub(Duration::from_mins(1)), now + Duration::from_secs(3)).expect("times");
    let options = NetworkOptions { peers: vec![one.listens_at().to_string()], ..NetworkOptions::default() };
    let shown = credentials_with(&root, &secret(1), soon);
    let two = Network::start(admission(&root), &shown, options).await.expect("it holds still");
    let wait_for = async |what: &str, peers: usize| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while one.peers().len() != peers {
            assert!(Instant::now() < deadline, "{what}");
            sleep(Duration::from_millis(20)).await;
        }
    };
    wait_for("it is not let in", 1).await;
    wait_for("it is not let go", 0).await;
    sleep(Duration::from_secs(1)).await;
    assert!(one.peers().is_empty() && two.peers().is_empty(), "it does not come back");
    let later = days(30).expect("days");
    let keys: [(Suite, &dyn SigningKey); 1] = [(Suite::Standard, &secret(1))];
    let chain = root.node("node", &shown.key, &keys, later).expect("a certificate");
    two.renew(&Credentials { key: shown.key.clone(), chain }).expect("a new certificate");
    assert!(two.renew(&credentials(&root, 1)).is_err(), "with another key it is another node");
    wait_for("with a new certificate it is not let in", 1).await;
}
