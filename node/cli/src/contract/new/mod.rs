//! `entente contract new`: a project of a contract that builds, passes its tests and can be deployed as it stands.
//!
//! The library that contracts are written with is on no registry. Its sources are inside this program, and go into the
//! project's `vendor`: the project builds wherever the program runs, in the version that the program has, and can be
//! handed on whole. Whoever works on the library itself names a checkout instead. A contract in Solidity needs no
//! library.

mod solidity;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::output::{Failure, Output};

/// Where the library goes, below the project.
const VENDOR: &str = "vendor/entente";
/// Where the library lies in a checkout.
const SDK: &str = "sdk/contract";
/// The files of the library: where each goes below [`VENDOR`], and what is in it.
const SDK_FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
/// The versions of other people's crates that the library is tested with.
const LOCK: &str = include_str!(concat!(env!("OUT_DIR"), "/Cargo.lock"));

/// A Rust project's own files.
const TEMPLATE: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/rust/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/rust/lib.rs.txt")),
    ("tests/rules.rs", include_str!("template/rust/rules.rs.txt")),
    ("README.md", include_str!("template/rust/README.md.txt")),
    (".gitignore", include_str!("template/rust/gitignore.txt")),
];

/// The characters of a name.
const NAME_BYTES_MAX: usize = 64;
/// Words that are no names in Rust: <https://doc.rust-lang.org/reference/keywords.html>.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// Libraries that a contract's code or its tests name.
const LIBRARIES: [&str; 7] = ["alloc", "core", "entente", "entente_contract", "proc_macro", "std", "test"];

/// What contracts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LanguageName {
    /// Rust.
    Rust,
    /// Solidity.
    Solidity,
}

/// Which project.
#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// What the contract is called: 1 to 64 of a-z, 0-9, _ and -, beginning with a letter.
    name: String,
    /// What it is written in.
    #[arg(long, value_enum, default_value_t = LanguageName::Rust)]
    lang: LanguageName,
    /// The project's folder, which must be empty or not there; else NAME under the current folder.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A checkout of Entente whose library a Rust contract uses; else the project gets a copy in vendor/entente.
    #[arg(long, value_name = "CHECKOUT")]
    sdk: Option<PathBuf>,
}

/// Why a text is no name of a contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum NameError {
    #[error("{0:?}: a contract's name has 1 to {NAME_BYTES_MAX} of a-z, 0-9, _ and -, and begins with a letter")]
    Form(String),
    #[error("{0:?} is a word of Rust's, which cannot be a contract's name; choose another")]
    Keyword(String),
    #[error("{0:?} is the name of a library that contracts use; choose another")]
    Library(String),
}

/// What was made.
#[derive(Serialize)]
struct MadeLine<'a> {
    name: &'a str,
    dir: &'a Path,
    /// The checkout whose library is used, or where the library was written to; nothing for Solidity.
    #[serde(skip_serializing_if = "Option::is_none")]
    sdk: Option<&'a Path>,
    /// What comes next, as it is typed.
    commands: &'a [String],
}

/// A project that is to be written.
struct Made {
    /// Each file and what is in it.
    files: Vec<(PathBuf, String)>,
    sdk: Option<PathBuf>,
    commands: Vec<String>,
}

/// Makes the project and says what comes next.
pub(super) fn run(arguments: &NewArguments, output: Output) -> Result<(), Failure> {
    let name = arguments.name.as_str();
    check_form(name)?;
    if arguments.lang == LanguageName::Solidity && arguments.sdk.is_some() {
        return Err(Failure::new("--sdk: a contract in Solidity uses no library of ours; leave it out"));
    }
    if arguments.lang == LanguageName::Rust {
        check_name(name)?;
    }
    let folder = arguments.path.clone().unwrap_or_else(|| PathBuf::from(name));
    refuse_not_empty(&folder)?;
    let made = match arguments.lang {
        LanguageName::Rust => rust_project(name, &folder, arguments.sdk.as_deref())?,
        LanguageName::Solidity => solidity::project(name, &folder),
    };
    for (file, text) in &made.files {
        write(file, text).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    }
    let line = MadeLine { name, dir: &folder, sdk: made.sdk.as_deref(), commands: &made.commands };
    output.show(&line, || {
        let steps: String = made.commands.iter().map(|command| format!("  {command}\n")).collect();
        format!("{}: a contract; build it, test it, and put it on a chain of one node:\n{steps}", folder.display())
    })
}

fn rust_project(name: &str, folder: &Path, sdk: Option<&Path>) -> Result<Made, Failure> {
    let checkout = sdk.map(checkout).transpose()?;
    let commands = commands(name, folder);
    let mut files: Vec<(PathBuf, String)> = TEMPLATE
        .iter()
        .map(|(file, text)| (folder.join(file), filled(text, name, checkout.as_deref(), &commands)))
        .collect();
    files.push((folder.join("Cargo.lock"), lock(name)));
    let is_vendored = checkout.is_none();
    let sdk = checkout.unwrap_or_else(|| folder.join(VENDOR));
    if is_vendored {
        files.extend(SDK_FILES.iter().map(|(file, text)| (sdk.join(file), (*text).to_owned())));
    }
    Ok(Made { files, sdk: Some(sdk), commands })
}

/// What a name is made of, in every language.
fn check_form(name: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    if !begins || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(NameError::Form(name.chars().take(NAME_BYTES_MAX).collect()));
    }
    Ok(())
}

/// What a Rust contract's name may be.
fn check_name(name: &str) -> Result<(), NameError> {
    check_form(name)?;
    if KEYWORDS.contains(&name) {
        return Err(NameError::Keyword(name.to_owned()));
    }
    if LIBRARIES.contains(&library(name).as_str()) {
        return Err(NameError::Library(name.to_owned()));
    }
    Ok(())
}

/// How code names a package.
fn library(name: &str) -> String {
    name.replace('-', "_")
}

fn refuse_not_empty(folder: &Path) -> Result<(), Failure> {
    let place = folder.display();
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => Err(Failure::new(format!("{place}: the folder is not empty; name another with --path"))),
        Err(error) => Err(Failure::new(format!("{place}: {error}; name another folder with --path"))),
    }
}

/// A checkout's root, in full: the project may lie anywhere.
fn checkout(folder: &Path) -> Result<PathBuf, Failure> {
    let place = folder.display();
    if !folder.join(SDK).join("Cargo.toml").is_file() {
        let line = format!("{place}: there is no {SDK}/Cargo.toml here; give --sdk the root of a checkout of Entente");
        return Err(Failure::new(line));
    }
    folder.canonicalize().map_err(|error| Failure::new(format!("{place}: {error}")))
}

/// What comes next, as it is typed in the folder that the command ran in.
fn commands(name: &str, folder: &Path) -> Vec<String> {
    let module = format!("target/contracts/{}.wasm", library(name));
    vec![
        format!("entente contract build {}", quoted(folder)),
        format!("cargo test --manifest-path {}", quoted(&folder.join("Cargo.toml"))),
        "entente chain new --out chain".to_owned(),
        "entente chain up chain".to_owned(),
        "entente account new alice".to_owned(),
        format!("entente contract deploy {module} 32 --account alice"),
    ]
}

/// The lock file with the project in it, at its place in the order of names: cargo has nothing to resolve.
fn lock(name: &str) -> String {
    const BEGIN: &str = "\n[[package]]\n";
    let name_of =
        |package: &str| package.strip_prefix("name = \"").and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let mut parts = LOCK.split(BEGIN);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<&str> = parts.collect();
    let is_before = |package: &&str| name_of(package).is_some_and(|other| *other < *name);
    let place = packages.partition_point(is_before);
    if packages.get(place).is_some_and(|package| name_of(package).as_deref() == Some(name)) {
        // Another's crate of the same name: cargo knows how to tell them apart.
        return LOCK.to_owned();
    }
    let own = format!("name = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"entente-contract\",\n]\n");
    packages.insert(place, &own);
    packages.iter().fold(head.to_owned(), |lock, package| lock + BEGIN + package)
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '/' | '.' | '_' | '-' | '+' | ',' | '=');
    if path.chars().all(plain) && !path.starts_with('-') { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// A file of the template for this project.
fn filled(text: &str, name: &str, checkout: Option<&Path>, commands: &[String]) -> String {
    let (sdk, workspace, vendored) = match checkout {
        Some(checkout) => (checkout.join(SDK).display().to_string(), "[workspace]\n", String::new()),
        None => (
            format!("{VENDOR}/{SDK}"),
            "# A workspace of its own, wherever it lies; `vendor` has the library that contracts are written with.\n\
             [workspace]\nexclude = [\"vendor\"]\n",
            format!(
                "\n`{VENDOR}` has the library that contracts are written with, in the version of the `entente` that made\n\
                 this project. Nothing else is needed to build it elsewhere.\n"
            ),
        ),
    };
    let commands: String = commands.iter().map(|command| format!("    {command}\n")).collect();
    let values = [
        ("{{name}}", name),
        ("{{library}}", &library(name)),
        ("{{rust_version}}", env!("CARGO_PKG_RUST_VERSION")),
        ("{{sdk}}", &sdk.escape_default().to_string()),
        ("{{workspace}}", workspace),
        ("{{vendored}}\n", &vendored),
        ("{{commands}}", &commands),
    ];
    values.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_packages_and_of_nothing_else() {
        for name in ["a", "my-first-contract", "bakery_2", &"x".repeat(64)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "Bakery", "2nd", "-x", "a b", "a/b", "../a", "ä", &"x".repeat(65)] {
            assert!(matches!(check_name(name), Err(NameError::Form(_))), "{name}");
        }
        assert_eq!(check_name("match"), Err(NameError::Keyword("match".into())));
        for name in ["core", "entente", "entente-contract"] {
            assert_eq!(check_name(name), Err(NameError::Library(name.into())));
        }
    }

    #[test]
    fn the_library_is_whole_and_the_lock_names_no_contract_of_ours() {
        let paths: Vec<&str> = SDK_FILES.iter().map(|(path, _)| *path).collect();
        for path in ["Cargo.toml", "LICENSE", "sdk/contract/Cargo.toml", "sdk/contract/macros/src/lib.rs"] {
            assert!(paths.contains(&path), "{path}");
        }
        for (path, text) in SDK_FILES.iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
            let ours = text.lines().find(|line| line.starts_with("[dev-dependencies") || line.starts_with("[lints"));
            assert_eq!(ours, None, "{path}");
        }
        assert!(LOCK.contains("name = \"parity-scale-codec\"") && LOCK.contains("name = \"entente-contract\""));
        assert!(!LOCK.contains("name = \"token\""));
        for name in ["a", "my-bakery", "zzz"] {
            let lock = lock(name);
            assert_eq!(lock.matches("\n[[package]]\n").count(), LOCK.matches("\n[[package]]\n").count() + 1);
            assert!(
                lock.contains(&format!("name = \"{name}\"\nversion = \"0.1.0\"")) && lock.starts_with("# This file")
            );
        }
        assert_eq!(lock("syn"), LOCK);
    }

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        let cases = [("a/b-c.d", "a/b-c.d"), ("my contract", "'my contract'"), ("it's", r"'it'\''s'"), ("-x", "'-x'")];
        for (path, expected) in cases {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
