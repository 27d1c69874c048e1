//! Prints what each class of code costs in time against what the gas schedule takes for it.
//!
//! `cargo bench -p entente-benches --bench gas -- PART` measures the classes whose names have this part.

use std::path::PathBuf;

use entente_benches::{Workload, gas_table, measure_gas, measure_members};

const ROUNDS: usize = 5;

fn main() {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut workload =
        Workload::new(&target.join("contracts/token.wasm"), 100).expect("the token's module; run `make contracts`");
    let mut figures = measure_gas(&mut workload, ROUNDS, only.as_deref()).expect("classes that run");
    let members = measure_members(ROUNDS).expect("a group with many members");
    figures.extend(members.into_iter().filter(|figure| only.as_ref().is_none_or(|only| figure.name.contains(only))));
    print!("{}", gas_table(&figures));
    figures.sort_by(|one, other| other.ratio.total_cmp(&one.ratio));
    if let Some(worst) = figures.first() {
        println!("worst: {:.2}, {}", worst.ratio, worst.name);
    }
}
