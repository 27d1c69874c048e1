//! Arguments from text.

use alloy_dyn_abi::{DynSolValue, Specifier};
use alloy_json_abi::Param;

use super::text;
use crate::limits::{FOUND_CHARACTERS_MAX, shown};

/// Why a call or a deployment could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// There is no such method.
    #[error("the contract has no method {name:?}; {}it has: {known}", did_you_mean(.meant.as_ref()))]
    UnknownMethod {
        /// What was asked for.
        name: String,
        /// What was meant, if something is spelt nearly so.
        meant: Option<String>,
        /// Some of what there is.
        known: String,
    },
    /// There is no such event.
    #[error("the contract has no event {name:?}; {}it has: {known}", did_you_mean(.meant.as_ref()))]
    UnknownEvent {
        /// What was asked for.
        name: String,
        /// What was meant, if something is spelt nearly so.
        meant: Option<String>,
        /// Some of what there is.
        known: String,
    },
    /// More than one method fits.
    #[error("{name:?} may mean any of: {signatures}; name one of them in full")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What fits.
        signatures: String,
    },
    /// Too few arguments, or too many.
    #[error("found {found} {}; expected those of {signatures}", if *.found == 1 { "argument" } else { "arguments" })]
    Count {
        /// What could have been meant.
        signatures: String,
        /// How many there were.
        found: usize,
    },
    /// An argument is not of its type.
    #[error("argument {position} {parameter}: found {found:?}; expected {expected}")]
    Argument {
        /// Its place, from 1.
        position: usize,
        /// Its name and type in the ABI, and the place in it where it is of parts: such as `(pairs: uint8[2][]) at [0][1]`.
        parameter: String,
        /// The text, or the part of it that was wrong.
        found: String,
        /// What is allowed there.
        expected: String,
    },
    /// The ABI library refused what was checked before.
    #[error("the arguments cannot be encoded: {0}")]
    Library(String),
}

fn did_you_mean(meant: Option<&String>) -> String {
    meant.map(|signature| format!("did you mean {signature}? ")).unwrap_or_default()
}

/// One value for each parameter; there must be as many texts.
pub(super) fn values(parameters: &[Param], arguments: &[String]) -> Result<Vec<DynSolValue>, EncodeError> {
    let mut values = Vec::with_capacity(parameters.len());
    for (index, (parameter, argument)) in parameters.iter().zip(arguments).enumerate() {
        let ty = parameter.resolve().map_err(|error| EncodeError::Library(error.to_string()))?;
        let value = text::value(&ty, argument).map_err(|fault| {
            let name = if parameter.name.is_empty() { "unnamed" } else { parameter.name.as_str() };
            let place = if fault.place.is_empty() { String::new() } else { format!(" at {}", fault.place) };
            EncodeError::Argument {
                position: index + 1,
                parameter: format!("({name}: {}){place}", parameter.selector_type()),
                found: shown(&fault.found, FOUND_CHARACTERS_MAX),
                expected: fault.expected,
            }
        })?;
        values.push(value);
    }
    if values.len() != arguments.len() || values.len() != parameters.len() {
        let types: Vec<_> = parameters.iter().map(Param::selector_type).collect();
        return Err(EncodeError::Count { signatures: format!("({})", types.join(",")), found: arguments.len() });
    }
    Ok(values)
}
