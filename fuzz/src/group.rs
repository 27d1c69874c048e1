//! What the nodes of a group tell one another.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use std::sync::{Arc, LazyLock};

use entente_consensus::{Ballot, Message as ConsensusMessage, Vote};
use entente_group::{Brief, Incoming, Message};
use entente_ledger::{Body, HeaderStep, SnapshotHead, SnapshotPart, StateChunk};
use entente_pool::PoolRules;
use entente_testing::{genesis, keys, unsigned};
use entente_types::{
    Block, Certificate, CertifiedHeader, Genesis, Hash, Header, Proposal, Suite, Transaction, Version,
};
use parity_scale_codec::{DecodeAll as _, Encode as _};

static GENESIS: LazyLock<Genesis> = LazyLock::new(|| genesis(&keys(4)));

/// What decodes encodes to the same bytes, and looking at it never panics.
pub fn check(data: &[u8]) {
    let Ok(message) = Message::decode_all(&mut &data[..]) else { return };
    assert!(message.encode() == data, "what decodes encodes to the same bytes");
    let rules = PoolRules {
        suite: Suite::Standard,
        scheme: Arc::new(Suite::Standard),
        genesis: GENESIS.hash(),
        chain_id: GENESIS.chain_id,
        group_id: GENESIS.group_id.clone(),
        transaction_gas: GENESIS.limits.transaction_gas,
        ethereum: None,
        verified: Arc::default(),
    };
    for height in [0, u64::MAX] {
        if let Ok(incoming) = Incoming::new(&rules, height, message.clone()) {
            assert!(incoming.message().encode() == data);
        }
    }
}

fn proposal() -> Arc<Proposal> {
    Arc::new(Proposal {
        version: Version,
        genesis: GENESIS.hash(),
        number: 1,
        parent: Hash([2; 32]),
        view: 0,
        timestamp_ms: 1_700_000_000_001,
        proposer: keys(1)[0].public_key().address(),
        transactions: vec![Hash([3; 32]), Hash([4; 32])],
        access: None,
    })
}

fn transactions() -> Vec<Arc<Transaction>> {
    let key = &keys(1)[0];
    (0..2).map(|nonce| Arc::new(unsigned(&GENESIS, key, nonce).sign(&GENESIS.hash(), key))).collect()
}

fn header() -> Header {
    GENESIS.header(Hash([5; 32]), Hash([6; 32]))
}

/// What is said about headers and snapshots.
fn of_snapshots() -> Vec<Message> {
    let head = SnapshotHead {
        version: Version,
        height: 9,
        header: Hash([7; 32]),
        total_transactions: 3,
        chunks: 1,
        parts: vec![Hash([8; 32])],
    };
    let part = Some(Arc::new(SnapshotPart { version: Version, lanes: vec![1; 2048] }));
    let mut chunk = StateChunk::new();
    chunk.push(&[0, 1, 2], &[3, 4]);
    let block = Block {
        version: Version,
        header: header(),
        certificate: Certificate::default(),
        view: 0,
        access: None,
        left_out: Vec::new(),
        transactions: transactions().iter().map(|one| (**one).clone()).collect(),
    };
    let step = CertifiedHeader { header: header(), certificate: Certificate::default() };
    let (height, number) = (9, 0);
    vec![
        Message::GetHeaders { from: 1, count: 256 },
        Message::Headers(vec![HeaderStep { block: step, sealers: Some(GENESIS.sealers.clone()) }]),
        Message::GetSnapshots,
        Message::Snapshots(vec![9]),
        Message::GetSnapshot { height },
        Message::Snapshot(Arc::new(head)),
        Message::GetPart { height, part: 0 },
        Message::Part { height, number, part },
        Message::GetChunk { height, chunk: 0 },
        Message::Chunk { height, number, chunk: Some(Arc::new(chunk)) },
        Message::GetBodies { from: 1, count: 16 },
        Message::Bodies(vec![Arc::new(Body { block, receipts: Vec::new() })]),
    ]
}

/// One of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let digest = proposal().digest(Suite::Standard);
    let transactions = transactions();
    let signature = keys(1)[0].sign(&digest);
    let ballot = Ballot { epoch: 1, view: 0, height: 1, digest };
    let vote = Vote { ballot, member: 0, signature };
    let placed = (0_u32..).zip(transactions.iter().map(Arc::clone)).collect();
    [
        Message::Consensus(ConsensusMessage::PrePrepare(vote.clone())),
        Message::Brief { vote: vote.clone(), brief: Arc::new(Brief::of(&proposal())) },
        Message::PrePrepare { vote, proposal: proposal() },
        Message::Transactions(transactions),
        Message::GetProposal { height: 1, digest },
        Message::Proposal(proposal()),
        Message::GetProposed { height: 1, digest, positions: vec![0, 1] },
        Message::Proposed { digest, transactions: placed },
        Message::Status { height: 9 },
        Message::GetBlocks { from: 1, count: 16 },
        Message::Blocks(Vec::new()),
    ]
    .iter()
    .chain(&of_snapshots())
    .map(Message::encode)
    .collect()
}
