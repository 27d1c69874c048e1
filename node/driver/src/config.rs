//! What `config.toml` holds, and what holds where it is silent.
//!
//! What each key means and may be stands in `config_keys.rs`; the file is read in `config_file.rs`.

use std::{collections::BTreeSet, net::SocketAddr};

use entente_group::{GroupOptions, SyncOptions};
use entente_ledger::{HistoryRetention, LedgerOptions};
use entente_pool::PoolLimits;
use entente_types::{PublicKey, Suite};
use serde::{Deserialize, Serialize};

/// `config.toml`, whole. Every key has a default; unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The node itself.
    pub node: NodeSection,
    /// The JSON-RPC server.
    pub rpc: RpcConfig,
    /// What lies on disk.
    pub storage: StorageConfig,
    /// What waits for a block.
    pub pool: PoolConfig,
    /// How this node takes part in consensus.
    pub consensus: ConsensusConfig,
    /// How this node catches up.
    pub sync: SyncConfig,
    /// The other nodes.
    pub network: NetworkConfig,
    /// What the node says of itself.
    pub log: LogConfig,
}

/// `[node]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSection {
    /// The name it is shown by.
    pub name: String,
}

impl Default for NodeSection {
    fn default() -> Self {
        Self { name: "node0".into() }
    }
}

/// `[rpc]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where HTTP and WebSocket are served.
    pub listen: SocketAddr,
    /// The connections open at a time.
    pub connections_max: u32,
    /// The bytes of one request.
    pub request_bytes_max: u32,
    /// The bytes of one response.
    pub response_bytes_max: u32,
    /// The requests in one batch.
    pub batch_requests_max: u32,
    /// The subscriptions of one connection.
    pub subscriptions_max: u32,
    /// The web pages that may ask, each as `https://host:port`; `*` is any. A browser keeps all others from it.
    pub cors_origins: Vec<String>,
    /// How long the head of an HTTP request may take to come, and then its body besides a second for each 64 KiB, in
    /// milliseconds.
    pub header_ms_max: u32,
    /// How long a connection may say nothing between requests, in milliseconds.
    pub idle_ms_max: u32,
    /// How long a client may take next to nothing of what is sent to it, in milliseconds.
    pub stall_ms_max: u32,
    /// The requests of one connection that are worked on at a time; a batch is one.
    pub connection_requests_max: u32,
    /// The transactions of one connection that are worked on at a time.
    pub connection_transactions_max: u32,
    /// The bytes of all requests that are worked on at a time.
    pub work_bytes_max: u64,
    /// The calls of contracts, of all groups together, that wait or run at a time.
    pub calls_max: u32,
    /// The requests and transactions that the node takes in a second. 0: as many as come.
    pub requests_per_second_max: u32,
    /// The same for each group.
    pub group_requests_per_second_max: u32,
}

/// The entries of `rpc.cors_origins`.
const CORS_ORIGINS_MAX: usize = 64;
/// The entries of `network.introduced`.
const INTRODUCED_MAX: usize = 1_024;
/// The characters of one of `network.peers`.
const ORIGIN_BYTES_MAX: usize = 300;

impl RpcConfig {
    /// The first entry of `cors_origins` that is none, if any; all together where there are too many.
    pub(crate) fn wrong_origin(&self) -> Option<String> {
        if self.cors_origins.len() > CORS_ORIGINS_MAX {
            return Some(format!("{} entries", self.cors_origins.len()));
        }
        self.cors_origins.iter().find(|origin| !is_origin(origin)).map(|origin| format!("{origin:?}"))
    }
}

/// Whether a browser could name a page's origin so: a scheme, a host, and a port where it is not the scheme's own.
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, host)| host);
    let plain =
        |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@*".contains(&byte));
    text == "*" || (text.len() <= ORIGIN_BYTES_MAX && host.is_some_and(plain))
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8545)),
            connections_max: 1024,
            request_bytes_max: 16 << 20,
            response_bytes_max: 16 << 20,
            batch_requests_max: 10_000,
            subscriptions_max: 64,
            cors_origins: Vec::new(),
            header_ms_max: 10_000,
            idle_ms_max: 120_000,
            stall_ms_max: 20_000,
            connection_requests_max: 1024,
            connection_transactions_max: 20_000,
            work_bytes_max: 256 << 20,
            calls_max: 1024,
            requests_per_second_max: 0,
            group_requests_per_second_max: 0,
        }
    }
}

/// The storage engines there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageEngine {
    /// RocksDB, in the node's `data` folder.
    RocksDb,
    /// Memory: everything is gone with the process.
    Memory,
}

/// `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The engine.
    pub engine: StorageEngine,
    /// The heights below the tip whose state can be read.
    pub history_blocks: u64,
    /// Whether the state of every height can be read.
    pub archive: bool,
    /// The bytes of blocks of the store kept in memory, of all groups together.
    pub block_cache_bytes: u64,
    /// The bytes of writes kept in memory before they go to sorted files, of all groups together.
    pub write_buffer_bytes: u64,
    /// The bytes of rows kept in memory, of each group.
    pub row_cache_bytes: u64,
    /// The bytes of compiled contracts kept in files, of all groups together. 0 keeps none.
    pub code_cache_bytes: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            engine: StorageEngine::RocksDb,
            history_blocks: 1024,
            archive: false,
            block_cache_bytes: 256 << 20,
            write_buffer_bytes: 256 << 20,
            row_cache_bytes: 128 << 20,
            code_cache_bytes: 1 << 30,
        }
    }
}

impl StorageConfig {
    /// The ledger's part of it.
    pub fn ledger(&self) -> LedgerOptions {
        let history =
            if self.archive { HistoryRetention::Archive } else { HistoryRetention::Blocks(self.history_blocks) };
        let row_cache_bytes = usize::try_from(self.row_cache_bytes).unwrap_or(usize::MAX);
        LedgerOptions { history, row_cache_bytes, ..LedgerOptions::default() }
    }
}

/// `[pool]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// The transactions that wait at most.
    pub transactions_max: u64,
    /// The bytes that they have together at most.
    pub bytes_max: u64,
    /// How many of them one sender may have.
    pub sender_transactions_max: u64,
    /// The requests with transactions, of each group, that are worked on at a time.
    pub submissions_max: u32,
    /// The transactions of each group that are being checked, or on their way into the pool, at a time.
    pub checking_transactions_max: u32,
}

impl Default for PoolConfig {
    fn default() -> Self {
        let limits = PoolLimits::default();
        Self {
            transactions_max: limits.transactions as u64,
            bytes_max: limits.bytes as u64,
            sender_transactions_max: limits.sender_transactions as u64,
            submissions_max: 256,
            checking_transactions_max: 40_000,
        }
    }
}

/// `[consensus]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusConfig {
    /// The least time between two proposals of this node, in milliseconds.
    pub interval_ms_min: u64,
    /// How long the next height may take to be ordered before another view is wanted, in milliseconds.
    pub view_timeout_ms: u64,
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        let GroupOptions { interval_ms_min, view_timeout_ms, .. } = GroupOptions::default();
        Self { interval_ms_min, view_timeout_ms }
    }
}

/// `[sync]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncConfig {
    /// How many blocks behind the node takes a snapshot; 0 for never.
    pub snapshot_lead_blocks: u64,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self { snapshot_lead_blocks: SyncOptions::default().snapshot_lead_blocks }
    }
}

/// `[network]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Where this node listens for others, as `ip:port`; empty where it is alone.
    pub listen: String,
    /// The nodes that it calls, each as `host:port`.
    pub peers: Vec<String>,
    /// The consensus keys of nodes taken for members while this node is none by its own blocks, as `entente member list`
    /// writes them.
    pub introduced: Vec<String>,
    /// The bytes that may leave in a second; consensus does not wait for it. 0: any number.
    pub bytes_per_second_max: u64,
    /// The same for each group.
    pub group_bytes_per_second_max: u64,
}

/// The entries of `network.peers`.
const PEERS_MAX: usize = 1_024;
/// The characters of one of them.
const PEER_BYTES_MAX: usize = 260;

impl NetworkConfig {
    /// Where it listens; nothing where it is alone.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// The first key whose value is wrong, and that value.
    pub(crate) fn wrong(&self) -> Option<(&'static str, String)> {
        if !self.listen.is_empty() && self.address().is_none() {
            return Some(("network.listen", format!("{:?}", self.listen)));
        }
        if self.peers.len() > PEERS_MAX {
            return Some(("network.peers", format!("{} entries", self.peers.len())));
        }
        let fits = |peer: &str| {
            let port = peer.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
            peer.len() <= PEER_BYTES_MAX && matches!(port, Some(Ok(1..)))
        };
        if let Some(peer) = self.peers.iter().find(|peer| !fits(peer)) {
            return Some(("network.peers", format!("{peer:?}")));
        }
        if self.introduced.len() > INTRODUCED_MAX {
            return Some(("network.introduced", format!("{} entries", self.introduced.len())));
        }
        let is_key = |name: &String| [Suite::Standard, Suite::Guomi].iter().any(|suite| key(*suite, name).is_some());
        let name = self.introduced.iter().find(|name| !is_key(name));
        name.map(|name| ("network.introduced", format!("{name:?}")))
    }

    /// Those of `introduced` that are keys of this suite.
    pub(crate) fn introduced(&self, suite: Suite) -> BTreeSet<PublicKey> {
        self.introduced.iter().filter_map(|name| key(suite, name)).collect()
    }
}

/// The consensus key of this suite whose hexadecimal digits are a node's name.
fn key(suite: Suite, name: &str) -> Option<PublicKey> {
    let mut bytes = [0; 64];
    hex::decode_to_slice(name, &mut bytes).ok()?;
    PublicKey::from_bytes(suite, &bytes).ok()
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter by room such as `info,entente_driver=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl NodeConfig {
    /// The group's part of it.
    pub fn group(&self) -> GroupOptions {
        let narrow = |value| usize::try_from(value).unwrap_or(usize::MAX);
        // Where every height's state must be there, every block is executed.
        let snapshot_lead_blocks = if self.storage.archive { 0 } else { self.sync.snapshot_lead_blocks };
        GroupOptions {
            pool: PoolLimits {
                transactions: narrow(self.pool.transactions_max),
                bytes: narrow(self.pool.bytes_max),
                sender_transactions: narrow(self.pool.sender_transactions_max),
            },
            interval_ms_min: self.consensus.interval_ms_min,
            view_timeout_ms: self.consensus.view_timeout_ms,
            sync: SyncOptions { snapshot_lead_blocks, ..SyncOptions::default() },
        }
    }
}
