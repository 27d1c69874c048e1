//! The program `entente`: everything it does is in the library beside it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// A node frees on one thread what it allocated on another, transaction by transaction.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    entente_cli::run()
}
