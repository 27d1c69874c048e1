//! `entente chain new`: a chain on paper.

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};
use entente_client::keystore::Account;
use entente_crypto::{SecretKey, Suite};
use entente_driver::{
    ADMISSION_FILE, NodeConfig, StorageEngine, commented_admission, commented_configuration, commented_genesis,
    write_secret_key,
};
use entente_network::Authority;
use entente_types::{ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Version};

use super::authorities;
use crate::output::{Failure, Output};

/// The chain's number, and the one that Ethereum's tools see: as good as any until several chains meet.
const CHAIN_ID: u64 = 1;
pub(crate) const ETHEREUM_CHAIN_ID: u64 = 20200;
/// The heights in flight under PBFT: one being ordered, one executed, one written.
const PIPELINE_DEPTH: u32 = 3;
/// The nodes of a chain on one machine at most.
const NODES_MAX: u32 = 64;
/// The agency of all nodes, where none is named.
const AGENCY: &str = "agency";

/// The algorithms of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuiteName {
    /// BLAKE3, and ECDSA over secp256k1.
    Standard,
    /// SM3, and SM2.
    Guomi,
}

impl From<SuiteName> for Suite {
    fn from(name: SuiteName) -> Self {
        match name {
            SuiteName::Standard => Self::Standard,
            SuiteName::Guomi => Self::Guomi,
        }
    }
}

/// How nodes agree on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConsensusName {
    /// One node orders.
    Solo,
    /// Practical Byzantine fault tolerance.
    Pbft,
    /// The same on a rotating working set.
    Rpbft,
    /// Raft: crash faults only.
    Raft,
}

/// Where blocks and state lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StorageName {
    /// RocksDB, in the node's folder.
    Rocksdb,
    /// LevelDB, in the node's folder.
    Leveldb,
    /// A MySQL server.
    Mysql,
    /// Memory: everything is gone with the process.
    Memory,
}

/// What a chain is to be like.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entente chain new --out chain\n  entente chain new --nodes 4 --out chain\n  entente chain new --agency north:2 --agency south:2 --out chain --suite guomi\n  entente chain new --out chain --rpc-port 9545 --storage memory"
)]
pub(crate) struct NewArguments {
    /// How many nodes, up to 64. Left out: as many as the agencies have, else one. Four bear one that lies.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub(crate) nodes: Option<u32>,
    /// The folder to write to; it must be empty or not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The algorithms of the group, throughout.
    #[arg(long, value_enum, default_value_t = SuiteName::Standard)]
    pub(crate) suite: SuiteName,
    /// How nodes agree. Left out: solo for one node, pbft for more. rpbft and raft are not there yet.
    #[arg(long, value_enum)]
    pub(crate) consensus: Option<ConsensusName>,
    /// Where blocks and state lie. Of these, rocksdb and memory work in this version.
    #[arg(long, value_enum, default_value_t = StorageName::Rocksdb)]
    pub(crate) storage: StorageName,
    /// An agency, whose authority issues the certificates of so many nodes, in turn. Left out: one agency for all.
    #[arg(long, value_name = "NAME:COUNT", value_parser = agency)]
    pub(crate) agency: Vec<Agency>,
    /// The port of node 0's JSON-RPC; node i has this plus i. 0: a free one is taken at every start.
    #[arg(long, default_value_t = 8545, value_name = "PORT")]
    pub(crate) rpc_port: u16,
    /// The port between nodes of node 0; node i has this plus i. A solo chain listens on none. 0: free ones, found now.
    #[arg(long, default_value_t = 30300, value_name = "PORT")]
    pub(crate) p2p_port: u16,
    /// Encrypt the store. Not there yet.
    #[arg(long)]
    pub(crate) encrypt: bool,
}

/// An agency and how many nodes it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agency {
    pub(crate) name: String,
    pub(crate) nodes: u32,
}

/// Reads `NAME:COUNT`.
fn agency(text: &str) -> Result<Agency, String> {
    let wrong = || format!("an agency is NAME:COUNT, such as north:2; found {text:?}");
    let (name, count) = text.rsplit_once(':').ok_or_else(wrong)?;
    authorities::check_name(name)?;
    let nodes = count.parse().ok().filter(|nodes| (1..=NODES_MAX).contains(nodes)).ok_or_else(wrong)?;
    Ok(Agency { name: name.to_owned(), nodes })
}

impl NewArguments {
    /// A chain with everything as usual, on free ports.
    pub(crate) fn usual(out: PathBuf, suite: SuiteName, nodes: u32) -> Self {
        Self {
            nodes: Some(nodes),
            out,
            suite,
            consensus: None,
            storage: StorageName::Rocksdb,
            agency: Vec::new(),
            rpc_port: 0,
            p2p_port: 0,
            encrypt: false,
        }
    }

    /// What is promised and not there yet is refused, with what is there instead.
    fn refuse_what_is_missing(&self) -> Result<(), Failure> {
        let missing = |option: &str, what: &str, instead: &str| {
            Err(Failure::new(format!("{option}: {what} not there yet; {instead}")))
        };
        match self.consensus {
            None | Some(ConsensusName::Solo | ConsensusName::Pbft) => {}
            Some(ConsensusName::Rpbft) => return missing("--consensus rpbft", "rPBFT is", "use --consensus pbft"),
            Some(ConsensusName::Raft) => return missing("--consensus raft", "Raft is", "use --consensus pbft"),
        }
        match self.storage {
            StorageName::Rocksdb | StorageName::Memory => {}
            StorageName::Leveldb => {
                return missing("--storage leveldb", "LevelDB is", "use --storage rocksdb or --storage memory");
            }
            StorageName::Mysql => {
                return missing("--storage mysql", "MySQL is", "use --storage rocksdb or --storage memory");
            }
        }
        if self.encrypt {
            return missing("--encrypt", "encryption of the store is", "leave it out, or encrypt the disk below");
        }
        Ok(())
    }

    /// The agency of each node.
    fn agencies(&self) -> Result<Vec<&str>, Failure> {
        let all: Vec<&str> = self.agency.iter().flat_map(|one| (0..one.nodes).map(|_| one.name.as_str())).collect();
        match (self.nodes, all.len()) {
            (nodes, 0) => Ok((0..nodes.unwrap_or(1)).map(|_| AGENCY).collect()),
            (Some(nodes), found) if nodes as usize != found => {
                let line =
                    format!("--nodes {nodes}: the agencies have {found} nodes together; leave one of the two out");
                Err(Failure::new(line))
            }
            (_, found) if found > NODES_MAX as usize => Err(Failure::new(format!(
                "--agency: {found} nodes together; a chain on one machine has {NODES_MAX} at most"
            ))),
            _ => Ok(all),
        }
    }

    fn consensus(&self, nodes: usize) -> Result<ConsensusKind, Failure> {
        match self.consensus {
            None if nodes == 1 => Ok(ConsensusKind::Solo),
            Some(ConsensusName::Solo) if nodes > 1 => Err(Failure::new(format!(
                "--consensus solo: one node orders alone, and there are {nodes}; use --consensus pbft"
            ))),
            Some(ConsensusName::Solo) => Ok(ConsensusKind::Solo),
            _ => Ok(ConsensusKind::Pbft),
        }
    }
}

/// A chain that was written.
#[derive(Debug)]
pub(crate) struct NewChain {
    pub(crate) genesis: Genesis,
    /// The names of its nodes' folders.
    pub(crate) nodes: Vec<String>,
}

/// Writes the chain and says where.
pub(crate) fn run(arguments: &NewArguments, output: Output) -> Result<(), Failure> {
    let NewChain { genesis, nodes } = write(arguments)?;
    let out = arguments.out.display();
    let (group, hash) = (&genesis.group_id, genesis.hash());
    let value = serde_json::json!({
        "dir": arguments.out, "nodes": nodes, "group": group, "genesis_hash": hash, "consensus": genesis.consensus,
    });
    output.show(&value, || {
        let nodes = match nodes.len() {
            1 => "one node".to_owned(),
            count => format!("{count} nodes"),
        };
        let keep = format!("{out}/ca and {out}/agencies issue certificates: keep them where no node is");
        format!("{out}: a chain of {nodes}, {group}, genesis {hash}; start it with: entente chain up {out}\n{keep}")
    })
}

/// Writes the folders of a chain's nodes, and of those who issue their certificates.
pub(crate) fn write(arguments: &NewArguments) -> Result<NewChain, Failure> {
    write_with(arguments, |_| {})
}

/// The same, of a chain whose genesis document differs.
pub(crate) fn write_with(arguments: &NewArguments, differs: impl FnOnce(&mut Genesis)) -> Result<NewChain, Failure> {
    arguments.refuse_what_is_missing()?;
    let agencies = arguments.agencies()?;
    let consensus = arguments.consensus(agencies.len())?;
    let out = &arguments.out;
    refuse_not_empty(out)?;
    let suite = Suite::from(arguments.suite);
    let keys =
        agencies.iter().map(|_| Ok(Account::random(suite)?.key().clone())).collect::<Result<Vec<_>, Failure>>()?;
    let mut genesis = genesis(suite, &keys, consensus);
    differs(&mut genesis);
    genesis.validate()?;
    let ports = ports(arguments, keys.len())?;
    let chain = Authority::new("consortium")?;
    authorities::write(&out.join(authorities::CHAIN), &chain)?;
    let mut issuers: Vec<(&str, Authority)> = Vec::new();
    let mut nodes = Vec::new();
    for (number, (key, agency)) in keys.iter().zip(&agencies).enumerate() {
        let known = issuers.iter().position(|(name, _)| name == agency);
        let place = known.unwrap_or(issuers.len());
        if known.is_none() {
            let issuer = chain.agency(agency)?;
            authorities::write(&out.join(authorities::AGENCIES).join(agency), &issuer)?;
            issuers.push((agency, issuer));
        }
        let name = format!("node{number}");
        let node = NewNode {
            name: &name,
            key,
            genesis: &genesis,
            config: config(&name, consensus, &ports, number, arguments.storage),
        };
        if let Some((_, issuer)) = issuers.get(place) {
            write_node(&out.join(&name), &node, issuer)?;
        }
        nodes.push(name);
    }
    Ok(NewChain { genesis, nodes })
}

/// Among these a node's port is looked for: below those that systems give to outgoing connections, one of which could
/// take it before the node starts.
const PORTS: std::ops::Range<u16> = 10_240..32_768;

/// Somebody listening at a port where nobody did.
fn listen_somewhere() -> Result<TcpListener, Failure> {
    let chance = RandomState::new().build_hasher().finish();
    let first = PORTS.start + (chance % u64::from(PORTS.end - PORTS.start)) as u16;
    let listener =
        (first..PORTS.end).chain(PORTS.start..first).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    listener.ok_or_else(|| {
        Failure::new(format!("no port from {} to {} is free; give one by --p2p-port", PORTS.start, PORTS.end - 1))
    })
}

/// A port that nobody listens at now.
pub(super) fn free_port() -> Result<u16, Failure> {
    Ok(listen_somewhere()?.local_addr()?.port())
}

/// The ports of each node: of its JSON-RPC, and between nodes.
fn ports(arguments: &NewArguments, nodes: usize) -> Result<Vec<[u16; 2]>, Failure> {
    // Held until all are found, so that none is found twice.
    let mut held = Vec::new();
    let mut free = || -> Result<u16, Failure> {
        let listener = listen_somewhere()?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok(port)
    };
    let port = |option: &str, first: u16, number: u16| {
        let line = format!("{option} {first}: there is no port {first} + {number}; give a lower one");
        first.checked_add(number).ok_or_else(|| Failure::new(line))
    };
    let numbers = 0..u16::try_from(nodes).unwrap_or(u16::MAX);
    let of_node = |number| {
        let rpc = match arguments.rpc_port {
            0 => 0,
            first => port("--rpc-port", first, number)?,
        };
        let p2p = match arguments.p2p_port {
            // Unlike a client, other nodes must know it before the node starts.
            0 => free()?,
            first => port("--p2p-port", first, number)?,
        };
        Ok([rpc, p2p])
    };
    numbers.map(of_node).collect()
}

fn refuse_not_empty(out: &Path) -> Result<(), Failure> {
    match fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                Err(Failure::new(format!("{}: the folder is not empty; name another with --out", out.display())))
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(format!("{}: {error}; name another folder with --out", out.display()))),
    }
}

fn genesis(suite: Suite, keys: &[SecretKey], consensus: ConsensusKind) -> Genesis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Genesis {
        version: Version,
        chain_id: CHAIN_ID,
        group_id: GroupId::from_number(1),
        ethereum_chain_id: ETHEREUM_CHAIN_ID,
        suite,
        timestamp_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        consensus,
        pipeline_depth: if consensus == ConsensusKind::Solo { 1 } else { PIPELINE_DEPTH },
        protocol_version: 2,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: keys.iter().map(|key| Member { key: key.public_key(), weight: 1 }).collect(),
        allocations: Vec::new(),
    }
}

/// A node whose folder is to be written.
pub(super) struct NewNode<'a> {
    pub(super) name: &'a str,
    pub(super) key: &'a SecretKey,
    pub(super) genesis: &'a Genesis,
    pub(super) config: NodeConfig,
}

/// The configuration of the node at this place among those with these ports.
fn config(name: &str, consensus: ConsensusKind, ports: &[[u16; 2]], place: usize, storage: StorageName) -> NodeConfig {
    let here = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let mut config = NodeConfig::default();
    name.clone_into(&mut config.node.name);
    config.storage.engine = match storage {
        StorageName::Memory => StorageEngine::Memory,
        StorageName::Rocksdb | StorageName::Leveldb | StorageName::Mysql => StorageEngine::RocksDb,
    };
    for (number, [rpc, p2p]) in ports.iter().enumerate() {
        if number == place {
            config.rpc.listen = here(*rpc);
        }
        match consensus {
            ConsensusKind::Solo => {}
            _ if number == place => config.network.listen = here(*p2p).to_string(),
            _ => config.network.peers.push(here(*p2p).to_string()),
        }
    }
    config
}

/// Writes a node's folder, with its keys and a certificate from its agency.
pub(super) fn write_node(folder: &Path, node: &NewNode<'_>, issuer: &Authority) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::new(format!("{}: {error}", folder.display()));
    for part in ["keys", "certs", "data"] {
        fs::create_dir_all(folder.join(part)).map_err(fault)?;
    }
    fs::write(folder.join("config.toml"), commented_configuration(&node.config)?).map_err(fault)?;
    let opening = format!(
        "# What {} begins with. Its hash names the group and stands in every signature: whoever changes anything here\n\
         # makes another group. Limits that may change later are changed by transactions.\n\n",
        node.genesis.group_id
    );
    fs::write(folder.join("genesis.toml"), commented_genesis(&opening, node.genesis)?).map_err(fault)?;
    fs::write(folder.join(ADMISSION_FILE), commented_admission()?).map_err(fault)?;
    write_secret_key(&folder.join("keys").join("consensus.key"), node.key).map_err(fault)?;
    authorities::certify_new(folder, node.name, node.key, issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agencies_are_names_and_numbers() {
        assert_eq!(agency("north:2").unwrap(), Agency { name: "north".into(), nodes: 2 });
        assert_eq!(agency("Bank of X:1").unwrap(), Agency { name: "Bank of X".into(), nodes: 1 });
        for wrong in ["north", "north:", "north:0", "north:65", ":2", "..:2", "a/b:2", " :1", "node0,CN=x:1"] {
            assert!(agency(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nodes_and_agencies_must_agree() {
        let mut arguments = NewArguments::usual("x".into(), SuiteName::Standard, 3);
        assert_eq!(arguments.agencies().unwrap(), ["agency"; 3]);
        arguments.agency = vec![Agency { name: "north".into(), nodes: 2 }, Agency { name: "south".into(), nodes: 1 }];
        assert_eq!(arguments.agencies().unwrap(), ["north", "north", "south"]);
        arguments.nodes = None;
        assert_eq!(arguments.agencies().unwrap().len(), 3);
        arguments.nodes = Some(4);
        assert!(arguments.agencies().unwrap_err().line().contains("the agencies have 3 nodes together"));
        assert!(arguments.consensus(2).is_ok_and(|kind| kind == ConsensusKind::Pbft));
        assert!(arguments.consensus(1).is_ok_and(|kind| kind == ConsensusKind::Solo));
        arguments.consensus = Some(ConsensusName::Solo);
        assert!(arguments.consensus(2).is_err());
    }
}
