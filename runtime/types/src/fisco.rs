//! Transactions of FISCO BCOS 2, kept as their canonical RLP.

use alloy_rlp::Header as RlpHeader;
use entente_crypto::{keccak256, sm3};
use parity_scale_codec::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::{Bytes, Hash, Suite, bytes::hex_bytes, ethereum::list_payload, limits::TRANSACTION_BYTES_MAX};

/// The items of the list: random id, gas price, gas limit, block limit, to, value, data, chain id, group id, extra
/// data, and the signature's three.
const ITEMS: usize = 13;

/// Why bytes are no transaction of FISCO BCOS 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FiscoTransactionError {
    /// More than a transaction may have.
    #[error("a transaction of fisco bcos has at most {TRANSACTION_BYTES_MAX} bytes, not {0}")]
    Size(usize),
    /// Not one canonical list of thirteen items.
    #[error("the bytes are not one canonical RLP list of {ITEMS} items, as fisco bcos 2 encodes a transaction")]
    Rlp,
}

/// A raw transaction of FISCO BCOS 2.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct FiscoTransaction {
    raw: Bytes<TRANSACTION_BYTES_MAX>,
}

impl Decode for FiscoTransaction {
    fn decode<I: parity_scale_codec::Input>(input: &mut I) -> Result<Self, parity_scale_codec::Error> {
        let raw = Bytes::<TRANSACTION_BYTES_MAX>::decode(input)?;
        Self::new(raw.into_vec()).map_err(|_| "not a transaction of fisco bcos 2".into())
    }
}

impl Serialize for FiscoTransaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut view = serializer.serialize_struct("FiscoTransaction", 1)?;
        view.serialize_field("raw", &hex_bytes::encode(&self.raw))?;
        view.end()
    }
}

impl FiscoTransaction {
    /// Takes bytes that are one canonical list of thirteen items.
    pub fn new(raw: Vec<u8>) -> Result<Self, FiscoTransactionError> {
        if raw.len() > TRANSACTION_BYTES_MAX {
            return Err(FiscoTransactionError::Size(raw.len()));
        }
        let mut rest = list_payload(&raw).ok_or(FiscoTransactionError::Rlp)?;
        let mut items = 0;
        while !rest.is_empty() {
            // Decoding a header refuses every encoding that is not the shortest.
            let header = RlpHeader::decode(&mut rest).map_err(|_| FiscoTransactionError::Rlp)?;
            rest = rest.get(header.payload_length..).ok_or(FiscoTransactionError::Rlp)?;
            items += 1;
        }
        if items != ITEMS {
            return Err(FiscoTransactionError::Rlp);
        }
        let size = raw.len();
        Bytes::new(raw).map(|raw| Self { raw }).ok_or(FiscoTransactionError::Size(size))
    }

    /// The RLP.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// FISCO BCOS's hash of it: Keccak-256 of the RLP, SM3 in a Guomi group.
    pub fn hash(&self, suite: Suite) -> Hash {
        match suite {
            Suite::Standard => keccak256(&self.raw),
            Suite::Guomi => sm3(&self.raw),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thirteen() -> Vec<u8> {
        let mut raw = vec![0xc0 + 13];
        raw.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        raw
    }

    #[test]
    fn thirteen_items_are_taken_and_hashed_by_suite() {
        let transaction = FiscoTransaction::new(thirteen()).unwrap();
        assert_eq!(transaction.hash(Suite::Standard), keccak256(&thirteen()));
        assert_ne!(transaction.hash(Suite::Standard), transaction.hash(Suite::Guomi));
    }

    #[test]
    fn other_lists_are_refused() {
        assert_eq!(FiscoTransaction::new(vec![0xc2, 1, 2]), Err(FiscoTransactionError::Rlp));
        // The first item in a longer form than needed.
        let mut raw = vec![0xc0 + 14, 0x81];
        raw.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(FiscoTransaction::new(raw), Err(FiscoTransactionError::Rlp));
        assert_eq!(FiscoTransaction::new(vec![]), Err(FiscoTransactionError::Rlp));
    }
}
