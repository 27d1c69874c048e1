//! Runs groups in real time: threads, channels, storage; starting and stopping them.
//!
//! This crate owns the clock and the threads of a node: for each group one that steps it, one that executes and one
//! that writes. It never decides anything about a block: that is the group's. Others reach a group through its
//! [`GroupHandle`].
//!
//! ```no_run
//! use entente_driver::{Node, NodeConfig};
//!
//! let folder = std::path::Path::new("chain/node0");
//! let config = NodeConfig::read(folder)?;
//! let node = Node::start(folder, &config)?;
//! for group in node.handle().groups() {
//!     println!("{} is at {}", group.id(), group.status().height);
//! }
//! node.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod admission;
mod begun;
mod calls;
mod checks;
mod code_folder;
mod config;
mod config_file;
mod config_keys;
mod config_page;
mod dev;
mod events;
mod handle;
mod measures;
mod network;
mod node;
mod run;
mod together;

pub use admission::{ADMISSION_FILE, read_access_lists, write_access_lists};
pub use begun::{SetAside, set_data_aside};
pub use calls::CallError;
pub use checks::ChecksHeld;
pub use code_folder::{CODE_FILE_BYTES_MAX, CodeFolder};
pub use config::{
    ConsensusConfig, LogConfig, LogFormat, NetworkConfig, NodeConfig, NodeSection, PoolConfig, RpcConfig,
    StorageConfig, StorageEngine, SyncConfig,
};
pub use config_file::{ConfigError, read_genesis, read_genesis_file, read_secret_key, write_secret_key};
pub use config_keys::REQUEST_TRANSACTIONS_MAX;
pub use config_page::{commented_admission, commented_configuration, commented_genesis, configuration_page};
pub use entente_group::{CommittedBlock, Position};
pub use entente_network::PeerStatus;
pub use events::{EVENTS, EventDescription, EventLevel, events_page};
pub use handle::{GroupHandle, GroupStatus, NodeHandle, SubmitError};
pub use measures::{DURATION_BOUNDS_US, Dropped, Durations, GroupMeasures, Place, Refusals, Traffic};
pub use node::{Node, StartError, open_engine};
