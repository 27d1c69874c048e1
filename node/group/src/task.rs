//! The two pieces of work that take time: executing and writing.

use std::sync::Arc;

use entente_crypto::LtHash;
use entente_executor::{BlockInput, ExecutedBlock, Executor, InputTransaction};
use entente_host::{EthereumEnvironment, NodeFault};
use entente_ledger::{AppendError, BlockRecord, InstallError, InstallPlan, Ledger, ReadError, Staging};
use entente_state::{ChangeSet, LayeredState, StateReader};
use entente_types::{BlockNumber, Hash, Header, Proposal, PublicKey};
use parity_scale_codec::Encode;

use crate::{
    Message,
    message::{MESSAGE_BLOCKS_MAX, MESSAGE_HEADERS_MAX},
};

/// A block that is on disk, with what subscribers ask for.
#[derive(Debug)]
pub struct CommittedBlock {
    /// The hash of its header.
    pub hash: Hash,
    /// Everything that was written of it.
    pub record: BlockRecord,
}

/// Executes a proposal.
pub struct ExecuteTask {
    pub(crate) parent: Header,
    pub(crate) proposal: Arc<Proposal>,
    pub(crate) transactions: Arc<Vec<InputTransaction>>,
    pub(crate) commitment: LtHash,
    /// Certified blocks that may not be written yet, ascending.
    pub(crate) unwritten: Vec<(BlockNumber, Arc<ChangeSet>)>,
}

impl ExecuteTask {
    /// The height.
    pub fn height(&self) -> BlockNumber {
        self.proposal.number
    }

    /// Does the work, on a thread whose stack has `EXECUTION_STACK_BYTES`. The answer is
    /// [`Event::Executed`](crate::Event::Executed).
    pub fn run(&self, ledger: &Ledger, executor: &Executor) -> Result<ExecutedBlock, NodeFault> {
        // What was written since the task was made is below the state already.
        let (tip, mut state) = ledger.state_with_tip();
        for (number, changes) in &self.unwritten {
            if *number > tip.number {
                state = Arc::new(LayeredState::new(Arc::clone(changes), state)) as Arc<dyn StateReader>;
            }
        }
        executor.execute(&BlockInput {
            parent: &self.parent,
            proposal: &self.proposal,
            transactions: &self.transactions,
            state,
            commitment: &self.commitment,
            record_accesses: false,
            ethereum: EthereumEnvironment::default(),
        })
    }
}

/// What a peer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Blocks { from: BlockNumber, count: u64 },
    Headers { from: BlockNumber, count: u64 },
    Snapshots,
    Snapshot { height: BlockNumber },
    Part { height: BlockNumber, part: u32 },
    Chunk { height: BlockNumber, chunk: u32 },
    Bodies { from: BlockNumber, count: u64 },
}

/// Reads for a peer what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeTask {
    pub(crate) to: PublicKey,
    pub(crate) wanted: Wanted,
}

/// The bytes that an answer with blocks or headers has at most, beyond the first of them.
const SERVED_BYTES_MAX: usize = 8 << 20;

/// As many of what can be had at these numbers as fit, until one is not there.
fn as_many_as_fit<T: Encode>(
    numbers: std::ops::Range<BlockNumber>,
    read: impl Fn(BlockNumber) -> Result<Option<T>, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let mut found = Vec::new();
    let mut bytes = 0_usize;
    for number in numbers {
        let Some(one) = read(number)? else { break };
        bytes = bytes.saturating_add(one.encoded_size());
        if bytes > SERVED_BYTES_MAX && !found.is_empty() {
            break;
        }
        found.push(one);
    }
    Ok(found)
}

impl ServeTask {
    /// Who is to be sent the answer.
    pub const fn to(&self) -> PublicKey {
        self.to
    }

    /// Whether it is about a snapshot: that can take long and can wait.
    pub const fn is_of_snapshot(&self) -> bool {
        !matches!(self.wanted, Wanted::Blocks { .. } | Wanted::Headers { .. } | Wanted::Snapshots)
    }

    /// The answer: of blocks and headers as many as there are and fit, in their order.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn run(&self, ledger: &Ledger) -> Result<Message, ReadError> {
        let numbers = |from: BlockNumber, count: u64| from.max(1)..from.saturating_add(count.min(MESSAGE_BLOCKS_MAX));
        Ok(match self.wanted {
            Wanted::Blocks { from, count } => {
                Message::Blocks(as_many_as_fit(numbers(from, count), |number| Ok(ledger.block(number)?.map(Arc::new)))?)
            }
            Wanted::Bodies { from, count } => {
                Message::Bodies(as_many_as_fit(numbers(from, count), |number| Ok(ledger.body(number)?.map(Arc::new)))?)
            }
            Wanted::Headers { from, count } => {
                let mut steps = ledger.header_steps(from.max(1), count.min(MESSAGE_HEADERS_MAX))?;
                let mut bytes = 0_usize;
                let fit = steps.iter().take_while(|step| {
                    let first = bytes == 0;
                    bytes = bytes.saturating_add(step.encoded_size());
                    first || bytes <= SERVED_BYTES_MAX
                });
                let fit = fit.count();
                steps.truncate(fit);
                Message::Headers(steps)
            }
            Wanted::Snapshots => Message::Snapshots(ledger.snapshots()),
            Wanted::Snapshot { height } => match ledger.snapshot_head(height)? {
                Some(head) => Message::Snapshot(Arc::new(head)),
                None => Message::Snapshots(ledger.snapshots()),
            },
            Wanted::Part { height, part } => {
                let found = ledger.snapshot_part(height, part)?.map(Arc::new);
                Message::Part { height, number: part, part: found }
            }
            Wanted::Chunk { height, chunk } => {
                let found = ledger.snapshot_chunk(height, chunk)?.map(Arc::new);
                Message::Chunk { height, number: chunk, chunk: found }
            }
        })
    }
}

/// Writes a certified block.
pub struct WriteTask {
    pub(crate) block: Arc<CommittedBlock>,
}

impl WriteTask {
    /// The height.
    pub fn height(&self) -> BlockNumber {
        self.block.record.block.header.number
    }

    /// Writes the block in one synced batch and gives it out to be told of. The answer is
    /// [`Event::Written`](crate::Event::Written).
    pub fn run(self, ledger: &Ledger) -> Result<Arc<CommittedBlock>, AppendError> {
        ledger.append(&self.block.record)?;
        Ok(self.block)
    }
}

/// Keeps what arrived of a snapshot.
pub struct StageTask {
    pub(crate) staging: Staging,
}

impl StageTask {
    /// Writes it. The answer is [`Event::Staged`](crate::Event::Staged).
    ///
    /// # Errors
    /// The storage fails.
    pub fn run(&self, ledger: &Ledger) -> Result<(), ReadError> {
        ledger.stage(&self.staging)
    }
}

/// Puts a snapshot in the place of what the ledger holds.
pub struct InstallTask {
    pub(crate) plan: InstallPlan,
}

impl InstallTask {
    /// The snapshot's height.
    pub const fn height(&self) -> BlockNumber {
        self.plan.head.height
    }

    /// Does it, when all that was to be written before is written. The answer is
    /// [`Event::Installed`](crate::Event::Installed).
    ///
    /// # Errors
    /// Something is missing or wrong, or the storage fails.
    pub fn run(&self, ledger: &Ledger) -> Result<(), InstallError> {
        ledger.install(&self.plan)
    }
}
