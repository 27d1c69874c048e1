//! Ethereum's envelopes, as far as this ledger carries them.

use std::sync::OnceLock;

use alloy_rlp::Header as RlpHeader;
use entente_crypto::keccak256;
use parity_scale_codec::{Decode, Encode, Output};
use serde::{Serialize, Serializer};

use crate::{
    Address, Bytes, Hash,
    bytes::hex_bytes,
    ethereum_payload::Said,
    limits::{AUTHORIZATIONS_MAX, TRANSACTION_BYTES_MAX},
};

/// Which envelope an Ethereum transaction came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EthereumKind {
    /// A bare RLP list, with the chain id in `v` (EIP-155).
    Legacy,
    /// Type 1, with an access list (EIP-2930).
    AccessList,
    /// Type 2, with a fee market (EIP-1559).
    DynamicFee,
    /// Type 4, which sets the code of accounts that let it (EIP-7702).
    SetCode,
}

impl EthereumKind {
    /// The envelope's type (EIP-2718); a legacy transaction has none.
    pub(crate) const fn number(self) -> Option<u8> {
        match self {
            Self::Legacy => None,
            Self::AccessList => Some(1),
            Self::DynamicFee => Some(2),
            Self::SetCode => Some(4),
        }
    }
}

/// Why bytes are no Ethereum transaction that can be carried here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EthereumTransactionError {
    /// Nothing, or more than a transaction may have.
    #[error("an ethereum transaction has 1 to {TRANSACTION_BYTES_MAX} bytes, not {0}")]
    Size(usize),
    /// A type that is not carried (blobs).
    #[error(
        "ethereum transactions of type {0} are not carried; use legacy, 1 (EIP-2930), 2 (EIP-1559) or 4 (EIP-7702)"
    )]
    Kind(u8),
    /// The RLP is not one list of the right length.
    #[error("the ethereum transaction is not one RLP list that fills the envelope")]
    Rlp,
    /// A field that is missing, is not encoded as Ethereum does, or has a value that it cannot have.
    #[error("the field `{0}` of the ethereum transaction is missing, or not as Ethereum encodes it")]
    Field(&'static str),
    /// More accounts let it set their code than may.
    #[error("the ethereum transaction has more than {AUTHORIZATIONS_MAX} authorizations")]
    Authorizations,
    /// A legacy transaction that any chain would take.
    #[error("the ethereum transaction names no chain: sign it with the chain's id (EIP-155)")]
    ChainId,
}

/// Whose an Ethereum transaction is, and which of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EthereumOrigin {
    /// The account that signed it.
    pub sender: Address,
    /// How many transactions that account sent before.
    pub nonce: u64,
}

/// A raw Ethereum envelope, kept byte for byte.
#[derive(Debug, Clone)]
pub struct EthereumTransaction {
    /// At most [`TRANSACTION_BYTES_MAX`].
    raw: bytes::Bytes,
    /// What it says, or why it says nothing, and what its signature was found to say. Both follow from the bytes, and
    /// cost too much to be found twice.
    said: OnceLock<Result<Said, EthereumTransactionError>>,
    origin: OnceLock<Option<EthereumOrigin>>,
    /// Whether its sender was said beside it.
    is_impersonated: bool,
}

impl PartialEq for EthereumTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for EthereumTransaction {}

impl Encode for EthereumTransaction {
    fn size_hint(&self) -> usize {
        self.raw().size_hint()
    }

    fn encode_to<O: Output + ?Sized>(&self, output: &mut O) {
        self.raw().encode_to(output);
    }
}

impl Decode for EthereumTransaction {
    fn decode<I: parity_scale_codec::Input>(input: &mut I) -> Result<Self, parity_scale_codec::Error> {
        let raw = Bytes::<TRANSACTION_BYTES_MAX>::decode(input)?;
        Self::new(raw.into_vec()).map_err(|_| "not an ethereum transaction that is carried".into())
    }
}

impl Serialize for EthereumTransaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut view = serializer.serialize_struct("EthereumTransaction", 1)?;
        view.serialize_field("raw", &hex_bytes::encode(&self.raw))?;
        view.end()
    }
}

impl EthereumTransaction {
    /// Takes an envelope whose outer form is right; what is in the list is for the EVM layer to judge.
    pub fn new(raw: Vec<u8>) -> Result<Self, EthereumTransactionError> {
        let size = raw.len();
        let list = match raw.split_first() {
            None => return Err(EthereumTransactionError::Size(0)),
            Some((0xc0.., _)) => raw.as_slice(),
            Some((1 | 2 | 4, list)) => list,
            Some((kind, _)) => return Err(EthereumTransactionError::Kind(*kind)),
        };
        list_payload(list).ok_or(EthereumTransactionError::Rlp)?;
        if size > TRANSACTION_BYTES_MAX {
            return Err(EthereumTransactionError::Size(size));
        }
        Ok(Self { raw: raw.into(), said: OnceLock::new(), origin: OnceLock::new(), is_impersonated: false })
    }

    /// An envelope whose sender is said beside it, whatever its signature is. Whoever decodes the same bytes finds by the
    /// signature alone whose it is: this is for chains on which contracts are tested, and nothing that a node is sent
    /// comes to it.
    ///
    /// # Errors
    /// As [`Self::new`], and a field that is not as it must be.
    pub fn impersonating(raw: Vec<u8>, sender: Address) -> Result<Self, EthereumTransactionError> {
        let transaction = Self::new(raw)?;
        let nonce = transaction.payload()?.nonce;
        let origin = OnceLock::from(Some(EthereumOrigin { sender, nonce }));
        Ok(Self { origin, is_impersonated: true, ..transaction })
    }

    /// Whether its sender was said beside it, and no signature asked for: by [`Self::impersonating`] alone.
    pub const fn is_impersonated(&self) -> bool {
        self.is_impersonated
    }

    /// The envelope's kind.
    pub fn kind(&self) -> EthereumKind {
        match self.raw.first() {
            Some(1) => EthereumKind::AccessList,
            Some(2) => EthereumKind::DynamicFee,
            Some(4) => EthereumKind::SetCode,
            _ => EthereumKind::Legacy,
        }
    }

    /// The envelope's bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same, of which parts can be kept without a copy.
    pub(crate) const fn shared(&self) -> &bytes::Bytes {
        &self.raw
    }

    /// What it says, read once.
    pub(crate) fn said(&self) -> Result<&Said, EthereumTransactionError> {
        self.said.get_or_init(|| Said::read(self)).as_ref().map_err(Clone::clone)
    }

    /// Whose it is, or nothing where its fields or its signature are not as they must be. Once this was asked, it costs
    /// nothing any more, in the clones neither.
    pub fn origin(&self) -> Option<EthereumOrigin> {
        *self.origin.get_or_init(|| self.signer())
    }

    /// Ethereum's hash of it: Keccak-256 of the envelope.
    pub fn hash(&self) -> Hash {
        keccak256(&self.raw)
    }
}

/// The payload of bytes that are exactly one RLP list.
pub(crate) fn list_payload(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    let header = RlpHeader::decode(&mut rest).ok()?;
    (header.list && header.payload_length == rest.len()).then_some(rest)
}

/// A list with this payload.
pub(crate) fn list(payload: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(payload.len().saturating_add(9));
    RlpHeader { list: true, payload_length: payload.len() }.encode(&mut encoded);
    encoded.extend_from_slice(payload);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_and_kind_of_a_known_envelope() {
        // The example of EIP-155, "Example".
        let raw = hex::decode(
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc\
             2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb196\
             6a3b6d83",
        )
        .unwrap();
        let transaction = EthereumTransaction::new(raw).unwrap();
        assert_eq!(transaction.kind(), EthereumKind::Legacy);
        assert_eq!(
            transaction.hash().to_string(),
            "0x33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788"
        );
        assert_eq!(EthereumTransaction::decode(&mut transaction.encode().as_slice()).unwrap(), transaction);
    }

    #[test]
    fn other_types_and_wrong_lengths_are_refused() {
        assert_eq!(EthereumTransaction::new(vec![3, 0xc0]), Err(EthereumTransactionError::Kind(3)));
        assert_eq!(EthereumTransaction::new(vec![5, 0xc0]), Err(EthereumTransactionError::Kind(5)));
        assert_eq!(EthereumTransaction::new(vec![4, 0xc0]).unwrap().kind(), EthereumKind::SetCode);
        assert_eq!(EthereumTransaction::new(vec![2, 0xc1]), Err(EthereumTransactionError::Rlp));
        assert_eq!(EthereumTransaction::new(vec![0xc0, 0]), Err(EthereumTransactionError::Rlp));
        assert_eq!(EthereumTransaction::new(vec![]), Err(EthereumTransactionError::Size(0)));
    }
}
