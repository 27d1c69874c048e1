//! The deepest call stacks there can be: in frames, in functions of each, and in memory.
#![allow(clippy::format_push_string, reason = "text of test modules")]

mod common;

use common::{Chain, GAS, account, genesis};
use entente_executor::{CallInput, EXECUTION_STACK_BYTES};
use entente_host::{NATIVE_DEPTH_MAX, NativeRegistry, STACK_MEMORY_PAGES_MAX};
use entente_types::{Address, Limits, Status};

/// Runs on the stack that an executing thread has.
fn on_the_promised_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(EXECUTION_STACK_BYTES).spawn(run).expect("a thread");
    thread.join().expect("no panic");
}

fn chain() -> Chain {
    let mut genesis = genesis();
    genesis.limits = Limits { block_gas: 1_000_000_000_000, transaction_gas: 1_000_000_000_000, ..genesis.limits };
    Chain::new(genesis, NativeRegistry::default())
}

/// Calls itself as its own frames nest: the first word of the input says how often, then comes its address. What
/// `before` does is done in each frame; the innermost does `last` beside.
fn nesting(declarations: &str, before: &str, enter: &str, last: &str) -> String {
    format!(
        r#"(module
            (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
            (import "entente" "output" (func $output (param i32 i32)))
            (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
            (import "entente" "return_length" (func $return_length (result i32)))
            (import "entente" "return_read" (func $return_read (param i32 i32 i32)))
            (memory (export "memory") 1)
            {declarations}
            (func (export "deploy") (result i32) i32.const 0)
            (func $next (local $answer i32)
                {before}
                (if (i32.load (i32.const 0))
                    (then
                        (i32.store (i32.const 0) (i32.sub (i32.load (i32.const 0)) (i32.const 1)))
                        (local.set $answer (call $call
                            (i32.const 0) (i32.const 4) (i64.const -1) (i32.const 100) (i32.const 0) (i32.const 24)))
                        (i32.store (i32.const 200) (local.get $answer))
                        (if (i32.eqz (local.get $answer))
                            (then (call $return_read (i32.const 200) (i32.const 0) (call $return_length)))))
                    (else {last}))
                (call $output (i32.const 200) (i32.const 8)))
            (func (export "call") (result i32)
                (call $input_read (i32.const 0) (i32.const 0) (i32.const 24))
                {enter}
                (i32.const 0)))"#
    )
}

fn input(times: u32, contract: Address) -> Vec<u8> {
    [&times.to_le_bytes()[..], contract.as_ref()].concat()
}

/// The two words that come back from the innermost frame that ran to its end.
fn answer(chain: &mut Chain, contract: Address, times: u32) -> [i32; 2] {
    let transaction = chain.sign(1, Some(contract), input(times, contract), 900_000_000_000);
    let receipt = chain.commit(&[transaction]).receipts[0].clone();
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    [0, 4].map(|at| i32::from_le_bytes(receipt.output[at..at + 4].try_into().expect("four bytes")))
}

#[test]
fn sixty_four_frames_of_a_mebibyte_fit_and_not_a_page_more() {
    on_the_promised_stack(|| {
        let mut chain = chain();
        // Each frame has 16 pages; the innermost tries for one more.
        let grow = "(if (i32.ne (memory.grow (i32.const 15)) (i32.const 1)) (then unreachable))";
        let last = "(i32.store (i32.const 200) (memory.grow (i32.const 1))) (i32.store (i32.const 204) (memory.size))";
        let exact = chain.deploy_wat(&nesting("", grow, "(call $next)", last));
        assert_eq!(u32::from(NATIVE_DEPTH_MAX) * 16, STACK_MEMORY_PAGES_MAX);
        assert_eq!(answer(&mut chain, exact, 63), [-1, 16]);
        assert_eq!(answer(&mut chain, exact, 62), [16, 17]);
        // A page more in each: the 60th cannot grow as far, and fails.
        let more = "(drop (memory.grow (i32.const 16)))";
        let last = "(i32.store (i32.const 200) (memory.size)) (i32.store (i32.const 204) (memory.grow (i32.const 1)))";
        let more = chain.deploy_wat(&nesting("", more, "(call $next)", last));
        assert_eq!(answer(&mut chain, more, 59), [17, 17]);
        // 60 times 17 pages are 1,020: the next has its first page alone, and three more, one at a time.
        assert_eq!(answer(&mut chain, more, 60), [1, 1]);
    });
}

#[test]
fn a_memory_that_does_not_fit_fails_its_frame_and_no_other() {
    let mut chain = chain();
    let wide = nesting("", "", "(call $next)", "")
        .replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 200)");
    let wide = chain.deploy_wat(&wide);
    // Five of 200 pages fit; the sixth is refused, which its caller is told: 2 is a frame that failed.
    assert_eq!(answer(&mut chain, wide, 4), [0, 0]);
    assert_eq!(answer(&mut chain, wide, 5), [2, 0]);
    assert_eq!(answer(&mut chain, wide, 4), [0, 0]);
}

/// A function of as many locals and operands as there can be, all alive across the call of itself.
fn widest(locals: usize, operands: usize) -> String {
    let mut text = format!("(func $down (param i32) (result i64) (local {})", "i64 ".repeat(locals - 1));
    for local in 1..locals {
        text.push_str(&format!("(local.set {local} (i64.load offset={} (i32.const 1024)))", local * 8));
    }
    for operand in 0..operands {
        text.push_str(&format!("(i64.load offset={} (i32.const 16384))", operand * 8));
    }
    text.push_str(
        "(if (result i64) (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (call $next) (i64.const 1)))",
    );
    text.push_str(&"i64.add ".repeat(operands));
    for local in 1..locals {
        text.push_str(&format!("local.get {local} i64.xor "));
    }
    text + ")"
}

#[test]
fn sixty_four_frames_that_each_use_their_whole_stack_fit_the_real_one() {
    on_the_promised_stack(|| {
        let mut chain = chain();
        for (locals, operands) in [(1_000, 1_000), (1_000, 1), (2, 1_000), (2, 1), (40, 40)] {
            // As deep as the budget of one frame lets it go: found by trying.
            let contract = |chain: &mut Chain, depth: u32| {
                let enter = format!("(drop (call $down (i32.const {depth})))");
                chain.deploy_wat(&nesting(&widest(locals, operands), "", &enter, ""))
            };
            let fits = |chain: &mut Chain, depth: u32| {
                let contract = contract(chain, depth);
                let call = CallInput { from: account(1), to: contract, input: input(0, contract), gas: GAS };
                let called =
                    chain.executor.call(chain.state.clone(), &chain.tip.header, call).expect("no fault of the node");
                if let Some(error) = &called.receipt.error {
                    assert_eq!(error.code, "stack_exhausted");
                }
                called.receipt.status == Status::Success
            };
            let (mut deepest, mut too_deep) = (1, 5_000);
            while too_deep - deepest > 1 {
                let middle = u32::midpoint(deepest, too_deep);
                *if fits(&mut chain, middle) { &mut deepest } else { &mut too_deep } = middle;
            }
            let deep = contract(&mut chain, deepest);
            // The 65th frame is refused, and all that lie above it come back.
            assert_eq!(answer(&mut chain, deep, 63), [0, 0], "{locals} locals, {operands} operands, {deepest} deep");
            assert_eq!(answer(&mut chain, deep, 64), [2, 0], "{locals} locals, {operands} operands, {deepest} deep");
            let too_deep = contract(&mut chain, too_deep);
            let transaction = chain.sign(1, Some(too_deep), input(63, too_deep), GAS);
            assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::OutOfStack);
        }
    });
}

#[test]
fn a_call_tells_in_which_function_the_contract_failed_and_the_receipt_does_not() {
    let mut chain = Chain::new(genesis(), NativeRegistry::default());
    let contract = chain.deploy_wat(
        r#"(module (memory (export "memory") 1)
            (func (export "deploy") (result i32) i32.const 0)
            (func $token::transfer unreachable)
            (func (export "call") (result i32) (call $token::transfer) (i32.const 0)))"#,
    );
    let call = CallInput { from: account(1), to: contract, input: vec![], gas: GAS };
    let called = chain.executor.call(chain.state.clone(), &chain.tip.header, call).expect("no fault of the node");
    assert_eq!(called.function.as_deref(), Some("token::transfer"));
    let error = called.receipt.error.expect("an error");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("trap", "the contract trapped: unreachable"));
}
