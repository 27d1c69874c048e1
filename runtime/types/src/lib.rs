//! The documents of the ledger: genesis, transactions, proposals, headers, blocks, receipts, logs and proofs.
//!
//! This crate owns how each of them is encoded (SCALE, versioned by its first byte), hashed (under a domain of its
//! own) and shown as JSON. It never judges whether a document is true: that a signature fits or a root is right is
//! for others to find out.
//!
//! ```
//! use entente_crypto::{Address, Hash, SecretKey, Suite};
//! use entente_types::{Amount, GroupId, Transaction, UnsignedTransaction};
//!
//! let key = SecretKey::from_bytes(Suite::Standard, &[7; 32])?;
//! let genesis = Hash([1; 32]);
//! let transaction = UnsignedTransaction {
//!     version: Default::default(),
//!     chain_id: 1,
//!     group_id: GroupId::new("group1")?,
//!     sender: key.public_key().address(),
//!     nonce: [3; 32],
//!     valid_until: 500,
//!     gas_limit: 1_000_000,
//!     to: Some(Address([9; 20])),
//!     value: Amount::ZERO,
//!     input: Default::default(),
//!     extra: Default::default(),
//! }
//! .sign(&genesis, &key);
//! let bytes = transaction.to_bytes();
//! assert_eq!(Transaction::from_bytes(&bytes)?, transaction);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod authorization;
mod block;
mod bytes;
mod configuration;
mod created_address;
mod ethereum;
mod ethereum_header;
mod ethereum_payload;
mod ethereum_refusal;
mod fisco;
mod genesis;
mod legacy_transaction;
pub mod limits;
mod members;
mod proof;
mod receipt;
mod recovery;
mod revert;
mod transaction;
mod unsigned_fisco;

pub use authorization::Authorization;
pub use block::{
    Block, Certificate, CertificateError, CertificateVote, Header, LeftOut, Proposal, SignatureClaim, quorum,
    sealers_hash,
};
pub use bytes::{Amount, Bytes, Version, hex_bytes};
pub use configuration::{
    ConfigurationEntry, ConfigurationKey, ConfigurationValueError, KeyDescription, RulesFrom, Setting,
};
pub use created_address::{created_address, created_address_by_salt};
pub use entente_crypto::{Address, Hash, PublicKey, Signature, Suite};
pub use entente_state::{Table, TableNameError};
pub use ethereum::{EthereumKind, EthereumOrigin, EthereumTransaction, EthereumTransactionError};
pub use ethereum_header::{Bloom, EthereumHeader};
pub use ethereum_payload::{AccessListEntry, EthereumPayload};
pub use ethereum_refusal::{EthereumRefusal, SenderAccount};
pub use fisco::{FiscoFields, FiscoSigner, FiscoTransaction, FiscoTransactionError};
pub use genesis::{
    ConsensusKind, EvmHash, EvmTimestamp, Genesis, GenesisError, GroupId, GroupIdError, Limits, Member,
    validate_sealers,
};
pub use legacy_transaction::LegacyTransaction;
pub use members::{
    DecidedSet, MembersError, Observers, RulingSet, SealerEntry, SealerHistory, SealerSet, observers_row,
    read_observers, sealer_set_row, sealers_row,
};
pub use proof::{
    CertifiedHeader, Claim, ClaimError, Proof, ProofError, ReceiptClaim, ReceiptStep, RowClaim, SealerChange,
    TransactionClaim,
};
pub use receipt::{Log, Receipt, ReceiptError, Status};
pub use recovery::{Lineage, Recovery, RecoveryError, SignedRecovery};
pub use revert::{RevertReason, panic_meaning};
pub use transaction::{NativeTransaction, Transaction, TransactionError, UnsignedTransaction};
pub use unsigned_fisco::UnsignedFiscoTransaction;

/// The height of a block.
pub type BlockNumber = u64;
