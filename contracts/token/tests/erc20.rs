//! The token's rules, natively.

use entente::abi::AbiParameters;
use entente::testing::{self, Chain, Failure, Receipt};
use entente::{Address, Event, U256};
use token::token::{Approval, Error, Messages, SUPPLY, Token, Transfer};

const DEPLOYER: Address = Address([1; 20]);
const ALICE: Address = Address([2; 20]);
const BOB: Address = Address([3; 20]);

fn deployed() -> (Chain, Address) {
    let mut chain = Chain::new();
    let receipt = chain.deploy(DEPLOYER, Messages::new());
    let minted = receipt.events::<Transfer>();
    assert_eq!(minted.len(), 1);
    assert_eq!((minted[0].from, minted[0].to, minted[0].value), (Address::ZERO, DEPLOYER, SUPPLY));
    let token = receipt.result.expect("deploys");
    (chain, token)
}

fn units(value: u64) -> U256 {
    U256::from(value)
}

fn balance(chain: &mut Chain, token: Address, owner: Address) -> U256 {
    chain.call(owner, token, Messages::balance_of(owner)).expect("answers")
}

/// The error that a transaction reverted with.
fn error<R: std::fmt::Debug>(receipt: Receipt<R, Error>) -> Error {
    match receipt.result {
        Err(Failure::Error(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_deployer_gets_everything() {
    let (mut chain, token) = deployed();
    assert_eq!(chain.call(ALICE, token, Messages::total_supply()), Ok(SUPPLY));
    assert_eq!(balance(&mut chain, token, DEPLOYER), SUPPLY);
    assert_eq!(SUPPLY.to_string(), "1000000000000000000000000000");
    let shown = chain.inspect(token, |token: &Token| (token.name(), token.symbol(), token.decimals()));
    assert_eq!(shown, ("Entente Token", "ENT", 18));
}

#[test]
fn a_transfer_moves_and_touches_two_rows() {
    let (mut chain, token) = deployed();
    let before = chain.storage(token);
    let receipt = chain.send(DEPLOYER, token, Messages::transfer(ALICE, units(5)));
    assert_eq!(receipt.result, Ok(true));
    assert_eq!(balance(&mut chain, token, ALICE), units(5));
    assert_eq!(balance(&mut chain, token, DEPLOYER), SUPPLY - units(5));
    let after = chain.storage(token);
    let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let keys: Vec<_> = changed.map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, [[&[1][..], &DEPLOYER.0].concat(), [&[1][..], &ALICE.0].concat()]);
    let [log] = receipt.logs.as_slice() else { panic!("{:?}", receipt.logs) };
    assert_eq!((log.address, log.topics[0]), (token, Transfer::TOPIC));
    assert_eq!(log.topics[0], testing::keccak256(b"Transfer(address,address,uint256)"));
    assert_eq!((&log.topics[1][12..], &log.topics[2][12..]), (&DEPLOYER.0[..], &ALICE.0[..]));
    assert_eq!(log.data, (units(5),).encode_parameters());
}

#[test]
fn a_transfer_to_oneself_makes_nothing() {
    let (mut chain, token) = deployed();
    assert_eq!(chain.send(DEPLOYER, token, Messages::transfer(DEPLOYER, units(5))).result, Ok(true));
    assert_eq!(balance(&mut chain, token, DEPLOYER), SUPPLY);
    let more = chain.send(DEPLOYER, token, Messages::transfer(DEPLOYER, SUPPLY + units(1)));
    assert!(matches!(error(more), Error::ERC20InsufficientBalance { .. }));
}

#[test]
fn nobody_spends_what_it_lacks() {
    let (mut chain, token) = deployed();
    let refused = chain.send(ALICE, token, Messages::transfer(BOB, units(1)));
    assert!(refused.logs.is_empty());
    assert_eq!(
        error(refused),
        Error::ERC20InsufficientBalance { sender: ALICE, balance: U256::ZERO, needed: units(1) }
    );
    let refused = chain.send(DEPLOYER, token, Messages::transfer(Address::ZERO, units(1)));
    assert_eq!(error(refused), Error::ERC20InvalidReceiver { receiver: Address::ZERO });
}

#[test]
fn an_allowance_is_used_up() {
    let (mut chain, token) = deployed();
    let approved = chain.send(DEPLOYER, token, Messages::approve(ALICE, units(10)));
    assert_eq!(approved.events::<Approval>().len(), 1);
    let spent = chain.send(ALICE, token, Messages::transfer_from(DEPLOYER, BOB, units(7)));
    assert_eq!(spent.result, Ok(true));
    let allowance = |chain: &mut Chain| chain.call(BOB, token, Messages::allowance(DEPLOYER, ALICE));
    assert_eq!(allowance(&mut chain), Ok(units(3)));
    assert_eq!(balance(&mut chain, token, BOB), units(7));
    let refused = chain.send(ALICE, token, Messages::transfer_from(DEPLOYER, BOB, units(4)));
    assert_eq!(
        error(refused),
        Error::ERC20InsufficientAllowance { spender: ALICE, allowance: units(3), needed: units(4) }
    );
    let refused = chain.send(DEPLOYER, token, Messages::approve(Address::ZERO, units(4)));
    assert_eq!(error(refused), Error::ERC20InvalidSpender { spender: Address::ZERO });
    chain.send(DEPLOYER, token, Messages::approve(ALICE, U256::MAX)).result.expect("approves");
    chain.send(ALICE, token, Messages::transfer_from(DEPLOYER, BOB, units(4))).result.expect("spends");
    assert_eq!(allowance(&mut chain), Ok(U256::MAX));
}

#[test]
fn selectors_are_those_of_erc20() {
    let (mut chain, token) = deployed();
    let mut call = |selector: u32, arguments: &[u8]| {
        let input = [&selector.to_be_bytes()[..], arguments].concat();
        chain.transact(DEPLOYER, Some(token), &input, U256::ZERO).output
    };
    let two = (ALICE, units(1)).encode_parameters();
    assert_eq!(call(0xa905_9cbb, &two), (true,).encode_parameters(), "transfer");
    assert_eq!(call(0x095e_a7b3, &two), (true,).encode_parameters(), "approve");
    let owner = (ALICE,).encode_parameters();
    assert_eq!(call(0x70a0_8231, &owner), (units(1),).encode_parameters(), "balanceOf");
    assert_eq!(call(0x1816_0ddd, &[]), (SUPPLY,).encode_parameters(), "totalSupply");
    assert_eq!(call(0x313c_e567, &[]), (18_u8,).encode_parameters(), "decimals");
    assert_eq!(call(0x06fd_de03, &[]), ("Entente Token",).encode_parameters(), "name");
    assert_eq!(call(0x95d8_9b41, &[]), ("ENT",).encode_parameters(), "symbol");
    let pair = (DEPLOYER, ALICE).encode_parameters();
    assert_eq!(call(0xdd62_ed3e, &pair), (units(1),).encode_parameters(), "allowance");
    let three = (DEPLOYER, BOB, units(1)).encode_parameters();
    let insufficient = testing::keccak256(b"ERC20InsufficientAllowance(address,uint256,uint256)");
    assert_eq!(call(0x23b8_72dd, &three)[..4], insufficient[..4], "transferFrom, without an allowance of oneself");
}
