//! Signed transfers, encoded into the parameters of one request once and for all.

use std::ops::Range;

use entente_types::{Address, Amount, BlockNumber, LegacyTransaction};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    plan::LoadError,
    transfers::{DEPLOYER, Envelope, Transfer, transfer_input},
};
use crate::{
    client::{Client, Group, NodeRefusal, QueryError, Raw, RefusalAnswer},
    keystore::Account,
};

/// The methods that take them.
const SEND_NATIVE: &str = "entente_sendTransactions";
const SEND_ETHEREUM: &str = "eth_sendRawTransaction";

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
    request: Request,
    pub(super) keys: Vec<Key>,
    transfers: Vec<Transfer>,
    pub(super) valid_until: BlockNumber,
    /// Whether a node may have it already, though it did not say so.
    pub(super) uncertain: bool,
}

/// What is sent.
#[derive(Debug)]
enum Request {
    /// The parameters of one `entente_sendTransactions`: `["group",["0x..",...]]`, and where each transaction's text
    /// stands in it, quotes included.
    Native { parameters: Box<RawValue>, texts: Vec<Range<usize>> },
    /// The parameters of each `eth_sendRawTransaction`: `["0x.."]`.
    Ethereum(Vec<Box<RawValue>>),
}

/// One answer of `entente_sendTransactions`; that the hash is the client's own is not checked here.
#[derive(Debug, Deserialize)]
struct Line {
    error: Option<RefusalAnswer>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The method that takes it.
    pub(super) const fn method(&self) -> &'static str {
        match self.request {
            Request::Native { .. } => SEND_NATIVE,
            Request::Ethereum(_) => SEND_ETHEREUM,
        }
    }

    /// Sends it: what each transaction was refused for, if it was.
    pub(super) async fn send(&self, client: &Client) -> Result<Vec<Option<NodeRefusal>>, QueryError> {
        match &self.request {
            Request::Native { parameters, .. } => {
                let lines: Vec<Line> = client.request_raw(SEND_NATIVE, Raw(Some(parameters.clone()))).await?;
                Ok(lines.into_iter().map(|line| line.error.map(NodeRefusal::from)).collect())
            }
            Request::Ethereum(requests) => {
                let parameters = requests.iter().map(|parameters| Raw(Some(parameters.clone()))).collect();
                client.refusals_of_many(SEND_ETHEREUM, parameters).await
            }
        }
    }

    /// A batch of only these places.
    pub(super) fn part(&self, group: &str, places: &[usize]) -> Result<Self, LoadError> {
        fn chosen<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
            places.iter().filter_map(|place| all.get(*place).cloned()).collect()
        }
        let request = match &self.request {
            Request::Native { parameters, texts } => {
                let texts = chosen(texts, places);
                let texts: Vec<&str> = texts.into_iter().filter_map(|range| parameters.get().get(range)).collect();
                native_request(group, texts.iter().copied())?
            }
            Request::Ethereum(requests) => Request::Ethereum(chosen(requests, places)),
        };
        Ok(Self {
            request,
            keys: chosen(&self.keys, places),
            transfers: chosen(&self.transfers, places),
            valid_until: self.valid_until,
            uncertain: self.uncertain,
        })
    }
}

fn json(method: &str, text: String) -> Result<Box<RawValue>, LoadError> {
    let unreadable =
        |error: serde_json::Error| QueryError::Answer { method: method.to_owned(), reason: error.to_string() };
    Ok(RawValue::from_string(text).map_err(unreadable)?)
}

fn native_request<'a>(group: &str, texts: impl Iterator<Item = &'a str> + Clone) -> Result<Request, LoadError> {
    let length: usize = texts.clone().map(|text| text.len() + 1).sum();
    let mut list = String::with_capacity(length + group.len() + 8);
    let mut places = Vec::new();
    // A group's name has no character that JSON escapes.
    list.push_str("[\"");
    list.push_str(group);
    list.push_str("\",[");
    for (index, text) in texts.enumerate() {
        if index > 0 {
            list.push(',');
        }
        places.push(list.len()..list.len() + text.len());
        list.push_str(text);
    }
    list.push_str("]]");
    Ok(Request::Native { parameters: json(SEND_NATIVE, list)?, texts: places })
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
        let mut texts = Vec::new();
        let mut requests = Vec::new();
        let mut keys = Vec::with_capacity(transfers.len());
        for transfer in &transfers {
            let from = self.account(transfer.from)?;
            let input = transfer_input(&self.account(transfer.to)?.address(), transfer.amount);
            match transfer.envelope {
                Envelope::Native => {
                    let mut unsigned =
                        self.group.transaction_at(valid_until, from.address(), Some(self.token), input, self.gas)?;
                    unsigned.nonce = self.nonce(transfer.serial);
                    let signed = self.group.sign(unsigned, from)?;
                    keys.push(key_of(&signed.hash.0));
                    texts.push(format!("\"0x{}\"", hex::encode(&signed.bytes)));
                }
                Envelope::Ethereum { chain_id, nonce } => {
                    let unsigned = LegacyTransaction {
                        nonce,
                        gas_price: Amount::default(),
                        gas_limit: self.gas,
                        to: Some(self.token),
                        value: Amount::default(),
                        input,
                    };
                    let signed = unsigned.sign(from.key(), chain_id)?;
                    keys.push(key_of(&signed.hash().0));
                    requests.push(json(SEND_ETHEREUM, format!("[\"0x{}\"]", hex::encode(signed.raw())))?);
                }
            }
        }
        // A row of transfers is of one kind throughout.
        let (request, valid_until) = if requests.is_empty() {
            (native_request(self.group.id().as_str(), texts.iter().map(String::as_str))?, valid_until)
        } else {
            // Ethereum's do not expire.
            (Request::Ethereum(requests), BlockNumber::MAX)
        };
        Ok(Batch { request, keys, transfers, valid_until, uncertain: false })
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
