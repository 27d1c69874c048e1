//! Trees of scripts at random.

use proptest::{collection::vec, prelude::*};

use crate::{
    common::account,
    contract::{Ask, Container, Input, Script, Step, Target, call},
    native::{self, NATIVE},
};
use entente_types::Address;

/// An address where nothing is.
pub const NOBODY: Address = Address([0xee; 20]);

/// Whom a plan calls; the places of contracts are known when it is run.
#[derive(Debug, Clone, Copy)]
pub enum Whom {
    Contract(usize),
    Created,
    Nobody,
    Account,
}

#[derive(Debug, Clone)]
pub enum Plan {
    Plain(Step),
    Call { kind: u8, whom: Whom, value: u64, ask: Ask, script: Vec<Plan> },
    Native { kind: u8, value: u64, ask: Ask, input: Vec<u8> },
    Create { value: u64, what: u8, script: Vec<Plan> },
}

/// One thing that happens to a chain.
#[derive(Debug, Clone)]
pub enum Turn {
    Block(Vec<Sent>),
    /// A call that changes nothing.
    Read {
        from: u8,
        whom: Whom,
        script: Vec<Plan>,
    },
}

#[derive(Debug, Clone)]
pub struct Sent {
    pub sender: u8,
    /// Nobody for a creation.
    pub whom: Option<Whom>,
    pub value: u64,
    pub gas_limit: u64,
    pub script: Vec<Plan>,
}

pub fn script_of(plan: &[Plan], contracts: &[Address]) -> Script {
    let step = |plan: &Plan| match plan {
        Plan::Plain(step) => step.clone(),
        Plan::Call { kind, whom, value, ask, script } => {
            call(*kind, target_of(*whom, contracts), *value, *ask, Input::Script(script_of(script, contracts)))
        }
        Plan::Native { kind, value, ask, input } => {
            call(*kind, Target::At(NATIVE), *value, *ask, Input::Bytes(input.clone()))
        }
        Plan::Create { value, what, script } => {
            let container = match what {
                0 | 1 => Container::of(*what, script_of(script, contracts)),
                2 => Container {
                    bytes: b"\xef\x57\x41\x08\0\0\0\0asm\x01\0\0\0".to_vec(),
                    made: Err("module_rule/memory"),
                },
                _ => Container { bytes: b"\xef\x57\x41\x09\0\0\0short".to_vec(), made: Err("container") },
            };
            Step::Create { value: *value, container }
        }
    };
    Script::new(plan.iter().map(step).collect())
}

pub fn target_of(whom: Whom, contracts: &[Address]) -> Target {
    match whom {
        Whom::Contract(index) => Target::At(contracts[index % contracts.len()]),
        Whom::Created => Target::Created,
        Whom::Nobody => Target::At(NOBODY),
        Whom::Account => Target::At(account(7)),
    }
}

fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=length)
}

fn plain() -> impl Strategy<Value = Plan> {
    let key = 0_u8..4;
    prop_oneof![
        4 => (key.clone(), bytes(16)).prop_map(|(key, value)| Step::Write(key, value)),
        1 => key.clone().prop_map(Step::Remove),
        3 => key.prop_map(Step::Read),
        2 => (vec(any::<[u8; 32]>(), 0..=4), bytes(9)).prop_map(|(topics, data)| Step::Log(topics, data)),
        1 => bytes(40).prop_map(Step::Say),
        1 => Just(Step::Returned),
        1 => bytes(9).prop_map(Step::Early),
    ]
    .prop_map(Plan::Plain)
}

/// What scripts may do so that the model can tell what they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Everything: too little gas goes to what is `Traced` only.
    Free,
    /// It may be given too little gas: each of its frames leaves a trace that tells whether it was.
    Traced,
    /// Its frames may leave no trace, as a constructor leaves none: they have gas enough.
    Untraced,
}

/// How a script ends. One that sets no output leaves no trace.
fn ending(kind: Kind) -> impl Strategy<Value = Option<Plan>> {
    let silent = if kind == Kind::Untraced { Step::Silent } else { Step::Returned };
    prop_oneof![
        16 => Just(None),
        2 => Just(Some(Step::Revert)),
        1 => Just(Some(Step::Fail)),
        2 => Just(Some(Step::Trap)),
        1 => Just(Some(Step::Exhaust)),
        2 => Just(Some(silent)),
        1 => Just(Some(Step::Overread)),
    ]
    .prop_map(|step| step.map(Plan::Plain))
}

fn call_kind() -> impl Strategy<Value = u8> {
    prop_oneof![40 => Just(0_u8), 25 => Just(1), 12 => Just(2), 1 => 3..=255_u8]
}

pub fn value() -> impl Strategy<Value = u64> {
    prop_oneof![12 => Just(0_u64), 3 => 1..20_u64, 1 => Just(u64::MAX / 2)]
}

fn enough() -> impl Strategy<Value = Ask> {
    prop_oneof![7 => Just(Ask::Enough), 1 => Just(Ask::All)]
}

fn too_little() -> impl Strategy<Value = Ask> {
    prop_oneof![(0..4_000_000_u64).prop_map(Ask::Units), (0..40_000_000_u64).prop_map(Ask::Units)]
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        12 => (0_usize..3).prop_map(Whom::Contract),
        3 => Just(Whom::Created),
        1 => Just(Whom::Nobody),
        1 => Just(Whom::Account),
    ]
}

fn native(kind: Kind) -> impl Strategy<Value = Plan> {
    let input = prop_oneof![
        3 => (0_u8..4).prop_map(|key| native::input(native::PEEK, &[key])),
        3 => (0_u8..4, bytes(16)).prop_map(|(key, value)| native::input(native::POKE, &[&[key][..], &value].concat())),
        1 => bytes(9).prop_map(|arguments| native::input(native::REFUSE, &arguments)),
        1 => Just(native::input(native::POKE, &[])),
        1 => bytes(5),
    ];
    let tight = u32::from(kind != Kind::Untraced);
    let ask = prop_oneof![4 => enough(), tight => too_little()];
    (call_kind(), value(), ask, input).prop_map(|(kind, value, ask, input)| Plan::Native { kind, value, ask, input })
}

/// Steps, and how they end.
fn joined(kind: Kind, steps: impl Strategy<Value = Vec<Plan>>) -> impl Strategy<Value = Vec<Plan>> {
    (steps, ending(kind)).prop_map(|(steps, ending)| steps.into_iter().chain(ending).collect())
}

/// A script whose frames nest so many levels deep at most.
fn level(levels: u32, kind: Kind) -> BoxedStrategy<Vec<Plan>> {
    let Some(below) = levels.checked_sub(1) else {
        return joined(kind, vec(plain(), 0..4)).boxed();
    };
    let call = |ask: BoxedStrategy<Ask>, inner: BoxedStrategy<Vec<Plan>>| {
        (call_kind(), whom(), value(), ask, inner).prop_map(|(kind, whom, value, ask, script)| Plan::Call {
            kind,
            whom,
            value,
            ask,
            script,
        })
    };
    let ample = call(enough().boxed(), level(below, kind));
    let other = match kind {
        Kind::Free => prop_oneof![
            call(too_little().boxed(), level(below.min(3), Kind::Traced)),
            call(enough().boxed(), level(below.min(3), Kind::Untraced))
        ]
        .boxed(),
        Kind::Traced => call(too_little().boxed(), level(below, kind)).boxed(),
        Kind::Untraced => call(enough().boxed(), level(below, kind)).boxed(),
    };
    let creates = u32::from(kind != Kind::Traced);
    let what = prop_oneof![8 => 0_u8..2, 1 => 2_u8..4];
    let created = (value(), what, level(below.min(3), Kind::Untraced)).prop_map(|(value, what, script)| Plan::Create {
        value,
        what,
        script,
    });
    let step = prop_oneof![4 => plain(), 5 => ample, 2 => other, creates => created, 1 => native(kind)];
    let steps = (vec(step, 1..6), prop::bool::weighted(0.1))
        .prop_map(|(steps, is_wild)| if is_wild { steps } else { greedy_last(steps) });
    joined(kind, steps).boxed()
}

/// What gives all gas down may take all but a 64th with it. Where such steps come one after the other, nothing can be
/// foretold any more of what follows: here one is kept, as the last.
fn greedy_last(steps: Vec<Plan>) -> Vec<Plan> {
    let is_greedy = |plan: &Plan| match plan {
        Plan::Call { ask, .. } | Plan::Native { ask, .. } => matches!(ask, Ask::All),
        Plan::Create { .. } => true,
        Plan::Plain(_) => false,
    };
    let (mut greedy, mut steps): (Vec<Plan>, Vec<Plan>) = steps.into_iter().partition(is_greedy);
    steps.extend(greedy.pop());
    steps
}

pub fn script() -> impl Strategy<Value = Vec<Plan>> {
    prop_oneof![1 => level(2, Kind::Free), 2 => level(4, Kind::Free), 1 => level(6, Kind::Free)]
}

fn sent() -> impl Strategy<Value = Sent> {
    let whom = prop_oneof![9 => whom().prop_map(Some), 1 => Just(None)];
    let gas = prop_oneof![
        12 => (Just(300_000_000_u64), script().boxed()),
        1 => (20_000..3_000_000_u64, level(3, Kind::Traced)),
    ];
    (1_u8..3, whom, value(), gas).prop_map(|(sender, whom, value, (gas_limit, script))| Sent {
        sender,
        whom,
        value,
        gas_limit,
        script,
    })
}

pub fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        2 => vec(sent(), 1..3).prop_map(Turn::Block),
        1 => (1_u8..3, whom(), script()).prop_map(|(from, whom, script)| Turn::Read { from, whom, script }),
    ];
    vec(turn, 1..4)
}
