//! Solidity to EVM code: whose sources, which compiler, what it is asked, and what is written.
//!
//! A compiler is chosen by what the sources say (`pragma solidity`): the newest one that a source and all that it
//! imports allow. Sources that want different ones are compiled apart.

mod compiler;
mod pragma;
mod project;
mod remapping;
mod source;
mod standard;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use entente_client::abi::Abi;
use serde::Serialize;
use serde_json::Value;

use super::build::write;
use crate::progress::Progress;
use compiler::{Compiled, Compiler};
pub(crate) use pragma::Version;
use pragma::{Requirement, RequirementError};
pub(crate) use project::is_solidity;
use project::{Project, Source};
use standard::Contract;

/// The requirements that an error lists.
const LISTED_MAX: usize = 6;

/// Why Solidity was not compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SolidityError {
    #[error("{}: there is no file of Solidity here; give the folder of a project, with its sources in contracts or src", .0.display())]
    NotAProject(PathBuf),
    #[error("{}: there is no test here; tests are contracts in test, with methods whose names begin with test", .0.display())]
    NoTest(PathBuf),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: the file has more than {bytes_max} bytes", path.display())]
    FileSize { path: PathBuf, bytes_max: u64 },
    #[error("{}: the name of a source is UTF-8 and below the project's folder", .0.display())]
    FileName(PathBuf),
    #[error("{}: {reason}", path.display())]
    Settings { path: PathBuf, reason: String },
    #[error("{}: {error}", path.display())]
    Requirement { path: PathBuf, error: RequirementError },
    #[error("more than {0} sources; name the folder that has those of one project")]
    TooMany(usize),
    #[error(
        "{importer} imports {name:?}, which is neither below {} nor in a node_modules there or above; is a package \
         missing? install it there with npm", root.display()
    )]
    Import { name: String, importer: String, root: PathBuf },
    #[error("solc {0} is none of the compilers that there are: 0.4.11 to {newest}", newest = newest_version())]
    UnknownCompiler(Version),
    #[error("no compiler of 0.4.11 to {newest} is allowed by all of: {0}", newest = newest_version())]
    NoCompiler(String),
    #[error("solc {version} is not allowed by: {wanted}")]
    NotAllowed { version: Version, wanted: String },
    #[error("there is no folder to keep compilers in: set HOME, or ENTENTE_CACHE to a folder")]
    NoCache,
    #[error("cannot run `{program}`: {source}; install Node.js with npm, such as by: apt-get install nodejs npm")]
    NoProgram { program: &'static str, source: io::Error },
    #[error(
        "solc {version} cannot be fetched with npm: {reason}; it is fetched once: is npm's registry to be reached?"
    )]
    Install { version: Version, reason: String },
    #[error("solc {version} failed: {reason}")]
    Compiler { version: Version, reason: String },
    #[error("the contracts do not compile (solc {version}, {} in them)", counted(errors.len()))]
    Compile { version: Version, errors: Vec<String> },
}

fn newest_version() -> String {
    Compiler::newest(|_| true).map(|compiler| compiler.version.to_string()).unwrap_or_default()
}

fn counted(errors: usize) -> String {
    if errors == 1 { "one error".to_owned() } else { format!("{errors} errors") }
}

impl SolidityError {
    /// What the compiler said, in its own words.
    pub(crate) fn messages(&self) -> &[String] {
        match self {
            Self::Compile { errors, .. } => errors,
            _ => &[],
        }
    }
}

/// What was built of a project.
#[derive(Debug, Serialize)]
pub(crate) struct BuiltProject {
    /// The project's own contracts.
    pub(crate) contracts: Vec<BuiltContract>,
    /// What each compiler was given and what it answered.
    pub(crate) compilations: Vec<BuiltFiles>,
    /// What the compilers found doubtful, in their words.
    pub(crate) warnings: Vec<String>,
}

/// One of the contracts.
#[derive(Debug, Serialize)]
pub(crate) struct BuiltContract {
    pub(crate) name: String,
    /// The source that it stands in.
    pub(crate) source: String,
    /// The compiler's version.
    pub(crate) compiler: String,
    /// The artefact, beside which the ABI and the code lie in files of their own.
    pub(crate) file: PathBuf,
    /// The bytes of the code that creates it; none of an interface or an abstract contract.
    pub(crate) bytes: u64,
    pub(crate) methods: Vec<String>,
}

/// Where the whole of a compilation is kept.
#[derive(Debug, Serialize)]
pub(crate) struct BuiltFiles {
    pub(crate) compiler: String,
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
}

/// Some sources that one compiler compiled, with what they import.
#[derive(Debug)]
struct Compilation {
    roots: BTreeSet<String>,
    input: Value,
    compiled: Compiled,
    warnings: Vec<String>,
}

/// A contract of a test, ready to be run.
#[derive(Debug)]
pub(crate) struct TestContract {
    /// The source that it stands in.
    pub(crate) source: String,
    pub(crate) name: String,
    /// Its artefact.
    pub(crate) json: String,
}

/// What is needed to run a project's tests.
#[derive(Debug)]
pub(crate) struct Tests {
    /// The contracts that have tests.
    pub(crate) contracts: Vec<TestContract>,
    /// The ABIs of all contracts that were compiled, by which errors are told.
    pub(crate) abis: Vec<Abi>,
    pub(crate) warnings: Vec<String>,
}

/// Builds the project at a path, and writes its artefacts into a folder.
pub(crate) fn build(path: &Path, out: &Path, chosen: Option<Version>) -> Result<BuiltProject, SolidityError> {
    let project = Project::open(path)?;
    let compilations = compile(&project, &project.own, chosen)?;
    let mut built = BuiltProject { contracts: Vec::new(), compilations: Vec::new(), warnings: Vec::new() };
    for compilation in &compilations {
        let version = compilation.compiled.version.as_str();
        let number = version.split('+').next().unwrap_or_default();
        let file = |kind: &str| out.join(format!("{}.solc-{number}.{kind}.json", project.name));
        let (input, output) = (file("input"), file("output"));
        write_json(&input, &compilation.input)?;
        write_json(&output, &compilation.compiled.output)?;
        built.compilations.push(BuiltFiles { compiler: version.to_owned(), input, output });
        built.warnings.extend(compilation.warnings.iter().cloned());
    }
    let contracts: Vec<(&Compilation, Contract)> = compilations
        .iter()
        .flat_map(|compilation| {
            Contract::all(&compilation.compiled.output).into_iter().map(move |contract| (compilation, contract))
        })
        .collect();
    let is_own = |compilation: &Compilation, contract: &Contract| compilation.roots.contains(&contract.source);
    for (compilation, contract) in &contracts {
        let own = is_own(compilation, contract);
        // What another compilation has as its own is left to it, and so is what nobody can deploy.
        if !own && (project.own.contains(&contract.source) || !contract.is_deployable()) {
            continue;
        }
        let namesakes = contracts.iter().filter(|(of, other)| is_own(of, other) && other.name == contract.name);
        let folder = if own && namesakes.count() == 1 { out.to_owned() } else { out.join(folder_of(&contract.source)) };
        let file = write_contract(&folder, contract, &compilation.compiled.version)?;
        if own {
            built.contracts.push(built_contract(contract, &compilation.compiled.version, file));
        }
    }
    built.contracts.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(built)
}

/// Compiles a project's tests, and what they import; nothing is written.
pub(crate) fn tests(path: &Path, chosen: Option<Version>) -> Result<Tests, SolidityError> {
    let project = Project::open(path)?;
    let compilations = compile(&project, &project.tests, chosen)?;
    let mut tests = Tests { contracts: Vec::new(), abis: Vec::new(), warnings: Vec::new() };
    for compilation in &compilations {
        tests.warnings.extend(compilation.warnings.iter().cloned());
        for contract in Contract::all(&compilation.compiled.output) {
            let Ok(abi) = Abi::from_json(&contract.abi().to_string()) else { continue };
            let has_tests = abi.signatures().iter().any(|signature| is_test(signature));
            tests.abis.push(abi);
            if has_tests && compilation.roots.contains(&contract.source) && !contract.code().is_empty() {
                let json = contract.artefact(&compilation.compiled.version).to_string();
                tests.contracts.push(TestContract { source: contract.source, name: contract.name, json });
            }
        }
    }
    if tests.contracts.is_empty() {
        return Err(SolidityError::NoTest(path.to_owned()));
    }
    Ok(tests)
}

/// Whether a method is a test, by its signature.
pub(crate) fn is_test(signature: &str) -> bool {
    signature.starts_with("test")
}

/// Compiles these sources of a project with what they import: each with the newest compiler that is allowed.
fn compile(
    project: &Project,
    roots: &BTreeSet<String>,
    chosen: Option<Version>,
) -> Result<Vec<Compilation>, SolidityError> {
    let sources = project.read(roots.iter().cloned())?;
    let mut groups: BTreeMap<Version, BTreeSet<String>> = BTreeMap::new();
    for root in roots {
        let compiler = choose(root, &sources, chosen)?;
        groups.entry(compiler.version).or_default().insert(root.clone());
    }
    let mut compilations = Vec::new();
    for (version, roots) in groups {
        let compiler = Compiler::of(version)?;
        let needed: BTreeSet<&str> = roots.iter().flat_map(|root| reached(root, &sources)).collect();
        let needed: BTreeMap<String, Source> = sources
            .iter()
            .filter(|(name, _)| needed.contains(name.as_str()))
            .map(|(name, source)| (name.clone(), source.clone()))
            .collect();
        let input = standard::input(compiler, &needed, &project.settings, &project.remappings);
        if !compiler.is_installed() {
            let progress = Progress::new();
            progress.set(&format!("fetching solc {version}"), 0, None);
            compiler.install()?;
        }
        let waiting = Progress::waiting(&format!("compiling with solc {version}"));
        let answer = compiler.run(&input)?;
        drop(waiting);
        let is_own = |name: &str| project.own.contains(name) || project.tests.contains(name);
        let messages = standard::messages(&answer.output, is_own);
        if !messages.errors.is_empty() {
            return Err(SolidityError::Compile { version, errors: messages.errors });
        }
        compilations.push(Compilation { roots, input, compiled: answer, warnings: messages.warnings });
    }
    Ok(compilations)
}

/// The names of a source and all that it imports.
fn reached<'a>(root: &'a str, sources: &'a BTreeMap<String, Source>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![root];
    while let Some(name) = waiting.pop() {
        if found.insert(name) {
            let imports = sources.get(name).into_iter().flat_map(|source| &source.imports);
            waiting.extend(imports.map(String::as_str));
        }
    }
    found
}

/// The compiler for a source: the one that was asked for, or the newest that it and all that it imports allow.
fn choose(root: &str, sources: &BTreeMap<String, Source>, chosen: Option<Version>) -> Result<Compiler, SolidityError> {
    let wanted: Vec<(&str, &Requirement)> = reached(root, sources)
        .into_iter()
        .filter_map(|name| Some((name, sources.get(name)?)))
        .flat_map(|(name, source)| source.outline.requirements.iter().map(move |wanted| (name, wanted)))
        .collect();
    if let Some(version) = chosen {
        let refusing: Vec<_> = wanted.into_iter().filter(|(_, wanted)| !wanted.allows(version)).collect();
        if !refusing.is_empty() {
            return Err(SolidityError::NotAllowed { version, wanted: listed(&refusing) });
        }
        return Compiler::of(version);
    }
    let newest = Compiler::newest(|version| wanted.iter().all(|(_, wanted)| wanted.allows(version)));
    newest.ok_or_else(|| SolidityError::NoCompiler(listed(&wanted)))
}

/// Requirements, each different one with the first source that has it.
fn listed(wanted: &[(&str, &Requirement)]) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut known = BTreeSet::new();
    for (name, wanted) in wanted {
        if known.insert(wanted.to_string()) {
            texts.push(format!("{name} ({wanted})"));
        }
    }
    let more = texts.len().saturating_sub(LISTED_MAX);
    texts.truncate(LISTED_MAX);
    let listed = texts.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

fn built_contract(contract: &Contract, compiler: &str, file: PathBuf) -> BuiltContract {
    // A library's ABI may have types that nobody outside can use.
    let abi = Abi::from_json(&contract.abi().to_string());
    BuiltContract {
        name: contract.name.clone(),
        source: contract.source.clone(),
        compiler: compiler.to_owned(),
        file,
        bytes: (contract.code().len() / 2) as u64,
        methods: abi.map(|abi| abi.signatures()).unwrap_or_default(),
    }
}

/// Writes a contract's files: all in one, the ABI, and the code if there is some.
fn write_contract(folder: &Path, contract: &Contract, compiler: &str) -> Result<PathBuf, SolidityError> {
    let file = |ending: &str| folder.join(format!("{}.{ending}", contract.name));
    write_json(&file("abi"), &contract.abi())?;
    if !contract.code().is_empty() {
        let path = file("bin");
        write(&path, contract.code().as_bytes()).map_err(|source| SolidityError::File { path, source })?;
    }
    write_json(&file("json"), &contract.artefact(compiler))?;
    Ok(file("json"))
}

/// Where a source's contracts go that are not the only ones of their name: a folder of the source's name.
fn folder_of(source: &str) -> PathBuf {
    let source = source.strip_suffix(".sol").unwrap_or(source);
    source.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect()
}

fn write_json(path: &Path, value: &Value) -> Result<(), SolidityError> {
    write(path, value.to_string().as_bytes()).map_err(|source| SolidityError::File { path: path.to_owned(), source })
}

/// Reads a text that is not longer than it may be.
fn read_text(path: &Path, bytes_max: u64) -> Result<String, SolidityError> {
    use io::Read as _;
    let fault = |source: io::Error| SolidityError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(fault)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > bytes_max {
        return Err(SolidityError::FileSize { path: path.to_owned(), bytes_max });
    }
    String::from_utf8(bytes).map_err(|error| fault(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))
}

#[cfg(test)]
mod tests {
    use super::{source::Outline, *};

    fn sources(texts: &[(&str, &str, &[&str])]) -> BTreeMap<String, Source> {
        let source = |text: &str, imports: &[&str]| Source {
            text: text.to_owned(),
            outline: Outline::of(text).expect("understood"),
            imports: imports.iter().map(ToString::to_string).collect(),
        };
        texts.iter().map(|(name, text, imports)| ((*name).to_owned(), source(text, imports))).collect()
    }

    #[test]
    fn a_compiler_is_the_newest_that_a_source_and_its_imports_allow() {
        let sources = sources(&[
            ("A.sol", "pragma solidity ^0.8.0;", &["B.sol"]),
            ("B.sol", "pragma solidity >=0.6.0 <0.8.20;", &["A.sol"]),
            ("C.sol", "pragma solidity ^0.4.0;", &[]),
            ("D.sol", "pragma solidity 0.7.6;", &["A.sol"]),
            ("E.sol", "", &[]),
            ("F.sol", "pragma solidity ^0.3.0;", &[]),
        ]);
        let chosen = |name: &str, version: Option<&str>| {
            let version = version.map(|version| version.parse().expect("a version"));
            choose(name, &sources, version).map(|compiler| compiler.version.to_string())
        };
        for (name, expected) in [("A.sol", "0.8.19"), ("B.sol", "0.8.19"), ("C.sol", "0.4.26"), ("E.sol", "0.8.37")] {
            assert_eq!(chosen(name, None).expect("there is one"), expected, "{name}");
        }
        let told = |name: &str, version| chosen(name, version).expect_err("there is none").to_string();
        assert_eq!(
            told("D.sol", None),
            "no compiler of 0.4.11 to 0.8.37 is allowed by all of: A.sol (^0.8.0), B.sol (>=0.6.0 <0.8.20), D.sol (0.7.6)"
        );
        assert_eq!(told("F.sol", None), "no compiler of 0.4.11 to 0.8.37 is allowed by all of: F.sol (^0.3.0)");
        assert_eq!(chosen("A.sol", Some("0.8.4")).expect("allowed"), "0.8.4");
        assert_eq!(told("A.sol", Some("0.8.30")), "solc 0.8.30 is not allowed by: B.sol (>=0.6.0 <0.8.20)");
        assert_eq!(
            told("E.sol", Some("0.4.2")),
            "solc 0.4.2 is none of the compilers that there are: 0.4.11 to 0.8.37"
        );
    }

    #[test]
    fn artefacts_of_namesakes_lie_in_folders_of_their_sources() {
        let cases = [("contracts/A.sol", "contracts/A"), ("@acme/b/C.sol", "@acme/b/C"), ("/../../etc/D.sol", "etc/D")];
        for (source, expected) in cases {
            assert_eq!(folder_of(source), Path::new(expected));
        }
    }
}
