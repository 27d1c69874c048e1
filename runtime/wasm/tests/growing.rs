//! How far memory grows: by the module's word, by the limit of one memory, and by what the call stack leaves.

mod common;

use common::{GAS, TestHost, at, engine, run, wat};
use entente_host::{ContractFault, FrameStatus, Outcome, STACK_MEMORY_PAGES_MAX};
use entente_wasm::Entry;

/// Grows by the pages that its input names, and gives back what that answered and the size after it.
fn growing(memory: &str) -> Vec<u8> {
    wat(&format!(
        r#"(module
            (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
            (import "entente" "output" (func $output (param i32 i32)))
            (memory (export "memory") {memory})
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32)
                (call $input_read (i32.const 0) (i32.const 0) (i32.const 4))
                (i32.store (i32.const 0) (memory.grow (i32.load (i32.const 0))))
                (i32.store (i32.const 4) (memory.size))
                (if (i32.ne (i32.load (i32.const 0)) (i32.const -1))
                    (then (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1))))
                (call $output (i32.const 0) (i32.const 8))
                (i32.const 0)))"#
    ))
}

fn enter(module: &[u8], by: i32, memory_pages: u32) -> Outcome {
    let engine = engine();
    let host = TestHost::new(&engine).with(at(1), module);
    let (_, outcome) = host.enter_with(Entry::Call, at(1), &by.to_le_bytes(), GAS, memory_pages);
    outcome.expect("no fault of the node")
}

fn answered(outcome: &Outcome) -> (i32, i32) {
    assert_eq!(outcome.status, FrameStatus::Success);
    let word = |at: usize| i32::from_le_bytes(outcome.output[at..at + 4].try_into().expect("four bytes"));
    (word(0), word(4))
}

#[test]
fn memory_grows_to_the_nearest_of_three_limits() {
    let all = STACK_MEMORY_PAGES_MAX;
    for (memory, by, pages, answer) in [
        // The limit of one memory.
        ("1", 255, all, (1, 256)),
        ("1", 256, all, (-1, 1)),
        ("256", 0, all, (256, 256)),
        ("256", 1, all, (-1, 256)),
        // What the module says.
        ("1 5", 4, all, (1, 5)),
        ("1 5", 5, all, (-1, 1)),
        ("1 65536", 255, all, (1, 256)),
        ("1 65536", 256, all, (-1, 1)),
        // What the call stack leaves.
        ("1", 9, 10, (1, 10)),
        ("1", 10, 10, (-1, 1)),
        ("3", 0, 3, (3, 3)),
        ("3", 1, 3, (-1, 3)),
        ("1 5", 4, 10, (1, 5)),
        ("1 5", 2, 2, (-1, 1)),
    ] {
        assert_eq!(answered(&enter(&growing(memory), by, pages)), answer, "({memory}) by {by} of {pages}");
    }
}

#[test]
fn no_number_of_pages_overflows() {
    // What is asked for is paid, also in vain: so much gas nobody has.
    for by in [i32::MAX, -1, i32::MIN] {
        let outcome = enter(&growing("1"), by, STACK_MEMORY_PAGES_MAX);
        assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::OutOfGas), "by {by}");
    }
}

#[test]
fn a_memory_that_does_not_fit_ends_its_frame_before_it_runs() {
    let fault = ContractFault::MemoryExhausted { limit: STACK_MEMORY_PAGES_MAX };
    assert_eq!(fault.code(), "memory_exhausted");
    let outcome = enter(&growing("3"), 0, 2);
    assert_eq!((outcome.status, outcome.gas_left), (FrameStatus::Fault(fault), 0));
    assert_eq!(answered(&enter(&growing("3"), 0, 3)), (3, 3));
}

#[test]
fn what_a_frame_has_is_taken_from_what_it_calls_can_have() {
    // Grows to as many pages as the first word of the input says, then calls itself with the rest; gives back what
    // the innermost could still grow to: one page after the other.
    let nested = wat(&format!(
        r#"(module
            (import "entente" "input_length" (func $input_length (result i32)))
            (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
            (import "entente" "output" (func $output (param i32 i32)))
            (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
            (import "entente" "return_read" (func $return_read (param i32 i32 i32)))
            (memory (export "memory") 1) (data (i32.const 1000) "{}")
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32)
                (call $input_read (i32.const 0) (i32.const 0) (call $input_length))
                (drop (memory.grow (i32.sub (i32.load (i32.const 0)) (i32.const 1))))
                (if (i32.gt_u (call $input_length) (i32.const 4))
                    (then
                        (if (call $call (i32.const 0) (i32.const 1000) (i64.const -1) (i32.const 2000) (i32.const 4)
                                (i32.sub (call $input_length) (i32.const 4)))
                            (then unreachable))
                        (call $return_read (i32.const 100) (i32.const 0) (i32.const 4)))
                    (else
                        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
                        (i32.store (i32.const 100) (memory.size))))
                (call $output (i32.const 100) (i32.const 4))
                (i32.const 0)))"#,
        "\\01".repeat(20)
    ));
    let engine = engine();
    for (sizes, all, innermost) in [
        (&[1_u32][..], 1024, 256),
        (&[1], 7, 7),
        (&[4, 1], 10, 6),
        (&[4, 3, 1], 10, 3),
        (&[256, 256, 256, 1], 1024, 256),
        (&[256, 256, 256, 100, 1], 1024, 156),
        (&[256, 256, 256, 255, 1], 1024, 1),
    ] {
        // Twice, so that kept instances are seen to answer the same.
        for _ in 0..2 {
            let input: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
            let host = TestHost::new(&engine).with(at(1), &nested);
            let outcome = host.enter_with(Entry::Call, at(1), &input, 100 * GAS, all).1.expect("no fault of the node");
            assert_eq!(outcome.status, FrameStatus::Success, "{sizes:?} of {all}");
            assert_eq!(outcome.output, u32::to_le_bytes(innermost), "{sizes:?} of {all}");
        }
    }
}

#[test]
fn growing_in_vain_does_not_show_later() {
    let (engine, module) = (engine(), growing("1"));
    let again = |by: u32, pages: u32| {
        let host = TestHost::new(&engine).with(at(1), &module);
        let outcome =
            host.enter_with(Entry::Call, at(1), &by.to_le_bytes(), GAS, pages).1.expect("no fault of the node");
        answered(&outcome)
    };
    assert_eq!(again(5, 3), (-1, 1));
    assert_eq!(again(5, 6), (1, 6));
    assert_eq!(again(5, 5), (-1, 1));
    assert_eq!(
        run(&engine, &module, &0_u32.to_le_bytes(), GAS).1.output,
        [1_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat()
    );
}
