//! Programs that do what EVM code can do, with little that stops them at once.

use proptest::prelude::*;

/// How many contracts a world has.
pub const CONTRACTS: u8 = 4;
/// How many accounts it has for which another's code may stand.
pub const AUTHORITIES: u8 = 3;

/// One step of a program.
#[derive(Debug, Clone)]
pub enum Step {
    /// Any bytes.
    Raw(Vec<u8>),
    /// An instruction of two words that leaves one, and what becomes of that is stored.
    Compute {
        instruction: u8,
        left: u64,
        right: u64,
        key: u8,
    },
    Store {
        key: u8,
        value: u8,
    },
    Load {
        key: u8,
        into: u8,
    },
    StoreTransient {
        key: u8,
        value: u8,
    },
    LoadTransient {
        key: u8,
        into: u8,
    },
    Log {
        topics: u8,
        length: u8,
    },
    /// `kind`: CALL, CALLCODE, DELEGATECALL, STATICCALL. Its success and the size of what came back are stored.
    Call {
        kind: u8,
        target: u8,
        gas: Option<u16>,
        value: u8,
        input: u8,
        output: u8,
        key: u8,
    },
    /// `salt` makes it CREATE2. The contract's address is stored, and it is called.
    Create {
        salt: Option<u8>,
        value: u8,
        code: Vec<u8>,
        key: u8,
    },
    Destroy {
        target: u8,
    },
    /// An instruction of an address: BALANCE, EXTCODESIZE, EXTCODEHASH.
    Inspect {
        instruction: u8,
        target: u8,
        key: u8,
    },
    /// An instruction without an argument that leaves a word.
    Environment {
        instruction: u8,
        key: u8,
    },
    BlockHash {
        back: u16,
        key: u8,
    },
    CopyReturned {
        length: u8,
    },
    Memory {
        at: u16,
        value: u8,
    },
    Hash {
        length: u8,
        key: u8,
    },
}

/// How a program ends.
#[derive(Debug, Clone)]
pub enum End {
    Stop,
    Return(u8),
    Revert(u8),
    Invalid,
}

#[derive(Debug, Clone)]
pub struct Program {
    pub steps: Vec<Step>,
    pub end: End,
}

const COMPUTED: [u8; 21] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1b,
    0x1c, 0x1d,
];
const ENVIRONMENT: [u8; 17] =
    [0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4a];

fn key() -> impl Strategy<Value = u8> {
    0_u8..4
}

fn target() -> impl Strategy<Value = u8> {
    0_u8..26
}

fn step(depth: u32) -> BoxedStrategy<Step> {
    let leaf = prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 1..6).prop_map(Step::Raw),
        2 => (proptest::sample::select(&COMPUTED[..]), any::<u64>(), 0_u64..300, key())
            .prop_map(|(instruction, left, right, key)| Step::Compute { instruction, left, right, key }),
        5 => (key(), 0_u8..3).prop_map(|(key, value)| Step::Store { key, value }),
        2 => (key(), key()).prop_map(|(key, into)| Step::Load { key, into }),
        1 => (key(), 0_u8..3).prop_map(|(key, value)| Step::StoreTransient { key, value }),
        1 => (key(), key()).prop_map(|(key, into)| Step::LoadTransient { key, into }),
        1 => (0_u8..5, any::<u8>()).prop_map(|(topics, length)| Step::Log { topics, length }),
        8 => (0_u8..4, target(), proptest::option::of(any::<u16>()), 0_u8..3, 0_u8..70, 0_u8..70, key()).prop_map(
            |(kind, target, gas, value, input, output, key)| Step::Call { kind, target, gas, value, input, output, key }
        ),
        1 => target().prop_map(|target| Step::Destroy { target }),
        2 => (proptest::sample::select(&[0x31_u8, 0x3b, 0x3f][..]), target(), key())
            .prop_map(|(instruction, target, key)| Step::Inspect { instruction, target, key }),
        2 => (proptest::sample::select(&ENVIRONMENT[..]), key())
            .prop_map(|(instruction, key)| Step::Environment { instruction, key }),
        1 => (0_u16..300, key()).prop_map(|(back, key)| Step::BlockHash { back, key }),
        1 => (0_u8..40).prop_map(|length| Step::CopyReturned { length }),
        1 => (0_u16..2000, any::<u8>()).prop_map(|(at, value)| Step::Memory { at, value }),
        1 => (any::<u8>(), key()).prop_map(|(length, key)| Step::Hash { length, key }),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let create = (proptest::option::of(0_u8..2), 0_u8..3, program(depth - 1, 4), key())
        .prop_map(|(salt, value, program, key)| Step::Create { salt, value, code: program.creating(), key });
    prop_oneof![12 => leaf, 1 => create].boxed()
}

/// A program whose creations nest so deeply.
pub fn program(depth: u32, steps: usize) -> BoxedStrategy<Program> {
    let end = prop_oneof![
        4 => Just(End::Stop),
        3 => any::<u8>().prop_map(End::Return),
        2 => any::<u8>().prop_map(End::Revert),
        1 => Just(End::Invalid),
    ];
    (proptest::collection::vec(step(depth), 0..steps), end).prop_map(|(steps, end)| Program { steps, end }).boxed()
}

fn push(code: &mut Vec<u8>, number: u64) {
    let bytes = number.to_be_bytes();
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count().min(7)..];
    code.push(0x5f + bytes.len() as u8);
    code.extend_from_slice(bytes);
}

/// Pushes the address that a target is.
fn push_target(code: &mut Vec<u8>, target: u8) {
    match target {
        // A contract.
        0..=7 => {
            code.push(0x73);
            code.extend_from_slice(&super::contract(target % CONTRACTS).0);
        }
        8 => code.extend_from_slice(&[0x33]),
        9 => code.extend_from_slice(&[0x41]),
        10 => code.extend_from_slice(&[0x30]),
        11 => push(code, 0xdead_beef),
        // What was created last.
        12 | 13 => code.extend_from_slice(&[0x60, 9, 0x54]),
        20.. => {
            code.push(0x73);
            code.extend_from_slice(&super::authority_address(target % AUTHORITIES).0);
        }
        _ => push(code, u64::from(target) - 13),
    }
}

fn store(code: &mut Vec<u8>, key: u8) {
    push(code, key.into());
    code.push(0x55);
}

impl Program {
    pub fn code(&self) -> Vec<u8> {
        let mut code = Vec::new();
        for step in &self.steps {
            step.write(&mut code);
        }
        match self.end {
            End::Stop => code.push(0x00),
            End::Return(length) => {
                push(&mut code, length.into());
                code.extend_from_slice(&[0x5f, 0xf3]);
            }
            End::Revert(length) => {
                push(&mut code, length.into());
                code.extend_from_slice(&[0x5f, 0xfd]);
            }
            End::Invalid => code.push(0xfe),
        }
        code
    }

    /// Code that creates a contract with this program.
    pub fn creating(&self) -> Vec<u8> {
        let program = self.code();
        // PUSH2 length, DUP1, PUSH1 11, PUSH0, CODECOPY, PUSH0, RETURN
        let mut code = vec![0x61];
        code.extend_from_slice(&(program.len() as u16).to_be_bytes());
        code.extend_from_slice(&[0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3]);
        assert_eq!(code.len(), 10);
        code.extend_from_slice(&program);
        code
    }
}

impl Step {
    fn write(&self, code: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => code.extend_from_slice(bytes),
            Self::Compute { instruction, left, right, key } => {
                push(code, *right);
                push(code, *left);
                code.push(*instruction);
                store(code, *key);
            }
            Self::Store { key, value } => {
                push(code, (*value).into());
                store(code, *key);
            }
            Self::Load { key, into } => {
                push(code, (*key).into());
                code.push(0x54);
                store(code, *into);
            }
            Self::StoreTransient { key, value } => {
                push(code, (*value).into());
                push(code, (*key).into());
                code.push(0x5d);
            }
            Self::LoadTransient { key, into } => {
                push(code, (*key).into());
                code.push(0x5c);
                store(code, *into);
            }
            Self::Log { topics, length } => {
                (0..*topics).for_each(|topic| push(code, topic.into()));
                push(code, (*length).into());
                code.extend_from_slice(&[0x5f, 0xa0 + topics]);
            }
            Self::Call { .. } | Self::Create { .. } => self.write_frame(code),
            Self::Destroy { target } => {
                push_target(code, *target);
                code.push(0xff);
            }
            Self::Inspect { instruction, target, key } => {
                push_target(code, *target);
                code.push(*instruction);
                store(code, *key);
            }
            Self::Environment { instruction, key } => {
                code.push(*instruction);
                store(code, *key);
            }
            Self::BlockHash { back, key } => {
                push(code, (*back).into());
                code.extend_from_slice(&[0x43, 0x03, 0x40]);
                store(code, *key);
            }
            Self::CopyReturned { length } => {
                push(code, (*length).into());
                code.extend_from_slice(&[0x5f, 0x5f, 0x3e]);
            }
            Self::Memory { at, value } => {
                push(code, (*value).into());
                push(code, (*at).into());
                code.push(0x52);
            }
            Self::Hash { length, key } => {
                push(code, (*length).into());
                code.extend_from_slice(&[0x5f, 0x20]);
                store(code, *key);
            }
        }
    }

    /// A call or a creation.
    fn write_frame(&self, code: &mut Vec<u8>) {
        match self {
            Self::Call { kind, target, gas, value, input, output, key } => {
                push(code, (*output).into());
                code.push(0x5f);
                push(code, (*input).into());
                code.push(0x5f);
                if *kind < 2 {
                    push(code, (*value).into());
                }
                push_target(code, *target);
                match gas {
                    Some(gas) => push(code, (*gas).into()),
                    None => code.push(0x5a),
                }
                code.push([0xf1, 0xf2, 0xf4, 0xfa][usize::from(*kind)]);
                store(code, *key);
                code.push(0x3d);
                store(code, 8);
            }
            Self::Create { salt, value, code: created, key } => {
                for (index, chunk) in created.chunks(32).enumerate() {
                    let mut word = [0; 32];
                    word[..chunk.len()].copy_from_slice(chunk);
                    code.push(0x7f);
                    code.extend_from_slice(&word);
                    push(code, index as u64 * 32);
                    code.push(0x52);
                }
                if let Some(salt) = salt {
                    push(code, (*salt).into());
                }
                push(code, created.len() as u64);
                code.push(0x5f);
                push(code, (*value).into());
                code.push(if salt.is_some() { 0xf5 } else { 0xf0 });
                code.push(0x80);
                store(code, 9);
                store(code, *key);
            }
            _ => {}
        }
    }
}
