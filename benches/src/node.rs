//! A real node process under the load generator.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
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
    /// The node's CPU seconds from before the load to after it, the funding of the accounts included.
    #[serde(default)]
    pub node_cpu_seconds: f64,
    /// The transfers that funded the accounts.
    #[serde(default)]
    pub funded: u64,
}

/// A chain of one node, by the binary that users run.
pub struct NodeRun {
    binary: PathBuf,
    folder: tempfile::TempDir,
    url: String,
}

#[derive(Deserialize)]
struct Status {
    nodes: Vec<NodeStatus>,
}

#[derive(Deserialize)]
struct NodeStatus {
    rpc: String,
    pid: Option<u32>,
}

fn wrong(error: &dyn std::fmt::Display) -> WorkloadError {
    WorkloadError::Wrong(error.to_string())
}

impl NodeRun {
    /// Makes and starts the chain on a free port.
    pub fn start(binary: &Path) -> Result<Self, WorkloadError> {
        let folder = tempfile::tempdir().map_err(|error| wrong(&error))?;
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| wrong(&error))?.port().to_string();
        let mut run = Self { binary: binary.into(), folder, url: String::new() };
        let chain = run.chain();
        run.entente(&["chain", "new", "--nodes", "1", "--out", &chain, "--rpc-port", &port])?;
        run.entente(&["chain", "up", &chain])?;
        run.url = run.status()?.rpc;
        Ok(run)
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

    fn status(&self) -> Result<NodeStatus, WorkloadError> {
        let output = self.entente(&["--json", "chain", "status", &self.chain()])?;
        let status: Status = serde_json::from_slice(&output.stdout).map_err(|error| wrong(&error))?;
        status.nodes.into_iter().next().ok_or_else(|| wrong(&"the chain has no node"))
    }

    /// Sends as many transfers as the node takes, for so many seconds between so many accounts.
    pub fn load(&self, token: &Path, seconds: u32, accounts: u32) -> Result<LoadFigures, WorkloadError> {
        self.load_at(token, None, seconds, accounts)
    }

    /// The node's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The node's process.
    pub(crate) fn pid(&self) -> Result<u32, WorkloadError> {
        self.status()?.pid.ok_or_else(|| wrong(&"the node does not run"))
    }

    /// The node's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("chain").join("node0")
    }

    /// Sends transfers at a rate, or as many as the node takes.
    pub fn load_at(
        &self,
        token: &Path,
        rate: Option<u32>,
        seconds: u32,
        accounts: u32,
    ) -> Result<LoadFigures, WorkloadError> {
        let pid = self.status()?.pid;
        let before = cpu_seconds(pid);
        let funded = u64::from(accounts);
        let (seconds, accounts) = (seconds.to_string(), accounts.to_string());
        let token = token.display().to_string();
        let rate = rate.map(|rate| rate.to_string());
        let mut arguments = vec![
            "--json",
            "load",
            "--rpc",
            &self.url,
            "--workload",
            "transfer",
            "--seconds",
            &seconds,
            "--accounts",
            &accounts,
            "--contract",
            &token,
        ];
        arguments.extend(rate.iter().flat_map(|rate| ["--rate", rate]));
        let output = self.entente(&arguments)?;
        let mut figures: LoadFigures = serde_json::from_slice(&output.stdout).map_err(|error| wrong(&error))?;
        figures.node_cpu_seconds = cpu_seconds(pid) - before;
        figures.funded = funded;
        Ok(figures)
    }
}

impl Drop for NodeRun {
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
