//! The task that owns all connections: listening, calling, letting go.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Duration,
};

use entente_crypto::PublicKey;
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
    Class, NetworkError, NetworkOptions,
    calls::Calls,
    certificate::now,
    frame::{self, FrameError},
    limits::{
        CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX, HANDSHAKE_TIMEOUT, HANDSHAKES_MAX, HELLO_TIMEOUT, PING_INTERVAL,
        SILENCE_MAX, SILENCE_SUSPICIOUS, STREAMS_MAX,
    },
    link::{self, Broken, Link},
    muxing::Muxing,
    network::{Command, Shared},
    scores::{Fault, Scores},
    streams::{OnConnection, Opened, Streams},
    throttle::Throttles,
    tls::{Known, Upgrade},
};

/// How often is looked for what is due.
const TICK: Duration = Duration::from_millis(100);

/// Refusals of strangers are logged once in so long: anybody can have as many as it likes.
const REFUSALS_LOGGED: Duration = Duration::from_secs(1);

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
pub(crate) struct Behaviour {
    limits: Limits,
    streams: Streams,
}

/// Listens at an address; 0 stands for a free port, which is told.
pub(crate) async fn listen(
    upgrade: &Upgrade,
    address: SocketAddr,
) -> Result<(Swarm<Behaviour>, SocketAddr), NetworkError> {
    let tcp = libp2p_tcp::tokio::Transport::new(libp2p_tcp::Config::default().nodelay(true));
    let transport =
        tcp.upgrade(Version::V1).authenticate(upgrade.clone()).multiplex(Muxing).timeout(HANDSHAKE_TIMEOUT).boxed();
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(HANDSHAKES_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    let behaviour = Behaviour { limits: Limits::new(limits), streams: Streams::default() };
    let config = SwarmConfig::with_tokio_executor().with_max_negotiating_inbound_streams(STREAMS_MAX);
    let mut swarm = Swarm::new(transport, behaviour, upgrade.own.peer, config);
    let failed = |error: &dyn std::fmt::Display| NetworkError::Listen { address, error: error.to_string() };
    swarm.listen_on(multiaddress(address)).map_err(|error| failed(&error))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                let listens_at = socket_address(&address).ok_or_else(|| failed(&"no address"))?;
                return Ok((swarm, listens_at));
            }
            SwarmEvent::ListenerError { error, .. } | SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                return Err(failed(&error));
            }
            _ => {}
        }
    }
}

pub(crate) fn multiaddress(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

pub(crate) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
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
pub(crate) struct Running {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    throttles: Arc<Throttles>,
    links: HashMap<ConnectionId, Arc<Link>>,
    calls: Calls,
    scores: Scores,
    known: Known,
    broken: mpsc::UnboundedSender<Broken>,
    /// When a refusal was logged last, and how many were not since then.
    refusals: (Option<Instant>, u64),
    pinged_at: Instant,
}

impl Running {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        options: NetworkOptions,
        known: Known,
    ) -> (Self, mpsc::UnboundedReceiver<Broken>) {
        let (broken, links_broken) = mpsc::unbounded_channel();
        let running = Self {
            swarm,
            shared,
            throttles: Arc::new(Throttles::new(options.bytes_per_second, options.group_bytes_per_second)),
            links: HashMap::new(),
            calls: Calls::new(options.peers),
            scores: Scores::default(),
            known,
            broken,
            refusals: (None, 0),
            pinged_at: Instant::now(),
        };
        (running, links_broken)
    }

    pub(crate) async fn run(
        mut self,
        mut to_do: mpsc::UnboundedReceiver<Command>,
        mut broken: mpsc::UnboundedReceiver<Broken>,
    ) {
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
        // From a port of its own: two that call each other from where they listen would be one connection without ends.
        let options = DialOpts::unknown_peer_id().address(multiaddress(address)).allocate_new_port().build();
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => self.calls.calling(place, connection),
            Err(_) => self.calls.refused(place, Instant::now()),
        }
    }

    fn stop(&mut self) {
        for link in self.links.values() {
            link.close();
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
                self.closed(peer_id, connection_id, cause.as_deref(), num_established == 0);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                let own = matches!(error, DialError::LocalPeerId { .. });
                if let Some(address) = self.calls.failed(connection_id, own, Instant::now()) {
                    tracing::debug!(address, error = %words(&error), "peer_not_reached");
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => self.refused(&send_back_addr, &error),
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
        // The lists may be others than those that the handshake went by.
        if let Err(error) = self.shared.admission.lists().check(&node) {
            tracing::warn!(%peer, %error, "peer_not_let_in_any_more");
            self.swarm.close_connection(connection);
            return;
        }
        // Where both called one another at once, both keep the call of the one with the lesser identity.
        let own = self.shared.own.peer;
        let caller = |dialed| if dialed { own } else { peer };
        for other in self.links_of(peer).cloned().collect::<Vec<_>>() {
            // One that has gone silent is of a life of the peer that is over.
            let lives = other.silent_for(now) < SILENCE_SUSPICIOUS;
            if lives && other.dialed != dialed && caller(other.dialed) < caller(dialed) {
                self.swarm.close_connection(connection);
                return;
            }
            self.let_go(other.connection);
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

    /// Ends a link at once, whether or not the peer lets its connection end.
    fn let_go(&mut self, connection: ConnectionId) {
        let _ = self.drop_link(connection, "it was let go");
        self.swarm.close_connection(connection);
    }

    fn drop_link(&mut self, connection: ConnectionId, cause: &str) -> Option<Arc<Link>> {
        let link = self.links.remove(&connection)?;
        link.close();
        self.show_links();
        let (peer, now) = (link.node.peer, Instant::now());
        tracing::info!(%peer, cause, "peer_disconnected");
        if self.links_of(peer).next().is_none() {
            self.calls.lost(peer, now.saturating_duration_since(link.since), now);
        }
        Some(link)
    }

    fn closed(&mut self, peer: PeerId, connection: ConnectionId, cause: Option<&str>, last: bool) {
        let linked = self.drop_link(connection, cause.unwrap_or("it ended")).is_some();
        if !linked && self.links_of(peer).next().is_none() {
            self.calls.lost(peer, Duration::ZERO, Instant::now());
        }
        if last {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
        }
    }

    fn refused(&mut self, address: &Multiaddr, error: &dyn std::error::Error) {
        let (logged_at, others) = &mut self.refusals;
        let now = Instant::now();
        if logged_at.is_some_and(|at| now < at + REFUSALS_LOGGED) {
            *others += 1;
            return;
        }
        tracing::info!(%address, error = %words(error), others = *others, "peer_refused");
        (*logged_at, *others) = (Some(now), 0);
    }

    fn stream(&mut self, OnConnection { connection, opened }: OnConnection) {
        let Some(link) = self.links.get(&connection).map(Arc::clone) else { return };
        let (ports, broken) = (Arc::clone(&self.shared.ports), self.broken.clone());
        match opened {
            Opened::Outgoing(class, stream) => {
                let throttles = Arc::clone(&self.throttles);
                let write = link::write(Arc::clone(&link), class, stream, ports, throttles, broken);
                tokio::spawn(link.while_open(write));
            }
            Opened::Incoming(class, stream) => {
                let read = link::read(Arc::clone(&link), class, stream, ports, broken);
                tokio::spawn(link.while_open(read));
            }
            Opened::Refused(class) => {
                tracing::debug!(peer = %link.node.peer, ?class, "stream_refused");
                self.let_go(connection);
            }
            Opened::TooMany => self.fault(&link, Fault::Grave, "it opened more streams than there are"),
        }
    }

    fn link_broken(&mut self, connection: ConnectionId, error: Option<FrameError>) {
        let Some(link) = self.links.get(&connection).map(Arc::clone) else { return };
        match error {
            Some(error) if error.is_fault() => {
                tracing::warn!(peer = %link.node.peer, subject = %link.node.subject, %error, "peer_sent_garbage");
                self.fault(&link, Fault::Grave, "it sent a frame that is none");
            }
            _ => self.let_go(connection),
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
            for link in self.links_of(peer).cloned().collect::<Vec<_>>() {
                self.let_go(link.connection);
            }
        }
    }

    fn let_go_of_unlisted(&mut self) {
        let lists = self.shared.admission.lists();
        let unlisted = |link: &Arc<Link>| Some((Arc::clone(link), lists.check(&link.node).err()?));
        for (link, error) in self.links.values().filter_map(unlisted).collect::<Vec<_>>() {
            tracing::warn!(peer = %link.node.peer, %error, "peer_not_let_in_any_more");
            self.let_go(link.connection);
        }
    }

    fn tick(&mut self) {
        let (instant, seconds) = (Instant::now(), now().as_secs());
        let links = &self.links;
        for (place, address) in self.calls.due(instant, |peer| links.values().any(|link| link.node.peer == *peer)) {
            let commands = self.shared.commands.clone();
            // A name may stand for another address each time.
            tokio::spawn(async move {
                let found = lookup_host(address).await.ok().and_then(|all| all.min_by_key(SocketAddr::is_ipv6));
                let _ = commands.send(Command::Call { place, address: found });
            });
        }
        let silent = |link: &&Arc<Link>| {
            (!link.greeted() && link.since + HELLO_TIMEOUT < instant) || link.silent_for(instant) > SILENCE_MAX
        };
        let over = |link: &&Arc<Link>| link.node.expires_at < seconds;
        let gone: Vec<ConnectionId> =
            self.links.values().filter(|link| silent(link) || over(link)).map(|link| link.connection).collect();
        for connection in gone {
            self.let_go(connection);
        }
        if self.pinged_at + PING_INTERVAL <= instant {
            self.pinged_at = instant;
            self.links.values().for_each(|link| link.outbox.push_own(Class::Consensus, frame::ping()));
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
