//! Transactions and signatures that the node makes with keys that it has, or without.

use entente_dev::{Accounts, DevError, Wanted, message_digest, typed_data_digest};
use entente_types::{Address, Hash, Status, Transaction, hex_bytes};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Acting, act, failed_in_block, node::shown};
use crate::{
    arguments::{Arguments, number, object, parse, refuse},
    error::RpcError,
    sending::hash_answer,
    views::{Answer, answer, json_answer},
};

/// What a transaction says beside a call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSent<'a> {
    #[serde(borrow, default)]
    nonce: Option<&'a RawValue>,
    #[serde(borrow, default)]
    gas_price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_fee_per_gas: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_priority_fee_per_gas: Option<&'a RawValue>,
}

impl RawSent<'_> {
    /// That its price is said in one way alone. Hardhat's words are looked for where it is not.
    fn check_price(&self) -> Result<(), RpcError> {
        let is_said = |field: Option<&RawValue>| field.is_some_and(|value| value.get() != "null");
        let fields = [self.gas_price, self.max_fee_per_gas, self.max_priority_fee_per_gas];
        let words = match fields.map(is_said) {
            [true, true, _] => "Cannot send both gasPrice and maxFeePerGas params",
            [true, false, true] => "Cannot send both gasPrice and maxPriorityFeePerGas",
            _ => return Ok(()),
        };
        Err(RpcError::parameters(words))
    }
}

/// What `eth_signTransaction` does not show, as go-ethereum does not: where a transaction stands, and who sent it.
const FIELDS_OF_SENT: [&str; 4] = ["blockHash", "blockNumber", "transactionIndex", "from"];

/// The transaction that is to be made.
fn wanted_in(arguments: &Arguments<'_>) -> Result<Wanted, RpcError> {
    let raw: RawSent<'_> = arguments.required(0, object)?;
    raw.check_price()?;
    let what = arguments.simulation(0)?;
    let nonce = raw.nonce.filter(|value| value.get() != "null");
    let wrong = |value: &RawValue| refuse("transaction.nonce", value.get(), "a number");
    let nonce = nonce.map(|value| number(value).ok_or_else(|| wrong(value))).transpose()?;
    Ok(Wanted { what, nonce, is_legacy: raw.gas_price.is_some() })
}

/// `eth_sendTransaction`.
pub(crate) fn send(arguments: &Arguments<'_>) -> Acting {
    let wanted = wanted_in(arguments)?;
    act(move |chain, unix_ms| {
        let sent = chain.send(unix_ms, &wanted)?;
        match sent.receipt {
            Some(receipt) if receipt.status != Status::Success => Err(failed_in_block(sent.hash, &receipt)),
            _ => hash_answer(&sent.hash),
        }
    })
}

/// `eth_signTransaction`.
pub(crate) fn sign_transaction(arguments: &Arguments<'_>) -> Acting {
    let wanted = wanted_in(arguments)?;
    act(move |chain, _| {
        let signed = chain.sign(&wanted)?;
        let raw = hex_bytes::encode(signed.raw());
        let mut shown = shown(chain, &Transaction::Ethereum(signed))?;
        if let Some(fields) = shown.as_object_mut() {
            for name in FIELDS_OF_SENT {
                fields.remove(name);
            }
        }
        answer(&json!({ "raw": raw, "tx": shown }))
    })
}

fn signature(accounts: &Accounts, address: &Address, digest: &Hash) -> Answer {
    json_answer(format!("\"{}\"", hex_bytes::encode(&accounts.sign(address, digest)?)))
}

/// `eth_sign`.
pub(crate) fn sign(arguments: &Arguments<'_>) -> Acting {
    let (address, digest) = (arguments.address(0)?, message_digest(&arguments.data(1)?));
    act(move |chain, _| signature(chain.accounts(), &address, &digest))
}

/// `personal_sign`.
pub(crate) fn sign_personal(arguments: &Arguments<'_>) -> Acting {
    let (digest, address) = (message_digest(&arguments.data(0)?), arguments.address(1)?);
    act(move |chain, _| signature(chain.accounts(), &address, &digest))
}

/// `eth_signTypedData_v4`.
pub(crate) fn sign_typed(arguments: &Arguments<'_>) -> Acting {
    let address = arguments.address(0)?;
    let json = arguments.required(1, |value| match value.get().as_bytes().first() {
        Some(b'{') => Some(value.get().to_owned()),
        _ => parse::<String>(value),
    })?;
    let wrong = |error: DevError| RpcError::parameters(format!("`{}`: {error}", arguments.name(1)));
    let digest = typed_data_digest(&json).map_err(wrong)?;
    act(move |chain, _| signature(chain.accounts(), &address, &digest))
}

/// `hardhat_impersonateAccount`.
pub(crate) fn impersonate(arguments: &Arguments<'_>) -> Acting {
    let address = arguments.address(0)?;
    act(move |chain, _| {
        chain.impersonate(address);
        answer(&true)
    })
}

/// `hardhat_stopImpersonatingAccount`.
pub(crate) fn stop_impersonating(arguments: &Arguments<'_>) -> Acting {
    let address = arguments.address(0)?;
    act(move |chain, _| answer(&chain.stop_impersonating(&address)))
}

/// `anvil_autoImpersonateAccount`.
pub(crate) fn impersonate_all(arguments: &Arguments<'_>) -> Acting {
    let all = arguments.boolean(0)?;
    act(move |chain, _| {
        chain.impersonate_all(all);
        answer(&true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_said_in_one_way_or_refused_in_hardhats_words() {
        let check = |fields: &str| {
            let text = format!("{{{fields}}}");
            let raw: RawSent<'_> = serde_json::from_str(&text).unwrap();
            raw.check_price().map_err(|error| error.message)
        };
        for fields in [
            r#""gasPrice": "0x1""#,
            r#""maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1""#,
            r#""gasPrice": null, "maxFeePerGas": "0x1""#,
            r#""gasPrice": "0x1", "maxFeePerGas": null"#,
        ] {
            assert_eq!(check(fields), Ok(()), "{fields}");
        }
        for (fields, words) in [
            (r#""maxFeePerGas": "0x1""#, "Cannot send both gasPrice and maxFeePerGas params"),
            (r#""maxPriorityFeePerGas": "0x1""#, "Cannot send both gasPrice and maxPriorityFeePerGas"),
        ] {
            assert_eq!(check(&format!(r#""gasPrice": "0x1", {fields}"#)), Err(words.to_owned()));
        }
    }
}
