//! A chain of one contract in memory, for native tests of a contract (feature `testing`).
//!
//! Each thread has a chain of its own, so tests do not meet. `hash` stands in with Keccak-256.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::RefCell;

use entente_host::{STATUS_FAILED, STATUS_REVERTED, STATUS_SUCCESS};
use sha3::{Digest, Keccak256};

use crate::{Address, Hash32, U256};

/// A log that the contract wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The topics; the first is the event's.
    pub topics: Vec<Hash32>,
    /// The ABI encoding of the fields that are not indexed.
    pub data: Vec<u8>,
}

/// What another contract answers to an input: its output, or the reason of its revert.
pub type Answer = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, Vec<u8>>>;

/// What the contract sees and leaves behind.
#[derive(Default)]
pub struct Chain {
    /// Who calls.
    pub caller: Address,
    /// The contract's address.
    pub address: Address,
    /// Who sent the transaction.
    pub origin: Address,
    /// The value sent along.
    pub value: U256,
    /// The block's number.
    pub block_number: u64,
    /// The block's timestamp in milliseconds.
    pub block_timestamp: u64,
    /// The chain id.
    pub chain_id: u64,
    /// The transaction's hash.
    pub transaction_hash: Hash32,
    /// The gas that `gas_left` answers; nothing uses it up.
    pub gas_left: u64,
    /// The call's input, which an exported function would read.
    pub input: Vec<u8>,
    /// The output that was set last.
    pub output: Vec<u8>,
    /// The rows of the contract's storage.
    pub storage: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The logs.
    pub logs: Vec<Log>,
    /// The other contracts; a call to an address that is not here succeeds with no output, as on chain.
    pub contracts: BTreeMap<Address, Answer>,
    /// The address that the next creation gives; without one, creating fails.
    pub next_address: Option<Address>,
    pub(crate) return_data: Vec<u8>,
}

impl Chain {
    pub(crate) fn answer(&mut self, to: Address, input: &[u8]) -> u32 {
        let answer = self.contracts.get(&to).map_or(Ok(Vec::new()), |contract| contract(input));
        let status = if answer.is_ok() { STATUS_SUCCESS } else { STATUS_REVERTED };
        self.return_data = answer.unwrap_or_else(|reason| reason);
        status
    }

    pub(crate) fn create(&mut self, _input: &[u8]) -> (u32, [u8; 20]) {
        self.return_data.clear();
        self.next_address.take().map_or((STATUS_FAILED, [0; 20]), |address| (STATUS_SUCCESS, address.0))
    }
}

std::thread_local! {
    static CHAIN: RefCell<Chain> = RefCell::new(Chain::default());
}

/// Looks at this thread's chain, or changes it.
pub fn chain<T>(with: impl FnOnce(&mut Chain) -> T) -> T {
    CHAIN.with_borrow_mut(with)
}

/// Begins anew: an empty chain.
pub fn reset() {
    chain(|chain| *chain = Chain::default());
}

/// Runs `message` as a transaction of `caller`: if it fails, storage and logs are as before.
pub fn transact<T, E>(caller: Address, message: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let (storage, log_count) = chain(|chain| {
        chain.caller = caller;
        chain.origin = caller;
        (chain.storage.clone(), chain.logs.len())
    });
    let result = message();
    if result.is_err() {
        chain(|chain| {
            chain.storage = storage;
            chain.logs.truncate(log_count);
        });
    }
    result
}

/// Keccak-256.
pub fn keccak256(data: &[u8]) -> Hash32 {
    Keccak256::digest(data).into()
}
