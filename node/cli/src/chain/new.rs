//! `entente chain new`: a chain on paper.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};
use entente_client::keystore::Account;
use entente_crypto::{SecretKey, Suite};
use entente_driver::{NodeConfig, StorageEngine, commented_configuration, commented_genesis, write_secret_key};
use entente_types::{ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Version};

use crate::output::{Failure, Output};

/// The chain's number, and the one that Ethereum's tools see: as good as any until several chains meet.
const CHAIN_ID: u64 = 1;
const ETHEREUM_CHAIN_ID: u64 = 20200;

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
    after_help = "Example:\n  entente chain new --out chain\n  entente chain new --out chain --suite guomi\n  entente chain new --out chain --rpc-port 9545 --storage memory"
)]
pub(crate) struct NewArguments {
    /// How many nodes. Until consensus between nodes is there, the default is one and no other number works.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) nodes: u32,
    /// The folder to write to; it must be empty or not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The algorithms of the group, throughout.
    #[arg(long, value_enum, default_value_t = SuiteName::Standard)]
    pub(crate) suite: SuiteName,
    /// How nodes agree. Of these, solo works in this version.
    #[arg(long, value_enum, default_value_t = ConsensusName::Solo)]
    pub(crate) consensus: ConsensusName,
    /// Where blocks and state lie. Of these, rocksdb and memory work in this version.
    #[arg(long, value_enum, default_value_t = StorageName::Rocksdb)]
    pub(crate) storage: StorageName,
    /// An agency and how many nodes it has. Not there yet.
    #[arg(long, value_name = "NAME:COUNT")]
    pub(crate) agency: Vec<String>,
    /// The port of node 0's JSON-RPC; node i has this plus i. 0: a free one is taken at every start.
    #[arg(long, default_value_t = 8545, value_name = "PORT")]
    pub(crate) rpc_port: u16,
    /// The port between nodes of node 0. A chain of one node listens on none.
    #[arg(long, default_value_t = 30300, value_name = "PORT")]
    pub(crate) p2p_port: u16,
    /// Encrypt the store. Not there yet.
    #[arg(long)]
    pub(crate) encrypt: bool,
}

impl NewArguments {
    /// A chain of one node with everything as usual.
    pub(crate) fn usual(out: PathBuf, suite: SuiteName, rpc_port: u16) -> Self {
        Self {
            nodes: 1,
            out,
            suite,
            consensus: ConsensusName::Solo,
            storage: StorageName::Rocksdb,
            agency: Vec::new(),
            rpc_port,
            p2p_port: 30300,
            encrypt: false,
        }
    }

    /// What is promised and not there yet is refused, with what is there instead.
    fn refuse_what_is_missing(&self) -> Result<(), Failure> {
        let missing = |option: &str, what: &str, instead: &str| {
            Err(Failure::new(format!("{option}: {what} not there yet; {instead}")))
        };
        match self.consensus {
            ConsensusName::Solo => {}
            ConsensusName::Pbft => return missing("--consensus pbft", "PBFT is", "use --consensus solo"),
            ConsensusName::Rpbft => return missing("--consensus rpbft", "rPBFT is", "use --consensus solo"),
            ConsensusName::Raft => return missing("--consensus raft", "Raft is", "use --consensus solo"),
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
        if let Some(agency) = self.agency.first() {
            let option = format!("--agency {agency}");
            return missing(&option, "agencies and their certificates are", "leave it out: one node needs none");
        }
        if self.encrypt {
            return missing("--encrypt", "encryption of the store is", "leave it out, or encrypt the disk below");
        }
        if self.nodes != 1 {
            let option = format!("--nodes {}", self.nodes);
            return missing(&option, "consensus between nodes is", "use --nodes 1");
        }
        Ok(())
    }
}

/// Writes the chain and says where.
pub(crate) fn run(arguments: &NewArguments, output: Output) -> Result<(), Failure> {
    let genesis = write(arguments)?;
    let out = arguments.out.display();
    let value = serde_json::json!({
        "dir": arguments.out, "nodes": ["node0"], "group": genesis.group_id, "genesis_hash": genesis.hash(),
    });
    output.show(&value, || {
        let group = &genesis.group_id;
        format!(
            "{out}: a chain of one node, {group}, genesis {}; start it with: entente chain up {out}",
            genesis.hash()
        )
    })
}

/// Writes the folders of a chain's nodes.
pub(crate) fn write(arguments: &NewArguments) -> Result<Genesis, Failure> {
    arguments.refuse_what_is_missing()?;
    let out = &arguments.out;
    refuse_not_empty(out)?;
    let key = Account::random(arguments.suite.into())?.key().clone();
    let genesis = genesis(&key)?;
    let mut config = NodeConfig::default();
    "node0".clone_into(&mut config.node.name);
    config.rpc.listen = SocketAddr::from(([127, 0, 0, 1], arguments.rpc_port));
    config.storage.engine = match arguments.storage {
        StorageName::Memory => StorageEngine::Memory,
        StorageName::Rocksdb | StorageName::Leveldb | StorageName::Mysql => StorageEngine::RocksDb,
    };
    write_node(&out.join("node0"), &config, &genesis, &key)?;
    Ok(genesis)
}

fn refuse_not_empty(out: &Path) -> Result<(), Failure> {
    match fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                Err(Failure::new(format!("{}: the folder is not empty; name another with --out", out.display())))
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(format!("{}: {error}; name another folder with --out", out.display()))),
    }
}

fn genesis(key: &SecretKey) -> Result<Genesis, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let genesis = Genesis {
        version: Version,
        chain_id: CHAIN_ID,
        group_id: GroupId::from_number(1),
        ethereum_chain_id: ETHEREUM_CHAIN_ID,
        suite: key.suite(),
        timestamp_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: vec![Member { key: key.public_key(), weight: 1 }],
        allocations: Vec::new(),
    };
    genesis.validate()?;
    Ok(genesis)
}

fn write_node(folder: &Path, config: &NodeConfig, genesis: &Genesis, key: &SecretKey) -> Result<(), Failure> {
    let fault = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    for part in ["keys", "data"] {
        fs::create_dir_all(folder.join(part)).map_err(fault)?;
    }
    fs::write(folder.join("config.toml"), commented_configuration(config)?).map_err(fault)?;
    let opening = format!(
        "# What {} begins with. Its hash names the group and stands in every signature: whoever changes anything here\n\
         # makes another group. Limits that may change later are changed by transactions.\n\n",
        genesis.group_id
    );
    fs::write(folder.join("genesis.toml"), commented_genesis(&opening, genesis)?).map_err(fault)?;
    write_secret_key(&folder.join("keys").join("consensus.key"), key).map_err(fault)
}
