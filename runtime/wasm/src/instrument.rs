//! What is added to a module before it is compiled: metering, a limit on its stack and its memory, and the traces by
//! which an instance is reset.
//!
//! Four globals of ours stand behind the module's own, all exported: the gas left, the stack budget left, the chunks
//! of memory that were written, as a bitmap of 64, and the pages that memory may grow to. Gas is charged at the
//! beginning of each straight run of instructions, before any of them has an effect. All of it is a function of the
//! module and the gas schedule alone, so every node adds the same.
//!
//! Branches are what costs a compiler most, so a check adds none: where the gas or the stack is below zero, an address
//! is made of its sign that lies beyond every memory, and a load from there traps. Otherwise it loads the first byte.

use entente_host::{NodeFault, gas::GasSchedule};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ElementSection, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemArg, MemorySection, MemoryType, Module,
    NameMap, NameSection, TableSection, TypeSection, ValType,
    reencode::{Reencode, RoundtripReencoder},
};
use wasmparser::{FunctionBody, KnownCustom, Name, Operator, Parser, Payload};

use crate::{
    limits::{FUNCTION_NAME_BYTES_MAX, MEMORY_PAGES_MAX},
    validate::Inspected,
};

/// The exports under which the added globals, and the module's own mutable ones, are found.
pub(crate) const GAS: &str = "entente_gas";
pub(crate) const STACK: &str = "entente_stack";
pub(crate) const DIRTY: &str = "entente_dirty";
pub(crate) const MEMORY: &str = "entente_memory";

/// What the memory's global holds after the host could not grow a memory that the rules let grow.
pub(crate) const HOST_FAILED: i32 = -1;

pub(crate) fn own_global(index: usize) -> String {
    format!("entente_global_{index}")
}

/// The bytes of memory, as a power of two, that one bit of the bitmap stands for, so that 64 of them cover what the
/// memory begins with.
pub(crate) fn chunk_shift(memory_pages: u64) -> u32 {
    let bytes = (memory_pages << 16).max(1 << 16);
    bytes.next_power_of_two().trailing_zeros() - 6
}

struct Layout {
    gas: u32,
    stack: u32,
    dirty: u32,
    memory: u32,
    shift: u32,
}

/// The module with everything added.
pub(crate) fn instrument(module: &[u8], inspected: &Inspected, gas: &GasSchedule) -> Result<Vec<u8>, NodeFault> {
    let own = inspected.globals.len() as u32;
    let shift = chunk_shift(inspected.memory_pages);
    let layout = Layout { gas: own, stack: own + 1, dirty: own + 2, memory: own + 3, shift };
    let mut output = Module::new();
    let mut globals = GlobalSection::new();
    let mut code = CodeSection::new();
    let grow = inspected.grows.then(|| inspected.imported_functions + inspected.functions.len() as u32);
    let mut writer = Writer { inspected, gas, layout, grow, grow_type: 0, next_function: 0, block_types: Vec::new() };
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(engine)? {
            Payload::TypeSection(reader) => {
                let mut section = TypeSection::new();
                RoundtripReencoder.parse_type_section(&mut section, reader).map_err(engine)?;
                writer.block_types = block_types(&mut section, inspected);
                writer.grow_type = section.len();
                section.ty().function([ValType::I32], [ValType::I32]);
                output.section(&section);
            }
            Payload::FunctionSection(reader) => {
                let mut section = FunctionSection::new();
                RoundtripReencoder.parse_function_section(&mut section, reader).map_err(engine)?;
                if writer.grow.is_some() {
                    section.function(writer.grow_type);
                }
                output.section(&section);
            }
            Payload::ExportSection(_) => {
                Writer::globals(&mut globals);
                output.section(&globals);
                output.section(&writer.exports(module)?);
            }
            Payload::GlobalSection(reader) => {
                RoundtripReencoder.parse_global_section(&mut globals, reader).map_err(engine)?;
            }
            Payload::CodeSectionEntry(body) => {
                code.function(&writer.function(&body)?);
                if writer.next_function == inspected.functions.len() {
                    if writer.grow.is_some() {
                        code.function(&writer.growing());
                    }
                    output.section(&code);
                }
            }
            payload => copy_section(&mut output, payload)?,
        }
    }
    output.section(&function_names(module));
    Ok(output.finish())
}

/// The type of a block that gives what a function of each of the module's types gives. Where more than one value is
/// given, the block needs a type of its own.
fn block_types(section: &mut TypeSection, inspected: &Inspected) -> Vec<BlockType> {
    let mut added: Vec<(&[wasmparser::ValType], u32)> = Vec::new();
    inspected
        .types()
        .map(|(_, gives)| match gives {
            [] => BlockType::Empty,
            [one] => BlockType::Result(value_type(*one)),
            many => {
                if let Some((_, index)) = added.iter().find(|(gives, _)| *gives == many) {
                    return BlockType::FunctionType(*index);
                }
                let index = section.len();
                section.ty().function([], many.iter().map(|one| value_type(*one)));
                added.push((many, index));
                BlockType::FunctionType(index)
            }
        })
        .collect()
}

/// Validation has let no others through.
fn value_type(value: wasmparser::ValType) -> ValType {
    if value == wasmparser::ValType::I64 { ValType::I64 } else { ValType::I32 }
}

/// The names that the module gives its functions, cut to a length, so that a trap can name where it happened. A name
/// section that is damaged names nothing.
fn function_names(module: &[u8]) -> NameSection {
    let mut names = NameMap::new();
    let mut previous = None;
    for payload in Parser::new(0).parse_all(module) {
        let Ok(Payload::CustomSection(section)) = payload else { continue };
        let KnownCustom::Name(subsections) = section.as_known() else { continue };
        for subsection in subsections {
            let Ok(Name::Function(functions)) = subsection else { continue };
            for naming in functions.into_iter().map_while(Result::ok) {
                // Each function once, in their order: anything else would make the engine refuse the module.
                if previous.is_none_or(|previous| naming.index > previous) {
                    names.append(naming.index, cut(naming.name, FUNCTION_NAME_BYTES_MAX));
                    previous = Some(naming.index);
                }
            }
        }
    }
    let mut section = NameSection::new();
    section.functions(&names);
    section
}

fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

fn engine(error: impl std::fmt::Display) -> NodeFault {
    // The module was validated: what fails now is ours.
    NodeFault::Engine(format!("instrumenting a valid module: {error}"))
}

fn copy_section(output: &mut Module, payload: Payload<'_>) -> Result<(), NodeFault> {
    let copy = &mut RoundtripReencoder;
    match payload {
        Payload::ImportSection(reader) => {
            let mut section = ImportSection::new();
            copy.parse_import_section(&mut section, reader).map_err(engine)?;
            output.section(&section);
        }
        Payload::TableSection(reader) => {
            let mut section = TableSection::new();
            copy.parse_table_section(&mut section, reader).map_err(engine)?;
            output.section(&section);
        }
        Payload::MemorySection(reader) => {
            let mut section = MemorySection::new();
            for memory in reader {
                section.memory(MemoryType {
                    minimum: memory.map_err(engine)?.initial,
                    maximum: Some(MEMORY_PAGES_MAX),
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
            }
            output.section(&section);
        }
        Payload::ElementSection(reader) => {
            let mut section = ElementSection::new();
            copy.parse_element_section(&mut section, reader).map_err(engine)?;
            output.section(&section);
        }
        Payload::DataSection(reader) => {
            let mut section = DataSection::new();
            copy.parse_data_section(&mut section, reader).map_err(engine)?;
            output.section(&section);
        }
        // Custom sections and the count of passive segments are of no use to the compiler; names come later.
        _ => {}
    }
    Ok(())
}

struct Writer<'a> {
    inspected: &'a Inspected,
    gas: &'a GasSchedule,
    layout: Layout,
    /// The function that grows memory, added behind the module's own, and its type.
    grow: Option<u32>,
    grow_type: u32,
    next_function: usize,
    /// By the module's types: see [`block_types`].
    block_types: Vec<BlockType>,
}

/// The locals added to each function.
struct Scratch {
    wide: u32,
    value: u32,
    address: u32,
    narrow: u32,
    length: u32,
}

impl Writer<'_> {
    /// The added globals, in the order of the layout.
    fn globals(globals: &mut GlobalSection) {
        let wide = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
        let narrow = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(wide, &ConstExpr::i64_const(0));
        globals.global(narrow, &ConstExpr::i32_const(0));
        globals.global(wide, &ConstExpr::i64_const(0));
        globals.global(narrow, &ConstExpr::i32_const(0));
    }

    /// The entries, the memory and every mutable global; other exports of the module are of no use.
    fn exports(&self, module: &[u8]) -> Result<ExportSection, NodeFault> {
        let mut section = ExportSection::new();
        for payload in Parser::new(0).parse_all(module) {
            let Payload::ExportSection(reader) = payload.map_err(engine)? else { continue };
            for export in reader {
                let export = export.map_err(engine)?;
                match (export.name, export.kind) {
                    ("deploy" | "call", wasmparser::ExternalKind::Func) => {
                        section.export(export.name, ExportKind::Func, export.index);
                    }
                    ("memory", wasmparser::ExternalKind::Memory) => {
                        section.export("memory", ExportKind::Memory, export.index);
                    }
                    _ => {}
                }
            }
        }
        for (index, _) in self.inspected.globals.iter().enumerate().filter(|(_, mutable)| **mutable) {
            section.export(&own_global(index), ExportKind::Global, index as u32);
        }
        section.export(GAS, ExportKind::Global, self.layout.gas);
        section.export(STACK, ExportKind::Global, self.layout.stack);
        section.export(DIRTY, ExportKind::Global, self.layout.dirty);
        section.export(MEMORY, ExportKind::Global, self.layout.memory);
        Ok(section)
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<Function, NodeFault> {
        let shape = self.inspected.functions.get(self.next_function).ok_or_else(|| engine("a body too many"))?;
        let block_type = self.inspected.type_of(self.next_function).and_then(|index| self.block_types.get(index));
        let block_type = *block_type.ok_or_else(|| engine("a body without a type"))?;
        self.next_function += 1;
        let mut locals = Vec::new();
        for group in body.get_locals_reader().map_err(engine)? {
            let (count, value_type) = group.map_err(engine)?;
            locals.push((count, RoundtripReencoder.val_type(value_type).map_err(engine)?));
        }
        locals.extend([(2, ValType::I64), (3, ValType::I32)]);
        let mut operators = Vec::new();
        for operator in body.get_operators_reader().map_err(engine)? {
            operators.push(operator.map_err(engine)?);
        }
        let first = shape.locals;
        let scratch =
            Scratch { wide: first, value: first + 1, address: first + 2, narrow: first + 3, length: first + 4 };
        let mut charges = charges(&operators, self.gas).into_iter();
        let mut function = Function::new(locals);
        self.enter(&mut function, &scratch, shape.stack_weight, block_type);
        self.charge(&mut function, &scratch, charges.next().unwrap_or(0));
        let mut depth = 0_u32;
        for operator in operators {
            let begins_run = begins_run(&operator);
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
            if matches!(operator, Operator::Return) {
                function.instruction(&Instruction::Br(depth));
            } else {
                self.operator(&mut function, &scratch, operator)?;
            }
            if begins_run {
                self.charge(&mut function, &scratch, charges.next().unwrap_or(0));
            }
        }
        self.leave(&mut function, shape.stack_weight);
        Ok(function)
    }

    /// Takes what the function needs from the stack budget. What it does stands in a block, in the place of the
    /// function's own, so that every way out of it leads to [`leave`](Self::leave).
    fn enter(&self, function: &mut Function, scratch: &Scratch, weight: i32, block_type: BlockType) {
        function.instruction(&Instruction::GlobalGet(self.layout.stack));
        function.instruction(&Instruction::I32Const(weight));
        function.instruction(&Instruction::I32Sub);
        function.instruction(&Instruction::LocalTee(scratch.narrow));
        function.instruction(&Instruction::GlobalSet(self.layout.stack));
        function.instruction(&Instruction::LocalGet(scratch.narrow));
        function.instruction(&Instruction::I32Const(31));
        function.instruction(&Instruction::I32ShrS);
        Self::trap_unless_zero(function);
        function.instruction(&Instruction::Block(block_type));
    }

    /// Gives it back. The body's own end has closed the block.
    fn leave(&self, function: &mut Function, weight: i32) {
        function.instruction(&Instruction::GlobalGet(self.layout.stack));
        function.instruction(&Instruction::I32Const(weight));
        function.instruction(&Instruction::I32Add);
        function.instruction(&Instruction::GlobalSet(self.layout.stack));
        function.instruction(&Instruction::End);
    }

    /// Loads from the address on the stack, which is 0 or beyond every memory. Validation has seen to it that memory
    /// has a first byte.
    fn trap_unless_zero(function: &mut Function) {
        function.instruction(&Instruction::I32Load8U(MemArg { offset: 0, align: 0, memory_index: 0 }));
        function.instruction(&Instruction::Drop);
    }

    /// Takes gas, and traps where none is left.
    fn charge(&self, function: &mut Function, scratch: &Scratch, cost: u64) {
        if cost == 0 {
            return;
        }
        function.instruction(&Instruction::GlobalGet(self.layout.gas));
        function.instruction(&Instruction::I64Const(cost.cast_signed()));
        self.take(function, scratch);
    }

    /// The same with what is on the stack: the gas left and the cost.
    fn take(&self, function: &mut Function, scratch: &Scratch) {
        function.instruction(&Instruction::I64Sub);
        function.instruction(&Instruction::LocalTee(scratch.wide));
        function.instruction(&Instruction::GlobalSet(self.layout.gas));
        function.instruction(&Instruction::LocalGet(scratch.wide));
        function.instruction(&Instruction::I64Const(63));
        function.instruction(&Instruction::I64ShrS);
        function.instruction(&Instruction::I32WrapI64);
        Self::trap_unless_zero(function);
    }

    fn operator(&self, function: &mut Function, scratch: &Scratch, operator: Operator<'_>) -> Result<(), NodeFault> {
        if let Some((value, offset)) = store_of(&operator) {
            let value = if value == ValType::I64 { scratch.value } else { scratch.narrow };
            function.instruction(&Instruction::LocalSet(value));
            function.instruction(&Instruction::LocalTee(scratch.address));
            function.instruction(&Instruction::LocalGet(value));
            function.instruction(&RoundtripReencoder.instruction(operator).map_err(engine)?);
            self.mark_store(function, scratch, offset);
            return Ok(());
        }
        match operator {
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => {
                function.instruction(&Instruction::LocalSet(scratch.length));
                function.instruction(&Instruction::LocalSet(scratch.narrow));
                function.instruction(&Instruction::LocalSet(scratch.address));
                self.charge_by(function, scratch, scratch.length, self.gas.bulk_byte);
                for local in [scratch.address, scratch.narrow, scratch.length] {
                    function.instruction(&Instruction::LocalGet(local));
                }
                self.plain(function, operator)?;
                self.mark_range(function, scratch);
                Ok(())
            }
            Operator::MemoryGrow { .. } => {
                function.instruction(&Instruction::Call(self.grow.ok_or_else(|| engine("growing unseen"))?));
                Ok(())
            }
            _ => self.plain(function, operator),
        }
    }

    #[expect(clippy::unused_self, reason = "stands beside the methods that write more")]
    fn plain(&self, function: &mut Function, operator: Operator<'_>) -> Result<(), NodeFault> {
        function.instruction(&RoundtripReencoder.instruction(operator).map_err(engine)?);
        Ok(())
    }

    /// Takes a cost for each unit in a local.
    fn charge_by(&self, function: &mut Function, scratch: &Scratch, units: u32, cost: u64) {
        function.instruction(&Instruction::GlobalGet(self.layout.gas));
        function.instruction(&Instruction::LocalGet(units));
        function.instruction(&Instruction::I64ExtendI32U);
        function.instruction(&Instruction::I64Const(cost.cast_signed()));
        function.instruction(&Instruction::I64Mul);
        self.take(function, scratch);
    }

    /// The function in the place of `memory.grow`: it takes the pages and gives what the instruction gives. It refuses
    /// what is beyond the module's own word, or beyond what the frame may have, without asking the host. Where the host
    /// fails all the same, no answer would be the same on every node.
    fn growing(&self) -> Function {
        let maximum = self.inspected.memory_maximum.unwrap_or(MEMORY_PAGES_MAX).min(MEMORY_PAGES_MAX);
        let scratch = Scratch { length: 0, wide: 1, narrow: 2, value: 1, address: 2 };
        let mut function = Function::new([(1, ValType::I64), (1, ValType::I32)]);
        self.charge_by(&mut function, &scratch, scratch.length, self.gas.memory_page);
        let wanted = [
            Instruction::MemorySize(0),
            Instruction::I64ExtendI32U,
            Instruction::LocalGet(scratch.length),
            Instruction::I64ExtendI32U,
            Instruction::I64Add,
            Instruction::LocalTee(scratch.wide),
            Instruction::GlobalGet(self.layout.memory),
            Instruction::I64ExtendI32U,
            Instruction::I64GtU,
            Instruction::LocalGet(scratch.wide),
            Instruction::I64Const(maximum.cast_signed()),
            Instruction::I64GtU,
            Instruction::I32Or,
            Instruction::If(BlockType::Empty),
            Instruction::I32Const(-1),
            Instruction::Return,
            Instruction::End,
            Instruction::LocalGet(scratch.length),
            Instruction::MemoryGrow(0),
            Instruction::LocalTee(scratch.narrow),
            Instruction::I32Const(-1),
            Instruction::I32Eq,
            Instruction::If(BlockType::Empty),
            Instruction::I32Const(HOST_FAILED),
            Instruction::GlobalSet(self.layout.memory),
            Instruction::Unreachable,
            Instruction::End,
            Instruction::LocalGet(scratch.narrow),
            Instruction::End,
        ];
        for instruction in &wanted {
            function.instruction(instruction);
        }
        function
    }

    /// Notes the chunk at `scratch.address + offset`. A store that reaches into the next chunk is covered by the
    /// reset, which restores a few bytes beyond each chunk.
    fn mark_store(&self, function: &mut Function, scratch: &Scratch, offset: u64) {
        function.instruction(&Instruction::GlobalGet(self.layout.dirty));
        function.instruction(&Instruction::I64Const(1));
        function.instruction(&Instruction::LocalGet(scratch.address));
        if offset != 0 {
            // The store did not trap, so the sum does not wrap.
            function.instruction(&Instruction::I32Const((offset as u32).cast_signed()));
            function.instruction(&Instruction::I32Add);
        }
        self.chunk_of(function);
        function.instruction(&Instruction::I64Shl);
        function.instruction(&Instruction::I64Or);
        function.instruction(&Instruction::GlobalSet(self.layout.dirty));
    }

    /// Turns an address on the stack into the number of its chunk, as i64.
    fn chunk_of(&self, function: &mut Function) {
        function.instruction(&Instruction::I32Const(self.layout.shift.cast_signed()));
        function.instruction(&Instruction::I32ShrU);
        function.instruction(&Instruction::I64ExtendI32U);
    }

    /// Notes all chunks from `address` to the last of `length` bytes: every bit from the first chunk's up, but those
    /// above the last chunk's; and none where there are no bytes.
    fn mark_range(&self, function: &mut Function, scratch: &Scratch) {
        function.instruction(&Instruction::GlobalGet(self.layout.dirty));
        function.instruction(&Instruction::I64Const(-1));
        function.instruction(&Instruction::LocalGet(scratch.address));
        self.chunk_of(function);
        function.instruction(&Instruction::I64Shl);
        function.instruction(&Instruction::I64Const(-1));
        function.instruction(&Instruction::I64Const(63));
        function.instruction(&Instruction::LocalGet(scratch.address));
        function.instruction(&Instruction::LocalGet(scratch.length));
        function.instruction(&Instruction::I32Add);
        function.instruction(&Instruction::I32Const(1));
        function.instruction(&Instruction::I32Sub);
        self.chunk_of(function);
        function.instruction(&Instruction::I64Sub);
        function.instruction(&Instruction::I64ShrU);
        function.instruction(&Instruction::I64And);
        function.instruction(&Instruction::I64Const(0));
        function.instruction(&Instruction::LocalGet(scratch.length));
        function.instruction(&Instruction::Select);
        function.instruction(&Instruction::I64Or);
        function.instruction(&Instruction::GlobalSet(self.layout.dirty));
    }
}

/// The type of the value and the offset of an instruction that stores.
fn store_of(operator: &Operator<'_>) -> Option<(ValType, u64)> {
    match operator {
        Operator::I32Store { memarg } | Operator::I32Store8 { memarg } | Operator::I32Store16 { memarg } => {
            Some((ValType::I32, memarg.offset))
        }
        Operator::I64Store { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => Some((ValType::I64, memarg.offset)),
        _ => None,
    }
}

/// Whether a new straight run begins behind the instruction.
fn begins_run(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
    )
}

/// What each straight run of the body costs. Nothing follows the last `end`.
fn charges(operators: &[Operator<'_>], gas: &GasSchedule) -> Vec<u64> {
    let mut charges = Vec::new();
    let mut current = 0_u64;
    for operator in operators {
        current = current.saturating_add(cost(operator, gas));
        if begins_run(operator) {
            charges.push(current);
            current = 0;
        }
    }
    charges
}

fn cost(operator: &Operator<'_>, gas: &GasSchedule) -> u64 {
    match operator {
        Operator::Nop | Operator::Block { .. } | Operator::Loop { .. } | Operator::Else | Operator::End => 0,
        Operator::Call { .. } => gas.function_call,
        Operator::CallIndirect { .. } => 2 * gas.function_call,
        Operator::BrTable { .. } => 2 * gas.instruction,
        Operator::MemoryGrow { .. } => gas.memory_grow,
        Operator::I32DivS
        | Operator::I32DivU
        | Operator::I32RemS
        | Operator::I32RemU
        | Operator::I64DivS
        | Operator::I64DivU
        | Operator::I64RemS
        | Operator::I64RemU => gas.division,
        Operator::I32Load { .. }
        | Operator::I64Load { .. }
        | Operator::I32Load8S { .. }
        | Operator::I32Load8U { .. }
        | Operator::I32Load16S { .. }
        | Operator::I32Load16U { .. }
        | Operator::I64Load8S { .. }
        | Operator::I64Load8U { .. }
        | Operator::I64Load16S { .. }
        | Operator::I64Load16U { .. }
        | Operator::I64Load32S { .. }
        | Operator::I64Load32U { .. } => gas.memory_access,
        _ if store_of(operator).is_some() => 2 * gas.memory_access,
        _ => gas.instruction,
    }
}
