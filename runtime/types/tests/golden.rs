//! The bytes, hashes and JSON of every document. They change with a format's version only.
//!
//! `ENTENTE_BLESS=1 cargo test -p entente-types --test golden` writes the files anew.

mod samples;

use std::{collections::BTreeSet, fmt::Debug, path::PathBuf};

use entente_crypto::{Domain, Suite};
use entente_types::{Certificate, Genesis, Hash, Header, Transaction, sealers_hash};
use parity_scale_codec::{DecodeAll, Encode};
use proptest::prelude::*;
use serde::Serialize;

/// Compares a text with its golden file, or writes it where that was asked for.
fn golden(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    let found = format!("{found}\n");
    if std::env::var_os("ENTENTE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &found).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; ENTENTE_BLESS=1 writes it", path.display()));
    assert_eq!(found, expected, "{name} changed: old data could not be read any more");
}

fn bytes<T: Encode + DecodeAll + PartialEq + Debug>(name: &str, value: &T) {
    golden(&format!("{name}.scale.hex"), &hex::encode(value.encode()));
    assert_eq!(&T::decode_all(&mut value.encode().as_slice()).expect("its own bytes"), value, "{name}");
}

fn json(name: &str, value: &impl Serialize) {
    golden(&format!("{name}.json"), &serde_json::to_string_pretty(value).expect("json"));
}

/// A document's JSON view, read back where it can be.
fn json_both<T: Serialize + serde::de::DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    json(name, value);
    let text = serde_json::to_string(value).expect("json");
    assert_eq!(&serde_json::from_str::<T>(&text).expect("its own json"), value, "{name}");
}

const SUITES: [(Suite, &str); 2] = [(Suite::Standard, "standard"), (Suite::Guomi, "guomi")];

#[test]
fn bytes_and_json_of_every_document_stand() {
    let suite = Suite::Standard;
    let genesis = samples::genesis(suite);
    bytes("genesis", &genesis);
    json_both("genesis", &genesis);
    let transaction = samples::native(suite);
    bytes("transaction_native", &transaction);
    json("transaction_native", &transaction);
    let certificate = samples::certificate(suite);
    bytes("certificate", &certificate);
    json_both("certificate", &certificate);
    let block = samples::block(suite);
    bytes("block", &block);
    json("block", &block);
    for (name, transaction) in [("transaction_ethereum", samples::ethereum()), ("transaction_fisco", samples::fisco())]
    {
        bytes(name, &transaction);
        json(name, &transaction);
    }
    let proposal = samples::proposal();
    bytes("proposal", &proposal);
    json_both("proposal", &proposal);
    let header = samples::header();
    bytes("header", &header);
    json_both("header", &header);
    let left_out = samples::left_out();
    bytes("left_out", &left_out);
    json_both("left_out", &left_out);
    for (name, receipt) in [("receipt_success", samples::success()), ("receipt_failure", samples::failure())] {
        bytes(name, &receipt);
        json_both(name, &receipt);
    }
    let log = samples::log();
    bytes("log", &log);
    json_both("log", &log);
    for (name, proof) in samples::proofs(suite) {
        bytes(name, &proof);
        json(name, &proof);
    }
    let recovery = samples::recovery(suite);
    bytes("recovery", &recovery);
    json_both("recovery", &recovery);
    bytes("sealer_entry", &samples::sealer_entry());
    bytes("sealer_set", &samples::sealer_set());
    bytes("observers", &samples::observers());
}

#[test]
fn bytes_and_json_of_every_document_of_a_guomi_group_stand() {
    let genesis = samples::guomi::genesis();
    bytes("guomi/genesis", &genesis);
    json_both("guomi/genesis", &genesis);
    let transaction = samples::guomi::native();
    bytes("guomi/transaction_native", &transaction);
    json("guomi/transaction_native", &transaction);
    let fisco = samples::guomi::fisco();
    bytes("guomi/transaction_fisco", &fisco);
    json("guomi/transaction_fisco", &fisco);
    let certificate = samples::guomi::certificate();
    bytes("guomi/certificate", &certificate);
    json_both("guomi/certificate", &certificate);
    let block = samples::guomi::block();
    bytes("guomi/block", &block);
    json("guomi/block", &block);
    let Transaction::Native(native) = &transaction else { panic!("not native") };
    let hashes = [
        ("genesis", genesis.hash()),
        ("sealers", sealers_hash(Suite::Guomi, &genesis.sealers)),
        ("transaction_signing", native.unsigned.signing_digest(Suite::Guomi, &genesis.hash())),
        ("transaction_native", transaction.hash(Suite::Guomi)),
    ];
    let lines = hashes.map(|(name, hash)| format!("{name} {hash}"));
    golden("guomi/hashes.txt", &lines.join("\n"));
}

/// Every hash that names or is signed about a document.
fn hashes(suite: Suite) -> Vec<(&'static str, Hash)> {
    let genesis = samples::genesis(suite);
    let header = samples::header();
    let transaction = samples::native(suite);
    let Transaction::Native(native) = &transaction else { panic!("not native") };
    vec![
        ("genesis", genesis.hash()),
        ("sealers", sealers_hash(suite, &genesis.sealers)),
        ("transaction_signing", native.unsigned.signing_digest(suite, &genesis.hash())),
        ("transaction_native", transaction.hash(suite)),
        ("transaction_ethereum", samples::ethereum().hash(suite)),
        ("transaction_fisco", samples::fisco().hash(suite)),
        ("proposal", samples::proposal().digest(suite)),
        ("header", header.hash(suite)),
        ("header_signing", Header::signing_digest(suite, &genesis.hash(), header.number, &header.hash(suite))),
        ("recovery", samples::recovery(suite).recovery.hash(suite)),
        ("recovery_signing", samples::recovery(suite).recovery.signing_digest(suite)),
        ("transaction_root", Header::transaction_root(suite, &[Hash([1; 32]), Hash([2; 32]), Hash([3; 32])])),
        ("transaction_root_empty", Header::transaction_root(suite, &[])),
        ("receipt_root", Header::receipt_root(suite, &[samples::success(), samples::failure()])),
        ("ethereum_header", samples::ethereum_header().hash()),
    ]
}

#[test]
fn hashes_of_every_document_stand() {
    for (suite, suite_name) in SUITES {
        let lines: Vec<String> = hashes(suite).iter().map(|(name, hash)| format!("{name} {hash}")).collect();
        golden(&format!("hashes_{suite_name}.txt"), &lines.join("\n"));
    }
}

#[test]
fn no_two_hashes_are_alike() {
    let mut seen = BTreeSet::new();
    for (suite, _) in SUITES {
        for (name, hash) in hashes(suite) {
            // Ethereum's hashes know no suite.
            assert!(seen.insert(hash) || name.contains("ethereum"), "{name}");
        }
    }
}

#[test]
fn the_same_bytes_under_another_domain_are_another_hash() {
    for (suite, _) in SUITES {
        let header = samples::header();
        let mut seen = BTreeSet::new();
        for domain in Domain::ALL {
            assert!(seen.insert(suite.hash_of(*domain, &header)), "{}", domain.as_str());
        }
    }
}

#[test]
fn a_certificate_vouches_for_its_header_only() {
    vouches(&samples::genesis(Suite::Standard), &samples::certificate(Suite::Standard));
    vouches(&samples::guomi::genesis(), &samples::guomi::certificate());
}

fn vouches(genesis: &Genesis, certificate: &Certificate) {
    let (suite, header) = (genesis.suite, samples::header());
    let verify = |genesis_hash: &Hash, number, hash: &Hash| {
        certificate.verify(suite, genesis_hash, number, hash, &genesis.sealers)
    };
    assert_eq!(verify(&genesis.hash(), header.number, &header.hash(suite)), Ok(()));
    assert!(verify(&Hash::ZERO, header.number, &header.hash(suite)).is_err());
    assert!(verify(&genesis.hash(), header.number + 1, &header.hash(suite)).is_err());
    assert!(verify(&genesis.hash(), header.number, &Hash::ZERO).is_err());
    assert!(Certificate::default().verify(suite, &genesis.hash(), header.number, &header.hash(suite), &[]).is_err());
}

/// Damaged documents of one kind: decoding them must not panic, and what decodes must encode to the same bytes.
fn damaged<T: Encode + DecodeAll>(value: &T, place: usize, byte: u8, cut: usize) {
    let mut bytes = value.encode();
    let place = place % bytes.len();
    bytes[place] = byte;
    bytes.truncate(bytes.len() - cut % bytes.len());
    if let Ok(decoded) = T::decode_all(&mut bytes.as_slice()) {
        assert_eq!(decoded.encode(), bytes);
    }
}

proptest! {
    #[test]
    fn decoding_damaged_documents_is_total_and_injective(place in any::<usize>(), byte in any::<u8>(), cut in 0_usize..3) {
        for (suite, _) in SUITES {
            damaged(&samples::genesis(suite), place, byte, cut);
            damaged(&samples::native(suite), place, byte, cut);
            damaged(&samples::certificate(suite), place, byte, cut);
            damaged(&samples::block(suite), place, byte, cut);
            for (_, proof) in samples::proofs(suite) {
                damaged(&proof, place, byte, cut);
            }
        }
        damaged(&samples::guomi::genesis(), place, byte, cut);
        damaged(&samples::guomi::native(), place, byte, cut);
        damaged(&samples::guomi::certificate(), place, byte, cut);
        damaged(&samples::guomi::block(), place, byte, cut);
        damaged(&samples::ethereum(), place, byte, cut);
        damaged(&samples::fisco(), place, byte, cut);
        damaged(&samples::proposal(), place, byte, cut);
        damaged(&samples::header(), place, byte, cut);
        damaged(&samples::left_out(), place, byte, cut);
        damaged(&samples::success(), place, byte, cut);
        damaged(&samples::failure(), place, byte, cut);
        damaged(&samples::log(), place, byte, cut);
        damaged(&samples::sealer_entry(), place, byte, cut);
        damaged(&samples::sealer_set(), place, byte, cut);
        damaged(&samples::observers(), place, byte, cut);
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        use entente_types::{
            Block, Genesis, LeftOut, Log, Observers, Proof, Proposal, Receipt, SealerChange, SealerEntry, SealerSet,
        };
        // A right version byte leads deeper.
        for version in [None, Some(1)] {
            let mut bytes = bytes.clone();
            if let (Some(version), Some(first)) = (version, bytes.first_mut()) {
                *first = version;
            }
            let input = bytes.as_slice();
            let _ = Genesis::decode_all(&mut &*input);
            let _ = Transaction::from_raw(input);
            let _ = Proposal::decode_all(&mut &*input);
            let _ = Header::decode_all(&mut &*input);
            let _ = Certificate::decode_all(&mut &*input);
            let _ = Block::decode_all(&mut &*input);
            let _ = Receipt::decode_all(&mut &*input);
            let _ = Log::decode_all(&mut &*input);
            let _ = LeftOut::decode_all(&mut &*input);
            let _ = Proof::from_bytes(input);
            let _ = SealerChange::from_bytes(input);
            let _ = SealerEntry::from_bytes(input);
            let _ = SealerSet::from_bytes(7, input);
            let _ = Observers::from_row(Some(input));
        }
    }

    #[test]
    fn decoding_what_was_encoded_gives_it_back(
        numbers in any::<[u64; 4]>(),
        bytes in any::<[u8; 32]>(),
        data in proptest::collection::vec(any::<u8>(), 0..200),
        text in any::<String>(),
        count in 0_usize..5,
    ) {
        prop_assert!(samples::round_trips(numbers, Hash(bytes), &data, &text, count));
    }
}
