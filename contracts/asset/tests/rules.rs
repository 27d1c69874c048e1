//! The rules of the register, natively: alone, and with a notary that is another contract.

use asset::asset::{Error, Messages, PAGE_MAX, Registered, Transferred};
use entente::Address;
use entente::testing::{Chain, Failure};
use evidence::evidence::Messages as EvidenceMessages;

const REGISTRAR: Address = Address([1; 20]);
const ALICE: Address = Address([2; 20]);
const BOB: Address = Address([3; 20]);
const DOCUMENT: [u8; 32] = [0xdd; 32];

fn id(seed: u8) -> [u8; 32] {
    [seed; 32]
}

/// A register without a notary, with three assets of Alice.
fn registered() -> (Chain, Address) {
    let mut chain = Chain::new();
    let register = chain.deploy(REGISTRAR, Messages::new(Address::ZERO)).result.expect("deploys");
    for seed in 1..=3 {
        let message = Messages::register(id(seed), ALICE, format!("asset {seed}"), DOCUMENT);
        let receipt = chain.send(REGISTRAR, register, message);
        assert_eq!(receipt.result, Ok(()));
        let (id, title) = (id(seed), format!("asset {seed}"));
        assert_eq!(receipt.events::<Registered>(), [Registered { id, owner: ALICE, document: DOCUMENT, title }]);
    }
    (chain, register)
}

#[test]
fn an_asset_moves_and_keeps_its_history() {
    let (mut chain, register) = registered();
    chain.block_number = 5;
    let receipt = chain.send(ALICE, register, Messages::transfer(id(1), BOB));
    assert_eq!(receipt.result, Ok(()));
    assert_eq!(receipt.events::<Transferred>(), [Transferred { id: id(1), from: ALICE, to: BOB }]);
    assert_eq!(chain.call(ALICE, register, Messages::owner_of(id(1))), Ok(BOB));
    assert_eq!(chain.call(ALICE, register, Messages::asset(id(1))), Ok((BOB, "asset 1".into(), DOCUMENT)));
    assert_eq!(chain.call(ALICE, register, Messages::history_length(id(1))), Ok(2));
    assert_eq!(chain.call(ALICE, register, Messages::history(id(1), 0, 9)), Ok(vec![(ALICE, 1), (BOB, 5)]));
    assert_eq!(chain.call(ALICE, register, Messages::history(id(1), 1, 1)), Ok(vec![(BOB, 5)]));
}

#[test]
fn holdings_are_what_each_owner_has() {
    let (mut chain, register) = registered();
    let holdings = |chain: &mut Chain, owner| {
        let mut ids = chain.call(owner, register, Messages::holdings(owner, 0, PAGE_MAX)).expect("answers");
        ids.sort_unstable();
        let count = chain.call(owner, register, Messages::holdings_count(owner)).expect("answers");
        assert_eq!(count as usize, ids.len());
        ids
    };
    // Every order of leaving: the first, the last, the only one.
    for (asset, alice, bob) in [(1, vec![2, 3], vec![1]), (3, vec![2], vec![1, 3]), (2, vec![], vec![1, 2, 3])] {
        chain.send(ALICE, register, Messages::transfer(id(asset), BOB)).result.expect("transfers");
        assert_eq!(holdings(&mut chain, ALICE), alice.into_iter().map(id).collect::<Vec<_>>());
        assert_eq!(holdings(&mut chain, BOB), bob.into_iter().map(id).collect::<Vec<_>>());
    }
    chain.send(BOB, register, Messages::transfer(id(1), ALICE)).result.expect("transfers back");
    assert_eq!(holdings(&mut chain, ALICE), [id(1)]);
    assert_eq!(holdings(&mut chain, BOB), [id(2), id(3)]);
}

#[test]
fn only_owners_give_and_only_the_registrar_registers() {
    let (mut chain, register) = registered();
    let refused = |chain: &mut Chain, from, message| chain.send(from, register, message).result;
    assert_eq!(
        refused(&mut chain, BOB, Messages::transfer(id(1), BOB)),
        Err(Failure::Error(Error::NotOwner { id: id(1), account: BOB }))
    );
    assert_eq!(
        refused(&mut chain, ALICE, Messages::transfer(id(9), BOB)),
        Err(Failure::Error(Error::UnknownAsset { id: id(9) }))
    );
    for to in [Address::ZERO, ALICE] {
        let error = Error::BadOwner { account: to };
        assert_eq!(refused(&mut chain, ALICE, Messages::transfer(id(1), to)), Err(Failure::Error(error)));
    }
    let register_again = |owner, title: &str| Messages::register(id(1), owner, title.into(), DOCUMENT);
    assert_eq!(
        refused(&mut chain, REGISTRAR, register_again(BOB, "again")),
        Err(Failure::Error(Error::AlreadyRegistered { id: id(1) }))
    );
    assert_eq!(
        refused(&mut chain, ALICE, register_again(ALICE, "mine")),
        Err(Failure::Error(Error::NotRegistrar { account: ALICE }))
    );
    for length in [0, 201] {
        let error = Error::BadTitle { length, limit: 200 };
        let title = "x".repeat(usize::try_from(length).expect("small"));
        assert_eq!(refused(&mut chain, REGISTRAR, register_again(BOB, &title)), Err(Failure::Error(error)));
    }
}

#[test]
fn with_a_notary_documents_must_be_notarised() {
    let mut chain = Chain::new();
    let notary = chain.deploy(REGISTRAR, EvidenceMessages::new()).result.expect("deploys");
    let register = chain.deploy(REGISTRAR, Messages::new(notary)).result.expect("deploys");
    let message = || Messages::register(id(1), ALICE, "a house".into(), DOCUMENT);
    let early = chain.send(REGISTRAR, register, message());
    assert_eq!(early.result, Err(Failure::Error(Error::NotNotarised { document: DOCUMENT })));
    assert!(chain.storage(register).len() == 2, "the registrar and the notary alone");

    let submit = EvidenceMessages::submit(DOCUMENT, vec![BOB], vec![1], 1);
    chain.send(REGISTRAR, notary, submit).result.expect("submits");
    chain.send(BOB, notary, EvidenceMessages::sign(DOCUMENT)).result.expect("signs");
    assert_eq!(chain.send(REGISTRAR, register, message()).result, Ok(()));
}

#[test]
fn a_notary_that_is_none_is_told() {
    let mut chain = Chain::new();
    let nobody = Address([9; 20]);
    let register = chain.deploy(REGISTRAR, Messages::new(nobody)).result.expect("deploys");
    let message = || Messages::register(id(1), ALICE, "a house".into(), DOCUMENT);
    let failed = Err(Failure::Error(Error::NotaryFailed { notary: nobody }));
    assert_eq!(chain.send(REGISTRAR, register, message()).result, failed, "no code there");
    chain.stand_in(nobody, |_| Err(b"no".to_vec()));
    assert_eq!(chain.send(REGISTRAR, register, message()).result, failed, "it reverts");
    chain.stand_in(nobody, |_| Ok(vec![2; 32]));
    assert_eq!(chain.send(REGISTRAR, register, message()).result, failed, "it answers no bool");
}
