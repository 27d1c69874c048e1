//! 0x1000 through a real executor, in a pipeline three heights deep.

mod common;

use common::{Chain, code, decode, encode, genesis_of, key_of, unsigned};
use entente_crypto::{Suite, keccak256, sm3};
use entente_precompiles::SYSTEM_CONFIGURATION;
use entente_types::{ConfigurationKey, Genesis, Limits, Status};
use proptest::prelude::*;

const DEPTH: u64 = 3;
/// Enough for any call of the module, and below every limit that can be set.
const GAS: u64 = 99_000;

impl Chain {
    fn new() -> Self {
        Self::of(Suite::Standard)
    }

    fn of(suite: Suite) -> Self {
        let genesis = Genesis {
            pipeline_depth: DEPTH as u32,
            limits: Limits { block_gas: 10_000_000, transaction_gas: 5_000_000, block_transactions: 100 },
            ..genesis_of(suite, [200])
        };
        Self::from_genesis(genesis, SYSTEM_CONFIGURATION, GAS)
    }

    /// Sets a key in a block of its own: the code.
    fn set(&mut self, seed: u8, name: &str, value: &str) -> i64 {
        self.send(seed, set_input(name, value))
    }

    /// What the module says of a key: its value and the height.
    fn get(&self, name: &str) -> (String, u64) {
        let read = self.read(get_input(name), "(string,uint256)");
        let parts = read.as_tuple().unwrap();
        (parts[0].as_str().unwrap().to_owned(), unsigned(&parts[1]))
    }

    /// The limits for the heights above the tip.
    fn limits_ahead(&self, key: ConfigurationKey) -> Vec<String> {
        let entry = self.tip.configuration.entry(key);
        (1..=DEPTH + 1).map(|ahead| entry.at(self.number() + ahead).value.clone()).collect()
    }
}

fn set_input(name: &str, value: &str) -> Vec<u8> {
    encode("setValueByKey(string,string)", vec![name.to_owned().into(), value.to_owned().into()])
}

fn get_input(name: &str) -> Vec<u8> {
    encode("getValueByKey(string)", vec![name.to_owned().into()])
}

#[test]
fn a_value_rules_as_many_blocks_later_as_the_pipeline_is_deep() {
    let mut chain = Chain::new();
    assert_eq!(chain.get("tx_count_limit"), ("100".into(), 0));
    assert_eq!(chain.set(1, "tx_count_limit", "7"), 1);
    // Reads show it at once, with its height.
    assert_eq!(chain.get("tx_count_limit"), ("7".into(), 1 + DEPTH));
    let limits = |chain: &Chain| chain.limits_ahead(ConfigurationKey::BlockTransactions);
    assert_eq!(limits(&chain), ["100", "100", "7", "7"]);
    // A second decision before the first one rules takes nothing from it.
    assert_eq!(chain.set(2, "TX_COUNT_LIMIT", "8"), 1);
    assert_eq!(limits(&chain), ["100", "7", "8", "8"]);
    chain.empty_blocks(1);
    assert_eq!(limits(&chain), ["7", "8", "8", "8"]);
    chain.empty_blocks(5);
    assert_eq!((limits(&chain), chain.get("tx_count_limit")), (vec!["8".to_owned(); 4], ("8".into(), 2 + DEPTH)));
}

#[test]
fn execution_obeys_a_limit_from_its_height_on_and_not_before() {
    let mut chain = Chain::new();
    assert_eq!(chain.set(1, "tx_gas_limit", "200000"), 1);
    for ahead in 1..=DEPTH {
        let transaction = chain.sign(1, Some(SYSTEM_CONFIGURATION), get_input("tx_gas_limit"), 300_000);
        let receipt = chain.commit(&[transaction]).remove(0);
        let expected = if ahead < DEPTH { Status::Success } else { Status::OutOfGasIntrinsic };
        assert_eq!(receipt.status, expected, "{ahead}");
    }
    // And it can be raised again from below the least limit.
    assert_eq!(chain.set(1, "tx_gas_limit", "100000"), 1);
    chain.empty_blocks(DEPTH);
    assert_eq!(chain.set(1, "tx_gas_limit", "5000000"), 1);
}

#[test]
fn values_that_break_a_rule_change_nothing() {
    let mut chain = Chain::new();
    let root = |chain: &Chain| chain.tip.configuration.clone();
    let before = root(&chain);
    for (name, value) in [
        ("tx_count_limit", "0"),
        ("tx_count_limit", "100001"),
        ("tx_count_limit", "010"),
        ("tx_count_limit", "+10"),
        ("tx_count_limit", "10 "),
        ("tx_count_limit", ""),
        ("tx_count_limit", "99999999999999999999999999"),
        ("tx_gas_limit", "99999"),
        ("tx_gas_limit", "10000001"),
        ("block_gas_limit", "4999999"),
        ("block_gas_limit", "18446744073709551615"),
        ("protocol_version", "1"),
        ("protocol_version", "3"),
        ("empty_block_period_ms", "99"),
        ("empty_block_period_ms", "86400001"),
        ("consensus_timeout", "5"),
        ("rpbft_epoch_sealer_num", "4"),
        ("rpbft_epoch_block_num", "1000"),
        ("", "1"),
        ("tx_count_limit\0", "1"),
    ] {
        let receipt = chain.one(1, set_input(name, value));
        assert_eq!((receipt.status, code(&receipt)), (Status::Success, -51_300), "{name} {value}");
        assert!(receipt.logs.is_empty());
    }
    assert_eq!(root(&chain), before);
}

#[test]
fn a_limit_fits_those_beside_it_at_every_height_at_which_it_rules() {
    let mut chain = Chain::new();
    // A block of 20 million is decided, and rules with what is decided in the same block or later.
    let set = |chain: &mut Chain, name: &str, value: &str| chain.call_of(1, set_input(name, value));
    let raise = [set(&mut chain, "block_gas_limit", "20000000"), set(&mut chain, "tx_gas_limit", "20000000")];
    assert_eq!(chain.commit(&raise).iter().map(code).collect::<Vec<_>>(), [1, 1]);
    // Lowered again in this order only: a transaction's limit is never above its block's.
    let lower = [set(&mut chain, "block_gas_limit", "19999999"), set(&mut chain, "tx_gas_limit", "1000000")];
    assert_eq!(chain.commit(&lower).iter().map(code).collect::<Vec<_>>(), [-51_300, 1]);
    assert_eq!(chain.set(1, "block_gas_limit", "1000000"), 1);
    for height in 0..chain.number() + 2 * DEPTH {
        let limits = chain.tip.configuration.limits(height).expect("numbers");
        assert!(limits.transaction_gas <= limits.block_gas, "{height}: {limits:?}");
    }
}

#[test]
fn only_a_sealer_itself_raises_the_version() {
    let mut chain = Chain::new();
    assert_eq!(chain.set(1, "protocol_version", "2"), -50_000);
    // A contract that a sealer calls does not act for it: it hands its input on to the module.
    let relay = chain.deploy_relay();
    for (input, expected) in [(set_input("protocol_version", "2"), -50_000), (set_input("tx_count_limit", "9"), 1)] {
        let transaction = chain.sign(200, Some(relay), input, 200_000);
        assert_eq!(code(&chain.commit(&[transaction]).remove(0)), expected);
    }
    assert_eq!(chain.set(200, "protocol_version", "2"), 1);
    assert_eq!(chain.get("protocol_version"), ("2".into(), chain.number() + DEPTH));
    // The next one only when this one has ruled a block.
    assert_eq!(chain.set(200, "protocol_version", "3"), 1);
    let twice = [
        chain.call_of(200, set_input("protocol_version", "4")),
        chain.call_of(200, set_input("protocol_version", "5")),
    ];
    // Version 2 rules this block, and the next one version 3, which this release does not know.
    let height = chain.number() + DEPTH - 1;
    assert_eq!(chain.executor.rules(chain.state.as_ref(), height).expect("known").protocol_version, 2);
    let rules = chain.executor.rules(chain.state.as_ref(), height + 1).unwrap_err().to_string();
    assert!(rules.starts_with("protocol version 3 rules from block"), "{rules}");
    assert_eq!(chain.commit(&twice).iter().map(code).collect::<Vec<_>>(), [1, -51_300]);
}

#[test]
fn empty_blocks_are_asked_for_by_a_sealer_and_by_nobody_else() {
    let mut chain = Chain::new();
    let key = "empty_block_period_ms";
    let period = |chain: &Chain, height| chain.tip.configuration.empty_block_period_ms(height).expect("a number");
    // No row says so: groups that began before there was such a key go on as they were.
    assert_eq!((chain.get(key), period(&chain, 1)), (("0".into(), 0), None));
    assert_eq!(chain.set(1, key, "500"), -50_000);
    assert_eq!(chain.set(200, key, "500"), 1);
    let from = chain.number() + 1;
    assert_eq!(chain.get(key), ("500".into(), from));
    assert_eq!((period(&chain, from - 1), period(&chain, from)), (None, Some(500)));
    assert_eq!(chain.set(200, key, "0"), 1);
    let from = chain.number() + 1;
    assert_eq!((period(&chain, from - 1), period(&chain, from)), (Some(500), None));
}

#[test]
fn a_change_is_told_and_costs_what_the_table_says() {
    let mut chain = Chain::new();
    let receipt = chain.one(7, set_input("tx_count_limit", "55"));
    let [log] = receipt.logs.as_slice() else { panic!("{receipt:?}") };
    assert_eq!(log.address, SYSTEM_CONFIGURATION);
    assert_eq!(log.topics[0], keccak256(b"ConfigurationSet(address,string,string,uint256)"));
    assert_eq!(log.topics[1].0[12..], key_of(Suite::Standard, 7).public_key().address().0);
    let data = decode("(string,string,uint256)", &log.data);
    let parts = data.as_tuple().unwrap();
    assert_eq!((parts[0].as_str(), parts[1].as_str()), (Some("tx_count_limit"), Some("55")));
    assert_eq!(unsigned(&parts[2]), 1 + DEPTH);

    let module = entente_precompiles::MODULES[0];
    let set = module.functions[0];
    let input = set_input("tx_count_limit", "56");
    let units = entente_host::gas::SCHEDULE_1.intrinsic(&input, false).unwrap()
        + (set.gas)(&entente_host::gas::SCHEDULE_1).units(input.len() - 4)
        + 32 * entente_host::gas::SCHEDULE_1.output_byte;
    let gas = entente_host::gas::to_gas(units);
    let enough = chain.sign(1, Some(SYSTEM_CONFIGURATION), input.clone(), gas);
    let little = chain.sign(1, Some(SYSTEM_CONFIGURATION), input, gas - 1);
    let receipts = chain.commit(&[enough, little]);
    assert_eq!((receipts[0].status, receipts[0].gas_used), (Status::Success, gas));
    assert_eq!(receipts[1].status, Status::OutOfGas);
}

#[test]
fn malformed_calls_fail_and_name_why() {
    let mut chain = Chain::new();
    let whole = set_input("tx_count_limit", "5");
    for (input, expected) in [
        (whole[..whole.len() - 40].to_vec(), "an offset or length is beyond their end"),
        (whole[..4].to_vec(), "an offset or length is beyond their end"),
        (vec![1, 2, 3, 4], "no such function"),
        (get_input("colour"), "has no key \"colour\"; it has tx_count_limit, tx_gas_limit"),
    ] {
        let receipt = chain.one(1, input);
        assert_eq!(receipt.status, Status::PrecompiledError);
        let message = receipt.error.expect("an error").message;
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_guomi_group_answers_sm3_selectors() {
    let mut input = set_input("tx_count_limit", "12");
    assert_eq!(code(&Chain::of(Suite::Guomi).call(input.clone())), 1);
    input[..4].copy_from_slice(&sm3(b"setValueByKey(string,string)").0[..4]);
    assert_eq!(code(&Chain::of(Suite::Guomi).call(input.clone())), 1);
    assert_eq!(Chain::new().call(input).status, Status::PrecompiledError);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever anybody sets, a model with one list of all decisions says the same, and limits fit one another.
    #[test]
    fn the_module_equals_a_model(
        steps in proptest::collection::vec((0_usize..3, 0_u64..40, 0_u64..3), 1..25)
    ) {
        let mut chain = Chain::new();
        let names = ["tx_count_limit", "tx_gas_limit", "block_gas_limit"];
        let mut decided: Vec<Vec<(u64, u64)>> = vec![vec![(0, 100)], vec![(0, 5_000_000)], vec![(0, 10_000_000)]];
        let at = |list: &[(u64, u64)], height| list.iter().rev().find(|one| one.0 <= height).map_or(0, |one| one.1);
        for (index, size, blocks) in steps {
            chain.empty_blocks(blocks);
            let value = if index == 0 { size * 3_000 } else { 50_000 + size * 400_000 };
            let from = chain.number() + 1 + DEPTH;
            let (transaction, block) = (at(&decided[1], from), at(&decided[2], from));
            let fits = match index {
                0 => (1..=100_000).contains(&value),
                1 => value >= 100_000 && value <= block,
                _ => value >= 100_000 && value >= transaction,
            };
            let found = chain.set(1, names[index], &value.to_string());
            prop_assert_eq!(found, if fits { 1 } else { -51_300 });
            if fits {
                decided[index].push((from, value));
            }
            for height in chain.number()..chain.number() + 2 * DEPTH {
                let limits = chain.tip.configuration.limits(height).expect("numbers");
                prop_assert_eq!(u64::from(limits.block_transactions), at(&decided[0], height));
                prop_assert_eq!(limits.transaction_gas, at(&decided[1], height));
                prop_assert_eq!(limits.block_gas, at(&decided[2], height));
                prop_assert!(limits.transaction_gas <= limits.block_gas);
            }
        }
    }
}
