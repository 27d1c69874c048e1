//! What waits to be sent on one WebSocket connection, bounded by its bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jsonrpsee::SubscriptionSink;
use serde_json::value::RawValue;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    frames::Frame,
    limits::{ANSWER_BYTES_WAITING_MAX, NOTICE_BYTES_WAITING_MAX},
};

/// Something that waits to be sent, with the room that it takes until it is.
pub(crate) struct Outgoing {
    pub(crate) frame: Frame,
    _room: Room,
}

enum Room {
    /// Of a notification.
    Notice { _bytes: OwnedSemaphorePermit },
    /// Of a request that was read, and of its answer.
    Answer { _request: OwnedSemaphorePermit, _bytes: AnswerBytes },
    /// Of what the server says by itself: one at a time.
    Own,
}

impl Outgoing {
    /// What is said by the one who sends, who waits until it is sent.
    pub(crate) const fn own(frame: Frame) -> Self {
        Self { frame, _room: Room::Own }
    }
}

/// The bytes of answers that wait.
#[derive(Default)]
struct Answers {
    bytes: AtomicUsize,
    sent: Notify,
}

struct AnswerBytes {
    answers: Arc<Answers>,
    bytes: usize,
}

impl Drop for AnswerBytes {
    fn drop(&mut self) {
        self.answers.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.answers.sent.notify_waiters();
    }
}

/// Where everything for one connection goes. Clones go to the same.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<Outgoing>,
    notices: Arc<Semaphore>,
    answers: Arc<Answers>,
}

impl Outbox {
    /// A box, and its other end. Whatever is put in takes room, so the queue needs no bound of its own.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (queue, receiver) = mpsc::unbounded_channel();
        let notices = Arc::new(Semaphore::new(NOTICE_BYTES_WAITING_MAX));
        (Self { queue, notices, answers: Arc::default() }, receiver)
    }

    /// Waits until the connection is gone.
    pub(crate) async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Whether few enough bytes of answers wait for another request to be begun.
    pub(crate) fn has_room_for_answers(&self) -> bool {
        self.answers.bytes.load(Ordering::Acquire) <= ANSWER_BYTES_WAITING_MAX
    }

    /// Waits until it is so.
    pub(crate) async fn answers_sent(&self) {
        loop {
            let sent = self.answers.sent.notified();
            if self.has_room_for_answers() {
                return;
            }
            sent.await;
        }
    }

    /// Sends the answer of a request; the request's room is given back once it is sent. False where nobody is there
    /// any more.
    pub(crate) fn answer(&self, frame: Frame, request: OwnedSemaphorePermit) -> bool {
        let bytes = frame.length();
        self.answers.bytes.fetch_add(bytes, Ordering::AcqRel);
        let bytes = AnswerBytes { answers: Arc::clone(&self.answers), bytes };
        self.queue.send(Outgoing { frame, _room: Room::Answer { _request: request, _bytes: bytes } }).is_ok()
    }

    /// Waits for room for notifications of so many bytes; more than all room there is waits for all of it. Nothing
    /// where nobody is there any more.
    pub(crate) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.clamp(1, NOTICE_BYTES_WAITING_MAX) as u32;
        tokio::select! {
            room = Arc::clone(&self.notices).acquire_many_owned(bytes) => room.ok(),
            () = self.queue.closed() => None,
        }
    }

    /// Sends a notification of a subscription, in room that was waited for; false where nobody is there any more.
    pub(crate) fn notify(&self, sink: &SubscriptionSink, result: &RawValue, room: OwnedSemaphorePermit) -> bool {
        let Ok(subscription) = serde_json::to_string(&sink.subscription_id()) else { return false };
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"{}\",\"params\":{{\"subscription\":{subscription},\"result\":{}}}}}",
            sink.method_name(),
            result.get()
        );
        !sink.is_closed()
            && self.queue.send(Outgoing { frame: Frame::Text(text), _room: Room::Notice { _bytes: room } }).is_ok()
    }
}
