//! Every rule of a module: what breaks it, where that is said to be, and what is just inside.

mod common;

use std::fmt::Write;

use common::wat;
use entente_host::ContractFault;
use entente_wasm::{check, limits, weigh};
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

/// Where a rule says that a module breaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the instruction that begins with these bytes.
    Instruction(&'static [u8]),
    /// In the section with this number (WebAssembly 1.0, section 5.5.2).
    Section(u8),
    /// At the end: something is missing.
    End,
}

fn is_at(module: &[u8], offset: u64, place: Place) -> bool {
    let offset = offset as usize;
    match place {
        Place::Instruction(bytes) => module.get(offset..).is_some_and(|rest| rest.starts_with(bytes)),
        Place::End => offset == module.len(),
        Place::Section(number) => wasmparser::Parser::new(0).parse_all(module).any(|payload| {
            let section = payload.ok().and_then(|payload| payload.as_section());
            section.is_some_and(|(id, range)| id == number && (range.start..=range.end).contains(&offset))
        }),
    }
}

const TYPES: Place = Place::Section(1);
const TABLES: Place = Place::Section(4);
const MEMORIES: Place = Place::Section(5);
const GLOBALS: Place = Place::Section(6);
const START: Place = Place::Section(8);
const ELEMENTS: Place = Place::Section(9);
const CODE: Place = Place::Section(10);
const DATA: Place = Place::Section(11);
const TAGS: Place = Place::Section(13);

#[test]
fn what_has_no_place_here_is_refused_by_its_name_and_place() {
    let at = Place::Instruction;
    let table = "(table 1 funcref)";
    let drops = |text: &str| plain(&format!("{table} (func {text})"));
    let cases = [
        ("float", CODE, function("(local f64) local.get 0 drop")),
        ("float", at(&[0x43]), function("f32.const 1 drop")),
        ("float", at(&[0x44]), function("nop f64.const 1 drop")),
        ("float", at(&[0x2a]), function("i32.const 0 f32.load drop")),
        ("float", at(&[0xb2]), function("i32.const 0 f32.convert_i32_s drop")),
        ("float", TYPES, plain("(type (func (param f32)))")),
        ("float", TYPES, plain("(type (func (result f64)))")),
        ("float", GLOBALS, plain("(global f64 (f64.const 0))")),
        ("simd", at(&[0xfd, 0x0c]), function("v128.const i64x2 0 0 drop")),
        ("simd", GLOBALS, plain("(global v128 (v128.const i64x2 0 0))")),
        ("simd", TYPES, plain("(type (func (param v128)))")),
        ("threads", at(&[0xfe, 0x10]), function("i32.const 0 i32.atomic.load drop")),
        ("threads", at(&[0xfe, 0x03]), function("atomic.fence")),
        ("threads", MEMORIES, wat(&format!("(module (memory (export \"memory\") 1 2 shared) {ENTRIES})"))),
        ("tail_call", at(&[0x12]), function("return_call 0")),
        ("tail_call", at(&[0x13]), drops("i32.const 0 return_call_indirect")),
        ("exception", TAGS, plain("(tag)")),
        ("exception", at(&[0x0a]), function("unreachable throw_ref")),
        ("exception", at(&[0x1f]), function("try_table end")),
        ("start", START, plain("(func $f) (start $f)")),
        ("passive_segment", DATA, plain("(data \"x\")")),
        ("passive_segment", ELEMENTS, plain("(table 1 funcref) (func $f) (elem func $f)")),
        ("passive_segment", ELEMENTS, plain("(table 1 funcref) (func $f) (elem declare func $f)")),
        ("table", TABLES, plain("(table 1 funcref) (table 1 funcref)")),
        ("reference_type", TYPES, plain("(func (param externref))")),
        ("reference_type", TABLES, plain("(table 1 externref)")),
        ("table_instruction", at(&[0xfc, 0x0e]), drops("i32.const 0 i32.const 0 i32.const 0 table.copy")),
        ("table_instruction", at(&[0x25]), drops("i32.const 0 table.get 0 drop")),
        ("table_instruction", at(&[0x26]), drops("unreachable table.set 0")),
        ("table_instruction", at(&[0xfc, 0x10]), drops("table.size 0 drop")),
        ("table_instruction", at(&[0xfc, 0x0f]), drops("unreachable table.grow 0 drop")),
        ("table_instruction", at(&[0xfc, 0x11]), drops("unreachable table.fill 0")),
        ("memory", MEMORIES, plain("(memory 1)")),
        ("memory", Place::End, wat(&format!("(module {ENTRIES})"))),
        ("memory", MEMORIES, wat(&format!("(module (memory (export \"memory\") 0 5) {ENTRIES})"))),
        ("memory64", MEMORIES, wat(&format!("(module (memory (export \"memory\") i64 1) {ENTRIES})"))),
        ("validation", CODE, function("i32.const 0")),
        ("validation", at(&[0x6a]), function("i32.const 0 i32.add drop")),
    ];
    for (index, (rule, place, module)) in cases.iter().enumerate() {
        let Err(ContractFault::ModuleRule { rule: found, offset, message }) = check(module) else {
            panic!("case {index}: {rule} was expected, {:?} found", check(module))
        };
        assert_eq!(found, *rule, "case {index}: {message}");
        assert!(is_at(module, offset, *place), "case {index}: {rule} at {offset}, not at {place:?}: {message}");
    }
}

/// A function of ours and instructions on passive segments, which their own text cannot have without such segments.
#[test]
fn instructions_on_passive_segments_are_refused_at_their_place() {
    for (text, bytes) in [
        ("i32.const 0 i32.const 0 i32.const 0 memory.init $d", [0xfc_u8, 0x08]),
        ("data.drop $d", [0xfc, 0x09]),
        ("i32.const 0 i32.const 0 i32.const 0 table.init $e", [0xfc, 0x0c]),
        ("elem.drop $e", [0xfc, 0x0d]),
    ] {
        let text = format!(
            "(module (table 1 funcref) {MEMORY} {ENTRIES} (elem $e (i32.const 0) func 0) (data $d (i32.const 0) \"x\")
                (func {text}))"
        );
        let module = wat(&text);
        let Err(ContractFault::ModuleRule { rule, offset, .. }) = check(&module) else { panic!("accepted: {text}") };
        assert_eq!(rule, "passive_segment", "{text}");
        assert!(module[offset as usize..].starts_with(&bytes), "{text}: at {offset}");
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

/// A rule's name, where it is broken, what makes a module with so many of its things, and the limit.
type Numeric = (&'static str, Place, fn(usize) -> Vec<u8>, usize);

/// What sections may hold.
fn numeric() -> Vec<Numeric> {
    vec![
        ("types", TYPES, |count| plain(&repeat(count - 1, |_| "(type (func))".into())), limits::TYPES_MAX as usize),
        (
            "parameters",
            TYPES,
            |count| plain(&format!("(type (func (param {})))", "i32 ".repeat(count))),
            limits::PARAMETERS_MAX,
        ),
        (
            "results",
            TYPES,
            |count| plain(&format!("(type (func (result {})))", "i32 ".repeat(count))),
            limits::RESULTS_MAX,
        ),
        (
            "imports",
            Place::Section(2),
            |count| plain(&repeat(count, |_| r#"(import "entente" "caller" (func (param i32)))"#.into())),
            limits::IMPORTS_MAX as usize,
        ),
        (
            "functions",
            Place::Section(3),
            |count| plain(&repeat(count - 2, |_| "(func)".into())),
            limits::FUNCTIONS_MAX as usize,
        ),
        ("table", TABLES, |count| plain(&format!("(table {count} funcref)")), limits::TABLE_ELEMENTS_MAX as usize),
        (
            "elements",
            ELEMENTS,
            |count| {
                let segment = |count: usize| format!("(elem (i32.const 0) func {})", "$f ".repeat(count));
                plain(&format!("(table 9999 funcref) (func $f) {} {}", segment(count / 2), segment(count - count / 2)))
            },
            limits::SEGMENT_ELEMENTS_MAX as usize,
        ),
        (
            "memory",
            MEMORIES,
            |count| wat(&format!(r#"(module (memory (export "memory") {count}) {ENTRIES})"#)),
            limits::MEMORY_PAGES_MAX as usize,
        ),
    ]
}

/// What the later sections and functions may hold.
fn numeric_inside() -> Vec<Numeric> {
    vec![
        (
            "globals",
            GLOBALS,
            |count| plain(&repeat(count, |_| "(global i32 (i32.const 0))".into())),
            limits::GLOBALS_MAX as usize,
        ),
        (
            "locals",
            CODE,
            |count| function(&format!("(param i32) (local {})", "i64 ".repeat(count - 1))),
            limits::LOCALS_MAX as usize,
        ),
        (
            "operands",
            CODE,
            |count| function(&format!("{}{}", "i32.const 1 ".repeat(count), "drop ".repeat(count))),
            limits::OPERANDS_MAX as usize,
        ),
        (
            "nesting",
            CODE,
            // The function itself is the outermost.
            |count| function(&format!("{}{}", "block ".repeat(count - 1), "end ".repeat(count - 1))),
            limits::NESTING_MAX,
        ),
        (
            "branch_table",
            CODE,
            |count| function(&format!("block i32.const 0 br_table {} 0 end", "0 ".repeat(count))),
            limits::BRANCH_TARGETS_MAX as usize,
        ),
        (
            "data",
            DATA,
            |count| plain(&repeat(count, |_| "(data (i32.const 0) \"x\")".into())),
            limits::DATA_SEGMENTS_MAX as usize,
        ),
        // Two bytes of locals and `end` stand in a body beside its instructions.
        ("body", CODE, |count| function(&"nop ".repeat(count - 2)), limits::BODY_BYTES_MAX),
    ]
}

#[test]
fn each_limit_takes_what_is_just_inside_and_refuses_one_more() {
    for (rule, place, module, limit) in numeric().into_iter().chain(numeric_inside()) {
        assert_eq!(check(&module(limit)), Ok(()), "{rule} of {limit}");
        let beyond = module(limit + 1);
        assert_eq!(broken(&beyond), rule);
        let Err(ContractFault::ModuleRule { offset, .. }) = check(&beyond) else { unreachable!() };
        assert!(is_at(&beyond, offset, place), "{rule} at {offset}, not in {place:?}");
        let error = check(&beyond).unwrap_err().to_string();
        assert!(error.contains(&limit.to_string()) || error.contains(&(limit - 1).to_string()), "{error}");
    }
}

/// So many heavy functions, and one of so many `nop`s.
fn heavy(functions: usize, instructions: usize, nops: usize) -> Vec<u8> {
    let heavy = format!("(func {})", "(call_indirect (type 0) (i32.const 0))".repeat(instructions));
    let heavy = repeat(functions, |_| heavy.clone());
    plain(&format!("(type (func)) (table 1 funcref) {heavy} (func {})", "nop ".repeat(nops)))
}

/// The module with as many `nop`s as the rules let through, and the weight of one.
fn just_inside(functions: usize, instructions: usize) -> (usize, u64) {
    let (mut inside, mut outside) = (0, limits::BODY_BYTES_MAX - 2);
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        *if check(&heavy(functions, instructions, middle)).is_ok() { &mut inside } else { &mut outside } = middle;
    }
    let one = weigh(&heavy(0, 0, 1)).unwrap() - weigh(&heavy(0, 0, 0)).unwrap();
    (inside, one)
}

#[test]
fn the_weight_of_a_module_has_an_edge_too() {
    let instructions = 100;
    let each = weigh(&heavy(1, instructions, 0)).unwrap() - weigh(&heavy(0, instructions, 0)).unwrap();
    // As many as leave room for some thousand instructions that weigh next to nothing.
    let functions = ((limits::WEIGHT_MAX - 2_000_000) / each) as usize;
    let (inside, one) = just_inside(functions, instructions);
    assert!(inside > 0 && inside + 1 < limits::BODY_BYTES_MAX - 2, "{inside} of {functions} functions");
    let weight = weigh(&heavy(functions, instructions, inside)).expect("just inside");
    assert!(weight <= limits::WEIGHT_MAX && weight + one > limits::WEIGHT_MAX, "{weight}");
    let beyond = heavy(functions, instructions, inside + 1);
    let Err(ContractFault::ModuleRule { rule: "weight", offset, message }) = check(&beyond) else { panic!("accepted") };
    assert!(is_at(&beyond, offset, CODE) && message.contains(&limits::WEIGHT_MAX.to_string()), "{message}");
}

#[test]
fn the_weight_of_a_function_has_an_edge_too() {
    let (mut inside, mut outside) = (1, 20_000);
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        *if check(&heavy(1, middle, 0)).is_ok() { &mut inside } else { &mut outside } = middle;
    }
    let weight = |instructions| weigh(&heavy(1, instructions, 0)).unwrap() - weigh(&heavy(0, 0, 0)).unwrap();
    let (most, one) = (weight(inside), weight(inside) - weight(inside - 1));
    assert!(most <= limits::FUNCTION_WEIGHT_MAX && most + 2 * one > limits::FUNCTION_WEIGHT_MAX, "{most}");
    let beyond = heavy(1, outside, 0);
    let Err(ContractFault::ModuleRule { rule: "weight", offset, message }) = check(&beyond) else { panic!("accepted") };
    assert!(is_at(&beyond, offset, CODE) && message.contains(&limits::FUNCTION_WEIGHT_MAX.to_string()), "{message}");
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
