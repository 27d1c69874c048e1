//! The pieces of EVM code whose price the gas bench compares with their time: what Ethereum asks for them is not ours to
//! choose, but whether a block full of one of them takes too long is.

use crate::classes::Class;

/// Instructions by their names in Ethereum's yellow paper, appendix H.
mod op {
    pub(super) const STOP: u8 = 0x00;
    pub(super) const ADD: u8 = 0x01;
    pub(super) const MUL: u8 = 0x02;
    pub(super) const SUB: u8 = 0x03;
    pub(super) const DIV: u8 = 0x04;
    pub(super) const SDIV: u8 = 0x05;
    pub(super) const ADDMOD: u8 = 0x08;
    pub(super) const MULMOD: u8 = 0x09;
    pub(super) const EXP: u8 = 0x0a;
    pub(super) const SIGNEXTEND: u8 = 0x0b;
    pub(super) const NOT: u8 = 0x19;
    pub(super) const BYTE: u8 = 0x1a;
    pub(super) const SAR: u8 = 0x1d;
    pub(super) const CLZ: u8 = 0x1e;
    pub(super) const KECCAK256: u8 = 0x20;
    pub(super) const BALANCE: u8 = 0x31;
    pub(super) const CALLDATALOAD: u8 = 0x35;
    pub(super) const CALLDATACOPY: u8 = 0x37;
    pub(super) const CODECOPY: u8 = 0x39;
    pub(super) const EXTCODESIZE: u8 = 0x3b;
    pub(super) const EXTCODECOPY: u8 = 0x3c;
    pub(super) const EXTCODEHASH: u8 = 0x3f;
    pub(super) const POP: u8 = 0x50;
    pub(super) const MLOAD: u8 = 0x51;
    pub(super) const MSTORE: u8 = 0x52;
    pub(super) const SLOAD: u8 = 0x54;
    pub(super) const SSTORE: u8 = 0x55;
    pub(super) const JUMPI: u8 = 0x57;
    pub(super) const GAS: u8 = 0x5a;
    pub(super) const JUMPDEST: u8 = 0x5b;
    pub(super) const TLOAD: u8 = 0x5c;
    pub(super) const TSTORE: u8 = 0x5d;
    pub(super) const MCOPY: u8 = 0x5e;
    pub(super) const PUSH0: u8 = 0x5f;
    pub(super) const DUP1: u8 = 0x80;
    pub(super) const DUP2: u8 = 0x81;
    pub(super) const DUP3: u8 = 0x82;
    pub(super) const SWAP1: u8 = 0x90;
    pub(super) const LOG0: u8 = 0xa0;
    pub(super) const CREATE: u8 = 0xf0;
    pub(super) const CALL: u8 = 0xf1;
    pub(super) const RETURN: u8 = 0xf3;
    pub(super) const DELEGATECALL: u8 = 0xf4;
    pub(super) const STATICCALL: u8 = 0xfa;
}
use op::{
    ADD, ADDMOD, BALANCE, BYTE, CALL, CALLDATACOPY, CALLDATALOAD, CLZ, CODECOPY, CREATE, DELEGATECALL, DIV, DUP1, DUP2,
    DUP3, EXP, EXTCODECOPY, EXTCODEHASH, EXTCODESIZE, GAS, JUMPDEST, JUMPI, KECCAK256, LOG0, MCOPY, MLOAD, MSTORE, MUL,
    MULMOD, NOT, POP, PUSH0, RETURN, SAR, SDIV, SIGNEXTEND, SLOAD, SSTORE, STATICCALL, STOP, SUB, SWAP1, TLOAD, TSTORE,
};

/// Code, written one instruction after the other.
#[derive(Default, Clone)]
struct Code(Vec<u8>);

impl Code {
    fn ops(mut self, ops: &[u8]) -> Self {
        self.0.extend_from_slice(ops);
        self
    }

    /// Pushes a number of at most 32 bits.
    fn push(self, number: u32) -> Self {
        let bytes = number.to_be_bytes();
        self.ops(&[0x63]).ops(&bytes)
    }

    /// Pushes 32 bytes.
    fn word(self, word: &[u8; 32]) -> Self {
        self.ops(&[0x7f]).ops(word)
    }

    fn times(self, count: usize, ops: &Self) -> Self {
        (0..count).fold(self, |code, _| code.ops(&ops.0))
    }

    /// Puts bytes into memory from its beginning on, as they are.
    fn store(self, bytes: &[u8]) -> Self {
        (0_u32..).zip(bytes.chunks(32)).fold(self, |code, (place, chunk)| {
            let mut word = [0; 32];
            word.iter_mut().zip(chunk).for_each(|(target, byte)| *target = *byte);
            code.word(&word).push(32 * place).ops(&[MSTORE])
        })
    }
}

/// What creates a contract of this code.
fn creating(code: &[u8]) -> Vec<u8> {
    let length = code.len() as u32;
    // PUSH4 length, DUP1, PUSH4 15, PUSH0, CODECOPY, PUSH0, RETURN
    let begin = Code::default().push(length).ops(&[DUP1]).push(15).ops(&[PUSH0, CODECOPY, PUSH0, RETURN]);
    [begin.0, code.to_vec()].concat()
}

/// Code that repeats a body as often as the first four bytes of its input say. The count lies on the stack beneath what
/// the body puts there, which must be gone when it ends; memory is the body's from 64 on, and before that for `prepare`.
fn repeating(prepare: &Code, body: &Code) -> Vec<u8> {
    // The count has its lowest byte first: they are copied one by one to where MLOAD reads the lowest last.
    let count = (0_u8..4)
        .fold(Code::default(), |code, place| code.ops(&[0x60, 1, 0x60, place, 0x60, 31 - place, CALLDATACOPY]));
    let head = count.ops(&[PUSH0, MLOAD]).ops(&prepare.0);
    let start = head.0.len() as u32;
    let code = head.ops(&[JUMPDEST]).ops(&body.0).ops(&[0x60, 1, SWAP1, SUB, DUP1]).push(start).ops(&[JUMPI, STOP]);
    creating(&code.0)
}

/// One instruction, many times in a round.
fn many(name: &str, times: u32, prepare: &Code, piece: &Code) -> Class {
    const PIECES: usize = 32;
    let module = repeating(prepare, &Code::default().times(PIECES, piece));
    Class { name: format!("evm: {name}"), module, others: Vec::new(), times, pieces: PIECES as u32 }
}

/// Once in a round.
fn once(name: &str, times: u32, prepare: &Code, body: &Code, others: Vec<Vec<u8>>) -> Class {
    let module = repeating(prepare, body);
    Class { name: format!("evm: {name}"), module, others, times, pieces: 1 }
}

pub(crate) fn evm_classes() -> Vec<Class> {
    let mut all = arithmetic();
    all.extend(memory());
    all.extend(storage());
    all.extend(accounts());
    all.extend(frames());
    all.extend(precompiles());
    all
}

fn arithmetic() -> Vec<Class> {
    let of = |name: &str, piece: &[u8]| {
        let first = Code::default().word(&[0xfb; 32]).word(&[0x17; 32]).word(&[0x9d; 32]);
        // Three numbers lie on the stack beneath each piece, which leaves three.
        let body = Code::default().times(32, &Code::default().ops(piece));
        let end = Code::default().ops(&[POP, POP, POP]);
        let body = first.ops(&body.0).ops(&end.0);
        Class {
            name: format!("evm: {name}"),
            module: repeating(&Code::default(), &body),
            others: Vec::new(),
            times: 20_000,
            pieces: 32,
        }
    };
    vec![
        of("additions", &[DUP2, ADD]),
        of("multiplications", &[DUP2, MUL]),
        of("divisions of 256 bits", &[DUP2, NOT, DIV, NOT]),
        of("signed divisions", &[DUP2, NOT, SDIV, NOT]),
        of("additions modulo 256 bits", &[DUP3, DUP3, DUP3, ADDMOD, 0x01]),
        of("multiplications modulo 256 bits", &[DUP3, DUP3, DUP3, MULMOD, 0x01]),
        of("powers with exponents of 32 bytes", &[DUP2, EXP]),
        of("sign extensions", &[0x60, 7, SIGNEXTEND]),
        of("bytes of a word", &[0x60, 3, BYTE, NOT]),
        of("arithmetic shifts", &[0x60, 3, SAR, NOT]),
        of("leading zeros", &[CLZ, NOT]),
        of("input loads", &[PUSH0, CALLDATALOAD, ADD]),
    ]
}

/// What hashes bytes that lie in memory.
fn hash(bytes: u32) -> Code {
    Code::default().push(bytes).ops(&[PUSH0, KECCAK256, POP])
}

/// What makes memory of 32 KiB.
fn whole() -> Code {
    Code::default().ops(&[PUSH0]).push(0x8000).ops(&[MSTORE])
}

/// Those of a group whose genesis document puts SM3 in KECCAK256's place.
pub(crate) fn sm3_classes() -> Vec<Class> {
    vec![
        many("hash: sm3 of 32 bytes", 10_000, &Code::default(), &hash(32)),
        many("hash: sm3 of 16 KiB", 500, &whole(), &hash(16_384)),
    ]
}

fn memory() -> Vec<Class> {
    let (none, whole) = (Code::default(), whole());
    let copy = |bytes: u32| Code::default().push(bytes).ops(&[0x60, 32, PUSH0, MCOPY]);
    vec![
        many("memory: word stored", 20_000, &none, &Code::default().ops(&[DUP1, 0x60, 64, MSTORE])),
        many("memory: word loaded", 20_000, &none, &Code::default().ops(&[0x60, 64, MLOAD, POP])),
        many("memory: 16 KiB moved", 2_000, &whole, &copy(16_384)),
        many("hash: keccak256 of 32 bytes", 10_000, &none, &hash(32)),
        many("hash: keccak256 of 16 KiB", 500, &whole, &hash(16_384)),
        many("log: nothing", 5_000, &none, &Code::default().ops(&[PUSH0, PUSH0, LOG0])),
        many("log: 1 KiB", 500, &whole, &Code::default().push(1024).ops(&[PUSH0, LOG0])),
    ]
}

fn storage() -> Vec<Class> {
    let none = Code::default();
    vec![
        many("storage: the same slot read", 10_000, &none, &Code::default().ops(&[PUSH0, SLOAD, POP])),
        once("storage: another slot read each time", 50_000, &none, &Code::default().ops(&[DUP1, SLOAD, POP]), vec![]),
        once(
            "storage: another slot written each time",
            8_000,
            &none,
            &Code::default().ops(&[DUP1, DUP1, SSTORE]),
            vec![],
        ),
        many("storage: the same slot written", 5_000, &none, &Code::default().ops(&[GAS, PUSH0, SSTORE])),
        many("storage: a transient word read", 10_000, &none, &Code::default().ops(&[PUSH0, TLOAD, POP])),
        once(
            "storage: another transient word written",
            50_000,
            &none,
            &Code::default().ops(&[DUP1, DUP1, TSTORE]),
            vec![],
        ),
    ]
}

/// The address of the first of the other contracts is behind the count in the input, at its fourth byte.
fn other() -> Code {
    Code::default().ops(&[0x60, 4, CALLDATALOAD, 0x60, 96, 0x1c])
}

/// The address of one of so many other contracts in turn, where the count lies beneath `depth` words less one.
fn one_of(count: u8, depth: u8) -> Code {
    // 4 + 20 * (i mod count): the operand `depth` is that of DUP1 and its like.
    let index = Code::default().ops(&[0x60, count, DUP1 + depth, 0x06]);
    index.ops(&[0x60, 20, MUL, 0x60, 4, ADD, CALLDATALOAD, 0x60, 96, 0x1c])
}

/// Contracts of 24 KiB, each another, that stop at once.
fn large_contracts(count: u8) -> Vec<Vec<u8>> {
    let code = |number| [vec![STOP], vec![JUMPDEST; 24_574], vec![number]].concat();
    (0..count).map(|number| creating(&code(number))).collect()
}

fn accounts() -> Vec<Class> {
    let none = Code::default();
    let fresh = Code::default().ops(&[DUP1, 0x60, 64, 0x1b]);
    let copied = Code::default().push(24_576).ops(&[PUSH0, PUSH0]).ops(&one_of(200, 4).0).ops(&[EXTCODECOPY]);
    let of_one = |name: &str, code: Code, others| once(&format!("accounts: {name}"), 50_000, &none, &code, others);
    vec![
        of_one("balance of another each time", fresh.clone().ops(&[BALANCE, POP]), vec![]),
        of_one("code hash of another each time", fresh.ops(&[EXTCODEHASH, POP]), vec![]),
        of_one("size of code that is touched already", other().ops(&[EXTCODESIZE, POP]), vec![creating(&[STOP])]),
        of_one("24 KiB of code copied, of 200 contracts in turn", copied, large_contracts(200)),
        of_one(
            "sizes of the code of 200 contracts in turn",
            one_of(200, 1).ops(&[EXTCODESIZE, POP]),
            large_contracts(200),
        ),
    ]
}

/// Calls: nothing in, nothing out, all gas.
fn frames() -> Vec<Class> {
    let none = Code::default();
    let call = |zeros: usize, callee: Code, instruction: u8| {
        Code::default().ops(&vec![PUSH0; zeros]).ops(&callee.0).ops(&[GAS, instruction, POP])
    };
    let stop = || vec![creating(&[STOP])];
    let created = Code::default().ops(&[0x60, 3, PUSH0, PUSH0, CREATE, POP]);
    vec![
        once("frame: does nothing", 20_000, &none, &call(5, other(), CALL), stop()),
        once("frame: does nothing, static", 20_000, &none, &call(4, other(), STATICCALL), stop()),
        once("frame: does nothing, delegated to", 20_000, &none, &call(4, other(), DELEGATECALL), stop()),
        once(
            "frame: does nothing, of 200 contracts of 24 KiB in turn",
            5_000,
            &none,
            &call(5, one_of(200, 6), CALL),
            large_contracts(200),
        ),
        once("create: nothing", 5_000, &Code::default().store(&[PUSH0, PUSH0, RETURN]), &created, vec![]),
    ]
}

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_default()
}

/// A precompile that gets this input from memory; what it answers goes behind that.
fn precompile(name: &str, times: u32, address: u32, input: &[u8]) -> Class {
    let length = input.len() as u32;
    let prepare = Code::default().store(input);
    let body = Code::default().push(512).push(length.next_multiple_of(32)).push(length).ops(&[PUSH0]).push(address);
    // Whatever fails takes all its gas, and is seen.
    let body = body.ops(&[GAS, STATICCALL, 0x15]).push(0).ops(&[JUMPI]);
    once(&format!("precompile: {name}"), times, &prepare, &body, vec![])
}

// Inputs are those of Ethereum's tests (go-ethereum, `core/vm/testdata/precompiles`; EIP-7951) and of the curves'
// generators (EIP-196, EIP-2537).
const RECOVER: &str = "18c547e4f7b0f325ad1e56f57e26c745b09a3e503d86e00e5255ff7f715d3d1c\
    000000000000000000000000000000000000000000000000000000000000001c\
    73b1693892219d736caba55bdb67216e485557ea6b6af75f37096c9aa6a5a75f\
    eeb940b1d03b21e36b0e47e79769f095fe2ab855bd91e3a38756b7d75a9c4549";
const P256: &str = "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d\
    a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac\
    36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60\
    4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3\
    7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e";
const G2: &str = "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2\
    1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed\
    090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b\
    12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa";
const G1: &str = "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f\
    c3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb\
    0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4\
    fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";

fn precompiles() -> Vec<Class> {
    let word = |number: u8| {
        let mut word = [0; 32];
        if let Some(last) = word.last_mut() {
            *last = number;
        }
        word
    };
    let modexp = |base: usize, exponent: usize, modulus: usize| {
        let length = |length: usize| {
            let mut word = [0_u8; 32];
            word[28..].copy_from_slice(&(length as u32).to_be_bytes());
            word
        };
        let mut input = [length(base), length(exponent), length(modulus)].concat();
        input.extend(std::iter::repeat_n(0xfe, base + exponent));
        input.extend(std::iter::repeat_n(0xff, modulus));
        input
    };
    let generator = [word(1), word(2)].concat();
    let scaled = [generator.clone(), vec![0xff; 32]].concat();
    let pair = [generator.clone(), hex(G2)].concat();
    let g1 = hex(G1);
    let blake = |rounds: u32| [&rounds.to_be_bytes()[..], &[0x5a; 64 + 128 + 16], &[1]].concat();
    vec![
        precompile("ecrecover", 500, 1, &hex(RECOVER)),
        precompile("sha256 of 32 bytes", 5_000, 2, &[7; 32]),
        precompile("ripemd160 of 32 bytes", 5_000, 3, &[7; 32]),
        precompile("identity of 32 bytes", 10_000, 4, &[7; 32]),
        precompile("modexp, 1 byte each", 5_000, 5, &modexp(1, 1, 1)),
        precompile("modexp, 32 bytes each", 1_000, 5, &modexp(32, 32, 32)),
        precompile("modexp, 64 bytes, exponent 3 bytes", 1_000, 5, &modexp(64, 3, 64)),
        precompile("modexp, 256 bytes, exponent 3 bytes", 200, 5, &modexp(256, 3, 256)),
        precompile("bn254: two points added", 2_000, 6, &[generator.clone(), generator].concat()),
        precompile("bn254: a point multiplied", 500, 7, &scaled),
        precompile("bn254: one pairing", 50, 8, &pair),
        precompile("bn254: ten pairings", 20, 8, &pair.repeat(10)),
        precompile("blake2f, 1 round", 5_000, 9, &blake(1)),
        precompile("blake2f, 1,000 rounds", 500, 9, &blake(1_000)),
        precompile("bls12: two points added", 2_000, 0x0b, &g1.repeat(2)),
        precompile("bls12: a point multiplied", 500, 0x0c, &[g1, vec![0x5f; 32]].concat()),
        precompile("p256: a signature", 500, 0x100, &hex(P256)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_creates_is_fifteen_bytes_in_front_of_the_code() {
        let code = creating(&[STOP; 3]);
        assert_eq!(code.len(), 18);
        assert_eq!(code[..5], [0x63, 0, 0, 0, 3]);
        assert_eq!(code[6..11], [0x63, 0, 0, 0, 15]);
    }
}
