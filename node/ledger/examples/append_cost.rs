//! What writing a block costs: `cargo run --release -p entente-ledger --example append_cost [BLOCKS] [TRANSACTIONS]`.
//!
//! Each transaction has about 275 bytes and a receipt with one log, and changes two rows. Prints microseconds per
//! transaction on each engine, synced as blocks are and buffered for comparison, and what reading a row costs.

#![allow(clippy::cast_precision_loss, reason = "times and counts here are far below 2^52")]

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use entente_crypto::{Address, Hash, LtHash, SecretKey, Suite};
use entente_ledger::{BlockRecord, GenesisRecord, HistoryRetention, Ledger, LedgerOptions};
use entente_state::{ChangeSet, Overlay, Row, StateReader, Table};
use entente_storage::{
    Batch, Column, Cursor, Durability, Engine, Memory, Metrics, Reader, RocksDb, SharedResources, Snapshot,
    StorageError,
};
use entente_types::{
    Amount, Block, Bytes, Certificate, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Header, Limits, Log,
    Member, Receipt, Signature, Status, Transaction, UnsignedTransaction, Version,
};

/// The accounts that transfers go between.
const ACCOUNTS: u64 = 100_000;

/// An engine that syncs nothing.
struct Unsynced(RocksDb);

impl Reader for Unsynced {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.get(column, key)
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        self.0.range(column, prefix, from, limit)
    }
}

impl Engine for Unsynced {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.0.snapshot()
    }

    fn write(&self, batch: Batch, _: Durability) -> Result<(), StorageError> {
        self.0.write(batch, Durability::Buffered)
    }

    fn metrics(&self) -> Metrics {
        self.0.metrics()
    }
}

fn genesis() -> Result<Genesis, Box<dyn Error>> {
    let key = SecretKey::from_bytes(Suite::Standard, &[7; 32])?.public_key();
    Ok(Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1")?,
        ethereum_chain_id: 20200,
        suite: Suite::Standard,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: vec![Member { key, weight: 1 }],
        allocations: vec![],
    })
}

/// Header 0 of a group whose state begins empty.
fn first_header(genesis: &Genesis) -> Header {
    genesis.header(ChangeSet::default().root(genesis.suite), LtHash::default().root(genesis.suite))
}

fn account(number: u64) -> Row {
    let mut key = [0; 32];
    for (target, byte) in key.iter_mut().zip(Hash::ZERO.0.iter().skip(8).chain(&number.to_be_bytes())) {
        *target = *byte;
    }
    Row::new(&Table::Contract(Address([1; 20])), Suite::Standard.hash(entente_crypto::Domain::CODE, &[&key]).as_ref())
}

fn transaction(group: &GroupId, signature: &Signature, number: u64, index: u64) -> Option<Transaction> {
    let mut nonce = [0; 32];
    for (target, byte) in nonce.iter_mut().zip(number.to_le_bytes().into_iter().chain(index.to_le_bytes())) {
        *target = byte;
    }
    let unsigned = UnsignedTransaction {
        version: Version,
        chain_id: 1,
        group_id: group.clone(),
        sender: Address([2; 20]),
        nonce,
        valid_until: number + 500,
        gas_limit: 1_000_000,
        to: Some(Address([1; 20])),
        value: Amount::ZERO,
        input: Bytes::new(vec![3; 68])?,
        extra: Bytes::default(),
    };
    Some(Transaction::Native(entente_types::NativeTransaction { unsigned, signature: signature.clone() }))
}

fn receipt() -> Receipt {
    let log = Log { address: Address([1; 20]), topics: vec![Hash([4; 32]); 3], data: vec![0; 32] };
    Receipt {
        version: Version,
        status: Status::Success,
        output: vec![0; 32],
        gas_used: 30_000,
        logs: vec![log],
        contract: None,
        error: None,
    }
}

/// Makes the records of a chain, all but their place after one another.
struct Maker {
    genesis: Genesis,
    signature: Signature,
    random: u64,
}

impl Maker {
    fn changes(&mut self, state: Arc<dyn StateReader>, transactions: u64) -> Result<ChangeSet, Box<dyn Error>> {
        let mut overlay = Overlay::new(state);
        for _ in 0..transactions * 2 {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = self.random.to_le_bytes().repeat(4);
            overlay.set(&account((self.random >> 33) % ACCOUNTS), Some(value))?;
        }
        Ok(overlay.finish())
    }

    fn record(&mut self, ledger: &Ledger, transactions: u64) -> Result<BlockRecord, Box<dyn Error>> {
        let tip = ledger.tip();
        let number = tip.number + 1;
        let suite = self.genesis.suite;
        let changes = Arc::new(self.changes(ledger.state(), transactions)?);
        let transactions: Vec<Transaction> = (0..transactions)
            .filter_map(|index| transaction(&self.genesis.group_id, &self.signature, number, index))
            .collect();
        let mut header = first_header(&self.genesis);
        header.number = number;
        header.parent = tip.header_hash;
        header.ethereum_hash = suite.hash(entente_crypto::Domain::CODE, &[&number.to_le_bytes()]);
        Ok(BlockRecord {
            transaction_hashes: transactions.iter().map(|transaction| transaction.hash(suite)).collect(),
            receipts: vec![receipt(); transactions.len()],
            block: Block {
                version: Version,
                header,
                certificate: Certificate::default(),
                view: 0,
                access: None,
                left_out: vec![],
                transactions,
            },
            changes,
            commitment: LtHash::default(),
            access: None,
        })
    }
}

fn measure(
    name: &str,
    engine: Arc<dyn Engine>,
    blocks: u64,
    transactions: u64,
    cache: usize,
) -> Result<(), Box<dyn Error>> {
    let genesis = genesis()?;
    let signature = SecretKey::from_bytes(Suite::Standard, &[7; 32])?.sign(&Hash::ZERO);
    let mut maker = Maker { genesis: genesis.clone(), signature, random: 1 };
    let first = Block {
        version: Version,
        header: first_header(&genesis),
        certificate: Certificate::default(),
        view: 0,
        access: None,
        left_out: vec![],
        transactions: vec![],
    };
    let record = GenesisRecord { genesis, block0: first, changes: Arc::default(), commitment: LtHash::default() };
    // Half of the blocks drop the history of an older one, as every block of a long chain does.
    let options = LedgerOptions {
        history: HistoryRetention::Blocks(blocks / 2),
        row_cache_bytes: cache,
        ..LedgerOptions::default()
    };
    let ledger = Ledger::create_with(engine, record, options)?;
    let mut times = Vec::new();
    for _ in 0..blocks {
        let record = maker.record(&ledger, transactions)?;
        let start = Instant::now();
        ledger.append(&record)?;
        times.push(start.elapsed());
    }
    let mut later = times.split_off(times.len() / 2);
    let per_transaction = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        median.as_secs_f64() * 1e6 / transactions as f64
    };
    let state = ledger.state();
    let start = Instant::now();
    for number in 0..ACCOUNTS {
        state.row(&account(number * 7919 % ACCOUNTS))?;
    }
    let read = start.elapsed().as_secs_f64() * 1e6 / ACCOUNTS as f64;
    println!(
        "{name:<28} {:>6.2} us/tx   {:>6.2} us/tx while history is dropped   {read:>5.2} us/row read",
        per_transaction(&mut times),
        per_transaction(&mut later),
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let blocks = arguments.next().transpose()?.unwrap_or(40).max(2);
    let transactions = arguments.next().transpose()?.unwrap_or(5000);
    let rocks = || -> Result<(tempfile::TempDir, RocksDb), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let engine = RocksDb::open(folder.path(), &SharedResources::default())?;
        Ok((folder, engine))
    };
    println!("{transactions} transactions in each of {blocks} blocks; medians");
    for (cache, label) in [(64 << 20, "row cache"), (0, "no row cache")] {
        let (_folder, engine) = rocks()?;
        measure(&format!("rocksdb, synced, {label}"), Arc::new(engine), blocks, transactions, cache)?;
        let (_folder, engine) = rocks()?;
        measure(&format!("rocksdb, buffered, {label}"), Arc::new(Unsynced(engine)), blocks, transactions, cache)?;
    }
    measure("memory", Arc::new(Memory::new()), blocks, transactions, 64 << 20)
}
