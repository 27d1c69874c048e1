//! A chain in memory, driven block by block.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod script;

use std::{path::PathBuf, sync::Arc};

use entente_crypto::{SecretKey, Suite};
use entente_executor::{BlockInput, CallInput, ExecutedBlock, Executor, InputTransaction, container, genesis_block};
use entente_host::{EthereumEnvironment, NativeRegistry};
use entente_state::MapState;
use entente_types::{
    Address, Amount, Bytes, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Hash, Limits, Member, Proposal,
    Receipt, Transaction, UnsignedTransaction, Version,
};

pub const GAS: u64 = 100_000_000;

pub fn key(seed: u8) -> SecretKey {
    key_of(Suite::Standard, seed)
}

pub fn key_of(suite: Suite, seed: u8) -> SecretKey {
    SecretKey::from_bytes(suite, &[seed; 32]).expect("a key")
}

/// The account in a group of the Standard suite.
pub fn account(seed: u8) -> Address {
    account_of(Suite::Standard, seed)
}

pub fn account_of(suite: Suite, seed: u8) -> Address {
    key_of(suite, seed).public_key().address()
}

pub fn genesis() -> Genesis {
    genesis_of(Suite::Standard)
}

pub fn genesis_of(suite: Suite) -> Genesis {
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        ethereum_chain_id: 20200,
        suite,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: vec![Member { key: key_of(suite, 200).public_key(), weight: 1 }],
        allocations: vec![],
    }
}

pub struct Chain {
    pub genesis: Genesis,
    pub executor: Executor,
    pub state: Arc<MapState>,
    pub tip: ExecutedBlock,
    nonce: u64,
}

impl Chain {
    pub fn new(genesis: Genesis, natives: NativeRegistry) -> Self {
        let tip = genesis_block(&genesis).expect("block 0");
        let mut state = MapState::default();
        state.apply(&tip.changes);
        let executor = Executor::new(&genesis, natives);
        Self { genesis, executor, state: Arc::new(state), tip, nonce: 0 }
    }

    pub fn sign(&mut self, sender: u8, to: Option<Address>, input: Vec<u8>, gas_limit: u64) -> InputTransaction {
        self.sign_with_value(sender, to, input, gas_limit, 0)
    }

    pub fn sign_with_value(
        &mut self,
        sender: u8,
        to: Option<Address>,
        input: Vec<u8>,
        gas_limit: u64,
        value: u64,
    ) -> InputTransaction {
        let suite = self.genesis.suite;
        self.nonce += 1;
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let transaction = UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: self.genesis.group_id.clone(),
            sender: account_of(suite, sender),
            nonce,
            valid_until: 500,
            gas_limit,
            to,
            value: Amount::from(value),
            input: Bytes::new(input).expect("a short input"),
            extra: Bytes::default(),
        }
        .sign(&self.genesis.hash(), &key_of(suite, sender));
        let hash = transaction.hash(suite);
        InputTransaction { hash, transaction: Arc::new(transaction) }
    }

    pub fn proposal(&self, transactions: &[InputTransaction]) -> Proposal {
        let parent = &self.tip.header;
        Proposal {
            version: Version,
            genesis: self.genesis.hash(),
            number: parent.number + 1,
            parent: parent.proposal,
            view: 0,
            timestamp_ms: parent.timestamp_ms + 1000,
            proposer: account_of(self.genesis.suite, 200),
            transactions: transactions.iter().map(|transaction| transaction.hash).collect(),
            access: None,
        }
    }

    /// Executes without keeping.
    pub fn execute(&self, transactions: &[InputTransaction]) -> ExecutedBlock {
        self.execute_with(transactions, true)
    }

    pub fn execute_with(&self, transactions: &[InputTransaction], record_accesses: bool) -> ExecutedBlock {
        let proposal = self.proposal(transactions);
        self.executor
            .execute(&BlockInput {
                parent: &self.tip.header,
                proposal: &proposal,
                transactions,
                state: self.state.clone(),
                commitment: &self.tip.commitment,
                record_accesses,
                ethereum: EthereumEnvironment::default(),
            })
            .expect("no fault of the node")
    }

    pub fn commit(&mut self, transactions: &[InputTransaction]) -> &ExecutedBlock {
        let executed = self.execute(transactions);
        let mut state = (*self.state).clone();
        state.apply(&executed.changes);
        self.state = Arc::new(state);
        self.tip = executed;
        &self.tip
    }

    pub fn one(&mut self, sender: u8, to: Option<Address>, input: Vec<u8>) -> Receipt {
        let transaction = self.sign(sender, to, input, GAS);
        self.commit(&[transaction]).receipts[0].clone()
    }

    pub fn deploy(&mut self, module: &[u8], arguments: &[u8]) -> Receipt {
        self.one(1, None, container(module, arguments))
    }

    pub fn deploy_wat(&mut self, text: &str) -> Address {
        let receipt = self.deploy(&wat::parse_str(text).expect("wat"), &[]);
        receipt.contract.unwrap_or_else(|| panic!("not deployed: {receipt:?}"))
    }

    pub fn call(&self, from: u8, to: Address, input: Vec<u8>) -> Receipt {
        let call = CallInput { from: account_of(self.genesis.suite, from), to, input, gas: GAS };
        self.executor.call(self.state.clone(), &self.tip.header, call).expect("no fault of the node").receipt
    }
}

/// The token's module, as `make contracts` leaves it.
pub fn token() -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let path = target.join("contracts/token.wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make contracts`", path.display()))
}

pub fn selector(signature: &str) -> Vec<u8> {
    entente_crypto::keccak256(signature.as_bytes()).0[..4].to_vec()
}

/// A call with static arguments: each a word of 32 bytes.
pub fn abi_call(signature: &str, words: &[[u8; 32]]) -> Vec<u8> {
    let mut input = selector(signature);
    words.iter().for_each(|word| input.extend_from_slice(word));
    input
}

pub fn word(number: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&number.to_be_bytes());
    word
}

pub fn address_word(address: &Address) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&address.0);
    word
}

pub fn number(output: &[u8]) -> u128 {
    u128::from_be_bytes(output[16..32].try_into().expect("a word"))
}

pub fn transaction_of(input: &InputTransaction) -> &Transaction {
    &input.transaction
}

pub const ZERO_HASH: Hash = Hash::ZERO;
