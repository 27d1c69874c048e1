//! Filters that the node keeps for those who come again and ask what is new. Of each only a place is kept: what is new
//! is read from the ledger.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use entente_driver::GroupHandle;
use entente_types::{BlockNumber, Hash};
use jsonrpsee::{core::traits::IdProvider as _, server::RandomIntegerIdProvider, types::SubscriptionId};

use super::{
    FAILED,
    blocks::known_header,
    logs,
    parameters::{BlockReference, LogBlocks, LogQuery},
    quantity::Quantity,
};
use crate::{
    arguments::Arguments,
    context::{Context, GroupEntry},
    error::RpcError,
    limits::{FILTER_AGE_MAX, FILTER_BLOCKS_MAX, FILTERS_MAX, LOGS_BYTES_MAX, LOGS_MAX},
    logs::{Cursor, Found, LogForm, Reader, read_on},
    views::{Answer, answer, json_answer},
};

/// What a filter waits for, and where it stands.
#[derive(Debug, Clone)]
enum Watched {
    /// Blocks, the next of which is this.
    Blocks(BlockNumber),
    Logs {
        query: Box<LogQuery>,
        cursor: Cursor,
    },
    /// Transactions that were let in, the next of which stands at this place.
    Transactions(u64),
}

struct Filter {
    watched: Watched,
    asked_at: Instant,
}

/// The filters of a group.
#[derive(Default)]
pub(crate) struct Filters(Mutex<HashMap<u64, Filter>>);

impl Filters {
    fn kept(&self) -> MutexGuard<'_, HashMap<u64, Filter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a filter; where there are too many, in the place of the one that was asked for the longest ago.
    fn add(&self, now: Instant, watched: Watched) -> u64 {
        let id = match RandomIntegerIdProvider.next_id() {
            SubscriptionId::Num(number) => number,
            SubscriptionId::Str(_) => 0,
        };
        let mut kept = self.kept();
        if kept.len() >= FILTERS_MAX {
            kept.retain(|_, filter| now.saturating_duration_since(filter.asked_at) <= FILTER_AGE_MAX);
        }
        if kept.len() >= FILTERS_MAX {
            let oldest = kept.iter().min_by_key(|(_, filter)| filter.asked_at).map(|(id, _)| *id);
            oldest.and_then(|oldest| kept.remove(&oldest));
        }
        kept.insert(id, Filter { watched, asked_at: now });
        id
    }

    /// What a filter waits for; asking keeps it.
    fn ask(&self, now: Instant, id: u64) -> Result<Watched, RpcError> {
        let mut kept = self.kept();
        let age = |filter: &Filter| now.saturating_duration_since(filter.asked_at);
        if let Some(filter) = kept.get_mut(&id).filter(|filter| age(filter) <= FILTER_AGE_MAX) {
            filter.asked_at = now;
            return Ok(filter.watched.clone());
        }
        kept.remove(&id);
        Err(missing(id))
    }

    /// Notes how far a filter was read.
    fn advance(&self, id: u64, watched: Watched) {
        if let Some(filter) = self.kept().get_mut(&id) {
            filter.watched = watched;
        }
    }

    /// The chain was taken back to this block: what comes after it is new.
    pub(crate) fn go_back(&self, tip: BlockNumber) {
        let next = tip.saturating_add(1);
        for filter in self.kept().values_mut() {
            match &mut filter.watched {
                Watched::Blocks(watched) => *watched = next.min(*watched),
                Watched::Logs { cursor, .. } => *cursor = cursor.back_to(next),
                Watched::Transactions(_) => {}
            }
        }
    }

    fn remove(&self, id: u64) -> bool {
        self.kept().remove(&id).is_some()
    }
}

fn missing(id: u64) -> RpcError {
    let age = FILTER_AGE_MAX.as_secs();
    let message =
        format!("filter not found: {id:#x}; one that nobody asked for in {age} s, or of another group, is not kept");
    RpcError::new(FAILED, message)
}

/// The height of the next block.
fn next_block(group: &GroupHandle) -> BlockNumber {
    group.ledger().tip().number.saturating_add(1)
}

/// `eth_newFilter`.
pub(crate) fn new_logs(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let entry = arguments.spoken_for(context)?;
    let mut query = arguments.log_query(0)?;
    let LogBlocks::Range { from, to } = query.blocks else {
        let message = "`filter` has `blockHash`; a filter that is kept waits for new blocks: ask with eth_getLogs";
        return Err(RpcError::parameters(message));
    };
    // What is above the last block of the range is none of its.
    query.filter.to = match to {
        Some(BlockReference::Number(number)) => Some(number),
        _ => None,
    };
    let next = next_block(&entry.handle);
    let first = match from {
        Some(BlockReference::Number(number)) => number.max(next),
        _ => next,
    };
    let watched = Watched::Logs { query: Box::new(query), cursor: Cursor::block(first) };
    answer(&Quantity(entry.filters.add(Instant::now(), watched)))
}

/// `eth_newBlockFilter`.
pub(crate) fn new_blocks(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let entry = arguments.spoken_for(context)?;
    let watched = Watched::Blocks(next_block(&entry.handle));
    answer(&Quantity(entry.filters.add(Instant::now(), watched)))
}

/// `eth_newPendingTransactionFilter`.
pub(crate) fn new_transactions(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let entry = arguments.spoken_for(context)?;
    let watched = Watched::Transactions(entry.pending.end());
    answer(&Quantity(entry.filters.add(Instant::now(), watched)))
}

/// `eth_uninstallFilter`.
pub(crate) fn uninstall(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&arguments.spoken_for(context)?.filters.remove(arguments.quantity(0)?))
}

/// `eth_getFilterChanges`: what is new since it was asked last.
pub(crate) fn changes(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let entry = arguments.spoken_for(context)?;
    let id = arguments.quantity(0)?;
    match entry.filters.ask(Instant::now(), id)? {
        Watched::Blocks(next) => {
            let (hashes, next) = new_hashes(&entry.handle, next)?;
            entry.filters.advance(id, Watched::Blocks(next));
            answer(&hashes)
        }
        Watched::Transactions(next) => {
            let (hashes, next) = entry.pending.since(next);
            entry.filters.advance(id, Watched::Transactions(next));
            answer(&hashes)
        }
        Watched::Logs { query, cursor } => {
            let (found, cursor) = new_found(entry, &query, cursor)?;
            entry.filters.advance(id, Watched::Logs { query, cursor });
            json_answer(format!("[{}]", found.join(",")))
        }
    }
}

/// The hashes of blocks from a height on, as many as are told at a time.
fn new_hashes(group: &GroupHandle, next: BlockNumber) -> Result<(Vec<Hash>, BlockNumber), RpcError> {
    let end = next_block(group).min(next.saturating_add(FILTER_BLOCKS_MAX)).max(next);
    let hash = |number| known_header(group, number).map(|header| header.ethereum_hash);
    Ok(((next..end).map(hash).collect::<Result<_, _>>()?, end))
}

/// The logs from a place on, as many as are told at a time, and the place where to go on.
fn new_found(entry: &GroupEntry, query: &LogQuery, mut cursor: Cursor) -> Result<(Vec<String>, Cursor), RpcError> {
    /// However much the filter means, no more turns than this are taken at once.
    const TURNS: usize = 32;
    let reader = Reader { group: &entry.handle, filter: &query.filter, form: LogForm::Ethereum };
    let (mut logs, mut bytes) = (Vec::new(), 0_usize);
    for _ in 0..TURNS {
        let (Found { logs: more, bytes: length }, next) = read_on(reader, cursor)?;
        let is_end = next == cursor;
        cursor = next;
        bytes = bytes.saturating_add(length);
        logs.extend(more);
        if is_end || bytes >= LOGS_BYTES_MAX || logs.len() >= LOGS_MAX {
            break;
        }
    }
    Ok((logs, cursor))
}

/// `eth_getFilterLogs`: all that the filter means, old and new.
pub(crate) fn all_logs(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let entry = arguments.spoken_for(context)?;
    let id = arguments.quantity(0)?;
    match entry.filters.ask(Instant::now(), id)? {
        Watched::Logs { query, .. } => logs::all(&entry.handle, &query),
        Watched::Blocks(_) | Watched::Transactions(_) => {
            Err(RpcError::new(FAILED, format!("filter not found: {id:#x} is no filter for logs")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn filters_are_bounded_in_count_and_age() {
        let filters = Filters::default();
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        let first = filters.add(begun, Watched::Blocks(1));
        for _ in 1..FILTERS_MAX {
            filters.add(begun + second, Watched::Transactions(0));
        }
        // The one that was asked for the longest ago makes room for another.
        assert!(filters.ask(begun + second, first).is_ok());
        let kept = filters.add(begun + second * 2, Watched::Blocks(1));
        assert_eq!(filters.kept().len(), FILTERS_MAX);
        filters.add(begun + second * 2, Watched::Blocks(1));
        assert!(filters.ask(begun + second * 2, first).is_ok() && filters.ask(begun + second * 2, kept).is_ok());
        // Whoever asks keeps his; what nobody asks for goes.
        assert!(filters.ask(begun + FILTER_AGE_MAX, first).is_ok());
        let later = begun + FILTER_AGE_MAX + second * 3;
        let another = filters.add(later, Watched::Blocks(1));
        assert_eq!(filters.kept().len(), 2);
        filters.advance(first, Watched::Blocks(9));
        assert!(matches!(filters.ask(later, first), Ok(Watched::Blocks(9))));
        assert!(filters.remove(first) && !filters.remove(first));
        let gone = filters.ask(later + FILTER_AGE_MAX + Duration::from_secs(1), another).unwrap_err();
        assert!(gone.code == FAILED && gone.message.starts_with("filter not found"), "{gone:?}");
    }
}
