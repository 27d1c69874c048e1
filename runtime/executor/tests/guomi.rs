//! The token in a group of the Guomi suite, beside the same in one of the Standard suite.

mod common;

use common::{Chain, abi_call, account_of, address_word, genesis_of, number, selector, token, word};
use entente_crypto::{Domain, Suite};
use entente_executor::{ExecutedBlock, InputTransaction};
use entente_host::NativeRegistry;
use entente_types::{Address, Receipt, Status};

/// A chain with the token, a block of transfers that is not kept, and what executing it gave.
fn transfers(suite: Suite) -> (Chain, Address, Vec<InputTransaction>, ExecutedBlock) {
    let mut chain = Chain::new(genesis_of(suite), NativeRegistry::default());
    let receipt = chain.deploy(&token(), &[]);
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    let address = receipt.contract.expect("an address");
    let transfers: Vec<_> = (2..20)
        .map(|seed| {
            let to = address_word(&account_of(suite, seed));
            chain.sign(1, Some(address), abi_call("transfer(address,uint256)", &[to, word(3)]), 10_000_000)
        })
        .collect();
    let block = chain.execute(&transfers);
    (chain, address, transfers, block)
}

#[test]
fn two_executors_and_a_warm_and_a_cold_one_agree() {
    let (chain, _, transfers, warm) = transfers(Suite::Guomi);
    let mut fresh = Chain::new(genesis_of(Suite::Guomi), NativeRegistry::default());
    fresh.tip = chain.tip.clone();
    fresh.state = chain.state.clone();
    let cold = fresh.execute(&transfers);
    for block in [&cold, &chain.execute(&transfers)] {
        assert_eq!(warm.header, block.header);
        assert_eq!(warm.receipts, block.receipts);
        assert_eq!(warm.changes, block.changes);
    }
    assert_eq!(warm.header.state_root, warm.commitment.root(Suite::Guomi));
    assert_ne!(warm.header.state_root, warm.commitment.root(Suite::Standard));
}

#[test]
fn only_hashes_and_addresses_tell_the_suites_apart() {
    let (_, _, _, standard) = transfers(Suite::Standard);
    let (mut chain, token, sent, guomi) = transfers(Suite::Guomi);
    // Not the gas: it counts the zeros in addresses.
    let shape =
        |receipt: &Receipt| (receipt.status, receipt.output.clone(), receipt.logs.len(), receipt.logs[0].data.clone());
    for (left, right) in standard.receipts.iter().zip(&guomi.receipts) {
        assert_eq!(shape(left), shape(right));
        // The ABI is Ethereum's in every suite.
        assert_eq!(left.logs[0].topics[0], right.logs[0].topics[0]);
        assert_eq!(right.logs[0].topics[0].0[..4], selector("Transfer(address,address,uint256)"));
    }
    assert_ne!(standard.header.receipt_root, guomi.header.receipt_root);
    assert_ne!(standard.header.state_root, guomi.header.state_root);

    chain.commit(&sent);
    let owner = address_word(&account_of(Suite::Guomi, 2));
    let receipt = chain.call(1, token, abi_call("balanceOf(address)", &[owner]));
    assert_eq!(number(&receipt.output), 3);
}

#[test]
fn a_contracts_address_is_made_with_sm3() {
    let mut chain = Chain::new(genesis_of(Suite::Guomi), NativeRegistry::default());
    let deploy = chain.sign(1, None, entente_executor::container(&token(), &[]), common::GAS);
    let creator = account_of(Suite::Guomi, 1);
    let hash = Suite::Guomi.hash(Domain::CREATE, &[&creator.0, &deploy.hash.0, &0_u32.to_le_bytes()]);
    let created = chain.execute(&[deploy]).receipts[0].contract.expect("an address");
    assert_eq!(created.0, hash.0[12..]);
}
