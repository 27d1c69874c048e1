//! How long the worst known modules take to compile, and how much of the real stack their functions take, against what
//! the models allow.
//!
//! Prints, for each shape, the worst over some numbers of locals and sizes of body. `cargo bench -p entente-wasm --bench
//! bombs -- --search SECONDS SEED` looks for worse ones: recipes are changed at random, and a change is kept where it
//! makes things worse.

#[path = "../tests/common/bombs.rs"]
mod bombs;
#[path = "../tests/common/recipes.rs"]
mod recipes;

use std::{num::NonZero, time::Instant};

use bombs::{Shape, module_of, shapes};
use entente_host::gas::SCHEDULE_1;
use entente_wasm::limits::{BODY_BYTES_MAX, FUNCTION_WEIGHT_MAX, MODULE_BYTES_MAX, STACK_BUDGET, WEIGHT_MAX};
use recipes::{Random, Recipe};
use wasm_encoder::Function;
use wasmer::{
    Engine, Module,
    sys::{Cranelift, CraneliftOptLevel, EngineBuilder},
};
use wasmparser::{Operator, Parser, Payload};

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn engine() -> Engine {
    let mut compiler = Cranelift::default();
    compiler.opt_level(CraneliftOptLevel::Speed);
    compiler.num_threads(NonZero::<usize>::MIN);
    EngineBuilder::new(compiler).engine().into()
}

/// The largest frame among the functions, as the prologues of x86-64 tell it.
fn largest_frame(code: &[u8]) -> u32 {
    let frames = code.windows(7).filter(|bytes| bytes[..3] == [0x48, 0x81, 0xec]);
    let sizes = frames.map(|bytes| u32::from_le_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]));
    sizes.filter(|size| *size < 16 << 20 && size % 16 == 0).max().unwrap_or(0)
}

/// What the heaviest function takes of the stack by the model: what its first instructions take from the budget.
fn stack_weight(instrumented: &[u8]) -> i32 {
    let bodies = Parser::new(0).parse_all(instrumented).filter_map(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => body.get_operators_reader().ok()?.into_iter().nth(1)?.ok(),
        _ => None,
    });
    bodies
        .filter_map(|operator| if let Operator::I32Const { value } = operator { Some(value) } else { None })
        .max()
        .unwrap_or(0)
}

/// What measuring a module came to.
struct Figures {
    bytes: usize,
    instrumented: usize,
    weight: u64,
    seconds: f64,
    /// What the largest real frame is of its weight.
    frame: f64,
    /// Why it could not be compiled.
    failure: Option<String>,
}

/// Nothing where the module is refused.
fn measure(module: &[u8]) -> Option<Figures> {
    let weight = entente_wasm::weigh(module).ok()?;
    let instrumented = entente_wasm::instrumented(module, &SCHEDULE_1).ok()?;
    let engine = engine();
    let before = cpu_seconds();
    let compiled = Module::new(&engine, &instrumented);
    let seconds = cpu_seconds() - before;
    let (frame, failure) = match compiled {
        Ok(compiled) => {
            let code = compiled.serialize().expect("serializes");
            (f64::from(largest_frame(&code)) / f64::from(stack_weight(&instrumented)), None)
        }
        Err(error) => (0.0, Some(error.to_string().chars().take(200).collect())),
    };
    Some(Figures { bytes: module.len(), instrumented: instrumented.len(), weight, seconds, frame, failure })
}

/// How many copies of a function the rules let into one module.
fn copies_allowed(function: &Function, weight: u64) -> f64 {
    let by_size = MODULE_BYTES_MAX as f64 / (function.byte_len() + 8) as f64;
    if weight > FUNCTION_WEIGHT_MAX { 0.0 } else { by_size.min(WEIGHT_MAX as f64 / weight as f64).min(9_000.0) }
}

/// The seconds that the largest module of this function's copies would take, if copies take what one does.
fn whole(function: &Function, figures: &Figures) -> f64 {
    figures.seconds * copies_allowed(function, figures.weight)
}

fn line(name: &str, function: &Function, figures: &Figures) {
    println!(
        "{name:52} {:>7} {:>8} {:>7.1} ms, weight {:>6.1} ms, {:>5.2}; whole module {:>6.0} ms; frame {:>4.2}{}",
        figures.bytes,
        figures.instrumented,
        figures.seconds * 1e3,
        figures.weight as f64 / 1e6,
        figures.seconds * 1e9 / figures.weight as f64,
        whole(function, figures) * 1e3,
        figures.frame,
        figures.failure.as_ref().map_or(String::new(), |failure| format!(" FAILED: {failure}"))
    );
}

fn table(only: Option<&str>) {
    println!(
        "name, locals, bytes of body | bytes, instrumented | CPU time, weight, ratio | largest module | real frame / model"
    );
    for Shape { name, make } in shapes() {
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let mut worst: Option<(String, Function, Figures)> = None;
        for (locals, bytes) in [
            (4, 2),
            (4, 16),
            (4, 60),
            (30, 2),
            (30, 8),
            (30, 30),
            (100, 6),
            (100, 30),
            (100, 60),
            (800, 16),
            (1000, 60),
        ] {
            let function = make(locals, (bytes << 10_usize).min(BODY_BYTES_MAX - 100));
            let Some(figures) = measure(&module_of(&function, locals, 1)) else { continue };
            if std::env::var_os("ALL").is_some() {
                line(&format!("{name} {locals} {bytes}"), &function, &figures);
            }
            if worst.as_ref().is_none_or(|(_, function, worst)| whole(function, worst) < whole(function, &figures)) {
                worst = Some((format!("{name}, {locals}, {bytes} KiB"), function, figures));
            }
        }
        if let Some((name, function, figures)) = worst {
            line(&name, &function, &figures);
        }
    }
}

/// Looks for worse modules: by time, and every third climb by the real stack.
fn search(seconds: u64, seed: u64) {
    let (started, mut random) = (Instant::now(), Random(seed));
    let bytes_max = BODY_BYTES_MAX - 100;
    let mut climb = 0_u32;
    while started.elapsed().as_secs() < seconds {
        climb += 1;
        let by_frame = climb.is_multiple_of(3);
        let score = |recipe: &Recipe| {
            let function = recipe.function();
            let figures = measure(&module_of(&function, recipe.locals, 1))?;
            if let Some(failure) = &figures.failure {
                println!("FAILED: {failure}: {recipe:?}");
            }
            let score = if by_frame { figures.frame } else { whole(&function, &figures) };
            Some((score, function, figures))
        };
        let mut best = Recipe::random(&mut random, bytes_max);
        let Some(mut found) = score(&best) else { continue };
        let mut vain = 0;
        while vain < 25 && started.elapsed().as_secs() < seconds {
            let recipe = best.changed(&mut random, bytes_max);
            vain += 1;
            if let Some(better) = score(&recipe).filter(|(score, ..)| *score > found.0 * 1.02) {
                (best, found, vain) = (recipe, better, 0);
            }
        }
        line(if by_frame { "climb by frame" } else { "climb by time" }, &found.1, &found.2);
        println!("    {best:?}");
    }
}

/// A contract's module made longer: every function so often.
fn longer(module: &[u8], times: usize) -> Vec<u8> {
    let mut longer = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.expect("a module") {
            Payload::FunctionSection(reader) => {
                let types: Vec<u32> = reader.into_iter().map(|index| index.expect("an index")).collect();
                let mut section = wasm_encoder::FunctionSection::new();
                (0..times).flat_map(|_| &types).for_each(|index| {
                    section.function(*index);
                });
                longer.section(&section);
            }
            Payload::CodeSectionStart { range, .. } => {
                let reader =
                    wasmparser::CodeSectionReader::new(wasmparser::BinaryReader::new(&module[range.clone()], 0));
                let bodies: Vec<_> = reader.expect("bodies").into_iter().map(|body| body.expect("a body")).collect();
                let mut section = wasm_encoder::CodeSection::new();
                (0..times).flat_map(|_| &bodies).for_each(|body| {
                    section.raw(body.as_bytes());
                });
                longer.section(&section);
            }
            Payload::CodeSectionEntry(_) | Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    longer.section(&wasm_encoder::RawSection { id, data: &module[range] });
                }
            }
        }
    }
    longer.finish()
}

fn contract(path: &str) {
    let token = std::fs::read(path).expect("the token's module");
    for times in [1, 10, 20, 30, 40] {
        let module = longer(&token, times);
        match measure(&module) {
            Some(figures) => println!(
                "the token's functions {times} times: {} bytes, {:.1} ms, weight {:.1} ms",
                figures.bytes,
                figures.seconds * 1e3,
                figures.weight as f64 / 1e6
            ),
            None => println!(
                "the token's functions {times} times: {} bytes, refused: {:?}",
                module.len(),
                entente_wasm::check(&module)
            ),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |place: usize| arguments.get(place).and_then(|text| text.parse().ok());
    match arguments.first().map(String::as_str) {
        Some("--search") => search(number(1).unwrap_or(60), number(2).unwrap_or(1)),
        Some("--contract") => contract(&arguments[1]),
        only => table(only),
    }
    println!("the stack's budget is {STACK_BUDGET} bytes of the model");
}
