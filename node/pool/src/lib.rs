//! Admission: which transactions wait for a block, and which were used already.
//!
//! This crate owns the rules by which a transaction is let in (chain, group, window, replay, signature), the bounded
//! queue of those that wait, and the replay index over the last 1,000 blocks. Ethereum's transactions wait beside the
//! others, those of one sender in the order of their numbers. It never touches a clock, a disk or the state: heights,
//! blocks and accounts are told to it.
//!
//! ```
//! use entente_pool::{Pool, PoolLimits, PoolRules};
//! # use entente_types::{GroupId, Hash, Suite};
//!
//! let rules = PoolRules {
//!     suite: Suite::Standard,
//!     scheme: std::sync::Arc::new(Suite::Standard),
//!     genesis: Hash([1; 32]),
//!     chain_id: 1,
//!     group_id: GroupId::new("group1")?,
//!     transaction_gas: 300_000_000,
//!     ethereum: None,
//!     verified: std::sync::Arc::default(),
//! };
//! let pool = Pool::new(rules, PoolLimits::default(), 0);
//! assert_eq!(pool.len(), 0);
//! # Ok::<(), entente_types::GroupIdError>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod admission;
mod lanes;
mod pool;
mod replay;
mod short_id;
mod verified;

pub use admission::{AdmissionError, Checked, EthereumRules, PoolRules, check, in_window};
pub use pool::{Pool, PoolLimits, PooledTransaction};
pub use replay::{ReplayIndex, ReplayKey};
pub use short_id::ShortId;
pub use verified::Verified;
