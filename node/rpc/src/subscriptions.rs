//! What a node tells over WebSocket without being asked again.

use std::sync::Arc;

use entente_driver::{CommittedBlock, GroupHandle};
use jsonrpsee::{PendingSubscriptionSink, SubscriptionCloseResponse, SubscriptionSink, core::SubscriptionError};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use crate::{
    arguments::Arguments,
    context::Context,
    error::{RpcError, TOO_SLOW},
    filter::Filter,
    limits::{LOG_BLOCKS_BEHIND_MAX, LOG_BYTES_AT_A_TIME, NOTICES_BEHIND_MAX},
    logs::{self, Cursor, Found, LogForm, Source},
    outbox::Outbox,
    reading::receipt_of,
    table::Subscribed,
    views::answer,
};

pub(crate) async fn refuse(pending: PendingSubscriptionSink, error: RpcError) -> SubscriptionCloseResponse {
    pending.reject(jsonrpsee::types::ErrorObjectOwned::from(error)).await;
    SubscriptionCloseResponse::None
}

/// Sends a notification once there is room for it; false where nobody is there any more.
pub(crate) async fn notify(sink: &SubscriptionSink, outbox: &Outbox, json: &RawValue) -> bool {
    let room = tokio::select! {
        room = outbox.room(json.get().len()) => room,
        () = sink.closed() => None,
    };
    room.is_some_and(|room| outbox.notify(sink, json, room))
}

/// `entente_subscribeBlocks`.
pub(crate) fn blocks(
    context: Arc<Context>,
    arguments: Result<Arguments<'_>, RpcError>,
    pending: PendingSubscriptionSink,
    outbox: Outbox,
) -> Subscribed<'_> {
    Box::pin(async move {
        let feed = match arguments.and_then(|arguments| Ok(Arc::clone(&arguments.group(&context, 0)?.feed))) {
            Ok(feed) => feed,
            Err(error) => return refuse(pending, error).await,
        };
        tell_all(&context, feed.notices(), pending, &outbox).await
    })
}

/// Tells of each block what is made for all who listen.
pub(crate) async fn tell_all(
    context: &Context,
    mut notices: broadcast::Receiver<Arc<RawValue>>,
    pending: PendingSubscriptionSink,
    outbox: &Outbox,
) -> SubscriptionCloseResponse {
    let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
    loop {
        let received = tokio::select! {
            received = notices.recv() => received,
            () = sink.closed() => return SubscriptionCloseResponse::None,
        };
        match received {
            Ok(notice) => {
                if !notify(&sink, outbox, &notice).await {
                    return SubscriptionCloseResponse::None;
                }
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                let why = format!("more than {NOTICES_BEHIND_MAX} blocks behind, {missed} were missed");
                return too_slow(context, &why);
            }
            Err(broadcast::error::RecvError::Closed) => return SubscriptionCloseResponse::None,
        }
    }
}

/// The last thing that a subscriber hears who did not keep up.
pub(crate) fn too_slow(context: &Context, why: &str) -> SubscriptionCloseResponse {
    context.metrics.subscriber_dropped();
    tracing::warn!(why, "slow_subscriber_dropped");
    end(&RpcError::new(TOO_SLOW, format!("{why}; the subscription has ended: subscribe again")))
}

/// Ends a subscription with a reason.
fn end(error: &RpcError) -> SubscriptionCloseResponse {
    let told = answer(&serde_json::json!({ "code": error.code, "message": error.message }));
    match told {
        Ok(json) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(json)),
        Err(error) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from(error.message)),
    }
}

/// `entente_subscribeLogs`.
pub(crate) fn logs(
    context: Arc<Context>,
    arguments: Result<Arguments<'_>, RpcError>,
    pending: PendingSubscriptionSink,
    outbox: Outbox,
) -> Subscribed<'_> {
    Box::pin(async move {
        let read = arguments.and_then(|arguments| {
            let group = arguments.group(&context, 0)?.handle.clone();
            let filter = arguments.filter(1)?;
            // Heard of before the tip is read: whatever is above it is told of.
            let blocks = group.blocks();
            let block = first_block(&filter, group.ledger().tip().number)?;
            let cursor = Cursor { block, log: filter.from_log };
            Ok(LogReader { group, form: LogForm::Entente, filter: Arc::new(filter), blocks, cursor })
        });
        match read {
            Ok(reader) => reader.tell(&context, pending, &outbox).await,
            Err(error) => refuse(pending, error).await,
        }
    })
}

/// The block that a subscription to logs begins with.
fn first_block(filter: &Filter, tip: u64) -> Result<u64, RpcError> {
    if let Some(to) = filter.to {
        return Err(RpcError::parameters(format!("`filter.to` is {to}; a subscription has no last block")));
    }
    let from = filter.from.unwrap_or(tip.saturating_add(1));
    if tip.saturating_sub(from) > LOG_BLOCKS_BEHIND_MAX {
        let first = tip - LOG_BLOCKS_BEHIND_MAX;
        return Err(RpcError::parameters(format!(
            "`filter.from` is {from}; a subscription begins at block {first} or later, {LOG_BLOCKS_BEHIND_MAX} behind \
             the last: read older ones with entente_logs"
        )));
    }
    Ok(from)
}

/// Reads a group's logs by a filter: what is on disk first, then what comes. Of all that only a place is kept.
pub(crate) struct LogReader {
    group: GroupHandle,
    form: LogForm,
    filter: Arc<Filter>,
    blocks: broadcast::Receiver<Arc<CommittedBlock>>,
    cursor: Cursor,
}

impl LogReader {
    /// One that begins with the next block.
    pub(crate) fn of_new_blocks(group: &GroupHandle, form: LogForm, filter: Filter) -> Self {
        // Heard of before the tip is read: whatever is above it is told of.
        let blocks = group.blocks();
        let cursor = Cursor::block(group.ledger().tip().number.saturating_add(1));
        Self { group: group.clone(), form, filter: Arc::new(filter), blocks, cursor }
    }

    /// Begins a subscription, and tells of the logs for as long as it lives.
    pub(crate) async fn tell(
        mut self,
        context: &Context,
        pending: PendingSubscriptionSink,
        outbox: &Outbox,
    ) -> SubscriptionCloseResponse {
        let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
        let ending = tokio::select! {
            ending = self.run(context, &sink, outbox) => ending,
            () = sink.closed() => None,
        };
        match ending {
            None => SubscriptionCloseResponse::None,
            Some(error) if error.code == TOO_SLOW => too_slow(context, &error.message),
            Some(error) => end(&error),
        }
    }

    /// Runs until nobody listens any more, or there is a reason to end.
    async fn run(&mut self, context: &Context, sink: &SubscriptionSink, outbox: &Outbox) -> Option<RpcError> {
        loop {
            match self.step(context, sink, outbox).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(error),
            }
        }
    }

    async fn step(&mut self, context: &Context, sink: &SubscriptionSink, outbox: &Outbox) -> Result<bool, RpcError> {
        let tip = self.group.ledger().tip().number;
        if self.cursor.block > tip || (self.cursor.block == tip && !self.blocks.is_empty() && self.cursor.log == 0) {
            return self.hear(sink, outbox).await;
        }
        let behind = tip - self.cursor.block;
        if behind > LOG_BLOCKS_BEHIND_MAX {
            return Err(RpcError::new(TOO_SLOW, format!("{behind} blocks behind, more than {LOG_BLOCKS_BEHIND_MAX}")));
        }
        // First the room, then what fills it.
        let Some(room) = outbox.room(LOG_BYTES_AT_A_TIME).await else { return Ok(false) };
        let place = Arc::clone(&context.block_readers).acquire_owned().await;
        let (group, filter, form, cursor) = (self.group.clone(), Arc::clone(&self.filter), self.form, self.cursor);
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            logs::read_on(logs::Reader { group: &group, filter: &filter, form }, cursor)
        });
        // Only a runtime that ends gives up what it has begun.
        let Ok(read) = read.await else { return Ok(false) };
        let (found, next) = read?;
        self.cursor = next;
        Ok(send_all(sink, outbox, found, room))
    }

    /// Takes the next block from memory, where it is the one that is due.
    async fn hear(&mut self, sink: &SubscriptionSink, outbox: &Outbox) -> Result<bool, RpcError> {
        let block = match self.blocks.recv().await {
            Ok(block) => block,
            // What was missed is on disk.
            Err(broadcast::error::RecvError::Lagged(_)) => return Ok(true),
            Err(broadcast::error::RecvError::Closed) => return Ok(false),
        };
        let (record, number) = (&block.record, block.record.block.header.number);
        if number != self.cursor.block || self.cursor.log != 0 {
            return Ok(true);
        }
        if !logs::any(&self.filter, &record.receipts) {
            self.cursor = Cursor::block(number.saturating_add(1));
            return Ok(true);
        }
        let Some(room) = outbox.room(LOG_BYTES_AT_A_TIME).await else { return Ok(false) };
        let hashes = |index: usize| record.transaction_hashes.get(index).copied();
        let (form, header) = (self.form, &record.block.header);
        let source = Source {
            form,
            number,
            hash: if form == LogForm::Entente { block.hash } else { header.ethereum_hash },
            timestamp_ms: header.timestamp_ms,
            receipts: &record.receipts,
            hashes: &hashes,
        };
        let mut found = Found::default();
        self.cursor = logs::collect(&self.filter, &source, 0, LOG_BYTES_AT_A_TIME, &mut found)?;
        Ok(send_all(sink, outbox, found, room))
    }
}

/// Sends notifications in room that was waited for; false where nobody is there any more.
fn send_all(sink: &SubscriptionSink, outbox: &Outbox, found: Found, mut room: OwnedSemaphorePermit) -> bool {
    found.logs.into_iter().all(|log| {
        let bytes = log.len().min(room.num_permits());
        let Some(part) = room.split(bytes) else { return false };
        RawValue::from_string(log).is_ok_and(|json| outbox.notify(sink, &json, part))
    })
}

/// `entente_subscribeReceipt`.
pub(crate) fn receipt(
    context: Arc<Context>,
    arguments: Result<Arguments<'_>, RpcError>,
    pending: PendingSubscriptionSink,
    outbox: Outbox,
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
            notify(&sink, &outbox, &known).await;
            return SubscriptionCloseResponse::None;
        }
        tokio::select! {
            received = &mut wait.receiver => if let Ok(json) = received {
                notify(&sink, &outbox, &json).await;
            },
            () = sink.closed() => {}
        }
        SubscriptionCloseResponse::None
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{frames::Frame, limits::NOTICE_BYTES_WAITING_MAX, testing::Local};

    #[tokio::test]
    async fn a_slow_subscriber_is_told_and_dropped() {
        let mut local = Local::new();
        let answer = local.ask("entente_subscribeBlocks", "[1]").await;
        assert!(answer["result"].is_number(), "{answer}");
        local.from_library.recv().await.unwrap();
        // Two notices fill the room; nobody reads.
        let feed = &local.context.groups()[0].feed;
        let long = "x".repeat(NOTICE_BYTES_WAITING_MAX / 2);
        for number in 0..NOTICES_BEHIND_MAX + 10 {
            feed.send_notice(&format!("{{\"number\":{number},\"long\":\"{long}\"}}"));
            tokio::task::yield_now().await;
        }
        let text = |frame: &Frame| match frame {
            Frame::Text(text) => serde_json::from_str::<Value>(text).unwrap(),
            other => panic!("{other:?}"),
        };
        let first = local.queue.recv().await.unwrap();
        assert_eq!(text(&first.frame)["params"]["result"]["number"], json!(0));
        assert!(local.queue.try_recv().is_err(), "there is no room for a second one");
        drop(first);
        let second = local.queue.recv().await.unwrap();
        assert_eq!(text(&second.frame)["params"]["result"]["number"], json!(1));
        let last: Value = serde_json::from_str(local.from_library.recv().await.unwrap().get()).unwrap();
        let error = &last["params"]["error"];
        assert_eq!(error["code"], json!(TOO_SLOW));
        assert!(error["message"].as_str().unwrap().starts_with("more than 64 blocks behind, "), "{error}");
        assert!(crate::metrics::text(&local.context).contains("entente_rpc_subscribers_dropped_total 1\n"));
        local.stop().await;
    }
}
