//! A chain whose sealers change is verified by the set that ruled each height, and no other.

mod support;

use std::sync::Arc;

use entente_ledger::{BlockRecord, Ledger, OpenError};
use entente_storage::{Batch, Column, Durability, Engine, Memory};
use entente_types::{Header, SealerHistory, SealerSet, Version, sealer_set_row, sealers_hash};
use parity_scale_codec::Encode as _;
use support::Chain;

/// Blocks 3 and 4, and 12, decide on another set; so does block 20, on the one that there was before.
fn blocks(chain: &mut Chain, ledger: &Ledger, alter: &dyn Fn(&Chain, &mut BlockRecord)) {
    for number in 1..=24_u64 {
        match number {
            3 => assert_eq!(chain.decide(vec![0, 1, 2]), 5),
            4 => assert_eq!(chain.decide(vec![2]), 6),
            12 => assert_eq!(chain.decide(vec![3, 2, 1, 0]), 14),
            20 => assert_eq!(chain.decide(vec![3, 2, 1, 0]), 22),
            _ => {}
        }
        let mut record = chain.next(1, &vec![(number as u8, Some(vec![1]))]);
        alter(chain, &mut record);
        let header = record.block.header.clone();
        ledger.append(&record).expect("follows");
        *chain.headers.last_mut().expect("a header") = header;
    }
}

fn altered(alter: &dyn Fn(&Chain, &mut BlockRecord)) -> (Chain, Arc<dyn Engine>, Ledger) {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut chain = Chain::new();
    let ledger = chain.ledger(engine.clone());
    blocks(&mut chain, &ledger, alter);
    (chain, engine, ledger)
}

fn fault(ledger: &Ledger) -> (Option<u64>, String) {
    let verification = ledger.verify(&mut |_| {}).expect("reads");
    let fault = verification.first_fault.expect("a fault");
    assert!(!verification.ok);
    (fault.block, fault.message)
}

/// Certifies a block of this height by other keys.
fn certified(height: u64, keys: Vec<usize>) -> impl Fn(&Chain, &mut BlockRecord) {
    move |chain, record| {
        if record.block.header.number == height {
            record.block.certificate = chain.certificate(&record.block.header, &keys);
        }
    }
}

#[test]
fn every_block_is_certified_by_the_set_that_rules_it() {
    let (chain, engine, ledger) = altered(&|_, _| {});
    let verification = ledger.verify(&mut |_| {}).expect("reads");
    assert!(verification.ok, "{verification:?}");
    let sets: Vec<u64> = SealerHistory::new(ledger.state().as_ref(), &chain.genesis)
        .expect("reads")
        .map(|set| set.expect("reads").from)
        .collect();
    assert_eq!(sets, [22, 14, 6, 5, 0]);
    assert!(Ledger::open(engine, &chain.genesis).is_ok());
    let certified = ledger.certified_header(6).expect("reads").expect("there");
    assert_eq!(certified.header, chain.headers[6]);
    assert_eq!(ledger.certified_header(25), Ok(None));
}

#[test]
fn no_other_set_vouches_for_a_block() {
    // The set that went, the last height that it ruled, the one that comes, and one that is gone for long.
    for (height, keys, expected) in [
        (5, vec![0, 1, 2, 3], "not ascending places in a sealer set of 3"),
        (4, vec![0, 1, 2], ""),
        (4, vec![2], "the certificate's weight is 1; the quorum is 3"),
        (6, vec![0, 1, 2], "not ascending places in a sealer set of 1"),
        (14, vec![2], "the certificate's weight is 1; the quorum is 3"),
        (23, vec![0, 1, 2, 3], "the certificate's signature of member 0 is not that member's"),
    ] {
        let (_, _, ledger) = altered(&certified(height, keys));
        if expected.is_empty() {
            // Three of the four that still rule are a quorum.
            assert!(ledger.verify(&mut |_| {}).expect("reads").ok);
        } else {
            let (block, message) = fault(&ledger);
            assert_eq!(block, Some(height), "{message}");
            assert!(message.contains(expected), "{message}");
        }
    }
}

#[test]
fn a_header_that_names_another_set_than_the_state_is_found() {
    // Too late, too early, and at no time.
    for (height, keys) in [(4, vec![0, 1, 2, 3]), (12, vec![3, 2, 1, 0]), (17, vec![0])] {
        let (_, _, ledger) = altered(&|chain: &Chain, record: &mut BlockRecord| {
            let header: &mut Header = &mut record.block.header;
            if header.number == height {
                header.next_sealers = sealers_hash(chain.genesis.suite, &chain.members(&keys));
                record.block.certificate = chain.certificate(&record.block.header, chain.ruling(height));
            }
        });
        let (block, message) = fault(&ledger);
        assert_eq!(block, Some(height), "{message}");
        assert!(message.starts_with("its sealer set is "), "{message}");
    }
}

#[test]
fn a_row_of_a_set_that_was_altered_is_found_and_a_ledger_that_contradicts_its_tip_does_not_open() {
    let (chain, engine, ledger) = altered(&|_, _| {});
    let put = |from: u64, value: &[u8]| {
        let mut batch = Batch::new();
        let key = sealer_set_row(from).as_bytes().to_vec();
        let mut bytes = engine.get(Column::State, &key).expect("reads").expect("there");
        // What stands before the value stays: the format's version.
        bytes.truncate(1);
        value.encode_to(&mut bytes);
        batch.put(Column::State, &key, &bytes);
        engine.write(batch, Durability::Synced).expect("writes");
    };
    let other = SealerSet { version: Version, before: 5, sealers: chain.members(&[1]) };
    put(6, &other.encode());
    drop(ledger);
    let ledger = Ledger::open(engine.clone(), &chain.genesis).expect("opens: the tip is whole");
    let (block, message) = fault(&ledger);
    assert_eq!(block, Some(5), "{message}");
    drop(ledger);
    put(6, b"nothing");
    let ledger = Ledger::open(engine.clone(), &chain.genesis).expect("opens");
    assert_eq!(fault(&ledger).0, None);
    drop(ledger);
    let other = SealerSet { version: Version, before: 14, sealers: chain.members(&[1]) };
    put(22, &other.encode());
    let refused = Ledger::open(engine, &chain.genesis).err().expect("refused");
    assert!(matches!(refused, OpenError::Tip { what: "sealer set of the next height", .. }), "{refused}");
}
