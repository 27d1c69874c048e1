//! EVM code written as a list of instructions with labels.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::collections::BTreeMap;

/// Code that is being written. A label stands for a place of two bytes.
#[derive(Default)]
pub struct Assembler {
    code: Vec<u8>,
    labels: BTreeMap<&'static str, usize>,
    uses: Vec<(usize, &'static str)>,
}

pub const STOP: u8 = 0x00;
pub const ADD: u8 = 0x01;
pub const SUB: u8 = 0x03;
pub const LT: u8 = 0x10;
pub const EQ: u8 = 0x14;
pub const ISZERO: u8 = 0x15;
pub const OR: u8 = 0x17;
pub const BYTE: u8 = 0x1a;
pub const SHL: u8 = 0x1b;
pub const SHR: u8 = 0x1c;
pub const ADDRESS: u8 = 0x30;
pub const CALLER: u8 = 0x33;
pub const CALLVALUE: u8 = 0x34;
pub const CALLDATASIZE: u8 = 0x36;
pub const CALLDATACOPY: u8 = 0x37;
pub const CODECOPY: u8 = 0x39;
pub const RETURNDATASIZE: u8 = 0x3d;
pub const RETURNDATACOPY: u8 = 0x3e;
pub const POP: u8 = 0x50;
pub const MLOAD: u8 = 0x51;
pub const MSTORE: u8 = 0x52;
pub const MSTORE8: u8 = 0x53;
pub const SLOAD: u8 = 0x54;
pub const SSTORE: u8 = 0x55;
pub const JUMP: u8 = 0x56;
pub const JUMPI: u8 = 0x57;
pub const JUMPDEST: u8 = 0x5b;
pub const DUP1: u8 = 0x80;
pub const DUP2: u8 = 0x81;
pub const DUP3: u8 = 0x82;
pub const SWAP1: u8 = 0x90;
pub const LOG0: u8 = 0xa0;
pub const CREATE: u8 = 0xf0;
pub const CALL: u8 = 0xf1;
pub const RETURN: u8 = 0xf3;
pub const DELEGATECALL: u8 = 0xf4;
pub const STATICCALL: u8 = 0xfa;
pub const REVERT: u8 = 0xfd;
pub const INVALID: u8 = 0xfe;

impl Assembler {
    pub fn op(&mut self, instructions: &[u8]) -> &mut Self {
        self.code.extend_from_slice(instructions);
        self
    }

    pub fn push(&mut self, number: u64) -> &mut Self {
        let bytes = number.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count().min(7)..];
        self.code.push(0x5f + bytes.len() as u8);
        self.op(bytes)
    }

    pub fn push_label(&mut self, label: &'static str) -> &mut Self {
        self.code.push(0x61);
        self.uses.push((self.code.len(), label));
        self.op(&[0, 0])
    }

    pub fn jump(&mut self, label: &'static str) -> &mut Self {
        self.push_label(label).op(&[JUMP])
    }

    /// Jumps where the word on top is not zero.
    pub fn jump_if(&mut self, label: &'static str) -> &mut Self {
        self.push_label(label).op(&[JUMPI])
    }

    pub fn label(&mut self, label: &'static str) -> &mut Self {
        assert!(self.labels.insert(label, self.code.len()).is_none(), "{label} twice");
        self.op(&[JUMPDEST])
    }

    pub fn finish(&mut self) -> Vec<u8> {
        let mut code = std::mem::take(&mut self.code);
        for (place, label) in &self.uses {
            let target = u16::try_from(self.labels[label]).expect("short code");
            code[*place..*place + 2].copy_from_slice(&target.to_be_bytes());
        }
        code
    }
}

/// Code that creates a contract with this code.
pub fn creating(runtime: &[u8]) -> Vec<u8> {
    let mut code = vec![0x61];
    code.extend_from_slice(&(runtime.len() as u16).to_be_bytes());
    // DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN
    code.extend_from_slice(&[DUP1, 0x60, 10, 0x5f, CODECOPY, 0x5f, RETURN]);
    assert_eq!(code.len(), 10);
    code.extend_from_slice(runtime);
    code
}
