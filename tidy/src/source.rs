//! What stands in files.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// The lines of a Rust file.
pub const FILE_LINES_MAX: usize = 600;
/// The lines of a function, its signature included.
pub const FUNCTION_LINES_MAX: usize = 70;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SourceFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// The files that git tracks below this folder.
pub fn tracked_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

/// Every fault of one file, whose path is relative to the root.
pub fn source_faults(root: &Path, file: &Path) -> io::Result<Vec<SourceFault>> {
    // What is no text has no lines to look at.
    let Ok(text) = String::from_utf8(fs::read(root.join(file))?) else { return Ok(Vec::new()) };
    Ok(text_faults(file, &text))
}

fn text_faults(file: &Path, text: &str) -> Vec<SourceFault> {
    let fault = |line, message: String| SourceFault { file: file.into(), line, message };
    let mut faults = Vec::new();
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    if is_rust {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(fault(lines, format!("{lines} lines; a file has at most {FILE_LINES_MAX}")));
        }
        let long = long_functions(text).into_iter();
        faults.extend(long.map(|(line, lines)| {
            fault(line, format!("a function of {lines} lines; at most {FUNCTION_LINES_MAX} are allowed"))
        }));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if is_rust && (line.contains(concat!("to", "do!(")) || line.contains(concat!("unimpl", "emented!("))) {
            faults.push(fault(number, "a stub".into()));
        }
        if is_rust && line.trim_start().starts_with(concat!("#[ign", "ore")) {
            faults.push(fault(number, "a test that does not run".into()));
        }
        if let Some(path) = absolute_path(line) {
            faults.push(fault(number, format!("an absolute path of some machine: {path}")));
        }
    }
    faults
}

/// A path below a folder that belongs to one machine or person.
fn absolute_path(line: &str) -> Option<String> {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    homes.iter().find_map(|home| {
        line.match_indices(home).find_map(|(start, _)| {
            let before = line.get(..start).and_then(|text| text.chars().next_back());
            let inside = before
                .is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '~' | '}' | ')'));
            (!inside).then(|| line.get(start..).unwrap_or_default().chars().take(40).collect())
        })
    })
}

/// Functions that are too long: their first line and how many they have. A function ends at the line that closes with
/// its own indentation, as rustfmt writes it.
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        if !begins_function(line) {
            continue;
        }
        let indentation = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indentation));
        let end = lines.iter().enumerate().skip(start).find(|(_, line)| {
            **line == closing || line.trim_end().ends_with(';') && line.len() - line.trim_start().len() == indentation
        });
        let length = end.map_or(0, |(end, _)| end - start + 1);
        if length > FUNCTION_LINES_MAX {
            long.push((start + 1, length));
        }
    }
    long
}

fn begins_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        matches!(*word, "pub" | "async" | "const" | "unsafe" | "extern" | "\"C\"") || word.starts_with("pub(")
    });
    words.next() == Some("fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        text_faults(Path::new("a.rs"), text)
            .into_iter()
            .map(|fault| format!("{}: {}", fault.line, fault.message))
            .collect()
    }

    #[test]
    fn each_rule_finds_its_fault() {
        assert_eq!(messages("fn short() {}\n"), Vec::<String>::new());
        let long =
            format!("impl X {{\n    pub(crate) const fn long(\n    ) {{\n{}    }}\n}}\n", "        x();\n".repeat(70));
        assert_eq!(messages(&long), ["2: a function of 73 lines; at most 70 are allowed"]);
        assert_eq!(messages(&"// x\n".repeat(601)), ["601: 601 lines; a file has at most 600"]);
        assert_eq!(messages(&format!("{}!()", concat!("to", "do"))), ["1: a stub"]);
        assert_eq!(messages(&format!("let x = \"{}someone/x\";", concat!("/ho", "me/"))).len(), 1);
        assert!(messages(&format!("use crate{}thing;", concat!("/ro", "ot/"))).is_empty());
    }
}
