//! Receipts, as Ethereum's tools read them.

use entente_types::{
    Address, Amount, Bloom, EthereumOrigin, Genesis, Hash, Header, Receipt, ReceiptError, Transaction, created_address,
    hex_bytes,
};
use serde::Serialize;

use super::{
    blocks::known_header,
    heights::height_of,
    logs::EthereumLog,
    places::{Before, all_before, receipts},
    quantity::Quantity,
    transactions::{Summary, place_of},
};
use crate::{
    arguments::Arguments,
    context::Context,
    error::{INTERNAL, RESPONSE_TOO_LARGE, RpcError},
    views::{Answer, answer},
};

/// A receipt.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptView<'a> {
    transaction_hash: Hash,
    transaction_index: Quantity,
    block_hash: Hash,
    block_number: Quantity,
    from: Address,
    to: Option<Address>,
    cumulative_gas_used: Quantity,
    gas_used: Quantity,
    effective_gas_price: Amount,
    contract_address: Option<Address>,
    logs: Vec<EthereumLog<'a>>,
    logs_bloom: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: Quantity,
    entente: OwnView<'a>,
}

/// What a receipt has that Ethereum's have not.
#[derive(Serialize)]
struct OwnView<'a> {
    /// FISCO BCOS's number for how it ended.
    status: u32,
    #[serde(with = "hex_bytes")]
    output: &'a [u8],
    error: Option<&'a ReceiptError>,
}

impl<'a> ReceiptView<'a> {
    fn new(
        genesis: &Genesis,
        header: &Header,
        (index, hash, transaction): (u32, Hash, &Transaction),
        receipt: &'a Receipt,
        before: Before,
    ) -> Result<Self, RpcError> {
        let Summary { kind, from, to, price } = Summary::new(genesis, &hash, transaction)?;
        let place = place_of(header, hash, index);
        let log = |(log_index, log)| EthereumLog::new(place, header.timestamp_ms, log_index, log);
        let succeeded = receipt.status.code() == 0;
        Ok(Self {
            transaction_hash: hash,
            transaction_index: Quantity(index.into()),
            block_hash: place.block_hash,
            block_number: Quantity(place.block),
            from,
            to,
            cumulative_gas_used: Quantity(before.gas_used.saturating_add(receipt.gas_used)),
            gas_used: Quantity(receipt.gas_used),
            effective_gas_price: price,
            contract_address: receipt.contract.or_else(|| would_be_created(transaction)),
            logs: (before.logs..).zip(&receipt.logs).map(log).collect(),
            logs_bloom: hex_bytes::encode(Bloom::of(&receipt.logs).as_bytes()),
            kind,
            status: Quantity(succeeded.into()),
            entente: OwnView { status: receipt.status.code(), output: &receipt.output, error: receipt.error.as_ref() },
        })
    }
}

/// What an Ethereum transaction would have created that failed: tools look for a creation by this.
fn would_be_created(transaction: &Transaction) -> Option<Address> {
    let Transaction::Ethereum(ethereum) = transaction else { return None };
    let creates = ethereum.payload().is_ok_and(|payload| payload.to.is_none());
    let EthereumOrigin { sender, nonce } = ethereum.origin().filter(|_| creates)?;
    Some(created_address(&sender, nonce))
}

/// Refuses what is longer than an answer may be before it is written: a block may have a hundred megabytes of logs.
fn fits(context: &Context, receipts: &[Receipt]) -> Result<(), RpcError> {
    let data = |receipt: &Receipt| receipt.logs.iter().fold(receipt.output.len(), |sum, log| sum + log.data.len());
    let digits: usize = receipts.iter().map(data).sum::<usize>().saturating_mul(2);
    if digits > context.limits.response_bytes_max() {
        return Err(RpcError::new(RESPONSE_TOO_LARGE, "the receipts are longer than an answer may be"));
    }
    Ok(())
}

/// `eth_getTransactionReceipt`.
pub(crate) fn by_hash(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let entry = arguments.spoken_for(context)?;
    let (group, hash) = (&entry.handle, arguments.hash(0)?);
    let ledger = group.ledger();
    let (Some(found), Some(at)) = (ledger.receipt(&hash)?, ledger.transaction(&hash)?) else { return answer(&()) };
    fits(context, std::slice::from_ref(&found.receipt))?;
    let before = entry.places.before(group, found.number, found.index)?;
    let header = known_header(group, found.number)?;
    let transaction = (found.index, hash, &at.transaction);
    answer(&ReceiptView::new(group.genesis(), &header, transaction, &found.receipt, before)?)
}

/// `eth_getBlockReceipts`.
pub(crate) fn of_block(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let Some(number) = height_of(group, arguments.block_reference(0)?)? else { return answer(&()) };
    let receipts = receipts(group, number)?;
    fits(context, &receipts)?;
    let missing = || RpcError::new(INTERNAL, format!("block {number} is missing"));
    let block = group.ledger().block(number)?.ok_or_else(missing)?;
    let (genesis, header) = (group.genesis(), &block.header);
    let all_before = all_before(&receipts);
    let all = (0_u32..).zip(&block.transactions).zip(&receipts).zip(all_before.iter());
    let view = |(((index, transaction), receipt), before): (((u32, &Transaction), _), &Before)| {
        let transaction = (index, transaction.hash(genesis.suite), transaction);
        ReceiptView::new(genesis, header, transaction, receipt, *before)
    };
    answer(&all.map(view).collect::<Result<Vec<_>, _>>()?)
}
