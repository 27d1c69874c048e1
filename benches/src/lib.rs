//! The figures of the performance page: the steps of a transfer's path timed, and the rows measured side by side.
//!
//! This crate owns the workload that every figure is taken with and how ratios are formed: two things measured in one
//! run, alternating, the median of several rounds. It never judges a figure but by the page's own threshold.
//!
//! ```
//! use entente_benches::median;
//!
//! assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
//! ```
#![forbid(unsafe_code)]

mod chain;
mod classes;
mod consortium;
mod erc20;
mod evm_classes;
mod gas;
mod growth;
mod measure;
mod members;
mod picture;
mod report;
mod soak;
mod steps;
mod threads;
mod workload;

pub use chain::{ChainRun, LatencyFigures, LoadFigures};
pub use consortium::{bytes_of_a_proposer, gap_without_a_proposer, replay_of_a_fresh_node};
pub use erc20::measure_erc20;
pub use gas::{GasFigure, REFERENCE, gas_table, measure_gas};
pub use growth::{Growth, GrowthPoint, measure_growth};
pub use measure::{median, recoveries_per_second, time};
pub use members::measure_members;

pub use picture::{draw, draw_growth, draw_soak};
pub use report::{Report, Row};
pub use soak::{Soak, SoakSample};
pub use steps::{Steps, measure_steps};
pub use threads::{Share, shares_table, shares_under_load};
pub use workload::{Workload, WorkloadError};
