//! Transactions and signatures that the node makes with keys that it has, or without.

use entente_dev::{Accounts, DevError, Wanted, message_digest, typed_data_digest};
use entente_types::{Address, Hash, Status, hex_bytes};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Acting, act, failed_in_block};
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
}

/// `eth_sendTransaction`.
pub(crate) fn send(arguments: &Arguments<'_>) -> Acting {
    let what = arguments.simulation(0)?;
    let raw: RawSent<'_> = arguments.required(0, object)?;
    let nonce = raw.nonce.filter(|value| value.get() != "null");
    let wrong = |value: &RawValue| refuse("transaction.nonce", value.get(), "a number");
    let nonce = nonce.map(|value| number(value).ok_or_else(|| wrong(value))).transpose()?;
    let wanted = Wanted { what, nonce, is_legacy: raw.gas_price.is_some() };
    act(move |chain, unix_ms| {
        let sent = chain.send(unix_ms, &wanted)?;
        match sent.receipt {
            Some(receipt) if receipt.status != Status::Success => Err(failed_in_block(sent.hash, &receipt)),
            _ => hash_answer(&sent.hash),
        }
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
