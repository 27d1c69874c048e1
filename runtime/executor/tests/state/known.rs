//! Cases that come out otherwise than Ethereum says, and why.

/// Why the case of this name does, if that is known.
pub(crate) fn reason(_name: &str) -> Option<&'static str> {
    None
}
