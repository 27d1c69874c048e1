//! The token's rules, natively.

use entente::abi::AbiParameters;
use entente::entry::Contract;
use entente::testing::{self, chain, reset, transact};
use entente::{Address, Event, U256};
use token::token::{Approval, Error, SUPPLY, Token, Transfer};

const DEPLOYER: Address = Address([1; 20]);
const ALICE: Address = Address([2; 20]);
const BOB: Address = Address([3; 20]);

fn deployed() -> Token {
    reset();
    chain(|chain| chain.caller = DEPLOYER);
    Token::deploy(&[]).expect("deploys");
    Token::open()
}

fn units(value: u64) -> U256 {
    U256::from(value)
}

#[test]
fn the_deployer_gets_everything() {
    let token = deployed();
    assert_eq!(token.total_supply(), SUPPLY);
    assert_eq!(token.balance_of(DEPLOYER), SUPPLY);
    assert_eq!(SUPPLY.to_string(), "1000000000000000000000000000");
    assert_eq!((token.name(), token.symbol(), token.decimals()), ("Entente Token", "ENT", 18));
}

#[test]
fn a_transfer_moves_and_touches_two_rows() {
    let mut token = deployed();
    let before = chain(|chain| chain.storage.clone());
    transact(DEPLOYER, || token.transfer(ALICE, units(5))).expect("succeeds");
    assert_eq!(token.balance_of(ALICE), units(5));
    assert_eq!(token.balance_of(DEPLOYER), SUPPLY - units(5));
    chain(|chain| {
        let changed = chain.storage.iter().filter(|(key, value)| before.get(*key) != Some(*value));
        let keys: Vec<_> = changed.map(|(key, _)| key.clone()).collect();
        assert_eq!(keys, [[&[1][..], &DEPLOYER.0].concat(), [&[1][..], &ALICE.0].concat()]);
        let log = chain.logs.last().expect("a log");
        assert_eq!(log.topics[0], Transfer::TOPIC);
        assert_eq!(log.topics[0], testing::keccak256(b"Transfer(address,address,uint256)"));
        assert_eq!((&log.topics[1][12..], &log.topics[2][12..]), (&DEPLOYER.0[..], &ALICE.0[..]));
        assert_eq!(log.data, (units(5),).encode_parameters());
    });
}

#[test]
fn a_transfer_to_oneself_makes_nothing() {
    let mut token = deployed();
    transact(DEPLOYER, || token.transfer(DEPLOYER, units(5))).expect("succeeds");
    assert_eq!(token.balance_of(DEPLOYER), SUPPLY);
    let more = transact(DEPLOYER, || token.transfer(DEPLOYER, SUPPLY + units(1)));
    assert!(matches!(more, Err(Error::ERC20InsufficientBalance { .. })));
}

#[test]
fn nobody_spends_what_it_lacks() {
    let mut token = deployed();
    let result = transact(ALICE, || token.transfer(BOB, units(1)));
    assert_eq!(result, Err(Error::ERC20InsufficientBalance { sender: ALICE, balance: U256::ZERO, needed: units(1) }));
    assert_eq!(
        transact(DEPLOYER, || token.transfer(Address::ZERO, units(1))),
        Err(Error::ERC20InvalidReceiver { receiver: Address::ZERO })
    );
}

#[test]
fn an_allowance_is_used_up() {
    let mut token = deployed();
    transact(DEPLOYER, || token.approve(ALICE, units(10))).expect("succeeds");
    chain(|chain| assert_eq!(chain.logs.last().expect("a log").topics[0], Approval::TOPIC));
    transact(ALICE, || token.transfer_from(DEPLOYER, BOB, units(7))).expect("succeeds");
    assert_eq!(token.allowance(DEPLOYER, ALICE), units(3));
    assert_eq!(token.balance_of(BOB), units(7));
    assert_eq!(
        transact(ALICE, || token.transfer_from(DEPLOYER, BOB, units(4))),
        Err(Error::ERC20InsufficientAllowance { spender: ALICE, allowance: units(3), needed: units(4) })
    );
    transact(DEPLOYER, || token.approve(ALICE, U256::MAX)).expect("succeeds");
    transact(ALICE, || token.transfer_from(DEPLOYER, BOB, units(4))).expect("succeeds");
    assert_eq!(token.allowance(DEPLOYER, ALICE), U256::MAX);
}

#[test]
fn selectors_are_those_of_erc20() {
    let token = deployed();
    let call = |selector: u32, arguments: &[u8]| Token::call(&[&selector.to_be_bytes()[..], arguments].concat());
    let two = (ALICE, units(1)).encode_parameters();
    assert_eq!(call(0xa905_9cbb, &two), Ok((true,).encode_parameters()), "transfer");
    assert_eq!(call(0x095e_a7b3, &two), Ok((true,).encode_parameters()), "approve");
    let owner = (DEPLOYER,).encode_parameters();
    assert_eq!(call(0x70a0_8231, &owner), Ok((token.balance_of(DEPLOYER),).encode_parameters()), "balanceOf");
    assert_eq!(call(0x1816_0ddd, &[]), Ok((SUPPLY,).encode_parameters()), "totalSupply");
    assert_eq!(call(0x313c_e567, &[]), Ok((18_u8,).encode_parameters()), "decimals");
    assert_eq!(call(0x06fd_de03, &[]), Ok(("Entente Token",).encode_parameters()), "name");
    assert_eq!(call(0x95d8_9b41, &[]), Ok(("ENT",).encode_parameters()), "symbol");
    let pair = (DEPLOYER, ALICE).encode_parameters();
    assert_eq!(call(0xdd62_ed3e, &pair), Ok((units(1),).encode_parameters()), "allowance");
    let three = (DEPLOYER, BOB, units(1)).encode_parameters();
    assert!(call(0x23b8_72dd, &three).is_err(), "transferFrom, without an allowance of oneself");
}
