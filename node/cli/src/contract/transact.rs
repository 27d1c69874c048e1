//! Deploying, sending and calling through a node.

use std::time::Duration;

use entente_client::{
    abi::{Abi, DecodedArgument},
    client::{CallRequest, DeployError, Group},
    keystore::{Account, Keystore},
};
use entente_types::{Address, BlockNumber, Hash, Log, Status, hex_bytes};
use serde::Serialize;
use serde_json::Value;

use super::{
    CallArguments, DeployArguments, MethodArguments, NodeArguments, SendArguments, SignerArguments, artefact,
    deployments,
};
use crate::{
    output::{Failure, Output},
    progress::Progress,
    table::thousands,
};

/// How long a commit is waited for.
const COMMIT_WAIT: Duration = Duration::from_mins(1);

/// The receipt's status for gas that does not cover the transaction itself.
const OUT_OF_GAS_INTRINSIC: u32 = Status::OutOfGasIntrinsic.code();
/// The receipt's status for gas that came to its end.
const OUT_OF_GAS: u32 = Status::OutOfGas.code();
/// The receipt's status for a call of nothing.
const NO_CODE: u32 = Status::CallAddressError.code();

#[derive(Serialize)]
struct DeployedLine {
    address: Address,
    transaction: Hash,
    block: BlockNumber,
    gas_used: u64,
}

#[derive(Serialize)]
struct SentLine {
    transaction: Hash,
    block: BlockNumber,
    status: u32,
    /// Why it failed.
    reason: Option<String>,
    output: Vec<Value>,
    logs: Vec<LogLine>,
    gas_used: u64,
}

#[derive(Serialize)]
struct CalledLine {
    output: Vec<Value>,
    gas_used: u64,
}

/// A log: the event in it where the ABI knows it, and the bytes as they are.
#[derive(Serialize)]
pub(super) struct LogLine {
    address: Address,
    event: Option<String>,
    arguments: Vec<DecodedArgument>,
    topics: Vec<Hash>,
    data: String,
    #[serde(skip)]
    pub(super) text: String,
}

async fn connect(node: &NodeArguments) -> Result<Group, Failure> {
    node.place.connect().await
}

pub(crate) fn unlock(signer: &SignerArguments) -> Result<Account, Failure> {
    let keystore = Keystore::of_user()?;
    // Whether there is such a keystore is known before its password is asked for.
    keystore.show(&signer.account)?;
    let password = signer.password.existing(&signer.account)?;
    Ok(keystore.open(&signer.account, &password)?)
}

pub(super) async fn deploy(arguments: DeployArguments, output: Output) -> Result<(), Failure> {
    let DeployArguments { file, arguments, libraries, node, signer } = arguments;
    let at = |failure: Failure| failure.at(file.display());
    let mut artefact = artefact::read(&file)?;
    for (library, address) in &libraries {
        artefact.link(library, address).map_err(|error| at(error.into()))?;
    }
    let input = artefact.deployment(&arguments).map_err(|error| at(error.into()))?;
    let account = unlock(&signer)?;
    let group = connect(&node).await?;
    let waiting = Progress::waiting("waiting for the block");
    let deployed = group.deploy(&account, input, node.gas, COMMIT_WAIT).await;
    drop(waiting);
    let deployed = deployed.map_err(|error| match error {
        DeployError::Failed(receipt) => {
            let reason = reason(artefact.abi(), receipt.status, &receipt.output, || receipt.reason(), &node);
            let (transaction, block) = (receipt.transaction, receipt.block);
            at(Failure::new(format!(
                "the deployment is in block {block} but failed: {reason}; transaction {transaction}"
            )))
        }
        other @ DeployError::Execute(_) => other.into(),
    })?;
    let (address, receipt) = (deployed.address, deployed.receipt);
    let remembered = deployments::remember(&group.genesis_hash(), address, receipt.transaction, &file, &artefact);
    if let Err(failure) = remembered {
        eprintln!("warning: {}; use --abi {} from now on", failure.line(), file.display());
    }
    let line =
        DeployedLine { address, transaction: receipt.transaction, block: receipt.block, gas_used: receipt.gas_used };
    output.show(&line, || {
        let DeployedLine { address, transaction, block, gas_used } = &line;
        format!("{address}\ndeployed in block {block}, gas {}, transaction {transaction}", thousands(*gas_used))
    })
}

pub(super) async fn send(arguments: SendArguments, output: Output) -> Result<(), Failure> {
    let SendArguments { method: MethodArguments { address, method, arguments, abi, node }, signer } = arguments;
    let group = connect(&node).await?;
    let abi = deployments::abi(abi.as_deref(), &group, &address).await?;
    let method = abi.method(&method, arguments.len())?;
    let input = method.encode(&arguments)?;
    let account = unlock(&signer)?;
    let waiting = Progress::waiting("waiting for the block");
    let receipt = group.send_and_wait(&account, Some(address), input, node.gas, COMMIT_WAIT).await;
    drop(waiting);
    let receipt = receipt?;
    let (decoded, reason) = if receipt.succeeded() {
        (method.decode(&receipt.output)?, None)
    } else {
        (Vec::new(), Some(reason(&abi, receipt.status, &receipt.output, || receipt.reason(), &node)))
    };
    let line = SentLine {
        transaction: receipt.transaction,
        block: receipt.block,
        status: receipt.status,
        reason,
        output: decoded,
        logs: receipt.logs.iter().map(|log| log_line(&abi, log)).collect(),
        gas_used: receipt.gas_used,
    };
    output.show(&line, || sent_text(&line))?;
    match line.reason {
        None => Ok(()),
        Some(reason) => {
            let (signature, block) = (method.signature(), line.block);
            Err(Failure::new(format!("{signature} of {address} is in block {block} but failed: {reason}")))
        }
    }
}

/// Why a call failed, in the contract's own words where it gave some, and what to do about it where something can be
/// done.
fn reason(abi: &Abi, status: u32, output: &[u8], plain: impl FnOnce() -> String, node: &NodeArguments) -> String {
    let reason = match abi.decode_revert(output).or_else(|| super::unnamed_error(status, output)) {
        Some(reason) => format!("{reason} (status {status})"),
        None => plain(),
    };
    let NodeArguments { place, gas } = node;
    match status {
        OUT_OF_GAS_INTRINSIC | OUT_OF_GAS => format!("{reason}; it may use {gas} gas: give more with --gas"),
        NO_CODE => format!("{reason}; is it another address, or is it not in {place}?"),
        _ => reason,
    }
}

pub(super) fn log_line(abi: &Abi, log: &Log) -> LogLine {
    let decoded = abi.decode_log(log);
    let text = match &decoded {
        Some(decoded) => decoded.to_string(),
        None => format!("an event of {} that the ABI does not know", log.address),
    };
    let (event, arguments) = decoded.map_or((None, Vec::new()), |decoded| (Some(decoded.event), decoded.arguments));
    let (topics, data) = (log.topics.clone(), hex_bytes::encode(&log.data));
    LogLine { address: log.address, event, arguments, topics, data, text }
}

fn sent_text(line: &SentLine) -> String {
    let outcome = if line.reason.is_none() { "committed" } else { "failed" };
    let SentLine { transaction, block, gas_used, .. } = line;
    let mut text = format!("{outcome} in block {block}, gas {}, transaction {transaction}\n", thousands(*gas_used));
    text.extend(line.output.iter().map(|value| format!("output: {}\n", plain(value))));
    text.extend(line.logs.iter().map(|log| format!("event: {}\n", log.text)));
    text
}

pub(super) async fn call(arguments: CallArguments, output: Output) -> Result<(), Failure> {
    let CallArguments { method: MethodArguments { address, method, arguments, abi, node }, account } = arguments;
    let group = connect(&node).await?;
    let abi = deployments::abi(abi.as_deref(), &group, &address).await?;
    let method = abi.method(&method, arguments.len())?;
    let from = match account {
        Some(name) => Keystore::of_user()?.show(&name)?.address,
        None => None,
    };
    let request = CallRequest { from, to: address, input: method.encode(&arguments)?, gas: Some(node.gas) };
    let answer = group.call(&request).await?;
    if !answer.succeeded() {
        let reason = reason(&abi, answer.status, &answer.output, || answer.reason(), &node);
        return Err(Failure::new(format!("{} of {address} failed: {reason}", method.signature())));
    }
    let line = CalledLine { output: method.decode(&answer.output)?, gas_used: answer.gas_used };
    output.show(&line, || line.output.iter().map(|value| plain(value) + "\n").collect())
}

/// A value as a person reads it: texts without quotes, with control characters escaped.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let escape = |character: char| {
                if character.is_control() { character.escape_default().collect() } else { character.to_string() }
            };
            text.chars().map(escape).collect()
        }
        other => other.to_string(),
    }
}
