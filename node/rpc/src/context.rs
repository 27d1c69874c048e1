//! What every method is handed.

use std::sync::Arc;

use entente_driver::{GroupHandle, NodeHandle, RpcConfig};
use entente_types::GroupId;
use tokio::sync::Semaphore;

use crate::{
    ethereum::{BlockPlaces, Filters, PendingFeed},
    feed::Feed,
    flow::{Limits, Rate},
    limits::{BLOCK_READERS_MAX, ROW_PROOFS_MAX, TRACES_MAX},
    metrics::Metrics,
};

/// A group and those who wait for news of it.
pub(crate) struct GroupEntry {
    pub(crate) handle: GroupHandle,
    pub(crate) feed: Arc<Feed>,
    pub(crate) rate: Rate,
    /// The transactions that were let in here.
    pub(crate) pending: PendingFeed,
    /// The filters that strangers keep here.
    pub(crate) filters: Filters,
    /// What stands before each transaction of the blocks asked about last.
    pub(crate) places: BlockPlaces,
}

/// The node behind the server, and what the server counts.
pub(crate) struct Context {
    name: String,
    groups: Vec<GroupEntry>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    pub(crate) row_proofs: Semaphore,
    /// Places for those who read whole blocks.
    pub(crate) block_readers: Arc<Semaphore>,
    /// Places for those who trace: of the threads for calls one is always left to others.
    pub(crate) traces: Semaphore,
    pub(crate) node: NodeHandle,
}

impl Context {
    pub(crate) fn new(node: &NodeHandle, config: &RpcConfig) -> Self {
        let entry = |handle: &GroupHandle| GroupEntry {
            handle: handle.clone(),
            feed: Arc::default(),
            rate: Rate::new(config.group_requests_per_second_max),
            pending: PendingFeed::default(),
            filters: Filters::default(),
            places: BlockPlaces::default(),
        };
        Self {
            name: node.name().to_owned(),
            groups: node.groups().iter().map(entry).collect(),
            metrics: Metrics::default(),
            limits: Limits::new(config),
            node: node.clone(),
            row_proofs: Semaphore::new(ROW_PROOFS_MAX),
            block_readers: Arc::new(Semaphore::new(BLOCK_READERS_MAX)),
            traces: Semaphore::new(TRACES_MAX),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn groups(&self) -> &[GroupEntry] {
        &self.groups
    }

    pub(crate) fn group(&self, id: &GroupId) -> Option<&GroupEntry> {
        self.groups.iter().find(|group| group.handle.id() == id)
    }
}
