//! Traces in the shapes of go-ethereum's tracers.

use std::{borrow::Cow, collections::BTreeMap};

use entente_executor::{
    AccountState, CallFrame, CallLog, FrameKind, StateTrace, StepLog, StepTrace, Trace, Word, instruction_name,
};
use entente_types::{Address, Amount, Hash, hex_bytes};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{quantity::Quantity, revert::reason};

/// A trace.
pub(crate) struct TraceView<'a>(pub(crate) &'a Trace);

impl Serialize for TraceView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Trace::Steps(trace) => StepsView::new(trace).serialize(serializer),
            Trace::Calls(trace) => CallView { frames: &trace.frames, index: 0 }.serialize(serializer),
            Trace::State(StateTrace { before, after: None }) => states(before).serialize(serializer),
            Trace::State(StateTrace { before, after: Some(after) }) => {
                ChangesView { post: states(after), pre: states(before) }.serialize(serializer)
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StepsView<'a> {
    gas: u64,
    failed: bool,
    #[serde(with = "hex_bytes")]
    return_value: &'a [u8],
    struct_logs: Vec<StepView<'a>>,
}

impl<'a> StepsView<'a> {
    fn new(trace: &'a StepTrace) -> Self {
        Self {
            gas: trace.gas_used,
            failed: trace.is_failed,
            return_value: &trace.output,
            struct_logs: trace.steps.iter().map(StepView::new).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StepView<'a> {
    pc: usize,
    op: Cow<'static, str>,
    gas: u64,
    gas_cost: u64,
    depth: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<Vec<Amount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_data: Option<String>,
    /// Words of 32 bytes, without 0x.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Vec<String>>,
    /// Without 0x, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<u64>,
}

impl<'a> StepView<'a> {
    fn new(step: &'a StepLog) -> Self {
        let unknown = || Cow::Owned(format!("opcode {:#x} not defined", step.instruction));
        let returned = step.returned.as_ref().filter(|returned| !returned.is_empty());
        let slots = |storage: &BTreeMap<Word, Word>| {
            storage.iter().map(|(key, value)| (hex::encode(key), hex::encode(value))).collect()
        };
        Self {
            pc: step.place,
            op: instruction_name(step.instruction).map_or_else(unknown, Cow::Borrowed),
            gas: step.gas,
            gas_cost: step.cost,
            depth: step.depth,
            error: step.error.as_deref(),
            stack: step.stack.as_ref().map(|stack| stack.iter().copied().map(Amount).collect()),
            return_data: returned.map(|returned| hex_bytes::encode(returned)),
            memory: step.memory.as_ref().map(|memory| memory.chunks(32).map(hex::encode).collect()),
            storage: step.storage.as_ref().map(slots),
            refund: Some(step.refund).filter(|refund| *refund > 0),
        }
    }
}

/// A frame and those nested in it.
struct CallView<'a> {
    frames: &'a [CallFrame],
    index: usize,
}

const fn type_of(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Call => "CALL",
        FrameKind::Static => "STATICCALL",
        FrameKind::Delegate => "DELEGATECALL",
        FrameKind::Code => "CALLCODE",
        FrameKind::Create => "CREATE",
        FrameKind::CreateSalted => "CREATE2",
        FrameKind::SelfDestruct => "SELFDESTRUCT",
    }
}

impl Serialize for CallView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let Some(frame) = self.frames.get(self.index) else { return map.end() };
        map.serialize_entry("from", &frame.from)?;
        map.serialize_entry("gas", &Quantity(frame.gas))?;
        map.serialize_entry("gasUsed", &Quantity(frame.gas_used))?;
        if let Some(to) = &frame.to {
            map.serialize_entry("to", to)?;
        }
        map.serialize_entry("input", &hex_bytes::encode(&frame.input))?;
        if !frame.output.is_empty() {
            map.serialize_entry("output", &hex_bytes::encode(&frame.output))?;
        }
        if let Some(error) = &frame.error {
            map.serialize_entry("error", error)?;
        }
        if let Some(reason) = reason(&frame.output).filter(|_| frame.has_reverted) {
            map.serialize_entry("revertReason", &reason)?;
        }
        if !frame.calls.is_empty() {
            let calls = frame.calls.iter().map(|index| CallView { frames: self.frames, index: *index });
            map.serialize_entry("calls", &calls.collect::<Vec<_>>())?;
        }
        if !frame.logs.is_empty() {
            map.serialize_entry("logs", &frame.logs.iter().map(LogView::new).collect::<Vec<_>>())?;
        }
        if let Some(value) = &frame.value {
            map.serialize_entry("value", value)?;
        }
        map.serialize_entry("type", type_of(frame.kind))?;
        map.end()
    }
}

#[derive(Serialize)]
struct LogView<'a> {
    address: Address,
    topics: &'a [Hash],
    #[serde(with = "hex_bytes")]
    data: &'a [u8],
    position: Quantity,
}

impl<'a> LogView<'a> {
    fn new(CallLog { log, position }: &'a CallLog) -> Self {
        Self { address: log.address, topics: &log.topics, data: &log.data, position: Quantity(*position as u64) }
    }
}

#[derive(Serialize)]
struct ChangesView<'a> {
    post: States<'a>,
    pre: States<'a>,
}

type States<'a> = BTreeMap<&'a Address, StateView>;

#[derive(Serialize)]
struct StateView {
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<Hash, Hash>,
}

fn states(states: &BTreeMap<Address, AccountState>) -> States<'_> {
    let view = |state: &AccountState| StateView {
        balance: state.balance,
        code: state.code.as_ref().map(|code| hex_bytes::encode(code)),
        nonce: state.nonce,
        storage: state.storage.iter().map(|(key, value)| (Hash(*key), Hash(*value))).collect(),
    };
    states.iter().map(|(address, state)| (address, view(state))).collect()
}

#[cfg(test)]
mod tests {
    use entente_executor::CallTrace;
    use serde_json::{Value, json};

    use super::*;

    fn shown(trace: &Trace) -> Value {
        serde_json::to_value(TraceView(trace)).unwrap()
    }

    #[test]
    fn instructions_are_shown_as_go_ethereum_shows_them() {
        let bare = StepLog {
            place: 3,
            instruction: 0x0c,
            gas: 10,
            cost: 2,
            depth: 1,
            refund: 0,
            stack: None,
            memory: None,
            returned: None,
            storage: None,
            error: Some("invalid opcode".into()),
        };
        let whole = StepLog {
            instruction: 0x54,
            refund: 4_800,
            stack: Some(vec![Amount::ZERO.0, Amount::from(255).0]),
            memory: Some(vec![1; 32]),
            returned: Some(vec![7]),
            storage: Some(BTreeMap::from([([1; 32], [2; 32])])),
            error: None,
            ..bare.clone()
        };
        let trace = StepTrace { steps: vec![bare, whole], gas_used: 21_000, is_failed: true, output: vec![5] };
        let expected = json!({
            "gas": 21_000, "failed": true, "returnValue": "0x05",
            "structLogs": [
                { "pc": 3, "op": "opcode 0xc not defined", "gas": 10, "gasCost": 2, "depth": 1, "error": "invalid opcode" },
                {
                    "pc": 3, "op": "SLOAD", "gas": 10, "gasCost": 2, "depth": 1, "refund": 4_800,
                    "stack": ["0x0", "0xff"], "memory": ["01".repeat(32)], "returnData": "0x07",
                    "storage": { "01".repeat(32): "02".repeat(32) },
                },
            ],
        });
        assert_eq!(shown(&Trace::Steps(trace)), expected);
    }

    #[test]
    fn states_are_shown_by_address() {
        let state = AccountState { balance: Some(Amount::from(7)), nonce: Some(2), ..AccountState::default() };
        let slots = AccountState { storage: BTreeMap::from([([1; 32], [2; 32])]), ..AccountState::default() };
        let (address, other) = (Address([1; 20]), Address([2; 20]));
        let before = BTreeMap::from([(address, state), (other, slots)]);
        let whole = json!({
            address.to_string(): { "balance": "0x7", "nonce": 2 },
            other.to_string(): { "storage": { Hash([1; 32]).to_string(): Hash([2; 32]) } },
        });
        assert_eq!(shown(&Trace::State(StateTrace { before: before.clone(), after: None })), whole);
        let changed = StateTrace { before, after: Some(BTreeMap::new()) };
        assert_eq!(shown(&Trace::State(changed)), json!({ "pre": whole, "post": {} }));
    }

    #[test]
    fn a_trace_without_frames_is_an_empty_object() {
        assert_eq!(shown(&Trace::Calls(CallTrace { frames: vec![] })), json!({}));
    }
}
