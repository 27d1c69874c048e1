//! What compiling costs, against what the gas schedule charges for it, and what compiled code leaves behind:
//! `cargo run --release -p entente-wasm --example compile_cost [MODULES]`.
//!
//! Compiles one function of nearly the largest size for each kind of code, and prints the processor's time beside the
//! time that the module's bytes pay for. With MODULES, compiles so many small modules on one engine instead, each
//! unlike the others, and prints the mappings of the process: Linux allows 65,530 unless it is told otherwise.

#[path = "../tests/common/mod.rs"]
mod common;

use std::{error::Error, fs};

use common::{code_hash, engine};
use entente_host::gas::SCHEDULE_1;
use entente_wasm::limits::BODY_BYTES_MAX;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, InstructionSink, MemArg,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// The units of gas that stand for a millisecond.
const UNITS_PER_MS: u64 = 400_000_000;
/// The locals that the function has of each type.
const LOCALS: u32 = 500;

/// A name, and what is written again and again.
type Kind = (&'static str, fn(&mut InstructionSink<'_>));

const KINDS: &[Kind] = &[
    ("additions", |code| _ = code.local_get(0).local_get(1).i32_add().local_set(0)),
    ("stores", |code| _ = code.local_get(0).local_get(1).i32_store(MemArg { offset: 0, align: 0, memory_index: 0 })),
    ("copies", |code| _ = code.local_get(0).local_get(1).local_get(2).memory_copy(0, 0)),
    ("branches", |code| _ = code.block(BlockType::Empty).local_get(0).br_if(0).end()),
    ("calls", |code| _ = code.call(1).drop()),
    ("calls of 16 values", |code| {
        (0..16).for_each(|local| _ = code.local_get(LOCALS + local));
        (0..500).for_each(|_| _ = code.call(2));
        (0..16).for_each(|_| _ = code.drop());
    }),
    ("loops in loops, 300 locals", |code| {
        (0..40).for_each(|_| _ = code.loop_(BlockType::Empty));
        (0..300).for_each(|local| _ = code.local_get(local).i32_const(1).i32_add().local_set(local));
        (0..40).for_each(|_| _ = code.local_get(0).br_if(0).end());
    }),
];

/// A module with a function of about so many bytes, and what its constructor answers.
fn module(bytes: usize, answer: i32, write: fn(&mut InstructionSink<'_>)) -> Vec<u8> {
    let wide = [ValType::I64; 16];
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function(wide, wide);
    let mut functions = FunctionSection::new();
    functions.function(0).function(0).function(1);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("deploy", ExportKind::Func, 1).export("call", ExportKind::Func, 0);
    let mut long = Function::new([(LOCALS, ValType::I32), (LOCALS, ValType::I64)]);
    while long.byte_len() < bytes {
        write(&mut long.instructions());
    }
    long.instructions().i32_const(0).end();
    let mut short = Function::new([]);
    short.instructions().i32_const(answer).end();
    let mut values = Function::new([]);
    (0..16).for_each(|local| _ = values.instructions().local_get(local));
    values.instructions().end();
    let mut code = CodeSection::new();
    code.function(&long).function(&short).function(&values);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}

/// The processor's time of this process, in milliseconds. Linux counts in hundredths of a second.
fn processor_ms() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok((fields[11].parse::<u64>()? + fields[12].parse::<u64>()?) * 10)
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(count) = std::env::args().nth(1) {
        let engine = engine();
        for number in 0..count.parse()? {
            let module = module(0, number, |_| ());
            engine.prepare(&code_hash(&module), &module)?;
            if number % 2_000 == 0 {
                println!("{number:>7} modules {:>7} mappings", fs::read_to_string("/proc/self/maps")?.lines().count());
            }
        }
        return Ok(());
    }
    println!("{:<28} {:>9} {:>12} {:>12}", "code", "bytes", "cost in ms", "paid in ms");
    for (name, write) in KINDS {
        let module = module(BODY_BYTES_MAX - (6 << 10), 0, *write);
        let before = processor_ms()?;
        engine().prepare(&code_hash(&module), &module)?;
        let paid = module.len() as u64 * SCHEDULE_1.code_byte / UNITS_PER_MS;
        println!("{name:<28} {:>9} {:>12} {paid:>12}", module.len(), processor_ms()? - before);
    }
    Ok(())
}
