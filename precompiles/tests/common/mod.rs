//! A chain in memory, driven block by block, whose transactions call one native module.
#![allow(unreachable_pub, reason = "a part of each test file")]

use std::sync::Arc;

use alloy_dyn_abi::{DynSolType, DynSolValue};
use entente_crypto::{SecretKey, Suite, keccak256};
use entente_executor::{BlockInput, CallInput, ExecutedBlock, Executor, InputTransaction, container, genesis_block};
use entente_host::EthereumEnvironment;
use entente_precompiles::registry;
use entente_state::MapState;
use entente_types::{
    Address, Amount, Bytes, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Proposal, Receipt,
    Status, UnsignedTransaction, Version,
};

pub fn key_of(suite: Suite, seed: u8) -> SecretKey {
    SecretKey::from_bytes(suite, &[seed; 32]).expect("a key")
}

/// A group whose sealers have the keys of these seeds.
pub fn genesis_of(suite: Suite, sealers: impl IntoIterator<Item = u8>) -> Genesis {
    let member = |seed| Member { key: key_of(suite, seed).public_key(), weight: 1 };
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        ethereum_chain_id: 20200,
        suite,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Pbft,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: sealers.into_iter().map(member).collect(),
        allocations: vec![],
    }
}

pub struct Chain {
    pub genesis: Genesis,
    pub executor: Executor,
    pub state: Arc<MapState>,
    pub tip: ExecutedBlock,
    module: Address,
    gas: u64,
    nonce: u64,
}

impl Chain {
    /// Its calls are of this module, each with this gas.
    pub fn from_genesis(genesis: Genesis, module: Address, gas: u64) -> Self {
        let tip = genesis_block(&genesis).expect("block 0");
        let mut state = MapState::default();
        state.apply(&tip.changes);
        let executor = Executor::new(&genesis, registry(genesis.suite).expect("modules"));
        Self { genesis, executor, state: Arc::new(state), tip, module, gas, nonce: 0 }
    }

    pub fn number(&self) -> u64 {
        self.tip.header.number
    }

    pub fn sign(&mut self, seed: u8, to: Option<Address>, input: Vec<u8>, gas_limit: u64) -> InputTransaction {
        self.nonce += 1;
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let signer = key_of(self.genesis.suite, seed);
        let transaction = UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: self.genesis.group_id.clone(),
            sender: signer.public_key().address(),
            nonce,
            valid_until: 500,
            gas_limit,
            to,
            value: Amount::ZERO,
            input: Bytes::new(input).expect("a short input"),
            extra: Bytes::default(),
        }
        .sign(&self.genesis.hash(), &signer);
        InputTransaction { hash: transaction.hash(self.genesis.suite), transaction: Arc::new(transaction) }
    }

    /// A call of the module.
    pub fn call_of(&mut self, seed: u8, input: Vec<u8>) -> InputTransaction {
        self.sign(seed, Some(self.module), input, self.gas)
    }

    /// What a block of these transactions would come to.
    pub fn execute(&self, transactions: &[InputTransaction]) -> ExecutedBlock {
        let parent = &self.tip.header;
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis.hash(),
            number: parent.number + 1,
            parent: parent.proposal,
            view: 0,
            timestamp_ms: parent.timestamp_ms + 1000,
            proposer: self.genesis.sealers[0].key.address(),
            transactions: transactions.iter().map(|transaction| transaction.hash).collect(),
            access: None,
        };
        let input = BlockInput {
            parent,
            proposal: &proposal,
            transactions,
            state: self.state.clone(),
            commitment: &self.tip.commitment,
            record_accesses: false,
            ethereum: EthereumEnvironment::default(),
        };
        self.executor.execute(&input).expect("no fault of the node")
    }

    pub fn commit(&mut self, transactions: &[InputTransaction]) -> Vec<Receipt> {
        self.tip = self.execute(transactions);
        let mut state = (*self.state).clone();
        state.apply(&self.tip.changes);
        self.state = Arc::new(state);
        self.tip.receipts.clone()
    }

    pub fn empty_blocks(&mut self, count: u64) {
        (0..count).for_each(|_| drop(self.commit(&[])));
    }

    /// Calls the module in a block of its own.
    pub fn one(&mut self, seed: u8, input: Vec<u8>) -> Receipt {
        let transaction = self.call_of(seed, input);
        self.commit(&[transaction]).remove(0)
    }

    /// The same, where it answers a code.
    pub fn send(&mut self, seed: u8, input: Vec<u8>) -> i64 {
        let receipt = self.one(seed, input);
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        code(&receipt)
    }

    /// Calls the module without a block. Nobody pays for it: the largest answer must fit.
    pub fn call(&self, input: Vec<u8>) -> Receipt {
        let gas = self.genesis.limits.transaction_gas;
        let call = CallInput { from: Address::ZERO, to: self.module, input, gas };
        self.executor.call(self.state.clone(), &self.tip.header, call).expect("no fault of the node").receipt
    }

    /// What the module answers, as a tuple of these types.
    pub fn read(&self, input: Vec<u8>, types: &str) -> DynSolValue {
        let receipt = self.call(input);
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        decode(types, &receipt.output)
    }

    /// Deploys a contract that hands its input on to the module, and gives back the word that this answers. A module
    /// must see who calls it, not who signed.
    pub fn deploy_relay(&mut self) -> Address {
        let module: String = self.module.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let relay = format!(
            r#"(module
        (import "entente" "input_length" (func $length (result i32)))
        (import "entente" "input_read" (func $read (param i32 i32 i32)))
        (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
        (import "entente" "return_read" (func $returned (param i32 i32 i32)))
        (import "entente" "output" (func $output (param i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "{module}")
        (func (export "deploy") (result i32) (i32.const 0))
        (func (export "call") (result i32)
          (call $read (i32.const 128) (i32.const 0) (call $length))
          ;; With all the gas that may go down.
          (drop (call $call (i32.const 0) (i32.const 0) (i64.const -1) (i32.const 32) (i32.const 128)
            (call $length)))
          (call $returned (i32.const 64) (i32.const 0) (i32.const 32))
          (call $output (i32.const 64) (i32.const 32))
          (i32.const 0)))"#
        );
        let relay = wat::parse_str(relay).expect("wat");
        let gas = self.genesis.limits.transaction_gas;
        let deploy = self.sign(1, None, container(&relay, &[]), gas);
        self.commit(&[deploy]).remove(0).contract.expect("deployed")
    }
}

/// A call's input. The selector is Ethereum's, which groups of either suite answer.
pub fn encode(signature: &str, values: Vec<DynSolValue>) -> Vec<u8> {
    [&keccak256(signature.as_bytes()).0[..4], &DynSolValue::Tuple(values).abi_encode_params()].concat()
}

pub fn decode(types: &str, bytes: &[u8]) -> DynSolValue {
    DynSolType::parse(types).unwrap().abi_decode_params(bytes).unwrap()
}

pub fn unsigned(value: &DynSolValue) -> u64 {
    value.as_uint().unwrap().0.to::<u64>()
}

/// The code that a module answered: a word with a sign.
pub fn code(receipt: &Receipt) -> i64 {
    let (high, low) = receipt.output.split_at(24);
    let code = i64::from_be_bytes(low.try_into().expect("a word"));
    assert!(high.iter().all(|byte| *byte == if code < 0 { 0xff } else { 0 }), "{receipt:?}");
    code
}
