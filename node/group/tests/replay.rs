//! Blocks from elsewhere: a true one is taken in, an altered one is not.

mod common;

use std::sync::Arc;

use common::{Rig, genesis, key};
use entente_group::{Replay, ReplayError, open};
use entente_ledger::LedgerOptions;
use entente_pool::AdmissionError;
use entente_storage::Memory;
use entente_types::{Address, Block, CertificateVote, Hash, Header, Limits, Transaction};

/// The blocks of a chain of one sealer.
fn blocks() -> Vec<Block> {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    rig.count(20);
    (0..=rig.ledger.tip().number).map(|number| rig.ledger.block(number).expect("reads").expect("there")).collect()
}

/// Signs a header again, as its sealer could.
fn certify(block: &mut Block) {
    let genesis = genesis(Limits::default());
    let header = &block.header;
    let digest = Header::signing_digest(genesis.suite, &genesis.hash(), header.number, &header.hash(genesis.suite));
    block.certificate.votes = vec![CertificateVote { member: 0, signature: key(9).sign(&digest) }];
}

/// What becomes of block 2 of a chain whose block 1 was taken in.
fn take(blocks: &[Block], alter: impl FnOnce(&mut Block)) -> Result<(), ReplayError> {
    let (ledger, executor) =
        open(Arc::new(Memory::new()), &genesis(Limits::default()), LedgerOptions::default()).expect("opens");
    let mut replay = Replay::new(&ledger, &executor).expect("begins");
    replay.take(blocks[1].clone()).expect("takes it in");
    let mut block = blocks[2].clone();
    alter(&mut block);
    let result = replay.take(block).map(drop);
    // What was refused left nothing: the true block still follows.
    if result.is_err() {
        assert_eq!((ledger.tip().number, replay.tip()), (1, 1));
        replay.take(blocks[2].clone()).expect("takes it in");
    }
    assert_eq!(ledger.tip().number, 2);
    result
}

#[test]
fn true_blocks_are_taken_in() {
    let blocks = blocks();
    assert!(blocks.len() > 3);
    assert_eq!(take(&blocks, |_| {}), Ok(()));
}

#[test]
fn no_altered_block_is_taken_in() {
    let blocks = blocks();
    let refused = |alter: &dyn Fn(&mut Block)| take(&blocks, alter).expect_err("refused");

    let error = refused(&|block| *block = blocks[3].clone());
    assert_eq!(error, ReplayError::Number { tip: 1, found: 3 });
    let error = refused(&|block| {
        block.header.parent = Hash([7; 32]);
        certify(block);
    });
    assert!(matches!(error, ReplayError::Parent { number: 2, .. }), "{error}");

    // Whatever of a header is altered, its certificate is no more.
    let altered: [&dyn Fn(&mut Header); 6] = [
        &|header| header.state_root = Hash([7; 32]),
        &|header| header.receipt_root = Hash([7; 32]),
        &|header| header.timestamp_ms += 1,
        &|header| header.gas_used += 1,
        &|header| header.proposer = Address([7; 20]),
        &|header| header.next_sealers = Hash([7; 32]),
    ];
    for alter in altered {
        let error = refused(&|block| alter(&mut block.header));
        assert!(matches!(error, ReplayError::Certificate { number: 2, .. }), "{error}");
    }
    let error = refused(&|block| block.certificate.votes.clear());
    assert!(matches!(error, ReplayError::Certificate { .. }), "{error}");

    // A sealer that certifies what does not follow is not believed either.
    for (alter, what) in
        altered.iter().zip(["state root", "receipt root", "proposal", "proposal", "proposal", "next sealer set"])
    {
        let error = refused(&|block| {
            alter(&mut block.header);
            certify(block);
        });
        let ReplayError::Header { number: 2, what: found, .. } = &error else { unreachable!("{error}") };
        assert!(found.starts_with(what), "{error}");
    }
}

#[test]
fn transactions_that_no_pool_would_let_in_are_refused_in_a_block_too() {
    let blocks = blocks();
    let refused = |alter: &dyn Fn(&mut Block)| take(&blocks, alter).expect_err("refused");
    let native = |block: &mut Block, alter: &dyn Fn(&mut entente_types::NativeTransaction)| {
        let Transaction::Native(native) = &mut block.transactions[1] else { unreachable!() };
        alter(native);
    };
    let error = refused(&|block| native(block, &|native| native.unsigned.nonce[5] ^= 1));
    assert!(
        matches!(error, ReplayError::Transaction { number: 2, index: 1, error: AdmissionError::Sender { .. } }),
        "{error}"
    );
    let error = refused(&|block| native(block, &|native| native.unsigned.valid_until = 1));
    assert!(
        matches!(error, ReplayError::Transaction { index: 1, error: AdmissionError::Window { .. }, .. }),
        "{error}"
    );
    // One that is in the block twice, and one that was in the block before.
    for again in [blocks[2].transactions[0].clone(), blocks[1].transactions[0].clone()] {
        let error = refused(&|block| block.transactions[1] = again.clone());
        assert!(matches!(error, ReplayError::Transaction { index: 1, error: AdmissionError::Replay, .. }), "{error}");
    }
    // One that is missing is another proposal.
    let error = refused(&|block| drop(block.transactions.pop()));
    assert!(matches!(error, ReplayError::Header { .. }), "{error}");
}
