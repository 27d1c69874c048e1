//! Accepting connections: so many at a time, and each is read from only while its peer reads.
//!
//! jsonrpsee works on whatever it can read, and holds each answer until it is sent: a peer that asks and asks and never
//! reads would make it hold answers without bound. So a stream that cannot be written to is not read from, either.

use std::{
    future::Future,
    io::{self, IoSlice, Write as _},
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use jsonrpsee::server::StopHandle;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

use crate::{
    context::Context,
    flow::Limit,
    limits::{ACCEPT_WAIT, STALL_WAIT},
};

/// Accepts connections until the server stops. Each that there is a place for is handed over with its place.
pub(crate) async fn accept(
    listener: TcpListener,
    context: Arc<Context>,
    stop: StopHandle,
    serve: impl Fn(Balanced<TcpStream>, OwnedSemaphorePermit),
) {
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
                serve(Balanced::new(stream, STALL_WAIT), place);
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

/// A stream that is read from only while it can be written to, and that breaks when it cannot for too long.
#[derive(Debug)]
pub(crate) struct Balanced<S> {
    stream: S,
    wait: Duration,
    /// Since when it cannot be written to.
    stalled: Option<Pin<Box<Sleep>>>,
    /// It could not for too long.
    broken: bool,
    /// Who wanted to read meanwhile.
    reader: Option<Waker>,
}

impl<S> Balanced<S> {
    pub(crate) fn new(stream: S, wait: Duration) -> Self {
        Self { stream, wait, stalled: None, broken: false, reader: None }
    }

    fn written(&mut self, task: &mut TaskContext<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.stalled = None;
            self.wake_reader();
            return result;
        }
        let wait = self.wait;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(wait)));
        match stalled.as_mut().poll(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.broken = true;
                self.wake_reader();
                Poll::Ready(Err(stall()))
            }
        }
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

fn stall() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")
}

impl<S: AsyncRead + Unpin> AsyncRead for Balanced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(stall()));
        }
        if self.stalled.is_some() {
            self.reader = Some(task.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Balanced<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.written(task, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(task, slices);
        self.written(task, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    use super::*;

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_not_read_from() {
        let (ours, mut peer) = duplex(8);
        let (mut reading, mut writing) = split(Balanced::new(ours, Duration::from_mins(1)));
        peer.write_all(b"ask").await.unwrap();
        let mut asked = [0; 3];
        reading.read_exact(&mut asked).await.unwrap();
        let answering = tokio::spawn(async move { writing.write_all(&[7; 20]).await });
        tokio::task::yield_now().await;
        peer.write_all(b"again").await.unwrap();
        let mut again = [0; 5];
        let early = tokio::time::timeout(Duration::from_millis(50), reading.read_exact(&mut again)).await;
        assert!(early.is_err(), "read while the answer waits");
        let mut answer = [0; 20];
        let (read, answer) = tokio::join!(reading.read_exact(&mut again), peer.read_exact(&mut answer));
        assert_eq!((read.unwrap(), answer.unwrap(), &again), (5, 20, b"again"));
        answering.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_never_reads_loses_its_connection() {
        let (ours, _peer) = duplex(8);
        let (mut reading, mut writing) = split(Balanced::new(ours, Duration::from_millis(30)));
        let reader = tokio::spawn(async move { reading.read_u8().await });
        tokio::task::yield_now().await;
        let error = writing.write_all(&[7; 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Whoever reads next hears of it, too.
        assert!(!reader.is_finished());
        let (ours, _peer) = duplex(8);
        let mut both = Balanced::new(ours, Duration::from_millis(30));
        both.write_all(&[7; 20]).await.unwrap_err();
        assert_eq!(both.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
