//! One group: ledger, pool, consensus, sync, executor and native modules joined once, without clock, thread or socket.
//!
//! This crate owns how the rooms work together: what is proposed, executed, certified, written and told, and in which
//! order. A step takes an event in and gives effects out; it never blocks. Whoever carries the effects out, in real
//! time or in simulated time, answers with the next events. A block is told of only when it is on disk.
//!
//! ```
//! use entente_group::{Effect, Event, Group, Now, Signing, open};
//! # use std::sync::Arc;
//! # use entente_crypto::{SecretKey, Suite};
//! # use entente_types::{ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Version};
//! # let key = SecretKey::from_bytes(Suite::Standard, &[7; 32])?;
//! # let genesis = Genesis {
//! #     version: Version, chain_id: 1, group_id: GroupId::new("group1")?, ethereum_chain_id: 20200,
//! #     suite: Suite::Standard, timestamp_ms: 1, consensus: ConsensusKind::Solo, pipeline_depth: 1,
//! #     protocol_version: 1, evm_hash: EvmHash::Keccak256, evm_timestamp: EvmTimestamp::Seconds, balances: false,
//! #     limits: Limits::default(), sealers: vec![Member { key: key.public_key(), weight: 1 }], allocations: vec![],
//! # };
//! let engine = Arc::new(entente_storage::Memory::new());
//! let (ledger, executor) = open(engine, &genesis, Default::default())?;
//! let mut group = Group::new(&ledger, &executor, Signing::new(key), Default::default())?;
//! let effects = group.step(Now { monotonic_ms: 0, unix_ms: 1_000 }, Event::Tick);
//! assert!(effects.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod accounts;
mod begin;
mod brief;
mod catching_up;
mod chain;
mod event;
mod group;
mod headers;
mod joining;
mod loss;
mod message;
mod open;
mod proposals;
mod recovery;
mod remembered;
mod replay;
mod retelling;
mod room;
mod talk;
mod task;

pub use begin::{Signing, certified_tip, identity, pbft_options, sealer_sets};
pub use brief::Brief;
pub use entente_consensus::{Identity, Position};
pub use entente_precompiles::registry as native_modules;
pub use entente_sync::SyncOptions;
pub use event::{Effect, Event, GroupOptions, Halt, Joining, Now};
pub use group::Group;
pub use message::{Incoming, Looked, MESSAGE_BLOCKS_MAX, MESSAGE_TRANSACTIONS_MAX, Message, MessageFault};
pub use open::{GroupError, OpenGroupError, open, open_with};
pub use recovery::{RecoverError, can_recover, recover, recovering_members, recovery_of};
pub use remembered::{PersistTask, RememberedError, note_loss, recovered};
pub use replay::{Replay, ReplayError};
pub use task::{CommittedBlock, ExecuteTask, InstallTask, ServeTask, StageTask, WriteTask};
