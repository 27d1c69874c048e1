//! Answers, logs and reasons as something that can be read.

use std::fmt;

use alloy_dyn_abi::{DynSolValue, EventExt, FunctionExt, JsonAbiExt};
use alloy_json_abi::{Event, EventParam, Function};
use entente_types::{Address, Log, RevertReason};
use serde::Serialize;
use serde_json::Value;

use super::Abi;
use crate::limits::{REASON_CHARACTERS_MAX, shown};

/// Bytes that are not what the ABI says they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes of output do not decode as {signature}'s: {reason}; is this the contract's ABI?")]
pub struct DecodeError {
    /// The method.
    pub signature: String,
    /// How many bytes there were.
    pub bytes: usize,
    /// What is wrong with them.
    pub reason: String,
}

/// One argument of an event, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecodedArgument {
    /// Its name in the ABI; empty if it has none.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its value; the hash of it where it is indexed and longer than a word.
    pub value: Value,
}

/// A log that the ABI knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecodedLog {
    /// The contract that wrote it.
    pub address: Address,
    /// The event's signature.
    pub event: String,
    /// The event's arguments, in their order.
    pub arguments: Vec<DecodedArgument>,
}

impl fmt::Display for DecodedLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.event.split('(').next().unwrap_or_default();
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|DecodedArgument { name, value, .. }| match name.as_str() {
                "" => plain(value),
                _ => format!("{name}: {}", plain(value)),
            })
            .collect();
        write!(formatter, "{name}({})", arguments.join(", "))
    }
}

impl Abi {
    /// The event that a log is, if the ABI knows it and the log has its form.
    pub fn decode_log(&self, log: &Log) -> Option<DecodedLog> {
        let first = log.topics.first()?;
        self.items
            .events()
            .filter(|event| !event.anonymous && event.selector().0 == first.0)
            .find_map(|event| decode_event(event, log))
    }

    /// The reason of a revert, in words: Solidity's `Error(string)` and `Panic(uint256)`, or an error of the ABI.
    pub fn decode_revert(&self, output: &[u8]) -> Option<String> {
        if let Some(reason) = revert_reason(output) {
            return Some(reason);
        }
        let (selector, data) = output.split_first_chunk::<4>()?;
        let error = self.items.errors().find(|error| error.selector().0 == *selector)?;
        let values = error.abi_decode_input(data).ok()?;
        let arguments: Vec<String> = error
            .inputs
            .iter()
            .zip(&values)
            .map(|(input, value)| match input.name.as_str() {
                "" => plain(&json(value)),
                name => format!("{name}: {}", plain(&json(value))),
            })
            .collect();
        Some(format!("{}({})", error.name, shown(&arguments.join(", "), REASON_CHARACTERS_MAX)))
    }
}

/// The reason of a revert that needs no ABI, in one line: Solidity's `Error(string)` and `Panic(uint256)`.
pub fn revert_reason(output: &[u8]) -> Option<String> {
    RevertReason::decode(output).map(|reason| shown(&reason.to_string(), REASON_CHARACTERS_MAX))
}

pub(super) fn outputs(function: &Function, output: &[u8]) -> Result<Vec<Value>, DecodeError> {
    let values = function.abi_decode_output(output).map_err(|error| DecodeError {
        signature: function.signature(),
        bytes: output.len(),
        reason: shown(&error.to_string(), 120),
    })?;
    Ok(values.iter().map(json).collect())
}

fn decode_event(event: &Event, log: &Log) -> Option<DecodedLog> {
    let topics = log.topics.iter().map(|topic| alloy_primitives::B256::from(topic.0));
    let decoded = event.decode_log_parts(topics, &log.data).ok()?;
    let (mut indexed, mut body) = (decoded.indexed.iter(), decoded.body.iter());
    let mut arguments = Vec::with_capacity(event.inputs.len());
    for parameter in &event.inputs {
        let value = if parameter.indexed { indexed.next()? } else { body.next()? };
        let EventParam { name, .. } = parameter;
        arguments.push(DecodedArgument {
            name: name.clone(),
            ty: parameter.selector_type().into_owned(),
            value: json(value),
        });
    }
    Some(DecodedLog { address: log.address, event: event.signature(), arguments })
}

/// A value as JSON.
pub(super) fn json(value: &DynSolValue) -> Value {
    let hexadecimal = |bytes: &[u8]| Value::String(format!("0x{}", hex::encode(bytes)));
    match value {
        DynSolValue::Bool(value) => Value::Bool(*value),
        DynSolValue::Int(value, _) => Value::String(value.to_string()),
        DynSolValue::Uint(value, _) => Value::String(value.to_string()),
        DynSolValue::FixedBytes(word, length) => hexadecimal(word.get(..*length).unwrap_or_default()),
        DynSolValue::Address(address) => hexadecimal(address.as_slice()),
        DynSolValue::Function(function) => hexadecimal(function.as_slice()),
        DynSolValue::Bytes(bytes) => hexadecimal(bytes),
        DynSolValue::String(text) => Value::String(text.clone()),
        DynSolValue::Array(values)
        | DynSolValue::FixedArray(values)
        | DynSolValue::Tuple(values)
        | DynSolValue::CustomStruct { tuple: values, .. } => Value::Array(values.iter().map(json).collect()),
    }
}

/// A value in one line: texts without quotes at the top, with control characters escaped.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text, REASON_CHARACTERS_MAX),
        other => other.to_string(),
    }
}
