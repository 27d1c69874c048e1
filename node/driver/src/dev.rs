//! The thread of a chain for those who test contracts.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::Builder,
    time::{Duration, Instant},
};

use entente_dev::{DevChain, DevError};
use entente_executor::EXECUTION_STACK_BYTES;
use entente_group::Position;
use tokio::sync::broadcast;

use crate::{
    GroupHandle, Node, NodeConfig, NodeHandle, StartError,
    handle::{BLOCKS_BEHIND_MAX, Places, Shared, Shown},
    measures::GroupCounters,
    network::Introduction,
    node::{Workers, system},
    read_genesis, read_secret_key,
    run::{Message, Running, channel, unix_ms},
    together::{Asking, Gathering},
};

impl Node {
    /// Starts the node of this folder for those who test contracts: its chain is kept in memory alone, begins at its
    /// genesis each time, and does what they say.
    ///
    /// # Errors
    /// The chain is not one that this node orders alone, or a file of its folder is refused.
    pub fn start_for_tests(folder: &Path, config: &NodeConfig) -> Result<Self, StartError> {
        let genesis = read_genesis(folder)?;
        let key = read_secret_key(&folder.join("keys").join("consensus.key"), genesis.suite)?;
        let Workers { calls, checks } = Workers::start(config)?;
        let node_key = key.public_key();
        let introduction = Introduction::new(node_key, config.network.introduced(genesis.suite));
        let limits = config.group().pool;
        let chain =
            DevChain::begin(&genesis, key, limits, unix_ms()).map_err(|error| StartError::Dev(Box::new(error)))?;
        let (messages, receiver) = channel();
        let shared = Shared {
            is_dev: true,
            ledger: Arc::clone(chain.ledger()),
            executor: Arc::clone(chain.executor()),
            limits,
            gathering: Gathering::new(messages.clone()),
            messages,
            places: Places::new(&config.pool),
            counters: GroupCounters::default(),
            blocks: broadcast::channel(BLOCKS_BEHIND_MAX).0,
            shown: Mutex::new(shown(&chain)),
            calls: Arc::clone(&calls),
            checks: Arc::new(checks),
            line: None,
            introduction,
        };
        let handle = GroupHandle { shared: Arc::new(shared) };
        tracing::warn!(group = %handle.id(), "dev_mode");
        let running = start(chain, handle.clone(), receiver).map_err(|error| system("threads", error))?;
        let name = config.node.name.as_str().into();
        let handle = NodeHandle { name, groups: Arc::new(vec![handle]), calls, code: None, network: None };
        Ok(Self { handle, running: vec![running], code: None })
    }
}

/// What a handle shows of a chain.
pub(crate) fn shown(chain: &DevChain) -> Shown {
    let (pool, tip) = (chain.pool(), chain.ledger().tip().number);
    let proposer = Some(chain.identity().key.public_key());
    Shown {
        pool_transactions: pool.len(),
        pool_bytes: pool.bytes(),
        position: Position { certified: tip, epoch: 1, view: 0, active: true, timeout_ms: 0, proposer, loss: None },
        best_peer_height: 0,
        peer_heights: Vec::new(),
        rules: Arc::clone(pool.rules()),
        halted: None,
    }
}

/// Starts the thread: it takes the place of all those of a group.
pub(crate) fn start(chain: DevChain, handle: GroupHandle, messages: mpsc::Receiver<Message>) -> io::Result<Running> {
    let stepping = Loop { chain, handle: handle.clone(), mined_at: Instant::now() };
    let builder = Builder::new().name(format!("{}-dev", handle.id())).stack_size(EXECUTION_STACK_BYTES);
    let thread = builder.spawn(move || stepping.run(&messages))?;
    Ok(Running { handle, threads: vec![thread] })
}

struct Loop {
    chain: DevChain,
    handle: GroupHandle,
    /// When a block came by itself last.
    mined_at: Instant,
}

impl Loop {
    fn run(mut self, messages: &mpsc::Receiver<Message>) {
        loop {
            let done = match self.next(messages) {
                Ok(Message::Admit(requests)) => requests.into_iter().try_for_each(|request| self.admit(request)),
                Ok(Message::Look(look)) => {
                    look(&self.chain);
                    Ok(())
                }
                Ok(Message::Test(act)) => {
                    let answer = act(&mut self.chain, unix_ms());
                    self.tell();
                    answer();
                    Ok(())
                }
                // It has no peers, and nobody does its work for it.
                Ok(Message::Event(_) | Message::Heard { .. }) => Ok(()),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.mined_at = Instant::now();
                    self.chain.mine_one(unix_ms(), None)
                }
                Ok(Message::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            self.tell();
            if let Err(error) = done {
                return self.halt(&error);
            }
        }
    }

    /// The next message, or the time for a block to come by itself.
    fn next(&self, messages: &mpsc::Receiver<Message>) -> Result<Message, mpsc::RecvTimeoutError> {
        match self.chain.interval_ms() {
            None => messages.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(interval_ms) => {
                let due = Duration::from_millis(interval_ms);
                messages.recv_timeout(due.saturating_sub(self.mined_at.elapsed()))
            }
        }
    }

    /// Lets in what a request brings: each of its transactions is a block, where blocks are made at once.
    fn admit(&mut self, Asking { checked, answer, held }: Asking) -> Result<(), DevError> {
        let results = self.chain.admit(unix_ms(), checked)?;
        let refused = results.iter().filter_map(|result| result.as_ref().err());
        refused.for_each(|error| self.handle.shared.counters.refused(error));
        // Whoever hears of it finds what is shown to be so already.
        self.tell();
        let _ = answer.send(results);
        drop(held);
        Ok(())
    }

    /// Tells of what was made, and shows how the chain stands.
    fn tell(&mut self) {
        let shared = &self.handle.shared;
        for block in self.chain.take_blocks() {
            let header = &block.record.block.header;
            let transactions = block.record.transaction_hashes.len();
            tracing::debug!(group = %self.handle.id(), height = header.number, transactions, "dev_block");
            // Nobody listens: that is no fault.
            let _ = shared.blocks.send(block);
        }
        lock(&shared.shown).clone_from(&shown(&self.chain));
    }

    fn halt(&self, why: &DevError) {
        tracing::error!(group = %self.handle.id(), %why, "group_halted");
        let mut shown = lock(&self.handle.shared.shown);
        *shown = Shown { halted: Some(why.to_string()), ..shown.clone() };
    }
}

fn lock(shown: &Mutex<Shown>) -> std::sync::MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}
