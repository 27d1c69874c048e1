//! The instructions of a fork and what they cost before they run.

use entente_types::EvmHash;
use revm_interpreter::{
    GasTable, Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult, InstructionTable,
    Interpreter, InterpreterAction, instruction_table,
    instructions::gas_table_spec,
    interpreter::EthInterpreter,
    primitives::{U256, hardfork::SpecId},
};

use crate::{EvmHost, adapter::Adapter};

/// The number of the instruction KECCAK256.
const KECCAK256: usize = 0x20;

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
            EvmHash::Keccak256 => const { &instruction_table::<EthInterpreter, Adapter<H>>() },
            EvmHash::Sm3 => const { &guomi_table::<Adapter<H>>() },
        };
        interpreter.run_plain(table, &self.gas, adapter)
    }
}

/// The table in which SM3 stands for Keccak-256, as FISCO BCOS's Guomi compiler takes it to.
const fn guomi_table<H: Host>() -> InstructionTable<EthInterpreter, H> {
    let mut table = instruction_table::<EthInterpreter, H>();
    table[KECCAK256] = Instruction::new(sm3::<H>);
    table
}

/// KECCAK256 with another hash function, at the same cost.
fn sm3<H: Host + ?Sized>(context: InstructionContext<'_, H, EthInterpreter>) -> InstructionExecResult {
    let (interpreter, gas) = (context.interpreter, context.host.gas_params());
    let Some([offset, length]) = interpreter.stack.popn() else { return Err(InstructionResult::StackUnderflow) };
    let as_usize = |word: U256| usize::try_from(word).map_err(|_| InstructionResult::InvalidOperandOOG);
    let length = as_usize(length)?;
    if !interpreter.gas.record_regular_cost(gas.keccak256_cost(length)) {
        return Err(InstructionResult::OutOfGas);
    }
    let hash = if length == 0 {
        entente_crypto::sm3(&[])
    } else {
        let offset = as_usize(offset)?;
        interpreter.resize_memory(gas, offset, length)?;
        entente_crypto::sm3(&interpreter.memory.slice_len(offset, length))
    };
    if interpreter.stack.push(U256::from_be_bytes(hash.0)) { Ok(()) } else { Err(InstructionResult::StackOverflow) }
}
