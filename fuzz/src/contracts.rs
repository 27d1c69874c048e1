//! Contracts that do much: modules written so that nearly all of their steps mean something. Each call ends by giving
//! back a hash of the whole memory and the globals, so that nothing an instance remembers stays unseen.

use entente_host::host_functions;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, ImportSection, InstructionSink, MemArg, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

use super::{
    executor::{self, ADDRESS},
    input::Input,
};

/// A name of the host's, its parameters and its result.
type HostFunction = (&'static str, &'static [ValType], Option<ValType>);

macro_rules! table {
    (@type u32) => { ValType::I32 };
    (@type u64) => { ValType::I64 };
    (@result) => { None };
    (@result $type:ident) => { Some(table!(@type $type)) };
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        &[$((stringify!($name), &[$(table!(@type $type)),*], table!(@result $($result)?))),*]
    };
}

const HOST: &[HostFunction] = host_functions!(table);

/// Functions beside the two entries, each from i32 to i32.
const HELPERS: u32 = 3;
/// What a frame reads its input into.
const INPUT: i32 = 0x8000;
/// The contract's own address, for calls of itself.
const OWN_ADDRESS: i32 = 0x7000;
/// How deep statements and expressions nest.
const NESTING: u32 = 4;

/// The bytes choose how much damage is done, two inputs and a module.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let damages = input.byte() / 64;
    let places: Vec<[u8; 3]> = (0..damages).map(|_| input.array()).collect();
    let (first, second) = (input.short().to_vec(), input.short().to_vec());
    let mut module = module(&mut input);
    for [low, high, byte] in &places {
        let place = usize::from(u16::from_le_bytes([*low, *high])) % module.len();
        module[place] ^= byte;
    }
    if places.is_empty() {
        // What is refused here was written wrongly, or is refused wrongly.
        entente_wasm::check(&module).unwrap_or_else(|fault| panic!("a module within the rules is refused: {fault}"));
    }
    executor::run(&module, &[&first, &second]);
}

fn host(name: &str) -> u32 {
    HOST.iter().position(|(host, ..)| *host == name).expect("a host function") as u32
}

fn module(input: &mut Input<'_>) -> Vec<u8> {
    let pages = [1, 1, 2, 3, 8, 17][input.below(6)];
    let host_count = HOST.len() as u32;
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    for (index, (name, parameters, result)) in HOST.iter().enumerate() {
        types.ty().function(parameters.iter().copied(), *result);
        imports.import("entente", name, EntityType::Function(index as u32));
    }
    let (entry, helper) = (host_count, host_count + 1);
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(entry).function(entry);
    for _ in 0..HELPERS {
        functions.function(helper);
    }
    let mut tables = TableSection::new();
    let table_type =
        TableType { element_type: RefType::FUNCREF, table64: false, minimum: 6, maximum: None, shared: false };
    tables.table(table_type);
    let mut memories = MemorySection::new();
    let maximum = (input.below(3) == 0).then_some(pages + 1);
    memories.memory(MemoryType { minimum: pages, maximum, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    let mutable = |val_type| GlobalType { val_type, mutable: true, shared: false };
    globals.global(mutable(ValType::I32), &ConstExpr::i32_const(i32::from(input.byte())));
    globals.global(mutable(ValType::I64), &ConstExpr::i64_const(-1));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("deploy", ExportKind::Func, host_count).export("call", ExportKind::Func, host_count + 1);
    let mut elements = ElementSection::new();
    let first_helper = host_count + 2;
    let listed = [first_helper, first_helper + 1, host_count, first_helper + 2];
    elements.active(None, &ConstExpr::i32_const(input.below(4) as i32), Elements::Functions(listed[..].into()));
    let mut data = DataSection::new();
    for _ in 0..input.below(4) {
        let offset = place(input, pages);
        data.active(0, &ConstExpr::i32_const(offset), input.short().iter().copied());
    }
    let mut code = CodeSection::new();
    code.function(&body(input, pages, true)).function(&body(input, pages, true));
    for _ in 0..HELPERS {
        code.function(&body(input, pages, false));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories);
    module.section(&globals).section(&exports).section(&elements).section(&code).section(&data);
    module.finish()
}

/// A place in memory, often where one piece of it ends and another begins.
fn place(input: &mut Input<'_>, pages: u64) -> i32 {
    let bytes = (pages << 16) as i32;
    let near = i32::from(input.byte() % 16) - 8;
    let base = match input.below(6) {
        0 => 0,
        1 => bytes,
        2 => bytes / 64 * i32::from(input.byte() % 65),
        3 => INPUT,
        4 => i32::from(u16::from_le_bytes(input.array())),
        _ => i32::from(input.byte()) * 1024,
    };
    (base + near).clamp(0, bytes)
}

/// Writes bodies. Locals: 0 is a parameter or scratch, 1 scratch, 2 to 5 count loops.
struct Writer<'a, 'b> {
    input: &'a mut Input<'b>,
    code: InstructionSink<'a>,
    pages: u64,
    loops: u32,
}

fn body(input: &mut Input<'_>, pages: u64, is_entry: bool) -> Function {
    let mut function = Function::new([(if is_entry { 6 } else { 5 }, ValType::I32), (1, ValType::I64)]);
    let count = 1 + input.below(10);
    let mut writer = Writer { input, code: function.instructions(), pages, loops: 0 };
    if is_entry {
        writer.begin();
    }
    for _ in 0..count {
        writer.statement(NESTING);
    }
    if is_entry {
        writer.tell();
    } else {
        writer.expression(2);
    }
    writer.code.end();
    function
}

impl Writer<'_, '_> {
    fn constant(&mut self, value: i32) {
        self.code.i32_const(value);
    }

    fn call(&mut self, name: &str) {
        self.code.call(host(name));
    }

    /// Reads what the frame was called with, as far as there is room, and its own address.
    fn begin(&mut self) {
        self.constant(INPUT);
        self.constant(0);
        self.call("input_length");
        self.constant(0xff);
        self.code.i32_and();
        self.code.local_tee(1);
        self.code.local_get(1);
        self.call("input_length");
        self.code.i32_eq().i32_mul();
        self.call("input_read");
        self.constant(OWN_ADDRESS);
        self.call("address");
    }

    /// The globals go into memory, and the hash of all memory out.
    fn tell(&mut self) {
        self.constant(0);
        self.code.global_get(0).i32_store(MemArg { offset: 40, align: 0, memory_index: 0 });
        self.constant(0);
        self.code.global_get(1).i64_store(MemArg { offset: 48, align: 0, memory_index: 0 });
        self.constant(0);
        self.code.memory_size(0);
        self.constant(16);
        self.code.i32_shl().local_tee(0);
        // No more than the host hashes at a time.
        self.constant(1 << 20);
        self.code.local_get(0);
        self.constant(1 << 20);
        self.code.i32_lt_u().select();
        self.constant(0);
        self.call("hash");
        self.constant(0);
        self.constant(64);
        self.call("output");
        let answers = self.input.below(12);
        self.constant(i32::from(answers == 0));
    }

    /// An address: a constant, or an expression of the lowest pages.
    fn address(&mut self, nesting: u32) {
        if nesting == 0 || self.input.below(3) != 0 {
            let place = place(self.input, self.pages);
            self.constant(place);
        } else {
            self.expression(nesting - 1);
            self.constant((self.pages << 16).min(1 << 17) as i32 - 1);
            self.code.i32_and();
        }
    }

    fn argument(&mut self) -> MemArg {
        let offset = [0, 0, 1, 7, 1023, 65_535, 1 << 20, u64::from(u32::MAX)][self.input.below(8)];
        MemArg { offset, align: 0, memory_index: 0 }
    }

    /// Leaves an i32.
    fn expression(&mut self, nesting: u32) {
        let choice = if nesting == 0 { self.input.below(5) } else { self.input.below(22) };
        match choice {
            0 | 1 => {
                let value = i32::from(self.input.byte());
                self.constant(value);
            }
            2 => {
                let value = i32::from_le_bytes(self.input.array());
                self.constant(value);
            }
            3 => _ = self.code.local_get(self.input.byte().into_local()),
            4 => _ = self.code.global_get(0),
            5..8 => {
                self.address(nesting - 1);
                let argument = self.argument();
                match choice {
                    5 => _ = self.code.i32_load(argument),
                    6 => _ = self.code.i32_load8_s(argument),
                    _ => _ = self.code.i64_load32_u(argument).i32_wrap_i64(),
                }
            }
            8..16 => {
                self.expression(nesting - 1);
                self.expression(nesting - 1);
                match choice {
                    8 => _ = self.code.i32_add(),
                    9 => _ = self.code.i32_sub(),
                    10 => _ = self.code.i32_mul(),
                    11 => _ = self.code.i32_div_s(),
                    12 => _ = self.code.i32_rem_u(),
                    13 => _ = self.code.i32_rotl(),
                    14 => _ = self.code.i32_lt_s(),
                    _ => _ = self.code.i32_shr_u(),
                }
            }
            16 => {
                self.expression(nesting - 1);
                let helper = self.input.below(HELPERS as usize) as u32;
                self.code.call(HOST.len() as u32 + 2 + helper);
            }
            17 => {
                self.expression(nesting - 1);
                let index = self.input.below(7) as i32;
                self.constant(index);
                self.code.call_indirect(0, HOST.len() as u32 + 1);
            }
            18 => self.call("input_length"),
            19 => self.call("return_length"),
            20 => _ = self.code.memory_size(0),
            _ => {
                self.expression(nesting - 1);
                self.code.if_(BlockType::Result(ValType::I32));
                self.expression(nesting - 1);
                self.code.else_();
                self.expression(nesting - 1);
                self.code.end();
            }
        }
    }

    /// Leaves nothing.
    fn statement(&mut self, nesting: u32) {
        match self.input.below(26) {
            0..4 => self.store(nesting),
            4 => {
                self.address(2);
                self.address(2);
                self.length();
                self.code.memory_copy(0, 0);
            }
            5 => {
                self.address(2);
                self.expression(1);
                self.length();
                self.code.memory_fill(0);
            }
            6 => {
                self.expression(2);
                self.code.global_set(0);
            }
            7 => {
                self.code.global_get(1);
                self.expression(1);
                self.code.i64_extend_i32_s().i64_xor().global_set(1);
            }
            8 => {
                self.expression(2);
                self.code.local_set(1);
            }
            9 if nesting > 0 => {
                self.expression(2);
                self.code.if_(BlockType::Empty);
                self.statement(nesting - 1);
                self.code.else_();
                self.statement(nesting - 1);
                self.code.end();
            }
            10 if nesting > 0 && self.loops < 4 => self.counted(nesting),
            11 if nesting > 0 => self.branches(nesting),
            12 => {
                let pages = i32::from(self.input.byte() % 3);
                self.constant(pages);
                self.code.memory_grow(0).drop();
            }
            13 if self.input.below(6) == 0 => _ = self.code.unreachable(),
            14 if self.input.below(3) == 0 => {
                self.address(0);
                self.length();
                self.call("revert");
            }
            _ => self.host_call(),
        }
    }

    fn store(&mut self, nesting: u32) {
        self.address(nesting.min(2));
        self.expression(2);
        let argument = self.argument();
        match self.input.below(6) {
            0 => _ = self.code.i32_store(argument),
            1 => _ = self.code.i32_store8(argument),
            2 => _ = self.code.i32_store16(argument),
            3 => _ = self.code.i64_extend_i32_s().i64_store(argument),
            4 => _ = self.code.i64_extend_i32_u().i64_store32(argument),
            _ => _ = self.code.i64_extend_i32_u().i64_store8(argument),
        }
    }

    /// A length: mostly short, at times none or beyond the end.
    fn length(&mut self) {
        let length = match self.input.below(8) {
            0 => 0,
            1 => i32::from(u16::from_le_bytes(self.input.array())),
            2 => (self.pages << 16) as i32,
            3 => -1,
            _ => i32::from(self.input.byte() % 64),
        };
        self.constant(length);
    }

    /// A loop that ends by itself.
    fn counted(&mut self, nesting: u32) {
        let counter = 2 + self.loops;
        self.loops += 1;
        let turns = i32::from(self.input.byte() % 12);
        self.constant(turns);
        self.code.local_set(counter).block(BlockType::Empty).loop_(BlockType::Empty);
        self.code.local_get(counter).i32_eqz().br_if(1);
        self.statement(nesting - 1);
        self.code.local_get(counter).i32_const(1).i32_sub().local_set(counter).br(0).end().end();
        self.loops -= 1;
    }

    fn branches(&mut self, nesting: u32) {
        self.code.block(BlockType::Empty).block(BlockType::Empty);
        self.expression(2);
        self.code.br_table([0, 1, 0], 1).end();
        self.statement(nesting - 1);
        self.code.end();
    }

    /// A host function with arguments that mostly make sense.
    fn host_call(&mut self) {
        let index = self.input.below(HOST.len());
        let (name, parameters, result) = HOST[index];
        if name == "revert" {
            return;
        }
        if name == "call" && self.input.below(4) != 0 {
            self.call_itself();
            return;
        }
        for (place, parameter) in parameters.iter().enumerate() {
            match parameter {
                ValType::I64 => _ = self.code.i64_const(i64::from_le_bytes(self.input.array())),
                // Most arguments are pairs of a place and a length.
                _ if place % 2 == 0 => self.address(1),
                _ => self.length(),
            }
        }
        self.code.call(index as u32);
        if result.is_some() {
            self.code.drop();
        }
    }

    /// Calls this contract, with a shorter input each time.
    fn call_itself(&mut self) {
        let kind = self.input.below(4) as i32;
        self.constant(kind);
        self.constant(OWN_ADDRESS);
        self.code.i64_const([0, 1_000_000, 1 << 40, -1][self.input.below(4)]);
        // Zeros, unless somebody wrote there.
        self.constant(0x7100);
        self.constant(INPUT);
        self.call("input_length");
        self.constant(1);
        self.code.i32_shr_u();
        self.constant(0x7f);
        self.code.i32_and();
        self.call("call");
        self.code.drop();
    }
}

/// Chooses one of the locals that every function has.
trait IntoLocal {
    fn into_local(self) -> u32;
}

impl IntoLocal for u8 {
    fn into_local(self) -> u32 {
        u32::from(self % 6)
    }
}

/// Bytes without a pattern, some of whose inputs name the contract itself.
pub fn seeds() -> Vec<Vec<u8>> {
    let noise = |seed: u32, length: u32| -> Vec<u8> {
        (0..length).map(|step| ((step + 977 * seed).wrapping_mul(2_654_435_761) >> 21) as u8).collect()
    };
    let with = |seed: u32| [&[0, 20][..], &ADDRESS.0, &[3, 1, 2, 3], &noise(seed, 100 + 40 * seed)].concat();
    let mut seeds: Vec<Vec<u8>> = (0..16).map(with).collect();
    seeds.push([&[64, 200, 1, 7], &with(5)[1..]].concat());
    seeds
}
