//! The compilers: which there are, how one comes onto this machine, and how it is run.
//!
//! solc is a package of npm. Each version that there is here stands in `compilers.txt` with the hash of its package, so
//! that a registry can give nothing else. Of the package only the compiler itself is used, `soljson.js`, a function from
//! text to text: what it depends on is not installed, and it reads no files.

use std::{
    env, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value;

use super::{SolidityError, pragma::Version};

/// Every compiler that there is.
const COMPILERS: &str = include_str!("compilers.txt");
/// What runs one.
const DRIVER: &str = include_str!("solc.js");
/// What a package of it holds.
const FILE: &str = "node_modules/solc/soljson.js";
/// The folder of the cache where compilers lie.
const FOLDER: &str = "solc";
/// The characters of what npm or node says of a failure.
const SAID_CHARACTERS_MAX: usize = 300;

/// One of the compilers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compiler {
    pub(super) version: Version,
    /// The package's version.
    package: &'static str,
    /// The package's hash, as npm writes it.
    integrity: &'static str,
}

/// What the driver writes.
#[derive(Deserialize)]
struct Answer {
    version: String,
    output: Value,
}

/// What a compiler made of its input.
#[derive(Debug)]
pub(super) struct Compiled {
    /// The version with the commit that it was made from.
    pub(super) version: String,
    /// The standard JSON output.
    pub(super) output: Value,
}

impl Compiler {
    /// All of them, oldest first.
    pub(super) fn all() -> Vec<Self> {
        COMPILERS.lines().filter_map(Self::of_line).collect()
    }

    fn of_line(line: &'static str) -> Option<Self> {
        let mut words = line.split(' ');
        let (version, package, integrity) = (words.next()?, words.next()?, words.next()?);
        Some(Self { version: version.parse().ok()?, package, integrity })
    }

    /// The compiler of a version.
    pub(super) fn of(version: Version) -> Result<Self, SolidityError> {
        let found = Self::all().into_iter().find(|compiler| compiler.version == version);
        found.ok_or(SolidityError::UnknownCompiler(version))
    }

    /// The newest one that all of these allow.
    pub(super) fn newest(allows: impl Fn(Version) -> bool) -> Option<Self> {
        Self::all().into_iter().rev().find(|compiler| allows(compiler.version))
    }

    /// What to say of the version of the EVM: the newest that the compiler knows and that is not above Osaka, which is
    /// the ledger's; nothing where that is what the compiler takes by itself.
    pub(super) fn evm_version(self) -> Option<&'static str> {
        let version = self.version;
        if version >= Version::new(0, 8, 31) {
            Some("osaka")
        } else if version == Version::new(0, 8, 24) {
            Some("cancun")
        } else {
            None
        }
    }

    /// Whether it is on this machine already.
    pub(super) fn is_installed(self) -> bool {
        self.folder().is_ok_and(|folder| folder.join(FILE).is_file())
    }

    fn folder(self) -> Result<PathBuf, SolidityError> {
        Ok(cache_folder().ok_or(SolidityError::NoCache)?.join(FOLDER).join(self.version.to_string()))
    }

    /// Installs it, unless it is there.
    pub(super) fn install(self) -> Result<(), SolidityError> {
        if self.is_installed() {
            return Ok(());
        }
        let folder = self.folder()?;
        // Beside its place first, so that nobody finds half of it.
        let partial = folder.with_extension(format!("partial-{}", std::process::id()));
        let installed = self.install_into(&partial).and_then(|()| {
            let renamed = fs::rename(&partial, &folder);
            // Another process may have been faster.
            if self.is_installed() { Ok(()) } else { renamed.map_err(|source| file_error(&folder, source)) }
        });
        let _ = fs::remove_dir_all(&partial);
        installed
    }

    fn install_into(self, folder: &Path) -> Result<(), SolidityError> {
        let (package, integrity) = (self.package, self.integrity);
        let dependencies = serde_json::json!({ "solc": package });
        let manifest = serde_json::json!({ "private": true, "dependencies": dependencies });
        let lock = serde_json::json!({
            "lockfileVersion": 3,
            "requires": true,
            "packages": {
                "": { "dependencies": dependencies },
                "node_modules/solc": { "version": package, "integrity": integrity },
            },
        });
        fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
        for (name, json) in [("package.json", manifest), ("package-lock.json", lock)] {
            let path = folder.join(name);
            fs::write(&path, json.to_string()).map_err(|source| file_error(&path, source))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        npm.args(["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]);
        npm.current_dir(folder).stdin(Stdio::null());
        let output = npm.output().map_err(|source| SolidityError::NoProgram { program: "npm", source })?;
        if output.status.success() && folder.join(FILE).is_file() {
            return Ok(());
        }
        let reason = said_by_npm(&String::from_utf8_lossy(&output.stderr));
        Err(SolidityError::Install { version: self.version, reason })
    }

    /// Compiles a standard JSON input.
    pub(super) fn run(self, input: &Value) -> Result<Compiled, SolidityError> {
        let file = self.folder()?.join(FILE);
        let mut node = Command::new("node");
        // What the engine says of the compiler's own code is for nobody here.
        node.args(["--no-warnings", "-e", DRIVER]).arg(&file);
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let no_node = |source| SolidityError::NoProgram { program: "node", source };
        let mut child = node.spawn().map_err(no_node)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A compiler that ended says more by its own words than by the pipe that it closed.
            let _ = stdin.write_all(input.to_string().as_bytes());
        }
        let output = child.wait_with_output().map_err(no_node)?;
        let failed = |reason: String| SolidityError::Compiler { version: self.version, reason };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let words = lines.iter().find(|line| line.contains("Error")).or(lines.last());
            return Err(failed(format!("{}: {}", output.status, cut(words.unwrap_or(&"it said nothing")))));
        }
        let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
        let version = answer.version.replace(".Emscripten.clang", "");
        if version.split(['+', '-']).next() != Some(self.version.to_string().as_str()) {
            let file = file.display();
            return Err(failed(format!("it says that it is {:?}; remove {file}", cut(&version))));
        }
        Ok(Compiled { version, output: answer.output })
    }
}

/// Where programs keep what they can fetch again: `ENTENTE_CACHE`, else `.cache/entente` in the user's home.
fn cache_folder() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("ENTENTE_CACHE").or_else(|| Some(named("HOME")?.join(".cache").join("entente")))
}

fn file_error(path: &Path, source: io::Error) -> SolidityError {
    SolidityError::File { path: path.to_owned(), source }
}

fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SAID_CHARACTERS_MAX).collect()
}

/// What matters of npm's many lines: the code, and the first line that says more than a code.
fn said_by_npm(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("npm error ").or_else(|| line.strip_prefix("npm ERR! ")))
        .map(str::trim)
        .collect();
    let code = lines.iter().find_map(|line| line.strip_prefix("code "));
    let is_detail = |line: &&&str| {
        let details = ["code ", "syscall ", "errno ", "at ", "A complete log"];
        !line.is_empty() && !details.iter().any(|detail| line.starts_with(detail))
    };
    let words = lines.iter().find(is_detail).map(|line| cut(line));
    match (code, words) {
        (Some(code), Some(words)) => format!("{}: {words}", cut(code)),
        (Some(words), None) => cut(words),
        (None, Some(words)) => words,
        (None, None) => "npm did not say why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compiler_has_a_version_and_a_hash() {
        let compilers = Compiler::all();
        let lines = COMPILERS.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!((compilers.len(), lines), (90, 90));
        assert!(compilers.is_sorted_by(|one, other| one.version < other.version));
        for compiler in &compilers {
            let digits = compiler.integrity.strip_prefix("sha512-").expect("a hash");
            assert!(digits.len() == 88 && digits.ends_with("=="), "{compiler:?}");
            assert!(compiler.package.starts_with(&compiler.version.to_string()), "{compiler:?}");
        }
    }

    #[test]
    fn the_newest_that_is_allowed_is_chosen() {
        let newest = |from: Version, below: Version| {
            Compiler::newest(|version| (from..below).contains(&version)).map(|compiler| compiler.version.to_string())
        };
        for (minor, expected) in [(4, "0.4.26"), (5, "0.5.17"), (6, "0.6.12"), (7, "0.7.6")] {
            let found = newest(Version::new(0, minor, 0), Version::new(0, minor + 1, 0));
            assert_eq!(found.as_deref(), Some(expected));
        }
        assert_eq!(newest(Version::new(0, 9, 0), Version::new(1, 0, 0)), None);
        assert!(Compiler::of(Version::new(0, 4, 10)).is_err());
    }

    #[test]
    fn the_evm_is_never_above_the_ledgers() {
        let evm_version = |patch| Compiler::of(Version::new(0, 8, patch)).expect("there").evm_version();
        assert_eq!((evm_version(24), evm_version(25), evm_version(30)), (Some("cancun"), None, None));
        assert_eq!(Compiler::newest(|_| true).expect("there").evm_version(), Some("osaka"));
    }

    #[test]
    fn npms_lines_become_one() {
        let refused = "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error errno ECONNREFUSED\n\
                       npm error FetchError: request failed\nnpm error     at ClientRequest\nnpm error A complete log";
        assert_eq!(said_by_npm(refused), "ECONNREFUSED: FetchError: request failed");
        let changed = "npm ERR! code EINTEGRITY\nnpm ERR! Integrity checksum failed";
        assert_eq!(said_by_npm(changed), "EINTEGRITY: Integrity checksum failed");
        assert_eq!(said_by_npm("npm error code E404"), "E404");
        assert_eq!(said_by_npm("Segmentation fault"), "npm did not say why");
    }
}
