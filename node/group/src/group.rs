//! The joining.

use std::sync::Arc;

use entente_consensus::{Engine, Input, Output, Solo};
use entente_crypto::{LtHash, SecretKey};
use entente_executor::{Configuration, ExecutedBlock, Executor, InputTransaction};
use entente_host::NodeFault;
use entente_ledger::{AppendError, BlockRecord, Ledger};
use entente_pool::{AdmissionError, Checked, Pool, PoolLimits, PoolRules, ReplayKey};
use entente_state::ChangeSet;
use entente_types::{
    Address, Block, BlockNumber, Certificate, ConsensusKind, Hash, Header, Limits, Proposal, Suite, Transaction,
    Version,
};

use crate::{CommittedBlock, ExecuteTask, GroupError, WriteTask};

/// The bytes of transactions that go into one proposal.
const PROPOSAL_BYTES_MAX: usize = 16 << 20;

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
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self { pool: PoolLimits::default(), interval_ms_min: 10 }
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

/// The last certified block, as the next one needs it.
struct Parent {
    header: Header,
    commitment: LtHash,
    /// The system configuration after it, where this run has executed it.
    configuration: Option<Configuration>,
}

/// The proposal in flight.
struct InFlight {
    proposal: Arc<Proposal>,
    transactions: Arc<Vec<InputTransaction>>,
    executed: Option<ExecutedBlock>,
}

/// A group of this node.
pub struct Group {
    suite: Suite,
    genesis: Hash,
    key: SecretKey,
    proposer: Address,
    consensus: Box<dyn Engine>,
    pool: Pool,
    parent: Parent,
    in_flight: Option<InFlight>,
    unwritten: Vec<(BlockNumber, Arc<ChangeSet>)>,
    /// The limits that rule the height above the parent.
    limits: Limits,
    halted: bool,
}

impl Group {
    /// Begins above the ledger's tip.
    pub fn new(
        ledger: &Ledger,
        executor: &Executor,
        key: SecretKey,
        options: GroupOptions,
    ) -> Result<Self, GroupError> {
        let genesis = ledger.genesis();
        let proposer = key.public_key().address();
        let tip = ledger.tip();
        let consensus = match genesis.consensus {
            ConsensusKind::Solo => Box::new(Solo::new(tip.number, options.interval_ms_min)),
            other => return Err(GroupError::Consensus(other)),
        };
        if let Some(sealer) = genesis.sealers.first().filter(|sealer| sealer.key != key.public_key()) {
            return Err(GroupError::NotASealer { found: proposer, expected: sealer.key.address() });
        }
        let rules = executor.rules(ledger.state().as_ref(), tip.number.saturating_add(1))?;
        let pool_rules = PoolRules {
            suite: genesis.suite,
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
        Ok(Self {
            suite: genesis.suite,
            genesis: ledger.genesis_hash(),
            key,
            proposer,
            consensus,
            pool,
            parent: Parent { header, commitment: ledger.commitment(), configuration: None },
            in_flight: None,
            unwritten: Vec::new(),
            limits: Limits {
                block_gas: rules.block_gas,
                transaction_gas: rules.transaction_gas,
                block_transactions: rules.block_transactions,
            },
            halted: false,
        })
    }

    /// The transactions that wait.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes one event in and gives out what is to be done. After [`Effect::Halt`] it does nothing more but refuse.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.halted {
            return effects;
        }
        match event {
            Event::Tick => self.drive(now, Input::Tick, &mut effects),
            Event::Admit { ticket, checked } => {
                let results = checked.into_iter().map(|checked| checked.and_then(|one| self.pool.admit(one))).collect();
                effects.push(Effect::Answer { ticket, results });
                if self.pool.has_untaken() {
                    self.drive(now, Input::TransactionsWait, &mut effects);
                }
            }
            Event::Executed { height, result: Ok(executed) } => {
                let header = executed.header.hash(self.suite);
                if let Some(flight) = self.in_flight.as_mut().filter(|flight| flight.proposal.number == height) {
                    flight.executed = Some(executed);
                    self.drive(now, Input::Executed { height, header }, &mut effects);
                }
            }
            Event::Written { height, result: Ok(()) } => {
                self.unwritten.retain(|(number, _)| *number > height);
                self.drive(now, Input::Written { height }, &mut effects);
            }
            Event::Executed { height, result: Err(fault) } => {
                self.halt(Halt::Execute { height, fault }, &mut effects);
            }
            Event::Written { height, result: Err(error) } => self.halt(Halt::Write { height, error }, &mut effects),
            Event::Panicked { height, message } => self.halt(Halt::Panicked { height, message }, &mut effects),
        }
        effects
    }

    fn halt(&mut self, why: Halt, effects: &mut Vec<Effect>) {
        self.halted = true;
        effects.push(Effect::Halt(why));
    }

    /// Steps consensus, and carries out what it asks for as far as that takes no time.
    fn drive(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front().filter(|_| !self.halted) {
            for output in self.consensus.step(now.monotonic_ms, input) {
                match output {
                    Output::Propose { height, view } => inputs.push_back(self.propose(now, height, view)),
                    Output::Execute { height, digest } => effects.extend(self.execute(height, digest)),
                    Output::Sign { height, header } => {
                        let digest = Header::signing_digest(self.suite, &self.genesis, height, &header);
                        inputs.push_back(Input::Signed { height, signature: self.key.sign(&digest) });
                    }
                    Output::Commit { height, certificate } => {
                        effects.extend(self.commit(height, certificate));
                        self.follow_configuration(effects);
                        if self.pool.has_untaken() {
                            inputs.push_back(Input::TransactionsWait);
                        }
                    }
                    Output::WakeAt(time) => effects.push(Effect::WakeAt(time)),
                }
            }
        }
    }

    fn propose(&mut self, now: Now, height: BlockNumber, view: u64) -> Input {
        let taken = self.pool.take(self.limits.block_transactions as usize, PROPOSAL_BYTES_MAX);
        if taken.is_empty() {
            return Input::NothingToPropose { height };
        }
        let transactions: Vec<InputTransaction> = taken
            .into_iter()
            .map(|pooled| InputTransaction { hash: pooled.hash, transaction: pooled.transaction })
            .collect();
        let parent = &self.parent.header;
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis,
            number: height,
            parent: parent.proposal,
            view,
            timestamp_ms: now.unix_ms.max(parent.timestamp_ms.saturating_add(1)),
            proposer: self.proposer,
            transactions: transactions.iter().map(|transaction| transaction.hash).collect(),
            access: None,
        };
        let digest = proposal.digest(self.suite);
        self.in_flight =
            Some(InFlight { proposal: Arc::new(proposal), transactions: Arc::new(transactions), executed: None });
        Input::Proposed { height, digest }
    }

    fn execute(&self, height: BlockNumber, _digest: Hash) -> Option<Effect> {
        let flight = self.in_flight.as_ref().filter(|flight| flight.proposal.number == height)?;
        Some(Effect::Execute(ExecuteTask {
            parent: self.parent.header.clone(),
            proposal: Arc::clone(&flight.proposal),
            transactions: Arc::clone(&flight.transactions),
            commitment: self.parent.commitment.clone(),
            unwritten: self.unwritten.clone(),
        }))
    }

    /// Makes the certified block the parent of the next, and has it written.
    fn commit(&mut self, height: BlockNumber, certificate: Certificate) -> Option<Effect> {
        let flight = self.in_flight.take_if(|flight| flight.proposal.number == height)?;
        let executed = flight.executed?;
        let left_out: Vec<Hash> = executed.left_out.iter().map(|left| left.hash).collect();
        let mut positions = executed.left_out.iter().map(|left| left.position).peekable();
        let ran: Vec<&InputTransaction> = (0_u32..)
            .zip(flight.transactions.iter())
            .filter(|(position, _)| positions.next_if_eq(position).is_none())
            .map(|(_, transaction)| transaction)
            .collect();
        let included: Vec<(Hash, ReplayKey)> = ran
            .iter()
            .filter_map(|input| match &*input.transaction {
                Transaction::Native(native) => {
                    let unsigned = &native.unsigned;
                    Some((input.hash, ReplayKey { sender: unsigned.sender, nonce: unsigned.nonce }))
                }
                Transaction::Ethereum(_) | Transaction::Fisco(_) => None,
            })
            .collect();
        let record = BlockRecord {
            block: Block {
                version: Version,
                header: executed.header.clone(),
                certificate,
                view: flight.proposal.view,
                access: flight.proposal.access,
                left_out: executed.left_out,
                transactions: ran.iter().map(|input| (*input.transaction).clone()).collect(),
            },
            transaction_hashes: ran.iter().map(|input| input.hash).collect(),
            receipts: executed.receipts,
            changes: Arc::clone(&executed.changes),
            commitment: executed.commitment.clone(),
            access: None,
        };
        self.pool.committed(height, &included, &left_out);
        self.unwritten.push((height, executed.changes));
        let hash = executed.header.hash(self.suite);
        self.parent = Parent {
            header: executed.header,
            commitment: executed.commitment,
            configuration: Some(executed.configuration),
        };
        Some(Effect::Write(WriteTask { block: Arc::new(CommittedBlock { hash, record }) }))
    }

    /// Takes over the limits that rule the height above the parent: for proposals, and for what the pool lets in.
    fn follow_configuration(&mut self, effects: &mut Vec<Effect>) {
        let height = self.parent.header.number.saturating_add(1);
        match self.parent.configuration.as_ref().map(|configuration| configuration.limits(height)) {
            Some(Ok(limits)) => {
                self.limits = limits;
                self.pool.set_transaction_gas(limits.transaction_gas);
            }
            Some(Err(fault)) => self.halt(Halt::Execute { height, fault }, effects),
            None => {}
        }
    }
}
