//! What FISCO BCOS's own clients signed, and what is refused.

use entente_crypto::SecretKey;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::{Transaction, UnsignedFiscoTransaction};

/// Made once by the named client, unchanged, with the secret 0x0707..07.
#[derive(Deserialize)]
struct Signed {
    client: String,
    suite: Suite,
    sender: Address,
    hash: Hash,
    #[serde(with = "hex_bytes")]
    raw: Vec<u8>,
}

fn of_clients() -> Vec<Signed> {
    serde_json::from_str(include_str!("../testdata/fisco_clients.json")).unwrap()
}

fn key(suite: Suite) -> SecretKey {
    SecretKey::from_bytes(suite, &[7; 32]).unwrap()
}

fn unsigned() -> UnsignedFiscoTransaction {
    UnsignedFiscoTransaction {
        nonce: [9; 32],
        gas_price: Amount::from(30_000_000),
        gas: Amount::from(4_300_000),
        block_limit: 500,
        to: Some(Address([4; 20])),
        value: Amount::ZERO,
        input: vec![0xab, 0xcd, 0xef, 1],
        chain_id: 1,
        group: 2,
        extra: b"order 17".to_vec(),
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    Encodable::encode(bytes, &mut encoded);
    encoded
}

/// Thirteen items of which one can be replaced.
fn items(replace: usize, with: Vec<u8>) -> Vec<Vec<u8>> {
    let mut items = vec![
        string(&[9; 32]),
        string(&[]),
        string(&[0x52, 0x08]),
        string(&[100]),
        string(&[4; 20]),
        string(&[]),
        string(b"input"),
        string(&[1]),
        string(&[2]),
        string(&[0]),
        string(&[27]),
        string(&[1; 32]),
        string(&[2; 32]),
    ];
    if let Some(item) = items.get_mut(replace) {
        *item = with;
    }
    items
}

fn replaced(replace: usize, with: Vec<u8>) -> Result<FiscoTransaction, FiscoTransactionError> {
    FiscoTransaction::new(list(&items(replace, with).concat()))
}

#[test]
fn what_its_clients_sign_is_taken_and_hashed_as_they_hash_it() {
    let all = of_clients();
    assert_eq!(all.len(), 14);
    for Signed { client, suite, sender, hash, raw } in all {
        let transaction = FiscoTransaction::new(raw.clone()).unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(transaction.raw(), raw, "{client}");
        assert_eq!(transaction.suite(), suite, "{client}");
        assert_eq!(transaction.sender(), Some(sender), "{client}");
        assert_eq!(sender, key(suite).public_key().address());
        assert_eq!(transaction.hash(suite), hash, "{client}");
        let fields = transaction.fields();
        assert_eq!((fields.chain_id, fields.group, fields.value), (1, 1, Amount::ZERO), "{client}");
        assert!((500..=607).contains(&fields.block_limit), "{client}");
        assert!([4, 5].contains(&transaction.input().len()), "{client}");
    }
}

/// A key whose point begins with one zero byte: one in 256 does.
fn key_with_a_zero_in_front() -> SecretKey {
    let key = |number: u16| {
        let mut secret = [0; 32];
        secret[30..].copy_from_slice(&number.to_be_bytes());
        SecretKey::from_bytes(Suite::Guomi, &secret).unwrap()
    };
    let fits = |key: &SecretKey| matches!(key.public_key().as_bytes(), [0, second, ..] if *second != 0);
    (1..u16::MAX).map(key).find(fits).expect("one of many")
}

/// As FISCO BCOS's older Java client, web3sdk, writes one.
#[test]
fn a_key_without_its_zeros_gets_them_back() {
    let key = key_with_a_zero_in_front();
    let whole = unsigned().sign(&key).unwrap();
    assert_eq!(whole.sender(), Some(key.public_key().address()));
    let point = key.public_key();
    let [0, shorter @ ..] = point.as_bytes() else { panic!("it begins with zero") };
    let place = whole.raw().windows(66).position(|bytes| bytes == string(point.as_bytes())).unwrap();
    let payload = [&whole.raw()[2..place], &string(shorter), &whole.raw()[place + 66..]].concat();
    let short = list(&payload);
    assert_eq!(short.len() + 1, whole.raw().len());
    let transaction = FiscoTransaction::new(short.clone()).unwrap();
    assert_eq!((&transaction, transaction.hash(Suite::Guomi)), (&whole, hash(Suite::Guomi, whole.raw())));
    // What it became is what it is: once more changes nothing, and only that is read from disk or other nodes.
    assert_eq!(FiscoTransaction::new(transaction.raw().to_vec()), Ok(transaction.clone()));
    assert_eq!(FiscoTransaction::decode(&mut transaction.encode().as_slice()), Ok(transaction));
    let encoded = Bytes::<TRANSACTION_BYTES_MAX>::new(short).unwrap().encode();
    assert!(FiscoTransaction::decode(&mut encoded.as_slice()).is_err());
}

#[test]
fn every_field_is_read() {
    for suite in [Suite::Standard, Suite::Guomi] {
        let transaction = unsigned().sign(&key(suite)).unwrap();
        let FiscoFields { nonce, gas_price, gas, block_limit, to, value, chain_id, group, .. } =
            transaction.fields().clone();
        let (input, extra) = (transaction.input().to_vec(), transaction.extra().to_vec());
        let read =
            UnsignedFiscoTransaction { nonce, gas_price, gas, block_limit, to, value, input, chain_id, group, extra };
        assert_eq!(read, unsigned());
        assert_eq!(transaction.group_id().as_str(), "group2");
        assert_eq!(transaction.sender(), Some(key(suite).public_key().address()));
        assert_eq!(transaction.hash(suite), hash(suite, transaction.raw()));
        assert_eq!(FiscoTransaction::new(transaction.raw().to_vec()), Ok(transaction));
    }
}

#[test]
fn an_item_that_is_not_encoded_as_fisco_bcos_does_is_named() {
    assert!(replaced(99, vec![]).is_ok());
    let named = FiscoTransactionError::Field;
    for (place, with) in [
        (0, string(&[0, 1])),
        (0, string(&[1; 33])),
        (1, string(&[0])),
        (2, string(&[1; 33])),
        (3, string(&[1; 9])),
        (4, string(&[1; 19])),
        (4, string(&[1; 21])),
        (5, string(&[0])),
        (6, list(b"input")),
        (7, string(&[1; 9])),
        (8, string(&[0, 1])),
        (9, list(&[])),
        (10, string(&[26])),
        (10, string(&[29])),
        (10, string(&[])),
        (10, string(&[1; 65])),
        (10, list(&[1, 2])),
        (11, string(&[0])),
        (12, string(&[1; 33])),
    ] {
        assert_eq!(replaced(place, with), Err(named(ITEMS[place])), "{place}");
    }
    let long = string(&vec![0; INPUT_BYTES_MAX + 1]);
    assert_eq!(replaced(6, long), Err(named("data")));
}

#[test]
fn other_lists_are_refused() {
    let error = |raw: Vec<u8>| FiscoTransaction::new(raw).unwrap_err();
    assert_eq!(error(vec![0xc2, 1, 2]), FiscoTransactionError::Items(2));
    let older = [&items(99, vec![])[..7], &items(99, vec![])[10..]].concat();
    let older = error(list(&older.concat()));
    assert_eq!(older, FiscoTransactionError::Items(10));
    assert!(older.to_string().contains("2.0.0-rc1"), "{older}");
    assert_eq!(error(vec![]), FiscoTransactionError::Rlp);
    assert_eq!(error([list(&items(99, vec![]).concat()), vec![0]].concat()), FiscoTransactionError::Rlp);
    // An item in a longer form than needed.
    assert_eq!(error(list(&items(7, vec![0x81, 1]).concat())), FiscoTransactionError::Rlp);
    assert_eq!(error(vec![0xc0; TRANSACTION_BYTES_MAX + 1]), FiscoTransactionError::Size(TRANSACTION_BYTES_MAX + 1));
    // Its key in full length would be too long.
    let room = TRANSACTION_BYTES_MAX - INPUT_BYTES_MAX - 300;
    let mut nearly = items(6, string(&vec![1; INPUT_BYTES_MAX]));
    nearly[9] = string(&vec![1; room]);
    nearly[10] = string(&[1; 2]);
    let length = list(&nearly.concat()).len();
    nearly[9] = string(&vec![1; room + TRANSACTION_BYTES_MAX - length]);
    let nearly = list(&nearly.concat());
    assert_eq!(nearly.len(), TRANSACTION_BYTES_MAX);
    assert!(matches!(error(nearly), FiscoTransactionError::Size(_)));
}

#[test]
fn a_signature_is_one_persons_or_nobodys() {
    for suite in [Suite::Standard, Suite::Guomi] {
        let transaction = unsigned().sign(&key(suite)).unwrap();
        let sender = transaction.sender();
        let twin = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut raw = transaction.raw().to_vec();
            change(&mut raw);
            FiscoTransaction::new(raw).ok().and_then(|changed| changed.sender())
        };
        let last = transaction.raw().len() - 1;
        assert_ne!(twin(&|raw| raw[last] ^= 1), sender, "another s");
        assert_ne!(twin(&|raw| raw[5] ^= 1), sender, "another random id");
    }
    // The twin that every ECDSA signature has: s taken from the group's order, and the other recovery id.
    let transaction = unsigned().sign(&key(Suite::Standard)).unwrap();
    let order =
        U256::from_be_slice(&hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap());
    let raw = transaction.raw();
    let s = U256::from_be_slice(&raw[raw.len() - 32..]);
    let mut twin = raw.to_vec();
    let (v, length) = (raw.len() - 67, raw.len());
    assert_eq!(U256::from_be_bytes(transaction.fields().s), s);
    twin[length - 32..].copy_from_slice(&(order - s).to_be_bytes::<32>());
    twin[v] = if raw[v] == 27 { 28 } else { 27 };
    let twin = FiscoTransaction::new(twin).unwrap();
    assert_ne!(twin.fields().signer, transaction.fields().signer);
    assert_eq!(twin.sender(), None, "a high s is refused, as FISCO BCOS refuses it");
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for raw in [bytes.clone(), list(&bytes)] {
            if let Ok(transaction) = FiscoTransaction::new(raw) {
                let _ = transaction.sender();
            }
        }
    }

    #[test]
    fn a_byte_changed_never_panics_and_changes_the_transaction(
        guomi in any::<bool>(), position in 0_usize..400, byte in any::<u8>(),
    ) {
        let whole = unsigned().sign(&key(if guomi { Suite::Guomi } else { Suite::Standard })).unwrap();
        let mut raw = whole.raw().to_vec();
        let position = position % raw.len();
        raw[position] = byte;
        if let Ok(changed) = FiscoTransaction::new(raw.clone()) {
            prop_assert_eq!(changed == whole, raw == whole.raw());
            prop_assert_eq!(changed.sender() == whole.sender(), raw == whole.raw());
        }
    }

    #[test]
    fn what_is_signed_is_read_back(
        guomi in any::<bool>(), nonce in any::<[u8; 32]>(), numbers in any::<[u64; 3]>(), amounts in any::<[u64; 3]>(),
        to in any::<Option<[u8; 20]>>(), input in proptest::collection::vec(any::<u8>(), 0..300),
        extra in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let [block_limit, chain_id, group] = numbers;
        let [gas_price, gas, value] = amounts.map(Amount::from);
        let to = to.map(Address);
        let unsigned = UnsignedFiscoTransaction {
            nonce, gas_price, gas, block_limit, to, value, input, chain_id, group, extra,
        };
        let key = key(if guomi { Suite::Guomi } else { Suite::Standard });
        let transaction = unsigned.sign(&key).unwrap();
        prop_assert_eq!(transaction.sender(), Some(key.public_key().address()));
        let fields = transaction.fields().clone();
        prop_assert_eq!((fields.nonce, fields.to, fields.value), (unsigned.nonce, unsigned.to, unsigned.value));
        prop_assert_eq!((fields.block_limit, fields.chain_id, fields.group), (block_limit, chain_id, group));
        prop_assert_eq!((fields.gas_price, fields.gas), (gas_price, gas));
        prop_assert_eq!((transaction.input(), transaction.extra()), (&unsigned.input[..], &unsigned.extra[..]));
        let encoded = Transaction::Fisco(transaction.clone()).to_bytes();
        prop_assert_eq!(Transaction::from_bytes(&encoded), Ok(Transaction::Fisco(transaction)));
    }
}
