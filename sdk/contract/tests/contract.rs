//! A contract through its dispatch, on the chain in memory.
#![expect(missing_docs, reason = "an example")]

use alloy_json_abi::{AbiItem, JsonAbi, StateMutability};
use entente::abi::{AbiDecodeParameters, AbiParameters};
use entente::call::CallError;
use entente::testing::{self, Chain, Failure};
use entente::{Address, Bytes, Event, U256};

#[entente::interface]
pub trait Oracle {
    fn price(&self, symbol: String) -> U256;
    fn report(&mut self, price: U256);
}

#[entente::contract]
pub mod vault {
    use entente::prelude::*;

    #[storage]
    pub struct Vault {
        owner: Value<Address>,
        notes: Map<(Address, u32), String>,
        totals: Map<Address, U256>,
    }

    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Pinged {
        #[indexed]
        pub by: Address,
        pub count: u64,
    }

    #[event]
    pub struct Stored {
        #[indexed]
        pub by: Address,
        #[indexed]
        pub note: String,
        pub index: u32,
        pub tags: Vec<[u8; 4]>,
    }

    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        NotOwner,
        TooLong { length: u64, limit: u64 },
    }

    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Other {
        Nested { reason: Bytes },
    }

    impl Vault {
        #[constructor]
        #[payable]
        pub fn new(&mut self, owner: Address) -> Result<(), Error> {
            if owner.is_zero() {
                return Err(Error::NotOwner);
            }
            self.owner.set(&owner);
            Ok(())
        }

        #[message]
        pub fn store_note(&mut self, index: u32, note: String) -> Result<u64, Error> {
            let length = note.len() as u64;
            if length > 100 {
                return Err(Error::TooLong { length, limit: 100 });
            }
            let by = env::caller();
            self.notes.set(&(by, index), &note);
            Stored { by, note, index, tags: Vec::from([*b"abcd"]) }.emit();
            Ok(length)
        }

        #[message]
        pub fn note_of(&self, who: Address, index: u32) -> (bool, String) {
            let note = self.notes.find(&(who, index));
            (note.is_some(), note.unwrap_or_default())
        }

        #[message]
        #[payable]
        pub fn deposit(&mut self) {
            let caller = env::caller();
            let total = self.totals.get(&caller) + env::value();
            self.totals.set(&caller, &total);
        }

        #[message]
        pub fn forget(&mut self, index: u32) {
            self.notes.remove(&(env::caller(), index));
        }

        #[message]
        pub fn quote(&self, oracle: Address, symbol: String) -> Result<U256, CallError> {
            super::Oracle::at(oracle).price(symbol)
        }

        #[message]
        pub fn ping(&mut self) {
            Pinged { by: env::caller(), count: 3 }.emit();
        }

        #[message]
        pub fn fail(&self) -> Result<(), Other> {
            Err(Other::Nested { reason: Bytes::from(&b"why"[..]) })
        }

        #[message]
        pub fn plain(&self) -> Result<(), &'static str> {
            Err("a plain reason")
        }
    }
}

use vault::{Error, Messages, Other, Pinged, Stored};

const OWNER: Address = Address([7; 20]);

fn deployed() -> (Chain, Address) {
    let mut chain = Chain::new();
    let vault = chain.deploy(OWNER, Messages::new(OWNER)).result.expect("deploys");
    (chain, vault)
}

fn input(signature: &str, arguments: &impl AbiParameters) -> Vec<u8> {
    arguments.encode_after(&testing::keccak256(signature.as_bytes())[..4])
}

/// The text that a call of this input reverts with.
fn reason(chain: &mut Chain, to: Address, input: &[u8], value: U256) -> String {
    let output = chain.transact(OWNER, Some(to), input, value).output;
    assert_eq!(output[..4], [0x08, 0xc3, 0x79, 0xa0]);
    <(String,)>::decode_parameters(&output[4..]).expect("a string").0
}

#[test]
fn a_message_runs_and_its_row_and_log_are_there() {
    let (mut chain, vault) = deployed();
    let receipt = chain.send(OWNER, vault, Messages::store_note(5, "hello".into()));
    assert_eq!(receipt.result, Ok(5));
    assert_eq!(receipt.output, (5_u64,).encode_parameters());
    let key = [&[1][..], &[7; 20], &5_u32.to_le_bytes()].concat();
    assert_eq!(chain.storage(vault).get(&key).map(Vec::as_slice), Some(&b"\x14hello"[..]));
    let log = &receipt.logs[0];
    assert_eq!(log.topics[0], testing::keccak256(b"Stored(address,string,uint32,bytes4[])"));
    assert_eq!(log.topics[1][12..], [7; 20]);
    assert_eq!(log.topics[2], testing::keccak256(b"hello"));
    assert_eq!(<(u32, Vec<[u8; 4]>)>::decode_parameters(&log.data), Ok((5, vec![*b"abcd"])));
    assert_eq!(chain.call(OWNER, vault, Messages::note_of(OWNER, 5)), Ok((true, "hello".into())));
    assert_eq!(chain.send(OWNER, vault, Messages::forget(5)).result, Ok(()));
    assert_eq!(chain.storage(vault).len(), 1, "the owner alone");
}

#[test]
fn events_are_read_back_but_for_indexed_texts() {
    let (mut chain, vault) = deployed();
    let pinged = chain.send(OWNER, vault, Messages::ping());
    assert_eq!(pinged.events::<Pinged>(), [Pinged { by: OWNER, count: 3 }]);
    assert!(pinged.events::<Stored>().is_empty(), "another event");
    let stored = chain.send(OWNER, vault, Messages::store_note(5, "hello".into()));
    assert_eq!(stored.logs.len(), 1);
    assert!(stored.events::<Stored>().is_empty(), "the log has the hash of the text");
    let (topics, data) = (&pinged.logs[0].topics, &pinged.logs[0].data);
    assert!(Pinged::from_log(&topics[..1], data).is_none(), "a topic is missing");
    assert!(Pinged::from_log(topics, &data[1..]).is_none(), "the data is cut");
}

#[test]
fn long_rows_are_read_whole() {
    let (mut chain, vault) = deployed();
    let note = "x".repeat(100);
    chain.send(OWNER, vault, Messages::store_note(1, note.clone())).result.expect("succeeds");
    assert_eq!(chain.call(OWNER, vault, Messages::note_of(OWNER, 1)), Ok((true, note)));
}

#[test]
fn errors_revert_with_their_selector_and_fields() {
    let (mut chain, vault) = deployed();
    let long = chain.send(OWNER, vault, Messages::store_note(5, "x".repeat(101)));
    assert_eq!(long.output, input("TooLong(uint64,uint64)", &(101_u64, 100_u64)));
    assert_eq!(long.result, Err(Failure::Error(Error::TooLong { length: 101, limit: 100 })));
    let nobody = chain.deploy(OWNER, Messages::new(Address::ZERO));
    assert_eq!(nobody.output, input("NotOwner()", &()));
    assert_eq!(nobody.result, Err(Failure::Error(Error::NotOwner)));
    let failed = chain.send(OWNER, vault, Messages::fail());
    assert_eq!(failed.result, Err(Failure::Error(Other::Nested { reason: Bytes::from(&b"why"[..]) })));
    assert_eq!(chain.call(OWNER, vault, Messages::plain()), Err(Failure::Error("a plain reason".into())));
}

#[test]
fn what_cannot_be_a_call_reverts_with_a_reason() {
    let (mut chain, vault) = deployed();
    let mut reason = |input: &[u8]| reason(&mut chain, vault, input, U256::ZERO);
    assert_eq!(reason(&[1, 2, 3]), "the input has no selector");
    assert_eq!(reason(&[0xAB, 2, 3, 4]), "unknown selector 0xab020304");
    assert_eq!(reason(&input("storeNote(uint32,string)", &(5_u32,))), "arguments: too short");
}

#[test]
fn value_is_taken_by_payable_messages_alone() {
    let (mut chain, vault) = deployed();
    let nine = U256::from(9_u8);
    chain.fund(OWNER, U256::from(27_u8));
    assert_eq!(chain.send(OWNER, vault, Messages::deposit().value(nine)).result, Ok(()));
    assert!(chain.deploy(OWNER, Messages::new(OWNER).value(nine)).result.is_ok());
    assert_eq!(reason(&mut chain, vault, &input("forget(uint32)", &(1_u32,)), nine), "not payable: a value was sent");
    assert_eq!((chain.balance(vault), chain.balance(OWNER)), (nine, nine), "what was refused went back");
}

#[test]
fn other_contracts_answer_or_their_reason_is_passed_on() {
    let (mut chain, vault) = deployed();
    let (good, bad, nobody) = (Address([1; 20]), Address([2; 20]), Address([3; 20]));
    chain.stand_in(good, |called| {
        assert_eq!(called, input("price(string)", &("ENT",)));
        Ok((U256::from(42_u8),).encode_parameters())
    });
    chain.stand_in(bad, |_| Err(vec![1, 2, 3]));
    let mut quote = |oracle: Address| chain.call(OWNER, vault, Messages::quote(oracle, "ENT".into()));
    assert_eq!(quote(good), Ok(U256::from(42_u8)));
    assert_eq!(quote(bad), Err(Failure::Reverted(Bytes(vec![1, 2, 3]))));
    let undecodable = "a nested call answered with something else than expected";
    assert_eq!(quote(nobody), Err(Failure::Reason(undecodable.into())));
    let answers = chain.within(OWNER, vault, |_: &mut vault::Vault| {
        Ok::<_, ()>((Oracle::at(nobody).price(String::new()), Oracle::at(nobody).report(U256::ONE)))
    });
    assert_eq!(answers, Ok((Err(CallError::Undecodable), Ok(()))));
}

#[test]
#[should_panic(expected = "attempt to subtract with overflow")]
fn arithmetic_that_overflows_panics() {
    let _ = U256::ZERO - U256::ONE;
}

#[test]
fn alloy_reads_the_abi() {
    let abi: JsonAbi = serde_json::from_str(vault::ABI).expect("Ethereum's tools read it");
    assert_eq!(abi.functions["noteOf"][0].state_mutability, StateMutability::View);
    assert_eq!(abi.functions["noteOf"][0].outputs.len(), 2);
    assert_eq!(abi.functions["deposit"][0].state_mutability, StateMutability::Payable);
    assert_eq!(abi.functions["storeNote"][0].signature(), "storeNote(uint32,string)");
    assert_eq!(abi.events["Stored"][0].inputs.iter().filter(|input| input.indexed).count(), 2);
    assert_eq!(abi.errors["TooLong"][0].signature(), "TooLong(uint64,uint64)");
    assert!(abi.constructor.is_some());
    let items: Vec<AbiItem<'_>> = serde_json::from_str(vault::ABI).expect("an array of items");
    assert_eq!(items.len(), 14);
    let raw: serde_json::Value = serde_json::from_str(vault::ABI).expect("JSON");
    assert_eq!(raw[0]["entente"]["contract"], "Vault");
    assert_eq!(raw[0]["entente"]["sdk"], entente::VERSION);
}
