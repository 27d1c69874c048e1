//! Past logs, and where a reader of logs stands.

use entente_driver::GroupHandle;
use entente_types::{Address, BlockNumber, Hash, Header, Log, Receipt, Suite, hex_bytes};
use serde::Serialize;

use crate::{
    arguments::Arguments,
    context::Context,
    error::{INTERNAL, NO_BLOCK_NUMBER, RpcError},
    ethereum::{EthereumLog, LIMITED},
    filter::Filter,
    limits::{LOG_BLOCKS_MAX, LOG_BYTES_AT_A_TIME, LOG_RECEIPTS_MAX, LOGS_BYTES_MAX, LOGS_MAX},
    views::{Answer, Place, json_answer},
};

/// A log, and where it stands.
#[derive(Serialize)]
struct LogView<'a> {
    address: Address,
    topics: &'a [Hash],
    #[serde(with = "hex_bytes")]
    data: &'a [u8],
    block: BlockNumber,
    block_hash: Hash,
    transaction: Hash,
    transaction_index: u32,
    log_index: u32,
}

/// Whose clients read the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogForm {
    /// Ours: blocks are named by our hashes.
    Entente,
    /// Ethereum's: blocks are named by the hashes of their Ethereum headers.
    Ethereum,
}

impl LogForm {
    /// The name of a block.
    pub(crate) fn block_hash(self, suite: Suite, header: &Header) -> Hash {
        match self {
            Self::Entente => header.hash(suite),
            Self::Ethereum => header.ethereum_hash,
        }
    }

    /// A refusal of more than is read at once: Ethereum's indexers halve their ranges on its code.
    fn limited(self, message: String) -> RpcError {
        match self {
            Self::Entente => RpcError::parameters(message),
            Self::Ethereum => RpcError::new(LIMITED, message),
        }
    }
}

/// The place of a log: that of the next one to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) block: BlockNumber,
    /// Among all logs of the block.
    pub(crate) log: u32,
}

impl Cursor {
    /// The first log of a block.
    pub(crate) const fn block(block: BlockNumber) -> Self {
        Self { block, log: 0 }
    }

    /// The same where it is not beyond the first log of this block, which it is otherwise.
    pub(crate) fn back_to(self, block: BlockNumber) -> Self {
        if self.block < block { self } else { Self::block(block) }
    }
}

/// Logs as JSON.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) logs: Vec<String>,
    /// Their bytes together.
    pub(crate) bytes: usize,
}

/// A block, as far as its logs need it.
pub(crate) struct Source<'a> {
    pub(crate) form: LogForm,
    pub(crate) number: BlockNumber,
    /// As the form names it.
    pub(crate) hash: Hash,
    pub(crate) timestamp_ms: u64,
    pub(crate) receipts: &'a [Receipt],
    /// The hashes of its transactions, in their order.
    pub(crate) hashes: &'a dyn Fn(usize) -> Option<Hash>,
}

/// Whether any log of a block is meant.
pub(crate) fn any(filter: &Filter, receipts: &[Receipt]) -> bool {
    receipts.iter().flat_map(|receipt| &receipt.logs).any(|log| filter.fits(log))
}

/// Makes the JSON of the logs that are meant, from a place in their block on, until there are so many bytes in all. Gives
/// the place where to go on: the next block's first log, at the end.
pub(crate) fn collect(
    filter: &Filter,
    source: &Source<'_>,
    first: u32,
    bytes_max: usize,
    found: &mut Found,
) -> Result<Cursor, RpcError> {
    let mut log_index = 0_u32;
    for (index, receipt) in source.receipts.iter().enumerate() {
        let from = log_index;
        log_index = log_index.saturating_add(receipt.logs.len() as u32);
        if log_index <= first || !receipt.logs.iter().any(|log| filter.fits(log)) {
            continue;
        }
        let missing = || RpcError::new(INTERNAL, format!("block {} has no place {index}", source.number));
        let transaction = (source.hashes)(index).ok_or_else(missing)?;
        for (log_index, log) in (from..).zip(&receipt.logs) {
            if log_index < first || !filter.fits(log) {
                continue;
            }
            if found.bytes >= bytes_max {
                return Ok(Cursor { block: source.number, log: log_index });
            }
            let text = view(source, transaction, index as u32, log_index, log)?;
            found.bytes = found.bytes.saturating_add(text.len() + 1);
            found.logs.push(text);
        }
    }
    Ok(Cursor::block(source.number.saturating_add(1)))
}

fn view(source: &Source<'_>, transaction: Hash, index: u32, log_index: u32, log: &Log) -> Result<String, RpcError> {
    let text = match source.form {
        LogForm::Entente => serde_json::to_string(&LogView {
            address: log.address,
            topics: &log.topics,
            data: &log.data,
            block: source.number,
            block_hash: source.hash,
            transaction,
            transaction_index: index,
            log_index,
        }),
        LogForm::Ethereum => {
            let place = Place { hash: transaction, block: source.number, block_hash: source.hash, index };
            serde_json::to_string(&EthereumLog::new(place, source.timestamp_ms, log_index, log))
        }
    };
    text.map_err(|error| RpcError::new(INTERNAL, error.to_string()))
}

/// A block's receipts, which must be there.
fn receipts(group: &GroupHandle, number: BlockNumber) -> Result<Vec<Receipt>, RpcError> {
    let missing = || {
        let missing = || RpcError::new(INTERNAL, format!("block {number} is missing"));
        RpcError::not_kept(group.ledger(), number).unwrap_or_else(missing)
    };
    group.ledger().receipts(number)?.ok_or_else(missing)
}

/// Whose logs are read, which of them, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) group: &'a GroupHandle,
    pub(crate) filter: &'a Filter,
    pub(crate) form: LogForm,
}

/// The same as [`collect`] of a block whose receipts were read from the ledger.
fn collect_stored(
    reader: Reader<'_>,
    cursor: Cursor,
    receipts: &[Receipt],
    bytes_max: usize,
    found: &mut Found,
) -> Result<Cursor, RpcError> {
    let Reader { group, filter, form } = reader;
    if !any(filter, receipts) {
        return Ok(Cursor::block(cursor.block.saturating_add(1)));
    }
    let missing = || RpcError::new(INTERNAL, format!("block {} is missing", cursor.block));
    let block = group.ledger().block(cursor.block)?.ok_or_else(missing)?;
    let suite = group.genesis().suite;
    let hashes = |index: usize| block.transactions.get(index).map(|transaction| transaction.hash(suite));
    let source = Source {
        form,
        number: cursor.block,
        hash: form.block_hash(suite, &block.header),
        timestamp_ms: block.header.timestamp_ms,
        receipts,
        hashes: &hashes,
    };
    collect(filter, &source, cursor.log, bytes_max, found)
}

/// Reads on from a place: blocks up to the filter's last or the tip, until [`LOG_BYTES_AT_A_TIME`] bytes are there or
/// enough was looked through for one time. Gives the logs, and the place where to go on.
pub(crate) fn read_on(reader: Reader<'_>, mut cursor: Cursor) -> Result<(Found, Cursor), RpcError> {
    /// After so many receipts somebody else has a turn.
    const RECEIPTS: usize = 20_000;
    let (mut found, mut looked_through) = (Found::default(), 0_usize);
    let tip = reader.group.ledger().tip().number;
    let last = reader.filter.to.map_or(tip, |to| to.min(tip));
    while cursor.block <= last && looked_through < RECEIPTS {
        let block = cursor.block;
        let receipts = receipts(reader.group, block)?;
        // A block without receipts is work, too.
        looked_through = looked_through.saturating_add(receipts.len().max(20));
        cursor = collect_stored(reader, cursor, &receipts, LOG_BYTES_AT_A_TIME, &mut found)?;
        if cursor.block == block {
            break;
        }
    }
    Ok((found, cursor))
}

/// Why a range has no answer, and which has.
fn beyond(form: LogForm, what: &str, from: BlockNumber, block: BlockNumber, to: BlockNumber) -> RpcError {
    let advice = match block.checked_sub(1).filter(|last| *last >= from) {
        Some(last) => format!("ask up to block {last} first"),
        None => format!("block {block} alone has them: narrow `filter.address` or `filter.topics`, or subscribe"),
    };
    form.limited(format!("`filter` meets {what} from block {from} to {to}; {advice}"))
}

/// The blocks that a filter covers where the last one is `tip`.
fn range(filter: &Filter, tip: BlockNumber) -> Result<(BlockNumber, BlockNumber), RpcError> {
    let to = filter.to.unwrap_or(tip);
    let from = filter.from.unwrap_or(to);
    if to > tip {
        let message = format!("BlockNumber does not exist: `filter.to` is {to}, the last is {tip}");
        return Err(RpcError::new(NO_BLOCK_NUMBER, message));
    }
    if from > to && filter.to.is_some() {
        return Err(RpcError::parameters(format!("`filter.from` is {from}, above `filter.to`, {to}")));
    }
    bounded(LogForm::Entente, from, to)?;
    Ok((from, to))
}

/// Refuses a range of too many blocks.
pub(crate) fn bounded(form: LogForm, from: BlockNumber, to: BlockNumber) -> Result<(), RpcError> {
    if to.saturating_sub(from) >= LOG_BLOCKS_MAX {
        let (count, last) = (to - from + 1, from + (LOG_BLOCKS_MAX - 1));
        return Err(form.limited(format!(
            "`filter` covers {count} blocks; at most {LOG_BLOCKS_MAX} are allowed: ask up to block {last} first"
        )));
    }
    Ok(())
}

/// `entente_logs`.
pub(crate) fn past(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let filter = arguments.filter(1)?;
    let (from, to) = range(&filter, group.ledger().tip().number)?;
    in_range(Reader { group, filter: &filter, form: LogForm::Entente }, from, to)
}

/// The logs of the blocks of a range that is bounded, all of them.
pub(crate) fn in_range(reader: Reader<'_>, from: BlockNumber, to: BlockNumber) -> Answer {
    let Reader { group, filter, form } = reader;
    let (mut found, mut looked_through) = (Found::default(), 0_usize);
    for number in from..=to {
        let receipts = receipts(group, number)?;
        looked_through = looked_through.saturating_add(receipts.len());
        if looked_through > LOG_RECEIPTS_MAX {
            return Err(beyond(form, &format!("more than {LOG_RECEIPTS_MAX} receipts"), from, number, to));
        }
        let cursor = Cursor { block: number, log: if number == from { filter.from_log } else { 0 } };
        let next = collect_stored(reader, cursor, &receipts, LOGS_BYTES_MAX, &mut found)?;
        if next.block == number || found.bytes > LOGS_BYTES_MAX {
            return Err(beyond(form, &format!("more than {LOGS_BYTES_MAX} bytes of logs"), from, number, to));
        }
        if found.logs.len() > LOGS_MAX {
            return Err(beyond(form, &format!("more than {LOGS_MAX} logs"), from, number, to));
        }
    }
    json_answer(format!("[{}]", found.logs.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_bounded_and_its_refusal_says_what_to_ask() {
        let range = |from, to, tip| {
            range(&Filter { from, to, ..Filter::default() }, tip).map_err(|error| (error.code, error.message))
        };
        assert_eq!(range(None, None, 7), Ok((7, 7)));
        assert_eq!(range(Some(2), None, 7), Ok((2, 7)));
        assert_eq!(range(None, Some(3), 7), Ok((3, 3)));
        // Nothing new since the last time.
        assert_eq!(range(Some(8), None, 7), Ok((8, 7)));
        assert_eq!(range(Some(5), Some(10_004), 20_000), Ok((5, 10_004)));
        let refused = |code, text: &str| Err((code, text.to_owned()));
        assert_eq!(
            range(Some(5), Some(10_005), 20_000),
            refused(-32602, "`filter` covers 10001 blocks; at most 10000 are allowed: ask up to block 10004 first")
        );
        assert_eq!(
            range(Some(0), None, u64::MAX - 1).map_err(|(code, _)| code),
            Err(-32602),
            "no number makes it overflow"
        );
        assert_eq!(range(Some(5), Some(4), 9), refused(-32602, "`filter.from` is 5, above `filter.to`, 4"));
        assert_eq!(bounded(LogForm::Ethereum, 1, 10_001).map_err(|error| error.code), Err(LIMITED));
        assert_eq!(bounded(LogForm::Ethereum, 2, 10_001).map_err(|error| error.code), Ok(()));
        let beyond_tip = "BlockNumber does not exist: `filter.to` is 10, the last is 9";
        assert_eq!(range(None, Some(10), 9), refused(-40004, beyond_tip));
        assert!(beyond(LogForm::Entente, "much", 3, 9, 20).message.ends_with("; ask up to block 8 first"));
        assert!(
            beyond(LogForm::Entente, "much", 3, 3, 20)
                .message
                .contains("; block 3 alone has them: narrow `filter.address`")
        );
    }
}
