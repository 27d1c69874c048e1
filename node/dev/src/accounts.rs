//! The accounts whose keys everybody knows, and what they sign.

use entente_crypto::{SecretKey, Suite};
use entente_types::{Address, Amount, Hash};
use ruint::aliases::U256;

use crate::DevError;

/// The first twenty keys of the mnemonic "test test test test test test test test test test test junk" on the path
/// m/44'/60'/0'/0 (BIP-32, 39, 44): those that Hardhat and anvil begin with. Whatever they hold on a chain that others
/// can reach is anybody's.
const KEYS: [&str; 20] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
    "f214f2b2cd398c806f84e317254e0f0b801d0643303237d97a22a48e01628897",
    "701b615bbdfb9de65240bc28bd21bbc0d996645a3dd57e7b12bc2bdf6f192c82",
    "a267530f49f8280200edf313ee7af6b827f2a8bce2897751d06a843f644967b1",
    "47c99abed3324a2707c28affff1267e45918ec8c3f20b8aa892e8b065d2942dd",
    "c526ee95bf44d8fc405a158bb884d9d1238d99f0612e9f33d006bb0789009aaa",
    "8166f546bab6da521a8369cab06c5d2b9e46670292d85c875ee9ec20e84ffb61",
    "ea6c44ac03bff858b476bba40716402b03e41b8e97e276d1baec7c37d42484a0",
    "689af8efa8c651a91ad287602527f3af2fe9f6501a7ac4b061667b5a93e037fd",
    "de9be858da4a475276426320d5e9262ecfc3ba460bfac56360bfa6c4c28b4ee0",
    "df57089febbacf7ba0bc227dafbffa9fc08a93fdc68e1e42411a14efcf23656e",
];
/// What each of them begins with, in whole coins, where there is a coin.
const COINS: u64 = 10_000;
/// The units of a coin.
const UNITS_PER_COIN: u64 = 1_000_000_000_000_000_000;

/// The accounts whose keys everybody knows.
pub struct Accounts(Vec<(Address, SecretKey)>);

impl Default for Accounts {
    fn default() -> Self {
        let key = |digits: &&str| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digits, &mut bytes).ok()?;
            let key = SecretKey::from_bytes(Suite::Standard, &bytes).ok()?;
            Some((key.public_key().address(), key))
        };
        Self(KEYS.iter().filter_map(key).collect())
    }
}

impl Accounts {
    /// Their addresses, in the order of the path.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = Address> {
        self.0.iter().map(|(address, _)| *address)
    }

    /// What each of them begins with, where there is a coin.
    pub fn allowance() -> Amount {
        Amount(U256::from(COINS) * U256::from(UNITS_PER_COIN))
    }

    /// The key of one of them.
    ///
    /// # Errors
    /// It is none of them.
    pub fn key(&self, address: &Address) -> Result<&SecretKey, DevError> {
        let found = self.0.iter().find(|(known, _)| known == address);
        found.map(|(_, key)| key).ok_or(DevError::UnknownAccount(*address))
    }

    /// A digest's signature as Ethereum's tools read it: r, s, and 27 or 28.
    ///
    /// # Errors
    /// The account is none of them.
    pub fn sign(&self, address: &Address, digest: &Hash) -> Result<Vec<u8>, DevError> {
        let mut signature = self.key(address)?.sign(digest).as_bytes().to_vec();
        if let Some(parity) = signature.last_mut() {
            *parity = parity.saturating_add(27);
        }
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use entente_crypto::Signature;

    use super::*;

    #[test]
    fn they_are_those_of_the_well_known_mnemonic() {
        let accounts = Accounts::default();
        let addresses: Vec<String> = accounts.addresses().map(|address| address.to_string().to_lowercase()).collect();
        assert_eq!(addresses.len(), 20);
        assert_eq!(addresses[0], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
        assert_eq!(addresses[1], "0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
        assert_eq!(addresses[19], "0x8626f6940e2eb28930efb4cef49b2d1f2c9c1199");
        assert_eq!(Accounts::allowance().to_string(), "10000000000000000000000");
    }

    #[test]
    fn a_signature_is_its_accounts_and_nobody_elses_key_is_there() {
        let accounts = Accounts::default();
        let (address, digest) = (accounts.addresses().nth(3).unwrap(), Hash([7; 32]));
        let mut signature = accounts.sign(&address, &digest).unwrap();
        assert!(matches!(signature[64], 27 | 28));
        signature[64] -= 27;
        let signature = Signature::from_bytes(&signature).unwrap();
        assert_eq!(Suite::Standard.signer(&digest, &signature).unwrap().address, address);
        let stranger = Address([1; 20]);
        assert_eq!(accounts.sign(&stranger, &digest), Err(DevError::UnknownAccount(stranger)));
    }
}
