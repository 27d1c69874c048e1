//! Which modules are accepted. Nothing is compiled before it has passed here.

use std::ops::Range;

use entente_host::{ContractFault, NAMESPACE, gas::GasSchedule, host_functions};
use wasmparser::{
    BinaryReaderError, BlockType, CompositeInnerType, DataKind, ElementItems, ElementKind, Encoding, ExternalKind,
    FrameKind, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator, OperatorsReader,
    Parser, Payload, TypeRef, ValType, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use crate::limits::{
    BODY_BYTES_MAX, BRANCH_TARGETS_MAX, DATA_SEGMENTS_MAX, FUNCTION_WEIGHT_MAX, FUNCTIONS_MAX, GLOBALS_MAX,
    IMPORTS_MAX, LOCALS_MAX, MEMORY_PAGES_MAX, MODULE_BYTES_MAX, NESTING_MAX, OPERANDS_MAX, PARAMETERS_MAX,
    RESULTS_MAX, SEGMENT_ELEMENTS_MAX, TABLE_ELEMENTS_MAX, TYPES_MAX, WEIGHT_MAX, stack_weight,
};
use crate::weight::{Weigher, import_weight, type_weight};

/// What later steps need to know of a module.
#[derive(Debug, Default)]
pub(crate) struct Inspected {
    /// The functions it imports.
    pub(crate) imported_functions: u32,
    /// What each function it defines takes of the stack, and how many locals and parameters it has.
    pub(crate) functions: Vec<FunctionShape>,
    /// Whether each global it defines is mutable.
    pub(crate) globals: Vec<bool>,
    /// The pages its memory begins with.
    pub(crate) memory_pages: u64,
    /// The pages that it says its memory has at most.
    pub(crate) memory_maximum: Option<u64>,
    /// Where memory begins with what: an offset, and the place of the bytes in the module.
    pub(crate) data: Vec<(u32, Range<usize>)>,
    /// The elements that its segments put into its table.
    elements: u64,
    /// Whether any of its functions grows memory.
    pub(crate) grows: bool,
    /// How much work a compiler has with it: see [`weight`](crate::weight).
    pub(crate) weight: u64,
    memories: u32,
    types: Vec<Option<(Vec<ValType>, Vec<ValType>)>>,
    function_types: Vec<u32>,
    exports: Vec<(&'static str, u32)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct FunctionShape {
    pub(crate) stack_weight: i32,
    pub(crate) locals: u32,
}

/// What the host offers: names, parameters and results.
type HostSignature = (&'static str, &'static [ValType], &'static [ValType]);

macro_rules! signatures {
    (@type u32) => { ValType::I32 };
    (@type u64) => { ValType::I64 };
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        &[$((stringify!($name), &[$(signatures!(@type $type)),*], &[$(signatures!(@type $result))?])),*]
    };
}

const HOST: &[HostSignature] = host_functions!(signatures);

/// The exports that every contract has.
const ENTRIES: [&str; 2] = ["deploy", "call"];

fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::GC_TYPES
}

fn rule(rule: &'static str, offset: usize, message: impl Into<String>) -> ContractFault {
    ContractFault::ModuleRule { rule, offset: offset as u64, message: message.into() }
}

fn invalid(error: &BinaryReaderError) -> ContractFault {
    let message = error.message();
    // wasmparser names a disabled proposal in words; each is a rule of ours.
    let named = [
        ("floating-point", "float"),
        ("SIMD", "simd"),
        ("threads", "threads"),
        ("tail calls", "tail_call"),
        ("exceptions", "exception"),
        ("memory64", "memory64"),
        ("multi-memory", "memory"),
        ("multiple memories", "memory"),
        ("reference types", "reference_type"),
        ("multiple tables", "table"),
    ];
    let name = named.iter().find(|(words, _)| message.contains(words)).map_or("validation", |(_, name)| name);
    rule(name, error.offset(), message)
}

fn at_most(name: &'static str, found: u64, limit: u64, offset: usize) -> Result<(), ContractFault> {
    if found > limit {
        return Err(rule(name, offset, format!("{found} where at most {limit} are allowed")));
    }
    Ok(())
}

/// Checks a module against every rule.
pub(crate) fn validate(module: &[u8]) -> Result<Inspected, ContractFault> {
    at_most("size", module.len() as u64, MODULE_BYTES_MAX as u64, 0)?;
    let mut validator = Validator::new_with_features(features());
    let mut inspected = Inspected::default();
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|error| invalid(&error))?;
        inspected.section(&payload)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(|error| invalid(&error))? {
            allocations = inspected.function(function, &body, allocations)?;
        }
    }
    inspected.finish(module.len())
}

impl Inspected {
    /// What the functions of each of its types take and give.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&[ValType], &[ValType])> {
        self.types.iter().map(|kind| kind.as_ref().map_or((&[][..], &[][..]), |(takes, gives)| (takes, gives)))
    }

    /// What making an instance costs. Every frame pays it: whether a node has an instance left from before must not
    /// show.
    pub(crate) fn instance_units(&self, gas: &GasSchedule) -> u64 {
        let bytes: u64 = self.data.iter().map(|(_, range)| range.len() as u64).sum();
        let globals = self.globals.iter().filter(|mutable| **mutable).count() as u64;
        // Each of the factors is bounded by a limit.
        self.memory_pages * gas.memory_page
            + globals * gas.instance_global
            + self.elements * gas.instance_element
            + bytes * gas.bulk_byte
    }

    /// The type of a function that it defines.
    pub(crate) fn type_of(&self, defined: usize) -> Option<usize> {
        self.function_types.get(defined).map(|index| *index as usize)
    }

    fn section(&mut self, payload: &Payload<'_>) -> Result<(), ContractFault> {
        match payload {
            Payload::Version { encoding, range, .. } if *encoding != Encoding::Module => {
                return Err(rule("validation", range.start, "not a core module"));
            }
            Payload::StartSection { range, .. } => return Err(rule("start", range.start, "a start section")),
            Payload::TypeSection(reader) => {
                at_most("types", u64::from(reader.count()), u64::from(TYPES_MAX), reader.range().start)?;
                for group in reader.clone() {
                    for subtype in group.map_err(|error| invalid(&error))?.types() {
                        self.types.push(match &subtype.composite_type.inner {
                            CompositeInnerType::Func(function) => {
                                let (takes, gives) = (function.params(), function.results());
                                let offset = reader.range().start;
                                at_most("parameters", takes.len() as u64, PARAMETERS_MAX as u64, offset)?;
                                at_most("results", gives.len() as u64, RESULTS_MAX as u64, offset)?;
                                self.weight += type_weight(takes.len() + gives.len());
                                Some((takes.to_vec(), gives.to_vec()))
                            }
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(reader) => self.imports(reader)?,
            Payload::FunctionSection(reader) => {
                let offset = reader.range().start;
                at_most("functions", u64::from(reader.count()), u64::from(FUNCTIONS_MAX), offset)?;
                for index in reader.clone() {
                    self.function_types.push(index.map_err(|error| invalid(&error))?);
                }
            }
            Payload::TableSection(reader) => {
                let offset = reader.range().start;
                at_most("table", u64::from(reader.count()), 1, offset)?;
                for table in reader.clone() {
                    let table = table.map_err(|error| invalid(&error))?;
                    at_most("table", table.ty.initial, TABLE_ELEMENTS_MAX, offset)?;
                }
            }
            Payload::MemorySection(reader) => {
                let offset = reader.range().start;
                self.memories = reader.count();
                at_most("memory", u64::from(reader.count()), 1, offset)?;
                for memory in reader.clone() {
                    let memory = memory.map_err(|error| invalid(&error))?;
                    (self.memory_pages, self.memory_maximum) = (memory.initial, memory.maximum);
                    at_most("memory", self.memory_pages, MEMORY_PAGES_MAX, offset)?;
                    if self.memory_pages == 0 {
                        return Err(rule("memory", offset, "it begins with no page, where at least 1 is needed"));
                    }
                }
            }
            _ => self.later_section(payload)?,
        }
        Ok(())
    }

    fn later_section(&mut self, payload: &Payload<'_>) -> Result<(), ContractFault> {
        match payload {
            Payload::GlobalSection(reader) => {
                let offset = reader.range().start;
                at_most("globals", u64::from(reader.count()), u64::from(GLOBALS_MAX), offset)?;
                for global in reader.clone() {
                    self.globals.push(global.map_err(|error| invalid(&error))?.ty.mutable);
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader.clone() {
                    let export = export.map_err(|error| invalid(&error))?;
                    if let Some(name) = ENTRIES.iter().find(|name| **name == export.name)
                        && export.kind == ExternalKind::Func
                    {
                        self.exports.push((name, export.index));
                    }
                    if export.name == "memory" && export.kind == ExternalKind::Memory {
                        self.exports.push(("memory", 0));
                    }
                }
            }
            Payload::ElementSection(reader) => {
                for element in reader.clone() {
                    let element = element.map_err(|error| invalid(&error))?;
                    let count = match &element.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    self.elements = self.elements.saturating_add(u64::from(count));
                    at_most("elements", self.elements, SEGMENT_ELEMENTS_MAX, element.range.start)?;
                    if !matches!(element.kind, ElementKind::Active { .. }) {
                        return Err(rule(
                            "passive_segment",
                            element.range.start,
                            "an element segment that is not active",
                        ));
                    }
                }
            }
            Payload::DataSection(reader) => {
                let offset = reader.range().start;
                at_most("data", u64::from(reader.count()), u64::from(DATA_SEGMENTS_MAX), offset)?;
                for data in reader.clone() {
                    let data = data.map_err(|error| invalid(&error))?;
                    let DataKind::Active { offset_expr, .. } = &data.kind else {
                        return Err(rule("passive_segment", data.range.start, "a data segment that is not active"));
                    };
                    let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() else {
                        return Err(rule("data", data.range.start, "an offset that is not a constant"));
                    };
                    let end = data.range.end;
                    self.data.push((value.cast_unsigned(), end.saturating_sub(data.data.len())..end));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn imports(&mut self, reader: &wasmparser::ImportSectionReader<'_>) -> Result<(), ContractFault> {
        for import in reader.clone().into_imports_with_offsets() {
            let (offset, import) = import.map_err(|error| invalid(&error))?;
            let name: String = import.name.chars().take(64).collect();
            let known = HOST.iter().find(|(host, ..)| *host == import.name && import.module == NAMESPACE);
            let (TypeRef::Func(index), Some((_, parameters, results))) = (import.ty, known) else {
                let module: String = import.module.chars().take(64).collect();
                return Err(rule("import", offset, format!("{module}.{name} is no host function")));
            };
            let declared = self.types.get(index as usize).and_then(Option::as_ref);
            if declared.is_none_or(|(takes, gives)| takes != parameters || gives != results) {
                return Err(rule("import", offset, format!("{name} is imported with another type than the host's")));
            }
            self.imported_functions += 1;
            self.weight += import_weight();
            at_most("imports", u64::from(self.imported_functions), u64::from(IMPORTS_MAX), offset)?;
        }
        Ok(())
    }

    fn finish(self, end: usize) -> Result<Self, ContractFault> {
        if self.memories != 1 {
            return Err(rule("memory", end, "no memory is defined"));
        }
        for name in ["memory", "deploy", "call"] {
            let Some((_, function)) = self.exports.iter().find(|(exported, _)| *exported == name) else {
                return Err(rule("export", end, format!("`{name}` is not exported")));
            };
            if name != "memory" {
                let defined = function.checked_sub(self.imported_functions);
                let declared = defined
                    .and_then(|index| self.function_types.get(index as usize))
                    .and_then(|index| self.types.get(*index as usize))
                    .and_then(Option::as_ref);
                if declared.is_none_or(|(takes, gives)| !takes.is_empty() || gives[..] != [ValType::I32]) {
                    return Err(rule("export", end, format!("`{name}` is not a function from nothing to i32")));
                }
            }
        }
        Ok(self)
    }
}

impl Inspected {
    /// Validates one body, and measures what it takes of the stack and of a compiler's time.
    fn function(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
        allocations: FuncValidatorAllocations,
    ) -> Result<FuncValidatorAllocations, ContractFault> {
        let start = body.range().start;
        at_most("body", (body.range().end - body.range().start) as u64, BODY_BYTES_MAX as u64, start)?;
        let mut validator = function.into_validator(allocations);
        let mut reader = body.get_binary_reader();
        let mut groups = body.get_locals_reader().map_err(|error| invalid(&error))?;
        let mut total = u64::from(validator.len_locals());
        for _ in 0..groups.get_count() {
            let (count, _) = groups.read().map_err(|error| invalid(&error))?;
            total = total.saturating_add(u64::from(count));
            at_most("locals", total, u64::from(LOCALS_MAX), start)?;
        }
        let locals = total as u32;
        validator.read_locals(&mut reader).map_err(|error| invalid(&error))?;
        let mut operands = 0;
        let mut weigher = Weigher::new(locals);
        let mut reader = OperatorsReader::new(reader);
        while !reader.eof() {
            let offset = reader.original_position();
            let operator = reader.read().map_err(|error| invalid(&error))?;
            operator_allowed(&operator, offset)?;
            self.grows |= matches!(operator, Operator::MemoryGrow { .. });
            weigher.note(&operator, validator.operand_stack_height(), |depth| self.carried(&validator, depth));
            validator.op(offset, &operator).map_err(|error| invalid(&error))?;
            operands = operands.max(validator.operand_stack_height());
            at_most("operands", u64::from(operands), u64::from(OPERANDS_MAX), offset)?;
            at_most("nesting", u64::from(validator.control_stack_height()), NESTING_MAX as u64, offset)?;
        }
        reader.finish().map_err(|error| invalid(&error))?;
        let work = weigher.finish();
        at_most("weight", work.weight, FUNCTION_WEIGHT_MAX, start)?;
        self.weight = self.weight.saturating_add(work.weight);
        at_most("weight", self.weight, WEIGHT_MAX, start)?;
        self.functions.push(FunctionShape { stack_weight: stack_weight(locals, operands, work.kept), locals });
        Ok(validator.into_allocations())
    }

    /// How many values a branch to the label at this depth carries along.
    fn carried(&self, validator: &FuncValidator<ValidatorResources>, depth: u32) -> u32 {
        let Some(frame) = validator.get_control_frame(depth as usize) else { return 0 };
        match frame.block_type {
            BlockType::Empty => 0,
            BlockType::Type(_) => u32::from(frame.kind != FrameKind::Loop),
            BlockType::FuncType(index) => {
                let kind = self.types.get(index as usize).and_then(Option::as_ref);
                let values = kind.map(|(takes, gives)| if frame.kind == FrameKind::Loop { takes } else { gives });
                values.map_or(0, |values| values.len() as u32)
            }
        }
    }
}

fn operator_allowed(operator: &Operator<'_>, offset: usize) -> Result<(), ContractFault> {
    match operator {
        Operator::MemoryInit { .. }
        | Operator::DataDrop { .. }
        | Operator::ElemDrop { .. }
        | Operator::TableInit { .. } => Err(rule("passive_segment", offset, "an instruction on passive segments")),
        Operator::TableCopy { .. }
        | Operator::TableFill { .. }
        | Operator::TableGet { .. }
        | Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableSize { .. } => {
            Err(rule("table_instruction", offset, "a table instruction other than call_indirect"))
        }
        Operator::BrTable { targets } => {
            at_most("branch_table", u64::from(targets.len()), u64::from(BRANCH_TARGETS_MAX), offset)
        }
        _ => Ok(()),
    }
}
