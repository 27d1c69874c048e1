//! `entente chain status`: every node of a chain.

use std::path::Path;

use entente_client::client::Client;
use entente_driver::NodeConfig;
use entente_types::{BlockNumber, Hash};
use serde::Serialize;

use super::{name, node_folders};
use crate::{
    output::{Failure, Output},
    running::running,
    table::{Table, thousands},
};

/// A node as it is shown.
#[derive(Debug, Default, Serialize)]
struct NodeLine {
    name: String,
    rpc: String,
    pid: Option<u32>,
    height: Option<BlockNumber>,
    hash: Option<Hash>,
    state_root: Option<Hash>,
    peers: u64,
    role: Option<String>,
    healthy: bool,
    /// Why it is not healthy.
    fault: Option<String>,
}

#[derive(Debug, Serialize)]
struct ChainStatus {
    nodes: Vec<NodeLine>,
}

pub(super) async fn show(chain: &Path, output: Output) -> Result<(), Failure> {
    let mut nodes = Vec::new();
    for folder in node_folders(chain)? {
        nodes.push(node_line(&folder).await?);
    }
    let status = ChainStatus { nodes };
    output.show(&status, || text(&status))
}

async fn node_line(folder: &Path) -> Result<NodeLine, Failure> {
    let config = NodeConfig::read(folder)?;
    let mut line = NodeLine {
        name: name(folder),
        rpc: format!("http://{}", config.rpc.listen),
        fault: Some("not running".to_owned()),
        ..NodeLine::default()
    };
    let Some(running) = running(folder)? else { return Ok(line) };
    line.pid = Some(running.pid);
    let Some(address) = running.rpc else {
        line.fault = Some("starting".to_owned());
        return Ok(line);
    };
    line.rpc = format!("http://{address}");
    match ask(&line.rpc).await {
        Ok(status) => {
            line.height = Some(status.height);
            line.hash = Some(status.hash);
            line.state_root = Some(status.state_root);
            line.peers = status.more.get("peers").and_then(serde_json::Value::as_u64).unwrap_or_default();
            line.role = Some(status.role);
            line.healthy = status.healthy;
            let halted = status.more.get("halted").and_then(serde_json::Value::as_str);
            line.fault = halted.map(str::to_owned);
        }
        Err(failure) => line.fault = Some(failure.line()),
    }
    Ok(line)
}

async fn ask(url: &str) -> Result<entente_client::client::NodeStatus, Failure> {
    let client = Client::connect(url).await?;
    let groups = client.groups().await?;
    let first = groups.first().ok_or_else(|| Failure::new("the node has no group"))?;
    Ok(client.group(first).await?.status().await?)
}

fn text(status: &ChainStatus) -> String {
    let mut table = Table::new(["name", "rpc", "pid", "height", "peers", "role", "health", "hash", "state root"]);
    let absent = || "-".to_owned();
    for node in &status.nodes {
        table.row([
            node.name.clone(),
            node.rpc.clone(),
            node.pid.map_or_else(absent, |pid| pid.to_string()),
            node.height.map_or_else(absent, thousands),
            node.peers.to_string(),
            node.role.clone().unwrap_or_else(absent),
            if node.healthy { "healthy".to_owned() } else { node.fault.clone().unwrap_or_else(absent) },
            node.hash.as_ref().map_or_else(absent, short),
            node.state_root.as_ref().map_or_else(absent, short),
        ]);
    }
    table.text()
}

/// The beginning of a hash: enough for a person to compare.
fn short(hash: &Hash) -> String {
    hash.to_string().chars().take(14).chain(['.', '.']).collect()
}
