//! What passes between frames: how much at most, and coin to those who cannot give it back.

mod common;

use common::{Chain, GAS, account, genesis, script::*, selector};
use entente_crypto::Suite;
use entente_executor::Account;
use entente_host::{
    Host, NativeAccess, NativeFunction, NativeGas, NativeModule, NativeRegistry, NativeResult,
    gas::{SCHEDULE_1, to_gas},
};
use entente_state::StateReader;
use entente_types::{Address, Amount, Genesis, Receipt, Status};
use entente_wasm::limits::CALL_DATA_BYTES_MAX;

const MODULE: Address = Address([0x77; 20]);

#[expect(clippy::unnecessary_wraps, reason = "the type is the table's")]
/// Gives back as many bytes as its argument says.
fn give(_: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    let length = u32::from_le_bytes(arguments.try_into().expect("four bytes"));
    Ok(vec![7; length as usize])
}

#[expect(clippy::unnecessary_wraps, reason = "the type is the table's")]
/// Gives back its caller and whose storage it works on.
fn who_asks(host: &mut dyn Host, _: &[u8]) -> NativeResult {
    Ok([host.frame().caller.0, host.frame().storage_address.0].concat())
}

const fn function(signature: &'static str, run: fn(&mut dyn Host, &[u8]) -> NativeResult) -> NativeFunction {
    NativeFunction {
        signature,
        outputs: "(bytes)",
        gas: |_| NativeGas { base: 1_000_000, byte: 1_000 },
        access: NativeAccess::Read,
        doc: "For tests.",
        run,
    }
}

fn natives() -> NativeRegistry {
    const FUNCTIONS: &[NativeFunction] = &[function("give(uint32)", give), function("who()", who_asks)];
    let module = NativeModule { address: MODULE, name: "test", doc: "For tests.", functions: FUNCTIONS, events: &[] };
    NativeRegistry::new(Suite::Standard, &[module]).expect("one module")
}

fn rich() -> Chain {
    let allocations = vec![(account(1), Amount::from(1_000)), (account(2), Amount::from(50))];
    Chain::new(Genesis { balances: true, allocations, ..genesis() }, natives())
}

fn account_of(chain: &Chain, address: Address) -> Option<Account> {
    let bytes = chain.state.row(&Account::row(&address)).expect("memory");
    bytes.map(|bytes| Account::from_bytes(&address, &bytes).expect("an account"))
}

fn send(chain: &mut Chain, sender: u8, to: Address, input: Vec<u8>, value: u64) -> Receipt {
    let transaction = chain.sign_with_value(sender, Some(to), input, GAS, value);
    chain.commit(&[transaction]).receipts[0].clone()
}

fn give_input(length: u32) -> Vec<u8> {
    [selector("give(uint32)"), length.to_le_bytes().to_vec()].concat()
}

/// Called with more than 100 bytes it gives back how many they were. Called with a length it calls itself with as many
/// bytes; called with a length and one byte more, it gives back as many.
const PASSES: &str = r#"(module
    (import "entente" "input_length" (func $input_length (result i32)))
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "address" (func $address (param i32)))
    (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
    (import "entente" "return_length" (func $return_length (result i32)))
    (import "entente" "return_read" (func $return_read (param i32 i32 i32)))
    (memory (export "memory") 40)
    (func (export "deploy") (result i32) i32.const 0)
    (func (export "call") (result i32)
        (if (i32.gt_u (call $input_length) (i32.const 100)) (then
            (i32.store (i32.const 0) (call $input_length))
            (call $output (i32.const 0) (i32.const 4))
            (return (i32.const 0))))
        (call $input_read (i32.const 0) (i32.const 0) (call $input_length))
        (if (i32.eq (call $input_length) (i32.const 5)) (then
            (call $output (i32.const 0) (i32.load (i32.const 0)))
            (return (i32.const 0))))
        (call $address (i32.const 200))
        (drop (call $call (i32.const 0) (i32.const 200) (i64.const -1) (i32.const 300) (i32.const 1000) (i32.load (i32.const 0))))
        (call $return_read (i32.const 400) (i32.const 0) (call $return_length))
        (call $output (i32.const 400) (call $return_length))
        (i32.const 0)))"#;

#[test]
fn inputs_and_outputs_of_wasm_frames_are_bounded() {
    let mut chain = Chain::new(genesis(), natives());
    let passes = chain.deploy_wat(PASSES);
    let most = CALL_DATA_BYTES_MAX;
    let receipt = chain.one(1, Some(passes), most.to_le_bytes().to_vec());
    assert_eq!((receipt.error, receipt.output), (None, most.to_le_bytes().to_vec()));
    let receipt = chain.one(1, Some(passes), [&most.to_le_bytes()[..], &[0]].concat());
    assert_eq!((receipt.error, receipt.output.len()), (None, most as usize));
    for (input, what) in [(vec![], "the input of a call"), (vec![0], "an output")] {
        let receipt = chain.one(1, Some(passes), [&(most + 1).to_le_bytes()[..], &input].concat());
        let error = receipt.error.expect("an error");
        assert_eq!(error.code, "limit");
        assert_eq!(error.message, format!("{what} of {} exceeds the limit of {most}", most + 1));
        assert_eq!(receipt.gas_used, GAS);
    }
}

#[test]
fn the_output_of_a_native_function_is_bounded_and_paid_for() {
    let mut chain = Chain::new(genesis(), natives());
    let caller = chain.deploy_wat(SCRIPT);
    for length in [0, 100, CALL_DATA_BYTES_MAX] {
        let receipt = chain.one(1, Some(MODULE), give_input(length));
        assert_eq!((receipt.error, receipt.output.len()), (None, length as usize));
        let intrinsic = SCHEDULE_1.intrinsic(&give_input(length), false).expect("short");
        let cost = 1_000_000 + 4 * 1_000 + SCHEDULE_1.output_byte * u64::from(length);
        assert_eq!(receipt.gas_used, to_gas(intrinsic + cost));
    }
    let receipt = chain.one(1, Some(MODULE), give_input(CALL_DATA_BYTES_MAX + 1));
    let error = receipt.error.expect("an error");
    assert_eq!((error.code.as_str(), receipt.output.len(), receipt.gas_used), ("limit", 0, GAS));
    let too_much = nested(CALL, MODULE, 0, 20_000_000_000, &give_input(CALL_DATA_BYTES_MAX + 1));
    let too_dear = nested(CALL, MODULE, 0, 2_000_000, &give_input(1_000));
    let receipt = chain.one(1, Some(caller), [too_much, returned(), too_dear, returned()].concat());
    assert_eq!((receipt.error, receipt.output), (None, vec![FAILED, FAILED]));
}

#[test]
fn a_native_module_takes_no_value() {
    let mut chain = rich();
    let caller = chain.deploy_wat(SCRIPT);
    let receipt = send(&mut chain, 1, MODULE, selector("who()"), 5);
    assert_eq!(receipt.status, Status::PrecompiledError);
    assert_eq!(receipt.error.expect("an error").message, "a native module takes no value: nothing could give it back");
    let steps = [
        nested(CALL, MODULE, 5, 10_000_000, &selector("who()")),
        nested(CALL, MODULE, 0, 10_000_000, &selector("who()")),
        returned(),
    ];
    let receipt = send(&mut chain, 1, caller, steps.concat(), 9);
    let expected = [&[FAILED, SUCCESS][..], &caller.0, &MODULE.0].concat();
    assert_eq!((receipt.error, receipt.output), (None, expected));
    assert_eq!(account_of(&chain, MODULE), None);
    assert_eq!(account_of(&chain, caller).expect("an account").balance, Amount::from(9));
}

#[test]
fn a_native_function_that_reads_sees_the_callers_frame_by_delegate() {
    let mut chain = rich();
    let caller = chain.deploy_wat(SCRIPT);
    // The value is the caller's own and has moved: by delegate nothing is sent.
    let steps = [nested(DELEGATE, MODULE, 3, u64::MAX, &selector("who()")), returned()];
    let receipt = send(&mut chain, 1, caller, steps.concat(), 9);
    let expected = [&[SUCCESS][..], &account(1).0, &caller.0].concat();
    assert_eq!((receipt.error, receipt.output), (None, expected));
}

#[test]
fn an_account_that_gave_everything_away_is_absent() {
    let mut chain = rich();
    assert!(account_of(&chain, account(2)).is_some());
    let receipt = send(&mut chain, 2, account(7), vec![], 50);
    assert_eq!(receipt.error, None);
    assert_eq!(account_of(&chain, account(2)), None);
    assert_eq!(account_of(&chain, account(7)).expect("an account").balance, Amount::from(50));
    // It can come back.
    let receipt = send(&mut chain, 1, account(2), vec![], 1);
    assert_eq!(receipt.error, None);
    assert_eq!(account_of(&chain, account(2)).expect("an account").balance, Amount::from(1));
}
