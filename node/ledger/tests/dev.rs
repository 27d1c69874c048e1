//! A ledger that can be taken back: whatever was done, it is what it was, in all that can be read.

mod support;

use std::sync::Arc;

use entente_ledger::{DevLedger, DevMark};
use entente_state::{ChangeSet, Overlay};
use proptest::prelude::*;
use support::{Chain, Writes, assert_same, row};

/// What is done with a ledger.
#[derive(Debug, Clone)]
enum Step {
    Append(usize, Writes),
    Set(Writes),
    Mark,
    /// To the mark at this place among those that there are.
    TakeBack(usize),
}

fn writes() -> impl Strategy<Value = Writes> {
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..3));
    proptest::collection::vec((0..12_u8, value), 0..8)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, writes()).prop_map(|(transactions, writes)| Step::Append(transactions, writes)),
        2 => writes().prop_map(Step::Set),
        2 => Just(Step::Mark),
        1 => any::<usize>().prop_map(Step::TakeBack),
    ]
}

/// Sets rows of the model as the ledger is to: the last block left them so.
fn set(chain: &mut Chain, writes: &Writes) -> ChangeSet {
    let mut overlay = Overlay::new(Arc::new(chain.state.clone()));
    for (key, value) in writes {
        overlay.set(&row(*key), value.clone()).unwrap();
    }
    let changes = overlay.finish();
    changes.apply_to(chain.genesis.suite, &mut chain.commitment);
    chain.state.apply(&changes);
    *chain.states.last_mut().unwrap() = chain.state.0.clone();
    changes
}

fn assert_heights(ledger: &DevLedger, chain: &Chain) {
    assert_same(ledger.ledger(), chain);
    for (height, expected) in chain.states.iter().enumerate() {
        let state = ledger.ledger().state_at(height as u64).unwrap();
        for key in 0..12 {
            assert_eq!(state.row(&row(key)).unwrap().as_ref(), expected.get(&row(key)), "{key} at {height}");
        }
    }
    assert!(ledger.ledger().state_at(chain.states.len() as u64).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_was_done_it_goes_back_to_what_it_was(steps in proptest::collection::vec(step(), 1..24)) {
        let mut chain = Chain::new();
        let ledger = DevLedger::create(chain.genesis_record(&vec![(200, Some(b"genesis".to_vec()))])).unwrap();
        let mut marks: Vec<(DevMark, Chain)> = vec![(ledger.mark(), chain.clone())];
        for step in steps {
            match step {
                Step::Append(transactions, writes) => {
                    ledger.ledger().append(&chain.next(transactions, &writes)).unwrap();
                }
                Step::Set(writes) => ledger.set_rows(&set(&mut chain, &writes)).unwrap(),
                Step::Mark => marks.push((ledger.mark(), chain.clone())),
                Step::TakeBack(place) => {
                    let held = ledger.ledger().state();
                    let before = chain.state.clone();
                    marks.truncate(place % marks.len() + 1);
                    let (mark, then) = marks.last().unwrap();
                    ledger.take_back(*mark).unwrap();
                    chain = then.clone();
                    // Whoever holds a state keeps it.
                    for key in 0..12 {
                        assert_eq!(held.row(&row(key)).unwrap().as_ref(), before.0.get(&row(key)));
                    }
                }
            }
            assert_heights(&ledger, &chain);
        }
    }
}
