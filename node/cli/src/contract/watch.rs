//! A contract's events as they come.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;
use entente_client::client::{LogFilter, LogNotice};
use entente_types::{Address, BlockNumber, Hash};
use serde::Serialize;

use super::{
    deployments,
    transact::{LogLine, log_line},
};
use crate::{
    arguments::GroupArguments,
    output::{Failure, Output},
    runtime::Interruption,
};

/// What to watch.
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The contract's address.
    address: Address,
    /// The event's name, or its full signature where there are several of the name; else all events.
    event: Option<String>,
    /// The block to begin with; else the next one.
    #[arg(long, value_name = "NUMBER")]
    from: Option<BlockNumber>,
    /// End after so many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The contract's ABI: a module or JSON; else what was remembered when it was deployed from here, or the node's.
    #[arg(long, value_name = "FILE")]
    abi: Option<PathBuf>,
    #[command(flatten)]
    place: GroupArguments,
}

/// An event, and where it stands.
#[derive(Serialize)]
struct EventLine {
    block: BlockNumber,
    transaction: Hash,
    log_index: u32,
    #[serde(flatten)]
    log: LogLine,
}

pub(super) async fn watch(arguments: WatchArguments, output: Output) -> Result<(), Failure> {
    let WatchArguments { address, event, from, count, abi, place } = arguments;
    let mut interruption = Interruption::new()?;
    let group = place.connect().await?;
    let abi = deployments::abi(abi.as_deref(), &group, &address).await?;
    let topics = event.map(|event| abi.event_topics(&event)).transpose()?;
    let filter =
        LogFilter { addresses: vec![address], topics: topics.into_iter().collect(), from, ..LogFilter::default() };
    let mut logs = group.subscribe_logs(&filter).await?;
    let mut left = count;
    while left != Some(0) {
        let notice = tokio::select! {
            notice = logs.next() => notice?,
            () = interruption.wait() => return Ok(()),
        };
        let LogNotice { block, transaction, log_index, .. } = notice;
        let line = EventLine { block, transaction, log_index, log: log_line(&abi, &notice.log()) };
        if !show(&line, output)? {
            return Ok(());
        }
        left = left.map(|left| left - 1);
    }
    Ok(())
}

/// Shows one event in one line; false where nobody reads any more.
fn show(line: &EventLine, output: Output) -> Result<bool, Failure> {
    let shown = if output.json {
        serde_json::to_string(line)?
    } else {
        format!("block {}, transaction {}: {}", line.block, line.transaction, line.log.text)
    };
    match writeln!(io::stdout().lock(), "{shown}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(format!("standard output: {error}"))),
        Ok(()) => Ok(true),
    }
}
