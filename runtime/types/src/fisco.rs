//! Transactions of FISCO BCOS 2, kept as their canonical RLP (its `libethcore/Transaction.cpp`).

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use alloy_rlp::{Encodable, Header as RlpHeader};
use entente_crypto::{PublicKey, keccak256, recover_secp256k1, sm3, verify_sm2};
use parity_scale_codec::{Decode, Encode};
use ruint::aliases::U256;
use serde::{Serialize, Serializer};

use crate::{
    Address, Amount, BlockNumber, Bytes, GroupId, Hash, Suite,
    bytes::hex_bytes,
    ethereum::{list, list_payload},
    limits::{INPUT_BYTES_MAX, TRANSACTION_BYTES_MAX},
};

/// The items of the list, in their order. What FISCO BCOS calls a nonce is a number that was drawn; under SM2 a public
/// key stands where ECDSA has `v`.
const ITEMS: [&str; 13] = [
    "random id",
    "gas price",
    "gas",
    "block limit",
    "to",
    "value",
    "data",
    "chain id",
    "group id",
    "extra data",
    "v",
    "r",
    "s",
];
/// How many of them are signed.
const SIGNED_ITEMS: usize = 10;
/// What ECDSA's recovery id is written with.
const ECDSA_V: u8 = 27;
/// The bytes of a public key of SM2.
const KEY_BYTES: usize = 64;

/// Why bytes are no transaction of FISCO BCOS 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FiscoTransactionError {
    /// More than a transaction may have.
    #[error("a transaction of fisco bcos has at most {TRANSACTION_BYTES_MAX} bytes, not {0}")]
    Size(usize),
    /// Not one canonical list.
    #[error("the bytes are not one canonical RLP list, as fisco bcos 2 encodes a transaction")]
    Rlp,
    /// Another form than that of version 2.0.0.
    #[error(
        "a transaction of fisco bcos 2 has 13 items, not {0}; the form with 10, without chain and group, ended with \
         2.0.0-rc1 and is not taken"
    )]
    Items(usize),
    /// An item that is not encoded as FISCO BCOS does, or has a value that it cannot have.
    #[error(
        "the field `{0}` of the fisco bcos transaction is not as fisco bcos 2 encodes it, or beyond what it may be"
    )]
    Field(&'static str),
}

/// Whose a transaction of FISCO BCOS says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiscoSigner {
    /// ECDSA: the key follows from the signature with this recovery id, 0 or 1.
    RecoveryId(u8),
    /// SM2: the key itself.
    Key([u8; KEY_BYTES]),
}

/// What a transaction of FISCO BCOS says beside its input and its free bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiscoFields {
    /// A number that its sender drew, which FISCO BCOS's clients call the random id.
    pub nonce: [u8; 32],
    /// What it would pay for a unit of gas. FISCO BCOS takes nothing.
    pub gas_price: Amount,
    /// The gas that it asks for. As in FISCO BCOS, it gets the group's limit for a transaction whatever it asks for.
    pub gas: Amount,
    /// The first block number at which it is not valid any more.
    pub block_limit: BlockNumber,
    /// Whom it calls; nothing where it creates a contract.
    pub to: Option<Address>,
    /// The coin that it sends along.
    pub value: Amount,
    /// The chain that it is for.
    pub chain_id: u64,
    /// The number of the group that it is for.
    pub group: u64,
    /// The signature's first half.
    pub r: [u8; 32],
    /// The signature's second half.
    pub s: [u8; 32],
    /// Who made the signature, and with which algorithm.
    pub signer: FiscoSigner,
}

/// A transaction with what was read from it. Its clones share it, so that the sender is found once.
#[derive(Debug)]
struct Inner {
    raw: Bytes<TRANSACTION_BYTES_MAX>,
    fields: FiscoFields,
    input: Range<usize>,
    extra: Range<usize>,
    signed: Range<usize>,
    sender: OnceLock<Option<Address>>,
}

/// A raw transaction of FISCO BCOS 2.
#[derive(Debug, Clone)]
pub struct FiscoTransaction {
    inner: Arc<Inner>,
}

impl PartialEq for FiscoTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.inner.raw == other.inner.raw
    }
}

impl Eq for FiscoTransaction {}

impl Encode for FiscoTransaction {
    fn size_hint(&self) -> usize {
        self.inner.raw.size_hint()
    }

    fn encode_to<O: parity_scale_codec::Output + ?Sized>(&self, output: &mut O) {
        self.inner.raw.encode_to(output);
    }
}

impl Decode for FiscoTransaction {
    fn decode<I: parity_scale_codec::Input>(input: &mut I) -> Result<Self, parity_scale_codec::Error> {
        let raw = Bytes::<TRANSACTION_BYTES_MAX>::decode(input)?.into_vec();
        let length = raw.len();
        // What is stored or sent among nodes has the one form that is hashed.
        let made = Self::new(raw).ok().filter(|transaction| transaction.raw().len() == length);
        made.ok_or_else(|| "not a transaction of fisco bcos 2".into())
    }
}

impl Serialize for FiscoTransaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut view = serializer.serialize_struct("FiscoTransaction", 1)?;
        view.serialize_field("raw", &hex_bytes::encode(self.raw()))?;
        view.end()
    }
}

impl FiscoTransaction {
    /// Takes what FISCO BCOS's clients sign. Some of them leave out the zeros in front of SM2's public key: FISCO BCOS
    /// puts them back before it hashes, and so does this.
    ///
    /// # Errors
    /// Bytes that FISCO BCOS 2 would not take either, or the older form with ten items.
    pub fn new(raw: Vec<u8>) -> Result<Self, FiscoTransactionError> {
        if raw.len() > TRANSACTION_BYTES_MAX {
            return Err(FiscoTransactionError::Size(raw.len()));
        }
        let list = List::of(&raw)?;
        match list.with_whole_key(&raw) {
            Some(whole) if whole.len() > TRANSACTION_BYTES_MAX => Err(FiscoTransactionError::Size(whole.len())),
            Some(whole) => {
                let list = List::of(&whole)?;
                list.into_transaction(whole)
            }
            None => list.into_transaction(raw),
        }
    }

    /// The RLP.
    pub fn raw(&self) -> &[u8] {
        &self.inner.raw
    }

    /// What it says.
    pub fn fields(&self) -> &FiscoFields {
        &self.inner.fields
    }

    /// What it calls with, or the code that creates the contract.
    pub fn input(&self) -> &[u8] {
        self.raw().get(self.inner.input.clone()).unwrap_or_default()
    }

    /// Free bytes that mean nothing to the ledger.
    pub fn extra(&self) -> &[u8] {
        self.raw().get(self.inner.extra.clone()).unwrap_or_default()
    }

    /// The suite whose signature it has.
    pub fn suite(&self) -> Suite {
        match self.fields().signer {
            FiscoSigner::RecoveryId(_) => Suite::Standard,
            FiscoSigner::Key(_) => Suite::Guomi,
        }
    }

    /// The group that it is for: FISCO BCOS knows groups by their numbers.
    pub fn group_id(&self) -> GroupId {
        GroupId::from_number(self.fields().group)
    }

    /// FISCO BCOS's hash of it: Keccak-256 of the RLP, SM3 in a Guomi group.
    pub fn hash(&self, suite: Suite) -> Hash {
        hash(suite, self.raw())
    }

    /// What its sender signed: the hash of the list without the signature.
    pub fn signing_hash(&self) -> Hash {
        let signed = self.raw().get(self.inner.signed.clone()).unwrap_or_default();
        hash(self.suite(), &list(signed))
    }

    /// The account that signed it, or nothing where the signature is nobody's; `s` must be in its lower half where it is
    /// ECDSA's, as FISCO BCOS demands. Once this was asked, it costs nothing any more, in the clones neither.
    pub fn sender(&self) -> Option<Address> {
        *self.inner.sender.get_or_init(|| self.find_sender())
    }

    fn find_sender(&self) -> Option<Address> {
        let FiscoFields { r, s, signer, .. } = self.fields();
        let digest = self.signing_hash();
        let (suite, key) = match signer {
            FiscoSigner::RecoveryId(id) => {
                let signature = [&r[..], s, &[*id]].concat();
                (Suite::Standard, recover_secp256k1(digest.as_ref(), &signature)?)
            }
            FiscoSigner::Key(key) => {
                verify_sm2(digest.as_ref(), &[&r[..], s].concat(), key).then_some((Suite::Guomi, *key))?
            }
        };
        PublicKey::from_bytes(suite, &key).ok().map(|key| key.address())
    }
}

fn hash(suite: Suite, bytes: &[u8]) -> Hash {
    match suite {
        Suite::Standard => keccak256(bytes),
        Suite::Guomi => sm3(bytes),
    }
}

/// An item of a list.
#[derive(Debug, Clone, Default)]
struct Item {
    is_list: bool,
    /// Its header and its bytes.
    whole: Range<usize>,
    bytes: Range<usize>,
}

/// Thirteen items, where they stand in the bytes.
struct List([Item; ITEMS.len()]);

impl List {
    /// The items of bytes that are one canonical list of thirteen.
    fn of(raw: &[u8]) -> Result<Self, FiscoTransactionError> {
        let mut rest = list_payload(raw).ok_or(FiscoTransactionError::Rlp)?;
        let mut items: [Item; ITEMS.len()] = Default::default();
        let mut count = 0;
        while !rest.is_empty() {
            let start = raw.len() - rest.len();
            // Decoding a header refuses every encoding that is not the shortest.
            let header = RlpHeader::decode(&mut rest).map_err(|_| FiscoTransactionError::Rlp)?;
            let begin = raw.len() - rest.len();
            rest = rest.get(header.payload_length..).ok_or(FiscoTransactionError::Rlp)?;
            let end = raw.len() - rest.len();
            if let Some(item) = items.get_mut(count) {
                *item = Item { is_list: header.list, whole: start..end, bytes: begin..end };
            }
            count += 1;
        }
        if count == ITEMS.len() { Ok(Self(items)) } else { Err(FiscoTransactionError::Items(count)) }
    }

    /// The same list with SM2's key in full length; nothing where nothing of it is missing.
    fn with_whole_key(&self, raw: &[u8]) -> Option<Vec<u8>> {
        let [.., v, _, _] = &self.0;
        let short = raw.get(v.bytes.clone()).filter(|bytes| !v.is_list && (2..KEY_BYTES).contains(&bytes.len()))?;
        let [first, ..] = &self.0;
        let mut payload = raw.get(first.whole.start..v.whole.start)?.to_vec();
        let whole = [vec![0; KEY_BYTES - short.len()].as_slice(), short].concat();
        Encodable::encode(whole.as_slice(), &mut payload);
        payload.extend_from_slice(raw.get(v.whole.end..)?);
        Some(list(&payload))
    }

    fn into_transaction(self, raw: Vec<u8>) -> Result<FiscoTransaction, FiscoTransactionError> {
        let reader = Reader { raw: &raw, items: &self.0 };
        let (input, extra) = (reader.place(6)?, reader.place(9)?);
        if input.len() > INPUT_BYTES_MAX {
            return Err(malformed(6));
        }
        let fields = FiscoFields {
            nonce: reader.number(0)?.to_be_bytes(),
            gas_price: Amount(reader.number(1)?),
            gas: Amount(reader.number(2)?),
            block_limit: reader.small(3)?,
            to: reader.to(4)?,
            value: Amount(reader.number(5)?),
            chain_id: reader.small(7)?,
            group: reader.small(8)?,
            r: reader.number(11)?.to_be_bytes(),
            s: reader.number(12)?.to_be_bytes(),
            signer: reader.signer(10)?,
        };
        let signed = reader.whole(0)?.start..reader.whole(SIGNED_ITEMS)?.start;
        let size = raw.len();
        let raw = Bytes::new(raw).ok_or(FiscoTransactionError::Size(size))?;
        let inner = Inner { raw, fields, input, extra, signed, sender: OnceLock::new() };
        Ok(FiscoTransaction { inner: Arc::new(inner) })
    }
}

fn malformed(item: usize) -> FiscoTransactionError {
    FiscoTransactionError::Field(ITEMS.get(item).copied().unwrap_or_default())
}

/// Reads items by their places.
struct Reader<'a> {
    raw: &'a [u8],
    items: &'a [Item],
}

impl<'a> Reader<'a> {
    fn whole(&self, item: usize) -> Result<Range<usize>, FiscoTransactionError> {
        self.items.get(item).map(|item| item.whole.clone()).ok_or_else(|| malformed(item))
    }

    /// Where the bytes stand of an item that is no list.
    fn place(&self, item: usize) -> Result<Range<usize>, FiscoTransactionError> {
        let found = self.items.get(item).filter(|item| !item.is_list);
        found.map(|item| item.bytes.clone()).ok_or_else(|| malformed(item))
    }

    fn bytes(&self, item: usize) -> Result<&'a [u8], FiscoTransactionError> {
        self.raw.get(self.place(item)?).ok_or_else(|| malformed(item))
    }

    /// A number, big-endian without zeros in front.
    fn number(&self, item: usize) -> Result<U256, FiscoTransactionError> {
        let bytes = self.bytes(item)?;
        if bytes.len() > 32 || bytes.first() == Some(&0) {
            return Err(malformed(item));
        }
        Ok(U256::from_be_slice(bytes))
    }

    fn small(&self, item: usize) -> Result<u64, FiscoTransactionError> {
        self.number(item)?.try_into().map_err(|_| malformed(item))
    }

    fn to(&self, item: usize) -> Result<Option<Address>, FiscoTransactionError> {
        let bytes = self.bytes(item)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        bytes.try_into().map(|bytes| Some(Address(bytes))).map_err(|_| malformed(item))
    }

    fn signer(&self, item: usize) -> Result<FiscoSigner, FiscoTransactionError> {
        let bytes = self.bytes(item)?;
        if let [v] = bytes {
            let id = v.checked_sub(ECDSA_V).filter(|id| *id < 2);
            return id.map(FiscoSigner::RecoveryId).ok_or_else(|| malformed(item));
        }
        bytes.try_into().map(FiscoSigner::Key).map_err(|_| malformed(item))
    }
}

#[cfg(test)]
#[path = "fisco_tests.rs"]
mod tests;
