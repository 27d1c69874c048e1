//! A whole group on one thread: events in, effects carried out at once, on every engine.

use std::{collections::VecDeque, sync::Arc};

use entente_crypto::{SecretKey, Suite};
use entente_executor::{Executor, container};
use entente_group::{CommittedBlock, Effect, Event, Group, GroupOptions, Halt, Now, open};
use entente_ledger::{BlockRecord, Ledger, LedgerOptions};
use entente_pool::{AdmissionError, check};
use entente_storage::{Engine, Memory, RocksDb, SharedResources, crash::CrashEngine};
use entente_types::{
    Address, Amount, Bytes, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Hash, Limits, Member, Proposal,
    Status, Transaction, UnsignedTransaction, Version,
};

/// Counts its calls in its storage and gives the count back.
const COUNTER: &str = r#"(module
  (import "entente" "storage_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "entente" "storage_write" (func $write (param i32 i32 i32 i32)))
  (import "entente" "output" (func $output (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "deploy") (result i32) (i32.const 0))
  (func (export "call") (result i32)
    (drop (call $read (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8)))
    (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
    (call $write (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8))
    (call $output (i32.const 8) (i32.const 8))
    (i32.const 0)))"#;

fn key(seed: u8) -> SecretKey {
    key_of(Suite::Standard, seed)
}

fn key_of(suite: Suite, seed: u8) -> SecretKey {
    SecretKey::from_bytes(suite, &[seed; 32]).expect("a key")
}

fn genesis(limits: Limits) -> Genesis {
    genesis_of(Suite::Standard, limits)
}

fn genesis_of(suite: Suite, limits: Limits) -> Genesis {
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        ethereum_chain_id: 20200,
        suite,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits,
        sealers: vec![Member { key: key_of(suite, 9).public_key(), weight: 1 }],
        allocations: vec![],
    }
}

struct Rig {
    suite: Suite,
    ledger: Arc<Ledger>,
    executor: Arc<Executor>,
    group: Group,
    now: u64,
    nonce: u64,
    told: Vec<Arc<CommittedBlock>>,
    answers: Vec<Result<Hash, AdmissionError>>,
    halted: Option<Halt>,
}

impl Rig {
    fn on(engine: Arc<dyn Engine>, genesis: &Genesis) -> Self {
        let (ledger, executor) = open(engine, genesis, LedgerOptions::default()).expect("opens");
        let options = GroupOptions { interval_ms_min: 0, ..Default::default() };
        let group = Group::new(&ledger, &executor, key_of(genesis.suite, 9), options).expect("begins");
        let suite = genesis.suite;
        Self { suite, ledger, executor, group, now: 0, nonce: 0, told: vec![], answers: vec![], halted: None }
    }

    fn sign(&mut self, to: Option<Address>, input: Vec<u8>) -> Transaction {
        self.sign_with(&key_of(self.suite, 1), to, input)
    }

    fn sign_with(&mut self, key: &SecretKey, to: Option<Address>, input: Vec<u8>) -> Transaction {
        self.nonce += 1;
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: GroupId::new("group1").expect("a name"),
            sender: key.public_key().address(),
            nonce,
            valid_until: self.ledger.tip().number + 900,
            gas_limit: 100_000_000,
            to,
            value: Amount::ZERO,
            input: Bytes::new(input).expect("short"),
            extra: Bytes::default(),
        }
        .sign(&self.ledger.genesis_hash(), key)
    }

    fn submit(&mut self, transactions: Vec<Transaction>) -> Vec<Result<Hash, AdmissionError>> {
        let sized = transactions.into_iter().map(|one| (one, 300)).collect();
        let checked = check(self.group.pool().rules(), self.ledger.tip().number, sized);
        self.drive(Event::Admit { ticket: 0, checked });
        std::mem::take(&mut self.answers)
    }

    fn drive(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.now += 1;
            let now = Now { monotonic_ms: self.now, unix_ms: 1_700_000_000_000 + self.now };
            for effect in self.group.step(now, event) {
                match effect {
                    Effect::Execute(task) => {
                        let result = task.run(&self.ledger, &self.executor);
                        events.push_back(Event::Executed { height: task.height(), result });
                    }
                    Effect::Write(task) => {
                        let height = task.height();
                        let result = task.run(&self.ledger).map(|block| self.told.push(block));
                        events.push_back(Event::Written { height, result });
                    }
                    Effect::Answer { results, .. } => self.answers = results,
                    Effect::WakeAt(_) => events.push_back(Event::Tick),
                    Effect::Halt(why) => self.halted = Some(why),
                }
            }
        }
    }

    /// Deploys the counter and calls it so often, a few calls a block.
    fn count(&mut self, calls: usize) -> Address {
        let deploy = self.sign(None, container(&wat::parse_str(COUNTER).expect("wat"), &[]));
        let hash = self.submit(vec![deploy]).remove(0).expect("admitted");
        let address = self.ledger.receipt(&hash).expect("reads").expect("there").receipt.contract.expect("deployed");
        for chunk in 0..calls.div_ceil(7) {
            let calls = (chunk * 7..calls.min(chunk * 7 + 7)).map(|_| self.sign(Some(address), vec![])).collect();
            assert!(self.submit(calls).iter().all(Result::is_ok));
        }
        address
    }
}

#[test]
fn what_is_told_is_on_disk_and_counts_on() {
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(Limits::default()));
    rig.count(20);
    let last = rig.told.last().expect("blocks");
    assert_eq!(last.record.receipts.last().expect("a receipt").output, 20_u64.to_le_bytes());
    assert_eq!(rig.ledger.tip().header_hash, last.hash);
    assert_eq!(rig.ledger.tip().total_transactions, 21);
    assert!(rig.group.pool().is_empty());
    let verification = rig.ledger.verify(&mut |_| {}).expect("reads");
    assert!(verification.ok, "{verification:?}");
}

#[test]
fn engines_and_a_replaying_executor_agree_on_every_root() {
    agree(Suite::Standard);
}

#[test]
fn engines_and_a_replaying_executor_agree_on_every_root_of_a_guomi_group() {
    agree(Suite::Guomi);
}

fn agree(suite: Suite) {
    let genesis = genesis_of(suite, Limits::default());
    let folder = tempfile::tempdir().expect("a folder");
    let rocks = RocksDb::open(folder.path(), &SharedResources::new(8 << 20, 8 << 20)).expect("opens");
    let mut on_rocks = Rig::on(Arc::new(rocks), &genesis);
    let mut in_memory = Rig::on(Arc::new(Memory::new()), &genesis);
    on_rocks.count(15);
    in_memory.count(15);
    assert_eq!(on_rocks.ledger.tip().header_hash, in_memory.ledger.tip().header_hash);

    let (fresh, executor) = open(Arc::new(Memory::new()), &genesis, LedgerOptions::default()).expect("opens");
    for number in 1..=on_rocks.ledger.tip().number {
        let block = on_rocks.ledger.block(number).expect("reads").expect("there");
        let parent = fresh.header(number - 1).expect("reads").expect("there");
        let proposal: Proposal = block.proposal(suite, fresh.genesis_hash(), parent.proposal);
        assert_eq!(proposal.digest(suite), block.header.proposal);
        let transactions: Vec<_> = block
            .transactions
            .iter()
            .map(|one| entente_executor::InputTransaction { hash: one.hash(suite), transaction: Arc::new(one.clone()) })
            .collect();
        let commitment = fresh.commitment();
        let executed = executor
            .execute(&entente_executor::BlockInput {
                parent: &parent,
                proposal: &proposal,
                transactions: &transactions,
                state: fresh.state(),
                commitment: &commitment,
                record_accesses: false,
            })
            .expect("executes");
        assert_eq!(executed.header, block.header);
        let record = BlockRecord {
            transaction_hashes: transactions.iter().map(|one| one.hash).collect(),
            block,
            receipts: executed.receipts,
            changes: executed.changes,
            commitment: executed.commitment,
            access: None,
        };
        fresh.append(&record).expect("appends");
    }
    assert_eq!(fresh.tip(), on_rocks.ledger.tip());
    for ledger in [&fresh, &*on_rocks.ledger] {
        // Certificates, roots and every row.
        let verification = ledger.verify(&mut |_| {}).expect("reads");
        assert!(verification.ok, "{verification:?}");
    }
}

#[test]
fn a_signature_of_the_other_suite_is_refused_with_its_code() {
    for (suite, other) in [(Suite::Standard, Suite::Guomi), (Suite::Guomi, Suite::Standard)] {
        let mut rig = Rig::on(Arc::new(Memory::new()), &genesis_of(suite, Limits::default()));
        let transaction = rig.sign_with(&key_of(other, 1), Some(Address([7; 20])), vec![]);
        let error = rig.submit(vec![transaction]).remove(0).expect_err("refused");
        assert_eq!(error.code(), 5);
        let name = format!("{suite:?}");
        assert_eq!(error.to_string(), format!("the signature is not one of the {name} suite, which this group uses"));
    }
}

#[test]
fn after_a_crash_nothing_told_is_missing_and_nothing_is_used_twice() {
    let genesis = genesis(Limits::default());
    let engine = Arc::new(CrashEngine::new());
    let mut rig = Rig::on(engine.clone(), &genesis);
    let address = rig.count(10);
    let again = rig.sign(Some(address), vec![]);
    let hash = rig.submit(vec![again.clone()]).remove(0).expect("admitted");
    let told = rig.told.last().expect("blocks").hash;
    let mut rig = Rig::on(Arc::new(engine.crash()), &genesis);
    assert_eq!(rig.ledger.tip().header_hash, told);
    assert!(rig.ledger.receipt(&hash).expect("reads").is_some());
    assert_eq!(rig.submit(vec![again]), [Err(AdmissionError::Replay)]);
}

#[test]
fn what_the_block_gas_limit_leaves_out_comes_in_the_next_block() {
    let limits = Limits { block_gas: 200_000_000, transaction_gas: 200_000_000, block_transactions: 5_000 };
    let mut rig = Rig::on(Arc::new(Memory::new()), &genesis(limits));
    let burn = r#"(module (memory (export "memory") 1) (func (export "deploy") (result i32) (i32.const 0))
        (func (export "call") (result i32) (loop $on (br $on)) (i32.const 0)))"#;
    let deploy = rig.sign(None, container(&wat::parse_str(burn).expect("wat"), &[]));
    let hash = rig.submit(vec![deploy]).remove(0).expect("admitted");
    let address = rig.ledger.receipt(&hash).expect("reads").expect("there").receipt.contract.expect("deployed");
    let burns = (0..5).map(|_| rig.sign(Some(address), vec![])).collect();
    let hashes = rig.submit(burns);
    let blocks: Vec<(usize, usize)> = rig.told[1..]
        .iter()
        .map(|block| (block.record.block.transactions.len(), block.record.block.left_out.len()))
        .collect();
    assert_eq!(blocks, [(2, 3), (2, 1), (1, 0)]);
    for hash in hashes {
        let receipt = rig.ledger.receipt(&hash.expect("admitted")).expect("reads").expect("there").receipt;
        assert_eq!(receipt.status, Status::OutOfGas);
    }
    assert!(rig.ledger.verify(&mut |_| {}).expect("reads").ok);
}

#[test]
fn a_disk_that_fails_halts_the_group_and_tells_nobody() {
    let engine = Arc::new(CrashEngine::new());
    let mut rig = Rig::on(engine.clone(), &genesis(Limits::default()));
    rig.count(3);
    let told = rig.told.len();
    engine.fail_writes(true);
    let transaction = rig.sign(Some(Address([7; 20])), vec![]);
    assert!(rig.submit(vec![transaction]).remove(0).is_ok());
    assert!(matches!(rig.halted, Some(Halt::Write { .. })), "{:?}", rig.halted);
    assert_eq!(rig.told.len(), told);
}

#[test]
fn a_node_that_is_no_sealer_is_told() {
    let (ledger, executor) =
        open(Arc::new(Memory::new()), &genesis(Limits::default()), LedgerOptions::default()).expect("opens");
    let error = Group::new(&ledger, &executor, key(3), GroupOptions::default()).err().expect("refused").to_string();
    assert!(error.contains("is not the sealer of genesis.toml"), "{error}");
}
