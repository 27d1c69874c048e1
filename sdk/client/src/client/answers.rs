//! What a node answers. Fields that are not known are passed over.

use entente_types::ReceiptError;
use entente_types::{Address, BlockNumber, Certificate, Hash, Header, LeftOut, Log, Suite, hex_bytes};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::errors::failure;

/// The answer of `entente_status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The group's name.
    pub group: String,
    /// The chain's number.
    pub chain_id: u64,
    /// The chain id that Ethereum's tools see.
    #[serde(default)]
    pub ethereum_chain_id: u64,
    /// What the group's signatures cover.
    pub genesis_hash: Hash,
    /// The group's algorithms.
    pub suite: Suite,
    /// The last committed block's number.
    pub height: BlockNumber,
    /// Its hash.
    pub hash: Hash,
    /// The commitment to the whole state after it.
    pub state_root: Hash,
    /// The transactions committed so far.
    #[serde(default)]
    pub transaction_count: u64,
    /// What waits in the pool.
    #[serde(default)]
    pub pool: PoolStatus,
    /// What the node is in the group.
    #[serde(default)]
    pub role: String,
    /// Whether it follows the chain.
    #[serde(default)]
    pub healthy: bool,
    /// The node's version.
    #[serde(default)]
    pub node_version: String,
    /// Whatever else the node tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// A node of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAnswer {
    /// Its identifier: the digits of its public key, without 0x.
    pub node_id: String,
    /// The account of that key.
    pub account: Address,
    /// The weight of its vote, where it seals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// A sealer set that is decided and rules later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedAnswer {
    /// The height from which it rules.
    pub from: BlockNumber,
    /// Its nodes, in its order.
    pub sealers: Vec<MemberAnswer>,
}

/// The answer of `entente_members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersAnswer {
    /// The height of the next block.
    pub next_height: BlockNumber,
    /// Who seals it.
    pub sealers: Vec<MemberAnswer>,
    /// The sets that are decided already and rule later, ascending by height.
    #[serde(default)]
    pub decided: Vec<DecidedAnswer>,
    /// Who follows the group and does not seal.
    #[serde(default)]
    pub observers: Vec<MemberAnswer>,
}

/// What waits in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PoolStatus {
    /// How many transactions.
    #[serde(default)]
    pub transactions: u64,
    /// Their bytes.
    #[serde(default)]
    pub bytes: u64,
    /// How many may wait.
    #[serde(default)]
    pub transactions_max: u64,
}

/// The answer of `entente_receipt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptAnswer {
    /// The transaction's hash.
    pub transaction: Hash,
    /// The number of the block it is in.
    pub block: BlockNumber,
    /// The block's hash.
    pub block_hash: Hash,
    /// Its place in the block.
    pub index: u32,
    /// 0 if it succeeded; otherwise FISCO BCOS's receipt status code.
    pub status: u32,
    /// What the call gave back, or the reason it reverted with.
    #[serde(with = "hex_bytes")]
    pub output: Vec<u8>,
    /// The gas it used.
    pub gas_used: u64,
    /// What contracts told the world.
    #[serde(default)]
    pub logs: Vec<Log>,
    /// The contract it created.
    #[serde(default)]
    pub contract: Option<Address>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ReceiptError>,
}

impl ReceiptAnswer {
    /// Whether the transaction did what it should.
    pub const fn succeeded(&self) -> bool {
        self.status == 0
    }
}

/// Which block is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockId {
    /// The last committed one.
    Latest,
    /// The one of this number.
    Number(BlockNumber),
    /// The one of this hash.
    Hash(Hash),
}

impl Serialize for BlockId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Latest => serializer.serialize_str("latest"),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Hash(hash) => hash.serialize(serializer),
        }
    }
}

/// The answer of `entente_block`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockAnswer {
    /// The block's hash.
    pub hash: Hash,
    /// Its header.
    pub header: Header,
    /// The transactions that were run: their hashes, or the whole of them where that was asked for.
    pub transactions: Vec<Value>,
    /// The transactions that were left out, unrun.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Who vouches for the block.
    #[serde(default)]
    pub certificate: Certificate,
}

/// What is called, without a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallRequest {
    /// The caller that the contract sees; the zero address if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// The contract.
    pub to: Address,
    /// What it is called with.
    #[serde(with = "hex_bytes")]
    pub input: Vec<u8>,
    /// The gas it may use; the node has a limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
}

/// The answer of `entente_call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAnswer {
    /// 0 if it succeeded; otherwise FISCO BCOS's receipt status code.
    pub status: u32,
    /// What the contract gave back, or the reason it reverted with.
    #[serde(with = "hex_bytes")]
    pub output: Vec<u8>,
    /// The gas it used.
    pub gas_used: u64,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ReceiptError>,
}

impl CallAnswer {
    /// Whether the call did what it should.
    pub const fn succeeded(&self) -> bool {
        self.status == 0
    }

    /// Why the call failed, in one line.
    pub fn reason(&self) -> String {
        failure(self.status, self.error.as_ref().map(|error| error.message.as_str()), &self.output)
    }
}

/// What `entente_subscribeBlocks` tells of each block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockNotice {
    /// The block's number.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: Hash,
    /// When it was proposed, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The commitment to the whole state after it.
    pub state_root: Hash,
    /// The gas its transactions used together.
    pub gas_used: u64,
    /// The hashes of its transactions, in their order.
    pub transactions: Vec<Hash>,
    /// The places of those that failed.
    #[serde(default)]
    pub failed: Vec<u32>,
}
