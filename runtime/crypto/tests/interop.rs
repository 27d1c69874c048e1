//! Signatures, ciphertexts and hashes that cross to other implementations and back: sm-crypto (npm) and gmssl (PyPI).
//!
//! `make setup` installs them. Without them this fails; ENTENTE_WITHOUT_INTEROP=1 says that it shall not.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use entente_crypto::{Hash, SecretKey, Signature, Suite, sm2_decrypt, sm2_encrypt, sm3};
use serde_json::{Value, json};

/// How many keys and texts each way.
const ROUNDS: u64 = 12;

/// One of the other implementations.
struct Peer {
    name: &'static str,
    command: Command,
}

/// Both of them, or nothing where a variable says that they are not there.
fn peers() -> Vec<Peer> {
    if env::var_os("ENTENTE_WITHOUT_INTEROP").is_some_and(|value| value == "1") {
        return Vec::new();
    }
    let cache = env::var_os("ENTENTE_CACHE").map_or_else(
        || PathBuf::from(env::var_os("HOME").expect("HOME or ENTENTE_CACHE")).join(".cache/entente"),
        PathBuf::from,
    );
    let installed = cache.join("interop");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    for part in ["node_modules/sm-crypto", "python/bin/python"] {
        let path = installed.join(part);
        let instead = "install with `make setup`, or set ENTENTE_WITHOUT_INTEROP=1 to do without";
        assert!(path.exists(), "{} is not there: {instead}", path.display());
    }
    let mut node = Command::new("node");
    node.arg(scripts.join("sm_crypto.cjs")).env("NODE_PATH", installed.join("node_modules"));
    let mut python = Command::new(installed.join("python/bin/python"));
    python.arg(scripts.join("gmssl_peer.py"));
    vec![Peer { name: "sm-crypto", command: node }, Peer { name: "gmssl", command: python }]
}

impl Peer {
    /// Its answer to each question.
    fn ask(&mut self, questions: &[Value]) -> Vec<Value> {
        let running = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut running = running.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut input = running.stdin.take().unwrap();
        input.write_all(json!(questions).to_string().as_bytes()).unwrap();
        drop(input);
        let output = running.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answers.len(), questions.len(), "{}", self.name);
        answers
    }

    /// Answers that are bytes.
    fn ask_bytes(&mut self, questions: &[Value]) -> Vec<Vec<u8>> {
        self.ask(questions).iter().map(|answer| hex::decode(answer.as_str().unwrap()).unwrap()).collect()
    }
}

fn number(label: &str, round: u64) -> [u8; 32] {
    sm3(format!("{label} {round}").as_bytes()).0
}

fn secret(round: u64) -> SecretKey {
    SecretKey::from_bytes(Suite::Guomi, &number("secret", round)).unwrap()
}

/// A text of 8 bytes and more: the shortest could meet a mask of zeros, which the standard refuses.
fn text(round: u64) -> Vec<u8> {
    (0..=round).flat_map(|part| number("text", part)).skip(24).take(8 + 23 * round as usize).collect()
}

#[test]
fn public_keys_are_the_same() {
    let questions: Vec<Value> = (0..ROUNDS)
        .map(|round| json!({ "ask": "public_key", "secret": hex::encode(number("secret", round)) }))
        .collect();
    for mut peer in peers() {
        for (round, key) in (0..).zip(peer.ask_bytes(&questions)) {
            assert_eq!(key, secret(round).public_key().as_bytes(), "{}", peer.name);
        }
    }
}

#[test]
fn our_signatures_are_taken_and_changed_ones_are_not() {
    let questions: Vec<Value> = (0..ROUNDS)
        .flat_map(|round| {
            let (key, digest) = (secret(round), number("digest", round));
            let signature = key.sign(&Hash(digest));
            let key = hex::encode(key.public_key().as_bytes());
            let question = |signature: &[u8]| {
                json!({ "ask": "verify", "key": key, "text": hex::encode(digest), "signature": hex::encode(&signature[..64]) })
            };
            let mut changed = signature.as_bytes().to_vec();
            changed[round as usize] ^= 1;
            [question(signature.as_bytes()), question(&changed)]
        })
        .collect();
    let expected: Vec<Value> = (0..ROUNDS).flat_map(|_| [json!(true), json!(false)]).collect();
    for mut peer in peers() {
        assert_eq!(peer.ask(&questions), expected, "{}", peer.name);
    }
}

#[test]
fn their_signatures_are_taken_with_one_parity() {
    let questions: Vec<Value> = (0..ROUNDS)
        .map(|round| {
            let text = hex::encode(number("digest", round));
            json!({ "ask": "sign", "secret": hex::encode(number("secret", round)), "text": text })
        })
        .collect();
    for mut peer in peers() {
        for (round, signature) in (0..).zip(peer.ask_bytes(&questions)) {
            let (key, digest) = (secret(round).public_key(), Hash(number("digest", round)));
            let fits = [0, 1].into_iter().filter(|parity| {
                let whole = [&signature, [*parity].as_slice(), key.as_bytes()].concat();
                let signer = Suite::Guomi.signer(&digest, &Signature::from_bytes(&whole).unwrap());
                signer.is_ok_and(|signer| signer.key == key)
            });
            assert_eq!(fits.count(), 1, "{}, round {round}", peer.name);
        }
    }
}

#[test]
fn ciphertexts_cross_both_ways() {
    let theirs: Vec<Value> = (0..ROUNDS)
        .map(|round| {
            let key = hex::encode(secret(round).public_key().as_bytes());
            json!({ "ask": "encrypt", "key": key, "text": hex::encode(text(round)) })
        })
        .collect();
    let ours: Vec<Value> = (0..ROUNDS)
        .map(|round| {
            let sealed = sm2_encrypt(&secret(round).public_key(), &number("k", round), &text(round)).unwrap();
            json!({ "ask": "decrypt", "secret": hex::encode(number("secret", round)), "sealed": hex::encode(&sealed[1..]) })
        })
        .collect();
    for mut peer in peers() {
        for (round, opened) in (0..).zip(peer.ask_bytes(&ours)) {
            assert_eq!(opened, text(round), "{}", peer.name);
        }
        for (round, sealed) in (0..).zip(peer.ask_bytes(&theirs)) {
            let whole = [[4].as_slice(), &sealed].concat();
            assert_eq!(sm2_decrypt(&secret(round), &whole), Ok(text(round)), "{}", peer.name);
        }
    }
}

#[test]
fn hashes_are_the_same() {
    let questions: Vec<Value> =
        (0..ROUNDS).map(|round| json!({ "ask": "sm3", "text": hex::encode(text(round)) })).collect();
    for mut peer in peers() {
        for (round, hash) in (0..).zip(peer.ask_bytes(&questions)) {
            assert_eq!(hash, sm3(&text(round)).0, "{}", peer.name);
        }
    }
}

#[test]
fn blocks_of_sm4_and_its_counter_mode_are_the_same() {
    let key = &number("sm4", 0)[..16];
    // What keystores use: the counter, encrypted, is the key stream.
    let mut counter = [0xff; 16];
    counter[..8].copy_from_slice(&number("iv", 0)[..8]);
    let mut stream = [0; 48];
    ctr::Ctr128BE::<sm4::Sm4>::new_from_slices(key, &counter).unwrap().apply_keystream(&mut stream);
    let first = u128::from_be_bytes(counter);
    let counters: Vec<u8> = (0..3).flat_map(|step| first.wrapping_add(step).to_be_bytes()).collect();
    let (key, counters) = (hex::encode(key), hex::encode(counters));
    let questions = [
        json!({ "ask": "sm4_encrypt", "key": key, "text": counters }),
        json!({ "ask": "sm4_decrypt", "key": key, "text": hex::encode(stream) }),
    ];
    for mut peer in peers() {
        let answers = peer.ask(&questions);
        assert_eq!(answers, [hex::encode(stream), counters.clone()], "{}", peer.name);
    }
}
