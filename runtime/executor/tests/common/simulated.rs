//! Chains under version 2, and transactions that are simulated or signed.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::Arc;

use entente_executor::{CodeOptions, Executor, InputTransaction, Simulation};
use entente_host::{
    NativeRegistry,
    gas::{PROTOCOL_VERSION_1, PROTOCOL_VERSION_2},
};
use entente_types::{Address, Amount, Genesis, Suite, Transaction};

use crate::{
    assembler::{Assembler, MSTORE, RETURN, creating},
    common::{Chain, account, genesis, key},
    ethereum::Legacy,
};

pub const CHAIN_ID: u64 = 20_200;

pub fn chain_of(genesis: &Genesis) -> Chain {
    let mut chain = Chain::new(genesis.clone(), NativeRegistry::default());
    let versions = &[PROTOCOL_VERSION_1, PROTOCOL_VERSION_2];
    chain.executor = Executor::with(genesis, NativeRegistry::default(), versions, &CodeOptions::default());
    chain
}

/// A chain with coin, of which the first account has some.
pub fn rich() -> Chain {
    let allocations = vec![(account(1), Amount::from(1_000_000_000_000))];
    chain_of(&Genesis { protocol_version: 2, balances: true, allocations, ..genesis() })
}

pub fn deploy(chain: &mut Chain, runtime: &[u8]) -> Address {
    let receipt = chain.one(1, None, creating(runtime));
    receipt.contract.unwrap_or_else(|| panic!("not deployed: {receipt:?}"))
}

/// Code that answers one word.
pub fn answering(instructions: &[u8]) -> Vec<u8> {
    Assembler::default().op(instructions).push(0).op(&[MSTORE]).push(32).push(0).op(&[RETURN]).finish()
}

/// What the first account would send.
pub fn of(to: Option<Address>, input: Vec<u8>) -> Simulation {
    Simulation { from: account(1), to, input, ..Simulation::default() }
}

/// The same, signed.
pub fn signed(simulation: &Simulation, nonce: u64, gas_limit: u64) -> InputTransaction {
    let Simulation { to, input, .. } = simulation.clone();
    let value = simulation.value.0.to();
    let transaction = Legacy { nonce, gas_price: 0, gas_limit, to, value, input }.sign(&key(1), CHAIN_ID);
    let transaction = Transaction::Ethereum(transaction);
    let hash = transaction.hash(Suite::Standard);
    InputTransaction { hash, transaction: Arc::new(transaction) }
}
