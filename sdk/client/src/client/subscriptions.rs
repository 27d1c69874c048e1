//! What a node tells without being asked again.

use std::time::Duration;

use entente_types::Hash;
use jsonrpsee::core::client::Subscription;
use serde::de::DeserializeOwned;

use super::{
    BlockNotice, Client, QueryError, ReceiptAnswer, StreamError, WaitError,
    unbroken::{Stopped, Unbroken},
};
use crate::limits::shown;

/// The blocks of a group, as they are committed.
#[derive(Debug)]
pub struct BlockStream<N = BlockNotice> {
    notices: Unbroken<N>,
    client: Client,
}

impl<N: DeserializeOwned> BlockStream<N> {
    /// Subscribes to a group's blocks, from the next one on.
    pub(crate) async fn open(client: &Client, group: &str) -> Result<Self, QueryError> {
        let subscription = client.subscribe("entente_subscribeBlocks", "entente_unsubscribeBlocks", &(group,)).await?;
        Ok(Self { notices: Unbroken::new(subscription), client: client.clone() })
    }

    /// The next block; waits for it.
    ///
    /// # Errors
    /// After an error that is not about one notification's shape, the subscription is over.
    pub async fn next(&mut self) -> Result<N, StreamError> {
        let stopped = match self.notices.next().await {
            Ok(notice) => return Ok(notice),
            Err(stopped) => stopped,
        };
        let url = self.client.url().to_owned();
        Err(match (stopped, self.client.endings.take(self.notices.kind())) {
            (Stopped::Unreadable(reason), _) => StreamError::Answer { url, reason: shown(&reason, 200) },
            (_, Some(refusal)) => StreamError::Ended { url, refusal },
            (Stopped::Lagged, None) => StreamError::Lagged { url },
            (Stopped::Ended, None) => StreamError::Lost { url },
        })
    }
}

/// Waits for a transaction's receipt, which the node sends once, as soon as the transaction is committed.
pub(super) async fn wait_receipt(
    client: &Client,
    group: &str,
    hash: &Hash,
    timeout: Duration,
) -> Result<ReceiptAnswer, WaitError> {
    let waiting = async {
        let mut subscription: Subscription<ReceiptAnswer> =
            client.subscribe("entente_subscribeReceipt", "entente_unsubscribeReceipt", &(group, hash)).await?;
        match subscription.next().await {
            Some(Ok(receipt)) => Ok(receipt),
            Some(Err(error)) => {
                let method = "entente_subscribeReceipt".to_owned();
                Err(QueryError::Answer { method, reason: shown(&error.to_string(), 200) })
            }
            None => {
                let lost = || {
                    let reason = "the subscription ended before the receipt came".to_owned();
                    QueryError::Lost { url: client.url().to_owned(), reason }
                };
                let refused = |refusal| QueryError::Refused { method: "entente_subscribeReceipt".to_owned(), refusal };
                Err(client.endings.take(subscription.kind()).map_or_else(lost, refused))
            }
        }
    };
    match tokio::time::timeout(timeout, waiting).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(WaitError::Timeout { hash: *hash, seconds: timeout.as_secs() }),
    }
}
