//! Versions of the compiler, and what a file says of those that it wants.

use std::{fmt, str::FromStr};

/// A release of the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u32; 3]);

/// Above every release.
const NO_END: Version = Version([u32::MAX; 3]);

impl Version {
    /// This release.
    pub(super) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self([major, minor, patch])
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(formatter, "{major}.{minor}.{patch}")
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of solc; one looks like 0.8.30")]
pub(crate) struct VersionError(String);

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.chars().take(40).collect());
        let parts: Vec<u32> = text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let parts: [u32; 3] = parts.try_into().map_err(|_| wrong())?;
        Ok(Self(parts))
    }
}

/// The versions from one to below another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    from: Version,
    below: Version,
}

impl Interval {
    const ALL: Self = Self { from: Version([0; 3]), below: NO_END };

    fn contains(&self, version: Version) -> bool {
        (self.from..self.below).contains(&version)
    }
}

/// What a file wants: `pragma solidity REQUIREMENT;`, in npm's notation of ranges, which is Solidity's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// As the file has it.
    text: String,
    /// One of these must hold, with all that it consists of.
    alternatives: Vec<Vec<Interval>>,
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// What is not understood of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`pragma solidity {0}` is not understood; it looks like ^0.8.20, or >=0.6.0 <0.9.0")]
pub(crate) struct RequirementError(String);

impl Requirement {
    /// Reads what stands between `pragma solidity` and the semicolon.
    pub(super) fn parse(text: &str) -> Result<Self, RequirementError> {
        let text = text.trim();
        let plain: String = text.chars().filter(|letter| !matches!(letter, '"' | '\'')).collect();
        let alternatives: Option<Vec<_>> = plain.split("||").map(conjunction).collect();
        let shown = text.chars().take(80).collect::<String>();
        match alternatives {
            Some(alternatives) => Ok(Self { text: shown, alternatives }),
            None => Err(RequirementError(shown)),
        }
    }

    /// Whether a version is one of those that are wanted.
    pub(super) fn allows(&self, version: Version) -> bool {
        let holds = |intervals: &Vec<Interval>| intervals.iter().all(|interval| interval.contains(version));
        self.alternatives.iter().any(holds)
    }
}

/// Ranges that must hold together.
fn conjunction(text: &str) -> Option<Vec<Interval>> {
    if let Some((low, high)) = text.split_once(" - ") {
        let (low, high) = (Partial::parse(low.trim())?, Partial::parse(high.trim())?);
        return Some(vec![Interval { from: low.from(), below: high.end() }]);
    }
    let mut rest = text.trim();
    let mut intervals = Vec::new();
    while !rest.is_empty() {
        let (operator, after) = split(rest, |letter| "^~<>=".contains(letter));
        let (version, after) =
            split(after.trim_start(), |letter| letter.is_ascii_alphanumeric() || ".*".contains(letter));
        intervals.push(interval(operator, Partial::parse(version)?)?);
        rest = after.trim_start();
    }
    (!intervals.is_empty()).then_some(intervals)
}

/// A text's beginning of such letters, and the rest.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|letter| !belongs(letter)).unwrap_or(text.len()))
}

/// A version whose last numbers may be left open: 0.8, 0.8.x, *.
#[derive(Debug, Clone, Copy)]
struct Partial {
    major: Option<u32>,
    minor: Option<u32>,
    patch: Option<u32>,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts = text.split('.').map(|part| match part {
            "x" | "X" | "*" => Some(None),
            number => number.parse().ok().map(Some),
        });
        let major = parts.next()??;
        let mut next = || parts.next().unwrap_or(Some(None));
        let (minor, patch) = (next()?, next()?);
        // Nothing follows what is open.
        let is_whole = (major.is_some() || minor.is_none()) && (minor.is_some() || patch.is_none());
        (parts.next().is_none() && is_whole).then_some(Self { major, minor, patch })
    }

    /// The first version that it may be.
    fn from(self) -> Version {
        Version([self.major, self.minor, self.patch].map(Option::unwrap_or_default))
    }

    /// The first version behind those that it may be.
    const fn end(self) -> Version {
        match (self.major, self.minor, self.patch) {
            (Some(major), Some(minor), Some(patch)) => Version([major, minor, patch.saturating_add(1)]),
            (Some(major), Some(minor), None) => Version([major, minor.saturating_add(1), 0]),
            (Some(major), None, _) => Version([major.saturating_add(1), 0, 0]),
            (None, ..) => NO_END,
        }
    }
}

fn interval(operator: &str, version: Partial) -> Option<Interval> {
    let Partial { major, minor, patch } = version;
    let (from, end) = (version.from(), version.end());
    let up_to = |major, minor, patch| Partial { major, minor, patch }.end();
    Some(match operator {
        "" | "=" | "==" => Interval { from, below: end },
        ">=" => Interval { from, ..Interval::ALL },
        ">" => Interval { from: end, ..Interval::ALL },
        "<" => Interval { below: from, ..Interval::ALL },
        "<=" => Interval { below: end, ..Interval::ALL },
        "~" => Interval { from, below: up_to(major, minor, None) },
        // The first number that is not 0 stays.
        "^" => match (major, minor, patch) {
            (Some(0), Some(0), _) => Interval { from, below: end },
            (Some(0), Some(_), _) => Interval { from, below: up_to(major, minor, None) },
            _ => Interval { from, below: up_to(major, None, None) },
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(requirement: &str) -> Vec<String> {
        let requirement = Requirement::parse(requirement).expect("understood");
        let versions = ["0.4.11", "0.4.26", "0.5.0", "0.5.17", "0.7.6", "0.8.0", "0.8.19", "0.8.20", "0.9.0", "1.0.0"];
        let allows = |version: &&str| requirement.allows(version.parse().expect("a version"));
        versions.into_iter().filter(allows).map(str::to_owned).collect()
    }

    #[test]
    fn requirements_allow_what_npm_would() {
        let cases: &[(&str, &[&str])] = &[
            ("^0.8.0", &["0.8.0", "0.8.19", "0.8.20"]),
            ("^0.8.20", &["0.8.20"]),
            ("^0.8", &["0.8.0", "0.8.19", "0.8.20"]),
            ("^0.4.24", &["0.4.26"]),
            ("0.8.19", &["0.8.19"]),
            ("=0.8.19", &["0.8.19"]),
            ("\"0.8.19\"", &["0.8.19"]),
            ("v0.8.19", &["0.8.19"]),
            ("0.8", &["0.8.0", "0.8.19", "0.8.20"]),
            ("0.8.x", &["0.8.0", "0.8.19", "0.8.20"]),
            ("~0.8.19", &["0.8.19", "0.8.20"]),
            ("~0.5", &["0.5.0", "0.5.17"]),
            (">=0.4.22 <0.6.0", &["0.4.26", "0.5.0", "0.5.17"]),
            (">= 0.4.22<0.6.0", &["0.4.26", "0.5.0", "0.5.17"]),
            (">0.8.19 <=0.9", &["0.8.20", "0.9.0"]),
            (">0.8", &["0.9.0", "1.0.0"]),
            ("<0.5", &["0.4.11", "0.4.26"]),
            ("0.5.0 - 0.7", &["0.5.0", "0.5.17", "0.7.6"]),
            ("^0.4.0 || ^0.7.0", &["0.4.11", "0.4.26", "0.7.6"]),
            ("^0.0.1", &[]),
            ("^1.0.0", &["1.0.0"]),
            (">=0.8.0 <0.8.0", &[]),
        ];
        for (requirement, expected) in cases {
            assert_eq!(allowed(requirement), *expected, "{requirement}");
        }
        assert_eq!(allowed("*").len(), 10);
        assert_eq!(allowed(">=0.4.11").len(), 10);
    }

    #[test]
    fn what_is_no_requirement_is_refused() {
        for text in ["", "new", "^", "0.8.1.2", "=>0.8.0", "0.8.0 ||", "0.8.0 and 0.8.1", "x.8.0", "0.8.0-beta", "0..1"]
        {
            assert!(Requirement::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_read_as_they_are_written() {
        let version: Version = "0.8.30".parse().expect("a version");
        assert_eq!((version, version.to_string().as_str()), (Version::new(0, 8, 30), "0.8.30"));
        assert!(Version::new(0, 8, 9) < version);
        for text in ["0.8", "0.8.x", "0.8.30.1", "", "eight"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
