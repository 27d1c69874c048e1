//! Which block is meant, and the state after it.

use std::sync::Arc;

use entente_driver::{CallError, GroupHandle};
use entente_ledger::HistoryError;
use entente_state::StateReader;
use entente_types::BlockNumber;

use super::{FAILED, parameters::BlockReference};
use crate::error::RpcError;

/// The height of a block, or nothing where there is none of that number or hash.
pub(crate) fn height_of(group: &GroupHandle, reference: BlockReference) -> Result<Option<BlockNumber>, RpcError> {
    let tip = group.ledger().tip().number;
    Ok(match reference {
        BlockReference::Tip | BlockReference::Pending => Some(tip),
        BlockReference::Number(number) => Some(number).filter(|number| *number <= tip),
        BlockReference::Hash(hash) => group.ledger().number_by_ethereum_hash(&hash)?,
    })
}

/// The height of a block that must be there, in the words of Ethereum's nodes.
pub(crate) fn known_height(group: &GroupHandle, reference: BlockReference) -> Result<BlockNumber, RpcError> {
    let missing = || {
        let tip = group.ledger().tip().number;
        let message = match reference {
            BlockReference::Hash(hash) => format!("header for hash not found: no block has the hash {hash}"),
            BlockReference::Number(number) => {
                format!("header not found: there is no block {number} yet; the tip is {tip}")
            }
            BlockReference::Tip | BlockReference::Pending => format!("header not found: block {tip}"),
        };
        RpcError::new(FAILED, message)
    };
    height_of(group, reference)?.ok_or_else(missing)
}

/// The state after a block.
pub(crate) fn state_after(
    group: &GroupHandle,
    reference: BlockReference,
) -> Result<(BlockNumber, Arc<dyn StateReader>), RpcError> {
    let height = known_height(group, reference)?;
    let state = group.ledger().state_at(height).map_err(|error| no_state(&error))?;
    Ok((height, state))
}

/// Why a call has no answer, where that may be its height.
pub(crate) fn no_call(error: CallError) -> RpcError {
    match error {
        CallError::History(error) => no_state(&error),
        other => other.into(),
    }
}

/// Why the state of a height cannot be read, in the words of Ethereum's nodes and ours.
pub(crate) fn no_state(error: &HistoryError) -> RpcError {
    let words = match error {
        HistoryError::Pruned { .. } => "missing trie node",
        HistoryError::Future { .. } => "header not found",
    };
    RpcError::new(FAILED, format!("{words}: {error}"))
}
