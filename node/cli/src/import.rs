//! `entente import`: blocks that others made, into a stopped node.

use std::{
    fs::File,
    path::{Path, PathBuf},
    thread,
};

use clap::Args;
use entente_driver::{NodeConfig, StorageEngine, open_engine, read_genesis};
use entente_executor::EXECUTION_STACK_BYTES;
use entente_group::{Replay, open};
use entente_ledger::{ExportReader, Ledger};
use entente_storage::SharedResources;
use entente_types::{Block, BlockNumber, Genesis, Hash};
use serde::Serialize;

use crate::{
    output::{Failure, Output},
    progress::Progress,
    running::RunningMark,
    table::thousands,
    verify::{self, Opened},
};

/// What is taken in.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente import --dir fresh/node0 chain.blocks\n  entente import --dir fresh/node0 chain/node0"
)]
pub(crate) struct ImportArguments {
    /// The folder of the node that takes the blocks in; it must not run. It may be new, or have a part of the chain.
    #[arg(long, value_name = "NODE")]
    dir: PathBuf,
    /// A file that `entente export` wrote, or the folder of a node of the same group that does not run.
    source: PathBuf,
}

#[derive(Serialize)]
struct Imported {
    /// The blocks that were taken in.
    blocks: u64,
    transactions: u64,
    /// Those that were there already, and are the same.
    known: u64,
    height: BlockNumber,
    hash: Hash,
    state_root: Hash,
}

/// Where blocks come from.
enum Source {
    File(Box<ExportReader<File>>),
    Folder(Box<Opened>),
}

impl Source {
    fn open(path: &Path, into: &Path) -> Result<Self, Failure> {
        let at = |failure: Failure| failure.at(path.display());
        if path.is_dir() {
            let same = path.canonicalize()? == into.canonicalize()?;
            if same {
                return Err(at(Failure::new("this is the folder that takes the blocks in; give another one")));
            }
            return Ok(Self::Folder(Box::new(verify::open(path)?)));
        }
        let file = File::open(path).map_err(|error| at(error.into()))?;
        Ok(Self::File(Box::new(ExportReader::new(file).map_err(|error| at(error.into()))?)))
    }

    fn genesis(&self) -> &Genesis {
        match self {
            Self::File(reader) => &reader.head().genesis,
            Self::Folder(opened) => &opened.genesis,
        }
    }

    /// The first block and the last.
    fn ends(&self) -> (BlockNumber, BlockNumber) {
        match self {
            Self::File(reader) => (reader.head().first, reader.head().last),
            Self::Folder(opened) => (0, opened.ledger.tip().number),
        }
    }

    /// The blocks, those below the height left out where that is cheap.
    fn blocks(self, from: BlockNumber) -> Box<dyn Iterator<Item = Result<Block, Failure>> + Send> {
        match self {
            Self::File(reader) => Box::new(reader.map(|block| block.map_err(Failure::from))),
            Self::Folder(opened) => {
                let last = opened.ledger.tip().number;
                Box::new((from..=last).map(move |number| {
                    let block = opened.ledger.block(number)?;
                    block.ok_or_else(|| Failure::new(format!("block {number} is missing")))
                }))
            }
        }
    }
}

/// Does it.
pub(crate) fn run(arguments: &ImportArguments, output: Output) -> Result<(), Failure> {
    let ImportArguments { dir, source } = arguments;
    let config = NodeConfig::read(dir)?;
    let genesis = read_genesis(dir)?;
    if config.storage.engine == StorageEngine::Memory {
        let place = dir.display();
        return Err(Failure::new(format!(
            "{place}: the node keeps its ledger in memory; there is nothing to import into"
        )));
    }
    let _mark = RunningMark::take(dir)?;
    let from = Source::open(source, dir)?;
    let (found, expected) = (from.genesis().hash(), genesis.hash());
    if found != expected {
        return Err(Failure::new(format!(
            "the blocks are of the genesis {found}, the node's is {expected}; give the node the same genesis.toml"
        ))
        .at(source.display()));
    }
    let imported = thread::scope(|scope| {
        // Contracts call one another deeply: the thread must have room for that.
        let builder = thread::Builder::new().name("import".into()).stack_size(EXECUTION_STACK_BYTES);
        let running = builder.spawn_scoped(scope, || take_all(dir, &config, &genesis, from))?;
        running.join().unwrap_or_else(|_| Err(Failure::new("the thread that executes ended unexpectedly")))
    });
    let imported = imported.map_err(|failure| failure.at(source.display()))?;
    output.show(&imported, || {
        let Imported { blocks, transactions, known, height, hash, state_root } = &imported;
        let (blocks, transactions) = (thousands(*blocks), thousands(*transactions));
        let known = if *known > 0 { format!(", {} were there already", thousands(*known)) } else { String::new() };
        format!(
            "{blocks} blocks with {transactions} transactions taken in{known}\nheight {height}, hash {hash}\nstate root {state_root}"
        )
    })
}

fn take_all(folder: &Path, config: &NodeConfig, genesis: &Genesis, source: Source) -> Result<Imported, Failure> {
    let narrow = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let storage = &config.storage;
    let resources = SharedResources::new(narrow(storage.block_cache_bytes), narrow(storage.write_buffer_bytes));
    let engine = open_engine(folder, &genesis.group_id, storage, &resources)?;
    let (ledger, executor) = open(engine, genesis, storage.ledger())?;
    let mut replay = Replay::new(&ledger, &executor)?;
    let (first, last) = source.ends();
    let tip = replay.tip();
    if first > tip + 1 {
        return Err(Failure::new(format!(
            "it begins with block {first}, but the node has blocks up to {tip}: import blocks {} to {} first",
            tip + 1,
            first - 1
        )));
    }
    let progress = Progress::new();
    let mut imported =
        Imported { blocks: 0, transactions: 0, known: 0, height: 0, hash: Hash::ZERO, state_root: Hash::ZERO };
    for block in source.blocks(tip.min(last)) {
        let block = block?;
        let number = block.header.number;
        if number <= tip {
            same(&ledger, &block)?;
            imported.known += 1;
            continue;
        }
        let record = replay.take(block)?;
        imported.blocks += 1;
        imported.transactions += record.receipts.len() as u64;
        progress.set("executing blocks", number - tip, Some(last - tip));
    }
    ledger.engine().flush()?;
    progress.end();
    let tip = ledger.tip();
    imported.height = tip.number;
    imported.hash = tip.header_hash;
    imported.state_root = ledger.header(tip.number)?.map(|header| header.state_root).unwrap_or_default();
    Ok(imported)
}

/// A block that the node has already is the one that it has.
fn same(ledger: &Ledger, block: &Block) -> Result<(), Failure> {
    let number = block.header.number;
    let suite = ledger.genesis().suite;
    let own = ledger.header(number)?.map(|header| header.hash(suite));
    let found = block.header.hash(suite);
    if own == Some(found) {
        return Ok(());
    }
    let own = own.map_or_else(|| "missing".to_owned(), |hash| hash.to_string());
    Err(Failure::new(format!(
        "its block {number} is {found}, but the node's is {own}: these are two chains, of which at most one is that of the \
         members; nothing was taken in"
    )))
}
