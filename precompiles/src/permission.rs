//! Who may do what. Until permissions (0x1005) and governance (0x1008) exist, everything is decided here.

use entente_host::{Frame, Host};
use entente_types::ConfigurationKey;

/// Whether the caller of the innermost frame may set a key of the system configuration.
///
/// As in FISCO BCOS before any permission is granted, everybody may: whatever is set can be set back, since the least
/// limits let the transaction through that does so. The version of the rules is ours, and cannot be taken back: a
/// node without a newer release stops at it. So only the account of a sealer's key may raise it, and only itself: a
/// contract that a sealer happens to call does not act for it. The same goes for empty blocks: each node writes them, and
/// what is written stays.
pub(crate) fn may_configure(host: &dyn Host, key: ConfigurationKey) -> bool {
    let Frame { caller, .. } = host.frame();
    match key {
        ConfigurationKey::BlockTransactions | ConfigurationKey::TransactionGas | ConfigurationKey::BlockGas => true,
        ConfigurationKey::ProtocolVersion | ConfigurationKey::EmptyBlockPeriod => host.block().sealers.contains(caller),
    }
}

/// Whether the caller of the innermost frame may change who seals and who observes.
///
/// In FISCO BCOS everybody may until somebody is granted it. Here whoever may name sealers decides what counts as
/// agreed: in an open group anybody could take the chain over with one transaction, and nothing would take it back. So
/// only the account of a key that seals the height may, and only itself.
pub(crate) fn may_change_members(host: &dyn Host) -> bool {
    host.block().sealers.contains(&host.frame().caller)
}
