//! Every limit of a module, in one place. Each has a rule's name, by which a module is refused.

/// The bytes of a module (`size`).
pub const MODULE_BYTES_MAX: usize = 512 << 10;
/// The types a module declares (`types`).
pub const TYPES_MAX: u32 = 1_000;
/// The parameters of one type (`parameters`).
pub const PARAMETERS_MAX: usize = 128;
/// The results of one type (`results`): each call and branch multiplies them.
pub const RESULTS_MAX: usize = 16;
/// The functions a module imports (`imports`): each instance binds them all.
pub const IMPORTS_MAX: u32 = 256;
/// The functions a module defines (`functions`).
pub const FUNCTIONS_MAX: u32 = 10_000;
/// The elements of its table (`table`).
pub const TABLE_ELEMENTS_MAX: u64 = 10_000;
/// The elements that all element segments put there (`elements`): each instance does so anew.
pub const SEGMENT_ELEMENTS_MAX: u64 = 20_000;
/// The pages of 64 KiB that its memory begins with or grows to (`memory`).
pub const MEMORY_PAGES_MAX: u64 = 256;
/// The globals it defines (`globals`).
pub const GLOBALS_MAX: u32 = 1_000;
/// The bytes of one function's body (`body`).
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// The locals and parameters of one function (`locals`).
pub const LOCALS_MAX: u32 = 1_024;
/// The values that one function has on its operand stack at once (`operands`).
pub const OPERANDS_MAX: u32 = 1_024;
/// How deep blocks nest in one function (`nesting`).
pub const NESTING_MAX: usize = 256;
/// The targets of one `br_table` (`branch_table`).
pub const BRANCH_TARGETS_MAX: u32 = 4_096;
/// The data segments (`data`).
pub const DATA_SEGMENTS_MAX: u32 = 1_000;
/// How much work a compiler may have with a module, by the model that `weight.rs` is (`weight`).
pub const WEIGHT_MAX: u64 = 1_000_000_000;
/// The same of one function, which a compiler compiles in one go (`weight`).
pub const FUNCTION_WEIGHT_MAX: u64 = 500_000_000;

/// The bytes of a function's name that are kept, to say where a trap happened; longer ones are cut.
pub const FUNCTION_NAME_BYTES_MAX: usize = 128;

/// What functions nested in one another may take of the stack, by the model of [`stack_weight`].
pub const STACK_BUDGET: i32 = 640 << 10;

/// What one function takes of the stack at most, in bytes of the model: two registers' width for each local and each
/// operand, one for each value that the optimiser may keep for later, and the frame around them.
pub const fn stack_weight(locals: u32, operands: u32, kept: u32) -> i32 {
    let bytes = (locals as i64 + operands as i64) * 16 + kept as i64 * 8 + 160;
    if bytes > i32::MAX as i64 { i32::MAX } else { bytes as i32 }
}

// What a frame's code meets is shared with the contract kit, whose chain for tests keeps the same.
pub use entente_host::limits::{
    CALL_DATA_BYTES_MAX, HASH_BYTES_MAX, LOG_DATA_BYTES_MAX, STORAGE_KEY_BYTES_MAX, STORAGE_VALUE_BYTES_MAX,
};

/// The bytes that a reset restores at most: an instance that touched more is dropped, since a new one costs less.
pub const RESTORED_BYTES_MAX: usize = 128 << 10;
/// The instances that one thread keeps for later calls, of all modules.
pub const INSTANCES_KEPT_MAX: usize = 128;
/// The bytes that those have together: their memories, and the machine code that each keeps alive.
pub const INSTANCE_BYTES_KEPT_MAX: usize = 256 << 20;
/// The bytes of a module's section `entente:abi` that are shown to those who ask for the ABI.
pub const ABI_SECTION_BYTES_MAX: usize = 64 << 10;
/// The bytes of compiled code that an engine keeps: machine code, what the compiler says of it, and what memories begin
/// with.
pub const COMPILED_BYTES_MAX: usize = 256 << 20;
