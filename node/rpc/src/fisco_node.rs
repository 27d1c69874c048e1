//! FISCO BCOS 2's methods about the node, its groups, the pool, code and many receipts at once, as far as their subjects
//! exist.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use entente_driver::GroupHandle;
use entente_executor::Account;
use entente_host::NodeFault;
use entente_state::{Row, Table};
use entente_types::{Block, Receipt, Transaction, hex_bytes};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    context::Context,
    error::{INTERNAL, NO_INDEX, RpcError},
    fisco::{block_of_hash, block_of_number},
    fisco_views::{self, quantity},
    limits::{PENDING_BYTES_MAX, PENDING_TRANSACTIONS_MAX},
    members,
    table::Pending,
    views::{Answer, answer, json_answer},
};

/// How hard zlib tries: zlib's own default.
const COMPRESSION_LEVEL: u8 = 6;

/// `getNodeInfo`.
pub(crate) fn node_info(context: &Context, _arguments: &Arguments<'_>) -> Answer {
    let id = context.groups().first().map(|group| members::node_id(group.handle.node_key())).unwrap_or_default();
    let address = context.node.listens_for_peers_at().map(|address| address.to_string()).unwrap_or_default();
    answer(&json!({ "Agency": "", "IPAndPort": address, "Node": context.name(), "NodeID": id, "Topic": [] }))
}

/// `queryGroupStatus`.
pub(crate) fn group_status(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let id = arguments.group_id(0)?;
    let status = match context.group(&id).map(|group| group.handle.status().halted) {
        Some(None) => "RUNNING",
        Some(Some(_)) => "STOPPED",
        None => "INEXISTENT",
    };
    answer(&json!({ "code": "0x0", "message": "", "status": status }))
}

/// `getCode`.
pub(crate) fn code(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let address = arguments.address(1)?;
    let state = group.ledger().state();
    let bytes = state.row(&Account::row(&address)).map_err(NodeFault::from)?;
    let account = bytes.map(|bytes| Account::from_bytes(&address, &bytes)).transpose()?;
    let Some(code) = account.and_then(|account| account.code) else { return answer(&"0x") };
    let row = Row::new(&Table::Code, code.hash.as_ref());
    let missing = || RpcError::new(INTERNAL, format!("the code {} is missing", code.hash));
    let code = state.row(&row).map_err(NodeFault::from)?.ok_or_else(missing)?;
    json_answer(format!("\"{}\"", hex_bytes::encode(&code)))
}

/// `getPendingTransactions`.
pub(crate) fn pending(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.group(&context, 0)?.handle.clone();
        let waiting = group.waiting(PENDING_TRANSACTIONS_MAX).await?;
        let mut views = Vec::new();
        let mut bytes = 0_usize;
        for one in &waiting {
            let Some(view) = fisco_views::pending(one.hash, &one.transaction) else { continue };
            bytes = bytes.saturating_add(view.get("input").and_then(Value::as_str).map_or(0, str::len));
            if bytes > PENDING_BYTES_MAX {
                break;
            }
            views.push(view);
        }
        answer(&views)
    })
}

/// `getBatchReceiptsByBlockNumberAndRange`.
pub(crate) fn receipts_by_number(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    receipts(group, &block_of_number(group, arguments.number(1)?)?, arguments)
}

/// `getBatchReceiptsByBlockHashAndRange`.
pub(crate) fn receipts_by_hash(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    receipts(group, &block_of_hash(group, &arguments.hash(1)?)?, arguments)
}

/// Some receipts of a block, compressed where that is asked for: zlib's bytes in Base64.
fn receipts(group: &GroupHandle, block: &Block, arguments: &Arguments<'_>) -> Answer {
    let (from, count, compressed) = (arguments.number(2)?, arguments.count(3)?, arguments.boolean(4)?);
    let receipts = group.ledger().receipts(block.header.number)?.unwrap_or_default();
    let out_of_range = || {
        let (number, length) = (block.header.number, receipts.len());
        let message =
            format!("TransactionIndex is out of range: `from` is {from} in block {number}, which has {length}");
        RpcError::new(NO_INDEX, message)
    };
    let from = usize::try_from(from).ok().filter(|from| *from <= receipts.len()).ok_or_else(out_of_range)?;
    let count = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let suite = group.genesis().suite;
    let all = block.transactions.iter().zip(&receipts).enumerate();
    let view = |(index, (transaction, receipt)): (usize, (&Transaction, &Receipt))| {
        fisco_views::short_receipt(transaction.hash(suite), index, transaction, receipt)
    };
    let result = json!({
        "blockInfo": {
            "blockHash": block.header.hash(suite),
            "blockNumber": quantity(block.header.number),
            "receiptRoot": block.header.receipt_root,
            "receiptsCount": quantity(receipts.len() as u64),
        },
        "transactionReceipts": all.skip(from).take(count).map(view).collect::<Vec<Value>>(),
    });
    if !compressed {
        return answer(&result);
    }
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(result.to_string().as_bytes(), COMPRESSION_LEVEL);
    json_answer(format!("\"{}\"", STANDARD.encode(packed)))
}
