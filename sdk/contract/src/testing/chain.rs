//! The chain that a test holds.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::any::TypeId;
use std::panic::{AssertUnwindSafe, catch_unwind};

use entente_crypto::Suite;
use entente_host::gas::{UNITS_PER_GAS, to_gas};
use entente_host::{
    CallKind, CallRequest, ContractFault, CreateRequest, CreateScheme, FrameStatus, Outcome, STACK_MEMORY_PAGES_MAX,
    TransactionContext,
};
use entente_types::{Address as HostAddress, Amount, Hash, Limits, Status};

use super::host::SCHEDULE;
use super::outcome::Raw;
use super::world::{Block, Code, Rows, World, frame};
use super::{Failure, RUNNING, Receipt, frames};
use crate::entry::Contract;
use crate::{Address, Bytes, ContractError, Creation, Hash32, Message, Revert, U256};

/// The gas that a transaction may use where it does not say: what `entente contract send` gives.
const GAS_DEFAULT: u64 = 100_000_000;
/// The gas of code that a test runs itself, in units: more than any code can use.
const GAS_OF_TESTS: u64 = u64::MAX / 2;
/// The first block's timestamp, in milliseconds since 1970.
const TIMESTAMP_START: u64 = 1_700_000_000_000;
/// How far [`Chain::next_block`] moves the clock, in milliseconds.
const BLOCK_INTERVAL: u64 = 1_000;

/// A chain in memory. Every transaction runs at once; nothing moves block and clock but [`Chain::next_block`] and the
/// test itself.
pub struct Chain {
    /// The algorithms: what `env::hash` and addresses of contracts are made with.
    pub suite: Suite,
    /// The number of the block that transactions run in.
    pub block_number: u64,
    /// Its timestamp in milliseconds since 1970.
    pub block_timestamp: u64,
    /// The group's Ethereum chain id.
    pub chain_id: u64,
    /// The gas that a transaction may use where its message does not say.
    pub gas_limit: u64,
    /// The sender of the transaction that contracts see as `env::origin`; without one, whoever sends.
    pub origin: Option<Address>,
    /// The hash of the next transaction; without one, it is made of a count.
    pub transaction_hash: Option<Hash32>,
    transactions: u64,
    /// Modules that stand for contracts, by the contracts' types.
    registered: BTreeMap<TypeId, Vec<u8>>,
    world: World,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// What a transaction is, when it is encoded.
struct Transaction<'a> {
    from: Address,
    to: Option<Address>,
    input: &'a [u8],
    value: U256,
    gas: u64,
}

impl Chain {
    /// An empty chain of the Standard suite, without a coin.
    pub fn new() -> Self {
        Self {
            suite: Suite::Standard,
            block_number: 1,
            block_timestamp: TIMESTAMP_START,
            chain_id: 1,
            gas_limit: GAS_DEFAULT,
            origin: None,
            transaction_hash: None,
            transactions: 0,
            registered: BTreeMap::new(),
            world: World::new(),
        }
    }

    /// Goes on to the next block, a second later.
    pub fn next_block(&mut self) {
        self.block_number = self.block_number.saturating_add(1);
        self.block_timestamp = self.block_timestamp.saturating_add(BLOCK_INTERVAL);
    }

    /// Says that the contract `C` is what this module holds: contracts that create one from the module get a `C`, and
    /// the module's bytes cost what they cost on chain.
    pub fn register<C: Contract + 'static>(&mut self, module: &[u8]) {
        self.registered.insert(TypeId::of::<C>(), module.to_vec());
        self.world.modules.insert(module.to_vec(), Code::Native { deploy: C::deploy, call: C::call });
    }

    /// Deploys a contract; the result is its address.
    #[expect(clippy::needless_pass_by_value, reason = "a message is sent once, and reads better so")]
    pub fn deploy<C: Contract + 'static, E: ContractError>(
        &mut self,
        from: Address,
        creation: Creation<C, E>,
    ) -> Receipt<Address, E> {
        let module = self.registered.get(&TypeId::of::<C>()).cloned().unwrap_or_default();
        // Another contract without a module may have been deployed before.
        self.world.modules.insert(module.clone(), Code::Native { deploy: C::deploy, call: C::call });
        let input = frames::container(&module, &creation.arguments);
        let gas = creation.gas.unwrap_or(self.gas_limit);
        let raw = self.run(&Transaction { from, to: None, input: &input, value: creation.value, gas });
        raw.receipt(|outcome| Ok(outcome.created.map(|address| Address(address.0)).unwrap_or_default()))
    }

    /// Puts the contract `C` at an address of the test's choice, without running its constructor.
    pub fn place<C: Contract>(&mut self, address: Address) {
        self.world.codes.insert(address, Code::Native { deploy: C::deploy, call: C::call });
    }

    /// Puts something at an address that answers inputs: a contract that is not Rust, or a native module. It costs no
    /// gas beyond the call, and changes nothing.
    pub fn stand_in(&mut self, address: Address, answer: impl Fn(&[u8]) -> Result<Vec<u8>, Vec<u8>> + 'static) {
        self.world.codes.insert(address, Code::StandIn(alloc::rc::Rc::new(answer)));
    }

    /// Sends a message in a transaction.
    #[expect(clippy::needless_pass_by_value, reason = "a message is sent once, and reads better so")]
    pub fn send<R, E: ContractError>(&mut self, from: Address, to: Address, message: Message<R, E>) -> Receipt<R, E> {
        let gas = message.gas.unwrap_or(self.gas_limit);
        let (input, value) = (message.input(), message.value);
        let raw = self.run(&Transaction { from, to: Some(to), input, value, gas });
        raw.receipt(|outcome| message.read(&outcome.output))
    }

    /// Sends any input to a contract, or to nobody: then it is a deployment's container.
    pub fn transact(
        &mut self,
        from: Address,
        to: Option<Address>,
        input: &[u8],
        value: U256,
    ) -> Receipt<Bytes, Revert> {
        let raw = self.run(&Transaction { from, to, input, value, gas: self.gas_limit });
        raw.receipt(|outcome| Ok(Bytes(outcome.output.clone())))
    }

    /// Asks a message without a transaction: whatever it does is forgotten.
    #[expect(clippy::needless_pass_by_value, reason = "a message is sent once, and reads better so")]
    pub fn call<R, E: ContractError>(
        &mut self,
        from: Address,
        to: Address,
        message: Message<R, E>,
    ) -> Result<R, Failure<E>> {
        let gas = message.gas.unwrap_or(self.gas_limit).saturating_mul(UNITS_PER_GAS);
        let request = call_request(to, message.value, message.input(), gas);
        let transaction = TransactionContext { hash: Hash::ZERO, origin: host_address(self.origin.unwrap_or(from)) };
        let outcome = self.running(transaction, || {
            let checkpoint = super::world(|world| world.checkpoint());
            let has_code = super::world(|world| world.codes.contains_key(&to));
            let outcome = if has_code {
                frames::enter(host_address(from), request)
            } else {
                Outcome::fault(ContractFault::NoCode)
            };
            super::world(|world| world.revert(&checkpoint));
            outcome
        });
        Raw::new(outcome, 0, Vec::new()).receipt(|outcome| message.read(&outcome.output)).result
    }

    /// Looks at a contract's storage through its own fields and methods, outside of any gas.
    pub fn inspect<C: Contract, T>(&mut self, address: Address, look: impl FnOnce(&C) -> T) -> T {
        let mut frame = frame(Address::ZERO, address, U256::ZERO, &[], GAS_OF_TESTS);
        frame.read_only = true;
        let transaction = TransactionContext { hash: Hash::ZERO, origin: HostAddress::ZERO };
        let result = self.running(transaction, || frames::run_test_code(frame, || Ok::<_, ()>(look(&C::open()))));
        result.unwrap_or_else(|()| unreachable!("it is Ok"))
    }

    /// Runs a contract's own methods as if `caller` had called it, without dispatch and outside of any gas. If `run`
    /// fails, storage is as before.
    pub fn within<C: Contract, T, E>(
        &mut self,
        caller: Address,
        address: Address,
        run: impl FnOnce(&mut C) -> Result<T, E>,
    ) -> Result<T, E> {
        let frame = frame(caller, address, U256::ZERO, &[], GAS_OF_TESTS);
        let transaction = TransactionContext { hash: Hash::ZERO, origin: host_address(self.origin.unwrap_or(caller)) };
        self.running(transaction, || frames::run_test_code(frame, || run(&mut C::open())))
    }

    /// The rows of a contract, by their keys.
    pub fn storage(&self, address: Address) -> Rows {
        self.world.rows.get(&address).cloned().unwrap_or_default()
    }

    /// Gives an account coin, in a group that has one: from the first of these calls on, this one does.
    pub fn fund(&mut self, account: Address, amount: U256) {
        self.world.coin = true;
        self.world.balances.insert(account, amount);
    }

    /// The coin of an account.
    pub fn balance(&self, account: Address) -> U256 {
        self.world.balances.get(&account).copied().unwrap_or_default()
    }

    /// Runs a transaction as the node does (`runtime/executor/src/transaction.rs`).
    fn run(&mut self, transaction: &Transaction<'_>) -> Raw {
        let Transaction { from, to, input, value, gas: limit } = *transaction;
        let hash = self.next_hash();
        let intrinsic = SCHEDULE.intrinsic(input, to.is_none());
        let granted = Limits::default().transaction_gas >= limit;
        let given = limit.checked_mul(UNITS_PER_GAS).filter(|_| granted).zip(intrinsic);
        let Some(gas) = given.and_then(|(given, intrinsic)| given.checked_sub(intrinsic)) else {
            let gas_used = limit.min(to_gas(SCHEDULE.transaction));
            let raw = Raw::new(Outcome::fault(ContractFault::OutOfGas), gas_used, Vec::new());
            return Raw { status: Status::OutOfGasIntrinsic, ..raw };
        };
        let context = TransactionContext { hash, origin: host_address(self.origin.unwrap_or(from)) };
        let sender = host_address(from);
        let outcome = self.running(context, || {
            let Some(to) = to else {
                let value = Amount::from_le_bytes(value.to_le_bytes());
                return frames::construct(
                    sender,
                    &CreateRequest {
                        container: input.to_vec().into(),
                        scheme: CreateScheme::Index,
                        value,
                        gas,
                        memory_pages: STACK_MEMORY_PAGES_MAX,
                    },
                );
            };
            if value.is_zero() && !super::world(|world| world.codes.contains_key(&to)) {
                return Outcome::fault(ContractFault::NoCode);
            }
            frames::enter(sender, call_request(to, value, input, gas))
        });
        let gas_used = to_gas(limit.saturating_mul(UNITS_PER_GAS).saturating_sub(outcome.gas_left));
        let kept = outcome.status == FrameStatus::Success;
        let logs = core::mem::take(&mut self.world.logs);
        Raw::new(outcome, gas_used, if kept { logs } else { Vec::new() })
    }

    fn next_hash(&mut self) -> Hash {
        self.transactions = self.transactions.saturating_add(1);
        let made = || super::keccak256(&self.transactions.to_le_bytes());
        Hash(self.transaction_hash.take().unwrap_or_else(made))
    }

    /// Runs something while this chain is the one that host functions ask. The world moves there and comes back.
    fn running<T>(&mut self, transaction: TransactionContext, run: impl FnOnce() -> T) -> T {
        let block = Block {
            suite: self.suite,
            number: self.block_number,
            timestamp: self.block_timestamp,
            chain_id: self.chain_id,
        };
        let mut world = core::mem::replace(&mut self.world, World::new());
        world.begin(block, transaction);
        let before = RUNNING.replace(Some(world));
        assert!(before.is_none(), "a chain runs on this thread already: a contract's code cannot use one");
        let result = catch_unwind(AssertUnwindSafe(run));
        if let Some(world) = RUNNING.take() {
            self.world = world;
        }
        self.world.frames.clear();
        match result {
            Ok(result) => result,
            Err(payload) => {
                self.world.revert_all();
                frames::rethrow(payload)
            }
        }
    }
}

fn host_address(address: Address) -> HostAddress {
    HostAddress(address.0)
}

fn call_request(to: Address, value: U256, input: &[u8], gas: u64) -> CallRequest {
    let value = Amount::from_le_bytes(value.to_le_bytes());
    CallRequest {
        kind: CallKind::Call,
        address: host_address(to),
        value,
        input: input.to_vec().into(),
        gas,
        memory_pages: STACK_MEMORY_PAGES_MAX,
    }
}
