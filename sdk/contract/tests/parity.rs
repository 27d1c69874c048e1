//! The contracts of the tree natively and as Wasm on the executor: the same transactions give the same statuses,
//! outputs, logs, addresses and rows.

#[path = "../../../runtime/executor/tests/common/mod.rs"]
mod common;

use std::{collections::BTreeMap, path::PathBuf};

use common::{Chain as Node, account, genesis};
use entente::abi::AbiParameters;
use entente::entry::Contract;
use entente::testing::Chain;
use entente::{Address, Message, U256};
use entente_executor::container;
use entente_host::NativeRegistry;
use entente_state::Table;
use entente_types::{Address as NodeAddress, Suite};
use parity_scale_codec::Encode as _;
use proptest::prelude::*;

use asset::asset::{Messages as AssetMessages, Register};
use evidence::evidence::{Evidence, Messages as EvidenceMessages};
use token::token::{Messages as TokenMessages, SUPPLY, Token};

/// A module, as `make contracts` leaves it.
fn module(name: &str) -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let path = target.join(format!("contracts/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make contracts`", path.display()))
}

/// An account of the node's chain as contracts know it.
fn sender(seed: u8) -> Address {
    Address(account(seed).0)
}

/// One chain twice.
struct Both {
    node: Node,
    native: Chain,
}

impl Both {
    fn new() -> Self {
        Self { node: Node::new(genesis(), NativeRegistry::default()), native: Chain::new() }
    }

    fn deploy<C: Contract + 'static>(&mut self, name: &str, arguments: &[u8]) -> Address {
        let module = module(name);
        self.native.register::<C>(&module);
        self.send(1, None, &container(&module, arguments)).expect("deploys")
    }

    fn message<R, E>(&mut self, from: u8, to: Address, message: &Message<R, E>) {
        self.send(from, Some(to), message.input());
    }

    /// Runs the same transaction on both and compares everything; gives the address of what it created.
    fn send(&mut self, from: u8, to: Option<Address>, input: &[u8]) -> Option<Address> {
        let to_node = to.map(|to| NodeAddress(to.0));
        let transaction = self.node.sign(from, to_node, input.to_vec(), common::GAS);
        self.native.transaction_hash = Some(transaction.transaction.hash(Suite::Standard).0);
        let block = self.node.commit(&[transaction]);
        let receipt = block.receipts[0].clone();
        let header = &block.header;
        (self.native.block_number, self.native.block_timestamp) = (header.number, header.timestamp_ms);
        self.native.chain_id = self.node.genesis.ethereum_chain_id;
        let native = self.native.transact(sender(from), to, input, U256::ZERO);
        assert_eq!(native.status, receipt.status, "{receipt:?}");
        let created = receipt.contract.map(|address| Address(address.0));
        assert_eq!(native.output, receipt.output);
        let logs = receipt.logs.iter().map(|log| {
            let topics = log.topics.iter().map(|topic| topic.0).collect();
            entente::testing::Log { address: Address(log.address.0), topics, data: log.data.clone() }
        });
        assert_eq!(native.logs, logs.collect::<Vec<_>>());
        // A contract's own instructions are what only the node counts; a fault takes all gas on both.
        assert!(native.gas_used <= receipt.gas_used, "{} {}", native.gas_used, receipt.gas_used);
        for contract in to.into_iter().chain(created) {
            assert_eq!(self.native.storage(contract), self.rows(contract));
        }
        created
    }

    /// The rows of a contract on the node.
    fn rows(&self, contract: Address) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let table = Table::Contract(NodeAddress(contract.0)).encode();
        let rows = self.node.state.0.iter().filter(|(row, _)| row.table() == table);
        rows.map(|(row, value)| (row.key().to_vec(), value.to_vec())).collect()
    }
}

#[test]
fn the_token_is_the_same_natively_and_as_wasm() {
    let mut both = Both::new();
    let token = both.deploy::<Token>("token", &[]);
    let five = U256::from(5_u8);
    both.message(1, token, &TokenMessages::transfer(sender(2), five));
    both.message(1, token, &TokenMessages::transfer(sender(1), SUPPLY));
    both.message(2, token, &TokenMessages::transfer(sender(3), U256::from(6_u8)));
    both.message(2, token, &TokenMessages::transfer(Address::ZERO, five));
    both.message(1, token, &TokenMessages::approve(sender(3), five));
    both.message(1, token, &TokenMessages::approve(Address::ZERO, five));
    both.message(3, token, &TokenMessages::transfer_from(sender(1), sender(2), U256::from(3_u8)));
    both.message(3, token, &TokenMessages::transfer_from(sender(1), sender(2), U256::from(3_u8)));
    both.message(2, token, &TokenMessages::name());
    both.message(2, token, &TokenMessages::balance_of(sender(2)));
    // What is no call: too short, unknown, cut, out of range; and nobody there.
    for input in [&[][..], &[1, 2, 3], &[1, 2, 3, 4], TokenMessages::balance_of(sender(2)).input().split_at(20).0] {
        both.send(2, Some(token), input);
    }
    both.send(2, Some(token), &[&[0x70, 0xa0, 0x82, 0x31][..], &[0xff; 32]].concat());
    both.send(2, Some(Address([9; 20])), &[1, 2, 3, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_transfers_are_the_same_natively_and_as_wasm(
        steps in proptest::collection::vec((1_u8..5, 1_u8..5, 1_u8..5, 0_u64..12, 0_u8..3), 1..25)
    ) {
        let mut both = Both::new();
        let token = both.deploy::<Token>("token", &[]);
        for (from, owner, to, value, kind) in steps {
            let (owner, to, value) = (sender(owner), sender(to), U256::from(value));
            let message = match kind {
                0 => TokenMessages::transfer(to, value),
                1 => TokenMessages::approve(to, value),
                _ => TokenMessages::transfer_from(owner, to, value),
            };
            both.message(from, token, &message);
        }
    }
}

#[test]
fn evidence_is_the_same_natively_and_as_wasm() {
    let mut both = Both::new();
    let evidence = both.deploy::<Evidence>("evidence", &[]);
    let signers = || vec![sender(1), sender(2), sender(3)];
    both.message(1, evidence, &EvidenceMessages::submit([1; 32], signers(), vec![1, 2, 3], 4));
    both.message(1, evidence, &EvidenceMessages::submit([1; 32], signers(), vec![1, 2, 3], 4));
    both.message(1, evidence, &EvidenceMessages::submit([2; 32], signers(), vec![1, 2], 4));
    both.message(1, evidence, &EvidenceMessages::submit([2; 32], signers(), vec![1, 2, 3], 7));
    both.message(1, evidence, &EvidenceMessages::submit([2; 32], vec![sender(1); 33], vec![1; 33], 7));
    both.message(2, evidence, &EvidenceMessages::submit([3; 32], signers(), vec![1, 1, 1], 3));
    for seed in [3, 3, 4, 1, 2] {
        both.message(seed, evidence, &EvidenceMessages::sign([1; 32]));
    }
    both.message(3, evidence, &EvidenceMessages::sign([9; 32]));
    both.message(3, evidence, &EvidenceMessages::evidence([1; 32]));
    both.message(3, evidence, &EvidenceMessages::signers([1; 32]));
    both.message(3, evidence, &EvidenceMessages::signatures([1; 32]));
    both.message(3, evidence, &EvidenceMessages::list(0, 9));
    both.message(3, evidence, &EvidenceMessages::list(1, u32::MAX));
}

#[test]
fn contracts_that_call_each_other_are_the_same_natively_and_as_wasm() {
    let mut both = Both::new();
    let notary = both.deploy::<Evidence>("evidence", &[]);
    let register = both.deploy::<Register>("asset", &(notary,).encode_parameters());
    let (id, title) = ([7; 32], || "a house".to_owned());
    both.message(1, register, &AssetMessages::register(id, sender(2), title(), [1; 32]));
    both.message(1, notary, &EvidenceMessages::submit([1; 32], vec![sender(3)], vec![1], 1));
    both.message(3, notary, &EvidenceMessages::sign([1; 32]));
    both.message(1, register, &AssetMessages::register(id, sender(2), title(), [1; 32]));
    both.message(1, register, &AssetMessages::register([8; 32], sender(2), title(), [1; 32]));
    both.message(1, register, &AssetMessages::register(id, sender(2), title(), [1; 32]));
    both.message(1, register, &AssetMessages::register([9; 32], sender(2), "x".repeat(201), [1; 32]));
    both.message(3, register, &AssetMessages::transfer(id, sender(3)));
    both.message(2, register, &AssetMessages::transfer(id, sender(3)));
    both.message(3, register, &AssetMessages::transfer(id, sender(2)));
    for owner in [2, 3] {
        both.message(1, register, &AssetMessages::holdings(sender(owner), 0, 9));
    }
    both.message(1, register, &AssetMessages::asset(id));
    both.message(1, register, &AssetMessages::history(id, 0, 9));
    both.message(1, register, &AssetMessages::owner_of([0; 32]));
    // Notaries that are none: nobody, and a contract that has no such message.
    let token = both.deploy::<Token>("token", &[]);
    for other in [Address([9; 20]), token] {
        let register = both.deploy::<Register>("asset", &(other,).encode_parameters());
        both.message(1, register, &AssetMessages::register(id, sender(2), title(), [1; 32]));
    }
}

#[test]
fn modules_are_small() {
    for (name, limit) in [("token", 20), ("evidence", 30), ("asset", 34)] {
        let length = module(name).len();
        assert!(length < limit * 1024, "{name}: {length} bytes");
    }
}
