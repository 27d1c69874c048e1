//! The pool's rules, each with its error.

use entente_crypto::{SecretKey, Signature, SignatureError, SignatureScheme, Signer, Suite};
use entente_pool::{AdmissionError, Checked, Pool, PoolLimits, PoolRules, ReplayKey, check};
use entente_types::{Address, Amount, Bytes, GroupId, Hash, Transaction, UnsignedTransaction, Version};
use proptest::prelude::*;

const GENESIS: Hash = Hash([1; 32]);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[seed; 32]).unwrap()
}

fn rules() -> PoolRules {
    PoolRules {
        suite: Suite::Standard,
        scheme: std::sync::Arc::new(Suite::Standard),
        genesis: GENESIS,
        chain_id: 1,
        group_id: GroupId::new("group1").unwrap(),
        transaction_gas: 1_000_000,
        ethereum: None,
        verified: std::sync::Arc::default(),
    }
}

fn unsigned(nonce: u8) -> UnsignedTransaction {
    UnsignedTransaction {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").unwrap(),
        sender: key(1).public_key().address(),
        nonce: [nonce; 32],
        valid_until: 100,
        gas_limit: 1_000_000,
        to: Some(Address([4; 20])),
        value: Amount::ZERO,
        input: Bytes::default(),
        extra: Bytes::default(),
    }
}

fn checked(unsigned: UnsignedTransaction) -> Result<Checked, AdmissionError> {
    checked_at(0, unsigned.sign(&GENESIS, &key(1)))
}

fn checked_at(height: u64, transaction: Transaction) -> Result<Checked, AdmissionError> {
    check(&rules(), height, vec![(transaction, 200)]).remove(0)
}

fn pool(limits: PoolLimits) -> Pool {
    Pool::new(rules(), limits, 0)
}

fn replay_key(nonce: u8) -> ReplayKey {
    ReplayKey::Native { sender: key(1).public_key().address(), nonce: [nonce; 32] }
}

/// Counts the signatures that are looked at.
#[derive(Debug, Default)]
struct Counting(std::sync::atomic::AtomicUsize);

impl SignatureScheme for Counting {
    fn signer(&self, digest: &Hash, signature: &Signature) -> Result<Signer, SignatureError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Suite::Standard.signer(digest, signature)
    }
}

#[test]
fn a_signature_is_looked_at_once_and_nothing_else_is_believed_for_it() {
    let scheme = std::sync::Arc::new(Counting::default());
    let rules = PoolRules { scheme: scheme.clone(), ..rules() };
    let looked_at = || scheme.0.load(std::sync::atomic::Ordering::Relaxed);
    let good = unsigned(1).sign(&GENESIS, &key(1));
    let forged = unsigned(1).sign(&GENESIS, &key(2));
    let check_one = |height, transaction: &Transaction| {
        check(&rules, height, vec![(transaction.clone(), 200)]).remove(0).map(|checked| checked.hash())
    };
    assert!(matches!(check_one(0, &forged), Err(AdmissionError::Sender { .. })));
    assert!(
        matches!(check_one(0, &forged), Err(AdmissionError::Sender { .. })),
        "what was refused is not known as good"
    );
    assert_eq!(looked_at(), 2);
    assert!(check_one(0, &good).is_ok() && check_one(1, &good).is_ok());
    assert_eq!(looked_at(), 3, "the second time it is known");
    // The same content under another signature is another transaction.
    assert!(matches!(check_one(0, &forged), Err(AdmissionError::Sender { .. })));
    // All other rules hold each time.
    assert!(matches!(check_one(100, &good), Err(AdmissionError::Window { .. })));
    let Transaction::Native(mut native) = good else { panic!("a native one") };
    native.unsigned.gas_limit = 7;
    assert!(check_one(0, &Transaction::Native(native)).is_err(), "changed content has another hash");
}

#[test]
fn each_rule_of_admission_has_its_error_and_code() {
    let refused = |change: &dyn Fn(&mut UnsignedTransaction)| {
        let mut unsigned = unsigned(1);
        change(&mut unsigned);
        checked(unsigned).unwrap_err()
    };
    assert_eq!(refused(&|unsigned| unsigned.chain_id = 2).code(), 10002);
    assert_eq!(refused(&|unsigned| unsigned.group_id = GroupId::new("group2").unwrap()).code(), 10003);
    assert_eq!(refused(&|unsigned| unsigned.valid_until = 0).code(), 16);
    assert_eq!(refused(&|unsigned| unsigned.valid_until = 1001).code(), 16);
    assert_eq!(refused(&|unsigned| unsigned.gas_limit = 0).code(), 4);
    assert_eq!(refused(&|unsigned| unsigned.gas_limit = 1_000_001).code(), 4);
    let error = refused(&|unsigned| unsigned.sender = Address([9; 20]));
    assert!(matches!(error, AdmissionError::Sender { .. }), "{error}");
    let other_group = unsigned(1).sign(&Hash([2; 32]), &key(1));
    assert_eq!(checked_at(0, other_group).unwrap_err().code(), 5);
    let window = refused(&|unsigned| unsigned.valid_until = 1001).to_string();
    assert_eq!(window, "`valid_until` is 1001; at height 0 it must be 1 to 1000");
}

#[test]
fn the_window_has_exact_edges() {
    for (valid_until, height, allowed) in
        [(1, 0, true), (1, 1, false), (1000, 0, true), (1010, 10, true), (1011, 10, false)]
    {
        let mut unsigned = unsigned(1);
        unsigned.valid_until = valid_until;
        assert_eq!(checked_at(height, unsigned.sign(&GENESIS, &key(1))).is_ok(), allowed, "{valid_until} {height}");
    }
}

#[test]
fn the_same_twice_and_a_used_nonce_are_told_apart() {
    let mut pool = pool(PoolLimits::default());
    let first = checked(unsigned(1)).unwrap();
    let hash = pool.admit(first.clone(), None).unwrap();
    assert_eq!(pool.admit(first.clone(), None), Err(AdmissionError::Known));
    let mut twin = unsigned(1);
    twin.gas_limit -= 1;
    assert_eq!(pool.admit(checked(twin).unwrap(), None), Err(AdmissionError::Replay));
    pool.committed(1, &[(hash, replay_key(1))], &[], []);
    assert_eq!(pool.len(), 0);
    assert_eq!(pool.admit(first, None), Err(AdmissionError::Replay));
}

#[test]
fn a_waiting_transaction_whose_nonce_another_block_used_is_never_taken() {
    let mut pool = pool(PoolLimits::default());
    pool.admit(checked(unsigned(1)).unwrap(), None).unwrap();
    pool.committed(1, &[(Hash([9; 32]), replay_key(1))], &[], []);
    assert!(pool.take(pool.height() + 1, 10, usize::MAX).is_empty());
    assert_eq!((pool.len(), pool.bytes()), (0, 0));
}

#[test]
fn limits_have_exact_edges() {
    let mut by_count = pool(PoolLimits { transactions: 2, ..PoolLimits::default() });
    for nonce in 1..=2 {
        by_count.admit(checked(unsigned(nonce)).unwrap(), None).unwrap();
    }
    assert_eq!(by_count.admit(checked(unsigned(3)).unwrap(), None), Err(AdmissionError::Full { limit: 2 }));
    let waiting: Vec<Hash> = by_count.waiting().map(|one| one.hash).collect();
    assert_eq!(waiting.len(), 2);
    // What is in a proposal waits no more.
    assert_eq!(by_count.take(by_count.height() + 1, 1, usize::MAX)[0].hash, waiting[0]);
    assert_eq!(by_count.waiting().map(|one| one.hash).collect::<Vec<_>>(), waiting[1..]);
    let mut by_bytes = pool(PoolLimits { bytes: 400, ..PoolLimits::default() });
    for nonce in 1..=2 {
        by_bytes.admit(checked(unsigned(nonce)).unwrap(), None).unwrap();
    }
    assert_eq!(by_bytes.admit(checked(unsigned(3)).unwrap(), None), Err(AdmissionError::FullBytes { limit: 400 }));
}

#[test]
fn a_sender_has_its_share_and_no_more_and_leaves_the_rest_to_others() {
    let limits = PoolLimits { transactions: 4, bytes: 1 << 20, sender_transactions: 2 };
    let mut pool = pool(limits);
    let of = |seed: u8, nonce: u8| {
        let unsigned = UnsignedTransaction { sender: key(seed).public_key().address(), ..unsigned(nonce) };
        checked_at(0, unsigned.sign(&GENESIS, &key(seed))).unwrap()
    };
    let hashes: Vec<Hash> = (1..=2).map(|nonce| pool.admit(of(1, nonce), None).unwrap()).collect();
    let sender = key(1).public_key().address();
    let refused = pool.admit(of(1, 3), None).unwrap_err();
    assert_eq!(refused, AdmissionError::FullSender { sender, limit: 2 });
    assert_eq!(refused.code(), 28);
    let told = refused.to_string();
    assert!(told.contains("2 transactions of one sender (`pool.sender_transactions_max`)"), "{told}");
    pool.admit(of(2, 3), None).unwrap();
    // What is in a proposal counts until its block is committed.
    assert_eq!(pool.take(pool.height() + 1, 1, usize::MAX).len(), 1);
    assert!(pool.admit(of(1, 3), None).is_err());
    pool.committed(1, &[(hashes[0], replay_key(1))], &[], []);
    pool.admit(of(1, 3), None).unwrap();
    assert_eq!((pool.len(), pool.of_sender(&sender), pool.senders()), (3, 2, 2));
    // What has expired counts no more.
    pool.committed(100, &[], &[], []);
    assert_eq!((pool.len(), pool.bytes(), pool.of_sender(&sender), pool.senders()), (0, 0, 0, 0));
}

#[test]
fn left_out_transactions_come_first_again_and_expired_ones_go() {
    let mut pool = pool(PoolLimits::default());
    let hashes: Vec<Hash> = (1..=4).map(|nonce| pool.admit(checked(unsigned(nonce)).unwrap(), None).unwrap()).collect();
    let taken: Vec<Hash> = pool.take(pool.height() + 1, 3, usize::MAX).into_iter().map(|taken| taken.hash).collect();
    assert_eq!(taken, hashes[..3]);
    pool.committed(1, &[(hashes[0], replay_key(1))], &hashes[1..3], []);
    let again: Vec<Hash> = pool.take(pool.height() + 1, 10, usize::MAX).into_iter().map(|taken| taken.hash).collect();
    assert_eq!(again, hashes[1..]);
    pool.give_back(&again);
    pool.committed(100, &[], &[], []);
    assert!(pool.take(pool.height() + 1, 10, usize::MAX).is_empty());
    assert_eq!((pool.len(), pool.bytes()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_transaction_is_taken_twice_and_bytes_add_up(steps in proptest::collection::vec((0_u8..4, 1_u8..30), 0..60)) {
        let mut pool = pool(PoolLimits { transactions: 12, bytes: 200 * 10, sender_transactions: 9 });
        let mut in_flight: Vec<Hash> = Vec::new();
        let mut height = 0;
        let mut used = std::collections::BTreeMap::new();
        for (step, number) in steps {
            match step {
                0 | 1 => if let Ok(hash) = checked(unsigned(number)).and_then(|checked| pool.admit(checked, None)) {
                    prop_assert!(!used.values().any(|nonce| *nonce == number), "a used nonce was admitted");
                    used.remove(&hash);
                },
                2 => for taken in pool.take(pool.height() + 1, usize::from(number % 5), usize::MAX) {
                    prop_assert!(!in_flight.contains(&taken.hash));
                    in_flight.push(taken.hash);
                },
                _ => {
                    height += 1;
                    let included: Vec<(Hash, ReplayKey)> = in_flight.drain(..).map(|hash| {
                        let pooled = pool.find(&hash).expect("in flight");
                        let Transaction::Native(native) = &*pooled.transaction else { unreachable!() };
                        used.insert(hash, native.unsigned.nonce[0]);
                        (hash, ReplayKey::Native { sender: native.unsigned.sender, nonce: native.unsigned.nonce })
                    }).collect();
                    pool.committed(height, &included, &[], []);
                }
            }
            prop_assert_eq!(pool.bytes(), pool.len() * 200);
            prop_assert!(pool.len() <= 9);
            prop_assert_eq!(pool.of_sender(&key(1).public_key().address()), pool.len());
            prop_assert_eq!(pool.senders(), usize::from(!pool.is_empty()));
        }
    }
}

#[test]
fn a_gas_limit_that_was_lowered_refuses_what_was_checked_before_and_keeps_what_waits() {
    let mut pool = pool(PoolLimits::default());
    let waits = pool.admit(checked(unsigned(1)).unwrap(), None).unwrap();
    let late = checked(unsigned(2)).unwrap();
    pool.set_rules(999_999, None);
    assert_eq!(pool.rules().transaction_gas, 999_999);
    assert_eq!(pool.admit(late.clone(), None), Err(AdmissionError::Gas { found: 1_000_000, limit: 999_999 }));
    let taken: Vec<Hash> = pool.take(pool.height() + 1, 10, 1000).into_iter().map(|one| one.hash).collect();
    assert_eq!(taken, [waits]);
    pool.set_rules(1_000_000, None);
    assert!(pool.admit(late, None).is_ok());
}
