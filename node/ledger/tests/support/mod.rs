//! A group with four sealers, whose blocks are made here as execution and consensus would make them.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{collections::BTreeMap, sync::Arc};

use entente_crypto::{Address, Hash, LtHash, SecretKey};
use entente_ledger::{BlockRecord, GenesisRecord, Ledger};
use entente_state::{ChangeSet, MapState, Overlay, Row, RowValue, Table};
use entente_storage::{Engine, Memory, RocksDb, SharedResources, crash::CrashEngine};
use entente_types::{
    Block, Bytes, Certificate, DecidedSet, Genesis, Header, Log, Member, Proposal, Receipt, SealerEntry, SealerSet,
    Status, Transaction, Version, sealer_set_row, sealers_hash, sealers_row,
};
use parity_scale_codec::Encode as _;

pub(crate) fn row(key: u8) -> Row {
    Row::new(&Table::Contract(Address([key % 2; 20])), &vec![key; 1 + usize::from(key % 5)])
}

/// Writes by row: nothing removes.
pub(crate) type Writes = Vec<(u8, Option<Vec<u8>>)>;

/// The chain beside the ledger: what the ledger must say.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) state: MapState,
    pub(crate) commitment: LtHash,
    pub(crate) headers: Vec<Header>,
    pub(crate) records: Vec<BlockRecord>,
    /// The state after each block.
    pub(crate) states: Vec<BTreeMap<Row, RowValue>>,
    /// The sealer sets by the height from which they rule: places of keys.
    pub(crate) sets: BTreeMap<u64, Vec<usize>>,
    /// The row that names them.
    entry: Option<SealerEntry>,
    /// What the next block writes beside what it is told.
    pub(crate) rows: Vec<(Row, Vec<u8>)>,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let keys = entente_testing::keys(4);
        let genesis = entente_testing::genesis(&keys);
        Self {
            genesis,
            keys,
            state: MapState::default(),
            commitment: LtHash::default(),
            headers: vec![],
            records: vec![],
            states: vec![],
            sets: [(0, vec![0, 1, 2, 3])].into(),
            entry: None,
            rows: vec![],
        }
    }

    /// The keys of the set that rules a height.
    pub(crate) fn ruling(&self, height: u64) -> &[usize] {
        self.sets.range(..=height).next_back().unwrap().1
    }

    /// These members, each with one vote.
    pub(crate) fn members(&self, keys: &[usize]) -> Vec<Member> {
        keys.iter().map(|key| Member { key: self.keys[*key].public_key(), weight: 1 }).collect()
    }

    /// Has the next block decide on a sealer set, as execution would: the height from which it rules.
    pub(crate) fn decide(&mut self, keys: Vec<usize>) -> u64 {
        let suite = self.genesis.suite;
        let now = self.headers.len() as u64;
        let from = now + u64::from(self.genesis.pipeline_depth);
        let genesis = DecidedSet { from: 0, hash: sealers_hash(suite, &self.genesis.sealers) };
        let entry = self.entry.get_or_insert_with(|| SealerEntry::new(genesis));
        let before = entry.last().from;
        let sealers: Vec<Member> =
            keys.iter().map(|key| Member { key: self.keys[*key].public_key(), weight: 1 }).collect();
        entry.decide(now, DecidedSet { from, hash: sealers_hash(suite, &sealers) });
        self.rows.push((sealers_row(), entry.encode()));
        self.rows.push((sealer_set_row(from), SealerSet { version: Version, before, sealers }.encode()));
        self.sets.insert(from, keys);
        from
    }

    /// Takes writes into the state and gives the changes.
    pub(crate) fn change(&mut self, writes: &Writes) -> Arc<ChangeSet> {
        let mut overlay = Overlay::new(Arc::new(self.state.clone()));
        for (key, value) in writes {
            overlay.set(&row(*key), value.clone()).unwrap();
        }
        for (row, value) in self.rows.drain(..) {
            overlay.set(&row, Some(value)).unwrap();
        }
        let changes = overlay.finish();
        changes.apply_to(self.genesis.suite, &mut self.commitment);
        self.state.apply(&changes);
        self.states.push(self.state.0.clone());
        Arc::new(changes)
    }

    pub(crate) fn genesis_record(&mut self, writes: &Writes) -> GenesisRecord {
        let suite = self.genesis.suite;
        let changes = self.change(writes);
        let mut header = self.genesis.header(changes.root(suite), self.commitment.root(suite));
        header.ethereum_hash = Hash([0xee; 32]);
        self.headers.push(header.clone());
        let block0 = Block {
            version: Version,
            header,
            certificate: Certificate::default(),
            view: 0,
            access: None,
            left_out: vec![],
            transactions: vec![],
        };
        GenesisRecord { genesis: self.genesis.clone(), block0, changes, commitment: self.commitment.clone() }
    }

    pub(crate) fn ledger(&mut self, engine: Arc<dyn Engine>) -> Ledger {
        let record = self.genesis_record(&vec![(200, Some(b"genesis".to_vec()))]);
        Ledger::create(engine, record).unwrap()
    }

    pub(crate) fn transaction(&self, number: u64, index: usize) -> Transaction {
        let key = &self.keys[index % 4];
        let mut unsigned = entente_testing::unsigned(&self.genesis, key, number);
        unsigned.nonce[8..16].copy_from_slice(&(index as u64).to_le_bytes());
        unsigned.valid_until = number + 500;
        unsigned.input = Bytes::new(vec![1; 68]).unwrap();
        unsigned.sign(&self.genesis.hash(), key)
    }

    /// The next block.
    pub(crate) fn next(&mut self, transactions: usize, writes: &Writes) -> BlockRecord {
        let number = self.headers.len() as u64;
        let transactions = (0..transactions).map(|index| self.transaction(number, index)).collect();
        let changes = self.change(writes);
        self.next_of(transactions, changes)
    }

    /// The votes of a set of four without its third, or of all members of another.
    pub(crate) fn certificate(&self, header: &Header, ruling: &[usize]) -> Certificate {
        let keys: Vec<SecretKey> = ruling.iter().map(|key| self.keys[*key].clone()).collect();
        let places: Vec<u16> = (0..keys.len() as u16).filter(|place| keys.len() != 4 || *place != 2).collect();
        entente_testing::certificate(&self.genesis, header, &keys, &places)
    }

    pub(crate) fn next_of(&mut self, transactions: Vec<Transaction>, changes: Arc<ChangeSet>) -> BlockRecord {
        let suite = self.genesis.suite;
        let parent = self.headers.last().unwrap();
        let hashes: Vec<Hash> = transactions.iter().map(|transaction| transaction.hash(suite)).collect();
        let receipts: Vec<Receipt> = (0..transactions.len()).map(receipt).collect();
        let number = parent.number + 1;
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis.hash(),
            number,
            parent: parent.proposal,
            view: 3,
            timestamp_ms: parent.timestamp_ms + 1000,
            proposer: self.keys[0].public_key().address(),
            transactions: hashes.clone(),
            access: None,
        };
        let header = Header {
            version: Version,
            number,
            parent: parent.hash(suite),
            proposal: proposal.digest(suite),
            timestamp_ms: proposal.timestamp_ms,
            proposer: proposal.proposer,
            next_sealers: sealers_hash(suite, &self.members(self.ruling(number + 1))),
            transaction_root: Header::transaction_root(suite, &hashes),
            receipt_root: Header::receipt_root(suite, &receipts),
            change_root: changes.root(suite),
            state_root: self.commitment.root(suite),
            ethereum_hash: suite.hash_of(entente_crypto::Domain::CONTRACT, &number),
            gas_used: 21_000,
            protocol_version: 1,
        };
        let certificate = self.certificate(&header, self.ruling(number));
        self.headers.push(header.clone());
        let block =
            Block { version: Version, header, certificate, view: 3, access: None, left_out: vec![], transactions };
        let record = BlockRecord {
            block,
            transaction_hashes: hashes,
            receipts,
            changes,
            commitment: self.commitment.clone(),
            access: number.is_multiple_of(2).then(|| vec![7; 3]),
        };
        self.records.push(record.clone());
        record
    }
}

pub(crate) fn receipt(index: usize) -> Receipt {
    Receipt {
        version: Version,
        status: Status::Success,
        output: vec![0; 32],
        gas_used: 21_000 + index as u64,
        logs: vec![Log { address: Address([9; 20]), topics: vec![Hash([5; 32]); 3], data: vec![0; 32] }],
        contract: None,
        error: None,
    }
}

/// A folder that goes when it is dropped, where the engine has one.
pub(crate) type Folder = Option<tempfile::TempDir>;

/// Every engine, by name.
pub(crate) fn engines() -> Vec<(&'static str, Arc<dyn Engine>, Folder)> {
    let folder = tempfile::tempdir().unwrap();
    let rocks = RocksDb::open(folder.path(), &SharedResources::new(8 << 20, 8 << 20)).unwrap();
    vec![
        ("memory", Arc::new(Memory::new()), None),
        ("crash", Arc::new(CrashEngine::new()), None),
        ("rocksdb", Arc::new(rocks), Some(folder)),
    ]
}

/// Everything the ledger says equals what the chain holds.
pub(crate) fn assert_same(ledger: &Ledger, chain: &Chain) {
    let suite = chain.genesis.suite;
    let tip = ledger.tip();
    let header = chain.headers.last().unwrap();
    assert_eq!((tip.number, tip.header_hash, tip.proposal), (header.number, header.hash(suite), header.proposal));
    assert_eq!(ledger.commitment(), chain.commitment);
    let mut total = 0;
    for record in &chain.records {
        let number = record.block.header.number;
        total += record.receipts.len() as u64;
        assert_eq!(ledger.header(number).unwrap().as_ref(), Some(&record.block.header));
        assert_eq!(ledger.block(number).unwrap().as_ref(), Some(&record.block));
        assert_eq!(ledger.receipts(number).unwrap().as_ref(), Some(&record.receipts));
        assert_eq!(ledger.access(number).unwrap(), record.access);
        let hash = record.block.header.hash(suite);
        assert_eq!(ledger.block_by_hash(&hash).unwrap().as_ref(), Some(&record.block));
        assert_eq!(ledger.number_by_ethereum_hash(&record.block.header.ethereum_hash).unwrap(), Some(number));
        for (index, hash) in (0_u32..).zip(&record.transaction_hashes) {
            let place = index as usize;
            let found = ledger.transaction(hash).unwrap().unwrap();
            assert_eq!((found.number, found.index), (number, index));
            assert_eq!(found.transaction, record.block.transactions[place]);
            assert_eq!(ledger.transaction_at(number, index).unwrap(), Some(found.transaction));
            let found = ledger.receipt(hash).unwrap().unwrap();
            assert_eq!((found.number, found.index, &found.receipt), (number, index, &record.receipts[place]));
        }
        assert_eq!(ledger.transaction_at(number, record.receipts.len() as u32).unwrap(), None);
    }
    assert_eq!(tip.total_transactions, total);
    assert_eq!(ledger.header(tip.number + 1).unwrap(), None);
    assert_eq!(ledger.block(tip.number + 1).unwrap(), None);
    assert_eq!(ledger.transaction(&Hash([1; 32])).unwrap(), None);
    let state = ledger.state();
    for key in 0..=255 {
        assert_eq!(state.row(&row(key)).unwrap().as_ref(), chain.state.0.get(&row(key)));
    }
}
