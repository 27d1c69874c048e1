//! What compiled code takes of the machine's memory. One test in a process of its own: others would be measured too.

mod common;

use std::{ops::Range, sync::Arc};

use common::{Engine, TestHost, at, code_hash, wat};
use entente_host::{FrameStatus, gas::SCHEDULE_1};
use entente_wasm::{CodeOptions, Entry, Wasm};

const BOUND: usize = 8 << 20;

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the system's account of this process");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number of pages") * 4096
}

/// A module whose machine code is some dozen KiB.
fn large(number: u32) -> Vec<u8> {
    let step = "(local.set $a (i64.mul (i64.xor (local.get $a) (i64.const 81985529216486895)) (local.get $b)))";
    let function = |name: u32| {
        format!("(func $f{name} (param $a i64) (param $b i64) (result i64) {} (local.get $a))", step.repeat(60))
    };
    let functions: String = (0..16).map(function).collect();
    wat(&format!(
        r#"(module (memory (export "memory") 1) {functions}
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32)
                (i32.wrap_i64 (i64.and (i64.const 0) (call $f0 (i64.const {number}) (i64.const 5))))))"#
    ))
}

fn prepare(engine: &Engine, numbers: Range<u32>) {
    for number in numbers {
        let module = large(number);
        engine.prepare(&code_hash(&module), &module).expect("compiles");
    }
}

fn call(engine: &Engine, numbers: Range<u32>) {
    for number in numbers {
        let host = TestHost::new(engine).with(at(1), &large(number));
        let outcome = host.enter(Entry::Call, at(1), b"", 50_000_000).1.expect("no fault of the node");
        assert_eq!(outcome.status, FrameStatus::Success);
    }
}

#[test]
fn compiled_code_takes_what_is_counted_and_gives_it_back() {
    let engine: Engine =
        Arc::new(Wasm::with_code(&SCHEDULE_1, CodeOptions { compiled_bytes_max: BOUND, ..CodeOptions::default() }));
    // Whatever the first compilation takes for itself.
    prepare(&engine, 0..4);
    let begun = resident();
    prepare(&engine, 4..200);
    let full = resident();
    assert!(full - begun < BOUND + BOUND / 2, "{} bytes for a bound of {BOUND}", full - begun);
    prepare(&engine, 200..400);
    let grown = resident().saturating_sub(full);
    assert!(grown < BOUND / 4, "{grown} bytes more after 200 further modules");
    assert_eq!(engine.compilations(), 400);
    // What was used last is still there, what was used first is not.
    prepare(&engine, 399..400);
    assert_eq!(engine.compilations(), 400);
    prepare(&engine, 0..1);
    assert_eq!(engine.compilations(), 401);

    // Instances keep their code alive: they are bounded too, and reused.
    call(&engine, 0..150);
    let full = resident();
    call(&engine, 0..150);
    let grown = resident().saturating_sub(full);
    assert!(grown < BOUND / 2, "{grown} bytes more after calling the same contracts again");
    let compilations = engine.compilations();
    call(&engine, 100..150);
    call(&engine, 100..150);
    assert_eq!(engine.compilations(), compilations, "a hundred contracts have their places");
}
