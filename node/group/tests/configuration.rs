//! The system configuration rules the whole group: proposals, the pool, blocks, and the version of the rules.

mod common;

use std::sync::Arc;

use common::{Rig, genesis, replay};
use entente_crypto::keccak256;
use entente_executor::container;
use entente_group::{Event, Halt};
use entente_host::{
    NodeFault,
    gas::{GasSchedule, PROTOCOL_VERSION_2, PROTOCOL_VERSIONS, ProtocolVersion, SCHEDULE_1},
};
use entente_pool::{AdmissionError, check};
use entente_storage::{Engine, Memory, RocksDb, SharedResources, crash::CrashEngine};
use entente_types::{Address, Limits, Status, Transaction};

const SYSTEM: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0]);

/// A version that no release has: instructions cost ten times as much.
static SCHEDULE_3: GasSchedule = GasSchedule { instruction: 10 * SCHEDULE_1.instruction, ..SCHEDULE_1 };
static BOTH: &[ProtocolVersion] =
    &[PROTOCOL_VERSION_2, ProtocolVersion { number: 3, gas: &SCHEDULE_3, fork: None, ..PROTOCOL_VERSION_2 }];

fn set_input(name: &str, value: &str) -> Vec<u8> {
    let word = |number: usize| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&(number as u64).to_be_bytes());
        word
    };
    let mut input = keccak256(b"setValueByKey(string,string)").0[..4].to_vec();
    for part in [word(64), word(128), word(name.len())] {
        input.extend_from_slice(&part);
    }
    input.extend_from_slice(name.as_bytes());
    input.resize(4 + 128, 0);
    input.extend_from_slice(&word(value.len()));
    input.extend_from_slice(value.as_bytes());
    input.resize(4 + 128 + 64, 0);
    input
}

impl Rig {
    fn setting(&mut self, signer: u8, name: &str, value: &str) -> Transaction {
        self.sign_as(signer, Some(SYSTEM), set_input(name, value), 100_000)
    }

    /// Sets a key in a block of its own: the module's answer.
    fn set(&mut self, signer: u8, name: &str, value: &str) -> i64 {
        let transaction = self.setting(signer, name, value);
        let receipt = self.one(transaction);
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        i64::from_be_bytes(receipt.output[24..].try_into().expect("a word"))
    }

    fn sizes(&self, from: usize) -> Vec<usize> {
        self.told[from..].iter().map(|block| block.record.block.transactions.len()).collect()
    }
}

#[test]
fn a_lower_count_of_transactions_rules_the_very_next_proposal() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    let mut transactions = vec![rig.setting(1, "tx_count_limit", "2")];
    transactions.extend((0..6).map(|_| rig.sign(Some(Address([7; 20])), vec![])));
    let late: Vec<_> = (0..5).map(|_| rig.sign(Some(Address([7; 20])), vec![])).collect();
    assert!(rig.submit(transactions).iter().all(Result::is_ok));
    assert_eq!(rig.sizes(0), [7], "the block that decides has its old limit");
    assert!(rig.submit(late).iter().all(Result::is_ok));
    assert_eq!(rig.sizes(1), [2, 2, 1]);
    assert_eq!(rig.set(1, "tx_count_limit", "100000"), 1);
    let more = (0..9).map(|_| rig.sign_as(1, Some(Address([7; 20])), vec![], 100_000)).collect();
    assert!(rig.submit(more).iter().all(Result::is_ok));
    assert_eq!(rig.sizes(5), [9]);
}

#[test]
fn empty_blocks_are_made_when_a_sealer_asked_for_them_and_not_before_they_are_due() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    rig.wake_after(10_000);
    assert!(rig.sizes(0).is_empty(), "nobody asked");
    rig.wakes = false;
    assert_eq!(rig.set(9, "empty_block_period_ms", "500"), 1);
    rig.wake_after(400);
    assert_eq!(rig.sizes(0), [1]);
    rig.wake_after(100);
    assert_eq!(rig.sizes(1), [0]);
    rig.wake_after(100);
    let transaction = rig.sign(Some(Address([7; 20])), vec![]);
    assert!(rig.submit(vec![transaction]).iter().all(Result::is_ok));
    // The period begins anew with each block.
    rig.wake_after(450);
    assert_eq!(rig.sizes(1), [0, 1]);
    for _ in 0..3 {
        rig.wake_after(500);
    }
    assert_eq!(rig.sizes(1), [0, 1, 0, 0, 0]);
    let times: Vec<u64> = rig.told.iter().map(|block| block.record.block.header.timestamp_ms).collect();
    assert!(times[3..].windows(2).all(|pair| pair[1] - pair[0] >= 500), "{times:?}");
    assert_eq!(rig.set(9, "empty_block_period_ms", "0"), 1);
    rig.wake_after(10_000);
    assert_eq!(rig.sizes(6), [1]);
    replay(&rig.ledger, &genesis(Limits::default()), PROTOCOL_VERSIONS);
}

#[test]
fn a_transaction_that_was_let_in_under_a_higher_gas_limit_fails_in_a_block_and_says_so() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits { block_transactions: 1, ..Limits::default() }));
    let asks_for_more = rig.sign(Some(SYSTEM), set_input("tx_count_limit", "5"));
    let fits = rig.sign_as(1, Some(SYSTEM), set_input("tx_count_limit", "6"), 1_000_000);
    // All three are let in at once; one goes into each block.
    let deciding = rig.setting(1, "tx_gas_limit", "1000000");
    let old_rules = Arc::clone(rig.group.pool().rules());
    let hashes: Vec<_> =
        rig.submit(vec![deciding, asks_for_more, fits]).into_iter().map(|result| result.expect("let in")).collect();
    assert_eq!(rig.sizes(0), [1, 1, 1]);
    let receipt = rig.receipt(&hashes[1]);
    assert_eq!((receipt.status, receipt.gas_used), (Status::OutOfGasIntrinsic, 21_000));
    assert_eq!(receipt.error.expect("why").message, "gas limit 100000000 exceeds the group's 1000000");
    assert_eq!(rig.receipt(&hashes[2]).status, Status::Success);

    // At the door it is refused from now on, even if it was checked before the change.
    let late = rig.sign(Some(SYSTEM), vec![]);
    let refusal = AdmissionError::Gas { found: 100_000_000, limit: 1_000_000 };
    assert_eq!(rig.submit(vec![late.clone()]), [Err(refusal.clone())]);
    let checked = check(&old_rules, rig.ledger.tip().number, vec![(late, 300)]);
    assert!(checked[0].is_ok());
    rig.drive(Event::Admit { ticket: 1, checked });
    assert_eq!(rig.answers(), [Err(refusal)]);
    assert!(rig.group.pool().is_empty());
}

#[test]
fn a_lower_block_gas_limit_leaves_out_what_comes_behind_it() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    let burn = r#"(module (memory (export "memory") 1) (func (export "deploy") (result i32) (i32.const 0))
        (func (export "call") (result i32) (loop $on (br $on)) (i32.const 0)))"#;
    let deploy = rig.sign(None, container(&wat::parse_str(burn).expect("wat"), &[]));
    let address = rig.one(deploy).contract.expect("deployed");
    let burns = |rig: &mut Rig| (0..4).map(|_| rig.sign_as(1, Some(address), vec![], 1_000_000)).collect();
    let four = burns(&mut rig);
    assert!(rig.submit(four).iter().all(Result::is_ok));
    assert_eq!(rig.sizes(1), [4]);
    assert_eq!(rig.set(1, "block_gas_limit", "1500000"), -51_300, "a transaction may ask for more");
    assert_eq!(rig.set(1, "tx_gas_limit", "1000000"), 1);
    assert_eq!(rig.set(1, "block_gas_limit", "1500000"), 1);
    let four = burns(&mut rig);
    let count = rig.told.len();
    assert!(rig.submit(four).iter().all(Result::is_ok));
    assert_eq!(rig.sizes(count), [2, 2]);
    assert_eq!(rig.told[count].record.block.left_out.len(), 2);
    replay(&rig.ledger, rig.ledger.genesis(), PROTOCOL_VERSIONS);
}

#[test]
fn what_rules_is_there_again_after_a_crash() {
    let genesis = genesis(Limits::default());
    let engine = Arc::new(CrashEngine::new());
    let mut rig = Rig::on(engine.clone(), &genesis);
    assert_eq!(rig.set(1, "tx_gas_limit", "1000000"), 1);
    assert_eq!(rig.set(1, "tx_count_limit", "3"), 1);
    let mut rig = Rig::on(Arc::new(engine.crash()), &genesis);
    assert_eq!(rig.group.pool().rules().transaction_gas, 1_000_000);
    let seven = (0..7).map(|_| rig.sign_as(1, Some(Address([7; 20])), vec![], 100_000)).collect();
    assert!(rig.submit(seven).iter().all(Result::is_ok));
    assert_eq!(rig.sizes(0), [3, 3, 1]);
}

/// Raises the version over an engine and calls the counter before and after.
fn switch(engine: Arc<dyn Engine>) -> Rig {
    let genesis = genesis(Limits::default());
    let mut rig = Rig::with_versions(engine, &genesis, BOTH).expect("begins");
    let counter = rig.count(3);
    let call = rig.sign(Some(counter), vec![]);
    let before = rig.one(call);
    assert_eq!(rig.set(1, "protocol_version", "3"), -50_000, "only a sealer may");
    assert_eq!(rig.set(9, "protocol_version", "4"), -51_300, "one step at a time");
    assert_eq!(rig.set(9, "protocol_version", "3"), 1);
    let call = rig.sign(Some(counter), vec![]);
    let after = rig.one(call);
    assert_eq!((before.output[0], after.output[0]), (4, 5));
    assert!(after.gas_used > before.gas_used, "{} and {}", before.gas_used, after.gas_used);
    assert_eq!(rig.set(9, "protocol_version", "2"), -51_300, "never back");
    rig
}

#[test]
fn a_version_rules_from_its_height_on_and_a_replay_from_genesis_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let rocks = RocksDb::open(folder.path(), &SharedResources::new(8 << 20, 8 << 20)).expect("opens");
    let (rig, in_memory) = (switch(Arc::new(rocks)), switch(Arc::new(Memory::new())));
    assert_eq!(rig.ledger.tip().header_hash, in_memory.ledger.tip().header_hash);
    let versions: Vec<u32> = rig.told.iter().map(|block| block.record.block.header.protocol_version).collect();
    assert_eq!(versions, [2, 2, 2, 2, 2, 2, 3, 3]);
    replay(&rig.ledger, rig.ledger.genesis(), BOTH);
    assert!(rig.ledger.verify(&mut |_| {}).expect("reads").ok);
}

#[test]
fn a_release_that_does_not_know_a_version_stops_at_its_height_and_loses_nothing() {
    let genesis = genesis(Limits::default());
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let mut rig = Rig::on(Arc::clone(&engine), &genesis);
    let counter = rig.count(3);
    assert_eq!(rig.set(9, "protocol_version", "3"), 1);
    let tip = rig.ledger.tip();
    let call = rig.sign(Some(counter), vec![]);
    assert!(rig.submit(vec![call]).remove(0).is_ok());
    let (version, height, known) = (3, tip.number + 1, 2);
    let fault = NodeFault::ProtocolVersion { version, height, known };
    assert_eq!(rig.halted, Some(Halt::Execute { height, fault: fault.clone() }));
    assert_eq!(
        rig.halted.expect("halted").to_string(),
        format!(
            "block {height} could not be executed: protocol version 3 rules from block {height} on, and this release \
             knows versions up to 2: install a newer release and start the node again; nothing is lost"
        )
    );
    assert_eq!((rig.ledger.tip(), rig.told.len() as u64), (tip, tip.number));
    // Reads go on, and starting again says the same.
    assert!(rig.executor.rules(rig.ledger.state().as_ref(), tip.number).is_ok());
    let refused = Rig::with_versions(Arc::clone(&engine), &genesis, PROTOCOL_VERSIONS).err().expect("refused");
    assert_eq!(refused.to_string(), fault.to_string());

    let mut newer = Rig::with_versions(engine, &genesis, BOTH).expect("goes on");
    assert_eq!(newer.ledger.tip(), tip);
    let call = newer.sign(Some(counter), vec![]);
    assert_eq!(newer.one(call).output, 4_u64.to_le_bytes());
    assert_eq!(newer.told[0].record.block.header.protocol_version, 3);
    replay(&newer.ledger, &genesis, BOTH);
}
