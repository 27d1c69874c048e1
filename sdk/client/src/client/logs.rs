//! What contracts told the world: past logs, and those to come.

use entente_types::{Address, BlockNumber, Hash, Log, hex_bytes};
use serde::{Deserialize, Serialize};

use super::{
    Client, QueryError, StreamError,
    unbroken::{Stopped, Unbroken},
};
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
    /// The first log of block `from` that is meant, by its place among all logs of the block; else the block's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_log: Option<u32>,
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
}

const METHOD: &str = "entente_subscribeLogs";
const UNSUBSCRIBE: &str = "entente_unsubscribeLogs";

/// A group's logs by a filter, in their order, none twice and none left out.
///
/// A reader that falls behind loses nothing: what the connection had no room for is asked for again.
#[derive(Debug)]
pub struct LogSubscription {
    notices: Unbroken<LogNotice>,
    client: Client,
    group: String,
    filter: LogFilter,
    /// The block of the log that was given last, and its place there.
    last: Option<(BlockNumber, u32)>,
}

impl LogSubscription {
    pub(super) async fn open(client: &Client, group: &str, filter: &LogFilter) -> Result<Self, QueryError> {
        let subscription = client.subscribe(METHOD, UNSUBSCRIBE, &(group, filter)).await?;
        let (client, group, filter) = (client.clone(), group.to_owned(), filter.clone());
        Ok(Self { notices: Unbroken::new(subscription), client, group, filter, last: None })
    }

    /// The next log; waits for it.
    ///
    /// # Errors
    /// After an error that is not about one notification's shape, the subscription is over.
    pub async fn next(&mut self) -> Result<LogNotice, StreamError> {
        loop {
            let url = || self.client.url().to_owned();
            match self.notices.next().await {
                Ok(notice) => {
                    self.last = Some((notice.block, notice.log_index));
                    return Ok(notice);
                }
                Err(Stopped::Unreadable(reason)) => {
                    return Err(StreamError::Answer { url: url(), reason: shown(&reason, 200) });
                }
                Err(Stopped::Lagged) => self.resume().await?,
                Err(Stopped::Ended) => {
                    return Err(match self.client.endings.take(self.notices.kind()) {
                        Some(refusal) => StreamError::Ended { url: url(), refusal },
                        None => StreamError::Lost { url: url() },
                    });
                }
            }
        }
    }

    /// Subscribes again from the last log on, where notifications came faster than they were read.
    async fn resume(&mut self) -> Result<(), StreamError> {
        let url = self.client.url().to_owned();
        if let Some(refusal) = self.client.endings.take(self.notices.kind()) {
            return Err(StreamError::Ended { url, refusal });
        }
        if let Some((block, log)) = self.last {
            self.filter.from = Some(block);
            self.filter.from_log = Some(log.saturating_add(1));
        }
        let parameters = (&self.group, &self.filter);
        let subscription =
            self.client.subscribe(METHOD, UNSUBSCRIBE, &parameters).await.map_err(|error| match error {
                QueryError::Refused { refusal, .. } => StreamError::Ended { url: url.clone(), refusal },
                _ => StreamError::Lost { url: url.clone() },
            })?;
        self.notices = Unbroken::new(subscription);
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
            from_log: Some(2),
            to: Some(9),
        };
        let (address, topic) = (Address::ZERO, Hash::ZERO);
        let expected =
            format!("{{\"address\":[\"{address}\"],\"topics\":[[],[\"{topic}\"]],\"from\":3,\"from_log\":2,\"to\":9}}");
        assert_eq!(json(&filter), expected);
    }
}
