//! The token contract through the executor: Rust, compiled to Wasm, with the Solidity ABI at its wall.

mod common;

use common::{Chain, abi_call, account, address_word, genesis, number, selector, token, word};
use entente_host::NativeRegistry;
use entente_types::{Address, Status};

const SUPPLY: u128 = 1_000_000_000 * 10_u128.pow(18);

fn deployed() -> (Chain, Address) {
    let mut chain = Chain::new(genesis(), NativeRegistry::default());
    let receipt = chain.deploy(&token(), &[]);
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    let address = receipt.contract.expect("an address");
    (chain, address)
}

fn balance(chain: &Chain, token: Address, owner: Address) -> u128 {
    let receipt = chain.call(1, token, abi_call("balanceOf(address)", &[address_word(&owner)]));
    assert_eq!(receipt.status, Status::Success, "{receipt:?}");
    number(&receipt.output)
}

#[test]
fn the_module_is_small() {
    assert!(token().len() < 20 * 1024, "{} bytes", token().len());
}

#[test]
fn a_transfer_moves_and_logs() {
    let (mut chain, token) = deployed();
    assert_eq!(balance(&chain, token, account(1)), SUPPLY);
    let receipt =
        chain.one(1, Some(token), abi_call("transfer(address,uint256)", &[address_word(&account(2)), word(7)]));
    assert_eq!((receipt.status, number(&receipt.output)), (Status::Success, 1));
    assert_eq!(receipt.logs.len(), 1);
    let log = &receipt.logs[0];
    assert_eq!(log.address, token);
    assert_eq!(log.topics[0].0[..4], selector("Transfer(address,address,uint256)"));
    assert_eq!(log.topics[1].0, address_word(&account(1)));
    assert_eq!(log.topics[2].0, address_word(&account(2)));
    assert_eq!(log.data, word(7));
    assert_eq!(balance(&chain, token, account(1)), SUPPLY - 7);
    assert_eq!(balance(&chain, token, account(2)), 7);
}

#[test]
fn transfers_between_different_accounts_touch_disjoint_rows() {
    let (mut chain, token) = deployed();
    for seed in [2, 3] {
        chain.one(1, Some(token), abi_call("transfer(address,uint256)", &[address_word(&account(seed)), word(100)]));
    }
    let transfers = [(2, 4), (3, 5)].map(|(from, to)| {
        chain.sign(
            from,
            Some(token),
            abi_call("transfer(address,uint256)", &[address_word(&account(to)), word(1)]),
            10_000_000,
        )
    });
    let block = chain.execute(&transfers);
    assert!(block.receipts.iter().all(|receipt| receipt.status == Status::Success));
    assert!(block.accesses[0].writes.iter().all(|row| !block.accesses[1].writes.contains(row)));
    assert!(block.accesses[0].writes.iter().all(|row| !block.accesses[1].reads.contains(row)));
    assert_eq!(block.accesses[0].writes.len(), 2);
}

#[test]
fn too_much_is_refused_with_a_custom_error_and_nothing_moves() {
    let (mut chain, token) = deployed();
    let receipt =
        chain.one(2, Some(token), abi_call("transfer(address,uint256)", &[address_word(&account(3)), word(1)]));
    assert_eq!(receipt.status, Status::Revert);
    assert_eq!(receipt.output[..4], selector("ERC20InsufficientBalance(address,uint256,uint256)"));
    assert!(receipt.logs.is_empty());
    assert_eq!(balance(&chain, token, account(3)), 0);
}

#[test]
fn an_allowance_is_spent_by_another() {
    let (mut chain, token) = deployed();
    chain.one(1, Some(token), abi_call("approve(address,uint256)", &[address_word(&account(2)), word(10)]));
    let spend = abi_call(
        "transferFrom(address,address,uint256)",
        &[address_word(&account(1)), address_word(&account(3)), word(6)],
    );
    assert_eq!(chain.one(2, Some(token), spend.clone()).status, Status::Success);
    assert_eq!(chain.one(2, Some(token), spend).status, Status::Revert);
    let left = chain.call(
        1,
        token,
        abi_call("allowance(address,address)", &[address_word(&account(1)), address_word(&account(2))]),
    );
    assert_eq!(number(&left.output), 4);
    assert_eq!(balance(&chain, token, account(3)), 6);
}

#[test]
fn two_executors_and_a_warm_and_a_cold_one_agree() {
    let (mut chain, token) = deployed();
    let transfers: Vec<_> = (2..40)
        .map(|seed| {
            chain.sign(
                1,
                Some(token),
                abi_call("transfer(address,uint256)", &[address_word(&account(seed)), word(3)]),
                10_000_000,
            )
        })
        .collect();
    let warm = chain.execute(&transfers);
    let again = chain.execute(&transfers);
    let tip = chain.tip.clone();
    let state = chain.state.clone();
    let mut fresh = Chain::new(genesis(), NativeRegistry::default());
    fresh.tip = tip;
    fresh.state = state;
    let cold = fresh.execute(&transfers);
    assert_eq!(warm.header, again.header);
    assert_eq!(warm.header, cold.header);
    assert_eq!(warm.receipts, cold.receipts);
    assert_eq!(warm.changes, cold.changes);
}
