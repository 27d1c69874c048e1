//! Blocks of a chain whose sealers change: each is believed by the set that rules its height, and by no other.

mod common;

use std::sync::Arc;

use common::{genesis, key};
use entente_crypto::keccak256;
use entente_executor::{BlockInput, Executor, InputTransaction};
use entente_group::{Replay, ReplayError, open};
use entente_host::EthereumEnvironment;
use entente_ledger::{Ledger, LedgerOptions};
use entente_storage::Memory;
use entente_types::{
    Address, Amount, Block, Bytes, Certificate, CertificateError, CertificateVote, ConsensusKind, Genesis, Header,
    Limits, Member, Proposal, Transaction, UnsignedTransaction, Version,
};

const MEMBERS: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 3]);

/// Four sealers, two heights in flight.
fn group() -> Genesis {
    let sealers = (1..=4).map(|seed| Member { key: key(seed).public_key(), weight: 1 }).collect();
    Genesis { consensus: ConsensusKind::Pbft, pipeline_depth: 2, sealers, ..genesis(Limits::default()) }
}

fn opened() -> (Arc<Ledger>, Arc<Executor>) {
    open(Arc::new(Memory::new()), &group(), LedgerOptions::default()).expect("opens")
}

/// The first sealer's call of the members' module about the node with this key.
fn change(function: &str, seed: u8, nonce: u8) -> Transaction {
    let digits: String = key(seed).public_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let word = |number: u8| [&[0; 31][..], &[number]].concat();
    let selector = keccak256(format!("{function}(string)").as_bytes()).0;
    let input = [&selector[..4], &word(32), &word(128), digits.as_bytes()].concat();
    let genesis = group();
    UnsignedTransaction {
        version: Version,
        chain_id: 1,
        group_id: genesis.group_id.clone(),
        sender: key(1).public_key().address(),
        nonce: [nonce; 32],
        valid_until: 500,
        gas_limit: 2_000_000,
        to: Some(MEMBERS),
        value: Amount::ZERO,
        input: Bytes::new(input).expect("short"),
        extra: Bytes::default(),
    }
    .sign(&genesis.hash(), &key(1))
}

/// The votes of these keys, at the places of their order.
fn certificate(header: &Header, keys: &[u8]) -> Certificate {
    let genesis = group();
    let digest = Header::signing_digest(genesis.suite, &genesis.hash(), header.number, &header.hash(genesis.suite));
    let vote = |(member, seed): (u16, &u8)| CertificateVote { member, signature: key(*seed).sign(&digest) };
    Certificate { version: Version, votes: (0..).zip(keys).map(vote).collect() }
}

/// The next block of a ledger, certified by these keys.
fn next(ledger: &Ledger, executor: &Executor, transactions: Vec<Transaction>, keys: &[u8]) -> Block {
    let genesis = group();
    let parent = ledger.header(ledger.tip().number).expect("reads").expect("there");
    let inputs: Vec<InputTransaction> = transactions
        .iter()
        .map(|one| InputTransaction { hash: one.hash(genesis.suite), transaction: Arc::new(one.clone()) })
        .collect();
    let proposal = Proposal {
        version: Version,
        genesis: genesis.hash(),
        number: parent.number + 1,
        parent: parent.proposal,
        view: 0,
        timestamp_ms: parent.timestamp_ms + 1000,
        proposer: key(1).public_key().address(),
        transactions: inputs.iter().map(|one| one.hash).collect(),
        access: None,
    };
    let input = BlockInput {
        parent: &parent,
        proposal: &proposal,
        transactions: &inputs,
        state: ledger.state(),
        commitment: &ledger.commitment(),
        record_accesses: false,
        ethereum: EthereumEnvironment::default(),
    };
    let executed = executor.execute(&input).expect("no fault of the node");
    assert!(executed.receipts.iter().all(|receipt| receipt.output.last() == Some(&1)), "{:?}", executed.receipts);
    let certificate = certificate(&executed.header, keys);
    Block {
        version: Version,
        header: executed.header,
        certificate,
        view: 0,
        access: None,
        left_out: vec![],
        transactions,
    }
}

#[test]
fn the_old_set_certifies_up_to_the_change_and_the_new_one_from_it_on() {
    let (ledger, executor) = opened();
    let (old, new) = ([1, 2, 3, 4], [1, 2, 5]);
    let mut replay = Replay::new(&ledger, &executor).expect("begins");
    let decide = vec![change("remove", 4, 1), change("remove", 3, 2), change("addSealer", 5, 3)];
    replay.take(next(&ledger, &executor, decide, &old)).expect("the old set rules");
    let refused = |replay: &mut Replay<'_>, keys: &[u8]| {
        let block = next(&ledger, &executor, vec![], keys);
        let number = block.header.number;
        let error = replay.take(block).expect_err("refused");
        let ReplayError::Certificate { number: found, error } = error else { unreachable!("{error}") };
        assert_eq!(found, number);
        error
    };
    // Block 2: decided, but not ruling yet.
    assert_eq!(refused(&mut replay, &new), CertificateError::Signature(2));
    replay.take(next(&ledger, &executor, vec![], &old)).expect("the old set still rules");
    // Block 3, by a replay that goes on and by one that begins here.
    for mut replay in [replay, Replay::new(&ledger, &executor).expect("begins")] {
        assert_eq!(refused(&mut replay, &old), CertificateError::Members { sealers: 3 });
        assert_eq!(refused(&mut replay, &[1, 2, 3]), CertificateError::Signature(2));
        assert_eq!(refused(&mut replay, &[1, 2]), CertificateError::Quorum { found: 2, quorum: 3 });
    }
    let mut replay = Replay::new(&ledger, &executor).expect("begins");
    replay.take(next(&ledger, &executor, vec![change("addObserver", 4, 4)], &new)).expect("the new set rules");
    replay.take(next(&ledger, &executor, vec![], &new)).expect("and goes on ruling");
    assert!(ledger.verify(&mut |_| {}).expect("reads").ok);

    // All of it again, elsewhere.
    let (fresh, other) = opened();
    let mut again = Replay::new(&fresh, &other).expect("begins");
    for number in 1..=4 {
        again.take(ledger.block(number).expect("reads").expect("there")).expect("takes it in");
    }
    assert_eq!(fresh.tip(), ledger.tip());
}

#[test]
fn a_header_that_names_another_set_is_not_what_execution_comes_to() {
    let (ledger, executor) = opened();
    let mut replay = Replay::new(&ledger, &executor).expect("begins");
    let mut block = next(&ledger, &executor, vec![], &[1, 2, 3]);
    block.header.next_sealers.0[0] ^= 1;
    block.certificate = certificate(&block.header, &[1, 2, 3]);
    let error = replay.take(block).expect_err("refused");
    assert!(matches!(error, ReplayError::Header { what: "next sealer set", .. }), "{error}");
}
