//! What an Ethereum transaction costs before any code runs.

use entente_host::Fork;
use revm_interpreter::context_interface::cfg::GasParams;

use crate::specification;

/// What comes back of an authorization's cost where its account was there already, in Ethereum's gas (EIP-7702).
pub const REFUND_OF_KNOWN_AUTHORITY: i64 = 12_500;

/// What a transaction costs before any code runs, and the least that it costs at all, in Ethereum's gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// What is taken before any code runs (yellow paper, section 6; EIP-2028, EIP-2930, EIP-3860,
    /// EIP-7702).
    pub initial: u64,
    /// The least that is taken, whatever code does (EIP-7623); 0 before Prague.
    pub floor: u64,
}

impl IntrinsicGas {
    /// What it is for a transaction with this input, an access list of so many addresses and storage keys, and so many
    /// authorizations. `creates` says that the input is EVM code that creates a contract.
    pub fn of(fork: Fork, input: &[u8], creates: bool, addresses: usize, keys: usize, authorizations: usize) -> Self {
        let gas = GasParams::new_spec(specification(fork));
        let gas = gas.initial_tx_gas(input, creates, addresses as u64, keys as u64, authorizations as u64, None);
        Self { initial: gas.initial_regular_gas(), floor: gas.floor_gas() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intrinsic_gas_is_ethereums() {
        // 21,000; 16 for a byte and 4 for a zero; 2,400 and 1,900 of the access list; 32,000 and 2 for each word of the
        // code that creates.
        let of = |input: &[u8], creates, addresses, keys| {
            IntrinsicGas::of(Fork::Cancun, input, creates, addresses, keys, 0).initial
        };
        assert_eq!(of(&[], false, 0, 0), 21_000);
        assert_eq!(of(&[1, 0, 1], false, 0, 0), 21_036);
        assert_eq!(of(&[], false, 2, 3), 21_000 + 2 * 2_400 + 3 * 1_900);
        assert_eq!(of(&[1; 33], true, 0, 0), 53_000 + 33 * 16 + 4);
        // 25,000 for each authorization.
        assert_eq!(IntrinsicGas::of(Fork::Osaka, &[], false, 0, 0, 3).initial, 21_000 + 3 * 25_000);
    }

    #[test]
    fn the_floor_is_of_prague() {
        // EIP-7623: ten for each token; a byte that is not zero has four.
        assert_eq!(IntrinsicGas::of(Fork::Cancun, &[1; 100], false, 0, 0, 0).floor, 0);
        assert_eq!(IntrinsicGas::of(Fork::Prague, &[1; 100], false, 0, 0, 0).floor, 21_000 + 4_000);
        assert_eq!(IntrinsicGas::of(Fork::Osaka, &[0; 100], false, 0, 0, 0).floor, 21_000 + 1_000);
    }
}
