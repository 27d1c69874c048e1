//! Accounts for which another's code stands (EIP-7702): what Ethereum's own tests do not know of.

#[path = "common/assembler.rs"]
mod assembler;
mod common;
#[path = "common/ethereum.rs"]
mod ethereum;

use std::sync::Arc;

use assembler::{ADDRESS, Assembler, CALL, MSTORE, RETURN, SSTORE, creating};
use common::{Chain, account, genesis, key, script, script::SCRIPT};
use entente_executor::{Account, CodeKind, CodeOptions, Executor, InputTransaction};
use entente_host::{
    Fork, NativeAccess, NativeFunction, NativeGas, NativeModule, NativeRegistry,
    gas::{PROTOCOL_VERSION_1, PROTOCOL_VERSION_2, ProtocolVersion},
};
use entente_state::{Row, StateReader, Table};
use entente_types::{Address, Authorization, Genesis, Hash, Receipt, Status, Suite, Transaction};
use ethereum::{SetCode, authorize};

const CHAIN_ID: u64 = 20_200;
const NATIVE: Address = Address([0x90; 20]);

fn natives(suite: Suite) -> NativeRegistry {
    const FUNCTIONS: &[NativeFunction] = &[NativeFunction {
        signature: "shout()",
        outputs: "(uint256)",
        gas: |_| NativeGas { base: 1_000, byte: 0 },
        access: NativeAccess::Read,
        doc: "Answers.",
        run: |_, _| Ok(vec![1; 32]),
    }];
    let module = NativeModule { address: NATIVE, name: "test", doc: "For tests.", functions: FUNCTIONS, events: &[] };
    NativeRegistry::new(suite, &[module]).expect("one module")
}

fn chain_under(genesis: Genesis, versions: &[ProtocolVersion]) -> Chain {
    let suite = genesis.suite;
    let mut chain = Chain::new(genesis, natives(suite));
    chain.executor = Executor::with(&chain.genesis, natives(suite), versions, &CodeOptions::default());
    chain
}

/// A chain without coin.
fn chain() -> Chain {
    chain_under(Genesis { protocol_version: 2, ..genesis() }, &[PROTOCOL_VERSION_2])
}

fn set_code(nonce: u64, authorizations: Vec<Authorization>) -> InputTransaction {
    let (gas_price, gas_limit, value, input) = (0, 1_000_000, 0, vec![]);
    let transaction = SetCode { nonce, gas_price, gas_limit, to: account(9), value, input, authorizations };
    let transaction = Transaction::Ethereum(transaction.sign(&key(1), CHAIN_ID));
    let hash = transaction.hash(Suite::Standard);
    InputTransaction { hash, transaction: Arc::new(transaction) }
}

/// Lets the code at an address stand for the account of the second key.
fn delegate(chain: &mut Chain, sender_nonce: u64, to: Address, nonce: u64) -> Receipt {
    let block = chain.commit(&[set_code(sender_nonce, vec![authorize(&key(2), CHAIN_ID, to, nonce)])]);
    block.receipts.first().cloned().expect("a receipt")
}

fn record(chain: &Chain, address: &Address) -> Account {
    let bytes = chain.state.row(&Account::row(address)).expect("memory");
    bytes.map(|bytes| Account::from_bytes(address, &bytes).expect("an account")).unwrap_or_default()
}

fn answering_its_address() -> Vec<u8> {
    Assembler::default().op(&[ADDRESS]).push(0).op(&[MSTORE]).push(32).push(0).op(&[RETURN]).finish()
}

fn deploy(chain: &mut Chain, runtime: &[u8]) -> Address {
    let receipt = chain.one(1, None, creating(runtime));
    receipt.contract.unwrap_or_else(|| panic!("not deployed: {receipt:?}"))
}

/// EVM code that calls an address with a word as its input, and answers whether that succeeded.
fn calling(address: &Address, word: [u8; 32], input_length: u64) -> Vec<u8> {
    let mut code = Assembler::default();
    code.op(&[0x7f]).op(&word).push(0).op(&[MSTORE]);
    code.push(0).push(0).push(input_length).push(0).push(0).op(&[0x73]).op(&address.0).op(&[0x5a, CALL]);
    code.push(0).op(&[MSTORE]).push(32).push(0).op(&[RETURN]).finish()
}

#[test]
fn a_group_without_coin_sets_code_and_native_transactions_run_it() {
    let mut chain = chain();
    let contract = deploy(&mut chain, &answering_its_address());
    let receipt = delegate(&mut chain, 0, contract, 0);
    // 21,000 and 25,000: nobody was there.
    assert_eq!((receipt.status, receipt.gas_used), (Status::Success, 46_000), "{receipt:?}");
    let authority = record(&chain, &account(2));
    assert_eq!((authority.nonce, authority.code.map(|code| code.kind)), (1, Some(CodeKind::Delegation)));
    // What tools are shown of it is what Ethereum says: 0xEF0100 and the address.
    let hash = authority.code.expect("a delegation").hash;
    let stored = chain.state.row(&Row::new(&Table::Code, hash.as_ref())).expect("memory").expect("code");
    assert_eq!(*stored, [&[0xef, 0x01, 0x00], &contract.0[..]].concat());
    let own = common::address_word(&account(2));
    assert_eq!(chain.one(3, Some(account(2)), vec![]).output, own);
    assert_eq!(chain.call(3, account(2), vec![]).output, own);
    // It goes on sending, by native transactions and by Ethereum's.
    assert_eq!(chain.one(2, Some(account(2)), vec![]).output, own);
    let sent =
        ethereum::Legacy { nonce: 1, gas_price: 0, gas_limit: 100_000, to: Some(contract), value: 0, input: vec![] };
    let transaction = Transaction::Ethereum(sent.sign(&key(2), CHAIN_ID));
    let hash = transaction.hash(Suite::Standard);
    let block = chain.commit(&[InputTransaction { hash, transaction: Arc::new(transaction) }]);
    assert_eq!(block.receipts[0].output, common::address_word(&contract));
    // The account is there now, so that a fifth of what was used comes back at most: 12,500 of 46,000 is more.
    let receipt = delegate(&mut chain, 1, Address::ZERO, 2);
    assert_eq!(receipt.gas_used, 46_000 - 46_000 / 5);
    let authority = record(&chain, &account(2));
    assert_eq!((authority.nonce, authority.code), (3, None));
    assert_eq!(chain.one(3, Some(account(2)), vec![]).status, Status::CallAddressError);
}

#[test]
fn a_wasm_contract_runs_with_the_storage_of_the_account_that_it_stands_for() {
    let mut chain = chain();
    let wasm = chain.deploy_wat(SCRIPT);
    delegate(&mut chain, 0, wasm, 0);
    let receipt = chain.one(3, Some(account(2)), [script::write(1, 5), script::who()].concat());
    let who = [account(3).0, account(2).0].concat();
    assert_eq!((receipt.status, &receipt.output[..40]), (Status::Success, &*who), "{receipt:?}");
    let slot = |of: &Address| chain.state.row(&Row::new(&Table::Contract(*of), &[1])).expect("memory");
    assert_eq!(slot(&account(2)), Some(5_u64.to_le_bytes().into()));
    assert_eq!(slot(&wasm), None);
    // EVM code calls it.
    let mut word = [0; 32];
    word[..10].copy_from_slice(&script::write(1, 6));
    let caller = deploy(&mut chain, &calling(&account(2), word, 10));
    assert_eq!(common::number(&chain.one(3, Some(caller), vec![]).output), 1);
    assert_eq!(chain.call(3, account(2), script::read(1)).output, script::seen(Some(6)));
    // EVM code comes to stand for it: it finds no words there.
    let reading =
        Assembler::default().push(1).op(&[0x54]).push(0).op(&[MSTORE]).push(32).push(0).op(&[RETURN]).finish();
    let reader = deploy(&mut chain, &reading);
    delegate(&mut chain, 1, reader, 1);
    assert_eq!(common::number(&chain.one(3, Some(account(2)), vec![]).output), 0);
}

#[test]
fn native_modules_and_precompiles_stand_for_nobody() {
    let mut chain = chain();
    let mut identity = Address::ZERO;
    identity.0[19] = 4;
    let shout = common::selector("shout()");
    let mut word = [0; 32];
    word[..4].copy_from_slice(&shout);
    assert_eq!(chain.one(3, Some(NATIVE), shout.clone()).output, [1; 32]);
    for (nonce, target) in [(0, NATIVE), (1, identity)] {
        delegate(&mut chain, nonce, target, nonce);
        let receipt = chain.one(3, Some(account(2)), shout.clone());
        assert_eq!((receipt.status, receipt.output.len()), (Status::Success, 0), "{receipt:?}");
        let caller = deploy(&mut chain, &calling(&account(2), word, 4));
        assert_eq!(common::number(&chain.one(3, Some(caller), vec![]).output), 1);
    }
}

#[test]
fn wasm_pays_for_a_delegation_as_for_another_call() {
    let mut chain = chain();
    let wasm = chain.deploy_wat(SCRIPT);
    // Nothing is run, so that nothing else takes of the gas that the call is given.
    delegate(&mut chain, 0, account(77), 0);
    let cost = chain.executor.rules(chain.state.as_ref(), 1).expect("rules").gas.call;
    for kind in [script::CALL, script::DELEGATE, script::STATIC] {
        for (gas, came) in [(cost - 1, script::FAILED), (cost, script::SUCCESS)] {
            let receipt = chain.one(3, Some(wasm), script::nested(kind, account(2), 0, gas, &[]));
            assert_eq!(receipt.output, [came], "{kind} {gas}");
        }
        let receipt = chain.one(3, Some(wasm), script::nested(kind, account(77), 0, 0, &[]));
        assert_eq!(receipt.output, [script::SUCCESS], "nothing stands for it");
    }
}

#[test]
fn what_delegated_code_creates_is_named_by_the_accounts_own_nonce() {
    let mut chain = chain();
    let factory = Assembler::default().push(0).push(0).push(0).op(&[assembler::CREATE]).push(0).op(&[SSTORE]).finish();
    let factory = deploy(&mut chain, &factory);
    delegate(&mut chain, 0, factory, 0);
    assert_eq!(chain.one(3, Some(account(2)), vec![]).status, Status::Success);
    let created = entente_types::created_address(&account(2), 1);
    let row = Row::new(&Table::Contract(account(2)), &[0; 32]);
    assert_eq!(chain.state.row(&row).expect("memory"), Some(common::address_word(&created).into()));
    assert_eq!((record(&chain, &account(2)).nonce, record(&chain, &created).nonce), (2, 1));
}

#[test]
fn what_is_authorized_stands_in_the_record_of_what_a_transaction_touched() {
    let mut chain = chain();
    let contract = deploy(&mut chain, &answering_its_address());
    let block = chain.execute(&[set_code(0, vec![authorize(&key(2), 0, contract, 0)])]);
    let access = &block.accesses[0];
    let code: Hash = entente_crypto::keccak256(&[&[0xef, 0x01, 0x00], &contract.0[..]].concat());
    for row in [Account::row(&account(1)), Account::row(&account(2)), Row::new(&Table::Code, code.as_ref())] {
        assert!(access.reads.contains(&row) && access.writes.contains(&row), "{row:?}");
    }
    delegate(&mut chain, 0, contract, 0);
    // Whoever calls it depends on its account and on that of the contract.
    let transaction = chain.sign(3, Some(account(2)), vec![], common::GAS);
    let block = chain.execute(&[transaction]);
    for address in [account(2), contract] {
        assert!(block.accesses[0].reads.contains(&Account::row(&address)), "{address}");
    }
}

#[test]
fn set_code_is_a_matter_of_version_2_and_of_prague() {
    let transaction = || set_code(0, vec![authorize(&key(2), CHAIN_ID, account(7), 0)]);
    let mut first = chain_under(genesis(), &[PROTOCOL_VERSION_1]);
    let receipt = first.commit(&[transaction()]).receipts[0].clone();
    assert_eq!((receipt.status, receipt.error.expect("a fault").code.as_str()), (Status::Unknown, "kind"));
    assert_eq!(record(&first, &account(2)), Account::default());
    for (fork, receipts) in [(Fork::Cancun, 0), (Fork::Prague, 1)] {
        let version = ProtocolVersion { fork: Some(fork), ..PROTOCOL_VERSION_2 };
        let chain = chain_under(Genesis { protocol_version: 2, ..genesis() }, &[version]);
        let block = chain.execute(&[transaction()]);
        assert_eq!((block.receipts.len(), block.left_out.len()), (receipts, 1 - receipts), "{fork:?}");
    }
    let guomi = Genesis { protocol_version: 2, ..common::genesis_of(Suite::Guomi) };
    let block = chain_under(guomi, &[PROTOCOL_VERSION_2]).execute(&[transaction()]);
    assert_eq!((block.receipts.len(), block.left_out.len()), (0, 1));
}
