//! Every rule of a module: what breaks it, where that is said to be, and what is just inside.

mod common;

use std::fmt::Write;

use common::wat;
use entente_host::ContractFault;
use entente_wasm::{check, limits};
use proptest::prelude::*;

/// What every module of these tests has beside what it is about.
const ENTRIES: &str = r#"(func (export "deploy") (result i32) i32.const 0)
    (func (export "call") (result i32) i32.const 0)"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;

fn plain(declarations: &str) -> Vec<u8> {
    wat(&format!("(module {declarations} {MEMORY} {ENTRIES})"))
}

/// The rule that a module breaks; the offset must lie inside the module.
fn broken(module: &[u8]) -> &'static str {
    match check(module) {
        Err(ContractFault::ModuleRule { rule, offset, message }) => {
            assert!(offset <= module.len() as u64, "{rule} at {offset} of {}", module.len());
            assert!(!message.is_empty());
            if !["size", "export"].contains(&rule) && !message.contains("no memory") {
                assert!(offset >= 8, "{rule} at {offset}: {message}");
            }
            rule
        }
        other => panic!("{other:?}"),
    }
}

fn function(body: &str) -> Vec<u8> {
    plain(&format!("(func {body})"))
}

fn repeat(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        let _ = write!(text, "{} ", each(index));
        text
    })
}

#[test]
fn a_plain_module_is_accepted() {
    assert_eq!(check(&plain("")), Ok(()));
}

#[test]
fn what_has_no_place_here_is_refused_by_its_name() {
    let cases = [
        ("float", function("(local f64) local.get 0 drop")),
        ("float", function("f32.const 1 drop")),
        ("float", plain("(type (func (param f32)))")),
        ("float", plain("(global f64 (f64.const 0))")),
        ("simd", function("v128.const i64x2 0 0 drop")),
        ("simd", plain("(global v128 (v128.const i64x2 0 0))")),
        ("threads", function("i32.const 0 i32.atomic.load drop")),
        ("tail_call", function("return_call 0")),
        ("exception", plain("(tag)")),
        ("start", plain("(func $f) (start $f)")),
        ("passive_segment", plain("(data \"x\")")),
        ("passive_segment", plain("(table 1 funcref) (func $f) (elem func $f)")),
        ("passive_segment", plain("(table 1 funcref) (func $f) (elem declare func $f)")),
        ("table", plain("(table 1 funcref) (table 1 funcref)")),
        ("reference_type", plain("(func (param externref))")),
        ("reference_type", plain("(table 1 externref)")),
        ("table_instruction", plain("(table 1 funcref) (func i32.const 0 i32.const 0 i32.const 0 table.copy)")),
        ("memory", plain("(memory 1)")),
        ("memory", wat(&format!("(module {ENTRIES})"))),
        ("memory64", wat(&format!("(module (memory (export \"memory\") i64 1) {ENTRIES})"))),
        ("validation", function("i32.const 0")),
        ("validation", plain("(memory $m 1) (func (drop (i32.load8_s (i32.const 0))) i32.add)")),
    ];
    for (index, (rule, module)) in cases.iter().enumerate() {
        let found = broken(module);
        let second_memory = *rule == "validation" && found == "memory";
        assert!(found == *rule || second_memory, "case {index}: {found} where {rule} was expected");
    }
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\xff", b"\0asm\x0d\0\x01\0", b"#!/bin/sh"] {
        assert!(matches!(check(bytes), Err(ContractFault::ModuleRule { .. })), "{bytes:?}");
    }
}

#[test]
fn only_the_host_functions_can_be_imported() {
    let import = |text: &str| plain(&format!("(import {text})"));
    assert_eq!(check(&import(r#""entente" "caller" (func (param i32))"#)), Ok(()));
    for text in [
        r#""entente" "no_such_function" (func)"#,
        r#""env" "caller" (func (param i32))"#,
        r#""entente" "caller" (func)"#,
        r#""entente" "caller" (func (param i64))"#,
        r#""entente" "block_number" (func (result i32))"#,
        r#""entente" "memory" (memory 1)"#,
        r#""entente" "caller" (global i32)"#,
        r#""entente" "caller" (global (mut i32))"#,
        r#""entente" "caller" (table 1 funcref)"#,
    ] {
        assert_eq!(broken(&import(text)), "import", "{text}");
    }
    let error = check(&import(r#""env" "caller" (func (param i32))"#)).unwrap_err();
    assert!(error.to_string().contains("env.caller is no host function"), "{error}");
    let long = "x".repeat(5000);
    let error = check(&import(&format!(r#""{long}" "{long}" (func)"#))).unwrap_err();
    assert!(error.to_string().len() < 250, "{error}");
}

#[test]
fn the_entries_are_exported_as_they_should_be() {
    let deploy = r#"(func (export "deploy") (result i32) i32.const 0)"#;
    let modules = [
        format!("(module (memory 1) {ENTRIES})"),
        format!("(module {MEMORY} {deploy})"),
        format!(r#"(module {MEMORY} {deploy} (func (export "call")))"#),
        format!(r#"(module {MEMORY} {deploy} (func (export "call") (param i32) (result i32) i32.const 0))"#),
        format!(r#"(module {MEMORY} {deploy} (func (export "call") (result i64) i64.const 0))"#),
        format!(r#"(module {MEMORY} {deploy} (global (export "call") i32 (i32.const 0)))"#),
        // An import, even of the right type, is no code of the contract's.
        format!(
            r#"(module (import "entente" "input_length" (func (result i32))) {MEMORY} {deploy} (export "call" (func 0)))"#
        ),
    ];
    for text in modules {
        assert_eq!(broken(&wat(&text)), "export", "{text}");
    }
}

/// Each numeric limit: its rule, a module with this much, and the limit.
/// A rule's name, what makes a module with so many of its things, and the limit.
type Numeric = (&'static str, fn(usize) -> Vec<u8>, usize);

fn numeric() -> Vec<Numeric> {
    vec![
        ("types", |count| plain(&repeat(count - 1, |_| "(type (func))".into())), limits::TYPES_MAX as usize),
        (
            "parameters",
            |count| plain(&format!("(type (func (param {})))", "i32 ".repeat(count))),
            limits::PARAMETERS_MAX,
        ),
        ("results", |count| plain(&format!("(type (func (result {})))", "i32 ".repeat(count))), limits::RESULTS_MAX),
        (
            "imports",
            |count| plain(&repeat(count, |_| r#"(import "entente" "caller" (func (param i32)))"#.into())),
            limits::IMPORTS_MAX as usize,
        ),
        ("functions", |count| plain(&repeat(count - 2, |_| "(func)".into())), limits::FUNCTIONS_MAX as usize),
        ("table", |count| plain(&format!("(table {count} funcref)")), limits::TABLE_ELEMENTS_MAX as usize),
        (
            "elements",
            |count| {
                let segment = |count: usize| format!("(elem (i32.const 0) func {})", "$f ".repeat(count));
                plain(&format!("(table 9999 funcref) (func $f) {} {}", segment(count / 2), segment(count - count / 2)))
            },
            limits::SEGMENT_ELEMENTS_MAX as usize,
        ),
        (
            "memory",
            |count| wat(&format!(r#"(module (memory (export "memory") {count}) {ENTRIES})"#)),
            limits::MEMORY_PAGES_MAX as usize,
        ),
        (
            "globals",
            |count| plain(&repeat(count, |_| "(global i32 (i32.const 0))".into())),
            limits::GLOBALS_MAX as usize,
        ),
        (
            "locals",
            |count| function(&format!("(param i32) (local {})", "i64 ".repeat(count - 1))),
            limits::LOCALS_MAX as usize,
        ),
        (
            "operands",
            |count| function(&format!("{}{}", "i32.const 1 ".repeat(count), "drop ".repeat(count))),
            limits::OPERANDS_MAX as usize,
        ),
        (
            "nesting",
            // The function itself is the outermost.
            |count| function(&format!("{}{}", "block ".repeat(count - 1), "end ".repeat(count - 1))),
            limits::NESTING_MAX,
        ),
        (
            "branch_table",
            |count| function(&format!("block i32.const 0 br_table {} 0 end", "0 ".repeat(count))),
            limits::BRANCH_TARGETS_MAX as usize,
        ),
        (
            "data",
            |count| plain(&repeat(count, |_| "(data (i32.const 0) \"x\")".into())),
            limits::DATA_SEGMENTS_MAX as usize,
        ),
        // Two bytes of locals and `end` stand in a body beside its instructions.
        ("body", |count| function(&"nop ".repeat(count - 2)), limits::BODY_BYTES_MAX),
    ]
}

#[test]
fn each_limit_takes_what_is_just_inside_and_refuses_one_more() {
    for (rule, module, limit) in numeric() {
        assert_eq!(check(&module(limit)), Ok(()), "{rule} of {limit}");
        assert_eq!(broken(&module(limit + 1)), rule);
        let error = check(&module(limit + 1)).unwrap_err().to_string();
        assert!(error.contains(&limit.to_string()) || error.contains(&(limit - 1).to_string()), "{error}");
    }
}

#[test]
fn the_size_is_looked_at_first() {
    let sized = |size: usize| {
        let mut module = plain("");
        // A custom section of what is missing: its id, its length in five bytes, and an empty name.
        let rest = size - module.len() - 6;
        module.push(0);
        module.extend([0, 7, 14, 21].map(|shift| (rest >> shift) as u8 & 0x7f | 0x80));
        module.push((rest >> 28) as u8 & 0x7f);
        module.resize(size, 0);
        module
    };
    assert_eq!(check(&sized(limits::MODULE_BYTES_MAX)), Ok(()));
    assert_eq!(broken(&sized(limits::MODULE_BYTES_MAX + 1)), "size");
    assert_eq!(broken(&vec![0; limits::MODULE_BYTES_MAX + 1]), "size");
}

#[test]
fn the_offset_is_that_of_the_instruction() {
    let module = function("nop nop f32.const 1 drop");
    let Err(ContractFault::ModuleRule { offset, .. }) = check(&module) else { panic!("accepted") };
    assert_eq!(module[offset as usize], 0x43, "the opcode of f32.const stands at the offset");
}

proptest! {
    #[test]
    fn no_bytes_make_the_check_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = check(&bytes);
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend(bytes);
        let _ = check(&module);
    }
}
