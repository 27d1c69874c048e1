//! Every length that a stranger supplies and that `config.toml` does not bound, in one place.

use std::time::Duration;

use entente_types::limits::PROOF_BYTES_MAX;

/// The transactions in one `entente_sendTransactions`.
pub const TRANSACTIONS_MAX: usize = 10_000;
/// The proofs of rows that are made at a time: each makes all that a block wrote again.
pub const ROW_PROOFS_MAX: usize = 4;
/// The changes of the sealer set in one `entente_sealerChanges`.
pub const SEALER_CHANGES_MAX: usize = 16;
/// The changes of the sealer set that one proof bears.
pub const PROOF_CHANGES_MAX: usize = 512;
/// Their bytes: as much again is left for what is proved.
pub const PROOF_CHANGES_BYTES_MAX: usize = PROOF_BYTES_MAX / 2;
/// The requests for whole blocks and the like that are worked on at a time; others wait for their turn.
pub const BLOCK_READERS_MAX: usize = 8;
/// The characters of a found value that an error message repeats.
pub const FOUND_CHARACTERS_MAX: usize = 60;
/// The blocks that a subscriber may be behind before it is dropped.
pub const NOTICES_BEHIND_MAX: usize = 64;
/// The waiting transactions that are listed.
pub const PENDING_TRANSACTIONS_MAX: usize = 1_000;
/// The digits of their inputs together.
pub const PENDING_BYTES_MAX: usize = 8 << 20;

/// The addresses of a filter for logs.
pub const LOG_ADDRESSES_MAX: usize = 256;
/// The values that a filter for logs allows at one place among the topics.
pub const LOG_TOPIC_VALUES_MAX: usize = 64;
/// The blocks that one `entente_logs` asks for.
pub const LOG_BLOCKS_MAX: u64 = 10_000;
/// The receipts that one `entente_logs` looks through.
pub const LOG_RECEIPTS_MAX: usize = 1_000_000;
/// The logs in one answer.
pub const LOGS_MAX: usize = 10_000;
/// The bytes of JSON that the logs in one answer have.
pub const LOGS_BYTES_MAX: usize = 8 << 20;
/// The blocks behind the tip that a subscription to logs may begin at, and that it may be behind later.
pub const LOG_BLOCKS_BEHIND_MAX: u64 = 100_000;
/// The bytes of logs that are made for one subscription at a time; the rest is read again when these are sent.
pub const LOG_BYTES_AT_A_TIME: usize = 256 << 10;

/// The filters that are kept for those who ask a group what is new.
pub const FILTERS_MAX: usize = 2048;
/// How long a filter is kept that nobody asks for.
pub const FILTER_AGE_MAX: Duration = Duration::from_mins(5);
/// The blocks that one `eth_getFilterChanges` names.
pub const FILTER_BLOCKS_MAX: u64 = 10_000;
/// The transactions let in that are remembered for filters.
pub const PENDING_HASHES_MAX: usize = 32_768;
/// The requests with transactions that a subscriber to them may be behind before it is dropped.
pub const PENDING_NOTICES_BEHIND_MAX: usize = 1024;
/// The blocks of which it is remembered what stands before each transaction.
pub const BLOCK_PLACES_MAX: usize = 16;
/// The blocks of one `eth_feeHistory`; fewer are told of.
pub const FEE_HISTORY_BLOCKS_MAX: u64 = 1024;
/// The transactions that one `eth_feeHistory` looks at; no further block is told of beyond them.
pub const FEE_HISTORY_TRANSACTIONS_MAX: usize = 20_000;
/// The percentiles of one `eth_feeHistory`.
pub const PERCENTILES_MAX: usize = 100;
/// The slots of one `eth_getProof`.
pub const PROOF_SLOTS_MAX: usize = 1024;

/// The addresses of the access list of a call.
pub const ACCESS_ADDRESSES_MAX: usize = 1024;
/// The accounts that a call overrides.
pub const OVERRIDDEN_ACCOUNTS_MAX: usize = 1024;
/// The slots of one address in the access list of a call, and those of an account that a call overrides.
pub const SLOTS_MAX: usize = 16_384;
/// The blocks of one `eth_simulateV1`, those between the numbers that are said counted.
pub const SEQUENCE_BLOCKS_MAX: usize = 256;
/// The calls of each.
pub const SEQUENCE_CALLS_MAX: usize = 1024;
/// The bytes of what all its calls give back and of their logs.
pub const SEQUENCE_BYTES_MAX: usize = 5 << 20;
/// The requests for traces and for sequences of blocks that are worked on at a time; others wait for their turn.
pub const TRACES_MAX: usize = 1;
/// The bytes of JSON that the traces in one answer have, about.
pub const TRACE_BYTES_MAX: usize = 14 << 20;

/// The bytes of one WebSocket connection's requests that are read and not yet answered; one beyond may be.
pub const REQUEST_BYTES_WAITING_MAX: usize = 32 << 20;
/// The requests of one WebSocket connection that are read and not yet answered.
pub const REQUESTS_WAITING_MAX: usize = 128;
/// The batches of one WebSocket connection that are worked on at a time; others wait for their turn.
pub const BATCHES_MAX: usize = 2;
/// The bytes of answers that wait to be sent on one WebSocket connection before no further request is begun.
pub const ANSWER_BYTES_WAITING_MAX: usize = 4 << 20;
/// The bytes of notifications that wait to be sent on one WebSocket connection; who has more waits with it.
pub const NOTICE_BYTES_WAITING_MAX: usize = 1 << 20;
/// The messages about beginning and ending subscriptions that wait to be sent on one WebSocket connection.
pub const MESSAGES_WAITING_MAX: usize = 64;
/// The bytes that a client whose socket is full must take in the time of `rpc.stall_ms_max`.
pub const READ_BYTES_MIN: usize = 16 << 10;

/// The bytes that the system may hold for a client that has not read them yet: it lets more in when a third is free.
pub const SEND_BUFFER_BYTES: u32 = 256 << 10;
/// The connections that may wait for the server to take them.
pub const BACKLOG_MAX: u32 = 1024;
/// The bytes of the head of an HTTP request; what is read beyond them in one go is still looked at.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// The lines of that head.
pub const HEADERS_MAX: usize = 64;
/// The bytes of a body that must come in a second, after `rpc.header_ms_max`.
pub const BODY_BYTES_A_SECOND_MIN: u64 = 64 << 10;
/// The connections beyond `rpc.connections_max` that are told so at a time; others are closed without a word.
pub const REFUSALS_MAX: usize = 64;
/// How long a connection that was refused may stay to read why.
pub const REFUSAL_WAIT: Duration = Duration::from_secs(1);
/// How long a stopping server waits for its connections to end.
pub const STOP_WAIT: Duration = Duration::from_secs(2);
