//! How others reach a running group.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering, mpsc},
};

use entente_crypto::PublicKey;
use entente_dev::DevChain;
use entente_executor::{CallInput, Called, Executor, Sealers};
use entente_group::{CommittedBlock, Event, Group, Position};
use entente_host::NodeFault;
use entente_ledger::Ledger;
use entente_network::{GroupLine, PeerStatus};
use entente_pool::{AdmissionError, PoolLimits, PoolRules, PooledTransaction};
use entente_types::{Address, BlockNumber, Genesis, GroupId, Hash, Transaction, read_observers};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot};

use crate::{
    CallError, ChecksHeld, CodeFolder, GroupMeasures, Place, PoolConfig, Refusals, StartError,
    calls::CallPool,
    checks::CheckPool,
    measures::{GroupCounters, traffic},
    network::{Introduction, NodeNetwork},
    run::Message,
    together::{Asking, Gathering},
};

/// The blocks that a subscriber may be behind before it is told that it missed some.
pub(crate) const BLOCKS_BEHIND_MAX: usize = 256;

/// Why transactions were not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many requests at once.
    #[error("{limit} requests with transactions are being worked on (`pool.submissions_max`); send again later")]
    Busy {
        /// The limit.
        limit: u32,
    },
    /// Too many transactions at once.
    #[error(
        "{used} transactions are being checked, {count} more would be above the limit of {limit} \
         (`pool.checking_transactions_max`); send again later"
    )]
    BusyChecking {
        /// How many are being checked.
        used: usize,
        /// How many there are in this request.
        count: usize,
        /// The limit.
        limit: u32,
    },
    /// The group has stopped.
    #[error("the group has stopped; see the node's log")]
    Stopped,
}

/// What a group says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// The height of the last block on disk.
    pub height: BlockNumber,
    /// The hash of its header.
    pub hash: Hash,
    /// The commitment to the state after it.
    pub state_root: Hash,
    /// The transactions of all blocks.
    pub transactions: u64,
    /// The transactions that wait.
    pub pool_transactions: usize,
    /// Their bytes.
    pub pool_bytes: usize,
    /// How much may wait.
    pub pool_limits: PoolLimits,
    /// How many modules were compiled since the start.
    pub compilations: u64,
    /// Where consensus stands.
    pub position: Position,
    /// The greatest height that another node says it has; 0 where none has said anything.
    pub best_peer_height: BlockNumber,
    /// The height that each of the other nodes said last that it has.
    pub peer_heights: Vec<(PublicKey, BlockNumber)>,
    /// Why the group stopped, if it did.
    pub halted: Option<String>,
}

/// What the group's thread last said of its pool, and why it stopped.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) pool_transactions: usize,
    pub(crate) pool_bytes: usize,
    pub(crate) position: Position,
    pub(crate) best_peer_height: BlockNumber,
    pub(crate) peer_heights: Vec<(PublicKey, BlockNumber)>,
    /// What transactions are checked against before they reach the group.
    pub(crate) rules: Arc<PoolRules>,
    pub(crate) halted: Option<String>,
}

impl Shown {
    /// Takes over how a group stands.
    pub(crate) fn look(&mut self, group: &Group) {
        let pool = group.pool();
        (self.pool_transactions, self.pool_bytes) = (pool.len(), pool.bytes());
        self.position = group.position();
        self.best_peer_height = group.best_peer_height();
        self.peer_heights.clear();
        self.peer_heights.extend(group.peer_heights());
        if !Arc::ptr_eq(&self.rules, pool.rules()) {
            self.rules = Arc::clone(pool.rules());
        }
    }
}

/// The places for requests with transactions and for the transactions in them.
pub(crate) struct Places {
    pub(crate) submissions: Arc<Semaphore>,
    pub(crate) submissions_max: u32,
    pub(crate) checking: Arc<Semaphore>,
    pub(crate) checking_max: u32,
}

/// What a request holds until its answer is out.
pub(crate) struct Held {
    _submission: OwnedSemaphorePermit,
    _transactions: OwnedSemaphorePermit,
}

#[cfg(test)]
impl Held {
    /// One of the places that a node has which is configured so.
    pub(crate) fn of(config: &PoolConfig) -> Self {
        Places::new(config).take(1, &GroupCounters::default()).expect("a place")
    }
}

impl Places {
    pub(crate) fn new(config: &PoolConfig) -> Self {
        let (submissions_max, checking_max) = (config.submissions_max, config.checking_transactions_max);
        Self {
            submissions: Arc::new(Semaphore::new(submissions_max as usize)),
            submissions_max,
            checking: Arc::new(Semaphore::new(checking_max as usize)),
            checking_max,
        }
    }

    /// Takes places for a request with so many transactions.
    fn take(&self, count: usize, counters: &GroupCounters) -> Result<Held, SubmitError> {
        let Ok(submission) = Arc::clone(&self.submissions).try_acquire_owned() else {
            counters.submissions_refused.fetch_add(1, Ordering::Relaxed);
            return Err(SubmitError::Busy { limit: self.submissions_max });
        };
        let wanted = u32::try_from(count).unwrap_or(u32::MAX);
        let Ok(transactions) = Arc::clone(&self.checking).try_acquire_many_owned(wanted) else {
            counters.checking_refused.fetch_add(u64::from(wanted), Ordering::Relaxed);
            let used = (self.checking_max as usize).saturating_sub(self.checking.available_permits());
            return Err(SubmitError::BusyChecking { used, count, limit: self.checking_max });
        };
        Ok(Held { _submission: submission, _transactions: transactions })
    }
}

/// What others look at of whatever runs a group.
pub(crate) trait Looked {
    /// The oldest transactions that wait and are in no proposal.
    fn waiting(&self, count: usize) -> Vec<PooledTransaction>;
    /// A transaction that waits, or is in a proposal.
    fn pending(&self, hash: &Hash) -> Option<PooledTransaction>;
    /// The number of an account's next Ethereum transaction.
    fn next_nonce(&self, account: &Address) -> Result<u64, NodeFault>;
}

impl Looked for Group {
    fn waiting(&self, count: usize) -> Vec<PooledTransaction> {
        self.pool().waiting().take(count).collect()
    }

    fn pending(&self, hash: &Hash) -> Option<PooledTransaction> {
        self.pool().find(hash)
    }

    fn next_nonce(&self, account: &Address) -> Result<u64, NodeFault> {
        self.next_nonce(account)
    }
}

impl Looked for DevChain {
    fn waiting(&self, count: usize) -> Vec<PooledTransaction> {
        self.pool().waiting().take(count).collect()
    }

    fn pending(&self, hash: &Hash) -> Option<PooledTransaction> {
        self.pool().find(hash)
    }

    fn next_nonce(&self, account: &Address) -> Result<u64, NodeFault> {
        self.next_nonce(account)
    }
}

pub(crate) struct Shared {
    /// Whether it runs for those who test contracts: then a chain in memory takes the group's place.
    pub(crate) is_dev: bool,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) limits: PoolLimits,
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) gathering: Arc<Gathering>,
    pub(crate) places: Places,
    pub(crate) counters: GroupCounters,
    pub(crate) blocks: broadcast::Sender<Arc<CommittedBlock>>,
    pub(crate) shown: Mutex<Shown>,
    pub(crate) calls: Arc<CallPool>,
    pub(crate) checks: Arc<CheckPool>,
    /// To the other nodes, where the node is not alone.
    pub(crate) line: Option<GroupLine>,
    /// This node, and whom it takes for members where it knows no better.
    pub(crate) introduction: Introduction,
}

/// A running group, for reading it and sending to it. Cheap to clone.
#[derive(Clone)]
pub struct GroupHandle {
    pub(crate) shared: Arc<Shared>,
}

impl GroupHandle {
    /// The group's name.
    pub fn id(&self) -> &GroupId {
        &self.genesis().group_id
    }

    /// The document it began with.
    pub fn genesis(&self) -> &Genesis {
        self.shared.ledger.genesis()
    }

    /// Its identity.
    pub fn genesis_hash(&self) -> Hash {
        self.shared.ledger.genesis_hash()
    }

    /// The public key that this node signs the group's blocks with.
    pub fn node_key(&self) -> &PublicKey {
        &self.shared.introduction.own
    }

    /// The sealer sets as the tip's state has them, and the height above the tip.
    ///
    /// # Errors
    /// The node's own fault.
    pub fn sealers(&self) -> Result<(Sealers, BlockNumber), NodeFault> {
        let (tip, state) = self.shared.ledger.state_with_tip();
        Ok((self.shared.executor.sealers(state.as_ref())?, tip.number.saturating_add(1)))
    }

    /// Whether this node is one of those that order the next block.
    pub fn is_sealer(&self) -> bool {
        let seals = |(sealers, next): (Sealers, BlockNumber)| {
            sealers.at(next).iter().any(|sealer| sealer.key == *self.node_key())
        };
        self.sealers().is_ok_and(seals)
    }

    /// Whether this node is on the group's list of those that follow it.
    pub fn is_observer(&self) -> bool {
        read_observers(self.shared.ledger.state().as_ref()).is_ok_and(|keys| keys.contains(self.node_key()))
    }

    /// The group's line to its other nodes, where this node is on a network.
    pub fn line(&self) -> Option<&GroupLine> {
        self.shared.line.as_ref()
    }

    /// The group's other nodes that are connected to this one.
    pub fn connected(&self) -> Vec<PublicKey> {
        self.line().map(GroupLine::connected).unwrap_or_default()
    }

    /// Its blocks, receipts and state, as they are on disk.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// What it says of itself.
    pub fn status(&self) -> GroupStatus {
        let shown = self.shared.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ledger = &self.shared.ledger;
        let tip = ledger.tip();
        let state_root = ledger.header(tip.number).ok().flatten().map(|header| header.state_root).unwrap_or_default();
        GroupStatus {
            height: tip.number,
            hash: tip.header_hash,
            state_root,
            transactions: tip.total_transactions,
            pool_transactions: shown.pool_transactions,
            pool_bytes: shown.pool_bytes,
            pool_limits: self.shared.limits,
            compilations: self.shared.executor.compilations(),
            position: shown.position,
            best_peer_height: shown.best_peer_height,
            peer_heights: shown.peer_heights,
            halted: shown.halted,
        }
    }

    /// What it counts beside its status.
    pub fn measures(&self) -> GroupMeasures {
        let shared = &self.shared;
        let (places, counters) = (&shared.places, &shared.counters);
        let taken = |semaphore: &Semaphore, maximum: u32| {
            u64::from(maximum).saturating_sub(semaphore.available_permits() as u64)
        };
        let place = |name, used, maximum| Place { name, used, maximum };
        let (traffic, dropped) = self.line().map(|line| traffic(line.counters())).unwrap_or_default();
        let (submissions_max, checking_max) = (places.submissions_max, places.checking_max);
        GroupMeasures {
            places: vec![
                place("submissions", taken(&places.submissions, submissions_max), submissions_max.into()),
                place("checking_transactions", taken(&places.checking, checking_max), checking_max.into()),
                // One block each: consensus sees to it.
                place("execute", counters.executing.load(Ordering::Relaxed), 1),
                place("write", counters.writing.load(Ordering::Relaxed), 1),
                place("blocks_told", shared.blocks.len() as u64, BLOCKS_BEHIND_MAX as u64),
            ],
            refusals: counters.refusals(),
            execute: counters.execute.shown(),
            write: counters.write.shown(),
            traffic,
            dropped,
        }
    }

    /// Checks transactions, each with the bytes it came in, and lets those in that pass: the hash or the reason, in
    /// their order.
    ///
    /// # Errors
    /// Where none of them was looked at.
    pub async fn submit(
        &self,
        transactions: Vec<(Transaction, usize)>,
    ) -> Result<Vec<Result<Hash, AdmissionError>>, SubmitError> {
        let shared = Arc::clone(&self.shared);
        let held = shared.places.take(transactions.len(), &shared.counters)?;
        let (answer, answered) = oneshot::channel();
        let height = shared.ledger.tip().number;
        let rules = Arc::clone(&shared.shown.lock().unwrap_or_else(PoisonError::into_inner).rules);
        let checks = Arc::clone(&shared.checks);
        let unchecked = shared.gathering.begin();
        checks.check(&rules, height, transactions, move |checked| unchecked.done(Asking { checked, answer, held }));
        answered.await.map_err(|_| SubmitError::Stopped)
    }

    /// The oldest transactions that wait and are in no proposal, at most so many.
    ///
    /// # Errors
    /// Where the group has stopped.
    pub async fn waiting(&self, count: usize) -> Result<Vec<PooledTransaction>, SubmitError> {
        self.look(move |group| group.waiting(count)).await
    }

    /// A transaction that waits, or is in a proposal that is no block yet.
    ///
    /// # Errors
    /// Where the group has stopped.
    pub async fn pending(&self, hash: Hash) -> Result<Option<PooledTransaction>, SubmitError> {
        self.look(move |group| group.pending(&hash)).await
    }

    /// The number of an account's next Ethereum transaction, those that wait counted.
    ///
    /// # Errors
    /// Where the group has stopped, or the account cannot be read.
    pub async fn next_nonce(&self, account: Address) -> Result<Result<u64, NodeFault>, SubmitError> {
        self.look(move |group| group.next_nonce(&account)).await
    }

    /// Looks at the group on its own thread: what is asked must be short.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn Looked) -> T + Send + 'static,
    ) -> Result<T, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let look = move |group: &dyn Looked| drop(answer.send(look(group)));
        let _ = self.shared.messages.send(Message::Look(Box::new(look)));
        answered.await.map_err(|_| SubmitError::Stopped)
    }

    /// Whether it runs for those who test contracts: in memory, and taken back when they say so.
    pub fn is_dev(&self) -> bool {
        self.shared.is_dev
    }

    /// Does something with the chain of those who test contracts, on its own thread; what it does is handed the time, in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// Where the group has stopped, or is none of theirs.
    pub async fn test<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut DevChain, u64) -> T + Send + 'static,
    ) -> Result<T, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let act = move |chain: &mut DevChain, unix_ms: u64| -> Box<dyn FnOnce() + Send> {
            let done = act(chain, unix_ms);
            Box::new(move || drop(answer.send(done)))
        };
        let _ = self.shared.messages.send(Message::Test(Box::new(act)));
        answered.await.map_err(|_| SubmitError::Stopped)
    }

    /// Calls a contract at the tip, or at a height whose state is kept, without keeping what it does.
    pub async fn call(&self, call: CallInput, height: Option<BlockNumber>) -> Result<Called, CallError> {
        let shared = &self.shared;
        shared.calls.call(Arc::clone(&shared.ledger), Arc::clone(&shared.executor), call, height).await
    }

    /// Runs what reads the ledger and executes, where calls run: on a thread with the stack for it, within the limit of
    /// calls that run and wait.
    ///
    /// # Errors
    /// What the work answers, and a node that has no place for it or is stopping.
    pub async fn execute<T, E>(
        &self,
        work: impl FnOnce(&Ledger, &Executor) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CallError> + Send + 'static,
    {
        let shared = &self.shared;
        shared.calls.run(Arc::clone(&shared.ledger), Arc::clone(&shared.executor), work).await
    }

    /// The ABI that the code at an address has at the tip: a native module's, or what a contract says of itself.
    ///
    /// # Errors
    /// The node's own fault.
    pub fn abi(&self, address: &Address) -> Result<Option<String>, NodeFault> {
        self.shared.executor.abi(self.shared.ledger.state().as_ref(), address)
    }

    /// The code at an address after the block at this height, as EVM code sees it: empty where there is none.
    ///
    /// # Errors
    /// A height whose state cannot be read, and the node's own fault.
    pub fn ethereum_code(&self, address: &Address, height: BlockNumber) -> Result<Vec<u8>, CallError> {
        let state = self.shared.ledger.state_at(height)?;
        Ok(self.shared.executor.ethereum_code(state.as_ref(), address)?)
    }

    /// The blocks from now on, each when it is on disk. One who is too slow is told how many it missed.
    pub fn blocks(&self) -> broadcast::Receiver<Arc<CommittedBlock>> {
        self.shared.blocks.subscribe()
    }

    /// Keeps the threads that check transactions from their work until what this gives is dropped: what is sent
    /// meanwhile waits. It returns when the last of them is kept. For tests; a node has no use for it.
    #[doc(hidden)]
    pub fn hold_checks(&self) -> ChecksHeld {
        self.shared.checks.hold()
    }

    pub(crate) fn send(&self, event: Event) {
        let _ = self.shared.messages.send(Message::Event(event));
    }
}

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) name: Arc<str>,
    pub(crate) groups: Arc<Vec<GroupHandle>>,
    pub(crate) calls: Arc<CallPool>,
    pub(crate) code: Option<Arc<CodeFolder>>,
    pub(crate) network: Option<Arc<NodeNetwork>>,
}

impl NodeHandle {
    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The nodes that are connected to this one.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.network.as_ref().map(|network| network.peers()).unwrap_or_default()
    }

    /// Where it listens for other nodes, if it does.
    pub fn listens_for_peers_at(&self) -> Option<SocketAddr> {
        self.network.as_ref().map(|network| network.listens_at())
    }

    /// Reads the lists of who is let in and the node's certificate again. Whoever is not let in any more is let go.
    ///
    /// # Errors
    /// The file that is wrong; what held before holds on.
    pub fn read_admission_again(&self) -> Result<(), StartError> {
        self.network.as_ref().map_or(Ok(()), |network| network.read_again())
    }

    /// The bounded places that all its groups share.
    pub fn places(&self) -> Vec<Place> {
        let code = self.code.as_ref().map(|code| code.place());
        std::iter::once(self.calls.place()).chain(code).collect()
    }

    /// Whom the limits refused that all its groups share.
    pub fn refusals(&self) -> Vec<Refusals> {
        vec![self.calls.refusals()]
    }

    /// Its groups, the first one first.
    pub fn groups(&self) -> &[GroupHandle] {
        &self.groups
    }

    /// The group with this name.
    pub fn group(&self, id: &GroupId) -> Option<&GroupHandle> {
        self.groups.iter().find(|group| group.id() == id)
    }
}
