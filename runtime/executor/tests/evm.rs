//! EVM code under version 2: what the rules around it are. What it computes is compared with Ethereum's own elsewhere.

#[path = "common/assembler.rs"]
mod assembler;
mod common;
#[path = "common/ethereum.rs"]
mod ethereum;

use std::sync::Arc;

use assembler::{ADDRESS, Assembler, CALL, CALLER, LOG0, MSTORE, RETURN, REVERT, SLOAD, SSTORE, creating};
use common::{Chain, GAS, account, genesis, key, script, script::SCRIPT};
use entente_executor::{Account, CodeKind, CodeOptions, EXECUTION_STACK_BYTES, Executor, InputTransaction, container};
use entente_host::{
    NativeRegistry,
    gas::{PROTOCOL_VERSION_1, PROTOCOL_VERSION_2},
};
use entente_state::{Row, StateReader, Table};
use entente_types::{
    Address, Amount, EthereumTransaction, EvmHash, EvmTimestamp, Genesis, Receipt, Status, Transaction, created_address,
};
use ethereum::Legacy;

const CHAIN_ID: u64 = 20_200;

fn chain_of(genesis: &Genesis) -> Chain {
    let mut chain = Chain::new(genesis.clone(), NativeRegistry::default());
    let versions = &[PROTOCOL_VERSION_1, PROTOCOL_VERSION_2];
    chain.executor = Executor::with(genesis, NativeRegistry::default(), versions, &CodeOptions::default());
    chain
}

fn chain() -> Chain {
    chain_of(&Genesis { protocol_version: 2, ..genesis() })
}

fn rich() -> Chain {
    let allocations = vec![(account(1), Amount::from(1_000_000_000_000))];
    chain_of(&Genesis { protocol_version: 2, balances: true, allocations, ..genesis() })
}

fn deploy(chain: &mut Chain, runtime: &[u8]) -> Address {
    let receipt = chain.one(1, None, creating(runtime));
    receipt.contract.unwrap_or_else(|| panic!("not deployed: {receipt:?}"))
}

/// Answers one word.
fn answering(instructions: &[u8]) -> Vec<u8> {
    Assembler::default().op(instructions).push(0).op(&[MSTORE]).push(32).push(0).op(&[RETURN]).finish()
}

fn record(chain: &Chain, address: &Address) -> Account {
    let bytes = chain.state.row(&Account::row(address)).expect("memory");
    bytes.map(|bytes| Account::from_bytes(address, &bytes).expect("an account")).unwrap_or_default()
}

fn input(transaction: EthereumTransaction) -> InputTransaction {
    let transaction = Transaction::Ethereum(transaction);
    InputTransaction { hash: transaction.hash(entente_types::Suite::Standard), transaction: Arc::new(transaction) }
}

fn legacy(nonce: u64, to: Option<Address>, input: Vec<u8>) -> Legacy {
    Legacy { nonce, gas_price: 0, gas_limit: 1_000_000, to, value: 0, input }
}

fn send(chain: &mut Chain, transaction: &Legacy) -> Option<Receipt> {
    let block = chain.commit(&[input(transaction.sign(&key(1), CHAIN_ID))]);
    assert_eq!(block.left_out.len() + block.receipts.len(), 1);
    block.receipts.first().cloned()
}

#[test]
fn a_native_transaction_deploys_and_calls_evm_code() {
    let mut chain = chain();
    // Adds one to slot 0 and answers it.
    let mut code = Assembler::default();
    code.push(0).op(&[SLOAD]).push(1).op(&[assembler::ADD, assembler::DUP1]).push(0).op(&[SSTORE]);
    let counter = deploy(&mut chain, &[code.finish(), answering(&[])].concat());
    for count in 1..3 {
        let receipt = chain.one(1, Some(counter), vec![]);
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        assert_eq!(common::number(&receipt.output), count);
    }
    let account = record(&chain, &counter);
    assert_eq!((account.nonce, account.code.map(|code| code.kind)), (1, Some(CodeKind::Evm)));
    let mut slot = [0; 32];
    slot[31] = 2;
    let row = Row::new(&Table::Contract(counter), &[0; 32]);
    assert_eq!(chain.state.row(&row).expect("memory"), Some(slot.into()));
}

#[test]
fn under_version_1_there_is_no_evm_code() {
    let mut chain = chain_of(&genesis());
    let receipt = chain.one(1, None, creating(&[0]));
    assert_eq!(receipt.error.expect("a fault").code, "container");
    let receipt = send(&mut chain, &legacy(0, Some(account(2)), vec![])).expect("a receipt");
    assert_eq!((receipt.status, receipt.error.expect("a fault").code.as_str()), (Status::Unknown, "kind"));
    let mut identity = Address::ZERO;
    identity.0[19] = 4;
    assert_eq!(chain.one(1, Some(identity), vec![1]).status, Status::CallAddressError);
}

#[test]
fn an_ethereum_transaction_is_named_and_charged_as_ethereum_does() {
    let mut chain = chain();
    let receipt = send(&mut chain, &legacy(0, None, creating(&answering(&[CALLER])))).expect("a receipt");
    let created = created_address(&account(1), 0);
    assert_eq!((receipt.status, receipt.contract), (Status::Success, Some(created)), "{receipt:?}");
    assert!(receipt.output.is_empty());
    let receipt = send(&mut chain, &legacy(1, Some(created), vec![])).expect("a receipt");
    assert_eq!(receipt.output, common::address_word(&account(1)));
    // 21,000; CALLER 2, PUSH1 3, MSTORE 3 and a word 3, PUSH1 3, PUSH1 3, RETURN 0.
    assert_eq!(receipt.gas_used, 21_017);
    assert_eq!(record(&chain, &account(1)).nonce, 2);
    // Where there is nothing to call, that is a success, as with Ethereum, and not with a native transaction.
    let receipt = send(&mut chain, &legacy(2, Some(account(9)), vec![])).expect("a receipt");
    assert_eq!((receipt.status, receipt.gas_used), (Status::Success, 21_000));
}

#[test]
fn what_ethereum_holds_invalid_is_left_out_and_changes_nothing() {
    let mut chain = rich();
    let valid = || Legacy { gas_price: 1, ..legacy(0, Some(account(2)), vec![]) };
    let before = chain.tip.header.state_root;
    for (why, transaction) in [
        ("a nonce that is not the next", Legacy { nonce: 1, ..valid() }),
        ("too little gas", Legacy { gas_limit: 20_999, ..valid() }),
        ("gas below the floor", Legacy { input: vec![1; 100], gas_limit: 24_999, ..valid() }),
        ("more gas than the group allows", Legacy { gas_limit: 300_000_001, ..valid() }),
        ("less coin than gas and value", Legacy { value: 999_999_000_001, ..valid() }),
        ("a fee beyond any coin", Legacy { gas_price: u64::MAX, ..valid() }),
        ("code that creates and is too long", Legacy { to: None, input: vec![0; 49_153], ..valid() }),
    ] {
        let block = chain.execute(&[input(transaction.sign(&key(1), CHAIN_ID))]);
        assert_eq!((block.left_out.len(), block.receipts.len()), (1, 0), "{why}");
        assert_eq!(block.changes.len(), 1, "{why}: only the parent's Ethereum hash");
    }
    let block = chain.execute(&[input(valid().sign(&key(1), CHAIN_ID + 1))]);
    assert_eq!(block.left_out.len(), 1, "another chain");
    assert_ne!(chain.execute(&[]).header.state_root, before);
    let receipt = send(&mut chain, &valid()).expect("a receipt");
    assert_eq!((receipt.status, receipt.gas_used), (Status::Success, 21_000));
}

#[test]
fn gas_is_paid_to_the_proposer_where_there_is_coin_and_costs_nothing_where_there_is_none() {
    let mut chain = rich();
    let before = record(&chain, &account(1)).balance;
    let transaction = Legacy { gas_price: 7, value: 5, ..legacy(0, Some(account(2)), vec![]) };
    send(&mut chain, &transaction).expect("a receipt");
    let paid = Amount(before.0 - record(&chain, &account(1)).balance.0);
    assert_eq!(paid, Amount::from(21_000 * 7 + 5));
    assert_eq!(record(&chain, &account(200)).balance, Amount::from(21_000 * 7));
    assert_eq!(record(&chain, &account(2)).balance, Amount::from(5));
    let mut chain = self::chain();
    let price = deploy(&mut chain, &answering(&[0x3a]));
    let receipt = send(&mut chain, &Legacy { gas_price: 7, ..legacy(0, Some(price), vec![]) }).expect("a receipt");
    assert_eq!(common::number(&receipt.output), 0);
    assert_eq!(send(&mut chain, &Legacy { value: 1, ..legacy(1, Some(price), vec![]) }), None);
}

#[test]
fn two_transactions_of_one_sender_apply_in_the_order_of_their_nonces() {
    let mut chain = chain();
    let sign = |nonce| input(legacy(nonce, Some(account(2)), vec![]).sign(&key(1), CHAIN_ID));
    let block = chain.commit(&[sign(1), sign(0), sign(1), sign(0)]);
    let left_out: Vec<u32> = block.left_out.iter().map(|one| one.position).collect();
    assert_eq!((left_out, block.receipts.len()), (vec![0, 3], 2));
}

#[test]
fn a_revert_has_its_reason_and_a_fault_its_name() {
    let mut chain = chain();
    let mut code = Assembler::default();
    let reverting = deploy(&mut chain, &code.push(7).push(0).op(&[MSTORE]).push(32).push(0).op(&[REVERT]).finish());
    let receipt = chain.one(1, Some(reverting), vec![]);
    assert_eq!((receipt.status, common::number(&receipt.output)), (Status::Revert, 7));
    for (code, name) in [
        (vec![0x56], "stack_underflow"),
        (vec![0x5f, 0x56], "invalid_jump"),
        (vec![0xfe], "invalid"),
        (vec![0x0c], "unknown_instruction"),
        ([&[0x5f; 1025][..], &[0]].concat(), "stack_overflow"),
        (vec![0x60, 1, 0x5f, 0x5f, 0x3e], "out_of_offset"),
        (vec![0x5b, 0x5f, 0x56], "out_of_gas"),
    ] {
        let contract = deploy(&mut chain, &code);
        let receipt = chain.one(1, Some(contract), vec![]);
        assert_eq!(receipt.error.expect("a fault").code, name);
        assert_eq!(receipt.gas_used, GAS);
    }
}

#[test]
fn what_a_transaction_gives_back_is_paid_for_beyond_a_kibibyte() {
    let mut chain = chain();
    let giving = |length: u64| Assembler::default().push(length).push(0).op(&[RETURN]).finish();
    let used = |chain: &mut Chain, length| {
        let contract = deploy(chain, &giving(length));
        chain.one(1, Some(contract), vec![]).gas_used
    };
    assert_eq!(used(&mut chain, 1_024 + 32) - used(&mut chain, 1_024), 32 * 8 + 3);
    // Without the gas for it nothing stands.
    let mut code = Assembler::default();
    let code =
        code.push(1).push(0).op(&[SSTORE]).push(1).push(0).op(&[LOG0]).push(100_000).push(0).op(&[RETURN]).finish();
    let contract = deploy(&mut chain, &code);
    let transaction = chain.sign(1, Some(contract), vec![], 500_000);
    let receipt = chain.commit(&[transaction]).receipts[0].clone();
    assert_eq!((receipt.error.expect("a fault").code.as_str(), receipt.logs.len()), ("out_of_gas", 0));
    assert_eq!(chain.state.row(&Row::new(&Table::Contract(contract), &[0; 32])).expect("memory"), None);
}

#[test]
fn wasm_and_evm_code_create_each_other() {
    let mut chain = chain();
    let wasm = chain.deploy_wat(SCRIPT);
    // Wasm creates a contract of EVM code; so does a native transaction.
    let receipt = chain.one(1, Some(wasm), script::create(0, &creating(&answering(&[ADDRESS]))));
    let created = Address(receipt.output[1..21].try_into().expect("an address"));
    assert_eq!(receipt.output[0], script::SUCCESS);
    assert_eq!(chain.one(1, Some(created), vec![]).output, common::address_word(&created));
    // An Ethereum transaction creates a Wasm contract, at Ethereum's address.
    let module = wat::parse_str(SCRIPT).expect("wat");
    let transaction = Legacy { gas_limit: 50_000_000, ..legacy(0, None, container(&module, &script::write(1, 5))) };
    let receipt = send(&mut chain, &transaction).expect("a receipt");
    let expected = created_address(&account(1), 0);
    assert_eq!((receipt.status, receipt.contract), (Status::Success, Some(expected)), "{receipt:?}");
    assert_eq!(chain.call(1, expected, script::read(1)).output, script::seen(Some(5)));
}

#[test]
fn what_stands_for_other_kinds_of_code_is_fixed() {
    let mut chain = chain();
    let wasm = chain.deploy_wat(SCRIPT);
    let size = deploy(&mut chain, &answering(&[0x5f, 0x35, 0x3b]));
    let hash = deploy(&mut chain, &answering(&[0x5f, 0x35, 0x3f]));
    let of = |chain: &Chain, to, address: &Address| chain.call(1, to, common::address_word(address).to_vec()).output;
    assert_eq!(common::number(&of(&chain, size, &wasm)), 35);
    let module =
        entente_types::Suite::Standard.hash(entente_crypto::Domain::CODE, &[&wat::parse_str(SCRIPT).expect("wat")]);
    let shown = [&[0xef, 0x57, 0x41][..], &module.0].concat();
    assert_eq!(of(&chain, hash, &wasm), entente_crypto::keccak256(&shown).0);
    assert_eq!(common::number(&of(&chain, size, &account(1))), 0);
    assert_eq!(of(&chain, hash, &account(77)), [0; 32]);
}

#[test]
fn genesis_chooses_the_hash_and_the_unit_of_time() {
    let genesis =
        Genesis { protocol_version: 2, evm_hash: EvmHash::Sm3, evm_timestamp: EvmTimestamp::Milliseconds, ..genesis() };
    let mut chain = chain_of(&genesis);
    let hash = deploy(&mut chain, &answering(&[0x60, 32, 0x5f, 0x20]));
    assert_eq!(chain.one(1, Some(hash), vec![]).output, entente_crypto::sm3(&[0; 32]).0);
    let nothing = deploy(&mut chain, &answering(&[0x5f, 0x5f, 0x20]));
    assert_eq!(chain.one(1, Some(nothing), vec![]).output, entente_crypto::sm3(&[]).0);
    let long = answering(&[0x61, 0x80, 0, 0x5f, 0x20]);
    let called = deploy(&mut chain, &long);
    let gas_of_sm3 = chain.one(1, Some(called), vec![]).gas_used;
    let time = deploy(&mut chain, &answering(&[0x42]));
    let output = chain.one(1, Some(time), vec![]).output;
    assert_eq!(common::number(&output), u128::from(chain.tip.header.timestamp_ms));
    let mut chain = self::chain();
    let called = deploy(&mut chain, &long);
    let gas = chain.one(1, Some(called), vec![]).gas_used;
    assert_eq!(gas_of_sm3, gas + 6 * 32_768 / 32, "a word of SM3 costs 6 gas more");
    let time = deploy(&mut chain, &answering(&[0x42]));
    let output = chain.one(1, Some(time), vec![]).output;
    assert_eq!(common::number(&output), u128::from(chain.tip.header.timestamp_ms / 1000));
}

#[test]
fn a_thousand_frames_of_evm_code_nest_and_no_more() {
    let run = || {
        let mut chain = chain();
        // Calls itself with all its gas, and counts in slot 0 how often that was possible.
        let mut code = Assembler::default();
        code.push(0).op(&[SLOAD]).push(1).op(&[assembler::ADD]).push(0).op(&[SSTORE]);
        (0..5).for_each(|_| {
            code.push(0);
        });
        let contract = deploy(&mut chain, &code.op(&[ADDRESS, 0x5a, CALL]).finish());
        let transaction = chain.sign(1, Some(contract), vec![], 300_000_000);
        let receipt = chain.commit(&[transaction]).receipts[0].clone();
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        let slot = chain.state.row(&Row::new(&Table::Contract(contract), &[0; 32])).expect("memory").expect("a slot");
        // 63/64 of the gas each time: it ends long before 1,024.
        let frames = common::number(&slot);
        assert!((300..1025).contains(&frames), "{frames}");
    };
    // Frames of EVM code take nothing of the stack: far less than an executing thread has is enough.
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    thread.join().expect("no overflow");
}

#[test]
fn the_reason_of_a_creation_that_reverts_is_paid_for_too() {
    let mut chain = chain();
    let reverting = |length| Assembler::default().push(length).push(0).op(&[REVERT]).finish();
    let sent = |nonce, length| Legacy { gas_limit: 200_000, ..legacy(nonce, None, reverting(length)) };
    let receipt = send(&mut chain, &sent(0, 1_024)).expect("a receipt");
    assert_eq!((receipt.status, receipt.output.len()), (Status::Revert, 1_024));
    let receipt = send(&mut chain, &sent(1, 30_000)).expect("a receipt");
    assert_eq!((receipt.error.expect("a fault").code.as_str(), receipt.output.len()), ("out_of_gas", 0));
    assert_eq!(record(&chain, &account(1)).nonce, 2);
    // No byte of either is zero: a transaction's input has two prices.
    let short = chain.one(1, None, reverting(1_025)).gas_used;
    let long = chain.one(1, None, reverting(1_025 + 32)).gas_used;
    assert_eq!(long - short, 32 * 8 + 3);
}

/// EVM code that calls the address at the beginning of its input with the rest of it, and answers what that answers.
fn forwarder() -> Vec<u8> {
    let mut code = Assembler::default();
    code.push(20).op(&[assembler::CALLDATASIZE, assembler::SUB]).push(20).push(0).op(&[assembler::CALLDATACOPY]);
    code.push(0).push(0).push(20).op(&[assembler::CALLDATASIZE, assembler::SUB]).push(0).push(0);
    code.push(0).op(&[0x35]).push(96).op(&[assembler::SHR, 0x5a, CALL]).push(0).op(&[MSTORE]);
    code.op(&[assembler::RETURNDATASIZE]).push(0).push(32).op(&[assembler::RETURNDATACOPY]);
    code.op(&[assembler::RETURNDATASIZE]).push(32).op(&[assembler::ADD]).push(0).op(&[RETURN]).finish()
}

#[test]
fn sixty_four_frames_of_wasm_with_evm_code_between_them_fit_the_stack_and_no_more() {
    let run = || {
        let mut chain = chain();
        let (wasm, forwarder) = (chain.deploy_wat(SCRIPT), deploy(&mut chain, &forwarder()));
        let mut pairing = Address::ZERO;
        pairing.0[19] = 8;
        for (frames, innermost) in [(64, 1), (65, 0)] {
            // The innermost frame has a pairing computed. Every contract tells what it got back.
            let mut input = pairing.0.to_vec();
            for _ in 0..frames {
                let script = [script::call(forwarder, &input), script::returned()].concat();
                input = [&wasm.0[..], &script].concat();
            }
            let transaction = chain.sign(1, Some(forwarder), input, 300_000_000);
            let receipt = chain.commit(&[transaction]).receipts[0].clone();
            assert_eq!(receipt.status, Status::Success, "{receipt:?}");
            // Each forwarder tells whether its call succeeded, each contract of Wasm one byte; then the pairing's word.
            // A contract too many tells nothing.
            let told = if innermost == 1 { 64 * 33 + 64 } else { 64 * 33 + 32 };
            assert_eq!(receipt.output.len(), told);
            assert_eq!(common::number(&receipt.output[told - 32..]), innermost);
        }
    };
    let thread = std::thread::Builder::new().stack_size(EXECUTION_STACK_BYTES).spawn(run).expect("a thread");
    thread.join().expect("no overflow");
}

#[test]
fn what_a_transaction_creates_and_removes_leaves_nothing() {
    let mut chain = chain();
    // Writes a slot, then ends itself.
    let ending = Assembler::default().push(1).push(7).op(&[SSTORE, CALLER, 0xff]).finish();
    let mut code = Assembler::default();
    let mut word = [0; 32];
    word[..ending.len()].copy_from_slice(&ending);
    code.op(&[0x7f]).op(&word).push(0).op(&[MSTORE]);
    for _ in 0..3 {
        code.push(ending.len() as u64).push(0).push(0).op(&[assembler::CREATE, assembler::POP]);
    }
    let factory = deploy(&mut chain, &code.finish());
    let receipt = chain.one(1, Some(factory), vec![]);
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    // The factory's own nonce, and the parent's Ethereum hash.
    assert_eq!(chain.tip.changes.len(), 2, "{:?}", chain.tip.changes);
    assert_eq!(record(&chain, &factory).nonce, 4);
}

#[test]
fn a_guomi_group_runs_evm_code_and_leaves_ethereums_transactions_out() {
    let genesis = Genesis { protocol_version: 2, ..common::genesis_of(entente_types::Suite::Guomi) };
    let mut chain = chain_of(&genesis);
    let contract = deploy(&mut chain, &answering(&[ADDRESS]));
    assert_eq!(chain.one(1, Some(contract), vec![]).output, common::address_word(&contract));
    assert_eq!(send(&mut chain, &legacy(0, Some(contract), vec![])), None);
}

#[test]
fn a_wasm_contract_costs_evm_code_what_it_costs_wasm() {
    let mut chain = chain();
    let wasm = chain.deploy_wat(SCRIPT);
    let calling = |gas: u64| {
        let mut code = Assembler::default();
        (0..5).for_each(|_| {
            code.push(0);
        });
        code.op(&[0x73]).op(&wasm.0).push(gas).op(&[CALL]);
        [code.finish(), answering(&[])].concat()
    };
    for (gas, succeeds) in [(2_300, 0), (100_000, 1)] {
        let contract = deploy(&mut chain, &calling(gas));
        assert_eq!(common::number(&chain.one(1, Some(contract), vec![]).output), succeeds, "{gas}");
    }
}
