//! `entente demo`: the whole path, from Rust source to a ledger that was checked.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use entente_client::{
    client::{Client, NodeStatus},
    load::{Latency, LoadEnd, LoadPlan},
};
use entente_crypto::Suite;
use entente_types::{Address, BlockNumber, Hash};
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    chain::{
        new::{self, NewArguments, SuiteName},
        processes::{Launched, launch},
    },
    contract::build::{BuildOptions, build},
    load::{self, Loaded, TOKEN_MODULE},
    output::{Failure, Output},
    progress::Progress,
    runtime::{Interruption, block_on, runtime},
    table::{Table, thousands},
    verify::{self, Verified, replay},
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
    after_help = "Example:\n  entente demo\n  entente demo --suite guomi\n  entente demo --count 200000 --accounts 5000"
)]
pub(crate) struct DemoArguments {
    /// The folder of the chain, which is kept; else a temporary one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The algorithms of the group.
    #[arg(long, value_enum, default_value_t = SuiteName::Standard)]
    suite: SuiteName,
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

/// What was started and must be stopped, whatever happens.
#[derive(Debug, Default)]
struct Stage {
    node: Mutex<Option<Launched>>,
}

impl Stage {
    /// Stops the node, if it runs; whether it ended as it should.
    fn stop(&self) -> bool {
        let node = self.node.lock().unwrap_or_else(PoisonError::into_inner).take();
        node.is_none_or(|mut node| node.stop())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
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
    let (suite, count, accounts) = (arguments.suite, arguments.count, arguments.accounts);
    let acting = {
        let (root, stage, progress) = (root.clone(), Arc::clone(&stage), Arc::clone(&progress));
        move || act(&root, suite, count, accounts, &stage, &progress)
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
            let log = keep(temporary, &root).join("node0").join("node.log");
            Err(Failure::new(format!("{}; the node's log is {}", failure.line(), log.display())))
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
fn act(
    root: &Path,
    suite: SuiteName,
    count: u64,
    accounts: u32,
    stage: &Stage,
    progress: &Arc<Progress>,
) -> Result<Shown, Failure> {
    let module = build_token(progress)?;
    progress.set("starting the node", 0, None);
    // Port 0: the system gives a free one.
    new::write(&NewArguments::usual(root.to_owned(), suite, 0))?;
    let folder = root.join("node0");
    // The node holds the other end of a pipe: it stops even if this process is killed.
    let mut launched = launch(&folder, Stdio::piped(), true)?;
    let started = launched.wait_until_it_answers();
    *stage.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(launched);
    let url = format!("ws://{}", started?);

    let plan = LoadPlan {
        urls: vec![url.clone()],
        group: GROUP.to_owned(),
        end: LoadEnd::Transactions(count),
        accounts,
        batch: BATCH,
        window: WINDOW,
        ..LoadPlan::default()
    };
    let loaded = block_on(load::drive(plan, &module, progress))?;
    loaded.check()?;
    if loaded.result.committed != count {
        return Err(Failure::new(format!("{} of {count} transfers were committed", loaded.result.committed)));
    }
    let status = block_on(async { Ok(Client::connect(&url).await?.group(GROUP).await?.status().await?) })?;
    progress.set("stopping the node", 0, None);
    if !stage.stop() {
        return Err(Failure::new("the node did not end cleanly"));
    }
    check(&folder, &loaded, &status, progress)
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

/// Checks what the stopped node left on disk.
fn check(folder: &Path, loaded: &Loaded, status: &NodeStatus, progress: &Progress) -> Result<Shown, Failure> {
    let opened = verify::open(folder)?;
    let verified = verify::verify(&opened, progress)?;
    if let Some(fault) = &verified.fault {
        return Err(Failure::new(format!("the store is not as it must be: {fault}")));
    }
    let Verified { height, state_root, recomputed_root, .. } = verified;
    if (height, state_root) != (status.height, status.state_root) {
        return Err(Failure::new(format!(
            "the node said height {} and state root {}, its store has {height} and {state_root}",
            status.height, status.state_root
        )));
    }
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
    if let Some(dir) = &shown.dir {
        row("kept in", dir.display().to_string());
    }
    table.text()
}

/// An amount of a token of 18 decimals, as a person reads it.
fn tokens(amount: &str) -> String {
    match amount.strip_suffix("000000000000000000").and_then(|whole| whole.parse().ok()) {
        Some(whole) => thousands(whole),
        None => amount.to_owned(),
    }
}
