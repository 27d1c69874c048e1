//! One of each document, with every optional part there.

use entente_crypto::{MerkleProof, MerkleSide, SecretKey, Suite};
use entente_types::{
    Address, Amount, Block, Bloom, Bytes, Certificate, CertificateVote, CertifiedHeader, Claim, ConsensusKind,
    DecidedSet, EthereumHeader, EvmHash, EvmTimestamp, Genesis, GroupId, Hash, Header, LeftOut, Limits, Log, Member,
    Observers, Proof, Proposal, Receipt, ReceiptClaim, ReceiptError, ReceiptStep, Recovery, RowClaim, SealerChange,
    SealerEntry, SealerSet, SignedRecovery, Status, Table, Transaction, TransactionClaim, UnsignedFiscoTransaction,
    UnsignedTransaction, Version,
};
use parity_scale_codec::{DecodeAll, Encode};

pub(crate) mod guomi;

/// A key of the Standard suite: the golden files of these samples are older than the Guomi suite's signatures.
pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[seed; 32]).expect("a key")
}

pub(crate) fn genesis(suite: Suite) -> Genesis {
    let member = |seed, weight| Member { key: key(seed).public_key(), weight };
    Genesis {
        version: Version,
        chain_id: 3,
        group_id: GroupId::new("trade_finance-1").expect("a name"),
        ethereum_chain_id: 20200,
        suite,
        timestamp_ms: 1_700_000_000_123,
        consensus: ConsensusKind::Pbft,
        pipeline_depth: 2,
        protocol_version: 1,
        evm_hash: EvmHash::Sm3,
        evm_timestamp: EvmTimestamp::Milliseconds,
        balances: true,
        limits: Limits::default(),
        sealers: vec![member(1, 1), member(2, 1), member(3, 2), member(4, 1)],
        allocations: vec![(Address([9; 20]), Amount::from(1_000_000))],
    }
}

fn unsigned() -> UnsignedTransaction {
    UnsignedTransaction {
        version: Version,
        chain_id: 3,
        group_id: GroupId::new("trade_finance-1").expect("a name"),
        sender: key(7).public_key().address(),
        nonce: [3; 32],
        valid_until: 900,
        gas_limit: 1_000_000,
        to: Some(Address([4; 20])),
        value: Amount::from(5),
        input: Bytes::new(vec![0xa9, 0x05, 0x9c, 0xbb, 0, 1]).expect("short"),
        extra: Bytes::new(b"order 17".to_vec()).expect("short"),
    }
}

pub(crate) fn native(suite: Suite) -> Transaction {
    unsigned().sign(&genesis(suite).hash(), &key(7))
}

/// EIP-155's example.
pub(crate) fn ethereum() -> Transaction {
    let raw = hex::decode(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc\
         2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb196\
         6a3b6d83",
    )
    .expect("hex");
    Transaction::Ethereum(entente_types::EthereumTransaction::new(raw).expect("an envelope"))
}

/// One of FISCO BCOS 2 that creates a contract, signed in the key's suite.
pub(crate) fn fisco_by(key: &SecretKey) -> Transaction {
    let unsigned = UnsignedFiscoTransaction {
        nonce: [3; 32],
        gas_price: Amount::from(300_000_000),
        gas: Amount::from(300_000_000),
        block_limit: 900,
        to: None,
        value: Amount::ZERO,
        input: vec![0x60, 0x01, 0x60, 0x02, 0x55],
        chain_id: 3,
        group: 1,
        extra: b"order 17".to_vec(),
    };
    Transaction::Fisco(unsigned.sign(key).expect("short"))
}

pub(crate) fn fisco() -> Transaction {
    fisco_by(&key(7))
}

pub(crate) fn proposal() -> Proposal {
    Proposal {
        version: Version,
        genesis: Hash([1; 32]),
        number: 300,
        parent: Hash([2; 32]),
        view: 4,
        timestamp_ms: 1_700_000_300_000,
        proposer: Address([5; 20]),
        transactions: vec![Hash([6; 32]), Hash([7; 32])],
        access: Some(Hash([8; 32])),
    }
}

pub(crate) fn header() -> Header {
    Header {
        version: Version,
        number: 300,
        parent: Hash([1; 32]),
        proposal: Hash([2; 32]),
        timestamp_ms: 1_700_000_300_000,
        proposer: Address([3; 20]),
        next_sealers: Hash([4; 32]),
        transaction_root: Hash([5; 32]),
        receipt_root: Hash([6; 32]),
        change_root: Hash([7; 32]),
        state_root: Hash([8; 32]),
        ethereum_hash: Hash([9; 32]),
        gas_used: 42_000,
        protocol_version: 1,
    }
}

pub(crate) fn certificate(suite: Suite) -> Certificate {
    let header = header();
    let digest = Header::signing_digest(suite, &genesis(suite).hash(), header.number, &header.hash(suite));
    let vote = |member: u16| CertificateVote { member, signature: key(member as u8 + 1).sign(&digest) };
    Certificate { version: Version, votes: vec![vote(0), vote(2), vote(3)] }
}

pub(crate) fn recovery(suite: Suite) -> SignedRecovery {
    let recovery =
        Recovery { version: Version, identity: genesis(suite).hash(), height: 258, header: header().hash(suite) };
    SignedRecovery { recovery, signatures: certificate(suite) }
}

pub(crate) fn left_out() -> LeftOut {
    LeftOut { position: 70_000, hash: Hash([6; 32]) }
}

pub(crate) fn block(suite: Suite) -> Block {
    Block {
        version: Version,
        header: header(),
        certificate: certificate(suite),
        view: 4,
        access: Some(Hash([8; 32])),
        left_out: vec![left_out()],
        transactions: vec![native(suite), ethereum(), fisco()],
    }
}

pub(crate) fn log() -> Log {
    Log { address: Address([9; 20]), topics: vec![Hash([1; 32]), Hash([2; 32])], data: vec![0, 1, 254, 255] }
}

pub(crate) fn success() -> Receipt {
    Receipt {
        version: Version,
        status: Status::Success,
        output: vec![1, 2, 3],
        gas_used: 21_345,
        logs: vec![log()],
        contract: Some(Address([4; 20])),
        error: None,
    }
}

pub(crate) fn failure() -> Receipt {
    Receipt {
        version: Version,
        status: Status::OutOfGas,
        output: vec![],
        gas_used: 100_000,
        logs: vec![],
        contract: None,
        error: Some(ReceiptError::new("out_of_gas", "out of gas")),
    }
}

pub(crate) fn ethereum_header() -> EthereumHeader {
    let mut bloom = Bloom::default();
    bloom.add(&log());
    EthereumHeader {
        parent: Hash([1; 32]),
        beneficiary: Address([2; 20]),
        state_root: Hash([3; 32]),
        transaction_root: Hash([4; 32]),
        receipt_root: Hash([5; 32]),
        bloom,
        number: 300,
        gas_limit: 800_000_000,
        gas_used: 128,
        timestamp_s: 1_700_000_000,
    }
}

/// A proof of each kind; what they claim follows from no header.
pub(crate) fn proofs(suite: Suite) -> [(&'static str, Proof); 3] {
    let block = CertifiedHeader { header: header(), certificate: certificate(suite) };
    let sealers = vec![Member { key: key(5).public_key(), weight: 3 }];
    let sealer_changes = vec![SealerChange { block: block.clone(), sealers }];
    let path = MerkleProof { path: vec![(MerkleSide::Left, Hash([1; 32])), (MerkleSide::Right, Hash([2; 32]))] };
    let transaction = TransactionClaim { transaction: native(suite), path: path.clone() };
    let step = ReceiptStep { side: MerkleSide::Right, transaction: Hash([3; 32]), receipt: Hash([4; 32]) };
    let receipt = ReceiptClaim { transaction: native(suite).hash(suite), receipt: success(), path: vec![step] };
    let row = RowClaim { table: Table::Contract(Address([9; 20])), key: vec![1, 2], value: Some(vec![3]), path };
    [
        ("proof_transaction", Claim::Transaction(transaction)),
        ("proof_receipt", Claim::Receipt(receipt)),
        ("proof_row", Claim::Row(row)),
    ]
    .map(|(name, claim)| {
        let (sealer_changes, block) = (sealer_changes.clone(), block.clone());
        (name, Proof { version: Version, genesis: genesis(suite).hash(), sealer_changes, block, claim })
    })
}

/// A set that rules and two that will.
pub(crate) fn sealer_entry() -> SealerEntry {
    let mut entry = SealerEntry::new(DecidedSet { from: 0, hash: Hash([1; 32]) });
    entry.decide(300, DecidedSet { from: 302, hash: Hash([2; 32]) });
    entry.decide(301, DecidedSet { from: 303, hash: Hash([3; 32]) });
    entry
}

pub(crate) fn sealer_set() -> SealerSet {
    let sealers = vec![Member { key: key(1).public_key(), weight: 1 }, Member { key: key(5).public_key(), weight: 7 }];
    SealerSet { version: Version, before: 302, sealers }
}

pub(crate) fn observers() -> Observers {
    Observers { version: Version, keys: vec![key(3).public_key(), key(4).public_key()] }
}

fn comes_back<T: Encode + DecodeAll + PartialEq>(value: &T) -> bool {
    T::decode_all(&mut value.encode().as_slice()).is_ok_and(|decoded| decoded == *value)
}

/// Whether documents with these parts decode to themselves.
pub(crate) fn round_trips(numbers: [u64; 4], hash: Hash, data: &[u8], text: &str, count: usize) -> bool {
    let address = Address(*hash.0.first_chunk().expect("20 of 32"));
    let optional = count.is_multiple_of(2).then_some(address);
    let unsigned = UnsignedTransaction {
        chain_id: numbers[0],
        nonce: hash.0,
        valid_until: numbers[1],
        gas_limit: numbers[2],
        to: optional,
        value: Amount::from_le_bytes(hash.0),
        input: Bytes::new(data.to_vec()).expect("short"),
        ..unsigned()
    };
    let transaction = unsigned.sign(&hash, &key(1));
    let log = Log { address, topics: vec![hash; count.min(4)], data: data.to_vec() };
    let receipt = Receipt {
        output: data.to_vec(),
        gas_used: numbers[3],
        logs: vec![log.clone(); count],
        contract: optional,
        error: optional.map(|_| ReceiptError::new(text, text)),
        ..success()
    };
    let header =
        Header { number: numbers[0], timestamp_ms: numbers[1], gas_used: numbers[2], parent: hash, ..header() };
    let proposal =
        Proposal { view: numbers[3], transactions: vec![hash; count], access: optional.map(|_| hash), ..proposal() };
    let block = Block {
        header: header.clone(),
        left_out: vec![LeftOut { position: numbers[0] as u32, hash }; count],
        transactions: vec![transaction.clone(); count],
        ..block(Suite::Standard)
    };
    comes_back(&transaction)
        && comes_back(&log)
        && comes_back(&receipt)
        && comes_back(&header)
        && comes_back(&proposal)
        && comes_back(&block)
        && serde_json::to_string(&receipt)
            .is_ok_and(|json| serde_json::from_str(&json).is_ok_and(|read: Receipt| read == receipt))
}
