//! A node under load for long: memory, files and disk over time.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{ChainRun, LoadFigures, WorkloadError, median};

/// Seconds of the load that finds out how much a node takes.
const CALIBRATION_SECONDS: u32 = 10;
/// Accounts of the load.
const ACCOUNTS: u32 = 20_000;
/// Samples of a soak, however long it is.
const SAMPLES: u32 = 240;
/// One in so many samples is left out when the beginning is compared with the end: caches fill.
const WARMING: usize = 5;

/// What is looked at over time.
pub(crate) type Series = (&'static str, fn(&SoakSample) -> f64);

/// Each of it.
pub(crate) const SERIES: [Series; 3] = [
    ("resident memory, MiB", |sample| sample.resident_bytes as f64 / f64::from(1 << 20)),
    ("open files", |sample| sample.files as f64),
    ("disk, bytes a transaction", |sample| sample.disk_bytes as f64 / sample.transactions.max(1) as f64),
];

/// The node at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SoakSample {
    /// Seconds since the load began.
    pub seconds: f64,
    /// Transactions committed since the node was made.
    pub transactions: u64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// Open files.
    pub files: u64,
    /// Bytes of the node's folder.
    pub disk_bytes: u64,
}

/// A whole soak.
#[derive(Debug, Clone, Serialize)]
pub struct Soak {
    /// Transactions a second that were sent: half of what the node took before.
    pub rate: u32,
    /// Transactions that were committed within it.
    pub committed: u64,
    /// Those that were not.
    pub failed: u64,
    /// The node over time.
    pub samples: Vec<SoakSample>,
}

impl Soak {
    /// Loads a node at half its rate for so many minutes, and shows what it has so far after each sample.
    ///
    /// # Errors
    /// The node or the load fails.
    pub fn run(binary: &Path, token: &Path, minutes: u32, mut show: impl FnMut(&Self)) -> Result<Self, WorkloadError> {
        let node = ChainRun::start(binary, 1)?;
        let calibration = node.load(token, CALIBRATION_SECONDS, ACCOUNTS)?;
        let full_rate = calibration.committed / u64::from(CALIBRATION_SECONDS);
        let rate = u32::try_from(full_rate / 2).unwrap_or(u32::MAX).max(1);
        println!("the node took {:.0} transfers a second; {minutes} minutes at {rate}", calibration.tps);
        let seconds = minutes * 60;
        let pause = Duration::from_secs(u64::from(seconds)).div_f64(f64::from(SAMPLES));
        let mut soak = Self { rate, committed: 0, failed: 0, samples: Vec::new() };
        let figures: LoadFigures = thread::scope(|scope| {
            let load = scope.spawn(|| node.load_at(token, Some(rate), seconds, ACCOUNTS));
            let started = Instant::now();
            while !load.is_finished() {
                soak.samples.push(sample(&node, started.elapsed().as_secs_f64())?);
                show(&soak);
                thread::sleep(pause);
            }
            load.join().map_err(|_| WorkloadError::Wrong("the load panicked".into()))?
        })?;
        Ok(Self { committed: figures.committed, failed: figures.failed, ..soak })
    }

    /// The figures in a few lines: the middle of what follows the warming against the end.
    pub fn summary(&self) -> String {
        let warm = self.samples.len() / WARMING;
        let rest = self.samples.get(warm..).unwrap_or_default();
        let third = (rest.len() / 3).max(1);
        let middle = |part: &[SoakSample], value: fn(&SoakSample) -> f64| {
            median(&mut part.iter().map(value).collect::<Vec<_>>())
        };
        let mut text = format!("{} committed, {} failed\n", self.committed, self.failed);
        for (name, value) in SERIES {
            let (first, last) = (rest.get(..third), rest.get(rest.len().saturating_sub(third)..));
            let (first, last) = (middle(first.unwrap_or_default(), value), middle(last.unwrap_or_default(), value));
            text.push_str(&format!(
                "{name:>26}: {first:>9.1} after warming, {last:>9.1} at the end, {:+.1} %\n",
                (last / first - 1.0) * 100.0
            ));
        }
        text
    }
}

fn sample(node: &ChainRun, seconds: f64) -> Result<SoakSample, WorkloadError> {
    let pid = node.pid()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    let resident_bytes = kilobytes.unwrap_or(0_u64) * 1024;
    let files = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
    Ok(SoakSample {
        seconds,
        transactions: transactions(node.url()?)?,
        resident_bytes,
        files,
        disk_bytes: folder_bytes(&node.folder())?,
    })
}

/// What the node's metrics say of transactions.
fn transactions(url: &str) -> Result<u64, WorkloadError> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let line = text.lines().find(|line| line.starts_with("entente_transactions_total{"));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.ok_or_else(|| WorkloadError::Wrong("the node's metrics lack entente_transactions_total".into()))
}

/// The bytes of all files below a folder. One that goes meanwhile counts nothing.
pub(crate) fn folder_bytes(folder: &Path) -> Result<u64, WorkloadError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
