//! Puts into the program what `entente contract new` writes into a project: the sources of the library that contracts
//! are written with, as they are in this checkout, and the versions of other people's crates that it is tested with.
#![allow(missing_docs, reason = "a build script has no documentation of its own")]

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// The packages that a contract and its tests are built from; the first is the one that a contract names.
const PACKAGES: [&str; 6] =
    ["sdk/contract", "sdk/contract/macros", "runtime/host", "runtime/crypto", "runtime/types", "runtime/state"];
/// What a manifest says for this checkout alone.
const OURS_ALONE: [&str; 5] = ["[dev-dependencies", "[[bench]]", "[[test]]", "[lints", "[profile"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("&[\n");
    let mut manifests = String::new();
    for package in PACKAGES {
        let folder = root.join(package);
        println!("cargo::rerun-if-changed={}", folder.join("src").display());
        let manifest = without_ours(&read(&folder.join("Cargo.toml"))?);
        let written = out.join(format!("{}.toml", package.replace('/', "-")));
        fs::write(&written, &manifest)?;
        manifests += &manifest;
        row(&mut table, &format!("{package}/Cargo.toml"), &written)?;
        for file in sources(&folder.join("src"))? {
            let name = file.strip_prefix(&root)?.to_string_lossy().into_owned();
            row(&mut table, &name, &file)?;
        }
    }
    let written = out.join("workspace.toml");
    fs::write(&written, workspace(&read(&root.join("Cargo.toml"))?, &manifests))?;
    row(&mut table, "Cargo.toml", &written)?;
    row(&mut table, "LICENSE", &root.join("LICENSE"))?;
    table.push_str("]\n");
    fs::write(out.join("sdk.rs"), table)?;
    fs::write(out.join("Cargo.lock"), others_only(&read(&root.join("contracts/Cargo.lock"))?))?;
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}

/// Reads a file, and again when it has changed.
fn read(path: &Path) -> io::Result<String> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path)
}

/// A row of the table: where a file goes, and the file.
fn row(table: &mut String, name: &str, file: &Path) -> std::fmt::Result {
    writeln!(table, "    ({name:?}, include_str!({:?})),", file.display().to_string())
}

/// The Rust files below a folder, in the order of their names.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            files.extend(sources(&entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    Ok(files)
}

/// A manifest without the sections that only this checkout has a use for.
fn without_ours(manifest: &str) -> String {
    let mut kept = String::new();
    let mut ours = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            ours = OURS_ALONE.iter().any(|section| line.starts_with(section));
        }
        if !ours {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The manifest above the packages: what they inherit, and nothing else.
fn workspace(root: &str, manifests: &str) -> String {
    let section = |name: &'static str| {
        let lines = root.lines().skip_while(move |line| *line != name).skip(1);
        lines.take_while(|line| !line.starts_with('[')).filter(|line| line.contains(" = "))
    };
    let inherited = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default();
        let begins = [format!("\n{name}.workspace = true"), format!("\n{name} = {{ workspace = true")];
        begins.iter().any(|begin| manifests.contains(begin))
    };
    let members: Vec<String> = PACKAGES.iter().map(|package| format!("    {package:?},\n")).collect();
    let lines = |lines: Vec<&str>| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    format!(
        "# The library that contracts for Entente are written with, as the `entente` that made the project had it.\n\
         [workspace]\nresolver = \"3\"\nmembers = [\n{}]\n\n[workspace.package]\n{}\n[workspace.dependencies]\n{}",
        members.concat(),
        lines(section("[workspace.package]").collect()),
        lines(section("[workspace.dependencies]").filter(inherited).collect()),
    )
}

/// A lock file without the contracts of this checkout.
fn others_only(lock: &str) -> String {
    let mut parts = lock.split("\n[[package]]\n");
    let head = parts.next().unwrap_or_default().to_owned();
    parts
        .filter(|part| part.contains("\nsource = ") || part.starts_with("name = \"entente-"))
        .fold(head, |lock, part| lock + "\n[[package]]\n" + part)
}
