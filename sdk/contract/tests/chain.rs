//! The chain in memory: contracts that call and create each other, frames that are undone, gas, limits, panics.
#![expect(missing_docs, reason = "an example")]

use entente::abi::{AbiDecodeParameters, AbiParameters};
use entente::call::{Call, CallError};
use entente::testing::{Chain, ContractFault, Failure, Status, Suite};
use entente::{Address, Bytes, U256};
use entente_host::gas::{SCHEDULE_1, to_gas};
use entente_host::limits::{STORAGE_KEY_BYTES_MAX, STORAGE_VALUE_BYTES_MAX};

#[entente::interface]
pub trait Peer {
    #[constructor]
    #[payable]
    fn new(start: u64) -> Result<(), PeerError>;
    fn add(&mut self, amount: u64) -> Result<u64, PeerError>;
    fn total(&self) -> u64;
    #[payable]
    fn pay(&mut self, note: &str) -> U256;
    /// Declared as a view; the contract behind it writes.
    fn sneak(&self) -> u64;
    fn burn(&mut self);
}

#[entente::error]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerError {
    TooMuch { limit: u64 },
    Empty,
}

#[entente::contract]
pub mod peer {
    use entente::prelude::*;

    #[storage]
    pub struct Peer {
        pub total: Value<u64>,
        pub names: Map<String, String>,
    }

    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Added {
        pub total: u64,
    }

    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        TooMuch { limit: u64 },
        Empty,
    }

    impl Peer {
        #[constructor]
        #[payable]
        pub fn new(&mut self, start: u64) -> Result<(), Error> {
            self.total.set(&start);
            if start == 0 { Err(Error::Empty) } else { Ok(()) }
        }

        /// Writes and tells of it before it looks whether it may.
        #[message]
        pub fn add(&mut self, amount: u64) -> Result<u64, Error> {
            let total = self.total.get() + amount;
            self.total.set(&total);
            Added { total }.emit();
            if total > 10 { Err(Error::TooMuch { limit: 10 }) } else { Ok(total) }
        }

        #[message]
        pub fn total(&self) -> u64 {
            self.total.get()
        }

        #[message]
        #[payable]
        pub fn pay(&mut self, note: String) -> U256 {
            self.names.set(&note, &note);
            env::value()
        }

        #[message]
        pub fn sneak(&mut self) -> u64 {
            self.total.set(&1000);
            1000
        }

        /// Uses up all gas.
        #[message]
        pub fn burn(&mut self) {
            loop {
                self.total.set(&1);
            }
        }

        #[message]
        pub fn panic(&self, kind: u8) -> u64 {
            let numbers: Vec<u64> = Vec::new();
            match kind {
                0 => panic!("a plain text"),
                1 => panic!("a number: {kind}"),
                2 => U256::ZERO.checked_sub(U256::ONE).expect("too little").to_u64().unwrap_or(0),
                3 => (U256::ZERO - U256::ONE).to_u64().unwrap_or(0),
                4 => 1 / u64::from(kind - 4),
                5 => numbers[usize::from(kind)],
                _ => panic!("{}", "ä".repeat(200)),
            }
        }

        #[message]
        pub fn store(&mut self, key: String, length: u32) {
            self.names.set(&key, &"x".repeat(length as usize));
        }

        #[message]
        pub fn context(&self) -> (Address, Address, Address, u64, u64, u64, Hash32, Hash32) {
            let (caller, address, origin) = (env::caller(), env::address(), env::origin());
            let (number, timestamp, id) = (env::block_number(), env::block_timestamp(), env::chain_id());
            (caller, address, origin, number, timestamp, id, env::transaction_hash(), env::hash(b"data"))
        }
    }
}

#[entente::contract]
pub mod hub {
    use entente::call::CallError;
    use entente::prelude::*;

    use super::PeerError;

    #[storage]
    pub struct Hub {
        pub total: Value<u64>,
        pub made: List<Address>,
    }

    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Asked {
        pub peer: Address,
    }

    impl Hub {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn make(&mut self, module: Bytes, start: u64) -> Result<Address, CallError<PeerError>> {
            super::Peer::new(module.as_slice(), U256::ZERO, start)?;
            let address =
                entente::call::create(module.as_slice(), &(start,), U256::ZERO).map_err(|_| CallError::Failed)?;
            self.made.push(&address);
            Ok(address)
        }

        /// Adds there, and goes on whatever came of it: 0 for a refusal.
        #[message]
        pub fn ask(&mut self, peer: Address, amount: u64) -> u64 {
            Asked { peer }.emit();
            self.total.set(&amount);
            match super::Peer::at(peer).add(amount) {
                Ok(total) => total,
                Err(CallError::Error(PeerError::TooMuch { limit })) => limit * 100,
                Err(_) => 0,
            }
        }

        #[message]
        pub fn ask_and_fail(&mut self, peer: Address, amount: u64) -> Result<(), &'static str> {
            let total = self.ask(peer, amount);
            if total == amount { Ok(()) } else { Err("not what I asked for") }
        }

        #[message]
        pub fn sneak(&self, peer: Address) -> u64 {
            super::Peer::at(peer).sneak().unwrap_or(7)
        }

        /// The other's code over this storage.
        #[message]
        pub fn borrow(&mut self, peer: Address, input: Bytes) -> Result<Bytes, CallError> {
            Call::delegate_call(peer).raw(input.as_slice())
        }

        /// How many frames of itself fit into one another.
        #[message]
        pub fn dive(&mut self) -> u64 {
            let deeper: Result<(u64,), CallError> = Call::to(env::address()).invoke([0x1a, 0x49, 0x56, 0x01], &());
            deeper.map_or(1, |(depth,)| depth + 1)
        }

        #[message]
        #[payable]
        pub fn forward(&mut self, peer: Address, value: U256) -> U256 {
            super::Peer::at(peer).pay(value, "note").unwrap_or(U256::MAX)
        }

        #[message]
        pub fn burn(&mut self, peer: Address) -> bool {
            super::Peer::at(peer).with_gas(50_000_000).burn().is_ok()
        }
    }
}

const ALICE: Address = Address([1; 20]);
const BOB: Address = Address([2; 20]);

/// A hub and a peer with a total of 3.
fn deployed() -> (Chain, Address, Address) {
    let mut chain = Chain::new();
    let hub = chain.deploy(ALICE, hub::Messages::new()).result.expect("deploys");
    let peer = chain.deploy(ALICE, peer::Messages::new(3)).result.expect("deploys");
    (chain, hub, peer)
}

fn total(chain: &mut Chain, peer: Address) -> u64 {
    chain.call(BOB, peer, peer::Messages::total()).expect("answers")
}

#[test]
fn contracts_call_each_other_and_errors_are_those_declared() {
    let (mut chain, hub, peer) = deployed();
    assert_eq!(chain.send(BOB, hub, hub::Messages::ask(peer, 4)).result, Ok(7));
    assert_eq!(total(&mut chain, peer), 7);
    assert_eq!(chain.send(BOB, hub, hub::Messages::ask(peer, 4)).result, Ok(1000), "TooMuch, with its limit");
    assert_eq!(chain.send(BOB, hub, hub::Messages::ask(BOB, 4)).result, Ok(0), "nobody is there");
}

#[test]
fn a_frame_that_fails_is_undone_and_no_other() {
    let (mut chain, hub, peer) = deployed();
    let refused = chain.send(BOB, hub, hub::Messages::ask(peer, 9));
    assert_eq!(refused.events::<hub::Asked>(), [hub::Asked { peer }]);
    assert!(refused.events::<peer::Added>().is_empty(), "its log went with it");
    assert_eq!(total(&mut chain, peer), 3);
    assert_eq!(chain.inspect(hub, |hub: &hub::Hub| hub.total.get()), 9, "the hub's own row stays");

    // What succeeded inside goes with what fails around it.
    let before = (chain.storage(hub), chain.storage(peer));
    let failed = chain.send(BOB, hub, hub::Messages::ask_and_fail(peer, 4));
    assert_eq!(failed.result, Err(Failure::Error("not what I asked for".into())));
    assert!(failed.logs.is_empty());
    assert_eq!((chain.storage(hub), chain.storage(peer)), before);

    // A call that is no transaction leaves nothing at all.
    assert_eq!(chain.call(BOB, hub, hub::Messages::ask(peer, 4)), Ok(7));
    assert_eq!((chain.storage(hub), chain.storage(peer)), before);
}

#[test]
fn a_contract_creates_others_from_modules_that_are_known() {
    let (mut chain, hub, _) = deployed();
    let module = Bytes::from(&b"stands for a module"[..]);
    chain.register::<peer::Peer>(&module.0);
    let receipt = chain.send(BOB, hub, hub::Messages::make(module.clone(), 5));
    let made = receipt.result.expect("creates");
    assert_eq!(total(&mut chain, made), 5);
    assert_eq!(chain.inspect(hub, |hub: &hub::Hub| hub.made.get(0)), Some(made));
    let empty = chain.send(BOB, hub, hub::Messages::make(module, 0));
    assert_eq!(empty.result, Err(Failure::Error(CallError::Error(PeerError::Empty))));
}

#[test]
#[should_panic(
    expected = "a module of 7 bytes that this chain does not know; name the contract that it is with Chain::register"
)]
fn a_module_that_is_not_known_ends_the_test() {
    let (mut chain, hub, _) = deployed();
    chain.send(BOB, hub, hub::Messages::make(Bytes::from(&b"unknown"[..]), 5));
}

#[test]
fn a_static_call_changes_nothing() {
    let (mut chain, hub, peer) = deployed();
    assert_eq!(chain.send(BOB, hub, hub::Messages::sneak(peer)).result, Ok(7), "the nested call failed");
    assert_eq!(total(&mut chain, peer), 3);
    assert_eq!(chain.send(BOB, peer, peer::Messages::sneak()).result, Ok(1000), "an ordinary one may");
}

#[test]
fn a_delegate_call_works_on_the_callers_storage_as_its_caller() {
    let (mut chain, hub, peer) = deployed();
    let context = peer::Messages::context().input().to_vec();
    let output = chain.send(BOB, hub, hub::Messages::borrow(peer, Bytes(context))).result.expect("succeeds");
    let (caller, address, origin) = <(Address, Address, Address)>::decode_parameters(&output.0).expect("three");
    assert_eq!((caller, address, origin), (BOB, hub, BOB));
    let add = Bytes(peer::Messages::add(2).input().to_vec());
    let receipt = chain.send(BOB, hub, hub::Messages::borrow(peer, add));
    assert_eq!(receipt.logs[0].address, hub);
    assert_eq!((total(&mut chain, peer), chain.inspect(hub, |hub: &hub::Hub| hub.total.get())), (3, 2));
}

#[test]
fn frames_nest_as_deeply_as_on_chain() {
    let (mut chain, hub, _) = deployed();
    assert_eq!(hub::Messages::dive().input(), [0x1a, 0x49, 0x56, 0x01], "the selector that the contract calls");
    assert_eq!(chain.send(BOB, hub, hub::Messages::dive().gas(300_000_000)).result, Ok(64));
}

#[test]
fn value_moves_with_calls_and_back_with_reverts() {
    let (mut chain, hub, peer) = deployed();
    let (five, three) = (U256::from(5_u8), U256::from(3_u8));
    let forward = |value| hub::Messages::forward(peer, three).value(value);
    let none = chain.send(BOB, hub, forward(five));
    assert_eq!(none.result, Err(Failure::Fault(ContractFault::ValueWithoutBalances)));
    chain.fund(BOB, five);
    assert_eq!(chain.send(BOB, hub, forward(five)).result, Ok(three));
    assert_eq!((chain.balance(BOB), chain.balance(hub), chain.balance(peer)), (U256::ZERO, U256::from(2_u8), three));
    let poor = chain.send(BOB, hub, forward(five));
    assert_eq!((poor.result, poor.status), (Err(Failure::Fault(ContractFault::Balance)), Status::NotEnoughCash));
    assert_eq!(chain.send(BOB, hub, forward(U256::ZERO)).result, Ok(U256::MAX), "the nested call failed");
}

#[test]
fn context_is_what_the_test_says() {
    let (mut chain, _, peer) = deployed();
    (chain.block_number, chain.block_timestamp, chain.chain_id) = (9, 1234, 77);
    (chain.origin, chain.transaction_hash) = (Some(ALICE), Some([3; 32]));
    let receipt = chain.send(BOB, peer, peer::Messages::context());
    let (caller, address, origin, number, timestamp, id, transaction, hash) = receipt.result.expect("answers");
    assert_eq!((caller, address, origin), (BOB, peer, ALICE));
    assert_eq!((number, timestamp, id, transaction), (9, 1234, 77, [3; 32]));
    assert_eq!(hash, Suite::Standard.hash(entente_crypto::Domain::CONTRACT, &[b"data"]).0);
    (chain.origin, chain.suite) = (None, Suite::Guomi);
    chain.next_block();
    let (_, _, origin, number, timestamp, _, other, hash) =
        chain.send(BOB, peer, peer::Messages::context()).result.expect("answers");
    assert_eq!((origin, number, timestamp), (BOB, 10, 2234));
    assert_ne!(other, [3; 32]);
    assert_eq!(hash, Suite::Guomi.hash(entente_crypto::Domain::CONTRACT, &[b"data"]).0);
}

#[test]
fn panics_revert_with_their_messages() {
    let (mut chain, _, peer) = deployed();
    let mut panic = |kind| chain.send(BOB, peer, peer::Messages::panic(kind)).result.expect_err("panics");
    assert_eq!(panic(0), Failure::Reason("a plain text".into()));
    assert_eq!(panic(1), Failure::Reason("a number: 1".into()));
    assert_eq!(panic(2), Failure::Reason("too little".into()));
    assert_eq!(panic(3), Failure::Panic(0x11));
    assert_eq!(panic(4), Failure::Panic(0x12));
    assert_eq!(panic(5), Failure::Reason("index out of bounds: the len is 0 but the index is 5".into()));
    assert_eq!(panic(6), Failure::Reason("ä".repeat(128)), "cut at 256 bytes");
}

#[test]
fn limits_are_the_nodes() {
    let (mut chain, _, peer) = deployed();
    // The field's byte and the length of the text come before and behind: 1 + 2 + 253 bytes.
    let mut store = |key: usize, length: u32| chain.send(BOB, peer, peer::Messages::store("k".repeat(key), length));
    assert_eq!(store(253, 1).result, Ok(()));
    let limit =
        |what, found, limit: u32| Err(Failure::Fault(ContractFault::Limit { what, found, limit: limit.into() }));
    let long = store(254, 1);
    assert_eq!(long.result, limit("a storage key", 257, STORAGE_KEY_BYTES_MAX));
    assert_eq!((long.status, long.gas_used), (Status::BadInstruction, 100_000_000), "a fault takes all gas");
    let value = STORAGE_VALUE_BYTES_MAX;
    assert_eq!(store(1, value - 4).result, Ok(()), "with the text's length before it");
    assert_eq!(store(1, value - 3).result, limit("a stored value", u64::from(value) + 1, value));
}

#[test]
fn gas_is_what_the_schedule_says() {
    let (mut chain, hub, peer) = deployed();
    let s = &SCHEDULE_1;
    // total(): the input's length and its 4 bytes, the value that must be none, one row of a one-byte key and 8 bytes,
    // and an output of one word. The transaction itself has an input of 4 bytes.
    let input = 2 * s.host_call + 4 * s.host_byte;
    let output = s.host_call + 32 * s.output_byte;
    let read = s.host_call + s.storage_read + s.host_byte + 8 * s.storage_read_byte;
    // The messages of this contract take value or not; each looks for itself.
    let total_units = input + s.host_call + read + output;
    let intrinsic = s.intrinsic(peer::Messages::total().input(), false).expect("fits");
    assert_eq!(chain.send(BOB, peer, peer::Messages::total()).gas_used, to_gas(intrinsic + total_units));

    // A nested call costs its own, and what the nested frame used.
    let call = hub::Messages::sneak(peer);
    let intrinsic = s.intrinsic(call.input(), false).expect("fits");
    let outer = 2 * s.host_call + 36 * s.host_byte + s.host_call + s.host_call + s.call + 4 * s.host_byte + output;
    let refused = chain.send(BOB, hub, call);
    // The nested frame ends in a fault, so all that was given to it is gone: all but a 64th.
    let before = 100_000_000_000 - intrinsic - (outer - output);
    let lost = entente_host::gas::all_but_a_64th(before);
    assert_eq!(refused.gas_used, to_gas(intrinsic + outer + lost));
}

#[test]
fn gas_ends_where_host_functions_used_it_up() {
    let (mut chain, hub, peer) = deployed();
    let burnt = chain.send(BOB, peer, peer::Messages::burn());
    assert_eq!((burnt.result, burnt.status), (Err(Failure::Fault(ContractFault::OutOfGas)), Status::OutOfGas));
    assert_eq!(burnt.gas_used, 100_000_000);
    assert_eq!(total(&mut chain, peer), 3);
    // A caller that gives a part loses that part.
    let survived = chain.send(BOB, hub, hub::Messages::burn(peer));
    assert_eq!(survived.result, Ok(false));
    assert!(survived.gas_used > 50_000 && survived.gas_used < 100_000, "{}", survived.gas_used);
    let little = chain.send(BOB, peer, peer::Messages::total().gas(20_000));
    assert_eq!((little.status, little.gas_used), (Status::OutOfGasIntrinsic, 20_000));
    let much = chain.send(BOB, peer, peer::Messages::total().gas(300_000_001));
    assert_eq!(much.status, Status::OutOfGasIntrinsic);
}

#[test]
fn what_is_not_there_cannot_be_called() {
    let (mut chain, _, _) = deployed();
    let nobody = chain.send(BOB, ALICE, peer::Messages::total());
    assert_eq!((nobody.result, nobody.status), (Err(Failure::Fault(ContractFault::NoCode)), Status::CallAddressError));
    assert_eq!(chain.call(BOB, ALICE, peer::Messages::total()), Err(Failure::Fault(ContractFault::NoCode)));
    let container = chain.transact(BOB, None, b"no container", U256::ZERO);
    let fault = ContractFault::Container("it does not begin with 0xEF5741");
    assert_eq!(container.result, Err(Failure::Fault(fault)));
}

#[test]
fn a_native_module_is_called_with_its_solidity_signature() {
    let (mut chain, hub, _) = deployed();
    let module = Address(*b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0");
    chain.stand_in(module, |input| {
        let expected = ("tx_count_limit", "2000").encode_after(&[0xbd, 0x29, 0x1a, 0xef]);
        if input == expected { Ok((-5_i128,).encode_parameters()) } else { Err(input.to_vec()) }
    });
    let code = chain.within(ALICE, hub, |_: &mut hub::Hub| {
        entente::system::SystemConfiguration::here().set_value_by_key("tx_count_limit", "2000")
    });
    assert_eq!(code, Ok(-5));
}

#[test]
#[should_panic(expected = "not on chain")]
fn host_functions_need_a_chain() {
    let _ = Call::to(ALICE).raw(&[]);
}
