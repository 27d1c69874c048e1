//! The nodes: real processes in folders of their own.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{ChaosError, links::Links, plan::NODES};

/// How long a node may take until it answers.
const START_WAIT: Duration = Duration::from_mins(2);
/// How long it may take to end when it is asked to.
const STOP_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// A node that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running {
    /// Where it answers.
    pub(crate) url: String,
    pub(crate) pid: u32,
}

/// The nodes that run, shared with those who ask them.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<BTreeMap<usize, Running>>>);

impl Addresses {
    pub(crate) fn get(&self, node: usize) -> Option<Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    fn set(&self, node: usize, running: Option<Running>) {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match running {
            Some(running) => drop(addresses.insert(node, running)),
            None => drop(addresses.remove(&node)),
        }
    }
}

/// A consortium on this machine, whose links go through proxies.
pub(crate) struct Consortium {
    program: PathBuf,
    home: TempDir,
    children: BTreeMap<usize, Child>,
    pub(crate) addresses: Addresses,
    pub(crate) links: Links,
    /// Where each node listens for others.
    listens: BTreeMap<usize, SocketAddr>,
    /// The bytes of the last node's own disk; nothing where this process may make none.
    pub(crate) small_disk: Option<u64>,
}

fn wrong(what: impl std::fmt::Display) -> ChaosError {
    ChaosError(what.to_string())
}

impl Consortium {
    /// Makes the folders, and starts nobody.
    pub(crate) async fn new(program: &Path, seed: u64, disk_bytes: u64) -> Result<Self, ChaosError> {
        let home = tempfile::tempdir().map_err(wrong)?;
        let mut consortium = Self {
            program: program.into(),
            home,
            children: BTreeMap::new(),
            addresses: Addresses::default(),
            links: Links::new(seed),
            listens: BTreeMap::new(),
            small_disk: None,
        };
        let nodes = NODES.to_string();
        let ports = ["--rpc-port", "0", "--p2p-port", "0"];
        consortium.entente(&[&["chain", "new", "--nodes", &nodes, "--out", "chain"][..], &ports].concat())?;
        for node in 0..NODES {
            let key = consortium.folder(node).join("keys/consensus.key").display().to_string();
            consortium.entente(&["account", "import", &format!("sealer{node}"), "--file", &key])?;
        }
        consortium.small_disk = Some(disk_bytes).filter(|bytes| consortium.mount(NODES - 1, *bytes));
        consortium.buffer_little(NODES - 1)?;
        for node in 0..NODES {
            let address = consortium.listen_address(node)?;
            consortium.listens.insert(node, address);
        }
        for node in 0..NODES {
            consortium.lead_through_links(node).await?;
        }
        Ok(consortium)
    }

    pub(crate) fn folder(&self, node: usize) -> PathBuf {
        self.home.path().join(format!("chain/node{node}"))
    }

    /// Runs a command, and gives its one object.
    pub(crate) fn entente(&self, arguments: &[&str]) -> Result<Value, ChaosError> {
        let output = Command::new(&self.program)
            .arg("--json")
            .args(arguments)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("ENTENTE_PASSWORD", "chaos")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| wrong(format_args!("{}: {error}", self.program.display())))?;
        let told = if output.status.success() { &output.stdout } else { &output.stderr };
        let told = String::from_utf8_lossy(told);
        if !output.status.success() {
            return Err(wrong(format_args!("entente {}: {}", arguments.join(" "), told.trim())));
        }
        serde_json::from_str(&told).map_err(wrong)
    }

    /// Gives a node a disk of its own that is easily filled. Not everybody may.
    fn mount(&self, node: usize, bytes: u64) -> bool {
        let data = self.folder(node).join("data");
        let size = format!("size={bytes}");
        fs::create_dir_all(&data).is_ok()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
                .arg(&data)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    }

    /// Has a node write to its files often: room that its log has taken beforehand would hide for long that the disk is
    /// full.
    fn buffer_little(&self, node: usize) -> Result<(), ChaosError> {
        let path = self.folder(node).join("config.toml");
        let text = fs::read_to_string(&path).map_err(wrong)?;
        let line = text.lines().find(|line| line.starts_with("write_buffer_bytes = "));
        let line = line.ok_or_else(|| wrong("no `storage.write_buffer_bytes`"))?;
        fs::write(&path, text.replace(line, "write_buffer_bytes = 1048576")).map_err(wrong)
    }

    /// Where a node listens for others, by its configuration.
    fn listen_address(&self, node: usize) -> Result<SocketAddr, ChaosError> {
        let path = self.folder(node).join("config.toml");
        let text = fs::read_to_string(&path).map_err(wrong)?;
        let network = text.split_once("[network]").map_or("", |(_, network)| network);
        let line = network.lines().find_map(|line| line.strip_prefix("listen = "));
        let address = line.and_then(|text| text.trim_matches('"').parse().ok());
        address.ok_or_else(|| wrong(format_args!("{}: no `network.listen`", path.display())))
    }

    /// Has a node dial the others through links of ours.
    async fn lead_through_links(&mut self, node: usize) -> Result<(), ChaosError> {
        let path = self.folder(node).join("config.toml");
        let mut text = fs::read_to_string(&path).map_err(wrong)?;
        let (head, network) = text.split_once("[network]").ok_or_else(|| wrong("no section `network`"))?;
        let peers = network.lines().find(|line| line.starts_with("peers = ")).ok_or_else(|| wrong("no peers"))?;
        let mut led = peers.to_owned();
        for (other, address) in self.listens.clone() {
            if other != node {
                let link = self.links.make(node, other, address).await.map_err(wrong)?;
                led = led.replace(&format!("\"{address}\""), &format!("\"{link}\""));
            }
        }
        text = format!("{head}[network]{}", network.replacen(peers, &led, 1));
        fs::write(&path, text).map_err(wrong)
    }

    /// Adds one node more, and does not start it: its place and its identifier.
    pub(crate) async fn add(&mut self) -> Result<(usize, String), ChaosError> {
        let added = self.entente(&["chain", "add", "chain", "--rpc-port", "0", "--p2p-port", "0"])?;
        let id = added["node_id"].as_str().ok_or_else(|| wrong("a node without an identifier"))?.to_owned();
        let name = added["name"].as_str().and_then(|name| name.strip_prefix("node")?.parse().ok());
        let node = name.ok_or_else(|| wrong("a node without a number"))?;
        // Its configuration names where the others listen: it dials them through links, too.
        let address = self.listen_address(node)?;
        self.lead_through_links(node).await?;
        self.listens.insert(node, address);
        Ok((node, id))
    }

    /// Those that run.
    pub(crate) fn up(&self) -> Vec<usize> {
        self.children.keys().copied().collect()
    }

    pub(crate) fn url(&self, node: usize) -> Option<String> {
        self.addresses.get(node).map(|running| running.url)
    }

    fn pid(&self, node: usize) -> Option<u32> {
        self.children.get(&node).map(Child::id)
    }

    /// Starts a node and waits until it listens; the line with which it refuses, where it does.
    pub(crate) async fn start(&mut self, node: usize) -> Result<Option<String>, ChaosError> {
        let folder = self.folder(node);
        let place = folder.join("node.rpc");
        // Left behind where it was killed.
        let _ = fs::remove_file(&place);
        let log_path = folder.join("node.log");
        let log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(wrong)?;
        let begins = log.metadata().map_err(wrong)?.len();
        let mut child = Command::new(&self.program)
            .args(["node", "run", "--while-stdin-open", "--dir"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(wrong)?;
        let deadline = Instant::now() + START_WAIT;
        loop {
            if child.try_wait().map_err(wrong)?.is_some() {
                return Ok(Some(last_line(&log_path, begins)));
            }
            if let Ok(address) = fs::read_to_string(&place) {
                let url = format!("ws://{}", address.trim());
                self.addresses.set(node, Some(Running { url, pid: child.id() }));
                self.children.insert(node, child);
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Err(wrong(format_args!("node{node} does not listen in {} s", START_WAIT.as_secs())));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts a node that has no reason to refuse.
    pub(crate) async fn start_well(&mut self, node: usize) -> Result<(), ChaosError> {
        match self.start(node).await? {
            None => Ok(()),
            Some(line) => Err(wrong(format_args!("node{node} does not start: {line}"))),
        }
    }

    fn forget(&mut self, node: usize) -> Option<Child> {
        self.addresses.set(node, None);
        self.children.remove(&node)
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.forget(node) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// As SIGTERM does; by force where it does not listen. Whether it ended cleanly.
    pub(crate) async fn stop(&mut self, node: usize) -> bool {
        self.signal(node, Signal::TERM);
        let Some(mut child) = self.forget(node) else { return true };
        let deadline = Instant::now() + STOP_WAIT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = child.try_wait() {
                return status.success();
            }
            tokio::time::sleep(POLL).await;
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        let pid = self.pid(node).and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Fills the last node's disk; what is to be removed to make room.
    pub(crate) fn fill_disk(&self) -> Result<PathBuf, ChaosError> {
        let ballast = self.folder(NODES - 1).join("data/ballast");
        let mut file = File::create(&ballast).map_err(wrong)?;
        // As much as there is room for.
        let bytes = self.small_disk.unwrap_or(0);
        let _ = std::io::copy(&mut std::io::Read::take(std::io::repeat(7), bytes), &mut file);
        Ok(ballast)
    }

    /// The files of a node's store, by name.
    pub(crate) fn store_files(&self, node: usize) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder(node).join("data/group1"))
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Consortium {
    fn drop(&mut self) {
        for node in self.children.keys().copied().collect::<Vec<_>>() {
            // One that is stopped does not hear of anything else.
            self.signal(node, Signal::CONT);
            self.kill(node);
        }
        if self.small_disk.is_some() {
            let _ = Command::new("umount").arg(self.folder(NODES - 1).join("data")).status();
        }
    }
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The last line that a node wrote from here on.
fn last_line(path: &Path, begins: u64) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(usize::try_from(begins).unwrap_or(usize::MAX)..).unwrap_or_default());
    text.lines().last().unwrap_or("it says nothing").trim_start_matches("error: ").to_owned()
}
