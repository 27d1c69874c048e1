//! Who sends what to whom, all from one seed.

use entente_crypto::{SecretKey, Suite, keccak256};
use entente_types::Address;
use rayon::prelude::*;

use super::plan::LoadError;
use crate::keystore::Account;

/// The sender's place that stands for the deployer.
pub(super) const DEPLOYER: u32 = u32::MAX;

/// One transfer of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transfer {
    /// The sender's place among the accounts, or [`DEPLOYER`].
    pub(super) from: u32,
    /// The receiver's place.
    pub(super) to: u32,
    /// How much.
    pub(super) amount: u128,
    /// Its number in the run, which makes its nonce its own.
    pub(super) serial: u64,
    pub(super) envelope: Envelope,
}

/// The kind of transaction that a transfer goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    /// The ledger's own.
    Native,
    /// Ethereum's, with the chain's number there and the sender's next number on it.
    Ethereum { chain_id: u64, nonce: u64 },
}

/// The account at a place, the same for the same seed.
pub(super) fn account(suite: Suite, seed: u64, place: u32) -> Result<Account, LoadError> {
    // All but a 2^-128 part of 32-byte strings are keys; a second attempt is a formality.
    let mut last = None;
    for attempt in 0_u8..4 {
        let parts = [b"entente load account".as_slice(), &seed.to_le_bytes(), &place.to_le_bytes(), &[attempt]];
        match SecretKey::from_bytes(suite, &keccak256(&parts.concat()).0) {
            Ok(key) => return Ok(Account::new(key)),
            Err(error) => last = Some(error.to_string()),
        }
    }
    Err(LoadError::Account(last.unwrap_or_default()))
}

/// All accounts, made on all cores.
pub(super) fn accounts(suite: Suite, seed: u64, count: u32) -> Result<Vec<Account>, LoadError> {
    (0..count).into_par_iter().map(|place| account(suite, seed, place)).collect()
}

/// The transfers that give each account its share, numbered from 0.
pub(super) fn funding(accounts: u32, share: u128) -> impl Iterator<Item = Transfer> + Send {
    (0..accounts).map(move |to| Transfer {
        from: DEPLOYER,
        to,
        amount: share,
        serial: u64::from(to),
        envelope: Envelope::Native,
    })
}

/// An endless row of transfers of one between two accounts.
#[derive(Debug, Clone)]
pub(super) struct Transfers {
    random: SplitMix,
    accounts: u32,
    conflict_percent: u8,
    serial: u64,
}

impl Transfers {
    /// Transfers between at least two accounts, numbered from `serial` on. The hot account is the first.
    pub(super) fn new(seed: u64, accounts: u32, conflict_percent: u8, serial: u64) -> Self {
        Self { random: SplitMix(seed), accounts: accounts.max(2), conflict_percent, serial }
    }
}

impl Iterator for Transfers {
    type Item = Transfer;

    fn next(&mut self) -> Option<Transfer> {
        let hot = self.random.below(100) < u32::from(self.conflict_percent);
        let to = if hot { 0 } else { self.random.below(self.accounts) };
        // Any account but the receiver.
        let step = 1 + self.random.below(self.accounts - 1);
        let from = ((u64::from(to) + u64::from(step)) % u64::from(self.accounts)) as u32;
        let serial = self.serial;
        self.serial = serial.wrapping_add(1);
        Some(Transfer { from, to, amount: 1, serial, envelope: Envelope::Native })
    }
}

/// The same transfers in Ethereum's envelopes: each of a sender has the number after the one before.
#[derive(Debug, Clone)]
pub(super) struct Numbered<I> {
    pub(super) transfers: I,
    pub(super) chain_id: u64,
    /// Each account's next number.
    pub(super) nonces: Vec<u64>,
}

impl<I: Iterator<Item = Transfer>> Iterator for Numbered<I> {
    type Item = Transfer;

    fn next(&mut self) -> Option<Transfer> {
        let transfer = self.transfers.next()?;
        let next = self.nonces.get_mut(transfer.from as usize)?;
        let nonce = *next;
        *next = nonce.saturating_add(1);
        Some(Transfer { envelope: Envelope::Ethereum { chain_id: self.chain_id, nonce }, ..transfer })
    }
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): good enough to draw
/// accounts, and the same everywhere.
#[derive(Debug, Clone)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound, by the high half of a product (its bias is below 2^-32).
    fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next() as u32) * u64::from(bound)) >> 32) as u32
    }
}

/// The input of `transfer(address,uint256)`.
pub(super) fn transfer_input(to: &Address, amount: u128) -> Vec<u8> {
    [&[0xa9, 0x05, 0x9c, 0xbb], [0; 12].as_slice(), &to.0, &[0; 16], &amount.to_be_bytes()].concat()
}

/// The input of `balanceOf(address)`.
pub(super) fn balance_input(of: &Address) -> Vec<u8> {
    [&[0x70, 0xa0, 0x82, 0x31], [0; 12].as_slice(), &of.0].concat()
}

/// The input of `totalSupply()`.
pub(super) const TOTAL_SUPPLY_INPUT: [u8; 4] = [0x18, 0x16, 0x0d, 0xdd];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_those_of_the_abi() {
        let function = |signature: &str| alloy_json_abi::Function::parse(signature).unwrap().selector().0.to_vec();
        assert_eq!(transfer_input(&Address([1; 20]), 7)[..4], function("transfer(address,uint256)"));
        assert_eq!(balance_input(&Address([1; 20]))[..4], function("balanceOf(address)"));
        assert_eq!(TOTAL_SUPPLY_INPUT.to_vec(), function("totalSupply()"));
        assert_eq!(transfer_input(&Address([1; 20]), 7).len(), 68);
    }

    #[test]
    fn nobody_pays_himself_and_the_hot_account_gets_its_share() {
        let mut hot = 0;
        for transfer in Transfers::new(3, 50, 40, 10).take(10_000) {
            assert_ne!(transfer.from, transfer.to);
            assert!(transfer.from < 50 && transfer.to < 50);
            hot += u32::from(transfer.to == 0);
        }
        assert!((3900..4500).contains(&hot), "{hot}");
        let serials: Vec<u64> = Transfers::new(3, 2, 0, 10).take(3).map(|transfer| transfer.serial).collect();
        assert_eq!(serials, [10, 11, 12]);
    }

    #[test]
    fn accounts_follow_from_the_seed() {
        let addresses = |seed| -> Vec<Address> {
            accounts(Suite::Standard, seed, 5).unwrap().iter().map(Account::address).collect()
        };
        assert_eq!(addresses(1), addresses(1));
        assert_ne!(addresses(1), addresses(2));
    }
}
