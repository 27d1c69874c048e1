//! Snapshots: what one ledger serves, another takes in, and is the same from then on.

mod support;

use std::sync::Arc;

use entente_crypto::{Domain, Hash, LtHash};
use entente_ledger::{
    ChunkError, HistoryRetention, InstallError, InstallPlan, Ledger, LedgerOptions, SNAPSHOT_PART_CHUNKS, SnapshotHead,
    SnapshotOptions, SnapshotPart, Staging, StateChunk, Tip, chunk_name,
};
use entente_storage::{
    Engine, Memory,
    crash::{CrashEngine, Sector},
};
use entente_types::{Header, Version, limits::VALIDITY_BLOCKS_MAX};

use parity_scale_codec::Encode;
use support::{Chain, Writes};

const OPTIONS: LedgerOptions = LedgerOptions {
    history: HistoryRetention::Blocks(4),
    row_cache_bytes: 1 << 16,
    snapshots: SnapshotOptions { interval_blocks: 10, chunk_bytes_min: 20, chunk_bytes_max: 60, rows_to_cut: 3 },
};

fn writes(number: u64) -> Writes {
    let key = |step: u64| ((number * 7 + step) % 190) as u8;
    let set = |step| (key(step), Some(vec![number as u8; 1 + (number % 9) as usize]));
    let mut writes: Writes = (0..6).map(set).collect();
    writes.push((key(100), None));
    writes.sort_by_key(|(key, _)| *key);
    writes.dedup_by_key(|(key, _)| *key);
    writes
}

/// A chain of so many blocks, one of which changes the sealers.
fn grown(blocks: u64) -> (Chain, Ledger) {
    let mut chain = Chain::new();
    let record = chain.genesis_record(&vec![(200, Some(b"genesis".to_vec()))]);
    let ledger = Ledger::create_with(Arc::new(Memory::new()), record, OPTIONS).unwrap();
    grow(&mut chain, &[&ledger], blocks);
    (chain, ledger)
}

fn grow(chain: &mut Chain, ledgers: &[&Ledger], blocks: u64) {
    for _ in 0..blocks {
        let number = chain.headers.len() as u64;
        if number == 13 {
            chain.decide(vec![0, 1, 3]);
        }
        let record = chain.next((number % 3) as usize, &writes(number));
        ledgers.iter().for_each(|ledger| ledger.append(&record).unwrap());
    }
}

fn empty(chain: &Chain, engine: Arc<dyn Engine>) -> Ledger {
    let mut again = Chain::new();
    assert_eq!(again.genesis, chain.genesis);
    let record = again.genesis_record(&vec![(200, Some(b"genesis".to_vec()))]);
    Ledger::create_with(engine, record, OPTIONS).unwrap()
}

/// Stages what `from` serves of a height, as a node does that fetched it, and gives the plan.
fn stage(from: &Ledger, to: &Ledger, height: u64) -> InstallPlan {
    let suite = from.genesis().suite;
    let head = from.snapshot_head(height).unwrap().unwrap();
    assert!(head.is_well_formed() && head.height == height);
    let first = to.tip().number + 1;
    let steps = from.header_steps(first, height - first + 1).unwrap();
    let mut sealers = to.genesis().sealers.clone();
    for step in &steps {
        sealers = step.sealers.clone().unwrap_or(sealers);
    }
    let headers = steps.into_iter().map(|step| step.block).collect();
    to.stage(&Staging::Headers { headers, sealers }).unwrap();
    let mut chunks = Vec::new();
    let mut lanes = LtHash::default();
    for (number, hash) in (0_u32..).zip(&head.parts) {
        let part = from.snapshot_part(height, number).unwrap().unwrap();
        assert_eq!(part.hash(suite), *hash);
        for of_chunk in part.chunks() {
            chunks.push(chunk_name(suite, of_chunk));
            lanes.combine(&LtHash::from_bytes(of_chunk).unwrap());
        }
    }
    assert_eq!(chunks.len(), head.chunks as usize);
    for (number, name) in (0_u32..).zip(&chunks) {
        let chunk = from.snapshot_chunk(height, number).unwrap().unwrap();
        assert_eq!(chunk_name(suite, &chunk.lanes(suite).unwrap().to_bytes()), *name);
        to.stage(&Staging::Chunk(*name, chunk)).unwrap();
    }
    for number in head.oldest_block().max(first)..=height {
        to.stage(&Staging::Body(Box::new(from.body(number).unwrap().unwrap()))).unwrap();
    }
    InstallPlan { head, chunks, lanes: lanes.to_bytes() }
}

fn assert_whole(ledger: &Ledger, height: u64) {
    let found = ledger.verify(&mut |_| {}).unwrap();
    assert!(found.ok && found.height == height, "{found:?}");
}

#[test]
fn a_snapshot_makes_the_same_ledger() {
    let (mut chain, ledger) = grown(34);
    assert_eq!(ledger.snapshots(), [20, 30]);
    let head = ledger.snapshot_head(30).unwrap().unwrap();
    assert!(head.chunks > 20, "{} chunks", head.chunks);
    let engine = Arc::new(Memory::new());
    let fresh = empty(&chain, engine.clone());
    let plan = stage(&ledger, &fresh, 30);
    fresh.install(&plan).unwrap();
    assert_whole(&fresh, 30);
    assert_eq!((fresh.tip(), fresh.oldest_state(), fresh.oldest_block()), (ledger_tip(&chain, 30), 30, 1));
    assert!(fresh.staged(10).unwrap().is_empty());
    let remembered: Vec<_> = fresh.replay_window().map(Result::unwrap).collect();
    let expected: Vec<_> = ledger.replay_window().map(Result::unwrap).take(30).collect();
    assert_eq!(remembered, expected);
    // It goes on like the other, and after a restart.
    for number in 31..=34 {
        fresh.append(&chain.records[number - 1]).unwrap();
    }
    grow(&mut chain, &[&ledger, &fresh], 8);
    assert_whole(&fresh, 42);
    let fresh = Ledger::open_with(engine, &chain.genesis, OPTIONS).unwrap();
    assert_whole(&fresh, 42);
    assert_eq!((fresh.tip(), fresh.commitment()), (ledger.tip(), ledger.commitment()));
    for number in 0..=42 {
        assert_eq!(fresh.block(number).unwrap(), ledger.block(number).unwrap());
        assert_eq!(fresh.receipts(number).unwrap(), ledger.receipts(number).unwrap());
    }
    assert_eq!(ledger.snapshots(), [30, 40]);
    assert!(ledger.snapshot_chunk(30, 0).unwrap().is_some());
    grow(&mut chain, &[&ledger], 8);
    assert_eq!(ledger.snapshots(), [30, 40, 50], "30 was asked for");
    grow(&mut chain, &[&ledger], 8);
    assert_eq!(ledger.snapshots(), [40, 50], "and not for long");
}

fn ledger_tip(chain: &Chain, height: usize) -> Tip {
    let header: &Header = &chain.headers[height];
    let total = chain.records[..height].iter().map(|record| record.block.transactions.len() as u64).sum();
    Tip {
        number: header.number,
        header_hash: header.hash(chain.genesis.suite),
        proposal: header.proposal,
        total_transactions: total,
    }
}

#[test]
fn of_blocks_below_the_last_thousand_the_headers_stay() {
    let (mut chain, ledger) = grown(1_020);
    let engine = Arc::new(Memory::new());
    let fresh = empty(&chain, engine.clone());
    chain.records[..7].iter().for_each(|record| fresh.append(record).unwrap());
    let plan = stage(&ledger, &fresh, 1_020);
    fresh.install(&plan).unwrap();
    assert_whole(&fresh, 1_020);
    let oldest = 1_020 - VALIDITY_BLOCKS_MAX + 1;
    grow(&mut chain, &[&ledger, &fresh], 3);
    for ledger_ in [&fresh, &Ledger::open_with(engine, &chain.genesis, OPTIONS).unwrap()] {
        assert_whole(ledger_, 1_023);
        assert_eq!(ledger_.oldest_block(), oldest);
        assert_eq!(ledger_.tip(), ledger.tip());
        for number in [1, 5, oldest - 1] {
            assert_eq!(ledger_.block(number).unwrap(), None);
            assert_eq!(ledger_.receipts(number).unwrap(), None);
            assert_eq!(ledger_.transaction_at(number, 0).unwrap(), None);
            assert_eq!(ledger_.certified_header(number).unwrap(), ledger.certified_header(number).unwrap());
            let hash = chain.headers[number as usize].hash(chain.genesis.suite);
            assert_eq!(ledger_.number_by_hash(&hash).unwrap(), Some(number));
        }
        for number in [0, oldest, 1_021] {
            assert_eq!(ledger_.block(number).unwrap(), ledger.block(number).unwrap());
        }
        assert_eq!(ledger_.header_steps(1, 2_000).unwrap(), ledger.header_steps(1, 2_000).unwrap());
    }
}

#[test]
fn what_is_missing_or_wrong_changes_nothing() {
    let (chain, ledger) = grown(20);
    let fresh = empty(&chain, Arc::new(Memory::new()));
    let before = (fresh.tip(), fresh.commitment());
    let plan = stage(&ledger, &fresh, 20);
    let wrong = |plan: &InstallPlan| fresh.install(plan).unwrap_err();
    let mut other = plan.clone();
    other.lanes[5] ^= 1;
    assert!(matches!(wrong(&other), InstallError::Root { height: 20, .. }));
    let mut other = stage(&ledger, &fresh, 20);
    other.chunks.push(Hash([9; 32]));
    assert!(wrong(&other).to_string().contains("chunk"));
    // What is wrong is not kept.
    assert!(matches!(wrong(&plan), InstallError::Missing { height: 20, .. }));
    let mut other = stage(&ledger, &fresh, 20);
    other.head.height = 19;
    assert!(matches!(wrong(&other), InstallError::Root { height: 19, .. }));
    let again = stage(&ledger, &fresh, 20);
    assert_eq!(again, plan);
    let kept = plan.chunks[..2].iter().copied().collect();
    fresh.stage(&Staging::Only { chunks: kept, bodies: 4..=9 }).unwrap();
    let staged = fresh.staged(3).unwrap();
    assert_eq!((staged.chunks.len(), staged.bodies), (2, (4..=9).collect()));
    assert!(wrong(&plan).to_string().contains("chunk"));
    assert!(fresh.staged(3).unwrap().is_empty());
    let (_, further) = grown(20);
    stage(&ledger, &fresh, 20);
    assert!(matches!(further.install(&plan).unwrap_err(), InstallError::Overtaken { height: 20, tip: 20 }));
    assert_eq!((fresh.tip(), fresh.commitment()), before);
    assert_whole(&fresh, 0);
    // What is changed on its way has another name.
    let suite = chain.genesis.suite;
    let chunk = ledger.snapshot_chunk(20, 3).unwrap().unwrap();
    let name = |chunk: &StateChunk| chunk.lanes(suite).ok().map(|lanes| chunk_name(suite, &lanes.to_bytes()));
    let mut other = chunk.clone();
    *other.rows.last_mut().unwrap() ^= 1;
    assert_ne!(name(&other), name(&chunk));
    let twice = StateChunk { version: Version, rows: [chunk.rows.clone(), chunk.rows.clone()].concat() };
    assert_eq!(name(&twice), None);
    let head = ledger.snapshot_head(20).unwrap().unwrap();
    assert!(!SnapshotHead { chunks: SNAPSHOT_PART_CHUNKS as u32 + 1, ..head }.is_well_formed());
    assert_eq!(ledger.snapshot_head(15).unwrap(), None);
    assert_eq!(ledger.snapshot_chunk(20, 9_999).unwrap(), None);
}

/// The power goes at each write while a snapshot is put in: after a restart it is in, or nothing of it is.
#[test]
fn a_loss_of_power_at_any_write_is_made_up_for() {
    let (chain, ledger) = grown(20);
    let mut ends = [0, 0];
    for writes_left in 0.. {
        let engine = CrashEngine::default();
        let fresh = empty(&chain, Arc::new(engine.clone()));
        chain.records[..3].iter().for_each(|record| fresh.append(record).unwrap());
        let plan = stage(&ledger, &fresh, 20);
        engine.lose_power_after(writes_left);
        let installed = fresh.install(&plan).is_ok();
        drop(fresh);
        for place in 0..3 {
            let mut sector = place;
            let lost = engine.crash_damaged(&mut || {
                sector += 1;
                match sector % 3 {
                    0 => Sector::Written,
                    1 => Sector::Lost,
                    _ => Sector::Torn(100),
                }
            });
            let again = Ledger::open_with(Arc::new(lost), &chain.genesis, OPTIONS).unwrap();
            let height = again.tip().number;
            assert!(height == 20 || (height == 3 && !installed), "{height} after {writes_left} writes");
            assert_whole(&again, height);
            ends[usize::from(height == 20)] += 1;
        }
        if installed {
            break;
        }
    }
    assert!(ends[0] > 0 && ends[1] > 6, "{ends:?}");
}

/// A certificate that somebody put in place of the right one goes nowhere; and a row that is added moves few chunks.
#[test]
fn certificates_are_those_of_the_headers_and_most_chunks_stay() {
    let (mut chain, ledger) = grown(20);
    let fresh = empty(&chain, Arc::new(Memory::new()));
    let plan = stage(&ledger, &fresh, 20);
    let mut body = ledger.body(20).unwrap().unwrap();
    body.block.certificate.votes.clear();
    fresh.stage(&Staging::Body(Box::new(body))).unwrap();
    fresh.install(&plan).unwrap();
    assert_whole(&fresh, 20);
    assert_eq!(fresh.block(20).unwrap(), ledger.block(20).unwrap());

    for number in 21_u8..=30 {
        let one = vec![(5, Some(vec![number; 3]))];
        let record = chain.next(0, &one);
        ledger.append(&record).unwrap();
    }
    let names = |height| {
        let parts = ledger.snapshot_head(height).unwrap().unwrap().parts.len() as u32;
        let part = |number| ledger.snapshot_part(height, number).unwrap().unwrap();
        let of =
            |part: SnapshotPart| part.chunks().map(|lanes| chunk_name(chain.genesis.suite, lanes)).collect::<Vec<_>>();
        (0..parts).flat_map(|number| of(part(number))).collect::<Vec<Hash>>()
    };
    let (before, after) = (names(20), names(30));
    let new = after.iter().filter(|name| !before.contains(name)).count();
    assert!(before == plan.chunks && (1..=2).contains(&new), "{new} of {}", after.len());
}

#[test]
fn the_first_version_of_the_bytes_stands() {
    let head = SnapshotHead {
        version: Version,
        height: 258,
        header: Hash([7; 32]),
        total_transactions: 5,
        chunks: 3,
        parts: vec![Hash([9; 32])],
    };
    let numbers = [&[2, 1, 0, 0, 0, 0, 0, 0][..], &[7; 32], &[5, 0, 0, 0, 0, 0, 0, 0], &[3, 0, 0, 0]].concat();
    assert_eq!(head.encode(), [&[1][..], &numbers, &[1 << 2], &[9; 32]].concat());
    let part = SnapshotPart { version: Version, lanes: vec![1, 2] };
    assert_eq!(part.encode(), [1, 2 << 2, 1, 2]);
    assert!(!part.has(1) && SnapshotPart { version: Version, lanes: vec![0; 4096] }.has(2));
    let mut chunk = StateChunk::new();
    chunk.push(&[1], &[2, 3]);
    assert_eq!(chunk.encode(), [1, 5 << 2, 1 << 2, 1, 2 << 2, 2, 3]);
    assert_eq!(chunk.iter().collect::<Vec<_>>(), [Ok((&[1][..], &[2, 3][..]))]);
    chunk.rows.pop();
    assert_eq!(chunk.iter().collect::<Vec<_>>(), [Err(ChunkError)]);
    assert_eq!(chunk.lanes(entente_crypto::Suite::Standard), Err(ChunkError));
    let suite = entente_crypto::Suite::Standard;
    assert_eq!(part.hash(suite), suite.hash_of(Domain::SNAPSHOT_PART, &part));
    assert_eq!(chunk_name(suite, &[1, 2]), suite.hash_of(Domain::SNAPSHOT_CHUNK, &vec![1_u8, 2]));
}
