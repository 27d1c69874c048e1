//! `debug_trace*`: transactions and blocks that are run again, and calls, told in detail.

use std::sync::Arc;

use entente_dev::with_sender;
use entente_driver::GroupHandle;
use entente_executor::{Executor, InputTransaction, ReplayInput, Scene, Trace, TraceError, TraceKind, Traced};
use entente_ledger::Ledger;
use entente_types::{BlockNumber, Hash, Suite, Transaction};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    FAILED,
    call_parameters::Tracing,
    calls::{header, header_and_state},
    heights::{known_height, no_state},
    trace_views::TraceView,
};
use crate::{
    arguments::Arguments,
    context::Context,
    error::{INTERNAL, RpcError},
    limits::TRACE_BYTES_MAX,
    table::Pending,
    views::{Answer, answer},
};

impl From<TraceError> for RpcError {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Refused(error) => error.into(),
            TraceError::TooLarge { .. } => Self::new(FAILED, error.to_string()),
            TraceError::Differs { .. } => {
                // The operator must hear of it, not only whoever happened to ask.
                tracing::error!(%error, "block_differs");
                Self::new(INTERNAL, error.to_string())
            }
        }
    }
}

/// One of a block's traces.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TracedView<'a> {
    tx_hash: Hash,
    result: TraceView<'a>,
}

/// A trace as JSON, made where there is the stack for frames nested as deeply as they may be.
fn shown(trace: &Trace) -> Answer {
    answer(&TraceView(trace))
}

/// Runs a block again, and traces all of it or the transaction at a place.
fn replay(
    ledger: &Ledger,
    executor: &Executor,
    number: BlockNumber,
    place: Option<usize>,
    kind: &TraceKind,
) -> Result<Vec<Traced>, RpcError> {
    let Some(below) = number.checked_sub(1) else {
        return Err(RpcError::new(FAILED, "genesis is not traceable: block 0 was not executed"));
    };
    let suite = ledger.genesis().suite;
    let (parent, state) = header_and_state(ledger, below)?;
    let header = header(ledger, number)?;
    let missing = || {
        let missing = || RpcError::new(INTERNAL, format!("block {number} is not whole"));
        RpcError::not_kept(ledger, number).unwrap_or_else(missing)
    };
    let block = ledger.block(number)?.ok_or_else(missing)?;
    let receipts = ledger.receipts(number)?.ok_or_else(missing)?;
    let transactions: Vec<InputTransaction> =
        block.transactions.into_iter().map(|transaction| input(suite, transaction)).collect();
    let input =
        ReplayInput { parent: &parent, header: &header, transactions: &transactions, receipts: &receipts, state };
    Ok(executor.replay(&input, place, kind, TRACE_BYTES_MAX)?)
}

fn input(suite: Suite, transaction: Transaction) -> InputTransaction {
    let hash = transaction.hash(suite);
    // But on a chain for tests this changes nothing: what is in a block is signed.
    InputTransaction { hash, transaction: Arc::new(with_sender(transaction)) }
}

async fn trace_block(group: GroupHandle, number: BlockNumber, kind: TraceKind) -> Answer {
    let work = move |ledger: &Ledger, executor: &Executor| -> Result<Box<RawValue>, RpcError> {
        let traced = replay(ledger, executor, number, None, &kind)?;
        let view = |one: &'_ Traced| -> Result<Box<RawValue>, RpcError> {
            answer(&TracedView { tx_hash: one.hash, result: TraceView(&one.trace) })
        };
        let views: Vec<Box<RawValue>> = traced.iter().map(view).collect::<Result<_, _>>()?;
        answer(&views)
    };
    group.execute(work).await
}

/// `debug_traceTransaction`.
pub(crate) fn transaction(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.spoken_for(&context)?.handle.clone();
        let hash = arguments.hash(0)?;
        let Tracing { kind, .. } = arguments.tracing(1)?;
        let _turn = context.traces.acquire().await;
        let missing = move || RpcError::new(FAILED, format!("transaction not found: no block has {hash}"));
        let work = move |ledger: &Ledger, executor: &Executor| {
            let (number, index) = ledger.transaction_place(&hash)?.ok_or_else(missing)?;
            let traced = replay(ledger, executor, number, Some(index as usize), &kind)?;
            shown(&traced.first().ok_or_else(missing)?.trace)
        };
        group.execute(work).await
    })
}

/// `debug_traceBlockByNumber` and `debug_traceBlockByHash`.
pub(crate) fn block(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.spoken_for(&context)?.handle.clone();
        let number = known_height(&group, arguments.block_reference(0)?)?;
        let Tracing { kind, .. } = arguments.tracing(1)?;
        let _turn = context.traces.acquire().await;
        trace_block(group, number, kind).await
    })
}

/// `debug_traceCall`.
pub(crate) fn call(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.spoken_for(&context)?.handle.clone();
        let simulation = arguments.simulation(0)?;
        let height = known_height(&group, arguments.block_reference(1)?)?;
        let Tracing { kind, overrides } = arguments.tracing(2)?;
        let _turn = context.traces.acquire().await;
        let work = move |ledger: &Ledger, executor: &Executor| {
            let state = ledger.state_at(height).map_err(|error| no_state(&error))?;
            let header = header(ledger, height)?;
            let scene = Scene { state, header: &header, overrides: &overrides };
            shown(&executor.trace(&scene, &simulation, &kind, TRACE_BYTES_MAX)?)
        };
        group.execute(work).await
    })
}
