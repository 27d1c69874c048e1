//! The joining.

use std::{collections::VecDeque, sync::Arc};

use entente_consensus::{Engine, Input, Message as ConsensusMessage, Output, Persist, Position};
use entente_executor::{EthereumRules, EthereumVersions, ExecutedBlock, InputTransaction};
use entente_host::NodeFault;
use entente_ledger::BlockRecord;
use entente_pool::{AdmissionError, Checked, Pool, ReplayKey};
use entente_storage::Batch;
use entente_sync::SyncOptions;
use entente_types::{Address, Block, BlockNumber, Certificate, Hash, Proposal, PublicKey, Suite, Version};

use crate::{
    CommittedBlock, Effect, Event, ExecuteTask, Halt, Message, Now, PersistTask, WriteTask,
    accounts::{Accounts, DoorRules},
    begin::sealer_set,
    catching_up::CatchingUp,
    chain::{Begun, Chain, Ran},
    headers::HeaderChain,
    joining::Join,
    loss::Promises,
    proposals::{Ground, Proposals, Question},
    remembered::{self, Keys, StoredProposal},
    retelling::{Retelling, Told},
    room::Room,
};

/// The bytes of transactions that go into one proposal.
const PROPOSAL_BYTES_MAX: usize = 16 << 20;

/// A group of this node.
pub struct Group {
    pub(crate) suite: Suite,
    pub(crate) genesis: Hash,
    pub(crate) own: PublicKey,
    pub(crate) proposer: Address,
    pub(crate) depth: u64,
    /// The last block on disk.
    pub(crate) written: BlockNumber,
    /// Whether there are others to talk to.
    pub(crate) alone: bool,
    pub(crate) consensus: Box<dyn Engine>,
    pub(crate) pool: Pool,
    pub(crate) accounts: Accounts,
    pub(crate) ethereum: EthereumVersions,
    /// What rules the pool's door: the gas that a transaction may ask for, and what Ethereum's are held against.
    pub(crate) door: (u64, Option<EthereumRules>),
    pub(crate) chain: Chain,
    pub(crate) proposals: Proposals,
    pub(crate) remembered: Keys,
    pub(crate) catching_up: CatchingUp,
    pub(crate) sync: SyncOptions,
    pub(crate) headers: HeaderChain,
    pub(crate) join: Join,
    pub(crate) retelling: Retelling,
    pub(crate) room: Room,
    /// The proposal that came with the message being looked at.
    pub(crate) candidate: Option<Arc<Proposal>>,
    /// What a proposal in flight keeps from the next ones: it has another with the same number.
    pub(crate) put_off: Vec<Hash>,
    pub(crate) consensus_wake_at: Option<u64>,
    /// When the others are told again how far this node is.
    pub(crate) status_at: u64,
    pub(crate) told_waiting: bool,
    /// Whether it knows what it promised, or how far that went.
    pub(crate) promises: Promises,
    /// When the last block was certified here, or this node began.
    pub(crate) block_at: Option<u64>,
    /// The height at which consensus was told last that a block is due.
    pub(crate) told_due: BlockNumber,
    pub(crate) woken_for: Option<u64>,
    pub(crate) halted: bool,
}

impl Group {
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

    /// The height that each of the other nodes said last that it has.
    pub fn peer_heights(&self) -> impl Iterator<Item = (PublicKey, BlockNumber)> {
        self.catching_up.peers()
    }

    /// The number of an account's next Ethereum transaction, those that wait counted.
    ///
    /// # Errors
    /// The account cannot be read.
    pub fn next_nonce(&self, account: &Address) -> Result<u64, NodeFault> {
        match self.pool.next_nonce(account) {
            Some(next) => Ok(next),
            None => self.accounts.read(&self.chain, account).map(|account| account.nonce),
        }
    }

    /// Takes one event in and gives out what is to be done. After [`Effect::Halt`] it does nothing more but refuse. The
    /// first event is a [`Event::Tick`].
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.halted {
            return effects;
        }
        if self.join.is_installing() {
            self.installed(event, &mut effects);
            return effects;
        }
        self.block_at.get_or_insert(now.monotonic_ms);
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
            // What was begun before a snapshot was put in is nobody's any more.
            Event::Executed { height, .. } if !self.chain.begun.contains_key(&height) => {}
            Event::Executed { height, result: Err(fault) } => self.halt(Halt::Execute { height, fault }, &mut effects),
            Event::Persisted { result: Err(error), .. } => self.halt(Halt::Persist(error), &mut effects),
            Event::Written { height, result: Err(error) } => self.halt(Halt::Write { height, error }, &mut effects),
            Event::Panicked { height, message } => self.halt(Halt::Panicked { height, message }, &mut effects),
            Event::Staged { result: Ok(()) } => {
                self.join.is_staged();
                self.drive(now, None, &mut effects);
            }
            Event::Staged { result: Err(error) } => self.halt(Halt::Snapshot(error.to_string()), &mut effects),
            Event::Installed { .. } => {}
        }
        self.wake(now, &mut effects);
        effects
    }

    /// A snapshot takes the place of what the ledger holds: until it has, clients are told to come again, and nothing
    /// else is done.
    fn installed(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Admit { ticket, checked } => {
                let results = checked.iter().map(|_| Err(AdmissionError::CatchingUp)).collect();
                effects.push(Effect::Answer { ticket, results });
            }
            Event::Installed { result: Err(error), .. } if !error.changed_nothing() => {
                self.halt(Halt::Snapshot(error.to_string()), effects);
            }
            Event::Panicked { height, message } => self.halt(Halt::Panicked { height, message }, effects),
            Event::Staged { result: Err(error) } => self.halt(Halt::Snapshot(error.to_string()), effects),
            _ => {}
        }
    }

    fn halt(&mut self, why: Halt, effects: &mut Vec<Effect>) {
        self.halted = true;
        effects.push(Effect::Halt(why));
    }

    /// Asks to be woken when the first of all that waits is due.
    fn wake(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let others = [
            self.proposals.wake_at(),
            self.catching_up.wake_at(now.monotonic_ms),
            self.headers.wake_at(now.monotonic_ms),
            self.join.wake_at(now.monotonic_ms),
            self.retelling.wake_at(),
        ];
        let status_at = Some(self.status_at).filter(|_| !self.alone);
        let due_at = self.due_at().filter(|_| self.told_due != self.next_height());
        let next = others.into_iter().chain([self.consensus_wake_at, status_at, due_at]).flatten().min();
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
        let mut told = Vec::new();
        let mut results = Vec::with_capacity(checked.len());
        for checked in checked {
            let sent = checked.as_ref().ok().map(|checked| (Arc::clone(checked.transaction()), checked.bytes()));
            let result = checked.and_then(|checked| self.let_in(checked, effects));
            if let (Ok(hash), Some((transaction, bytes))) = (&result, sent) {
                self.proposals.admitted(hash);
                told.push(Told { hash: *hash, transaction, bytes });
            }
            results.push(result);
        }
        effects.push(Effect::Answer { ticket, results });
        if !self.alone && !told.is_empty() {
            self.filled();
            self.tell(now, told, effects);
        }
        self.drive(now, None, effects);
    }

    /// Lets a checked transaction wait, if it may.
    pub(crate) fn let_in(&mut self, checked: Checked, effects: &mut Vec<Effect>) -> Result<Hash, AdmissionError> {
        let account = match self.pool.asks_for(&checked).map(|sender| self.accounts.read(&self.chain, &sender)) {
            None => None,
            Some(Ok(account)) => Some(account),
            Some(Err(fault)) => {
                self.halt(Halt::Execute { height: self.next_height(), fault }, effects);
                return Err(AdmissionError::Account);
            }
        };
        self.pool.admit(checked, account)
    }

    /// Tells consensus whether transactions wait, where that changed or it took the news for used up.
    fn news_of_waiting(&mut self) -> Option<Input> {
        let waits = self.pool.has_untaken();
        let news =
            (waits != self.told_waiting).then_some(if waits { Input::TransactionsWait } else { Input::NothingWaits });
        self.told_waiting = waits;
        news
    }

    const fn next_height(&self) -> BlockNumber {
        self.chain.height().saturating_add(1)
    }

    /// When a block is due, be it an empty one; nothing where nobody asked for such.
    fn due_at(&self) -> Option<u64> {
        // What cannot be read has halted this node, or does when it is executed.
        let period = self.chain.configuration.empty_block_period_ms(self.next_height()).ok().flatten()?;
        self.block_at.map(|at| at.saturating_add(period))
    }

    /// Tells consensus that a block is due, once for each height.
    fn news_of_due(&mut self, now: Now) -> Option<Input> {
        let height = self.next_height();
        let due = self.due_at().is_some_and(|at| at <= now.monotonic_ms);
        if !due || self.told_due == height {
            return None;
        }
        self.told_due = height;
        Some(Input::BlockDue { height })
    }

    /// Steps consensus, and carries out what it asks for as far as that takes no time.
    pub(crate) fn drive(&mut self, now: Now, input: Option<Input>, effects: &mut Vec<Effect>) {
        let mut inputs: VecDeque<Input> = input.into_iter().collect();
        inputs.extend(self.news_of_waiting());
        inputs.extend(self.news_of_due(now));
        inputs.extend(self.news_of_promises());
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
            self.join(now, effects);
            if !self.join.has_target() {
                self.catching_up.poll(now.monotonic_ms, effects);
            }
            self.tell_again(now, effects);
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
                if let Some(held) = self.proposals.get(&digest) {
                    self.pool.set_aside(&held.proposal.transactions);
                }
                self.proposals.want(now.monotonic_ms, height, digest);
            }
            Output::Abandon { height, digest } => self.abandon(height, &digest),
            Output::Persist(persist) => {
                let task = self.persist(&persist);
                effects.push(Effect::Persist(task));
            }
            Output::Broadcast(message) => effects.push(Effect::Broadcast(self.with_proposal(message))),
            Output::Send { to, message } => effects.push(Effect::Send { to, message: self.with_proposal(message) }),
            Output::Behind { peer } => {
                let message = Message::Status { height: self.written };
                effects.push(Effect::Send { to: peer, message });
            }
            Output::BadBlock { height } => self.catching_up.bad_block(now.monotonic_ms, height),
            Output::Execute { height, digest } => self.execute(height, digest, effects),
            Output::Commit { height, certificate } => self.commit(now, height, certificate, effects),
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

    pub(crate) fn insert_proposal(&mut self, digest: Hash, proposal: Arc<Proposal>) {
        self.pool.set_aside(&proposal.transactions);
        self.proposals.insert(digest, proposal, &self.pool);
    }

    fn abandon(&mut self, height: BlockNumber, digest: &Hash) {
        let voted = self.remembered.has_proposal(height, digest);
        let free = self.proposals.abandon(digest, voted);
        self.pool.give_back(&free);
        self.take_up();
    }

    /// Lets wait again what a proposal in flight kept from the next ones.
    fn take_up(&mut self) {
        self.pool.give_back(&std::mem::take(&mut self.put_off));
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

    fn persist(&mut self, persist: &Persist) -> PersistTask {
        let mut batch = Batch::new();
        self.remembered.forget_through(&mut batch, persist.forget_through);
        if let Some(view) = &persist.view {
            remembered::put_view(&mut batch, view);
        }
        if let Some(loss) = &persist.loss {
            remembered::put_loss(&mut batch, loss);
        }
        for (height, record) in &persist.heights {
            self.remembered.height(&mut batch, *height, record);
        }
        for (_, digest) in &persist.proposals {
            let Some(held) = self.proposals.get(digest) else { continue };
            // A block that came is certified: of what it left out nobody needs to be told by this node.
            let (proposal, Some(transactions)) = (Arc::clone(&held.proposal), held.all()) else { continue };
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
        // A transaction with the nonce of one in flight can be in no proposal above it; but that one may come to nothing.
        let in_flight = self.proposals.keys_down_from(parent);
        let mut transactions = Vec::new();
        let most = self.room.most().min(limits.block_transactions as usize);
        for pooled in self.pool.take(height, most, PROPOSAL_BYTES_MAX) {
            match ReplayKey::of(&pooled.transaction).filter(|key| in_flight.contains(key)) {
                Some(_) => self.put_off.push(pooled.hash),
                None => transactions.push(pooled.hash),
            }
        }
        let mut timestamp_ms = now.unix_ms.max(parent_ms.saturating_add(1));
        if transactions.is_empty() {
            let period = self.chain.configuration.empty_block_period_ms(height).ok().flatten();
            match period.filter(|_| parent.is_none() && self.told_due == height) {
                // This node's clock may be behind that of whoever proposed the parent.
                Some(period) => timestamp_ms = timestamp_ms.max(parent_ms.saturating_add(period)),
                None => return Input::NothingToPropose { height },
            }
        }
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis,
            number: height,
            parent: parent_digest,
            view,
            timestamp_ms,
            proposer: self.proposer,
            transactions,
            access: None,
        };
        let (digest, transactions) = (proposal.digest(self.suite), proposal.transactions.len() as u64);
        self.insert_proposal(digest, Arc::new(proposal));
        Input::Proposed { height, digest, transactions }
    }

    /// What has become known of the proposals that consensus asks about, and blocks whose turn it is.
    fn settle(&mut self, now: Now) -> Vec<Input> {
        let header = &self.chain.certified.header;
        let mut inputs = Vec::new();
        let ground = Ground {
            genesis: self.genesis,
            unix_ms: now.unix_ms,
            configuration: &self.chain.configuration,
            ethereum: &self.ethereum,
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

    fn execute(&mut self, height: BlockNumber, digest: Hash, effects: &mut Vec<Effect>) {
        let base = self.chain.base(height).map(|(header, commitment)| (header.clone(), commitment.clone()));
        let begun = self.proposals.get(&digest).and_then(|held| {
            let (proposal, inputs) = (Arc::clone(&held.proposal), held.transactions()?);
            Some(Begun { digest, proposal, inputs, left_out: held.left_out.clone() })
        });
        let (Some((parent, commitment)), Some(begun)) = (base, begun) else {
            return self.halt(Halt::NotHere { height }, effects);
        };
        effects.push(Effect::Execute(ExecuteTask {
            parent,
            proposal: Arc::clone(&begun.proposal),
            transactions: Arc::clone(&begun.inputs),
            commitment,
            unwritten: self.chain.unwritten_below(height),
        }));
        self.chain.begun.insert(height, begun);
    }

    fn executed(&mut self, now: Now, height: BlockNumber, executed: ExecutedBlock, effects: &mut Vec<Effect>) {
        let header = executed.header.hash(self.suite);
        let Some(begun) = self.chain.begun.remove(&height).filter(|begun| begun.digest == executed.header.proposal)
        else {
            return;
        };
        let keys = run(&begun.inputs, &executed).filter_map(|input| ReplayKey::of(&input.transaction)).collect();
        if let Ok(limits) = self.chain.configuration.limits(height) {
            let (ran, left_out) = (executed.receipts.len(), executed.left_out.len());
            self.room.after(ran, left_out, executed.header.gas_used, limits.block_gas);
        }
        self.chain.executed(height, Ran { begun, block: executed }, keys);
        let sealers = Arc::new(sealer_set(&self.chain.sealers, height + self.depth));
        self.drive(now, Some(Input::Executed { height, header, sealers }), effects);
    }

    /// Makes the certified block the last one, and has it written.
    fn commit(&mut self, now: Now, height: BlockNumber, certificate: Certificate, effects: &mut Vec<Effect>) {
        let Some(Ran { begun, block: executed }) = self.chain.certify(height) else {
            return self.halt(Halt::NotHere { height }, effects);
        };
        let ran: Vec<&InputTransaction> = run(&begun.inputs, &executed).collect();
        let included: Vec<(Hash, ReplayKey)> =
            ran.iter().filter_map(|input| Some((input.hash, ReplayKey::of(&input.transaction)?))).collect();
        let left_out = if begun.left_out.is_empty() { executed.left_out } else { begun.left_out };
        let left_out_hashes: Vec<Hash> = left_out.iter().map(|left| left.hash).collect();
        let hash = executed.header.hash(self.suite);
        let record = BlockRecord {
            block: Block {
                version: Version,
                header: executed.header,
                certificate,
                view: begun.proposal.view,
                access: begun.proposal.access,
                left_out,
                transactions: ran.iter().map(|input| (*input.transaction).clone()).collect(),
            },
            transaction_hashes: ran.iter().map(|input| input.hash).collect(),
            receipts: executed.receipts,
            changes: executed.changes,
            commitment: executed.commitment,
            access: None,
        };
        match self.accounts.changed(&record.changes, &self.pool) {
            Ok(accounts) => self.pool.committed(height, &included, &left_out_hashes, accounts),
            Err(fault) => return self.halt(Halt::Execute { height, fault }, effects),
        }
        for digest in self.proposals.through(height) {
            let free = self.proposals.abandon(&digest, false);
            self.pool.give_back(&free);
        }
        self.take_up();
        self.catching_up.tip_is(now.monotonic_ms, height);
        self.block_at = Some(now.monotonic_ms);
        effects.push(Effect::Write(WriteTask { block: Arc::new(CommittedBlock { hash, record }) }));
        self.follow_configuration(effects);
    }

    /// Takes over what rules the next height: for what the pool lets in.
    fn follow_configuration(&mut self, effects: &mut Vec<Effect>) {
        let (height, configuration) = (self.next_height(), &self.chain.configuration);
        let limits = configuration.limits(height);
        let rules = limits.and_then(|limits| Ok((limits.transaction_gas, self.ethereum.rules(configuration, height)?)));
        match rules {
            // Most blocks change nothing of them, and what is shared stays shared.
            Ok(rules) if rules == self.door => {}
            Ok(rules) => {
                self.door = rules;
                self.pool.set_rules(rules.0, rules.1.map(|rules| Arc::new(DoorRules(rules)) as _));
            }
            // Whoever executes that height says so.
            Err(NodeFault::ProtocolVersion { .. }) => {}
            Err(fault) => self.halt(Halt::Execute { height, fault }, effects),
        }
    }
}

/// The transactions that were run.
fn run<'a>(inputs: &'a [InputTransaction], executed: &ExecutedBlock) -> impl Iterator<Item = &'a InputTransaction> {
    let left_out: Vec<u32> = executed.left_out.iter().map(|left| left.position).collect();
    let mut positions = left_out.into_iter().peekable();
    let all = (0_u32..).zip(inputs);
    all.filter(move |(position, _)| positions.next_if_eq(position).is_none()).map(|(_, input)| input)
}
