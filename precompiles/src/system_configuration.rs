//! 0x1000: the system configuration. What can be set, and within which bounds, is the table in
//! `runtime/types/src/configuration.rs`.

use entente_crypto::keccak256;
use entente_host::{
    ContractFault, Fault, Host, NativeAccess, NativeFunction, NativeGas, NativeModule, NativeResult,
    configuration_entry, configuration_row, damaged_configuration, gas::GasSchedule,
};
use entente_types::{Address, ConfigurationEntry, ConfigurationKey, Log, Setting};
use parity_scale_codec::Encode;

use crate::{
    abi::{Arguments, Value, address_topic, encode},
    code::{INVALID_CONFIGURATION, ONE_ROW, PERMISSION_DENIED},
    permission::may_configure,
};

/// Where it is called.
pub const ADDRESS: Address = crate::address(0x1000);

const SET_EVENT: &str = "ConfigurationSet(address indexed by, string key, string value, uint256 from)";
const SET_EVENT_SIGNATURE: &str = "ConfigurationSet(address,string,string,uint256)";

/// An entry and an event's data are at most so long.
const ENTRY_BYTES: u64 = 512;
const EVENT_BYTES: u64 = 256;

/// The least period of empty blocks that can be set, but for none.
const EMPTY_BLOCK_PERIOD_MS_MIN: u64 = 100;

/// Two entries read, one written, one event told.
const fn set_gas(schedule: &GasSchedule) -> NativeGas {
    let base = 2 * get_gas(schedule).base
        + schedule.storage_write
        + ENTRY_BYTES * schedule.storage_write_byte
        + schedule.log
        + 2 * schedule.log_topic
        + EVENT_BYTES * schedule.log_byte;
    NativeGas { base, byte: 2 * schedule.host_byte }
}

/// One entry read.
const fn get_gas(schedule: &GasSchedule) -> NativeGas {
    let base = schedule.storage_read + ENTRY_BYTES * schedule.storage_read_byte;
    NativeGas { base, byte: 2 * schedule.host_byte }
}

pub(crate) const MODULE: NativeModule = NativeModule {
    address: ADDRESS,
    name: "SystemConfig",
    doc: "The limits that the whole group lives by, and the version of its rules.",
    functions: &[
        NativeFunction {
            signature: "setValueByKey(string key, string value)",
            outputs: "(int256)",
            gas: set_gas,
            access: NativeAccess::Write,
            doc: "Decides a key's value, a decimal number without sign or leading zeros; gives back 1, or a negative \
                  code and changes nothing.",
            run: set_value_by_key,
        },
        NativeFunction {
            signature: "getValueByKey(string key)",
            outputs: "(string value, uint256 from)",
            gas: get_gas,
            access: NativeAccess::Read,
            doc: "Gives the value that was decided last, with the height from which it rules; fails for a key that is \
                  not there.",
            run: get_value_by_key,
        },
    ],
    events: &[SET_EVENT],
};

fn set_value_by_key(host: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    let arguments = Arguments(arguments);
    let (name, value) = (arguments.string(0)?, arguments.string(1)?);
    let code = set(host, name, value)?;
    Ok(encode(&[Value::Signed(code)]))
}

/// Sets a key, or says by which code it is refused.
fn set(host: &mut dyn Host, name: &str, value: &str) -> Result<i64, Fault> {
    // FISCO BCOS has keys whose subject does not exist here. To accept them without an effect would be a lie.
    let Some(key) = ConfigurationKey::from_name(name) else { return Ok(INVALID_CONFIGURATION) };
    let Ok(number) = key.parse(value) else { return Ok(INVALID_CONFIGURATION) };
    let (now, depth) = (host.block().number, host.block().pipeline_depth);
    let from = key.describe().rules_from.height(now, depth);
    let mut entry = load(host, key)?;
    if !fits(host, key, &entry, number, from)? {
        return Ok(INVALID_CONFIGURATION);
    }
    if !may_configure(host, key) {
        return Ok(PERMISSION_DENIED);
    }
    entry.set(now, Setting { value: value.to_owned(), from });
    host.row_set(&configuration_row(key), Some(entry.encode().into()))?;
    let by = host.frame().caller;
    let log = Log {
        address: host.frame().storage_address,
        topics: vec![keccak256(SET_EVENT_SIGNATURE.as_bytes()), address_topic(&by)],
        data: encode(&[Value::Text(key.name()), Value::Text(value), Value::Unsigned(from)]),
    };
    host.emit(log)?;
    Ok(ONE_ROW)
}

/// Whether a value that rules from a height on fits the values beside it, at that height and all later ones.
fn fits(
    host: &mut dyn Host,
    key: ConfigurationKey,
    entry: &ConfigurationEntry,
    value: u64,
    from: u64,
) -> Result<bool, Fault> {
    match key {
        ConfigurationKey::BlockTransactions => Ok(true),
        ConfigurationKey::TransactionGas => all(host, ConfigurationKey::BlockGas, from, |block| value <= block),
        ConfigurationKey::BlockGas => all(host, ConfigurationKey::TransactionGas, from, |one| one <= value),
        // Blocks without end in no time would fill disks.
        ConfigurationKey::EmptyBlockPeriod => Ok(value == 0 || value >= EMPTY_BLOCK_PERIOD_MS_MIN),
        ConfigurationKey::ProtocolVersion => {
            // Each version rules a block at least: what it does when it begins is never skipped.
            let last = entry.last();
            Ok(last.from < from && number(key, last)?.checked_add(1) == Some(value))
        }
    }
}

/// Whether every value of a key that rules at a height or later is as it should be.
fn all(host: &mut dyn Host, key: ConfigurationKey, from: u64, test: impl Fn(u64) -> bool) -> Result<bool, Fault> {
    for setting in load(host, key)?.from_height_on(from) {
        if !test(number(key, setting)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn get_value_by_key(host: &mut dyn Host, arguments: &[u8]) -> NativeResult {
    let name = Arguments(arguments).string(0)?;
    let Some(key) = ConfigurationKey::from_name(name) else {
        let found: String = name.chars().take(40).collect();
        let known: Vec<&str> = ConfigurationKey::ALL.into_iter().map(ConfigurationKey::name).collect();
        let message = format!("the system configuration has no key {found:?}; it has {}", known.join(", "));
        return Err(ContractFault::Native(message).into());
    };
    let entry = load(host, key)?;
    let Setting { value, from } = entry.last();
    Ok(encode(&[Value::Text(value), Value::Unsigned(*from)]))
}

fn load(host: &mut dyn Host, key: ConfigurationKey) -> Result<ConfigurationEntry, Fault> {
    let row = host.row_get(&configuration_row(key))?;
    Ok(configuration_entry(key, row)?)
}

fn number(key: ConfigurationKey, setting: &Setting) -> Result<u64, Fault> {
    Ok(setting.value.parse().map_err(|_| damaged_configuration(key))?)
}

#[cfg(test)]
mod tests {
    use entente_host::{
        Declaration,
        gas::{SCHEDULE_1, to_gas},
    };

    use super::*;

    #[test]
    fn the_events_signature_is_that_of_its_declaration() {
        assert_eq!(Declaration::parse(SET_EVENT).unwrap().signature(), SET_EVENT_SIGNATURE);
    }

    #[test]
    fn the_least_gas_limit_is_enough_to_raise_it_again() {
        let arguments = encode(&[Value::Text("block_gas_limit"), Value::Text(&u64::MAX.to_string())]);
        let intrinsic = SCHEDULE_1.intrinsic(&arguments, false).unwrap();
        let native = set_gas(&SCHEDULE_1).units(arguments.len()) + 32 * SCHEDULE_1.output_byte;
        assert!(to_gas(intrinsic + native) + 1_000 < ConfigurationKey::TransactionGas.describe().minimum);
    }
}
