//! The real program with a home folder of its own.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod nodes;
pub mod pressure;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A home folder; what is kept of accounts and deployments lies below it, and so do the chains of a test.
pub struct Home {
    path: PathBuf,
    /// What ends with the home: the folder itself, or that no other test has it.
    _until_the_end: (Option<TempDir>, Option<File>),
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().to_owned(), _until_the_end: (Some(folder), None) }
    }

    /// A home for somebody who builds contracts. It is at the same place in every run, so that what was compiled there
    /// before is found again; one test has it at a time.
    pub fn of_an_author() -> Self {
        let folder = authors();
        fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let path = folder.join("home");
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self { path, _until_the_end: (None, Some(lock)) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What a line that succeeds, as [`Self::shell`] runs it, writes to standard output.
    pub fn succeeds(&self, line: &str) -> String {
        let output = self.shell(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// A line as a shell runs it, with the program in PATH. Compilers are those of who runs the test.
    pub fn shell(&self, line: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let program = Path::new(env!("CARGO_BIN_EXE_entente")).parent().unwrap();
        let own = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let of_user = |name: &str, folder: &str| std::env::var_os(name).map_or_else(|| own.join(folder), PathBuf::from);
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(&self.path).stdin(Stdio::null());
        command.env("HOME", &self.path).env("ENTENTE_PASSWORD", "secret");
        command.env("PATH", format!("{}:{path}", program.display()));
        command.env("CARGO_TARGET_DIR", authors().join("target")).env("ENTENTE_CACHE", cache());
        command
            .env("CARGO_HOME", of_user("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", of_user("RUSTUP_HOME", ".rustup"));
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
            command.env_remove(name);
        }
        command
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
        command.args(arguments).env("HOME", &self.path).env("ENTENTE_PASSWORD", "secret").env("ENTENTE_CACHE", cache());
        command.current_dir(&self.path).stdin(std::process::Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The one JSON object of a command that succeeds.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// The one line of a command that fails.
    pub fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let line = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
        line.strip_prefix("error: ").unwrap_or_else(|| panic!("{line}")).trim_end().to_owned()
    }

    /// Makes a chain and starts it on a free port.
    pub fn chain(&self, more: &[&str]) -> Chain<'_> {
        self.json(&[&["chain", "new", "--out", "chain", "--rpc-port", "0"], more].concat());
        let mut chain = Chain { home: self, rpc: String::new(), pid: 0 };
        chain.up();
        chain
    }
}

/// A chain of one node in the folder `chain`, stopped when it is dropped.
pub struct Chain<'home> {
    home: &'home Home,
    pub rpc: String,
    pub pid: u32,
}

impl Chain<'_> {
    pub fn up(&mut self) {
        let up = self.home.json(&["chain", "up", "chain"]);
        let node = &up["nodes"][0];
        node["rpc"].as_str().unwrap().clone_into(&mut self.rpc);
        self.pid = u32::try_from(node["pid"].as_u64().unwrap()).unwrap();
    }

    pub fn status(&self) -> Value {
        self.home.json(&["chain", "status", "chain"])["nodes"][0].clone()
    }

    /// What `kill -9` does.
    pub fn kill(&self) {
        let killed = Command::new("kill").args(["-9", &self.pid.to_string()]).status().unwrap();
        assert!(killed.success());
    }
}

impl Drop for Chain<'_> {
    fn drop(&mut self) {
        drop(StopsChain(self.home));
    }
}

/// Where contracts of tests are built.
fn authors() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors")
}

/// Where compilers of Solidity are kept, whichever home a test has.
fn cache() -> PathBuf {
    let of_user = || std::env::home_dir().unwrap_or_default().join(".cache/entente");
    std::env::var_os("ENTENTE_CACHE").map_or_else(of_user, PathBuf::from)
}

/// What an operator does who has another node on the usual port: node 0 takes a free one.
pub fn on_a_free_port(chain: &Path) {
    let config = chain.join("node0/config.toml");
    let before = fs::read_to_string(&config).unwrap();
    let after = before.replace("127.0.0.1:8545", "127.0.0.1:0");
    assert_ne!(before, after, "{before}");
    fs::write(config, after).unwrap();
}

/// Stops the chain in the folder `chain`, if it runs, whatever becomes of the test.
pub struct StopsChain<'home>(pub &'home Home);

impl Drop for StopsChain<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(&["chain", "down", "chain"]);
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The module that `make` builds beforehand.
pub fn token() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"));
    let module = target.join("contracts").join("token.wasm");
    assert!(module.is_file(), "{} is not there: run `make contracts`", module.display());
    module
}
