//! A connection with a peer: which groups both belong to, what leaves and what arrives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use futures::{AsyncWriteExt as _, FutureExt as _};
use libp2p_core::Multiaddr;
use libp2p_swarm::{ConnectionId, Stream};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};

use crate::{
    Class, NodeCertificate,
    frame::{self, Frame, FrameError, Groups, Hello},
    group::{Count, Place, Port, Ports, Received, places, places_of},
    outbox::Outbox,
    throttle::Throttle,
};

/// The version of the frames that this release speaks.
const VERSION: u8 = 1;

/// A link that is of no more use, and whether the peer did what no honest node does.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) connection: ConnectionId,
    pub(crate) error: Option<FrameError>,
}

#[derive(Default)]
struct State {
    /// What the peer drew for this connection.
    nonce: Option<[u8; 32]>,
    /// The groups that the peer offers, as it last did.
    offered: Groups,
    /// The groups that it calls by these numbers.
    incoming: BTreeMap<u16, Incoming>,
    /// Our numbers of the same groups.
    shared: BTreeSet<u16>,
}

/// A group in which the peer is heard, with the places of its messages in each class.
#[derive(Clone)]
struct Incoming {
    port: Arc<Port>,
    places: [Arc<Semaphore>; Class::ALL.len()],
}

pub(crate) struct Link {
    pub(crate) connection: ConnectionId,
    pub(crate) node: NodeCertificate,
    pub(crate) address: Multiaddr,
    /// Whether this node began it.
    pub(crate) dialed: bool,
    pub(crate) since: Instant,
    pub(crate) outbox: Outbox,
    pub(crate) sent: Count,
    pub(crate) received: Count,
    nonce: [u8; 32],
    state: Mutex<State>,
}

impl Link {
    pub(crate) fn new(
        connection: ConnectionId,
        node: NodeCertificate,
        address: Multiaddr,
        dialed: bool,
        nonce: [u8; 32],
    ) -> Self {
        let link = Self {
            connection,
            node,
            address,
            dialed,
            since: Instant::now(),
            outbox: Outbox::default(),
            sent: Count::default(),
            received: Count::default(),
            nonce,
            state: Mutex::default(),
        };
        link.outbox.push_own(Class::Consensus, frame::hello(&Hello { version: VERSION, nonce }));
        link
    }

    /// Whether the peer has said hello.
    pub(crate) fn greeted(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).nonce.is_some()
    }

    /// Whether messages of a group may leave for this peer: it is one of the group's nodes by what this node knows, and
    /// it takes this node for one.
    pub(crate) fn shares(&self, port: &Port) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.shared.contains(&port.number) && port.member(&self.node).is_some()
    }

    /// How many groups both belong to.
    pub(crate) fn shared_groups(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).shared.len()
    }

    fn hello(&self, hello: &Hello, ports: &Ports) -> Result<(), FrameError> {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if hello.version != VERSION || state.nonce.is_some() {
                return Err(FrameError::Form);
            }
            state.nonce = Some(hello.nonce);
        }
        self.look_again(ports);
        Ok(())
    }

    fn groups(&self, groups: Groups, ports: &Ports) -> Result<(), FrameError> {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.nonce.is_none() {
                return Err(FrameError::Form);
            }
            state.offered = groups;
        }
        self.pair(ports);
        Ok(())
    }

    /// Offers the peer the groups that it is of, and finds those that it offers: a group, or who belongs to one, has
    /// changed.
    pub(crate) fn look_again(&self, ports: &Ports) {
        let Some(nonce) = self.state.lock().unwrap_or_else(PoisonError::into_inner).nonce else { return };
        let ours = self.of_peer(ports);
        let offer = ours.iter().map(|port| (port.number, port.token(&self.nonce, &nonce))).collect();
        self.outbox.push_own(Class::Consensus, frame::groups(&Groups(offer)));
        self.pair(ports);
    }

    /// The groups that the peer is of.
    fn of_peer(&self, ports: &Ports) -> Vec<Arc<Port>> {
        let ports = ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.values().filter(|port| port.member(&self.node).is_some()).cloned().collect()
    }

    fn pair(&self, ports: &Ports) {
        let ours = self.of_peer(ports);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(nonce) = state.nonce else { return };
        let by_token: BTreeMap<_, _> = ours.iter().map(|port| (port.token(&nonce, &self.nonce), port)).collect();
        let known = |number: &u16, port: &Port| {
            state.incoming.get(number).filter(|known| known.port.number == port.number).cloned()
        };
        let new = |port: &Arc<Port>| Incoming { port: Arc::clone(port), places: std::array::from_fn(|_| places()) };
        let pairs = state.offered.0.iter().filter_map(|(number, token)| Some((*number, *by_token.get(token)?)));
        let incoming: BTreeMap<u16, Incoming> =
            pairs.map(|(number, port)| (number, known(&number, port).unwrap_or_else(|| new(port)))).collect();
        let shared: BTreeSet<u16> = incoming.values().map(|incoming| incoming.port.number).collect();
        for gone in state.shared.difference(&shared) {
            self.outbox.forget(*gone);
        }
        (state.incoming, state.shared) = (incoming, shared);
    }

    fn take(&self, class: Class, frame: Frame, ports: &Ports) -> Result<(), FrameError> {
        let (group, payload, wire_bytes) = match frame {
            Frame::Hello(hello) if class == Class::Consensus => return self.hello(&hello, ports),
            Frame::Groups(groups) if class == Class::Consensus => return self.groups(groups, ports),
            Frame::Hello(_) | Frame::Groups(_) => return Err(FrameError::Form),
            Frame::Message { group, payload, wire_bytes } => (group, payload, wire_bytes),
        };
        self.received.add(wire_bytes);
        let incoming = self.state.lock().unwrap_or_else(PoisonError::into_inner).incoming.get(&group).cloned();
        // A group that it was removed from, or one that this node left: it may not have heard yet.
        let Some(Incoming { port, places }) = incoming else { return Ok(()) };
        let Some(from) = port.member(&self.node) else {
            port.counters.strangers.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        port.counters.received.get(class as usize).inspect(|count| count.add(wire_bytes));
        let [consensus, transactions, sync] = places;
        let places = match class {
            Class::Consensus => consensus,
            Class::Transactions => transactions,
            Class::Sync => sync,
        };
        match places.try_acquire_many_owned(places_of(payload.len())) {
            // Nobody takes it any more where the group has stopped.
            Ok(permit) => drop(port.inbox(class).send(Received { from, class, payload, place: Place::new(permit) })),
            Err(_) => {
                port.counters.overflows.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Reads a stream of the peer until it ends.
pub(crate) async fn read(
    link: Arc<Link>,
    class: Class,
    mut stream: Stream,
    ports: Ports,
    broken: mpsc::UnboundedSender<Broken>,
) {
    let error = loop {
        match frame::read(class, &mut stream).await {
            Ok(None) => break None,
            Ok(Some(frame)) => {
                if let Err(error) = link.take(class, frame, &ports) {
                    break Some(error);
                }
            }
            Err(error) => break Some(error),
        }
    };
    let _ = broken.send(Broken { connection: link.connection, error });
}

/// Writes what waits for the peer, as fast as may be.
pub(crate) async fn write(
    link: Arc<Link>,
    class: Class,
    mut stream: Stream,
    ports: Ports,
    throttles: Arc<Throttles>,
    broken: mpsc::UnboundedSender<Broken>,
) {
    let mut next = link.outbox.next(class).await;
    while let Some((group, frame)) = next {
        throttles.pass(group, frame.len(), class != Class::Consensus).await;
        if let Err(error) = stream.write_all(&frame).await {
            let _ = broken.send(Broken { connection: link.connection, error: Some(error.into()) });
            return;
        }
        link.sent.add(frame.len());
        let port = group.and_then(|group| ports.lock().unwrap_or_else(PoisonError::into_inner).get(&group).cloned());
        port.inspect(|port| {
            port.counters.sent.get(class as usize).inspect(|count| count.add(frame.len()));
        });
        next = match link.outbox.next(class).now_or_never() {
            Some(next) => next,
            None => {
                if let Err(error) = stream.flush().await {
                    let _ = broken.send(Broken { connection: link.connection, error: Some(error.into()) });
                    return;
                }
                link.outbox.next(class).await
            }
        };
    }
}

/// The limits on what leaves: the node's, and that of each group.
#[derive(Debug)]
pub(crate) struct Throttles {
    node: Throttle,
    /// Bytes a second of each group; 0: any number.
    group_bytes_per_second: u64,
    groups: Mutex<BTreeMap<u16, Arc<Throttle>>>,
}

impl Throttles {
    pub(crate) fn new(node_bytes_per_second: u64, group_bytes_per_second: u64) -> Self {
        Self { node: Throttle::new(node_bytes_per_second), group_bytes_per_second, groups: Mutex::default() }
    }

    async fn pass(&self, group: Option<u16>, bytes: usize, waits: bool) {
        if let Some(group) = group.filter(|_| self.group_bytes_per_second > 0) {
            let throttle = {
                let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
                let new = || Arc::new(Throttle::new(self.group_bytes_per_second));
                Arc::clone(groups.entry(group).or_insert_with(new))
            };
            throttle.pass(bytes, waits).await;
        }
        self.node.pass(bytes, waits).await;
    }
}
