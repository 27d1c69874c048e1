//! How blocks, transactions and receipts are shown by `entente_*`.

use entente_driver::CommittedBlock;
use entente_executor::Called;
use entente_types::{
    Address, Block, BlockNumber, Certificate, Hash, Header, LeftOut, Log, Receipt, ReceiptError, Suite, Transaction,
    hex_bytes,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{INTERNAL, RpcError};

/// What a method gives back: JSON, made once.
pub(crate) type Answer = Result<Box<RawValue>, RpcError>;

/// A value as an answer.
pub(crate) fn answer(value: &impl Serialize) -> Answer {
    serde_json::value::to_raw_value(value).map_err(|error| RpcError::new(INTERNAL, error.to_string()))
}

/// Text that is JSON already as an answer.
pub(crate) fn json_answer(text: String) -> Answer {
    RawValue::from_string(text).map_err(|error| RpcError::new(INTERNAL, error.to_string()))
}

/// Appends `"0x…"`. The general way formats twice; blocks have thousands of hashes.
pub(crate) fn push_quoted_hash(text: &mut String, hash: &Hash) {
    let mut digits = [0; 64];
    let _ = hex::encode_to_slice(hash.as_bytes(), &mut digits);
    text.push_str("\"0x");
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
    text.push('"');
}

/// Where a document stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) hash: Hash,
    pub(crate) block: BlockNumber,
    pub(crate) block_hash: Hash,
    pub(crate) index: u32,
}

/// `entente_receipt`.
#[derive(Serialize)]
pub(crate) struct ReceiptView<'a> {
    transaction: Hash,
    block: BlockNumber,
    block_hash: Hash,
    index: u32,
    status: u32,
    #[serde(with = "hex_bytes")]
    output: &'a [u8],
    gas_used: u64,
    logs: &'a [Log],
    contract: Option<Address>,
    error: Option<&'a ReceiptError>,
}

impl<'a> ReceiptView<'a> {
    pub(crate) fn new(place: Place, receipt: &'a Receipt) -> Self {
        Self {
            transaction: place.hash,
            block: place.block,
            block_hash: place.block_hash,
            index: place.index,
            status: receipt.status.code(),
            output: &receipt.output,
            gas_used: receipt.gas_used,
            logs: &receipt.logs,
            contract: receipt.contract,
            error: receipt.error.as_ref(),
        }
    }
}

/// `entente_call`.
#[derive(Serialize)]
pub(crate) struct CallView<'a> {
    status: u32,
    #[serde(with = "hex_bytes")]
    output: &'a [u8],
    gas_used: u64,
    error: Option<&'a ReceiptError>,
    /// The function of the contract in which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
}

impl<'a> CallView<'a> {
    pub(crate) fn new(Called { receipt, function }: &'a Called) -> Self {
        Self {
            status: receipt.status.code(),
            output: &receipt.output,
            gas_used: receipt.gas_used,
            error: receipt.error.as_ref(),
            function: function.as_deref(),
        }
    }
}

/// `entente_transaction`, and the entries of a full block.
#[derive(Serialize)]
pub(crate) struct TransactionView<'a> {
    hash: Hash,
    block: BlockNumber,
    block_hash: Hash,
    index: u32,
    #[serde(flatten)]
    transaction: &'a Transaction,
}

impl<'a> TransactionView<'a> {
    pub(crate) fn new(place: Place, transaction: &'a Transaction) -> Self {
        Self { hash: place.hash, block: place.block, block_hash: place.block_hash, index: place.index, transaction }
    }
}

/// `entente_block`.
#[derive(Serialize)]
pub(crate) struct BlockView<'a> {
    hash: Hash,
    header: &'a Header,
    certificate: &'a Certificate,
    view: u64,
    access: Option<Hash>,
    left_out: &'a [LeftOut],
    transactions: Transactions<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Transactions<'a> {
    Hashes(Vec<Hash>),
    Full(Vec<TransactionView<'a>>),
}

impl<'a> BlockView<'a> {
    pub(crate) fn new(suite: Suite, block: &'a Block, full: bool) -> Self {
        let hash = block.header.hash(suite);
        let hashes = block.transactions.iter().map(|transaction| transaction.hash(suite));
        let view = |((index, transaction), transaction_hash): ((usize, &'a Transaction), Hash)| {
            let place =
                Place { hash: transaction_hash, block: block.header.number, block_hash: hash, index: index as u32 };
            TransactionView::new(place, transaction)
        };
        let transactions = if full {
            Transactions::Full(block.transactions.iter().enumerate().zip(hashes).map(view).collect())
        } else {
            Transactions::Hashes(hashes.collect())
        };
        Self {
            hash,
            header: &block.header,
            certificate: &block.certificate,
            view: block.view,
            access: block.access,
            left_out: &block.left_out,
            transactions,
        }
    }
}

/// What `entente_subscribeBlocks` tells of a block.
pub(crate) fn block_notice(block: &CommittedBlock) -> String {
    let header = &block.record.block.header;
    let hashes = &block.record.transaction_hashes;
    let mut text = String::with_capacity(512 + hashes.len() * 70);
    text.push_str("{\"number\":");
    text.push_str(&header.number.to_string());
    text.push_str(",\"hash\":");
    push_quoted_hash(&mut text, &block.hash);
    text.push_str(",\"timestamp_ms\":");
    text.push_str(&header.timestamp_ms.to_string());
    text.push_str(",\"state_root\":");
    push_quoted_hash(&mut text, &header.state_root);
    text.push_str(",\"gas_used\":");
    text.push_str(&header.gas_used.to_string());
    text.push_str(",\"transactions\":[");
    for (index, hash) in hashes.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_quoted_hash(&mut text, hash);
    }
    text.push_str("],\"failed\":[");
    let failed = block.record.receipts.iter().enumerate().filter(|(_, receipt)| receipt.status.code() != 0);
    for (order, (index, _)) in failed.enumerate() {
        if order > 0 {
            text.push(',');
        }
        text.push_str(&index.to_string());
    }
    text.push_str("]}");
    text
}
