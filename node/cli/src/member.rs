//! `entente member`: who seals a group's blocks and who observes. Changes are transactions to the native module at
//! 0x1003, which takes them from the accounts of the sealers' keys alone.

use std::time::Duration;

use clap::{Args, Subcommand};
use entente_client::{
    abi::Abi,
    client::{Group, MemberAnswer, MembersAnswer, ReceiptAnswer},
    keystore::Account,
};
use entente_precompiles::{MEMBERS, code};
use entente_types::{BlockNumber, Hash};
use serde::Serialize;
use serde_json::Value;

use crate::{
    arguments::GroupArguments,
    contract::{GAS_DEFAULT, SignerArguments, unlock},
    output::{Failure, Output},
    progress::Progress,
    runtime::block_on,
    table::Table,
};

/// How long a commit is waited for.
const COMMIT_WAIT: Duration = Duration::from_mins(1);

/// What can be done with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Make a node a sealer or an observer; signed by a sealer's own account.
    #[command(
        after_help = "Example:\n  entente member add 79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8 --sealer --account sealer0\n\nThe account of a sealer's key: entente account import sealer0 --file chain/node0/keys/consensus.key"
    )]
    Add(AddArguments),
    /// Make a sealer or an observer a free node, which is in the group no more.
    #[command(
        after_help = "Example:\n  entente member remove 79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8 --account sealer0"
    )]
    Remove(RemoveArguments),
    /// Show who seals, who will, and who observes.
    #[command(after_help = "Example:\n  entente member list --sealer")]
    List(ListArguments),
}

/// Which node is meant, where, and who signs.
#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    /// The node: its public key, 128 hexadecimal digits; getNodeInfo tells it as NodeID.
    #[arg(value_name = "NODE_ID", value_parser = node_id)]
    node_id: String,
    #[command(flatten)]
    place: GroupArguments,
    /// The gas that may be used at most.
    #[arg(long, default_value_t = GAS_DEFAULT)]
    gas: u64,
    #[command(flatten)]
    signer: SignerArguments,
}

/// Whom to add.
#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    #[command(flatten)]
    change: ChangeArguments,
    /// It orders blocks.
    #[arg(long)]
    sealer: bool,
    /// It follows the group and has no vote: so it is where nothing is said.
    #[arg(long, conflicts_with_all = ["sealer", "weight"])]
    observer: bool,
    /// The weight of the sealer's vote. Given for one that seals already, it is changed.
    #[arg(long, requires = "sealer", value_parser = clap::value_parser!(u32).range(1..))]
    weight: Option<u32>,
}

/// Whom to remove.
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    change: ChangeArguments,
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    place: GroupArguments,
    /// The sealers alone.
    #[arg(long)]
    sealer: bool,
    /// The observers alone.
    #[arg(long, conflicts_with = "sealer")]
    observer: bool,
}

/// A node's identifier, as the module reads it.
fn node_id(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() == 128 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        Ok(digits.to_ascii_lowercase())
    } else {
        Err(format!("a node's public key has 128 hexadecimal digits; found {} characters", digits.chars().count()))
    }
}

/// What a change came to.
#[derive(Serialize)]
struct ChangedLine {
    node_id: String,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    /// The height from which it rules; nothing where nothing was changed.
    from: Option<BlockNumber>,
    transaction: Hash,
    block: BlockNumber,
}

impl MemberCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add(arguments) => block_on(add(arguments, output)),
            Self::Remove(RemoveArguments { change }) => block_on(remove(change, output)),
            Self::List(arguments) => block_on(list(arguments, output)),
        }
    }
}

/// The module, and who changes members by it.
struct Module {
    group: Group,
    abi: Abi,
    account: Account,
    gas: u64,
}

impl Module {
    async fn open(place: &GroupArguments, signer: &SignerArguments, gas: u64) -> Result<Self, Failure> {
        let group = place.connect().await?;
        let json = group.abi_json(&MEMBERS).await?;
        let json = json.ok_or_else(|| Failure::new(format!("{place}: this node's release has no members' module")))?;
        let abi = Abi::from_json(&json)?;
        Ok(Self { group, abi, account: unlock(signer)?, gas })
    }

    /// Calls a function that changes something: the receipt, and the height from which the change rules.
    async fn send(&self, name: &str, arguments: &[String]) -> Result<(ReceiptAnswer, Option<BlockNumber>), Failure> {
        let method = self.abi.method(name, arguments.len())?;
        let input = method.encode(arguments)?;
        let waiting = Progress::waiting("waiting for the block");
        let receipt = self.group.send_and_wait(&self.account, Some(MEMBERS), input, self.gas, COMMIT_WAIT).await;
        drop(waiting);
        let receipt = receipt?;
        let failed = |why: &str| Err(Failure::new(format!("{name} in block {} changed nothing: {why}", receipt.block)));
        if !receipt.succeeded() {
            return failed(&receipt.reason());
        }
        let output = method.decode(&receipt.output)?;
        let returned = output.first().and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok());
        let Some(returned) = returned else { return failed("the node's module answers no number") };
        if returned < 0 {
            let meaning = code::meaning(&MEMBERS, returned).unwrap_or("a code that this release does not know");
            return failed(&format!("{meaning} ({returned})"));
        }
        let event = receipt.logs.iter().find_map(|log| self.abi.decode_log(log));
        let from = event.and_then(|event| event.arguments.into_iter().find(|argument| argument.name == "from"));
        let from = from.and_then(|argument| argument.value.as_str().and_then(|text| text.parse().ok()));
        Ok((receipt, from))
    }
}

async fn add(arguments: AddArguments, output: Output) -> Result<(), Failure> {
    let AddArguments { change: ChangeArguments { node_id, place, gas, signer }, sealer, weight, .. } = arguments;
    let module = Module::open(&place, &signer, gas).await?;
    if !sealer {
        let (receipt, from) = module.send("addObserver", std::slice::from_ref(&node_id)).await?;
        return show(output, &changed(node_id, "observer", None, &receipt, from));
    }
    let members = module.group.members().await?;
    let seals = last(&members).iter().any(|one| one.node_id == node_id);
    let weigh = async |weight: u32| module.send("setWeight", &[node_id.clone(), weight.to_string()]).await;
    let (receipt, from) = match weight {
        Some(weight) if seals => weigh(weight).await?,
        _ => {
            let added = module.send("addSealer", std::slice::from_ref(&node_id)).await?;
            match weight.filter(|weight| *weight != 1) {
                Some(weight) => weigh(weight).await.map_err(|failure| failure.at("it is a sealer now, of weight 1"))?,
                None => added,
            }
        }
    };
    show(output, &changed(node_id.clone(), "sealer", Some(weight.unwrap_or(1)), &receipt, from))
}

async fn remove(change: ChangeArguments, output: Output) -> Result<(), Failure> {
    let ChangeArguments { node_id, place, gas, signer } = change;
    let module = Module::open(&place, &signer, gas).await?;
    let (receipt, from) = module.send("remove", std::slice::from_ref(&node_id)).await?;
    show(output, &changed(node_id, "free", None, &receipt, from))
}

fn changed(
    node_id: String,
    role: &'static str,
    weight: Option<u32>,
    receipt: &ReceiptAnswer,
    from: Option<BlockNumber>,
) -> ChangedLine {
    ChangedLine { node_id, role, weight, from, transaction: receipt.transaction, block: receipt.block }
}

fn show(output: Output, line: &ChangedLine) -> Result<(), Failure> {
    output.show(line, || {
        let ChangedLine { node_id, role, from, block, transaction, .. } = line;
        match from {
            Some(from) => {
                format!("{node_id}\n{role} from height {from} on, decided in block {block}, transaction {transaction}")
            }
            None => format!("{node_id}\n{role} as before: block {block}, transaction {transaction} changed nothing"),
        }
    })
}

/// The sealers that were decided last.
fn last(members: &MembersAnswer) -> &[MemberAnswer] {
    members.decided.last().map_or(&members.sealers, |decided| &decided.sealers)
}

async fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let mut members = arguments.place.connect().await?.members().await?;
    if arguments.observer {
        members.sealers.clear();
        members.decided.clear();
    }
    if arguments.sealer {
        members.observers.clear();
    }
    output.show(&members, || {
        let mut table = Table::new(["role", "weight", "from", "account", "node id"]);
        let mut rows = |role: &str, from: String, nodes: &[MemberAnswer]| {
            for MemberAnswer { node_id, account, weight } in nodes {
                let weight = weight.map(|weight| weight.to_string()).unwrap_or_default();
                table.row([role.to_owned(), weight, from.clone(), account.to_string(), node_id.clone()]);
            }
        };
        rows("sealer", "now".to_owned(), &members.sealers);
        for decided in &members.decided {
            rows("sealer", decided.from.to_string(), &decided.sealers);
        }
        rows("observer", "now".to_owned(), &members.observers);
        table.text()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_identifier_is_read_in_every_spelling_and_nothing_else_is() {
        let digits = "0aF".repeat(42) + "00";
        assert_eq!(node_id(&digits), Ok(digits.to_lowercase()));
        assert_eq!(node_id(&format!("0x{digits}")), Ok(digits.to_lowercase()));
        for wrong in ["", "0x", &digits[1..], &format!("{digits}0"), &"g".repeat(128), &"ä".repeat(64)] {
            assert!(
                node_id(wrong).unwrap_err().starts_with("a node's public key has 128 hexadecimal digits"),
                "{wrong}"
            );
        }
    }
}
