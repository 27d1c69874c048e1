//! `entente contract`: building, deploying and using contracts.

pub mod build;
mod deployments;
mod new;
mod transact;
mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use entente_types::Address;
use serde::Serialize;

use crate::{
    arguments::GroupArguments,
    output::{Failure, Output},
    password::PasswordArguments,
    runtime::block_on,
    table::thousands,
};
use build::{BuildOptions, Built};
pub(crate) use transact::unlock;

/// The gas that a transaction may use where nobody says otherwise. What is left over is not used up.
pub(crate) const GAS_DEFAULT: u64 = 100_000_000;

/// What can be done with contracts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Make a project of a contract that builds, passes its tests and can be deployed as it stands.
    #[command(
        after_help = "Example:\n  entente contract new bakery\n  entente contract new bakery --path contracts/bakery"
    )]
    New(new::NewArguments),
    /// Compile a Rust contract to a module with its ABI inside.
    #[command(
        after_help = "Example:\n  entente contract build contracts/token\n  entente contract build contracts/token --out token.wasm"
    )]
    Build(BuildArguments),
    /// Deploy a module; the constructor's arguments are read by its ABI.
    #[command(after_help = "Example:\n  entente contract deploy target/contracts/token.wasm --account alice")]
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
    /// EVM code. Not there yet.
    Evm,
}

/// What to build.
#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// The contract's folder, with its Cargo.toml.
    path: PathBuf,
    /// What to compile to. Of these, wasm works in this version.
    #[arg(long, value_enum, default_value_t = TargetName::Wasm)]
    target: TargetName,
    /// Where the module goes; else target/contracts/NAME.wasm under the current folder.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    /// The module.
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
    /// The contract's ABI: a module or JSON; else what was remembered when it was deployed from here, or the node's.
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
            Self::Deploy(arguments) => block_on(transact::deploy(arguments, output)),
            Self::Send(arguments) => block_on(transact::send(arguments, output)),
            Self::Call(arguments) => block_on(transact::call(arguments, output)),
            Self::Watch(arguments) => block_on(watch::watch(arguments, output)),
        }
    }
}

fn build_contract(arguments: BuildArguments, output: Output) -> Result<(), Failure> {
    if arguments.target == TargetName::Evm {
        return Err(Failure::new("--target evm: EVM code is not there yet; use --target wasm"));
    }
    if arguments.path.extension().is_some_and(|extension| extension == "sol") {
        let path = arguments.path.display();
        return Err(Failure::new(format!("{path}: Solidity is not there yet; give the folder of a Rust contract")));
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
