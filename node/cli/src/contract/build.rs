//! Rust contracts to Wasm: finds a compiler that can, runs cargo, and makes of its output the module that the chain
//! accepts, with the ABI inside.
//!
//! Two compilers will do: one with the standard library for Wasm installed (`rustup target add
//! wasm32-unknown-unknown`), or one with the library's sources, which are then compiled along (Debian's `rustc-web`
//! and `rust-web-src`, with `lld`).

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde::Deserialize;
use wasm_encoder::{CustomSection, ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

const TARGET: &str = "wasm32-unknown-unknown";
const ABI_SECTION: &str = "entente:abi";
const ABI_LENGTH_MAX: usize = 65_536;
const NAMESPACE: &str = "entente";
/// Shadow stack, static data and a small heap fit one page, which keeps what an instance's reset must restore small.
const STACK_LENGTH_DEFAULT: u32 = 32 * 1024;
const STACK_LENGTH_MAX: u32 = 64 * 1024;

/// How a contract is built.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Where the module goes; without one, `target/contracts/NAME.wasm` under the current folder.
    pub output: Option<PathBuf>,
    /// Cargo's target folder for contracts; without one, `wasm` in the target folder.
    pub target_dir: Option<PathBuf>,
    /// The shadow stack's length in bytes, at most 64 KiB.
    pub stack_length: u32,
    /// Whether cargo's progress is kept from the terminal; its messages are then shown only if it fails.
    pub quiet: bool,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { output: None, target_dir: None, stack_length: STACK_LENGTH_DEFAULT, quiet: false }
    }
}

/// A contract that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Where the module lies.
    pub wasm: PathBuf,
    /// The module.
    pub bytes: Vec<u8>,
    /// Its ABI, as JSON.
    pub abi_json: String,
}

/// Why a contract was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no manifest.
    #[error("{}: there is neither a Cargo.toml nor a file of Solidity here; give the folder of a contract", .0.display())]
    NotAProject(PathBuf),
    /// The package is no contract.
    #[error("{}: the package has no library of the kind `cdylib`; add [lib] crate-type = [\"cdylib\", \"rlib\"]", .0.display())]
    NotAContract(PathBuf),
    /// The shadow stack is too long.
    #[error("a shadow stack of {0} bytes is not allowed; at most {STACK_LENGTH_MAX} are")]
    StackTooLong(u32),
    /// Cargo is missing.
    #[error("cannot run `{}`: {source}; install Rust, or put cargo into PATH", cargo.display())]
    NoCargo {
        /// What was to be run.
        cargo: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// No compiler can do it.
    #[error(
        "no Rust compiler here can make Wasm; run `rustup target add {TARGET}`, or, where that cannot be had, \
         `apt-get install rustc-web rust-web-src lld`"
    )]
    NoToolchain,
    /// The compiler has no linker.
    #[error("{}: this compiler needs a linker for Wasm; run `apt-get install lld`", .0.display())]
    NoLinker(PathBuf),
    /// The manifest cannot be read.
    #[error("{}: cargo cannot read the manifest: {message}", manifest.display())]
    Manifest {
        /// The manifest.
        manifest: PathBuf,
        /// What cargo said.
        message: String,
    },
    /// It does not compile.
    #[error("{}: the contract does not compile ({status}){message}", manifest.display())]
    Compile {
        /// The manifest.
        manifest: PathBuf,
        /// How cargo ended.
        status: ExitStatus,
        /// What cargo said, if it was not shown already.
        message: String,
    },
    /// The module is not one that the chain accepts.
    #[error("{}: the module breaks a rule of the chain: {reason}", wasm.display())]
    Module {
        /// The module as cargo left it.
        wasm: PathBuf,
        /// Which rule, and where.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Builds the contract whose `Cargo.toml` lies in `project`.
pub fn build(project: &Path, options: &BuildOptions) -> Result<Built, BuildError> {
    if options.stack_length > STACK_LENGTH_MAX {
        return Err(BuildError::StackTooLong(options.stack_length));
    }
    let manifest = project.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(BuildError::NotAProject(project.to_path_buf()));
    }
    let manifest = fs::canonicalize(&manifest).map_err(|source| BuildError::File { path: manifest, source })?;
    let package = Package::read(&manifest)?;
    let toolchain = Toolchain::find(project)?;
    let target_dir = match &options.target_dir {
        Some(folder) => folder.clone(),
        None => package.target_dir.join("wasm"),
    };
    compile(&package, &toolchain, &target_dir, options)?;
    let compiled = target_dir.join(TARGET).join("release").join(format!("{}.wasm", package.library));
    let bytes = fs::read(&compiled).map_err(|source| BuildError::File { path: compiled.clone(), source })?;
    let (bytes, abi_json) = finish(&bytes).map_err(|reason| BuildError::Module { wasm: compiled, reason })?;
    let wasm = match &options.output {
        Some(output) => output.clone(),
        None => Path::new("target").join("contracts").join(format!("{}.wasm", package.library)),
    };
    write(&wasm, &bytes).map_err(|source| BuildError::File { path: wasm.clone(), source })?;
    Ok(Built { wasm, bytes, abi_json })
}

/// Writes beside the file first, so that nobody sees half of it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)
}

/// What cargo knows of a package.
struct Package {
    manifest: PathBuf,
    library: String,
    workspace_root: PathBuf,
    target_dir: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    name: String,
    crate_types: Vec<String>,
}

impl Package {
    fn read(manifest: &Path) -> Result<Self, BuildError> {
        let cargo = cargo();
        let output = Command::new(&cargo)
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(manifest)
            .env("RUST_BACKTRACE", "0")
            .output()
            .map_err(|source| BuildError::NoCargo { cargo, source })?;
        let unreadable = |message: String| BuildError::Manifest { manifest: manifest.to_path_buf(), message };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            return Err(unreadable(lines.join(" ")));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).map_err(|error| unreadable(error.to_string()))?;
        let is_contract = |target: &&MetadataTarget| target.crate_types.iter().any(|kind| kind == "cdylib");
        let package = metadata.packages.iter().find(|package| package.manifest_path == manifest);
        let library = package.and_then(|package| package.targets.iter().find(is_contract));
        let Some(library) = library else { return Err(BuildError::NotAContract(manifest.to_path_buf())) };
        Ok(Self {
            manifest: manifest.to_path_buf(),
            library: library.name.replace('-', "_"),
            workspace_root: metadata.workspace_root,
            target_dir: metadata.target_directory,
        })
    }
}

/// The cargo that runs us, or the one in `PATH`.
fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// A compiler that can make Wasm.
enum Toolchain {
    /// It has the library: an ordinary build.
    Installed { rustc: PathBuf },
    /// It has the library's sources, and needs a linker from elsewhere.
    Sources { rustc: PathBuf, linker: PathBuf },
}

impl Toolchain {
    fn find(project: &Path) -> Result<Self, BuildError> {
        let compilers = compilers(project);
        let installed = |sysroot: &Path| {
            let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
            fs::read_dir(library).is_ok_and(|files| {
                files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
            })
        };
        if let Some((rustc, _)) = compilers.iter().find(|(_, sysroot)| installed(sysroot)) {
            return Ok(Self::Installed { rustc: rustc.clone() });
        }
        let sources = |sysroot: &Path| sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file();
        let Some((rustc, sysroot)) = compilers.iter().find(|(_, sysroot)| sources(sysroot)) else {
            return Err(BuildError::NoToolchain);
        };
        // A linker as new as the compiler is best; any is good enough.
        let sysroots = std::iter::once(sysroot).chain(compilers.iter().map(|(_, sysroot)| sysroot));
        let linker = sysroots.map(PathBuf::as_path).find_map(bundled_linker).or_else(linker_in_path);
        match linker {
            Some(linker) => Ok(Self::Sources { rustc: rustc.clone(), linker }),
            None => Err(BuildError::NoLinker(rustc.clone())),
        }
    }
}

/// The compilers of this machine with their sysroots: the project's own first.
fn compilers(project: &Path) -> Vec<(PathBuf, PathBuf)> {
    let named = env::var_os("RUSTC").map(PathBuf::from);
    let mut candidates: Vec<PathBuf> = named.into_iter().collect();
    candidates.extend(path_folders().iter().map(|folder| folder.join("rustc")));
    candidates.extend(["/usr/bin/rustc", "/usr/local/bin/rustc"].map(PathBuf::from));
    let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".rustup")));
    let toolchains = rustup.and_then(|rustup| fs::read_dir(rustup.join("toolchains")).ok());
    candidates.extend(toolchains.into_iter().flatten().flatten().map(|folder| folder.path().join("bin/rustc")));

    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    for rustc in candidates {
        if !rustc.is_file() && rustc.components().count() > 1 {
            continue;
        }
        let Some(sysroot) = sysroot(&rustc, project) else { continue };
        if !found.iter().any(|(_, known)| *known == sysroot) {
            found.push((rustc, sysroot));
        }
    }
    found
}

/// Asked in the project's folder, where rustup looks for the toolchain that the project wants.
fn sysroot(rustc: &Path, project: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).current_dir(project).output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(sysroot.trim()))
}

fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// rustup's toolchains bring `rust-lld`.
fn bundled_linker(sysroot: &Path) -> Option<PathBuf> {
    let hosts = fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|linker| linker.is_file())
}

fn linker_in_path() -> Option<PathBuf> {
    let folders = path_folders();
    if let Some(linker) = folders.iter().map(|folder| folder.join("wasm-ld")).find(|linker| linker.is_file()) {
        return Some(linker);
    }
    // Debian names a linker that is not the default one by its version.
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    files
        .map(|file| file.path())
        .find(|file| file.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("wasm-ld-")))
}

/// Runs cargo.
fn compile(
    package: &Package,
    toolchain: &Toolchain,
    target_dir: &Path,
    options: &BuildOptions,
) -> Result<(), BuildError> {
    let cargo = cargo();
    let mut command = Command::new(&cargo);
    command.args(["build", "--release", "--lib", "--target", TARGET, "--manifest-path"]).arg(&package.manifest);
    command.current_dir(&package.workspace_root);
    // What the chain relies on holds for every project, whatever its profile says.
    for (name, value) in [("LTO", "fat"), ("CODEGEN_UNITS", "1"), ("PANIC", "abort"), ("OVERFLOW_CHECKS", "true")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    command.env("CARGO_TARGET_DIR", target_dir).env_remove("RUSTFLAGS");
    let mut flags = flags(package, options);
    match toolchain {
        Toolchain::Installed { rustc } => {
            command.env("RUSTC", rustc);
        }
        Toolchain::Sources { rustc, linker } => {
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").args(["-Z", "build-std=core,alloc"]);
            flags.push(format!("-Clinker={}", linker.display()));
            flags.push("-Clinker-flavor=wasm-ld".into());
            // Where a panic happened is told to nobody on chain; its places would be a tenth of a small module.
            flags.push("-Zlocation-detail=none".into());
        }
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if options.quiet {
        command.stderr(Stdio::piped());
    }
    let output =
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().and_then(std::process::Child::wait_with_output);
    let output = output.map_err(|source| BuildError::NoCargo { cargo, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let message = if said.is_empty() { String::new() } else { format!(":\n{}", said.trim_end()) };
    Err(BuildError::Compile { manifest: package.manifest.clone(), status: output.status, message })
}

/// The compiler's flags. No float, no SIMD, no reference type comes from `mvp`; copying by one instruction is worth
/// its feature.
fn flags(package: &Package, options: &BuildOptions) -> Vec<String> {
    vec![
        "-Ctarget-cpu=mvp".into(),
        "-Ctarget-feature=+bulk-memory".into(),
        format!("-Clink-arg=-zstack-size={}", options.stack_length),
        "-Clink-arg=--strip-debug".into(),
        format!("--remap-path-prefix={}=.", package.workspace_root.display()),
    ]
}

/// Leaves of a module what the chain needs, checks it, and reads its ABI.
fn finish(compiled: &[u8]) -> Result<(Vec<u8>, String), String> {
    let mut module = Module::new();
    let mut abi = None;
    let mut exported = Vec::new();
    for payload in Parser::new(0).parse_all(compiled) {
        let payload = payload.map_err(|error| error.to_string())?;
        match &payload {
            Payload::CustomSection(section) if section.name() == ABI_SECTION => abi = Some(section.data().to_vec()),
            // Names, producers and the like: every node would store them.
            Payload::CustomSection(_) => {}
            Payload::ExportSection(reader) => {
                let mut exports = ExportSection::new();
                for export in reader.clone() {
                    let export = export.map_err(|error| error.to_string())?;
                    let kind = match (export.name, export.kind) {
                        ("memory", ExternalKind::Memory) => ExportKind::Memory,
                        ("deploy" | "call", ExternalKind::Func) => ExportKind::Func,
                        // The linker's own marks.
                        _ => continue,
                    };
                    exports.export(export.name, kind, export.index);
                    exported.push(export.name);
                }
                module.section(&exports);
            }
            Payload::ImportSection(reader) => {
                for import in reader.clone().into_imports() {
                    let import = import.map_err(|error| error.to_string())?;
                    if import.module != NAMESPACE {
                        return Err(format!(
                            "it imports `{}.{}`; only `{NAMESPACE}` is there",
                            import.module, import.name
                        ));
                    }
                }
                raw(&payload, compiled, &mut module);
            }
            Payload::StartSection { .. } => return Err("it has a start section".into()),
            _ => raw(&payload, compiled, &mut module),
        }
    }
    for name in ["memory", "deploy", "call"] {
        if !exported.contains(&name) {
            return Err(format!("it does not export `{name}`; a contract is a module under #[entente::contract]"));
        }
    }
    let abi = abi.ok_or("it has no ABI; a contract is a module under #[entente::contract]")?;
    if abi.len() > ABI_LENGTH_MAX {
        return Err(format!("its ABI takes {} bytes; at most {ABI_LENGTH_MAX} are allowed", abi.len()));
    }
    module.section(&CustomSection { name: ABI_SECTION.into(), data: (&abi).into() });
    let bytes = module.finish();
    Validator::new_with_features(features()).validate_all(&bytes).map_err(|error| error.to_string())?;
    let abi = String::from_utf8(abi).map_err(|_| "its ABI is not UTF-8")?;
    Ok((bytes, abi))
}

/// Copies a section as it stands; what is no section of its own (a function's body) is inside one.
fn raw(payload: &Payload<'_>, compiled: &[u8], module: &mut Module) {
    if let Some((id, range)) = payload.as_section() {
        module.section(&RawSection { id, data: compiled.get(range).unwrap_or_default() });
    }
}

/// What a module may use. References themselves are in no contract; a compiler's own library is encoded for them.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::GC_TYPES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(exports: &[(&str, &str)], extra: &str) -> Vec<u8> {
        let exports: Vec<_> = exports.iter().map(|(name, what)| format!("(export \"{name}\" ({what} 0))")).collect();
        let exports = exports.concat();
        let text =
            format!("(module {extra} (func (result i32) i32.const 0) (memory 1) (global i32 (i32.const 0)) {exports})");
        let mut bytes = wat::parse_str(text).expect("a module");
        for (name, data) in [("producers", "x"), (ABI_SECTION, "[]")] {
            let section = CustomSection { name: name.into(), data: data.as_bytes().into() };
            wasm_encoder::ComponentSection::append_to_component(&section, &mut bytes);
        }
        bytes
    }

    const ALL: [(&str, &str); 4] =
        [("memory", "memory"), ("deploy", "func"), ("call", "func"), ("__heap_base", "global")];

    #[test]
    fn only_the_abi_and_three_exports_stay() {
        let (bytes, abi) = finish(&module(&ALL, "")).expect("accepted");
        assert_eq!(abi, "[]");
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.expect("parses") {
                Payload::CustomSection(section) => names.push(section.name().to_owned()),
                Payload::ExportSection(exports) => {
                    names.extend(exports.into_iter().map(|export| export.expect("parses").name.to_owned()));
                }
                _ => {}
            }
        }
        assert_eq!(names, ["memory", "deploy", "call", ABI_SECTION]);
    }

    #[test]
    fn a_module_that_breaks_a_rule_is_refused_with_the_rule() {
        let reason = finish(&module(&ALL[..2], "")).expect_err("no call");
        assert!(reason.contains("does not export `call`"), "{reason}");
        let reason = finish(&module(&ALL, "(func (result f64) f64.const 0)")).expect_err("a float");
        assert!(reason.contains("floating-point"), "{reason}");
    }

    #[test]
    fn a_folder_without_a_manifest_is_refused() {
        let error = build(Path::new("nowhere"), &BuildOptions::default()).expect_err("nothing there");
        assert!(matches!(error, BuildError::NotAProject(_)));
    }
}
