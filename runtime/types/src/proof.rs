//! Proofs that a transaction, a receipt or the write of a row is in a block.
//!
//! A proof carries a header, the certificate of a quorum, and a path from what it claims up to one of the header's
//! roots. Nothing stands in it that it does not prove: no place in the block and no number of leaves, since a root of
//! RFC 6962 covers neither. Which sealer set rules a height follows from the genesis document and the changes that
//! stand in the proof; a light client finds it out. What is here tells whether a claim follows from a header.

use entente_crypto::{MerkleProof, MerkleSide};
use entente_state::{Row, write_leaf};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    BlockNumber, Certificate, CertificateError, Hash, Header, Member, Receipt, Suite, Table, Transaction, Version,
    bytes::hex_bytes, limits::PROOF_BYTES_MAX,
};

/// A header and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct CertifiedHeader {
    /// The header.
    pub header: Header,
    /// The signatures of a quorum of the set that rules its height.
    pub certificate: Certificate,
}

impl CertifiedHeader {
    /// Checks that a quorum of this sealer set signed the header for this group, and gives the header's hash.
    pub fn verify(&self, suite: Suite, genesis: &Hash, sealers: &[Member]) -> Result<Hash, CertificateError> {
        let hash = self.header.hash(suite);
        self.certificate.verify(suite, genesis, self.header.number, &hash, sealers)?;
        Ok(hash)
    }
}

/// A header after which another sealer set rules, and that set.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SealerChange {
    /// The last header of the set before; its `next_sealers` names the new one.
    pub block: CertifiedHeader,
    /// The set that rules from the next height on.
    pub sealers: Vec<Member>,
}

impl SealerChange {
    /// The SCALE encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// The change whose SCALE encoding these bytes are, all of them. Whether it is true is not looked at.
    ///
    /// # Errors
    /// Too many bytes, bytes that do not decode, or bytes left over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofError::Size(bytes.len()));
        }
        Self::decode_all(&mut &*bytes).map_err(|error| ProofError::Codec(error.to_string()))
    }
}

/// Everything that convinces whoever knows a group's genesis document, and nothing else, of a claim about a block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Proof {
    /// The format's version.
    pub version: Version<1>,
    /// The group.
    pub genesis: Hash,
    /// The changes of the sealer set below the block, ascending by height; one who knows some may be sent the rest.
    pub sealer_changes: Vec<SealerChange>,
    /// The block.
    pub block: CertifiedHeader,
    /// What is claimed of it.
    pub claim: Claim,
}

/// What a proof claims. The SCALE variant says which kind of claim it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Claim {
    /// The transaction was run in the block.
    #[codec(index = 1)]
    Transaction(TransactionClaim),
    /// The transaction with a hash was run in the block and left this receipt.
    #[codec(index = 2)]
    Receipt(ReceiptClaim),
    /// The block set a row, or removed it. It says nothing about what a later block did to the row.
    #[codec(index = 3)]
    Row(RowClaim),
}

/// That a transaction was run in a block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct TransactionClaim {
    /// The transaction.
    pub transaction: Transaction,
    /// From its hash to the transaction root.
    #[serde(flatten)]
    pub path: MerkleProof,
}

/// That a transaction was run in a block and left a receipt there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ReceiptClaim {
    /// The hash of the transaction.
    pub transaction: Hash,
    /// Its receipt.
    pub receipt: Receipt,
    /// From both to the transaction root and the receipt root. The two trees have the same shape and a transaction
    /// the same place in both, so one list of sides leads through both: that is what joins the receipt, which does
    /// not name its transaction, to the hash.
    pub path: Vec<ReceiptStep>,
}

/// A sibling in each of the two trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ReceiptStep {
    /// Where the siblings stand.
    pub side: MerkleSide,
    /// The one among the transactions.
    pub transaction: Hash,
    /// The one among the receipts.
    pub receipt: Hash,
}

/// That a block wrote a row.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RowClaim {
    /// The row's table.
    #[serde(serialize_with = "as_text")]
    pub table: Table,
    /// Its key there.
    #[serde(with = "hex_bytes")]
    pub key: Vec<u8>,
    /// What it was set to; nothing where it was removed.
    #[serde(serialize_with = "as_optional_digits")]
    pub value: Option<Vec<u8>>,
    /// From the write to the change root.
    #[serde(flatten)]
    pub path: MerkleProof,
}

fn as_text<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(table)
}

#[expect(clippy::ref_option, reason = "serde hands fields over by reference")]
fn as_optional_digits<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.as_deref().map(hex_bytes::encode).serialize(serializer)
}

/// Why bytes are no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// More bytes than a proof may have.
    #[error("the proof has {0} bytes; at most {PROOF_BYTES_MAX} are allowed")]
    Size(usize),
    /// The bytes do not decode.
    #[error("the bytes are no SCALE-encoded proof: {0}")]
    Codec(String),
}

/// A claim that does not follow from the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} with its path has the root {found}, but the header of block {number} says {expected}")]
pub struct ClaimError {
    /// What is not in the block: a transaction, a receipt or a row.
    pub what: &'static str,
    /// The block.
    pub number: BlockNumber,
    /// The root that the path leads to.
    pub found: Hash,
    /// The header's.
    pub expected: Hash,
}

impl Proof {
    /// The SCALE encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// The proof whose SCALE encoding these bytes are, all of them. Whether it proves anything is not looked at.
    ///
    /// # Errors
    /// Too many bytes, bytes that do not decode, or bytes left over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofError::Size(bytes.len()));
        }
        Self::decode_all(&mut &*bytes).map_err(|error| ProofError::Codec(error.to_string()))
    }
}

impl Claim {
    /// Checks that the claim follows from this header. Whether the header is the group's is another question: see
    /// [`CertifiedHeader::verify`].
    pub fn verify(&self, suite: Suite, header: &Header) -> Result<(), ClaimError> {
        let equal = |what, found, expected| {
            let number = header.number;
            if found == expected { Ok(()) } else { Err(ClaimError { what, number, found, expected }) }
        };
        match self {
            Self::Transaction(TransactionClaim { transaction, path }) => {
                let root = path.root(suite, transaction.hash(suite).as_ref());
                equal("transaction", root, header.transaction_root)
            }
            Self::Receipt(claim) => {
                let (transactions, receipts) = claim.paths();
                let root = transactions.root(suite, claim.transaction.as_ref());
                equal("transaction", root, header.transaction_root)?;
                equal("receipt", receipts.root(suite, &claim.receipt.encode()), header.receipt_root)
            }
            Self::Row(RowClaim { table, key, value, path }) => {
                let leaf = write_leaf(&Row::new(table, key), value.as_deref());
                equal("row", path.root(suite, &leaf), header.change_root)
            }
        }
    }
}

impl ReceiptClaim {
    /// The path through the transactions and the path through the receipts.
    fn paths(&self) -> (MerkleProof, MerkleProof) {
        let of = |sibling: fn(&ReceiptStep) -> Hash| MerkleProof {
            path: self.path.iter().map(|step| (step.side, sibling(step))).collect(),
        };
        (of(|step| step.transaction), of(|step| step.receipt))
    }
}
