//! Real node processes under the load generator.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::WorkloadError;

/// What one run of the load generator told, and what the node used meanwhile.
#[derive(Debug, Clone, Deserialize)]
pub struct LoadFigures {
    /// Transfers committed.
    pub committed: u64,
    /// Transfers that were not.
    pub failed: u64,
    /// The measured phase, in seconds.
    pub seconds: f64,
    /// Transfers a second.
    pub tps: f64,
    /// The generator's CPU seconds in that phase.
    pub generator_cpu_seconds: f64,
    /// The nodes' CPU seconds from before the load to after it, the funding of the accounts included.
    #[serde(default)]
    pub node_cpu_seconds: f64,
    /// The transfers that funded the accounts.
    #[serde(default)]
    pub funded: u64,
    /// Latencies from the intended send times.
    pub latency_ms: LatencyFigures,
}

/// Latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct LatencyFigures {
    /// Half are below.
    pub p50: f64,
    /// Of a hundred, 99 are below.
    pub p99: f64,
}

/// A chain of one node or of several, by the binary that users run.
pub struct ChainRun {
    binary: PathBuf,
    folder: tempfile::TempDir,
    nodes: Vec<RunningNode>,
}

/// One of its nodes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunningNode {
    /// Where it answers.
    pub(crate) rpc: String,
    /// Its process.
    pub(crate) pid: Option<u32>,
    peers: usize,
    hash: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    nodes: Vec<RunningNode>,
}

#[derive(Deserialize)]
struct Added {
    node_id: String,
}

/// How long nodes may take to find one another.
const TOGETHER_WAIT: Duration = Duration::from_secs(30);
/// How long the slowest may take to reach the others.
const REST_WAIT: Duration = Duration::from_mins(2);

pub(crate) fn wrong(error: &dyn std::fmt::Display) -> WorkloadError {
    WorkloadError::Wrong(error.to_string())
}

impl ChainRun {
    /// Makes and starts the chain on free ports; returns when all nodes are connected with one another.
    pub fn start(binary: &Path, nodes: usize) -> Result<Self, WorkloadError> {
        Self::start_with(binary, nodes, &[])
    }

    /// The same with other lines in each node's `config.toml`, each in the place of a usual one.
    pub(crate) fn start_with(binary: &Path, nodes: usize, changes: &[(&str, &str)]) -> Result<Self, WorkloadError> {
        let folder = tempfile::tempdir().map_err(|error| wrong(&error))?;
        let mut run = Self { binary: binary.into(), folder, nodes: Vec::new() };
        let (chain, count) = (run.chain(), nodes.to_string());
        run.entente(&["chain", "new", "--nodes", &count, "--out", &chain, "--rpc-port", "0", "--p2p-port", "0"])?;
        for node in 0..nodes {
            let path = run.folder.path().join(format!("chain/node{node}/config.toml"));
            let mut config = fs::read_to_string(&path)?;
            for (usual, other) in changes {
                let (usual, other) = (format!("\n{usual}\n"), format!("\n{other}\n"));
                if !config.contains(&usual) {
                    return Err(wrong(&format_args!("{} has no line {}", path.display(), usual.trim())));
                }
                config = config.replace(&usual, &other);
            }
            fs::write(&path, config)?;
        }
        run.up()?;
        Ok(run)
    }

    /// Starts those of its nodes that do not run.
    pub(crate) fn up(&mut self) -> Result<(), WorkloadError> {
        self.entente(&["chain", "up", &self.chain()])?;
        let deadline = Instant::now() + TOGETHER_WAIT;
        loop {
            self.nodes = self.status()?;
            if self.nodes.iter().all(|node| node.peers + 1 == self.nodes.len()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(wrong(&"the nodes did not find one another"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn chain(&self) -> String {
        self.folder.path().join("chain").display().to_string()
    }

    fn entente(&self, arguments: &[&str]) -> Result<Output, WorkloadError> {
        let output = Command::new(&self.binary)
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("ENTENTE_PASSWORD", "bench")
            .output()
            .map_err(|error| wrong(&format_args!("{}: {error}", self.binary.display())))?;
        if output.status.success() {
            return Ok(output);
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Err(wrong(&format_args!("entente {}: {}", arguments.join(" "), told.trim())))
    }

    fn status(&self) -> Result<Vec<RunningNode>, WorkloadError> {
        let output = self.entente(&["--json", "chain", "status", &self.chain()])?;
        let status: Status = serde_json::from_slice(&output.stdout).map_err(|error| wrong(&error))?;
        Ok(status.nodes)
    }

    /// Waits until all nodes have the same last block: until nothing is left to be done of the last load.
    pub fn rest(&self) -> Result<(), WorkloadError> {
        let deadline = Instant::now() + REST_WAIT;
        let mut before = None;
        loop {
            let hashes: Vec<Option<String>> = self.status()?.into_iter().map(|node| node.hash).collect();
            let same = hashes.first().filter(|first| first.is_some() && hashes.iter().all(|hash| hash == *first));
            // Twice: a block may be on its way.
            if same.is_some() && before == same.cloned() {
                return Ok(());
            }
            before = same.cloned();
            if Instant::now() > deadline {
                return Err(wrong(&format_args!("the nodes stay apart: {hashes:?}")));
            }
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Adds a node that observes and starts it, with nothing but the genesis document: its place among the nodes.
    pub(crate) fn add_observer(&mut self) -> Result<usize, WorkloadError> {
        let chain = self.chain();
        let added = self.entente(&["--json", "chain", "add", &chain, "--rpc-port", "0", "--p2p-port", "0"])?;
        let added: Added = serde_json::from_slice(&added.stdout).map_err(|error| wrong(&error))?;
        let key = self.folder().join("keys/consensus.key").display().to_string();
        self.entente(&["account", "import", "sealer", "--file", &key])?;
        let url = self.url()?.to_owned();
        self.entente(&["member", "add", &added.node_id, "--observer", "--account", "sealer", "--rpc", &url])?;
        self.up()?;
        Ok(self.nodes.len() - 1)
    }

    /// Stops a node, takes all that it has of the chain away, and starts it again.
    pub(crate) fn begin_anew(&mut self, place: usize) -> Result<(), WorkloadError> {
        let pid = self.nodes.get(place).and_then(|node| node.pid).ok_or_else(|| wrong(&"the node does not run"))?;
        let stopped = Command::new("kill").args(["-TERM", &pid.to_string()]).status()?;
        let deadline = Instant::now() + TOGETHER_WAIT;
        while stopped.success() && Path::new(&format!("/proc/{pid}")).exists() {
            if Instant::now() > deadline {
                return Err(wrong(&"the node does not stop"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        fs::remove_dir_all(self.folder.path().join(format!("chain/node{place}/data")))?;
        self.up()
    }

    /// The CPU seconds that a node's process has used.
    pub(crate) fn cpu_seconds(&self, place: usize) -> f64 {
        cpu_seconds(self.nodes.get(place).and_then(|node| node.pid))
    }

    /// Its nodes' processes.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.nodes.iter().filter_map(|node| node.pid)
    }

    /// Its nodes.
    pub(crate) fn nodes(&self) -> &[RunningNode] {
        &self.nodes
    }

    /// Sends as many transfers as the nodes take, for so many seconds between so many accounts.
    pub fn load(&self, token: &Path, seconds: u32, accounts: u32) -> Result<LoadFigures, WorkloadError> {
        self.load_at(token, None, seconds, accounts)
    }

    fn first(&self) -> Result<&RunningNode, WorkloadError> {
        self.nodes.first().ok_or_else(|| wrong(&"the chain has no node"))
    }

    /// The first node's address.
    pub(crate) fn url(&self) -> Result<&str, WorkloadError> {
        Ok(&self.first()?.rpc)
    }

    /// The first node's process.
    pub(crate) fn pid(&self) -> Result<u32, WorkloadError> {
        self.first()?.pid.ok_or_else(|| wrong(&"the node does not run"))
    }

    /// The first node's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("chain").join("node0")
    }

    /// Sends transfers at a rate, or as many as the nodes take.
    pub fn load_at(
        &self,
        token: &Path,
        rate: Option<u32>,
        seconds: u32,
        accounts: u32,
    ) -> Result<LoadFigures, WorkloadError> {
        let token = token.display().to_string();
        let rate = rate.map(|rate| rate.to_string());
        let mut workload = vec!["--workload", "transfer", "--contract", &token];
        workload.extend(rate.iter().flat_map(|rate| ["--rate", rate]));
        self.send(&workload, seconds, accounts)
    }

    /// Sends as many transfers of an ERC-20 in Ethereum's transactions as the nodes take.
    pub fn load_erc20(&self, seconds: u32, accounts: u32) -> Result<LoadFigures, WorkloadError> {
        self.send(&["--workload", "erc20"], seconds, accounts)
    }

    fn send(&self, workload: &[&str], seconds: u32, accounts: u32) -> Result<LoadFigures, WorkloadError> {
        let used = || self.nodes.iter().map(|node| cpu_seconds(node.pid)).sum::<f64>();
        let before = used();
        let funded = u64::from(accounts);
        let (seconds, accounts) = (seconds.to_string(), accounts.to_string());
        let mut arguments = vec!["--json", "load", "--seconds", &seconds, "--accounts", &accounts];
        arguments.extend(workload);
        arguments.extend(self.nodes.iter().flat_map(|node| ["--rpc", &node.rpc]));
        let output = self.entente(&arguments)?;
        let mut figures: LoadFigures = serde_json::from_slice(&output.stdout).map_err(|error| wrong(&error))?;
        figures.node_cpu_seconds = used() - before;
        figures.funded = funded;
        Ok(figures)
    }
}

impl Drop for ChainRun {
    fn drop(&mut self) {
        let _ = self.entente(&["chain", "down", &self.chain()]);
    }
}

/// The CPU seconds that a process has used, by the system's own account; zero where there is no such process.
fn cpu_seconds(pid: Option<u32>) -> f64 {
    let Some(pid) = pid else { return 0.0 };
    let text: io::Result<String> = fs::read_to_string(format!("/proc/{pid}/stat"));
    let text = text.unwrap_or_default();
    // Fields 14 and 15 of proc(5), counted behind the name in parentheses; in hundredths of a second.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>()).unwrap_or_default();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (field(11) + field(12)) / 100.0
}
