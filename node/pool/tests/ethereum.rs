//! Ethereum's transactions in the pool: those of one sender in the order of their numbers, and each refusal with its
//! text.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entente_crypto::{SecretKey, Suite};
use entente_pool::{AdmissionError, Checked, EthereumRules, Pool, PoolLimits, PoolRules, ReplayKey, check};
use entente_types::{
    Address, Amount, EthereumPayload, EthereumRefusal, GroupId, Hash, LegacyTransaction, SenderAccount, Transaction,
};
use proptest::prelude::*;

const CHAIN: u64 = 20_200;

/// Rules that ask for 21,000 gas and this chain.
#[derive(Debug)]
struct Door;

impl EthereumRules for Door {
    fn check(&self, payload: &EthereumPayload) -> Result<(), EthereumRefusal> {
        if payload.chain_id != CHAIN {
            return Err(EthereumRefusal::ChainId { found: payload.chain_id, expected: CHAIN });
        }
        if payload.gas_limit < 21_000 {
            return Err(EthereumRefusal::IntrinsicGas { found: payload.gas_limit, needed: 21_000 });
        }
        Ok(())
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[seed; 32]).unwrap()
}

fn sender(seed: u8) -> Address {
    key(seed).public_key().address()
}

fn rules(suite: Suite, ethereum: Option<Arc<dyn EthereumRules>>) -> PoolRules {
    PoolRules {
        suite,
        scheme: Arc::new(suite),
        genesis: Hash([1; 32]),
        chain_id: 1,
        group_id: GroupId::new("group1").unwrap(),
        transaction_gas: 1_000_000,
        ethereum,
        verified: Arc::default(),
    }
}

fn door() -> PoolRules {
    rules(Suite::Standard, Some(Arc::new(Door)))
}

fn legacy(nonce: u64) -> LegacyTransaction {
    LegacyTransaction {
        nonce,
        gas_price: Amount::ZERO,
        gas_limit: 21_000,
        to: Some(Address([4; 20])),
        value: Amount::ZERO,
        input: Vec::new(),
    }
}

fn check_with(rules: &PoolRules, transaction: &LegacyTransaction, chain: u64) -> Result<Checked, AdmissionError> {
    let transaction = Transaction::Ethereum(transaction.sign(&key(1), chain).unwrap());
    check(rules, 0, vec![(transaction, 100)]).remove(0)
}

fn of(seed: u8, nonce: u64) -> Checked {
    let transaction = Transaction::Ethereum(legacy(nonce).sign(&key(seed), CHAIN).unwrap());
    check(&door(), 0, vec![(transaction, 100)]).remove(0).unwrap()
}

fn pool() -> Pool {
    Pool::new(door(), PoolLimits::default(), 0)
}

fn account(nonce: u64) -> SenderAccount {
    SenderAccount { nonce, ..SenderAccount::default() }
}

fn refused(pool: &mut Pool, checked: Checked, account: SenderAccount) -> String {
    pool.admit(checked, Some(account)).unwrap_err().to_string()
}

fn taken(pool: &mut Pool) -> Vec<Hash> {
    pool.take(pool.height() + 1, 1000, usize::MAX).into_iter().map(|one| one.hash).collect()
}

#[test]
fn what_the_rules_refuse_is_refused_before_its_signature_is_looked_at() {
    let wrong = check_with(&door(), &legacy(0), 5).unwrap_err();
    assert_eq!(wrong.to_string(), "invalid chain id: the transaction is for chain 5; this group's is 20200");
    assert_eq!(wrong.code(), 10002);
    let cheap = check_with(&door(), &LegacyTransaction { gas_limit: 20_999, ..legacy(0) }, CHAIN).unwrap_err();
    assert!(cheap.to_string().starts_with("intrinsic gas too low"), "{cheap}");
    let none = check_with(&rules(Suite::Standard, None), &legacy(0), CHAIN).unwrap_err();
    assert_eq!((&none, none.code()), (&AdmissionError::NoEthereum, 29));
    let guomi = check_with(&rules(Suite::Guomi, Some(Arc::new(Door))), &legacy(0), CHAIN).unwrap_err();
    assert_eq!((&guomi, guomi.code()), (&AdmissionError::GuomiEthereum, 29));
}

#[test]
fn in_somebodys_block_the_rules_of_the_door_do_not_matter() {
    let cheap = LegacyTransaction { gas_limit: 1, ..legacy(0) };
    assert!(check_with(&rules(Suite::Standard, None).of_blocks(), &cheap, 5).is_ok());
    let guomi = rules(Suite::Guomi, None).of_blocks();
    assert_eq!(check_with(&guomi, &legacy(0), CHAIN).unwrap_err(), AdmissionError::GuomiEthereum);
}

#[test]
fn a_sender_is_served_in_order_and_what_is_far_ahead_is_refused() {
    let mut pool = pool();
    assert_eq!(pool.asks_for(&of(1, 7)), Some(sender(1)));
    assert_eq!(pool.admit(of(1, 7), None), Err(AdmissionError::Account), "nobody told the account");
    let late = pool.admit(of(1, 7), Some(account(5))).unwrap();
    assert_eq!((pool.asks_for(&of(1, 5)), pool.has_untaken()), (None, false));
    assert_eq!(pool.next_nonce(&sender(1)), Some(5));
    let low = refused(&mut pool, of(1, 4), SenderAccount::default());
    assert!(low.starts_with("nonce too low: the transaction's is 4; the next of 0x"), "{low}");
    let far = refused(&mut pool, of(1, 70), SenderAccount::default());
    assert!(
        far.starts_with("nonce too high: the transaction's is 70") && far.ends_with("above 69 can wait yet"),
        "{far}"
    );
    let six = pool.admit(of(1, 6), None).unwrap();
    assert!(!pool.has_untaken());
    let five = pool.admit(of(1, 5), None).unwrap();
    assert_eq!(pool.next_nonce(&sender(1)), Some(8));
    let hashes: Vec<Hash> = pool.waiting().map(|one| one.hash).collect();
    assert_eq!(hashes, [five, six, late]);
    // Of one number only the first waits.
    let other = LegacyTransaction { gas_limit: 50_000, ..legacy(6) };
    let twin = check_with(&door(), &other, CHAIN).unwrap();
    assert!(refused(&mut pool, twin, SenderAccount::default()).starts_with("replacement transaction underpriced"));
    assert_eq!(pool.admit(of(1, 6), None), Err(AdmissionError::Known));
    assert_eq!(taken(&mut pool), [five, six, late]);
    // What was taken last is given back first, and still the order is right.
    pool.give_back(&[late]);
    pool.give_back(&[five]);
    pool.give_back(&[six]);
    assert_eq!(taken(&mut pool), [five, six, late]);
}

#[test]
fn who_cannot_pay_or_is_a_contract_is_refused() {
    let mut pool = pool();
    let costly = LegacyTransaction { gas_price: Amount::from(2), value: Amount::from(7), ..legacy(0) };
    let paying = || check_with(&door(), &costly, CHAIN).unwrap();
    let penniless = SenderAccount { balance: Some(Amount::from(42_006)), ..SenderAccount::default() };
    let text = refused(&mut pool, paying(), penniless);
    assert!(text.starts_with("insufficient funds for gas * price + value: it may cost 42007; 0x"), "{text}");
    let coded = SenderAccount { is_contract: true, ..SenderAccount::default() };
    assert!(refused(&mut pool, paying(), coded).starts_with("sender not an eoa: 0x"));
    let enough = SenderAccount { balance: Some(Amount::from(42_007)), ..SenderAccount::default() };
    pool.admit(paying(), Some(enough)).unwrap();
    // Whoever spent it meanwhile by other means: the block leaves it out, and it goes.
    let hashes = taken(&mut pool);
    assert_eq!(hashes.len(), 1);
    pool.committed(1, &[], &hashes, [(sender(1), penniless)]);
    assert_eq!((pool.len(), pool.has_untaken(), pool.follows(&sender(1))), (0, false, false));
}

#[test]
fn what_blocks_leave_out_comes_again_some_times() {
    let mut pool = pool();
    let first = pool.admit(of(1, 0), Some(account(0))).unwrap();
    let second = pool.admit(of(1, 1), None).unwrap();
    for height in 1..8 {
        assert_eq!(taken(&mut pool), [first, second]);
        pool.committed(height, &[], &[first, second], []);
    }
    assert_eq!(taken(&mut pool), [first, second]);
    pool.committed(8, &[], &[first, second], []);
    // The first never applies. The second waits for another in its place.
    assert_eq!((pool.len(), pool.has_untaken()), (1, false));
    let again =
        pool.admit(check_with(&door(), &LegacyTransaction { gas_limit: 22_000, ..legacy(0) }, CHAIN).unwrap(), None);
    assert_eq!(taken(&mut pool), [again.unwrap(), second]);
}

#[test]
fn what_waits_for_a_lower_number_expires_where_nothing_moves() {
    let mut pool = pool();
    pool.admit(of(1, 1), Some(account(0))).unwrap();
    pool.committed(500, &[], &[], []);
    let moved = pool.admit(of(2, 0), Some(account(0))).unwrap();
    pool.admit(of(2, 2), None).unwrap();
    pool.committed(999, &[], &[], []);
    assert_eq!(pool.len(), 3);
    pool.committed(1000, &[], &[], []);
    assert_eq!((pool.len(), pool.follows(&sender(1))), (2, false));
    pool.committed(1499, &[], &[], []);
    assert_eq!(pool.len(), 2);
    pool.committed(1500, &[], &[], []);
    assert_eq!(pool.waiting().map(|one| one.hash).collect::<Vec<_>>(), [moved], "what can be taken stays");
}

#[test]
fn what_waits_for_a_lower_number_keeps_nobody_out() {
    let limits = PoolLimits { transactions: 4, bytes: 450, ..PoolLimits::default() };
    let mut pool = Pool::new(door(), limits, 0);
    let behind: Vec<Hash> = [(1, 1), (1, 2), (2, 5), (2, 6)]
        .map(|(seed, nonce)| pool.admit(of(seed, nonce), Some(account(0))).unwrap())
        .to_vec();
    // Another one that waits is refused; what can be in the next block takes the place of the last of the oldest gap.
    assert_eq!(pool.admit(of(3, 1), Some(account(0))), Err(AdmissionError::Full { limit: 4 }));
    let next = pool.admit(of(3, 0), Some(account(0))).unwrap();
    assert!(pool.find(&behind[1]).is_none() && pool.find(&behind[0]).is_some());
    assert_eq!((pool.len(), pool.waiting().map(|one| one.hash).collect::<Vec<_>>()), (4, vec![next]));
    // What a proposal has is left alone, be it of another node, which may know what is missing here.
    pool.set_aside(&behind);
    assert_eq!(pool.admit(of(4, 0), Some(account(0))), Err(AdmissionError::Full { limit: 4 }));
    pool.give_back(&behind);
    // By bytes as by count.
    let large = Transaction::Ethereum(legacy(1).sign(&key(3), CHAIN).unwrap());
    let large = check(&door(), 0, vec![(large, 300)]).remove(0).unwrap();
    let second = pool.admit(large, None).unwrap();
    assert_eq!((pool.len(), pool.bytes()), (2, 400));
    assert_eq!(taken(&mut pool), [next, second]);
    assert_eq!(pool.admit(of(5, 0), Some(account(0))), Err(AdmissionError::FullBytes { limit: 450 }));
}

#[test]
fn an_account_that_has_coin_pays_for_all_that_wait() {
    let mut pool = pool();
    let costs = |nonce: u64, value: u64| {
        let transaction = LegacyTransaction { value: Amount::from(value), ..legacy(nonce) };
        check_with(&door(), &transaction, CHAIN).unwrap()
    };
    let has = |nonce: u64, balance: u64| SenderAccount { balance: Some(Amount::from(balance)), ..account(nonce) };
    let first = pool.admit(costs(0, 60), Some(has(0, 100))).unwrap();
    let over = refused(&mut pool, costs(1, 41), SenderAccount::default());
    assert!(over.starts_with("insufficient funds") && over.contains("101") && over.contains("100"), "{over}");
    pool.admit(costs(1, 40), None).unwrap();
    refused(&mut pool, costs(2, 1), SenderAccount::default());
    let key = ReplayKey::of(&pool.find(&first).unwrap().transaction).unwrap();
    // What is done, or dropped, is paid no more.
    pool.committed(1, &[(first, key)], &[], [(sender(1), has(1, 45))]);
    pool.admit(costs(2, 5), None).unwrap();
    refused(&mut pool, costs(3, 1), SenderAccount::default());
}

/// What a chain with an honest executor would do.
#[derive(Default)]
struct Model {
    nonces: BTreeMap<u8, u64>,
    admitted: BTreeMap<Hash, (u8, u64)>,
    in_flight: Vec<Vec<Hash>>,
    included: BTreeSet<Hash>,
    height: u64,
}

impl Model {
    fn nonce(&self, seed: u8) -> u64 {
        self.nonces.get(&seed).copied().unwrap_or(0)
    }

    /// Commits the first proposal in flight: what is next is run, the rest is left out.
    fn commit(&mut self, pool: &mut Pool, foreign: Option<u8>) {
        self.height += 1;
        let proposal = if self.in_flight.is_empty() { Vec::new() } else { self.in_flight.remove(0) };
        let (mut included, mut left_out) = (Vec::new(), Vec::new());
        for hash in proposal {
            let (seed, nonce) = self.admitted[&hash];
            if self.nonce(seed) == nonce {
                self.nonces.insert(seed, nonce + 1);
                assert!(self.included.insert(hash));
                included.push((hash, ReplayKey::of(&pool.find(&hash).expect("in flight").transaction).unwrap()));
            } else {
                left_out.push(hash);
            }
        }
        // Another node's block may have another transaction of a sender in the place of one that waits here.
        if let Some(seed) = foreign {
            *self.nonces.entry(seed).or_insert(0) += 1;
        }
        let changed: Vec<(Address, SenderAccount)> = (1..4)
            .filter(|seed| pool.follows(&sender(*seed)))
            .map(|seed| (sender(seed), account(self.nonce(seed))))
            .collect();
        pool.committed(self.height, &included, &left_out, changed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_the_order_holds_and_nothing_is_forgotten(
        steps in proptest::collection::vec((0_u8..6, 1_u8..4, 0_u64..12), 0..80),
    ) {
        let (mut pool, mut model) = (pool(), Model::default());
        for (step, seed, number) in steps {
            match step {
                0 | 1 => {
                    let checked = of(seed, number);
                    let told = pool.asks_for(&checked).map(|_| account(model.nonce(seed)));
                    if let Ok(hash) = pool.admit(checked, told) {
                        prop_assert!(number >= model.nonce(seed));
                        model.admitted.insert(hash, (seed, number));
                    }
                }
                2 => {
                    let taken: Vec<Hash> = pool.take(model.height + 1, number as usize, usize::MAX).into_iter().map(|one| one.hash).collect();
                    // Each follows one that is used, in flight or before it.
                    let mut next: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
                    for hash in model.in_flight.iter().flatten() {
                        let (seed, nonce) = model.admitted[hash];
                        next.entry(seed).or_default().insert(nonce);
                    }
                    for hash in &taken {
                        let (seed, nonce) = model.admitted[hash];
                        let before = next.entry(seed).or_default();
                        prop_assert!(nonce == model.nonce(seed) || nonce > 0 && before.contains(&(nonce - 1)));
                        prop_assert!(before.insert(nonce), "taken twice");
                    }
                    model.in_flight.push(taken);
                }
                3 => if let Some(abandoned) = model.in_flight.pop() { pool.give_back(&abandoned) },
                4 => model.commit(&mut pool, None),
                _ => model.commit(&mut pool, Some(seed).filter(|_| number == 0)),
            }
            let waiting: BTreeSet<Hash> = pool.waiting().map(|one| one.hash).collect();
            prop_assert_eq!(waiting.len(), pool.waiting().count());
            prop_assert_eq!(!waiting.is_empty(), pool.has_untaken());
            prop_assert!(model.in_flight.iter().flatten().all(|hash| !waiting.contains(hash)));
        }
        // Nothing that could be run is forgotten: blocks take all of it.
        while !model.in_flight.is_empty() {
            model.commit(&mut pool, None);
        }
        for _ in 0..8 {
            let taken = pool.take(model.height + 1, 1000, usize::MAX).into_iter().map(|one| one.hash).collect();
            model.in_flight.push(taken);
            model.commit(&mut pool, None);
        }
        prop_assert!(!pool.has_untaken());
        let waits: BTreeSet<(u8, u64)> = model.admitted.iter().filter(|(hash, _)| pool.find(hash).is_some()).map(|(_, of)| *of).collect();
        for (seed, nonce) in &waits {
            prop_assert!(*nonce > model.nonce(*seed), "{seed}/{nonce} could have been run");
        }
    }
}
