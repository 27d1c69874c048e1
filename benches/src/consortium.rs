//! What four nodes send one another, and how they bear the loss of one.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use entente_client::{
    client::{BlockId, BlockStream, Client, Group, SignedTransaction},
    keystore::Account,
};
use entente_crypto::Suite;
use entente_types::Address;
use serde::Deserialize;
use tokio::{runtime::Runtime, sync::mpsc, time::timeout};

use crate::{
    ChainRun, WorkloadError,
    chain::{RunningNode, wrong},
    recoveries_per_second,
};

const GROUP: &str = "group1";
/// The gas of a transaction. Whoever calls what is not there uses it all, and a block has room for all of them.
const GAS: u64 = 100_000;
/// Bytes of the transactions of a measured block.
const BLOCK_BYTES: usize = 1_000_000;
/// A block counts as the measured one if it has so many of a hundred of the transactions.
const MOST_PERCENT: usize = 90;
/// How often is tried to get one such block.
const TRIES: usize = 20;
/// Where one block is to have all transactions that come within a while: the least time between two proposals of a node,
/// and that nobody wants another proposer meanwhile.
const PATIENT: &[(&str, &str)] =
    &[("interval_ms_min = 10", "interval_ms_min = 5000"), ("view_timeout_ms = 1000", "view_timeout_ms = 30000")];
/// How long until any node may propose at once, whoever proposed last.
const FREE_AGAIN: Duration = Duration::from_millis(5_200);
/// How long anything may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_mins(1);
/// Transactions of the stream that runs while a node is killed: in a batch, and the time between two.
const STREAM_BATCH: usize = 20;
const STREAM_PAUSE: Duration = Duration::from_millis(20);
/// For how many blocks a transaction is valid, and for how many batches that stays the same.
const VALIDITY_BLOCKS: u64 = 500;
const VALIDITY_TURNS: usize = 10;
/// Seconds of load before a fresh node takes all of it in, and the accounts that it is between.
const REPLAY_SECONDS: u32 = 20;
const REPLAY_ACCOUNTS: u32 = 20_000;
/// How long the stream runs before and after.
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(15);

/// A node that is spoken to.
struct Peer {
    client: Client,
    group: Group,
}

#[derive(Deserialize)]
struct NetworkAnswer {
    traffic: Vec<Traffic>,
}

#[derive(Deserialize)]
struct Traffic {
    direction: String,
    bytes: u64,
}

impl Peer {
    async fn connect(node: &RunningNode) -> Result<Self, WorkloadError> {
        let client = Client::connect(&node.rpc).await.map_err(|error| wrong(&error))?;
        let group = client.group(GROUP).await.map_err(|error| wrong(&error))?;
        Ok(Self { client, group })
    }

    /// The bytes that it has sent to other nodes in the group.
    async fn sent(&self) -> Result<u64, WorkloadError> {
        let answer: NetworkAnswer =
            self.client.request("entente_network", &[GROUP]).await.map_err(|error| wrong(&error))?;
        Ok(answer.traffic.iter().filter(|traffic| traffic.direction == "sent").map(|traffic| traffic.bytes).sum())
    }

    async fn send(&self, transactions: &[SignedTransaction]) -> Result<(), WorkloadError> {
        let results = self.group.send_many(transactions).await.map_err(|error| wrong(&error))?;
        results.into_iter().find_map(Result::err).map_or(Ok(()), |refusal| Err(wrong(&refusal)))
    }
}

/// Transactions of so many bytes together; whom they call is not there.
fn signed(
    group: &Group,
    account: &Account,
    height: u64,
    bytes: usize,
) -> Result<Vec<SignedTransaction>, WorkloadError> {
    let mut all = Vec::new();
    let mut sum = 0;
    while sum < bytes {
        // As long as a token transfer's.
        let transaction = transaction(group, account, height + VALIDITY_BLOCKS, vec![7; 68])?;
        sum += transaction.bytes.len();
        all.push(transaction);
    }
    Ok(all)
}

fn transaction(
    group: &Group,
    account: &Account,
    valid_until: u64,
    input: Vec<u8>,
) -> Result<SignedTransaction, WorkloadError> {
    let transaction = group.transaction_at(valid_until, account.address(), Some(Address([9; 20])), input, GAS);
    transaction.and_then(|transaction| group.sign(transaction, account)).map_err(|error| wrong(&error))
}

fn runtime() -> Result<Runtime, WorkloadError> {
    Runtime::new().map_err(|error| wrong(&error))
}

fn account() -> Result<Account, WorkloadError> {
    Account::random(Suite::Standard).map_err(|error| wrong(&error))
}

/// What the proposer of a block of a megabyte sends from when clients hand its transactions to the nodes, each to one of
/// them in equal parts, until all have it, against the mean of the others: one figure for each such block.
///
/// Which block gets how many is up to the chain: what is small is not counted.
///
/// # Errors
/// The nodes fail, or make no such block.
pub fn bytes_of_a_proposer(binary: &Path, rounds: usize) -> Result<Vec<f64>, WorkloadError> {
    let chain = ChainRun::start_with(binary, 4, PATIENT)?;
    runtime()?.block_on(async {
        let mut peers = Vec::new();
        for node in chain.nodes() {
            peers.push(Peer::connect(node).await?);
        }
        let account = account()?;
        let (mut ratios, mut largest) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            match block_of_a_megabyte(&peers, &account).await? {
                Made::Megabyte(ratio) => ratios.push(ratio),
                Made::Smaller(percent) => largest.push(percent),
            }
            if ratios.len() == rounds {
                return Ok(ratios);
            }
        }
        Err(wrong(&format_args!(
            "{} of {rounds} blocks had a megabyte in {TRIES} tries; the largest of the others had {largest:?} percent",
            ratios.len()
        )))
    })
}

/// What came of an attempt at a block of a megabyte.
enum Made {
    /// Such a block, and what its proposer sent against the mean of the others.
    Megabyte(f64),
    /// No block had more than so many percent of the transactions.
    Smaller(usize),
}

async fn block_of_a_megabyte(peers: &[Peer], account: &Account) -> Result<Made, WorkloadError> {
    let first = peers.first().ok_or_else(|| wrong(&"there is no node"))?;
    together(peers).await?;
    tokio::time::sleep(FREE_AGAIN).await;
    let height = together(peers).await?;
    let all = signed(&first.group, account, height, BLOCK_BYTES)?;
    // Each node proposes one block, and then none for a while.
    for _ in peers {
        let one = transaction(&first.group, account, height + VALIDITY_BLOCKS, Vec::new())?;
        first.send(std::slice::from_ref(&one)).await?;
        first.group.wait_receipt(&one.hash, PATIENCE).await.map_err(|error| wrong(&error))?;
    }
    let before = together(peers).await?;
    let mut sent_before = Vec::new();
    for peer in peers {
        sent_before.push(peer.sent().await?);
    }
    let parts = all.chunks(all.len().div_ceil(peers.len()));
    let sending = peers.iter().zip(parts).map(|(peer, part)| peer.send(part));
    for sent in futures::future::join_all(sending).await {
        sent?;
    }
    let last = all.last().ok_or_else(|| wrong(&"there is no transaction"))?;
    first.group.wait_receipt(&last.hash, PATIENCE).await.map_err(|error| wrong(&error))?;
    let after = together(peers).await?;
    let mut sent = Vec::new();
    for (peer, before) in peers.iter().zip(sent_before) {
        sent.push(peer.sent().await?.saturating_sub(before) as f64);
    }
    let mut most = 0;
    for number in before + 1..=after {
        let block = first.group.block(BlockId::Number(number), false).await.map_err(|error| wrong(&error))?;
        let block = block.ok_or_else(|| wrong(&format_args!("block {number} is gone")))?;
        let percent = block.transactions.len() * 100 / all.len().max(1);
        if percent >= MOST_PERCENT {
            return Ok(Made::Megabyte(ratio(peers, &sent, block.header.proposer).await?));
        }
        most = most.max(percent);
    }
    Ok(Made::Smaller(most))
}

/// Which of the nodes has this account.
async fn place_of(peers: &[Peer], account: Address) -> Result<usize, WorkloadError> {
    for (place, peer) in peers.iter().enumerate() {
        let members = peer.group.members().await.map_err(|error| wrong(&error))?;
        let info: serde_json::Value =
            peer.client.request("getNodeInfo", &[(); 0]).await.map_err(|error| wrong(&error))?;
        let own = members.sealers.iter().find(|member| info["NodeID"] == member.node_id.as_str());
        if own.is_some_and(|member| member.account == account) {
            return Ok(place);
        }
    }
    Err(wrong(&format_args!("no node has account {account}")))
}

/// What the node of this proposer sent against the mean of the others.
async fn ratio(peers: &[Peer], sent: &[f64], proposer: Address) -> Result<f64, WorkloadError> {
    let place = place_of(peers, proposer).await?;
    let of_proposer = sent.get(place).copied();
    let of_proposer = of_proposer.ok_or_else(|| wrong(&"nobody is the proposer"))?;
    let others = (sent.iter().sum::<f64>() - of_proposer) / sent.len().saturating_sub(1).max(1) as f64;
    Ok(of_proposer / others)
}

/// The height of all nodes, once it is one and nothing waits.
async fn together(peers: &[Peer]) -> Result<u64, WorkloadError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut heights = Vec::new();
        let mut waiting = 0;
        for peer in peers {
            let status = peer.group.status().await.map_err(|error| wrong(&error))?;
            heights.push(status.height);
            waiting += status.pool.transactions;
        }
        if let Some(height) = heights.first()
            && heights.iter().all(|other| other == height)
            && waiting == 0
        {
            return Ok(*height);
        }
        if Instant::now() > deadline {
            return Err(wrong(&format_args!("the nodes stay apart: {heights:?}")));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Transactions that a node without any block takes in from the others for each second of CPU that it uses, against V: one
/// figure for each time that it begins anew.
///
/// # Errors
/// The nodes fail.
pub fn replay_of_a_fresh_node(binary: &Path, token: &Path, rounds: usize) -> Result<Vec<f64>, WorkloadError> {
    let cores = std::thread::available_parallelism()?.get();
    let mut chain = ChainRun::start(binary, 4)?;
    let load = chain.load(token, REPLAY_SECONDS, REPLAY_ACCOUNTS)?;
    let transactions = (load.committed + load.funded) as f64;
    chain.rest()?;
    let fresh = chain.add_observer()?;
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let v = recoveries_per_second(cores, Duration::from_secs(2));
        chain.begin_anew(fresh)?;
        chain.rest()?;
        ratios.push(transactions / chain.cpu_seconds(fresh) / v);
    }
    Ok(ratios)
}

/// Kills the node that proposes next while clients send, and measures the longest time between two blocks from then on, in
/// seconds.
///
/// # Errors
/// The nodes fail.
pub fn gap_without_a_proposer(binary: &Path) -> Result<f64, WorkloadError> {
    let chain = ChainRun::start(binary, 4)?;
    runtime()?.block_on(async {
        let mut peers = Vec::new();
        for node in chain.nodes() {
            peers.push(Peer::connect(node).await?);
        }
        let account = account()?;
        let status = peers.first().ok_or_else(|| wrong(&"there is no node"))?.group.status().await;
        let next = status.map_err(|error| wrong(&error))?.more.get("next_proposer").cloned().unwrap_or_default();
        let next: Address = serde_json::from_value(next).map_err(|error| wrong(&error))?;
        let victim = place_of(&peers, next).await?;
        longest_gap(&chain, peers, victim, &account).await
    })
}

async fn longest_gap(
    chain: &ChainRun,
    mut peers: Vec<Peer>,
    victim: usize,
    account: &Account,
) -> Result<f64, WorkloadError> {
    let pid = chain.nodes().get(victim).and_then(|node| node.pid).ok_or_else(|| wrong(&"the node does not run"))?;
    drop(peers.remove(victim));
    let witness = peers.first().ok_or_else(|| wrong(&"nobody is left"))?;
    let mut blocks: BlockStream = witness.group.blocks().await.map_err(|error| wrong(&error))?;
    let (told, mut instants) = mpsc::unbounded_channel();
    let watching = tokio::spawn(async move {
        while blocks.next().await.is_ok() {
            let _ = told.send(Instant::now());
        }
    });
    let started = Instant::now();
    let mut killed_at = None;
    let mut valid_until = 0;
    for turn in 0_usize.. {
        if started.elapsed() > BEFORE && killed_at.is_none() {
            let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().map_err(|error| wrong(&error))?;
            if !killed.success() {
                return Err(wrong(&"the node was not killed"));
            }
            killed_at = Some(Instant::now());
        }
        if started.elapsed() > BEFORE + AFTER {
            break;
        }
        let peer = peers.get(turn % peers.len().max(1)).ok_or_else(|| wrong(&"nobody is left"))?;
        if turn % VALIDITY_TURNS == 0 {
            let status = timeout(PATIENCE, peer.group.status()).await.map_err(|error| wrong(&error))?;
            valid_until = status.map_err(|error| wrong(&error))?.height + VALIDITY_BLOCKS;
        }
        let batch = (0..STREAM_BATCH).map(|_| transaction(&peer.group, account, valid_until, Vec::new()));
        peer.send(&batch.collect::<Result<Vec<_>, _>>()?).await?;
        tokio::time::sleep(STREAM_PAUSE).await;
    }
    let ended_at = Instant::now();
    watching.abort();
    let killed_at = killed_at.ok_or_else(|| wrong(&"nobody was killed"))?;
    let mut last = killed_at;
    let mut longest = Duration::ZERO;
    while let Some(instant) = instants.recv().await {
        if instant > killed_at {
            longest = longest.max(instant - last);
            last = instant;
        }
    }
    Ok(longest.max(ended_at.saturating_duration_since(last)).as_secs_f64())
}
