//! Reading what Ethereum's tools write.

use entente_types::{BlockNumber, Hash, hex_bytes};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{call_parameters, sequence_parameters};
use crate::{
    arguments::{Arguments, object, parse, refuse},
    error::RpcError,
    filter::Filter,
    limits::{PERCENTILES_MAX, PROOF_SLOTS_MAX},
    values::Values,
};

/// What a parameter of Ethereum's methods may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Block,
    Quantity,
    Slot,
    Slots,
    Data,
    Logs,
    Percentiles,
    Subject,
    SubjectOptions,
    Call,
    Overrides,
    BlockOverrides,
    Tracing,
    Sequence,
    Amount,
    TypedData,
    Nothing,
}

const BLOCK: &str = "a block: its number as 0x and hexadecimal digits, its hash, latest, safe, finalized, pending or \
                     earliest, or an object {\"blockNumber\"} or {\"blockHash\"} (EIP-1898)";
const SLOT: &str = "a slot of storage: 0x and at most 64 hexadecimal digits";

impl Form {
    /// What is expected, for messages and the documentation.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Block => BLOCK,
            Self::Quantity => "a number: 0x and at most 16 hexadecimal digits",
            Self::Slot => SLOT,
            Self::Slots => "a list of at most 1024 slots of storage, each 0x and at most 64 hexadecimal digits",
            Self::Data => "bytes: 0x and hexadecimal digits, two a byte",
            Self::Logs => {
                "an object {\"address\": an address or a list of at most 256, \"topics\": a list of at most 4, each null, \
                 a topic or a list of at most 64, \"fromBlock\": a block, \"toBlock\": a block, or \"blockHash\" instead \
                 of these two}, whose fields may be absent"
            }
            Self::Percentiles => "a list of at most 100 numbers from 0 to 100, none below the one before",
            Self::Subject => "newHeads, logs, newPendingTransactions or syncing",
            Self::SubjectOptions => {
                "of logs a filter {\"address\", \"topics\"}, of newPendingTransactions true for whole transactions"
            }
            Self::Call => call_parameters::CALL,
            Self::Overrides => call_parameters::OVERRIDES,
            Self::BlockOverrides => call_parameters::BLOCK_OVERRIDES,
            Self::Tracing => call_parameters::TRACING,
            Self::Sequence => sequence_parameters::SEQUENCE,
            Self::Amount => "a number: 0x and at most 64 hexadecimal digits",
            Self::TypedData => "an object {\"types\", \"primaryType\", \"domain\", \"message\"}, or its text (EIP-712)",
            Self::Nothing => "nothing, or an object without fields",
        }
    }
}

/// Which block is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockReference {
    /// The last one, which is final.
    Tip,
    /// The last one, and what waits.
    Pending,
    Number(BlockNumber),
    /// By the hash of its Ethereum header.
    Hash(Hash),
}

/// Which logs are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogQuery {
    pub(crate) filter: Filter,
    pub(crate) blocks: LogBlocks,
}

/// Of which blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogBlocks {
    One(Hash),
    Range { from: Option<BlockReference>, to: Option<BlockReference> },
}

/// A filter as it stands in JSON. Fields of other kinds of chains are passed over, as Ethereum's nodes do.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawQuery<'a> {
    #[serde(borrow, default)]
    address: Option<&'a RawValue>,
    #[serde(borrow, default)]
    topics: Option<&'a RawValue>,
    #[serde(borrow, default)]
    from_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    to_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    block_hash: Option<&'a RawValue>,
}

/// EIP-1898's way to name a block. Whether it must be canonical makes no difference: all are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawBlock<'a> {
    #[serde(borrow, default)]
    block_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    block_hash: Option<&'a RawValue>,
    #[serde(default, rename = "requireCanonical")]
    _require_canonical: Option<bool>,
}

/// What stands after 0x.
fn prefixed(value: &RawValue) -> Option<&str> {
    let text: &str = serde_json::from_str(value.get()).ok()?;
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

/// The digits after 0x.
pub(super) fn digits(value: &RawValue) -> Option<&str> {
    let digits = prefixed(value)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(digits)
}

/// Bytes, of which there may be many.
pub(super) fn data(value: &RawValue) -> Option<Vec<u8>> {
    hex_bytes::decode_digits(prefixed(value)?).ok()
}

pub(super) fn quantity(value: &RawValue) -> Option<u64> {
    let digits = digits(value).filter(|digits| (1..=16).contains(&digits.len()))?;
    u64::from_str_radix(digits, 16).ok()
}

pub(super) fn hash(value: &RawValue) -> Option<Hash> {
    digits(value).filter(|digits| digits.len() == 64)?.parse().ok()
}

pub(crate) fn block(value: &RawValue) -> Option<BlockReference> {
    if let Some(raw) = object::<RawBlock<'_>>(value) {
        return match (raw.block_number, raw.block_hash) {
            (Some(number), None) => tag_or_number(number),
            (None, Some(value)) => hash(value).map(BlockReference::Hash),
            (None, None) | (Some(_), Some(_)) => None,
        };
    }
    tag_or_number(value).or_else(|| hash(value).map(BlockReference::Hash))
}

fn tag_or_number(value: &RawValue) -> Option<BlockReference> {
    match value.get() {
        r#""latest""# | r#""safe""# | r#""finalized""# => Some(BlockReference::Tip),
        r#""pending""# => Some(BlockReference::Pending),
        r#""earliest""# => Some(BlockReference::Number(0)),
        _ => quantity(value).map(BlockReference::Number),
    }
}

pub(super) fn slot(value: &RawValue) -> Option<[u8; 32]> {
    let digits = digits(value).filter(|digits| (1..=64).contains(&digits.len()))?;
    let mut slot = [0; 32];
    hex::decode_to_slice(format!("{digits:0>64}"), &mut slot).ok()?;
    Some(slot)
}

fn slots(value: &RawValue) -> Option<Vec<[u8; 32]>> {
    let values = Values::read(value.get(), PROOF_SLOTS_MAX)?;
    (values.count <= PROOF_SLOTS_MAX).then(|| values.first.into_iter().map(slot).collect()).flatten()
}

fn percentiles(value: &RawValue) -> Option<Vec<f64>> {
    let values = Values::read(value.get(), PERCENTILES_MAX)?;
    let read: Vec<f64> = values.first.into_iter().map(parse).collect::<Option<_>>()?;
    let ascend = read.windows(2).all(|pair| matches!(pair, [first, second] if first <= second));
    let within = read.iter().all(|percentile| (0.0..=100.0).contains(percentile));
    (values.count <= PERCENTILES_MAX && ascend && within).then_some(read)
}

impl LogQuery {
    /// Reads a filter. Nothing where it is no object; an error that names the field where one is wrong.
    fn read(name: &str, value: &RawValue) -> Option<Result<Self, RpcError>> {
        let raw: RawQuery<'_> = object(value)?;
        Some(Self::from_raw(name, &raw))
    }

    fn from_raw(name: &str, raw: &RawQuery<'_>) -> Result<Self, RpcError> {
        let end = |field: &str, value: Option<&RawValue>| {
            let refused = |value: &RawValue| refuse(&format!("{name}.{field}"), value.get(), BLOCK);
            value.map(|value| block(value).ok_or_else(|| refused(value))).transpose()
        };
        let filter = Filter::of(name, raw.address, raw.topics)?;
        let (from, to) = (end("fromBlock", raw.from_block)?, end("toBlock", raw.to_block)?);
        let blocks = match raw.block_hash {
            None => LogBlocks::Range { from, to },
            Some(_) if from.is_some() || to.is_some() => {
                let message =
                    format!("`{name}` has `blockHash` beside `fromBlock` or `toBlock`: choose one or the other");
                return Err(RpcError::parameters(message));
            }
            Some(value) => {
                let field = format!("{name}.blockHash");
                let expected = "a hash: 0x and 64 hexadecimal digits";
                LogBlocks::One(hash(value).ok_or_else(|| refuse(&field, value.get(), expected))?)
            }
        };
        Ok(Self { filter, blocks })
    }
}

/// What a subscription is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Heads,
    Logs(Filter),
    Transactions {
        /// Not their hashes alone.
        whole: bool,
    },
    /// Whether the node is behind.
    Syncing,
}

impl Arguments<'_> {
    /// Which block is meant: the last one where it is left out.
    pub(crate) fn block_reference(&self, index: usize) -> Result<BlockReference, RpcError> {
        Ok(self.read(index, block)?.unwrap_or(BlockReference::Tip))
    }

    /// A number.
    pub(crate) fn quantity(&self, index: usize) -> Result<u64, RpcError> {
        self.required(index, quantity)
    }

    /// A slot of storage.
    pub(crate) fn slot(&self, index: usize) -> Result<[u8; 32], RpcError> {
        self.required(index, slot)
    }

    /// Slots of storage.
    pub(crate) fn slots(&self, index: usize) -> Result<Vec<[u8; 32]>, RpcError> {
        self.required(index, slots)
    }

    /// Bytes.
    pub(crate) fn data(&self, index: usize) -> Result<Vec<u8>, RpcError> {
        self.required(index, data)
    }

    /// Percentiles; none where they are left out.
    pub(crate) fn percentiles(&self, index: usize) -> Result<Vec<f64>, RpcError> {
        Ok(self.read(index, percentiles)?.unwrap_or_default())
    }

    /// Which logs are meant.
    pub(crate) fn log_query(&self, index: usize) -> Result<LogQuery, RpcError> {
        let name = self.name(index);
        self.required(index, |value| LogQuery::read(name, value))?
    }

    /// What a subscription is about.
    pub(crate) fn subject(&self, index: usize, options: usize) -> Result<Subject, RpcError> {
        let subject = self.required(index, |value| match value.get() {
            r#""newHeads""# => Some(Subject::Heads),
            r#""logs""# => Some(Subject::Logs(Filter::default())),
            r#""newPendingTransactions""# => Some(Subject::Transactions { whole: false }),
            r#""syncing""# => Some(Subject::Syncing),
            _ => None,
        })?;
        match subject {
            Subject::Heads | Subject::Syncing => Ok(subject),
            Subject::Logs(_) if self.value(options).is_none() => Ok(subject),
            // Only new ones are told of, whatever blocks the filter names.
            Subject::Logs(_) => Ok(Subject::Logs(self.log_query(options)?.filter)),
            Subject::Transactions { .. } => Ok(Subject::Transactions { whole: self.boolean(options)? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    #[test]
    fn blocks_are_named_in_every_way_that_ethereum_knows() {
        let hash = Hash([7; 32]);
        for (value, expected) in [
            (json!("latest"), Some(BlockReference::Tip)),
            (json!("safe"), Some(BlockReference::Tip)),
            (json!("finalized"), Some(BlockReference::Tip)),
            (json!("pending"), Some(BlockReference::Pending)),
            (json!("earliest"), Some(BlockReference::Number(0))),
            (json!("0x1f"), Some(BlockReference::Number(31))),
            (json!(hash), Some(BlockReference::Hash(hash))),
            (json!({ "blockNumber": "0x2" }), Some(BlockReference::Number(2))),
            (json!({ "blockNumber": "latest" }), Some(BlockReference::Tip)),
            (json!({ "blockHash": hash, "requireCanonical": true }), Some(BlockReference::Hash(hash))),
            (json!({ "blockHash": hash, "blockNumber": "0x2" }), None),
            (json!({ "blockHash": "0x2" }), None),
            (json!({}), None),
            (json!("0x"), None),
            (json!("0x11112222333344445"), None),
            (json!("0x+1"), None),
            (json!("31"), None),
            (json!(31), None),
            (json!("newest"), None),
        ] {
            assert_eq!(block(&raw(&value)), expected, "{value}");
        }
    }

    #[test]
    fn slots_and_percentiles_are_bounded() {
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(slot(&raw(&json!("0x1"))), Some(one));
        assert_eq!(slot(&raw(&json!(Hash(one)))), Some(one));
        assert_eq!(slot(&raw(&json!("0x"))), None);
        assert_eq!(slot(&raw(&json!(format!("0x{}", "1".repeat(65))))), None);
        assert_eq!(slots(&raw(&json!(vec!["0x1"; 1024]))).map(|slots| slots.len()), Some(1024));
        assert_eq!(slots(&raw(&json!(vec!["0x1"; 1025]))), None);
        assert_eq!(slots(&raw(&json!(["0x1", 5]))), None);
        assert_eq!(percentiles(&raw(&json!([0, 12.5, 12.5, 100]))), Some(vec![0.0, 12.5, 12.5, 100.0]));
        for value in [json!([5, 4]), json!([101]), json!([-1]), json!(["5"]), json!(vec![1; 101]), json!(5)] {
            assert_eq!(percentiles(&raw(&value)), None, "{value}");
        }
    }

    #[test]
    fn a_filter_names_a_block_or_a_range() {
        let read =
            |value: &Value| LogQuery::read("filter", &raw(value)).map(|read| read.map_err(|error| error.message));
        let blocks = |value: &Value| read(value).unwrap().unwrap().blocks;
        let (from, to) = (Some(BlockReference::Number(1)), Some(BlockReference::Tip));
        assert_eq!(blocks(&json!({})), LogBlocks::Range { from: None, to: None });
        assert_eq!(blocks(&json!({ "fromBlock": "0x1", "toBlock": "latest" })), LogBlocks::Range { from, to });
        assert_eq!(blocks(&json!({ "blockHash": Hash::ZERO })), LogBlocks::One(Hash::ZERO));
        // A field of another chain's is none of ours.
        assert_eq!(blocks(&json!({ "limit": 5 })), LogBlocks::Range { from: None, to: None });
        let both = read(&json!({ "blockHash": Hash::ZERO, "toBlock": "0x1" })).unwrap().unwrap_err();
        assert!(both.starts_with("`filter` has `blockHash` beside"), "{both}");
        let wrong = read(&json!({ "fromBlock": 1 })).unwrap().unwrap_err();
        assert!(wrong.starts_with("`filter.fromBlock` is 1; expected a block"), "{wrong}");
        assert_eq!(read(&json!([])), None);
    }
}
