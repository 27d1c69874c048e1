//! The blocks of one group on their way to those who wait for them: each is made into JSON once, whoever listens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use entente_driver::{CommittedBlock, GroupHandle};
use entente_ledger::{BlockRecord, ReadError};
use entente_types::{BlockNumber, Hash};
use serde_json::value::RawValue;
use tokio::sync::{broadcast, oneshot};

use crate::{
    ethereum,
    limits::NOTICES_BEHIND_MAX,
    views::{Place, ReceiptView, answer, block_notice, json_answer},
};

type Waiting = HashMap<Hash, Vec<oneshot::Sender<Box<RawValue>>>>;

/// Who listens to a group.
pub(crate) struct Feed {
    notices: broadcast::Sender<Arc<RawValue>>,
    /// The Ethereum headers of blocks.
    heads: broadcast::Sender<Arc<RawValue>>,
    waiting: Mutex<Waiting>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            notices: broadcast::channel(NOTICES_BEHIND_MAX).0,
            heads: broadcast::channel(NOTICES_BEHIND_MAX).0,
            waiting: Mutex::default(),
        }
    }
}

/// Waits for one receipt; gives its place up when dropped.
pub(crate) struct ReceiptWait {
    feed: Arc<Feed>,
    hash: Hash,
    pub(crate) receiver: oneshot::Receiver<Box<RawValue>>,
}

impl Drop for ReceiptWait {
    fn drop(&mut self) {
        self.receiver.close();
        let mut waiting = self.feed.waiting();
        if let Some(senders) = waiting.get_mut(&self.hash) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.hash);
            }
        }
    }
}

impl Feed {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The notices from now on.
    pub(crate) fn notices(&self) -> broadcast::Receiver<Arc<RawValue>> {
        self.notices.subscribe()
    }

    /// The Ethereum headers from now on.
    pub(crate) fn heads(&self) -> broadcast::Receiver<Arc<RawValue>> {
        self.heads.subscribe()
    }

    /// The notices that the slowest listener has not taken yet.
    pub(crate) fn notices_waiting(&self) -> usize {
        self.notices.len().max(self.heads.len())
    }

    /// Waits for the receipt of a transaction that is committed from now on. Whoever calls this looks into the
    /// ledger afterwards, lest the block was told of just before.
    pub(crate) fn receipt(self: &Arc<Self>, hash: Hash) -> ReceiptWait {
        let (sender, receiver) = oneshot::channel();
        self.waiting().entry(hash).or_default().push(sender);
        ReceiptWait { feed: Arc::clone(self), hash, receiver }
    }

    /// Tells a notice that no block stands behind.
    #[cfg(test)]
    pub(crate) fn send_notice(&self, json: &str) {
        let notice = RawValue::from_string(json.to_owned()).unwrap();
        let _ = self.notices.send(Arc::from(notice));
    }

    fn publish(&self, group: &GroupHandle, block: &CommittedBlock) {
        if self.heads.receiver_count() > 0
            && let Ok(head) = ethereum::head_notice(group, block)
        {
            let _ = self.heads.send(Arc::from(head));
        }
        if self.notices.receiver_count() > 0
            && let Ok(notice) = json_answer(block_notice(block))
        {
            // The last listener may have gone just now: that is no fault.
            let _ = self.notices.send(Arc::from(notice));
        }
        let mut waiting = self.waiting();
        if waiting.is_empty() {
            return;
        }
        let record = &block.record;
        for (index, (hash, receipt)) in record.transaction_hashes.iter().zip(&record.receipts).enumerate() {
            let Some(senders) = waiting.remove(hash) else { continue };
            let place =
                Place { hash: *hash, block: record.block.header.number, block_hash: block.hash, index: index as u32 };
            let Ok(json) = answer(&ReceiptView::new(place, receipt)) else { continue };
            for sender in senders {
                let _ = sender.send(json.clone());
            }
        }
    }
}

/// Tells of a group's blocks, one after the other without a gap, for as long as the server runs.
pub(crate) async fn run(
    group: GroupHandle,
    feed: Arc<Feed>,
    mut blocks: broadcast::Receiver<Arc<CommittedBlock>>,
    mut next: BlockNumber,
) {
    loop {
        let block = match blocks.recv().await {
            Ok(block) => block,
            // What was missed is read from the ledger before the next block is told of.
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::warn!(group = %group.id(), missed, "block_feed_lagged");
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let number = block.record.block.header.number;
        if number < next && group.is_dev() {
            // It was taken back.
            next = number;
        }
        // A snapshot took the place of blocks that are not here.
        let oldest = group.ledger().oldest_block().min(number);
        if oldest > 1 && next < oldest {
            tracing::warn!(group = %group.id(), from = next, to = oldest - 1, "blocks_not_told");
            next = oldest;
        }
        while next < number {
            let reader = group.clone();
            let read = tokio::task::spawn_blocking(move || committed_block(&reader, next)).await;
            match read {
                Ok(Ok(Some(missed))) => feed.publish(&group, &missed),
                Ok(Ok(None)) | Err(_) => tracing::error!(group = %group.id(), next, "missed_block_not_found"),
                Ok(Err(error)) => tracing::error!(group = %group.id(), next, %error, "missed_block_unreadable"),
            }
            next += 1;
        }
        if number == next {
            feed.publish(&group, &block);
            next = number + 1;
        }
    }
}

/// A block as it was told of when it was written, made again from the ledger; its changes are not.
fn committed_block(group: &GroupHandle, number: BlockNumber) -> Result<Option<CommittedBlock>, ReadError> {
    let ledger = group.ledger();
    let suite = group.genesis().suite;
    let (Some(block), Some(receipts)) = (ledger.block(number)?, ledger.receipts(number)?) else { return Ok(None) };
    let transaction_hashes = block.transactions.iter().map(|transaction| transaction.hash(suite)).collect();
    let hash = block.header.hash(suite);
    let record = BlockRecord {
        block,
        transaction_hashes,
        receipts,
        changes: Arc::default(),
        commitment: entente_crypto::LtHash::default(),
        access: None,
    };
    Ok(Some(CommittedBlock { hash, record }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node;

    #[test]
    fn who_gives_up_waiting_leaves_nothing_behind() {
        let feed = Arc::new(Feed::default());
        let (first, second) = (feed.receipt(Hash([1; 32])), feed.receipt(Hash([1; 32])));
        drop(first);
        assert_eq!(feed.waiting().get(&Hash([1; 32])).map(Vec::len), Some(1));
        drop(second);
        assert!(feed.waiting().is_empty());
    }

    #[tokio::test]
    async fn a_gap_is_filled_from_the_ledger() {
        let (_folder, node) = node();
        let group = node.handle().groups()[0].clone();
        let feed = Arc::new(Feed::default());
        let mut notices = feed.notices();
        // Two are missing: 0, which the ledger has, and 1, which is told of.
        let (sender, blocks) = broadcast::channel(4);
        let mut told = committed_block(&group, 0).unwrap().unwrap();
        told.record.block.header.number = 1;
        sender.send(Arc::new(told)).unwrap();
        drop(sender);
        run(group.clone(), feed, blocks, 0).await;
        for number in 0..2 {
            let notice = notices.recv().await.unwrap();
            assert!(notice.get().starts_with(&format!("{{\"number\":{number},")), "{notice}");
        }
        assert!(notices.recv().await.is_err());
        tokio::task::spawn_blocking(move || node.stop()).await.unwrap();
    }
}
