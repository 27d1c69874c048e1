//! `entente chain add`: the folder of one more node of a chain.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use entente_client::keystore::Account;
use entente_driver::{NodeConfig, read_genesis};
use entente_network::Chain;
use entente_types::{ConsensusKind, Suite};

use super::{
    authorities, name,
    new::{NewNode, free_port, write_node},
    node_folders,
};
use crate::output::{Failure, Output};

/// Where, and by whom.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente chain add chain\n  entente chain add chain --agency north --rpc-port 8549 --p2p-port 30304"
)]
pub(crate) struct AddArguments {
    /// The chain's folder, as given to `chain new --out`.
    dir: PathBuf,
    /// The agency that issues the node's certificate. Left out: the only one there is.
    #[arg(long, value_name = "NAME")]
    agency: Option<String>,
    /// The port of its JSON-RPC. Left out: the first node's plus the new one's number. 0: a free one at every start.
    #[arg(long, value_name = "PORT")]
    rpc_port: Option<u16>,
    /// Its port between nodes. Left out: the first node's plus the new one's number. 0: a free one, found now.
    #[arg(long, value_name = "PORT")]
    p2p_port: Option<u16>,
}

/// Writes it, and says what is to be done next.
pub(super) fn run(arguments: &AddArguments, output: Output) -> Result<(), Failure> {
    let chain = &arguments.dir;
    let folders = node_folders(chain)?;
    let first = folders.first().ok_or_else(|| Failure::new(format!("{}: no node0 here", chain.display())))?;
    let genesis = read_genesis(first)?;
    if genesis.consensus == ConsensusKind::Solo {
        let line =
            format!("{}: one node orders a solo chain alone; make a chain with --consensus pbft", chain.display());
        return Err(Failure::new(line));
    }
    let issuer = authorities::read(&authorities::find(chain, arguments.agency.as_deref())?)?;
    let configs = folders.iter().map(|folder| NodeConfig::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let number = next_number(&folders);
    let node_name = format!("node{number}");
    let folder = chain.join(&node_name);
    let mut config = config(&node_name, number, &configs, arguments)?;
    config.network.introduced = introduced(&folders, genesis.suite)?;
    let key = Account::random(genesis.suite)?.key().clone();
    let id = hex::encode(key.public_key().as_bytes());
    write_node(&folder, &NewNode { name: &node_name, key: &key, genesis: &genesis, config }, &issuer)?;
    let value = serde_json::json!({ "name": node_name, "dir": folder, "node_id": id });
    output.show(&value, || {
        let (chain, first) = (chain.display(), first.display());
        format!(
            "{node_name}: {id}\nstart it with: entente chain up {chain}\n\
             then let it in, signed by a sealer: entente account import sealer0 --file {first}/keys/consensus.key\n\
             entente member add {id} --observer --account sealer0, or --sealer once it has the group's blocks"
        )
    })
}

/// The consensus keys of the nodes there are: the new one takes them for members until it knows better.
fn introduced(folders: &[PathBuf], suite: Suite) -> Result<Vec<String>, Failure> {
    let mut names = Vec::with_capacity(folders.len());
    for folder in folders {
        let node = Chain::read(&folder.join("certs/node.pem"))?.node()?;
        names.extend(node.key(suite).map(|key| hex::encode(key.as_bytes())));
    }
    Ok(names)
}

/// One above the greatest there is.
fn next_number(folders: &[PathBuf]) -> u16 {
    let number = |folder: &PathBuf| name(folder).strip_prefix("node")?.parse::<u16>().ok();
    folders.iter().filter_map(number).max().map_or(0, |last| last.saturating_add(1))
}

/// As the first node's, on ports of its own.
fn config(
    node_name: &str,
    number: u16,
    configs: &[NodeConfig],
    arguments: &AddArguments,
) -> Result<NodeConfig, Failure> {
    let first = configs.first().cloned().unwrap_or_default();
    let listens = |config: &NodeConfig| config.network.address();
    let place = listens(&first).ok_or_else(|| {
        Failure::new("node0 listens for no other node: set `network.listen` in its config.toml".to_owned())
    })?;
    let above = |port: u16| {
        let line = format!("there is no port {port} + {number}; give one with --rpc-port and --p2p-port");
        port.checked_add(number).ok_or_else(|| Failure::new(line))
    };
    let rpc = match (arguments.rpc_port, first.rpc.listen.port()) {
        (Some(port), _) => port,
        (None, 0) => 0,
        (None, port) => above(port)?,
    };
    let p2p = match arguments.p2p_port {
        Some(0) => free_port()?,
        Some(port) => port,
        None => above(place.port())?,
    };
    let mut config = NodeConfig { storage: first.storage, ..NodeConfig::default() };
    node_name.clone_into(&mut config.node.name);
    config.rpc.listen = SocketAddr::new(first.rpc.listen.ip(), rpc);
    config.network.listen = SocketAddr::new(place.ip(), p2p).to_string();
    config.network.peers = configs.iter().filter_map(listens).map(|address| address.to_string()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_new_node_has_a_new_number() {
        let folders = |names: &[&str]| names.iter().map(|one| Path::new("chain").join(one)).collect::<Vec<_>>();
        assert_eq!(next_number(&folders(&["node0", "node1", "node3"])), 4);
        assert_eq!(next_number(&folders(&[])), 0);
    }
}
