//! What the server counts, and how Prometheus reads it.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::{context::Context, table::METHODS};

/// Counters of one server. Nothing but numbers that people look at hangs on them: relaxed order is enough.
pub(crate) struct Metrics {
    requests: Vec<AtomicU64>,
    connections: AtomicI64,
    connections_refused: AtomicU64,
    slow_clients_dropped: AtomicU64,
    subscribers_dropped: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: METHODS.iter().map(|_| AtomicU64::new(0)).collect(),
            connections: AtomicI64::new(0),
            connections_refused: AtomicU64::new(0),
            slow_clients_dropped: AtomicU64::new(0),
            subscribers_dropped: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// Counts a request of the method at this place in the table.
    pub(crate) fn request(&self, index: usize) {
        if let Some(counter) = self.requests.get(index) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that was ended because its client sent or read too slowly.
    pub(crate) fn slow_client_dropped(&self) {
        self.slow_clients_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn subscriber_dropped(&self) {
        self.subscribers_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// One metric's lines.
struct Lines<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl<'a> Lines<'a> {
    fn new(text: &'a mut String, name: &'static str, kind: &str, help: &str) -> Self {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Self { text, name }
    }

    fn line(&mut self, labels: &str, value: impl std::fmt::Display) {
        let name = self.name;
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }
}

/// Everything, in Prometheus' text format 0.0.4.
pub(crate) fn text(context: &Context) -> String {
    let mut text = String::with_capacity(8 << 10);
    groups(context, &mut text);
    let mut requests =
        Lines::new(&mut text, "entente_rpc_requests_total", "counter", "Requests since the start, by method.");
    for (method, count) in METHODS.iter().zip(&context.metrics.requests) {
        requests.line(&format!("{{method=\"{}\"}}", method.name), count.load(Ordering::Relaxed));
    }
    let connections = context.metrics.connections.load(Ordering::Relaxed);
    Lines::new(&mut text, "entente_rpc_connections", "gauge", "Open connections.").line("", connections);
    let refused = context.metrics.connections_refused.load(Ordering::Relaxed);
    let help = "Connections refused because as many as may be were open.";
    Lines::new(&mut text, "entente_rpc_connections_refused_total", "counter", help).line("", refused);
    let slow = context.metrics.slow_clients_dropped.load(Ordering::Relaxed);
    let help = "Connections ended because the client sent half a request, or read too slowly.";
    Lines::new(&mut text, "entente_rpc_slow_clients_dropped_total", "counter", help).line("", slow);
    let dropped = context.metrics.subscribers_dropped.load(Ordering::Relaxed);
    Lines::new(
        &mut text,
        "entente_rpc_subscribers_dropped_total",
        "counter",
        "Subscribers dropped because they were too slow.",
    )
    .line("", dropped);
    text
}

fn groups(context: &Context, text: &mut String) {
    let statuses: Vec<_> = context
        .groups()
        .iter()
        .map(|group| (format!("{{group=\"{}\"}}", group.handle.id()), group.handle.status()))
        .collect();
    let mut each = |name, kind, help, value: &dyn Fn(&entente_driver::GroupStatus) -> u64| {
        let mut lines = Lines::new(text, name, kind, help);
        for (labels, status) in &statuses {
            lines.line(labels, value(status));
        }
    };
    each("entente_block_height", "gauge", "The last committed block.", &|status| status.height);
    each("entente_transactions_total", "counter", "Transactions of all committed blocks.", &|status| {
        status.transactions
    });
    each("entente_pool_transactions", "gauge", "Transactions that wait.", &|status| status.pool_transactions as u64);
    each("entente_pool_bytes", "gauge", "Bytes of the transactions that wait.", &|status| status.pool_bytes as u64);
    each("entente_pool_transactions_max", "gauge", "Transactions that may wait.", &|status| {
        status.pool_limits.transactions as u64
    });
    each("entente_pool_bytes_max", "gauge", "Bytes of transactions that may wait.", &|status| {
        status.pool_limits.bytes as u64
    });
    each("entente_compilations_total", "counter", "Modules compiled since the start.", &|status| status.compilations);
    each("entente_group_halted", "gauge", "1 where the group has stopped.", &|status| {
        u64::from(status.halted.is_some())
    });
}
