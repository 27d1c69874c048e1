//! `make sim SEEDS=N`, or `SEED=N` for one seed again.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use entente_consensus::Sound;
use entente_sim::{Setup, sweep};

/// A simulation allocates and frees small things all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "usage: entente-sim SEEDS [FIRST]\n\nRuns so many simulated consortia, each from one seed, from FIRST \
                    (default 0) on.\nexample: entente-sim 20000";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = arguments.iter().map(|text| text.parse().ok()).collect();
    let (count, first) = match numbers.as_deref() {
        Some([count]) => (*count, 0),
        Some([count, first]) => (*count, *first),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (started, done) = (Instant::now(), AtomicU64::new(0));
    let told = |result: &Result<_, _>| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Err(failure) = result {
            println!("{failure}");
        }
        if done.is_multiple_of(1000) {
            println!("{done} seeds in {} s", started.elapsed().as_secs());
        }
    };
    let sweep = match sweep::<Sound>(first..first + count, threads, 10, Setup::of, told) {
        Ok(sweep) => sweep,
        Err(error) => {
            eprintln!("no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let simulated = sweep.statistics.simulated_ms as f64 / 1000.0;
    print!("{}", sweep.statistics);
    println!(
        "{seconds:>14.1}  seconds on {threads} threads: {:.0} simulated seconds for each second of a thread",
        simulated / seconds / threads as f64
    );
    if !sweep.failures.is_empty() {
        return ExitCode::FAILURE;
    }
    match sweep.statistics.check() {
        Err(missing) if count >= 200 => {
            eprintln!("these never happened, so nothing was tried: {}", missing.join(", "));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
