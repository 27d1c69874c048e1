//! Storage: what rows fields have, that no two values share one, and that lists and nested maps are what they seem.
#![expect(missing_docs, reason = "an example")]

use std::collections::BTreeMap;

use entente::Address;
use entente::scale::Encode;
use entente::testing::Chain;
use proptest::prelude::*;

#[entente::contract]
pub mod deep {
    use entente::prelude::*;

    #[storage]
    pub struct Deep {
        pub number: Value<u64>,
        pub plain: Map<(Address, u8), u64>,
        pub lists: Map<String, List<u64>>,
        pub maps: Map<Vec<u8>, Map<u16, Map<bool, u64>>>,
        pub items: Map<u32, Item>,
        pub row: List<Item>,
        pub numbers: List<u64>,
        pub single: Item,
        pub matrix: List<List<u64>>,
    }

    #[storage_item]
    pub struct Item {
        pub total: Value<u64>,
        pub history: List<u64>,
        pub inner: Inner,
        pub by_name: Map<String, u64>,
    }

    #[storage_item]
    pub struct Inner {
        pub first: Value<u64>,
        pub second: Map<u8, List<u64>>,
    }

    impl Deep {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn number(&self) -> u64 {
            self.number.get()
        }
    }
}

use deep::{Deep, Inner, Item, Messages};

const CALLER: Address = Address([1; 20]);

fn deployed() -> (Chain, Address) {
    let mut chain = Chain::new();
    let deep = chain.deploy(CALLER, Messages::new()).result.expect("deploys");
    (chain, deep)
}

fn within<T>(chain: &mut Chain, at: Address, run: impl FnOnce(&mut Deep) -> T) -> T {
    chain.within(CALLER, at, |deep: &mut Deep| Ok::<_, ()>(run(deep))).expect("it is Ok")
}

/// The way to one number inside an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum InItem {
    Total,
    History(u8),
    First,
    Second(u8, u8),
    Named(String),
}

/// The way to one number: two ways that differ must lead to two rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Number,
    Plain([u8; 20], u8),
    Lists(String, u8),
    Maps(Vec<u8>, u16, bool),
    Items(u32, InItem),
    Row(u8, InItem),
    Numbers(u8),
    Single(InItem),
    Matrix(u8, u8),
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(0_u8..4, 0..5).prop_map(|bytes| String::from_utf8(bytes).expect("ASCII"))
}

fn in_item() -> impl Strategy<Value = InItem> {
    prop_oneof![
        Just(InItem::Total),
        (0_u8..3).prop_map(InItem::History),
        Just(InItem::First),
        (0_u8..3, 0_u8..3).prop_map(|(key, index)| InItem::Second(key, index)),
        text().prop_map(InItem::Named),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Number),
        (0_u8..3, 0_u8..3).prop_map(|(seed, key)| Way::Plain([seed; 20], key)),
        (text(), 0_u8..3).prop_map(|(key, index)| Way::Lists(key, index)),
        (proptest::collection::vec(0_u8..4, 0..5), 0_u16..600, any::<bool>())
            .prop_map(|(first, second, third)| Way::Maps(first, second, third)),
        (0_u32..300, in_item()).prop_map(|(key, item)| Way::Items(key, item)),
        (0_u8..3, in_item()).prop_map(|(index, item)| Way::Row(index, item)),
        (0_u8..3).prop_map(Way::Numbers),
        in_item().prop_map(Way::Single),
        (0_u8..3, 0_u8..3).prop_map(|(outer, inner)| Way::Matrix(outer, inner)),
    ]
}

/// Puts a number at an index of a list, whose elements before it are filled with zeros.
macro_rules! put {
    ($list:expr, $index:expr, $number:expr) => {{
        let list = $list;
        while list.len() <= u32::from($index) {
            list.push(&0);
        }
        list.set(u32::from($index), &$number);
    }};
}

fn put_in_item(item: &mut Item, way: &InItem, number: u64) {
    let Inner { first, second } = &mut item.inner;
    match way {
        InItem::Total => item.total.set(&number),
        InItem::History(index) => put!(&mut item.history, *index, number),
        InItem::First => first.set(&number),
        InItem::Second(key, index) => put!(&mut *second.at_mut(key), *index, number),
        InItem::Named(name) => item.by_name.set(name, &number),
    }
}

fn get_in_item(item: &Item, way: &InItem) -> Option<u64> {
    match way {
        InItem::Total => item.total.find(),
        InItem::History(index) => item.history.get(u32::from(*index)),
        InItem::First => item.inner.first.find(),
        InItem::Second(key, index) => item.inner.second.at(key).get(u32::from(*index)),
        InItem::Named(name) => item.by_name.find(name),
    }
}

fn put(deep: &mut Deep, way: &Way, number: u64) {
    match way {
        Way::Number => deep.number.set(&number),
        Way::Plain(address, key) => deep.plain.set(&(Address(*address), *key), &number),
        Way::Lists(key, index) => put!(&mut *deep.lists.at_mut(key), *index, number),
        Way::Maps(first, second, third) => deep.maps.at_mut(first).at_mut(second).set(third, &number),
        Way::Items(key, item) => put_in_item(&mut deep.items.at_mut(key), item, number),
        Way::Row(index, item) => {
            while deep.row.len() <= u32::from(*index) {
                deep.row.add();
            }
            put_in_item(&mut deep.row.at_mut(u32::from(*index)).expect("it is there"), item, number);
        }
        Way::Numbers(index) => put!(&mut deep.numbers, *index, number),
        Way::Single(item) => put_in_item(&mut deep.single, item, number),
        Way::Matrix(outer, inner) => {
            while deep.matrix.len() <= u32::from(*outer) {
                deep.matrix.add();
            }
            put!(&mut *deep.matrix.at_mut(u32::from(*outer)).expect("it is there"), *inner, number);
        }
    }
}

fn get(deep: &Deep, way: &Way) -> Option<u64> {
    match way {
        Way::Number => deep.number.find(),
        Way::Plain(address, key) => deep.plain.find(&(Address(*address), *key)),
        Way::Lists(key, index) => deep.lists.at(key).get(u32::from(*index)),
        Way::Maps(first, second, third) => deep.maps.at(first).at(second).find(third),
        Way::Items(key, item) => get_in_item(&deep.items.at(key), item),
        Way::Row(index, item) => get_in_item(&*deep.row.at(u32::from(*index))?, item),
        Way::Numbers(index) => deep.numbers.get(u32::from(*index)),
        Way::Single(item) => get_in_item(&deep.single, item),
        Way::Matrix(outer, inner) => deep.matrix.at(u32::from(*outer))?.get(u32::from(*inner)),
    }
}

proptest! {
    #[test]
    fn two_ways_never_lead_to_one_row(ways in proptest::collection::vec(way(), 1..20)) {
        let (mut chain, deep) = deployed();
        let numbers: BTreeMap<Way, u64> = ways.into_iter().zip(1..).collect();
        within(&mut chain, deep, |deep| numbers.iter().for_each(|(way, number)| put(deep, way, *number)));
        // Each number is where its way leads, and in no other row: what was written later overwrote none.
        within(&mut chain, deep, |deep| {
            for (way, number) in &numbers {
                assert_eq!(get(deep, way), Some(*number), "{way:?}");
            }
        });
        let rows = chain.storage(deep);
        for number in numbers.values() {
            prop_assert_eq!(rows.values().filter(|value| **value == number.encode()).count(), 1, "{}", number);
        }
        // Nor does any key begin another one; sorted, the one that does stands right before it.
        let keys: Vec<_> = rows.keys().collect();
        for pair in keys.windows(2) {
            prop_assert!(!pair[1].starts_with(pair[0]), "{:?} begins {:?}", pair[0], pair[1]);
        }
    }

    #[test]
    fn a_list_equals_a_vector(steps in proptest::collection::vec(step(), 0..40)) {
        let (mut chain, deep) = deployed();
        let mut vector = Vec::new();
        for step in steps {
            within(&mut chain, deep, |deep| apply(deep, &mut vector, &step));
            let (elements, backwards, page) = within(&mut chain, deep, |deep| {
                let list = deep.lists.at(&"a".to_owned());
                assert_eq!((list.len() as usize, list.is_empty()), (vector.len(), vector.is_empty()));
                assert_eq!(list.get(u32::MAX), None, "where the length lies is no element");
                (list.iter().collect::<Vec<_>>(), list.iter().rev().collect::<Vec<_>>(), list.page(1, 3))
            });
            prop_assert_eq!(&elements, &vector);
            prop_assert!(backwards.iter().eq(vector.iter().rev()));
            prop_assert!(page.iter().eq(vector.iter().skip(1).take(3)));
            let rows = if vector.is_empty() { 0 } else { vector.len() + 1 };
            prop_assert_eq!(chain.storage(deep).len(), rows, "a row for each element, and one for the length");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    Pop,
    Set(u32, u64),
    SwapRemove(u32),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u64>().prop_map(Step::Push),
        1 => Just(Step::Pop),
        1 => (0_u32..6, any::<u64>()).prop_map(|(index, value)| Step::Set(index, value)),
        2 => (0_u32..6).prop_map(Step::SwapRemove),
        1 => Just(Step::Clear),
    ]
}

/// Does the same to both.
fn apply(deep: &mut Deep, vector: &mut Vec<u64>, step: &Step) {
    let mut list = deep.lists.at_mut(&"a".to_owned());
    match step {
        Step::Push(value) => {
            assert_eq!(list.push(value) as usize, vector.len());
            vector.push(*value);
        }
        Step::Pop => assert_eq!(list.pop(), vector.pop()),
        Step::Set(index, value) => {
            if let Some(place) = vector.get_mut(*index as usize) {
                *place = *value;
                list.set(*index, value);
            }
        }
        Step::SwapRemove(index) => {
            let there = (*index as usize) < vector.len();
            let expected = there.then(|| vector.swap_remove(*index as usize));
            assert_eq!(list.swap_remove(*index), expected);
        }
        Step::Clear => {
            list.clear();
            vector.clear();
        }
    }
}

#[test]
fn rows_lie_where_the_documentation_says() {
    let (mut chain, deep) = deployed();
    within(&mut chain, deep, |deep| {
        deep.number.set(&1);
        deep.plain.set(&(Address([0x11; 20]), 2), &2);
        deep.lists.at_mut(&"ab".to_owned()).push(&3);
        deep.maps.at_mut(&vec![7]).at_mut(&0x0102).set(&true, &4);
        deep.items.at_mut(&5).inner.second.at_mut(&6).push(&5);
        deep.row.add().total.set(&6);
    });
    let expected: [(&[u8], Vec<u8>); 9] = [
        (&[0], 1_u64.encode()),
        (&[&[1][..], &[0x11; 20], &[2]].concat(), 2_u64.encode()),
        (&[2, 8, b'a', b'b', 0, 0, 0, 0], 3_u64.encode()),
        (&[2, 8, b'a', b'b', 255, 255, 255, 255], 1_u32.encode()),
        (&[3, 4, 7, 2, 1, 1], 4_u64.encode()),
        (&[4, 5, 0, 0, 0, 2, 1, 6, 0, 0, 0, 0], 5_u64.encode()),
        (&[4, 5, 0, 0, 0, 2, 1, 6, 255, 255, 255, 255], 1_u32.encode()),
        (&[5, 0, 0, 0, 0, 0], 6_u64.encode()),
        (&[5, 255, 255, 255, 255], 1_u32.encode()),
    ];
    let expected: BTreeMap<Vec<u8>, Vec<u8>> = expected.into_iter().map(|(key, value)| (key.to_vec(), value)).collect();
    assert_eq!(chain.storage(deep), expected);
}

#[test]
fn a_list_reads_no_more_than_it_is_asked_for() {
    let (mut chain, deep) = deployed();
    within(&mut chain, deep, |deep| {
        for number in 0..100 {
            deep.numbers.push(&number);
        }
    });
    // Gas tells how many rows were read: a page of two is the length and two elements.
    let gas = |chain: &mut Chain, read: fn(&Deep)| {
        chain.inspect(deep, |deep: &Deep| {
            let before = entente::env::gas_left();
            read(deep);
            before - entente::env::gas_left()
        })
    };
    let one = gas(&mut chain, |deep| assert_eq!(deep.numbers.get(50), Some(50)));
    let page = gas(&mut chain, |deep| assert_eq!(deep.numbers.page(50, 2), [50, 51]));
    let nth = gas(&mut chain, |deep| assert_eq!(deep.numbers.iter().nth(70), Some(70)));
    let all = gas(&mut chain, |deep| assert_eq!(deep.numbers.iter().count(), 100));
    assert!(one < page && page < 4 * one, "{one} {page}");
    assert!(nth < 3 * one && all > 90 * one, "{one} {nth} {all}");
}

#[test]
#[should_panic(expected = "list: there is no element at this index")]
fn setting_what_is_not_there_panics() {
    let (mut chain, deep) = deployed();
    within(&mut chain, deep, |deep| deep.numbers.set(0, &1));
}
