//! 0x1003 through a real executor, in pipelines one to four heights deep.

mod common;

use std::{collections::BTreeMap, sync::Arc};

use alloy_dyn_abi::DynSolValue;
use common::{Chain, code, decode, encode, genesis_of, key_of, unsigned};
use entente_crypto::{SecretKey, Suite, keccak256, sm3};
use entente_executor::{Executor, Sealers, genesis_block};
use entente_host::gas::{SCHEDULE_1, to_gas};
use entente_precompiles::{MEMBERS, MODULES, registry};
use entente_state::{LayeredState, MapState, StateReader};
use entente_types::{ConsensusKind, Genesis, Member, SealerHistory, limits::SEALERS_MAX, read_observers, sealers_hash};
use proptest::prelude::*;

const GAS: u64 = 1_500_000;

/// The node's identifier of the key with this number.
fn id(seed: u8) -> String {
    id_of(Suite::Standard, seed)
}

fn id_of(suite: Suite, seed: u8) -> String {
    key_of(suite, seed).public_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn member(seed: u8, weight: u32) -> Member {
    Member { key: key_of(Suite::Standard, seed).public_key(), weight }
}

impl Chain {
    /// Sealers with the keys from 1 on.
    fn new(sealers: u8, depth: u32) -> Self {
        Self::of(Suite::Standard, ConsensusKind::Pbft, sealers, depth)
    }

    fn of(suite: Suite, consensus: ConsensusKind, sealers: u8, depth: u32) -> Self {
        let genesis = Genesis { consensus, pipeline_depth: depth, ..genesis_of(suite, 1..=sealers) };
        Self::from_genesis(genesis, MEMBERS, GAS)
    }

    /// What the module says of the set that was decided last: identifiers, weights, and the height.
    fn sealers(&self) -> (Vec<String>, Vec<u64>, u64) {
        let read = self.read(encode("sealers()", vec![]), "(string[],uint256[],uint256)");
        let parts = read.as_tuple().unwrap();
        (texts(&parts[0]), parts[1].as_array().unwrap().iter().map(unsigned).collect(), unsigned(&parts[2]))
    }

    fn observers(&self) -> Vec<String> {
        texts(&self.read(encode("observers()", vec![]), "(string[])").as_tuple().unwrap()[0])
    }

    /// The sets that rule the heights above the tip, as far as they are known.
    fn ahead(&self) -> Vec<Vec<Member>> {
        let height = self.number();
        let depth = u64::from(self.genesis.pipeline_depth);
        (height + 1..=height + depth).map(|height| self.tip.sealers.at(height).to_vec()).collect()
    }
}

fn texts(value: &DynSolValue) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn input(function: &str, node_id: &str) -> Vec<u8> {
    encode(&format!("{function}(string)"), vec![node_id.to_owned().into()])
}

fn weight_input(node_id: &str, weight: u64) -> Vec<u8> {
    encode("setWeight(string,uint256)", vec![node_id.to_owned().into(), weight.into()])
}

#[test]
fn a_set_rules_as_many_blocks_later_as_the_pipeline_is_deep() {
    for depth in 1..=4_u32 {
        let mut chain = Chain::new(2, depth);
        let (old, new) = (vec![member(1, 1), member(2, 1)], vec![member(1, 1), member(2, 1), member(3, 1)]);
        let named = |chain: &Chain| chain.tip.header.next_sealers;
        let hash = |set: &[Member]| sealers_hash(Suite::Standard, set);
        chain.empty_blocks(2);
        assert_eq!((chain.sealers().2, named(&chain)), (0, hash(&old)));
        assert_eq!(chain.send(1, input("addSealer", &id(3))), 1);
        let (decided, rules_from) = (chain.number(), chain.number() + u64::from(depth));
        assert_eq!(chain.sealers(), (vec![id(1), id(2), id(3)], vec![1, 1, 1], rules_from));
        while chain.number() < rules_from + 1 {
            let expected = if chain.number() + 1 < rules_from { &old } else { &new };
            assert_eq!(named(&chain), hash(expected), "header {} of {depth}", chain.number());
            for height in chain.number()..chain.number() + u64::from(depth) {
                let expected = if height < rules_from { &old } else { &new };
                assert_eq!(chain.tip.sealers.at(height)[..], expected[..], "{height} seen from {}", chain.number());
            }
            chain.empty_blocks(1);
        }
        // The new member may change something only when it seals.
        assert_eq!(decided + u64::from(depth), rules_from);
        let history: Vec<_> = SealerHistory::new(chain.state.as_ref(), &chain.genesis).unwrap().collect();
        let history: Vec<_> = history.into_iter().map(|set| set.unwrap().from).collect();
        assert_eq!(history, [rules_from, 0]);
    }
}

#[test]
fn a_new_sealer_may_change_members_from_the_height_that_it_seals() {
    let mut chain = Chain::new(1, 3);
    assert_eq!(chain.send(1, input("addSealer", &id(2))), 1);
    let rules_from = chain.number() + 3;
    while chain.number() + 1 < rules_from {
        assert_eq!(chain.send(2, input("addObserver", &id(9))), -50_000, "block {}", chain.number());
    }
    assert_eq!(chain.send(2, input("remove", &id(1))), 1);
    // And one that goes, up to the height at which it does.
    let gone_from = chain.number() + 3;
    while chain.number() + 1 < gone_from {
        assert_eq!(chain.send(1, input("addSealer", &id(2))), -51_104);
    }
    assert_eq!(chain.send(1, input("addSealer", &id(3))), -50_000);
    assert_eq!(chain.ahead(), vec![vec![member(2, 1)]; 3]);
}

#[test]
fn each_way_from_role_to_role_is_gone_and_told() {
    let mut chain = Chain::new(2, 2);
    let mut go = |function: &str, seed: u8, role: &str, weight: u64, ahead: u64| {
        let receipt = chain.one(1, input(function, &id(seed)));
        assert_eq!(code(&receipt), 1, "{function} {seed}");
        let [log] = receipt.logs.as_slice() else { panic!("{receipt:?}") };
        assert_eq!((log.address, log.topics.len()), (MEMBERS, 2));
        assert_eq!(log.topics[0], keccak256(b"MemberSet(address,string,string,uint256,uint256)"));
        assert_eq!(log.topics[1].0[12..], key_of(Suite::Standard, 1).public_key().address().0);
        let data = decode("(string,string,uint256,uint256)", &log.data);
        let parts = data.as_tuple().unwrap();
        assert_eq!((parts[0].as_str(), parts[1].as_str()), (Some(id(seed).as_str()), Some(role)));
        assert_eq!((unsigned(&parts[2]), unsigned(&parts[3])), (weight, chain.number() + ahead));
        (chain.sealers().0, chain.observers())
    };
    let ids = |seeds: &[u8]| seeds.iter().map(|seed| id(*seed)).collect::<Vec<_>>();
    assert_eq!(go("addObserver", 3, "observer", 0, 1), (ids(&[1, 2]), ids(&[3])));
    assert_eq!(go("addObserver", 4, "observer", 0, 1), (ids(&[1, 2]), ids(&[3, 4])));
    assert_eq!(go("addSealer", 3, "sealer", 1, 2), (ids(&[1, 2, 3]), ids(&[4])));
    assert_eq!(go("addObserver", 2, "observer", 0, 2), (ids(&[1, 3]), ids(&[4, 2])));
    assert_eq!(go("remove", 4, "free", 0, 1), (ids(&[1, 3]), ids(&[2])));
    assert_eq!(go("remove", 3, "free", 0, 2), (ids(&[1]), ids(&[2])));
    assert_eq!(go("addSealer", 3, "sealer", 1, 2), (ids(&[1, 3]), ids(&[2])));
    assert_eq!(go("remove", 2, "free", 0, 1), (ids(&[1, 3]), vec![]));
    assert_eq!(read_observers(chain.state.as_ref()).unwrap(), vec![]);
}

#[test]
fn weights_are_set_and_bounded() {
    let mut chain = Chain::new(2, 1);
    assert_eq!(chain.send(2, weight_input(&id(1), 7)), 1);
    assert_eq!(chain.sealers(), (vec![id(1), id(2)], vec![7, 1], chain.number() + 1));
    let before = chain.sealers();
    assert_eq!(chain.send(2, weight_input(&id(1), 7)), 0, "it has it already");
    assert_eq!(chain.send(2, weight_input(&id(1), 0)), -51_112);
    assert_eq!(chain.send(2, weight_input(&id(1), 1 << 32)), -51_112);
    assert_eq!(chain.send(2, weight_input(&id(1), u64::MAX)), -51_112);
    assert_eq!(chain.send(2, weight_input(&id(3), 5)), -51_113);
    assert_eq!(chain.send(2, input("addObserver", &id(3))), 1);
    assert_eq!(chain.send(2, weight_input(&id(3), 5)), -51_113, "an observer has none");
    assert_eq!(chain.send(3, weight_input(&id(1), 5)), -50_000);
    assert_eq!(chain.sealers(), before);
    assert_eq!(chain.send(1, weight_input(&id(2), u32::MAX.into())), 1);
    assert_eq!(chain.ahead(), [vec![member(1, 7), member(2, u32::MAX)]]);
    // Beyond 64 bits.
    let mut large = weight_input(&id(1), 5);
    large[4 + 32] = 1;
    assert_eq!(chain.send(1, large), -51_112);
}

#[test]
fn what_breaks_a_rule_has_its_code_and_changes_nothing() {
    let mut chain = Chain::new(1, 2);
    assert_eq!(chain.send(1, input("addObserver", &id(5))), 1);
    let rows = |chain: &Chain| (chain.tip.sealers.clone(), read_observers(chain.state.as_ref()).unwrap());
    let before = rows(&chain);
    let guomi = id_of(Suite::Guomi, 3);
    let with_prefix = format!("0x{}", &id(3)[2..]);
    let signed = format!("+{}", &id(3)[1..]);
    let no_point = "00".repeat(64);
    for text in
        ["", "00", &id(3)[1..], &format!("{}0", id(3)), &guomi, &with_prefix, &signed, &no_point, &"g".repeat(128)]
    {
        for function in ["addSealer", "addObserver", "remove"] {
            assert_eq!(chain.send(1, input(function, text)), -51_100, "{function} {text}");
        }
        assert_eq!(chain.send(1, weight_input(text, 1)), -51_100, "{text}");
    }
    for (function, seed, expected) in [
        ("addSealer", 1, -51_104),
        ("addObserver", 5, -51_105),
        ("addObserver", 1, -51_101),
        ("remove", 1, -51_101),
        ("remove", 7, -51_103),
    ] {
        assert_eq!(chain.send(1, input(function, &id(seed))), expected, "{function} {seed}");
        assert!(chain.tip.receipts[0].logs.is_empty());
        assert_eq!(chain.send(9, input(function, &id(seed))), -50_000, "{function} {seed} by a stranger");
    }
    assert_eq!(rows(&chain), before);
    // Capital digits name the same node.
    assert_eq!(chain.send(1, input("addSealer", &id(1).to_uppercase())), -51_104);
    assert_eq!(chain.send(1, input("addSealer", &id(2).to_uppercase())), 1);
    assert_eq!(chain.sealers().0, [id(1), id(2)]);
    // The last one is the last of those that were decided, whoever rules still.
    assert_eq!(chain.send(1, input("remove", &id(1))), 1);
    assert_eq!(chain.send(1, input("remove", &id(2))), -51_101);
}

#[test]
fn a_solo_group_keeps_its_one_sealer() {
    let mut chain = Chain::of(Suite::Standard, ConsensusKind::Solo, 1, 1);
    assert_eq!(chain.send(1, input("addSealer", &id(2))), -51_110);
    assert_eq!(chain.send(1, input("addObserver", &id(2))), 1);
    assert_eq!(chain.send(1, input("addSealer", &id(2))), -51_110, "an observer neither");
    assert_eq!(chain.send(1, input("remove", &id(1))), -51_101);
    assert_eq!(chain.ahead(), [vec![member(1, 1)]]);
}

#[test]
fn a_group_has_no_more_than_so_many_sealers() {
    let mut chain = Chain::new(1, 1);
    let more = (1..SEALERS_MAX as u32).map(|seed| {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&seed.to_be_bytes());
        let key = SecretKey::from_bytes(Suite::Standard, &bytes).expect("a key").public_key();
        Member { key, weight: 1 }
    });
    let mut genesis = chain.genesis.clone();
    genesis.sealers.extend(more);
    chain.executor = Executor::new(&genesis, registry(Suite::Standard).expect("modules"));
    chain.genesis = genesis;
    assert_eq!(chain.send(1, input("addSealer", &id(2))), -51_110);
    let last = chain.genesis.sealers[SEALERS_MAX - 1].key;
    let last: String = last.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(chain.send(1, input("addObserver", &last)), 1);
    assert_eq!(chain.send(1, input("addSealer", &id(2))), 1);
    assert_eq!(chain.sealers().0.len(), SEALERS_MAX);
    assert_eq!(chain.sealers().0[SEALERS_MAX - 1], id(2));
}

#[test]
fn a_contract_does_not_act_for_the_sealer_that_calls_it() {
    let mut chain = Chain::new(1, 1);
    let relay = chain.deploy_relay();
    let through = chain.sign(1, Some(relay), input("addSealer", &id(2)), GAS);
    assert_eq!(code(&chain.commit(&[through])[0]), -50_000);
    assert_eq!(chain.send(1, input("addSealer", &id(2))), 1);
}

#[test]
fn a_change_costs_what_the_table_says() {
    let mut chain = Chain::new(1, 1);
    let input = input("addSealer", &id(2));
    let function = MODULES[1].functions[0];
    let units = SCHEDULE_1.intrinsic(&input, false).unwrap()
        + (function.gas)(&SCHEDULE_1).units(input.len() - 4)
        + 32 * SCHEDULE_1.output_byte;
    let transaction = chain.call_of(1, input);
    assert_eq!(chain.commit(&[transaction])[0].gas_used, to_gas(units));
}

#[test]
fn a_guomi_group_answers_sm3_selectors_and_has_keys_of_its_own() {
    let mut chain = Chain::of(Suite::Guomi, ConsensusKind::Pbft, 1, 1);
    let mut of_guomi = input("addSealer", &id_of(Suite::Guomi, 2));
    of_guomi[..4].copy_from_slice(&sm3(b"addSealer(string)").0[..4]);
    assert_eq!(chain.send(1, of_guomi), 1);
    assert_eq!(chain.send(1, input("addSealer", &id(3))), -51_100);
    assert_eq!(chain.sealers().0, [id_of(Suite::Guomi, 1), id_of(Suite::Guomi, 2)]);
}

#[test]
fn what_another_proposal_of_a_height_decides_is_not_remembered() {
    let mut chain = Chain::new(2, 2);
    let sets = [3, 4].map(|seed| {
        let transaction = chain.call_of(1, input("addSealer", &id(seed)));
        (chain.execute(std::slice::from_ref(&transaction)), transaction)
    });
    let [(third, _), (fourth, transaction)] = sets;
    assert_ne!(third.sealers, fourth.sealers);
    chain.commit(&[transaction]);
    assert_eq!(chain.tip.header, fourth.header);
    let state: Arc<dyn StateReader> = chain.state.clone();
    assert_eq!(chain.executor.sealers(state.as_ref()).unwrap(), chain.tip.sealers);
    // The same over the other's changes, and back.
    let base = genesis_block(&chain.genesis).unwrap();
    let mut other = MapState::default();
    other.apply(&base.changes);
    let other = LayeredState::new(third.changes.clone(), Arc::new(other));
    assert_eq!(chain.executor.sealers(&other).unwrap(), third.sealers);
    assert_eq!(Sealers::read(&other, &chain.genesis).unwrap(), third.sealers);
    assert_eq!(chain.executor.sealers(state.as_ref()).unwrap(), fourth.sealers);
}

/// What the module should say, with the list of all sets.
struct Model {
    depth: u64,
    sets: BTreeMap<u64, Vec<Member>>,
    observers: Vec<u8>,
}

impl Model {
    fn last(&self) -> Vec<Member> {
        self.sets.values().next_back().cloned().expect("the first set")
    }

    fn at(&self, height: u64) -> Vec<Member> {
        self.sets.range(..=height).next_back().map(|(_, set)| set.clone()).expect("the first set")
    }

    fn change(&mut self, now: u64, by: u8, action: u8, seed: u8, weight: u32) -> i64 {
        let mut set = self.last();
        let key = member(seed, 1).key;
        let place = set.iter().position(|member| member.key == key);
        let observes = self.observers.contains(&seed);
        if action == 3 && weight == 0 {
            return -51_112;
        }
        if !self.at(now).iter().any(|sealer| sealer.key == member(by, 1).key) {
            return -50_000;
        }
        match (action, place) {
            (0, Some(_)) => return -51_104,
            (0, None) => set.push(member(seed, 1)),
            (1, _) if observes => return -51_105,
            (1 | 2, Some(_)) if set.len() == 1 => return -51_101,
            (1 | 2, Some(place)) => drop(set.remove(place)),
            (2, None) if !observes => return -51_103,
            (3, None) => return -51_113,
            (3, Some(place)) if set[place].weight == weight => return 0,
            (3, Some(place)) => set[place].weight = weight,
            _ => {}
        }
        if action < 3 {
            self.observers.retain(|other| *other != seed);
        }
        if action == 1 {
            self.observers.push(seed);
        }
        if set != self.last() {
            self.sets.insert(now + self.depth, set);
        }
        1
    }

    fn keys(&self) -> Vec<String> {
        self.observers.iter().map(|seed| id(*seed)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// Whatever is asked, several changes in a block among it, a model with the list of all sets says the same.
    #[test]
    fn the_module_equals_a_model(
        depth in 1_u32..=4, sealers in 1_u8..=3,
        blocks in proptest::collection::vec(
            (0_u64..3, proptest::collection::vec((1_u8..7, 0_u8..4, 1_u8..7, 0_u32..3), 0..4)), 1..16,
        ),
    ) {
        let mut chain = Chain::new(sealers, depth);
        let mut model = Model {
            depth: depth.into(),
            sets: [(0, chain.genesis.sealers.clone())].into(),
            observers: vec![],
        };
        for (empty, changes) in blocks {
            chain.empty_blocks(empty);
            let now = chain.number() + 1;
            let mut transactions = Vec::new();
            let mut expected = Vec::new();
            for (by, action, seed, weight) in changes {
                let input = match action {
                    0 => input("addSealer", &id(seed)),
                    1 => input("addObserver", &id(seed)),
                    2 => input("remove", &id(seed)),
                    _ => weight_input(&id(seed), weight.into()),
                };
                transactions.push(chain.call_of(by, input));
                expected.push(model.change(now, by, action, seed, weight));
            }
            let codes: Vec<i64> = chain.commit(&transactions).iter().map(code).collect();
            prop_assert_eq!(codes, expected);
            prop_assert_eq!(chain.observers(), model.keys());
            let read = Sealers::read(chain.state.as_ref(), &chain.genesis).unwrap();
            prop_assert_eq!(&read, &chain.tip.sealers);
            for height in now..=now + u64::from(depth) {
                prop_assert_eq!(&read.at(height)[..], &model.at(height)[..], "height {} after {}", height, now);
            }
            let next = sealers_hash(Suite::Standard, &model.at(now + 1));
            prop_assert_eq!(chain.tip.header.next_sealers, next);
            // The state remembers every set there was.
            for height in 0..=now + u64::from(depth) {
                let history = SealerHistory::new(chain.state.as_ref(), &chain.genesis).unwrap();
                prop_assert_eq!(&history.ruling(height).unwrap().sealers[..], &model.at(height)[..]);
            }
        }
    }
}
