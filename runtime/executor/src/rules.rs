//! The rules in force at a height, read from the state.

use entente_host::{NodeFault, configuration_entry, configuration_row, damaged_configuration, gas::GasSchedule};
use entente_state::{ChangeSet, StateReader};
use entente_types::{BlockNumber, ConfigurationEntry, ConfigurationKey, Genesis, Limits};

/// What a block is executed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The version that chooses all that is not a number below.
    pub protocol_version: u32,
    /// What things cost.
    pub gas: &'static GasSchedule,
    /// The gas of a block, in Ethereum's unit.
    pub block_gas: u64,
    /// The gas that one transaction may ask for, in Ethereum's unit.
    pub transaction_gas: u64,
    /// The transactions in a proposal.
    pub block_transactions: u32,
}

/// The system configuration as one state holds it: of every key what rules and what is decided for later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    block_transactions: ConfigurationEntry,
    transaction_gas: ConfigurationEntry,
    block_gas: ConfigurationEntry,
    protocol_version: ConfigurationEntry,
    empty_block_period: ConfigurationEntry,
}

impl Configuration {
    /// What a group begins with.
    pub(crate) fn of_genesis(genesis: &Genesis) -> Self {
        let entry = |key: ConfigurationKey| {
            ConfigurationEntry::new(key.begins_with(&genesis.limits, genesis.protocol_version), 0)
        };
        Self {
            block_transactions: entry(ConfigurationKey::BlockTransactions),
            transaction_gas: entry(ConfigurationKey::TransactionGas),
            block_gas: entry(ConfigurationKey::BlockGas),
            protocol_version: entry(ConfigurationKey::ProtocolVersion),
            empty_block_period: entry(ConfigurationKey::EmptyBlockPeriod),
        }
    }

    /// Reads it from a state.
    ///
    /// # Errors
    /// A row that is missing or damaged, or a storage that fails.
    pub fn read(state: &dyn StateReader) -> Result<Self, NodeFault> {
        let entry = |key: ConfigurationKey| configuration_entry(key, state.row(&configuration_row(key))?.as_deref());
        Ok(Self {
            block_transactions: entry(ConfigurationKey::BlockTransactions)?,
            transaction_gas: entry(ConfigurationKey::TransactionGas)?,
            block_gas: entry(ConfigurationKey::BlockGas)?,
            protocol_version: entry(ConfigurationKey::ProtocolVersion)?,
            empty_block_period: entry(ConfigurationKey::EmptyBlockPeriod)?,
        })
    }

    /// Carries it over a block's changes.
    pub(crate) fn apply(&mut self, changes: &ChangeSet) -> Result<(), NodeFault> {
        for key in ConfigurationKey::ALL {
            if let Some(change) = changes.find(&configuration_row(key)) {
                let entry = configuration_entry(key, change.new.as_deref())?;
                match key {
                    ConfigurationKey::BlockTransactions => self.block_transactions = entry,
                    ConfigurationKey::TransactionGas => self.transaction_gas = entry,
                    ConfigurationKey::BlockGas => self.block_gas = entry,
                    ConfigurationKey::ProtocolVersion => self.protocol_version = entry,
                    ConfigurationKey::EmptyBlockPeriod => self.empty_block_period = entry,
                }
            }
        }
        Ok(())
    }

    /// What is known of a key.
    pub const fn entry(&self, key: ConfigurationKey) -> &ConfigurationEntry {
        match key {
            ConfigurationKey::BlockTransactions => &self.block_transactions,
            ConfigurationKey::TransactionGas => &self.transaction_gas,
            ConfigurationKey::BlockGas => &self.block_gas,
            ConfigurationKey::ProtocolVersion => &self.protocol_version,
            ConfigurationKey::EmptyBlockPeriod => &self.empty_block_period,
        }
    }

    /// The limits that rule a height.
    ///
    /// # Errors
    /// A value that is no number of its key.
    pub fn limits(&self, height: BlockNumber) -> Result<Limits, NodeFault> {
        Ok(Limits {
            block_gas: self.number(ConfigurationKey::BlockGas, height)?,
            transaction_gas: self.number(ConfigurationKey::TransactionGas, height)?,
            block_transactions: self.number(ConfigurationKey::BlockTransactions, height)?,
        })
    }

    /// The version of the rules that a height is executed under.
    ///
    /// # Errors
    /// A value that is no version.
    pub fn protocol_version(&self, height: BlockNumber) -> Result<u32, NodeFault> {
        self.number(ConfigurationKey::ProtocolVersion, height)
    }

    /// After how long without a block this height is an empty one, in milliseconds; nothing where it never is.
    ///
    /// # Errors
    /// A value that is no number.
    pub fn empty_block_period_ms(&self, height: BlockNumber) -> Result<Option<u64>, NodeFault> {
        let period = self.number(ConfigurationKey::EmptyBlockPeriod, height)?;
        Ok(Some(period).filter(|period| *period > 0))
    }

    fn number<N: std::str::FromStr>(&self, key: ConfigurationKey, height: BlockNumber) -> Result<N, NodeFault> {
        self.entry(key).at(height).value.parse().map_err(|_| damaged_configuration(key))
    }
}
