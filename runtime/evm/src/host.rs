//! What EVM code needs of the host beside what all code does.

use entente_crypto::Hash;
use entente_host::{CallHost, CallRequest, ContractFault, CreateRequest, Fault, FrameStatus, NodeFault, Outcome};
use entente_types::{Address, Amount};
use revm_interpreter::{Stack, primitives::U256};

use crate::EvmCode;

/// A word of the EVM's storage, big-endian.
pub type Word = [u8; 32];

/// An account as EVM code sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvmAccount {
    /// The coin it holds.
    pub balance: Amount,
    /// The count of its transactions, or of its creations.
    pub nonce: u64,
    /// Its code.
    pub code: ShownCode,
}

/// What EVM code sees of an account's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownCode {
    /// None.
    None,
    /// EVM code or a [`delegation`], stored under its Keccak-256.
    Evm(Hash),
    /// What stands for code of another kind: see [`shown_wasm`] and [`shown_native`].
    Other(Vec<u8>),
}

impl EvmAccount {
    /// Whether Ethereum holds that there is no such account (EIP-161).
    pub fn is_empty(&self) -> bool {
        self.balance.is_zero() && self.nonce == 0 && self.code == ShownCode::None
    }
}

/// What EXTCODESIZE, EXTCODEHASH and EXTCODECOPY see of a Wasm contract: 0xEF5741 and the hash of its module.
pub fn shown_wasm(code_hash: &Hash) -> Vec<u8> {
    [&[0xef, 0x57, 0x41], code_hash.as_ref()].concat()
}

/// The same of a native module: 0xEF4E54 and its address.
pub fn shown_native(address: &Address) -> Vec<u8> {
    [&[0xef, 0x4e, 0x54], address.as_ref()].concat()
}

/// The code of an account for which the code at an address stands: 0xEF0100 and the address (EIP-7702).
pub fn delegation(address: &Address) -> Vec<u8> {
    [&[0xef, 0x01, 0x00], address.as_ref()].concat()
}

/// What SELFDESTRUCT came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfDestruct {
    /// Whether the contract had coin.
    pub had_value: bool,
    /// Whether there was an account to give it to.
    pub target_existed: bool,
    /// Whether the contract was marked for removal before.
    pub was_marked: bool,
}

/// What was stored under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Before the transaction.
    pub original: Word,
    /// Until now.
    pub present: Word,
}

/// The stack and the memory of a run's outermost frame, kept for the next run.
#[derive(Default)]
pub struct Spare {
    pub(crate) stack: Option<Stack>,
    pub(crate) memory: Vec<u8>,
}

/// What a nested call or creation that EVM code asked for came to.
#[derive(Debug)]
pub enum Opened {
    /// A frame of EVM code stands, and its code is to be run: then [`EvmHost::close`] must follow.
    Evm(EvmCode),
    /// The frame of a precompile stands, which is to be run: then [`EvmHost::close`] must follow.
    Precompile,
    /// It is over: other code ran, or none, or the frame was refused. A refusal leaves the gas.
    Ended(Outcome),
}

/// A call that EVM code asks for. Its input stands in the caller's memory, where EVM code and precompiles read it: only
/// what other code needs is copied, and paid for before.
pub struct EvmCall<'a> {
    /// The call, without its input.
    pub request: CallRequest,
    /// The bytes of its input.
    pub input_length: usize,
    /// Copies its input.
    pub input: &'a dyn Fn() -> Vec<u8>,
}

/// How a frame of EVM code ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing<'a> {
    /// What it did is undone.
    Undone,
    /// What it did stands.
    Stands,
    /// What it did stands, and its output becomes the code of its account.
    Created(&'a [u8]),
}

/// What a frame came to, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending<'a> {
    /// How it ended.
    pub status: &'a FrameStatus,
    /// What it gave back; for a constructor of EVM code, the contract's code.
    pub output: &'a [u8],
    /// The gas that it did not use, in units.
    pub gas_left: u64,
}

/// An instruction that is about to run, for those who watch.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Where in the code it stands.
    pub place: usize,
    /// Its number.
    pub instruction: u8,
    /// The gas that is left, in Ethereum's unit.
    pub gas: u64,
    /// The words on the stack, the topmost last.
    pub stack: &'a [U256],
    /// The frame's memory.
    pub memory: &'a [u8],
    /// What the last nested frame gave back.
    pub returned: &'a [u8],
}

/// What the instruction came to.
#[derive(Debug, Clone, Copy)]
pub struct Stepped<'a> {
    /// What it cost; for a call, with the gas that goes down. Of one that could not be paid, what it costs at least.
    pub cost: u64,
    /// What the frames of EVM code that stand get back so far, in Ethereum's gas.
    pub refund: i64,
    /// The words on the stack afterwards.
    pub stack: &'a [U256],
    /// Why the frame ended at it, where it did so by a fault.
    pub fault: Option<&'a ContractFault>,
}

/// A host that EVM code can run on. Whether an address or a slot is warm (EIP-2929) and what is transient (EIP-1153)
/// lasts as long as a transaction, and is undone with the frame that did it.
pub trait EvmHost: CallHost {
    /// What the transaction pays for a unit of Ethereum's gas.
    fn gas_price(&self) -> Amount;

    /// The account, read as part of the state.
    fn account(&mut self, address: &Address) -> Result<EvmAccount, NodeFault>;

    /// The code of accounts stored under a hash, analysed.
    ///
    /// # Errors
    /// A fault of the contract where the transaction touches more code than it may.
    fn code(&mut self, hash: &Hash) -> Result<EvmCode, Fault>;

    /// Whether the address is warm.
    fn is_warm(&self, address: &Address) -> bool;

    /// Makes it warm.
    fn warm(&mut self, address: &Address);

    /// Whether the slot is warm.
    fn is_slot_warm(&self, address: &Address, key: &Word) -> bool;

    /// Makes it warm. Tells whether it was cold.
    fn warm_slot(&mut self, address: &Address, key: &Word) -> bool;

    /// The word stored under a key; zero where there is none, or a value that is no word.
    fn load(&mut self, address: &Address, key: &Word) -> Result<Word, NodeFault>;

    /// Stores a word; zero removes it. Gives what was there.
    fn store(&mut self, address: &Address, key: &Word, value: &Word) -> Result<Stored, NodeFault>;

    /// A word of the transient storage.
    fn load_transient(&self, address: &Address, key: &Word) -> Word;

    /// Stores a word in the transient storage.
    ///
    /// # Errors
    /// A fault of the contract where that holds as many words as it may.
    fn store_transient(&mut self, address: &Address, key: &Word, value: &Word) -> Result<(), Fault>;

    /// Gives all coin of the innermost frame's account to the target, and marks the account for removal where this
    /// transaction created it (EIP-6780).
    fn self_destruct(&mut self, target: &Address) -> Result<SelfDestruct, Fault>;

    /// The Ethereum hash of one of the last 256 blocks; zero where there is none.
    fn ethereum_hash(&mut self, number: u64) -> Result<Hash, NodeFault>;

    /// Adds to what the transaction gets back at its end (EIP-3529), in Ethereum's gas.
    fn refund(&mut self, gas: i64);

    /// Opens the frame of a call. The caller's own address, where it calls by value or delegates, is the innermost
    /// frame's.
    fn open_call(self: Box<Self>, call: EvmCall<'_>) -> (Box<Self>, Result<Opened, NodeFault>);

    /// Opens the frame of a creation.
    fn open_create(self: Box<Self>, request: CreateRequest) -> (Box<Self>, Result<Opened, NodeFault>);

    /// Ends the innermost frame.
    fn close(&mut self, closing: Closing<'_>, ending: &Ending<'_>) -> Result<(), NodeFault>;

    /// Where what a run needs is kept for the next.
    fn spare(&mut self) -> &mut Spare;

    /// Whether somebody watches each instruction.
    fn is_watched(&self) -> bool;

    /// An instruction is about to run.
    fn step(&mut self, step: &Step<'_>);

    /// It has run.
    ///
    /// # Errors
    /// Where whoever watches has seen as much as it may: the whole run ends.
    fn stepped(&mut self, stepped: &Stepped<'_>) -> Result<(), NodeFault>;
}
