//! Signed transfers, encoded into the parameters of one request once and for all.

use std::ops::Range;

use entente_types::{Address, BlockNumber};
use serde_json::value::RawValue;

use super::{
    plan::LoadError,
    transfers::{DEPLOYER, Transfer, transfer_input},
};
use crate::{
    client::{Group, QueryError},
    keystore::Account,
};

/// What names a transaction here: the first eight bytes of its hash. Two of a hundred million collide with a
/// probability of 0.0003.
pub(super) type Key = u64;

/// The key of a hash's bytes.
pub(super) fn key_of(hash: &[u8; 32]) -> Key {
    let mut first = [0; 8];
    for (target, byte) in first.iter_mut().zip(hash) {
        *target = *byte;
    }
    u64::from_be_bytes(first)
}

/// The key of a hash's text.
pub(super) fn key_of_text(hash: &str) -> Option<Key> {
    u64::from_str_radix(hash.get(2..18)?, 16).ok()
}

/// Transactions that go in one request.
#[derive(Debug)]
pub(super) struct Batch {
    /// `["group",["0x..",...]]`.
    pub(super) parameters: Box<RawValue>,
    /// Where each transaction's text stands in it, quotes included.
    texts: Vec<Range<usize>>,
    pub(super) keys: Vec<Key>,
    transfers: Vec<Transfer>,
    pub(super) valid_until: BlockNumber,
    /// Whether a node may have it already, though it did not say so.
    pub(super) uncertain: bool,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// A batch of only these places.
    pub(super) fn part(&self, group: &str, places: &[usize]) -> Result<Self, LoadError> {
        let text = self.parameters.get();
        let chosen: Vec<(&str, Key, Transfer)> = places
            .iter()
            .filter_map(|place| {
                let text = text.get(self.texts.get(*place)?.clone())?;
                Some((text, *self.keys.get(*place)?, *self.transfers.get(*place)?))
            })
            .collect();
        let (parameters, texts) = parameters(group, chosen.iter().map(|(text, _, _)| *text))?;
        Ok(Self {
            parameters,
            texts,
            keys: chosen.iter().map(|(_, key, _)| *key).collect(),
            transfers: chosen.iter().map(|(_, _, transfer)| *transfer).collect(),
            valid_until: self.valid_until,
            uncertain: self.uncertain,
        })
    }
}

/// The parameters of `entente_sendTransactions`, and where the texts stand in them.
fn parameters<'a>(
    group: &str,
    texts: impl Iterator<Item = &'a str> + Clone,
) -> Result<(Box<RawValue>, Vec<Range<usize>>), LoadError> {
    let length: usize = texts.clone().map(|text| text.len() + 1).sum();
    let mut json = String::with_capacity(length + group.len() + 8);
    let mut places = Vec::new();
    // A group's name has no character that JSON escapes.
    json.push_str("[\"");
    json.push_str(group);
    json.push_str("\",[");
    for (index, text) in texts.enumerate() {
        if index > 0 {
            json.push(',');
        }
        places.push(json.len()..json.len() + text.len());
        json.push_str(text);
    }
    json.push_str("]]");
    let unreadable = |error: serde_json::Error| QueryError::Answer {
        method: "entente_sendTransactions".to_owned(),
        reason: error.to_string(),
    };
    Ok((RawValue::from_string(json).map_err(unreadable)?, places))
}

/// Everything that signing a transfer takes.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) group: Group,
    pub(super) deployer: Account,
    pub(super) accounts: Vec<Account>,
    pub(super) token: Address,
    pub(super) gas: u64,
    /// Drawn anew for each run, so that two runs of one seed do not repeat each other's nonces.
    pub(super) run: [u8; 16],
}

impl Signer {
    /// Signs and encodes a batch.
    pub(super) fn batch(&self, transfers: Vec<Transfer>, valid_until: BlockNumber) -> Result<Batch, LoadError> {
        let mut texts = Vec::with_capacity(transfers.len());
        let mut keys = Vec::with_capacity(transfers.len());
        for transfer in &transfers {
            let from = self.account(transfer.from)?;
            let input = transfer_input(&self.account(transfer.to)?.address(), transfer.amount);
            let mut unsigned =
                self.group.transaction_at(valid_until, from.address(), Some(self.token), input, self.gas)?;
            unsigned.nonce = self.nonce(transfer.serial);
            let signed = self.group.sign(unsigned, from)?;
            keys.push(key_of(&signed.hash.0));
            texts.push(format!("\"0x{}\"", hex::encode(&signed.bytes)));
        }
        let (parameters, texts) = parameters(self.group.id().as_str(), texts.iter().map(String::as_str))?;
        Ok(Batch { parameters, texts, keys, transfers, valid_until, uncertain: false })
    }

    /// The same transfers with another expiry. Their nonces stay, so that of two signings of one transfer at most
    /// one can ever be committed.
    pub(super) fn renew(&self, batch: Batch, valid_until: BlockNumber) -> Result<Batch, LoadError> {
        let uncertain = batch.uncertain;
        let renewed = self.batch(batch.transfers, valid_until)?;
        Ok(Batch { uncertain, ..renewed })
    }

    fn account(&self, place: u32) -> Result<&Account, LoadError> {
        if place == DEPLOYER {
            return Ok(&self.deployer);
        }
        let missing = || LoadError::Account(format!("there is none at place {place}"));
        self.accounts.get(place as usize).ok_or_else(missing)
    }

    fn nonce(&self, serial: u64) -> [u8; 32] {
        let mut nonce = [0; 32];
        for (target, byte) in nonce.iter_mut().zip(self.run.iter().copied().chain(serial.to_be_bytes())) {
            *target = byte;
        }
        nonce
    }
}
