//! The state as bytes, to be taken into another chain.

use entente_state::{Row, Table};
use entente_types::Version;
use parity_scale_codec::{Decode, DecodeAll, Encode};

use crate::{DevChain, DevError};

/// All accounts, code and storage.
#[derive(Encode, Decode)]
struct Dump {
    version: Version<1>,
    /// Rows and their values.
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Whether a row is an account's, or what contracts consist of: all else belongs to its chain.
fn is_taken_along(row: &Row) -> bool {
    matches!(Table::decode(&mut row.table()), Ok(Table::Accounts | Table::Code | Table::Contract(_)))
}

impl DevChain {
    /// The accounts, code and storage after the last block.
    ///
    /// # Errors
    /// The store does not hold what was written to it.
    pub fn dump(&self) -> Result<Vec<u8>, DevError> {
        let mut rows = Vec::new();
        for entry in self.ledger.rows()? {
            let (row, value) = entry?;
            if is_taken_along(&row) {
                rows.push((row.as_bytes().to_vec(), value));
            }
        }
        Ok(Dump { version: Version, rows }.encode())
    }

    /// Takes in what another chain gave out: what is here stays beside it.
    ///
    /// # Errors
    /// Bytes that no chain gave out, and the node's own faults.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), DevError> {
        let dump = Dump::decode_all(&mut &*bytes).map_err(|_| DevError::Dump)?;
        let mut rows = Vec::with_capacity(dump.rows.len());
        for (bytes, value) in dump.rows {
            let row = Row::from_bytes(&bytes).ok().filter(is_taken_along).ok_or(DevError::Dump)?;
            rows.push((row, Some(value.into())));
        }
        self.set_rows(rows)
    }
}
