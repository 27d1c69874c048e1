//! Compiled code outside the process: never trusted unless it is this node's own, and never deciding a result.

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use common::{Engine, TestHost, at, wat};
use entente_host::{FrameStatus, Outcome, gas::SCHEDULE_1};
use entente_types::Hash;
use entente_wasm::{CodeKey, CodeOptions, CodeStore, CodeVault, Compiler, Entry, Wasm};

const GAS: u64 = 50_000_000;

/// Files in memory, and a disk that fails when told to.
#[derive(Default)]
struct Files {
    kept: Mutex<BTreeMap<Hash, Vec<u8>>>,
    puts: AtomicUsize,
    /// The operation that fails: the nth of all gets and puts.
    fails_at: Option<usize>,
    operations: AtomicUsize,
}

impl Files {
    fn fails(&self) -> bool {
        Some(self.operations.fetch_add(1, Ordering::Relaxed)) == self.fails_at
    }

    fn all(&self) -> BTreeMap<Hash, Vec<u8>> {
        self.kept.lock().expect("no panic").clone()
    }

    fn set(&self, key: Hash, bytes: Vec<u8>) {
        self.kept.lock().expect("no panic").insert(key, bytes);
    }
}

impl CodeStore for Files {
    fn get(&self, key: &Hash) -> Option<Vec<u8>> {
        if self.fails() { None } else { self.kept.lock().expect("no panic").get(key).cloned() }
    }

    fn put(&self, key: &Hash, bytes: Vec<u8>) {
        if !self.fails() {
            self.puts.fetch_add(1, Ordering::Relaxed);
            self.set(*key, bytes);
        }
    }
}

fn engine_of(files: &Arc<Files>, secret: &str, compiler: Compiler) -> Engine {
    let store: Arc<dyn CodeStore> = Arc::clone(files) as _;
    let vault = CodeVault::new(store, CodeKey::derive(secret.as_bytes()));
    Arc::new(Wasm::with_code(&SCHEDULE_1, CodeOptions { compiler, vault: Some(vault), ..CodeOptions::default() }))
}

fn engine_on(files: &Arc<Files>) -> Engine {
    engine_of(files, "node", Compiler::Optimising)
}

/// Ends in a way for each input, after writing to memory, globals and the storage.
const ENDINGS: &str = r#"(module
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "revert" (func $revert (param i32 i32)))
    (import "entente" "storage_write" (func $storage_write (param i32 i32 i32 i32)))
    (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
    (type $nothing (func)) (type $other (func (param i64)))
    (memory (export "memory") 1)
    (global $runs (mut i32) (i32.const 3))
    (data (i32.const 1000) "what memory begins with")
    (table 3 funcref) (elem (i32.const 0) $nothing $overflow)
    (func $nothing (type $nothing))
    (func $overflow (type $other) (call $overflow (local.get 0)))
    (func $spin (result i32) (loop $on (br $on)) (i32.const 0))
    (func (export "deploy") (result i32) (i32.const 0))
    (func (export "call") (result i32)
        (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
        (call $input_read (i32.const 0) (i32.const 0) (i32.const 1))
        (i32.store (i32.const 4) (global.get $runs))
        (memory.copy (i32.const 8) (i32.const 1000) (i32.const 23))
        (call $storage_write (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 40))
        (block $10 (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
            (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 (i32.load8_u (i32.const 0))))
        (call $output (i32.const 0) (i32.const 40)) (return (i32.const 0)))
        (call $output (i32.const 0) (i32.const 8)) (return (i32.const 1)))
        (call $revert (i32.const 0) (i32.const 40)) unreachable)
        unreachable)
        (drop (i32.div_s (i32.const 1) (i32.sub (i32.load8_u (i32.const 0)) (i32.const 4)))) unreachable)
        (i64.store (i32.const 65530) (i64.const 1)) unreachable)
        (call_indirect (type $nothing) (i32.const 2)) unreachable)
        (call_indirect (type $nothing) (i32.const 1)) unreachable)
        (call_indirect (type $nothing) (i32.const 9)) unreachable)
        (call $overflow (i64.const 1)) unreachable)
        (return (call $spin))))"#;
const ENDINGS_COUNT: u8 = 11;

fn small(number: u32) -> Vec<u8> {
    wat(&format!(
        r#"(module (import "entente" "output" (func $output (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32) (i32.store (i32.const 8) (i32.const {number}))
                (call $output (i32.const 0) (i32.const 16)) i32.const 0))"#
    ))
}

type Seen = (Outcome, Vec<(Vec<u8>, Vec<u8>)>);

fn run(engine: &Engine, module: &[u8], input: &[u8]) -> Seen {
    let (host, outcome) = TestHost::new(engine).with(at(1), module).enter(Entry::Call, at(1), input, GAS);
    (outcome.expect("no fault of the node"), host.storage.into_iter().collect())
}

fn endings(engine: &Engine) -> Vec<Seen> {
    let module = wat(ENDINGS);
    // Twice: made anew, and kept and reset.
    (0..2).flat_map(|_| (0..ENDINGS_COUNT).map(|ending| run(engine, &module, &[ending])).collect::<Vec<_>>()).collect()
}

#[test]
fn what_is_loaded_runs_as_what_was_compiled_and_is_not_compiled_again() {
    let files = Arc::new(Files::default());
    let first = engine_on(&files);
    let expected = endings(&first);
    let faults = expected.iter().filter(|(outcome, _)| matches!(outcome.status, FrameStatus::Fault(_))).count();
    assert_eq!((first.compilations(), faults), (1, 2 * 8), "{expected:?}");
    for _ in 0..3 {
        let restarted = engine_on(&files);
        assert_eq!(endings(&restarted), expected);
        assert_eq!(restarted.compilations(), 0);
    }
    assert_eq!(files.puts.load(Ordering::Relaxed), 1);
    let alone = Arc::new(Wasm::new(&SCHEDULE_1));
    assert_eq!(endings(&alone), expected);
}

#[test]
fn every_compiler_gives_the_same_and_none_takes_the_others_code() {
    let files = Arc::new(Files::default());
    let expected = endings(&engine_on(&files));
    for compilations in [1, 0] {
        let plain = engine_of(&files, "node", Compiler::Plain);
        assert_eq!(endings(&plain), expected);
        assert_eq!(plain.compilations(), compilations);
    }
    assert_eq!(files.all().len(), 2);
}

/// Runs over files that were tampered with: compiled once more, right, and right again from then on.
fn check_tampered(what: &str, files: &Arc<Files>, module: &[u8], input: &[u8], expected: &Seen) {
    let engine = engine_on(files);
    assert_eq!(&run(&engine, module, input), expected, "{what}");
    assert_eq!(engine.compilations(), 1, "{what}: the file was taken");
    let engine = engine_on(files);
    assert_eq!(&run(&engine, module, input), expected, "{what}, then");
    assert_eq!(engine.compilations(), 0, "{what}: the bad file was not replaced");
}

#[test]
fn a_damaged_truncated_foreign_or_forged_file_is_compiled_anew() {
    let module = small(7);
    let files = Arc::new(Files::default());
    let expected = run(&engine_on(&files), &module, b"");
    let (key, good) = files.all().pop_first().expect("one file");
    let tampered = |what: &str, bytes: Vec<u8>| {
        files.set(key, bytes);
        check_tampered(what, &files, &module, b"", &expected);
    };
    // The header, the end, and places all over the artefact.
    let places = (0..33).chain((33..good.len()).step_by(good.len() / 40)).chain(good.len() - 32..good.len());
    for place in places {
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (place % 8);
        tampered(&format!("byte {place}"), bytes);
    }
    for length in [0, 1, 32, 33, 64, 65, 66, good.len() / 2, good.len() - 32, good.len() - 1] {
        tampered(&format!("{length} bytes"), good[..length].to_vec());
    }
    tampered("a byte more", [&good[..], &[0]].concat());
    tampered("huge", vec![0x5a; 40 << 20]);
    tampered("twice", [&good[..], &good[..]].concat());

    // Sound files, but another node's, another compiler's, and another module's.
    let of = |secret: &str, compiler, module: &[u8]| {
        let files = Arc::new(Files::default());
        run(&engine_of(&files, secret, compiler), module, b"");
        files.all().pop_first().expect("one file").1
    };
    tampered("of another node", of("another node", Compiler::Optimising, &module));
    tampered("of another compiler", of("node", Compiler::Plain, &module));
    tampered("of another module", of("node", Compiler::Optimising, &small(8)));
}

#[test]
fn swapped_files_are_compiled_anew() {
    let modules = [small(1), small(2)];
    let files = Arc::new(Files::default());
    let engine = engine_on(&files);
    let expected = modules.each_ref().map(|module| run(&engine, module, b""));
    assert_ne!(expected[0], expected[1]);
    let mut swapped = files.all().into_iter();
    let (first, second) = (swapped.next().expect("one"), swapped.next().expect("two"));
    files.set(first.0, second.1);
    files.set(second.0, first.1);
    let engine = engine_on(&files);
    for _ in 0..2 {
        assert_eq!(modules.each_ref().map(|module| run(&engine, module, b"")), expected);
    }
    assert_eq!(engine.compilations(), 2);
}

#[test]
fn a_store_that_fails_at_any_operation_changes_no_result() {
    let modules = [small(1), small(2), small(3)];
    let all = |engine: &Engine| modules.each_ref().map(|module| run(engine, module, b""));
    let expected = all(&Arc::new(Wasm::new(&SCHEDULE_1)));
    let undisturbed = Arc::new(Files::default());
    let both = |files: &Arc<Files>| [engine_on(files), engine_on(files)].map(|engine| all(&engine));
    assert_eq!(both(&undisturbed), [expected.clone(), expected.clone()]);
    let operations = undisturbed.operations.load(Ordering::Relaxed);
    assert_eq!(operations, 9, "three gets and puts, then three gets");
    for fails_at in 0..operations {
        let files = Arc::new(Files { fails_at: Some(fails_at), ..Files::default() });
        assert_eq!(both(&files), [expected.clone(), expected.clone()], "operation {fails_at}");
    }
}

#[test]
fn contracts_called_in_rotation_stay_within_the_bounds_and_work() {
    let bound = 4 << 20;
    let options = CodeOptions { compiled_bytes_max: bound, ..CodeOptions::default() };
    let engine: Engine = Arc::new(Wasm::with_code(&SCHEDULE_1, options));
    let modules: Vec<_> = (0..200).map(small).collect();
    let expected: Vec<_> = modules.iter().map(|module| run(&engine, module, b"")).collect();
    for _ in 0..5 {
        for (module, expected) in modules.iter().zip(&expected) {
            assert_eq!(&run(&engine, module, b""), expected);
        }
    }
    // Within the places of a thread nothing is made again.
    let compilations = engine.compilations();
    for _ in 0..3 {
        for (module, expected) in modules[..100].iter().zip(&expected) {
            assert_eq!(&run(&engine, module, b""), expected);
        }
    }
    let compiled = engine.compilations() - compilations;
    assert!(compiled <= 100, "{compiled} compilations for 100 contracts in rotation");
}
