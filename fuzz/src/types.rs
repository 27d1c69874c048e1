//! Documents of the ledger: whatever decodes encodes to the same bytes, and nothing panics.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use std::fmt::Debug;

use entente_crypto::SecretKey;
use entente_types::{
    Address, Amount, Authorization, Block, Certificate, EthereumTransaction, FiscoTransaction, FiscoTransactionError,
    Genesis, GroupId, Hash, Header, LeftOut, Log, Member, Proposal, Receipt, Suite, Transaction, UnsignedTransaction,
    hex_bytes, quorum,
};
use parity_scale_codec::{DecodeAll, Encode};
use serde::{Serialize, de::DeserializeOwned};

use super::replay::root;

const SUITES: [Suite; 2] = [Suite::Standard, Suite::Guomi];

/// The first byte chooses the document, the rest is its encoding.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind {
        0 => genesis(bytes),
        1 => transaction(bytes),
        2 => block(bytes),
        3 => _ = both::<Proposal>(bytes),
        4 => _ = both::<Header>(bytes).map(|header| SUITES.map(|suite| header.hash(suite))),
        5 => certificate(bytes),
        6 => _ = both::<Receipt>(bytes).map(|receipt| Header::receipt_root(Suite::Standard, &[receipt])),
        7 => _ = both::<Log>(bytes),
        8 => _ = both::<LeftOut>(bytes),
        9 => _ = both::<UnsignedTransaction>(bytes),
        10 => _ = both::<Member>(bytes),
        11 => ethereum(bytes),
        12 => fisco(bytes),
        13 => from_json::<Genesis>(bytes),
        14 => from_json::<Receipt>(bytes),
        15 => from_json::<Certificate>(bytes),
        16 => from_json::<UnsignedTransaction>(bytes),
        17 => text(bytes),
        _ => {}
    }
}

/// A document that can be shown: decoding it is total and injective.
fn document<T: DecodeAll + Encode + Debug + Serialize>(bytes: &[u8]) -> Option<T> {
    let value = T::decode_all(&mut &*bytes).ok()?;
    assert_eq!(value.encode(), bytes, "another encoding of {value:?}");
    serde_json::to_string(&value).expect("every document can be shown");
    Some(value)
}

/// A document whose JSON is read back as well.
fn both<T: DecodeAll + Encode + Debug + PartialEq + Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value: T = document(bytes)?;
    let json = serde_json::to_string(&value).expect("every document can be shown");
    assert_eq!(serde_json::from_str::<T>(&json).expect("what was shown is read"), value);
    Some(value)
}

fn from_json<T: DecodeAll + Encode + Debug + PartialEq + Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let encoded = value.encode();
    assert_eq!(both::<T>(&encoded).expect("what was read can be encoded"), value);
}

fn genesis(bytes: &[u8]) {
    let Some(genesis) = both::<Genesis>(bytes) else { return };
    let total: u64 = genesis.sealers.iter().map(|member| u64::from(member.weight)).sum();
    if genesis.validate().is_ok() {
        assert!(quorum(&genesis.sealers) <= total);
    }
    _ = genesis.hash();
}

fn transaction(bytes: &[u8]) {
    if let Ok(transaction) = Transaction::from_bytes(bytes) {
        assert_eq!(transaction.to_bytes(), bytes);
        document::<Transaction>(bytes).expect("the same once more");
        for suite in SUITES {
            transaction.hash(suite);
        }
    }
    if let Ok(Transaction::Fisco(_)) = Transaction::from_raw(bytes) {
        assert!(FiscoTransaction::new(bytes.to_vec()).is_ok() || Transaction::from_bytes(bytes).is_ok());
    }
}

fn block(bytes: &[u8]) {
    let Some(block) = document::<Block>(bytes) else { return };
    let named = block.transactions.len() + block.left_out.len();
    for suite in SUITES {
        let proposal = block.proposal(suite, Hash::ZERO, Hash::ZERO);
        assert!(proposal.transactions.len() <= named);
        proposal.digest(suite);
    }
}

/// No certificate that was made up vouches for anything.
fn certificate(bytes: &[u8]) {
    let Some(certificate) = both::<Certificate>(bytes) else { return };
    let key = |seed| SecretKey::from_bytes(Suite::Standard, &[seed; 32]).expect("a key").public_key();
    let sealers = [11, 12, 13, 14].map(|seed| Member { key: key(seed), weight: u32::from(seed) });
    for suite in SUITES {
        assert!(certificate.verify(suite, &Hash([7; 32]), 5, &Hash([9; 32]), &sealers).is_err());
    }
}

fn ethereum(bytes: &[u8]) {
    let Ok(transaction) = EthereumTransaction::new(bytes.to_vec()) else { return };
    assert_eq!(transaction.raw(), bytes);
    _ = (transaction.kind(), transaction.hash());
    if let Ok(payload) = transaction.payload() {
        _ = (transaction.origin(), payload.authorizations.iter().map(Authorization::authority).collect::<Vec<_>>());
    }
    let encoded = Transaction::Ethereum(transaction).to_bytes();
    document::<Transaction>(&encoded).expect("what was made is read");
}

fn fisco(bytes: &[u8]) {
    let made = FiscoTransaction::new(bytes.to_vec());
    match (&made, items(bytes)) {
        (Ok(_) | Err(FiscoTransactionError::Field(_)), Some(13)) | (Err(FiscoTransactionError::Rlp), None) => {}
        (Err(FiscoTransactionError::Items(found)), Some(count)) if *found == count && count != 13 => {}
        (made, items) => panic!("{items:?} items: {made:?}"),
    }
    let Ok(transaction) = made else { return };
    // Zeros in front of SM2's key are put back, once.
    let has_zeros = transaction.suite() == Suite::Guomi && transaction.raw().len() > bytes.len();
    assert!(transaction.raw() == bytes || has_zeros);
    assert_eq!(FiscoTransaction::new(transaction.raw().to_vec()).as_ref(), Ok(&transaction));
    _ = (SUITES.map(|suite| transaction.hash(suite)), transaction.sender());
    document::<Transaction>(&Transaction::Fisco(transaction).to_bytes()).expect("what was made is read");
}

/// How many items a canonical RLP list has, by the rules of Ethereum's yellow paper, appendix B.
fn items(bytes: &[u8]) -> Option<usize> {
    let (true, start, length) = header(bytes)? else { return None };
    let mut rest = bytes.get(start..).filter(|rest| rest.len() == length)?;
    let mut count = 0;
    while !rest.is_empty() {
        let (_, start, length) = header(rest)?;
        rest = rest.get(start.checked_add(length)?..)?;
        count += 1;
    }
    Some(count)
}

/// Whether an item is a list, where its payload begins and how long it is.
fn header(bytes: &[u8]) -> Option<(bool, usize, usize)> {
    let first = *bytes.first()?;
    let (is_list, short) = (first >= 0xc0, usize::from(first & 0x3f));
    Some(match (first, short) {
        _ if first < 0x80 => (false, 0, 1),
        (0x81, _) if *bytes.get(1)? < 0x80 => return None,
        (_, 0..56) => (is_list, 1, short),
        _ => {
            let digits = bytes.get(1..1 + short - 55)?;
            let length = digits.iter().fold(0_u128, |sum, digit| (sum << 8) | u128::from(*digit));
            if digits.first() == Some(&0) || length < 56 {
                return None;
            }
            (is_list, 1 + digits.len(), usize::try_from(length).ok()?)
        }
    })
}

fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(group) = text.parse::<GroupId>() {
        assert_eq!(group.as_str(), text);
    }
    if let Ok(bytes) = hex_bytes::decode(text) {
        assert_eq!(hex_bytes::decode(&hex_bytes::encode(&bytes)), Ok(bytes));
    }
    let quoted = serde_json::to_string(text).expect("a text");
    if let Ok(amount) = serde_json::from_str::<Amount>(&quoted) {
        let shown = serde_json::to_string(&amount).expect("an amount");
        assert_eq!(serde_json::from_str::<Amount>(&shown).expect("what was shown"), amount);
    }
}

/// The golden files, and what has none.
pub fn seeds() -> Vec<Vec<u8>> {
    let folder = root().join("runtime/types/testdata");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a golden file");
    let scale = [
        (0, "genesis"),
        (1, "transaction_native"),
        (1, "transaction_ethereum"),
        (1, "transaction_fisco"),
        (2, "block"),
        (3, "proposal"),
        (4, "header"),
        (5, "certificate"),
        (6, "receipt_success"),
        (6, "receipt_failure"),
        (7, "log"),
        (8, "left_out"),
    ];
    let with = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let bytes = |name: &str| {
        let digits = read(&format!("{name}.scale.hex"));
        hex_bytes::decode(digits.trim()).expect("digits")
    };
    let mut seeds: Vec<Vec<u8>> = scale.iter().map(|(kind, name)| with(*kind, &bytes(name))).collect();
    for (kind, name) in [(13, "genesis"), (14, "receipt_success"), (15, "certificate"), (16, "transaction_native")] {
        seeds.push(with(kind, read(&format!("{name}.json")).as_bytes()));
    }
    let genesis = bytes("genesis");
    let member = Genesis::decode_all(&mut &*genesis).expect("the golden one").sealers[0].encode();
    seeds.push(with(10, &member));
    if let Ok(Transaction::Native(native)) = Transaction::from_bytes(&bytes("transaction_native")) {
        seeds.push(with(9, &native.unsigned.encode()));
    }
    for (kind, name) in [(11, "transaction_ethereum"), (12, "transaction_fisco"), (12, "guomi/transaction_fisco")] {
        match Transaction::from_bytes(&bytes(name)) {
            Ok(Transaction::Ethereum(transaction)) => seeds.push(with(kind, transaction.raw())),
            Ok(Transaction::Fisco(transaction)) => seeds.push(with(kind, transaction.raw())),
            _ => {}
        }
    }
    for line in
        ["0x00112233", "group1", "115792089237316195423570985008687907853269984665640564039457584007913129639935"]
    {
        seeds.push(with(17, line.as_bytes()));
    }
    seeds
}
