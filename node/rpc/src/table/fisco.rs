//! FISCO BCOS 2's methods, by its names.

use super::{Handler, Method, TRANSACTION, optional, required};
use crate::{
    arguments::{Kind, Parameter},
    configuration, fisco, fisco_consensus, fisco_node, members, proofs, sending,
};

const GROUP_ID: Parameter = required("groupID", Kind::Group);
const TRANSACTION_HASH: Parameter = required("transactionHash", Kind::Hash);
const BLOCK_NUMBER: Parameter = required("blockNumber", Kind::Number);
const BLOCK_HASH: Parameter = required("blockHash", Kind::Hash);
const TRANSACTION_INDEX: Parameter = required("transactionIndex", Kind::Number);
const FROM: Parameter = required("from", Kind::Number);
const COUNT: Parameter = required("count", Kind::Count);
const COMPRESS: Parameter = required("compressFlag", Kind::Boolean);
const INCLUDE_TRANSACTIONS: Parameter = optional("includeTransactions", Kind::Boolean);
const INCLUDE_SIGNATURES: Parameter = optional("includeSignatures", Kind::Boolean);

/// FISCO BCOS's methods.
pub(crate) static METHODS: &[Method] = &[
    Method {
        name: "getClientVersion",
        parameters: &[],
        result: "{\"Build Type\", \"Chain Id\", \"FISCO-BCOS Version\", \"Supported Version\", \"Entente \
                 Version\", …}",
        documentation: "The node's version, and the version of FISCO BCOS whose clients it serves.",
        example: "[]",
        handler: Handler::Direct(fisco::client_version),
    },
    Method {
        name: "getGroupList",
        parameters: &[],
        result: "a list of numbers, or of names that are not `group<n>`",
        documentation: "The groups of this node.",
        example: "[]",
        handler: Handler::Direct(fisco::group_list),
    },
    Method {
        name: "getBlockNumber",
        parameters: &[GROUP_ID],
        result: "a number",
        documentation: "The number of the last block.",
        example: "[1]",
        handler: Handler::Direct(fisco::block_number),
    },
    Method {
        name: "getBlockByNumber",
        parameters: &[GROUP_ID, BLOCK_NUMBER, INCLUDE_TRANSACTIONS],
        result: "{number, hash, parentHash, sealer, sealerList, signatureList, transactionsRoot, receiptsRoot, \
                 stateRoot, dbHash, logsBloom, gasUsed, gasLimit, timestamp, extraData, transactions}",
        documentation: "A block.",
        example: "[1, \"0x2\", true]",
        handler: Handler::Blocking(fisco::block_by_number),
    },
    Method {
        name: "getBlockByHash",
        parameters: &[GROUP_ID, BLOCK_HASH, INCLUDE_TRANSACTIONS],
        result: "as `getBlockByNumber`",
        documentation: "A block.",
        example: "[1, \"{block_hash}\", true]",
        handler: Handler::Blocking(fisco::block_by_hash),
    },
    Method {
        name: "getBlockHeaderByNumber",
        parameters: &[GROUP_ID, BLOCK_NUMBER, INCLUDE_SIGNATURES],
        result: "as `getBlockByNumber`, without transactions; `signatureList` if asked for",
        documentation: "A block's header.",
        example: "[1, \"0x2\", true]",
        handler: Handler::Blocking(fisco::header_by_number),
    },
    Method {
        name: "getBlockHeaderByHash",
        parameters: &[GROUP_ID, BLOCK_HASH, INCLUDE_SIGNATURES],
        result: "as `getBlockHeaderByNumber`",
        documentation: "A block's header.",
        example: "[1, \"{block_hash}\", true]",
        handler: Handler::Blocking(fisco::header_by_hash),
    },
    Method {
        name: "getBlockHashByNumber",
        parameters: &[GROUP_ID, BLOCK_NUMBER],
        result: "the hash",
        documentation: "A block's hash.",
        example: "[1, \"0x1\"]",
        handler: Handler::Direct(fisco::block_hash_by_number),
    },
    Method {
        name: "getTransactionByHash",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{hash, blockHash, blockNumber, transactionIndex, from, to, input, nonce, blockLimit, chainId, \
                 groupId, gas, gasPrice, value, extraData, signature: {r, s, v, signature}}, or null",
        documentation: "A committed transaction.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Direct(fisco::transaction_by_hash),
    },
    Method {
        name: "getTransactionByBlockNumberAndIndex",
        parameters: &[GROUP_ID, BLOCK_NUMBER, TRANSACTION_INDEX],
        result: "as `getTransactionByHash`",
        documentation: "The transaction at a place.",
        example: "[1, \"0x2\", \"0x0\"]",
        handler: Handler::Direct(fisco::transaction_by_number),
    },
    Method {
        name: "getTransactionByBlockHashAndIndex",
        parameters: &[GROUP_ID, BLOCK_HASH, TRANSACTION_INDEX],
        result: "as `getTransactionByHash`",
        documentation: "The transaction at a place.",
        example: "[1, \"{block_hash}\", \"0x0\"]",
        handler: Handler::Direct(fisco::transaction_by_block_hash),
    },
    Method {
        name: "getTransactionReceipt",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{transactionHash, transactionIndex, blockHash, blockNumber, from, to, input, output, status, \
                 gasUsed, contractAddress, logs, logsBloom, root}, or null",
        documentation: "The receipt of a committed transaction.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Direct(fisco::receipt),
    },
    Method {
        name: "getTransactionByHashWithProof",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{transaction, txProof: [{left: [digits], right: [digits]}]}, or null",
        documentation: "A committed transaction, and the siblings from its hash up to `transactionsRoot`, a level each. \
                 The tree and its hashes are ours, so FISCO BCOS's own check does not fit: \
                 `entente_transactionProof` gives the proof to check.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Blocking(proofs::fisco_transaction),
    },
    Method {
        name: "getTransactionReceiptByHashWithProof",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{transactionReceipt, receiptProof: [{left: [digits], right: [digits]}]}, or null",
        documentation: "The receipt of a committed transaction, and the siblings from its SCALE encoding up to \
                 `receiptsRoot`, a level each. The tree and its hashes are ours, so FISCO BCOS's own check does not \
                 fit: `entente_receiptProof` gives the proof to check.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Blocking(proofs::fisco_receipt),
    },
    Method {
        name: "getPendingTxSize",
        parameters: &[GROUP_ID],
        result: "a number",
        documentation: "How many transactions wait.",
        example: "[1]",
        handler: Handler::Direct(fisco::pending_size),
    },
    Method {
        name: "getTotalTransactionCount",
        parameters: &[GROUP_ID],
        result: "{blockNumber, txSum}",
        documentation: "How many transactions are committed; how many of them failed is not counted.",
        example: "[1]",
        handler: Handler::Direct(fisco::total),
    },
    Method {
        name: "getSealerList",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "The nodes that order, as it was decided last; from which height they do tells `entente_members`.",
        example: "[1]",
        handler: Handler::Direct(members::sealer_list),
    },
    Method {
        name: "getPbftView",
        parameters: &[GROUP_ID],
        result: "a hexadecimal quantity",
        documentation: "The view that the node is in, or wants. Where the consensus has none: error -40007.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::pbft_view),
    },
    Method {
        name: "getConsensusStatus",
        parameters: &[GROUP_ID],
        result: "a list of {accountType, highestblockNumber, highestblockHash, nodeId, nodeNum, sealer.0, …}; with pbft \
                 also connectedNodes, currentView, toView, leaderFailed, and the list's second entry is a list of \
                 {nodeId, view}; else leaderId, leaderIdx",
        documentation: "How the node takes part in consensus. What does not exist here is 0 or false; of views the node's \
                 own is told.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::consensus_status),
    },
    Method {
        name: "getSyncStatus",
        parameters: &[GROUP_ID],
        result: "{blockNumber, genesisHash, isSyncing, knownHighestNumber, knownLatestHash, latestHash, nodeId, peers, \
                 protocolId, txPoolSize}",
        documentation: "How far the node is, and the others of the group that it is connected to. Hashes of blocks that \
                 are not here yet are 0.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::sync_status),
    },
    Method {
        name: "getPeers",
        parameters: &[GROUP_ID],
        result: "a list of {IPAndPort, nodeId, Topic}",
        documentation: "The nodes that this one is connected to, whatever their groups.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::peers),
    },
    Method {
        name: "getObserverList",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "The nodes that follow and do not order.",
        example: "[1]",
        handler: Handler::Direct(members::observer_list),
    },
    Method {
        name: "getGroupPeers",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "The nodes that order, and those that follow.",
        example: "[1]",
        handler: Handler::Direct(members::group_peers),
    },
    Method {
        name: "getNodeIDList",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "This node, and those it is connected to.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::node_ids),
    },
    Method {
        name: "getNodeInfo",
        parameters: &[],
        result: "{Agency, IPAndPort, Node, NodeID, Topic}",
        documentation: "The node's name, its public key, and where it listens for other nodes. Agency and topics are \
                 empty.",
        example: "[]",
        handler: Handler::Direct(fisco_node::node_info),
    },
    Method {
        name: "queryGroupStatus",
        parameters: &[GROUP_ID],
        result: "{code, message, status}; status is RUNNING, STOPPED or INEXISTENT",
        documentation: "Whether a group runs on this node.",
        example: "[1]",
        handler: Handler::Direct(fisco_node::group_status),
    },
    Method {
        name: "getCode",
        parameters: &[GROUP_ID, required("address", Kind::Address)],
        result: "the code in hexadecimal; \"0x\" where there is none",
        documentation: "The code at an address: a contract's module.",
        example: "[1, \"{contract}\"]",
        handler: Handler::Blocking(fisco_node::code),
    },
    Method {
        name: "getPendingTransactions",
        parameters: &[GROUP_ID],
        result: "a list of {from, gas, gasPrice, hash, input, nonce, to, value}",
        documentation: "The transactions that wait and are in no proposal, oldest first: at most 1,000, and at most 8 MiB \
                 of inputs.",
        example: "[1]",
        handler: Handler::Waiting(fisco_node::pending),
    },
    Method {
        name: "getBatchReceiptsByBlockNumberAndRange",
        parameters: &[GROUP_ID, BLOCK_NUMBER, FROM, COUNT, COMPRESS],
        result: "{blockInfo: {blockHash, blockNumber, receiptRoot, receiptsCount}, transactionReceipts: [{contractAddress, \
                 from, gasUsed, logs, output, status, to, transactionHash, transactionIndex}]}; where `compressFlag` is \
                 true, a string: that JSON's zlib in Base64",
        documentation: "Some receipts of a block, from a place on.",
        example: "[1, \"0x1\", \"0\", \"-1\", false]",
        handler: Handler::Blocking(fisco_node::receipts_by_number),
    },
    Method {
        name: "getBatchReceiptsByBlockHashAndRange",
        parameters: &[GROUP_ID, BLOCK_HASH, FROM, COUNT, COMPRESS],
        result: "as `getBatchReceiptsByBlockNumberAndRange`",
        documentation: "Some receipts of a block, from a place on.",
        example: "[1, \"{block_hash}\", \"0\", \"-1\", true]",
        handler: Handler::Blocking(fisco_node::receipts_by_hash),
    },
    Method {
        name: "getSystemConfigByKey",
        parameters: &[GROUP_ID, required("key", Kind::Text)],
        result: "a decimal string",
        documentation: "The value of a key of the system configuration that was decided last, whether or not it rules \
                 yet; the keys are in `docs/native-modules.md`.",
        example: "[1, \"tx_count_limit\"]",
        handler: Handler::Direct(configuration::by_key),
    },
    Method {
        name: "call",
        parameters: &[GROUP_ID, required("call", Kind::FiscoCall)],
        result: "{currentBlockNumber, output, status}",
        documentation: "Calls a contract without a transaction.",
        example: "[1, {\"from\": \"{sender}\", \"to\": \"{contract}\", \"data\": \"0x18160ddd\"}]",
        handler: Handler::Waiting(fisco::call),
    },
    Method {
        name: "sendRawTransaction",
        parameters: &[GROUP_ID, TRANSACTION],
        result: "the hash",
        documentation: "Sends a signed transaction: SCALE of ours, or the RLP of FISCO BCOS 2 with 13 items (first byte 0xc0 or \
                 above), which gets the group's limit of gas for a transaction, whatever it asks for.",
        example: "[1, \"{signed_4}\"]",
        handler: Handler::Waiting(sending::send),
    },
    Method {
        name: "sendRawTransactionAndGetProof",
        parameters: &[GROUP_ID, TRANSACTION],
        result: "the hash",
        documentation: "As `sendRawTransaction`: FISCO BCOS tells receipt and proofs over its own channel, which is not there \
                 yet; ask with `getTransactionByHashWithProof` and `getTransactionReceiptByHashWithProof`.",
        example: "[1, \"{signed_3}\"]",
        handler: Handler::Waiting(sending::send),
    },
];

/// FISCO BCOS's methods whose subject does not exist yet, and what that is.
pub(crate) static ABSENT: &[(&str, &str)] = &[
    ("generateGroup", GROUPS),
    ("startGroup", GROUPS),
    ("stopGroup", GROUPS),
    ("removeGroup", GROUPS),
    ("recoverGroup", GROUPS),
    ("addPeers", PEERS),
    ("erasePeers", PEERS),
    ("queryPeers", PEERS),
];
const GROUPS: &str = "a node of this version runs the one group of its genesis.toml";
const PEERS: &str = "a node of this version calls the peers that config.toml names when it starts";
