//! What a ledger's size costs: opening, writing and reading at a thousand blocks and at a million, and reading and
//! writing rows at ten thousand and at ten million.

use std::{path::Path, sync::Arc};

use entente_crypto::{Address, Domain, Hash, LtHash, SecretKey, Suite};
use entente_ledger::{BlockRecord, GenesisRecord, HistoryRetention, Ledger, LedgerOptions};
use entente_state::{ChangeSet, Overlay, Row, Table};
use entente_storage::{
    Batch, Column, Cursor, Durability, Engine, Metrics, Reader, RocksDb, SharedResources, Snapshot, StorageError,
};
use entente_types::{
    Amount, Block, Bytes, Certificate, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Header, Limits, Log,
    Member, NativeTransaction, Receipt, Signature, Status, Transaction, UnsignedTransaction, Version,
};

use crate::{WorkloadError, median, soak::folder_bytes, time};

/// Blocks of the ledgers that are compared.
const BLOCKS: [u64; 3] = [1_000, 100_000, 1_000_000];
/// Rows of the states that are compared.
const ROWS: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Rows that one block writes while a state grows.
const ROWS_PER_BLOCK: u64 = 10_000;
/// How often each thing is measured.
const ROUNDS: u64 = 5;
/// Reads of one round.
const READS: u64 = 2_000;
/// Appends of one round.
const APPENDS: u64 = 40;
/// Rows that a measured block writes where states are compared.
const ROWS_WRITTEN: u64 = 1_000;

/// One size, and what things cost there, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthPoint {
    /// Blocks or rows.
    pub size: u64,
    /// Opening the store and its ledger, with the nonces of the last thousand blocks.
    pub open: f64,
    /// Writing one block, synced.
    pub write: f64,
    /// Reading a receipt by its transaction's hash, or a row by its key.
    pub read: f64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// By the number of blocks.
    pub blocks: Vec<GrowthPoint>,
    /// By the number of rows.
    pub rows: Vec<GrowthPoint>,
}

impl Growth {
    /// Opening the ledger of most blocks, as a multiple of opening that of fewest.
    pub fn open_ratio(&self) -> f64 {
        match (self.blocks.first(), self.blocks.last()) {
            (Some(first), Some(last)) => last.open / first.open,
            _ => f64::INFINITY,
        }
    }

    /// The figures as a table.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (name, read, points) in [("blocks", "receipt", &self.blocks), ("rows", "row", &self.rows)] {
            text.push_str(&format!(
                "\n{name:>12}  {:>12}  {:>16}  {:>14}  {:>10}\n",
                "open, ms",
                "write block, us",
                format!("read {read}, us"),
                "MiB"
            ));
            for point in points {
                text.push_str(&format!(
                    "{:>12}  {:>12.2}  {:>16.1}  {:>14.2}  {:>10}\n",
                    point.size,
                    point.open / 1000.0,
                    point.write,
                    point.read,
                    point.bytes >> 20
                ));
            }
        }
        text
    }
}

/// Measures all of it in a folder, of which some gigabytes are used meanwhile.
///
/// # Errors
/// The disk refuses.
pub fn measure_growth(folder: &Path) -> Result<Growth, WorkloadError> {
    let mut growth = Growth { blocks: Vec::new(), rows: Vec::new() };
    let place = folder.join("blocks");
    for blocks in BLOCKS {
        Maker::open(&place, true)?.fill_blocks(blocks)?;
        growth.blocks.push(measure(&place, blocks, 2, Maker::read_receipt)?);
        eprintln!("growth: {blocks} blocks");
    }
    std::fs::remove_dir_all(&place)?;
    let place = folder.join("rows");
    let mut filled = 0;
    for rows in ROWS {
        Maker::open(&place, true)?.fill_rows(filled, rows)?;
        filled = rows;
        growth.rows.push(measure(&place, rows, ROWS_WRITTEN, Maker::read_row)?);
        eprintln!("growth: {rows} rows");
    }
    std::fs::remove_dir_all(&place)?;
    Ok(growth)
}

/// What things cost at one size: opening a ledger that was closed in order, writing blocks that each change so many
/// rows, and reading.
fn measure(
    folder: &Path,
    size: u64,
    rows_written: u64,
    read: fn(&Maker, u64) -> Result<(), WorkloadError>,
) -> Result<GrowthPoint, WorkloadError> {
    let micro = 1_000_000.0;
    let (mut opens, mut writes, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (seconds, maker) = time(|| Maker::open(folder, false));
        opens.push(seconds * micro);
        let mut maker = maker?;
        for _ in 0..APPENDS {
            let rows: Vec<u64> = (0..rows_written).map(|_| maker.draw() % size.max(1)).collect();
            let record = maker.record(&rows)?;
            let (seconds, appended) = time(|| maker.ledger.append(&record));
            appended.map_err(fault)?;
            writes.push(seconds * micro);
        }
        let places: Vec<u64> = (0..READS).map(|_| maker.draw() % size.max(1)).collect();
        let (seconds, done) = time(|| places.iter().try_for_each(|place| read(&maker, *place)));
        done?;
        reads.push(seconds * micro / READS as f64);
        maker.ledger.engine().flush().map_err(fault)?;
    }
    let (open, write, read) = (median(&mut opens), median(&mut writes), median(&mut reads));
    Ok(GrowthPoint { size, open, write, read, bytes: folder_bytes(folder)? })
}

/// An engine that syncs nothing: a store is filled faster so, and is the same afterwards.
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

    fn flush(&self) -> Result<(), StorageError> {
        Engine::flush(&self.0)
    }

    fn metrics(&self) -> Metrics {
        self.0.metrics()
    }
}

/// A chain whose blocks are made here: no block is executed, and none is signed.
struct Maker {
    ledger: Ledger,
    genesis: Genesis,
    signature: Signature,
    commitment: LtHash,
    random: u64,
}

fn fault(error: impl std::fmt::Display) -> WorkloadError {
    WorkloadError::Wrong(error.to_string())
}

impl Maker {
    fn open(folder: &Path, unsynced: bool) -> Result<Self, WorkloadError> {
        let secret = SecretKey::from_bytes(Suite::Standard, &[7; 32]).map_err(fault)?;
        let genesis = genesis(&secret)?;
        let engine = RocksDb::open(folder, &SharedResources::default()).map_err(fault)?;
        let engine: Arc<dyn Engine> = if unsynced { Arc::new(Unsynced(engine)) } else { Arc::new(engine) };
        let options = LedgerOptions { history: HistoryRetention::Blocks(1024), ..LedgerOptions::default() };
        let ledger = match Ledger::open_with(Arc::clone(&engine), &genesis, options) {
            Ok(ledger) => ledger,
            Err(entente_ledger::OpenError::Empty) => {
                let record = GenesisRecord {
                    genesis: genesis.clone(),
                    block0: block(first_header(&genesis), vec![]),
                    changes: Arc::default(),
                    commitment: LtHash::default(),
                };
                Ledger::create_with(engine, record, options).map_err(fault)?
            }
            Err(error) => return Err(fault(error)),
        };
        // As a node does: the nonces that may not come again.
        for block in ledger.replay_window() {
            block.map_err(fault)?;
        }
        let commitment = ledger.commitment();
        Ok(Self { ledger, genesis, signature: secret.sign(&Hash::ZERO), commitment, random: 1 })
    }

    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 20
    }

    /// Blocks that each change two of a thousand rows.
    fn fill_blocks(&mut self, until: u64) -> Result<(), WorkloadError> {
        while self.ledger.tip().number < until {
            let rows = [self.draw() % 1000, self.draw() % 1000];
            self.append(&rows)?;
        }
        self.ledger.engine().flush().map_err(fault)
    }

    /// Blocks that each set many rows which were not there.
    fn fill_rows(&mut self, from: u64, until: u64) -> Result<(), WorkloadError> {
        let mut next = from;
        while next < until {
            let rows: Vec<u64> = (next..until.min(next + ROWS_PER_BLOCK)).collect();
            next += rows.len() as u64;
            self.append(&rows)?;
        }
        self.ledger.engine().flush().map_err(fault)
    }

    fn append(&mut self, rows: &[u64]) -> Result<(), WorkloadError> {
        let record = self.record(rows)?;
        self.ledger.append(&record).map_err(fault)
    }

    /// The next block: one transaction, which sets these rows.
    fn record(&mut self, rows: &[u64]) -> Result<BlockRecord, WorkloadError> {
        let tip = self.ledger.tip();
        let number = tip.number + 1;
        let suite = self.genesis.suite;
        let mut overlay = Overlay::new(self.ledger.state());
        for row in rows {
            let value = self.draw().to_le_bytes().repeat(4);
            overlay.set(&account(*row), Some(value)).map_err(fault)?;
        }
        let changes: Arc<ChangeSet> = Arc::new(overlay.finish());
        changes.apply_to(suite, &mut self.commitment);
        let transaction = self.transaction(number)?;
        let (hashes, receipts) = (vec![transaction.hash(suite)], vec![receipt()]);
        let mut header = first_header(&self.genesis);
        header.transaction_root = Header::transaction_root(suite, &hashes);
        header.receipt_root = Header::receipt_root(suite, &receipts);
        header.number = number;
        header.parent = tip.header_hash;
        header.state_root = self.commitment.root(suite);
        header.ethereum_hash = suite.hash(Domain::CODE, &[&number.to_le_bytes()]);
        Ok(BlockRecord {
            transaction_hashes: hashes,
            receipts,
            block: block(header, vec![transaction]),
            changes,
            commitment: self.commitment.clone(),
            access: None,
        })
    }

    /// The transaction of this block.
    fn transaction(&self, number: u64) -> Result<Transaction, WorkloadError> {
        let mut nonce = [0; 32];
        nonce.iter_mut().zip(number.to_le_bytes()).for_each(|(target, byte)| *target = byte);
        let unsigned = UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: self.genesis.group_id.clone(),
            sender: Address([2; 20]),
            nonce,
            valid_until: number + 500,
            gas_limit: 1_000_000,
            to: Some(Address([1; 20])),
            value: Amount::ZERO,
            input: Bytes::new(vec![3; 68]).ok_or_else(|| fault("too long an input"))?,
            extra: Bytes::default(),
        };
        Ok(Transaction::Native(NativeTransaction { unsigned, signature: self.signature.clone() }))
    }

    fn read_receipt(&self, place: u64) -> Result<(), WorkloadError> {
        let hash = self.transaction(place.max(1))?.hash(self.genesis.suite);
        let found = self.ledger.receipt(&hash).map_err(fault)?;
        found.map(drop).ok_or_else(|| fault(format!("the receipt of block {place} is missing")))
    }

    fn read_row(&self, place: u64) -> Result<(), WorkloadError> {
        let found = self.ledger.state().row(&account(place)).map_err(fault)?;
        found.map(drop).ok_or_else(|| fault(format!("row {place} is missing")))
    }
}

fn genesis(secret: &SecretKey) -> Result<Genesis, WorkloadError> {
    Ok(Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").map_err(fault)?,
        ethereum_chain_id: 20200,
        suite: Suite::Standard,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 2,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: vec![Member { key: secret.public_key(), weight: 1 }],
        allocations: vec![],
    })
}

/// Header 0 of a group whose state begins empty.
fn first_header(genesis: &Genesis) -> Header {
    genesis.header(ChangeSet::default().root(genesis.suite), LtHash::default().root(genesis.suite))
}

fn block(header: Header, transactions: Vec<Transaction>) -> Block {
    let certificate = Certificate::default();
    Block { version: Version, header, certificate, view: 0, access: None, left_out: vec![], transactions }
}

fn account(number: u64) -> Row {
    let key = Suite::Standard.hash(Domain::CODE, &[&number.to_be_bytes()]);
    Row::new(&Table::Contract(Address([1; 20])), key.as_ref())
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
