//! Random programs of the EVM under the executor and under plain revm: the same gas, logs and state.
#![allow(unreachable_pub, reason = "what these modules share among themselves")]

#[path = "../common/ethereum.rs"]
mod ethereum;
mod program;
#[path = "../common/reference.rs"]
mod reference;

use std::{collections::BTreeMap, sync::LazyLock};

use entente_crypto::{SecretKey, Suite};
use entente_executor::EXECUTION_STACK_BYTES;
use entente_host::EthereumEnvironment;
use entente_types::{Address, Amount, Authorization, EthereumTransaction, Hash, Status};
use ethereum::{Environment, Legacy, SetCode, State, authorize, difference};
use program::{AUTHORITIES, CONTRACTS, Program, program};
use proptest::prelude::*;
use reference::Came;
use ruint::aliases::U256;

pub(crate) fn contract(number: u8) -> Address {
    Address([0xc0 + number; 20])
}

const CHAIN_ID: u64 = 20_200;

/// The sender, whose code may be set too, and the other authorities.
fn authority(number: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[1 + number; 32]).expect("a key")
}

pub(crate) fn authority_address(number: u8) -> Address {
    static ADDRESSES: LazyLock<Vec<Address>> =
        LazyLock::new(|| (0..AUTHORITIES).map(|number| authority(number).public_key().address()).collect());
    ADDRESSES[usize::from(number)]
}

/// A contract, an authority, a precompile or nobody.
fn any_address(number: u8) -> Address {
    let mut last = Address::ZERO;
    match number {
        0..CONTRACTS => contract(number),
        CONTRACTS..OTHERS => authority_address(number - CONTRACTS),
        _ => {
            last.0[19] = number - OTHERS;
            last
        }
    }
}

/// Where the addresses of precompiles begin, the first of which is nobody's.
const OTHERS: u8 = CONTRACTS + AUTHORITIES;

/// Whose code is to stand for which account.
#[derive(Debug, Clone)]
struct Authorized {
    by: u8,
    to: u8,
    /// 0 is the next, as far as no code has raised it.
    nonce_above: u8,
    chain_id: u64,
    is_damaged: bool,
}

#[derive(Debug, Clone)]
struct Sent {
    /// Nothing creates a contract.
    to: Option<u8>,
    /// Where there is one, it sets code.
    authorized: Vec<Authorized>,
    gas_limit: u64,
    gas_price: u64,
    value: u64,
    input: Vec<u8>,
    creates: Program,
    /// The nonce is another than the next.
    skips: bool,
}

#[derive(Debug, Clone)]
struct World {
    programs: Vec<Program>,
    /// Whose code stands for an authority at first.
    delegated: Vec<Option<u8>>,
    sent: Vec<Sent>,
    balance: u64,
    base_fee: u64,
}

fn authorized() -> impl Strategy<Value = Authorized> {
    let nonce_above = prop_oneof![12 => Just(0_u8), 1 => 1_u8..3];
    let chain_id = prop_oneof![8 => Just(CHAIN_ID), 3 => Just(0), 1 => any::<u64>()];
    (0..AUTHORITIES, 0..OTHERS + 3, nonce_above, chain_id, proptest::bool::weighted(0.05)).prop_map(
        |(by, to, nonce_above, chain_id, is_damaged)| Authorized { by, to, nonce_above, chain_id, is_damaged },
    )
}

fn sent() -> impl Strategy<Value = Sent> {
    let to = prop_oneof![6 => (0..OTHERS).prop_map(Some), 1 => Just(None)];
    let authorized = prop_oneof![1 => Just(vec![]), 1 => proptest::collection::vec(authorized(), 1..4)];
    let gas = prop_oneof![3 => Just(1_000_000_u64), 1 => 20_000_u64..200_000];
    let skips = prop_oneof![15 => Just(false), 1 => Just(true)];
    let input = proptest::collection::vec(any::<u8>(), 0..80);
    (to, authorized, gas, 0_u64..20, 0_u64..3, input, program(1, 6), skips).prop_map(
        |(to, authorized, gas_limit, gas_price, value, input, creates, skips)| Sent {
            to,
            authorized,
            gas_limit,
            gas_price,
            value,
            input,
            creates,
            skips,
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let programs = proptest::collection::vec(program(2, 10), usize::from(CONTRACTS));
    let delegated = proptest::collection::vec(proptest::option::of(0..OTHERS + 3), usize::from(AUTHORITIES));
    (programs, delegated, proptest::collection::vec(sent(), 1..4), 10_000_000_u64..100_000_000, 0_u64..12).prop_map(
        |(programs, delegated, sent, balance, base_fee)| World { programs, delegated, sent, balance, base_fee },
    )
}

impl World {
    fn before(&self) -> BTreeMap<Address, State> {
        let mut before = BTreeMap::new();
        for (number, program) in (0_u8..).zip(&self.programs) {
            let storage = [(U256::from(1), U256::from(1)), (U256::from(2), U256::from(7))].into();
            let state = State { balance: U256::from(number), nonce: 1, code: program.code(), storage };
            before.insert(contract(number), state);
        }
        for (number, delegated) in (0_u8..).zip(&self.delegated) {
            // The first is the sender; the last has nothing where nobody's code stands for it.
            let balance = U256::from([self.balance, 5, 0][usize::from(number)]);
            let code = delegated.map(|to| [&[0xef, 0x01, 0x00], &any_address(to).0[..]].concat());
            let nonce = u64::from(code.is_some() && number > 0);
            let state = State { balance, nonce, code: code.unwrap_or_default(), ..State::default() };
            if state != State::default() {
                before.insert(authority_address(number), state);
            }
        }
        before
    }

    /// Signs what is authorized by accounts with these nonces, and counts on.
    fn authorizations(sent: &Sent, nonces: &mut [u64; AUTHORITIES as usize]) -> Vec<Authorization> {
        let sign = |one: &Authorized| {
            let nonce = &mut nonces[usize::from(one.by)];
            let to = if one.to == OTHERS { Address::ZERO } else { any_address(one.to) };
            let mut signed = authorize(&authority(one.by), one.chain_id, to, *nonce + u64::from(one.nonce_above));
            let is_for_here = one.chain_id == 0 || one.chain_id == CHAIN_ID;
            *nonce += u64::from(one.nonce_above == 0 && is_for_here && !one.is_damaged);
            signed.signature[64] += if one.is_damaged { 27 } else { 0 };
            signed
        };
        sent.authorized.iter().map(sign).collect()
    }

    fn transactions(&self) -> Vec<EthereumTransaction> {
        let mut nonces = [0, 1, 2].map(|number| u64::from(number > 0 && self.delegated[number].is_some()));
        let sign = |sent: &Sent| {
            let nonce = nonces[0] + u64::from(sent.skips);
            // Of one that is left out the authorizations do nothing.
            let mut raised = nonces;
            raised[0] += 1;
            let authorizations = Self::authorizations(sent, &mut raised);
            if !sent.skips {
                nonces = raised;
            }
            let Sent { gas_price, gas_limit, value, .. } = *sent;
            let input = if sent.to.is_none() { sent.creates.creating() } else { sent.input.clone() };
            match sent.to.map(any_address) {
                Some(to) if !authorizations.is_empty() => {
                    SetCode { nonce, gas_price, gas_limit, to, value, input, authorizations }
                        .sign(&authority(0), CHAIN_ID)
                }
                to => Legacy { nonce, gas_price, gas_limit, to, value, input }.sign(&authority(0), CHAIN_ID),
            }
        };
        self.sent.iter().map(sign).collect()
    }

    fn environment(&self) -> Environment {
        Environment {
            chain_id: CHAIN_ID,
            height: 300,
            timestamp_s: 1_700_000_000,
            gas_limit: 100_000_000,
            proposer: Address([0xfe; 20]),
            ethereum: EthereumEnvironment {
                base_fee: Amount::from(self.base_fee),
                blob_base_fee: Amount::from(1_u64),
                prevrandao: Hash([3; 32]),
            },
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let (before, transactions) = (self.before(), self.transactions());
        let (theirs, their_state) = reference::execute(&self.environment(), &before, &transactions);
        let ours = ethereum::execute(&self.environment(), &before, transactions).map_err(TestCaseError::fail)?;
        let left_out: Vec<usize> = ours.block.left_out.iter().map(|one| one.position as usize).collect();
        let mut receipts = ours.block.receipts.iter();
        for (position, came) in theirs.iter().enumerate() {
            prop_assert_eq!(left_out.contains(&position), came.is_none(), "{}", position);
            if came.is_some() {
                let found = receipts.next().map(|receipt| Came {
                    success: receipt.status == Status::Success,
                    gas_used: receipt.gas_used,
                    logs: receipt.logs.clone(),
                });
                prop_assert_eq!(&found, came);
            }
        }
        prop_assert_eq!(difference(&ours.state, &their_state), None);
        Ok(())
    }
}

fn on_a_large_stack(run: impl FnOnce() + Send) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(EXECUTION_STACK_BYTES).build();
    pool.expect("a thread").install(run);
}

/// `ENTENTE_CASES` runs so many instead.
#[test]
fn the_executor_equals_plain_revm() {
    let cases = std::env::var("ENTENTE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    on_a_large_stack(|| {
        proptest!(ProptestConfig { cases, ..ProptestConfig::default() }, |(world in world())| world.check()?);
    });
}
