//! The bodies of the fuzz targets: one module for each room that reads what strangers send, or must equal a model.
//!
//! Each has `check`, which panics where something is wrong with an input, and `seeds`, the inputs to begin with. The
//! binaries hand inputs of libFuzzer's to them; tests of the rooms run them over `regressions`.

mod allocation;
pub mod client;
pub mod contract;
pub mod contracts;
pub mod crypto;
pub mod driver;
pub mod executor;
pub mod group;
pub mod input;
pub mod network;
pub mod replay;
pub mod rpc;
pub mod smith;
pub mod state;
pub mod storage;
pub mod types;

use std::path::PathBuf;

pub use allocation::{Allowance, bounded};

/// Before the first input: leaves the seeds where `ENTENTE_FUZZ_SEEDS` says.
pub fn begin(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(folder) = std::env::var_os("ENTENTE_FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (index, seed) in seeds().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index:03}")), seed).expect("a file for a seed");
    }
}

/// Writes the binary of a target: its module, and the memory that its inputs may have.
#[macro_export]
macro_rules! target {
    ($room:ident, $byte:expr, $fixed:expr) => {
        libfuzzer_sys::fuzz_target!(init: $crate::begin($crate::$room::seeds), |data: &[u8]| {
            $crate::bounded($crate::Allowance { byte: $byte, fixed: $fixed }, data, $crate::$room::check);
        });
    };
}
