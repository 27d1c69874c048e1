//! The light client against chains made here: several sealers, changes of their set, and everything that could be
//! wrong with a certificate.

use std::sync::LazyLock;

use entente_client::light::{LightClient, LightError, TrustError};
use entente_crypto::SecretKey;
use entente_testing::{BlockContent, certificate, genesis, header, key, keys, members};
use entente_types::{
    CertificateError, CertifiedHeader, Claim, Genesis, GenesisError, Hash, Header, Member, Proof, SealerChange,
    Version, sealers_hash,
};
use proptest::prelude::*;

/// A sealer set with its keys.
#[derive(Clone)]
struct Set {
    keys: Vec<SecretKey>,
    members: Vec<Member>,
}

impl Set {
    fn new(keys: Vec<SecretKey>) -> Self {
        let members = members(&keys);
        Self { keys, members }
    }

    /// The keys with these numbers.
    fn of(numbers: std::ops::Range<u8>) -> Self {
        Self::new(numbers.map(key).collect())
    }

    fn sign(&self, genesis: &Genesis, header: Header, who: &[u16]) -> CertifiedHeader {
        let certificate = certificate(genesis, &header, &self.keys, who);
        CertifiedHeader { header, certificate }
    }

    /// Signed by all.
    fn sign_all(&self, genesis: &Genesis, header: Header) -> CertifiedHeader {
        let all: Vec<u16> = (0..self.keys.len() as u16).collect();
        self.sign(genesis, header, &all)
    }

    fn hash(&self, genesis: &Genesis) -> Hash {
        sealers_hash(genesis.suite, &self.members)
    }
}

/// Header `number` that names `next` as the set of the next height.
fn naming(genesis: &Genesis, number: u64, next: &Set) -> Header {
    Header { next_sealers: next.hash(genesis), ..header(genesis, number) }
}

/// The change to `next` at block `number`, signed by the set before.
fn change(genesis: &Genesis, number: u64, before: &Set, next: &Set) -> SealerChange {
    let block = before.sign_all(genesis, naming(genesis, number, next));
    SealerChange { block, sealers: next.members.clone() }
}

/// Four sealers and their group.
fn four() -> (Genesis, Set) {
    (genesis(&keys(4)), Set::of(1..5))
}

/// A block at this height with every claim about it.
fn block(genesis: &Genesis, number: u64, next: &Set, count: u8) -> (Header, Vec<Claim>) {
    let content = BlockContent::new(genesis, &key(9), count);
    let mut header = naming(genesis, number, next);
    content.seal(genesis, &mut header);
    (header, content.claims(genesis))
}

fn proof(genesis: &Genesis, changes: Vec<SealerChange>, block: CertifiedHeader, claim: Claim) -> Proof {
    Proof { version: Version, genesis: genesis.hash(), sealer_changes: changes, block, claim }
}

fn certificate_error(result: Result<entente_client::light::ProvedBlock, LightError>) -> CertificateError {
    match result.unwrap_err() {
        LightError::Certificate { number: 7, reason } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_quorum_is_more_than_two_thirds_of_the_weight_and_one_vote_less_is_none() {
    // Total weight, and the least that is more than two thirds of it.
    for (weights, quorum) in [
        (vec![1], 1),
        (vec![1, 1], 2),
        (vec![1, 1, 1], 3),
        (vec![1, 1, 1, 1], 3),
        (vec![1; 6], 5),
        (vec![1; 7], 5),
        (vec![5, 1, 1], 5),
        (vec![2, 2, 2, 3], 7),
        (vec![u32::MAX, u32::MAX, u32::MAX], 2 * u64::from(u32::MAX) + 1),
    ] {
        let mut set = Set::of(1..weights.len() as u8 + 1);
        let mut genesis = genesis(&set.keys);
        for (member, weight) in set.members.iter_mut().zip(&weights) {
            member.weight = *weight;
        }
        genesis.sealers.clone_from(&set.members);
        let light = LightClient::new(&genesis).unwrap();
        for subset in 0..1_u32 << weights.len() {
            let who: Vec<u16> = (0..weights.len() as u16).filter(|member| subset >> member & 1 == 1).collect();
            let weight: u64 = who.iter().map(|member| u64::from(weights[usize::from(*member)])).sum();
            let result = light.verify_header(&set.sign(&genesis, naming(&genesis, 7, &set), &who));
            if weight >= quorum {
                assert_eq!(result.unwrap().number, 7, "{weights:?} {who:?}");
            } else {
                assert_eq!(certificate_error(result), CertificateError::Quorum { found: weight, quorum });
            }
        }
    }
}

#[test]
fn nobody_votes_twice_and_nobody_else_votes() {
    let (genesis, set) = four();
    let light = LightClient::new(&genesis).unwrap();
    let header = naming(&genesis, 7, &set);
    let good = set.sign(&genesis, header.clone(), &[0, 1, 3]);
    assert!(light.verify_header(&good).is_ok());
    for who in [vec![0, 1, 1], vec![1, 0, 3], vec![0, 0, 0]] {
        let block = set.sign(&genesis, header.clone(), &who);
        assert_eq!(certificate_error(light.verify_header(&block)), CertificateError::Members { sealers: 4 });
    }
    // One more key than there are members.
    let block = Set::of(1..6).sign(&genesis, header.clone(), &[0, 1, 4]);
    assert_eq!(certificate_error(light.verify_header(&block)), CertificateError::Members { sealers: 4 });
    // Strangers in the members' places, and members in each other's.
    let strangers = Set::of(11..15).sign_all(&genesis, header.clone());
    assert_eq!(certificate_error(light.verify_header(&strangers)), CertificateError::Signature(0));
    let mut swapped = good.clone();
    let first = swapped.certificate.votes[0].signature.clone();
    swapped.certificate.votes[0].signature = swapped.certificate.votes[1].signature.clone();
    swapped.certificate.votes[1].signature = first;
    assert_eq!(certificate_error(light.verify_header(&swapped)), CertificateError::Signature(0));
    let nobody = set.sign(&genesis, header, &[]);
    assert_eq!(certificate_error(light.verify_header(&nobody)), CertificateError::Quorum { found: 0, quorum: 3 });
}

#[test]
fn a_certificate_is_for_one_header_of_one_height_of_one_group() {
    let (genesis, set) = four();
    let light = LightClient::new(&genesis).unwrap();
    let seven = set.sign_all(&genesis, naming(&genesis, 7, &set));
    let eight = set.sign_all(&genesis, naming(&genesis, 8, &set));
    let elsewhere = CertifiedHeader { header: seven.header.clone(), certificate: eight.certificate };
    assert_eq!(certificate_error(light.verify_header(&elsewhere)), CertificateError::Signature(0));
    let other = Header { gas_used: 1, ..seven.header.clone() };
    let other = CertifiedHeader { header: other, certificate: seven.certificate.clone() };
    assert_eq!(certificate_error(light.verify_header(&other)), CertificateError::Signature(0));
    // The same members in another group, which has the same sealer set.
    let group = Genesis { chain_id: 2, ..genesis.clone() };
    let foreign = set.sign_all(&group, naming(&group, 7, &set));
    assert_eq!(certificate_error(light.verify_header(&foreign)), CertificateError::Signature(0));
    let (header, claims) = block(&group, 7, &set, 1);
    let foreign = proof(&group, vec![], set.sign_all(&group, header), claims[0].clone());
    let error = LightClient::new(&genesis).unwrap().verify(&foreign).unwrap_err();
    assert_eq!(error, LightError::Group { found: group.hash(), expected: genesis.hash() });
}

#[test]
fn a_proof_for_every_claim_is_believed_and_one_of_another_block_is_not() {
    let (genesis, set) = four();
    let mut light = LightClient::new(&genesis).unwrap();
    let (header, claims) = block(&genesis, 7, &set, 5);
    let (empty, _) = block(&genesis, 8, &set, 0);
    let (signed, other) = (set.sign_all(&genesis, header.clone()), set.sign_all(&genesis, empty));
    for claim in claims {
        let proved = light.verify(&proof(&genesis, vec![], signed.clone(), claim.clone())).unwrap();
        assert_eq!((proved.number, proved.hash), (7, header.hash(genesis.suite)));
        let error = light.verify(&proof(&genesis, vec![], other.clone(), claim)).unwrap_err();
        assert!(matches!(error, LightError::Claim(_)), "{error}");
    }
}

#[test]
fn sealer_sets_are_followed_from_change_to_change() {
    let (genesis, first) = four();
    // All leave but one; then a set that shares nobody with the first rules; then the first again.
    let (second, third) = (Set::of(4..9), Set::of(10..13));
    let changes = [
        change(&genesis, 20, &first, &second),
        change(&genesis, 30, &second, &third),
        change(&genesis, 31, &third, &first),
    ];
    let ruled = [(1, &first), (19, &first), (21, &second), (29, &second), (31, &third), (32, &first), (500, &first)];
    for (number, set) in ruled {
        let needed = changes.iter().filter(|change| change.block.header.number < number).count();
        let next = match number {
            31 => &first,
            _ => set,
        };
        let (header, claims) = block(&genesis, number, next, 2);
        let proof = |needed: usize, set: &Set| {
            proof(&genesis, changes[..needed].to_vec(), set.sign_all(&genesis, header.clone()), claims[0].clone())
        };
        let mut light = LightClient::new(&genesis).unwrap();
        assert_eq!(light.verify(&proof(needed, set)).unwrap().number, number);
        // What was learned needs no proof again, and what is known already may be proved again.
        assert!(light.verify(&proof(0, set)).is_ok(), "{number}");
        assert!(light.verify(&proof(needed, set)).is_ok(), "{number}");
        // Of a set that ruled before or after, nothing is believed at this height.
        for other in [&first, &second, &third] {
            let mut light = LightClient::new(&genesis).unwrap();
            let believed = light.verify(&proof(needed, other)).is_ok();
            assert_eq!(believed, other.hash(&genesis) == set.hash(&genesis), "{number}");
        }
        if needed > 0 && set.hash(&genesis) != first.hash(&genesis) {
            assert!(LightClient::new(&genesis).unwrap().verify(&proof(needed - 1, set)).is_err(), "{number}");
        }
    }
}

#[test]
fn every_fault_of_a_change_has_its_name() {
    let (genesis, first) = four();
    let (second, third) = (Set::of(5..9), Set::of(10..13));
    let follow = |change: &SealerChange| LightClient::new(&genesis).unwrap().follow(change);
    let good = change(&genesis, 20, &first, &second);
    assert_eq!(follow(&good), Ok(()));

    let wrong_set = SealerChange { sealers: third.members.clone(), ..good.clone() };
    let (found, expected) = (third.hash(&genesis), second.hash(&genesis));
    assert_eq!(follow(&wrong_set), Err(LightError::Sealers { number: 20, found, expected }));
    let mut weights = good.clone();
    weights.sealers[2].weight = 2;
    assert!(matches!(follow(&weights), Err(LightError::Sealers { .. })));
    assert_eq!(follow(&change(&genesis, 20, &first, &first)), Err(LightError::NoChange(20)));
    let unsigned = change(&genesis, 20, &second, &second);
    assert!(matches!(follow(&unsigned), Err(LightError::Certificate { number: 20, .. })));
    let zero = change(&genesis, 0, &first, &second);
    assert_eq!(follow(&zero), Err(LightError::BlockZero));
    // Sets that no group may have: nobody, one key twice, a member without a vote.
    let nobody = Set { keys: vec![], members: vec![] };
    let mut twice = second.clone();
    twice.members[1] = twice.members[0];
    let mut voiceless = second.clone();
    voiceless.members[1].weight = 0;
    for (set, expected) in [
        (nobody, GenesisError::Sealers(0)),
        (twice, GenesisError::SealerTwice(second.keys[0].public_key().address())),
        (voiceless, GenesisError::Weight(second.keys[1].public_key().address())),
    ] {
        let change = change(&genesis, 20, &first, &set);
        assert_eq!(follow(&change), Err(LightError::Set { number: 20, reason: expected }));
    }

    let (header, claims) = block(&genesis, 40, &third, 1);
    let (signed, claim) = (third.sign_all(&genesis, header), claims[0].clone());
    let next = change(&genesis, 30, &second, &third);
    let verify = |changes: Vec<SealerChange>| {
        LightClient::new(&genesis).unwrap().verify(&proof(&genesis, changes, signed.clone(), claim.clone()))
    };
    assert!(verify(vec![good.clone(), next.clone()]).is_ok());
    assert!(matches!(verify(vec![next.clone(), good.clone()]), Err(LightError::Certificate { number: 30, .. })));
    let repeated = LightError::Order { number: 20, before: 20 };
    assert_eq!(verify(vec![good.clone(), good, next]), Err(repeated));
}

#[test]
fn two_histories_of_one_quorum_are_noticed() {
    let (genesis, first) = four();
    let (second, third) = (Set::of(5..9), Set::of(10..13));
    let mut light = LightClient::new(&genesis).unwrap();
    light.follow(&change(&genesis, 20, &first, &second)).unwrap();
    let expected = second.hash(&genesis);
    let conflict =
        |number, found: &Set, expected| LightError::Conflict { number, found: found.hash(&genesis), expected };
    // At the same height another set, or none; and earlier a change of which the later one knows nothing.
    let other = change(&genesis, 20, &first, &third);
    assert_eq!(light.follow(&other), Err(conflict(20, &third, expected)));
    let none = first.sign_all(&genesis, naming(&genesis, 20, &first));
    assert_eq!(light.verify_header(&none), Err(conflict(20, &first, expected)));
    let earlier = change(&genesis, 10, &first, &third);
    assert_eq!(light.follow(&earlier), Err(conflict(10, &third, first.hash(&genesis))));
    // The first set cannot go on as if nothing had happened.
    let later = first.sign_all(&genesis, naming(&genesis, 21, &first));
    assert!(matches!(light.verify_header(&later), Err(LightError::Certificate { number: 21, .. })));
    // Nothing of this was kept.
    assert!(light.verify_header(&second.sign_all(&genesis, naming(&genesis, 21, &second))).is_ok());
}

#[test]
fn the_genesis_document_must_be_whole_and_the_one_that_is_trusted() {
    let (genesis, set) = four();
    assert!(LightClient::with_hash(&genesis, &genesis.hash()).is_ok());
    let other = Genesis { chain_id: 2, ..genesis.clone() };
    let expected = TrustError::Hash { found: other.hash(), expected: genesis.hash() };
    assert_eq!(LightClient::with_hash(&other, &genesis.hash()), Err(expected));
    let nobody = Genesis { sealers: vec![], ..genesis.clone() };
    assert_eq!(LightClient::new(&nobody), Err(TrustError::Genesis(GenesisError::Sealers(0))));

    let light = LightClient::new(&genesis).unwrap();
    let zero = Header { parent: Hash::ZERO, proposal: genesis.hash(), ..header(&genesis, 0) };
    let one = |zero: &Header| {
        set.sign_all(&genesis, Header { parent: zero.hash(genesis.suite), ..naming(&genesis, 1, &set) })
    };
    assert_eq!(light.verify_header_zero(&zero, &one(&zero)), Ok(zero.hash(genesis.suite)));
    let block = CertifiedHeader { header: zero.clone(), certificate: one(&zero).certificate };
    assert_eq!(light.verify_header(&block), Err(LightError::BlockZero));
    let field = |zero: &Header, one: &CertifiedHeader| match light.verify_header_zero(zero, one).unwrap_err() {
        LightError::HeaderZero { field, .. } => field,
        other => panic!("{other}"),
    };
    let foreign = Header { proposal: other.hash(), ..zero.clone() };
    assert_eq!(field(&foreign, &one(&foreign)), "proposal");
    let rulers = Header { next_sealers: Hash([1; 32]), ..zero.clone() };
    assert_eq!(field(&rulers, &one(&rulers)), "next_sealers");
    let orphan = Header { parent: Hash([1; 32]), ..zero.clone() };
    assert_eq!(field(&orphan, &one(&orphan)), "parent");
    assert_eq!(field(&Header { number: 1, ..zero.clone() }, &one(&zero)), "number");
    assert_eq!(field(&Header { gas_used: 1, ..zero.clone() }, &one(&zero)), "hash");
    let two = set.sign_all(&genesis, Header { parent: zero.hash(genesis.suite), ..naming(&genesis, 2, &set) });
    assert_eq!(field(&zero, &two), "successor's number");
}

/// A proof with a change of the sealer set in it, of each kind of claim.
static WHOLE: LazyLock<(Genesis, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let (genesis, first) = four();
    let second = Set::of(6..9);
    let changes = vec![change(&genesis, 20, &first, &second)];
    let (header, claims) = block(&genesis, 33, &second, 6);
    let signed = second.sign_all(&genesis, header);
    let kinds = [claims[2].clone(), claims[3].clone(), claims[16].clone()];
    let proofs = kinds.map(|claim| proof(&genesis, changes.clone(), signed.clone(), claim).to_bytes());
    (genesis, proofs.to_vec())
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_altered_byte_of_any_part_of_a_proof_verifies(
        which in 0_usize..3, place in any::<prop::sample::Index>(), flip in 1_u8..
    ) {
        let (genesis, proofs) = &*WHOLE;
        let mut light = LightClient::new(genesis).unwrap();
        prop_assert!(light.verify(&Proof::from_bytes(&proofs[which]).unwrap()).is_ok());
        let mut bytes = proofs[which].clone();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(altered) = Proof::from_bytes(&bytes) {
            // Neither by one who has learned the change already nor by one who has not.
            prop_assert!(light.verify(&altered).is_err(), "byte {} of {}", place, bytes.len());
            prop_assert!(LightClient::new(genesis).unwrap().verify(&altered).is_err());
        }
    }

    #[test]
    fn no_bytes_make_a_light_client_panic(
        which in 0_usize..3, edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in 0_usize..40
    ) {
        let (genesis, proofs) = &*WHOLE;
        let mut bytes = proofs[which].clone();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        if let Ok(proof) = Proof::from_bytes(&bytes) {
            let _ = LightClient::new(genesis).unwrap().verify(&proof);
        }
    }
}
