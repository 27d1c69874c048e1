//! JSON-RPC over one WebSocket. Nothing is read while too much waits to be answered or sent, so that a client that does
//! not read holds a bounded part of memory until its socket gives up on it.

use std::{io, sync::Arc, time::Duration};

use hyper::{
    Request, Response,
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use jsonrpsee::{
    core::server::BoundedSubscriptions,
    server::{HttpBody, MethodSink},
};
use serde_json::value::RawValue;
use soketto::handshake::http::Server as Handshake;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufWriter},
    sync::{Semaphore, mpsc, watch},
    time::{interval, timeout},
};

use crate::{
    acceptor::Connection,
    calls::{self, Service, Subscriptions},
    flow::SpokenFor,
    frames::{Frame, FrameError, FrameReader, Message},
    front::plain,
    limits::{BATCHES_MAX, MESSAGES_WAITING_MAX, REQUEST_BYTES_WAITING_MAX, REQUESTS_WAITING_MAX, STOP_WAIT},
    outbox::{Outbox, Outgoing},
    server::stop_begins,
};

/// The bytes that are collected before they are written.
const BUFFER_BYTES: usize = 4 << 10;
/// The bytes that are written before those who wait for room get it.
const FLUSH_BYTES: usize = 64 << 10;
/// The least room that a request takes, so that only so many are read at a time.
const REQUEST_ROOM_MIN: usize = REQUEST_BYTES_WAITING_MAX / REQUESTS_WAITING_MAX;
/// How long a closing connection may take to say so.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// How many signs of life are asked for in the time after which silence ends a connection.
const PINGS: u32 = 3;

/// Answers the request for a WebSocket, and serves it from then on.
pub(crate) fn upgrade(
    connection: &Arc<Connection>,
    mut request: Request<Incoming>,
    spoken_for: SpokenFor,
) -> Response<HttpBody> {
    let response = match Handshake::new().receive_request(&request) {
        Ok(response) => response,
        Err(error) => {
            let line = format!("this is no request for a WebSocket of version 13: {error}\n");
            return plain(http::StatusCode::BAD_REQUEST, line);
        }
    };
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(serve(Arc::clone(connection), upgrading, spoken_for));
    response.map(|()| HttpBody::empty())
}

async fn serve(connection: Arc<Connection>, upgrading: OnUpgrade, spoken_for: SpokenFor) {
    let upgraded: Upgraded = match upgrading.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(peer = %connection.peer, %error, "connection_not_upgraded");
            return;
        }
    };
    let config = &connection.shared.config;
    let idle = Duration::from_millis(config.idle_ms_max.into());
    let (outbox, queue) = Outbox::new();
    let (library, from_library) = mpsc::channel(MESSAGES_WAITING_MAX);
    let subscriptions =
        Subscriptions { sink: MethodSink::new(library), places: BoundedSubscriptions::new(config.subscriptions_max) };
    let service = connection.shared.service(connection.id, Some(subscriptions));
    let (reading, writing) = tokio::io::split(TokioIo::new(upgraded));
    let mut reader = Reader {
        frames: FrameReader::new(reading, config.request_bytes_max as usize),
        service: Arc::new(service),
        extensions: connection.extensions(spoken_for, Some(outbox.clone())),
        batch_requests_max: config.batch_requests_max,
        outbox,
        requests: Arc::new(Semaphore::new(REQUEST_BYTES_WAITING_MAX)),
        batches: Arc::new(Semaphore::new(BATCHES_MAX)),
        idle,
    };
    let mut writer = Writer { io: BufWriter::with_capacity(BUFFER_BYTES, writing), from_library, queue };
    let stopping = connection.shared.stopping.clone();
    let (code, reason) = tokio::select! {
        ending = reader.run(stopping) => ending,
        written = writer.run(idle / PINGS) => {
            if let Err(error) = written {
                tracing::debug!(peer = %connection.peer, %error, "websocket_failed");
            }
            return;
        }
    };
    tracing::debug!(peer = %connection.peer, code, reason, "websocket_ended");
    // Those who still wait to send something learn that nobody is there.
    drop(reader);
    let _ = timeout(CLOSE_WAIT, writer.close(code, reason)).await;
}

struct Reader<R, S> {
    frames: FrameReader<R>,
    service: Arc<S>,
    extensions: http::Extensions,
    batch_requests_max: u32,
    outbox: Outbox,
    /// Room for requests that are read and not answered, in bytes.
    requests: Arc<Semaphore>,
    /// The parts of a batch's answer wait for the others: few at a time.
    batches: Arc<Semaphore>,
    idle: Duration,
}

impl<R: AsyncRead + Unpin, S: Service> Reader<R, S> {
    /// Reads requests until the client ends, is silent for too long, breaks a rule, or the server stops.
    async fn run(&mut self, mut stopping: watch::Receiver<bool>) -> (u16, &'static str) {
        let ending = tokio::select! {
            ending = self.read() => ending,
            () = stop_begins(&mut stopping) => (1001, "the node stops"),
        };
        // Whoever was heard is answered.
        let all = REQUEST_BYTES_WAITING_MAX as u32;
        let _ = timeout(STOP_WAIT, self.requests.acquire_many(all)).await;
        ending
    }

    async fn read(&mut self) -> (u16, &'static str) {
        loop {
            self.outbox.answers_sent().await;
            let message = match timeout(self.idle, self.frames.next()).await {
                Ok(Ok(message)) => message,
                Ok(Err(FrameError::Io(_))) => return (1001, "the connection is gone"),
                Ok(Err(FrameError::TooLong)) => return (1009, "the message is longer than `rpc.request_bytes_max`"),
                Ok(Err(FrameError::Protocol(rule))) => return (1002, rule),
                Err(_) => return (1001, "silent for longer than `rpc.idle_ms_max`"),
            };
            let bytes = match &message {
                Message::Data(bytes) | Message::Ping(bytes) => bytes.len(),
                Message::Pong => continue,
                Message::Close => return (1000, "as you wish"),
            };
            let room = bytes.clamp(REQUEST_ROOM_MIN, REQUEST_BYTES_WAITING_MAX) as u32;
            let Ok(room) = Arc::clone(&self.requests).acquire_many_owned(room).await else {
                return (1011, "the node is at fault");
            };
            match message {
                Message::Data(body) => self.begin(body, room),
                Message::Ping(bytes) => {
                    self.outbox.answer(Frame::Pong(bytes), room);
                }
                Message::Pong | Message::Close => {}
            }
        }
    }

    /// Answers a request while others are read.
    fn begin(&self, body: Vec<u8>, room: tokio::sync::OwnedSemaphorePermit) {
        let (service, outbox, extensions) = (Arc::clone(&self.service), self.outbox.clone(), self.extensions.clone());
        let (batch_requests_max, batches) = (self.batch_requests_max, Arc::clone(&self.batches));
        tokio::spawn(async move {
            let is_batch = body.trim_ascii_start().first() == Some(&b'[');
            let _turn = if is_batch { batches.acquire_owned().await.ok() } else { None };
            // It may have waited for a thread while others were answered.
            outbox.answers_sent().await;
            let answer = tokio::select! {
                answer = calls::answer(&*service, &body, batch_requests_max, &extensions) => answer,
                () = outbox.closed() => return,
            };
            drop(body);
            if let Some(answer) = answer {
                outbox.answer(Frame::Text(answer), room);
            }
        });
    }
}

struct Writer<W> {
    io: BufWriter<W>,
    /// What the library says of subscriptions that begin and end.
    from_library: mpsc::Receiver<Box<RawValue>>,
    queue: mpsc::UnboundedReceiver<Outgoing>,
}

fn library_message(json: Box<RawValue>) -> Outgoing {
    Outgoing::own(Frame::Text(String::from(Box::<str>::from(json))))
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes what there is, and asks for a sign of life once in a while.
    async fn run(&mut self, ping: Duration) -> io::Result<()> {
        let mut pings = interval(ping);
        pings.tick().await;
        loop {
            let first = tokio::select! {
                Some(json) = self.from_library.recv() => library_message(json),
                Some(outgoing) = self.queue.recv() => outgoing,
                _ = pings.tick() => Outgoing::own(Frame::Ping),
            };
            self.write(first).await?;
        }
    }

    /// Writes a message, and with it what waits already.
    async fn write(&mut self, first: Outgoing) -> io::Result<()> {
        let mut bytes = 0;
        let mut written = Vec::new();
        let mut next = Some(first);
        while let Some(outgoing) = next {
            // That a subscription has begun is told before anything of it: the library has said so by the time that
            // something of it is in the queue, though perhaps after it was asked last.
            while let Ok(json) = self.from_library.try_recv() {
                let message = library_message(json);
                message.frame.write(&mut self.io).await?;
                bytes += message.frame.length();
            }
            outgoing.frame.write(&mut self.io).await?;
            bytes += outgoing.frame.length();
            // The room that they take is given back when all are out.
            written.push(outgoing);
            next = if bytes < FLUSH_BYTES { self.waiting() } else { None };
        }
        self.io.flush().await
    }

    fn waiting(&mut self) -> Option<Outgoing> {
        self.queue.try_recv().ok().or_else(|| self.from_library.try_recv().ok().map(library_message))
    }

    async fn close(mut self, code: u16, reason: &'static str) -> io::Result<()> {
        while let Some(outgoing) = self.waiting() {
            self.write(outgoing).await?;
        }
        Frame::Close(code, reason).write(&mut self.io).await?;
        self.io.flush().await?;
        self.io.shutdown().await
    }
}
