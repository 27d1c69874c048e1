//! What lasts as long as a transaction and is no row: warm addresses and slots, transient words, what was created and
//! what is to be removed, and what the transaction gets back.

use entente_evm::Word;
use entente_types::Address;
use hashbrown::{HashMap, HashSet};

/// The transient words that a transaction has at most. Within the gas of Ethereum's own transactions (EIP-7825) no more
/// than 167,772 can be stored.
const TRANSIENT_WORDS_MAX: usize = 1 << 18;

/// A point to which it can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TouchedCheckpoint(usize);

/// Undoes one change.
enum Undo {
    Address(Address),
    Slot(Address, Word),
    Transient(Address, Word, Word),
    Created(Address),
    Removed,
    Refund(i64),
}

/// What a transaction touched. It is looked into by name alone, never in the order of a hash map.
#[derive(Default)]
pub(crate) struct Touched {
    addresses: HashSet<Address>,
    slots: HashSet<(Address, Word)>,
    transient: HashMap<(Address, Word), Transient>,
    created: HashSet<Address>,
    /// In the order in which they were marked, each once.
    removed: Vec<Address>,
    is_removed: HashSet<Address>,
    refund: i64,
    journal: Vec<Undo>,
    /// The journal's length at the last checkpoint: what changed since needs no second undo.
    floor: usize,
}

/// A word, and where in the journal its last change is, if that place is still a change of it.
#[derive(Default, Clone, Copy)]
struct Transient {
    word: Word,
    last_undo: usize,
}

/// The capacity of a map that is kept for the next transaction: clearing a larger one costs more than making it anew.
const CAPACITY_KEPT_MAX: usize = 1024;

impl Touched {
    /// Forgets everything: another transaction begins.
    pub(crate) fn clear(&mut self) {
        if self.journal.is_empty() {
            return;
        }
        if self.addresses.capacity().max(self.slots.capacity()).max(self.transient.capacity()) > CAPACITY_KEPT_MAX {
            *self = Self::default();
            return;
        }
        self.addresses.clear();
        self.slots.clear();
        self.transient.clear();
        self.created.clear();
        self.removed.clear();
        self.is_removed.clear();
        self.refund = 0;
        self.journal.clear();
        self.floor = 0;
    }

    pub(crate) fn checkpoint(&mut self) -> TouchedCheckpoint {
        self.floor = self.journal.len();
        TouchedCheckpoint(self.floor)
    }

    /// Undoes every change since the checkpoint, the latest first.
    pub(crate) fn revert(&mut self, checkpoint: TouchedCheckpoint) {
        while self.journal.len() > checkpoint.0 {
            match self.journal.pop() {
                None => return,
                Some(Undo::Address(address)) => {
                    self.addresses.remove(&address);
                }
                Some(Undo::Slot(address, key)) => {
                    self.slots.remove(&(address, key));
                }
                Some(Undo::Transient(address, key, previous)) => {
                    self.transient.entry((address, key)).or_default().word = previous;
                }
                Some(Undo::Created(address)) => {
                    self.created.remove(&address);
                }
                Some(Undo::Removed) => {
                    if let Some(address) = self.removed.pop() {
                        self.is_removed.remove(&address);
                    }
                }
                Some(Undo::Refund(previous)) => self.refund = previous,
            }
        }
        self.floor = self.floor.min(self.journal.len());
    }

    pub(crate) fn is_warm(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    pub(crate) fn warm(&mut self, address: &Address) {
        if self.addresses.insert(*address) {
            self.journal.push(Undo::Address(*address));
        }
    }

    pub(crate) fn is_slot_warm(&self, address: &Address, key: &Word) -> bool {
        self.slots.contains(&(*address, *key))
    }

    /// Makes a slot warm. Tells whether it was cold.
    pub(crate) fn warm_slot(&mut self, address: &Address, key: &Word) -> bool {
        // What is loaded is often stored next.
        if matches!(self.journal.last(), Some(Undo::Slot(last, slot)) if last == address && slot == key) {
            return false;
        }
        let was_cold = self.slots.insert((*address, *key));
        if was_cold {
            self.journal.push(Undo::Slot(*address, *key));
        }
        was_cold
    }

    pub(crate) fn transient(&self, address: &Address, key: &Word) -> Word {
        self.transient.get(&(*address, *key)).map(|entry| entry.word).unwrap_or_default()
    }

    /// Stores a transient word, unless there are as many as there may be: tells whether it did.
    pub(crate) fn set_transient(&mut self, address: &Address, key: &Word, value: &Word) -> bool {
        let name = (*address, *key);
        let is_known = self.transient.contains_key(&name);
        if !is_known && *value == Word::default() {
            return true;
        }
        if !is_known && self.transient.len() >= TRANSIENT_WORDS_MAX {
            return false;
        }
        let (place, floor) = (self.journal.len(), self.floor);
        let entry = self.transient.entry(name).or_insert(Transient { word: Word::default(), last_undo: usize::MAX });
        let previous = std::mem::replace(&mut entry.word, *value);
        let is_its = |undo: &Undo| matches!(undo, Undo::Transient(address, key, _) if (*address, *key) == name);
        let is_noted = entry.last_undo >= floor && self.journal.get(entry.last_undo).is_some_and(is_its);
        if previous != *value && !is_noted {
            entry.last_undo = place;
            self.journal.push(Undo::Transient(*address, *key, previous));
        }
        true
    }

    /// Whether this transaction created it.
    pub(crate) fn is_created(&self, address: &Address) -> bool {
        self.created.contains(address)
    }

    pub(crate) fn add_created(&mut self, address: &Address) {
        if self.created.insert(*address) {
            self.journal.push(Undo::Created(*address));
        }
    }

    /// What is to be removed at the transaction's end.
    pub(crate) fn removed(&self) -> &[Address] {
        &self.removed
    }

    /// Marks an account for removal. Tells whether it was marked before.
    pub(crate) fn remove(&mut self, address: &Address) -> bool {
        let is_new = self.is_removed.insert(*address);
        if is_new {
            self.removed.push(*address);
            self.journal.push(Undo::Removed);
        }
        !is_new
    }

    /// What the transaction gets back, in Ethereum's gas, before any bound.
    pub(crate) const fn refunded(&self) -> i64 {
        self.refund
    }

    pub(crate) fn refund(&mut self, gas: i64) {
        if gas != 0 {
            self.journal.push(Undo::Refund(self.refund));
            self.refund = self.refund.saturating_add(gas);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    struct Model {
        addresses: Vec<u8>,
        slots: Vec<(u8, u8)>,
        transient: std::collections::BTreeMap<(u8, u8), u8>,
        created: Vec<u8>,
        removed: Vec<u8>,
        refund: i64,
    }

    #[derive(Debug, Clone)]
    enum Step {
        Warm(u8),
        WarmSlot(u8, u8),
        Transient(u8, u8, u8),
        Create(u8),
        Remove(u8),
        Refund(i8),
        Open,
        Revert,
        Keep,
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let small = || 0_u8..3;
        prop_oneof![
            1 => small().prop_map(Step::Warm),
            1 => (small(), small()).prop_map(|(address, key)| Step::WarmSlot(address, key)),
            3 => (small(), small(), small()).prop_map(|(address, key, value)| Step::Transient(address, key, value)),
            1 => small().prop_map(Step::Create),
            1 => small().prop_map(Step::Remove),
            1 => any::<i8>().prop_map(Step::Refund),
            3 => Just(Step::Open),
            2 => Just(Step::Revert),
            1 => Just(Step::Keep),
            1 => Just(Step::Clear),
        ]
    }

    fn at(byte: u8) -> Address {
        Address([byte; 20])
    }

    fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
        if !list.contains(&item) {
            list.push(item);
        }
    }

    fn assert_equal(touched: &Touched, model: &Model) {
        let all = || (0..3_u8).flat_map(|address| (0..3_u8).map(move |key| (address, key)));
        for (address, key) in all() {
            assert_eq!(touched.is_warm(&at(address)), model.addresses.contains(&address));
            assert_eq!(touched.is_slot_warm(&at(address), &[key; 32]), model.slots.contains(&(address, key)));
            let word = model.transient.get(&(address, key)).copied().unwrap_or(0);
            assert_eq!(touched.transient(&at(address), &[key; 32]), [word; 32]);
            assert_eq!(touched.is_created(&at(address)), model.created.contains(&address));
        }
        assert_eq!(touched.removed(), model.removed.iter().map(|byte| at(*byte)).collect::<Vec<_>>());
        assert_eq!(touched.refunded(), model.refund);
    }

    #[test]
    fn a_word_that_one_frame_stores_again_and_again_is_undone_once() {
        let mut touched = Touched::default();
        touched.set_transient(&at(1), &[1; 32], &[7; 32]);
        let checkpoint = touched.checkpoint();
        for value in 0..100 {
            touched.set_transient(&at(1), &[1; 32], &[value; 32]);
        }
        assert_eq!(touched.journal.len(), 2);
        touched.revert(checkpoint);
        assert_eq!(touched.transient(&at(1), &[1; 32]), [7; 32]);
    }

    #[test]
    fn transient_words_have_a_bound() {
        let mut touched = Touched::default();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            key
        };
        assert!((0..TRANSIENT_WORDS_MAX).all(|number| touched.set_transient(&at(1), &key(number), &[1; 32])));
        assert!(!touched.set_transient(&at(1), &key(TRANSIENT_WORDS_MAX), &[1; 32]));
        assert!(touched.set_transient(&at(1), &key(5), &[2; 32]), "one that is there can change");
        touched.clear();
        assert!(touched.set_transient(&at(1), &key(TRANSIENT_WORDS_MAX), &[1; 32]));
    }

    proptest! {
        #[test]
        fn it_equals_copying_all_of_it_at_each_checkpoint(steps in proptest::collection::vec(step(), 0..100)) {
            let (mut touched, mut model, mut stack) = (Touched::default(), Model::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Warm(address) => { touched.warm(&at(address)); add(&mut model.addresses, address); }
                    Step::WarmSlot(address, key) => {
                        touched.warm_slot(&at(address), &[key; 32]);
                        add(&mut model.slots, (address, key));
                    }
                    Step::Transient(address, key, value) => {
                        prop_assert!(touched.set_transient(&at(address), &[key; 32], &[value; 32]));
                        model.transient.insert((address, key), value);
                    }
                    Step::Create(address) => { touched.add_created(&at(address)); add(&mut model.created, address); }
                    Step::Remove(address) => {
                        let marked = touched.remove(&at(address));
                        prop_assert_eq!(marked, model.removed.contains(&address));
                        add(&mut model.removed, address);
                    }
                    Step::Refund(gas) => { touched.refund(gas.into()); model.refund += i64::from(gas); }
                    Step::Open => stack.push((touched.checkpoint(), model.clone())),
                    Step::Revert => if let Some((checkpoint, before)) = stack.pop() {
                        touched.revert(checkpoint);
                        model = before;
                    },
                    Step::Keep => { stack.pop(); }
                    Step::Clear => {
                        touched.clear();
                        model = Model::default();
                        stack.clear();
                    }
                }
                assert_equal(&touched, &model);
            }
        }
    }
}
