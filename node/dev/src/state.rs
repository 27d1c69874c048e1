//! What is set from outside: the state, and what the next block is made with.

use entente_executor::{AccountOverride, Configuration, RowSet, account_rows};
use entente_host::{NodeFault, configuration_entry, configuration_row};
use entente_state::{Overlay, RowValue};
use entente_types::{Address, Amount, ConfigurationKey, Hash, Setting};

use crate::{DevChain, DevError};

impl DevChain {
    /// Sets something of an account, as if the last block had left it so.
    ///
    /// # Errors
    /// Coin where there is none, a number below the account's next one, and the node's own faults.
    pub fn set_account(&mut self, address: &Address, account: &AccountOverride) -> Result<(), DevError> {
        let has_coin = self.ledger().genesis().balances;
        if !has_coin && account.balance.is_some_and(|balance| balance != Amount::ZERO) {
            return Err(DevError::NoCoin);
        }
        // The same transaction would be in the chain twice.
        let next = self.sender(address)?.nonce;
        if let Some(asked) = account.nonce.filter(|asked| *asked < next) {
            return Err(DevError::Nonce { asked, next });
        }
        let rows = account_rows(self.ledger().state().as_ref(), address, account)?;
        self.set_rows(rows)
    }

    /// Sets how much gas blocks have from the next one on, and transactions with them.
    ///
    /// # Errors
    /// A limit that no block can have, and the node's own faults.
    pub fn set_block_gas(&mut self, gas: u64) -> Result<(), DevError> {
        let bounds = ConfigurationKey::BlockGas.describe();
        if !(bounds.minimum..=bounds.maximum).contains(&gas) {
            return Err(DevError::BlockGas { found: gas, minimum: bounds.minimum, maximum: bounds.maximum });
        }
        let next = self.ledger().tip().number.saturating_add(1);
        let state = self.ledger().state();
        let mut rows = Vec::new();
        for key in [ConfigurationKey::BlockGas, ConfigurationKey::TransactionGas] {
            let row = configuration_row(key);
            let bytes = state.row(&row).map_err(NodeFault::from)?;
            let mut entry = configuration_entry(key, bytes.as_deref())?;
            entry.set(next, Setting { value: gas.to_string(), from: next });
            rows.push((row, Some(RowValue::encoding(&entry))));
        }
        self.set_rows(rows)
    }

    /// How much gas the next block has.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn block_gas(&self) -> Result<u64, DevError> {
        let next = self.ledger().tip().number.saturating_add(1);
        Ok(Configuration::read(self.ledger().state().as_ref())?.limits(next)?.block_gas)
    }

    pub(crate) fn set_rows(&mut self, rows: Vec<RowSet>) -> Result<(), DevError> {
        let mut overlay = Overlay::new(self.ledger().state());
        for (row, value) in rows {
            overlay.set(&row, value).map_err(NodeFault::from)?;
        }
        let waiting = self.waiting();
        self.ledger.set_rows(&overlay.finish())?;
        if waiting.is_empty() { Ok(self.follow_configuration()?) } else { self.fill_pool(waiting) }
    }

    /// Says who is taken for the maker of the next blocks.
    pub const fn set_coinbase(&mut self, coinbase: Address) {
        self.settings.coinbase = coinbase;
    }

    /// Says what PREVRANDAO answers in the next block.
    pub const fn set_prevrandao(&mut self, prevrandao: Hash) {
        self.settings.prevrandao = prevrandao;
    }

    /// Who is taken for the maker of the next block, and what PREVRANDAO answers in it.
    pub const fn next_block(&self) -> (Address, Hash) {
        (self.settings.coinbase, self.settings.prevrandao)
    }

    /// Says the time of the next block, in seconds since 1970.
    ///
    /// # Errors
    /// One that is not above the last block's.
    pub fn set_next_timestamp(&mut self, time_s: u64) -> Result<(), DevError> {
        let parent_s = self.tip()?.timestamp_ms / 1000;
        self.settings.clock.set_next(time_s, parent_s)
    }

    /// Moves the clock by so many seconds: how far it is ahead of the node's then.
    pub fn increase_time(&mut self, seconds: u64) -> i64 {
        self.settings.clock.move_by(seconds)
    }

    /// Sets the clock to this time: by how many seconds it moved.
    pub fn set_time(&mut self, unix_ms: u64, time_s: u64) -> i64 {
        self.settings.clock.set(unix_ms / 1000, time_s)
    }

    /// Says how many seconds blocks are apart, or that they come when they come: whether it was said before.
    pub const fn set_apart(&mut self, apart_s: Option<u64>) -> bool {
        self.settings.clock.set_apart(apart_s)
    }

    /// Lets go of a transaction that waits: whether it did.
    pub fn drop_transaction(&mut self, hash: &Hash) -> bool {
        let waits = self.pool.find(hash).is_some();
        self.pool.discard(&[*hash]);
        waits
    }
}
