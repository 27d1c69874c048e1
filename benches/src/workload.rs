//! The workload: token transfers between many accounts, signed beforehand, over a chain in memory.

use std::{path::Path, sync::Arc};

use entente_crypto::{LtHash, SecretKey, SignatureError, Suite, keccak256};
use entente_executor::{BlockInput, ExecutedBlock, Executor, InputTransaction, container, genesis_block};
use entente_group::native_modules;
use entente_host::{EthereumEnvironment, NativeRegistryError, NodeFault};
use entente_state::{MapState, StateReader};
use entente_types::{
    Address, Amount, Bytes, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Header, Limits, Member, Proposal,
    Status, UnsignedTransaction, Version,
};

use crate::time;

/// Why the workload could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// The token's module is not where it should be.
    #[error("{path}: {error}; run `make contracts` first")]
    Module {
        /// Where it should be.
        path: String,
        /// What went wrong.
        error: std::io::Error,
    },
    /// Executing failed.
    #[error(transparent)]
    Node(#[from] NodeFault),
    /// The native modules clash.
    #[error(transparent)]
    Natives(#[from] NativeRegistryError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] SignatureError),
    /// A file or folder is refused.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// The workload itself went wrong.
    #[error("the workload went wrong: {0}")]
    Wrong(String),
}

/// A chain with the token deployed and its accounts funded.
pub struct Workload {
    /// The group's document.
    pub genesis: Genesis,
    /// Its executor, warm.
    pub executor: Executor,
    /// The state at the tip.
    pub state: Arc<MapState>,
    /// The tip's header.
    pub parent: Header,
    /// The commitment to the state.
    pub commitment: LtHash,
    /// The token's address.
    pub token: Address,
    accounts: Vec<SecretKey>,
    nonce: u64,
}

/// The signature of an ERC-20 transfer.
const TRANSFER: &str = "transfer(address,uint256)";

fn key(suite: Suite, index: u64) -> Result<SecretKey, SignatureError> {
    let digest = keccak256(&index.to_le_bytes());
    SecretKey::from_bytes(suite, &digest.0)
}

fn transfer_input(to: &Address, amount: u64) -> Vec<u8> {
    let mut input: Vec<u8> = keccak256(TRANSFER.as_bytes()).0.into_iter().take(4).collect();
    input.extend_from_slice(&[0; 12]);
    input.extend_from_slice(to.as_ref());
    input.extend_from_slice(&[0; 24]);
    input.extend_from_slice(&amount.to_be_bytes());
    input
}

pub(crate) fn genesis(suite: Suite, sealers: &[SecretKey]) -> Genesis {
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::from_number(1),
        ethereum_chain_id: 20200,
        suite,
        timestamp_ms: 1_700_000_000_000,
        consensus: if sealers.len() == 1 { ConsensusKind::Solo } else { ConsensusKind::Pbft },
        pipeline_depth: 1,
        protocol_version: 2,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits { block_gas: 100_000_000_000, ..Limits::default() },
        sealers: sealers.iter().map(|sealer| Member { key: sealer.public_key(), weight: 1 }).collect(),
        allocations: Vec::new(),
    }
}

/// The executor that a node has.
fn executor(genesis: &Genesis) -> Result<Executor, NativeRegistryError> {
    Ok(Executor::new(genesis, native_modules(genesis.suite)?))
}

impl Workload {
    /// Takes a fresh executor, as a node has after it was started again.
    pub fn restart(&mut self) -> Result<(), WorkloadError> {
        self.executor = executor(&self.genesis)?;
        Ok(())
    }

    /// Deploys the token of this module in a group of the Standard suite and funds so many accounts.
    pub fn new(module: &Path, accounts: u64) -> Result<Self, WorkloadError> {
        Self::of_suite(Suite::Standard, module, accounts)
    }

    /// The same in a group of this suite.
    pub fn of_suite(suite: Suite, module: &Path, accounts: u64) -> Result<Self, WorkloadError> {
        let code = std::fs::read(module)
            .map_err(|error| WorkloadError::Module { path: module.display().to_string(), error })?;
        let sealer = key(suite, u64::MAX)?;
        let keys = (0..accounts).map(|index| key(suite, index)).collect::<Result<_, _>>()?;
        let mut workload = Self::begin(genesis(suite, &[sealer]), keys)?;
        workload.token = workload.deploy(&code)?;
        let funded: Vec<u64> = (1..accounts).collect();
        for chunk in funded.chunks(1000) {
            let transfers =
                chunk.iter().map(|to| workload.transfer(0, *to, 1_000_000)).collect::<Result<Vec<_>, _>>()?;
            let block = workload.execute(&transfers)?;
            workload.keep(block);
        }
        Ok(workload)
    }

    /// A group without a token, whose sealers are the first so many of its accounts.
    pub(crate) fn empty(sealers: u64, accounts: u64) -> Result<Self, WorkloadError> {
        let suite = Suite::Standard;
        let keys = (0..accounts).map(|index| key(suite, index)).collect::<Result<Vec<_>, _>>()?;
        let sealers = keys.get(..usize::try_from(sealers).unwrap_or(usize::MAX)).unwrap_or(&keys);
        Self::begin(genesis(suite, sealers), keys)
    }

    /// A group without a token, whose EVM code hashes so.
    pub(crate) fn hashing(evm_hash: EvmHash) -> Result<Self, WorkloadError> {
        let suite = Suite::Standard;
        let keys = vec![key(suite, 0)?];
        Self::begin(Genesis { evm_hash, ..genesis(suite, &keys) }, keys)
    }

    fn begin(genesis: Genesis, accounts: Vec<SecretKey>) -> Result<Self, WorkloadError> {
        let first = genesis_block(&genesis)?;
        let mut state = MapState::default();
        state.apply(&first.changes);
        Ok(Self {
            executor: executor(&genesis)?,
            genesis,
            state: Arc::new(state),
            parent: first.header,
            commitment: first.commitment,
            token: Address::ZERO,
            accounts,
            nonce: 0,
        })
    }

    /// Deploys a contract whose constructor takes nothing: a module, or EVM code that creates it.
    pub fn deploy(&mut self, module: &[u8]) -> Result<Address, WorkloadError> {
        let input = if module.starts_with(b"\0asm") { container(module, &[]) } else { module.to_vec() };
        let deploy = self.sign(0, None, input)?;
        let block = self.execute(&[deploy])?;
        let created = block.receipts.first().and_then(|receipt| receipt.contract);
        let address = created.ok_or_else(|| WorkloadError::Wrong(format!("{:?}", block.receipts)))?;
        self.keep(block);
        Ok(address)
    }

    /// A signed call of a contract, or a deployment.
    pub fn sign(&mut self, from: u64, to: Option<Address>, input: Vec<u8>) -> Result<InputTransaction, WorkloadError> {
        self.nonce += 1;
        let mut nonce = [0; 32];
        for (target, byte) in nonce.iter_mut().zip(self.nonce.to_le_bytes()) {
            *target = byte;
        }
        let account = self.account(from)?;
        let input = Bytes::new(input).ok_or_else(|| WorkloadError::Wrong("the input is too long".into()))?;
        let transaction = UnsignedTransaction {
            version: Version,
            chain_id: self.genesis.chain_id,
            group_id: self.genesis.group_id.clone(),
            sender: account.public_key().address(),
            nonce,
            valid_until: self.parent.number + 900,
            gas_limit: 300_000_000,
            to,
            value: Amount::ZERO,
            input,
            extra: Bytes::default(),
        }
        .sign(&self.genesis.hash(), account);
        Ok(InputTransaction { hash: transaction.hash(self.genesis.suite), transaction: Arc::new(transaction) })
    }

    pub(crate) fn account(&self, index: u64) -> Result<&SecretKey, WorkloadError> {
        let account = self.accounts.get(usize::try_from(index).unwrap_or(usize::MAX));
        account.ok_or_else(|| WorkloadError::Wrong(format!("no account {index}")))
    }

    /// A signed transfer.
    pub fn transfer(&mut self, from: u64, to: u64, amount: u64) -> Result<InputTransaction, WorkloadError> {
        let payee = self.account(to)?.public_key().address();
        self.sign(from, Some(self.token), transfer_input(&payee, amount))
    }

    /// The signed deployment of a module, by the first account.
    pub fn deployment(&mut self, module: &[u8]) -> Result<InputTransaction, WorkloadError> {
        self.sign(0, None, container(module, &[]))
    }

    /// A signed call of a contract, by the first account.
    pub fn call(&mut self, contract: Address, input: Vec<u8>) -> Result<InputTransaction, WorkloadError> {
        self.sign(0, Some(contract), input)
    }

    /// So many signed transfers between accounts spread evenly.
    pub fn transfers(&mut self, count: u64) -> Result<Vec<InputTransaction>, WorkloadError> {
        let accounts = self.accounts.len() as u64;
        (0..count)
            .map(|index| {
                // A step that shares no factor with any usual number of accounts.
                let from = index.wrapping_mul(7919) % accounts;
                self.transfer(from, (from + 1 + index % (accounts - 1)) % accounts, 1)
            })
            .collect()
    }

    /// The proposal of these transactions above the tip.
    pub fn proposal(&self, transactions: &[InputTransaction]) -> Proposal {
        Proposal {
            version: Version,
            genesis: self.genesis.hash(),
            number: self.parent.number + 1,
            parent: self.parent.proposal,
            view: 0,
            timestamp_ms: self.parent.timestamp_ms + 100,
            proposer: Address::ZERO,
            transactions: transactions.iter().map(|transaction| transaction.hash).collect(),
            access: None,
        }
    }

    /// Executes these transactions above the tip, roots and all, without keeping the block.
    pub fn execute(&self, transactions: &[InputTransaction]) -> Result<ExecutedBlock, WorkloadError> {
        Ok(self.execute_timed(transactions)?.1)
    }

    /// The same, and the seconds that it takes without the roots.
    pub(crate) fn execute_timed(
        &self,
        transactions: &[InputTransaction],
    ) -> Result<(f64, ExecutedBlock), WorkloadError> {
        let proposal = self.proposal(transactions);
        let state: Arc<dyn StateReader> = Arc::clone(&self.state) as _;
        let input = BlockInput {
            parent: &self.parent,
            proposal: &proposal,
            transactions,
            state,
            commitment: &self.commitment,
            record_accesses: false,
            ethereum: EthereumEnvironment::default(),
        };
        let (seconds, ran) = time(|| self.executor.run(&input));
        let block = self.executor.conclude(&input, ran?);
        match block.receipts.iter().find(|receipt| receipt.status != Status::Success) {
            Some(receipt) => Err(WorkloadError::Wrong(format!("{receipt:?}"))),
            None => Ok((seconds, block)),
        }
    }

    /// Makes a block the tip.
    pub fn keep(&mut self, block: ExecutedBlock) {
        Arc::make_mut(&mut self.state).apply(&block.changes);
        self.parent = block.header;
        self.commitment = block.commitment;
    }
}
