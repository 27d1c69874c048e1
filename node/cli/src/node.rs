//! `entente node run`: one node in the foreground.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use entente_driver::{
    LogConfig, LogFormat, Node, NodeConfig, SetAside, StorageEngine, read_genesis, read_secret_key, set_data_aside,
};
use entente_rpc::{Server, serve};
use entente_types::ConsensusKind;
use serde::Serialize;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::{
    output::{Failure, Output},
    running::RunningMark,
    runtime::{Interruption, hear_hangups, runtime},
};

/// How long the threads of connections may take to end, once the server has stopped.
const RUNTIME_WAIT: Duration = Duration::from_millis(500);
/// How long the last users of the store may take.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What can be done with one node.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Run one node in the foreground, until SIGTERM or an interrupt ends it.
    #[command(
        after_help = "Example:\n  entente node run --dir chain/node0\n  entente node run --dir chain/node0 --dev"
    )]
    Run(RunArguments),
    /// Set a node's data aside, so that it fetches the chain from its peers when it is started.
    #[command(
        after_help = "Example:\n  entente node fetch --dir chain/node0\n  entente node fetch --dir chain/node0 --remove"
    )]
    Fetch(FetchArguments),
}

/// Which node, and what becomes of what it has.
#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    /// The node's folder. The node must not run.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Remove the data, where there is no room for it beside what will be fetched.
    #[arg(long)]
    remove: bool,
}

/// Which node.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The node's folder, with config.toml, genesis.toml and keys.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// For tests of contracts: the chain is kept in memory, begins at its genesis, and offers what Hardhat's and Foundry's
    /// nodes do. Only for a chain that one node orders alone.
    #[arg(long)]
    pub(crate) dev: bool,
    /// Stop, too, when standard input ends: whoever holds its other end has ended.
    #[arg(long, hide = true)]
    pub(crate) while_stdin_open: bool,
}

impl NodeCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Run(arguments) => run(&arguments, output),
            Self::Fetch(arguments) => fetch(&arguments, output),
        }
    }
}

pub(crate) fn run(arguments: &RunArguments, output: Output) -> Result<(), Failure> {
    let folder = arguments.dir.as_path();
    let config = NodeConfig::read(folder)?;
    start_log(folder, &config.log)?;
    let mark = RunningMark::take(folder)?;
    let node = if arguments.dev { Node::start_for_tests(folder, &config)? } else { Node::start(folder, &config)? };
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        // Before anyone is told of the node: a signal that comes at once must end it cleanly, too.
        let mut interruption = Interruption::new()?;
        hear_hangups(node.handle().clone())?;
        let server = serve(node.handle().clone(), &config.rpc).await?;
        mark.listens(server.local_addr())?;
        greet(&node, &server, output)?;
        wait(&mut interruption, arguments.while_stdin_open).await;
        tracing::info!("node_stopping");
        server.stop();
        server.stopped().await;
        Ok(())
    });
    // Even where it could not listen: what was begun is ended in order. Whatever is left of connections lets the node go.
    runtime.shutdown_timeout(RUNTIME_WAIT);
    if !node.stop_and_close(CLOSE_WAIT) {
        tracing::warn!("store_left_open");
    }
    tracing::info!("node_stopped");
    served
}

/// What `node fetch` did.
#[derive(Serialize)]
struct FetchLine {
    group: String,
    /// Where the data lies now; nothing where there is none any more.
    aside: Option<PathBuf>,
    node_id: String,
    /// Whether the group began with this node as a sealer: it may be one still.
    sealer: bool,
}

fn fetch(arguments: &FetchArguments, output: Output) -> Result<(), Failure> {
    let folder = arguments.dir.as_path();
    let config = NodeConfig::read(folder)?;
    let genesis = read_genesis(folder)?;
    let group = genesis.group_id.clone();
    let refuse = |why: &str| Err(Failure::new(format!("{}: {why}", folder.display())));
    if genesis.consensus == ConsensusKind::Solo {
        return refuse(
            "one node orders a solo chain alone: there is no other to fetch it from; restore a copy of `data`",
        );
    }
    if config.storage.engine == StorageEngine::Memory {
        return refuse("a node that keeps its data in memory fetches the chain at every start");
    }
    let key = read_secret_key(&folder.join("keys").join("consensus.key"), genesis.suite)?.public_key();
    let _mark = RunningMark::take(folder)?;
    let aside = match set_data_aside(folder, &group, arguments.remove) {
        Ok(SetAside::At(path)) => Some(path),
        Ok(SetAside::Removed | SetAside::None) => None,
        Err(error) => return Err(Failure::new(format!("{error}; check the folder's owner and free space"))),
    };
    let line = FetchLine {
        group: group.to_string(),
        aside,
        node_id: hex::encode(key.as_bytes()),
        sealer: genesis.sealers.iter().any(|sealer| sealer.key == key),
    };
    output.show(&line, || {
        let FetchLine { group, aside, node_id, .. } = &line;
        let what = match aside {
            Some(path) => format!("the data of {group} lies in {} now", path.display()),
            None => format!("there is no data of {group} any more"),
        };
        format!(
            "{what}\nstart the node, and it fetches the chain: entente node run --dir {}\n\
             a sealer votes again once it was made an observer, and then, above the block that entente_status gives as \
             silent_through, a sealer again:\n\
             entente member add {node_id} --observer --account SEALER\nentente member add {node_id} --sealer --account SEALER",
            folder.display()
        )
    })
}

/// One line that says where the node listens.
fn greet(node: &Node, server: &Server, output: Output) -> Result<(), Failure> {
    let (handle, address) = (node.handle(), server.local_addr());
    let groups: Vec<(String, u64)> =
        handle.groups().iter().map(|group| (group.id().to_string(), group.status().height)).collect();
    let value = serde_json::json!({
        "name": handle.name(),
        "rpc": format!("http://{address}"),
        "pid": std::process::id(),
        "groups": groups.iter().map(|(group, height)| serde_json::json!({ "group": group, "height": height })).collect::<Vec<_>>(),
    });
    output.show(&value, || {
        let groups: Vec<String> = groups.iter().map(|(group, height)| format!("{group} at height {height}")).collect();
        format!("{} listens on http://{address}; {}", handle.name(), groups.join(", "))
    })
}

async fn wait(interruption: &mut Interruption, while_stdin_open: bool) {
    if !while_stdin_open {
        return interruption.wait().await;
    }
    let (ended, stdin_ended) = oneshot::channel::<()>();
    // Reading blocks, and cannot be given up: a thread of its own, which ends with the process.
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    tokio::select! {
        () = interruption.wait() => {}
        _ = stdin_ended => {}
    }
}

fn start_log(folder: &Path, config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.level).map_err(|_| NodeConfig::refuse(folder, "log.level"))?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    let started = match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(format!("the log: {error}")))
}
