//! The same blocks give the same roots and receipts, whatever a node has cached, whatever became of its files, whichever
//! thread runs them and whichever compiler made the code.

mod common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
};

use common::{Chain, GAS, abi_call, account, address_word, genesis_of, script::*, token, word};
use entente_crypto::Suite;
use entente_executor::{
    BlockInput, CallInput, CodeKey, CodeOptions, CodeStore, CodeVault, Compiler, EXECUTION_STACK_BYTES, ExecutedBlock,
    Executor, InputTransaction, container,
};
use entente_host::{EthereumEnvironment, NativeRegistry, gas::PROTOCOL_VERSIONS};
use entente_state::MapState;
use entente_types::{Address, Hash, Proposal, Status};

const BLOCKS: u64 = 36;

/// Grows its memory, spins, recurses, divides or touches all its memory, as the first byte of its input says.
const TROUBLE: &str = r#"(module
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "storage_write" (func $storage_write (param i32 i32 i32 i32)))
    (memory (export "memory") 2 20)
    (global $calls (mut i64) (i64.const 5))
    (data (i32.const 70000) "what memory begins with")
    (func $deep (param i64) (result i64) (i64.add (call $deep (local.get 0)) (i64.const 1)))
    (func (export "deploy") (result i32) (i32.const 0))
    (func (export "call") (result i32) (local $kind i32)
        (call $input_read (i32.const 0) (i32.const 0) (i32.const 1))
        (local.set $kind (i32.load8_u (i32.const 0)))
        (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
        (i64.store (i32.const 8) (global.get $calls))
        (i32.store (i32.const 16) (memory.size))
        (call $storage_write (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 12))
        (block $5 (block $4 (block $3 (block $2 (block $1 (block $0 (br_table $0 $1 $2 $3 $4 $5 (local.get $kind)))
            (i32.store (i32.const 20) (memory.grow (i32.const 3)))
            (call $output (i32.const 0) (i32.const 32)) (return (i32.const 0)))
        (loop $on (br $on)))
        (drop (call $deep (i64.const 0))))
        (drop (i32.div_u (i32.const 1) (i32.sub (local.get $kind) (i32.const 3)))))
        (memory.fill (i32.const 24) (i32.const 0xa5) (i32.const 131000))
        (call $output (i32.const 69990) (i32.const 40)) (return (i32.const 0)))
        (call $output (i32.const 0) (i32.const 70040)) (return (i32.const 0))))"#;

/// A generator of numbers that a seed decides (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Files whose bytes come back as `damage` leaves them.
struct Files {
    kept: Mutex<BTreeMap<Hash, Vec<u8>>>,
    damage: fn(&mut Numbers, Vec<u8>) -> Option<Vec<u8>>,
    numbers: Mutex<Numbers>,
}

impl CodeStore for Files {
    fn get(&self, key: &Hash) -> Option<Vec<u8>> {
        let bytes = self.kept.lock().expect("no panic").get(key).cloned()?;
        (self.damage)(&mut self.numbers.lock().expect("no panic"), bytes)
    }

    fn put(&self, key: &Hash, bytes: Vec<u8>) {
        self.kept.lock().expect("no panic").insert(*key, bytes);
    }
}

fn damaged(numbers: &mut Numbers, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let place = numbers.below(bytes.len() as u64) as usize;
    match numbers.below(5) {
        0 => return None,
        1 => bytes[place] ^= 1 << numbers.below(8),
        2 => bytes.truncate(place),
        3 => bytes[place..].fill(0),
        _ => {}
    }
    Some(bytes)
}

fn vault(damage: fn(&mut Numbers, Vec<u8>) -> Option<Vec<u8>>, seed: u64) -> CodeVault {
    let files = Files { kept: Mutex::default(), damage, numbers: Mutex::new(Numbers(seed)) };
    CodeVault::new(Arc::new(files), CodeKey::derive(b"node"))
}

/// One block, as it was first executed.
struct Step {
    parent: ExecutedBlock,
    state: Arc<MapState>,
    proposal: Proposal,
    transactions: Vec<InputTransaction>,
    expected: ExecutedBlock,
}

struct History {
    chain: Chain,
    steps: Vec<Step>,
    contracts: Vec<Address>,
}

/// A transaction or call of any kind, to one of the token, the script, the trouble maker and the counters.
fn some_call(numbers: &mut Numbers, contracts: &[Address]) -> (Address, Vec<u8>) {
    let of = contracts[numbers.below(contracts.len() as u64) as usize];
    let byte = numbers.below(250) as u8;
    let transfer = abi_call("transfer(address,uint256)", &[address_word(&account(byte % 9 + 1)), word(byte.into())]);
    let trouble = vec![numbers.below(6) as u8];
    let steps = [
        [read(byte % 4), write(byte % 4, numbers.next()), log(byte)].concat(),
        [call(contracts[0], &transfer), returned(), write(1, 1)].concat(),
        [nested(CALL, contracts[2], 0, 3_000_000, &trouble), returned()].concat(),
        // Into itself, where its instance is taken.
        [write(2, 9), call(contracts[1], &[read(2), write(3, 3)].concat()), returned(), revert(byte)].concat(),
        [nested(DELEGATE, contracts[2], 0, 9_000_000, &[5]), remove(1), trap()].concat(),
        [nested(STATIC, contracts[1], 0, 9_000_000, &write(1, 1)), who()].concat(),
    ];
    let input = if of == contracts[0] {
        transfer
    } else if of == contracts[1] {
        steps[numbers.below(steps.len() as u64) as usize].clone()
    } else {
        trouble
    };
    (of, input)
}

/// The blocks that everything is compared with, executed by one executor that stays warm.
fn history(suite: Suite, seed: u64) -> History {
    let mut numbers = Numbers(seed);
    let mut chain = Chain::new(genesis_of(suite), NativeRegistry::default());
    let coin = chain.deploy(&token(), &[]).contract.expect("a token");
    let contracts = vec![coin, chain.deploy_wat(SCRIPT), chain.deploy_wat(TROUBLE)];
    let mut steps = Vec::new();
    for number in 0..BLOCKS {
        let mut transactions: Vec<_> = (0..=numbers.below(9))
            .map(|_| {
                let (to, input) = some_call(&mut numbers, &contracts);
                let gas = if numbers.below(4) == 0 { 30_000 + numbers.below(100_000) } else { 2_000_000 };
                chain.sign(numbers.below(3) as u8 + 1, Some(to), input, gas)
            })
            .collect();
        if number % 9 == 4 {
            // Code that is new, and code that is there already.
            let module = TROUBLE.replace("(i64.const 5)", &format!("(i64.const {number})"));
            for module in [wat::parse_str(module).expect("wat"), wat::parse_str(TROUBLE).expect("wat")] {
                transactions.push(chain.sign(1, None, container(&module, &[]), GAS));
            }
        }
        let (parent, state) = (chain.tip.clone(), Arc::clone(&chain.state));
        let proposal = chain.proposal(&transactions);
        let expected = chain.commit(&transactions).clone();
        steps.push(Step { parent, state, proposal, transactions, expected });
    }
    History { chain, steps, contracts }
}

impl History {
    fn executor(&self, code: &CodeOptions) -> Executor {
        Executor::with(&self.chain.genesis, NativeRegistry::default(), PROTOCOL_VERSIONS, code)
    }

    fn check(&self, what: &str, executor: &Executor, number: usize) {
        let Step { parent, state, proposal, transactions, expected } = &self.steps[number];
        let found = executor
            .execute(&BlockInput {
                parent: &parent.header,
                proposal,
                transactions,
                state: state.clone(),
                commitment: &parent.commitment,
                record_accesses: true,
                ethereum: EthereumEnvironment::default(),
            })
            .expect("no fault of the node");
        assert_eq!(found.receipts, expected.receipts, "{what}, block {number}");
        assert_eq!(found.header, expected.header, "{what}, block {number}");
        assert_eq!(found.accesses, expected.accesses, "{what}, block {number}");
    }

    fn check_all(&self, what: &str, mut executor: impl FnMut(usize) -> Arc<Executor>) {
        for number in 0..self.steps.len() {
            self.check(what, &executor(number), number);
        }
    }

    /// Calls that change nothing, over any state, before each block.
    fn poison(&self, executor: &Executor, numbers: &mut Numbers) {
        for _ in 0..numbers.below(7) {
            let step = &self.steps[numbers.below(self.steps.len() as u64) as usize];
            let (to, input) = some_call(numbers, &self.contracts);
            let call = CallInput { from: account(numbers.below(4) as u8 + 1), to, input, gas: numbers.below(400_000) };
            executor.call(step.state.clone(), &step.parent.header, call).expect("no fault of the node");
        }
    }
}

fn in_threads(count: usize, work: impl Fn(usize) + Send + Sync) {
    thread::scope(|scope| {
        for number in 0..count {
            let work = &work;
            let spawned =
                thread::Builder::new().stack_size(EXECUTION_STACK_BYTES).spawn_scoped(scope, move || work(number));
            spawned.expect("a thread");
        }
    });
}

#[test]
fn caches_never_change_a_root() {
    nothing_changes_a_root(Suite::Standard);
}

#[test]
fn caches_never_change_a_root_of_a_guomi_group() {
    nothing_changes_a_root(Suite::Guomi);
}

fn nothing_changes_a_root(suite: Suite) {
    let history = history(suite, 0x00e7_7e27_e5ee_d001);
    let receipts = || history.steps.iter().flat_map(|step| &step.expected.receipts);
    for status in [Status::Success, Status::Revert, Status::OutOfGas] {
        assert!(receipts().any(|receipt| receipt.status == status), "no receipt shows {status:?}");
    }
    let faults = ["stack_exhausted", "trap"];
    assert!(
        faults
            .iter()
            .all(|code| receipts().any(|one| one.error.as_ref().is_some_and(|error| error.code.starts_with(code))))
    );

    let anew = |options: CodeOptions| Arc::new(history.executor(&options));
    let plain = CodeOptions { compiler: Compiler::Plain, ..CodeOptions::default() };
    let forgetful = CodeOptions { compiled_bytes_max: 1, ..CodeOptions::default() };
    history.check_all("cold", |_| anew(CodeOptions::default()));
    let warm = anew(CodeOptions::default());
    history.check_all("warm", |_| Arc::clone(&warm));
    history.check_all("warm again", |_| Arc::clone(&warm));
    let forgetful = anew(forgetful);
    history.check_all("a cache of one module", |_| Arc::clone(&forgetful));
    let other = anew(plain);
    history.check_all("another compiler", |_| Arc::clone(&other));

    let mut numbers = Numbers(2);
    let poisoned = anew(CodeOptions::default());
    history.check_all("poisoned", |_| {
        history.poison(&poisoned, &mut numbers);
        Arc::clone(&poisoned)
    });

    let kept = CodeOptions { vault: Some(vault(|_, bytes| Some(bytes), 0)), ..CodeOptions::default() };
    history.check_all("files, filled", |_| anew(kept.clone()));
    let filled = anew(kept);
    history.check_all("files, full", |_| Arc::clone(&filled));
    assert_eq!(filled.compilations(), 0);
    let damaged = CodeOptions { vault: Some(vault(damaged, 3)), ..CodeOptions::default() };
    history.check_all("files, damaged at random", |_| anew(damaged.clone()));

    // Each block in one of four threads in turn, and all blocks in four threads at once.
    let turns = history.executor(&CodeOptions::default());
    for number in 0..history.steps.len() {
        in_threads(1, |_| history.check("a thread of its own", &turns, number));
    }
    let shared = history.executor(&damaged);
    in_threads(4, |thread| {
        let mut numbers = Numbers(thread as u64);
        for place in 0..history.steps.len() {
            history.poison(&shared, &mut numbers);
            history.check("four threads", &shared, (place + thread * 9) % history.steps.len());
        }
    });
}
