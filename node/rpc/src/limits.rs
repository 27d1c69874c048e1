//! Every length that a stranger supplies and that `config.toml` does not bound, in one place.

use std::time::Duration;

/// The transactions in one `entente_sendTransactions`.
pub const TRANSACTIONS_MAX: usize = 10_000;
/// The proofs of rows that are made at a time: each makes all that a block wrote again.
pub const ROW_PROOFS_MAX: usize = 4;
/// The characters of a found value that an error message repeats.
pub const FOUND_CHARACTERS_MAX: usize = 60;
/// The messages that may wait to be sent on one WebSocket connection; who reads no faster is waited for.
pub const MESSAGES_WAITING_MAX: u32 = 64;
/// The messages of a WebSocket connection that may be unanswered beyond `rpc.connection_requests_max`: refusals, and
/// answers that are made and not sent. With more of them nothing is read from it.
pub const ANSWERS_WAITING_MAX: u64 = 64;
/// The blocks that a subscriber may be behind before it is dropped.
pub const NOTICES_BEHIND_MAX: usize = 64;
/// How long a stopping server waits for its connections to end.
pub const STOP_WAIT: Duration = Duration::from_secs(2);
/// How long a peer may leave unread what is sent to it, before its connection is closed.
pub const STALL_WAIT: Duration = Duration::from_secs(30);
/// How long no connection is accepted after the system has refused one.
pub const ACCEPT_WAIT: Duration = Duration::from_millis(100);
