//! The ONE table of metrics, and of the bounded places among them: what `/metrics` prints and the page about it are made
//! from it.

use std::fmt::Write as _;

/// What Prometheus calls a kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl MetricKind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: MetricKind,
    pub(crate) labels: &'static [&'static str],
    /// What it means, in one sentence or two.
    pub(crate) help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, labels, help }
}

const GROUP: &[&str] = &["group"];

/// Every metric, in the order in which they are printed.
pub(crate) const METRICS: &[Metric] = &[
    gauge("entente_block_height", GROUP, "The last committed block."),
    counter("entente_transactions_total", GROUP, "Transactions of all committed blocks."),
    gauge("entente_pool_transactions", GROUP, "Transactions that wait."),
    gauge("entente_pool_bytes", GROUP, "Bytes of the transactions that wait."),
    gauge("entente_pool_transactions_max", GROUP, "Transactions that may wait."),
    gauge("entente_pool_bytes_max", GROUP, "Bytes of transactions that may wait."),
    counter("entente_compilations_total", GROUP, "Modules compiled since the start."),
    gauge("entente_group_halted", GROUP, "1 where the group has stopped."),
    histogram(
        "entente_block_execute_seconds",
        GROUP,
        "How long blocks took to execute. Near 2 seconds they are as heavy as `limits.block_gas` lets them be.",
    ),
    histogram("entente_block_write_seconds", GROUP, "How long blocks took to reach the disk."),
    gauge("entente_consensus_view", GROUP, "The view that the node is in, or wants; 0 where consensus has none."),
    gauge("entente_consensus_view_active", GROUP, "1 where that view has begun."),
    gauge("entente_best_peer_height", GROUP, "The last block that another node says it has."),
    gauge("entente_peers", &[], "Nodes that are connected."),
    gauge("entente_group_peers", GROUP, "Nodes of the group that are connected."),
    counter(
        "entente_network_messages_total",
        &["direction", "class", "group"],
        "Messages to other nodes, once for each, and from them.",
    ),
    counter(
        "entente_network_bytes_total",
        &["direction", "class", "group"],
        "Their bytes as they travelled: compressed, before TLS.",
    ),
    counter(
        "entente_network_dropped_total",
        &["why", "group"],
        "Messages not sent because too much waits for the node they are for (queue_full), and messages not looked at \
         because too much of their sender waits here (too_much_waits) or it is not of the group (stranger).",
    ),
    gauge(
        "entente_place_used",
        &["place", "group"],
        "How much of a bounded place is taken; without a group where all groups share it.",
    ),
    gauge("entente_place_max", &["place", "group"], "How much of a bounded place there is."),
    counter(
        "entente_refusals_total",
        &["limit", "group"],
        "How often a limit refused somebody, by its key in config.toml. Of limits on waiting transactions and on those \
         being checked: how many transactions.",
    ),
    counter("entente_storage_batches_total", GROUP, "Batches written to the store."),
    counter("entente_storage_log_syncs_total", GROUP, "Times the store's log was synced to disk for them."),
    counter("entente_storage_log_bytes_total", GROUP, "Bytes that went into the store's log."),
    counter("entente_storage_compaction_bytes_total", GROUP, "Bytes that the store's compaction wrote."),
    counter("entente_storage_cache_hits_total", GROUP, "Reads of the store's blocks that its cache had."),
    counter("entente_storage_cache_misses_total", GROUP, "Reads of the store's blocks that its cache had not."),
    gauge("entente_storage_live_bytes", GROUP, "Bytes of the store's sorted files and of what waits to get there."),
    counter("entente_rpc_requests_total", &["method"], "Requests since the start, by method."),
    gauge("entente_rpc_connections", &[], "Open connections."),
    gauge("entente_rpc_connections_max", &[], "Connections that may be open."),
    counter("entente_rpc_connections_refused_total", &[], "Connections refused because as many as may be were open."),
    counter(
        "entente_rpc_slow_clients_dropped_total",
        &[],
        "Connections ended because the client sent half a request, or read too slowly.",
    ),
    counter("entente_rpc_subscribers_dropped_total", &[], "Subscribers dropped because they were too slow."),
    gauge("entente_uptime_seconds", &[], "How long the server has run."),
    gauge("process_resident_memory_bytes", &[], "Memory of the process that is in RAM."),
    gauge("process_open_fds", &[], "Open file descriptors of the process."),
    gauge("process_max_fds", &[], "File descriptors that the process may open."),
];

/// A value of the label `place`: its name, what bounds it, and what it is.
pub(crate) const PLACES: &[(&str, &str, &str)] = &[
    ("submissions", "`pool.submissions_max`", "requests with transactions that are being worked on"),
    (
        "checking_transactions",
        "`pool.checking_transactions_max`",
        "transactions being checked, or on their way into the pool",
    ),
    ("execute", "1, by consensus", "blocks being executed, or about to be"),
    ("write", "1, by consensus", "blocks being written, or about to be"),
    (
        "blocks_told",
        "`BLOCKS_BEHIND_MAX`",
        "written blocks that the slowest listener inside the node has not taken yet",
    ),
    ("notices_told", "`NOTICES_BEHIND_MAX`", "notices of blocks that the slowest subscriber has not taken yet"),
    ("calls", "`rpc.calls_max`", "calls of contracts that wait or run"),
    ("code_write", "`FILES_WAITING_MAX` and the one being written", "compiled contracts on their way into files"),
    ("work_bytes", "`rpc.work_bytes_max`", "bytes of the requests that are being worked on"),
    ("row_proofs", "`ROW_PROOFS_MAX`", "proofs of rows being made"),
];

const OPENING: &str = "# Metrics

This page is made from the table of metrics in `node/rpc/src/metrics_table.rs`; `ENTENTE_BLESS=1 cargo test -p
entente-rpc` writes it again.

`GET /metrics` on the port of `rpc.listen` answers in Prometheus' text format 0.0.4, with the HELP and TYPE of each
metric. Counters begin at 0 when the node starts. Watch `entente_group_halted` (above 0: see the node's log),
`entente_block_height` (standing still while `entente_pool_transactions` is above 0), `entente_place_used` near
`entente_place_max`, and growth of `entente_refusals_total`: the label names the key in `config.toml` that refuses.

";

/// The page `docs/metrics.md`.
pub fn metrics_page() -> String {
    let mut page = String::from(OPENING);
    // Writing to a string does not fail.
    let _ = writeln!(page, "| metric | kind | labels | meaning |\n| --- | --- | --- | --- |");
    for Metric { name, kind, labels, help } in METRICS {
        let _ = writeln!(page, "| `{name}` | {} | {} | {help} |", kind.word(), labels.join(", "));
    }
    let _ = writeln!(page, "\n## Places\n\n| place | bound | what is counted |\n| --- | --- | --- |");
    for (name, bound, meaning) in PLACES {
        let _ = writeln!(page, "| `{name}` | {bound} | {meaning} |");
    }
    page
}
