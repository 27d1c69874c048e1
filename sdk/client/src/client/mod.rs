//! A connection to a node.

mod answers;
mod endings;
mod errors;
mod group;
mod logs;
mod subscriptions;
mod unbroken;

use std::{sync::Arc, time::Duration};

use jsonrpsee::{
    async_client::{Client as RpcClient, ClientBuilder, PingConfig},
    client_transport::ws::{Url, WsHandshakeError, WsTransportClientBuilder},
    core::{
        client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
        params::BatchRequestBuilder,
        traits::ToRpcParams,
    },
    types::ErrorObject,
};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;

pub use answers::{
    BlockAnswer, BlockId, BlockNotice, CallAnswer, CallRequest, DecidedAnswer, MemberAnswer, MembersAnswer, NodeStatus,
    PoolStatus, ReceiptAnswer,
};
pub use errors::{
    CallError, ConnectError, DeployError, ExecuteError, NodeRefusal, QueryError, SendError, StreamError, WaitError,
};
pub(crate) use group::RefusalAnswer;
pub use group::{Deployed, Group, SignedTransaction, VALIDITY_BLOCKS};
pub use logs::{LogFilter, LogNotice, LogSubscription};
pub use subscriptions::BlockStream;

use crate::limits::{MESSAGE_BYTES_MAX, NOTIFICATIONS_MAX, REQUESTS_MAX, shown};
use endings::{Endings, Overheard};

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// How often a silent connection is asked whether it still stands, and after how long it is given up.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_secs(40);
/// The characters of a URL.
const URL_CHARACTERS_MAX: usize = 1024;

/// A connection to one node, over WebSocket. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    rpc: Arc<RpcClient>,
    url: Arc<str>,
    endings: Endings,
}

impl Client {
    /// Connects to a node. `ws://` and `http://` URLs and a plain `host:port` mean the same.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let url = websocket_url(url)?;
        let text: Arc<str> = url.as_str().into();
        let transport = WsTransportClientBuilder::default()
            .max_request_size(MESSAGE_BYTES_MAX)
            .max_response_size(MESSAGE_BYTES_MAX)
            .connection_timeout(CONNECT_TIMEOUT);
        let (sender, receiver) = transport.build(url).await.map_err(|error| connect_error(&text, &error))?;
        let endings = Endings::default();
        let receiver = Overheard { inner: receiver, endings: endings.clone() };
        let rpc = ClientBuilder::new()
            .request_timeout(REQUEST_TIMEOUT)
            .max_concurrent_requests(REQUESTS_MAX)
            .max_buffer_capacity_per_subscription(NOTIFICATIONS_MAX)
            .enable_ws_ping(PingConfig::new().ping_interval(PING_INTERVAL).inactive_limit(SILENCE_LIMIT))
            .build_with_tokio(sender, receiver);
        Ok(Self { rpc: Arc::new(rpc), url: text, endings })
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the connection still stands, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.rpc.is_connected()
    }

    /// The names of the node's groups.
    pub async fn groups(&self) -> Result<Vec<String>, QueryError> {
        self.request("entente_groups", &()).await
    }

    /// One of the node's groups, which everything else is asked of.
    pub async fn group(&self, name: &str) -> Result<Group, QueryError> {
        Group::open(self.clone(), name).await
    }

    /// Calls any method. The parameters are what serializes to a list, such as a tuple; `()` is none.
    pub async fn request<R: DeserializeOwned>(
        &self,
        method: &str,
        parameters: &(impl Serialize + Sync),
    ) -> Result<R, QueryError> {
        self.request_raw(method, raw(method, parameters)?).await
    }

    /// Calls a method whose parameters are JSON already.
    pub(crate) async fn request_raw<R: DeserializeOwned>(
        &self,
        method: &str,
        parameters: Raw,
    ) -> Result<R, QueryError> {
        self.rpc.request(method, parameters).await.map_err(|error| self.query_error(method, error))
    }

    /// Calls one method many times in one request; the answers come in the order of the parameters.
    pub(crate) async fn request_many<R: DeserializeOwned + std::fmt::Debug>(
        &self,
        method: &str,
        parameters: Vec<Raw>,
    ) -> Result<Vec<R>, QueryError> {
        let mut batch = BatchRequestBuilder::new();
        for parameters in parameters {
            batch.insert(method, parameters).map_err(|error| unreadable(method, &error))?;
        }
        let answers = self.rpc.batch_request::<R>(batch).await.map_err(|error| self.query_error(method, error))?;
        let owned = answers.into_iter().map(|answer| answer.map_err(|error| RpcError::Call(error.into_owned())));
        owned.map(|answer| answer.map_err(|error| self.query_error(method, error))).collect()
    }

    /// The same, for methods of whose answers only the refusals count.
    pub(crate) async fn refusals_of_many(
        &self,
        method: &str,
        parameters: Vec<Raw>,
    ) -> Result<Vec<Option<NodeRefusal>>, QueryError> {
        let mut batch = BatchRequestBuilder::new();
        for parameters in parameters {
            batch.insert(method, parameters).map_err(|error| unreadable(method, &error))?;
        }
        let answers = self.rpc.batch_request::<IgnoredAny>(batch).await;
        let answers = answers.map_err(|error| self.query_error(method, error))?;
        let refusal = |error: ErrorObject<'_>| NodeRefusal::new(error.code(), error.message());
        Ok(answers.into_iter().map(|answer| answer.err().map(refusal)).collect())
    }

    pub(crate) async fn subscribe<N: DeserializeOwned>(
        &self,
        method: &str,
        unsubscribe: &str,
        parameters: &(impl Serialize + Sync),
    ) -> Result<Subscription<N>, QueryError> {
        let parameters = raw(method, parameters)?;
        self.rpc.subscribe(method, parameters, unsubscribe).await.map_err(|error| self.query_error(method, error))
    }

    fn query_error(&self, method: &str, error: RpcError) -> QueryError {
        let method = method.to_owned();
        match error {
            RpcError::Call(error) => {
                QueryError::Refused { method, refusal: NodeRefusal::new(error.code(), error.message()) }
            }
            RpcError::RequestTimeout => QueryError::Timeout { method, seconds: REQUEST_TIMEOUT.as_secs() },
            RpcError::ParseError(error) => unreadable(&method, &error),
            RpcError::InvalidRequestId(_) | RpcError::InvalidSubscriptionId => unreadable(&method, &error),
            other => QueryError::Lost { url: self.url.to_string(), reason: shown(&other.to_string(), 200) },
        }
    }
}

/// Parameters that are JSON already.
pub(crate) struct Raw(pub(crate) Option<Box<RawValue>>);

impl ToRpcParams for Raw {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(self.0)
    }
}

/// Parameters as JSON.
pub(crate) fn raw(method: &str, parameters: &impl Serialize) -> Result<Raw, QueryError> {
    let json = serde_json::value::to_raw_value(parameters).map_err(|error| unreadable(method, &error))?;
    Ok(Raw(Some(json).filter(|json| json.get() != "null")))
}

fn unreadable(method: &str, error: &impl ToString) -> QueryError {
    QueryError::Answer { method: method.to_owned(), reason: shown(&error.to_string(), 200) }
}

/// The URL that is connected to.
fn websocket_url(text: &str) -> Result<Url, ConnectError> {
    let trimmed = text.trim();
    let fault = |reason: &str| ConnectError::Url { url: shown(trimmed, 100), reason: reason.to_owned() };
    if trimmed.is_empty() || trimmed.len() > URL_CHARACTERS_MAX {
        return Err(fault("it is empty or too long"));
    }
    let rest = match trimmed.split_once("://") {
        None => trimmed,
        Some(("ws" | "http", rest)) => rest,
        Some(("wss" | "https", _)) => return Err(ConnectError::Tls(shown(trimmed, 100))),
        Some((scheme, _)) => return Err(fault(&format!("the scheme {} is not known", shown(scheme, 20)))),
    };
    let url = Url::parse(&format!("ws://{rest}")).map_err(|error| fault(&error.to_string()))?;
    if url.host_str().is_none_or(str::is_empty) { Err(fault("it names no host")) } else { Ok(url) }
}

fn connect_error(url: &str, error: &WsHandshakeError) -> ConnectError {
    let (url, reason) = (url.to_owned(), shown(&error.to_string(), 200));
    match error {
        WsHandshakeError::Timeout(_) => ConnectError::Timeout { url, seconds: CONNECT_TIMEOUT.as_secs() },
        WsHandshakeError::Io(_) | WsHandshakeError::ResolutionFailed(_) | WsHandshakeError::NoAddressFound(_) => {
            ConnectError::Unreachable { url, reason }
        }
        _ => ConnectError::Handshake { url, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_means_the_same() {
        for text in ["ws://127.0.0.1:8545", "http://127.0.0.1:8545", "127.0.0.1:8545", " http://127.0.0.1:8545/ "] {
            assert_eq!(websocket_url(text).unwrap().as_str(), "ws://127.0.0.1:8545/", "{text}");
        }
        assert_eq!(websocket_url("localhost:20").unwrap().as_str(), "ws://localhost:20/");
    }

    #[test]
    fn addresses_that_cannot_be_used_say_why() {
        let message = |text: &str| websocket_url(text).unwrap_err().to_string();
        assert!(message("https://node:8545").contains("TLS"), "{}", message("https://node:8545"));
        assert!(message("ftp://node").contains("scheme ftp is not known"));
        assert!(message("").contains("empty"));
        assert!(message("ws://").contains("host"), "{}", message("ws://"));
    }
}
