//! Tables and the names of their rows.

use std::{fmt, str::FromStr};

use entente_crypto::Address;
use parity_scale_codec::{Decode, Encode, Output};
use smallvec::SmallVec;

/// The bytes of a key within its table.
pub const KEY_BYTES_MAX: usize = 1024;
/// The characters of a text that names no table that its error repeats.
const NAME_CHARACTERS_SHOWN: usize = 60;

/// A table. Its SCALE encoding stands before each key; no table's encoding begins another's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Table {
    /// Account records by address.
    #[codec(index = 0)]
    Accounts,
    /// Code by its hash.
    #[codec(index = 1)]
    Code,
    /// System configuration by name.
    #[codec(index = 2)]
    Configuration,
    /// The last 256 Ethereum hashes, by height modulo 256 (after EIP-2935).
    #[codec(index = 3)]
    EthereumHashes,
    /// The storage of one contract.
    #[codec(index = 4)]
    Contract(Address),
    /// Who seals and who observes, since this was first changed.
    #[codec(index = 5)]
    Members,
}

/// A text that names no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no table; a table is a contract's address, or one of accounts, code, configuration, \
     ethereum_hashes and members"
)]
pub struct TableNameError(String);

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts => formatter.write_str("accounts"),
            Self::Code => formatter.write_str("code"),
            Self::Configuration => formatter.write_str("configuration"),
            Self::EthereumHashes => formatter.write_str("ethereum_hashes"),
            Self::Contract(address) => address.fmt(formatter),
            Self::Members => formatter.write_str("members"),
        }
    }
}

impl FromStr for Table {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<Self, TableNameError> {
        match text {
            "accounts" => Ok(Self::Accounts),
            "code" => Ok(Self::Code),
            "configuration" => Ok(Self::Configuration),
            "ethereum_hashes" => Ok(Self::EthereumHashes),
            "members" => Ok(Self::Members),
            _ => match text.parse() {
                Ok(address) => Ok(Self::Contract(address)),
                Err(_) => Err(TableNameError(text.chars().take(NAME_CHARACTERS_SHOWN).collect())),
            },
        }
    }
}

/// Stored bytes that name no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {length} bytes that begin {start:02x?} name no row of any table")]
pub struct RowError {
    /// How many there are.
    pub length: usize,
    /// The first of them.
    pub start: Vec<u8>,
}

/// The name of a row: its table and its key, as one string of bytes whose order is the order of rows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    bytes: SmallVec<[u8; 64]>,
    table_length: u8,
}

/// Takes an encoding in without room of its own on the heap.
struct Encoded(SmallVec<[u8; 64]>);

impl Output for Encoded {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl Row {
    /// The name of no row, for where one was taken from.
    pub(crate) fn nothing() -> Self {
        Self { bytes: SmallVec::new(), table_length: 0 }
    }

    /// The row of this table under this key. The caller bounds keys; see [`KEY_BYTES_MAX`].
    pub fn new(table: &Table, key: &[u8]) -> Self {
        let mut encoded = Encoded(SmallVec::new());
        table.encode_to(&mut encoded);
        let Encoded(mut bytes) = encoded;
        // A table's encoding has at most 21 bytes.
        let table_length = bytes.len() as u8;
        bytes.extend_from_slice(key);
        Self { bytes, table_length }
    }

    /// The row that these bytes, once given by [`Row::as_bytes`], name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RowError> {
        let mut rest = bytes;
        let error = || RowError { length: bytes.len(), start: bytes.iter().take(24).copied().collect() };
        Table::decode(&mut rest).map_err(|_| error())?;
        let table_length = u8::try_from(bytes.len() - rest.len()).map_err(|_| error())?;
        Ok(Self { bytes: SmallVec::from_slice(bytes), table_length })
    }

    /// Table and key as one string of bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The table's encoding.
    pub fn table(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.table_length)).unwrap_or_default()
    }

    /// The key within the table.
    pub fn key(&self) -> &[u8] {
        self.bytes.get(usize::from(self.table_length)..).unwrap_or_default()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Table::decode(&mut self.table()) {
            Ok(table) => write!(formatter, "{table:?}[{:02x?}]", self.key()),
            Err(_) => write!(formatter, "{:02x?}", self.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tables() -> impl Strategy<Value = Table> {
        prop_oneof![
            Just(Table::Accounts),
            Just(Table::Code),
            Just(Table::Configuration),
            Just(Table::EthereumHashes),
            Just(Table::Members),
            any::<[u8; 20]>().prop_map(|bytes| Table::Contract(Address(bytes))),
        ]
    }

    proptest! {
        #[test]
        fn bytes_name_one_row(table in tables(), key in any::<Vec<u8>>(), other in tables(), other_key in any::<Vec<u8>>()) {
            let row = Row::new(&table, &key);
            prop_assert_eq!(row.key(), &key[..]);
            prop_assert_eq!(row.table(), &table.encode()[..]);
            prop_assert_eq!(&Row::from_bytes(row.as_bytes()).unwrap(), &row);
            let same = (&table, &key) == (&other, &other_key);
            prop_assert_eq!(Row::new(&other, &other_key) == row, same);
        }
    }

    proptest! {
        #[test]
        fn a_tables_name_names_it(table in tables(), text in any::<String>()) {
            prop_assert_eq!(table.to_string().parse::<Table>().unwrap(), table);
            if let Ok(named) = text.parse::<Table>() {
                prop_assert!(text.trim_start_matches("0x").eq_ignore_ascii_case(named.to_string().trim_start_matches("0x")));
            }
        }
    }

    #[test]
    fn a_text_that_names_no_table_is_told_with_what_would() {
        let error = "x".repeat(100).parse::<Table>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("\"{}\" names no table; a table is a contract's address", "x".repeat(60))),
            "{error}"
        );
    }

    #[test]
    fn unknown_tables_are_refused() {
        assert!(Row::from_bytes(&[200, 1]).is_err());
        assert!(Row::from_bytes(&[4, 1]).is_err());
        assert!(Row::from_bytes(&[]).is_err());
    }
}
