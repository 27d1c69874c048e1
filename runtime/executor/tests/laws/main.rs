//! The laws of frames: scripts over several contracts, run by the executor and by a model.
#![allow(unreachable_pub, reason = "what these modules share among themselves")]
#![allow(clippy::unused_self, clippy::similar_names, reason = "words of the model")]

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod generate;
mod model;
mod native;
mod universe;
mod walk;

use std::cell::{Cell, RefCell};

use common::account;
use contract::{Ask, Container, Input, Script, Step, Target, call};
use entente_executor::EXECUTION_STACK_BYTES;
use entente_types::Address;
use generate::{NOBODY, Plan, Sent, Turn, Whom, script, turns};
use native::NATIVE;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use universe::Universe;

const CASES: u32 = 640;

/// Runs on a stack as large as an executing thread is promised.
fn on_the_promised_stack(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(EXECUTION_STACK_BYTES).spawn(body).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A runner without files and, unless PROPTEST_RNG_SEED says otherwise, with a seed of its own each time.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    match std::env::var("ENTENTE_SEED").ok().and_then(|seed| seed.parse::<u8>().ok()) {
        Some(seed) => TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32])),
        None => TestRunner::new(config),
    }
}

/// Runs turns of this kind by executor and model, in a group with a coin or in one without.
fn agree(cases: u32, balances: bool, strategy: &impl Strategy<Value = Vec<Turn>>) {
    let universe = RefCell::new(Universe::new(balances));
    let number = Cell::new(0_u32);
    let result = runner(cases).run(strategy, |turns| {
        number.set(number.get() + 1);
        let is_checked_cold = number.get().is_multiple_of(8);
        universe.borrow_mut().play(&turns, is_checked_cold).map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let universe = universe.borrow();
    let (counts, undecided) = (universe.counts, universe.undecided);
    println!("{cases} cases, balances {balances}: {counts:?}; {undecided} given up");
    assert!(undecided * 8 < cases, "{undecided} of {cases} cases were given up");
    assert!(counts.foretold > 2 * counts.asked, "{counts:?}");
}

#[test]
fn the_executor_agrees_with_the_model_where_there_is_a_coin() {
    on_the_promised_stack(|| agree(CASES / 2, true, &turns()));
}

#[test]
fn the_executor_agrees_with_the_model_where_there_is_no_coin() {
    on_the_promised_stack(|| agree(CASES / 2, false, &turns()));
}

/// One transaction of account 1 to the first contract.
fn one(script: Vec<Plan>) -> Vec<Turn> {
    let sent = Sent { sender: 1, whom: Some(Whom::Contract(0)), value: 0, gas_limit: 300_000_000, script };
    vec![Turn::Block(vec![sent])]
}

fn nested(kind: u8, whom: Whom, script: Vec<Plan>) -> Plan {
    Plan::Call { kind, whom, value: 0, ask: Ask::All, script }
}

#[test]
fn a_static_call_can_change_nothing_at_any_depth() {
    on_the_promised_stack(|| {
        let universe = RefCell::new(Universe::new(true));
        let result = runner(100).run(&script(), |inner| {
            let mut universe = universe.borrow_mut();
            let turns = one(vec![nested(2, Whom::Contract(1), inner)]);
            universe.play(&turns, false).map_err(TestCaseError::fail)?;
            let changed = universe.rows_changed();
            prop_assert!(changed.is_empty(), "{changed:?}");
            prop_assert!(universe.last_receipt().logs.is_empty());
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    });
}

#[test]
fn value_is_refused_unless_there_is_a_coin() {
    on_the_promised_stack(|| {
        for balances in [false, true] {
            let mut universe = Universe::new(balances);
            let sends = |whom, value| Plan::Call { kind: 0, whom, value, ask: Ask::Enough, script: vec![] };
            let script = vec![sends(Whom::Contract(1), 1), sends(Whom::Nobody, 1), sends(Whom::Contract(0), 1)];
            let sent = Sent { sender: 1, whom: Some(Whom::Contract(0)), value: 2, gas_limit: 300_000_000, script };
            universe.play(&[Turn::Block(vec![sent])], true).expect("agreement");
            let code = universe.last_receipt().error.as_ref().map(|error| error.code.as_str());
            assert_eq!(code, (!balances).then_some("value_without_balances"));
            assert_eq!(universe.balance(NOBODY), u64::from(balances));
            // Inside a frame that sends what is not there.
            let script = vec![sends(Whom::Contract(1), 3), Plan::Plain(Step::Write(1, vec![7]))];
            universe.play(&one(script), true).expect("agreement");
            assert_eq!(universe.last_receipt().error, None);
            assert_eq!(universe.balance(universe.contracts[1]), 0);
        }
    });
}

#[test]
fn frames_nest_64_deep_and_the_65th_fails() {
    on_the_promised_stack(|| {
        for levels in [62, 63, 64, 65, 70] {
            let mut universe = Universe::new(true);
            let mut script = vec![Plan::Plain(Step::Log(vec![], vec![9]))];
            for level in 1..levels {
                script = vec![nested(u8::from(level % 3 == 0), Whom::Contract(level % 3), script)];
            }
            universe.play(&one(script), true).expect("agreement");
            assert_eq!(universe.last_receipt().error, None, "the frames above the one that fails go on");
            assert_eq!(universe.last_receipt().logs.len(), usize::from(levels <= 64), "{levels}");
            assert_eq!(universe.counts.deepest, levels.min(64) - 1);
        }
    });
}

#[test]
fn a_creation_counts_as_a_frame_and_its_depth_too() {
    on_the_promised_stack(|| {
        for levels in [63, 64] {
            let mut universe = Universe::new(true);
            let mut script = vec![Plan::Create { value: 0, what: 1, script: vec![] }];
            for level in 1..levels {
                script = vec![nested(0, Whom::Contract(level % 3), script)];
            }
            universe.play(&one(script), true).expect("agreement");
            assert_eq!(universe.last_receipt().error, None);
            assert_eq!(universe.rows_changed().is_empty(), levels == 64);
        }
    });
}

/// The readings and statuses of a trace whose steps are calls without output: before, status, after of each.
fn readings(output: &[u8], calls: usize) -> Vec<(u64, u8, u64, Vec<u8>)> {
    let mut rest = &output[contract::HEADER_BYTES..];
    let mut take = |length: usize| {
        let (taken, behind) = rest.split_at(length);
        rest = behind;
        taken
    };
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    (0..calls)
        .map(|_| {
            let (before, status, after) = (number(take(8)), take(1)[0], number(take(8)));
            let length = u32::from_le_bytes(take(4).try_into().expect("four bytes"));
            (before, status, after, take(length as usize).to_vec())
        })
        .collect()
}

/// Runs steps in the first contract as one transaction, by executor and model, and gives its output.
fn traced(universe: &mut Universe, steps: Vec<Step>) -> Vec<u8> {
    universe.play(&one(steps.into_iter().map(Plan::Plain).collect()), true).expect("agreement");
    let receipt = universe.last_receipt();
    assert_eq!(receipt.error, None);
    receipt.output.clone()
}

#[test]
fn a_fault_takes_all_gas_given_down_and_no_more() {
    on_the_promised_stack(|| {
        let mut universe = Universe::new(true);
        let other = Target::At(universe.contracts[1]);
        let ends = [Step::Trap, Step::Exhaust, Step::Overread];
        let asks = [1_000_u64, 3_000_000, 1_000_000_000];
        let steps = ends.iter().flat_map(|end| {
            asks.map(|ask| call(0, other, 0, Ask::Units(ask), Input::Script(Script::new(vec![end.clone()]))))
        });
        let output = traced(&mut universe, steps.collect());
        // What the host functions themselves cost: the call, an input of one byte, the second reading.
        let fixed = entente_host::gas::SCHEDULE_1.call + 2 * entente_host::gas::SCHEDULE_1.host_call + 60;
        for ((before, status, after, returned), ask) in readings(&output, 9).into_iter().zip(asks.iter().cycle()) {
            assert_eq!((status, before - after - fixed, returned), (2, *ask, vec![]));
        }
    });
}

#[test]
fn all_but_a_64th_goes_down_and_what_is_left_comes_back() {
    on_the_promised_stack(|| {
        let mut universe = Universe::new(true);
        let other = Target::At(universe.contracts[1]);
        let ask = |units| call(0, other, 0, units, Input::Script(Script::new(vec![])));
        let steps = vec![ask(Ask::All), ask(Ask::Units(u64::MAX / 2)), ask(Ask::Units(200_000_000)), ask(Ask::All)];
        let output = traced(&mut universe, steps);
        for ((before, status, after, returned), all) in readings(&output, 4).into_iter().zip([true, true, false, true])
        {
            let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            let (first, last) = (number(&returned[..8]), number(&returned[returned.len() - 8..]));
            assert_eq!(status, 0);
            let most = if all { before - before / 64 } else { 200_000_000 };
            assert!(first < most && first > most / 10 * 8, "{first} of {most}");
            let instance = contract::PAGES * entente_host::gas::SCHEDULE_1.memory_page;
            assert!(before - after < 4_000_000 + instance && first - last < 1_000_000, "gas left comes back");
        }
    });
}

#[test]
fn a_delegate_call_keeps_caller_and_value() {
    on_the_promised_stack(|| {
        let mut universe = Universe::new(true);
        let [first, second, third] = universe.contracts;
        let to = |kind, address, steps| call(kind, Target::At(address), 0, Ask::All, Input::Script(Script::new(steps)));
        let innermost = vec![Step::Write(3, vec![1]), Step::Log(vec![], vec![5])];
        let script = vec![Plan::Plain(to(1, second, vec![to(1, third, innermost)]))];
        let sent = Sent { sender: 2, whom: Some(Whom::Contract(0)), value: 11, gas_limit: 300_000_000, script };
        universe.play(&[Turn::Block(vec![sent])], true).expect("agreement");
        let receipt = universe.last_receipt().clone();
        let (_, _, _, inner) = readings(&receipt.output, 1).remove(0);
        let (_, _, _, innermost) = readings(&inner, 1).remove(0);
        for trace in [&receipt.output, &inner, &innermost] {
            assert_eq!(trace[8..28], account(2).0);
            assert_eq!(trace[28..48], first.0);
            assert_eq!(trace[68..100], entente_types::Amount::from(11).to_le_bytes());
        }
        assert_eq!(receipt.logs[0].address, first);
        assert_eq!([first, second, third].map(|address| universe.balance(address)), [11, 0, 0]);
    });
}

#[test]
fn return_data_is_that_of_the_last_nested_frame() {
    on_the_promised_stack(|| {
        let mut universe = Universe::new(true);
        let other = universe.contracts[2];
        let to =
            |address: Address, steps| call(0, Target::At(address), 0, Ask::Enough, Input::Script(Script::new(steps)));
        let early = |byte| vec![Step::Early(vec![byte; 3]), Step::Silent];
        let made = |steps| Step::Create { value: 0, container: Container::of(0, Script::new(steps)) };
        let steps = vec![
            Step::Returned,
            to(other, early(1)),
            Step::Returned,
            to(other, vec![Step::Returned, to(other, early(2)), Step::Returned, Step::Revert]),
            Step::Returned,
            to(other, early(3)),
            to(other, vec![Step::Trap]),
            Step::Returned,
            to(other, early(4)),
            to(NOBODY, vec![]),
            Step::Returned,
            to(other, early(5)),
            made(early(6)),
            Step::Returned,
            to(other, early(7)),
            call(1, Target::At(NATIVE), 0, Ask::Enough, Input::Bytes(native::input(native::PEEK, &[1]))),
            Step::Returned,
            made(vec![Step::Fail]),
            Step::Returned,
        ];
        traced(&mut universe, steps);
    });
}
