//! The joining.

use std::{collections::VecDeque, sync::Arc};

use entente_consensus::{
    Certified, ConsensusFault, Engine, Identity, Input, Message as ConsensusMessage, Output, Pbft, PbftOptions, Persist, Position,
    Report, SealerSet, Solo, Sound,
};
use entente_crypto::{SecretKey, SignatureScheme, SigningKey};
use entente_executor::{Configuration, ExecutedBlock, Executor, InputTransaction, Sealers};
use entente_host::NodeFault;
use entente_ledger::{AppendError, BlockRecord, Ledger};
use entente_pool::{AdmissionError, Checked, Pool, PoolLimits, PoolRules, ReplayKey};
use entente_storage::{Batch, StorageError};
use entente_sync::SyncOptions;
use entente_types::{
    Address, Block, BlockNumber, Certificate, ConsensusKind, Hash, Proposal, PublicKey, Suite, Transaction, Version,
};

use crate::{
    CommittedBlock, ExecuteTask, GroupError, Incoming, Message, PersistTask, ServeTask, WriteTask,
    catching_up::CatchingUp,
    chain::{Base, Chain, Ran},
    proposals::{Ground, Proposals, Question, Want},
    remembered::{self, Keys, StoredProposal},
};

/// The bytes of transactions that go into one proposal.
const PROPOSAL_BYTES_MAX: usize = 16 << 20;

/// How often a node tells the others how far it is, where no block does, in milliseconds.
const STATUS_INTERVAL_MS: u64 = 1_000;

/// What time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds that never go back.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970, as this node's clock has it.
    pub unix_ms: u64,
}

/// How this node takes part. Nothing here changes what a block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupOptions {
    /// How much may wait in the pool.
    pub pool: PoolLimits,
    /// The least time between two proposals, in milliseconds.
    pub interval_ms_min: u64,
    /// How long the next height may take to be ordered before another view is wanted, in milliseconds.
    pub view_timeout_ms: u64,
    /// How it catches up.
    pub sync: SyncOptions,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            pool: PoolLimits::default(),
            interval_ms_min: 10,
            view_timeout_ms: 1_000,
            sync: SyncOptions::default(),
        }
    }
}

/// What happened.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few at a time, and each is moved once")]
pub enum Event {
    /// A time asked for by [`Effect::WakeAt`] has come.
    Tick,
    /// Transactions were checked; `ticket` comes back in the answer.
    Admit {
        /// Names the request.
        ticket: u64,
        /// What the checks came to.
        checked: Vec<Result<Checked, AdmissionError>>,
    },
    /// A proposal was executed.
    Executed {
        /// Its height.
        height: BlockNumber,
        /// What it came to.
        result: Result<ExecutedBlock, NodeFault>,
    },
    /// What [`Effect::Persist`] asked for is on disk, or not.
    Persisted {
        /// Names the request.
        ticket: u64,
        /// What went wrong.
        result: Result<(), StorageError>,
    },
    /// A peer of the group, known by its consensus key, said something.
    Message {
        /// Who.
        from: PublicKey,
        /// What, looked at.
        incoming: Incoming,
    },
    /// A block was written, or not.
    Written {
        /// Its height.
        height: BlockNumber,
        /// What went wrong.
        result: Result<(), AppendError>,
    },
    /// A task ended in a panic, which is a defect of this release. What it was doing did not happen.
    Panicked {
        /// The height that it was at work on.
        height: BlockNumber,
        /// What the panic says.
        message: String,
    },
}

/// What is to be done. Effects are carried out in their order.
#[expect(clippy::large_enum_variant, reason = "few at a time, and each is moved once")]
pub enum Effect {
    /// Run this on the thread that executes.
    Execute(ExecuteTask),
    /// Run this on the thread that writes.
    Write(WriteTask),
    /// Run this on a thread that writes, in the order of these effects.
    Persist(PersistTask),
    /// Tell every other node of the group.
    Broadcast(Message),
    /// Tell one node of the group.
    Send {
        /// Whom.
        to: PublicKey,
        /// What.
        message: Message,
    },
    /// Run this on a thread that reads, and send what it comes to.
    Serve(ServeTask),
    /// Something that an operator wants to know of.
    Report(Report),
    /// Answer a request of [`Event::Admit`].
    Answer {
        /// Names the request.
        ticket: u64,
        /// The hash of each transaction that was let in, in their order.
        results: Vec<Result<Hash, AdmissionError>>,
    },
    /// Send [`Event::Tick`] at this monotonic time; a later request replaces an earlier one.
    WakeAt(u64),
    /// The group stops: it can go on only after someone has looked.
    Halt(Halt),
}

/// Why a group stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The node's own fault while executing.
    #[error("block {height} could not be executed: {fault}")]
    Execute {
        /// The height.
        height: BlockNumber,
        /// The fault.
        fault: NodeFault,
    },
    /// A block could not be written.
    #[error("block {height} could not be written: {error}")]
    Write {
        /// The height.
        height: BlockNumber,
        /// What went wrong.
        error: AppendError,
    },
    /// What consensus promises could not be written.
    #[error("what consensus promises could not be written: {0}; see to the disk and start the node again")]
    Persist(StorageError),
    /// Consensus must not go on.
    #[error(transparent)]
    Consensus(ConsensusFault),
    /// This release is defective.
    #[error(
        "the work on block {height} ended in a panic: {message}; this is a defect of this release: keep the log, install \
         another release and start the node again; nothing that was told is lost"
    )]
    Panicked {
        /// The height.
        height: BlockNumber,
        /// What the panic says.
        message: String,
    },
}

/// How signatures are made and read in a group. Nodes use their key and the suite.
#[derive(Debug, Clone)]
pub struct Signing {
    /// This node's consensus key.
    pub key: Arc<dyn SigningKey>,
    /// Finds signers.
    pub scheme: Arc<dyn SignatureScheme>,
}

impl Signing {
    /// A node's own key, and the suite that it is of.
    pub fn new(key: SecretKey) -> Self {
        let suite = key.public_key().suite();
        Self { key: Arc::new(key), scheme: Arc::new(suite) }
    }
}

/// A group of this node.
pub struct Group {
    suite: Suite,
    genesis: Hash,
    own: PublicKey,
    proposer: Address,
    depth: u64,
    /// The last block on disk.
    written: BlockNumber,
    /// Whether there are others to talk to.
    alone: bool,
    consensus: Box<dyn Engine>,
    pool: Pool,
    chain: Chain,
    proposals: Proposals,
    remembered: Keys,
    catching_up: CatchingUp,
    /// The proposal that came with the message being looked at.
    candidate: Option<Arc<Proposal>>,
    consensus_wake_at: Option<u64>,
    /// When the others are told again how far this node is.
    status_at: u64,
    told_waiting: bool,
    woken_for: Option<u64>,
    halted: bool,
}

impl Group {
    /// Begins above the ledger's tip, with the engine that genesis names.
    ///
    /// # Errors
    /// A ledger that cannot be read, an engine that is not there, or a key that is no sealer's where there is one.
    pub fn new(
        ledger: &Ledger,
        executor: &Executor,
        signing: Signing,
        options: GroupOptions,
    ) -> Result<Self, GroupError> {
        let genesis = ledger.genesis();
        let identity = identity(ledger, &signing);
        let found = remembered::read(ledger)?;
        let tip = ledger.tip().number;
        let consensus: Box<dyn Engine> = match genesis.consensus {
            ConsensusKind::Solo => {
                let (own, sealer) = (signing.key.public_key(), genesis.sealers.first());
                if let Some(sealer) = sealer.filter(|sealer| sealer.key != own) {
                    return Err(GroupError::NotASealer { found: own.address(), expected: sealer.key.address() });
                }
                Box::new(Solo::new(identity, tip, options.interval_ms_min))
            }
            ConsensusKind::Pbft => {
                let sets = sealer_sets(ledger, executor)?;
                let pbft = pbft_options(ledger, &options);
                Box::new(Pbft::<Sound>::new(identity, pbft, certified_tip(ledger)?, sets, found.recovered.clone()))
            }
            other => return Err(GroupError::Consensus(other)),
        };
        Self::with_engine(ledger, executor, signing, options, consensus)
    }

    /// The same with an engine from outside, which took up what [`recovered`] tells: for simulations.
    ///
    /// # Errors
    /// A ledger that cannot be read.
    pub fn with_engine(
        ledger: &Ledger,
        executor: &Executor,
        signing: Signing,
        options: GroupOptions,
        consensus: Box<dyn Engine>,
    ) -> Result<Self, GroupError> {
        let genesis = ledger.genesis();
        let tip = ledger.tip();
        let rules = executor.rules(ledger.state().as_ref(), tip.number.saturating_add(1))?;
        let pool_rules = PoolRules {
            suite: genesis.suite,
            scheme: signing.scheme,
            genesis: ledger.genesis_hash(),
            chain_id: genesis.chain_id,
            group_id: genesis.group_id.clone(),
            transaction_gas: rules.transaction_gas,
        };
        let mut pool = Pool::new(pool_rules, options.pool, tip.number);
        for block in ledger.replay_window() {
            let (number, entries) = block?;
            let keys = entries.iter().map(|entry| ReplayKey { sender: entry.sender, nonce: entry.nonce }).collect();
            pool.remember(number, keys);
        }
        let header = ledger.header(tip.number)?.ok_or(GroupError::NoTip(tip.number))?;
        let mut proposals = Proposals::default();
        let found = remembered::read(ledger)?;
        for stored in found.proposals.into_iter().filter(|stored| stored.proposal.number > tip.number) {
            proposals.insert_whole(stored.proposal.digest(genesis.suite), stored, Vec::new());
        }
        let own = signing.key.public_key();
        let configuration = Configuration::read(ledger.state().as_ref())?;
        Ok(Self {
            suite: genesis.suite,
            genesis: ledger.genesis_hash(),
            own,
            proposer: own.address(),
            depth: u64::from(genesis.pipeline_depth),
            written: tip.number,
            alone: genesis.consensus == ConsensusKind::Solo,
            consensus,
            pool,
            chain: Chain::new(
                Base { header, commitment: ledger.commitment() },
                configuration,
                executor.sealers(ledger.state().as_ref())?,
            ),
            proposals,
            remembered: found.keys,
            catching_up: CatchingUp::new(options.sync, tip.number),
            candidate: None,
            consensus_wake_at: None,
            status_at: 0,
            told_waiting: false,
            woken_for: None,
            halted: false,
        })
    }

    /// The transactions that wait.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Where consensus stands.
    pub fn position(&self) -> Position {
        self.consensus.position()
    }

    /// The greatest height that another node says it has.
    pub fn best_peer_height(&self) -> BlockNumber {
        self.catching_up.best()
    }

    /// Takes one event in and gives out what is to be done. After [`Effect::Halt`] it does nothing more but refuse. The
    /// first event is a [`Event::Tick`].
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.halted {
            return effects;
        }
        match event {
            Event::Tick => {
                self.woken_for = None;
                self.consensus_wake_at = self.consensus_wake_at.filter(|at| *at > now.monotonic_ms);
                self.drive(now, Some(Input::Tick), &mut effects);
            }
            Event::Admit { ticket, checked } => self.admit(now, ticket, checked, &mut effects),
            Event::Executed { height, result: Ok(executed) } => self.executed(now, height, executed, &mut effects),
            Event::Persisted { ticket, result: Ok(()) } => {
                self.drive(now, Some(Input::Persisted { ticket }), &mut effects);
            }
            Event::Written { height, result: Ok(()) } => {
                self.chain.written(height);
                self.written = height;
                self.status_at = now.monotonic_ms;
                self.drive(now, Some(Input::Written { height }), &mut effects);
            }
            Event::Message { from, incoming } => self.hear(now, from, incoming, &mut effects),
            Event::Executed { height, result: Err(fault) } => self.halt(Halt::Execute { height, fault }, &mut effects),
            Event::Persisted { result: Err(error), .. } => self.halt(Halt::Persist(error), &mut effects),
            Event::Written { height, result: Err(error) } => self.halt(Halt::Write { height, error }, &mut effects),
            Event::Panicked { height, message } => self.halt(Halt::Panicked { height, message }, &mut effects),
        }
        self.wake(now, &mut effects);
        effects
    }

    fn halt(&mut self, why: Halt, effects: &mut Vec<Effect>) {
        self.halted = true;
        effects.push(Effect::Halt(why));
    }

    /// Asks to be woken when the first of all that waits is due.
    fn wake(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let others = [self.proposals.wake_at(), self.catching_up.wake_at(now.monotonic_ms)];
        let status_at = Some(self.status_at).filter(|_| !self.alone);
        let next = others.into_iter().chain([self.consensus_wake_at, status_at]).flatten().min();
        if let Some(at) = next.filter(|at| self.woken_for != Some(*at)) {
            effects.push(Effect::WakeAt(at));
        }
        self.woken_for = next;
    }

    /// Transactions from a client: those that are let in are told to the others.
    fn admit(
        &mut self,
        now: Now,
        ticket: u64,
        checked: Vec<Result<Checked, AdmissionError>>,
        effects: &mut Vec<Effect>,
    ) {
        let mut admitted = Vec::new();
        let mut results = Vec::with_capacity(checked.len());
        for checked in checked {
            let transaction = checked.as_ref().ok().map(|checked| Arc::clone(checked.transaction()));
            let result = checked.and_then(|checked| self.pool.admit(checked));
            admitted.extend(transaction.filter(|_| result.is_ok()));
            results.push(result);
        }
        effects.push(Effect::Answer { ticket, results });
        if !self.alone && !admitted.is_empty() {
            effects.push(Effect::Broadcast(Message::Transactions(admitted)));
        }
        self.drive(now, None, effects);
    }

    /// Tells consensus whether transactions wait, where that changed or it took the news for used up.
    fn news_of_waiting(&mut self) -> Option<Input> {
        let waits = self.pool.has_untaken();
        let news = (waits != self.told_waiting).then_some(if waits { Input::TransactionsWait } else { Input::NothingWaits });
        self.told_waiting = waits;
        news
    }

    /// Steps consensus, and carries out what it asks for as far as that takes no time.
    fn drive(&mut self, now: Now, input: Option<Input>, effects: &mut Vec<Effect>) {
        let mut inputs: VecDeque<Input> = input.into_iter().collect();
        inputs.extend(self.news_of_waiting());
        while !self.halted {
            let Some(input) = inputs.pop_front() else {
                inputs.extend(self.settle(now));
                inputs.extend(self.news_of_waiting());
                if inputs.is_empty() {
                    break;
                }
                continue;
            };
            for output in self.consensus.step(now.monotonic_ms, input) {
                inputs.extend(self.carry_out(now, output, effects));
            }
        }
        if !self.halted {
            self.fetch_proposals(now, effects);
            self.catching_up.poll(now.monotonic_ms, effects);
            self.tell_status(now, effects);
        }
    }

    fn carry_out(&mut self, now: Now, output: Output, effects: &mut Vec<Effect>) -> Option<Input> {
        match output {
            Output::Propose { height, parent, view } => {
                // Consensus takes the news for used up.
                self.told_waiting = false;
                return Some(self.propose(now, height, parent, view));
            }
            Output::Judge { height, digest, parent, view, proposer } => {
                self.take_candidate(&digest);
                let question = Question { height, digest, parent, view, proposer: proposer.address() };
                self.proposals.ask(now.monotonic_ms, question);
            }
            Output::Hold { height, digest } => {
                self.take_candidate(&digest);
                self.proposals.want(now.monotonic_ms, height, digest);
            }
            Output::Abandon { digest, .. } => self.abandon(&digest),
            Output::Persist(persist) => {
                let persist = self.persist(persist);
                effects.push(Effect::Persist(persist));
            }
            Output::Broadcast(message) => effects.push(Effect::Broadcast(self.with_proposal(message))),
            Output::Send { to, message } => effects.push(Effect::Send { to, message: self.with_proposal(message) }),
            Output::Behind { peer } => {
                let message = Message::Status { height: self.written };
                effects.push(Effect::Send { to: peer, message });
            }
            Output::BadBlock { height } => self.catching_up.bad_block(now.monotonic_ms, height),
            Output::Execute { height, digest } => effects.extend(self.execute(height, digest)),
            Output::Commit { height, certificate } => {
                effects.extend(self.commit(now, height, certificate));
                self.follow_configuration(effects);
            }
            Output::WakeAt(time) => self.consensus_wake_at = Some(time),
            Output::Report(report) => effects.push(Effect::Report(report)),
            Output::Halt(fault) => self.halt(Halt::Consensus(fault), effects),
        }
        None
    }

    /// The proposal that came with a message stays if consensus asks about it.
    fn take_candidate(&mut self, digest: &Hash) {
        if let Some(proposal) = self.candidate.take_if(|proposal| proposal.digest(self.suite) == *digest) {
            self.insert_proposal(*digest, proposal);
        }
    }

    fn insert_proposal(&mut self, digest: Hash, proposal: Arc<Proposal>) {
        self.pool.set_aside(&proposal.transactions);
        self.proposals.insert(digest, proposal, &self.pool);
    }

    fn abandon(&mut self, digest: &Hash) {
        let free = self.proposals.abandon(digest);
        self.pool.give_back(&free);
    }

    /// A PRE-PREPARE travels with its proposal.
    fn with_proposal(&mut self, message: ConsensusMessage) -> Message {
        if let ConsensusMessage::PrePrepare(vote) = &message
            && let Some(held) = self.proposals.get(&vote.ballot.digest)
        {
            return Message::PrePrepare { vote: vote.clone(), proposal: Arc::clone(&held.proposal) };
        }
        Message::Consensus(message)
    }

    fn persist(&mut self, persist: Persist) -> PersistTask {
        let mut batch = Batch::new();
        self.remembered.forget_through(&mut batch, persist.forget_through);
        if let Some(view) = &persist.view {
            remembered::put_view(&mut batch, view);
        }
        for (height, record) in &persist.heights {
            self.remembered.height(&mut batch, *height, record);
        }
        for (_, digest) in &persist.proposals {
            let Some(held) = self.proposals.get(digest) else { continue };
            let (proposal, Some(inputs)) = (Arc::clone(&held.proposal), held.transactions()) else { continue };
            let transactions = inputs.iter().map(|input| Arc::clone(&input.transaction)).collect();
            let stored = StoredProposal { version: Version, proposal, transactions };
            self.remembered.proposal(&mut batch, digest, &stored);
        }
        PersistTask { ticket: persist.ticket, batch }
    }

    fn propose(&mut self, now: Now, height: BlockNumber, parent: Option<Hash>, view: u64) -> Input {
        let below = match parent {
            None => Some((self.chain.certified.header.proposal, self.chain.certified.header.timestamp_ms)),
            Some(digest) => self.proposals.get(&digest).map(|held| (digest, held.proposal.timestamp_ms)),
        };
        let limits = self.chain.configuration.limits(height);
        let (Some((parent_digest, parent_ms)), Ok(limits)) = (below, limits) else {
            return Input::NothingToPropose { height };
        };
        // A transaction with the nonce of one in flight can be in no proposal above it.
        let in_flight = self.proposals.keys_down_from(parent);
        let mut transactions = Vec::new();
        for pooled in self.pool.take(height, limits.block_transactions as usize, PROPOSAL_BYTES_MAX) {
            match replay_key(&pooled.transaction).filter(|key| in_flight.contains(key)) {
                Some(_) => self.pool.discard(&[pooled.hash]),
                None => transactions.push(pooled.hash),
            }
        }
        if transactions.is_empty() {
            return Input::NothingToPropose { height };
        }
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis,
            number: height,
            parent: parent_digest,
            view,
            timestamp_ms: now.unix_ms.max(parent_ms.saturating_add(1)),
            proposer: self.proposer,
            transactions,
            access: None,
        };
        let digest = proposal.digest(self.suite);
        self.insert_proposal(digest, Arc::new(proposal));
        Input::Proposed { height, digest }
    }

    /// What has become known of the proposals that consensus asks about, and blocks whose turn it is.
    fn settle(&mut self, now: Now) -> Vec<Input> {
        let header = &self.chain.certified.header;
        let mut inputs = Vec::new();
        let ground = Ground {
            genesis: self.genesis,
            unix_ms: now.unix_ms,
            configuration: &self.chain.configuration,
            pool: &self.pool,
            certified: (header.number, header.proposal, header.timestamp_ms),
            used: &self.chain.used,
        };
        for (question, refused) in self.proposals.verdicts(&ground) {
            inputs.push(Input::Judged { height: question.height, digest: question.digest, refused });
        }
        for (height, digest) in self.proposals.whole() {
            inputs.push(Input::Held { height, digest });
        }
        inputs.extend(self.feed(now));
        inputs
    }

    fn execute(&mut self, height: BlockNumber, digest: Hash) -> Option<Effect> {
        let (header, commitment) = self.chain.base(height)?;
        let (parent, commitment) = (header.clone(), commitment.clone());
        let held = self.proposals.get(&digest)?;
        Some(Effect::Execute(ExecuteTask {
            parent,
            proposal: Arc::clone(&held.proposal),
            transactions: held.transactions()?,
            commitment,
            unwritten: self.chain.unwritten_below(height),
        }))
    }

    fn executed(&mut self, now: Now, height: BlockNumber, executed: ExecutedBlock, effects: &mut Vec<Effect>) {
        let digest = executed.header.proposal;
        let header = executed.header.hash(self.suite);
        if height <= self.chain.height() || self.chain.base(height).is_none() {
            return;
        }
        let inputs = self.proposals.get(&digest).and_then(|held| held.transactions());
        let keys = inputs.map(|inputs| run(&inputs, &executed).filter_map(|input| replay_key(&input.transaction)).collect());
        self.chain.executed(height, Ran { digest, block: executed }, keys.unwrap_or_default());
        let sealers = Arc::new(sealer_set(&self.chain.sealers, height + self.depth));
        self.drive(now, Some(Input::Executed { height, header, sealers }), effects);
    }

    /// Makes the certified block the last one, and has it written.
    fn commit(&mut self, now: Now, height: BlockNumber, certificate: Certificate) -> Option<Effect> {
        let digest = self.chain.ran.get(&height)?.digest;
        let executed = self.chain.certify(height)?;
        let held = self.proposals.get(&digest)?;
        let inputs = held.transactions()?;
        let (proposal, told_left_out) = (Arc::clone(&held.proposal), std::mem::take(&mut held.left_out));
        let ran: Vec<&InputTransaction> = run(&inputs, &executed).collect();
        let included: Vec<(Hash, ReplayKey)> =
            ran.iter().filter_map(|input| Some((input.hash, replay_key(&input.transaction)?))).collect();
        let left_out: Vec<Hash> = executed.left_out.iter().map(|left| left.hash).collect();
        let hash = executed.header.hash(self.suite);
        let record = BlockRecord {
            block: Block {
                version: Version,
                header: executed.header,
                certificate,
                view: proposal.view,
                access: proposal.access,
                left_out: if told_left_out.is_empty() { executed.left_out } else { told_left_out },
                transactions: ran.iter().map(|input| (*input.transaction).clone()).collect(),
            },
            transaction_hashes: ran.iter().map(|input| input.hash).collect(),
            receipts: executed.receipts,
            changes: executed.changes,
            commitment: executed.commitment,
            access: None,
        };
        self.pool.committed(height, &included, &left_out);
        for digest in self.proposals.through(height) {
            self.abandon(&digest);
        }
        self.catching_up.tip_is(now.monotonic_ms, height);
        Some(Effect::Write(WriteTask { block: Arc::new(CommittedBlock { hash, record }) }))
    }

    /// Takes over the limits that rule the next height: for what the pool lets in.
    fn follow_configuration(&mut self, effects: &mut Vec<Effect>) {
        let height = self.chain.height().saturating_add(1);
        match self.chain.configuration.limits(height) {
            Ok(limits) => self.pool.set_transaction_gas(limits.transaction_gas),
            Err(fault) => self.halt(Halt::Execute { height, fault }, effects),
        }
    }
}

/// The other half: what the nodes of a group tell one another.
impl Group {
    fn hear(&mut self, now: Now, from: PublicKey, incoming: Incoming, effects: &mut Vec<Effect>) {
        let Incoming { message, looked } = incoming;
        let mut input = None;
        match message {
            Message::Consensus(message) => input = Some(Input::Message { from, message }),
            Message::PrePrepare { vote, proposal } => {
                self.candidate = Some(proposal);
                input = Some(Input::Message { from, message: ConsensusMessage::PrePrepare(vote) });
            }
            Message::Transactions(_) => {
                for looked in looked {
                    // Whoever sent it was told; here it is in the pool or it is not.
                    let _ = looked.checked.and_then(|checked| self.pool.admit(checked));
                }
                self.proposals.fill_from(&self.pool);
            }
            Message::GetProposal { digest, .. } => {
                let found = self.proposals.get(&digest).map(|held| Arc::clone(&held.proposal));
                effects.extend(found.map(|found| Effect::Send { to: from, message: Message::Proposal(found) }));
            }
            Message::Proposal(proposal) => {
                let digest = proposal.digest(self.suite);
                if self.proposals.is_asked_for(&digest) {
                    self.insert_proposal(digest, proposal);
                    self.proposals.hurry(now.monotonic_ms, &digest);
                }
            }
            Message::GetProposed { digest, positions, .. } => {
                let transactions = self.proposals.bodies(&digest, &positions);
                if !transactions.is_empty() {
                    effects.push(Effect::Send { to: from, message: Message::Proposed { digest, transactions } });
                }
            }
            Message::Proposed { digest, transactions } => {
                let places: Vec<u32> = transactions.iter().map(|(place, _)| *place).collect();
                self.proposals.take_in(&digest, &places, looked);
            }
            Message::Status { height } => self.catching_up.peer_is_at(from, height),
            Message::GetBlocks { from: first, count } => {
                effects.push(Effect::Serve(ServeTask { to: from, from: first, count }));
            }
            Message::Blocks(blocks) => self.catching_up.take_in(now.monotonic_ms, from, blocks, looked),
        }
        self.drive(now, input, effects);
        self.candidate = None;
    }

    /// Tells the others how far this node is: after each block, and from time to time, since messages are lost.
    fn tell_status(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.alone && self.status_at <= now.monotonic_ms {
            self.status_at = now.monotonic_ms + STATUS_INTERVAL_MS;
            effects.push(Effect::Broadcast(Message::Status { height: self.written }));
        }
    }

    /// Asks others for proposals and transactions that are not here: the proposer first, then whoever may have them.
    fn fetch_proposals(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let sealers = self.chain.sealers.at(self.chain.height() + 1);
        let others: Vec<PublicKey> = sealers.iter().map(|member| member.key).filter(|key| *key != self.own).collect();
        for (want, attempts) in self.proposals.wants(now.monotonic_ms) {
            let digest = match &want {
                Want::Proposal { digest, .. } | Want::Bodies { digest, .. } => *digest,
            };
            let proposer = self.proposals.get(&digest).map(|held| held.proposal.proposer);
            let first = others.iter().position(|key| Some(key.address()) == proposer).unwrap_or(0);
            let Some(to) = others.get((first + attempts) % others.len().max(1)).copied() else { continue };
            let message = match want {
                Want::Proposal { height, digest } => Message::GetProposal { height, digest },
                Want::Bodies { height, digest, positions } => Message::GetProposed { height, digest, positions },
            };
            effects.push(Effect::Send { to, message });
        }
    }

    /// Blocks that came whole, as far as it is their turn.
    fn feed(&mut self, now: Now) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut parent = self.chain.certified.header.proposal;
        for height in self.chain.height() + 1..=self.chain.height() + self.depth {
            let Some(fetched) = self.catching_up.take(now.monotonic_ms, height, &self.pool) else { break };
            let proposal = fetched.block.proposal(self.suite, self.genesis, parent);
            let digest = proposal.digest(self.suite);
            if digest != fetched.block.header.proposal {
                self.catching_up.bad_block(now.monotonic_ms, height);
                break;
            }
            parent = digest;
            let certified = fetched.certified(self.suite);
            let stored = StoredProposal { version: Version, proposal: Arc::new(proposal), transactions: fetched.transactions };
            self.pool.set_aside(&stored.proposal.transactions);
            self.proposals.insert_whole(digest, stored, fetched.block.left_out.clone());
            inputs.push(Input::Fetched { digest, certified });
        }
        inputs
    }
}

fn replay_key(transaction: &Transaction) -> Option<ReplayKey> {
    match transaction {
        Transaction::Native(native) => {
            Some(ReplayKey { sender: native.unsigned.sender, nonce: native.unsigned.nonce })
        }
        Transaction::Ethereum(_) | Transaction::Fisco(_) => None,
    }
}

/// The transactions that were run.
fn run<'a>(inputs: &'a [InputTransaction], executed: &ExecutedBlock) -> impl Iterator<Item = &'a InputTransaction> {
    let left_out: Vec<u32> = executed.left_out.iter().map(|left| left.position).collect();
    let mut positions = left_out.into_iter().peekable();
    let all = (0_u32..).zip(inputs);
    all.filter(move |(position, _)| positions.next_if_eq(position).is_none()).map(|(_, input)| input)
}

/// The set that rules a height, as consensus has it. Genesis's set begins to seal at height 1.
fn sealer_set(sealers: &Sealers, height: BlockNumber) -> SealerSet {
    let set = sealers.set_at(height);
    SealerSet { since: set.from.max(1), members: set.sealers.to_vec() }
}

/// The sealer sets that rule the heights above the tip, as far as they are known.
///
/// # Errors
/// The state cannot be read.
pub fn sealer_sets(ledger: &Ledger, executor: &Executor) -> Result<Vec<Arc<SealerSet>>, NodeFault> {
    let sealers = executor.sealers(ledger.state().as_ref())?;
    let next = ledger.tip().number.saturating_add(1);
    let mut sets: Vec<Arc<SealerSet>> = Vec::new();
    for height in next..next.saturating_add(u64::from(ledger.genesis().pipeline_depth)) {
        let set = sealer_set(&sealers, height);
        if sets.last().is_none_or(|last| last.since != set.since) {
            sets.push(Arc::new(set));
        }
    }
    Ok(sets)
}

/// The last block on disk, with its certificate.
///
/// # Errors
/// It cannot be read.
pub fn certified_tip(ledger: &Ledger) -> Result<Certified, GroupError> {
    let tip = ledger.tip();
    let block = ledger.block(tip.number)?.ok_or(GroupError::NoTip(tip.number))?;
    Ok(Certified { height: tip.number, header: tip.header_hash, certificate: block.certificate })
}

/// Who a node is in a group.
pub fn identity(ledger: &Ledger, signing: &Signing) -> Identity {
    Identity {
        suite: ledger.genesis().suite,
        genesis: ledger.genesis_hash(),
        key: Arc::clone(&signing.key),
        scheme: Arc::clone(&signing.scheme),
    }
}

/// How the engine of a group is set.
pub fn pbft_options(ledger: &Ledger, options: &GroupOptions) -> PbftOptions {
    PbftOptions {
        depth: u64::from(ledger.genesis().pipeline_depth),
        view_timeout_ms: options.view_timeout_ms,
        interval_ms_min: options.interval_ms_min,
        ..PbftOptions::default()
    }
}
