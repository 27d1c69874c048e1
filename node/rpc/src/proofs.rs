//! Proofs of transactions, receipts and writes of rows: by `entente_*`, and in FISCO BCOS's shape.

use entente_crypto::{MerkleProof, MerkleSide, merkle_proof};
use entente_driver::GroupHandle;
use entente_state::{Row, write_leaf};
use entente_types::{
    Block, BlockNumber, CertifiedHeader, Claim, Hash, Header, Proof, Receipt, ReceiptClaim, ReceiptStep, RowClaim,
    Transaction, TransactionClaim, Version, hex_bytes,
};
use parity_scale_codec::Encode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    context::Context,
    error::{BUSY, INTERNAL, RpcError},
    fisco_views,
    flow::Limit,
    limits::ROW_PROOFS_MAX,
    members,
    views::{Answer, Place, answer},
};

/// What all proofs are shown with: the parts for people, and the whole for machines.
#[derive(Serialize)]
struct ProofView {
    block: BlockNumber,
    block_hash: Hash,
    /// The bytes that are in the tree.
    #[serde(with = "hex_bytes")]
    leaf: Vec<u8>,
    /// The root in the header.
    root: Hash,
    #[serde(flatten)]
    path: MerkleProof,
    #[serde(flatten)]
    certified: CertifiedHeader,
    /// The SCALE encoding of the [`Proof`].
    #[serde(with = "hex_bytes")]
    proof: Vec<u8>,
}

impl ProofView {
    /// For one who knows the changes of the sealer set below the height `known`.
    fn new(
        group: &GroupHandle,
        known: BlockNumber,
        block: CertifiedHeader,
        claim: Claim,
        tree: Tree,
    ) -> Result<Self, RpcError> {
        let Tree { leaf, path, root } = tree;
        let proof = Proof {
            version: Version,
            genesis: group.genesis_hash(),
            sealer_changes: members::of_proof(group, known, block.header.number)?,
            block: block.clone(),
            claim,
        };
        let block_hash = block.header.hash(group.genesis().suite);
        let (number, proof) = (block.header.number, proof.to_bytes());
        Ok(Self { block: number, block_hash, leaf, root, path, certified: block, proof })
    }
}

/// A leaf of a tree, and how it leads to the root.
struct Tree {
    leaf: Vec<u8>,
    path: MerkleProof,
    root: Hash,
}

impl Tree {
    /// The leaf at a place that must be there, in a tree that must have this root.
    fn new<L: AsRef<[u8]>>(
        group: &GroupHandle,
        header: &Header,
        leaves: &[L],
        index: usize,
        root: Hash,
    ) -> Result<Self, RpcError> {
        let suite = group.genesis().suite;
        let made = merkle_proof(suite, leaves, index)
            .zip(leaves.get(index))
            .filter(|(path, leaf)| path.root(suite, leaf.as_ref()) == root);
        let (path, leaf) = made.ok_or_else(|| {
            let message = format!(
                "what is stored of block {} does not have the root in its header; stop the node and run: entente verify",
                header.number
            );
            tracing::error!(group = %group.id(), block = header.number, "stored_block_contradicts_header");
            RpcError::new(INTERNAL, message)
        })?;
        Ok(Self { leaf: leaf.as_ref().to_vec(), path, root })
    }
}

/// A committed transaction with its receipt, where it stands.
struct Committed {
    block: Block,
    receipts: Vec<Receipt>,
    hashes: Vec<Hash>,
    index: usize,
}

impl Committed {
    fn find(group: &GroupHandle, hash: &Hash) -> Result<Option<Self>, RpcError> {
        let ledger = group.ledger();
        let Some((number, index)) = ledger.transaction_place(hash)? else { return Ok(None) };
        let (Some(block), Some(receipts)) = (ledger.block(number)?, ledger.receipts(number)?) else { return Ok(None) };
        let suite = group.genesis().suite;
        let hashes = block.transactions.iter().map(|transaction| transaction.hash(suite)).collect();
        Ok(Some(Self { block, receipts, hashes, index: index as usize }))
    }

    fn transaction_tree(&self, group: &GroupHandle) -> Result<Tree, RpcError> {
        let header = &self.block.header;
        Tree::new(group, header, &self.hashes, self.index, header.transaction_root)
    }

    fn receipt_tree(&self, group: &GroupHandle) -> Result<Tree, RpcError> {
        let header = &self.block.header;
        let leaves: Vec<Vec<u8>> = self.receipts.iter().map(Encode::encode).collect();
        Tree::new(group, header, &leaves, self.index, header.receipt_root)
    }

    /// Where it stands, the transaction and its receipt.
    fn parts(&self, group: &GroupHandle) -> Result<(Place, &Transaction, &Receipt), RpcError> {
        let (index, header) = (self.index, &self.block.header);
        let found = self.block.transactions.get(index).zip(self.receipts.get(index)).zip(self.hashes.get(index));
        let missing = || RpcError::new(INTERNAL, format!("block {} has no place {index}", header.number));
        let ((transaction, receipt), hash) = found.ok_or_else(missing)?;
        let block_hash = header.hash(group.genesis().suite);
        Ok((Place { hash: *hash, block: header.number, block_hash, index: index as u32 }, transaction, receipt))
    }

    fn certified(&self) -> CertifiedHeader {
        CertifiedHeader { header: self.block.header.clone(), certificate: self.block.certificate.clone() }
    }
}

/// The proof of a transaction or receipt with the place that the node gives the transaction.
#[derive(Serialize)]
struct TransactionProofView {
    transaction: Hash,
    /// Not proved: a root covers no places.
    index: usize,
    #[serde(flatten)]
    proof: ProofView,
}

pub(crate) fn transaction(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let (hash, known) = (arguments.hash(1)?, arguments.optional_number(2)?.unwrap_or(0));
    let Some(found) = Committed::find(group, &hash)? else { return answer(&()) };
    let tree = found.transaction_tree(group)?;
    let (_, transaction, _) = found.parts(group)?;
    let claim = TransactionClaim { transaction: transaction.clone(), path: tree.path.clone() };
    let proof = ProofView::new(group, known, found.certified(), Claim::Transaction(claim), tree)?;
    answer(&TransactionProofView { transaction: hash, index: found.index, proof })
}

pub(crate) fn receipt(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let (hash, known) = (arguments.hash(1)?, arguments.optional_number(2)?.unwrap_or(0));
    let Some(found) = Committed::find(group, &hash)? else { return answer(&()) };
    let (transactions, tree) = (found.transaction_tree(group)?, found.receipt_tree(group)?);
    let steps = transactions.path.path.iter().zip(&tree.path.path).map(|((side, transaction), (_, receipt))| {
        ReceiptStep { side: *side, transaction: *transaction, receipt: *receipt }
    });
    let (_, _, receipt) = found.parts(group)?;
    let claim = ReceiptClaim { transaction: hash, receipt: receipt.clone(), path: steps.collect() };
    let proof = ProofView::new(group, known, found.certified(), Claim::Receipt(claim), tree)?;
    answer(&TransactionProofView { transaction: hash, index: found.index, proof })
}

/// The proof of a write.
#[derive(Serialize)]
struct RowProofView {
    table: String,
    #[serde(with = "hex_bytes")]
    key: Vec<u8>,
    value: Option<String>,
    #[serde(flatten)]
    proof: ProofView,
}

pub(crate) fn row(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let (table, key, number) = (arguments.table(1)?, arguments.key(2)?, arguments.number(3)?);
    let known = arguments.optional_number(4)?.unwrap_or(0);
    let _place = context.row_proofs.try_acquire().map_err(|_| {
        context.limits.refused(Limit::RowProofs);
        RpcError::new(BUSY, format!("{ROW_PROOFS_MAX} proofs of rows are being made; ask again later"))
    })?;
    let writes = group.ledger().writes(number)?;
    let row = Row::new(&table, &key);
    let Ok(index) = writes.binary_search_by(|write| write.row.cmp(&row)) else { return answer(&()) };
    let missing = || RpcError::new(INTERNAL, format!("block {number} is missing"));
    let block = group.ledger().block(number)?.ok_or_else(missing)?;
    let leaves: Vec<Vec<u8>> = writes.iter().map(|write| write_leaf(&write.row, write.value.as_deref())).collect();
    let tree = Tree::new(group, &block.header, &leaves, index, block.header.change_root)?;
    let value = writes.get(index).and_then(|write| write.value.as_deref()).map(<[u8]>::to_vec);
    let shown = value.as_deref().map(hex_bytes::encode);
    let claim = RowClaim { table: table.clone(), key: key.clone(), value, path: tree.path.clone() };
    let certified = CertifiedHeader { header: block.header, certificate: block.certificate };
    let proof = ProofView::new(group, known, certified, Claim::Row(claim), tree)?;
    answer(&RowProofView { table: table.to_string(), key, value: shown, proof })
}

/// A path in FISCO BCOS's shape: for each level what stands left and right of the node on the way up. Its trees have
/// sixteen branches and ours two, so there is one sibling a level. Its digits have no 0x.
fn fisco_path(path: &MerkleProof) -> Vec<Value> {
    let level = |(side, sibling): &(MerkleSide, Hash)| {
        let sibling = hex::encode(sibling.as_bytes());
        match side {
            MerkleSide::Left => json!({ "left": [sibling], "right": [] }),
            MerkleSide::Right => json!({ "left": [], "right": [sibling] }),
        }
    };
    path.path.iter().map(level).collect()
}

/// FISCO BCOS's `getTransactionByHashWithProof`.
pub(crate) fn fisco_transaction(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let Some(found) = Committed::find(group, &arguments.hash(1)?)? else { return answer(&()) };
    let path = fisco_path(&found.transaction_tree(group)?.path);
    let (place, transaction, _) = found.parts(group)?;
    answer(&json!({ "transaction": fisco_views::transaction(place, transaction), "txProof": path }))
}

/// FISCO BCOS's `getTransactionReceiptByHashWithProof`.
pub(crate) fn fisco_receipt(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let Some(found) = Committed::find(group, &arguments.hash(1)?)? else { return answer(&()) };
    let path = fisco_path(&found.receipt_tree(group)?.path);
    let (place, transaction, receipt) = found.parts(group)?;
    let receipt = fisco_views::receipt(place, transaction, receipt, found.block.header.state_root);
    answer(&json!({ "receiptProof": path, "transactionReceipt": receipt }))
}
