//! A node's folder: `config.toml`, `genesis.toml` and the keys.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use entente_crypto::{SecretKey, SignatureError, Suite};
use entente_group::GroupOptions;
use entente_ledger::{HistoryRetention, LedgerOptions};
use entente_pool::PoolLimits;
use entente_types::Genesis;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Why a file of the node's folder is refused. The node does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("{}: {error}; check the folder given with --dir", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// It is no TOML, or a key is unknown or has a wrong value.
    #[error("{}, line {line}: {message}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What was found and what is allowed.
        message: String,
    },
    /// A value that is out of its bounds.
    #[error("{}: `{key}` is {found}; allowed is {allowed}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A file that should hold a key holds none.
    #[error("{}: no secret key of 64 hexadecimal digits", path.display())]
    KeyText {
        /// The file.
        path: PathBuf,
    },
    /// The digits are no key.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: SignatureError,
    },
}

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
}

/// The entries of `rpc.cors_origins`.
const CORS_ORIGINS_MAX: usize = 64;
/// The characters of one of them.
const ORIGIN_BYTES_MAX: usize = 300;

impl RpcConfig {
    /// The first entry of `cors_origins` that is none, if any; all together where there are too many.
    fn wrong_origin(&self) -> Option<String> {
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
            row_cache_bytes: 64 << 20,
            code_cache_bytes: 1 << 30,
        }
    }
}

impl StorageConfig {
    /// The ledger's part of it.
    pub fn ledger(&self) -> LedgerOptions {
        let history =
            if self.archive { HistoryRetention::Archive } else { HistoryRetention::Blocks(self.history_blocks) };
        LedgerOptions { history, row_cache_bytes: usize::try_from(self.row_cache_bytes).unwrap_or(usize::MAX) }
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
}

impl Default for PoolConfig {
    fn default() -> Self {
        let limits = PoolLimits::default();
        Self { transactions_max: limits.transactions as u64, bytes_max: limits.bytes as u64 }
    }
}

/// `[consensus]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusConfig {
    /// The least time between two proposals of this node, in milliseconds.
    pub interval_ms_min: u64,
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self { interval_ms_min: GroupOptions::default().interval_ms_min }
    }
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
    /// Reads `config.toml` of a node's folder.
    ///
    /// # Errors
    /// The file, the line, the key, what was found and what is allowed.
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        let path = folder.join("config.toml");
        let config: Self = read_toml(&path)?;
        let positive = |key, value: u64| {
            let found = value.to_string();
            let path = path.clone();
            if value == 0 { Err(ConfigError::Value { path, key, found, allowed: "1 and above" }) } else { Ok(()) }
        };
        positive("pool.transactions_max", config.pool.transactions_max)?;
        positive("pool.bytes_max", config.pool.bytes_max)?;
        positive("rpc.connections_max", u64::from(config.rpc.connections_max))?;
        positive("rpc.request_bytes_max", u64::from(config.rpc.request_bytes_max))?;
        positive("rpc.response_bytes_max", u64::from(config.rpc.response_bytes_max))?;
        positive("rpc.batch_requests_max", u64::from(config.rpc.batch_requests_max))?;
        positive("rpc.header_ms_max", u64::from(config.rpc.header_ms_max))?;
        positive("rpc.idle_ms_max", u64::from(config.rpc.idle_ms_max))?;
        positive("rpc.stall_ms_max", u64::from(config.rpc.stall_ms_max))?;
        if let Some(found) = config.rpc.wrong_origin() {
            let allowed = "at most 64 of \"*\" and scheme://host or scheme://host:port, without a path";
            return Err(ConfigError::Value { path, key: "rpc.cors_origins", found, allowed });
        }
        Ok(config)
    }

    /// The group's part of it.
    pub fn group(&self) -> GroupOptions {
        let narrow = |value| usize::try_from(value).unwrap_or(usize::MAX);
        GroupOptions {
            pool: PoolLimits { transactions: narrow(self.pool.transactions_max), bytes: narrow(self.pool.bytes_max) },
            interval_ms_min: self.consensus.interval_ms_min,
        }
    }
}

/// Reads `genesis.toml` of a node's folder.
///
/// # Errors
/// As [`NodeConfig::read`], or a rule of genesis that is broken.
pub fn read_genesis(folder: &Path) -> Result<Genesis, ConfigError> {
    read_genesis_file(&folder.join("genesis.toml"))
}

/// The same from a file anywhere.
pub fn read_genesis_file(path: &Path) -> Result<Genesis, ConfigError> {
    let genesis: Genesis = read_toml(path)?;
    genesis.validate().map_err(|error| ConfigError::Toml { path: path.into(), line: 1, message: error.to_string() })?;
    Ok(genesis)
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count() + 1;
        // The library's message can have several lines; the first says what is wrong and what is allowed.
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        ConfigError::Toml { path: path.into(), line, message }
    })
}

/// Reads a secret key from a file of the node's `keys` folder: 64 hexadecimal digits.
pub fn read_secret_key(path: &Path, suite: Suite) -> Result<SecretKey, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| ConfigError::KeyText { path: path.into() })?;
    SecretKey::from_bytes(suite, &bytes).map_err(|error| ConfigError::Key { path: path.into(), error })
}

/// Writes a secret key where only the node's user can read it. The file must not be there yet.
pub fn write_secret_key(path: &Path, key: &SecretKey) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", hex::encode(key.to_bytes()))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NodeConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), text).unwrap();
        NodeConfig::read(folder.path())
    }

    #[test]
    fn an_empty_file_is_all_defaults_and_defaults_round_trip() {
        assert_eq!(read("").unwrap(), NodeConfig::default());
        let text = toml::to_string(&NodeConfig::default()).unwrap();
        assert_eq!(read(&text).unwrap(), NodeConfig::default());
    }

    #[test]
    fn a_bad_file_is_refused_with_line_key_and_what_is_allowed() {
        let unknown = read("[rpc]\nlisten = \"127.0.0.1:1\"\nlistne = 5\n").unwrap_err().to_string();
        assert!(unknown.contains("config.toml, line 3: unknown field `listne`, expected one of `listen`"), "{unknown}");
        let engine = read("[storage]\n\nengine = \"leveldb\"\n").unwrap_err().to_string();
        assert!(engine.contains("line 3") && engine.contains("`rocksdb` or `memory`"), "{engine}");
        let zero = read("[pool]\ntransactions_max = 0\n").unwrap_err().to_string();
        assert!(zero.ends_with("`pool.transactions_max` is 0; allowed is 1 and above"), "{zero}");
    }

    #[test]
    fn pages_are_named_as_browsers_name_them() {
        let good = "[rpc]\ncors_origins = [\"*\", \"https://wallet.example\", \"http://localhost:3000\"]\n";
        assert_eq!(read(good).unwrap().rpc.cors_origins.len(), 3);
        for origin in ["wallet.example", "https://wallet.example/", "https://", "://x", "https://*.example", ""] {
            let error = read(&format!("[rpc]\ncors_origins = [\"{origin}\"]\n")).unwrap_err().to_string();
            assert!(error.contains(&format!("`rpc.cors_origins` is \"{origin}\"; allowed is")), "{error}");
        }
        let many = format!("[rpc]\ncors_origins = [{}]\n", "\"*\",".repeat(65));
        assert!(read(&many).unwrap_err().to_string().contains("is 65 entries; allowed is at most 64"));
    }

    #[test]
    fn keys_are_private_and_written_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consensus.key");
        let key = SecretKey::from_bytes(Suite::Standard, &[9; 32]).unwrap();
        write_secret_key(&path, &key).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_secret_key(&path, &key).is_err());
        assert_eq!(read_secret_key(&path, Suite::Standard).unwrap().to_bytes(), [9; 32]);
        fs::write(&path, "zz").unwrap();
        assert!(matches!(read_secret_key(&path, Suite::Standard), Err(ConfigError::KeyText { .. })));
    }
}
