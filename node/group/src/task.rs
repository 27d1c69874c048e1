//! The two pieces of work that take time: executing and writing.

use std::sync::Arc;

use entente_crypto::LtHash;
use entente_executor::{BlockInput, ExecutedBlock, Executor, InputTransaction};
use entente_host::NodeFault;
use entente_ledger::{AppendError, BlockRecord, Ledger};
use entente_state::{ChangeSet, LayeredState, StateReader};
use entente_types::{BlockNumber, Hash, Header, Proposal};

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
