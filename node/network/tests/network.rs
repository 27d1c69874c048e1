//! Nodes on real sockets: who gets in, who hears what.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use entente_crypto::{Hash, PublicKey, SecretKey, SigningKey, Suite};
use entente_network::{
    AccessLists, Admission, Authority, Class, Credentials, GroupLine, Inboxes, Network, NetworkOptions, TlsKey, days,
};
use tokio::time::{sleep, timeout};

const GENESIS: Hash = Hash([7; 32]);

fn secret(node: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[node + 1; 32]).expect("a key")
}

fn key(node: u8) -> PublicKey {
    secret(node).public_key()
}

fn members(nodes: &[u8]) -> BTreeSet<PublicKey> {
    nodes.iter().map(|node| key(*node)).collect()
}

fn credentials(authority: &Authority, node: u8) -> Credentials {
    let tls_key = TlsKey::generate().expect("a key");
    let consensus = secret(node);
    let keys: [(Suite, &dyn SigningKey); 1] = [(Suite::Standard, &consensus)];
    let chain =
        authority.node(&format!("node{node}"), &tls_key, &keys, days(30).expect("days")).expect("a certificate");
    Credentials { key: tls_key, chain }
}

fn admission(authority: &Authority, lists: AccessLists) -> Arc<Admission> {
    Arc::new(Admission::new(&authority.root(), lists).expect("a root"))
}

async fn node(authority: &Authority, number: u8, peers: &[SocketAddr]) -> Network {
    node_with(authority, number, peers, AccessLists::default()).await
}

async fn node_with(authority: &Authority, number: u8, peers: &[SocketAddr], lists: AccessLists) -> Network {
    let peers = peers.iter().map(ToString::to_string).collect();
    let options = NetworkOptions { peers, ..NetworkOptions::default() };
    Network::start(admission(authority, lists), &credentials(authority, number), options).await.expect("a network")
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn next(inboxes: &mut Inboxes) -> (PublicKey, Vec<u8>) {
    let received = timeout(Duration::from_secs(20), inboxes.consensus.recv()).await.expect("in time").expect("open");
    (received.from, received.payload)
}

fn join(network: &Network, nodes: &[u8]) -> (GroupLine, Inboxes) {
    network.join(GENESIS, Suite::Standard, members(nodes)).expect("a group")
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_of_two_agencies_hear_one_another() {
    let root = Authority::new("chain").expect("an authority");
    let agencies = [root.agency("north").expect("an agency"), root.agency("south").expect("an agency")];
    let mut networks: Vec<Network> = Vec::new();
    for number in 0..4 {
        let peers: Vec<SocketAddr> = networks.iter().map(Network::listens_at).collect();
        networks.push(node(&agencies[usize::from(number % 2)], number, &peers).await);
    }
    let mut joined: Vec<(GroupLine, Inboxes)> = networks.iter().map(|one| join(one, &[0, 1, 2, 3])).collect();
    until("all are connected", || joined.iter().all(|(line, _)| line.connected().len() == 3)).await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(at) / 7) as u8).collect();
    assert_eq!(joined[0].0.broadcast(Class::Consensus, b"first"), 3);
    assert_eq!(joined[0].0.broadcast(Class::Consensus, &large), 3);
    for (_, inboxes) in joined.iter_mut().skip(1) {
        assert_eq!(next(inboxes).await, (key(0), b"first".to_vec()));
        assert!(next(inboxes).await == (key(0), large.clone()));
    }
    assert!(joined[3].0.send(&key(1), Class::Consensus, b"to one"));
    assert_eq!(next(&mut joined[1].1).await, (key(3), b"to one".to_vec()));
    assert!(joined[2].1.consensus.try_recv().is_err(), "nobody else hears it");
    assert!(!joined[3].0.send(&key(9), Class::Consensus, b"to nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_call_each_other_at_once_keep_one_connection() {
    let root = Authority::new("chain").expect("an authority");
    for _ in 0..5 {
        let ports: Vec<SocketAddr> = (0..2)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port"))
            .collect();
        let start = |number: u8, listen: SocketAddr, peer: SocketAddr| {
            let options = NetworkOptions { listen, peers: vec![peer.to_string()], ..NetworkOptions::default() };
            let (admission, credentials) = (admission(&root, AccessLists::default()), credentials(&root, number));
            async move { Network::start(admission, &credentials, options).await.expect("a network") }
        };
        let (one, two) = tokio::join!(start(0, ports[0], ports[1]), start(1, ports[1], ports[0]));
        let ((line_one, _in_one), (line_two, mut in_two)) = (join(&one, &[0, 1]), join(&two, &[0, 1]));
        let both = || line_one.connected().len() == 1 && line_two.connected().len() == 1;
        until("both are connected", both).await;
        sleep(Duration::from_millis(400)).await;
        until("both stay connected", both).await;
        assert_eq!((one.peers().len(), two.peers().len()), (1, 1));
        line_one.broadcast(Class::Consensus, b"hello");
        assert_eq!(next(&mut in_two).await, (key(0), b"hello".to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_outside_a_group_gets_no_byte_of_it_and_learns_nothing() {
    let root = Authority::new("chain").expect("an authority");
    let one = node(&root, 0, &[]).await;
    let two = node(&root, 1, &[one.listens_at()]).await;
    let outsider = node(&root, 2, &[one.listens_at(), two.listens_at()]).await;
    let ((line_one, _in_one), (line_two, mut in_two)) = (join(&one, &[0, 1]), join(&two, &[0, 1]));
    // It knows the group's document, and says that it is of it.
    let (line_out, mut in_out) = join(&outsider, &[0, 1, 2]);
    until("two are connected", || line_one.connected() == [key(1)] && line_two.connected() == [key(0)]).await;
    until("the outsider is connected", || outsider.peers().len() == 2).await;
    assert_eq!(line_one.broadcast(Class::Consensus, b"secret"), 1);
    next(&mut in_two).await;
    assert_eq!(line_out.broadcast(Class::Consensus, b"let me in"), 0);
    sleep(Duration::from_millis(300)).await;
    assert!(in_out.consensus.try_recv().is_err() && in_two.consensus.try_recv().is_err());
    let shown = |line: &GroupLine| line.counters().received.iter().map(|count| count.shown().1).sum::<u64>();
    assert_eq!(shown(&line_out), 0);
    // The moment that it is one of the group, it hears; and when it is none any more, it does not.
    for line in [&line_one, &line_two] {
        line.set_members(members(&[0, 1, 2]));
    }
    until("the new one is connected", || line_one.connected().len() == 2 && line_out.connected().len() == 2).await;
    assert_eq!(line_one.broadcast(Class::Consensus, b"welcome"), 2);
    assert_eq!(next(&mut in_out).await, (key(0), b"welcome".to_vec()));
    line_one.set_members(members(&[0, 1]));
    assert_eq!(line_one.broadcast(Class::Consensus, b"without it"), 1);
    line_out.send(&key(0), Class::Consensus, b"still here?");
    sleep(Duration::from_millis(300)).await;
    assert!(in_out.consensus.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_consortium_gets_nowhere() {
    let (root, other) = (Authority::new("chain").expect("one"), Authority::new("chain").expect("another"));
    let one = node(&root, 0, &[]).await;
    let stranger = node(&other, 1, &[one.listens_at()]).await;
    sleep(Duration::from_secs(1)).await;
    assert!(one.peers().is_empty() && stranger.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_denied_is_let_go_at_once_and_comes_back_when_it_is_not() {
    let root = Authority::new("chain").expect("an authority");
    let one = node(&root, 0, &[]).await;
    let two = node(&root, 1, &[one.listens_at()]).await;
    until("they are connected", || one.peers().len() == 1 && two.peers().len() == 1).await;
    let denied = AccessLists { deny_nodes: [hex::encode(key(1).as_bytes())].into(), ..AccessLists::default() };
    one.set_lists(denied);
    let since = Instant::now();
    until("it is let go", || one.peers().is_empty() && two.peers().is_empty()).await;
    assert!(since.elapsed() < Duration::from_secs(2), "after {:?}", since.elapsed());
    sleep(Duration::from_secs(1)).await;
    assert!(one.peers().is_empty() && two.peers().is_empty(), "it does not come back");
    let serial = two.own().serial.clone();
    one.set_lists(AccessLists { deny_serials: [serial.clone()].into(), ..AccessLists::default() });
    sleep(Duration::from_millis(600)).await;
    assert!(one.peers().is_empty(), "its certificate is denied");
    one.set_lists(AccessLists { allow_serials: [serial].into(), ..AccessLists::default() });
    until("it is let in", || one.peers().len() == 1).await;
    one.set_lists(AccessLists { allow_nodes: [hex::encode(key(9).as_bytes())].into(), ..AccessLists::default() });
    until("only another is let in", || one.peers().is_empty()).await;
}
