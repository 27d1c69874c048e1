//! What a request over HTTP is for: health, metrics, JSON-RPC, or a WebSocket.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE},
};
use http_body_util::BodyExt as _;
use hyper::{Request, Response, body::Incoming};
use jsonrpsee::server::{
    HttpBody,
    http::{
        is_json,
        response::{malformed, ok_response, too_large, unsupported_content_type},
    },
};

use crate::{
    acceptor::Connection, arguments::shown, calls, context::Context, cors::Page, flow::SpokenFor,
    limits::BODY_BYTES_A_SECOND_MIN, metrics, websocket,
};

/// Answers a request.
pub(crate) async fn respond(connection: &Arc<Connection>, request: Request<Incoming>) -> Response<HttpBody> {
    connection.requests.begun();
    let is_upgrade = request.headers().contains_key(UPGRADE);
    let page = Page::of(request.headers(), &connection.shared.config.cors_origins);
    let response = match *request.method() {
        Method::OPTIONS => page.preflight(),
        Method::GET if is_upgrade => match spoken_for(connection, request.uri().path()) {
            Err(refusal) => *refusal,
            Ok(spoken_for) => match page.refusal() {
                Some(refusal) => refusal,
                // The socket is a WebSocket's from now on, and no HTTP request follows this one.
                None => return websocket::upgrade(connection, request, spoken_for),
            },
        },
        Method::GET | Method::HEAD => page.mark(answer(&connection.shared.context, request.uri().path())),
        Method::POST => match spoken_for(connection, request.uri().path()) {
            Err(refusal) => *refusal,
            Ok(spoken_for) => page.mark(call(connection, request, spoken_for).await),
        },
        ref other => {
            let line = format!("{} is not answered; JSON-RPC is POST or WebSocket\n", shown(other.as_str()));
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, line);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
            response
        }
    };
    connection.requests.ended();
    response
}

/// Whom a path speaks for: `/` for the node and its first group, `/g/NAME` for one of its groups. Where JSON-RPC is not
/// spoken, why.
fn spoken_for(connection: &Connection, path: &str) -> Result<SpokenFor, Box<Response<HttpBody>>> {
    let context = &connection.shared.context;
    let place = |name| context.groups().iter().position(|group| group.handle.id().as_str() == name);
    let names = || context.groups().iter().map(|group| group.handle.id().as_str()).collect::<Vec<_>>().join(", ");
    let line = match path.strip_prefix("/g/") {
        _ if path == "/" => return Ok(SpokenFor::default()),
        Some(name) => match place(name) {
            Some(place) => return Ok(SpokenFor(place)),
            None => format!("there is no group {} on this node; its groups are {}\n", shown(name), names()),
        },
        None => format!("nothing is at {}; JSON-RPC is at / and at /g/GROUP\n", shown(path)),
    };
    Err(Box::new(plain(StatusCode::NOT_FOUND, line)))
}

async fn call(connection: &Arc<Connection>, request: Request<Incoming>, spoken_for: SpokenFor) -> Response<HttpBody> {
    let config = &connection.shared.config;
    if !is_json(request.headers().get(CONTENT_TYPE)) {
        return unsupported_content_type();
    }
    let bytes_max = config.request_bytes_max;
    let (parts, body) = request.into_parts();
    let wait = Duration::from_millis(config.header_ms_max.into());
    let body = match read_body(&parts.headers, body, bytes_max, wait).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => return too_large(bytes_max),
        Err(BodyError::Late(wait)) => {
            connection.shared.context.metrics.slow_client_dropped();
            let line = format!("the request's body did not come within {} ms\n", wait.as_millis());
            return plain(StatusCode::REQUEST_TIMEOUT, line);
        }
        Err(BodyError::Gone) => return malformed(),
    };
    if !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return malformed();
    }
    let service = connection.shared.service(connection.id, None);
    let answer =
        calls::answer(&service, &body, config.batch_requests_max, &connection.extensions(spoken_for, None)).await;
    ok_response(answer.unwrap_or_default())
}

enum BodyError {
    TooLarge,
    /// After this time.
    Late(Duration),
    /// The connection ended.
    Gone,
}

/// Reads a body of at most so many bytes. Memory is taken for what has come, not for what is announced.
async fn read_body(
    headers: &HeaderMap,
    mut body: Incoming,
    bytes_max: u32,
    wait: Duration,
) -> Result<Vec<u8>, BodyError> {
    let bytes_max = u64::from(bytes_max);
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(BodyError::TooLarge);
    }
    let wait = wait + Duration::from_secs(announced.unwrap_or(bytes_max) / BODY_BYTES_A_SECOND_MIN);
    let read = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Gone)?.into_data() else { continue };
            if bytes.len() as u64 + data.len() as u64 > bytes_max {
                return Err(BodyError::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    };
    tokio::time::timeout(wait, read).await.unwrap_or(Err(BodyError::Late(wait)))
}

fn answer(context: &Context, path: &str) -> Response<HttpBody> {
    match path {
        "/health" => health(context),
        "/metrics" => {
            let mut response = Response::new(HttpBody::from(metrics::text(context)));
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

fn health(context: &Context) -> Response<HttpBody> {
    let group = |group: &crate::context::GroupEntry| {
        let status = group.handle.status();
        let (name, halted) = (group.handle.id().as_str().to_owned(), status.halted);
        serde_json::json!({ "group": name, "height": status.height, "healthy": halted.is_none(), "halted": halted })
    };
    let groups: Vec<serde_json::Value> = context.groups().iter().map(group).collect();
    let healthy = groups.iter().all(|group| group.get("halted").is_none_or(serde_json::Value::is_null));
    let body = serde_json::json!({ "healthy": healthy, "node": context.name(), "groups": groups });
    let mut response = Response::new(HttpBody::from(format!("{body}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.status_mut() = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    response
}

/// A line for people.
pub(crate) fn plain(status: StatusCode, line: String) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(line));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    *response.status_mut() = status;
    response
}
