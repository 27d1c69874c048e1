//! Files that hold a contract: a module, or what a compiler of Solidity wrote.

use std::path::Path;

use entente_client::{
    abi::Artefact,
    limits::{ABI_BYTES_MAX, ARTEFACT_BYTES_MAX},
};
use entente_types::limits::INPUT_BYTES_MAX;

use crate::output::{Failure, read_bounded};

/// Reads a contract that is to be deployed: a module, an artefact as JSON, or a file of code with its ABI beside it.
pub(crate) fn read(file: &Path) -> Result<Artefact, Failure> {
    let at = |failure: Failure| failure.at(file.display());
    let is = |ending: &str| file.extension().is_some_and(|extension| extension == ending);
    if is("sol") {
        return Err(at(Failure::new(
            "this is a source; make of it what is deployed with: entente contract build PATH",
        )));
    }
    let bytes = read_bounded(file, ARTEFACT_BYTES_MAX.max(INPUT_BYTES_MAX) as u64)?;
    if bytes.starts_with(b"\0asm") {
        return Artefact::from_module(bytes).map_err(|error| at(error.into()));
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    if is("bin") {
        let beside = file.with_extension("abi");
        let abi = read_bounded(&beside, ABI_BYTES_MAX as u64)?;
        let abi = String::from_utf8(abi).map_err(|error| Failure::from(error.utf8_error()).at(beside.display()))?;
        return Artefact::from_digits(&text, &abi).map_err(|error| at(error.into()));
    }
    if !text.trim_start().starts_with(['{', '[']) {
        let line = "this is neither a WebAssembly module nor an artefact of Solidity; make one with: entente contract \
                    build PATH";
        return Err(at(Failure::new(line)));
    }
    Artefact::from_json(&text).map_err(|error| at(error.into()))
}
