//! Measures the rows of the performance page and writes the report: `make bench`.

use std::{
    env,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use entente_benches::{
    ChainRun, Growth, LoadFigures, Report, Row, Soak, Steps, Workload, WorkloadError, bytes_of_a_proposer, draw,
    draw_growth, draw_soak, gap_without_a_proposer, gas_table, measure_erc20, measure_gas, measure_growth,
    measure_members, measure_steps, median, recoveries_per_second, replay_of_a_fresh_node, shares_table,
    shares_under_load,
};
use entente_consensus::Sound;
use entente_crypto::Suite;
use entente_driver::CodeFolder;
use entente_executor::{CodeKey, CodeOptions, CodeStore, CodeVault, Executor};
use entente_host::{NativeRegistry, gas::PROTOCOL_VERSIONS};
use entente_sim::{SEEDS_TESTED, Setup, sweep};

/// That of the node.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of everything that is measured by itself.
const ROUNDS: usize = 5;
/// Rounds of a block of ERC-20 transfers, which takes milliseconds: what else the machine does falls on some of them.
const ERC20_ROUNDS: usize = 75;
/// Rounds of loading a node, each beside a measurement of V.
const LOAD_ROUNDS: usize = 5;
/// Nodes of a consortium.
const NODES: usize = 4;
/// Seconds of one load.
const LOAD_SECONDS: u32 = 10;
/// The accounts of the workload.
const ACCOUNTS: u32 = 100_000;
/// The accounts where steps are measured by themselves.
const ACCOUNTS_MEASURED: u64 = 10_000;
/// Seeds of one round of the simulator.
const SEEDS_MEASURED: u64 = 40;
/// Transfers of a measured block.
const BLOCK: u64 = 2_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let token = target.join("contracts/token.wasm");
    match env::args().nth(1).as_deref() {
        Some("growth") => return measure_and_draw_growth(&target).map(drop),
        Some("load") => return load(&target, &token),
        Some("bytes") => {
            println!("{:.2?}", bytes_of_a_proposer(&target.join("release/entente"), ROUNDS)?);
            return Ok(());
        }
        Some("gap") => {
            println!("{:.2?} s", gap_without_a_proposer(&target.join("release/entente"))?);
            return Ok(());
        }
        Some("replay") => {
            println!("{:.3?}", replay_of_a_fresh_node(&target.join("release/entente"), &token, ROUNDS)?);
            return Ok(());
        }
        Some("consortium") => {
            let mut rows = Vec::new();
            let done = consortium(&target, &token, thread::available_parallelism()?.get(), &mut rows);
            rows.iter().for_each(print_row);
            return Ok(done?);
        }
        Some("shares") => return Ok(shares(&target, &token, thread::available_parallelism()?.get())?),
        Some("erc20") => {
            print_row(&erc20(&Workload::new(&token, ACCOUNTS_MEASURED)?)?);
            print_row(&erc20_committed(&target, thread::available_parallelism()?.get())?);
            return Ok(());
        }
        Some("steps") => {
            let (_, rows) = steps(&mut Workload::new(&token, ACCOUNTS_MEASURED)?, &token)?;
            rows.iter().for_each(print_row);
            return Ok(());
        }
        Some("gas") => {
            print_row(&gas(&mut Workload::new(&token, ACCOUNTS_MEASURED)?)?);
            return Ok(());
        }
        Some("simulator") => {
            simulator()?.iter().for_each(print_row);
            return Ok(());
        }
        Some("soak") => return soak(&target, &token, env::args().nth(2).as_deref()),
        Some(other) => {
            return Err(format!(
                "`{other}` is none of growth, load, bytes, gap, replay, consortium, shares, erc20, steps, gas, \
                 simulator, soak"
            )
            .into());
        }
        None => {}
    }
    everything(&target, &token)
}

/// All rows, and the report.
fn everything(target: &std::path::Path, token: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let cores = thread::available_parallelism()?.get();
    let mut workload = Workload::new(token, ACCOUNTS_MEASURED)?;
    let mut report = Report::new(cores, recoveries_per_second(cores, Duration::from_secs(2)));

    let (steps, rows) = steps(&mut workload, token)?;
    report.results.extend(rows);
    let compilations = compilations_after_restart(token)?;
    report.results.push(Row::new(
        "[1] restart: contracts already compiled once that are compiled again",
        compilations,
        "<= 0",
    ));

    let growth = measure_and_draw_growth(target)?;
    report.results.push(Row::new(
        "[1] open a ledger of a million blocks / open one of a thousand",
        growth.open_ratio(),
        "<= 1.5",
    ));

    report.results.push(gas(&mut workload)?);
    report.results.push(erc20(&workload)?);
    report.results.push(erc20_committed(target, cores)?);
    report.results.extend(simulator()?);

    // Where these cannot be taken, the others are written all the same, and the failure is told at the end.
    let failed = consortium(target, token, cores, &mut report.results).err();

    let loads = load_rounds(target, Some(token), cores, 1)?;
    report.results.insert(0, Row::new("[1] one node, committed / L(1)", loads.ratio, ">= 0.50"));
    report.v = loads.v;
    print_path(&steps, &loads.last);
    println!();
    report.results.iter().for_each(print_row);
    println!("V = {:.0} recoveries a second on one core, all {cores} busy ({})", report.v, report.cpu);
    report.write(&target.join("bench/report.json"))?;
    draw(&report, &target.join("bench/report.svg"))?;
    println!("written: target/bench/report.json, target/bench/report.svg and target/bench/growth.svg");
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// What a transfer takes step by step.
fn steps(workload: &mut Workload, token: &std::path::Path) -> Result<(Steps, [Row; 3]), WorkloadError> {
    let steps = measure_steps(workload, BLOCK, ROUNDS)?;
    let rows = [
        Row::new("[1] transfer executed in Wasm, serial, warm, per core / V", steps.verify / steps.execute, ">= 10"),
        Row::new(
            "[1] state and change roots, Standard: time / time to verify the block's signatures on one core",
            steps.state_roots / steps.verify,
            "<= 0.10",
        ),
        guomi_roots(token)?,
    ];
    Ok((steps, rows))
}

/// The table of all classes, and the worst of them.
fn gas(workload: &mut Workload) -> Result<Row, WorkloadError> {
    let mut classes = measure_gas(workload, ROUNDS, None)?;
    classes.extend(measure_members(ROUNDS)?);
    print!("{}", gas_table(&classes));
    let worst = classes.iter().map(|figure| figure.ratio).fold(0.0, f64::max);
    let name = "[3] worst input found for any native function, host function or Wasm class: time per gas / the schedule's \
                reference";
    Ok(Row::new(name, worst, "<= 10"))
}

/// A token of EVM code, here and under plain revm.
fn erc20(workload: &Workload) -> Result<Row, WorkloadError> {
    let ratio = measure_erc20(workload, ACCOUNTS_MEASURED, BLOCK as usize, ERC20_ROUNDS)?;
    let name = "[4] a block of ERC-20 transfers through our EVM, executor without roots / the same through plain serial \
                revm with its in-memory database";
    Ok(Row::new(name, ratio, "<= 1.3"))
}

/// The same as one node commits them.
fn erc20_committed(target: &std::path::Path, cores: usize) -> Result<Row, WorkloadError> {
    let ratio = load_rounds(target, None, cores, 1)?.ratio;
    Ok(Row::new("[4] ERC-20 by eth_sendRawTransaction, one node, committed / L(1)", ratio, ">= 0.40"))
}

fn print_row(row: &Row) {
    let verdict = if row.ok { "reached" } else { "NOT reached" };
    println!("{verdict:>11}  {:>9.3}  {:>8}  {}", row.value, row.reach, row.name);
}

/// The rows of four nodes, as far as they can be taken.
#[expect(clippy::cast_sign_loss, reason = "a rate is never below zero")]
fn consortium(
    target: &std::path::Path,
    token: &std::path::Path,
    cores: usize,
    rows: &mut Vec<Row>,
) -> Result<(), WorkloadError> {
    let loads = load_rounds(target, Some(token), cores, NODES)?;
    rows.push(Row::new("[2] four nodes on two cores, committed / L(4)", loads.ratio, ">= 0.50"));
    shares(target, token, cores)?;
    let chain = ChainRun::start(&target.join("release/entente"), NODES)?;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..LOAD_ROUNDS {
        chain.rest()?;
        let half = chain.load_at(token, Some((loads.tps / 2.0) as u32), LOAD_SECONDS, ACCOUNTS)?;
        println!(
            "half rate: {:.0} transfers/s, p50 {:.0} ms, p99 {:.0} ms",
            half.tps, half.latency_ms.p50, half.latency_ms.p99
        );
        p50.push(half.latency_ms.p50);
        p99.push(half.latency_ms.p99);
    }
    drop(chain);
    let half = "four nodes at half the rate of the row above";
    rows.push(Row::new(&format!("[2] {half}, p50 latency, ms"), median(&mut p50), "<= 150"));
    rows.push(Row::new(&format!("[2] {half}, p99 latency, ms"), median(&mut p99), "<= 500"));
    let mut bytes = bytes_of_a_proposer(&target.join("release/entente"), ROUNDS)?;
    println!("bytes of a proposer: {bytes:.2?}");
    rows.push(Row::new(
        "[2] bytes a proposer sends for a 1 MB block, from client to commit, clients spread evenly / mean of the others",
        median(&mut bytes),
        "<= 2",
    ));
    let gaps = (0..ROUNDS).map(|_| gap_without_a_proposer(&target.join("release/entente")));
    let mut gaps = gaps.collect::<Result<Vec<f64>, _>>()?;
    println!("gaps without a proposer: {gaps:.2?} s");
    rows.push(Row::new(
        "[2] longest gap in commits when the proposer is killed, defaults, s",
        median(&mut gaps),
        "<= 3",
    ));
    let mut replays = replay_of_a_fresh_node(&target.join("release/entente"), token, ROUNDS)?;
    println!("replays of a fresh node: {replays:.3?}");
    rows.push(Row::new(
        "[2] a fresh node replays blocks over the network, signatures verified again: transactions per second of one \
         core used / V",
        median(&mut replays),
        ">= 0.60",
    ));
    Ok(())
}

/// What keeps four nodes from their limit, as a table that sums.
fn shares(target: &std::path::Path, token: &std::path::Path, cores: usize) -> Result<(), WorkloadError> {
    let chain = ChainRun::start(&target.join("release/entente"), NODES)?;
    chain.rest()?;
    let v = recoveries_per_second(cores, Duration::from_secs(2));
    let (shares, figures) = shares_under_load(&chain, token, cores, v, (LOAD_SECONDS, ACCOUNTS))?;
    println!("four nodes under load: {:.0} transfers/s, V {v:.0}/s; where the cores' time goes", figures.tps);
    print!("{}", shares_table(&shares));
    Ok(())
}

/// The simulator's rows: how many seeds the tests run, and how fast they go by on one core.
fn simulator() -> Result<[Row; 2], Box<dyn std::error::Error>> {
    let mut rates = Vec::new();
    for round in 0..ROUNDS as u64 {
        let started = Instant::now();
        let seeds = round * SEEDS_MEASURED..(round + 1) * SEEDS_MEASURED;
        let sweep = sweep::<Sound>(seeds, 1, 1, Setup::of, |_| {})?;
        if let Some(failure) = sweep.failures.into_iter().next() {
            return Err(failure.into());
        }
        rates.push(sweep.statistics.simulated_ms as f64 / 1000.0 / started.elapsed().as_secs_f64());
    }
    Ok([
        Row::new("[2] simulator: seeds run by make test", SEEDS_TESTED as f64, ">= 2000"),
        Row::new(
            "[2] simulator: simulated seconds per second of one core, blocks with transactions",
            median(&mut rates),
            ">= 100",
        ),
    ])
}

/// Costs by size, which are the longest part: `entente-bench growth` measures them alone.
fn measure_and_draw_growth(target: &std::path::Path) -> Result<Growth, Box<dyn std::error::Error>> {
    let growth = measure_growth(tempfile::tempdir_in(target)?.path())?;
    print!("{}", growth.table());
    std::fs::create_dir_all(target.join("bench"))?;
    draw_growth(&growth, &target.join("bench/growth.svg"))?;
    Ok(growth)
}

/// The roots' row of the other suite.
fn guomi_roots(token: &std::path::Path) -> Result<Row, WorkloadError> {
    let guomi = measure_steps(&mut Workload::of_suite(Suite::Guomi, token, ACCOUNTS_MEASURED)?, BLOCK, ROUNDS)?;
    Ok(Row::new(
        "[1] state and change roots, Guomi: time / time to verify the block's signatures on one core",
        guomi.state_roots / guomi.verify,
        "<= 0.25",
    ))
}

/// The row of the loaded node by itself, for whoever works on it.
fn load(target: &std::path::Path, token: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let loads = load_rounds(target, Some(token), thread::available_parallelism()?.get(), 1)?;
    println!("median {:.3}", loads.ratio);
    Ok(())
}

/// A node under half its load for so many minutes.
fn soak(
    target: &std::path::Path,
    token: &std::path::Path,
    minutes: Option<&str>,
) -> Result<(), Box<dyn std::error::Error>> {
    let minutes = minutes.map_or(Ok(60), str::parse)?;
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder)?;
    // Written after each sample: whoever stops it half way has what was seen until then.
    let write = |soak: &Soak| -> std::io::Result<()> {
        std::fs::write(folder.join("soak.json"), serde_json::to_vec_pretty(soak)?)
    };
    let soak = Soak::run(&target.join("release/entente"), token, minutes, |so_far| {
        if let Err(error) = write(so_far) {
            eprintln!("{}: {error}", folder.display());
        }
    })?;
    print!("{}", soak.summary());
    write(&soak)?;
    draw_soak(&soak, &folder.join("soak.svg"))?;
    println!("written: target/bench/soak.json and target/bench/soak.svg");
    Ok(())
}

struct Loads {
    ratio: f64,
    v: f64,
    tps: f64,
    last: LoadFigures,
}

/// Loads a chain of so many nodes, with V measured before each load, all in one run: with transfers of a token of Wasm,
/// or, where none is given, of an ERC-20 in Ethereum's transactions.
fn load_rounds(
    target: &std::path::Path,
    token: Option<&std::path::Path>,
    cores: usize,
    nodes: usize,
) -> Result<Loads, WorkloadError> {
    let node = ChainRun::start(&target.join("release/entente"), nodes)?;
    let (mut ratios, mut vs, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for round in 0..LOAD_ROUNDS {
        node.rest()?;
        let v = recoveries_per_second(cores, Duration::from_secs(2));
        let figures = match token {
            Some(token) => node.load(token, LOAD_SECONDS, ACCOUNTS)?,
            None => node.load_erc20(LOAD_SECONDS, ACCOUNTS)?,
        };
        let generator = figures.generator_cpu_seconds / figures.seconds;
        let limit = (cores as f64 - generator) * v / nodes as f64;
        println!(
            "load {}: {:.0} transfers/s, V {v:.0}/s, generator {generator:.2} cores, p50 {:.0} ms, committed / L({nodes}) \
             = {:.3}",
            round + 1,
            figures.tps,
            figures.latency_ms.p50,
            figures.tps / limit
        );
        rates.push(figures.tps);
        ratios.push(figures.tps / limit);
        vs.push(v);
        last = Some(figures);
    }
    let last = last.ok_or_else(|| WorkloadError::Wrong("no load was run".into()))?;
    Ok(Loads { ratio: median(&mut ratios), v: median(&mut vs), tps: median(&mut rates), last })
}

/// How many modules an executor compiles to run a block of a chain whose contracts were compiled before, with the files
/// that a node keeps.
fn compilations_after_restart(token: &std::path::Path) -> Result<f64, Box<dyn std::error::Error>> {
    let files = tempfile::tempdir()?;
    let mut workload = Workload::new(token, 16)?;
    let transfers = workload.transfers(16)?;
    let mut compilations = Vec::new();
    for _ in 0..2 {
        let folder = Arc::new(CodeFolder::open(files.path(), 64 << 20)?);
        let vault = Some(CodeVault::new(Arc::clone(&folder) as Arc<dyn CodeStore>, CodeKey::derive(b"bench")));
        let code = CodeOptions { vault, ..CodeOptions::default() };
        workload.executor = Executor::with(&workload.genesis, NativeRegistry::default(), PROTOCOL_VERSIONS, &code);
        workload.execute(&transfers)?;
        folder.finish();
        compilations.push(workload.executor.compilations());
    }
    match compilations.as_slice() {
        [1, again] => Ok(*again as f64),
        other => Err(format!("{other:?} compilations; the first run should have one").into()),
    }
}

/// Where the time of one committed transfer goes, in microseconds of CPU.
fn print_path(steps: &Steps, load: &LoadFigures) {
    let micro = 1_000_000.0;
    let known = [
        ("decode (hex, SCALE, hash)", steps.decode),
        ("verify", steps.verify),
        ("execute", steps.execute),
        ("roots: state and change", steps.state_roots),
        ("roots: transactions, receipts, Ethereum header", steps.block_roots),
        ("write (RocksDB, synced)", steps.write),
    ];
    let node = load.node_cpu_seconds / (load.committed + load.funded).max(1) as f64;
    let generator = load.generator_cpu_seconds / load.committed.max(1) as f64;
    let rest = node - known.iter().map(|(_, seconds)| seconds).sum::<f64>();
    println!("\none committed transfer, microseconds of CPU");
    for (name, seconds) in known {
        println!("{:>8.2}  {name}", seconds * micro);
    }
    println!("{:>8.2}  RPC, pool, threads, compaction: the rest of the node", rest * micro);
    println!("{:>8.2}  the node, whole", node * micro);
    println!("{:>8.2}  generator", generator * micro);
    println!("{:>8.2}  both", (node + generator) * micro);
}
