//! Whether a node is behind its group, and how those hear of it who asked to be told.

use std::time::Duration;

use entente_driver::GroupHandle;
use entente_types::BlockNumber;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionCloseResponse};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    sync::broadcast,
    time::{MissedTickBehavior, interval},
};

use super::quantity::Quantity;
use crate::{outbox::Outbox, subscriptions::notify, views::answer};

/// Others have a block a moment earlier: that is no lag.
const AHEAD: u64 = 2;
/// How often a subscription looks where no block comes: a node that falls behind has none to tell of it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far a node is that is behind its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Syncing {
    #[serde(rename = "startingBlock")]
    starting: Quantity,
    #[serde(rename = "currentBlock")]
    current: Quantity,
    #[serde(rename = "highestBlock")]
    highest: Quantity,
}

impl Syncing {
    /// How far the node is with a group; nothing where it is not behind.
    pub(super) fn of(group: &GroupHandle) -> Option<Self> {
        let status = group.status();
        Self::at(status.height, status.best_peer_height)
    }

    /// The same at this height, where the best of the others has that one.
    fn at(height: BlockNumber, best: BlockNumber) -> Option<Self> {
        (best > height.saturating_add(AHEAD)).then_some(Self {
            starting: Quantity(0),
            current: Quantity(height),
            highest: Quantity(best),
        })
    }
}

/// What a subscriber was told last; before that, that the node is not behind.
#[derive(Debug, Default)]
struct Told {
    is_syncing: bool,
}

impl Told {
    /// What is to be told of how the node stands now, in go-ethereum's form: that it began to sync, or that this is
    /// over.
    fn change(&mut self, now: Option<Syncing>) -> Option<Value> {
        let was_syncing = std::mem::replace(&mut self.is_syncing, now.is_some());
        match (was_syncing, now) {
            (false, Some(status)) => Some(json!({ "syncing": true, "status": status })),
            (true, None) => Some(json!(false)),
            (false, None) | (true, Some(_)) => None,
        }
    }
}

/// Tells a subscriber when the node begins to sync, and when that is over. How it stands is read anew each time, so
/// nobody can be too slow for it.
pub(super) async fn tell(
    group: &GroupHandle,
    pending: PendingSubscriptionSink,
    outbox: &Outbox,
) -> SubscriptionCloseResponse {
    let mut blocks = group.blocks();
    let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
    let mut told = Told::default();
    // The first look is at once.
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            received = blocks.recv() => if let Err(broadcast::error::RecvError::Closed) = received {
                return SubscriptionCloseResponse::None;
            },
            () = sink.closed() => return SubscriptionCloseResponse::None,
        }
        let Some(change) = told.change(Syncing::of(group)) else { continue };
        let Ok(json) = answer(&change) else { continue };
        if !notify(&sink, outbox, &json).await {
            return SubscriptionCloseResponse::None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_or_two_are_no_lag() {
        for best in [0, 5, 6, 7] {
            assert_eq!(Syncing::at(5, best), None, "{best}");
        }
        let found = serde_json::to_value(Syncing::at(5, 8)).unwrap();
        assert_eq!(found, json!({ "startingBlock": "0x0", "currentBlock": "0x5", "highestBlock": "0x8" }));
        assert_eq!(Syncing::at(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn each_beginning_and_each_end_is_told_once() {
        let status = |height: u64| Syncing::at(height, 20);
        let begun = |height: &str| {
            let status = json!({ "startingBlock": "0x0", "currentBlock": height, "highestBlock": "0x14" });
            Some(json!({ "syncing": true, "status": status }))
        };
        let mut told = Told::default();
        for (now, expected) in [
            (None, None),
            (status(3), begun("0x3")),
            (status(9), None),
            (status(17), None),
            (status(18), Some(json!(false))),
            (status(20), None),
            (status(10), begun("0xa")),
            (None, Some(json!(false))),
        ] {
            assert_eq!(told.change(now), expected, "{now:?}");
        }
        // One that syncs when somebody begins to listen is told of at once.
        assert_eq!(Told::default().change(status(0)), begun("0x0"));
    }
}
