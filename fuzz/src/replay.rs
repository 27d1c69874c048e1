//! Where inputs are kept, and running a target over them.

#![allow(unreachable_pub, dead_code, reason = "tests of the rooms include this file")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository, from whichever package this is part of.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().find(|folder| folder.join("fuzz/regressions").is_dir());
    root.expect("the folder fuzz/regressions").to_path_buf()
}

/// Everything that fuzzing found in a target, by name.
pub fn regressions(target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(root().join("fuzz/regressions").join(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(&path).expect("a readable file"))).collect()
}

/// Runs a target over its seeds and over everything that was found in it.
pub fn over(target: &str, seeds: Vec<Vec<u8>>, check: impl Fn(&[u8])) {
    assert!(!seeds.is_empty(), "{target} has no seed");
    let seeds = seeds.into_iter().enumerate().map(|(index, seed)| (format!("seed {index} of {target}"), seed));
    for (name, input) in seeds.chain(regressions(target)) {
        // Shown where the check fails.
        eprintln!("{name}");
        check(&input);
    }
}
