//! Methods about the system configuration, and about what code at an address can be asked.

use entente_driver::GroupHandle;
use entente_executor::Configuration;
use entente_types::{BlockNumber, ConfigurationKey, KeyDescription, Limits, Setting};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    arguments::{Arguments, shown},
    context::Context,
    error::{NO_CONFIGURATION_KEY, RpcError},
    views::{Answer, answer, json_answer},
};

#[derive(Serialize)]
struct KeyView<'a> {
    key: &'static str,
    value: &'a str,
    from: BlockNumber,
    in_force: &'a str,
    unit: &'static str,
    minimum: u64,
    maximum: u64,
}

/// The configuration at the tip, and the next height.
fn read(group: &GroupHandle) -> Result<(Configuration, BlockNumber), RpcError> {
    let (tip, state) = group.ledger().state_with_tip();
    Ok((Configuration::read(state.as_ref())?, tip.number.saturating_add(1)))
}

/// `entente_configuration`.
pub(crate) fn all(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let (configuration, next) = read(&arguments.group(context, 0)?.handle)?;
    let view = |key: ConfigurationKey| {
        let KeyDescription { name, unit, minimum, maximum, .. } = key.describe();
        let entry = configuration.entry(key);
        let Setting { value, from } = entry.last();
        KeyView { key: name, value, from: *from, in_force: &entry.at(next).value, unit, minimum, maximum }
    };
    answer(&ConfigurationKey::ALL.map(view))
}

/// `getSystemConfigByKey`.
pub(crate) fn by_key(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let name = arguments.text(1)?;
    let key = ConfigurationKey::from_name(&name).ok_or_else(|| {
        let known: Vec<&str> = ConfigurationKey::ALL.into_iter().map(ConfigurationKey::name).collect();
        let (found, known) = (shown(&name), known.join(", "));
        RpcError::new(
            NO_CONFIGURATION_KEY,
            format!("Invalid System Config: `key` is {found:?}; expected one of {known}"),
        )
    })?;
    answer(&read(group)?.0.entry(key).last().value)
}

/// The limits that rule the next block.
pub(crate) fn limits(group: &GroupHandle) -> Result<Limits, RpcError> {
    let (configuration, next) = read(group)?;
    Ok(configuration.limits(next)?)
}

/// The gas limit that ruled a block; nothing where that is not kept any more.
pub(crate) fn block_gas(group: &GroupHandle, height: BlockNumber) -> Option<u64> {
    let ledger = group.ledger();
    let state = ledger.state_at(height).unwrap_or_else(|_| ledger.state());
    let configuration = Configuration::read(state.as_ref()).ok()?;
    let known = configuration.entry(ConfigurationKey::BlockGas).since() <= height;
    known.then(|| configuration.limits(height).ok()).flatten().map(|limits| limits.block_gas)
}

/// `entente_abi`.
pub(crate) fn abi(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.group(context, 0)?.handle;
    let text = group.abi(&arguments.address(1)?)?;
    // What a contract carries may be anything; it is told only if it is a list in JSON.
    match text.filter(|text| serde_json::from_str::<Vec<&RawValue>>(text).is_ok()) {
        Some(text) => json_answer(text),
        None => answer(&()),
    }
}
