//! A node for the tests beside the code.

use entente_crypto::{SecretKey, Suite};
use entente_driver::{Node, NodeConfig, write_secret_key};
use entente_types::{ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Version};
use tempfile::TempDir;

/// A running node in memory, and its folder.
pub(crate) fn node() -> (TempDir, Node) {
    let key = SecretKey::from_bytes(Suite::Standard, &[200; 32]).unwrap();
    let genesis = Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").unwrap(),
        ethereum_chain_id: 20200,
        suite: Suite::Standard,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: vec![Member { key: key.public_key(), weight: 1 }],
        allocations: vec![],
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("genesis.toml"), toml::to_string(&genesis).unwrap()).unwrap();
    std::fs::write(folder.path().join("config.toml"), "[storage]\nengine = \"memory\"\n").unwrap();
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    write_secret_key(&folder.path().join("keys/consensus.key"), &key).unwrap();
    let config = NodeConfig::read(folder.path()).unwrap();
    let node = Node::start(folder.path(), &config).unwrap();
    (folder, node)
}
