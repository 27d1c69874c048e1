//! Random programs of the EVM under the executor and under plain revm: the same gas, logs and state.
#![allow(unreachable_pub, reason = "what these modules share among themselves")]

#[path = "../common/ethereum.rs"]
mod ethereum;
mod program;
#[path = "../common/reference.rs"]
mod reference;

use std::collections::BTreeMap;

use entente_crypto::{SecretKey, Suite};
use entente_executor::EXECUTION_STACK_BYTES;
use entente_host::EthereumEnvironment;
use entente_types::{Address, Amount, EthereumTransaction, Hash, Status};
use ethereum::{Environment, Legacy, State, difference};
use program::{CONTRACTS, Program, program};
use proptest::prelude::*;
use reference::Came;
use ruint::aliases::U256;

pub(crate) fn contract(number: u8) -> Address {
    Address([0xc0 + number; 20])
}

fn sender() -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[1; 32]).expect("a key")
}

#[derive(Debug, Clone)]
struct Sent {
    /// Nothing creates a contract.
    to: Option<u8>,
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
    sent: Vec<Sent>,
    balance: u64,
    base_fee: u64,
}

fn sent() -> impl Strategy<Value = Sent> {
    let to = prop_oneof![6 => (0..CONTRACTS).prop_map(Some), 1 => Just(None)];
    let gas = prop_oneof![3 => Just(1_000_000_u64), 1 => 20_000_u64..200_000];
    let skips = prop_oneof![15 => Just(false), 1 => Just(true)];
    (to, gas, 0_u64..20, 0_u64..3, proptest::collection::vec(any::<u8>(), 0..80), program(1, 6), skips).prop_map(
        |(to, gas_limit, gas_price, value, input, creates, skips)| Sent {
            to,
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
    (programs, proptest::collection::vec(sent(), 1..4), 10_000_000_u64..100_000_000, 0_u64..12)
        .prop_map(|(programs, sent, balance, base_fee)| World { programs, sent, balance, base_fee })
}

impl World {
    fn before(&self) -> BTreeMap<Address, State> {
        let mut before = BTreeMap::new();
        for (number, program) in (0_u8..).zip(&self.programs) {
            let storage = [(U256::from(1), U256::from(1)), (U256::from(2), U256::from(7))].into();
            let state = State { balance: U256::from(number), nonce: 1, code: program.code(), storage };
            before.insert(contract(number), state);
        }
        let state = State { balance: U256::from(self.balance), ..State::default() };
        before.insert(sender().public_key().address(), state);
        before
    }

    fn transactions(&self) -> Vec<EthereumTransaction> {
        let mut nonce = 0;
        let sign = |sent: &Sent| {
            let used = nonce + u64::from(sent.skips);
            nonce += u64::from(!sent.skips);
            let input = if sent.to.is_none() { sent.creates.creating() } else { sent.input.clone() };
            Legacy {
                nonce: used,
                gas_price: sent.gas_price,
                gas_limit: sent.gas_limit,
                to: sent.to.map(contract),
                value: sent.value,
                input,
            }
            .sign(&sender(), 20_200)
        };
        self.sent.iter().map(sign).collect()
    }

    fn environment(&self) -> Environment {
        Environment {
            chain_id: 20_200,
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
