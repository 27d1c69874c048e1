//! Many streams over one connection: yamux, bounded in all that a peer can have us keep.
//!
//! libp2p's own adapter takes an old yamux as soon as the number of streams is bounded, and in that one the answers to
//! pings that a peer does not read wait without end. This one is over yamux 0.13, which reads nothing more while an
//! answer waits to leave.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    io, iter,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p_core::{
    UpgradeInfo,
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
};
use yamux::{Config, Connection, ConnectionError, Mode, Stream};

use crate::limits::{CONNECTION_WINDOW_BYTES, STREAMS_MAX};

/// What yamux is called where ends agree on how to share a connection.
pub(crate) const NAME: &str = "/yamux/1.0.0";

/// Has a connection carry streams: few of them, which is all that there is use for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Muxing;

impl Muxing {
    fn config() -> Config {
        let mut config = Config::default();
        // In this order: each looks at the other.
        config.set_max_num_streams(STREAMS_MAX);
        config.set_max_connection_receive_window(Some(CONNECTION_WINDOW_BYTES));
        // What has come before a stream ended is of a peer that is gone.
        config.set_read_after_close(false);
        config
    }
}

impl UpgradeInfo for Muxing {
    type Info = &'static str;
    type InfoIter = iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once(NAME)
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Muxing {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(Connection::new(socket, Self::config(), Mode::Server))))
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Muxing {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(Connection::new(socket, Self::config(), Mode::Client))))
    }
}

/// A connection that carries streams.
#[derive(Debug)]
pub(crate) struct Muxer<C> {
    connection: Connection<C>,
    /// Those of the peer that came while only what is there already was asked to go on.
    came: VecDeque<Stream>,
    /// Who waits for one.
    waker: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    const fn new(connection: Connection<C>) -> Self {
        Self { connection, came: VecDeque::new(), waker: None }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        self.connection.poll_next_inbound(context).map(|next| next.unwrap_or(Err(ConnectionError::Closed)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        if let Some(stream) = self.came.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = self.poll_next(context);
        if next.is_pending() {
            self.waker = Some(context.waker().clone());
        }
        next
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        self.connection.poll_new_outbound(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connection.poll_close(context)
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        match self.poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(stream)) => {
                // yamux ends a connection with more streams than it may have; these here are among them. What is dropped
                // is reset.
                if self.came.len() < STREAMS_MAX {
                    self.came.push_back(stream);
                }
                if let Some(waker) = self.waker.take() {
                    waker.wake();
                }
                // Others have their turn first.
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
