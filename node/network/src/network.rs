//! The node's end of all connections: listening, calling, letting go.

use std::{
    collections::{BTreeSet, HashMap},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use entente_crypto::{Hash, PublicKey, Suite};
use futures::StreamExt as _;
use libp2p_connection_limits::{Behaviour as Limits, ConnectionLimits};
use libp2p_core::{Multiaddr, Transport as _, multiaddr::Protocol, upgrade::Version};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    Config as SwarmConfig, ConnectionId, DialError, NetworkBehaviour, Swarm, SwarmEvent, dial_opts::DialOpts,
};
use tokio::{
    net::lookup_host,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    AccessLists, Admission, Class, Credentials, GroupCounters, Inboxes, NodeCertificate, TlsError,
    calls::Calls,
    certificate::now,
    frame,
    group::{Port, Ports},
    limits::{
        CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX, HANDSHAKE_TIMEOUT, HANDSHAKES_MAX, HELLO_TIMEOUT, STREAMS_MAX,
    },
    link::{self, Broken, Link, Throttles},
    scores::{Fault, Scores},
    streams::{OnConnection, Opened, Streams},
    tls::{Known, Upgrade},
};

/// How often is looked for what is due.
const TICK: Duration = Duration::from_millis(100);

/// How a node is on the network.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// Where it listens; port 0: a free one.
    pub listen: SocketAddr,
    /// The nodes that it calls, `host:port` each.
    pub peers: Vec<String>,
    /// Bytes a second that may leave; consensus does not wait for it. 0: any number.
    pub bytes_per_second: u64,
    /// The same for each group.
    pub group_bytes_per_second: u64,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, peers: Vec::new(), bytes_per_second: 0, group_bytes_per_second: 0 }
    }
}

/// Why a node is not on the network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Its credentials.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its address.
    #[error("cannot listen for peers at {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: String,
    },
    /// The system.
    #[error("the network: {0}")]
    System(String),
    /// There are too many groups.
    #[error("a node is in {0} groups at most")]
    Groups(usize),
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
struct Behaviour {
    limits: Limits,
    streams: Streams,
}

enum Command {
    /// Groups or their members changed.
    LookAgain,
    /// The lists did.
    Lists,
    /// An address that is to be called was looked up.
    Call {
        place: usize,
        address: Option<SocketAddr>,
    },
    /// A peer sent what no honest node sends.
    Complain {
        key: PublicKey,
        why: &'static str,
    },
    Stop,
}

/// What tasks and handles share.
struct Shared {
    own: NodeCertificate,
    admission: Arc<Admission>,
    upgrade: Upgrade,
    ports: Ports,
    links: RwLock<Vec<Arc<Link>>>,
    commands: mpsc::UnboundedSender<Command>,
    listens_at: SocketAddr,
}

/// A peer that is connected.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// What its certificate says.
    pub node: NodeCertificate,
    /// Where it is, as `ip:port`.
    pub address: String,
    /// Whether this node called it.
    pub dialed: bool,
    /// For how long it has been connected.
    pub connected: Duration,
    /// How many groups both belong to.
    pub groups: usize,
    /// Messages and bytes sent.
    pub sent: (u64, u64),
    /// Messages and bytes received.
    pub received: (u64, u64),
}

/// A node on the network. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Network").field("own", &self.shared.own).finish_non_exhaustive()
    }
}

impl Network {
    /// Begins to listen and to call, on the runtime that this is called from.
    ///
    /// # Errors
    /// Credentials that no other node would believe, or an address that is not to be had.
    pub async fn start(
        admission: Arc<Admission>,
        credentials: &Credentials,
        options: NetworkOptions,
    ) -> Result<Self, NetworkError> {
        let known = Known::default();
        let upgrade = Upgrade::new(&admission, credentials, Arc::clone(&known))?;
        let mut swarm = swarm(&upgrade);
        let listens_at = listen(&mut swarm, options.listen).await?;
        let (commands, to_do) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            own: upgrade.own.clone(),
            admission,
            upgrade,
            ports: Ports::default(),
            links: RwLock::default(),
            commands,
            listens_at,
        });
        let (broken, links_broken) = mpsc::unbounded_channel();
        let running = Running {
            swarm,
            shared: Arc::clone(&shared),
            throttles: Arc::new(Throttles::new(options.bytes_per_second, options.group_bytes_per_second)),
            links: HashMap::new(),
            calls: Calls::new(options.peers),
            scores: Scores::default(),
            known,
            broken,
        };
        tokio::spawn(running.run(to_do, links_broken));
        Ok(Self { shared })
    }

    /// This node, as others see it.
    pub fn own(&self) -> &NodeCertificate {
        &self.shared.own
    }

    /// Where it listens.
    pub fn listens_at(&self) -> SocketAddr {
        self.shared.listens_at
    }

    /// Opens a group to the nodes with these consensus keys. Nobody else hears of it, and nobody else is heard in it.
    ///
    /// # Errors
    /// There are too many groups.
    pub fn join(
        &self,
        genesis: Hash,
        suite: Suite,
        members: BTreeSet<PublicKey>,
    ) -> Result<(GroupLine, Inboxes), NetworkError> {
        let mut ports = self.shared.ports.lock().unwrap_or_else(PoisonError::into_inner);
        if ports.len() >= crate::limits::GROUPS_MAX {
            return Err(NetworkError::Groups(crate::limits::GROUPS_MAX));
        }
        let number = loop {
            let mut bytes = [0; 2];
            getrandom::fill(&mut bytes).map_err(|error| NetworkError::System(error.to_string()))?;
            let number = u16::from_le_bytes(bytes);
            if !ports.contains_key(&number) {
                break number;
            }
        };
        let (port, inboxes) = Port::new(number, genesis, suite);
        port.set_members(members);
        let port = Arc::new(port);
        ports.insert(number, Arc::clone(&port));
        drop(ports);
        let _ = self.shared.commands.send(Command::LookAgain);
        Ok((GroupLine { port, shared: Arc::clone(&self.shared) }, inboxes))
    }

    /// Who is connected.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let links = self.shared.links.read().unwrap_or_else(PoisonError::into_inner);
        let status = |link: &Arc<Link>| PeerStatus {
            node: link.node.clone(),
            address: socket_address(&link.address).map_or_else(|| link.address.to_string(), |at| at.to_string()),
            dialed: link.dialed,
            connected: link.since.elapsed(),
            groups: link.shared_groups(),
            sent: link.sent.shown(),
            received: link.received.shown(),
        };
        links.iter().map(status).collect()
    }

    /// Takes other lists: those who are not let in any more are let go at once.
    pub fn set_lists(&self, lists: AccessLists) {
        self.shared.admission.set_lists(lists);
        let _ = self.shared.commands.send(Command::Lists);
    }

    /// Shows a renewed certificate from the next connection on. The consensus keys must be the same.
    ///
    /// # Errors
    /// Credentials that no other node would believe.
    pub fn renew(&self, credentials: &Credentials) -> Result<(), TlsError> {
        self.shared.upgrade.renew(&self.shared.admission, credentials)
    }

    /// Lets all peers go.
    pub fn stop(&self) {
        let _ = self.shared.commands.send(Command::Stop);
    }
}

/// A group's line to its other nodes.
#[derive(Clone)]
pub struct GroupLine {
    port: Arc<Port>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for GroupLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GroupLine").field("genesis", &self.port.genesis).finish_non_exhaustive()
    }
}

impl GroupLine {
    /// Opens the group to these nodes and to no others, from now on.
    pub fn set_members(&self, members: BTreeSet<PublicKey>) {
        self.port.set_members(members);
        let _ = self.shared.commands.send(Command::LookAgain);
    }

    /// Sends to every node of the group that is connected; how many there are.
    pub fn broadcast(&self, class: Class, payload: &[u8]) -> usize {
        self.send_to(class, payload, |_| true)
    }

    /// Sends to one node of the group; whether it is connected.
    pub fn send(&self, to: &PublicKey, class: Class, payload: &[u8]) -> bool {
        self.send_to(class, payload, |link| link.node.key(self.port.suite) == Some(to)) > 0
    }

    fn send_to(&self, class: Class, payload: &[u8], wanted: impl Fn(&Link) -> bool) -> usize {
        let links: Vec<Arc<Link>> = {
            let links = self.shared.links.read().unwrap_or_else(PoisonError::into_inner);
            links.iter().filter(|link| wanted(link) && link.shares(&self.port)).cloned().collect()
        };
        if links.is_empty() {
            return 0;
        }
        let Some(frame) = frame::message(class, self.port.number, payload) else {
            tracing::error!(bytes = payload.len(), ?class, "message_too_large");
            return 0;
        };
        for link in &links {
            if !link.outbox.push(class, self.port.number, &frame) {
                self.port.counters.dropped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        links.len()
    }

    /// The nodes of the group that are connected, by their consensus keys.
    pub fn connected(&self) -> Vec<PublicKey> {
        let links = self.shared.links.read().unwrap_or_else(PoisonError::into_inner);
        let shared = links.iter().filter(|link| link.shares(&self.port));
        shared.filter_map(|link| link.node.key(self.port.suite).copied()).collect()
    }

    /// Says that a node of the group sent what no honest node sends: it is let go after a few times.
    pub fn complain(&self, key: &PublicKey, why: &'static str) {
        let _ = self.shared.commands.send(Command::Complain { key: *key, why });
    }

    /// What it has sent and received.
    pub fn counters(&self) -> &GroupCounters {
        &self.port.counters
    }

    /// Closes the group to everybody.
    pub fn leave(&self) {
        self.shared.ports.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.port.number);
        let _ = self.shared.commands.send(Command::LookAgain);
    }
}

fn swarm(upgrade: &Upgrade) -> Swarm<Behaviour> {
    let mut yamux = libp2p_yamux::Config::default();
    yamux.set_max_num_streams(STREAMS_MAX);
    let tcp = libp2p_tcp::tokio::Transport::new(libp2p_tcp::Config::default().nodelay(true));
    let transport =
        tcp.upgrade(Version::V1).authenticate(upgrade.clone()).multiplex(yamux).timeout(HANDSHAKE_TIMEOUT).boxed();
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(HANDSHAKES_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let behaviour = Behaviour { limits: Limits::new(limits), streams: Streams::default() };
    let config = SwarmConfig::with_tokio_executor().with_max_negotiating_inbound_streams(STREAMS_MAX);
    Swarm::new(transport, behaviour, upgrade.own.peer, config)
}

async fn listen(swarm: &mut Swarm<Behaviour>, address: SocketAddr) -> Result<SocketAddr, NetworkError> {
    let failed = |error: &dyn std::fmt::Display| NetworkError::Listen { address, error: error.to_string() };
    swarm.listen_on(multiaddress(address)).map_err(|error| failed(&error))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                return socket_address(&address).ok_or_else(|| failed(&"no address"));
            }
            SwarmEvent::ListenerError { error, .. } => return Err(failed(&error)),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => return Err(failed(&error)),
            _ => {}
        }
    }
}

pub(crate) fn multiaddress(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// The task that owns all connections.
struct Running {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    throttles: Arc<Throttles>,
    links: HashMap<ConnectionId, Arc<Link>>,
    calls: Calls,
    scores: Scores,
    known: Known,
    broken: mpsc::UnboundedSender<Broken>,
}

impl Running {
    async fn run(mut self, mut to_do: mpsc::UnboundedReceiver<Command>, mut broken: mpsc::UnboundedReceiver<Broken>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.happened(event),
                Some(Broken { connection, error }) = broken.recv() => self.link_broken(connection, error),
                command = to_do.recv() => match command {
                    Some(Command::LookAgain) => self.links.values().for_each(|link| link.look_again(&self.shared.ports)),
                    Some(Command::Call { place, address }) => self.call(place, address),
                    Some(Command::Lists) => self.let_go_of_unlisted(),
                    Some(Command::Complain { key, why }) => self.complain(&key, why),
                    Some(Command::Stop) | None => return self.stop(),
                },
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn call(&mut self, place: usize, address: Option<SocketAddr>) {
        let Some(address) = address else { return self.calls.refused(place, Instant::now()) };
        let options = DialOpts::unknown_peer_id().address(multiaddress(address)).build();
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => self.calls.calling(place, connection),
            Err(_) => self.calls.refused(place, Instant::now()),
        }
    }

    fn stop(&mut self) {
        for link in self.links.values() {
            link.outbox.close();
        }
        self.shared.links.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn happened(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(news)) => self.stream(news),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let address = endpoint.get_remote_address().clone();
                self.connected(peer_id, connection_id, address, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, num_established, .. } => {
                let cause = cause.map(|cause| cause.to_string());
                self.closed(peer_id, connection_id, cause.as_deref());
                if num_established == 0 {
                    self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                let own = matches!(error, DialError::LocalPeerId { .. });
                if let Some(address) = self.calls.failed(connection_id, own, Instant::now()) {
                    tracing::debug!(address, error = %words(&error), "peer_not_reached");
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::info!(address = %send_back_addr, error = %words(&error), "peer_refused");
            }
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId, address: Multiaddr, dialed: bool) {
        let node = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned();
        let now = Instant::now();
        self.calls.connected(connection, peer);
        let mut nonce = [0; 32];
        let (Some(node), Ok(()), false) = (node, getrandom::fill(&mut nonce), self.scores.is_banned(&peer, now)) else {
            self.swarm.close_connection(connection);
            return;
        };
        // Where both called one another at once, both keep the call of the one with the lesser identity.
        let own = self.shared.own.peer;
        let caller = |dialed| if dialed { own } else { peer };
        let others: Vec<(ConnectionId, bool)> =
            self.links_of(peer).map(|link| (link.connection, link.dialed)).collect();
        for (other, other_dialed) in others {
            let kept = other_dialed != dialed && caller(other_dialed) < caller(dialed);
            if kept {
                self.swarm.close_connection(connection);
                return;
            }
            self.drop_link(other);
            self.swarm.close_connection(other);
        }
        tracing::info!(%peer, subject = %node.subject, address = %address, dialed, "peer_connected");
        let link = Arc::new(Link::new(connection, node, address, dialed, nonce));
        self.links.insert(connection, link);
        self.show_links();
    }

    fn links_of(&self, peer: PeerId) -> impl Iterator<Item = &Arc<Link>> {
        self.links.values().filter(move |link| link.node.peer == peer)
    }

    fn show_links(&self) {
        let links = self.links.values().cloned().collect();
        *self.shared.links.write().unwrap_or_else(PoisonError::into_inner) = links;
    }

    fn drop_link(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.remove(&connection) {
            link.outbox.close();
            self.show_links();
        }
    }

    fn closed(&mut self, peer: PeerId, connection: ConnectionId, cause: Option<&str>) {
        if self.links.contains_key(&connection) {
            tracing::info!(%peer, cause = cause.unwrap_or("it was let go"), "peer_disconnected");
        }
        self.drop_link(connection);
        if self.links_of(peer).next().is_none() {
            self.calls.lost(peer, Instant::now());
        }
    }

    fn stream(&mut self, OnConnection { connection, opened }: OnConnection) {
        let Some(link) = self.links.get(&connection).map(Arc::clone) else { return };
        let (ports, broken) = (Arc::clone(&self.shared.ports), self.broken.clone());
        match opened {
            Opened::Outgoing(class, stream) => {
                tokio::spawn(link::write(link, class, stream, ports, Arc::clone(&self.throttles), broken));
            }
            Opened::Incoming(class, stream) => {
                tokio::spawn(link::read(link, class, stream, ports, broken));
            }
            Opened::Refused(class) => {
                tracing::debug!(peer = %link.node.peer, ?class, "stream_refused");
                self.swarm.close_connection(connection);
            }
            Opened::TooMany => self.fault(&link, Fault::Grave, "it opened more streams than there are"),
        }
    }

    fn link_broken(&mut self, connection: ConnectionId, error: Option<frame::FrameError>) {
        let Some(link) = self.links.get(&connection).map(Arc::clone) else { return };
        match error {
            Some(error) if error.is_fault() => {
                tracing::warn!(peer = %link.node.peer, subject = %link.node.subject, %error, "peer_sent_garbage");
                self.fault(&link, Fault::Grave, "it sent a frame that is none");
            }
            _ => {
                self.swarm.close_connection(connection);
            }
        }
    }

    fn complain(&mut self, key: &PublicKey, why: &'static str) {
        let of_key = self.links.values().filter(|link| link.node.keys.contains(key)).cloned().collect::<Vec<_>>();
        for link in of_key {
            self.fault(&link, Fault::Slight, why);
        }
    }

    /// Notes what a peer did that no honest node does, and lets it go when that was enough.
    fn fault(&mut self, link: &Link, fault: Fault, why: &'static str) {
        let peer = link.node.peer;
        if self.scores.note(peer, fault, Instant::now()) {
            tracing::warn!(%peer, subject = %link.node.subject, why, "peer_banned");
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn let_go_of_unlisted(&mut self) {
        let lists = self.shared.admission.lists();
        let unlisted: Vec<_> =
            self.links.values().filter_map(|link| Some((link.node.peer, lists.check(&link.node).err()?))).collect();
        for (peer, error) in unlisted {
            tracing::warn!(%peer, %error, "peer_not_let_in_any_more");
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn tick(&mut self) {
        let (instant, seconds) = (Instant::now(), now().as_secs());
        let links = &self.links;
        for (place, address) in self.calls.due(instant, |peer| links.values().any(|link| link.node.peer == *peer)) {
            let commands = self.shared.commands.clone();
            // A name may stand for another address each time.
            tokio::spawn(async move {
                let found = lookup_host(address).await.ok().and_then(|mut all| all.next());
                let _ = commands.send(Command::Call { place, address: found });
            });
        }
        let silent = |link: &&Arc<Link>| !link.greeted() && link.since + HELLO_TIMEOUT < instant;
        let over = |link: &&Arc<Link>| link.node.expires_at < seconds;
        let gone: Vec<ConnectionId> =
            self.links.values().filter(|link| silent(link) || over(link)).map(|link| link.connection).collect();
        for connection in gone {
            self.swarm.close_connection(connection);
        }
        self.scores.forgive(instant);
    }
}

/// An error with all that led to it.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
