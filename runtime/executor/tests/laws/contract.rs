//! The contract that interprets scripts, and what a script is.
//!
//! Its input is the script. Its output is a trace: what every step answered and every reading of the gas, in order.

use entente_crypto::{Domain, Suite};
use entente_executor::container;
use entente_host::gas::SCHEDULE_1;
use entente_types::{Address, Amount, Hash};

/// The trace's beginning: gas, caller, address, origin, value.
pub const HEADER_BYTES: usize = 8 + 20 + 20 + 20 + 32;

/// The longest value that scripts and native calls store.
pub const VALUE_BYTES_MAX: u64 = 16;

/// `seed` makes modules with hashes of their own.
pub fn module(seed: u8) -> Vec<u8> {
    let imports = [
        ("input_length", "(result i32)"),
        ("input_read", "(param i32 i32 i32)"),
        ("output", "(param i32 i32)"),
        ("revert", "(param i32 i32)"),
        ("storage_read", "(param i32 i32 i32 i32) (result i32)"),
        ("storage_write", "(param i32 i32 i32 i32)"),
        ("storage_remove", "(param i32 i32)"),
        ("caller", "(param i32)"),
        ("address", "(param i32)"),
        ("origin", "(param i32)"),
        ("value", "(param i32)"),
        ("gas_left", "(result i64)"),
        ("emit", "(param i32 i32 i32 i32)"),
        ("call", "(param i32 i32 i64 i32 i32 i32) (result i32)"),
        ("create", "(param i32 i32 i32 i32) (result i32)"),
        ("return_length", "(result i32)"),
        ("return_read", "(param i32 i32 i32)"),
    ];
    let imports: Vec<String> =
        imports.iter().map(|(name, kind)| format!(r#"(import "entente" "{name}" (func ${name} {kind}))"#)).collect();
    wat::parse_str(format!(
        r#"(module {} (memory (export "memory") {PAGES}) (data (i32.const 64) "\{seed:02x}") {CODE})"#,
        imports.join(" ")
    ))
    .unwrap_or_else(|error| panic!("{error}"))
}

/// The pages that a script's contract begins with.
pub const PAGES: u64 = 16;

/// Memory: the address created last at 0, the input from 65536 on, the trace from 524288 on. Every reading of the gas
/// beside a call or creation stands with it in one straight run: between them only host functions charge.
const CODE: &str = r#"
    (global $to (mut i32) (i32.const 524296))
    (func $advance (param i32) (global.set $to (i32.add (global.get $to) (local.get 0))))
    (func $returned (local $n i32)
        (local.set $n (call $return_length))
        (i32.store (global.get $to) (local.get $n))
        (call $return_read (i32.add (global.get $to) (i32.const 4)) (i32.const 0) (local.get $n))
        (call $advance (i32.add (i32.const 4) (local.get $n))))
    (func $close
        (i64.store (global.get $to) (call $gas_left))
        (call $advance (i32.const 8)))
    (func $trace_length (result i32) (i32.sub (global.get $to) (i32.const 524288)))
    (func $main (result i32) (local $at i32) (local $end i32) (local $op i32) (local $n i32) (local $p i32)
        (local.set $at (i32.const 65536))
        (local.set $end (i32.add (i32.const 65536) (call $input_length)))
        (call $input_read (i32.const 65536) (i32.const 0) (call $input_length))
        (call $caller (global.get $to)) (call $advance (i32.const 20))
        (call $address (global.get $to)) (call $advance (i32.const 20))
        (call $origin (global.get $to)) (call $advance (i32.const 20))
        (call $value (global.get $to)) (call $advance (i32.const 32))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $op (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            ;; write: key, length, value
            (if (i32.eq (local.get $op) (i32.const 1)) (then
                (local.set $n (i32.load8_u offset=1 (local.get $at)))
                (call $storage_write (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 2)) (local.get $n))
                (local.set $at (i32.add (local.get $at) (i32.add (i32.const 2) (local.get $n)))) (br $next)))
            ;; remove: key
            (if (i32.eq (local.get $op) (i32.const 2)) (then
                (call $storage_remove (local.get $at) (i32.const 1))
                (local.set $at (i32.add (local.get $at) (i32.const 1))) (br $next)))
            ;; read: key
            (if (i32.eq (local.get $op) (i32.const 3)) (then
                (local.set $n (call $storage_read
                    (local.get $at) (i32.const 1) (i32.add (global.get $to) (i32.const 4)) (i32.const 16)))
                (i32.store (global.get $to) (local.get $n)) (call $advance (i32.const 4))
                (if (i32.ne (local.get $n) (i32.const -1)) (then (call $advance (local.get $n))))
                (local.set $at (i32.add (local.get $at) (i32.const 1))) (br $next)))
            ;; log: count, topics, length, data
            (if (i32.eq (local.get $op) (i32.const 4)) (then
                (local.set $p (i32.add (local.get $at) (i32.add (i32.const 1) (i32.mul (i32.const 32) (i32.load8_u (local.get $at))))))
                (local.set $n (i32.load8_u (local.get $p)))
                (call $emit (i32.add (local.get $at) (i32.const 1)) (i32.load8_u (local.get $at))
                    (i32.add (local.get $p) (i32.const 1)) (local.get $n))
                (local.set $at (i32.add (local.get $p) (i32.add (i32.const 1) (local.get $n)))) (br $next)))
            ;; call: kind, whether the address is the one created last, address, value, gas, length, input
            (if (i32.eq (local.get $op) (i32.const 5)) (then
                (local.set $n (i32.load offset=62 (local.get $at)))
                (local.set $p (select (i32.const 0) (i32.add (local.get $at) (i32.const 2)) (i32.load8_u offset=1 (local.get $at))))
                (i64.store (global.get $to) (call $gas_left))
                (i32.store8 offset=8 (global.get $to) (call $call (i32.load8_u (local.get $at)) (local.get $p)
                    (i64.load offset=54 (local.get $at)) (i32.add (local.get $at) (i32.const 22))
                    (i32.add (local.get $at) (i32.const 66)) (local.get $n)))
                (i64.store offset=9 (global.get $to) (call $gas_left))
                (call $advance (i32.const 17)) (call $returned)
                (local.set $at (i32.add (local.get $at) (i32.add (i32.const 66) (local.get $n)))) (br $next)))
            ;; create: value, length, container
            (if (i32.eq (local.get $op) (i32.const 6)) (then
                (local.set $n (i32.load offset=32 (local.get $at)))
                (i64.store (global.get $to) (call $gas_left))
                (i32.store8 offset=8 (global.get $to) (call $create
                    (i32.add (local.get $at) (i32.const 36)) (local.get $n) (local.get $at) (i32.const 0)))
                (i64.store offset=9 (global.get $to) (call $gas_left))
                (memory.copy (i32.add (global.get $to) (i32.const 17)) (i32.const 0) (i32.const 20))
                (call $advance (i32.const 37)) (call $returned)
                (local.set $at (i32.add (local.get $at) (i32.add (i32.const 36) (local.get $n)))) (br $next)))
            ;; say: length, bytes for the trace
            (if (i32.eq (local.get $op) (i32.const 7)) (then
                (local.set $n (i32.load8_u (local.get $at)))
                (memory.copy (global.get $to) (i32.add (local.get $at) (i32.const 1)) (local.get $n)) (call $advance (local.get $n))
                (local.set $at (i32.add (local.get $at) (i32.add (i32.const 1) (local.get $n)))) (br $next)))
            ;; what the last nested frame gave back, once more
            (if (i32.eq (local.get $op) (i32.const 8)) (then (call $returned) (br $next)))
            ;; revert by the host function, and by the result
            (if (i32.eq (local.get $op) (i32.const 9)) (then
                (call $close) (call $revert (i32.const 524288) (call $trace_length)) unreachable))
            (if (i32.eq (local.get $op) (i32.const 10)) (then
                (call $close) (call $output (i32.const 524288) (call $trace_length)) (return (i32.const 1))))
            (if (i32.eq (local.get $op) (i32.const 12)) (then (drop (memory.grow (i32.const -1)))))
            ;; end without setting the output
            (if (i32.eq (local.get $op) (i32.const 13)) (then (return (i32.const 0))))
            ;; an output that a later one replaces: length, bytes
            (if (i32.eq (local.get $op) (i32.const 14)) (then
                (local.set $n (i32.load8_u (local.get $at)))
                (call $output (i32.add (local.get $at) (i32.const 1)) (local.get $n))
                (local.set $at (i32.add (local.get $at) (i32.add (i32.const 1) (local.get $n)))) (br $next)))
            ;; beyond the end of the return data
            (if (i32.eq (local.get $op) (i32.const 15)) (then
                (call $return_read (global.get $to) (i32.const 0) (i32.add (i32.const 1) (call $return_length)))))
            unreachable))
        (call $close)
        (call $output (i32.const 524288) (call $trace_length))
        (i32.const 0))
    (func (export "deploy") (result i32) (i64.store (i32.const 524288) (call $gas_left)) (call $main))
    (func (export "call") (result i32) (i64.store (i32.const 524288) (call $gas_left)) (call $main))"#;

/// Whom a step calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    At(Address),
    /// What the frame created last; the zero address before.
    Created,
}

/// How much gas a step gives down.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// All that may be given.
    All,
    /// What the called script needs, whatever fails in it.
    Enough,
    /// This much, whether it is enough or not.
    Units(u64),
}

/// One step of a script whose parts are written out.
#[derive(Debug, Clone)]
pub enum Step {
    Write(u8, Vec<u8>),
    Remove(u8),
    Read(u8),
    Log(Vec<[u8; 32]>, Vec<u8>),
    Call { kind: u8, target: Target, value: u64, ask: u64, input: Input },
    Create { value: u64, container: Container },
    Say(Vec<u8>),
    Returned,
    Revert,
    Fail,
    Trap,
    Exhaust,
    Silent,
    Early(Vec<u8>),
    Overread,
}

/// What a step calls with.
#[derive(Debug, Clone)]
pub enum Input {
    Script(Script),
    Bytes(Vec<u8>),
}

/// What a step creates from.
#[derive(Debug, Clone)]
pub struct Container {
    pub bytes: Vec<u8>,
    /// The module's hash, what its code costs, and the constructor's script, or the fault's code.
    pub made: Result<(Hash, u64, Script), &'static str>,
}

/// Steps with their bytes and what running them can come to.
#[derive(Debug, Clone)]
pub struct Script {
    pub steps: Vec<Step>,
    pub bytes: Vec<u8>,
    /// With this much gas no step of it runs out of gas, whatever happens in nested frames.
    pub need: u64,
    /// The bytes of its trace at most.
    pub trace_max: u64,
}

impl Input {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Script(script) => &script.bytes,
            Self::Bytes(bytes) => bytes,
        }
    }

    fn need(&self) -> u64 {
        match self {
            Self::Script(script) => script.need,
            // A native function's cost and its output's at most.
            Self::Bytes(_) => 20_000_000,
        }
    }

    fn output_max(&self) -> u64 {
        match self {
            Self::Script(script) => script.trace_max,
            Self::Bytes(_) => 300,
        }
    }
}

impl Container {
    pub fn of(seed: u8, script: Script) -> Self {
        let module = module(seed);
        let hash = Suite::Standard.hash(Domain::CODE, &[&module]);
        let weight = entente_wasm::weigh(&module).expect("a valid module");
        let code = SCHEDULE_1.code_byte * module.len() as u64 + SCHEDULE_1.code_weight * weight;
        Self { bytes: container(&module, &script.bytes), made: Ok((hash, code, script)) }
    }
}

pub fn call(kind: u8, target: Target, value: u64, ask: Ask, input: Input) -> Step {
    let ask = match ask {
        Ask::All => u64::MAX,
        Ask::Enough => input.need(),
        Ask::Units(units) => units,
    };
    Step::Call { kind, target, value, ask, input }
}

impl Script {
    pub fn new(steps: Vec<Step>) -> Self {
        let bytes = steps.iter().flat_map(bytes_of).collect::<Vec<u8>>();
        let nested = |step: &Step| match step {
            Step::Call { input, .. } => input.output_max(),
            Step::Create { container, .. } => container.made.as_ref().map_or(0, |(_, _, script)| script.trace_max),
            _ => 0,
        };
        let largest = steps.iter().map(nested).max().unwrap_or(0);
        let traced = |step: &Step| match step {
            Step::Read(_) => 4 + VALUE_BYTES_MAX,
            Step::Call { .. } => 21 + nested(step),
            Step::Create { .. } => 41 + nested(step),
            Step::Say(bytes) => bytes.len() as u64,
            Step::Returned => 4 + largest,
            _ => 0,
        };
        let trace_max = HEADER_BYTES as u64 + 8 + steps.iter().map(traced).sum::<u64>();
        let beginning = u128::from(PAGES * SCHEDULE_1.memory_page) + 1_500_000 + 60 * bytes.len() as u128;
        let mut need = 1_000_000 + u128::from(SCHEDULE_1.output_byte * trace_max);
        for step in steps.iter().rev() {
            need = need_before(step, need, largest);
        }
        let need = u64::try_from(need.saturating_add(beginning)).unwrap_or(u64::MAX);
        Self { steps, bytes, need, trace_max }
    }
}

/// What must be left before a step, so that `rest` is left after it whatever it comes to.
fn need_before(step: &Step, rest: u128, largest: u64) -> u128 {
    let gas = &SCHEDULE_1;
    let overhead = 500_000 + u128::from(gas.host_byte) * u128::from(largest);
    let all_that_may_be = |need: u64| rest.saturating_mul(64).max(u128::from(need) * 64 / 63 + 64);
    let before = match step {
        Step::Call { ask: u64::MAX, input, .. } => all_that_may_be(input.need()),
        Step::Call { ask, .. } => rest.saturating_add(u128::from(*ask)).max(u128::from(*ask) * 64 / 63 + 64),
        Step::Create { container, .. } => match &container.made {
            Ok((_, code, script)) => {
                all_that_may_be(script.need.saturating_add(*code)).saturating_add(u128::from(gas.create))
            }
            Err(_) => rest.saturating_mul(64).saturating_add(u128::from(gas.create)),
        },
        Step::Write(..) | Step::Remove(_) => rest.saturating_add(3_500_000),
        Step::Log(..) => rest.saturating_add(5_000_000),
        Step::Early(bytes) => rest.saturating_add(u128::from(gas.output_byte) * bytes.len() as u128),
        _ => rest,
    };
    let input = match step {
        Step::Call { input, .. } => input.bytes().len(),
        Step::Create { container, .. } => container.bytes.len(),
        _ => 0,
    };
    before.saturating_add(overhead + u128::from(gas.call) + u128::from(gas.host_byte) * input as u128)
}

fn amount(value: u64) -> [u8; 32] {
    Amount::from(value).to_le_bytes()
}

fn bytes_of(step: &Step) -> Vec<u8> {
    let short = |op: u8, bytes: &[u8]| [&[op, bytes.len() as u8][..], bytes].concat();
    match step {
        Step::Write(key, value) => [&[1, *key, value.len() as u8][..], value].concat(),
        Step::Remove(key) => vec![2, *key],
        Step::Read(key) => vec![3, *key],
        Step::Log(topics, data) => {
            [&[4, topics.len() as u8][..], topics.as_flattened(), &[data.len() as u8], data].concat()
        }
        Step::Call { kind, target, value, ask, input } => {
            let (created, address) = match target {
                Target::At(address) => (0, *address),
                Target::Created => (1, Address::ZERO),
            };
            let (ask, length) = (ask.to_le_bytes(), (input.bytes().len() as u32).to_le_bytes());
            [&[5, *kind, created][..], &address.0, &amount(*value), &ask, &length, input.bytes()].concat()
        }
        Step::Create { value, container } => {
            [&[6][..], &amount(*value), &(container.bytes.len() as u32).to_le_bytes(), &container.bytes].concat()
        }
        Step::Say(bytes) => short(7, bytes),
        Step::Returned => vec![8],
        Step::Revert => vec![9],
        Step::Fail => vec![10],
        Step::Trap => vec![11],
        Step::Exhaust => vec![12],
        Step::Silent => vec![13],
        Step::Early(bytes) => short(14, bytes),
        Step::Overread => vec![15],
    }
}
