//! Blocks, as their Ethereum headers show them.

use entente_driver::{CommittedBlock, GroupHandle};
use entente_executor::{SequencedBlock, ethereum_header};
use entente_types::{Address, Amount, Block, BlockNumber, Bloom, EthereumHeader, Hash, Header, Receipt, hex_bytes};
use parity_scale_codec::Encode;
use serde::Serialize;

use super::{
    heights::height_of,
    places::receipts,
    quantity::Quantity,
    transactions::{TransactionView, place_of},
};
use crate::{
    arguments::Arguments,
    configuration,
    context::Context,
    error::{INTERNAL, RpcError},
    views::{Answer, answer},
};

/// A header. What our blocks have no use for is there, and zero: clients ask for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeaderView {
    hash: Hash,
    parent_hash: Hash,
    sha3_uncles: Hash,
    miner: Address,
    state_root: Hash,
    transactions_root: Hash,
    receipts_root: Hash,
    logs_bloom: String,
    difficulty: Quantity,
    number: Quantity,
    gas_limit: Quantity,
    gas_used: Quantity,
    timestamp: Quantity,
    extra_data: &'static str,
    mix_hash: Hash,
    nonce: &'static str,
    base_fee_per_gas: Amount,
}

impl HeaderView {
    fn new(hash: Hash, header: &EthereumHeader) -> Self {
        Self {
            hash,
            parent_hash: header.parent,
            sha3_uncles: EthereumHeader::UNCLES,
            miner: header.beneficiary,
            state_root: header.state_root,
            transactions_root: header.transaction_root,
            receipts_root: header.receipt_root,
            logs_bloom: hex_bytes::encode(header.bloom.as_bytes()),
            difficulty: Quantity(0),
            number: Quantity(header.number),
            gas_limit: Quantity(header.gas_limit),
            gas_used: Quantity(header.gas_used),
            timestamp: Quantity(header.timestamp_s),
            extra_data: "0x",
            mix_hash: Hash::ZERO,
            nonce: "0x0000000000000000",
            base_fee_per_gas: Amount::ZERO,
        }
    }
}

/// A block with its transactions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockView<'a> {
    #[serde(flatten)]
    header: HeaderView,
    total_difficulty: Quantity,
    size: Quantity,
    transactions: Transactions<'a>,
    uncles: [Hash; 0],
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Transactions<'a> {
    Hashes(Vec<Hash>),
    Whole(Vec<TransactionView<'a>>),
}

impl<'a> BlockView<'a> {
    /// A block that no disk has, with the bytes of its transactions.
    pub(super) fn sequenced(block: &SequencedBlock, bytes: usize, transactions: Transactions<'a>) -> Self {
        let header = HeaderView {
            mix_hash: block.prevrandao,
            base_fee_per_gas: block.base_fee,
            ..HeaderView::new(block.hash, &block.header)
        };
        let size = Quantity(block.header.rlp().len().saturating_add(bytes) as u64);
        Self { header, total_difficulty: Quantity(0), size, transactions, uncles: [] }
    }
}

/// The Ethereum header beside a header of ours, made again from the block's receipts. Its hash is the one in our header
/// where the gas limit that ruled the block is still known.
pub(crate) fn header_beside(
    group: &GroupHandle,
    header: &Header,
    receipts: &[Receipt],
) -> Result<EthereumHeader, RpcError> {
    let parent = match header.number.checked_sub(1) {
        None => Hash::ZERO,
        Some(below) => known_header(group, below)?.ethereum_hash,
    };
    let bloom = Bloom::of(receipts.iter().flat_map(|receipt| &receipt.logs));
    let gas_limit = configuration::block_gas(group, header.number).unwrap_or(0);
    Ok(ethereum_header(header, &parent, bloom, gas_limit))
}

/// The header at a height that is known to exist.
pub(crate) fn known_header(group: &GroupHandle, number: BlockNumber) -> Result<Header, RpcError> {
    let missing = || RpcError::new(INTERNAL, format!("block {number} has no header"));
    group.ledger().header(number)?.ok_or_else(missing)
}

/// What a subscription to `newHeads` is told of a block.
pub(crate) fn head_notice(group: &GroupHandle, block: &CommittedBlock) -> Answer {
    let header = &block.record.block.header;
    let beside = header_beside(group, header, &block.record.receipts)?;
    answer(&HeaderView::new(header.ethereum_hash, &beside))
}

/// The block that the first parameter names; nothing where there is none.
fn block_of(group: &GroupHandle, arguments: &Arguments<'_>) -> Result<Option<Block>, RpcError> {
    let Some(number) = height_of(group, arguments.block_reference(0)?)? else { return Ok(None) };
    let not_kept = || {
        let missing = || RpcError::new(INTERNAL, format!("block {number} is missing"));
        RpcError::not_kept(group.ledger(), number).unwrap_or_else(missing)
    };
    group.ledger().block(number)?.ok_or_else(not_kept).map(Some)
}

/// `eth_getBlockByNumber` and `eth_getBlockByHash`.
pub(crate) fn block(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let whole = arguments.boolean(1)?;
    let Some(block) = block_of(group, arguments)? else { return answer(&()) };
    answer(&view(group, &block, whole)?)
}

fn view<'a>(group: &GroupHandle, block: &'a Block, whole: bool) -> Result<BlockView<'a>, RpcError> {
    let (genesis, header) = (group.genesis(), &block.header);
    let beside = header_beside(group, header, &receipts(group, header.number)?)?;
    let bytes: usize = block.transactions.iter().map(Encode::encoded_size).sum();
    let size = beside.rlp().len().saturating_add(bytes) as u64;
    let hashes = block.transactions.iter().map(|transaction| transaction.hash(genesis.suite));
    let transactions = if whole {
        let all = block.transactions.iter().zip(hashes).enumerate();
        let view = |(index, (transaction, hash))| {
            TransactionView::new(genesis, hash, Some(place_of(header, hash, index as u32)), transaction)
        };
        Transactions::Whole(all.map(view).collect::<Result<_, _>>()?)
    } else {
        Transactions::Hashes(hashes.collect())
    };
    let header = HeaderView::new(header.ethereum_hash, &beside);
    Ok(BlockView { header, total_difficulty: Quantity(0), size: Quantity(size), transactions, uncles: [] })
}

/// `eth_getBlockTransactionCountByNumber` and `eth_getBlockTransactionCountByHash`.
pub(crate) fn transaction_count(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let block = block_of(group, arguments)?;
    answer(&block.map(|block| Quantity(block.transactions.len() as u64)))
}

/// `eth_getUncleCountByBlockNumber` and `eth_getUncleCountByBlockHash`: 0, where the block exists.
pub(crate) fn uncle_count(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let height = height_of(group, arguments.block_reference(0)?)?;
    answer(&height.map(|_| Quantity(0)))
}

/// `eth_getUncleByBlockNumberAndIndex` and `eth_getUncleByBlockHashAndIndex`: no block has one.
pub(crate) fn uncle(_context: &Context, arguments: &Arguments<'_>) -> Answer {
    arguments.block_reference(0)?;
    arguments.quantity(1)?;
    answer(&())
}

#[cfg(test)]
mod tests {
    use entente_testing::key;

    use super::*;
    use crate::testing::{Local, token_deployment};

    #[tokio::test]
    async fn the_header_made_again_has_the_hash_in_our_header() {
        let local = Local::new();
        // The token tells of its first coins in a log.
        local.commit(local.signed(&key(1), 1, None, token_deployment())).await;
        let group = local.group();
        let mut logs = 0;
        for number in 0..=group.ledger().tip().number {
            let (header, receipts) = (known_header(group, number).unwrap(), receipts(group, number).unwrap());
            let beside = header_beside(group, &header, &receipts).unwrap();
            assert_eq!(beside.hash(), header.ethereum_hash, "{number}");
            logs += receipts.iter().map(|receipt| receipt.logs.len()).sum::<usize>();
        }
        assert!(logs > 0);
        local.stop().await;
    }
}
