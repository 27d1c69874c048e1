//! SM2 under criterion: ours beside the reference, and what a block's digest costs in either suite.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use entente_crypto::{Hash, LtHash, SecretKey, Signature, Suite};
use libsm::sm2::signature::{SigCtx, Signature as OracleSignature};
use sm2::dsa::{Signature as CrateSignature, VerifyingKey, signature::Verifier as _};

fn sm2(criterion: &mut Criterion) {
    let digest = Hash([7; 32]);
    let key = SecretKey::from_bytes(Suite::Guomi, &[9; 32]).expect("a key");
    let signature = key.sign(&digest);
    let Signature::Guomi(bytes) = &signature else { unreachable!("a key of the Guomi suite") };
    let oracle = SigCtx::new();
    let their_secret = oracle.load_seckey(&key.to_bytes()).expect("a key");
    let their_key = oracle.pk_from_sk(&their_secret).expect("a key");
    let their_signature = OracleSignature::new(&bytes[..32], &bytes[32..64]);
    let sec1 = [&[4], key.public_key().as_bytes().as_slice()].concat();
    let crate_signature = CrateSignature::from_slice(&bytes[..64]).expect("a signature");

    criterion.bench_function("crypto::sm2_verify/implementation=entente", |bencher| {
        bencher.iter(|| Suite::Guomi.signer(black_box(&digest), &signature).expect("verifies"));
    });
    criterion.bench_function("crypto::sm2_verify/implementation=libsm", |bencher| {
        bencher.iter(|| oracle.verify(black_box(&digest.0), &their_key, &their_signature).expect("verifies"));
    });
    criterion.bench_function("crypto::sm2_verify/implementation=sm2", |bencher| {
        bencher.iter(|| {
            let key = VerifyingKey::from_sec1_bytes("1234567812345678", &sec1).expect("a key");
            key.verify(black_box(&digest.0), &crate_signature).expect("verifies");
        });
    });
    criterion.bench_function("crypto::sm2_sign/implementation=entente", |bencher| {
        bencher.iter(|| key.sign(black_box(&digest)));
    });
    criterion.bench_function("crypto::sm2_sign/implementation=libsm", |bencher| {
        bencher.iter(|| oracle.sign(black_box(&digest.0), &their_secret, &their_key).expect("signs"));
    });
}

fn lthash(criterion: &mut Criterion) {
    for (suite, name) in [(Suite::Standard, "standard"), (Suite::Guomi, "guomi")] {
        let mut commitment = LtHash::default();
        criterion.bench_function(&format!("crypto::lthash_add/suite={name}"), |bencher| {
            bencher.iter(|| commitment.add(suite, black_box(&[&[1; 25], &[2; 33], &[3; 33]])));
        });
    }
}

criterion_group!(benches, sm2, lthash);
criterion_main!(benches);
