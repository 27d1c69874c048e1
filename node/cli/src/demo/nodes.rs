//! The nodes of the demo: started together, asked together, stopped together.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use entente_client::client::{Client, NodeStatus};
use entente_types::{BlockNumber, Hash};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::GROUP;
use crate::{
    chain::processes::{Launched, WHILE_STDIN_OPEN, launch},
    output::Failure,
    progress::Progress,
    runtime::block_on,
};

/// How long the nodes may take to find one another, and to reach the same height.
const TOGETHER_WAIT: Duration = Duration::from_mins(1);
/// How often they are asked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What was started and must be stopped, whatever happens.
#[derive(Debug, Default)]
pub(super) struct Stage {
    nodes: Mutex<Vec<Launched>>,
}

impl Stage {
    /// Starts the nodes of these folders: their addresses, once they answer and are connected with one another.
    pub(super) fn start(&self, folders: &[PathBuf], progress: &Progress) -> Result<Vec<String>, Failure> {
        progress.set("starting the nodes", 0, None);
        for folder in folders {
            // A node holds the other end of a pipe: it stops even if this process is killed.
            let launched = launch(folder, Stdio::piped(), &[WHILE_STDIN_OPEN])?;
            self.nodes.lock().unwrap_or_else(PoisonError::into_inner).push(launched);
        }
        let mut urls = Vec::new();
        for launched in self.nodes.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            urls.push(format!("ws://{}", launched.wait_until_it_answers()?));
        }
        let others = folders.len().saturating_sub(1) as u64;
        let connected = |status: &NodeStatus| {
            status.more.get("peers").and_then(serde_json::Value::as_u64).is_some_and(|peers| peers >= others)
        };
        let what = "the nodes did not find one another";
        block_on(until(&urls, what, |all| all.iter().all(connected)))?;
        Ok(urls)
    }

    /// Stops the nodes that run, all at once; whether all ended as they should.
    pub(super) fn stop(&self) -> bool {
        let mut nodes = std::mem::take(&mut *self.nodes.lock().unwrap_or_else(PoisonError::into_inner));
        nodes.iter().for_each(Launched::ask_to_stop);
        // Each, whatever became of those before.
        let ended: Vec<bool> = nodes.iter_mut().map(Launched::stop).collect();
        ended.into_iter().all(|cleanly| cleanly)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks all nodes until what they say is as it should be.
async fn until(urls: &[String], what: &str, holds: impl Fn(&[NodeStatus]) -> bool) -> Result<Vec<NodeStatus>, Failure> {
    let deadline = Instant::now() + TOGETHER_WAIT;
    loop {
        let mut all = Vec::with_capacity(urls.len());
        for url in urls {
            all.push(Client::connect(url).await?.group(GROUP).await?.status().await?);
        }
        if holds(&all) {
            return Ok(all);
        }
        if Instant::now() > deadline {
            let words: Vec<String> =
                all.iter().map(|one| format!("height {}, {}", one.height, one.state_root)).collect();
            let seconds = TOGETHER_WAIT.as_secs();
            return Err(Failure::new(format!("{what} within {seconds} s: {}", words.join("; "))));
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// What went over the wire for a node, as `entente_network` tells it.
#[derive(Debug, Default, Deserialize)]
struct NetworkAnswer {
    peers: Vec<serde_json::Value>,
    traffic: Vec<TrafficAnswer>,
}

#[derive(Debug, Deserialize)]
struct TrafficAnswer {
    class: String,
    direction: String,
    messages: u64,
    bytes: u64,
    #[serde(default)]
    unpacked_bytes: u64,
}

/// A node as it stands at the end.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NodeShown {
    pub(super) name: String,
    pub(super) height: BlockNumber,
    pub(super) state_root: Hash,
    pub(super) peers: usize,
    pub(super) messages_sent: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// What it received, unpacked.
    pub(super) unpacked_bytes: u64,
    /// Bytes sent by class: consensus, transactions, sync.
    pub(super) by_class: Vec<(String, u64)>,
}

/// Waits until all nodes have the same last block with the same state: what each says then.
pub(super) fn together(folders: &[PathBuf], urls: &[String], progress: &Progress) -> Result<Vec<NodeShown>, Failure> {
    progress.set("comparing the nodes", 0, None);
    block_on(async {
        let same = |all: &[NodeStatus]| {
            all.windows(2).all(|two| match two {
                [one, other] => (one.height, one.hash, one.state_root) == (other.height, other.hash, other.state_root),
                _ => true,
            }) && all.iter().all(|one| one.pool.transactions == 0)
        };
        let all = until(urls, "the nodes do not have the same last block", same).await?;
        let mut shown = Vec::with_capacity(all.len());
        for ((folder, url), status) in folders.iter().zip(urls).zip(all) {
            let client = Client::connect(url).await?;
            let answer: NetworkAnswer = client.request("entente_network", &[GROUP]).await?;
            shown.push(shown_of(folder, &status, &answer));
        }
        Ok(shown)
    })
}

fn shown_of(folder: &Path, status: &NodeStatus, network: &NetworkAnswer) -> NodeShown {
    let sum = |direction: &str, of: &dyn Fn(&TrafficAnswer) -> u64| {
        network.traffic.iter().filter(|traffic| traffic.direction == direction).map(of).sum::<u64>()
    };
    let sent = network.traffic.iter().filter(|traffic| traffic.direction == "sent");
    NodeShown {
        name: crate::chain::name(folder),
        height: status.height,
        state_root: status.state_root,
        peers: network.peers.len(),
        messages_sent: sum("sent", &|traffic| traffic.messages),
        bytes_sent: sum("sent", &|traffic| traffic.bytes),
        bytes_received: sum("received", &|traffic| traffic.bytes),
        unpacked_bytes: sum("received", &|traffic| traffic.unpacked_bytes),
        by_class: sent.map(|traffic| (traffic.class.clone(), traffic.bytes)).collect(),
    }
}
