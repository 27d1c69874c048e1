//! What a deployment's input is.

/// The bytes that a deployment of a module begins with; EVM code cannot begin with 0xEF.
pub const DEPLOYMENT_MAGIC: [u8; 3] = [0xEF, 0x57, 0x41];

/// The input of a transaction that deploys a module:
/// `0xEF5741 | length of the module as u32, little-endian | module | ABI-encoded arguments of the constructor`.
///
/// A module of 4 GiB or more has no such input; a transaction is at most 1 MiB long, so the length is cut here and
/// the transaction refused where it is made.
pub fn deployment(module: &[u8], constructor_arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(module.len()).unwrap_or(u32::MAX);
    [&DEPLOYMENT_MAGIC, length.to_le_bytes().as_slice(), module, constructor_arguments].concat()
}
