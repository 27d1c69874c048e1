//! The frames of a transaction.

use entente_evm::Ending;
use entente_host::{
    FrameStatus,
    gas::{UNITS_PER_GAS, to_gas},
};
use entente_types::{Address, Amount, Log, Receipt, ReceiptError};

use super::{Outline, ethereum_words};
use crate::observer::{Budget, FrameKind, Opening};

/// The bytes of JSON that a frame has beside its input and output.
const FRAME_BYTES: usize = 330;
/// The bytes of JSON that a log has beside its topics and data.
const LOG_BYTES: usize = 110;
/// The bytes of JSON of a topic.
const TOPIC_BYTES: usize = 69;

/// The frames, the outermost first, each before those nested in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTrace {
    /// The frames. There is one at least.
    pub frames: Vec<CallFrame>,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFrame {
    /// How it came to be.
    pub kind: FrameKind,
    /// Who asked for it.
    pub from: Address,
    /// Whose code ran, or the contract that it created.
    pub to: Option<Address>,
    /// The coin that came along.
    pub value: Option<Amount>,
    /// The gas given to it.
    pub gas: u64,
    /// The gas that it used, with the frames nested in it.
    pub gas_used: u64,
    /// What it was called with, or what created the contract.
    pub input: Vec<u8>,
    /// What it gave back: for EVM code that creates a contract, the contract's code.
    pub output: Vec<u8>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether it undid itself: its output is the reason then.
    pub has_reverted: bool,
    /// The logs that it left, if that was asked for; none where it or one that it is nested in failed.
    pub logs: Vec<CallLog>,
    /// Where the frames nested in it are among the frames.
    pub calls: Vec<usize>,
    /// The frame that it is nested in.
    parent: Option<usize>,
}

/// A log of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLog {
    /// The log.
    pub log: Log,
    /// How many frames nested in its frame came before it.
    pub position: usize,
}

/// Watches the frames.
pub(crate) struct CallTracer {
    top_only: bool,
    logs: bool,
    pub(crate) budget: Budget,
    frames: Vec<CallFrame>,
    /// Those that are open, with the units given to each, if they are kept.
    open: Vec<Option<(usize, u64)>>,
}

impl CallTracer {
    pub(crate) const fn new(top_only: bool, logs: bool, budget: Budget) -> Self {
        Self { top_only, logs, budget, frames: Vec::new(), open: Vec::new() }
    }

    /// Whether the next frame is kept.
    pub(crate) const fn wants_next(&self) -> bool {
        !self.budget.is_over() && (self.open.is_empty() || !self.top_only)
    }

    pub(crate) fn open(&mut self, opening: &Opening<'_>) {
        let is_wanted = self.wants_next();
        let bytes = opening.input.len().saturating_mul(2).saturating_add(FRAME_BYTES);
        if !is_wanted || !self.budget.take(bytes) {
            self.open.push(None);
            return;
        }
        let parent = self.open.last().copied().flatten().map(|(parent, _)| parent);
        let index = self.frames.len();
        if let Some(parent) = parent.and_then(|parent| self.frames.get_mut(parent)) {
            parent.calls.push(index);
        }
        self.open.push(Some((index, opening.gas)));
        self.frames.push(CallFrame {
            kind: opening.kind,
            from: opening.from,
            to: opening.to,
            value: opening.value,
            gas: opening.gas / UNITS_PER_GAS,
            gas_used: 0,
            input: opening.input.to_vec(),
            output: Vec::new(),
            error: None,
            has_reverted: false,
            logs: Vec::new(),
            calls: Vec::new(),
            parent,
        });
    }

    pub(crate) fn close(&mut self, ending: &Ending<'_>, created: Option<Address>) {
        let Some(Some((index, units))) = self.open.pop() else { return };
        let is_kept = self.budget.take(ending.output.len().saturating_mul(2));
        let Some(frame) = self.frames.get_mut(index).filter(|_| is_kept) else { return };
        frame.gas_used = to_gas(units.saturating_sub(ending.gas_left));
        frame.to = frame.to.or(created);
        match ending.status {
            FrameStatus::Success => {}
            FrameStatus::Revert => frame.fail(&ReceiptError::new("revert", "")),
            FrameStatus::Fault(fault) => frame.fail(&fault.receipt_error()),
        }
        frame.output = ending.output.to_vec();
    }

    pub(crate) fn log(&mut self, log: &Log) {
        let Some(Some((index, _))) = self.open.last().copied().filter(|_| self.logs) else { return };
        let bytes = log.data.len().saturating_mul(2).saturating_add(log.topics.len().saturating_mul(TOPIC_BYTES));
        if self.budget.take(bytes.saturating_add(LOG_BYTES))
            && let Some(frame) = self.frames.get_mut(index)
        {
            let position = frame.calls.len();
            frame.logs.push(CallLog { log: log.clone(), position });
        }
    }

    pub(crate) fn finish(mut self, outline: &Outline, receipt: &Receipt) -> CallTrace {
        if self.frames.is_empty() {
            self.frames.push(CallFrame::of(outline));
        }
        if let Some(outermost) = self.frames.first_mut() {
            outermost.gas = outline.gas;
            outermost.gas_used = receipt.gas_used;
            if let Some(error) = receipt.error.as_ref().filter(|_| outermost.error.is_none()) {
                // It was undone after its end, or never began.
                outermost.fail(error);
                outermost.output.clear();
            }
        }
        // A frame stands before those nested in it.
        let mut undone: Vec<bool> = Vec::with_capacity(self.frames.len());
        for frame in &mut self.frames {
            let is_below = frame.parent.and_then(|parent| undone.get(parent)).copied().unwrap_or(false);
            let is_undone = is_below || frame.error.is_some();
            if is_undone {
                frame.logs.clear();
            }
            undone.push(is_undone);
        }
        CallTrace { frames: self.frames }
    }
}

impl CallFrame {
    fn of(outline: &Outline) -> Self {
        let Outline { from, to, value, input, gas } = outline.clone();
        Self {
            kind: if to.is_some() { FrameKind::Call } else { FrameKind::Create },
            from,
            to,
            value: Some(value),
            gas,
            gas_used: 0,
            input,
            output: Vec::new(),
            error: None,
            has_reverted: false,
            logs: Vec::new(),
            calls: Vec::new(),
            parent: None,
        }
    }

    fn fail(&mut self, error: &ReceiptError) {
        self.error = Some(ethereum_words(error).to_owned());
        self.has_reverted = error.code == "revert";
    }
}
