//! What EVM code needs of a transaction's context.

use entente_crypto::keccak256;
use entente_evm::{
    Closing, Ending, EvmAccount, EvmCall, EvmCode, EvmHost, Opened, SelfDestruct, ShownCode, Spare, Step, Stepped,
    Stored, Word, shown_native, shown_wasm,
};
use entente_host::{
    ContractFault, CreateRequest, Fault, FrameStatus, Host, NodeFault, Outcome, limits::CALL_DATA_BYTES_MAX,
};
use entente_state::{Row, RowValue, Table};
use entente_types::{Address, Amount, Hash};
use hashbrown::HashSet;
use parity_scale_codec::Encode;

use crate::{
    Account, CodeKind, CodeReference,
    context::{Code, Context},
    creation::Stopped,
    observer::{FrameKind, Opening},
};

/// The slot of a contract that EVM code stores under this key.
fn slot(address: &Address, key: &Word) -> Row {
    Row::new(&Table::Contract(*address), key)
}

/// The word that a row holds: zero where there is none, or a value that EVM code did not write.
fn word(value: Option<&[u8]>) -> Word {
    value.and_then(|value| Word::try_from(value).ok()).unwrap_or_default()
}

impl EvmHost for Context {
    fn gas_price(&self) -> Amount {
        self.gas_price
    }

    fn account(&mut self, address: &Address) -> Result<EvmAccount, NodeFault> {
        let account = Account::load(&mut self.overlay, address)?.unwrap_or_default();
        let code = match account.code {
            _ if self.machine.natives.contains(address) => ShownCode::Other(shown_native(address)),
            None => ShownCode::None,
            Some(CodeReference { kind: CodeKind::Evm | CodeKind::Delegation, hash }) => ShownCode::Evm(hash),
            Some(CodeReference { kind: CodeKind::Wasm, hash }) => ShownCode::Other(shown_wasm(&hash)),
        };
        Ok(EvmAccount { balance: account.balance, nonce: account.nonce, code })
    }

    fn code(&mut self, hash: &Hash) -> Result<EvmCode, Fault> {
        self.evm_code(hash)
    }

    fn is_warm(&self, address: &Address) -> bool {
        // EIP-2929 and EIP-3651; native modules are as precompiles are.
        *address == self.transaction.origin
            || *address == self.block.proposer
            || self.touched.is_warm(address)
            || self.is_precompile(address)
            || self.machine.natives.contains(address)
    }

    fn warm(&mut self, address: &Address) {
        self.touched.warm(address);
    }

    fn is_slot_warm(&self, address: &Address, key: &Word) -> bool {
        self.touched.is_slot_warm(address, key)
    }

    fn warm_slot(&mut self, address: &Address, key: &Word) -> bool {
        self.touched.warm_slot(address, key)
    }

    fn load(&mut self, address: &Address, key: &Word) -> Result<Word, NodeFault> {
        Ok(word(self.overlay.get(&slot(address, key))?))
    }

    fn store(&mut self, address: &Address, key: &Word, value: &Word) -> Result<Stored, NodeFault> {
        let place = self.overlay.find(&slot(address, key))?;
        let stored = Stored { original: word(self.overlay.sealed_at(place)), present: word(self.overlay.at(place)) };
        if *value != stored.present {
            self.overlay.set_at(place, (*value != Word::default()).then(|| RowValue::from(*value)));
        }
        Ok(stored)
    }

    fn load_transient(&self, address: &Address, key: &Word) -> Word {
        self.touched.transient(address, key)
    }

    fn store_transient(&mut self, address: &Address, key: &Word, value: &Word) -> Result<(), Fault> {
        if self.touched.set_transient(address, key, value) {
            return Ok(());
        }
        Err(ContractFault::Evm { code: "transient_limit", message: "the transaction stores too many transient words" }
            .into())
    }

    fn self_destruct(&mut self, target: &Address) -> Result<SelfDestruct, Fault> {
        let frame = self.frame();
        if frame.read_only {
            return Err(ContractFault::ReadOnly("remove a contract").into());
        }
        let address = frame.storage_address;
        let target_existed = !EvmHost::account(self, target)?.is_empty();
        let mut account = Account::load(&mut self.overlay, &address)?.unwrap_or_default();
        let value = account.balance;
        if self.observer.is_some() {
            let (kind, to) = (FrameKind::SelfDestruct, Some(*target));
            self.tell_open(&Opening { kind, from: address, to, value: Some(value), gas: 0, input: &[] })?;
            self.tell_close(&Ending { status: &FrameStatus::Success, output: &[], gas_left: 0 }, None);
        }
        if *target != address {
            self.move_value(&address, target, value)?;
        } else if self.touched.is_created(&address) && !value.is_zero() {
            // Given to itself, it goes with the contract.
            account.balance = Amount::ZERO;
            account.store(&mut self.overlay, &address)?;
        }
        let was_marked = self.touched.is_created(&address) && self.touched.remove(&address);
        Ok(SelfDestruct { had_value: !value.is_zero(), target_existed, was_marked })
    }

    fn ethereum_hash(&mut self, number: u64) -> Result<Hash, NodeFault> {
        // In a block's own transactions the instruction asks for no others.
        if number >= self.hashed_below || number < self.hashed_below.saturating_sub(256) {
            return Ok(Hash::ZERO);
        }
        let row = Row::new(&Table::EthereumHashes, &[(number % 256) as u8]);
        Ok(Hash(word(self.overlay.get(&row)?)))
    }

    fn refund(&mut self, gas: i64) {
        self.touched.refund(gas);
    }

    fn open_call(mut self: Box<Self>, call: EvmCall<'_>) -> (Box<Self>, Result<Opened, NodeFault>) {
        let (caller, gas) = (self.frame().storage_address, call.request.gas);
        match self.try_open_call(caller, call) {
            Ok(Code::Evm(code)) => (self, Ok(Opened::Evm(code))),
            Ok(Code::Precompile) => (self, Ok(Opened::Precompile)),
            Ok(code) => {
                let (context, outcome) = self.run(code);
                (context, outcome.map(Opened::Ended))
            }
            Err(Stopped::Refused(fault)) => {
                self.tell_refused(&fault, gas);
                (self, Ok(Opened::Ended(refused(fault, gas))))
            }
            Err(Stopped::Failed(fault)) => {
                self.tell_refused(&fault, 0);
                (self, Ok(Opened::Ended(Outcome::fault(fault))))
            }
            Err(Stopped::Node(fault)) => (self, Err(fault)),
        }
    }

    fn open_create(mut self: Box<Self>, request: CreateRequest) -> (Box<Self>, Result<Opened, NodeFault>) {
        let creator = self.frame().storage_address;
        match self.open_creation(creator, &request) {
            Ok((_, Code::Evm(code))) => (self, Ok(Opened::Evm(code))),
            Ok((address, code)) => {
                let (context, outcome) = self.run_constructor(address, code);
                (context, outcome.map(Opened::Ended))
            }
            Err(Stopped::Refused(fault)) => (self, Ok(Opened::Ended(refused(fault, request.gas)))),
            Err(Stopped::Failed(fault)) => (self, Ok(Opened::Ended(Outcome::fault(fault)))),
            Err(Stopped::Node(fault)) => (self, Err(fault)),
        }
    }

    fn close(&mut self, closing: Closing<'_>, ending: &Ending<'_>) -> Result<(), NodeFault> {
        if self.observer.is_some() {
            let created = matches!(closing, Closing::Created(_)).then(|| self.frame().storage_address);
            self.tell_close(ending, created);
        }
        if let Closing::Created(code) = closing
            && !code.is_empty()
        {
            let address = self.frame().storage_address;
            let hash = keccak256(code);
            self.keep_code(&hash, code)?;
            let mut account = Account::load(&mut self.overlay, &address)?.unwrap_or_default();
            account.code = Some(CodeReference { kind: CodeKind::Evm, hash });
            account.store(&mut self.overlay, &address)?;
        }
        Context::close(self, closing != Closing::Undone);
        Ok(())
    }

    fn spare(&mut self) -> &mut Spare {
        &mut self.spare
    }

    fn is_watched(&self) -> bool {
        self.wants_steps()
    }

    fn step(&mut self, step: &Step<'_>) {
        self.tell_step(step);
    }

    fn stepped(&mut self, stepped: &Stepped<'_>) -> Result<(), NodeFault> {
        self.tell_stepped(stepped)
    }
}

impl Context {
    fn try_open_call(&mut self, caller: Address, call: EvmCall<'_>) -> Result<Code, Stopped> {
        let EvmCall { mut request, input_length, input } = call;
        self.tell_call_from_memory(caller, &request, input)?;
        let code = self.code_of(&request.address)?;
        if matches!(code, Code::Wasm(..) | Code::Native) {
            // What code of these kinds is called with is copied, and costs what it does from Wasm.
            let schedule = self.rules.gas;
            if input_length > CALL_DATA_BYTES_MAX as usize {
                let (found, limit) = (input_length as u64, u64::from(CALL_DATA_BYTES_MAX));
                return Err(ContractFault::Limit { what: "the input of a call", found, limit }.into());
            }
            let entering = if matches!(code, Code::Wasm(..)) { schedule.call } else { 0 };
            let cost = schedule.host_byte.saturating_mul(input_length as u64).saturating_add(entering);
            request.gas = request.gas.checked_sub(cost).ok_or(ContractFault::OutOfGas)?;
            request.input = input().into();
        }
        let refused = |fault| match fault {
            Fault::Contract(fault) => Stopped::Refused(fault),
            Fault::Node(fault) => Stopped::Node(fault),
        };
        let (frame, moves_value) = self.prepare_call(caller, request, &code).map_err(refused)?;
        let before = self.before();
        self.open(before, frame, &code, moves_value).map_err(refused)?;
        Ok(code)
    }
}

/// What EVM code is told of a frame that never opened: it keeps the gas.
fn refused(fault: ContractFault, gas: u64) -> Outcome {
    Outcome { gas_left: gas, ..Outcome::fault(fault) }
}

impl Context {
    /// Removes what the transaction marked for removal, at its end (EIP-6780): the account and all that it stored,
    /// which it stored in this transaction.
    pub(crate) fn remove_marked(&mut self) -> Result<(), NodeFault> {
        let marked = self.touched.removed().to_vec();
        if marked.is_empty() {
            return Ok(());
        }
        let tables: HashSet<Vec<u8>> = marked.iter().map(|address| Table::Contract(*address).encode()).collect();
        for row in self.overlay.written_since_seal(|table| tables.contains(table)) {
            self.overlay.set(&row, None::<RowValue>)?;
        }
        for address in &marked {
            self.overlay.set(&Account::row(address), None::<RowValue>)?;
        }
        Ok(())
    }
}
