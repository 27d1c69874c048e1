//! Which web pages may ask. A browser names the page's origin with each request that a page makes to another place.

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
    },
};
use hyper::Response;
use jsonrpsee::server::HttpBody;

use crate::{arguments::shown, front::plain};

/// For how many seconds a browser need not ask again.
const MAX_AGE: &str = "7200";

/// What a request's origin says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    /// No other page asks.
    None,
    /// A page that may ask; its answers name this.
    Allowed(HeaderValue),
    /// A page that may not.
    Refused(String),
}

impl Page {
    /// Reads a request's headers.
    pub(crate) fn of(headers: &HeaderMap, allowed: &[String]) -> Self {
        let Some(origin) = headers.get(ORIGIN) else { return Self::None };
        let text = origin.to_str().unwrap_or_default();
        if allowed.iter().any(|allowed| allowed == "*") {
            return Self::Allowed(HeaderValue::from_static("*"));
        }
        if allowed.iter().any(|allowed| allowed == text) {
            return Self::Allowed(origin.clone());
        }
        // A page of this very place asks no other one.
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        match text.split_once("://") {
            Some((_, page)) if Some(page) == host => Self::None,
            _ => Self::Refused(shown(text)),
        }
    }

    /// Why the page is refused, if it is.
    pub(crate) fn refusal(&self) -> Option<Response<HttpBody>> {
        let Self::Refused(origin) = self else { return None };
        let line = format!(
            "pages of {origin} may not ask this node; `rpc.cors_origins` in config.toml names those that may\n"
        );
        Some(plain(StatusCode::FORBIDDEN, line))
    }

    /// Answers a browser that asks whether a page may ask.
    pub(crate) fn preflight(&self) -> Response<HttpBody> {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        let mut response = Response::new(HttpBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        self.mark(response)
    }

    /// Says in an answer that the page may read it.
    pub(crate) fn mark(&self, mut response: Response<HttpBody>) -> Response<HttpBody> {
        if let Self::Allowed(origin) = self {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_are_named_may_ask_and_those_of_this_place() {
        let page = |origin: &'static str, allowed: &[&str]| {
            let headers = [(ORIGIN, HeaderValue::from_static(origin)), (HOST, HeaderValue::from_static("node:8545"))];
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            Page::of(&headers.into_iter().collect(), &allowed)
        };
        let allowed = |text| Page::Allowed(HeaderValue::from_static(text));
        assert_eq!(Page::of(&HeaderMap::new(), &[]), Page::None);
        assert_eq!(
            page("https://a.example", &["https://b.example", "https://a.example"]),
            allowed("https://a.example")
        );
        assert_eq!(page("https://a.example", &["*"]), allowed("*"));
        assert_eq!(page("http://node:8545", &[]), Page::None);
        for origin in ["https://a.example", "null", "http://node:8546", "https://a.example.evil", "node:8545"] {
            assert_eq!(page(origin, &["https://a.example:444"]), Page::Refused(origin.into()), "{origin}");
        }
    }
}
