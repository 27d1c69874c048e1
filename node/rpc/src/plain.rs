//! Plain words where the server library has only a number: unknown methods, and subscriptions without WebSocket.

use std::future::Future;

use jsonrpsee::{
    MethodResponse,
    core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    types::{ErrorObjectOwned, Request},
};
use tower::Layer;

use crate::{
    arguments::shown,
    error::{INVALID_REQUEST, NO_METHOD, RpcError},
    flow::Requester,
    table::{ABSENT, Handler, methods},
};

/// Puts [`PlainWords`] before the methods.
#[derive(Clone, Copy)]
pub(crate) struct PlainWordsLayer;

impl<S> Layer<S> for PlainWordsLayer {
    type Service = PlainWords<S>;

    fn layer(&self, inner: S) -> PlainWords<S> {
        PlainWords { inner }
    }
}

/// Refuses what would be refused without a reason.
#[derive(Clone)]
pub(crate) struct PlainWords<S> {
    inner: S,
}

/// A method that needs a WebSocket, where there is none.
pub(crate) fn over_web_socket_only(name: &str) -> RpcError {
    RpcError::new(INVALID_REQUEST, format!("{name} needs a WebSocket: connect to ws:// on the same port"))
}

fn refusal(request: &Request<'_>) -> Option<RpcError> {
    let name = request.method_name();
    for (_, method) in methods() {
        match method.handler {
            Handler::Subscription { unsubscribe, .. } if name == method.name || name == unsubscribe => {
                let over_web_socket =
                    Requester::of(request.extensions()).is_some_and(|requester| requester.outbox.is_some());
                return (!over_web_socket).then(|| over_web_socket_only(name));
            }
            _ if name == method.name => return None,
            _ => {}
        }
    }
    if let Some((_, why)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
        return Some(RpcError::new(NO_METHOD, format!("{name} is not there yet: {why}")));
    }
    Some(RpcError::new(NO_METHOD, format!("there is no method {:?}; docs/rpc.md lists them", shown(name))))
}

/// Puts errors in the place of those requests of a batch that are refused.
pub(crate) fn refuse_entries(requests: &mut Batch<'_>, refusal: impl Fn(&Request<'_>) -> Option<RpcError>) {
    for entry in requests.iter_mut() {
        let refused = match entry {
            Ok(BatchEntry::Call(request)) => refusal(request).map(|error| (request.id().clone(), error)),
            Ok(BatchEntry::Notification(_)) | Err(_) => None,
        };
        if let Some((id, error)) = refused {
            *entry = Err(BatchEntryErr::new(id, error.into()));
        }
    }
}

impl<S> RpcServiceT for PlainWords<S>
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
        let answer = match refusal(&request) {
            Some(error) => Err(MethodResponse::error(request.id(), ErrorObjectOwned::from(error))),
            None => Ok(self.inner.call(request)),
        };
        async move {
            match answer {
                Ok(answer) => answer.await,
                Err(refusal) => refusal,
            }
        }
    }

    fn batch<'a>(&self, mut requests: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        // The library answers the requests of a batch itself, without coming back here.
        refuse_entries(&mut requests, refusal);
        self.inner.batch(requests)
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}
