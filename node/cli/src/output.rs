//! What goes to standard output, and the one line that says what went wrong.

use std::{
    error::Error,
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

/// Whether this process has shown its result, so that a script that reads one object finds one, and no more.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Why a command did not succeed: one line that says what was wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure with this line.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    /// The same, with where it happened before it.
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Self {
        Self(format!("{place}: {}", self.0))
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        let lines: Vec<&str> = self.0.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join(" ")
    }

    /// Writes the line to standard error; and, for scripts, as an object to standard output, unless a result that
    /// says what failed is there already.
    pub(crate) fn print(&self, output: Output) {
        eprintln!("error: {}", self.line());
        if output.json && !SHOWN.swap(true, Ordering::Relaxed) {
            // Whoever closed the pipe does not want to read it.
            let _ = write_out(format!("{}\n", serde_json::json!({ "error": self.line() })).as_bytes());
        }
    }
}

// A failure is where errors end, so every error becomes one; it is itself none.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// As JSON.
    pub(crate) json: bool,
}

impl Output {
    /// Shows a result: the value as one JSON object, or the text for people.
    pub(crate) fn show(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let mut shown = if self.json { serde_json::to_string(value)? } else { text() };
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
        SHOWN.store(true, Ordering::Relaxed);
        write_out(shown.as_bytes())
    }
}

/// Writes to standard output.
pub(crate) fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().lock().write_all(bytes) {
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Failure::new(format!("standard output: {error}"))),
    }
}

/// Reads a text file that is not longer than it may be.
pub(crate) fn read_bounded(path: &std::path::Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    use io::Read as _;
    let fault = |error: io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(fault)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::new(format!("{}: the file has more than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        assert_eq!(Failure::new("a\n\n  b\n").at("x").line(), "x: a b");
    }
}
