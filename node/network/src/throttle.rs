//! How many bytes a second may leave: a bucket for the node, and one for each group that has a limit of its own.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// A token bucket that holds a second's worth. Consensus takes from it without waiting: others wait for what it took.
#[derive(Debug)]
pub(crate) struct Throttle {
    bytes_per_second: u64,
    state: Mutex<(i64, Instant)>,
}

impl Throttle {
    /// Lets so many bytes a second pass; 0: any number.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        let full = i64::try_from(bytes_per_second).unwrap_or(i64::MAX);
        Self { bytes_per_second, state: Mutex::new((full, Instant::now())) }
    }

    /// Takes so many bytes out, and says how long to wait before they may leave.
    fn charge(&self, bytes: usize, now: Instant) -> Duration {
        if self.bytes_per_second == 0 {
            return Duration::ZERO;
        }
        let rate = i64::try_from(self.bytes_per_second).unwrap_or(i64::MAX);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let elapsed_us = now.saturating_duration_since(since).as_micros();
        // The time is used up as far as it was worth whole bytes.
        let gained = elapsed_us * u128::from(self.bytes_per_second) / 1_000_000;
        let used_us = gained * 1_000_000 / u128::from(self.bytes_per_second);
        let since = since + Duration::from_micros(u64::try_from(used_us).unwrap_or(u64::MAX));
        let left = left.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX)).min(rate);
        let left = left.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        *state = (left, since);
        if left >= 0 {
            return Duration::ZERO;
        }
        let wait_us = i128::from(left).unsigned_abs() * 1_000_000 / u128::from(self.bytes_per_second);
        Duration::from_micros(u64::try_from(wait_us).unwrap_or(u64::MAX))
    }

    /// Takes so many bytes out, and waits until they may leave where `waits`.
    async fn pass(&self, bytes: usize, waits: bool) {
        let wait = self.charge(bytes, Instant::now());
        if waits && !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

/// The limits on what leaves: the node's, and that of each group.
#[derive(Debug)]
pub(crate) struct Throttles {
    node: Throttle,
    /// Bytes a second of each group; 0: any number.
    group_bytes_per_second: u64,
    groups: Mutex<BTreeMap<u16, Throttle>>,
}

impl Throttles {
    pub(crate) fn new(node_bytes_per_second: u64, group_bytes_per_second: u64) -> Self {
        Self { node: Throttle::new(node_bytes_per_second), group_bytes_per_second, groups: Mutex::default() }
    }

    /// Takes so many bytes out of a group's, and says when they may leave.
    pub(crate) fn reserve(&self, group: u16, bytes: usize, now: Instant) -> Instant {
        if self.group_bytes_per_second == 0 {
            return now;
        }
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let throttle = groups.entry(group).or_insert_with(|| Throttle::new(self.group_bytes_per_second));
        now + throttle.charge(bytes, now)
    }

    /// Takes so many bytes out of the node's, and waits until they may leave where `waits`.
    pub(crate) async fn pass(&self, bytes: usize, waits: bool) {
        self.node.pass(bytes, waits).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_passes_at_once_and_the_rest_in_its_time() {
        let throttle = Throttle::new(1_000);
        let start = Instant::now();
        assert_eq!(throttle.charge(1_000, start), Duration::ZERO);
        assert_eq!(throttle.charge(500, start), Duration::from_millis(500));
        assert_eq!(throttle.charge(500, start), Duration::from_secs(1), "those after it wait longer");
        assert_eq!(throttle.charge(0, start + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(throttle.charge(1_000, start + Duration::from_mins(1)), Duration::ZERO);
        assert_eq!(throttle.charge(1, start + Duration::from_mins(1)), Duration::from_millis(1), "it holds no more");
        // However small the steps are that time is looked at in, it is worth the same.
        let (throttle, end) = (Throttle::new(10_000), start + Duration::from_secs(1));
        throttle.charge(20_000, start);
        let mut now = start;
        while now < end {
            now += Duration::from_micros(70);
            throttle.charge(0, now);
        }
        assert!(throttle.charge(0, end) < Duration::from_millis(1));
        assert_eq!(Throttle::new(0).charge(usize::MAX, start), Duration::ZERO, "no limit");
    }
}
