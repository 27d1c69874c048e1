//! What a group is told and what it asks for.

use entente_consensus::{ConsensusFault, Report};
use entente_executor::ExecutedBlock;
use entente_host::NodeFault;
use entente_ledger::{AppendError, InstallError, ReadError};
use entente_pool::{AdmissionError, Checked, PoolLimits};
use entente_storage::StorageError;
use entente_sync::SyncOptions;
use entente_types::{BlockNumber, Hash, PublicKey};

use crate::{ExecuteTask, Incoming, InstallTask, Message, PersistTask, ServeTask, StageTask, WriteTask};

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
        Self { pool: PoolLimits::default(), interval_ms_min: 10, view_timeout_ms: 1_000, sync: SyncOptions::default() }
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
    /// What arrived of a snapshot was kept, or not.
    Staged {
        /// What went wrong.
        result: Result<(), ReadError>,
    },
    /// A snapshot has taken the place of what the ledger held, or not. If it has, or changed nothing, this group is over:
    /// whoever runs it begins one anew on the ledger ([`Event::ends_group`]).
    Installed {
        /// Its height.
        height: BlockNumber,
        /// What went wrong.
        result: Result<(), InstallError>,
    },
    /// A task ended in a panic, which is a defect of this release. What it was doing did not happen.
    Panicked {
        /// The height that it was at work on.
        height: BlockNumber,
        /// What the panic says.
        message: String,
    },
}

impl Event {
    /// Whether the group that takes this in is over, and another begins on its ledger.
    pub fn ends_group(&self) -> bool {
        match self {
            Self::Installed { result, .. } => result.as_ref().err().is_none_or(InstallError::changed_nothing),
            _ => false,
        }
    }
}

/// What is to be done. Effects are carried out in their order.
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
    /// Run this on the thread that writes, in the order of these effects.
    Stage(StageTask),
    /// Run this on the thread that writes, in the order of these effects. Nothing follows but what begins anew.
    Install(InstallTask),
    /// How catching up by a snapshot goes.
    Joining(Joining),
    /// These are sealers by headers that are certified, though not by the blocks that are here: the group is theirs too.
    Introduce(Vec<PublicKey>),
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

/// How catching up by a snapshot goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// The node is very far behind: it fetches headers, and a snapshot where its peers have one.
    Begins {
        /// Its tip.
        height: BlockNumber,
        /// The greatest height that a peer says it has.
        best: BlockNumber,
    },
    /// A snapshot is fetched.
    Fetches {
        /// Its height.
        height: BlockNumber,
        /// How many chunks it has.
        chunks: u32,
        /// How many of them are not here.
        missing: u64,
    },
    /// Nobody gives it any more: another is looked for. What came is kept.
    Gone {
        /// Its height.
        height: BlockNumber,
    },
    /// All of it is here.
    Whole {
        /// Its height.
        height: BlockNumber,
    },
    /// A peer gave what is not right: it is not asked again.
    Wrong {
        /// Who.
        peer: PublicKey,
        /// What.
        what: &'static str,
    },
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
    #[error("what consensus promises could not be written: {0}")]
    Persist(StorageError),
    /// What arrived of a snapshot could not be kept, or not be put in.
    #[error("the snapshot could not be kept: {0}")]
    Snapshot(String),
    /// Consensus went on with what is not here.
    #[error(
        "consensus goes on with a proposal for block {height} that this node does not have whole; this is a defect of this \
         release: keep the log, install another release and start the node again; nothing that was told is lost"
    )]
    NotHere {
        /// The height.
        height: BlockNumber,
    },
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
