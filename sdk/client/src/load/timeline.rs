//! What came of a load over time, in a bounded number of points.
//!
//! Time is cut into stretches of one width. When a load is longer than the points reach, each two neighbours become
//! one and the width doubles, so that an hour takes no more memory than ten minutes. Latencies are kept as counts by
//! size, about 1.6 % apart, so that neighbours add up to what they would have been as one.

use std::time::Duration;

use crate::limits::TIMELINE_POINTS_MAX;

/// How long a stretch is at first: ten of the batches that go out every 20 ms, so that a steady rate looks steady.
const WIDTH_FIRST: Duration = Duration::from_millis(200);
/// Latencies between one power of two and the next are told apart in so many steps.
const STEPS: u32 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// One stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Point {
    /// The transactions that were meant to be sent in it.
    pub sent: u64,
    /// The transactions whose commit was heard of in it.
    pub committed: u64,
    /// The transactions that failed or were lost in it.
    pub failed: u64,
    /// The blocks with transactions that were heard of in it.
    pub blocks: u64,
    /// Their transactions, of whomever.
    pub block_transactions: u64,
    /// The transactions of the fullest of them.
    pub block_transactions_max: u64,
    /// Their gas.
    pub gas_used: u64,
    /// How many latencies there were of each size, by size.
    latencies: Vec<(u16, u32)>,
}

impl Point {
    /// The latency in milliseconds that this share of the committed transactions stayed below; none without commits.
    pub fn latency_ms(&self, quantile: f64) -> Option<f64> {
        let total: u64 = self.latencies.iter().map(|(_, count)| u64::from(*count)).sum();
        let wanted = ((total as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let size = self.latencies.iter().find_map(|(size, count)| {
            seen += u64::from(*count);
            (seen >= wanted).then_some(*size)
        });
        size.map(|size| middle_us(size) as f64 / 1000.0)
    }

    pub(super) fn record_latency(&mut self, latency: Duration) {
        self.record(size_of(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)), 1);
    }

    pub(super) fn record_block(&mut self, transactions: u64, gas_used: u64) {
        self.blocks += 1;
        self.block_transactions += transactions;
        self.block_transactions_max = self.block_transactions_max.max(transactions);
        self.gas_used = self.gas_used.saturating_add(gas_used);
    }

    fn record(&mut self, size: u16, more: u32) {
        match self.latencies.binary_search_by_key(&size, |(size, _)| *size) {
            Ok(place) => {
                if let Some((_, count)) = self.latencies.get_mut(place) {
                    *count = count.saturating_add(more);
                }
            }
            Err(place) => self.latencies.insert(place, (size, more)),
        }
    }

    /// The two as one.
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.committed += other.committed;
        self.failed += other.failed;
        self.blocks += other.blocks;
        self.block_transactions += other.block_transactions;
        self.block_transactions_max = self.block_transactions_max.max(other.block_transactions_max);
        self.gas_used = self.gas_used.saturating_add(other.gas_used);
        for (size, count) in &other.latencies {
            self.record(*size, *count);
        }
    }
}

/// A load's points, one after the other from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    width: Duration,
    points: Vec<Point>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width: WIDTH_FIRST, points: Vec::new() }
    }
}

impl Timeline {
    /// How long each point's stretch is.
    pub const fn width(&self) -> Duration {
        self.width
    }

    /// The points, the first one from the start on.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The same with at most so many points.
    pub fn with_points_max(&self, points_max: usize) -> Self {
        let together = self.points.len().div_ceil(points_max.max(1)).max(1);
        let mut timeline = self.clone();
        timeline.merge(together);
        timeline
    }

    /// The point of this time since the start.
    pub(super) fn at(&mut self, since_start: Duration) -> &mut Point {
        let mut place = self.place(since_start);
        while place >= TIMELINE_POINTS_MAX {
            self.merge(2);
            place = self.place(since_start);
        }
        if self.points.len() <= place {
            self.points.resize_with(place + 1, Point::default);
        }
        &mut self.points[place]
    }

    fn place(&self, since_start: Duration) -> usize {
        usize::try_from(since_start.as_millis() / self.width.as_millis().max(1)).unwrap_or(usize::MAX)
    }

    fn merge(&mut self, together: usize) {
        let merged = self.points.chunks(together).map(|chunk| {
            let mut point = Point::default();
            chunk.iter().for_each(|part| point.add(part));
            point
        });
        self.points = merged.collect();
        self.width = self.width.saturating_mul(u32::try_from(together).unwrap_or(u32::MAX));
    }
}

/// The size that a latency is counted under: exact below 64 microseconds, then 64 steps for each doubling.
fn size_of(latency_us: u64) -> u16 {
    let latency = u32::try_from(latency_us).unwrap_or(u32::MAX);
    if latency < STEPS {
        return latency as u16;
    }
    let exponent = latency.ilog2();
    let step = (latency >> (exponent - STEP_BITS)) & (STEPS - 1);
    ((exponent - STEP_BITS + 1) * STEPS + step) as u16
}

/// A latency of this size, in the middle of its step.
fn middle_us(size: u16) -> u64 {
    let (octave, step) = (u32::from(size) / STEPS, u64::from(u32::from(size) % STEPS));
    if octave == 0 {
        return step;
    }
    let unit = 1_u64 << (octave - 1);
    (u64::from(STEPS) + step) * unit + unit / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_hour_and_a_week_are_bounded() {
        let mut timeline = Timeline::default();
        for (seconds, width_ms) in [(409, 200), (410, 400), (3600, 3200), (604_800, 409_600)] {
            timeline.at(Duration::from_secs(seconds)).committed += 1;
            assert_eq!(timeline.width(), ms(width_ms), "{seconds}");
            assert!(timeline.points().len() <= TIMELINE_POINTS_MAX);
        }
        assert_eq!(timeline.points().iter().map(|point| point.committed).sum::<u64>(), 4);
    }

    #[test]
    fn neighbours_add_up_to_what_one_would_be() {
        let (mut two, mut one) = (Timeline::default(), Point::default());
        for latency in 1..=1000 {
            let place = if latency % 3 == 0 { 0 } else { 200 };
            two.at(ms(place)).record_latency(ms(latency));
            one.record_latency(ms(latency));
        }
        two.at(ms(200)).record_block(7, 70);
        two.at(ms(0)).record_block(9, 90);
        let merged = two.with_points_max(1);
        let [point] = merged.points() else { panic!("{merged:?}") };
        assert_eq!(point.latencies, one.latencies);
        assert_eq!((point.blocks, point.block_transactions, point.block_transactions_max), (2, 16, 9));
        for (quantile, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = point.latency_ms(quantile).unwrap();
            assert!((found / expected - 1.0_f64).abs() < 0.016, "{quantile}: {found}");
        }
        assert_eq!(Point::default().latency_ms(0.5), None);
    }

    proptest! {
        #[test]
        fn a_size_is_near_its_latency_and_keeps_the_order(latency in 0..u64::from(u32::MAX), more in 0..1000_u64) {
            let middle = middle_us(size_of(latency)) as f64;
            prop_assert!((middle - latency as f64).abs() <= latency as f64 / f64::from(STEPS));
            prop_assert!(size_of(latency) <= size_of(latency + more));
        }
    }
}
