//! Every instruction of EVM code that a transaction ran.

use std::collections::BTreeMap;

use entente_evm::{Ending, Step, Stepped, Word};
use entente_types::{Address, Receipt, Status};
use hashbrown::HashMap;
use ruint::aliases::U256;

use super::ethereum_words;
use crate::observer::{Budget, Place};

const SLOAD: u8 = 0x54;
const SSTORE: u8 = 0x55;

/// The bytes of JSON that an instruction has beside what is asked for.
const STEP_BYTES: usize = 110;
/// What a word of the stack has beside its digits.
const WORD_BYTES: usize = 5;
/// What a slot has, with its value.
const SLOT_BYTES: usize = 136;
/// What 32 bytes of memory have.
const MEMORY_WORD_BYTES: usize = 67;

/// What to tell of each instruction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct StepOptions {
    /// Its frame's memory.
    pub memory: bool,
    /// The stack.
    pub stack: bool,
    /// Of those that read or write the storage, what the frame's contract is known to have there.
    pub storage: bool,
    /// What the last nested frame gave back.
    pub returned: bool,
    /// No more than so many instructions.
    pub steps_max: Option<usize>,
}

/// The instructions, and what all of it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTrace {
    /// The instructions in their order.
    pub steps: Vec<StepLog>,
    /// The gas that the transaction used.
    pub gas_used: u64,
    /// Whether it failed.
    pub is_failed: bool,
    /// What it gave back, a created contract's code, or the reason it reverted with.
    pub output: Vec<u8>,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLog {
    /// Where in the code it stands.
    pub place: usize,
    /// Its number.
    pub instruction: u8,
    /// The gas before it.
    pub gas: u64,
    /// What it cost; for a call, with the gas that went down.
    pub cost: u64,
    /// How many frames there were.
    pub depth: u16,
    /// What the transaction was to get back so far.
    pub refund: u64,
    /// The stack before it, the topmost word last.
    pub stack: Option<Vec<U256>>,
    /// The memory before it.
    pub memory: Option<Vec<u8>>,
    /// What the last nested frame gave back.
    pub returned: Option<Vec<u8>>,
    /// What the contract is known to store.
    pub storage: Option<BTreeMap<Word, Word>>,
    /// Why the frame ended at it.
    pub error: Option<String>,
}

/// Watches every instruction.
pub(crate) struct StepTracer {
    options: StepOptions,
    pub(crate) budget: Budget,
    steps: Vec<StepLog>,
    slots: HashMap<Address, BTreeMap<Word, Word>>,
    /// Whether the instruction that runs is the last of `steps`.
    is_kept: bool,
    /// The slot that it reads, or writes with this value.
    slot: Option<(Word, Option<Word>)>,
    depth: usize,
    output: Vec<u8>,
}

impl StepTracer {
    pub(crate) fn new(options: StepOptions, budget: Budget) -> Self {
        Self {
            options,
            budget,
            steps: Vec::new(),
            slots: HashMap::new(),
            is_kept: false,
            slot: None,
            depth: 0,
            output: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self) {
        self.depth = self.depth.saturating_add(1);
    }

    pub(crate) fn close(&mut self, ending: &Ending<'_>) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 && self.budget.take(ending.output.len().saturating_mul(2)) {
            self.output = ending.output.to_vec();
        }
    }

    pub(crate) fn step(&mut self, place: &Place, step: &Step<'_>) {
        let is_enough = self.options.steps_max.is_some_and(|most| self.steps.len() >= most);
        self.is_kept = !is_enough && self.budget.take(self.bytes(step));
        if !self.is_kept {
            return;
        }
        self.slot = match (step.instruction, step.stack) {
            (SLOAD, [.., key]) => Some((key.to_be_bytes(), None)),
            (SSTORE, [.., value, key]) => Some((key.to_be_bytes(), Some(value.to_be_bytes()))),
            _ => None,
        };
        let StepOptions { memory, stack, returned, .. } = self.options;
        self.steps.push(StepLog {
            place: step.place,
            instruction: step.instruction,
            gas: step.gas,
            cost: 0,
            depth: place.depth,
            refund: 0,
            stack: stack.then(|| step.stack.to_vec()),
            memory: memory.then(|| step.memory.to_vec()),
            returned: returned.then(|| step.returned.to_vec()),
            storage: None,
            error: None,
        });
    }

    /// About the bytes of JSON that an instruction will have.
    fn bytes(&self, step: &Step<'_>) -> usize {
        let mut bytes = STEP_BYTES;
        if self.options.stack {
            let digits = |word: &U256| word.bit_len().div_ceil(4).max(1);
            let words: usize = step.stack.iter().map(|word| WORD_BYTES.saturating_add(digits(word))).sum();
            bytes = bytes.saturating_add(words);
        }
        if self.options.memory {
            bytes = bytes.saturating_add(step.memory.len().div_ceil(32).saturating_mul(MEMORY_WORD_BYTES));
        }
        if self.options.returned {
            bytes = bytes.saturating_add(step.returned.len().saturating_mul(2));
        }
        bytes
    }

    pub(crate) fn stepped(&mut self, place: &Place, stepped: &Stepped<'_>) {
        let (slot, is_kept) = (self.slot.take(), std::mem::take(&mut self.is_kept));
        let Some(step) = self.steps.last_mut().filter(|_| is_kept) else { return };
        step.cost = stepped.cost;
        step.refund = u64::try_from(place.refund.saturating_add(stepped.refund)).unwrap_or(0);
        step.error = stepped.fault.map(|fault| ethereum_words(&fault.receipt_error()).to_owned());
        let Some((key, written)) = slot.filter(|_| self.options.storage && stepped.fault.is_none()) else { return };
        let Some(value) = written.or_else(|| stepped.stack.last().map(U256::to_be_bytes)) else { return };
        let known = self.slots.entry(place.address).or_default();
        known.insert(key, value);
        if self.budget.take(known.len().saturating_mul(SLOT_BYTES)) {
            step.storage = Some(known.clone());
        }
    }

    pub(crate) fn finish(self, receipt: &Receipt) -> StepTrace {
        let is_shown = matches!(receipt.status, Status::Success | Status::Revert);
        StepTrace {
            steps: self.steps,
            gas_used: receipt.gas_used,
            is_failed: receipt.status != Status::Success,
            output: if is_shown { self.output } else { Vec::new() },
        }
    }
}
