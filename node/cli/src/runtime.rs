//! The runtime that commands wait on.

use std::future::Future;

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

use crate::output::Failure;

/// Room for deep futures; what executes contracts has threads of its own.
const THREAD_STACK_BYTES: usize = 4 << 20;

/// A runtime with one thread for each core.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_stack_size(THREAD_STACK_BYTES)
        .thread_name("entente")
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the threads of this process: {error}")))
}

/// Waits for a command's work.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    // What still runs in the background is of no use to anyone.
    runtime.shutdown_background();
    result
}

/// Waits until somebody wants this process to end: an interrupt from the terminal, or SIGTERM.
pub(crate) async fn interrupted() -> Result<(), Failure> {
    let handler = |error: std::io::Error| Failure::new(format!("the handler of signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(handler)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(handler)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
