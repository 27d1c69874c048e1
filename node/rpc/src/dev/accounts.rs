//! The accounts that the node has keys of.

use std::sync::LazyLock;

use entente_dev::Accounts;
use entente_types::Address;

static WELL_KNOWN: LazyLock<Vec<Address>> = LazyLock::new(|| Accounts::default().addresses().collect());

/// Their addresses.
pub(crate) fn well_known() -> &'static [Address] {
    &WELL_KNOWN
}
