//! What a node tells over WebSocket without being asked again.

use std::sync::Arc;

use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionCloseResponse, SubscriptionSink,
    core::{SubscriptionError, server::SubscriptionMessage},
    types::ErrorObjectOwned,
};
use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::{
    arguments::Arguments,
    context::Context,
    error::{RpcError, TOO_SLOW},
    limits::NOTICES_BEHIND_MAX,
    reading::receipt_of,
    table::Subscribed,
    views::answer,
};

async fn refuse(pending: PendingSubscriptionSink, error: RpcError) -> SubscriptionCloseResponse {
    pending.reject(ErrorObjectOwned::from(error)).await;
    SubscriptionCloseResponse::None
}

/// Sends a notification; false where nobody is there any more.
async fn notify(sink: &SubscriptionSink, json: &RawValue) -> bool {
    let Ok(message) = SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), &json) else { return false };
    sink.send(message).await.is_ok()
}

/// `entente_subscribeBlocks`.
pub(crate) fn blocks(
    context: Arc<Context>,
    arguments: Result<Arguments<'_>, RpcError>,
    pending: PendingSubscriptionSink,
) -> Subscribed<'_> {
    Box::pin(async move {
        let feed = match arguments.and_then(|arguments| Ok(Arc::clone(&arguments.group(&context, 0)?.feed))) {
            Ok(feed) => feed,
            Err(error) => return refuse(pending, error).await,
        };
        let mut notices = feed.notices();
        let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
        loop {
            let received = tokio::select! {
                received = notices.recv() => received,
                () = sink.closed() => return SubscriptionCloseResponse::None,
            };
            match received {
                Ok(notice) => {
                    if !notify(&sink, &notice).await {
                        return SubscriptionCloseResponse::None;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => return too_slow(&context, missed),
                Err(broadcast::error::RecvError::Closed) => return SubscriptionCloseResponse::None,
            }
        }
    })
}

/// The last thing that a subscriber hears who did not keep up.
fn too_slow(context: &Context, missed: u64) -> SubscriptionCloseResponse {
    context.metrics.subscriber_dropped();
    tracing::warn!(missed, "slow_subscriber_dropped");
    let message = format!(
        "more than {NOTICES_BEHIND_MAX} blocks behind, {missed} were missed; the subscription has ended: subscribe again"
    );
    let error = answer(&serde_json::json!({ "code": TOO_SLOW, "message": message }));
    match error {
        Ok(json) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(json)),
        Err(error) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from(error.message)),
    }
}

/// `entente_subscribeReceipt`.
pub(crate) fn receipt(
    context: Arc<Context>,
    arguments: Result<Arguments<'_>, RpcError>,
    pending: PendingSubscriptionSink,
) -> Subscribed<'_> {
    Box::pin(async move {
        let read = arguments.and_then(|arguments| {
            let group = arguments.group(&context, 0)?;
            let hash = arguments.hash(1)?;
            // First the place among those who wait, then the look into the ledger: no block falls in between.
            let wait = group.feed.receipt(hash);
            Ok((wait, receipt_of(&group.handle, hash)?))
        });
        let (mut wait, known) = match read {
            Ok(read) => read,
            Err(error) => return refuse(pending, error).await,
        };
        let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
        if known.get() != "null" {
            notify(&sink, &known).await;
            return SubscriptionCloseResponse::None;
        }
        tokio::select! {
            received = &mut wait.receiver => if let Ok(json) = received {
                notify(&sink, &json).await;
            },
            () = sink.closed() => {}
        }
        SubscriptionCloseResponse::None
    })
}

#[cfg(test)]
mod tests {
    use entente_driver::RpcConfig;
    use serde_json::{Value, json};

    use super::*;
    use crate::{server::module, testing::node};

    #[tokio::test]
    async fn a_slow_subscriber_is_told_and_dropped() {
        let (_folder, node) = node();
        let context = Arc::new(Context::new(node.handle(), &RpcConfig::default()));
        let module = module(Arc::clone(&context)).unwrap();
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "entente_subscribeBlocks", "params": [1] });
        // One message may wait; nobody reads.
        let (_, mut messages) = module.raw_json_request(&request.to_string(), 1).await.unwrap();
        let feed = &context.groups()[0].feed;
        for number in 0..NOTICES_BEHIND_MAX + 10 {
            feed.send_notice(&format!("{{\"number\":{number}}}"));
            tokio::task::yield_now().await;
        }
        let mut told = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(std::time::Duration::from_secs(5), messages.recv()).await {
            let message: Value = serde_json::from_str(message.get()).unwrap();
            let last = message["params"].get("error").is_some();
            told.push(message);
            if last {
                break;
            }
        }
        let error = &told.last().unwrap()["params"]["error"];
        assert_eq!(error["code"], json!(TOO_SLOW));
        assert!(error["message"].as_str().unwrap().starts_with("more than 64 blocks behind, "), "{error}");
        assert_eq!(told[0]["params"]["result"]["number"], json!(0));
        assert!(crate::metrics::text(&context).contains("entente_rpc_subscribers_dropped_total 1\n"));
        tokio::task::spawn_blocking(move || node.stop()).await.unwrap();
    }
}
