//! Tables of rows, the overlay that execution writes into, what it read and wrote, and the commitment to the whole.
//!
//! This crate owns the shape of the state: a row is (table, key, value), everything that execution can read is a
//! row, and what a block does is a [`ChangeSet`]. It never stores anything: rows come from a [`StateReader`] that
//! is handed in, and changes go back as values.
//!
//! ```
//! use std::sync::Arc;
//! use entente_crypto::{Address, Suite};
//! use entente_state::{MapState, Overlay, Row, Table};
//!
//! let row = Row::new(&Table::Contract(Address([1; 20])), b"balance");
//! let mut overlay = Overlay::new(Arc::new(MapState::default()));
//! let checkpoint = overlay.checkpoint();
//! overlay.set(&row, Some(b"5".to_vec()))?;
//! overlay.revert(checkpoint);
//! assert_eq!(overlay.get(&row)?, None);
//! assert!(overlay.finish().is_empty());
//! # Ok::<(), entente_state::StateReadError>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod change;
mod overlay;
mod reader;
mod row;
mod value;

pub use change::{Change, ChangeSet, write_leaf};
pub use overlay::{Access, Checkpoint, Overlay, Place};
pub use reader::{LayeredState, MapState, StateReadError, StateReader};
pub use row::{KEY_BYTES_MAX, Row, RowError, Table, TableNameError};
pub use value::RowValue;
