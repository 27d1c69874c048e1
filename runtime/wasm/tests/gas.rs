//! What instructions cost, and how the gas and the stack come to their ends.
#![allow(clippy::format_push_string, reason = "text of test modules")]

mod common;

use common::{GAS, engine, run, wat, with_body};
use entente_host::{ContractFault, FrameStatus, gas::SCHEDULE_1};

const I: u64 = SCHEDULE_1.instruction;
const M: u64 = SCHEDULE_1.memory_access;
const F: u64 = SCHEDULE_1.function_call;

/// What a body costs beside the instance it runs in.
fn used(declarations: &str, body: &str) -> u64 {
    let whole = |body: &str| {
        let (_, outcome) = run(&engine(), &with_body(declarations, body), &[], GAS);
        assert_eq!(outcome.status, FrameStatus::Success, "{body}");
        GAS - outcome.gas_left
    };
    whole(body) - (whole("(i32.const 0)") - I)
}

#[test]
fn each_frame_pays_for_its_instance() {
    let cost = |text: &str| {
        let text = format!(
            r#"(module (func (export "deploy") (result i32) i32.const 0)
                (func $call (export "call") (result i32) i32.const 0) {text})"#
        );
        let (engine, module) = (engine(), wat(&text));
        // Whether the instance is new or kept does not show.
        let [first, second] = [0, 1].map(|_| GAS - run(&engine, &module, &[], GAS).1.gas_left - I);
        assert_eq!(first, second, "{text}");
        first
    };
    let (page, byte) = (SCHEDULE_1.memory_page, SCHEDULE_1.bulk_byte);
    assert_eq!(cost(r#"(memory (export "memory") 1)"#), page);
    assert_eq!(cost(r#"(memory (export "memory") 256)"#), 256 * page);
    let data = r#"(memory (export "memory") 2) (data (i32.const 0) "abc") (data (i32.const 1) "de")"#;
    assert_eq!(cost(data), 2 * page + 5 * byte);
    let globals = r#"(memory (export "memory") 1) (global i32 (i32.const 0)) (global (mut i64) (i64.const 0))"#;
    assert_eq!(cost(globals), page + SCHEDULE_1.instance_global);
    let table = r#"(memory (export "memory") 1) (table 9 funcref) (elem (i32.const 2) $call $call $call)"#;
    assert_eq!(cost(table), page + 3 * SCHEDULE_1.instance_element);
}

#[test]
fn gas_is_exactly_the_models() {
    let (grow, page) = (SCHEDULE_1.memory_grow, SCHEDULE_1.memory_page);
    let byte = SCHEDULE_1.bulk_byte;
    let cases = [
        ("a constant", "", "i32.const 0", I),
        ("straight", "", "(drop (i32.add (i32.const 1) (i32.const 2))) nop (i32.const 0)", 5 * I),
        ("division", "", "(i32.div_u (i32.const 0) (i32.const 5))", 2 * I + SCHEDULE_1.division),
        ("load", "", "(i32.load (i32.const 0))", I + M),
        ("store", "", "(i32.store (i32.const 0) (i32.const 9)) (i32.const 0)", 3 * I + 2 * M),
        (
            "an arm is charged only where it runs",
            "",
            "(if (i32.const 0) (then (drop (i32.const 1)) (drop (i32.const 1)))) (i32.const 0)",
            3 * I,
        ),
        (
            "the other arm",
            "",
            "(if (i32.const 0) (then (drop (i32.const 1))) (else (drop (i64.const 1)) (drop (i32.const 2)))) (i32.const 0)",
            3 * I + 4 * I,
        ),
        // Ten rounds of: get, const, sub, tee, br_if; and before it const, set.
        (
            "a loop",
            "",
            "(local $n i32) (local.set $n (i32.const 10))
             (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (i32.const 0)",
            2 * I + 10 * 5 * I + I,
        ),
        (
            "a branch table",
            "",
            "(block (block (br_table 0 1 (i32.const 1))) (drop (i32.const 7)) ) (i32.const 0)",
            I + 2 * I + I,
        ),
        ("an early return", "", "(return (i32.const 0)) (drop (i32.const 1)) (i32.const 0)", 2 * I),
        ("a call", "(func $f (drop (i32.const 1)))", "(call $f) (i32.const 0)", F + 2 * I + I),
        (
            "an indirect call",
            "(table 1 funcref) (elem (i32.const 0) $f) (type $t (func)) (func $f)",
            "(call_indirect (type $t) (i32.const 0)) (i32.const 0)",
            I + 2 * F + I,
        ),
        ("growing", "", "(drop (memory.grow (i32.const 3))) (i32.const 0)", 3 * I + grow + 3 * page),
        ("growing by nothing", "", "(drop (memory.grow (i32.const 0))) (i32.const 0)", 3 * I + grow),
        (
            "copying",
            "",
            "(memory.copy (i32.const 0) (i32.const 9) (i32.const 1000)) (i32.const 0)",
            5 * I + 1000 * byte,
        ),
        ("filling", "", "(memory.fill (i32.const 0) (i32.const 9) (i32.const 77)) (i32.const 0)", 5 * I + 77 * byte),
        (
            "a host function",
            r#"(import "entente" "block_number" (func $n (result i64)))"#,
            "(drop (call $n)) (i32.const 0)",
            F + 2 * I + SCHEDULE_1.host_call,
        ),
    ];
    for (name, declarations, body, cost) in cases {
        assert_eq!(used(declarations, body), cost, "{name}");
    }
}

#[test]
fn the_last_unit_is_enough_and_one_less_is_not() {
    let module = with_body("", "(drop (i32.add (i32.const 1) (i32.const 2))) (i32.const 0)");
    let cost = 5 * I + SCHEDULE_1.memory_page;
    let engine = engine();
    let (_, outcome) = run(&engine, &module, &[], cost);
    assert_eq!((outcome.status, outcome.gas_left), (FrameStatus::Success, 0));
    let (_, outcome) = run(&engine, &module, &[], cost - 1);
    assert_eq!((outcome.status, outcome.gas_left), (FrameStatus::Fault(ContractFault::OutOfGas), 0));
    let (_, outcome) = run(&engine, &module, &[], 0);
    assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::OutOfGas));
}

#[test]
fn loops_without_end_end_with_the_gas() {
    let engine = engine();
    for body in [
        "(loop (br 0)) (i32.const 0)",
        "(loop (drop (memory.grow (i32.const 1))) (br 0)) (i32.const 0)",
        "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br 0)) (i32.const 0)",
        "(drop (memory.grow (i32.const -1))) (i32.const 0)",
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) (loop (br 0)) (i32.const 0)",
    ] {
        let body = body.replace("(loop (br 0))", "(loop nop (br 0))");
        let (_, outcome) = run(&engine, &with_body("", &body), &[], 50_000_000);
        assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::OutOfGas), "{body}");
        assert_eq!(outcome.gas_left, 0);
    }
}

fn recursive(locals: usize, indirect: bool) -> Vec<u8> {
    // Every local is set before the call from what the optimizer cannot know, and used after it.
    let mut text = String::from(
        "(type $t (func (result i64))) (table 1 funcref) (elem (i32.const 0) $f) (func $f (result i64) (local ",
    );
    text.push_str(&"i64 ".repeat(locals));
    text.push(')');
    for local in 0..locals {
        text.push_str(&format!("(local.set {local} (i64.load (i32.const {})))", local * 8));
    }
    text.push_str(if indirect { "(call_indirect (type $t) (i32.load (i32.const 60000)))" } else { "(call $f)" });
    for local in 0..locals {
        text.push_str(&format!("local.get {local} i64.mul i64.const 3 i64.add "));
    }
    text.push(')');
    with_body(&text, "(drop (call $f)) (i32.const 0)")
}

#[test]
fn recursion_without_end_exhausts_the_stack_of_the_model() {
    let engine = engine();
    for indirect in [false, true] {
        for locals in [0, 1, 16, 128, 512, 1000, 1024] {
            let (_, outcome) = run(&engine, &recursive(locals, indirect), &[], GAS);
            assert_eq!(
                outcome.status,
                FrameStatus::Fault(ContractFault::StackExhausted),
                "{locals} locals, indirect: {indirect}"
            );
            assert_eq!(outcome.gas_left, 0);
        }
    }
}

#[test]
fn operands_alive_across_a_recursive_call_fit_the_model() {
    let loads = |count: usize| {
        (0..count).fold(String::new(), |text, index| text + &format!("(i64.load (i32.const {})) ", index * 8))
    };
    for operands in [100, 1000] {
        let text = format!("(func $f (result i64) {} (call $f) {})", loads(operands), "i64.xor ".repeat(operands));
        let module = with_body(&text, "(drop (call $f)) (i32.const 0)");
        let (_, outcome) = run(&engine(), &module, &[], GAS);
        assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::StackExhausted), "{operands} operands");
    }
}

/// Values with lives that overlap in many ways: what a register allocator finds hard to share slots among.
fn fragmented(values: usize, locals: usize) -> Vec<u8> {
    let mut text = format!("(func $f (param i32) (result i64) (local {})", "i64 ".repeat(locals));
    let mut state = 12345_u64;
    for step in 0..values {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let from = 1 + (state >> 33) as usize % locals;
        let to = 1 + (state >> 13) as usize % locals;
        match step % 4 {
            0 => text.push_str(&format!("(local.set {to} (i64.load (i32.const {})))", (step * 8) % 60000)),
            1 => text.push_str(&format!("(local.set {to} (i64.add (local.get {from}) (local.get {to})))")),
            2 => text.push_str(&format!(
                "(if (i32.load8_u (i32.const {})) (then (local.set {to} (i64.xor (local.get {from}) (i64.const 7)))))",
                step % 60000
            )),
            _ => text.push_str(&format!("(if (local.get 0) (then (local.set {to} (call $f (i32.const 1)))))")),
        }
    }
    for local in 1..=locals {
        text.push_str(&format!("local.get {local} "));
    }
    text.push_str(&"i64.add ".repeat(locals - 1));
    text.push(')');
    with_body(&text, "(drop (call $f (i32.const 1))) (i32.const 0)")
}

#[test]
fn lives_that_overlap_in_many_ways_fit_the_model() {
    for (values, locals) in
        [(500, 10), (1000, 30), (1500, 100), (300, 500), (600, 300), (3500, 4), (3500, 8), (1500, 60)]
    {
        let (_, outcome) = run(&engine(), &fragmented(values, locals), &[], GAS);
        assert_eq!(
            outcome.status,
            FrameStatus::Fault(ContractFault::StackExhausted),
            "{values} values, {locals} locals"
        );
    }
}

#[test]
fn mutual_recursion_exhausts_the_stack_too() {
    let module = with_body(
        "(func $even (param i32) (result i32) (call $odd (i32.add (local.get 0) (i32.const 1))))
         (func $odd (param i32) (result i32) (call $even (i32.add (local.get 0) (i32.const 1))))",
        "(call $even (i32.const 0))",
    );
    let (_, outcome) = run(&engine(), &module, &[], GAS);
    assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::StackExhausted));
}

#[test]
fn recursion_inside_the_budget_comes_back_and_gives_its_stack_back() {
    let module = with_body(
        "(func $sum (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (local.get 0) (call $sum (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0))))",
        "(local $round i32) (local.set $round (i32.const 50))
         (loop (drop (call $sum (i32.const 500)))
               (br_if 0 (local.tee $round (i32.sub (local.get $round) (i32.const 1)))))
         (i32.ne (call $sum (i32.const 1000)) (i32.const 500500))",
    );
    let (_, outcome) = run(&engine(), &module, &[], GAS);
    assert_eq!(outcome.status, FrameStatus::Success);
}

#[test]
fn traps_are_the_contracts_and_are_named() {
    let engine = engine();
    let cases = [
        ("unreachable", "", "unreachable"),
        ("memory access out of bounds", "", "(i32.load (i32.const 65533))"),
        ("memory access out of bounds", "", "(i32.load offset=4294967295 (i32.const -1))"),
        ("memory access out of bounds", "", "(i32.store offset=2147483648 (i32.const 0) (i32.const 0)) (i32.const 0)"),
        (
            "memory access out of bounds",
            "",
            "(memory.copy (i32.const 65530) (i32.const 0) (i32.const 9)) (i32.const 0)",
        ),
        ("memory access out of bounds", "", "(memory.fill (i32.const -1) (i32.const 0) (i32.const 1)) (i32.const 0)"),
        ("integer division by zero", "", "(i32.div_u (i32.const 1) (i32.const 0))"),
        ("integer overflow", "", "(i32.div_s (i32.const 0x80000000) (i32.const -1))"),
        (
            "undefined table element",
            "(type $t (func)) (table 1 funcref)",
            "(call_indirect (type $t) (i32.const 7)) (i32.const 0)",
        ),
        (
            "indirect call to null",
            "(type $t (func)) (table 1 funcref)",
            "(call_indirect (type $t) (i32.const 0)) (i32.const 0)",
        ),
        (
            "indirect call with another type",
            "(type $t (func (result i64))) (table 1 funcref) (elem (i32.const 0) $f) (func $f)",
            "(drop (call_indirect (type $t) (i32.const 0))) (i32.const 0)",
        ),
    ];
    for (name, declarations, body) in cases {
        let (_, outcome) = run(&engine, &with_body(declarations, body), &[], GAS);
        assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::Trap(name)), "{body}");
        assert_eq!((outcome.output.len(), outcome.gas_left), (0, 0));
    }
}

#[test]
fn segments_that_do_not_fit_are_the_contracts_fault() {
    for declarations in [
        "(data (i32.const 65536) \"x\")",
        "(data (i32.const -1) \"x\")",
        "(table 1 funcref) (func $f) (elem (i32.const 1) $f)",
    ] {
        let (_, outcome) = run(&engine(), &with_body(declarations, "(i32.const 0)"), &[], GAS);
        let fault = ContractFault::Trap("a data or element segment does not fit");
        assert_eq!(outcome.status, FrameStatus::Fault(fault), "{declarations}");
    }
}

#[test]
fn the_memory_grows_to_its_limit_and_no_further() {
    let module = wat(r#"(module (memory (export "memory") 1)
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32)
                (i32.or
                    (i32.ne (memory.grow (i32.const 255)) (i32.const 1))
                    (i32.or (i32.ne (memory.grow (i32.const 1)) (i32.const -1))
                            (i32.ne (memory.size) (i32.const 256))))))"#);
    let (_, outcome) = run(&engine(), &module, &[], GAS);
    assert_eq!(outcome.status, FrameStatus::Success);
}
