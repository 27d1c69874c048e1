//! The one progress bar: on a terminal a bar that moves, elsewhere a line now and then, or nothing for a short wait.

use std::{
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// How often a spinner turns.
const TICK_INTERVAL: Duration = Duration::from_millis(100);

/// Shows on standard error how far a piece of work is. It has phases; each gets a bar of its own.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    /// Whether it is a short wait: it leaves nothing behind, and nobody but a person at a terminal hears of it.
    short: bool,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    phase: String,
    bar: ProgressBar,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// Nothing is shown yet.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), short: false, current: Mutex::default() }
    }

    /// Shows, until it is dropped, that a moment's wait is for this.
    pub(crate) fn waiting(what: &str) -> Self {
        let mut progress = Self::new();
        progress.short = true;
        progress.set(what, 0, None);
        progress
    }

    /// So much of a phase is done; a new phase ends the one before.
    pub(crate) fn set(&self, phase: &str, done: u64, total: Option<u64>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|current| current.phase != phase) {
            if let Some(before) = current.take() {
                before.end(self.short);
            }
            *current = Some(self.begin(phase, total));
        }
        let Some(current) = current.as_mut() else { return };
        if let Some(total) = total {
            current.bar.set_length(total);
        }
        current.bar.set_position(done);
        if !self.terminal && !self.short && current.last_line.elapsed() >= LINE_INTERVAL {
            current.last_line = Instant::now();
            let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
            eprintln!("{phase}: {done}{of}");
        }
    }

    /// The last phase is over.
    pub(crate) fn end(&self) {
        if let Some(current) = self.current.lock().unwrap_or_else(PoisonError::into_inner).take() {
            current.end(self.short);
        }
    }

    fn begin(&self, phase: &str, total: Option<u64>) -> Current {
        let target = if self.terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{prefix:<26} {bar:30} {human_pos}/{human_len}  {rate}  {elapsed}",
            None => "{prefix:<26} {spinner} {elapsed}",
        };
        // The templates are ours; one that were wrong would only look different.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _ = write!(text, "{:.0}/s", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate).progress_chars("=> ").tick_chars("|/-\\ "));
        bar.set_prefix(phase.to_owned());
        if self.terminal {
            bar.enable_steady_tick(TICK_INTERVAL);
        } else if !self.short {
            eprintln!("{phase} ...");
        }
        let now = Instant::now();
        Current { phase: phase.to_owned(), bar, started: now, last_line: now }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

impl Current {
    fn end(self, leave_nothing: bool) {
        if leave_nothing {
            self.bar.finish_and_clear();
        } else if self.bar.length().is_some_and(|length| length > 0 && self.bar.position() < length) {
            self.bar.abandon();
        } else {
            self.bar.finish();
        }
        tracing::debug!(phase = self.phase, elapsed_ms = self.started.elapsed().as_millis() as u64, "phase_ended");
    }
}
