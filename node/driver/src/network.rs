//! The network of a node: what groups say goes out, and what comes in goes to them.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use entente_crypto::PublicKey;
use entente_group::{Incoming, Message as GroupMessage};
use entente_network::{
    AccessLists, Admission, Chain, Class, Credentials, GroupLine, Inboxes, Network, NetworkError, NetworkOptions,
    PeerStatus, Place, Received, TlsKey,
};
use parity_scale_codec::{DecodeAll as _, Encode as _};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc::UnboundedReceiver, oneshot},
};

use crate::{ConfigError, GroupHandle, NetworkConfig, StartError, handle::Shared, read_access_lists, run::Message};

/// The threads that serve sockets.
const NETWORK_THREADS: usize = 2;

/// The network, with threads of its own.
pub(crate) struct NodeNetwork {
    network: Network,
    folder: PathBuf,
    /// Taken when it stops.
    runtime: Mutex<Option<Runtime>>,
}

impl fmt::Debug for NodeNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NodeNetwork").field("network", &self.network).finish_non_exhaustive()
    }
}

fn credentials(folder: &Path) -> Result<Credentials, NetworkError> {
    let (key, chain) = (folder.join("keys/tls.key"), folder.join("certs/node.pem"));
    let key = TlsKey::read(&key).map_err(|error| NetworkError::Tls(error.into()))?;
    let chain = Chain::read(&chain).map_err(|error| NetworkError::Tls(error.into()))?;
    Ok(Credentials { key, chain })
}

impl NodeNetwork {
    /// Begins to listen and to call. Nothing where the configuration names no address to listen at.
    pub(crate) fn start(folder: &Path, config: &NetworkConfig) -> Result<Option<Arc<Self>>, StartError> {
        let Some(listen) = config.address() else { return Ok(None) };
        let lists = read_access_lists(folder)?;
        let network = |error| StartError::Network(Box::new(error));
        let credentials = credentials(folder).map_err(network)?;
        let root = Chain::read(&folder.join("certs/ca.pem")).map_err(|error| network(NetworkError::Tls(error.into())))?;
        let admission = Admission::new(&root, lists).map_err(|error| network(error.into()))?;
        let options = NetworkOptions {
            listen,
            peers: config.peers.clone(),
            bytes_per_second: config.bytes_per_second_max,
            group_bytes_per_second: config.group_bytes_per_second_max,
        };
        // Whoever starts a node may be on a runtime of its own, on whose threads none can be waited for.
        let started = std::thread::spawn(move || -> Result<(Runtime, Network), StartError> {
            let runtime = Builder::new_multi_thread()
                .worker_threads(NETWORK_THREADS)
                .thread_name("network")
                .enable_all()
                .build()
                .map_err(|error| StartError::System { what: "threads of the network".into(), error })?;
            let started = runtime.block_on(Network::start(Arc::new(admission), &credentials, options));
            Ok((runtime, started.map_err(network)?))
        });
        let (runtime, network) = started.join().map_err(|_| StartError::System {
            what: "the network".into(),
            error: io::Error::other("its thread panicked"),
        })??;
        tracing::info!(address = %network.listens_at(), "network_started");
        let runtime = Mutex::new(Some(runtime));
        Ok(Some(Arc::new(Self { network, folder: folder.to_owned(), runtime })))
    }

    /// Opens a group to its members, and brings it what they say.
    pub(crate) fn join(&self, handle: &GroupHandle) -> Result<GroupLine, StartError> {
        let genesis = handle.genesis();
        let joined = self.network.join(handle.genesis_hash(), genesis.suite, members(&handle.shared));
        let (line, inboxes) = joined.map_err(|error| StartError::Network(Box::new(error)))?;
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let Inboxes { consensus, transactions, sync } = inboxes;
            for inbox in [consensus, transactions, sync] {
                runtime.spawn(hear(handle.clone(), line.clone(), inbox));
            }
        }
        Ok(line)
    }

    /// Reads the lists and the certificate again.
    ///
    /// # Errors
    /// The file that is wrong; what held before holds on.
    pub(crate) fn read_again(&self) -> Result<(), StartError> {
        self.network.set_lists(read_access_lists(&self.folder)?);
        let renewed = credentials(&self.folder).and_then(|found| Ok(self.network.renew(&found)?));
        renewed.map_err(|error| StartError::Network(Box::new(error)))
    }

    pub(crate) fn peers(&self) -> Vec<PeerStatus> {
        self.network.peers()
    }

    pub(crate) fn stop(&self) {
        self.network.stop();
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for NodeNetwork {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The consensus keys of the nodes that may hear of a group: its sealers, those that will be, and its observers.
pub(crate) fn members(shared: &Shared) -> BTreeSet<PublicKey> {
    let (tip, state) = shared.ledger.state_with_tip();
    let mut keys: BTreeSet<PublicKey> = entente_types::read_observers(state.as_ref()).unwrap_or_default().into_iter().collect();
    if let Ok(sealers) = shared.executor.sealers(state.as_ref()) {
        let next = tip.number.saturating_add(1);
        let depth = u64::from(shared.ledger.genesis().pipeline_depth);
        for height in [next, next.saturating_add(depth)] {
            keys.extend(sealers.at(height).iter().map(|member| member.key));
        }
    }
    keys
}

/// What a message is about.
pub(crate) const fn class(message: &GroupMessage) -> Class {
    match message {
        GroupMessage::Transactions(_) => Class::Transactions,
        GroupMessage::Status { .. } | GroupMessage::GetBlocks { .. } | GroupMessage::Blocks(_) => Class::Sync,
        _ => Class::Consensus,
    }
}

/// Sends a message to one node of the group, or to all.
pub(crate) fn say(line: &GroupLine, to: Option<&PublicKey>, message: &GroupMessage) {
    let bytes = message.encode();
    match to {
        Some(to) => drop(line.send(to, class(message), &bytes)),
        None => drop(line.broadcast(class(message), &bytes)),
    }
}

/// Brings a group what its other nodes say of one class, in its order.
async fn hear(handle: GroupHandle, line: GroupLine, mut inbox: UnboundedReceiver<Received>) {
    while let Some(received) = inbox.recv().await {
        let (from, payload, place) = received.into_parts();
        let Ok(message) = GroupMessage::decode_all(&mut &payload[..]) else {
            line.complain(&from, "it sent what is no message of a group");
            continue;
        };
        match looked_at(&handle, message).await {
            Some(Ok(incoming)) => {
                let told = handle.shared.messages.send(Message::Heard { from, incoming, place });
                if told.is_err() {
                    return;
                }
            }
            Some(Err(why)) => line.complain(&from, why),
            None => return,
        }
    }
}

/// Looks at a message's transactions, on the threads for that where there are any.
async fn looked_at(handle: &GroupHandle, message: GroupMessage) -> Option<Result<Incoming, &'static str>> {
    let look = |shared: &Shared, message| {
        let rules = Arc::clone(&shared.shown.lock().unwrap_or_else(PoisonError::into_inner).rules);
        let height = shared.ledger.tip().number;
        Incoming::new(&rules, height, message).map_err(|_| "it sent more in a message than there may be")
    };
    if matches!(class(&message), Class::Consensus) && !matches!(message, GroupMessage::Proposed { .. }) {
        return Some(look(&handle.shared, message));
    }
    let (answer, answered) = oneshot::channel();
    let shared = Arc::clone(&handle.shared);
    handle.shared.checks.spawn(move || drop(answer.send(look(&shared, message))));
    answered.await.ok()
}
