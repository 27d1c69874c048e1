//! A node on the network, and each of its groups there: what the rest of the node holds.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use entente_crypto::{Hash, PublicKey, Suite};
use tokio::sync::mpsc;

use crate::{
    AccessLists, Admission, Class, Credentials, GroupCounters, Inboxes, NodeCertificate, TlsError, frame,
    group::{Port, Ports},
    limits::GROUPS_MAX,
    link::Link,
    running::{self, Running},
    tls::{Known, Upgrade},
};

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
    /// The group is open already.
    #[error("group {0} is on the network already")]
    Twice(Hash),
}

/// What the task that owns the connections is told.
pub(crate) enum Command {
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

/// What that task and handles share.
pub(crate) struct Shared {
    pub(crate) own: NodeCertificate,
    pub(crate) admission: Arc<Admission>,
    pub(crate) upgrade: Upgrade,
    pub(crate) ports: Ports,
    pub(crate) links: RwLock<Vec<Arc<Link>>>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) listens_at: SocketAddr,
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
        let (swarm, listens_at) = running::listen(&upgrade, options.listen).await?;
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
        let (running, broken) = Running::new(swarm, Arc::clone(&shared), options, known);
        tokio::spawn(running.run(to_do, broken));
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
    /// There are too many groups, or it is open already.
    pub fn join(
        &self,
        genesis: Hash,
        suite: Suite,
        members: BTreeSet<PublicKey>,
    ) -> Result<(GroupLine, Inboxes), NetworkError> {
        let mut ports = self.shared.ports.lock().unwrap_or_else(PoisonError::into_inner);
        if ports.len() >= GROUPS_MAX {
            return Err(NetworkError::Groups(GROUPS_MAX));
        }
        if ports.values().any(|port| port.genesis == genesis) {
            return Err(NetworkError::Twice(genesis));
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
            address: running::socket_address(&link.address)
                .map_or_else(|| link.address.to_string(), |at| at.to_string()),
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

    /// Shows a renewed certificate from the next connection on.
    ///
    /// # Errors
    /// Credentials that no other node would believe, or that are another node's: of other keys.
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
        if self.port.set_members(members) {
            let _ = self.shared.commands.send(Command::LookAgain);
        }
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
