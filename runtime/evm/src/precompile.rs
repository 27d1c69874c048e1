//! Ethereum's precompiles.

use entente_crypto::{keccak256, recover_ethereum};
use entente_host::Fork;
use entente_types::Address;
use revm_interpreter::primitives::Address as EthereumAddress;
use revm_precompile::{PrecompileStatus, Precompiles};

use crate::precompiles;

/// Where ECRECOVER stands.
const ECRECOVER: Address = {
    let mut address = [0; 20];
    address[19] = 1;
    Address(address)
};
/// What it costs, in Ethereum's gas (yellow paper, appendix E.1).
const ECRECOVER_GAS: u64 = 3_000;
/// The bytes of its input that count: digest, v, r, s.
const ECRECOVER_BYTES: usize = 128;

/// What a precompile came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precompiled {
    /// It answered.
    Success {
        /// What.
        output: Vec<u8>,
        /// The gas that is left, in Ethereum's unit.
        gas_left: u64,
    },
    /// Its gas came to its end.
    OutOfGas,
    /// It does not take such input, which costs all its gas.
    Refused,
    /// The library failed: the node's own fault.
    Failed(String),
}

/// Whether there is a precompile at this address.
pub fn is_precompile(fork: Fork, address: &Address) -> bool {
    Precompiles::new(precompiles(fork)).contains(&EthereumAddress::new(address.0))
}

/// Runs the precompile at this address with so much gas, in Ethereum's unit; nothing where there is none.
pub fn run_precompile(fork: Fork, address: &Address, input: &[u8], gas: u64) -> Option<Precompiled> {
    if *address == ECRECOVER {
        return Some(recover(input, gas));
    }
    let precompile = Precompiles::new(precompiles(fork)).get(&EthereumAddress::new(address.0))?;
    Some(match precompile.execute(input, gas, 0) {
        Ok(done) => match done.status {
            PrecompileStatus::Success => match gas.checked_sub(done.gas_used) {
                Some(gas_left) => Precompiled::Success { output: done.bytes.to_vec(), gas_left },
                None => Precompiled::OutOfGas,
            },
            PrecompileStatus::Halt(halt) if halt.is_oog() => Precompiled::OutOfGas,
            PrecompileStatus::Halt(_) | PrecompileStatus::Revert => Precompiled::Refused,
        },
        Err(error) => Precompiled::Failed(error.to_string()),
    })
}

/// ECRECOVER (yellow paper, appendix E.1) by the library that checks the ledger's own signatures.
fn recover(input: &[u8], gas: u64) -> Precompiled {
    let Some(gas_left) = gas.checked_sub(ECRECOVER_GAS) else { return Precompiled::OutOfGas };
    let mut padded = [0; ECRECOVER_BYTES];
    for (target, byte) in padded.iter_mut().zip(input) {
        *target = *byte;
    }
    let output = recovered(&padded).map(|word| word.to_vec()).unwrap_or_default();
    Precompiled::Success { output, gas_left }
}

fn recovered(input: &[u8; ECRECOVER_BYTES]) -> Option<[u8; 32]> {
    let (digest, rest) = input.split_at_checked(32)?;
    let (v, signature) = rest.split_at_checked(32)?;
    let (last, zeros) = v.split_last()?;
    let recovery_id = last.checked_sub(27).filter(|id| *id < 2 && zeros.iter().all(|byte| *byte == 0))?;
    let mut word = keccak256(&recover_ethereum(digest, signature, recovery_id)?).0;
    word.iter_mut().take(12).for_each(|byte| *byte = 0);
    Some(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORKS: [Fork; 3] = [Fork::Cancun, Fork::Prague, Fork::Osaka];

    fn at(number: u16) -> Address {
        let mut address = Address::ZERO;
        address.0[18..].copy_from_slice(&number.to_be_bytes());
        address
    }

    #[test]
    fn each_fork_has_its_own() {
        let of = |fork| (0..=0x200).filter(|number| is_precompile(fork, &at(*number))).collect::<Vec<u16>>();
        assert_eq!(of(Fork::Cancun), (1..=10).collect::<Vec<u16>>());
        assert_eq!(of(Fork::Prague), (1..=17).collect::<Vec<u16>>());
        assert_eq!(of(Fork::Osaka), (1..=17).chain([0x100]).collect::<Vec<u16>>());
        assert_eq!(run_precompile(Fork::Osaka, &at(0x101), &[], 1 << 40), None);
    }

    #[test]
    fn sha256_answers_and_costs_what_ethereum_says() {
        let output = entente_crypto::sha256(b"abc").0.to_vec();
        let run = |gas| run_precompile(Fork::Cancun, &at(2), b"abc", gas);
        // 60 and 12 for each word (yellow paper, appendix E.1).
        assert_eq!(run(100), Some(Precompiled::Success { output, gas_left: 28 }));
        assert_eq!(run(71), Some(Precompiled::OutOfGas));
    }

    #[test]
    fn input_of_the_wrong_length_is_refused() {
        // BLAKE2's compression takes 213 bytes.
        assert_eq!(run_precompile(Fork::Cancun, &at(9), &[1, 2], 1 << 40), Some(Precompiled::Refused));
    }

    proptest! {
        /// Ours and revm's own, which uses another library.
        #[test]
        fn ecrecover_equals_revms(
            digest in any::<[u8; 32]>(), signature in any::<[u8; 64]>(), v in 25_u8..31, cut in 0_usize..140, gas in 2_990_u64..3_010,
        ) {
            let mut input = [&digest[..], &[0; 31], &[v], &signature].concat();
            input.resize(140, 0);
            input.truncate(cut);
            let theirs = match revm_precompile::secp256k1::ec_recover_run(&input, gas) {
                Ok(done) => Precompiled::Success { output: done.bytes.to_vec(), gas_left: gas - done.gas_used },
                Err(_) => Precompiled::OutOfGas,
            };
            prop_assert_eq!(run_precompile(Fork::Cancun, &at(1), &input, gas), Some(theirs));
        }
    }

    #[test]
    fn no_input_makes_a_precompile_panic() {
        for fork in FORKS {
            for address in (1..=17).chain([0x100]).map(at) {
                for length in [0, 1, 31, 64, 96, 128, 160, 192, 213, 256, 288, 384, 512] {
                    for byte in [0, 1, 0xff] {
                        let ran = run_precompile(fork, &address, &vec![byte; length], 10_000_000);
                        assert_eq!(ran.is_some(), is_precompile(fork, &address));
                        assert!(!matches!(ran, Some(Precompiled::Failed(_))), "{ran:?}");
                    }
                }
            }
        }
    }
}
