//! FISCO BCOS's transactions in the pool: native rules, but for the gas, and each refusal with its code.

use std::sync::Arc;

use entente_crypto::{SecretKey, Suite};
use entente_pool::{AdmissionError, Checked, EthereumRules, Pool, PoolLimits, PoolRules, ReplayKey, check};
use entente_types::{
    Address, Amount, Bytes, EthereumPayload, EthereumRefusal, FiscoTransaction, GroupId, Hash, Transaction,
    UnsignedFiscoTransaction, UnsignedTransaction, Version,
};

/// Rules that have all kinds.
#[derive(Debug)]
struct Open;

impl EthereumRules for Open {
    fn check(&self, _: &EthereumPayload) -> Result<(), EthereumRefusal> {
        Ok(())
    }
}

fn key(suite: Suite) -> SecretKey {
    SecretKey::from_bytes(suite, &[1; 32]).unwrap()
}

fn rules(suite: Suite) -> PoolRules {
    PoolRules {
        suite,
        scheme: Arc::new(suite),
        genesis: Hash([1; 32]),
        chain_id: 1,
        group_id: GroupId::new("group1").unwrap(),
        transaction_gas: 1_000_000,
        ethereum: Some(Arc::new(Open)),
        verified: Arc::default(),
    }
}

fn unsigned(nonce: u8) -> UnsignedFiscoTransaction {
    UnsignedFiscoTransaction {
        nonce: [nonce; 32],
        gas_price: Amount::from(30_000_000),
        gas: Amount::from(30_000_000),
        block_limit: 600,
        to: Some(Address([4; 20])),
        value: Amount::ZERO,
        input: vec![1],
        chain_id: 1,
        group: 1,
        extra: vec![0],
    }
}

fn checked_by(rules: &PoolRules, height: u64, transaction: &FiscoTransaction) -> Result<Checked, AdmissionError> {
    check(rules, height, vec![(Transaction::Fisco(transaction.clone()), 200)]).remove(0)
}

fn checked(suite: Suite, unsigned: &UnsignedFiscoTransaction) -> Result<Checked, AdmissionError> {
    checked_by(&rules(suite), 0, &unsigned.sign(&key(suite)).unwrap())
}

#[test]
fn each_refusal_has_fisco_bcoss_code() {
    for suite in [Suite::Standard, Suite::Guomi] {
        let refused = |change: &dyn Fn(&mut UnsignedFiscoTransaction)| {
            let mut unsigned = unsigned(1);
            change(&mut unsigned);
            checked(suite, &unsigned).unwrap_err()
        };
        assert_eq!(refused(&|unsigned| unsigned.chain_id = 2).code(), 10002);
        let group = refused(&|unsigned| unsigned.group = 2);
        assert_eq!((group.code(), group.to_string().as_str()), (10003, "`group_id` is group2; this group is group1"));
        assert_eq!(refused(&|unsigned| unsigned.block_limit = 0).code(), 16);
        assert_eq!(refused(&|unsigned| unsigned.block_limit = 1001).code(), 16);
        let transaction = unsigned(1).sign(&key(suite)).unwrap();
        let mut raw = transaction.raw().to_vec();
        // The random id: whoever signed, signed another.
        raw[9] ^= 1;
        let other = FiscoTransaction::new(raw).unwrap();
        match checked_by(&rules(suite), 0, &other) {
            Err(error) => assert_eq!((&error, error.code()), (&AdmissionError::FiscoSignature, 5)),
            Ok(checked) => assert_ne!(checked.key().sender(), key(suite).public_key().address()),
        }
        let mut named = rules(suite);
        named.group_id = GroupId::new("trade").unwrap();
        assert_eq!(checked_by(&named, 0, &transaction).unwrap_err().code(), 10003, "no number means a name");
        let without = PoolRules { ethereum: None, ..rules(suite) };
        let error = checked_by(&without, 0, &transaction).unwrap_err();
        assert_eq!((&error, error.code()), (&AdmissionError::NoFisco, 29));
        assert!(checked_by(&without.of_blocks(), 0, &transaction).is_ok(), "the voter knows the height's rules");
    }
    let guomi = unsigned(1).sign(&key(Suite::Guomi)).unwrap();
    let error = checked_by(&rules(Suite::Standard), 0, &guomi).unwrap_err();
    assert_eq!(error, AdmissionError::FiscoSuite { found: Suite::Guomi, expected: Suite::Standard });
    assert_eq!(error.code(), 5);
    let standard = unsigned(1).sign(&key(Suite::Standard)).unwrap();
    assert_eq!(checked_by(&rules(Suite::Guomi), 0, &standard).unwrap_err().code(), 5);
}

#[test]
fn the_window_is_fisco_bcoss() {
    for (block_limit, height, allowed) in
        [(1, 0, true), (1, 1, false), (1000, 0, true), (1010, 10, true), (1011, 10, false), (u64::MAX, 10, false)]
    {
        let transaction = UnsignedFiscoTransaction { block_limit, ..unsigned(1) }.sign(&key(Suite::Standard)).unwrap();
        let result = checked_by(&rules(Suite::Standard), height, &transaction);
        assert_eq!(result.is_ok(), allowed, "{block_limit} {height}");
    }
}

#[test]
fn the_same_twice_and_a_used_random_id_are_told_apart() {
    let suite = Suite::Standard;
    let mut pool = Pool::new(rules(suite), PoolLimits::default(), 0);
    let first = checked(suite, &unsigned(1)).unwrap();
    let hash = pool.admit(first.clone(), None).unwrap();
    assert_eq!(pool.admit(first.clone(), None), Err(AdmissionError::Known));
    let twin = checked(suite, &UnsignedFiscoTransaction { extra: vec![], ..unsigned(1) }).unwrap();
    assert_eq!(pool.admit(twin.clone(), None), Err(AdmissionError::Replay));
    assert_eq!(AdmissionError::Replay.code(), 15);
    // A native transaction of the same account has no other numbers.
    let native = UnsignedTransaction {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").unwrap(),
        sender: key(suite).public_key().address(),
        nonce: [1; 32],
        valid_until: 600,
        gas_limit: 1_000_000,
        to: None,
        value: Amount::ZERO,
        input: Bytes::default(),
        extra: Bytes::default(),
    };
    let native = native.sign(&Hash([1; 32]), &key(suite));
    let native = check(&rules(suite), 0, vec![(native, 200)]).remove(0).unwrap();
    assert_eq!(pool.admit(native, None), Err(AdmissionError::Replay));
    let taken = pool.take(1, 10, usize::MAX);
    assert_eq!(taken.iter().map(|one| one.hash).collect::<Vec<_>>(), [hash]);
    pool.committed(1, &[(hash, first.key())], &[], []);
    assert_eq!(pool.admit(twin, None), Err(AdmissionError::Replay));
    assert!(pool.is_used(&ReplayKey::Native { sender: first.key().sender(), nonce: [1; 32] }));
    assert!(pool.is_empty());
}

#[test]
fn no_limit_on_gas_keeps_one_out() {
    let suite = Suite::Standard;
    let mut pool = Pool::new(rules(suite), PoolLimits::default(), 0);
    let none = checked(suite, &UnsignedFiscoTransaction { gas: Amount::ZERO, ..unsigned(1) }).unwrap();
    let more = checked(suite, &UnsignedFiscoTransaction { gas: Amount::from(u64::MAX), ..unsigned(2) }).unwrap();
    assert!(pool.admit(none, None).is_ok() && pool.admit(more, None).is_ok());
    assert_eq!(pool.take(1, 10, usize::MAX).len(), 2);
}
