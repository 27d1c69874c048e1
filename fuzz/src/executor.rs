//! Modules as strangers deploy them: nothing panics, gas ends everything, no fault is ever the node's, and a node that
//! has run before gives the same as one that has not.

#![allow(unreachable_pub, dead_code, reason = "tests of the room include this file")]

use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};

use entente_crypto::{Domain, LtHash, SecretKey, Suite};
use entente_executor::{
    Account, BlockInput, CallInput, CodeKind, CodeReference, EXECUTION_STACK_BYTES, ExecutedBlock, Executor,
    InputTransaction, container, genesis_block, parse_container,
};
use entente_host::{ContractFault, EthereumEnvironment, NativeRegistry};
use entente_state::{MapState, Row, Table};
use entente_types::{
    Address, Amount, Bytes, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Proposal,
    Signature, Status, Transaction, UnsignedTransaction, Version,
};
use parity_scale_codec::Encode;

use super::{input::Input, replay::root};

/// Enough to deploy any module that a target makes, in Ethereum's gas.
const DEPLOYMENT_GAS: u64 = 30_000_000;
/// What one call may use: some ten milliseconds.
const CALL_GAS: u64 = 4_000_000;
/// Where modules stand that were put into the state without their constructor's leave.
pub const ADDRESS: Address = Address([0xc0; 20]);

/// The first bytes are what the contract is called with, the rest is the module, or a whole deployment input.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let call = input.short().to_vec();
    let module = input.0;
    if let Ok((module, arguments)) = parse_container(module) {
        assert_eq!(container(module, arguments), input.0);
        run(module, &[&call, arguments]);
    } else {
        run(module, &[&call, b"other"]);
    }
}

/// Deploys a module, and calls it with these inputs.
pub fn run(module: &[u8], inputs: &[&[u8]]) {
    let job = Job { module: module.to_vec(), inputs: inputs.iter().map(|input| input.to_vec()).collect() };
    let (done, answer) = mpsc::channel();
    WORKER.lock().unwrap_or_else(PoisonError::into_inner).send((job, done)).expect("the worker lives");
    answer.recv().expect("the worker's checks hold");
}

struct Job {
    module: Vec<u8>,
    inputs: Vec<Vec<u8>>,
}

type Worker = mpsc::Sender<(Job, mpsc::Sender<()>)>;

/// One thread with the stack that executing needs. It keeps its executor, and with it instances of earlier modules.
static WORKER: LazyLock<Mutex<Worker>> = LazyLock::new(|| {
    let (jobs, incoming) = mpsc::channel::<(Job, mpsc::Sender<()>)>();
    let work = move || {
        let world = World::new();
        for (job, done) in incoming {
            world.deploy(&job.module);
            if entente_wasm::check(&job.module).is_ok() {
                world.call(&job);
            }
            // Whoever asked may be gone.
            let _ = done.send(());
        }
    };
    std::thread::Builder::new().stack_size(EXECUTION_STACK_BYTES).spawn(work).expect("a thread");
    Mutex::new(jobs)
});

/// A group at its beginning, and an executor that has seen much.
struct World {
    genesis: Genesis,
    first: ExecutedBlock,
    state: MapState,
    warm: Executor,
}

fn executor(genesis: &Genesis) -> Executor {
    Executor::new(genesis, NativeRegistry::default())
}

fn genesis() -> Genesis {
    let key = SecretKey::from_bytes(Suite::Standard, &[200; 32]).expect("a key").public_key();
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        ethereum_chain_id: 20200,
        suite: Suite::Standard,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: true,
        limits: Limits::default(),
        sealers: vec![Member { key, weight: 1 }],
        allocations: vec![(Address([1; 20]), Amount::from(1_000)), (ADDRESS, Amount::from(1_000))],
    }
}

fn transaction(nonce: u8, to: Option<Address>, input: &[u8], gas_limit: u64) -> InputTransaction {
    let unsigned = UnsignedTransaction {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        sender: Address([1; 20]),
        nonce: [nonce; 32],
        valid_until: 500,
        gas_limit,
        to,
        value: Amount::from(u64::from(nonce % 2)),
        input: Bytes::new(input.to_vec()).expect("shorter than the limit"),
        extra: Bytes::default(),
    };
    // Signatures are checked on admission: the executor takes what it is given.
    let signature = Signature::Standard([0; 65]);
    let transaction = Transaction::Native(entente_types::NativeTransaction { unsigned, signature });
    InputTransaction { hash: transaction.hash(Suite::Standard), transaction: Arc::new(transaction) }
}

impl World {
    fn new() -> Self {
        let genesis = genesis();
        let first = genesis_block(&genesis).expect("block 0");
        let mut state = MapState::default();
        state.apply(&first.changes);
        Self { warm: executor(&genesis), genesis, first, state }
    }

    /// Block 1 with these transactions over some state.
    fn execute(&self, executor: &Executor, state: &MapState, transactions: &[InputTransaction]) -> ExecutedBlock {
        let parent = &self.first.header;
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis.hash(),
            number: 1,
            parent: parent.proposal,
            view: 0,
            timestamp_ms: parent.timestamp_ms + 1000,
            proposer: Address([2; 20]),
            transactions: transactions.iter().map(|transaction| transaction.hash).collect(),
            access: None,
        };
        let state = Arc::new(state.clone());
        let commitment = LtHash::default();
        let commitment = &commitment;
        let input = BlockInput {
            parent,
            proposal: &proposal,
            transactions,
            state,
            commitment,
            record_accesses: true,
            ethereum: EthereumEnvironment::default(),
        };
        executor.execute(&input).unwrap_or_else(|fault| panic!("a stranger can halt the chain: {fault}"))
    }

    /// Deploying gives the same on both, and refuses exactly what the check refuses.
    fn deploy(&self, module: &[u8]) {
        let transactions = [transaction(0, None, &container(module, b"arguments"), DEPLOYMENT_GAS)];
        let warm = self.execute(&self.warm, &self.state, &transactions);
        let cold = self.execute(&executor(&self.genesis), &self.state, &transactions);
        same(&warm, &cold);
        let receipt = &warm.receipts[0];
        assert!(receipt.gas_used <= DEPLOYMENT_GAS);
        let error = receipt.error.as_ref().map(|error| error.code.as_str());
        match entente_wasm::check(module) {
            Err(fault @ ContractFault::ModuleRule { .. }) => assert_eq!(error, Some(&fault.code()[..])),
            Err(fault) => panic!("a module is refused by its rules only: {fault}"),
            Ok(()) => assert!(!error.is_some_and(|error| error.starts_with("module_rule")), "{error:?}"),
        }
    }

    /// Calls in one block, on an executor that keeps instances; once more; and each alone on a new executor.
    fn call(&self, job: &Job) {
        let mut state = self.state.clone();
        let hash = Suite::Standard.hash(Domain::CODE, &[&job.module]);
        let code = Some(CodeReference { kind: CodeKind::Wasm, hash });
        let account = Account { balance: Amount::from(1_000), code, ..Account::default() };
        state.0.insert(Account::row(&ADDRESS), account.encode().into());
        state.0.insert(Row::new(&Table::Code, hash.as_ref()), job.module.clone().into());
        // The first input comes again last, when the instance and the storage are used.
        let inputs = job.inputs.iter().chain(job.inputs.first());
        let transactions: Vec<InputTransaction> =
            (1_u8..).zip(inputs).map(|(nonce, input)| transaction(nonce, Some(ADDRESS), input, CALL_GAS)).collect();
        let warm = self.execute(&self.warm, &state, &transactions);
        same(&warm, &self.execute(&self.warm, &state, &transactions));
        let mut after = state.clone();
        after.apply(&warm.changes);
        let mut one_by_one = state;
        for (transaction, receipt) in transactions.iter().zip(&warm.receipts) {
            let cold = self.execute(&executor(&self.genesis), &one_by_one, std::slice::from_ref(transaction));
            assert_eq!(&cold.receipts[0], receipt, "a kept instance differs from a new one");
            assert!(receipt.gas_used <= CALL_GAS);
            assert!(receipt.status == Status::Success || receipt.logs.is_empty());
            one_by_one.apply(&cold.changes);
        }
        assert_eq!(one_by_one, after);
        self.call_without_trace(&after, job);
    }

    fn call_without_trace(&self, state: &MapState, job: &Job) {
        let Some(input) = job.inputs.first() else { return };
        let call = CallInput { from: Address([3; 20]), to: ADDRESS, input: input.clone(), gas: CALL_GAS };
        let state = Arc::new(state.clone());
        let ask = |executor: &Executor| {
            let state: Arc<MapState> = Arc::clone(&state);
            let answer = executor.call(state, &self.first.header, call.clone());
            answer.unwrap_or_else(|fault| panic!("a stranger can stop a node from answering: {fault}"))
        };
        assert_eq!(ask(&self.warm), ask(&executor(&self.genesis)));
    }
}

fn same(left: &ExecutedBlock, right: &ExecutedBlock) {
    assert_eq!(left.receipts, right.receipts);
    assert_eq!(left.changes, right.changes);
    assert_eq!(left.accesses, right.accesses);
    assert_eq!(left.header, right.header);
}

/// A module that uses most of what modules may use.
const SEED: &str = r#"(module
    (type $t (func (param i32) (result i32)))
    (import "entente" "input_length" (func $input_length (result i32)))
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "storage_read" (func $storage_read (param i32 i32 i32 i32) (result i32)))
    (import "entente" "storage_write" (func $storage_write (param i32 i32 i32 i32)))
    (import "entente" "emit" (func $emit (param i32 i32 i32 i32)))
    (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table 4 funcref) (elem (i32.const 0) $double $sum)
    (global $calls (mut i32) (i32.const 0))
    (data (i32.const 8) "some data of the module")
    (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func $sum (param i32) (result i32) (local $total i64)
        (block (loop
            (br_if 1 (i32.eqz (local.get 0)))
            (local.set $total (i64.add (local.get $total) (i64.extend_i32_u (local.get 0))))
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (br 0)))
        (i64.store (i32.const 64) (local.get $total))
        (i32.wrap_i64 (local.get $total)))
    (func (export "deploy") (result i32)
        (call $storage_write (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 9)) i32.const 0)
    (func (export "call") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (call $input_read (i32.const 1000) (i32.const 0) (call $input_length))
        (i32.store (i32.const 100)
            (call_indirect (type $t) (i32.const 100) (i32.and (call $input_length) (i32.const 1))))
        (memory.copy (i32.const 200) (i32.const 8) (i32.const 16))
        (drop (call $storage_read (i32.const 0) (i32.const 8) (i32.const 300) (i32.const 30)))
        (call $emit (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 9))
        (drop (call $call (i32.const 2) (i32.const 1000) (i64.const 9999) (i32.const 0) (i32.const 0) (i32.const 3)))
        (call $output (i32.const 64) (i32.const 200))
        (drop (memory.grow (i32.const 1)))
        (if (result i32) (i32.eq (call $input_length) (i32.const 3)) (then (i32.const 1)) (else (i32.const 0)))))"#;

/// Modules by hand, and the token where it has been built.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = wat::parse_str(SEED).expect("a module");
    let least = wat::parse_str(
        r#"(module (memory (export "memory") 0) (func (export "deploy") (export "call") (result i32) (i32.const 0)))"#,
    );
    let mut seeds = vec![
        [&[2, 1, 2][..], &seed].concat(),
        [&[20][..], &ADDRESS.0, &seed].concat(),
        [&[0][..], &container(&seed, b"arguments")].concat(),
        [&[0][..], &least.expect("a module")].concat(),
    ];
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    if let Ok(token) = std::fs::read(folder.join("contracts/token.wasm")) {
        // totalSupply()
        seeds.push([&[4, 0x18, 0x16, 0x0d, 0xdd][..], &token].concat());
    }
    seeds
}
