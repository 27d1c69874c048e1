//! Power losses under a whole group: it comes back to the last block that was told, or to the one that was on its way
//! to the disk, and every row, receipt and index is as that block left it.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Rig, genesis};
use entente_disk::{Disk, Unsynced};
use entente_storage::{
    Engine, RocksDb, SharedResources,
    crash::{CrashEngine, SECTOR_BYTES, Sector},
};
use entente_types::{Address, Hash, Limits};

/// The losses under the engine in memory; under RocksDB, in the short form.
const LOSSES: u64 = 1000;
const ROCKSDB_LOSSES: u64 = 40;
/// The losses that one chain suffers.
const LOSSES_PER_CHAIN: u64 = 20;

/// Numbers from a seed (SplitMix64, Steele, Lea and Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A store whose machine loses its power.
trait Machine {
    fn engine(&self) -> Arc<dyn Engine>;
    /// The power will go at some instant from now on.
    fn doom(&mut self, numbers: &mut Numbers);
    /// The machine after that.
    fn restart(self, numbers: &mut Numbers) -> Self;
}

struct InMemory(CrashEngine);

impl Machine for InMemory {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.0.clone())
    }

    fn doom(&mut self, numbers: &mut Numbers) {
        self.0.lose_power_after(numbers.below(12));
    }

    fn restart(self, numbers: &mut Numbers) -> Self {
        // Often all of it, or nothing, is there; else any sectors.
        let kind = numbers.below(4);
        Self(self.0.crash_damaged(&mut || match (kind, numbers.below(8)) {
            (0, _) => Sector::Lost,
            (1, _) | (2, 1..) | (3, 2..) => Sector::Written,
            (_, 1) => Sector::Torn(numbers.below(SECTOR_BYTES as u64) as usize),
            _ => Sector::Lost,
        }))
    }
}

struct OnRocksDb {
    folder: tempfile::TempDir,
    disk: Disk,
    engine: Option<Arc<dyn Engine>>,
    cutter: Option<std::thread::JoinHandle<()>>,
}

impl OnRocksDb {
    fn new() -> Self {
        // The disk is simulated, so that the real one need not be waited for.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let mut machine = Self { folder, disk: Disk::new(), engine: None, cutter: None };
        machine.open();
        machine
    }

    fn open(&mut self) {
        let resources = SharedResources::new(1 << 20, 1 << 20);
        let engine = RocksDb::open_on(self.folder.path(), &resources, Some(&self.disk.env())).expect("opens");
        self.engine = Some(Arc::new(engine));
    }
}

impl Machine for OnRocksDb {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(self.engine.as_ref().expect("open"))
    }

    fn doom(&mut self, numbers: &mut Numbers) {
        let disk = self.disk.clone();
        let delay = Duration::from_micros(numbers.below(6_000));
        self.cutter = Some(std::thread::spawn(move || {
            std::thread::sleep(delay);
            disk.cut_power();
        }));
    }

    fn restart(mut self, numbers: &mut Numbers) -> Self {
        self.cutter.take().expect("doomed").join().expect("cuts");
        self.engine = None;
        let seed = numbers.below(u64::from(u32::MAX)) as u32;
        self.disk.restore_power(match numbers.below(3) {
            0 => Unsynced::Lost,
            1 => Unsynced::Torn(seed),
            _ => Unsynced::Reordered(seed),
        });
        self.open();
        self
    }
}

/// How often each ending occurred.
#[derive(Debug, Default)]
struct Endings {
    at_the_told_block: u64,
    with_the_one_under_way: u64,
}

/// Sends until the power is gone; the calls that were told, and the last block told.
fn send_until_dark(rig: &mut Rig, counter: Address, numbers: &mut Numbers) -> Vec<Hash> {
    let mut told = Vec::new();
    while rig.halted.is_none() {
        let calls: Vec<_> = (0..=numbers.below(5)).map(|_| rig.sign(Some(counter), vec![])).collect();
        let blocks = rig.told.len();
        rig.submit(calls);
        told.extend(rig.told[blocks..].iter().flat_map(|block| block.record.transaction_hashes.clone()));
    }
    told
}

fn nothing_told_is_lost<M: Machine>(mut machine: M, numbers: &mut Numbers, losses: u64, endings: &mut Endings) {
    let genesis = genesis(Limits::default());
    let mut told: Vec<Hash> = Vec::new();
    let counter = Rig::on(machine.engine(), &genesis).count(0);
    for loss in 0..losses {
        let mut rig = Rig::on(machine.engine(), &genesis);
        let start = rig.ledger.tip().number;
        machine.doom(numbers);
        told.extend(send_until_dark(&mut rig, counter, numbers));
        let last_told = rig.told.last().map_or(start, |block| block.record.block.header.number);
        let last_hash = rig.told.last().map(|block| block.hash);
        drop(rig);
        machine = machine.restart(numbers);
        let rig = Rig::on(machine.engine(), &genesis);
        let tip = rig.ledger.tip();
        assert!(tip.number == last_told || tip.number == last_told + 1, "loss {loss}: {tip:?}, told {last_told}");
        if tip.number == last_told {
            endings.at_the_told_block += 1;
            assert!(last_hash.is_none_or(|hash| hash == tip.header_hash), "loss {loss}");
        } else {
            endings.with_the_one_under_way += 1;
        }
        for hash in &told {
            assert!(rig.ledger.receipt(hash).expect("reads").is_some(), "loss {loss}: {hash} is gone");
        }
        let verification = rig.ledger.verify(&mut |_| {}).expect("reads");
        assert!(verification.ok, "loss {loss}: {verification:?}");
    }
}

#[test]
fn a_thousand_losses_of_power_in_memory_lose_nothing_told() {
    let mut endings = Endings::default();
    for chain in 0..LOSSES / LOSSES_PER_CHAIN {
        let mut numbers = Numbers(chain);
        nothing_told_is_lost(InMemory(CrashEngine::new()), &mut numbers, LOSSES_PER_CHAIN, &mut endings);
    }
    println!("{endings:?}");
    assert_eq!(endings.at_the_told_block + endings.with_the_one_under_way, LOSSES);
    assert!(endings.at_the_told_block > LOSSES / 10 && endings.with_the_one_under_way > LOSSES / 10, "{endings:?}");
}

#[test]
fn losses_of_power_under_rocksdb_lose_nothing_told() {
    let losses = std::env::var("ENTENTE_POWER_TRIALS").ok().and_then(|text| text.parse().ok());
    let losses = losses.unwrap_or(ROCKSDB_LOSSES);
    let mut endings = Endings::default();
    for chain in 0..losses.div_ceil(LOSSES_PER_CHAIN) {
        let left = losses - chain * LOSSES_PER_CHAIN;
        let mut numbers = Numbers(chain);
        nothing_told_is_lost(OnRocksDb::new(), &mut numbers, left.min(LOSSES_PER_CHAIN), &mut endings);
    }
    println!("{endings:?}");
    assert_eq!(endings.at_the_told_block + endings.with_the_one_under_way, losses);
}
