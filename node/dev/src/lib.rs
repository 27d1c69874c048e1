//! A chain for those who test contracts: what Hardhat's and Foundry's nodes offer them.
//!
//! This crate owns what such a chain does that no other may: it lies in memory alone, makes a block whenever it is told
//! to, has whatever time it is told, goes back to what it was, lets rows of its state be set, and takes transactions for
//! anybody's that a test wants to be somebody. It never touches a clock, a disk or a network: what time it is comes in with each
//! call, and the blocks that were made are fetched. Executing and storing are what they are everywhere.
//!
//! ```
//! use entente_crypto::{SecretKey, Suite};
//! use entente_dev::DevChain;
//! use entente_pool::PoolLimits;
//! # use entente_dev::BeginError;
//!
//! # fn main() -> Result<(), BeginError> {
//! let key = SecretKey::from_bytes(Suite::Standard, &[1; 32]).map_err(|error| BeginError::Rooms(error.to_string()))?;
//! # let member = entente_types::Member { key: key.public_key(), weight: 1 };
//! # let genesis = entente_types::Genesis {
//! #     version: entente_types::Version, chain_id: 1, group_id: entente_types::GroupId::from_number(1),
//! #     ethereum_chain_id: 31_337, suite: Suite::Standard, timestamp_ms: 1, consensus: entente_types::ConsensusKind::Solo,
//! #     pipeline_depth: 1, protocol_version: 2, evm_hash: entente_types::EvmHash::Keccak256,
//! #     evm_timestamp: entente_types::EvmTimestamp::Seconds, balances: true, limits: Default::default(),
//! #     sealers: vec![member], allocations: vec![],
//! # };
//! let mut chain = DevChain::begin(&genesis, key, PoolLimits::default(), 1_700_000_000_000)?;
//! let before = chain.snapshot(1_700_000_000_000);
//! chain.mine(1_700_000_000_000, 3, 1)?;
//! assert_eq!(chain.ledger().tip().number, 3);
//! assert!(chain.revert(1_700_000_001_000, before)?);
//! assert_eq!(chain.ledger().tip().number, 0);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod accounts;
mod begin;
mod chain;
mod clock;
mod dump;
mod envelope;
mod error;
mod mining;
mod sending;
mod snapshots;
mod state;
mod typed_data;

pub use accounts::Accounts;
pub use chain::DevChain;
pub use envelope::{impersonated, unsigned, with_sender};
pub use error::{BLOCKS_AT_ONCE_MAX, BeginError, DevError};
pub use sending::{Sent, Wanted};
pub use typed_data::{message_digest, typed_data_digest};
