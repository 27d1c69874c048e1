//! What contracts told the world: past logs, and those to come.

use entente_types::{Address, BlockNumber, Hash, Log, hex_bytes};
use jsonrpsee::core::client::{Subscription, SubscriptionCloseReason};
use serde::{Deserialize, Serialize};

use super::{Client, QueryError, StreamError};
use crate::limits::shown;

/// Which logs are meant. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LogFilter {
    /// The contracts that wrote them; empty for any.
    #[serde(rename = "address", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// For each of the first topics the values it may have; an empty list for any. A log with fewer topics does not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<Vec<Hash>>,
    /// The first block. A subscription without it begins with the next block, [`Group::logs`](super::Group::logs)
    /// with `to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<BlockNumber>,
    /// The last block, for [`Group::logs`](super::Group::logs); else the last there is. A subscription has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<BlockNumber>,
}

/// A log, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogNotice {
    /// The contract.
    pub address: Address,
    /// At most four; the first is the event's signature unless the event is anonymous.
    pub topics: Vec<Hash>,
    /// The ABI-encoded rest.
    #[serde(with = "hex_bytes")]
    pub data: Vec<u8>,
    /// The number of the block.
    pub block: BlockNumber,
    /// Its hash.
    pub block_hash: Hash,
    /// The transaction's hash.
    pub transaction: Hash,
    /// Its place in the block.
    pub transaction_index: u32,
    /// The log's place among all logs of the block.
    pub log_index: u32,
}

impl LogNotice {
    /// The log by itself, as an ABI reads it.
    pub fn log(&self) -> Log {
        Log { address: self.address, topics: self.topics.clone(), data: self.data.clone() }
    }

    const fn place(&self) -> (BlockNumber, u32) {
        (self.block, self.log_index)
    }
}

const METHOD: &str = "entente_subscribeLogs";
const UNSUBSCRIBE: &str = "entente_unsubscribeLogs";

/// A group's logs by a filter, in their order, none twice and none left out.
///
/// A reader that falls behind loses nothing: what the connection had no room for is asked for again.
#[derive(Debug)]
pub struct LogSubscription {
    subscription: Subscription<LogNotice>,
    client: Client,
    group: String,
    filter: LogFilter,
    /// Where the log stands that was given last.
    last: Option<(BlockNumber, u32)>,
}

impl LogSubscription {
    pub(super) async fn open(client: &Client, group: &str, filter: &LogFilter) -> Result<Self, QueryError> {
        let subscription = client.subscribe(METHOD, UNSUBSCRIBE, &(group, filter)).await?;
        let (client, group, filter) = (client.clone(), group.to_owned(), filter.clone());
        Ok(Self { subscription, client, group, filter, last: None })
    }

    /// The next log; waits for it.
    ///
    /// # Errors
    /// After an error that is not about one notification's shape, the subscription is over.
    pub async fn next(&mut self) -> Result<LogNotice, StreamError> {
        loop {
            let received = self.subscription.next().await;
            let url = self.client.url().to_owned();
            match received {
                // Those of the last block that were given before it was asked for again.
                Some(Ok(notice)) if self.last.is_some_and(|last| notice.place() <= last) => {}
                Some(Ok(notice)) => {
                    self.last = Some(notice.place());
                    return Ok(notice);
                }
                Some(Err(error)) => return Err(StreamError::Answer { url, reason: shown(&error.to_string(), 200) }),
                None => self.resume(url).await?,
            }
        }
    }

    /// Subscribes again from the last log on, where notifications came faster than they were read.
    async fn resume(&mut self, url: String) -> Result<(), StreamError> {
        if let Some(refusal) = self.client.endings.take(self.subscription.kind()) {
            return Err(StreamError::Ended { url, refusal });
        }
        let lagged = matches!(self.subscription.close_reason(), Some(SubscriptionCloseReason::Lagged));
        let Some((block, _)) = self.last.filter(|_| lagged) else { return Err(StreamError::Lost { url }) };
        self.filter.from = Some(block);
        let parameters = (&self.group, &self.filter);
        self.subscription =
            self.client.subscribe(METHOD, UNSUBSCRIBE, &parameters).await.map_err(|error| match error {
                QueryError::Refused { refusal, .. } => StreamError::Ended { url: url.clone(), refusal },
                _ => StreamError::Lost { url: url.clone() },
            })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_only_what_it_restricts() {
        let json = |filter: &LogFilter| serde_json::to_string(filter).unwrap();
        assert_eq!(json(&LogFilter::default()), "{}");
        let filter = LogFilter {
            addresses: vec![Address::ZERO],
            topics: vec![vec![], vec![Hash::ZERO]],
            from: Some(3),
            to: Some(9),
        };
        let (address, topic) = (Address::ZERO, Hash::ZERO);
        let expected = format!("{{\"address\":[\"{address}\"],\"topics\":[[],[\"{topic}\"]],\"from\":3,\"to\":9}}");
        assert_eq!(json(&filter), expected);
    }
}
