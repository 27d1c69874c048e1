//! Making transactions of FISCO BCOS 2, as its clients do.

use alloy_rlp::Encodable;
use entente_crypto::{SecretKey, Suite, keccak256, sm3};
use ruint::aliases::U256;

use crate::{
    Address, Amount, BlockNumber, FiscoTransaction, FiscoTransactionError, ethereum::list, legacy_transaction::number,
};

/// A transaction of FISCO BCOS 2 before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedFiscoTransaction {
    /// Any number that its sender used in no other transaction still valid, big-endian.
    pub nonce: [u8; 32],
    /// What it would pay for a unit of gas.
    pub gas_price: Amount,
    /// The gas that it asks for.
    pub gas: Amount,
    /// The first block number at which it is not valid any more.
    pub block_limit: BlockNumber,
    /// Whom it calls; nothing where it creates a contract.
    pub to: Option<Address>,
    /// The coin that it sends along.
    pub value: Amount,
    /// What it calls with, or the code that creates the contract.
    pub input: Vec<u8>,
    /// The chain that it is for.
    pub chain_id: u64,
    /// The number of the group that it is for.
    pub group: u64,
    /// Free bytes that mean nothing to the ledger.
    pub extra: Vec<u8>,
}

impl UnsignedFiscoTransaction {
    /// The transaction, signed in the key's suite.
    ///
    /// # Errors
    /// More bytes than a transaction may have.
    pub fn sign(&self, key: &SecretKey) -> Result<FiscoTransaction, FiscoTransactionError> {
        let mut items = Vec::with_capacity(self.input.len().saturating_add(self.extra.len()).saturating_add(400));
        number(U256::from_be_bytes(self.nonce), &mut items);
        number(self.gas_price.0, &mut items);
        number(self.gas.0, &mut items);
        self.block_limit.encode(&mut items);
        match &self.to {
            Some(address) => address.0.encode(&mut items),
            None => items.push(alloy_rlp::EMPTY_STRING_CODE),
        }
        number(self.value.0, &mut items);
        self.input.as_slice().encode(&mut items);
        self.chain_id.encode(&mut items);
        self.group.encode(&mut items);
        self.extra.as_slice().encode(&mut items);
        let unsigned = list(&items);
        let signature = match key.suite() {
            Suite::Standard => key.sign(&keccak256(&unsigned)),
            Suite::Guomi => key.sign(&sm3(&unsigned)),
        };
        let (r, rest) = signature.as_bytes().split_at_checked(32).unwrap_or_default();
        let (s, last) = rest.split_at_checked(32).unwrap_or_default();
        match key.suite() {
            Suite::Standard => (last.first().copied().unwrap_or_default() + 27).encode(&mut items),
            Suite::Guomi => key.public_key().as_bytes().as_slice().encode(&mut items),
        }
        number(U256::from_be_slice(r), &mut items);
        number(U256::from_be_slice(s), &mut items);
        FiscoTransaction::new(list(&items))
    }
}
