//! The real program with a home folder of its own.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod pressure;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// A home folder; what is kept of accounts and deployments lies below it, and so do the chains of a test.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
        command.args(arguments).env("HOME", self.folder.path()).env("ENTENTE_PASSWORD", "secret");
        command.current_dir(self.folder.path()).stdin(std::process::Stdio::null());
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
        let _ = self.home.run(&["chain", "down", "chain"]);
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
