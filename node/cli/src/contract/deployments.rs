//! What this user deployed, so that a contract can be used by its address alone: the ABI of each, by chain and
//! address.

use std::{
    fs,
    path::{Path, PathBuf},
};

use entente_client::{
    abi::{Abi, Artefact},
    client::Group,
    limits::ABI_BYTES_MAX,
};
use entente_types::{Address, Hash, limits::INPUT_BYTES_MAX};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::output::{Failure, read_bounded};

/// What is remembered of a deployment.
#[derive(Serialize)]
struct Remembered<'a> {
    address: Address,
    transaction: Hash,
    /// The name of the module's file, or of the artefact's.
    module: String,
    abi: &'a RawValue,
}

fn path(genesis: &Hash, address: &Address) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    let folder = Path::new(&home).join(".entente").join("contracts").join(genesis.to_string());
    Some(folder.join(format!("{address}.json")))
}

/// Remembers a deployment.
pub(super) fn remember(
    genesis: &Hash,
    address: Address,
    transaction: Hash,
    file: &Path,
    artefact: &Artefact,
) -> Result<(), Failure> {
    let Some(path) = path(genesis, &address) else { return Ok(()) };
    let module = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let abi: &RawValue = serde_json::from_str(artefact.abi_json())?;
    let text = serde_json::to_string(&Remembered { address, transaction, module, abi })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    written.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// The ABI of a contract: from the file that was named, else as it was remembered, else as the node knows it.
pub(super) async fn abi(file: Option<&Path>, group: &Group, address: &Address) -> Result<Abi, Failure> {
    if let Some(file) = file {
        return read(file);
    }
    if let Some(path) = path(&group.genesis_hash(), address).filter(|path| path.is_file()) {
        return read(&path);
    }
    match group.abi_json(address).await? {
        Some(json) => Abi::from_json(&json).map_err(|error| Failure::from(error).at(address)),
        None => Err(Failure::new(format!(
            "{address}: neither this user nor the node knows an ABI of it; name one with --abi FILE (the module, or JSON)"
        ))),
    }
}

/// Reads an ABI from a module or from JSON, which may be an artefact.
fn read(file: &Path) -> Result<Abi, Failure> {
    let bytes_max = u64::try_from(ABI_BYTES_MAX.max(INPUT_BYTES_MAX)).unwrap_or(u64::MAX);
    let bytes = read_bounded(file, bytes_max)?;
    let at = |failure: Failure| failure.at(file.display());
    if bytes.starts_with(b"\0asm") {
        return Abi::from_module(&bytes).map_err(|error| at(error.into()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| at(Failure::new("neither a module nor JSON")))?;
    Abi::from_json(text).map_err(|error| at(error.into()))
}
