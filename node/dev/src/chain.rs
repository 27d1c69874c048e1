//! The chain: what it is made of, and what others see of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entente_crypto::keccak256;
use entente_executor::{Account, EthereumRules, Executor};
use entente_group::{CommittedBlock, Identity};
use entente_host::NodeFault;
use entente_ledger::{DevLedger, Ledger};
use entente_pool::{Pool, PooledTransaction};
use entente_types::{Address, EthereumPayload, EthereumRefusal, Hash, Header, SenderAccount};

use crate::{Accounts, DevError, clock::Clock, snapshots::Taken};

/// The executor's rules, as the pool asks for them.
#[derive(Debug)]
pub(crate) struct DoorRules(pub(crate) EthereumRules);

impl entente_pool::EthereumRules for DoorRules {
    fn check(&self, payload: &EthereumPayload) -> Result<(), EthereumRefusal> {
        self.0.check(payload).map(drop)
    }
}

/// What the next blocks are made with, which a snapshot holds too.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    /// Who is said to have made the blocks.
    pub(crate) coinbase: Address,
    /// What PREVRANDAO answers in the next block; zero in those after it.
    pub(crate) prevrandao: Hash,
}

/// A chain for those who test contracts. Its blocks are made by whoever calls it, on a thread whose stack has
/// `EXECUTION_STACK_BYTES`.
pub struct DevChain {
    pub(crate) ledger: DevLedger,
    pub(crate) executor: Arc<Executor>,
    pub(crate) identity: Identity,
    pub(crate) pool: Pool,
    /// What rules the pool's door: the gas that a transaction may ask for, and what Ethereum's are held against.
    pub(crate) door: (u64, Option<EthereumRules>),
    pub(crate) accounts: Accounts,
    /// Those who are taken for the senders of what is said to be theirs.
    pub(crate) impersonated: BTreeSet<Address>,
    pub(crate) impersonates_all: bool,
    pub(crate) settings: Settings,
    /// Whether each transaction is in a block at once.
    pub(crate) automine: bool,
    /// How often a block comes by itself.
    pub(crate) interval_ms: Option<u64>,
    pub(crate) snapshots: BTreeMap<u64, Taken>,
    pub(crate) last_snapshot: u64,
    /// How it began.
    pub(crate) begun: Option<Taken>,
    pub(crate) resets: u64,
    pub(crate) begun_ms: u64,
    /// Those that were made and not yet fetched.
    pub(crate) blocks: Vec<Arc<CommittedBlock>>,
}

impl DevChain {
    /// The blocks, and the state after the last one.
    pub const fn ledger(&self) -> &Arc<Ledger> {
        self.ledger.ledger()
    }

    /// What executes.
    pub const fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    /// The transactions that wait.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Who signs the blocks.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The accounts whose keys it has.
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Those who may send without a signature, though not all: those who were asked for.
    pub fn impersonated(&self) -> impl Iterator<Item = Address> {
        self.impersonated.iter().copied()
    }

    /// The blocks that were made since this was asked last.
    pub fn take_blocks(&mut self) -> Vec<Arc<CommittedBlock>> {
        std::mem::take(&mut self.blocks)
    }

    /// A number that is another one for each chain that was begun, or begun anew.
    pub fn instance(&self) -> Hash {
        let numbers = [self.begun_ms.to_be_bytes(), self.resets.to_be_bytes()].concat();
        keccak256(&[&self.ledger().genesis_hash().0, numbers.as_slice()].concat())
    }

    /// The last block's header.
    ///
    /// # Errors
    /// It is not there.
    pub fn tip(&self) -> Result<Header, DevError> {
        let tip = self.ledger().tip().number;
        let missing = || NodeFault::Row(format!("block {tip}"));
        Ok(self.ledger().header(tip)?.ok_or_else(missing)?)
    }

    /// The time that the next block had, if it came now; in seconds since 1970.
    ///
    /// # Errors
    /// The last block is not there.
    pub fn next_timestamp(&self, unix_ms: u64) -> Result<u64, DevError> {
        Ok(self.settings.clock.peek(unix_ms / 1000, self.tip()?.timestamp_ms / 1000))
    }

    /// A transaction that waits.
    pub fn pending(&self, hash: &Hash) -> Option<PooledTransaction> {
        self.pool.find(hash)
    }

    /// The number of an account's next Ethereum transaction, those that wait counted.
    ///
    /// # Errors
    /// The account cannot be read.
    pub fn next_nonce(&self, address: &Address) -> Result<u64, NodeFault> {
        match self.pool.next_nonce(address) {
            Some(next) => Ok(next),
            None => self.sender(address).map(|account| account.nonce),
        }
    }

    /// An account, as far as it sends.
    pub(crate) fn sender(&self, address: &Address) -> Result<SenderAccount, NodeFault> {
        let bytes = self.ledger().state().row(&Account::row(address))?;
        self.sender_of(address, bytes.as_deref())
    }

    pub(crate) fn sender_of(&self, address: &Address, bytes: Option<&[u8]>) -> Result<SenderAccount, NodeFault> {
        let account = bytes.map(|bytes| Account::from_bytes(address, bytes)).transpose()?;
        let account = account.unwrap_or_default().as_sender(self.ledger().genesis().balances);
        // A contract sends where it is impersonated: nobody has its key.
        Ok(SenderAccount { is_contract: false, ..account })
    }
}
