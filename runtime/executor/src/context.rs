//! The host behind every frame of a transaction, and how frames nest.

use std::sync::Arc;

use entente_crypto::Domain;
use entente_host::{
    BlockContext, CallHost, CallKind, CallRequest, ContractFault, CreateRequest, DEPTH_MAX, Fault, Frame, FrameStatus,
    Host, NATIVE_DEPTH_MAX, NativeAccess, NativeRegistry, NodeFault, Outcome, TransactionContext,
    gas::{GasSchedule, ProtocolVersion},
};
use entente_state::{Overlay, Row, Table};
use entente_types::{Address, Amount, Hash, Log};
use entente_wasm::{CodeOptions, Entry, Wasm, limits::CALL_DATA_BYTES_MAX};

use crate::{Account, CodeKind, CodeReference, Rules, transaction::parse_container};

/// A version of the rules with an engine of its own: what is compiled has its gas schedule inside.
pub(crate) struct KnownVersion {
    number: u32,
    pub(crate) gas: &'static GasSchedule,
    wasm: Arc<Wasm<Context>>,
}

/// The engines and modules that all contexts of a group share.
pub(crate) struct Machine {
    versions: Vec<KnownVersion>,
    pub(crate) natives: NativeRegistry,
}

impl Machine {
    pub(crate) fn new(natives: NativeRegistry, versions: &[ProtocolVersion], code: &CodeOptions) -> Self {
        let version = |version: &ProtocolVersion| KnownVersion {
            number: version.number,
            gas: version.gas,
            wasm: Arc::new(Wasm::with_code(version.gas, code.clone())),
        };
        Self { versions: versions.iter().map(version).collect(), natives }
    }

    pub(crate) fn version(&self, number: u32) -> Option<&KnownVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    pub(crate) fn newest_version(&self) -> u32 {
        self.versions.iter().map(|version| version.number).max().unwrap_or(0)
    }

    pub(crate) fn compilations(&self) -> u64 {
        self.versions.iter().map(|version| version.wasm.compilations()).sum()
    }
}

/// One transaction's (or call's) view of the world. It moves from frame to frame.
pub(crate) struct Context {
    pub(crate) overlay: Overlay,
    pub(crate) block: Arc<BlockContext>,
    pub(crate) transaction: TransactionContext,
    pub(crate) logs: Vec<Log>,
    pub(crate) rules: Rules,
    pub(crate) machine: Arc<Machine>,
    /// The engine of the version that rules.
    wasm: Arc<Wasm<Self>>,
    frames: Vec<Frame>,
    /// What stands where no frame is: before the first and after the last.
    outside: Frame,
    /// How many contracts the transaction has created, which tells their addresses apart.
    created: u32,
}

/// What a frame runs.
#[derive(Clone, Copy)]
enum Code {
    Wasm(Entry, CodeReference),
    Native,
    /// Nothing: the value moves and that is all.
    None,
}

/// What comes back from a frame beside the context.
type Ended = (Box<Context>, Result<Outcome, NodeFault>);

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
            input: Arc::from([]),
            gas: 0,
            memory_pages: 0,
            read_only: true,
            depth: 0,
            creating: false,
        };
        let transaction = TransactionContext { hash: Hash::ZERO, origin: Address::ZERO };
        Self {
            overlay,
            block,
            transaction,
            logs: Vec::new(),
            rules,
            machine,
            wasm: Arc::clone(&version.wasm),
            frames: Vec::new(),
            outside,
            created: 0,
        }
    }

    /// Prepares for the next transaction.
    pub(crate) fn begin(&mut self, transaction: TransactionContext) {
        self.transaction = transaction;
        self.logs.clear();
        self.frames.clear();
        self.created = 0;
    }

    /// Runs a frame and undoes exactly what it did unless it succeeds.
    fn run(mut self: Box<Self>, frame: Frame, code: Code, moves_value: bool) -> Ended {
        let checkpoint = self.overlay.checkpoint();
        let logs = self.logs.len();
        let moved =
            if moves_value { self.move_value(&frame.caller, &frame.storage_address, frame.value) } else { Ok(()) };
        let (mut context, outcome) = match moved {
            Ok(()) => self.dispatch(frame, code),
            Err(Fault::Contract(fault)) => (self, Ok(Outcome::fault(fault))),
            Err(Fault::Node(fault)) => (self, Err(fault)),
        };
        if !matches!(&outcome, Ok(Outcome { status: FrameStatus::Success, .. })) {
            context.overlay.revert(checkpoint);
            context.logs.truncate(logs);
        }
        (context, outcome)
    }

    fn dispatch(mut self: Box<Self>, frame: Frame, code: Code) -> Ended {
        if self.frames.len() >= usize::from(DEPTH_MAX.min(NATIVE_DEPTH_MAX)) {
            return (self, Ok(Outcome::fault(ContractFault::Depth { limit: NATIVE_DEPTH_MAX })));
        }
        let gas = frame.gas;
        self.frames.push(frame);
        let (mut context, outcome) = match code {
            Code::Wasm(entry, reference) => {
                let wasm = Arc::clone(&self.wasm);
                wasm.run(entry, &reference.hash, self, |context| context.code(&reference.hash))
            }
            Code::Native => {
                let outcome = self.run_native();
                (self, outcome)
            }
            Code::None => {
                let done = Outcome {
                    status: FrameStatus::Success,
                    output: Vec::new(),
                    gas_left: gas,
                    created: None,
                    function: None,
                };
                (self, Ok(done))
            }
        };
        context.frames.pop();
        (context, outcome)
    }

    /// The code stored under a hash.
    fn code(&mut self, hash: &Hash) -> Result<Vec<u8>, NodeFault> {
        let row = Row::new(&Table::Code, hash.as_ref());
        // Unrecorded: whether a node has to read it depends on its cache. Who calls has read the account, which no
        // transaction changes without it.
        let code = self.overlay.peek(&row)?;
        code.ok_or_else(|| NodeFault::Row(format!("code/{hash}")))
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

    fn move_value(&mut self, from: &Address, to: &Address, value: Amount) -> Result<(), Fault> {
        if value.is_zero() {
            return Ok(());
        }
        if !self.block.balances {
            return Err(ContractFault::ValueWithoutBalances.into());
        }
        let mut source = Account::load(&mut self.overlay, from)?.unwrap_or_default();
        source.balance = Amount(source.balance.0.checked_sub(value.0).ok_or(ContractFault::Balance)?);
        source.store(&mut self.overlay, from)?;
        let mut target = Account::load(&mut self.overlay, to)?.unwrap_or_default();
        // The coin's total was fixed at genesis; a sum that does not fit cannot come from it.
        target.balance = Amount(target.balance.0.checked_add(value.0).ok_or(ContractFault::Balance)?);
        target.store(&mut self.overlay, to)?;
        Ok(())
    }

    fn code_of(&mut self, address: &Address) -> Result<Result<Code, ContractFault>, NodeFault> {
        if self.machine.natives.contains(address) {
            return Ok(Ok(Code::Native));
        }
        let code = Account::load(&mut self.overlay, address)?.and_then(|account| account.code);
        Ok(match code {
            None => Ok(Code::None),
            Some(reference) if reference.kind == CodeKind::Wasm => Ok(Code::Wasm(Entry::Call, reference)),
            Some(_) => Err(ContractFault::Native("EVM code is not executed by this version".into())),
        })
    }

    /// Calls a contract from outside or from a frame.
    pub(crate) fn enter(mut self: Box<Self>, caller: Address, request: CallRequest) -> Ended {
        let code = match self.code_of(&request.address) {
            Ok(Ok(code)) => code,
            Ok(Err(fault)) => return (self, Ok(Outcome::fault(fault))),
            Err(fault) => return (self, Err(fault)),
        };
        let parent = self.frames.last();
        let delegate = request.kind == CallKind::Delegate;
        let frame = Frame {
            caller: parent.filter(|_| delegate).map_or(caller, |parent| parent.caller),
            storage_address: parent.filter(|_| delegate).map_or(request.address, |parent| parent.storage_address),
            code_address: request.address,
            value: parent.filter(|_| delegate).map_or(request.value, |parent| parent.value),
            input: request.input.into(),
            gas: request.gas,
            memory_pages: request.memory_pages,
            read_only: request.kind == CallKind::Static || parent.is_some_and(|parent| parent.read_only),
            depth: self.frames.len() as u16,
            creating: false,
        };
        if frame.read_only && !frame.value.is_zero() && !delegate {
            return (self, Ok(Outcome::fault(ContractFault::ReadOnly("send value"))));
        }
        if matches!(code, Code::Native) && !frame.value.is_zero() && !delegate {
            let refusal = "a native module takes no value: nothing could give it back";
            return (self, Ok(Outcome::fault(ContractFault::Native(refusal.into()))));
        }
        // A delegate call shows its parent's value, which has moved already.
        self.run(frame, code, !delegate)
    }

    /// Creates a contract from outside or from a frame.
    pub(crate) fn construct(mut self: Box<Self>, creator: Address, request: &CreateRequest) -> Ended {
        if self.frames.last().is_some_and(|parent| parent.read_only) {
            return (self, Ok(Outcome::fault(ContractFault::ReadOnly("create a contract"))));
        }
        let checkpoint = self.overlay.checkpoint();
        let (address, frame, reference) = match self.prepare_creation(creator, request) {
            Ok(prepared) => prepared,
            Err(Fault::Contract(fault)) => {
                self.overlay.revert(checkpoint);
                return (self, Ok(Outcome::fault(fault)));
            }
            Err(Fault::Node(fault)) => return (self, Err(fault)),
        };
        let (mut context, outcome) = self.run(frame, Code::Wasm(Entry::Deploy, reference), true);
        let outcome = outcome.map(|mut outcome| {
            if outcome.status == FrameStatus::Success {
                outcome.created = Some(address);
                outcome.output.clear();
            } else {
                context.overlay.revert(checkpoint);
            }
            outcome
        });
        (context, outcome)
    }

    fn prepare_creation(
        &mut self,
        creator: Address,
        request: &CreateRequest,
    ) -> Result<(Address, Frame, CodeReference), Fault> {
        let (module, arguments) = parse_container(&request.container)?;
        let schedule = self.rules.gas;
        let cost = schedule.code_byte.saturating_mul(module.len() as u64);
        let gas = request.gas.checked_sub(cost).ok_or(ContractFault::OutOfGas)?;
        // Compiling is paid before it is done, and whether this node has the code compiled already.
        let cost = schedule.code_weight.saturating_mul(entente_wasm::weigh(module)?);
        let gas = gas.checked_sub(cost).ok_or(ContractFault::OutOfGas)?;
        let suite = self.block.suite;
        let hash = suite.hash(Domain::CODE, &[module]);
        self.wasm.prepare(&hash, module)?;
        let index = self.created;
        self.created = index.saturating_add(1);
        let named =
            suite.hash(Domain::CREATE, &[creator.as_ref(), self.transaction.hash.as_ref(), &index.to_le_bytes()]);
        let address = named.0.last_chunk::<20>().map(|bytes| Address(*bytes)).unwrap_or_default();
        let mut account = Account::load(&mut self.overlay, &address)?.unwrap_or_default();
        if account.code.is_some() || self.machine.natives.contains(&address) {
            return Err(ContractFault::AddressTaken.into());
        }
        let row = Row::new(&Table::Code, hash.as_ref());
        if self.overlay.get(&row)?.is_none() {
            self.overlay.set(&row, Some(module.to_vec()))?;
        }
        let reference = CodeReference { kind: CodeKind::Wasm, hash };
        account.code = Some(reference);
        account.store(&mut self.overlay, &address)?;
        let frame = Frame {
            caller: creator,
            storage_address: address,
            code_address: address,
            value: request.value,
            input: arguments.into(),
            gas,
            memory_pages: request.memory_pages,
            read_only: false,
            depth: self.frames.len() as u16,
            creating: true,
        };
        Ok((address, frame, reference))
    }
}

impl Host for Context {
    fn frame(&self) -> &Frame {
        self.frames.last().unwrap_or(&self.outside)
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

    fn storage_set(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Result<(), Fault> {
        let row = Row::new(&Table::Contract(self.frame().storage_address), key);
        self.row_set(&row, value)
    }

    fn row_get(&mut self, row: &Row) -> Result<Option<&[u8]>, NodeFault> {
        Ok(self.overlay.get(row)?)
    }

    fn row_set(&mut self, row: &Row, value: Option<Vec<u8>>) -> Result<(), Fault> {
        if self.frame().read_only {
            return Err(ContractFault::ReadOnly("write to the storage").into());
        }
        Ok(self.overlay.set(row, value)?)
    }

    fn emit(&mut self, log: Log) -> Result<(), Fault> {
        if self.frame().read_only {
            return Err(ContractFault::ReadOnly("emit a log").into());
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
