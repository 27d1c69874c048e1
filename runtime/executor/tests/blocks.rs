//! Whole blocks: limits, what is left out, native modules, the node's faults, and reads that change nothing.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::{Chain, GAS, abi_call, account, address_word, genesis, script::*, selector, token, word};
use entente_executor::{BlockInput, ExecutedBlock, InputTransaction, container};
use entente_host::{
    ContractFault, EthereumEnvironment, Fault, Host, NativeAccess, NativeFunction, NativeGas, NativeModule,
    NativeRegistry, NativeResult, NodeFault,
    gas::{SCHEDULE_1, to_gas},
};
use entente_state::{Row, RowValue, StateReadError, StateReader, Table};
use entente_types::{Address, Genesis, Limits, Status, Suite};
use parity_scale_codec::Encode;
use proptest::prelude::*;

const MODULE: Address = Address([0x10; 20]);

fn put(host: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    let row = Row::new(&Table::Configuration, b"test");
    host.row_set(&row, Some(arguments.into()))?;
    Ok(Vec::new())
}

fn get(host: &mut dyn Host, _: &[u8]) -> NativeResult {
    Ok(host.row_get(&Row::new(&Table::Configuration, b"test"))?.map(<[u8]>::to_vec).unwrap_or_default())
}

fn refuse(host: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    put(host, arguments)?;
    Err(Fault::Contract(ContractFault::Native("no, because of a reason".into())))
}

const fn function(
    signature: &'static str,
    access: NativeAccess,
    run: fn(&mut dyn Host, &[u8]) -> NativeResult,
) -> NativeFunction {
    NativeFunction {
        signature,
        outputs: "()",
        gas: |_| NativeGas { base: 5_000_000, byte: 1_000 },
        access,
        doc: "For tests.",
        run,
    }
}

const FUNCTIONS: &[NativeFunction] = &[
    function("put(uint256)", NativeAccess::Write, put),
    function("get()", NativeAccess::Read, get),
    function("refuse()", NativeAccess::Write, refuse),
];

fn natives() -> NativeRegistry {
    let module = NativeModule { address: MODULE, name: "test", doc: "For tests.", functions: FUNCTIONS, events: &[] };
    NativeRegistry::new(Suite::Standard, &[module]).expect("one module")
}

fn put_input(number: u128) -> Vec<u8> {
    abi_call("put(uint256)", &[word(number)])
}

#[test]
fn a_native_module_is_called_from_a_transaction() {
    let mut chain = Chain::new(genesis(), natives());
    let receipt = chain.one(1, Some(MODULE), put_input(7));
    assert_eq!(receipt.status, Status::Success);
    let units = SCHEDULE_1.intrinsic(&put_input(7), false).unwrap() + 5_000_000 + 32 * 1_000;
    assert_eq!(receipt.gas_used, to_gas(units));
    assert_eq!(chain.call(1, MODULE, selector("get()")).output, word(7));
    for (input, code, message) in [
        (selector("unknown()"), "native", "the native module has no such function"),
        (vec![1, 2], "native", "the native module has no such function"),
        (selector("refuse()"), "native", "no, because of a reason"),
    ] {
        let receipt = chain.one(1, Some(MODULE), input);
        let error = receipt.error.expect("an error");
        assert_eq!((receipt.status, error.code.as_str()), (Status::PrecompiledError, code));
        assert_eq!(error.message, message);
    }
    assert_eq!(chain.call(1, MODULE, selector("get()")).output, word(7), "what refuses has written nothing");
    let transaction = chain.sign(1, Some(MODULE), put_input(8), to_gas(units) - 1);
    assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::OutOfGas);
}

#[test]
fn a_native_module_is_called_from_wasm() {
    let mut chain = Chain::new(genesis(), natives());
    let contract = chain.deploy_wat(SCRIPT);
    let some = |kind, input: &[u8]| nested(kind, MODULE, 0, 20_000_000, input);
    let steps = [
        call(MODULE, &put_input(9)),
        some(STATIC, &selector("get()")),
        returned(),
        some(STATIC, &put_input(10)),
        some(CALL, &selector("unknown()")),
        // Its caller would be the contract's caller: any contract could act for whoever calls it.
        some(DELEGATE, &put_input(11)),
        some(DELEGATE, &selector("get()")),
        returned(),
    ];
    let receipt = chain.one(1, Some(contract), steps.concat());
    let expected = [&[SUCCESS, SUCCESS][..], &word(9), &[FAILED, FAILED, FAILED, SUCCESS], &word(9)].concat();
    assert_eq!(receipt.output, expected, "{receipt:?}");
}

#[test]
fn intrinsic_gas_is_taken_before_anything_runs() {
    let mut chain = Chain::new(genesis(), natives());
    let input = selector("get()");
    let intrinsic = to_gas(SCHEDULE_1.intrinsic(&input, false).unwrap());
    let transaction = chain.sign(1, Some(MODULE), input.clone(), intrinsic - 1);
    let receipt = chain.commit(&[transaction]).receipts[0].clone();
    assert_eq!((receipt.status, receipt.gas_used), (Status::OutOfGasIntrinsic, 21_000));
    let message = receipt.error.unwrap().message;
    assert!(message.contains(&format!("{} is below the {intrinsic}", intrinsic - 1)), "{message}");
    let transaction = chain.sign(1, Some(MODULE), input.clone(), intrinsic);
    assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::OutOfGas, "it began");
    let transaction = chain.sign(1, Some(MODULE), input, intrinsic + 5_000);
    assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::Success);
}

#[test]
fn a_gas_limit_above_the_groups_is_refused_and_does_not_fill_the_block() {
    let mut chain = Chain::new(genesis(), natives());
    let allowed = Limits::default().transaction_gas;
    for limit in [allowed + 1, u64::MAX] {
        let transactions =
            [chain.sign(1, Some(MODULE), put_input(1), limit), chain.sign(1, Some(MODULE), put_input(2), GAS)];
        let block = chain.commit(&transactions).clone();
        assert_eq!((block.receipts[0].status, block.receipts[0].gas_used), (Status::OutOfGasIntrinsic, 21_000));
        assert_eq!(block.receipts[1].status, Status::Success);
        assert!(block.left_out.is_empty());
    }
    let transaction = chain.sign(1, Some(MODULE), put_input(1), allowed);
    assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::Success);
}

#[test]
fn what_comes_after_the_blocks_gas_is_left_out_unrun() {
    let limits = Limits { block_gas: 300_000, transaction_gas: 300_000, block_transactions: 10 };
    let mut chain = Chain::new(Genesis { limits, ..genesis() }, natives());
    // The second one uses all it may: the block is full behind it.
    let transactions = [
        chain.sign(1, Some(MODULE), put_input(1), 100_000),
        chain.sign(1, Some(MODULE), selector("unknown()"), 290_000),
        chain.sign(1, Some(MODULE), put_input(3), 100_000),
        chain.sign(1, Some(MODULE), put_input(4), 100_000),
    ];
    let block = chain.commit(&transactions).clone();
    assert_eq!(block.receipts.len(), 2);
    let left: Vec<_> = block.left_out.iter().map(|left| (left.position, left.hash)).collect();
    assert_eq!(left, [(2, transactions[2].hash), (3, transactions[3].hash)]);
    assert_eq!(chain.call(1, MODULE, selector("get()")).output, word(1));
    assert_eq!(block.header.gas_used, block.receipts.iter().map(|receipt| receipt.gas_used).sum::<u64>());
    // Later they run as if nothing had been.
    let block = chain.commit(&transactions[2..]).clone();
    assert!(block.left_out.is_empty());
    assert_eq!(chain.call(1, MODULE, selector("get()")).output, word(4));
}

#[test]
fn the_last_256_ethereum_hashes_are_rows() {
    let mut chain = Chain::new(genesis(), NativeRegistry::default());
    let mut hashes = vec![chain.tip.header.ethereum_hash];
    for _ in 0..300 {
        hashes.push(chain.commit(&[]).header.ethereum_hash);
    }
    let hash = |number: usize| {
        let row = Row::new(&Table::EthereumHashes, &[(number % 256) as u8]);
        chain.state.row(&row).unwrap().expect("a hash")
    };
    for (number, expected) in hashes.iter().enumerate().take(300).skip(44) {
        assert_eq!(hash(number), expected.0.into(), "{number}");
    }
    let table = Row::new(&Table::EthereumHashes, &[]);
    assert_eq!(chain.state.0.keys().filter(|row| row.table() == table.table()).count(), 256);
}

/// A state that fails at the nth read.
struct Failing {
    inner: Arc<dyn StateReader>,
    left: AtomicUsize,
}

impl StateReader for Failing {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            return Err(StateReadError("the disk is gone".into()));
        }
        self.inner.row(row)
    }
}

fn execute_over(
    chain: &Chain,
    state: Arc<dyn StateReader>,
    transactions: &[InputTransaction],
) -> Result<ExecutedBlock, NodeFault> {
    let proposal = chain.proposal(transactions);
    chain.executor.execute(&BlockInput {
        parent: &chain.tip.header,
        proposal: &proposal,
        transactions,
        state,
        commitment: &chain.tip.commitment,
        record_accesses: false,
        ethereum: EthereumEnvironment::default(),
    })
}

#[test]
fn a_storage_that_fails_at_any_read_is_the_nodes_fault() {
    let mut chain = Chain::new(genesis(), natives());
    let (first, second) = (chain.deploy_wat(SCRIPT), chain.deploy_wat(SCRIPT));
    let module = wat::parse_str(SCRIPT).unwrap();
    let steps =
        [read(1), call(second, &write(1, 1)), create(0, &container(&module, &[])), call(MODULE, &selector("get()"))];
    let transactions =
        [chain.sign(1, Some(first), steps.concat(), GAS), chain.sign(1, Some(MODULE), put_input(3), GAS)];
    let expected = execute_over(&chain, chain.state.clone(), &transactions).expect("no fault");
    assert_eq!(expected.receipts[0].status, Status::Success);
    let mut failures = 0;
    loop {
        let state = Failing { inner: chain.state.clone(), left: AtomicUsize::new(failures) };
        match execute_over(&chain, Arc::new(state), &transactions) {
            Ok(block) => {
                assert_eq!(block.header, expected.header);
                break;
            }
            Err(fault) => assert_eq!(fault, NodeFault::State(StateReadError("the disk is gone".into()))),
        }
        failures += 1;
    }
    assert!(failures >= 10, "only {failures} reads");
    // And the executor works on.
    assert_eq!(execute_over(&chain, chain.state.clone(), &transactions).expect("no fault").header, expected.header);
}

#[test]
fn rules_that_are_unknown_or_damaged_stop_the_node() {
    let chain = Chain::new(genesis(), natives());
    let with = |key: &str, value: Option<Vec<u8>>| {
        let mut state = (*chain.state).clone();
        let row = Row::new(&Table::Configuration, key.as_bytes());
        match value {
            Some(value) => state.0.insert(row, value.into()),
            None => state.0.remove(&row),
        };
        execute_over(&chain, Arc::new(state), &[]).unwrap_err()
    };
    let entry = |value: &str| Some((1_u8, value, 0_u64).encode());
    let unknown = with("protocol_version", entry("3"));
    assert_eq!(unknown, NodeFault::ProtocolVersion { version: 3, height: 1, known: 2 });
    assert_eq!(
        unknown.to_string(),
        "protocol version 3 rules from block 1 on, and this release knows versions up to 2: \
         install a newer release and start the node again; nothing is lost"
    );
    for (key, value) in [
        ("protocol_version", None),
        ("block_gas_limit", Some(vec![9])),
        ("tx_gas_limit", entry("-1")),
        ("tx_count_limit", entry("4294967296")),
    ] {
        assert_eq!(with(key, value), NodeFault::Row(format!("configuration/{key}")));
    }
}

#[test]
fn accesses_do_not_tell_what_a_node_has_cached() {
    let mut chain = Chain::new(genesis(), NativeRegistry::default());
    let (first, second) = (chain.deploy_wat(SCRIPT), chain.deploy_wat(SCRIPT));
    let transactions = [chain.sign(1, Some(first), [read(1), call(second, &write(2, 2))].concat(), GAS)];
    let warm = chain.execute(&transactions);
    let mut fresh = Chain::new(genesis(), NativeRegistry::default());
    (fresh.tip, fresh.state) = (chain.tip.clone(), chain.state.clone());
    let cold = fresh.execute(&transactions);
    assert_eq!((warm.accesses, warm.header), (cold.accesses, cold.header));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn calls_change_nothing_that_a_block_sees(
        calls in proptest::collection::vec((1_u8..4, any::<bool>(), any::<u8>(), 0_u64..200_000), 0..20)
    ) {
        let mut chain = Chain::new(genesis(), natives());
        let script = chain.deploy_wat(SCRIPT);
        let coin = chain.deploy(&token(), &[]).contract.expect("a token");
        let transfer = |to| abi_call("transfer(address,uint256)", &[address_word(&account(to)), word(3)]);
        let transactions = [
            chain.sign(1, Some(coin), transfer(2), GAS),
            chain.sign(1, Some(script), [read(1), write(1, 4), call(coin, &transfer(3))].concat(), GAS),
            chain.sign(1, Some(script), [read(1), write(2, 5)].concat(), GAS),
        ];
        let expected = chain.execute(&transactions);
        let mut poisoned = Chain::new(genesis(), natives());
        (poisoned.tip, poisoned.state) = (chain.tip.clone(), chain.state.clone());
        for (from, to_script, byte, gas) in calls {
            let input = if to_script { [write(1, byte.into()), log(byte), vec![byte]].concat() } else { transfer(byte % 200 + 1) };
            let call = entente_executor::CallInput { from: account(from), to: if to_script { script } else { coin }, input, gas };
            poisoned.executor.call(poisoned.state.clone(), &poisoned.tip.header, call).expect("no fault of the node");
        }
        let found = poisoned.execute(&transactions);
        prop_assert_eq!(found.header, expected.header);
        prop_assert_eq!(found.receipts, expected.receipts);
        prop_assert_eq!(found.accesses, expected.accesses);
    }
}
