//! A group's door to the network: who may hear of it, and where what is heard goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use entente_crypto::{Domain, Hash, PublicKey, Suite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    Class, NodeCertificate,
    limits::{PLACE_BYTES, WAITING_BYTES_MAX},
};

/// A message for a group, from one of its nodes. While it is kept it counts against what that node may have waiting.
#[derive(Debug)]
pub struct Received {
    /// Its consensus key.
    pub from: PublicKey,
    /// What it is about.
    pub class: Class,
    /// What it says.
    pub payload: Vec<u8>,
    pub(crate) place: Place,
}

/// What a message takes of what its sender may have waiting, until this is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is given back when it is dropped")] OwnedSemaphorePermit);

impl Place {
    pub(crate) const fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(permit)
    }
}

impl Received {
    /// The message, and its place: whoever hands it on drops that when it is worked on.
    pub fn into_parts(self) -> (PublicKey, Vec<u8>, Place) {
        (self.from, self.payload, self.place)
    }
}

/// The places of what one peer sent in one group and class and what is not worked on yet.
pub(crate) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(WAITING_BYTES_MAX / PLACE_BYTES))
}

/// How many of them a message takes.
pub(crate) fn places_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PLACE_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// What a group has sent and received.
#[derive(Debug, Default)]
pub struct GroupCounters {
    /// Messages and bytes that left, by class, as they travelled.
    pub sent: [Count; Class::ALL.len()],
    /// Messages and bytes that arrived.
    pub received: [Count; Class::ALL.len()],
    /// The bytes of those that arrived once they are no longer compressed, by class.
    pub unpacked: [AtomicU64; Class::ALL.len()],
    /// Messages that were dropped because too much waited for a peer.
    pub dropped: AtomicU64,
    /// Messages that were dropped because too much of the peer's waits here.
    pub overflows: AtomicU64,
    /// Messages from nodes that are not of the group, which were not looked at.
    pub strangers: AtomicU64,
}

/// A number of messages and of their bytes.
#[derive(Debug, Default)]
pub struct Count {
    /// Messages.
    pub messages: AtomicU64,
    /// Bytes.
    pub bytes: AtomicU64,
}

impl Count {
    pub(crate) fn add(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Messages and bytes.
    pub fn shown(&self) -> (u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// The queues of what was received, one for each class: a flood of one kind holds up no other. They are bounded by the
/// places of each peer.
#[derive(Debug)]
pub struct Inboxes {
    /// Votes and proposals.
    pub consensus: mpsc::UnboundedReceiver<Received>,
    /// Transactions.
    pub transactions: mpsc::UnboundedReceiver<Received>,
    /// Blocks, and requests for them.
    pub sync: mpsc::UnboundedReceiver<Received>,
}

/// A group on the network.
#[derive(Debug)]
pub(crate) struct Port {
    /// What this node calls it on the wire: drawn by lot, so that it tells nothing.
    pub(crate) number: u16,
    pub(crate) genesis: Hash,
    pub(crate) suite: Suite,
    /// The consensus keys of the nodes that may hear of it.
    members: Mutex<Arc<BTreeSet<PublicKey>>>,
    inboxes: [mpsc::UnboundedSender<Received>; Class::ALL.len()],
    pub(crate) counters: Arc<GroupCounters>,
}

impl Port {
    pub(crate) fn new(number: u16, genesis: Hash, suite: Suite) -> (Self, Inboxes) {
        let [(consensus, from_consensus), (transactions, from_transactions), (sync, from_sync)] =
            std::array::from_fn(|_| mpsc::unbounded_channel());
        let port = Self {
            number,
            genesis,
            suite,
            members: Mutex::default(),
            inboxes: [consensus, transactions, sync],
            counters: Arc::default(),
        };
        (port, Inboxes { consensus: from_consensus, transactions: from_transactions, sync: from_sync })
    }

    /// Whether these are others than before.
    pub(crate) fn set_members(&self, members: BTreeSet<PublicKey>) -> bool {
        let mut known = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let others = **known != members;
        if others {
            *known = Arc::new(members);
        }
        others
    }

    /// The key by which this node is one of the group's, where it is.
    pub(crate) fn member(&self, node: &NodeCertificate) -> Option<PublicKey> {
        let key = node.key(self.suite)?;
        let members = Arc::clone(&self.members.lock().unwrap_or_else(PoisonError::into_inner));
        members.contains(key).then_some(*key)
    }

    /// The token by which whoever drew the first nonce shows to whoever drew the second that it knows the group.
    pub(crate) fn token(&self, from: &[u8; 32], to: &[u8; 32]) -> Hash {
        self.suite.hash(Domain::GROUP_TOKEN, &[&self.genesis.0, from, to])
    }

    pub(crate) const fn inbox(&self, class: Class) -> &mpsc::UnboundedSender<Received> {
        let [consensus, transactions, sync] = &self.inboxes;
        match class {
            Class::Consensus => consensus,
            Class::Transactions => transactions,
            Class::Sync => sync,
        }
    }
}

/// The groups of this node, by the numbers that it calls them.
pub(crate) type Ports = Arc<Mutex<BTreeMap<u16, Arc<Port>>>>;
