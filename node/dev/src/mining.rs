//! Blocks: executed, signed and added, whenever somebody says so.

use std::sync::Arc;

use entente_executor::{Account, AccountOverride, BlockInput, Configuration, ExecutedBlock, InputTransaction, Word};
use entente_group::CommittedBlock;
use entente_host::{EthereumEnvironment, NodeFault};
use entente_ledger::BlockRecord;
use entente_pool::{AdmissionError, Checked, PooledTransaction, ReplayKey};
use entente_state::{LayeredState, StateReader, Table};
use entente_types::{
    Address, Block, BlockNumber, Certificate, CertificateVote, Hash, Header, Proposal, SenderAccount, Transaction,
    Version,
};
use parity_scale_codec::Encode;

use crate::{BLOCKS_AT_ONCE_MAX, DevChain, DevError, chain::DoorRules, clock::Clock};

/// The bytes of transactions that go into one block.
const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Where Ethereum keeps the hashes of its last blocks for contracts (EIP-2935).
const HISTORY: Address = Address([
    0, 0, 0xf9, 0x08, 0x27, 0xf1, 0xc5, 0x3a, 0x10, 0xcb, 0x7a, 0x02, 0x33, 0x5b, 0x17, 0x53, 0x20, 0x00, 0x29, 0x35,
]);
/// How many.
const HISTORY_BLOCKS: u64 = 8_191;

fn input(pooled: PooledTransaction) -> InputTransaction {
    InputTransaction { hash: pooled.hash, transaction: pooled.transaction }
}

impl DevChain {
    /// Whether each transaction is in a block at once.
    pub const fn automine(&self) -> bool {
        self.automine
    }

    /// Says whether each transaction is to be in a block at once.
    pub const fn set_automine(&mut self, automine: bool) {
        self.automine = automine;
    }

    /// How often a block comes by itself, in milliseconds.
    pub const fn interval_ms(&self) -> Option<u64> {
        self.interval_ms
    }

    /// Says how often a block is to come by itself. Whoever calls this sees to it.
    pub fn set_interval_ms(&mut self, interval_ms: Option<u64>) {
        self.interval_ms = interval_ms.filter(|interval_ms| *interval_ms > 0);
    }

    /// Lets checked transactions wait, and puts each into a block before it looks at the next, where blocks are made at
    /// once.
    ///
    /// # Errors
    /// The node's own faults. What is wrong with a transaction is in its place.
    pub fn admit(
        &mut self,
        unix_ms: u64,
        checked: Vec<Result<Checked, AdmissionError>>,
    ) -> Result<Vec<Result<Hash, AdmissionError>>, DevError> {
        let mut results = Vec::with_capacity(checked.len());
        for checked in checked {
            results.push(match checked {
                Ok(checked) => self.let_in(checked)?,
                Err(error) => Err(error),
            });
            self.mine_what_waits(unix_ms)?;
        }
        Ok(results)
    }

    pub(crate) fn let_in(&mut self, checked: Checked) -> Result<Result<Hash, AdmissionError>, NodeFault> {
        let account = self.pool.asks_for(&checked).map(|sender| self.sender(&sender)).transpose()?;
        Ok(self.pool.admit(checked, account))
    }

    /// Makes blocks until nothing waits that could be in one, where each transaction is to be in a block at once.
    pub(crate) fn mine_what_waits(&mut self, unix_ms: u64) -> Result<(), DevError> {
        while self.automine && self.pool.has_untaken() {
            self.mine_block(unix_ms, false)?;
        }
        Ok(())
    }

    /// Makes so many blocks, empty ones where nothing waits, these seconds apart.
    ///
    /// # Errors
    /// Too many, and the node's own faults.
    pub fn mine(&mut self, unix_ms: u64, count: u64, apart_s: u64) -> Result<(), DevError> {
        if count > BLOCKS_AT_ONCE_MAX {
            return Err(DevError::Blocks(count));
        }
        for made in 0..count {
            if made > 0 {
                let parent_s = self.tip()?.timestamp_ms / 1000;
                self.settings.clock.set_next(parent_s.saturating_add(apart_s.max(1)), parent_s)?;
            }
            self.mine_block(unix_ms, true)?;
        }
        Ok(())
    }

    /// Makes one block, at this time where it is said.
    ///
    /// # Errors
    /// A time that is not above the last block's, and the node's own faults.
    pub fn mine_one(&mut self, unix_ms: u64, time_s: Option<u64>) -> Result<(), DevError> {
        if let Some(time_s) = time_s {
            self.set_next_timestamp(time_s)?;
        }
        self.mine_block(unix_ms, true)
    }

    /// Makes a block of what waits. Where an empty one is not wanted, what cannot be in it goes.
    fn mine_block(&mut self, unix_ms: u64, may_be_empty: bool) -> Result<(), DevError> {
        let number = self.ledger().tip().number.saturating_add(1);
        let count = self.block_transactions(number)?;
        let taken = self.pool.take(number, count, BLOCK_BYTES_MAX);
        let inputs: Vec<InputTransaction> = taken.into_iter().map(input).collect();
        let (executed, clock) = self.execute(unix_ms, &inputs)?;
        if executed.receipts.is_empty() && !may_be_empty {
            let hashes: Vec<Hash> = inputs.iter().map(|input| input.hash).collect();
            self.pool.discard(&hashes);
            return Ok(());
        }
        self.settings.clock = clock;
        self.settings.prevrandao = Hash::ZERO;
        self.add(executed, &inputs)
    }

    /// The state as it were after the block that came now: as it is, where nothing waits.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn pending_state(&self, unix_ms: u64) -> Result<Arc<dyn StateReader>, DevError> {
        let number = self.ledger().tip().number.saturating_add(1);
        let count = self.block_transactions(number)?;
        let inputs: Vec<InputTransaction> = self.pool.waiting().take(count).map(input).collect();
        let state = self.ledger().state();
        if inputs.is_empty() {
            return Ok(state);
        }
        let (executed, _) = self.execute(unix_ms, &inputs)?;
        Ok(Arc::new(LayeredState::new(executed.changes, state)))
    }

    fn block_transactions(&self, number: BlockNumber) -> Result<usize, NodeFault> {
        let limits = Configuration::read(self.ledger().state().as_ref())?.limits(number)?;
        Ok(limits.block_transactions as usize)
    }

    /// Executes a block of these, of which nothing is kept, and how the clock would go on after it.
    fn execute(&self, unix_ms: u64, inputs: &[InputTransaction]) -> Result<(ExecutedBlock, Clock), DevError> {
        let parent = self.tip()?;
        let mut clock = self.settings.clock;
        let proposal = Proposal {
            version: Version,
            genesis: self.ledger().genesis_hash(),
            number: parent.number.saturating_add(1),
            parent: parent.proposal,
            view: 0,
            timestamp_ms: clock.take(unix_ms / 1000, parent.timestamp_ms / 1000).saturating_mul(1000),
            proposer: self.settings.coinbase,
            transactions: inputs.iter().map(|input| input.hash).collect(),
            access: None,
        };
        let ethereum = EthereumEnvironment { prevrandao: self.settings.prevrandao, ..EthereumEnvironment::default() };
        let executed = self.executor.execute(&BlockInput {
            parent: &parent,
            proposal: &proposal,
            transactions: inputs,
            state: self.ledger().state(),
            commitment: &self.ledger().commitment(),
            record_accesses: false,
            ethereum,
        })?;
        Ok((executed, clock))
    }

    /// Signs a block and adds it.
    fn add(&mut self, executed: ExecutedBlock, inputs: &[InputTransaction]) -> Result<(), DevError> {
        let ExecutedBlock { header, receipts, changes, commitment, left_out, .. } = executed;
        let (number, hash) = (header.number, header.hash(self.ledger().genesis().suite));
        let is_left_out = |place: &usize| left_out.iter().any(|left| left.position as usize == *place);
        let ran: Vec<&InputTransaction> =
            inputs.iter().enumerate().filter(|(place, _)| !is_left_out(place)).map(|(_, input)| input).collect();
        let included: Vec<(Hash, ReplayKey)> =
            ran.iter().filter_map(|input| Some((input.hash, ReplayKey::of(&input.transaction)?))).collect();
        let transactions: Vec<Transaction> = ran.iter().map(|input| (*input.transaction).clone()).collect();
        let transaction_hashes = ran.iter().map(|input| input.hash).collect();
        let left_out_hashes: Vec<Hash> = left_out.iter().map(|left| left.hash).collect();
        let certificate = self.certify(&header, hash);
        let block = Block { version: Version, header, certificate, view: 0, access: None, left_out, transactions };
        let record = BlockRecord { block, transaction_hashes, receipts, changes, commitment, access: None };
        self.ledger().append(&record)?;
        let accounts = self.changed_senders(&record)?;
        self.pool.committed(number, &included, &left_out_hashes, accounts);
        let ethereum_hash = record.block.header.ethereum_hash;
        self.blocks.push(Arc::new(CommittedBlock { hash, record }));
        self.follow_configuration()?;
        self.remember_hash(number, ethereum_hash)
    }

    /// Keeps a block's hash where Ethereum does, if a test put code there that looks for it.
    fn remember_hash(&mut self, number: u64, hash: Hash) -> Result<(), DevError> {
        if self.ledger().state().row(&Account::row(&HISTORY)).map_err(NodeFault::from)?.is_none() {
            return Ok(());
        }
        let mut slot = Word::default();
        if let Some(last) = slot.last_chunk_mut::<8>() {
            *last = (number % HISTORY_BLOCKS).to_be_bytes();
        }
        let slots = [(slot, hash.0)].into();
        self.set_account(&HISTORY, &AccountOverride { slots, ..AccountOverride::default() })
    }

    fn certify(&self, header: &Header, hash: Hash) -> Certificate {
        let signature = self.identity.checkpoint(0, 1, header.number, hash).signature;
        Certificate { version: Version, votes: vec![CertificateVote { member: 0, signature }] }
    }

    /// The accounts that a block changed and that the pool follows.
    fn changed_senders(&self, record: &BlockRecord) -> Result<Vec<(Address, SenderAccount)>, NodeFault> {
        let table = Table::Accounts.encode();
        let mut found = Vec::new();
        for change in record.changes.iter().filter(|change| change.row.table() == table) {
            let Ok(address) = change.row.key().try_into().map(Address) else { continue };
            if self.pool.follows(&address) {
                found.push((address, self.sender_of(&address, change.new.as_deref())?));
            }
        }
        Ok(found)
    }

    /// Takes over what rules the next block: for what the pool lets in.
    pub(crate) fn follow_configuration(&mut self) -> Result<(), NodeFault> {
        let next = self.ledger().tip().number.saturating_add(1);
        let configuration = Configuration::read(self.ledger().state().as_ref())?;
        let rules = self.executor.ethereum_versions().rules(&configuration, next)?;
        let door = (configuration.limits(next)?.transaction_gas, rules);
        if door != self.door {
            self.door = door;
            self.pool.set_rules(door.0, door.1.map(|rules| Arc::new(DoorRules(rules)) as _));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use entente_executor::Simulation;
    use entente_pool::PoolLimits;
    use entente_testing::{genesis, key};
    use entente_types::{Amount, Genesis};

    use super::*;
    use crate::Wanted;

    #[test]
    fn the_pending_state_has_what_waits_and_nothing_of_it_is_kept() {
        const NOW_MS: u64 = 1_800_000_000_000;
        let genesis = Genesis { balances: true, ..genesis(&[key(200)]) };
        let mut chain = DevChain::begin(&genesis, key(200), PoolLimits::default(), NOW_MS).unwrap();
        chain.set_automine(false);
        let (from, to) = (chain.accounts().addresses().next().unwrap(), Address([7; 20]));
        let balance = |state: &dyn StateReader| {
            let bytes = state.row(&Account::row(&to)).unwrap()?;
            Some(Account::from_bytes(&to, &bytes).unwrap().balance)
        };
        assert_eq!(balance(chain.pending_state(NOW_MS).unwrap().as_ref()), None);
        for value in [3, 4] {
            let what = Simulation { from, to: Some(to), value: Amount::from(value), ..Simulation::default() };
            chain.send(NOW_MS, &Wanted { what, ..Wanted::default() }).unwrap();
        }
        let seven = Some(Amount::from(7));
        for _ in 0..2 {
            assert_eq!(balance(chain.pending_state(NOW_MS).unwrap().as_ref()), seven);
            assert_eq!((chain.ledger().tip().number, balance(chain.ledger().state().as_ref())), (0, None));
        }
        chain.mine_one(NOW_MS, None).unwrap();
        assert_eq!((chain.pool().len(), balance(chain.ledger().state().as_ref())), (0, seven));
    }
}
