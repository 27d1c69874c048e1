//! The trace of a frame, read beside its script, and the gas of nested frames.

use entente_host::gas::{SCHEDULE_1, all_but_a_64th};
use entente_types::Address;

use crate::model::{Checked, End, Ran, Seen, Spent, Stop, ensure};

/// The trace of one frame, read beside its script.
pub struct Trace<'a> {
    pub bytes: Option<&'a [u8]>,
}

impl<'a> Trace<'a> {
    pub fn take(&mut self, length: usize) -> Checked<Option<&'a [u8]>> {
        let Some(bytes) = self.bytes else { return Ok(None) };
        let (taken, rest) = bytes
            .split_at_checked(length)
            .ok_or_else(|| Stop::Wrong(format!("a trace ends {} bytes too early", length - bytes.len())))?;
        self.bytes = Some(rest);
        Ok(Some(taken))
    }

    pub fn number(&mut self) -> Checked<Option<u64>> {
        Ok(self.take(8)?.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes"))))
    }

    pub fn counted(&mut self) -> Checked<Option<&'a [u8]>> {
        let Some(length) = self.take(4)? else { return Ok(None) };
        self.take(u32::from_le_bytes(length.try_into().expect("four bytes")) as usize)
    }

    pub fn expect(&mut self, what: &str, expected: &[u8]) -> Checked<()> {
        let found = self.take(expected.len())?;
        ensure(found.is_none_or(|found| found == expected), || {
            format!("{what}: {expected:02x?} expected, {found:02x?} found")
        })
    }
}

/// Where the walk through a script and its trace has come to.
pub struct Walk<'a> {
    pub trace: Trace<'a>,
    /// What the last nested frame gave back, where the trace tells.
    pub returned: Option<&'a [u8]>,
    /// What was created last.
    pub created: Address,
    pub early: &'a [u8],
}

/// A nested frame as the trace tells of it.
pub struct Nested<'a> {
    before: Option<u64>,
    after: Option<u64>,
    /// What the host function itself costs.
    fixed: u64,
    pub given: Option<u64>,
    pub seen: Seen<'a>,
}

impl<'a> Walk<'a> {
    pub fn nested(&mut self, cost: u64, ask: u64) -> Checked<Nested<'a>> {
        let fixed = SCHEDULE_1.host_call + cost;
        let before = self.trace.number()?;
        let status = self.trace.take(1)?.and_then(|status| status.first());
        let after = self.trace.number()?;
        let left = match before {
            None => None,
            Some(before) => Some(before.checked_sub(fixed).ok_or_else(|| Stop::Wrong("a call on credit".into()))?),
        };
        // At most all but a 64th of what is left goes down.
        let given = left.map(|left| ask.min(all_but_a_64th(left)));
        let seen = match status {
            None => Seen::Nothing,
            Some(0) => Seen::Ended(End::Success, None),
            Some(1) => Seen::Ended(End::Revert, None),
            Some(2) => Seen::Failed,
            Some(other) => return Err(Stop::Wrong(format!("a status {other}"))),
        };
        Ok(Nested { before, after, fixed, given, seen })
    }

    pub fn take_returned(&mut self, nested: &mut Nested<'a>) -> Checked<()> {
        self.returned = self.trace.counted()?;
        match &mut nested.seen {
            Seen::Ended(_, output) => *output = self.returned,
            Seen::Failed => self.expect_nothing_returned()?,
            Seen::Nothing => {}
        }
        Ok(())
    }

    pub fn expect_nothing_returned(&self) -> Checked<()> {
        ensure(self.returned.is_none_or(<[u8]>::is_empty), || format!("returned: {:02x?}", self.returned))
    }

    pub fn expect_returned(&mut self) -> Checked<()> {
        // Where the trace is lost, so is what was returned.
        let Some(returned) = self.returned.filter(|_| self.trace.bytes.is_some()) else { return Ok(()) };
        self.trace.expect("the length of the return data", &(returned.len() as u32).to_le_bytes())?;
        self.trace.expect("the return data", returned)
    }

    pub fn close(mut self, end: End, output: Option<&[u8]>) -> Checked<Ran> {
        if let End::Fault(code) = end {
            return Ok(Ran::fault(code));
        }
        let reading = self.trace.number()?;
        ensure(self.trace.bytes.is_none_or(<[u8]>::is_empty), || "a trace goes on behind its end".into())?;
        let spent = reading.zip(output).map(|(reading, output)| Spent::LeftBefore(reading, output.len() as u64));
        Ok(Ran { end, spent: spent.unwrap_or(Spent::Unknown) })
    }
}

impl Nested<'_> {
    /// What a fault takes is what was given, and no more; what any other end leaves comes back.
    pub fn check(&self, ran: &Ran) -> Checked<()> {
        let (Some(before), Some(after), Some(given)) = (self.before, self.after, self.given) else { return Ok(()) };
        let kept = before - self.fixed - given;
        let left = (after + SCHEDULE_1.host_call).checked_sub(kept);
        ensure(left.is_some_and(|left| ran.may_leave(given, left)), || {
            format!("of {before} before a call, {given} were given and {after} are left after it: {ran:?}")
        })
    }
}
