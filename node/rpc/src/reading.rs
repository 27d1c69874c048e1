//! `entente_*` methods that read.

use std::sync::Arc;

use entente_crypto::merkle_proof;
use entente_driver::GroupHandle;
use entente_executor::CallInput;
use entente_types::{Address, Block, BlockNumber, ConsensusKind, GroupId, Hash, Limits, Suite};
use parity_scale_codec::Encode;
use serde::Serialize;

use crate::{
    arguments::{Arguments, BlockId, CallRequest},
    context::Context,
    error::{INTERNAL, RpcError},
    table::Pending,
    views::{Answer, BlockView, CallView, Place, ProofView, ReceiptView, TransactionView, answer},
};

#[derive(Serialize)]
struct PoolView {
    transactions: usize,
    bytes: usize,
    transactions_max: usize,
    bytes_max: usize,
}

#[derive(Serialize)]
struct StatusView<'a> {
    group: &'a GroupId,
    chain_id: u64,
    ethereum_chain_id: u64,
    genesis_hash: Hash,
    suite: Suite,
    height: BlockNumber,
    hash: Hash,
    state_root: Hash,
    transaction_count: u64,
    pool: PoolView,
    role: &'static str,
    healthy: bool,
    halted: Option<&'a str>,
    node: &'a str,
    node_version: &'static str,
    peers: u32,
    consensus: ConsensusKind,
    limits: Limits,
    compilations: u64,
}

pub(crate) fn status(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let (genesis, status) = (group.genesis(), group.status());
    answer(&StatusView {
        group: group.id(),
        chain_id: genesis.chain_id,
        ethereum_chain_id: genesis.ethereum_chain_id,
        genesis_hash: group.genesis_hash(),
        suite: genesis.suite,
        height: status.height,
        hash: status.hash,
        state_root: status.state_root,
        transaction_count: status.transactions,
        pool: PoolView {
            transactions: status.pool_transactions,
            bytes: status.pool_bytes,
            transactions_max: status.pool_limits.transactions,
            bytes_max: status.pool_limits.bytes,
        },
        // A node of a solo group is the one that orders; other kinds of consensus and peers are not there yet.
        role: "sealer",
        healthy: status.halted.is_none(),
        halted: status.halted.as_deref(),
        node: context.name(),
        node_version: env!("CARGO_PKG_VERSION"),
        peers: 0,
        consensus: genesis.consensus,
        limits: genesis.limits,
        compilations: status.compilations,
    })
}

pub(crate) fn groups(context: &Context, _arguments: &Arguments<'_>) -> Answer {
    let names: Vec<&str> = context.groups().iter().map(|group| group.handle.id().as_str()).collect();
    answer(&names)
}

/// The hash of the block at a height that is known to exist.
pub(crate) fn block_hash(group: &GroupHandle, number: BlockNumber) -> Result<Hash, RpcError> {
    let missing = || RpcError::new(INTERNAL, format!("block {number} has no header"));
    Ok(group.ledger().header(number)?.ok_or_else(missing)?.hash(group.genesis().suite))
}

pub(crate) fn transaction(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let hash = arguments.hash(1)?;
    let Some(found) = group.ledger().transaction(&hash)? else { return answer(&()) };
    let block_hash = block_hash(group, found.number)?;
    let place = Place { hash, block: found.number, block_hash, index: found.index };
    answer(&TransactionView::new(place, &found.transaction))
}

pub(crate) fn receipt(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    receipt_of(group, arguments.hash(1)?)
}

/// The receipt of a committed transaction, or `null`.
pub(crate) fn receipt_of(group: &GroupHandle, hash: Hash) -> Answer {
    let Some(found) = group.ledger().receipt(&hash)? else { return answer(&()) };
    let block_hash = block_hash(group, found.number)?;
    let place = Place { hash, block: found.number, block_hash, index: found.index };
    answer(&ReceiptView::new(place, &found.receipt))
}

pub(crate) fn block(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let block = match arguments.block(1)? {
        BlockId::Latest => group.ledger().block(group.ledger().tip().number)?,
        BlockId::Number(number) => group.ledger().block(number)?,
        BlockId::Hash(hash) => group.ledger().block_by_hash(&hash)?,
    };
    let Some(block) = block else { return answer(&()) };
    answer(&BlockView::new(group.genesis().suite, &block, arguments.boolean(2)?))
}

/// What the executor is asked, with the group's limit of gas.
pub(crate) fn call_input(group: &GroupHandle, request: CallRequest) -> CallInput {
    let limit = group.genesis().limits.transaction_gas;
    CallInput {
        from: request.from.unwrap_or(Address::ZERO),
        to: request.to,
        input: request.input,
        gas: request.gas.unwrap_or(limit).min(limit),
    }
}

pub(crate) fn call(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.group(&context, 0)?.handle.clone();
        let request = arguments.call(1)?;
        let height = arguments.optional_number(2)?;
        let called = group.call(call_input(&group, request), height).await?;
        answer(&CallView::new(&called))
    })
}

pub(crate) fn transaction_proof(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let hash = arguments.hash(1)?;
    let Some((block, index)) = place_of(group, &hash)? else { return answer(&()) };
    let suite = group.genesis().suite;
    let hashes: Vec<Hash> = block.transactions.iter().map(|transaction| transaction.hash(suite)).collect();
    let root = block.header.transaction_root;
    proof(group, &block, index, root, hash, &hashes)
}

pub(crate) fn receipt_proof(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let hash = arguments.hash(1)?;
    let Some((block, index)) = place_of(group, &hash)? else { return answer(&()) };
    let receipts = group.ledger().receipts(block.header.number)?.unwrap_or_default();
    let leaves: Vec<Vec<u8>> = receipts.iter().map(Encode::encode).collect();
    let root = block.header.receipt_root;
    proof(group, &block, index, root, hash, &leaves)
}

fn place_of(group: &GroupHandle, hash: &Hash) -> Result<Option<(Block, u32)>, RpcError> {
    let Some((number, index)) = group.ledger().transaction_place(hash)? else { return Ok(None) };
    Ok(group.ledger().block(number)?.map(|block| (block, index)))
}

fn proof<L: AsRef<[u8]>>(
    group: &GroupHandle,
    block: &Block,
    index: u32,
    root: Hash,
    transaction: Hash,
    leaves: &[L],
) -> Answer {
    let suite = group.genesis().suite;
    let missing = || RpcError::new(INTERNAL, format!("block {} has no place {index}", block.header.number));
    let proof = merkle_proof(suite, leaves, index as usize).ok_or_else(missing)?;
    let leaf = leaves.get(index as usize).map(|leaf| leaf.as_ref().to_vec()).ok_or_else(missing)?;
    let block_hash = block.header.hash(suite);
    answer(&ProofView { transaction, block: block.header.number, block_hash, index, leaf, root, proof })
}
