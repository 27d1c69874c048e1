//! `entente_*` methods that read.

use std::sync::Arc;

use entente_driver::GroupHandle;
use entente_executor::CallInput;
use entente_types::{Address, BlockNumber, ConsensusKind, GroupId, Hash, Limits, Suite};
use serde::Serialize;

use crate::{
    arguments::{Arguments, BlockId, CallRequest},
    configuration,
    context::Context,
    error::{INTERNAL, RpcError},
    table::Pending,
    views::{Answer, BlockView, CallView, Place, ReceiptView, TransactionView, answer},
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
    /// Where the node lost what it promised: the height above which other sealers must have been decided on before it
    /// votes, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent_through: Option<BlockNumber>,
    oldest_block: BlockNumber,
    recovered_above: Vec<BlockNumber>,
    healthy: bool,
    halted: Option<&'a str>,
    node: &'a str,
    node_version: &'static str,
    /// The nodes of the group that are connected to this one.
    peers: usize,
    /// The view that the node is in, or wants.
    view: u64,
    /// Whether that view has begun.
    view_active: bool,
    /// Who proposes the next height, where that is known.
    next_proposer: Option<Address>,
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
        role: match (group.is_sealer(), group.is_observer()) {
            (true, _) if status.position.loss.is_some() => "silent",
            (true, _) => "sealer",
            (false, true) => "observer",
            (false, false) => "free",
        },
        oldest_block: group.ledger().oldest_block(),
        recovered_above: group.ledger().lineage().recovered().collect(),
        silent_through: status.position.loss.and_then(|loss| loss.through),
        healthy: status.halted.is_none(),
        halted: status.halted.as_deref(),
        node: context.name(),
        node_version: env!("CARGO_PKG_VERSION"),
        peers: group.connected().len(),
        view: status.position.view,
        view_active: status.position.active,
        next_proposer: status.position.proposer.map(|key| key.address()),
        consensus: genesis.consensus,
        limits: configuration::limits(group)?,
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
    let Some(block) = block else {
        let number = match arguments.block(1)? {
            BlockId::Latest => None,
            BlockId::Number(number) => Some(number),
            BlockId::Hash(hash) => group.ledger().number_by_hash(&hash)?,
        };
        return match number.and_then(|number| RpcError::not_kept(group.ledger(), number)) {
            Some(error) => Err(error),
            None => answer(&()),
        };
    };
    answer(&BlockView::new(group.genesis().suite, &block, arguments.boolean(2)?))
}

/// What the executor is asked. It gives no more gas than a transaction may ask for.
pub(crate) fn call_input(request: CallRequest) -> CallInput {
    CallInput {
        from: request.from.unwrap_or(Address::ZERO),
        to: request.to,
        input: request.input,
        gas: request.gas.unwrap_or(u64::MAX),
    }
}

pub(crate) fn call(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.group(&context, 0)?.handle.clone();
        let request = arguments.call(1)?;
        let height = arguments.optional_number(2)?;
        let called = group.call(call_input(request), height).await?;
        answer(&CallView::new(&called))
    })
}
