//! A node: its folder, its groups, starting and stopping.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use entente_dev::BeginError;
use entente_executor::{CodeKey, CodeOptions, CodeVault};
use entente_group::{Group, GroupError, GroupOptions, OpenGroupError, Signing, note_loss, open_with};
use entente_host::gas::PROTOCOL_VERSIONS;
use entente_network::NetworkError;
use entente_storage::{Engine, Memory, RocksDb, SharedResources, StorageError};
use entente_types::{ConsensusKind, Genesis, GroupId, PublicKey};
use tokio::sync::broadcast;

use crate::{
    CodeFolder, ConfigError, GroupHandle, NodeConfig, NodeHandle, StorageConfig, StorageEngine,
    begun::Begun,
    calls::CallPool,
    checks::CheckPool,
    handle::{BLOCKS_BEHIND_MAX, Places, Shared},
    measures::GroupCounters,
    network::{Introduction, NodeNetwork},
    read_genesis, read_secret_key,
    run::{Rebuild, Running, channel, shown},
    together::Gathering,
};

/// How often is looked whether the stores are closed.
const CLOSE_POLL: Duration = Duration::from_millis(2);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of its folder is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder or thread could not be made.
    #[error("{what}: {error}")]
    System {
        /// What was being made.
        what: String,
        /// What went wrong.
        error: io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The group's ledger does not open.
    #[error("group {group}: {error}")]
    Open {
        /// The group.
        group: GroupId,
        /// What went wrong.
        error: Box<OpenGroupError>,
    },
    /// It is not on the network.
    #[error(transparent)]
    Network(Box<NetworkError>),
    /// The node's certificate is of another consensus key: others would not know it for who it is.
    #[error("{}: the certificate is of another consensus key than keys/consensus.key; issue one with: entente cert renew", path.display())]
    OtherKey {
        /// The certificate.
        path: PathBuf,
    },
    /// The group has other sealers, and the node no network to reach them over.
    #[error(
        "group {group} has {sealers} sealers, and config.toml names no address to listen at for them: set `network.listen` and `network.peers`"
    )]
    Alone {
        /// The group.
        group: GroupId,
        /// How many.
        sealers: usize,
    },
    /// The chain is none for those who test contracts.
    #[error(transparent)]
    Dev(Box<BeginError>),
    /// The group does not begin.
    #[error("group {group}: {error}")]
    Group {
        /// The group.
        group: GroupId,
        /// What went wrong.
        error: Box<GroupError>,
    },
}

/// Opens the store of one group in a node's folder.
pub fn open_engine(
    folder: &Path,
    group: &GroupId,
    config: &StorageConfig,
    resources: &SharedResources,
) -> Result<Arc<dyn Engine>, StartError> {
    match config.engine {
        StorageEngine::Memory => Ok(Arc::new(Memory::new())),
        StorageEngine::RocksDb => {
            let path: PathBuf = folder.join("data").join(group.as_str());
            let what = || path.display().to_string();
            fs::create_dir_all(&path).map_err(|error| StartError::System { what: what(), error })?;
            let store = RocksDb::open(&path, resources)?;
            if store.repaired() {
                tracing::warn!(%group, path = %path.display(), "store_log_cut");
            }
            // Whoever begins a ledger here, the node must not vote as if it had promised nothing.
            let begun = Begun::of(folder, group);
            if begun.is_noted() && note_loss(&store)? {
                tracing::warn!(%group, note = %begun.path().display(), "data_lost");
            }
            Ok(Arc::new(store))
        }
    }
}

/// Opens the folder of compiled contracts in a node's folder. Nothing where there shall be none, or it does not open: a
/// node does without.
fn open_code(folder: &Path, config: &StorageConfig) -> Option<Arc<CodeFolder>> {
    if config.engine == StorageEngine::Memory || config.code_cache_bytes == 0 {
        return None;
    }
    // No group's name has a dot.
    let path = folder.join("data").join("code.cache");
    match CodeFolder::open(&path, config.code_cache_bytes) {
        Ok(code) => Some(Arc::new(code)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "code_not_kept");
            None
        }
    }
}

/// Begins to talk to other nodes, where the group has some.
fn start_network(
    folder: &Path,
    config: &NodeConfig,
    genesis: &Genesis,
    key: &PublicKey,
) -> Result<Option<Arc<NodeNetwork>>, StartError> {
    // Whoever orders alone tells nobody of it.
    if genesis.consensus == ConsensusKind::Solo {
        if let Some(address) = config.network.address() {
            tracing::warn!(group = %genesis.group_id, %address, "network_not_needed");
        }
        return Ok(None);
    }
    let sealers = genesis.sealers.len();
    match NodeNetwork::start(folder, &config.network, key)? {
        None if sealers > 1 => Err(StartError::Alone { group: genesis.group_id.clone(), sealers }),
        network => Ok(network),
    }
}

/// A node that runs. Dropping it without [`Node::stop`] leaves its threads to end with the process.
pub struct Node {
    pub(crate) handle: NodeHandle,
    pub(crate) running: Vec<Running>,
    pub(crate) code: Option<Arc<CodeFolder>>,
}

/// The threads that all groups of a node share.
pub(crate) struct Workers {
    pub(crate) calls: Arc<CallPool>,
    pub(crate) checks: CheckPool,
}

impl Workers {
    pub(crate) fn start(config: &NodeConfig) -> Result<Self, StartError> {
        // Named, so that an operator sees what takes the time; if somebody else began them, they are as good.
        let _ = rayon::ThreadPoolBuilder::new().thread_name(|index| format!("rayon-{index}")).build_global();
        let calls = CallPool::new(config.rpc.calls_max).map_err(|error| system("threads for calls", error))?;
        let checks = CheckPool::new().map_err(|error| system("threads for signatures", error))?;
        Ok(Self { calls: Arc::new(calls), checks })
    }
}

/// What the system refuses.
pub(crate) fn system(what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StartError {
    StartError::System { what: what.into(), error: io::Error::other(error) }
}

/// How a group begins anew on the ledger that it has.
fn rebuild(handle: GroupHandle, signing: Signing, options: GroupOptions) -> Rebuild {
    Box::new(move || Group::new(&handle.shared.ledger, &handle.shared.executor, signing.clone(), options))
}

impl Node {
    /// Starts the node of this folder.
    pub fn start(folder: &Path, config: &NodeConfig) -> Result<Self, StartError> {
        Self::start_with(folder, config, |group, resources| open_engine(folder, group, &config.storage, resources))
    }

    /// The same on another store than the configuration names, such as one that fails on purpose.
    pub fn start_with(
        folder: &Path,
        config: &NodeConfig,
        open_store: impl FnOnce(&GroupId, &SharedResources) -> Result<Arc<dyn Engine>, StartError>,
    ) -> Result<Self, StartError> {
        let genesis = read_genesis(folder)?;
        let key = read_secret_key(&folder.join("keys").join("consensus.key"), genesis.suite)?;
        let narrow = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        let storage = &config.storage;
        let resources = SharedResources::new(narrow(storage.block_cache_bytes), narrow(storage.write_buffer_bytes));
        let Workers { calls, checks } = Workers::start(config)?;
        let id = genesis.group_id.clone();
        let network = start_network(folder, config, &genesis, &key.public_key())?;
        let engine = open_store(&id, &resources)?;
        let code = open_code(folder, storage);
        let vault = code.clone().map(|code| CodeVault::new(code, CodeKey::derive(&key.to_bytes())));
        let code_options = CodeOptions { vault, ..Default::default() };
        let (ledger, executor) = open_with(engine, &genesis, storage.ledger(), PROTOCOL_VERSIONS, &code_options)
            .map_err(|error| StartError::Open { group: id.clone(), error: Box::new(error) })?;
        // No data outlives a node that keeps it in memory, and alone it contradicts nobody.
        if storage.engine == StorageEngine::RocksDb && genesis.consensus != ConsensusKind::Solo {
            let begun = Begun::of(folder, &id);
            let what = || begun.path().display().to_string();
            begun.note().map_err(|error| StartError::System { what: what(), error })?;
        }
        let options = config.group();
        let node_key = key.public_key();
        let signing = Signing::new(key);
        let group = Group::new(&ledger, &executor, signing.clone(), options)
            .map_err(|error| StartError::Group { group: id.clone(), error: Box::new(error) })?;
        let introduced = config.network.introduced(genesis.suite);
        let introduction = Introduction::new(node_key, introduced);
        let joined = network.as_ref().map(|network| network.join(&ledger, &executor, &introduction)).transpose()?;
        let (line, inboxes) = joined.unzip();
        let (messages, receiver) = channel();
        let shared = Shared {
            is_dev: false,
            ledger,
            executor,
            limits: options.pool,
            gathering: Gathering::new(messages.clone()),
            messages,
            places: Places::new(&config.pool),
            counters: GroupCounters::default(),
            blocks: broadcast::channel(BLOCKS_BEHIND_MAX).0,
            shown: Mutex::new(shown(&group)),
            calls: Arc::clone(&calls),
            checks: Arc::new(checks),
            line: line.clone(),
            introduction,
        };
        let group_handle = GroupHandle { shared: Arc::new(shared) };
        let tip = group_handle.ledger().tip();
        tracing::info!(group = %id, height = tip.number, hash = %tip.header_hash, "group_started");
        let rebuild = rebuild(group_handle.clone(), signing, options);
        let running = Running::start(group, rebuild, group_handle.clone(), receiver)
            .map_err(|error| StartError::System { what: format!("threads of {id}"), error })?;
        if let (Some(network), Some(line), Some(inboxes)) = (&network, &line, inboxes) {
            network.listen(&group_handle, line, inboxes);
        }
        let name = config.node.name.as_str().into();
        let handle = NodeHandle { name, groups: Arc::new(vec![group_handle]), calls, code: code.clone(), network };
        Ok(Self { handle, running: vec![running], code })
    }

    /// How others reach it.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Stops every group; what is being written reaches the disk first. Then the store's log goes to sorted files, so
    /// that the next start has little to read again.
    pub fn stop(self) {
        if let Some(network) = &self.handle.network {
            network.stop();
        }
        for running in self.running {
            let handle = running.handle.clone();
            running.stop();
            if let Err(error) = handle.ledger().engine().flush() {
                tracing::warn!(group = %handle.id(), %error, "store_not_flushed");
            }
        }
        if let Some(code) = self.code {
            code.finish();
        }
    }

    /// The same, and waits until nobody uses its stores any more, but no longer than told: whether they are closed. A
    /// process that ends while they are used ends in a crash of the store's library, though nothing is lost by it.
    ///
    /// Whoever holds a [`NodeHandle`], or waits for an answer of one, must have given it up.
    pub fn stop_and_close(self, wait: Duration) -> bool {
        let groups = self.handle.groups.iter();
        let stores: Vec<_> = groups.map(|group| Arc::downgrade(group.ledger().engine())).collect();
        let ledgers: Vec<_> = self.handle.groups.iter().map(|group| Arc::downgrade(group.ledger())).collect();
        let calls = Arc::clone(&self.handle.calls);
        self.stop();
        let deadline = Instant::now() + wait;
        loop {
            let used =
                stores.iter().map(Weak::strong_count).chain(ledgers.iter().map(Weak::strong_count)).sum::<usize>();
            if used == 0 && calls.place().used == 0 {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(CLOSE_POLL);
        }
    }
}
