//! Who is let in: connections within their limit, each served until its client is gone, too slow, or the server stops.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::server::ConnectionId;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use crate::{
    context::Context,
    flow::{ConnectionWork, Limit, Requester, SpokenFor},
    front,
    limits::{HEAD_BYTES_MAX, HEADERS_MAX, REFUSAL_WAIT, REFUSALS_MAX},
    outbox::Outbox,
    server::{Shared, stop_begins},
    socket::{Patience, Requests, Watched},
};

/// How long is waited where the system has no more sockets to give.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// A connection for as long as anything of it is left: its HTTP, or the WebSocket that it became.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) requests: Arc<Requests>,
    /// What it has in work.
    work: Arc<ConnectionWork>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(shared: &Arc<Shared>, id: u32, peer: SocketAddr, place: OwnedSemaphorePermit) -> Self {
        shared.context.metrics.connection_opened();
        let work = Arc::new(shared.context.limits.connection());
        Self { shared: Arc::clone(shared), id: id.into(), peer, requests: Arc::default(), work, _place: place }
    }

    /// What every request of the connection carries with it.
    pub(crate) fn extensions(&self, spoken_for: SpokenFor, outbox: Option<Outbox>) -> http::Extensions {
        Requester { work: Some(Arc::clone(&self.work)), spoken_for, outbox }.into_extensions()
    }

    fn context(&self) -> &Arc<Context> {
        &self.shared.context
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.context().metrics.connection_closed();
    }
}

/// Lets connections in until the server stops.
pub(crate) async fn run(
    listener: TcpListener,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    mut stopping: watch::Receiver<bool>,
) {
    let ids = AtomicU32::new(0);
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop_begins(&mut stopping) => return,
        };
        match accepted {
            Ok((socket, peer)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let id = ids.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(serve(socket, Connection::new(&shared, id, peer, place), stopping.clone()));
                }
                Err(_) => refuse(socket, peer, &shared, &refusals),
            },
            // What goes wrong with one connection that was not taken yet goes wrong with no other.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connection_not_accepted");
                tokio::time::sleep(EXHAUSTED_WAIT).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Says that there is no room, to those who can be told without much ado.
fn refuse(socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, refusals: &Arc<Semaphore>) {
    shared.context.metrics.connection_refused();
    shared.context.limits.refused(Limit::Connections);
    tracing::info!(%peer, "connection_refused");
    let Ok(place) = Arc::clone(refusals).try_acquire_owned() else { return };
    let connections_max = shared.config.connections_max;
    let line = format!(
        "the node serves {connections_max} connections, its limit (`rpc.connections_max`); close one or try again later\n"
    );
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\nRetry-After: 1\r\n\r\n{line}",
        line.len()
    );
    tokio::spawn(async move {
        let tell = async {
            let mut socket = socket;
            socket.write_all(answer.as_bytes()).await?;
            socket.shutdown().await?;
            // Closed with something unread, the socket would take the answer back.
            let mut unread = [0; 1024];
            while socket.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        // One who does not listen is not told.
        let _ = tokio::time::timeout(REFUSAL_WAIT, tell).await;
        drop(place);
    });
}

async fn serve(socket: TcpStream, connection: Connection, mut stopping: watch::Receiver<bool>) {
    let connection = Arc::new(connection);
    let config = &connection.shared.config;
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let milliseconds = |value: u32| Duration::from_millis(value.into());
    let patience = Patience { head: milliseconds(config.header_ms_max), stall: milliseconds(config.stall_ms_max) };
    let (context, requests) = (Arc::clone(connection.context()), Arc::clone(&connection.requests));
    let socket = Watched::new(socket, connection.peer, context, requests, patience);
    let answering = Arc::clone(&connection);
    let service = service_fn(move |request| {
        let connection = Arc::clone(&answering);
        async move { Ok::<_, Infallible>(front::respond(&connection, request).await) }
    });
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            // Counts from the end of the request before: a socket that is silent is as good as gone.
            .header_read_timeout(milliseconds(config.idle_ms_max))
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades()
    );
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop_begins(&mut stopping) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(peer = %connection.peer, %error, "connection_failed");
    }
}
