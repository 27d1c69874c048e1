//! Every kind of file in a node's folder, damaged: the node says which it is and what to do, or does without it, and
//! nothing is lost.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use common::{Home, text, token};
use serde_json::Value;

/// Copies a folder with all below it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files below a folder whose names contain this, the largest last.
fn files(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.file_name().unwrap().to_str().unwrap().contains(part))
        .collect();
    found.sort_by_key(|path| fs::metadata(path).unwrap().len());
    found
}

/// What is done to a file.
#[derive(Clone, Copy)]
enum Damage {
    Removed,
    Cut,
    Flipped,
    Replaced(&'static str),
}

fn damage(file: &Path, how: Damage) {
    match how {
        Damage::Removed => fs::remove_file(file).unwrap(),
        Damage::Cut => {
            let length = fs::metadata(file).unwrap().len();
            assert!(length > 1, "{} has {length} bytes", file.display());
            fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length / 2).unwrap();
        }
        Damage::Flipped => {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            fs::write(file, bytes).unwrap();
        }
        Damage::Replaced(text) => fs::write(file, text).unwrap(),
    }
}

/// A copy of the folder of a node that was killed, so that its log is not empty, and what `verify` says of it.
fn killed_node(home: &Home) -> (PathBuf, Value) {
    let chain = home.chain(&[]);
    home.json(&["account", "new", "alice"]);
    let rpc = chain.rpc.clone();
    let token = token();
    let deployed = home.json(&["contract", "deploy", token.to_str().unwrap(), "--rpc", &rpc, "--account", "alice"]);
    let address = deployed["address"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let receiver = "0x00000000000000000000000000000000000010ab";
        home.json(&["contract", "send", &address, "transfer", receiver, "5", "--rpc", &rpc, "--account", "alice"]);
    }
    chain.kill();
    std::thread::sleep(Duration::from_millis(100));
    let kept = home.path("kept");
    copy(&home.path("chain/node0"), &kept);
    // Opening a store empties its log: another copy is verified.
    let verified = home.json(&["verify", "--dir", "chain/node0"]);
    assert_eq!(verified["ok"], true);
    (kept, verified)
}

/// Starts the node of a folder and stops it again once it runs: nothing, or the line with which it refused.
fn start(home: &Home, folder: &Path) -> Option<String> {
    // Left behind by the kill.
    let _ = fs::remove_file(folder.join("node.rpc"));
    let mut child = home
        .command(&["node", "run", "--dir", folder.to_str().unwrap()])
        .stderr(fs::File::create(folder.join("log")).unwrap())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..400 {
        if let Some(status) = child.try_wait().unwrap() {
            let log = fs::read_to_string(folder.join("log")).unwrap();
            assert_eq!(status.code(), Some(1), "{log}");
            let line = log.lines().last().unwrap().to_owned();
            return Some(line.strip_prefix("error: ").unwrap_or_else(|| panic!("{log}")).to_owned());
        }
        if folder.join("node.rpc").is_file() {
            assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
            assert!(child.wait().unwrap().success(), "{}", fs::read_to_string(folder.join("log")).unwrap());
            return None;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    child.kill().unwrap();
    panic!("the node of {} neither runs nor refuses", folder.display());
}

#[test]
fn each_kind_of_file_is_named_when_it_is_damaged() {
    let home = Home::new();
    let (kept, before) = killed_node(&home);
    let peers = "fetch the chain from peers";
    let cases: &[(&str, &str, Damage, &[&str])] = &[
        ("", "config.toml", Damage::Removed, &["config.toml"]),
        ("", "config.toml", Damage::Replaced("[rpc]\nlisten = 7\n"), &["config.toml", "2"]),
        ("", "genesis.toml", Damage::Removed, &["genesis.toml"]),
        ("", "genesis.toml", Damage::Cut, &["genesis.toml"]),
        ("keys", "consensus.key", Damage::Removed, &["consensus.key"]),
        ("keys", "consensus.key", Damage::Cut, &["consensus.key", "64 hexadecimal digits"]),
        ("data/group1", "CURRENT", Damage::Removed, &["CURRENT", peers]),
        ("data/group1", "CURRENT", Damage::Cut, &["CURRENT", peers]),
        ("data/group1", "MANIFEST", Damage::Removed, &["MANIFEST"]),
        ("data/group1", "MANIFEST", Damage::Flipped, &["data/group1", peers]),
        ("data/group1", ".log", Damage::Removed, &["was synced", "removed, cut short", peers]),
        ("data/group1", ".log", Damage::Cut, &["was synced", "removed, cut short", peers]),
        ("data/group1", ".log", Damage::Flipped, &["data/group1", peers]),
    ];
    for (folder, part, how, expected) in cases {
        let node = home.path("damaged");
        copy(&kept, &node);
        let file = files(&node.join(folder), part).pop().unwrap_or_else(|| panic!("no {part} in {folder}"));
        damage(&file, *how);
        let line = start(&home, &node).unwrap_or_else(|| panic!("it runs without its {part}"));
        for words in *expected {
            assert!(line.contains(words), "{part}: {line}");
        }
        let doctor = home.run(&["doctor", "--dir", node.to_str().unwrap(), "--json"]);
        assert_eq!(doctor.status.code(), Some(1), "{part}: {}", text(&doctor.stdout));
        let diagnosis: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        assert_eq!(diagnosis["healthy"], false, "{part}: {diagnosis}");
        fs::remove_dir_all(&node).unwrap();
    }
    // The copy is what it was: nothing above touched it.
    assert_eq!(home.json(&["verify", "--dir", kept.to_str().unwrap()]), before);
}

#[test]
fn what_can_be_made_again_is_made_again() {
    let home = Home::new();
    let (kept, before) = killed_node(&home);
    for (folder, part, how) in [
        ("data/group1", "OPTIONS", Damage::Removed),
        ("data/group1", "OPTIONS", Damage::Cut),
        ("data/group1", "IDENTITY", Damage::Removed),
        ("data/group1", "SYNCED", Damage::Removed),
        ("data/group1", "SYNCED", Damage::Cut),
        ("data/group1", "LOCK", Damage::Removed),
        ("data/code.cache", "", Damage::Removed),
        ("data/code.cache", "", Damage::Cut),
        ("data/code.cache", "", Damage::Flipped),
    ] {
        let node = home.path("damaged");
        copy(&kept, &node);
        let file = files(&node.join(folder), part).pop().unwrap_or_else(|| panic!("no {part} in {folder}"));
        damage(&file, how);
        assert_eq!(start(&home, &node), None, "{}", file.display());
        assert_eq!(home.json(&["verify", "--dir", node.to_str().unwrap()]), before);
        let doctor = home.json(&["doctor", "--dir", node.to_str().unwrap(), "--deep"]);
        assert_eq!(doctor["healthy"], true, "{doctor}");
        fs::remove_dir_all(&node).unwrap();
    }
}

/// Sorted files are not read whole when a node starts: what is damaged in them is found when it is needed, or by those
/// who read all.
#[test]
fn damage_in_sorted_files_is_found_by_verify_and_doctor() {
    let home = Home::new();
    let (kept, _) = killed_node(&home);
    assert_eq!(start(&home, &kept), None);
    for how in [Damage::Removed, Damage::Flipped, Damage::Cut] {
        let count = files(&kept.join("data/group1"), ".sst").len();
        assert!(count > 4, "{count} sorted files");
        for place in 0..count {
            let node = home.path("damaged");
            copy(&kept, &node);
            let file = files(&node.join("data/group1"), ".sst").remove(place);
            damage(&file, how);
            let output = home.run(&["verify", "--dir", node.to_str().unwrap()]);
            let line = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{}: {line}", file.display());
            assert!(line.contains(".sst") || line.contains("damaged") || line.contains("missing"), "{line}");
            let doctor = home.run(&["doctor", "--dir", node.to_str().unwrap(), "--deep", "--json"]);
            assert_eq!(doctor.status.code(), Some(1));
            fs::remove_dir_all(&node).unwrap();
        }
    }
}
