//! FISCO BCOS's transactions from the door to the receipt, in both suites.

mod common;

use std::sync::Arc;

use common::{Rig, genesis, genesis_of, key_of, replay};
use entente_crypto::SecretKey;
use entente_executor::container;
use entente_host::gas::PROTOCOL_VERSIONS;
use entente_pool::AdmissionError;
use entente_storage::Memory;
use entente_types::{
    Address, Amount, FiscoTransaction, Genesis, Limits, Status, Suite, Transaction, UnsignedFiscoTransaction,
};

/// Code that gives back what it is called with.
const ECHO: &[u8] = &[0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0xf3];

fn creation() -> Vec<u8> {
    let length = u8::try_from(ECHO.len()).unwrap();
    [&[0x60, length, 0x80, 0x60, 0x0b, 0x5f, 0x39, 0x5f, 0xf3, 0x00, 0x00][..], ECHO].concat()
}

fn unsigned(nonce: u8, to: Option<Address>, input: Vec<u8>) -> UnsignedFiscoTransaction {
    UnsignedFiscoTransaction {
        nonce: [nonce; 32],
        gas_price: Amount::from(22_000_000_000),
        gas: Amount::from(4_300_000),
        block_limit: 600,
        to,
        value: Amount::ZERO,
        input,
        chain_id: 1,
        group: 1,
        extra: vec![],
    }
}

fn sign(suite: Suite, unsigned: &UnsignedFiscoTransaction) -> Transaction {
    Transaction::Fisco(unsigned.sign(&key_of(suite, 5)).unwrap())
}

#[test]
fn they_stand_beside_native_ones_and_are_used_once() {
    for suite in [Suite::Standard, Suite::Guomi] {
        let (genesis, engine) = (genesis_of(suite, Limits::default()), Arc::new(Memory::new()));
        let mut rig = Rig::on(Arc::clone(&engine) as _, &genesis);
        let receipt = rig.one(sign(suite, &unsigned(1, None, creation())));
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        let echo = receipt.contract;
        let call = sign(suite, &unsigned(2, echo, b"said".to_vec()));
        let native = rig.sign(echo, b"said".to_vec());
        let hashes = rig.submit(vec![call.clone(), native]).into_iter().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(rig.told[1].record.transaction_hashes, hashes);
        for hash in &hashes {
            assert_eq!(rig.receipt(hash).output, b"said");
        }
        // Nobody sends it again, nor another with its random id: not to a node that began again either.
        let other = sign(suite, &unsigned(2, echo, b"other".to_vec()));
        let again = |rig: &mut Rig| rig.submit(vec![call.clone(), other.clone()]);
        assert_eq!(again(&mut rig), [Err(AdmissionError::Replay), Err(AdmissionError::Replay)]);
        drop(rig);
        let mut rig = Rig::on(engine, &genesis);
        assert_eq!(again(&mut rig), [Err(AdmissionError::Replay), Err(AdmissionError::Replay)]);
        assert_eq!(rig.one(sign(suite, &unsigned(3, echo, vec![7]))).output, [7]);
        replay(&rig.ledger, &genesis, PROTOCOL_VERSIONS);
    }
}

#[test]
fn a_wasm_contract_is_made_and_called_by_them() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    let module = wat::parse_str(common::COUNTER).unwrap();
    let receipt = rig.one(sign(Suite::Standard, &unsigned(1, None, container(&module, &[]))));
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    let receipt = rig.one(sign(Suite::Standard, &unsigned(2, receipt.contract, vec![])));
    assert_eq!(receipt.output, 1_u64.to_le_bytes());
}

#[test]
fn where_the_version_has_none_they_are_refused() {
    let genesis = Genesis { protocol_version: 1, ..genesis(Limits::default()) };
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis);
    let early = rig.submit(vec![sign(Suite::Standard, &unsigned(1, None, creation()))]);
    assert_eq!(early, [Err(AdmissionError::NoFisco)]);
    assert!(rig.told.is_empty());
}

/// A key whose point begins with one zero byte: one in 256 does.
fn key_with_a_zero_in_front() -> SecretKey {
    let key = |number: u16| {
        let mut secret = [0; 32];
        secret[30..].copy_from_slice(&number.to_be_bytes());
        SecretKey::from_bytes(Suite::Guomi, &secret).unwrap()
    };
    let fits = |key: &SecretKey| matches!(key.public_key().as_bytes(), [0, second, ..] if *second != 0);
    (1..u16::MAX).map(key).find(fits).expect("one of many")
}

#[test]
fn a_client_that_leaves_out_zeros_is_told_the_hash_that_fisco_bcos_would_tell() {
    let suite = Suite::Guomi;
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis_of(suite, Limits::default()));
    let key = key_with_a_zero_in_front();
    let whole = unsigned(1, None, creation()).sign(&key).unwrap();
    // The key is the 64 bytes in front of r and s, behind a header of two.
    let place = whole.raw().windows(64).position(|bytes| bytes == key.public_key().as_bytes()).unwrap();
    let mut payload = whole.raw()[2..].to_vec();
    payload.remove(place - 2);
    payload[place - 3] = 63;
    let short = [vec![0xf8, u8::try_from(payload.len()).unwrap()], payload].concat();
    assert_eq!(short.len(), whole.raw().len() - 1);
    let sent = FiscoTransaction::new(short).unwrap();
    assert_eq!(sent, whole);
    let hash = rig.submit(vec![Transaction::Fisco(sent)]).remove(0).unwrap();
    assert_eq!((hash, rig.receipt(&hash).status), (whole.hash(suite), Status::Success));
}
