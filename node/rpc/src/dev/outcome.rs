//! What transactions come to: those that failed are told of to whoever sent them, though they are in a block, as Hardhat's
//! node does; and calls see what the next one would see.

use entente_driver::GroupHandle;
use entente_executor::BlockOverride;
use entente_types::{BlockNumber, EvmTimestamp, Hash, Receipt, Status};

use crate::{
    context::GroupEntry,
    error::{ErrorData, RpcError},
    ethereum::calls::failure,
};

/// Why what has this receipt failed. Those who test look for what it gave back, even where that is nothing.
pub(crate) fn failed(receipt: &Receipt) -> RpcError {
    let error = failure(receipt);
    if error.data.is_none() { error.bearing(&[]) } else { error }
}

/// The same of a transaction that is in a block: its hash is in no result.
pub(crate) fn failed_in_block(hash: Hash, receipt: &Receipt) -> RpcError {
    let error = failed(receipt);
    let data = match error.data {
        Some(ErrorData::Output(data)) => data,
        other => return RpcError { data: other, ..error },
    };
    let data = ErrorData::Sent { message: error.message.clone(), transaction: hash, data };
    RpcError { data: Some(data), ..error }
}

/// That a transaction which is in a block by now did not fail there.
pub(crate) fn of_transaction(group: &GroupEntry, hash: &Hash) -> Result<(), RpcError> {
    match group.handle.ledger().receipt(hash)? {
        Some(found) if found.receipt.status != Status::Success => Err(failed_in_block(*hash, &found.receipt)),
        _ => Ok(()),
    }
}

/// What a call sees that is to see what a transaction would that came now: of the block above the tip, where the call does
/// not say otherwise.
pub(crate) async fn in_next_block(
    group: &GroupHandle,
    tip: BlockNumber,
    block: &mut BlockOverride,
) -> Result<(), RpcError> {
    let (time_s, (proposer, prevrandao)) =
        group.test(|chain, unix_ms| Ok::<_, RpcError>((chain.next_timestamp(unix_ms)?, chain.next_block()))).await??;
    let time = match group.genesis().evm_timestamp {
        EvmTimestamp::Seconds => time_s,
        EvmTimestamp::Milliseconds => time_s.saturating_mul(1000),
    };
    block.number.get_or_insert(tip.saturating_add(1));
    block.timestamp.get_or_insert(time);
    block.proposer.get_or_insert(proposer);
    block.prevrandao.get_or_insert(prevrandao);
    Ok(())
}
