//! Ethereum's methods that execute code and keep nothing of it.

use super::{HASH, Handler, Method, optional, required};
use crate::{
    arguments::{Kind, Parameter},
    ethereum::{Form, calls, simulating, tracing},
};

/// What the documentation says first.
pub(super) const OPENING: &str = "\
They run on the threads and within the limit of calls (`rpc.calls_max`), over the state after a block as far as that is
kept. What is given to a call may be overridden: accounts in the third parameter, the block in the fourth. A revert has
code 3, with what it gave back as `data`; other failures have -32000 and the words of Ethereum's nodes. A call's gas is
bounded by what the group allows a transaction. Traces have the shapes of go-ethereum's: its struct logs, `callTracer`
and `prestateTracer`; frames of Wasm contracts and native modules are among the frames, instructions are those of EVM
code alone. All traces of an answer have about 14 MiB at most; what is above ends with an error.";

const CALL: Parameter = required("call", Kind::Ethereum(Form::Call));
const AT: Parameter = optional("block", Kind::Ethereum(Form::Block));
const BLOCK: Parameter = required("block", Kind::Ethereum(Form::Block));
const OVERRIDES: Parameter = optional("overrides", Kind::Ethereum(Form::Overrides));
const BLOCK_OVERRIDES: Parameter = optional("blockOverrides", Kind::Ethereum(Form::BlockOverrides));
const SEQUENCE: Parameter = required("payload", Kind::Ethereum(Form::Sequence));
const OPTIONS: Parameter = optional("options", Kind::Ethereum(Form::Tracing));

/// The methods `eth_*` and `debug_*` that execute.
pub(crate) static METHODS: &[Method] = &[
    Method {
        name: "eth_call",
        parameters: &[CALL, AT, OVERRIDES, BLOCK_OVERRIDES],
        result: "what it gives back",
        documentation: "What a transaction would give back, from whomever it says. Nothing but its code is charged for.",
        example: "[{\"to\": \"{contract}\", \"data\": \"0x18160ddd\"}, \"latest\"]",
        handler: Handler::Waiting(calls::call),
    },
    Method {
        name: "eth_estimateGas",
        parameters: &[CALL, AT, OVERRIDES, BLOCK_OVERRIDES],
        result: "a quantity",
        documentation: "The least gas with which a transaction succeeds. Where it takes too long to find that out, a little \
                        more: after the gas of four transactions what is known by then is said.",
        example: "[{\"from\": \"{sender}\", \"to\": \"{contract}\", \"data\": \
                  \"0xa9059cbb00000000000000000000000007070707070707070707070707070707070707070000000000000000000000000000\
                  000000000000000000000000000000000001\"}]",
        handler: Handler::Waiting(calls::estimate_gas),
    },
    Method {
        name: "eth_createAccessList",
        parameters: &[CALL, AT, OVERRIDES, BLOCK_OVERRIDES],
        result: "{accessList: [{address, storageKeys}], gasUsed}, and error where it fails",
        documentation: "What EVM code in a transaction would touch, and the gas that the transaction would use if it said \
                        so beforehand.",
        example: "[{\"from\": \"{sender}\", \"to\": \"{contract}\", \"data\": \"0x18160ddd\"}, \"latest\"]",
        handler: Handler::Waiting(calls::access_list),
    },
    Method {
        name: "eth_simulateV1",
        parameters: &[SEQUENCE, AT],
        result: "a list of blocks as `eth_getBlockByNumber` shows them, each with calls: [{returnData, logs, gasUsed, \
                 maxUsedGas, status}, and error {code, message, data} where it fails]",
        documentation: "What blocks of calls would come to that follow a block, each call over what those before it left. \
                        All of them have the gas of one transaction together, and about 5 MiB to give back. Transfers of \
                        coin are told as logs at 0xeee... where that is asked for. The state's root of such a block is \
                        zero, its base fee is 0 unless overridden, and a block is a second later than the one before.",
        example: "[{\"blockStateCalls\": [{\"calls\": [{\"from\": \"{sender}\", \"to\": \"{contract}\", \"data\": \
                  \"0x18160ddd\"}]}]}, \"latest\"]",
        handler: Handler::Waiting(simulating::sequence),
    },
    Method {
        name: "debug_traceTransaction",
        parameters: &[HASH, OPTIONS],
        result: "{gas, failed, returnValue, structLogs}; of callTracer {from, gas, gasUsed, to, input, output, error, \
                 revertReason, calls, logs, value, type}; of prestateTracer {address: {balance, code, nonce, storage}}, \
                 in diffMode {pre, post}",
        documentation: "What a committed transaction did: its block is executed again over the state below it, as far as \
                        that is kept.",
        example: "[\"{transaction}\", {\"tracer\": \"callTracer\", \"tracerConfig\": {\"withLog\": true}}]",
        handler: Handler::Waiting(tracing::transaction),
    },
    Method {
        name: "debug_traceCall",
        parameters: &[CALL, AT, OPTIONS],
        result: "as `debug_traceTransaction`",
        documentation: "What a transaction would do. The options may have `stateOverrides` and `blockOverrides`.",
        example: "[{\"to\": \"{contract}\", \"data\": \"0x18160ddd\"}, \"latest\", {\"disableStack\": true}]",
        handler: Handler::Waiting(tracing::call),
    },
    Method {
        name: "debug_traceBlockByNumber",
        parameters: &[BLOCK, OPTIONS],
        result: "a list of {txHash, result}",
        documentation: "What the transactions of a block did, each as `debug_traceTransaction` tells it.",
        example: "[\"0x2\", {\"tracer\": \"callTracer\", \"tracerConfig\": {\"onlyTopCall\": true}}]",
        handler: Handler::Waiting(tracing::block),
    },
    Method {
        name: "debug_traceBlockByHash",
        parameters: &[BLOCK, OPTIONS],
        result: "as `debug_traceBlockByNumber`",
        documentation: "The same.",
        example: "[\"{ethereum_block}\", {\"tracer\": \"callTracer\"}]",
        handler: Handler::Waiting(tracing::block),
    },
];
