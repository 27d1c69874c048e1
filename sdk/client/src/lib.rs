//! The Rust client of a node, and what belongs to it: keystores, contract ABIs, the load generator.
//!
//! This crate owns the keys folder (Ethereum's V3 keystores), reading and writing calls by a contract's ABI, the
//! JSON-RPC connection to a node over WebSocket, the light client that verifies proofs, and the open-loop load
//! generator. It never decides whether a transaction is valid, and of blocks only whether a quorum signed them: it
//! signs, sends, asks and shows. It runs on tokio.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use entente_client::{
//!     abi::Abi,
//!     client::{CallRequest, Client},
//!     keystore::Keystore,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let alice = Keystore::of_user()?.open("alice", "correct horse")?;
//! let group = Client::connect("ws://127.0.0.1:8545").await?.group("group1").await?;
//!
//! let abi = Abi::from_module(&std::fs::read("token.wasm")?)?;
//! let token = "0x00000000000000000000000000000000000010ab".parse()?;
//! let input = abi.encode_call("transfer", &[alice.address().to_string(), "25".to_owned()])?;
//! let receipt = group.send_and_wait(&alice, Some(token), input, 1_000_000, Duration::from_secs(30)).await?;
//! assert!(receipt.succeeded(), "{}", receipt.reason());
//!
//! let total = abi.method("totalSupply", 0)?;
//! let call = CallRequest { from: None, to: token, input: total.encode(&[])?, gas: None };
//! println!("{}", total.decode(&group.call(&call).await?.output)?[0]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod abi;
pub mod client;
pub mod keystore;
pub mod light;
pub mod limits;
pub mod load;
