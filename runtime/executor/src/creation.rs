//! How contracts come to be: their addresses, and what is paid and checked before their constructor runs.

use entente_crypto::{Domain, keccak256};
use entente_evm::EvmCode;
use entente_host::{
    CONTAINER_MAGIC, ContractFault, CreateRequest, CreateScheme, DEPTH_MAX, Fault, Frame, FrameStatus, NodeFault,
    Outcome, gas::UNITS_PER_GAS,
};
use entente_state::{Row, Table};
use entente_types::{Address, created_address, created_address_by_salt};
use entente_wasm::Entry;

use crate::{
    Account, CodeKind, CodeReference,
    context::{Before, Code, Context, Ended},
    observer::{FrameKind, Opening},
    transaction::parse_container,
};

/// What a word of the code that creates a contract costs, in Ethereum's gas (EIP-3860).
const INIT_CODE_WORD_GAS: u64 = 2;

/// Why no constructor runs.
pub(crate) enum Stopped {
    /// Before anything was done for it: EVM code keeps its gas.
    Refused(ContractFault),
    /// After: the gas is gone.
    Failed(ContractFault),
    /// The node's own fault.
    Node(NodeFault),
}

impl From<NodeFault> for Stopped {
    fn from(fault: NodeFault) -> Self {
        Self::Node(fault)
    }
}

impl From<ContractFault> for Stopped {
    fn from(fault: ContractFault) -> Self {
        Self::Failed(fault)
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Contract(fault) => Self::Failed(fault),
            Fault::Node(fault) => Self::Node(fault),
        }
    }
}

impl Context {
    /// Creates a contract from outside or from a frame of another kind than EVM code.
    pub(crate) fn construct(mut self: Box<Self>, creator: Address, request: &CreateRequest) -> Ended {
        let before = self.before();
        let is_outermost = self.parent().is_none();
        match self.open_creation(creator, request) {
            Ok((address, code)) => {
                let of_evm = matches!(code, Code::Evm(_));
                let (context, outcome) = self.run_constructor(address, code);
                // The reason of a revert is all that can be left of it.
                if of_evm && is_outermost { context.paying_for_output(before, outcome) } else { (context, outcome) }
            }
            Err(Stopped::Refused(fault) | Stopped::Failed(fault)) => (self, Ok(Outcome::fault(fault))),
            Err(Stopped::Node(fault)) => (self, Err(fault)),
        }
    }

    /// Runs the innermost frame, which is a constructor's.
    pub(crate) fn run_constructor(self: Box<Self>, address: Address, code: Code) -> Ended {
        let (context, outcome) = self.run(code);
        let outcome = outcome.map(|mut outcome| {
            if outcome.status == FrameStatus::Success {
                outcome.created = Some(address);
                outcome.output.clear();
            }
            outcome
        });
        (context, outcome)
    }

    /// Names a new contract, pays for it and opens its constructor's frame.
    pub(crate) fn open_creation(
        &mut self,
        creator: Address,
        request: &CreateRequest,
    ) -> Result<(Address, Code), Stopped> {
        let (kind, value, gas) = (FrameKind::of_creation(&request.scheme), Some(request.value), request.gas);
        self.tell_open(&Opening { kind, from: creator, to: None, value, gas, input: &request.container })?;
        let opened = self.try_open_creation(creator, request);
        match &opened {
            Err(Stopped::Refused(fault)) => self.tell_refused(fault, gas),
            Err(Stopped::Failed(fault)) => self.tell_refused(fault, 0),
            Ok(_) | Err(Stopped::Node(_)) => {}
        }
        opened
    }

    fn try_open_creation(&mut self, creator: Address, request: &CreateRequest) -> Result<(Address, Code), Stopped> {
        if self.parent().is_some_and(|parent| parent.read_only) {
            return Err(Stopped::Refused(ContractFault::ReadOnly("create a contract")));
        }
        let is_container = request.container.starts_with(&CONTAINER_MAGIC);
        if self.evm.is_none() || (is_container && request.scheme == CreateScheme::Index) {
            let before = self.before();
            return self.open_wasm(before, creator, request, None).inspect_err(|_| self.undo(before));
        }
        let address = self.name(creator, request)?;
        self.touched.warm(&address);
        let before = self.before();
        let opened = if is_container {
            self.open_wasm(before, creator, request, Some(address))
        } else {
            self.open_evm(before, creator, request, address)
        };
        opened.inspect_err(|_| self.undo(before))
    }

    /// The address of a new contract, where EVM code or the EVM's rule has a part in it. What this changes stays
    /// whatever becomes of the contract.
    fn name(&mut self, creator: Address, request: &CreateRequest) -> Result<Address, Stopped> {
        if self.depth() > DEPTH_MAX {
            return Err(Stopped::Refused(ContractFault::Depth { limit: DEPTH_MAX }));
        }
        let mut account = Account::load(&mut self.overlay, &creator)?.unwrap_or_default();
        if account.balance < request.value {
            let without =
                if self.block.balances { ContractFault::Balance } else { ContractFault::ValueWithoutBalances };
            return Err(Stopped::Refused(without));
        }
        if request.scheme == CreateScheme::Index {
            return Ok(self.indexed_address(creator));
        }
        // The nonce of a transaction's sender rose when the transaction began.
        let nonce = if self.parent().is_none() { account.nonce.checked_sub(1) } else { Some(account.nonce) };
        let nonce = nonce.ok_or(Stopped::Refused(ContractFault::NonceOverflow))?;
        if self.parent().is_some() {
            account.nonce = nonce.checked_add(1).ok_or(Stopped::Refused(ContractFault::NonceOverflow))?;
            account.store(&mut self.overlay, &creator)?;
        }
        Ok(match &request.scheme {
            CreateScheme::Salt(salt) => created_address_by_salt(&creator, salt, &keccak256(&request.container)),
            _ => created_address(&creator, nonce),
        })
    }

    fn indexed_address(&mut self, creator: Address) -> Address {
        let index = self.created;
        self.created = index.saturating_add(1);
        let parts: [&[u8]; 3] = [creator.as_ref(), self.transaction.hash.as_ref(), &index.to_le_bytes()];
        let named = self.block.suite.hash(Domain::CREATE, &parts);
        named.0.last_chunk::<20>().map(|bytes| Address(*bytes)).unwrap_or_default()
    }

    /// The account that the contract gets, if its address is free.
    fn free_account(&mut self, address: &Address) -> Result<Account, Stopped> {
        let account = Account::load(&mut self.overlay, address)?.unwrap_or_default();
        if account.code.is_some() || account.nonce != 0 || self.machine.natives.contains(address) {
            return Err(ContractFault::AddressTaken.into());
        }
        self.touched.add_created(address);
        Ok(account)
    }

    fn constructor(&self, creator: Address, address: Address, request: &CreateRequest) -> Frame {
        Frame {
            caller: creator,
            storage_address: address,
            code_address: address,
            value: request.value,
            input: Vec::new().into(),
            gas: request.gas,
            memory_pages: request.memory_pages,
            read_only: false,
            depth: self.depth(),
            creating: true,
        }
    }

    fn open_wasm(
        &mut self,
        before: Before,
        creator: Address,
        request: &CreateRequest,
        named: Option<Address>,
    ) -> Result<(Address, Code), Stopped> {
        let (module, arguments) = parse_container(&request.container)?;
        let schedule = self.rules.gas;
        let cost = schedule.code_byte.saturating_mul(module.len() as u64);
        let gas = request.gas.checked_sub(cost).ok_or(ContractFault::OutOfGas)?;
        // Compiling is paid before it is done, and whether this node has the code compiled already.
        let cost = schedule.code_weight.saturating_mul(entente_wasm::weigh(module)?);
        let gas = gas.checked_sub(cost).ok_or(ContractFault::OutOfGas)?;
        let hash = self.block.suite.hash(Domain::CODE, &[module]);
        self.wasm.prepare(&hash, module)?;
        let address = named.unwrap_or_else(|| self.indexed_address(creator));
        let mut account = self.free_account(&address)?;
        let reference = CodeReference { kind: CodeKind::Wasm, hash };
        self.keep_code(&hash, module)?;
        account.code = Some(reference);
        account.store(&mut self.overlay, &address)?;
        let frame =
            Frame { input: request.container.slice_ref(arguments), gas, ..self.constructor(creator, address, request) };
        let code = Code::Wasm(Entry::Deploy, reference);
        self.open(before, frame, &code, true)?;
        Ok((address, code))
    }

    fn open_evm(
        &mut self,
        before: Before,
        creator: Address,
        request: &CreateRequest,
        address: Address,
    ) -> Result<(Address, Code), Stopped> {
        let mut gas = request.gas;
        if request.scheme == CreateScheme::Index {
            // Whoever names it by Ethereum's rules has paid by them.
            let (found, limit) =
                (request.container.len(), self.evm.as_ref().map_or(0, |evm| evm.init_code_bytes_max()));
            if found > limit {
                let (what, found, limit) = ("the code that creates a contract", found as u64, limit as u64);
                return Err(ContractFault::Limit { what, found, limit }.into());
            }
            let cost = (found.div_ceil(32) as u64).saturating_mul(INIT_CODE_WORD_GAS).saturating_mul(UNITS_PER_GAS);
            gas = gas.checked_sub(cost).ok_or(ContractFault::OutOfGas)?;
        }
        let mut account = self.free_account(&address)?;
        account.nonce = 1;
        account.store(&mut self.overlay, &address)?;
        let frame = Frame { gas, ..self.constructor(creator, address, request) };
        let code = Code::Evm(EvmCode::new(request.container.clone()));
        self.open(before, frame, &code, true)?;
        Ok((address, code))
    }

    /// Keeps code under its hash.
    pub(crate) fn keep_code(&mut self, hash: &entente_types::Hash, code: &[u8]) -> Result<(), NodeFault> {
        let row = Row::new(&Table::Code, hash.as_ref());
        if self.overlay.get(&row)?.is_none() {
            self.overlay.set(&row, Some(code.to_vec()))?;
        }
        Ok(())
    }
}
