//! The rules of evidence, natively.

use entente::Address;
use entente::testing::{Chain, Failure};
use evidence::evidence::{Error, Messages, Notarised, PAGE_MAX, SIGNERS_MAX, Signed, Submitted};

const CLERK: Address = Address([1; 20]);
const ALICE: Address = Address([2; 20]);
const BOB: Address = Address([3; 20]);
const CAROL: Address = Address([4; 20]);
const HASH: [u8; 32] = [0xaa; 32];

fn deployed() -> (Chain, Address) {
    let mut chain = Chain::new();
    let evidence = chain.deploy(CLERK, Messages::new()).result.expect("deploys");
    (chain, evidence)
}

/// One hash that Alice (1), Bob (2) and Carol (3) can sign; a weight of 4 makes it evidence.
fn submitted() -> (Chain, Address) {
    let (mut chain, evidence) = deployed();
    let submit = Messages::submit(HASH, vec![ALICE, BOB, CAROL], vec![1, 2, 3], 4);
    let receipt = chain.send(CLERK, evidence, submit);
    assert_eq!(receipt.result, Ok(()));
    assert_eq!(receipt.events::<Submitted>(), [Submitted { hash: HASH, by: CLERK, threshold: 4 }]);
    (chain, evidence)
}

#[test]
fn a_hash_is_evidence_once_its_threshold_is_reached() {
    let (mut chain, evidence) = submitted();
    chain.block_number = 7;
    let first = chain.send(CAROL, evidence, Messages::sign(HASH));
    assert_eq!(first.result, Ok(false));
    assert_eq!(first.events::<Signed>(), [Signed { hash: HASH, by: CAROL, weight: 3, signed: 3 }]);
    assert_eq!(chain.call(ALICE, evidence, Messages::is_notarised(HASH)), Ok(false));

    chain.next_block();
    let second = chain.send(ALICE, evidence, Messages::sign(HASH));
    assert_eq!(second.result, Ok(true));
    assert_eq!(second.events::<Notarised>(), [Notarised { hash: HASH, signed: 4 }]);
    assert_eq!(chain.call(ALICE, evidence, Messages::is_notarised(HASH)), Ok(true));
    assert_eq!(chain.call(ALICE, evidence, Messages::evidence(HASH)), Ok((CLERK, 4, 4, 8)));

    chain.next_block();
    let third = chain.send(BOB, evidence, Messages::sign(HASH));
    assert_eq!(third.result, Ok(true));
    assert_eq!(third.events::<Notarised>(), [], "it became evidence once");
    assert_eq!(chain.call(ALICE, evidence, Messages::evidence(HASH)), Ok((CLERK, 4, 6, 8)));
    let signatures = chain.call(ALICE, evidence, Messages::signatures(HASH));
    assert_eq!(signatures, Ok((vec![CAROL, ALICE, BOB], vec![7, 8, 9])));
    assert_eq!(chain.call(ALICE, evidence, Messages::signers(HASH)), Ok((vec![ALICE, BOB, CAROL], vec![1, 2, 3])));
}

#[test]
fn each_signer_signs_once_and_strangers_never() {
    let (mut chain, evidence) = submitted();
    chain.send(BOB, evidence, Messages::sign(HASH)).result.expect("signs");
    let twice = chain.send(BOB, evidence, Messages::sign(HASH));
    assert_eq!(twice.result, Err(Failure::Error(Error::AlreadySigned { hash: HASH, account: BOB })));
    let stranger = chain.send(CLERK, evidence, Messages::sign(HASH));
    assert_eq!(stranger.result, Err(Failure::Error(Error::NotASigner { hash: HASH, account: CLERK })));
    let unknown = chain.send(BOB, evidence, Messages::sign([9; 32]));
    assert_eq!(unknown.result, Err(Failure::Error(Error::UnknownEvidence { hash: [9; 32] })));
    let unknown = chain.call(BOB, evidence, Messages::evidence([9; 32]));
    assert_eq!(unknown, Err(Failure::Error(Error::UnknownEvidence { hash: [9; 32] })));
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let (mut chain, evidence) = deployed();
    let many: Vec<Address> =
        (1..=u8::try_from(SIGNERS_MAX).expect("small") + 1).map(|seed| Address([seed; 20])).collect();
    let cases = [
        (vec![], vec![], 1, Error::SignerCount { found: 0, limit: 32 }),
        (many.clone(), vec![1; many.len()], 1, Error::SignerCount { found: 33, limit: 32 }),
        (vec![ALICE], vec![1, 2], 1, Error::WeightCount { signers: 1, weights: 2 }),
        (vec![ALICE, BOB, ALICE], vec![1, 2, 3], 1, Error::BadSigner { account: ALICE }),
        (vec![ALICE, Address::ZERO], vec![1, 2], 1, Error::BadSigner { account: Address::ZERO }),
        (vec![ALICE, BOB], vec![1, 0], 1, Error::BadSigner { account: BOB }),
        (vec![ALICE, BOB], vec![1, 2], 0, Error::BadThreshold { threshold: 0, weight: 3 }),
        (vec![ALICE, BOB], vec![1, 2], 4, Error::BadThreshold { threshold: 4, weight: 3 }),
    ];
    for (signers, weights, threshold, expected) in cases {
        let receipt = chain.send(CLERK, evidence, Messages::submit(HASH, signers, weights, threshold));
        assert_eq!(receipt.result, Err(Failure::Error(expected)));
        assert!(receipt.logs.is_empty());
    }
    assert!(chain.storage(evidence).is_empty());

    chain.send(CLERK, evidence, Messages::submit(HASH, vec![ALICE], vec![1], 1)).result.expect("submits");
    let twice = chain.send(BOB, evidence, Messages::submit(HASH, vec![BOB], vec![1], 1));
    assert_eq!(twice.result, Err(Failure::Error(Error::AlreadySubmitted { hash: HASH })));
}

#[test]
fn hashes_are_listed_page_by_page() {
    let (mut chain, evidence) = deployed();
    let hashes: Vec<[u8; 32]> = (0..120).map(|seed| [seed; 32]).collect();
    for hash in &hashes {
        chain.send(CLERK, evidence, Messages::submit(*hash, vec![ALICE], vec![1], 1)).result.expect("submits");
    }
    assert_eq!(chain.call(ALICE, evidence, Messages::count()), Ok(120));
    assert_eq!(chain.call(ALICE, evidence, Messages::list(118, 10)), Ok(hashes[118..].to_vec()));
    assert_eq!(chain.call(ALICE, evidence, Messages::list(3, 2)), Ok(hashes[3..5].to_vec()));
    assert_eq!(chain.call(ALICE, evidence, Messages::list(0, u32::MAX)), Ok(hashes[..PAGE_MAX as usize].to_vec()));
    assert_eq!(chain.call(ALICE, evidence, Messages::list(u32::MAX, u32::MAX)), Ok(vec![]));
}
