//! Calls that change nothing, on threads of their own.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use entente_executor::{CallInput, Called, EXECUTION_STACK_BYTES, Executor};
use entente_host::NodeFault;
use entente_ledger::{HistoryError, Ledger, ReadError};
use entente_types::BlockNumber;
use tokio::sync::{Semaphore, oneshot};

use crate::{Place, Refusals, run::panic_text};

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
    #[error("{limit} calls wait or run already (`rpc.calls_max`); call again later")]
    Busy {
        /// The limit.
        limit: u32,
    },
    /// The node is stopping, or it ran into a defect of its own.
    #[error("the node is stopping, or ran into a defect of its own: then its log says so")]
    Stopping,
}

/// A defect costs the one request that ran into it, not the process.
pub(crate) fn panicked(request: &str, payload: &(dyn Any + Send)) {
    tracing::error!(request, fault = panic_text(payload), "request_not_answered");
}

/// The threads that calls of all groups run on.
pub(crate) struct CallPool {
    threads: rayon::ThreadPool,
    places: Arc<Semaphore>,
    calls_max: u32,
    refused: AtomicU64,
}

impl CallPool {
    pub(crate) fn new(calls_max: u32) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(CALL_THREADS)
            .stack_size(EXECUTION_STACK_BYTES)
            .thread_name(|index| format!("call-{index}"))
            .panic_handler(|payload| panicked("call", payload.as_ref()))
            .build()?;
        let places = Arc::new(Semaphore::new(calls_max as usize));
        Ok(Self { threads, places, calls_max, refused: AtomicU64::new(0) })
    }

    pub(crate) fn place(&self) -> Place {
        let maximum = u64::from(self.calls_max);
        Place { name: "calls", used: maximum.saturating_sub(self.places.available_permits() as u64), maximum }
    }

    pub(crate) fn refusals(&self) -> Refusals {
        Refusals { limit: "rpc.calls_max", count: self.refused.load(Ordering::Relaxed) }
    }

    pub(crate) async fn call(
        &self,
        ledger: Arc<Ledger>,
        executor: Arc<Executor>,
        call: CallInput,
        height: Option<BlockNumber>,
    ) -> Result<Called, CallError> {
        self.run(ledger, executor, move |ledger, executor| run(ledger, executor, call, height)).await
    }

    /// Runs what reads and executes, on one of the threads, and within the limit of what is run and waits.
    pub(crate) async fn run<T, E>(
        &self,
        ledger: Arc<Ledger>,
        executor: Arc<Executor>,
        work: impl FnOnce(&Ledger, &Executor) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CallError> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(CallError::Busy { limit: self.calls_max }.into());
        };
        let (answer, answered) = oneshot::channel();
        self.threads.spawn_fifo(move || {
            // Whoever asked may be gone.
            if answer.is_closed() {
                return;
            }
            let done = work(&ledger, &executor);
            // Given up first: whoever has the answer may stop the node and open its store again at once.
            drop((ledger, executor));
            let _ = answer.send(done);
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
