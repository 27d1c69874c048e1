//! What functions of native modules return instead of a result: FISCO BCOS 2's "precompiled service API error codes",
//! in `2.x/en/docs/api.md` of its documentation. Its clients look at the returned number, not at the receipt's status.

use entente_types::Address;

/// No row was written: it holds already what it was to hold.
pub const NO_ROW: i64 = 0;
/// One row was written.
pub const ONE_ROW: i64 = 1;
/// The sender may not do this.
pub const PERMISSION_DENIED: i64 = -50_000;
/// The text is no node's identifier.
pub const INVALID_NODE_ID: i64 = -51_100;
/// The last sealer stays.
pub const LAST_SEALER: i64 = -51_101;
/// The node is not in the group.
pub const NOT_IN_GROUP: i64 = -51_103;
/// The node is a sealer already.
pub const ALREADY_SEALER: i64 = -51_104;
/// The node is an observer already.
pub const ALREADY_OBSERVER: i64 = -51_105;
/// The group has all the sealers it may have. Ours.
pub const TOO_MANY_SEALERS: i64 = -51_110;
/// The group has all the observers it may have. Ours.
pub const TOO_MANY_OBSERVERS: i64 = -51_111;
/// The number is no weight. Ours.
pub const INVALID_WEIGHT: i64 = -51_112;
/// The node has no weight, since it does not seal. Ours.
pub const NOT_A_SEALER: i64 = -51_113;
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

/// What a code of a module means, in words.
pub fn meaning(module: &Address, code: i64) -> Option<&'static str> {
    CODES.iter().find(|known| known.module == *module && known.code == code).map(|known| known.meaning)
}

const fn configuration(code: i64, meaning: &'static str) -> Code {
    Code { module: crate::SYSTEM_CONFIGURATION, code, meaning }
}

const fn members(code: i64, meaning: &'static str) -> Code {
    Code { module: crate::MEMBERS, code, meaning }
}

/// Every code that a module returns.
pub const CODES: &[Code] = &[
    configuration(ONE_ROW, "done"),
    configuration(PERMISSION_DENIED, "permission denied: only a sealer's account may set this key"),
    configuration(
        INVALID_CONFIGURATION,
        "invalid configuration entry: the key is none of the table below, or the value breaks its rule",
    ),
    members(ONE_ROW, "done"),
    members(NO_ROW, "the sealer has this weight already: nothing is changed"),
    members(PERMISSION_DENIED, "permission denied: only the account of a sealer's key may, by its own call"),
    members(INVALID_NODE_ID, "invalid node ID: not the 128 hexadecimal digits of a public key of the group's suite"),
    members(LAST_SEALER, "the last sealer cannot be removed"),
    members(NOT_IN_GROUP, "the node is neither a sealer nor an observer of the group"),
    members(ALREADY_SEALER, "the node is a sealer already"),
    members(ALREADY_OBSERVER, "the node is an observer already"),
    members(TOO_MANY_SEALERS, "the group has as many sealers as it may have: one with solo consensus, else 1024"),
    members(TOO_MANY_OBSERVERS, "the group has 1024 observers, as many as it may have"),
    members(INVALID_WEIGHT, "the weight is not a number from 1 to 4294967295"),
    members(NOT_A_SEALER, "the node is not a sealer, and so has no weight"),
];
