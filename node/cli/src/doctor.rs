//! `entente doctor`: what is wrong with a node, or will be, and what to do about it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use entente_client::client::{Client, NodeStatus};
use entente_driver::{NodeConfig, StorageEngine, read_access_lists, read_genesis, read_secret_key};
use entente_network::Chain;
use entente_types::{ConsensusKind, Genesis};
use serde::Serialize;

use crate::{
    chain::authorities::certificate_path,
    output::{Failure, Output},
    progress::Progress,
    running::running,
    runtime::block_on,
    table::{Table, thousands},
    verify,
};

/// Free bytes of the disk below which a node is warned, and below which it cannot go on for long.
const FREE_BYTES_WARNED: u64 = 10 << 30;
const FREE_BYTES_NEEDED: u64 = 1 << 30;
/// Files that a node has open beside its connections: RocksDB's and its own.
const FILES_BESIDE_CONNECTIONS: u64 = 1024 + 64;
/// How far a block may lie ahead of this machine's clock, in milliseconds: what other members would refuse.
const CLOCK_AHEAD_MS_MAX: u64 = 3_000;
/// The least memory that a node has beside its caches, in bytes.
const MEMORY_BESIDE_CACHES: u64 = 1 << 30;

/// A certificate that expires within so many days is warned of.
const EXPIRY_DAYS_WARNED: u64 = 30;
const SECONDS_OF_DAY: u64 = 86_400;

/// Whom to look at.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente doctor --dir chain/node0\n  entente doctor --dir chain/node0 --deep --json"
)]
pub(crate) struct DoctorArguments {
    /// The node's folder. The node may run; then its ledger is not looked into.
    #[arg(long, value_name = "NODE")]
    dir: PathBuf,
    /// Check every block and every row, too, as `entente verify` does; the node must not run.
    #[arg(long)]
    deep: bool,
}

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    /// What was found.
    found: String,
    /// What to do; nothing where all is well.
    #[serde(rename = "do")]
    remedy: Option<String>,
}

#[derive(Debug, Serialize)]
struct Diagnosis {
    healthy: bool,
    findings: Vec<Finding>,
}

fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Ok, found: found.into(), remedy: None }
}

fn warning(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Warning, found: found.into(), remedy: Some(remedy.into()) }
}

/// A fault whose message says itself what to do.
fn fault(check: &'static str, message: impl Into<String>) -> Finding {
    let message = message.into();
    let (found, remedy) = match message.rsplit_once("; ") {
        Some((found, remedy)) => (found.to_owned(), Some(remedy.to_owned())),
        None => (message, None),
    };
    Finding { check, verdict: Verdict::Fault, found, remedy }
}

/// Does it.
pub(crate) fn run(arguments: &DoctorArguments, output: Output) -> Result<(), Failure> {
    let folder = arguments.dir.as_path();
    let mut findings = Vec::new();
    look(folder, arguments.deep, &mut findings);
    let faults = findings.iter().filter(|finding| finding.verdict == Verdict::Fault).count();
    let diagnosis = Diagnosis { healthy: faults == 0, findings };
    output.show(&diagnosis, || text(&diagnosis))?;
    match faults {
        0 => Ok(()),
        1 => Err(Failure::new(format!("{}: one fault; see above", folder.display()))),
        more => Err(Failure::new(format!("{}: {more} faults; see above", folder.display()))),
    }
}

fn look(folder: &Path, deep: bool, findings: &mut Vec<Finding>) {
    let config = match NodeConfig::read(folder) {
        Ok(config) => config,
        Err(error) => return findings.push(fault("config.toml", error.to_string())),
    };
    findings.push(ok("config.toml", format!("{}, JSON-RPC at {}", config.node.name, config.rpc.listen)));
    let genesis = match read_genesis(folder) {
        Ok(genesis) => genesis,
        Err(error) => return findings.push(fault("genesis.toml", error.to_string())),
    };
    let hash = genesis.hash();
    findings.push(ok("genesis.toml", format!("{} of chain {}, genesis {hash}", genesis.group_id, genesis.chain_id)));
    match genesis.consensus {
        ConsensusKind::Solo => {}
        ConsensusKind::Pbft => findings.push(network(folder, &config, &genesis)),
        other => {
            let found = format!("consensus {other:?} is not there in this version");
            findings.push(fault("consensus", format!("{found}; make a chain with --consensus pbft")));
        }
    }
    findings.push(key(folder, &genesis));
    findings.push(disk(folder));
    findings.push(memory(&config));
    findings.push(open_files(&config));
    match running(folder) {
        Err(failure) => findings.push(fault("process", failure.line())),
        Ok(None) => {
            findings.push(ok("process", "the node does not run"));
            ledger(folder, &config, &genesis, deep, findings);
        }
        Ok(Some(process)) => {
            findings.push(ok("process", format!("the node runs as process {}", process.pid)));
            let url = process.rpc.map(|address| format!("http://{address}"));
            match block_on(async { Ok(health(url.as_deref(), &genesis).await) }) {
                Ok(found) => findings.extend(found),
                Err(failure) => findings.push(fault("health", failure.line())),
            }
            if deep {
                findings.push(warning("ledger", "it is in use", "stop the node to have every block and row checked"));
            }
        }
    }
}

/// Whether other nodes can be reached, and will let this one in.
fn network(folder: &Path, config: &NodeConfig, genesis: &Genesis) -> Finding {
    if config.network.address().is_none() && genesis.sealers.len() <= 1 {
        return ok("network", "it listens for no other node, and needs none");
    }
    if config.network.address().is_none() {
        let found =
            format!("{} has {} sealers, and this node listens for none", genesis.group_id, genesis.sealers.len());
        return fault("network", format!("{found}; set `network.listen` and `network.peers` in config.toml"));
    }
    if let Err(error) = read_access_lists(folder) {
        return fault("network", error.to_string());
    }
    let path = certificate_path(folder);
    let read = Chain::read(&path).map_err(|error| error.to_string());
    let node = match read.and_then(|chain| chain.node().map_err(|error| format!("{}: {error}", path.display()))) {
        Ok(node) => node,
        Err(error) => return fault("certificate", format!("{error}; issue one with: entente cert renew")),
    };
    let own = read_secret_key(&folder.join("keys").join("consensus.key"), genesis.suite).ok();
    if own.is_some_and(|own| node.key(genesis.suite) != Some(&own.public_key())) {
        let found = format!("{} is of another consensus key than this node's", path.display());
        return fault("certificate", format!("{found}; issue one with: entente cert renew"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let days = node.expires_at.saturating_sub(now) / SECONDS_OF_DAY;
    let remedy = "renew it with: entente cert renew";
    match days {
        0 => fault("certificate", format!("{} has expired, or does today; {remedy}", path.display())),
        1..EXPIRY_DAYS_WARNED => warning("certificate", format!("it expires in {days} days"), remedy),
        _ => ok("network", format!("listens at {}; certificate for {days} days", config.network.listen)),
    }
}

/// Whether the consensus key is there, private, and a sealer's.
fn key(folder: &Path, genesis: &Genesis) -> Finding {
    let path = folder.join("keys").join("consensus.key");
    let key = match read_secret_key(&path, genesis.suite) {
        Ok(key) => key,
        Err(error) => return fault("consensus key", format!("{error}; bring it back from your backup")),
    };
    let address = key.public_key().address();
    let seals = genesis.sealers.iter().any(|sealer| sealer.key == key.public_key());
    // In other groups than those with solo consensus, who seals is changed by transactions.
    if !seals && genesis.consensus == ConsensusKind::Solo {
        return fault(
            "consensus key",
            format!("{address} is none of the sealers of genesis.toml; bring this node's key back"),
        );
    }
    let mode = fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let remedy = format!("chmod 600 {}", path.display());
        return warning("consensus key", format!("others on this machine can read it (mode {mode:o})"), remedy);
    }
    let role = if seals { "a sealer of genesis.toml" } else { "no sealer of genesis.toml; see: entente member list" };
    ok("consensus key", format!("{address}, {role}"))
}

fn disk(folder: &Path) -> Finding {
    let found = match rustix::fs::statvfs(folder) {
        Ok(found) => found,
        Err(error) => return fault("disk", format!("{}: {error}; check the folder", folder.display())),
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} GiB free", thousands(free >> 30));
    let remedy =
        "make room, or move the node's folder to a larger disk: a block that cannot be written halts the group";
    match free {
        0..FREE_BYTES_NEEDED => fault("disk", format!("{text}; {remedy}")),
        FREE_BYTES_NEEDED..FREE_BYTES_WARNED => warning("disk", text, remedy),
        _ => ok("disk", text),
    }
}

fn memory(config: &NodeConfig) -> Finding {
    let storage = &config.storage;
    let caches =
        storage.block_cache_bytes.saturating_add(storage.row_cache_bytes).saturating_add(config.pool.bytes_max);
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse().ok());
    let Some(total) = kilobytes.map(|kilobytes: u64| kilobytes.saturating_mul(1024)) else {
        return warning("memory", "this system does not say how much there is", "see that the caches fit");
    };
    let found =
        format!("{} MiB, of which caches and pool may take {}", thousands(total >> 20), thousands(caches >> 20));
    if caches.saturating_add(MEMORY_BESIDE_CACHES) > total {
        let remedy = "lower storage.block_cache_bytes, storage.row_cache_bytes or pool.bytes_max in config.toml";
        return warning("memory", found, remedy);
    }
    ok("memory", found)
}

fn open_files(config: &NodeConfig) -> Finding {
    let needed = u64::from(config.rpc.connections_max).saturating_add(FILES_BESIDE_CONNECTIONS);
    // What this shell allows is what a node started from it gets.
    match rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        Some(limit) if limit < needed => warning(
            "open files",
            format!(
                "{} are allowed; with rpc.connections_max connections a node needs {}",
                thousands(limit),
                thousands(needed)
            ),
            format!("ulimit -n {needed}, or LimitNOFILE={needed} in the unit, or lower rpc.connections_max"),
        ),
        Some(limit) => ok("open files", format!("{} are allowed", thousands(limit))),
        None => ok("open files", "as many as the system has"),
    }
}

fn ledger(folder: &Path, config: &NodeConfig, genesis: &Genesis, deep: bool, findings: &mut Vec<Finding>) {
    if config.storage.engine == StorageEngine::Memory {
        let remedy = "set storage.engine = \"rocksdb\" in config.toml for a node that shall keep it";
        return findings.push(warning("ledger", "it is in memory, and gone when the node stops", remedy));
    }
    if !folder.join("data").join(genesis.group_id.as_str()).is_dir() {
        return findings.push(ok(
            "ledger",
            "there is none; the next start makes it, and fetches the chain where there are other nodes",
        ));
    }
    let opened = match verify::open(folder) {
        Ok(opened) => opened,
        Err(failure) => return findings.push(fault("ledger", failure.line())),
    };
    let tip = opened.ledger.tip();
    let oldest = opened.ledger.oldest_state();
    let found = format!("block {}, hash {}, state kept from block {oldest}", thousands(tip.number), tip.header_hash);
    findings.push(ok("ledger", found));
    if let Ok(Some(header)) = opened.ledger.header(tip.number) {
        findings.push(clock(header.timestamp_ms));
    }
    if !deep {
        return;
    }
    let progress = Progress::new();
    let verified = verify::verify(&opened, &progress);
    progress.end();
    findings.push(match verified {
        Err(failure) => fault("every block and row", failure.line()),
        Ok(verified) => match verified.fault {
            Some(message) => {
                fault("every block and row", format!("{message}; fetch the chain from peers: entente node fetch"))
            }
            None => ok(
                "every block and row",
                format!("{} blocks and all rows are whole", thousands(verified.blocks_checked)),
            ),
        },
    });
}

/// Whether this machine's clock agrees with the last block.
fn clock(timestamp_ms: u64) -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    if timestamp_ms > now.saturating_add(CLOCK_AHEAD_MS_MAX) {
        let behind = (timestamp_ms - now) / 1000;
        return fault(
            "clock",
            format!("it is {} s behind the last block; set it, and keep it by NTP", thousands(behind)),
        );
    }
    ok("clock", format!("the last block is {} s old", thousands(now.saturating_sub(timestamp_ms) / 1000)))
}

/// What a running node says of itself.
async fn health(url: Option<&str>, genesis: &Genesis) -> Vec<Finding> {
    let Some(url) = url else {
        return vec![warning("health", "it does not listen yet", "wait, then look at its log")];
    };
    let status = match ask(url, genesis).await {
        Ok(status) => status,
        Err(failure) => return vec![fault("health", format!("{url}: {}; look at the node's log", failure.line()))],
    };
    let halted = status.more.get("halted").and_then(serde_json::Value::as_str);
    let health = match halted {
        Some(why) => fault("health", format!("the group has stopped: {why}")),
        None => ok("health", format!("block {}, hash {}", thousands(status.height), status.hash)),
    };
    let (waiting, limit) = (status.pool.transactions, status.pool.transactions_max);
    let found = format!("{} transactions wait, {} may", thousands(waiting), thousands(limit));
    let pool = if waiting.saturating_mul(10) >= limit.saturating_mul(9) && limit > 0 {
        warning("pool", found, "clients send faster than blocks are made: send less, or look at what blocks cost")
    } else {
        ok("pool", found)
    };
    vec![health, pool]
}

async fn ask(url: &str, genesis: &Genesis) -> Result<NodeStatus, Failure> {
    Ok(Client::connect(url).await?.group(genesis.group_id.as_str()).await?.status().await?)
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut table = Table::default();
    for finding in &diagnosis.findings {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Fault => "FAULT",
        };
        table.row([verdict.to_owned(), finding.check.to_owned(), finding.found.clone()]);
        if let Some(remedy) = &finding.remedy {
            table.row([String::new(), String::new(), format!("-> {remedy}")]);
        }
    }
    table.text()
}
