//! What the server counts, and how Prometheus reads it.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use entente_driver::{DURATION_BOUNDS_US, Durations, GroupMeasures, GroupStatus, Place, Traffic};

use crate::{
    context::Context,
    limits::{NOTICES_BEHIND_MAX, ROW_PROOFS_MAX},
    metrics_table::{METRICS, Metric},
    process,
    table::methods,
};

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
            requests: methods().map(|_| AtomicU64::new(0)).collect(),
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

/// What is printed.
struct Exposition {
    text: String,
}

/// The lines of one metric.
struct Lines<'a> {
    text: &'a mut String,
    metric: &'static Metric,
}

impl Exposition {
    /// Begins a metric of the table.
    fn metric(&mut self, name: &str, lines: impl FnOnce(&mut Lines<'_>)) {
        // One that the table lacks is found by a test.
        let Some(metric) = METRICS.iter().find(|metric| metric.name == name) else { return };
        let Metric { name, kind, help, .. } = metric;
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        lines(&mut Lines { text: &mut self.text, metric });
    }

    /// A metric without labels, where its value is known.
    fn single(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.metric(name, |lines| lines.line(&[], value));
        }
    }
}

impl Lines<'_> {
    fn line(&mut self, labels: &[&str], value: impl std::fmt::Display) {
        self.named("", labels, &[], value);
    }

    /// One of the lines of a histogram, with a label more or none.
    fn named(&mut self, suffix: &str, labels: &[&str], more: &[(&str, &str)], value: impl std::fmt::Display) {
        let of_metric = self.metric.labels.iter().copied().zip(labels.iter().copied());
        let pairs = of_metric.filter(|(_, value)| !value.is_empty()).chain(more.iter().copied());
        let pairs: Vec<String> = pairs.map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let name = self.metric.name;
        let pairs = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let _ = writeln!(self.text, "{name}{suffix}{pairs} {value}");
    }

    fn durations(&mut self, labels: &[&str], durations: &Durations) {
        let mut count = 0;
        let bounds = DURATION_BOUNDS_US.iter().map(|bound| seconds(*bound)).chain(["+Inf".to_owned()]);
        for (bucket, bound) in durations.buckets.iter().zip(bounds) {
            count += bucket;
            self.named("_bucket", labels, &[("le", &bound)], count);
        }
        self.named("_sum", labels, &[], seconds(durations.sum_us));
        self.named("_count", labels, &[], count);
    }
}

/// Microseconds as seconds, in decimal digits.
fn seconds(microseconds: u64) -> String {
    let text = format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A group, as metrics see it.
struct GroupShown<'a> {
    name: &'a str,
    status: GroupStatus,
    measures: GroupMeasures,
    storage: entente_ledger::EngineMetrics,
    notices: u64,
}

/// Everything, in Prometheus' text format 0.0.4.
pub(crate) fn text(context: &Context) -> String {
    let groups: Vec<GroupShown<'_>> = context
        .groups()
        .iter()
        .map(|group| GroupShown {
            name: group.handle.id().as_str(),
            status: group.handle.status(),
            measures: group.handle.measures(),
            storage: group.handle.ledger().engine().metrics(),
            notices: group.feed.notices_waiting() as u64,
        })
        .collect();
    let mut out = Exposition { text: String::with_capacity(16 << 10) };
    of_groups(&mut out, &groups);
    of_network(&mut out, context, &groups);
    of_limits(&mut out, context, &groups);
    of_storage(&mut out, &groups);
    out.metric("entente_rpc_requests_total", |lines| {
        for ((_, method), count) in methods().zip(&context.metrics.requests) {
            lines.line(&[method.name], count.load(Ordering::Relaxed));
        }
    });
    let connections = context.metrics.connections.load(Ordering::Relaxed);
    out.single("entente_rpc_connections", u64::try_from(connections).ok());
    out.single("entente_rpc_connections_max", Some(context.limits.connections_max().into()));
    let refused = context.metrics.connections_refused.load(Ordering::Relaxed);
    out.single("entente_rpc_connections_refused_total", Some(refused));
    let slow = context.metrics.slow_clients_dropped.load(Ordering::Relaxed);
    out.single("entente_rpc_slow_clients_dropped_total", Some(slow));
    let dropped = context.metrics.subscribers_dropped.load(Ordering::Relaxed);
    out.single("entente_rpc_subscribers_dropped_total", Some(dropped));
    out.single("entente_uptime_seconds", Some(context.limits.started().elapsed().as_secs()));
    out.single("process_resident_memory_bytes", process::resident_bytes());
    out.single("process_open_fds", process::open_files());
    out.single("process_max_fds", process::open_files_max());
    out.text
}

fn of_groups(out: &mut Exposition, groups: &[GroupShown<'_>]) {
    let mut each = |name, value: &dyn Fn(&GroupStatus) -> u64| {
        out.metric(name, |lines| groups.iter().for_each(|group| lines.line(&[group.name], value(&group.status))));
    };
    each("entente_block_height", &|status| status.height);
    each("entente_transactions_total", &|status| status.transactions);
    each("entente_pool_transactions", &|status| status.pool_transactions as u64);
    each("entente_pool_bytes", &|status| status.pool_bytes as u64);
    each("entente_pool_transactions_max", &|status| status.pool_limits.transactions as u64);
    each("entente_pool_bytes_max", &|status| status.pool_limits.bytes as u64);
    each("entente_compilations_total", &|status| status.compilations);
    each("entente_group_halted", &|status| u64::from(status.halted.is_some()));
    out.metric("entente_block_execute_seconds", |lines| {
        groups.iter().for_each(|group| lines.durations(&[group.name], &group.measures.execute));
    });
    out.metric("entente_block_write_seconds", |lines| {
        groups.iter().for_each(|group| lines.durations(&[group.name], &group.measures.write));
    });
}

fn of_network(out: &mut Exposition, context: &Context, groups: &[GroupShown<'_>]) {
    let mut each = |name, value: &dyn Fn(&GroupStatus) -> u64| {
        out.metric(name, |lines| groups.iter().for_each(|group| lines.line(&[group.name], value(&group.status))));
    };
    each("entente_consensus_view", &|status| status.position.view);
    each("entente_consensus_view_active", &|status| u64::from(status.position.active));
    each("entente_best_peer_height", &|status| status.best_peer_height);
    out.single("entente_peers", Some(context.node.peers().len() as u64));
    out.metric("entente_group_peers", |lines| {
        context.groups().iter().for_each(|group| {
            lines.line(&[group.handle.id().as_str()], group.handle.connected().len());
        });
    });
    let mut traffic = |name, value: &dyn Fn(&Traffic) -> u64| {
        out.metric(name, |lines| {
            for group in groups {
                for traffic in &group.measures.traffic {
                    let direction = if traffic.sent { "sent" } else { "received" };
                    lines.line(&[direction, traffic.class, group.name], value(traffic));
                }
            }
        });
    };
    traffic("entente_network_messages_total", &|traffic| traffic.messages);
    traffic("entente_network_bytes_total", &|traffic| traffic.bytes);
    out.metric("entente_network_dropped_total", |lines| {
        for group in groups {
            group.measures.dropped.iter().for_each(|dropped| lines.line(&[dropped.why, group.name], dropped.count));
        }
    });
}

fn of_limits(out: &mut Exposition, context: &Context, groups: &[GroupShown<'_>]) {
    let mut places: Vec<(&str, Place)> = Vec::new();
    for group in groups {
        places.extend(group.measures.places.iter().map(|place| (group.name, *place)));
        let maximum = NOTICES_BEHIND_MAX as u64;
        places.push((group.name, Place { name: "notices_told", used: group.notices, maximum }));
    }
    let proofs = ROW_PROOFS_MAX.saturating_sub(context.row_proofs.available_permits()) as u64;
    let shared = context.node.places().into_iter().chain(context.limits.places());
    places.extend(shared.map(|place| ("", place)));
    places.push(("", Place { name: "row_proofs", used: proofs, maximum: ROW_PROOFS_MAX as u64 }));
    out.metric("entente_place_used", |lines| {
        places.iter().for_each(|(group, place)| lines.line(&[place.name, group], place.used));
    });
    out.metric("entente_place_max", |lines| {
        places.iter().for_each(|(group, place)| lines.line(&[place.name, group], place.maximum));
    });
    out.metric("entente_refusals_total", |lines| {
        for group in groups {
            let refusals = group.measures.refusals.iter();
            refusals.for_each(|refusals| lines.line(&[refusals.limit, group.name], refusals.count));
        }
        let shared = context.node.refusals().into_iter().chain(context.limits.refusals());
        shared.for_each(|refusals| lines.line(&[refusals.limit], refusals.count));
    });
}

fn of_storage(out: &mut Exposition, groups: &[GroupShown<'_>]) {
    let mut each = |name, value: &dyn Fn(&entente_ledger::EngineMetrics) -> u64| {
        out.metric(name, |lines| groups.iter().for_each(|group| lines.line(&[group.name], value(&group.storage))));
    };
    each("entente_storage_batches_total", &|storage| storage.batches);
    each("entente_storage_log_syncs_total", &|storage| storage.log_syncs);
    each("entente_storage_log_bytes_total", &|storage| storage.log_bytes);
    each("entente_storage_compaction_bytes_total", &|storage| storage.compaction_bytes);
    each("entente_storage_cache_hits_total", &|storage| storage.block_cache_hits);
    each("entente_storage_cache_misses_total", &|storage| storage.block_cache_misses);
    each("entente_storage_live_bytes", &|storage| storage.live_bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use entente_driver::RpcConfig;

    use super::*;
    use crate::{metrics_table::PLACES, testing::node};

    #[tokio::test]
    async fn what_is_printed_is_what_the_table_says() {
        let (_folder, node) = node();
        let text = text(&Context::new(node.handle(), &RpcConfig::default()));
        let printed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let table: Vec<String> =
            METRICS.iter().map(|metric| format!("{} {}", metric.name, metric.kind.word())).collect();
        assert_eq!(printed, table);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let base = name.split('{').next().unwrap();
            let known = |metric: &&Metric| {
                let histogram = metric.kind == crate::metrics_table::MetricKind::Histogram;
                let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", metric.name));
                metric.name == base || (histogram && parts.iter().any(|part| part == base))
            };
            assert!(METRICS.iter().any(|metric| known(&metric)), "{line}");
        }
        // The node in memory has no folder of code.
        let mut printed: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("entente_place_used{place=\"")?.split('"').next())
            .collect();
        printed.insert("code_write");
        assert_eq!(printed, PLACES.iter().map(|(name, ..)| *name).collect());
        tokio::task::spawn_blocking(move || node.stop()).await.unwrap();
    }

    #[test]
    fn histograms_add_up() {
        let mut buckets = [0; DURATION_BOUNDS_US.len() + 1];
        (buckets[0], buckets[2], buckets[12]) = (3, 4, 5);
        let mut out = Exposition { text: String::new() };
        let durations = Durations { buckets, sum_us: 61_000_500 };
        out.metric("entente_block_write_seconds", |lines| lines.durations(&["g"], &durations));
        for line in [
            "entente_block_write_seconds_bucket{group=\"g\",le=\"0.001\"} 3",
            "entente_block_write_seconds_bucket{group=\"g\",le=\"0.0025\"} 3",
            "entente_block_write_seconds_bucket{group=\"g\",le=\"0.005\"} 7",
            "entente_block_write_seconds_bucket{group=\"g\",le=\"10\"} 7",
            "entente_block_write_seconds_bucket{group=\"g\",le=\"+Inf\"} 12",
            "entente_block_write_seconds_sum{group=\"g\"} 61.0005",
            "entente_block_write_seconds_count{group=\"g\"} 12",
        ] {
            assert!(out.text.lines().any(|found| found == line), "{line} in\n{}", out.text);
        }
    }
}
