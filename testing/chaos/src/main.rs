//! `make chaos MINUTES=60`, or `SEED=N` for another plan.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use entente_chaos::{Options, Pace, Report, draw, run};

const HELP: &str = "usage: entente-chaos MINUTES [SEED]\n\nRuns four real nodes under faults of every kind, round after round, \
                    for so many minutes.\nWrites target/chaos/report.json and target/chaos/timeline.svg.\n\
                    example: entente-chaos 60 7";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = arguments.iter().map(|text| text.parse().ok()).collect();
    let (minutes, seed) = match numbers.as_deref() {
        Some([minutes]) => (*minutes, 1),
        Some([minutes, seed]) => (*minutes, *seed),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match chaos(minutes, seed) {
        Ok(report) if report.violations.is_empty() => ExitCode::SUCCESS,
        Ok(report) => {
            eprintln!(
                "{} violations; see it again with: make chaos MINUTES={minutes} SEED={seed}",
                report.violations.len()
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder that the program lies in: `target/release`.
fn target() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let own = std::env::current_exe()?;
    let release = own.parent().ok_or("this program has no folder")?;
    Ok(release.parent().ok_or("this program's folder has none")?.to_owned())
}

fn chaos(minutes: u64, seed: u64) -> Result<Report, Box<dyn std::error::Error>> {
    let target = target()?;
    let options = Options {
        program: target.join("release/entente"),
        token: target.join("contracts/token.wasm"),
        seed,
        pace: Pace::LONG,
        minutes,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    println!("seed {seed}: four nodes, for {minutes} minutes of rounds of faults");
    let report = runtime.block_on(run(&options, |line| println!("{line}")))?;
    runtime.shutdown_background();
    let folder = target.join("chaos");
    write(&report, &folder)?;
    println!(
        "{} rounds in {:.0} s: {} transactions told in {} blocks, {} violations; see {}",
        report.rounds,
        report.seconds,
        report.told,
        report.blocks,
        report.violations.len(),
        folder.display()
    );
    for violation in &report.violations {
        println!("  {violation}");
    }
    for left_out in &report.left_out {
        println!("  not tried: {left_out}");
    }
    Ok(report)
}

fn write(report: &Report, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("report.json"), serde_json::to_vec_pretty(report)?)?;
    draw(report, &folder.join("timeline.svg"))
}
