//! The steps of a transfer's path, each by itself on one core.

use std::{hint::black_box, sync::Arc};

use entente_crypto::{LtHash, Suite};
use entente_executor::genesis_block;
use entente_ledger::{BlockRecord, GenesisRecord, Ledger};
use entente_storage::{RocksDb, SharedResources};
use entente_types::{Block, Bloom, Certificate, Header, Receipt, Transaction, Version, hex_bytes};

use crate::{Workload, WorkloadError, median, time};

/// Seconds that each step takes for one transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Steps {
    /// Hexadecimal and SCALE to a transaction, and its hash.
    pub decode: f64,
    /// The signature.
    pub verify: f64,
    /// Everything that executing does but the roots.
    pub execute: f64,
    /// State root and change root.
    pub state_roots: f64,
    /// Transaction root, receipt root and the Ethereum header's filter.
    pub block_roots: f64,
    /// One synced batch on RocksDB.
    pub write: f64,
}

/// Measures the steps over a block of these many transfers, the median of so many rounds.
pub fn measure_steps(workload: &mut Workload, transfers: u64, rounds: usize) -> Result<Steps, WorkloadError> {
    let wrong = |error: &dyn std::fmt::Display| WorkloadError::Wrong(error.to_string());
    let suite = workload.genesis.suite;
    let folder = tempfile::tempdir().map_err(|error| wrong(&error))?;
    let engine =
        RocksDb::open(folder.path(), &SharedResources::new(64 << 20, 64 << 20)).map_err(|error| wrong(&error))?;
    let ledger = ledger_of(workload, Arc::new(engine))?;
    let mut rows: [Vec<f64>; 6] = Default::default();
    let mut parent = ledger.header(0).map_err(|error| wrong(&error))?.unwrap_or_else(|| workload.parent.clone());
    for _ in 0..rounds {
        let inputs = workload.transfers(transfers)?;
        let texts: Vec<String> = inputs.iter().map(|input| hex_bytes::encode(&input.transaction.to_bytes())).collect();
        let (decode, _) = time(|| {
            for text in &texts {
                let transaction = hex_bytes::decode(text).ok().and_then(|bytes| Transaction::from_bytes(&bytes).ok());
                black_box(transaction.map(|transaction| transaction.hash(suite)));
            }
        });
        let genesis = workload.genesis.hash();
        let (verify, _) = time(|| {
            for input in &inputs {
                if let Transaction::Native(native) = &*input.transaction {
                    let digest = native.unsigned.signing_digest(suite, &genesis);
                    let _ = black_box(suite.signer(&digest, &native.signature));
                }
            }
        });
        let (execute, executed) = workload.execute_timed(&inputs)?;
        let (state_roots, _) = time(|| {
            let mut commitment = LtHash::default();
            executed.changes.apply_to(suite, &mut commitment);
            black_box((commitment.root(suite), executed.changes.root(suite)));
        });
        let (block_roots, _) = time(|| block_roots(suite, &inputs, &executed.receipts));
        // The ledger's chain is one of its own: only its parents must fit.
        let mut header = executed.header.clone();
        header.parent = parent.hash(suite);
        header.number = parent.number + 1;
        let record = BlockRecord {
            block: Block {
                version: Version,
                header: header.clone(),
                certificate: Certificate::default(),
                view: 0,
                access: None,
                left_out: Vec::new(),
                transactions: inputs.iter().map(|input| (*input.transaction).clone()).collect(),
            },
            transaction_hashes: inputs.iter().map(|input| input.hash).collect(),
            receipts: executed.receipts.clone(),
            changes: Arc::clone(&executed.changes),
            commitment: executed.commitment.clone(),
            access: None,
        };
        let (write, written) = time(|| ledger.append(&record));
        written.map_err(|error| wrong(&error))?;
        parent = header;
        workload.keep(executed);
        for (row, figure) in rows.iter_mut().zip([decode, verify, execute, state_roots, block_roots, write]) {
            row.push(figure / transfers as f64);
        }
    }
    let [decode, verify, execute, state_roots, block_roots, write] = rows.map(|mut row| median(&mut row));
    Ok(Steps { decode, verify, execute, state_roots, block_roots, write })
}

fn block_roots(suite: Suite, inputs: &[entente_executor::InputTransaction], receipts: &[Receipt]) {
    let hashes: Vec<_> = inputs.iter().map(|input| input.hash).collect();
    let mut bloom = Bloom::default();
    receipts.iter().flat_map(|receipt| &receipt.logs).for_each(|log| bloom.add(log));
    black_box((Header::transaction_root(suite, &hashes), Header::receipt_root(suite, receipts), bloom));
}

fn ledger_of(workload: &Workload, engine: Arc<RocksDb>) -> Result<Ledger, WorkloadError> {
    let first = genesis_block(&workload.genesis)?;
    let record = GenesisRecord {
        genesis: workload.genesis.clone(),
        block0: Block {
            version: Version,
            header: first.header,
            certificate: Certificate::default(),
            view: 0,
            access: None,
            left_out: Vec::new(),
            transactions: Vec::new(),
        },
        changes: first.changes,
        commitment: first.commitment,
    };
    Ledger::create(engine, record).map_err(|error| WorkloadError::Wrong(error.to_string()))
}
