//! Between calls an instance cannot be told from a new one, whatever way the last call ended.

mod common;

use std::sync::{Arc, OnceLock};

use common::{Engine, TestHost, at, engine, wat};
use entente_host::{ContractFault, FrameStatus, Outcome};
use entente_wasm::Entry;
use proptest::prelude::*;

const GAS: u64 = 1_000_000_000;
/// Three pages: no power of two, so that the bitmap's last chunks lie beyond the memory.
const MEMORY_BYTES: u32 = 3 << 16;

/// Interprets its input: records of an operation, an address, a length and a value. Each is copied to 64..88 first.
const HOSTILE: &str = r#"(module
    (import "entente" "input_length" (func $input_length (result i32)))
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "revert" (func $revert (param i32 i32)))
    (import "entente" "storage_read" (func $storage_read (param i32 i32 i32 i32) (result i32)))
    (import "entente" "storage_write" (func $storage_write (param i32 i32 i32 i32)))
    (import "entente" "caller" (func $caller (param i32)))
    (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
    (import "entente" "create" (func $create (param i32 i32 i32 i32) (result i32)))
    (import "entente" "return_length" (func $return_length (result i32)))
    (import "entente" "return_read" (func $return_read (param i32 i32 i32)))
    (import "entente" "keccak256" (func $keccak256 (param i32 i32 i32)))
    (memory (export "memory") 3)
    (global $narrow (mut i32) (i32.const 41))
    (global $wide (mut i64) (i64.const -42))
    (global $fixed i32 (i32.const 43))
    (global $runs (mut i32) (i32.const 0))
    (data (i32.const 16) "\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01")
    (data (i32.const 4090) "straddles a chunk")
    (data (i32.const 100000) "in the middle")
    (data (i32.const 196600) "the end!")
    (func $step (param $op i32) (param $a i32) (param $n i32) (param $v i64)
        (block $other (block $25 (block $24 (block $23 (block $22 (block $21 (block $20 (block $19 (block $18 (block $17 (block $16
        (block $15 (block $14 (block $13 (block $12 (block $11 (block $10 (block $9 (block $8 (block $7 (block $6 (block $5
        (block $4 (block $3 (block $2 (block $1 (block $0
            (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12 $13 $14 $15 $16 $17 $18 $19 $20 $21 $22 $23 $24 $25 $other (local.get $op)))
        (i32.store8 (local.get $a) (i32.wrap_i64 (local.get $v))) return)
        (i32.store16 (local.get $a) (i32.wrap_i64 (local.get $v))) return)
        (i32.store (local.get $a) (i32.wrap_i64 (local.get $v))) return)
        (i64.store8 (local.get $a) (local.get $v)) return)
        (i64.store16 (local.get $a) (local.get $v)) return)
        (i64.store32 (local.get $a) (local.get $v)) return)
        (i64.store (local.get $a) (local.get $v)) return)
        (i64.store offset=1021 (local.get $a) (local.get $v)) return)
        (memory.fill (local.get $a) (i32.wrap_i64 (local.get $v)) (local.get $n)) return)
        (memory.copy (local.get $a) (i32.wrap_i64 (local.get $v)) (local.get $n)) return)
        (drop (memory.grow (i32.and (local.get $n) (i32.const 3)))) return)
        (global.set $narrow (i32.wrap_i64 (local.get $v))) return)
        (global.set $wide (local.get $v)) return)
        (call $storage_write (i32.const 16) (i32.const 4) (local.get $a) (local.get $n)) return)
        (drop (call $storage_read (i32.const 16) (i32.const 4) (local.get $a) (local.get $n))) return)
        (call $keccak256 (i32.const 0) (i32.const 100) (local.get $a)) return)
        (call $caller (local.get $a)) return)
        (drop (call $call (i32.const 0) (i32.const 16) (i64.const 30000000) (i32.const 128) (local.get $a) (local.get $n))) return)
        (call $return_read (local.get $a) (i32.const 0) (call $return_length)) return)
        unreachable)
        (loop $spin nop (drop (i32.const 0)) (br $spin)) return)
        (call $revert (local.get $a) (local.get $n)) return)
        (call $input_read (local.get $a) (i32.const 0) (local.get $n)) return)
        (drop (call $create (i32.const 0) (i32.const 9) (i32.const 128) (local.get $a))) return)
        (i64.store offset=2147483648 (local.get $a) (local.get $v)) return)
        (call $step (local.get $op) (local.get $a) (local.get $n) (local.get $v)) return)
        ;; Anything else: everything that can be seen from inside.
        (i32.store (i32.const 96) (memory.size))
        (i32.store (i32.const 100) (global.get $narrow))
        (i64.store (i32.const 104) (global.get $wide))
        (i32.store (i32.const 112) (global.get $fixed))
        (i32.store (i32.const 116) (global.get $runs))
        (call $output (i32.const 0) (i32.const 196608)))
    (func $main (result i32)
        (local $at i32)
        (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
        (block $done (loop $next
            (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (call $input_length)))
            (call $input_read (i32.const 64) (local.get $at) (i32.const 24))
            (local.set $at (i32.add (local.get $at) (i32.const 24)))
            (br_if $done (i32.eq (i32.load (i32.const 64)) (i32.const 26)))
            (call $step (i32.load (i32.const 64)) (i32.load (i32.const 68)) (i32.load (i32.const 72)) (i64.load (i32.const 80)))
            (br $next)))
        (i32.eq (i32.load (i32.const 64)) (i32.const 26)))
    (func (export "deploy") (result i32) (call $main))
    (func (export "call") (result i32) (call $main)))"#;

#[derive(Debug, Clone)]
struct Step {
    operation: u32,
    address: u32,
    length: u32,
    value: u64,
}

/// The operation that shows memory, its size and the globals.
const PROBE: Step = Step { operation: 99, address: 0, length: 0, value: 0 };

fn script(steps: &[Step]) -> Vec<u8> {
    let mut input = Vec::new();
    for step in steps {
        input.extend(step.operation.to_le_bytes());
        input.extend(step.address.to_le_bytes());
        input.extend(step.length.to_le_bytes());
        input.extend([0; 4]);
        input.extend(step.value.to_le_bytes());
    }
    input
}

fn shared() -> (Engine, Arc<Vec<u8>>) {
    static SHARED: OnceLock<(Engine, Arc<Vec<u8>>)> = OnceLock::new();
    SHARED.get_or_init(|| (engine(), Arc::new(wat(HOSTILE)))).clone()
}

type Seen = (Outcome, Vec<(Vec<u8>, Vec<u8>)>);

fn run(engine: &Engine, module: &[u8], entry: Entry, input: &[u8]) -> Seen {
    let host = TestHost::new(engine).with(at(1), module);
    let (host, outcome) = host.enter(entry, at(1), input, GAS);
    (outcome.expect("no fault of the node"), host.storage.into_iter().collect())
}

/// The same in a thread of its own, which has kept no instance.
fn run_anew(input: Vec<u8>) -> Seen {
    let (engine, module) = shared();
    let thread = std::thread::spawn(move || run(&engine, &module, Entry::Call, &input));
    thread.join().expect("no panic")
}

fn check(scripts: &[(Entry, Vec<Step>)]) {
    let (engine, module) = shared();
    let (probe, later) =
        (script(&[PROBE]), script(&[Step { operation: 17, address: 64, length: 24, value: 0 }, PROBE]));
    for (entry, steps) in scripts {
        run(&engine, &module, *entry, &script(steps));
        assert_eq!(run(&engine, &module, Entry::Call, &probe).0, run_anew(probe.clone()).0, "after {steps:?}");
    }
    assert_eq!(run(&engine, &module, Entry::Call, &later), run_anew(later), "re-entered");
    for (_, steps) in scripts {
        let input = script(steps);
        assert_eq!(run(&engine, &module, Entry::Call, &input), run_anew(input), "{steps:?} again");
    }
}

fn addresses() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => (0..MEMORY_BYTES / 1024, -9_i32..9).prop_map(|(chunk, near)| (chunk * 1024).saturating_add_signed(near)),
        2 => 128..MEMORY_BYTES,
        1 => (MEMORY_BYTES - 40)..(MEMORY_BYTES + 8),
        1 => any::<u32>(),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lengths = prop_oneof![4 => 0_u32..40, 2 => 0_u32..20_000, 1 => any::<u32>()];
    let values = prop_oneof![2 => any::<u64>(), 1 => 0..u64::from(MEMORY_BYTES)];
    let operations = prop_oneof![12 => 0_u32..10, 3 => 10_u32..19, 1 => 19_u32..28];
    let step = (operations, addresses(), lengths, values).prop_map(|(operation, address, length, value)| Step {
        operation,
        address,
        length,
        value,
    });
    proptest::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_used_instance_equals_a_new_one(
        scripts in proptest::collection::vec((prop_oneof![Just(Entry::Call), Just(Entry::Deploy)], steps()), 1..5)
    ) {
        check(&scripts);
    }
}

#[test]
fn every_way_a_call_can_end_leaves_nothing() {
    let write = |address, value| Step { operation: 6, address, length: 0, value };
    let fill = Step { operation: 8, address: 0, length: MEMORY_BYTES, value: 0xa5 };
    let of = |operation| Step { operation, address: 200, length: 24, value: 3 };
    let mut scripts = Vec::new();
    for ending in 0..30 {
        let steps = vec![write(1020, u64::MAX), of(11), of(12), fill.clone(), write(MEMORY_BYTES - 8, 1), of(ending)];
        scripts.push((Entry::Call, steps.clone()));
        scripts.push((Entry::Deploy, steps));
    }
    // Each of the bitmap's 64 chunks of 4 KiB (the memory has 48), at its first and its last byte.
    for chunk in 0..48 {
        scripts.push((Entry::Call, vec![write(chunk * 4096, u64::MAX), write((chunk + 1) * 4096 - 8, u64::MAX)]));
        scripts.push((Entry::Call, vec![write(chunk * 4096 + 4092, u64::MAX)]));
    }
    check(&scripts);
}

#[test]
fn a_call_that_grew_its_memory_leaves_nothing() {
    let grow = Step { operation: 10, address: 0, length: 2, value: 0 };
    let beyond = Step { operation: 6, address: MEMORY_BYTES + 70_000, length: 0, value: 7 };
    let fill = Step { operation: 8, address: 0, length: MEMORY_BYTES + 131_072, value: 1 };
    check(&[(Entry::Call, vec![grow.clone(), beyond]), (Entry::Call, vec![grow, fill])]);
}

#[test]
fn a_fault_of_the_node_is_told_and_its_instance_is_given_up() {
    let text = r#"(module
        (import "entente" "storage_read" (func $storage_read (param i32 i32 i32 i32) (result i32)))
        (import "entente" "input_length" (func $input_length (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "broken")
        (func (export "deploy") (result i32) i32.const 0)
        (func (export "call") (result i32)
            (if (call $input_length) (then (drop (call $storage_read (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0)))))
            (i32.const 0)))"#;
    let (engine, module) = (engine(), wat(text));
    let enter = |input: &[u8]| TestHost::new(&engine).with(at(1), &module).enter(Entry::Call, at(1), input, GAS).1;
    assert!(enter(b"").is_ok());
    assert_eq!(enter(b"x").unwrap_err().to_string(), "the engine failed: the disk is gone");
    assert_eq!(enter(b"").unwrap().status, FrameStatus::Success);
}

#[test]
fn a_panic_of_the_host_goes_through_and_the_engine_still_works() {
    let text = r#"(module
        (import "entente" "storage_read" (func $storage_read (param i32 i32 i32 i32) (result i32)))
        (import "entente" "input_length" (func $input_length (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "panics")
        (func (export "deploy") (result i32) i32.const 0)
        (func (export "call") (result i32)
            (if (call $input_length) (then (drop (call $storage_read (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0)))))
            (i32.const 0)))"#;
    let (engine, module) = (engine(), wat(text));
    let thread = std::thread::spawn(move || {
        let enter = |input: &[u8]| TestHost::new(&engine).with(at(1), &module).enter(Entry::Call, at(1), input, GAS).1;
        assert!(enter(b"").is_ok());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| enter(b"x")));
        let message = *panicked.unwrap_err().downcast::<&str>().expect("the host's own message");
        assert_eq!(message, "a host that panics");
        assert_eq!(enter(b"").unwrap().status, FrameStatus::Success);
    });
    thread.join().expect("no other panic");
}

#[test]
fn more_contracts_than_places_all_work() {
    let engine = engine();
    let modules: Vec<Vec<u8>> = (0..300)
        .map(|number| {
            wat(&format!(
                r#"(module (memory (export "memory") 1)
                    (func (export "deploy") (result i32) i32.const 0)
                    (func (export "call") (result i32) (i32.store (i32.const 0) (i32.const {number})) i32.const 0))"#
            ))
        })
        .collect();
    for _ in 0..2 {
        for module in &modules {
            assert_eq!(run(&engine, module, Entry::Call, b"").0.status, FrameStatus::Success);
        }
    }
    assert_eq!(engine.compilations(), 300);
}

#[test]
fn many_small_modules_with_large_memories_stay_small() {
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
    };
    let engine = engine();
    let before = resident();
    for number in 0..60 {
        let module = wat(&format!(
            r#"(module (memory (export "memory") 256) (data (i32.const 16777200) "{number}")
                (func (export "deploy") (result i32) i32.const 0)
                (func (export "call") (result i32) i32.const 0))"#
        ));
        assert_eq!(run(&engine, &module, Entry::Call, b"").0.status, FrameStatus::Success);
    }
    // Whole images would be 960 MiB.
    assert!(resident().saturating_sub(before) < 200 << 20, "{} bytes more", resident() - before);
}

#[test]
fn ranges_outside_the_memory_are_the_contracts_fault() {
    let (engine, module) = shared();
    let one = |operation, address, length| {
        let steps = [Step { operation, address, length, value: 0 }];
        run(&engine, &module, Entry::Call, &script(&steps)).0.status
    };
    for (operation, address, length) in [
        (13, MEMORY_BYTES - 3, 4),
        (13, u32::MAX, 1),
        (15, MEMORY_BYTES - 31, 0),
        (15, u32::MAX, 0),
        (16, MEMORY_BYTES - 19, 0),
        (16, u32::MAX - 19, 0),
        (17, u32::MAX, 24),
        (21, MEMORY_BYTES - 3, 4),
        (22, MEMORY_BYTES - 23, 24),
        (23, MEMORY_BYTES - 19, 0),
    ] {
        let status = one(operation, address, length);
        assert!(matches!(status, FrameStatus::Fault(ContractFault::MemoryRange { .. })), "{operation}: {status:?}");
    }
    assert!(matches!(one(22, 0, 25), FrameStatus::Fault(ContractFault::DataRange { what: "input", .. })));
    assert!(matches!(one(13, 0, (128 << 10) + 1), FrameStatus::Fault(ContractFault::Limit { .. })));
}
