//! Where the time of a consortium on a few cores goes: by the threads of its nodes, so that all of it is there.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use crate::{ChainRun, LoadFigures, WorkloadError};

/// What threads do, by the beginning or the end of their names. The rest is told as such.
const KINDS: &[(&str, &str)] = &[
    ("check-", "threads that check signatures and make change sets and roots"),
    ("rayon-", "threads that check signatures and make change sets and roots"),
    ("-execute", "executing, receipts"),
    ("-step", "the group itself: pool, consensus, its signatures"),
    ("-write", "writing blocks"),
    ("rocksdb:", "RocksDB's flushing and compaction"),
    ("-speak", "making messages for other nodes"),
    ("-serve", "making messages for other nodes"),
    ("network", "sockets between nodes, TLS, compression"),
    ("rpc", "JSON-RPC: sockets, decoding, telling of blocks"),
];
const OTHERS: &str = "other threads of the nodes";

/// CPU seconds by kind.
type Usage = BTreeMap<&'static str, f64>;

/// What a thread of this name does.
fn kind(name: &str) -> &'static str {
    let found = KINDS
        .iter()
        .find(|(part, _)| if part.starts_with('-') { name.ends_with(part) } else { name.starts_with(part) });
    found.map_or(OTHERS, |(_, kind)| kind)
}

/// Adds the CPU seconds of a process's threads, by the system's own account.
fn add(usage: &mut Usage, pid: u32) {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.flatten() {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // Fields 14 and 15 of proc(5), counted behind the name in parentheses; in hundredths of a second.
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else { continue };
        let fields: Vec<f64> = rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
        let ticks = |place: usize| fields.get(place).copied().unwrap_or_default();
        *usage.entry(kind(name)).or_default() += (ticks(11) + ticks(12)) / 100.0;
    }
}

/// The seconds that the cores have had nothing to do, all of them together, by the system's own account.
fn idle_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.split_whitespace().skip(1).take(5).map(|field| field.parse().unwrap_or_default()).collect();
    // Idle, and waiting for a disk.
    fields.iter().skip(3).sum::<f64>() / 100.0
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// What for.
    pub what: String,
    /// The part of the limit that it takes.
    pub of_limit: f64,
    /// Microseconds of CPU for each transfer on each node.
    pub micros: f64,
}

/// Where the cores' time went while a chain was under load: lines whose parts of the limit come to one.
///
/// The limit is what the cores would commit if all their time but the generator's went into one recovery of a signature
/// for each transfer on each node. So the first line is the rate that was reached, and the others are what else the time
/// went into.
///
/// # Errors
/// The nodes fail.
pub fn shares_under_load(
    chain: &ChainRun,
    token: &Path,
    cores: usize,
    v: f64,
    (seconds, accounts): (u32, u32),
) -> Result<(Vec<Share>, LoadFigures), WorkloadError> {
    let used = || {
        let mut usage = Usage::new();
        chain.pids().for_each(|pid| add(&mut usage, pid));
        usage
    };
    let (before, idle, started) = (used(), idle_seconds(), Instant::now());
    let figures = chain.load(token, seconds, accounts)?;
    let (elapsed, after, idle) = (started.elapsed().as_secs_f64(), used(), idle_seconds() - idle);
    let nodes = chain.pids().count() as f64;
    let transfers = (figures.committed + figures.funded) as f64;
    // The generator's own time outside the measured phase is small beside it: signing, and funding the accounts.
    let generator = figures.generator_cpu_seconds / figures.seconds * elapsed;
    let available = cores as f64 * elapsed - generator;
    let share = |what: &str, seconds: f64| Share {
        what: what.to_owned(),
        of_limit: seconds / available,
        micros: seconds / transfers / nodes * 1e6,
    };
    let verified = transfers * nodes / v;
    let mut shares = vec![share("one recovery of each signature on each node: the rate", verified)];
    let mut rest = available - verified;
    let spent =
        |kind: &str| after.get(kind).copied().unwrap_or_default() - before.get(kind).copied().unwrap_or_default();
    let mut kinds: Vec<&'static str> = KINDS.iter().map(|(_, kind)| *kind).chain([OTHERS]).collect();
    kinds.dedup();
    for kind in kinds {
        let mut seconds = spent(kind);
        let mut what = kind.to_owned();
        if what.starts_with("threads that check") {
            // The recoveries stand above; most of them are made here.
            seconds -= verified;
            what.push_str(", beyond these recoveries");
        }
        rest -= seconds;
        shares.push(share(&what, seconds));
    }
    shares.push(share("nobody's: the cores had nothing to do", idle));
    shares.push(share("other processes, the generator's preparations among them, and the kernel", rest - idle));
    Ok((shares, figures))
}

/// The table as text.
pub fn shares_table(shares: &[Share]) -> String {
    let mut text = String::from("  of L(n)  us/transfer/node\n");
    for Share { what, of_limit, micros } in shares {
        text += &format!("{of_limit:>9.3} {micros:>9.2}         {what}\n");
    }
    let sum: f64 = shares.iter().map(|share| share.of_limit).sum();
    text + &format!("{sum:>9.3}                   all\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_told_by_their_names() {
        assert_eq!(kind("check-1"), KINDS[0].1);
        assert_eq!(kind("group1-execute"), "executing, receipts");
        assert_eq!((kind("group1-speak"), kind("group1-serve")), (kind("x-speak"), kind("x-speak")));
        assert_eq!(kind("futures-timer"), OTHERS);
    }

    #[test]
    fn own_threads_are_counted() {
        let mut usage = Usage::new();
        let started = Instant::now();
        while started.elapsed().as_millis() < 60 {
            std::hint::black_box(started);
        }
        add(&mut usage, std::process::id());
        assert!(usage[OTHERS] > 0.0, "{usage:?}");
    }
}
