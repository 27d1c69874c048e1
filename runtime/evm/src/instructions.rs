//! The instructions of a fork and what they cost before they run.

use entente_crypto::Hash;
use entente_host::{ContractFault, Fault, FrameStatus};
use entente_types::EvmHash;
use revm_interpreter::{
    FrameInput, GasTable, Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
    InstructionTable, Interpreter, InterpreterAction,
    bytecode::opcode::OpCode,
    instruction_table,
    instructions::gas_table_spec,
    interpreter::EthInterpreter,
    interpreter_types::{Jumps, LoopControl, MemoryTr, ReturnData},
    primitives::{U256, hardfork::SpecId},
};

use crate::{EvmHost, Step, Stepped, adapter::Adapter, run::status};

/// The number of the instruction KECCAK256.
const KECCAK256: usize = 0x20;
/// What a word costs in its place with SM3, beside what it costs with Keccak-256.
const SM3_GAS_PER_WORD: u64 = 6;

/// The instructions of a fork.
pub(crate) struct Instructions {
    gas: GasTable,
    hash: EvmHash,
}

impl Instructions {
    pub(crate) const fn new(specification: SpecId, hash: EvmHash) -> Self {
        Self { gas: gas_table_spec(specification), hash }
    }

    /// Runs a level until it ends or asks for another frame.
    pub(crate) fn run<H: EvmHost>(
        &self,
        interpreter: &mut Interpreter<EthInterpreter>,
        adapter: &mut Adapter<H>,
    ) -> InterpreterAction {
        let table = match self.hash {
            EvmHash::Keccak256 => const { &table::<H>(keccak256::<H>) },
            EvmHash::Sm3 => const { &table::<H>(sm3::<H>) },
        };
        if adapter.host.is_watched() {
            return self.run_watched(table, interpreter, adapter);
        }
        interpreter.run_plain(table, &self.gas, adapter)
    }

    /// The same, telling the host of each instruction. Nothing of it is in the loop that runs where nobody watches.
    fn run_watched<H: EvmHost>(
        &self,
        table: &InstructionTable<EthInterpreter, Adapter<H>>,
        interpreter: &mut Interpreter<EthInterpreter>,
        adapter: &mut Adapter<H>,
    ) -> InterpreterAction {
        let end = loop {
            let (instruction, gas) = (interpreter.bytecode.opcode(), interpreter.gas.remaining());
            adapter.host.step(&Step {
                place: interpreter.bytecode.pc(),
                instruction,
                gas,
                stack: interpreter.stack.data(),
                memory: &interpreter.memory.slice(0..interpreter.memory.size()),
                returned: interpreter.return_data.buffer(),
            });
            let ran = interpreter.step(table, &self.gas, adapter);
            let cost = self.cost(instruction, gas, ran.err(), interpreter);
            let fault = fault(ran.err(), interpreter, adapter);
            let refund = adapter.refund_below.saturating_add(interpreter.gas.refunded());
            let stepped = Stepped { cost, refund, stack: interpreter.stack.data(), fault: fault.as_ref() };
            if let Err(fault) = adapter.host.stepped(&stepped) {
                adapter.note(fault);
                break InstructionResult::FatalExternalError;
            }
            if let Err(end) = ran {
                break end;
            }
        };
        if interpreter.bytecode.action().is_none() {
            interpreter.halt(end);
        }
        interpreter.take_next_action()
    }

    /// What an instruction cost that began with so much gas.
    fn cost(
        &self,
        instruction: u8,
        gas: u64,
        end: Option<InstructionResult>,
        interpreter: &mut Interpreter<EthInterpreter>,
    ) -> u64 {
        let is_unpaid = end.is_some_and(|end| status(end) == FrameStatus::Fault(ContractFault::OutOfGas));
        if is_unpaid {
            return self.gas.get(usize::from(instruction)).copied().map_or(0, u64::from);
        }
        let spent = gas.saturating_sub(interpreter.gas.remaining());
        match interpreter.bytecode.action() {
            // What goes down into a creation is taken by the instruction, and is not what it costs.
            Some(InterpreterAction::NewFrame(FrameInput::Create(inputs))) => spent.saturating_sub(inputs.gas_limit()),
            _ => spent,
        }
    }
}

/// The contract's fault that an instruction ended its frame with.
fn fault<H: EvmHost>(
    end: Option<InstructionResult>,
    interpreter: &mut Interpreter<EthInterpreter>,
    adapter: &Adapter<H>,
) -> Option<ContractFault> {
    let end = end?;
    match &adapter.fault {
        Some(Fault::Contract(fault)) => return Some(fault.clone()),
        Some(Fault::Node(_)) => return None,
        None => {}
    }
    if interpreter.bytecode.action().is_some() {
        // It returned, or asked for a frame.
        return None;
    }
    match status(end) {
        FrameStatus::Fault(fault) => Some(fault),
        FrameStatus::Success | FrameStatus::Revert => None,
    }
}

/// The name of an instruction, if any fork has it.
pub fn instruction_name(number: u8) -> Option<&'static str> {
    OpCode::new(number).map(OpCode::as_str)
}

/// The table with a KECCAK256 of ours.
const fn table<H: EvmHost>(
    hash: fn(InstructionContext<'_, Adapter<H>, EthInterpreter>) -> InstructionExecResult,
) -> InstructionTable<EthInterpreter, Adapter<H>> {
    let mut table = instruction_table::<EthInterpreter, Adapter<H>>();
    table[KECCAK256] = Instruction::new(hash);
    table
}

/// KECCAK256, which remembers what it hashed last.
fn keccak256<H: EvmHost>(context: InstructionContext<'_, Adapter<H>, EthInterpreter>) -> InstructionExecResult {
    hashed(context, 0, |adapter, bytes| adapter.hashes.keccak256(bytes))
}

/// The same with SM3, as FISCO BCOS's Guomi compiler takes it to be. A word of it costs twice as much: it takes longer.
fn sm3<H: EvmHost>(context: InstructionContext<'_, Adapter<H>, EthInterpreter>) -> InstructionExecResult {
    hashed(context, SM3_GAS_PER_WORD, |_, bytes| entente_crypto::sm3(bytes))
}

/// Puts the hash of a part of the memory on the stack, for so much gas a word beside what KECCAK256 costs.
fn hashed<H: EvmHost>(
    context: InstructionContext<'_, Adapter<H>, EthInterpreter>,
    gas_per_word: u64,
    hash: impl FnOnce(&Adapter<H>, &[u8]) -> Hash,
) -> InstructionExecResult {
    let (interpreter, adapter) = (context.interpreter, &*context.host);
    let gas = adapter.gas_params();
    let Some([offset, length]) = interpreter.stack.popn() else { return Err(InstructionResult::StackUnderflow) };
    let as_usize = |word: U256| usize::try_from(word).map_err(|_| InstructionResult::InvalidOperandOOG);
    let length = as_usize(length)?;
    let words = length.div_ceil(32) as u64;
    let cost = gas.keccak256_cost(length).saturating_add(gas_per_word.saturating_mul(words));
    if !interpreter.gas.record_regular_cost(cost) {
        return Err(InstructionResult::OutOfGas);
    }
    let hash = if length == 0 {
        hash(adapter, &[])
    } else {
        let offset = as_usize(offset)?;
        interpreter.resize_memory(gas, offset, length)?;
        hash(adapter, &interpreter.memory.slice_len(offset, length))
    };
    if interpreter.stack.push(U256::from_be_bytes(hash.0)) { Ok(()) } else { Err(InstructionResult::StackOverflow) }
}
