//! The runtime that commands wait on.

use std::future::Future;

use entente_driver::NodeHandle;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
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
        // A node serves JSON-RPC on them, and nothing else.
        .thread_name("rpc")
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

/// Hears when somebody wants this process to end: an interrupt from the terminal, or SIGTERM. From when it is made
/// on, these do not end the process by themselves.
pub(crate) struct Interruption {
    terminate: Signal,
    interrupt: Signal,
}

impl Interruption {
    /// To be made within a runtime.
    pub(crate) fn new() -> Result<Self, Failure> {
        let fault = |error: std::io::Error| Failure::new(format!("the handler of signals: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(fault)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
        Ok(Self { terminate, interrupt })
    }

    /// Waits for it.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// From now on SIGHUP has the node read again who is let in, and its certificate. To be called within a runtime.
pub(crate) fn hear_hangups(node: NodeHandle) -> Result<(), Failure> {
    let hangups = signal(SignalKind::hangup());
    let mut hangups = hangups.map_err(|error| Failure::new(format!("the handler of signals: {error}")))?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match node.read_admission_again() {
                Ok(()) => tracing::info!("admission_read_again"),
                Err(error) => tracing::error!(%error, "admission_not_read"),
            }
        }
    });
    Ok(())
}
