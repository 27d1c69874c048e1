//! FISCO BCOS 2's methods, as `2.x/en/docs/api.md` of FISCO-BCOS-DOC describes them, as far as their subjects exist.

use std::sync::Arc;

use entente_driver::GroupHandle;
use entente_types::{Block, Hash, Suite, hex_bytes};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    context::Context,
    error::{NO_BLOCK_HASH, NO_BLOCK_NUMBER, NO_FROM, NO_INDEX, RpcError},
    fisco_views::{self, group_number, quantity},
    reading::{block_hash, call_input},
    table::Pending,
    views::{Answer, Place, answer},
};

pub(crate) fn client_version(context: &Context, _arguments: &Arguments<'_>) -> Answer {
    let genesis = context.groups().first().map(|group| group.handle.genesis());
    let chain = genesis.map_or(0, |genesis| genesis.chain_id);
    let is_guomi = genesis.is_some_and(|genesis| genesis.suite == Suite::Guomi);
    let version = env!("CARGO_PKG_VERSION");
    answer(&json!({
        "Build Time": "",
        "Build Type": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        "Chain Id": chain.to_string(),
        "Entente Version": version,
        // Clients of FISCO BCOS choose the form of their transactions by this, the one with thirteen items, and how they
        // sign them.
        "FISCO-BCOS Version": if is_guomi { "2.0.0 gm" } else { "2.0.0" },
        "Git Branch": "",
        "Git Commit Hash": "",
        "Supported Version": "2.0.0",
    }))
}

pub(crate) fn group_list(context: &Context, _arguments: &Arguments<'_>) -> Answer {
    let name = |group: &crate::context::GroupEntry| {
        let id = group.handle.id();
        group_number(id).map_or_else(|| json!(id), |number| json!(number))
    };
    answer(&context.groups().iter().map(name).collect::<Vec<Value>>())
}

pub(crate) fn block_number(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&quantity(arguments.group(context, 0)?.handle.ledger().tip().number))
}

fn no_number(number: u64, group: &GroupHandle) -> RpcError {
    let tip = group.ledger().tip().number;
    RpcError::new(NO_BLOCK_NUMBER, format!("BlockNumber does not exist: `blockNumber` is {number}, the last is {tip}"))
}

pub(crate) fn block_of_number(group: &GroupHandle, number: u64) -> Result<Block, RpcError> {
    let missing = || RpcError::not_kept(group.ledger(), number).unwrap_or_else(|| no_number(number, group));
    group.ledger().block(number)?.ok_or_else(missing)
}

pub(crate) fn block_of_hash(group: &GroupHandle, hash: &Hash) -> Result<Block, RpcError> {
    if let Some(block) = group.ledger().block_by_hash(hash)? {
        return Ok(block);
    }
    let not_kept = group.ledger().number_by_hash(hash)?.and_then(|number| RpcError::not_kept(group.ledger(), number));
    let missing = || RpcError::new(NO_BLOCK_HASH, format!("BlockHash does not exist: `blockHash` is {hash}"));
    Err(not_kept.unwrap_or_else(missing))
}

/// Whether the whole block is shown, or its header alone.
#[derive(Clone, Copy)]
enum Part {
    Block,
    Header,
}

fn show(group: &GroupHandle, block: &Block, part: Part, flag: bool) -> Answer {
    let receipts = group.ledger().receipts(block.header.number)?.unwrap_or_default();
    answer(&match part {
        Part::Block => fisco_views::block(group, block, &receipts, flag)?,
        Part::Header => fisco_views::header(group, block, &receipts, flag)?,
    })
}

pub(crate) fn block_by_number(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    show(group, &block_of_number(group, arguments.number(1)?)?, Part::Block, arguments.boolean(2)?)
}

pub(crate) fn block_by_hash(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    show(group, &block_of_hash(group, &arguments.hash(1)?)?, Part::Block, arguments.boolean(2)?)
}

pub(crate) fn header_by_number(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    show(group, &block_of_number(group, arguments.number(1)?)?, Part::Header, arguments.boolean(2)?)
}

pub(crate) fn header_by_hash(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    show(group, &block_of_hash(group, &arguments.hash(1)?)?, Part::Header, arguments.boolean(2)?)
}

pub(crate) fn block_hash_by_number(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let number = arguments.number(1)?;
    let header = group.ledger().header(number)?.ok_or_else(|| no_number(number, group))?;
    answer(&header.hash(group.genesis().suite))
}

pub(crate) fn transaction_by_hash(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let hash = arguments.hash(1)?;
    let Some(found) = group.ledger().transaction(&hash)? else { return answer(&()) };
    let block_hash = block_hash(group, found.number)?;
    let place = Place { hash, block: found.number, block_hash, index: found.index };
    answer(&fisco_views::transaction(place, &found.transaction))
}

fn transaction_at(group: &GroupHandle, number: u64, index: u64) -> Answer {
    let missing = || {
        let message = format!("TransactionIndex is out of range: `transactionIndex` is {index} in block {number}");
        RpcError::new(NO_INDEX, message)
    };
    let index = u32::try_from(index).map_err(|_| missing())?;
    let not_kept = || RpcError::not_kept(group.ledger(), number).unwrap_or_else(missing);
    let transaction = group.ledger().transaction_at(number, index)?.ok_or_else(not_kept)?;
    let hash = transaction.hash(group.genesis().suite);
    let place = Place { hash, block: number, block_hash: block_hash(group, number)?, index };
    answer(&fisco_views::transaction(place, &transaction))
}

pub(crate) fn transaction_by_number(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let number = arguments.number(1)?;
    if number > group.ledger().tip().number {
        return Err(no_number(number, group));
    }
    transaction_at(group, number, arguments.number(2)?)
}

pub(crate) fn transaction_by_block_hash(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let hash = arguments.hash(1)?;
    let missing = || RpcError::new(NO_BLOCK_HASH, format!("BlockHash does not exist: `blockHash` is {hash}"));
    let number = group.ledger().number_by_hash(&hash)?.ok_or_else(missing)?;
    transaction_at(group, number, arguments.number(2)?)
}

pub(crate) fn receipt(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let (ledger, hash) = (group.ledger(), arguments.hash(1)?);
    let (Some(found), Some(transaction)) = (ledger.receipt(&hash)?, ledger.transaction(&hash)?) else {
        return answer(&());
    };
    let header = ledger.header(found.number)?.ok_or_else(|| no_number(found.number, group))?;
    let block_hash = header.hash(group.genesis().suite);
    let place = Place { hash, block: found.number, block_hash, index: found.index };
    answer(&fisco_views::receipt(place, &transaction.transaction, &found.receipt, header.state_root))
}

pub(crate) fn pending_size(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&quantity(arguments.group(context, 0)?.handle.status().pool_transactions as u64))
}

pub(crate) fn total(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let tip = arguments.group(context, 0)?.handle.ledger().tip();
    answer(&json!({ "blockNumber": quantity(tip.number), "txSum": quantity(tip.total_transactions) }))
}

pub(crate) fn call(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.group(&context, 0)?.handle.clone();
        let request = arguments.fisco_call(1)?;
        if request.from.is_none() {
            return Err(RpcError::new(NO_FROM, "Call needs a 'from' field"));
        }
        let number = group.ledger().tip().number;
        let receipt = group.call(call_input(request), None).await?.receipt;
        answer(&json!({
            "currentBlockNumber": quantity(number),
            "output": hex_bytes::encode(&receipt.output),
            "status": quantity(u64::from(receipt.status.code())),
        }))
    })
}
