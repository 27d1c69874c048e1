//! How many transactions a proposal takes, so that its block has the gas for all of them.

/// What blocks have room for. A block ends once its gas is used: what stands behind that is left out and has to be
/// proposed again, and Ethereum's transactions that follow it in the proposals above can apply in none of them. What a
/// transaction will use is known once it has run, and most ask for far more: so the last blocks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    most: usize,
}

impl Room {
    /// That of blocks of which nothing is known.
    pub(crate) const fn unknown() -> Self {
        Self { most: usize::MAX }
    }

    /// The transactions that the next proposal takes at most: one at least.
    pub(crate) const fn most(self) -> usize {
        self.most
    }

    /// A block ran so many transactions with this gas, and left out so many others.
    pub(crate) fn after(&mut self, ran: usize, left_out: usize, gas_used: u64, block_gas: u64) {
        if gas_used >= block_gas && left_out > 0 {
            self.most = ran.max(1);
        } else if ran > 0 && gas_used < block_gas / 2 {
            self.most = self.most.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_block_tells_how_many_fit_and_one_half_empty_that_more_do() {
        let mut room = Room::unknown();
        room.after(5_000, 0, 700, 800);
        assert_eq!(room, Room::unknown());
        // It used its gas to the end, and nothing was behind.
        room.after(5_000, 0, 900, 800);
        assert_eq!(room, Room::unknown());
        room.after(3, 4_997, 900, 800);
        assert_eq!(room.most(), 3);
        room.after(3, 0, 900, 800);
        room.after(2, 1, 400, 800);
        assert_eq!(room.most(), 3);
        room.after(1, 0, 399, 800);
        assert_eq!(room.most(), 6);
        // A block of which nothing could apply says nothing of the gas that it would have used.
        room.after(0, 6, 0, 800);
        assert_eq!(room.most(), 6);
    }

    #[test]
    fn a_proposal_takes_one_at_least_and_no_number_is_too_large() {
        let mut room = Room::unknown();
        room.after(0, 9, u64::MAX, 0);
        assert_eq!(room.most(), 1);
        for _ in 0..100 {
            room.after(1, 0, 0, u64::MAX);
        }
        assert_eq!(room, Room::unknown());
    }
}
