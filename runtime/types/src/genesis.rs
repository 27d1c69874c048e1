//! The document a group begins with.

use std::{fmt, str::FromStr};

use entente_crypto::{Domain, PublicKey};
use parity_scale_codec::{Decode, Encode, Error, Input};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Amount, ConfigurationKey, Hash, Header, KeyDescription, Suite, Version,
    limits::{GROUP_ID_BYTES_MAX, PIPELINE_DEPTH_MAX, SEALERS_MAX},
    sealers_hash,
};

/// A group's name: 1 to 64 of a to z, 0 to 9, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupId(String);

/// A text that is no group's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a group's name has 1 to {GROUP_ID_BYTES_MAX} of a-z, 0-9, _ and -; found {0:?}")]
pub struct GroupIdError(String);

impl GroupId {
    /// The name, if the text is one.
    pub fn new(text: &str) -> Result<Self, GroupIdError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if text.is_empty() || text.len() > GROUP_ID_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(GroupIdError(text.chars().take(GROUP_ID_BYTES_MAX + 1).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// `group<n>`: what an integer stands for where a group is expected.
    pub fn from_number(number: u64) -> Self {
        Self(format!("group{number}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for GroupId {
    type Err = GroupIdError;

    fn from_str(text: &str) -> Result<Self, GroupIdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for GroupId {
    type Error = GroupIdError;

    fn try_from(text: String) -> Result<Self, GroupIdError> {
        Self::new(&text)
    }
}

impl From<GroupId> for String {
    fn from(group: GroupId) -> Self {
        group.0
    }
}

impl Decode for GroupId {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let bytes = crate::Bytes::<GROUP_ID_BYTES_MAX>::decode(input)?;
        std::str::from_utf8(&bytes).ok().and_then(|text| Self::new(text).ok()).ok_or_else(|| "no group's name".into())
    }
}

/// A member of the sealer set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its consensus key.
    pub key: PublicKey,
    /// The weight of its vote.
    pub weight: u32,
}

/// How a group agrees on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsensusKind {
    /// One node orders.
    #[codec(index = 0)]
    Solo,
    /// Practical Byzantine fault tolerance.
    #[codec(index = 1)]
    Pbft,
    /// The same on a rotating working set.
    #[codec(index = 2)]
    Rpbft,
    /// Raft: crash faults only.
    #[codec(index = 3)]
    Raft,
}

/// The hash function of the EVM's opcode and selectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvmHash {
    /// Ethereum's.
    #[codec(index = 0)]
    Keccak256,
    /// That of FISCO BCOS's Guomi compiler.
    #[codec(index = 1)]
    Sm3,
}

/// The unit of the EVM's TIMESTAMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvmTimestamp {
    /// Ethereum's.
    #[codec(index = 0)]
    Seconds,
    /// FISCO BCOS's.
    #[codec(index = 1)]
    Milliseconds,
}

/// The limits that a group begins with. System configuration can change them later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The gas of a block, in Ethereum's unit: once it is used up, the rest of the proposal is left out.
    pub block_gas: u64,
    /// The gas that one transaction may ask for.
    pub transaction_gas: u64,
    /// The transactions in a proposal.
    pub block_transactions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { block_gas: 800_000_000, transaction_gas: 300_000_000, block_transactions: 5_000 }
    }
}

/// Everything that a group's nodes must agree on before its first block. Its hash is the group's identity.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The format's version.
    pub version: Version<1>,
    /// The chain's number, as FISCO BCOS's `chain_id`.
    pub chain_id: u64,
    /// The group's name.
    pub group_id: GroupId,
    /// The chain id that Ethereum's tools see.
    pub ethereum_chain_id: u64,
    /// The algorithms, throughout.
    pub suite: Suite,
    /// When the group begins, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// How it agrees.
    pub consensus: ConsensusKind,
    /// How many heights may be in flight; 1 for solo.
    pub pipeline_depth: u32,
    /// The version of the rules that the first block is executed under.
    pub protocol_version: u32,
    /// The hash function that EVM contracts see.
    pub evm_hash: EvmHash,
    /// The unit of time that EVM contracts see.
    pub evm_timestamp: EvmTimestamp,
    /// Whether there is a coin.
    pub balances: bool,
    /// The limits it begins with.
    pub limits: Limits,
    /// The sealers it begins with.
    pub sealers: Vec<Member>,
    /// What accounts hold at the beginning; empty unless there is a coin.
    #[serde(default)]
    pub allocations: Vec<(Address, Amount)>,
}

/// Why a genesis document is refused. Each names the field and what it may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// No sealer, or too many.
    #[error("`sealers` has {0} entries; allowed are 1 to {SEALERS_MAX}")]
    Sealers(usize),
    /// The same key twice.
    #[error("`sealers` names the key of {0} twice")]
    SealerTwice(Address),
    /// A key of another suite.
    #[error("`sealers` holds a key of the {found:?} suite, but `suite` is {suite:?}")]
    SealerSuite {
        /// The group's.
        suite: Suite,
        /// The key's.
        found: Suite,
    },
    /// A sealer without a vote.
    #[error("`sealers` gives {0} the weight 0; allowed is 1 and above")]
    Weight(Address),
    /// Solo with many, or with a depth.
    #[error("`consensus = \"solo\"` needs exactly one sealer and `pipeline_depth = 1`")]
    Solo,
    /// A depth out of bounds.
    #[error("`pipeline_depth` is {0}; allowed are 1 to {PIPELINE_DEPTH_MAX}")]
    PipelineDepth(u32),
    /// Limits that let nothing through.
    #[error("`limits.{key}` is {found}; allowed are {allowed}")]
    Limit {
        /// The key.
        key: &'static str,
        /// Its value.
        found: u64,
        /// What it may be.
        allowed: String,
    },
    /// Allocations without a coin.
    #[error("`allocations` is not empty, but `balances` is false: there is no coin to hold")]
    AllocationsWithoutBalances,
}

impl Genesis {
    /// The group's identity.
    pub fn hash(&self) -> Hash {
        self.suite.hash_of(Domain::GENESIS, self)
    }

    /// Header 0. Whoever puts rows into the first state knows the two roots over them; whoever serves Ethereum's tools
    /// sets the Ethereum hash.
    pub fn header(&self, change_root: Hash, state_root: Hash) -> Header {
        let empty = Header::transaction_root(self.suite, &[]);
        Header {
            version: Version,
            number: 0,
            parent: Hash::ZERO,
            proposal: self.hash(),
            timestamp_ms: self.timestamp_ms,
            proposer: Address::ZERO,
            next_sealers: sealers_hash(self.suite, &self.sealers),
            transaction_root: empty,
            receipt_root: empty,
            change_root,
            state_root,
            ethereum_hash: Hash::ZERO,
            gas_used: 0,
            protocol_version: self.protocol_version,
        }
    }

    /// Checks what the fields alone do not ensure.
    pub fn validate(&self) -> Result<(), GenesisError> {
        validate_sealers(self.suite, &self.sealers)?;
        if !(1..=PIPELINE_DEPTH_MAX).contains(&self.pipeline_depth) {
            return Err(GenesisError::PipelineDepth(self.pipeline_depth));
        }
        if self.consensus == ConsensusKind::Solo && (self.sealers.len() != 1 || self.pipeline_depth != 1) {
            return Err(GenesisError::Solo);
        }
        if !self.balances && !self.allocations.is_empty() {
            return Err(GenesisError::AllocationsWithoutBalances);
        }
        self.limits.validate()
    }
}

/// Checks what every sealer set holds to, genesis's and later ones: some members and not too many, each with a key of
/// the suite and a vote, and nobody twice.
pub fn validate_sealers(suite: Suite, sealers: &[Member]) -> Result<(), GenesisError> {
    if sealers.is_empty() || sealers.len() > SEALERS_MAX {
        return Err(GenesisError::Sealers(sealers.len()));
    }
    let mut keys: Vec<PublicKey> = Vec::with_capacity(sealers.len());
    for member in sealers {
        let found = member.key.suite();
        if found != suite {
            return Err(GenesisError::SealerSuite { suite, found });
        }
        if member.weight == 0 {
            return Err(GenesisError::Weight(member.key.address()));
        }
        keys.push(member.key);
    }
    keys.sort_unstable();
    match keys.array_windows::<2>().find(|[left, right]| left == right) {
        Some([twice, _]) => Err(GenesisError::SealerTwice(twice.address())),
        None => Ok(()),
    }
}

impl Limits {
    /// Checks that transactions fit in, and that blocks stay bounded.
    pub fn validate(&self) -> Result<(), GenesisError> {
        let limit = |key, found, allowed: String| Err(GenesisError::Limit { key, found, allowed });
        let KeyDescription { minimum, maximum, .. } = ConfigurationKey::TransactionGas.describe();
        if !(minimum..=maximum).contains(&self.transaction_gas) {
            return limit("transaction_gas", self.transaction_gas, format!("{minimum} to {maximum}"));
        }
        let KeyDescription { maximum, .. } = ConfigurationKey::BlockGas.describe();
        if !(self.transaction_gas..=maximum).contains(&self.block_gas) {
            return limit("block_gas", self.block_gas, format!("limits.transaction_gas to {maximum}"));
        }
        let KeyDescription { minimum, maximum, .. } = ConfigurationKey::BlockTransactions.describe();
        let found = u64::from(self.block_transactions);
        if !(minimum..=maximum).contains(&found) {
            return limit("block_transactions", found, format!("{minimum} to {maximum}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use entente_crypto::SecretKey;

    use super::*;

    pub(crate) fn genesis() -> Genesis {
        genesis_of(Suite::Standard)
    }

    fn genesis_of(suite: Suite) -> Genesis {
        let key = SecretKey::from_bytes(suite, &[1; 32]).unwrap().public_key();
        Genesis {
            version: Version,
            chain_id: 1,
            group_id: GroupId::new("group1").unwrap(),
            ethereum_chain_id: 20200,
            suite,
            timestamp_ms: 1_700_000_000_000,
            consensus: ConsensusKind::Solo,
            pipeline_depth: 1,
            protocol_version: 1,
            evm_hash: EvmHash::Keccak256,
            evm_timestamp: EvmTimestamp::Seconds,
            balances: false,
            limits: Limits::default(),
            sealers: vec![Member { key, weight: 1 }],
            allocations: vec![],
        }
    }

    #[test]
    fn each_rule_of_genesis_has_its_error() {
        assert_eq!(genesis().validate(), Ok(()));
        let broken = |change: &dyn Fn(&mut Genesis)| {
            let mut genesis = genesis();
            change(&mut genesis);
            genesis.validate().unwrap_err()
        };
        assert_eq!(broken(&|genesis| genesis.sealers.clear()), GenesisError::Sealers(0));
        assert!(matches!(broken(&|genesis| genesis.sealers.push(genesis.sealers[0])), GenesisError::SealerTwice(_)));
        assert!(matches!(broken(&|genesis| genesis.sealers[0].weight = 0), GenesisError::Weight(_)));
        assert_eq!(broken(&|genesis| genesis.pipeline_depth = 2), GenesisError::Solo);
        assert_eq!(broken(&|genesis| genesis.pipeline_depth = 17), GenesisError::PipelineDepth(17));
        assert_eq!(
            broken(&|genesis| genesis.allocations.push((Address::ZERO, Amount::ZERO))),
            GenesisError::AllocationsWithoutBalances
        );
        assert!(matches!(
            broken(&|genesis| genesis.limits.block_gas = 1),
            GenesisError::Limit { key: "block_gas", found: 1, .. }
        ));
        assert!(matches!(broken(&|genesis| genesis.suite = Suite::Guomi), GenesisError::SealerSuite { .. }));
    }

    #[test]
    fn sealers_keys_are_of_the_groups_suite() {
        let mut guomi = genesis_of(Suite::Guomi);
        assert_eq!(guomi.validate(), Ok(()));
        guomi.suite = Suite::Standard;
        assert_eq!(
            guomi.validate().unwrap_err().to_string(),
            "`sealers` holds a key of the Guomi suite, but `suite` is Standard"
        );
    }

    #[test]
    fn every_field_changes_the_hash() {
        let mut other = genesis();
        other.ethereum_chain_id += 1;
        assert_ne!(other.hash(), genesis().hash());
    }

    #[test]
    fn names_of_groups() {
        assert_eq!(GroupId::from_number(7).as_str(), "group7");
        for bad in ["", "Group", "a/b", &"a".repeat(65)] {
            assert!(GroupId::new(bad).is_err(), "{bad}");
        }
        assert!(GroupId::decode(&mut "A".encode().as_slice()).is_err());
    }
}
