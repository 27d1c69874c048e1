//! Contracts of all kinds that call, delegate to and create one another, and come back in, with reverts and faults at
//! every depth: the executor and a model come to the same.
#![allow(unreachable_pub, reason = "what these modules share among themselves")]

#[path = "../common/assembler.rs"]
mod assembler;
#[path = "../common/mod.rs"]
mod common;
mod interpreter;
mod model;

use std::collections::BTreeMap;

use assembler::creating;
use common::{Chain, account, genesis, script, script::SCRIPT};
use entente_executor::{CodeOptions, EXECUTION_STACK_BYTES, Executor, container};
use entente_host::{
    ContractFault, Host, NativeAccess, NativeFunction, NativeGas, NativeModule, NativeRegistry, NativeResult,
    gas::PROTOCOL_VERSION_2,
};
use entente_state::Table;
use entente_types::{Address, Genesis, Log, Receipt, Status, Suite};
use model::{Ended, Frame, Kind, Model, Step, Target, World};
use parity_scale_codec::DecodeAll;
use proptest::prelude::*;

const NATIVE: Address = Address([0x11; 20]);
const NOBODY: Address = Address([0x22; 20]);
/// What a transaction has, and a frame at each depth: enough for all that a script does, faults included.
const GAS: [u64; 4] = [290_000_000, 40_000_000, 6_000_000, 900_000];

fn identity() -> Address {
    let mut address = Address::ZERO;
    address.0[19] = 4;
    address
}

/// Writes a value of eight bytes and logs it.
fn write(host: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    let [key, value] = arguments else { return Err(ContractFault::Native("two bytes are expected".into()).into()) };
    let address = host.frame().storage_address;
    host.storage_set(&[*key], Some([*value, 0, 0, 0, 0, 0, 0, 0].into()))?;
    host.emit(Log { address, topics: vec![], data: vec![*value] })?;
    Ok(Vec::new())
}

const FUNCTIONS: &[NativeFunction] = &[NativeFunction {
    signature: "write(bytes2 keyAndValue)",
    outputs: "()",
    gas: |_| NativeGas { base: 1_000, byte: 0 },
    access: NativeAccess::Write,
    doc: "Writes a value.",
    run: write,
}];

fn natives() -> NativeRegistry {
    let module = NativeModule { address: NATIVE, name: "test", doc: "For tests.", functions: FUNCTIONS, events: &[] };
    NativeRegistry::new(Suite::Standard, &[module]).expect("a registry")
}

/// A chain of version 2 with two contracts of each kind.
struct Universe {
    chain: Chain,
    known: Vec<Address>,
    world: World,
}

impl Universe {
    fn new() -> Self {
        let genesis = Genesis { protocol_version: 2, ..genesis() };
        let mut chain = Chain::new(genesis.clone(), natives());
        chain.executor = Executor::with(&genesis, natives(), &[PROTOCOL_VERSION_2], &CodeOptions::default());
        let mut known = vec![NATIVE, identity(), NOBODY];
        let mut world = World::default();
        world.kinds.extend([(NATIVE, Kind::Native), (identity(), Kind::Identity)]);
        for _ in 0..2 {
            known.push(chain.deploy_wat(SCRIPT));
            world.kinds.insert(known[known.len() - 1], Kind::Wasm);
            let receipt = chain.one(1, None, creating(&interpreter::interpreter()));
            let address = receipt.contract.unwrap_or_else(|| panic!("not deployed: {receipt:?}"));
            known.push(address);
            world.kinds.insert(address, Kind::Evm);
            world.nonces.insert(address, 1);
        }
        Self { chain, known, world }
    }

    /// One transaction of account 1 to a contract, by executor and model.
    fn play(&mut self, to: u8, steps: &[Step]) -> Result<(), TestCaseError> {
        let scripted: Vec<Address> = self.known.iter().copied().skip(3).collect();
        let to = scripted[usize::from(to) % scripted.len()];
        let kind = self.world.kinds[&to];
        let frame = Frame { caller: account(1), storage: to, kind, read_only: false, depth: 0 };
        let encoded = encode(steps, frame, &self.known, &self.world.kinds);
        let transaction = self.chain.sign(1, Some(to), encoded, GAS[0]);
        let hash = transaction.hash;
        let receipt = self.chain.commit(&[transaction]).receipts[0].clone();
        let kinds = self.world.kinds.clone();
        let mut model = Model {
            world: self.world.clone(),
            known: &self.known,
            transaction: hash,
            created: 0,
            encode: &|steps, frame| encode(steps, frame, &self.known, &kinds),
        };
        let ended = model.run(frame, steps);
        self.world = model.world;
        compare(&receipt, &ended, &std::mem::take(&mut self.world.logs))?;
        prop_assert_eq!(stored(&self.chain), self.world.storage.clone());
        Ok(())
    }
}

fn compare(receipt: &Receipt, ended: &Ended, logs: &[(Address, u8)]) -> Result<(), TestCaseError> {
    match ended {
        Ended::Success(trace) => {
            prop_assert_eq!(receipt.status, Status::Success, "{:?}", receipt);
            prop_assert_eq!(&receipt.output, trace);
        }
        Ended::Reverted(byte) => {
            prop_assert_eq!(receipt.status, Status::Revert, "{:?}", receipt);
            prop_assert_eq!(&receipt.output, &[*byte]);
        }
        Ended::Failed => {
            prop_assert!(![Status::Success, Status::Revert].contains(&receipt.status), "{:?}", receipt);
            prop_assert_eq!(receipt.gas_used, GAS[0]);
        }
    }
    let found: Vec<(Address, u8)> = receipt.logs.iter().map(|log| (log.address, log.data[0])).collect();
    prop_assert_eq!(&found, logs);
    Ok(())
}

/// All that contracts stored: by contract, whether EVM code wrote it, and key.
fn stored(chain: &Chain) -> BTreeMap<(Address, bool, u8), [u8; 8]> {
    let mut found = BTreeMap::new();
    for (row, value) in &chain.state.0 {
        let Ok(Table::Contract(address)) = Table::decode_all(&mut row.table()) else { continue };
        let is_evm = row.key().len() == 32;
        let bytes = if is_evm { &value[24..] } else { &value[..] };
        found.insert((address, is_evm, *row.key().last().expect("a key")), bytes.try_into().expect("eight bytes"));
    }
    found
}

/// A script as the contract that runs it reads it.
fn encode(steps: &[Step], frame: Frame, known: &[Address], kinds: &BTreeMap<Address, Kind>) -> Vec<u8> {
    if frame.kind == Kind::Native {
        let mut input = common::selector("write(bytes2)");
        if let Some(Step::Write { key, value }) = steps.first() {
            input.extend([*key, *value]);
        }
        return input;
    }
    let encode_step = |step: &Step| match step {
        Step::Write { key, value } => script::write(*key, u64::from(*value)),
        Step::Remove { key } => script::remove(*key),
        Step::Read { key } => script::read(*key),
        Step::Log(byte) => script::log(*byte),
        Step::Revert(byte) => script::revert(*byte),
        Step::Trap => script::trap(),
        Step::Who => script::who(),
        Step::Returned => script::returned(),
        Step::Call { kind, target, script: inner } => {
            let address = frame.target(*target, known);
            let called = frame.called(*kind, address, kinds);
            let input = encode(inner, called, known, kinds);
            // Wasm counts in thousandths.
            let unit = if frame.kind == Kind::Wasm { 1000 } else { 1 };
            script::nested(*kind, address, 0, GAS[called.depth] * unit, &input)
        }
        Step::Create { kind: Kind::Evm, .. } => script::create(0, &creating(&interpreter::interpreter())),
        Step::Create { script: inner, .. } => {
            let created = Frame { depth: frame.depth + 1, kind: Kind::Wasm, ..frame };
            let module = wat::parse_str(SCRIPT).expect("wat");
            script::create(0, &container(&module, &encode(inner, created, known, kinds)))
        }
    };
    steps.iter().flat_map(encode_step).collect()
}

fn plain() -> impl Strategy<Value = Step> {
    let key = || 0_u8..3;
    prop_oneof![
        4 => (key(), 0_u8..4).prop_map(|(key, value)| Step::Write { key, value }),
        1 => key().prop_map(|key| Step::Remove { key }),
        2 => key().prop_map(|key| Step::Read { key }),
        2 => any::<u8>().prop_map(Step::Log),
        1 => Just(Step::Who),
        1 => Just(Step::Returned),
    ]
}

fn without_creations(steps: Vec<Step>) -> Vec<Step> {
    let strip = |step| match step {
        Step::Create { .. } => None,
        Step::Call { kind, target, script } => Some(Step::Call { kind, target, script: without_creations(script) }),
        step => Some(step),
    };
    steps.into_iter().filter_map(strip).collect()
}

fn constructor() -> impl Strategy<Value = Vec<Step>> {
    let revert = prop_oneof![3 => Just(None), 1 => any::<u8>().prop_map(|byte| Some(Step::Revert(byte)))];
    (proptest::collection::vec(plain(), 0..3), revert)
        .prop_map(|(steps, revert)| steps.into_iter().chain(revert).collect())
}

fn steps(depth: usize) -> BoxedStrategy<Vec<Step>> {
    let ending = prop_oneof![
        6 => Just(None),
        1 => any::<u8>().prop_map(|byte| Some(Step::Revert(byte))),
        1 => Just(Some(Step::Trap)),
    ];
    let step = if depth + 1 == GAS.len() {
        plain().boxed()
    } else {
        let target = prop_oneof![
            6 => (0_u8..7).prop_map(Target::Known),
            1 => Just(Target::Caller),
            1 => Just(Target::Itself),
        ];
        let call = (0_u8..3, target, steps(depth + 1)).prop_map(|(kind, target, script)| {
            // A creation that is refused there costs a Wasm contract nearly all that it has.
            let script = if kind == script::STATIC { without_creations(script) } else { script };
            Step::Call { kind, target, script }
        });
        if depth < 2 {
            let kind = prop_oneof![Just(Kind::Wasm), Just(Kind::Evm)];
            let create = (kind, constructor()).prop_map(|(kind, script)| Step::Create { kind, script });
            prop_oneof![5 => plain(), 5 => call, 1 => create].boxed()
        } else {
            prop_oneof![5 => plain(), 5 => call].boxed()
        }
    };
    (proptest::collection::vec(step, 0..5), ending)
        .prop_map(|(steps, ending)| steps.into_iter().chain(ending).collect())
        .boxed()
}

#[test]
fn executor_and_model_come_to_the_same() {
    let run = || {
        let config = ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() };
        let turns = proptest::collection::vec((any::<u8>(), steps(0)), 1..4);
        proptest!(config, |(turns in turns)| {
            let mut universe = Universe::new();
            for (to, steps) in &turns {
                universe.play(*to, steps)?;
            }
        });
    };
    let thread = std::thread::Builder::new().stack_size(EXECUTION_STACK_BYTES).spawn(run).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
