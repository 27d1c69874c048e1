//! Notifications without a gap between them.

use jsonrpsee::core::client::{Subscription, SubscriptionCloseReason, SubscriptionKind};
use serde::de::DeserializeOwned;

use crate::limits::NOTIFICATIONS_MAX;

/// What a node tells in one subscription, as far as nothing is missing.
///
/// The library below drops a notification that it has no room for, and ends the subscription only a little later: those
/// that come in between and find room again are told as though nothing had been dropped. Here they are not.
#[derive(Debug)]
pub(super) struct Unbroken<N> {
    subscription: Subscription<N>,
    /// How many were taken.
    taken: usize,
    lagged: bool,
}

/// Why there is no next notification.
pub(super) enum Stopped {
    /// One was dropped, which came after all that were taken.
    Lagged,
    /// The connection is gone, or the node ended the subscription.
    Ended,
    /// It has another shape. Those after it can be read.
    Unreadable(String),
}

impl<N: DeserializeOwned> Unbroken<N> {
    pub(super) const fn new(subscription: Subscription<N>) -> Self {
        Self { subscription, taken: 0, lagged: false }
    }

    /// The next notification; waits for it.
    pub(super) async fn next(&mut self) -> Result<N, Stopped> {
        if self.lagged {
            return Err(Stopped::Lagged);
        }
        let received = self.subscription.next().await;
        // So many were taken in before the first could be dropped. Of the others one is known to stand before the gap
        // where nothing had been dropped yet after it was taken out.
        let lagged = matches!(self.subscription.close_reason(), Some(SubscriptionCloseReason::Lagged));
        self.lagged = lagged && (received.is_none() || self.taken >= NOTIFICATIONS_MAX);
        if self.lagged {
            return Err(Stopped::Lagged);
        }
        self.taken = self.taken.saturating_add(1);
        match received {
            Some(Ok(notification)) => Ok(notification),
            Some(Err(error)) => Err(Stopped::Unreadable(error.to_string())),
            None => Err(Stopped::Ended),
        }
    }

    /// What the node knows it by.
    pub(super) fn kind(&self) -> &SubscriptionKind {
        self.subscription.kind()
    }
}

#[cfg(test)]
mod tests {
    use jsonrpsee::{
        async_client::ClientBuilder,
        core::client::{ReceivedMessage, SubscriptionClientT, TransportReceiverT, TransportSenderT},
        rpc_params,
    };
    use tokio::sync::mpsc;

    use super::*;

    /// Answers the request for a subscription. Nothing else that is sent ever leaves.
    struct Sender(mpsc::UnboundedSender<String>);

    struct Receiver(mpsc::UnboundedReceiver<String>);

    impl TransportSenderT for Sender {
        type Error = std::io::Error;

        async fn send(&mut self, message: String) -> Result<(), Self::Error> {
            let request: serde_json::Value = serde_json::from_str(&message).unwrap();
            if request["method"] != "subscribe" {
                return std::future::pending().await;
            }
            let answer = serde_json::json!({ "jsonrpc": "2.0", "id": request["id"], "result": "a" });
            self.0.send(answer.to_string()).map_err(std::io::Error::other)
        }
    }

    impl TransportReceiverT for Receiver {
        type Error = std::io::Error;

        async fn receive(&mut self) -> Result<ReceivedMessage, Self::Error> {
            Ok(ReceivedMessage::Text(self.0.recv().await.ok_or_else(|| std::io::Error::other("the end"))?))
        }
    }

    #[tokio::test]
    async fn nothing_is_told_after_what_was_dropped() {
        // However many were taken before the reader falls behind.
        for before in [0, 1, 10, NOTIFICATIONS_MAX, 3 * NOTIFICATIONS_MAX] {
            let (sender, receiver) = mpsc::unbounded_channel();
            let client = ClientBuilder::new()
                .max_buffer_capacity_per_subscription(NOTIFICATIONS_MAX)
                .build_with_tokio(Sender(sender.clone()), Receiver(receiver));
            let subscription = client.subscribe::<usize, _>("subscribe", rpc_params![], "unsubscribe").await.unwrap();
            let mut unbroken = Unbroken::new(subscription);
            let tell = |number: usize| {
                let parameters = serde_json::json!({ "subscription": "a", "result": number });
                let notice = serde_json::json!({ "jsonrpc": "2.0", "method": "tells", "params": parameters });
                sender.send(notice.to_string()).unwrap();
            };
            let mut next = 0;
            while next < before {
                tell(next);
                assert!(matches!(unbroken.next().await, Ok(number) if number == next));
                next += 1;
            }
            // Two more than there is room for, then as many as find room again.
            (before..before + NOTIFICATIONS_MAX + 2).for_each(tell);
            while unbroken.subscription.close_reason().is_none() {
                tokio::task::yield_now().await;
            }
            for _ in 0..10 {
                if let Ok(number) = unbroken.next().await {
                    assert_eq!(number, next);
                    next += 1;
                }
            }
            (before + NOTIFICATIONS_MAX + 2..before + NOTIFICATIONS_MAX + 20).for_each(tell);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let stopped = loop {
                match unbroken.next().await {
                    Ok(number) => assert_eq!(number, next, "after {before}"),
                    Err(stopped) => break stopped,
                }
                next += 1;
            };
            assert!(matches!(stopped, Stopped::Lagged));
            assert!(matches!(unbroken.next().await, Err(Stopped::Lagged)), "it stays so");
            assert!(next >= NOTIFICATIONS_MAX, "{next} of those that were taken in before");
        }
    }
}
