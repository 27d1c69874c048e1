//! Transactions of all kinds, as Ethereum's tools read them.

use std::{borrow::Cow, sync::Arc};

use entente_dev::impersonated;
use entente_driver::GroupHandle;
use entente_types::{
    AccessListEntry, Address, Amount, Authorization, BlockNumber, EthereumKind, EthereumPayload, EthereumTransaction,
    FiscoFields, FiscoSigner, FiscoTransaction, Genesis, GroupId, Hash, Header, NativeTransaction, Signature,
    Transaction, hex_bytes,
};
use serde::Serialize;

use super::{
    blocks::known_header,
    heights::height_of,
    quantity::{Quantity, big_endian},
};
use crate::{
    arguments::Arguments,
    context::Context,
    error::{INTERNAL, RpcError},
    table::Pending,
    views::{Answer, Place, answer},
};

/// A transaction. Native ones and FISCO BCOS's look like legacy ones, whose signature is theirs in form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionView<'a> {
    hash: Hash,
    /// Where it stands; null where it waits.
    block_hash: Option<Hash>,
    block_number: Option<Quantity>,
    transaction_index: Option<Quantity>,
    #[serde(rename = "type")]
    kind: &'static str,
    chain_id: Quantity,
    nonce: Quantity,
    from: Address,
    to: Option<Address>,
    value: Amount,
    gas: Quantity,
    gas_price: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_fee_per_gas: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_priority_fee_per_gas: Option<Amount>,
    #[serde(with = "hex_bytes")]
    input: Cow<'a, [u8]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_list: Option<Vec<AccessView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_list: Option<Vec<AuthorizationView>>,
    #[serde(flatten)]
    signature: SignatureView,
    #[serde(skip_serializing_if = "Option::is_none")]
    entente: Option<OwnView<'a>>,
}

/// An account's word that another's code is to stand for it (EIP-7702).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationView {
    chain_id: Amount,
    address: Address,
    nonce: Quantity,
    y_parity: Quantity,
    r: Amount,
    s: Amount,
}

impl AuthorizationView {
    fn new(authorization: &Authorization) -> Self {
        let (r, rest) = authorization.signature.split_at(32);
        let (s, parity) = rest.split_at(32);
        Self {
            chain_id: Amount(authorization.chain_id),
            address: authorization.address,
            nonce: Quantity(authorization.nonce),
            y_parity: Quantity(parity.first().copied().unwrap_or_default().into()),
            r: big_endian(r),
            s: big_endian(s),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessView {
    address: Address,
    storage_keys: Vec<Hash>,
}

impl From<AccessListEntry> for AccessView {
    fn from(AccessListEntry { address, keys }: AccessListEntry) -> Self {
        Self { address, storage_keys: keys.into_iter().map(Hash).collect() }
    }
}

/// A signature; zeros where it is none that Ethereum knows.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignatureView {
    #[serde(skip_serializing_if = "Option::is_none")]
    y_parity: Option<Quantity>,
    v: Amount,
    r: Amount,
    s: Amount,
}

/// What a transaction has that Ethereum's have not.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum OwnView<'a> {
    Native {
        chain_id: u64,
        group_id: &'a GroupId,
        #[serde(with = "hex_bytes")]
        nonce: &'a [u8],
        valid_until: BlockNumber,
        #[serde(with = "hex_bytes")]
        extra: &'a [u8],
        #[serde(with = "hex_bytes")]
        signature: &'a [u8],
    },
    Fisco {
        chain_id: u64,
        group_id: GroupId,
        #[serde(with = "hex_bytes")]
        nonce: &'a [u8],
        valid_until: BlockNumber,
        #[serde(with = "hex_bytes")]
        extra: &'a [u8],
        #[serde(with = "hex_bytes")]
        raw: &'a [u8],
    },
}

/// What a receipt says of its transaction.
pub(crate) struct Summary {
    pub(crate) kind: &'static str,
    pub(crate) from: Address,
    pub(crate) to: Option<Address>,
    /// What a unit of gas costs it.
    pub(crate) price: Amount,
}

const LEGACY: &str = "0x0";

const fn kind(kind: EthereumKind) -> &'static str {
    match kind {
        EthereumKind::Legacy => LEGACY,
        EthereumKind::AccessList => "0x1",
        EthereumKind::DynamicFee => "0x2",
        EthereumKind::SetCode => "0x4",
    }
}

/// What an Ethereum transaction says that was let in: it decodes, and has a sender.
fn decoded(hash: &Hash, transaction: &EthereumTransaction) -> Result<(Arc<EthereumPayload>, Address), RpcError> {
    let damaged = |what: &str| RpcError::new(INTERNAL, format!("transaction {hash}: {what}"));
    let payload = transaction.payload().map_err(|error| damaged(&error.to_string()))?;
    // No signature is nobody's in a block, but where a chain for tests let somebody be impersonated.
    let sender = transaction.origin().map(|origin| origin.sender).or_else(|| impersonated(transaction));
    Ok((payload, sender.ok_or_else(|| damaged("its signature is nobody's"))?))
}

/// What a unit of gas costs, where the base fee is 0.
fn price(genesis: &Genesis, payload: &EthereumPayload) -> Amount {
    if genesis.balances { payload.gas_price(Amount::ZERO).unwrap_or_default() } else { Amount::ZERO }
}

impl Summary {
    pub(crate) fn new(genesis: &Genesis, hash: &Hash, transaction: &Transaction) -> Result<Self, RpcError> {
        Ok(match transaction {
            Transaction::Native(NativeTransaction { unsigned, .. }) => {
                Self { kind: LEGACY, from: unsigned.sender, to: unsigned.to, price: Amount::ZERO }
            }
            Transaction::Fisco(fisco) => {
                let (from, to) = (fisco.sender().unwrap_or_default(), fisco.fields().to);
                Self { kind: LEGACY, from, to, price: Amount::ZERO }
            }
            Transaction::Ethereum(ethereum) => {
                let (payload, from) = decoded(hash, ethereum)?;
                Self { kind: kind(payload.kind), from, to: payload.to, price: price(genesis, &payload) }
            }
        })
    }
}

/// A signature of secp256k1 as that of a legacy transaction (EIP-155).
fn legacy_signature(chain_id: u64, signature: &[u8; 65]) -> Option<SignatureView> {
    let (r, rest) = signature.split_at_checked(32)?;
    let (s, recovery_id) = rest.split_at_checked(32)?;
    let recovery_id = u64::from(*recovery_id.first()?);
    let v = chain_id.checked_mul(2)?.checked_add(35)?.checked_add(recovery_id)?;
    Some(SignatureView { y_parity: None, v: Amount::from(v), r: big_endian(r), s: big_endian(s) })
}

impl<'a> TransactionView<'a> {
    pub(crate) fn new(
        genesis: &Genesis,
        hash: Hash,
        place: Option<Place>,
        transaction: &'a Transaction,
    ) -> Result<Self, RpcError> {
        let view = match transaction {
            Transaction::Native(native) => Self::native(genesis, native),
            Transaction::Ethereum(ethereum) => Self::ethereum(genesis, &hash, ethereum)?,
            Transaction::Fisco(fisco) => Self::fisco(genesis, fisco),
        };
        Ok(Self {
            hash,
            block_hash: place.map(|place| place.block_hash),
            block_number: place.map(|place| Quantity(place.block)),
            transaction_index: place.map(|place| Quantity(place.index.into())),
            ..view
        })
    }

    /// The same of one that nobody signed.
    pub(crate) fn without_signature(self) -> Self {
        Self { signature: SignatureView { y_parity: Some(Quantity(0)), ..SignatureView::default() }, ..self }
    }

    /// A legacy transaction that says nothing.
    fn empty(genesis: &Genesis, from: Address) -> Self {
        Self {
            hash: Hash::ZERO,
            block_hash: None,
            block_number: None,
            transaction_index: None,
            kind: LEGACY,
            chain_id: Quantity(genesis.ethereum_chain_id),
            nonce: Quantity(0),
            from,
            to: None,
            value: Amount::ZERO,
            gas: Quantity(0),
            gas_price: Amount::ZERO,
            max_fee_per_gas: None,
            max_priority_fee_per_gas: None,
            input: Cow::Borrowed(&[]),
            access_list: None,
            authorization_list: None,
            signature: SignatureView { v: Amount::ZERO, ..SignatureView::default() },
            entente: None,
        }
    }

    fn native(genesis: &Genesis, native: &'a NativeTransaction) -> Self {
        let unsigned = &native.unsigned;
        let signature = match &native.signature {
            Signature::Standard(bytes) => legacy_signature(genesis.ethereum_chain_id, bytes),
            Signature::Guomi(_) => None,
        };
        Self {
            to: unsigned.to,
            value: unsigned.value,
            gas: Quantity(unsigned.gas_limit),
            input: Cow::Borrowed(&unsigned.input),
            signature: signature.unwrap_or_default(),
            entente: Some(OwnView::Native {
                chain_id: unsigned.chain_id,
                group_id: &unsigned.group_id,
                nonce: &unsigned.nonce,
                valid_until: unsigned.valid_until,
                extra: &unsigned.extra,
                signature: native.signature.as_bytes(),
            }),
            ..Self::empty(genesis, unsigned.sender)
        }
    }

    /// Its gas is what it asks for, though it gets the group's limit for a transaction; its price is not taken.
    fn fisco(genesis: &Genesis, fisco: &'a FiscoTransaction) -> Self {
        let FiscoFields { nonce, gas, block_limit, to, value, chain_id, r, s, signer, .. } = fisco.fields();
        let signature = match signer {
            FiscoSigner::RecoveryId(id) => {
                let mut signature = [*id; 65];
                signature.iter_mut().zip(r.iter().chain(s)).for_each(|(target, byte)| *target = *byte);
                legacy_signature(genesis.ethereum_chain_id, &signature)
            }
            FiscoSigner::Key(_) => None,
        };
        Self {
            to: *to,
            value: *value,
            gas: Quantity(u64::try_from(gas.0).unwrap_or(u64::MAX)),
            input: Cow::Borrowed(fisco.input()),
            signature: signature.unwrap_or_default(),
            entente: Some(OwnView::Fisco {
                chain_id: *chain_id,
                group_id: fisco.group_id(),
                nonce,
                valid_until: *block_limit,
                extra: fisco.extra(),
                raw: fisco.raw(),
            }),
            ..Self::empty(genesis, fisco.sender().unwrap_or_default())
        }
    }

    fn ethereum(genesis: &Genesis, hash: &Hash, transaction: &EthereumTransaction) -> Result<Self, RpcError> {
        let (payload, from) = decoded(hash, transaction)?;
        let is_legacy = payload.kind == EthereumKind::Legacy;
        let sets_code = payload.kind == EthereumKind::SetCode;
        let is_dynamic = payload.kind == EthereumKind::DynamicFee || sets_code;
        let signature = legacy_signature(payload.chain_id, &payload.signature).unwrap_or_default();
        let parity = u64::from(payload.signature.last().copied().unwrap_or_default());
        let signature = if is_legacy {
            signature
        } else {
            SignatureView { y_parity: Some(Quantity(parity)), v: Amount::from(parity), ..signature }
        };
        Ok(Self {
            kind: kind(payload.kind),
            chain_id: Quantity(payload.chain_id),
            nonce: Quantity(payload.nonce),
            to: payload.to,
            value: payload.value,
            gas: Quantity(payload.gas_limit),
            gas_price: if is_dynamic { price(genesis, &payload) } else { payload.max_fee },
            max_fee_per_gas: is_dynamic.then_some(payload.max_fee),
            max_priority_fee_per_gas: is_dynamic.then_some(payload.max_priority_fee),
            input: Cow::Owned(payload.input.to_vec()),
            access_list: (!is_legacy).then(|| payload.access_list.iter().cloned().map(AccessView::from).collect()),
            authorization_list: sets_code.then(|| payload.authorizations.iter().map(AuthorizationView::new).collect()),
            signature,
            ..Self::empty(genesis, from)
        })
    }
}

/// Where a transaction of a block stands, as Ethereum names the block.
pub(crate) fn place_of(header: &Header, hash: Hash, index: u32) -> Place {
    Place { hash, block: header.number, block_hash: header.ethereum_hash, index }
}

/// A committed transaction, or null.
fn committed(group: &GroupHandle, hash: &Hash) -> Result<Option<Answer>, RpcError> {
    let Some(found) = group.ledger().transaction(hash)? else { return Ok(None) };
    let place = place_of(&known_header(group, found.number)?, *hash, found.index);
    let view = TransactionView::new(group.genesis(), *hash, Some(place), &found.transaction)?;
    Ok(Some(answer(&view)))
}

/// A transaction that is committed or waits, or null.
pub(crate) async fn anywhere(group: &GroupHandle, hash: Hash) -> Answer {
    if let Some(answer) = committed(group, &hash)? {
        return answer;
    }
    match group.pending(hash).await? {
        Some(waiting) => answer(&TransactionView::new(group.genesis(), hash, None, &waiting.transaction)?),
        // Its block may have been written in between.
        None => committed(group, &hash)?.unwrap_or_else(|| answer(&())),
    }
}

/// `eth_getTransactionByHash`.
pub(crate) fn by_hash(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = &arguments.spoken_for(&context)?.handle;
        anywhere(group, arguments.hash(0)?).await
    })
}

/// `eth_getTransactionByBlockNumberAndIndex` and `eth_getTransactionByBlockHashAndIndex`.
pub(crate) fn by_place(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let (reference, index) = (arguments.block_reference(0)?, arguments.quantity(1)?);
    let (Some(number), Ok(index)) = (height_of(group, reference)?, u32::try_from(index)) else { return answer(&()) };
    if let Some(error) = RpcError::not_kept(group.ledger(), number) {
        return Err(error);
    }
    let Some(transaction) = group.ledger().transaction_at(number, index)? else { return answer(&()) };
    let hash = transaction.hash(group.genesis().suite);
    let place = place_of(&known_header(group, number)?, hash, index);
    answer(&TransactionView::new(group.genesis(), hash, Some(place), &transaction)?)
}
