//! Ethereum's transactions from the door to the receipt, beside native ones.

mod common;

use std::sync::Arc;

use common::{Rig, genesis, genesis_of, key_of, replay};
use entente_crypto::keccak256;
use entente_host::gas::PROTOCOL_VERSIONS;
use entente_pool::AdmissionError;
use entente_storage::Memory;
use entente_types::{
    Address, Amount, EthereumRefusal, Genesis, Hash, LegacyTransaction, Limits, Status, Suite, Transaction,
    created_address,
};

const CHAIN: u64 = 20_200;

/// Code that counts its calls in slot 0 and gives the count back.
const COUNTER: &[u8] = &[
    0x5f, 0x54, 0x60, 0x01, 0x01, // the slot, plus one
    0x80, 0x5f, 0x55, // into the slot
    0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, // and out
];

/// What creates it: the code is copied behind these eleven bytes.
fn creation() -> Vec<u8> {
    let length = u8::try_from(COUNTER.len()).unwrap();
    let mut code = vec![0x60, length, 0x80, 0x60, 0x0b, 0x5f, 0x39, 0x5f, 0xf3, 0x00, 0x00];
    code.extend_from_slice(COUNTER);
    code
}

fn legacy(nonce: u64, to: Option<Address>, input: Vec<u8>) -> LegacyTransaction {
    let (gas_price, value) = (Amount::ZERO, Amount::ZERO);
    LegacyTransaction { nonce, gas_price, gas_limit: 1_000_000, to, value, input }
}

fn sign(transaction: &LegacyTransaction) -> Transaction {
    Transaction::Ethereum(transaction.sign(&key_of(Suite::Standard, 5), CHAIN).unwrap())
}

fn sender() -> Address {
    key_of(Suite::Standard, 5).public_key().address()
}

fn refusal(result: Result<Hash, AdmissionError>) -> String {
    result.expect_err("refused").to_string()
}

/// The transactions of each block, in their order.
fn blocks(rig: &Rig) -> Vec<Vec<Hash>> {
    rig.told.iter().map(|block| block.record.transaction_hashes.clone()).collect()
}

#[test]
fn both_kinds_are_in_one_block_and_numbers_are_used_in_order() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    let create = sign(&legacy(0, None, creation()));
    let receipt = rig.one(create);
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    let counter = receipt.contract.expect("created");
    assert_eq!(counter, created_address(&sender(), 0));

    // Of numbers that come in any order, those that follow one another are run; the last one waits.
    let native = rig.sign(Some(counter), vec![]);
    let of = |nonce| sign(&legacy(nonce, Some(counter), vec![]));
    let sent = vec![of(5), of(3), native, of(2), of(1)];
    let hashes: Vec<Hash> = rig.submit(sent).into_iter().map(Result::unwrap).collect();
    assert_eq!(blocks(&rig)[1], [hashes[2], hashes[4], hashes[3], hashes[1]]);
    let outputs: Vec<u8> = blocks(&rig)[1].iter().map(|hash| rig.receipt(hash).output[31]).collect();
    assert_eq!(outputs, [1, 2, 3, 4]);
    assert_eq!((rig.group.pool().len(), rig.group.pool().has_untaken()), (1, false));
    assert_eq!(rig.group.pool().next_nonce(&sender()), Some(4));

    let low = rig.submit(vec![of(3)]).remove(0);
    assert_eq!(refusal(low), format!("nonce too low: the transaction's is 3; the next of {} is 4", sender()));
    let twin = sign(&legacy(5, None, vec![]));
    assert!(refusal(rig.submit(vec![twin]).remove(0)).starts_with("replacement transaction underpriced"));
    let fourth = rig.submit(vec![of(4)]).remove(0).unwrap();
    assert_eq!(blocks(&rig)[2], [fourth, hashes[0]]);
    replay(&rig.ledger, &genesis(Limits::default()), PROTOCOL_VERSIONS);
}

#[test]
fn a_node_that_begins_again_knows_the_numbers_that_were_used() {
    let (genesis, engine) = (genesis(Limits::default()), Arc::new(Memory::new()));
    let mut rig = Rig::on(Arc::clone(&engine) as _, &genesis);
    for nonce in 0..3 {
        rig.one(sign(&legacy(nonce, Some(Address([7; 20])), vec![])));
    }
    drop(rig);
    let mut rig = Rig::on(engine, &genesis);
    let again = rig.submit(vec![sign(&legacy(2, Some(Address([7; 20])), vec![]))]).remove(0);
    assert!(refusal(again).starts_with("nonce too low"));
    assert_eq!(rig.one(sign(&legacy(3, Some(Address([7; 20])), vec![]))).status, Status::Success);
}

#[test]
fn the_door_tells_what_is_wrong() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    let mut text = |transaction: Transaction| refusal(rig.submit(vec![transaction]).remove(0));
    let other_chain = Transaction::Ethereum(legacy(0, None, vec![]).sign(&key_of(Suite::Standard, 5), 1).unwrap());
    assert_eq!(text(other_chain), "invalid chain id: the transaction is for chain 1; this group's is 20200");
    let cheap = sign(&LegacyTransaction { gas_limit: 20_999, ..legacy(0, Some(sender()), vec![]) });
    assert!(text(cheap).starts_with("intrinsic gas too low: the gas limit is 20999, where 21000 are needed"));
    let greedy = sign(&LegacyTransaction { gas_limit: u64::MAX, ..legacy(0, Some(sender()), vec![]) });
    assert!(text(greedy).starts_with("exceeds block gas limit"));
    let long = sign(&LegacyTransaction { gas_limit: 30_000_000, ..legacy(0, None, vec![1; 50_000]) });
    assert_eq!(text(long), "max initcode size exceeded: 50000 bytes, where 49152 are allowed");
    let with_coin = sign(&LegacyTransaction { value: Amount::from(1), ..legacy(0, Some(sender()), vec![]) });
    assert_eq!(text(with_coin), EthereumRefusal::NoCoin.to_string());
    assert!(text(sign(&legacy(65, None, vec![]))).starts_with("nonce too high: the transaction's is 65"));
    assert!(rig.told.is_empty());
}

#[test]
fn where_there_is_coin_nobody_spends_more_than_there_is() {
    let coin = Amount::from(2_200_000);
    let genesis = Genesis { balances: true, allocations: vec![(sender(), coin)], ..genesis(Limits::default()) };
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis);
    let pay = |nonce, value| {
        let price = LegacyTransaction { gas_price: Amount::from(1), ..legacy(nonce, Some(Address([7; 20])), vec![]) };
        sign(&LegacyTransaction { value: Amount::from(value), ..price })
    };
    let poor = rig.submit(vec![pay(0, 1_200_001)]).remove(0);
    assert!(refusal(poor).starts_with("insufficient funds for gas * price + value: it may cost 2200001"));
    // Each can be paid by itself, and not both.
    let mut results = rig.submit(vec![pay(0, 1_000_000), pay(1, 1_000_000)]);
    let (second, first) = (results.pop().unwrap(), results.pop().unwrap().unwrap());
    assert!(refusal(second).starts_with("insufficient funds for gas * price + value: it may cost 4000000"));
    assert_eq!(blocks(&rig), [vec![first]]);
    assert!(rig.group.pool().is_empty());
    // What is done cost less than it might have.
    let second = rig.submit(vec![pay(1, 5)]).remove(0).unwrap();
    assert_eq!(blocks(&rig)[1..], [vec![second]]);
    replay(&rig.ledger, &genesis, PROTOCOL_VERSIONS);
}

#[test]
fn the_door_opens_with_the_version_that_has_them() {
    let genesis = Genesis { protocol_version: 1, ..genesis(Limits::default()) };
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis);
    let early = rig.submit(vec![sign(&legacy(0, None, creation()))]).remove(0);
    assert_eq!(early, Err(AdmissionError::NoEthereum));
    // setValueByKey("protocol_version", "2") by a sealer.
    let mut input = keccak256(b"setValueByKey(string,string)").0[..4].to_vec();
    for (word, text) in [(64_u8, None), (128, None), (16, Some("protocol_version")), (1, Some("2"))] {
        input.extend_from_slice(&[0; 31]);
        input.push(word);
        if let Some(text) = text {
            let mut padded = text.as_bytes().to_vec();
            padded.resize(32, 0);
            input.extend_from_slice(&padded);
        }
    }
    let mut system = [0; 20];
    system[18] = 0x10;
    let setting = rig.sign_as(9, Some(Address(system)), input, 1_000_000);
    assert_eq!(rig.one(setting).output[31], 1);
    assert_eq!(rig.one(sign(&legacy(0, None, creation()))).status, Status::Success);
    replay(&rig.ledger, &genesis, PROTOCOL_VERSIONS);
}

#[test]
fn a_guomi_group_refuses_them() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis_of(Suite::Guomi, Limits::default()));
    assert_eq!(rig.submit(vec![sign(&legacy(0, None, vec![]))]), [Err(AdmissionError::GuomiEthereum)]);
}
