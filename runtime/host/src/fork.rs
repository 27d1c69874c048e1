//! Which of Ethereum's forks rules EVM code.

/// A fork of Ethereum, by which instructions, their gas and the precompiles are chosen. A protocol version names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fork {
    /// March 2024: transient storage, MCOPY, and SELFDESTRUCT that removes only what its transaction created.
    Cancun,
    /// May 2025: precompiles for BLS12-381, and a floor under the gas of a transaction's input.
    Prague,
    /// December 2025: CLZ, a precompile for P-256, dearer and bounded modular exponentiation.
    Osaka,
}
