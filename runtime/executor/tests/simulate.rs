//! What a transaction would come to, against what it does come to, and the least gas that it needs.

#[path = "common/assembler.rs"]
mod assembler;
mod common;
#[path = "common/ethereum.rs"]
mod ethereum;
#[path = "common/simulated.rs"]
mod simulated;

use std::collections::BTreeMap;

use assembler::{
    ADD, Assembler, CALL, CALLER, CREATE, DUP1, ISZERO, JUMP, JUMPDEST, LOG0, MSTORE, MSTORE8, POP, REVERT, SLOAD,
    SSTORE, SUB, SWAP1, creating,
};
use common::{Chain, account, genesis, number, script, script::SCRIPT, word};
use entente_executor::{
    AccountOverride, BlockOverride, CONTAINER_MAGIC, EstimateError, Overrides, Scene, Simulation, SimulationError,
    StepOptions, Trace, TraceKind, container,
};
use entente_types::{Address, Amount, EthereumRefusal, Genesis, Hash, Receipt, Status, created_address};
use proptest::prelude::*;
use simulated::{answering, chain_of, deploy, of, rich, signed};

fn simulate_over(chain: &Chain, overrides: &Overrides, simulation: &Simulation) -> Result<Receipt, SimulationError> {
    let scene = Scene { state: chain.state.clone(), header: &chain.tip.header, overrides };
    chain.executor.simulate(&scene, simulation).map(|simulated| simulated.receipt)
}

fn simulate(chain: &Chain, simulation: &Simulation) -> Result<Receipt, SimulationError> {
    simulate_over(chain, &Overrides::default(), simulation)
}

fn estimate(chain: &Chain, simulation: &Simulation) -> Result<u64, EstimateError> {
    let overrides = Overrides::default();
    let scene = Scene { state: chain.state.clone(), header: &chain.tip.header, overrides: &overrides };
    chain.executor.estimate_gas(&scene, simulation)
}

/// What the real transaction comes to, at the next height: nothing where it is left out.
fn real(chain: &Chain, simulation: &Simulation, gas_limit: u64) -> Option<Receipt> {
    let block = chain.execute(&[signed(simulation, 0, gas_limit)]);
    assert_eq!(block.receipts.len() + block.left_out.len(), 1);
    block.receipts.into_iter().next()
}

#[test]
fn a_deployment_is_what_the_transaction_will_be_and_nothing_of_it_is_kept() {
    let chain = rich();
    let before = chain.state.clone();
    let simulation = Simulation { gas: Some(200_000), ..of(None, creating(&answering(&[CALLER]))) };
    let receipt = simulate(&chain, &simulation).expect("runs");
    assert_eq!(receipt.contract, Some(created_address(&account(1), 0)));
    assert_eq!(Some(receipt), real(&chain, &simulation, 200_000));
    assert_eq!(chain.state, before);
}

#[test]
fn a_creation_answers_with_the_code_that_is_there_then() {
    let chain = rich();
    let code = |input: Vec<u8>| {
        let (overrides, simulation) = (Overrides::default(), of(None, input));
        let scene = Scene { state: chain.state.clone(), header: &chain.tip.header, overrides: &overrides };
        chain.executor.simulate(&scene, &simulation).expect("runs").code
    };
    assert_eq!(code(creating(&answering(&[CALLER]))), answering(&[CALLER]));
    let wasm = code(container(&wat::parse_str(SCRIPT).expect("wat"), &[]));
    assert!(wasm.starts_with(&CONTAINER_MAGIC) && wasm.len() == 35, "{wasm:?}");
    // It removes itself.
    assert_eq!(code(vec![CALLER, 0xff]), Vec::<u8>::new());
}

#[test]
fn a_free_call_pays_for_its_code_alone() {
    let mut chain = rich();
    let caller = deploy(&mut chain, &answering(&[CALLER]));
    let receipt = simulate(&chain, &Simulation { is_free: true, ..of(Some(caller), vec![1; 100]) }).expect("runs");
    // CALLER 2, PUSH0 2 or PUSH1 3, MSTORE 3 and a word 3, twice a push more.
    assert_eq!((receipt.gas_used, receipt.output), (17, common::address_word(&account(1)).to_vec()));
    // Where nothing is there is nothing to fail, as with Ethereum.
    let receipt = simulate(&chain, &Simulation { is_free: true, ..of(Some(account(9)), vec![1]) }).expect("runs");
    assert_eq!((receipt.status, receipt.gas_used, receipt.output.len()), (Status::Success, 0, 0));
}

#[test]
fn what_is_overridden_is_what_is_seen() {
    let mut chain = rich();
    let slot = deploy(&mut chain, &answering(&[0x5f, 0x35, SLOAD]));
    let read = |account: AccountOverride, to: Address, input: Vec<u8>| {
        let overrides = Overrides { accounts: [(slot, account)].into(), ..Overrides::default() };
        simulate_over(&chain, &overrides, &of(Some(to), input)).expect("runs").output
    };
    let nothing = AccountOverride::default;
    assert_eq!(read(nothing(), slot, word(1).to_vec()), word(0));
    let slots = BTreeMap::from([(word(1), word(77))]);
    assert_eq!(read(AccountOverride { slots: slots.clone(), ..nothing() }, slot, word(1).to_vec()), word(77));
    assert_eq!(read(AccountOverride { storage: Some(slots), ..nothing() }, slot, word(2).to_vec()), word(0));
    let code = AccountOverride { code: Some(answering(&[0x47])), balance: Some(Amount::from(5)), ..nothing() };
    assert_eq!(read(code, slot, vec![]), word(5));
    let code = AccountOverride { code: Some(vec![]), ..nothing() };
    assert_eq!(read(code, slot, vec![]), Vec::<u8>::new());
    // A nonce decides where the next contract goes.
    let nonce = Overrides {
        accounts: [(account(1), AccountOverride { nonce: Some(41), ..nothing() })].into(),
        ..Overrides::default()
    };
    let receipt = simulate_over(&chain, &nonce, &of(None, creating(&[0]))).expect("runs");
    assert_eq!(receipt.contract, Some(created_address(&account(1), 41)));
    let mut identity = Address::ZERO;
    identity.0[19] = 4;
    let code = AccountOverride { code: Some(vec![0]), ..nothing() };
    let overrides = Overrides { accounts: [(identity, code)].into(), ..Overrides::default() };
    assert_eq!(simulate_over(&chain, &overrides, &of(None, vec![])), Err(SimulationError::BuiltIn(identity)));
}

#[test]
fn a_block_is_overridden_too() {
    let mut chain = rich();
    let block = BlockOverride {
        number: Some(1_000),
        timestamp: Some(1_234),
        gas_limit: Some(5_000_000),
        proposer: Some(account(3)),
        prevrandao: Some(Hash([9; 32])),
        base_fee: Some(Amount::from(7)),
        blob_base_fee: Some(Amount::from(8)),
    };
    let overrides = Overrides { block, ..Overrides::default() };
    for (instruction, free, paid) in [
        (0x43, word(1_000), word(1_000)),
        (0x42, word(1_234), word(1_234)),
        (0x45, word(5_000_000), word(5_000_000)),
        (0x41, common::address_word(&account(3)), common::address_word(&account(3))),
        (0x44, [9; 32], [9; 32]),
        // Whoever pays nothing is in a block that asks for nothing.
        (0x48, word(0), word(7)),
        (0x3a, word(0), word(7)),
        (0x4a, word(8), word(8)),
    ] {
        let contract = deploy(&mut chain, &answering(&[instruction]));
        let call = of(Some(contract), vec![]);
        assert_eq!(simulate_over(&chain, &overrides, &call).expect("runs").output, free, "{instruction:x}");
        let paying = Simulation { max_fee: Amount::from(9), gas: Some(1_000_000), ..call.clone() };
        assert_eq!(simulate_over(&chain, &overrides, &paying).expect("runs").output, paid, "{instruction:x}");
        let poor = Simulation { max_fee: Amount::from(6), ..paying };
        let refused =
            SimulationError::Refused(EthereumRefusal::BaseFee { found: Amount::from(6), base_fee: Amount::from(7) });
        assert_eq!(simulate_over(&chain, &overrides, &poor), Err(refused));
    }
    // Without overrides, it is the block that was asked for.
    let number = deploy(&mut chain, &answering(&[0x43]));
    let output = simulate(&chain, &of(Some(number), vec![])).expect("runs").output;
    assert_eq!(common::number(&output), u128::from(chain.tip.header.number));
}

#[test]
fn what_ethereum_would_not_run_is_refused_with_its_reason() {
    let chain = rich();
    let call = || of(Some(account(2)), vec![]);
    let (have, want) = (Amount::from(1_000_000_000_000), Amount::from(1_000_000_000_001));
    let funds = |cost| SimulationError::Refused(EthereumRefusal::Funds { sender: account(1), balance: have, cost });
    assert_eq!(simulate(&chain, &Simulation { value: want, ..call() }), Err(funds(Some(want))));
    let endless = Simulation { max_fee: Amount(ruint::aliases::U256::MAX), ..call() };
    assert_eq!(simulate(&chain, &endless), Err(funds(None)));
    let short = Simulation { gas: Some(20_999), ..call() };
    let refused = SimulationError::Refused(EthereumRefusal::IntrinsicGas { found: 20_999, needed: 21_000 });
    assert_eq!(
        refused.to_string(),
        "intrinsic gas too low: the gas limit is 20999, where 21000 are needed before any code runs"
    );
    assert_eq!(simulate(&chain, &short), Err(refused));
    let floor = Simulation { gas: Some(24_999), input: vec![1; 100], ..call() };
    assert_eq!(
        simulate(&chain, &floor),
        Err(SimulationError::Refused(EthereumRefusal::IntrinsicGas { found: 24_999, needed: 25_000 }))
    );
    let long = of(None, vec![0; 49_153]);
    assert_eq!(
        simulate(&chain, &long),
        Err(SimulationError::Refused(EthereumRefusal::InitCode { found: 49_153, limit: 49_152 }))
    );
    let tip = Simulation { max_priority_fee: Amount::from(1), ..call() };
    let refused = SimulationError::Refused(EthereumRefusal::PriorityFee);
    assert_eq!(simulate(&chain, &tip), Err(refused));
    let poor = chain_of(&Genesis { protocol_version: 2, ..genesis() });
    let paying = Simulation { value: Amount::from(1), ..call() };
    assert_eq!(simulate(&poor, &paying), Err(SimulationError::Refused(EthereumRefusal::NoCoin)));
    // A price is none where there is no coin.
    let priced = Simulation { max_fee: Amount::from(7), ..call() };
    assert_eq!(simulate(&poor, &priced).expect("runs").status, Status::Success);
}

#[test]
fn under_version_1_wasm_contracts_are_simulated_and_evm_code_is_not() {
    let mut chain = chain_of(&genesis());
    let wasm = chain.deploy_wat(SCRIPT);
    let receipt = simulate(&chain, &of(Some(wasm), script::read(1))).expect("runs");
    assert_eq!((receipt.status, receipt.output), (Status::Success, script::seen(None)));
    let module = container(&wat::parse_str(SCRIPT).expect("wat"), &[]);
    let receipt = simulate(&chain, &of(None, module)).expect("runs");
    assert!(receipt.contract.is_some(), "{receipt:?}");
    assert_eq!(simulate(&chain, &of(Some(account(9)), vec![])).expect("runs").gas_used, 21_000);
    let receipt = simulate(&chain, &of(None, creating(&[0]))).expect("runs");
    assert_eq!(receipt.error.expect("a fault").code, "container");
    let code = AccountOverride { code: Some(answering(&[CALLER])), ..AccountOverride::default() };
    let overrides = Overrides { accounts: [(account(9), code)].into(), ..Overrides::default() };
    let receipt = simulate_over(&chain, &overrides, &of(Some(account(9)), vec![])).expect("runs");
    assert_eq!(receipt.status, Status::PrecompiledError);
    let call = of(Some(wasm), script::write(1, 5));
    let least = estimate(&chain, &call).expect("enough");
    let with = |gas| simulate(&chain, &Simulation { gas: Some(gas), ..call.clone() }).expect("runs").status;
    assert_eq!((with(least), with(least - 1)), (Status::Success, Status::OutOfGas));
}

#[test]
fn no_gas_is_enough_for_what_fails_with_all_of_it() {
    let mut chain = rich();
    let mut code = Assembler::default();
    let reverting = deploy(&mut chain, &code.push(7).push(0).op(&[MSTORE]).push(32).push(0).op(&[REVERT]).finish());
    match estimate(&chain, &of(Some(reverting), vec![])) {
        Err(EstimateError::Failed(receipt)) => {
            assert_eq!((receipt.status, number(&receipt.output)), (Status::Revert, 7));
        }
        other => panic!("{other:?}"),
    }
    let endless = deploy(&mut chain, &[JUMPDEST, 0x5f, JUMP]);
    let call = Simulation { gas: Some(1_000_000), ..of(Some(endless), vec![]) };
    assert_eq!(estimate(&chain, &call), Err(EstimateError::Allowance(1_000_000)));
    // What the sender can pay bounds it: 25,000 at 40,000,000 each.
    let priced = Simulation { max_fee: Amount::from(40_000_000), ..of(Some(account(2)), vec![1; 200]) };
    assert_eq!(estimate(&chain, &priced), Err(EstimateError::Allowance(25_000)));
    assert_eq!(estimate(&chain, &Simulation { input: vec![], ..priced }), Ok(21_000));
}

/// A piece of a program that needs gas.
#[derive(Debug, Clone)]
enum Piece {
    Store(u8, u8),
    Burn(u16),
    /// All the gas goes to a contract that stores and burns so much, below so many others.
    Call(u16, u8),
    Log(u16),
    Memory(u16),
    Create(u8),
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        (0..3_u8, 0..3_u8).prop_map(|(key, value)| Piece::Store(key, value)),
        (1..2_000_u16).prop_map(Piece::Burn),
        (1..2_000_u16, 0..4_u8).prop_map(|(count, below)| Piece::Call(count, below)),
        (0..500_u16).prop_map(Piece::Log),
        any::<u16>().prop_map(Piece::Memory),
        any::<u8>().prop_map(Piece::Create),
    ]
}

/// Burns as much as the second word of the input says, below as many frames of itself as the first says. Reverts
/// where a frame below it does.
fn burner() -> Vec<u8> {
    let mut code = Assembler::default();
    code.push(0).op(&[0x35]).jump_if("deeper").push(1).push(32).op(&[0x35, SSTORE]).push(32).op(&[0x35]);
    code.label("burn").push(1).op(&[SWAP1, SUB, DUP1]).jump_if("burn").op(&[0]);
    code.label("deeper").push(1).push(0).op(&[0x35, SUB]).push(0).op(&[MSTORE]).push(32).op(&[0x35]);
    code.push(32).op(&[MSTORE]).push(0).push(0).push(64).push(0).push(0).op(&[0x30, 0x5a, CALL, ISZERO]);
    code.jump_if("fail").op(&[0]).label("fail").push(0).push(0).op(&[REVERT]).finish()
}

fn program(pieces: &[Piece], burner: &Address) -> Vec<u8> {
    const LABELS: [&str; 6] = ["0", "1", "2", "3", "4", "5"];
    let mut code = Assembler::default();
    for (piece, label) in pieces.iter().zip(LABELS) {
        match piece {
            Piece::Store(key, value) => code.push((*value).into()).push((*key).into()).op(&[SSTORE]),
            Piece::Burn(count) => {
                code.push((*count).into()).label(label).push(1).op(&[SWAP1, SUB, DUP1]).jump_if(label).op(&[POP])
            }
            Piece::Call(count, below) => {
                code.push((*below).into()).push(0).op(&[MSTORE]).push((*count).into()).push(32).op(&[MSTORE]);
                code.push(0).push(0).push(64).push(0).push(0).op(&[0x73]).op(&burner.0).op(&[0x5a, CALL, ISZERO]);
                code.jump_if("fail")
            }
            Piece::Log(length) => code.push((*length).into()).push(0).op(&[LOG0]),
            Piece::Memory(place) => code.push(1).push((*place).into()).op(&[MSTORE8]),
            Piece::Create(length) => code.push((*length).into()).push(0).push(0).op(&[CREATE, POP]),
        };
    }
    code.push(0).op(&[SLOAD]).push(1).op(&[ADD, POP, 0]).label("fail").push(0).push(0).op(&[REVERT]).finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_estimate_is_the_least_gas_with_which_the_transaction_succeeds(
        pieces in proptest::collection::vec(piece(), 0..6),
        input in proptest::collection::vec(0..2_u8, 0..200),
        creates in any::<bool>(),
        value in 0..3_u64,
    ) {
        let mut chain = rich();
        let burner = deploy(&mut chain, &burner());
        let code = program(&pieces, &burner);
        let (to, input) = if creates { (None, code) } else { (Some(deploy(&mut chain, &code)), input) };
        let simulation = Simulation { value: Amount::from(value), ..of(to, input) };
        let least = estimate(&chain, &simulation).expect("it succeeds");
        let receipt = real(&chain, &simulation, least).expect("it is run");
        prop_assert_eq!(receipt.status, Status::Success);
        prop_assert_eq!(&simulate(&chain, &Simulation { gas: Some(least), ..simulation.clone() }).expect("runs"), &receipt);
        let less = real(&chain, &simulation, least - 1);
        prop_assert!(less.is_none_or(|receipt| receipt.status != Status::Success), "{least} was not needed");
    }

    #[test]
    fn what_is_traced_adds_up_to_what_was_used(pieces in proptest::collection::vec(piece(), 0..6), gas in 0..200_000_u64) {
        const CALL_AND_CREATE: [u8; 2] = [CALL, CREATE];
        let mut chain = rich();
        let burner = deploy(&mut chain, &burner());
        let contract = deploy(&mut chain, &program(&pieces, &burner));
        let simulation = Simulation { gas: Some(21_000 + gas), ..of(Some(contract), vec![]) };
        let receipt = simulate(&chain, &simulation).expect("runs");
        let overrides = Overrides::default();
        let scene = Scene { state: chain.state.clone(), header: &chain.tip.header, overrides: &overrides };
        let trace = |kind: TraceKind| chain.executor.trace(&scene, &simulation, &kind, 64 << 20).expect("a trace");
        let Trace::Steps(steps) = trace(TraceKind::Steps(StepOptions::default())) else { panic!("no steps") };
        prop_assert_eq!((steps.gas_used, steps.is_failed), (receipt.gas_used, receipt.status != Status::Success));
        prop_assert_eq!(&steps.output, &receipt.output);
        for pair in steps.steps.windows(2) {
            if pair[0].depth == pair[1].depth && !CALL_AND_CREATE.contains(&pair[0].instruction) {
                prop_assert_eq!(pair[1].gas, pair[0].gas - pair[0].cost, "{:?}", pair);
            }
        }
        let Trace::Calls(calls) = trace(TraceKind::Calls { top_only: false, logs: true }) else { panic!("no frames") };
        prop_assert_eq!(calls.frames[0].gas_used, receipt.gas_used);
        prop_assert_eq!(calls.frames[0].error.is_some(), steps.is_failed);
        prop_assert_eq!(calls.frames.iter().map(|frame| frame.logs.len()).sum::<usize>(), receipt.logs.len());
        for frame in calls.frames.iter().skip(1) {
            let nested: u64 = frame.calls.iter().map(|index| calls.frames[*index].gas_used).sum();
            prop_assert!(nested <= frame.gas_used && frame.gas_used <= frame.gas, "{:?}", frame);
        }
    }
}
