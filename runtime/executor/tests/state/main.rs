//! Ethereum's state tests through the whole executor: a block with one transaction over the state that a test begins
//! with, and every account compared with what the test says.
//!
//! The sample in `sample/`, whose cases are ours and filled in by plain revm, runs always. With `ENTENTE_STATE_TESTS`
//! naming a folder of fixtures of Ethereum's execution-spec-tests (`state_tests`, of any release that has the fork), all
//! of that folder run too, and a table says how many passed and why the others did not. What became of each is written
//! to the file that `ENTENTE_STATE_CASES` names: `make conformance` reads it.

#[path = "../common/assembler.rs"]
mod assembler;
mod cases;
#[path = "../common/ethereum.rs"]
mod ethereum;
mod fixture;
mod known;
#[path = "../common/reference.rs"]
mod reference;
mod set_code;

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use fixture::{Case, Verdict};
use rayon::prelude::*;

/// Runs every case of a folder.
fn run_folder(folder: &Path) -> Vec<(String, Verdict)> {
    let mut files = Vec::new();
    list(folder, &mut files);
    files.sort_unstable();
    let run = |path: &PathBuf| {
        let shown = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        let text = std::fs::read(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let cases = Case::read_all(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
        cases.into_iter().map(|case| (format!("{shown}: {}", case.name), case.run())).collect::<Vec<_>>()
    };
    files.par_iter().flat_map(run).collect()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

/// With the stack that an execution thread has.
fn on_a_large_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().stack_size(entente_executor::EXECUTION_STACK_BYTES).build();
    pool.expect("threads").install(run)
}

/// `ENTENTE_BLESS` writes it anew.
#[test]
fn the_sample_is_what_plain_revm_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/sample/cases.json");
    let filled = serde_json::to_string_pretty(&cases::filled()).expect("json") + "\n";
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        std::fs::write(&path, &filled).expect("written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(stored == filled, "{} is not what plain revm says: ENTENTE_BLESS=1 writes it anew", path.display());
}

#[test]
fn the_sample_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/sample");
    let ran = on_a_large_stack(|| run_folder(&folder));
    assert!(ran.len() >= 60, "only {} cases", ran.len());
    for (name, verdict) in ran {
        assert_eq!(verdict, Verdict::Passed, "{name}");
    }
}

/// Each case as a line of JSON: what became of it, in the words of the case, and why if that is known.
fn told(ran: &[(String, Verdict)]) -> String {
    let mut lines = String::new();
    for (name, verdict) in ran {
        let (outcome, reason, known) = match verdict {
            Verdict::Passed => ("passed", None, None),
            Verdict::NotCarried(why) => ("excluded", None, Some(*why)),
            Verdict::Failed(what) => ("failed", Some(what), known::reason(name)),
        };
        let line = serde_json::json!({ "name": name, "outcome": outcome, "reason": reason, "known": known });
        writeln!(lines, "{line}").expect("a text takes everything");
    }
    lines
}

#[test]
fn all_of_a_folder_pass_but_those_with_a_reason() {
    let Some(folder) = std::env::var_os("ENTENTE_STATE_TESTS") else { return };
    let ran = on_a_large_stack(|| run_folder(Path::new(&folder)));
    let total = ran.len();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let mut passed = 0_usize;
    if let Some(file) = std::env::var_os("ENTENTE_STATE_CASES") {
        std::fs::write(&file, told(&ran)).unwrap_or_else(|error| panic!("{}: {error}", Path::new(&file).display()));
    }
    for (name, verdict) in ran {
        match verdict {
            Verdict::Passed => passed += 1,
            Verdict::NotCarried(why) => *reasons.entry(why).or_default() += 1,
            Verdict::Failed(what) => match known::reason(&name) {
                Some(why) => *reasons.entry(why).or_default() += 1,
                None => unexplained.push(format!("{name}: {what}")),
            },
        }
    }
    println!("{passed} of {total} cases pass: {:.1} %", passed as f64 * 100.0 / total.max(1) as f64);
    for (why, count) in reasons {
        println!("{count:7}  {why}");
    }
    println!("{:7}  without a reason", unexplained.len());
    let shown: Vec<&String> = unexplained.iter().take(200).collect();
    assert!(unexplained.is_empty(), "{shown:#?}");
    // Of Osaka's state tests in execution-spec-tests 5.4.0, 4.0 in 100 are of transactions that are not carried.
    assert!(passed * 100 >= total * 95, "fewer than 95 of 100 pass");
}
