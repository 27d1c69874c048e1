//! Which compiler a node should use: deploying against calling, and loading from files against both.
//!
//! Prints ratios only, each of two things measured in this run, in turn: `docs/decisions/011-compilers.md`.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use entente_benches::{Workload, WorkloadError, median};
use entente_executor::{CodeKey, CodeOptions, CodeStore, CodeVault, Compiler, Executor, InputTransaction};
use entente_host::{NativeRegistry, gas::PROTOCOL_VERSIONS};
use entente_types::{Address, Hash};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 5;
/// Rounds of what takes milliseconds.
const WARM_ROUNDS: usize = 61;
/// The transfers of a block.
const TRANSFERS: u64 = 1_000;
/// Whom others are compared with: what nodes use.
const BASE: Compiler = Compiler::Optimising;
const OTHERS: [Compiler; 1] = [Compiler::Plain];

/// Multiplies matrices of 48 by 48 numbers, eight times.
const COMPUTE: &str = r#"(module (memory (export "memory") 2)
    (func (export "deploy") (result i32) (i32.const 0))
    (func $at (param $base i32) (param $row i32) (param $column i32) (result i32)
        (i32.add (local.get $base) (i32.shl (i32.add (i32.mul (local.get $row) (i32.const 48)) (local.get $column)) (i32.const 3))))
    (func $cell (param $row i32) (param $column i32) (result i64) (local $k i32) (local $sum i64)
        (loop $on
            (local.set $sum (i64.add (local.get $sum) (i64.mul
                (i64.load (call $at (i32.const 0) (local.get $row) (local.get $k)))
                (i64.load (call $at (i32.const 20480) (local.get $k) (local.get $column))))))
            (br_if $on (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 48))))
        (local.get $sum))
    (func (export "call") (result i32) (local $round i32) (local $row i32) (local $column i32)
        (loop $rounds
            (local.set $row (i32.const 0))
            (loop $rows
                (local.set $column (i32.const 0))
                (loop $columns
                    (i64.store (call $at (i32.const 40960) (local.get $row) (local.get $column))
                        (call $cell (local.get $row) (local.get $column)))
                    (br_if $columns (i32.lt_u (local.tee $column (i32.add (local.get $column) (i32.const 1))) (i32.const 48))))
                (br_if $rows (i32.lt_u (local.tee $row (i32.add (local.get $row) (i32.const 1))) (i32.const 48))))
            (br_if $rounds (i32.lt_u (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const 8))))
        (i32.const 0)))"#;

fn module(functions: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 1) {functions}
            (func (export "deploy") (result i32) (i32.const 0))
            (func (export "call") (result i32) (i32.const 0)))"#
    ))
    .expect("a module")
}

/// Some 300 KB of functions as compilers of contracts write them: branches, loads, stores, arithmetic, calls.
fn ordinary() -> Vec<u8> {
    let step = |number: u32| {
        format!(
            "(if (i32.lt_u (local.get $a) (i32.const {number})) (then
                (i64.store offset={number} (i32.and (local.get $a) (i32.const 255)) (i64.add (local.get $x) (i64.load (i32.and (local.get $b) (i32.const 255))))))
            (else (local.set $x (i64.mul (local.get $x) (i64.const {})))))
            (local.set $b (i32.add (local.get $b) (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 5)))))",
            u64::from(number) * 7919
        )
    };
    let function = |name: u32| {
        let steps: String = (1..30).map(step).collect();
        let next = name.saturating_sub(1);
        format!(
            "(func $f{name} (param $a i32) (param $b i32) (result i64) (local $x i64)
                (loop $on {steps} (br_if $on (i32.gt_u (local.get $b) (i32.const 77))))
                (i64.add (local.get $x) (call $f{next} (local.get $a) (local.get $b))))"
        )
    };
    module(&(0..155).map(function).collect::<String>())
}

/// Large loops over many locals: each loop begins with a value of every local that any of them sets.
fn loops(functions: u32, count: u32, locals: u32) -> Vec<u8> {
    let one = |number: u32| {
        let (to, from) = (number * 7 % locals, (number * 13 + 1) % locals);
        format!(
            "(loop (local.set {to} (i64.add (local.get {from}) (local.get {to}))) (br_if 0 (i64.eqz (local.get {from}))))"
        )
    };
    let body: String = (0..count).map(one).collect();
    let function = |_: u32| format!("(func (local {}) {body})", "i64 ".repeat(locals as usize));
    module(&(0..functions).map(function).collect::<String>())
}

/// Loops in one another, each with a few sets of many locals.
fn nested_loops(functions: u32, depth: u32, locals: u32) -> Vec<u8> {
    let sets = |number: u32| -> String {
        (0..24)
            .map(|set| {
                format!(
                    "(local.set {} (i64.add (local.get {}) (i64.const {number})))",
                    (number * 24 + set) % locals,
                    (number * 31 + set * 5) % locals
                )
            })
            .collect()
    };
    let begin: String = (0..depth).map(|number| format!("(loop {}", sets(number))).collect();
    let end: String =
        (0..depth).map(|number| format!("(br_if 0 (i64.eqz (local.get {})))) ", number % locals)).collect();
    let function = |_: u32| format!("(func (local {}) {begin} {end})", "i64 ".repeat(locals as usize));
    module(&(0..functions).map(function).collect::<String>())
}

/// Files in memory.
#[derive(Default)]
struct Files(Mutex<BTreeMap<Hash, Vec<u8>>>);

impl CodeStore for Files {
    fn get(&self, key: &Hash) -> Option<Vec<u8>> {
        self.0.lock().expect("no panic").get(key).cloned()
    }

    fn put(&self, key: &Hash, bytes: Vec<u8>) {
        self.0.lock().expect("no panic").insert(*key, bytes);
    }
}

fn options(compiler: Compiler) -> CodeOptions {
    CodeOptions { compiler, ..CodeOptions::default() }
}

/// The seconds of all cores together that this process has used: others on the machine do not count.
fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// The seconds that one block of these takes.
fn block(workload: &Workload, transactions: &[InputTransaction]) -> Result<f64, WorkloadError> {
    let started = cpu_seconds();
    workload.execute(transactions)?;
    Ok(cpu_seconds() - started)
}

/// The median of each of two, measured in turn: in executors that have run the block before, or have nothing.
fn compare(
    workload: &mut Workload,
    codes: [&CodeOptions; 2],
    warm: bool,
    transactions: &[InputTransaction],
) -> Result<[f64; 2], WorkloadError> {
    let anew = |workload: &Workload, code: &CodeOptions| {
        Executor::with(&workload.genesis, NativeRegistry::default(), PROTOCOL_VERSIONS, code)
    };
    let mut executors = codes.map(|code| anew(workload, code));
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 0..if warm { WARM_ROUNDS } else { ROUNDS } {
        for ((code, executor), seconds) in codes.iter().zip(&mut executors).zip(&mut seconds) {
            if !warm {
                *executor = anew(workload, code);
            }
            std::mem::swap(&mut workload.executor, executor);
            let taken = block(workload, transactions);
            std::mem::swap(&mut workload.executor, executor);
            // The first block of a warm executor made it so.
            if !warm || round > 0 {
                seconds.push(taken?);
            }
        }
    }
    Ok(seconds.map(|mut seconds| median(&mut seconds)))
}

fn line(what: &str, compared: Result<[f64; 2], WorkloadError>) -> Result<(), WorkloadError> {
    match compared {
        Ok([base, other]) => println!("{:>9.3}  {:>10.2}  {:>10.2}  {what}", other / base, base * 1e3, other * 1e3),
        // A module that breaks a rule is no bomb any more.
        Err(WorkloadError::Wrong(why)) if why.contains("module_rule") => println!("  refused  {what}"),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn deployed(workload: &mut Workload, module: &[u8]) -> Result<Address, WorkloadError> {
    let deployment = workload.deployment(module)?;
    let executed = workload.execute(&[deployment])?;
    let address = executed.receipts.first().and_then(|receipt| receipt.contract);
    workload.keep(executed);
    address.ok_or_else(|| WorkloadError::Wrong("not deployed".into()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let path = target.join("contracts/token.wasm");
    let mut workload = Workload::new(&path, 2_000)?;
    let compute = deployed(&mut workload, &wat::parse_str(COMPUTE)?)?;
    let transfers = workload.transfers(TRANSFERS)?;
    let computing = [workload.call(compute, Vec::new())?];
    let modules = [
        ("the token", std::fs::read(&path)?),
        ("an ordinary module", ordinary()),
        ("3,000 loops over 1,000 locals", loops(3, 1_000, 1_000)),
        ("20,000 loops over 60 locals", loops(4, 5_000, 60)),
        ("loops 200 deep over 1,000 locals", nested_loops(1, 200, 1_000)),
    ];
    println!("  other / base    base, ms   other, ms  of CPU  (base: {BASE:?})");
    for other in OTHERS {
        let codes = [&options(BASE), &options(other)];
        for (name, module) in &modules {
            let deployment = [workload.deployment(module)?];
            let what = format!("{other:?}: deploying {name} ({} KB)", module.len() / 1000);
            line(&what, compare(&mut workload, codes, false, &deployment))?;
        }
        line(&format!("{other:?}: {TRANSFERS} transfers"), compare(&mut workload, codes, true, &transfers))?;
        line(&format!("{other:?}: computing"), compare(&mut workload, codes, true, &computing))?;
    }
    for (name, module) in &modules {
        let deployment = [workload.deployment(module)?];
        let vault = Some(CodeVault::new(Arc::new(Files::default()), CodeKey::derive(b"bench")));
        let kept = CodeOptions { vault, ..options(BASE) };
        let what = format!("{BASE:?}: loading {name} from a file instead of compiling it");
        // Fills the files; what is refused is told below.
        let _ = compare(&mut workload, [&kept, &kept], true, &deployment);
        line(&what, compare(&mut workload, [&options(BASE), &kept], false, &deployment))?;
    }
    Ok(())
}
