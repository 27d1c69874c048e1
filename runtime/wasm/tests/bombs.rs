//! The worst known modules inside the limits compile in time, and their functions fit the stack that the model allows.

mod common;

#[path = "common/bombs.rs"]
mod bombs;
#[path = "common/recipes.rs"]
mod recipes;

use bombs::{Bomb, FIRST_OWN_FUNCTION, module_of, shapes};
use common::{code_hash, engine, run};
use entente_host::{ContractFault, FrameStatus};
use entente_wasm::{check, limits, weigh};
use wasm_encoder::{Function, Instruction as I, ValType};

/// CPU seconds that the worst module may take here. On an idle machine it is half a second; others may be slower.
const SECONDS_MAX: f64 = 2.5;

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The largest module of copies of this function that the rules let through, and one with a copy more.
fn largest(function: &Function, locals: u32) -> (Vec<u8>, Vec<u8>) {
    let (mut inside, mut outside) = (0, 20_000);
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        *if check(&module_of(function, locals, middle)).is_ok() { &mut inside } else { &mut outside } = middle;
    }
    (module_of(function, locals, inside), module_of(function, locals, outside))
}

fn compiles_in_time(name: &str, module: &[u8]) {
    let before = cpu_seconds();
    engine().prepare(&code_hash(module), module).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let seconds = cpu_seconds() - before;
    assert!(seconds < SECONDS_MAX, "{name}: {seconds:.2} s, weight {:?}", weigh(module));
}

/// Types, imports, functions and locals: what costs a compiler without any code.
fn empty_bombs() -> Vec<(&'static str, Vec<u8>)> {
    let empty = |locals: u32| {
        let mut function = Function::new([(locals, ValType::I64)]);
        function.instruction(&I::End);
        function
    };
    let fits = |make: &dyn Fn(usize) -> Bomb, most: usize| {
        let (mut inside, mut outside) = (0, most + 1);
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            *if check(&make(middle).module()).is_ok() { &mut inside } else { &mut outside } = middle;
        }
        make(inside).module()
    };
    let wide = || (vec![ValType::I64; limits::PARAMETERS_MAX], vec![ValType::I64; limits::RESULTS_MAX]);
    vec![
        ("types", fits(&|count| Bomb { types: vec![wide(); count], ..Bomb::of(vec![]) }, limits::TYPES_MAX as usize)),
        ("functions", fits(&|count| Bomb::of(vec![empty(0); count]), limits::FUNCTIONS_MAX as usize)),
        ("locals", fits(&|count| Bomb::of(vec![empty(1024); count]), limits::FUNCTIONS_MAX as usize)),
        (
            "imports, globals, elements and data",
            Bomb {
                imports: limits::IMPORTS_MAX,
                globals: limits::GLOBALS_MAX,
                table: limits::TABLE_ELEMENTS_MAX as u32,
                elements: limits::TABLE_ELEMENTS_MAX as u32,
                data: vec![(0, 400); limits::DATA_SEGMENTS_MAX as usize],
                ..Bomb::of(vec![])
            }
            .module(),
        ),
    ]
}

/// A function of a shape, which may become longer than it was asked to be, with what it was asked to be.
fn inside_a_body(make: fn(u32, usize) -> Function, locals: u32, bytes: usize) -> (Function, usize) {
    let smaller = std::iter::successors(Some(bytes), |bytes| Some(bytes / 10 * 9));
    let mut all = smaller.map(|bytes| (make(locals, bytes), bytes));
    all.find(|(function, _)| function.byte_len() <= limits::BODY_BYTES_MAX).expect("one of no bytes")
}

/// One test, so that nothing else of this program adds to the CPU's time.
#[test]
fn the_worst_modules_inside_the_limits_compile_in_time() {
    for (name, module) in empty_bombs() {
        assert_eq!(check(&module), Ok(()), "{name}");
        compiles_in_time(name, &module);
    }
    for shape in shapes() {
        for (locals, bytes) in [(30, 2 << 10), (100, 30 << 10), (800, limits::BODY_BYTES_MAX)] {
            let (function, bytes) = inside_a_body(shape.make, locals, bytes);
            let name = format!("{}, {locals} locals, {bytes} bytes", shape.name);
            let (inside, outside) = largest(&function, locals);
            let refused = check(&outside);
            assert!(
                matches!(refused, Err(ContractFault::ModuleRule { rule: "weight" | "size" | "functions", .. })),
                "{name}: {refused:?}"
            );
            compiles_in_time(&name, &inside);
        }
    }
}

#[test]
fn functions_that_keep_many_values_fit_the_stack_of_the_model() {
    let call = I::Call(FIRST_OWN_FUNCTION);
    let twice = |count: u32, piece: &dyn Fn(&mut Function, u32)| {
        let mut function = Function::new([(2, ValType::I64)]);
        for round in (0..count).chain([u32::MAX]).chain(0..count) {
            if round == u32::MAX {
                function.instruction(&call);
            } else {
                piece(&mut function, round);
            }
        }
        function.instruction(&I::End);
        function
    };
    let memarg = |offset| wasm_encoder::MemArg { offset, align: 0, memory_index: 0 };
    let product = |function: &mut Function, round: u32| {
        function.instruction(&I::I32Const(0)).instruction(&I::LocalGet(0));
        function.instruction(&I::I64Const(i64::from(round) * 2 + 3)).instruction(&I::I64Mul);
        function.instruction(&I::I64Store(memarg(0)));
    };
    let load = |function: &mut Function, round: u32| {
        function.instruction(&I::LocalGet(1)).instruction(&I::I32Const(0));
        function.instruction(&I::I64Load(memarg(u64::from(round) * 8)));
        function.instruction(&I::I64Xor).instruction(&I::LocalSet(1));
    };
    let mark = |function: &mut Function, round: u32| {
        function.instruction(&I::LocalGet(0)).instruction(&I::I32WrapI64).instruction(&I::LocalGet(0));
        function.instruction(&I::I64Store(memarg(u64::from(round) * 8)));
    };
    for count in [10, 100, 500, 900] {
        for piece in [&product as &dyn Fn(&mut Function, u32), &load, &mark] {
            let module = Bomb { entered: true, ..Bomb::of(vec![twice(count, piece)]) }.module();
            let (_, outcome) = run(&engine(), &module, &[], common::GAS);
            assert_eq!(outcome.status, FrameStatus::Fault(ContractFault::StackExhausted), "{count}");
        }
    }
}
