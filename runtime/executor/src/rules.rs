//! The rules in force, read from the state.

use entente_host::{NodeFault, gas::GasSchedule, gas::SCHEDULE_1};
use entente_state::{Row, StateReader, Table};
use entente_types::Version;
use parity_scale_codec::{Decode, DecodeAll, Encode};

/// A value of system configuration, with the height from which it holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ConfigurationEntry {
    /// The format's version.
    pub version: Version<1>,
    /// The value, as FISCO BCOS's clients write it.
    pub value: String,
    /// The first height at which it holds.
    pub from: u64,
}

/// FISCO BCOS's key for the transactions of a block.
pub(crate) const BLOCK_TRANSACTIONS: &str = "tx_count_limit";
/// FISCO BCOS's key for the gas of a transaction.
pub(crate) const TRANSACTION_GAS: &str = "tx_gas_limit";
/// Our key for the gas of a block.
pub(crate) const BLOCK_GAS: &str = "block_gas_limit";
/// Our key for the version of the rules.
pub(crate) const PROTOCOL_VERSION: &str = "protocol_version";

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

impl Rules {
    /// Reads the rules.
    ///
    /// # Errors
    /// A damaged row, or a protocol version that this node does not know.
    pub(crate) fn read(state: &dyn StateReader) -> Result<Self, NodeFault> {
        let protocol_version = number(state, PROTOCOL_VERSION)?;
        let gas = match protocol_version {
            1 => &SCHEDULE_1,
            other => return Err(NodeFault::ProtocolVersion(u32::try_from(other).unwrap_or(u32::MAX))),
        };
        let narrow = |value: u64, key| u32::try_from(value).map_err(|_| damaged(key));
        Ok(Self {
            protocol_version: narrow(protocol_version, PROTOCOL_VERSION)?,
            gas,
            block_gas: number(state, BLOCK_GAS)?,
            transaction_gas: number(state, TRANSACTION_GAS)?,
            block_transactions: narrow(number(state, BLOCK_TRANSACTIONS)?, BLOCK_TRANSACTIONS)?,
        })
    }
}

/// The row of a configuration key.
pub(crate) fn configuration_row(key: &str) -> Row {
    Row::new(&Table::Configuration, key.as_bytes())
}

fn damaged(key: &str) -> NodeFault {
    NodeFault::Row(format!("configuration/{key}"))
}

fn number(state: &dyn StateReader, key: &str) -> Result<u64, NodeFault> {
    let bytes = state.row(&configuration_row(key))?.ok_or_else(|| damaged(key))?;
    let entry = ConfigurationEntry::decode_all(&mut &*bytes).map_err(|_| damaged(key))?;
    entry.value.parse().map_err(|_| damaged(key))
}
