//! Why nodes ended subscriptions. The library below drops a subscription that the node ends with an error, and the
//! error with it; so messages are looked at on their way in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jsonrpsee::{
    core::client::{ReceivedMessage, SubscriptionKind, TransportReceiverT},
    types::SubscriptionId,
};
use serde::Deserialize;

use super::NodeRefusal;
use crate::limits::{ENDING_BYTES_MAX, ENDINGS_MAX};

/// The reasons that were given on one connection and not yet asked for, by subscription.
#[derive(Debug, Clone, Default)]
pub(super) struct Endings(Arc<Mutex<HashMap<SubscriptionId<'static>, NodeRefusal>>>);

/// The last notification of a subscription that the node ends.
#[derive(Deserialize)]
struct Ending<'a> {
    #[serde(borrow)]
    params: EndingParameters<'a>,
}

#[derive(Deserialize)]
struct EndingParameters<'a> {
    #[serde(borrow)]
    subscription: SubscriptionId<'a>,
    error: EndingError,
}

#[derive(Deserialize)]
struct EndingError {
    code: i32,
    #[serde(default)]
    message: String,
}

impl Endings {
    /// Takes the reason of a subscription out.
    pub(super) fn take(&self, subscription: &SubscriptionKind) -> Option<NodeRefusal> {
        let SubscriptionKind::Subscription(id) = subscription else { return None };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Keeps the reason where the message ends a subscription.
    fn look_at(&self, message: &[u8]) {
        // Notices of blocks are long and many, endings short and few.
        if message.len() > ENDING_BYTES_MAX || !message.windows(ERROR.len()).any(|window| window == ERROR) {
            return;
        }
        let Ok(Ending { params }) = serde_json::from_slice::<Ending<'_>>(message) else { return };
        let mut endings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if endings.len() < ENDINGS_MAX {
            let refusal = NodeRefusal::new(params.error.code, &params.error.message);
            endings.insert(params.subscription.into_owned(), refusal);
        }
    }
}

const ERROR: &[u8] = b"\"error\"";

/// A receiver whose messages are looked at.
pub(super) struct Overheard<R> {
    pub(super) inner: R,
    pub(super) endings: Endings,
}

impl<R: TransportReceiverT + Send> TransportReceiverT for Overheard<R> {
    type Error = R::Error;

    async fn receive(&mut self) -> Result<ReceivedMessage, Self::Error> {
        let message = self.inner.receive().await?;
        match &message {
            ReceivedMessage::Text(text) => self.endings.look_at(text.as_bytes()),
            ReceivedMessage::Bytes(bytes) => self.endings.look_at(bytes),
            ReceivedMessage::Pong => {}
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(id: &str, message: &str) -> Vec<u8> {
        let error = serde_json::json!({ "code": -32010, "message": message });
        let parameters = serde_json::json!({ "subscription": id, "error": error });
        serde_json::json!({ "jsonrpc": "2.0", "method": "entente_blocks", "params": parameters })
            .to_string()
            .into_bytes()
    }

    fn kind(id: &str) -> SubscriptionKind {
        SubscriptionKind::Subscription(SubscriptionId::Str(id.to_owned().into()))
    }

    #[test]
    fn a_reason_is_kept_until_it_is_asked_for() {
        let endings = Endings::default();
        endings.look_at(&ending("a", "too slow"));
        endings.look_at(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":5,\"message\":\"an answer\"}}");
        endings.look_at(b"\"error\"");
        assert_eq!(endings.take(&kind("b")), None);
        assert_eq!(endings.take(&kind("a")), Some(NodeRefusal::new(-32010, "too slow")));
        assert_eq!(endings.take(&kind("a")), None);
    }

    #[test]
    fn what_a_node_can_make_a_client_keep_is_bounded() {
        let endings = Endings::default();
        endings.look_at(&ending("long", &"x".repeat(ENDING_BYTES_MAX)));
        for number in 0..ENDINGS_MAX + 10 {
            endings.look_at(&ending(&number.to_string(), "too slow"));
        }
        assert_eq!(endings.0.lock().unwrap().len(), ENDINGS_MAX);
        assert_eq!(endings.take(&kind("long")), None);
    }
}
