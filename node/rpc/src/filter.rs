//! Which logs are meant: Ethereum's filter, with bounds.

use entente_types::{Address, BlockNumber, Hash, Log, limits::TOPICS_MAX};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    arguments::{NUMBER, number, object, parse_text, refuse},
    error::RpcError,
    limits::{LOG_ADDRESSES_MAX, LOG_TOPIC_VALUES_MAX},
    values::Values,
};

const ADDRESSES: &str = "an address, or a list of at most 256 of them";
const TOPICS: &str =
    "a list of at most 4, each null, a topic of 64 hexadecimal digits, or a list of at most 64 of them";
const TOPIC: &str = "null, a topic of 64 hexadecimal digits, or a list of at most 64 of them";

const PLACE: &str = "a number below 2^32";

/// A filter as it stands in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFilter<'a> {
    #[serde(borrow, default)]
    address: Option<&'a RawValue>,
    #[serde(borrow, default)]
    topics: Option<&'a RawValue>,
    #[serde(borrow, default)]
    from: Option<&'a RawValue>,
    #[serde(borrow, default)]
    from_log: Option<&'a RawValue>,
    #[serde(borrow, default)]
    to: Option<&'a RawValue>,
}

/// Which logs are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    /// In their order; empty for any.
    pub(crate) addresses: Vec<Address>,
    /// For each place the values there may be, in their order; empty for any.
    pub(crate) topics: Vec<Vec<Hash>>,
    pub(crate) from: Option<BlockNumber>,
    /// The first log of block `from`, by its place among all logs of the block.
    pub(crate) from_log: u32,
    pub(crate) to: Option<BlockNumber>,
}

impl Filter {
    /// Reads a filter. Nothing where it is no such object; an error that names the field where one is wrong.
    pub(crate) fn read(name: &str, value: &RawValue) -> Option<Result<Self, RpcError>> {
        let raw: RawFilter<'_> = object(value)?;
        Some(Self::from_raw(name, &raw))
    }

    fn from_raw(name: &str, raw: &RawFilter<'_>) -> Result<Self, RpcError> {
        let block = |field: &str, value: Option<&RawValue>| {
            let refused = |value: &RawValue| refuse(&format!("{name}.{field}"), value.get(), NUMBER);
            value.map(|value| number(value).ok_or_else(|| refused(value))).transpose()
        };
        let from_log = |value: &RawValue| {
            let place = number(value).and_then(|place| u32::try_from(place).ok());
            place.ok_or_else(|| refuse(&format!("{name}.from_log"), value.get(), PLACE))
        };
        if raw.from_log.is_some() && raw.from.is_none() {
            let message = format!("`{name}.from_log` is a place in block `{name}.from`, which is absent");
            return Err(RpcError::parameters(message));
        }
        Ok(Self {
            from: block("from", raw.from)?,
            from_log: raw.from_log.map(from_log).transpose()?.unwrap_or_default(),
            to: block("to", raw.to)?,
            ..Self::of(name, raw.address, raw.topics)?
        })
    }

    /// One of these addresses and topics, in no blocks in particular.
    pub(crate) fn of(name: &str, address: Option<&RawValue>, topic_list: Option<&RawValue>) -> Result<Self, RpcError> {
        let addresses = |value: &RawValue| one_or_many(&format!("{name}.address"), value, ADDRESSES, LOG_ADDRESSES_MAX);
        Ok(Self {
            addresses: address.map(addresses).transpose()?.unwrap_or_default(),
            topics: topic_list.map(|value| topics(&format!("{name}.topics"), value)).transpose()?.unwrap_or_default(),
            ..Self::default()
        })
    }

    /// Whether a log is meant.
    pub(crate) fn fits(&self, log: &Log) -> bool {
        let among = |values: &[Hash], topic: &Hash| values.is_empty() || values.binary_search(topic).is_ok();
        (self.addresses.is_empty() || self.addresses.binary_search(&log.address).is_ok())
            && log.topics.len() >= self.topics.len()
            && self.topics.iter().zip(&log.topics).all(|(values, topic)| among(values, topic))
    }
}

fn topics(name: &str, value: &RawValue) -> Result<Vec<Vec<Hash>>, RpcError> {
    let places = Values::read(value.get(), TOPICS_MAX).filter(|places| places.count <= TOPICS_MAX);
    let places = places.ok_or_else(|| refuse(name, value.get(), TOPICS))?.first;
    let topic = |(place, value): (usize, &&RawValue)| match value.get() {
        "null" => Ok(Vec::new()),
        _ => one_or_many(&format!("{name}[{place}]"), value, TOPIC, LOG_TOPIC_VALUES_MAX),
    };
    places.iter().enumerate().map(topic).collect()
}

/// One value or a list of them, put in their order.
fn one_or_many<T: std::str::FromStr + Ord>(
    name: &str,
    value: &RawValue,
    expected: &str,
    values_max: usize,
) -> Result<Vec<T>, RpcError> {
    let refused = |value: &RawValue| refuse(name, value.get(), expected);
    let Some(list) = Values::read(value.get(), values_max) else {
        return Ok(vec![parse_text(value).ok_or_else(|| refused(value))?]);
    };
    if list.count > values_max {
        let message = format!("`{name}` has {} entries; at most {values_max} are allowed", list.count);
        return Err(RpcError::parameters(message));
    }
    let mut values: Vec<T> = list
        .first
        .iter()
        .enumerate()
        .map(|(place, value)| {
            parse_text(value).ok_or_else(|| refuse(&format!("{name}[{place}]"), value.get(), expected))
        })
        .collect::<Result<_, _>>()?;
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(filter: &Value) -> Result<Filter, String> {
        let text = serde_json::value::to_raw_value(filter).unwrap();
        Filter::read("filter", &text).expect("a filter").map_err(|error| error.message)
    }

    fn log(address: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().map(|topic| Hash([*topic; 32])).collect();
        Log { address: Address([address; 20]), topics, data: vec![] }
    }

    #[test]
    fn filters_mean_what_ethereums_mean() {
        let (address, other) = (Address([1; 20]), Address([2; 20]));
        let [one, two, three] = [Hash([1; 32]), Hash([2; 32]), Hash([3; 32])];
        let logs = [log(1, &[]), log(1, &[1]), log(2, &[1, 2]), log(3, &[2, 2]), log(1, &[1, 2, 3])];
        for (filter, expected) in [
            (json!({}), vec![0, 1, 2, 3, 4]),
            (json!({ "address": null, "topics": null }), vec![0, 1, 2, 3, 4]),
            (json!({ "address": address }), vec![0, 1, 4]),
            (json!({ "address": [other, address, other] }), vec![0, 1, 2, 4]),
            (json!({ "address": [], "topics": [] }), vec![0, 1, 2, 3, 4]),
            (json!({ "topics": [one] }), vec![1, 2, 4]),
            (json!({ "topics": [null, two] }), vec![2, 3, 4]),
            (json!({ "topics": [[two, one], [two]] }), vec![2, 3, 4]),
            // As many topics as the filter has places.
            (json!({ "topics": [one, null] }), vec![2, 4]),
            (json!({ "topics": [[], [], [three]] }), vec![4]),
            (json!({ "address": address, "topics": [null, null, null, null] }), vec![]),
        ] {
            let read = read(&filter).unwrap();
            let found: Vec<usize> = (0..logs.len()).filter(|index| read.fits(&logs[*index])).collect();
            assert_eq!(found, expected, "{filter}");
        }
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        let zero = Hash::ZERO;
        for (filter, name) in [
            (json!({ "address": "0x12" }), "`filter.address` is \"0x12\"; expected an address, or a list"),
            (json!({ "address": 5 }), "`filter.address` is 5; expected an address"),
            (json!({ "address": [Address::ZERO, {}] }), "`filter.address[1]` is {}; expected an address"),
            (json!({ "address": vec![1; 257] }), "`filter.address` has 257 entries; at most 256 are allowed"),
            (json!({ "topics": zero }), "`filter.topics` is \"0x0000"),
            (json!({ "topics": [zero, zero, zero, zero, zero] }), "`filter.topics` is [\"0x0000"),
            (json!({ "topics": [zero, 7] }), "`filter.topics[1]` is 7; expected null, a topic"),
            (json!({ "topics": [[zero, "0x"]] }), "`filter.topics[0][1]` is \"0x\"; expected null, a topic"),
            (json!({ "topics": [null, vec![1; 65]] }), "`filter.topics[1]` has 65 entries; at most 64 are allowed"),
            (json!({ "from": -1 }), "`filter.from` is -1; expected a number"),
            (json!({ "to": "x" }), "`filter.to` is \"x\"; expected a number"),
            (json!({ "from": 1, "from_log": -1 }), "`filter.from_log` is -1; expected a number below 2^32"),
            (json!({ "from": 1, "from_log": 1_u64 << 32 }), "`filter.from_log` is 4294967296; expected a number"),
            (json!({ "from_log": 1 }), "`filter.from_log` is a place in block `filter.from`, which is absent"),
        ] {
            let error = read(&filter).unwrap_err();
            assert!(error.starts_with(name), "{error}");
        }
        for other in ["5", "[]", "{\"colour\":1}", "null", "{\"from\":1,\"from\":2}"] {
            let text = RawValue::from_string(other.into()).unwrap();
            assert!(Filter::read("filter", &text).is_none(), "{other}");
        }
    }
}
