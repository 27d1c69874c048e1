//! Ethereum's and FISCO BCOS's clients, unchanged, against a running node (`node/cli/clients`).
//!
//! `make clients` installs them. Without them this fails; ENTENTE_WITHOUT_CLIENTS=1 says that it shall not.

mod common;

use std::{
    env,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{Home, text, token};

/// What a program with a library does, step by step.
const LIBRARY: [&str; 13] = [
    "chain",
    "erc20",
    "erc721",
    "proxy",
    "logs",
    "subscriptions",
    "errors",
    "gas",
    "traces",
    "fields",
    "nonces",
    "delegations",
    "wasm",
];

/// The folder where the clients are, or nothing where a variable says that they are not there.
fn installed() -> Option<PathBuf> {
    if env::var_os("ENTENTE_WITHOUT_CLIENTS").is_some_and(|value| value == "1") {
        return None;
    }
    let cache = env::var_os("ENTENTE_CACHE").map_or_else(
        || PathBuf::from(env::var_os("HOME").expect("HOME or ENTENTE_CACHE")).join(".cache/entente"),
        PathBuf::from,
    );
    let installed = cache.join("clients");
    let instead = "install with `make clients`, or set ENTENTE_WITHOUT_CLIENTS=1 to do without";
    assert!(installed.join("versions").exists(), "{} is not whole: {instead}", installed.display());
    Some(installed)
}

/// The path of a script.
fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// How long a program may take; on two busy cores the slowest takes two minutes.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a program wrote until it ended, by itself or because it took too long.
fn ended(child: Child) -> Output {
    let id = child.id().to_string();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait_with_output().unwrap()));
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        // With what it started itself.
        let killed = Command::new("kill").args(["-9", "--", &format!("-{id}")]).status().unwrap();
        assert!(killed.success(), "process {id} neither ends nor can be ended");
        told.recv().unwrap()
    })
}

/// Has a program use a new chain; it says each of these steps when it is done.
fn uses_a_chain(program: &[&str], steps: &[&str]) {
    uses_a_chain_of("standard", program, token().to_str().expect("a path in UTF-8"), steps);
}

/// Has a program use a new chain of this suite; it is told the node's URL and one thing more.
fn uses_a_chain_of(suite: &str, program: &[&str], told: &str, steps: &[&str]) {
    let Some(installed) = installed() else { return };
    let home = Home::new();
    let chain = home.chain(&["--suite", suite]);
    // A path in the first place is taken from where the test runs.
    let own = installed.join(program[0]);
    let mut command = if own.is_file() { Command::new(own) } else { Command::new(program[0]) };
    command.args(&program[1..]).arg(&chain.rpc).arg(told).current_dir(&installed);
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = ended(command.spawn().unwrap_or_else(|error| panic!("{program:?}: {error}")));
    let done = text(&output.stdout);
    assert!(output.status.success(), "{}, done: {done}\n{}", output.status, text(&output.stderr));
    assert_eq!(done.lines().collect::<Vec<_>>(), steps);
    let status = chain.status();
    assert_eq!(status["healthy"], true, "{status}");
}

#[test]
fn a_program_with_ethers() {
    uses_a_chain(&["node", &script("ethers.mjs")], &LIBRARY);
}

#[test]
fn a_program_with_viem() {
    uses_a_chain(&["node", &script("viem.mjs")], &LIBRARY);
}

#[test]
fn a_program_with_web3_py() {
    uses_a_chain(&["python/bin/python", &script("web3_py.py")], &LIBRARY);
}

#[test]
fn a_program_with_web3j() {
    // It knows of no transactions of type 4.
    let steps: Vec<&str> = LIBRARY.into_iter().filter(|step| *step != "delegations").collect();
    uses_a_chain(&["java", "-cp", "web3j/*", &script("web3j/Use.java")], &steps);
}

#[test]
fn a_program_with_alloy() {
    uses_a_chain(&["alloy/use"], &LIBRARY);
}

#[test]
fn a_program_with_go_ethereum() {
    uses_a_chain(&["go/use"], &LIBRARY);
}

#[test]
fn people_with_foundry() {
    uses_a_chain(&["node", &script("foundry.mjs")], &LIBRARY);
}

#[test]
fn people_with_hardhat() {
    uses_a_chain(&["node", &script("hardhat.mjs")], &LIBRARY);
}

/// What a program with a client of FISCO BCOS does.
const FISCO: [&str; 5] = ["chain", "deploy", "calls", "fields", "refusals"];

#[test]
fn programs_with_fisco_bcoss_go_sdk() {
    for suite in ["standard", "guomi"] {
        uses_a_chain_of(suite, &["fisco_go"], suite, &FISCO);
    }
}

#[test]
fn programs_with_fisco_bcoss_java_sdk() {
    for suite in ["standard", "guomi"] {
        let program = ["java", "-cp", "fisco_java/*", &script("fisco_java/Use.java")];
        uses_a_chain_of(suite, &program, suite, &FISCO);
    }
}
