//! Accepting connections, so many at a time.

use std::{io::Write as _, net::Shutdown, sync::Arc};

use jsonrpsee::server::StopHandle;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use crate::{
    balance::Balanced,
    context::Context,
    flow::{ConnectionWork, Limit},
    limits::{ACCEPT_WAIT, STALL_WAIT},
};

/// A connection that has a place among the open ones.
pub(crate) struct Accepted {
    pub(crate) stream: Balanced<TcpStream>,
    pub(crate) work: Arc<ConnectionWork>,
    pub(crate) place: OwnedSemaphorePermit,
}

/// Accepts connections until the server stops. Each that there is a place for is handed over.
pub(crate) async fn accept(listener: TcpListener, context: Arc<Context>, stop: StopHandle, serve: impl Fn(Accepted)) {
    let stopped = stop.shutdown();
    tokio::pin!(stopped);
    let maximum = context.limits.connections_max();
    let places = Arc::new(Semaphore::new(maximum as usize));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    context.limits.refused(Limit::Connections);
                    refuse(stream, maximum);
                    continue;
                };
                // Without it answers are a little later, and no others.
                let _ = stream.set_nodelay(true);
                let work = Arc::new(context.limits.connection());
                let stream = Balanced::new(stream, Arc::clone(&work), context.limits.request_bytes_max(), STALL_WAIT);
                serve(Accepted { stream, work, place });
            }
            Err(error) => {
                // Such as too many open files: others may close some.
                tracing::warn!(%error, "connection_not_accepted");
                sleep(ACCEPT_WAIT).await;
            }
        }
    }
}

/// Tells a peer that there is no place for it. Nobody is waited for: a new stream has room for so little.
fn refuse(stream: TcpStream, maximum: u32) {
    let key = Limit::Connections.key();
    let line = format!("this node has its limit of {maximum} connections (`{key}`); connect again later\n");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{line}",
        line.len()
    );
    // Who is gone already is told nothing.
    let _ = stream.into_std().and_then(|mut stream| {
        stream.write_all(answer.as_bytes())?;
        stream.shutdown(Shutdown::Write)
    });
}
