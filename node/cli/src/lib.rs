//! The command line `entente`: chains on this machine, a node in the foreground, accounts, contracts, members, certificates,
//! proofs,
//! load, verification and the demo.
//!
//! This crate owns what a person or a script types and what they read back: the commands, their help, their tables,
//! their JSON and their exit codes. It never decides anything about a ledger: it starts nodes, asks them, and shows.
//! What others may use of it is the builder of contracts.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use entente_cli::contract::build::{BuildOptions, build};
//!
//! let built = build(Path::new("contracts/token"), &BuildOptions::default())?;
//! println!("{}: {} bytes", built.wasm.display(), built.bytes.len());
//! # Ok::<(), entente_cli::contract::build::BuildError>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod account;
mod arguments;
mod cert;
mod chain;
pub mod contract;
mod demo;
mod doctor;
mod export;
mod group;
mod import;
mod load;
mod member;
mod node;
mod output;
mod password;
mod progress;
mod proof;
mod running;
mod runtime;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};

use crate::{arguments::Arguments, output::write_out};

/// Does what the process's arguments say: 0 where that succeeded, 1 with one line on standard error where it did
/// not, 2 where the arguments are wrong. With `--json` there is exactly one object on standard output, whatever happens:
/// the result, or `{"error": line}` where there is none.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Whoever closed the pipe does not want to read it.
            let _ = error.print();
            if !asked_for && std::env::args_os().any(|argument| argument == "--json") {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                let object = serde_json::json!({ "error": line.strip_prefix("error: ").unwrap_or(line) });
                let _ = write_out(format!("{object}\n").as_bytes());
            }
            return ExitCode::from(if asked_for { 0 } else { 2 });
        }
    };
    let output = arguments.output();
    match arguments.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(output);
            ExitCode::FAILURE
        }
    }
}
