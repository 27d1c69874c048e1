//! The ONE table of what a node logs: the page about it is made from it, and a test holds the sources against it.

use std::fmt::Write as _;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventLevel {
    /// Somebody must act.
    Error,
    /// Somebody should look.
    Warn,
    /// What happens.
    Info,
    /// What happens in detail.
    Debug,
}

impl EventLevel {
    /// As it stands in macros and in `log.level`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// An event. Its name is the message of its line, and never changes.
#[derive(Debug, Clone, Copy)]
pub struct EventDescription {
    /// Its name.
    pub name: &'static str,
    /// How much it matters.
    pub level: EventLevel,
    /// What its fields hold; empty if it has none.
    pub fields: &'static str,
    /// What has happened.
    pub meaning: &'static str,
    /// What an operator should do.
    pub action: &'static str,
}

const fn event(
    level: EventLevel,
    name: &'static str,
    fields: &'static str,
    meaning: &'static str,
    action: &'static str,
) -> EventDescription {
    EventDescription { name, level, fields, meaning, action }
}

const NOTHING: &str = "Nothing.";
const CODE_FOLDER: &str = "Check the owner and the free space of `data/code.cache`. Nothing is lost: the contract is \
                           compiled anew.";
const VERIFY: &str =
    "Stop the node and run `entente verify`; where it finds a fault, fetch the chain from peers: `entente node fetch`.";

/// Every event, those that matter most first.
pub const EVENTS: &[EventDescription] = &[
    event(
        EventLevel::Error,
        "group_halted",
        "group, why",
        "The group has stopped: it makes no more blocks and refuses transactions. What was told is on disk, and reads go \
         on. `/health` answers 503.",
        "Do what `why` says, then start the node again.",
    ),
    event(
        EventLevel::Error,
        "group_thread_panicked",
        "group",
        "A thread of the group had ended in a panic, which is a defect of this release; found while stopping.",
        "Keep the log and report it.",
    ),
    event(
        EventLevel::Error,
        "admission_not_read",
        "error",
        "The node was told to read again who is let in, and could not: what held before holds on.",
        "Correct what `error` names, and tell it again.",
    ),
    event(
        EventLevel::Error,
        "blocks_not_served",
        "group, error",
        "Blocks that another node asked for could not be read.",
        VERIFY,
    ),
    event(
        EventLevel::Error,
        "message_not_checked",
        "group, fault",
        "Looking at what another node sent ran into a defect of this one; the message was dropped.",
        "Keep the log and report it.",
    ),
    event(
        EventLevel::Error,
        "request_not_answered",
        "request, fault",
        "A call, or the check of a client's transactions, ran into a defect of this node; whoever asked has no answer.",
        "Keep the log and report it.",
    ),
    event(
        EventLevel::Error,
        "members_unknown",
        "group, fault",
        "The group's members could not be read from the state; the group stays open to those who were its members.",
        VERIFY,
    ),
    event(
        EventLevel::Error,
        "block_differs",
        "error",
        "A block that was executed again to be traced came to other receipts than are stored: a defect of this release, or \
         a store that was changed. What is stored stays as it is.",
        VERIFY,
    ),
    event(EventLevel::Error, "ledger_unreadable", "error", "A read of the ledger failed.", VERIFY),
    event(EventLevel::Error, "state_unreadable", "error", "A read of the state failed.", VERIFY),
    event(
        EventLevel::Error,
        "stored_block_contradicts_header",
        "group, block",
        "What is stored of a block does not have the root that its header names; no proof of it is given.",
        VERIFY,
    ),
    event(
        EventLevel::Error,
        "missed_block_not_found",
        "group, next",
        "A block that subscribers had missed is not in the ledger; they are not told of it.",
        VERIFY,
    ),
    event(
        EventLevel::Error,
        "missed_block_unreadable",
        "group, next, error",
        "A block that subscribers had missed could not be read; they are not told of it.",
        VERIFY,
    ),
    event(
        EventLevel::Error,
        "message_too_large",
        "bytes, class",
        "A message for other nodes is larger than any may be, and was not sent.",
        "Keep the log and tell the makers: nothing that a node sends should be so large.",
    ),
    event(
        EventLevel::Warn,
        "dev_mode",
        "group",
        "The node was started with `--dev`: its chain is kept in memory, begins at its genesis, and does what those who test \
         contracts say. The keys of its accounts are everybody's.",
        "Nothing, where contracts are tested; else start it without `--dev`.",
    ),
    event(
        EventLevel::Warn,
        "snapshot_gone",
        "group, height",
        "Nobody gives the snapshot of this height any more, or it was not what its header says; another is looked for. What \
         came of it is kept.",
        "Nothing, unless it comes again and again: then the others' bandwidth is too small for their state.",
    ),
    event(
        EventLevel::Warn,
        "snapshot_not_installed",
        "group, height, error",
        "A snapshot was not put in, and nothing was changed: the node came as far by itself, or something of it is missing. It \
         goes on without it.",
        NOTHING,
    ),
    event(
        EventLevel::Warn,
        "snapshot_wrong",
        "group, peer, what",
        "A peer gave something for a snapshot that is not what its header says; it is not asked for this snapshot again.",
        "Have that peer's operator run `entente verify` on its data.",
    ),
    event(
        EventLevel::Warn,
        "blocks_not_told",
        "group, from, to",
        "The node took a snapshot in place of these blocks: subscribers are not told of them.",
        "Read them at a node that has them.",
    ),
    event(
        EventLevel::Warn,
        "consensus_report",
        "group, report",
        "Consensus has something to tell: a view was left or began, a member said two things, a message or proposal is one \
         that no honest member sends, a certificate is overdue, or this node lost what it promised and does not vote.",
        "Where it comes again and again, look at the member that it names, and at the connections to it. A certificate that is \
         overdue: compare the members' state roots, with `entente chain status` or `entente_status`.",
    ),
    event(
        EventLevel::Warn,
        "block_feed_lagged",
        "group, missed",
        "Blocks were written faster than subscribers could be told; those missed are read from the ledger.",
        "Nothing, unless it comes often: then the machine has too little processor time.",
    ),
    event(
        EventLevel::Warn,
        "slow_subscriber_dropped",
        "why",
        "A subscriber did not read fast enough; it was told so, and its subscription has ended.",
        "Tell who runs it; it may subscribe again.",
    ),
    event(
        EventLevel::Warn,
        "connection_not_accepted",
        "error",
        "The system refused a connection, such as for too many open files.",
        "Raise the system's limit (`process_max_fds` in `/metrics`), or lower `rpc.connections_max`.",
    ),
    event(
        EventLevel::Warn,
        "rpc_connections_left",
        "",
        "Some connections had not ended when the node stopped; they were cut.",
        NOTHING,
    ),
    event(
        EventLevel::Warn,
        "data_lost",
        "group, note",
        "The node was in the group before, as the note beside its keys says, and its data is gone. It fetches the chain \
         from its peers. If it is a sealer, it does not vote until other sealers were decided on, since it does not know \
         what it promised.",
        "Wait until the node has the group's blocks. For a sealer, make it an observer with `entente \
         member add NODE_ID --observer` and, once the group is above the block that `entente_status` of the node gives \
         as `silent_through`, a sealer again with `--sealer`. Where all nodes begin anew on purpose, remove the note of each.",
    ),
    event(
        EventLevel::Warn,
        "store_log_cut",
        "group, path",
        "The end of the store's log was half written, as a loss of power leaves it, and was cut off. Nothing that was told \
         was in it.",
        NOTHING,
    ),
    event(
        EventLevel::Warn,
        "store_not_flushed",
        "group, error",
        "The store's log could not be moved to sorted files when the node stopped. Nothing is lost; the next start reads the \
         log again.",
        "Check the disk and its free space.",
    ),
    event(
        EventLevel::Warn,
        "store_left_open",
        "",
        "Somebody still used the store when the node had stopped, such as a long check of transactions. What was told is \
         on disk; the process may end with a signal instead of 0.",
        NOTHING,
    ),
    event(
        EventLevel::Warn,
        "code_not_kept",
        "path, error",
        "The folder of compiled contracts does not open; the node does without.",
        "Check the folder's owner and free space. Contracts are compiled anew after each start.",
    ),
    event(EventLevel::Warn, "code_not_read", "path, error", "A compiled contract could not be read.", CODE_FOLDER),
    event(
        EventLevel::Warn,
        "code_not_written",
        "path, error",
        "A compiled contract could not be written.",
        CODE_FOLDER,
    ),
    event(
        EventLevel::Warn,
        "code_not_removed",
        "path, error",
        "A compiled contract could not be removed, so that the folder is larger than `storage.code_cache_bytes`.",
        CODE_FOLDER,
    ),
    event(
        EventLevel::Warn,
        "code_too_large_to_keep",
        "path, length",
        "A compiled contract is larger than a file may be; it is compiled anew after each start.",
        "Nothing, or raise `storage.code_cache_bytes` where that is what holds it back.",
    ),
    event(
        EventLevel::Warn,
        "slow_reader_dropped",
        "peer, bytes, waited_ms",
        "A client took next to nothing of what was sent to it for `rpc.stall_ms_max`; its connection was ended.",
        "Tell the client's operator: it must read its socket faster, or ask for less.",
    ),
    event(
        EventLevel::Warn,
        "peer_banned",
        "peer, subject, why",
        "A node was let go for a minute because of what it sent.",
        "Where it comes again, ask whoever runs it which release it is; `deny_nodes` in `admission.toml` keeps it out.",
    ),
    event(
        EventLevel::Warn,
        "peer_sent_garbage",
        "peer, subject, error",
        "A node of the consortium sent what is no message.",
        "Compare releases with whoever runs it.",
    ),
    event(
        EventLevel::Warn,
        "peer_not_let_in_any_more",
        "peer, error",
        "A node that was connected is kept out by the lists as they are now, and was let go.",
        NOTHING,
    ),
    event(
        EventLevel::Info,
        "snapshot_wanted",
        "group, height, best",
        "The node is far behind (`sync.snapshot_lead_blocks`), or does not come on: it fetches headers, and a snapshot.",
        NOTHING,
    ),
    event(
        EventLevel::Info,
        "snapshot_fetched",
        "group, height, chunks, missing",
        "A snapshot is being fetched; so many of its chunks are missing. Told every ten seconds.",
        NOTHING,
    ),
    event(EventLevel::Info, "snapshot_whole", "group, height", "All of a snapshot is here.", NOTHING),
    event(
        EventLevel::Info,
        "snapshot_installed",
        "group, height, elapsed_us",
        "A snapshot has taken the place of what the ledger held; of older blocks the node has the headers.",
        NOTHING,
    ),
    event(
        EventLevel::Info,
        "half_request_dropped",
        "peer, waited_ms",
        "A client began a request and did not send the rest in `rpc.header_ms_max`; its connection was ended.",
        NOTHING,
    ),
    event(
        EventLevel::Info,
        "connection_refused",
        "peer",
        "As many connections as may be are open; this one was told so.",
        "Raise `rpc.connections_max` where clients need more, and the files that the process may open.",
    ),
    event(
        EventLevel::Info,
        "group_started",
        "group, height, hash",
        "The group's ledger is open, and its tip is this block.",
        NOTHING,
    ),
    event(EventLevel::Info, "rpc_started", "address", "The node listens for JSON-RPC.", NOTHING),
    event(
        EventLevel::Info,
        "block_written",
        "group, height, transactions, hash, elapsed_us",
        "A block is on disk, synced; this is what clients are told of. Writing it took so many microseconds.",
        NOTHING,
    ),
    event(
        EventLevel::Info,
        "admission_read_again",
        "",
        "The node has read again who is let in, and its certificate.",
        NOTHING,
    ),
    event(
        EventLevel::Warn,
        "network_not_needed",
        "group, address",
        "`network.listen` is set, but a group whose consensus is `solo` has no other nodes: nobody listens there.",
        "Take `network.listen` out, or make a group with PBFT (`entente chain new --nodes`).",
    ),
    event(EventLevel::Info, "network_started", "address", "The node listens for other nodes there.", NOTHING),
    event(EventLevel::Info, "node_stopping", "", "The node was told to end, and begins to.", NOTHING),
    event(
        EventLevel::Info,
        "node_stopped",
        "",
        "The node has ended in order. A log without it at its end is that of a crash, which loses nothing either.",
        NOTHING,
    ),
    event(
        EventLevel::Info,
        "peer_connected",
        "peer, subject, address, dialed",
        "A node of the consortium is connected: `dialed` where this node called it.",
        NOTHING,
    ),
    event(
        EventLevel::Info,
        "peer_disconnected",
        "peer, cause",
        "It is not any more. It is called again where it stands in `network.peers`.",
        "Where it comes again and again, look at the network between the two, and at the other's log.",
    ),
    event(
        EventLevel::Info,
        "peer_refused",
        "address, error, others",
        "Somebody connected and was not let in; `error` says why, `others` how many were not logged since the last such \
         line.",
        "Where it is a node of the consortium: `error` names the certificate's fault or the list. Else keep strangers from \
         the port.",
    ),
    event(
        EventLevel::Debug,
        "dev_block",
        "group, height, transactions",
        "A chain for tests of contracts has another block.",
        NOTHING,
    ),
    event(
        EventLevel::Debug,
        "block_executed",
        "group, height, elapsed_us",
        "A proposal was executed, in so many microseconds; its block is not written yet.",
        NOTHING,
    ),
    event(EventLevel::Debug, "connection_failed", "peer, error", "A connection broke.", NOTHING),
    event(
        EventLevel::Debug,
        "connection_not_upgraded",
        "peer, error",
        "A connection broke before it became a WebSocket.",
        NOTHING,
    ),
    event(EventLevel::Debug, "websocket_failed", "peer, error", "A WebSocket broke.", NOTHING),
    event(
        EventLevel::Debug,
        "websocket_ended",
        "peer, code, reason",
        "A WebSocket was closed by the node, with this code of RFC 6455.",
        NOTHING,
    ),
    event(
        EventLevel::Debug,
        "phase_ended",
        "phase, elapsed_ms",
        "A part of a command's work is done. Commands log nothing unless they are asked to.",
        NOTHING,
    ),
    event(
        EventLevel::Debug,
        "peer_not_reached",
        "address, error",
        "A node that stands in `network.peers` could not be reached. It is called again, less and less often.",
        "Check the address, and whether that node runs.",
    ),
    event(
        EventLevel::Debug,
        "stream_refused",
        "peer, class",
        "A node does not speak what this release speaks, and was let go.",
        "Compare releases with whoever runs it.",
    ),
];

const OPENING: &str = "# Logs

This page is made from the table of events in `node/driver/src/events.rs`; `ENTENTE_BLESS=1 cargo test -p
entente-driver` writes it again.

A node writes its log to standard error, a line for each event, as text or as JSON (`log.format`), from a level on
(`log.level`). `entente chain up` sends it to `node.log` in the node's folder. The name of an event is the message of its
line (`message` in JSON). Names do not change from release to release; fields may be added.

Lines of other names, with a `target` that does not begin with `entente`, come from libraries.

";

/// The page `docs/logs.md`.
pub fn events_page() -> String {
    let mut page = String::from(OPENING);
    page.push_str("| event | level | fields | what has happened | what to do |\n| --- | --- | --- | --- | --- |\n");
    for EventDescription { name, level, fields, meaning, action } in EVENTS {
        let level = level.word();
        // Writing to a string does not fail.
        let _ = writeln!(page, "| `{name}` | {level} | {fields} | {meaning} | {action} |");
    }
    page
}
