//! A host in memory, enough to run contracts written by hand.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{collections::BTreeMap, sync::Arc};

use entente_crypto::{Domain, Suite};
use entente_host::{
    BlockContext, CallHost, CallRequest, ContractFault, CreateRequest, EthereumEnvironment, Fault, Frame, FrameStatus,
    Host, NodeFault, Outcome, STACK_MEMORY_PAGES_MAX, TransactionContext, gas::SCHEDULE_1,
};
use entente_state::{Row, RowValue};
use entente_types::{Address, Amount, EvmTimestamp, Hash, Log};
use entente_wasm::{Entry, Wasm};

pub const GAS: u64 = 10_000_000_000;

pub type Engine = Arc<Wasm<TestHost>>;
type Ended = (Box<TestHost>, Result<Outcome, NodeFault>);

/// Contracts by address, one storage for all of them, and no undoing: the executor's tests are about that.
pub struct TestHost {
    pub frames: Vec<Frame>,
    pub storage: BTreeMap<Vec<u8>, Vec<u8>>,
    pub logs: Vec<Log>,
    codes: BTreeMap<Address, (Hash, Vec<u8>)>,
    engine: Engine,
    block: BlockContext,
    transaction: TransactionContext,
}

pub fn engine() -> Engine {
    Arc::new(Wasm::new(&SCHEDULE_1))
}

pub fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

pub fn code_hash(module: &[u8]) -> Hash {
    Suite::Standard.hash(Domain::CODE, &[module])
}

pub fn at(place: u8) -> Address {
    Address([place; 20])
}

impl TestHost {
    pub fn new(engine: &Engine) -> Box<Self> {
        Box::new(Self {
            frames: Vec::new(),
            storage: BTreeMap::new(),
            logs: Vec::new(),
            codes: BTreeMap::new(),
            engine: Arc::clone(engine),
            block: BlockContext {
                suite: Suite::Standard,
                number: 7,
                timestamp_ms: 1_700_000_000_123,
                proposer: at(0xbb),
                gas_limit: 800_000_000,
                ethereum_chain_id: 20200,
                balances: false,
                pipeline_depth: 1,
                sealers: Arc::from([]),
                sealer_set: Arc::from([]),
                sealers_max: 1,
                evm_timestamp: EvmTimestamp::Seconds,
                ethereum: EthereumEnvironment::default(),
            },
            transaction: TransactionContext { hash: Hash([0x77; 32]), origin: at(0xaa) },
        })
    }

    pub fn with(mut self: Box<Self>, address: Address, module: &[u8]) -> Box<Self> {
        self.codes.insert(address, (code_hash(module), module.to_vec()));
        self
    }

    pub fn enter(self: Box<Self>, entry: Entry, address: Address, input: &[u8], gas: u64) -> Ended {
        self.enter_with(entry, address, input, gas, STACK_MEMORY_PAGES_MAX)
    }

    pub fn enter_with(
        mut self: Box<Self>,
        entry: Entry,
        address: Address,
        input: &[u8],
        gas: u64,
        memory_pages: u32,
    ) -> Ended {
        if self.frames.len() >= 64 {
            return (self, Ok(Outcome::fault(ContractFault::Depth { limit: 64 })));
        }
        let Some((hash, module)) = self.codes.get(&address).cloned() else {
            return (self, Ok(Outcome::fault(ContractFault::NoCode)));
        };
        self.frames.push(Frame {
            caller: self.frames.last().map_or(at(0xaa), |frame| frame.storage_address),
            storage_address: address,
            code_address: address,
            value: Amount::from(5),
            input: input.to_vec().into(),
            gas,
            memory_pages,
            read_only: false,
            depth: self.frames.len() as u16,
            creating: false,
        });
        let engine = Arc::clone(&self.engine);
        let (mut host, outcome) = engine.run(entry, &hash, self, |_| Ok(module));
        host.frames.pop();
        (host, outcome)
    }
}

impl Host for TestHost {
    fn frame(&self) -> &Frame {
        self.frames.last().expect("a frame")
    }

    fn block(&self) -> &BlockContext {
        &self.block
    }

    fn transaction(&self) -> &TransactionContext {
        &self.transaction
    }

    fn storage_get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, NodeFault> {
        if key == b"broken" {
            return Err(NodeFault::Engine("the disk is gone".into()));
        }
        assert!(key != b"panics", "a host that panics");
        Ok(self.storage.get(key).map(Vec::as_slice))
    }

    fn storage_set(&mut self, key: &[u8], value: Option<RowValue>) -> Result<(), Fault> {
        match value {
            Some(value) => self.storage.insert(key.to_vec(), value.into_vec()),
            None => self.storage.remove(key),
        };
        Ok(())
    }

    fn row_get(&mut self, _: &Row) -> Result<Option<&[u8]>, NodeFault> {
        Ok(None)
    }

    fn row_set(&mut self, _: &Row, _: Option<RowValue>) -> Result<(), Fault> {
        Ok(())
    }

    fn emit(&mut self, log: Log) -> Result<(), Fault> {
        self.logs.push(log);
        Ok(())
    }
}

impl CallHost for TestHost {
    fn call(self: Box<Self>, request: CallRequest) -> Ended {
        self.enter_with(Entry::Call, request.address, &request.input, request.gas, request.memory_pages)
    }

    fn create(self: Box<Self>, request: CreateRequest) -> Ended {
        let outcome = Outcome {
            status: FrameStatus::Success,
            output: Vec::new(),
            gas_left: request.gas,
            created: Some(at(0xcc)),
            function: None,
        };
        (self, Ok(outcome))
    }
}

/// Runs `call` of a module that stands alone.
pub fn run(engine: &Engine, module: &[u8], input: &[u8], gas: u64) -> (Box<TestHost>, Outcome) {
    let (host, outcome) = TestHost::new(engine).with(at(1), module).enter(Entry::Call, at(1), input, gas);
    (host, outcome.unwrap_or_else(|fault| panic!("the node's fault: {fault}")))
}

/// A module whose `call` has this body; `deploy` does nothing.
pub fn with_body(declarations: &str, body: &str) -> Vec<u8> {
    wat(&format!(
        r#"(module {declarations}
            (memory (export "memory") 1)
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32) {body}))"#
    ))
}
