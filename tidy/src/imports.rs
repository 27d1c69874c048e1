//! Who imports whom.

use std::{io, path::Path, process::Command};

use serde::Deserialize;

/// What each room may import of the others: the arrows of the house. A room that is not here may import nothing.
const ROOMS: &[(&str, &[&str])] = &[
    ("crypto", &[]),
    ("state", &["crypto"]),
    ("types", &["crypto", "state"]),
    ("host", &["crypto", "types", "state"]),
    ("wasm", &["crypto", "types", "host"]),
    ("evm", &["crypto", "types", "host"]),
    ("executor", &["crypto", "types", "state", "host", "wasm", "evm"]),
    ("precompiles", &["crypto", "types", "state", "host"]),
    ("storage", &[]),
    ("ledger", &["crypto", "types", "state", "storage"]),
    ("pool", &["crypto", "types"]),
    ("consensus", &["crypto", "types"]),
    ("sync", &["types"]),
    ("network", &["crypto"]),
    (
        "group",
        &[
            "crypto",
            "types",
            "state",
            "host",
            "executor",
            "precompiles",
            "storage",
            "ledger",
            "pool",
            "consensus",
            "sync",
        ],
    ),
    (
        "sim",
        &[
            "crypto",
            "types",
            "state",
            "host",
            "executor",
            "precompiles",
            "storage",
            "ledger",
            "pool",
            "consensus",
            "sync",
            "group",
        ],
    ),
    // A group of one, for tests of contracts.
    ("dev", &["crypto", "types", "state", "host", "executor", "ledger", "pool", "group"]),
    ("driver", &["crypto", "types", "host", "executor", "storage", "ledger", "pool", "group", "dev", "network"]),
    ("rpc", &["crypto", "types", "state", "host", "executor", "ledger", "pool", "dev", "driver"]),
    ("contract-macros", &[]),
    // All but the macros and the host's table are for the chain in memory of native tests.
    ("contract", &["contract-macros", "crypto", "types", "host"]),
    ("client", &["crypto", "types"]),
    (
        "cli",
        &[
            "crypto",
            "types",
            "state",
            "host",
            "executor",
            "precompiles",
            "storage",
            "ledger",
            "pool",
            "group",
            "network",
            "driver",
            "rpc",
            "client",
        ],
    ),
    (
        "benches",
        &[
            "crypto",
            "types",
            "state",
            "host",
            "wasm",
            "executor",
            "storage",
            "ledger",
            "pool",
            "consensus",
            "group",
            "sim",
            "driver",
            "rpc",
            "client",
            "cli",
        ],
    ),
    ("tidy", &[]),
    // Tests may import it; no room may.
    ("testing", &["crypto", "types", "state"]),
    ("disk", &[]),
    ("chaos", &["crypto", "types", "sim", "client"]),
];

/// The rooms that may name tokio: all others are without a clock and threads of their own.
const TOKIO: &[&str] = &["driver", "network", "rpc", "keys", "client", "cli", "benches", "chaos"];

/// A package of the workspace and what it imports outside its tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The names of its dependencies.
    pub imports: Vec<String>,
    /// Those of them that it has without any feature.
    pub always: Vec<String>,
}

/// An import against the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportFault {
    /// Who imports.
    pub from: String,
    /// What.
    pub to: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    kind: Option<String>,
    optional: bool,
}

/// The packages of the workspace that stands at this folder, as cargo sees them.
pub fn packages(root: &Path) -> io::Result<Vec<Package>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let package = |package: MetadataPackage| {
        let used = package.dependencies.into_iter().filter(|dependency| dependency.kind.is_none());
        let used: Vec<MetadataDependency> = used.collect();
        let always = used.iter().filter(|dependency| !dependency.optional).map(|dependency| dependency.name.clone());
        Package {
            name: package.name,
            always: always.collect(),
            imports: used.into_iter().map(|dependency| dependency.name).collect(),
        }
    };
    Ok(metadata.packages.into_iter().map(package).collect())
}

fn room(package: &str) -> Option<&str> {
    package.strip_prefix("entente-")
}

/// Whether the first package may import the second, both named in full.
pub fn may_import(from: &str, to: &str) -> bool {
    let (Some(from), Some(to)) = (room(from), room(to)) else { return false };
    ROOMS.iter().any(|(name, allowed)| *name == from && allowed.contains(&to))
}

/// Whether the package may name tokio.
pub fn may_name_tokio(package: &str) -> bool {
    room(package).is_some_and(|room| TOKIO.contains(&room))
}

/// Every import between rooms that is not allowed, and every use of tokio where none may be.
pub fn import_faults(packages: &[Package]) -> Vec<ImportFault> {
    let wrong = |from: &str, to: &str| {
        (to.starts_with("entente-") && !may_import(from, to)) || (to == "tokio" && !may_name_tokio(from))
    };
    packages
        .iter()
        .flat_map(|package| package.imports.iter().map(move |import| (&package.name, import)))
        .filter(|(from, to)| wrong(from, to))
        .map(|(from, to)| ImportFault { from: from.clone(), to: to.clone() })
        .collect()
}
