//! What functions of native modules return instead of a result: FISCO BCOS 2's "precompiled service API error codes",
//! in `2.x/en/docs/api.md` of its documentation. Its clients look at the returned number, not at the receipt's status.

use entente_types::Address;

/// One row was written.
pub const ONE_ROW: i64 = 1;
/// The sender may not do this.
pub const PERMISSION_DENIED: i64 = -50_000;
/// The key is none of this group's, or the value none of the key's.
pub const INVALID_CONFIGURATION: i64 = -51_300;

/// A code and what it means, for documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The module that returns it.
    pub module: Address,
    /// The number.
    pub code: i64,
    /// What it means.
    pub meaning: &'static str,
}

/// Every code that a module returns.
pub const CODES: &[Code] = &[
    Code { module: crate::SYSTEM_CONFIGURATION, code: ONE_ROW, meaning: "done" },
    Code {
        module: crate::SYSTEM_CONFIGURATION,
        code: PERMISSION_DENIED,
        meaning: "permission denied: only a sealer's account may set this key",
    },
    Code {
        module: crate::SYSTEM_CONFIGURATION,
        code: INVALID_CONFIGURATION,
        meaning: "invalid configuration entry: the key is none of the table below, or the value breaks its rule",
    },
];
