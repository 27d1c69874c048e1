//! What a node tells Ethereum's tools over WebSocket.

use std::sync::Arc;

use entente_types::Hash;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionCloseResponse, SubscriptionSink};
use tokio::sync::broadcast;

use super::{parameters::Subject, syncing, transactions::anywhere};
use crate::{
    arguments::Arguments,
    context::{Context, GroupEntry},
    error::RpcError,
    limits::PENDING_NOTICES_BEHIND_MAX,
    logs::LogForm,
    outbox::Outbox,
    subscriptions::{LogReader, notify, refuse, tell_all, too_slow},
    table::Subscribed,
    views::answer,
};

/// `eth_subscribe`.
pub(crate) fn subscribe(
    context: Arc<Context>,
    arguments: Result<Arguments<'_>, RpcError>,
    pending: PendingSubscriptionSink,
    outbox: Outbox,
) -> Subscribed<'_> {
    Box::pin(async move {
        let asked = arguments.and_then(|arguments| {
            let subject = arguments.subject(0, 1)?;
            Ok((arguments.spoken_for(&context)?, subject))
        });
        match asked {
            Err(error) => refuse(pending, error).await,
            Ok((group, Subject::Heads)) => tell_all(&context, group.feed.heads(), pending, &outbox).await,
            Ok((group, Subject::Logs(filter))) => {
                let reader = LogReader::of_new_blocks(&group.handle, LogForm::Ethereum, filter);
                reader.tell(&context, pending, &outbox).await
            }
            Ok((group, Subject::Transactions { whole })) => {
                let notices = group.pending.notices();
                let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
                let told = Told { context: &context, group, whole, sink: &sink, outbox: &outbox };
                told.transactions(notices).await
            }
            Ok((group, Subject::Syncing)) => syncing::tell(&group.handle, pending, &outbox).await,
        }
    })
}

/// A subscription to transactions that are let in.
struct Told<'a> {
    context: &'a Context,
    group: &'a GroupEntry,
    whole: bool,
    sink: &'a SubscriptionSink,
    outbox: &'a Outbox,
}

impl Told<'_> {
    async fn transactions(&self, mut notices: broadcast::Receiver<Arc<[Hash]>>) -> SubscriptionCloseResponse {
        loop {
            let received = tokio::select! {
                received = notices.recv() => received,
                () = self.sink.closed() => return SubscriptionCloseResponse::None,
            };
            let hashes = match received {
                Ok(hashes) => hashes,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let why = format!("more than {PENDING_NOTICES_BEHIND_MAX} requests with transactions behind");
                    return too_slow(self.context, &why);
                }
                Err(broadcast::error::RecvError::Closed) => return SubscriptionCloseResponse::None,
            };
            for hash in hashes.iter() {
                let told = if self.whole { anywhere(&self.group.handle, *hash).await } else { answer(hash) };
                // One that is gone before it is read is not told of.
                let Some(told) = told.ok().filter(|told| told.get() != "null") else { continue };
                if !notify(self.sink, self.outbox, &told).await {
                    return SubscriptionCloseResponse::None;
                }
            }
        }
    }
}
