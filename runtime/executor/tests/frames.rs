//! How frames nest, and what stands and what is undone when they end.

mod common;

use common::{Chain, GAS, account, genesis, script::*};
use entente_executor::{Account, EXECUTION_STACK_BYTES, container};
use entente_host::{
    NativeRegistry,
    gas::{SCHEDULE_1, all_but_a_64th},
};
use entente_state::{Row, StateReader, Table};
use entente_types::{Address, Amount, Genesis, Receipt, Status};

/// Two script contracts.
fn two() -> (Chain, Address, Address) {
    two_of(genesis())
}

fn two_of(genesis: Genesis) -> (Chain, Address, Address) {
    let mut chain = Chain::new(genesis, NativeRegistry::default());
    let (first, second) = (chain.deploy_wat(SCRIPT), chain.deploy_wat(SCRIPT));
    assert_ne!(first, second);
    (chain, first, second)
}

fn rich() -> Genesis {
    let allocations = vec![(account(1), Amount::from(1000)), (account(2), Amount::from(50))];
    Genesis { balances: true, allocations, ..genesis() }
}

fn stored(chain: &Chain, contract: Address, key: u8) -> Option<u64> {
    let value = chain.state.row(&Row::new(&Table::Contract(contract), &[key])).expect("memory");
    value.map(|bytes| u64::from_le_bytes(bytes.as_ref().try_into().expect("eight bytes")))
}

fn balance(chain: &Chain, address: Address) -> u64 {
    let bytes = chain.state.row(&Account::row(&address)).expect("memory");
    let account = bytes.map(|bytes| Account::from_bytes(&address, &bytes).expect("an account"));
    u64::try_from(account.unwrap_or_default().balance.0).expect("small")
}

fn run(chain: &mut Chain, to: Address, steps: &[Vec<u8>]) -> Receipt {
    chain.one(1, Some(to), steps.concat())
}

fn success(chain: &mut Chain, to: Address, steps: &[Vec<u8>]) -> Vec<u8> {
    let receipt = run(chain, to, steps);
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    receipt.output
}

#[test]
fn a_revert_undoes_exactly_its_frame_and_what_it_called() {
    let (mut chain, first, second) = two();
    for ending in [revert(9), trap()] {
        let innermost = [write(3, 33), log(3), vec![]].concat();
        let inner = [write(2, 22), log(2), call(first, &innermost), ending].concat();
        let beside = [write(4, 44), log(4)].concat();
        let output = success(
            &mut chain,
            first,
            &[write(1, 11), log(1), call(second, &inner), call(second, &beside), read(3), write(5, 55), log(5)],
        );
        assert_eq!(output[1..], [&[SUCCESS][..], &seen(None)].concat());
        assert!([REVERTED, FAILED].contains(&output[0]));
        assert_eq!([1, 3, 5].map(|key| stored(&chain, first, key)), [Some(11), None, Some(55)]);
        assert_eq!([2, 4].map(|key| stored(&chain, second, key)), [None, Some(44)]);
        let logs: Vec<u8> = chain.tip.receipts[0].logs.iter().map(|log| log.data[0]).collect();
        assert_eq!(logs, [1, 4, 5]);
    }
}

#[test]
fn a_transaction_that_fails_leaves_no_row_and_no_log() {
    let (mut chain, first, second) = two();
    for (ending, status) in [(revert(7), Status::Revert), (trap(), Status::BadInstruction)] {
        let state = chain.tip.header.state_root;
        let receipt = run(&mut chain, first, &[write(1, 1), log(1), call(second, &write(2, 2)), ending]);
        assert_eq!(receipt.status, status);
        assert!(receipt.logs.is_empty());
        assert_eq!((stored(&chain, first, 1), stored(&chain, second, 2)), (None, None));
        assert!(
            chain.tip.changes.iter().all(|change| change.row.table() == Row::new(&Table::EthereumHashes, &[]).table())
        );
        assert_ne!(state, chain.tip.header.state_root, "the parent's Ethereum hash is remembered");
        if status == Status::Revert {
            assert_eq!((receipt.output, receipt.error.unwrap().code), (vec![7], "revert".into()));
        } else {
            assert_eq!(receipt.error.unwrap().message, "the contract trapped: unreachable");
            assert_eq!(receipt.gas_used, GAS);
        }
    }
}

#[test]
fn what_a_frame_gives_back_reaches_its_caller() {
    let (mut chain, first, second) = two();
    success(&mut chain, second, &[write(1, 77)]);
    let output =
        success(&mut chain, first, &[call(second, &read(1)), returned(), call(second, &revert(8)), returned()]);
    assert_eq!(output, [&[SUCCESS][..], &seen(Some(77)), &[REVERTED, 8]].concat());
    let output = success(
        &mut chain,
        first,
        &[call(second, &trap()), returned(), call(account(9), b"nothing there"), returned()],
    );
    assert_eq!(output, [FAILED, SUCCESS]);
}

#[test]
fn a_delegate_call_keeps_caller_storage_and_value() {
    let (mut chain, first, second) = two_of(rich());
    let inner = nested(DELEGATE, second, 0, u64::MAX, &[who(), write(1, 5)].concat());
    let transaction = chain.sign_with_value(1, Some(first), [inner, returned()].concat(), GAS, 30);
    let receipt = chain.commit(&[transaction]).receipts[0].clone();
    assert_eq!(receipt.status, Status::Success);
    let value = Amount::from(30).to_le_bytes();
    assert_eq!(receipt.output, [&[SUCCESS][..], &account(1).0, &first.0, &value].concat());
    assert_eq!((stored(&chain, first, 1), stored(&chain, second, 1)), (Some(5), None));
    assert_eq!([account(1), first, second].map(|address| balance(&chain, address)), [970, 30, 0]);
}

#[test]
fn a_contract_that_delegates_to_itself_takes_the_value_once() {
    let (mut chain, first, _) = two_of(rich());
    let twice = nested(DELEGATE, first, 0, u64::MAX, &nested(DELEGATE, first, 0, u64::MAX, &who()));
    let transaction = chain.sign_with_value(1, Some(first), twice, GAS, 30);
    assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::Success);
    assert_eq!([account(1), first].map(|address| balance(&chain, address)), [970, 30]);
}

#[test]
fn a_static_call_may_change_nothing_however_deep() {
    let (mut chain, first, second) = two_of(rich());
    let module = wat::parse_str(SCRIPT).unwrap();
    success(&mut chain, second, &[write(7, 7)]);
    for change in
        [write(1, 1), remove(7), log(1), create(0, &container(&module, &[])), nested(CALL, first, 1, u64::MAX, &[])]
    {
        let direct = nested(STATIC, second, 0, 50_000_000_000, &change);
        let through = nested(STATIC, second, 0, 50_000_000_000, &[call(first, &change), returned()].concat());
        let delegated = nested(STATIC, second, 0, 50_000_000_000, &nested(DELEGATE, first, 0, u64::MAX, &change));
        let before = chain.state.0.len();
        let output = success(&mut chain, first, &[direct, through, delegated]);
        // What only asks for a nested frame is told so and goes on; what changes something itself has failed.
        let direct_failed = if change[0] >= 5 && change[0] != 10 { SUCCESS } else { FAILED };
        assert_eq!(output, [direct_failed, SUCCESS, SUCCESS]);
        assert!(chain.tip.receipts[0].logs.is_empty());
        assert_eq!((chain.state.0.len() - before) as u64, 1, "the row of the parent's Ethereum hash and no other");
        assert_eq!((stored(&chain, second, 7), balance(&chain, first)), (Some(7), 0));
    }
    let output = success(&mut chain, first, &[nested(STATIC, second, 0, u64::MAX, &read(7)), returned()]);
    assert_eq!(output, [&[SUCCESS][..], &seen(Some(7))].concat(), "reading is free");
}

#[test]
fn a_frame_entered_again_sees_what_is_not_committed_yet() {
    let (mut chain, first, second) = two();
    let again = [read(1), write(1, 2)].concat();
    let output = success(
        &mut chain,
        first,
        &[write(1, 1), call(second, &[call(first, &again), returned()].concat()), returned(), read(1)],
    );
    assert_eq!(output, [&[SUCCESS, SUCCESS][..], &seen(Some(1)), &seen(Some(2))].concat());
}

#[test]
fn all_but_a_64th_of_the_gas_goes_down() {
    let mut chain = Chain::new(genesis(), NativeRegistry::default());
    let trap = chain.deploy_wat(
        r#"(module (memory (export "memory") 1) (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32) unreachable))"#,
    );
    // One straight run: everything between the two readings is charged by the host functions alone.
    let caller = chain.deploy_wat(&format!(
        r#"(module
            (import "entente" "gas_left" (func $gas_left (result i64)))
            (import "entente" "output" (func $output (param i32 i32)))
            (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "{}")
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32)
                (i64.store (i32.const 100) (call $gas_left))
                (drop (call $call (i32.const 0) (i32.const 0) (i64.const -1) (i32.const 32) (i32.const 0) (i32.const 0)))
                (i64.store (i32.const 108) (call $gas_left))
                (drop (call $call (i32.const 0) (i32.const 0) (i64.const 12345) (i32.const 32) (i32.const 0) (i32.const 0)))
                (i64.store (i32.const 116) (call $gas_left))
                (call $output (i32.const 100) (i32.const 24))
                (i32.const 0)))"#,
        trap.0.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>()
    ));
    let output = success(&mut chain, caller, &[]);
    let gas: Vec<u64> = output.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let fixed = SCHEDULE_1.host_call + SCHEDULE_1.call;
    let before = gas[0] - fixed;
    assert_eq!(gas[1], before - all_but_a_64th(before) - SCHEDULE_1.host_call);
    assert_eq!(gas[2], gas[1] - fixed - 12345 - SCHEDULE_1.host_call, "a frame that fails costs what it was given");
}

#[test]
fn frames_nest_64_deep_on_the_stack_that_is_promised() {
    let deep = || {
        let (mut chain, first, second) = two();
        let mut input = log(1);
        for level in (1..70).rev() {
            input = [call(if level % 2 == 0 { first } else { second }, &input), returned()].concat();
        }
        let transaction = chain.sign(1, Some(first), input, 300_000_000);
        let receipt = chain.commit(&[transaction]).receipts[0].clone();
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        assert_eq!(receipt.output, [&[SUCCESS; 63][..], &[FAILED]].concat());
        assert!(receipt.logs.is_empty(), "the 65th frame never ran");
    };
    let thread = std::thread::Builder::new().stack_size(EXECUTION_STACK_BYTES).spawn(deep).expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn value_is_refused_where_there_is_no_coin() {
    let (mut chain, first, second) = two();
    let transaction = chain.sign_with_value(1, Some(first), vec![], GAS, 1);
    let receipt = chain.commit(&[transaction]).receipts[0].clone();
    assert_eq!(receipt.status, Status::BadInstruction);
    assert_eq!(receipt.error.unwrap().code, "value_without_balances");
    let output = success(&mut chain, first, &[nested(CALL, second, 1, 1_000_000_000, &[]), write(1, 1)]);
    assert_eq!((output, stored(&chain, first, 1)), (vec![FAILED], Some(1)));
}

#[test]
fn value_moves_with_its_frame_and_comes_back_with_it() {
    let (mut chain, first, second) = two_of(rich());
    let module = wat::parse_str(SCRIPT).unwrap();
    let send = |to, value, input: &[u8]| nested(CALL, to, value, 60_000_000_000, input);
    let steps = [
        send(second, 10, &[]),
        send(second, 20, &revert(1)),
        send(second, 20, &trap()),
        send(second, 1_000_000, &[]),
        send(first, 5, &[]),
        send(account(5), 7, b"no code there"),
        send(second, 3, &send(first, 2, &send(second, 1, &revert(0)))),
        create(4, &container(&module, &[])),
        create(4, &container(&module, &revert(1))),
    ];
    let transaction = chain.sign_with_value(1, Some(first), steps.concat(), 300_000_000, 100);
    let receipt = chain.commit(&[transaction]).receipts[0].clone();
    let statuses: Vec<u8> = receipt.output[..7].to_vec();
    assert_eq!(statuses, [SUCCESS, REVERTED, FAILED, FAILED, SUCCESS, SUCCESS, SUCCESS]);
    let created = Address(receipt.output[8..28].try_into().unwrap());
    let all = [account(1), account(2), first, second, account(5), created];
    assert_eq!(all.map(|address| balance(&chain, address)), [900, 50, 100 - 10 - 7 - 3 + 2 - 4, 10 + 3 - 2, 7, 4]);
    // To an account without code, from a transaction.
    let transaction = chain.sign_with_value(2, Some(account(7)), vec![], GAS, 50);
    assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::Success);
    assert_eq!([account(2), account(7)].map(|address| balance(&chain, address)), [0, 50]);
    let transaction = chain.sign_with_value(2, Some(account(7)), vec![], GAS, 1);
    assert_eq!(chain.commit(&[transaction]).receipts[0].status, Status::NotEnoughCash);
}
