//! Who may do what. Until permissions (0x1005) and governance (0x1008) exist, everything is decided here.

use entente_host::{Frame, Host};
use entente_types::ConfigurationKey;

/// Whether the caller of the innermost frame may set a key of the system configuration.
///
/// As in FISCO BCOS before any permission is granted, everybody may: whatever is set can be set back, since the least
/// limits let the transaction through that does so. The version of the rules is ours, and cannot be taken back: a
/// node without a newer release stops at it. So only the account of a sealer's key may raise it, and only itself: a
/// contract that a sealer happens to call does not act for it.
pub(crate) fn may_configure(host: &dyn Host, key: ConfigurationKey) -> bool {
    let Frame { caller, .. } = host.frame();
    match key {
        ConfigurationKey::BlockTransactions | ConfigurationKey::TransactionGas | ConfigurationKey::BlockGas => true,
        ConfigurationKey::ProtocolVersion => host.block().sealers.contains(caller),
    }
}
