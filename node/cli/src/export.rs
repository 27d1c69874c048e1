//! `entente export`: the blocks of a stopped node in a file.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use clap::Args;
use entente_ledger::{ExportHead, ExportWriter};
use entente_types::{BlockNumber, Version};
use serde::Serialize;

use crate::{
    output::{Failure, Output},
    progress::Progress,
    table::thousands,
    verify::{self, Opened},
};

/// What is written, and where.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente export --dir chain/node0 --out chain.blocks\n  entente export --dir chain/node0 --out chain.blocks --from 1000 --to 1999"
)]
pub(crate) struct ExportArguments {
    /// The node's folder; the node must not run.
    #[arg(long, value_name = "NODE")]
    dir: PathBuf,
    /// The file; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The first block.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    from: BlockNumber,
    /// The last block; else the tip.
    #[arg(long, value_name = "NUMBER")]
    to: Option<BlockNumber>,
}

#[derive(Serialize)]
struct Exported {
    file: PathBuf,
    first: BlockNumber,
    last: BlockNumber,
    blocks: u64,
    transactions: u64,
    bytes: u64,
}

/// Does it.
pub(crate) fn run(arguments: &ExportArguments, output: Output) -> Result<(), Failure> {
    let ExportArguments { dir, out, from, to } = arguments;
    let opened = verify::open(dir)?;
    let tip = opened.ledger.tip().number;
    let last = to.unwrap_or(tip);
    if *from > last || last > tip {
        return Err(Failure::new(format!("{}: it has blocks 0 to {tip}, not {from} to {last}", dir.display())));
    }
    let at = |failure: Failure| failure.at(out.display());
    if out.exists() {
        return Err(at(Failure::new("there is a file already; give another name")));
    }
    // Under another name until it is whole.
    let partial = partial_name(out);
    let result = write(&opened, &partial, *from, last);
    let transactions = match result {
        Ok(transactions) => transactions,
        Err(failure) => {
            let _ = fs::remove_file(&partial);
            return Err(at(failure));
        }
    };
    fs::rename(&partial, out).map_err(|error| at(error.into()))?;
    let bytes = fs::metadata(out).map_err(|error| at(error.into()))?.len();
    let blocks = last - from + 1;
    let exported = Exported { file: out.clone(), first: *from, last, blocks, transactions, bytes };
    output.show(&exported, || {
        let (blocks, transactions, bytes) = (thousands(blocks), thousands(transactions), thousands(bytes));
        format!(
            "{}: blocks {from} to {last}: {blocks} blocks, {transactions} transactions, {bytes} bytes",
            out.display()
        )
    })
}

fn partial_name(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Writes the blocks; gives the number of their transactions.
fn write(opened: &Opened, file: &Path, first: BlockNumber, last: BlockNumber) -> Result<u64, Failure> {
    let progress = Progress::new();
    let target: File = OpenOptions::new().write(true).create(true).truncate(true).open(file)?;
    let head = ExportHead { version: Version, genesis: opened.genesis.clone(), first, last };
    let mut writer = ExportWriter::new(target, &head)?;
    let mut transactions = 0;
    let oldest = opened.ledger.oldest_block();
    if first.max(1) < oldest {
        return Err(Failure::new(format!(
            "this node began from a snapshot: of blocks below {oldest} it has the headers alone; export from there on, or at \
             a node that has them"
        )));
    }
    for number in first..=last {
        let block = opened.ledger.block(number)?;
        let block = block.ok_or_else(|| Failure::new(format!("block {number} is missing")))?;
        transactions += block.transactions.len() as u64;
        writer.write(&block)?;
        progress.set("writing blocks", number - first + 1, Some(last - first + 1));
    }
    writer.finish()?.sync_all()?;
    progress.end();
    Ok(transactions)
}
