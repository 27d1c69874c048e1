//! The house rules that a machine can check: who imports whom, how long files and functions are, what may not stand
//! in them.
//!
//! This crate owns the list of allowed imports between rooms. It never changes a file.
//!
//! ```
//! assert!(entente_tidy::may_import("entente-ledger", "entente-storage"));
//! assert!(!entente_tidy::may_import("entente-storage", "entente-ledger"));
//! ```
#![forbid(unsafe_code)]

mod imports;
mod source;

pub use imports::{ImportFault, Package, import_faults, may_import, may_name_tokio, packages};
pub use source::{FILE_LINES_MAX, FUNCTION_LINES_MAX, SourceFault, source_faults, tracked_files};
