//! JSON-RPC over HTTP and WebSocket on one port, with health and metrics beside it.
//!
//! This crate owns the one table of methods, how their parameters are read and their answers shaped, and the error
//! codes that strangers see. It never judges a transaction or a block, and never touches a file: it asks the
//! [`entente_driver::NodeHandle`] it is given.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use entente_driver::{Node, NodeConfig};
//!
//! let folder = std::path::Path::new("chain/node0");
//! let config = NodeConfig::read(folder)?;
//! let node = Node::start(folder, &config)?;
//! let server = entente_rpc::serve(node.handle().clone(), &config.rpc).await?;
//! println!("http://{}", server.local_addr());
//! server.stop();
//! server.stopped().await;
//! node.stop();
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod acceptor;
mod arguments;
mod bucket;
mod calls;
mod configuration;
mod context;
mod cors;
mod dev;
mod documentation;
mod error;
mod ethereum;
mod feed;
mod filter;
mod fisco;
mod fisco_consensus;
mod fisco_node;
mod fisco_views;
mod flow;
mod frames;
mod front;
pub mod limits;
mod logs;
mod members;
mod method;
mod metrics;
mod metrics_table;
mod network;
mod outbox;
mod plain;
mod process;
mod proofs;
mod reading;
mod sending;
mod server;
mod socket;
mod subscriptions;
mod table;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod testing;
mod values;
mod views;
mod websocket;

pub use documentation::documentation;
pub use metrics_table::metrics_page;
pub use server::{ServeError, Server, serve};
