//! A connection with a peer: which groups both belong to, what leaves and what arrives.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use futures::{AsyncWriteExt as _, FutureExt as _};
use libp2p_core::Multiaddr;
use libp2p_swarm::{ConnectionId, Stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, timeout},
};

use crate::{
    Class, NodeCertificate,
    frame::{self, FrameError, Groups, Head, Hello},
    group::{Count, Place, Port, Ports, Received, places, places_of},
    limits::FRAME_TIMEOUT,
    outbox::Outbox,
    throttle::Throttles,
};

/// The version of the frames that this release speaks.
const VERSION: u8 = 1;

/// A link that is of no more use, and whether the peer did what no honest node does.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) connection: ConnectionId,
    pub(crate) error: Option<FrameError>,
}

/// A group in which the peer is heard, with the places of its messages in each class.
#[derive(Clone)]
struct Incoming {
    port: Arc<Port>,
    places: [Arc<Semaphore>; Class::ALL.len()],
}

#[derive(Default)]
struct State {
    /// What the peer drew for this connection.
    nonce: Option<[u8; 32]>,
    /// What the peer said last.
    said: Groups,
    /// What this node said last.
    told: Option<Groups>,
    /// The groups that the peer calls by these numbers.
    incoming: BTreeMap<u16, Incoming>,
    /// Our numbers of the groups in which the peer hears this node.
    shared: BTreeSet<u16>,
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
    heard_at: Mutex<Instant>,
    /// Whether it was let go: whatever serves it ends.
    closed: watch::Sender<bool>,
}

impl Link {
    pub(crate) fn new(
        connection: ConnectionId,
        node: NodeCertificate,
        address: Multiaddr,
        dialed: bool,
        nonce: [u8; 32],
    ) -> Self {
        let now = Instant::now();
        let link = Self {
            connection,
            node,
            address,
            dialed,
            since: now,
            outbox: Outbox::default(),
            sent: Count::default(),
            received: Count::default(),
            nonce,
            state: Mutex::default(),
            heard_at: Mutex::new(now),
            closed: watch::Sender::new(false),
        };
        link.outbox.push_own(Class::Consensus, frame::hello(&Hello { version: VERSION, nonce }));
        link
    }

    /// Ends all that serves it.
    pub(crate) fn close(&self) {
        self.outbox.close();
        self.closed.send_replace(true);
    }

    /// Does this until the link is let go: a stream of a closed connection may never wake who waits for it.
    pub(crate) async fn while_open(self: Arc<Self>, task: impl Future<Output = ()>) {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            () = task => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
    }

    /// Whether the peer has said hello.
    pub(crate) fn greeted(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).nonce.is_some()
    }

    /// For how long nothing has come from the peer.
    pub(crate) fn silent_for(&self, now: Instant) -> std::time::Duration {
        now.saturating_duration_since(*self.heard_at.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether messages of a group may leave for this peer: it is one of the group's nodes by what this node knows, and
    /// it hears this node there.
    pub(crate) fn shares(&self, port: &Port) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.shared.contains(&port.number) && port.member(&self.node).is_some()
    }

    /// How many groups both belong to.
    pub(crate) fn shared_groups(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).shared.len()
    }

    fn hello(&self, hello: &Hello, ports: &Ports) -> Result<(), FrameError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if hello.version != VERSION {
            return Err(FrameError::Version(hello.version));
        }
        if state.nonce.replace(hello.nonce).is_some() {
            return Err(FrameError::Form);
        }
        self.pair(&mut state, ports);
        Ok(())
    }

    fn groups(&self, said: Groups, ports: &Ports) -> Result<(), FrameError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.nonce.is_none() {
            return Err(FrameError::Form);
        }
        state.said = said;
        self.pair(&mut state, ports);
        Ok(())
    }

    /// A group, or who belongs to one, has changed.
    pub(crate) fn look_again(&self, ports: &Ports) {
        self.pair(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), ports);
    }

    /// Finds the groups that both offer, and tells the peer where that is other than it was told. The state is held
    /// throughout: whoever looked at the groups last has the last word.
    fn pair(&self, state: &mut State, ports: &Ports) {
        let Some(nonce) = state.nonce else { return };
        let ours: Vec<Arc<Port>> = {
            let ports = ports.lock().unwrap_or_else(PoisonError::into_inner);
            ports.values().filter(|port| port.member(&self.node).is_some()).cloned().collect()
        };
        let by_token: BTreeMap<_, _> = ours.iter().map(|port| (port.token(&nonce, &self.nonce), port)).collect();
        let known = |number: &u16, port: &Port| {
            state.incoming.get(number).filter(|known| known.port.number == port.number).cloned()
        };
        let new = |port: &Arc<Port>| Incoming { port: Arc::clone(port), places: std::array::from_fn(|_| places()) };
        let pairs = state.said.offered.iter().filter_map(|(number, token)| Some((*number, *by_token.get(token)?)));
        let incoming: BTreeMap<u16, Incoming> =
            pairs.map(|(number, port)| (number, known(&number, port).unwrap_or_else(|| new(port)))).collect();
        let heard = |port: &Port| state.said.heard.contains(&port.number);
        let paired = incoming.values().map(|incoming| &incoming.port);
        let shared: BTreeSet<u16> = paired.filter(|port| heard(port)).map(|port| port.number).collect();
        for gone in state.shared.difference(&shared) {
            self.outbox.forget(*gone);
        }
        let offered = ours.iter().map(|port| (port.number, port.token(&self.nonce, &nonce))).collect();
        let told = Groups { offered, heard: incoming.keys().copied().collect() };
        (state.incoming, state.shared) = (incoming, shared);
        let news = state.told.as_ref() != Some(&told) && (state.told.is_some() || told != Groups::default());
        if news {
            self.outbox.push_own(Class::Consensus, frame::groups(&told));
            state.told = Some(told);
        }
    }

    /// Reads what follows a head.
    async fn take(&self, class: Class, head: Head, stream: &mut Stream, ports: &Ports) -> Result<(), FrameError> {
        match head {
            Head::Ping => Ok(()),
            Head::Hello { length } if class == Class::Consensus => {
                self.hello(&frame::read_hello(stream, length).await?, ports)
            }
            Head::Groups { length } if class == Class::Consensus => {
                self.groups(frame::read_groups(stream, length).await?, ports)
            }
            Head::Hello { .. } | Head::Groups { .. } => Err(FrameError::Form),
            Head::Message { group, length, compressed } => {
                self.received.add(frame::wire_bytes(length));
                self.message(class, group, length, compressed, stream).await
            }
        }
    }

    /// A message: nobody makes room for one of a group in which the peer is not heard.
    async fn message(
        &self,
        class: Class,
        group: u16,
        length: usize,
        compressed: bool,
        stream: &mut Stream,
    ) -> Result<(), FrameError> {
        let incoming = self.state.lock().unwrap_or_else(PoisonError::into_inner).incoming.get(&group).cloned();
        // It was removed from the group, or this node left it: it may not have heard of that yet.
        let Some(Incoming { port, places }) = incoming else { return frame::skip(stream, length).await };
        let Some(from) = port.member(&self.node) else {
            port.counters.strangers.fetch_add(1, Ordering::Relaxed);
            return frame::skip(stream, length).await;
        };
        port.counters.received.get(class as usize).inspect(|count| count.add(frame::wire_bytes(length)));
        let [consensus, transactions, sync] = places;
        let places = match class {
            Class::Consensus => consensus,
            Class::Transactions => transactions,
            Class::Sync => sync,
        };
        let room = |bytes| -> Option<OwnedSemaphorePermit> { places.try_acquire_many_owned(places_of(bytes)).ok() };
        match frame::read_message(class, stream, length, compressed, room).await? {
            // Nobody takes it any more where the group has stopped.
            Some((payload, permit)) => {
                if let Some(unpacked) = port.counters.unpacked.get(class as usize) {
                    unpacked.fetch_add(payload.len() as u64, Ordering::Relaxed);
                }
                drop(port.inbox(class).send(Received { from, class, payload, place: Place::new(permit) }));
            }
            None => {
                port.counters.overflows.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn heard(&self) {
        *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
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
        let head = match frame::head(class, &mut stream).await {
            Ok(Some(head)) => head,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        link.heard();
        let taken = timeout(FRAME_TIMEOUT, link.take(class, head, &mut stream, &ports)).await;
        if let Err(error) = taken.unwrap_or(Err(FrameError::Slow)) {
            break Some(error);
        }
        link.heard();
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
    let mut next = link.outbox.next(class, &throttles).await;
    while let Some((group, frame)) = next {
        let port = group.map(|group| ports.lock().unwrap_or_else(PoisonError::into_inner).get(&group).cloned());
        // Since it was put there the peer may have been removed from the group.
        let leaves = port.as_ref().is_none_or(|port| port.as_ref().is_some_and(|port| link.shares(port)));
        if leaves {
            throttles.pass(frame.len(), class != Class::Consensus).await;
            if let Err(error) = stream.write_all(&frame).await {
                let _ = broken.send(Broken { connection: link.connection, error: Some(error.into()) });
                return;
            }
            link.sent.add(frame.len());
            if let Some(count) = port.flatten().as_ref().and_then(|port| port.counters.sent.get(class as usize)) {
                count.add(frame.len());
            }
        }
        if let Some(waiting) = link.outbox.next(class, &throttles).now_or_never() {
            next = waiting;
            continue;
        }
        if let Err(error) = stream.flush().await {
            let _ = broken.send(Broken { connection: link.connection, error: Some(error.into()) });
            return;
        }
        next = link.outbox.next(class, &throttles).await;
    }
}
