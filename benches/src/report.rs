//! The report: the performance page's rows as far as they can be measured.

use std::{fs, io, path::Path};

use serde::Serialize;

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The row's tag and text, word for word.
    pub name: String,
    /// What was measured.
    pub value: f64,
    /// The page's third column, as it stands.
    pub reach: String,
    /// Whether it is reached.
    pub ok: bool,
}

impl Row {
    /// A row judged by the page's threshold, which begins with `>=` or `<=`.
    pub fn new(name: &str, value: f64, reach: &str) -> Self {
        let limit = |text: &str| text.trim().parse::<f64>().ok();
        let ok = match (reach.strip_prefix(">="), reach.strip_prefix("<=")) {
            (Some(text), _) => limit(text).is_some_and(|limit| value >= limit),
            (_, Some(text)) => limit(text).is_some_and(|limit| value <= limit),
            _ => false,
        };
        Self { name: name.into(), value, reach: reach.into(), ok }
    }
}

/// All rows of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The processor.
    pub cpu: String,
    /// Its cores.
    pub cores: usize,
    /// Signature recoveries per second on one core, all cores busy.
    pub v: f64,
    /// The rows.
    pub results: Vec<Row>,
}

impl Report {
    /// Writes the report as JSON.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_vec_pretty(self)?)
    }
}

/// The processor's name, as the system tells it.
pub(crate) fn cpu_name() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().into())
}

impl Report {
    /// A report without rows yet.
    pub fn new(cores: usize, v: f64) -> Self {
        Self { cpu: cpu_name(), cores, v, results: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_judged_by_its_threshold() {
        assert!(Row::new("x", 0.5, ">= 0.50").ok);
        assert!(!Row::new("x", 0.49, ">= 0.50").ok);
        assert!(Row::new("x", 0.0, "<= 0").ok);
        assert!(!Row::new("x", 1.0, "<= 0").ok);
        assert!(!Row::new("x", 1.0, "about 1").ok);
    }
}
