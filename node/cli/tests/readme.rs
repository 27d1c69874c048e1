//! README's first contract, as it stands there: each line behind `$ ` is run by a shell, and what it writes must be what
//! README shows. What differs from run to run may differ: hashes, keys and addresses (the same one in the same place),
//! and numbers. A line `...` stands for any lines.

mod common;

use std::{collections::HashMap, fs, path::Path};

use common::{Home, StopsChain, on_a_free_port, text};

const SECTION: &str = "## Your first contract";

/// A command and the lines that it is said to write.
struct Step {
    command: String,
    lines: Vec<String>,
}

/// The steps of README's section.
fn steps() -> Vec<Step> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let (_, section) = readme.split_once(&format!("{SECTION}\n")).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for block in section.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), lines: Vec::new() }),
                None => steps.last_mut().expect("a command comes first").lines.push(line.to_owned()),
            }
        }
    }
    steps
}

/// A line in pieces: what must be the same, and what may differ.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `0x` and at least 40 hexadecimal digits.
    Digits(String),
    Number,
}

fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let digits =
            rest.strip_prefix("0x").map_or(0, |digits| digits.chars().take_while(char::is_ascii_hexdigit).count());
        let length = if digits >= 40 {
            pieces.push(Piece::Digits(rest[..digits + 2].to_owned()));
            digits + 2
        } else if first.is_ascii_digit() {
            pieces.push(Piece::Number);
            // Thousands are apart by commas.
            let grouped = |(at, letter): (usize, char)| {
                letter.is_ascii_digit()
                    || letter == ',' && rest[at + 1..].starts_with(|next: char| next.is_ascii_digit())
            };
            rest.char_indices().take_while(|letter| grouped(*letter)).count()
        } else {
            match pieces.last_mut() {
                Some(Piece::Text(text)) => text.push(first),
                _ => pieces.push(Piece::Text(first.to_string())),
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    pieces
}

/// Whether a line is the one that is shown; what is learnt of README's hashes is kept.
fn is_shown(shown: &str, line: &str, real: &mut HashMap<String, String>) -> bool {
    let (shown, line) = (pieces(shown), pieces(line));
    let mut learnt = real.clone();
    let same = shown.len() == line.len()
        && shown.iter().zip(&line).all(|pair| match pair {
            (Piece::Digits(shown), Piece::Digits(found)) => {
                found.len() == shown.len() && learnt.entry(shown.clone()).or_insert_with(|| found.clone()) == found
            }
            (shown, found) => shown == found,
        });
    if same {
        *real = learnt;
    }
    same
}

/// Compares all lines; `...` matches any.
fn check(step: &Step, output: &str, real: &mut HashMap<String, String>) {
    let mut found = output.lines();
    let mut skipping = false;
    for shown in &step.lines {
        if shown == "..." {
            skipping = true;
            continue;
        }
        let matched = if skipping {
            found.any(|line| is_shown(shown, line, real))
        } else {
            found.next().is_some_and(|line| is_shown(shown, line, real))
        };
        assert!(matched, "{}: README shows\n{shown}\nbut it writes\n{output}", step.command);
        skipping = false;
    }
    assert!(skipping || found.next().is_none(), "{}: it writes more than README shows:\n{output}", step.command);
}

#[test]
fn the_first_contract_goes_as_readme_says() {
    let steps = steps();
    assert!(steps.len() >= 10, "{} commands", steps.len());
    let home = Home::of_an_author();
    let _stops = StopsChain(&home);
    let (mut real, mut rpc) = (HashMap::new(), String::new());
    for step in &steps {
        let command = real
            .iter()
            .fold(step.command.clone(), |line, (shown, found): (&String, &String)| line.replace(shown, found));
        let mut shell = home.shell(&command);
        if !rpc.is_empty() {
            shell.env("ENTENTE_RPC", &rpc);
        }
        let output = shell.output().unwrap();
        let written = text(&output.stdout);
        assert!(output.status.success(), "{command}: {written}{}", text(&output.stderr));
        check(step, &written, &mut real);
        if command.starts_with("entente chain new") {
            on_a_free_port(&home.path("chain"));
        } else if command.starts_with("entente chain up") {
            written.split_whitespace().find(|word| word.starts_with("http://")).unwrap().clone_into(&mut rpc);
        }
    }
    assert!(!home.path("chain/node0/node.pid").exists(), "README stops what it starts");
}

#[test]
fn what_differs_is_told_from_what_may_differ() {
    let mut real = HashMap::new();
    let (one, two) = (format!("0x{}", "1a".repeat(20)), format!("0x{}", "2b".repeat(20)));
    let (other, third) = (format!("0x{}", "3c".repeat(20)), format!("0x{}", "4d".repeat(20)));
    assert!(is_shown(
        &format!("{one} has 1,234 of 5 in 0.25s"),
        &format!("{two} has 7 of 1,000,000 in 12.5s"),
        &mut real
    ));
    assert!(is_shown(&one, &two, &mut real));
    assert!(!is_shown(&one, &third, &mut real), "the same address is another elsewhere");
    assert!(is_shown(&other, &third, &mut real));
    assert!(!is_shown("in block 2, gas 7", "in block 2 gas 7", &mut real));
    assert!(!is_shown("a", "a b", &mut real));
    assert!(!is_shown("0x1a", "0x2b", &mut real));
}
