//! Ethereum's transactions, made by a node that has the key, or that is told to do without.

use alloy_rlp::{EMPTY_STRING_CODE, Encodable, Header};
use entente_crypto::{SecretKey, keccak256};
use entente_executor::Simulation;
use entente_types::{
    AccessListEntry, Address, Authorization, EthereumKind, EthereumTransaction, EthereumTransactionError, Hash,
    Transaction,
};
use ruint::aliases::U256;

/// A transaction before it is signed.
pub(crate) struct Envelope {
    kind: EthereumKind,
    chain_id: u64,
    /// Its fields, but for the signature.
    fields: Vec<u8>,
}

impl Envelope {
    /// What is wanted, as its sender's transaction with this number. It is of the type that has all that is wanted.
    pub(crate) fn new(wanted: &Simulation, chain_id: u64, nonce: u64, gas: u64, is_legacy: bool) -> Self {
        let kind = match wanted {
            Simulation { authorizations, .. } if !authorizations.is_empty() => EthereumKind::SetCode,
            Simulation { access_list, .. } if is_legacy && access_list.is_empty() => EthereumKind::Legacy,
            _ if is_legacy => EthereumKind::AccessList,
            _ => EthereumKind::DynamicFee,
        };
        let mut fields = Vec::with_capacity(wanted.input.len().saturating_add(200));
        if kind != EthereumKind::Legacy {
            chain_id.encode(&mut fields);
        }
        nonce.encode(&mut fields);
        if matches!(kind, EthereumKind::DynamicFee | EthereumKind::SetCode) {
            number(wanted.max_priority_fee.0, &mut fields);
        }
        number(wanted.max_fee.0, &mut fields);
        gas.encode(&mut fields);
        match &wanted.to {
            Some(address) => address.0.encode(&mut fields),
            None => fields.push(EMPTY_STRING_CODE),
        }
        number(wanted.value.0, &mut fields);
        wanted.input.as_slice().encode(&mut fields);
        if kind != EthereumKind::Legacy {
            fields.extend(list(&wanted.access_list.iter().flat_map(access).collect::<Vec<u8>>()));
        }
        if kind == EthereumKind::SetCode {
            fields.extend(list(&wanted.authorizations.iter().flat_map(authorization).collect::<Vec<u8>>()));
        }
        Self { kind, chain_id, fields }
    }

    /// What its sender signs.
    fn digest(&self) -> Hash {
        let mut fields = self.fields.clone();
        if self.kind == EthereumKind::Legacy {
            self.chain_id.encode(&mut fields);
            fields.extend([EMPTY_STRING_CODE; 2]);
        }
        keccak256(&self.raw(&fields))
    }

    fn raw(&self, fields: &[u8]) -> Vec<u8> {
        let number = match self.kind {
            EthereumKind::Legacy => return list(fields),
            EthereumKind::AccessList => 1,
            EthereumKind::DynamicFee => 2,
            EthereumKind::SetCode => 4,
        };
        [&[number], list(fields).as_slice()].concat()
    }

    fn with_signature(self, r: U256, s: U256, parity: u8) -> Vec<u8> {
        let mut fields = self.fields.clone();
        let parity = U256::from(parity);
        // Twice the largest chain id does not fit 64 bits (EIP-155).
        let legacy = U256::from(self.chain_id) * U256::from(2) + U256::from(35) + parity;
        number(if self.kind == EthereumKind::Legacy { legacy } else { parity }, &mut fields);
        number(r, &mut fields);
        number(s, &mut fields);
        self.raw(&fields)
    }

    /// The transaction, signed.
    pub(crate) fn sign(self, key: &SecretKey) -> Result<EthereumTransaction, EthereumTransactionError> {
        let signature = key.sign(&self.digest());
        let (r, rest) = signature.as_bytes().split_at_checked(32).unwrap_or_default();
        let (s, parity) = rest.split_at_checked(32).unwrap_or_default();
        let parity = parity.first().copied().unwrap_or_default();
        EthereumTransaction::new(self.with_signature(U256::from_be_slice(r), U256::from_be_slice(s), parity))
    }

    /// The transaction of somebody whose key is not here. In place of the signature stands who it is, and 0, which is no
    /// signature: no other node takes it for anybody's (EIP-2).
    pub(crate) fn impersonate(self, sender: Address) -> Result<EthereumTransaction, EthereumTransactionError> {
        let r = U256::from_be_slice(&sender.0);
        EthereumTransaction::impersonating(self.with_signature(r, U256::ZERO, 0), sender)
    }
}

/// The transaction that a call would be, for whoever asks what it would come to. Nobody signed it.
///
/// # Errors
/// More than a transaction can say.
pub fn unsigned(
    call: &Simulation,
    chain_id: u64,
    nonce: u64,
    gas: u64,
) -> Result<EthereumTransaction, EthereumTransactionError> {
    Envelope::new(call, chain_id, nonce, gas, false).impersonate(call.from)
}

/// The same transaction, with its sender known again where a chain of this kind made it for somebody whose key was not
/// there. It must come from the blocks of such a chain.
#[must_use]
pub fn with_sender(transaction: Transaction) -> Transaction {
    let Transaction::Ethereum(ethereum) = transaction else { return transaction };
    let known = impersonated(&ethereum)
        .and_then(|sender| EthereumTransaction::impersonating(ethereum.raw().to_vec(), sender).ok());
    Transaction::Ethereum(known.unwrap_or(ethereum))
}

/// Who stands in place of the signature of a transaction that a chain of this kind made without one.
pub fn impersonated(transaction: &EthereumTransaction) -> Option<Address> {
    let payload = transaction.payload().ok()?;
    let (r, rest) = payload.signature.split_first_chunk::<32>()?;
    let (zeros, sender) = r.split_last_chunk::<20>()?;
    let is_none = rest.iter().chain(zeros).all(|byte| *byte == 0);
    is_none.then_some(Address(*sender))
}

fn access(entry: &AccessListEntry) -> Vec<u8> {
    let mut fields = Vec::new();
    entry.address.0.encode(&mut fields);
    let mut keys = Vec::with_capacity(entry.keys.len().saturating_mul(33));
    for key in &entry.keys {
        key.encode(&mut keys);
    }
    fields.extend(list(&keys));
    list(&fields)
}

fn authorization(authorization: &Authorization) -> Vec<u8> {
    let mut fields = Vec::new();
    number(authorization.chain_id, &mut fields);
    authorization.address.0.encode(&mut fields);
    authorization.nonce.encode(&mut fields);
    let (r, rest) = authorization.signature.split_at_checked(32).unwrap_or_default();
    let (s, parity) = rest.split_at_checked(32).unwrap_or_default();
    parity.first().copied().unwrap_or_default().encode(&mut fields);
    number(U256::from_be_slice(r), &mut fields);
    number(U256::from_be_slice(s), &mut fields);
    list(&fields)
}

/// A number without zeros in front.
fn number(number: U256, encoded: &mut Vec<u8>) {
    let bytes = number.to_be_bytes::<32>();
    bytes.get(number.leading_zeros() / 8..).unwrap_or_default().encode(encoded);
}

fn list(payload: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(payload.len().saturating_add(9));
    Header { list: true, payload_length: payload.len() }.encode(&mut encoded);
    encoded.extend_from_slice(payload);
    encoded
}

#[cfg(test)]
mod tests {
    use entente_types::Amount;

    use super::*;
    use crate::Accounts;

    fn wanted() -> Simulation {
        Simulation {
            to: Some(Address([2; 20])),
            input: vec![1, 2, 3],
            value: Amount::from(7),
            max_fee: Amount::from(9),
            max_priority_fee: Amount::from(4),
            ..Simulation::default()
        }
    }

    #[test]
    fn every_kind_says_what_is_wanted_and_is_its_signers() {
        let accounts = Accounts::default();
        let address = accounts.addresses().next().unwrap();
        let access_list = vec![AccessListEntry { address: Address([3; 20]), keys: vec![[4; 32], [5; 32]] }];
        let mut signature = [1; 65];
        signature[64] = 1;
        let authorizations =
            vec![Authorization { chain_id: U256::from(31_337), address: Address([6; 20]), nonce: 0, signature }];
        for (wanted, is_legacy, kind) in [
            (wanted(), true, EthereumKind::Legacy),
            (Simulation { access_list: access_list.clone(), ..wanted() }, true, EthereumKind::AccessList),
            (Simulation { access_list, ..wanted() }, false, EthereumKind::DynamicFee),
            (wanted(), false, EthereumKind::DynamicFee),
            (Simulation { authorizations, ..wanted() }, false, EthereumKind::SetCode),
        ] {
            let envelope = Envelope::new(&wanted, 31_337, 5, 50_000, is_legacy);
            let made = envelope.sign(accounts.key(&address).unwrap()).unwrap();
            let payload = made.payload().unwrap();
            assert_eq!((made.kind(), payload.chain_id, payload.nonce, payload.gas_limit), (kind, 31_337, 5, 50_000));
            assert_eq!((payload.to, &*payload.input, payload.value), (wanted.to, &*wanted.input, wanted.value));
            assert_eq!(payload.access_list, wanted.access_list);
            assert_eq!(payload.authorizations, wanted.authorizations);
            assert_eq!(payload.max_fee, wanted.max_fee);
            assert_eq!(made.origin().unwrap().sender, address);
            assert!(impersonated(&made).is_none());
        }
    }

    #[test]
    fn whoever_decodes_an_impersonated_transaction_finds_nobody() {
        let sender = Address([0xee; 20]);
        for is_legacy in [true, false] {
            let made = Envelope::new(&wanted(), 31_337, 5, 50_000, is_legacy).impersonate(sender).unwrap();
            assert_eq!(made.origin().unwrap().sender, sender);
            let received = EthereumTransaction::new(made.raw().to_vec()).unwrap();
            assert_eq!(received.origin(), None);
            let Transaction::Ethereum(known) = with_sender(Transaction::Ethereum(received)) else { panic!("it is") };
            assert_eq!(known.origin(), made.origin());
            // Two who send the same are told apart.
            let other = Envelope::new(&wanted(), 31_337, 5, 50_000, is_legacy).impersonate(Address([1; 20])).unwrap();
            assert_ne!(other.hash(), made.hash());
        }
    }
}
