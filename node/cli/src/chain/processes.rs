//! Nodes as background processes of this same program.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use entente_client::client::Client;
use rustix::process::{Pid, Signal, kill_process};

use super::name;
use crate::{
    output::Failure,
    running::{Running, running},
    runtime::block_on,
};

/// How long a node may take to open its store and listen: a crash may have left a log to read again.
const START_WAIT: Duration = Duration::from_mins(2);
/// How long a node may take to stop.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// How often is looked whether something has happened.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The end of a log that is searched for a reason.
const LOG_TAIL_BYTES: u64 = 8192;

/// A node that was started, or ran already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartedNode {
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    pub(crate) was_running: bool,
}

/// Starts the folder's node in the background, and waits until it answers.
pub(crate) fn start(folder: &Path, dev: bool) -> Result<StartedNode, Failure> {
    if let Some(Running { pid, rpc: Some(address) }) = running(folder)? {
        if dev {
            let place = folder.display();
            let line = format!("{place} runs already (process {pid}); stop it first with: entente chain down DIR");
            return Err(Failure::new(line));
        }
        return Ok(StartedNode { pid, address, was_running: true });
    }
    let mut launched = launch(folder, Stdio::null(), if dev { &["--dev"] } else { &[] })?;
    let address = launched.wait_until_it_answers()?;
    Ok(StartedNode { pid: launched.child.id(), address, was_running: false })
}

/// A node's process that this one started.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) child: Child,
    folder: PathBuf,
    /// Where its log begins.
    log_offset: u64,
}

/// The node stops, too, when this process has ended, however it ended.
pub(crate) const WHILE_STDIN_OPEN: &str = "--while-stdin-open";

/// Starts the process, with these options of `node run`.
pub(crate) fn launch(folder: &Path, stdin: Stdio, options: &[&str]) -> Result<Launched, Failure> {
    let place = folder.display();
    let log_path = folder.join("node.log");
    let fault = |what: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", what.display()));
    let log = OpenOptions::new().create(true).append(true).open(&log_path).map_err(|error| fault(&log_path, error))?;
    let log_offset = log.metadata().map_err(|error| fault(&log_path, error))?.len();
    let errors = log.try_clone().map_err(|error| fault(&log_path, error))?;
    let program = std::env::current_exe().map_err(|error| Failure::new(format!("this program's own path: {error}")))?;
    let mut command = Command::new(&program);
    command.args(["node", "run", "--dir"]).arg(folder).args(options);
    // A group of its own: an interrupt at the terminal is for whoever started the node.
    command.stdin(stdin).stdout(log).stderr(errors).process_group(0);
    let child = command.spawn().map_err(|error| Failure::new(format!("{place}: {}: {error}", program.display())))?;
    Ok(Launched { child, folder: folder.into(), log_offset })
}

impl Launched {
    /// Waits until the node answers; ends it if it does not.
    pub(crate) fn wait_until_it_answers(&mut self) -> Result<SocketAddr, Failure> {
        let deadline = Instant::now() + START_WAIT;
        let place = self.folder.display().to_string();
        let pid = self.child.id();
        let address = loop {
            if let Some(status) = self.child.try_wait()? {
                let log = self.folder.join("node.log");
                let reason = reason(&log, self.log_offset)
                    .unwrap_or_else(|| format!("it ended ({status}) and left no reason in {}", log.display()));
                return Err(Failure::new(reason).at(format!("{place} did not start")));
            }
            match running(&self.folder)? {
                Some(Running { pid: found, rpc: Some(address) }) if found == pid => break address,
                _ if Instant::now() > deadline => {
                    let _ = self.child.kill();
                    let seconds = START_WAIT.as_secs();
                    return Err(Failure::new(format!("{place} did not listen within {seconds} s; see its node.log")));
                }
                _ => std::thread::sleep(POLL_INTERVAL),
            }
        };
        block_on(async { Ok(Client::connect(&address.to_string()).await?.groups().await?) })
            .map_err(|failure| failure.at(&place))?;
        Ok(address)
    }

    /// Asks it to end, and does not wait.
    pub(crate) fn ask_to_stop(&self) {
        terminate(self.child.id());
    }

    /// Ends it cleanly, or by force if it does not listen; whether it ended cleanly.
    pub(crate) fn stop(&mut self) -> bool {
        terminate(self.child.id());
        let deadline = Instant::now() + STOP_WAIT;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => std::thread::sleep(POLL_INTERVAL),
                Err(_) => break,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }
}

fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that is gone already has stopped.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Tells a node to read again who is let in, and its certificate.
pub(crate) fn hang_up(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that is gone reads it at its next start.
        let _ = kill_process(pid, Signal::HUP);
    }
}

/// Stops the nodes of these folders, all at once, and says which process each was.
pub(crate) fn stop(folders: &[PathBuf]) -> Result<Vec<(PathBuf, Option<u32>)>, Failure> {
    let mut stopped = Vec::with_capacity(folders.len());
    for folder in folders {
        let pid = running(folder)?.map(|running| running.pid);
        if let Some(pid) = pid {
            terminate(pid);
        }
        stopped.push((folder.clone(), pid));
    }
    let deadline = Instant::now() + STOP_WAIT;
    for (folder, pid) in &stopped {
        let Some(pid) = pid else { continue };
        while running(folder)?.is_some() {
            if Instant::now() > deadline {
                let (name, seconds, log) = (name(folder), STOP_WAIT.as_secs(), folder.join("node.log"));
                return Err(Failure::new(format!(
                    "{name} (process {pid}) did not stop within {seconds} s; see {}, or end it with: kill -9 {pid}",
                    log.display()
                )));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
    Ok(stopped)
}

/// Why a node ended, by its log: its error line, else its last line.
fn reason(log: &Path, begin: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(begin.max(length.saturating_sub(LOG_TAIL_BYTES)))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let error = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    error.or_else(|| text.lines().rev().find(|line| !line.trim().is_empty())).map(str::to_owned)
}
