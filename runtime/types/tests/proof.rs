//! What follows from a header, and what does not.

use entente_testing::{BlockContent, genesis, header, keys};
use entente_types::{Claim, Hash, Proof, ProofError, limits::PROOF_BYTES_MAX};
use parity_scale_codec::{DecodeAll, Encode};
use proptest::prelude::*;

/// A header with so many transactions and writes, and every claim about it.
fn block(count: u8) -> (entente_types::Header, Vec<Claim>) {
    let keys = keys(1);
    let genesis = genesis(&keys);
    let content = BlockContent::new(&genesis, &keys[0], count);
    let mut header = header(&genesis, 7);
    content.seal(&genesis, &mut header);
    (header, content.claims(&genesis))
}

#[test]
fn every_claim_follows_from_its_header_and_from_no_other() {
    let suite = entente_types::Suite::Standard;
    for count in 1..20 {
        let (header, claims) = block(count);
        assert_eq!(claims.len(), usize::from(count) * 3);
        let (other, _) = block(count + 1);
        for claim in claims {
            assert_eq!(claim.verify(suite, &header), Ok(()), "{count}: {claim:?}");
            let error = claim.verify(suite, &other).unwrap_err();
            assert_eq!((error.number, error.found == error.expected), (7, false));
        }
    }
}

#[test]
fn a_receipt_belongs_to_its_transaction_and_to_no_other() {
    let suite = entente_types::Suite::Standard;
    let (keys, count) = (keys(1), 6);
    let genesis = genesis(&keys);
    let mut content = BlockContent::new(&genesis, &keys[0], count);
    for (gas_used, receipt) in (0..).zip(&mut content.receipts) {
        receipt.gas_used = gas_used;
    }
    let mut header = header(&genesis, 7);
    content.seal(&genesis, &mut header);
    let receipts: Vec<_> = content
        .claims(&genesis)
        .into_iter()
        .filter_map(|claim| if let Claim::Receipt(claim) = claim { Some(claim) } else { None })
        .collect();
    for (index, claim) in receipts.iter().enumerate() {
        for (other_index, other) in receipts.iter().enumerate() {
            // The transaction of one with the receipt of another, each with its own siblings.
            let mut mixed = claim.clone();
            mixed.receipt.clone_from(&other.receipt);
            for (step, other) in mixed.path.iter_mut().zip(&other.path) {
                step.receipt = other.receipt;
            }
            let result = Claim::Receipt(mixed).verify(suite, &header);
            assert_eq!(result.is_ok(), index == other_index, "{index} with {other_index}");
        }
    }
    let mut unknown = receipts[0].clone();
    unknown.transaction = Hash([1; 32]);
    assert_eq!(Claim::Receipt(unknown).verify(suite, &header).unwrap_err().what, "transaction");
}

#[test]
fn too_many_bytes_and_bytes_left_over_are_refused_by_their_names() {
    assert_eq!(Proof::from_bytes(&vec![1; PROOF_BYTES_MAX + 1]), Err(ProofError::Size(PROOF_BYTES_MAX + 1)));
    assert!(matches!(Proof::from_bytes(&[1; 40]), Err(ProofError::Codec(_))));
}

proptest! {
    #[test]
    fn no_altered_byte_of_a_claim_follows(
        count in 1_u8..12, which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), flip in 1_u8..
    ) {
        let (header, claims) = block(count);
        let claim = which.get(&claims);
        let mut bytes = claim.encode();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(altered) = Claim::decode_all(&mut bytes.as_slice()) {
            prop_assert!(altered.verify(entente_types::Suite::Standard, &header).is_err(), "byte {} of {:?}", place, claim);
        }
    }
}
