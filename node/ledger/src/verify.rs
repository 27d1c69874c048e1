//! Checking a whole ledger against itself.

use std::{collections::BTreeMap, sync::Arc};

use entente_crypto::{Hash, LtHash, Suite, merkle_root};
use entente_state::{Row, StateReader, write_leaf};
use entente_storage::{Batch, Column, Snapshot};
use entente_types::{
    Block, BlockNumber, Genesis, Header, MembersError, RulingSet, SealerHistory, limits::VALIDITY_BLOCKS_MAX,
};
use rayon::prelude::*;

use crate::{
    Ledger, ReadError,
    format::{Named, decode_row, number_key},
    ledger::Published,
    read::{look_up, read_block, read_receipts},
    replay::put_replay,
    state::{read_members, writes_at},
};

/// The rows taken at a time: enough to keep every thread busy, few enough to hold in memory.
const ROWS_AT_ONCE: usize = 1 << 14;
/// The rows of one task.
const ROWS_PER_TASK: usize = 256;
/// The blocks taken at a time.
const BLOCKS_AT_ONCE: u64 = 64;

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationProgress {
    /// So many rows of the state were added up. How many there are is not known beforehand.
    Rows(u64),
    /// So many blocks were checked.
    Blocks {
        /// Those checked.
        checked: u64,
        /// All.
        total: u64,
    },
    /// What so many blocks wrote was made again from the history.
    History {
        /// Those made again.
        checked: u64,
        /// All whose history is kept.
        total: u64,
    },
}

/// The sealer sets of all heights, as the state at the tip has them. That they are the right ones is for the headers to
/// say, each of which names the set that rules the next height: genesis's first.
struct RulingSets(BTreeMap<BlockNumber, RulingSet>);

impl RulingSets {
    fn read(snapshot: &dyn Snapshot, genesis: &Genesis) -> Result<Self, ReadError> {
        let history =
            |state: &dyn StateReader| SealerHistory::new(state, genesis)?.collect::<Result<Vec<_>, MembersError>>();
        Ok(Self(read_members(snapshot, history)?.into_iter().map(|set| (set.from, set)).collect()))
    }

    fn at(&self, height: BlockNumber) -> Result<&RulingSet, Failure> {
        let found = self.0.range(..=height).next_back().map(|(_, set)| set);
        found.ok_or_else(|| fault(format!("no sealer set rules height {height}")))
    }
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The block, where it is one block's; nothing where it is the state's.
    pub block: Option<BlockNumber>,
    /// One line that says what is wrong.
    pub message: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The tip's height.
    pub height: BlockNumber,
    /// The state root that the tip's header names; zero where there is no such header.
    pub state_root: Hash,
    /// The state root made anew from all rows.
    pub recomputed_root: Hash,
    /// The blocks found whole, from block 0 on.
    pub blocks_checked: u64,
    /// Whether nothing is wrong.
    pub ok: bool,
    /// The first thing that is wrong: of the blocks the lowest, else of the state.
    pub first_fault: Option<Fault>,
}

impl Ledger {
    /// Makes the state root anew from all rows and checks every block: that headers follow one another, that a quorum
    /// of the sealers that rule their height signed them and that they name the sealers of the next one, that
    /// transactions and receipts have their roots and can be found by their names. Then what else is on disk: that nothing but them can be found, that the nonces of the last blocks are
    /// remembered, and that the history of each height that is kept gives the change root of its block. It works on a
    /// snapshot; blocks may be added meanwhile.
    ///
    /// # Errors
    /// Only where the engine fails. A value that is damaged is a [`Fault`].
    pub fn verify(&self, progress: &mut dyn FnMut(VerificationProgress)) -> Result<Verification, ReadError> {
        let published = self.published();
        let (blocks_checked, block_fault) = self.verify_blocks(&published, progress)?;
        let (commitment, row_fault) = sum_rows(&*published.snapshot, self.suite(), progress)?;
        let recomputed_root = commitment.root(self.suite());
        let state_root =
            self.header(published.tip.number).ok().flatten().map_or(Hash::ZERO, |header| header.state_root);
        let root_fault = || {
            let message =
                format!("all rows together have the state root {recomputed_root}, the tip's header says {state_root}");
            (recomputed_root != state_root).then_some(Fault { block: None, message })
        };
        let mut first_fault = block_fault.or(row_fault).or_else(root_fault);
        if first_fault.is_none() {
            first_fault = self.verify_beside(&published, progress)?;
        }
        Ok(Verification {
            height: published.tip.number,
            state_root,
            recomputed_root,
            blocks_checked,
            ok: first_fault.is_none(),
            first_fault,
        })
    }

    fn verify_blocks(
        &self,
        published: &Published,
        progress: &mut dyn FnMut(VerificationProgress),
    ) -> Result<(u64, Option<Fault>), ReadError> {
        let tip = &published.tip;
        let total = tip.number.saturating_add(1);
        let sets = match RulingSets::read(&*published.snapshot, &self.genesis).map_err(Failure::from) {
            Ok(sets) => sets,
            Err(Failure::Engine(error)) => return Err(error),
            Err(Failure::Fault(message)) => return Ok((0, Some(Fault { block: None, message }))),
        };
        let mut previous: Option<Header> = None;
        let (mut checked, mut transactions) = (0_u64, published.transactions_below);
        while checked < total {
            let numbers = checked..total.min(checked + BLOCKS_AT_ONCE);
            let verify = |number| self.verify_block(published, &sets, number);
            let blocks: Vec<Result<Block, Failure>> = numbers.clone().into_par_iter().map(verify).collect();
            for (number, block) in numbers.zip(blocks) {
                let linked = block.and_then(|block| self.verify_link(published, block, previous.as_ref()));
                match linked {
                    Ok(block) => {
                        transactions = transactions.saturating_add(block.transactions.len() as u64);
                        previous = Some(block.header);
                        checked += 1;
                    }
                    Err(Failure::Engine(error)) => return Err(error),
                    Err(Failure::Fault(message)) => {
                        return Ok((checked, Some(Fault { block: Some(number), message })));
                    }
                }
            }
            progress(VerificationProgress::Blocks { checked, total });
        }
        let hash = previous.map(|header| header.hash(self.suite()));
        if hash != Some(tip.header_hash) || transactions != tip.total_transactions {
            let message = format!(
                "the tip record names header {} and {} transactions; the blocks end in {} and have {transactions}",
                tip.header_hash,
                tip.total_transactions,
                hash.unwrap_or_default()
            );
            return Ok((checked, Some(Fault { block: Some(tip.number), message })));
        }
        Ok((checked, None))
    }

    /// What can be told of a block alone: of one below the oldest, what its header says.
    fn verify_block(&self, published: &Published, sets: &RulingSets, number: BlockNumber) -> Result<Block, Failure> {
        let suite = self.suite();
        let snapshot = &*published.snapshot;
        let block = read_block(snapshot, number)?.ok_or_else(|| fault("the block is missing"))?;
        let receipts = read_receipts(snapshot, number)?.ok_or_else(|| fault("the receipts are missing"))?;
        let header = &block.header;
        expect("number", header.number, number)?;
        let hashes: Vec<Hash> = block.transactions.iter().map(|transaction| transaction.hash(suite)).collect();
        if published.has_whole(number) {
            expect("transaction root", Header::transaction_root(suite, &hashes), header.transaction_root)?;
            expect("receipt root", Header::receipt_root(suite, &receipts), header.receipt_root)?;
        }
        expect("sealer set", sets.at(number.saturating_add(1))?.hash, header.next_sealers)?;
        let hash = header.hash(suite);
        if number > 0 {
            block
                .certificate
                .verify(suite, self.lineage.at(number), number, &hash, &sets.at(number)?.sealers)
                .map_err(|error| fault(error.to_string()))?;
        }
        for (named, hash) in [(Named::Block, &hash), (Named::EthereumBlock, &header.ethereum_hash)] {
            if *hash != Hash::ZERO && look_up::<BlockNumber>(snapshot, named, hash)? != Some(number) {
                return Err(fault(format!("the index does not lead from {named:?} {hash} to it")));
            }
        }
        for (index, hash) in (0_u32..).zip(&hashes) {
            if look_up::<(BlockNumber, u32)>(snapshot, Named::Transaction, hash)? != Some((number, index)) {
                return Err(fault(format!("the index does not lead from transaction {hash} to it")));
            }
        }
        Ok(block)
    }

    /// What can be told of a block and the header before it.
    fn verify_link(&self, published: &Published, block: Block, previous: Option<&Header>) -> Result<Block, Failure> {
        let suite = self.suite();
        let header = &block.header;
        let (parent, proposal) = match previous {
            None => (Hash::ZERO, self.genesis_hash()),
            Some(previous) if !published.has_whole(header.number) => (previous.hash(suite), header.proposal),
            Some(previous) => {
                let proposal = block.proposal(suite, self.genesis_hash(), previous.proposal);
                (previous.hash(suite), proposal.digest(suite))
            }
        };
        expect("parent", header.parent, parent)?;
        expect("proposal", header.proposal, proposal)?;
        Ok(block)
    }
}

impl Ledger {
    /// What lies beside blocks and rows, once these are known to be whole.
    fn verify_beside(
        &self,
        published: &Arc<Published>,
        progress: &mut dyn FnMut(VerificationProgress),
    ) -> Result<Option<Fault>, ReadError> {
        let parts: [&mut dyn FnMut() -> Result<(), Failure>; 3] =
            [&mut || verify_names(published), &mut || verify_replay(published), &mut || {
                self.verify_history(published, progress)
            }];
        for part in parts {
            match part() {
                Ok(()) => {}
                Err(Failure::Engine(error)) => return Err(error),
                Err(Failure::Fault(message)) => return Ok(Some(Fault { block: None, message })),
            }
        }
        Ok(None)
    }

    /// What each block wrote, made again from the history, has the change root of its header.
    fn verify_history(
        &self,
        published: &Arc<Published>,
        progress: &mut dyn FnMut(VerificationProgress),
    ) -> Result<(), Failure> {
        let suite = self.suite();
        let (first, tip) = (published.history_floor.saturating_add(1), published.tip.number);
        let total = (first..=tip).count() as u64;
        let mut checked = 0;
        while checked < total {
            let heights = first + checked..first + total.min(checked + BLOCKS_AT_ONCE);
            checked = total.min(checked + BLOCKS_AT_ONCE);
            heights.into_par_iter().try_for_each(|height| -> Result<(), Failure> {
                let header = self.header(height)?.ok_or_else(|| fault("the block is missing"))?;
                let leaves: Vec<Vec<u8>> = writes_at(published, height)?
                    .iter()
                    .map(|write| write_leaf(&write.row, write.value.as_deref()))
                    .collect();
                let what = format!("change root, made again from the history of block {height},");
                expect(&what, merkle_root(suite, &leaves), header.change_root)
            })?;
            progress(VerificationProgress::History { checked, total });
        }
        Ok(())
    }
}

/// Each name leads to a block or transaction that there is: those were found by their names, so that it is enough to
/// count.
fn verify_names(published: &Published) -> Result<(), Failure> {
    let count = |prefix: &[u8]| -> Result<u64, ReadError> {
        let mut count = 0;
        for entry in published.snapshot.range(Column::Lookup, prefix, &[], usize::MAX)? {
            entry?;
            count += 1;
        }
        Ok(count)
    };
    let tip = &published.tip;
    let transactions = tip.total_transactions.saturating_sub(published.transactions_below);
    expect("number of names of transactions", count(b"t")?, transactions)?;
    expect("number of names of blocks", count(b"b")?, tip.number.saturating_add(1))
}

/// The nonces of the last blocks are remembered, and no others.
fn verify_replay(published: &Published) -> Result<(), Failure> {
    let tip = published.tip.number;
    let first = tip.saturating_sub(VALIDITY_BLOCKS_MAX - 1).max(1);
    let mut found = 0;
    for entry in published.snapshot.range(Column::Replay, &[], &[], usize::MAX).map_err(ReadError::from)? {
        entry.map_err(ReadError::from)?;
        found += 1;
    }
    expect("number of blocks whose nonces are remembered", found, (first..=tip).count())?;
    (first..=tip).into_par_iter().try_for_each(|number| {
        let key = number_key(number);
        let found = published.snapshot.get(Column::Replay, &key).map_err(ReadError::from)?;
        let block = read_block(&*published.snapshot, number)?.ok_or_else(|| fault("the block is missing"))?;
        let mut batch = Batch::new();
        put_replay(&mut batch, &block);
        let made = batch.iter().next().and_then(|operation| operation.value.map(<[u8]>::to_vec));
        if found == made { Ok(()) } else { Err(fault(format!("the nonces of block {number} are not remembered"))) }
    })
}

/// Why a block is not found whole.
enum Failure {
    Engine(ReadError),
    Fault(String),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } => Self::Fault(error.to_string()),
            ReadError::Storage(_) => Self::Engine(error),
        }
    }
}

fn fault(message: impl Into<String>) -> Failure {
    Failure::Fault(message.into())
}

fn expect<T: PartialEq + Copy + std::fmt::Display>(what: &str, found: T, expected: T) -> Result<(), Failure> {
    if found == expected { Ok(()) } else { Err(fault(format!("its {what} is {found}, expected {expected}"))) }
}

/// Adds up all rows of the state.
fn sum_rows(
    snapshot: &dyn Snapshot,
    suite: Suite,
    progress: &mut dyn FnMut(VerificationProgress),
) -> Result<(LtHash, Option<Fault>), ReadError> {
    let mut sum = LtHash::default();
    let mut first_fault = None;
    let mut rows = 0_u64;
    let mut cursor = snapshot.range(Column::State, &[], &[], usize::MAX)?;
    loop {
        let taken: Vec<(Vec<u8>, Vec<u8>)> = cursor.by_ref().take(ROWS_AT_ONCE).collect::<Result<_, _>>()?;
        if taken.is_empty() {
            return Ok((sum, first_fault));
        }
        rows = rows.saturating_add(taken.len() as u64);
        let parts: Vec<(LtHash, Option<Fault>)> =
            taken.par_chunks(ROWS_PER_TASK).map(|entries| sum_entries(suite, entries)).collect();
        for (part, fault) in parts {
            sum.combine(&part);
            first_fault = first_fault.or(fault);
        }
        progress(VerificationProgress::Rows(rows));
    }
}

fn sum_entries(suite: Suite, entries: &[(Vec<u8>, Vec<u8>)]) -> (LtHash, Option<Fault>) {
    let mut sum = LtHash::default();
    let mut first_fault = None;
    for (key, bytes) in entries {
        let row = Row::from_bytes(key).map_err(|error| ReadError::damaged(Column::State, key, error.to_string()));
        match row.and_then(|row| Ok((row, decode_row(key, bytes)?))) {
            Ok((row, value)) => row.commit_to(suite, &value, &mut sum),
            Err(error) => {
                first_fault.get_or_insert_with(|| Fault { block: None, message: error.to_string() });
            }
        }
    }
    (sum, first_fault)
}
