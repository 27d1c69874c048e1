//! What the host functions of cryptography take, by length, against what the gas schedule charges for them.
//!
//! The schedule's reference is 2.5 picoseconds a unit, 400 units a nanosecond. What is charged must be at least twice
//! what is taken here: 800 units a nanosecond. Each figure is of the fastest of many rounds, so that other work of the
//! machine does not count.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Engine, engine, run, with_body};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use entente_crypto::{SecretKey, Suite};
use entente_host::{
    DIGEST_BLAKE3, DIGEST_KECCAK256, DIGEST_SHA256, DIGEST_SM3, FrameStatus, SIGNATURE_ED25519, SIGNATURE_SECP256K1,
    SIGNATURE_SM2,
};
use entente_types::Hash;

const UNITS_PER_NANOSECOND: f64 = 400.0;
const MARGIN: f64 = 2.0;
const GAS: u64 = i64::MAX as u64;
/// The calls in one run of a module, and the rounds of which the fastest counts.
const CALLS: u32 = 32;
const ROUNDS: u32 = 60;

/// Where the modules put the input; before it is room for what is written.
const INPUT: u32 = 1024;

struct Case {
    name: &'static str,
    length: u32,
    module: Vec<u8>,
    empty: Vec<u8>,
    input: Vec<u8>,
}

/// A module that runs the body `CALLS` times.
fn module(body: &str) -> Vec<u8> {
    with_body(
        r#"(import "entente" "input_length" (func $input_length (result i32)))
           (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
           (import "entente" "keccak256" (func $keccak256 (param i32 i32 i32)))
           (import "entente" "hash" (func $hash (param i32 i32 i32)))
           (import "entente" "digest" (func $digest (param i32 i32 i32 i32)))
           (import "entente" "recover" (func $recover (param i32 i32 i32 i32) (result i32)))
           (import "entente" "verify" (func $verify (param i32 i32 i32 i32 i32) (result i32)))"#,
        &format!(
            "(local $n i32) (local.set $n (i32.const {CALLS}))
             (drop (memory.grow (i32.const 2)))
             (call $input_read (i32.const {INPUT}) (i32.const 0) (call $input_length))
             (loop {body} (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (i32.const 0)"
        ),
    )
}

fn case(name: &'static str, length: u32, call: &str, input: Vec<u8>) -> Case {
    Case { name, length, module: module(call), empty: module(""), input }
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hexadecimal");
    digits.as_bytes().chunks(2).map(byte).collect()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for length in [0, 32, 64, 136, 1_024, 16_384, 65_536] {
        let input = vec![0xa5; length as usize];
        let places = format!("(i32.const {INPUT}) (i32.const {length}) (i32.const 0)");
        cases.push(case("keccak256", length, &format!("(call $keccak256 {places})"), input.clone()));
        cases.push(case("hash", length, &format!("(call $hash {places})"), input.clone()));
        for (name, algorithm) in [
            ("digest/keccak256", DIGEST_KECCAK256),
            ("digest/blake3", DIGEST_BLAKE3),
            ("digest/sha256", DIGEST_SHA256),
            ("digest/sm3", DIGEST_SM3),
        ] {
            cases.push(case(name, length, &format!("(call $digest (i32.const {algorithm}) {places})"), input.clone()));
        }
    }
    let secret = SecretKey::from_bytes(Suite::Standard, &[5; 32]).expect("a key");
    let signature = secret.sign(&Hash([9; 32])).as_bytes().to_vec();
    let (digest_place, signature_place) = (INPUT, INPUT + 32);
    let recover = format!(
        "(if (i32.ne (i32.const 1) (call $recover (i32.const 0) (i32.const {digest_place}) (i32.const {signature_place})
            (i32.const 0))) (then unreachable))"
    );
    cases.push(case("recover/secp256k1", 32, &recover, [&[9; 32][..], &signature].concat()));
    let standard = [&signature[..64], secret.public_key().as_bytes(), &[9; 32]].concat();
    cases.push(verification("verify/secp256k1", SIGNATURE_SECP256K1, 128, 32, true, standard));
    // GB/T 32918.5-2017, appendix A.2, and RFC 8032, section 7.1, test 3; longer messages are refused at the very end.
    let sm2 = hex(concat!(
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
        "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
        "6d65737361676520646967657374"
    ));
    let ed25519 = hex(concat!(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025af82"
    ));
    for (name, algorithm, prefix, signed, input) in
        [("verify/sm2", SIGNATURE_SM2, 128, 14, &sm2), ("verify/ed25519", SIGNATURE_ED25519, 96, 2, &ed25519)]
    {
        for length in [signed, 1_024, 65_536] {
            let mut input = input.clone();
            input.resize(prefix as usize + length as usize, 0);
            cases.push(verification(name, algorithm, prefix, length, length == signed, input));
        }
    }
    cases
}

fn verification(name: &'static str, algorithm: u32, prefix: u32, length: u32, is_valid: bool, input: Vec<u8>) -> Case {
    let (message, key) = (INPUT + prefix, INPUT + 64);
    let call = format!(
        "(if (i32.ne (i32.const {}) (call $verify (i32.const {algorithm}) (i32.const {message}) (i32.const {length})
            (i32.const {INPUT}) (i32.const {key}))) (then unreachable))",
        u8::from(is_valid)
    );
    case(name, length, &call, input)
}

/// How long the fastest of the rounds took, and the gas of one.
fn fastest(engine: &Engine, module: &[u8], input: &[u8]) -> (Duration, u64) {
    let mut fastest = Duration::MAX;
    let mut used = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let (_, outcome) = run(engine, module, input, GAS);
        fastest = fastest.min(start.elapsed());
        assert_eq!(outcome.status, FrameStatus::Success);
        used = GAS - outcome.gas_left;
    }
    (fastest, used)
}

fn bench(criterion: &mut Criterion) {
    let engine = engine();
    println!("{:<20} {:>7} {:>12} {:>12} {:>10} {:>8}", "function", "bytes", "ns", "units", "units/ns", "margin");
    let mut group = criterion.benchmark_group("wasm::crypto");
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(300));
    for Case { name, length, module, empty, input } in &cases() {
        let ((time, gas), (idle_time, idle_gas)) = (fastest(&engine, module, input), fastest(&engine, empty, input));
        let nanoseconds = time.saturating_sub(idle_time).as_nanos() as f64 / f64::from(CALLS);
        let units = (gas - idle_gas) / u64::from(CALLS);
        let rate = units as f64 / nanoseconds;
        let margin = rate / UNITS_PER_NANOSECOND;
        let verdict = if margin < MARGIN { "TOO CHEAP" } else { "" };
        println!("{name:<20} {length:>7} {nanoseconds:>12.0} {units:>12} {rate:>10.0} {margin:>8.1} {verdict}");
        group.bench_function(BenchmarkId::new(*name, format!("bytes={length}")), |bencher| {
            bencher.iter(|| run(&engine, module, input, GAS));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
