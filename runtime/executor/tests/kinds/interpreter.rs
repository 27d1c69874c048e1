//! The EVM's counterpart of the contract that does what its input says: the same scripts, the same trace but for what
//! the kinds cannot have alike.

use crate::assembler::*;

/// Where the place in the script, and the place in the trace, are kept.
const AT: u64 = 0x00;
const TO: u64 = 0x20;
const TRACE: u64 = 0x100;
const INPUT: u64 = 0x8000;

/// Pushes the place in the script, and so many bytes further.
fn at(code: &mut Assembler, further: u64) {
    code.push(AT).op(&[MLOAD]).push(further).op(&[ADD]);
}

/// Pushes the byte at the place on top.
fn byte(code: &mut Assembler) {
    code.op(&[MLOAD]).push(248).op(&[SHR]);
}

/// Pushes the number of so many bytes, the lowest first, that begins `further` on.
fn number(code: &mut Assembler, further: u64, bytes: u64) {
    code.push(0);
    for index in 0..bytes {
        at(code, further + index);
        byte(code);
        code.push(index * 8).op(&[SHL, OR]);
    }
}

/// Goes on in the script by the number on top.
fn advance(code: &mut Assembler) {
    code.push(AT).op(&[MLOAD, ADD]).push(AT).op(&[MSTORE]);
}

fn advance_by(code: &mut Assembler, bytes: u64) {
    code.push(bytes);
    advance(code);
}

/// Goes on in the trace.
fn traced(code: &mut Assembler, bytes: u64) {
    code.push(bytes).push(TO).op(&[MLOAD, ADD]).push(TO).op(&[MSTORE]);
}

/// Writes the lowest byte of the word on top into the trace.
fn trace_byte(code: &mut Assembler) {
    code.push(TO).op(&[MLOAD, MSTORE8]);
    traced(code, 1);
}

/// Writes the highest `bytes` of the word on top into the trace.
fn trace_word(code: &mut Assembler, bytes: u64) {
    code.push(TO).op(&[MLOAD, MSTORE]);
    traced(code, bytes);
}

pub fn interpreter() -> Vec<u8> {
    let mut code = Assembler::default();
    let code = &mut code;
    code.op(&[CALLDATASIZE]).push(0).push(INPUT).op(&[CALLDATACOPY]);
    code.push(INPUT).push(AT).op(&[MSTORE]).push(TRACE).push(TO).op(&[MSTORE]);
    code.label("next");
    // at < end?
    code.push(INPUT).op(&[CALLDATASIZE, ADD]).push(AT).op(&[MLOAD, LT, ISZERO]).jump_if("done");
    at(code, 0);
    byte(code);
    advance_by(code, 1);
    for (number, label) in
        (1_u64..).zip(["write", "log", "revert", "trap", "call", "create", "read", "who", "returned", "remove"])
    {
        code.op(&[DUP1]).push(number).op(&[EQ]).jump_if(label);
    }
    code.label("trap").op(&[INVALID]);

    storage(code);
    frames(code);
    readings(code);
    code.label("done").push(TRACE).push(TO).op(&[MLOAD, SUB]).push(TRACE).op(&[RETURN]);
    code.finish()
}

/// What changes the storage or ends the frame.
fn storage(code: &mut Assembler) {
    code.label("write");
    at(code, 1);
    code.op(&[MLOAD]).push(192).op(&[SHR]);
    at(code, 0);
    byte(code);
    code.op(&[SSTORE]);
    advance_by(code, 9);
    code.jump("next");

    code.label("remove").push(0);
    at(code, 0);
    byte(code);
    code.op(&[SSTORE]);
    advance_by(code, 1);
    code.jump("next");

    code.label("log").push(1);
    at(code, 0);
    code.op(&[LOG0]);
    advance_by(code, 1);
    code.jump("next");

    code.label("revert").push(1);
    at(code, 0);
    code.op(&[REVERT]);
}

/// What opens frames.
fn frames(code: &mut Assembler) {
    code.label("call");
    // No output is copied; the input stands in the script.
    code.push(0).push(0);
    number(code, 61, 2);
    at(code, 65);
    for (kind, label) in [(1, "delegate"), (2, "static")] {
        at(code, 0);
        byte(code);
        code.push(kind).op(&[EQ]).jump_if(label);
    }
    number(code, 21, 1);
    address(code);
    number(code, 53, 4);
    code.op(&[CALL]).jump("called");
    for (label, instruction) in [("delegate", DELEGATECALL), ("static", STATICCALL)] {
        code.label(label);
        address(code);
        number(code, 53, 4);
        code.op(&[instruction]).jump("called");
    }
    code.label("called").op(&[ISZERO]);
    trace_byte(code);
    number(code, 61, 2);
    code.push(65).op(&[ADD]);
    advance(code);
    code.jump("next");

    code.label("create");
    number(code, 32, 2);
    at(code, 36);
    number(code, 0, 1);
    code.op(&[CREATE]);
    code.op(&[DUP1, ISZERO]);
    trace_byte(code);
    code.push(96).op(&[SHL]);
    trace_word(code, 20);
    number(code, 32, 2);
    code.push(36).op(&[ADD]);
    advance(code);
    code.jump("next");
}

/// What only tells.
fn readings(code: &mut Assembler) {
    code.label("read");
    at(code, 0);
    byte(code);
    code.op(&[SLOAD, DUP1, ISZERO, ISZERO]);
    trace_byte(code);
    code.push(192).op(&[SHL]);
    trace_word(code, 8);
    advance_by(code, 1);
    code.jump("next");

    code.label("who");
    for instruction in [CALLER, ADDRESS] {
        code.op(&[instruction]).push(96).op(&[SHL]);
        trace_word(code, 20);
    }
    code.op(&[CALLVALUE]);
    trace_word(code, 32);
    code.jump("next");

    code.label("returned").op(&[RETURNDATASIZE]).push(0).push(TO).op(&[MLOAD, RETURNDATACOPY]);
    code.op(&[RETURNDATASIZE]).push(TO).op(&[MLOAD, ADD]).push(TO).op(&[MSTORE]);
    code.jump("next");
}

/// Pushes the address of a call.
fn address(code: &mut Assembler) {
    at(code, 1);
    code.op(&[MLOAD]).push(96).op(&[SHR]);
}
