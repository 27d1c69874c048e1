//! What stands before JSON-RPC on the same port: health, metrics, and the count of connections.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, UPGRADE},
};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use tokio::sync::OwnedSemaphorePermit;
use tower::Service;

use crate::{arguments::shown, context::Context, flow::ConnectionWork, metrics, plain::OverWebSocket};

/// Counts a connection for as long as anything of it is left.
struct OpenConnection {
    context: Arc<Context>,
    work: Arc<ConnectionWork>,
    _place: OwnedSemaphorePermit,
}

impl OpenConnection {
    fn new(context: Arc<Context>, work: Arc<ConnectionWork>, place: OwnedSemaphorePermit) -> Self {
        context.metrics.connection_opened();
        Self { context, work, _place: place }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.context.metrics.connection_closed();
    }
}

/// Answers GET requests; hands everything else on.
#[derive(Clone)]
pub(crate) struct Front<S> {
    inner: S,
    context: Arc<Context>,
    connection: Arc<OpenConnection>,
}

impl<S> Front<S> {
    /// Stands before the service of one connection, which has this place among the open ones.
    pub(crate) fn new(
        inner: S,
        context: &Arc<Context>,
        work: Arc<ConnectionWork>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let connection = Arc::new(OpenConnection::new(Arc::clone(context), work, place));
        Self { inner, context: Arc::clone(context), connection }
    }
}

impl<S, B> Service<HttpRequest<B>> for Front<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, S::Error>> + Send>>;

    fn poll_ready(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: HttpRequest<B>) -> Self::Future {
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        if get && !request.headers().contains_key(UPGRADE) {
            let response = answer(&self.context, request.uri().path());
            return Box::pin(async move { Ok(response) });
        }
        if request.uri().path() != "/" {
            let path = shown(request.uri().path());
            let response = plain(StatusCode::NOT_FOUND, format!("nothing is at {path}; JSON-RPC is at /\n"));
            return Box::pin(async move { Ok(response) });
        }
        // A WebSocket keeps its request's extensions until it closes, long after this service is gone.
        request.extensions_mut().insert(Arc::clone(&self.connection));
        request.extensions_mut().insert(Arc::clone(&self.connection.work));
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(OverWebSocket);
        }
        Box::pin(self.inner.call(request))
    }
}

fn answer(context: &Context, path: &str) -> HttpResponse {
    match path {
        "/health" => health(context),
        "/metrics" => {
            let mut response = HttpResponse::new(HttpBody::from(metrics::text(context)));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            format!(
                "nothing is at {}; GET has /health and /metrics, and JSON-RPC is POST or WebSocket at /\n",
                shown(path)
            ),
        ),
    }
}

fn health(context: &Context) -> HttpResponse {
    let group = |group: &crate::context::GroupEntry| {
        let status = group.handle.status();
        let (name, halted) = (group.handle.id().as_str().to_owned(), status.halted);
        serde_json::json!({ "group": name, "height": status.height, "healthy": halted.is_none(), "halted": halted })
    };
    let groups: Vec<serde_json::Value> = context.groups().iter().map(group).collect();
    let healthy = groups.iter().all(|group| group.get("halted").is_none_or(serde_json::Value::is_null));
    let body = serde_json::json!({ "healthy": healthy, "node": context.name(), "groups": groups });
    let mut response = HttpResponse::new(HttpBody::from(format!("{body}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.status_mut() = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    response
}

fn plain(status: StatusCode, line: String) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(line));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    *response.status_mut() = status;
    response
}
