//! The gas schedule: one table of constants per protocol version.
//!
//! The unit is a thousandth of Ethereum's gas. The reference is 2.5 picoseconds of one core a unit: a block of
//! 800,000,000 gas then takes two seconds. `benches/benches/gas.rs` holds classes of instructions, host functions,
//! frames and native functions against it, none of which may be more than ten times too cheap; `runtime/wasm/benches/crypto.rs` holds hashes
//! and signatures, which cost at least twice what was measured. See `docs/decisions/010-gas.md`.

use crate::Fork;

/// Units in one of Ethereum's gas.
pub const UNITS_PER_GAS: u64 = 1000;

/// What things cost, in units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GasSchedule {
    /// Any transaction, for its signature, its admission and its place in the block.
    pub transaction: u64,
    /// A byte of a transaction's input that is zero.
    pub input_zero_byte: u64,
    /// Any other byte of it.
    pub input_byte: u64,
    /// A plain instruction: constants, locals, integer arithmetic, comparisons, branches.
    pub instruction: u64,
    /// A load or a store.
    pub memory_access: u64,
    /// A division or remainder.
    pub division: u64,
    /// A call of a function of the module; an indirect one costs it twice.
    pub function_call: u64,
    /// A byte of `memory.copy` and `memory.fill`.
    pub bulk_byte: u64,
    /// A `memory.grow`, by however much: the engine asks the system for it.
    pub memory_grow: u64,
    /// A page (64 KiB) that memory grows by, or that a frame's memory begins with: touched for the first time, or made
    /// what it was afterwards.
    pub memory_page: u64,
    /// Any call of a host function.
    pub host_call: u64,
    /// A byte that a host function copies in or out.
    pub host_byte: u64,
    /// A byte of a frame's output, which can end in a receipt on every node's disk.
    pub output_byte: u64,
    /// A read of the storage.
    pub storage_read: u64,
    /// A byte of a value read.
    pub storage_read_byte: u64,
    /// A write or removal in the storage: the row's part of roots, history and the disk.
    pub storage_write: u64,
    /// A byte of a key or value written.
    pub storage_write_byte: u64,
    /// A log.
    pub log: u64,
    /// A topic of it.
    pub log_topic: u64,
    /// A byte of its data.
    pub log_byte: u64,
    /// A nested frame.
    pub call: u64,
    /// For each frame of Wasm, beside a `memory_page` for each page that its memory begins with: a mutable global of
    /// its module, which is set anew.
    pub instance_global: u64,
    /// The same for an element that is put into its table.
    pub instance_element: u64,
    /// A creation.
    pub create: u64,
    /// A byte of a created contract's module: hashing, validation, storage.
    pub code_byte: u64,
    /// What a compiler has to do with the module, for each unit of its weight: a nanosecond at most.
    pub code_weight: u64,
    /// A hash asked for by a contract.
    pub hash: u64,
    /// A byte hashed, by Keccak-256 or under the group's suite.
    pub hash_byte: u64,
    /// A byte hashed by BLAKE3, where a contract names it.
    pub blake3_byte: u64,
    /// A byte hashed by SHA-256.
    pub sha256_byte: u64,
    /// A byte hashed by SM3, also of a message that SM2 verifies.
    pub sm3_byte: u64,
    /// A key recovered from an ECDSA signature over secp256k1.
    pub recover_secp256k1: u64,
    /// An ECDSA signature over secp256k1 verified.
    pub verify_secp256k1: u64,
    /// An SM2 signature verified.
    pub verify_sm2: u64,
    /// An Ed25519 signature verified.
    pub verify_ed25519: u64,
    /// A byte of the message it is of, which SHA-512 hashes.
    pub ed25519_byte: u64,
}

/// The schedule of protocol version 1.
pub const SCHEDULE_1: GasSchedule = GasSchedule {
    transaction: 21_000_000,
    input_zero_byte: 4_000,
    input_byte: 16_000,
    instruction: 200,
    memory_access: 400,
    division: 4_000,
    function_call: 1_000,
    bulk_byte: 30,
    memory_grow: 30_000_000,
    memory_page: 2_000_000,
    host_call: 20_000,
    host_byte: 60,
    output_byte: 8_000,
    storage_read: 400_000,
    storage_read_byte: 200,
    storage_write: 2_500_000,
    storage_write_byte: 2_000,
    log: 375_000,
    log_topic: 375_000,
    log_byte: 8_000,
    call: 2_600_000,
    instance_global: 40_000,
    instance_element: 4_000,
    create: 32_000_000,
    code_byte: 20_000,
    code_weight: 400,
    hash: 700_000,
    hash_byte: 5_500,
    blake3_byte: 1_500,
    sha256_byte: 4_000,
    sm3_byte: 5_000,
    recover_secp256k1: 60_000_000,
    verify_secp256k1: 55_000_000,
    verify_sm2: 480_000_000,
    verify_ed25519: 70_000_000,
    ed25519_byte: 3_000,
};

/// A version of the rules: what it chooses beside the numbers of the system configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolVersion {
    /// Its number, as it stands in headers and in the system configuration.
    pub number: u32,
    /// What things cost under it.
    pub gas: &'static GasSchedule,
    /// The fork of Ethereum whose rules EVM code has; nothing where there is no EVM code.
    pub fork: Option<Fork>,
    /// The bytes of a contract's EVM code (EIP-170). What creates one has at most twice as many (EIP-3860).
    pub evm_code_bytes_max: u32,
}

/// The bytes of a contract's EVM code on Ethereum (EIP-170).
pub const EVM_CODE_BYTES_MAX: u32 = 24_576;

/// The first version: Wasm contracts and native modules.
pub const PROTOCOL_VERSION_1: ProtocolVersion =
    ProtocolVersion { number: 1, gas: &SCHEDULE_1, fork: None, evm_code_bytes_max: EVM_CODE_BYTES_MAX };
/// The second: EVM code beside them.
pub const PROTOCOL_VERSION_2: ProtocolVersion =
    ProtocolVersion { number: 2, gas: &SCHEDULE_1, fork: Some(Fork::Osaka), evm_code_bytes_max: EVM_CODE_BYTES_MAX };

/// The versions that this release knows, ascending.
pub const PROTOCOL_VERSIONS: &[ProtocolVersion] = &[PROTOCOL_VERSION_1, PROTOCOL_VERSION_2];

impl GasSchedule {
    /// What a transaction costs before any code runs, or nothing where that exceeds 64 bits.
    pub fn intrinsic(&self, input: &[u8], creates: bool) -> Option<u64> {
        let zeros = input.iter().map(|byte| u64::from(*byte == 0)).sum::<u64>();
        let others = (input.len() as u64).checked_sub(zeros)?;
        let bytes = zeros.checked_mul(self.input_zero_byte)?.checked_add(others.checked_mul(self.input_byte)?)?;
        self.transaction.checked_add(bytes)?.checked_add(if creates { self.create } else { 0 })
    }
}

/// The most that goes down into a nested frame: all but a 64th (EIP-150).
pub const fn all_but_a_64th(gas: u64) -> u64 {
    gas - gas / 64
}

/// Units as Ethereum's gas, rounded up.
pub const fn to_gas(units: u64) -> u64 {
    units.div_ceil(UNITS_PER_GAS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intrinsic_gas_counts_zeros_apart() {
        assert_eq!(SCHEDULE_1.intrinsic(&[0, 0, 1], false), Some(21_000_000 + 8_000 + 16_000));
        assert_eq!(SCHEDULE_1.intrinsic(&[], true), Some(53_000_000));
        let endless = GasSchedule { input_byte: u64::MAX, ..SCHEDULE_1 };
        assert_eq!(endless.intrinsic(&[1, 1], false), None);
    }

    #[test]
    fn rounding_is_up() {
        assert_eq!((to_gas(0), to_gas(1), to_gas(1000), to_gas(1001)), (0, 1, 1, 2));
        assert_eq!((all_but_a_64th(63), all_but_a_64th(64), all_but_a_64th(640)), (63, 63, 630));
    }
}
