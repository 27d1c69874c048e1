//! What accounts have, at the tip and at heights whose state is kept.

use std::sync::Arc;

use entente_executor::Account;
use entente_host::NodeFault;
use entente_state::{Row, Table};
use entente_types::{Hash, hex_bytes};

use super::{
    FAILED,
    heights::{known_height, no_call, state_after},
    parameters::BlockReference,
    quantity::Quantity,
};
use crate::{
    arguments::Arguments,
    context::Context,
    error::RpcError,
    table::Pending,
    views::{Answer, answer, json_answer},
};

/// The account that the first parameter names, after the block that another names.
fn account(context: &Context, arguments: &Arguments<'_>, block: usize) -> Result<Account, RpcError> {
    let group = &arguments.spoken_for(context)?.handle;
    let address = arguments.address(0)?;
    let (_, state) = state_after(group, arguments.block_reference(block)?)?;
    let bytes = state.row(&Account::row(&address)).map_err(NodeFault::from)?;
    Ok(bytes.map(|bytes| Account::from_bytes(&address, &bytes)).transpose()?.unwrap_or_default())
}

/// `eth_getBalance`.
pub(crate) fn balance(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&account(context, arguments, 1)?.balance)
}

/// `eth_getTransactionCount`.
pub(crate) fn nonce(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        if arguments.block_reference(1)? != BlockReference::Pending {
            return answer(&Quantity(account(&context, &arguments, 1)?.nonce));
        }
        let group = &arguments.spoken_for(&context)?.handle;
        answer(&Quantity(group.next_nonce(arguments.address(0)?).await??))
    })
}

/// `eth_getCode`: what EXTCODECOPY sees.
pub(crate) fn code(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let address = arguments.address(0)?;
    let height = known_height(group, arguments.block_reference(1)?)?;
    let code = group.ethereum_code(&address, height).map_err(no_call)?;
    json_answer(format!("\"{}\"", hex_bytes::encode(&code)))
}

/// `eth_getStorageAt`: what SLOAD sees.
pub(crate) fn storage(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let (address, slot) = (arguments.address(0)?, arguments.slot(1)?);
    let (_, state) = state_after(group, arguments.block_reference(2)?)?;
    let value = state.row(&Row::new(&Table::Contract(address), &slot)).map_err(NodeFault::from)?;
    // A value that is no word is a Wasm contract's, and reads as zero.
    answer(&Hash(value.and_then(|value| value.as_slice().try_into().ok()).unwrap_or_default()))
}

/// `eth_getProof`: there is none, and this is why.
pub(crate) fn proof(_context: &Context, arguments: &Arguments<'_>) -> Answer {
    arguments.address(0)?;
    arguments.slots(1)?;
    arguments.block_reference(2)?;
    let message = "eth_getProof has no answer here: the state is one commitment (LtHash) and no Merkle-Patricia trie; \
                   entente_rowProof proves what a block wrote";
    Err(RpcError::new(FAILED, message))
}
