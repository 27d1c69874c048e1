//! Blocks with everything that can be proved of them.

use entente_crypto::{MerkleProof, SecretKey, merkle_proof, merkle_root};
use entente_state::{Row, Table, write_leaf};
use entente_types::{
    Address, Claim, Genesis, Hash, Header, Log, Receipt, ReceiptClaim, ReceiptStep, RowClaim, Status, Transaction,
    TransactionClaim, Version, sealers_hash,
};
use parity_scale_codec::Encode;

/// What a block holds.
pub struct BlockContent {
    /// The transactions that were run.
    pub transactions: Vec<Transaction>,
    /// Their receipts.
    pub receipts: Vec<Receipt>,
    /// The writes, ascending by row.
    pub writes: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
}

/// A header of the group with nothing in its block.
pub fn header(genesis: &Genesis, number: u64) -> Header {
    let suite = genesis.suite;
    Header {
        version: Version,
        number,
        parent: Hash([1; 32]),
        proposal: Hash([2; 32]),
        timestamp_ms: genesis.timestamp_ms + number,
        proposer: Address([3; 20]),
        next_sealers: sealers_hash(suite, &genesis.sealers),
        transaction_root: Header::transaction_root(suite, &[]),
        receipt_root: Header::receipt_root(suite, &[]),
        change_root: merkle_root::<Vec<u8>>(suite, &[]),
        state_root: Hash([4; 32]),
        ethereum_hash: Hash([5; 32]),
        gas_used: 21_000,
        protocol_version: genesis.protocol_version,
    }
}

impl BlockContent {
    /// So many transactions, all with the same receipt, and as many writes.
    pub fn new(genesis: &Genesis, sender: &SecretKey, count: u8) -> Self {
        let transaction = |nonce: u8| super::unsigned(genesis, sender, nonce.into()).sign(&genesis.hash(), sender);
        let receipt = Receipt {
            version: Version,
            status: Status::Success,
            output: vec![1],
            gas_used: 21_000,
            logs: vec![Log { address: Address([9; 20]), topics: vec![Hash([5; 32])], data: vec![7; 5] }],
            contract: None,
            error: None,
        };
        let write = |key: u8| {
            let value = (!key.is_multiple_of(3)).then(|| vec![key; usize::from(key % 4)]);
            (Table::Contract(Address([9; 20])), vec![key], value)
        };
        Self {
            transactions: (0..count).map(transaction).collect(),
            receipts: vec![receipt; usize::from(count)],
            writes: (0..count).map(write).collect(),
        }
    }

    /// Sets the roots of a header to this block's.
    pub fn seal(&self, genesis: &Genesis, header: &mut Header) {
        let suite = genesis.suite;
        header.transaction_root = Header::transaction_root(suite, &self.hashes(genesis));
        header.receipt_root = Header::receipt_root(suite, &self.receipts);
        header.change_root = merkle_root(suite, &self.leaves());
    }

    /// Every claim that follows from it.
    pub fn claims(&self, genesis: &Genesis) -> Vec<Claim> {
        let suite = genesis.suite;
        let hashes = self.hashes(genesis);
        let receipts: Vec<Vec<u8>> = self.receipts.iter().map(Encode::encode).collect();
        let leaves = self.leaves();
        let path = |proof: Option<MerkleProof>| proof.expect("a place in the tree");
        let mut claims = Vec::new();
        for (index, (transaction, receipt)) in self.transactions.iter().zip(&self.receipts).enumerate() {
            let in_transactions = path(merkle_proof(suite, &hashes, index));
            let in_receipts = path(merkle_proof(suite, &receipts, index));
            let steps =
                in_transactions.path.iter().zip(&in_receipts.path).map(|((side, transaction), (_, receipt))| {
                    ReceiptStep { side: *side, transaction: *transaction, receipt: *receipt }
                });
            let receipt = ReceiptClaim { transaction: hashes[index], receipt: receipt.clone(), path: steps.collect() };
            claims.push(Claim::Receipt(receipt));
            let transaction = transaction.clone();
            claims.push(Claim::Transaction(TransactionClaim { transaction, path: in_transactions }));
        }
        for (index, (table, key, value)) in self.writes.iter().cloned().enumerate() {
            claims.push(Claim::Row(RowClaim { table, key, value, path: path(merkle_proof(suite, &leaves, index)) }));
        }
        claims
    }

    fn hashes(&self, genesis: &Genesis) -> Vec<Hash> {
        self.transactions.iter().map(|transaction| transaction.hash(genesis.suite)).collect()
    }

    fn leaves(&self) -> Vec<Vec<u8>> {
        let leaf = |(table, key, value): &(Table, Vec<u8>, Option<Vec<u8>>)| {
            write_leaf(&Row::new(table, key), value.as_deref())
        };
        self.writes.iter().map(leaf).collect()
    }
}
