//! The overlay, change sets and the commitment against maps that are copied at every checkpoint.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entente_crypto::{Address, LtHash, Suite, merkle_root};
use entente_state::{Checkpoint, LayeredState, MapState, Overlay, Row, RowValue, StateReader, Table};
use parity_scale_codec::Encode;

use super::input::Input;

type Values = BTreeMap<Row, RowValue>;

/// Blocks of steps, each block over the state that the one before left.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let suite = if input.byte().is_multiple_of(2) { Suite::Standard } else { Suite::Guomi };
    let mut state = MapState::default();
    let mut commitment = LtHash::default();
    for _ in 0..4 {
        if input.is_empty() {
            break;
        }
        state = block(suite, &mut input, &state, &mut commitment);
    }
    // A row is what its bytes say, or they name none.
    if let Ok(row) = Row::from_bytes(data) {
        assert_eq!(row.as_bytes(), data);
        assert_eq!([row.table(), row.key()].concat(), data);
    }
}

/// A block's overlay and what it should hold.
struct Subject {
    overlay: Overlay,
    values: Values,
    checkpoints: Vec<(Checkpoint, Values)>,
    reads: BTreeSet<Row>,
    writes: BTreeSet<Row>,
}

fn block(suite: Suite, input: &mut Input<'_>, before: &MapState, commitment: &mut LtHash) -> MapState {
    let overlay = Overlay::new(Arc::new(before.clone()));
    let values = before.0.clone();
    let (checkpoints, reads, writes) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut subject = Subject { overlay, values, checkpoints, reads, writes };
    while !input.is_empty() && step(&mut subject, input) {}
    let Subject { overlay, values, .. } = subject;
    let changes = Arc::new(overlay.finish());
    let rows: Vec<&Row> = changes.iter().map(|change| &change.row).collect();
    assert!(rows.is_sorted() && changes.iter().all(|change| change.old != change.new));
    let mut after = before.clone();
    after.apply(&changes);
    assert_eq!(after.0, values);
    let layered = LayeredState::new(Arc::clone(&changes), Arc::new(before.clone()));
    for row in before.0.keys().chain(values.keys()) {
        assert_eq!(layered.row(row).expect("memory"), values.get(row).cloned());
    }
    changes.apply_to(suite, commitment);
    let mut whole = LtHash::default();
    values.iter().for_each(|(row, value)| row.commit_to(suite, value, &mut whole));
    assert!(*commitment == whole, "the commitment that was carried on is not that of the whole");
    let leaf = |row: &Row, new: &Option<RowValue>| [row.table(), &row.key().encode(), &new.encode()].concat();
    let leaves: Vec<Vec<u8>> = changes.iter().map(|change| leaf(&change.row, &change.new)).collect();
    assert_eq!(changes.root(suite), merkle_root(suite, &leaves));
    after
}

/// One step on both; false where the block ends.
fn step(subject: &mut Subject, input: &mut Input<'_>) -> bool {
    let Subject { overlay, values, checkpoints, reads, writes } = subject;
    match input.below(10) {
        0..3 => {
            let (row, value) = (row(input), RowValue::from(input.short()));
            overlay.set(&row, Some(value.clone())).expect("memory");
            values.insert(row.clone(), value);
            reads.insert(row.clone());
            writes.insert(row);
        }
        3 => {
            let row = row(input);
            overlay.set(&row, None::<RowValue>).expect("memory");
            values.remove(&row);
            reads.insert(row.clone());
            writes.insert(row);
        }
        4 => {
            let row = row(input);
            assert_eq!(overlay.get(&row).expect("memory"), values.get(&row).map(RowValue::as_slice));
            reads.insert(row);
        }
        5 => {
            let row = row(input);
            assert_eq!(overlay.peek(&row).expect("memory"), values.get(&row).cloned());
        }
        6 => checkpoints.push((overlay.checkpoint(), values.clone())),
        7 => {
            // One of the last checkpoints; those taken after it are forgotten.
            for _ in 0..input.below(3) {
                checkpoints.pop();
            }
            if let Some((checkpoint, then)) = checkpoints.pop() {
                overlay.revert(checkpoint);
                *values = then;
            }
        }
        8 => {
            overlay.seal();
            checkpoints.clear();
            let access = overlay.take_access();
            assert_eq!(access.reads, std::mem::take(reads).into_iter().collect::<Vec<_>>());
            assert_eq!(access.writes, std::mem::take(writes).into_iter().collect::<Vec<_>>());
        }
        _ => return false,
    }
    true
}

fn row(input: &mut Input<'_>) -> Row {
    let choice = input.byte();
    let table = match choice % 6 {
        0 => Table::Accounts,
        1 => Table::Code,
        2 => Table::Configuration,
        3 => Table::EthereumHashes,
        4 => Table::Members,
        _ => Table::Contract(Address([choice >> 6; 20])),
    };
    let key = [choice / 5 % 4; 80];
    Row::new(&table, &key[..usize::from(choice / 20 % 3) * 39])
}

/// Steps of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let all: Vec<u8> = (0..=255).collect();
    let nested = [0, 0, 4, 2, 9, 9, 6, 0, 4, 1, 7, 6, 3, 4, 4, 4, 7, 0, 8, 5, 4, 9, 3, 4, 8, 4, 4].to_vec();
    vec![all.clone(), nested.clone(), [nested, all].concat(), [4, 1].to_vec()]
}
