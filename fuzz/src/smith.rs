//! Modules that wasm-smith makes: whatever WebAssembly allows, of the features that contracts may use.

use std::sync::LazyLock;

use entente_host::host_functions;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};

use super::executor;

macro_rules! imports {
    (@type u32) => { "i32" };
    (@type u64) => { "i64" };
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        concat!("(module ", $(
            "(import \"entente\" \"", stringify!($name), "\" (func",
            $(" (param ", imports!(@type $type), ")",)*
            $(" (result ", imports!(@type $result), ")",)?
            "))\n",
        )* ")")
    };
}

static IMPORTS: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(host_functions!(imports)).expect("the table of host functions"));

static EXPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let text = r#"(module (memory (export "memory") 1 2)
        (func (export "deploy") (result i32) (i32.const 0)) (func (export "call") (result i32) (i32.const 0)))"#;
    wat::parse_str(text).expect("a module")
});

/// The first byte chooses a few features, the rest the module.
pub fn check(data: &[u8]) {
    let Some((features, bytes)) = data.split_first() else { return };
    let mut unstructured = libfuzzer_sys::arbitrary::Unstructured::new(bytes);
    let Ok(module) = Module::new(config(*features), &mut unstructured) else { return };
    executor::run(&module.to_bytes(), &[b"", b"an input"]);
}

fn config(features: u8) -> Config {
    use InstructionKind::{Control, MemoryInt, NumericInt, Parametric, Variable};
    Config {
        available_imports: Some(IMPORTS.clone()),
        exports: Some(EXPORTS.clone()),
        allowed_instructions: InstructionKinds::new(&[NumericInt, Parametric, Variable, MemoryInt, Control]),
        allow_floats: false,
        allow_start_export: false,
        bulk_memory_enabled: features & 1 != 0,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        max_instructions: 400,
        max_imports: 30,
        max_memories: 1,
        max_memory32_bytes: 4 << 20,
        max_table_elements: 200,
        max_tables: 1,
        memory64_enabled: false,
        multi_value_enabled: features & 2 != 0,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: false,
        sign_extension_ops_enabled: true,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// Bytes without a pattern: they choose everything there is.
pub fn seeds() -> Vec<Vec<u8>> {
    let noise = |seed: u32, length: u32| -> Vec<u8> {
        (0..length).map(|step| ((step ^ seed).wrapping_mul(2_654_435_761).rotate_left(seed % 32) >> 24) as u8).collect()
    };
    (0..12).map(|seed| [vec![seed as u8], noise(seed, 200 + 300 * seed)].concat()).collect()
}
