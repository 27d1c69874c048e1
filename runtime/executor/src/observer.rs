//! Watching a transaction run: frames of all three kinds, logs, and the instructions of EVM code.

use entente_evm::{Ending, Step, Stepped};
use entente_host::{CallKind, CallRequest, ContractFault, CreateScheme, Fault, FrameStatus, Host, NodeFault};
use entente_types::{Address, Amount, Log};

use crate::{
    context::Context,
    trace::{AccessTracer, CallTracer, StepTracer},
};

/// How a frame came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A call.
    Call,
    /// A call that may change nothing.
    Static,
    /// A call of the other's code over the caller's storage, its caller and value kept.
    Delegate,
    /// The same with the caller as its own caller.
    Code,
    /// A creation whose address follows from the creator and a count.
    Create,
    /// A creation whose address follows from the creator, a salt and the code.
    CreateSalted,
    /// No frame: a contract ends itself.
    SelfDestruct,
}

impl FrameKind {
    pub(crate) const fn of_call(kind: CallKind) -> Self {
        match kind {
            CallKind::Call => Self::Call,
            CallKind::Static => Self::Static,
            CallKind::Delegate => Self::Delegate,
            CallKind::Code => Self::Code,
        }
    }

    pub(crate) const fn of_creation(scheme: &CreateScheme) -> Self {
        match scheme {
            CreateScheme::Index | CreateScheme::Nonce => Self::Create,
            CreateScheme::Salt(_) => Self::CreateSalted,
        }
    }
}

/// A frame that is asked for. It may be refused: then its ending follows at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) from: Address,
    /// Whose code; nothing where a contract is created.
    pub(crate) to: Option<Address>,
    pub(crate) value: Option<Amount>,
    /// In units.
    pub(crate) gas: u64,
    pub(crate) input: &'a [u8],
}

/// The frame that an instruction belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Whose storage it works on.
    pub(crate) address: Address,
    /// How many frames there are, itself among them.
    pub(crate) depth: u16,
    /// What the transaction gets back already, beside what its frames of EVM code still count.
    pub(crate) refund: i64,
}

/// The bytes that what is watched may come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    left: usize,
    is_over: bool,
}

impl Budget {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { left: bytes, is_over: false }
    }

    /// Takes so many, if there are as many.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) if !self.is_over => {
                self.left = left;
                true
            }
            _ => {
                self.is_over = true;
                false
            }
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }
}

/// Whoever watches. Each keeps no more than its budget, and when that is over, the run ends.
pub(crate) enum Observer {
    Steps(StepTracer),
    Calls(CallTracer),
    Access(AccessTracer),
}

impl Observer {
    pub(crate) const fn is_over(&self) -> bool {
        match self {
            Self::Steps(tracer) => tracer.budget.is_over(),
            Self::Calls(tracer) => tracer.budget.is_over(),
            // What it keeps is paid for: an address or a slot costs a hundred times its bytes.
            Self::Access(_) => false,
        }
    }

    const fn wants_steps(&self) -> bool {
        matches!(self, Self::Steps(_) | Self::Access(_))
    }

    /// Whether it keeps the input of the next frame: copying what nobody keeps is paid by nobody.
    const fn wants_input(&self) -> bool {
        match self {
            Self::Calls(tracer) => tracer.wants_next(),
            Self::Steps(_) | Self::Access(_) => false,
        }
    }

    fn open(&mut self, opening: &Opening<'_>) {
        match self {
            Self::Steps(tracer) => tracer.open(),
            Self::Calls(tracer) => tracer.open(opening),
            Self::Access(_) => {}
        }
    }

    fn close(&mut self, ending: &Ending<'_>, created: Option<Address>) {
        match self {
            Self::Steps(tracer) => tracer.close(ending),
            Self::Calls(tracer) => tracer.close(ending, created),
            Self::Access(_) => {}
        }
    }

    fn log(&mut self, log: &Log) {
        if let Self::Calls(tracer) = self {
            tracer.log(log);
        }
    }

    fn step(&mut self, place: &Place, step: &Step<'_>) {
        match self {
            Self::Steps(tracer) => tracer.step(place, step),
            Self::Access(tracer) => tracer.step(place, step),
            Self::Calls(_) => {}
        }
    }

    fn stepped(&mut self, place: &Place, stepped: &Stepped<'_>) {
        if let Self::Steps(tracer) = self {
            tracer.stepped(place, stepped);
        }
    }
}

/// What ends a run of which enough was seen. Nobody sees it: whoever watches tells why.
fn enough() -> NodeFault {
    NodeFault::Engine("as much was watched as may be".into())
}

impl Context {
    fn goes_on(&self) -> Result<(), NodeFault> {
        match &self.observer {
            Some(observer) if observer.is_over() => Err(enough()),
            _ => Ok(()),
        }
    }

    /// A transaction has ended: it is sealed, unless somebody looks at what it did first.
    pub(crate) fn end(&mut self) {
        if !self.is_traced {
            self.overlay.seal();
        }
    }

    /// Tells of a frame that is asked for.
    pub(crate) fn tell_open(&mut self, opening: &Opening<'_>) -> Result<(), NodeFault> {
        if let Some(observer) = &mut self.observer {
            observer.open(opening);
        }
        self.goes_on()
    }

    /// Tells of a call that is asked for.
    pub(crate) fn tell_call(&mut self, caller: Address, request: &CallRequest, input: &[u8]) -> Result<(), NodeFault> {
        if self.observer.is_none() {
            return Ok(());
        }
        let value = match request.kind {
            CallKind::Call | CallKind::Code => Some(request.value),
            CallKind::Delegate => self.parent().map(|parent| parent.value),
            CallKind::Static => None,
        };
        let (kind, to, gas) = (FrameKind::of_call(request.kind), Some(request.address), request.gas);
        self.tell_open(&Opening { kind, from: caller, to, value, gas, input })
    }

    /// Tells of a call whose input stands in its caller's memory.
    pub(crate) fn tell_call_from_memory(
        &mut self,
        caller: Address,
        request: &CallRequest,
        input: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), NodeFault> {
        let is_wanted = self.observer.as_ref().is_some_and(Observer::wants_input);
        let input = if is_wanted { input() } else { Vec::new() };
        self.tell_call(caller, request, &input)
    }

    /// Tells how the innermost frame ended.
    pub(crate) fn tell_close(&mut self, ending: &Ending<'_>, created: Option<Address>) {
        if let Some(observer) = &mut self.observer {
            observer.close(ending, created);
        }
    }

    /// Tells that a frame that was asked for did not open, with so much gas left.
    pub(crate) fn tell_refused(&mut self, fault: &ContractFault, gas_left: u64) {
        if self.observer.is_some() {
            let status = FrameStatus::Fault(fault.clone());
            self.tell_close(&Ending { status: &status, output: &[], gas_left }, None);
        }
    }

    pub(crate) fn tell_log(&mut self, log: &Log) -> Result<(), Fault> {
        if let Some(observer) = &mut self.observer {
            observer.log(log);
        }
        Ok(self.goes_on()?)
    }

    pub(crate) fn wants_steps(&self) -> bool {
        self.observer.as_ref().is_some_and(Observer::wants_steps)
    }

    fn place(&self) -> Place {
        let address = self.frame().storage_address;
        Place { address, depth: self.depth(), refund: self.touched.refunded() }
    }

    pub(crate) fn tell_step(&mut self, step: &Step<'_>) {
        let place = self.place();
        if let Some(observer) = &mut self.observer {
            observer.step(&place, step);
        }
    }

    pub(crate) fn tell_stepped(&mut self, stepped: &Stepped<'_>) -> Result<(), NodeFault> {
        let place = self.place();
        if let Some(observer) = &mut self.observer {
            observer.stepped(&place, stepped);
        }
        self.goes_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_is_over_stays_so() {
        let mut budget = Budget::new(10);
        assert!(budget.take(4) && budget.take(6));
        assert_eq!((budget.left, budget.is_over), (0, false));
        assert!(!budget.take(1) && !budget.take(0));
        assert!(budget.is_over());
    }
}
