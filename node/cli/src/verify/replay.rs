//! Executing a chain again from genesis: a fresh executor, an empty state in memory, and the same headers or not.

use std::{sync::Arc, thread};

use entente_executor::EXECUTION_STACK_BYTES;
use entente_group::{ReplayError, open};
use entente_ledger::{HistoryRetention, Ledger, LedgerOptions};
use entente_storage::Memory;
use entente_types::{BlockNumber, Hash, Header};
use serde::Serialize;

use super::Opened;
use crate::{output::Failure, progress::Progress};

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Replay {
    /// The blocks that were executed again, block 0 not among them.
    pub(crate) blocks: u64,
    pub(crate) transactions: u64,
    /// Those whose receipt says that they failed.
    pub(crate) failed: u64,
    /// The state root at the end.
    pub(crate) state_root: Hash,
    /// Whether every header is the stored one.
    pub(crate) ok: bool,
    /// The first difference.
    pub(crate) fault: Option<String>,
}

/// Executes every block of a ledger again.
pub(crate) fn replay(opened: &Opened, progress: &Progress) -> Result<Replay, Failure> {
    // Contracts call one another deeply: the thread must have room for that.
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("replay".into()).stack_size(EXECUTION_STACK_BYTES);
        let running = builder.spawn_scoped(scope, || run(opened, progress))?;
        running.join().unwrap_or_else(|_| Err(Failure::new("the thread that executes ended unexpectedly")))
    })
}

fn run(opened: &Opened, progress: &Progress) -> Result<Replay, Failure> {
    let Opened { ledger: stored, genesis } = opened;
    let options = LedgerOptions { history: HistoryRetention::Blocks(1), ..LedgerOptions::default() };
    let (fresh, executor) = open(Arc::new(Memory::new()), genesis, options)?;
    let tip = stored.tip().number;
    let oldest = stored.oldest_block();
    if oldest > 1 {
        return Err(Failure::new(format!(
            "this node began from a snapshot: of blocks below {oldest} it has the headers alone, so that they cannot be \
             executed again here; do it at a node that has them"
        )));
    }
    let first = header(&fresh, 0)?;
    let mut found =
        Replay { blocks: 0, transactions: 0, failed: 0, state_root: first.state_root, ok: true, fault: None };
    if first != header(stored, 0)? {
        found.ok = false;
        found.fault = Some("block 0, made again from the genesis document, has another header".to_owned());
        return Ok(found);
    }
    let mut replaying = entente_group::Replay::new(&fresh, &executor)?.with_lineage(Arc::clone(stored.lineage()));
    for number in 1..=tip {
        let block = stored.block(number)?.ok_or_else(|| missing(number))?;
        let record = match replaying.take(block) {
            Ok(record) => record,
            // What this machine cannot read or write says nothing about the chain.
            Err(error @ (ReplayError::Append(_) | ReplayError::Read(_) | ReplayError::Execute { .. })) => {
                return Err(error.into());
            }
            Err(error) => {
                found.ok = false;
                found.fault = Some(error.to_string());
                break;
            }
        };
        found.blocks += 1;
        found.transactions += record.receipts.len() as u64;
        found.failed += record.receipts.iter().filter(|receipt| receipt.status.code() != 0).count() as u64;
        found.state_root = record.block.header.state_root;
        progress.set("executing all blocks again", number, Some(tip));
    }
    Ok(found)
}

fn header(ledger: &Ledger, number: BlockNumber) -> Result<Header, Failure> {
    ledger.header(number)?.ok_or_else(|| missing(number))
}

fn missing(number: BlockNumber) -> Failure {
    Failure::new(format!("block {number} is missing"))
}
