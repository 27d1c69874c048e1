//! `entente demo`: the whole path, from Rust source to a ledger that was checked.

mod nodes;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use entente_client::load::{Latency, LoadEnd, LoadPlan};
use entente_crypto::Suite;
use entente_types::{Address, BlockNumber, Hash};
use serde::Serialize;
use tempfile::TempDir;

use self::nodes::{NodeShown, Stage};
use crate::{
    chain::new::{self, NewArguments, NewChain, SuiteName},
    contract::build::{BuildOptions, build},
    load::{self, Loaded, TOKEN_MODULE},
    output::{Failure, Output},
    progress::Progress,
    runtime::{Interruption, block_on, runtime},
    table::{Table, thousands},
    verify::{self, Opened, Verified, replay},
};

/// The contract that is shown, under the root of the checkout.
const CONTRACT: &str = "contracts/token";
const GROUP: &str = "group1";
/// Enough on the way to keep the node busy, few enough that nothing waits long.
const BATCH: usize = 250;
const WINDOW: usize = 3_000;

/// How much is shown.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente demo\n  entente demo --suite guomi\n  entente demo --nodes 1 --count 200000 --accounts 5000"
)]
pub(crate) struct DemoArguments {
    /// The folder of the chain, which is kept; else a temporary one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The algorithms of the group.
    #[arg(long, value_enum, default_value_t = SuiteName::Standard)]
    suite: SuiteName,
    /// How many nodes.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    nodes: u32,
    /// How many transfers.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    count: u64,
    /// Between how many accounts.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    accounts: u32,
    /// Keep the temporary folder, to look at it.
    #[arg(long)]
    keep: bool,
}

/// The same without where.
#[derive(Debug, Clone, Copy)]
struct DemoPlan {
    nodes: u32,
    suite: SuiteName,
    count: u64,
    accounts: u32,
}

/// What was shown.
#[derive(Debug, Serialize)]
struct Shown {
    suite: Suite,
    contract: Address,
    transactions: u64,
    accounts: u32,
    seconds: f64,
    tps: f64,
    latency_ms: Latency,
    blocks: u64,
    height: BlockNumber,
    total_supply: String,
    balances: String,
    state_root: Hash,
    recomputed_root: Hash,
    replayed_root: Hash,
    nodes: Vec<NodeShown>,
    ok: bool,
    dir: Option<PathBuf>,
}

/// Does it.
pub(crate) fn run(arguments: &DemoArguments, output: Output) -> Result<(), Failure> {
    let temporary = match arguments.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("entente-demo-").tempdir()?),
    };
    let root = arguments.dir.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().join("chain")));
    let Some(root) = root else { return Err(Failure::new("there is no folder for the chain")) };
    let stage = Arc::new(Stage::default());
    let progress = Arc::new(Progress::new());
    let runtime = runtime()?;
    let plan = DemoPlan {
        nodes: arguments.nodes,
        suite: arguments.suite,
        count: arguments.count,
        accounts: arguments.accounts,
    };
    let acting = {
        let (root, stage, progress) = (root.clone(), Arc::clone(&stage), Arc::clone(&progress));
        move || act(&root, &plan, &stage, &progress)
    };
    let result = runtime.block_on(async {
        let mut interruption = Interruption::new()?;
        tokio::select! {
            acted = tokio::task::spawn_blocking(acting) => acted?.map(Some),
            () = interruption.wait() => Ok(None),
        }
    });
    progress.end();
    stage.stop();
    runtime.shutdown_background();
    match result {
        Ok(Some(mut shown)) => {
            let kept = arguments.keep || arguments.dir.is_some();
            shown.dir = kept.then(|| keep(temporary, &root));
            output.show(&shown, || text(&shown))
        }
        Ok(None) => Err(Failure::new("interrupted; what was started is stopped")),
        Err(failure) if root.join("node0").join("node.log").is_file() => {
            let kept = keep(temporary, &root);
            Err(Failure::new(format!("{}; the nodes' logs are {}/node*/node.log", failure.line(), kept.display())))
        }
        Err(failure) => Err(failure),
    }
}

/// Keeps a temporary folder.
fn keep(temporary: Option<TempDir>, root: &Path) -> PathBuf {
    if let Some(temporary) = temporary {
        let _ = temporary.keep();
    }
    root.to_owned()
}

/// The acts, one after the other.
fn act(root: &Path, plan: &DemoPlan, stage: &Stage, progress: &Arc<Progress>) -> Result<Shown, Failure> {
    let module = build_token(progress)?;
    let NewChain { nodes, .. } = new::write(&NewArguments::usual(root.to_owned(), plan.suite, plan.nodes))?;
    let folders: Vec<PathBuf> = nodes.iter().map(|name| root.join(name)).collect();
    let urls = stage.start(&folders, progress)?;
    let load = LoadPlan {
        urls: urls.clone(),
        group: GROUP.to_owned(),
        end: LoadEnd::Transactions(plan.count),
        accounts: plan.accounts,
        batch: BATCH,
        window: WINDOW,
        ..LoadPlan::default()
    };
    let loaded = block_on(load::drive(load, &module, progress))?;
    loaded.check()?;
    let (count, committed) = (plan.count, loaded.result.committed);
    if committed != count {
        return Err(Failure::new(format!("{committed} of {count} transfers were committed")));
    }
    let nodes = nodes::together(&folders, &urls, progress)?;
    progress.set("stopping the nodes", 0, None);
    if !stage.stop() {
        return Err(Failure::new("a node did not end cleanly"));
    }
    check(&folders, &loaded, nodes, progress)
}

fn build_token(progress: &Progress) -> Result<Vec<u8>, Failure> {
    let project = Path::new(CONTRACT);
    if !project.join("Cargo.toml").is_file() {
        let line = format!("{CONTRACT} is not in this folder; run the demo from the root of the checkout");
        return Err(Failure::new(line));
    }
    progress.set("building the contract", 0, None);
    let options = BuildOptions { output: Some(TOKEN_MODULE.into()), quiet: true, ..BuildOptions::default() };
    Ok(build(project, &options)?.bytes)
}

/// Checks what a stopped node left on disk against what it said.
fn check_store(folder: &Path, said: &NodeShown, progress: &Progress) -> Result<(Opened, Verified), Failure> {
    let opened = verify::open(folder)?;
    let verified = verify::verify(&opened, progress)?;
    let name = &said.name;
    if let Some(fault) = &verified.fault {
        return Err(Failure::new(format!("the store of {name} is not as it must be: {fault}")));
    }
    if (verified.height, verified.state_root) != (said.height, said.state_root) {
        return Err(Failure::new(format!(
            "{name} said height {} and state root {}, its store has {} and {}",
            said.height, said.state_root, verified.height, verified.state_root
        )));
    }
    Ok((opened, verified))
}

/// Checks what the stopped nodes left on disk: each whole store, and the blocks of the first by executing them again.
fn check(folders: &[PathBuf], loaded: &Loaded, nodes: Vec<NodeShown>, progress: &Progress) -> Result<Shown, Failure> {
    let mut first = None;
    for (folder, said) in folders.iter().zip(&nodes) {
        let checked = check_store(folder, said, progress)?;
        first.get_or_insert(checked);
    }
    let (opened, verified) = first.ok_or_else(|| Failure::new("there was no node"))?;
    let Verified { height, state_root, recomputed_root, .. } = verified;
    let replay = replay::replay(&opened, progress)?;
    if let Some(fault) = replay.fault {
        return Err(Failure::new(fault));
    }
    if replay.failed > 0 {
        return Err(Failure::new(format!("{} receipts say that their transactions failed", replay.failed)));
    }
    let Loaded { result, supply, .. } = loaded;
    Ok(Shown {
        suite: opened.genesis.suite,
        contract: result.token,
        transactions: result.committed,
        // The deployer holds tokens, too, but is none of those that transfer.
        accounts: u32::try_from(supply.holders.saturating_sub(1)).unwrap_or(u32::MAX),
        seconds: result.seconds,
        tps: result.tps,
        latency_ms: result.latency_ms,
        blocks: result.blocks,
        height,
        total_supply: supply.total_supply.clone(),
        balances: supply.balances.clone(),
        state_root,
        recomputed_root,
        replayed_root: replay.state_root,
        nodes,
        ok: true,
        dir: None,
    })
}

#[expect(clippy::cast_sign_loss, reason = "a rate for people: never below zero")]
fn text(shown: &Shown) -> String {
    let mut table = Table::default();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    let suite = match shown.suite {
        Suite::Standard => "standard: BLAKE3, and ECDSA over secp256k1",
        Suite::Guomi => "guomi: SM3, and SM2",
    };
    row("suite", suite.to_owned());
    row("contract", format!("{} ({CONTRACT}, Rust to Wasm)", shown.contract));
    let (transactions, accounts) = (thousands(shown.transactions), thousands(u64::from(shown.accounts)));
    row("transfers", format!("{transactions} signed, between {accounts} accounts; every receipt a success"));
    row("transfers/s", thousands(shown.tps.round() as u64));
    row("latency", format!("p50 {:.0} ms, p99 {:.0} ms", shown.latency_ms.p50, shown.latency_ms.p99));
    row("blocks", format!("{} with transfers; height {}", thousands(shown.blocks), thousands(shown.height)));
    row("tokens", format!("{}, all there: the balances' sum is the total supply", tokens(&shown.balances)));
    row("state root", shown.state_root.to_string());
    row("from all rows", format!("{} the same", shown.recomputed_root));
    row("executed again", format!("{} the same", shown.replayed_root));
    for node in &shown.nodes {
        row(&node.name, format!("height {}, state root {}", thousands(node.height), node.state_root));
    }
    if shown.nodes.len() > 1 {
        shown.nodes.iter().for_each(|node| row(&format!("{} on the wire", node.name), wire(node)));
    }
    if let Some(dir) = &shown.dir {
        row("kept in", dir.display().to_string());
    }
    table.text()
}

/// What a node sent and received.
#[expect(clippy::cast_precision_loss, reason = "for people: two digits")]
fn wire(node: &NodeShown) -> String {
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let classes: Vec<String> =
        node.by_class.iter().map(|(class, bytes)| format!("{class} {}", megabytes(*bytes))).collect();
    format!(
        "{} peers; sent {} in {} messages ({}); received {}, unpacked {}",
        node.peers,
        megabytes(node.bytes_sent),
        thousands(node.messages_sent),
        classes.join(", "),
        megabytes(node.bytes_received),
        megabytes(node.unpacked_bytes),
    )
}

/// An amount of a token of 18 decimals, as a person reads it.
fn tokens(amount: &str) -> String {
    match amount.strip_suffix("000000000000000000").and_then(|whole| whole.parse().ok()) {
        Some(whole) => thousands(whole),
        None => amount.to_owned(),
    }
}
