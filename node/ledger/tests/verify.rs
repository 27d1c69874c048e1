//! Checking a whole ledger finds every kind of damage.

mod support;

use std::sync::Arc;

use entente_ledger::{Ledger, VerificationProgress};
use entente_storage::{Batch, Column, Durability, Engine, Memory};
use support::{Chain, row};

fn filled() -> (Chain, Arc<dyn Engine>) {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    let ledger = chain.ledger(engine.clone());
    for number in 0..70_u8 {
        ledger.append(&chain.next(2, &vec![(number, Some(vec![number; 9])), (1, Some(vec![number]))])).unwrap();
    }
    (chain, engine)
}

#[test]
fn a_whole_ledger_is_found_whole_and_progress_is_told() {
    let (chain, engine) = filled();
    let ledger = Ledger::open(engine, &chain.genesis).unwrap();
    let mut told = Vec::new();
    let verification = ledger.verify(&mut |progress| told.push(progress)).unwrap();
    assert!(verification.ok, "{verification:?}");
    assert_eq!((verification.height, verification.blocks_checked), (70, 71));
    assert_eq!(verification.state_root, verification.recomputed_root);
    let rows = chain.state.0.len() as u64;
    assert_eq!(
        told,
        [
            VerificationProgress::Blocks { checked: 64, total: 71 },
            VerificationProgress::Blocks { checked: 71, total: 71 },
            VerificationProgress::Rows(rows),
            VerificationProgress::History { checked: 64, total: 70 },
            VerificationProgress::History { checked: 70, total: 70 },
        ]
    );
}

/// The first fault after one value was changed: the block and the message.
fn fault(column: Column, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> (Option<u64>, String) {
    let (chain, engine) = filled();
    let ledger = Ledger::open(engine.clone(), &chain.genesis).unwrap();
    let mut value = engine.get(column, key).unwrap().unwrap_or_default();
    change(&mut value);
    let mut batch = Batch::new();
    if value.is_empty() {
        batch.delete(column, key);
    } else {
        batch.put(column, key, &value);
    }
    engine.write(batch, Durability::Synced).unwrap();
    drop(ledger);
    let ledger = Ledger::open(engine, &chain.genesis).unwrap();
    let verification = ledger.verify(&mut |_| ()).unwrap();
    assert!(!verification.ok);
    let fault = verification.first_fault.unwrap();
    (fault.block, fault.message)
}

#[test]
fn each_kind_of_damage_is_found_and_named() {
    let (chain, _) = filled();
    let number = 5_u64.to_be_bytes();
    let record = &chain.records[4];
    let chunk = [&number[..], &[0; 4]].concat();
    let lookup = [b"t", &record.transaction_hashes[1].0[..]].concat();
    let row_key = row(3).as_bytes().to_vec();
    let list = [&[1], &number[..]].concat();
    // What block 70 overwrote is what block 69 wrote.
    let every = row(1);
    let length = u16::try_from(every.as_bytes().len()).unwrap().to_be_bytes();
    let overwritten = [&[0], &length[..], every.as_bytes(), &70_u64.to_be_bytes()].concat();
    for (column, key, change, block, expected) in [
        (
            Column::Blocks,
            &number[..],
            &(|value: &mut Vec<u8>| value.clear()) as &dyn Fn(&mut Vec<u8>),
            Some(5),
            "missing",
        ),
        (Column::Blocks, &number, &|value| value[0] = 9, Some(5), "does not decode"),
        (Column::Blocks, &number, &|value| value[60] ^= 1, Some(5), "not that member's"),
        (Column::Blocks, &number, &|value| *value.iter_mut().nth_back(13).unwrap() ^= 1, Some(5), "its proposal"),
        (
            Column::Transactions,
            &chunk,
            &|value| *value.iter_mut().nth_back(70).unwrap() ^= 1,
            Some(5),
            "transaction root",
        ),
        (Column::Receipts, &chunk, &|value| value[8] ^= 1, Some(5), "receipt root"),
        (Column::Lookup, &lookup, &|value| value[2] ^= 1, Some(5), "does not lead"),
        (Column::Lookup, &lookup, &|value| value.clear(), Some(5), "does not lead"),
        (Column::State, &row_key, &|value| value[3] ^= 1, None, "all rows together"),
        (Column::State, &row_key, &|value| value.clear(), None, "all rows together"),
        (Column::State, &row_key, &|value| value.push(0), None, "column state"),
        (Column::State, &[9, 9], &|value| value.extend([1, 0]), None, "name no row"),
        (Column::Lookup, &[b't'; 33], &|value| value.push(1), None, "names of transactions is 141, expected 140"),
        (Column::Lookup, &[b'b'; 33], &|value| value.push(1), None, "names of blocks is 72, expected 71"),
        (Column::Replay, &number, &|value| value[9] ^= 1, None, "the nonces of block 5"),
        (Column::Replay, &number, &|value| value.clear(), None, "whose nonces are remembered is 69, expected 70"),
        (Column::History, &list, &|value| value.clear(), None, "the list of what block 5 overwrote is missing"),
        (Column::History, &overwritten, &|value| value.clear(), None, "made again from the history of block 69,"),
        (Column::History, &overwritten, &|value| value[3] ^= 1, None, "made again from the history of block 69,"),
    ] {
        let (found, message) = fault(column, key, change);
        assert_eq!(found, block, "{column:?} {message}");
        assert!(message.contains(expected), "{column:?} {message}");
    }
}

#[test]
fn a_certificate_without_a_quorum_is_found() {
    let mut chain = Chain::new();
    let ledger = chain.ledger(Arc::new(Memory::new()));
    let mut record = chain.next(1, &vec![]);
    record.block.certificate.votes.pop();
    ledger.append(&record).unwrap();
    let verification = ledger.verify(&mut |_| ()).unwrap();
    assert_eq!(verification.blocks_checked, 1);
    assert!(verification.first_fault.unwrap().message.contains("weight is 2; the quorum is 3"));
}
