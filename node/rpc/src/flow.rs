//! How much each connection, each group and the whole node are given at a time and in a second.
//!
//! A request passes three places. Before the methods, [`Flow`] sees every request of every kind: it is held against the
//! bounds of its connection and of the node. Once its parameters are read, [`arguments`] holds it against its group's
//! rate. Once its transactions are counted, [`transactions`] holds these against their connection's bound and against
//! the rates: each transaction counts as a request. Every refusal names the key in `config.toml` and says when to come
//! again.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use entente_driver::{Place, Refusals, RpcConfig};
use jsonrpsee::{
    Extensions, MethodResponse,
    core::middleware::{Batch, Notification, RpcServiceT},
    types::{ErrorObjectOwned, Id, Request},
};
use tower::Layer;

use crate::{
    arguments::{Arguments, Kind},
    bucket::{Bucket, Wait},
    context::{Context, GroupEntry},
    error::{BUSY, INTERNAL, RESPONSE_TOO_LARGE, RpcError, TOO_MANY_SUBSCRIPTIONS},
    outbox::Outbox,
    plain::refuse_entries,
    table::{Family, Method},
};

/// The limits that are kept here. The order is that of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Connections,
    ConnectionRequests,
    ConnectionTransactions,
    WorkBytes,
    NodeRate,
    GroupRate,
    Subscriptions,
    ResponseBytes,
    RowProofs,
}

impl Limit {
    const ALL: [Self; 9] = [
        Self::Connections,
        Self::ConnectionRequests,
        Self::ConnectionTransactions,
        Self::WorkBytes,
        Self::NodeRate,
        Self::GroupRate,
        Self::Subscriptions,
        Self::ResponseBytes,
        Self::RowProofs,
    ];

    /// Its key in `config.toml`, or its name in `limits.rs`.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Connections => "rpc.connections_max",
            Self::ConnectionRequests => "rpc.connection_requests_max",
            Self::ConnectionTransactions => "rpc.connection_transactions_max",
            Self::WorkBytes => "rpc.work_bytes_max",
            Self::NodeRate => "rpc.requests_per_second_max",
            Self::GroupRate => "rpc.group_requests_per_second_max",
            Self::Subscriptions => "rpc.subscriptions_max",
            Self::ResponseBytes => "rpc.response_bytes_max",
            Self::RowProofs => "ROW_PROOFS_MAX",
        }
    }
}

/// A bounded amount of which parts are taken and given back.
#[derive(Debug)]
struct Amount {
    used: AtomicU64,
    maximum: u64,
}

impl Amount {
    const fn new(maximum: u64) -> Self {
        Self { used: AtomicU64::new(0), maximum }
    }

    /// Takes a part, if it fits in.
    fn take(&self, part: u64) -> bool {
        let fitting = |used: u64| used.checked_add(part).filter(|sum| *sum <= self.maximum);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fitting).is_ok()
    }

    fn give_back(&self, part: u64) {
        self.used.fetch_sub(part, Ordering::Relaxed);
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// A bucket that threads share; nothing where there is no bound.
#[derive(Debug)]
pub(crate) struct Rate(Option<Mutex<Bucket>>);

impl Rate {
    /// 0: no bound.
    pub(crate) fn new(per_second: u32) -> Self {
        Self((per_second > 0).then(|| Mutex::new(Bucket::new(per_second))))
    }

    /// The rate and how long to wait, where too many came.
    fn take(&self, started: Instant, requests: u32, before: u32) -> Result<(), (u32, Wait)> {
        let Some(bucket) = &self.0 else { return Ok(()) };
        let now = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(now, requests, before).map_err(|wait| (bucket.per_second(), wait))
    }
}

/// What one connection has in work.
#[derive(Debug)]
pub(crate) struct ConnectionWork {
    requests: Amount,
    transactions: Amount,
}

/// What the whole server has in work, and whom it refused.
#[derive(Debug)]
pub(crate) struct Limits {
    config: RpcConfig,
    started: Instant,
    bytes: Amount,
    rate: Rate,
    refused: [AtomicU64; Limit::ALL.len()],
}

impl Limits {
    /// The bytes of one answer.
    pub(crate) const fn response_bytes_max(&self) -> usize {
        self.config.response_bytes_max as usize
    }

    pub(crate) fn new(config: &RpcConfig) -> Self {
        Self {
            config: config.clone(),
            started: Instant::now(),
            bytes: Amount::new(config.work_bytes_max),
            rate: Rate::new(config.requests_per_second_max),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The connections open at a time.
    pub(crate) fn connections_max(&self) -> u32 {
        self.config.connections_max
    }

    /// A new connection's part.
    pub(crate) fn connection(&self) -> ConnectionWork {
        ConnectionWork {
            requests: Amount::new(self.config.connection_requests_max.into()),
            transactions: Amount::new(self.config.connection_transactions_max.into()),
        }
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, limit: Limit) {
        if let Some(counter) = self.refused.get(limit as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn refusals(&self) -> Vec<Refusals> {
        let counted = Limit::ALL.iter().zip(&self.refused);
        counted.map(|(limit, count)| Refusals { limit: limit.key(), count: count.load(Ordering::Relaxed) }).collect()
    }

    /// Its bounded places.
    pub(crate) fn places(&self) -> Vec<Place> {
        vec![Place { name: "work_bytes", used: self.bytes.used(), maximum: self.bytes.maximum }]
    }

    /// Since when it runs.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    fn refuse(&self, limit: Limit, message: impl FnOnce(&str) -> String) -> RpcError {
        self.refused(limit);
        RpcError::new(BUSY, message(limit.key()))
    }

    fn over_rate(&self, limit: Limit, who: &str, requests: u32, (rate, wait): (u32, Wait)) -> RpcError {
        match wait {
            Wait::Milliseconds(wait_ms) => self.refuse(limit, |key| {
                format!("Over QPS limit: {who} takes {rate} requests a second (`{key}`); send again in {wait_ms} ms")
            }),
            // To send the same again would be in vain: no code of those that say "later".
            Wait::ForEver => {
                self.refused(limit);
                let key = limit.key();
                RpcError::parameters(format!(
                    "{requests} transactions at once are more than the {rate} requests a second that {who} takes \
                     (`{key}`); send fewer in one request"
                ))
            }
        }
    }

    fn node_rate(&self, requests: u32, before: u32) -> Result<(), RpcError> {
        let taken = self.rate.take(self.started, requests, before);
        taken.map_err(|over| self.over_rate(Limit::NodeRate, "this node", requests + before, over))
    }

    fn group_rate(&self, group: &GroupEntry, requests: u32, before: u32) -> Result<(), RpcError> {
        let taken = group.rate.take(self.started, requests, before);
        taken.map_err(|over| self.over_rate(Limit::GroupRate, group.handle.id().as_str(), requests + before, over))
    }
}

/// Which of the node's groups the path of a connection speaks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpokenFor(pub(crate) usize);

/// Whose a request is. All of a connection share one, which each has in its extensions.
#[derive(Default)]
pub(crate) struct Requester {
    /// What the connection has in work; nothing where the request came over none.
    pub(crate) work: Option<Arc<ConnectionWork>>,
    pub(crate) spoken_for: SpokenFor,
    /// Where everything for a WebSocket goes; nothing where it is none.
    pub(crate) outbox: Option<Outbox>,
}

impl Requester {
    /// The one that a request says.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Arc<Self>>().map(|requester| &**requester)
    }

    /// What each of its requests carries with it.
    pub(crate) fn into_extensions(self) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(Arc::new(self));
        extensions
    }
}

fn connection(extensions: &Extensions) -> Option<Arc<ConnectionWork>> {
    Requester::of(extensions)?.work.clone()
}

fn group_spoken_for(extensions: &Extensions) -> SpokenFor {
    Requester::of(extensions).map(|requester| requester.spoken_for).unwrap_or_default()
}

/// The group that a request's path speaks for.
pub(crate) fn spoken_for<'c>(context: &'c Context, extensions: &Extensions) -> Result<&'c GroupEntry, RpcError> {
    let SpokenFor(speaks_for) = group_spoken_for(extensions);
    context.groups().get(speaks_for).ok_or_else(|| RpcError::new(INTERNAL, "this node has no group"))
}

/// Reads a request's parameters and counts it in its group.
pub(crate) fn arguments<'a>(
    context: &Context,
    (family, method): (Family, &'static Method),
    parameters: Option<&'a str>,
    extensions: &Extensions,
) -> Result<Arguments<'a>, RpcError> {
    let SpokenFor(speaks_for) = group_spoken_for(extensions);
    let arguments = Arguments::parse(method, parameters)?;
    let arguments = arguments.of_connection(connection(extensions)).speaking_for(speaks_for);
    let names_group = method.parameters.first().is_some_and(|parameter| parameter.kind == Kind::Group);
    let group = match family {
        Family::Ethereum | Family::EthereumCalls | Family::Dev => arguments.spoken_for(context).ok(),
        // What is said of a group that is not here is for its method to say.
        Family::Entente | Family::Fisco if names_group => arguments.group(context, 0).ok(),
        Family::Entente | Family::Fisco => None,
    };
    if let Some(group) = group {
        context.limits.group_rate(group, 1, 0)?;
    }
    Ok(arguments)
}

/// Places for a request's transactions, until the answer to it is made.
pub(crate) struct TransactionsInWork {
    connection: Option<Arc<ConnectionWork>>,
    count: u64,
}

impl Drop for TransactionsInWork {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.transactions.give_back(self.count);
        }
    }
}

/// Takes places for so many transactions, and counts them. The request itself was counted as one.
pub(crate) fn transactions(
    context: &Context,
    arguments: &Arguments<'_>,
    group: &GroupEntry,
    count: usize,
) -> Result<TransactionsInWork, RpcError> {
    let limits = &context.limits;
    let connection = arguments.connection().cloned();
    let wanted = count as u64;
    if let Some(connection) = &connection
        && !connection.transactions.take(wanted)
    {
        let Amount { used, maximum } = &connection.transactions;
        let used = used.load(Ordering::Relaxed);
        return Err(limits.refuse(Limit::ConnectionTransactions, |key| {
            format!(
                "{used} transactions of this connection are being worked on, {count} more would be above the limit of \
                 {maximum} (`{key}`); send again when some are answered"
            )
        }));
    }
    let held = TransactionsInWork { connection, count: wanted };
    let more = u32::try_from(count).unwrap_or(u32::MAX).saturating_sub(1);
    if more > 0 {
        limits.node_rate(more, 1)?;
        limits.group_rate(group, more, 1)?;
    }
    Ok(held)
}

/// What a request holds until the answer to it is made.
struct InWork {
    context: Arc<Context>,
    connection: Option<Arc<ConnectionWork>>,
    bytes: u64,
}

impl Drop for InWork {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.requests.give_back(1);
        }
        self.context.limits.bytes.give_back(self.bytes);
    }
}

/// Takes places for a request of so many bytes.
fn enter(context: &Arc<Context>, connection: Option<Arc<ConnectionWork>>, bytes: u64) -> Result<InWork, RpcError> {
    let limits = &context.limits;
    if let Some(connection) = &connection
        && !connection.requests.take(1)
    {
        let maximum = connection.requests.maximum;
        return Err(limits.refuse(Limit::ConnectionRequests, |key| {
            format!(
                "{maximum} requests of this connection are being worked on (`{key}`); send again when some are answered"
            )
        }));
    }
    if !limits.bytes.take(bytes) {
        if let Some(connection) = &connection {
            connection.requests.give_back(1);
        }
        let Amount { used, maximum } = &limits.bytes;
        let used = used.load(Ordering::Relaxed);
        return Err(limits.refuse(Limit::WorkBytes, |key| {
            format!(
                "requests of {used} bytes are being worked on, {bytes} more would be above the limit of {maximum} \
                 (`{key}`); send again later"
            )
        }));
    }
    Ok(InWork { context: Arc::clone(context), connection, bytes })
}

fn parameter_bytes(parameters: Option<&str>) -> u64 {
    parameters.map_or(0, str::len) as u64
}

/// Puts [`Flow`] before the methods.
#[derive(Clone)]
pub(crate) struct FlowLayer {
    pub(crate) context: Arc<Context>,
}

impl<S> Layer<S> for FlowLayer {
    type Service = Flow<S>;

    fn layer(&self, inner: S) -> Flow<S> {
        Flow { inner, context: Arc::clone(&self.context) }
    }
}

/// Holds requests against the bounds of their connection and of the node.
#[derive(Clone)]
pub(crate) struct Flow<S> {
    inner: S,
    context: Arc<Context>,
}

impl<S> Flow<S> {
    /// Takes places for a request by itself, and counts it.
    fn enter(&self, request: &Request<'_>) -> Result<InWork, RpcError> {
        let parameters = request.params.as_ref().map(|parameters| parameters.get());
        let in_work = enter(&self.context, connection(request.extensions()), parameter_bytes(parameters))?;
        self.context.limits.node_rate(1, 0)?;
        Ok(in_work)
    }

    /// The same for a batch, which is one piece of work of its connection: each of its requests is counted, and those
    /// beyond the rate are refused.
    fn enter_batch(
        &self,
        requests: &mut Batch<'_>,
        connection: Option<Arc<ConnectionWork>>,
    ) -> Result<InWork, RpcError> {
        let entries = requests.iter().flatten();
        let bytes = entries.map(|entry| parameter_bytes(entry.params().map(|parameters| parameters.get()))).sum();
        let in_work = enter(&self.context, connection, bytes)?;
        refuse_entries(requests, |_| self.context.limits.node_rate(1, 0).err());
        Ok(in_work)
    }
}

/// The library's own refusals, with the key of the limit.
fn in_our_words(limits: &Limits, id: Id<'static>, answer: MethodResponse) -> MethodResponse {
    let config = &limits.config;
    let (limit, message) = match answer.as_error_code() {
        Some(RESPONSE_TOO_LARGE) => {
            let (key, maximum) = (Limit::ResponseBytes.key(), config.response_bytes_max);
            let message = format!("the answer would have more than {maximum} bytes (`{key}`); ask for less at once");
            (Limit::ResponseBytes, message)
        }
        Some(TOO_MANY_SUBSCRIPTIONS) => {
            let (key, maximum) = (Limit::Subscriptions.key(), config.subscriptions_max);
            let message = format!(
                "this connection has its limit of {maximum} subscriptions (`{key}`); end one first, or open another \
                 connection"
            );
            (Limit::Subscriptions, message)
        }
        _ => return answer,
    };
    limits.refused(limit);
    let code = answer.as_error_code().unwrap_or(BUSY);
    MethodResponse::error(id, ErrorObjectOwned::from(RpcError::new(code, message)))
}

impl<S> RpcServiceT for Flow<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Send
        + Sync,
{
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let entered = self.enter(&request);
        let answer = match entered {
            Ok(in_work) => Ok((in_work, request.id().clone().into_owned(), self.inner.call(request))),
            Err(error) => Err(MethodResponse::error(request.id(), ErrorObjectOwned::from(error))),
        };
        async move {
            match answer {
                Ok((in_work, id, answer)) => in_our_words(&in_work.context.limits, id, answer.await),
                Err(refusal) => refusal,
            }
        }
    }

    fn batch<'a>(&self, mut requests: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let connection = requests.iter().flatten().next().and_then(|entry| connection(entry.extensions()));
        let in_work = self.enter_batch(&mut requests, connection);
        if let Err(error) = &in_work {
            refuse_entries(&mut requests, |_| Some(error.clone()));
        }
        let answer = self.inner.batch(requests);
        async move {
            let _in_work = in_work;
            answer.await
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}
