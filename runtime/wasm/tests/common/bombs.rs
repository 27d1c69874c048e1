//! Modules made to be hard to compile, or to need more of the stack than their locals tell.
#![allow(dead_code, unreachable_pub, reason = "each user takes its part")]

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction as I, MemArg, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// The types every module here has: `() -> i32`, `() -> ()`, and from then on what a bomb adds.
const ENTRY_TYPE: u32 = 0;
const PLAIN_TYPE: u32 = 1;
pub const FIRST_OWN_TYPE: u32 = 2;

/// The functions that stand before a bomb's own.
pub const FIRST_OWN_FUNCTION: u32 = 2;

/// A module in the making.
#[derive(Default)]
pub struct Bomb {
    pub types: Vec<(Vec<ValType>, Vec<ValType>)>,
    pub functions: Vec<(u32, Function)>,
    pub globals: u32,
    pub table: u32,
    pub elements: u32,
    pub data: Vec<(i32, usize)>,
    pub memory_pages: u64,
    /// How often a host function is imported.
    pub imports: u32,
    /// Whether `call` enters the first of the bomb's functions.
    pub entered: bool,
}

impl Bomb {
    /// A module of functions without parameters and results.
    pub fn of(functions: Vec<Function>) -> Self {
        Self {
            functions: functions.into_iter().map(|function| (PLAIN_TYPE, function)).collect(),
            table: 1,
            memory_pages: 1,
            ..Self::default()
        }
    }

    fn code(&self) -> (FunctionSection, CodeSection) {
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for is_call in [false, true] {
            functions.function(ENTRY_TYPE);
            let mut entry = Function::new([]);
            if is_call && self.entered {
                entry.instruction(&I::Call(self.imports + FIRST_OWN_FUNCTION));
            }
            entry.instruction(&I::I32Const(0)).instruction(&I::End);
            code.function(&entry);
        }
        for (kind, function) in &self.functions {
            functions.function(*kind);
            code.function(function);
        }
        (functions, code)
    }

    fn room(&self) -> (TableSection, MemorySection) {
        let mut tables = TableSection::new();
        let table = TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: self.table.into(),
            maximum: None,
            shared: false,
        };
        tables.table(table);
        let mut memories = MemorySection::new();
        let memory = MemoryType {
            minimum: self.memory_pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        memories.memory(memory);
        (tables, memories)
    }

    pub fn module(&self) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], [ValType::I32]);
        types.ty().function([], []);
        for (takes, gives) in &self.types {
            types.ty().function(takes.clone(), gives.clone());
        }
        let mut imports = ImportSection::new();
        let mut own = FIRST_OWN_TYPE;
        if self.imports > 0 {
            own = types.len();
            types.ty().function([ValType::I32], []);
        }
        for _ in 0..self.imports {
            imports.import("entente", "caller", EntityType::Function(own));
        }
        let (functions, code) = self.code();
        let (tables, memories) = self.room();
        let mut globals = GlobalSection::new();
        for _ in 0..self.globals {
            let wide = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
            globals.global(wide, &ConstExpr::i64_const(7));
        }
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("deploy", ExportKind::Func, self.imports);
        exports.export("call", ExportKind::Func, self.imports + 1);
        let mut elements = ElementSection::new();
        if self.elements > 0 {
            let all: Vec<u32> = (0..self.elements).map(|_| self.imports).collect();
            elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(all.into()));
        }
        let mut data = DataSection::new();
        for (offset, length) in &self.data {
            data.active(0, &ConstExpr::i32_const(*offset), vec![0x5a; *length]);
        }
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories);
        module.section(&globals).section(&exports);
        if !elements.is_empty() {
            module.section(&elements);
        }
        module.section(&code);
        if !data.is_empty() {
            module.section(&data);
        }
        module.finish()
    }
}

fn memarg(offset: u64) -> MemArg {
    MemArg { offset, align: 0, memory_index: 0 }
}

/// A body in the making: local 0 is an i32, the others are i64.
pub struct Body {
    function: Function,
    pub locals: u32,
}

impl Body {
    pub fn new(locals: u32) -> Self {
        let mut groups = vec![(1, ValType::I32)];
        if locals > 1 {
            groups.push((locals - 1, ValType::I64));
        }
        Self { function: Function::new(groups), locals }
    }

    pub fn bytes(&self) -> usize {
        self.function.byte_len()
    }

    pub fn add(&mut self, instructions: &[I<'_>]) -> &mut Self {
        for instruction in instructions {
            self.function.instruction(instruction);
        }
        self
    }

    /// Gives every wide local a value of its own that the compiler cannot know.
    pub fn load_locals(&mut self) -> &mut Self {
        for local in 1..self.locals {
            self.add(&[I::I32Const(0), I::I64Load(memarg(u64::from(local) * 8)), I::LocalSet(local)]);
        }
        self
    }

    /// Uses every wide local.
    pub fn store_locals(&mut self) -> &mut Self {
        for local in 1..self.locals {
            self.add(&[I::I32Const(0), I::LocalGet(local), I::I64Store(memarg(u64::from(local) * 8))]);
        }
        self
    }

    /// Repeats until the body has about these many bytes.
    pub fn fill(&mut self, bytes: usize, mut each: impl FnMut(&mut Self, u32)) -> &mut Self {
        let mut round = 0;
        while self.bytes() < bytes {
            each(self, round);
            round += 1;
        }
        self
    }

    pub fn end(mut self) -> Function {
        self.function.instruction(&I::End);
        self.function
    }
}

/// What a bomb is called, and how to make it with so many locals (or what else it multiplies) and bytes of code.
pub struct Shape {
    pub name: &'static str,
    pub make: fn(u32, usize) -> Function,
}

/// Shapes of one function's body.
pub fn shapes() -> Vec<Shape> {
    vec![
        Shape { name: "joins that all locals pass", make: joins },
        Shape { name: "joins behind which all locals differ", make: changing_joins },
        Shape { name: "loops in a row that all locals pass", make: loops },
        Shape { name: "loops in one another that all locals pass", make: nested_loops },
        Shape { name: "branch tables whose edges carry all locals", make: tables },
        Shape { name: "branches that carry many values", make: arity },
        Shape { name: "branches back to one loop with all locals", make: backward },
        Shape { name: "invariants of a loop used in many blocks", make: invariants },
        Shape { name: "values used again behind many blocks", make: reused },
        Shape { name: "loads used again behind many blocks", make: reused_loads },
        Shape { name: "stores", make: stores },
        Shape { name: "loads", make: loads },
        Shape { name: "calls", make: calls },
        Shape { name: "indirect calls", make: indirect_calls },
        Shape { name: "fills", make: fills },
        Shape { name: "copies", make: copies },
        Shape { name: "growing", make: grows },
        Shape { name: "divisions", make: divisions },
        Shape { name: "selects", make: selects },
        Shape { name: "deep expressions", make: expressions },
        Shape { name: "globals", make: globals },
    ]
}

fn joins(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(locals);
    body.load_locals().fill(bytes.saturating_sub(locals as usize * 9), |body, _| {
        body.add(&[I::LocalGet(0), I::If(BlockType::Empty), I::End]);
    });
    body.store_locals();
    body.end()
}

fn changing_joins(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(locals);
    body.load_locals().fill(bytes.saturating_sub(locals as usize * 9), |body, round| {
        let local = 1 + round % (locals - 1).max(1);
        body.add(&[I::LocalGet(0), I::If(BlockType::Empty)]);
        body.add(&[I::I64Const(i64::from(round)), I::LocalSet(local), I::End]);
    });
    body.store_locals();
    body.end()
}

fn loops(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(locals);
    body.load_locals().fill(bytes.saturating_sub(locals as usize * 9), |body, _| {
        body.add(&[I::Loop(BlockType::Empty), I::LocalGet(0), I::BrIf(0), I::End]);
    });
    body.store_locals();
    body.end()
}

fn nested_loops(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(locals);
    body.load_locals().fill(bytes.saturating_sub(locals as usize * 9), |body, _| {
        for _ in 0..250 {
            body.add(&[I::Loop(BlockType::Empty)]);
        }
        body.add(&[I::LocalGet(1), I::I64Const(1), I::I64Add, I::LocalSet(1)]);
        for _ in 0..250 {
            body.add(&[I::LocalGet(0), I::BrIf(0), I::End]);
        }
    });
    body.store_locals();
    body.end()
}

fn tables(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(locals);
    body.load_locals();
    let targets: Vec<u32> = (0..250).collect();
    body.fill(bytes.saturating_sub(locals as usize * 9), |body, round| {
        for _ in 0..251 {
            body.add(&[I::Block(BlockType::Empty)]);
        }
        body.add(&[I::LocalGet(0), I::BrTable((&targets).into(), 250), I::End]);
        for block in 0..250 {
            let local = 1 + (round * 250 + block) % (locals - 1).max(1);
            body.add(&[I::I64Const(i64::from(block)), I::LocalSet(local), I::End]);
        }
    });
    body.store_locals();
    body.end()
}

/// One loop of a type with as many parameters as there are locals here: see [`module_of`].
fn arity(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(1);
    let values = locals.min(128);
    for value in 0..values {
        body.add(&[I::I32Const(0), I::I64Load(memarg(u64::from(value) * 8))]);
    }
    body.add(&[I::Loop(BlockType::FunctionType(FIRST_OWN_TYPE))]);
    body.fill(bytes.saturating_sub(200), |body, _| {
        body.add(&[I::LocalGet(0), I::BrIf(0)]);
    });
    for _ in 0..values {
        body.add(&[I::Drop]);
    }
    body.add(&[I::End]);
    body.end()
}

fn backward(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(locals);
    body.load_locals().add(&[I::Loop(BlockType::Empty)]);
    body.fill(bytes.saturating_sub(locals as usize * 9), |body, round| {
        let local = 1 + round % (locals - 1).max(1);
        body.add(&[I::LocalGet(0), I::I64ExtendI32U, I::LocalSet(local), I::LocalGet(0), I::BrIf(0)]);
    });
    body.add(&[I::End]).store_locals();
    body.end()
}

/// Expressions of a value that is known before the loop, each used in a block of its own.
fn invariants(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.load_locals().add(&[I::Loop(BlockType::Empty)]);
    body.fill(bytes.saturating_sub(20), |body, round| {
        body.add(&[I::LocalGet(0), I::If(BlockType::Empty), I::I32Const(0)]);
        body.add(&[I::LocalGet(1), I::I64Const(i64::from(round) * 2 + 3), I::I64Mul, I::I64Store(memarg(0)), I::End]);
    });
    body.add(&[I::LocalGet(0), I::BrIf(0), I::End]);
    body.end()
}

fn reused(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.load_locals();
    let count = u32::try_from(bytes / 34).unwrap_or(u32::MAX);
    for round in (0..count).chain(0..count) {
        body.add(&[I::I32Const(0), I::LocalGet(1), I::I64Const(i64::from(round) * 2 + 3), I::I64Mul]);
        body.add(&[I::I64Store(memarg(0)), I::LocalGet(0), I::If(BlockType::Empty), I::End]);
    }
    body.end()
}

fn reused_loads(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    let count = u32::try_from(bytes / 16).unwrap_or(u32::MAX);
    for round in (0..count).chain(0..count) {
        let place = u64::from(round) * 8 % 65_528;
        body.add(&[I::LocalGet(1), I::I32Const(0), I::I64Load(memarg(place)), I::I64Xor, I::LocalSet(1)]);
    }
    body.store_locals();
    body.end()
}

fn stores(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, _| {
        body.add(&[I::LocalGet(0), I::LocalGet(1), I::I64Store(memarg(1))]);
    });
    body.end()
}

fn loads(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, _| {
        body.add(&[I::LocalGet(0), I::I32Load(memarg(1)), I::LocalSet(0)]);
    });
    body.end()
}

fn calls(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, _| {
        body.add(&[I::Call(0), I::Drop]);
    });
    body.end()
}

fn indirect_calls(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, _| {
        body.add(&[I::LocalGet(0), I::CallIndirect { type_index: PLAIN_TYPE, table_index: 0 }]);
    });
    body.end()
}

fn fills(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, _| {
        body.add(&[I::LocalGet(0), I::LocalGet(0), I::LocalGet(0), I::MemoryFill(0)]);
    });
    body.end()
}

fn copies(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, _| {
        body.add(&[I::LocalGet(0), I::LocalGet(0), I::LocalGet(0)]);
        body.add(&[I::MemoryCopy { src_mem: 0, dst_mem: 0 }]);
    });
    body.end()
}

fn grows(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, _| {
        body.add(&[I::LocalGet(0), I::MemoryGrow(0), I::LocalSet(0)]);
    });
    body.end()
}

fn divisions(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(3);
    body.load_locals().fill(bytes, |body, _| {
        body.add(&[I::LocalGet(1), I::LocalGet(2), I::I64DivS, I::LocalSet(1)]);
    });
    body.end()
}

fn selects(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(3);
    body.load_locals().fill(bytes, |body, _| {
        body.add(&[I::LocalGet(1), I::LocalGet(2), I::LocalGet(0), I::Select, I::LocalSet(2)]);
    });
    body.store_locals();
    body.end()
}

fn expressions(locals: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    let depth = locals.clamp(2, 1000);
    body.load_locals().fill(bytes, |body, round| {
        for operand in 0..depth {
            body.add(&[I::LocalGet(1), I::I64Const(i64::from(operand ^ round)), I::I64Mul]);
        }
        for operand in 1..depth {
            body.add(&[if operand % 2 == 0 { I::I64Add } else { I::I64Xor }]);
        }
        body.add(&[I::LocalSet(1)]);
    });
    body.store_locals();
    body.end()
}

fn globals(_: u32, bytes: usize) -> Function {
    let mut body = Body::new(2);
    body.fill(bytes, |body, round| {
        body.add(&[I::GlobalGet(round % 100), I::GlobalSet((round + 1) % 100)]);
    });
    body.end()
}

/// A module of so many copies of a function, with the type and the globals that any shape needs.
pub fn module_of(function: &Function, locals: u32, copies: usize) -> Vec<u8> {
    let functions = vec![function.clone(); copies];
    let wide = (vec![ValType::I64; locals.min(128) as usize], vec![]);
    Bomb { types: vec![wide], globals: 100, ..Bomb::of(functions) }.module()
}
