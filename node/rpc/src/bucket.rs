//! A token bucket: how many requests a second are let in. Time is an argument.

/// What one request costs, in the bucket's own unit: a millionth of a request, so that a microsecond's share is whole.
const REQUEST: u128 = 1_000_000;

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Too many came before it: in so many milliseconds it would be let in.
    Milliseconds(u64),
    /// It alone counts as more than a second's worth.
    ForEver,
}

/// Lets in so many requests a second on average, and a second's worth at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    per_second: u32,
    level: u128,
    /// The last time told, in microseconds.
    at_us: u64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, level: u128::from(per_second) * REQUEST, at_us: 0 }
    }

    /// Requests a second.
    pub(crate) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Takes so many requests out of it at a time in microseconds, of a whole of which `before` were taken already. A time
    /// before the last one told is that one.
    pub(crate) fn take(&mut self, now_us: u64, requests: u32, before: u32) -> Result<(), Wait> {
        let rate = u128::from(self.per_second);
        let elapsed = now_us.saturating_sub(self.at_us);
        self.at_us = self.at_us.max(now_us);
        self.level = (self.level + u128::from(elapsed) * rate).min(rate * REQUEST);
        let cost = u128::from(requests) * REQUEST;
        if requests.saturating_add(before) > self.per_second {
            return Err(Wait::ForEver);
        }
        if let Some(missing) = cost.checked_sub(self.level).filter(|missing| *missing > 0) {
            let milliseconds = missing.div_ceil(rate * 1000);
            return Err(Wait::Milliseconds(u64::try_from(milliseconds).unwrap_or(u64::MAX)));
        }
        self.level -= cost;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_is_let_in_at_once_and_then_one_by_one() {
        let mut bucket = Bucket::new(10);
        for _ in 0..10 {
            assert_eq!(bucket.take(0, 1, 0), Ok(()));
        }
        assert_eq!(bucket.take(0, 1, 0), Err(Wait::Milliseconds(100)));
        assert_eq!(bucket.take(1_500, 1, 0), Err(Wait::Milliseconds(99)));
        assert_eq!(bucket.take(100_000, 1, 0), Ok(()));
        assert_eq!(bucket.take(50_000, 1, 0), Err(Wait::Milliseconds(100)), "time does not go back");
        assert_eq!(bucket.take(60_000_000, 10, 0), Ok(()), "a second's worth, however long nobody came");
        assert_eq!(bucket.take(60_000_000, 1, 0), Err(Wait::Milliseconds(100)));
        assert_eq!(bucket.take(90_000_000, 11, 0), Err(Wait::ForEver));
        assert_eq!(bucket.take(90_000_000, 10, 1), Err(Wait::ForEver));
        assert_eq!(bucket.take(90_000_000, 9, 1), Ok(()));
    }

    proptest! {
        #[test]
        fn no_more_than_a_second_and_the_rate_is_let_in(
            per_second in 1_u32..2_000,
            steps in proptest::collection::vec((0_u64..500_000, 1_u32..50), 1..200),
        ) {
            let mut bucket = Bucket::new(per_second);
            let (mut now, mut let_in) = (0, 0_u64);
            for (elapsed, requests) in steps {
                now += elapsed;
                if bucket.take(now, requests, 0).is_ok() {
                    let_in += u64::from(requests);
                }
                let allowed = u64::from(per_second) + now * u64::from(per_second) / 1_000_000;
                prop_assert!(let_in <= allowed, "{let_in} by {now}, allowed are {allowed}");
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_let_in_and_not_before(
            per_second in 1_u32..2_000,
            steps in proptest::collection::vec((0_u64..50_000, 1_u32..200), 1..100),
        ) {
            let mut bucket = Bucket::new(per_second);
            let mut now = 0;
            for (elapsed, requests) in steps {
                now += elapsed;
                match bucket.take(now, requests, 0) {
                    Ok(()) => {}
                    Err(Wait::ForEver) => prop_assert!(requests > per_second),
                    Err(Wait::Milliseconds(wait_ms)) => {
                        prop_assert!(bucket.clone().take(now + wait_ms * 1000, requests, 0).is_ok());
                        prop_assert!(bucket.clone().take(now + (wait_ms - 1) * 1000, requests, 0).is_err());
                    }
                }
            }
        }
    }
}
