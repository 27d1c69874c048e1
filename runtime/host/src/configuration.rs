//! Where the system configuration stands in the state.

use std::format;

use entente_state::{Row, Table};
use entente_types::{ConfigurationEntry, ConfigurationKey};
use parity_scale_codec::DecodeAll;

use crate::NodeFault;

/// The row of a configuration key.
pub fn configuration_row(key: ConfigurationKey) -> Row {
    Row::new(&Table::Configuration, key.name().as_bytes())
}

/// The entry that the row of a key holds. A group has one of every key from its beginning, but for keys that have a value
/// without.
///
/// # Errors
/// A row that is missing or damaged.
pub fn configuration_entry(key: ConfigurationKey, row: Option<&[u8]>) -> Result<ConfigurationEntry, NodeFault> {
    let Some(mut bytes) = row else {
        let value = key.without_row().ok_or_else(|| damaged_configuration(key))?;
        return Ok(ConfigurationEntry::new(value, 0));
    };
    ConfigurationEntry::decode_all(&mut bytes).map_err(|_| damaged_configuration(key))
}

/// The node's fault where the row of a key holds what no block can have written.
pub fn damaged_configuration(key: ConfigurationKey) -> NodeFault {
    NodeFault::Row(format!("configuration/{}", key.name()))
}
