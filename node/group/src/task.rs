//! The two pieces of work that take time: executing and writing.

use std::sync::Arc;

use entente_crypto::LtHash;
use entente_executor::{BlockInput, ExecutedBlock, Executor, InputTransaction};
use entente_host::NodeFault;
use entente_ledger::{AppendError, BlockRecord, Ledger, ReadError};
use entente_state::{ChangeSet, LayeredState, StateReader};
use entente_types::{BlockNumber, Hash, Header, Proposal, PublicKey};
use parity_scale_codec::Encode;

use crate::{Message, message::MESSAGE_BLOCKS_MAX};

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
        })
    }
}

/// Reads blocks for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeTask {
    pub(crate) to: PublicKey,
    pub(crate) from: BlockNumber,
    pub(crate) count: u64,
}

/// The bytes of transactions that an answer with blocks has at most, beyond its first block.
const SERVED_BYTES_MAX: usize = 8 << 20;

impl ServeTask {
    /// Who is to be sent the answer.
    pub const fn to(&self) -> PublicKey {
        self.to
    }

    /// The answer: as many of the blocks as there are and fit, in their order.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn run(&self, ledger: &Ledger) -> Result<Message, ReadError> {
        let mut blocks = Vec::new();
        let mut bytes = 0_usize;
        let last =
            self.from.saturating_add(self.count.min(MESSAGE_BLOCKS_MAX)).min(ledger.tip().number.saturating_add(1));
        for number in self.from.max(1)..last {
            let Some(block) = ledger.block(number)? else { break };
            bytes = bytes.saturating_add(block.encoded_size());
            if bytes > SERVED_BYTES_MAX && !blocks.is_empty() {
                break;
            }
            blocks.push(Arc::new(block));
        }
        Ok(Message::Blocks(blocks))
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
