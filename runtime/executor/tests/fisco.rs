//! FISCO BCOS's transactions under version 2: native rules, with the group's limit of gas.

#[path = "common/assembler.rs"]
mod assembler;
mod common;

use std::sync::Arc;

use assembler::{Assembler, CALLER, MSTORE, RETURN, creating};
use common::{Chain, account_of, address_word, genesis_of, key_of, script::SCRIPT};
use entente_crypto::Domain;
use entente_executor::{CodeOptions, Executor, InputTransaction, container};
use entente_host::{
    NativeRegistry,
    gas::{PROTOCOL_VERSION_1, PROTOCOL_VERSION_2},
};
use entente_types::{
    Address, Amount, FiscoTransaction, Genesis, Limits, Status, Suite, Transaction, UnsignedFiscoTransaction,
};

const SUITES: [Suite; 2] = [Suite::Standard, Suite::Guomi];

fn chain_of(genesis: &Genesis) -> Chain {
    let mut chain = Chain::new(genesis.clone(), NativeRegistry::default());
    let versions = &[PROTOCOL_VERSION_1, PROTOCOL_VERSION_2];
    chain.executor = Executor::with(genesis, NativeRegistry::default(), versions, &CodeOptions::default());
    chain
}

fn chain(suite: Suite) -> Chain {
    chain_of(&Genesis { protocol_version: 2, ..genesis_of(suite) })
}

fn unsigned(nonce: u8, to: Option<Address>, input: Vec<u8>) -> UnsignedFiscoTransaction {
    UnsignedFiscoTransaction {
        nonce: [nonce; 32],
        gas_price: Amount::from(30_000_000),
        gas: Amount::from(1_000_000),
        block_limit: 600,
        to,
        value: Amount::ZERO,
        input,
        chain_id: 1,
        group: 1,
        extra: vec![],
    }
}

fn input(suite: Suite, transaction: FiscoTransaction) -> InputTransaction {
    InputTransaction { hash: transaction.hash(suite), transaction: Arc::new(Transaction::Fisco(transaction)) }
}

fn signed(suite: Suite, unsigned: &UnsignedFiscoTransaction) -> InputTransaction {
    input(suite, unsigned.sign(&key_of(suite, 1)).expect("short"))
}

/// Code that answers who calls it.
fn caller() -> Vec<u8> {
    Assembler::default().op(&[CALLER]).push(0).op(&[MSTORE]).push(32).push(0).op(&[RETURN]).finish()
}

#[test]
fn evm_code_is_deployed_and_called_in_both_suites() {
    for suite in SUITES {
        let mut chain = chain(suite);
        let sender = account_of(suite, 1);
        let deployment = signed(suite, &unsigned(1, None, creating(&caller())));
        let receipt = chain.commit(std::slice::from_ref(&deployment)).receipts[0].clone();
        assert_eq!(receipt.status, Status::Success, "{receipt:?}");
        let hash = suite.hash(Domain::CREATE, &[&sender.0, &deployment.hash.0, &0_u32.to_le_bytes()]);
        assert_eq!(receipt.contract.expect("an address").0, hash.0[12..]);
        let call = signed(suite, &unsigned(2, receipt.contract, vec![]));
        let receipt = chain.commit(&[call]).receipts[0].clone();
        assert_eq!((receipt.status, receipt.output), (Status::Success, address_word(&sender).to_vec()));
    }
}

#[test]
fn it_costs_what_a_native_one_costs_and_has_the_groups_gas() {
    let limits = Limits { transaction_gas: 3_000_000, ..Limits::default() };
    let mut chain = chain_of(&Genesis { protocol_version: 2, limits, ..genesis_of(Suite::Standard) });
    let deployed = |chain: &mut Chain, code: &[u8]| {
        let deployment = chain.sign(2, None, creating(code), 3_000_000);
        let receipt = chain.commit(&[deployment]).receipts[0].clone();
        assert!(receipt.contract.is_some(), "{receipt:?}");
        receipt.contract
    };
    let contract = deployed(&mut chain, &caller());
    let native = chain.sign(1, contract, vec![0, 1, 2], 3_000_000);
    let native = chain.commit(&[native]).receipts[0].clone();
    let fisco = signed(Suite::Standard, &unsigned(1, contract, vec![0, 1, 2]));
    let fisco = chain.commit(&[fisco]).receipts[0].clone();
    assert_eq!((fisco.gas_used, fisco.status, &fisco.output), (native.gas_used, native.status, &native.output));
    // INVALID takes all there is: not the million that the transaction asks for.
    let endless = deployed(&mut chain, &[0xfe]);
    let endless = signed(Suite::Standard, &unsigned(2, endless, vec![]));
    let receipt = chain.commit(&[endless]).receipts[0].clone();
    assert_eq!((receipt.status, receipt.gas_used), (Status::BadInstruction, 3_000_000), "{receipt:?}");
    // As with FISCO BCOS, calling where there is nothing is an error.
    let nowhere = signed(Suite::Standard, &unsigned(3, Some(Address([9; 20])), vec![]));
    assert_eq!(chain.commit(&[nowhere]).receipts[0].status, Status::CallAddressError);
    // Where there is no coin nobody can send any.
    let value = UnsignedFiscoTransaction { value: Amount::from(1), ..unsigned(4, contract, vec![]) };
    let receipt = chain.commit(&[signed(Suite::Standard, &value)]).receipts[0].clone();
    let error = receipt.error.as_ref().map(|error| error.code.as_str());
    assert_eq!((receipt.status, error), (Status::BadInstruction, Some("value_without_balances")), "{receipt:?}");
}

#[test]
fn a_wasm_contract_is_deployed_by_its_container() {
    let mut chain = chain(Suite::Standard);
    let module = wat::parse_str(SCRIPT).expect("wat");
    let receipt =
        chain.commit(&[signed(Suite::Standard, &unsigned(1, None, container(&module, &[])))]).receipts[0].clone();
    assert!(receipt.contract.is_some(), "{receipt:?}");
}

#[test]
fn what_no_voter_lets_pass_does_nothing() {
    for suite in SUITES {
        let mut chain = chain(suite);
        let other = if suite == Suite::Standard { Suite::Guomi } else { Suite::Standard };
        let of_other = unsigned(1, None, creating(&caller())).sign(&key_of(other, 1)).expect("short");
        let good = unsigned(2, None, creating(&caller())).sign(&key_of(Suite::Guomi, 1)).expect("short");
        let mut raw = good.raw().to_vec();
        raw[9] ^= 1;
        let nobodys = FiscoTransaction::new(raw).expect("still a transaction");
        assert_eq!(nobodys.sender(), None);
        let block = chain.commit(&[input(suite, of_other), input(suite, nobodys)]);
        assert_eq!((block.receipts.len(), block.left_out.len()), (0, 2));
    }
    let mut first = chain_of(&genesis_of(Suite::Standard));
    let receipt = first.commit(&[signed(Suite::Standard, &unsigned(1, None, vec![]))]).receipts[0].clone();
    assert_eq!((receipt.status, receipt.error.expect("a fault").code.as_str()), (Status::Unknown, "kind"));
}
