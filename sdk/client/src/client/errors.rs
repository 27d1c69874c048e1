//! What can go wrong, one type for each thing that is done. JSON-RPC codes are kept.

use entente_types::Hash;

use super::ReceiptAnswer;
use crate::{
    abi::revert_reason,
    limits::{BATCH_TRANSACTIONS_MAX, MESSAGE_BYTES_MAX, NODE_MESSAGE_CHARACTERS_MAX, shown},
};

/// An error object that a node answered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct NodeRefusal {
    /// The JSON-RPC code.
    pub code: i32,
    /// The node's message, bounded.
    pub message: String,
}

/// Codes that mean "not now": a limit of the node, which is FISCO BCOS's on requests per second; a pool that is full by
/// its transactions (FISCO BCOS's receipt status 28) or by its bytes (10006); jsonrpsee's "server is busy".
const FLOW_CONTROL_CODES: [i32; 4] = [-40011, 28, 10_006, -32009];

/// How Ethereum's nodes begin to say that the pool is full.
const POOL_IS_FULL: &str = "txpool is full";

impl NodeRefusal {
    /// A refusal whose message is cut to the limit.
    pub fn new(code: i32, message: &str) -> Self {
        Self { code, message: shown(message, NODE_MESSAGE_CHARACTERS_MAX) }
    }

    /// Whether the same may be sent again a little later. Ethereum's methods have one code for all refusals of a
    /// transaction, and say in words that the pool is full.
    pub fn is_flow_control(&self) -> bool {
        FLOW_CONTROL_CODES.contains(&self.code) || self.message.starts_with(POOL_IS_FULL)
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none.
    #[error("{url:?} is no node's address: {reason}; expected something like ws://127.0.0.1:8545")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL asks for TLS.
    #[error("{0}: this version has no TLS to nodes; use ws:// or http:// on the node's own machine")]
    Tls(String),
    /// Nobody answers there.
    #[error("no node answers at {url}: {reason}; is it running?")]
    Unreachable {
        /// The URL.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// It took too long.
    #[error("{url} did not answer within {seconds} s; is it a node, and is it running?")]
    Timeout {
        /// The URL.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Somebody answers who is no node.
    #[error("what answers at {url} speaks no WebSocket: {reason}; is it a node's RPC port?")]
    Handshake {
        /// The URL.
        url: String,
        /// What was answered.
        reason: String,
    },
}

/// Why a node's answer is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The node refused.
    #[error("the node refused {method}: {refusal}")]
    Refused {
        /// The method.
        method: String,
        /// The node's reason.
        refusal: NodeRefusal,
    },
    /// The connection is gone.
    #[error("the connection to {url} is lost: {reason}; is the node still running?")]
    Lost {
        /// The node.
        url: String,
        /// What was noticed.
        reason: String,
    },
    /// The node took too long.
    #[error("the node did not answer {method} within {seconds} s")]
    Timeout {
        /// The method.
        method: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The answer has another shape.
    #[error("the node's answer to {method} cannot be read: {reason}; is its version another than this client's?")]
    Answer {
        /// The method.
        method: String,
        /// What is wrong.
        reason: String,
    },
}

impl QueryError {
    /// The node's code, where it refused.
    pub const fn code(&self) -> Option<i32> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        }
    }
}

/// Why a transaction was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The node refused it, or could not be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The input does not fit into a transaction.
    #[error("the transaction's input has {found} bytes; at most {max} are allowed")]
    Input {
        /// How many there were.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// Too many at once.
    #[error("{0} transactions in one request; at most {BATCH_TRANSACTIONS_MAX} are allowed")]
    Batch(usize),
    /// Too many bytes at once.
    #[error("the request would have more than {MESSAGE_BYTES_MAX} bytes; send fewer transactions at once")]
    Message,
    /// The key belongs to another suite than the group.
    #[error(
        "the account's key is of the {account} suite, the group's suite is {group}; make a key that fits with: entente account new NAME --suite {group}"
    )]
    Suite {
        /// The account's suite.
        account: String,
        /// The group's suite.
        group: String,
    },
    /// The node names the transaction otherwise than this client.
    #[error("the node calls the transaction {node}, this client {client}: their versions differ")]
    Hash {
        /// The node's hash.
        node: Hash,
        /// The client's hash.
        client: Hash,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes: {0}")]
    Randomness(String),
}

impl SendError {
    /// The node's code, where it refused.
    pub const fn code(&self) -> Option<i32> {
        match self {
            Self::Query(error) => error.code(),
            _ => None,
        }
    }
}

/// Why a receipt was waited for in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The node refused, or could not be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// It took too long.
    #[error("transaction {hash} was not committed within {seconds} s; it may be yet: ask for its receipt later")]
    Timeout {
        /// The transaction.
        hash: Hash,
        /// How long was waited.
        seconds: u64,
    },
}

/// Why a transaction was not carried through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// It was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Its receipt did not come.
    #[error(transparent)]
    Wait(#[from] WaitError),
}

/// Why a contract was not deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The transaction was not carried through.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// It was committed, but failed.
    #[error("transaction {} was committed in block {} but the deployment failed: {}", .0.transaction, .0.block, .0.reason())]
    Failed(Box<ReceiptAnswer>),
}

/// Why a call has no answer. That a contract reverted is an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The node refused, or could not be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl CallError {
    /// The node's code, where it refused.
    pub const fn code(&self) -> Option<i32> {
        match self {
            Self::Query(error) => error.code(),
        }
    }
}

/// Why a subscription ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The connection is gone, or the node ended the subscription without a word.
    #[error("the subscription to {url} has ended: the connection is lost; is the node still running?")]
    Lost {
        /// The node.
        url: String,
    },
    /// The node ended the subscription and said why.
    #[error("{url} ended the subscription: {refusal}")]
    Ended {
        /// The node.
        url: String,
        /// Its reason.
        refusal: NodeRefusal,
    },
    /// Notifications came faster than they were read.
    #[error("the subscription to {url} has ended: notifications came faster than they were read; subscribe again")]
    Lagged {
        /// The node.
        url: String,
    },
    /// A notification has another shape.
    #[error("a notification of {url} cannot be read: {reason}; is its version another than this client's?")]
    Answer {
        /// The node.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl ReceiptAnswer {
    /// Why the transaction failed, in one line.
    pub fn reason(&self) -> String {
        failure(self.status, self.error.as_ref().map(|error| error.message.as_str()), &self.output)
    }
}

/// What a status other than 0 means, with the contract's own reason where it gave one.
pub(super) fn failure(status: u32, message: Option<&str>, output: &[u8]) -> String {
    let reason = revert_reason(output).or_else(|| message.map(|message| shown(message, NODE_MESSAGE_CHARACTERS_MAX)));
    match reason {
        Some(reason) => format!("{reason} (status {status})"),
        None => format!("status {status}"),
    }
}
