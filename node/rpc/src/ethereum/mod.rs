//! Ethereum's methods, as its execution API (ethereum/execution-apis) describes them: its tools ask a group as they ask
//! any chain of theirs.
//!
//! A block is named by the hash of its Ethereum header, and an Ethereum transaction by Ethereum's hash, which is the
//! ledger's too. Every committed block is final: `latest`, `safe`, `finalized` and `pending` are the same one. Native
//! transactions look like legacy ones with nonce 0; what else they have stands in their field `entente`.

pub(crate) mod blocks;
mod call_parameters;
pub(crate) mod calls;
pub(crate) mod fees;
mod fields;
pub(crate) mod filters;
mod heights;
pub(crate) mod logs;
pub(crate) mod node;
mod parameters;
mod pending;
mod places;
pub(crate) mod quantity;
pub(crate) mod receipts;
mod revert;
pub(crate) mod sending;
mod sequence_parameters;
pub(crate) mod simulating;
pub(crate) mod state;
pub(crate) mod subscriptions;
mod syncing;
mod trace_views;
pub(crate) mod tracing;
pub(crate) mod transactions;

use crate::error::{BUSY, INTERNAL, RpcError};

pub(crate) use blocks::head_notice;
pub(crate) use filters::Filters;
pub(crate) use logs::EthereumLog;
pub(crate) use parameters::Form;
pub(crate) use pending::PendingFeed;
pub(crate) use places::BlockPlaces;
pub(crate) use quantity::big_endian;
pub(crate) use revert::REVERTED;

/// Ethereum's code for whatever has none of its own (EIP-1474: invalid input).
pub(crate) const FAILED: i32 = -32000;
/// Ethereum's code for limits (EIP-1474: limit exceeded).
pub(crate) const LIMITED: i32 = -32005;

/// An error with the code that Ethereum's tools know: JSON-RPC's own stay, FISCO BCOS's go.
pub(crate) fn in_ethereums_codes(error: RpcError) -> RpcError {
    let code = match error.code {
        BUSY => LIMITED,
        INTERNAL | REVERTED | -32700..=-32600 | -32099..=-32000 | -38026..=-38010 => error.code,
        _ => FAILED,
    };
    RpcError { code, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_ethereums_tools_do_not_know_are_theirs() {
        for (code, expected) in [
            (-32602, -32602),
            (-32603, -32603),
            (-32006, -32006),
            (3, 3),
            (BUSY, LIMITED),
            (-40004, FAILED),
            (10000, FAILED),
        ] {
            assert_eq!(in_ethereums_codes(RpcError::new(code, "why")), RpcError::new(expected, "why"));
        }
    }
}
