//! Executing a chain again from genesis: a fresh executor, an empty state in memory, and the same headers or not.

use std::{sync::Arc, thread};

use entente_executor::{BlockInput, EXECUTION_STACK_BYTES, ExecutedBlock, Executor, InputTransaction};
use entente_group::open;
use entente_ledger::{BlockRecord, HistoryRetention, Ledger, LedgerOptions};
use entente_storage::Memory;
use entente_types::{Block, BlockNumber, Hash, Header};
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
    let first = header(&fresh, 0)?;
    let mut found =
        Replay { blocks: 0, transactions: 0, failed: 0, state_root: first.state_root, ok: true, fault: None };
    compare(&first, &header(stored, 0)?, &mut found);
    let mut parent = first;
    for number in 1..=tip {
        if !found.ok {
            break;
        }
        let block = stored.block(number)?.ok_or_else(|| missing(number))?;
        let (record, executed) = execute(&fresh, &executor, &parent, block)?;
        found.blocks += 1;
        found.transactions += record.receipts.len() as u64;
        found.failed += record.receipts.iter().filter(|receipt| receipt.status.code() != 0).count() as u64;
        found.state_root = executed.state_root;
        compare(&executed, &record.block.header, &mut found);
        if found.ok {
            fresh.append(&record)?;
        }
        parent = executed;
        progress.set("executing all blocks again", number, Some(tip));
    }
    Ok(found)
}

/// A block executed on the fresh ledger: what is written of it, and the header that came of it.
fn execute(
    fresh: &Ledger,
    executor: &Executor,
    parent: &Header,
    block: Block,
) -> Result<(BlockRecord, Header), Failure> {
    let suite = fresh.genesis().suite;
    let proposal = block.proposal(suite, fresh.genesis_hash(), parent.proposal);
    // What was left out then is not stored, and left no trace: those that ran are executed.
    let transactions: Vec<InputTransaction> = block
        .transactions
        .iter()
        .map(|transaction| InputTransaction {
            hash: transaction.hash(suite),
            transaction: Arc::new(transaction.clone()),
        })
        .collect();
    let ExecutedBlock { header, receipts, changes, commitment, .. } = executor.execute(&BlockInput {
        parent,
        proposal: &proposal,
        transactions: &transactions,
        state: fresh.state(),
        commitment: &fresh.commitment(),
        record_accesses: false,
    })?;
    let transaction_hashes = transactions.iter().map(|transaction| transaction.hash).collect();
    Ok((BlockRecord { block, transaction_hashes, receipts, changes, commitment, access: None }, header))
}

fn header(ledger: &Ledger, number: BlockNumber) -> Result<Header, Failure> {
    ledger.header(number)?.ok_or_else(|| missing(number))
}

fn missing(number: BlockNumber) -> Failure {
    Failure::new(format!("block {number} is missing"))
}

/// The header's hash covers every root in it.
fn compare(executed: &Header, stored: &Header, found: &mut Replay) {
    if executed == stored {
        return;
    }
    let what = [
        ("state root", executed.state_root, stored.state_root),
        ("receipt root", executed.receipt_root, stored.receipt_root),
        ("transaction root", executed.transaction_root, stored.transaction_root),
        ("change root", executed.change_root, stored.change_root),
    ];
    let difference = what.into_iter().find(|(_, executed, stored)| executed != stored);
    let (what, executed_root, stored_root) =
        difference.unwrap_or(("proposal digest or another field", executed.proposal, stored.proposal));
    found.ok = false;
    found.fault = Some(format!(
        "block {}: executed again, its {what} is {executed_root}, stored is {stored_root}",
        stored.number
    ));
}
