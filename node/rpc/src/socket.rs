//! A client's socket that is watched: a request's head must come in time, and what is sent must be read.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::{context::Context, limits::READ_BYTES_MIN};

/// What the server tells the socket: whether a request is being answered, and which.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Odd while one is answered.
    steps: AtomicU64,
}

impl Requests {
    /// A request's head is here.
    pub(crate) fn begun(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Its answer is made.
    pub(crate) fn ended(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    fn step(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the head of a request, from its first byte on.
    pub(crate) head: Duration,
    /// For reading [`READ_BYTES_MIN`] bytes of what is sent to it, while its socket is full.
    pub(crate) stall: Duration,
}

/// How a client reads.
struct Reading {
    /// Since when its socket has been full.
    full_since: Option<Instant>,
    /// For how long it was full before, since `bytes` was 0.
    full_before: Duration,
    /// What it took in that time.
    bytes: usize,
    timer: Pin<Box<Sleep>>,
}

/// A socket that fails once its client is too slow.
pub(crate) struct Watched<S> {
    socket: S,
    peer: SocketAddr,
    context: Arc<Context>,
    requests: Arc<Requests>,
    patience: Patience,
    /// When the head that has begun must be here, and the step it began in.
    head: Option<(u64, Pin<Box<Sleep>>)>,
    /// Made when the socket is full for the first time.
    reading: Option<Reading>,
}

impl<S> Watched<S> {
    pub(crate) fn new(
        socket: S,
        peer: SocketAddr,
        context: Arc<Context>,
        requests: Arc<Requests>,
        patience: Patience,
    ) -> Self {
        Self { socket, peer, context, requests, patience, head: None, reading: None }
    }

    /// Notes that a part of a request has come.
    fn came(&mut self) {
        let step = self.requests.step();
        let is_between_requests = step.is_multiple_of(2);
        if is_between_requests && self.head.as_ref().is_none_or(|(began, _)| *began != step) {
            let deadline = Instant::now() + self.patience.head;
            self.head = Some((step, Box::pin(sleep_until(deadline))));
        }
    }

    /// Fails where the head that has begun is late.
    fn wait_for_head(&mut self, task: &mut TaskContext<'_>) -> io::Result<()> {
        let step = self.requests.step();
        let Some((_, timer)) = self.head.as_mut().filter(|(began, _)| *began == step) else {
            self.head = None;
            return Ok(());
        };
        if timer.as_mut().poll(task).is_pending() {
            return Ok(());
        }
        self.context.metrics.slow_client_dropped();
        tracing::info!(peer = %self.peer, waited_ms = self.patience.head.as_millis() as u64, "half_request_dropped");
        Err(io::Error::new(io::ErrorKind::TimedOut, "the head of the request did not come in time"))
    }

    /// Notes that so many bytes were taken.
    fn taken(&mut self, bytes: usize) {
        if let Some(reading) = &mut self.reading {
            reading.bytes = reading.bytes.saturating_add(bytes);
            if let Some(since) = reading.full_since.take() {
                reading.full_before += since.elapsed();
            }
        }
    }

    /// Waits for room, and fails where the client has read too little for too long.
    fn wait_for_reader(&mut self, task: &mut TaskContext<'_>) -> io::Result<()> {
        let stall = self.patience.stall;
        let now = Instant::now();
        let reading = self.reading.get_or_insert_with(|| Reading {
            full_since: None,
            full_before: Duration::ZERO,
            bytes: 0,
            timer: Box::pin(sleep_until(now + stall)),
        });
        if reading.full_since.is_none() {
            reading.full_since = Some(now);
            let left = stall.saturating_sub(reading.full_before);
            reading.timer.as_mut().reset(now + left);
        }
        while reading.timer.as_mut().poll(task).is_ready() {
            if reading.bytes < READ_BYTES_MIN {
                self.context.metrics.slow_client_dropped();
                let (bytes, waited_ms) = (reading.bytes, stall.as_millis() as u64);
                tracing::warn!(peer = %self.peer, bytes, waited_ms, "slow_reader_dropped");
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly"));
            }
            (reading.full_since, reading.full_before, reading.bytes) = (Some(now), Duration::ZERO, 0);
            reading.timer.as_mut().reset(now + stall);
        }
        Ok(())
    }

    fn written(&mut self, written: Poll<io::Result<usize>>, task: &mut TaskContext<'_>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.taken(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.wait_for_reader(task)?,
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut TaskContext<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.socket).poll_read(task, buffer) {
            Poll::Pending => {
                this.wait_for_head(task)?;
                Poll::Pending
            }
            read @ Poll::Ready(_) => {
                if buffer.filled().len() > before {
                    this.came();
                }
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, task: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(task, bytes);
        this.written(written, task)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(task, parts);
        this.written(written, task)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(task)
    }
}
