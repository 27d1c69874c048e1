//! Reading what `eth_simulateV1` is to run.

use entente_executor::{SequenceBlock, SequenceCall};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::call_parameters::{Raw, RawCall, Reader};
use crate::{
    arguments::{Arguments, object},
    error::RpcError,
    limits::{SEQUENCE_BLOCKS_MAX, SEQUENCE_CALLS_MAX},
    values::Values,
};

pub(super) const SEQUENCE: &str = "an object {\"blockStateCalls\": a list of 1 to 256 {\"blockOverrides\", \
                                   \"stateOverrides\", \"calls\": a list of at most 1024}, \"traceTransfers\", \
                                   \"validation\", \"returnFullTransactions\"}, whose other fields may be absent";
const BLOCK: &str =
    "an object {\"blockOverrides\", \"stateOverrides\", \"calls\": a list of at most 1024}, whose fields may be absent";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSequence<'a> {
    #[serde(borrow, default)]
    block_state_calls: Raw<'a>,
    #[serde(borrow, default)]
    trace_transfers: Raw<'a>,
    #[serde(borrow, default)]
    validation: Raw<'a>,
    #[serde(borrow, default)]
    return_full_transactions: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBlock<'a> {
    #[serde(borrow, default)]
    block_overrides: Raw<'a>,
    #[serde(borrow, default)]
    state_overrides: Raw<'a>,
    #[serde(borrow, default)]
    calls: Raw<'a>,
}

/// What a call says here beside what it says elsewhere.
#[derive(Deserialize)]
struct RawNumbered<'a> {
    #[serde(borrow, default)]
    nonce: Raw<'a>,
}

/// What is to be run, and what of it is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AskedSequence {
    pub(crate) blocks: Vec<SequenceBlock>,
    pub(crate) tells_transfers: bool,
    pub(crate) validates: bool,
    /// Whether transactions are told whole.
    pub(crate) whole: bool,
}

/// A list that is no longer than it may be.
fn list(value: Raw<'_>, most: usize) -> Option<Vec<&RawValue>> {
    let values = Values::read(value.map_or("[]", RawValue::get), most)?;
    (values.count <= most).then_some(values.first)
}

impl Reader {
    fn sequence(&self, value: &RawValue) -> Result<AskedSequence, RpcError> {
        let refused = || self.refuse(value, SEQUENCE);
        let raw: RawSequence<'_> = object(value).ok_or_else(refused)?;
        let blocks = list(raw.block_state_calls, SEQUENCE_BLOCKS_MAX).filter(|blocks| !blocks.is_empty());
        let blocks = blocks.ok_or_else(refused)?.into_iter().enumerate();
        Ok(AskedSequence {
            blocks: blocks
                .map(|(index, block)| self.within(&format!("blockStateCalls[{index}]")).sequence_block(block))
                .collect::<Result<_, _>>()?,
            tells_transfers: self.flag("traceTransfers", raw.trace_transfers)?,
            validates: self.flag("validation", raw.validation)?,
            whole: self.flag("returnFullTransactions", raw.return_full_transactions)?,
        })
    }

    fn sequence_block(&self, value: &RawValue) -> Result<SequenceBlock, RpcError> {
        let refused = || self.refuse(value, BLOCK);
        let raw: RawBlock<'_> = object(value).ok_or_else(refused)?;
        let calls = list(raw.calls, SEQUENCE_CALLS_MAX).ok_or_else(refused)?.into_iter().enumerate();
        let mut block = SequenceBlock {
            calls: calls
                .map(|(index, call)| self.within(&format!("calls[{index}]")).sequence_call(call))
                .collect::<Result<_, _>>()?,
            ..SequenceBlock::default()
        };
        if let Some(accounts) = raw.state_overrides {
            block.overrides.accounts = self.within("stateOverrides").accounts(accounts)?;
        }
        if let Some(overrides) = raw.block_overrides {
            block.overrides.block = self.within("blockOverrides").block(overrides)?;
        }
        Ok(block)
    }

    fn sequence_call(&self, value: &RawValue) -> Result<SequenceCall, RpcError> {
        let refused = || self.refuse(value, super::call_parameters::CALL);
        let raw: RawCall<'_> = object(value).ok_or_else(refused)?;
        let numbered: RawNumbered<'_> = object(value).ok_or_else(refused)?;
        Ok(SequenceCall { simulation: self.call(&raw)?, nonce: self.quantity("nonce", numbered.nonce)? })
    }
}

impl Arguments<'_> {
    /// Blocks of calls.
    pub(crate) fn sequence(&self, index: usize) -> Result<AskedSequence, RpcError> {
        let value: &RawValue = self.required(index, Some)?;
        Reader::new(self.name(index)).sequence(value)
    }
}

#[cfg(test)]
mod tests {
    use entente_types::{Address, Amount};
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Result<AskedSequence, RpcError> {
        Reader::new("payload").sequence(&serde_json::value::to_raw_value(value).unwrap())
    }

    #[test]
    fn blocks_their_overrides_and_their_calls_are_read() {
        let call = json!({ "to": Address([7; 20]), "value": "0x5", "nonce": "0x9" });
        let first = json!({
            "blockOverrides": { "number": "0x20", "time": "0x64" },
            "stateOverrides": { "0x0101010101010101010101010101010101010101": { "balance": "0x3e8" } },
            "calls": [call, {}],
        });
        let asked = read(&json!({ "blockStateCalls": [first, {}], "validation": true })).unwrap();
        assert!(asked.validates && !asked.tells_transfers && !asked.whole);
        let [first, second] = asked.blocks.as_slice() else { panic!("{asked:?}") };
        assert_eq!((first.overrides.block.number, first.overrides.block.timestamp), (Some(32), Some(100)));
        assert_eq!(first.overrides.accounts[&Address([1; 20])].balance, Some(Amount::from(1_000)));
        assert_eq!((first.calls[0].nonce, first.calls[1].nonce), (Some(9), None));
        assert_eq!(first.calls[0].simulation.value, Amount::from(5));
        assert_eq!(second, &SequenceBlock::default());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        for (payload, name) in [
            (json!({}), "`payload` is"),
            (json!({ "blockStateCalls": [] }), "`payload` is"),
            (json!({ "blockStateCalls": vec![json!({}); 257] }), "`payload` is"),
            (json!({ "blockStateCalls": [5] }), "`payload.blockStateCalls[0]` is 5"),
            (json!({ "blockStateCalls": [{}, { "calls": vec![json!({}); 1025] }] }), "`payload.blockStateCalls[1]` is"),
            (
                json!({ "blockStateCalls": [{ "calls": [{}, { "to": "0x1" }] }] }),
                "`payload.blockStateCalls[0].calls[1].to`",
            ),
            (
                json!({ "blockStateCalls": [{ "calls": [{ "nonce": 1 }] }] }),
                "`payload.blockStateCalls[0].calls[0].nonce`",
            ),
            (json!({ "blockStateCalls": [{}], "validation": 1 }), "`payload.validation` is 1"),
        ] {
            let message = read(&payload).unwrap_err().message;
            assert!(message.starts_with(name), "{message}");
        }
    }
}
