//! What must hold once everything was put right.

use std::time::{Duration, Instant};

use entente_client::client::{BlockId, Group, NodeStatus};
use entente_types::Hash;
use tokio::time::{sleep, timeout};

use crate::{ChaosError, Fault, NODES, Run};

/// How long all nodes may take to be together again.
const TOGETHER_WAIT: Duration = Duration::from_mins(2);
/// How long each node may take to vote again.
const VOTE_WAIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(100);
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// The resident memory of a node: its caches, write buffers and compiled contracts, and what a load like this needs.
const RESIDENT_BYTES_MAX: u64 = 1536 << 20;

impl Run {
    /// A node's status; nothing where it does not answer.
    pub(crate) async fn status(&self, node: usize) -> Option<NodeStatus> {
        let group = self.group(node).await.ok()?;
        timeout(ANSWER_WAIT, group.status()).await.ok()?.ok()
    }

    /// Looks at everything. Clients rest meanwhile.
    pub(crate) async fn check(&mut self, fault: Fault) -> Result<(), ChaosError> {
        let height = self.height();
        if !self.all_reach(height + 1, fault).await {
            return Ok(());
        }
        self.all_vote(fault, height + 1).await?;
        self.clients.send(false);
        if self.all_rest(fault).await {
            self.same_blocks(fault).await?;
            self.same_tokens(fault).await?;
        }
        self.clients.send(true);
        self.memory_is_bounded();
        Ok(())
    }

    fn violated(&mut self, fault: Fault, what: &str) {
        self.report.violations.push(format!("after {fault}: {what}"));
    }

    /// All nodes are healthy and go on from where any was.
    async fn all_reach(&mut self, height: u64, fault: Fault) -> bool {
        let begun = Instant::now();
        loop {
            let mut behind = Vec::new();
            for node in 0..NODES {
                match self.status(node).await {
                    Some(status) if status.healthy && status.height >= height => {}
                    Some(status) => {
                        behind.push(format!("node{node} at {}, healthy: {}", status.height, status.healthy));
                    }
                    None => behind.push(format!("node{node} does not answer")),
                }
            }
            if behind.is_empty() {
                return true;
            }
            if begun.elapsed() > TOGETHER_WAIT {
                self.violated(fault, &format!("{height} was to be reached: {}", behind.join(", ")));
                return false;
            }
            sleep(POLL).await;
        }
    }

    /// Each node's own signature is under a header that it has: it votes.
    async fn all_vote(&mut self, fault: Fault, from: u64) -> Result<(), ChaosError> {
        for node in 0..NODES {
            let (begun, mut next) = (Instant::now(), from);
            let group = self.group(node).await?;
            loop {
                if self.voted(&group, node, next).await {
                    break;
                }
                let tip = self.status(node).await.map_or(0, |status| status.height);
                if next < tip {
                    next += 1;
                    continue;
                }
                if begun.elapsed() > VOTE_WAIT {
                    self.violated(fault, &format!("node{node} signed no header from {from} to {tip}"));
                    break;
                }
                sleep(POLL).await;
            }
        }
        Ok(())
    }

    async fn voted(&self, group: &Group, node: usize, number: u64) -> bool {
        let (Ok(Ok(Some(block))), Ok(Ok(members))) = (
            timeout(ANSWER_WAIT, group.block(BlockId::Number(number), false)).await,
            timeout(ANSWER_WAIT, group.members()).await,
        ) else {
            return false;
        };
        let place = members.sealers.iter().position(|member| Some(&member.node_id) == self.ids.get(node));
        block.certificate.votes.iter().any(|vote| Some(usize::from(vote.member)) == place)
    }

    /// All nodes have the same last block and nothing to do.
    async fn all_rest(&mut self, fault: Fault) -> bool {
        let begun = Instant::now();
        let mut before: Option<Hash> = None;
        loop {
            let mut hashes = Vec::new();
            for node in 0..NODES {
                if let Some(status) = self.status(node).await.filter(|status| status.pool.transactions == 0) {
                    hashes.push((status.hash, status.state_root));
                }
            }
            let same = hashes.len() == NODES && hashes.iter().all(|one| Some(one) == hashes.first());
            let now = hashes.first().map(|(hash, _)| *hash).filter(|_| same);
            if now.is_some() && now == before {
                return true;
            }
            before = now;
            if begun.elapsed() > TOGETHER_WAIT {
                self.violated(fault, &format!("the nodes stay apart, or transactions wait for good: {hashes:?}"));
                return false;
            }
            sleep(POLL * 3).await;
        }
    }

    /// Every node has every block that was told of, with all its transactions.
    async fn same_blocks(&mut self, fault: Fault) -> Result<(), ChaosError> {
        let last = self.height();
        let first = self.checked + 1;
        for node in 0..NODES {
            let group = self.group(node).await?;
            for number in first..=last {
                let Some((hash, _, transactions)) = self.clients.told(|told| told.blocks.get(&number).cloned()) else {
                    continue;
                };
                let found = timeout(ANSWER_WAIT, group.block(BlockId::Number(number), false)).await;
                let found = found.ok().and_then(Result::ok).flatten();
                let has: Option<(Hash, Vec<Hash>)> = found.map(|block| {
                    let hashes = block.transactions.into_iter().filter_map(|one| serde_json::from_value(one).ok());
                    (block.hash, hashes.collect())
                });
                if has.as_ref() != Some(&(hash, transactions)) {
                    let has = has.map(|(hash, _)| hash);
                    self.violated(fault, &format!("node{node} has {has:?} at {number}, and {hash} was told"));
                }
            }
        }
        self.checked = last;
        Ok(())
    }

    /// No token was made or lost.
    async fn same_tokens(&mut self, fault: Fault) -> Result<(), ChaosError> {
        for node in 0..NODES {
            let total = self.clients.total(&self.group(node).await?).await?;
            if total != self.clients.supply {
                self.violated(fault, &format!("node{node} has {total} tokens of {}", self.clients.supply));
            }
        }
        Ok(())
    }

    fn memory_is_bounded(&mut self) {
        let most = self.watch.most_resident(NODES);
        for (node, bytes) in most.iter().enumerate().filter(|(_, bytes)| **bytes > RESIDENT_BYTES_MAX) {
            self.report.violations.push(format!("node{node} had {} MiB resident", bytes >> 20));
        }
        self.report.resident_bytes_max = most;
    }
}
