//! The files of a node's folder: `config.toml`, `genesis.toml`, keys.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use std::sync::LazyLock;

use entente_crypto::SecretKey;
use entente_driver::{NodeConfig, read_genesis, read_secret_key};
use entente_types::{
    Address, Amount, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Suite, Version,
};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// The first byte chooses the file, the rest is its text.
pub fn check(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let write = |name: &str, text: &[u8]| {
        let path = FOLDER.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    match kind % 3 {
        0 => {
            write("config.toml", text);
            let Ok(config) = NodeConfig::read(FOLDER.path()) else { return };
            _ = (config.group(), config.storage.ledger());
            write("config.toml", toml::to_string(&config).expect("what was read is written").as_bytes());
            assert_eq!(NodeConfig::read(FOLDER.path()).expect("what was written is read"), config);
        }
        1 => {
            write("genesis.toml", text);
            let Ok(genesis) = read_genesis(FOLDER.path()) else { return };
            genesis.validate().expect("what is read is valid");
            write("genesis.toml", toml::to_string(&genesis).expect("what was read is written").as_bytes());
            let again = read_genesis(FOLDER.path()).expect("what was written is read");
            assert_eq!((again.hash(), again), (genesis.hash(), genesis));
        }
        _ => {
            let path = write("consensus.key", text);
            for suite in [Suite::Standard, Suite::Guomi] {
                _ = read_secret_key(&path, suite).map(|key| assert_eq!(key.suite(), suite));
            }
        }
    }
}

/// What a new chain is made of.
pub fn seeds() -> Vec<Vec<u8>> {
    let with = |kind: u8, text: &str| [&[kind], text.as_bytes()].concat();
    let pair = genesis();
    let sealers = pair.sealers.iter().take(1).copied().collect();
    let alone = Genesis { consensus: ConsensusKind::Solo, balances: false, sealers, allocations: vec![], ..genesis() };
    vec![
        with(0, &toml::to_string(&NodeConfig::default()).expect("a configuration")),
        with(0, "[rpc]\nlisten = \"[::1]:0\"\n[storage]\narchive = true\n"),
        with(1, &toml::to_string(&pair).expect("a genesis")),
        with(1, &toml::to_string(&alone).expect("a genesis")),
        with(2, &format!("{}\n", "09".repeat(32))),
    ]
}

fn genesis() -> Genesis {
    let member = |seed| {
        let key = SecretKey::from_bytes(Suite::Standard, &[seed; 32]).expect("a key");
        Member { key: key.public_key(), weight: 1 }
    };
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        ethereum_chain_id: 20200,
        suite: Suite::Standard,
        timestamp_ms: 1_700_000_000_000,
        consensus: ConsensusKind::Pbft,
        pipeline_depth: 1,
        protocol_version: 1,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: true,
        limits: Limits::default(),
        sealers: vec![member(7), member(8)],
        allocations: vec![(Address([9; 20]), Amount::from(1_000_000))],
    }
}
