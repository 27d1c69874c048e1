//! The part inside libp2p: on each connection each end opens one stream of each class, to write on, and takes one of
//! each, to read from.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    future::{Ready, ready},
    net::IpAddr,
    task::{Context, Poll, Waker},
};

use libp2p_core::{
    Endpoint, Multiaddr, UpgradeInfo,
    transport::PortUse,
    upgrade::{InboundUpgrade, OutboundUpgrade},
};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour, Stream,
    StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound},
};

use crate::{
    Class,
    frame::stream_name,
    limits::{HANDSHAKES_PER_ADDRESS_MAX, STREAMS_TOO_MANY_MAX},
    running::socket_address,
};

/// What happens to the streams of a connection.
#[derive(Debug)]
pub(crate) enum Opened {
    /// One to write on.
    Outgoing(Class, Stream),
    /// One to read from.
    Incoming(Class, Stream),
    /// The peer does not take a stream of ours.
    Refused(Class),
    /// The peer opens more streams than there are classes.
    TooMany,
}

/// [`Opened`], with the connection.
#[derive(Debug)]
pub(crate) struct OnConnection {
    pub(crate) connection: ConnectionId,
    pub(crate) opened: Opened,
}

/// Opens and takes the streams of all connections.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    news: VecDeque<OnConnection>,
    waker: Option<Waker>,
    /// From where the handshakes come that are not done yet.
    handshakes: HashMap<ConnectionId, IpAddr>,
}

/// One address has too many handshakes under way.
#[derive(Debug, thiserror::Error)]
#[error("{0} has {HANDSHAKES_PER_ADDRESS_MAX} handshakes under way already")]
struct TooManyHandshakes(IpAddr);

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = OnConnection;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(address) = socket_address(remote).map(|address| address.ip()) else { return Ok(()) };
        if self.handshakes.values().filter(|other| **other == address).count() >= HANDSHAKES_PER_ADDRESS_MAX {
            return Err(ConnectionDenied::new(TooManyHandshakes(address)));
        }
        self.handshakes.insert(connection, address);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handshakes.remove(&connection);
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(failure) = event {
            self.handshakes.remove(&failure.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, connection: ConnectionId, opened: THandlerOutEvent<Self>) {
        self.news.push_back(OnConnection { connection, opened });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(news) = self.news.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(news));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// The streams of one connection.
#[derive(Debug)]
pub(crate) struct Handler {
    to_open: VecDeque<Class>,
    taken: Vec<Class>,
    too_many: u32,
    news: VecDeque<Opened>,
    waker: Option<Waker>,
}

impl Default for Handler {
    fn default() -> Self {
        Self { to_open: Class::ALL.into(), taken: Vec::new(), too_many: 0, news: VecDeque::new(), waker: None }
    }
}

impl Handler {
    fn tell(&mut self, opened: Opened) {
        self.news.push_back(opened);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Takes the first stream of a class; whoever opens more is let go after a while.
    fn take(&mut self, class: Class, stream: Stream) {
        if self.taken.contains(&class) {
            self.too_many += 1;
            if self.too_many == STREAMS_TOO_MANY_MAX {
                self.tell(Opened::TooMany);
            }
            return;
        }
        self.taken.push(class);
        self.tell(Opened::Incoming(class, stream));
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Opened;
    type InboundProtocol = OfClasses;
    type OutboundProtocol = OfClasses;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Class;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(OfClasses(Class::ALL.into()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Class, Self::ToBehaviour>> {
        if let Some(class) = self.to_open.pop_front() {
            let protocol = SubstreamProtocol::new(OfClasses(vec![class]), class);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if let Some(news) = self.news.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(news));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Class>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (class, stream), .. }) => {
                self.take(class, stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (class, stream), .. }) => {
                self.tell(Opened::Outgoing(class, stream));
            }
            ConnectionEvent::DialUpgradeError(error) => self.tell(Opened::Refused(error.info)),
            _ => {}
        }
    }
}

/// The negotiation of a stream's class.
#[derive(Debug, Clone)]
pub(crate) struct OfClasses(Vec<Class>);

/// A class as a stream's name.
#[derive(Debug, Clone)]
pub(crate) struct NamedClass(Class, StreamProtocol);

impl AsRef<str> for NamedClass {
    fn as_ref(&self) -> &str {
        self.1.as_ref()
    }
}

impl UpgradeInfo for OfClasses {
    type Info = NamedClass;
    type InfoIter = std::vec::IntoIter<NamedClass>;

    fn protocol_info(&self) -> Self::InfoIter {
        let named = |class: &Class| NamedClass(*class, StreamProtocol::new(stream_name(*class)));
        self.0.iter().map(named).collect::<Vec<_>>().into_iter()
    }
}

impl InboundUpgrade<Stream> for OfClasses {
    type Output = (Class, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, named: Self::Info) -> Self::Future {
        ready(Ok((named.0, stream)))
    }
}

impl OutboundUpgrade<Stream> for OfClasses {
    type Output = (Class, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, stream: Stream, named: Self::Info) -> Self::Future {
        ready(Ok((named.0, stream)))
    }
}
