//! `entente load`: the load generator from the command line.

mod plot;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum};
use entente_client::load::{
    Load, LoadEnd, LoadPlan, LoadResult, Phase, Progress as LoadProgress, ProgressCallback, SupplyCheck, Timeline,
    Workload,
};
use entente_types::limits::INPUT_BYTES_MAX;
use serde::Serialize;

use crate::{
    contract::artefact,
    output::{Failure, Output, read_bounded},
    progress::Progress,
    runtime::block_on,
    table::{Table, thousands},
};
use plot::Story;

/// Where `contract build` and `make` leave the token.
pub(crate) const TOKEN_MODULE: &str = "target/contracts/token.wasm";

/// What creates the token of `Erc20.sol`, as `entente contract build` makes it.
const ERC20_CODE: &str = include_str!("Erc20.bin");
/// The gas that one of its transfers may use.
const ERC20_GAS: u64 = 100_000;

/// What the transactions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WorkloadName {
    /// Transfers of a token between accounts.
    Transfer,
    /// Setting rows of a key-value table. Not there yet.
    Kv,
    /// Transfers of an ERC-20 of EVM code in Ethereum's transactions, by eth_sendRawTransaction.
    Erc20,
    /// All of them. Not there yet.
    Mixed,
}

/// What is sent, where, and how fast.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente load --rpc ws://127.0.0.1:8545 --workload transfer --rate 2000 --seconds 30\n  entente load --count 50000 --json\n  entente load --seconds 60 --conflict 20 --plot load.png\n  entente load --workload erc20"
)]
pub(crate) struct LoadArguments {
    /// The nodes' addresses; batches go to them in turn.
    #[arg(long, value_name = "URL", num_args = 1.., env = "ENTENTE_RPC", default_value = "ws://127.0.0.1:8545")]
    rpc: Vec<String>,
    /// The group.
    #[arg(long, default_value = "group1")]
    group: String,
    /// What the transactions do. Of these, transfer and erc20 work in this version.
    #[arg(long, value_enum, default_value_t = WorkloadName::Transfer)]
    workload: WorkloadName,
    /// Transactions a second, whatever becomes of them; else as fast as the window lets.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// For how long transactions are sent.
    #[arg(long, value_name = "S", default_value_t = 10, conflicts_with = "count")]
    seconds: u64,
    /// Send so many transactions instead.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// The accounts that they go between.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    accounts: u32,
    /// The share of transfers that go to one hot account, in percent.
    #[arg(long, value_name = "P", default_value_t = 0)]
    conflict: u8,
    /// The transactions in one request at most.
    #[arg(long, value_name = "N", default_value_t = 500)]
    batch: usize,
    /// The transactions that may be sent and not yet committed.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    window: usize,
    /// From what accounts and transfers are drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The token, as it would be deployed; its constructor takes nothing and mints to the deployer. Without it, transfer
    /// uses target/contracts/token.wasm, and erc20 one that this program brings along.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// A picture of throughput, latency and block fill over time, as PNG. One that is there is replaced.
    #[arg(long, value_name = "FILE.png")]
    plot: Option<PathBuf>,
}

/// What came of a load, and whether the token is all there afterwards.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Loaded {
    #[serde(flatten)]
    pub(crate) result: LoadResult,
    pub(crate) supply: SupplyCheck,
    /// The picture that was drawn.
    plot: Option<PathBuf>,
    #[serde(skip)]
    timeline: Timeline,
    /// How many transactions, and how much gas, a block may have, where the node tells.
    #[serde(skip)]
    block_max: [Option<u64>; 2],
}

impl Loaded {
    /// Nothing where all went well, else what fell short.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let LoadResult { sent, committed, failed, first_failure, .. } = &self.result;
        if *failed > 0 || committed != sent {
            let why = first_failure.clone().unwrap_or_else(|| "no reason was given".to_owned());
            return Err(Failure::new(format!("{failed} of {sent} transactions failed; the first: {why}")));
        }
        let SupplyCheck { total_supply, balances, holders, ok } = &self.supply;
        if !ok {
            let line = format!("{holders} holders have {balances} of the token together, but there are {total_supply}");
            return Err(Failure::new(line));
        }
        Ok(())
    }
}

/// Does it.
pub(crate) fn run(arguments: LoadArguments, output: Output) -> Result<(), Failure> {
    let missing = |what: &str| Err(Failure::new(format!("{what} is not there yet; use --workload transfer or erc20")));
    let workload = match arguments.workload {
        WorkloadName::Transfer => Workload::Transfer,
        WorkloadName::Erc20 => Workload::Erc20,
        WorkloadName::Kv => return missing("--workload kv"),
        WorkloadName::Mixed => return missing("--workload mixed"),
    };
    if let Some(file) = &arguments.plot {
        refuse_no_png(file)?;
    }
    let code = code(workload, arguments.contract.as_deref())?;
    let end = match arguments.count {
        Some(count) => LoadEnd::Transactions(count),
        None => LoadEnd::After(Duration::from_secs(arguments.seconds)),
    };
    let plan = LoadPlan {
        urls: arguments.rpc,
        group: arguments.group,
        workload,
        rate: arguments.rate,
        end,
        accounts: arguments.accounts,
        conflict_percent: arguments.conflict,
        batch: arguments.batch,
        window: arguments.window,
        seed: arguments.seed,
        transfer_gas: if workload == Workload::Erc20 { ERC20_GAS } else { LoadPlan::default().transfer_gas },
        ..LoadPlan::default()
    };
    let words = words(&plan);
    let progress = Arc::new(Progress::new());
    let loaded = block_on(drive(plan, &code, &progress));
    progress.end();
    let mut loaded = loaded?;
    if let Some(file) = arguments.plot {
        let [block_transactions_max, block_gas_max] = loaded.block_max;
        let timeline = &loaded.timeline;
        let story = Story { loaded: &loaded, timeline, plan: words, block_transactions_max, block_gas_max };
        plot::draw(&story, &file)?;
        loaded.plot = Some(file);
    }
    output.show(&loaded, || text(&loaded))?;
    loaded.check()
}

/// The token's code: the file's, or the workload's own.
fn code(workload: Workload, file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match (workload, file) {
        (_, Some(file)) => Ok(artefact::read(file)?.deployment(&[])?),
        (Workload::Erc20, None) => {
            let broken = |error: hex::FromHexError| Failure::new(format!("this program's own token: {error}"));
            hex::decode(ERC20_CODE.trim_end()).map_err(broken)
        }
        (_, None) => read_bounded(Path::new(TOKEN_MODULE), INPUT_BYTES_MAX as u64).map_err(|failure| {
            let line = failure.line();
            Failure::new(format!(
                "{line}; build it with: entente contract build contracts/token, or name one with --contract"
            ))
        }),
    }
}

/// Runs a load from its preparation to the check of the token.
pub(crate) async fn drive(plan: LoadPlan, code: &[u8], progress: &Arc<Progress>) -> Result<Loaded, Failure> {
    let mut load = Load::prepare(plan, None, code, callback(progress)).await?;
    let result = load.run().await?;
    let timeline = load.timeline();
    let supply = load.check_supply().await?;
    let group = load.group();
    let block_max =
        [group.configuration("tx_count_limit").await.ok(), group.configuration("block_gas_limit").await.ok()];
    Ok(Loaded { result, supply, plot: None, timeline, block_max })
}

/// Before a load that may take an hour.
fn refuse_no_png(file: &Path) -> Result<(), Failure> {
    let place = file.display();
    if !file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Err(Failure::new(format!("--plot {place}: pictures are PNG files; give a name that ends with .png")));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::new(format!("--plot {place}: there is no folder {}; make it", folder.display())));
    }
    Ok(())
}

/// What a plan asks for, in words.
fn words(plan: &LoadPlan) -> String {
    let pace = match plan.rate {
        Some(rate) => format!("{} per second wanted", thousands(u64::from(rate))),
        None => format!("as fast as {} under way let", thousands(plan.window as u64)),
    };
    let mut words = vec![format!("{} at {}", plan.group, plan.urls.first().map_or("", String::as_str))];
    if plan.urls.len() > 1 {
        words.push(format!("{} nodes", plan.urls.len()));
    }
    words.extend([pace, format!("{} accounts", thousands(u64::from(plan.accounts)))]);
    if plan.conflict_percent > 0 {
        words.push(format!("{} % to one hot account", plan.conflict_percent));
    }
    words.join("  \u{b7}  ")
}

fn callback(progress: &Arc<Progress>) -> ProgressCallback {
    let progress = Arc::clone(progress);
    Arc::new(move |LoadProgress { phase, done, total, .. }: &LoadProgress| {
        let label = match phase {
            Phase::Accounts => "making accounts",
            Phase::Deploying => "deploying the token",
            Phase::Funding => "funding the accounts",
            Phase::Signing => "signing transfers",
            Phase::Sending => "committing transfers",
            Phase::Checking => "adding up the balances",
        };
        progress.set(label, *done, *total);
    })
}

#[expect(clippy::cast_sign_loss, reason = "a rate for people: never below zero")]
fn text(loaded: &Loaded) -> String {
    let Loaded { result, supply, .. } = loaded;
    let mut table = Table::default();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("sent", thousands(result.sent));
    row("committed", thousands(result.committed));
    row("failed", thousands(result.failed));
    row("seconds", format!("{:.2}", result.seconds));
    row("transactions/s", thousands(result.tps.round() as u64));
    let latency = &result.latency_ms;
    row("latency p50", format!("{:.1} ms", latency.p50));
    row("latency p90", format!("{:.1} ms", latency.p90));
    row("latency p99", format!("{:.1} ms", latency.p99));
    row("latency max", format!("{:.1} ms", latency.max));
    row("blocks", thousands(result.blocks));
    row("generator", format!("{:.2} CPU seconds", result.generator_cpu_seconds));
    row("token", result.token.to_string());
    let verdict = if supply.ok { "all there" } else { "NOT all there" };
    row("supply", format!("{} held by {} holders: {verdict}", supply.balances, thousands(supply.holders)));
    if let Some(file) = &loaded.plot {
        row("picture", file.display().to_string());
    }
    table.text()
}
