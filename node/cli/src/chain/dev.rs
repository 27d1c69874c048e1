//! `entente chain dev`: a chain for tests of contracts, from nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use entente_types::Limits;

use super::new::{NewArguments, StorageName, SuiteName, write_with};
use crate::{
    node::{RunArguments, run as run_node},
    output::{Failure, Output},
};

/// The chain's number for Ethereum's tools: that of Hardhat's and Foundry's nodes.
const ETHEREUM_CHAIN_ID: u64 = 31_337;
/// The gas of a block and of a transaction: that of Hardhat's node.
const BLOCK_GAS: u64 = 60_000_000;

/// Where it listens.
#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// The port of its JSON-RPC. 0: a free one.
    #[arg(long, default_value_t = 8545, value_name = "PORT")]
    rpc_port: u16,
    /// Stop, too, when standard input ends: whoever holds its other end has ended.
    #[arg(long, hide = true)]
    while_stdin_open: bool,
}

/// A folder that goes when it is no longer used.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("entente-dev-{}", std::process::id()));
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::new(format!("{}: {error}; set TMPDIR to a folder of yours", path.display())))
            }
            _ => Ok(Self(path)),
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left there is keys of a chain that is gone.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a node of a chain of its own in the foreground.
pub(crate) fn run(arguments: &DevArguments, output: Output) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let chain = NewArguments {
        storage: StorageName::Memory,
        rpc_port: arguments.rpc_port,
        ..NewArguments::usual(scratch.path().to_owned(), SuiteName::Standard, 1)
    };
    write_with(&chain, |genesis| {
        genesis.ethereum_chain_id = ETHEREUM_CHAIN_ID;
        genesis.balances = true;
        genesis.limits = Limits { block_gas: BLOCK_GAS, transaction_gas: BLOCK_GAS, ..genesis.limits };
    })?;
    let dir = scratch.path().join("node0");
    run_node(&RunArguments { dir, dev: true, while_stdin_open: arguments.while_stdin_open }, output)
}
