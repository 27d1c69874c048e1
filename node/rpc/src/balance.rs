//! A connection's stream, which is read from only while its peer takes its answers.
//!
//! jsonrpsee works on every message of a WebSocket that it can read, at once, and holds each answer until it is sent. A
//! peer that asks faster than it takes answers, or never reads, would make it hold them without bound; to refuse would
//! not help, since refusals are sent, too. So this stream, below everything, counts the messages that came and those
//! that went, and reads no more while too many are unanswered, or while it cannot be written to.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{flow::ConnectionWork, frames::Frames};

/// What stands between the head of an HTTP message and what follows.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// How a request begins that may ask for a WebSocket, and how an answer begins that grants it.
const GET: &[u8] = b"GET ";
const SWITCHING: &[u8] = b"HTTP/1.1 101";

/// What passes on the stream.
#[derive(Debug)]
enum Phase {
    /// HTTP: how the part that is passing began, after the last end of a head.
    Http { start: Start, end: HeadEnd },
    /// A GET was read. Nothing more is until its answer has begun: what follows may be frames.
    Asked { answer: Start },
    /// A WebSocket. The answer that granted it ends with a head.
    Frames { granted: Option<HeadEnd>, incoming: Frames, outgoing: Frames },
}

/// The first bytes of something, as many as it takes to tell.
#[derive(Debug, Default)]
struct Start {
    bytes: [u8; SWITCHING.len()],
    known: usize,
}

impl Start {
    fn pass(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.known) {
            *place = byte;
            self.known += 1;
        }
    }

    fn known(&self) -> &[u8] {
        self.bytes.get(..self.known).unwrap_or_default()
    }
}

/// How much of the end of a head has passed.
#[derive(Debug, Default)]
struct HeadEnd(usize);

impl HeadEnd {
    /// Whether the head ends with this byte.
    fn pass(&mut self, byte: u8) -> bool {
        self.0 = match HEAD_END.get(self.0) {
            Some(expected) if *expected == byte => self.0 + 1,
            _ => usize::from(byte == b'\r'),
        };
        self.0 == HEAD_END.len()
    }
}

impl Phase {
    const fn http() -> Self {
        Self::Http { start: Start { bytes: [0; SWITCHING.len()], known: 0 }, end: HeadEnd(0) }
    }

    /// Lets bytes come in: how many of them may be handed on now, and how many messages ended in these.
    ///
    /// # Errors
    /// A message whose frames are too large together.
    fn incoming(&mut self, bytes: &[u8]) -> io::Result<(usize, u64)> {
        match self {
            Self::Frames { incoming, .. } => Ok((bytes.len(), incoming.pass(bytes).map_err(io::Error::other)?)),
            Self::Asked { .. } => Ok((0, 0)),
            Self::Http { start, end } => {
                for (place, byte) in bytes.iter().enumerate() {
                    start.pass(*byte);
                    if end.pass(*byte) {
                        if start.known().starts_with(GET) {
                            *self = Self::Asked { answer: Start::default() };
                            return Ok((place + 1, 0));
                        }
                        (*start, *end) = (Start::default(), HeadEnd(0));
                    }
                }
                Ok((bytes.len(), 0))
            }
        }
    }

    /// Lets bytes go out: how many messages ended in them.
    ///
    /// # Errors
    /// Where a WebSocket is granted to nobody who asked as this stream expects it.
    fn outgoing(&mut self, bytes: &[u8], message_bytes_max: u64) -> io::Result<u64> {
        for (place, byte) in bytes.iter().enumerate() {
            match self {
                Self::Http { .. } if bytes.starts_with(SWITCHING) => {
                    return Err(io::Error::other("a WebSocket begins with a GET of its own connection"));
                }
                Self::Http { .. } => return Ok(0),
                Self::Asked { answer } => {
                    answer.pass(*byte);
                    if answer.known() == SWITCHING {
                        let (incoming, outgoing) = (Frames::new(message_bytes_max), Frames::new(u64::MAX));
                        *self = Self::Frames { granted: Some(HeadEnd(0)), incoming, outgoing };
                    } else if !SWITCHING.starts_with(answer.known()) {
                        *self = Self::http();
                    }
                }
                Self::Frames { granted, outgoing, .. } => match granted {
                    Some(end) => {
                        if end.pass(*byte) {
                            *granted = None;
                        }
                    }
                    None => return outgoing.pass(bytes.get(place..).unwrap_or_default()).map_err(io::Error::other),
                },
            }
        }
        Ok(0)
    }
}

/// A stream that is read from only while its peer takes its answers, and that breaks where it takes none for too long.
#[derive(Debug)]
pub(crate) struct Balanced<S> {
    stream: S,
    work: Arc<ConnectionWork>,
    phase: Phase,
    /// What was read and may not be handed on yet.
    kept: Vec<u8>,
    /// The bytes of one message.
    message_bytes_max: u64,
    wait: Duration,
    /// Since when it cannot be written to.
    stalled: Option<Pin<Box<Sleep>>>,
    broken: bool,
}

fn stall() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")
}

impl<S> Balanced<S> {
    /// A new connection's stream. A message has at most so many bytes; a peer that reads nothing for so long loses it.
    pub(crate) fn new(stream: S, work: Arc<ConnectionWork>, message_bytes_max: u32, wait: Duration) -> Self {
        let message_bytes_max = message_bytes_max.into();
        let (phase, kept) = (Phase::http(), Vec::new());
        Self { stream, work, phase, kept, message_bytes_max, wait, stalled: None, broken: false }
    }

    /// Whether nothing is to be read now; whoever wants to is woken when that has changed.
    fn holds_back(&self, task: &TaskContext<'_>) -> bool {
        // In this order: what changes in between wakes it.
        self.work.wake_reader_later(task.waker());
        self.stalled.is_some() || matches!(self.phase, Phase::Asked { .. }) || self.work.is_behind()
    }

    /// Hands on what may be handed on of bytes that were read, and keeps the rest.
    fn hand_on(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (passed, messages) = self.phase.incoming(bytes).inspect_err(|_| self.broken = true)?;
        self.work.came(messages);
        self.kept.extend_from_slice(bytes.get(passed..).unwrap_or_default());
        Ok(passed)
    }

    fn written<'b>(
        &mut self,
        task: &mut TaskContext<'_>,
        result: Poll<io::Result<usize>>,
        slices: impl Iterator<Item = &'b [u8]>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = result {
            self.stalled = None;
            let mut left = *result.as_ref().unwrap_or(&0);
            for slice in slices {
                let part = slice.get(..left.min(slice.len())).unwrap_or_default();
                left -= part.len();
                let sent = self.phase.outgoing(part, self.message_bytes_max).inspect_err(|_| self.broken = true)?;
                self.work.went(sent);
            }
            self.work.wake_reader();
            return Poll::Ready(result);
        }
        let wait = self.wait;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(wait)));
        match stalled.as_mut().poll(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.broken = true;
                self.work.wake_reader();
                Poll::Ready(Err(stall()))
            }
        }
    }
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
        if self.holds_back(task) {
            return Poll::Pending;
        }
        if !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            let (now, later) = kept.split_at(kept.len().min(buffer.remaining()));
            let passed = self.hand_on(now)?;
            buffer.put_slice(now.get(..passed).unwrap_or_default());
            self.kept.extend_from_slice(later);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(task, buffer);
        if let Poll::Ready(Ok(())) = &result {
            let read = buffer.filled().get(before..).unwrap_or_default();
            let passed = self.hand_on(read)?;
            buffer.set_filled(before + passed);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Balanced<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.written(task, result, std::iter::once(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(task, slices);
        self.written(task, result, slices.iter().map(|slice| &**slice))
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
    use entente_driver::RpcConfig;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split},
        time::timeout,
    };

    use super::*;
    use crate::{flow::Limits, limits::ANSWERS_WAITING_MAX};

    const HELD: Duration = Duration::from_millis(50);

    fn pair(bytes: usize, wait: Duration) -> (Balanced<DuplexStream>, DuplexStream, Arc<ConnectionWork>) {
        let config = RpcConfig { connection_requests_max: 1, ..RpcConfig::default() };
        let work = Arc::new(Limits::new(&config).connection());
        let (ours, peer) = duplex(bytes);
        (Balanced::new(ours, Arc::clone(&work), 1000, wait), peer, work)
    }

    async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> [u8; N] {
        let mut bytes = [0; N];
        timeout(Duration::from_secs(5), stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_not_read_from() {
        let (ours, mut peer, _) = pair(8, Duration::from_mins(1));
        let (mut reading, mut writing) = split(ours);
        peer.write_all(b"ask").await.unwrap();
        assert_eq!(&read::<3>(&mut reading).await, b"ask");
        let answering = tokio::spawn(async move { writing.write_all(&[7; 20]).await });
        tokio::task::yield_now().await;
        peer.write_all(b"again").await.unwrap();
        assert!(timeout(HELD, reading.read_u8()).await.is_err(), "read while the answer waits");
        let (again, answer) = tokio::join!(read::<5>(&mut reading), read::<20>(&mut peer));
        assert_eq!((&again, answer), (b"again", [7; 20]));
        answering.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_never_reads_loses_its_connection() {
        let (mut ours, _peer, _) = pair(8, HELD);
        assert_eq!(ours.write_all(&[7; 20]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    const GRANTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    /// The shortest message of a client, and that of a server.
    const QUESTION: &[u8] = &[0x81, 0x81, 0, 0, 0, 0, b'x'];
    const ANSWER: &[u8] = &[0x81, 0x01, b'y'];

    /// Both ends of a WebSocket whose frames came together with the handshake.
    async fn web_socket(questions: usize) -> (Balanced<DuplexStream>, DuplexStream, Arc<ConnectionWork>) {
        let (mut ours, mut peer, work) = pair(1 << 16, Duration::from_mins(1));
        peer.write_all(&[HANDSHAKE, &QUESTION.repeat(questions)].concat()).await.unwrap();
        let mut head = vec![0; 4096];
        let length = ours.read(&mut head).await.unwrap();
        assert_eq!(&head[..length], HANDSHAKE, "no frame is handed on with it");
        assert!(timeout(HELD, ours.read_u8()).await.is_err(), "nothing before the answer");
        // In two parts, as a system may take it.
        ours.write_all(&GRANTED[..7]).await.unwrap();
        ours.write_all(&GRANTED[7..]).await.unwrap();
        read::<{ GRANTED.len() }>(&mut peer).await;
        (ours, peer, work)
    }

    #[tokio::test]
    async fn too_many_unanswered_messages_are_answered_before_more_are_read() {
        let most = 1 + ANSWERS_WAITING_MAX as usize;
        let (mut ours, mut peer, work) = web_socket(most + 1).await;
        for _ in 0..most {
            assert!(!work.is_behind());
            assert_eq!(read::<7>(&mut ours).await, QUESTION);
        }
        assert!(timeout(HELD, ours.read_u8()).await.is_err(), "one too many");
        // A ping is no answer, and a question without an answer is none that is waited for.
        ours.write_all(&[0x89, 0x01, b'p']).await.unwrap();
        assert!(timeout(HELD, ours.read_u8()).await.is_err());
        ours.write_all(ANSWER).await.unwrap();
        assert_eq!(read::<7>(&mut ours).await, QUESTION);
        assert!(work.is_behind());
        let reader = tokio::spawn(async move { ours.read_u8().await });
        tokio::task::yield_now().await;
        work.went(1);
        work.wake_reader();
        peer.write_all(&[1]).await.unwrap();
        assert_eq!(timeout(Duration::from_secs(5), reader).await.unwrap().unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn http_passes_unchanged_and_a_web_socket_begins_with_a_get() {
        let (mut ours, mut peer, work) = pair(1 << 16, Duration::from_mins(1));
        let post: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\"id\": 1}";
        let get: &[u8] = b"GET /health HTTP/1.1\r\nHost: node\r\n\r\n";
        peer.write_all(&[post, post].concat()).await.unwrap();
        let mut both = vec![0; 2 * post.len()];
        ours.read_exact(&mut both).await.unwrap();
        assert_eq!(both, [post, post].concat());
        ours.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        // Nobody has asked for one.
        assert!(ours.write_all(GRANTED).await.is_err());
        assert!(ours.read_u8().await.is_err());

        let (mut ours, mut peer, _) = pair(1 << 16, Duration::from_mins(1));
        peer.write_all(&[get, get].concat()).await.unwrap();
        for _ in 0..2 {
            let mut head = vec![0; get.len()];
            ours.read_exact(&mut head).await.unwrap();
            assert_eq!(head, get);
            ours.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        }
        assert!(!work.is_behind());
    }
}
