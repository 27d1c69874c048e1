//! Genesis documents, accounts and signed transactions for tests.
//!
//! This crate owns what tests of many rooms would otherwise write again: one genesis, keys by number, signed
//! transactions, certificates, a node's folder, blocks with all claims about them. It never is a dependency of
//! anything but tests, and it panics where a test should fail.
//!
//! ```
//! let keys = entente_testing::keys(4);
//! let genesis = entente_testing::genesis(&keys);
//! assert_eq!(genesis.validate(), Ok(()));
//! let transaction = entente_testing::unsigned(&genesis, &keys[0], 7).sign(&genesis.hash(), &keys[0]);
//! assert_eq!(transaction.to_bytes()[0], 1);
//! ```
#![forbid(unsafe_code)]

mod content;

use entente_crypto::{SecretKey, Suite};
use entente_types::{
    Address, Amount, Bytes, Certificate, CertificateVote, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId,
    Header, Limits, Member, UnsignedTransaction, Version,
};
use tempfile::TempDir;

pub use content::{BlockContent, header};

/// The key with this number, of the Standard suite. 0 is none.
pub fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[number; 32]).expect("a key")
}

/// The keys from 1 on.
pub fn keys(count: u8) -> Vec<SecretKey> {
    (1..=count).map(key).collect()
}

/// The members that these keys are, each with one vote.
pub fn members(keys: &[SecretKey]) -> Vec<Member> {
    keys.iter().map(|key| Member { key: key.public_key(), weight: 1 }).collect()
}

/// The group `group1` of chain 1 with these sealers: solo where there is one of them.
pub fn genesis(sealers: &[SecretKey]) -> Genesis {
    let solo = sealers.len() == 1;
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::from_number(1),
        ethereum_chain_id: 20200,
        suite: Suite::Standard,
        timestamp_ms: 1_700_000_000_000,
        consensus: if solo { ConsensusKind::Solo } else { ConsensusKind::Pbft },
        pipeline_depth: if solo { 1 } else { 2 },
        protocol_version: 2,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: false,
        limits: Limits::default(),
        sealers: members(sealers),
        allocations: vec![],
    }
}

/// A transaction of the group that calls the address of nines with nothing, valid until block 500.
pub fn unsigned(genesis: &Genesis, sender: &SecretKey, nonce: u64) -> UnsignedTransaction {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&nonce.to_le_bytes());
    UnsignedTransaction {
        version: Version,
        chain_id: genesis.chain_id,
        group_id: genesis.group_id.clone(),
        sender: sender.public_key().address(),
        nonce: bytes,
        valid_until: 500,
        gas_limit: 1_000_000,
        to: Some(Address([9; 20])),
        value: Amount::ZERO,
        input: Bytes::default(),
        extra: Bytes::default(),
    }
}

/// The votes of these members of a sealer set, whose keys are given in its order, for a header.
pub fn certificate(genesis: &Genesis, header: &Header, keys: &[SecretKey], members: &[u16]) -> Certificate {
    let suite = genesis.suite;
    let digest = Header::signing_digest(suite, &genesis.hash(), header.number, &header.hash(suite));
    let vote = |member: &u16| CertificateVote { member: *member, signature: keys[usize::from(*member)].sign(&digest) };
    Certificate { version: Version, votes: members.iter().map(vote).collect() }
}

/// A node's folder with this genesis, this consensus key and this `config.toml`.
pub fn node_folder(genesis: &Genesis, key: &SecretKey, configuration: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("a file");
    write("config.toml", configuration.to_owned());
    write("genesis.toml", toml::to_string(genesis).expect("toml"));
    std::fs::create_dir(folder.path().join("keys")).expect("a folder");
    let digits: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    write("keys/consensus.key", digits + "\n");
    folder
}
