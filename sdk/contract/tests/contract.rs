//! A contract through its dispatch, on the chain in memory.
#![expect(missing_docs, reason = "an example")]

use alloy_json_abi::{AbiItem, JsonAbi, StateMutability};
use entente::abi::{AbiDecodeParameters, AbiParameters};
use entente::call::CallError;
use entente::entry::Contract;
use entente::testing::{self, chain, reset};
use entente::{Address, Bytes, U256};

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
        pub fn fail(&self) -> Result<(), Other> {
            Err(Other::Nested { reason: Bytes::from(&b"why"[..]) })
        }

        #[message]
        pub fn plain(&self) -> Result<(), &'static str> {
            Err("a plain reason")
        }
    }
}

use vault::Vault;

fn input(signature: &str, arguments: &impl AbiParameters) -> Vec<u8> {
    arguments.encode_after(&testing::keccak256(signature.as_bytes())[..4])
}

fn error_string(reason: &[u8]) -> String {
    assert_eq!(reason[..4], [0x08, 0xc3, 0x79, 0xa0]);
    <(String,)>::decode_parameters(&reason[4..]).expect("a string").0
}

#[test]
fn a_message_runs_and_its_row_and_log_are_there() {
    reset();
    chain(|chain| chain.caller = Address([7; 20]));
    let output = Vault::call(&input("storeNote(uint32,string)", &(5_u32, "hello"))).expect("succeeds");
    assert_eq!(<(u64,)>::decode_parameters(&output), Ok((5,)));
    let key = [&[1][..], &[7; 20], &5_u32.to_le_bytes()].concat();
    chain(|chain| {
        assert_eq!(chain.storage.get(&key).map(Vec::as_slice), Some(&b"\x14hello"[..]));
        let log = &chain.logs[0];
        assert_eq!(log.topics[0], testing::keccak256(b"Stored(address,string,uint32,bytes4[])"));
        assert_eq!(log.topics[1][12..], [7; 20]);
        assert_eq!(log.topics[2], testing::keccak256(b"hello"));
        assert_eq!(<(u32, Vec<[u8; 4]>)>::decode_parameters(&log.data), Ok((5, vec![*b"abcd"])));
    });
    let output = Vault::call(&input("noteOf(address,uint32)", &(Address([7; 20]), 5_u32))).expect("succeeds");
    assert_eq!(<(bool, String)>::decode_parameters(&output), Ok((true, "hello".into())));
    Vault::call(&input("forget(uint32)", &(5_u32,))).expect("succeeds");
    chain(|chain| assert!(chain.storage.is_empty()));
}

#[test]
fn long_rows_are_read_whole() {
    reset();
    let note = "x".repeat(100);
    Vault::call(&input("storeNote(uint32,string)", &(1_u32, note.as_str()))).expect("succeeds");
    let output = Vault::call(&input("noteOf(address,uint32)", &(Address::ZERO, 1_u32))).expect("succeeds");
    assert_eq!(<(bool, String)>::decode_parameters(&output), Ok((true, note)));
}

#[test]
fn errors_revert_with_their_selector_and_fields() {
    reset();
    let reason = Vault::call(&input("storeNote(uint32,string)", &(5_u32, "x".repeat(101)))).expect_err("fails");
    assert_eq!(reason, input("TooLong(uint64,uint64)", &(101_u64, 100_u64)));
    assert_eq!(Vault::deploy(&(Address::ZERO,).encode_parameters()), Err(input("NotOwner()", &())));
    assert_eq!(Vault::call(&input("fail()", &())), Err(input("Nested(bytes)", &(Bytes::from(&b"why"[..]),))));
    assert_eq!(error_string(&Vault::call(&input("plain()", &())).expect_err("fails")), "a plain reason");
}

#[test]
fn what_cannot_be_a_call_reverts_with_a_reason() {
    reset();
    assert_eq!(error_string(&Vault::call(&[1, 2, 3]).expect_err("fails")), "the input has no selector");
    assert_eq!(error_string(&Vault::call(&[0xAB, 2, 3, 4]).expect_err("fails")), "unknown selector 0xab020304");
    let short = Vault::call(&input("storeNote(uint32,string)", &(5_u32,))).expect_err("fails");
    assert_eq!(error_string(&short), "arguments: too short");
}

#[test]
fn value_is_taken_by_payable_messages_alone() {
    reset();
    chain(|chain| chain.value = U256::from(9_u8));
    Vault::call(&input("deposit()", &())).expect("succeeds");
    Vault::deploy(&(Address([1; 20]),).encode_parameters()).expect("succeeds");
    let reason = Vault::call(&input("forget(uint32)", &(1_u32,))).expect_err("fails");
    assert_eq!(error_string(&reason), "not payable: a value was sent");
}

#[test]
fn other_contracts_answer_or_their_reason_is_passed_on() {
    reset();
    let (good, bad, nobody) = (Address([1; 20]), Address([2; 20]), Address([3; 20]));
    chain(|chain| {
        chain.contracts.insert(
            good,
            Box::new(|called| {
                assert_eq!(called, input("price(string)", &("ENT",)));
                Ok((U256::from(42_u8),).encode_parameters())
            }),
        );
        chain.contracts.insert(bad, Box::new(|_| Err(vec![1, 2, 3])));
    });
    let quote = |oracle: Address| Vault::call(&input("quote(address,string)", &(oracle, "ENT")));
    assert_eq!(quote(good), Ok((U256::from(42_u8),).encode_parameters()));
    assert_eq!(quote(bad), Err(vec![1, 2, 3]));
    assert_eq!(Oracle::at(nobody).price(String::new()), Err(CallError::Undecodable));
    assert_eq!(Oracle::at(nobody).report(U256::ONE), Ok(()));
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
    assert_eq!(items.len(), 12);
    let raw: serde_json::Value = serde_json::from_str(vault::ABI).expect("JSON");
    assert_eq!(raw[0]["entente"]["contract"], "Vault");
    assert_eq!(raw[0]["entente"]["sdk"], entente::VERSION);
}
