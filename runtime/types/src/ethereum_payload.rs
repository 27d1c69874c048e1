//! What an Ethereum transaction says.

use std::sync::Arc;

use alloy_rlp::{Encodable, Header as RlpHeader};
use entente_crypto::{keccak256, recover_secp256k1};
use ruint::aliases::U256;

use crate::{
    Address, Amount, Authorization, EthereumKind, EthereumOrigin, EthereumTransaction, EthereumTransactionError, Hash,
    limits::AUTHORIZATIONS_MAX,
};

/// An address and the slots of its storage that a transaction says it will touch (EIP-2930).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessListEntry {
    /// The address.
    pub address: Address,
    /// The slots.
    pub keys: Vec<[u8; 32]>,
}

/// What an Ethereum transaction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EthereumPayload {
    /// The envelope that it came in.
    pub kind: EthereumKind,
    /// The chain that it is for.
    pub chain_id: u64,
    /// How many transactions its sender sent before.
    pub nonce: u64,
    /// What it pays for a unit of gas at most.
    pub max_fee: Amount,
    /// What of that whoever makes the block gets at most; before EIP-1559 all of it.
    pub max_priority_fee: Amount,
    /// The gas that it may use at most.
    pub gas_limit: u64,
    /// Whom it calls; nothing where it creates a contract.
    pub to: Option<Address>,
    /// The coin that it sends along.
    pub value: Amount,
    /// What it calls with, or the code that creates the contract.
    pub input: bytes::Bytes,
    /// What it says it will touch.
    pub access_list: Vec<AccessListEntry>,
    /// The accounts whose code it sets. Of type 4 it has one at least, of others none.
    pub authorizations: Vec<Authorization>,
    /// The signature: r, s and the recovery id.
    pub signature: [u8; 65],
}

impl EthereumPayload {
    /// The most that it may take from its sender, or nothing where that exceeds 256 bits.
    pub fn cost(&self) -> Option<Amount> {
        let gas = self.max_fee.0.checked_mul(U256::from(self.gas_limit))?;
        gas.checked_add(self.value.0).map(Amount)
    }

    /// What it pays for a unit of gas where each costs `base_fee` at least, or nothing where it does not pay that
    /// (EIP-1559).
    pub fn gas_price(&self, base_fee: Amount) -> Option<Amount> {
        let most = self.max_fee.0;
        if most < base_fee.0 {
            return None;
        }
        Some(Amount(most.min(base_fee.0.saturating_add(self.max_priority_fee.0))))
    }
}

/// What an Ethereum transaction says, and the bytes of the fields that are signed.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    payload: Arc<EthereumPayload>,
    signed: bytes::Bytes,
}

impl Said {
    pub(crate) fn read(transaction: &EthereumTransaction) -> Result<Self, EthereumTransactionError> {
        let raw = transaction.shared();
        let (payload, signed) = match transaction.kind() {
            EthereumKind::Legacy => legacy(raw)?,
            kind => typed(kind, raw)?,
        };
        Ok(Self { payload: Arc::new(payload), signed: raw.slice_ref(signed) })
    }
}

impl EthereumTransaction {
    /// What it says. Once this was asked, it costs nothing any more, in the clones neither.
    ///
    /// # Errors
    /// A field that is not encoded as Ethereum does, or has a value that it cannot have.
    pub fn payload(&self) -> Result<Arc<EthereumPayload>, EthereumTransactionError> {
        self.said().map(|said| Arc::clone(&said.payload))
    }

    /// What its sender signed.
    ///
    /// # Errors
    /// As [`Self::payload`].
    pub fn signing_hash(&self) -> Result<Hash, EthereumTransactionError> {
        self.said().map(|said| signing_hash(&said.payload, &said.signed))
    }

    /// Who signed it, by a signature with low s (EIP-2), and which of theirs it is.
    pub(crate) fn signer(&self) -> Option<EthereumOrigin> {
        let Said { payload, signed } = self.said().ok()?;
        let key = recover_secp256k1(signing_hash(payload, signed).as_ref(), &payload.signature)?;
        let sender = keccak256(&key).0.last_chunk::<20>().map(|bytes| Address(*bytes))?;
        Some(EthereumOrigin { sender, nonce: payload.nonce })
    }
}

/// What is signed: the fields in front of the signature as a list, behind the envelope's type (EIP-2718) or with the
/// chain's id in the signature's place (EIP-155).
fn signing_hash(payload: &EthereumPayload, signed: &[u8]) -> Hash {
    let mut digest = Vec::with_capacity(signed.len() + 24);
    match payload.kind.number() {
        None => {
            let payload_length = signed.len() + payload.chain_id.length() + 2;
            RlpHeader { list: true, payload_length }.encode(&mut digest);
            digest.extend_from_slice(signed);
            payload.chain_id.encode(&mut digest);
            0_u8.encode(&mut digest);
            0_u8.encode(&mut digest);
        }
        Some(number) => {
            digest.push(number);
            RlpHeader { list: true, payload_length: signed.len() }.encode(&mut digest);
            digest.extend_from_slice(signed);
        }
    }
    keccak256(&digest)
}

/// The fields of a list, read one by one.
struct Fields<'a> {
    rest: &'a [u8],
    /// The name of the field that is read, for errors.
    field: &'static str,
}

impl<'a> Fields<'a> {
    fn of(list: &'a [u8]) -> Result<Self, EthereumTransactionError> {
        let rest = crate::ethereum::list_payload(list).ok_or(EthereumTransactionError::Rlp)?;
        Ok(Self { rest, field: "the first" })
    }

    fn error(&self) -> EthereumTransactionError {
        EthereumTransactionError::Field(self.field)
    }

    fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], EthereumTransactionError> {
        self.field = field;
        // Decoding a header refuses every encoding that is not the shortest.
        RlpHeader::decode_bytes(&mut self.rest, false).map_err(|_| self.error())
    }

    fn list(&mut self, field: &'static str) -> Result<Self, EthereumTransactionError> {
        self.field = field;
        let rest = RlpHeader::decode_bytes(&mut self.rest, true).map_err(|_| self.error())?;
        Ok(Self { rest, field })
    }

    fn array<const LENGTH: usize>(&mut self, field: &'static str) -> Result<[u8; LENGTH], EthereumTransactionError> {
        let bytes = self.bytes(field)?;
        bytes.try_into().map_err(|_| self.error())
    }

    /// A number, big-endian without zeros in front.
    fn number(&mut self, field: &'static str) -> Result<U256, EthereumTransactionError> {
        let bytes = self.bytes(field)?;
        if bytes.len() > 32 || bytes.first() == Some(&0) {
            return Err(self.error());
        }
        Ok(U256::from_be_slice(bytes))
    }

    fn small(&mut self, field: &'static str) -> Result<u64, EthereumTransactionError> {
        self.number(field)?.try_into().map_err(|_| self.error())
    }

    fn to(&mut self) -> Result<Option<Address>, EthereumTransactionError> {
        let bytes = self.bytes("to")?;
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some(Address(bytes.try_into().map_err(|_| self.error())?)))
    }

    fn access_list(&mut self) -> Result<Vec<AccessListEntry>, EthereumTransactionError> {
        let mut entries = self.list("access list")?;
        let mut found = Vec::new();
        while !entries.rest.is_empty() {
            let mut entry = entries.list("access list")?;
            let address = Address(entry.array("access list")?);
            let mut slots = entry.list("access list")?;
            let mut keys = Vec::new();
            while !slots.rest.is_empty() {
                keys.push(slots.array("access list")?);
            }
            entry.end()?;
            found.push(AccessListEntry { address, keys });
        }
        Ok(found)
    }

    /// A list that is not empty. Whether one of them is somebody's is not judged: one that is nobody's does nothing.
    fn authorizations(&mut self) -> Result<Vec<Authorization>, EthereumTransactionError> {
        let field = "authorization list";
        let mut entries = self.list(field)?;
        let mut found = Vec::new();
        while !entries.rest.is_empty() {
            if found.len() == AUTHORIZATIONS_MAX {
                return Err(EthereumTransactionError::Authorizations);
            }
            let mut entry = entries.list(field)?;
            let chain_id = entry.number(field)?;
            let address = Address(entry.array(field)?);
            let nonce = entry.small(field)?;
            let parity = u8::try_from(entry.small(field)?).map_err(|_| self.error())?;
            let (r, s) = (entry.number(field)?, entry.number(field)?);
            entry.end()?;
            found.push(Authorization { chain_id, address, nonce, signature: signature(r, s, parity) });
        }
        if found.is_empty() { Err(self.error()) } else { Ok(found) }
    }

    fn end(&self) -> Result<(), EthereumTransactionError> {
        if self.rest.is_empty() { Ok(()) } else { Err(EthereumTransactionError::Rlp) }
    }
}

/// r, s and the recovery id as one.
fn signature(r: U256, s: U256, recovery_id: u8) -> [u8; 65] {
    let mut signature = [0; 65];
    let (halves, last) = signature.as_chunks_mut::<32>();
    for (half, number) in halves.iter_mut().zip([r, s]) {
        *half = number.to_be_bytes();
    }
    last.fill(recovery_id);
    signature
}

/// The bytes that the fields in front of `rest` have in the list.
fn until<'a>(list: &'a [u8], rest: &[u8]) -> &'a [u8] {
    list.get(..list.len().saturating_sub(rest.len())).unwrap_or_default()
}

fn legacy(raw: &bytes::Bytes) -> Result<(EthereumPayload, &[u8]), EthereumTransactionError> {
    let mut fields = Fields::of(raw)?;
    let list = fields.rest;
    let nonce = fields.small("nonce")?;
    let price = Amount(fields.number("gas price")?);
    let gas_limit = fields.small("gas limit")?;
    let to = fields.to()?;
    let value = Amount(fields.number("value")?);
    let input = raw.slice_ref(fields.bytes("input")?);
    let signed = until(list, fields.rest);
    let v = fields.small("v")?;
    let (r, s) = (fields.number("r")?, fields.number("s")?);
    fields.end()?;
    // EIP-155: 35 or 36 and twice the chain's id.
    let twice = v.checked_sub(35).ok_or(EthereumTransactionError::ChainId)?;
    let (chain_id, recovery_id) = (twice / 2, (twice % 2) as u8);
    let payload = EthereumPayload {
        kind: EthereumKind::Legacy,
        chain_id,
        nonce,
        max_fee: price,
        max_priority_fee: price,
        gas_limit,
        to,
        value,
        input,
        access_list: Vec::new(),
        authorizations: Vec::new(),
        signature: signature(r, s, recovery_id),
    };
    Ok((payload, signed))
}

fn typed(kind: EthereumKind, raw: &bytes::Bytes) -> Result<(EthereumPayload, &[u8]), EthereumTransactionError> {
    let (_, list) = raw.split_first().ok_or(EthereumTransactionError::Rlp)?;
    let mut fields = Fields::of(list)?;
    let list = fields.rest;
    let chain_id = fields.small("chain id")?;
    let nonce = fields.small("nonce")?;
    let (max_priority_fee, max_fee) = if matches!(kind, EthereumKind::DynamicFee | EthereumKind::SetCode) {
        let priority = Amount(fields.number("max priority fee")?);
        (priority, Amount(fields.number("max fee")?))
    } else {
        let price = Amount(fields.number("gas price")?);
        (price, price)
    };
    let gas_limit = fields.small("gas limit")?;
    let to = fields.to()?;
    let value = Amount(fields.number("value")?);
    let input = raw.slice_ref(fields.bytes("input")?);
    let access_list = fields.access_list()?;
    let mut authorizations = Vec::new();
    if kind == EthereumKind::SetCode {
        // It cannot create a contract.
        to.ok_or(EthereumTransactionError::Field("to"))?;
        authorizations = fields.authorizations()?;
    }
    let signed = until(list, fields.rest);
    let parity = fields.small("y parity")?;
    let (r, s) = (fields.number("r")?, fields.number("s")?);
    fields.end()?;
    let recovery_id = u8::try_from(parity).ok().filter(|id| *id < 2);
    let recovery_id = recovery_id.ok_or(EthereumTransactionError::Field("y parity"))?;
    let payload = EthereumPayload {
        kind,
        chain_id,
        nonce,
        max_fee,
        max_priority_fee,
        gas_limit,
        to,
        value,
        input,
        access_list,
        authorizations,
        signature: signature(r, s, recovery_id),
    };
    Ok((payload, signed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_eip_155_is_read() {
        let raw = hex::decode(
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc\
             2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb196\
             6a3b6d83",
        )
        .unwrap();
        let transaction = EthereumTransaction::new(raw).unwrap();
        let payload = transaction.payload().unwrap();
        assert_eq!((payload.chain_id, payload.nonce, payload.gas_limit), (1, 9, 21_000));
        assert_eq!(payload.max_fee, Amount::from(20_000_000_000));
        assert_eq!(payload.to, Some(Address([0x35; 20])));
        assert_eq!(payload.value, Amount::from(1_000_000_000_000_000_000));
        assert_eq!(
            transaction.signing_hash().unwrap().to_string(),
            "0xdaf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"
        );
        // The account of the example's key, 0x4646...46.
        assert_eq!(
            transaction.origin().unwrap().sender.to_string().to_lowercase(),
            "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"
        );
    }

    fn list(fields: &[Vec<u8>]) -> Vec<u8> {
        let payload = fields.concat();
        let mut encoded = Vec::new();
        RlpHeader { list: true, payload_length: payload.len() }.encode(&mut encoded);
        encoded.extend(payload);
        encoded
    }

    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        bytes.encode(&mut encoded);
        encoded
    }

    /// A transaction of type 2 whose fields can be replaced.
    fn dynamic(replace: usize, with: Vec<u8>) -> EthereumTransaction {
        let mut fields = fields();
        if let Some(field) = fields.get_mut(replace) {
            *field = with;
        }
        EthereumTransaction::new([vec![2], list(&fields)].concat()).unwrap()
    }

    /// One of type 4 with this list of authorizations, whose fields can be replaced.
    fn set_code(authorizations: &[Vec<u8>], replace: usize, with: Vec<u8>) -> EthereumTransaction {
        let mut fields = fields();
        fields.insert(9, list(authorizations));
        if let Some(field) = fields.get_mut(replace) {
            *field = with;
        }
        EthereumTransaction::new([vec![4], list(&fields)].concat()).unwrap()
    }

    /// An authorization whose fields can be replaced.
    fn authorization(replace: usize, with: Vec<u8>) -> Vec<u8> {
        let mut fields =
            [string(&[]), string(&[7; 20]), string(&[3]), string(&[0xff]), string(&[1; 32]), string(&[2; 32])];
        if let Some(field) = fields.get_mut(replace) {
            *field = with;
        }
        list(&fields)
    }

    fn fields() -> Vec<Vec<u8>> {
        let slots = list(&[string(&[7; 32]), string(&[8; 32])]);
        vec![
            string(&[5]),
            string(&[9]),
            string(&[2]),
            string(&[3]),
            string(&[0x52, 0x08]),
            string(&[0x35; 20]),
            string(&[]),
            string(b"input"),
            list(&[list(&[string(&[6; 20]), slots])]),
            string(&[1]),
            string(&[1; 32]),
            string(&[2; 32]),
        ]
    }

    #[test]
    fn a_dynamic_fee_and_an_access_list_are_read() {
        let payload = dynamic(usize::MAX, vec![]).payload().unwrap();
        assert_eq!((payload.chain_id, payload.nonce, payload.gas_limit), (5, 9, 21_000));
        assert_eq!((payload.max_priority_fee, payload.max_fee), (Amount::from(2), Amount::from(3)));
        assert_eq!(payload.input, b"input".as_slice());
        let entry = AccessListEntry { address: Address([6; 20]), keys: vec![[7; 32], [8; 32]] };
        assert_eq!(payload.access_list, [entry]);
        assert_eq!(payload.signature.last(), Some(&1));
        let price = |base: u64| payload.gas_price(Amount::from(base));
        assert_eq!(price(0), Some(Amount::from(2)));
        assert_eq!(price(1), Some(Amount::from(3)));
        assert_eq!(price(3), Some(Amount::from(3)));
        assert_eq!(price(4), None);
    }

    #[test]
    fn a_field_that_is_not_encoded_as_ethereum_does_is_named() {
        let field = |replace, with| dynamic(replace, with).payload().unwrap_err();
        let named = EthereumTransactionError::Field;
        assert_eq!(field(1, vec![0x82, 0, 1]), named("nonce"));
        assert_eq!(field(1, vec![0x81, 1]), named("nonce"));
        assert_eq!(field(4, string(&[1; 9])), named("gas limit"));
        assert_eq!(field(5, string(&[1; 19])), named("to"));
        assert_eq!(field(6, string(&[1; 33])), named("value"));
        assert_eq!(field(8, string(b"no list")), named("access list"));
        assert_eq!(field(8, list(&[list(&[string(&[6; 20]), list(&[string(&[1; 31])])])])), named("access list"));
        assert_eq!(field(9, string(&[2])), named("y parity"));
    }

    #[test]
    fn authorizations_are_read_whoever_signed_them() {
        let more = authorization(0, string(&[0xee; 32]));
        let payload = set_code(&[authorization(9, vec![]), more], 99, vec![]).payload().unwrap();
        assert_eq!((payload.kind, payload.to), (EthereumKind::SetCode, Some(Address([0x35; 20]))));
        assert_eq!((payload.max_priority_fee, payload.max_fee), (Amount::from(2), Amount::from(3)));
        assert_eq!(payload.access_list.len(), 1);
        let [first, second] = payload.authorizations.as_slice() else { panic!("{:?}", payload.authorizations) };
        assert_eq!((first.chain_id, first.address, first.nonce), (U256::ZERO, Address([7; 20]), 3));
        assert_eq!(first.signature[..33], [&[1; 32][..], &[2]].concat());
        assert_eq!((first.signature[64], first.authority()), (0xff, None));
        assert_eq!(second.chain_id, U256::from_be_bytes([0xee; 32]));
        assert_ne!(first.signing_hash(), second.signing_hash());
        assert!(dynamic(99, vec![]).payload().unwrap().authorizations.is_empty());
    }

    #[test]
    fn a_transaction_that_sets_code_calls_somebody_and_has_authorizations() {
        let one = || authorization(9, vec![]);
        let error = |list: &[Vec<u8>], replace, with| set_code(list, replace, with).payload().unwrap_err();
        let named = EthereumTransactionError::Field;
        assert_eq!(error(&[one()], 5, string(&[])), named("to"));
        assert_eq!(error(&[], 99, vec![]), named("authorization list"));
        assert_eq!(error(&[], 9, string(b"no list")), named("authorization list"));
        assert_eq!(error(&[one()], 9, vec![]), named("authorization list"));
        for (place, with) in [
            (0, string(&[1; 33])),
            (0, string(&[0])),
            (1, string(&[7; 19])),
            (1, string(&[])),
            (2, string(&[1; 9])),
            (2, vec![0x81, 3]),
            (3, string(&[1, 0])),
            (4, string(&[0, 1])),
            (5, string(&[2; 33])),
            (5, list(&[])),
        ] {
            let changed = authorization(place, with);
            assert_eq!(error(&[one(), changed], 99, vec![]), named("authorization list"), "{place}");
        }
        let longer = [&authorization(9, vec![])[1..], &string(&[])].concat();
        let longer = [vec![0xf8, longer.len() as u8 - 1], longer[1..].to_vec()].concat();
        assert_eq!(error(&[longer], 99, vec![]), EthereumTransactionError::Rlp);
        let most = vec![one(); AUTHORIZATIONS_MAX];
        assert_eq!(set_code(&most, 99, vec![]).payload().unwrap().authorizations.len(), AUTHORIZATIONS_MAX);
        let more = [most, vec![one()]].concat();
        assert_eq!(error(&more, 99, vec![]), EthereumTransactionError::Authorizations);
    }

    #[test]
    fn a_legacy_transaction_without_a_chain_is_refused() {
        let zeros = || string(&[]);
        let fields = [zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), string(&[27]), string(&[1]), string(&[1])];
        let transaction = EthereumTransaction::new(list(&fields)).unwrap();
        assert_eq!(transaction.payload().unwrap_err(), EthereumTransactionError::ChainId);
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(kind in 0_u8..5, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let body = list(&[bytes]);
            let raw = if kind == 0 { body } else { [vec![kind], body].concat() };
            if let Ok(transaction) = EthereumTransaction::new(raw) {
                assert_eq!(transaction.payload().is_ok(), transaction.signing_hash().is_ok());
                let _ = transaction.origin();
            }
        }

        #[test]
        fn a_byte_changed_never_panics_and_changes_what_is_signed(
            sets_code in any::<bool>(), position in 0_usize..400, byte in any::<u8>(),
        ) {
            let whole = if sets_code {
                set_code(&[authorization(9, vec![])], usize::MAX, vec![])
            } else {
                dynamic(usize::MAX, vec![])
            };
            let mut raw = whole.raw().to_vec();
            let position = position % raw.len();
            raw[position] = byte;
            let changed = EthereumTransaction::new(raw.clone());
            if let Ok((changed, payload)) = changed.and_then(|changed| changed.payload().map(|said| (changed, said))) {
                let before = whole.payload().unwrap();
                let same =
                    changed.signing_hash() == whole.signing_hash() && payload.signature == before.signature;
                prop_assert_eq!(same, raw == whole.raw());
            }
        }
    }
}
