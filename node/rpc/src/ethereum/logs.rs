//! Logs, as Ethereum's tools ask for and read them.

use entente_driver::GroupHandle;
use entente_types::{Address, BlockNumber, Hash, Log, hex_bytes};
use serde::Serialize;

use super::{
    FAILED,
    heights::known_height,
    parameters::{BlockReference, LogBlocks, LogQuery},
    quantity::Quantity,
};
use crate::{
    arguments::Arguments,
    context::Context,
    error::RpcError,
    logs::{self, LogForm, Reader},
    views::{Answer, Place, json_answer},
};

/// A log, and where it stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EthereumLog<'a> {
    address: Address,
    topics: &'a [Hash],
    #[serde(with = "hex_bytes")]
    data: &'a [u8],
    block_number: Quantity,
    block_hash: Hash,
    block_timestamp: Quantity,
    transaction_hash: Hash,
    transaction_index: Quantity,
    log_index: Quantity,
    /// What is committed stays.
    removed: bool,
}

impl<'a> EthereumLog<'a> {
    /// A log of a transaction, with its place among all logs of the block.
    pub(crate) fn new(place: Place, timestamp_ms: u64, log_index: u32, log: &'a Log) -> Self {
        Self {
            address: log.address,
            topics: &log.topics,
            data: &log.data,
            block_number: Quantity(place.block),
            block_hash: place.block_hash,
            block_timestamp: Quantity(timestamp_ms / 1000),
            transaction_hash: place.hash,
            transaction_index: Quantity(place.index.into()),
            log_index: Quantity(log_index.into()),
            removed: false,
        }
    }
}

/// The blocks that a filter covers; nothing where none is there yet.
fn range(group: &GroupHandle, blocks: LogBlocks) -> Result<Option<(BlockNumber, BlockNumber)>, RpcError> {
    let tip = group.ledger().tip().number;
    let height = |reference: Option<BlockReference>| match reference.unwrap_or(BlockReference::Tip) {
        // Above the tip is a height, too: it has no logs yet.
        BlockReference::Number(number) => Ok(number),
        other => known_height(group, other),
    };
    let (from, to) = match blocks {
        LogBlocks::One(hash) => {
            let number = group.ledger().number_by_ethereum_hash(&hash)?;
            let number = number.ok_or_else(|| RpcError::new(FAILED, format!("unknown block: {hash}")))?;
            (number, number)
        }
        LogBlocks::Range { from, to } => (height(from)?, height(to)?),
    };
    if from > to && from <= tip {
        let message = format!("invalid block range params: `filter.fromBlock` is {from}, above `filter.toBlock`, {to}");
        return Err(RpcError::parameters(message));
    }
    let to = to.min(tip);
    if from > to {
        return Ok(None);
    }
    logs::bounded(LogForm::Ethereum, from, to)?;
    Ok(Some((from, to)))
}

/// All logs that a filter means.
pub(crate) fn all(group: &GroupHandle, query: &LogQuery) -> Answer {
    match range(group, query.blocks)? {
        None => json_answer("[]".to_owned()),
        Some((from, to)) => logs::in_range(Reader { group, filter: &query.filter, form: LogForm::Ethereum }, from, to),
    }
}

/// `eth_getLogs`.
pub(crate) fn past(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    all(group, &arguments.log_query(0)?)
}
