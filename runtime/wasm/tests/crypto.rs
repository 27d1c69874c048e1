//! The host functions of cryptography, through modules.

mod common;

use common::{GAS, engine, run, with_body};
use entente_crypto::{SecretKey, Suite, blake3, keccak256, sha256, sm3};
use entente_host::{
    ContractFault, DIGEST_BLAKE3, DIGEST_KECCAK256, DIGEST_SHA256, DIGEST_SM3, FrameStatus, Outcome, SIGNATURE_ED25519,
    SIGNATURE_SECP256K1, SIGNATURE_SM2,
    gas::{GasSchedule, SCHEDULE_1},
};
use entente_types::Hash;
use entente_wasm::limits::HASH_BYTES_MAX;

const IMPORTS: &str = r#"
    (import "entente" "input_length" (func $input_length (result i32)))
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "digest" (func $digest (param i32 i32 i32 i32)))
    (import "entente" "recover" (func $recover (param i32 i32 i32 i32) (result i32)))
    (import "entente" "verify" (func $verify (param i32 i32 i32 i32 i32) (result i32)))"#;

/// Where the modules put the input, and the end of their memory.
const INPUT: u32 = 1024;
const END: u32 = 65_536;

/// Runs a body behind the reading of the input to `INPUT`.
fn with_input(body: &str, input: &[u8]) -> Outcome {
    let read = format!("(call $input_read (i32.const {INPUT}) (i32.const 0) (call $input_length))");
    run(&engine(), &with_body(IMPORTS, &format!("{read} {body}")), input, GAS).1
}

fn output(body: &str, input: &[u8]) -> Vec<u8> {
    let outcome = with_input(body, input);
    assert_eq!(outcome.status, FrameStatus::Success);
    outcome.output
}

fn call(function: &str, arguments: &[u32]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| format!("(i32.const {argument})")).collect();
    format!("(call ${function} {})", arguments.join(" "))
}

/// What a body without input comes to, with this much gas.
fn alone(body: &str, gas: u64) -> Outcome {
    run(&engine(), &with_body(IMPORTS, body), &[], gas).1
}

fn fault(body: &str) -> ContractFault {
    match alone(body, GAS).status {
        FrameStatus::Fault(fault) => fault,
        other => panic!("{body}: {other:?}"),
    }
}

/// Each algorithm of `digest`: its function, and what a byte of it costs.
type Digest = (u32, fn(&[u8]) -> Hash, fn(&GasSchedule) -> u64);

const DIGESTS: [Digest; 4] = [
    (DIGEST_KECCAK256, keccak256, |gas| gas.hash_byte),
    (DIGEST_BLAKE3, blake3, |gas| gas.blake3_byte),
    (DIGEST_SHA256, sha256, |gas| gas.sha256_byte),
    (DIGEST_SM3, sm3, |gas| gas.sm3_byte),
];

/// An algorithm, a message, its signature, its key.
type Signed = (u32, Vec<u8>, Vec<u8>, Vec<u8>);

/// A message with its signature and key, and the algorithm. SM2's are those of GB/T 32918.5-2017, appendix A.2, and
/// Ed25519's of RFC 8032, section 7.1, test 3.
fn signed() -> [Signed; 3] {
    let bytes = |digits: &str| digits.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>();
    let secret = SecretKey::from_bytes(Suite::Standard, &[5; 32]).expect("a key");
    let standard = secret.sign(&Hash([9; 32])).as_bytes()[..64].to_vec();
    [
        (SIGNATURE_SECP256K1, vec![9; 32], standard, secret.public_key().as_bytes().to_vec()),
        (
            SIGNATURE_SM2,
            b"message digest".to_vec(),
            bytes(
                "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
            ),
            bytes(
                "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
            ),
        ),
        (
            SIGNATURE_ED25519,
            vec![0xaf, 0x82],
            bytes(
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
            bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
        ),
    ]
}

fn byte(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("hexadecimal")
}

#[test]
fn digests_are_those_of_the_algorithms() {
    for (algorithm, hash, _) in DIGESTS {
        for length in [0, 1, 63, 64, 136, 1_000, 60_000] {
            let input: Vec<u8> = (0..length).map(|index| (index * 7 % 251) as u8).collect();
            let body = format!(
                "{} (call $output (i32.const 100) (i32.const 32)) (i32.const 0)",
                call("digest", &[algorithm, INPUT, length, 100])
            );
            assert_eq!(output(&body, &input), hash(&input).0, "algorithm {algorithm}, {length} bytes");
        }
    }
}

#[test]
fn a_signature_is_verified_with_its_own_message_key_and_algorithm_only() {
    let ask = |algorithm: u32, message: &[u8], signature: &[u8], key: &[u8]| {
        let input = [signature, key, message].concat();
        let (key_place, message_place) = (INPUT + 64, INPUT + 64 + key.len() as u32);
        let verify = call("verify", &[algorithm, message_place, message.len() as u32, INPUT, key_place]);
        output(
            &format!("(i32.store8 (i32.const 5) {verify}) (call $output (i32.const 5) (i32.const 1)) (i32.const 0)"),
            &input,
        )
    };
    for (algorithm, message, signature, key) in signed() {
        assert_eq!(ask(algorithm, &message, &signature, &key), [1]);
        let spoiled = |bytes: &[u8], place: usize| {
            let mut bytes = bytes.to_vec();
            bytes[place] ^= 4;
            bytes
        };
        assert_eq!(ask(algorithm, &spoiled(&message, 1), &signature, &key), [0]);
        assert_eq!(ask(algorithm, &message, &spoiled(&signature, 3), &key), [0]);
        assert_eq!(ask(algorithm, &message, &spoiled(&signature, 50), &key), [0]);
        assert_eq!(ask(algorithm, &message, &signature, &spoiled(&key, 7)), [0]);
        for (other, ..) in signed() {
            if other != algorithm && (other != SIGNATURE_SECP256K1 || message.len() == 32) {
                assert_eq!(ask(other, &message, &signature, &[&key[..], &[0; 32]].concat()), [0]);
            }
        }
    }
}

#[test]
fn a_key_is_recovered_or_nothing_is_written() {
    let secret = SecretKey::from_bytes(Suite::Standard, &[5; 32]).expect("a key");
    let digest = Hash([9; 32]);
    let signature = secret.sign(&digest);
    let recover = call("recover", &[SIGNATURE_SECP256K1, INPUT, INPUT + 32, 101]);
    let body = format!(
        "(i32.store8 (i32.const 101) (i32.const 77)) (i32.store8 (i32.const 100) {recover})
         (call $output (i32.const 100) (i32.const 65)) (i32.const 0)"
    );
    let mut input = [&digest.0[..], signature.as_bytes()].concat();
    assert_eq!(output(&body, &input), [&[1][..], secret.public_key().as_bytes()].concat());
    *input.last_mut().expect("v") += 27;
    assert_eq!(output(&body, &input), [&[1][..], secret.public_key().as_bytes()].concat());
    *input.last_mut().expect("v") = 5;
    assert_eq!(output(&body, &input), [&[0, 77][..], &[0; 63]].concat());
}

#[test]
fn an_unknown_algorithm_is_the_contracts_fault_and_is_named() {
    for algorithm in [4, 255, u32::MAX] {
        let body = format!("{} (i32.const 0)", call("digest", &[algorithm, 0, 0, 0]));
        assert_eq!(fault(&body).to_string(), format!("the algorithm of a digest has no value {algorithm}"));
        let body = call("verify", &[algorithm, 0, 0, 0, 0]);
        assert_eq!(fault(&body).to_string(), format!("the algorithm of a signature has no value {algorithm}"));
        assert_eq!(fault(&body).code(), "argument");
    }
    for algorithm in [SIGNATURE_SM2, SIGNATURE_ED25519, 3, u32::MAX] {
        let message = format!("the algorithm of a signature whose key is recovered has no value {algorithm}");
        assert_eq!(fault(&call("recover", &[algorithm, 0, 0, 0])).to_string(), message);
    }
    for length in [0, 31, 33, u32::MAX] {
        let message = format!("the length of a digest that is verified (it is 32) has no value {length}");
        assert_eq!(fault(&call("verify", &[SIGNATURE_SECP256K1, 0, length, 0, 0])).to_string(), message);
    }
}

#[test]
fn each_call_costs_what_the_schedule_says() {
    let gas = &SCHEDULE_1;
    // The frame's page of memory, its function and the host's.
    let fixed = gas.memory_page + gas.function_call + gas.host_call;
    let used = |body: &str| {
        let outcome = alone(body, GAS);
        assert_eq!(outcome.status, FrameStatus::Success, "{body}");
        GAS - outcome.gas_left
    };
    for (algorithm, _, byte) in DIGESTS {
        for length in [0, 1, 40_000] {
            let body = format!("{} (i32.const 0)", call("digest", &[algorithm, 0, length, 100]));
            assert_eq!(used(&body), 5 * gas.instruction + fixed + gas.hash + u64::from(length) * byte(gas));
        }
    }
    let recover = format!("(drop {}) (i32.const 0)", call("recover", &[SIGNATURE_SECP256K1, 0, 0, 0]));
    assert_eq!(used(&recover), 6 * gas.instruction + fixed + gas.recover_secp256k1);
    for (algorithm, length, cost) in [
        (SIGNATURE_SECP256K1, 32, gas.verify_secp256k1),
        (SIGNATURE_SM2, 0, gas.verify_sm2),
        (SIGNATURE_SM2, 1_000, gas.verify_sm2 + 1_000 * gas.sm3_byte),
        (SIGNATURE_ED25519, 7, gas.verify_ed25519 + 7 * gas.ed25519_byte),
    ] {
        let body = format!("(drop {}) (i32.const 0)", call("verify", &[algorithm, 0, length, 0, 0]));
        assert_eq!(used(&body), 7 * gas.instruction + fixed + cost);
    }
}

/// Bodies that ask for bytes outside the memory, or for too many, and what the bytes would cost.
fn beyond() -> Vec<(String, u64, ContractFault)> {
    let gas = &SCHEDULE_1;
    let range = |offset: u32, length: u32| ContractFault::MemoryRange { offset, length };
    let limit = |what, found: u32| ContractFault::Limit { what, found: found.into(), limit: HASH_BYTES_MAX.into() };
    let mut cases = Vec::new();
    for (algorithm, _, byte) in DIGESTS {
        let mut digest = |source, length, destination, fault| {
            let body = format!("{} (i32.const 0)", call("digest", &[algorithm, source, length, destination]));
            cases.push((body, gas.hash + u64::from(length) * byte(gas), fault));
        };
        digest(END - 9, 10, 0, range(END - 9, 10));
        digest(u32::MAX, 1, 0, range(u32::MAX, 1));
        digest(0, 10, END - 31, range(END - 31, 32));
        digest(0, HASH_BYTES_MAX, 0, range(0, HASH_BYTES_MAX));
        digest(0, HASH_BYTES_MAX + 1, 0, limit("bytes to hash", HASH_BYTES_MAX + 1));
    }
    for (digest, signature, fault) in [(END - 31, 0, range(END - 31, 32)), (0, END - 64, range(END - 64, 65))] {
        let body = call("recover", &[SIGNATURE_SECP256K1, digest, signature, 0]);
        cases.push((body, gas.recover_secp256k1, fault));
    }
    for (algorithm, base, byte, key_bytes) in [
        (SIGNATURE_SECP256K1, gas.verify_secp256k1, 0, 64),
        (SIGNATURE_SM2, gas.verify_sm2, gas.sm3_byte, 64),
        (SIGNATURE_ED25519, gas.verify_ed25519, gas.ed25519_byte, 32),
    ] {
        let mut verify = |message, length, signature, key, fault| {
            let body = call("verify", &[algorithm, message, length, signature, key]);
            cases.push((body, base + u64::from(length) * byte, fault));
        };
        verify(END - 31, 32, 0, 0, range(END - 31, 32));
        verify(0, 32, END - 63, 0, range(END - 63, 64));
        verify(0, 32, 0, END - key_bytes + 1, range(END - key_bytes + 1, key_bytes));
        if algorithm != SIGNATURE_SECP256K1 {
            verify(0, HASH_BYTES_MAX, 0, 0, range(0, HASH_BYTES_MAX));
            verify(0, HASH_BYTES_MAX + 1, 0, 0, limit("a signed message", HASH_BYTES_MAX + 1));
        }
    }
    cases
}

#[test]
fn ranges_outside_the_memory_and_too_long_inputs_end_the_frame() {
    for (body, cost, expected) in beyond() {
        let outcome = alone(&body, GAS + cost);
        assert_eq!(outcome.status, FrameStatus::Fault(expected), "{body}");
        assert_eq!(outcome.gas_left, 0);
    }
}

#[test]
fn gas_is_charged_before_a_byte_is_read() {
    // Had the bytes been looked at first, the fault would be theirs.
    for (body, cost, _) in beyond() {
        let outcome = alone(&body, SCHEDULE_1.host_call + cost - 1);
        assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::OutOfGas), "{body}");
    }
    for body in [
        format!("{} (i32.const 0)", call("digest", &[DIGEST_SHA256, 0, u32::MAX, 0])),
        call("verify", &[SIGNATURE_ED25519, 0, u32::MAX, 0, 0]),
    ] {
        assert_eq!(alone(&body, GAS).status, FrameStatus::Fault(ContractFault::OutOfGas), "{body}");
    }
}

#[test]
fn what_is_written_is_gone_in_the_next_call() {
    let engine = engine();
    let body = format!(
        "(call $output (i32.const 40000) (i32.const 96)) {} (i32.const 0)",
        call("digest", &[DIGEST_SM3, 0, 5, 40_030])
    );
    let module = with_body(IMPORTS, &body);
    for _ in 0..3 {
        let (_, outcome) = run(&engine, &module, &[], GAS);
        assert_eq!((outcome.status, outcome.output), (FrameStatus::Success, vec![0; 96]));
    }
}
