//! The whole tree against the house rules.

use std::path::{Path, PathBuf};

use entente_tidy::{Package, import_faults, packages, source_faults, tracked_files};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn imports_run_down_only() {
    let packages = packages(&root()).expect("cargo metadata");
    assert!(packages.len() > 10, "cargo metadata gave {} packages", packages.len());
    assert_eq!(import_faults(&packages), []);
}

#[test]
fn a_wrong_import_is_found() {
    let wrong = Package {
        name: "entente-pool".into(),
        imports: vec!["entente-ledger".into(), "tokio".into(), "entente-types".into()],
        always: Vec::new(),
    };
    let found: Vec<String> = import_faults(&[wrong]).into_iter().map(|fault| fault.to).collect();
    assert_eq!(found, ["entente-ledger", "tokio"]);
}

#[test]
fn files_are_tidy() {
    let root = root();
    let files = tracked_files(&root).expect("git ls-files");
    assert!(files.len() > 50, "git tracks {} files", files.len());
    let faults: Vec<String> = files
        .iter()
        .filter(|file| root.join(file).is_file())
        .flat_map(|file| source_faults(&root, file).expect("a readable file"))
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_folder_of_a_package_says_what_it_owns() {
    let root = root();
    for file in tracked_files(&root).expect("git ls-files") {
        let Some(folder) = file.parent().filter(|_| file.ends_with("Cargo.toml")) else { continue };
        let manifest = std::fs::read_to_string(root.join(&file)).expect("a manifest");
        if manifest.contains("[package]") && !folder.starts_with(".ci") {
            assert!(manifest.contains("\ndescription = \""), "{} has no description", file.display());
        }
    }
}

/// RocksDB's library is built once by itself: it must be of the version that the workspace links.
#[test]
fn one_version_of_rocksdb_stands_everywhere() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).expect("a file");
    let makefile = read("Makefile");
    let version = makefile.lines().find_map(|line| line.strip_prefix("ROCKSDB_VERSION := ")).expect("a version");
    assert!(read(".ci/rocksdb/Cargo.toml").contains(&format!("version = \"={version}\"")), "{version}");
    for lock in ["Cargo.lock", ".ci/rocksdb/Cargo.lock"] {
        let text = read(lock);
        let (_, after) = text.split_once("name = \"librocksdb-sys\"\nversion = \"").expect("librocksdb-sys");
        assert!(after.starts_with(&format!("{version}+")), "{lock} is not of {version}");
    }
}

/// The fuzz targets are a workspace of their own: what a package here begins to use must be in its lock file, too.
#[test]
fn the_fuzz_targets_lock_what_packages_use() {
    let lock = std::fs::read_to_string(root().join("fuzz/Cargo.lock")).expect("a file");
    let mut looked_at = 0;
    for package in packages(&root()).expect("cargo metadata") {
        let Some((_, entry)) = lock.split_once(&format!("\nname = \"{}\"\n", package.name)) else { continue };
        let entry = entry.split("\n[[package]]").next().expect("a part");
        looked_at += 1;
        for import in &package.always {
            let named = [format!("\n \"{import}\","), format!("\n \"{import} ")];
            assert!(
                named.iter().any(|line| entry.contains(line)),
                "{} uses {import}: run `cargo metadata` in fuzz/",
                package.name
            );
        }
    }
    assert!(looked_at > 10, "fuzz/Cargo.lock has {looked_at} packages of the workspace");
}
