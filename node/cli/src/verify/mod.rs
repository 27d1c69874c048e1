//! `entente verify`: a stopped node's store against itself, and against a fresh execution.

pub(crate) mod replay;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use entente_driver::{NodeConfig, StorageEngine, open_engine, read_genesis};
use entente_ledger::{Ledger, OpenError, VerificationProgress};
use entente_storage::SharedResources;
use entente_types::{BlockNumber, Genesis, Hash};
use serde::Serialize;

use crate::{
    output::{Failure, Output},
    progress::Progress,
    table::{Table, thousands},
};
use replay::Replay;

/// What to check.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente verify --dir chain/node0\n  entente verify --dir chain/node0 --replay --json"
)]
pub(crate) struct VerifyArguments {
    /// The node's folder; the node must not run.
    #[arg(long, value_name = "NODE")]
    dir: PathBuf,
    /// Execute every block again from genesis, too, in memory, and compare every header.
    #[arg(long)]
    replay: bool,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verified {
    pub(crate) height: BlockNumber,
    pub(crate) state_root: Hash,
    pub(crate) recomputed_root: Hash,
    /// Whether everything is as it must be, the replay included where it was asked for.
    pub(crate) ok: bool,
    pub(crate) blocks_checked: u64,
    /// The first thing that is not.
    pub(crate) fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<Replay>,
}

/// A ledger that nobody else has open.
pub(crate) struct Opened {
    pub(crate) ledger: Ledger,
    pub(crate) genesis: Genesis,
}

/// Does it.
pub(crate) fn run(arguments: &VerifyArguments, output: Output) -> Result<(), Failure> {
    let progress = Progress::new();
    let opened = open(&arguments.dir)?;
    let mut verified = verify(&opened, &progress)?;
    if arguments.replay && verified.ok {
        let replay = replay::replay(&opened, &progress)?;
        verified.ok = replay.ok;
        verified.fault.clone_from(&replay.fault);
        verified.replay = Some(replay);
    }
    progress.end();
    output.show(&verified, || text(&verified))?;
    match &verified.fault {
        None => Ok(()),
        Some(fault) => {
            let place = arguments.dir.display();
            Err(Failure::new(format!("{place}: {fault}; fetch the chain from peers: entente node fetch")))
        }
    }
}

/// Opens the ledger of a node that does not run. Nothing is made where nothing is.
pub(crate) fn open(folder: &Path) -> Result<Opened, Failure> {
    let config = NodeConfig::read(folder)?;
    let genesis = read_genesis(folder)?;
    let place = folder.display();
    if config.storage.engine == StorageEngine::Memory {
        return Err(Failure::new(format!("{place}: the node keeps its ledger in memory: there is nothing on disk")));
    }
    let data = folder.join("data").join(genesis.group_id.as_str());
    if !data.is_dir() {
        let data = data.display();
        return Err(Failure::new(format!("{data}: there is no store; the node was never started")));
    }
    let narrow = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let storage = &config.storage;
    let resources = SharedResources::new(narrow(storage.block_cache_bytes), narrow(storage.write_buffer_bytes));
    let engine = open_engine(folder, &genesis.group_id, storage, &resources)?;
    let ledger = Ledger::open_with(Arc::clone(&engine), &genesis, storage.ledger()).map_err(|error| {
        let unfinished = matches!(error, OpenError::Empty);
        let failure = Failure::from(error);
        if unfinished {
            Failure::new("the store holds no ledger; start the node once").at(place)
        } else {
            failure.at(place)
        }
    })?;
    Ok(Opened { ledger, genesis })
}

/// Checks a ledger against itself.
pub(crate) fn verify(opened: &Opened, progress: &Progress) -> Result<Verified, Failure> {
    let found = opened.ledger.verify(&mut |step| match step {
        VerificationProgress::Blocks { checked, total } => progress.set("checking blocks", checked, Some(total)),
        VerificationProgress::Rows(rows) => progress.set("adding up all rows", rows, None),
        VerificationProgress::History { checked, total } => {
            progress.set("making the change roots from the history", checked, Some(total));
        }
    })?;
    let fault = found.first_fault.map(|fault| match fault.block {
        Some(block) => format!("block {block}: {}", fault.message),
        None => fault.message,
    });
    Ok(Verified {
        height: found.height,
        state_root: found.state_root,
        recomputed_root: found.recomputed_root,
        ok: found.ok,
        blocks_checked: found.blocks_checked,
        fault,
        replay: None,
    })
}

fn text(verified: &Verified) -> String {
    let mut table = Table::default();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("height", thousands(verified.height));
    row("blocks checked", thousands(verified.blocks_checked));
    row("state root", verified.state_root.to_string());
    row("recomputed root", verified.recomputed_root.to_string());
    if let Some(replay) = &verified.replay {
        let verdict = if replay.ok { "the same headers" } else { "ANOTHER HEADER" };
        let (blocks, transactions) = (thousands(replay.blocks), thousands(replay.transactions));
        row("executed again", format!("{blocks} blocks, {transactions} transactions: {verdict}"));
    }
    row("verdict", if verified.ok { "ok".to_owned() } else { "NOT OK".to_owned() });
    table.text()
}
