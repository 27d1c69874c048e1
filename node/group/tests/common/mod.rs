//! A whole group on one thread: events in, effects carried out at once.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{collections::VecDeque, sync::Arc};

use entente_crypto::{SecretKey, Suite};
use entente_executor::{CodeOptions, Executor, container};
use entente_group::{
    CommittedBlock, Effect, Event, Group, GroupError, GroupOptions, Halt, Now, Replay, Signing, open_with,
};
use entente_host::gas::{PROTOCOL_VERSIONS, ProtocolVersion};
use entente_ledger::{Ledger, LedgerOptions};
use entente_pool::{AdmissionError, check};
use entente_storage::{Engine, Memory};
use entente_types::{
    Address, Amount, Bytes, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Hash, Limits, Member, Receipt,
    Transaction, UnsignedTransaction, Version,
};

/// Counts its calls in its storage and gives the count back.
pub const COUNTER: &str = r#"(module
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

pub fn key(seed: u8) -> SecretKey {
    key_of(Suite::Standard, seed)
}

pub fn key_of(suite: Suite, seed: u8) -> SecretKey {
    SecretKey::from_bytes(suite, &[seed; 32]).expect("a key")
}

pub fn genesis(limits: Limits) -> Genesis {
    genesis_of(Suite::Standard, limits)
}

pub fn genesis_of(suite: Suite, limits: Limits) -> Genesis {
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        ethereum_chain_id: 20200,
        suite,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 2,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits,
        sealers: vec![Member { key: key_of(suite, 9).public_key(), weight: 1 }],
        allocations: vec![],
    }
}

pub struct Rig {
    suite: Suite,
    pub ledger: Arc<Ledger>,
    pub executor: Arc<Executor>,
    pub group: Group,
    /// Whether it is woken at once when it wants to be later.
    pub wakes: bool,
    now: u64,
    nonce: u64,
    pub told: Vec<Arc<CommittedBlock>>,
    answers: Vec<Result<Hash, AdmissionError>>,
    pub halted: Option<Halt>,
}

impl Rig {
    pub fn on(engine: Arc<dyn Engine>, genesis: &Genesis) -> Self {
        Self::with_versions(engine, genesis, PROTOCOL_VERSIONS).expect("begins")
    }

    pub fn with_versions(
        engine: Arc<dyn Engine>,
        genesis: &Genesis,
        versions: &[ProtocolVersion],
    ) -> Result<Self, GroupError> {
        let (ledger, executor) =
            open_with(engine, genesis, LedgerOptions::default(), versions, &CodeOptions::default()).expect("opens");
        let options = GroupOptions { interval_ms_min: 0, ..Default::default() };
        let group = Group::new(&ledger, &executor, Signing::new(key_of(genesis.suite, 9)), options)?;
        // Nonces of two runs must differ.
        let nonce = ledger.tip().number * 1000;
        Ok(Self {
            suite: genesis.suite,
            ledger,
            executor,
            group,
            wakes: true,
            now: 0,
            nonce,
            told: vec![],
            answers: vec![],
            halted: None,
        })
    }

    pub fn sign(&mut self, to: Option<Address>, input: Vec<u8>) -> Transaction {
        self.sign_as(1, to, input, 100_000_000)
    }

    pub fn sign_as(&mut self, signer: u8, to: Option<Address>, input: Vec<u8>, gas_limit: u64) -> Transaction {
        self.sign_with(&key_of(self.suite, signer), to, input, gas_limit)
    }

    pub fn sign_with(&mut self, key: &SecretKey, to: Option<Address>, input: Vec<u8>, gas_limit: u64) -> Transaction {
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
            gas_limit,
            to,
            value: Amount::ZERO,
            input: Bytes::new(input).expect("short"),
            extra: Bytes::default(),
        }
        .sign(&self.ledger.genesis_hash(), key)
    }

    pub fn submit(&mut self, transactions: Vec<Transaction>) -> Vec<Result<Hash, AdmissionError>> {
        let sized = transactions.into_iter().map(|one| (one, 300)).collect();
        let checked = check(self.group.pool().rules(), self.ledger.tip().number, sized);
        self.drive(Event::Admit { ticket: 0, checked });
        std::mem::take(&mut self.answers)
    }

    /// Wakes it so many milliseconds later.
    pub fn wake_after(&mut self, delay_ms: u64) {
        self.now += delay_ms;
        self.drive(Event::Tick);
    }

    pub fn drive(&mut self, event: Event) {
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
                    Effect::Persist(task) => {
                        let ticket = task.ticket();
                        events.push_back(Event::Persisted { ticket, result: task.run(&self.ledger) });
                    }
                    Effect::Broadcast(_) | Effect::Send { .. } | Effect::Serve(_) | Effect::Report(_) => {}
                    Effect::Stage(_) | Effect::Install(_) | Effect::Joining(_) | Effect::Introduce(_) => {
                        panic!("a node that is alone joins nobody")
                    }
                    Effect::Answer { results, .. } => self.answers = results,
                    Effect::WakeAt(_) if !self.wakes => {}
                    Effect::WakeAt(_) => events.push_back(Event::Tick),
                    Effect::Halt(why) => self.halted = Some(why),
                }
            }
        }
    }

    /// What the last request was answered.
    pub fn answers(&mut self) -> Vec<Result<Hash, AdmissionError>> {
        std::mem::take(&mut self.answers)
    }

    /// One transaction in a block of its own, and its receipt.
    pub fn one(&mut self, transaction: Transaction) -> Receipt {
        let hash = self.submit(vec![transaction]).remove(0).expect("admitted");
        self.receipt(&hash)
    }

    pub fn receipt(&self, hash: &Hash) -> Receipt {
        self.ledger.receipt(hash).expect("reads").expect("there").receipt
    }

    /// Deploys the counter and calls it so often, a few calls a block.
    pub fn count(&mut self, calls: usize) -> Address {
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

/// Takes every block in again on a fresh ledger, which must come to the same headers.
pub fn replay(stored: &Ledger, genesis: &Genesis, versions: &[ProtocolVersion]) {
    let (fresh, executor) =
        open_with(Arc::new(Memory::new()), genesis, LedgerOptions::default(), versions, &CodeOptions::default())
            .expect("opens");
    let mut replay = Replay::new(&fresh, &executor).expect("begins");
    for number in 1..=stored.tip().number {
        let block = stored.block(number).expect("reads").expect("there");
        replay.take(block).expect("takes it in");
    }
    assert_eq!(fresh.tip(), stored.tip());
}
