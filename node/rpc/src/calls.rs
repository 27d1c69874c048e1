//! From the bytes of a request to the bytes of its answer.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    iter::{self, Peekable},
    pin::Pin,
    sync::Arc,
    time::Duration,
    vec,
};

use jsonrpsee::{
    MethodCallback, MethodResponse, Methods,
    core::{
        middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
        server::{BatchResponseBuilder, BoundedSubscriptions, SubscriptionState},
        traits::IdProvider,
    },
    server::{ConnectionId, MethodSink, RandomIntegerIdProvider},
    types::{
        ErrorCode, ErrorObject, Id, InvalidRequest, Params, Request, SubscriptionId,
        error::{reject_too_big_batch_request, reject_too_many_subscriptions},
    },
};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::values::Values;

/// What a WebSocket needs for its subscriptions.
#[derive(Clone)]
pub(crate) struct Subscriptions {
    /// Where the library answers that one has begun, and tells why one has ended.
    pub(crate) sink: MethodSink,
    pub(crate) places: BoundedSubscriptions,
}

/// Answers requests of one method at the same time, each of at most so many bytes, in their order.
pub(crate) type AnswerTogether = Box<dyn for<'a> Fn(Vec<Request<'a>>, usize) -> AnsweringTogether<'a> + Send + Sync>;
pub(crate) type AnsweringTogether<'a> = Pin<Box<dyn Future<Output = Vec<MethodResponse>> + Send + 'a>>;
/// The methods of which a batch's requests are answered at the same time, by their names.
pub(crate) type Together = HashMap<&'static str, AnswerTogether>;

/// The methods, as one connection calls them.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) methods: Methods,
    /// Those of them of which several are answered at once.
    pub(crate) together: Arc<Together>,
    pub(crate) response_bytes_max: usize,
    pub(crate) connection: ConnectionId,
    /// Over WebSocket only.
    pub(crate) subscriptions: Option<Subscriptions>,
}

/// The longest of the times after which a subscription that is not known is looked for again; the first is a
/// millisecond, and each twice the one before.
const UNKNOWN_WAIT_MAX: Duration = Duration::from_millis(256);

/// How many requests of a batch are answered at the same time.
const TOGETHER_MAX: usize = 512;

/// Names subscriptions by strings of hexadecimal digits.
#[derive(Debug)]
struct HexadecimalIds;

impl IdProvider for HexadecimalIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(match RandomIntegerIdProvider.next_id() {
            SubscriptionId::Num(number) => format!("{number:#x}").into(),
            SubscriptionId::Str(text) => text,
        })
    }
}

/// The entries of a batch.
type Entries<'a> = Vec<Entry<'a>>;
type Entry<'a> = Result<BatchEntry<'a>, BatchEntryErr<'a>>;

type Answering<'a> = Pin<Box<dyn Future<Output = MethodResponse> + Send + 'a>>;

fn now<'a>(response: MethodResponse) -> Answering<'a> {
    Box::pin(std::future::ready(response))
}

impl Calls {
    /// The heights that a batch asks for, before anything else of it is answered. Whoever finds nothing new, and waits
    /// for a block above the height that it was told with that, would wait in vain for one that came in between: ethers
    /// waits for receipts so.
    async fn heights<'a>(&self, batch: Batch<'a>) -> (Entries<'a>, VecDeque<MethodResponse>) {
        let entries: Entries<'a> = batch.into_iter().collect();
        let mut heights = VecDeque::new();
        for entry in &entries {
            if let Ok(BatchEntry::Call(request)) = entry
                && asks_for_height(request)
            {
                heights.push_back(self.answer(request.clone()).await);
            }
        }
        (entries, heights)
    }

    /// The answers of the requests that a batch goes on with, where several of them are answered at the same time.
    async fn answer_together(&self, batch: &mut Peekable<vec::IntoIter<Entry<'_>>>) -> Vec<MethodResponse> {
        let Some(Ok(BatchEntry::Call(first))) = batch.peek() else { return Vec::new() };
        let Some((name, answer)) = self.together.get_key_value(&*first.method) else { return Vec::new() };
        let is_same = |entry: &Entry<'_>| matches!(entry, Ok(BatchEntry::Call(next)) if next.method == *name);
        let same = iter::from_fn(|| batch.next_if(is_same)).filter_map(|entry| match entry {
            Ok(BatchEntry::Call(request)) => Some(request),
            _ => None,
        });
        answer(same.take(TOGETHER_MAX).collect(), self.response_bytes_max).await
    }

    fn answer<'a>(&self, request: Request<'a>) -> Answering<'a> {
        let Request { id, method, params, extensions, .. } = request;
        let parameters = Params::new(params.as_deref().map(RawValue::get));
        let Some((_, callback)) = self.methods.method_with_name(&method) else {
            return now(MethodResponse::error(id, ErrorObject::from(ErrorCode::MethodNotFound)));
        };
        match (callback, &self.subscriptions) {
            (MethodCallback::Sync(callback), _) => now(callback(id, parameters, self.response_bytes_max, extensions)),
            (MethodCallback::Async(callback), _) => {
                let (id, parameters) = (id.into_owned(), parameters.into_owned());
                callback(id, parameters, self.connection, self.response_bytes_max, extensions)
            }
            (MethodCallback::Subscription(callback), Some(subscriptions)) => {
                let Some(place) = subscriptions.places.acquire() else {
                    let refusal = reject_too_many_subscriptions(subscriptions.places.max());
                    return now(MethodResponse::error(id, refusal));
                };
                // Some of Ethereum's clients take nothing but a string for one.
                let ids: &dyn IdProvider =
                    if method.starts_with("eth_") { &HexadecimalIds } else { &RandomIntegerIdProvider };
                let state =
                    SubscriptionState { conn_id: self.connection, id_provider: ids, subscription_permit: place };
                callback(id, parameters, subscriptions.sink.clone(), state, extensions)
            }
            (MethodCallback::Unsubscription(callback), Some(_)) => {
                let (id, parameters) = (id.into_owned(), parameters.into_owned());
                let (connection, bytes_max, callback) =
                    (self.connection, self.response_bytes_max, Arc::clone(callback));
                Box::pin(end_subscription(move || {
                    callback(id.clone(), parameters.clone(), connection, bytes_max, extensions.clone())
                }))
            }
            // The layer before this one says so in better words.
            (MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_), None) => {
                now(MethodResponse::error(id, ErrorObject::from(ErrorCode::InvalidRequest)))
            }
        }
    }
}

fn asks_for_height(request: &Request<'_>) -> bool {
    request.method == "eth_blockNumber"
}

/// Ends a subscription. The library tells a client of a subscription just before it knows of it itself: whoever ends it
/// at once would be told that there is none, and keep its place for as long as the connection stands.
async fn end_subscription(end: impl Fn() -> MethodResponse) -> MethodResponse {
    #[derive(serde::Deserialize)]
    struct Answer {
        result: bool,
    }
    let mut wait = Duration::from_millis(1);
    loop {
        let response = end();
        let unknown = serde_json::from_str(response.as_ref()).is_ok_and(|answer: Answer| !answer.result);
        if !unknown || wait > UNKNOWN_WAIT_MAX {
            return response;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

impl RpcServiceT for Calls {
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.answer(request)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let calls = self.clone();
        async move {
            let mut answers = BatchResponseBuilder::new_with_limit(calls.response_bytes_max);
            let mut has_notifications = false;
            let (batch, mut heights) = calls.heights(batch).await;
            let mut batch = batch.into_iter().peekable();
            while batch.peek().is_some() {
                let mut next = calls.answer_together(&mut batch).await;
                if next.is_empty() {
                    next.extend(match batch.next() {
                        Some(Ok(BatchEntry::Call(request))) => {
                            match asks_for_height(&request).then(|| heights.pop_front()) {
                                Some(Some(height)) => Some(height),
                                _ => Some(calls.answer(request).await),
                            }
                        }
                        Some(Ok(BatchEntry::Notification(_))) => {
                            has_notifications = true;
                            None
                        }
                        Some(Err(entry)) => {
                            let (error, id) = entry.into_parts();
                            Some(MethodResponse::error(id, error))
                        }
                        None => None,
                    });
                }
                for answer in next {
                    if let Err(too_large) = answers.append(answer) {
                        return too_large;
                    }
                }
            }
            // An empty batch is no request; one of notifications alone has no answer.
            if answers.is_empty() && has_notifications {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(answers.finish())
        }
    }

    fn notification<'a>(&self, _notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        std::future::ready(MethodResponse::notification())
    }
}

/// A service that answers requests.
pub(crate) trait Service:
    RpcServiceT<MethodResponse = MethodResponse, BatchResponse = MethodResponse, NotificationResponse = MethodResponse>
    + Send
    + Sync
    + 'static
{
}

impl<S> Service for S where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Send
        + Sync
        + 'static
{
}

/// What is answered to the bytes of a request or a batch; nothing where no answer is due.
pub(crate) async fn answer(
    service: &impl Service,
    body: &[u8],
    batch_requests_max: u32,
    extensions: &http::Extensions,
) -> Option<String> {
    let response = match body.trim_ascii_start().first() {
        Some(b'{') => one(service, body, extensions).await,
        Some(b'[') => many(service, body, batch_requests_max, extensions).await,
        _ => MethodResponse::error(Id::Null, ErrorObject::from(ErrorCode::ParseError)),
    };
    let is_due = response.is_method_call() || response.is_batch();
    is_due.then(|| String::from(Box::<str>::from(response.into_json())))
}

async fn one(service: &impl Service, body: &[u8], extensions: &http::Extensions) -> MethodResponse {
    if let Ok(mut request) = serde_json::from_slice::<Request<'_>>(body) {
        *request.extensions_mut() = extensions.clone();
        return service.call(request).await;
    }
    if let Ok(notification) = serde_json::from_slice::<Notification<'_>>(body) {
        return service.notification(notification).await;
    }
    let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let id = serde_json::from_slice::<InvalidRequest<'_>>(body).map_or(Id::Null, |invalid| invalid.id);
    let code = if is_json { ErrorCode::InvalidRequest } else { ErrorCode::ParseError };
    MethodResponse::error(id, ErrorObject::from(code))
}

async fn many(service: &impl Service, body: &[u8], requests_max: u32, extensions: &http::Extensions) -> MethodResponse {
    let requests_max = requests_max as usize;
    let Some(entries) = std::str::from_utf8(body).ok().and_then(|body| Values::read(body, requests_max)) else {
        return MethodResponse::error(Id::Null, ErrorObject::from(ErrorCode::ParseError));
    };
    if entries.count > requests_max {
        return MethodResponse::error(Id::Null, reject_too_big_batch_request(requests_max));
    }
    let entries = entries.first.into_iter().map(|entry| batch_entry(entry.get(), extensions)).collect();
    service.batch(Batch::from(entries)).await
}

fn batch_entry<'a>(text: &'a str, extensions: &http::Extensions) -> Result<BatchEntry<'a>, BatchEntryErr<'a>> {
    if let Ok(mut request) = serde_json::from_str::<Request<'a>>(text) {
        *request.extensions_mut() = extensions.clone();
        return Ok(BatchEntry::Call(request));
    }
    if let Ok(notification) = serde_json::from_str::<Notification<'a>>(text) {
        return Ok(BatchEntry::Notification(notification));
    }
    let id = serde_json::from_str::<InvalidRequest<'a>>(text).map_or(Id::Null, |invalid| invalid.id);
    Err(BatchEntryErr::new(id, ErrorCode::InvalidRequest.into()))
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicU64, Ordering},
    };

    use jsonrpsee::{ResponsePayload, RpcModule};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_batch_is_told_no_height_above_what_else_it_is_told() {
        let height = Arc::new(AtomicU64::new(7));
        let mut module = RpcModule::new(height);
        let read = |height: &Arc<AtomicU64>| height.load(Ordering::SeqCst);
        module.register_method("eth_blockNumber", move |_, height, _| read(height)).unwrap();
        // A block comes while this one is asked.
        module.register_method("receipt", |_, height, _| height.fetch_add(1, Ordering::SeqCst)).unwrap();
        let connection = ConnectionId(0);
        let (methods, together) = (module.into(), Arc::default());
        let calls = Calls { methods, together, response_bytes_max: 1000, connection, subscriptions: None };
        let ask = |id: u8, method: &str| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}");
        let batch = [ask(1, "receipt"), ask(2, "eth_blockNumber"), ask(3, "receipt"), ask(4, "eth_blockNumber")];
        let body = format!("[{}]", batch.join(","));
        let answer = answer(&calls, body.as_bytes(), 10, &http::Extensions::new()).await.unwrap();
        let answers: Vec<serde_json::Value> = serde_json::from_str(&answer).unwrap();
        let results: Vec<_> = answers.iter().map(|answer| (&answer["id"], &answer["result"])).collect();
        let expected = [(1, 7), (2, 7), (3, 8), (4, 7)].map(|(id, result)| (json!(id), json!(result)));
        assert_eq!(results, expected.iter().map(|(id, result)| (id, result)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_subscription_that_is_about_to_begin_is_ended() {
        let asked = Cell::new(0);
        let end = |known_after: u32| {
            let asked = &asked;
            asked.set(0);
            end_subscription(move || {
                asked.set(asked.get() + 1);
                let payload = ResponsePayload::success(asked.get() > known_after);
                MethodResponse::response(Id::Number(1), payload, 1000)
            })
        };
        for known_after in [0, 1, 5] {
            assert!(end(known_after).await.as_ref().contains("\"result\":true"));
            assert_eq!(asked.get(), known_after + 1);
        }
        // One that there never was.
        let begun = std::time::Instant::now();
        assert!(end(u32::MAX).await.as_ref().contains("\"result\":false"));
        assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
        // What is no such answer is given as it is.
        let error = end_subscription(|| MethodResponse::error(Id::Number(1), ErrorCode::InvalidParams)).await;
        assert!(error.as_ref().contains("-32602"));
    }
}
