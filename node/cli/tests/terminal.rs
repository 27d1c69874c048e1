//! What a person at a terminal has of the program: completions for the shell, and something that moves while one
//! waits; and what a pipe has of that, which is nothing.

mod common;

use std::{fs, process::Command};

use common::{Home, StopsChain, text};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

#[test]
fn every_shell_has_completions() {
    let home = Home::new();
    for shell in SHELLS {
        let output = home.run(&["completions", shell]);
        let script = text(&output.stdout);
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        for word in ["entente", "contract", "deploy", "--password-file"] {
            let word = if shell == "fish" { word.trim_start_matches("--") } else { word };
            assert!(script.contains(word), "{shell}: {word}");
        }
        assert_eq!(home.json(&["completions", shell])["script"].as_str().unwrap(), script);
    }
}

#[test]
fn bash_takes_the_completions_and_completes() {
    let home = Home::new();
    fs::write(home.path("entente.bash"), home.run(&["completions", "bash"]).stdout).unwrap();
    let script = home.path("entente.bash");
    let checked = Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", text(&checked.stderr));
    let completed = |words: &[&str]| -> Vec<String> {
        let quoted = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let line = format!(
            "source '{}'; COMP_WORDS=({quoted}); COMP_CWORD={}; _entente entente '{last}' '{before}'; echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.len() - 1
        );
        let output = Command::new("bash").args(["--norc", "-c", &line]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(completed(&["entente", "cont"]), ["contract"]);
    assert_eq!(completed(&["entente", "contract", "dep"]), ["deploy"]);
    assert_eq!(completed(&["entente", "contract", "new", "--la"]), ["--lang"]);
    assert_eq!(completed(&["entente", "contract", "new", "--lang", ""]), ["rust", "solidity"]);
}

/// Runs the program as if a person ran it at a terminal, and says what the terminal was sent.
fn at_a_terminal(home: &Home, arguments: &[&str]) -> String {
    let words: Vec<String> =
        std::iter::once(env!("CARGO_BIN_EXE_entente")).chain(arguments.iter().copied()).map(quoted).collect();
    let mut command = Command::new("script");
    command.args(["-qec", &words.join(" "), "/dev/null"]).current_dir(home.path("")).stdin(std::process::Stdio::null());
    let output = command.env("HOME", home.path("")).env("ENTENTE_PASSWORD", "secret").env("TERM", "xterm").output();
    let output = output.expect("script of util-linux, which Debian always has");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    text(&output.stdout)
}

fn quoted(word: &str) -> String {
    format!("'{word}'")
}

/// The commands that take a while, and what stands beside the thing that moves.
#[test]
fn what_takes_a_while_moves_at_a_terminal_and_is_silent_in_a_pipe() {
    let home = Home::new();
    home.json(&["account", "new", "alice"]);
    home.json(&["chain", "new", "--out", "chain", "--rpc-port", "0"]);
    let _stops = StopsChain(&home);
    let module = common::token();
    let module = module.to_str().unwrap();
    assert!(at_a_terminal(&home, &["chain", "up", "chain"]).contains("starting node0"));
    let rpc = home.json(&["chain", "status", "chain"])["nodes"][0]["rpc"].as_str().unwrap().to_owned();
    let rpc = rpc.as_str();
    let shown = at_a_terminal(&home, &["contract", "deploy", module, "--account", "alice", "--rpc", rpc]);
    assert!(shown.contains("waiting for the block"), "{shown:?}");
    let address = shown.split(['\r', '\n', '\u{1b}']).find_map(|part| part.find("0x").map(|at| &part[at..]));
    let address = address.unwrap().get(..42).unwrap();
    let send = ["contract", "send", address, "transfer", address, "1", "--account", "alice", "--rpc", rpc];
    assert!(at_a_terminal(&home, &send).contains("waiting for the block"));
    let load = ["load", "--contract", module, "--count", "400", "--accounts", "20", "--rpc", rpc];
    let shown = at_a_terminal(&home, &load);
    for phase in ["funding the accounts", "signing transfers", "committing transfers"] {
        assert!(shown.contains(phase), "{phase}: {shown:?}");
    }

    let silent = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&b'\r'), "{arguments:?}");
    };
    silent(&send);
    silent(&["contract", "deploy", module, "--account", "alice", "--rpc", rpc]);
    // A long one says in plain lines what it is at.
    let loaded = home.run(&load);
    let told = text(&loaded.stderr);
    assert!(told.lines().any(|line| line == "committing transfers ...") && !told.contains('\u{1b}'), "{told:?}");
    assert!(at_a_terminal(&home, &["chain", "down", "chain"]).contains("stopping the nodes"));
    let shown = at_a_terminal(&home, &["verify", "--dir", "chain/node0", "--replay"]);
    for phase in ["checking blocks", "adding up all rows", "executing all blocks again"] {
        assert!(shown.contains(phase), "{phase}: {shown:?}");
    }
    silent(&["chain", "up", "chain"]);
    silent(&["chain", "down", "chain"]);
}
