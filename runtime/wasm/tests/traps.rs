//! Where a contract's code failed is told by the name of its function, beside what the fault is.

mod common;

use common::{GAS, engine, run, wat};
use entente_host::{ContractFault, FrameStatus, Outcome};
use entente_wasm::limits::FUNCTION_NAME_BYTES_MAX;

/// A module in which `call` calls one function that does this, three functions deep.
fn failing(body: &str) -> Vec<u8> {
    wat(&format!(
        r#"(module
            (import "entente" "input_read" (func $host (param i32 i32 i32)))
            (import "entente" "revert" (func $revert (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "deploy") (result i32) i32.const 0)
            (func $token::transfer (param $n i32) {body})
            (func $between (call $token::transfer (i32.const 5)) (call $token::transfer (i32.const 6)))
            (func $entry (export "call") (result i32) (call $between) (i32.const 0)))"#
    ))
}

fn outcome(module: &[u8], gas: u64) -> Outcome {
    run(&engine(), module, &[], gas).1
}

#[test]
fn every_way_to_fail_names_its_function() {
    for body in [
        "unreachable",
        "(drop (i32.load (i32.const 65536)))",
        "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1))",
        "(memory.copy (i32.const 65536) (i32.const 0) (i32.const 1))",
        "(drop (i32.div_u (local.get 0) (i32.const 0)))",
        "(call $host (i32.const 0) (i32.const 0) (i32.const 1))",
        "(call $host (i32.const 65536) (i32.const 0) (i32.const 0)) (call $host (i32.const -1) (i32.const 0) (i32.const 1))",
        "(loop $ever nop (br $ever))",
        "(call $token::transfer (local.get 0))",
    ] {
        let outcome = outcome(&failing(body), GAS);
        assert!(matches!(outcome.status, FrameStatus::Fault(_)), "{body}: {outcome:?}");
        assert_eq!(outcome.function.as_deref(), Some("token::transfer"), "{body}");
    }
}

#[test]
fn success_and_revert_name_none() {
    for body in ["", "(call $revert (i32.const 0) (i32.const 0))"] {
        assert_eq!(outcome(&failing(body), GAS).function, None, "{body}");
    }
}

#[test]
fn the_fault_itself_bears_no_name() {
    let FrameStatus::Fault(fault) = outcome(&failing("unreachable"), GAS).status else { panic!("no fault") };
    assert_eq!(fault, ContractFault::Trap("unreachable"));
    assert!(!format!("{:?}", fault.receipt_error()).contains("token"));
}

#[test]
fn functions_without_a_name_are_told_by_their_number() {
    let module = wat(r#"(module (memory (export "memory") 1)
        (func (export "deploy") (result i32) i32.const 0)
        (func (export "call") (result i32) (call 2) (i32.const 0))
        (func unreachable))"#);
    assert_eq!(outcome(&module, GAS).function.as_deref(), Some("function 2"));
}

#[test]
fn long_names_are_cut_and_damaged_ones_ignored() {
    let long = "é".repeat(300);
    let module = wat(&format!(
        r#"(module (memory (export "memory") 1)
            (func (export "deploy") (result i32) i32.const 0)
            (func $"{long}" (export "call") (result i32) unreachable))"#
    ));
    let name = outcome(&module, GAS).function.expect("a name");
    assert!(name.len() <= FUNCTION_NAME_BYTES_MAX && long.starts_with(&*name), "{name}");
    // The name section is the last: any of its bytes may be anything.
    let start = module.len() - 600;
    for place in (start..module.len()).step_by(7) {
        for byte in [0, 0x7f, 0xff] {
            let mut damaged = module.clone();
            damaged[place] = byte;
            if entente_wasm::check(&damaged).is_ok() {
                let status = outcome(&damaged, GAS).status;
                assert_eq!(status, FrameStatus::Fault(ContractFault::Trap("unreachable")), "byte {byte} at {place}");
            }
        }
    }
}

/// A trap costs no more where the stack is deep: the stack is not walked.
#[test]
fn a_trap_deep_in_the_stack_takes_no_longer_than_one_at_its_beginning() {
    let module = |depth: u32| {
        wat(&format!(
            r#"(module (memory (export "memory") 1)
                (func (export "deploy") (result i32) i32.const 0)
                (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))))
                    unreachable)
                (func (export "call") (result i32) (call $deep (i32.const {depth})) (i32.const 0)))"#
        ))
    };
    let engine = engine();
    let seconds = |depth| {
        let module = module(depth);
        run(&engine, &module, &[], GAS);
        let started = std::time::Instant::now();
        for _ in 0..50 {
            let outcome = run(&engine, &module, &[], GAS).1;
            assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::Trap("unreachable")));
        }
        started.elapsed().as_secs_f64() / 50.0
    };
    let (shallow, deep) = (seconds(1), seconds(1_500));
    // Walking 1,500 functions would take a millisecond at least.
    assert!(deep < shallow * 5.0 + 0.0003, "{shallow} s and {deep} s");
}
