//! The loop that runs a frame of EVM code and the frames of EVM code nested in it, without the thread's stack.

use std::{cell::RefCell, ops::Range, rc::Rc, sync::Arc};

use entente_host::{
    CONTAINER_MAGIC, CallKind, CallRequest, ContractFault, CreateRequest, CreateScheme as Naming, Fault, FrameStatus,
    NodeFault, Outcome, gas::UNITS_PER_GAS,
};
use entente_types::{Address, Amount};
use revm_interpreter::{
    CallInput, CallInputs, CallScheme, CreateInputs, CreateScheme, FrameInput, InputsImpl, InstructionResult,
    Interpreter, InterpreterAction, InterpreterResult, SharedMemory, Stack,
    interpreter::{EthInterpreter, ExtBytecode},
    interpreter_types::{MemoryTr, ReturnData},
    primitives::{Bytes, U256},
};

use crate::{
    Closing, Ending, Evm, EvmCall, EvmCode, EvmHost, Opened, Precompiled, Spare,
    adapter::{Adapter, ours, theirs},
    precompile::run_precompile,
};

/// The bytes of a page of memory, in which frames of all kinds count what they may have.
const PAGE_BYTES: u64 = 64 << 10;
/// The bytes of memory that are kept for the next run.
const MEMORY_KEPT_MAX: usize = 64 << 10;
/// What code of the EVM cannot begin with (EIP-3541).
const RESERVED: u8 = 0xef;

/// What becomes of a frame's result.
#[derive(Debug, Clone)]
enum Return {
    /// It is the whole run's.
    Out,
    /// It goes into the caller's memory, there.
    Memory(Range<usize>),
    /// The address of the contract goes on the caller's stack.
    Address(Address),
}

/// A frame of EVM code that runs, or waits for the one that it called.
struct Level {
    interpreter: Interpreter<EthInterpreter>,
    /// Whether its output becomes the code of its account.
    creates: bool,
    returns: Return,
    /// What came back from other kinds of code and is less than one of Ethereum's gas, in units.
    dust: u64,
}

/// How a level ended.
struct Ended {
    status: FrameStatus,
    output: Bytes,
    gas_left: u64,
    refund: i64,
    dust: u64,
}

/// What the loop does next.
enum Next {
    /// It runs the innermost level.
    Run,
    /// The whole run has ended.
    Out(Outcome),
}

/// The levels of one run, with the host between them.
struct Run<'e, H> {
    evm: &'e Evm,
    adapter: Adapter<H>,
    levels: Vec<Level>,
    /// The bytes of memory that all levels may have together.
    memory_bytes: u64,
    /// Interpreters whose frames have ended, for those that come.
    spare: Vec<Interpreter<EthInterpreter>>,
    /// The stack of the outermost frame, before it is there and after it has ended.
    stack: Option<Stack>,
}

/// Runs the host's innermost frame, which has this code, and closes it.
pub(crate) fn run<H: EvmHost>(evm: &Evm, mut host: Box<H>, code: EvmCode) -> (Box<H>, Result<Outcome, NodeFault>) {
    let memory_bytes = u64::from(host.frame().memory_pages).saturating_mul(PAGE_BYTES);
    let Spare { stack, memory } = std::mem::take(host.spare());
    let buffer = Rc::new(RefCell::new(memory));
    let mut run = Run {
        evm,
        adapter: Adapter::new(host, evm.gas_params().clone(), Arc::clone(evm.hashes())),
        levels: Vec::new(),
        memory_bytes,
        spare: Vec::new(),
        stack,
    };
    let mut memory = SharedMemory::new_with_buffer(Rc::clone(&buffer));
    memory.set_memory_limit(memory_bytes);
    run.enter(memory, code, None, Return::Out);
    let outcome = loop {
        let (returned, next) = run.step();
        run = returned;
        match next {
            Ok(Next::Run) => {}
            Ok(Next::Out(outcome)) => break Ok(outcome),
            Err(fault) => break Err(fault),
        }
    };
    let Run { adapter: Adapter { mut host, .. }, stack, .. } = run;
    *host.spare() = Spare { stack, memory: emptied(buffer) };
    (host, outcome)
}

/// The buffer of a memory that nobody has any more, empty, where it is small enough to be kept.
fn emptied(buffer: Rc<RefCell<Vec<u8>>>) -> Vec<u8> {
    let mut memory = Rc::into_inner(buffer).map(RefCell::into_inner).unwrap_or_default();
    memory.clear();
    if memory.capacity() > MEMORY_KEPT_MAX { Vec::new() } else { memory }
}

impl<H: EvmHost> Run<'_, H> {
    /// Adds the level of the host's innermost frame. Its input is the frame's where it is not in the caller's memory.
    fn enter(&mut self, memory: SharedMemory, code: EvmCode, input: Option<CallInput>, returns: Return) {
        let frame = self.adapter.host.frame();
        let creates = frame.creating;
        let input = input.unwrap_or_else(|| CallInput::Bytes(Bytes(frame.input.clone())));
        let inputs = InputsImpl {
            target_address: theirs(&frame.storage_address),
            bytecode_address: (!creates).then(|| theirs(&frame.code_address)),
            caller_address: theirs(&frame.caller),
            input,
            call_value: frame.value.0,
            depth: usize::from(frame.depth),
        };
        let (gas, dust, is_static) = (frame.gas / UNITS_PER_GAS, frame.gas % UNITS_PER_GAS, frame.read_only);
        let specification = crate::specification(self.evm.fork());
        let mut interpreter = self.spare.pop().unwrap_or_else(Interpreter::invalid);
        if let Some(stack) = self.stack.take() {
            interpreter.stack = stack;
        }
        interpreter.clear(memory, ExtBytecode::new(code.0), inputs, is_static, specification, gas, 0);
        self.levels.push(Level { interpreter, creates, returns, dust });
    }

    /// Runs the innermost level until it ends or asks for another frame.
    fn step(mut self) -> (Self, Result<Next, NodeFault>) {
        let Some((level, below)) = self.levels.split_last_mut() else {
            return (self, Err(NodeFault::Engine("a run of the evm without a frame".into())));
        };
        if self.adapter.host.is_watched() {
            self.adapter.refund_below = below.iter().map(|level| level.interpreter.gas.refunded()).sum();
        }
        let action = self.evm.instructions().run(&mut level.interpreter, &mut self.adapter);
        match self.adapter.fault.take() {
            None => {}
            Some(Fault::Node(fault)) => return (self, Err(fault)),
            Some(Fault::Contract(fault)) => {
                let next = self.end_with(Ended::fault(fault));
                return (self, next);
            }
        }
        match action {
            InterpreterAction::NewFrame(FrameInput::Call(inputs)) => self.call(*inputs),
            InterpreterAction::NewFrame(FrameInput::Create(inputs)) => self.create(&inputs),
            InterpreterAction::NewFrame(FrameInput::Empty) => {
                (self, Err(NodeFault::Engine("the evm asked for a frame without an input".into())))
            }
            InterpreterAction::Return(result) => {
                let next = self.end(result);
                (self, next)
            }
        }
    }

    fn call(mut self, inputs: CallInputs) -> (Self, Result<Next, NodeFault>) {
        let range = match &inputs.input {
            CallInput::SharedBuffer(range) => range.clone(),
            CallInput::Bytes(_) => 0..0,
        };
        let request = CallRequest {
            kind: match inputs.scheme {
                CallScheme::Call => CallKind::Call,
                CallScheme::CallCode => CallKind::Code,
                CallScheme::DelegateCall => CallKind::Delegate,
                CallScheme::StaticCall => CallKind::Static,
            },
            address: ours(inputs.bytecode_address),
            value: Amount(inputs.value.transfer().unwrap_or_default()),
            input: Bytes::new().0,
            gas: inputs.gas_limit.saturating_mul(UNITS_PER_GAS),
            memory_pages: self.pages_left(),
        };
        let memory = self.levels.last().map(|level| &level.interpreter.memory);
        let copied = || memory.map(|memory| input(memory, &range, <[u8]>::to_vec)).unwrap_or_default();
        let call = EvmCall { request, input_length: range.len(), input: &copied };
        let (host, opened) = self.adapter.host.open_call(call);
        self.adapter.host = host;
        let returns = Return::Memory(inputs.return_memory_offset);
        let next = opened.and_then(|opened| match opened {
            Opened::Evm(code) => Ok(self.go_down(code, inputs.input, returns)),
            Opened::Precompile => self.run_precompile(&range, &returns),
            Opened::Ended(outcome) => self.go_on(Ended::of(outcome), &returns),
        });
        (self, next)
    }

    /// Runs the precompile whose frame is the innermost, and closes that.
    fn run_precompile(&mut self, range: &Range<usize>, returns: &Return) -> Result<Next, NodeFault> {
        let frame = self.adapter.host.frame();
        let (address, gas) = (frame.code_address, frame.gas / UNITS_PER_GAS);
        let ran = self.levels.last().and_then(|level| {
            input(&level.interpreter.memory, range, |bytes| run_precompile(self.evm.fork(), &address, bytes, gas))
        });
        let ended = match ran {
            Some(Precompiled::Success { output, gas_left }) => {
                Ended { status: FrameStatus::Success, output: output.into(), gas_left, refund: 0, dust: 0 }
            }
            Some(Precompiled::OutOfGas) => Ended::fault(ContractFault::OutOfGas),
            Some(Precompiled::Refused) => Ended::fault(ContractFault::Precompile),
            Some(Precompiled::Failed(why)) => return Err(NodeFault::Engine(why)),
            None => return Err(NodeFault::Engine(format!("no precompile at {address}"))),
        };
        let closing = if ended.status == FrameStatus::Success { Closing::Stands } else { Closing::Undone };
        self.adapter.host.close(closing, &ended.ending())?;
        self.go_on(ended, returns)
    }

    fn create(mut self, inputs: &CreateInputs) -> (Self, Result<Next, NodeFault>) {
        let container = inputs.init_code().0.clone();
        let limit = self.evm.init_code_bytes_max();
        if container.len() > limit && !container.starts_with(&CONTAINER_MAGIC) {
            let (found, limit) = (container.len() as u64, limit as u64);
            let fault = ContractFault::Limit { what: "the code that creates a contract", found, limit };
            let next = self.end_with(Ended::fault(fault));
            return (self, next);
        }
        let request = CreateRequest {
            container,
            scheme: match inputs.scheme() {
                CreateScheme::Create2 { salt } => Naming::Salt(salt.to_be_bytes()),
                _ => Naming::Nonce,
            },
            value: Amount(inputs.value()),
            gas: inputs.gas_limit().saturating_mul(UNITS_PER_GAS),
            memory_pages: self.pages_left(),
        };
        let (host, opened) = self.adapter.host.open_create(request);
        self.adapter.host = host;
        let next = opened.and_then(|opened| match opened {
            Opened::Evm(code) => {
                let address = self.adapter.host.frame().storage_address;
                Ok(self.go_down(code, CallInput::default(), Return::Address(address)))
            }
            Opened::Precompile => Err(NodeFault::Engine("a precompile was created".into())),
            Opened::Ended(outcome) => {
                let address = outcome.created.unwrap_or_default();
                self.go_on(Ended::of(outcome), &Return::Address(address))
            }
        });
        (self, next)
    }

    /// The pages of memory that nested frames may have together.
    fn pages_left(&self) -> u32 {
        let used = self.levels.last().map_or(0, |level| {
            let memory = &level.interpreter.memory;
            (memory.local_memory_offset().saturating_add(memory.len())) as u64
        });
        u32::try_from(self.memory_bytes.saturating_sub(used) / PAGE_BYTES).unwrap_or(u32::MAX)
    }

    fn go_down(&mut self, code: EvmCode, input: CallInput, returns: Return) -> Next {
        let memory = self.levels.last_mut().map(|level| level.interpreter.memory.new_child_context());
        self.enter(memory.unwrap_or_default(), code, Some(input), returns);
        Next::Run
    }

    /// The innermost level's code ended.
    fn end(&mut self, result: InterpreterResult) -> Result<Next, NodeFault> {
        let dust = self.levels.last().map_or(0, |level| level.dust);
        let creates = self.levels.last().is_some_and(|level| level.creates);
        let mut ended = Ended::of_code(result, dust);
        if creates && ended.status == FrameStatus::Success {
            let deposit = self.adapter.gas.code_deposit_cost(ended.output.len());
            match deposited(&ended, deposit, self.evm.code_bytes_max()) {
                Ok(gas_left) => ended.gas_left = gas_left,
                Err(fault) => ended = Ended::fault(fault),
            }
        }
        self.end_with(ended)
    }

    /// Closes the innermost frame and hands what it came to to the level below.
    fn end_with(&mut self, ended: Ended) -> Result<Next, NodeFault> {
        let Some(level) = self.levels.pop() else {
            return Err(NodeFault::Engine("a frame of the evm ended twice".into()));
        };
        let stands = ended.status == FrameStatus::Success;
        let closing = match (stands, level.creates) {
            (false, _) => Closing::Undone,
            (true, false) => Closing::Stands,
            (true, true) => Closing::Created(&ended.output),
        };
        self.adapter.host.close(closing, &ended.ending())?;
        let created = (stands && level.creates).then_some(level.interpreter.input.target_address).map(ours);
        if let Return::Out = level.returns {
            if stands {
                self.adapter.host.refund(ended.refund);
            }
            self.stack = Some(level.interpreter.stack);
            return Ok(Next::Out(ended.outcome(created)));
        }
        let mut interpreter = level.interpreter;
        interpreter.return_data.clear();
        interpreter.memory = SharedMemory::invalid();
        self.spare.push(interpreter);
        if let Some(caller) = self.levels.last_mut() {
            caller.interpreter.memory.free_child_context();
        }
        self.go_on(ended, &level.returns)
    }

    /// Goes on in the innermost level with what a frame that it asked for came to.
    fn go_on(&mut self, ended: Ended, returns: &Return) -> Result<Next, NodeFault> {
        let Some(level) = self.levels.last_mut() else {
            return Err(NodeFault::Engine("a frame of the evm ended and none is below it".into()));
        };
        let interpreter = &mut level.interpreter;
        let succeeded = ended.status == FrameStatus::Success;
        let dust = level.dust.saturating_add(ended.dust);
        level.dust = dust % UNITS_PER_GAS;
        interpreter.gas.erase_cost(ended.gas_left.saturating_add(dust / UNITS_PER_GAS));
        if succeeded {
            interpreter.gas.record_refund(ended.refund);
        }
        let pushed = match returns {
            Return::Address(address) => {
                // Only a revert's reason stays behind a creation (EIP-211).
                let reverted = ended.status == FrameStatus::Revert;
                interpreter.return_data.set_buffer(if reverted { ended.output } else { Bytes::new() });
                if succeeded { theirs(address).into_word().into() } else { U256::ZERO }
            }
            Return::Memory(range) => {
                let length = range.len().min(ended.output.len());
                if let Some(start) = ended.output.get(..length).filter(|_| length > 0) {
                    interpreter.memory.set(range.start, start);
                }
                interpreter.return_data.set_buffer(ended.output);
                U256::from(succeeded)
            }
            Return::Out => return Err(NodeFault::Engine("the outermost frame has a caller".into())),
        };
        // What the instruction took from the stack left room for it.
        if !interpreter.stack.push(pushed) {
            return Err(NodeFault::Engine("no room for what a frame came to".into()));
        }
        Ok(Next::Run)
    }
}

/// Looks at the bytes of a call's input, which stand in the caller's memory.
fn input<T>(memory: &SharedMemory, range: &Range<usize>, look: impl FnOnce(&[u8]) -> T) -> T {
    if range.is_empty() { look(&[]) } else { look(&memory.global_slice(range.clone())) }
}

/// The gas that is left when a created contract's code is paid for (EIP-170, EIP-3541, EIP-2).
fn deposited(ended: &Ended, deposit: u64, limit: usize) -> Result<u64, ContractFault> {
    if ended.output.len() > limit {
        let (found, limit) = (ended.output.len() as u64, limit as u64);
        return Err(ContractFault::Limit { what: "the code of a contract", found, limit });
    }
    if ended.output.first() == Some(&RESERVED) {
        return Err(ContractFault::Evm { code: "reserved_code", message: "the code of a contract begins with 0xEF" });
    }
    ended.gas_left.checked_sub(deposit).ok_or(ContractFault::OutOfGas)
}

impl Ended {
    fn fault(fault: ContractFault) -> Self {
        Self { status: FrameStatus::Fault(fault), output: Bytes::new(), gas_left: 0, refund: 0, dust: 0 }
    }

    /// What a frame of another kind came to, or one that was refused.
    fn of(outcome: Outcome) -> Self {
        let (gas_left, dust) = (outcome.gas_left / UNITS_PER_GAS, outcome.gas_left % UNITS_PER_GAS);
        // What it gets back at the end is with the host already.
        Self { status: outcome.status, output: outcome.output.into(), gas_left, refund: 0, dust }
    }

    /// What EVM code came to.
    fn of_code(result: InterpreterResult, dust: u64) -> Self {
        let status = match status(result.result) {
            FrameStatus::Fault(fault) => return Self::fault(fault),
            status => status,
        };
        let refund = result.gas.refunded();
        Self { status, output: result.output, gas_left: result.gas.remaining(), refund, dust }
    }

    /// The gas that is left, in units.
    const fn units_left(&self) -> u64 {
        self.gas_left.saturating_mul(UNITS_PER_GAS).saturating_add(self.dust)
    }

    fn ending(&self) -> Ending<'_> {
        Ending { status: &self.status, output: &self.output, gas_left: self.units_left() }
    }

    fn outcome(self, created: Option<Address>) -> Outcome {
        let gas_left = self.units_left();
        // A created contract's code is no output: whoever wants it finds it at the address.
        let output = if created.is_some() { Vec::new() } else { self.output.0.into() };
        Outcome { status: self.status, output, gas_left, created, function: None }
    }
}

/// What the interpreter's result means here.
pub(crate) fn status(result: InstructionResult) -> FrameStatus {
    use InstructionResult as Result;
    let evm = |code, message| FrameStatus::Fault(ContractFault::Evm { code, message });
    match result {
        Result::Stop | Result::Return | Result::SelfDestruct => FrameStatus::Success,
        Result::Revert => FrameStatus::Revert,
        Result::OutOfGas
        | Result::MemoryOOG
        | Result::PrecompileOOG
        | Result::InvalidOperandOOG
        | Result::ReentrancySentryOOG => FrameStatus::Fault(ContractFault::OutOfGas),
        Result::MemoryLimitOOG => {
            FrameStatus::Fault(ContractFault::MemoryExhausted { limit: entente_host::STACK_MEMORY_PAGES_MAX })
        }
        Result::StateChangeDuringStaticCall => FrameStatus::Fault(ContractFault::ReadOnly("change the state")),
        Result::CallNotAllowedInsideStatic => FrameStatus::Fault(ContractFault::ReadOnly("send value")),
        Result::InvalidJump => evm("invalid_jump", "a jump to where no JUMPDEST is"),
        Result::StackUnderflow => evm("stack_underflow", "an instruction found too few words on the stack"),
        Result::StackOverflow => evm("stack_overflow", "more than 1,024 words on the stack"),
        Result::InvalidFEOpcode => evm("invalid", "the instruction INVALID"),
        Result::OpcodeNotFound | Result::NotActivated | Result::InvalidImmediateEncoding => {
            evm("unknown_instruction", "an instruction that this fork does not have")
        }
        Result::OutOfOffset => evm("out_of_offset", "a read beyond the end of what a call gave back"),
        Result::CreateInitCodeSizeLimit => {
            let limit = entente_host::limits::CALL_DATA_BYTES_MAX;
            FrameStatus::Fault(ContractFault::Limit {
                what: "the code that creates a contract",
                found: u64::from(limit).saturating_add(1),
                limit: u64::from(limit),
            })
        }
        _ => evm("evm", "the code was stopped"),
    }
}
