//! Traces against small programs made by hand.

#[path = "common/assembler.rs"]
mod assembler;
mod common;
#[path = "common/ethereum.rs"]
mod ethereum;
#[path = "common/simulated.rs"]
mod simulated;

use std::collections::BTreeMap;

use assembler::{
    Assembler, CALL, CREATE, DELEGATECALL, INVALID, LOG0, MSTORE, POP, RETURN, REVERT, SLOAD, SSTORE, STATICCALL, STOP,
    creating,
};
use common::{Chain, account, script, script::SCRIPT, word};
use entente_executor::{
    AccessListed, AccountOverride, AccountState, CallFrame, FrameKind, InputTransaction, Overrides, ReplayInput, Scene,
    Simulation, StateTrace, StepLog, StepOptions, StepTrace, Trace, TraceError, TraceKind, Traced,
};
use entente_state::MapState;
use entente_types::{Address, Amount, Header, Receipt, created_address};
use ruint::aliases::U256;
use simulated::{deploy, of, rich, signed};

const BYTES_MAX: usize = 1 << 20;

fn over<T>(chain: &Chain, overrides: &Overrides, trace: impl FnOnce(&Scene<'_>) -> T) -> T {
    trace(&Scene { state: chain.state.clone(), header: &chain.tip.header, overrides })
}

fn trace_within(
    chain: &Chain,
    simulation: &Simulation,
    kind: &TraceKind,
    bytes_max: usize,
) -> Result<Trace, TraceError> {
    over(chain, &Overrides::default(), |scene| chain.executor.trace(scene, simulation, kind, bytes_max))
}

fn steps(chain: &Chain, simulation: &Simulation, options: StepOptions) -> StepTrace {
    match trace_within(chain, simulation, &TraceKind::Steps(options), BYTES_MAX) {
        Ok(Trace::Steps(trace)) => trace,
        other => panic!("{other:?}"),
    }
}

fn calls(chain: &Chain, simulation: &Simulation, top_only: bool, logs: bool) -> Vec<CallFrame> {
    match trace_within(chain, simulation, &TraceKind::Calls { top_only, logs }, BYTES_MAX) {
        Ok(Trace::Calls(trace)) => trace.frames,
        other => panic!("{other:?}"),
    }
}

fn states(chain: &Chain, simulation: &Simulation, changed_only: bool) -> StateTrace {
    match trace_within(chain, simulation, &TraceKind::State { changed_only }, BYTES_MAX) {
        Ok(Trace::State(trace)) => trace,
        other => panic!("{other:?}"),
    }
}

fn with_stack() -> StepOptions {
    StepOptions { stack: true, storage: true, ..StepOptions::default() }
}

/// Place, name, gas, cost, depth and stack of an instruction.
type Shown = (usize, &'static str, u64, u64, u16, Vec<u64>);

fn name(step: &StepLog) -> &'static str {
    entente_executor::instruction_name(step.instruction).expect("known")
}

fn shown(step: &StepLog) -> Shown {
    let stack = step.stack.iter().flatten().map(U256::to::<u64>).collect();
    (step.place, name(step), step.gas, step.cost, step.depth, stack)
}

#[test]
fn instructions_have_place_gas_cost_and_stack() {
    let mut chain = rich();
    let mut code = Assembler::default();
    code.push(1).push(0).op(&[SSTORE]).push(0).op(&[SLOAD]).push(0).op(&[MSTORE]).push(32).push(0).op(&[RETURN]);
    let contract = deploy(&mut chain, &code.finish());
    let call = Simulation { gas: Some(100_000), is_free: true, ..of(Some(contract), vec![]) };
    let options = StepOptions { memory: true, ..with_stack() };
    let trace = steps(&chain, &call, options);
    let expected: Vec<Shown> = vec![
        (0, "PUSH1", 100_000, 3, 1, vec![]),
        (2, "PUSH1", 99_997, 3, 1, vec![1]),
        (4, "SSTORE", 99_994, 22_100, 1, vec![1, 0]),
        (5, "PUSH1", 77_894, 3, 1, vec![]),
        (7, "SLOAD", 77_891, 100, 1, vec![0]),
        (8, "PUSH1", 77_791, 3, 1, vec![1]),
        (10, "MSTORE", 77_788, 6, 1, vec![1, 0]),
        (11, "PUSH1", 77_782, 3, 1, vec![]),
        (13, "PUSH1", 77_779, 3, 1, vec![32]),
        (15, "RETURN", 77_776, 0, 1, vec![32, 0]),
    ];
    assert_eq!(trace.steps.iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!((trace.gas_used, trace.is_failed, trace.output), (22_224, false, word(1).to_vec()));
    let slot = Some(BTreeMap::from([(word(0), word(1))]));
    let storage: Vec<bool> = trace.steps.iter().map(|step| step.storage == slot).collect();
    assert_eq!(storage, [false, false, true, false, true, false, false, false, false, false]);
    let memory: Vec<usize> = trace.steps.iter().map(|step| step.memory.as_ref().expect("asked for").len()).collect();
    assert_eq!(memory, [0, 0, 0, 0, 0, 0, 0, 32, 32, 32]);
    // Nothing is told that is not asked for.
    let bare = steps(&chain, &call, StepOptions { steps_max: Some(3), ..StepOptions::default() });
    assert_eq!(bare.steps.len(), 3);
    let last = bare.steps.last().expect("three");
    assert_eq!((&last.stack, &last.memory, &last.storage, &last.returned), (&None, &None, &None, &None));
    assert_eq!((bare.gas_used, last.cost), (22_224, 22_100));
}

#[test]
fn what_comes_back_is_counted_as_far_as_it_goes() {
    let mut chain = rich();
    let mut code = Assembler::default();
    let contract = deploy(&mut chain, &code.push(0).push(0).op(&[SSTORE]).push(7).push(1).op(&[SSTORE, STOP]).finish());
    let slots = BTreeMap::from([(word(0), word(5))]);
    let account = AccountOverride { slots, ..AccountOverride::default() };
    let overrides = Overrides { accounts: [(contract, account)].into(), ..Overrides::default() };
    let kind = TraceKind::Steps(with_stack());
    let trace = over(&chain, &overrides, |scene| {
        chain.executor.trace(scene, &of(Some(contract), vec![]), &kind, BYTES_MAX).expect("a trace")
    });
    let Trace::Steps(trace) = trace else { panic!("{trace:?}") };
    let refunds: Vec<u64> = trace.steps.iter().map(|step| step.refund).collect();
    assert_eq!(refunds, [0, 0, 4_800, 4_800, 4_800, 4_800, 4_800]);
    // 21,000, four pushes, 5,000 and 22,100, less the refund.
    assert_eq!(trace.gas_used, 21_000 + 12 + 5_000 + 22_100 - 4_800);
}

#[test]
fn a_call_costs_what_goes_down_and_a_creation_does_not() {
    let mut chain = rich();
    let callee = deploy(&mut chain, &[0x5f, POP, STOP]);
    let mut code = Assembler::default();
    (0..5).for_each(|_| {
        code.push(0);
    });
    code.op(&[0x73]).op(&callee.0).op(&[0x5a, CALL]).push(3).push(0).push(0).op(&[CREATE, INVALID]);
    let contract = deploy(&mut chain, &code.finish());
    let call = Simulation { gas: Some(1_000_000), is_free: true, ..of(Some(contract), vec![]) };
    let trace = steps(&chain, &call, with_stack());
    let names: Vec<(&str, u16)> = trace.steps.iter().map(|step| (name(step), step.depth)).collect();
    let expected = [
        [("PUSH1", 1); 5].to_vec(),
        vec![("PUSH20", 1), ("GAS", 1), ("CALL", 1), ("PUSH0", 2), ("POP", 2), ("STOP", 2)],
        [("PUSH1", 1); 3].to_vec(),
        // The created code is three zeros.
        vec![("CREATE", 1), ("STOP", 2), ("INVALID", 1)],
    ];
    assert_eq!(names, expected.concat());
    let step = |place: usize| &trace.steps[place];
    let (asked, down) = (step(7), step(8));
    let left = asked.gas - 2_600;
    assert_eq!(down.gas, left - left / 64);
    assert_eq!(asked.cost, 2_600 + down.gas);
    // PUSH0 2, POP 2.
    assert_eq!(step(11).gas, asked.gas - 2_600 - 4);
    let created = step(14);
    // 32,000, a word of code 2 and a word of memory 3.
    assert_eq!(created.cost, 32_005);
    let left = created.gas - 32_005;
    assert_eq!(step(15).gas, left - left / 64);
    let last = step(16);
    assert_eq!((last.error.as_deref(), last.gas), (Some("invalid opcode: INVALID"), left));
    assert!(trace.is_failed && trace.output.is_empty());
}

#[test]
fn an_instruction_that_cannot_be_paid_is_the_last() {
    let mut chain = rich();
    let mut code = Assembler::default();
    let contract = deploy(&mut chain, &code.push(1).push(0).op(&[SSTORE]).finish());
    let call = Simulation { gas: Some(10_000), is_free: true, ..of(Some(contract), vec![]) };
    let trace = steps(&chain, &call, with_stack());
    let last = trace.steps.last().expect("three");
    assert_eq!((trace.steps.len(), last.error.as_deref(), last.gas), (3, Some("out of gas"), 9_994));
    assert_eq!((trace.is_failed, trace.gas_used), (true, 10_000));
}

#[test]
fn there_is_a_bound_on_what_is_told() {
    let mut chain = rich();
    // Counts without an end.
    let endless = deploy(&mut chain, &[0x5f, 0x5b, 0x60, 1, 0x01, 0x60, 1, 0x56]);
    let call = Simulation { gas: Some(2_000_000), ..of(Some(endless), vec![]) };
    let within = |kind: &TraceKind, bytes_max| trace_within(&chain, &call, kind, bytes_max);
    let too_large = |limit| Err(TraceError::TooLarge { limit });
    let all = TraceKind::Steps(with_stack());
    assert_eq!(within(&all, 100_000), too_large(100_000));
    let few = TraceKind::Steps(StepOptions { steps_max: Some(100), ..with_stack() });
    assert!(matches!(within(&few, 100_000), Ok(Trace::Steps(trace)) if trace.steps.len() == 100 && trace.is_failed));
    let frames = TraceKind::Calls { top_only: false, logs: true };
    assert_eq!(within(&frames, 300), too_large(300));
    assert!(within(&frames, 1_000).is_ok());
    let touched = TraceKind::State { changed_only: false };
    assert_eq!(within(&touched, 300), too_large(300));
    assert!(within(&touched, 10_000).is_ok());
}

/// Calls an address with all the gas, in this way.
fn calling(code: &mut Assembler, kind: u8, to: &Address, value: u64, length: u64) {
    code.push(0).push(0).push(length).push(0);
    if kind == CALL {
        code.push(value);
    }
    code.op(&[0x73]).op(&to.0).op(&[0x5a, kind, POP]);
}

fn pushed_code(code: &mut Assembler, creating: &[u8]) {
    let mut word = [0; 32];
    word[..creating.len()].copy_from_slice(creating);
    code.op(&[0x7f]).op(&word).push(0).op(&[MSTORE]);
}

#[test]
fn what_nested_frames_are_called_with_counts_where_they_are_told_of() {
    let mut chain = rich();
    let callee = deploy(&mut chain, &[STOP]);
    let mut code = Assembler::default();
    calling(&mut code, CALL, &callee, 0, 100_000);
    calling(&mut code, CALL, &callee, 0, 100_000);
    let contract = deploy(&mut chain, &code.op(&[STOP]).finish());
    let within = |top_only, bytes_max| {
        let kind = TraceKind::Calls { top_only, logs: true };
        trace_within(&chain, &of(Some(contract), vec![]), &kind, bytes_max)
    };
    assert!(within(true, 1_000).is_ok());
    assert_eq!(within(false, 300_000), Err(TraceError::TooLarge { limit: 300_000 }));
    assert!(matches!(within(false, 500_000), Ok(Trace::Calls(trace)) if trace.frames[2].input == vec![0; 100_000]));
}

#[test]
fn frames_nest_with_their_results_and_logs() {
    let mut chain = rich();
    let mut code = Assembler::default();
    code.push(9).push(0).op(&[MSTORE]).push(32).push(0).op(&[LOG0]).push(32).push(0).op(&[REVERT]);
    let reverting = deploy(&mut chain, &code.finish());
    let answering = deploy(&mut chain, &simulated::answering(&[0x30]));
    let mut code = Assembler::default();
    code.push(1).push(0).op(&[LOG0]);
    calling(&mut code, CALL, &reverting, 0, 0);
    calling(&mut code, STATICCALL, &answering, 0, 4);
    calling(&mut code, DELEGATECALL, &answering, 0, 0);
    // More coin than there is.
    calling(&mut code, CALL, &answering, 99, 0);
    pushed_code(&mut code, &creating(&[STOP]));
    code.push(creating(&[STOP]).len() as u64).push(0).push(0).op(&[CREATE, POP]).push(2).push(0).op(&[LOG0]);
    pushed_code(&mut code, &[INVALID]);
    let contract = deploy(&mut chain, &code.push(1).push(0).push(0).op(&[CREATE, STOP]).finish());
    let call = Simulation { gas: Some(1_000_000), value: Amount::from(5), ..of(Some(contract), vec![1, 2]) };
    let frames = calls(&chain, &call, false, true);
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| frame.kind).collect();
    let expected = [
        FrameKind::Call,
        FrameKind::Call,
        FrameKind::Static,
        FrameKind::Delegate,
        FrameKind::Call,
        FrameKind::Create,
        FrameKind::Create,
    ];
    assert_eq!(kinds, expected);
    let [outermost, reverted, fixed, delegated, poor, created, failed] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(outermost.calls, [1, 2, 3, 4, 5, 6]);
    assert_eq!((outermost.from, outermost.to, outermost.value), (account(1), Some(contract), Some(Amount::from(5))));
    assert_eq!((outermost.gas, &outermost.input[..], &outermost.error), (1_000_000, &[1, 2][..], &None));
    let positions: Vec<(usize, usize)> = outermost.logs.iter().map(|log| (log.log.data.len(), log.position)).collect();
    assert_eq!(positions, [(1, 0), (2, 5)]);
    assert_eq!((reverted.from, reverted.to, reverted.value), (contract, Some(reverting), Some(Amount::ZERO)));
    assert_eq!((reverted.error.as_deref(), reverted.has_reverted), (Some("execution reverted"), true));
    assert_eq!((&reverted.output[..], reverted.logs.len()), (&word(9)[..], 0));
    // PUSH1 3 six times, MSTORE 6, LOG0 375 and 8 a byte.
    assert_eq!(reverted.gas_used, 18 + 6 + 375 + 256);
    assert_eq!(
        (fixed.value, &fixed.input[..], &fixed.output[..]),
        (None, &[0; 4][..], &common::address_word(&answering)[..])
    );
    assert_eq!((delegated.from, delegated.to, delegated.value), (contract, Some(answering), Some(Amount::from(5))));
    assert_eq!(delegated.output, common::address_word(&contract));
    assert_eq!((poor.error.as_deref(), poor.gas_used), (Some("insufficient balance for transfer"), 0));
    assert_eq!((created.to, &created.output[..]), (Some(created_address(&contract, 1)), &[STOP][..]));
    assert_eq!(&created.input, &creating(&[STOP]));
    assert_eq!((failed.to, failed.error.as_deref()), (None, Some("invalid opcode: INVALID")));
    assert_eq!(failed.gas, failed.gas_used);
    let top = calls(&chain, &call, true, false);
    assert_eq!((top.len(), top[0].gas_used), (1, outermost.gas_used));
    assert!(top[0].calls.is_empty() && top[0].logs.is_empty());
}

#[test]
fn a_contract_that_ends_itself_is_told_of_as_a_frame() {
    let mut chain = rich();
    let contract = deploy(&mut chain, &[0x33, 0xff]);
    let call = Simulation { value: Amount::from(7), ..of(Some(contract), vec![]) };
    let frames = calls(&chain, &call, false, false);
    let ended = &frames[1];
    assert_eq!((ended.kind, ended.from, ended.to), (FrameKind::SelfDestruct, contract, Some(account(1))));
    assert_eq!((ended.value, ended.gas, ended.gas_used), (Some(Amount::from(7)), 0, 0));
}

#[test]
fn a_deployment_gives_back_the_code_and_one_that_fails_has_no_address() {
    let chain = rich();
    let frames = calls(&chain, &of(None, creating(&[1, 2, 3])), false, false);
    assert_eq!((frames[0].kind, frames[0].to), (FrameKind::Create, Some(created_address(&account(1), 0))));
    assert_eq!(frames[0].output, [1, 2, 3]);
    let trace = steps(&chain, &of(None, creating(&[1, 2, 3])), StepOptions::default());
    assert_eq!(trace.output, [1, 2, 3]);
    let frames = calls(&chain, &of(None, vec![INVALID]), false, false);
    assert_eq!((frames.len(), frames[0].to, frames[0].gas_used), (1, None, 300_000_000));
    assert!(frames[0].error.is_some());
}

#[test]
fn frames_of_other_kinds_are_told_of_too() {
    let mut chain = rich();
    let wasm = chain.deploy_wat(SCRIPT);
    let evm = deploy(&mut chain, &simulated::answering(&[0x33]));
    let mut identity = Address::ZERO;
    identity.0[19] = 4;
    let input =
        [script::log(7), script::call(evm, &[5]), script::call(identity, &[6]), script::call(wasm, &script::trap())];
    let call = of(Some(wasm), input.concat());
    let frames = calls(&chain, &call, false, true);
    let [outermost, called, copied, trapped] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((outermost.to, outermost.logs.len(), &outermost.error), (Some(wasm), 1, &None));
    assert_eq!(
        (called.from, &called.input[..], &called.output[..]),
        (wasm, &[5][..], &common::address_word(&wasm)[..])
    );
    assert_eq!((copied.to, &copied.output[..]), (Some(identity), &[6][..]));
    assert!(trapped.error.is_some() && !trapped.has_reverted, "{trapped:?}");
    // Its instructions are those of EVM code alone.
    let trace = steps(&chain, &call, StepOptions::default());
    assert!(trace.steps.iter().all(|step| step.depth == 2) && trace.steps.len() == 6, "{trace:?}");
    let created =
        calls(&chain, &of(None, entente_executor::container(&wat::parse_str(SCRIPT).expect("wat"), &[])), false, false);
    assert_eq!(created[0].to, Some(created_address(&account(1), 0)));
}

#[test]
fn what_a_transaction_touched_is_told_as_it_was_and_as_it_is() {
    let mut chain = rich();
    let mut code = Assembler::default();
    // Reads slot 3, writes slot 1, removes slot 2, creates a contract and pays somebody.
    code.push(3).op(&[SLOAD, POP]).push(8).push(1).op(&[SSTORE]).push(0).push(2).op(&[SSTORE]);
    pushed_code(&mut code, &creating(&[STOP]));
    code.push(creating(&[STOP]).len() as u64).push(0).push(0).op(&[CREATE, POP]);
    calling(&mut code, CALL, &account(7), 2, 0);
    let code = code.op(&[STOP]).finish();
    let contract = deploy(&mut chain, &code);
    let slots = BTreeMap::from([(word(2), word(5)), (word(3), word(6))]);
    let changed = AccountOverride { slots, ..AccountOverride::default() };
    let overrides = Overrides { accounts: [(contract, changed)].into(), ..Overrides::default() };
    let call = Simulation { value: Amount::from(5), ..of(Some(contract), vec![]) };
    let state = |changed_only| {
        let kind = TraceKind::State { changed_only };
        let trace = over(&chain, &overrides, |scene| chain.executor.trace(scene, &call, &kind, BYTES_MAX));
        match trace {
            Ok(Trace::State(trace)) => trace,
            other => panic!("{other:?}"),
        }
    };
    let (created, proposer) = (created_address(&contract, 1), chain.tip.header.proposer);
    let coin = |amount: u64| Some(Amount::from(amount));
    let account_state = |balance, nonce, storage: &[(u128, u128)]| AccountState {
        balance,
        nonce,
        code: None,
        storage: storage.iter().map(|(key, value)| (word(*key), word(*value))).collect(),
    };
    let whole = state(false);
    let before =
        AccountState { code: Some(code.clone()), ..account_state(coin(0), Some(1), &[(1, 0), (2, 5), (3, 6)]) };
    let expected = BTreeMap::from([
        (account(1), account_state(coin(1_000_000_000_000), None, &[])),
        (account(7), account_state(coin(0), None, &[])),
        (proposer, account_state(coin(0), None, &[])),
        (contract, before.clone()),
    ]);
    assert_eq!(whole, StateTrace { before: expected, after: None });
    let changed = state(true);
    let there = BTreeMap::from([
        (account(1), account_state(coin(1_000_000_000_000), None, &[])),
        (account(7), account_state(coin(0), None, &[])),
        (contract, AccountState { storage: BTreeMap::from([(word(2), word(5))]), ..before }),
    ]);
    assert_eq!(changed.before, there);
    let created_state = AccountState { code: Some(vec![STOP]), ..account_state(None, Some(1), &[]) };
    let then = BTreeMap::from([
        (account(1), account_state(coin(999_999_999_995), Some(1), &[])),
        (account(7), account_state(coin(2), None, &[])),
        (contract, account_state(coin(3), Some(2), &[(1, 8)])),
        (created, created_state),
    ]);
    assert_eq!(changed.after, Some(then));
    assert_eq!(states(&chain, &of(Some(account(9)), vec![]), true).after.expect("asked for").len(), 1);
}

/// A block that was committed, and what it was committed over.
struct Committed {
    parent: Header,
    header: Header,
    state: std::sync::Arc<MapState>,
    transactions: Vec<InputTransaction>,
    receipts: Vec<Receipt>,
}

impl Committed {
    fn new(chain: &mut Chain, transactions: Vec<InputTransaction>) -> Self {
        let (parent, state) = (chain.tip.header.clone(), chain.state.clone());
        let block = chain.commit(&transactions);
        let (header, receipts) = (block.header.clone(), block.receipts.clone());
        Self { parent, header, state, transactions, receipts }
    }

    fn replay(&self, chain: &Chain, place: Option<usize>, kind: &TraceKind) -> Result<Vec<Traced>, TraceError> {
        let Self { parent, header, state, transactions, receipts } = self;
        let input = ReplayInput { parent, header, transactions, receipts, state: state.clone() };
        chain.executor.replay(&input, place, kind, BYTES_MAX)
    }
}

#[test]
fn a_transaction_of_a_block_is_traced_over_what_came_before_it() {
    let mut chain = rich();
    let mut code = Assembler::default();
    // Adds one to slot 0, and answers the last block's hash.
    code.push(1).push(0).op(&[SLOAD, assembler::ADD]).push(0).op(&[SSTORE]).push(1).op(&[0x43, assembler::SUB, 0x40]);
    let counter = deploy(&mut chain, &[code.finish(), simulated::answering(&[])].concat());
    let add = of(Some(counter), vec![]);
    let native = chain.sign(1, Some(counter), vec![], 1_000_000);
    let transactions = vec![signed(&add, 0, 100_000), native, signed(&add, 1, 100_000)];
    let block = Committed::new(&mut chain, transactions);
    chain.commit(&[]);
    let kind = TraceKind::State { changed_only: true };
    for place in 0..3 {
        let traced = block.replay(&chain, Some(place), &kind).expect("a trace");
        assert_eq!((traced.len(), traced[0].hash), (1, block.transactions[place].hash));
        let Trace::State(StateTrace { before, after: Some(after) }) = &traced[0].trace else { panic!("{traced:?}") };
        let slot = |accounts: &BTreeMap<Address, AccountState>| accounts[&counter].storage.get(&word(0)).copied();
        assert_eq!(slot(before), (place > 0).then(|| word(place as u128)), "{place}");
        assert_eq!(slot(after), Some(word(place as u128 + 1)), "{place}");
    }
    let steps = TraceKind::Steps(StepOptions::default());
    let all = block.replay(&chain, None, &steps).expect("traces");
    assert_eq!(all.iter().map(|one| one.hash).collect::<Vec<_>>(), block.header_hashes());
    for (traced, receipt) in all.iter().zip(&block.receipts) {
        let Trace::Steps(trace) = &traced.trace else { panic!("{traced:?}") };
        assert_eq!((trace.gas_used, &trace.output), (receipt.gas_used, &receipt.output));
        assert_ne!(trace.output, word(0));
    }
    assert_eq!(block.replay(&chain, Some(3), &steps), Ok(vec![]));
    let mut other = block;
    other.receipts[1].gas_used += 1;
    let number = other.header.number;
    assert_eq!(other.replay(&chain, Some(2), &steps), Err(TraceError::Differs { number, index: 1 }));
    assert!(other.replay(&chain, Some(0), &steps).is_ok());
}

impl Committed {
    fn header_hashes(&self) -> Vec<entente_types::Hash> {
        self.transactions.iter().map(|transaction| transaction.hash).collect()
    }
}

#[test]
fn a_transaction_that_began_no_frame_is_told_of_as_one_that_failed() {
    let mut chain = rich();
    let nowhere = chain.sign(1, Some(account(9)), vec![4], 1_000_000);
    let poor = chain.sign(1, Some(account(9)), vec![5], 100);
    let block = Committed::new(&mut chain, vec![nowhere, poor]);
    let traced = block.replay(&chain, None, &TraceKind::Calls { top_only: false, logs: false }).expect("traces");
    for (traced, (byte, gas)) in traced.iter().zip([(4, 1_000_000), (5, 100)]) {
        let Trace::Calls(trace) = &traced.trace else { panic!("{traced:?}") };
        let frame = &trace.frames[0];
        assert_eq!(
            (frame.from, frame.to, &frame.input[..], frame.gas),
            (account(1), Some(account(9)), &[byte][..], gas)
        );
        assert!(frame.error.is_some() && trace.frames.len() == 1, "{frame:?}");
    }
}

#[test]
fn what_will_be_touched_is_found_out_until_it_changes_no_more() {
    let mut chain = rich();
    let other = deploy(&mut chain, &[0x60, 9, SLOAD, STOP]);
    let mut code = Assembler::default();
    // Where slot 1 is warm, it looks at an account.
    code.op(&[0x5a]).push(1).op(&[SLOAD, POP, 0x5a, assembler::SWAP1, assembler::SUB]).push(1_000).op(&[assembler::LT]);
    code.jump_if("cold").op(&[0x73]).op(&account(8).0).op(&[0x31, POP]).label("cold");
    calling(&mut code, CALL, &other, 0, 0);
    let mut identity = Address::ZERO;
    identity.0[19] = 4;
    calling(&mut code, CALL, &identity, 0, 0);
    let contract = deploy(&mut chain, &code.op(&[STOP]).finish());
    let call = of(Some(contract), vec![]);
    let AccessListed { list, simulated } =
        over(&chain, &Overrides::default(), |scene| chain.executor.access_list(scene, &call)).expect("a list");
    let list: BTreeMap<Address, Vec<[u8; 32]>> = list.into_iter().map(|entry| (entry.address, entry.keys)).collect();
    let expected = BTreeMap::from([(contract, vec![word(1)]), (other, vec![word(9)]), (account(8), vec![])]);
    assert_eq!(list, expected);
    assert_eq!(simulated.receipt.status, entente_types::Status::Success);
}
