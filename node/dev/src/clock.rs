//! The time of blocks, which those who test set as they like. A block is later than its parent by a second at least.

use crate::DevError;

/// What a block's time is made from. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// How far it is ahead of the node's.
    ahead: i64,
    /// The time of the next block, where it was said.
    next: Option<u64>,
    /// How far blocks are apart, where that was said.
    apart: Option<u64>,
}

impl Clock {
    fn now(&self, unix_s: u64) -> u64 {
        unix_s.saturating_add_signed(self.ahead)
    }

    /// The time of the next block, if it came now.
    pub(crate) fn peek(&self, unix_s: u64, parent_s: u64) -> u64 {
        let apart = self.apart.map(|apart_s| parent_s.saturating_add(apart_s));
        let wanted = self.next.or(apart).unwrap_or_else(|| self.now(unix_s));
        wanted.max(parent_s.saturating_add(1))
    }

    /// The time of the block that comes now. The clock goes on from there.
    pub(crate) fn take(&mut self, unix_s: u64, parent_s: u64) -> u64 {
        let time_s = self.peek(unix_s, parent_s);
        self.next = None;
        self.set(unix_s, time_s);
        time_s
    }

    /// Sets the clock: how far it moved.
    pub(crate) fn set(&mut self, unix_s: u64, time_s: u64) -> i64 {
        let before = self.ahead;
        let difference = i128::from(time_s) - i128::from(unix_s);
        self.ahead = i64::try_from(difference).unwrap_or(i64::MAX);
        self.ahead.saturating_sub(before)
    }

    /// Moves it: how far it is ahead then.
    pub(crate) fn move_by(&mut self, seconds: u64) -> i64 {
        self.ahead = self.ahead.saturating_add_unsigned(seconds);
        self.ahead
    }

    /// Says the time of the next block.
    pub(crate) fn set_next(&mut self, time_s: u64, parent_s: u64) -> Result<(), DevError> {
        if time_s <= parent_s {
            return Err(DevError::Timestamp { asked_s: time_s, parent_s });
        }
        self.next = Some(time_s);
        Ok(())
    }

    /// Says how far blocks are apart, or that they come when they come.
    pub(crate) const fn set_apart(&mut self, apart_s: Option<u64>) -> bool {
        let was_set = self.apart.is_some();
        self.apart = apart_s;
        was_set
    }

    /// The clock as it was some time ago, going on from then.
    pub(crate) fn since(self, seconds: u64) -> Self {
        Self { ahead: self.ahead.saturating_sub_unsigned(seconds), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_second_later_than_its_parent_at_least() {
        let mut clock = Clock::default();
        assert_eq!(clock.take(1_000, 900), 1_000);
        for parent in 1_000..1_010 {
            assert_eq!(clock.take(1_000, parent), parent + 1);
        }
        // It does not fall back to where it was.
        assert_eq!(clock.peek(1_001, 1_010), 1_011);
        assert_eq!(clock.peek(1_005, 1_010), 1_015);
    }

    #[test]
    fn the_next_time_can_be_said_and_the_clock_goes_on_from_there() {
        let mut clock = Clock::default();
        assert_eq!(clock.set_next(500, 500), Err(DevError::Timestamp { asked_s: 500, parent_s: 500 }));
        clock.set_next(5_000, 900).unwrap();
        assert_eq!((clock.peek(1_000, 900), clock.take(1_000, 900)), (5_000, 5_000));
        assert_eq!(clock.take(1_003, 5_000), 5_003);
        assert_eq!(clock.move_by(100), 4_100);
        assert_eq!(clock.take(1_003, 5_003), 5_103);
        assert_eq!(clock.set(1_003, 6_000), 897);
        assert_eq!(clock.take(1_004, 5_103), 6_001);
        assert!(!clock.set_apart(Some(12)) && clock.set_apart(Some(13)));
        assert_eq!(clock.take(1_005, 6_001), 6_014);
        assert!(clock.set_apart(None));
    }
}
