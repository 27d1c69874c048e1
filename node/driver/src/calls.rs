//! Calls that change nothing, on threads of their own.

use std::sync::Arc;

use entente_executor::{CallInput, Called, EXECUTION_STACK_BYTES, Executor};
use entente_host::NodeFault;
use entente_ledger::{HistoryError, Ledger, ReadError};
use entente_types::BlockNumber;
use tokio::sync::{Semaphore, oneshot};

/// The calls that wait or run at a time.
const CALLS_WAITING_MAX: usize = 1024;
/// The threads that run calls.
const CALL_THREADS: usize = 2;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The state of that height cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The node's own fault.
    #[error(transparent)]
    Node(#[from] NodeFault),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Too many calls at once.
    #[error("{CALLS_WAITING_MAX} calls wait already; call again later")]
    Busy,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// The threads that calls of all groups run on.
pub(crate) struct CallPool {
    threads: rayon::ThreadPool,
    places: Arc<Semaphore>,
}

impl CallPool {
    pub(crate) fn new() -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(CALL_THREADS)
            .stack_size(EXECUTION_STACK_BYTES)
            .thread_name(|index| format!("call-{index}"))
            .build()?;
        Ok(Self { threads, places: Arc::new(Semaphore::new(CALLS_WAITING_MAX)) })
    }

    pub(crate) async fn call(
        &self,
        ledger: Arc<Ledger>,
        executor: Arc<Executor>,
        call: CallInput,
        height: Option<BlockNumber>,
    ) -> Result<Called, CallError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| CallError::Busy)?;
        let (answer, answered) = oneshot::channel();
        self.threads.spawn(move || {
            let called = run(&ledger, &executor, call, height);
            // Given up first: whoever has the answer may stop the node and open its store again at once.
            drop((ledger, executor));
            let _ = answer.send(called);
            drop(place);
        });
        answered.await.map_err(|_| CallError::Stopping)?
    }
}

fn run(
    ledger: &Ledger,
    executor: &Executor,
    call: CallInput,
    height: Option<BlockNumber>,
) -> Result<Called, CallError> {
    let (tip, state) = ledger.state_with_tip();
    let height = height.unwrap_or(tip.number);
    let state = if height == tip.number { state } else { ledger.state_at(height)? };
    let header = ledger.header(height)?.ok_or(HistoryError::Future { height, tip: tip.number })?;
    Ok(executor.call(state, &header, call)?)
}
