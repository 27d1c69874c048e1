//! Making Ethereum's oldest kind of transaction, which every one of its tools understands.

use alloy_rlp::Encodable;
use entente_crypto::{SecretKey, keccak256};
use ruint::aliases::U256;

use crate::{Address, Amount, EthereumTransaction, EthereumTransactionError, ethereum::list};

/// A legacy transaction before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyTransaction {
    /// How many transactions its sender sent before.
    pub nonce: u64,
    /// What it pays for a unit of gas.
    pub gas_price: Amount,
    /// The gas that it may use at most.
    pub gas_limit: u64,
    /// Whom it calls; nothing where it creates a contract.
    pub to: Option<Address>,
    /// The coin that it sends along.
    pub value: Amount,
    /// What it calls with, or the code that creates the contract.
    pub input: Vec<u8>,
}

impl LegacyTransaction {
    /// The transaction, signed for a chain (EIP-155).
    ///
    /// # Errors
    /// More bytes than a transaction may have.
    pub fn sign(&self, key: &SecretKey, chain_id: u64) -> Result<EthereumTransaction, EthereumTransactionError> {
        let mut fields = Vec::with_capacity(self.input.len().saturating_add(200));
        self.nonce.encode(&mut fields);
        number(self.gas_price.0, &mut fields);
        self.gas_limit.encode(&mut fields);
        match &self.to {
            Some(address) => address.0.encode(&mut fields),
            None => fields.push(alloy_rlp::EMPTY_STRING_CODE),
        }
        number(self.value.0, &mut fields);
        self.input.as_slice().encode(&mut fields);
        let mut signed = fields.clone();
        chain_id.encode(&mut signed);
        signed.extend([alloy_rlp::EMPTY_STRING_CODE; 2]);
        let signature = key.sign(&keccak256(&list(&signed)));
        let (r, rest) = signature.as_bytes().split_at_checked(32).unwrap_or_default();
        let (s, v) = rest.split_at_checked(32).unwrap_or_default();
        let recovery_id = U256::from(v.first().copied().unwrap_or_default());
        // Twice the largest chain id does not fit 64 bits.
        number(U256::from(chain_id) * U256::from(2) + U256::from(35) + recovery_id, &mut fields);
        number(U256::from_be_slice(r), &mut fields);
        number(U256::from_be_slice(s), &mut fields);
        EthereumTransaction::new(list(&fields))
    }
}

/// A number without zeros in front.
pub(crate) fn number(number: U256, encoded: &mut Vec<u8>) {
    let bytes = number.to_be_bytes::<32>();
    bytes.get(number.leading_zeros() / 8..).unwrap_or_default().encode(encoded);
}

#[cfg(test)]
mod tests {
    use entente_crypto::Suite;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_eip_155_is_made() {
        let key = SecretKey::from_bytes(Suite::Standard, &[0x46; 32]).unwrap();
        let transaction = LegacyTransaction {
            nonce: 9,
            gas_price: Amount::from(20_000_000_000),
            gas_limit: 21_000,
            to: Some(Address([0x35; 20])),
            value: Amount::from(1_000_000_000_000_000_000),
            input: vec![],
        };
        let raw = hex::encode(transaction.sign(&key, 1).unwrap().raw());
        assert_eq!(
            raw,
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc\
             2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb196\
             6a3b6d83"
        );
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_as_it_was(
            nonce in any::<u64>(), price in any::<u64>(), gas_limit in any::<u64>(), to in any::<Option<[u8; 20]>>(),
            value in any::<u64>(), input in proptest::collection::vec(any::<u8>(), 0..100), chain_id in 0_u64..u64::MAX / 2 - 18,
        ) {
            let key = SecretKey::from_bytes(Suite::Standard, &[7; 32]).unwrap();
            let to = to.map(Address);
            let (gas_price, value) = (Amount::from(price), Amount::from(value));
            let transaction = LegacyTransaction { nonce, gas_price, gas_limit, to, value, input: input.clone() };
            let signed = transaction.sign(&key, chain_id).unwrap();
            let payload = signed.payload().unwrap();
            prop_assert_eq!(signed.origin().map(|origin| origin.sender), Some(key.public_key().address()));
            prop_assert_eq!((payload.nonce, payload.max_fee, payload.gas_limit), (nonce, gas_price, gas_limit));
            prop_assert_eq!((payload.to, payload.value, payload.input.to_vec()), (to, value, input));
            prop_assert_eq!(payload.chain_id, chain_id);
        }
    }
}
