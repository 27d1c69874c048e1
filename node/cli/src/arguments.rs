//! The commands, and who does them.

use std::fmt;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use entente_client::client::{Client, Group};

use crate::{
    account::AccountCommand,
    cert::CertCommand,
    chain::ChainCommand,
    contract::ContractCommand,
    demo::{self, DemoArguments},
    doctor::{self, DoctorArguments},
    export::{self, ExportArguments},
    group::GroupCommand,
    import::{self, ImportArguments},
    load::{self, LoadArguments},
    member::MemberCommand,
    node::NodeCommand,
    output::{Failure, Output},
    proof::ProofCommand,
    verify::{self, VerifyArguments},
};

/// A consortium ledger whose contracts are WebAssembly.
#[derive(Debug, Parser)]
#[command(
    name = "entente",
    version,
    after_help = "Example:\n  entente chain new --out chain\n  entente chain up chain\n  entente chain status chain"
)]
pub(crate) struct Arguments {
    /// Show the result as one JSON object, for scripts; where there is none, {"error": "..."}.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, start, stop and look at a chain of nodes on this machine.
    #[command(subcommand, after_help = "Example:\n  entente chain new --out chain")]
    Chain(ChainCommand),
    /// Run one node in the foreground.
    #[command(subcommand, after_help = "Example:\n  entente node run --dir chain/node0")]
    Node(NodeCommand),
    /// Make, import and list the keys that sign transactions.
    #[command(subcommand, after_help = "Example:\n  entente account new alice")]
    Account(AccountCommand),
    /// Build, deploy and use contracts.
    #[command(subcommand, after_help = "Example:\n  entente contract build contracts/token")]
    Contract(ContractCommand),
    /// Fetch proofs of transactions, receipts and rows, and check them with nothing but the genesis document.
    #[command(subcommand, after_help = "Example:\n  entente proof check proof.bin --genesis chain/node0/genesis.toml")]
    Proof(ProofCommand),
    /// Say who seals a group's blocks and who observes, and change it.
    #[command(subcommand, after_help = "Example:\n  entente member list")]
    Member(MemberCommand),
    /// What is done with a group as a whole.
    #[command(subcommand, after_help = "Example:\n  entente group recover --dir chain/node0 --begin recovery.json")]
    Group(GroupCommand),
    /// The certificates by which nodes know one another.
    #[command(subcommand, after_help = "Example:\n  entente cert show chain/node0")]
    Cert(CertCommand),
    /// Send signed transactions at a rate and measure what becomes of them.
    Load(LoadArguments),
    /// Check a stopped node's store: every block, and the state root made anew from all rows.
    Verify(VerifyArguments),
    /// Say what is wrong with a node, or will be, and what to do about it.
    Doctor(DoctorArguments),
    /// Write the blocks of a stopped node to a file.
    Export(ExportArguments),
    /// Take blocks into a stopped node, from a file or from another node's folder; each is checked and executed.
    Import(ImportArguments),
    /// Show the whole path: a chain, a contract, tens of thousands of signed transfers, and the proof that nothing is
    /// lost.
    Demo(DemoArguments),
    /// Write the shell's completion script to standard output.
    #[command(after_help = "Example:\n  entente completions bash\n  entente completions fish")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Which node and group is spoken to.
#[derive(Debug, Args)]
pub(crate) struct GroupArguments {
    /// The node's address.
    #[arg(long, value_name = "URL", env = "ENTENTE_RPC", default_value = "ws://127.0.0.1:8545")]
    rpc: String,
    /// The group.
    #[arg(long, default_value = "group1")]
    group: String,
}

impl fmt::Display for GroupArguments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.group, self.rpc)
    }
}

impl GroupArguments {
    /// Speaks to it.
    pub(crate) async fn connect(&self) -> Result<Group, Failure> {
        Ok(Client::connect(&self.rpc).await?.group(&self.group).await?)
    }
}

impl Arguments {
    /// How results are to be shown.
    pub(crate) const fn output(&self) -> Output {
        Output { json: self.json }
    }

    /// Does what they say.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let output = self.output();
        match self.command {
            Command::Chain(command) => command.run(output),
            Command::Node(command) => command.run(output),
            Command::Account(command) => command.run(output),
            Command::Contract(command) => command.run(output),
            Command::Proof(command) => command.run(output),
            Command::Member(command) => command.run(output),
            Command::Group(command) => command.run(output),
            Command::Cert(command) => command.run(output),
            Command::Load(arguments) => load::run(arguments, output),
            Command::Verify(arguments) => verify::run(&arguments, output),
            Command::Doctor(arguments) => doctor::run(&arguments, output),
            Command::Export(arguments) => export::run(&arguments, output),
            Command::Import(arguments) => import::run(&arguments, output),
            Command::Demo(arguments) => demo::run(&arguments, output),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "entente", &mut script);
                let script = String::from_utf8_lossy(&script).into_owned();
                output.show(&serde_json::json!({ "shell": shell.to_string(), "script": script }), || script.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command below one, with the words that lead to it.
    fn commands(words: &[String], command: &clap::Command, found: &mut Vec<(Vec<String>, clap::Command)>) {
        found.push((words.to_vec(), command.clone()));
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let words: Vec<String> = words.iter().cloned().chain([inner.get_name().to_owned()]).collect();
            commands(&words, inner, found);
        }
    }

    #[test]
    fn every_command_has_an_example_that_the_parser_accepts() {
        let mut found = Vec::new();
        commands(&["entente".to_owned()], &Arguments::command(), &mut found);
        assert!(found.len() > 20, "{} commands", found.len());
        for (words, mut command) in found {
            let help = command.render_long_help().to_string();
            let examples: Vec<&str> = help
                .lines()
                .filter_map(|line| line.strip_prefix("  "))
                .filter(|line| line.starts_with("entente "))
                .collect();
            assert!(help.contains("Example:") && !examples.is_empty(), "{words:?} has no example:\n{help}");
            for example in examples {
                let (line, _) = example.split_once(" < ").unwrap_or((example, ""));
                let parsed = Arguments::try_parse_from(line.split_whitespace());
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
                assert!(line.starts_with(&words.join(" ")), "{words:?} has the example of another: {example}");
            }
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
