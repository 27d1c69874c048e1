//! The host behind every frame of a transaction, and how frames nest.

use std::sync::Arc;

use entente_evm::{Ending, Evm, EvmCode, Precompiled, Spare, is_precompile, run_precompile};
use entente_host::{
    BlockContext, CallHost, CallKind, CallRequest, ContractFault, CreateRequest, DEPTH_MAX, Fault, Frame, FrameStatus,
    Host, NATIVE_DEPTH_MAX, NativeAccess, NodeFault, Outcome, TransactionContext, gas::UNITS_PER_GAS,
};
use entente_state::{Checkpoint, Overlay, Row, RowValue, Table};
use entente_types::{Address, Amount, Hash, Log};
use entente_wasm::{Entry, Wasm, limits::CALL_DATA_BYTES_MAX};
use hashbrown::HashMap;

use crate::{
    Account, CodeKind, CodeReference, Rules,
    machine::{KnownVersion, Machine},
    observer::Observer,
    sequence::transfer_log,
    touched::{Touched, TouchedCheckpoint},
};

/// The bytes that EVM code gives back to a transaction at no cost beside Ethereum's. More of them are paid for as every
/// output is: they stand in a receipt on every node's disk, and Ethereum's memory alone would make them all but free.
const FREE_OUTPUT_BYTES: u64 = 1024;

/// The bytes of EVM code that a transaction touches at most. Within the gas of Ethereum's own transactions (EIP-7825) no
/// more than 159,000,000 can be touched.
const TOUCHED_CODE_BYTES_MAX: usize = 160 << 20;

/// One transaction's (or call's) view of the world. It moves from frame to frame.
pub(crate) struct Context {
    pub(crate) overlay: Overlay,
    pub(crate) block: Arc<BlockContext>,
    pub(crate) transaction: TransactionContext,
    pub(crate) logs: Vec<Log>,
    pub(crate) rules: Rules,
    pub(crate) machine: Arc<Machine>,
    pub(crate) touched: Touched,
    /// What the transaction pays for a unit of Ethereum's gas.
    pub(crate) gas_price: Amount,
    /// The engines of the version that rules.
    pub(crate) wasm: Arc<Wasm<Self>>,
    pub(crate) evm: Option<Arc<Evm>>,
    /// The EVM code that the transaction touched.
    held: Held,
    pub(crate) spare: Spare,
    frames: Vec<OpenFrame>,
    /// How many of them are of Wasm or native: those nest on the thread's stack.
    stacked: u16,
    /// What stands where no frame is: before the first and after the last.
    outside: Frame,
    /// How many contracts the transaction has created, which tells their addresses apart.
    pub(crate) created: u32,
    /// Whoever watches.
    pub(crate) observer: Option<Observer>,
    /// Whether what a transaction did is looked at once it has run: whoever looks seals it.
    pub(crate) is_traced: bool,
    /// Whether coin that moves is told of by a log, which transactions never have.
    pub(crate) tells_transfers: bool,
    /// The hashes of the 256 blocks below this one are kept, where the block may say to be another.
    pub(crate) hashed_below: u64,
}

/// Analysed code by its hash, and how much it is. It is found by name alone.
#[derive(Default)]
struct Held {
    codes: HashMap<Hash, EvmCode>,
    bytes: usize,
    /// What the last transaction, or this one, touched last: blocks are full of calls of the same contract.
    last: Option<(Hash, EvmCode)>,
}

/// The codes for which room is kept for the next transaction.
const CODES_KEPT_MAX: usize = 64;

impl Held {
    fn clear(&mut self) {
        if self.codes.capacity() > CODES_KEPT_MAX {
            self.codes = HashMap::default();
        }
        self.codes.clear();
        self.bytes = 0;
    }
}

/// Where everything stood before a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    overlay: Checkpoint,
    touched: TouchedCheckpoint,
    logs: usize,
}

struct OpenFrame {
    frame: Frame,
    before: Before,
    /// Whether it takes of the thread's stack.
    is_stacked: bool,
}

/// What a frame runs.
#[derive(Clone)]
pub(crate) enum Code {
    Wasm(Entry, CodeReference),
    Evm(EvmCode),
    Native,
    Precompile,
    /// Nothing: the value moves and that is all.
    None,
}

/// What comes back from a frame beside the context.
pub(crate) type Ended = (Box<Context>, Result<Outcome, NodeFault>);

impl Context {
    pub(crate) fn new(
        overlay: Overlay,
        block: Arc<BlockContext>,
        rules: Rules,
        machine: Arc<Machine>,
        version: &KnownVersion,
    ) -> Self {
        let outside = Frame {
            caller: Address::ZERO,
            storage_address: Address::ZERO,
            code_address: Address::ZERO,
            value: Amount::ZERO,
            input: Vec::new().into(),
            gas: 0,
            memory_pages: 0,
            read_only: true,
            depth: 0,
            creating: false,
        };
        let transaction = TransactionContext { hash: Hash::ZERO, origin: Address::ZERO };
        let hashed_below = block.number;
        Self {
            overlay,
            block,
            transaction,
            logs: Vec::new(),
            rules,
            machine,
            touched: Touched::default(),
            gas_price: Amount::ZERO,
            wasm: Arc::clone(&version.wasm),
            evm: version.evm.clone(),
            held: Held::default(),
            spare: Spare::default(),
            frames: Vec::new(),
            stacked: 0,
            outside,
            created: 0,
            observer: None,
            is_traced: false,
            tells_transfers: false,
            hashed_below,
        }
    }

    /// Prepares for the next transaction.
    pub(crate) fn begin(&mut self, transaction: TransactionContext) {
        self.transaction = transaction;
        self.logs.clear();
        self.touched.clear();
        self.held.clear();
        self.gas_price = Amount::ZERO;
        self.frames.clear();
        self.stacked = 0;
        self.created = 0;
    }

    /// Where everything stands now.
    pub(crate) fn before(&mut self) -> Before {
        Before { overlay: self.overlay.checkpoint(), touched: self.touched.checkpoint(), logs: self.logs.len() }
    }

    /// Takes everything back to where it stood.
    pub(crate) fn undo(&mut self, before: Before) {
        self.overlay.revert(before.overlay);
        self.touched.revert(before.touched);
        self.logs.truncate(before.logs);
    }

    /// How many frames are open.
    pub(crate) fn depth(&self) -> u16 {
        u16::try_from(self.frames.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn parent(&self) -> Option<&Frame> {
        self.frames.last().map(|open| &open.frame)
    }

    /// Opens a frame: its value moves, and it stands until it is closed. A fault leaves everything as it was `before`.
    pub(crate) fn open(&mut self, before: Before, frame: Frame, code: &Code, moves_value: bool) -> Result<(), Fault> {
        let opened = self.try_open(before, frame, code, moves_value);
        if opened.is_err() {
            self.undo(before);
        }
        opened
    }

    fn try_open(&mut self, before: Before, frame: Frame, code: &Code, moves_value: bool) -> Result<(), Fault> {
        if moves_value {
            self.move_value(&frame.caller, &frame.storage_address, frame.value)?;
        }
        // Ethereum's first frame has the depth 0, and its last 1,024.
        if self.depth() > DEPTH_MAX {
            return Err(ContractFault::Depth { limit: DEPTH_MAX }.into());
        }
        let is_stacked = matches!(code, Code::Wasm(..) | Code::Native);
        // Under the first version, where nothing is called counted too.
        let is_bounded = is_stacked || (self.evm.is_none() && matches!(code, Code::None));
        if is_bounded && self.stacked >= NATIVE_DEPTH_MAX {
            return Err(ContractFault::Depth { limit: NATIVE_DEPTH_MAX }.into());
        }
        self.stacked = self.stacked.saturating_add(u16::from(is_stacked));
        self.frames.push(OpenFrame { frame, before, is_stacked });
        Ok(())
    }

    /// Closes the innermost frame, and undoes exactly what it did unless it stands.
    pub(crate) fn close(&mut self, stands: bool) {
        let Some(open) = self.frames.pop() else { return };
        self.stacked = self.stacked.saturating_sub(u16::from(open.is_stacked));
        if !stands {
            self.undo(open.before);
        }
    }

    /// Runs the innermost frame and closes it.
    pub(crate) fn run(mut self: Box<Self>, code: Code) -> Ended {
        let (mut context, outcome) = match code {
            Code::Wasm(entry, reference) => {
                let wasm = Arc::clone(&self.wasm);
                wasm.run(entry, &reference.hash, self, |context| context.code(&reference.hash))
            }
            Code::Evm(code) => {
                // It closes its frame itself, since it opens those nested in it.
                return match self.evm.clone() {
                    Some(evm) => evm.run(self, code),
                    None => (self, Err(NodeFault::Engine("evm code under a version without it".into()))),
                };
            }
            Code::Native => {
                let outcome = self.run_native();
                (self, outcome)
            }
            Code::Precompile => {
                let outcome = self.run_precompile();
                (self, outcome)
            }
            Code::None => {
                let gas_left = self.frame().gas;
                let status = FrameStatus::Success;
                let done = Outcome { status, output: Vec::new(), gas_left, created: None, function: None };
                (self, Ok(done))
            }
        };
        let stands = matches!(&outcome, Ok(Outcome { status: FrameStatus::Success, .. }));
        if context.observer.is_some()
            && let Ok(Outcome { status, output, gas_left, .. }) = &outcome
        {
            let created = context.parent().filter(|frame| stands && frame.creating).map(|frame| frame.storage_address);
            context.tell_close(&Ending { status, output, gas_left: *gas_left }, created);
        }
        context.close(stands);
        (context, outcome)
    }

    /// The code stored under a hash.
    pub(crate) fn code(&mut self, hash: &Hash) -> Result<Vec<u8>, NodeFault> {
        let row = Row::new(&Table::Code, hash.as_ref());
        // Unrecorded: whether a node has to read it depends on its cache. Who calls has read the account, which no
        // transaction changes without it.
        let code = self.overlay.peek(&row)?;
        code.map(RowValue::into_vec).ok_or_else(|| NodeFault::Row(format!("code/{hash}")))
    }

    fn run_native(&mut self) -> Result<Outcome, NodeFault> {
        let frame = self.frame().clone();
        let machine = Arc::clone(&self.machine);
        let Some((function, arguments)) = machine.natives.resolve(&frame.code_address, &frame.input) else {
            return Ok(Outcome::fault(ContractFault::Native("the native module has no such function".into())));
        };
        let cost = (function.gas)(self.rules.gas).units(arguments.len());
        let Some(gas_left) = frame.gas.checked_sub(cost) else {
            return Ok(Outcome::fault(ContractFault::OutOfGas));
        };
        if function.access == NativeAccess::Write && frame.read_only {
            return Ok(Outcome::fault(ContractFault::ReadOnly("call a native function that writes")));
        }
        if function.access == NativeAccess::Write && frame.storage_address != frame.code_address {
            // In a delegate call the module would take the contract's caller for its own: any contract could act
            // for whoever calls it.
            let refusal = "a native function that writes cannot be called by delegate";
            return Ok(Outcome::fault(ContractFault::Native(refusal.into())));
        }
        match (function.run)(self, arguments) {
            Ok(output) => Ok(self.native_output(output, gas_left)),
            Err(Fault::Contract(fault)) => Ok(Outcome::fault(fault)),
            Err(Fault::Node(fault)) => Err(fault),
        }
    }

    /// A native function's output is bounded and paid for as a Wasm contract's is: it goes where that goes.
    fn native_output(&self, output: Vec<u8>, gas_left: u64) -> Outcome {
        let (found, limit) = (output.len() as u64, u64::from(CALL_DATA_BYTES_MAX));
        if found > limit {
            return Outcome::fault(ContractFault::Limit { what: "an output", found, limit });
        }
        match gas_left.checked_sub(self.rules.gas.output_byte.saturating_mul(found)) {
            Some(gas_left) => Outcome { status: FrameStatus::Success, output, gas_left, created: None, function: None },
            None => Outcome::fault(ContractFault::OutOfGas),
        }
    }

    /// Runs one of Ethereum's precompiles.
    fn run_precompile(&mut self) -> Result<Outcome, NodeFault> {
        let frame = self.frame();
        let (gas, dust) = (frame.gas / UNITS_PER_GAS, frame.gas % UNITS_PER_GAS);
        let ran = self.evm.as_ref().and_then(|evm| run_precompile(evm.fork(), &frame.code_address, &frame.input, gas));
        Ok(match ran {
            Some(Precompiled::Success { output, gas_left }) => Outcome {
                status: FrameStatus::Success,
                output,
                gas_left: gas_left.saturating_mul(UNITS_PER_GAS).saturating_add(dust),
                created: None,
                function: None,
            },
            Some(Precompiled::OutOfGas) => Outcome::fault(ContractFault::OutOfGas),
            Some(Precompiled::Refused) => Outcome::fault(ContractFault::Precompile),
            Some(Precompiled::Failed(why)) => return Err(NodeFault::Engine(why)),
            None => return Err(NodeFault::Engine(format!("no precompile at {}", frame.code_address))),
        })
    }

    pub(crate) fn move_value(&mut self, from: &Address, to: &Address, value: Amount) -> Result<(), Fault> {
        if value.is_zero() {
            return Ok(());
        }
        self.move_coin(from, to, value)?;
        if self.tells_transfers {
            self.logs.push(transfer_log(from, to, value));
        }
        Ok(())
    }

    fn move_coin(&mut self, from: &Address, to: &Address, value: Amount) -> Result<(), Fault> {
        if !self.block.balances {
            return Err(ContractFault::ValueWithoutBalances.into());
        }
        let mut source = Account::load(&mut self.overlay, from)?.unwrap_or_default();
        if from == to {
            return if source.balance < value { Err(ContractFault::Balance.into()) } else { Ok(()) };
        }
        source.balance = Amount(source.balance.0.checked_sub(value.0).ok_or(ContractFault::Balance)?);
        source.store(&mut self.overlay, from)?;
        let mut target = Account::load(&mut self.overlay, to)?.unwrap_or_default();
        // The coin's total was fixed at genesis; a sum that does not fit cannot come from it.
        target.balance = Amount(target.balance.0.checked_add(value.0).ok_or(ContractFault::Balance)?);
        target.store(&mut self.overlay, to)?;
        Ok(())
    }

    pub(crate) fn code_of(&mut self, address: &Address) -> Result<Code, Fault> {
        if self.machine.natives.contains(address) {
            return Ok(Code::Native);
        }
        if self.is_precompile(address) {
            return Ok(Code::Precompile);
        }
        match Account::load(&mut self.overlay, address)?.and_then(|account| account.code) {
            None => Ok(Code::None),
            Some(CodeReference { kind: CodeKind::Delegation, hash }) => self.code_that_stands_for(&hash),
            Some(reference) => self.code_at(reference),
        }
    }

    pub(crate) fn code_at(&mut self, reference: CodeReference) -> Result<Code, Fault> {
        match reference.kind {
            CodeKind::Wasm => Ok(Code::Wasm(Entry::Call, reference)),
            CodeKind::Evm | CodeKind::Delegation => self.evm_code(&reference.hash).map(Code::Evm),
        }
    }

    /// The EVM code stored under a hash, analysed. A transaction holds what it touched, so that it is made ready once.
    pub(crate) fn evm_code(&mut self, hash: &Hash) -> Result<EvmCode, Fault> {
        let Some(evm) = self.evm.clone() else {
            return Err(ContractFault::Native("EVM code is not executed by this version".into()).into());
        };
        if let Some(code) = self.held.codes.get(hash) {
            return Ok(code.clone());
        }
        let code = match &self.held.last {
            Some((last, code)) if last == hash => code.clone(),
            _ => evm.code(hash, || self.code(hash))?,
        };
        let bytes = self.held.bytes.saturating_add(code.as_bytes().len());
        if bytes > TOUCHED_CODE_BYTES_MAX {
            let (found, limit) = (bytes as u64, TOUCHED_CODE_BYTES_MAX as u64);
            return Err(ContractFault::Limit { what: "the code that a transaction touches", found, limit }.into());
        }
        self.held.bytes = bytes;
        self.held.codes.insert(*hash, code.clone());
        self.held.last = Some((*hash, code.clone()));
        Ok(code)
    }

    /// Whether a native module or a precompile stands there.
    pub(crate) fn is_built_in(&self, address: &Address) -> bool {
        self.machine.natives.contains(address) || self.is_precompile(address)
    }

    pub(crate) fn is_precompile(&self, address: &Address) -> bool {
        self.evm.as_ref().is_some_and(|evm| is_precompile(evm.fork(), address))
    }

    /// What a call of this code comes to before its frame opens: the frame, and whether its value moves.
    pub(crate) fn prepare_call(
        &mut self,
        caller: Address,
        request: CallRequest,
        code: &Code,
    ) -> Result<(Frame, bool), Fault> {
        if self.evm.is_some() {
            self.touched.warm(&request.address);
        }
        let parent = self.parent();
        let delegate = request.kind == CallKind::Delegate;
        // Both work on their caller's storage.
        let borrows = delegate || request.kind == CallKind::Code;
        let frame = Frame {
            caller: parent.filter(|_| delegate).map_or(caller, |parent| parent.caller),
            storage_address: parent.filter(|_| borrows).map_or(request.address, |parent| parent.storage_address),
            code_address: request.address,
            value: parent.filter(|_| delegate).map_or(request.value, |parent| parent.value),
            input: request.input,
            gas: request.gas,
            memory_pages: request.memory_pages,
            read_only: request.kind == CallKind::Static || parent.is_some_and(|parent| parent.read_only),
            depth: self.depth(),
            creating: false,
        };
        if frame.read_only && !frame.value.is_zero() && !borrows {
            return Err(ContractFault::ReadOnly("send value").into());
        }
        if matches!(code, Code::Native) && !frame.value.is_zero() && !delegate {
            let refusal = "a native module takes no value: nothing could give it back";
            return Err(ContractFault::Native(refusal.into()).into());
        }
        // A delegate call shows its parent's value, which has moved already.
        Ok((frame, !delegate))
    }

    /// Calls a contract from outside or from a frame of another kind than EVM code.
    pub(crate) fn enter(self: Box<Self>, caller: Address, request: CallRequest) -> Ended {
        self.enter_code(caller, request, None)
    }

    /// The same, where it may be known what code stands there.
    fn enter_code(mut self: Box<Self>, caller: Address, mut request: CallRequest, known: Option<Code>) -> Ended {
        let gas = request.gas;
        if let Err(fault) = self.tell_call(caller, &request, &request.input) {
            return (self, Err(fault));
        }
        let paid = self.pay_for_delegation(&mut request);
        let code = paid.and_then(|()| known.map_or_else(|| self.code_of(&request.address), Ok));
        let opened = code.and_then(|code| {
            let (frame, moves_value) = self.prepare_call(caller, request, &code)?;
            let before = self.before();
            self.open(before, frame, &code, moves_value).map(|()| code)
        });
        match opened {
            Ok(code) => self.run(code),
            Err(Fault::Contract(fault)) => {
                self.tell_refused(&fault, gas);
                (self, Ok(Outcome::fault(fault)))
            }
            Err(Fault::Node(fault)) => (self, Err(fault)),
        }
    }

    /// Calls a contract from outside.
    pub(crate) fn enter_first(mut self: Box<Self>, caller: Address, request: CallRequest) -> Ended {
        let code = match self.code_of(&request.address) {
            Ok(code) => code,
            Err(Fault::Contract(fault)) => return (self, Ok(Outcome::fault(fault))),
            Err(Fault::Node(fault)) => return (self, Err(fault)),
        };
        let of_evm = matches!(code, Code::Evm(_) | Code::Precompile);
        let before = self.before();
        let (context, outcome) = self.enter_code(caller, request, Some(code));
        if of_evm { context.paying_for_output(before, outcome) } else { (context, outcome) }
    }

    /// Charges what EVM code gave back to the transaction, and undoes all of it where that cannot be paid.
    pub(crate) fn paying_for_output(mut self: Box<Self>, before: Before, outcome: Result<Outcome, NodeFault>) -> Ended {
        let outcome = outcome.map(|outcome| {
            let paid = pay_for_output(outcome, self.rules.gas.output_byte);
            if matches!(paid.status, FrameStatus::Fault(_)) {
                self.undo(before);
            }
            paid
        });
        (self, outcome)
    }
}

/// Charges what EVM code gives back to a transaction for the place that it takes in a receipt.
fn pay_for_output(mut outcome: Outcome, output_byte: u64) -> Outcome {
    let paid = (outcome.output.len() as u64).saturating_sub(FREE_OUTPUT_BYTES).saturating_mul(output_byte);
    match outcome.gas_left.checked_sub(paid) {
        Some(gas_left) => {
            outcome.gas_left = gas_left;
            outcome
        }
        None => Outcome::fault(ContractFault::OutOfGas),
    }
}

impl Host for Context {
    fn frame(&self) -> &Frame {
        self.parent().unwrap_or(&self.outside)
    }

    fn block(&self) -> &BlockContext {
        &self.block
    }

    fn transaction(&self) -> &TransactionContext {
        &self.transaction
    }

    fn storage_get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, NodeFault> {
        let row = Row::new(&Table::Contract(self.frame().storage_address), key);
        Ok(self.overlay.get(&row)?)
    }

    fn storage_set(&mut self, key: &[u8], value: Option<RowValue>) -> Result<(), Fault> {
        let row = Row::new(&Table::Contract(self.frame().storage_address), key);
        self.row_set(&row, value)
    }

    fn row_get(&mut self, row: &Row) -> Result<Option<&[u8]>, NodeFault> {
        Ok(self.overlay.get(row)?)
    }

    fn row_set(&mut self, row: &Row, value: Option<RowValue>) -> Result<(), Fault> {
        if self.frame().read_only {
            return Err(ContractFault::ReadOnly("write to the storage").into());
        }
        Ok(self.overlay.set(row, value)?)
    }

    fn emit(&mut self, log: Log) -> Result<(), Fault> {
        if self.frame().read_only {
            return Err(ContractFault::ReadOnly("emit a log").into());
        }
        self.tell_log(&log)?;
        if self.logs.is_empty() {
            // Most transactions emit one, and all of it stays with the receipt.
            self.logs.reserve_exact(1);
        }
        self.logs.push(log);
        Ok(())
    }
}

impl CallHost for Context {
    fn call(self: Box<Self>, request: CallRequest) -> Ended {
        let caller = self.frame().storage_address;
        self.enter(caller, request)
    }

    fn create(self: Box<Self>, request: CreateRequest) -> Ended {
        let creator = self.frame().storage_address;
        self.construct(creator, &request)
    }
}
