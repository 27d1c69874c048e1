//! What the chain in memory holds: contracts, rows, balances and logs, with a journal of what to undo.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use entente_crypto::Suite;
use entente_host::{ContractFault, Frame, STACK_MEMORY_PAGES_MAX, TransactionContext};
use entente_types::{Amount, Hash};

use super::Log;
use crate::entry::Outcome as EntryOutcome;
use crate::{Address, U256};

/// A contract's export, natively.
pub(super) type Export = fn(&[u8]) -> EntryOutcome;

/// What stands for a contract that is no Rust here: it answers an input with an output, or reverts with a reason.
pub(super) type StandIn = Rc<dyn Fn(&[u8]) -> Result<Vec<u8>, Vec<u8>>>;

/// What is called at an address.
#[derive(Clone)]
pub(super) enum Code {
    Native { deploy: Export, call: Export },
    StandIn(StandIn),
}

/// The rows of one contract.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// How to take back one change.
enum Undo {
    Row(Address, Vec<u8>, Option<Vec<u8>>),
    Balance(Address, Option<U256>),
    Code(Address, Option<Code>),
}

/// A frame that runs.
pub(super) struct Running {
    pub(super) frame: Frame,
    /// The units left.
    pub(super) gas_left: u64,
    pub(super) output: Vec<u8>,
    pub(super) return_data: Vec<u8>,
}

/// Where to go back to when a frame does not succeed.
pub(super) struct Checkpoint {
    changes: usize,
    logs: usize,
}

/// What contracts can learn of the block.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) suite: Suite,
    pub(crate) number: u64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: u64,
    pub(crate) chain_id: u64,
}

/// The state of a chain in memory.
pub(crate) struct World {
    pub(super) block: Block,
    /// Whether there is a coin.
    pub(super) coin: bool,
    pub(super) transaction: TransactionContext,
    pub(super) codes: BTreeMap<Address, Code>,
    /// The native contract that each module is known to be.
    pub(super) modules: BTreeMap<Vec<u8>, Code>,
    pub(super) rows: BTreeMap<Address, Rows>,
    pub(super) balances: BTreeMap<Address, U256>,
    pub(super) logs: Vec<Log>,
    pub(super) frames: Vec<Running>,
    /// How many contracts the transaction has created.
    pub(super) created: u32,
    journal: Vec<Undo>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            block: Block { suite: Suite::Standard, number: 0, timestamp: 0, chain_id: 0 },
            coin: false,
            transaction: TransactionContext { hash: Hash::ZERO, origin: entente_types::Address::ZERO },
            codes: BTreeMap::new(),
            modules: BTreeMap::new(),
            rows: BTreeMap::new(),
            balances: BTreeMap::new(),
            logs: Vec::new(),
            frames: Vec::new(),
            created: 0,
            journal: Vec::new(),
        }
    }

    /// Prepares for a transaction.
    pub(super) fn begin(&mut self, block: Block, transaction: TransactionContext) {
        (self.block, self.transaction, self.created) = (block, transaction, 0);
        self.logs.clear();
        self.frames.clear();
        self.journal.clear();
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { changes: self.journal.len(), logs: self.logs.len() }
    }

    /// Takes back every change since the checkpoint.
    pub(super) fn revert(&mut self, checkpoint: &Checkpoint) {
        self.logs.truncate(checkpoint.logs);
        while self.journal.len() > checkpoint.changes {
            match self.journal.pop() {
                Some(Undo::Row(address, key, old)) => {
                    put(self.rows.entry(address).or_default(), key, old);
                }
                Some(Undo::Balance(address, old)) => {
                    put(&mut self.balances, address, old);
                }
                Some(Undo::Code(address, old)) => {
                    put(&mut self.codes, address, old);
                }
                None => {}
            }
        }
    }

    /// Takes back everything that the transaction did.
    pub(super) fn revert_all(&mut self) {
        self.revert(&Checkpoint { changes: 0, logs: 0 });
    }

    pub(super) fn set_row(&mut self, address: Address, key: &[u8], value: Option<Vec<u8>>) {
        let old = put(self.rows.entry(address).or_default(), key.to_vec(), value);
        self.journal.push(Undo::Row(address, key.to_vec(), old));
    }

    pub(super) fn set_code(&mut self, address: Address, code: Code) {
        let old = self.codes.insert(address, code);
        self.journal.push(Undo::Code(address, old));
    }

    fn set_balance(&mut self, address: Address, balance: U256) {
        let old = self.balances.insert(address, balance);
        self.journal.push(Undo::Balance(address, old));
    }

    pub(super) fn move_value(&mut self, frame: &Frame) -> Result<(), ContractFault> {
        let value = U256::from_le_bytes(&frame.value.to_le_bytes());
        if value.is_zero() {
            return Ok(());
        }
        if !self.coin {
            return Err(ContractFault::ValueWithoutBalances);
        }
        let (from, to) = (Address(frame.caller.0), Address(frame.storage_address.0));
        let balance = |world: &Self, of: &Address| world.balances.get(of).copied().unwrap_or_default();
        let rest = balance(self, &from).checked_sub(value).ok_or(ContractFault::Balance)?;
        self.set_balance(from, rest);
        let sum = balance(self, &to).checked_add(value).ok_or(ContractFault::Balance)?;
        self.set_balance(to, sum);
        Ok(())
    }
}

/// Sets or removes an entry; gives what was there.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}

/// A frame as a test or another frame asks for it.
pub(super) fn frame(caller: Address, to: Address, value: U256, input: &[u8], gas: u64) -> Frame {
    Frame {
        caller: entente_types::Address(caller.0),
        storage_address: entente_types::Address(to.0),
        code_address: entente_types::Address(to.0),
        value: Amount::from_le_bytes(value.to_le_bytes()),
        input: input.to_vec().into(),
        gas,
        memory_pages: STACK_MEMORY_PAGES_MAX,
        read_only: false,
        depth: 0,
        creating: false,
    }
}
