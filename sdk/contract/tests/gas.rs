//! What the chain in memory charges for host functions is what the node charges: a contract runs as Wasm under a
//! schedule in which its own instructions cost nothing, and natively, and both leave the same gas.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use asset::asset::{Messages as AssetMessages, Register};
use entente::entry::Contract;
use entente::testing::Chain;
use entente::{Address, Creation, Message, U256};
use entente_crypto::{Domain, Suite};
use entente_host::gas::{GasSchedule, SCHEDULE_1, UNITS_PER_GAS, to_gas};
use entente_host::{
    BlockContext, CallHost, CallKind, CallRequest, CreateRequest, EthereumEnvironment, Fault, Frame, FrameStatus, Host,
    NodeFault, Outcome, STACK_MEMORY_PAGES_MAX, TransactionContext,
};
use entente_state::{Row, RowValue};
use entente_types::{Address as NodeAddress, Amount, EvmTimestamp, Hash, Log};
use entente_wasm::{Entry, Wasm};
use evidence::evidence::{Evidence, Messages as EvidenceMessages};
use token::token::{Messages as TokenMessages, Token};

/// Instructions and memory cost nothing.
static HOST_ALONE: GasSchedule = GasSchedule {
    instruction: 0,
    memory_access: 0,
    division: 0,
    function_call: 0,
    bulk_byte: 0,
    memory_grow: 0,
    memory_page: 0,
    instance_global: 0,
    instance_element: 0,
    ..SCHEDULE_1
};

const GAS: u64 = 100_000_000;

static ENGINE: LazyLock<Wasm<Node>> = LazyLock::new(|| Wasm::new(&HOST_ALONE));

/// As much of a node as these contracts need.
#[derive(Default)]
struct Node {
    frames: Vec<Frame>,
    rows: BTreeMap<(NodeAddress, Vec<u8>), Vec<u8>>,
    codes: BTreeMap<NodeAddress, Vec<u8>>,
    block: Option<BlockContext>,
    transaction: Option<TransactionContext>,
}

type Ended = (Box<Node>, Result<Outcome, NodeFault>);

impl Node {
    fn run(mut self: Box<Self>, entry: Entry, frame: Frame) -> Ended {
        let Some(module) = self.codes.get(&frame.code_address).cloned() else {
            let (status, output, gas_left) = (FrameStatus::Success, Vec::new(), frame.gas);
            return (self, Ok(Outcome { status, output, gas_left, created: None, function: None }));
        };
        let before = self.rows.clone();
        self.frames.push(frame);
        let hash = Suite::Standard.hash(Domain::CODE, &[&module]);
        let (mut node, outcome) = ENGINE.run(entry, &hash, self, |_| Ok(module));
        node.frames.pop();
        if !matches!(&outcome, Ok(Outcome { status: FrameStatus::Success, .. })) {
            node.rows = before;
        }
        (node, outcome)
    }
}

impl Host for Node {
    fn frame(&self) -> &Frame {
        self.frames.last().expect("a frame")
    }

    fn block(&self) -> &BlockContext {
        self.block.as_ref().expect("a block")
    }

    fn transaction(&self) -> &TransactionContext {
        self.transaction.as_ref().expect("a transaction")
    }

    fn storage_get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, NodeFault> {
        Ok(self.rows.get(&(self.frame().storage_address, key.to_vec())).map(Vec::as_slice))
    }

    fn storage_set(&mut self, key: &[u8], value: Option<RowValue>) -> Result<(), Fault> {
        let row = (self.frame().storage_address, key.to_vec());
        match value {
            Some(value) => self.rows.insert(row, value.into_vec()),
            None => self.rows.remove(&row),
        };
        Ok(())
    }

    fn row_get(&mut self, row: &Row) -> Result<Option<&[u8]>, NodeFault> {
        panic!("{row:?} is of no contract")
    }

    fn row_set(&mut self, row: &Row, _: Option<RowValue>) -> Result<(), Fault> {
        panic!("{row:?} is of no contract")
    }

    fn emit(&mut self, _: Log) -> Result<(), Fault> {
        Ok(())
    }
}

impl CallHost for Node {
    fn call(self: Box<Self>, request: CallRequest) -> Ended {
        assert_ne!(request.kind, CallKind::Delegate, "none of these contracts does that");
        let caller = self.frame().storage_address;
        let frame = frame(caller, request.address, &request.input, request.gas);
        self.run(Entry::Call, frame)
    }

    fn create(self: Box<Self>, _: CreateRequest) -> Ended {
        panic!("none of these contracts does that")
    }
}

fn frame(caller: NodeAddress, to: NodeAddress, input: &[u8], gas: u64) -> Frame {
    Frame {
        caller,
        storage_address: to,
        code_address: to,
        value: Amount::ZERO,
        input: input.to_vec().into(),
        gas,
        memory_pages: STACK_MEMORY_PAGES_MAX,
        read_only: false,
        depth: 0,
        creating: false,
    }
}

/// Both, in step.
struct Both {
    node: Option<Box<Node>>,
    native: Chain,
    compared: u32,
}

impl Both {
    fn new() -> Self {
        let node = Box::new(Node {
            block: Some(BlockContext {
                suite: Suite::Standard,
                number: 1,
                timestamp_ms: 1_700_000_000_000,
                proposer: NodeAddress::ZERO,
                gas_limit: 800_000_000,
                ethereum_chain_id: 1,
                balances: false,
                pipeline_depth: 1,
                sealers: [].into(),
                sealer_set: [].into(),
                sealers_max: 1,
                evm_timestamp: EvmTimestamp::Seconds,
                ethereum: EthereumEnvironment::default(),
            }),
            transaction: Some(TransactionContext { hash: Hash::ZERO, origin: NodeAddress::ZERO }),
            ..Node::default()
        });
        Self { node: Some(node), native: Chain::new(), compared: 0 }
    }

    /// Puts a contract at an address and runs its constructor, on both.
    fn deploy<C: Contract + 'static, E>(&mut self, name: &str, at: Address, creation: &Creation<C, E>) {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
        let path = target.join(format!("contracts/{name}.wasm"));
        let module =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make contracts`", path.display()));
        let mut node = self.node.take().expect("it is back");
        node.codes.insert(NodeAddress(at.0), module);
        let frame = frame(NodeAddress([1; 20]), NodeAddress(at.0), creation.arguments(), GAS * UNITS_PER_GAS);
        let (node, outcome) = node.run(Entry::Deploy, frame);
        assert_eq!(outcome.expect("no fault").status, FrameStatus::Success);
        self.node = Some(node);
        self.native.place::<C>(at);
        let arguments = creation.arguments().to_vec();
        self.native.within(Address([1; 20]), at, |_: &mut C| C::deploy(&arguments)).expect("the constructor succeeds");
    }

    fn send<R, E>(&mut self, from: u8, to: Address, message: &Message<R, E>) {
        let intrinsic = SCHEDULE_1.intrinsic(message.input(), false).expect("fits");
        let gas = GAS * UNITS_PER_GAS - intrinsic;
        let frame = frame(NodeAddress([from; 20]), NodeAddress(to.0), message.input(), gas);
        let (node, outcome) = self.node.take().expect("it is back").run(Entry::Call, frame);
        self.node = Some(node);
        let outcome = outcome.expect("no fault of the node");
        let native = self.native.transact(Address([from; 20]), Some(to), message.input(), U256::ZERO);
        assert_eq!(native.output, outcome.output);
        let used = to_gas(GAS * UNITS_PER_GAS - outcome.gas_left);
        assert_eq!(native.gas_used, used, "selector {:02x?}", message.input().first_chunk::<4>());
        self.compared += 1;
    }
}

fn sender(seed: u8) -> Address {
    Address([seed; 20])
}

#[test]
fn host_functions_cost_natively_what_they_cost_on_chain() {
    let mut both = Both::new();
    let (token, notary, register) = (Address([0xa1; 20]), Address([0xa2; 20]), Address([0xa3; 20]));
    both.deploy::<Token, _>("token", token, &TokenMessages::new());
    both.deploy::<Evidence, _>("evidence", notary, &EvidenceMessages::new());
    both.deploy::<Register, _>("asset", register, &AssetMessages::new(notary));
    for value in [1, 300, u64::MAX] {
        both.send(1, token, &TokenMessages::transfer(sender(2), U256::from(value)));
        both.send(3, token, &TokenMessages::transfer(sender(2), U256::from(value)));
    }
    both.send(1, token, &TokenMessages::name());
    both.send(1, token, &TokenMessages::approve(sender(2), U256::MAX));
    both.send(2, token, &TokenMessages::transfer_from(sender(1), sender(4), U256::ONE));
    let signers = || (1..=32).map(sender).collect::<Vec<_>>();
    both.send(1, notary, &EvidenceMessages::submit([1; 32], signers(), vec![1; 32], 2));
    both.send(1, notary, &EvidenceMessages::submit([2; 32], signers(), vec![1; 31], 2));
    for seed in [1, 1, 2, 40, 3] {
        both.send(seed, notary, &EvidenceMessages::sign([1; 32]));
    }
    both.send(1, notary, &EvidenceMessages::signers([1; 32]));
    both.send(1, notary, &EvidenceMessages::signatures([1; 32]));
    both.send(1, notary, &EvidenceMessages::list(0, 100));
    // Long titles are read in two pieces, and a nested call takes and gives back gas.
    for (id, document) in [(1, 1), (2, 1), (3, 9)] {
        let title = "a title that does not fit into the buffer on the stack ".repeat(id);
        let message = AssetMessages::register([id as u8; 32], sender(1), title, [document; 32]);
        both.send(1, register, &message);
    }
    both.send(1, register, &AssetMessages::transfer([1; 32], sender(2)));
    both.send(1, register, &AssetMessages::asset([1; 32]));
    both.send(1, register, &AssetMessages::asset([2; 32]));
    both.send(1, register, &AssetMessages::history([1; 32], 0, 100));
    both.send(1, register, &AssetMessages::holdings(sender(1), 0, 100));
    assert_eq!(both.compared, 27);
}
