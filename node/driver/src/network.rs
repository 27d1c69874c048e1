//! The network of a node: what groups say goes out, and what comes in goes to them.
//!
//! Three things have threads here: the sockets, which only carry bytes; whoever looks at the transactions in what came
//! in, on the threads that check transactions; and for each group one that makes and sends the messages that take time
//! to make, so that the thread that steps the group never waits for them.

use std::{
    collections::{BTreeSet, HashMap},
    fmt, io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use entente_crypto::PublicKey;
use entente_executor::Executor;
use entente_group::{GroupError, Incoming, Message as GroupMessage, ServeTask};
use entente_host::NodeFault;
use entente_ledger::Ledger;
use entente_network::{
    Admission, Chain, Class, Credentials, GroupLine, Inboxes, Network, NetworkError, NetworkOptions, PeerStatus,
    Received, TlsKey,
};
use entente_types::read_observers;
use parity_scale_codec::{DecodeAll as _, Encode as _};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc::UnboundedReceiver, oneshot},
};

use crate::{
    GroupHandle, NetworkConfig, StartError,
    handle::Shared,
    read_access_lists,
    run::{Message, panic_text},
};

/// The threads that serve sockets.
const NETWORK_THREADS: usize = 2;
/// How long what they are about may take once the node stops.
const STOP_WAIT: Duration = Duration::from_millis(500);
/// The bytes of snapshots that a group gives to others in a second: a gigabyte takes a minute.
const SNAPSHOT_BYTES_PER_SECOND: u64 = 16 << 20;
/// The large answers to one peer that may wait: blocks, and transactions of proposals. Who asks for more asks again.
const ANSWERS_WAITING_MAX: u32 = 4;

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
    /// Begins to listen and to call, as the node with this consensus key. Nothing where the configuration names no address
    /// to listen at.
    pub(crate) fn start(
        folder: &Path,
        config: &NetworkConfig,
        key: &PublicKey,
    ) -> Result<Option<Arc<Self>>, StartError> {
        let Some(listen) = config.address() else { return Ok(None) };
        let lists = read_access_lists(folder)?;
        let network = |error| StartError::Network(Box::new(error));
        let credentials = credentials(folder).map_err(network)?;
        let own = credentials.chain.node().map_err(|error| network(NetworkError::Tls(error.into())))?;
        if !own.keys.contains(key) {
            return Err(StartError::OtherKey { path: folder.join("certs/node.pem") });
        }
        let root =
            Chain::read(&folder.join("certs/ca.pem")).map_err(|error| network(NetworkError::Tls(error.into())))?;
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

    /// Opens a group to its members.
    pub(crate) fn join(
        &self,
        ledger: &Ledger,
        executor: &Executor,
        introduction: &Introduction,
    ) -> Result<(GroupLine, Inboxes), StartError> {
        let genesis = ledger.genesis();
        let group = genesis.group_id.clone();
        let members = members(ledger, executor, introduction)
            .map_err(|fault| StartError::Group { group, error: Box::new(GroupError::Node(fault)) })?;
        let joined = self.network.join(ledger.genesis_hash(), genesis.suite, members);
        joined.map_err(|error| StartError::Network(Box::new(error)))
    }

    /// Brings a group what its other nodes say, from now on.
    pub(crate) fn listen(&self, handle: &GroupHandle, line: &GroupLine, inboxes: Inboxes) {
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let Inboxes { consensus, transactions, sync } = inboxes;
            for inbox in [consensus, transactions, sync] {
                runtime.spawn(hear(handle.clone(), line.clone(), inbox));
            }
        }
    }

    /// Reads the lists and the certificate again.
    ///
    /// # Errors
    /// The file that is wrong; what held before holds on.
    pub(crate) fn read_again(&self) -> Result<(), StartError> {
        let lists = read_access_lists(&self.folder)?;
        let renewed = credentials(&self.folder).and_then(|found| Ok(self.network.renew(&found)?));
        renewed.map_err(|error| StartError::Network(Box::new(error)))?;
        // After the certificate: who is called again at once is shown the new one.
        self.network.set_lists(lists);
        Ok(())
    }

    /// Who is connected.
    pub(crate) fn peers(&self) -> Vec<PeerStatus> {
        self.network.peers()
    }

    /// Where it listens.
    pub(crate) fn listens_at(&self) -> SocketAddr {
        self.network.listens_at()
    }

    /// Lets all peers go and ends the threads.
    pub(crate) fn stop(&self) {
        self.network.stop();
        if let Some(runtime) = self.take_runtime() {
            runtime.shutdown_timeout(STOP_WAIT);
        }
    }

    fn take_runtime(&self) -> Option<Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for NodeNetwork {
    fn drop(&mut self) {
        // Whoever drops it may be on a runtime's thread, which must not wait.
        if let Some(runtime) = self.take_runtime() {
            self.network.stop();
            runtime.shutdown_background();
        }
    }
}

/// Who is taken for a member by a node that knows no better.
pub(crate) struct Introduction {
    /// This node.
    pub(crate) own: PublicKey,
    /// Those that its operator names.
    pub(crate) introduced: BTreeSet<PublicKey>,
    /// Those that are sealers by certified headers, while the node catches up.
    vouched: Mutex<Vec<PublicKey>>,
}

impl Introduction {
    pub(crate) const fn new(own: PublicKey, introduced: BTreeSet<PublicKey>) -> Self {
        Self { own, introduced, vouched: Mutex::new(Vec::new()) }
    }

    /// From now on these are taken for members beside those that the blocks name.
    pub(crate) fn vouch(&self, members: Vec<PublicKey>) {
        *self.vouched.lock().unwrap_or_else(PoisonError::into_inner) = members;
    }
}

/// The consensus keys of the nodes that may hear of a group: its sealers, those that will be, and its observers. A node
/// that is none of these by the blocks that it has is not where today's members are known: those that its operator
/// named are among them until it is.
///
/// # Errors
/// The state cannot be read.
pub(crate) fn members(
    ledger: &Ledger,
    executor: &Executor,
    introduction: &Introduction,
) -> Result<BTreeSet<PublicKey>, NodeFault> {
    let (tip, state) = ledger.state_with_tip();
    let mut keys: BTreeSet<PublicKey> = read_observers(state.as_ref())?.into_iter().collect();
    let sealers = executor.sealers(state.as_ref())?;
    let next = tip.number.saturating_add(1);
    for height in next..=next.saturating_add(u64::from(ledger.genesis().pipeline_depth)) {
        keys.extend(sealers.at(height).iter().map(|member| member.key));
    }
    keys.extend(introduction.vouched.lock().unwrap_or_else(PoisonError::into_inner).iter());
    if !keys.contains(&introduction.own) {
        keys.extend(&introduction.introduced);
    }
    Ok(keys)
}

/// What a message is about.
pub(crate) const fn class(message: &GroupMessage) -> Class {
    match message {
        GroupMessage::Transactions(_) => Class::Transactions,
        GroupMessage::Consensus(_)
        | GroupMessage::PrePrepare { .. }
        | GroupMessage::Brief { .. }
        | GroupMessage::GetProposal { .. }
        | GroupMessage::Proposal(_)
        | GroupMessage::GetProposed { .. }
        | GroupMessage::Proposed { .. } => Class::Consensus,
        _ => Class::Sync,
    }
}

/// What takes time to make, and whom it is for.
enum Said {
    /// A large message for all.
    ToAll(GroupMessage),
    /// One for a peer.
    To(Turn, GroupMessage),
    /// Blocks, or whatever else a peer asked for.
    Asked(Turn, ServeTask),
}

/// How many answers to each peer wait, where any does.
type Waiting = Arc<Mutex<HashMap<PublicKey, u32>>>;

/// The place of an answer among those that wait.
struct Turn {
    waiting: Waiting,
    peer: PublicKey,
}

impl Turn {
    /// Nothing where enough wait for this peer.
    fn take(waiting: &Waiting, peer: PublicKey) -> Option<Self> {
        let mut counts = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= ANSWERS_WAITING_MAX {
            return None;
        }
        *count += 1;
        Some(Self { waiting: Arc::clone(waiting), peer })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}

/// A group's mouth.
pub(crate) struct Speaker {
    line: GroupLine,
    said: mpsc::Sender<Said>,
    /// To the thread for parts of snapshots, which may take long.
    of_snapshots: mpsc::Sender<Said>,
    waiting: Waiting,
    waiting_for_snapshots: Waiting,
    /// What still waits then is said to nobody.
    ended: Arc<AtomicBool>,
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Speaker {
    /// Starts its threads, which end with it.
    pub(crate) fn start(handle: &GroupHandle, line: &GroupLine) -> io::Result<(Self, [JoinHandle<()>; 2])> {
        let (said, to_say) = mpsc::channel();
        let (of_snapshots, snapshots_to_say) = mpsc::channel();
        let speaker = Self {
            line: line.clone(),
            said,
            of_snapshots,
            waiting: Waiting::default(),
            waiting_for_snapshots: Waiting::default(),
            ended: Arc::default(),
        };
        let ended = Arc::clone(&speaker.ended);
        let spawn = |what: &str, to_say: mpsc::Receiver<Said>, bytes_per_second: u64| {
            let (handle, line) = (handle.clone(), line.clone());
            let ended = Arc::clone(&ended);
            std::thread::Builder::new().name(format!("{}-{what}", handle.id())).spawn(move || {
                for said in to_say {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let bytes = speak(&handle, &line, said);
                    // What is served of snapshots leaves room for blocks, whatever the network could carry.
                    pause(bytes, bytes_per_second);
                }
            })
        };
        let threads = [spawn("speak", to_say, 0)?, spawn("serve", snapshots_to_say, SNAPSHOT_BYTES_PER_SECOND)?];
        Ok((speaker, threads))
    }

    /// Sends a message to one node of the group, or to all.
    pub(crate) fn say(&self, to: Option<PublicKey>, message: GroupMessage) {
        let message = message.in_brief();
        let large =
            matches!(message, GroupMessage::Transactions(_) | GroupMessage::Proposed { .. } | GroupMessage::Blocks(_));
        let said = match to {
            _ if !large => {
                send(&self.line, to.as_ref(), &message);
                return;
            }
            None => Some(Said::ToAll(message)),
            Some(peer) => Turn::take(&self.waiting, peer).map(|turn| Said::To(turn, message)),
        };
        if let Some(said) = said {
            let _ = self.said.send(said);
        }
    }

    /// Reads for a peer what it asked for and sends it. Whoever asks for much at once is answered in part, and asks again.
    pub(crate) fn serve(&self, task: ServeTask) {
        let (waiting, said) = if task.is_of_snapshot() {
            (&self.waiting_for_snapshots, &self.of_snapshots)
        } else {
            (&self.waiting, &self.said)
        };
        if let Some(turn) = Turn::take(waiting, task.to()) {
            let _ = said.send(Said::Asked(turn, task));
        }
    }
}

/// Sends a message; gives its bytes.
fn send(line: &GroupLine, to: Option<&PublicKey>, message: &GroupMessage) -> usize {
    let bytes = message.encode();
    match to {
        Some(to) => drop(line.send(to, class(message), &bytes)),
        None => drop(line.broadcast(class(message), &bytes)),
    }
    bytes.len()
}

/// Waits for as long as so many bytes take at this rate; with 0 not at all.
fn pause(bytes: usize, bytes_per_second: u64) {
    if let Some(micros) = (bytes as u64).saturating_mul(1_000_000).checked_div(bytes_per_second) {
        std::thread::sleep(Duration::from_micros(micros));
    }
}

fn speak(handle: &GroupHandle, line: &GroupLine, said: Said) -> usize {
    match said {
        Said::ToAll(message) => send(line, None, &message),
        Said::To(turn, message) => send(line, Some(&turn.peer), &message),
        Said::Asked(turn, task) => match task.run(handle.ledger()) {
            Ok(answer) => send(line, Some(&turn.peer), &answer),
            Err(error) => {
                tracing::error!(group = %handle.id(), %error, "blocks_not_served");
                0
            }
        },
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

/// Looks at a message's transactions, on the threads for that where there are any. Nothing where the node stops.
async fn looked_at(handle: &GroupHandle, message: GroupMessage) -> Option<Result<Incoming, &'static str>> {
    let look = |shared: &Shared, message| {
        let rules = Arc::clone(&shared.shown.lock().unwrap_or_else(PoisonError::into_inner).rules);
        let height = shared.ledger.tip().number;
        let looked = catch_unwind(AssertUnwindSafe(|| Incoming::new(&rules, height, message)));
        match looked {
            Ok(looked) => looked.map_err(|_| "it sent more in a message than there may be"),
            // A defect of this node costs one message, not the process; and whoever sends such a message again is let go.
            Err(payload) => {
                tracing::error!(group = %shared.ledger.genesis().group_id, fault = panic_text(payload.as_ref()), "message_not_checked");
                Err("it sent what could not be looked at")
            }
        }
    };
    let (answer, answered) = oneshot::channel();
    let shared = Arc::clone(&handle.shared);
    match message {
        // In turn with what clients send.
        GroupMessage::Transactions(_)
        | GroupMessage::Blocks(_)
        | GroupMessage::Bodies(_)
        | GroupMessage::Chunk { .. } => {
            handle.shared.checks.spawn(move || drop(answer.send(look(&shared, message))));
        }
        // A block waits for these: on the threads that execute, which wait for it too.
        GroupMessage::Proposed { .. } => rayon::spawn(move || drop(answer.send(look(&shared, message)))),
        _ => return Some(look(&shared, message)),
    }
    answered.await.ok()
}

#[cfg(test)]
mod tests {
    use entente_testing::keys;

    use super::*;

    #[test]
    fn answers_that_wait_for_one_peer_are_few() {
        let [one, other] = [0, 1].map(|place: usize| keys(2)[place].public_key());
        let waiting = Waiting::default();
        let mut turns: Vec<Turn> = (0..ANSWERS_WAITING_MAX).map(|_| Turn::take(&waiting, one).unwrap()).collect();
        assert!(Turn::take(&waiting, one).is_none());
        assert!(Turn::take(&waiting, other).is_some(), "another waits for its own");
        turns.pop();
        assert!(Turn::take(&waiting, one).is_some());
        drop(turns);
        assert!(waiting.lock().unwrap().is_empty(), "nothing is kept of those who have gone");
    }
}
