//! Transactions of all three kinds.

use entente_crypto::{Domain, SecretKey};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Amount, BlockNumber, Bytes, EthereumTransaction, EthereumTransactionError, FiscoTransaction,
    FiscoTransactionError, GroupId, Hash, Signature, Suite, Version,
    bytes::hex_array,
    limits::{EXTRA_BYTES_MAX, INPUT_BYTES_MAX, TRANSACTION_BYTES_MAX},
};

/// Why bytes are no transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// More bytes than a transaction may have.
    #[error("the transaction has {0} bytes; at most {TRANSACTION_BYTES_MAX} are allowed")]
    Size(usize),
    /// The bytes do not decode.
    #[error("the bytes are no SCALE-encoded transaction: {0}")]
    Codec(String),
    /// An Ethereum envelope that is none.
    #[error(transparent)]
    Ethereum(#[from] EthereumTransactionError),
    /// A FISCO BCOS transaction that is none.
    #[error(transparent)]
    Fisco(#[from] FiscoTransactionError),
}

/// Everything of a native transaction that its sender signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct UnsignedTransaction {
    /// The format's version.
    pub version: Version<1>,
    /// The chain it is for.
    pub chain_id: u64,
    /// The group it is for.
    pub group_id: GroupId,
    /// The account that sends it; the signature must be its.
    pub sender: Address,
    /// Any 32 bytes that the sender used in no other transaction still valid. One account's transactions need no
    /// order.
    #[serde(with = "hex_array")]
    pub nonce: [u8; 32],
    /// The first block number at which it is not valid any more.
    pub valid_until: BlockNumber,
    /// The gas it may use at most, in Ethereum's unit.
    pub gas_limit: u64,
    /// The contract it calls; nothing for a deployment.
    pub to: Option<Address>,
    /// The amount sent along: zero unless genesis enables balances.
    pub value: Amount,
    /// What the contract is called with, or a deployment container.
    pub input: Bytes<INPUT_BYTES_MAX>,
    /// Free bytes that mean nothing to the ledger.
    pub extra: Bytes<EXTRA_BYTES_MAX>,
}

impl UnsignedTransaction {
    /// What the sender signs: it covers the group's genesis hash, so that it means nothing anywhere else.
    pub fn signing_digest(&self, suite: Suite, genesis: &Hash) -> Hash {
        suite.hash_of(Domain::TRANSACTION_SIGNATURE, &(genesis, self))
    }

    /// The signed transaction.
    pub fn sign(self, genesis: &Hash, key: &SecretKey) -> Transaction {
        let signature = key.sign(&self.signing_digest(key.suite(), genesis));
        Transaction::Native(NativeTransaction { unsigned: self, signature })
    }
}

/// A native transaction: what was signed, and the signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct NativeTransaction {
    /// What was signed.
    #[serde(flatten)]
    pub unsigned: UnsignedTransaction,
    /// The sender's signature.
    pub signature: Signature,
}

/// A transaction. The SCALE variant says which kind it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Transaction {
    /// One of ours.
    #[codec(index = 1)]
    Native(NativeTransaction),
    /// An Ethereum envelope.
    #[codec(index = 2)]
    Ethereum(EthereumTransaction),
    /// A transaction of FISCO BCOS 2.
    #[codec(index = 3)]
    Fisco(FiscoTransaction),
}

impl Transaction {
    /// The SCALE encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// The transaction whose SCALE encoding these bytes are, all of them.
    ///
    /// # Errors
    /// Too many bytes, bytes that do not decode, or bytes left over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TransactionError> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(TransactionError::Size(bytes.len()));
        }
        Self::decode_all(&mut &*bytes).map_err(|error| TransactionError::Codec(error.to_string()))
    }

    /// What `sendRawTransaction` takes: a SCALE-encoded transaction, or the RLP of FISCO BCOS 2, which begins with
    /// a byte of 0xc0 or above.
    pub fn from_raw(bytes: &[u8]) -> Result<Self, TransactionError> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(TransactionError::Size(bytes.len()));
        }
        match bytes.first() {
            Some(0xc0..) => Ok(Self::Fisco(FiscoTransaction::new(bytes.to_vec())?)),
            _ => Self::from_bytes(bytes),
        }
    }

    /// The hash that names the transaction; a native one's covers the signature.
    pub fn hash(&self, suite: Suite) -> Hash {
        match self {
            Self::Native(native) => suite.hash_of(Domain::TRANSACTION, native),
            Self::Ethereum(ethereum) => ethereum.hash(),
            Self::Fisco(fisco) => fisco.hash(suite),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn sample() -> UnsignedTransaction {
        UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: GroupId::new("group1").unwrap(),
            sender: Address([2; 20]),
            nonce: [3; 32],
            valid_until: 900,
            gas_limit: 1_000_000,
            to: Some(Address([4; 20])),
            value: Amount::from(5),
            input: Bytes::new(vec![6; 4]).unwrap(),
            extra: Bytes::new(vec![7]).unwrap(),
        }
    }

    #[test]
    fn a_signature_means_one_thing_in_one_group() {
        let digest = sample().signing_digest(Suite::Standard, &Hash([1; 32]));
        assert_ne!(digest, sample().signing_digest(Suite::Standard, &Hash([2; 32])));
    }

    #[test]
    fn a_nonce_is_shown_and_read_as_hexadecimal() {
        let text = serde_json::to_string(&sample()).unwrap();
        let nonce = format!("\"nonce\":\"0x{}\"", "03".repeat(32));
        assert!(text.contains(&nonce), "{text}");
        assert_eq!(serde_json::from_str::<UnsignedTransaction>(&text).unwrap(), sample());
        let short = text.replace("0x0303", "0x03");
        let error = serde_json::from_str::<UnsignedTransaction>(&short).unwrap_err().to_string();
        assert!(error.starts_with("32 bytes as hexadecimal are expected"), "{error}");
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let key = SecretKey::from_bytes(Suite::Standard, &[1; 32]).unwrap();
        let mut bytes = sample().sign(&Hash::ZERO, &key).to_bytes();
        bytes.push(0);
        assert!(matches!(Transaction::from_bytes(&bytes), Err(TransactionError::Codec(_))));
        assert_eq!(
            Transaction::from_bytes(&vec![0; TRANSACTION_BYTES_MAX + 1]),
            Err(TransactionError::Size(TRANSACTION_BYTES_MAX + 1))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Transaction::from_raw(&bytes);
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(position in 0_usize..300, byte in any::<u8>()) {
            let key = SecretKey::from_bytes(Suite::Standard, &[1; 32]).unwrap();
            let mut bytes = sample().sign(&Hash::ZERO, &key).to_bytes();
            let position = position % bytes.len();
            bytes[position] = byte;
            if let Ok(transaction) = Transaction::from_bytes(&bytes) {
                prop_assert_eq!(transaction.to_bytes(), bytes);
            }
        }
    }
}
