//! What stands before each transaction in its block: Ethereum's receipts count gas and logs through the whole block.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use entente_driver::GroupHandle;
use entente_types::{BlockNumber, Receipt};

use crate::{
    error::{INTERNAL, RpcError},
    limits::BLOCK_PLACES_MAX,
};

/// What stands before a transaction in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Before {
    /// The gas that those before it used.
    pub(crate) gas_used: u64,
    /// How many logs those before it left.
    pub(crate) logs: u32,
}

/// The same of each transaction of a block.
pub(crate) fn all_before(receipts: &[Receipt]) -> Arc<[Before]> {
    let mut sum = Before::default();
    let next = |receipt: &Receipt| {
        let before = sum;
        sum.gas_used = sum.gas_used.saturating_add(receipt.gas_used);
        sum.logs = sum.logs.saturating_add(receipt.logs.len() as u32);
        before
    };
    receipts.iter().map(next).collect()
}

type Kept = VecDeque<(BlockNumber, Arc<[Before]>)>;

/// The blocks asked about last: whoever sent many transactions asks for each one's receipt.
#[derive(Default)]
pub(crate) struct BlockPlaces(Mutex<Kept>);

impl BlockPlaces {
    /// What stands before a transaction that is in a block.
    pub(crate) fn before(&self, group: &GroupHandle, number: BlockNumber, index: u32) -> Result<Before, RpcError> {
        let all = match self.kept(number) {
            Some(all) => all,
            // Another block may have this number soon.
            None if group.is_dev() => all_before(&receipts(group, number)?),
            None => self.keep(number, all_before(&receipts(group, number)?)),
        };
        let missing = || RpcError::new(INTERNAL, format!("block {number} has no receipt at place {index}"));
        all.get(index as usize).copied().ok_or_else(missing)
    }

    fn kept(&self, number: BlockNumber) -> Option<Arc<[Before]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == number).map(|(_, all)| Arc::clone(all))
    }

    fn keep(&self, number: BlockNumber, all: Arc<[Before]>) -> Arc<[Before]> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= BLOCK_PLACES_MAX {
            kept.pop_front();
        }
        kept.push_back((number, Arc::clone(&all)));
        all
    }
}

/// The receipts of a block that is there.
pub(crate) fn receipts(group: &GroupHandle, number: BlockNumber) -> Result<Vec<Receipt>, RpcError> {
    let missing = || {
        let missing = || RpcError::new(INTERNAL, format!("block {number} has no receipts"));
        RpcError::not_kept(group.ledger(), number).unwrap_or_else(missing)
    };
    group.ledger().receipts(number)?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use entente_testing::{BlockContent, genesis, key};

    use super::*;

    #[test]
    fn gas_and_logs_are_counted_through_the_block_and_few_blocks_are_kept() {
        let receipts = BlockContent::new(&genesis(&[key(200)]), &key(1), 3).receipts;
        let before = all_before(&receipts);
        let expected = [(0, 0), (21_000, 1), (42_000, 2)].map(|(gas_used, logs)| Before { gas_used, logs });
        assert_eq!(before[..], expected);
        let places = BlockPlaces::default();
        for number in 0..=BLOCK_PLACES_MAX as u64 {
            places.keep(number, Arc::clone(&before));
        }
        assert_eq!(places.kept(0), None);
        assert_eq!(places.kept(1), Some(before));
    }
}
