//! `entente contract`: building, deploying and using contracts.

pub(crate) mod artefact;
pub mod build;
mod deployments;
mod new;
mod solidity;
mod test;
mod transact;
mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use entente_types::{Address, Status, hex_bytes};
use serde::Serialize;

use crate::{
    arguments::GroupArguments,
    output::{Failure, Output},
    password::PasswordArguments,
    runtime::block_on,
    table::thousands,
};
use build::{BuildOptions, Built};
use solidity::SolidityError;
pub(crate) use transact::unlock;

/// The gas that a transaction may use where nobody says otherwise. What is left over is not used up.
pub(crate) const GAS_DEFAULT: u64 = 100_000_000;

/// Where artefacts of Solidity go where nobody says otherwise.
const ARTEFACTS: &str = "target/contracts";

/// What can be done with contracts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Make a project of a contract that builds, passes its tests and can be deployed as it stands.
    #[command(
        after_help = "Example:\n  entente contract new bakery\n  entente contract new bakery --path contracts/bakery\n  entente contract new bakery --lang solidity"
    )]
    New(new::NewArguments),
    /// Compile a Rust contract to a module with its ABI inside, or contracts in Solidity to EVM code.
    ///
    /// A folder with a Cargo.toml is a Rust contract. Any other with files of Solidity, in contracts, src or itself, is a
    /// project of these; one file, or a standard JSON input of solc, may be named as well. Each source is compiled by
    /// the newest solc that its `pragma solidity`, and those of what it imports, allow, from 0.4.11 on; it is fetched
    /// from npm once, and checked against a hash that this program knows. Imports are found beside their importer, below
    /// the project's folder, and in node_modules. Settings of solc go into a file solc.json of the project, as in its
    /// standard JSON: {"settings": {...}}.
    ///
    /// Of each contract in Solidity, NAME.json is what is deployed; NAME.abi and NAME.bin are as solc writes them. What
    /// solc was given and what it answered lies beside them.
    #[command(
        after_help = "Example:\n  entente contract build contracts/token\n  entente contract build contracts/token --out token.wasm\n  entente contract build bakery --target evm --out artefacts"
    )]
    Build(BuildArguments),
    /// Run the tests of contracts in Solidity, on a chain in memory.
    ///
    /// A test is a contract in a file of the folder test, or in one that ends with .t.sol. Each of its methods whose name
    /// begins with test is run by itself, after the contract was deployed and its setUp() called, and fails if it
    /// reverts. It is a node's own executor that runs them: rules, limits, gas and native modules are the same. Rust
    /// contracts are tested by cargo test.
    #[command(
        after_help = "Example:\n  entente contract test bakery\n  entente contract test bakery --only testOnlyItsOwner"
    )]
    Test(test::TestArguments),
    /// Deploy a module or an artefact of Solidity; the constructor's arguments are read by its ABI.
    #[command(
        after_help = "Example:\n  entente contract deploy target/contracts/token.wasm --account alice\n  entente contract deploy target/contracts/Bakery.json 32 --account alice"
    )]
    Deploy(DeployArguments),
    /// Call a method in a signed transaction, and wait until it is committed.
    #[command(
        after_help = "Example:\n  entente contract send 0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0 transfer 0x00000000000000000000000000000000000010ab 25 --account alice"
    )]
    Send(SendArguments),
    /// Ask a method without a transaction; nothing is changed.
    #[command(after_help = "Example:\n  entente contract call 0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0 totalSupply")]
    Call(CallArguments),
    /// Show a contract's events as they come, until an interrupt.
    #[command(
        after_help = "Example:\n  entente contract watch 0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0\n  entente contract watch 0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0 Transfer --from 0 --count 10 --json"
    )]
    Watch(watch::WatchArguments),
}

/// What contracts are compiled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TargetName {
    /// WebAssembly.
    Wasm,
    /// EVM code.
    Evm,
}

/// What to build.
#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// The contract's folder, with its Cargo.toml or its files of Solidity; or one of these files.
    path: PathBuf,
    /// What to compile to; else wasm for Rust and evm for Solidity, which are what works in this version.
    #[arg(long, value_enum)]
    target: Option<TargetName>,
    /// Where the module goes, else target/contracts/NAME.wasm under the current folder; or the folder where Solidity's
    /// artefacts go, else target/contracts.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// The version of solc; else the newest that the sources allow.
    #[arg(long, value_name = "VERSION")]
    solc: Option<solidity::Version>,
}

/// Which node and group is spoken to, and with how much gas.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    #[command(flatten)]
    place: GroupArguments,
    /// The gas that may be used at most.
    #[arg(long, default_value_t = GAS_DEFAULT)]
    gas: u64,
}

/// Who signs.
#[derive(Debug, Args)]
pub(crate) struct SignerArguments {
    /// The keystore that signs; see: entente account list
    #[arg(long, value_name = "NAME")]
    account: String,
    #[command(flatten)]
    password: PasswordArguments,
}

/// What to deploy.
#[derive(Debug, Args)]
pub(crate) struct DeployArguments {
    /// The module, or Solidity's artefact: NAME.json, or NAME.bin with NAME.abi beside it.
    file: PathBuf,
    /// The constructor's arguments: numbers decimal or 0x, addresses and bytes 0x, arrays [a,b].
    ///
    /// Numbers are decimal or 0x and may have _ between digits; decimal ones may have an exponent as long as they are
    /// whole: 25, 1_000, 1.5e18. There are no units such as ether. Addresses and bytes are 0x; an address with small
    /// and capital letters is checked by its checksum. Truth values are true and false, arrays [a,b], tuples (a,b).
    /// A text stands as it is; inside of an array it may stand in double quotes. Before an argument that begins with -
    /// and is no number, write -- once.
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// Where a library is that the code calls: its name, = and its address. Once for each.
    #[arg(long = "library", value_name = "NAME=ADDRESS", value_parser = library)]
    libraries: Vec<(String, Address)>,
    #[command(flatten)]
    node: NodeArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

/// What to call, and how its answer is read.
#[derive(Debug, Args)]
pub(crate) struct MethodArguments {
    /// The contract's address.
    address: Address,
    /// The method's name, or its full signature where there are several of the name.
    method: String,
    /// The method's arguments: numbers decimal or 0x, addresses and bytes 0x, arrays [a,b].
    ///
    /// Numbers are decimal or 0x and may have _ between digits; decimal ones may have an exponent as long as they are
    /// whole: 25, 1_000, 1.5e18. There are no units such as ether. Addresses and bytes are 0x; an address with small
    /// and capital letters is checked by its checksum. Truth values are true and false, arrays [a,b], tuples (a,b).
    /// A text stands as it is; inside of an array it may stand in double quotes. Before an argument that begins with -
    /// and is no number, write -- once.
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// The contract's ABI: a module, an artefact or JSON; else what was remembered when it was deployed from here, or the node's.
    #[arg(long, value_name = "FILE")]
    abi: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArguments,
}

/// A call in a transaction.
#[derive(Debug, Args)]
pub(crate) struct SendArguments {
    #[command(flatten)]
    method: MethodArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

/// A call without a transaction.
#[derive(Debug, Args)]
pub(crate) struct CallArguments {
    #[command(flatten)]
    method: MethodArguments,
    /// The keystore whose address the contract sees as its caller; no password is needed.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

#[derive(Serialize)]
struct BuiltLine {
    file: PathBuf,
    bytes: u64,
    methods: Vec<String>,
}

impl ContractCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::New(arguments) => new::run(&arguments, output),
            Self::Build(arguments) => build_contract(arguments, output),
            Self::Test(arguments) => test::run(&arguments, output),
            Self::Deploy(arguments) => block_on(transact::deploy(arguments, output)),
            Self::Send(arguments) => block_on(transact::send(arguments, output)),
            Self::Call(arguments) => block_on(transact::call(arguments, output)),
            Self::Watch(arguments) => block_on(watch::watch(arguments, output)),
        }
    }
}

/// A library's name and address.
fn library(text: &str) -> Result<(String, Address), String> {
    let (name, address) = text.rsplit_once('=').ok_or("it has no =; write NAME=ADDRESS")?;
    Ok((name.to_owned(), address.parse().map_err(|error| format!("{address:?}: {error}"))?))
}

fn build_contract(arguments: BuildArguments, output: Output) -> Result<(), Failure> {
    if solidity::is_solidity(&arguments.path) {
        return build_solidity(&arguments, output);
    }
    if arguments.target == Some(TargetName::Evm) {
        return Err(Failure::new("--target evm: a Rust contract is compiled to wasm; leave --target out"));
    }
    if arguments.solc.is_some() {
        return Err(Failure::new("--solc: this is no contract in Solidity; leave it out"));
    }
    let options = BuildOptions { output: arguments.out, ..BuildOptions::default() };
    let Built { wasm, bytes, abi_json } = build::build(&arguments.path, &options)?;
    let methods = entente_client::abi::Abi::from_json(&abi_json)?.signatures();
    let line = BuiltLine { file: wasm, bytes: bytes.len() as u64, methods };
    output.show(&line, || {
        let methods = line.methods.join(", ");
        format!("{}: {} bytes\nmethods: {methods}", line.file.display(), thousands(line.bytes))
    })
}

fn build_solidity(arguments: &BuildArguments, output: Output) -> Result<(), Failure> {
    if arguments.target == Some(TargetName::Wasm) {
        return Err(Failure::new("--target wasm: Solidity to Wasm is not there yet; use --target evm"));
    }
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(ARTEFACTS));
    let built = told(solidity::build(&arguments.path, &out, arguments.solc))?;
    warn(&built.warnings);
    output.show(&built, || {
        let lines = built.contracts.iter().map(|contract| {
            let (file, methods) = (contract.file.display(), contract.methods.join(", "));
            let size = match contract.bytes {
                0 => "no code, an ABI alone".to_owned(),
                bytes => format!("{} bytes of code by solc {}", thousands(bytes), contract.compiler),
            };
            format!("{file}: {size}\nmethods: {methods}\n")
        });
        lines.collect()
    })
}

/// Shows what a compiler says beside the one line of a failure.
fn told<T>(result: Result<T, SolidityError>) -> Result<T, Failure> {
    result.map_err(|error| {
        warn(error.messages());
        error.into()
    })
}

/// Shows a compiler's messages, in its own words.
fn warn(messages: &[String]) {
    for message in messages {
        eprintln!("{message}\n");
    }
}

/// What to say of a revert whose error none of the ABIs at hand names: the error's selector.
fn unnamed_error(status: u32, output: &[u8]) -> Option<String> {
    let selector = output.first_chunk::<4>().filter(|_| status == Status::Revert.code())?;
    Some(format!("an error that no ABI here names: {}", hex_bytes::encode(selector)))
}
