//! `entente chain`: the nodes of a chain on this machine.

mod add;
pub(crate) mod authorities;
mod dev;
pub(crate) mod new;
pub(crate) mod processes;
mod status;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};

use crate::{
    output::{Failure, Output},
    progress::Progress,
    runtime::block_on,
};

/// What can be done with a chain.
#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Write keys, genesis and configuration of a new chain into an empty folder.
    New(new::NewArguments),
    /// Write the folder of one more node, with a certificate of an agency; `member add` then lets it into the group.
    Add(add::AddArguments),
    /// Start every node of a chain in the background and wait until it answers.
    #[command(after_help = "Example:\n  entente chain up chain\n  entente chain up chain --dev")]
    Up(UpArguments),
    /// Run a chain for tests of contracts in the foreground, from nothing and in memory: what Hardhat's and Foundry's nodes
    /// do, with their accounts, each of which holds 10,000 coins.
    #[command(after_help = "Example:\n  entente chain dev\n  entente chain dev --rpc-port 9545")]
    Dev(dev::DevArguments),
    /// Stop every node of a chain.
    #[command(after_help = "Example:\n  entente chain down chain")]
    Down(ChainFolder),
    /// Show every node of a chain: height, roots, health.
    #[command(after_help = "Example:\n  entente chain status chain --json")]
    Status(ChainFolder),
}

/// The folder that `chain new` wrote.
#[derive(Debug, Args)]
pub(crate) struct ChainFolder {
    /// The chain's folder, as given to `chain new --out`.
    dir: PathBuf,
}

/// Which chain, and what for.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// The chain's folder, as given to `chain new --out`.
    dir: PathBuf,
    /// For tests of contracts: the chain is kept in memory, begins at its genesis, and offers what Hardhat's and Foundry's
    /// nodes do. Only for a chain that one node orders alone.
    #[arg(long)]
    dev: bool,
}

impl ChainCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::New(arguments) => new::run(&arguments, output),
            Self::Add(arguments) => add::run(&arguments, output),
            Self::Up(UpArguments { dir, dev }) => up(&dir, dev, output),
            Self::Dev(arguments) => dev::run(&arguments, output),
            Self::Down(ChainFolder { dir }) => down(&dir, output),
            Self::Status(ChainFolder { dir }) => block_on(status::show(&dir, output)),
        }
    }
}

/// The folders of a chain's nodes, `node0` first.
pub(crate) fn node_folders(chain: &Path) -> Result<Vec<PathBuf>, Failure> {
    let place = chain.display();
    let entries = fs::read_dir(chain).map_err(|error| {
        Failure::new(format!("{place}: {error}; make a chain with: entente chain new --out {place}"))
    })?;
    let mut folders: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    if folders.is_empty() {
        let line = format!("{place}: no node0 here; give the folder that chain new wrote, not a node's own");
        return Err(Failure::new(line));
    }
    folders.sort();
    Ok(folders.into_iter().map(|(_, folder)| folder).collect())
}

/// How a node is called: its folder's name.
pub(crate) fn name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn up(chain: &Path, dev: bool, output: Output) -> Result<(), Failure> {
    let mut nodes = Vec::new();
    let mut text = String::new();
    let mut failed = None;
    for folder in node_folders(chain)? {
        let waiting = Progress::waiting(&format!("starting {}", name(&folder)));
        let started = processes::start(&folder, dev);
        drop(waiting);
        let started = match started {
            Ok(started) => started,
            // The others are needed all the more.
            Err(failure) => {
                failed.get_or_insert(failure);
                continue;
            }
        };
        let (name, rpc) = (name(&folder), format!("http://{}", started.address));
        let how = if started.was_running { "runs already" } else { "is up" };
        writeln!(text, "{name} {how} at {rpc} (process {})", started.pid)?;
        nodes.push(serde_json::json!({ "name": name, "rpc": rpc, "pid": started.pid }));
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    output.show(&serde_json::json!({ "nodes": nodes }), || text)
}

fn down(chain: &Path, output: Output) -> Result<(), Failure> {
    let folders = node_folders(chain)?;
    let waiting = Progress::waiting("stopping the nodes");
    let stopped = processes::stop(&folders);
    drop(waiting);
    let stopped = stopped?;
    let mut text = String::new();
    let mut nodes = Vec::new();
    for (folder, pid) in &stopped {
        let what = match pid {
            Some(pid) => format!("stopped (was process {pid})"),
            None => "was not running".to_owned(),
        };
        writeln!(text, "{} {what}", name(folder))?;
        nodes.push(serde_json::json!({ "name": name(folder), "pid": pid }));
    }
    output.show(&serde_json::json!({ "nodes": nodes }), || text)
}
