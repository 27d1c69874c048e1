//! What a request is refused with: JSON-RPC's codes, FISCO BCOS's, and those of refused transactions.

use entente_driver::{CallError, SubmitError};
use entente_host::NodeFault;
use entente_ledger::{Ledger, ReadError, WritesError};
use entente_pool::AdmissionError;
use entente_types::{BlockNumber, Hash, MembersError, TransactionError, hex_bytes};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use serde::Serialize;

use crate::ethereum::{FAILED, LIMITED, REVERTED};

/// A code that this server answers with, for the documentation.
pub(crate) struct Code {
    pub(crate) code: i32,
    pub(crate) meaning: &'static str,
}

/// The request cannot be answered on this connection.
pub(crate) const INVALID_REQUEST: i32 = -32600;
/// There is no such method.
pub(crate) const NO_METHOD: i32 = -32601;
/// A parameter is missing, malformed or out of bounds.
pub(crate) const INVALID_PARAMETERS: i32 = -32602;
/// The node cannot answer, through no fault of the request.
pub(crate) const INTERNAL: i32 = -32603;
/// A subscriber was too slow.
pub(crate) const TOO_SLOW: i32 = -32010;
/// The group is not on this node.
pub(crate) const NO_GROUP: i32 = -40001;
/// No block has this hash.
pub(crate) const NO_BLOCK_HASH: i32 = -40003;
/// No block has this number, or its state is not kept.
pub(crate) const NO_BLOCK_NUMBER: i32 = -40004;
/// The block has no transaction at this place.
pub(crate) const NO_INDEX: i32 = -40005;
/// FISCO BCOS's `call` names who calls.
pub(crate) const NO_FROM: i32 = -40006;
/// The group's consensus has no views.
pub(crate) const NO_VIEW: i32 = -40007;
/// The key is none of the system configuration's.
pub(crate) const NO_CONFIGURATION_KEY: i32 = -40008;
/// The connection has all the subscriptions that it may have.
pub(crate) const TOO_MANY_SUBSCRIPTIONS: i32 = -32006;
/// The answer would have too many bytes.
pub(crate) const RESPONSE_TOO_LARGE: i32 = -32008;
/// A limit of the node is reached: FISCO BCOS's code for too many requests a second.
pub(crate) const BUSY: i32 = -40011;
/// The bytes are no transaction: FISCO BCOS's receipt status MalformedTx.
pub(crate) const MALFORMED_TRANSACTION: i32 = 10005;

/// Every code of this server and of the one below it. Codes of refused transactions are the pool's.
pub(crate) const CODES: &[Code] = &[
    Code { code: -32700, meaning: "the request is no JSON" },
    Code { code: INVALID_REQUEST, meaning: "the request is no JSON-RPC request, or needs a WebSocket" },
    Code { code: NO_METHOD, meaning: "there is no such method, or its subject is not there yet, as the message says" },
    Code {
        code: INVALID_PARAMETERS,
        meaning: "a parameter is missing, malformed or out of bounds; the message names it",
    },
    Code { code: INTERNAL, meaning: "the node cannot answer: it is stopping, has stopped, or cannot read its ledger" },
    Code {
        code: TOO_MANY_SUBSCRIPTIONS,
        meaning: "too many subscriptions on this connection (`rpc.subscriptions_max`)",
    },
    Code { code: -32007, meaning: "the request has too many bytes (`rpc.request_bytes_max`)" },
    Code { code: RESPONSE_TOO_LARGE, meaning: "the answer would have too many bytes (`rpc.response_bytes_max`)" },
    Code {
        code: TOO_SLOW,
        meaning: "the batch has too many requests (`rpc.batch_requests_max`); in a notification: the subscriber was too slow",
    },
    Code {
        code: FAILED,
        meaning: "of Ethereum's methods: whatever has no code of its own there; the message begins as Ethereum's nodes say it",
    },
    Code {
        code: REVERTED,
        meaning: "of Ethereum's methods: the contract reverted; `data` is what it gave back, and the message its reason",
    },
    Code { code: LIMITED, meaning: "of Ethereum's methods: a limit of the node is reached; ask again later" },
    Code { code: NO_GROUP, meaning: "the group does not exist on this node" },
    Code { code: NO_BLOCK_HASH, meaning: "no block has this hash" },
    Code {
        code: NO_BLOCK_NUMBER,
        meaning: "no block has this number, or it, its state or what it wrote is not kept on this node",
    },
    Code { code: NO_INDEX, meaning: "the block has no transaction at this place" },
    Code { code: NO_FROM, meaning: "`call` needs a `from`" },
    Code { code: NO_VIEW, meaning: "the group's consensus has no views" },
    Code { code: NO_CONFIGURATION_KEY, meaning: "the system configuration has no such key" },
    Code {
        code: BUSY,
        meaning: "a limit on requests a second or on work at a time is reached, which the message names; send again later",
    },
    Code { code: 4, meaning: "transaction refused: its gas limit" },
    Code { code: 5, meaning: "transaction refused: its signature" },
    Code { code: 15, meaning: "transaction refused: its nonce was used" },
    Code { code: 16, meaning: "transaction refused: `valid_until` is past or too far ahead" },
    Code {
        code: 28,
        meaning: "transaction refused: the pool holds its limit of transactions, or of its sender's; send again later",
    },
    Code { code: 29, meaning: "transaction refused: the group's rules do not accept its kind" },
    Code { code: 10000, meaning: "transaction refused: it waits in the pool already" },
    Code { code: 10002, meaning: "transaction refused: it is for another chain" },
    Code { code: 10003, meaning: "transaction refused: it is for another group" },
    Code { code: MALFORMED_TRANSACTION, meaning: "transaction refused: the bytes are no transaction" },
    Code { code: 10006, meaning: "transaction refused: the pool holds its limit of bytes; send again later" },
];

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) message: String,
    /// What Ethereum's tools read beside it.
    pub(crate) data: Option<ErrorData>,
}

/// What Ethereum's tools read beside a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum ErrorData {
    /// What a revert gave back, as hexadecimal digits.
    Output(String),
    /// The same of a transaction that is in a block, as Hardhat's node says it.
    Sent {
        message: String,
        #[serde(rename = "txHash")]
        transaction: Hash,
        data: String,
    },
}

impl RpcError {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same with these bytes beside it.
    pub(crate) fn bearing(self, bytes: &[u8]) -> Self {
        Self { data: Some(ErrorData::Output(hex_bytes::encode(bytes))), ..self }
    }

    pub(crate) fn parameters(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMETERS, message)
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        ErrorObject::owned(error.code, error.message, error.data)
    }
}

impl From<AdmissionError> for RpcError {
    fn from(error: AdmissionError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<TransactionError> for RpcError {
    fn from(error: TransactionError) -> Self {
        Self::new(MALFORMED_TRANSACTION, error.to_string())
    }
}

impl From<SubmitError> for RpcError {
    fn from(error: SubmitError) -> Self {
        let code = match error {
            SubmitError::Busy { .. } | SubmitError::BusyChecking { .. } => BUSY,
            SubmitError::Stopped => INTERNAL,
        };
        Self::new(code, error.to_string())
    }
}

impl RpcError {
    /// Whether the ledger has the header of this block alone, since the node began from a snapshot.
    pub(crate) fn not_kept(ledger: &Ledger, number: BlockNumber) -> Option<Self> {
        let oldest = ledger.oldest_block();
        (1..oldest).contains(&number).then(|| {
            let message = format!(
                "block {number} is not kept on this node, which began from a snapshot and has blocks from {oldest} on; ask \
                 another node"
            );
            Self::new(NO_BLOCK_NUMBER, message)
        })
    }
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        let code = match &error {
            CallError::History(_) => NO_BLOCK_NUMBER,
            CallError::Busy { .. } => BUSY,
            CallError::Node(_) | CallError::Read(_) | CallError::Stopping => INTERNAL,
        };
        Self::new(code, error.to_string())
    }
}

impl From<WritesError> for RpcError {
    fn from(error: WritesError) -> Self {
        match error {
            WritesError::Read(error) => error.into(),
            WritesError::Genesis | WritesError::Pruned { .. } | WritesError::Future { .. } => {
                Self::new(NO_BLOCK_NUMBER, error.to_string())
            }
        }
    }
}

impl From<NodeFault> for RpcError {
    fn from(error: NodeFault) -> Self {
        tracing::error!(%error, "state_unreadable");
        Self::new(INTERNAL, error.to_string())
    }
}

impl From<MembersError> for RpcError {
    fn from(error: MembersError) -> Self {
        NodeFault::from(error).into()
    }
}

impl From<ReadError> for RpcError {
    fn from(error: ReadError) -> Self {
        // The operator must hear of a damaged ledger, not only whoever happened to ask.
        tracing::error!(%error, "ledger_unreadable");
        Self::new(INTERNAL, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_node_has_one_code_whatever_it_is_busy_with() {
        for error in [
            RpcError::from(CallError::Busy { limit: 7 }),
            RpcError::from(SubmitError::Busy { limit: 7 }),
            RpcError::from(SubmitError::BusyChecking { used: 6, count: 2, limit: 7 }),
        ] {
            assert_eq!(error.code, BUSY);
            assert!(error.message.contains('7') && error.message.contains("_max`)"), "{error:?}");
            assert!(error.message.ends_with("again later"), "{error:?}");
        }
        assert_eq!(RpcError::from(CallError::Stopping).code, INTERNAL);
        assert_eq!(RpcError::from(SubmitError::Stopped).code, INTERNAL);
    }
}
